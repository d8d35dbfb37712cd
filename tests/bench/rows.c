#include "bench/rows.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/measure.h"

static void step(struct rows *r, sqlite3_stmt *s)
{
	if (sqlite3_step(s) != SQLITE_DONE || sqlite3_reset(s) != SQLITE_OK)
		fail("SQLite: %s", sqlite3_errmsg(r->db));
}

static sqlite3_stmt *prepare(struct rows *r, const char *sql)
{
	sqlite3_stmt *s;

	if (sqlite3_prepare_v2(r->db, sql, -1, &s, NULL) != SQLITE_OK)
		fail("SQLite: %s", sqlite3_errmsg(r->db));
	return s;
}

static void check_full(struct rows *r)
{
	sqlite3_stmt *s = prepare(r, "PRAGMA synchronous");

	if (sqlite3_step(s) != SQLITE_ROW || sqlite3_column_int(s, 0) != 2)
		fail("synchronous is not FULL");
	sqlite3_finalize(s);
}

void rows_open(struct rows *r, const char *path, int pages)
{
	char sql[512];

	for (int i = 0; i < 3; i++) {
		static const char *const ends[] = {"", "-wal", "-shm"};

		(void)snprintf(sql, sizeof(sql), "%s%s", path, ends[i]);
		(void)unlink(sql);
	}
	(void)snprintf(sql, sizeof(sql),
		       "PRAGMA page_size=16384; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
		       "PRAGMA wal_autocheckpoint=%d;"
		       "CREATE TABLE r(i INTEGER PRIMARY KEY, b BLOB, s BLOB)",
		       pages);
	if (sqlite3_open(path, &r->db) != SQLITE_OK ||
	    sqlite3_exec(r->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail("%s: %s", path, sqlite3_errmsg(r->db));
	check_full(r);
	r->begin = prepare(r, "BEGIN IMMEDIATE");
	r->insert = prepare(r, "INSERT INTO r(b, s) VALUES(?, ?)");
	r->commit = prepare(r, "COMMIT");
}

void rows_close(struct rows *r)
{
	sqlite3_finalize(r->begin);
	sqlite3_finalize(r->insert);
	sqlite3_finalize(r->commit);
	sqlite3_close(r->db);
}

void rows_begin(struct rows *r)
{
	step(r, r->begin);
}

void rows_insert(struct rows *r, const void *p, size_t n, size_t n_beside)
{
	if (sqlite3_bind_blob(r->insert, 1, p, (int)n, SQLITE_STATIC) != SQLITE_OK ||
	    sqlite3_bind_blob(r->insert, 2, p, (int)n_beside, SQLITE_STATIC) != SQLITE_OK)
		fail("SQLite: %s", sqlite3_errmsg(r->db));
	step(r, r->insert);
}

void rows_commit(struct rows *r)
{
	step(r, r->commit);
}
