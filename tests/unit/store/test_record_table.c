#include "fixture.h"

static struct record_row record_of(uint8_t id, uint32_t revision)
{
	return (struct record_row){.id = {id},
				   .revision = revision,
				   .type = 2,
				   .manifest = digest_of(id * 100u + revision),
				   .seal_index = 50u + revision,
				   .record_blob = {1, id},
				   .salts_blob = {2, id},
				   .label_blob = {3, id},
				   .time_us = 1000u + revision};
}

static void put(struct fixture *f, uint8_t id, uint32_t revision)
{
	const struct record_row row = record_of(id, revision);

	assert_int_equal(record_put(f->s, &row), ERR_OK);
}

static void assert_same(const struct record_row *a, const struct record_row *b)
{
	assert_memory_equal(a->id, b->id, sizeof(a->id));
	assert_int_equal(a->revision, b->revision);
	assert_int_equal(a->type, b->type);
	assert_true(digest_eq(&a->manifest, &b->manifest));
	assert_int_equal(a->seal_index, b->seal_index);
	assert_memory_equal(a->record_blob, b->record_blob, STORE_ID_BYTES);
	assert_memory_equal(a->salts_blob, b->salts_blob, STORE_ID_BYTES);
	assert_memory_equal(a->label_blob, b->label_blob, STORE_ID_BYTES);
	assert_int_equal(a->time_us, b->time_us);
}

static void the_newest_revision_is_found(void **state)
{
	struct fixture *f = *state;
	const struct record_row first = record_of(1, 1), second = record_of(1, 2);
	const uint8_t unknown[STORE_RECORD_ID_BYTES] = {9};
	struct digest digest = digest_of(7);
	struct record_row got = {.revision = 99};

	put(f, 1, 1);
	put(f, 1, 2);
	put(f, 2, 1);
	fixture_reopen(f);
	assert_int_equal(record_get(f->s, unknown, &got), ERR_NOT_FOUND);
	assert_int_equal(record_get_manifest(f->s, &digest, &got), ERR_NOT_FOUND);
	assert_int_equal(got.revision, 99);
	assert_int_equal(record_get(f->s, first.id, &got), ERR_OK);
	assert_same(&got, &second);
	assert_int_equal(record_get_manifest(f->s, &first.manifest, &got), ERR_OK);
	assert_same(&got, &first);
}

static void revisions_ascend(void **state)
{
	struct fixture *f = *state;
	struct record_row row = record_of(1, 2);

	put(f, 1, 2);
	assert_int_equal(record_put(f->s, &row), ERR_EXISTS);
	row = record_of(1, 1);
	assert_int_equal(record_put(f->s, &row), ERR_EXISTS);
	row = record_of(2, 1);
	row.manifest = digest_of(102);
	assert_int_equal(record_put(f->s, &row), ERR_EXISTS);
}

struct seen {
	uint8_t id[8];
	uint32_t revision[8];
	size_t n;
};

static enum err see(void *ctx, const struct record_row *row)
{
	struct seen *seen = ctx;

	seen->id[seen->n] = row->id[0];
	seen->revision[seen->n++] = row->revision;
	return ERR_OK;
}

static void records_are_walked_oldest_first(void **state)
{
	struct fixture *f = *state;
	struct seen seen = {0};
	uint64_t n = 99;

	assert_int_equal(record_count(f->s, &n), ERR_OK);
	assert_int_equal(n, 0);
	put(f, 7, 1);
	put(f, 3, 1);
	put(f, 7, 2);
	assert_int_equal(record_count(f->s, &n), ERR_OK);
	assert_int_equal(n, 2);
	assert_int_equal(record_walk(f->s, 0, see, &seen), ERR_OK);
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.id[0], 7);
	assert_int_equal(seen.revision[0], 2);
	assert_int_equal(seen.id[1], 3);
	seen.n = 0;
	assert_int_equal(record_walk(f->s, 1, see, &seen), ERR_OK);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.id[0], 3);
	/* by the beginning of the id */
	put(f, 4, 1);
	seen.n = 0;
	assert_int_equal(record_walk_id(f->s, view_of((uint8_t[]){3}, 1), see, &seen), ERR_OK);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.id[0], 3);
	assert_int_equal(record_walk_id(f->s, view_of(seen.id, 0), see, &seen), ERR_INVALID);
	assert_int_equal(record_walk_id(f->s, view_of(f->dir, 17), see, &seen), ERR_INVALID);
}

static uint64_t put_manifest(struct fixture *f, unsigned digest, const char *bytes)
{
	const struct manifest_row row = {
		.digest = digest_of(digest), .peer = f->peer, .manifest = view_str(bytes)};
	uint64_t num = 0;

	assert_int_equal(manifest_put(f->s, &row, &num), ERR_OK);
	return num;
}

static void manifests(void **state)
{
	struct fixture *f = *state;
	struct manifest_row got,
		row = {.digest = digest_of(1), .peer = f->peer, .manifest = view_str("manifest")};
	struct digest unknown = digest_of(3);
	uint64_t num, again;

	assert_int_equal(manifest_put(f->s, &row, &num), ERR_OK);
	assert_int_equal(manifest_put(f->s, &row, &again), ERR_OK);
	assert_int_equal(again, num);
	row.manifest = view_str("another");
	assert_int_equal(manifest_put(f->s, &row, &again), ERR_EXISTS);
	row = (struct manifest_row){.digest = digest_of(2), .manifest = view_str("own")};
	assert_int_equal(manifest_put(f->s, &row, &again), ERR_OK);
	assert_true(again > num);
	fixture_reopen(f);
	assert_int_equal(manifest_get(f->s, &unknown, &got), ERR_NOT_FOUND);
	row.digest = digest_of(1);
	assert_int_equal(manifest_get(f->s, &row.digest, &got), ERR_OK);
	assert_true(digest_eq(&got.digest, &row.digest));
	assert_int_equal(got.peer, f->peer);
	assert_int_equal(got.num, num);
	assert_true(view_eq(got.manifest, view_str("manifest")));
	row.digest = digest_of(2);
	assert_int_equal(manifest_get(f->s, &row.digest, &got), ERR_OK);
	assert_int_equal(got.peer, 0);
}

/* A manifest has as many as came, each once in a row; the last is found by it. */
static void seals(void **state)
{
	struct fixture *f = *state;
	const uint64_t one = put_manifest(f, 1, "manifest"), other = put_manifest(f, 2, "other");
	uint64_t first, again, second;
	const struct digest digest = digest_of(1);
	struct seal_row got;

	assert_int_equal(seal_get_last(f->s, one, &got), ERR_NOT_FOUND);
	assert_int_equal(seal_put(f->s, one, view_str("seal"), &first), ERR_OK);
	assert_int_equal(seal_put(f->s, one, view_str("seal"), &again), ERR_OK);
	assert_int_equal(again, first);
	assert_int_equal(seal_put(f->s, one, view_str("proven anew"), &second), ERR_OK);
	assert_true(second > first);
	assert_int_equal(seal_put(f->s, other, view_str("seal"), &again), ERR_OK);
	assert_true(again > second);
	fixture_reopen(f);
	assert_int_equal(seal_get(f->s, first, &got), ERR_OK);
	assert_int_equal(got.num, first);
	assert_true(view_eq(got.bytes, view_str("seal")));
	assert_true(view_eq(got.manifest, view_str("manifest")));
	assert_true(digest_eq(&got.digest, &digest));
	assert_int_equal(seal_get_last(f->s, one, &got), ERR_OK);
	assert_int_equal(got.num, second);
	assert_true(view_eq(got.bytes, view_str("proven anew")));
	assert_int_equal(seal_get_last(f->s, other, &got), ERR_OK);
	assert_int_equal(got.num, again);
	assert_int_equal(seal_get(f->s, again + 1, &got), ERR_NOT_FOUND);
}

static struct opening_row opening_of(struct fixture *f, unsigned commitment, const char *path,
				     bool is_singular)
{
	return (struct opening_row){.manifest = digest_of(1),
				    .manifest_num = put_manifest(f, 1, "manifest"),
				    .commitment = digest_of(commitment),
				    .path = path,
				    .is_singular = is_singular,
				    .peer = f->peer,
				    .k = 4,
				    .wrapped_key = view_str("key"),
				    .cipher = view_str("cipher")};
}

struct openings {
	struct opening_row row[3];
	char path[3][32];
	bool is_whole[3];
	size_t n;
};

static enum err see_opening(void *ctx, const struct opening_row *row)
{
	struct openings *seen = ctx;

	assert_in_range(seen->n, 0, 2);
	(void)snprintf(seen->path[seen->n], sizeof(seen->path[0]), "%s", row->path);
	seen->is_whole[seen->n] = view_eq(row->wrapped_key, view_str("key")) &&
				  view_eq(row->cipher, view_str("cipher"));
	seen->row[seen->n++] = *row;
	return ERR_OK;
}

static void openings(void **state)
{
	struct fixture *f = *state;
	struct opening_row row = opening_of(f, 11, "identity.sex", true);
	struct openings seen = {.n = 0};

	assert_int_equal(opening_walk(f->s, &row.manifest, see_opening, &seen), ERR_OK);
	assert_int_equal(seen.n, 0);
	assert_int_equal(opening_put(f->s, &row), ERR_OK);
	assert_int_equal(opening_put(f->s, &row), ERR_EXISTS);
	/* elements of a repeated field */
	row = opening_of(f, 12, "identity.name", false);
	assert_int_equal(opening_put(f->s, &row), ERR_OK);
	row = opening_of(f, 13, "identity.name", false);
	assert_int_equal(opening_put(f->s, &row), ERR_OK);
	/* the same path of another record */
	row = opening_of(f, 14, "identity.sex", true);
	row.manifest_num = put_manifest(f, 2, "another");
	assert_int_equal(opening_put(f->s, &row), ERR_OK);
	fixture_reopen(f);

	row = opening_of(f, 11, "identity.sex", true);
	assert_int_equal(opening_walk(f->s, &row.manifest, see_opening, &seen), ERR_OK);
	assert_int_equal(seen.n, 3);
	for (size_t i = 0; i < 3; i++) {
		const struct opening_row *got = &seen.row[i];

		assert_true(digest_eq(&got->manifest, &row.manifest));
		assert_int_equal(got->peer, f->peer);
		assert_int_equal(got->k, 4);
		assert_true(seen.is_whole[i]);
		assert_string_equal(seen.path[i],
				    got->is_singular ? "identity.sex" : "identity.name");
		if (i)
			assert_true(memcmp(seen.row[i - 1].commitment.b, got->commitment.b, 32) <
				    0);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_newest_revision_is_found),
		TEST(revisions_ascend),
		TEST(records_are_walked_oldest_first),
		TEST(manifests),
		TEST(seals),
		TEST(openings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
