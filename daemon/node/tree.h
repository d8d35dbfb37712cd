/**
 * @file
 * The stored tree of this node's ledger: append in O(1) amortised, any node of a proof in O(1)
 * reads of one tile. Full tiles of 256 hashes are rows of the database and never change; the
 * unfinished right edge of each tile level stays in memory and is rebuilt at start from the rows.
 * A tile in memory has all nodes over its hashes, so that a proof hashes nothing.
 */
#ifndef NODE_TREE_H
#define NODE_TREE_H

#include "ledger/merkle.h"
#include "store/ledger_table.h"

#define TREE_TILE_LEVELS 8 /**< 256^8 leaves: all that fit below 2^62 */
/** Tiles of leaves kept: records that are referred were sealed here and there in the ledger. */
#define TREE_LEAF_TILES_KEPT 8

/** Hashes in their order, and the complete nodes over them: TILE_WIDTH >> level at each level. */
struct tile {
	size_t n;				/**< hashes, 0..TILE_WIDTH */
	struct digest node[2 * TILE_WIDTH - 1]; /**< the hashes, then a level after the other */
};

struct tree {
	struct store *store; /**< borrowed */
	uint64_t epoch;
	uint64_t size;
	struct frontier frontier;
	struct tile tail[TREE_TILE_LEVELS]; /**< the right edge */
	struct {
		uint64_t n; /**< which one, when it has any hash */
		struct tile tile;
	} cache[TREE_LEAF_TILES_KEPT + TREE_TILE_LEVELS - 1]; /**< read lately; above, one each */
};

/**
 * Rebuild the edges from the database: O(256 x levels) reads.
 *
 * @param epoch of the ledger
 * @param size  number of entries stored
 * @retval ERR_STORAGE  tiles and entries do not fit together
 */
enum err tree_load(struct tree *t, struct store *store, uint64_t epoch, uint64_t size) WARN_UNUSED;

/** Add a leaf; writes a tile when one is full. In a transaction. */
enum err tree_append(struct tree *t, const struct digest *leaf) WARN_UNUSED;

/** Root over all leaves. */
struct digest tree_root(const struct tree *t);

/** For proofs; borrows @p t. */
struct tree_reader tree_reader_of(struct tree *t);

#endif
