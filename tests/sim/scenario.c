/* What agencies do, without waiting for each other. */
#include "scenario.h"

#include <stdlib.h>
#include <string.h>

#include "inspect.h"
#include "store/referral_table.h"
#include "watch.h"

enum action {
	ACT_IMPORT,
	ACT_ADOPT,
	ACT_SEND,
	ACT_LIST, /* to decide on what awaits us */
	ACT_DECIDE,
	ACT_READ,
};

/* --- asking --- */

static void import(struct client *c, size_t which)
{
	const struct given_record *given = given_record(which);
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_record_import ask = PB_RECORD_IMPORT_INIT;

	c->action = ACT_IMPORT;
	c->record = which;
	ask.has_type = ask.has_record = 1;
	ask.type = (uint32_t)given->type;
	ask.record = message_borrow(buf_view(&given->bytes));
	m.record_import = &ask;
	client_ask(c, &m);
}

static void adopt(struct client *c)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_agreement_adopt ask = PB_AGREEMENT_ADOPT_INIT;

	c->action = ACT_ADOPT;
	ask.has_file = 1;
	ask.file = message_borrow(given_agreement());
	m.agreement_adopt = &ask;
	client_ask(c, &m);
}

static Amparo__V1__Purpose draw_purpose(struct world *w)
{
	switch (world_random(w, 4)) {
	case 0:
		return PB(PURPOSE, MISSING_CHILD);
	case 1:
		return PB(PURPOSE, FAMILY_TRACING);
	default:
		return PB(PURPOSE, CHILD_PROTECTION);
	}
}

static void send(struct run *r, struct client *c, size_t to, size_t which)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_referral_send ask = PB_REFERRAL_SEND_INIT;
	struct pb_referral terms = PB_REFERRAL_INIT;
	struct pb_consent consent = PB_CONSENT_INIT;

	terms.has_type = terms.has_urgency = terms.has_responsibility = terms.has_basis = 1;
	terms.type = PB(REFERRAL_TYPE, TRACING);
	terms.urgency = PB(URGENCY, URGENT);
	terms.responsibility = PB(RESPONSIBILITY, REFERRAL);
	terms.basis = PB(LEGAL_BASIS, PUBLIC_TASK);
	if (world_random(&r->w, 2)) {
		consent.has_given_by = 1;
		consent.given_by = PB(CONSENT_GIVER, CHILD);
		terms.consent = &consent;
	}
	ask.has_record_id = ask.has_purpose = 1;
	ask.record_id = message_borrow(view_of(r->record_id[c->agency->index][which], 16));
	ask.peer = r->w.agency[to].id.text;
	ask.purpose = draw_purpose(&r->w);
	ask.terms = &terms;
	m.referral_send = &ask;
	c->action = ACT_SEND;
	c->peer = to;
	client_ask(c, &m);
}

static void list(struct client *c)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_referral_list ask = PB_REFERRAL_LIST_INIT;

	m.referral_list = &ask;
	c->action = ACT_LIST;
	client_ask(c, &m);
}

static void decide(struct run *r, struct client *c, const struct pb_referral_row *row)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_referral_decide ask = PB_REFERRAL_DECIDE_INIT;
	static char why[] = "decided in the simulation";

	memcpy(c->id, row->id.data, sizeof(c->id));
	ask.has_id = ask.has_state = 1;
	ask.id = row->id;
	ask.state = world_random(&r->w, 4) ? PB(REFERRAL_STATE, ACCEPTED)
					   : PB(REFERRAL_STATE, DECLINED);
	ask.reason = why;
	m.referral_decide = &ask;
	c->action = ACT_DECIDE;
	client_ask(c, &m);
}

/* What changes nothing: it must be answered all the same. */
static void read_something(struct run *r, struct client *c)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_peer_list peers = PB_PEER_LIST_INIT;
	struct pb_node_status status = PB_NODE_STATUS_INIT;
	struct pb_audit_list audit = PB_AUDIT_LIST_INIT;
	struct pb_audit_verify verify = PB_AUDIT_VERIFY_INIT;
	struct pb_audit_reconcile reconcile = PB_AUDIT_RECONCILE_INIT;
	struct pb_agreement_list agreements = PB_AGREEMENT_LIST_INIT;
	const size_t peer = (c->agency->index + 1) % r->w.n_agency;

	switch (world_random(&r->w, 6)) {
	case 0:
		m.peer_list = &peers;
		break;
	case 1:
		m.node_status = &status;
		break;
	case 2:
		m.audit_list = &audit;
		break;
	case 3:
		m.audit_verify = &verify;
		break;
	case 4:
		reconcile.peer = r->w.agency[peer].id.text;
		m.audit_reconcile = &reconcile;
		break;
	default:
		m.agreement_list = &agreements;
		break;
	}
	c->action = ACT_READ;
	client_ask(c, &m);
}

/* --- answers --- */

static const struct pb_api_reply *only(const struct reply_list *l)
{
	return l->is_whole && l->n == 1 ? l->reply[0] : NULL;
}

static void imported(struct run *r, struct client *c, const struct pb_api_reply *m)
{
	const size_t at = c->agency->index;

	if (!m || m->error)
		return; /* down, holding back or out of room: nothing was promised */
	MUST(&r->w, m->record && m->record->id.len == 16);
	memcpy(r->record_id[at][c->record], m->record->id.data, 16);
	r->has_record[at][c->record] = true;
}

static void sent(struct run *r, struct client *c, const struct reply_list *l)
{
	const struct pb_api_reply *m = only(l);
	const size_t from = c->agency->index;
	struct digest leaf;

	MUST(&r->w, !l->is_whole || m);
	if (!l->is_whole) {
		r->n_unknown[from][c->peer]++;
		return;
	}
	if (m->error)
		return;
	MUST(&r->w, m->referral && digest_from_view(&leaf, view_of(m->referral->id.data,
								   m->referral->id.len)));
	MUST(&r->w, watch_holds(c->agency, &leaf));
	r->n_sent[from][c->peer]++;
}

/* The decision stands in the database that answered. */
static bool is_kept(const struct client *c, int state)
{
	struct referral_row row;
	struct digest leaf;
	enum err e;

	if (!c->agency->node || !digest_from_view(&leaf, view_of(c->id, sizeof(c->id))))
		return true; /* it went down with the answer on its way: rest.c asks again */
	e = referral_get(inspect_node(c->agency->node).store, &leaf, &row);
	return e ? disk_has_failed(c->agency->disk) : row.state == state;
}

static void decided(struct run *r, struct client *c, const struct pb_api_reply *m)
{
	struct decision *d = &r->decision[r->n_decision];

	if (!m || m->error)
		return; /* another client was faster */
	MUST(&r->w, m->referral && memcmp(m->referral->id.data, c->id, sizeof(c->id)) == 0);
	MUST(&r->w, is_kept(c, (int)m->referral->state));
	if (r->n_decision == RUN_DECISIONS_MAX)
		return;
	d->agency = c->agency->index;
	memcpy(d->referral, c->id, sizeof(d->referral));
	d->state = (int)m->referral->state;
	r->n_decision++;
}

/* One of those that await us. */
static void listed(struct run *r, struct client *c, const struct reply_list *l)
{
	const size_t from = world_random(&r->w, l->n ? l->n : 1);

	for (size_t i = 0; i < l->n && l->is_whole && c->agency->node; i++) {
		const struct pb_referral_row *row = l->reply[(from + i) % l->n]->referral;

		if (!row || !row->awaits_us)
			continue;
		decide(r, c, row);
		return;
	}
}

static void answered(void *ctx, struct client *c, const struct reply_list *l)
{
	struct run *r = ctx;

	switch ((enum action)c->action) {
	case ACT_IMPORT:
		imported(r, c, only(l));
		break;
	case ACT_ADOPT:
		if (l->is_whole && l->n == r->w.n_agency && !l->reply[0]->error)
			r->has_adopted[c->agency->index] = true;
		break;
	case ACT_SEND:
		sent(r, c, l);
		break;
	case ACT_LIST:
		listed(r, c, l);
		break;
	case ACT_DECIDE:
		decided(r, c, only(l));
		break;
	case ACT_READ:
		break;
	}
}

void scenario_attach(struct run *r)
{
	r->w.answered = answered;
	r->w.ctx = r;
}

/* --- acting --- */

static struct client *idle_client(struct agency *a)
{
	for (size_t i = 1; i < WORLD_CLIENTS_MAX; i++)
		if (!a->client[i].replies)
			return &a->client[i];
	return NULL;
}

/* Somebody starts it again, perhaps after mending what broke. */
static void revive(struct agency *a)
{
	struct world *w = a->world;

	if (world_random(w, 2))
		return;
	if (world_random(w, 4)) {
		disk_set_plan(a->disk, NULL);
		world_set_room(a, UINT64_MAX);
	}
	world_start(a);
}

void scenario_act(struct run *r)
{
	struct world *w = &r->w;
	struct agency *a = &w->agency[world_random(w, w->n_agency)];
	struct client *c = idle_client(a);
	const size_t to = world_random(w, w->n_agency), which = world_random(w, GIVEN_RECORDS);

	if (!a->node) {
		revive(a);
		return;
	}
	if (!c)
		return;
	if (!r->has_record[a->index][which])
		import(c, which);
	else if (!r->has_adopted[a->index])
		adopt(c);
	else if (a->index != to && world_random(w, 5) < 3)
		send(r, c, to, which);
	else if (world_random(w, 4))
		list(c);
	else
		read_something(r, c);
}

void scenario_prepare(struct run *r)
{
	struct world *w = &r->w;

	for (size_t i = 0; i < w->n_agency; i++) {
		for (size_t j = 0; j < GIVEN_RECORDS; j++)
			if (!r->has_record[i][j]) {
				import(idle_client(&w->agency[i]), j);
				rest_wait(r);
				MUST(w, r->has_record[i][j]);
			}
		if (!r->has_adopted[i])
			adopt(idle_client(&w->agency[i]));
	}
	rest_wait(r);
	for (size_t i = 0; i < w->n_agency; i++)
		MUST(w, r->has_adopted[i]);
}

void scenario_ring(struct run *r)
{
	struct world *w = &r->w;

	for (size_t i = 0; i < w->n_agency; i++) {
		const size_t to = (i + 1) % w->n_agency;
		const uint64_t before = r->n_sent[i][to];

		send(r, idle_client(&w->agency[i]), to, world_random(w, GIVEN_RECORDS));
		rest_wait(r);
		MUST(w, r->n_sent[i][to] == before + 1);
	}
}

static bool any_awaits(const struct agency *a)
{
	uint64_t n = 0;

	MUST(a->world, referral_count_awaiting(inspect_node(a->node).store, &n) == ERR_OK);
	return n;
}

void scenario_decide_all(struct run *r)
{
	struct world *w = &r->w;

	for (size_t i = 0; i < w->n_agency; i++)
		for (unsigned n = 0; any_awaits(&w->agency[i]); n++) {
			MUST(w, n < RUN_DECISIONS_MAX);
			list(idle_client(&w->agency[i]));
			rest_wait(r);
		}
}
