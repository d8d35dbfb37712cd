/**
 * @file
 * One connection between two nodes: a TLS session, frames, deadlines. Bytes in, bytes out: no
 * descriptor, no clock (monotonic time is an argument), so whole conversations run in memory.
 *
 *   HANDSHAKE --> GREETING --> OPEN --> CLOSING --> CLOSED
 *       |             |                   ^  ^        ^
 *       +-------------+-------------------+  |        |   failure: CLOSING while an alert is to be
 *       (any) --------------------------------+--------+   sent, else CLOSED at once
 *
 *   HANDSHAKE  TLS is being made; ends within LINK_HANDSHAKE_MS
 *   GREETING   TLS stands, the peer's TLS identity is known. One frame (its Hello, of at most
 *              LINK_GREETING_FRAME_MAX bytes) is given out, then none until link_admit(); ends
 *              within LINK_GREETING_MS
 *   OPEN       frames of up to FRAME_BODY_MAX bytes both ways. A frame that began must be whole
 *              within LINK_FRAME_MS; LINK_IDLE_MS without a frame taken end it
 *   CLOSING    what waits is sent, then close_notify, then the peer's is awaited; LINK_CLOSING_MS
 *   CLOSED     nothing more is sent or read: close the descriptor, link_free()
 *
 * In every state output that waits must move within LINK_STALL_MS.
 *
 * How to drive one:
 *
 *     link_new()
 *     on bytes:     link_input(), then link_take_frame() until it gives ERR_AGAIN
 *     on eof/error: link_eof()
 *     on writable:  link_output(), write, link_sent(n)
 *     on the timer: link_tick() at link_deadline_ms()
 *     after each:   interest from link_wants(), timer from link_deadline_ms(), and link_state():
 *                   GREETING for the first time: link_peer(), link_exporter(); CLOSED: free it
 *
 * An error (other than ERR_AGAIN, ERR_FULL and ERR_STATE) is returned once and has ended the link;
 * link_error() keeps it. Frames not yet taken are then dropped. A link is never freed by its own
 * functions.
 */
#ifndef LINK_LINK_H
#define LINK_LINK_H

#include <stdint.h>

#include "base/agency_id.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/own.h"
#include "crypto/cert.h"
#include "crypto/tls.h"

#define LINK_HANDSHAKE_MS 10000u
#define LINK_GREETING_MS 30000u
#define LINK_IDLE_MS 180000u /**< a node sends a Ping well before, when it has nothing to say */
#define LINK_FRAME_MS 30000u /**< from a frame's first byte to its last: against slowloris */
#define LINK_STALL_MS 60000u /**< output waits and the peer takes none of it */
#define LINK_CLOSING_MS 5000u

#define LINK_INPUT_MAX 65536u		     /**< bytes of one link_input() */
#define LINK_HANDSHAKE_BYTES_MAX 131072u     /**< from a peer before TLS stands */
#define LINK_GREETING_FRAME_MAX 65536u	     /**< body of the frame before link_admit() */
#define LINK_OUTPUT_MAX (2u * 1024u * 1024u) /**< bytes of frames that wait to be sent */

enum link_state {
	LINK_HANDSHAKE,
	LINK_GREETING,
	LINK_OPEN,
	LINK_CLOSING,
	LINK_CLOSED,
};

/** What the owner waits for on the socket; bits. */
enum link_want {
	LINK_WANTS_NOTHING = 0,
	LINK_WANTS_READ = 1,  /**< off while frames wait to be taken: this is the back-pressure */
	LINK_WANTS_WRITE = 2, /**< link_output() is not empty */
};

struct link;

/**
 * Begin a connection; a dialler's first bytes are in link_output() at once.
 *
 * @param context   borrowed, outlives the link
 * @param expected  whom we dial: another identity ends the handshake with ERR_CERT. Copied. NULL
 *                  when role is TLS_LISTENER (the owner looks link_peer() up), and only then
 * @retval ERR_NOMEM
 * @retval ERR_CRYPTO
 *
 * Owner:   caller frees with link_free().
 */
enum err link_new(struct tls_context *context, enum tls_role role, const struct agency_id *expected,
		  uint64_t mono_ms, struct link **ret) WARN_UNUSED;
void link_free(struct link *l);
DEFINE_FREEP(struct link, link_free)

/**
 * Bytes that came from the peer; all are taken, or none.
 *
 * @param in  1..LINK_INPUT_MAX bytes
 * @retval ERR_FULL   LINK_WANTS_READ is off: take frames first, keep the bytes
 * @retval ERR_STATE  CLOSED
 * @retval ERR_TLS, ERR_CERT, ERR_REVOKED, ERR_LIMIT ...  the peer's fault; the link ends
 */
enum err link_input(struct link *l, struct view in, uint64_t mono_ms) WARN_UNUSED;

/**
 * The peer's side of the socket ended, or the socket failed. Frames that came whole before a proper
 * close can still be taken.
 *
 * @retval ERR_OK   after close_notify, or while CLOSING
 * @retval ERR_TLS  cut off: no close_notify came
 */
enum err link_eof(struct link *l, uint64_t mono_ms) WARN_UNUSED;

/** Bytes to send now; borrowed, valid until the next call that changes @p l. Empty: nothing. */
struct view link_output(const struct link *l);

/**
 * The first @p n bytes of link_output() were sent.
 *
 * @retval ERR_TLS, ERR_NOMEM  what was to follow cannot be made; the link ends
 */
enum err link_sent(struct link *l, size_t n, uint64_t mono_ms) WARN_UNUSED;

/**
 * Take the next whole frame's body. In GREETING the first one only.
 *
 * @param[out] ret     1..FRAME_BODY_MAX bytes, not parsed
 * @retval ERR_AGAIN   none now
 * @retval ERR_FORMAT  declared length 0: the link ends
 * @retval ERR_LIMIT   declared length over the limit of the state: the link ends
 *
 * Owner:   *ret borrows from @p l and is good until the next link_input(), link_take_frame() or
 *          link_free().
 */
enum err link_take_frame(struct link *l, uint64_t mono_ms, struct view *ret) WARN_UNUSED;

/**
 * The vault has verified the peer's Hello: GREETING becomes OPEN. Frames may wait already: follow
 * with link_take_frame().
 */
void link_admit(struct link *l, uint64_t mono_ms);

/**
 * Queue a frame.
 *
 * @param body        1..FRAME_BODY_MAX bytes; copied
 * @retval ERR_FULL   LINK_OUTPUT_MAX would be passed: again after link_sent()
 * @retval ERR_STATE  not GREETING or OPEN
 * @retval ERR_LIMIT  the body is empty or too long: nothing is queued and the link goes on
 * @retval ERR_TLS, ERR_NOMEM  the link ends
 */
enum err link_send_frame(struct link *l, struct view body, uint64_t mono_ms) WARN_UNUSED;

/** Bytes of frames that wait to be sent: 0 when link_send_frame() would find the link idle. */
size_t link_queued_bytes(const struct link *l);

/**
 * End the link properly: what is queued goes out, then close_notify; frames not taken and what
 * still comes in are dropped. No effect when CLOSING or CLOSED.
 */
void link_close(struct link *l, uint64_t mono_ms);

/**
 * End the link for cause, e.g. a peer that is not configured: what is queued is dropped.
 *
 * @param e  why, kept by link_error()
 */
void link_abort(struct link *l, enum err e, uint64_t mono_ms);

/** When link_tick() is due; UINT64_MAX: never (CLOSED). */
uint64_t link_deadline_ms(const struct link *l);

/**
 * A deadline may have passed.
 *
 * @retval ERR_LIMIT  it has, and the link ended for it (not when CLOSING ran out: that is ERR_OK)
 */
enum err link_tick(struct link *l, uint64_t mono_ms) WARN_UNUSED;

/** Bits of enum link_want. */
unsigned link_wants(const struct link *l);

/** Where it stands. */
enum link_state link_state(const struct link *l);

/** Name of a state for logs: "handshake" ... Static. */
const char *link_state_name(enum link_state state);

/** Why the link ended: ERR_OK while it lives, or when either side closed properly. */
enum err link_error(const struct link *l);

/** As given to link_new(). */
enum tls_role link_role(const struct link *l);

/** Whose TLS certificate the peer showed, borrowed; NULL in HANDSHAKE (also if that failed). */
const struct agency_id *link_peer(const struct link *l);

/** When that certificate ends, UTC seconds; 0 in HANDSHAKE. */
int64_t link_peer_until(const struct link *l);

/** The channel binding of RFC 9266, TLS_EXPORTER_BYTES, borrowed; NULL in HANDSHAKE. */
const uint8_t *link_exporter(const struct link *l);

/**
 * Check the peer's certificate again: after a CRL reload and every 60 s.
 *
 * @param trust  the anchors and CRLs of now
 * @retval ERR_OK       still good, or TLS does not stand (yet, or any more)
 * @retval ERR_CERT, ERR_REVOKED  the link ends; nothing queued is sent
 */
enum err link_recheck(struct link *l, const struct trust *trust, int64_t utc_s,
		      uint64_t mono_ms) WARN_UNUSED;

#endif
