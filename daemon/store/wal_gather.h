/**
 * @file
 * The WAL, written in few calls: SQLite writes each page of a commit by two, of 24 and of 16384
 * bytes. Writes that follow each other are gathered in memory and written as one by what comes
 * first: a write elsewhere or without room, a sync, a question about the file, its end.
 *
 *   empty --write--> gathering --follows--> gathering --anything else--> empty
 *                                                \--the disk refuses--> failed, until closed
 *
 * Nothing that was promised is in memory only: with synchronous=FULL each commit ends with a sync
 * of the WAL, which writes first what is gathered, and fails when that fails. A write that failed
 * is never forgotten: whatever is asked of the file after it fails as well.
 */
#ifndef STORE_WAL_GATHER_H
#define STORE_WAL_GATHER_H

#include <sqlite3.h>

/**
 * Gathered at most, 7 pages of 16384: SQLite's own VFS takes no more in one write, and writes
 * something else when told to (os_unix.c, seekAndWriteFd(): "nBuf &= 0x1ffff").
 */
#define WAL_GATHER_BYTES 0x1ffff

/** What a file opened by wal_gather_open() takes, in bytes, for sqlite3_vfs.szOsFile. */
int wal_gather_file_bytes(const sqlite3_vfs *real);

/** As xOpen of @p real, for a WAL. */
int wal_gather_open(sqlite3_vfs *real, const char *name, sqlite3_file *file, int flags, int *ret);

#endif
