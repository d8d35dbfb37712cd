#include "store/agreement_table.h"

#include "store/internal.h"

enum err agreement_put(struct store *s, const struct digest *digest, struct view file)
{
	CLEANUP(query_end) struct query q = {0};
	enum err e;

	/* The digest is of the file, so the same digest is the same file. */
	e = query_begin(s, ST_AGREEMENT_PUT,
			"INSERT INTO agreement (digest, file) VALUES (?, ?) ON CONFLICT DO NOTHING",
			&q);
	if (e)
		return err_trace(e);
	query_bind_digest(&q, digest);
	query_bind_view(&q, file);
	return query_run(&q, NULL);
}

enum err agreement_get(struct store *s, const struct digest *digest, struct buf *out)
{
	CLEANUP(query_end) struct query q = {0};
	struct view file;
	enum err e;

	e = query_begin(s, ST_AGREEMENT_GET, "SELECT file FROM agreement WHERE digest = ?", &q);
	if (e)
		return err_trace(e);
	query_bind_digest(&q, digest);
	e = query_get(&q);
	if (e)
		return err_trace(e);
	file = query_view(&q);
	e = query_error(&q);
	return e ? err_trace(e) : buf_put_view(out, file);
}

enum err agreement_walk(struct store *s,
			enum err (*row)(void *ctx, const struct digest *digest, struct view file),
			void *ctx)
{
	CLEANUP(query_end) struct query q = {0};
	enum err e;

	e = query_begin(s, ST_AGREEMENT_WALK, "SELECT digest, file FROM agreement ORDER BY num",
			&q);
	if (e)
		return err_trace(e);
	for (;;) {
		struct digest digest;
		struct view file;
		bool has_row;

		e = query_step(&q, &has_row);
		if (e)
			return err_trace(e);
		if (!has_row)
			return ERR_OK;
		query_digest(&q, &digest);
		file = query_view(&q);
		e = query_error(&q);
		if (!e)
			e = row(ctx, &digest, file);
		if (e)
			return err_trace(e);
	}
}

#define ADOPTION_COLUMNS                                                                           \
	"peer, digest, our_k, their_k, our_withdraw_k, their_withdraw_k, their_name"

enum err adoption_put(struct store *s, const struct adoption_row *row)
{
	CLEANUP(query_end) struct query q = {0};
	enum err e;

	e = query_begin(s, ST_ADOPTION_PUT,
			"INSERT INTO adoption (" ADOPTION_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?)"
			" ON CONFLICT (peer, digest) DO UPDATE SET our_k = excluded.our_k,"
			"  their_k = excluded.their_k, our_withdraw_k = excluded.our_withdraw_k,"
			"  their_withdraw_k = excluded.their_withdraw_k,"
			"  their_name = excluded.their_name",
			&q);
	if (e)
		return err_trace(e);
	query_bind_i64(&q, row->peer);
	query_bind_digest(&q, &row->digest);
	query_bind_u64(&q, row->our_k);
	query_bind_u64(&q, row->their_k);
	query_bind_u64(&q, row->our_withdraw_k);
	query_bind_u64(&q, row->their_withdraw_k);
	query_bind_text(&q, row->their_name);
	return query_run(&q, NULL);
}

static enum err adoption_read(struct query *q, struct adoption_row *ret)
{
	struct adoption_row row;

	row.peer = query_i64(q);
	query_digest(q, &row.digest);
	row.our_k = query_u64(q);
	row.their_k = query_u64(q);
	row.our_withdraw_k = query_u64(q);
	row.their_withdraw_k = query_u64(q);
	query_text_into(q, row.their_name, sizeof(row.their_name));
	if (q->e)
		return err_trace(q->e);
	*ret = row;
	return ERR_OK;
}

enum err adoption_get(struct store *s, int64_t peer, const struct digest *digest,
		      struct adoption_row *ret)
{
	CLEANUP(query_end) struct query q = {0};
	enum err e;

	e = query_begin(s, ST_ADOPTION_GET,
			"SELECT " ADOPTION_COLUMNS " FROM adoption WHERE peer = ? AND digest = ?",
			&q);
	if (e)
		return err_trace(e);
	query_bind_i64(&q, peer);
	query_bind_digest(&q, digest);
	e = query_get(&q);
	return e ? err_trace(e) : adoption_read(&q, ret);
}

enum err adoption_walk(struct store *s, int64_t peer,
		       enum err (*row)(void *ctx, const struct adoption_row *row), void *ctx)
{
	CLEANUP(query_end) struct query q = {0};
	enum err e;

	if (peer)
		e = query_begin(s, ST_ADOPTION_WALK_PEER,
				"SELECT " ADOPTION_COLUMNS
				" FROM adoption WHERE peer = ? ORDER BY digest",
				&q);
	else
		e = query_begin(s, ST_ADOPTION_WALK,
				"SELECT " ADOPTION_COLUMNS " FROM adoption ORDER BY peer, digest",
				&q);
	if (e)
		return err_trace(e);
	if (peer)
		query_bind_i64(&q, peer);
	for (;;) {
		struct adoption_row r;
		bool has_row;

		e = query_step(&q, &has_row);
		if (e)
			return err_trace(e);
		if (!has_row)
			return ERR_OK;
		e = adoption_read(&q, &r);
		if (!e)
			e = row(ctx, &r);
		if (e)
			return err_trace(e);
	}
}

enum err adoption_past_put(struct store *s, const struct adoption_row *row)
{
	CLEANUP(query_end) struct query q = {0};
	enum err e;

	e = query_begin(s, ST_ADOPTION_PAST_PUT,
			"INSERT INTO adoption_past (peer, digest, from_k, until_k)"
			" VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
			&q);
	if (e)
		return err_trace(e);
	query_bind_i64(&q, row->peer);
	query_bind_digest(&q, &row->digest);
	query_bind_u64(&q, row->our_k);
	query_bind_u64(&q, row->our_withdraw_k);
	return query_run(&q, NULL);
}

enum err adoption_past_has(struct store *s, int64_t peer, const struct digest *digest, uint64_t k,
			   bool *ret)
{
	CLEANUP(query_end) struct query q = {0};
	enum err e;

	e = query_begin(s, ST_ADOPTION_PAST_HAS,
			"SELECT 1 FROM adoption_past"
			" WHERE peer = ? AND digest = ? AND from_k <= ? AND until_k > ?",
			&q);
	if (e)
		return err_trace(e);
	query_bind_i64(&q, peer);
	query_bind_digest(&q, digest);
	query_bind_u64(&q, k);
	query_bind_u64(&q, k);
	e = query_get(&q);
	if (e && e != ERR_NOT_FOUND)
		return err_trace(e);
	*ret = !e;
	return ERR_OK;
}

enum err adoption_past_forget(struct store *s, int64_t peer)
{
	CLEANUP(query_end) struct query q = {0};
	enum err e = query_begin(s, ST_ADOPTION_PAST_FORGET,
				 "DELETE FROM adoption_past WHERE peer = ?", &q);

	if (e)
		return err_trace(e);
	query_bind_i64(&q, peer);
	return query_run(&q, NULL);
}
