/**
 * @file
 * A checksum in every page of the database file, so that rotten bits are an error and never an
 * answer: SQLite has none of its own for what is not in the WAL. A VFS between SQLite and the
 * system's puts it into the last 8 bytes of each page (which SQLite keeps free when told) as the
 * page is written, and compares it as the page is read. Pages in the WAL have SQLite's; how both
 * are written is file_gather.h's.
 *
 * It also gives back the memory in which the kernel keeps pages that were added to the file, once
 * they are synced: they are history, and would push out what the machine's other jobs read. (New
 * memory has its price too: on a virtual machine that has to be given it by its host, writing a
 * page into it takes seven times as long.)
 */
#ifndef STORE_PAGE_CHECK_H
#define STORE_PAGE_CHECK_H

#include <sqlite3.h>
#include <stdbool.h>

#include "base/err.h"

#define PAGE_CHECK_BYTES 8 /**< at the end of each page */
#define PAGE_CHECK_NAME_MAX 40

/** A VFS of its own, registered while it lives. */
struct page_check {
	sqlite3_vfs vfs;
	char name[PAGE_CHECK_NAME_MAX];
	bool is_registered;
};

/**
 * Register a checking VFS over @p base under a name of its own, for sqlite3_open_v2(). A page that
 * does not fit its checksum reads as SQLITE_IOERR_DATA.
 *
 * @param base  outlives @p c, which must not move
 * @retval ERR_STORAGE
 */
enum err page_check_init(struct page_check *c, sqlite3_vfs *base) WARN_UNUSED;
void page_check_fini(struct page_check *c);

/** Tell a connection to a file that is to be made, before anything else, to leave room. */
int page_check_reserve(sqlite3 *db);

/** Does the file leave room? Only then it was written with checksums. */
bool page_check_is_reserved(sqlite3 *db);

#endif
