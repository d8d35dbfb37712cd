/* API: everything about the exchange with one peer. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "node/limits.h"
#include "node/split.h"

#define AGREEMENTS_MAX 8
#define REFUSALS_MAX 64
#define IDLE_STEP_MAX 20000 /* entries looked at for one answer */

/* An agreement in force, with what its row borrows. */
struct in_force {
	struct pb_agreement_row row;
	char id[HEX_LEN(DIGEST_BYTES)];
	char from[16], until[16];
};

/* One answer with what it borrows. */
struct showing {
	struct asking *a;
	struct node *n;
	struct peer *p;
	struct pb_peer_detail m;
	char fingerprint[HEX_LEN(DIGEST_BYTES)];
	struct in_force in_force[AGREEMENTS_MAX];
	struct pb_agreement_row *agreement[AGREEMENTS_MAX];
	struct pb_refusal_count count[REFUSALS_MAX];
	struct pb_refusal_count *refusal[REFUSALS_MAX];
};

/* --- what waits --- */

struct idle_search {
	uint64_t k; /* none up to here wants a receipt */
	unsigned n;
	uint64_t time_us; /* of the first that does, or of the last looked at; 0: none */
	bool found;
};

static enum err look_at(void *ctx, const struct entry_row *row)
{
	struct idle_search *s = ctx;
	struct entry entry;
	enum err e = entry_decode(row->entry, &entry);

	if (e)
		return err_trace(e);
	s->time_us = entry.time_us;
	s->found = entry.kind != PB(ENTRY_KIND, RECEIPT);
	if (s->found)
		return ERR_FULL;
	s->k = row->k;
	return ++s->n == IDLE_STEP_MAX ? ERR_FULL : ERR_OK;
}

/* When the oldest entry that waits for a receipt was written. Receipts of ours, which want none,
 * may stand before it in any number: how far they reach is kept. */
static enum err oldest_waiting(struct node *n, struct peer *p, uint64_t *ret_us)
{
	struct idle_search s = {.k = p->idle_k > p->row.delivered_k ? p->idle_k
								    : p->row.delivered_k};
	enum err e = entry_walk_peer(n->store, n->epoch, p->row.id, s.k, look_at, &s);

	if (e && e != ERR_FULL)
		return err_trace(e);
	p->idle_k = s.k;
	*ret_us = s.time_us;
	return ERR_OK;
}

/* --- parts --- */

static enum err fill_waiting(struct showing *s)
{
	struct pb_peer_detail *m = &s->m;
	const struct peer_row *row = &s->p->row;
	enum err e;

	m->has_n_offered = m->has_n_delivered = m->has_n_waiting = m->has_n_refused = 1;
	m->n_offered = row->sent_k;
	m->n_delivered = row->delivered_k;
	m->n_waiting = peer_n_waiting(s->p);
	m->n_refused = row->n_refused;
	if (!m->n_waiting)
		return ERR_OK;
	e = oldest_waiting(s->n, s->p, &m->oldest_waiting_us);
	m->has_oldest_waiting_us = m->oldest_waiting_us != 0;
	return e ? err_trace(e) : ERR_OK;
}

/* The newest entry of its that is held tells how its clock stood against ours, give or take the
 * time that it was on its way. */
static enum err fill_received(struct showing *s)
{
	struct pb_peer_detail *m = &s->m;
	const struct peer_row *row = &s->p->row;
	struct received_row newest;
	struct entry entry;
	enum err e;

	m->has_received_k = m->has_receipted_k = m->has_held_size = 1;
	m->received_k = row->received_k;
	m->receipted_k = row->receipted_k;
	m->held_size = row->held_size;
	m->has_last_contact_us = row->last_contact_us != 0;
	m->last_contact_us = row->last_contact_us;
	m->last_error = row->last_error[0] ? s->p->row.last_error : NULL;
	if (!row->received_k)
		return ERR_OK;
	e = received_get(s->n->store, row->id, row->epoch, row->received_k, &newest);
	if (e)
		return err_trace(e);
	if (entry_decode(newest.entry, &entry) == ERR_OK) {
		m->has_clock_skew_s = 1;
		m->clock_skew_s =
			((int64_t)time_storable(entry.time_us) - (int64_t)newest.time_us) / 1000000;
	}
	return ERR_OK;
}

static void add_refusals(struct showing *s, const char *by, const struct refusal_counts *c,
			 uint64_t *ret_sum)
{
	for (int status = 0; status < REFUSAL_STATUSES; status++)
		for (int reason = 0; reason < REFUSAL_REASONS; reason++) {
			struct pb_refusal_count *m = &s->count[s->m.n_refusals];

			if (!c->n[status][reason])
				continue;
			*ret_sum += c->n[status][reason];
			if (s->m.n_refusals == REFUSALS_MAX)
				continue;
			*m = (struct pb_refusal_count)PB_REFUSAL_COUNT_INIT;
			m->name = message_borrow_text(by);
			m->has_status = m->has_n = 1;
			m->status = (Amparo__V1__ExceptionStatus)status;
			m->has_reason = reason != 0;
			if (reason)
				m->reason = (Amparo__V1__RefusalReason)reason;
			m->n = c->n[status][reason];
			s->refusal[s->m.n_refusals++] = m;
		}
}

static enum err fill_refusals(struct showing *s)
{
	struct refusal_counts counts;
	uint64_t ours = 0;
	enum err e = refusal_count(s->n->store, s->p->row.id, true, &counts);

	if (e)
		return err_trace(e);
	s->m.refusals = s->refusal;
	add_refusals(s, "peer", &counts, &ours);
	e = refusal_count(s->n->store, s->p->row.id, false, &counts);
	if (e)
		return err_trace(e);
	s->m.has_n_refused_here = 1;
	add_refusals(s, "here", &counts, &s->m.n_refused_here);
	return ERR_OK;
}

static void fill_session(struct showing *s)
{
	const struct session *live = s->p->live;
	const uint64_t now_ms = s->n->port.mono_ms(s->n->port.ctx);
	struct pb_peer_detail *m = &s->m;

	if (!live) {
		m->has_next_dial_us = s->p->is_configured && s->p->may_dial && !s->p->row.stopped;
		m->next_dial_us = s->n->port.utc_us(s->n->port.ctx);
		if (s->p->dial_at_ms > now_ms)
			m->next_dial_us += (s->p->dial_at_ms - now_ms) * 1000;
		return;
	}
	m->role = message_borrow_text(live->role == TLS_DIALLER ? "dialler" : "listener");
	m->has_since_us = m->has_n_sent = m->has_our_size_held = 1;
	m->since_us = live->opened_us;
	m->n_sent = live->sent_k > live->began_k ? live->sent_k - live->began_k : 0;
	m->our_size_held = live->began_size;
	m->remote = live->remote[0] ? message_borrow_text(live->remote) : NULL;
	m->has_tls_until_us = live->tls_until_us != 0;
	m->tls_until_us = live->tls_until_us;
}

/* Of the certificate that it showed last: in this run of the node, else when it was pinned. */
static enum err fill_seal_until(struct showing *s)
{
	struct buf chain = {0};
	int64_t until_s;
	enum err e;

	if (!s->p->seal_until_us) {
		e = peer_chain_get(s->n->store, s->p->row.id, &chain);
		if (!e && cert_not_after(buf_view(&chain), &until_s) == ERR_OK && until_s > 0)
			s->p->seal_until_us = (uint64_t)until_s * 1000000;
		buf_fini(&chain);
		if (e && e != ERR_NOT_FOUND)
			return err_trace(e);
	}
	s->m.has_seal_until_us = s->p->seal_until_us != 0;
	s->m.seal_until_us = s->p->seal_until_us;
	return ERR_OK;
}

static enum err add_agreement(void *ctx, const struct adoption_row *row)
{
	struct showing *s = ctx;
	struct in_force *f = &s->in_force[s->m.n_agreements];
	const struct agreement *a;
	bool is_in_force;
	enum err e = agreement_judged(s->n, s->p, &row->digest, false, s->p->row.sent_k + 1,
				      s->p->row.received_k, &is_in_force);

	if (!e)
		e = agreement_load(s->n, &row->digest, &a);
	if (e == ERR_NOT_FOUND || (!e && (!is_in_force || s->m.n_agreements == AGREEMENTS_MAX ||
					  !agreement_is_valid_at(a, ledger_time_us(s->n)))))
		return ERR_OK;
	if (e)
		return err_trace(e);
	f->row = (struct pb_agreement_row)PB_AGREEMENT_ROW_INIT;
	hex_encode(view_digest(&row->digest), f->id);
	day_text(agreement_valid_from_us(a), f->from);
	day_text(agreement_valid_until_us(a), f->until);
	f->row.id = f->id;
	f->row.name = message_borrow_text(agreement_name(a));
	f->row.valid_from = f->from;
	f->row.valid_until = f->until;
	s->agreement[s->m.n_agreements++] = &f->row;
	return ERR_OK;
}

static void fill_identity(struct showing *s)
{
	struct pb_peer_detail *m = &s->m;
	struct peer *p = s->p;
	struct digest d;

	m->id = p->row.agency.text;
	m->name = message_borrow_text(agency_id_name(&p->row.agency));
	m->state = message_borrow_text(peer_state(p));
	m->address = message_borrow_text(p->address);
	if (!p->key)
		return;
	d = verify_key_fingerprint(p->key);
	hex_encode(view_digest(&d), s->fingerprint);
	m->fingerprint = s->fingerprint;
	m->origin = p->row.origin;
	m->has_pinned_us = 1;
	m->pinned_us = p->row.pinned_us;
}

static void fill_limits(struct showing *s)
{
	struct pb_peer_detail *m = &s->m;

	m->has_n_entries_today = m->has_n_entries_limit = m->has_n_bytes_held = 1;
	m->has_n_bytes_limit = m->has_n_notes_today = m->has_n_notes_limit = 1;
	limits_today(s->n, s->p, &m->n_entries_today, &m->n_notes_today);
	m->n_entries_limit = s->n->limits.peer_entries_a_day;
	m->n_notes_limit = s->n->limits.peer_notes_a_day;
	m->n_bytes_held = s->p->row.held_bytes;
	m->n_bytes_limit = s->n->limits.peer_bytes_held;
}

static enum err fill_unproven(struct showing *s)
{
	struct pb_peer_detail *m = &s->m;
	enum err e = split_count(s->n, s->p, &m->n_unproven_alarmed);

	m->n_unproven = s->p->n_unproven;
	m->has_n_unproven = m->n_unproven != 0;
	m->has_n_unproven_alarmed = m->n_unproven_alarmed != 0;
	return e ? err_trace(e) : ERR_OK;
}

/* --- the request --- */

static enum err show(struct showing *s)
{
	struct pb_api_reply reply = PB_API_REPLY_INIT;
	enum err e;

	s->m = (struct pb_peer_detail)PB_PEER_DETAIL_INIT;
	s->m.agreements = s->agreement;
	fill_identity(s);
	fill_session(s);
	fill_limits(s);
	e = fill_waiting(s);
	if (!e)
		e = fill_received(s);
	if (!e)
		e = fill_refusals(s);
	if (!e)
		e = fill_seal_until(s);
	if (!e)
		e = fill_unproven(s);
	if (!e)
		e = adoption_walk(s->n->store, s->p->row.id, add_agreement, s);
	reply.peer_detail = &s->m;
	return e ? err_trace(e) : reply_row(s->n, s->a->caller->id, s->a->id, &reply, false);
}

enum err request_peer_show(struct asking *a)
{
	const char *name = a->m->peer_show->peer;
	struct peer *p = name ? peer_by_name(a->n, name) : NULL;
	CLEANUP(freep) struct showing *s = NULL;

	if (!p)
		return reply_error(
			a->n, a->caller->id, a->id, PB(API_ERROR_CODE, DATA),
			"no peer of this name, or more than one: see `amparo peer list`");
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_new(ERR_NOMEM, "a peer's details");
	s->a = a;
	s->n = a->n;
	s->p = p;
	return show(s);
}
