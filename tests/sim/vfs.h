/**
 * @file
 * The disk of one simulated machine: a SQLite VFS in memory and the last-signed file beside it.
 * Every operation is a point at which a fault can be set: an error, a short write, the end of the
 * process. What was written and not yet synced is kept apart, so that a power loss can drop it,
 * tear it at 512 bytes, or let a random part of it survive.
 *
 *   running --DISK_CRASH at some operation--> dead (nothing has an effect any more)
 *      ^                                        |
 *      +---- disk_restart(how it went down) <---+
 *
 * Deterministic: randomness and time are the world's. One disk an agency, its VFS named "sim0" ...
 *
 * What the world does with it:
 * - each port function that acts asks disk_point() first and does nothing unless it says DISK_OK;
 * - after each call into a node (open, turn, idle, close): when it failed, or the disk is dead, the
 *   process is gone: node_close(), then disk_restart(), then perhaps node_open() again;
 * - a node's call may fail only if disk_has_failed(), or if the world took its memory.
 */
#ifndef TESTS_SIM_VFS_H
#define TESTS_SIM_VFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define DISK_SECTOR 512	      /**< what is written as a whole or not at all */
#define DISK_PIECE 8192	      /**< the kernel copies a write in pages, and may end between two */
#define DISK_WRITE_MAX 131071 /**< the system's VFS takes no more at once: os_unix.c, 0x1ffff */
#define DISK_NOTE_MAX 8192    /**< PROTOCOL.md 4: a signed note */
#define DISK_VFS_NAME_MAX 16  /**< "sim" and a number */

/** Whatever a node does to its surroundings. Those of its port are told by the world. */
enum disk_op {
	DISK_OPEN,
	DISK_READ,
	DISK_WRITE, /**< of a piece: a large write is several */
	DISK_TRUNCATE,
	DISK_SYNC,
	DISK_SIZE,
	DISK_LOCK,
	DISK_DELETE,
	DISK_ACCESS,
	DISK_SIGNED_WRITE, /**< last-signed */
	DISK_SIGNED_SYNC,
	PORT_SEND,
	PORT_CLOSE,
	PORT_DIAL,
	PORT_REPLY,
	N_DISK_OPS,
};

/** Its name in lower case: "write". */
const char *disk_op_name(enum disk_op op);

/** The disk's own bookkeeping allocates: nobody's memory but the simulation's. */
extern volatile bool disk_allocates;

/** What becomes of an operation. */
enum disk_fault {
	DISK_OK,
	DISK_CRASH,  /**< the process is gone before it: no effect, nor has anything after it */
	DISK_EIO,    /**< no effect, and an error; a sync: what waited is never written */
	DISK_ENOSPC, /**< of what makes files grow; otherwise as EIO */
	DISK_EDQUOT,
	DISK_SHORT, /**< half of a read or write, then an error; otherwise as EIO */
	N_DISK_FAULTS,
};

/** Its name in lower case: "eio". */
const char *disk_fault_name(enum disk_fault fault);

/** How the machine went down. */
enum disk_power {
	POWER_KEPT,    /**< only the process ended: what was written is there */
	POWER_DROPPED, /**< nothing that was not synced is there */
	POWER_TORN,    /**< a random part of it is, in sectors, in any order */
	N_DISK_POWERS,
};

struct disk;

/** Asked before each operation of a disk and of its agency's port. */
typedef enum disk_fault disk_hook(void *ctx, struct disk *d, enum disk_op op);

/** A fault to come, without a hook. */
struct disk_plan {
	uint32_t ops; /**< bits 1 << enum disk_op that count and may fail; 0: no plan */
	uint64_t at;  /**< the n-th of them, from 1 */
	enum disk_fault fault;
	bool sticky; /**< and all after it, until the plan is taken back */
};

/** The world's, as the VFS needs it. */
struct disk_world {
	void *ctx;
	uint64_t (*random)(void *ctx, uint64_t below);
	uint64_t (*utc_us)(void *ctx);
};

/**
 * An empty disk. The first one becomes SQLite's default VFS, so that all randomness of SQLite is
 * the world's too.
 *
 * @param number  of its VFS; no two disks at a time have the same
 * Owner: caller frees with disk_free().
 */
struct disk *disk_new(size_t number, const struct disk_world *world);
void disk_free(struct disk *d);

/** Name for node_options.vfs. */
const char *disk_vfs_name(const struct disk *d);

void disk_set_hook(struct disk *d, disk_hook *hook, void *ctx);
void disk_set_plan(struct disk *d, const struct disk_plan *plan);

/**
 * An operation comes: what becomes of it. The disk asks for its own; the world for the port's.
 *
 * @return DISK_CRASH when the process is gone, now or since before
 */
enum disk_fault disk_point(struct disk *d, enum disk_op op);

/** Operations so far, of all kinds. */
uint64_t disk_n_ops(const struct disk *d);

/** A fault had its effect since disk_restart(). */
bool disk_has_failed(const struct disk *d);

/** The process is gone: it met DISK_CRASH. */
bool disk_is_dead(const struct disk *d);

/** The node is closed; make of the files what the next start finds. Plan and hook stay. */
void disk_restart(struct disk *d, enum disk_power how);

/** Bytes of all files; what passes @p n is refused with ENOSPC. 0: no limit, as at the beginning.
 */
uint64_t disk_used(const struct disk *d);
void disk_set_size(struct disk *d, uint64_t n);

/** last-signed: as daemon/vault/last_signed.h, two slots; written, then synced. Empty: none. */
enum err disk_signed_write(struct disk *d, struct view newest, struct view previous);
enum err disk_signed_sync(struct disk *d);
/** Was a commit written to a WAL while last-signed waited for its sync? It came too early. */
bool disk_is_unsigned_commit(const struct disk *d);
struct view disk_signed_newest(const struct disk *d);
struct view disk_signed_previous(const struct disk *d);

/** Flip one bit of what stands in a file. @retval false  no such file, or beyond its end */
bool disk_flip(struct disk *d, const char *name, uint64_t at, unsigned bit);

/** Bytes of a file; 0 when there is none. */
uint64_t disk_file_size(const struct disk *d, const char *name);

/** Pieces written to a file so far. */
uint64_t disk_n_writes(const struct disk *d, const char *name);

/** All files as they stand, to come back to: a backup, or the state before a flip. */
struct disk_image;
struct disk_image *disk_save(const struct disk *d);
void disk_load(struct disk *d, const struct disk_image *image);
/** Empty, as at the beginning; hook and plan stay. No file is open. */
void disk_wipe(struct disk *d);
void disk_image_free(struct disk_image *image);

#endif
