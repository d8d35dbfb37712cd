/**
 * @file
 * Disclosures: which slices of a record leave for a peer, and whether those that came may. The same
 * evaluator on both sides. Source: PROTOCOL.md 7.
 */
#ifndef EXCHANGE_DISCLOSURE_H
#define EXCHANGE_DISCLOSURE_H

#include <stdbool.h>

#include "base/digest.h"
#include "base/err.h"
#include "policy/agreement.h"
#include "record/manifest.h"
#include "wire/message.h"

/** One opened slice; views are borrowed. */
struct opened_slice {
	struct digest commitment;
	const struct field *unit;
	struct view salt;
	struct view slice;
};

/** Bring slices into the order of a disclosure: ascending in commitment. */
void disclosure_sort(struct opened_slice *slice, size_t n);

/**
 * Choose what may leave: every slice whose unit the agreement allows in this case.
 *
 * @param from      n_from slices as disclosure_sort() leaves them
 * @param skip      says of a commitment that it was disclosed before; NULL: nothing was
 * @param[out] ret  room for n_from; in the same order, borrows as they do
 */
enum err disclosure_select(const struct agreement *a, const struct policy_case *c,
			   const struct opened_slice *from, size_t n_from,
			   enum err (*skip)(void *ctx, const struct digest *commitment,
					    bool *ret_skip),
			   void *ctx, struct opened_slice *ret, size_t *ret_n) WARN_UNUSED;

/**
 * Check what came: as many openings as the body names, each commitment named, in the manifest,
 * allowed by the agreement, no singular unit twice.
 *
 * @param[out] ret  room for n_openings
 * @return  0, or the RefusalReason
 */
int disclosure_check(const struct pb_disclosure *d, struct pb_opening *const *openings,
		     size_t n_openings, const struct manifest *m, const struct agreement *a,
		     const struct policy_case *c, struct opened_slice *ret) WARN_UNUSED;

/**
 * Are the terms of a referral complete and true to themselves? The same at both ends.
 *
 * @param time_us  of the entry; 0 before there is one
 * @return  NULL, or what is missing, in words
 */
const char *referral_terms_problem(const struct pb_referral *r, uint64_t time_us);

/** A consent that is given and not withdrawn, or a best-interest override with its reason. */
bool referral_has_consent(const struct pb_referral *r);

/** Positions of adoption and withdrawal, 0 = none, as the sender of an entry and its receiver made
 * them. */
struct adoption {
	uint64_t sender_adopt_k;
	uint64_t sender_withdraw_k;
	uint64_t receiver_adopt_k;
	uint64_t receiver_withdraw_k;
};

/**
 * Is the agreement in force at entry @p k of the sender, which had seen @p seen_k of the receiver?
 * Judged by chain order alone, so both ends get the same answer. Source: PROTOCOL.md 11.
 */
bool adoption_in_force(const struct adoption *x, uint64_t k, uint64_t seen_k);

#endif
