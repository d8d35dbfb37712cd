#include "store/manifest_table.h"

#include "store/internal.h"

/* --- manifests --- */

static void manifest_read(struct query *q, struct manifest_row *row)
{
	row->num = query_u64(q);
	query_digest(q, &row->digest);
	row->peer = query_ref(q);
	row->manifest = query_view(q);
}

DEFINE_ROW_ONE(manifest)

static enum err manifest_insert(struct store *s, const struct manifest_row *row, uint64_t *ret_num)
{
	CLEANUP(query_end) struct query q = {0};
	int64_t num;
	enum err e;

	query_begin(s, ST_MANIFEST_PUT,
		    "INSERT INTO manifest (digest, peer, bytes) VALUES (?, ?, ?)", &q);
	query_bind_digest(&q, &row->digest);
	query_bind_ref(&q, row->peer);
	query_bind_view(&q, row->manifest);
	e = query_insert(&q, &num);
	if (!e)
		*ret_num = (uint64_t)num;
	return e;
}

enum err manifest_get(struct store *s, const struct digest *digest, struct manifest_row *ret)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_MANIFEST_GET,
		    "SELECT num, digest, peer, bytes FROM manifest WHERE digest = ?", &q);
	query_bind_digest(&q, digest);
	return manifest_one(&q, ret);
}

/* Nearly all are new. */
enum err manifest_put(struct store *s, const struct manifest_row *row, uint64_t *ret_num)
{
	struct manifest_row held;
	enum err e = manifest_insert(s, row, ret_num);

	if (e != ERR_EXISTS)
		return e ? err_trace(e) : ERR_OK;
	e = manifest_get(s, &row->digest, &held);
	if (!e && !view_eq(held.manifest, row->manifest))
		return err_new(ERR_EXISTS, "another manifest has this digest");
	if (!e)
		*ret_num = held.num;
	return e ? err_trace(e) : ERR_OK;
}

/* --- seals --- */

#define SEAL_COLUMNS "seal.num, seal.bytes, manifest.digest, manifest.bytes"
#define SEAL_FROM " FROM seal JOIN manifest ON manifest.num = seal.manifest"

static void seal_read(struct query *q, struct seal_row *row)
{
	row->num = query_u64(q);
	row->bytes = query_view(q);
	query_digest(q, &row->digest);
	row->manifest = query_view(q);
}

DEFINE_ROW_ONE(seal)

enum err seal_get(struct store *s, uint64_t num, struct seal_row *ret)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_SEAL_GET, "SELECT " SEAL_COLUMNS SEAL_FROM " WHERE seal.num = ?", &q);
	query_bind_u64(&q, num);
	return seal_one(&q, ret);
}

enum err seal_get_last(struct store *s, uint64_t manifest, struct seal_row *ret)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_SEAL_GET_LAST,
		    "SELECT " SEAL_COLUMNS SEAL_FROM
		    " WHERE seal.manifest = ? ORDER BY seal.num DESC LIMIT 1",
		    &q);
	query_bind_u64(&q, manifest);
	return seal_one(&q, ret);
}

enum err seal_put(struct store *s, uint64_t manifest, struct view bytes, uint64_t *ret_num)
{
	CLEANUP(query_end) struct query q = {0};
	struct seal_row last;
	int64_t num;
	enum err e = seal_get_last(s, manifest, &last);

	if (!e && view_eq(last.bytes, bytes)) {
		*ret_num = last.num;
		return ERR_OK;
	}
	if (e && e != ERR_NOT_FOUND)
		return err_trace(e);
	query_begin(s, ST_SEAL_PUT, "INSERT INTO seal (manifest, bytes) VALUES (?, ?)", &q);
	query_bind_u64(&q, manifest);
	query_bind_view(&q, bytes);
	e = query_insert(&q, &num);
	if (!e)
		*ret_num = (uint64_t)num;
	return e;
}

/* --- received openings --- */

enum err opening_put(struct store *s, const struct opening_row *row)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_OPENING_PUT,
		    "INSERT INTO opening (manifest, commitment, path, is_singular, peer, k,"
		    "  wrapped_key, cipher) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		    &q);
	query_bind_u64(&q, row->manifest_num);
	query_bind_digest(&q, &row->commitment);
	query_bind_text(&q, row->path);
	query_bind_i64(&q, row->is_singular);
	query_bind_i64(&q, row->peer);
	query_bind_u64(&q, row->k);
	query_bind_view(&q, row->wrapped_key);
	query_bind_view(&q, row->cipher);
	return query_run(&q, NULL);
}

static void opening_read(struct query *q, struct opening_row *row)
{
	query_digest(q, &row->manifest);
	row->manifest_num = query_u64(q);
	query_digest(q, &row->commitment);
	row->path = query_text(q);
	row->is_singular = query_bool(q);
	row->peer = query_i64(q);
	row->k = query_u64(q);
	row->wrapped_key = query_view(q);
	row->cipher = query_view(q);
}

DEFINE_ROW_EACH(opening)

enum err opening_walk(struct store *s, const struct digest *manifest,
		      enum err (*row)(void *ctx, const struct opening_row *row), void *ctx)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_OPENING_WALK,
		    "SELECT manifest.digest, opening.manifest, opening.commitment, opening.path,"
		    "  opening.is_singular, opening.peer, opening.k, opening.wrapped_key,"
		    "  opening.cipher"
		    " FROM manifest JOIN opening ON opening.manifest = manifest.num"
		    " WHERE manifest.digest = ? ORDER BY opening.commitment",
		    &q);
	query_bind_digest(&q, manifest);
	return opening_each(&q, row, ctx);
}
