/**
 * @file
 * The node: the vault's turn over exchange and store. Everything that happens to an agency's ledger
 * happens here. It acts on the world through struct port alone, so the same code runs in the vault
 * and, many nodes in one process under a virtual clock, in the simulation.
 *
 * Input is queued (node_session_*, node_frame, node_request), then a turn takes what is there: it
 * checks each input wholly before its first write, appends, signs one checkpoint, builds the
 * outputs against it, commits one transaction, and only then releases the outputs through the port;
 * earlier leaves only what an earlier turn committed. Where many callers wait it takes several
 * calls of node_turn(), so that what peers say meanwhile is part of the same turn. An error of the
 * storage is final: node_turn() returns it, and the process must end.
 *
 *   holding nothing back:   serving
 *   holding back (signs nothing, still answers Hello):  rolled back | clock not believable
 */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/agency_id.h"
#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/own.h"
#include "base/secret.h"
#include "crypto/cert.h"
#include "crypto/sign.h"

#define NODE_TURN_INPUTS_MAX 256 /**< inputs that one turn takes, half of them of sessions */
#define NODE_TURN_ROWS_MAX 4000	 /**< rows of lists that one turn looks at; then inputs wait */
/** Bytes of input and of replies that one turn takes, half of them of sessions. */
#define NODE_TURN_BYTES_MAX (4 * 1024 * 1024)
/** Bytes of requests that may wait; a turn takes half of NODE_TURN_BYTES_MAX. */
#define NODE_REQUESTS_BYTES_MAX (32 * 1024 * 1024)
#define NODE_PERSON_MAX 64

/** The world, as the node sees it. Every function is called on the node's one thread. */
struct port {
	void *ctx;
	uint64_t (*mono_ms)(void *ctx); /**< never goes back */
	uint64_t (*utc_us)(void *ctx);
	enum err (*random)(void *ctx, void *p, size_t n);
	/** Send one frame body on a session; a session that is gone swallows it. */
	void (*send)(void *ctx, uint64_t session, struct view frame);
	/** Flush, then close. node_session_closed() follows, also when the peer closed first. */
	void (*close)(void *ctx, uint64_t session);
	/** Start to dial a configured peer; node_session_opened() or nothing follows. */
	void (*dial)(void *ctx, const struct agency_id *peer);
	/**
	 * Bytes sent on a session that its peer has not taken yet: while they are many, no more are
	 * made. NULL: never any.
	 */
	size_t (*unsent)(void *ctx, uint64_t session);
	/**
	 * As dial, and tell by node_dial_stage() how far it gets. NULL: it is dialled, and nothing
	 * is told but what follows.
	 */
	void (*test)(void *ctx, const struct agency_id *peer);
	/** Bytes that the disk with the database has free. NULL: there is always enough. */
	uint64_t (*free_bytes)(void *ctx);
	/** This much of a session's frames has been dealt with: read on. */
	void (*credit)(void *ctx, uint64_t session, size_t n_bytes);
	/** One ApiReply for a request of @p caller. */
	void (*reply)(void *ctx, uint64_t caller, struct view reply);
	/**
	 * Write the two newest signed checkpoints outside the database (`last-signed`), and begin
	 * to bring them to the disk. @p previous may be empty. signed_sync follows before the
	 * commit, and before the next of these.
	 */
	enum err (*last_signed)(void *ctx, struct view newest, struct view previous);
	/** What last_signed wrote is durable when this returns. */
	enum err (*signed_sync)(void *ctx);
};

/** A peer as configured. */
struct node_peer {
	struct agency_id id;
	bool may_dial; /**< it has an address */
	char *address; /**< as configured, to show; NULL: none is known */
};

/**
 * What is kept free, and what one peer may make this node hold; 0: the usual. Over a limit a peer
 * is not read until there is room again; none of its positions is refused for it.
 */
struct node_limits {
	uint64_t reserve_bytes; /**< of the disk: below it no new work is taken */
	uint64_t peer_entries_a_day;
	uint64_t peer_notes_a_day; /**< its checkpoints, kept as evidence */
	uint64_t peer_bytes_held;
	size_t window_items;  /**< unreceipted items to a peer, at most 256 (PROTOCOL.md 6.3) */
	size_t step_requests; /**< that one call of node_turn() takes; then peers come first */
};

#define NODE_RESERVE_BYTES (UINT64_C(64) << 20)
#define NODE_STEP_REQUESTS 16
#define NODE_PEER_ENTRIES_A_DAY 1000000
#define NODE_PEER_NOTES_A_DAY 250000
#define NODE_PEER_BYTES_HELD (UINT64_C(16) << 30)

/** Everything borrowed must outlive the node. */
struct node_options {
	struct agency_id agency;
	const char *database;	       /**< path of the file */
	const char *vfs;	       /**< NULL = default */
	const struct secret *node_key; /**< 32 bytes */
	const struct seal_key *seal_key;
	const struct cert_chain *seal_chain;
	const struct trust *trust;
	const struct node_peer *peer;
	size_t n_peer;
	struct node_limits limits;
	struct view
		last_signed_newest; /**< notes as read from the file; empty when there is none */
	struct view last_signed_previous;
	struct port port;
};

/** What a caller on the local socket may do; a bit each. */
enum node_role {
	NODE_ROLE_CASEWORKER = 1,
	NODE_ROLE_SUPERVISOR = 2,
	NODE_ROLE_OPERATOR = 4,
	NODE_ROLE_AUDITOR = 8,
};

/** Who asks. */
struct node_caller {
	uint64_t id; /**< given back in port.reply */
	uint32_t uid;
	uint32_t roles;		      /**< enum node_role */
	char person[NODE_PERSON_MAX]; /**< local account, for the local part of entries */
};

struct node;

/**
 * Make the database of a new node: empty ledger, new epoch (its start in UTC seconds).
 *
 * @retval ERR_EXISTS  there is one already
 */
enum err node_init(const struct node_options *options) WARN_UNUSED;

/**
 * Open: the frontier and the entries since the last checkpoint are verified before this returns.
 *
 * @retval ERR_NOT_FOUND  no database: node_init() first
 * @retval ERR_CONFIG     the database is another agency's, or the node key does not fit
 * @retval ERR_STORAGE    damaged
 * Owner: caller closes with node_close().
 */
enum err node_open(const struct node_options *options, struct node **ret) WARN_UNUSED;
void node_close(struct node *n);
DEFINE_FREEP(struct node, node_close)

/**
 * A TLS session stands. What the gate says of it is believed only as far as Hello proves it.
 *
 * @param session   number, never used before
 * @param role      1 we dialled, 2 we listened
 * @param exporter  32 bytes of RFC 9266
 */
enum err node_session_opened(struct node *n, uint64_t session, int role,
			     const struct agency_id *peer, const uint8_t exporter[32]) WARN_UNUSED;
/**
 * What the gate saw of a session, to show to people.
 *
 * @param tls_until_us  when the peer's TLS certificate ends; 0: not known
 * @param remote        address of the other end; copied
 */
enum err node_session_facts(struct node *n, uint64_t session, uint64_t tls_until_us,
			    const char *remote) WARN_UNUSED;

/** The steps of a test of a peer, in their order; up to NODE_STEP_CERTIFICATES the gate's. */
enum node_step {
	NODE_STEP_NAME = 1,
	NODE_STEP_ROUTE,
	NODE_STEP_TLS,
	NODE_STEP_CERTIFICATES,
	NODE_STEP_SEAL,
	NODE_STEP_AGREEMENT,
};

/** How far a dial got: every stage of one by port.test, of others the one that failed. @p text is
 * for people; copied. */
enum err node_dial_stage(struct node *n, const struct agency_id *peer, enum node_step step, bool ok,
			 const char *text) WARN_UNUSED;

/** One frame body; copied. */
enum err node_frame(struct node *n, uint64_t session, struct view frame) WARN_UNUSED;
enum err node_session_closed(struct node *n, uint64_t session) WARN_UNUSED;

/**
 * One ApiRequest; copied. Its replies come through port.reply after the commit.
 *
 * @retval ERR_FULL  more than NODE_REQUESTS_BYTES_MAX would wait: no reply comes
 */
enum err node_request(struct node *n, const struct node_caller *caller,
		      struct view request) WARN_UNUSED;

/** A caller has gone: forget what it still waits for. */
void node_caller_gone(struct node *n, uint64_t caller);

/**
 * Take what is queued, or the next step of it: then the turn goes on by the next call.
 *
 * @param[out] ret_more  more is queued, or a long job goes on: call again soon
 * @retval ERR_STORAGE   final: log and exit
 */
enum err node_turn(struct node *n, bool *ret_more) WARN_UNUSED;

/** Did node_turn() take a step of a turn that it has not finished? */
bool node_is_in_turn(const struct node *n);

/** Monotonic time in ms at which node_turn() is wanted again even without input; UINT64_MAX: never.
 */
uint64_t node_deadline_ms(const struct node *n);

/** Why nothing is signed, in words; NULL while serving. */
const char *node_hold(const struct node *n);

/** When idle or node_wal_is_long(): one step of moving the WAL. Within a turn it does nothing: call
 * it again after the next node_turn(). */
enum err node_idle(struct node *n, bool *ret_more) WARN_UNUSED;

/** Should node_idle() be called although there is work? */
bool node_wal_is_long(const struct node *n);

#endif
