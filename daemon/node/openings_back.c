/* Openings of what we disclosed and lost: a peer gives them back with the body that names them. The
 * commitments in that body are ours, so a peer can leave out, never make up. */
#include <stdlib.h>
#include <string.h>

#include "node/epoch.h"
#include "record/manifest.h"

/* --- giving --- */

void given_openings_free(struct given_openings *g)
{
	if (g->bytes.n)
		wipe(buf_data(&g->bytes), g->bytes.n);
	buf_fini(&g->bytes);
	free(g->opening);
	free(g->list);
}

struct loading {
	struct node *n;
	const struct pb_disclosure *d;
	struct buf *bytes;
	size_t *end; /* of each, in bytes: salt and slice, one after the other */
	size_t *ret_n;
};

/* They stand in ascending order, as whoever took the body in has checked. */
static bool is_named(const struct pb_disclosure *d, const struct digest *commitment)
{
	const size_t n = d->has_opened ? d->opened.len / DIGEST_BYTES : 0;

	return n && bsearch(commitment, d->opened.data, n, DIGEST_BYTES, digest_order);
}

static enum err load_named(void *ctx, const struct opening_row *row)
{
	struct loading *l = ctx;
	enum err e;

	if (!is_named(l->d, &row->commitment))
		return ERR_OK;
	e = opening_load(l->n, row, l->bytes);
	if (e)
		return e == ERR_NOT_FOUND ? ERR_OK : err_trace(e); /* erased */
	l->end[(*l->ret_n)++] = l->bytes->n;
	return ERR_OK;
}

enum err given_openings_load(struct node *n, int kind, struct view body, struct given_openings *g)
{
	CLEANUP(message_freep) void *message = NULL;
	CLEANUP(freep) size_t *end = NULL;
	const struct pb_disclosure *d;
	struct loading l = {.n = n, .bytes = &g->bytes, .ret_n = &g->n};
	struct digest manifest;
	size_t n_named, at = 0;
	enum err e = body_disclosure(kind, body, &message, &d);

	if (e || !d ||
	    !digest_from_view(&manifest, message_bytes(d->has_manifest_digest, d->manifest_digest)))
		return e ? err_trace(e) : ERR_OK;
	n_named = d->has_opened ? d->opened.len / DIGEST_BYTES : 0;
	end = calloc(n_named + 1, sizeof(*end));
	g->opening = calloc(n_named + 1, sizeof(*g->opening));
	g->list = calloc(n_named + 1, sizeof(struct pb_opening *));
	if (!end || !g->opening || !g->list)
		return err_new(ERR_NOMEM, "openings");
	l.d = d;
	l.end = end;
	e = opening_walk(n->store, &manifest, load_named, &l);
	for (size_t i = 0; !e && i < g->n; at = end[i++]) {
		const uint8_t *p = buf_data(&g->bytes) + at;

		g->opening[i] = (struct pb_opening)PB_OPENING_INIT;
		g->opening[i].has_salt = g->opening[i].has_slice = 1;
		g->opening[i].salt = message_borrow(view_of(p, SLICE_SALT_BYTES));
		g->opening[i].slice = message_borrow(
			view_of(p + SLICE_SALT_BYTES, end[i] - at - SLICE_SALT_BYTES));
		g->list[i] = &g->opening[i];
	}
	return e ? err_trace(e) : ERR_OK;
}

/* --- taking back --- */

/* What we once wrote, and this version does not read. */
static bool is_unreadable(enum err e)
{
	return e == ERR_INVALID || (e && err_class(e) == ERR_CLASS_PEER);
}

enum err back_openings_check(const struct pb_held_item *m, int kind)
{
	CLEANUP(message_freep) void *message = NULL;
	const struct pb_disclosure *d = NULL;
	struct digest commitment;
	enum err e;

	if (m->n_openings == 0)
		return ERR_OK;
	if (m->n_openings > SLICES_MAX || !m->has_body)
		return err_new(ERR_FORMAT, "openings given back without what names them");
	e = body_disclosure(kind, message_bytes(1, m->body), &message, &d);
	if (is_unreadable(e))
		return ERR_OK; /* of a newer schema than ours: kept as it is, without its openings
				*/
	if (e || !d)
		return e ? err_trace(e) : err_new(ERR_FORMAT, "openings where none belong");
	for (size_t i = 0; i < m->n_openings; i++) {
		const struct pb_opening *o = m->openings[i];

		if (!o->has_salt || !o->has_slice || o->salt.len != SLICE_SALT_BYTES)
			return err_new(ERR_FORMAT, "an opening given back lacks a field");
		commitment = slice_commitment(o->salt.data, message_bytes(1, o->slice));
		if (!is_named(d, &commitment))
			return err_new(ERR_FORMAT, "an opening given back is not that of its body");
	}
	return ERR_OK;
}

/* The manifest comes with the first body that opens something of it. */
static enum err keep_manifest(struct node *n, const struct pb_disclosure *d,
			      struct opening_row *row, enum record_type *ret_type)
{
	const bool is_carried = d->has_manifest && d->seal;
	struct manifest_row held;
	struct manifest manifest;
	struct held_seal seal;
	enum err e = ERR_OK;

	if (!is_carried) {
		e = manifest_get(n->store, &row->manifest, &held);
		if (!e)
			row->manifest_num = held.num;
	}
	if (!e)
		e = manifest_read(is_carried ? message_bytes(1, d->manifest) : held.manifest,
				  &manifest);
	if (!e && !digest_eq(&manifest.digest, &row->manifest))
		return err_new(ERR_FORMAT, "a manifest given back is not that of its body");
	if (!e && is_carried)
		e = manifest_hold(n, 0, d, &manifest, &row->manifest_num, &seal);
	if (!e)
		*ret_type = manifest.terms.type;
	return e ? err_trace(e) : ERR_OK;
}

static enum err note_commitment(void *ctx, const struct opening_row *row)
{
	return buf_put_view(ctx, view_digest(&row->commitment));
}

static bool is_known(struct buf *known, const struct digest *commitment)
{
	for (size_t at = 0; at < known->n; at += DIGEST_BYTES)
		if (memcmp(buf_data(known) + at, commitment->b, DIGEST_BYTES) == 0)
			return true;
	return false;
}

static enum err keep_one(struct node *n, struct opening_row *row, enum record_type type,
			 const struct pb_opening *o, struct buf *known)
{
	const struct view slice = message_bytes(1, o->slice);
	const struct field *unit;
	enum err e;

	row->commitment = slice_commitment(o->salt.data, slice);
	if (is_known(known, &row->commitment))
		return ERR_OK;
	e = slice_check(type, slice, &unit);
	if (e)
		return e == ERR_NOMEM ? err_trace(e) : ERR_OK; /* of a newer schema than ours */
	row->path = unit->path;
	row->is_singular = !unit->is_repeated;
	e = opening_store(n, row, message_bytes(1, o->salt), slice);
	if (!e)
		e = buf_put_view(known, view_digest(&row->commitment));
	return e ? err_trace(e) : ERR_OK;
}

enum err back_openings_keep(struct node *n, struct peer *p, const struct entry *entry,
			    const struct pb_held_item *m)
{
	CLEANUP(message_freep) void *message = NULL;
	struct opening_row row = {.peer = p->row.id, .k = entry->k};
	const struct pb_disclosure *d = NULL;
	struct own_record *record;
	struct buf known = {0};
	enum record_type type;
	enum err e;

	if (m->n_openings == 0)
		return ERR_OK;
	e = body_disclosure((int)entry->kind, message_bytes(1, m->body), &message, &d);
	if (is_unreadable(e))
		return ERR_OK;
	if (!e && d &&
	    !digest_from_view(&row.manifest,
			      message_bytes(d->has_manifest_digest, d->manifest_digest)))
		return ERR_OK;
	if (!e)
		e = own_record_open(n, &row.manifest, &record);
	if (e != ERR_NOT_FOUND)
		return e ? err_trace(e) : ERR_OK; /* the record itself is not lost */
	e = keep_manifest(n, d, &row, &type);
	if (!e)
		e = opening_walk(n->store, &row.manifest, note_commitment, &known);
	for (size_t i = 0; !e && i < m->n_openings; i++)
		e = keep_one(n, &row, type, m->openings[i], &known);
	buf_fini(&known);
	return e == ERR_NOT_FOUND || is_unreadable(e) ? ERR_OK : e;
}
