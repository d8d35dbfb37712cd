/**
 * @file
 * The simulated world: whole nodes (the same node, store and link code as in the daemon, real TLS
 * over memory, real SQLite on a disk in memory) in one process under a virtual clock. One seed
 * decides everything: delays, cuts, crashes, power losses, keys, salts. Nothing here reads a real
 * clock or sleeps.
 *
 *   event queue (time, order) -> deliver bytes | wake a node | connect | a link's time-out
 *   a node's port: send -> its link -> bytes with delay -> the other node's link -> node_frame
 *
 *   world.c     time, randomness, the queue of events
 *   agency.c    an agency: its node's port, how its process starts and ends; clock.c its clocks
 *   network.c   connections, routes, what befalls them
 *   client.c    the local clients of an agency
 *   trace.c     what happened, in words and as a hash
 *   vfs.c       a disk that fails and loses power
 *   inspect.c   a look into a node
 *   watch.c     invariants on every step; wire.c those on everything that leaves
 *   rest.c      what must hold when all is quiet
 *   given.c     records and agreement
 *   scenario.c  what agencies do; faults.c what befalls them, flips.c bits of their disks;
 *               seed.c one seed from end to end
 *
 * Who wants one whole world without a scenario (exhaustive fault points, clocks): world_init(),
 * world_run(), world_ask(), world_start(), world_stop(), the disk of each agency, world_fini().
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "crypto/tls.h"
#include "link/link.h"
#include "node/node.h"
#include "pki.h"
#include "vfs.h"
#include "wire/message.h"

#define WORLD_AGENCIES_MAX 7
#define WORLD_CONNECTIONS_MAX 512
#define WORLD_CLIENTS_MAX 4
#define WORLD_DEPTH_MAX 16
#define WORLD_START_US UINT64_C(1780300800000000) /* 2026-06-01T08:00:00Z */
#define WORLD_RESERVE_BYTES (UINT64_C(1) << 20)	  /* of a node, as in its configuration */
#define WORLD_TRACE_LINES 40
#define WORLD_TRACE_TEXT 200
#define SECOND_US UINT64_C(1000000)
#define MINUTE_US (60 * SECOND_US)
#define HOUR_US_SIM (60 * MINUTE_US)

struct world;
struct seen;

/** How rough the world is. */
struct knobs {
	uint32_t delay_min_us, delay_max_us; /**< of each chunk of bytes */
	uint32_t chunk_max;		     /**< bytes that travel at once, at most */
	uint32_t reset_per_million;	     /**< chunks on which the connection breaks */
	uint32_t turn_wait_us; /**< from an input to the turn that takes it, at most */
	size_t window_items;   /**< of an agency, from its next start on; 0: the usual */
	size_t step_requests;  /**< the same */
};

/** The way from one agency to another: one direction of it. */
struct route {
	bool no_dial;	      /**< dials are refused */
	bool is_stalled;      /**< bytes wait */
	uint32_t bytes_per_s; /**< 0: as fast as can be */
};

/** An agency's clocks against the world's time. */
struct clock {
	int64_t offset_us;     /**< of the wall clock */
	int32_t drift_ppm;     /**< of the wall clock */
	bool is_stuck;	       /**< the wall clock stands at stuck_utc_us */
	uint64_t stuck_utc_us; /**< while it is stuck */
	uint64_t suspended_us; /**< what the monotonic clock did not count, once over */
	uint64_t suspend_from_us, suspend_until_us; /**< and the newest time that it does not */
};

struct reply_list {
	struct pb_api_reply **reply;
	size_t n;
	bool is_whole;
	uint64_t request;
};
void reply_list_free(struct reply_list *l);

/** One client of an agency's local socket; 0 is that of world_ask(). */
struct client {
	struct agency *agency;
	size_t index;
	struct reply_list *replies; /**< NULL: nothing is asked */
	int action;		    /**< the scenario's: what for */
	size_t peer, record;	    /**< the scenario's */
	uint8_t id[DIGEST_BYTES];   /**< the scenario's: a referral */
};

/** One agency: its disk, keys and, while it is up, its node. */
struct agency {
	struct world *world;
	size_t index;
	const char *label; /**< two letters */
	struct agency_id id;
	struct disk *disk;
	struct secret *node_key;
	struct seal_key *seal_key;
	struct cert_chain seal_chain;
	struct pki_leaf tls_leaf, seal_leaf;
	struct tls_context *tls;
	struct node *node; /**< NULL: down */
	struct clock clock;
	uint64_t paused_until_us; /**< stopped like SIGSTOP */
	uint64_t wake_at_us;	  /**< of the newest wake event; older ones are ignored */
	uint32_t n_log[5];	  /**< log lines by level, while its node ran */
	struct client client[WORLD_CLIENTS_MAX];
	uint64_t next_request;
	struct seen *seen; /**< what is known to be committed; watch.h */
	bool has_power;	   /**< it goes down as power says; else as the seed says */
	enum disk_power power;
	bool may_fail;	   /**< its memory is taken: calls of its node may fail */
	bool is_doomed;	   /**< one did: its process ends with its next turn */
	uint64_t room_end; /**< bytes that its disk holds at most; 0: no limit */
	bool is_damaged;   /**< a bit was flipped: it may refuse, never lie */
};

/** One end of a connection. */
struct end {
	struct agency *agency;
	uint64_t session;
	struct link *link;
	bool is_told;		/**< node_session_opened() was called */
	uint64_t last_us;	/**< arrival of the newest bytes on their way here: order is kept */
	uint64_t not_before_us; /**< bytes that came earlier wait until then */
	size_t n_under_way;	/**< bytes on their way here */
	bool is_gone;
};

struct connection {
	struct end end[2]; /**< 0 dialled */
	bool is_used;
	uint64_t number;
};

/** What a run counts; the sum over seeds is printed. */
struct tally {
	uint64_t n_events, n_turns, n_frames, n_dials, n_cuts, n_crashes, n_starts, n_faults;
	uint64_t n_power_losses, n_disk_errors, n_clock_jumps, n_holds, n_checkpoints, n_entries;
	uint64_t n_flips;
	uint64_t n_early; /* frames that left before the commit of the turn */
	uint64_t n_steps; /* calls after which a turn went on */
};

struct trace {
	char line[WORLD_TRACE_LINES][WORLD_TRACE_TEXT];
	uint64_t n;
	uint64_t hash;
};

struct world {
	uint64_t seed;
	uint64_t random[4];
	uint64_t now_us; /**< virtual, since the start */
	uint64_t next_session;
	struct knobs knobs;
	struct agency agency[WORLD_AGENCIES_MAX];
	size_t n_agency;
	struct route route[WORLD_AGENCIES_MAX][WORLD_AGENCIES_MAX]; /**< [from][to] */
	struct trust *trust;
	struct pki_ca *ca[WORLD_AGENCIES_MAX];
	struct connection connection[WORLD_CONNECTIONS_MAX];
	struct event *heap;
	size_t n_heap, cap_heap;
	uint64_t next_order;
	struct tally tally;
	struct trace trace;
	struct agency *inside; /**< whose node or link runs now; NULL: the world's own code */
	struct agency *outside[WORLD_DEPTH_MAX]; /**< and before that */
	size_t n_outside;
	bool is_unwatched; /**< no invariants on the steps: a world that is broken on purpose */
	/**
	 * A client other than 0 has its answer whole, or the node went down (is_whole is false). It
	 * may ask again at once. @p l is freed by the caller.
	 */
	void (*answered)(void *ctx, struct client *c, const struct reply_list *l);
	void *ctx;
};

/** A world of @p n agencies, each in its own country, databases made, nodes up. */
void world_init(struct world *w, uint64_t seed, size_t n);
void world_fini(struct world *w);

/** Uniform below @p n, from the seed; 0 for 0. */
uint64_t world_random(struct world *w, uint64_t n);

/** Let virtual time pass. */
void world_run(struct world *w, uint64_t for_us);

/* --- agencies: agency.c --- */

/** The process ends between turns; its disk is left as @p how says. */
void world_stop(struct agency *a, enum disk_power how);

/** Nothing when it is up. It may stay down: a fault, or damage. */
void world_start(struct agency *a);

/**
 * Make its database anew on an empty disk, as `amparod --init`; it is down, and nobody knows of it.
 *
 * @retval false  a fault: what is there may be whole all the same, or is refused at start
 */
bool world_make(struct agency *a);

/** Room for @p n bytes more on its disk; UINT64_MAX: as much as it likes. */
void world_set_room(struct agency *a, uint64_t n);

/** Its wall clock, UTC microseconds, and its monotonic one in ms. */
uint64_t agency_utc_us(const struct agency *a);
uint64_t agency_mono_ms(const struct agency *a);

/** The process stands still; with @p suspend its monotonic clock too. */
void world_pause(struct agency *a, uint64_t for_us, bool suspend);
void world_resume(struct agency *a);

/* --- network: network.c --- */

/** Cut what connects them now; both ends notice. */
void world_cut(struct world *w, size_t a, size_t b);
/** Nothing stalled, slow or refused any more. */
void world_heal_routes(struct world *w);

/* --- local clients: client.c --- */

/**
 * Ask a node as its local client 0 would; lets time pass until the answer is whole, or the node is
 * down: then nobody knows whether the request was carried out.
 *
 * @param request  pb_api_request without id
 * @return replies, a list; freed by reply_list_free()
 */
struct reply_list *world_ask(struct agency *a, void *request);

/** Ask and go on; world.answered() is called. @p c has nothing else asked. */
void client_ask(struct client *c, void *request);

/** The client goes away without waiting for its answer. */
void client_leave(struct client *c);

/* --- trace: trace.c --- */

/** One event in words, kept for a failing seed. */
void trace_say(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** What is not worth words: into the hash alone. */
void trace_mix(struct world *w, uint64_t what, struct view data);

/** Stop the program with the seed and the trace when an invariant does not hold. */
#define MUST(w, cond)                                                                              \
	do {                                                                                       \
		if (!(cond))                                                                       \
			world_broken((w), #cond, __FILE__, __LINE__);                              \
	} while (0)
_Noreturn void world_broken(const struct world *w, const char *cond, const char *file, int line);

#endif
