#include "fixture.h"

struct seen_peers {
	struct peer_row rows[4];
	size_t n;
};

static enum err see_peer(void *ctx, const struct peer_row *row)
{
	struct seen_peers *seen = ctx;

	seen->rows[seen->n++] = *row;
	return seen->n == ARRAY_LEN(seen->rows) ? ERR_FULL : ERR_OK;
}

static struct seen_peers all_peers(struct store *s)
{
	struct seen_peers seen = {0};

	assert_int_equal(peer_walk(s, see_peer, &seen), ERR_OK);
	return seen;
}

static struct peer_row full_peer(void)
{
	struct peer_row row = peer_named("spiffe://sk.example/ustredie");

	row.pinned = true;
	(void)snprintf(row.origin, sizeof(row.origin), "sk.example/ustredie/1700000000");
	memset(row.seal_key, 0x5e, sizeof(row.seal_key));
	row.pinned_us = 1;
	row.stopped = true;
	row.held_size = 2;
	row.held_root = digest_of(3);
	row.received_k = 5;
	row.received_head = digest_of(6);
	row.receipted_k = 4;
	row.sent_k = 8;
	row.sent_head = digest_of(9);
	row.content_k = 6;
	row.urgent_k = 3;
	row.delivered_k = 7;
	row.n_refused = 10;
	row.last_contact_us = 11;
	row.use_day = 12;
	row.use_entries = 13;
	row.use_notes = 14;
	row.held_bytes = 15;
	(void)snprintf(row.last_error, sizeof(row.last_error), "closed");
	return row;
}

static void a_peer_comes_back(void **state)
{
	struct fixture *f = *state;
	struct peer_row row = full_peer();
	struct seen_peers seen;

	assert_int_equal(peer_put(f->s, &row), ERR_OK);
	assert_int_equal(
		received_checkpoint_put(f->s, row.id, 2, view_str("note"), &row.held_checkpoint),
		ERR_OK);
	assert_int_equal(peer_put(f->s, &row), ERR_OK);
	fixture_reopen(f);
	seen = all_peers(f->s);
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.rows[0].id, f->peer);
	assert_false(seen.rows[0].pinned);
	assert_string_equal(seen.rows[0].origin, "");
	assert_int_equal(seen.rows[0].held_checkpoint, 0);
	assert_true(agency_id_eq(&seen.rows[1].agency, &row.agency));
	assert_int_equal(seen.rows[1].id, row.id);
	assert_true(seen.rows[1].pinned && seen.rows[1].stopped);
	assert_string_equal(seen.rows[1].origin, row.origin);
	assert_memory_equal(seen.rows[1].seal_key, row.seal_key, 32);
	assert_int_equal(seen.rows[1].pinned_us, 1);
	assert_int_equal(seen.rows[1].held_size, 2);
	assert_true(digest_eq(&seen.rows[1].held_root, &row.held_root));
	assert_int_equal(seen.rows[1].held_checkpoint, row.held_checkpoint);
	assert_int_equal(seen.rows[1].received_k, 5);
	assert_true(digest_eq(&seen.rows[1].received_head, &row.received_head));
	assert_int_equal(seen.rows[1].receipted_k, 4);
	assert_int_equal(seen.rows[1].sent_k, 8);
	assert_true(digest_eq(&seen.rows[1].sent_head, &row.sent_head));
	assert_int_equal(seen.rows[1].content_k, 6);
	assert_int_equal(seen.rows[1].urgent_k, 3);
	assert_int_equal(seen.rows[1].delivered_k, 7);
	assert_int_equal(seen.rows[1].n_refused, 10);
	assert_int_equal(seen.rows[1].last_contact_us, 11);
	assert_string_equal(seen.rows[1].last_error, "closed");
	assert_int_equal(seen.rows[1].use_day, 12);
	assert_int_equal(seen.rows[1].use_entries, 13);
	assert_int_equal(seen.rows[1].use_notes, 14);
	assert_int_equal(seen.rows[1].held_bytes, 15);
}

static void peers_are_there_once(void **state)
{
	struct fixture *f = *state;
	struct peer_row row = peer_named("spiffe://cz.example/ochrana");

	assert_int_equal(peer_put(f->s, &row), ERR_EXISTS);
	assert_int_equal(row.id, 0);
	row.id = 99;
	assert_int_equal(peer_put(f->s, &row), ERR_NOT_FOUND);
	assert_int_equal(all_peers(f->s).n, 1);
}

static void a_peers_longest_texts_fit(void **state)
{
	struct fixture *f = *state;
	struct peer_row row = full_peer();
	struct seen_peers seen;

	memset(row.origin, 'o', PEER_ORIGIN_MAX);
	memset(row.last_error, 'e', PEER_ERROR_MAX);
	assert_int_equal(peer_put(f->s, &row), ERR_OK);
	seen = all_peers(f->s);
	assert_string_equal(seen.rows[1].origin, row.origin);
	assert_string_equal(seen.rows[1].last_error, row.last_error);
}

static void a_chain_is_kept(void **state)
{
	struct fixture *f = *state;

	CLEANUP(buf_fini) struct buf chain = {0};

	assert_int_equal(peer_chain_get(f->s, f->peer, &chain), ERR_NOT_FOUND);
	assert_int_equal(peer_chain_put(f->s, f->peer, view_str("older"), 5), ERR_OK);
	assert_int_equal(peer_chain_put(f->s, f->peer, view_str("newer"), 6), ERR_OK);
	fixture_reopen(f);
	assert_int_equal(peer_chain_get(f->s, f->peer + 1, &chain), ERR_NOT_FOUND);
	assert_int_equal(chain.n, 0);
	assert_int_equal(peer_chain_get(f->s, f->peer, &chain), ERR_OK);
	assert_true(view_eq(buf_view(&chain), view_str("newer")));
}

static void nothing_hangs_on_an_unknown_peer(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(peer_chain_put(f->s, f->peer + 1, view_str("der"), 5), ERR_OK);
	assert_int_equal(store_commit(f->s), ERR_STORAGE);
}

static struct received_row received_of(struct fixture *f, uint64_t k, int64_t checkpoint)
{
	static const uint8_t proof[64] = {9};

	return (struct received_row){.peer = f->peer,
				     .epoch = EPOCH,
				     .k = k,
				     .index = 10 + k,
				     .entry = view_str("entry"),
				     .leaf = digest_of((unsigned)k),
				     .status = k % 2 ? 0 : 1,
				     .reason = k % 2 ? 0 : 4,
				     .checkpoint = checkpoint,
				     .proof = view_of(proof, sizeof(proof)),
				     .time_us = 100 + k};
}

struct seen_k {
	uint64_t k[8];
	size_t n;
};

static enum err see_received(void *ctx, const struct received_row *row)
{
	struct seen_k *seen = ctx;

	assert_true(view_eq(row->entry, view_str("entry")));
	seen->k[seen->n++] = row->k;
	return ERR_OK;
}

static void received_items(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_fini) struct buf note = {0};
	struct received_row row, got = {.k = 99};
	struct seen_k seen = {0};
	struct digest leaf = digest_of(3);
	int64_t checkpoint = 0;

	assert_int_equal(received_checkpoint_put(f->s, f->peer, 20, view_str("note"), &checkpoint),
			 ERR_OK);
	for (uint64_t k = 1; k <= 4; k++) {
		row = received_of(f, k, checkpoint);
		row.has_body = k == 3;
		memset(row.body_blob, 0xbb, sizeof(row.body_blob));
		assert_int_equal(received_put(f->s, &row), ERR_OK);
	}
	assert_int_equal(received_put(f->s, &row), ERR_EXISTS);
	fixture_reopen(f);

	assert_int_equal(received_get(f->s, f->peer, EPOCH, 3, &got), ERR_OK);
	assert_int_equal(got.index, 13);
	assert_true(got.has_body);
	assert_int_equal(got.body_blob[15], 0xbb);
	assert_int_equal(got.status, 0);
	assert_int_equal(got.checkpoint, checkpoint);
	assert_int_equal(got.proof.n, 64);
	assert_int_equal(got.proof.p[0], 9);
	assert_int_equal(got.time_us, 103);
	/* of an epoch of the peer that is over */
	assert_int_equal(received_find(f->s, f->peer, 3, &leaf, &got), ERR_NOT_FOUND);
	assert_int_equal(epoch_put(f->s, &(struct epoch_row){.peer = f->peer, .epoch = EPOCH}),
			 ERR_OK);
	assert_int_equal(received_find(f->s, f->peer, 3, &leaf, &got), ERR_OK);
	assert_int_equal(got.k, 3);
	assert_int_equal(received_find(f->s, f->peer, 2, &leaf, &got), ERR_NOT_FOUND);
	leaf = digest_of(33);
	assert_int_equal(received_find(f->s, f->peer, 3, &leaf, &got), ERR_NOT_FOUND);
	assert_int_equal(received_get(f->s, f->peer, EPOCH, 5, &got), ERR_NOT_FOUND);
	assert_int_equal(received_get(f->s, f->peer + 1, EPOCH, 1, &got), ERR_NOT_FOUND);
	assert_int_equal(got.k, 3);

	assert_int_equal(received_walk(f->s, f->peer, EPOCH, 1, see_received, &seen), ERR_OK);
	assert_int_equal(seen.n, 3);
	assert_int_equal(seen.k[0], 2);
	assert_int_equal(seen.k[2], 4);
	seen.n = 0;
	assert_int_equal(received_walk_exceptions(f->s, f->peer, EPOCH, 0, 4, see_received, &seen),
			 ERR_OK);
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.k[0], 2);
	assert_int_equal(seen.k[1], 4);
	seen.n = 0;
	assert_int_equal(received_walk_exceptions(f->s, f->peer, EPOCH, 2, 3, see_received, &seen),
			 ERR_OK);
	assert_int_equal(seen.n, 0);

	assert_int_equal(received_checkpoint_get(f->s, checkpoint, &note), ERR_OK);
	assert_true(view_eq(buf_view(&note), view_str("note")));
	assert_int_equal(received_checkpoint_get(f->s, checkpoint + 1, &note), ERR_NOT_FOUND);
}

static void refusals(void **state)
{
	struct fixture *f = *state;
	int status = 99, reason = 99;

	assert_int_equal(refusal_put(f->s, f->peer, EPOCH, 3, 1, 12), ERR_OK);
	assert_int_equal(refusal_put(f->s, f->peer, EPOCH, 3, 1, 12), ERR_EXISTS);
	fixture_reopen(f);
	assert_int_equal(refusal_get(f->s, f->peer, EPOCH, 4, &status, &reason), ERR_NOT_FOUND);
	assert_int_equal(status, 99);
	assert_int_equal(refusal_get(f->s, f->peer, EPOCH, 3, &status, &reason), ERR_OK);
	assert_int_equal(status, 1);
	assert_int_equal(reason, 12);
}

static void refusals_are_counted(void **state)
{
	struct fixture *f = *state;
	struct received_row row;
	struct refusal_counts c;
	int64_t checkpoint;

	for (uint64_t k = 1; k <= 5; k++)
		assert_int_equal(
			refusal_put(f->s, f->peer, EPOCH, k, k == 5 ? 2 : 1, k == 5 ? 0 : 12),
			ERR_OK);
	assert_int_equal(received_checkpoint_put(f->s, f->peer, 20, view_str("note"), &checkpoint),
			 ERR_OK);
	for (uint64_t k = 1; k <= 4; k++) {
		row = received_of(f, k, checkpoint);
		assert_int_equal(received_put(f->s, &row), ERR_OK);
	}
	fixture_reopen(f);
	assert_int_equal(refusal_count(f->s, f->peer, true, &c), ERR_OK);
	assert_int_equal(c.n[1][12], 4);
	assert_int_equal(c.n[2][0], 1);
	assert_int_equal(refusal_count(f->s, f->peer, false, &c), ERR_OK);
	assert_int_equal(c.n[1][12], 0);
	assert_int_equal(c.n[1][4], 2);
	assert_int_equal(refusal_count(f->s, f->peer + 1, true, &c), ERR_OK);
	assert_int_equal(c.n[1][12], 0);
	assert_int_equal(refusal_put(f->s, f->peer, EPOCH, 6, 1, REFUSAL_REASONS), ERR_OK);
	assert_int_equal(refusal_count(f->s, f->peer, true, &c), ERR_STORAGE);
}

static void incidents(void **state)
{
	struct fixture *f = *state;
	uint64_t n = 99;

	assert_int_equal(incident_count(f->s, &n), ERR_OK);
	assert_int_equal(n, 0);
	assert_int_equal(incident_put(f->s, f->peer, "fork", view_str("a"), view_str("b"), 1),
			 ERR_OK);
	assert_int_equal(incident_put(f->s, 0, "clock", view_of(NULL, 0), view_of(NULL, 0), 2),
			 ERR_OK);
	fixture_reopen(f);
	assert_int_equal(incident_count(f->s, &n), ERR_OK);
	assert_int_equal(n, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_peer_comes_back),
		TEST(peers_are_there_once),
		TEST(a_peers_longest_texts_fit),
		TEST(a_chain_is_kept),
		TEST(nothing_hangs_on_an_unknown_peer),
		TEST(received_items),
		TEST(refusals),
		TEST(refusals_are_counted),
		TEST(incidents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
