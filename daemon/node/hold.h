/**
 * @file
 * Why a node signs nothing: entries that it signed are lost here, or its clock is not to be
 * believed. Only node/ includes it.
 *
 *   lost   last-signed says so (open.c), or a peer showed a checkpoint of ours, signed by our seal
 *          key, that the ledger does not contain. What the peer showed is stored as evidence, so it
 *          counts after a restart too. Ended by a new epoch, or by a database that contains it.
 *   clock  it moved against the monotonic one, or stands before the newest entry: ended by the
 *          operator (`amparo clock confirm`). What he confirmed counts after a restart too.
 *
 * Both may be; node.hold is the words of one of them, NULL while serving.
 */
#ifndef NODE_HOLD_H
#define NODE_HOLD_H

#include "node/internal.h"

/** Entries that were signed are lost here. @param why  static; the first one is kept */
void hold_lost(struct node *n, const char *why);

/** A new epoch began: what was lost is of an earlier one. */
void hold_lost_is_over(struct node *n);

/** At start, before anything is signed: what peers showed before, held against the ledger. */
enum err hold_load(struct node *n) WARN_UNUSED;

/**
 * A Hello of @p p shows a checkpoint of ours: hold, and store it as evidence, unless the ledger
 * contains it. Of an earlier epoch of ours it says nothing.
 *
 * @param note     signed by our seal key, which was checked
 * @param[out] ret_stands  false: the ledger does not contain it
 */
enum err hold_judge(struct node *n, struct peer *p, const struct hello *h, struct view note,
		    bool *ret_stands) WARN_UNUSED;

/** Look at the clock against the ledger and against itself. */
void clock_check(struct node *n);

/** What the operator confirmed before. */
enum err clock_load(struct node *n) WARN_UNUSED;

/** The operator says that the clock is right as it stands; it is in doubt. */
enum err clock_confirm(struct node *n, const struct node_caller *caller,
		       const char *reason) WARN_UNUSED;

#endif
