/* The stored tree against one in memory: appended, loaded again at many sizes, the same root, the
 * same nodes and the same proofs, across every edge of a tile. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "common/memory_tree.h"
#include "crypto/digest.h"
#include "node/tree.h"
#include "unit/node/folder.h"

#define N_LEAVES 70000u /* beyond 256 x 256: three tile levels */

static struct {
	char folder[256], path[300];
	struct store *store;
	struct tree tree;
	struct memory_tree memory;
} w;

static struct digest leaf_at(uint64_t i)
{
	uint8_t bytes[8];

	put_u64be(bytes, i);
	return merkle_leaf(view_of(bytes, sizeof(bytes)));
}

/* An entry's row as far as the tree looks at it. */
static void append(uint64_t i)
{
	struct digest leaf = leaf_at(i);
	struct entry_row row = {.epoch = 7, .index = i, .leaf = leaf, .entry = view_of("entry", 5)};

	assert_int_equal(entry_put(w.store, &row), ERR_OK);
	assert_int_equal(tree_append(&w.tree, &leaf), ERR_OK);
	memory_tree_append(&w.memory, &leaf);
}

static void same_root(const struct tree *t)
{
	struct digest root = tree_root(t), memory = frontier_root(&w.memory.frontier);

	assert_int_equal(t->size, w.memory.frontier.size);
	assert_true(digest_eq(&root, &memory));
}

static void same_proof(const struct proof *a, const struct proof *b)
{
	assert_int_equal(a->n, b->n);
	assert_memory_equal(a->hash, b->hash, a->n * sizeof(a->hash[0]));
}

static void same_proofs(struct tree *t, uint64_t index, uint64_t from)
{
	struct tree_reader stored = tree_reader_of(t), memory = memory_tree_reader(&w.memory);
	struct proof a, b;
	struct digest x, y;

	assert_int_equal(merkle_prove_inclusion(&stored, index, t->size, &a), ERR_OK);
	assert_int_equal(merkle_prove_inclusion(&memory, index, t->size, &b), ERR_OK);
	same_proof(&a, &b);
	assert_int_equal(merkle_prove_consistency(&stored, from, t->size, &a), ERR_OK);
	assert_int_equal(merkle_prove_consistency(&memory, from, t->size, &b), ERR_OK);
	same_proof(&a, &b);
	assert_int_equal(merkle_root(&stored, from, &x), ERR_OK);
	assert_int_equal(merkle_root(&memory, from, &y), ERR_OK);
	assert_true(digest_eq(&x, &y));
}

static void same_everywhere(struct tree *t)
{
	const uint64_t n = t->size;
	const uint64_t at[] = {0,     1,     2,	    127,   128,	  255,	 256,	257,
			       511,   512,   1000,  32767, 32768, 65279, 65280, 65535,
			       65536, 65537, 69999, n / 2, n / 3, n - 1, n - 2, n - 257};

	same_root(t);
	for (size_t i = 0; n && i < sizeof(at) / sizeof(at[0]); i++)
		if (at[i] < n)
			same_proofs(t, at[i], at[i]);
}

static bool is_edge(uint64_t n)
{
	return n < 600 || n % 4096 == 0 || (n % 256 <= 1 && n < 3000) || n % 9973 == 0 ||
	       (n >= 65530 && n <= 65545) || n == N_LEAVES;
}

/* What a start finds: the tree rebuilt from tiles and rows. */
static void reload_is_the_same(void)
{
	static struct tree again;
	uint64_t count;

	assert_int_equal(entry_count(w.store, 7, &count), ERR_OK);
	assert_int_equal(tree_load(&again, w.store, 7, count), ERR_OK);
	same_everywhere(&again);
	assert_memory_equal(&again.frontier, &w.tree.frontier, sizeof(again.frontier));
	for (unsigned level = 0; level < TREE_TILE_LEVELS; level++) {
		assert_int_equal(again.tail[level].n, w.tree.tail[level].n);
		assert_memory_equal(again.tail[level].node, w.tree.tail[level].node,
				    again.tail[level].n * sizeof(struct digest));
	}
}

static void grown_and_loaded_at_many_sizes(void **state)
{
	(void)state;
	reload_is_the_same();
	for (uint64_t i = 0; i < N_LEAVES; i++) {
		append(i);
		if (!is_edge(i + 1))
			continue;
		same_everywhere(&w.tree);
		reload_is_the_same();
	}
	assert_int_equal(w.tree.size, N_LEAVES);
	/* 273 full tiles of leaves, one of their nodes */
	assert_int_equal(w.tree.tail[0].n, N_LEAVES % 256);
	assert_int_equal(w.tree.tail[1].n, N_LEAVES / 256 % 256);
	assert_int_equal(w.tree.tail[2].n, 1);
}

/* runs after the one above: random proofs over the whole tree, through a closed and opened file */
static void proofs_after_reopening(void **state)
{
	const struct store_options o = {.path = w.path};
	uint64_t x = 20260117;

	(void)state;
	assert_int_equal(store_commit(w.store), ERR_OK);
	store_close(w.store);
	w.store = NULL;
	assert_int_equal(store_open(&o, &w.store), ERR_OK);
	assert_int_equal(tree_load(&w.tree, w.store, 7, N_LEAVES), ERR_OK);
	for (int i = 0; i < 2000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		same_proofs(&w.tree, x % N_LEAVES, (x >> 20) % N_LEAVES);
	}
}

static void a_node_that_is_not_there(void **state)
{
	struct tree_reader r = tree_reader_of(&w.tree);
	struct digest d;

	(void)state;
	assert_int_equal(r.hash(r.ctx, 0, N_LEAVES, &d), ERR_BUG);
	assert_int_equal(r.hash(r.ctx, 4, N_LEAVES >> 4, &d), ERR_BUG);
	assert_int_equal(r.hash(r.ctx, 17, 0, &d), ERR_BUG);
	assert_int_equal(r.hash(r.ctx, 63, 0, &d), ERR_BUG);
	assert_int_equal(r.hash(r.ctx, 16, 0, &d), ERR_OK);
}

static void a_size_that_does_not_fit_is_damage(void **state)
{
	static struct tree t;

	(void)state;
	/* other numbers of tiles, and rows that are not there */
	assert_int_equal(tree_load(&t, w.store, 7, N_LEAVES + 256), ERR_STORAGE);
	assert_int_equal(tree_load(&t, w.store, 7, N_LEAVES - 256), ERR_STORAGE);
	assert_int_equal(tree_load(&t, w.store, 7, 0), ERR_STORAGE);
	assert_int_not_equal(tree_load(&t, w.store, 7, N_LEAVES + 1), ERR_OK);
	assert_int_equal(tree_load(&t, w.store, 7, N_LEAVES), ERR_OK);
}

static int setup(void **state)
{
	struct store_options o = {.path = w.path, .create = true};

	(void)state;
	if (crypto_init())
		return 1;
	folder_new(w.folder);
	(void)snprintf(w.path, sizeof(w.path), "%s/%s", w.folder, STORE_FILE_NAME);
	return store_open(&o, &w.store) || store_begin(w.store) ||
	       tree_load(&w.tree, w.store, 7, 0);
}

static int teardown(void **state)
{
	(void)state;
	store_close(w.store);
	memory_tree_fini(&w.memory);
	folder_remove(w.folder);
	crypto_fini();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grown_and_loaded_at_many_sizes),
		cmocka_unit_test(proofs_after_reopening),
		cmocka_unit_test(a_node_that_is_not_there),
		cmocka_unit_test(a_size_that_does_not_fit_is_damage),
	};

	return cmocka_run_group_tests_name("node/tree", tests, setup, teardown);
}
