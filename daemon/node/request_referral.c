/* API: referrals, from the list to the decision. Sending stands in request_send.c. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "node/alarms.h"
#include "node/internal.h"
#include "node/limits.h"
#include "node/page.h"
#include "record/manifest.h"
#include "referral/state.h"

static enum referral_party our_party(const struct referral_row *r)
{
	return r->is_incoming ? REFERRAL_RECEIVER : REFERRAL_SENDER;
}

enum err referral_save(struct node *n, struct referral_row *r)
{
	r->awaits_us = referral_awaits((Amparo__V1__ReferralState)r->state, our_party(r));
	return referral_put(n->store, r);
}

/* sealed, sent, received or refused, opened: as the two ledgers say; expired: and not delivered. */
static enum err delivery_of(struct node *n, const struct referral_row *r, const char **ret,
			    int *ret_reason)
{
	const struct peer *p = peer_by_row(n, r->peer);
	struct entry_row row;
	bool is_past;
	int status;
	enum err e;

	*ret_reason = 0;
	if (r->is_incoming) {
		*ret = r->opened ? "opened" : "received";
		return ERR_OK;
	}
	if (referral_is_expired(n, r)) {
		*ret = "expired";
		return ERR_OK;
	}
	e = entry_find(n->store, r->peer, r->k, &r->leaf, &row);
	if (e && e != ERR_NOT_FOUND)
		return err_trace(e);
	/* of an earlier epoch: what its receiver did not have was written again */
	is_past = e == ERR_NOT_FOUND || row.epoch != n->epoch;
	if (!is_past && (!p || r->k > p->row.delivered_k)) {
		*ret = p && p->live && p->live->sent_k >= r->k ? "sent" : "sealed";
		return ERR_OK;
	}
	if (is_past && p && p->recovery.state != RECOVERY_NONE) {
		*ret = "sealed";
		return ERR_OK;
	}
	e = refusal_get(n->store, r->peer, e ? 0 : row.epoch, r->k, &status, ret_reason);
	if (e && e != ERR_NOT_FOUND)
		return err_trace(e);
	*ret = !e ? "refused" : r->opened ? "opened" : "received";
	return ERR_OK;
}

static enum err fill_row(struct node *n, const struct referral_row *r, struct pb_referral_row *m)
{
	struct peer *p = peer_by_row(n, r->peer);
	const char *delivery;
	int reason;
	enum err e = delivery_of(n, r, &delivery, &reason);

	if (e)
		return err_trace(e);
	*m = (struct pb_referral_row)PB_REFERRAL_ROW_INIT;
	m->has_id = m->has_side = m->has_type = m->has_urgency = m->has_purpose = m->has_state = 1;
	m->has_time_us = m->has_awaits_us = m->has_n_disclosed = m->has_k = 1;
	m->k = r->k;
	m->id = message_borrow(view_digest(&r->leaf));
	m->side = r->is_incoming ? PB(LIST_SIDE, IN) : PB(LIST_SIDE, OUT);
	m->peer = p ? p->row.agency.text : NULL;
	m->type = (Amparo__V1__ReferralType)r->type;
	m->urgency = (Amparo__V1__Urgency)r->urgency;
	m->purpose = (Amparo__V1__Purpose)r->purpose;
	m->state = (Amparo__V1__ReferralState)r->state;
	m->delivery = message_borrow_text(delivery);
	m->has_refused = reason != 0;
	if (reason)
		m->refused = (Amparo__V1__RefusalReason)reason;
	m->time_us = r->time_us;
	m->has_reply_by_us = r->reply_by_us != 0;
	m->reply_by_us = r->reply_by_us;
	m->awaits_us = r->awaits_us;
	m->answer = message_borrow_text(referral_is_overdue(n, r) ? "overdue"
					: m->awaits_us		  ? "due"
								  : NULL);
	m->n_disclosed = (uint32_t)r->n_disclosed;
	m->has_record_id = r->has_manifest;
	m->record_id = message_borrow(view_of(r->record_id, sizeof(r->record_id)));
	return ERR_OK;
}

static enum err send_row(struct asking *a, const struct referral_row *r, bool more)
{
	struct pb_api_reply reply = PB_API_REPLY_INIT;
	struct pb_referral_row m;
	enum err e = fill_row(a->n, r, &m);

	reply.referral = &m;
	return e ? err_trace(e) : reply_row(a->n, a->caller->id, a->id, &reply, more);
}

/* --- list: what awaits this agency's answer first --- */

/*
 * First what awaited us when the list began, then the rest, by number. What awaits us since then is
 * among the rest; what no longer does comes there too, also if it came before. So none is missing.
 */
enum {
	PART_AWAITING = 1,
	PART_REST = 2
};

/* next: what awaited us at the beginning is up to `beside`; `at` is the number looked at last. */
struct listing {
	struct page page;
	const struct pb_referral_list *ask;
};

static enum err list_row(struct listing *l, const struct referral_row *r)
{
	struct pb_api_reply reply = PB_API_REPLY_INIT;
	struct pb_referral_row m;
	enum err e;

	if (l->ask->has_side && (l->ask->side == PB(LIST_SIDE, IN)) != r->is_incoming)
		return ERR_OK;
	if (l->ask->has_state && (int)l->ask->state != r->state)
		return ERR_OK;
	e = fill_row(l->page.a->n, r, &m);
	reply.referral = &m;
	return e ? err_trace(e) : page_row(&l->page, &reply);
}

static enum err list_awaiting(void *ctx, const struct referral_row *r)
{
	struct listing *l = ctx;

	if (!page_look(&l->page))
		return ERR_FULL;
	l->page.next.at = r->awaits_num;
	return list_row(l, r);
}

static enum err list_rest(void *ctx, const struct referral_row *r)
{
	struct listing *l = ctx;

	if (!page_look(&l->page))
		return ERR_FULL;
	l->page.next.at = r->num;
	if (r->awaits_us && r->awaits_num <= l->page.next.beside)
		return ERR_OK;
	return list_row(l, r);
}

enum err request_referral_list(struct asking *a)
{
	struct listing l = {.ask = a->m->referral_list};
	struct pb_list_next *next = &l.page.next;
	enum err e = ERR_OK;

	if (!page_begin(&l.page, a, l.ask->page))
		return reply_error(a->n, a->caller->id, a->id, PB(API_ERROR_CODE, USAGE),
				   "the list does not go on so");
	if (next->part == 0) {
		next->part = PART_AWAITING;
		e = referral_newest_awaiting(a->n->store, &next->beside);
		next->at = next->beside + 1;
	}
	if (!e && next->part == PART_AWAITING) {
		e = referral_walk_awaiting(a->n->store, next->at, list_awaiting, &l);
		if (!e) {
			next->part = PART_REST;
			next->at = REFERRAL_NUM_MAX;
		}
	}
	if (!e)
		e = referral_walk(a->n->store, next->at, list_rest, &l);
	return page_end(&l.page, e);
}

/* --- finding one --- */

/* ERR_NOT_FOUND after having answered the caller. */
static enum err find(struct asking *a, bool has_id, ProtobufCBinaryData id,
		     struct referral_row *ret, bool *ret_found)
{
	enum err e = ERR_NOT_FOUND;

	*ret_found = false;
	if (has_id && id.len >= 1 && id.len <= DIGEST_BYTES)
		e = referral_find(a->n->store, message_bytes(1, id), ret);
	if (e == ERR_NOT_FOUND)
		return reply_error(a->n, a->caller->id, a->id, PB(API_ERROR_CODE, DATA),
				   "no referral has this id: see `amparo referral list`");
	if (e == ERR_EXISTS)
		return reply_error(a->n, a->caller->id, a->id, PB(API_ERROR_CODE, DATA),
				   "more than one referral begins with this id: give more of it");
	*ret_found = e == ERR_OK;
	return e ? err_trace(e) : ERR_OK;
}

/* --- show --- */

/* Body of the REFERRAL, whichever side wrote it. */
static enum err load_terms(struct node *n, const struct referral_row *r, struct pb_referral **ret)
{
	struct received_row theirs;
	struct buf body = {0};
	enum err e;

	if (r->is_incoming) {
		e = received_find(n->store, r->peer, r->k, &r->leaf, &theirs);
		if (!e)
			e = theirs.has_body ? body_load(n, theirs.body_blob, NULL, &body)
					    : ERR_NOT_FOUND;
	} else {
		e = own_body_load(n, r, &body);
	}
	if (!e)
		e = message_decode(&pb_referral_desc, buf_view(&body), MESSAGE_STRICT, ret);
	if (body.n)
		wipe(buf_data(&body), body.n);
	buf_fini(&body);
	return e ? err_trace(e) : ERR_OK;
}

/* What this node holds of the referral's record: own ones whole, received ones as disclosed. */
static enum err fill_content(struct node *n, const struct referral_row *r, struct buf *record,
			     struct manifest *manifest, struct pb_record_content *m)
{
	struct manifest_row row;
	struct own_record *own;
	size_t n_units = (size_t)r->n_disclosed;
	enum err e = manifest_get(n->store, &r->manifest, &row);

	if (!e)
		e = manifest_read(row.manifest, manifest);
	if (!e && r->is_incoming) {
		e = received_record_join(n, &r->manifest, (int)manifest->terms.type, NULL, 0,
					 record, &n_units);
	} else if (!e) {
		e = own_record_open(n, &r->manifest, &own);
		if (!e)
			e = buf_put_view(record, buf_view(&own->record));
		else if (e == ERR_NOT_FOUND) /* lost; what was disclosed, a peer gave back */
			e = received_record_join(n, &r->manifest, (int)manifest->terms.type, NULL,
						 0, record, &n_units);
	}
	if (e)
		return err_trace(e);
	m->has_id = m->has_revision = m->has_sealed_at_us = m->has_manifest_digest = 1;
	m->has_record = m->has_n_disclosed = m->has_n_commitments = 1;
	m->id = message_borrow(view_of(manifest->terms.record_id, RECORD_ID_BYTES));
	m->revision = manifest->terms.revision;
	m->type = message_borrow_text(record_type_name(manifest->terms.type));
	m->originator = manifest->terms.originator.text;
	m->sealed_at_us = manifest->terms.sealed_at_us;
	m->manifest_digest = message_borrow(view_digest(&r->manifest));
	m->record = message_borrow(buf_view(record));
	m->n_disclosed = (uint32_t)n_units;
	m->n_commitments = (uint32_t)manifest->n;
	return ERR_OK;
}

/* Nothing can be said to the peer now: it is told of a later reading. */
static bool is_locked(struct node *n, const struct referral_row *r)
{
	const struct peer *p = peer_by_row(n, r->peer);

	return p && p->recovery.state != RECOVERY_NONE;
}

static enum err log_consulted(struct asking *a, struct referral_row *r, const char *reason)
{
	struct append logged = {
		.kind = PB(ENTRY_KIND, CONSULTED),
		.caller = a->caller,
		.reason = reason,
		.record_id = r->has_manifest ? r->record_id : NULL,
	};
	struct appended done;
	enum err e = limits_allow(a->n, ROOM_LAST);

	if (!e)
		e = ledger_append(a->n, &logged, &done);
	if (e || !r->is_incoming || r->opened || is_locked(a->n, r))
		return e ? err_trace(e) : ERR_OK;
	/* the sender learns that a caseworker has opened it */
	return referral_change(a->n, a->caller, r, 0, true, NULL);
}

static enum err send_content(struct asking *a, const struct referral_row *r, bool with_record,
			     struct history *h)
{
	struct pb_api_reply reply = PB_API_REPLY_INIT;
	struct pb_referral_content m = PB_REFERRAL_CONTENT_INIT;
	struct pb_record_content content = PB_RECORD_CONTENT_INIT;
	CLEANUP(message_freep) struct pb_referral *terms = NULL;
	struct manifest manifest;
	struct buf record = {0};
	enum err e = load_terms(a->n, r, &terms);

	if (e && e != ERR_NOT_FOUND)
		return err_trace(e);
	if (terms) {
		terms->record = NULL;
		m.terms = terms;
	}
	e = ERR_OK;
	if (with_record && r->has_manifest) {
		e = fill_content(a->n, r, &record, &manifest, &content);
		m.record = e ? NULL : &content;
	}
	m.n_history = h->n_record;
	m.history = h->list;
	reply.referral_content = &m;
	if (!e)
		e = reply_row(a->n, a->caller->id, a->id, &reply, false);
	if (record.n)
		wipe(buf_data(&record), record.n);
	buf_fini(&record);
	return e ? err_trace(e) : ERR_OK;
}

enum err request_referral_show(struct asking *a)
{
	const struct pb_referral_show *ask = a->m->referral_show;
	const bool with_record = ask->has_content && ask->content;
	struct referral_row r;
	bool found;
	enum err e;

	e = find(a, ask->has_id, ask->id, &r, &found);
	if (e || !found)
		return e;
	if (with_record && (!ask->reason || !ask->reason[0]))
		return reply_error(
			a->n, a->caller->id, a->id, PB(API_ERROR_CODE, USAGE),
			"reading the content needs a reason, which is logged: --reason TEXT");
	if (with_record) {
		e = log_consulted(a, &r, ask->reason);
		if (e)
			return reply_failed(a->n, a->caller->id, a->id, e);
	}
	struct history h = {0};

	e = send_row(a, &r, true);
	if (!e)
		e = history_load(a->n, &r, &h);
	if (!e)
		e = send_content(a, &r, with_record, &h);
	history_fini(&h);
	return e ? reply_failed(a->n, a->caller->id, a->id, e) : ERR_OK;
}

/* --- decide --- */

enum err referral_change(struct node *n, const struct node_caller *caller, struct referral_row *r,
			 int state, bool opened, const char *reason)
{
	struct pb_status m = PB_STATUS_INIT;
	struct append entry = {
		.kind = PB(ENTRY_KIND, STATUS),
		.peer = peer_by_row(n, r->peer),
		.agreement = &r->agreement,
		.purpose = r->purpose,
		.answers = &r->leaf,
		.caller = caller,
	};
	struct status_row row = {.referral = r->num, .state = state, .opened = opened};
	struct appended done;
	struct buf body = {0};
	enum err e;

	m.has_state = state != 0;
	if (state)
		m.state = (Amparo__V1__ReferralState)state;
	m.has_opened = opened;
	m.opened = opened;
	m.reason = message_borrow_text(reason);
	e = message_encode(&m, &body);
	entry.body = buf_view(&body);
	if (!e)
		e = ledger_append(n, &entry, &done);
	buf_fini(&body);
	if (!e && reason && reason[0]) {
		row.has_reason = true;
		e = blob_store(n, BLOB_REASON, view_str(reason), row.reason_blob);
	}
	if (e)
		return err_trace(e);
	row.leaf = done.leaf;
	row.k = done.k;
	row.time_us = done.time_us;
	if (state) {
		r->state_before = r->state;
		r->state = state;
		r->our_change_k = done.k;
	}
	r->opened = r->opened || opened;
	e = status_put(n->store, &row);
	return e ? err_trace(e) : referral_save(n, r);
}

enum err request_referral_decide(struct asking *a)
{
	const struct pb_referral_decide *ask = a->m->referral_decide;
	struct referral_row r;
	bool found;
	enum err e;

	e = find(a, ask->has_id, ask->id, &r, &found);
	if (e || !found)
		return e;
	if (!ask->has_state || (ask->state != PB(REFERRAL_STATE, ACCEPTED) &&
				ask->state != PB(REFERRAL_STATE, DECLINED)))
		return reply_error(a->n, a->caller->id, a->id, PB(API_ERROR_CODE, USAGE),
				   "a referral can be accepted or declined");
	if (!referral_change_is_legal((Amparo__V1__ReferralState)r.state, ask->state,
				      our_party(&r)))
		return reply_error(
			a->n, a->caller->id, a->id, PB(API_ERROR_CODE, DATA),
			"the referral is %s and %s: this is not possible any more or not this "
			"agency's to do",
			r.is_incoming ? "incoming" : "outgoing",
			message_enum_code(&amparo__v1__referral_state__descriptor, r.state));
	e = limits_allow(a->n, ROOM_RESERVE);
	if (!e)
		e = referral_change(a->n, a->caller, &r, (int)ask->state, false, ask->reason);
	if (e)
		return reply_failed(a->n, a->caller->id, a->id, e);
	log_line(LOG_INFO, "referral changed here state=%s",
		 message_enum_code(&amparo__v1__referral_state__descriptor, r.state));
	return send_row(a, &r, false);
}
