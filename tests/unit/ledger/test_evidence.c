/* Evidence: tlog-proof texts there and back, and contradicting checkpoints. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/own.h"
#include "common/memory_tree.h"
#include "crypto/digest.h"
#include "ledger/evidence.h"

#define ORIGIN "a.example/b/1"

struct fixture {
	struct memory_tree tree;
	struct seal_key *key;
	struct checkpoint checkpoint;
	struct buf note;
	struct buf text;
	struct digest leaf;
};

static void fixture_make(struct fixture *f, uint64_t index, uint64_t size)
{
	struct tree_reader r = memory_tree_reader(&f->tree);
	uint8_t seed[32] = {5};
	struct proof proof;

	memset(f, 0, sizeof(*f));
	for (uint64_t i = 0; i < size; i++) {
		struct digest leaf = {.b = {0}};

		put_u64be(leaf.b, i);
		if (i == index)
			f->leaf = leaf;
		memory_tree_append(&f->tree, &leaf);
	}
	assert_int_equal(seal_key_from_seed(seed, &f->key), ERR_OK);
	f->checkpoint = (struct checkpoint){
		.origin.text = ORIGIN, .size = size, .root = frontier_root(&f->tree.frontier)};
	assert_int_equal(checkpoint_sign(&f->checkpoint, f->key, &f->note), ERR_OK);
	assert_int_equal(merkle_prove_inclusion(&r, index, size, &proof), ERR_OK);
	assert_int_equal(evidence_proof_text(index, &proof, buf_view(&f->note), &f->text), ERR_OK);
}

static void fixture_fini(struct fixture *f)
{
	memory_tree_fini(&f->tree);
	seal_key_free(f->key);
	buf_fini(&f->note);
	buf_fini(&f->text);
}

static enum err check(const struct fixture *f, struct view text)
{
	return evidence_proof_check(text, &f->leaf, ORIGIN, seal_key_public(f->key));
}

static void test_there_and_back(void **state)
{
	(void)state;
	for (uint64_t size = 1; size <= 20; size++) {
		for (uint64_t index = 0; index < size; index++) {
			struct fixture f;

			fixture_make(&f, index, size);
			assert_int_equal(check(&f, buf_view(&f.text)), ERR_OK);
			f.leaf.b[31] ^= 1;
			assert_int_equal(check(&f, buf_view(&f.text)), ERR_PROOF);
			fixture_fini(&f);
		}
	}
}

static void test_form(void **state)
{
	struct fixture f;

	(void)state;
	fixture_make(&f, 2, 3);
	assert_int_equal(buf_put_u8(&f.text, 0), ERR_OK);
	assert_non_null(
		strstr((const char *)buf_data(&f.text), "c2sp.org/tlog-proof@v1\nindex 2\n"));
	/* one hash, an empty line, the note */
	assert_non_null(strstr((const char *)buf_data(&f.text), "=\n\na.example/b/1\n3\n"));
	fixture_fini(&f);
}

static void test_every_byte(void **state)
{
	struct fixture f;
	uint8_t *p;

	(void)state;
	fixture_make(&f, 6, 11);
	p = buf_data(&f.text);
	for (size_t i = 0; i < f.text.n; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			p[i] ^= (uint8_t)(1u << bit);
			assert_int_not_equal(check(&f, buf_view(&f.text)), ERR_OK);
			p[i] ^= (uint8_t)(1u << bit);
		}
		assert_int_not_equal(check(&f, view_of(p, i)), ERR_OK);
	}
	fixture_fini(&f);
}

static void test_refused(void **state)
{
	struct fixture f;
	CLEANUP(buf_fini) struct buf many = {0};
	uint8_t seed[32] = {6};
	CLEANUP(seal_key_freep) struct seal_key *other = NULL;
	static const char *const bad[] = {
		"",
		"c2sp.org/tlog-proof@v1",
		"c2sp.org/tlog-proof@v1\n",
		"c2sp.org/tlog-proof@v2\nindex 0\n\n",
		"c2sp.org/tlog-proof@v1\nindex 00\n\n",
		"c2sp.org/tlog-proof@v1\nindex\n\n",
		"c2sp.org/tlog-proof@v1\nindex -1\n\n",
		"c2sp.org/tlog-proof@v1\nindex 0\n",
		"c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\n",
		"c2sp.org/tlog-proof@v1\nindex 0\nA\n\n",
	};

	(void)state;
	fixture_make(&f, 0, 4);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEANUP(buf_fini) struct buf text = {0};

		assert_int_equal(buf_put_str(&text, bad[i]), ERR_OK);
		assert_int_equal(buf_put_view(&text, buf_view(&f.note)), ERR_OK);
		assert_int_equal(check(&f, buf_view(&text)), ERR_FORMAT);
	}
	assert_int_equal(buf_put_str(&many, "c2sp.org/tlog-proof@v1\nindex 0\n"), ERR_OK);
	for (int i = 0; i <= MERKLE_PROOF_MAX; i++)
		assert_int_equal(
			buf_put_str(&many, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"),
			ERR_OK);
	assert_int_equal(buf_printf(&many, "\n%.*s", (int)f.note.n, buf_data(&f.note)), ERR_OK);
	assert_int_equal(check(&f, buf_view(&many)), ERR_FORMAT);
	assert_int_equal(seal_key_from_seed(seed, &other), ERR_OK);
	assert_int_equal(
		evidence_proof_check(buf_view(&f.text), &f.leaf, ORIGIN, seal_key_public(other)),
		ERR_SIGNATURE);
	assert_int_equal(evidence_proof_check(buf_view(&f.text), &f.leaf, "a.example/b/2",
					      seal_key_public(f.key)),
			 ERR_FORMAT);
	fixture_fini(&f);
}

static void test_contradiction(void **state)
{
	struct checkpoint a = {.origin.text = ORIGIN, .size = 7};
	struct checkpoint b = a;

	(void)state;
	assert_false(checkpoints_contradict(&a, &b));
	b.root.b[31] = 1;
	assert_true(checkpoints_contradict(&a, &b));
	assert_true(checkpoints_contradict(&b, &a));
	b.size = 8;
	assert_false(checkpoints_contradict(&a, &b));
	b.size = 7;
	memcpy(b.origin.text, "a.example/b/2", sizeof("a.example/b/2"));
	assert_false(checkpoints_contradict(&a, &b));
}

/* A checkpoint of @p size whose root is the tree's, or with @p is_other another. */
static void note_of(struct fixture *f, uint64_t size, bool is_other, struct buf *out)
{
	struct tree_reader r = memory_tree_reader(&f->tree);
	struct checkpoint c = {.origin.text = ORIGIN, .size = size};

	assert_int_equal(merkle_root(&r, size, &c.root), ERR_OK);
	c.root.b[0] ^= is_other;
	assert_int_equal(checkpoint_sign(&c, f->key, out), ERR_OK);
}

/* Two signed notes of two sizes contradict each other when the proof of the newer one's past says
 * so; nothing else does. */
static void test_split(void **state)
{
	(void)state;
	for (uint64_t size = 1; size <= 20; size++) {
		CLEANUP(buf_fini) struct buf text = {0}, honest = {0}, other = {0}, beside = {0};
		const struct verify_key *key;
		struct tree_reader r;
		struct proof proof;
		struct fixture f;

		fixture_make(&f, 0, 20);
		r = memory_tree_reader(&f.tree);
		key = seal_key_public(f.key);
		note_of(&f, size, false, &honest);
		note_of(&f, size, true, &other);
		note_of(&f, size == 20 ? 19 : size + 1, true, &beside);
		assert_int_equal(merkle_prove_prefix(&r, size, 20, &proof), ERR_OK);
		assert_int_equal(evidence_prefix_text(size, &proof, buf_view(&f.note), &text),
				 ERR_OK);
		assert_int_equal(
			evidence_split_check(buf_view(&other), buf_view(&text), ORIGIN, key),
			ERR_OK);
		assert_int_equal(
			evidence_split_check(buf_view(&honest), buf_view(&text), ORIGIN, key),
			ERR_PROOF);
		assert_int_equal(
			evidence_split_check(buf_view(&beside), buf_view(&text), ORIGIN, key),
			ERR_PROOF);
		assert_int_equal(
			evidence_split_check(buf_view(&other), buf_view(&f.text), ORIGIN, key),
			ERR_FORMAT);
		for (size_t i = 0; i < text.n; i++) {
			buf_data(&text)[i] ^= 1;
			assert_int_not_equal(evidence_split_check(buf_view(&other), buf_view(&text),
								  ORIGIN, key),
					     ERR_OK);
			buf_data(&text)[i] ^= 1;
		}
		fixture_fini(&f);
	}
}

static int set_up(void **state)
{
	(void)state;
	return crypto_init() != ERR_OK;
}

static int tear_down(void **state)
{
	(void)state;
	crypto_fini();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_form),
		cmocka_unit_test(test_every_byte),     cmocka_unit_test(test_refused),
		cmocka_unit_test(test_contradiction),  cmocka_unit_test(test_split),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
