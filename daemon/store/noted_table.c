#include "store/noted_table.h"

#include "store/internal.h"

#define NOTED_COLUMNS "id, peer, epoch, size, root, teller, n_asked, settled, time_us, note"

enum err noted_put(struct store *s, struct noted_row *row)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_NOTED_PUT,
		    "INSERT INTO noted (peer, epoch, size, root, teller, n_asked, settled,"
		    " time_us, note) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
		    &q);
	query_bind_i64(&q, row->peer);
	query_bind_u64(&q, row->epoch);
	query_bind_u64(&q, row->size);
	query_bind_digest(&q, &row->root);
	query_bind_i64(&q, row->teller);
	query_bind_u64(&q, row->n_asked);
	query_bind_i64(&q, row->is_settled);
	query_bind_u64(&q, row->time_us);
	query_bind_view(&q, row->note);
	return query_insert(&q, &row->id);
}

static void noted_read(struct query *q, struct noted_row *row)
{
	row->id = query_i64(q);
	row->peer = query_i64(q);
	row->epoch = query_u64(q);
	row->size = query_u64(q);
	query_digest(q, &row->root);
	row->teller = query_i64(q);
	row->n_asked = query_u64(q);
	row->is_settled = query_bool(q);
	row->time_us = query_u64(q);
	row->note = query_view(q);
}

DEFINE_ROW_ONE(noted)
DEFINE_ROW_EACH(noted)

enum err noted_get(struct store *s, int64_t peer, uint64_t epoch, uint64_t size,
		   struct noted_row *ret)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_NOTED_GET,
		    "SELECT " NOTED_COLUMNS " FROM noted"
		    " WHERE peer = ? AND epoch = ? AND size = ?",
		    &q);
	query_bind_i64(&q, peer);
	query_bind_u64(&q, epoch);
	query_bind_u64(&q, size);
	return noted_one(&q, ret);
}

enum err noted_walk(struct store *s, int64_t peer, uint64_t epoch,
		    enum err (*row)(void *ctx, const struct noted_row *row), void *ctx)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_NOTED_WALK,
		    "SELECT " NOTED_COLUMNS " FROM noted INDEXED BY noted_due"
		    " WHERE peer = ? AND epoch = ? AND settled = 0"
		    " ORDER BY n_asked, size DESC",
		    &q);
	query_bind_i64(&q, peer);
	query_bind_u64(&q, epoch);
	return noted_each(&q, row, ctx);
}

enum err noted_walk_told(struct store *s, int64_t teller, int64_t peer, uint64_t epoch,
			 enum err (*row)(void *ctx, const struct noted_row *row), void *ctx)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_NOTED_WALK_TOLD,
		    "SELECT " NOTED_COLUMNS " FROM noted INDEXED BY noted_by_teller"
		    " WHERE teller = ? AND peer = ? AND epoch = ? ORDER BY size",
		    &q);
	query_bind_i64(&q, teller);
	query_bind_i64(&q, peer);
	query_bind_u64(&q, epoch);
	return noted_each(&q, row, ctx);
}

enum err noted_count_told(struct store *s, int64_t teller, uint64_t *ret_n)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_NOTED_COUNT_TOLD,
		    "SELECT count(*) FROM noted JOIN peer ON peer.id = noted.peer"
		    " WHERE noted.teller = ? AND noted.epoch = peer.epoch",
		    &q);
	query_bind_i64(&q, teller);
	return query_get_u64(&q, ret_n);
}

enum err noted_set(struct store *s, int64_t id, uint64_t n_asked, bool is_settled)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_NOTED_SET, "UPDATE noted SET n_asked = ?, settled = ? WHERE id = ?", &q);
	query_bind_u64(&q, n_asked);
	query_bind_i64(&q, is_settled);
	query_bind_i64(&q, id);
	return query_run(&q, NULL);
}

enum err noted_delete(struct store *s, int64_t id)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_NOTED_DELETE, "DELETE FROM noted WHERE id = ?", &q);
	query_bind_i64(&q, id);
	return query_run(&q, NULL);
}
