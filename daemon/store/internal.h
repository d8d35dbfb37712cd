/**
 * @file
 * What the files of store/ share: the connection, cached statements, values in and out of rows.
 *
 * A statement is prepared once a store and kept in its slot. A query is one use of it: values are
 * bound in the order of its parameters and read in the order of its columns. The first mistake, of
 * beginning, binding, stepping or reading, is kept; nothing is bound or run after it, so that only
 * the last call is asked how it went:
 *
 *     CLEANUP(query_end) struct query q = {0};
 *
 *     query_begin(s, ST_NOTED_DELETE, "DELETE FROM noted WHERE id = ?", &q);
 *     query_bind_i64(&q, id);
 *     return query_run(&q, NULL);
 *
 * query_end() (by CLEANUP) always resets the statement and drops its bindings: no read is left open
 * at a commit. A table whose rows callers see has a reader, `static void x_read(struct query *q,
 * struct x_row *row)`, from which DEFINE_ROW_ONE(x) and DEFINE_ROW_EACH(x) make the rest.
 */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include <sqlite3.h>

#include "store/agreement_table.h"
#include "store/generation.h"
#include "store/page_check.h"
#include "store/store.h"

/** One slot a statement. */
enum statement {
	ST_BEGIN,
	ST_COMMIT,
	ST_META_GET,
	ST_META_PUT,
	ST_ENTRY_PUT,
	ST_ENTRY_GET,
	ST_ENTRY_GET_K,
	ST_ENTRY_FIND,
	ST_ENTRY_COUNT,
	ST_ENTRY_LEAVES,
	ST_ENTRY_WALK,
	ST_ENTRY_WALK_PEER,
	ST_TILE_PUT,
	ST_TILE_GET,
	ST_TILE_GET_NODE,
	ST_TILE_COUNT,
	ST_OWN_CHECKPOINT_PUT,
	ST_OWN_CHECKPOINT_GET,
	ST_BLOB_NEWEST,
	ST_BLOB_PUT,
	ST_BLOB_GET,
	ST_BLOB_GET_LOCAL,
	ST_BLOB_ERASE,
	ST_BLOB_ERASE_LOCAL,
	ST_PEER_INSERT,
	ST_PEER_UPDATE,
	ST_PEER_WALK,
	ST_PEER_CHAIN_PUT,
	ST_PEER_CHAIN_GET,
	ST_RECEIVED_PUT,
	ST_RECEIVED_GET,
	ST_RECEIVED_FIND,
	ST_RECEIVED_WALK,
	ST_RECEIVED_WALK_EXCEPTIONS,
	ST_RECEIVED_WALK_REASONS,
	ST_RECEIVED_CHECKPOINT_PUT,
	ST_RECEIVED_CHECKPOINT_GET,
	ST_REFUSAL_PUT,
	ST_REFUSAL_GET,
	ST_REFUSAL_WALK,
	ST_INCIDENT_PUT,
	ST_INCIDENT_COUNT,
	ST_INCIDENT_WALK,
	ST_NOTED_PUT,
	ST_NOTED_GET,
	ST_NOTED_WALK,
	ST_NOTED_WALK_TOLD,
	ST_NOTED_COUNT_TOLD,
	ST_NOTED_SET,
	ST_NOTED_DELETE,
	ST_EPOCH_PUT,
	ST_EPOCH_GET,
	ST_EPOCH_NEXT,
	ST_RECOVERED_PUT,
	ST_RECOVERED_GET,
	ST_RECOVERED_GET_LEAF,
	ST_RECOVERED_GET_DUE,
	ST_RECOVERED_SET_APPLIED,
	ST_RECOVERED_WALK,
	ST_RECOVERED_WALK_INDEX,
	ST_RECOVERY_PUT,
	ST_RECOVERY_GET,
	ST_RECOVERY_DELETE,
	ST_RECORD_NEW,
	ST_REVISION_PUT,
	ST_RECORD_GET,
	ST_RECORD_GET_MANIFEST,
	ST_RECORD_WALK,
	ST_RECORD_WALK_ID,
	ST_RECORD_COUNT,
	ST_MANIFEST_PUT,
	ST_MANIFEST_GET,
	ST_SEAL_PUT,
	ST_SEAL_GET,
	ST_SEAL_GET_LAST,
	ST_OPENING_PUT,
	ST_OPENING_WALK,
	ST_REFERRAL_NEWEST,
	ST_REFERRAL_GET,
	ST_GENERATION_GET,
	ST_GENERATION_PUT,
	ST_GENERATION_LEAVES,
	ST_REFERRAL_PUT,
	ST_REFERRAL_CHANGE,
	ST_REFERRAL_FIND,
	ST_REFERRAL_WALK,
	ST_REFERRAL_WALK_AWAITING,
	ST_REFERRAL_COUNT_AWAITING,
	ST_REFERRAL_NEWEST_AWAITING,
	ST_REFERRAL_WALK_PEER,
	ST_REFERRAL_WALK_REPLY_BY,
	ST_REFERRAL_WALK_EXPIRES,
	ST_STATUS_PUT,
	ST_STATUS_WALK,
	ST_AGREEMENT_PUT,
	ST_AGREEMENT_GET,
	ST_AGREEMENT_WALK,
	ST_ADOPTION_PUT,
	ST_ADOPTION_GET,
	ST_ADOPTION_WALK,
	ST_ADOPTION_WALK_PEER,
	ST_ADOPTION_PAST_PUT,
	ST_ADOPTION_PAST_HAS,
	ST_ADOPTION_PAST_FORGET,
	N_STATEMENTS,
};

struct slot {
	sqlite3_stmt *stmt; /**< NULL until first used */
	struct buf row;	    /**< copy of the row that the last query_get() found */
	bool is_busy;
};

#define ADOPTIONS_KEPT 16

/**
 * The adoptions of the peer that was asked for last, since each referral asks: all of them, unless
 * it has more than ADOPTIONS_KEPT. Dropped with each write, read again when asked for.
 */
struct adoption_memo {
	int64_t peer;				 /**< 0: nothing is known of any */
	struct adoption_row row[ADOPTIONS_KEPT]; /**< by digest */
	size_t n;	  /**< rows; ADOPTIONS_KEPT + 1: there are more, and it is of no use */
	unsigned n_walks; /**< going on: it must stay */
};

struct store {
	sqlite3 *db;
	struct page_check pages;
	struct slot slots[N_STATEMENTS];
	unsigned n_busy; /**< slots in use */
	int64_t page_bytes;
	uint64_t n_wal_pages;		   /**< in the WAL after the newest commit */
	uint64_t counted_epoch, n_entries; /**< of the newest entry written */
	bool has_counted;		   /**< these two hold */
	uint64_t blob_num;		   /**< of the newest blob; 0: not known */
	uint64_t referral_num;		   /**< given out last to a referral; 0: not known */
	struct generation_filters generations;
	uint64_t awaits_num; /**< likewise, to one that awaits us */
	struct adoption_memo adoptions;
	bool in_transaction;
	bool failed; /**< a storage error is final */
};

/** One use of a statement. */
struct query {
	struct store *store;
	struct slot *slot;
	int parameter; /**< bound so far */
	int column;    /**< read so far */
	bool keeps;    /**< views are copied to the slot, to outlive the statement's reset */
	enum err e;    /**< first mistake; nothing is bound or run after it */
};

/** What @p rc of SQLite means; ERR_EXISTS for a key that is there. Notes SQLite's words. */
enum err store_error(struct store *s, int rc, const char *what);

/**
 * Begin to use a statement. An error, such as ERR_STATE for a write without a transaction, is the
 * query's first mistake.
 *
 * @param sql  its text, the same in each call
 * @param ret  is CLEANUP(query_end) from its declaration, where it is all zero
 */
void query_begin(struct store *s, enum statement id, const char *sql, struct query *ret);

/** Reset, drop the bindings, free the slot; a query that never began is fine. */
void query_end(struct query *q);

/** Bind the next parameter, borrowed until query_end(). */
void query_bind_u64(struct query *q, uint64_t v); /**< ERR_INVALID over INT64_MAX */
void query_bind_i64(struct query *q, int64_t v);
void query_bind_view(struct query *q, struct view v);
void query_bind_bytes(struct query *q, const void *p, size_t n);
void query_bind_digest(struct query *q, const struct digest *d);
void query_bind_text(struct query *q, const char *text);
/** NULL when not @p has. */
void query_bind_if(struct query *q, bool has, const void *p, size_t n);
/** NULL for 0. */
void query_bind_ref(struct query *q, int64_t id);

/** Next row. False: there is none (more), or a mistake was made, as query_error() tells. */
bool query_step(struct query *q);

/** The one row, whose views are good until the statement's next use; ERR_NOT_FOUND: none. */
enum err query_get(struct query *q) WARN_UNUSED;

/** query_get() of a row that is one number. */
enum err query_get_u64(struct query *q, uint64_t *ret) WARN_UNUSED;

/** query_get() of a row that is some bytes, appended to @p out. */
enum err query_get_into(struct query *q, struct buf *out) WARN_UNUSED;

/** Run a write. @p ret_n rows changed, may be NULL. */
enum err query_run(struct query *q, int *ret_n) WARN_UNUSED;

/** Run an INSERT of one row. @p ret_id the id it was given. */
enum err query_insert(struct query *q, int64_t *ret_id) WARN_UNUSED;

/** Read the next column; a type or length that cannot be notes ERR_STORAGE and gives zero. */
uint64_t query_u64(struct query *q);
int64_t query_i64(struct query *q);
int query_int(struct query *q);
bool query_bool(struct query *q);
struct view query_view(struct query *q);
void query_bytes(struct query *q, void *ret, size_t n);
void query_digest(struct query *q, struct digest *ret);
/** Text with its ending NUL, borrowed as a view is. */
const char *query_text(struct query *q);
/** Text into @p ret of @p cap bytes with the NUL; NULL gives "". */
void query_text_into(struct query *q, char *ret, size_t cap);
/** False and zeros for NULL. */
bool query_if(struct query *q, void *ret, size_t n);
/** 0 for NULL. */
int64_t query_ref(struct query *q);

/** The first mistake. */
enum err query_error(const struct query *q) WARN_UNUSED;

/** Define x_one(): query_get() of a row of table x, read by x_read(). */
#define DEFINE_ROW_ONE(x)                                                                          \
	static enum err x##_one(struct query *q, struct x##_row *ret)                              \
	{                                                                                          \
		struct x##_row row;                                                                \
		enum err e = query_get(q);                                                         \
                                                                                                   \
		if (e)                                                                             \
			return err_trace(e);                                                       \
		x##_read(q, &row);                                                                 \
		if (q->e)                                                                          \
			return err_trace(q->e);                                                    \
		*ret = row;                                                                        \
		return ERR_OK;                                                                     \
	}

/** Define x_each(): the walk, which gives each row of table x to the caller's function. */
#define DEFINE_ROW_EACH(x)                                                                         \
	static enum err x##_each(struct query *q,                                                  \
				 enum err (*row)(void *ctx, const struct x##_row *row), void *ctx) \
	{                                                                                          \
		while (query_step(q)) {                                                            \
			struct x##_row r;                                                          \
                                                                                                   \
			x##_read(q, &r);                                                           \
			if (!q->e)                                                                 \
				q->e = row(ctx, &r);                                               \
		}                                                                                  \
		return query_error(q);                                                             \
	}

/** The table adoption was written to, or what was written is taken back. */
void adoption_memo_drop(struct store *s);

/** One migration: SQL that leads from the version before to the next, in parts; NULL after them. */
struct migration {
	const char *sql[8];
};

/** The schema's history; version n is after n migrations. Only ever appended to. */
extern const struct migration schema_migrations[];
extern const size_t n_schema_migrations;

/**
 * Bring the database to version @p n, each step in a transaction of its own.
 *
 * @param is_new  the file has just been made; else it must bear our mark
 * @retval ERR_VERSION  made by a newer amparod
 * @retval ERR_STORAGE  not a database of amparod
 */
enum err schema_migrate(struct store *s, const struct migration *migrations, size_t n,
			bool is_new) WARN_UNUSED;

/** Run SQL that gives no rows. */
enum err store_exec(struct store *s, const char *sql) WARN_UNUSED;

/** First column of the first row of @p sql as an integer. */
enum err store_pragma_i64(struct store *s, const char *sql, int64_t *ret) WARN_UNUSED;

#endif
