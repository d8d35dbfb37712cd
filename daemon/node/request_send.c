/* API: sending a referral, and the preview of what would leave. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "node/internal.h"
#include "node/limits.h"
#include "record/manifest.h"

#define TERMS_BYTES 2048 /* of a body, usually: all but the slices opened and the manifest */

/* One referral being prepared. */
struct sending {
	struct asking *a;
	struct node *n;
	struct peer *p;
	const struct agreement *agreement;
	struct own_record *record;
	struct policy_case c;
	const struct pb_referral_send *ask;
};

static enum err find_record(struct sending *s)
{
	enum err e = ERR_NOT_FOUND;

	if (s->ask->has_record_id && s->ask->record_id.len == RECORD_ID_BYTES)
		e = own_record_open_newest(s->n, s->ask->record_id.data, &s->record);
	if (e == ERR_NOT_FOUND)
		return err_new(ERR_INVALID, "no record has this id: see `amparo record list`");
	return e ? err_trace(e) : ERR_OK;
}

static enum err prepare(struct sending *s)
{
	const uint64_t now_us = ledger_time_us(s->n);
	const char *problem;
	enum err e;

	if (!s->ask->peer || !s->ask->has_purpose || !s->ask->terms)
		return err_new(ERR_INVALID, "peer, purpose or terms are missing");
	s->p = peer_by_name(s->n, s->ask->peer);
	if (!s->p || !s->p->is_configured)
		return err_new(ERR_INVALID,
			       "no peer of this name, or more than one: see `amparo peer "
			       "list`");
	e = agreement_for(s->n, s->p, (int)s->ask->purpose, &s->agreement);
	if (e == ERR_NOT_FOUND)
		return err_new(ERR_INVALID, "%s: see `amparo agreement list`", err_words());
	if (!e)
		e = find_record(s);
	if (e)
		return err_trace(e);
	problem = referral_terms_problem(s->ask->terms, now_us);
	if (s->ask->terms->reply_by_us > INT64_MAX || s->ask->terms->expires_us > INT64_MAX)
		return err_new(ERR_INVALID, "a date is too far away");
	if (problem && !(s->ask->has_preview && s->ask->preview))
		return err_new(ERR_INVALID, "%s", problem);
	s->c = (struct policy_case){
		.purpose = (int)s->ask->purpose,
		.type = (enum record_type)s->record->row.type,
		.stage = POLICY_REQUEST,
		.has_consent = referral_has_consent(s->ask->terms),
		.utc_us = now_us,
		.schema_version = s->p->live ? s->p->live->schema_version : FIELD_SCHEMA_VERSION,
	};
	return ERR_OK;
}

/* --- preview: the same evaluator as the sender's filter and the receiver's check --- */

static size_t count_unit(const struct slice_set *slices, const struct field *unit)
{
	size_t count = 0;

	for (size_t i = 0; i < slices->n; i++)
		count += slices->slice[i].unit == unit;
	return count;
}

static enum err preview_unit(struct sending *s, const struct field *unit, size_t n_slices)
{
	struct pb_api_reply reply = PB_API_REPLY_INIT;
	struct pb_preview_row m = PB_PREVIEW_ROW_INIT;
	struct policy_case later = s->c;
	struct policy_decision now = policy_judge(s->agreement, &s->c, unit);
	struct policy_decision d;

	later.stage = POLICY_ACCEPTED;
	d = now.answer == POLICY_ALLOWED ? now : policy_judge(s->agreement, &later, unit);
	m.name = message_borrow_text(unit->path);
	m.label = message_borrow_text(unit->label);
	m.has_sensitivity = m.has_n = 1;
	m.sensitivity = (uint32_t)unit->sensitivity;
	m.n = (uint32_t)n_slices;
	m.rule = message_borrow_text(d.rule);
	if (d.answer == POLICY_ALLOWED) {
		m.has_released_at = 1;
		m.released_at =
			now.answer == POLICY_ALLOWED ? PB(STAGE, REQUEST) : PB(STAGE, ACCEPTED);
	} else {
		m.why = message_borrow_text(policy_answer_text(d.answer));
	}
	reply.preview = &m;
	return reply_row(s->n, s->a->caller->id, s->a->id, &reply, true);
}

static enum err preview(struct sending *s)
{
	const enum record_type type = s->c.type;

	for (size_t i = 0; i < field_table_n_units(type); i++) {
		const struct field *unit = field_table_unit(type, i);
		const size_t n_slices = count_unit(&s->record->slices, unit);
		enum err e;

		if (n_slices == 0)
			continue; /* the record says nothing here */
		e = preview_unit(s, unit, n_slices);
		if (e)
			return err_trace(e);
	}
	return reply_end(s->n, s->a->caller->id, s->a->id);
}

/* --- send --- */

static enum err make_body(struct sending *s, const struct opened_slice *opened, size_t n_opened,
			  struct buf *out)
{
	struct pb_referral m = *s->ask->terms;
	struct pb_disclosure d = PB_DISCLOSURE_INIT;
	struct buf named = {0};
	uint8_t *room;
	enum err e = own_record_proof(s->n, s->record, &d.seal);

	if (!e)
		e = buf_reserve(&named, n_opened * DIGEST_BYTES, &room);
	if (!e) {
		for (size_t i = 0; i < n_opened; i++)
			memcpy(room + i * DIGEST_BYTES, opened[i].commitment.b, DIGEST_BYTES);
		buf_advance(&named, n_opened * DIGEST_BYTES);
		d.has_manifest_digest = d.has_opened = d.has_manifest = 1;
		d.manifest_digest = message_borrow(view_digest(&s->record->row.manifest));
		d.opened = message_borrow(buf_view(&named));
		d.manifest = message_borrow(buf_view(&s->record->manifest));
		m.record = &d;
		e = buf_reserve(out, named.n + s->record->manifest.n + TERMS_BYTES, &room);
	}
	if (!e)
		e = message_encode(&m, out);
	buf_fini(&named);
	return e ? err_trace(e) : ERR_OK;
}

static enum err store_referral(struct sending *s, const struct appended *done, size_t n_opened,
			       struct referral_row *row)
{
	const struct pb_referral *terms = s->ask->terms;

	*row = (struct referral_row){
		.leaf = done->leaf,
		.peer = s->p->row.id,
		.k = done->k,
		.manifest = s->record->row.manifest,
		.has_manifest = true,
		.agreement = *agreement_digest(s->agreement),
		.purpose = s->c.purpose,
		.type = (int)terms->type,
		.urgency = (int)terms->urgency,
		.state = PB(REFERRAL_STATE, REQUESTED),
		.has_consent = s->c.has_consent,
		.n_disclosed = n_opened,
		.time_us = done->time_us,
		.reply_by_us = terms->has_reply_by_us ? terms->reply_by_us : 0,
		.expires_us = terms->has_expires_us ? terms->expires_us : 0,
	};
	memcpy(row->record_id, s->record->row.id, sizeof(row->record_id));
	return referral_save(s->n, row);
}

static enum err append_referral(struct sending *s, struct referral_row *ret)
{
	struct append entry = {
		.kind = PB(ENTRY_KIND, REFERRAL),
		.peer = s->p,
		.agreement = agreement_digest(s->agreement),
		.purpose = s->c.purpose,
		.caller = s->a->caller,
		.reason = s->ask->reason,
		.record = s->record,
		.record_id = s->record->row.id,
		.revision = s->record->row.revision,
	};
	CLEANUP(freep)
	struct opened_slice *opened = calloc(s->record->slices.n + 1, sizeof(*opened));
	struct appended done;
	struct buf body = {0};
	size_t n_opened = 0;
	enum err e;

	if (!opened)
		return err_new(ERR_NOMEM, "openings");
	e = disclosure_select(s->agreement, &s->c, s->record->opening, s->record->slices.n, NULL,
			      NULL, opened, &n_opened);
	if (!e)
		e = make_body(s, opened, n_opened, &body);
	entry.body = buf_view(&body);
	entry.opened = opened;
	entry.n_opened = n_opened;
	if (!e)
		e = ledger_append(s->n, &entry, &done);
	if (!e)
		e = store_referral(s, &done, n_opened, ret);
	buf_fini(&body);
	return e ? err_trace(e) : ERR_OK;
}

enum err request_referral_send(struct asking *a)
{
	struct sending s = {.a = a, .n = a->n, .ask = a->m->referral_send};
	struct pb_api_reply reply = PB_API_REPLY_INIT;
	struct pb_referral_row m = PB_REFERRAL_ROW_INIT;
	static char sealed[] = "sealed";
	struct referral_row row;
	enum err e;

	e = prepare(&s);
	if (!e && s.ask->terms->record)
		e = err_new(ERR_INVALID, "the node fills in the disclosed record, not the caller");
	if (e)
		return reply_failed(a->n, a->caller->id, a->id, e);
	if (s.ask->has_preview && s.ask->preview)
		return preview(&s);
	e = limits_allow(a->n, ROOM_RESERVE);
	if (!e)
		e = append_referral(&s, &row);
	if (e)
		return reply_failed(a->n, a->caller->id, a->id, e);
	m.has_id = m.has_side = m.has_type = m.has_urgency = m.has_purpose = m.has_state = 1;
	m.has_time_us = m.has_n_disclosed = m.has_record_id = m.has_k = 1;
	m.k = row.k;
	m.id = message_borrow(view_digest(&row.leaf));
	m.side = PB(LIST_SIDE, OUT);
	m.peer = s.p->row.agency.text;
	m.type = (Amparo__V1__ReferralType)row.type;
	m.urgency = (Amparo__V1__Urgency)row.urgency;
	m.purpose = (Amparo__V1__Purpose)row.purpose;
	m.state = (Amparo__V1__ReferralState)row.state;
	m.delivery = sealed;
	m.time_us = row.time_us;
	m.has_reply_by_us = row.reply_by_us != 0;
	m.reply_by_us = row.reply_by_us;
	m.n_disclosed = (uint32_t)row.n_disclosed;
	m.record_id = message_borrow(view_of(row.record_id, sizeof(row.record_id)));
	reply.referral = &m;
	return reply_row(a->n, a->caller->id, a->id, &reply, false);
}
