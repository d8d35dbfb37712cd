/**
 * @file
 * The `last-signed` file: the newest checkpoint that this node signed and the one before it, kept
 * outside the database and its backups, so that a restored old database is noticed.
 *
 * Two slots of fixed size in a file written full at --init, used in turn, so that a torn write
 * leaves the pair before it. A slot:
 *
 *   magic[8] | u64 number | u32 n_newest | u32 n_previous | newest | previous | SHA-256 of all that
 *
 * The slot with a good digest and the higher number counts. A write is begun, and goes to the disk
 * while its caller has other work; one fdatasync waits for it.
 */
#ifndef VAULT_LAST_SIGNED_H
#define VAULT_LAST_SIGNED_H

#include "base/digest.h"
#include "base/err.h"
#include "base/own.h"

#define LAST_SIGNED_NOTE_MAX 8192u /**< bytes of one note */
#define LAST_SIGNED_SLOT_BYTES 20480u

struct last_signed;

/**
 * Make the file, empty, and durable.
 *
 * @retval ERR_EXISTS  there is one
 * @retval ERR_IO
 */
enum err last_signed_create(const char *path) WARN_UNUSED;

/**
 * Open and read it.
 *
 * @retval ERR_NOT_FOUND  no such file
 * @retval ERR_DENIED     no regular file of ours that others cannot write
 * @retval ERR_STORAGE    damaged beyond a torn write
 * @retval ERR_IO, ERR_NOMEM
 *
 * Owner: caller closes with last_signed_close().
 */
enum err last_signed_open(const char *path, struct last_signed **ret) WARN_UNUSED;
void last_signed_close(struct last_signed *l);
DEFINE_FREEP(struct last_signed, last_signed_close)

/** As read or last written; borrowed until the next write. Empty before the first. */
struct view last_signed_newest(const struct last_signed *l);
struct view last_signed_previous(const struct last_signed *l);

/**
 * Write both; last_signed_sync() follows before the next write, so that a power loss finds one
 * slot whole.
 *
 * @param previous    may be empty
 * @retval ERR_LIMIT  a note over LAST_SIGNED_NOTE_MAX
 * @retval ERR_IO     final: what stands in the file is not known
 */
enum err last_signed_write(struct last_signed *l, struct view newest,
			   struct view previous) WARN_UNUSED;

/**
 * What was written is durable when this returns.
 *
 * @retval ERR_IO  final: what stands in the file is not known
 */
enum err last_signed_sync(struct last_signed *l) WARN_UNUSED;

#endif
