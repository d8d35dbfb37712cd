/**
 * @file
 * One end of the socketpair between two of the daemon's processes, in the loop: Relay messages in
 * and out, in order.
 *
 * Output is gathered during a round of the loop and written at its end. A channel that ended (the
 * other process is gone, or sent what is no Relay) says so once; crash-only, the process then ends
 * too.
 */
#ifndef PROCESS_CHANNEL_H
#define PROCESS_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/own.h"
#include "loop/loop.h"
#include "wire/message.h"

#define CHANNEL_OUTPUT_HIGH (4u * 1024u * 1024u) /**< from here on senders hold back */
#define CHANNEL_OUTPUT_LOW (1u * 1024u * 1024u)	 /**< and here they go on: `drained` is called */

struct channel;

struct channel_calls {
	/** One message, borrowed for the call. */
	void (*message)(void *ctx, const struct pb_relay *m);
	/** Output fell below CHANNEL_OUTPUT_LOW after it was at CHANNEL_OUTPUT_HIGH. May be NULL.
	 */
	void (*drained)(void *ctx);
	/** Nothing more comes or goes. @p e ERR_CLOSED: the other end closed. */
	void (*ended)(void *ctx, enum err e);
};

/**
 * Take over a connected Unix stream socket, which becomes non-blocking.
 *
 * @param calls  static
 * @param ctx    given back in each call
 * @retval ERR_IO, ERR_NOMEM  @p fd is still the caller's
 */
enum err channel_new(struct loop *loop, int fd, const struct channel_calls *calls, void *ctx,
		     struct channel **ret) WARN_UNUSED;

/** Close and free, from outside of the calls above; NULL is fine. */
void channel_free(struct channel *c);
DEFINE_FREEP(struct channel, channel_free)

/**
 * Queue a message; no effect once the channel has ended.
 *
 * @retval ERR_LIMIT  longer than FRAME_RELAY_MAX
 * @retval ERR_NOMEM
 */
enum err channel_send(struct channel *c, const struct pb_relay *m) WARN_UNUSED;

/** A message of this kind alone: READY, STOP. */
enum err channel_send_kind(struct channel *c, Amparo__V1__RelayKind kind) WARN_UNUSED;

/** Bytes that wait to be written. */
size_t channel_queued(const struct channel *c);

/** Has CHANNEL_OUTPUT_HIGH been reached, and CHANNEL_OUTPUT_LOW not since? */
bool channel_is_full(const struct channel *c);

/** Write now as much as the socket takes, not in the next round of the loop. */
void channel_flush(struct channel *c);

#endif
