/* Bodies at rest: stored without the manifest and seal that they carry, loaded whole. */
#include "unit/node/requests.h"

#include <stdio.h>

#include "behind.h"
#include "crypto/digest.h"
#include "store/internal.h"

static size_t stored_bytes(struct given *g, const uint8_t id[STORE_ID_BYTES])
{
	CLEANUP(buf_fini) struct buf key = {0}, cipher = {0};

	assert_int_equal(blob_get(g->h->node->store, id, BLOB_BODY, &key, &cipher), ERR_OK);
	return cipher.n;
}

/* salt, place, seal, its digest, what is opened, tag: all else is the body, without its disclosure
 */
static size_t bytes_without_disclosure(const struct buf *body)
{
	CLEANUP(message_freep) struct pb_referral *m = NULL;

	assert_int_equal(message_decode(&pb_referral_desc, buf_view(body), MESSAGE_STRICT, &m),
			 ERR_OK);
	return SALT_BYTES + 4 + 8 + DIGEST_BYTES + 2 + 2 * m->record->opened.len / DIGEST_BYTES +
	       body->n - body_record(buf_view(body)).n + 16;
}

static void a_received_body_comes_back_whole(void **state)
{
	struct given g = given_new();
	struct digest leaf = from_evil(&g);
	const struct evil_item *sent = &g.e.item[g.e.n_item - 1];
	CLEANUP(buf_fini) struct buf got = {0};
	uint8_t salt[SALT_BYTES];
	struct received_row row;

	(void)state;
	assert_int_equal(received_find(g.h->node->store, host_peer(g.h, SK)->row.id, g.e.n_item,
				       &leaf, &row),
			 ERR_OK);
	assert_int_equal(body_load(g.h->node, row.body_blob, salt, &got), ERR_OK);
	assert_true(view_eq(buf_view(&got), buf_view(&sent->body)));
	assert_memory_equal(salt, sent->salt, sizeof(salt));
	assert_int_equal(stored_bytes(&g, row.body_blob), bytes_without_disclosure(&sent->body));
	given_free(&g);
}

/* They are one blob, and still each is encrypted, and erased, alone. */
static void a_body_is_erased_without_its_local_part(void **state)
{
	struct given g = given_new();
	CLEANUP(buf_fini) struct buf got = {0};
	struct referral_row r;
	struct entry_row row;
	struct digest leaf;
	struct store *s;

	(void)state;
	assert_int_equal(host_refer(g.h, SK, g.record, &leaf), 0);
	s = g.h->node->store;
	assert_int_equal(referral_get(s, &leaf, &r), ERR_OK);
	assert_int_equal(entry_find(s, r.peer, r.k, &leaf, &row), ERR_OK);
	assert_true(row.has_body && row.has_local);
	assert_memory_equal(row.body_blob, row.local_blob, STORE_ID_BYTES);
	assert_int_equal(store_begin(s), ERR_OK);
	assert_int_equal(blob_erase(s, row.body_blob, BLOB_BODY), ERR_OK);
	assert_int_equal(store_commit(s), ERR_OK);
	assert_int_equal(body_load(g.h->node, row.body_blob, NULL, &got), ERR_NOT_FOUND);
	assert_int_equal(blob_load(g.h->node, BLOB_LOCAL, row.local_blob, &got), ERR_OK);
	assert_non_null(memmem(buf_data(&got), got.n, "caseworker", 10));
	given_free(&g);
}

static void an_own_body_comes_back_whole(void **state)
{
	struct given g = given_new();
	CLEANUP(message_freep) struct pb_referral *m = NULL;
	CLEANUP(buf_fini) struct buf got = {0};
	struct digest leaf, digest;
	uint8_t salt[SALT_BYTES];
	struct referral_row r;
	struct entry_row row;
	struct entry entry;

	(void)state;
	assert_int_equal(host_refer(g.h, SK, g.record, &leaf), 0);
	assert_int_equal(referral_get(g.h->node->store, &leaf, &r), ERR_OK);
	assert_int_equal(entry_find(g.h->node->store, r.peer, r.k, &leaf, &row), ERR_OK);
	assert_int_equal(entry_decode(row.entry, &entry), ERR_OK);
	assert_int_equal(body_load(g.h->node, row.body_blob, salt, &got), ERR_OK);
	digest = body_digest(salt, buf_view(&got));
	assert_true(digest_eq(&digest, &entry.body_digest));
	assert_int_equal(message_decode(&pb_referral_desc, buf_view(&got), MESSAGE_STRICT, &m),
			 ERR_OK);
	assert_true(m->record->manifest.len > 1000);
	assert_true(m->record->opened.len > 0);
	assert_int_equal(stored_bytes(&g, row.body_blob), bytes_without_disclosure(&got));
	given_free(&g);
}

/* What carries no whole disclosure is stored as it is, whatever it is. */
static void bodies_of_any_shape(void **state)
{
	/* field 14 of: nothing; a number; a digest that is none; a digest and no manifest */
	static const struct view bodies[] = {
		{(const uint8_t *)"", 0},
		{(const uint8_t *)"\x72", 1},
		{(const uint8_t *)"\x72\x00", 2},
		{(const uint8_t *)"\x70\x01", 2},
		{(const uint8_t *)"\x72\x05\x0a\x03xyz", 7},
		{(const uint8_t *)"\x72\x22\x0a\x20zyxwvutsrqponmlkzyxwvutsrqponmlk", 36},
		{(const uint8_t *)"no message at all", 17},
		/* all four fields: a manifest that is none; what it does not hold; a fifth field;
		 * one of them twice; half a commitment */
		{(const uint8_t *)"\x72\x08\x0a\x00\x12\x00\x1a\x00\x22\x00", 10},
		{(const uint8_t *)"\x72\x0b\x0a\x00\x12\x01x\x1a\x02\x52\x00\x22\x00", 13},
		{(const uint8_t *)"\x72\x0c\x0a\x00\x12\x00\x1a\x02\x52\x00\x22\x00\x2a\x00", 14},
		{(const uint8_t *)"\x72\x0c\x0a\x00\x12\x00\x12\x00\x1a\x02\x52\x00\x22\x00", 14},
	};
	const struct held_seal held = {.num = 1};
	struct given g = given_new();
	const uint8_t salt[SALT_BYTES] = {5};

	(void)state;
	assert_int_equal(node_write(g.h->node), ERR_OK);
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		const struct view body = bodies[i];
		CLEANUP(buf_fini) struct buf got = {0};
		uint8_t id[STORE_ID_BYTES], back[SALT_BYTES];

		assert_int_equal(
			body_store(g.h->node, view_of(salt, sizeof(salt)), body, &held, id),
			ERR_OK);
		assert_int_equal(stored_bytes(&g, id), SALT_BYTES + 4 + 16 + body.n);
		assert_int_equal(body_load(g.h->node, id, back, &got), ERR_OK);
		assert_true(view_eq(buf_view(&got), body));
		assert_memory_equal(back, salt, sizeof(salt));
	}
	host_turn(g.h);
	given_free(&g);
}

/* Kept whole where the seal may not be held: of what a peer gives back. */
static void whole_when_the_seal_is_not_held(void **state)
{
	const struct held_seal none = {.num = 0};
	struct given g = given_new();
	struct evil_item *item;
	CLEANUP(buf_fini) struct buf got = {0};
	uint8_t id[STORE_ID_BYTES];

	(void)state;
	(void)from_evil(&g);
	item = &g.e.item[g.e.n_item - 1];
	assert_int_equal(node_write(g.h->node), ERR_OK);
	assert_int_equal(body_store(g.h->node, view_of(item->salt, SALT_BYTES),
				    buf_view(&item->body), &none, id),
			 ERR_OK);
	assert_int_equal(stored_bytes(&g, id), SALT_BYTES + 4 + 16 + item->body.n);
	assert_int_equal(body_load(g.h->node, id, NULL, &got), ERR_OK);
	assert_true(view_eq(buf_view(&got), buf_view(&item->body)));
	host_turn(g.h);
	given_free(&g);
}

/* Not erased but damaged: it is never taken for erased, nor another one for it. */
static void damaged(const char *how)
{
	struct given g = given_new();
	CLEANUP(buf_fini) struct buf got = {0};
	struct digest leaf = from_evil(&g);
	struct received_row row;
	struct behind b;

	evil_close(&g.e);
	host_stop(g.h);
	behind_open(&b, g.h->database);
	assert_int_equal(sqlite3_exec(b.db, how, NULL, NULL, NULL), SQLITE_OK);
	behind_close(&b);
	host_start(g.h);
	assert_int_equal(received_find(g.h->node->store, host_peer(g.h, SK)->row.id, g.e.n_item,
				       &leaf, &row),
			 ERR_OK);
	assert_int_equal(body_load(g.h->node, row.body_blob, NULL, &got), ERR_DECRYPT);
	given_free(&g);
}

static void a_manifest_or_seal_that_is_gone_or_altered(void **state)
{
	(void)state;
	damaged("PRAGMA foreign_keys = OFF; DELETE FROM manifest");
	damaged("UPDATE manifest SET bytes = CAST(bytes || x'00' AS BLOB)");
	damaged("UPDATE manifest SET bytes = zeroblob(length(bytes))");
	damaged("DELETE FROM seal");
	damaged("UPDATE seal SET bytes = CAST(bytes || x'00' AS BLOB)");
	damaged("INSERT INTO manifest (digest, bytes) SELECT zeroblob(32), bytes FROM manifest"
		" ORDER BY num DESC LIMIT 1;"
		"UPDATE seal SET manifest = (SELECT max(num) FROM manifest)");
}

/* Encrypted by who has the node's key, and no body all the same: cut short anywhere, and naming
 * what its manifest does not hold. */
static void what_was_encrypted_and_is_no_body(void **state)
{
	struct given g = given_new();
	struct digest leaf = from_evil(&g);
	struct received_row row;
	CLEANUP(buf_fini) struct buf whole = {0}, got = {0};
	uint8_t id[STORE_ID_BYTES], p[2000];
	const size_t n_opened_at = SALT_BYTES + 4 + 8 + DIGEST_BYTES;
	size_t head;

	(void)state;
	assert_int_equal(received_find(g.h->node->store, host_peer(g.h, SK)->row.id, g.e.n_item,
				       &leaf, &row),
			 ERR_OK);
	assert_int_equal(blob_load(g.h->node, BLOB_BODY, row.body_blob, &whole), ERR_OK);
	assert_in_range(whole.n, n_opened_at + 4, sizeof(p));
	memcpy(p, buf_data(&whole), whole.n);
	assert_int_equal(p[n_opened_at] << 8 | p[n_opened_at + 1], 1);
	head = n_opened_at + 2 + 2 + get_u32be(p + SALT_BYTES);
	assert_true(head <= whole.n);
	for (size_t n = 0; n <= head; n++) {
		const enum err expected = n < head ? ERR_DECRYPT : ERR_OK;

		assert_int_equal(blob_store(g.h->node, BLOB_BODY, view_of(p, n), id), ERR_OK);
		if (body_load(g.h->node, id, NULL, &got) != expected)
			fail_msg("of %zu bytes, the first %zu", whole.n, n);
		buf_clear(&got);
	}
	p[n_opened_at + 2] = 0x7f;
	assert_int_equal(blob_store(g.h->node, BLOB_BODY, view_of(p, whole.n), id), ERR_OK);
	assert_int_equal(body_load(g.h->node, id, NULL, &got), ERR_DECRYPT);
	p[n_opened_at + 2] = 0;
	p[n_opened_at] = 0xff; /* more than any manifest has */
	assert_int_equal(blob_store(g.h->node, BLOB_BODY, view_of(p, whole.n), id), ERR_OK);
	assert_int_equal(body_load(g.h->node, id, NULL, &got), ERR_DECRYPT);
	host_turn(g.h);
	given_free(&g);
}

/* The second time its seal is known, and is not compared with the table again. */
static void a_record_sent_twice(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	struct evil_referral r;

	(void)state;
	evil_referral_fill(e, &r);
	for (int i = 0; i < 2; i++) {
		struct entry entry = evil_next(e, PB(ENTRY_KIND, REFERRAL));
		CLEANUP(buf_fini) struct buf got = {0};
		struct evil_item *item;
		struct received_row row;

		entry.has_agreement = true;
		entry.agreement = r.entry.agreement;
		entry.purpose = r.entry.purpose;
		r.entry = entry;
		buf_clear(&r.named);
		item = evil_referral_add(e, &r);
		evil_send(e);
		assert_int_equal(evil_outcome(e, e->n_item), 0);
		assert_int_equal(received_get(g.h->node->store, host_peer(g.h, SK)->row.id,
					      host_peer(g.h, SK)->row.epoch, e->n_item, &row),
				 ERR_OK);
		assert_int_equal(stored_bytes(&g, row.body_blob),
				 bytes_without_disclosure(&item->body));
		assert_int_equal(body_load(g.h->node, row.body_blob, NULL, &got), ERR_OK);
		assert_true(view_eq(buf_view(&got), buf_view(&item->body)));
	}
	evil_referral_fini(&r);
	given_free(&g);
}

/* --- what verifying finds --- */

#define NOT_OURS "stored content does not decrypt"
#define ANOTHER "stored content does not have the digest of its entry"

static void run_sql(struct given *g, const char *sql)
{
	struct store *s = g->h->node->store;

	assert_int_equal(store_begin(s), ERR_OK);
	assert_int_equal(store_exec(s, sql), ERR_OK);
	assert_int_equal(store_commit(s), ERR_OK);
}

/* The whole ledger, of this node or as held of a peer; @p problem NULL: nothing is wrong. */
static void verify(struct given *g, char *peer, const char *problem, uint64_t at)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_audit_verify ask = PB_AUDIT_VERIFY_INIT;
	const struct pb_verify_result *r;

	ask.peer = peer;
	m.audit_verify = &ask;
	host_ask(g->h, NODE_ROLE_AUDITOR, &m);
	r = g->h->reply[0]->verify;
	assert_int_equal(r->ok, problem == NULL);
	if (!problem)
		return;
	assert_string_equal(r->problem, problem);
	assert_int_equal(r->bad_index, at);
}

/* The node's own referral: its row has a body and a local part. */
static struct entry_row refer(struct given *g)
{
	struct referral_row r;
	struct entry_row row;
	struct digest leaf;

	assert_int_equal(host_refer(g->h, SK, g->record, &leaf), 0);
	assert_int_equal(referral_get(g->h->node->store, &leaf, &r), ERR_OK);
	assert_int_equal(entry_find(g->h->node->store, r.peer, r.k, &leaf, &row), ERR_OK);
	assert_true(row.has_body && row.has_local);
	return row;
}

#define NEWEST " WHERE num = (SELECT max(num) FROM blob WHERE kind = 1 AND local_key NOT NULL)"

/* Each content is encrypted for its place in its row, and is what its entry names. */
static void a_damaged_content_is_found(void **state)
{
	static const char *const damages[] = {
		"UPDATE blob SET cipher = zeroblob(length(cipher))" NEWEST,
		"UPDATE blob SET local_cipher = zeroblob(length(local_cipher))" NEWEST,
		"UPDATE blob SET cipher = x''" NEWEST,
		"UPDATE blob SET local_cipher = x''" NEWEST,
		"UPDATE blob SET local_key = x'01'" NEWEST,
		/* the other content of its row, with its key */
		"UPDATE blob SET local_key = wrapped_key, local_cipher = cipher" NEWEST,
		"UPDATE blob SET wrapped_key = local_key, cipher = local_cipher" NEWEST,
		"UPDATE blob SET wrapped_key = local_key, cipher = local_cipher,"
		" local_key = wrapped_key, local_cipher = cipher" NEWEST,
		/* the same one of another row */
		"UPDATE blob SET (local_key, local_cipher) = (SELECT local_key, local_cipher"
		" FROM blob WHERE local_key NOT NULL ORDER BY num LIMIT 1)" NEWEST,
	};
	struct given g = given_new();
	struct entry_row row = refer(&g);
	const uint64_t at = row.index;

	(void)state;
	run_sql(&g, "CREATE TABLE kept AS SELECT * FROM blob");
	for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
		verify(&g, NULL, NULL, 0);
		run_sql(&g, damages[i]);
		verify(&g, NULL, NOT_OURS, at);
		run_sql(&g, "DELETE FROM blob; INSERT INTO blob SELECT * FROM kept");
	}
	run_sql(&g, "UPDATE blob SET local_key = NULL, local_cipher = NULL" NEWEST);
	verify(&g, NULL, NULL, 0); /* erased */
	given_free(&g);
}

/* Encrypted as it should be, by who has the node's key: its digest is another one. */
static void another_content_is_found(void **state)
{
	static const enum blob_kind kinds[] = {BLOB_BODY, BLOB_LOCAL};
	const uint8_t plain[SALT_BYTES + 4 + 5] = {1, 2, 3};
	struct given g = given_new();
	struct entry_row row = refer(&g);
	const uint64_t at = row.index;
	uint8_t id[STORE_ID_BYTES];

	(void)state;
	memcpy(id, row.body_blob, sizeof(id));
	run_sql(&g, "CREATE TABLE kept AS SELECT * FROM blob");
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct blob b = {.n = 1}; /* it has its id */
		char key[HEX_LEN(BOX_WRAPPED_BYTES)], cipher[HEX_LEN(100)], sql[1000];

		memcpy(b.id, id, sizeof(id));
		assert_int_equal(blob_seal(g.h->node, &b, kinds[i], view_of(plain, sizeof(plain))),
				 ERR_OK);
		assert_in_range(b.content[1].cipher.n, sizeof(plain), 100);
		hex_encode(view_of(b.content[1].key.wrapped, BOX_WRAPPED_BYTES), key);
		hex_encode(buf_view(&b.content[1].cipher), cipher);
		blob_fini(&b);
		(void)snprintf(sql, sizeof(sql), "UPDATE blob SET %s = x'%s', %s = x'%s'" NEWEST,
			       kinds[i] == BLOB_BODY ? "wrapped_key" : "local_key", key,
			       kinds[i] == BLOB_BODY ? "cipher" : "local_cipher", cipher);
		verify(&g, NULL, NULL, 0);
		run_sql(&g, sql);
		verify(&g, NULL, ANOTHER, at);
		run_sql(&g, "DELETE FROM blob; INSERT INTO blob SELECT * FROM kept");
	}
	given_free(&g);
}

static void a_damaged_body_of_a_peer_is_found(void **state)
{
	struct given g = given_new();
	struct digest leaf = from_evil(&g);
	char *const peer = g.f->agency[SK].id.text;
	struct received_row row;
	char sql[200];

	(void)state;
	assert_int_equal(received_find(g.h->node->store, host_peer(g.h, SK)->row.id, g.e.n_item,
				       &leaf, &row),
			 ERR_OK);
	verify(&g, peer, NULL, 0);
	(void)snprintf(sql, sizeof(sql),
		       "UPDATE blob SET cipher = zeroblob(length(cipher)) WHERE num = %llu",
		       (unsigned long long)get_u64be(row.body_blob));
	run_sql(&g, sql);
	verify(&g, peer, NOT_OURS, g.e.n_item);
	given_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_received_body_comes_back_whole),
		cmocka_unit_test(an_own_body_comes_back_whole),
		cmocka_unit_test(a_body_is_erased_without_its_local_part),
		cmocka_unit_test(bodies_of_any_shape),
		cmocka_unit_test(whole_when_the_seal_is_not_held),
		cmocka_unit_test(a_manifest_or_seal_that_is_gone_or_altered),
		cmocka_unit_test(what_was_encrypted_and_is_no_body),
		cmocka_unit_test(a_record_sent_twice),
		cmocka_unit_test(a_damaged_content_is_found),
		cmocka_unit_test(another_content_is_found),
		cmocka_unit_test(a_damaged_body_of_a_peer_is_found),
	};

	return cmocka_run_group_tests_name("node/blobs", tests, NULL, NULL);
}
