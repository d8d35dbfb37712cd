/*
 * sim [--seeds N] [--seed FIRST]: worlds of 2 to 4 nodes with cuts, crashes and restarts, checked
 * when they have come to rest. A failing seed stops the program and names itself; run it again with
 * --seed S --seeds 1.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "crypto/digest.h"
#include "policy/agreement.h"
#include "record/json.h"
#include "record/slice.h"
#include "wire/message.h"
#include "world.h"

#define SECOND UINT64_C(1000000)
#define RECORDS_MAX 3
#define REST_LIMIT_S 1800

/* What every world has: records to import and one agreement of all. */
static struct {
	struct {
		enum record_type type;
		struct buf bytes;
	} record[RECORDS_MAX];
	size_t n_record;
	struct buf agreement;
	struct agreement *parsed;
} given;

/* What a run did, to compare with what arrived. */
struct run {
	struct world w;
	uint8_t record_id[WORLD_AGENCIES_MAX][RECORDS_MAX][16];
	bool has_record[WORLD_AGENCIES_MAX];
	bool has_adopted[WORLD_AGENCIES_MAX];
	uint64_t n_sent[WORLD_AGENCIES_MAX][WORLD_AGENCIES_MAX];    /* acknowledged */
	uint64_t n_unknown[WORLD_AGENCIES_MAX][WORLD_AGENCIES_MAX]; /* the node crashed meanwhile */
	uint64_t n_decided;
};

static void read_file(const char *folder, const char *name, struct buf *out)
{
	char path[400];
	FILE *f;
	uint8_t *to;
	size_t n;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "rb");
	if (!f) {
		perror(path);
		exit(2);
	}
	while (buf_reserve(out, 65536, &to) == ERR_OK && (n = fread(to, 1, 65536, f)) > 0)
		buf_advance(out, n);
	fclose(f);
}

static void prepare(const char *conf)
{
	static const char *const files[RECORDS_MAX] = {"demo/victim-1.json", "demo/victim-2.json",
						       "demo/case-1.json"};

	for (size_t i = 0; i < RECORDS_MAX; i++) {
		struct buf json = {0};

		read_file(conf, files[i], &json);
		if (record_from_json(buf_view(&json), &given.record[i].type,
				     &given.record[i].bytes)) {
			fprintf(stderr, "sim: %s: %s\n", files[i], err_words());
			exit(2);
		}
		buf_fini(&json);
	}
	given.n_record = RECORDS_MAX;
	read_file(conf, "../tests/sim/agreement.yaml", &given.agreement);
	if (agreement_parse(buf_view(&given.agreement), &given.parsed)) {
		fprintf(stderr, "sim: agreement: %s\n", err_words());
		exit(2);
	}
}

/* --- what agencies do --- */

static void import_records(struct run *r, struct agency *a)
{
	for (size_t i = 0; i < given.n_record; i++) {
		struct pb_api_request m = PB_API_REQUEST_INIT;
		struct pb_record_import import = PB_RECORD_IMPORT_INIT;
		struct reply_list *l;

		import.has_type = import.has_record = 1;
		import.type = (uint32_t)given.record[i].type;
		import.record = message_borrow(buf_view(&given.record[i].bytes));
		m.record_import = &import;
		l = world_ask(a, &m);
		if (!l->is_whole) {
			reply_list_free(l);
			return;
		}
		MUST(&r->w, l->n == 1 && l->reply[0]->record && l->reply[0]->record->id.len == 16);
		memcpy(r->record_id[a->index][i], l->reply[0]->record->id.data, 16);
		reply_list_free(l);
	}
	r->has_record[a->index] = true;
}

static void adopt(struct run *r, struct agency *a)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_agreement_adopt adoption = PB_AGREEMENT_ADOPT_INIT;
	struct reply_list *l;

	adoption.has_file = 1;
	adoption.file = message_borrow(buf_view(&given.agreement));
	m.agreement_adopt = &adoption;
	l = world_ask(a, &m);
	MUST(&r->w, !l->is_whole || (l->n == r->w.n_agency && !l->reply[0]->error));
	r->has_adopted[a->index] = l->is_whole;
	reply_list_free(l);
}

/* Sent, or refused because the other side has not adopted yet. */
static void send(struct run *r, struct agency *a, struct agency *to)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_referral_send ask = PB_REFERRAL_SEND_INIT;
	struct pb_referral terms = PB_REFERRAL_INIT;
	struct pb_consent consent = PB_CONSENT_INIT;
	const size_t which = world_random(&r->w, given.n_record);
	struct reply_list *l;

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
	ask.record_id = message_borrow(view_of(r->record_id[a->index][which], 16));
	ask.peer = to->id.text;
	ask.purpose = PB(PURPOSE, CHILD_PROTECTION);
	ask.terms = &terms;
	m.referral_send = &ask;
	l = world_ask(a, &m);
	MUST(&r->w, !l->is_whole || l->n == 1);
	if (!l->is_whole)
		r->n_unknown[a->index][to->index]++;
	else if (!l->reply[0]->error)
		r->n_sent[a->index][to->index]++;
	reply_list_free(l);
}

static struct reply_list *list(struct agency *a)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_referral_list ask = PB_REFERRAL_LIST_INIT;

	m.referral_list = &ask;
	return world_ask(a, &m);
}

/* Accept or decline what awaits this agency's answer. */
static void decide(struct run *r, struct agency *a)
{
	struct reply_list *l = list(a);

	for (size_t i = 0; i < l->n && a->node; i++) {
		struct pb_api_request m = PB_API_REQUEST_INIT;
		struct pb_referral_decide ask = PB_REFERRAL_DECIDE_INIT;
		const struct pb_referral_row *row = l->reply[i]->referral;
		static char why[] = "decided in the simulation";
		struct reply_list *answer;

		if (!row || !row->awaits_us)
			continue;
		ask.has_id = ask.has_state = 1;
		ask.id = row->id;
		ask.state = world_random(&r->w, 4) ? PB(REFERRAL_STATE, ACCEPTED)
						   : PB(REFERRAL_STATE, DECLINED);
		ask.reason = why;
		m.referral_decide = &ask;
		answer = world_ask(a, &m);
		MUST(&r->w, !answer->is_whole || (answer->n == 1 && answer->reply[0]->referral));
		r->n_decided += answer->is_whole;
		reply_list_free(answer);
	}
	reply_list_free(l);
}

static void fault(struct run *r)
{
	struct world *w = &r->w;
	struct agency *a = &w->agency[world_random(w, w->n_agency)];
	struct agency *b = &w->agency[world_random(w, w->n_agency)];

	switch (world_random(w, 6)) {
	case 0:
	case 1:
		world_cut(w, a->index, b->index);
		break;
	case 2:
		world_crash(a, false);
		break;
	case 3:
		world_crash(a, true);
		break;
	case 4:
		world_stop(a);
		break;
	case 5:
		w->cut[a->index][b->index] = !w->cut[a->index][b->index];
		break;
	}
}

static void act(struct run *r)
{
	struct world *w = &r->w;
	struct agency *a = &w->agency[world_random(w, w->n_agency)];
	struct agency *to = &w->agency[world_random(w, w->n_agency)];

	if (!a->node) {
		if (world_random(w, 2))
			world_start(a);
		return;
	}
	if (!r->has_record[a->index])
		import_records(r, a);
	else if (!r->has_adopted[a->index])
		adopt(r, a);
	else if (a != to && world_random(w, 3))
		send(r, a, to);
	else
		decide(r, a);
}

/* --- what must hold --- */

static struct pb_peer_row *peer_row(struct reply_list *l, const struct agency *peer)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->reply[i]->peer && strcmp(l->reply[i]->peer->id, peer->id.text) == 0)
			return l->reply[i]->peer;
	return NULL;
}

static struct reply_list *peers(struct agency *a)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_peer_list ask = PB_PEER_LIST_INIT;

	m.peer_list = &ask;
	return world_ask(a, &m);
}

static bool pair_is_at_rest(struct reply_list *from, const struct agency *a, struct reply_list *to,
			    const struct agency *b)
{
	struct pb_peer_row *out = peer_row(from, b), *in = peer_row(to, a);

	return out && in && out->sent_k == in->received_k && strcmp(out->state, "connected") == 0;
}

static bool is_at_rest(struct run *r)
{
	struct world *w = &r->w;
	struct reply_list *l[WORLD_AGENCIES_MAX];
	bool rest = true;

	for (size_t i = 0; i < w->n_agency; i++)
		l[i] = peers(&w->agency[i]);
	for (size_t i = 0; i < w->n_agency; i++)
		for (size_t j = 0; j < w->n_agency; j++)
			if (i != j && !pair_is_at_rest(l[i], &w->agency[i], l[j], &w->agency[j]))
				rest = false;
	for (size_t i = 0; i < w->n_agency; i++)
		reply_list_free(l[i]);
	return rest;
}

/* Everything up, nothing cut: let it come to rest. */
static void heal(struct run *r)
{
	struct world *w = &r->w;

	memset(w->cut, 0, sizeof(w->cut));
	for (size_t i = 0; i < w->n_agency; i++) {
		w->agency[i].fail_last_signed = w->agency[i].swallow = false;
		if (!w->agency[i].node)
			world_start(&w->agency[i]);
	}
	for (int s = 0; s < REST_LIMIT_S; s += 5) {
		world_run(w, 5 * SECOND);
		if (is_at_rest(r))
			return;
	}
	world_broken(w, "the world comes to rest", __FILE__, __LINE__);
}

static void check_verify(struct run *r, struct agency *a, struct agency *peer)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_audit_verify ask = PB_AUDIT_VERIFY_INIT;
	struct reply_list *l;

	ask.peer = peer ? peer->id.text : NULL;
	m.audit_verify = &ask;
	l = world_ask(a, &m);
	MUST(&r->w, l->n == 1 && l->reply[0]->verify);
	if (!l->reply[0]->verify->ok)
		fprintf(stderr, "sim: %s\n", l->reply[0]->verify->problem);
	MUST(&r->w, l->reply[0]->verify->ok);
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

static const struct pb_referral_row *find_row(struct reply_list *l, const ProtobufCBinaryData *id)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->reply[i]->referral &&
		    memcmp(l->reply[i]->referral->id.data, id->data, id->len) == 0)
			return l->reply[i]->referral;
	return NULL;
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

/* What the referrals about one record, from one peer, allow together: openings of one manifest are
 * held once. */
static void widest_case(struct agency *a, struct reply_list *in, const struct pb_referral_row *row,
			struct policy_case *c)
{
	for (size_t i = 0; i < in->n; i++) {
		const struct pb_referral_row *other = in->reply[i]->referral;
		struct reply_list *l;

		if (!other || other->side != row->side || strcmp(other->peer, row->peer) != 0 ||
		    memcmp(other->record_id.data, row->record_id.data, row->record_id.len) != 0)
			continue;
		l = show(a, &other->id, false);
		if (other->state == PB(REFERRAL_STATE, ACCEPTED))
			c->stage = POLICY_ACCEPTED;
		if (l->reply[1]->referral_content->terms->consent)
			c->has_consent = true;
		reply_list_free(l);
	}
}

/* Nothing withheld has arrived: every slice is one that a rule allows at the stage reached. */
static void check_disclosed(struct run *r, struct agency *a, struct reply_list *in,
			    const struct pb_referral_row *row)
{
	const struct pb_record_content *content;
	struct slice_set set = {0};
	struct policy_case c = {.purpose = (int)row->purpose,
				.stage = POLICY_REQUEST,
				.utc_us = row->time_us,
				.schema_version = FIELD_SCHEMA_VERSION};
	struct reply_list *l = show(a, &row->id, true);

	MUST(&r->w,
	     l->n == 2 && l->reply[1]->referral_content && l->reply[1]->referral_content->record);
	content = l->reply[1]->referral_content->record;
	MUST(&r->w, record_type_from_name(content->type, &c.type));
	widest_case(a, in, row, &c);
	MUST(&r->w, record_cut(c.type, view_of(content->record.data, content->record.len), &set) ==
			    ERR_OK);
	MUST(&r->w, set.n == content->n_disclosed && set.n >= row->n_disclosed);
	for (size_t i = 0; i < set.n; i++)
		MUST(&r->w,
		     policy_judge(given.parsed, &c, set.slice[i].unit).answer == POLICY_ALLOWED);
	slice_set_fini(&set);
	reply_list_free(l);
}

/* All that may be disclosed at the stage reached was disclosed. */
static void check_complete(struct run *r, struct agency *from, const struct pb_referral_row *row)
{
	struct reply_list *l = show(from, &row->id, true);
	const struct pb_referral_content *content = l->reply[1]->referral_content;
	struct policy_case c = {.purpose = (int)row->purpose,
				.stage = row->state == PB(REFERRAL_STATE, ACCEPTED)
						 ? POLICY_ACCEPTED
						 : POLICY_REQUEST,
				.has_consent = content->terms->consent != NULL,
				.utc_us = row->time_us,
				.schema_version = FIELD_SCHEMA_VERSION};
	struct slice_set set = {0};
	size_t n_allowed = 0;

	MUST(&r->w, record_type_from_name(content->record->type, &c.type));
	MUST(&r->w,
	     record_cut(c.type, view_of(content->record->record.data, content->record->record.len),
			&set) == ERR_OK);
	for (size_t i = 0; i < set.n; i++)
		n_allowed +=
			policy_judge(given.parsed, &c, set.slice[i].unit).answer == POLICY_ALLOWED;
	MUST(&r->w, n_allowed == row->n_disclosed);
	slice_set_fini(&set);
	reply_list_free(l);
}

static void check_referrals(struct run *r, struct agency *from, struct agency *to)
{
	struct reply_list *out = list(from), *in = list(to);
	uint64_t n_out = 0, n_in = 0;

	for (size_t i = 0; i < out->n; i++) {
		const struct pb_referral_row *row = out->reply[i]->referral, *there;

		if (!row || row->side != PB(LIST_SIDE, OUT) || strcmp(row->peer, to->id.text) != 0)
			continue;
		n_out++;
		there = find_row(in, &row->id);
		MUST(&r->w, strcmp(row->delivery, "received") == 0 ||
				    strcmp(row->delivery, "opened") == 0);
		MUST(&r->w, there != NULL && there->side == PB(LIST_SIDE, IN));
		MUST(&r->w, there->state == row->state);
		MUST(&r->w, there->n_disclosed == row->n_disclosed);
		check_disclosed(r, to, in, there);
		check_complete(r, from, row);
	}
	for (size_t i = 0; i < in->n; i++)
		n_in += in->reply[i]->referral &&
			in->reply[i]->referral->side == PB(LIST_SIDE, IN) &&
			strcmp(in->reply[i]->referral->peer, from->id.text) == 0;
	MUST(&r->w, n_out == n_in);
	MUST(&r->w, n_out >= r->n_sent[from->index][to->index]);
	MUST(&r->w,
	     n_out <= r->n_sent[from->index][to->index] + r->n_unknown[from->index][to->index]);
	reply_list_free(out);
	reply_list_free(in);
}

static void check(struct run *r)
{
	struct world *w = &r->w;

	for (size_t i = 0; i < w->n_agency; i++)
		for (size_t j = 0; j < w->n_agency; j++)
			if (i != j)
				check_referrals(r, &w->agency[i], &w->agency[j]);
	for (int s = 0; !is_at_rest(r); s++) {
		MUST(w, s < 60);
		world_run(w, SECOND);
	}
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

/* --- one seed --- */

struct totals {
	uint64_t n_referrals, n_decided, n_crashes, n_cuts, n_restarts, n_events;
};

static void run_seed(uint64_t seed, const char *folder, struct totals *t)
{
	struct run *r = calloc(1, sizeof(*r));
	struct world *w;

	ASSERT(r);
	w = &r->w;
	world_init(w, seed, 2 + seed % 3, folder);
	world_run(w, 5 * SECOND);
	for (uint64_t i = 0, n = 30 + world_random(w, 60); i < n; i++) {
		world_run(w, world_random(w, 3 * SECOND));
		if (world_random(w, 5) == 0)
			fault(r);
		else
			act(r);
	}
	heal(r);
	for (size_t i = 0; i < w->n_agency; i++) {
		if (!r->has_record[i])
			import_records(r, &w->agency[i]);
		if (!r->has_adopted[i])
			adopt(r, &w->agency[i]);
	}
	heal(r);
	for (size_t i = 0; i < w->n_agency; i++) {
		send(r, &w->agency[i], &w->agency[(i + 1) % w->n_agency]);
		MUST(w, r->n_sent[i][(i + 1) % w->n_agency] > 0);
	}
	heal(r);
	check(r);
	for (size_t i = 0; i < w->n_agency; i++)
		for (size_t j = 0; j < w->n_agency; j++)
			t->n_referrals += r->n_sent[i][j];
	t->n_decided += r->n_decided;
	t->n_crashes += w->n_crashes;
	t->n_cuts += w->n_cuts;
	t->n_restarts += w->n_restarts;
	t->n_events += w->n_events;
	world_fini(w);
	free(r);
}

static void quiet(void *ctx, enum log_level level, const char *line)
{
	const bool *verbose = ctx;

	(void)level;
	if (*verbose)
		fprintf(stderr, "log: %s\n", line);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"seeds", required_argument, NULL, 'n'},
		{"seed", required_argument, NULL, 's'},
		{"conf", required_argument, NULL, 'c'},
		{"verbose", no_argument, NULL, 'v'},
		{0},
	};
	const char *conf = getenv("AMPARO_CONF");
	char folder[] = "/dev/shm/amparo-XXXXXX";
	uint64_t n = 20, first = 1;
	struct totals t = {0};
	bool verbose = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'n')
			n = strtoull(optarg, NULL, 10);
		else if (c == 's')
			first = strtoull(optarg, NULL, 10);
		else if (c == 'c')
			conf = optarg;
		else if (c == 'v')
			verbose = true;
		else
			return 64;
	}
	if (getenv("AMPARO_QUICK") && n > 10)
		n = 10;
	if (!mkdtemp(folder)) {
		perror("sim: /dev/shm");
		return 2;
	}
	log_set_sink(quiet, &verbose);
	if (crypto_init())
		return 2;
	prepare(conf ? conf : "conf");
	for (uint64_t i = 0; i < n; i++)
		run_seed(first + i, folder, &t);
	printf("sim: seeds %" PRIu64 "..%" PRIu64 ": %" PRIu64 " referrals, %" PRIu64
	       " decisions, %" PRIu64 " starts, %" PRIu64 " crashes, %" PRIu64 " cuts, %" PRIu64
	       " events: all entries arrived once and in order, all ledgers verify\n",
	       first, first + n - 1, t.n_referrals, t.n_decided, t.n_restarts, t.n_crashes,
	       t.n_cuts, t.n_events);
	rmdir(folder);
	for (size_t i = 0; i < given.n_record; i++)
		buf_fini(&given.record[i].bytes);
	buf_fini(&given.agreement);
	agreement_free(given.parsed);
	crypto_fini();
	return 0;
}
