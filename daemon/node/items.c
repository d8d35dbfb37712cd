/* What the items of a batch do, a kind at a time. Judged by the agreement and time named in the
 * entry and by chain order, never by time of arrival, so that both sides get the same answer. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "node/internal.h"
#include "record/manifest.h"
#include "referral/state.h"

/* One item under judgement. */
struct taking {
	struct node *n;
	struct peer *p;
	const struct batch_item *item;
	struct entry entry;
	struct view body;
	int reason; /* RefusalReason; 0 = accepted so far */
};

static enum err refuse(struct taking *t, int reason)
{
	t->reason = reason;
	return ERR_OK;
}

/* Errors of checks on the item are a refusal; those of storage and memory are ours. */
static enum err refuse_unless_local(struct taking *t, enum err e, int reason)
{
	switch (err_class(e)) {
	case ERR_CLASS_OK:
		return ERR_OK;
	case ERR_CLASS_PEER:
		return refuse(t, reason);
	case ERR_CLASS_LOCAL:
		return e == ERR_INVALID ? refuse(t, reason) : err_trace(e);
	case ERR_CLASS_AGAIN:
	case ERR_CLASS_CONFIG:
	case ERR_CLASS_BUG:
		return err_trace(e);
	}
	return err_trace(e);
}

static enum err decode_body(struct taking *t, const ProtobufCMessageDescriptor *desc, void *ret)
{
	enum err e = message_decode(desc, t->body, MESSAGE_STRICT, ret);

	return refuse_unless_local(t, e, PB(REFUSAL_REASON, UNREADABLE));
}

/* --- receipts --- */

static enum err apply_exceptions(struct taking *t, const struct pb_receipt *r)
{
	for (size_t i = 0; i < r->n_exceptions; i++) {
		const struct pb_exception *x = r->exceptions[i];
		enum err e = refusal_put(t->n->store, t->p->row.id, x->k, (int)x->status,
					 x->has_reason ? (int)x->reason : 0);

		if (e)
			return err_trace(e);
		t->p->row.n_refused++;
		log_line(LOG_WARN,
			 "a peer refused an entry of ours peer=%s k=%llu status=%s reason=%s",
			 t->p->row.agency.text, (unsigned long long)x->k,
			 message_enum_code(&amparo__v1__exception_status__descriptor,
					   (int)x->status),
			 x->has_reason ? message_enum_code(&amparo__v1__refusal_reason__descriptor,
							   (int)x->reason)
				       : "-");
	}
	return ERR_OK;
}

static enum err take_receipt(struct taking *t, struct session *s)
{
	CLEANUP(message_freep) struct pb_receipt *r = NULL;
	struct node *n = t->n;
	struct peer *p = t->p;
	struct digest root, head;
	enum err e;

	e = decode_body(t, &pb_receipt_desc, &r);
	if (e || t->reason)
		return e;
	if (receipt_check(r, n->origin.text, p->row.delivered_k, p->row.sent_k) || r->size == 0 ||
	    r->size > n->signed_size)
		return refuse(t, PB(REFUSAL_REASON, FALSE_STATEMENT));
	e = ledger_root_at(n, r->size, &root);
	if (!e)
		e = ledger_head_at(n, p, r->to_k, &head);
	if (e)
		return err_trace(e);
	if (memcmp(root.b, r->root.data, DIGEST_BYTES) != 0 ||
	    memcmp(head.b, r->head.data, DIGEST_BYTES) != 0)
		return refuse(t, PB(REFUSAL_REASON, FALSE_STATEMENT));
	e = node_write(n);
	if (!e)
		e = apply_exceptions(t, r);
	if (e)
		return err_trace(e);
	p->row.delivered_k = r->to_k;
	p->dirty = true;
	outbox_receipted(s, r->to_k);
	return ERR_OK;
}

/* --- agreements --- */

static enum err take_adopt(struct taking *t, bool withdraws)
{
	CLEANUP(message_freep) void *m = NULL;
	struct adoption_row row = {0};
	const char *name;
	enum err e;

	e = decode_body(t, withdraws ? &pb_withdraw_desc : &pb_adopt_desc, &m);
	if (e || t->reason)
		return e;
	name = withdraws ? ((struct pb_withdraw *)m)->name : ((struct pb_adopt *)m)->name;
	if (!t->entry.has_agreement || !name || strlen(name) >= sizeof(row.their_name))
		return refuse(t, PB(REFUSAL_REASON, INCOMPLETE));
	e = adoption_get(t->n->store, t->p->row.id, &t->entry.agreement, &row);
	if (e && e != ERR_NOT_FOUND)
		return err_trace(e);
	row.peer = t->p->row.id;
	row.digest = t->entry.agreement;
	if (withdraws && (row.their_k == 0 || row.their_withdraw_k))
		return refuse(t, PB(REFUSAL_REASON, STATE));
	if (withdraws)
		row.their_withdraw_k = t->entry.k;
	else if (row.their_k == 0 || row.their_withdraw_k) {
		row.their_k = t->entry.k;
		row.their_withdraw_k = 0;
	}
	memcpy(row.their_name, name, strlen(name) + 1);
	e = node_write(t->n);
	if (!e)
		e = adoption_put(t->n->store, &row);
	log_line(LOG_NOTICE, "a peer %s an agreement peer=%s k=%llu in_force=%s",
		 withdraws ? "withdrew" : "adopted", t->p->row.agency.text,
		 (unsigned long long)t->entry.k,
		 !withdraws && row.our_k && !row.our_withdraw_k ? "yes" : "no");
	return e ? err_trace(e) : ERR_OK;
}

/* --- referrals --- */

/* The agreement that the entry names: held, in force at its position, valid at its time. */
static enum err find_agreement(struct taking *t, const struct agreement **ret)
{
	struct node *n = t->n;
	bool in_force;
	enum err e;

	if (!t->entry.has_agreement || t->entry.purpose == 0)
		return refuse(t, PB(REFUSAL_REASON, INCOMPLETE));
	e = agreement_judged(n, t->p, &t->entry.agreement, true, t->entry.k, t->entry.seen_k,
			     &in_force);
	if (e)
		return err_trace(e);
	if (!in_force)
		return refuse(t, PB(REFUSAL_REASON, NO_AGREEMENT));
	e = agreement_load(n, &t->entry.agreement, ret);
	if (e == ERR_NOT_FOUND)
		return refuse(t, PB(REFUSAL_REASON, NO_AGREEMENT));
	if (e)
		return err_trace(e);
	if (!agreement_has_party(*ret, &n->agency) ||
	    !agreement_has_party(*ret, &t->p->row.agency) ||
	    !agreement_is_valid_at(*ret, t->entry.time_us))
		return refuse(t, PB(REFUSAL_REASON, NO_AGREEMENT));
	if (!agreement_has_purpose(*ret, t->entry.purpose))
		return refuse(t, PB(REFUSAL_REASON, PURPOSE));
	return ERR_OK;
}

/* The originator's key: the sender's own, pinned; another's through its certificate chain. */
static enum err check_seal(struct taking *t, const struct pb_seal *seal, const struct manifest *m)
{
	struct view chain[CERT_CHAIN_MAX];
	CLEANUP(verify_key_freep) struct verify_key *key = NULL;
	struct agency_id id;
	enum err e;

	if (agency_id_eq(&m->terms.originator, &t->p->row.agency)) {
		e = seal_check(seal, m, &t->p->row.agency, t->p->row.origin, t->p->key);
		return refuse_unless_local(t, e, PB(REFUSAL_REASON, BAD_SEAL));
	}
	if (seal->n_chain == 0 || seal->n_chain > CERT_CHAIN_MAX)
		return refuse(t, PB(REFUSAL_REASON, BAD_SEAL));
	for (size_t i = 0; i < seal->n_chain; i++)
		chain[i] = message_bytes(1, seal->chain[i]);
	e = trust_check(t->n->trust, CERT_SEAL, chain, seal->n_chain,
			(int64_t)(t->entry.time_us / 1000000), &id, &key);
	if (!e && !agency_id_eq(&id, &m->terms.originator))
		e = err_new(ERR_CERT, "seal certificate is another agency's");
	if (!e)
		e = seal_check(seal, m, &id, NULL, key);
	return refuse_unless_local(t, e, PB(REFUSAL_REASON, BAD_SEAL));
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
			return refuse(t, PB(REFUSAL_REASON, OPENED_TWICE));
		}
	}
	return ERR_OK;
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
		return refuse(t, PB(REFUSAL_REASON, INCOMPLETE));
	e = manifest_read(message_bytes(1, d->manifest), &m);
	e = refuse_unless_local(t, e, PB(REFUSAL_REASON, BAD_SEAL));
	if (e || t->reason)
		return e;
	if (!view_eq(view_digest(&m.digest), message_bytes(1, d->manifest_digest)))
		return refuse(t, PB(REFUSAL_REASON, BAD_SEAL));
	if (m.terms.schema_version > FIELD_SCHEMA_VERSION)
		return refuse(t, PB(REFUSAL_REASON, NEWER_SCHEMA));
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

static enum err take_referral(struct taking *t)
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
		.time_us = t->entry.time_us,
	};
	enum err e;

	e = decode_body(t, &pb_referral_desc, &r);
	if (!e && !t->reason)
		e = find_agreement(t, &a);
	if (e || t->reason)
		return e;
	if (r->has_expires_us && r->expires_us <= t->entry.time_us)
		return refuse(t, PB(REFUSAL_REASON, EXPIRED));
	if (referral_terms_problem(r, t->entry.time_us))
		return refuse(t, PB(REFUSAL_REASON, INCOMPLETE));
	e = take_record(t, r, a, &row);
	if (e || t->reason)
		return e;
	row.type = (int)r->type;
	row.urgency = (int)r->urgency;
	row.has_consent = referral_has_consent(r);
	row.reply_by_us = r->has_reply_by_us ? r->reply_by_us : 0;
	row.expires_us = r->has_expires_us ? r->expires_us : 0;
	e = referral_put(t->n->store, &row);
	if (!e)
		log_line(LOG_INFO, "referral received peer=%s k=%llu units=%llu",
			 t->p->row.agency.text, (unsigned long long)row.k,
			 (unsigned long long)row.n_disclosed);
	return e ? err_trace(e) : ERR_OK;
}

/* The referral that an entry is about: held, and between us two. */
static enum err find_referral(struct taking *t, struct referral_row *ret)
{
	enum err e;

	if (!t->entry.has_answers)
		return refuse(t, PB(REFUSAL_REASON, INCOMPLETE));
	e = referral_get(t->n->store, &t->entry.answers, ret);
	if (e == ERR_NOT_FOUND || (!e && ret->peer != t->p->row.id))
		return refuse(t, PB(REFUSAL_REASON, UNKNOWN_REFERENCE));
	return e ? err_trace(e) : ERR_OK;
}

static enum err take_supplement(struct taking *t)
{
	CLEANUP(message_freep) struct pb_supplement *m = NULL;
	const struct agreement *a = NULL;
	struct manifest_row manifest_row;
	struct referral_row row;
	struct manifest manifest;
	size_t n_opened = 0;
	enum err e;

	e = decode_body(t, &pb_supplement_desc, &m);
	if (!e && !t->reason)
		e = find_referral(t, &row);
	if (!e && !t->reason)
		e = find_agreement(t, &a);
	if (e || t->reason)
		return e;
	if (!row.is_incoming || !row.has_manifest || t->entry.purpose != row.purpose)
		return refuse(t, PB(REFUSAL_REASON, STATE));
	if (!m->record || !m->record->has_manifest_digest ||
	    !view_eq(view_digest(&row.manifest), message_bytes(1, m->record->manifest_digest)))
		return refuse(t, PB(REFUSAL_REASON, UNKNOWN_REFERENCE));
	/* the sender may release only what it saw accepted */
	if (row.our_change_k == 0 || t->entry.seen_k < row.our_change_k ||
	    row.state == PB(REFERRAL_STATE, DECLINED) ||
	    row.state == PB(REFERRAL_STATE, REDIRECTED) ||
	    row.state == PB(REFERRAL_STATE, NEEDS_INFO))
		return refuse(t, PB(REFUSAL_REASON, STATE));
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

static enum err record_status(struct taking *t, const struct pb_status *m, int refused)
{
	struct status_row row = {
		.referral = t->entry.answers,
		.leaf = t->item->leaf,
		.is_incoming = true,
		.k = t->entry.k,
		.time_us = t->entry.time_us,
		.state = m->has_state ? (int)m->state : 0,
		.opened = m->has_opened && m->opened,
		.refused = refused,
	};
	enum err e = node_write(t->n);

	if (!e && m->reason && m->reason[0]) {
		row.has_reason = true;
		e = blob_store(t->n, BLOB_REASON, view_str(m->reason), view_of(NULL, 0),
			       row.reason_blob);
	}
	if (!e)
		e = status_put(t->n->store, &row);
	return e ? err_trace(e) : ERR_OK;
}

static enum err apply_state(struct taking *t, const struct pb_status *m, struct referral_row *row)
{
	const enum referral_party by = row->is_incoming ? REFERRAL_SENDER : REFERRAL_RECEIVER;
	const bool ours_seen = t->entry.seen_k >= row->our_change_k;
	Amparo__V1__ReferralState now = (Amparo__V1__ReferralState)row->state;
	Amparo__V1__ReferralState before =
		row->state_before ? (Amparo__V1__ReferralState)row->state_before : now;
	enum err e = ERR_OK;

	switch (referral_judge(now, before, ours_seen, m->state, by)) {
	case REFERRAL_APPLIES:
		row->state = (int)m->state;
		row->state_before = 0;
		row->our_change_k = ours_seen ? row->our_change_k : 0;
		e = referral_put(t->n->store, row);
		break;
	case REFERRAL_SUPERSEDED:
		t->reason = PB(REFUSAL_REASON, SUPERSEDED);
		return record_status(t, m, t->reason);
	case REFERRAL_ILLEGAL:
		return refuse(t, PB(REFUSAL_REASON, STATE));
	}
	if (!e)
		log_line(LOG_INFO, "referral changed by the peer peer=%s k=%llu state=%s",
			 t->p->row.agency.text, (unsigned long long)t->entry.k,
			 message_enum_code(&amparo__v1__referral_state__descriptor, row->state));
	if (!e && !row->is_incoming && m->state == PB(REFERRAL_STATE, ACCEPTED))
		e = release_second_stage(t->n, t->p, row);
	return e ? err_trace(e) : ERR_OK;
}

static enum err take_status(struct taking *t)
{
	CLEANUP(message_freep) struct pb_status *m = NULL;
	struct referral_row row;
	enum err e;

	e = decode_body(t, &pb_status_desc, &m);
	if (!e && !t->reason)
		e = find_referral(t, &row);
	if (e || t->reason)
		return e;
	if (!m->has_state && !(m->has_opened && m->opened))
		return refuse(t, PB(REFUSAL_REASON, INCOMPLETE));
	e = node_write(t->n);
	if (!e && m->has_opened && m->opened && !row.is_incoming) {
		row.opened = true;
		e = referral_put(t->n->store, &row);
	}
	if (!e && m->has_state)
		e = apply_state(t, m, &row);
	if (e || t->reason)
		return e;
	return record_status(t, m, 0);
}

/* --- any item --- */

static enum err take_kind(struct taking *t, struct session *s)
{
	switch (t->entry.kind) {
	case PB(ENTRY_KIND, RECEIPT):
		return take_receipt(t, s);
	case PB(ENTRY_KIND, ADOPT):
		return take_adopt(t, false);
	case PB(ENTRY_KIND, WITHDRAW):
		return take_adopt(t, true);
	case PB(ENTRY_KIND, REFERRAL):
		return take_referral(t);
	case PB(ENTRY_KIND, SUPPLEMENT):
		return take_supplement(t);
	case PB(ENTRY_KIND, STATUS):
		return take_status(t);
	case PB(ENTRY_KIND, CORRECTION):
	case PB(ENTRY_KIND, RECALL):
	case PB(ENTRY_KIND, RECALL_ANSWER):
	case PB(ENTRY_KIND, NOTICE):
	case PB(ENTRY_KIND, KEY):
	case PB(ENTRY_KIND, EPOCH):
		return refuse(t, PB(REFUSAL_REASON, UNSUPPORTED));
	case PB(ENTRY_KIND, SEAL):
	case PB(ENTRY_KIND, CONSULTED):
	case PB(ENTRY_KIND, COLLECTED):
	case PB(ENTRY_KIND, ALTERED):
	case PB(ENTRY_KIND, ERASED):
	case PB(ENTRY_KIND, CONFIG):
	case PB(ENTRY_KIND, REFUSED_ROLE):
	case PB(ENTRY_KIND, INCIDENT):
	case PB(ENTRY_KIND, START):
	case _AMPARO__V1__ENTRY_KIND_IS_INT_SIZE:
		return refuse(t, PB(REFUSAL_REASON, UNKNOWN_KIND));
	}
	return refuse(t, PB(REFUSAL_REASON, UNKNOWN_KIND));
}

static bool kind_is_known(struct view entry)
{
	CLEANUP(message_freep) struct pb_entry *m = NULL;

	if (message_decode(&pb_entry_desc, entry, MESSAGE_LENIENT, &m))
		return true; /* unreadable for another reason */
	return m->has_kind &&
	       message_enum_code(&amparo__v1__entry_kind__descriptor, (int)m->kind) != NULL;
}

static enum err take_entry(struct taking *t, struct session *s)
{
	const struct pb_item *m = t->item->item;
	struct digest digest;
	enum err e;

	e = entry_decode(t->item->entry, &t->entry);
	if (e == ERR_NOMEM)
		return err_trace(e);
	if (e == ERR_VERSION)
		return refuse(t, PB(REFUSAL_REASON, NEWER_SCHEMA));
	if (e)
		return refuse(t, kind_is_known(t->item->entry) ? PB(REFUSAL_REASON, UNREADABLE)
							       : PB(REFUSAL_REASON, UNKNOWN_KIND));
	if (!agency_id_eq(&t->entry.addressee, &t->n->agency))
		return refuse(t, PB(REFUSAL_REASON, WRONG_RECIPIENT));
	if (!m->has_body)
		return ERR_OK; /* ABSENT; see item_take() */
	t->body = message_bytes(1, m->body);
	if (!m->has_body_salt || m->body_salt.len != SALT_BYTES || t->body.n > BODY_BYTES_MAX)
		return refuse(t, PB(REFUSAL_REASON, BODY_MISMATCH));
	digest = body_digest(m->body_salt.data, t->body);
	if (!t->entry.has_body || !digest_eq(&digest, &t->entry.body_digest))
		return refuse(t, PB(REFUSAL_REASON, BODY_MISMATCH));
	if (m->n_openings && t->entry.kind != PB(ENTRY_KIND, REFERRAL) &&
	    t->entry.kind != PB(ENTRY_KIND, SUPPLEMENT))
		return refuse(t, PB(REFUSAL_REASON, BAD_SLICE));
	return take_kind(t, s);
}

enum err item_take(struct node *n, struct session *s, const struct batch *b, size_t which,
		   struct item_outcome *ret)
{
	struct taking t = {.n = n, .p = s->peer, .item = &b->item[which]};
	enum err e = take_entry(&t, s);

	if (e)
		return err_trace(e);
	ret->k = t.item->k;
	if (t.reason) {
		ret->status = PB(EXCEPTION_STATUS, REFUSED);
		ret->reason = t.reason;
	} else if (!t.item->item->has_body) {
		ret->status = PB(EXCEPTION_STATUS, ABSENT);
	}
	return ERR_OK;
}
