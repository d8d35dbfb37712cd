#include "node/bodies.h"

#include <string.h>

#include "crypto/digest.h"
#include "ledger/note.h"
#include "node/internal.h"
#include "wire/varint.h"

/* --- what a body is stored without --- */

/* A Disclosure inside of a Referral, and commitments of a Manifest, by the numbers of their fields:
 * referral.proto, ledger.proto. */
#define REFERRAL_RECORD 14
#define MANIFEST_COMMITMENTS 10
enum {
	DISCLOSURE_DIGEST = 1,
	DISCLOSURE_OPENED,
	DISCLOSURE_MANIFEST,
	DISCLOSURE_SEAL
};
#define DISCLOSURE_FIELDS 4

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

/* What stands in an encoded Disclosure, and where in its body. */
struct carried {
	size_t at, n;
	size_t n_opened;
	uint16_t opened[COMMITMENTS_MAX]; /* which of the manifest's commitments, ascending */
};

static bool find_opened(struct view opened, struct view commitments, struct carried *ret)
{
	size_t at = 0;

	ret->n_opened = opened.n / DIGEST_BYTES;
	if (opened.n % DIGEST_BYTES || commitments.n > ARRAY_LEN(ret->opened) * DIGEST_BYTES)
		return false;
	for (size_t i = 0; i < ret->n_opened; i++, at++) {
		const uint8_t *one = opened.p + i * DIGEST_BYTES;

		while (at < commitments.n / DIGEST_BYTES &&
		       memcmp(commitments.p + at * DIGEST_BYTES, one, DIGEST_BYTES) != 0)
			at++;
		if (at == commitments.n / DIGEST_BYTES)
			return false;
		ret->opened[i] = (uint16_t)at;
	}
	return true;
}

/* All four fields and nothing else, as put_disclosure() writes them. */
static bool read_disclosure(struct view body, struct carried *ret)
{
	const struct view record = body_record(body);
	struct wire_reader r = wire_reader(record);
	struct view field[DISCLOSURE_FIELDS], commitments;
	struct wire_field f;
	uint32_t n = 0;

	while (!wire_is_end(&r)) {
		if (n == DISCLOSURE_FIELDS || wire_next(&r, &f) || f.number != n + 1 ||
		    f.type != WIRE_BYTES)
			return false;
		field[n++] = f.value;
	}
	if (n != DISCLOSURE_FIELDS ||
	    !find_field(field[DISCLOSURE_MANIFEST - 1], MANIFEST_COMMITMENTS, &commitments))
		return false;
	ret->at = (size_t)(record.p - body.p);
	ret->n = record.n;
	return find_opened(field[DISCLOSURE_OPENED - 1], commitments, ret);
}

static enum err put_disclosure(const struct seal_row *held, const struct carried *c,
			       struct buf *out)
{
	struct buf opened = {0};
	struct view commitments;
	uint8_t *to;
	enum err e = buf_reserve(&opened, c->n_opened * DIGEST_BYTES, &to);

	if (!e && !find_field(held->manifest, MANIFEST_COMMITMENTS, &commitments))
		e = err_new(ERR_DECRYPT, "a manifest without commitments");
	for (size_t i = 0; !e && i < c->n_opened; i++) {
		const size_t at = (size_t)c->opened[i] * DIGEST_BYTES;

		e = at < commitments.n
			    ? buf_put(&opened, commitments.p + at, DIGEST_BYTES)
			    : err_new(ERR_DECRYPT, "a body opens what its manifest does not hold");
	}
	if (!e)
		e = wire_put_bytes(out, DISCLOSURE_DIGEST, view_digest(&held->digest));
	if (!e)
		e = wire_put_bytes(out, DISCLOSURE_OPENED, buf_view(&opened));
	if (!e)
		e = wire_put_bytes(out, DISCLOSURE_MANIFEST, held->manifest);
	if (!e)
		e = wire_put_bytes(out, DISCLOSURE_SEAL, held->bytes);
	buf_fini(&opened);
	return e ? err_trace(e) : ERR_OK;
}

/* --- seals --- */

static struct digest held_digest(const struct digest *manifest, struct view seal)
{
	const struct view parts[] = {view_digest(manifest), seal};

	return sha256_parts(parts, ARRAY_LEN(parts));
}

enum err seal_hold(struct node *n, uint64_t manifest_num, const struct digest *manifest,
		   struct view seal, struct held_seal *ret)
{
	enum err e = node_write(n);

	ret->digest = held_digest(manifest, seal);
	if (!e)
		e = seal_put(n->store, manifest_num, seal, &ret->num);
	return e ? err_trace(e) : ERR_OK;
}

/*
 * A chain of certificates is for whoever does not know the originator, and other signatures of the
 * checkpoint than the originator's are whose nobody asked: what says anything that was not checked
 * stays in the body, encrypted. Seals of ours are those that we made.
 */
static bool may_hold(const struct node *n, int64_t peer, const struct pb_disclosure *d,
		     const struct manifest *m)
{
	struct note note;

	return !d->seal->n_chain && (!peer || !agency_id_eq(&m->terms.originator, &n->agency)) &&
	       !note_parse(message_bytes(d->seal->has_checkpoint, d->seal->checkpoint), &note) &&
	       note.n_signatures == 1;
}

enum err manifest_hold(struct node *n, int64_t peer, const struct pb_disclosure *d,
		       const struct manifest *m, uint64_t *ret_num, struct held_seal *ret)
{
	const struct manifest_row row = {
		.digest = m->digest,
		.peer = peer,
		.manifest = message_bytes(d->has_manifest, d->manifest),
	};
	struct buf seal = {0};
	enum err e = node_write(n);

	*ret = (struct held_seal){.num = 0};
	if (!e)
		e = manifest_put(n->store, &row, ret_num);
	if (e || !may_hold(n, peer, d, m))
		return e ? err_trace(e) : ERR_OK;
	e = message_encode(d->seal, &seal);
	if (!e)
		e = seal_hold(n, *ret_num, &m->digest, buf_view(&seal), ret);
	buf_fini(&seal);
	return e ? err_trace(e) : ERR_OK;
}

/* As it was when the body was stored. Not erased: then the body would be. */
static enum err get_held(struct node *n, const struct held_seal *held, struct seal_row *ret)
{
	struct digest digest;
	enum err e = seal_get(n->store, held->num, ret);

	if (e == ERR_NOT_FOUND)
		return err_new(ERR_DECRYPT, "the seal of a body is missing");
	if (e)
		return err_trace(e);
	digest = manifest_digest(ret->manifest);
	if (!digest_eq(&digest, &ret->digest))
		return err_new(ERR_DECRYPT, "the manifest of a body is another one");
	digest = held_digest(&ret->digest, ret->bytes);
	return digest_eq(&digest, &held->digest)
		       ? ERR_OK
		       : err_new(ERR_DECRYPT, "the seal of a body is another one");
}

/* --- bodies at rest --- */

/*
 * Stored: salt, u32 place, body. With a place other than 0, where a Disclosure stands in the body:
 * salt, u32 place, u64 number of the seal, u8 digest[32] as held_digest(), u16 n, u16 opened[n],
 * and the body without it.
 */
#define PLACE_BYTES 4
#define HELD_BYTES (8 + DIGEST_BYTES + 2)

static enum err put_held(const struct held_seal *held, const struct carried *c, struct buf *out)
{
	enum err e = buf_put_u64(out, held->num);

	if (!e)
		e = buf_put_view(out, view_digest(&held->digest));
	if (!e)
		e = buf_put_u16(out, (uint16_t)c->n_opened);
	for (size_t i = 0; !e && i < c->n_opened; i++)
		e = buf_put_u16(out, c->opened[i]);
	return e;
}

enum err body_seal(struct node *n, struct blob *b, struct view salt, struct view body,
		   const struct held_seal *held)
{
	struct carried c = {.n = 0};
	struct buf plain = {0};
	const bool is_cut = held->num && read_disclosure(body, &c);
	size_t end;
	uint8_t *to;
	enum err e;

	ASSERT(salt.n == SALT_BYTES);
	if (!is_cut)
		c.at = c.n = c.n_opened = 0;
	end = c.at + c.n;
	e = buf_reserve(&plain,
			SALT_BYTES + PLACE_BYTES + HELD_BYTES + c.n_opened * sizeof(c.opened[0]) +
				body.n - c.n,
			&to);
	if (!e)
		e = buf_put_view(&plain, salt);
	if (!e)
		e = buf_put_u32(&plain, (uint32_t)c.at);
	if (!e && is_cut)
		e = put_held(held, &c, &plain);
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

enum err body_store(struct node *n, struct view salt, struct view body,
		    const struct held_seal *held, uint8_t ret_id[STORE_ID_BYTES])
{
	struct blob b = {.n = 0};

	return blob_write_one(n, &b, body_seal(n, &b, salt, body, held), ret_id);
}

static enum err read_held(struct view *from, struct held_seal *held, struct carried *c)
{
	const uint8_t *p = from->p;
	size_t n;

	if (from->n < HELD_BYTES)
		return err_new(ERR_DECRYPT, "a body cut short");
	held->num = get_u64be(p);
	memcpy(held->digest.b, p + 8, DIGEST_BYTES);
	c->n_opened = (size_t)(p[8 + DIGEST_BYTES] << 8 | p[8 + DIGEST_BYTES + 1]);
	n = HELD_BYTES + c->n_opened * sizeof(c->opened[0]);
	if (c->n_opened > ARRAY_LEN(c->opened) || from->n < n)
		return err_new(ERR_DECRYPT, "a body cut short");
	p += HELD_BYTES;
	for (size_t i = 0; i < c->n_opened; i++)
		c->opened[i] = (uint16_t)(p[2 * i] << 8 | p[2 * i + 1]);
	*from = view_of(from->p + n, from->n - n);
	return ERR_OK;
}

/* What it was stored without back into its place. */
static enum err put_whole(struct node *n, struct view salt, size_t at, struct view cut,
			  struct buf *out)
{
	struct held_seal held;
	struct seal_row row;
	struct carried c = {.n_opened = 0};
	uint8_t *to;
	enum err e = read_held(&cut, &held, &c);

	if (!e && at > cut.n)
		e = err_new(ERR_DECRYPT, "a body cut short");
	if (!e)
		e = get_held(n, &held, &row);
	if (!e)
		e = buf_reserve(out,
				salt.n + cut.n + row.manifest.n + row.bytes.n +
					(c.n_opened + 2) * DIGEST_BYTES,
				&to);
	if (!e)
		e = buf_put_view(out, salt);
	if (!e)
		e = buf_put(out, cut.p, at);
	if (!e)
		e = put_disclosure(&row, &c, out);
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
		e = put_whole(n, salt, at, rest, out);
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
