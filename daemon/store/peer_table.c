#include "store/peer_table.h"

#include "store/internal.h"

#define PEER_COLUMNS                                                                               \
	"agency, pinned, origin, seal_key, pinned_us, stopped, held_size, held_root, "             \
	"held_checkpoint, received_k, received_head, receipted_k, sent_k, sent_head, "             \
	"content_k, urgent_k, delivered_k, n_refused, last_contact_us, last_error, "               \
	"use_day, use_entries, use_notes, held_bytes, epoch, new_origin, accepted_epoch"

static void peer_bind(struct query *q, const struct peer_row *row)
{
	query_bind_text(q, row->agency.text);
	query_bind_i64(q, row->pinned);
	if (row->pinned)
		query_bind_text(q, row->origin);
	else
		query_bind_if(q, false, NULL, 0);
	query_bind_if(q, row->pinned, row->seal_key, sizeof(row->seal_key));
	query_bind_u64(q, row->pinned_us);
	query_bind_i64(q, row->stopped);
	query_bind_u64(q, row->held_size);
	query_bind_digest(q, &row->held_root);
	query_bind_ref(q, row->held_checkpoint);
	query_bind_u64(q, row->received_k);
	query_bind_digest(q, &row->received_head);
	query_bind_u64(q, row->receipted_k);
	query_bind_u64(q, row->sent_k);
	query_bind_digest(q, &row->sent_head);
	query_bind_u64(q, row->content_k);
	query_bind_u64(q, row->urgent_k);
	query_bind_u64(q, row->delivered_k);
	query_bind_u64(q, row->n_refused);
	query_bind_u64(q, row->last_contact_us);
	query_bind_text(q, row->last_error);
	query_bind_u64(q, row->use_day);
	query_bind_u64(q, row->use_entries);
	query_bind_u64(q, row->use_notes);
	query_bind_u64(q, row->held_bytes);
	query_bind_u64(q, row->epoch);
	query_bind_text(q, row->new_origin);
	query_bind_u64(q, row->accepted_epoch);
}

static enum err peer_read(struct query *q, struct peer_row *row)
{
	row->id = query_i64(q);
	if (agency_id_parse(view_str(query_text(q)), &row->agency))
		return err_new(ERR_STORAGE, "a damaged row: no agency id");
	row->pinned = query_bool(q);
	query_text_into(q, row->origin, sizeof(row->origin));
	(void)query_if(q, row->seal_key, sizeof(row->seal_key));
	row->pinned_us = query_u64(q);
	row->stopped = query_bool(q);
	row->held_size = query_u64(q);
	query_digest(q, &row->held_root);
	row->held_checkpoint = query_ref(q);
	row->received_k = query_u64(q);
	query_digest(q, &row->received_head);
	row->receipted_k = query_u64(q);
	row->sent_k = query_u64(q);
	query_digest(q, &row->sent_head);
	row->content_k = query_u64(q);
	row->urgent_k = query_u64(q);
	row->delivered_k = query_u64(q);
	row->n_refused = query_u64(q);
	row->last_contact_us = query_u64(q);
	query_text_into(q, row->last_error, sizeof(row->last_error));
	row->use_day = query_u64(q);
	row->use_entries = query_u64(q);
	row->use_notes = query_u64(q);
	row->held_bytes = query_u64(q);
	row->epoch = query_u64(q);
	query_text_into(q, row->new_origin, sizeof(row->new_origin));
	row->accepted_epoch = query_u64(q);
	return query_error(q);
}

static enum err peer_insert(struct store *s, struct peer_row *row)
{
	CLEANUP(query_end) struct query q = {0};
	enum err e;

	e = query_begin(s, ST_PEER_INSERT,
			"INSERT INTO peer (" PEER_COLUMNS ") VALUES"
			" (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
			" ?, ?, ?)",
			&q);
	if (e)
		return err_trace(e);
	peer_bind(&q, row);
	e = query_run(&q, NULL);
	if (e)
		return err_trace(e);
	row->id = sqlite3_last_insert_rowid(s->db);
	return ERR_OK;
}

enum err peer_put(struct store *s, struct peer_row *row)
{
	CLEANUP(query_end) struct query q = {0};
	enum err e;
	int n;

	if (!row->id)
		return peer_insert(s, row);
	e = query_begin(s, ST_PEER_UPDATE,
			"UPDATE peer SET (" PEER_COLUMNS ") ="
			" (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
			" ?, ?, ?)"
			" WHERE id = ?",
			&q);
	if (e)
		return err_trace(e);
	peer_bind(&q, row);
	query_bind_i64(&q, row->id);
	e = query_run(&q, &n);
	if (e)
		return err_trace(e);
	return n ? ERR_OK : err_new(ERR_NOT_FOUND, "no peer %lld", (long long)row->id);
}

enum err peer_walk(struct store *s, enum err (*row)(void *ctx, const struct peer_row *row),
		   void *ctx)
{
	CLEANUP(query_end) struct query q = {0};
	enum err e;

	e = query_begin(s, ST_PEER_WALK, "SELECT id, " PEER_COLUMNS " FROM peer ORDER BY id", &q);
	if (e)
		return err_trace(e);
	for (;;) {
		struct peer_row r;
		bool has_row;

		e = query_step(&q, &has_row);
		if (e)
			return err_trace(e);
		if (!has_row)
			return ERR_OK;
		e = peer_read(&q, &r);
		if (!e)
			e = row(ctx, &r);
		if (e)
			return err_trace(e);
	}
}

enum err peer_chain_put(struct store *s, int64_t peer, struct view chain_der, uint64_t time_us)
{
	CLEANUP(query_end) struct query q = {0};
	enum err e;

	e = query_begin(s, ST_PEER_CHAIN_PUT,
			"INSERT INTO peer_chain (peer, chain_der, time_us) VALUES (?, ?, ?)", &q);
	if (e)
		return err_trace(e);
	query_bind_i64(&q, peer);
	query_bind_view(&q, chain_der);
	query_bind_u64(&q, time_us);
	return query_run(&q, NULL);
}

enum err peer_chain_get(struct store *s, int64_t peer, struct buf *out)
{
	CLEANUP(query_end) struct query q = {0};
	struct view chain;
	enum err e;

	e = query_begin(s, ST_PEER_CHAIN_GET,
			"SELECT chain_der FROM peer_chain WHERE peer = ? ORDER BY id DESC LIMIT 1",
			&q);
	if (e)
		return err_trace(e);
	query_bind_i64(&q, peer);
	e = query_get(&q);
	if (e)
		return err_trace(e);
	chain = query_view(&q);
	e = query_error(&q);
	return e ? err_trace(e) : buf_put_view(out, chain);
}

#define RECEIVED_COLUMNS                                                                           \
	"peer, epoch, k, idx, bytes, leaf, body_blob, status, reason, checkpoint, proof, time_us"

enum err received_put(struct store *s, const struct received_row *row)
{
	CLEANUP(query_end) struct query q = {0};
	enum err e;

	e = query_begin(s, ST_RECEIVED_PUT,
			"INSERT INTO received (" RECEIVED_COLUMNS ") VALUES"
			" (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			&q);
	if (e)
		return err_trace(e);
	query_bind_i64(&q, row->peer);
	query_bind_u64(&q, row->epoch);
	query_bind_u64(&q, row->k);
	query_bind_u64(&q, row->index);
	query_bind_view(&q, row->entry);
	query_bind_digest(&q, &row->leaf);
	query_bind_if(&q, row->has_body, row->body_blob, sizeof(row->body_blob));
	query_bind_i64(&q, row->status);
	query_bind_i64(&q, row->reason);
	query_bind_i64(&q, row->checkpoint);
	query_bind_view(&q, row->proof);
	query_bind_u64(&q, row->time_us);
	return query_run(&q, NULL);
}

static enum err received_read(struct query *q, struct received_row *ret)
{
	struct received_row row;

	row.peer = query_i64(q);
	row.epoch = query_u64(q);
	row.k = query_u64(q);
	row.index = query_u64(q);
	row.entry = query_view(q);
	query_digest(q, &row.leaf);
	row.has_body = query_if(q, row.body_blob, sizeof(row.body_blob));
	row.status = query_int(q);
	row.reason = query_int(q);
	row.checkpoint = query_i64(q);
	row.proof = query_view(q);
	row.time_us = query_u64(q);
	if (q->e)
		return err_trace(q->e);
	*ret = row;
	return ERR_OK;
}

enum err received_get(struct store *s, int64_t peer, uint64_t epoch, uint64_t k,
		      struct received_row *ret)
{
	CLEANUP(query_end) struct query q = {0};
	enum err e;

	e = query_begin(s, ST_RECEIVED_GET,
			"SELECT " RECEIVED_COLUMNS " FROM received WHERE peer = ? AND epoch = ?"
			" AND k = ?",
			&q);
	if (e)
		return err_trace(e);
	query_bind_i64(&q, peer);
	query_bind_u64(&q, epoch);
	query_bind_u64(&q, k);
	e = query_get(&q);
	return e ? err_trace(e) : received_read(&q, ret);
}

enum err received_find(struct store *s, int64_t peer, uint64_t k, const struct digest *leaf,
		       struct received_row *ret)
{
	CLEANUP(query_end) struct query q = {0};
	enum err e;

	e = query_begin(s, ST_RECEIVED_FIND,
			"SELECT " RECEIVED_COLUMNS " FROM received WHERE peer = ?1 AND epoch IN"
			" (SELECT epoch FROM peer WHERE id = ?1 UNION ALL"
			"  SELECT epoch FROM epoch WHERE peer = ?1)"
			" AND k = ?2 AND leaf = ?3 ORDER BY epoch LIMIT 1",
			&q);
	if (e)
		return err_trace(e);
	query_bind_i64(&q, peer);
	query_bind_u64(&q, k);
	query_bind_digest(&q, leaf);
	e = query_get(&q);
	return e ? err_trace(e) : received_read(&q, ret);
}

/* Give each row of a query to the caller's function. */
static enum err received_each(struct query *q,
			      enum err (*row)(void *ctx, const struct received_row *row), void *ctx)
{
	for (;;) {
		struct received_row r;
		bool has_row;
		enum err e = query_step(q, &has_row);

		if (e)
			return err_trace(e);
		if (!has_row)
			return ERR_OK;
		e = received_read(q, &r);
		if (!e)
			e = row(ctx, &r);
		if (e)
			return err_trace(e);
	}
}

enum err received_walk(struct store *s, int64_t peer, uint64_t epoch, uint64_t after_k,
		       enum err (*row)(void *ctx, const struct received_row *row), void *ctx)
{
	CLEANUP(query_end) struct query q = {0};
	enum err e;

	e = query_begin(s, ST_RECEIVED_WALK,
			"SELECT " RECEIVED_COLUMNS
			" FROM received WHERE peer = ? AND epoch = ? AND k > ? ORDER BY k",
			&q);
	if (e)
		return err_trace(e);
	query_bind_i64(&q, peer);
	query_bind_u64(&q, epoch);
	query_bind_u64(&q, after_k);
	return received_each(&q, row, ctx);
}

enum err received_walk_exceptions(struct store *s, int64_t peer, uint64_t epoch, uint64_t after_k,
				  uint64_t to_k,
				  enum err (*row)(void *ctx, const struct received_row *row),
				  void *ctx)
{
	CLEANUP(query_end) struct query q = {0};
	enum err e;

	e = query_begin(s, ST_RECEIVED_WALK_EXCEPTIONS,
			"SELECT " RECEIVED_COLUMNS " FROM received INDEXED BY received_exceptions"
			" WHERE peer = ? AND epoch = ? AND k > ? AND k <= ? AND status <> 0"
			" ORDER BY k",
			&q);
	if (e)
		return err_trace(e);
	query_bind_i64(&q, peer);
	query_bind_u64(&q, epoch);
	query_bind_u64(&q, after_k);
	query_bind_u64(&q, to_k);
	return received_each(&q, row, ctx);
}

enum err received_checkpoint_put(struct store *s, int64_t peer, uint64_t size, struct view note,
				 int64_t *ret_id)
{
	CLEANUP(query_end) struct query q = {0};
	enum err e;

	e = query_begin(s, ST_RECEIVED_CHECKPOINT_PUT,
			"INSERT INTO received_checkpoint (peer, size, note) VALUES (?, ?, ?)", &q);
	if (e)
		return err_trace(e);
	query_bind_i64(&q, peer);
	query_bind_u64(&q, size);
	query_bind_view(&q, note);
	e = query_run(&q, NULL);
	if (e)
		return err_trace(e);
	*ret_id = sqlite3_last_insert_rowid(s->db);
	return ERR_OK;
}

enum err received_checkpoint_get(struct store *s, int64_t id, struct buf *out_note)
{
	CLEANUP(query_end) struct query q = {0};
	struct view note;
	enum err e;

	e = query_begin(s, ST_RECEIVED_CHECKPOINT_GET,
			"SELECT note FROM received_checkpoint WHERE id = ?", &q);
	if (e)
		return err_trace(e);
	query_bind_i64(&q, id);
	e = query_get(&q);
	if (e)
		return err_trace(e);
	note = query_view(&q);
	e = query_error(&q);
	return e ? err_trace(e) : buf_put_view(out_note, note);
}

enum err refusal_put(struct store *s, int64_t peer, uint64_t epoch, uint64_t k, int status,
		     int reason)
{
	CLEANUP(query_end) struct query q = {0};
	enum err e;

	e = query_begin(s, ST_REFUSAL_PUT,
			"INSERT INTO refusal (peer, epoch, k, status, reason)"
			" VALUES (?, ?, ?, ?, ?)",
			&q);
	if (e)
		return err_trace(e);
	query_bind_i64(&q, peer);
	query_bind_u64(&q, epoch);
	query_bind_u64(&q, k);
	query_bind_i64(&q, status);
	query_bind_i64(&q, reason);
	return query_run(&q, NULL);
}

enum err refusal_get(struct store *s, int64_t peer, uint64_t epoch, uint64_t k, int *ret_status,
		     int *ret_reason)
{
	CLEANUP(query_end) struct query q = {0};
	int status, reason;
	enum err e;

	e = query_begin(s, ST_REFUSAL_GET,
			"SELECT status, reason FROM refusal WHERE peer = ? AND epoch = ?"
			" AND k = ?",
			&q);
	if (e)
		return err_trace(e);
	query_bind_i64(&q, peer);
	query_bind_u64(&q, epoch);
	query_bind_u64(&q, k);
	e = query_get(&q);
	if (e)
		return err_trace(e);
	status = query_int(&q);
	reason = query_int(&q);
	if (q.e)
		return err_trace(q.e);
	*ret_status = status;
	*ret_reason = reason;
	return ERR_OK;
}

enum err refusal_count(struct store *s, int64_t peer, bool by_peer, struct refusal_counts *ret)
{
	CLEANUP(query_end) struct query q = {0};
	enum err e;

	*ret = (struct refusal_counts){.n = {{0}}};
	e = query_begin(s, by_peer ? ST_REFUSAL_WALK : ST_RECEIVED_WALK_REASONS,
			by_peer ? "SELECT status, reason FROM refusal WHERE peer = ?"
				: "SELECT status, reason FROM received"
				  " INDEXED BY received_exceptions"
				  " WHERE peer = ? AND status <> 0",
			&q);
	if (e)
		return err_trace(e);
	query_bind_i64(&q, peer);
	for (;;) {
		int status, reason;
		bool has_row;

		e = query_step(&q, &has_row);
		if (e || !has_row)
			return e ? err_trace(e) : ERR_OK;
		status = query_int(&q);
		reason = query_int(&q);
		e = query_error(&q);
		if (e)
			return err_trace(e);
		if (status < 0 || status >= REFUSAL_STATUSES || reason < 0 ||
		    reason >= REFUSAL_REASONS)
			return err_new(ERR_STORAGE, "a damaged row: refusal for no reason");
		ret->n[status][reason]++;
	}
}

enum err incident_put(struct store *s, int64_t peer, const char *kind, struct view a, struct view b,
		      uint64_t time_us)
{
	CLEANUP(query_end) struct query q = {0};
	enum err e;

	e = query_begin(s, ST_INCIDENT_PUT,
			"INSERT INTO incident (peer, kind, a, b, time_us) VALUES (?, ?, ?, ?, ?)",
			&q);
	if (e)
		return err_trace(e);
	query_bind_ref(&q, peer);
	query_bind_text(&q, kind);
	query_bind_view(&q, a);
	query_bind_view(&q, b);
	query_bind_u64(&q, time_us);
	return query_run(&q, NULL);
}

enum err incident_walk(struct store *s, const char *kind,
		       enum err (*row)(void *ctx, int64_t peer, struct view b), void *ctx)
{
	CLEANUP(query_end) struct query q = {0};
	enum err e;

	e = query_begin(s, ST_INCIDENT_WALK,
			"SELECT peer, b FROM incident WHERE kind = ? ORDER BY id", &q);
	if (e)
		return err_trace(e);
	query_bind_text(&q, kind);
	for (;;) {
		struct view b;
		int64_t peer;
		bool has_row;

		e = query_step(&q, &has_row);
		if (e || !has_row)
			return e ? err_trace(e) : ERR_OK;
		peer = query_ref(&q);
		b = query_view(&q);
		e = q.e ? q.e : row(ctx, peer, b);
		if (e)
			return err_trace(e);
	}
}

enum err incident_count(struct store *s, uint64_t *ret_n)
{
	CLEANUP(query_end) struct query q = {0};
	uint64_t n;
	enum err e;

	/* None is ever deleted, so the newest id is their number. */
	e = query_begin(s, ST_INCIDENT_COUNT,
			"SELECT ifnull((SELECT id FROM incident ORDER BY id DESC LIMIT 1), 0)", &q);
	if (!e)
		e = query_get(&q);
	if (e)
		return err_trace(e);
	n = query_u64(&q);
	if (q.e)
		return err_trace(q.e);
	*ret_n = n;
	return ERR_OK;
}
