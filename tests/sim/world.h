/**
 * @file
 * The simulated world: whole nodes (the same node, store and link code as in the daemon, real TLS
 * over memory, real SQLite files) in one process under a virtual clock. One seed decides
 * everything: delays, cuts, crashes, keys, salts. Nothing here reads a real clock or sleeps.
 *
 *   event queue (time, order) -> deliver bytes | wake a node | connect | cut
 *   a node's port: send -> its link -> bytes with delay -> the other node's link -> node_frame
 *
 * Faults: cut (both ends notice), crash after a commit with nothing released, crash between
 * last-signed and the commit, refused dials while a node is down.
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
#include "wire/message.h"

#define WORLD_AGENCIES_MAX 4
#define WORLD_START_US UINT64_C(1780300800000000) /* 2026-06-01T08:00:00Z */
#define NOTE_MAX 8192

struct world;

/** How rough the world is. */
struct knobs {
	uint32_t delay_min_us, delay_max_us; /**< of each chunk of bytes */
	uint32_t chunk_max;		     /**< bytes that travel at once, at most */
};

/** One agency: its files, keys and, while it is up, its node. */
struct agency {
	struct world *world;
	size_t index;
	struct agency_id id;
	char database[256];
	struct secret *node_key;
	struct seal_key *seal_key;
	struct cert_chain seal_chain;
	struct pki_leaf tls_leaf, seal_leaf;
	struct tls_context *tls;
	struct node *node;					    /**< NULL: down */
	uint8_t signed_newest[NOTE_MAX], signed_previous[NOTE_MAX]; /* the last-signed file */
	size_t n_newest, n_previous;
	bool fail_last_signed; /**< fault, armed: the file is written, the commit never comes */
	bool swallow;	       /**< fault, armed: committed, nothing released */
	uint64_t n_swallowed;
	uint64_t wake_at_us; /**< of the newest wake event; older ones are ignored */
	uint32_t n_log[5];   /**< log lines by level, while its node ran */
	/* the client of the local socket */
	uint64_t next_request;
	struct reply_list *replies;
};

/** One end of a connection. */
struct end {
	struct agency *agency;
	uint64_t session; /**< 0: the node does not know it yet */
	struct link *link;
	bool is_told;	  /**< node_session_opened() was called */
	uint64_t last_us; /**< arrival of the newest bytes on their way here: order is kept */
	bool is_gone;
};

struct connection {
	struct end end[2]; /**< 0 dialled */
	bool is_used;
	uint64_t number;
};

#define WORLD_CONNECTIONS_MAX 64

struct world {
	uint64_t seed;
	uint64_t random[4];
	uint64_t now_us; /**< virtual, since the start */
	uint64_t next_session;
	struct knobs knobs;
	struct agency agency[WORLD_AGENCIES_MAX];
	size_t n_agency;
	struct trust *trust;
	struct pki_ca *ca[WORLD_AGENCIES_MAX];
	struct connection connection[WORLD_CONNECTIONS_MAX];
	struct event *heap;
	size_t n_heap, cap_heap;
	uint64_t next_order;
	uint64_t n_events, n_cuts, n_crashes, n_restarts, n_dials;
	bool cut[WORLD_AGENCIES_MAX][WORLD_AGENCIES_MAX]; /**< no dial gets through */
	char folder[200];
};

/** A world of @p n agencies, each in its own country, databases made, nodes up. */
void world_init(struct world *w, uint64_t seed, size_t n, const char *folder);
void world_fini(struct world *w);

/** Uniform below @p n, from the seed. */
uint64_t world_random(struct world *w, uint64_t n);

/** Let virtual time pass. */
void world_run(struct world *w, uint64_t for_us);

/** Faults. */
void world_cut(struct world *w, size_t a, size_t b);	/**< cut what connects them now */
void world_crash(struct agency *a, bool before_commit); /**< in the next turn that writes */
void world_stop(struct agency *a);			/**< between turns */
void world_start(struct agency *a);

/**
 * Ask a node as its local client would; lets time pass until the answer is whole, or the node is
 * down: then nobody knows whether the request was carried out.
 *
 * @param request  pb_api_request without id
 * @return replies, a list; freed by reply_list_free()
 */
struct reply_list *world_ask(struct agency *a, void *request);

struct reply_list {
	struct pb_api_reply **reply;
	size_t n;
	bool is_whole;
	uint64_t request;
};
void reply_list_free(struct reply_list *l);

/** Stop the program with the seed when an invariant does not hold. */
#define MUST(w, cond)                                                                              \
	do {                                                                                       \
		if (!(cond))                                                                       \
			world_broken((w), #cond, __FILE__, __LINE__);                              \
	} while (0)
_Noreturn void world_broken(const struct world *w, const char *cond, const char *file, int line);

#endif
