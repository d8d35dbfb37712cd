#include "store/agreement_table.h"

#include "store/internal.h"

enum err agreement_put(struct store *s, const struct digest *digest, struct view file)
{
	CLEANUP(query_end) struct query q = {0};

	/* The digest is of the file, so the same digest is the same file. */
	query_begin(s, ST_AGREEMENT_PUT,
		    "INSERT INTO agreement (digest, file) VALUES (?, ?) ON CONFLICT DO NOTHING",
		    &q);
	query_bind_digest(&q, digest);
	query_bind_view(&q, file);
	return query_run(&q, NULL);
}

enum err agreement_get(struct store *s, const struct digest *digest, struct buf *out)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_AGREEMENT_GET, "SELECT file FROM agreement WHERE digest = ?", &q);
	query_bind_digest(&q, digest);
	return query_get_into(&q, out);
}

enum err agreement_walk(struct store *s,
			enum err (*row)(void *ctx, const struct digest *digest, struct view file),
			void *ctx)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_AGREEMENT_WALK, "SELECT digest, file FROM agreement ORDER BY num", &q);
	while (query_step(&q)) {
		struct digest digest;
		struct view file;

		query_digest(&q, &digest);
		file = query_view(&q);
		if (!q.e)
			q.e = row(ctx, &digest, file);
	}
	return query_error(&q);
}

#define ADOPTION_COLUMNS                                                                           \
	"peer, digest, our_k, their_k, our_withdraw_k, their_withdraw_k, their_name"

void adoption_memo_drop(struct store *s)
{
	ASSERT(s->adoptions.n_walks == 0);
	s->adoptions.peer = 0;
	s->adoptions.n = 0;
}

enum err adoption_put(struct store *s, const struct adoption_row *row)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_ADOPTION_PUT,
		    "INSERT INTO adoption (" ADOPTION_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?)"
		    " ON CONFLICT (peer, digest) DO UPDATE SET our_k = excluded.our_k,"
		    "  their_k = excluded.their_k, our_withdraw_k = excluded.our_withdraw_k,"
		    "  their_withdraw_k = excluded.their_withdraw_k,"
		    "  their_name = excluded.their_name",
		    &q);
	query_bind_i64(&q, row->peer);
	query_bind_digest(&q, &row->digest);
	query_bind_u64(&q, row->our_k);
	query_bind_u64(&q, row->their_k);
	query_bind_u64(&q, row->our_withdraw_k);
	query_bind_u64(&q, row->their_withdraw_k);
	query_bind_text(&q, row->their_name);
	adoption_memo_drop(s);
	return query_run(&q, NULL);
}

static void adoption_read(struct query *q, struct adoption_row *row)
{
	row->peer = query_i64(q);
	query_digest(q, &row->digest);
	row->our_k = query_u64(q);
	row->their_k = query_u64(q);
	row->our_withdraw_k = query_u64(q);
	row->their_withdraw_k = query_u64(q);
	query_text_into(q, row->their_name, sizeof(row->their_name));
}

DEFINE_ROW_ONE(adoption)
DEFINE_ROW_EACH(adoption)

/* Those of one peer, or of all for 0. */
static void walk_begin(struct store *s, int64_t peer, struct query *q)
{
	if (peer) {
		query_begin(s, ST_ADOPTION_WALK_PEER,
			    "SELECT " ADOPTION_COLUMNS
			    " FROM adoption WHERE peer = ? ORDER BY digest",
			    q);
		query_bind_i64(q, peer);
	} else {
		query_begin(s, ST_ADOPTION_WALK,
			    "SELECT " ADOPTION_COLUMNS " FROM adoption ORDER BY peer, digest", q);
	}
}

/* Read those of this peer, unless they are in mind already; true when all of them are then. */
static enum err remember(struct store *s, int64_t peer, bool *ret_all)
{
	CLEANUP(query_end) struct query q = {0};
	struct adoption_memo *m = &s->adoptions;

	*ret_all = m->peer == peer && m->n <= ADOPTIONS_KEPT;
	if (m->peer == peer || m->n_walks)
		return ERR_OK;
	adoption_memo_drop(s);
	walk_begin(s, peer, &q);
	while (m->n <= ADOPTIONS_KEPT && query_step(&q)) {
		struct adoption_row row;

		adoption_read(&q, &row);
		if (m->n < ADOPTIONS_KEPT)
			m->row[m->n] = row;
		m->n++;
	}
	if (query_error(&q)) {
		adoption_memo_drop(s);
		return err_trace(q.e);
	}
	m->peer = peer;
	*ret_all = m->n <= ADOPTIONS_KEPT;
	return ERR_OK;
}

enum err adoption_get(struct store *s, int64_t peer, const struct digest *digest,
		      struct adoption_row *ret)
{
	CLEANUP(query_end) struct query q = {0};
	const struct adoption_memo *m = &s->adoptions;
	bool is_all;
	enum err e = remember(s, peer, &is_all);

	if (e)
		return err_trace(e);
	for (size_t i = 0; is_all && i < m->n; i++) {
		if (!digest_eq(&m->row[i].digest, digest))
			continue;
		*ret = m->row[i];
		return ERR_OK;
	}
	if (is_all)
		return err_new(ERR_NOT_FOUND, "no such adoption");
	query_begin(s, ST_ADOPTION_GET,
		    "SELECT " ADOPTION_COLUMNS " FROM adoption WHERE peer = ? AND digest = ?", &q);
	query_bind_i64(&q, peer);
	query_bind_digest(&q, digest);
	return adoption_one(&q, ret);
}

enum err adoption_walk(struct store *s, int64_t peer,
		       enum err (*row)(void *ctx, const struct adoption_row *row), void *ctx)
{
	CLEANUP(query_end) struct query q = {0};
	struct adoption_memo *m = &s->adoptions;
	bool is_all = false;
	enum err e = ERR_OK;

	ASSERT(m->n_walks == 0);
	if (peer)
		e = remember(s, peer, &is_all);
	if (e)
		return err_trace(e);
	m->n_walks++;
	if (is_all) {
		for (size_t i = 0; !e && i < m->n; i++)
			e = row(ctx, &m->row[i]);
	} else {
		walk_begin(s, peer, &q);
		e = adoption_each(&q, row, ctx);
	}
	m->n_walks--;
	return e;
}

enum err adoption_past_put(struct store *s, const struct adoption_row *row)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_ADOPTION_PAST_PUT,
		    "INSERT INTO adoption_past (peer, digest, from_k, until_k)"
		    " VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
		    &q);
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

	query_begin(s, ST_ADOPTION_PAST_HAS,
		    "SELECT 1 FROM adoption_past"
		    " WHERE peer = ? AND digest = ? AND from_k <= ? AND until_k > ?",
		    &q);
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

	query_begin(s, ST_ADOPTION_PAST_FORGET, "DELETE FROM adoption_past WHERE peer = ?", &q);
	query_bind_i64(&q, peer);
	return query_run(&q, NULL);
}
