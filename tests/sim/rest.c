/* When all is quiet: both sides of every pair say the same, everything acknowledged is there, and
 * all ledgers verify. */
#include <string.h>

#include "inspect.h"
#include "record/slice.h"
#include "scenario.h"
#include "store/referral_table.h"
#include "watch.h"

#define REST_LIMIT_S 3600

/* --- coming to rest --- */

static const struct peer_row *row_of(const struct agency *a, const struct agency *peer,
				     bool *ret_connected)
{
	const struct look look = inspect_node(a->node);

	for (size_t i = 0; i < look.n_peer; i++) {
		const struct peer_row *row = inspect_peer(a->node, i, ret_connected);

		if (agency_id_eq(&row->agency, &peer->id))
			return row;
	}
	return NULL;
}

static bool pair_is_at_rest(const struct agency *a, const struct agency *b)
{
	bool out_connected, in_connected;
	const struct peer_row *out = row_of(a, b, &out_connected);
	const struct peer_row *in = row_of(b, a, &in_connected);

	return out && in && out_connected && in_connected && out->sent_k == in->received_k &&
	       out->content_k <= out->delivered_k;
}

bool rest_is_quiet(const struct run *r)
{
	const struct world *w = &r->w;

	for (size_t i = 0; i < w->n_agency; i++) {
		if (!w->agency[i].node)
			return false;
		for (size_t j = 1; j < WORLD_CLIENTS_MAX; j++)
			if (w->agency[i].client[j].replies)
				return false;
	}
	for (size_t i = 0; i < w->n_agency; i++)
		for (size_t j = 0; j < w->n_agency; j++)
			if (i != j && !pair_is_at_rest(&w->agency[i], &w->agency[j]))
				return false;
	return true;
}

void rest_wait(struct run *r)
{
	for (int s = 0; s < REST_LIMIT_S; s++) {
		world_run(&r->w, SECOND_US);
		if (rest_is_quiet(r))
			return;
	}
	world_broken(&r->w, "the world comes to rest", __FILE__, __LINE__);
}

/* --- what both sides say of a referral --- */

static struct reply_list *list(struct agency *a)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_referral_list ask = PB_REFERRAL_LIST_INIT;

	m.referral_list = &ask;
	return world_ask(a, &m);
}

static struct reply_list *show(struct agency *a, const ProtobufCBinaryData *id, bool with_record)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_referral_show ask = PB_REFERRAL_SHOW_INIT;
	static char why[] = "simulation";

	ask.has_id = ask.has_content = 1;
	ask.content = with_record;
	ask.id = *id;
	ask.reason = why;
	m.referral_show = &ask;
	return world_ask(a, &m);
}

static const struct pb_referral_row *find_row(const struct reply_list *l,
					      const ProtobufCBinaryData *id)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->reply[i]->referral &&
		    memcmp(l->reply[i]->referral->id.data, id->data, id->len) == 0)
			return l->reply[i]->referral;
	return NULL;
}

static bool is_of(const struct pb_referral_row *row, int side, const struct agency *peer)
{
	return row && (int)row->side == side && strcmp(row->peer, peer->id.text) == 0;
}

/* Openings of one manifest are held once: what the referrals about one record allow together. */
struct terms {
	int stage;
	bool has_consent;
	unsigned purposes;
};

static void widen(struct agency *a, const struct reply_list *in, const struct pb_referral_row *row,
		  struct terms *ret)
{
	for (size_t i = 0; i < in->n; i++) {
		const struct pb_referral_row *other = in->reply[i]->referral;
		struct reply_list *l;

		if (!other || other->side != row->side || strcmp(other->peer, row->peer) != 0 ||
		    memcmp(other->record_id.data, row->record_id.data, row->record_id.len) != 0)
			continue;
		l = show(a, &other->id, false);
		if (other->state == PB(REFERRAL_STATE, ACCEPTED))
			ret->stage = 2;
		if (l->reply[1]->referral_content->terms->consent)
			ret->has_consent = true;
		ret->purposes |= 1u << other->purpose;
		reply_list_free(l);
	}
}

static bool any_allows(enum record_type type, const char *path, const struct terms *t)
{
	for (int purpose = 0; purpose < 32; purpose++)
		if ((t->purposes >> purpose & 1) &&
		    given_allows(type, path, purpose, t->stage, t->has_consent))
			return true;
	return false;
}

/* Nothing withheld has arrived: every slice is one that a rule allows at the stage reached. */
static void check_disclosed(struct run *r, struct agency *a, const struct reply_list *in,
			    const struct pb_referral_row *row)
{
	const struct pb_record_content *content;
	struct slice_set set = {0};
	struct terms t = {.stage = 1};
	struct reply_list *l = show(a, &row->id, true);
	enum record_type type;

	MUST(&r->w,
	     l->n == 2 && l->reply[1]->referral_content && l->reply[1]->referral_content->record);
	content = l->reply[1]->referral_content->record;
	MUST(&r->w, record_type_from_name(content->type, &type));
	widen(a, in, row, &t);
	MUST(&r->w,
	     record_cut(type, view_of(content->record.data, content->record.len), &set) == ERR_OK);
	MUST(&r->w, set.n == content->n_disclosed && set.n >= row->n_disclosed);
	for (size_t i = 0; i < set.n; i++)
		MUST(&r->w, any_allows(type, set.slice[i].unit->path, &t));
	slice_set_fini(&set);
	reply_list_free(l);
}

/* All that may be disclosed at the stage reached was disclosed. */
static void check_complete(struct run *r, struct agency *from, const struct pb_referral_row *row)
{
	struct reply_list *l = show(from, &row->id, true);
	const struct pb_referral_content *content = l->reply[1]->referral_content;
	const int stage = row->state == PB(REFERRAL_STATE, ACCEPTED) ? 2 : 1;
	struct slice_set set = {0};
	enum record_type type;
	size_t n_allowed = 0;

	MUST(&r->w,
	     content && content->record && record_type_from_name(content->record->type, &type));
	MUST(&r->w,
	     record_cut(type, view_of(content->record->record.data, content->record->record.len),
			&set) == ERR_OK);
	for (size_t i = 0; i < set.n; i++)
		n_allowed += given_allows(type, set.slice[i].unit->path, (int)row->purpose, stage,
					  content->terms->consent != NULL);
	MUST(&r->w, n_allowed == row->n_disclosed);
	slice_set_fini(&set);
	reply_list_free(l);
}

static enum err count_status(void *ctx, const struct status_row *row)
{
	uint64_t *n = ctx;

	n[row->is_incoming]++;
	return ERR_OK;
}

static void count_statuses(struct run *r, struct agency *a, const struct digest *leaf, uint64_t *n)
{
	struct store *s = inspect_node(a->node).store;
	struct referral_row row;

	MUST(&r->w, referral_get(s, leaf, &row) == ERR_OK);
	MUST(&r->w, status_walk(s, row.num, count_status, n) == ERR_OK);
}

/* Each STATUS was acted on once: it stands once in the history of its referral, at both ends. */
static void check_history(struct run *r, struct agency *from, struct agency *to,
			  const ProtobufCBinaryData *id)
{
	uint64_t n_from[2] = {0}, n_to[2] = {0};
	struct digest leaf;

	MUST(&r->w, digest_from_view(&leaf, view_of(id->data, id->len)));
	count_statuses(r, from, &leaf, n_from);
	count_statuses(r, to, &leaf, n_to);
	MUST(&r->w, n_from[0] == n_to[1] && n_from[1] == n_to[0]);
}

static void check_referral(struct run *r, struct agency *from, struct agency *to,
			   const struct pb_referral_row *row, const struct reply_list *in)
{
	const struct pb_referral_row *there = find_row(in, &row->id);

	MUST(&r->w, strcmp(row->delivery, "received") == 0 || strcmp(row->delivery, "opened") == 0);
	MUST(&r->w, is_of(there, PB(LIST_SIDE, IN), from));
	MUST(&r->w, there->state == row->state);
	MUST(&r->w, there->n_disclosed == row->n_disclosed);
	check_history(r, from, to, &row->id);
	check_disclosed(r, to, in, there);
	check_complete(r, from, row);
}

static void check_pair(struct run *r, struct agency *from, struct agency *to)
{
	struct reply_list *out = list(from), *in = list(to);
	const uint64_t n_sent = r->n_sent[from->index][to->index];
	uint64_t n_out = 0, n_in = 0;

	for (size_t i = 0; i < out->n; i++) {
		const struct pb_referral_row *row = out->reply[i]->referral;

		if (!is_of(row, PB(LIST_SIDE, OUT), to))
			continue;
		n_out++;
		check_referral(r, from, to, row, in);
	}
	for (size_t i = 0; i < in->n; i++)
		n_in += is_of(in->reply[i]->referral, PB(LIST_SIDE, IN), from);
	MUST(&r->w, n_out == n_in);
	MUST(&r->w, n_out >= n_sent);
	MUST(&r->w, n_out <= n_sent + r->n_unknown[from->index][to->index]);
	reply_list_free(out);
	reply_list_free(in);
}

/* --- what was acknowledged, what verifies --- */

static void check_decisions(struct run *r, struct agency *a)
{
	struct reply_list *l = list(a);

	for (size_t i = 0; i < r->n_decision; i++) {
		const struct decision *d = &r->decision[i];
		ProtobufCBinaryData id;
		const struct pb_referral_row *row;

		if (d->agency != a->index)
			continue;
		id = message_borrow(view_of(d->referral, sizeof(d->referral)));
		row = find_row(l, &id);
		MUST(&r->w, row && (int)row->state == d->state);
	}
	reply_list_free(l);
}

static void check_records(struct run *r, struct agency *a)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_record_list ask = PB_RECORD_LIST_INIT;
	struct reply_list *l;

	m.record_list = &ask;
	l = world_ask(a, &m);
	for (size_t i = 0; i < GIVEN_RECORDS; i++) {
		bool found = !r->has_record[a->index][i];

		for (size_t j = 0; j < l->n && !found; j++)
			found = l->reply[j]->record && memcmp(l->reply[j]->record->id.data,
							      r->record_id[a->index][i], 16) == 0;
		MUST(&r->w, found);
	}
	reply_list_free(l);
}

static void check_verify(struct run *r, struct agency *a, struct agency *peer)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_audit_verify ask = PB_AUDIT_VERIFY_INIT;
	struct reply_list *l;

	ask.peer = peer ? peer->id.text : NULL;
	m.audit_verify = &ask;
	l = world_ask(a, &m);
	MUST(&r->w,
	     l->is_whole && l->n && l->reply[0]->verify); /* each epoch, if there are several */
	for (size_t i = 0; i < l->n; i++) {
		const struct pb_verify_result *result = l->reply[i]->verify;

		if (result && !result->ok)
			trace_say(&r->w, "%s: verify: %s", a->label, result->problem);
		MUST(&r->w, result ? result->ok : !l->reply[i]->error);
	}
	reply_list_free(l);
}

static void check_reconcile(struct run *r, struct agency *a, struct agency *peer)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_audit_reconcile ask = PB_AUDIT_RECONCILE_INIT;
	const struct pb_reconcile_result *result;
	struct reply_list *l;

	ask.peer = peer->id.text;
	m.audit_reconcile = &ask;
	l = world_ask(a, &m);
	MUST(&r->w, l->n == 1 && l->reply[0]->reconcile);
	result = l->reply[0]->reconcile;
	MUST(&r->w, result->ok && result->sent_k == result->sent_held &&
			    result->received_k == result->received_written);
	reply_list_free(l);
}

void rest_check(struct run *r)
{
	struct world *w = &r->w;

	for (size_t i = 0; i < w->n_agency; i++) {
		check_records(r, &w->agency[i]);
		check_decisions(r, &w->agency[i]);
		for (size_t j = 0; j < w->n_agency; j++)
			if (i != j)
				check_pair(r, &w->agency[i], &w->agency[j]);
	}
	rest_wait(r); /* reading has told the senders */
	for (size_t i = 0; i < w->n_agency; i++) {
		check_verify(r, &w->agency[i], NULL);
		for (size_t j = 0; j < w->n_agency; j++) {
			if (i == j)
				continue;
			check_verify(r, &w->agency[i], &w->agency[j]);
			check_reconcile(r, &w->agency[i], &w->agency[j]);
		}
	}
}
