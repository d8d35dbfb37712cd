#include "store/ledger_table.h"

#include "store/internal.h"

#define ENTRY_COLUMNS "epoch, idx, bytes, leaf, peer, k, body_blob, local_blob"

static void entry_read(struct query *q, struct entry_row *row)
{
	row->epoch = query_u64(q);
	row->index = query_u64(q);
	row->entry = query_view(q);
	query_digest(q, &row->leaf);
	row->peer = query_ref(q);
	row->k = query_u64(q);
	row->has_body = query_if(q, row->body_blob, sizeof(row->body_blob));
	row->has_local = query_if(q, row->local_blob, sizeof(row->local_blob));
}

DEFINE_ROW_ONE(entry)
DEFINE_ROW_EACH(entry)

enum err entry_put(struct store *s, const struct entry_row *row)
{
	CLEANUP(query_end) struct query q = {0};
	uint64_t n = s->n_entries;
	enum err e;

	if (!s->has_counted || s->counted_epoch != row->epoch) {
		e = entry_count(s, row->epoch, &n);
		if (e)
			return err_trace(e);
	}
	if (row->index < n)
		return err_new(ERR_EXISTS, "the ledger has an entry at %llu",
			       (unsigned long long)row->index);
	if (row->index > n)
		return err_new(ERR_INVALID, "the ledger's next entry is %llu",
			       (unsigned long long)n);
	query_begin(s, ST_ENTRY_PUT,
		    "INSERT INTO entry (" ENTRY_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?)", &q);
	query_bind_u64(&q, row->epoch);
	query_bind_u64(&q, row->index);
	query_bind_view(&q, row->entry);
	query_bind_digest(&q, &row->leaf);
	query_bind_ref(&q, row->peer);
	query_bind_u64(&q, row->k);
	query_bind_if(&q, row->has_body, row->body_blob, sizeof(row->body_blob));
	query_bind_if(&q, row->has_local, row->local_blob, sizeof(row->local_blob));
	e = query_run(&q, NULL);
	s->has_counted = !e;
	s->counted_epoch = row->epoch;
	s->n_entries = n + 1;
	return e ? err_trace(e) : ERR_OK;
}

enum err entry_get(struct store *s, uint64_t epoch, uint64_t index, struct entry_row *ret)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_ENTRY_GET,
		    "SELECT " ENTRY_COLUMNS " FROM entry WHERE epoch = ? AND idx = ?", &q);
	query_bind_u64(&q, epoch);
	query_bind_u64(&q, index);
	return entry_one(&q, ret);
}

enum err entry_get_k(struct store *s, uint64_t epoch, int64_t peer, uint64_t k,
		     struct entry_row *ret)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_ENTRY_GET_K,
		    "SELECT " ENTRY_COLUMNS " FROM entry WHERE epoch = ? AND peer = ? AND k = ?",
		    &q);
	query_bind_u64(&q, epoch);
	query_bind_i64(&q, peer);
	query_bind_u64(&q, k);
	return entry_one(&q, ret);
}

enum err entry_find(struct store *s, int64_t peer, uint64_t k, const struct digest *leaf,
		    struct entry_row *ret)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_ENTRY_FIND,
		    "SELECT " ENTRY_COLUMNS " FROM entry"
		    " WHERE epoch IN (SELECT epoch FROM own_checkpoint) AND peer = ? AND k = ?"
		    " AND leaf = ?",
		    &q);
	query_bind_i64(&q, peer);
	query_bind_u64(&q, k);
	query_bind_digest(&q, leaf);
	return entry_one(&q, ret);
}

enum err entry_count(struct store *s, uint64_t epoch, uint64_t *ret)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_ENTRY_COUNT,
		    "SELECT ifnull((SELECT idx + 1 FROM entry WHERE epoch = ?"
		    "  ORDER BY idx DESC LIMIT 1), 0)",
		    &q);
	query_bind_u64(&q, epoch);
	return query_get_u64(&q, ret);
}

enum err entry_leaves(struct store *s, uint64_t epoch, uint64_t from, size_t n, struct digest *ret)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_ENTRY_LEAVES,
		    "SELECT idx, leaf FROM entry WHERE epoch = ? AND idx >= ?"
		    " ORDER BY idx LIMIT ?",
		    &q);
	query_bind_u64(&q, epoch);
	query_bind_u64(&q, from);
	query_bind_u64(&q, n);
	for (size_t i = 0; i < n; i++) {
		uint64_t index = query_step(&q) ? query_u64(&q) : UINT64_MAX;

		if (q.e)
			return err_trace(q.e);
		if (index != from + i)
			return err_new(ERR_NOT_FOUND, "the ledger has no entry at %llu",
				       (unsigned long long)(from + i));
		query_digest(&q, &ret[i]);
	}
	return query_error(&q);
}

enum err entry_walk(struct store *s, uint64_t epoch, uint64_t from,
		    enum err (*row)(void *ctx, const struct entry_row *row), void *ctx)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_ENTRY_WALK,
		    "SELECT " ENTRY_COLUMNS " FROM entry WHERE epoch = ? AND idx >= ?"
		    " ORDER BY idx",
		    &q);
	query_bind_u64(&q, epoch);
	query_bind_u64(&q, from);
	return entry_each(&q, row, ctx);
}

enum err entry_walk_peer(struct store *s, uint64_t epoch, int64_t peer, uint64_t after_k,
			 enum err (*row)(void *ctx, const struct entry_row *row), void *ctx)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_ENTRY_WALK_PEER,
		    "SELECT " ENTRY_COLUMNS " FROM entry WHERE epoch = ? AND peer = ? AND k > ?"
		    " ORDER BY k",
		    &q);
	query_bind_u64(&q, epoch);
	query_bind_i64(&q, peer);
	query_bind_u64(&q, after_k);
	return entry_each(&q, row, ctx);
}

enum err tile_put(struct store *s, uint64_t epoch, unsigned tile_level, uint64_t n,
		  const struct digest hashes[TILE_WIDTH], const struct digest *node)
{
	CLEANUP(query_end) struct query q = {0};
	uint64_t count;
	enum err e;

	e = tile_count(s, epoch, tile_level, &count);
	if (e)
		return err_trace(e);
	if (n != count)
		return err_new(n < count ? ERR_EXISTS : ERR_INVALID,
			       "the next tile of level %u is %llu", tile_level,
			       (unsigned long long)count);
	query_begin(s, ST_TILE_PUT,
		    "INSERT INTO tile (epoch, level, n, node, hashes) VALUES (?, ?, ?, ?, ?)", &q);
	query_bind_u64(&q, epoch);
	query_bind_u64(&q, tile_level);
	query_bind_u64(&q, n);
	query_bind_digest(&q, node);
	query_bind_bytes(&q, hashes, TILE_WIDTH * sizeof(*hashes));
	return query_run(&q, NULL);
}

enum err tile_get(struct store *s, uint64_t epoch, unsigned tile_level, uint64_t n,
		  struct digest ret[TILE_WIDTH])
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_TILE_GET,
		    "SELECT hashes FROM tile WHERE epoch = ? AND level = ? AND n = ?", &q);
	query_bind_u64(&q, epoch);
	query_bind_u64(&q, tile_level);
	query_bind_u64(&q, n);
	if (!query_step(&q))
		return q.e ? err_trace(q.e)
			   : err_new(ERR_NOT_FOUND, "no tile %llu of level %u",
				     (unsigned long long)n, tile_level);
	query_bytes(&q, ret, TILE_WIDTH * sizeof(*ret));
	return query_error(&q);
}

enum err tile_get_node(struct store *s, uint64_t epoch, unsigned tile_level, uint64_t n,
		       struct digest *ret)
{
	CLEANUP(query_end) struct query q = {0};
	struct digest d;
	enum err e;

	query_begin(s, ST_TILE_GET_NODE,
		    "SELECT node FROM tile WHERE epoch = ? AND level = ? AND n = ?", &q);
	query_bind_u64(&q, epoch);
	query_bind_u64(&q, tile_level);
	query_bind_u64(&q, n);
	e = query_get(&q);
	if (e)
		return err_trace(e);
	query_digest(&q, &d);
	if (q.e)
		return err_trace(q.e);
	*ret = d;
	return ERR_OK;
}

enum err tile_count(struct store *s, uint64_t epoch, unsigned tile_level, uint64_t *ret)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_TILE_COUNT,
		    "SELECT ifnull((SELECT n + 1 FROM tile WHERE epoch = ? AND level = ?"
		    "  ORDER BY n DESC LIMIT 1), 0)",
		    &q);
	query_bind_u64(&q, epoch);
	query_bind_u64(&q, tile_level);
	return query_get_u64(&q, ret);
}

enum err own_checkpoint_put(struct store *s, uint64_t epoch, uint64_t size, struct view note)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_OWN_CHECKPOINT_PUT,
		    "INSERT INTO own_checkpoint (epoch, size, note) VALUES (?, ?, ?)"
		    " ON CONFLICT (epoch) DO UPDATE SET size = excluded.size, note = excluded.note",
		    &q);
	query_bind_u64(&q, epoch);
	query_bind_u64(&q, size);
	query_bind_view(&q, note);
	return query_run(&q, NULL);
}

enum err own_checkpoint_get(struct store *s, uint64_t epoch, uint64_t *ret_size,
			    struct buf *out_note)
{
	CLEANUP(query_end) struct query q = {0};
	struct view note;
	uint64_t size;
	enum err e;

	query_begin(s, ST_OWN_CHECKPOINT_GET,
		    "SELECT size, note FROM own_checkpoint WHERE epoch = ?", &q);
	query_bind_u64(&q, epoch);
	e = query_get(&q);
	if (e)
		return err_trace(e);
	size = query_u64(&q);
	note = query_view(&q);
	e = query_error(&q);
	if (!e)
		e = buf_put_view(out_note, note);
	if (e)
		return err_trace(e);
	*ret_size = size;
	return ERR_OK;
}

static enum err newest_blob(struct store *s, uint64_t *ret_num)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_BLOB_NEWEST, "SELECT ifnull(max(num), 0) FROM blob", &q);
	return query_get_u64(&q, ret_num);
}

enum err blob_id(struct store *s, const uint8_t tail[BLOB_TAIL_BYTES], uint8_t ret[STORE_ID_BYTES])
{
	uint64_t num = s->blob_num;

	if (num == 0) {
		enum err e = newest_blob(s, &num);

		if (e)
			return err_trace(e);
	}
	s->blob_num = ++num;
	for (size_t i = 0; i < STORE_ID_BYTES - BLOB_TAIL_BYTES; i++)
		ret[i] = (uint8_t)(num >> (8 * (STORE_ID_BYTES - BLOB_TAIL_BYTES - 1 - i)));
	memcpy(ret + STORE_ID_BYTES - BLOB_TAIL_BYTES, tail, BLOB_TAIL_BYTES);
	return ERR_OK;
}

static void bind_blob_id(struct query *q, const uint8_t id[STORE_ID_BYTES])
{
	uint64_t num = 0;

	for (size_t i = 0; i < STORE_ID_BYTES - BLOB_TAIL_BYTES; i++)
		num = num << 8 | id[i];
	query_bind_u64(q, num);
	query_bind_bytes(q, id + STORE_ID_BYTES - BLOB_TAIL_BYTES, BLOB_TAIL_BYTES);
}

static void bind_content(struct query *q, const struct blob_content *c)
{
	query_bind_if(q, c, c ? c->wrapped_key.p : NULL, c ? c->wrapped_key.n : 0);
	query_bind_if(q, c, c ? c->cipher.p : NULL, c ? c->cipher.n : 0);
}

enum err blob_put(struct store *s, const uint8_t id[STORE_ID_BYTES],
		  const struct blob_content *content, size_t n)
{
	CLEANUP(query_end) struct query q = {0};
	const struct blob_content *one = NULL, *local = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct blob_content **place = content[i].kind == BLOB_LOCAL ? &local : &one;

		ASSERT(!*place);
		*place = &content[i];
	}
	query_begin(s, ST_BLOB_PUT,
		    "INSERT INTO blob (num, tail, kind, wrapped_key, cipher, local_key,"
		    " local_cipher) VALUES (?, ?, ?, ?, ?, ?, ?)",
		    &q);
	bind_blob_id(&q, id);
	query_bind_ref(&q, one ? one->kind : 0);
	bind_content(&q, one);
	bind_content(&q, local);
	return query_run(&q, NULL);
}

enum err blob_get(struct store *s, const uint8_t id[STORE_ID_BYTES], enum blob_kind kind,
		  struct buf *out_wrapped_key, struct buf *out_cipher)
{
	CLEANUP(query_end) struct query q = {0};
	struct view key, cipher;
	uint8_t *to;
	enum err e;

	if (kind == BLOB_LOCAL)
		query_begin(s, ST_BLOB_GET_LOCAL,
			    "SELECT local_key, local_cipher FROM blob"
			    " WHERE num = ? AND tail = ? AND local_key IS NOT NULL",
			    &q);
	else
		query_begin(s, ST_BLOB_GET,
			    "SELECT wrapped_key, cipher FROM blob"
			    " WHERE num = ? AND tail = ? AND kind = ?",
			    &q);
	bind_blob_id(&q, id);
	if (kind != BLOB_LOCAL)
		query_bind_i64(&q, kind);
	if (!query_step(&q))
		return q.e ? err_trace(q.e)
			   : err_new(ERR_NOT_FOUND, "no such blob: it is erased, or never was");
	key = query_view(&q);
	cipher = query_view(&q);
	e = query_error(&q);
	if (!e)
		e = buf_reserve(out_cipher, cipher.n, &to);
	if (!e)
		e = buf_put_view(out_wrapped_key, key);
	return e ? err_trace(e) : buf_put_view(out_cipher, cipher);
}

enum err blob_erase(struct store *s, const uint8_t id[STORE_ID_BYTES], enum blob_kind kind)
{
	CLEANUP(query_end) struct query q = {0};
	enum err e;
	int n;

	if (kind == BLOB_LOCAL)
		query_begin(s, ST_BLOB_ERASE_LOCAL,
			    "UPDATE blob SET local_key = NULL, local_cipher = NULL"
			    " WHERE num = ? AND tail = ? AND local_key IS NOT NULL",
			    &q);
	else
		query_begin(s, ST_BLOB_ERASE,
			    "UPDATE blob SET kind = NULL, wrapped_key = NULL, cipher = NULL"
			    " WHERE num = ? AND tail = ? AND kind = ?",
			    &q);
	bind_blob_id(&q, id);
	if (kind != BLOB_LOCAL)
		query_bind_i64(&q, kind);
	e = query_run(&q, &n);
	if (e)
		return err_trace(e);
	return n ? ERR_OK : err_new(ERR_NOT_FOUND, "no such blob: it is erased, or never was");
}
