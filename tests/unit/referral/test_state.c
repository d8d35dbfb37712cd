#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "referral/state.h"

#define S(name) AMPARO__V1__REFERRAL_STATE__REFERRAL_STATE_##name
#define FIRST S(REQUESTED)
#define LAST S(DISPUTED)

typedef Amparo__V1__ReferralState state_t;

static const enum referral_party parties[] = {REFERRAL_SENDER, REFERRAL_RECEIVER};

/* All that may happen, written out; everything else may not. */
static const struct {
	state_t from;
	state_t to;
	enum referral_party by;
} legal[] = {
	{S(REQUESTED), S(ACCEPTED), REFERRAL_RECEIVER},
	{S(REQUESTED), S(DECLINED), REFERRAL_RECEIVER},
	{S(REQUESTED), S(REDIRECTED), REFERRAL_RECEIVER},
	{S(REQUESTED), S(NEEDS_INFO), REFERRAL_RECEIVER},
	{S(NEEDS_INFO), S(ACCEPTED), REFERRAL_RECEIVER},
	{S(NEEDS_INFO), S(DECLINED), REFERRAL_RECEIVER},
	{S(NEEDS_INFO), S(REDIRECTED), REFERRAL_RECEIVER},
	{S(NEEDS_INFO), S(REQUESTED), REFERRAL_SENDER},
	{S(ACCEPTED), S(IN_PROGRESS), REFERRAL_RECEIVER},
	{S(ACCEPTED), S(COMPLETED), REFERRAL_RECEIVER},
	{S(IN_PROGRESS), S(ON_HOLD), REFERRAL_RECEIVER},
	{S(IN_PROGRESS), S(COMPLETED), REFERRAL_RECEIVER},
	{S(ON_HOLD), S(IN_PROGRESS), REFERRAL_RECEIVER},
	{S(ON_HOLD), S(COMPLETED), REFERRAL_RECEIVER},
	{S(COMPLETED), S(CLOSED), REFERRAL_SENDER},
	{S(REQUESTED), S(RECALLED), REFERRAL_SENDER},
	{S(ACCEPTED), S(RECALLED), REFERRAL_SENDER},
	{S(DECLINED), S(RECALLED), REFERRAL_SENDER},
	{S(REDIRECTED), S(RECALLED), REFERRAL_SENDER},
	{S(NEEDS_INFO), S(RECALLED), REFERRAL_SENDER},
	{S(IN_PROGRESS), S(RECALLED), REFERRAL_SENDER},
	{S(ON_HOLD), S(RECALLED), REFERRAL_SENDER},
	{S(COMPLETED), S(RECALLED), REFERRAL_SENDER},
	{S(RECALLED), S(ERASED), REFERRAL_RECEIVER},
	{S(RECALLED), S(RETAINED), REFERRAL_RECEIVER},
	{S(RECALLED), S(DISPUTED), REFERRAL_RECEIVER},
	{S(DISPUTED), S(ERASED), REFERRAL_RECEIVER},
	{S(DISPUTED), S(RETAINED), REFERRAL_RECEIVER},
};

static bool is_legal(state_t from, state_t to, enum referral_party by)
{
	for (size_t i = 0; i < sizeof(legal) / sizeof(legal[0]); i++)
		if (legal[i].from == from && legal[i].to == to && legal[i].by == by)
			return true;
	return false;
}

static void the_table_is_exact(void **state)
{
	size_t n = 0;

	(void)state;
	for (int from = -1; from <= LAST + 20; from++)
		for (int to = -1; to <= LAST + 20; to++)
			for (size_t p = 0; p < 2; p++) {
				bool got = referral_change_is_legal((state_t)from, (state_t)to,
								    parties[p]);

				assert_int_equal(got,
						 is_legal((state_t)from, (state_t)to, parties[p]));
				n += got;
			}
	assert_int_equal(n, sizeof(legal) / sizeof(legal[0]));
}

/* --- two ends ---------------------------------------------------------------------------- */

#define CHANGES_MAX 7

struct message {
	state_t to;
	int seen_k;
};

/** One end as a node keeps it: state, its newest change and what it was built on. */
struct end {
	state_t now;
	state_t before;
	int own_k;  /* of its newest change; 0: none */
	int seen_k; /* of the other's changes */
	struct message sent[CHANGES_MAX];
};

/** Both; ends[0] is the sender. What an end has sent and the other not seen is under way. */
struct pair {
	struct end ends[2];
};

struct count {
	uint64_t quiet;
	uint64_t superseded;
	uint64_t applied_unseen;
};

static struct pair pair_at(state_t s)
{
	struct pair p;

	memset(&p, 0, sizeof(p));
	p.ends[0].now = p.ends[0].before = p.ends[1].now = p.ends[1].before = s;
	return p;
}

static void change(struct pair *p, int who, state_t to)
{
	struct end *e = &p->ends[who];

	e->sent[e->own_k].to = to;
	e->sent[e->own_k].seen_k = e->seen_k;
	e->own_k++;
	e->before = e->now;
	e->now = to;
}

static bool is_under_way(const struct pair *p, int to_whom)
{
	return p->ends[to_whom].seen_k < p->ends[!to_whom].own_k;
}

static enum referral_verdict deliver(struct pair *p, int to_whom, struct count *count)
{
	struct end *e = &p->ends[to_whom];
	struct message m = p->ends[!to_whom].sent[e->seen_k];
	bool ours_seen = m.seen_k >= e->own_k;
	enum referral_verdict v =
		referral_judge(e->now, e->before, ours_seen, m.to, parties[!to_whom]);

	e->seen_k++;
	if (v == REFERRAL_APPLIES)
		e->now = m.to;
	count->superseded += v == REFERRAL_SUPERSEDED;
	count->applied_unseen += v == REFERRAL_APPLIES && !ours_seen;
	return v;
}

/** Everything that two honest ends can do, in every order, with up to @p n more changes. */
static void explore(const struct pair *p, int n, struct count *count)
{
	bool is_quiet = true;

	for (int who = 0; who < 2; who++) {
		struct pair next = *p;

		if (!is_under_way(p, who))
			continue;
		is_quiet = false;
		/* honest changes lose at most; they are never impossible */
		assert_int_not_equal(deliver(&next, who, count), REFERRAL_ILLEGAL);
		explore(&next, n, count);
	}
	if (is_quiet) {
		count->quiet++;
		assert_int_equal(p->ends[0].now, p->ends[1].now);
	}
	for (int who = 0; n > 0 && who < 2; who++)
		for (int to = FIRST; to <= LAST; to++) {
			struct pair next = *p;

			if (!referral_change_is_legal(p->ends[who].now, (state_t)to, parties[who]))
				continue;
			change(&next, who, (state_t)to);
			explore(&next, n - 1, count);
		}
}

static void both_ends_come_to_one_state(void **state)
{
	struct count count = {0};

	(void)state;
	for (int from = FIRST; from <= LAST; from++) {
		struct pair p = pair_at((state_t)from);

		explore(&p, from == S(REQUESTED) || from == S(NEEDS_INFO) ? 7 : 6, &count);
	}
	print_message("%llu quiet moments, %llu superseded, %llu applied unseen\n",
		      (unsigned long long)count.quiet, (unsigned long long)count.superseded,
		      (unsigned long long)count.applied_unseen);
	assert_true(count.quiet > 1000 && count.superseded > 1000 && count.applied_unseen > 1000);
}

/* The order of PROTOCOL.md, written out again. */
static int place(state_t s)
{
	static const state_t order[] = {S(RECALLED),   S(ERASED),   S(DECLINED), S(REDIRECTED),
					S(NEEDS_INFO), S(ACCEPTED), S(REQUESTED)};

	if (s == S(RETAINED) || s == S(DISPUTED))
		s = S(ERASED);
	if (s == S(IN_PROGRESS) || s == S(ON_HOLD) || s == S(COMPLETED) || s == S(CLOSED))
		s = S(ACCEPTED);
	for (int i = 0; i < (int)(sizeof(order) / sizeof(order[0])); i++)
		if (order[i] == s)
			return i;
	fail();
	return -1;
}

static void of_a_crossing_pair_the_first_in_order_counts(void **state)
{
	size_t n_pairs = 0;

	(void)state;
	for (int from = FIRST; from <= LAST; from++)
		for (int a = FIRST; a <= LAST; a++)
			for (int b = FIRST; b <= LAST; b++) {
				struct pair p = pair_at((state_t)from);
				struct count count = {0};
				state_t winner = place((state_t)a) < place((state_t)b) ? (state_t)a
										       : (state_t)b;

				if (!is_legal((state_t)from, (state_t)a, REFERRAL_SENDER) ||
				    !is_legal((state_t)from, (state_t)b, REFERRAL_RECEIVER))
					continue;
				n_pairs++;
				change(&p, 0, (state_t)a);
				change(&p, 1, (state_t)b);
				assert_int_equal(deliver(&p, 0, &count),
						 winner == (state_t)b ? REFERRAL_APPLIES
								      : REFERRAL_SUPERSEDED);
				assert_int_equal(deliver(&p, 1, &count),
						 winner == (state_t)a ? REFERRAL_APPLIES
								      : REFERRAL_SUPERSEDED);
				assert_int_equal(p.ends[0].now, winner);
				assert_int_equal(p.ends[1].now, winner);
			}
	assert_int_equal(n_pairs, 4 + 3 + 3 + 2 + 2 + 2); /* recalls, answers to needs-info */
}

static void a_hostile_end_gains_nothing(void **state)
{
	(void)state;
	for (int now = -1; now <= LAST + 2; now++)
		for (int before = -1; before <= LAST + 2; before++)
			for (int to = -1; to <= LAST + 2; to++)
				for (int i = 0; i < 4; i++) {
					enum referral_party by = parties[i & 1];
					bool seen = (i & 2) != 0;
					bool can_ever = false;
					enum referral_verdict v =
						referral_judge((state_t)now, (state_t)before, seen,
							       (state_t)to, by);

					for (int s = FIRST; s <= LAST; s++)
						can_ever |= is_legal((state_t)s, (state_t)to, by);
					if (!can_ever)
						assert_int_equal(v, REFERRAL_ILLEGAL);
					if (v != REFERRAL_APPLIES)
						continue;
					if (seen)
						assert_true(
							is_legal((state_t)now, (state_t)to, by));
					/* what is over stays over; a recall yields to its answer
					 * only */
					assert_int_not_equal(now, S(ERASED));
					if (now == S(RECALLED))
						assert_true(seen &&
							    (to == S(ERASED) || to == S(RETAINED) ||
							     to == S(DISPUTED)));
				}
}

static void who_is_waited_for(void **state)
{
	(void)state;
	for (int s = -1; s <= LAST + 1; s++) {
		bool sender = s == S(NEEDS_INFO) || s == S(COMPLETED);
		bool receiver = s == S(REQUESTED) || s == S(RECALLED) || s == S(DISPUTED);

		assert_int_equal(referral_awaits((state_t)s, REFERRAL_SENDER), sender);
		assert_int_equal(referral_awaits((state_t)s, REFERRAL_RECEIVER), receiver);
	}
}

static void final_is_what_only_a_recall_leaves(void **state)
{
	(void)state;
	for (int s = -1; s <= LAST + 1; s++) {
		bool has_next = s < FIRST || s > LAST;

		for (int to = FIRST; to <= LAST; to++)
			for (size_t p = 0; p < 2; p++)
				has_next |= to != S(RECALLED) &&
					    is_legal((state_t)s, (state_t)to, parties[p]);
		assert_int_equal(referral_is_final((state_t)s), !has_next);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_exact),
		cmocka_unit_test(both_ends_come_to_one_state),
		cmocka_unit_test(of_a_crossing_pair_the_first_in_order_counts),
		cmocka_unit_test(a_hostile_end_gains_nothing),
		cmocka_unit_test(who_is_waited_for),
		cmocka_unit_test(final_is_what_only_a_recall_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
