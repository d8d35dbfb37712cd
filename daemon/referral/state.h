/**
 * @file
 * The life of a referral, as both parties see it: which change of state is legal, who may make it,
 * and which of two that crossed counts. Pure.
 *
 *   requested -> accepted | declined | redirected | needs-info
 *   needs-info -> requested (the sender answers) | accepted | declined | redirected
 *   accepted -> in-progress <-> on-hold -> completed -> closed ; accepted -> completed
 *   any but closed -> recalled -> erased | retained | disputed ; disputed -> erased | retained
 *
 * The sender makes requested, closed and recalled, the receiver all others.
 *
 * Source: DOMAIN.md "States", PROTOCOL.md 10.
 */
#ifndef REFERRAL_STATE_H
#define REFERRAL_STATE_H

#include <stdbool.h>

#include "wire/message.h"

/** Which party makes a change. */
enum referral_party {
	REFERRAL_SENDER = 1,
	REFERRAL_RECEIVER = 2,
};

/** What a change of state that arrives comes to. */
enum referral_verdict {
	REFERRAL_APPLIES,    /**< the new state holds */
	REFERRAL_SUPERSEDED, /**< crossed with one that comes first: recorded, without effect */
	REFERRAL_ILLEGAL,    /**< not possible from here, or not this party's to make */
};

/** May @p by change a referral from @p from to @p to? Any numbers: false for what is no state. */
bool referral_change_is_legal(Amparo__V1__ReferralState from, Amparo__V1__ReferralState to,
			      enum referral_party by);

/**
 * Judge a change that arrives, where the other side may have changed the state without having seen
 * ours. Both ends come to the same state when each judges what arrives, in the order of the chain.
 *
 * Changes that crossed: recalled comes first, then erased, retained or disputed, declined,
 * redirected, needs-info, accepted (and what follows it), and last requested again.
 *
 * @param now        our view of the state
 * @param before     the state on which our own newest change was built; = now when there is none
 * @param ours_seen  true when the arriving change was written after our newest change was processed
 *                   there (its seen_k reaches our change's k), or when there is none of ours
 * @param to         the arriving change
 * @param by         who made it: the other party
 */
enum referral_verdict referral_judge(Amparo__V1__ReferralState now,
				     Amparo__V1__ReferralState before, bool ours_seen,
				     Amparo__V1__ReferralState to, enum referral_party by);

/** Is the referral waiting for this party's answer? */
bool referral_awaits(Amparo__V1__ReferralState state, enum referral_party party);

/** No further change but recall (closed, erased and retained: none at all). */
bool referral_is_final(Amparo__V1__ReferralState state);

#endif
