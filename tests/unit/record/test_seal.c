/* Seals: a real key, a small tree; each part forged in turn. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "common/memory_tree.h"
#include "crypto/digest.h"
#include "ledger/checkpoint.h"
#include "ledger/entry.h"
#include "record/manifest.h"
#include "unit/record/records.h"

#define N_LEAVES 11
#define SEALED_AT 6

/** A node of an agency that sealed one record among other entries. */
struct sealed {
	struct agency_id id;
	struct origin origin;
	struct seal_key *key;
	struct memory_tree tree;
	struct buf manifest_bytes;
	struct manifest manifest;
	struct entry entry;
	struct buf entry_bytes;
	struct checkpoint checkpoint;
	struct buf note;
	struct proof proof;
	struct pb_seal seal;
};

static int setup(void **state)
{
	(void)state;
	return crypto_init() ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	crypto_fini();
	return 0;
}

static void make_manifest(struct sealed *s)
{
	CLEANUP(record_fini) struct record r;
	CLEANUP(slice_set_fini) struct slice_set slices = {0};
	struct manifest_terms terms = {.revision = 1, .schema_version = 1, .sealed_at_us = 1};
	uint8_t random[256 * 32];
	uint64_t seed = 11;

	record_load(0, &r);
	assert_int_equal(record_cut(r.type, buf_view(&r.bytes), &slices), ERR_OK);
	for (size_t i = 0; i < sizeof(random); i++)
		random[i] = (uint8_t)(next_random(&seed) >> 56);
	terms.type = r.type;
	terms.originator = s->id;
	terms.n_previous = 256;
	assert_int_equal(manifest_make(&terms, &slices, random, sizeof(random), &s->manifest_bytes),
			 ERR_OK);
	assert_int_equal(manifest_read(buf_view(&s->manifest_bytes), &s->manifest), ERR_OK);
}

/* entry, tree, checkpoint, proof, seal: after each change to s->entry again */
static void make_tree(struct sealed *s)
{
	static const struct pb_seal seal = PB_SEAL_INIT;
	struct digest leaf;

	buf_clear(&s->entry_bytes);
	buf_clear(&s->note);
	memory_tree_fini(&s->tree);
	assert_int_equal(entry_encode(&s->entry, &s->entry_bytes), ERR_OK);
	for (uint8_t i = 0; i < N_LEAVES; i++) {
		leaf = i == SEALED_AT ? merkle_leaf(buf_view(&s->entry_bytes))
				      : merkle_leaf(view_of(&i, 1));
		memory_tree_append(&s->tree, &leaf);
	}
	s->checkpoint.origin = s->origin;
	s->checkpoint.size = N_LEAVES;
	s->checkpoint.root = frontier_root(&s->tree.frontier);
	assert_int_equal(checkpoint_sign(&s->checkpoint, s->key, &s->note), ERR_OK);
	struct tree_reader reader = memory_tree_reader(&s->tree);

	assert_int_equal(merkle_prove_inclusion(&reader, SEALED_AT, N_LEAVES, &s->proof), ERR_OK);
	s->seal = seal;
	s->seal.has_entry = s->seal.has_index = s->seal.has_proof = s->seal.has_checkpoint = 1;
	s->seal.entry = message_borrow(buf_view(&s->entry_bytes));
	s->seal.index = SEALED_AT;
	s->seal.proof = message_borrow(view_of(s->proof.hash, s->proof.n * DIGEST_BYTES));
	s->seal.checkpoint = message_borrow(buf_view(&s->note));
}

static void sealed_init(struct sealed *s)
{
	static const uint8_t seed[32] = {42};

	memset(s, 0, sizeof(*s));
	assert_int_equal(agency_id_parse(view_str("spiffe://cz.example/umpod"), &s->id), ERR_OK);
	origin_make(&s->origin, &s->id, 1767225600);
	assert_int_equal(seal_key_from_seed(seed, &s->key), ERR_OK);
	make_manifest(s);
	s->entry = (struct entry){
		.time_us = 1767225600000000,
		.kind = PB(ENTRY_KIND, SEAL),
		.has_body = true,
		.body_digest = s->manifest.digest,
	};
	memset(s->entry.nonce, 3, sizeof(s->entry.nonce));
	make_tree(s);
}

static void sealed_fini(struct sealed *s)
{
	memory_tree_fini(&s->tree);
	buf_fini(&s->manifest_bytes);
	buf_fini(&s->entry_bytes);
	buf_fini(&s->note);
	seal_key_free(s->key);
}

static enum err check(const struct sealed *s)
{
	return seal_check(&s->seal, &s->manifest, &s->id, s->origin.text, seal_key_public(s->key));
}

static void test_good(void **state)
{
	CLEANUP(sealed_fini) struct sealed s;

	(void)state;
	sealed_init(&s);
	assert_int_equal(s.proof.n, 4);
	assert_int_equal(check(&s), ERR_OK);
	assert_int_equal(seal_check(&s.seal, &s.manifest, &s.id, NULL, seal_key_public(s.key)),
			 ERR_OK);
}

/* every bit of every part of the seal counts */
static void test_every_bit(void **state)
{
	CLEANUP(sealed_fini) struct sealed s;

	(void)state;
	sealed_init(&s);
	const ProtobufCBinaryData parts[] = {s.seal.entry, s.seal.proof, s.seal.checkpoint};

	for (size_t p = 0; p < ARRAY_LEN(parts); p++)
		for (size_t at = 0; at < parts[p].len; at++)
			for (unsigned int bit = 0; bit < 8; bit++) {
				parts[p].data[at] ^= (uint8_t)(1u << bit);
				assert_int_not_equal(check(&s), ERR_OK);
				parts[p].data[at] ^= (uint8_t)(1u << bit);
			}
	assert_int_equal(check(&s), ERR_OK);
	for (uint64_t index = 0; index < 2 * N_LEAVES; index++) {
		s.seal.index = index;
		assert_int_equal(check(&s), index == SEALED_AT ? ERR_OK : ERR_PROOF);
	}
	s.seal.index = UINT64_MAX;
	assert_int_equal(check(&s), ERR_PROOF);
}

static void test_parts_missing(void **state)
{
	CLEANUP(sealed_fini) struct sealed s;
	struct pb_seal good;

	(void)state;
	sealed_init(&s);
	good = s.seal;
	s.seal.has_entry = 0;
	assert_int_equal(check(&s), ERR_INVALID);
	s.seal = good;
	s.seal.entry.len = 0;
	assert_int_equal(check(&s), ERR_INVALID);
	s.seal = good;
	s.seal.has_index = 0;
	assert_int_equal(check(&s), ERR_INVALID);
	s.seal = good;
	s.seal.has_checkpoint = 0;
	assert_int_equal(check(&s), ERR_INVALID);
	s.seal = good;
	s.seal.has_proof = 0;
	assert_int_equal(check(&s), ERR_PROOF);
	s.seal = good;
	for (size_t n = 0; n < s.proof.n * DIGEST_BYTES; n++) {
		s.seal.proof.len = n;
		assert_int_equal(check(&s), n % DIGEST_BYTES ? ERR_INVALID : ERR_PROOF);
	}
}

static void test_long_proofs(void **state)
{
	static struct digest hashes[MERKLE_PROOF_MAX + 1];
	CLEANUP(sealed_fini) struct sealed s;

	(void)state;
	sealed_init(&s);
	memcpy(hashes, s.proof.hash, s.proof.n * DIGEST_BYTES);
	for (size_t n = s.proof.n + 1; n <= MERKLE_PROOF_MAX; n++) {
		s.seal.proof = message_borrow(view_of(hashes, n * DIGEST_BYTES));
		assert_int_equal(check(&s), ERR_PROOF);
	}
	s.seal.proof = message_borrow(view_of(hashes, sizeof(hashes)));
	assert_int_equal(check(&s), ERR_INVALID);
}

/* well signed, well proven, yet not this manifest's seal */
static void test_other_entries(void **state)
{
	CLEANUP(sealed_fini) struct sealed s;

	(void)state;
	sealed_init(&s);
	s.entry.body_digest.b[31] ^= 1;
	make_tree(&s);
	assert_int_equal(check(&s), ERR_PROOF);
	s.entry.body_digest = s.manifest.digest;
	make_tree(&s);
	assert_int_equal(check(&s), ERR_OK);

	s.entry.kind = PB(ENTRY_KIND, REFERRAL);
	s.entry.addressee = s.id;
	s.entry.k = 1;
	make_tree(&s);
	assert_int_equal(check(&s), ERR_INVALID);

	memset(&s.entry.addressee, 0, sizeof(s.entry.addressee));
	s.entry.k = 0;
	s.entry.kind = PB(ENTRY_KIND, CONSULTED);
	s.entry.has_body = false;
	make_tree(&s);
	assert_int_equal(check(&s), ERR_INVALID);
}

static void test_other_agencies(void **state)
{
	static const uint8_t seed[32] = {43};
	CLEANUP(seal_key_freep) struct seal_key *other_key = NULL;
	CLEANUP(sealed_fini) struct sealed s;
	struct agency_id other;
	struct origin epoch;

	(void)state;
	sealed_init(&s);
	assert_int_equal(seal_key_from_seed(seed, &other_key), ERR_OK);
	assert_int_equal(
		seal_check(&s.seal, &s.manifest, &s.id, s.origin.text, seal_key_public(other_key)),
		ERR_SIGNATURE);
	assert_int_equal(seal_check(&s.seal, &s.manifest, &s.id, NULL, seal_key_public(other_key)),
			 ERR_SIGNATURE);
	/* the manifest names an originator, and only that one can have sealed it */
	assert_int_equal(agency_id_parse(view_str("spiffe://sk.example/cipc"), &other), ERR_OK);
	assert_int_equal(
		seal_check(&s.seal, &s.manifest, &other, s.origin.text, seal_key_public(s.key)),
		ERR_PROOF);
	/* another epoch than the pinned one; then a manifest that claims another agency's ledger */
	origin_make(&epoch, &s.id, 1767225601);
	assert_int_equal(
		seal_check(&s.seal, &s.manifest, &s.id, epoch.text, seal_key_public(s.key)),
		ERR_FORMAT);
	s.manifest.terms.originator = other;
	assert_int_equal(seal_check(&s.seal, &s.manifest, &other, NULL, seal_key_public(s.key)),
			 ERR_FORMAT);
}

/* the same entry, in a tree that the originator did not sign */
static void test_other_trees(void **state)
{
	CLEANUP(sealed_fini) struct sealed s;
	CLEANUP(buf_fini) struct buf note = {0};
	struct checkpoint c;

	(void)state;
	sealed_init(&s);
	c = s.checkpoint;
	c.root.b[0] ^= 1;
	assert_int_equal(checkpoint_sign(&c, s.key, &note), ERR_OK);
	s.seal.checkpoint = message_borrow(buf_view(&note));
	assert_int_equal(check(&s), ERR_PROOF);
	buf_clear(&note);
	c = s.checkpoint;
	c.size = SEALED_AT; /* from before the seal */
	assert_int_equal(checkpoint_sign(&c, s.key, &note), ERR_OK);
	s.seal.checkpoint = message_borrow(buf_view(&note));
	assert_int_equal(check(&s), ERR_PROOF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),	      cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_parts_missing), cmocka_unit_test(test_long_proofs),
		cmocka_unit_test(test_other_entries), cmocka_unit_test(test_other_agencies),
		cmocka_unit_test(test_other_trees),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
