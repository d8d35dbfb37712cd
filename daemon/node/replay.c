/*
 * What we had said and lost takes effect again, as if the items of the peer came for the first
 * time.
 *
 * An entry of ours says in seen_k how far we had processed the peer's chain when it was written. So
 * the order of then is known: before the peer's item at k come all entries of ours with seen_k < k.
 * Nothing is decided anew: what we did, we did.
 */
#include "node/epoch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "record/manifest.h"
#include "referral/state.h"

#define STEP_ENTRIES 128

/* One entry of ours that takes effect, or is written, again. */
struct again {
	struct node *n;
	struct peer *p;
	struct entry entry;
	struct digest leaf;
	struct buf bytes; /* of the entry */
	struct buf body;
	bool has_body;
};

static void again_fini(struct again *a)
{
	if (a->body.n)
		wipe(buf_data(&a->body), a->body.n);
	buf_fini(&a->body);
	buf_fini(&a->bytes);
}

static enum err again_read(struct again *a, struct view entry, bool has_body, const uint8_t *blob)
{
	uint8_t id[STORE_ID_BYTES];
	enum err e;

	memcpy(id, blob, sizeof(id));
	e = buf_put_view(&a->bytes, entry);
	if (!e)
		e = entry_decode(buf_view(&a->bytes), &a->entry);
	if (!e && has_body) {
		e = body_load(a->n, id, NULL, &a->body);
		a->has_body = e == ERR_OK;
		e = e == ERR_NOT_FOUND ? ERR_OK : e;
	}
	return e ? err_trace(e) : ERR_OK;
}

/* --- taking effect --- */

static enum err replay_referral(struct again *a)
{
	CLEANUP(message_freep) struct pb_referral *m = NULL;
	struct referral_row row = {
		.leaf = a->leaf,
		.peer = a->p->row.id,
		.k = a->entry.k,
		.agreement = a->entry.agreement,
		.purpose = a->entry.purpose,
		.state = PB(REFERRAL_STATE, REQUESTED),
		.time_us = a->entry.time_us,
	};
	struct manifest manifest;
	struct held_seal seal;
	uint64_t num;
	enum err e = message_decode(&pb_referral_desc, buf_view(&a->body), MESSAGE_STRICT, &m);

	if (!e && m->record && m->record->has_manifest && m->record->seal)
		e = manifest_read(message_bytes(1, m->record->manifest), &manifest);
	else if (!e)
		return ERR_OK;
	if (e)
		return err_trace(e);
	row.has_manifest = true;
	row.manifest = manifest.digest;
	memcpy(row.record_id, manifest.terms.record_id, sizeof(row.record_id));
	row.type = (int)m->type;
	row.urgency = (int)m->urgency;
	row.has_consent = referral_has_consent(m);
	row.n_disclosed = m->record->has_opened ? m->record->opened.len / DIGEST_BYTES : 0;
	row.reply_by_us = m->has_reply_by_us ? time_storable(m->reply_by_us) : 0;
	row.expires_us = m->has_expires_us ? time_storable(m->expires_us) : 0;
	e = manifest_hold(a->n, 0, m->record, &manifest, &num, &seal);
	return e ? err_trace(e) : referral_save(a->n, &row);
}

static enum err replay_status(struct again *a)
{
	CLEANUP(message_freep) struct pb_status *m = NULL;
	struct status_row history = {
		.leaf = a->leaf,
		.k = a->entry.k,
		.time_us = a->entry.time_us,
	};
	struct referral_row row;
	enum err e = message_decode(&pb_status_desc, buf_view(&a->body), MESSAGE_STRICT, &m);

	if (!e)
		e = referral_get(a->n->store, &a->entry.answers, &row);
	if (e)
		return e == ERR_NOT_FOUND ? ERR_OK : err_trace(e);
	history.referral = row.num;
	history.state = m->has_state ? (int)m->state : 0;
	history.opened = m->has_opened && m->opened;
	if (m->has_state && row.state != (int)m->state) {
		row.state_before = row.state;
		row.state = (int)m->state;
		row.our_change_k = a->entry.k;
	}
	row.opened = row.opened || history.opened;
	if (m->reason && m->reason[0]) {
		history.has_reason = true;
		e = blob_store(a->n, BLOB_REASON, view_str(m->reason), history.reason_blob);
	}
	if (!e)
		e = status_put(a->n->store, &history);
	return e ? err_trace(e) : referral_save(a->n, &row);
}

static enum err replay_supplement(struct again *a)
{
	CLEANUP(message_freep) struct pb_supplement *m = NULL;
	struct referral_row row;
	enum err e = message_decode(&pb_supplement_desc, buf_view(&a->body), MESSAGE_STRICT, &m);

	if (!e)
		e = referral_get(a->n->store, &a->entry.answers, &row);
	if (e)
		return e == ERR_NOT_FOUND ? ERR_OK : err_trace(e);
	if (m->record && m->record->has_opened)
		row.n_disclosed += m->record->opened.len / DIGEST_BYTES;
	row.release_due = false;
	return referral_save(a->n, &row);
}

static enum err replay_adopt(struct again *a, bool withdraws)
{
	struct adoption_row row = {0};
	enum err e = adoption_get(a->n->store, a->p->row.id, &a->entry.agreement, &row);

	if (e && e != ERR_NOT_FOUND)
		return err_trace(e);
	row.peer = a->p->row.id;
	row.digest = a->entry.agreement;
	if (withdraws)
		row.our_withdraw_k = a->entry.k;
	else {
		row.our_k = a->entry.k;
		row.our_withdraw_k = 0;
	}
	e = ERR_OK;
	if (withdraws && row.our_k && row.our_k < row.our_withdraw_k)
		e = adoption_past_put(a->n->store, &row);
	return e ? err_trace(e) : adoption_put(a->n->store, &row);
}

static enum err replay_one(struct again *a)
{
	const int kind = (int)a->entry.kind;

	if (!a->has_body)
		return ERR_OK; /* the peer refused it, or it was erased: it has no effect there */
	if (kind == PB(ENTRY_KIND, REFERRAL))
		return replay_referral(a);
	if (kind == PB(ENTRY_KIND, STATUS))
		return replay_status(a);
	if (kind == PB(ENTRY_KIND, SUPPLEMENT))
		return replay_supplement(a);
	if (kind == PB(ENTRY_KIND, ADOPT) || kind == PB(ENTRY_KIND, WITHDRAW))
		return replay_adopt(a, kind == PB(ENTRY_KIND, WITHDRAW));
	return ERR_OK;
}

/* Of an epoch that the peer had not accepted yet, nothing had come to it. */
static enum err replay_to(struct node *n, struct peer *p, uint64_t seen_k)
{
	for (;;) {
		struct again a = {.n = n, .p = p};
		struct recovered_row row;
		uint64_t epoch, k;
		enum err e = recovered_get_due(n->store, p->row.id, &row);

		if (e == ERR_NOT_FOUND ||
		    (!e && (row.seen_k > seen_k || row.epoch > p->recovery.open_epoch)))
			return ERR_OK;
		if (e)
			return err_trace(e);
		epoch = row.epoch;
		k = row.k;
		a.leaf = row.leaf;
		e = again_read(&a, row.entry, row.has_body, row.body_blob);
		if (!e)
			e = node_write(n);
		if (!e)
			e = replay_one(&a);
		/* it was ours and the peer took it: if this version cannot read it, it is kept */
		if (e && err_class(e) == ERR_CLASS_PEER)
			e = ERR_OK;
		if (!e)
			e = recovered_set_applied(n->store, p->row.id, epoch, k);
		again_fini(&a);
		if (e)
			return err_trace(e);
	}
}

enum err replay_due(struct node *n, struct peer *p)
{
	if (p->recovery.state != RECOVERY_AWAITING)
		return ERR_OK;
	return replay_to(n, p, p->row.received_k);
}

/* --- EPOCH_ACCEPTED: from here on the peer's seen_k counts in another chain of ours --- */

static enum err note_referral(void *ctx, const struct referral_row *row)
{
	if (row->our_change_k == 0 && !row->release_due)
		return ERR_OK;
	return buf_put(ctx, &row->num, sizeof(row->num));
}

/* Those with something to settle, one by one: rows are not changed while they are walked. */
static enum err each_referral(struct node *n, struct peer *p,
			      enum err (*change)(struct node *n, struct peer *p,
						 struct referral_row *row))
{
	struct buf nums = {0};
	enum err e = referral_walk_peer(n->store, p->row.id, note_referral, &nums);

	for (size_t at = 0; !e && at < nums.n; at += sizeof(uint64_t)) {
		struct referral_row row;
		uint64_t num;

		memcpy(&num, buf_data(&nums) + at, sizeof(num));
		e = referral_get_num(n->store, num, &row);
		if (!e)
			e = change(n, p, &row);
	}
	buf_fini(&nums);
	return e ? err_trace(e) : ERR_OK;
}

static enum err settle_referral(struct node *n, struct peer *p, struct referral_row *row)
{
	(void)p;
	row->our_change_k = 0; /* seen; or never got there, and is written again */
	return referral_save(n, row);
}

static enum err adopt_again(struct node *n, struct peer *p, struct adoption_row *row)
{
	struct pb_adopt m = PB_ADOPT_INIT;
	struct append entry = {.kind = PB(ENTRY_KIND, ADOPT),
			       .peer = p,
			       .agreement = &row->digest,
			       .detail = "adopted again in a new epoch",
			       .is_recovery = true};
	const struct agreement *agreement = NULL;
	struct appended done;
	struct buf body = {0};
	enum err e = agreement_load(n, &row->digest, &agreement);

	if (e && e != ERR_NOT_FOUND)
		return err_trace(e);
	m.name = message_borrow_text(agreement ? agreement_name(agreement) : row->their_name);
	e = message_encode(&m, &body);
	entry.body = buf_view(&body);
	if (!e)
		e = ledger_append(n, &entry, &done);
	buf_fini(&body);
	row->our_k = done.k;
	return e ? err_trace(e) : ERR_OK;
}

static enum err note_adoption(void *ctx, const struct adoption_row *row)
{
	return buf_put(ctx, row, sizeof(*row));
}

static enum err settle_adoptions(struct node *n, struct peer *p, bool is_last)
{
	struct buf rows = {0};
	enum err e = adoption_walk(n->store, p->row.id, note_adoption, &rows);

	for (size_t at = 0; !e && at < rows.n; at += sizeof(struct adoption_row)) {
		struct adoption_row row;
		bool stands;

		memcpy(&row, buf_data(&rows) + at, sizeof(row));
		stands = row.our_k && !row.our_withdraw_k;
		row.our_k = row.our_withdraw_k = 0;
		if (stands && is_last)
			e = adopt_again(n, p, &row);
		if (!e)
			e = adoption_put(n->store, &row);
	}
	buf_fini(&rows);
	if (!e)
		e = adoption_past_forget(n->store, p->row.id);
	return e ? err_trace(e) : ERR_OK;
}

static enum err settle(struct node *n, struct peer *p, bool is_last)
{
	enum err e = replay_to(n, p, UINT64_MAX);

	if (!e)
		e = each_referral(n, p, settle_referral);
	if (!e)
		e = settle_adoptions(n, p, is_last);
	return e ? err_trace(e) : ERR_OK;
}

enum err item_take_epoch_accepted(struct taking *t)
{
	CLEANUP(message_freep) struct pb_epoch_accepted *m = NULL;
	struct recovery_row *r = &t->p->recovery;
	struct node *n = t->n;
	struct origin origin, old;
	uint64_t epoch, old_epoch;
	enum err e;

	e = item_body(t, &pb_epoch_accepted_desc, &m);
	if (e || t->reason)
		return e;
	if (!m->origin || origin_check(view_str(m->origin), &n->agency, &origin, &epoch))
		return item_refuse(t, PB(REFUSAL_REASON, INCOMPLETE));
	if (epoch > n->epoch)
		return item_refuse(t, PB(REFUSAL_REASON, FALSE_STATEMENT));
	if (r->state != RECOVERY_AWAITING || epoch <= r->open_epoch)
		return ERR_OK; /* of what had come to its end before */
	e = node_write(n);
	if (!e)
		e = settle(n, t->p, epoch == n->epoch);
	r->open_epoch = epoch;
	t->p->recovery_dirty = true;
	if (e || epoch != n->epoch)
		return e ? err_trace(e) : ERR_OK;
	if (m->old_origin && m->has_held_k &&
	    origin_check(view_str(m->old_origin), &n->agency, &old, &old_epoch) == ERR_OK &&
	    old_epoch == r->at_epoch && m->held_k > r->at_k)
		log_line(LOG_ERR,
			 "a peer states to hold more of our earlier ledger than it gave back: ask "
			 "the agency peer=%s given_k=%llu held_k=%llu",
			 t->p->row.agency.text, (unsigned long long)r->at_k,
			 (unsigned long long)m->held_k);
	r->state = RECOVERY_AGAIN;
	r->at_epoch = r->from_epoch;
	r->at_k = r->from_k;
	t->p->recovery_dirty = true;
	return ERR_OK;
}

/* --- writing again what the peer never got --- */

static enum err append_again(struct again *a, const struct digest *answers, struct appended *ret)
{
	char detail[120];
	struct append entry = {
		.kind = a->entry.kind,
		.peer = a->p,
		.body = buf_view(&a->body),
		.agreement = a->entry.has_agreement ? &a->entry.agreement : NULL,
		.purpose = a->entry.purpose,
		.answers = answers,
		.detail = detail,
		.is_recovery = true,
	};

	(void)snprintf(detail, sizeof(detail), "written again: k %llu of epoch %llu",
		       (unsigned long long)a->entry.k, (unsigned long long)a->p->recovery.at_epoch);
	return ledger_append(a->n, &entry, ret);
}

/* The peer had answered it, and lost the referral and its answer: what it gets now is a request
 * again. Its answers stay in the history. */
static void forget_answers(const struct again *a, struct referral_row *row)
{
	CLEANUP(message_freep) struct pb_referral *m = NULL;

	if (row->state == PB(REFERRAL_STATE, RECALLED) ||
	    message_decode(&pb_referral_desc, buf_view(&a->body), MESSAGE_STRICT, &m))
		return;
	row->state = PB(REFERRAL_STATE, REQUESTED);
	row->state_before = 0;
	row->our_change_k = 0;
	row->opened = row->release_due = false;
	row->n_disclosed =
		m->record && m->record->has_opened ? m->record->opened.len / DIGEST_BYTES : 0;
}

/* Its id is the leaf of its entry, so it gets a new one; nobody else knows the old. */
static enum err referral_again(struct again *a)
{
	char old[HEX_LEN(DIGEST_BYTES)], id[HEX_LEN(DIGEST_BYTES)];
	struct referral_row row;
	struct appended done;
	enum err e = referral_get(a->n->store, &a->leaf, &row);

	if (e)
		return e == ERR_NOT_FOUND ? ERR_OK : err_trace(e); /* written again before */
	e = append_again(a, NULL, &done);
	if (e)
		return err_trace(e);
	row.leaf = done.leaf;
	row.k = done.k;
	forget_answers(a, &row);
	e = referral_save(a->n, &row);
	if (e)
		return err_trace(e);
	hex_encode(view_digest(&a->leaf), old);
	hex_encode(view_digest(&done.leaf), id);
	log_line(LOG_NOTICE,
		 "a referral that its peer never got is sent again under a new id peer=%s "
		 "before=%.12s now=%.12s",
		 a->p->row.agency.text, old, id);
	return ERR_OK;
}

static enum err status_again(struct again *a)
{
	CLEANUP(message_freep) struct pb_status *m = NULL;
	struct referral_row row;
	struct appended done;
	enum err e = message_decode(&pb_status_desc, buf_view(&a->body), MESSAGE_STRICT, &m);

	if (!e)
		e = referral_get(a->n->store, &a->entry.answers, &row);
	if (e)
		return e == ERR_NOT_FOUND ? ERR_OK : err_trace(e);
	/* what was changed here after the restore, not knowing what we had said before */
	if (m->has_state && row.state != (int)m->state) {
		log_line(LOG_WARN,
			 "a change of a referral made after the restore is void: another was made "
			 "before peer=%s",
			 a->p->row.agency.text);
		return ERR_OK;
	}
	e = append_again(a, &a->entry.answers, &done);
	if (e || !m->has_state)
		return e ? err_trace(e) : ERR_OK;
	row.our_change_k = done.k;
	return referral_save(a->n, &row);
}

static enum err supplement_again(struct again *a)
{
	struct referral_row row;
	struct appended done;
	enum err e = referral_get(a->n->store, &a->entry.answers, &row);

	if (e)
		return e == ERR_NOT_FOUND ? ERR_OK : err_trace(e);
	return append_again(a, &a->entry.answers, &done);
}

static enum err write_again(struct node *n, struct peer *p, const struct entry_row *row)
{
	struct again a = {.n = n, .p = p, .leaf = row->leaf};
	struct recovered_row held;
	enum err e = recovered_get_leaf(n->store, &row->leaf, &held);

	if (!e)
		return ERR_OK; /* the peer has it */
	if (e == ERR_NOT_FOUND)
		e = again_read(&a, row->entry, row->has_body, row->body_blob);
	if (!e && a.has_body && a.entry.kind == PB(ENTRY_KIND, REFERRAL))
		e = referral_again(&a);
	else if (!e && a.has_body && a.entry.kind == PB(ENTRY_KIND, STATUS))
		e = status_again(&a);
	else if (!e && a.has_body && a.entry.kind == PB(ENTRY_KIND, SUPPLEMENT))
		e = supplement_again(&a);
	again_fini(&a);
	return e ? err_trace(e) : ERR_OK;
}

/* Second stages of what was accepted meanwhile and had not been released before. */
static enum err release_due(struct node *n, struct peer *p, struct referral_row *row)
{
	enum err e;

	if (!row->release_due)
		return ERR_OK;
	row->release_due = false;
	e = referral_save(n, row);
	return e ? err_trace(e) : release_second_stage(n, p, row);
}

static enum err finish(struct node *n, struct peer *p)
{
	p->recovery.state = RECOVERY_NONE;
	p->recovery_dirty = true;
	log_line(LOG_NOTICE, "all is in order again with a peer after our new epoch peer=%s",
		 p->row.agency.text);
	return each_referral(n, p, release_due);
}

static enum err peer_step(struct node *n, struct peer *p)
{
	struct recovery_row *r = &p->recovery;

	for (unsigned i = 0; i < STEP_ENTRIES; i++) {
		struct entry_row row;
		struct epoch_row next;
		enum err e = entry_get_k(n->store, r->at_epoch, p->row.id, r->at_k + 1, &row);

		if (!e) {
			r->at_k++;
			e = write_again(n, p, &row);
		} else if (e == ERR_NOT_FOUND) {
			e = epoch_next(n->store, 0, r->at_epoch, &next);
			if (e == ERR_NOT_FOUND)
				return finish(n, p);
			r->at_epoch = next.epoch;
			r->at_k = 0;
		}
		if (e)
			return err_trace(e);
		p->recovery_dirty = true;
	}
	return ERR_OK;
}

/* What is written again rests on agreements. When both sides began new ledgers, the peer adopts
 * again when our EPOCH_ACCEPTED comes to it, before it receipts that: so its receipt for all that
 * was written so far says that its adoptions are here. */
static bool may_begin(const struct peer *p)
{
	const struct recovery_row *r = &p->recovery;

	return r->at_epoch != r->from_epoch || r->at_k != r->from_k ||
	       p->row.delivered_k >= p->row.content_k;
}

enum err replay_step(struct node *n, bool *ret_more)
{
	for (size_t i = 0; i < n->n_peer && !n->hold; i++) {
		struct peer *p = &n->peer[i];
		enum err e;

		if (p->recovery.state != RECOVERY_AGAIN || !may_begin(p))
			continue;
		e = node_write(n);
		if (!e)
			e = peer_step(n, p);
		if (e)
			return err_trace(e);
		*ret_more = *ret_more || p->recovery.state == RECOVERY_AGAIN;
	}
	return ERR_OK;
}
