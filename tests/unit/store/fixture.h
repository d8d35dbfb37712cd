/**
 * @file
 * A store in a folder of its own for each test: the database is a real file.
 */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/epoch_table.h"
#include "store/internal.h"
#include "store/ledger_table.h"
#include "store/peer_table.h"
#include "store/record_table.h"
#include "store/agreement_table.h"
#include "store/manifest_table.h"
#include "store/referral_table.h"

#define EPOCH 1767225600 /* of the ledgers here */

struct fixture {
	char dir[256];
	char path[300];
	struct store *s;
	int64_t peer; /**< id of a peer that is there already */
};

static inline const char *fixture_file(struct fixture *f, const char *ending)
{
	static char path[400];

	(void)snprintf(path, sizeof(path), "%s%s", f->path, ending);
	return path;
}

/** A blob of one content. */
static inline enum err put_blob(struct store *s, const uint8_t id[STORE_ID_BYTES],
				enum blob_kind kind, struct view wrapped_key, struct view cipher)
{
	const struct blob_content one = {
		.kind = kind, .wrapped_key = wrapped_key, .cipher = cipher};

	return blob_put(s, id, &one, 1);
}

static inline enum err fixture_open(struct fixture *f, bool create)
{
	const struct store_options o = {.path = f->path, .create = create};

	assert_null(f->s);
	return store_open(&o, &f->s);
}

/*
 * Every statement that was prepared finds its rows by an index and sorts nothing; only one without
 * WHERE, a walk, goes along a whole table.
 */
static inline void assert_plans(struct store *s)
{
	for (size_t i = 0; i < N_STATEMENTS; i++) {
		sqlite3_stmt *plan;
		char sql[2048];

		if (!s->slots[i].stmt)
			continue;
		(void)snprintf(sql, sizeof(sql), "EXPLAIN QUERY PLAN %s",
			       sqlite3_sql(s->slots[i].stmt));
		assert_int_equal(sqlite3_prepare_v2(s->db, sql, -1, &plan, NULL), SQLITE_OK);
		while (sqlite3_step(plan) == SQLITE_ROW) {
			const char *step = (const char *)sqlite3_column_text(plan, 3);

			if (strstr(step, "TEMP B-TREE"))
				fail_msg("sorts: %s", sql);
			if (strncmp(step, "SCAN", 4) == 0 &&
			    strcmp(step, "SCAN CONSTANT ROW") != 0 && strstr(sql, "WHERE"))
				fail_msg("%s: %s", step, sql);
		}
		(void)sqlite3_finalize(plan);
	}
}

static inline void fixture_close(struct fixture *f)
{
	if (f->s && !f->s->failed)
		assert_plans(f->s);
	store_close(f->s);
	f->s = NULL;
}

/* Commit, close and open again: what a test finds after this stood in the file. */
static inline void fixture_reopen(struct fixture *f)
{
	assert_int_equal(store_commit(f->s), ERR_OK);
	fixture_close(f);
	assert_int_equal(fixture_open(f, false), ERR_OK);
	assert_int_equal(store_begin(f->s), ERR_OK);
}

static inline struct digest digest_of(unsigned n)
{
	struct digest d;

	for (size_t i = 0; i < DIGEST_BYTES; i++)
		d.b[i] = (uint8_t)(n >> (8 * (i % 4)));
	return d;
}

static inline struct peer_row peer_named(const char *id)
{
	struct peer_row row = {0};

	assert_int_equal(agency_id_parse(view_str(id), &row.agency), ERR_OK);
	return row;
}

/* A fresh folder without a database. */
static inline int fixture_setup_empty(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const char *tmp = getenv("TMPDIR");

	assert_non_null(f);
	(void)snprintf(f->dir, sizeof(f->dir), "%s/amparo-store-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->path, sizeof(f->path), "%s/%s", f->dir, STORE_FILE_NAME);
	*state = f;
	return 0;
}

/* A database with one peer, in a transaction. */
static inline int fixture_setup(void **state)
{
	struct peer_row peer = peer_named("spiffe://cz.example/ochrana");
	struct fixture *f;

	(void)fixture_setup_empty(state);
	f = *state;
	assert_int_equal(fixture_open(f, true), ERR_OK);
	assert_int_equal(store_begin(f->s), ERR_OK);
	assert_int_equal(peer_put(f->s, &peer), ERR_OK);
	f->peer = peer.id;
	return 0;
}

static inline int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	struct dirent *entry;
	DIR *dir;

	fixture_close(f);
	dir = opendir(f->dir);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
	(void)closedir(dir);
	(void)rmdir(f->dir);
	free(f);
	return 0;
}

#endif
