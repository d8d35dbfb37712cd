/**
 * @file
 * The RFC 6962 tree: hashes, growing, proofs made from stored subtrees, proofs verified.
 *
 * A *node* (level, index) is the root of the complete subtree over the 2^level leaves from
 * index << level. Nodes never change once complete, so a proof needs only O(log n) of them, which
 * the caller reads through struct tree_reader (from tiles of the database, or from memory in
 * tests).
 *
 * Source: RFC 6962 2.1, RFC 9162 2.1, PROTOCOL.md 2 and 6.2.
 */
#ifndef LEDGER_MERKLE_H
#define LEDGER_MERKLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"

#define MERKLE_LEVEL_MAX 62 /**< trees hold fewer than 2^62 leaves */
#define MERKLE_SIZE_MAX ((UINT64_C(1) << MERKLE_LEVEL_MAX) - 1)
#define MERKLE_PROOF_MAX 63 /**< hashes of one inclusion or consistency proof */
#define MERKLE_BATCH_NODES_MAX                                                                     \
	16384 /**< hashes that come with one batch: 256 items x 63, rounded */

/** A proof in memory. */
struct proof {
	struct digest hash[MERKLE_PROOF_MAX];
	size_t n;
};

struct digest merkle_leaf(struct view entry); /**< 0x00 || entry */
struct digest merkle_node(const struct digest *left, const struct digest *right);
struct digest merkle_empty(void);

/** Where complete nodes come from; hash() answers for nodes of the tree only. */
struct tree_reader {
	enum err (*hash)(void *ctx, unsigned level, uint64_t index, struct digest *ret);
	void *ctx;
};

/** The complete subtrees at the right edge: one digest a set bit of size. All zero is empty. */
struct frontier {
	uint64_t size;
	struct digest
		node[MERKLE_LEVEL_MAX + 1]; /**< node[level] is set when bit level of size is */
};

/**
 * Add one leaf; O(1) amortised.
 *
 * @param completed  called for each node that this leaf completes, levels ascending from 0; may be
 *                   NULL
 */
void frontier_append(struct frontier *f, const struct digest *leaf,
		     void (*completed)(void *ctx, unsigned level, uint64_t index,
				       const struct digest *node),
		     void *ctx);

/** Root over all leaves added; merkle_empty() for none. */
struct digest frontier_root(const struct frontier *f);

/** Root of the first @p size leaves, from complete nodes. */
enum err merkle_root(const struct tree_reader *r, uint64_t size, struct digest *ret) WARN_UNUSED;

/**
 * Inclusion proof of leaf @p index in the first @p size leaves, its sibling first.
 *
 * @retval ERR_INVALID  index >= size
 */
enum err merkle_prove_inclusion(const struct tree_reader *r, uint64_t index, uint64_t size,
				struct proof *ret) WARN_UNUSED;

/** Proof that the first @p from leaves are a prefix of the first @p to. Empty when from is 0 or to.
 */
enum err merkle_prove_consistency(const struct tree_reader *r, uint64_t from, uint64_t to,
				  struct proof *ret) WARN_UNUSED;

/**
 * The same for one who may know another root of the first @p from leaves: SUBPROOF(from, D[to],
 * false) of RFC 6962 2.1.2, which rebuilds both roots by itself. 0 < from <= to.
 *
 * @retval ERR_INVALID  other sizes
 */
enum err merkle_prove_prefix(const struct tree_reader *r, uint64_t from, uint64_t to,
			     struct proof *ret) WARN_UNUSED;

/** @retval ERR_PROOF  does not verify */
enum err merkle_check_inclusion(const struct digest *leaf, uint64_t index, uint64_t size,
				const struct digest *hashes, size_t n,
				const struct digest *root) WARN_UNUSED;

/**
 * from 0: the proof must be empty, any root. Equal sizes: empty proof and equal roots.
 *
 * @retval ERR_PROOF  does not verify
 */
enum err merkle_check_consistency(uint64_t from, const struct digest *from_root, uint64_t to,
				  const struct digest *to_root, const struct digest *hashes,
				  size_t n) WARN_UNUSED;

/**
 * The root of the first @p from leaves of the tree of @p to leaves and @p to_root, read off what
 * merkle_prove_prefix() made. Whoever signed @p to_root has that one prefix and no other.
 *
 * @retval ERR_PROOF  does not lead to @p to_root, or from is 0 or above to
 */
enum err merkle_prefix_root(uint64_t from, uint64_t to, const struct digest *to_root,
			    const struct digest *hashes, size_t n, struct digest *ret) WARN_UNUSED;

/**
 * The nodes that together with the items' leaves rebuild the root of @p size leaves, each once, in
 * the order in which rebuild takes them; appended to @p out as n x 32 bytes.
 *
 * @param index  strictly ascending, each < size, n >= 1
 */
enum err merkle_batch_nodes(const struct tree_reader *r, const uint64_t *index, size_t n,
			    uint64_t size, struct buf *out) WARN_UNUSED;

/**
 * Rebuild the root from items and nodes (PROTOCOL.md 6.2). All nodes must be used. A batch without
 * items has no nodes and is not rebuilt: do not call for one.
 *
 * @param index  strictly ascending, each < size; leaf[i] belongs to index[i]
 * @param nodes  n_nodes x 32 bytes as received
 * @param ret    n proofs, or NULL: the inclusion proof of each item, read off the same recursion,
 *               which is what is kept as evidence; undefined on failure
 * @retval ERR_PROOF  too few or too many nodes, bad indices, or another root than @p root
 */
enum err merkle_check_batch(const uint64_t *index, const struct digest *leaf, size_t n,
			    uint64_t size, struct view nodes, const struct digest *root,
			    struct proof *ret) WARN_UNUSED;

#endif
