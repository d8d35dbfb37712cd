#include "node/tree.h"

#include <string.h>

/* Root over 2^n_levels hashes, which are overwritten. */
static struct digest fold(struct digest *hash, unsigned n_levels)
{
	for (size_t n = (size_t)1 << n_levels; n > 1; n /= 2)
		for (size_t i = 0; i < n / 2; i++)
			hash[i] = merkle_node(&hash[2 * i], &hash[2 * i + 1]);
	return hash[0];
}

static uint64_t full_tiles(const struct tree *t, unsigned level)
{
	return t->size >> (8 * (level + 1));
}

static enum err tile_hashes(struct tree *t, unsigned level, uint64_t n, const struct digest **ret)
{
	enum err e;

	if (n == full_tiles(t, level)) {
		*ret = t->tail[level].hash;
		return ERR_OK;
	}
	if (!t->cache[level].is_set || t->cache[level].n != n) {
		t->cache[level].is_set = false;
		e = tile_get(t->store, t->epoch, level, n, t->cache[level].hash);
		if (e)
			return err_trace(e);
		t->cache[level].n = n;
		t->cache[level].is_set = true;
	}
	*ret = t->cache[level].hash;
	return ERR_OK;
}

static enum err tree_hash(void *ctx, unsigned level, uint64_t index, struct digest *ret)
{
	struct tree *t = ctx;
	const unsigned tile_level = level / 8, within = level % 8;
	const struct digest *hashes;
	struct digest scratch[TILE_WIDTH / 2];
	uint64_t first;
	enum err e;

	if (level > MERKLE_LEVEL_MAX || index >= t->size >> level)
		return err_new(ERR_BUG, "no complete node %u/%llu", level,
			       (unsigned long long)index);
	first = index << within;
	e = tile_hashes(t, tile_level, first / TILE_WIDTH, &hashes);
	if (e)
		return err_trace(e);
	memcpy(scratch, hashes + first % TILE_WIDTH, sizeof(scratch[0]) << within);
	*ret = fold(scratch, within);
	return ERR_OK;
}

struct tree_reader tree_reader_of(struct tree *t)
{
	return (struct tree_reader){.hash = tree_hash, .ctx = t};
}

static enum err load_tail(struct tree *t, unsigned level)
{
	const uint64_t first = full_tiles(t, level) * TILE_WIDTH;
	const size_t n = (size_t)((t->size >> (8 * level)) - first);
	uint64_t stored;
	enum err e;

	e = tile_count(t->store, t->epoch, level, &stored);
	if (e)
		return err_trace(e);
	if (stored != full_tiles(t, level))
		return err_new(ERR_STORAGE, "%llu tiles at level %u, not %llu",
			       (unsigned long long)stored, level,
			       (unsigned long long)full_tiles(t, level));
	t->tail[level].n = n;
	if (n == 0)
		return ERR_OK;
	if (level == 0)
		return entry_leaves(t->store, t->epoch, first, n, t->tail[0].hash);
	for (size_t i = 0; i < n; i++) {
		e = tile_get_node(t->store, t->epoch, level - 1, first + i,
				  &t->tail[level].hash[i]);
		if (e)
			return err_trace(e);
	}
	return ERR_OK;
}

enum err tree_load(struct tree *t, struct store *store, uint64_t epoch, uint64_t size)
{
	enum err e;

	memset(t, 0, sizeof(*t));
	t->store = store;
	t->epoch = epoch;
	t->size = size;
	for (unsigned level = 0; level < TREE_TILE_LEVELS - 1; level++) {
		e = load_tail(t, level);
		if (e)
			return err_trace(e);
	}
	t->frontier.size = size;
	for (unsigned level = 0; level <= MERKLE_LEVEL_MAX; level++) {
		if (!(size >> level & 1))
			continue;
		e = tree_hash(t, level, (size >> level) - 1, &t->frontier.node[level]);
		if (e)
			return err_trace(e);
	}
	return ERR_OK;
}

enum err tree_append(struct tree *t, const struct digest *leaf)
{
	struct digest node = *leaf;
	enum err e;

	frontier_append(&t->frontier, leaf, NULL, NULL);
	t->size++;
	for (unsigned level = 0;; level++) {
		struct digest scratch[TILE_WIDTH];

		ASSERT(level < TREE_TILE_LEVELS);
		t->tail[level].hash[t->tail[level].n++] = node;
		if (t->tail[level].n < TILE_WIDTH)
			return ERR_OK;
		memcpy(scratch, t->tail[level].hash, sizeof(scratch));
		node = fold(scratch, 8);
		e = tile_put(t->store, t->epoch, level, full_tiles(t, level) - 1,
			     t->tail[level].hash, &node);
		if (e)
			return err_trace(e);
		t->tail[level].n = 0;
	}
}

struct digest tree_root(const struct tree *t)
{
	return frontier_root(&t->frontier);
}
