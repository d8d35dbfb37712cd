#include "fixture.h"

static struct referral_row referral_of(struct fixture *f, unsigned leaf)
{
	return (struct referral_row){.leaf = digest_of(leaf),
				     .is_incoming = true,
				     .peer = f->peer,
				     .k = 2,
				     .manifest = digest_of(3),
				     .has_manifest = true,
				     .record_id = {4},
				     .agreement = digest_of(5),
				     .purpose = 6,
				     .type = 7,
				     .urgency = 8,
				     .state = 9,
				     .state_before = 10,
				     .our_change_k = 11,
				     .has_consent = true,
				     .opened = true,
				     .n_disclosed = 12,
				     .time_us = 13,
				     .reply_by_us = 14,
				     .expires_us = 15};
}

static void assert_same(const struct referral_row *a, const struct referral_row *b)
{
	assert_true(digest_eq(&a->leaf, &b->leaf));
	assert_int_equal(a->is_incoming, b->is_incoming);
	assert_int_equal(a->peer, b->peer);
	assert_int_equal(a->k, b->k);
	assert_int_equal(a->has_manifest, b->has_manifest);
	if (a->has_manifest)
		assert_true(digest_eq(&a->manifest, &b->manifest));
	assert_memory_equal(a->record_id, b->record_id, sizeof(a->record_id));
	assert_true(digest_eq(&a->agreement, &b->agreement));
	assert_int_equal(a->purpose, b->purpose);
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->urgency, b->urgency);
	assert_int_equal(a->state, b->state);
	assert_int_equal(a->state_before, b->state_before);
	assert_int_equal(a->our_change_k, b->our_change_k);
	assert_int_equal(a->has_consent, b->has_consent);
	assert_int_equal(a->opened, b->opened);
	assert_int_equal(a->n_disclosed, b->n_disclosed);
	assert_int_equal(a->time_us, b->time_us);
	assert_int_equal(a->reply_by_us, b->reply_by_us);
	assert_int_equal(a->expires_us, b->expires_us);
}

static void a_referral_comes_back_and_is_replaced(void **state)
{
	struct fixture *f = *state;
	struct referral_row row = referral_of(f, 1), got = {.k = 99};
	const struct digest unknown = digest_of(2);

	assert_int_equal(referral_put(f->s, &row), ERR_OK);
	fixture_reopen(f);
	assert_int_equal(referral_get(f->s, &unknown, &got), ERR_NOT_FOUND);
	assert_int_equal(got.k, 99);
	assert_int_equal(referral_get(f->s, &row.leaf, &got), ERR_OK);
	assert_same(&got, &row);

	row = (struct referral_row){.leaf = digest_of(1), .peer = f->peer, .k = 3, .num = got.num};
	assert_int_equal(referral_put(f->s, &row), ERR_OK);
	assert_int_equal(referral_get(f->s, &row.leaf, &got), ERR_OK);
	assert_same(&got, &row);
}

struct seen_leaves {
	uint8_t first[8];
	size_t n;
};

static enum err see_leaf(void *ctx, const struct referral_row *row)
{
	struct seen_leaves *seen = ctx;

	seen->first[seen->n++] = row->leaf.b[0];
	return ERR_OK;
}

static void deadlines_come_in_their_order(void **state)
{
	struct fixture *f = *state;
	struct seen_leaves seen = {.n = 0};

	for (unsigned i = 1; i <= 5; i++) {
		struct referral_row row = referral_of(f, i);

		row.reply_by_us = i == 5 ? 0 : 100 - 10 * i; /* 90 80 70 60, none */
		row.expires_us = i == 5 ? 50 : 0;
		assert_int_equal(referral_put(f->s, &row), ERR_OK);
	}
	fixture_reopen(f);
	assert_int_equal(referral_walk_deadline(f->s, REFERRAL_REPLY_BY, 60, 80, see_leaf, &seen),
			 ERR_OK);
	assert_int_equal(seen.n, 2); /* after 60, up to and with 80 */
	assert_int_equal(seen.first[0], 3);
	assert_int_equal(seen.first[1], 2);
	seen.n = 0;
	assert_int_equal(
		referral_walk_deadline(f->s, REFERRAL_EXPIRES, 0, INT64_MAX, see_leaf, &seen),
		ERR_OK);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.first[0], 5);
}

static void a_referral_is_found_by_its_beginning(void **state)
{
	struct fixture *f = *state;
	struct referral_row row = referral_of(f, 0), got;

	memset(row.leaf.b, 0xff, DIGEST_BYTES);
	assert_int_equal(referral_put(f->s, &row), ERR_OK);
	row.num = 0;
	row.leaf.b[2] = 0xfe;
	assert_int_equal(referral_put(f->s, &row), ERR_OK);
	row.num = 0;
	memset(row.leaf.b, 0, DIGEST_BYTES);
	assert_int_equal(referral_put(f->s, &row), ERR_OK);

	assert_int_equal(referral_find(f->s, view_of("\xff\xff\xfe", 3), &got), ERR_OK);
	assert_int_equal(got.leaf.b[2], 0xfe);
	assert_int_equal(referral_find(f->s, view_of("\xff\xff\xff", 3), &got), ERR_OK);
	assert_int_equal(referral_find(f->s, view_of("\0", 1), &got), ERR_OK);
	assert_int_equal(referral_find(f->s, view_digest(&row.leaf), &got), ERR_OK);
	assert_int_equal(referral_find(f->s, view_of("\xff\xff", 2), &got), ERR_EXISTS);
	assert_int_equal(referral_find(f->s, view_of("\x01", 1), &got), ERR_NOT_FOUND);
	assert_int_equal(referral_find(f->s, view_of("", 0), &got), ERR_INVALID);
	assert_int_equal(referral_find(f->s, view_of(row.leaf.b, 33), &got), ERR_INVALID);
}

/* Its leaf lies anywhere, as that of an entry: splitmix64 of its number. */
static struct referral_row number(struct fixture *f, unsigned i)
{
	struct referral_row row = referral_of(f, 0);

	for (unsigned at = 0; at < DIGEST_BYTES; at += 8) {
		uint64_t x = (i * 4 + at / 8 + 1) * UINT64_C(0x9e3779b97f4a7c15);

		x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
		x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
		put_u64be(row.leaf.b + at, x ^ x >> 31);
	}
	row.k = i + 1;
	return row;
}

static void put_numbers(struct fixture *f, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		struct referral_row row = number(f, i);

		assert_int_equal(referral_put(f->s, &row), ERR_OK);
		assert_int_equal(row.num, i + 1);
	}
}

static void assert_numbers(struct fixture *f, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct referral_row row = number(f, i), got;

		assert_int_equal(referral_get(f->s, &row.leaf, &got), ERR_OK);
		assert_int_equal(got.k, i + 1);
		assert_int_equal(referral_find(f->s, view_of(row.leaf.b, 7), &got), ERR_OK);
		assert_int_equal(got.num, i + 1);
		assert_int_equal(referral_get_num(f->s, i + 1, &got), ERR_OK);
		assert_true(digest_eq(&got.leaf, &row.leaf));
	}
}

/* More than four generations, and their filters as they were written and as they are read. */
static void a_referral_is_found_among_many(void **state)
{
	enum {
		MANY = 4 * 1024 + 500
	};
	struct fixture *f = *state;
	struct referral_row row, got;

	put_numbers(f, 0, MANY);
	assert_numbers(f, MANY);
	fixture_reopen(f);
	assert_numbers(f, MANY);
	for (unsigned i = MANY; i < 2 * MANY; i++) {
		row = number(f, i);
		assert_int_equal(referral_get(f->s, &row.leaf, &got), ERR_NOT_FOUND);
	}
	assert_int_equal(referral_get_num(f->s, MANY + 1, &got), ERR_NOT_FOUND);
	/* of 4,596 two begin with any byte; in one generation, or in two */
	assert_int_equal(referral_find(f->s, view_of(row.leaf.b, 1), &got), ERR_EXISTS);
}

/* A filter that was written must know the new leaf too, in memory and on disk. */
static void a_leaf_changes_in_an_old_generation(void **state)
{
	struct fixture *f = *state;
	struct referral_row row, got;
	struct digest old;

	put_numbers(f, 0, 3000);
	for (int again = 0; again < 2; again++) {
		row = number(f, 10);
		old = row.leaf;
		row.num = 11;
		row.leaf = digest_of(9);
		assert_int_equal(referral_put(f->s, &row), ERR_OK);
		assert_int_equal(referral_get(f->s, &row.leaf, &got), ERR_OK);
		assert_int_equal(got.num, 11);
		assert_int_equal(referral_get(f->s, &old, &got), ERR_NOT_FOUND);
		fixture_reopen(f);
	}
	assert_int_equal(referral_get(f->s, &row.leaf, &got), ERR_OK);
	row.num = 3001;
	assert_int_equal(referral_put(f->s, &row), ERR_BUG);
}

/* Numbers and filters of what was rolled back are made again. */
static void a_generation_that_was_rolled_back(void **state)
{
	struct fixture *f = *state;
	struct referral_row row = number(f, 0), got;

	put_numbers(f, 0, 1000);
	fixture_reopen(f);
	put_numbers(f, 1000, 2100);
	assert_int_equal(referral_get(f->s, &row.leaf, &got), ERR_OK); /* by the filter */
	store_rollback(f->s);
	assert_int_equal(store_begin(f->s), ERR_OK);
	for (unsigned i = 1000; i < 2100; i++) {
		row = number(f, i + 5000);
		assert_int_equal(referral_put(f->s, &row), ERR_OK);
		assert_int_equal(row.num, i + 1);
	}
	for (unsigned i = 1000; i < 2100; i++) {
		row = number(f, i + 5000);
		assert_int_equal(referral_get(f->s, &row.leaf, &got), ERR_OK);
		row = number(f, i);
		assert_int_equal(referral_get(f->s, &row.leaf, &got), ERR_NOT_FOUND);
	}
}

struct seen {
	uint64_t k[8];
	size_t n;
};

static enum err see_referral(void *ctx, const struct referral_row *row)
{
	struct seen *seen = ctx;

	seen->k[seen->n++] = row->k;
	return ERR_OK;
}

static void referrals_are_walked_newest_first(void **state)
{
	struct fixture *f = *state;
	const struct digest second = digest_of(8);
	struct referral_row row;
	struct seen seen = {0};

	for (unsigned k = 1; k <= 3; k++) {
		row = referral_of(f, 10 - k);
		row.k = k;
		assert_int_equal(referral_put(f->s, &row), ERR_OK);
	}
	/* a change of state keeps the place */
	row = referral_of(f, 9);
	row.k = row.num = 1;
	assert_int_equal(referral_put(f->s, &row), ERR_OK);
	assert_int_equal(referral_walk(f->s, REFERRAL_NUM_MAX, see_referral, &seen), ERR_OK);
	assert_int_equal(seen.n, 3);
	assert_int_equal(seen.k[0], 3);
	assert_int_equal(seen.k[2], 1);
	/* from a number on */
	assert_int_equal(referral_find(f->s, view_digest(&second), &row), ERR_OK);
	assert_int_equal(row.num, 2);
	seen.n = 0;
	assert_int_equal(referral_walk(f->s, row.num, see_referral, &seen), ERR_OK);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.k[0], 1);
}

static void put_awaiting(struct fixture *f, unsigned k, bool awaits)
{
	struct referral_row row = referral_of(f, k), held;

	row.k = k;
	row.awaits_us = awaits;
	row.num = referral_get(f->s, &row.leaf, &held) == ERR_OK ? held.num : 0;
	assert_int_equal(referral_put(f->s, &row), ERR_OK);
}

static uint64_t awaits_num_of(struct fixture *f, unsigned k)
{
	struct referral_row row;
	const struct digest leaf = digest_of(k);

	assert_int_equal(referral_get(f->s, &leaf, &row), ERR_OK);
	assert_int_equal(row.awaits_us, row.awaits_num > 0);
	return row.awaits_num;
}

static void those_that_await_us_are_found_by_themselves(void **state)
{
	struct fixture *f = *state;
	struct seen seen = {0};
	uint64_t n = 99, newest = 99;

	assert_int_equal(referral_count_awaiting(f->s, &n), ERR_OK);
	assert_int_equal(referral_newest_awaiting(f->s, &newest), ERR_OK);
	assert_true(n == 0 && newest == 0);
	for (unsigned k = 1; k <= 4; k++)
		put_awaiting(f, k, k != 2);
	assert_int_equal(referral_count_awaiting(f->s, &n), ERR_OK);
	assert_int_equal(n, 3);
	/* it keeps its place as long as it awaits us, and loses it */
	put_awaiting(f, 1, true);
	put_awaiting(f, 4, false);
	put_awaiting(f, 2, true);
	assert_int_equal(referral_walk_awaiting(f->s, REFERRAL_NUM_MAX, see_referral, &seen),
			 ERR_OK);
	assert_int_equal(seen.n, 3);
	assert_true(seen.k[0] == 2 && seen.k[1] == 3 && seen.k[2] == 1);
	seen.n = 0;
	assert_int_equal(referral_walk_awaiting(f->s, awaits_num_of(f, 3), see_referral, &seen),
			 ERR_OK);
	assert_true(seen.n == 1 && seen.k[0] == 1);
	/* what comes later has a greater number, also than that of one that is gone */
	assert_int_equal(referral_newest_awaiting(f->s, &newest), ERR_OK);
	assert_true(newest >= awaits_num_of(f, 2));
	put_awaiting(f, 2, false);
	put_awaiting(f, 4, true);
	assert_true(awaits_num_of(f, 4) > newest);
	fixture_reopen(f);
	assert_int_equal(referral_newest_awaiting(f->s, &newest), ERR_OK);
	assert_int_equal(newest, awaits_num_of(f, 4));
}

static enum err see_status(void *ctx, const struct status_row *row)
{
	struct seen *seen = ctx;

	assert_int_equal(row->is_incoming, row->k == 5);
	assert_int_equal(row->has_reason, row->k == 5);
	assert_int_equal(row->reason_blob[0], row->k == 5 ? 8 : 0);
	assert_int_equal(row->time_us, 3);
	assert_int_equal(row->state, 4);
	assert_int_equal(row->refused, 6);
	assert_true(row->opened);
	seen->k[seen->n++] = row->k;
	return ERR_OK;
}

static void history(void **state)
{
	struct fixture *f = *state;
	struct referral_row about = referral_of(f, 1);
	struct status_row row = {.leaf = digest_of(2),
				 .is_incoming = true,
				 .k = 5,
				 .time_us = 3,
				 .state = 4,
				 .opened = true,
				 .refused = 6,
				 .has_reason = true,
				 .reason_blob = {8}};
	struct seen seen = {0};

	assert_int_equal(referral_put(f->s, &about), ERR_OK);
	row.referral = about.num;
	assert_int_equal(status_put(f->s, &row), ERR_OK);
	row.has_reason = row.is_incoming = false;
	row.k = 1;
	assert_int_equal(status_put(f->s, &row), ERR_OK);
	fixture_reopen(f);
	assert_int_equal(status_walk(f->s, row.referral, see_status, &seen), ERR_OK);
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.k[0], 5);
	assert_int_equal(seen.k[1], 1);
	assert_int_equal(status_walk(f->s, row.referral + 1, see_status, &seen), ERR_OK);
	assert_int_equal(seen.n, 2);
}

static enum err see_agreement(void *ctx, const struct digest *digest, struct view file)
{
	struct seen *seen = ctx;

	assert_int_equal(file.p[0], 'a' + digest->b[0]);
	seen->n++;
	return ERR_OK;
}

static void agreements(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_fini) struct buf file = {0};
	struct digest d = digest_of(1);
	struct seen seen = {0};

	assert_int_equal(agreement_put(f->s, &d, view_str("b: 1")), ERR_OK);
	assert_int_equal(agreement_put(f->s, &d, view_str("b: 1")), ERR_OK);
	d = digest_of(0);
	assert_int_equal(agreement_put(f->s, &d, view_str("a: 1")), ERR_OK);
	fixture_reopen(f);
	assert_int_equal(agreement_get(f->s, &d, &file), ERR_OK);
	assert_true(view_eq(buf_view(&file), view_str("a: 1")));
	d = digest_of(2);
	assert_int_equal(agreement_get(f->s, &d, &file), ERR_NOT_FOUND);
	assert_int_equal(agreement_walk(f->s, see_agreement, &seen), ERR_OK);
	assert_int_equal(seen.n, 2);
}

static enum err see_adoption(void *ctx, const struct adoption_row *row)
{
	struct seen *seen = ctx;

	seen->k[seen->n++] = row->our_k;
	return ERR_OK;
}

static void adoptions(void **state)
{
	struct fixture *f = *state;
	struct peer_row other = peer_named("spiffe://sk.example/ustredie");
	struct adoption_row row = {.peer = f->peer, .digest = digest_of(1), .our_k = 1};
	struct adoption_row got = {.our_k = 99};
	struct seen seen = {0};

	assert_int_equal(peer_put(f->s, &other), ERR_OK);
	assert_int_equal(adoption_put(f->s, &row), ERR_OK);
	row.their_k = 2;
	row.our_withdraw_k = 3;
	row.their_withdraw_k = 4;
	memset(row.their_name, 'n', sizeof(row.their_name) - 1);
	assert_int_equal(adoption_put(f->s, &row), ERR_OK);
	assert_int_equal(adoption_put(f->s, &(struct adoption_row){.peer = other.id,
								   .digest = digest_of(1),
								   .our_k = 5}),
			 ERR_OK);
	fixture_reopen(f);
	assert_int_equal(adoption_get(f->s, other.id + 1, &row.digest, &got), ERR_NOT_FOUND);
	assert_int_equal(got.our_k, 99);
	assert_int_equal(adoption_get(f->s, f->peer, &row.digest, &got), ERR_OK);
	assert_int_equal(got.peer, f->peer);
	assert_true(digest_eq(&got.digest, &row.digest));
	assert_int_equal(got.our_k, 1);
	assert_int_equal(got.their_k, 2);
	assert_int_equal(got.our_withdraw_k, 3);
	assert_int_equal(got.their_withdraw_k, 4);
	assert_string_equal(got.their_name, row.their_name);
	assert_int_equal(adoption_walk(f->s, 0, see_adoption, &seen), ERR_OK);
	assert_int_equal(seen.n, 2);
	seen.n = 0;
	assert_int_equal(adoption_walk(f->s, other.id, see_adoption, &seen), ERR_OK);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.k[0], 5);
}

struct looking {
	struct fixture *f;
	int64_t other;
	size_t n;
};

/* While it is walked, others may be asked for. */
static enum err look(void *ctx, const struct adoption_row *row)
{
	struct looking *l = ctx;
	struct adoption_row got;

	assert_int_equal(adoption_get(l->f->s, row->peer, &row->digest, &got), ERR_OK);
	assert_int_equal(got.our_k, row->our_k);
	assert_int_equal(adoption_get(l->f->s, l->other, &row->digest, &got), ERR_OK);
	assert_int_equal(got.our_k, row->our_k + 1000);
	l->n++;
	return ERR_OK;
}

/* As many as are kept in memory, and more. */
static void many_adoptions(void **state)
{
	struct fixture *f = *state;
	struct peer_row other = peer_named("spiffe://sk.example/ustredie");

	assert_int_equal(peer_put(f->s, &other), ERR_OK);
	for (unsigned n = 1; n <= 2 * ADOPTIONS_KEPT; n++) {
		struct looking l = {.f = f, .other = other.id};
		struct adoption_row row = {.peer = f->peer, .digest = digest_of(n), .our_k = n};
		struct adoption_row got;

		assert_int_equal(adoption_get(f->s, f->peer, &row.digest, &got), ERR_NOT_FOUND);
		assert_int_equal(adoption_put(f->s, &row), ERR_OK);
		assert_int_equal(adoption_get(f->s, f->peer, &row.digest, &got), ERR_OK);
		row.peer = other.id;
		row.our_k = n + 1000;
		assert_int_equal(adoption_get(f->s, other.id, &row.digest, &got), ERR_NOT_FOUND);
		assert_int_equal(adoption_put(f->s, &row), ERR_OK);
		assert_int_equal(adoption_walk(f->s, f->peer, look, &l), ERR_OK);
		assert_int_equal(l.n, n);
		assert_int_equal(f->s->adoptions.peer, f->peer);
		assert_int_equal(f->s->adoptions.n_walks, 0);
		assert_int_equal(f->s->adoptions.n, n <= ADOPTIONS_KEPT ? n : ADOPTIONS_KEPT + 1);
	}
}

static void adoptions_taken_back(void **state)
{
	struct fixture *f = *state;
	struct adoption_row row = {.peer = f->peer, .digest = digest_of(1), .our_k = 1};
	struct adoption_row got;

	assert_int_equal(adoption_put(f->s, &row), ERR_OK);
	assert_int_equal(store_commit(f->s), ERR_OK);
	assert_int_equal(store_begin(f->s), ERR_OK);
	row.our_k = 2;
	assert_int_equal(adoption_put(f->s, &row), ERR_OK);
	assert_int_equal(adoption_get(f->s, f->peer, &row.digest, &got), ERR_OK);
	assert_int_equal(got.our_k, 2);
	store_rollback(f->s);
	assert_int_equal(adoption_get(f->s, f->peer, &row.digest, &got), ERR_OK);
	assert_int_equal(got.our_k, 1);
}

static bool stood_at(struct fixture *f, int64_t peer, unsigned digest, uint64_t k)
{
	const struct digest d = digest_of(digest);
	bool answer = k % 2;

	assert_int_equal(adoption_past_has(f->s, peer, &d, k, &answer), ERR_OK);
	return answer;
}

static void adoptions_that_ended(void **state)
{
	struct fixture *f = *state;
	struct peer_row other = peer_named("spiffe://sk.example/ustredie");
	struct adoption_row row = {
		.peer = f->peer, .digest = digest_of(1), .our_k = 3, .our_withdraw_k = 5};

	assert_int_equal(peer_put(f->s, &other), ERR_OK);
	assert_false(stood_at(f, f->peer, 1, 3));
	assert_int_equal(adoption_past_put(f->s, &row), ERR_OK);
	assert_int_equal(adoption_past_put(f->s, &row), ERR_OK);
	row.our_k = 8;
	row.our_withdraw_k = 9;
	assert_int_equal(adoption_past_put(f->s, &row), ERR_OK);
	row.peer = other.id;
	assert_int_equal(adoption_past_put(f->s, &row), ERR_OK);
	fixture_reopen(f);
	for (uint64_t k = 0; k < 12; k++)
		assert_int_equal(stood_at(f, f->peer, 1, k), k == 3 || k == 4 || k == 8);
	assert_false(stood_at(f, f->peer, 2, 3));
	assert_int_equal(adoption_past_forget(f->s, f->peer), ERR_OK);
	assert_false(stood_at(f, f->peer, 1, 3));
	assert_true(stood_at(f, other.id, 1, 8));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_referral_comes_back_and_is_replaced),
		TEST(a_referral_is_found_by_its_beginning),
		TEST(a_referral_is_found_among_many),
		TEST(a_leaf_changes_in_an_old_generation),
		TEST(a_generation_that_was_rolled_back),
		TEST(deadlines_come_in_their_order),
		TEST(referrals_are_walked_newest_first),
		TEST(those_that_await_us_are_found_by_themselves),
		TEST(history),
		TEST(agreements),
		TEST(adoptions),
		TEST(many_adoptions),
		TEST(adoptions_taken_back),
		TEST(adoptions_that_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
