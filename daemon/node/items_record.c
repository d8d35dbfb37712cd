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
static enum err store_openings(struct taking *t, const struct digest *manifest,
			       const struct opened_slice *opened, size_t n_opened)
{
	struct store *store = t->n->store;
	enum err e;

	for (size_t i = 0; i < n_opened; i++) {
		struct opening_row row = {
			.manifest = *manifest,
			.commitment = opened[i].commitment,
			.path = opened[i].unit->path,
			.is_singular = !opened[i].unit->is_repeated,
			.peer = t->p->row.id,
			.k = t->entry.k,
		};
		struct opening_row known;

		e = opening_get(store, manifest, &row.commitment, &known);
		if (!e)
			continue; /* the same slice again: a commitment has one opening */
		if (e != ERR_NOT_FOUND)
			return err_trace(e);
		e = blob_store(t->n, BLOB_OPENING, opened[i].salt, opened[i].slice, row.blob);
		if (!e)
			e = opening_put(store, &row);
		if (e)
			return err_trace(e);
	}
	return ERR_OK;
}

static enum err check_opened_before(struct taking *t, const struct digest *manifest,
				    const struct opened_slice *opened, size_t n_opened)
{
	for (size_t i = 0; i < n_opened; i++) {
		struct opening_row known;
		bool has_path = false;
		enum err e;

		if (opened[i].unit->is_repeated)
			continue;
		e = opening_get(t->n->store, manifest, &opened[i].commitment, &known);
		if (!e)
			continue;
		if (e == ERR_NOT_FOUND)
			e = opening_has_path(t->n->store, manifest, opened[i].unit->path,
					     &has_path);
		if (e)
			return err_trace(e);
		if (has_path) {
			log_line(LOG_ERR, "a sealed field was opened in two ways peer=%s k=%llu",
				 t->p->row.agency.text, (unsigned long long)t->entry.k);
			return item_refuse(t, PB(REFUSAL_REASON, OPENED_TWICE));
		}
	}
	return ERR_OK;
}

/* Each slice is well-formed by itself; with those opened before they must make a record, neither
 * with more elements than the schema allows nor larger than one may be. */
static enum err check_joins(struct taking *t, const struct manifest *m,
			    const struct opened_slice *opened, size_t n_opened)
{
	struct buf joined = {0};
	size_t n_joined;
	enum err e = received_record_join(t->n, &m->digest, (int)m->terms.type, opened, n_opened,
					  &joined, &n_joined);

	if (joined.n)
		wipe(buf_data(&joined), joined.n);
	buf_fini(&joined);
	return item_refuse_unless_local(t, e, PB(REFUSAL_REASON, BAD_SLICE));
}

/* Openings of a disclosure whose manifest is known, checked wholly, then stored. */
static enum err take_openings(struct taking *t, const struct pb_disclosure *d,
			      const struct manifest *m, const struct agreement *a,
			      enum policy_stage stage, bool has_consent, size_t *ret_n)
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
	CLEANUP(freep) struct opened_slice *opened = NULL;
	enum err e;

	opened = calloc(item->n_openings + 1, sizeof(*opened));
	if (!opened)
		return err_new(ERR_NOMEM, "openings");
	t->reason = disclosure_check(d, item->openings, item->n_openings, m, a, &c, opened);
	if (t->reason)
		return ERR_OK;
	e = check_opened_before(t, &m->digest, opened, item->n_openings);
	if (!e && !t->reason)
		e = check_joins(t, m, opened, item->n_openings);
	if (e || t->reason)
		return e;
	*ret_n = item->n_openings;
	e = node_write(t->n);
	return e ? err_trace(e) : store_openings(t, &m->digest, opened, item->n_openings);
}

static enum err store_manifest(struct taking *t, const struct pb_disclosure *d,
			       const struct manifest *m)
{
	struct manifest_row row = {
		.digest = m->digest,
		.peer = t->p->row.id,
		.manifest = message_bytes(d->has_manifest, d->manifest),
	};
	struct buf seal = {0};
	enum err e;

	e = message_encode(d->seal, &seal);
	row.seal = buf_view(&seal);
	if (!e)
		e = manifest_put(t->n->store, &row);
	buf_fini(&seal);
	return e ? err_trace(e) : ERR_OK;
}

static enum err take_record(struct taking *t, const struct pb_referral *r,
			    const struct agreement *a, struct referral_row *row)
{
	const struct pb_disclosure *d = r->record;
	struct manifest m;
	size_t n_opened = 0;
	enum err e;

	if (!d || !d->has_manifest || !d->seal || !d->has_manifest_digest)
		return item_refuse(t, PB(REFUSAL_REASON, INCOMPLETE));
	e = manifest_read(message_bytes(1, d->manifest), &m);
	e = item_refuse_unless_local(t, e, PB(REFUSAL_REASON, BAD_SEAL));
	if (e || t->reason)
		return e;
	if (!view_eq(view_digest(&m.digest), message_bytes(1, d->manifest_digest)))
		return item_refuse(t, PB(REFUSAL_REASON, BAD_SEAL));
	e = check_seal(t, d->seal, &m);
	if (e || t->reason)
		return e;
	e = take_openings(t, d, &m, a, POLICY_REQUEST, referral_has_consent(r), &n_opened);
	if (e || t->reason)
		return e;
	row->has_manifest = true;
	row->manifest = m.digest;
	memcpy(row->record_id, m.terms.record_id, sizeof(row->record_id));
	row->n_disclosed = n_opened;
	return store_manifest(t, d, &m);
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
	e = referral_put(t->n->store, &row);
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
	struct manifest_row manifest_row;
	struct referral_row row;
	struct manifest manifest;
	size_t n_opened = 0;
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
	if (!e)
		e = manifest_read(manifest_row.manifest, &manifest);
	if (!e)
		e = take_openings(t, m->record, &manifest, a, POLICY_ACCEPTED, row.has_consent,
				  &n_opened);
	if (e || t->reason)
		return e;
	row.n_disclosed += n_opened;
	return referral_put(t->n->store, &row);
}
