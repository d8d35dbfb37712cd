/**
 * @file
 * Tables of referrals and their history. Nothing personal stands in a column. Rules:
 * store/store.h.
 */
#ifndef STORE_REFERRAL_TABLE_H
#define STORE_REFERRAL_TABLE_H

#include "store/store.h"

#define REFERRAL_NUM_MAX INT64_MAX /**< over every num and awaits_num */

/** Where one referral stands. */
struct referral_row {
	struct digest leaf; /**< of its REFERRAL entry: its id */
	bool is_incoming;
	int64_t peer;
	uint64_t k; /**< in the chain of the side that sent it */
	struct digest manifest;
	bool has_manifest;
	uint8_t record_id[16];
	struct digest agreement;
	int purpose;
	int type;
	int urgency;
	int state;	       /**< ReferralState */
	int state_before;      /**< before our own newest change; 0 = no change of ours */
	uint64_t our_change_k; /**< k of that change in our chain; 0 = none */
	bool has_consent;
	bool opened;
	uint64_t n_disclosed;
	uint64_t time_us;
	uint64_t reply_by_us; /**< 0 = none */
	uint64_t expires_us;  /**< 0 = none */
	bool release_due;     /**< accepted while a new epoch of ours waited: release, then clear */
	bool awaits_us;	      /**< this agency's answer is due */
	uint64_t num;	      /**< in the order of arrival, 1..; 0 = not written yet */
	uint64_t awaits_num;  /**< in the order in which they began to await us, 1..; 0 = it does
				   not; not written */
};

/**
 * Write one: a row that was read here before is changed; one whose num is 0 is new, and gets its
 * num. The caller sees to it that a leaf is new: an entry is taken once.
 *
 * @retval ERR_BUG  no row has its num
 */
enum err referral_put(struct store *s, struct referral_row *row) WARN_UNUSED;
/** @retval ERR_NOT_FOUND */
enum err referral_get_num(struct store *s, uint64_t num, struct referral_row *ret) WARN_UNUSED;
/**
 * By its leaf. Looks at the filter of each 1,024 that came after it (generation.h).
 *
 * @retval ERR_NOT_FOUND
 */
enum err referral_get(struct store *s, const struct digest *leaf,
		      struct referral_row *ret) WARN_UNUSED;
/**
 * By a beginning of the leaf hash.
 *
 * @param prefix  1..32 bytes
 * @retval ERR_NOT_FOUND  none
 * @retval ERR_EXISTS     more than one begins so
 */
enum err referral_find(struct store *s, struct view prefix, struct referral_row *ret) WARN_UNUSED;
/** Those with num < @p before (REFERRAL_NUM_MAX: all), newest first. */
enum err referral_walk(struct store *s, uint64_t before,
		       enum err (*row)(void *ctx, const struct referral_row *row),
		       void *ctx) WARN_UNUSED;
/** Those that await us with awaits_num < @p before, those first that began to last. */
enum err referral_walk_awaiting(struct store *s, uint64_t before,
				enum err (*row)(void *ctx, const struct referral_row *row),
				void *ctx) WARN_UNUSED;
/** How many await us. Takes time by that number, not by that of all. */
enum err referral_count_awaiting(struct store *s, uint64_t *ret) WARN_UNUSED;
/** An awaits_num: every referral that begins to await us from now on has a greater one. */
enum err referral_newest_awaiting(struct store *s, uint64_t *ret) WARN_UNUSED;

/** Those with one peer, oldest first. No row is put meanwhile. */
enum err referral_walk_peer(struct store *s, int64_t peer,
			    enum err (*row)(void *ctx, const struct referral_row *row),
			    void *ctx) WARN_UNUSED;

/** Which of a referral's times. */
enum referral_deadline {
	REFERRAL_REPLY_BY,
	REFERRAL_EXPIRES,
};

/** Those whose @p deadline lies in (after_us, to_us], earliest first. */
enum err referral_walk_deadline(struct store *s, enum referral_deadline deadline, uint64_t after_us,
				uint64_t to_us,
				enum err (*row)(void *ctx, const struct referral_row *row),
				void *ctx) WARN_UNUSED;

/** One change of state, or reading, of a referral. */
struct status_row {
	uint64_t referral;  /**< its num */
	struct digest leaf; /**< of the STATUS entry */
	bool is_incoming;
	uint64_t k;
	uint64_t time_us;
	int state; /**< 0 = opened only */
	bool opened;
	int refused; /**< RefusalReason when it took no effect, or 0 */
	bool has_reason;
	uint8_t reason_blob[STORE_ID_BYTES];
};

/** Append to the history of a referral. */
enum err status_put(struct store *s, const struct status_row *row) WARN_UNUSED;
/** In the order written here. */
enum err status_walk(struct store *s, uint64_t referral,
		     enum err (*row)(void *ctx, const struct status_row *row),
		     void *ctx) WARN_UNUSED;

#endif
