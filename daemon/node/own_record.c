#include "node/own_record.h"

#include <stdlib.h>
#include <string.h>

#include "node/internal.h"

void own_record_free(struct own_record *r)
{
	if (!r)
		return;
	if (r->record.n)
		wipe(buf_data(&r->record), r->record.n);
	if (r->salts.n)
		wipe(buf_data(&r->salts), r->salts.n);
	buf_fini(&r->record);
	buf_fini(&r->salts);
	buf_fini(&r->manifest);
	message_free(r->seal);
	buf_fini(&r->seal_bytes);
	slice_set_fini(&r->slices);
	free(r->opening);
	free(r);
}

/* --- those that are open --- */

/* Of two bytes that are random. */
static size_t bucket_number(const uint8_t p[2])
{
	return (size_t)(p[0] | p[1] << 8) % OWN_BUCKETS;
}

static struct own_record **bucket_of(struct own_cache *c, const struct digest *manifest)
{
	return &c->bucket[bucket_number(manifest->b)];
}

static void unlink_use(struct own_cache *c, struct own_record *r)
{
	*(r->newer ? &r->newer->older : &c->newest) = r->older;
	*(r->older ? &r->older->newer : &c->oldest) = r->newer;
}

static void link_newest(struct own_cache *c, struct own_record *r)
{
	r->newer = NULL;
	r->older = c->newest;
	*(r->older ? &r->older->newer : &c->oldest) = r;
	c->newest = r;
}

static struct own_record *find_open(struct own_cache *c, const struct digest *manifest)
{
	struct own_record *r = *bucket_of(c, manifest);

	while (r && !digest_eq(&r->row.manifest, manifest))
		r = r->next;
	return r;
}

static void used(struct node *n, struct own_record *r)
{
	n->own.used_ms = n->port.mono_ms(n->port.ctx);
	if (r == n->own.newest)
		return;
	unlink_use(&n->own, r);
	link_newest(&n->own, r);
}

static struct own_record **by_id_of(struct own_cache *c, const uint8_t id[RECORD_ID_BYTES])
{
	return &c->by_id[bucket_number(id)];
}

static void set_newest(struct own_cache *c, struct own_record *r, bool is_newest)
{
	struct own_record **at = by_id_of(c, r->row.id);

	if (r->is_newest == is_newest)
		return;
	r->is_newest = is_newest;
	if (is_newest) {
		r->next_by_id = *at;
		*at = r;
		return;
	}
	while (*at != r)
		at = &(*at)->next_by_id;
	*at = r->next_by_id;
}

static struct own_record *find_newest(struct own_cache *c, const uint8_t id[RECORD_ID_BYTES])
{
	struct own_record *r = *by_id_of(c, id);

	while (r && memcmp(r->row.id, id, RECORD_ID_BYTES) != 0)
		r = r->next_by_id;
	return r;
}

static void close_one(struct own_cache *c, struct own_record *r)
{
	struct own_record **at = bucket_of(c, &r->row.manifest);

	set_newest(c, r, false);
	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	unlink_use(c, r);
	c->n_bytes -= r->n_bytes;
	own_record_free(r);
}

static void keep_open(struct node *n, struct own_record *r)
{
	struct own_cache *c = &n->own;
	struct own_record **at = bucket_of(c, &r->row.manifest);

	r->n_bytes = sizeof(*r) + OWN_PROOF_BYTES + r->record.n + r->salts.n + r->manifest.n +
		     r->slices.storage.n +
		     r->slices.n * (sizeof(*r->slices.slice) + sizeof(*r->opening));
	while (c->oldest && c->n_bytes + r->n_bytes > OWN_RECORDS_BYTES_MAX)
		close_one(c, c->oldest);
	r->next = *at;
	*at = r;
	link_newest(c, r);
	c->n_bytes += r->n_bytes;
	c->used_ms = n->port.mono_ms(n->port.ctx);
}

void own_records_close(struct node *n)
{
	while (n->own.oldest)
		close_one(&n->own, n->own.oldest);
}

uint64_t own_records_deadline_ms(const struct node *n)
{
	return n->own.newest ? n->own.used_ms + OWN_RECORDS_KEPT_MS : UINT64_MAX;
}

void own_records_tick(struct node *n, uint64_t now_ms)
{
	if (now_ms >= own_records_deadline_ms(n))
		own_records_close(n);
}

/* --- opening --- */

static enum err commit_to_slices(struct own_record *r)
{
	const uint8_t *salts = buf_data(&r->salts);

	if (r->salts.n != r->slices.n * SLICE_SALT_BYTES)
		return err_new(ERR_STORAGE, "salts do not fit the record");
	r->opening = calloc(r->slices.n + 1, sizeof(*r->opening));
	if (!r->opening)
		return err_new(ERR_NOMEM, "openings");
	for (size_t i = 0; i < r->slices.n; i++) {
		const uint8_t *salt = salts + i * SLICE_SALT_BYTES;

		r->opening[i] = (struct opened_slice){
			.commitment = slice_commitment(salt, r->slices.slice[i].bytes),
			.unit = r->slices.slice[i].unit,
			.salt = view_of(salt, SLICE_SALT_BYTES),
			.slice = r->slices.slice[i].bytes,
		};
	}
	disclosure_sort(r->opening, r->slices.n);
	return ERR_OK;
}

enum err own_record_open(struct node *n, const struct digest *manifest, struct own_record **ret)
{
	CLEANUP(own_record_freep) struct own_record *r = NULL;
	struct manifest_row row;
	enum err e;

	*ret = find_open(&n->own, manifest);
	if (*ret) {
		used(n, *ret);
		return ERR_OK;
	}
	r = calloc(1, sizeof(*r));
	if (!r)
		return err_new(ERR_NOMEM, "record");
	e = record_get_manifest(n->store, manifest, &r->row);
	if (!e)
		e = manifest_get(n->store, manifest, &row);
	if (!e) {
		r->manifest_num = row.num;
		e = buf_put_view(&r->manifest, row.manifest);
	}
	if (!e)
		e = blob_load(n, BLOB_RECORD, r->row.record_blob, &r->record);
	if (!e)
		e = blob_load(n, BLOB_SALTS, r->row.salts_blob, &r->salts);
	if (!e)
		e = record_cut((enum record_type)r->row.type, buf_view(&r->record), &r->slices);
	if (!e)
		e = commit_to_slices(r);
	if (e)
		return err_trace(e);
	*ret = TAKE(r);
	keep_open(n, *ret);
	return ERR_OK;
}

enum err own_record_open_newest(struct node *n, const uint8_t id[RECORD_ID_BYTES],
				struct own_record **ret)
{
	struct record_row row;
	enum err e;

	*ret = find_newest(&n->own, id);
	if (*ret) {
		used(n, *ret);
		return ERR_OK;
	}
	e = record_get(n->store, id, &row);
	if (e)
		return err_trace(e);
	e = own_record_open(n, &row.manifest, ret);
	if (e == ERR_NOT_FOUND)
		return err_new(ERR_INVALID, "the content of this record is not here any more");
	if (e)
		return err_trace(e);
	set_newest(&n->own, *ret, true);
	return ERR_OK;
}

void own_record_revised(struct node *n, const uint8_t id[RECORD_ID_BYTES])
{
	struct own_record *r = find_newest(&n->own, id);

	if (r)
		set_newest(&n->own, r, false);
}

enum err own_record_reopen(struct node *n, const struct pb_disclosure *d, struct opened_slice *ret,
			   size_t *ret_n)
{
	const size_t n_named = d->has_opened ? d->opened.len / DIGEST_BYTES : 0;
	struct own_record *r;
	struct digest manifest;
	enum err e;

	if (!digest_from_view(&manifest, message_bytes(d->has_manifest_digest, d->manifest_digest)))
		return err_new(ERR_STORAGE, "own body names no manifest");
	e = own_record_open(n, &manifest, &r);
	if (e)
		return err_trace(e);
	for (size_t i = 0; i < n_named; i++) {
		size_t at = 0;

		while (at < r->slices.n && memcmp(r->opening[at].commitment.b,
						  d->opened.data + i * DIGEST_BYTES, DIGEST_BYTES))
			at++;
		if (at == r->slices.n)
			return err_new(ERR_STORAGE, "own body opens what its record does not hold");
		ret[i] = r->opening[at];
	}
	*ret_n = n_named;
	return ERR_OK;
}

/* --- the proof of its seal --- */

/* In a ledger of ours that ended: what it was signed for stands. */
static enum err prove_in_past(struct node *n, const struct record_row *record, struct proof *proof,
			      struct buf *note)
{
	CLEANUP(freep) struct tree *past = malloc(sizeof(*past));
	uint64_t size = 0, n_entries = 0;
	enum err e;

	if (!past)
		return err_new(ERR_NOMEM, "tree");
	e = own_checkpoint_get(n->store, record->seal_epoch, &size, note);
	if (!e)
		e = entry_count(n->store, record->seal_epoch, &n_entries);
	if (!e)
		e = tree_load(past, n->store, record->seal_epoch, n_entries);
	if (!e) {
		struct tree_reader reader = tree_reader_of(past);

		e = merkle_prove_inclusion(&reader, record->seal_index, size, proof);
	}
	return e ? err_trace(e) : ERR_OK;
}

static enum err prove_now(struct node *n, const struct record_row *record, struct proof *proof,
			  struct buf *note)
{
	struct tree_reader reader = tree_reader_of(&n->tree);
	enum err e;

	if (record->seal_index >= n->signed_size)
		return err_new(ERR_FULL, "the record's seal is being committed: try again");
	e = merkle_prove_inclusion(&reader, record->seal_index, n->signed_size, proof);
	return e ? err_trace(e) : buf_put_view(note, buf_view(&n->note));
}

static enum err make_seal(struct node *n, const struct record_row *record, struct buf *out)
{
	struct pb_seal m = PB_SEAL_INIT;
	struct buf note = {0};
	struct entry_row row;
	struct proof proof;
	enum err e;

	e = record->seal_epoch == n->epoch ? prove_now(n, record, &proof, &note)
					   : prove_in_past(n, record, &proof, &note);
	if (!e)
		e = entry_get(n->store, record->seal_epoch, record->seal_index, &row);
	if (!e) {
		m.has_entry = m.has_index = m.has_checkpoint = 1;
		m.entry = message_borrow(row.entry);
		m.index = record->seal_index;
		m.has_proof = proof.n != 0;
		m.proof = message_borrow(view_of(proof.hash, proof.n * sizeof(proof.hash[0])));
		m.checkpoint = message_borrow(buf_view(&note));
		e = message_encode(&m, out);
	}
	buf_fini(&note);
	return e ? err_trace(e) : ERR_OK;
}

static enum err get_seal(struct node *n, struct own_record *r)
{
	struct seal_row row;
	enum err e = seal_get_last(n->store, r->manifest_num, &row);

	buf_clear(&r->seal_bytes);
	if (!e)
		e = buf_put_view(&r->seal_bytes, row.bytes);
	else if (e == ERR_NOT_FOUND)
		e = make_seal(n, &r->row, &r->seal_bytes);
	if (!e)
		e = message_decode(&pb_seal_desc, buf_view(&r->seal_bytes), MESSAGE_BORROW,
				   &r->seal);
	return e ? err_trace(e) : ERR_OK;
}

enum err own_record_proof(struct node *n, struct own_record *r, struct pb_seal **ret)
{
	enum err e = r->seal ? ERR_OK : get_seal(n, r);

	if (!e)
		*ret = r->seal;
	return e ? err_trace(e) : ERR_OK;
}

enum err own_record_hold_seal(struct node *n, struct own_record *r, struct held_seal *ret)
{
	enum err e = ERR_OK;

	ASSERT(r->seal);
	if (!r->held.num)
		e = seal_hold(n, r->manifest_num, &r->row.manifest, buf_view(&r->seal_bytes),
			      &r->held);
	*ret = r->held;
	return e ? err_trace(e) : ERR_OK;
}
