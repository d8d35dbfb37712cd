/**
 * @file
 * A Merkle tree held in memory: complete nodes by level, as the database keeps them in tiles.
 */
#ifndef TESTS_COMMON_MEMORY_TREE_H
#define TESTS_COMMON_MEMORY_TREE_H

#include <stdlib.h>

#include "ledger/merkle.h"

/** All zero is the empty tree. */
struct memory_tree {
	struct frontier frontier;
	struct digest *node[MERKLE_LEVEL_MAX + 1];
	size_t n[MERKLE_LEVEL_MAX + 1];
};

static inline void memory_tree_keep(void *ctx, unsigned level, uint64_t index,
				    const struct digest *node)
{
	struct memory_tree *t = ctx;

	ASSERT(level <= MERKLE_LEVEL_MAX && index == t->n[level]);
	/* room for twice as much whenever the count is a power of two */
	if ((t->n[level] & (t->n[level] - 1)) == 0) {
		size_t room = t->n[level] ? 2 * t->n[level] : 1;

		t->node[level] = realloc(t->node[level], room * sizeof(*node));
		ASSERT(t->node[level]);
	}
	t->node[level][t->n[level]++] = *node;
}

static inline void memory_tree_append(struct memory_tree *t, const struct digest *leaf)
{
	frontier_append(&t->frontier, leaf, memory_tree_keep, t);
}

static inline enum err memory_tree_hash(void *ctx, unsigned level, uint64_t index,
					struct digest *ret)
{
	const struct memory_tree *t = ctx;

	/* a node that is not there is a mistake of the code that asks */
	ASSERT(level <= MERKLE_LEVEL_MAX && index < t->n[level]);
	*ret = t->node[level][index];
	return ERR_OK;
}

static inline struct tree_reader memory_tree_reader(struct memory_tree *t)
{
	return (struct tree_reader){.hash = memory_tree_hash, .ctx = t};
}

static inline void memory_tree_fini(struct memory_tree *t)
{
	for (unsigned level = 0; level <= MERKLE_LEVEL_MAX; level++)
		free(t->node[level]);
	memset(t, 0, sizeof(*t));
}

#endif
