/*
 * The worked bytes of proto/PROTOCOL.md, section 14, made again by the product's own code and held
 * against the document's lines, each of which must be made here. AMPARO_PRINT=1 prints them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/own.h"
#include "common/memory_tree.h"
#include "crypto/digest.h"
#include "exchange/batch.h"
#include "exchange/hello.h"
#include "exchange/receipt.h"
#include "ledger/chain.h"
#include "ledger/checkpoint.h"
#include "ledger/entry.h"
#include "ledger/evidence.h"
#include "record/manifest.h"
#include "record/slice.h"
#include "wire/frame.h"
#include "wire/varint.h"

#define EPOCH 1767225600
#define TIME_US UINT64_C(1767225600000000)

/* the block of worked lines, and how many of them were made */
static struct {
	char *text;
	const char *block, *end;
	size_t n_made;
	bool prints;
} doc;

static int load_document(void **state)
{
	const char *path = getenv("AMPARO_PROTOCOL");
	FILE *f = path ? fopen(path, "rb") : NULL;
	size_t n;

	(void)state;
	doc.text = calloc(1, 1 << 20);
	if (!f || !doc.text || crypto_init())
		return 1;
	n = fread(doc.text, 1, (1 << 20) - 1, f);
	fclose(f);
	doc.block = strstr(doc.text, "```worked\n");
	if (n == 0 || !doc.block)
		return 1;
	doc.block += strlen("```worked\n");
	doc.end = strstr(doc.block, "```");
	doc.prints = getenv("AMPARO_PRINT") != NULL;
	return doc.end ? 0 : 1;
}

static int drop_document(void **state)
{
	(void)state;
	free(doc.text);
	crypto_fini();
	return 0;
}

/* hold "name = value" against the document */
static void hold_line(const char *name, const char *value)
{
	CLEANUP(buf_fini) struct buf line = {0};
	const char *at;

	assert_int_equal(buf_printf(&line, "%s = %s\n", name, value), ERR_OK);
	assert_int_equal(buf_put_u8(&line, '\0'), ERR_OK);
	doc.n_made++;
	if (doc.prints) {
		printf("%s", (const char *)line.data);
		return;
	}
	at = strstr(doc.block, (const char *)line.data);
	if (!at || at >= doc.end || (at != doc.block && at[-1] != '\n'))
		fail_msg("PROTOCOL.md does not say: %s", (const char *)line.data);
}

static void hold(const char *name, struct view v)
{
	char *hex = malloc(HEX_LEN(v.n));

	assert_non_null(hex);
	hex_encode(v, hex);
	hold_line(name, hex);
	free(hex);
}

static void hold_digest(const char *name, struct digest d)
{
	hold(name, view_digest(&d));
}

static void hold_text(const char *name, struct view v)
{
	CLEANUP(buf_fini) struct buf out = {0};

	assert_int_equal(buf_put_u8(&out, '"'), ERR_OK);
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '\n')
			assert_int_equal(buf_put_str(&out, "\\n"), ERR_OK);
		else
			assert_int_equal(buf_put_u8(&out, v.p[i]), ERR_OK);
	}
	assert_int_equal(buf_put_str(&out, "\""), ERR_OK);
	assert_int_equal(buf_put_u8(&out, '\0'), ERR_OK);
	hold_line(name, (const char *)out.data);
}

/* n bytes from, from + 1 ... */
static void count_up(uint8_t *p, size_t n, uint8_t from)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(from + i);
}

static struct {
	struct agency_id z, s;
	struct origin origin;
	struct seal_key *key;
	struct buf start_entry, adopt_entry, adopt_body;
	uint8_t body_salt[SALT_BYTES];
	struct digest start_leaf, adopt_leaf;
	struct chain_head head[2];
	struct memory_tree tree;
	struct checkpoint checkpoint;
	struct buf note;
} w;

static void work_identity(void)
{
	static const char seed_hex[] =
		"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
	uint8_t seed[32], raw[32], id[NOTE_KEY_ID_BYTES];

	assert_int_equal(agency_id_parse(view_str("spiffe://cz.example/umpod"), &w.z), ERR_OK);
	assert_int_equal(agency_id_parse(view_str("spiffe://sk.example/cipc"), &w.s), ERR_OK);
	origin_make(&w.origin, &w.z, EPOCH);
	assert_int_equal(hex_decode(seed_hex, seed, sizeof(seed)), ERR_OK);
	assert_int_equal(seal_key_from_seed(seed, &w.key), ERR_OK);
	verify_key_raw(seal_key_public(w.key), raw);
	note_key_id(w.origin.text, seal_key_public(w.key), id);
	hold("seal_seed", view_of(seed, sizeof(seed)));
	hold("seal_public_key", view_of(raw, sizeof(raw)));
	hold_digest("seal_fingerprint", verify_key_fingerprint(seal_key_public(w.key)));
	hold_text("id_z", view_str(w.z.text));
	hold_text("id_s", view_str(w.s.text));
	hold_text("origin", view_str(w.origin.text));
	hold("key_id", view_of(id, sizeof(id)));
}

static void work_entries(void)
{
	struct entry start = {.time_us = TIME_US, .kind = PB(ENTRY_KIND, START)};
	struct entry adopt = {.time_us = TIME_US + 1, .kind = PB(ENTRY_KIND, ADOPT), .k = 1};
	char name[] = "CZ-SK 2026";
	struct pb_adopt body = PB_ADOPT_INIT;
	uint8_t local_salt[SALT_BYTES];

	count_up(start.nonce, NONCE_BYTES, 0x00);
	count_up(local_salt, SALT_BYTES, 0xa0);
	start.local_digest = local_digest(local_salt, view_str("local part"));
	hold_digest("local_digest", start.local_digest);
	assert_int_equal(entry_encode(&start, &w.start_entry), ERR_OK);
	w.start_leaf = merkle_leaf(buf_view(&w.start_entry));
	hold("start_entry", buf_view(&w.start_entry));
	hold_digest("start_leaf", w.start_leaf);

	w.head[0] = chain_start(w.origin.text, &w.s);
	hold_digest("head_0", w.head[0].head);
	body.name = name;
	assert_int_equal(message_encode(&body, &w.adopt_body), ERR_OK);
	count_up(w.body_salt, SALT_BYTES, 0x40);
	hold("adopt_body", buf_view(&w.adopt_body));
	hold("body_salt", view_of(w.body_salt, SALT_BYTES));
	adopt.has_body = true;
	adopt.body_digest = body_digest(w.body_salt, buf_view(&w.adopt_body));
	hold_digest("body_digest", adopt.body_digest);
	adopt.has_agreement = true;
	adopt.agreement = sha256(view_str("agreement: CZ-SK 2026\n"));
	hold_digest("agreement_digest", adopt.agreement);
	count_up(adopt.nonce, NONCE_BYTES, 0x20);
	count_up(adopt.local_digest.b, DIGEST_BYTES, 0xc0);
	adopt.addressee = w.s;
	adopt.prev_head = w.head[0].head;
	assert_int_equal(entry_encode(&adopt, &w.adopt_entry), ERR_OK);
	w.adopt_leaf = merkle_leaf(buf_view(&w.adopt_entry));
	w.head[1] = chain_next(&w.head[0], &w.adopt_leaf);
	hold("adopt_entry", buf_view(&w.adopt_entry));
	hold_digest("adopt_leaf", w.adopt_leaf);
	hold_digest("head_1", w.head[1].head);
}

static void work_checkpoint(void)
{
	CLEANUP(buf_fini) struct buf text = {0};
	CLEANUP(buf_fini) struct buf evidence = {0};
	struct tree_reader r = memory_tree_reader(&w.tree);
	struct proof proof;

	memory_tree_append(&w.tree, &w.start_leaf);
	memory_tree_append(&w.tree, &w.adopt_leaf);
	hold_digest("empty_root", merkle_empty());
	w.checkpoint = (struct checkpoint){
		.origin = w.origin, .size = 2, .root = frontier_root(&w.tree.frontier)};
	hold_digest("root", w.checkpoint.root);
	assert_int_equal(checkpoint_text(&w.checkpoint, &text), ERR_OK);
	hold_text("checkpoint_text", buf_view(&text));
	assert_int_equal(checkpoint_sign(&w.checkpoint, w.key, &w.note), ERR_OK);
	hold_text("checkpoint_note", buf_view(&w.note));
	assert_int_equal(merkle_prove_inclusion(&r, 1, 2, &proof), ERR_OK);
	assert_int_equal(evidence_proof_text(1, &proof, buf_view(&w.note), &evidence), ERR_OK);
	hold_text("tlog_proof", buf_view(&evidence));
}

/* derived.is_minor of a VictimRecord, sealed alone */
static void work_record(void)
{
	const struct field *unit = field_table_find(RECORD_VICTIM, "derived.is_minor");
	CLEANUP(buf_fini) struct buf leaf = {0};
	CLEANUP(buf_fini) struct buf record = {0};
	CLEANUP(buf_fini) struct buf manifest = {0};
	CLEANUP(slice_set_fini) struct slice_set slices = {0};
	struct manifest_terms terms = {.revision = 1,
				       .type = RECORD_VICTIM,
				       .schema_version = 1,
				       .originator = w.z,
				       .sealed_at_us = TIME_US};
	uint8_t random[COMMITMENTS_MIN * SLICE_SALT_BYTES];

	assert_non_null(unit);
	assert_int_equal(wire_put_uint(&leaf, unit->numbers[1], 1), ERR_OK);
	assert_int_equal(wire_put_bytes(&record, unit->numbers[0], buf_view(&leaf)), ERR_OK);
	assert_int_equal(record_cut(RECORD_VICTIM, buf_view(&record), &slices), ERR_OK);
	assert_int_equal(slices.n, 1);
	count_up(random, SLICE_SALT_BYTES, 0x60);
	for (size_t i = 1; i < COMMITMENTS_MIN; i++) {
		uint8_t number = (uint8_t)i;
		struct digest decoy = sha256(view_of(&number, 1));

		memcpy(random + i * SLICE_SALT_BYTES, decoy.b, DIGEST_BYTES);
	}
	hold("slice", slices.slice[0].bytes);
	hold("slice_salt", view_of(random, SLICE_SALT_BYTES));
	hold_digest("commitment", slice_commitment(random, slices.slice[0].bytes));
	count_up(terms.record_id, RECORD_ID_BYTES, 0x80);
	assert_int_equal(manifest_make(&terms, &slices, random, sizeof(random), &manifest), ERR_OK);
	hold("manifest", buf_view(&manifest));
	hold_digest("manifest_digest", manifest_digest(buf_view(&manifest)));
}

/* a whole frame, and the input of its signature made apart from the code that signs */
static void work_hello(void)
{
	static const uint8_t certificate[] = {0x30, 0x00};
	struct cert_chain chain = {.der = {view_of(certificate, sizeof(certificate))}, .n = 1};
	CLEANUP(buf_fini) struct buf body = {0};
	CLEANUP(buf_fini) struct buf bare = {0};
	CLEANUP(buf_fini) struct buf input = {0};
	CLEANUP(message_freep) struct pb_frame *frame = NULL;
	uint8_t exporter[EXPORTER_BYTES];
	struct hello_terms terms = {.role = 1,
				    .exporter = exporter,
				    .id = &w.z,
				    .origin = &w.origin,
				    .seal_chain = &chain,
				    .my_checkpoint = buf_view(&w.note),
				    .schema_version = 1};
	struct digest digest;

	memset(exporter, 0xee, sizeof(exporter));
	assert_int_equal(hello_make(&terms, w.key, &body), ERR_OK);
	assert_int_equal(frame_decode(buf_view(&body), &frame), ERR_OK);
	assert_int_equal(message_encode(frame->hello, &bare), ERR_OK);
	hold("hello", buf_view(&bare));
	/* as the document says: without the last 66 bytes */
	digest = sha256(view_of(buf_data(&bare), bare.n - 66));
	hold_digest("hello_digest", digest);
	assert_int_equal(buf_put(&input, "amparo/v1/hello\0\x01", 17), ERR_OK);
	assert_int_equal(buf_put(&input, exporter, sizeof(exporter)), ERR_OK);
	assert_int_equal(buf_put_view(&input, view_digest(&digest)), ERR_OK);
	hold("hello_signed", buf_view(&input));
	assert_int_equal(verify_key_check(seal_key_public(w.key), buf_view(&input),
					  message_bytes(1, frame->hello->signature)),
			 ERR_OK);
}

static void work_batch(void)
{
	struct pb_item item = PB_ITEM_INIT;
	const struct batch_part part = {.index = 1, .item = &item.base};
	struct tree_reader r = memory_tree_reader(&w.tree);
	struct batch_terms terms = {
		.from_size = 0, .note = buf_view(&w.note), .size = 2, .part = &part, .n_part = 1};
	CLEANUP(buf_fini) struct buf body = {0};

	item.has_index = item.has_entry = item.has_body = item.has_body_salt = 1;
	item.index = 1;
	item.entry = message_borrow(buf_view(&w.adopt_entry));
	item.body = message_borrow(buf_view(&w.adopt_body));
	item.body_salt = message_borrow(view_of(w.body_salt, SALT_BYTES));
	assert_int_equal(batch_make(&terms, &r, &body), ERR_OK);
	hold("batch", buf_view(&body));
}

static void work_proofs(void)
{
	static const uint64_t sizes[] = {1, 2};
	struct tree_reader r = memory_tree_reader(&w.tree);
	struct batch_terms terms = {
		.from_size = 2, .note = buf_view(&w.note), .size = 2, .prove = sizes, .n_prove = 2};
	CLEANUP(buf_fini) struct buf body = {0};

	assert_int_equal(batch_make(&terms, &r, &body), ERR_OK);
	hold("batch_that_proves", buf_view(&body));
}

static void work_receipt(void)
{
	struct item_outcome outcome = {.k = 1};
	CLEANUP(buf_fini) struct buf body = {0};

	assert_int_equal(receipt_make(&w.checkpoint, &outcome, 1, &w.head[1].head, &body), ERR_OK);
	hold("receipt_body", buf_view(&body));
}

static void work_ping(void)
{
	struct pb_frame frame = PB_FRAME_INIT;
	struct pb_ping ping = PB_PING_INIT;
	CLEANUP(buf_fini) struct buf out = {0};

	frame.ping = &ping;
	assert_int_equal(frame_put_message(&out, &frame), ERR_OK);
	hold("ping_on_the_wire", buf_view(&out));
}

static void test_worked_bytes(void **state)
{
	size_t n_lines = 0;

	(void)state;
	work_identity();
	work_entries();
	work_checkpoint();
	work_record();
	work_hello();
	work_batch();
	work_proofs();
	work_receipt();
	work_ping();
	for (const char *p = doc.block; p < doc.end; p++)
		n_lines += *p == '\n';
	if (!doc.prints)
		assert_int_equal(doc.n_made, n_lines);
	seal_key_free(w.key);
	buf_fini(&w.start_entry);
	buf_fini(&w.adopt_entry);
	buf_fini(&w.adopt_body);
	buf_fini(&w.note);
	memory_tree_fini(&w.tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_worked_bytes),
	};

	return cmocka_run_group_tests(tests, load_document, drop_document);
}
