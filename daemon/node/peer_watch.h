/**
 * @file
 * Watches of peers: who asked is told, a row a turn, when a peer's deliveries, its state or what
 * came of it changed. What a row says is on disk when it leaves, as with every reply.
 *
 *   asked --> row --> row --> ... --> the caller hangs up
 */
#ifndef NODE_PEER_WATCH_H
#define NODE_PEER_WATCH_H

#include "node/internal.h"

/** At the end of a turn: a row to each whose peer changed. */
enum err peer_watches_tell(struct node *n) WARN_UNUSED;

/** Nobody waits any more for what @p caller asked; 0: all. */
void peer_watches_forget(struct node *n, uint64_t caller);

#endif
