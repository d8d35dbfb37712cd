/**
 * @file
 * Checkpoints of a peer that another one says it holds: signed by the peer, not proven yet to
 * belong to the ledger that it shows here. Rules: store/store.h.
 */
#ifndef STORE_NOTED_TABLE_H
#define STORE_NOTED_TABLE_H

#include "store/store.h"

/** One of them. */
struct noted_row {
	int64_t id;
	int64_t peer;	/**< whose ledger */
	uint64_t epoch; /**< of it */
	uint64_t size;
	struct digest root;
	int64_t teller;	  /**< the peer that said so first */
	uint64_t n_asked; /**< sessions in which the proof was asked for */
	bool is_settled;  /**< proven, or kept as evidence: nothing more is asked */
	uint64_t time_us;
	struct view note; /**< borrowed */
};

/** @retval ERR_EXISTS  one of this size is there; sets row->id else */
enum err noted_put(struct store *s, struct noted_row *row) WARN_UNUSED;

/** @retval ERR_NOT_FOUND */
enum err noted_get(struct store *s, int64_t peer, uint64_t epoch, uint64_t size,
		   struct noted_row *ret) WARN_UNUSED;

/** Walk those of @p peer that are not settled: least asked first, of these the greatest first. */
enum err noted_walk(struct store *s, int64_t peer, uint64_t epoch,
		    enum err (*row)(void *ctx, const struct noted_row *row), void *ctx) WARN_UNUSED;

/** Walk those of @p peer that @p teller said, settled ones too, size ascending. */
enum err noted_walk_told(struct store *s, int64_t teller, int64_t peer, uint64_t epoch,
			 enum err (*row)(void *ctx, const struct noted_row *row),
			 void *ctx) WARN_UNUSED;

/** Of how many present ledgers' checkpoints did @p teller tell? */
enum err noted_count_told(struct store *s, int64_t teller, uint64_t *ret_n) WARN_UNUSED;

/** Nothing when it is gone. */
enum err noted_set(struct store *s, int64_t id, uint64_t n_asked, bool is_settled) WARN_UNUSED;

/** Nothing when it is gone. */
enum err noted_delete(struct store *s, int64_t id) WARN_UNUSED;

#endif
