/* Records: own ones sealed and released; received ones put together. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto/digest.h"
#include "node/internal.h"
#include "record/derive.h"
#include "record/manifest.h"
#include "wire/varint.h"

static uint32_t civil_year(uint64_t utc_us)
{
	const time_t s = (time_t)(utc_us / 1000000);
	struct tm tm;

	return gmtime_r(&s, &tm) ? (uint32_t)(tm.tm_year + 1900) : 1970;
}

/* The local reference is the leaf inside of the slice of routing.local_reference. */
static struct view label_of(const struct slice_set *slices)
{
	for (size_t i = 0; i < slices->n; i++) {
		const struct slice *s = &slices->slice[i];
		struct wire_field f = {.value = s->bytes};

		if (strcmp(s->unit->path, "routing.local_reference") != 0)
			continue;
		for (unsigned depth = 0; depth < s->unit->depth; depth++) {
			struct wire_reader r = wire_reader(f.value);

			if (wire_next(&r, &f))
				return view_of(NULL, 0);
		}
		return f.value;
	}
	return view_of(NULL, 0);
}

/* Revision after the newest of the same record, if it replaces one. */
static enum err fill_revision(struct node *n, const struct pb_record_import *m,
			      struct manifest_terms *terms)
{
	struct manifest_row row;
	struct record_row before;
	struct manifest manifest;
	enum err e;

	terms->revision = 1;
	if (!m->has_replaces)
		return n->port.random(n->port.ctx, terms->record_id, sizeof(terms->record_id));
	if (m->replaces.len != RECORD_ID_BYTES)
		return err_new(ERR_INVALID, "a record id has %d bytes", RECORD_ID_BYTES);
	e = record_get(n->store, m->replaces.data, &before);
	if (e == ERR_NOT_FOUND)
		return err_new(ERR_INVALID, "the record to replace is not held here");
	if (!e)
		e = manifest_get(n->store, &before.manifest, &row);
	if (!e)
		e = manifest_read(row.manifest, &manifest);
	if (e)
		return err_trace(e);
	if (before.type != (int)terms->type)
		return err_new(ERR_INVALID, "a revision must be of the same record type");
	memcpy(terms->record_id, before.id, sizeof(terms->record_id));
	terms->revision = before.revision + 1;
	terms->has_previous = true;
	terms->previous = before.manifest;
	terms->n_previous = manifest.n;
	return ERR_OK;
}

static enum err fill_terms(struct node *n, const struct pb_record_import *m,
			   struct manifest_terms *terms)
{
	if (!m->has_type || !record_type_name((enum record_type)m->type))
		return err_new(ERR_INVALID, "unknown record type");
	terms->type = (enum record_type)m->type;
	terms->schema_version = FIELD_SCHEMA_VERSION;
	terms->originator = n->agency;
	terms->sealed_at_us = ledger_time_us(n);
	if (m->has_retain_until_us) {
		if (m->retain_until_us <= terms->sealed_at_us)
			return err_new(ERR_INVALID, "the date to retain until has passed");
		terms->retain_until_us = m->retain_until_us;
	}
	if (m->handling) {
		terms->tlp = m->handling->has_tlp ? (int)m->handling->tlp : 0;
		for (size_t i = 0; i < m->handling->n_restrictions; i++)
			terms->restrictions |= 1u << (unsigned)m->handling->restrictions[i];
		if (m->handling->other)
			terms->restriction_text = view_str(m->handling->other);
	}
	return fill_revision(n, m, terms);
}

static enum err store_record(struct node *n, const struct own_record *r,
			     const struct manifest_terms *terms, struct record_row *row)
{
	struct manifest_row manifest = {.digest = row->manifest,
					.manifest = buf_view(&r->manifest)};
	uint64_t num;
	enum err e;

	memcpy(row->id, terms->record_id, sizeof(row->id));
	row->revision = terms->revision;
	row->type = (int)terms->type;
	row->time_us = terms->sealed_at_us;
	e = blob_store(n, BLOB_RECORD, buf_view(&r->record), row->record_blob);
	if (!e)
		e = blob_store(n, BLOB_SALTS, buf_view(&r->salts), row->salts_blob);
	if (!e)
		e = blob_store(n, BLOB_LABEL, label_of(&r->slices), row->label_blob);
	if (!e)
		e = manifest_put(n->store, &manifest, &num);
	own_record_revised(n, row->id);
	if (!e)
		e = record_put(n->store, row);
	return e ? err_trace(e) : ERR_OK;
}

static enum err append_seal(struct node *n, const struct node_caller *caller,
			    const struct pb_record_import *m, const struct manifest_terms *terms,
			    struct record_row *row)
{
	struct append logged = {
		.kind = terms->revision == 1 ? PB(ENTRY_KIND, COLLECTED) : PB(ENTRY_KIND, ALTERED),
		.caller = caller,
		.reason = m->reason,
		.record_id = terms->record_id,
		.revision = terms->revision,
	};
	struct append seal = {.kind = PB(ENTRY_KIND, SEAL), .manifest = &row->manifest};
	struct appended done;
	enum err e;

	e = ledger_append(n, &logged, &done);
	if (!e)
		e = ledger_append(n, &seal, &done);
	row->seal_index = done.index;
	row->seal_epoch = n->epoch;
	return e ? err_trace(e) : ERR_OK;
}

/* Salts and decoys, then the manifest over them. */
static enum err make_manifest(struct node *n, struct own_record *r,
			      const struct manifest_terms *terms)
{
	const size_t n_random = manifest_random_bytes(r->slices.n, terms->n_previous);
	CLEANUP(freep) uint8_t *random = NULL;
	enum err e;

	if (n_random == 0)
		return err_new(ERR_INVALID, "the record has more than %d fields", COMMITMENTS_MAX);
	random = malloc(n_random);
	if (!random)
		return err_new(ERR_NOMEM, "salts");
	e = n->port.random(n->port.ctx, random, n_random);
	if (!e)
		e = manifest_make(terms, &r->slices, random, n_random, &r->manifest);
	if (!e)
		e = buf_put(&r->salts, random, r->slices.n * SLICE_SALT_BYTES);
	wipe(random, n_random);
	return e ? err_trace(e) : ERR_OK;
}

enum err own_record_seal(struct node *n, const struct node_caller *caller,
			 const struct pb_record_import *m, struct record_row *ret)
{
	CLEANUP(own_record_freep) struct own_record *r = calloc(1, sizeof(*r));
	struct manifest_terms terms = {0};
	struct record_row row = {0};
	enum err e;

	if (!r)
		return err_new(ERR_NOMEM, "record");
	e = fill_terms(n, m, &terms);
	if (!e)
		e = record_derive(terms.type, message_bytes(m->has_record, m->record),
				  civil_year(terms.sealed_at_us), &r->record);
	if (!e)
		e = record_cut(terms.type, buf_view(&r->record), &r->slices);
	if (!e)
		e = make_manifest(n, r, &terms);
	if (e)
		return err_trace(e);
	if (n->hold)
		return err_new(ERR_STATE, "nothing is signed: %s", n->hold);
	row.manifest = manifest_digest(buf_view(&r->manifest));
	e = append_seal(n, caller, m, &terms, &row);
	if (!e)
		e = store_record(n, r, &terms, &row);
	if (e)
		return err_trace(e);
	*ret = row;
	return ERR_OK;
}

/* Commitments that the referral itself has opened already. */
struct opened_before {
	const uint8_t *p;
	size_t n;
};

static enum err skip_opened(void *ctx, const struct digest *commitment, bool *ret_skip)
{
	const struct opened_before *o = ctx;

	*ret_skip = false;
	for (size_t i = 0; i < o->n && !*ret_skip; i++)
		*ret_skip = memcmp(o->p + i * DIGEST_BYTES, commitment->b, DIGEST_BYTES) == 0;
	return ERR_OK;
}

static enum err append_supplement(struct node *n, struct peer *p, const struct referral_row *r,
				  const struct digest *agreement, const struct opened_slice *opened,
				  size_t n_opened)
{
	struct pb_supplement m = PB_SUPPLEMENT_INIT;
	struct pb_disclosure d = PB_DISCLOSURE_INIT;
	struct append entry = {
		.kind = PB(ENTRY_KIND, SUPPLEMENT),
		.peer = p,
		.agreement = agreement,
		.purpose = r->purpose,
		.answers = &r->leaf,
	};
	struct buf named = {0}, body = {0};
	struct appended done;
	enum err e = ERR_OK;

	for (size_t i = 0; !e && i < n_opened; i++)
		e = buf_put_view(&named, view_digest(&opened[i].commitment));
	d.has_manifest_digest = d.has_opened = 1;
	d.manifest_digest = message_borrow(view_digest(&r->manifest));
	d.opened = message_borrow(buf_view(&named));
	m.record = &d;
	if (!e)
		e = message_encode(&m, &body);
	entry.body = buf_view(&body);
	entry.opened = opened;
	entry.n_opened = n_opened;
	if (!e)
		e = ledger_append(n, &entry, &done);
	buf_fini(&named);
	buf_fini(&body);
	return e ? err_trace(e) : ERR_OK;
}

/* The referral's own body: what it opened, and on which consent. */
static enum err load_referral(struct node *n, const struct referral_row *r,
			      struct pb_referral **ret)
{
	struct buf body = {0};
	enum err e = own_body_load(n, r, &body);

	if (!e)
		e = message_decode(&pb_referral_desc, buf_view(&body), MESSAGE_STRICT, ret);
	buf_fini(&body);
	return e ? err_trace(e) : ERR_OK;
}

enum err release_second_stage(struct node *n, struct peer *p, struct referral_row *r)
{
	CLEANUP(message_freep) struct pb_referral *referral = NULL;
	CLEANUP(freep) struct opened_slice *opened = NULL;
	struct policy_case c = {.purpose = r->purpose, .stage = POLICY_ACCEPTED};
	const struct agreement *a;
	struct own_record *record;
	struct opened_before before = {0};
	size_t n_opened = 0;
	enum err e;

	if (!r->has_manifest)
		return ERR_OK;
	if (p->recovery.state != RECOVERY_NONE) { /* it may have been released before: later */
		r->release_due = true;
		e = node_write(n);
		return e ? err_trace(e) : referral_save(n, r);
	}
	e = agreement_for(n, p, r->purpose, &a);
	if (e == ERR_NOT_FOUND)
		return ERR_OK; /* evaluated anew: nothing may leave now */
	if (!e)
		e = load_referral(n, r, &referral);
	if (!e)
		e = own_record_open(n, &r->manifest, &record);
	if (e)
		return e == ERR_NOT_FOUND ? ERR_OK : err_trace(e); /* erased meanwhile */
	c.type = (enum record_type)record->row.type;
	c.has_consent = referral_has_consent(referral);
	c.utc_us = ledger_time_us(n);
	c.schema_version = p->live ? p->live->schema_version : FIELD_SCHEMA_VERSION;
	if (referral->record && referral->record->has_opened)
		before = (struct opened_before){.p = referral->record->opened.data,
						.n = referral->record->opened.len / DIGEST_BYTES};
	if (r->n_disclosed > before.n)
		return ERR_OK; /* it was released before, in a ledger that was lost since */
	opened = calloc(record->slices.n + 1, sizeof(*opened));
	if (!opened)
		return err_new(ERR_NOMEM, "openings");
	e = disclosure_select(a, &c, record->opening, record->slices.n, skip_opened, &before,
			      opened, &n_opened);
	if (!e && n_opened)
		e = append_supplement(n, p, r, agreement_digest(a), opened, n_opened);
	if (!e && n_opened) {
		r->n_disclosed += n_opened;
		e = referral_save(n, r);
	}
	return e ? err_trace(e) : ERR_OK;
}

struct joining {
	struct node *n;
	const struct opened_slice *more;
	size_t n_more;
	struct buf bytes; /* salt and slice of each, one after the other */
	size_t *end;	  /* SLICES_MAX */
	size_t n_slice;
};

static bool is_among(const struct joining *j, const struct digest *commitment)
{
	for (size_t i = 0; i < j->n_more; i++)
		if (digest_eq(&j->more[i].commitment, commitment))
			return true;
	return false;
}

static enum err load_opening(void *ctx, const struct opening_row *row)
{
	struct joining *j = ctx;
	enum err e;

	if (is_among(j, &row->commitment))
		return ERR_OK;
	if (j->n_slice + j->n_more >= SLICES_MAX)
		return err_new(ERR_LIMIT, "more openings than a record has");
	e = opening_load(j->n, row, &j->bytes);
	if (e == ERR_NOT_FOUND)
		return ERR_OK; /* this field was erased */
	if (e)
		return err_trace(e);
	j->end[j->n_slice++] = j->bytes.n;
	return ERR_OK;
}

enum err received_record_join(struct node *n, const struct digest *manifest, int type,
			      const struct opened_slice *more, size_t n_more, struct buf *out,
			      size_t *ret_n)
{
	CLEANUP(freep) size_t *end = reallocarray(NULL, SLICES_MAX, sizeof(*end));
	CLEANUP(freep) struct view *slice = reallocarray(NULL, SLICES_MAX, sizeof(*slice));
	struct joining j = {.n = n, .more = more, .n_more = n_more, .end = end};
	enum err e;

	if (!end || !slice)
		return err_new(ERR_NOMEM, "record");
	if (n_more > SLICES_MAX)
		return err_new(ERR_LIMIT, "more openings than a record has");
	e = opening_walk(n->store, manifest, load_opening, &j);
	for (size_t i = 0; !e && i < j.n_slice; i++) {
		size_t start = (i ? j.end[i - 1] : 0) + SLICE_SALT_BYTES;

		slice[i] = view_of(buf_data(&j.bytes) + start, j.end[i] - start);
	}
	for (size_t i = 0; !e && i < n_more; i++)
		slice[j.n_slice + i] = more[i].slice;
	if (!e)
		e = record_join((enum record_type)type, slice, j.n_slice + n_more, out);
	*ret_n = j.n_slice + n_more;
	if (j.bytes.n)
		wipe(buf_data(&j.bytes), j.bytes.n);
	buf_fini(&j.bytes);
	return e ? err_trace(e) : ERR_OK;
}
