#include "referral/state.h"

#include <stddef.h>
#include <stdint.h>

#define STATE(name) AMPARO__V1__REFERRAL_STATE__REFERRAL_STATE_##name
#define BIT(name) (UINT32_C(1) << STATE(name))
#define STATE_MAX STATE(DISPUTED)

/* A state from which the sender may still recall. */
#define RECALLABLE BIT(RECALLED)

/** What each party may make of a state, and how the state fares when changes crossed. */
struct state {
	uint32_t by_sender;   /**< bits of the states that the sender may make next */
	uint32_t by_receiver; /**< bits of those that the receiver may */
	unsigned rank;	      /**< of two that crossed, the lower one counts */
};

static const struct state states[STATE_MAX + 1] = {
	[STATE(REQUESTED)] = {RECALLABLE,
			      BIT(ACCEPTED) | BIT(DECLINED) | BIT(REDIRECTED) | BIT(NEEDS_INFO), 6},
	[STATE(ACCEPTED)] = {RECALLABLE, BIT(IN_PROGRESS) | BIT(COMPLETED), 5},
	[STATE(DECLINED)] = {RECALLABLE, 0, 2},
	[STATE(REDIRECTED)] = {RECALLABLE, 0, 3},
	[STATE(NEEDS_INFO)] = {RECALLABLE | BIT(REQUESTED),
			       BIT(ACCEPTED) | BIT(DECLINED) | BIT(REDIRECTED), 4},
	/* what follows an acceptance fares as the acceptance does */
	[STATE(IN_PROGRESS)] = {RECALLABLE, BIT(ON_HOLD) | BIT(COMPLETED), 5},
	[STATE(ON_HOLD)] = {RECALLABLE, BIT(IN_PROGRESS) | BIT(COMPLETED), 5},
	[STATE(COMPLETED)] = {RECALLABLE | BIT(CLOSED), 0, 5},
	[STATE(CLOSED)] = {0, 0, 5},
	[STATE(RECALLED)] = {0, BIT(ERASED) | BIT(RETAINED) | BIT(DISPUTED), 0},
	[STATE(ERASED)] = {0, 0, 1},
	[STATE(RETAINED)] = {0, 0, 1},
	[STATE(DISPUTED)] = {0, BIT(ERASED) | BIT(RETAINED), 1},
};

/** A number from outside may be no state at all. */
static const struct state *state_of(Amparo__V1__ReferralState s)
{
	if ((int)s < STATE(REQUESTED) || (int)s > STATE_MAX)
		return NULL;
	return &states[s];
}

static uint32_t next_of(Amparo__V1__ReferralState from, enum referral_party by)
{
	const struct state *s = state_of(from);

	if (!s)
		return 0;
	return by == REFERRAL_SENDER ? s->by_sender : s->by_receiver;
}

/** Bits of the states that @p by alone can make of @p from, by one change or several. */
static uint32_t reachable(Amparo__V1__ReferralState from, enum referral_party by)
{
	uint32_t found = next_of(from, by), before = 0;

	while (found != before) {
		before = found;
		for (int s = STATE(REQUESTED); s <= STATE_MAX; s++)
			if (before >> s & 1)
				found |= next_of((Amparo__V1__ReferralState)s, by);
	}
	return found;
}

bool referral_change_is_legal(Amparo__V1__ReferralState from, Amparo__V1__ReferralState to,
			      enum referral_party by)
{
	return state_of(to) && (next_of(from, by) >> to & 1) != 0;
}

/**
 * Can the other side have come to @p to without having seen our newest change? It stood where we
 * did before that change, or before earlier ones of ours that it had not seen either.
 */
static bool can_have_crossed(Amparo__V1__ReferralState before, Amparo__V1__ReferralState to,
			     enum referral_party by)
{
	enum referral_party us = by == REFERRAL_SENDER ? REFERRAL_RECEIVER : REFERRAL_SENDER;

	for (int s = STATE(REQUESTED); s <= STATE_MAX; s++) {
		Amparo__V1__ReferralState stood = (Amparo__V1__ReferralState)s;

		if ((stood == before || (reachable(stood, us) >> before & 1)) &&
		    (reachable(stood, by) >> to & 1))
			return true;
	}
	return false;
}

enum referral_verdict referral_judge(Amparo__V1__ReferralState now,
				     Amparo__V1__ReferralState before, bool ours_seen,
				     Amparo__V1__ReferralState to, enum referral_party by)
{
	const struct state *new_state = state_of(to), *held = state_of(now);

	if (!new_state || !held || !state_of(before))
		return REFERRAL_ILLEGAL;
	if (ours_seen)
		return referral_change_is_legal(now, to, by) ? REFERRAL_APPLIES : REFERRAL_ILLEGAL;
	if (!can_have_crossed(before, to, by))
		return REFERRAL_ILLEGAL;
	/* Of one rank: ours has lost before, and this is the next step of theirs. */
	if (new_state->rank <= held->rank && referral_change_is_legal(now, to, by))
		return REFERRAL_APPLIES;
	return REFERRAL_SUPERSEDED;
}

bool referral_awaits(Amparo__V1__ReferralState state, enum referral_party party)
{
	uint32_t receiver = BIT(REQUESTED) | BIT(RECALLED) | BIT(DISPUTED);
	uint32_t sender = BIT(NEEDS_INFO) | BIT(COMPLETED);

	if (!state_of(state))
		return false;
	return ((party == REFERRAL_SENDER ? sender : receiver) >> state & 1) != 0;
}

bool referral_is_final(Amparo__V1__ReferralState state)
{
	uint32_t final =
		BIT(DECLINED) | BIT(REDIRECTED) | BIT(CLOSED) | BIT(ERASED) | BIT(RETAINED);

	return state_of(state) && (final >> state & 1) != 0;
}
