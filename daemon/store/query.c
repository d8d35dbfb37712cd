#include "store/internal.h"

#include <limits.h>

enum err store_error(struct store *s, int rc, const char *what)
{
	const char *words = s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc);

	switch (rc) {
	case SQLITE_CONSTRAINT_PRIMARYKEY:
	case SQLITE_CONSTRAINT_UNIQUE:
	case SQLITE_CONSTRAINT_ROWID:
		return err_new(ERR_EXISTS, "%s: %s", what, words);
	case SQLITE_NOMEM:
	case SQLITE_IOERR_NOMEM:
		return err_new(ERR_NOMEM, "%s: %s", what, words);
	case SQLITE_IOERR_DATA:
		words = "damaged, or not a database of amparod: a page has a wrong checksum";
		break;
	}
	s->failed = true;
	return err_new(ERR_STORAGE, "%s: %s (%d)", what, words, rc);
}

static enum err slot_prepare(struct store *s, struct slot *slot, const char *sql)
{
	int rc = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &slot->stmt, NULL);

	return rc ? store_error(s, rc, "preparing a statement") : ERR_OK;
}

/* The statement of a slot, made on its first use. */
static enum err slot_take(struct store *s, enum statement id, const char *sql)
{
	struct slot *slot = &s->slots[id];

	if (s->failed)
		return err_new(ERR_STORAGE, "the database failed before");
	ASSERT(!slot->is_busy);
	if (!slot->stmt) {
		enum err e = slot_prepare(s, slot, sql);

		if (e)
			return err_trace(e);
	}
	if (id != ST_BEGIN && !sqlite3_stmt_readonly(slot->stmt)) {
		if (!s->in_transaction)
			return err_new(ERR_STATE, "a write outside of a transaction");
		/* After some errors SQLite rolls back by itself: what follows must not commit. */
		if (sqlite3_get_autocommit(s->db)) {
			s->failed = true;
			return err_new(ERR_STORAGE, "SQLite ended the transaction");
		}
	}
	slot->is_busy = true;
	s->n_busy++;
	return ERR_OK;
}

void query_begin(struct store *s, enum statement id, const char *sql, struct query *ret)
{
	enum err e = slot_take(s, id, sql);

	*ret = (struct query){.store = s, .slot = e ? NULL : &s->slots[id], .e = e};
}

void query_end(struct query *q)
{
	if (!q->slot)
		return;
	/* Its result repeats the error of the last step, which was reported then. */
	(void)sqlite3_reset(q->slot->stmt);
	(void)sqlite3_clear_bindings(q->slot->stmt);
	q->slot->is_busy = false;
	q->store->n_busy--;
	q->slot = NULL;
}

static void note(struct query *q, enum err e)
{
	if (!q->e)
		q->e = e;
}

/* No row was ever written so. Final, as any storage error is. */
static void note_damage(struct query *q, int column, const char *what)
{
	q->store->failed = true;
	note(q, err_new(ERR_STORAGE, "a damaged row: column %d %s", column, what));
}

static void note_bound(struct query *q, int rc)
{
	if (rc)
		note(q, store_error(q->store, rc, "binding a value"));
}

static void bind_null(struct query *q)
{
	if (!q->e)
		note_bound(q, sqlite3_bind_null(q->slot->stmt, ++q->parameter));
}

void query_bind_i64(struct query *q, int64_t v)
{
	if (!q->e)
		note_bound(q, sqlite3_bind_int64(q->slot->stmt, ++q->parameter, v));
}

void query_bind_u64(struct query *q, uint64_t v)
{
	if (!q->e && v > INT64_MAX)
		note(q, err_new(ERR_INVALID, "a number beyond 2^63 cannot be stored"));
	query_bind_i64(q, (int64_t)v);
}

void query_bind_bytes(struct query *q, const void *p, size_t n)
{
	/* A null pointer would bind NULL instead of no bytes. */
	if (!q->e)
		note_bound(q, sqlite3_bind_blob64(q->slot->stmt, ++q->parameter, n ? p : "", n,
						  SQLITE_STATIC));
}

void query_bind_view(struct query *q, struct view v)
{
	query_bind_bytes(q, v.p, v.n);
}

void query_bind_digest(struct query *q, const struct digest *d)
{
	query_bind_bytes(q, d->b, sizeof(d->b));
}

void query_bind_text(struct query *q, const char *text)
{
	if (!q->e)
		note_bound(q, sqlite3_bind_text64(q->slot->stmt, ++q->parameter, text, strlen(text),
						  SQLITE_STATIC, SQLITE_UTF8));
}

void query_bind_if(struct query *q, bool has, const void *p, size_t n)
{
	if (has)
		query_bind_bytes(q, p, n);
	else
		bind_null(q);
}

void query_bind_ref(struct query *q, int64_t id)
{
	if (id)
		query_bind_i64(q, id);
	else
		bind_null(q);
}

bool query_step(struct query *q)
{
	int rc;

	if (q->e)
		return false;
	rc = sqlite3_step(q->slot->stmt);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		q->e = store_error(q->store, rc, "the database");
	q->column = 0;
	return rc == SQLITE_ROW;
}

enum err query_get(struct query *q)
{
	size_t total = 0;
	uint8_t *room;
	enum err e;

	if (!query_step(q))
		return q->e ? err_trace(q->e) : err_new(ERR_NOT_FOUND, "no such row");
	for (int i = 0; i < sqlite3_column_count(q->slot->stmt); i++) {
		int type = sqlite3_column_type(q->slot->stmt, i);

		if (type == SQLITE_BLOB || type == SQLITE_TEXT)
			total += (size_t)sqlite3_column_bytes(q->slot->stmt, i) + 1;
	}
	buf_clear(&q->slot->row);
	/* All at once, so that no view moves while the next is copied. */
	e = buf_reserve(&q->slot->row, total + 1, &room);
	if (e)
		return err_trace(e);
	q->keeps = true;
	return ERR_OK;
}

enum err query_run(struct query *q, int *ret_n)
{
	(void)query_step(q);
	if (q->e)
		return err_trace(q->e);
	if (ret_n)
		*ret_n = sqlite3_changes(q->store->db);
	return ERR_OK;
}

enum err query_insert(struct query *q, int64_t *ret_id)
{
	enum err e = query_run(q, NULL);

	if (e)
		return err_trace(e);
	*ret_id = sqlite3_last_insert_rowid(q->store->db);
	return ERR_OK;
}

/* The next column, or -1 when it is not of this type. */
static int next_column(struct query *q, int type)
{
	int i = q->column++;

	if (sqlite3_column_type(q->slot->stmt, i) == type)
		return i;
	note_damage(q, i, "has another type");
	return -1;
}

static bool is_null(struct query *q)
{
	return sqlite3_column_type(q->slot->stmt, q->column) == SQLITE_NULL;
}

int64_t query_i64(struct query *q)
{
	int i = next_column(q, SQLITE_INTEGER);

	return i < 0 ? 0 : sqlite3_column_int64(q->slot->stmt, i);
}

static int64_t ranged(struct query *q, int64_t min, int64_t max)
{
	int64_t v = query_i64(q);

	if (v >= min && v <= max)
		return v;
	note_damage(q, q->column - 1, "is out of range");
	return 0;
}

uint64_t query_u64(struct query *q)
{
	return (uint64_t)ranged(q, 0, INT64_MAX);
}

int query_int(struct query *q)
{
	return (int)ranged(q, INT_MIN, INT_MAX);
}

bool query_bool(struct query *q)
{
	return ranged(q, 0, 1);
}

/* The bytes of column i; with a NUL behind them, which is not counted. */
static struct view bytes_of(struct query *q, int i)
{
	sqlite3_stmt *stmt = q->slot->stmt;
	struct buf *row = &q->slot->row;
	const void *p = sqlite3_column_type(stmt, i) == SQLITE_TEXT
				? (const void *)sqlite3_column_text(stmt, i)
				: sqlite3_column_blob(stmt, i);
	size_t n = (size_t)sqlite3_column_bytes(stmt, i);
	uint8_t *to;

	if (!p && n) {
		note(q, err_new(ERR_NOMEM, "%zu bytes of a row", n));
		return view_of("", 0);
	}
	if (!q->keeps)
		return view_of(n ? p : "", n);
	to = buf_data(row) + row->n;
	if (n)
		memcpy(to, p, n);
	to[n] = '\0';
	buf_advance(row, n + 1);
	return view_of(to, n);
}

struct view query_view(struct query *q)
{
	int i = next_column(q, SQLITE_BLOB);

	return i < 0 ? view_of("", 0) : bytes_of(q, i);
}

void query_bytes(struct query *q, void *ret, size_t n)
{
	struct view v = query_view(q);

	if (v.n == n) {
		memcpy(ret, v.p, n);
		return;
	}
	memset(ret, 0, n);
	note_damage(q, q->column - 1, "has another length");
}

void query_digest(struct query *q, struct digest *ret)
{
	query_bytes(q, ret->b, sizeof(ret->b));
}

const char *query_text(struct query *q)
{
	int i = next_column(q, SQLITE_TEXT);

	return i < 0 ? "" : (const char *)bytes_of(q, i).p;
}

void query_text_into(struct query *q, char *ret, size_t cap)
{
	const char *text = "";
	size_t n;

	if (is_null(q))
		q->column++;
	else
		text = query_text(q);
	n = strlen(text);
	if (n >= cap) {
		note_damage(q, q->column - 1, "is too long");
		n = 0;
	}
	memcpy(ret, text, n);
	memset(ret + n, 0, cap - n);
}

bool query_if(struct query *q, void *ret, size_t n)
{
	if (!is_null(q)) {
		query_bytes(q, ret, n);
		return true;
	}
	q->column++;
	memset(ret, 0, n);
	return false;
}

int64_t query_ref(struct query *q)
{
	if (!is_null(q))
		return query_i64(q);
	q->column++;
	return 0;
}

enum err query_error(const struct query *q)
{
	return q->e ? err_trace(q->e) : ERR_OK;
}

enum err query_get_u64(struct query *q, uint64_t *ret)
{
	uint64_t v;
	enum err e = query_get(q);

	if (e)
		return err_trace(e);
	v = query_u64(q);
	if (q->e)
		return err_trace(q->e);
	*ret = v;
	return ERR_OK;
}

enum err query_get_into(struct query *q, struct buf *out)
{
	struct view v;
	enum err e = query_get(q);

	if (e)
		return err_trace(e);
	v = query_view(q);
	return q->e ? err_trace(q->e) : buf_put_view(out, v);
}
