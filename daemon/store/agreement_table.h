/**
 * @file
 * Tables of agreements and of who adopted them. Rules: store/store.h.
 */
#ifndef STORE_AGREEMENT_TABLE_H
#define STORE_AGREEMENT_TABLE_H

#include "store/store.h"

/** The exact bytes of an agreement's file. ERR_OK when it is there already. */
enum err agreement_put(struct store *s, const struct digest *digest, struct view file) WARN_UNUSED;
/** Appended to @p out. @retval ERR_NOT_FOUND */
enum err agreement_get(struct store *s, const struct digest *digest, struct buf *out) WARN_UNUSED;
enum err agreement_walk(struct store *s,
			enum err (*row)(void *ctx, const struct digest *digest, struct view file),
			void *ctx) WARN_UNUSED;

/** Who adopted or withdrew an agreement, at which position of which chain. 0 = not. */
struct adoption_row {
	int64_t peer;
	struct digest digest;
	uint64_t our_k;	  /**< ADOPT in our chain to the peer */
	uint64_t their_k; /**< ADOPT in the peer's chain to us */
	uint64_t our_withdraw_k;
	uint64_t their_withdraw_k;
	char their_name[101]; /**< as their ADOPT says it */
};

/** Insert or replace by (peer, digest). Not within adoption_walk(), which is not nested. */
enum err adoption_put(struct store *s, const struct adoption_row *row) WARN_UNUSED;
enum err adoption_get(struct store *s, int64_t peer, const struct digest *digest,
		      struct adoption_row *ret) WARN_UNUSED;
/** All, or of one peer (0 = all). */
enum err adoption_walk(struct store *s, int64_t peer,
		       enum err (*row)(void *ctx, const struct adoption_row *row),
		       void *ctx) WARN_UNUSED;

/**
 * An adoption of ours ends: keep in mind that it stood from our_k to before our_withdraw_k, also
 * when the row says something newer. ERR_OK when it is noted already.
 *
 * @param row  with our_k and our_withdraw_k, the second above the first
 */
enum err adoption_past_put(struct store *s, const struct adoption_row *row) WARN_UNUSED;

/** Did one that has ended stand at @p k of our chain to the peer? */
enum err adoption_past_has(struct store *s, int64_t peer, const struct digest *digest, uint64_t k,
			   bool *ret) WARN_UNUSED;

/** Our chain to the peer begins anew: its positions mean nothing any more. */
enum err adoption_past_forget(struct store *s, int64_t peer) WARN_UNUSED;

#endif
