#include "store/referral_table.h"

#include "store/internal.h"

#define REFERRAL_COLUMNS                                                                           \
	"num, leaf, is_incoming, peer, k, manifest, record_id, agreement, purpose, type, "         \
	"urgency, state, state_before, our_change_k, has_consent, opened, n_disclosed, time_us, "  \
	"reply_by_us, expires_us, release_due, awaits"
#define REFERRAL_READ "SELECT " REFERRAL_COLUMNS " FROM referral "

static void referral_bind(struct query *q, const struct referral_row *row, uint64_t awaits)
{
	query_bind_u64(q, row->num);
	query_bind_digest(q, &row->leaf);
	query_bind_i64(q, row->is_incoming);
	query_bind_i64(q, row->peer);
	query_bind_u64(q, row->k);
	query_bind_if(q, row->has_manifest, row->manifest.b, sizeof(row->manifest.b));
	query_bind_bytes(q, row->record_id, sizeof(row->record_id));
	query_bind_digest(q, &row->agreement);
	query_bind_i64(q, row->purpose);
	query_bind_i64(q, row->type);
	query_bind_i64(q, row->urgency);
	query_bind_i64(q, row->state);
	query_bind_i64(q, row->state_before);
	query_bind_u64(q, row->our_change_k);
	query_bind_i64(q, row->has_consent);
	query_bind_i64(q, row->opened);
	query_bind_u64(q, row->n_disclosed);
	query_bind_u64(q, row->time_us);
	query_bind_u64(q, row->reply_by_us);
	query_bind_u64(q, row->expires_us);
	query_bind_i64(q, row->release_due);
	query_bind_u64(q, awaits);
}

static void referral_read(struct query *q, struct referral_row *row)
{
	row->num = query_u64(q);
	query_digest(q, &row->leaf);
	row->is_incoming = query_bool(q);
	row->peer = query_i64(q);
	row->k = query_u64(q);
	row->has_manifest = query_if(q, row->manifest.b, sizeof(row->manifest.b));
	query_bytes(q, row->record_id, sizeof(row->record_id));
	query_digest(q, &row->agreement);
	row->purpose = query_int(q);
	row->type = query_int(q);
	row->urgency = query_int(q);
	row->state = query_int(q);
	row->state_before = query_int(q);
	row->our_change_k = query_u64(q);
	row->has_consent = query_bool(q);
	row->opened = query_bool(q);
	row->n_disclosed = query_u64(q);
	row->time_us = query_u64(q);
	row->reply_by_us = query_u64(q);
	row->expires_us = query_u64(q);
	row->release_due = query_bool(q);
	row->awaits_num = query_u64(q);
	row->awaits_us = row->awaits_num > 0;
}

DEFINE_ROW_ONE(referral)
DEFINE_ROW_EACH(referral)

static enum err referral_run(struct store *s, enum statement id, const char *sql,
			     const struct referral_row *row, uint64_t awaits, int *ret_n)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, id, sql, &q);
	referral_bind(&q, row, awaits);
	return query_run(&q, ret_n);
}

static enum err get_number(struct store *s, enum statement id, const char *sql, uint64_t *ret)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, id, sql, &q);
	return query_get_u64(&q, ret);
}

/* Every num that there is is at most this. */
static enum err newest_num(struct store *s, uint64_t *ret)
{
	enum err e = ERR_OK;

	if (s->referral_num == 0)
		e = get_number(s, ST_REFERRAL_NEWEST, "SELECT ifnull(max(num), 0) FROM referral",
			       &s->referral_num);
	if (e)
		return err_trace(e);
	*ret = s->referral_num;
	return ERR_OK;
}

static enum err insert(struct store *s, struct referral_row *row, uint64_t awaits)
{
	struct referral_row new = *row;
	enum err e = newest_num(s, &new.num);

	if (e)
		return err_trace(e);
	new.num++;
	if (new.num % (1u << GENERATION_BITS) == 0)
		e = generation_close(s, (new.num >> GENERATION_BITS) - 1);
	if (!e)
		e = referral_run(
			s, ST_REFERRAL_PUT,
			"INSERT INTO referral (" REFERRAL_COLUMNS ") VALUES"
			" (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			&new, awaits, NULL);
	if (e)
		return err_trace(e);
	s->referral_num = row->num = new.num;
	return ERR_OK;
}

static bool is_complete(const struct store *s, uint64_t generation)
{
	return generation < s->referral_num >> GENERATION_BITS;
}

static enum err change(struct store *s, const struct referral_row *row, uint64_t awaits)
{
	const uint64_t generation = row->num >> GENERATION_BITS;
	uint64_t newest;
	int n = 0;
	enum err e = newest_num(s, &newest);

	if (!e && is_complete(s, generation))
		e = generation_add(s, generation, &row->leaf);
	if (!e)
		e = referral_run(
			s, ST_REFERRAL_CHANGE,
			"UPDATE referral SET leaf = ?2, is_incoming = ?3, peer = ?4, k = ?5,"
			" manifest = ?6, record_id = ?7, agreement = ?8, purpose = ?9, type = ?10,"
			" urgency = ?11, state = ?12, state_before = ?13, our_change_k = ?14,"
			" has_consent = ?15, opened = ?16, n_disclosed = ?17, time_us = ?18,"
			" reply_by_us = ?19, expires_us = ?20, release_due = ?21,"
			" awaits = iif(awaits > 0 AND ?22 > 0, awaits, ?22) WHERE num = ?1",
			row, awaits, &n);
	if (e)
		return err_trace(e);
	return n == 1 ? ERR_OK : err_new(ERR_BUG, "no referral has this number");
}

enum err referral_put(struct store *s, struct referral_row *row)
{
	uint64_t awaits = 0;
	enum err e = ERR_OK;

	if (row->awaits_us)
		e = referral_newest_awaiting(s, &awaits);
	if (e)
		return err_trace(e);
	if (row->awaits_us)
		s->awaits_num = ++awaits;
	return row->num == 0 ? insert(s, row, awaits) : change(s, row, awaits);
}

enum err referral_get_num(struct store *s, uint64_t num, struct referral_row *ret)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_REFERRAL_GET, REFERRAL_READ "WHERE num = ?", &q);
	query_bind_u64(&q, num);
	return referral_one(&q, ret);
}

/* The rows of one generation from low to high, two at most; *n counts on. */
static enum err find_in(struct store *s, uint64_t generation, const struct digest *low,
			const struct digest *high, struct referral_row *ret, size_t *n)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_REFERRAL_FIND,
		    REFERRAL_READ "INDEXED BY referral_by_leaf WHERE " GENERATION_SQL
				  " = ? AND leaf >= ? AND leaf <= ? LIMIT 2",
		    &q);
	query_bind_u64(&q, generation);
	query_bind_digest(&q, low);
	query_bind_digest(&q, high);
	for (; query_step(&q); ++*n)
		referral_read(&q, ret);
	return query_error(&q);
}

/* The newest referrals first, until the one, or two if more than one may begin so, are found. */
static enum err find(struct store *s, struct view prefix, struct referral_row *ret, size_t *ret_n)
{
	const size_t enough = prefix.n == DIGEST_BYTES ? 1 : 2;
	struct digest low, high;
	uint64_t newest = 0;
	enum err e = newest_num(s, &newest);

	memset(low.b, 0, sizeof(low.b));
	memset(high.b, 0xff, sizeof(high.b));
	memcpy(low.b, prefix.p, prefix.n);
	memcpy(high.b, prefix.p, prefix.n);
	*ret_n = 0;
	for (uint64_t i = (newest >> GENERATION_BITS) + 1; !e && i-- > 0 && *ret_n < enough;) {
		bool may = true;

		if (is_complete(s, i))
			e = generation_may_have(s, i, prefix, &may);
		if (!e && may)
			e = find_in(s, i, &low, &high, ret, ret_n);
	}
	return e ? err_trace(e) : ERR_OK;
}

enum err referral_get(struct store *s, const struct digest *leaf, struct referral_row *ret)
{
	return referral_find(s, view_digest(leaf), ret);
}

enum err referral_find(struct store *s, struct view prefix, struct referral_row *ret)
{
	struct referral_row row;
	size_t n;
	enum err e;

	if (prefix.n == 0 || prefix.n > DIGEST_BYTES)
		return err_new(ERR_INVALID, "a beginning of 1 to 32 bytes is needed");
	e = find(s, prefix, &row, &n);
	if (e)
		return err_trace(e);
	if (n == 0)
		return err_new(ERR_NOT_FOUND, "no referral begins so");
	if (n > 1)
		return err_new(ERR_EXISTS, "more than one referral begins so");
	*ret = row;
	return ERR_OK;
}

enum err referral_walk(struct store *s, uint64_t before,
		       enum err (*row)(void *ctx, const struct referral_row *row), void *ctx)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_REFERRAL_WALK, REFERRAL_READ "WHERE num < ? ORDER BY num DESC", &q);
	query_bind_u64(&q, before);
	return referral_each(&q, row, ctx);
}

enum err referral_walk_awaiting(struct store *s, uint64_t before,
				enum err (*row)(void *ctx, const struct referral_row *row),
				void *ctx)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_REFERRAL_WALK_AWAITING,
		    REFERRAL_READ "INDEXED BY referral_awaiting"
				  " WHERE awaits > 0 AND awaits < ? ORDER BY awaits DESC",
		    &q);
	query_bind_u64(&q, before);
	return referral_each(&q, row, ctx);
}

enum err referral_count_awaiting(struct store *s, uint64_t *ret)
{
	return get_number(s, ST_REFERRAL_COUNT_AWAITING,
			  "SELECT count(*) FROM referral INDEXED BY referral_awaiting"
			  " WHERE awaits > 0",
			  ret);
}

enum err referral_newest_awaiting(struct store *s, uint64_t *ret)
{
	enum err e = ERR_OK;

	if (s->awaits_num == 0)
		e = get_number(s, ST_REFERRAL_NEWEST_AWAITING,
			       "SELECT ifnull(max(awaits), 0) FROM referral"
			       " INDEXED BY referral_awaiting WHERE awaits > 0",
			       &s->awaits_num);
	if (e)
		return err_trace(e);
	*ret = s->awaits_num;
	return ERR_OK;
}

enum err referral_walk_peer(struct store *s, int64_t peer,
			    enum err (*row)(void *ctx, const struct referral_row *row), void *ctx)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_REFERRAL_WALK_PEER, REFERRAL_READ "WHERE peer = ? ORDER BY num", &q);
	query_bind_i64(&q, peer);
	return referral_each(&q, row, ctx);
}

enum err referral_walk_deadline(struct store *s, enum referral_deadline deadline, uint64_t after_us,
				uint64_t to_us,
				enum err (*row)(void *ctx, const struct referral_row *row),
				void *ctx)
{
	static const struct {
		enum statement id;
		const char *sql;
	} of[] = {
		[REFERRAL_REPLY_BY] = {ST_REFERRAL_WALK_REPLY_BY,
				       REFERRAL_READ "INDEXED BY referral_reply_by"
						     " WHERE reply_by_us > 0 AND reply_by_us > ?"
						     " AND reply_by_us <= ? ORDER BY reply_by_us"},
		[REFERRAL_EXPIRES] = {ST_REFERRAL_WALK_EXPIRES,
				      REFERRAL_READ "INDEXED BY referral_expires"
						    " WHERE expires_us > 0 AND expires_us > ?"
						    " AND expires_us <= ? ORDER BY expires_us"},
	};
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, of[deadline].id, of[deadline].sql, &q);
	query_bind_u64(&q, after_us);
	query_bind_u64(&q, to_us);
	return referral_each(&q, row, ctx);
}

#define STATUS_COLUMNS                                                                             \
	"referral, leaf, is_incoming, k, time_us, state, opened, refused, reason_blob"

enum err status_put(struct store *s, const struct status_row *row)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_STATUS_PUT,
		    "INSERT INTO status (" STATUS_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
		    &q);
	query_bind_u64(&q, row->referral);
	query_bind_digest(&q, &row->leaf);
	query_bind_i64(&q, row->is_incoming);
	query_bind_u64(&q, row->k);
	query_bind_u64(&q, row->time_us);
	query_bind_i64(&q, row->state);
	query_bind_i64(&q, row->opened);
	query_bind_i64(&q, row->refused);
	query_bind_if(&q, row->has_reason, row->reason_blob, sizeof(row->reason_blob));
	return query_run(&q, NULL);
}

static void status_read(struct query *q, struct status_row *row)
{
	row->referral = query_u64(q);
	query_digest(q, &row->leaf);
	row->is_incoming = query_bool(q);
	row->k = query_u64(q);
	row->time_us = query_u64(q);
	row->state = query_int(q);
	row->opened = query_bool(q);
	row->refused = query_int(q);
	row->has_reason = query_if(q, row->reason_blob, sizeof(row->reason_blob));
}

DEFINE_ROW_EACH(status)

enum err status_walk(struct store *s, uint64_t referral,
		     enum err (*row)(void *ctx, const struct status_row *row), void *ctx)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_STATUS_WALK,
		    "SELECT " STATUS_COLUMNS " FROM status WHERE referral = ? ORDER BY num", &q);
	query_bind_u64(&q, referral);
	return status_each(&q, row, ctx);
}
