/**
 * @file
 * A node's database changed behind its back, as somebody would who has its disk: with page
 * checksums that fit, so that what lies above them is tested.
 */
#ifndef TESTS_COMMON_BEHIND_H
#define TESTS_COMMON_BEHIND_H

#include <sqlite3.h>

#include "store/page_check.h"
#include "store/store.h"

struct behind {
	struct page_check pages;
	sqlite3 *db;
};

/** Open or make the file; aborts when it cannot. Ended by behind_close(). */
static inline void behind_open(struct behind *b, const char *path)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;

	ASSERT(store_init() == ERR_OK);
	ASSERT(page_check_init(&b->pages, sqlite3_vfs_find(NULL)) == ERR_OK);
	ASSERT(sqlite3_open_v2(path, &b->db, flags, b->pages.name) == SQLITE_OK);
	ASSERT(page_check_reserve(b->db) == SQLITE_OK);
	ASSERT(sqlite3_exec(b->db, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL) ==
	       SQLITE_OK);
}

static inline void behind_close(struct behind *b)
{
	ASSERT(sqlite3_close(b->db) == SQLITE_OK);
	page_check_fini(&b->pages);
}

#endif
