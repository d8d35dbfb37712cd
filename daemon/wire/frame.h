/**
 * @file
 * Frames: u32 big-endian length, then that many bytes. The same on TLS connections (one Frame
 * message), on the socketpairs between processes and on the local socket.
 *
 * An impossible length is refused when its four bytes are there. A buffer grows with the bytes that
 * arrive; with the length that was declared only for those who may fill it anyway: the daemon's own
 * processes, and a peer whose Hello was good.
 */
#ifndef WIRE_FRAME_H
#define WIRE_FRAME_H

#include "base/buf.h"
#include "base/err.h"
#include "wire/message.h"

#define FRAME_HEAD_BYTES 4u
#define FRAME_BODY_MAX (1024u * 1024u) /**< between nodes, on the local socket; PROTOCOL.md 5 */
/** Between the daemon's own processes: a Relay holds a peer's whole frame and what belongs to it.
 */
#define FRAME_RELAY_MAX (FRAME_BODY_MAX + 4096u)

/**
 * Take one frame off the head of @p in.
 *
 * Leave @p in unchanged unless a whole frame was taken.
 *
 * @param[in,out] in  bytes received so far
 * @param limit       largest body accepted, bytes, 1..FRAME_RELAY_MAX; FRAME_BODY_MAX but for
 *                    the daemon's own processes
 * @param[out] ret    the body, at least 1 byte; set on ERR_OK only
 * @retval ERR_AGAIN  less than a whole frame is buffered
 * @retval ERR_FORMAT the declared length is 0
 * @retval ERR_LIMIT  the declared length exceeds @p limit
 *
 * Owner:   *ret borrows from @p in and is good until bytes are added to it again.
 * Source:  PROTOCOL.md 5
 */
enum err frame_take(struct buf *in, size_t limit, struct view *ret) WARN_UNUSED;

/**
 * How much is still to come of the frame at the head of @p in: room made for it at once need not
 * grow piece by piece.
 *
 * @param limit  as for frame_take()
 * @return bytes; 0 when the frame is whole, its length has not come, or frame_take() refuses it
 */
size_t frame_missing(const struct buf *in, size_t limit);

/**
 * Append a frame; nothing is appended on failure.
 *
 * @param body        1..FRAME_BODY_MAX bytes
 * @retval ERR_LIMIT  another length, or the limit of @p out
 * @retval ERR_NOMEM
 */
enum err frame_put(struct buf *out, struct view body) WARN_UNUSED;

/** Append a frame that holds one message (struct pb_x *), encoded in place; errors as frame_put().
 */
enum err frame_put_message(struct buf *out, const void *message) WARN_UNUSED;

/** The same for the daemon's own processes: up to FRAME_RELAY_MAX bytes. */
enum err frame_put_relay(struct buf *out, const void *message) WARN_UNUSED;

/**
 * Decode the body of a frame from a peer: a Frame with exactly one field set.
 *
 * @param[out] ret    set on ERR_OK only
 * @retval ERR_FORMAT besides what message_decode() means by it: none or several fields are set
 * Other errors as message_decode().
 *
 * Owner:   caller frees *ret with message_free(); its bytes fields borrow from @p body.
 */
enum err frame_decode(struct view body, struct pb_frame **ret) WARN_UNUSED;

#endif
