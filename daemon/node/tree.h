/**
 * @file
 * The stored tree of this node's ledger: append in O(1) amortised, any node of a proof in O(1)
 * reads of one tile. Full tiles of 256 hashes are rows of the database and never change; the
 * unfinished right edge of each tile level stays in memory and is rebuilt at start from the rows.
 */
#ifndef NODE_TREE_H
#define NODE_TREE_H

#include "ledger/merkle.h"
#include "store/ledger_table.h"

#define TREE_TILE_LEVELS 8 /**< 256^8 leaves: all that fit below 2^62 */

struct tree {
	struct store *store; /**< borrowed */
	uint64_t epoch;
	uint64_t size;
	struct frontier frontier;
	struct {
		struct digest hash[TILE_WIDTH];
		size_t n;
	} tail[TREE_TILE_LEVELS];
	struct { /* the tile read last, a level each */
		bool is_set;
		uint64_t n;
		struct digest hash[TILE_WIDTH];
	} cache[TREE_TILE_LEVELS];
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
