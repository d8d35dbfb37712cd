/* What the items of a batch do, a kind at a time. Judged by the agreement and time named in the
 * entry and by chain order, never by time of arrival, so that both sides get the same answer. */
#include "node/items.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "node/epoch.h"
#include "referral/state.h"

enum err item_refuse(struct taking *t, int reason)
{
	t->reason = reason;
	return ERR_OK;
}

/* Errors of checks on the item are a refusal; those of storage and memory are ours. */
enum err item_refuse_unless_local(struct taking *t, enum err e, int reason)
{
	switch (err_class(e)) {
	case ERR_CLASS_OK:
		return ERR_OK;
	case ERR_CLASS_PEER:
		return item_refuse(t, reason);
	case ERR_CLASS_LOCAL:
		return e == ERR_INVALID ? item_refuse(t, reason) : err_trace(e);
	case ERR_CLASS_AGAIN:
	case ERR_CLASS_CONFIG:
	case ERR_CLASS_BUG:
		return err_trace(e);
	}
	return err_trace(e);
}

enum err item_body(struct taking *t, const ProtobufCMessageDescriptor *desc, void *ret)
{
	enum err e = message_decode(desc, t->body, MESSAGE_BORROW, ret);

	return item_refuse_unless_local(t, e, PB(REFUSAL_REASON, UNREADABLE));
}

/* --- receipts --- */

/* @param epoch of ours; what was told before, of an earlier epoch of the peer, is no news */
static enum err apply_exceptions(struct taking *t, const struct pb_receipt *r, uint64_t epoch)
{
	for (size_t i = 0; i < r->n_exceptions; i++) {
		const struct pb_exception *x = r->exceptions[i];
		enum err e = refusal_put(t->n->store, t->p->row.id, epoch, x->k, (int)x->status,
					 x->has_reason ? (int)x->reason : 0);

		if (e == ERR_EXISTS)
			continue;
		if (e)
			return err_trace(e);
		t->p->row.n_refused++;
		if (peer_may_log(t->n, t->p))
			log_line(LOG_WARN,
				 "a peer refused an entry of ours peer=%s k=%llu status=%s "
				 "reason=%s",
				 t->p->row.agency.text, (unsigned long long)x->k,
				 message_enum_code(&amparo__v1__exception_status__descriptor,
						   (int)x->status),
				 x->has_reason ? message_enum_code(
							 &amparo__v1__refusal_reason__descriptor,
							 (int)x->reason)
					       : "-");
	}
	return ERR_OK;
}

static enum err false_receipt(struct taking *t)
{
	if (peer_may_log(t->n, t->p))
		log_line(LOG_ERR,
			 "a peer's receipt contradicts this ledger: compare with `amparo audit "
			 "reconcile` peer=%s k=%llu",
			 t->p->row.agency.text, (unsigned long long)t->entry.k);
	return item_refuse(t, PB(REFUSAL_REASON, FALSE_STATEMENT));
}

/* It names an earlier ledger of ours: written before the peer accepted this one. */
static bool is_of_the_past(const struct node *n, const struct pb_receipt *r, uint64_t *ret_epoch)
{
	struct origin origin;

	return r->origin &&
	       origin_check(view_str(r->origin), &n->agency, &origin, ret_epoch) == ERR_OK &&
	       *ret_epoch < n->epoch;
}

/* Without effect on what is delivered now; what it says was refused stays refused. */
static enum err take_past_receipt(struct taking *t, const struct pb_receipt *r, uint64_t epoch)
{
	enum err e;

	if (!r->has_from_k || r->from_k == 0 ||
	    receipt_check(r, r->origin, r->from_k - 1, INT64_MAX))
		return false_receipt(t);
	e = node_write(t->n);
	return e ? err_trace(e) : apply_exceptions(t, r, epoch);
}

static enum err take_receipt(struct taking *t, struct session *s)
{
	CLEANUP(message_freep) struct pb_receipt *r = NULL;
	struct node *n = t->n;
	struct peer *p = t->p;
	struct digest root, head;
	uint64_t epoch;
	enum err e;

	e = item_body(t, &pb_receipt_desc, &r);
	if (e || t->reason)
		return e;
	if (is_of_the_past(n, r, &epoch))
		return take_past_receipt(t, r, epoch);
	if (receipt_check(r, n->origin.text, p->row.delivered_k, p->row.sent_k) || r->size == 0 ||
	    r->size > n->signed_size)
		return false_receipt(t);
	e = ledger_root_at(n, r->size, &root);
	if (!e)
		e = ledger_head_at(n, p, r->to_k, &head);
	if (e)
		return err_trace(e);
	if (memcmp(root.b, r->root.data, DIGEST_BYTES) != 0 ||
	    memcmp(head.b, r->head.data, DIGEST_BYTES) != 0)
		return false_receipt(t);
	e = node_write(n);
	if (!e)
		e = apply_exceptions(t, r, n->epoch);
	if (e)
		return err_trace(e);
	p->row.delivered_k = r->to_k;
	p->dirty = true;
	outbox_receipted(s, r->size, r->to_k);
	return ERR_OK;
}

/* --- agreements --- */

/* The agreement's name is for people: of a long one as many whole characters as there is room. */
static void copy_name(const char *name, char *ret, size_t n_ret)
{
	size_t n = strnlen(name, n_ret);

	if (n == n_ret)
		for (n--; n && ((uint8_t)name[n] & 0xc0) == 0x80; n--)
			;
	memcpy(ret, name, n);
	ret[n] = '\0';
}

static enum err take_adopt(struct taking *t, bool withdraws)
{
	CLEANUP(message_freep) void *m = NULL;
	struct adoption_row row = {0};
	const char *name;
	enum err e;

	e = item_body(t, withdraws ? &pb_withdraw_desc : &pb_adopt_desc, &m);
	if (e || t->reason)
		return e;
	name = withdraws ? ((struct pb_withdraw *)m)->name : ((struct pb_adopt *)m)->name;
	if (!t->entry.has_agreement || !name)
		return item_refuse(t, PB(REFUSAL_REASON, INCOMPLETE));
	e = adoption_get(t->n->store, t->p->row.id, &t->entry.agreement, &row);
	if (e && e != ERR_NOT_FOUND)
		return err_trace(e);
	row.peer = t->p->row.id;
	row.digest = t->entry.agreement;
	if (withdraws && (row.their_k == 0 || row.their_withdraw_k))
		return item_refuse(t, PB(REFUSAL_REASON, STATE));
	if (withdraws)
		row.their_withdraw_k = t->entry.k;
	else if (row.their_k == 0 || row.their_withdraw_k) {
		row.their_k = t->entry.k;
		row.their_withdraw_k = 0;
	}
	copy_name(name, row.their_name, sizeof(row.their_name));
	e = node_write(t->n);
	if (!e)
		e = adoption_put(t->n->store, &row);
	if (peer_may_log(t->n, t->p))
		log_line(LOG_NOTICE, "a peer %s an agreement peer=%s k=%llu in_force=%s",
			 withdraws ? "withdrew" : "adopted", t->p->row.agency.text,
			 (unsigned long long)t->entry.k,
			 !withdraws && row.our_k && !row.our_withdraw_k ? "yes" : "no");
	return e ? err_trace(e) : ERR_OK;
}

/* --- referrals --- */

/* The referral that an entry is about: held, and between us two. */
enum err item_referral(struct taking *t, struct referral_row *ret)
{
	enum err e;

	if (!t->entry.has_answers)
		return item_refuse(t, PB(REFUSAL_REASON, INCOMPLETE));
	e = referral_get(t->n->store, &t->entry.answers, ret);
	if (e == ERR_NOT_FOUND || (!e && ret->peer != t->p->row.id))
		return item_refuse(t, PB(REFUSAL_REASON, UNKNOWN_REFERENCE));
	return e ? err_trace(e) : ERR_OK;
}

static enum err record_status(struct taking *t, const struct referral_row *referral,
			      const struct pb_status *m, int refused)
{
	struct status_row row = {
		.referral = referral->num,
		.leaf = t->item->leaf,
		.is_incoming = true,
		.k = t->entry.k,
		.time_us = time_storable(t->entry.time_us),
		.state = m->has_state ? (int)m->state : 0,
		.opened = m->has_opened && m->opened,
		.refused = refused,
	};
	enum err e = node_write(t->n);

	if (!e && m->reason && m->reason[0]) {
		row.has_reason = true;
		e = blob_store(t->n, BLOB_REASON, view_str(m->reason), row.reason_blob);
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
		e = referral_save(t->n, row);
		break;
	case REFERRAL_SUPERSEDED:
		t->reason = PB(REFUSAL_REASON, SUPERSEDED);
		return record_status(t, row, m, t->reason);
	case REFERRAL_ILLEGAL:
		return item_refuse(t, PB(REFUSAL_REASON, STATE));
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

	e = item_body(t, &pb_status_desc, &m);
	if (!e && !t->reason)
		e = item_referral(t, &row);
	if (e || t->reason)
		return e;
	/* a change of state, or `opened` alone */
	if (m->has_state == (m->has_opened && m->opened))
		return item_refuse(t, PB(REFUSAL_REASON, INCOMPLETE));
	e = node_write(t->n);
	if (!e && m->has_opened && m->opened && !row.is_incoming) {
		row.opened = true;
		e = referral_save(t->n, &row);
	}
	if (!e && m->has_state)
		e = apply_state(t, m, &row);
	if (e || t->reason)
		return e;
	return record_status(t, &row, m, 0);
}

/* --- any item --- */

static enum err take_kind(struct taking *t, struct session *s)
{
	const size_t n_openings = t->item->item->n_openings;

	switch (t->entry.kind) {
	case PB(ENTRY_KIND, REFERRAL):
		return item_take_referral(t);
	case PB(ENTRY_KIND, SUPPLEMENT):
		return item_take_supplement(t);
	case PB(ENTRY_KIND, RECEIPT):
		return n_openings ? item_refuse(t, PB(REFUSAL_REASON, BAD_SLICE))
				  : take_receipt(t, s);
	case PB(ENTRY_KIND, ADOPT):
	case PB(ENTRY_KIND, WITHDRAW):
		return n_openings ? item_refuse(t, PB(REFUSAL_REASON, BAD_SLICE))
				  : take_adopt(t, t->entry.kind == PB(ENTRY_KIND, WITHDRAW));
	case PB(ENTRY_KIND, EPOCH):
		return n_openings ? item_refuse(t, PB(REFUSAL_REASON, BAD_SLICE))
				  : item_take_epoch(t, s);
	case PB(ENTRY_KIND, EPOCH_ACCEPTED):
		return n_openings ? item_refuse(t, PB(REFUSAL_REASON, BAD_SLICE))
				  : item_take_epoch_accepted(t);
	case PB(ENTRY_KIND, STATUS):
		return n_openings ? item_refuse(t, PB(REFUSAL_REASON, BAD_SLICE)) : take_status(t);
	case PB(ENTRY_KIND, CORRECTION):
	case PB(ENTRY_KIND, RECALL):
	case PB(ENTRY_KIND, RECALL_ANSWER):
	case PB(ENTRY_KIND, NOTICE):
	case PB(ENTRY_KIND, KEY):
		return item_refuse(t, PB(REFUSAL_REASON, UNSUPPORTED));
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
		return item_refuse(t, PB(REFUSAL_REASON, UNKNOWN_KIND));
	}
	return item_refuse(t, PB(REFUSAL_REASON, UNKNOWN_KIND));
}

/** Why an entry that does not decode is refused. */
static enum err refuse_unreadable(struct taking *t)
{
	CLEANUP(message_freep) struct pb_entry *m = NULL;
	struct entry entry;
	enum err e = entry_decode(t->item->entry, &entry); /* again: which error is it? */

	if (e == ERR_VERSION)
		return item_refuse(t, PB(REFUSAL_REASON, NEWER_SCHEMA));
	if (e != ERR_NOMEM)
		e = message_decode(&pb_entry_desc, t->item->entry, MESSAGE_LENIENT, &m);
	if (e == ERR_NOMEM)
		return err_trace(e);
	if (!e &&
	    (!m->has_kind || !message_enum_code(&amparo__v1__entry_kind__descriptor, (int)m->kind)))
		return item_refuse(t, PB(REFUSAL_REASON, UNKNOWN_KIND));
	return item_refuse(t, PB(REFUSAL_REASON, UNREADABLE));
}

/* Nobody can have processed what we never wrote, or write in this very turn: by such a claim its
 * entries would rest on agreements and states still to come. Until it accepts our new epoch it
 * counts in another chain. */
static bool has_seen_too_much(const struct taking *t)
{
	const enum recovery_state state = t->p->recovery.state;

	return (state == RECOVERY_NONE || state == RECOVERY_AGAIN) &&
	       t->entry.seen_k > t->p->committed_k;
}

static enum err take_entry(struct taking *t, struct session *s)
{
	const struct pb_item *m = t->item->item;
	struct digest digest;

	if (!t->item->is_decoded)
		return refuse_unreadable(t);
	t->entry = t->item->decoded;
	if (!agency_id_eq(&t->entry.addressee, &t->n->agency))
		return item_refuse(t, PB(REFUSAL_REASON, WRONG_RECIPIENT));
	if (has_seen_too_much(t))
		return item_refuse(t, PB(REFUSAL_REASON, FALSE_STATEMENT));
	if (!m->has_body)
		return ERR_OK; /* ABSENT; see item_take() */
	t->body = message_bytes(1, m->body);
	if (!m->has_body_salt || m->body_salt.len != SALT_BYTES || t->body.n > BODY_BYTES_MAX)
		return item_refuse(t, PB(REFUSAL_REASON, BODY_MISMATCH));
	digest = body_digest(m->body_salt.data, t->body);
	if (!t->entry.has_body || !digest_eq(&digest, &t->entry.body_digest))
		return item_refuse(t, PB(REFUSAL_REASON, BODY_MISMATCH));
	return take_kind(t, s);
}

enum err item_take(struct node *n, struct session *s, const struct batch *b, size_t which,
		   struct item_outcome *ret, struct held_seal *ret_seal)
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
	*ret_seal = t.seal;
	return ERR_OK;
}
