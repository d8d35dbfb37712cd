#include "node/blobs.h"

#include <string.h>

#include "node/internal.h"

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

enum err blob_write_one(struct node *n, struct blob *b, enum err e, uint8_t ret_id[STORE_ID_BYTES])
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

	return blob_write_one(n, &b, blob_seal(n, &b, kind, plain), ret_id);
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
