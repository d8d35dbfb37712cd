/**
 * @file
 * What the files of our VFS share: each stands over a file of the real one, and passes on what it
 * has no part in. Signatures are those of sqlite3_io_methods.
 */
#ifndef STORE_FILE_OVER_H
#define STORE_FILE_OVER_H

#include <sqlite3.h>

/** Head of such a file. */
struct file_over {
	sqlite3_file base;
	sqlite3_file *real; /**< in the same allocation, SQLite's */
};

/** xLock, xUnlock and xCheckReservedLock of the real file. */
int file_over_lock(sqlite3_file *file, int level);
/** See file_over_lock(). */
int file_over_unlock(sqlite3_file *file, int level);
/** See file_over_lock(). */
int file_over_check_reserved(sqlite3_file *file, int *ret);

/** xFileControl: what SQLite tells or asks of the file itself, not of what stands in it. */
int file_over_control(sqlite3_file *file, int op, void *arg);

/** xSectorSize. */
int file_over_sector_size(sqlite3_file *file);

/** xDeviceCharacteristics. */
int file_over_characteristics(sqlite3_file *file);

#endif
