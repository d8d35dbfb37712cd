#include "ledger/merkle.h"

#include <stdlib.h>

#include "base/own.h"
#include "crypto/digest.h"

struct digest merkle_leaf(struct view entry)
{
	static const uint8_t tag = 0x00;

	return sha256_parts((struct view[]){view_of(&tag, 1), entry}, 2);
}

struct digest merkle_node(const struct digest *left, const struct digest *right)
{
	uint8_t bytes[1 + 2 * DIGEST_BYTES];

	bytes[0] = 0x01;
	memcpy(bytes + 1, left->b, DIGEST_BYTES);
	memcpy(bytes + 1 + DIGEST_BYTES, right->b, DIGEST_BYTES);
	return sha256(view_of(bytes, sizeof(bytes)));
}

struct digest merkle_empty(void)
{
	return sha256(view_of("", 0));
}

/** Largest power of two below @p n, which is at least 2: where RFC 6962 splits a range. */
static uint64_t split_at(uint64_t n)
{
	return UINT64_C(1) << (63 - __builtin_clzll(n - 1));
}

/** Level of the largest complete subtree in @p n leaves, n >= 1. */
static unsigned top_level(uint64_t n)
{
	return 63 - (unsigned)__builtin_clzll(n);
}

static bool is_power_of_two(uint64_t n)
{
	return (n & (n - 1)) == 0;
}

void frontier_append(struct frontier *f, const struct digest *leaf,
		     void (*completed)(void *ctx, unsigned level, uint64_t index,
				       const struct digest *node),
		     void *ctx)
{
	struct digest at = *leaf;
	unsigned level = 0;

	ASSERT(f->size < MERKLE_SIZE_MAX);
	if (completed)
		completed(ctx, 0, f->size, &at);
	while ((f->size >> level) & 1) {
		at = merkle_node(&f->node[level], &at);
		memset(&f->node[level], 0, sizeof(f->node[level]));
		level++;
		if (completed)
			completed(ctx, level, f->size >> level, &at);
	}
	f->node[level] = at;
	f->size++;
}

struct digest frontier_root(const struct frontier *f)
{
	struct digest root;
	bool has_root = false;

	for (unsigned level = 0; level <= MERKLE_LEVEL_MAX; level++) {
		if (!((f->size >> level) & 1))
			continue;
		root = has_root ? merkle_node(&f->node[level], &root) : f->node[level];
		has_root = true;
	}
	return has_root ? root : merkle_empty();
}

/**
 * Root of the range of @p n leaves from @p lo. RFC 6962 ranges begin at a multiple of the largest
 * power of two in them, so they fall into complete nodes, larger ones first.
 */
static enum err range_root(const struct tree_reader *r, uint64_t lo, uint64_t n, struct digest *ret)
{
	struct digest node[MERKLE_LEVEL_MAX + 1];
	size_t n_nodes = 0;
	enum err e;

	while (n > 0) {
		unsigned level = top_level(n);

		e = r->hash(r->ctx, level, lo >> level, &node[n_nodes]);
		if (e)
			return err_trace(e);
		n_nodes++;
		lo += UINT64_C(1) << level;
		n -= UINT64_C(1) << level;
	}
	while (n_nodes > 1) {
		n_nodes--;
		node[n_nodes - 1] = merkle_node(&node[n_nodes - 1], &node[n_nodes]);
	}
	*ret = node[0];
	return ERR_OK;
}

enum err merkle_root(const struct tree_reader *r, uint64_t size, struct digest *ret)
{
	if (size > MERKLE_SIZE_MAX)
		return err_new(ERR_INVALID, "tree of more than 2^62 - 1 leaves");
	if (size == 0) {
		*ret = merkle_empty();
		return ERR_OK;
	}
	return range_root(r, 0, size, ret);
}

/** A proof is collected from the root down and stands from the leaf up. */
static void proof_turn(struct proof *p)
{
	for (size_t i = 0; i < p->n / 2; i++) {
		struct digest d = p->hash[i];

		p->hash[i] = p->hash[p->n - 1 - i];
		p->hash[p->n - 1 - i] = d;
	}
}

enum err merkle_prove_inclusion(const struct tree_reader *r, uint64_t index, uint64_t size,
				struct proof *ret)
{
	struct proof proof = {.n = 0};
	uint64_t lo = 0;
	uint64_t n = size;
	enum err e;

	if (size > MERKLE_SIZE_MAX || index >= size)
		return err_new(ERR_INVALID, "no such leaf in a tree of this size");
	while (n > 1) {
		uint64_t k = split_at(n);

		if (index < lo + k) {
			e = range_root(r, lo + k, n - k, &proof.hash[proof.n]);
			n = k;
		} else {
			e = range_root(r, lo, k, &proof.hash[proof.n]);
			lo += k;
			n -= k;
		}
		if (e)
			return err_trace(e);
		proof.n++;
	}
	proof_turn(&proof);
	*ret = proof;
	return ERR_OK;
}

/** SUBPROOF of RFC 6962 2.1.2, as a loop; 0 < from <= to. @p is_known is its b. */
static enum err prove_prefix(const struct tree_reader *r, uint64_t from, uint64_t to, bool is_known,
			     struct proof *ret)
{
	struct proof proof = {.n = 0};
	uint64_t lo = 0;
	uint64_t n = to;
	enum err e;

	while (lo + n != from) {
		uint64_t k = split_at(n);

		if (from <= lo + k) {
			e = range_root(r, lo + k, n - k, &proof.hash[proof.n]);
			n = k;
		} else {
			e = range_root(r, lo, k, &proof.hash[proof.n]);
			lo += k;
			n -= k;
		}
		if (e)
			return err_trace(e);
		proof.n++;
	}
	/* the verifier may know the root of the whole old tree, not of a part of it */
	if (lo != 0 || !is_known) {
		e = range_root(r, lo, n, &proof.hash[proof.n]);
		if (e)
			return err_trace(e);
		proof.n++;
	}
	proof_turn(&proof);
	*ret = proof;
	return ERR_OK;
}

enum err merkle_prove_consistency(const struct tree_reader *r, uint64_t from, uint64_t to,
				  struct proof *ret)
{
	if (to > MERKLE_SIZE_MAX || from > to)
		return err_new(ERR_INVALID, "no prefix of a tree of this size");
	if (from == 0 || from == to) {
		ret->n = 0;
		return ERR_OK;
	}
	return prove_prefix(r, from, to, true, ret);
}

enum err merkle_prove_prefix(const struct tree_reader *r, uint64_t from, uint64_t to,
			     struct proof *ret)
{
	if (to > MERKLE_SIZE_MAX || from == 0 || from > to)
		return err_new(ERR_INVALID, "no prefix of a tree of this size");
	return prove_prefix(r, from, to, false, ret);
}

enum err merkle_check_inclusion(const struct digest *leaf, uint64_t index, uint64_t size,
				const struct digest *hashes, size_t n, const struct digest *root)
{
	struct digest at = *leaf;
	uint64_t fn = index;
	uint64_t sn = size - 1;

	if (size > MERKLE_SIZE_MAX || index >= size)
		return err_new(ERR_PROOF, "no such leaf in a tree of this size");
	for (size_t i = 0; i < n; i++) {
		if (sn == 0)
			return err_new(ERR_PROOF, "inclusion proof too long");
		if ((fn & 1) || fn == sn) {
			at = merkle_node(&hashes[i], &at);
			/* levels at which this subtree has no right sibling take no hash */
			while (!(fn & 1) && fn != 0) {
				fn >>= 1;
				sn >>= 1;
			}
		} else {
			at = merkle_node(&at, &hashes[i]);
		}
		fn >>= 1;
		sn >>= 1;
	}
	if (sn != 0)
		return err_new(ERR_PROOF, "inclusion proof too short");
	if (!digest_eq(&at, root))
		return err_new(ERR_PROOF, "inclusion proof leads to another root");
	return ERR_OK;
}

/**
 * RFC 9162 2.1.4.2 steps 3 to 7: both roots, from the subtree at the edge of the old tree on;
 * 0 < from < to.
 */
static enum err rebuild_prefix(uint64_t from, uint64_t to, const struct digest *edge,
			       const struct digest *hashes, size_t n, struct digest *ret_from,
			       struct digest *ret_to)
{
	uint64_t fn = from - 1;
	uint64_t sn = to - 1;
	struct digest fr = *edge;
	struct digest sr = *edge;

	while (fn & 1) {
		fn >>= 1;
		sn >>= 1;
	}
	for (size_t i = 0; i < n; i++) {
		if (sn == 0)
			return err_new(ERR_PROOF, "consistency proof too long");
		if ((fn & 1) || fn == sn) {
			fr = merkle_node(&hashes[i], &fr);
			sr = merkle_node(&hashes[i], &sr);
			while (!(fn & 1) && fn != 0) {
				fn >>= 1;
				sn >>= 1;
			}
		} else {
			sr = merkle_node(&sr, &hashes[i]);
		}
		fn >>= 1;
		sn >>= 1;
	}
	if (sn != 0)
		return err_new(ERR_PROOF, "consistency proof too short");
	*ret_from = fr;
	*ret_to = sr;
	return ERR_OK;
}

/** RFC 9162 2.1.4.2; 0 < from < to. */
static enum err check_prefix(uint64_t from, const struct digest *from_root, uint64_t to,
			     const struct digest *to_root, const struct digest *hashes, size_t n)
{
	const bool has_edge = !is_power_of_two(from);
	struct digest fr, sr;
	enum err e;

	if (has_edge && n == 0)
		return err_new(ERR_PROOF, "consistency proof too short");
	e = has_edge ? rebuild_prefix(from, to, &hashes[0], hashes + 1, n - 1, &fr, &sr)
		     : rebuild_prefix(from, to, from_root, hashes, n, &fr, &sr);
	if (e)
		return err_trace(e);
	if (!digest_eq(&fr, from_root) || !digest_eq(&sr, to_root))
		return err_new(ERR_PROOF, "consistency proof leads to another root");
	return ERR_OK;
}

enum err merkle_prefix_root(uint64_t from, uint64_t to, const struct digest *to_root,
			    const struct digest *hashes, size_t n, struct digest *ret)
{
	struct digest fr, sr;
	enum err e;

	if (to > MERKLE_SIZE_MAX || from == 0 || from > to)
		return err_new(ERR_PROOF, "no prefix of a tree of this size");
	if (n == 0 || (from == to && n != 1))
		return err_new(ERR_PROOF, "prefix proof too short or too long");
	fr = sr = hashes[0];
	if (from < to) {
		e = rebuild_prefix(from, to, &hashes[0], hashes + 1, n - 1, &fr, &sr);
		if (e)
			return err_trace(e);
	}
	if (!digest_eq(&sr, to_root))
		return err_new(ERR_PROOF, "prefix proof leads to another root");
	*ret = fr;
	return ERR_OK;
}

enum err merkle_check_consistency(uint64_t from, const struct digest *from_root, uint64_t to,
				  const struct digest *to_root, const struct digest *hashes,
				  size_t n)
{
	if (to > MERKLE_SIZE_MAX || from > to)
		return err_new(ERR_PROOF, "no prefix of a tree of this size");
	if (from == 0 || from == to) {
		if (n != 0)
			return err_new(ERR_PROOF, "consistency proof where none belongs");
		if (from == to && !digest_eq(from_root, to_root))
			return err_new(ERR_PROOF, "equal sizes with different roots");
		return ERR_OK;
	}
	return check_prefix(from, from_root, to, to_root, hashes, n);
}

/** How many of the ascending @p index lie below @p end. */
static size_t count_below(const uint64_t *index, size_t n, uint64_t end)
{
	size_t below = 0;

	while (below < n && index[below] < end)
		below++;
	return below;
}

static bool indices_fit(const uint64_t *index, size_t n, uint64_t size)
{
	if (size > MERKLE_SIZE_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (index[i] >= size || (i > 0 && index[i] <= index[i - 1]))
			return false;
	}
	return true;
}

/** Depth of recursion: the height of the tree, at most MERKLE_LEVEL_MAX + 1. */
static enum err put_nodes(const struct tree_reader *r, const uint64_t *index, size_t n_items,
			  uint64_t lo, uint64_t n, struct buf *out)
{
	struct digest root;
	uint64_t k;
	size_t n_left;
	enum err e;

	if (n_items == 0) {
		e = range_root(r, lo, n, &root);
		if (e)
			return err_trace(e);
		return buf_put(out, root.b, DIGEST_BYTES);
	}
	if (n == 1)
		return ERR_OK;
	k = split_at(n);
	n_left = count_below(index, n_items, lo + k);
	e = put_nodes(r, index, n_left, lo, k, out);
	if (e)
		return err_trace(e);
	return put_nodes(r, index + n_left, n_items - n_left, lo + k, n - k, out);
}

enum err merkle_batch_nodes(const struct tree_reader *r, const uint64_t *index, size_t n,
			    uint64_t size, struct buf *out)
{
	if (n == 0 || !indices_fit(index, n, size))
		return err_new(ERR_INVALID, "indices not ascending within the tree");
	return put_nodes(r, index, n, 0, size, out);
}

/**
 * rebuild() of PROTOCOL.md 6.2.
 *
 * @param nodes   those not yet taken
 * @param proofs  one an item, grown on the way back up; NULL when not wanted
 */
static enum err rebuild(struct view *nodes, const uint64_t *index, const struct digest *leaf,
			struct proof *proofs, size_t n_items, uint64_t lo, uint64_t n,
			struct digest *ret)
{
	struct digest left;
	struct digest right;
	uint64_t k;
	size_t n_left;
	enum err e;

	if (n_items == 0) {
		if (nodes->n < DIGEST_BYTES)
			return err_new(ERR_PROOF, "too few nodes in the batch");
		memcpy(ret->b, nodes->p, DIGEST_BYTES);
		*nodes = view_of(nodes->p + DIGEST_BYTES, nodes->n - DIGEST_BYTES);
		return ERR_OK;
	}
	if (n == 1) {
		*ret = leaf[0];
		return ERR_OK;
	}
	k = split_at(n);
	n_left = count_below(index, n_items, lo + k);
	e = rebuild(nodes, index, leaf, proofs, n_left, lo, k, &left);
	if (e)
		return err_trace(e);
	e = rebuild(nodes, index + n_left, leaf + n_left, proofs ? proofs + n_left : NULL,
		    n_items - n_left, lo + k, n - k, &right);
	if (e)
		return err_trace(e);
	for (size_t i = 0; proofs && i < n_items; i++)
		proofs[i].hash[proofs[i].n++] = i < n_left ? right : left;
	*ret = merkle_node(&left, &right);
	return ERR_OK;
}

static enum err rebuild_root(const uint64_t *index, const struct digest *leaf, size_t n,
			     uint64_t size, struct view nodes, struct proof *proofs,
			     struct digest *ret)
{
	enum err e;

	if (n == 0 || !indices_fit(index, n, size))
		return err_new(ERR_PROOF, "indices not ascending within the tree");
	if (nodes.n % DIGEST_BYTES != 0 || nodes.n / DIGEST_BYTES > MERKLE_BATCH_NODES_MAX)
		return err_new(ERR_PROOF, "nodes of %zu bytes", nodes.n);
	e = rebuild(&nodes, index, leaf, proofs, n, 0, size, ret);
	if (e)
		return err_trace(e);
	if (nodes.n != 0)
		return err_new(ERR_PROOF, "nodes left over in the batch");
	return ERR_OK;
}

enum err merkle_check_batch(const uint64_t *index, const struct digest *leaf, size_t n,
			    uint64_t size, struct view nodes, const struct digest *root,
			    struct proof *ret)
{
	struct digest built;
	enum err e;

	for (size_t i = 0; ret && i < n; i++)
		ret[i].n = 0;
	e = rebuild_root(index, leaf, n, size, nodes, ret, &built);
	if (e)
		return err_trace(e);
	if (!digest_eq(&built, root))
		return err_new(ERR_PROOF, "batch leads to another root");
	return ERR_OK;
}
