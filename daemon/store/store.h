/**
 * @file
 * The node's SQLite database: open, migrate, transactions. All SQL of the daemon stays in this
 * folder, a file a table group; callers assume transactions and nothing else of SQLite.
 *
 * Exactly one connection a file (SQLite 3.40.1 has the WAL-reset bug), locking_mode EXCLUSIVE, WAL,
 * synchronous FULL, secure_delete, STRICT tables, foreign keys, page_size 16384, a checksum in each
 * page (page_check.h). Any storage error is final for the process: log and exit; crash-only.
 *
 * Rules of every function in this folder:
 * - outside of a transaction only reads are allowed;
 * - ERR_STORAGE: SQLite failed (its words are in err_detail()); ERR_NOMEM; ERR_NOT_FOUND where
 * said;
 * - `struct view` results are borrowed from the statement and valid until the next call of the same
 *   function, unless an out-buffer is taken; callers copy what they keep;
 * - a row callback returns ERR_OK to go on, anything else ends the walk and is returned; it may
 * call other functions of the store, not the one that walks.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>

#include "base/agency_id.h"
#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/own.h"

#define STORE_FILE_NAME "amparo.db"
#define STORE_ID_BYTES 16 /**< ids of blobs: blob_id() */

struct store;

/**
 * Configure SQLite for this process. store_open() calls it; who registers a VFS calls it before.
 *
 * @retval ERR_STORAGE  SQLite was started before
 */
enum err store_init(void) WARN_UNUSED;

struct store_options {
	const char *path;   /**< of the database file */
	bool create;	    /**< make it (must not exist); else it must exist */
	unsigned page_size; /**< 0 = 16384; tests of bit rot use 512 */
	const char *vfs;    /**< NULL = default; simulation gives its own */
};

/**
 * Open, check and migrate.
 *
 * @retval ERR_NOT_FOUND  no such file (an empty one is none) and not create, or no such folder
 * @retval ERR_EXISTS     create, and the file is there
 * @retval ERR_VERSION    made by a newer amparod
 * @retval ERR_STORAGE    cannot be opened, is in use by another process, or is damaged
 */
enum err store_open(const struct store_options *options, struct store **ret) WARN_UNUSED;
void store_close(struct store *s);
DEFINE_FREEP(struct store, store_close)

enum err store_begin(struct store *s) WARN_UNUSED;  /**< BEGIN IMMEDIATE */
enum err store_commit(struct store *s) WARN_UNUSED; /**< durable when it returns ERR_OK */
void store_rollback(struct store *s);		    /**< no-op outside a transaction */

/**
 * Commit, but not before something else is on the disk.
 *
 * @param before  called once; until it has returned ERR_OK, nothing in the files is this commit,
 *                whenever the power fails. What the commit needs besides goes to the disk meanwhile
 * @retval        the error of @p before; nothing was committed. Others as store_commit()
 */
enum err store_commit_after(struct store *s, enum err (*before)(void *ctx), void *ctx) WARN_UNUSED;

/** Does a commit wait for the disk? As the database itself says, not as it was told. */
enum err store_is_synchronous(struct store *s, bool *ret) WARN_UNUSED;

/** Has the WAL grown so long that a step is due even under load? From 32 MiB on. */
bool store_wal_is_long(const struct store *s);

/**
 * One PASSIVE WAL checkpoint step, between turns: nothing until 2 MiB wait in the WAL. For a moment
 * without work, or when store_wal_is_long(): under load each page that is written again and again
 * is moved once, and the two syncs are shared by many turns.
 *
 * @param[out] ret_more  true when there is more to move
 */
enum err store_wal_step(struct store *s, bool *ret_more) WARN_UNUSED;

/**
 * Check the structure of the whole file. store_open() does so with files of up to 64 MiB.
 *
 * @retval ERR_STORAGE  damaged
 */
enum err store_check(struct store *s) WARN_UNUSED;

/** TRUNCATE checkpoint: after an erasure, so that no old bytes stay in the WAL. */
enum err store_wal_truncate(struct store *s) WARN_UNUSED;

/** Small named values: "agency", "epoch", "created_us" ... ERR_NOT_FOUND when absent. */
enum err store_meta_get(struct store *s, const char *name, struct buf *out) WARN_UNUSED;
enum err store_meta_put(struct store *s, const char *name, struct view value) WARN_UNUSED;

#endif
