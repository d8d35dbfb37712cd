#include "node/blobs.h"

#include <string.h>

#include "node/internal.h"
#include "wire/varint.h"

/* Row id and kind: what a ciphertext is bound to. */
static void blob_aad(const uint8_t id[STORE_ID_BYTES], enum blob_kind kind,
		     uint8_t ret[STORE_ID_BYTES + 1])
{
	memcpy(ret, id, STORE_ID_BYTES);
	ret[STORE_ID_BYTES] = (uint8_t)kind;
}

void blob_fini(struct blob *b)
{
	for (size_t i = 0; i < b->n; i++)
		buf_fini(&b->content[i].cipher);
	*b = (struct blob){.n = 0};
}

static enum err new_id(struct node *n, uint8_t ret[STORE_ID_BYTES])
{
	uint8_t tail[BLOB_TAIL_BYTES];
	enum err e = n->port.random(n->port.ctx, tail, sizeof(tail));

	return e ? err_trace(e) : blob_id(n->store, tail, ret);
}

enum err blob_seal(struct node *n, struct blob *b, enum blob_kind kind, struct view plain)
{
	uint8_t aad[STORE_ID_BYTES + 1];
	struct box_key key;
	struct buf cipher = {0};
	enum err e = b->n ? ERR_OK : new_id(n, b->id);

	ASSERT(b->n < ARRAY_LEN(b->content));
	if (e)
		return err_trace(e);
	blob_aad(b->id, kind, aad);
	e = box_seal(n->keeper, view_of(aad, sizeof(aad)), plain, &key, &cipher);
	if (e) {
		buf_fini(&cipher);
		return err_trace(e);
	}
	b->content[b->n].kind = kind;
	b->content[b->n].key = key;
	b->content[b->n++].cipher = cipher;
	return ERR_OK;
}

enum err blob_write(struct node *n, const struct blob *b)
{
	struct blob_content content[ARRAY_LEN(b->content)];
	enum err e = node_write(n);

	for (size_t i = 0; i < b->n; i++)
		content[i] = (struct blob_content){
			.kind = b->content[i].kind,
			.wrapped_key = view_of(b->content[i].key.wrapped, BOX_WRAPPED_BYTES),
			.cipher = buf_view(&b->content[i].cipher)};
	return e ? err_trace(e) : blob_put(n->store, b->id, content, b->n);
}

/* The one content of this blob has failed to be sealed, or is to be written. */
static enum err write_one(struct node *n, struct blob *b, enum err e,
			  uint8_t ret_id[STORE_ID_BYTES])
{
	if (!e)
		e = blob_write(n, b);
	if (!e)
		memcpy(ret_id, b->id, STORE_ID_BYTES);
	blob_fini(b);
	return e ? err_trace(e) : ERR_OK;
}

enum err blob_store(struct node *n, enum blob_kind kind, struct view plain,
		    uint8_t ret_id[STORE_ID_BYTES])
{
	struct blob b = {.n = 0};

	return write_one(n, &b, blob_seal(n, &b, kind, plain), ret_id);
}

enum err blob_load(struct node *n, enum blob_kind kind, const uint8_t id[STORE_ID_BYTES],
		   struct buf *out)
{
	uint8_t aad[STORE_ID_BYTES + 1];
	struct buf wrapped = {0}, cipher = {0};
	struct box_key key;
	enum err e;

	e = blob_get(n->store, id, kind, &wrapped, &cipher);
	if (!e && !buf_copy(&wrapped, key.wrapped, sizeof(key.wrapped)))
		e = err_new(ERR_DECRYPT, "wrapped key of %zu bytes", wrapped.n);
	if (!e) {
		blob_aad(id, kind, aad);
		e = box_open(n->keeper, &key, view_of(aad, sizeof(aad)), buf_view(&cipher), out);
	}
	buf_fini(&wrapped);
	buf_fini(&cipher);
	return e ? err_trace(e) : ERR_OK;
}

#define OPENING_AAD_BYTES (2 * DIGEST_BYTES + 1)

/* What identifies its row, and the kind, as blob_aad(). */
static void opening_aad(const struct opening_row *row, uint8_t ret[OPENING_AAD_BYTES])
{
	memcpy(ret, row->manifest.b, DIGEST_BYTES);
	memcpy(ret + DIGEST_BYTES, row->commitment.b, DIGEST_BYTES);
	ret[2 * DIGEST_BYTES] = (uint8_t)BLOB_OPENING;
}

enum err opening_store(struct node *n, const struct opening_row *row, struct view salt,
		       struct view slice)
{
	uint8_t aad[OPENING_AAD_BYTES];
	struct opening_row whole = *row;
	struct buf plain = {0}, cipher = {0};
	struct box_key key;
	uint8_t *to;
	enum err e = buf_reserve(&plain, salt.n + slice.n, &to);

	opening_aad(row, aad);
	if (!e)
		e = buf_put_view(&plain, salt);
	if (!e)
		e = buf_put_view(&plain, slice);
	if (!e)
		e = box_seal(n->keeper, view_of(aad, sizeof(aad)), buf_view(&plain), &key, &cipher);
	if (!e)
		e = node_write(n);
	if (!e) {
		whole.wrapped_key = view_of(key.wrapped, sizeof(key.wrapped));
		whole.cipher = buf_view(&cipher);
		e = opening_put(n->store, &whole);
	}
	if (plain.n)
		wipe(buf_data(&plain), plain.n);
	buf_fini(&plain);
	buf_fini(&cipher);
	return e ? err_trace(e) : ERR_OK;
}

enum err opening_load(struct node *n, const struct opening_row *row, struct buf *out)
{
	uint8_t aad[OPENING_AAD_BYTES];
	struct box_key key;
	enum err e;

	if (row->wrapped_key.n == 0)
		return err_new(ERR_NOT_FOUND, "this field is erased");
	if (row->wrapped_key.n != sizeof(key.wrapped))
		return err_new(ERR_DECRYPT, "wrapped key of %zu bytes", row->wrapped_key.n);
	memcpy(key.wrapped, row->wrapped_key.p, sizeof(key.wrapped));
	opening_aad(row, aad);
	e = box_open(n->keeper, &key, view_of(aad, sizeof(aad)), row->cipher, out);
	return e ? err_trace(e) : ERR_OK;
}

/* --- bodies --- */

/* A Disclosure inside of a Referral, by the numbers of their fields: referral.proto. */
#define REFERRAL_RECORD 14
#define DISCLOSURE_DIGEST 1
#define DISCLOSURE_MANIFEST 3

/* A manifest, and where in the body it stands. */
struct carried {
	struct digest digest;
	size_t at, n;
};

static bool find_field(struct view message, uint32_t number, struct view *ret)
{
	struct wire_reader r = wire_reader(message);
	struct wire_field f;

	while (!wire_is_end(&r) && wire_next(&r, &f) == ERR_OK) {
		if (f.number != number || f.type != WIRE_BYTES)
			continue;
		*ret = f.value;
		return true;
	}
	return false;
}

struct view body_record(struct view body)
{
	struct view record;

	return find_field(body, REFERRAL_RECORD, &record) ? record : view_of(NULL, 0);
}

static bool find_manifest(struct view body, struct carried *ret)
{
	const struct view record = body_record(body);
	struct view digest, manifest;
	struct carried c;

	if (!find_field(record, DISCLOSURE_DIGEST, &digest) ||
	    !find_field(record, DISCLOSURE_MANIFEST, &manifest) ||
	    !digest_from_view(&c.digest, digest))
		return false;
	c.at = (size_t)(manifest.p - body.p);
	c.n = manifest.n;
	*ret = c;
	return true;
}

/*
 * Stored: salt, u32 place, body; or, with a place other than 0, the digest of a manifest held
 * before the body, which goes without it: it stands there. The manifest is half of a referral, and
 * is in a table of its own anyway.
 */
#define PLACE_BYTES 4

enum err body_seal(struct node *n, struct blob *b, struct view salt, struct view body,
		   bool is_manifest_held)
{
	struct carried c = {.at = 0};
	struct buf plain = {0};
	const bool is_cut = is_manifest_held && find_manifest(body, &c);
	const size_t end = c.at + c.n;
	uint8_t *to;
	enum err e;

	ASSERT(salt.n == SALT_BYTES);
	e = buf_reserve(&plain, SALT_BYTES + PLACE_BYTES + DIGEST_BYTES + body.n - c.n, &to);
	if (!e)
		e = buf_put_view(&plain, salt);
	if (!e)
		e = buf_put_u32(&plain, (uint32_t)c.at);
	if (!e && is_cut)
		e = buf_put_view(&plain, view_digest(&c.digest));
	if (!e)
		e = buf_put(&plain, body.p, c.at);
	if (!e)
		e = buf_put(&plain, body.p + end, body.n - end);
	if (!e)
		e = blob_seal(n, b, BLOB_BODY, buf_view(&plain));
	if (plain.n)
		wipe(buf_data(&plain), plain.n);
	buf_fini(&plain);
	return e ? err_trace(e) : ERR_OK;
}

enum err body_store(struct node *n, struct view salt, struct view body, bool is_manifest_held,
		    uint8_t ret_id[STORE_ID_BYTES])
{
	struct blob b = {.n = 0};

	return write_one(n, &b, body_seal(n, &b, salt, body, is_manifest_held), ret_id);
}

/* The manifest back into its place. */
static enum err put_whole(struct node *n, struct view salt, struct view cut, size_t at,
			  struct buf *out)
{
	struct manifest_row row;
	struct digest digest, found;
	uint8_t *to;
	enum err e;

	if (cut.n < DIGEST_BYTES || at > cut.n - DIGEST_BYTES ||
	    !digest_from_view(&digest, view_of(cut.p, DIGEST_BYTES)))
		return err_new(ERR_DECRYPT, "body without its manifest's digest");
	cut = view_of(cut.p + DIGEST_BYTES, cut.n - DIGEST_BYTES);
	e = manifest_get(n->store, &digest, &row);
	if (e == ERR_NOT_FOUND) /* not erased: then the body would be */
		return err_new(ERR_DECRYPT, "the manifest of a body is missing");
	if (e)
		return err_trace(e);
	found = manifest_digest(row.manifest);
	if (!digest_eq(&found, &digest))
		return err_new(ERR_DECRYPT, "the manifest of a body is another one");
	e = buf_reserve(out, salt.n + cut.n + row.manifest.n, &to);
	if (!e)
		e = buf_put_view(out, salt);
	if (!e)
		e = buf_put(out, cut.p, at);
	if (!e)
		e = buf_put_view(out, row.manifest);
	if (!e)
		e = buf_put(out, cut.p + at, cut.n - at);
	return e ? err_trace(e) : ERR_OK;
}

enum err body_load_salted(struct node *n, const uint8_t id[STORE_ID_BYTES], struct buf *out)
{
	struct buf plain = {0};
	struct view salt, rest;
	uint8_t *to;
	size_t at;
	enum err e = blob_load(n, BLOB_BODY, id, &plain);

	if (!e && plain.n < SALT_BYTES + PLACE_BYTES)
		e = err_new(ERR_DECRYPT, "body without its salt");
	if (e)
		goto done;
	salt = view_of(buf_data(&plain), SALT_BYTES);
	at = get_u32be(buf_data(&plain) + SALT_BYTES);
	rest = view_of(buf_data(&plain) + SALT_BYTES + PLACE_BYTES,
		       plain.n - SALT_BYTES - PLACE_BYTES);
	if (at) {
		e = put_whole(n, salt, rest, at, out);
		goto done;
	}
	e = buf_reserve(out, salt.n + rest.n, &to);
	if (!e)
		e = buf_put_view(out, salt);
	if (!e)
		e = buf_put_view(out, rest);
done:
	if (plain.n)
		wipe(buf_data(&plain), plain.n);
	buf_fini(&plain);
	return e ? err_trace(e) : ERR_OK;
}

enum err body_load(struct node *n, const uint8_t id[STORE_ID_BYTES], uint8_t *ret_salt,
		   struct buf *out)
{
	enum err e = body_load_salted(n, id, out);

	if (e)
		return err_trace(e);
	if (ret_salt)
		memcpy(ret_salt, buf_data(out), SALT_BYTES);
	wipe(buf_data(out), SALT_BYTES);
	buf_consume(out, SALT_BYTES);
	return ERR_OK;
}

enum err own_body_load(struct node *n, const struct referral_row *r, struct buf *out)
{
	uint8_t blob[STORE_ID_BYTES];
	struct recovered_row back;
	struct entry_row row;
	bool has_body;
	enum err e = entry_find(n->store, r->peer, r->k, &r->leaf, &row);

	if (e && e != ERR_NOT_FOUND)
		return err_trace(e);
	if (!e) {
		has_body = row.has_body;
		memcpy(blob, row.body_blob, sizeof(blob));
	} else {
		e = recovered_get_leaf(n->store, &r->leaf, &back);
		if (e)
			return err_trace(e);
		has_body = back.has_body;
		memcpy(blob, back.body_blob, sizeof(blob));
	}
	return has_body ? body_load(n, blob, NULL, out) : ERR_NOT_FOUND;
}
