/**
 * @file
 * New epochs, ours and those of peers (PROTOCOL.md 12). Only node/ includes it.
 *
 * This node was restored from a backup and holds: what it signed since is lost here, and stands in
 * its peers' databases.
 *
 *   operator: new-epoch     epoch.c        the old ledger is closed, a new one begins; EPOCH to
 * each peer; with each a recovery begins the peer's operator     epoch_peer.c   pins the new
 * ledger, keeps what it received of the old accepts                                one, writes
 * EPOCH_ACCEPTED into its own chain FETCHING                recover.c      we ask the peer for what
 * it holds of the old ledger and check it; its batches wait AWAITING                replay.c its
 * items come again from our old cursor on; before each, what we had said takes effect again, in the
 * order of then AGAIN                   replay.c       EPOCH_ACCEPTED came: what the peer never got
 * is written again into the new chain; agreements are adopted again NONE all with this peer is in
 * order
 *
 * Until then nothing else is written to that peer: see ledger_append().
 */
#ifndef NODE_EPOCH_H
#define NODE_EPOCH_H

#include "node/items.h"

/* --- epoch.c --- */

/**
 * Close this node's ledger and begin a new one.
 *
 * @retval ERR_STATE  the node does not hold for want of entries that it signed
 */
enum err epoch_start(struct node *n, const struct node_caller *caller,
		     const char *reason) WARN_UNUSED;

/** At start, in a ledger that follows another: EPOCH to those that have had none. */
enum err epoch_introduce(struct node *n) WARN_UNUSED;

/* --- epoch_peer.c --- */

/** A peer's Hello, verified, is of a new epoch: remember it, tell the operator, end the session. */
enum err epoch_met(struct node *n, struct session *s, const struct hello *h) WARN_UNUSED;

/** The operator accepts it. @retval ERR_STATE  there is none, or this node holds */
enum err epoch_accept(struct node *n, struct peer *p, const struct node_caller *caller,
		      const char *reason) WARN_UNUSED;

/** EPOCH. */
enum err item_take_epoch(struct taking *t, struct session *s) WARN_UNUSED;

/** What a session asks for that is held of its earlier epochs, into one Answer that is sent. */
enum err epoch_give_back(struct node *n, struct session *s, uint64_t id,
			 const struct pb_ask_entries *ask) WARN_UNUSED;

/* --- recover.c --- */

/** Ask for what the peer holds of our earlier epochs, when that is due. */
enum err recover_ask(struct node *n, struct session *s) WARN_UNUSED;

/** Is this the answer to it? */
bool recover_awaits(const struct session *s, const struct pb_answer *m);

/** It came. */
enum err recover_answer(struct node *n, struct session *s, const struct pb_answer *m) WARN_UNUSED;

/* --- replay.c --- */

/** What we had said by then takes effect: all entries given back whose seen_k the cursor reached.
 */
enum err replay_due(struct node *n, struct peer *p) WARN_UNUSED;

/** EPOCH_ACCEPTED. */
enum err item_take_epoch_accepted(struct taking *t) WARN_UNUSED;

/** A bounded step of what is written again to each peer. @param[out] ret_more  more is left */
enum err replay_step(struct node *n, bool *ret_more) WARN_UNUSED;

/* --- openings_back.c --- */

/** Openings beside an item that is given back. All zero is none. */
struct given_openings {
	struct pb_opening *opening;
	struct pb_opening **list;
	size_t n;
	struct buf bytes; /* what they borrow */
};

/** What is held of those that a received body names; free it also after a failure. */
enum err given_openings_load(struct node *n, int kind, struct view body,
			     struct given_openings *g) WARN_UNUSED;
void given_openings_free(struct given_openings *g);

/** Are they those that the body, which is ours, names? @retval ERR_FORMAT  else */
enum err back_openings_check(const struct pb_held_item *m, int kind) WARN_UNUSED;

/** Keep them, unless the record itself is held; they were checked. */
enum err back_openings_keep(struct node *n, struct peer *p, const struct entry *entry,
			    const struct pb_held_item *m) WARN_UNUSED;

/* --- inbox.c --- */

/** Receipts up to the cursor, from receipted_k on. */
enum err inbox_receipts(struct node *n, struct peer *p,
			const struct checkpoint *rests_on) WARN_UNUSED;

/** Go on from where we stand: what came before was dropped. */
enum err inbox_resume(struct node *n, struct session *s) WARN_UNUSED;

#endif
