#include "fixture.h"

#define INSERT "INSERT INTO received_checkpoint (peer, size, note) VALUES (?, ?, ?)"
#define SELECT "SELECT id, peer, note FROM received_checkpoint ORDER BY id"

struct pair_row {
	int64_t id, peer;
};

static void pair_read(struct query *q, struct pair_row *row)
{
	row->id = query_i64(q);
	row->peer = query_i64(q);
}

DEFINE_ROW_ONE(pair)
DEFINE_ROW_EACH(pair)

/* The note is a text where bytes should be: SQLite refuses it. */
static enum err insert_text(struct fixture *f, uint64_t size, int64_t *ret_id)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(f->s, ST_RECEIVED_CHECKPOINT_PUT, INSERT, &q);
	query_bind_i64(&q, f->peer);
	query_bind_u64(&q, size);
	query_bind_text(&q, "a note");
	return query_insert(&q, ret_id);
}

static int64_t inserted(struct fixture *f)
{
	CLEANUP(query_end) struct query q = {0};
	int64_t id = 0;

	query_begin(f->s, ST_RECEIVED_CHECKPOINT_PUT, INSERT, &q);
	query_bind_i64(&q, f->peer);
	query_bind_u64(&q, 1);
	query_bind_bytes(&q, NULL, 0);
	assert_int_equal(query_insert(&q, &id), ERR_OK);
	assert_int_not_equal(id, 0);
	return id;
}

static void the_last_call_reports_that_it_did_not_begin(void **state)
{
	struct fixture *f = *state;
	CLEANUP(query_end) struct query q = {0};
	int n = -1;

	store_rollback(f->s);
	query_begin(f->s, ST_RECEIVED_CHECKPOINT_PUT, INSERT, &q);
	query_bind_i64(&q, 1);
	query_bind_u64(&q, UINT64_MAX);
	query_bind_bytes(&q, "", 0);
	query_bind_text(&q, "");
	query_bind_if(&q, false, NULL, 0);
	query_bind_ref(&q, 0);
	assert_false(query_step(&q));
	assert_int_equal(query_error(&q), ERR_STATE);
	assert_int_equal(query_get(&q), ERR_STATE);
	assert_int_equal(query_run(&q, &n), ERR_STATE);
	assert_int_equal(n, -1);
	assert_string_equal(err_words(), "a write outside of a transaction");
	query_end(&q);
	assert_int_equal(f->s->n_busy, 0);
}

static void the_first_mistake_of_binding_is_kept(void **state)
{
	struct fixture *f = *state;
	int64_t id = -1;

	assert_int_equal(insert_text(f, UINT64_MAX, &id), ERR_INVALID);
	assert_int_equal(id, -1);
	assert_false(f->s->failed);
	(void)inserted(f);
	assert_int_equal(insert_text(f, 1, &id), ERR_STORAGE);
	assert_int_equal(id, -1);
	assert_true(f->s->failed);
}

static void a_row_with_a_mistake_is_not_given(void **state)
{
	struct fixture *f = *state;
	struct pair_row row = {.id = -1, .peer = -1};
	int64_t id = inserted(f);
	struct query q = {0};

	query_begin(f->s, ST_RECEIVED_CHECKPOINT_GET, SELECT, &q);
	assert_int_equal(pair_one(&q, &row), ERR_OK);
	query_end(&q);
	assert_true(row.id == id && row.peer == f->peer);
	/* bytes where a number should be */
	query_begin(f->s, ST_PEER_CHAIN_GET, "SELECT id + 1, note FROM received_checkpoint", &q);
	assert_int_equal(pair_one(&q, &row), ERR_STORAGE);
	query_end(&q);
	assert_true(row.id == id && row.peer == f->peer);
	assert_true(f->s->failed);
}

struct seen {
	struct fixture *f;
	int n, stop_at;
};

static enum err see(void *ctx, const struct pair_row *row)
{
	struct seen *seen = ctx;

	assert_true(row->peer == seen->f->peer);
	return ++seen->n == seen->stop_at ? ERR_FULL : ERR_OK;
}

static void a_walk_ends_where_its_function_says(void **state)
{
	struct fixture *f = *state;
	static const struct {
		int stop_at, n;
		enum err e;
	} walks[] = {{0, 3, ERR_OK}, {1, 1, ERR_FULL}, {2, 2, ERR_FULL}, {3, 3, ERR_FULL}};

	for (int i = 0; i < 3; i++)
		(void)inserted(f);
	for (size_t i = 0; i < ARRAY_LEN(walks); i++) {
		CLEANUP(query_end) struct query q = {0};
		struct seen seen = {.f = f, .stop_at = walks[i].stop_at};

		query_begin(f->s, ST_PEER_WALK, SELECT, &q);
		assert_int_equal(pair_each(&q, see, &seen), walks[i].e);
		assert_int_equal(seen.n, walks[i].n);
	}
}

static void a_walk_gives_no_row_with_a_mistake(void **state)
{
	struct fixture *f = *state;
	CLEANUP(query_end) struct query q = {0};
	struct seen seen = {.f = f};

	(void)inserted(f);
	(void)inserted(f);
	query_begin(f->s, ST_PEER_WALK,
		    "SELECT id, iif(id = (SELECT max(id) FROM received_checkpoint), note, peer)"
		    " FROM received_checkpoint ORDER BY id",
		    &q);
	assert_int_equal(pair_each(&q, see, &seen), ERR_STORAGE);
	assert_int_equal(seen.n, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_last_call_reports_that_it_did_not_begin),
		TEST(the_first_mistake_of_binding_is_kept),
		TEST(a_row_with_a_mistake_is_not_given),
		TEST(a_walk_ends_where_its_function_says),
		TEST(a_walk_gives_no_row_with_a_mistake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
