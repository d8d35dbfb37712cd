#include "store/internal.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "store/file_gather.h"

#define PAGE_SIZE 16384u
#define CACHE_SIZE "-4096"	/* KiB, of the idle node's 24 MB */
#define VALUE_BYTES_MAX 4194304 /* of one value or row: bodies are at most 256 KiB */
#define SQL_BYTES_MAX 65536
/* Checkpoint once this much waits, and when it does even under load. */
#define WAL_STEP_BYTES (2u * 1024u * 1024u)
#define WAL_LONG_BYTES (32u * 1024u * 1024u)
#define WAL_HEAD_BYTES 24 /* of a page there: https://sqlite.org/fileformat2.html#walformat */
/* Structure is checked wholly at start up to this size, which takes about 0.1 s. */
#define CHECK_AT_OPEN_BYTES (64 * 1024 * 1024)

static void on_sqlite_log(void *ctx, int code, const char *text)
{
	(void)ctx;
	/* What fails is reported by who asked for it; values are bound and stand in no SQL text. */
	log_line((code & 0xff) == SQLITE_NOTICE ? LOG_NOTICE : LOG_DEBUG,
		 "SQLite reports. code=%d text=\"%s\"", code, text);
}

enum err store_init(void)
{
	static bool done;
	int rc;

	if (done)
		return ERR_OK;
	rc = sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
	if (!rc)
		rc = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	if (!rc)
		rc = sqlite3_config(SQLITE_CONFIG_URI, 0);
	if (!rc)
		rc = sqlite3_config(SQLITE_CONFIG_LOG, on_sqlite_log, NULL);
	if (!rc)
		rc = sqlite3_initialize();
	if (rc)
		return err_new(ERR_STORAGE, "SQLite does not start: %s", sqlite3_errstr(rc));
	done = true;
	return ERR_OK;
}

enum err store_exec(struct store *s, const char *sql)
{
	int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

	return rc ? store_error(s, rc, "the database") : ERR_OK;
}

enum err store_pragma_i64(struct store *s, const char *sql, int64_t *ret)
{
	sqlite3_stmt *stmt;
	int rc = sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL);
	int64_t v = 0;

	if (!rc) {
		rc = sqlite3_step(stmt);
		if (rc == SQLITE_ROW)
			v = sqlite3_column_int64(stmt, 0);
		(void)sqlite3_finalize(stmt);
	}
	if (rc != SQLITE_ROW)
		return store_error(s, rc, sql);
	*ret = v;
	return ERR_OK;
}

/*
 * Run a check or setting whose only row is a text: an error with it when it is not as expected.
 * Other than expected means damage or a file system that cannot do it.
 */
static enum err expect_text(struct store *s, const char *sql, const char *expected)
{
	enum err e = ERR_OK;
	sqlite3_stmt *stmt;
	int rc = sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL);

	if (rc)
		return store_error(s, rc, sql);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		const char *text = (const char *)sqlite3_column_text(stmt, 0);

		if (!text || strcmp(text, expected) != 0)
			e = err_new(ERR_STORAGE, "%s: \"%.100s\" instead of \"%s\"", sql,
				    text ? text : "", expected);
	} else {
		e = store_error(s, rc, sql);
	}
	(void)sqlite3_finalize(stmt);
	return e;
}

static enum err check_exists(sqlite3_vfs *vfs, const char *path, bool create)
{
	int exists = 0;
	int rc = vfs->xAccess(vfs, path, SQLITE_ACCESS_EXISTS, &exists);

	if (rc)
		return err_new(ERR_STORAGE, "%s: %s", path, sqlite3_errstr(rc));
	if (create && exists)
		return err_new(ERR_EXISTS, "%s is there already", path);
	if (!create && !exists)
		return err_new(ERR_NOT_FOUND, "%s is not there", path);
	return ERR_OK;
}

/*
 * The path with its folder resolved: SQLITE_OPEN_NOFOLLOW refuses a symbolic link in any part of a
 * path, but an operator may well link the folder. The file itself must not be a link.
 */
static enum err real_path(const char *path, char **ret)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	CLEANUP(freep) char *folder = NULL;
	CLEANUP(freep) char *real = NULL;
	struct buf b = {0};
	enum err e;

	folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	if (!folder)
		return err_new(ERR_NOMEM, "a path");
	real = realpath(folder, NULL);
	if (!real)
		return err_new(ERR_NOT_FOUND, "there is no folder %s", folder);
	e = buf_printf(&b, "%s/%s", real, name);
	if (e) {
		buf_fini(&b);
		return err_trace(e);
	}
	buf_advance(&b, 1); /* its NUL */
	*ret = (char *)b.data;
	return ERR_OK;
}

static enum err open_error(struct store *s, int rc, const char *path)
{
	switch (rc & 0xff) {
	case SQLITE_BUSY:
		s->failed = true;
		return err_new(ERR_STORAGE,
			       "%s is in use by another process: is an amparod running already?",
			       path);
	case SQLITE_NOTADB:
		s->failed = true;
		return err_new(ERR_STORAGE, "%s is damaged, or no database", path);
	}
	return store_error(s, rc, path);
}

/* What a connection must be told before it reads anything. */
static int harden(sqlite3 *db)
{
	static const struct {
		int option, value;
	} options[] = {
		{SQLITE_DBCONFIG_DEFENSIVE, 1},	  {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
		{SQLITE_DBCONFIG_DQS_DDL, 0},	  {SQLITE_DBCONFIG_DQS_DML, 0},
		{SQLITE_DBCONFIG_ENABLE_VIEW, 0}, {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		int rc = sqlite3_db_config(db, options[i].option, options[i].value, NULL);

		if (rc)
			return rc;
	}
	(void)sqlite3_limit(db, SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX);
	(void)sqlite3_limit(db, SQLITE_LIMIT_SQL_LENGTH, SQL_BYTES_MAX);
	(void)sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
	return sqlite3_busy_timeout(db, 0);
}

static int on_commit(void *ctx, sqlite3 *db, const char *name, int n_pages)
{
	struct store *s = ctx;

	(void)db;
	(void)name;
	s->n_wal_pages = (uint64_t)n_pages;
	return SQLITE_OK;
}

#define SYNCHRONOUS_FULL 2 /* https://sqlite.org/pragma.html#pragma_synchronous */

/* For the rest of the connection's life; in the file stand only page size and journal mode. */
static enum err set_pragmas(struct store *s)
{
	enum err e;

	e = store_exec(s, "PRAGMA secure_delete = ON;"
			  "PRAGMA foreign_keys = ON;"
			  "PRAGMA temp_store = MEMORY;"
			  "PRAGMA mmap_size = 0;"
			  "PRAGMA synchronous = FULL;"
			  "PRAGMA wal_autocheckpoint = 0;"
			  "PRAGMA cache_size = " CACHE_SIZE);
	if (e)
		return err_trace(e);
	e = expect_text(s, "PRAGMA locking_mode", "exclusive");
	if (e)
		return err_trace(e);
	return expect_text(s, "PRAGMA journal_mode = WAL", "wal");
}

/* Open, and read for the first time: that takes the lock, once and for all. */
static enum err open_file(struct store *s, const struct store_options *o, const char *path)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
		    SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE;
	char sql[160];
	int rc = sqlite3_open_v2(path, &s->db, flags | (o->create ? SQLITE_OPEN_CREATE : 0),
				 s->pages.name);

	if (!rc)
		rc = harden(s->db);
	if (!rc && o->create)
		rc = page_check_reserve(s->db);
	/* EXCLUSIVE before the first read; the page size counts before WAL only (DESIGN.md 7). */
	(void)snprintf(sql, sizeof(sql),
		       "PRAGMA locking_mode = EXCLUSIVE; PRAGMA cell_size_check = ON;"
		       "PRAGMA page_size = %u; PRAGMA schema_version",
		       o->page_size ? o->page_size : PAGE_SIZE);
	if (!rc)
		rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
	if (rc)
		return open_error(s, rc, path);
	if (!page_check_is_reserved(s->db)) {
		s->failed = true;
		return err_new(ERR_STORAGE,
			       "%s is not a database of amparod, or damaged: its pages have no "
			       "checksums",
			       path);
	}
	return ERR_OK;
}

static enum err check_structure(struct store *s)
{
	int64_t n_pages;
	enum err e;

	e = store_pragma_i64(s, "PRAGMA page_size", &s->page_bytes);
	if (!e)
		e = store_pragma_i64(s, "PRAGMA page_count", &n_pages);
	if (!e && n_pages * s->page_bytes <= CHECK_AT_OPEN_BYTES)
		e = store_check(s);
	return e ? err_trace(e) : ERR_OK;
}

static enum err open_all(struct store *s, const struct store_options *o, const char *path)
{
	enum err e;

	e = open_file(s, o, path);
	if (!e)
		e = set_pragmas(s);
	if (e)
		return err_trace(e);
	(void)sqlite3_wal_hook(s->db, on_commit, s);
	e = schema_migrate(s, schema_migrations, n_schema_migrations, o->create);
	if (!e)
		e = check_structure(s);
	/* If a crash came between an erasure and its truncation, this makes up for it. */
	if (!e)
		e = store_wal_truncate(s);
	return e ? err_trace(e) : ERR_OK;
}

/* A file whose making failed goes again, so that making it can be tried again. */
static void delete_files(sqlite3_vfs *vfs, const char *path)
{
	static const char *const endings[] = {"", "-wal", "-journal"};

	for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
		CLEANUP(buf_fini) struct buf b = {0};

		if (!buf_printf(&b, "%s%s", path, endings[i]))
			(void)vfs->xDelete(vfs, (const char *)buf_data(&b), 0);
	}
}

enum err store_open(const struct store_options *options, struct store **ret)
{
	CLEANUP(store_closep) struct store *s = NULL;
	CLEANUP(freep) char *path = NULL;
	sqlite3_vfs *vfs;
	mode_t mask;
	enum err e;

	e = store_init();
	if (e)
		return err_trace(e);
	vfs = sqlite3_vfs_find(options->vfs);
	if (!vfs)
		return err_new(ERR_STORAGE, "SQLite has no VFS %s", options->vfs);
	e = real_path(options->path, &path);
	if (!e)
		e = check_exists(vfs, path, options->create);
	if (e)
		return err_trace(e);
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_new(ERR_NOMEM, "a store");
	mask = umask(0077);
	e = page_check_init(&s->pages, vfs);
	if (!e)
		e = open_all(s, options, path);
	(void)umask(mask);
	if (e && options->create) {
		store_closep(&s);
		delete_files(vfs, path);
	}
	if (e)
		return err_trace(e);
	*ret = TAKE(s);
	return ERR_OK;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	ASSERT(s->n_busy == 0);
	store_rollback(s);
	for (size_t i = 0; i < N_STATEMENTS; i++) {
		(void)sqlite3_finalize(s->slots[i].stmt);
		buf_fini(&s->slots[i].row);
	}
	if (sqlite3_close(s->db))
		log_line(LOG_WARN, "The database did not close; the next start recovers it.");
	generation_filters_fini(&s->generations);
	adoption_memo_drop(s);
	page_check_fini(&s->pages);
	free(s);
}

enum err store_check(struct store *s)
{
	enum err e = expect_text(s, "PRAGMA quick_check(1)", "ok");

	if (e == ERR_STORAGE)
		s->failed = true;
	return e ? err_trace(e) : ERR_OK;
}

static enum err run(struct store *s, enum statement id, const char *sql)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, id, sql, &q);
	return query_run(&q, NULL);
}

enum err store_begin(struct store *s)
{
	enum err e;

	if (s->in_transaction)
		return err_new(ERR_STATE, "in a transaction already");
	e = run(s, ST_BEGIN, "BEGIN IMMEDIATE");
	if (e)
		return err_trace(e);
	s->in_transaction = true;
	return ERR_OK;
}

/* What a commit waits for. */
struct waited {
	enum err (*before)(void *ctx);
	void *ctx;
	enum err e;
	char words[ERR_DETAIL_MAX]; /* SQLite's come after them */
};

static int on_last_page(void *ctx)
{
	struct waited *w = ctx;

	w->e = w->before(w->ctx);
	if (w->e)
		(void)snprintf(w->words, sizeof(w->words), "%s", err_words());
	return w->e ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static sqlite3_file *wal_file(struct store *s)
{
	sqlite3_file *file = NULL;

	return sqlite3_file_control(s->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file) ? NULL
											: file;
}

enum err store_commit_after(struct store *s, enum err (*before)(void *ctx), void *ctx)
{
	struct waited w = {.before = before, .ctx = ctx};
	sqlite3_file *wal = wal_file(s);
	enum err e;

	if (!file_gather_hold(wal, WAL_HEAD_BYTES + (int)s->page_bytes, on_last_page, &w)) {
		e = before(ctx);
		return e ? err_trace(e) : store_commit(s);
	}
	e = store_commit(s);
	/* Nothing was written: then nothing had to wait. */
	if (file_gather_let_go(wal) && !e)
		(void)on_last_page(&w);
	return w.e ? err_new(w.e, "%s", w.words) : e;
}

enum err store_commit(struct store *s)
{
	enum err e;

	if (!s->in_transaction)
		return err_new(ERR_STATE, "no transaction to commit");
	ASSERT(s->n_busy == 0);
	if (sqlite3_get_autocommit(s->db)) {
		s->failed = true;
		return err_new(ERR_STORAGE, "SQLite ended the transaction");
	}
	e = run(s, ST_COMMIT, "COMMIT");
	if (e) {
		/* What stands in the file now is not known for sure: only a new start tells. */
		s->failed = true;
		return err_trace(e);
	}
	s->in_transaction = false;
	return ERR_OK;
}

enum err store_is_synchronous(struct store *s, bool *ret)
{
	int64_t level;
	enum err e = store_pragma_i64(s, "PRAGMA synchronous", &level);

	if (e)
		return err_trace(e);
	*ret = level == SYNCHRONOUS_FULL;
	return ERR_OK;
}

void store_rollback(struct store *s)
{
	if (!s->in_transaction)
		return;
	ASSERT(s->n_busy == 0);
	s->in_transaction = false;
	s->has_counted = false;
	s->referral_num = 0;
	generation_filters_fini(&s->generations);
	adoption_memo_drop(s);
	if (sqlite3_get_autocommit(s->db))
		return;
	/* Not by a cached statement: this must work after a failure, too. */
	if (sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL))
		s->failed = true;
}

static enum err wal_checkpoint(struct store *s, int mode, bool *ret_more)
{
	int n_log = 0, n_moved = 0;
	int rc;

	if (s->failed)
		return err_new(ERR_STORAGE, "the database failed before");
	if (s->in_transaction || s->n_busy)
		return err_new(ERR_STATE, "no WAL checkpoint inside a transaction or a walk");
	rc = sqlite3_wal_checkpoint_v2(s->db, NULL, mode, &n_log, &n_moved);
	if (rc)
		return store_error(s, rc, "WAL checkpoint");
	*ret_more = n_moved < n_log;
	if (!*ret_more)
		s->n_wal_pages = 0;
	return ERR_OK;
}

static uint64_t wal_bytes(const struct store *s)
{
	return s->n_wal_pages * (uint64_t)s->page_bytes;
}

bool store_wal_is_long(const struct store *s)
{
	return wal_bytes(s) >= WAL_LONG_BYTES;
}

enum err store_wal_step(struct store *s, bool *ret_more)
{
	if (wal_bytes(s) < WAL_STEP_BYTES) {
		*ret_more = false;
		return ERR_OK;
	}
	return wal_checkpoint(s, SQLITE_CHECKPOINT_PASSIVE, ret_more);
}

enum err store_wal_truncate(struct store *s)
{
	bool more;
	enum err e = wal_checkpoint(s, SQLITE_CHECKPOINT_TRUNCATE, &more);

	if (e)
		return err_trace(e);
	return more ? err_new(ERR_STORAGE, "the WAL could not be emptied") : ERR_OK;
}

enum err store_meta_get(struct store *s, const char *name, struct buf *out)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_META_GET, "SELECT value FROM meta WHERE name = ?1", &q);
	query_bind_text(&q, name);
	return query_get_into(&q, out);
}

enum err store_meta_put(struct store *s, const char *name, struct view value)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_META_PUT,
		    "INSERT INTO meta (name, value) VALUES (?1, ?2)"
		    " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
		    &q);
	query_bind_text(&q, name);
	query_bind_view(&q, value);
	return query_run(&q, NULL);
}
