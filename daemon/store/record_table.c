#include "store/record_table.h"

#include "store/internal.h"

#define REVISION_COLUMNS                                                                           \
	"record.id, revision.revision, revision.type, revision.manifest, revision.seal_index, "    \
	"revision.seal_epoch, revision.record_blob, revision.salts_blob, revision.label_blob, "    \
	"revision.time_us, record.num"
#define NEWEST                                                                                     \
	" FROM record JOIN revision ON revision.record = record.num"                               \
	" AND revision.revision = record.newest"

static void record_read(struct query *q, struct record_row *row)
{
	uint64_t revision;

	query_bytes(q, row->id, sizeof(row->id));
	revision = query_u64(q);
	row->revision = (uint32_t)revision;
	row->type = query_int(q);
	query_digest(q, &row->manifest);
	row->seal_index = query_u64(q);
	row->seal_epoch = query_u64(q);
	query_bytes(q, row->record_blob, sizeof(row->record_blob));
	query_bytes(q, row->salts_blob, sizeof(row->salts_blob));
	query_bytes(q, row->label_blob, sizeof(row->label_blob));
	row->time_us = query_u64(q);
	row->num = query_u64(q);
	if (!q->e && revision > UINT32_MAX)
		q->e = err_new(ERR_STORAGE, "a damaged row: revision out of range");
}

DEFINE_ROW_ONE(record)
DEFINE_ROW_EACH(record)

/* Make the record, or raise its newest revision; 0 rows when there is one as new. */
static enum err record_raise(struct store *s, const struct record_row *row)
{
	CLEANUP(query_end) struct query q = {0};
	enum err e;
	int n;

	query_begin(s, ST_RECORD_NEW,
		    "INSERT INTO record (id, newest) VALUES (?, ?)"
		    " ON CONFLICT (id) DO UPDATE SET newest = excluded.newest"
		    " WHERE excluded.newest > newest",
		    &q);
	query_bind_bytes(&q, row->id, sizeof(row->id));
	query_bind_u64(&q, row->revision);
	e = query_run(&q, &n);
	if (e)
		return err_trace(e);
	return n ? ERR_OK : err_new(ERR_EXISTS, "the record has revision %u", row->revision);
}

enum err record_put(struct store *s, const struct record_row *row)
{
	CLEANUP(query_end) struct query q = {0};
	enum err e;

	e = record_raise(s, row);
	if (e)
		return err_trace(e);
	query_begin(s, ST_REVISION_PUT,
		    "INSERT INTO revision (record, revision, type, manifest, seal_index,"
		    "  seal_epoch, record_blob, salts_blob, label_blob, time_us)"
		    " VALUES ((SELECT num FROM record WHERE id = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		    &q);
	query_bind_bytes(&q, row->id, sizeof(row->id));
	query_bind_u64(&q, row->revision);
	query_bind_i64(&q, row->type);
	query_bind_digest(&q, &row->manifest);
	query_bind_u64(&q, row->seal_index);
	query_bind_u64(&q, row->seal_epoch);
	query_bind_bytes(&q, row->record_blob, sizeof(row->record_blob));
	query_bind_bytes(&q, row->salts_blob, sizeof(row->salts_blob));
	query_bind_bytes(&q, row->label_blob, sizeof(row->label_blob));
	query_bind_u64(&q, row->time_us);
	return query_run(&q, NULL);
}

enum err record_get(struct store *s, const uint8_t id[STORE_RECORD_ID_BYTES],
		    struct record_row *ret)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_RECORD_GET, "SELECT " REVISION_COLUMNS NEWEST " WHERE record.id = ?", &q);
	query_bind_bytes(&q, id, STORE_RECORD_ID_BYTES);
	return record_one(&q, ret);
}

enum err record_get_manifest(struct store *s, const struct digest *manifest, struct record_row *ret)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_RECORD_GET_MANIFEST,
		    "SELECT " REVISION_COLUMNS " FROM revision JOIN record"
		    " ON record.num = revision.record WHERE revision.manifest = ?",
		    &q);
	query_bind_digest(&q, manifest);
	return record_one(&q, ret);
}

enum err record_walk(struct store *s, uint64_t after,
		     enum err (*row)(void *ctx, const struct record_row *row), void *ctx)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_RECORD_WALK,
		    "SELECT " REVISION_COLUMNS NEWEST " WHERE record.num > ? ORDER BY record.num",
		    &q);
	query_bind_u64(&q, after);
	return record_each(&q, row, ctx);
}

enum err record_walk_id(struct store *s, struct view prefix,
			enum err (*row)(void *ctx, const struct record_row *row), void *ctx)
{
	CLEANUP(query_end) struct query q = {0};
	uint8_t low[STORE_RECORD_ID_BYTES] = {0}, high[STORE_RECORD_ID_BYTES];

	if (prefix.n == 0 || prefix.n > sizeof(low))
		return err_new(ERR_INVALID, "a beginning of 1 to 16 bytes is needed");
	memset(high, 0xff, sizeof(high));
	memcpy(low, prefix.p, prefix.n);
	memcpy(high, prefix.p, prefix.n);
	query_begin(s, ST_RECORD_WALK_ID,
		    "SELECT " REVISION_COLUMNS NEWEST
		    " WHERE record.id >= ? AND record.id <= ? ORDER BY record.id",
		    &q);
	query_bind_bytes(&q, low, sizeof(low));
	query_bind_bytes(&q, high, sizeof(high));
	return record_each(&q, row, ctx);
}

enum err record_count(struct store *s, uint64_t *ret)
{
	CLEANUP(query_end) struct query q = {0};

	/* No record is ever deleted (its blobs are), so the newest number is their count. */
	query_begin(s, ST_RECORD_COUNT,
		    "SELECT ifnull((SELECT num FROM record ORDER BY num DESC LIMIT 1), 0)", &q);
	return query_get_u64(&q, ret);
}
