/**
 * @file
 * What items.c and items_record.c share: one item under judgement. Nobody else includes it.
 */
#ifndef NODE_ITEMS_H
#define NODE_ITEMS_H

#include "node/internal.h"

/** One item under judgement. */
struct taking {
	struct node *n;
	struct peer *p;
	const struct batch_item *item;
	struct entry entry;
	struct view body;
	int reason;	       /* RefusalReason; 0 = accepted so far */
	struct held_seal seal; /* that the body carries */
};

/** Refuse for good: ERR_OK, with the reason kept. */
enum err item_refuse(struct taking *t, int reason) WARN_UNUSED;
/** Errors of checks on the item are a refusal; those of storage and memory are ours. */
enum err item_refuse_unless_local(struct taking *t, enum err e, int reason) WARN_UNUSED;
/** The body as a message of @p desc, else UNREADABLE. */
enum err item_body(struct taking *t, const ProtobufCMessageDescriptor *desc, void *ret) WARN_UNUSED;
/** The referral that the entry answers: held, and between us two; else UNKNOWN_REFERENCE. */
enum err item_referral(struct taking *t, struct referral_row *ret) WARN_UNUSED;

/* --- items_record.c --- */

/** A REFERRAL or a SUPPLEMENT: its disclosure checked wholly, then stored. */
enum err item_take_referral(struct taking *t) WARN_UNUSED;
enum err item_take_supplement(struct taking *t) WARN_UNUSED;

#endif
