/* The tree: published vectors, then properties over all small sizes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "common/memory_tree.h"
#include "crypto/digest.h"
#include "unit/ledger/vectors.h"

#define N_ALL 64  /* sizes for tests of all pairs */
#define N_MAX 256 /* sizes for the other properties */

/* leaf i of the tests' trees; another salt makes another tree */
static struct digest leaf_at(uint64_t i, uint8_t salt)
{
	uint8_t bytes[9];

	put_u64be(bytes, i);
	bytes[8] = salt;
	return merkle_leaf(view_of(bytes, sizeof(bytes)));
}

static void tree_fill(struct memory_tree *t, uint64_t n, uint8_t salt)
{
	for (uint64_t i = t->frontier.size; i < n; i++) {
		struct digest leaf = leaf_at(i, salt);

		memory_tree_append(t, &leaf);
	}
}

/* MTH as RFC 6962 2.1 writes it: the yardstick, with nothing kept */
static struct digest naive_root(const struct digest *leaf, uint64_t n)
{
	uint64_t k = 1;
	struct digest left, right;

	if (n == 0)
		return merkle_empty();
	if (n == 1)
		return leaf[0];
	while (k * 2 < n)
		k *= 2;
	left = naive_root(leaf, k);
	right = naive_root(leaf + k, n - k);
	return merkle_node(&left, &right);
}

/* a small generator with a printed seed */
static uint64_t seed_state = 20260117;

static uint64_t next_random(void)
{
	seed_state ^= seed_state << 13;
	seed_state ^= seed_state >> 7;
	seed_state ^= seed_state << 17;
	return seed_state;
}

static struct digest digest_from_hex(const char *hex)
{
	struct digest d;

	assert_int_equal(hex_decode(hex, d.b, sizeof(d.b)), ERR_OK);
	return d;
}

static void test_rfc6962_roots(void **state)
{
	char path[512];
	struct memory_tree t = {0};
	json_t *vectors, *leaves, *roots, *nodes;

	(void)state;
	if (!vectors_path("rfc6962-merkle/rfc6962_roots.json", path, sizeof(path)))
		skip();
	vectors = vectors_load(path);
	leaves = json_object_get(vectors, "leaf_inputs_hex");
	roots = json_object_get(vectors, "root_by_size_hex");
	nodes = json_object_get(vectors, "nodes_by_level_hex");
	assert_int_equal(json_array_size(leaves), 8);
	assert_int_equal(json_array_size(roots), 9);
	for (size_t size = 0;; size++) {
		struct digest want =
			digest_from_hex(json_string_value(json_array_get(roots, size)));
		struct digest got = frontier_root(&t.frontier);
		const char *hex = json_string_value(json_array_get(leaves, size));
		uint8_t bytes[64];
		struct digest leaf;

		assert_true(digest_eq(&got, &want));
		if (size == 8)
			break;
		assert_int_equal(hex_decode(hex, bytes, strlen(hex) / 2), ERR_OK);
		leaf = merkle_leaf(view_of(bytes, strlen(hex) / 2));
		memory_tree_append(&t, &leaf);
	}
	/* their complete nodes, level by level, are the ones that we keep */
	for (size_t i = 0, level = 0, index = 0; i < json_array_size(nodes); i++) {
		struct digest want = digest_from_hex(json_string_value(json_array_get(nodes, i)));

		assert_true(index < t.n[level]);
		assert_true(digest_eq(&t.node[level][index], &want));
		if (++index == t.n[level]) {
			level++;
			index = 0;
		}
	}
	memory_tree_fini(&t);
	json_decref(vectors);
}

static struct view bytes_of(struct buf *all, const char *base64)
{
	size_t before = all->n;

	vector_base64(base64, all);
	return view_of(buf_data(all) + before, all->n - before);
}

static enum err run_inclusion_probe(const json_t *probe)
{
	CLEANUP(buf_fini) struct buf all = {0};
	struct digest hashes[MERKLE_PROOF_MAX + 1], leaf, root;
	json_t *proof = json_object_get(probe, "proof");
	size_t n = json_array_size(proof);
	uint8_t *room;
	enum err e;

	/* so that no view moves */
	assert_int_equal(buf_reserve(&all, 65536, &room), ERR_OK);
	assert_true(n <= MERKLE_PROOF_MAX);
	for (size_t i = 0; i < n; i++) {
		/* hashes of other lengths cannot be said in our types: message parsing refuses */
		if (!digest_from_view(&hashes[i],
				      bytes_of(&all, json_string_value(json_array_get(proof, i)))))
			return ERR_PROOF;
	}
	if (!digest_from_view(&root, bytes_of(&all, vector_text(probe, "root"))) ||
	    !digest_from_view(&leaf, bytes_of(&all, vector_text(probe, "leafHash"))))
		return ERR_PROOF;
	e = merkle_check_inclusion(&leaf, vector_uint(probe, "leafIdx"),
				   vector_uint(probe, "treeSize"), hashes, n, &root);
	return e;
}

static void run_probes(const char *folder, size_t *n_run, size_t *n_good)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	char path[1024];

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		const char *dot = strrchr(entry->d_name, '.');
		json_t *probe;
		bool want_err;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (!dot || strcmp(dot, ".json") != 0) {
			run_probes(path, n_run, n_good);
			continue;
		}
		probe = vectors_load(path);
		want_err = json_is_true(json_object_get(probe, "wantErr"));
		if ((run_inclusion_probe(probe) != ERR_OK) != want_err)
			fail_msg("%s: %s", path, want_err ? "accepted" : "refused");
		*n_run += 1;
		*n_good += !want_err;
		json_decref(probe);
	}
	closedir(dir);
}

static void test_inclusion_probes(void **state)
{
	char path[512];
	size_t n_run = 0, n_good = 0;

	(void)state;
	if (!vectors_path("rfc6962-merkle/inclusion", path, sizeof(path)))
		skip();
	run_probes(path, &n_run, &n_good);
	assert_int_equal(n_run, 98);
	assert_true(n_good > 0 && n_good < n_run);
}

/* the shared folder has no consistency probes of its own; the witness vectors hold a real proof */
static void test_witness_consistency(void **state)
{
	char path[512];
	struct digest hash[8], root[2];
	json_t *vectors, *witness, *proof;
	size_t n;

	(void)state;
	if (!vectors_path("c2sp-checkpoint/checkpoint_vectors.json", path, sizeof(path)))
		skip();
	vectors = vectors_load(path);
	witness = json_object_get(vectors, "witness");
	proof = json_object_get(witness, "consistency_5_8_hex");
	n = json_array_size(proof);
	assert_int_equal(n, 4);
	for (size_t i = 0; i < n; i++)
		hash[i] = digest_from_hex(json_string_value(json_array_get(proof, i)));
	for (size_t i = 0; i < 2; i++) {
		CLEANUP(buf_fini) struct buf bytes = {0};
		struct note note;
		const char *text =
			vector_text(witness, i ? "checkpoint_size8" : "checkpoint_size5");

		assert_int_equal(note_parse(view_str(text), &note), ERR_OK);
		/* the third line, 44 characters before the last newline */
		assert_int_equal(base64_decode(view_of(note.text.p + note.text.n - 45, 44), &bytes),
				 ERR_OK);
		assert_true(digest_from_view(&root[i], buf_view(&bytes)));
	}
	assert_int_equal(merkle_check_consistency(5, &root[0], 8, &root[1], hash, n), ERR_OK);
	/* from 0 with a proof; the same again; the same size, another root; no proof; smaller */
	assert_int_equal(merkle_check_consistency(0, &root[0], 5, &root[0], hash, n), ERR_PROOF);
	assert_int_equal(merkle_check_consistency(5, &root[0], 5, &root[0], NULL, 0), ERR_OK);
	assert_int_equal(merkle_check_consistency(5, &root[0], 5, &root[1], NULL, 0), ERR_PROOF);
	assert_int_equal(merkle_check_consistency(4, &root[1], 5, &root[0], NULL, 0), ERR_PROOF);
	assert_int_equal(merkle_check_consistency(8, &root[1], 5, &root[0], hash, n), ERR_PROOF);
	json_decref(vectors);
}

static void test_roots_agree(void **state)
{
	struct memory_tree t = {0};
	struct tree_reader r = memory_tree_reader(&t);
	struct digest leaf[N_MAX];

	(void)state;
	for (uint64_t n = 0; n <= N_MAX; n++) {
		struct digest naive = naive_root(leaf, n);
		struct digest grown = frontier_root(&t.frontier);

		assert_true(digest_eq(&grown, &naive));
		if (n == N_MAX)
			break;
		leaf[n] = leaf_at(n, 0);
		memory_tree_append(&t, &leaf[n]);
	}
	/* every earlier root again, from the nodes of the grown tree */
	for (uint64_t n = 0; n <= N_MAX; n++) {
		struct digest naive = naive_root(leaf, n);
		struct digest read;

		assert_int_equal(merkle_root(&r, n, &read), ERR_OK);
		assert_true(digest_eq(&read, &naive));
	}
	assert_int_equal(merkle_root(&r, MERKLE_SIZE_MAX + 1, &leaf[0]), ERR_INVALID);
	memory_tree_fini(&t);
}

/* any change to a good proof, its index or its size is refused */
static void check_inclusion_broken(const struct digest *leaf, uint64_t i, uint64_t n,
				   const struct proof *good, const struct digest *root)
{
	struct proof p = *good;
	struct digest other = leaf_at(i, 99);

	assert_int_not_equal(merkle_check_inclusion(&other, i, n, p.hash, p.n, root), ERR_OK);
	assert_int_not_equal(merkle_check_inclusion(leaf, i, n, p.hash, p.n, &other), ERR_OK);
	assert_int_not_equal(merkle_check_inclusion(leaf, n, n, p.hash, p.n, root), ERR_OK);
	assert_int_not_equal(merkle_check_inclusion(leaf, i, 0, p.hash, p.n, root), ERR_OK);
	if (p.n > 0) {
		assert_int_not_equal(merkle_check_inclusion(leaf, i, n, p.hash, p.n - 1, root),
				     ERR_OK);
		assert_int_not_equal(merkle_check_inclusion(leaf, i, n, p.hash + 1, p.n - 1, root),
				     ERR_OK);
	}
	p.hash[p.n] = other;
	assert_int_not_equal(merkle_check_inclusion(leaf, i, n, p.hash, p.n + 1, root), ERR_OK);
	for (size_t at = 0; at < p.n; at++) {
		p.hash[at].b[at % DIGEST_BYTES] ^= (uint8_t)(1u << (i % 8));
		assert_int_not_equal(merkle_check_inclusion(leaf, i, n, p.hash, p.n, root), ERR_OK);
		p.hash[at] = good->hash[at];
	}
	for (size_t at = 0; at + 1 < p.n; at++) {
		p.hash[at] = good->hash[at + 1];
		p.hash[at + 1] = good->hash[at];
		assert_int_not_equal(merkle_check_inclusion(leaf, i, n, p.hash, p.n, root), ERR_OK);
		p.hash[at] = good->hash[at];
		p.hash[at + 1] = good->hash[at + 1];
	}
	/* other places: the same hashes may not prove another leaf number */
	for (uint64_t j = 0; j < n; j++) {
		if (j != i)
			assert_int_not_equal(merkle_check_inclusion(leaf, j, n, p.hash, p.n, root),
					     ERR_OK);
	}
}

static void test_inclusion_all(void **state)
{
	struct memory_tree t = {0};
	struct tree_reader r = memory_tree_reader(&t);
	struct proof p;

	(void)state;
	tree_fill(&t, N_ALL, 0);
	for (uint64_t n = 1; n <= N_ALL; n++) {
		struct digest root;

		assert_int_equal(merkle_root(&r, n, &root), ERR_OK);
		for (uint64_t i = 0; i < n; i++) {
			struct digest leaf = leaf_at(i, 0);

			assert_int_equal(merkle_prove_inclusion(&r, i, n, &p), ERR_OK);
			assert_int_equal(merkle_check_inclusion(&leaf, i, n, p.hash, p.n, &root),
					 ERR_OK);
			check_inclusion_broken(&leaf, i, n, &p, &root);
		}
		assert_int_equal(merkle_prove_inclusion(&r, n, n, &p), ERR_INVALID);
	}
	assert_int_equal(merkle_prove_inclusion(&r, 0, 0, &p), ERR_INVALID);
	memory_tree_fini(&t);
}

static void check_consistency_broken(uint64_t m, const struct digest *m_root, uint64_t n,
				     const struct digest *n_root, const struct proof *good)
{
	struct proof p = *good;
	struct digest other = leaf_at(m, 99);

	assert_int_not_equal(merkle_check_consistency(m, &other, n, n_root, p.hash, p.n), ERR_OK);
	assert_int_not_equal(merkle_check_consistency(m, m_root, n, &other, p.hash, p.n), ERR_OK);
	assert_int_not_equal(merkle_check_consistency(m, m_root, n, n_root, p.hash, p.n - 1),
			     ERR_OK);
	assert_int_not_equal(merkle_check_consistency(m, m_root, n, n_root, p.hash + 1, p.n - 1),
			     ERR_OK);
	p.hash[p.n] = other;
	assert_int_not_equal(merkle_check_consistency(m, m_root, n, n_root, p.hash, p.n + 1),
			     ERR_OK);
	for (size_t at = 0; at < p.n; at++) {
		p.hash[at].b[(at * 7) % DIGEST_BYTES] ^= (uint8_t)(1u << (m % 8));
		assert_int_not_equal(merkle_check_consistency(m, m_root, n, n_root, p.hash, p.n),
				     ERR_OK);
		p.hash[at] = good->hash[at];
	}
	for (size_t at = 0; at + 1 < p.n; at++) {
		p.hash[at] = good->hash[at + 1];
		p.hash[at + 1] = good->hash[at];
		assert_int_not_equal(merkle_check_consistency(m, m_root, n, n_root, p.hash, p.n),
				     ERR_OK);
		p.hash[at] = good->hash[at];
		p.hash[at + 1] = good->hash[at + 1];
	}
}

/* A proof of a prefix says by itself which root it has, and any change of it leads nowhere. */
static void test_prefix_all(void **state)
{
	struct memory_tree t = {0};
	struct tree_reader r = memory_tree_reader(&t);
	struct digest root[N_ALL + 1], got;
	struct proof p;

	(void)state;
	tree_fill(&t, N_ALL, 0);
	for (uint64_t n = 0; n <= N_ALL; n++)
		assert_int_equal(merkle_root(&r, n, &root[n]), ERR_OK);
	for (uint64_t n = 1; n <= N_ALL; n++) {
		for (uint64_t m = 1; m <= n; m++) {
			assert_int_equal(merkle_prove_prefix(&r, m, n, &p), ERR_OK);
			assert_int_equal(merkle_prefix_root(m, n, &root[n], p.hash, p.n, &got),
					 ERR_OK);
			assert_true(digest_eq(&got, &root[m]));
			assert_int_equal(merkle_prefix_root(m, n, &root[n - 1], p.hash, p.n, &got),
					 ERR_PROOF);
			assert_int_equal(merkle_prefix_root(m, n, &root[n], p.hash, p.n - 1, &got),
					 ERR_PROOF);
			for (size_t i = 0; i < p.n; i++) {
				p.hash[i].b[i % DIGEST_BYTES] ^= 1;
				assert_int_equal(
					merkle_prefix_root(m, n, &root[n], p.hash, p.n, &got),
					ERR_PROOF);
				p.hash[i].b[i % DIGEST_BYTES] ^= 1;
			}
			p.hash[p.n] = root[n];
			assert_int_equal(merkle_prefix_root(m, n, &root[n], p.hash, p.n + 1, &got),
					 ERR_PROOF);
		}
		assert_int_equal(merkle_prove_prefix(&r, n + 1, n, &p), ERR_INVALID);
		assert_int_equal(merkle_prove_prefix(&r, 0, n, &p), ERR_INVALID);
		assert_int_equal(merkle_prefix_root(0, n, &root[n], &root[n], 1, &got), ERR_PROOF);
		assert_int_equal(merkle_prefix_root(n + 1, n, &root[n], &root[n], 1, &got),
				 ERR_PROOF);
	}
	memory_tree_fini(&t);
}

static void test_consistency_all(void **state)
{
	struct memory_tree t = {0};
	struct tree_reader r = memory_tree_reader(&t);
	struct digest root[N_ALL + 1];
	struct proof p;

	(void)state;
	tree_fill(&t, N_ALL, 0);
	for (uint64_t n = 0; n <= N_ALL; n++)
		assert_int_equal(merkle_root(&r, n, &root[n]), ERR_OK);
	for (uint64_t n = 0; n <= N_ALL; n++) {
		for (uint64_t m = 0; m <= n; m++) {
			assert_int_equal(merkle_prove_consistency(&r, m, n, &p), ERR_OK);
			assert_int_equal(
				merkle_check_consistency(m, &root[m], n, &root[n], p.hash, p.n),
				ERR_OK);
			if (m == 0 || m == n)
				assert_int_equal(p.n, 0);
			else
				check_consistency_broken(m, &root[m], n, &root[n], &p);
		}
		assert_int_equal(merkle_prove_consistency(&r, n + 1, n, &p), ERR_INVALID);
	}
	memory_tree_fini(&t);
}

/* ways to rewrite a history of n leaves; the first that differs, or n when none does */
static uint64_t rewrite(int way, uint64_t at, uint64_t n, struct memory_tree *t)
{
	struct digest leaf[N_MAX + 1];
	uint64_t n_leaves = n;

	for (uint64_t i = 0; i < n; i++)
		leaf[i] = leaf_at(i, 0);
	switch (way) {
	case 0: /* edit */
		leaf[at] = leaf_at(at, 1);
		break;
	case 1: /* delete */
		memmove(&leaf[at], &leaf[at + 1], (size_t)(n - at - 1) * sizeof(leaf[0]));
		n_leaves--;
		break;
	case 2: /* insert */
		memmove(&leaf[at + 1], &leaf[at], (size_t)(n - at) * sizeof(leaf[0]));
		leaf[at] = leaf_at(at, 1);
		n_leaves++;
		break;
	case 3: /* one of them twice */
		memmove(&leaf[at + 1], &leaf[at], (size_t)(n - at) * sizeof(leaf[0]));
		n_leaves++;
		at++;
		break;
	case 4: { /* swap with the one before */
		struct digest d = leaf[at];

		if (at == 0)
			return n;
		leaf[at] = leaf[at - 1];
		leaf[at - 1] = d;
		at--;
		break;
	}
	default: /* fork: all from here on */
		for (uint64_t i = at; i < n; i++)
			leaf[i] = leaf_at(i, 1);
		break;
	}
	for (uint64_t i = 0; i < n_leaves; i++)
		memory_tree_append(t, &leaf[i]);
	/* honest growth after it */
	for (uint64_t i = 0; i < 3; i++) {
		struct digest d = leaf_at(i, 2);

		memory_tree_append(t, &d);
	}
	return at;
}

/* whoever holds a root from after the place of a rewrite cannot be shown a proof across it */
static void test_rewrites_are_seen(void **state)
{
	struct memory_tree honest = {0};
	struct tree_reader r = memory_tree_reader(&honest);
	struct proof p;

	(void)state;
	tree_fill(&honest, N_MAX, 0);
	for (uint64_t n = 1; n < N_MAX; n += n < N_ALL ? 1 : 7) {
		for (int way = 0; way <= 5; way++) {
			struct memory_tree forged = {0};
			struct tree_reader fr = memory_tree_reader(&forged);
			uint64_t at = rewrite(way, next_random() % n, n, &forged);
			uint64_t size = forged.frontier.size;
			struct digest forged_root = frontier_root(&forged.frontier);

			for (uint64_t held = 1; held <= n && held <= size && at < n; held++) {
				struct digest held_root;
				enum err e;

				assert_int_equal(merkle_root(&r, held, &held_root), ERR_OK);
				assert_int_equal(merkle_prove_consistency(&fr, held, size, &p),
						 ERR_OK);
				e = merkle_check_consistency(held, &held_root, size, &forged_root,
							     p.hash, p.n);
				/* before the place nothing was changed */
				if ((e == ERR_OK) != (held <= at))
					fail_msg("way %d at %ju of %ju, held %ju", way,
						 (uintmax_t)at, (uintmax_t)n, (uintmax_t)held);
			}
			memory_tree_fini(&forged);
		}
	}
	memory_tree_fini(&honest);
}

struct batch {
	uint64_t index[N_MAX];
	struct digest leaf[N_MAX];
	size_t n;
	uint64_t size;
	struct digest root;
	struct buf nodes;
};

static void batch_make(struct batch *b, const struct tree_reader *r, uint64_t size)
{
	buf_clear(&b->nodes);
	b->size = size;
	for (size_t i = 0; i < b->n; i++)
		b->leaf[i] = leaf_at(b->index[i], 0);
	assert_int_equal(merkle_root(r, size, &b->root), ERR_OK);
	assert_int_equal(merkle_batch_nodes(r, b->index, b->n, size, &b->nodes), ERR_OK);
}

static enum err batch_check(const struct batch *b, struct view nodes)
{
	return merkle_check_batch(b->index, b->leaf, b->n, b->size, nodes, &b->root, NULL);
}

/* each item's proof out of the batch is the one that the tree itself gives */
static void batch_check_proofs(const struct batch *b, const struct tree_reader *r)
{
	struct proof *all = calloc(b->n, sizeof(*all));
	struct proof want;

	assert_non_null(all);
	assert_int_equal(merkle_check_batch(b->index, b->leaf, b->n, b->size, buf_view(&b->nodes),
					    &b->root, all),
			 ERR_OK);
	for (size_t i = 0; i < b->n; i++) {
		assert_int_equal(merkle_prove_inclusion(r, b->index[i], b->size, &want), ERR_OK);
		assert_int_equal(all[i].n, want.n);
		assert_memory_equal(all[i].hash, want.hash, want.n * DIGEST_BYTES);
	}
	free(all);
}

static void batch_check_broken(struct batch *b)
{
	struct view nodes = buf_view(&b->nodes);
	CLEANUP(buf_fini) struct buf more = {0};
	struct digest root = b->root;
	uint8_t *p = buf_data(&b->nodes);

	assert_int_equal(buf_put_view(&more, nodes), ERR_OK);
	assert_int_equal(buf_put_view(&more, view_digest(&root)), ERR_OK);
	assert_int_equal(batch_check(b, buf_view(&more)), ERR_PROOF);
	for (size_t cut = 1; cut <= nodes.n && cut <= DIGEST_BYTES; cut += 31)
		assert_int_equal(batch_check(b, view_of(nodes.p, nodes.n - cut)), ERR_PROOF);
	for (size_t at = 0; at < nodes.n; at += DIGEST_BYTES) {
		size_t byte = at + next_random() % DIGEST_BYTES;

		p[byte] ^= 0x40;
		assert_int_equal(batch_check(b, nodes), ERR_PROOF);
		p[byte] ^= 0x40;
	}
	for (size_t at = 0; at + DIGEST_BYTES < nodes.n; at += DIGEST_BYTES) {
		uint8_t two[2 * DIGEST_BYTES];

		memcpy(two, p + at, sizeof(two));
		memcpy(p + at, two + DIGEST_BYTES, DIGEST_BYTES);
		memcpy(p + at + DIGEST_BYTES, two, DIGEST_BYTES);
		assert_int_equal(batch_check(b, nodes), ERR_PROOF);
		memcpy(p + at, two, sizeof(two));
	}
	for (size_t i = 0; i < b->n; i++) {
		b->leaf[i].b[i % DIGEST_BYTES] ^= 1;
		assert_int_equal(batch_check(b, nodes), ERR_PROOF);
		b->leaf[i].b[i % DIGEST_BYTES] ^= 1;
	}
	b->root.b[31] ^= 1;
	assert_int_equal(batch_check(b, nodes), ERR_PROOF);
	b->root.b[31] ^= 1;
	/* items missing, twice, out of order, out of the tree */
	b->n--;
	assert_int_equal(batch_check(b, nodes), ERR_PROOF);
	b->n++;
	if (b->n > 1) {
		uint64_t was = b->index[1];

		b->index[1] = b->index[0];
		assert_int_equal(batch_check(b, nodes), ERR_PROOF);
		b->index[1] = was;
	}
	b->index[b->n - 1] += b->size;
	assert_int_equal(batch_check(b, nodes), ERR_PROOF);
	b->index[b->n - 1] -= b->size;
	assert_int_equal(batch_check(b, nodes), ERR_OK);
}

/* all subsets of the small trees */
static void test_batch_all_subsets(void **state)
{
	struct memory_tree t = {0};
	struct tree_reader r = memory_tree_reader(&t);
	struct batch b = {0};

	(void)state;
	tree_fill(&t, 9, 0);
	for (uint64_t size = 1; size <= 9; size++) {
		for (uint64_t set = 1; set < UINT64_C(1) << size; set++) {
			b.n = 0;
			for (uint64_t i = 0; i < size; i++) {
				if (set >> i & 1)
					b.index[b.n++] = i;
			}
			batch_make(&b, &r, size);
			batch_check_proofs(&b, &r);
			batch_check_broken(&b);
		}
	}
	buf_fini(&b.nodes);
	memory_tree_fini(&t);
}

/* every size up to 256 with sparse, dense, contiguous and full subsets */
static void test_batch_all_sizes(void **state)
{
	struct memory_tree t = {0};
	struct tree_reader r = memory_tree_reader(&t);
	struct batch b = {0};

	(void)state;
	print_message("seed %ju\n", (uintmax_t)seed_state);
	tree_fill(&t, N_MAX, 0);
	for (uint64_t size = 1; size <= N_MAX; size++) {
		for (int way = 0; way < 5; way++) {
			uint64_t from = next_random() % size;
			uint64_t to = from + next_random() % (size - from) + 1;

			b.n = 0;
			for (uint64_t i = 0; i < size; i++) {
				bool in = way == 0 || (way == 1 && i == from) ||
					  (way == 2 && i >= from && i < to) ||
					  (way == 3 && next_random() % 8 == 0) ||
					  (way == 4 && next_random() % 2 == 0);

				if (in)
					b.index[b.n++] = i;
			}
			if (b.n == 0)
				b.index[b.n++] = from;
			batch_make(&b, &r, size);
			assert_int_equal(b.nodes.n == 0, b.n == size);
			batch_check_proofs(&b, &r);
			if (size < 40 || size % 16 < 2)
				batch_check_broken(&b);
		}
	}
	buf_fini(&b.nodes);
	memory_tree_fini(&t);
}

static void test_batch_arguments(void **state)
{
	struct memory_tree t = {0};
	struct tree_reader r = memory_tree_reader(&t);
	CLEANUP(buf_fini) struct buf out = {0};
	CLEANUP(freep) uint8_t *many = calloc(MERKLE_BATCH_NODES_MAX + 1, DIGEST_BYTES);
	uint64_t index[2] = {3, 2};
	struct digest leaf[2] = {leaf_at(3, 0), leaf_at(2, 0)};
	struct digest root;
	struct proof p;

	(void)state;
	assert_non_null(many);
	tree_fill(&t, 5, 0);
	assert_int_equal(merkle_root(&r, 5, &root), ERR_OK);
	assert_int_equal(merkle_batch_nodes(&r, index, 2, 5, &out), ERR_INVALID);
	assert_int_equal(merkle_batch_nodes(&r, index, 1, 3, &out), ERR_INVALID);
	assert_int_equal(merkle_batch_nodes(&r, index, 0, 5, &out), ERR_INVALID);
	assert_int_equal(out.n, 0);
	assert_int_equal(merkle_check_batch(index, leaf, 2, 5, view_of(many, 64), &root, NULL),
			 ERR_PROOF);
	assert_int_equal(merkle_check_batch(index, leaf, 0, 5, view_of(many, 32), &root, NULL),
			 ERR_PROOF);
	assert_int_equal(merkle_check_batch(index, leaf, 1, MERKLE_SIZE_MAX + 1, view_of(many, 64),
					    &root, NULL),
			 ERR_PROOF);
	assert_int_equal(
		merkle_check_batch(index, leaf, 1, UINT64_MAX, view_of(many, 64), &root, NULL),
		ERR_PROOF);
	assert_int_equal(merkle_check_batch(
				 index, leaf, 1, 5,
				 view_of(many, (MERKLE_BATCH_NODES_MAX + 1) * (size_t)DIGEST_BYTES),
				 &root, NULL),
			 ERR_PROOF);
	assert_int_equal(merkle_batch_nodes(&r, index, 1, 5, &out), ERR_OK);
	assert_int_equal(merkle_check_batch(index, leaf, 1, 5, buf_view(&out), &root, &p), ERR_OK);
	assert_int_equal(merkle_check_inclusion(leaf, 3, 5, p.hash, p.n, &root), ERR_OK);
	memory_tree_fini(&t);
}

/* trees near the largest size: the algorithms end, and nothing overflows */
static void test_largest_sizes(void **state)
{
	struct digest zero[MERKLE_PROOF_MAX] = {0};
	struct digest root = leaf_at(0, 0);
	uint64_t index[1] = {MERKLE_SIZE_MAX - 1};

	(void)state;
	for (size_t n = 0; n <= MERKLE_PROOF_MAX; n++) {
		assert_int_equal(merkle_check_inclusion(&root, MERKLE_SIZE_MAX - 1, MERKLE_SIZE_MAX,
							zero, n, &root),
				 ERR_PROOF);
		assert_int_equal(
			merkle_check_inclusion(&root, UINT64_MAX - 1, UINT64_MAX, zero, n, &root),
			ERR_PROOF);
		assert_int_equal(
			merkle_check_consistency(1, &root, MERKLE_SIZE_MAX, &zero[0], zero, n),
			ERR_PROOF);
		assert_int_equal(merkle_check_consistency(1, &root, UINT64_MAX, &zero[0], zero, n),
				 ERR_PROOF);
		assert_int_equal(merkle_check_batch(index, &root, 1, MERKLE_SIZE_MAX,
						    view_of(zero, n * sizeof(zero[0])), &root,
						    NULL),
				 ERR_PROOF);
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
		cmocka_unit_test(test_rfc6962_roots),
		cmocka_unit_test(test_inclusion_probes),
		cmocka_unit_test(test_witness_consistency),
		cmocka_unit_test(test_roots_agree),
		cmocka_unit_test(test_inclusion_all),
		cmocka_unit_test(test_consistency_all),
		cmocka_unit_test(test_prefix_all),
		cmocka_unit_test(test_rewrites_are_seen),
		cmocka_unit_test(test_batch_all_subsets),
		cmocka_unit_test(test_batch_all_sizes),
		cmocka_unit_test(test_batch_arguments),
		cmocka_unit_test(test_largest_sizes),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
