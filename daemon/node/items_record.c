/* Items that disclose a record: REFERRAL and SUPPLEMENT. Agreement, seal, then every opened slice.
 */
#include "node/items.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "crypto/digest.h"
#include "record/manifest.h"

/* The agreement that the entry names: held, in force at its position, valid at its time. */
static enum err find_agreement(struct taking *t, const struct agreement **ret)
{
	struct node *n = t->n;
	bool in_force;
	enum err e;

	if (!t->entry.has_agreement || t->entry.purpose == 0)
		return item_refuse(t, PB(REFUSAL_REASON, INCOMPLETE));
	e = agreement_judged(n, t->p, &t->entry.agreement, true, t->entry.k, t->entry.seen_k,
			     &in_force);
	if (e)
		return err_trace(e);
	if (!in_force)
		return item_refuse(t, PB(REFUSAL_REASON, NO_AGREEMENT));
	e = agreement_load(n, &t->entry.agreement, ret);
	if (e == ERR_NOT_FOUND)
		return item_refuse(t, PB(REFUSAL_REASON, NO_AGREEMENT));
	if (e)
		return err_trace(e);
	if (!agreement_has_party(*ret, &n->agency) ||
	    !agreement_has_party(*ret, &t->p->row.agency) ||
	    !agreement_is_valid_at(*ret, t->entry.time_us))
		return item_refuse(t, PB(REFUSAL_REASON, NO_AGREEMENT));
	if (!agreement_has_purpose(*ret, t->entry.purpose))
		return item_refuse(t, PB(REFUSAL_REASON, PURPOSE));
	return ERR_OK;
}

/* The key that a certificate chain gives an agency whose own key is not pinned here. Judged now: a
 * revocation list says nothing of a time before it was issued. */
static enum err key_by_chain(struct taking *t, const struct pb_seal *seal,
			     const struct agency_id *originator, struct verify_key **ret)
{
	CLEANUP(verify_key_freep) struct verify_key *key = NULL;
	struct view chain[CERT_CHAIN_MAX];
	struct agency_id id;
	enum err e;

	if (seal->n_chain == 0 || seal->n_chain > CERT_CHAIN_MAX)
		return err_new(ERR_CERT, "no certificate of the originator");
	for (size_t i = 0; i < seal->n_chain; i++)
		chain[i] = message_bytes(1, seal->chain[i]);
	e = trust_check(t->n->trust, CERT_SEAL, chain, seal->n_chain,
			(int64_t)(t->n->port.utc_us(t->n->port.ctx) / 1000000), &id, &key);
	if (e)
		return err_trace(e);
	if (!agency_id_eq(&id, originator))
		return err_new(ERR_CERT, "seal certificate is another agency's");
	*ret = TAKE(key);
	return ERR_OK;
}

/* The originator's key: the one pinned, whoever brings the record; a chain counts only for agencies
 * that this node never met, so a CA that certifies a false seal key gains nothing. */
static enum err check_seal(struct taking *t, const struct pb_seal *seal, const struct manifest *m)
{
	CLEANUP(verify_key_freep) struct verify_key *key = NULL;
	const struct agency_id *originator = &m->terms.originator;
	const struct peer *known = peer_by_id(t->n, originator);
	enum err e;

	if (known && known->row.pinned) {
		e = seal_check(seal, m, originator, NULL, /* of any epoch: it stays sealed */
			       known->key);
	} else {
		e = key_by_chain(t, seal, originator, &key);
		if (!e)
			e = seal_check(seal, m, originator, NULL, key);
	}
	return item_refuse_unless_local(t, e, PB(REFUSAL_REASON, BAD_SEAL));
}

/* Openings against everything opened before under this manifest. */
struct openings {
	struct opened_slice *opened;
	bool *is_known; /* n */
	size_t n, n_known;
	bool is_contradicted; /* a singular field was opened to another slice */
};

static enum err compare_opening(void *ctx, const struct opening_row *before)
{
	struct openings *o = ctx;

	for (size_t i = 0; i < o->n; i++) {
		if (digest_eq(&o->opened[i].commitment, &before->commitment)) {
			o->n_known += !o->is_known[i];
			o->is_known[i] = true; /* a commitment has one opening */
		} else if (before->is_singular && !o->opened[i].unit->is_repeated &&
			   strcmp(o->opened[i].unit->path, before->path) == 0) {
			o->is_contradicted = true;
		}
	}
	return ERR_OK;
}

static enum err check_opened_before(struct taking *t, const struct digest *manifest,
				    struct openings *o)
{
	enum err e = opening_walk(t->n->store, manifest, compare_opening, o);

	if (e || !o->is_contradicted)
		return e ? err_trace(e) : ERR_OK;
	log_line(LOG_ERR, "a sealed field was opened in two ways peer=%s k=%llu",
		 t->p->row.agency.text, (unsigned long long)t->entry.k);
	return item_refuse(t, PB(REFUSAL_REASON, OPENED_TWICE));
}

static void openings_fini(struct openings *o)
{
	free(o->opened);
	free(o->is_known);
}

static enum err store_openings(struct taking *t, uint64_t manifest_num,
			       const struct digest *manifest, const struct openings *o)
{
	for (size_t i = 0; i < o->n; i++) {
		const struct opened_slice *opened = &o->opened[i];
		struct opening_row row = {
			.manifest = *manifest,
			.manifest_num = manifest_num,
			.commitment = opened->commitment,
			.path = opened->unit->path,
			.is_singular = !opened->unit->is_repeated,
			.peer = t->p->row.id,
			.k = t->entry.k,
		};
		enum err e;

		if (o->is_known[i])
			continue;
		e = opening_store(t->n, &row, opened->salt, opened->slice);
		if (e)
			return err_trace(e);
	}
	return ERR_OK;
}

/* Each slice is well-formed by itself; with those opened before they must make a record, neither
 * with more elements than the schema allows nor larger than one may be. */
static enum err check_joins(struct taking *t, const struct manifest *m, const struct openings *o)
{
	struct buf joined = {0};
	size_t n_joined;
	enum err e;

	if (o->n_known == o->n && o->n)
		return ERR_OK; /* they did when they came first */
	e = received_record_join(t->n, &m->digest, (int)m->terms.type, o->opened, o->n, &joined,
				 &n_joined);
	if (joined.n)
		wipe(buf_data(&joined), joined.n);
	buf_fini(&joined);
	return item_refuse_unless_local(t, e, PB(REFUSAL_REASON, BAD_SLICE));
}

/* Openings of a disclosure whose manifest is known, checked wholly. */
static enum err check_openings(struct taking *t, const struct pb_disclosure *d,
			       const struct manifest *m, const struct agreement *a,
			       enum policy_stage stage, bool has_consent, struct openings *o)
{
	const struct pb_item *item = t->item->item;
	struct policy_case c = {
		.purpose = t->entry.purpose,
		.type = m->terms.type,
		.stage = stage,
		.has_consent = has_consent,
		.utc_us = t->entry.time_us,
		.schema_version = FIELD_SCHEMA_VERSION,
	};
	enum err e;

	o->n = item->n_openings;
	o->opened = calloc(o->n + 1, sizeof(*o->opened));
	o->is_known = calloc(o->n + 1, sizeof(*o->is_known));
	if (!o->opened || !o->is_known)
		return err_new(ERR_NOMEM, "openings");
	t->reason = disclosure_check(d, item->openings, o->n, m, a, &c, o->opened);
	if (t->reason)
		return ERR_OK;
	e = check_opened_before(t, &m->digest, o);
	if (!e && !t->reason)
		e = check_joins(t, m, o);
	return e;
}

/* Which key the originator's is counts with the record: a chain of certificates is judged now, each
 * time, but what a pinned key signed stays signed. */
static void keep_disclosed(struct taking *t, const struct manifest *m,
			   const struct disclosed_case *c)
{
	const struct peer *originator = peer_by_id(t->n, &m->terms.originator);
	struct disclosed_record record = {.seal = t->seal};

	memcpy(record.id, m->terms.record_id, sizeof(record.id));
	if (originator && originator->row.pinned)
		disclosed_add(&t->n->disclosed, c, &record);
}

/* One that is not known: manifest, seal, openings. */
static enum err take_new_record(struct taking *t, const struct pb_referral *r,
				const struct agreement *a, const struct disclosed_case *c,
				uint8_t ret_record_id[RECORD_ID_BYTES])
{
	const struct pb_disclosure *d = r->record;
	struct openings o = {.n = 0};
	struct manifest m;
	uint64_t num;
	enum err e;

	e = manifest_read(message_bytes(1, d->manifest), &m);
	e = item_refuse_unless_local(t, e, PB(REFUSAL_REASON, BAD_SEAL));
	if (e || t->reason)
		return e;
	if (!digest_eq(&m.digest, &c->manifest))
		return item_refuse(t, PB(REFUSAL_REASON, BAD_SEAL));
	e = check_seal(t, d->seal, &m);
	if (!e && !t->reason)
		e = check_openings(t, d, &m, a, POLICY_REQUEST, referral_has_consent(r), &o);
	if (e || t->reason)
		goto done;
	e = manifest_hold(t->n, t->p->row.id, d, &m, &num, &t->seal);
	if (!e)
		e = store_openings(t, num, &m.digest, &o);
	if (e)
		goto done;
	keep_disclosed(t, &m, c);
	memcpy(ret_record_id, m.terms.record_id, RECORD_ID_BYTES);
done:
	openings_fini(&o);
	return e ? err_trace(e) : ERR_OK;
}

static enum err take_record(struct taking *t, const struct pb_referral *r,
			    const struct agreement *a, struct referral_row *row)
{
	const struct pb_disclosure *d = r->record;
	struct disclosed_case c = {
		.disclosure = body_record(t->body),
		.openings = t->item->item->openings,
		.n_openings = t->item->item->n_openings,
		.peer = t->p->row.id,
		.agreement = t->entry.agreement,
		.purpose = t->entry.purpose,
		.has_consent = referral_has_consent(r),
	};
	const struct disclosed_record *known;
	enum err e = ERR_OK;

	if (!d || !d->has_manifest || !d->seal || !d->has_manifest_digest)
		return item_refuse(t, PB(REFUSAL_REASON, INCOMPLETE));
	if (!digest_from_view(&c.manifest, message_bytes(1, d->manifest_digest)))
		return item_refuse(t, PB(REFUSAL_REASON, BAD_SEAL));
	known = disclosed_find(&t->n->disclosed, &c);
	if (known) {
		memcpy(row->record_id, known->id, sizeof(row->record_id));
		t->seal = known->seal;
	} else {
		e = take_new_record(t, r, a, &c, row->record_id);
	}
	if (e || t->reason)
		return e;
	row->has_manifest = true;
	row->manifest = c.manifest;
	/* what was checked names as many commitments as it opens */
	row->n_disclosed = c.n_openings;
	return ERR_OK;
}

enum err item_take_referral(struct taking *t)
{
	CLEANUP(message_freep) struct pb_referral *r = NULL;
	const struct agreement *a = NULL;
	struct referral_row row = {
		.leaf = t->item->leaf,
		.is_incoming = true,
		.peer = t->p->row.id,
		.k = t->entry.k,
		.agreement = t->entry.agreement,
		.purpose = t->entry.purpose,
		.state = PB(REFERRAL_STATE, REQUESTED),
		.time_us = time_storable(t->entry.time_us),
	};
	enum err e;

	e = item_body(t, &pb_referral_desc, &r);
	if (!e && !t->reason)
		e = find_agreement(t, &a);
	if (e || t->reason)
		return e;
	if (referral_terms_problem(r, 0))
		return item_refuse(t, PB(REFUSAL_REASON, INCOMPLETE));
	if (referral_terms_problem(r, t->entry.time_us)) /* what is wrong with its time alone */
		return item_refuse(t, PB(REFUSAL_REASON, EXPIRED));
	e = take_record(t, r, a, &row);
	if (e || t->reason)
		return e;
	row.type = (int)r->type;
	row.urgency = (int)r->urgency;
	row.has_consent = referral_has_consent(r);
	row.reply_by_us = r->has_reply_by_us ? time_storable(r->reply_by_us) : 0;
	row.expires_us = r->has_expires_us ? time_storable(r->expires_us) : 0;
	e = node_write(t->n);
	if (!e)
		e = referral_save(t->n, &row);
	if (!e)
		log_line(LOG_INFO, "referral received peer=%s k=%llu units=%llu",
			 t->p->row.agency.text, (unsigned long long)row.k,
			 (unsigned long long)row.n_disclosed);
	return e ? err_trace(e) : ERR_OK;
}

/* Accepted, or further, and not taken back. */
static bool is_accepted(int state)
{
	return state == PB(REFERRAL_STATE, ACCEPTED) || state == PB(REFERRAL_STATE, IN_PROGRESS) ||
	       state == PB(REFERRAL_STATE, ON_HOLD) || state == PB(REFERRAL_STATE, COMPLETED) ||
	       state == PB(REFERRAL_STATE, CLOSED);
}

enum err item_take_supplement(struct taking *t)
{
	CLEANUP(message_freep) struct pb_supplement *m = NULL;
	const struct agreement *a = NULL;
	struct manifest_row manifest_row = {.num = 0};
	struct openings o = {.n = 0};
	struct referral_row row;
	struct manifest manifest;
	uint64_t num;
	enum err e;

	e = item_body(t, &pb_supplement_desc, &m);
	if (!e && !t->reason)
		e = item_referral(t, &row);
	if (!e && !t->reason)
		e = find_agreement(t, &a);
	if (e || t->reason)
		return e;
	if (!row.is_incoming || !row.has_manifest || t->entry.purpose != row.purpose)
		return item_refuse(t, PB(REFUSAL_REASON, STATE));
	if (!m->record || !m->record->has_manifest_digest)
		return item_refuse(t, PB(REFUSAL_REASON, INCOMPLETE));
	if (!view_eq(view_digest(&row.manifest), message_bytes(1, m->record->manifest_digest)))
		return item_refuse(t, PB(REFUSAL_REASON, UNKNOWN_REFERENCE));
	/* the sender may release only what it saw accepted */
	if (!is_accepted(row.state) || t->entry.seen_k < row.our_change_k)
		return item_refuse(t, PB(REFUSAL_REASON, STATE));
	e = manifest_get(t->n->store, &row.manifest, &manifest_row);
	num = manifest_row.num;
	if (!e)
		e = manifest_read(manifest_row.manifest, &manifest);
	if (!e)
		e = check_openings(t, m->record, &manifest, a, POLICY_ACCEPTED, row.has_consent,
				   &o);
	if (e || t->reason)
		goto done;
	row.n_disclosed += t->item->item->n_openings;
	e = node_write(t->n);
	if (!e)
		e = store_openings(t, num, &manifest.digest, &o);
	if (!e)
		e = referral_save(t->n, &row);
done:
	openings_fini(&o);
	return e ? err_trace(e) : ERR_OK;
}
