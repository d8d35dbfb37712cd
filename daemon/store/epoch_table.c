#include "store/epoch_table.h"

#include "store/internal.h"

#define EPOCH_COLUMNS "peer, epoch, origin, size, root, checkpoint, k, head, time_us, why"

enum err epoch_put(struct store *s, const struct epoch_row *row)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_EPOCH_PUT,
		    "INSERT INTO epoch (" EPOCH_COLUMNS ") VALUES"
		    " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		    &q);
	query_bind_i64(&q, row->peer);
	query_bind_u64(&q, row->epoch);
	query_bind_text(&q, row->origin);
	query_bind_u64(&q, row->size);
	query_bind_digest(&q, &row->root);
	query_bind_ref(&q, row->checkpoint);
	query_bind_u64(&q, row->k);
	query_bind_digest(&q, &row->head);
	query_bind_u64(&q, row->time_us);
	query_bind_text(&q, row->why);
	return query_run(&q, NULL);
}

static void epoch_read(struct query *q, struct epoch_row *row)
{
	row->peer = query_i64(q);
	row->epoch = query_u64(q);
	query_text_into(q, row->origin, sizeof(row->origin));
	row->size = query_u64(q);
	query_digest(q, &row->root);
	row->checkpoint = query_ref(q);
	row->k = query_u64(q);
	query_digest(q, &row->head);
	row->time_us = query_u64(q);
	query_text_into(q, row->why, sizeof(row->why));
}

DEFINE_ROW_ONE(epoch)

static enum err epoch_find(struct store *s, enum statement id, const char *sql, int64_t peer,
			   uint64_t epoch, struct epoch_row *ret)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, id, sql, &q);
	query_bind_i64(&q, peer);
	query_bind_u64(&q, epoch);
	return epoch_one(&q, ret);
}

enum err epoch_get(struct store *s, int64_t peer, uint64_t epoch, struct epoch_row *ret)
{
	return epoch_find(s, ST_EPOCH_GET,
			  "SELECT " EPOCH_COLUMNS " FROM epoch WHERE peer = ? AND epoch = ?", peer,
			  epoch, ret);
}

enum err epoch_next(struct store *s, int64_t peer, uint64_t epoch, struct epoch_row *ret)
{
	return epoch_find(s, ST_EPOCH_NEXT,
			  "SELECT " EPOCH_COLUMNS " FROM epoch WHERE peer = ? AND epoch > ?"
			  " ORDER BY epoch LIMIT 1",
			  peer, epoch, ret);
}

/* --- what peers gave back --- */

#define RECOVERED_COLUMNS                                                                          \
	"peer, epoch, k, idx, leaf, seen_k, applied, body_blob, note, proof, bytes"

enum err recovered_put(struct store *s, const struct recovered_row *row)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_RECOVERED_PUT,
		    "INSERT INTO recovered (" RECOVERED_COLUMNS ") VALUES"
		    " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		    &q);
	query_bind_i64(&q, row->peer);
	query_bind_u64(&q, row->epoch);
	query_bind_u64(&q, row->k);
	query_bind_u64(&q, row->index);
	query_bind_digest(&q, &row->leaf);
	query_bind_u64(&q, row->seen_k);
	query_bind_i64(&q, row->is_applied);
	query_bind_if(&q, row->has_body, row->body_blob, sizeof(row->body_blob));
	query_bind_view(&q, row->note);
	query_bind_view(&q, row->proof);
	query_bind_view(&q, row->entry);
	return query_run(&q, NULL);
}

static void recovered_read(struct query *q, struct recovered_row *row)
{
	row->peer = query_i64(q);
	row->epoch = query_u64(q);
	row->k = query_u64(q);
	row->index = query_u64(q);
	query_digest(q, &row->leaf);
	row->seen_k = query_u64(q);
	row->is_applied = query_bool(q);
	row->has_body = query_if(q, row->body_blob, sizeof(row->body_blob));
	row->note = query_view(q);
	row->proof = query_view(q);
	row->entry = query_view(q);
}

DEFINE_ROW_ONE(recovered)
DEFINE_ROW_EACH(recovered)

enum err recovered_get(struct store *s, int64_t peer, uint64_t epoch, uint64_t k,
		       struct recovered_row *ret)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_RECOVERED_GET,
		    "SELECT " RECOVERED_COLUMNS
		    " FROM recovered WHERE peer = ? AND epoch = ? AND k = ?",
		    &q);
	query_bind_i64(&q, peer);
	query_bind_u64(&q, epoch);
	query_bind_u64(&q, k);
	return recovered_one(&q, ret);
}

enum err recovered_get_leaf(struct store *s, const struct digest *leaf, struct recovered_row *ret)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_RECOVERED_GET_LEAF,
		    "SELECT " RECOVERED_COLUMNS " FROM recovered WHERE leaf = ?", &q);
	query_bind_digest(&q, leaf);
	return recovered_one(&q, ret);
}

enum err recovered_get_due(struct store *s, int64_t peer, struct recovered_row *ret)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_RECOVERED_GET_DUE,
		    "SELECT " RECOVERED_COLUMNS " FROM recovered INDEXED BY recovered_due"
		    " WHERE peer = ? AND applied = 0 ORDER BY epoch, k LIMIT 1",
		    &q);
	query_bind_i64(&q, peer);
	return recovered_one(&q, ret);
}

enum err recovered_set_applied(struct store *s, int64_t peer, uint64_t epoch, uint64_t k)
{
	CLEANUP(query_end) struct query q = {0};
	enum err e;
	int n;

	query_begin(s, ST_RECOVERED_SET_APPLIED,
		    "UPDATE recovered SET applied = 1"
		    " WHERE peer = ? AND epoch = ? AND k = ?",
		    &q);
	query_bind_i64(&q, peer);
	query_bind_u64(&q, epoch);
	query_bind_u64(&q, k);
	e = query_run(&q, &n);
	if (e)
		return err_trace(e);
	return n ? ERR_OK : err_new(ERR_NOT_FOUND, "not given back");
}

enum err recovered_walk(struct store *s,
			enum err (*row)(void *ctx, const struct recovered_row *row), void *ctx)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_RECOVERED_WALK,
		    "SELECT " RECOVERED_COLUMNS " FROM recovered ORDER BY peer, epoch, k", &q);
	return recovered_each(&q, row, ctx);
}

enum err recovered_walk_index(struct store *s, uint64_t epoch, uint64_t index, int64_t after_peer,
			      enum err (*row)(void *ctx, const struct recovered_row *row),
			      void *ctx)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_RECOVERED_WALK_INDEX,
		    "SELECT " RECOVERED_COLUMNS " FROM recovered INDEXED BY recovered_by_index"
		    " WHERE epoch = ? AND (idx, peer) > (?, ?) ORDER BY idx, peer",
		    &q);
	query_bind_u64(&q, epoch);
	query_bind_u64(&q, index);
	query_bind_i64(&q, after_peer);
	return recovered_each(&q, row, ctx);
}

/* --- how far it has come --- */

static enum err recovery_delete(struct store *s, int64_t peer)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_RECOVERY_DELETE, "DELETE FROM recovery WHERE peer = ?", &q);
	query_bind_i64(&q, peer);
	return query_run(&q, NULL);
}

enum err recovery_put(struct store *s, int64_t peer, const struct recovery_row *row)
{
	CLEANUP(query_end) struct query q = {0};

	if (row->state == RECOVERY_NONE)
		return recovery_delete(s, peer);
	query_begin(s, ST_RECOVERY_PUT,
		    "INSERT OR REPLACE INTO recovery (peer, state, from_epoch, from_k,"
		    " from_head, open_epoch, at_epoch, at_k, at_head)"
		    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
		    &q);
	query_bind_i64(&q, peer);
	query_bind_i64(&q, row->state);
	query_bind_u64(&q, row->from_epoch);
	query_bind_u64(&q, row->from_k);
	query_bind_digest(&q, &row->from_head);
	query_bind_u64(&q, row->open_epoch);
	query_bind_u64(&q, row->at_epoch);
	query_bind_u64(&q, row->at_k);
	query_bind_digest(&q, &row->at_head);
	return query_run(&q, NULL);
}

static void recovery_read(struct query *q, struct recovery_row *row)
{
	int state = query_int(q);

	row->state = (enum recovery_state)state;
	row->from_epoch = query_u64(q);
	row->from_k = query_u64(q);
	query_digest(q, &row->from_head);
	row->open_epoch = query_u64(q);
	row->at_epoch = query_u64(q);
	row->at_k = query_u64(q);
	query_digest(q, &row->at_head);
	if (!q->e && (state < RECOVERY_FETCHING || state > RECOVERY_AGAIN))
		q->e = err_new(ERR_STORAGE, "a damaged row: state of a recovery");
}

DEFINE_ROW_ONE(recovery)

enum err recovery_get(struct store *s, int64_t peer, struct recovery_row *ret)
{
	CLEANUP(query_end) struct query q = {0};
	enum err e;

	query_begin(s, ST_RECOVERY_GET,
		    "SELECT state, from_epoch, from_k, from_head, open_epoch, at_epoch, at_k,"
		    " at_head"
		    " FROM recovery WHERE peer = ?",
		    &q);
	query_bind_i64(&q, peer);
	e = recovery_one(&q, ret);
	if (e && e != ERR_NOT_FOUND)
		return err_trace(e);
	if (e)
		*ret = (struct recovery_row){.state = RECOVERY_NONE};
	return ERR_OK;
}
