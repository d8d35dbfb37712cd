#include "fixture.h"

#include "store/noted_table.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

static struct noted_row noted_of(struct fixture *f, uint64_t size, uint64_t n_asked)
{
	return (struct noted_row){
		.peer = f->peer,
		.epoch = EPOCH,
		.size = size,
		.root = digest_of((unsigned)size),
		.teller = f->peer,
		.n_asked = n_asked,
		.time_us = 99,
		.note = view_str("note"),
	};
}

static int64_t put(struct fixture *f, uint64_t size, uint64_t n_asked)
{
	struct noted_row row = noted_of(f, size, n_asked);

	assert_int_equal(noted_put(f->s, &row), ERR_OK);
	return row.id;
}

struct sizes {
	uint64_t size[8];
	size_t n;
};

static enum err see(void *ctx, const struct noted_row *row)
{
	struct sizes *s = ctx;

	s->size[s->n++] = row->size;
	return ERR_OK;
}

static void one_of_a_size_and_as_it_was_put(void **state)
{
	struct fixture *f = *state;
	struct noted_row row = noted_of(f, 30, 2), got;

	assert_int_equal(noted_put(f->s, &row), ERR_OK);
	assert_int_equal(noted_put(f->s, &row), ERR_EXISTS);
	fixture_reopen(f);
	assert_int_equal(noted_get(f->s, f->peer, EPOCH, 30, &got), ERR_OK);
	assert_true(got.id == row.id && got.peer == f->peer && got.teller == f->peer);
	assert_true(got.epoch == EPOCH && got.size == 30 && got.n_asked == 2 && got.time_us == 99);
	assert_true(digest_eq(&got.root, &row.root) && !got.is_settled);
	assert_true(view_eq(got.note, view_str("note")));
	assert_int_equal(noted_get(f->s, f->peer, EPOCH, 31, &got), ERR_NOT_FOUND);
	assert_int_equal(noted_get(f->s, f->peer, EPOCH + 1, 30, &got), ERR_NOT_FOUND);
	assert_int_equal(noted_get(f->s, f->peer + 1, EPOCH, 30, &got), ERR_NOT_FOUND);
	row.epoch++; /* of a ledger that is not the peer's present one */
	assert_int_equal(noted_put(f->s, &row), ERR_OK);
}

static void the_least_asked_come_first(void **state)
{
	struct fixture *f = *state;
	struct sizes due = {.n = 0}, told = {.n = 0}, none = {.n = 0};
	struct noted_row got;
	int64_t id;

	(void)put(f, 10, 1);
	(void)put(f, 20, 0);
	id = put(f, 30, 0);
	(void)put(f, 40, 5);
	assert_int_equal(noted_set(f->s, put(f, 50, 0), 3, true), ERR_OK);
	assert_int_equal(noted_walk(f->s, f->peer, EPOCH, see, &due), ERR_OK);
	assert_int_equal(due.n, 4);
	assert_true(due.size[0] == 30 && due.size[1] == 20 && due.size[2] == 10 &&
		    due.size[3] == 40);
	assert_int_equal(noted_walk_told(f->s, f->peer, f->peer, EPOCH, see, &told), ERR_OK);
	assert_int_equal(told.n, 5);
	assert_true(told.size[0] == 10 && told.size[4] == 50);
	assert_int_equal(noted_get(f->s, f->peer, EPOCH, 50, &got), ERR_OK);
	assert_true(got.is_settled && got.n_asked == 3);
	assert_int_equal(noted_delete(f->s, id), ERR_OK);
	assert_int_equal(noted_delete(f->s, id), ERR_OK); /* gone is gone */
	assert_int_equal(noted_set(f->s, id, 1, true), ERR_OK);
	assert_int_equal(noted_get(f->s, f->peer, EPOCH, 30, &got), ERR_NOT_FOUND);
	assert_int_equal(noted_walk(f->s, f->peer, EPOCH + 1, see, &none), ERR_OK);
	assert_int_equal(none.n, 0);
}

static enum err pin(void *ctx, const struct peer_row *row)
{
	*(struct peer_row *)ctx = *row;
	return ERR_OK;
}

/* Those of present ledgers. */
static void a_teller_is_counted(void **state)
{
	struct fixture *f = *state;
	struct noted_row old = noted_of(f, 5, 0);
	struct peer_row row;
	uint64_t n;

	assert_int_equal(peer_walk(f->s, pin, &row), ERR_OK);
	row.epoch = EPOCH;
	assert_int_equal(peer_put(f->s, &row), ERR_OK);
	(void)put(f, 10, 0);
	(void)put(f, 20, 0);
	old.epoch--;
	assert_int_equal(noted_put(f->s, &old), ERR_OK);
	assert_int_equal(noted_count_told(f->s, f->peer, &n), ERR_OK);
	assert_int_equal(n, 2);
	assert_int_equal(noted_count_told(f->s, f->peer + 1, &n), ERR_OK);
	assert_int_equal(n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_of_a_size_and_as_it_was_put),
		TEST(the_least_asked_come_first),
		TEST(a_teller_is_counted),
	};

	return cmocka_run_group_tests_name("store/noted_table", tests, NULL, NULL);
}
