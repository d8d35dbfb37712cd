/**
 * @file
 * The vault's side of the sessions that the gate holds: how much of a session's frames the gate
 * may have before they are sent, and what waits here meanwhile. So one peer that reads slowly
 * fills neither the gate nor the channel to it.
 */
#ifndef VAULT_SESSION_H
#define VAULT_SESSION_H

#include "base/digest.h"
#include "base/err.h"
#include "link/link.h"
#include "process/channel.h"
#include "wire/frame.h"

/** Bytes of frames that the gate may have unsent; it has room for one more beyond. */
#define SESSION_WINDOW (LINK_OUTPUT_MAX / 2)
/** Bytes that may wait here: more than the protocol's own window lets arise. */
#define SESSION_HELD_MAX (16u << 20)

/**
 * Bytes of a session's frames that may wait for the node's turn: the gate's credit for a peer is 1
 * MiB, which one frame may pass. Who sends more is no gate of ours.
 */
#define SESSION_TAKEN_MAX (2u * FRAME_BODY_MAX)

/** All sessions; all zero is none. */
struct session_table {
	struct vault_session *first;
	struct channel *gate;
};

/** The gate has a session of that number. @retval ERR_NOMEM */
enum err session_table_add(struct session_table *t, uint64_t number) WARN_UNUSED;

/** It has it no more. False: it never had. */
bool session_table_remove(struct session_table *t, uint64_t number);

/** Send a frame, or hold it until there is room; a session that is gone swallows it. */
enum err session_send(struct session_table *t, uint64_t number, struct view frame) WARN_UNUSED;

/** Bytes of frames that wait here or in the gate. */
size_t session_unsent(const struct session_table *t, uint64_t number);

/**
 * A frame of @p n bytes comes from the gate.
 *
 * @retval ERR_NOT_FOUND  of no session
 * @retval ERR_FULL       beyond what it was given credit for
 */
enum err session_take(struct session_table *t, uint64_t number, size_t n) WARN_UNUSED;

/** The node has dealt with @p n bytes of it: the gate may send as many more. */
enum err session_credit(struct session_table *t, uint64_t number, size_t n) WARN_UNUSED;

/** Close when all before is sent. */
enum err session_close(struct session_table *t, uint64_t number) WARN_UNUSED;

/** The gate has sent @p n_bytes of it. */
enum err session_sent(struct session_table *t, uint64_t number, uint64_t n_bytes) WARN_UNUSED;

/** The channel to the gate has room again. */
enum err session_table_resume(struct session_table *t) WARN_UNUSED;

void session_table_fini(struct session_table *t);

#endif
