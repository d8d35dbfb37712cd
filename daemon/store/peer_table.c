#include "store/peer_table.h"

#include "store/internal.h"

/* All but the name, which stays: an index by it would be written with each commit. */
#define PEER_CHANGING                                                                              \
	"pinned, origin, seal_key, pinned_us, stopped, held_size, held_root, "                     \
	"held_checkpoint, received_k, received_head, receipted_k, sent_k, sent_head, "             \
	"content_k, urgent_k, delivered_k, n_refused, last_contact_us, last_error, "               \
	"use_day, use_entries, use_notes, held_bytes, epoch, new_origin, accepted_epoch"
#define PEER_COLUMNS "agency, " PEER_CHANGING

static void bind_changing(struct query *q, const struct peer_row *row)
{
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

static void peer_read(struct query *q, struct peer_row *row)
{
	row->id = query_i64(q);
	if (agency_id_parse(view_str(query_text(q)), &row->agency) && !q->e)
		q->e = err_new(ERR_STORAGE, "a damaged row: no agency id");
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
}

DEFINE_ROW_EACH(peer)

static enum err peer_insert(struct store *s, struct peer_row *row)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_PEER_INSERT,
		    "INSERT INTO peer (" PEER_COLUMNS ") VALUES"
		    " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
		    " ?, ?, ?)",
		    &q);
	query_bind_text(&q, row->agency.text);
	bind_changing(&q, row);
	return query_insert(&q, &row->id);
}

enum err peer_put(struct store *s, struct peer_row *row)
{
	CLEANUP(query_end) struct query q = {0};
	enum err e;
	int n;

	if (!row->id)
		return peer_insert(s, row);
	query_begin(s, ST_PEER_UPDATE,
		    "UPDATE peer SET (" PEER_CHANGING ") ="
		    " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
		    " ?, ?)"
		    " WHERE id = ?",
		    &q);
	bind_changing(&q, row);
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

	query_begin(s, ST_PEER_WALK, "SELECT id, " PEER_COLUMNS " FROM peer ORDER BY id", &q);
	return peer_each(&q, row, ctx);
}

enum err peer_chain_put(struct store *s, int64_t peer, struct view chain_der, uint64_t time_us)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_PEER_CHAIN_PUT,
		    "INSERT INTO peer_chain (peer, chain_der, time_us) VALUES (?, ?, ?)", &q);
	query_bind_i64(&q, peer);
	query_bind_view(&q, chain_der);
	query_bind_u64(&q, time_us);
	return query_run(&q, NULL);
}

enum err peer_chain_get(struct store *s, int64_t peer, struct buf *out)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_PEER_CHAIN_GET,
		    "SELECT chain_der FROM peer_chain WHERE peer = ? ORDER BY id DESC LIMIT 1", &q);
	query_bind_i64(&q, peer);
	return query_get_into(&q, out);
}

#define RECEIVED_COLUMNS                                                                           \
	"peer, epoch, k, idx, bytes, leaf, body_blob, status, reason, checkpoint, proof, time_us"

enum err received_put(struct store *s, const struct received_row *row)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_RECEIVED_PUT,
		    "INSERT INTO received (" RECEIVED_COLUMNS ") VALUES"
		    " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		    &q);
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

static void received_read(struct query *q, struct received_row *row)
{
	row->peer = query_i64(q);
	row->epoch = query_u64(q);
	row->k = query_u64(q);
	row->index = query_u64(q);
	row->entry = query_view(q);
	query_digest(q, &row->leaf);
	row->has_body = query_if(q, row->body_blob, sizeof(row->body_blob));
	row->status = query_int(q);
	row->reason = query_int(q);
	row->checkpoint = query_i64(q);
	row->proof = query_view(q);
	row->time_us = query_u64(q);
}

DEFINE_ROW_ONE(received)
DEFINE_ROW_EACH(received)

enum err received_get(struct store *s, int64_t peer, uint64_t epoch, uint64_t k,
		      struct received_row *ret)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_RECEIVED_GET,
		    "SELECT " RECEIVED_COLUMNS " FROM received WHERE peer = ? AND epoch = ?"
		    " AND k = ?",
		    &q);
	query_bind_i64(&q, peer);
	query_bind_u64(&q, epoch);
	query_bind_u64(&q, k);
	return received_one(&q, ret);
}

enum err received_find(struct store *s, int64_t peer, uint64_t k, const struct digest *leaf,
		       struct received_row *ret)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_RECEIVED_FIND,
		    "SELECT " RECEIVED_COLUMNS " FROM received WHERE peer = ?1 AND epoch IN"
		    " (SELECT epoch FROM peer WHERE id = ?1 UNION ALL"
		    "  SELECT epoch FROM epoch WHERE peer = ?1)"
		    " AND k = ?2 AND leaf = ?3 ORDER BY epoch LIMIT 1",
		    &q);
	query_bind_i64(&q, peer);
	query_bind_u64(&q, k);
	query_bind_digest(&q, leaf);
	return received_one(&q, ret);
}

enum err received_walk(struct store *s, int64_t peer, uint64_t epoch, uint64_t after_k,
		       enum err (*row)(void *ctx, const struct received_row *row), void *ctx)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_RECEIVED_WALK,
		    "SELECT " RECEIVED_COLUMNS
		    " FROM received WHERE peer = ? AND epoch = ? AND k > ? ORDER BY k",
		    &q);
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

	query_begin(s, ST_RECEIVED_WALK_EXCEPTIONS,
		    "SELECT " RECEIVED_COLUMNS " FROM received INDEXED BY received_exceptions"
		    " WHERE peer = ? AND epoch = ? AND k > ? AND k <= ? AND status <> 0"
		    " ORDER BY k",
		    &q);
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

	query_begin(s, ST_RECEIVED_CHECKPOINT_PUT,
		    "INSERT INTO received_checkpoint (peer, size, note) VALUES (?, ?, ?)", &q);
	query_bind_i64(&q, peer);
	query_bind_u64(&q, size);
	query_bind_view(&q, note);
	return query_insert(&q, ret_id);
}

enum err received_checkpoint_get(struct store *s, int64_t id, struct buf *out_note)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_RECEIVED_CHECKPOINT_GET,
		    "SELECT note FROM received_checkpoint WHERE id = ?", &q);
	query_bind_i64(&q, id);
	return query_get_into(&q, out_note);
}

enum err refusal_put(struct store *s, int64_t peer, uint64_t epoch, uint64_t k, int status,
		     int reason)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_REFUSAL_PUT,
		    "INSERT INTO refusal (peer, epoch, k, status, reason)"
		    " VALUES (?, ?, ?, ?, ?)",
		    &q);
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

	query_begin(s, ST_REFUSAL_GET,
		    "SELECT status, reason FROM refusal WHERE peer = ? AND epoch = ?"
		    " AND k = ?",
		    &q);
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

	*ret = (struct refusal_counts){.n = {{0}}};
	query_begin(s, by_peer ? ST_REFUSAL_WALK : ST_RECEIVED_WALK_REASONS,
		    by_peer ? "SELECT status, reason FROM refusal WHERE peer = ?"
			    : "SELECT status, reason FROM received"
			      " INDEXED BY received_exceptions"
			      " WHERE peer = ? AND status <> 0",
		    &q);
	query_bind_i64(&q, peer);
	while (query_step(&q)) {
		int status = query_int(&q);
		int reason = query_int(&q);

		if (q.e)
			break;
		if (status < 0 || status >= REFUSAL_STATUSES || reason < 0 ||
		    reason >= REFUSAL_REASONS)
			return err_new(ERR_STORAGE, "a damaged row: refusal for no reason");
		ret->n[status][reason]++;
	}
	return query_error(&q);
}

enum err incident_put(struct store *s, int64_t peer, const char *kind, struct view a, struct view b,
		      uint64_t time_us)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_INCIDENT_PUT,
		    "INSERT INTO incident (peer, kind, a, b, time_us) VALUES (?, ?, ?, ?, ?)", &q);
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

	query_begin(s, ST_INCIDENT_WALK, "SELECT peer, b FROM incident WHERE kind = ? ORDER BY id",
		    &q);
	query_bind_text(&q, kind);
	while (query_step(&q)) {
		int64_t peer = query_ref(&q);
		struct view b = query_view(&q);

		if (!q.e)
			q.e = row(ctx, peer, b);
	}
	return query_error(&q);
}

enum err incident_count(struct store *s, uint64_t *ret_n)
{
	CLEANUP(query_end) struct query q = {0};

	/* None is ever deleted, so the newest id is their number. */
	query_begin(s, ST_INCIDENT_COUNT,
		    "SELECT ifnull((SELECT id FROM incident ORDER BY id DESC LIMIT 1), 0)", &q);
	return query_get_u64(&q, ret_n);
}
