/**
 * @file
 * Batches: the only thing that carries content. One rebuild of the root proves all items at once.
 * Source: PROTOCOL.md 6.
 */
#ifndef EXCHANGE_BATCH_H
#define EXCHANGE_BATCH_H

#include <stdbool.h>

#include "base/agency_id.h"
#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "crypto/sign.h"
#include "ledger/chain.h"
#include "ledger/checkpoint.h"
#include "ledger/entry.h"
#include "ledger/merkle.h"
#include "wire/message.h"

#define BATCH_ITEMS_MAX 256
#define BATCH_PROOFS_MAX 4
#define BATCH_BYTES_MAX (768 * 1024) /**< our own batches end here; a frame holds 1 MiB */

/** An item of a new batch. */
struct batch_part {
	uint64_t index;
	ProtobufCMessage *item; /**< a struct pb_item, or a struct message_encoded of one */
};

/** What a new batch says beside its items. */
struct batch_terms {
	uint64_t from_size;
	struct view note;	       /**< our newest checkpoint */
	uint64_t size;		       /**< its size */
	const struct batch_part *part; /**< strictly ascending in index */
	size_t n_part;		       /**< 0: only the checkpoint */
	const uint64_t
		*prove; /**< sizes to be proven beside; those that are none of ours are left out */
	size_t n_prove; /**< at most BATCH_PROOFS_MAX */
};

/** Append the body of a Frame with this Batch; reads the tree for its proofs. */
enum err batch_make(const struct batch_terms *terms, const struct tree_reader *tree,
		    struct buf *out) WARN_UNUSED;

/** What to hold a batch against: the sender as this node knows it. */
struct batch_expected {
	const char *origin;
	const struct verify_key *key;
	uint64_t held_size; /**< newest checkpoint held; 0 = none */
	struct digest held_root;
	struct chain_head received; /**< of its chain to us */
};

/** One item whose entry is proven to stand in the sender's ledger. */
struct batch_item {
	const struct pb_item *item;
	size_t n_bytes; /**< of it, encoded; 0 when it is known */
	uint64_t index;
	struct digest leaf;
	struct view entry;
	struct entry decoded; /**< when is_decoded; else it is of a newer kind, or malformed */
	bool is_decoded;
	uint64_t k;
	bool is_known;		 /**< k is at or below the cursor: compare its leaf, then skip it */
	struct chain_head after; /**< head[k], for items that are not known */
};

/** A batch whose checkpoint, consistency, inclusion and chain are verified; items not yet judged.
 */
struct batch {
	struct checkpoint checkpoint;
	struct view note;
	struct batch_item item[BATCH_ITEMS_MAX];
	size_t n_item;
	uint64_t index[BATCH_ITEMS_MAX];
	struct digest leaf[BATCH_ITEMS_MAX];
	struct proof proof[BATCH_ITEMS_MAX]; /**< of each item's inclusion */
};

/** What became of a batch as a whole. */
enum batch_result {
	BATCH_OK,
	BATCH_RESUME,	     /**< it does not start from what we hold: answer RESUME */
	BATCH_FAULT,	     /**< SESSION: close, store nothing; err_words() says why */
	BATCH_NOMEM,	     /**< nothing is said of the batch: memory ran out here */
	BATCH_CONTRADICTION, /**< INCIDENT: its checkpoint contradicts the one held */
};

/**
 * Verify a batch; changes nothing.
 *
 * @param[out] ret  set on BATCH_OK; on BATCH_CONTRADICTION its checkpoint and note; borrows from
 *                  @p message
 */
enum batch_result batch_check(const struct pb_batch *message, const struct batch_expected *expected,
			      struct batch *ret) WARN_UNUSED;

/** What a batch says of an older size that it was asked for. */
enum prefix_result {
	PREFIX_PROVEN,
	PREFIX_ABSENT, /**< no proof of this size is in the batch */
	PREFIX_FAULT,  /**< SESSION: a proof that leads nowhere */
	PREFIX_SPLIT,  /**< INCIDENT: the ledger has another root at this size */
};

/**
 * Is @p root that of the first @p size entries of the ledger of a batch?
 *
 * @param to        checkpoint of the batch, which stood batch_check()
 * @param[out] ret  the proof; set on PREFIX_SPLIT
 */
enum prefix_result batch_prefix(const struct pb_batch *message, const struct checkpoint *to,
				uint64_t size, const struct digest *root,
				struct proof *ret) WARN_UNUSED;

#endif
