/**
 * @file
 * Inside the gate: its connections in a fixed table, its peers, its listeners.
 *
 *   accepted --> SILENT --first byte--> LINKED --> ENDED        dialled --> CONNECTING --> LINKED
 *
 * Before a peer is known (its certificate verified, and of a configured agency) a connection costs
 * one slot of the table and, once it sent a byte, one TLS session; there are at most
 * GATE_UNKNOWN_MAX of them, GATE_UNKNOWN_PER_ADDRESS_MAX of one address. When they are all taken
 * the oldest goes: whoever trickles loses its place, who is quick gets through.
 */
#ifndef GATE_INTERNAL_H
#define GATE_INTERNAL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/agency_id.h"
#include "base/quota.h"
#include "link/link.h"
#include "loop/loop.h"
#include "process/channel.h"

#define GATE_CONNECTIONS_MAX 2048u /**< slots; a power of two: session numbers hold the slot */
#define GATE_UNKNOWN_MAX 256u
#define GATE_UNKNOWN_PER_ADDRESS_MAX 32u
#define GATE_SESSIONS_PER_PEER_MAX 3u /**< two may stand for a while, and one to replace them */
#define GATE_LISTEN_MAX 8u
#define GATE_PEERS_MAX 512u
#define GATE_TRUST_MAX 256u
#define GATE_ADDRESSES_MAX 4u	/**< of one peer's host name that are tried */
#define GATE_ACCEPTS_PER_S 100u /**< a handshake costs about a millisecond */
#define GATE_ACCEPTS_BURST 200u
#define GATE_ACCEPT_PAUSE_MS 50u /**< how long the listeners rest when that is used up */
#define GATE_CONNECT_MS 10000u
#define GATE_SILENT_MS 10000u  /**< from accept to the first byte */
#define GATE_RECHECK_MS 60000u /**< certificates of live sessions are checked again */
#define GATE_STOP_MS 500u      /**< to send what is queued when told to stop */
/** Bytes of a peer's frames that the vault may have before it; one frame may pass it. */
#define GATE_CREDIT_MAX (1024u * 1024u)

#define GATE_WHY_MAX 160u
#define GATE_STAGE_MAX 400u /**< bytes of what is told of a test's stage */

struct gate;

/** An agency that may connect, as configured. */
struct peer {
	struct agency_id id;
	bool may_dial;
	bool is_dialling;     /**< from DIAL to a session, or to the last address's failure */
	bool is_failure_said; /**< a peer that stays away is told once */
	unsigned n_sessions;
	struct sockaddr_storage address[GATE_ADDRESSES_MAX];
	size_t n_address;
	size_t next_address;
	size_t n_uncredited; /**< bytes of all its sessions that the vault has not dealt with */
	struct token_bucket log_tokens;
	bool is_tested; /**< stages are told that did not fail, until one does or a Hello was good
			 */
	char why[GATE_WHY_MAX]; /**< the last address did not take the connection */
};

enum conn_state {
	CONN_FREE,
	CONN_CONNECTING,
	CONN_SILENT,
	CONN_LINKED,
	CONN_ENDED, /**< until the loop has let go of it */
};

/** One connection: a slot. */
struct conn {
	struct gate *gate;
	enum conn_state state;
	int fd;
	struct loop_watch *watch;
	struct loop_timer *timer;
	struct link *link; /**< LINKED only */
	struct peer *peer; /**< NULL: not known (yet) */
	bool is_dialled;   /**< by us */
	bool is_admitted;  /**< the vault has dealt with its Hello */
	struct sockaddr_storage address;
	uint64_t session; /**< 0: the vault has not heard of it */
	uint64_t since_ms;
	uint64_t armed_ms;   /**< of the timer */
	size_t n_uncredited; /**< frames' bytes that the vault has not dealt with */
	size_t n_unsent;     /**< frames' bytes from the vault that are not sent */
	struct loop_task free_task;
};

struct listener {
	int fd;
	struct loop_watch *watch;
	struct gate *gate;
};

struct gate {
	struct loop *loop;
	struct channel *parent;
	struct channel *vault;
	struct trust *trust;
	struct tls_context *tls;
	struct listener listener[GATE_LISTEN_MAX];
	size_t n_listener;
	struct peer *peer;
	size_t n_peer;
	size_t n_slots; /**< of conn[] that were ever in use */
	size_t n_conns;
	size_t n_slots_max;
	uint64_t n_sessions; /**< ever */
	struct token_bucket accept_tokens;
	struct token_bucket log_tokens; /**< of lines on connections that nobody known made */
	unsigned n_unlogged;
	struct loop_timer *accept_timer;
	struct loop_timer *recheck_timer;
	struct loop_timer *stop_timer;
	bool is_stopping;
	int exit_code;
	struct conn conn[GATE_CONNECTIONS_MAX];
	uint8_t scratch[LINK_INPUT_MAX];
};

/* --- gate.c --- */

/** The peer of that id; NULL: not configured. */
struct peer *gate_peer(struct gate *g, struct view id);

/** Tell the vault; a message that cannot be queued ends the gate. */
void gate_tell(struct gate *g, const struct pb_relay *m);

/** End the loop, with this exit code. */
void gate_end(struct gate *g, int exit_code);

/** Stop listening, close every connection, then end with exit code 0. */
void gate_stop(struct gate *g);

/* --- accept.c --- */

/** Take over a listening socket. */
enum err gate_listen(struct gate *g, int fd) WARN_UNUSED;

/** Close them all. */
void gate_listen_close(struct gate *g);

/** The timer's: listen again after a rest. */
void gate_listen_resume(void *gate);

/* --- dial.c --- */

/** The vault wants a session with @p p; with @p is_test it is told how far that gets. */
void dial_begin(struct gate *g, struct peer *p, bool is_test);

/** Tell a stage: one that failed always, the others of a test. */
void dial_stage(struct gate *g, struct peer *p, Amparo__V1__RelayStep step, bool ok,
		const char *format, ...) __attribute__((format(printf, 5, 6)));

/** A connection that we made failed with @p e, and err_words() says why. */
void dial_stage_failed(struct conn *c, enum err e);

/** A connection to one of its addresses was not taken: errno, or 0 for too late. */
void dial_not_taken(struct conn *c, int error);

/** The parent knows its addresses, or none. */
void dial_resolved(struct gate *g, const struct pb_relay *m);

/** A connection that we made ended before the vault heard of it. */
void dial_failed(struct gate *g, struct peer *p, bool was_connecting);

/* --- conn.c --- */

/**
 * Put a connected or connecting socket into a slot.
 *
 * @param peer        whom we dial; NULL for an accepted one
 * @retval ERR_LIMIT  every slot is taken; the caller closes @p fd, on any failure
 */
enum err conn_open(struct gate *g, int fd, const struct sockaddr_storage *address,
		   struct peer *peer, struct conn **ret) WARN_UNUSED;

/** End a connection now; what is queued is dropped. */
void conn_end(struct conn *c);

/** Say the proper goodbye, end when it is sent. */
void conn_close(struct conn *c);

/** The connection of a session; NULL when it has ended. */
struct conn *conn_find(struct gate *g, uint64_t session);

/** From the vault: a frame to send, bytes dealt with, the end. */
void conn_send(struct conn *c, struct view frame);
void conn_credit(struct conn *c, uint64_t n_bytes);

/** Take frames again after the vault's channel was full. */
void conn_resume(struct conn *c);

/** The peer's certificate may have ended or been revoked. */
void conn_recheck(struct conn *c);

/* --- conn_log.c --- */

#define ADDRESS_TEXT_MAX 64

/** "192.0.2.1:8443" or "[2001:db8::1]:8443". Returns @p ret. */
const char *address_text(const struct sockaddr_storage *a, char ret[ADDRESS_TEXT_MAX]);

/** One line on a connection that failed, unless there are too many of them. */
void conn_log_failure(struct conn *c, enum err e, const char *what);

#endif
