/**
 * @file
 * The database file and its WAL, written in few calls: SQLite writes each page of a commit to the
 * WAL by two, of 24 and of 16384 bytes, and by one when it moves it to the database. Writes that
 * follow each other are gathered in memory and written as one by what comes first: a write
 * elsewhere or without room, a read, a sync, a question about the file, its end.
 *
 *   empty --write--> gathering --follows--> gathering --anything else--> empty
 *                                                \--the disk refuses--> failed, until closed
 *
 * A commit may have to wait for something else that must be on the disk first. It is then held back
 * at its last page: without it, what stands in the WAL is no commit. All before it goes to the disk
 * meanwhile.
 *
 * Nothing that was promised is in memory only: with synchronous=FULL each commit ends with a sync
 * of the WAL, and the WAL is begun anew only after a sync of the database; a sync writes first what
 * is gathered, and fails when that fails. A write that failed is never forgotten: whatever is asked
 * of the file after it fails as well.
 */
#ifndef STORE_FILE_GATHER_H
#define STORE_FILE_GATHER_H

#include <sqlite3.h>
#include <stdbool.h>

/**
 * Gathered at most, 7 pages of 16384: SQLite's own VFS takes no more in one write, and writes
 * something else when told to (os_unix.c, seekAndWriteFd(): "nBuf &= 0x1ffff").
 */
#define FILE_GATHER_MAX 0x1ffff

/** What a file opened by file_gather_open() takes, in bytes, for sqlite3_vfs.szOsFile. */
int file_gather_bytes(const sqlite3_vfs *real);

/** As xOpen of @p real, for a database that one connection has alone, or its WAL. */
int file_gather_open(sqlite3_vfs *real, const char *name, sqlite3_file *file, int flags, int *ret);

/**
 * Hold the next commit back until @p before was called: once, before the last @p n_last bytes,
 * which are written by up to two writes that follow each other, are handed on to the WAL.
 *
 * @param file    as file_gather_open() made it for a WAL; whatever else it is, false is returned
 * @param n_last  bytes of a page in the WAL, with its head
 * @param before  returns SQLITE_OK, or what the commit is to fail with
 * @return        whether it will be called: by the next sync after a write of that many bytes, or
 *                by what comes first; file_gather_let_go() tells whether it was
 */
bool file_gather_hold(sqlite3_file *file, int n_last, int (*before)(void *ctx), void *ctx);

/** Nothing is held back any more. @return  whether something still was, its @p before not called */
bool file_gather_let_go(sqlite3_file *file);

#endif
