#include "node/tree.h"

#include <string.h>

/* Where the nodes of a level of a tile begin. */
static size_t level_at(unsigned level)
{
	const size_t all = (size_t)2 * TILE_WIDTH;

	return all - (all >> level);
}

static void tile_add(struct tile *t, const struct digest *hash)
{
	size_t i = t->n++;

	ASSERT(i < TILE_WIDTH);
	t->node[i] = *hash;
	for (unsigned level = 0; i & 1; level++, i /= 2) {
		const struct digest *pair = &t->node[level_at(level) + i - 1];

		t->node[level_at(level + 1) + i / 2] = merkle_node(&pair[0], &pair[1]);
	}
}

static void tile_set(struct tile *t, const struct digest *hash, size_t n)
{
	t->n = 0;
	for (size_t i = 0; i < n; i++)
		tile_add(t, &hash[i]);
}

static uint64_t full_tiles(const struct tree *t, unsigned level)
{
	return t->size >> (8 * (level + 1));
}

/* Where of the cache a tile belongs. */
static size_t slot_of(unsigned level, uint64_t n)
{
	return level ? TREE_LEAF_TILES_KEPT + level - 1 : (size_t)(n % TREE_LEAF_TILES_KEPT);
}

static enum err cache_read(struct tree *t, unsigned level, uint64_t n)
{
	const size_t slot = slot_of(level, n);
	struct digest hash[TILE_WIDTH];
	enum err e = tile_get(t->store, t->epoch, level, n, hash);

	if (e)
		return err_trace(e);
	tile_set(&t->cache[slot].tile, hash, TILE_WIDTH);
	t->cache[slot].n = n;
	return ERR_OK;
}

static enum err tile_at(struct tree *t, unsigned level, uint64_t n, const struct tile **ret)
{
	const size_t slot = slot_of(level, n);
	enum err e = ERR_OK;

	if (n == full_tiles(t, level)) {
		*ret = &t->tail[level];
		return ERR_OK;
	}
	if (t->cache[slot].tile.n == 0 || t->cache[slot].n != n)
		e = cache_read(t, level, n);
	if (e)
		return err_trace(e);
	*ret = &t->cache[slot].tile;
	return ERR_OK;
}

static enum err tree_hash(void *ctx, unsigned level, uint64_t index, struct digest *ret)
{
	struct tree *t = ctx;
	const unsigned within = level % 8;
	const uint64_t width = TILE_WIDTH >> within;
	const struct tile *tile;
	enum err e;

	if (level > MERKLE_LEVEL_MAX || index >= t->size >> level)
		return err_new(ERR_BUG, "no complete node %u/%llu", level,
			       (unsigned long long)index);
	e = tile_at(t, level / 8, index / width, &tile);
	if (e)
		return err_trace(e);
	*ret = tile->node[level_at(within) + index % width];
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
	struct digest hash[TILE_WIDTH];
	uint64_t stored;
	enum err e;

	e = tile_count(t->store, t->epoch, level, &stored);
	if (e)
		return err_trace(e);
	if (stored != full_tiles(t, level))
		return err_new(ERR_STORAGE, "%llu tiles at level %u, not %llu",
			       (unsigned long long)stored, level,
			       (unsigned long long)full_tiles(t, level));
	if (n && level == 0)
		e = entry_leaves(t->store, t->epoch, first, n, hash);
	for (size_t i = 0; !e && level && i < n; i++)
		e = tile_get_node(t->store, t->epoch, level - 1, first + i, &hash[i]);
	if (e)
		return err_trace(e);
	tile_set(&t->tail[level], hash, n);
	return ERR_OK;
}

enum err tree_load(struct tree *t, struct store *store, uint64_t epoch, uint64_t size)
{
	enum err e;

	/* of a tile without hashes nothing is read: most of this is never touched */
	for (size_t i = 0; i < ARRAY_LEN(t->tail); i++)
		t->tail[i].n = 0;
	for (size_t i = 0; i < ARRAY_LEN(t->cache); i++)
		t->cache[i].tile.n = 0;
	memset(&t->frontier, 0, sizeof(t->frontier));
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
		struct tile *tail = &t->tail[level];

		ASSERT(level < TREE_TILE_LEVELS);
		tile_add(tail, &node);
		if (tail->n < TILE_WIDTH)
			return ERR_OK;
		node = tail->node[level_at(8)];
		e = tile_put(t->store, t->epoch, level, full_tiles(t, level) - 1, tail->node,
			     &node);
		if (e)
			return err_trace(e);
		tail->n = 0;
	}
}

struct digest tree_root(const struct tree *t)
{
	return frontier_root(&t->frontier);
}
