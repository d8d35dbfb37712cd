#include "fixture.h"

#include "store/epoch_table.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

static struct epoch_row epoch_of(int64_t peer, uint64_t epoch)
{
	struct epoch_row row = {
		.peer = peer,
		.epoch = epoch,
		.size = epoch + 3,
		.root = digest_of(1),
		.k = 7,
		.head = digest_of(2),
		.time_us = 99,
		.why = "an old backup was restored",
	};

	(void)snprintf(row.origin, sizeof(row.origin), "cz.example/a/%llu",
		       (unsigned long long)epoch);
	return row;
}

static void epochs_that_ended_are_kept_apart(void **state)
{
	struct fixture *f = *state;
	struct epoch_row row = epoch_of(0, 20), got;

	assert_int_equal(epoch_put(f->s, &row), ERR_OK);
	assert_int_equal(epoch_put(f->s, &row), ERR_EXISTS);
	row = epoch_of(0, 10);
	assert_int_equal(epoch_put(f->s, &row), ERR_OK);
	row = epoch_of(f->peer, 15);
	assert_int_equal(epoch_put(f->s, &row), ERR_OK);
	fixture_reopen(f);
	assert_int_equal(epoch_get(f->s, f->peer, 15, &got), ERR_OK);
	assert_string_equal(got.origin, "cz.example/a/15");
	assert_string_equal(got.why, "an old backup was restored");
	assert_true(got.size == 18 && got.k == 7 && got.time_us == 99 && got.checkpoint == 0);
	assert_true(digest_eq(&got.root, &row.root) && digest_eq(&got.head, &row.head));
	assert_int_equal(epoch_get(f->s, f->peer, 20, &got), ERR_NOT_FOUND);
	assert_int_equal(epoch_next(f->s, 0, 0, &got), ERR_OK);
	assert_int_equal(got.epoch, 10);
	assert_int_equal(epoch_next(f->s, 0, 10, &got), ERR_OK);
	assert_int_equal(got.epoch, 20);
	assert_int_equal(epoch_next(f->s, 0, 20, &got), ERR_NOT_FOUND);
}

static struct recovered_row recovered_of(struct fixture *f, uint64_t epoch, uint64_t k)
{
	static const uint8_t proof[32] = {3};

	return (struct recovered_row){
		.peer = f->peer,
		.epoch = epoch,
		.k = k,
		.index = 100 + k,
		.entry = view_str("entry"),
		.leaf = digest_of((unsigned)(epoch * 100 + k)),
		.seen_k = 2 * k,
		.is_applied = k == 2,
		.has_body = k == 1,
		.body_blob = {5},
		.note = view_str("note"),
		.proof = view_of(proof, sizeof(proof)),
	};
}

static enum err count(void *ctx, const struct recovered_row *row)
{
	size_t *n = ctx;

	assert_true(row->k > 0);
	++*n;
	return ERR_OK;
}

static void what_came_back_takes_effect_in_order(void **state)
{
	struct fixture *f = *state;
	struct recovered_row row, got;
	size_t n = 0;

	row = recovered_of(f, 20, 1);
	assert_int_equal(recovered_put(f->s, &row), ERR_OK);
	for (uint64_t k = 1; k <= 3; k++) {
		row = recovered_of(f, 10, k);
		assert_int_equal(recovered_put(f->s, &row), ERR_OK);
	}
	assert_int_equal(recovered_put(f->s, &row), ERR_EXISTS);
	fixture_reopen(f);
	assert_int_equal(recovered_get(f->s, f->peer, 10, 1, &got), ERR_OK);
	assert_true(got.index == 101 && got.seen_k == 2 && got.has_body && !got.is_applied);
	assert_true(view_eq(got.note, view_str("note")) && got.proof.n == 32);
	assert_true(view_eq(got.entry, view_str("entry")) && got.body_blob[0] == 5);
	assert_int_equal(recovered_get(f->s, f->peer, 10, 4, &got), ERR_NOT_FOUND);
	row = recovered_of(f, 20, 1);
	assert_int_equal(recovered_get_leaf(f->s, &row.leaf, &got), ERR_OK);
	assert_int_equal(got.epoch, 20);
	for (uint64_t k = 1; k <= 3; k += 2) { /* 2 had been applied */
		assert_int_equal(recovered_get_due(f->s, f->peer, &got), ERR_OK);
		assert_true(got.epoch == 10 && got.k == k);
		assert_int_equal(recovered_set_applied(f->s, f->peer, 10, k), ERR_OK);
	}
	assert_int_equal(recovered_get_due(f->s, f->peer, &got), ERR_OK);
	assert_int_equal(got.epoch, 20);
	assert_int_equal(recovered_set_applied(f->s, f->peer, 20, 1), ERR_OK);
	assert_int_equal(recovered_get_due(f->s, f->peer, &got), ERR_NOT_FOUND);
	assert_int_equal(recovered_set_applied(f->s, f->peer, 20, 9), ERR_NOT_FOUND);
	assert_int_equal(recovered_walk(f->s, count, &n), ERR_OK);
	assert_int_equal(n, 4);
	/* by index: 101, 102 and 103 of this epoch */
	for (uint64_t from = 100; from <= 104; from++) {
		n = 0;
		assert_int_equal(recovered_walk_index(f->s, 10, from, 0, count, &n), ERR_OK);
		assert_int_equal(n, from == 100 ? 3 : 104 - from);
		n = 0;
		assert_int_equal(recovered_walk_index(f->s, 10, from, f->peer, count, &n), ERR_OK);
		assert_int_equal(n, from == 104 ? 0 : 103 - from);
	}
}

static void a_recovery_comes_to_its_end(void **state)
{
	struct fixture *f = *state;
	struct recovery_row row = {.state = RECOVERY_FETCHING,
				   .from_epoch = 10,
				   .from_k = 4,
				   .from_head = digest_of(1),
				   .open_epoch = 12,
				   .at_epoch = 10,
				   .at_k = 6,
				   .at_head = digest_of(2)};
	struct recovery_row got;

	assert_int_equal(recovery_get(f->s, f->peer, &got), ERR_OK);
	assert_int_equal(got.state, RECOVERY_NONE);
	assert_int_equal(recovery_put(f->s, f->peer, &row), ERR_OK);
	row.state = RECOVERY_AGAIN;
	assert_int_equal(recovery_put(f->s, f->peer, &row), ERR_OK);
	fixture_reopen(f);
	assert_int_equal(recovery_get(f->s, f->peer, &got), ERR_OK);
	assert_true(got.state == RECOVERY_AGAIN && got.from_epoch == 10 && got.from_k == 4);
	assert_true(got.open_epoch == 12 && got.at_epoch == 10 && got.at_k == 6 &&
		    digest_eq(&got.at_head, &row.at_head));
	assert_int_equal(store_exec(f->s, "UPDATE recovery SET state = 9"), ERR_OK);
	assert_int_equal(recovery_get(f->s, f->peer, &got), ERR_STORAGE);
	row.state = RECOVERY_NONE;
	assert_int_equal(recovery_put(f->s, f->peer, &row), ERR_OK);
	assert_int_equal(recovery_get(f->s, f->peer, &got), ERR_OK);
	assert_int_equal(got.state, RECOVERY_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(epochs_that_ended_are_kept_apart),
		TEST(what_came_back_takes_effect_in_order),
		TEST(a_recovery_comes_to_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
