#include "fixture.h"

static struct entry_row entry_of(unsigned n)
{
	static uint8_t bytes[8];

	bytes[0] = (uint8_t)n;
	return (struct entry_row){.epoch = EPOCH,
				  .index = n,
				  .entry = view_of(bytes, sizeof(bytes)),
				  .leaf = digest_of(n)};
}

static void put(struct fixture *f, unsigned n, int64_t peer, uint64_t k)
{
	struct entry_row row = entry_of(n);

	row.peer = peer;
	row.k = k;
	assert_int_equal(entry_put(f->s, &row), ERR_OK);
}

static void entry_comes_back(void **state)
{
	struct fixture *f = *state;
	struct entry_row row = entry_of(0), got;
	const struct digest leaf = digest_of(0);

	row.peer = f->peer;
	row.k = 7;
	row.has_body = row.has_local = true;
	memset(row.body_blob, 0xb0, sizeof(row.body_blob));
	memset(row.local_blob, 0x10, sizeof(row.local_blob));
	assert_int_equal(entry_put(f->s, &row), ERR_OK);
	assert_int_equal(own_checkpoint_put(f->s, EPOCH, 1, view_str("note")), ERR_OK);
	fixture_reopen(f);
	for (int way = 0; way < 3; way++) {
		enum err e = way == 0	? entry_get(f->s, EPOCH, 0, &got)
			     : way == 1 ? entry_get_k(f->s, EPOCH, f->peer, 7, &got)
					: entry_find(f->s, f->peer, 7, &leaf, &got);

		assert_int_equal(e, ERR_OK);
		assert_int_equal(got.index, 0);
		assert_true(view_eq(got.entry, row.entry));
		assert_true(digest_eq(&got.leaf, &row.leaf));
		assert_int_equal(got.peer, f->peer);
		assert_int_equal(got.k, 7);
		assert_true(got.has_body && got.has_local);
		assert_memory_equal(got.body_blob, row.body_blob, STORE_ID_BYTES);
		assert_memory_equal(got.local_blob, row.local_blob, STORE_ID_BYTES);
	}
}

static void unaddressed_entries_share_no_k(void **state)
{
	struct fixture *f = *state;
	struct entry_row got;

	put(f, 0, 0, 0);
	put(f, 1, 0, 0);
	assert_int_equal(entry_get(f->s, EPOCH, 1, &got), ERR_OK);
	assert_int_equal(got.peer, 0);
	assert_int_equal(got.k, 0);
	assert_false(got.has_body);
	assert_false(got.has_local);
	assert_int_equal(entry_get_k(f->s, EPOCH, 0, 0, &got), ERR_NOT_FOUND);
}

static void entries_follow_each_other(void **state)
{
	struct fixture *f = *state;
	struct entry_row row, got = {.index = 99};
	const struct digest unknown = digest_of(5), first = digest_of(0);
	uint64_t n = 99;

	assert_int_equal(entry_count(f->s, EPOCH, &n), ERR_OK);
	assert_int_equal(n, 0);
	row = entry_of(1);
	assert_int_equal(entry_put(f->s, &row), ERR_INVALID);
	put(f, 0, f->peer, 1);
	row = entry_of(0);
	assert_int_equal(entry_put(f->s, &row), ERR_EXISTS);
	row = entry_of(1);
	row.peer = f->peer;
	row.k = 1;
	assert_int_equal(entry_put(f->s, &row), ERR_EXISTS);
	assert_int_equal(entry_count(f->s, EPOCH, &n), ERR_OK);
	assert_int_equal(n, 1);
	assert_int_equal(entry_get(f->s, EPOCH, 1, &got), ERR_NOT_FOUND);
	assert_int_equal(entry_get_k(f->s, EPOCH, f->peer, 2, &got), ERR_NOT_FOUND);
	assert_int_equal(entry_get_k(f->s, EPOCH, f->peer + 1, 1, &got), ERR_NOT_FOUND);
	assert_int_equal(own_checkpoint_put(f->s, EPOCH, 1, view_str("note")), ERR_OK);
	assert_int_equal(entry_find(f->s, f->peer, 1, &unknown, &got), ERR_NOT_FOUND);
	assert_int_equal(entry_find(f->s, f->peer, 2, &first, &got), ERR_NOT_FOUND);
	assert_int_equal(got.index, 99);
	/* the transaction goes on after a duplicate */
	put(f, 1, f->peer, 2);
	assert_int_equal(store_commit(f->s), ERR_OK);
}

static void an_entry_is_never_changed(void **state)
{
	struct fixture *f = *state;

	put(f, 0, 0, 0);
	assert_int_not_equal(sqlite3_exec(f->s->db, "DELETE FROM entry", NULL, NULL, NULL), 0);
	assert_int_not_equal(sqlite3_exec(f->s->db, "UPDATE entry SET k = 0", NULL, NULL, NULL), 0);
}

static void leaves_of_a_range(void **state)
{
	struct fixture *f = *state;
	struct digest leaves[4];

	for (unsigned i = 0; i < 5; i++)
		put(f, i, 0, 0);
	assert_int_equal(entry_leaves(f->s, EPOCH, 1, 4, leaves), ERR_OK);
	for (unsigned i = 0; i < 4; i++) {
		const struct digest d = digest_of(1 + i);

		assert_true(digest_eq(&leaves[i], &d));
	}
	assert_int_equal(entry_leaves(f->s, EPOCH, 4, 1, leaves), ERR_OK);
	assert_int_equal(entry_leaves(f->s, EPOCH, 2, 4, leaves), ERR_NOT_FOUND);
	assert_int_equal(entry_leaves(f->s, EPOCH, 5, 1, leaves), ERR_NOT_FOUND);
}

struct seen {
	struct store *s;
	uint64_t index[16];
	size_t n;
	size_t stop_at;
};

static enum err see(void *ctx, const struct entry_row *row)
{
	struct seen *seen = ctx;
	struct entry_row got;
	uint64_t n;

	/* other functions may be called from a walk, and change nothing of this row */
	assert_int_equal(entry_count(seen->s, EPOCH, &n), ERR_OK);
	assert_int_equal(entry_get(seen->s, EPOCH, 0, &got), ERR_OK);
	assert_int_equal(row->entry.p[0], row->index);
	seen->index[seen->n++] = row->index;
	return seen->n == seen->stop_at ? ERR_CLOSED : ERR_OK;
}

static void walks_are_in_order_and_end_early(void **state)
{
	struct fixture *f = *state;
	struct seen seen = {.s = f->s};

	for (unsigned i = 0; i < 6; i++)
		put(f, i, i % 2 ? f->peer : 0, i % 2 ? i : 0);
	assert_int_equal(entry_walk(f->s, EPOCH, 2, see, &seen), ERR_OK);
	assert_int_equal(seen.n, 4);
	assert_int_equal(seen.index[0], 2);
	assert_int_equal(seen.index[3], 5);
	seen.n = 0;
	assert_int_equal(entry_walk_peer(f->s, EPOCH, f->peer, 1, see, &seen), ERR_OK);
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.index[0], 3);
	seen.n = 0;
	assert_int_equal(entry_walk(f->s, EPOCH, 6, see, &seen), ERR_OK);
	assert_int_equal(seen.n, 0);
	seen.stop_at = 2;
	assert_int_equal(entry_walk(f->s, EPOCH, 0, see, &seen), ERR_CLOSED);
	assert_int_equal(seen.n, 2);
	/* nothing is left open: the transaction ends */
	assert_int_equal(store_commit(f->s), ERR_OK);
}

static void tiles(void **state)
{
	struct fixture *f = *state;
	static struct digest hashes[TILE_WIDTH], got[TILE_WIDTH];
	const struct digest node = digest_of(77);
	struct digest d;
	uint64_t n = 99;

	for (unsigned i = 0; i < TILE_WIDTH; i++)
		hashes[i] = digest_of(i);
	assert_int_equal(tile_count(f->s, EPOCH, 0, &n), ERR_OK);
	assert_int_equal(n, 0);
	assert_int_equal(tile_put(f->s, EPOCH, 0, 1, hashes, &node), ERR_INVALID);
	assert_int_equal(tile_put(f->s, EPOCH, 0, 0, hashes, &node), ERR_OK);
	assert_int_equal(tile_put(f->s, EPOCH, 0, 0, hashes, &node), ERR_EXISTS);
	hashes[0] = digest_of(1000);
	assert_int_equal(tile_put(f->s, EPOCH, 0, 1, hashes, &node), ERR_OK);
	assert_int_equal(tile_put(f->s, EPOCH, 1, 0, hashes, &node), ERR_OK);
	fixture_reopen(f);
	assert_int_equal(tile_count(f->s, EPOCH, 0, &n), ERR_OK);
	assert_int_equal(n, 2);
	assert_int_equal(tile_count(f->s, EPOCH, 1, &n), ERR_OK);
	assert_int_equal(n, 1);
	assert_int_equal(tile_count(f->s, EPOCH, 2, &n), ERR_OK);
	assert_int_equal(n, 0);
	assert_int_equal(tile_get(f->s, EPOCH, 0, 1, got), ERR_OK);
	assert_memory_equal(got, hashes, sizeof(got));
	assert_int_equal(tile_get(f->s, EPOCH, 0, 2, got), ERR_NOT_FOUND);
	assert_int_equal(tile_get(f->s, EPOCH, 2, 0, got), ERR_NOT_FOUND);
	assert_int_equal(tile_get_node(f->s, EPOCH, 1, 0, &d), ERR_OK);
	assert_true(digest_eq(&d, &node));
	assert_int_equal(tile_get_node(f->s, EPOCH, 1, 1, &d), ERR_NOT_FOUND);
}

static void own_checkpoint(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_fini) struct buf note = {0};
	uint64_t size = 99;

	assert_int_equal(own_checkpoint_get(f->s, EPOCH, &size, &note), ERR_NOT_FOUND);
	assert_int_equal(size, 99);
	assert_int_equal(own_checkpoint_put(f->s, EPOCH, 1, view_str("first")), ERR_OK);
	assert_int_equal(own_checkpoint_put(f->s, EPOCH, 2, view_str("second")), ERR_OK);
	fixture_reopen(f);
	assert_int_equal(buf_put_str(&note, "> "), ERR_OK);
	assert_int_equal(own_checkpoint_get(f->s, EPOCH, &size, &note), ERR_OK);
	assert_int_equal(size, 2);
	assert_true(view_eq(buf_view(&note), view_str("> second")));
}

static void blobs(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_fini) struct buf key = {0};
	CLEANUP(buf_fini) struct buf cipher = {0};
	const uint8_t id[STORE_ID_BYTES] = {1}, other[STORE_ID_BYTES] = {2};
	static uint8_t big[262144];

	memset(big, 0xa5, sizeof(big));
	assert_int_equal(put_blob(f->s, id, BLOB_BODY, view_str("key"), view_of(big, sizeof(big))),
			 ERR_OK);
	assert_int_equal(put_blob(f->s, id, BLOB_LOCAL, view_str("k"), view_str("c")), ERR_EXISTS);
	assert_int_equal(put_blob(f->s, other, BLOB_LABEL, view_str("k"), view_of(NULL, 0)),
			 ERR_OK);
	fixture_reopen(f);
	assert_int_equal(blob_get(f->s, id, BLOB_LOCAL, &key, &cipher), ERR_NOT_FOUND);
	assert_int_equal(blob_get(f->s, id, BLOB_BODY, &key, &cipher), ERR_OK);
	assert_true(view_eq(buf_view(&key), view_str("key")));
	assert_true(view_eq(buf_view(&cipher), view_of(big, sizeof(big))));
	buf_clear(&cipher);
	assert_int_equal(blob_get(f->s, other, BLOB_LABEL, &key, &cipher), ERR_OK);
	assert_int_equal(cipher.n, 0);
	assert_int_equal(blob_erase(f->s, id, BLOB_BODY), ERR_OK);
	assert_int_equal(blob_erase(f->s, id, BLOB_BODY), ERR_NOT_FOUND);
	assert_int_equal(blob_get(f->s, id, BLOB_BODY, &key, &cipher), ERR_NOT_FOUND);
}

static bool is_there(struct fixture *f, const uint8_t id[STORE_ID_BYTES], enum blob_kind kind,
		     const char *cipher)
{
	CLEANUP(buf_fini) struct buf key = {0}, got = {0};

	return !blob_get(f->s, id, kind, &key, &got) && view_eq(buf_view(&got), view_str(cipher));
}

static void body_and_local_part_are_one_row(void **state)
{
	struct fixture *f = *state;
	static const enum blob_kind kinds[] = {BLOB_BODY, BLOB_LOCAL};
	const struct blob_content both[] = {
		{.kind = BLOB_LOCAL, .wrapped_key = view_str("k1"), .cipher = view_str("local")},
		{.kind = BLOB_BODY, .wrapped_key = view_str("k2"), .cipher = view_str("body")},
	};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const uint8_t id[STORE_ID_BYTES] = {[7] = (uint8_t)(i + 1)};

		assert_int_equal(blob_put(f->s, id, both, ARRAY_LEN(both)), ERR_OK);
		assert_int_equal(blob_erase(f->s, id, BLOB_LABEL), ERR_NOT_FOUND);
		assert_true(is_there(f, id, BLOB_BODY, "body"));
		assert_true(is_there(f, id, BLOB_LOCAL, "local"));
		/* each alone */
		assert_int_equal(blob_erase(f->s, id, kinds[i]), ERR_OK);
		assert_int_equal(blob_erase(f->s, id, kinds[i]), ERR_NOT_FOUND);
		assert_int_equal(is_there(f, id, BLOB_BODY, "body"), i == 1);
		assert_int_equal(is_there(f, id, BLOB_LOCAL, "local"), i == 0);
		assert_int_equal(blob_erase(f->s, id, kinds[!i]), ERR_OK);
		assert_false(is_there(f, id, kinds[!i], i ? "body" : "local"));
	}
}

static void a_local_part_may_stand_alone(void **state)
{
	struct fixture *f = *state;
	const uint8_t id[STORE_ID_BYTES] = {1};

	assert_int_equal(put_blob(f->s, id, BLOB_LOCAL, view_str("k"), view_str("local")), ERR_OK);
	assert_true(is_there(f, id, BLOB_LOCAL, "local"));
	assert_false(is_there(f, id, BLOB_BODY, "local"));
	assert_int_equal(blob_erase(f->s, id, BLOB_BODY), ERR_NOT_FOUND);
	assert_int_equal(blob_erase(f->s, id, BLOB_LOCAL), ERR_OK);
	assert_false(is_there(f, id, BLOB_LOCAL, "local"));
}

static void blob_ids_never_come_again(void **state)
{
	struct fixture *f = *state;
	const uint8_t tail[BLOB_TAIL_BYTES] = {0xaa, [BLOB_TAIL_BYTES - 1] = 0xbb};
	const uint8_t expected[STORE_ID_BYTES] = {[6] = 1, [7] = 1, [8] = 0xaa, [15] = 0xbb};
	uint8_t id[STORE_ID_BYTES], before[STORE_ID_BYTES] = {[6] = 1};

	assert_int_equal(put_blob(f->s, before, BLOB_BODY, view_str("k"), view_str("c")), ERR_OK);
	assert_int_equal(blob_id(f->s, tail, id), ERR_OK);
	assert_memory_equal(id, expected, sizeof(id));
	assert_int_equal(put_blob(f->s, id, BLOB_BODY, view_str("k"), view_str("c")), ERR_OK);
	/* erased, and opened again: not even its number */
	assert_int_equal(blob_erase(f->s, id, BLOB_BODY), ERR_OK);
	fixture_reopen(f);
	assert_int_equal(blob_id(f->s, tail, id), ERR_OK);
	assert_int_equal(id[7], 2);
	/* taken back, as by a backup: its number alone may come again */
	assert_int_equal(put_blob(f->s, id, BLOB_BODY, view_str("k"), view_str("c")), ERR_OK);
	id[15] = 0;
	assert_int_equal(blob_erase(f->s, id, BLOB_BODY), ERR_NOT_FOUND);
}

static void a_full_buffer_takes_neither_part(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_fini) struct buf key = {0};
	CLEANUP(buf_fini) struct buf cipher = {.limit = 3};
	const uint8_t id[STORE_ID_BYTES] = {1};

	assert_int_equal(put_blob(f->s, id, BLOB_BODY, view_str("key"), view_str("cipher")),
			 ERR_OK);
	assert_int_equal(blob_get(f->s, id, BLOB_BODY, &key, &cipher), ERR_LIMIT);
	assert_int_equal(key.n, 0);
	assert_int_equal(cipher.n, 0);
}

static void views_outlive_other_calls(void **state)
{
	struct fixture *f = *state;
	struct entry_row a, b;

	put(f, 0, 0, 0);
	put(f, 1, f->peer, 1);
	assert_int_equal(entry_get(f->s, EPOCH, 0, &a), ERR_OK);
	assert_int_equal(entry_get_k(f->s, EPOCH, f->peer, 1, &b), ERR_OK);
	assert_int_equal(a.entry.p[0], 0);
	assert_int_equal(b.entry.p[0], 1);
}

static void numbers_beyond_int64_are_refused(void **state)
{
	struct fixture *f = *state;
	struct entry_row row = entry_of(0), got;

	row.peer = f->peer;
	row.k = (uint64_t)INT64_MAX + 1;
	assert_int_equal(entry_put(f->s, &row), ERR_INVALID);
	assert_int_equal(entry_get(f->s, EPOCH, UINT64_MAX, &got), ERR_INVALID);
	row.k = INT64_MAX;
	assert_int_equal(entry_put(f->s, &row), ERR_OK);
	assert_int_equal(entry_get_k(f->s, EPOCH, f->peer, INT64_MAX, &got), ERR_OK);
	assert_true(got.k == INT64_MAX);
}

static void negative_numbers_of_a_file_are_damage(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_fini) struct buf note = {0};
	uint64_t size = 99;

	assert_int_equal(own_checkpoint_put(f->s, EPOCH, 1, view_str("note")), ERR_OK);
	assert_int_equal(sqlite3_exec(f->s->db,
				      "PRAGMA ignore_check_constraints = ON;"
				      "UPDATE own_checkpoint SET size = -1",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	assert_int_equal(own_checkpoint_get(f->s, EPOCH, &size, &note), ERR_STORAGE);
	assert_int_equal(size, 99);
	assert_int_equal(note.n, 0);
	/* and final */
	assert_int_equal(own_checkpoint_put(f->s, EPOCH, 1, view_str("note")), ERR_STORAGE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(entry_comes_back),
		TEST(unaddressed_entries_share_no_k),
		TEST(entries_follow_each_other),
		TEST(an_entry_is_never_changed),
		TEST(leaves_of_a_range),
		TEST(walks_are_in_order_and_end_early),
		TEST(tiles),
		TEST(own_checkpoint),
		TEST(blobs),
		TEST(body_and_local_part_are_one_row),
		TEST(a_local_part_may_stand_alone),
		TEST(blob_ids_never_come_again),
		TEST(a_full_buffer_takes_neither_part),
		TEST(views_outlive_other_calls),
		TEST(numbers_beyond_int64_are_refused),
		TEST(negative_numbers_of_a_file_are_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
