#include "exchange/disclosure.h"

#include <stdlib.h>
#include <string.h>

static int by_commitment(const void *a, const void *b)
{
	const struct opened_slice *x = a, *y = b;

	return digest_cmp(&x->commitment, &y->commitment);
}

void disclosure_sort(struct opened_slice *slice, size_t n)
{
	if (n)
		qsort(slice, n, sizeof(*slice), by_commitment);
}

enum err disclosure_select(const struct agreement *a, const struct policy_case *c,
			   const struct opened_slice *from, size_t n_from,
			   enum err (*skip)(void *ctx, const struct digest *commitment,
					    bool *ret_skip),
			   void *ctx, struct opened_slice *ret, size_t *ret_n)
{
	size_t n = 0;

	for (size_t i = 0; i < n_from; i++) {
		bool known = false;
		enum err e;

		if (policy_judge(a, c, from[i].unit).answer != POLICY_ALLOWED)
			continue;
		if (skip) {
			e = skip(ctx, &from[i].commitment, &known);
			if (e)
				return err_trace(e);
		}
		if (!known)
			ret[n++] = from[i];
	}
	*ret_n = n;
	return ERR_OK;
}

static int check_one(const struct pb_opening *o, const uint8_t *named, const struct manifest *m,
		     const struct agreement *a, const struct policy_case *c,
		     struct opened_slice *ret)
{
	enum err e;

	ret->salt = message_bytes(o->has_salt, o->salt);
	ret->slice = message_bytes(o->has_slice, o->slice);
	if (ret->salt.n != SLICE_SALT_BYTES)
		return PB(REFUSAL_REASON, BAD_SLICE);
	e = manifest_check_opening(m, ret->salt, ret->slice, &ret->commitment, &ret->unit);
	if (e || memcmp(ret->commitment.b, named, DIGEST_BYTES) != 0)
		return PB(REFUSAL_REASON, BAD_SLICE);
	switch (policy_judge(a, c, ret->unit).answer) {
	case POLICY_ALLOWED:
		return 0;
	case POLICY_NO_CONSENT:
		return PB(REFUSAL_REASON, CONSENT);
	case POLICY_NO_RULE:
	case POLICY_NOT_YET:
	case POLICY_NOT_VALID:
	case POLICY_NEWER_FIELD:
		return PB(REFUSAL_REASON, SURPLUS_FIELD);
	}
	return PB(REFUSAL_REASON, SURPLUS_FIELD);
}

/* A singular unit stands once in what was ever opened; here within one disclosure. */
static bool has_singular_twice(const struct opened_slice *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 1; j < n; j++)
			if (s[i].unit == s[j].unit && !s[i].unit->is_repeated)
				return true;
	return false;
}

int disclosure_check(const struct pb_disclosure *d, struct pb_opening *const *openings,
		     size_t n_openings, const struct manifest *m, const struct agreement *a,
		     const struct policy_case *c, struct opened_slice *ret)
{
	struct view named = message_bytes(d->has_opened, d->opened);

	if (named.n != n_openings * DIGEST_BYTES || n_openings > COMMITMENTS_MAX)
		return PB(REFUSAL_REASON, BAD_SLICE);
	for (size_t i = 0; i < n_openings; i++) {
		const uint8_t *at = named.p + i * DIGEST_BYTES;
		int reason;

		if (i && memcmp(at - DIGEST_BYTES, at, DIGEST_BYTES) >= 0)
			return PB(REFUSAL_REASON, BAD_SLICE);
		reason = check_one(openings[i], at, m, a, c, &ret[i]);
		if (reason)
			return reason;
	}
	return has_singular_twice(ret, n_openings) ? PB(REFUSAL_REASON, OPENED_TWICE) : 0;
}

bool referral_has_consent(const struct pb_referral *r)
{
	if (r->consent && r->consent->has_given_by && !r->consent->has_withdrawn_at_us)
		return true;
	return r->best_interest && r->best_interest->reason && r->best_interest->reason[0];
}

const char *referral_terms_problem(const struct pb_referral *r, uint64_t time_us)
{
	if (!r->has_type)
		return "the type of the referral is missing";
	if (!r->has_urgency)
		return "the urgency is missing";
	if (!r->has_responsibility)
		return "it does not say whether it is a referral or a transfer";
	if (!r->has_basis)
		return "the legal basis is missing";
	if (r->basis == PB(LEGAL_BASIS, CONSENT) && !referral_has_consent(r))
		return "the legal basis is consent, but no consent is stated";
	if (r->basis == PB(LEGAL_BASIS, TREATY) && !(r->basis_name && r->basis_name[0]))
		return "the legal basis is a treaty, but it is not named";
	if (r->has_expires_us && time_us && r->expires_us <= time_us)
		return "the date on which it expires has passed";
	if (r->has_reply_by_us && time_us && r->reply_by_us <= time_us)
		return "the date to reply by has passed";
	return NULL;
}

bool adoption_in_force(const struct adoption *x, uint64_t k, uint64_t seen_k)
{
	if (x->sender_adopt_k == 0 || x->sender_adopt_k >= k)
		return false;
	if (x->receiver_adopt_k == 0 || x->receiver_adopt_k > seen_k)
		return false;
	if (x->sender_withdraw_k && x->sender_withdraw_k < k)
		return false;
	if (x->receiver_withdraw_k && x->receiver_withdraw_k <= seen_k)
		return false;
	return true;
}
