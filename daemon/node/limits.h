/**
 * @file
 * What keeps a node from being filled: the reserve of its disk, and what one peer may make it hold.
 * Nothing is refused for good. Below the reserve new work is answered with "for now", a batch with
 * new content by Bye BUSY; receipts are taken, and what waits goes out. Below a quarter of it
 * nothing more is taken from peers at all. A peer over a limit of its own gets Bye BUSY.
 */
#ifndef NODE_LIMITS_H
#define NODE_LIMITS_H

#include "node/internal.h"

#define ROOM_RETRY_S 30	  /**< when a peer comes back to a full disk */
#define ROOM_LOOK_MS 5000 /**< while it is full it is looked at again, without input */

/** The usual where nothing is said. */
struct node_limits limits_or_usual(const struct node_limits *l);

/** Begin a turn: how much room is there? Says it when that changed. */
void limits_look(struct node *n);

/** Is there room for a request that is refused from @p worse on? @retval ERR_FULL with words */
enum err limits_allow(const struct node *n, enum room worse) WARN_UNUSED;

/**
 * Is a batch, verified as a whole, too much now? Nothing of it is taken then.
 *
 * @param[out] ret_retry_s  0: it may be taken; else when the peer shall come back
 */
void limits_judge(struct node *n, struct peer *p, const struct batch *b, uint32_t *ret_retry_s);

/** Count what is taken of a peer, of this day and in all. */
void limits_count(struct node *n, struct peer *p, uint64_t n_entries, uint64_t n_notes,
		  uint64_t n_bytes);

/** What was counted of this day: 0 both when the row speaks of another. */
void limits_today(struct node *n, const struct peer *p, uint64_t *ret_entries, uint64_t *ret_notes);

#endif
