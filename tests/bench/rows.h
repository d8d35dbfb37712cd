/**
 * @file
 * A table of blobs in an SQLite database like a node's: WAL, synchronous=FULL.
 */
#ifndef BENCH_ROWS_H
#define BENCH_ROWS_H

#include <sqlite3.h>
#include <stddef.h>

struct rows {
	sqlite3 *db;
	sqlite3_stmt *begin, *insert, *commit;
};

/** In a new file; @p pages: of the WAL before a checkpoint. Ends the program on failure. */
void rows_open(struct rows *r, const char *path, int pages);
void rows_close(struct rows *r);
void rows_begin(struct rows *r);
void rows_insert(struct rows *r, const void *p, size_t n, size_t n_beside); /**< two blobs of p */
void rows_commit(struct rows *r);

#endif
