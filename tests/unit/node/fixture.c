#include "unit/node/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "crypto/digest.h"
#include "crypto/random.h"
#include "record/json.h"
#include "unit/node/folder.h"

static const char *const ids[N_AGENCIES] = {
	"spiffe://cz.example/umpod",
	"spiffe://sk.example/cipc",
	"spiffe://at.example/jugendamt",
};
static const char *const domains[N_AGENCIES] = {"cz.example", "sk.example", "at.example"};

static const char agreement_text[] =
	"agreement: test of the node\n"
	"parties:\n"
	"  - spiffe://cz.example/umpod\n"
	"  - spiffe://sk.example/cipc\n"
	"  - spiffe://at.example/jugendamt\n"
	"valid: {from: 2026-01-01, until: 2026-12-31}\n"
	"purposes: [child-protection, missing-child]\n"
	"rules:\n"
	"  - name: outline\n"
	"    record: VictimRecord\n"
	"    stage: request\n"
	"    fields: [derived, origin.preferred_language, identity.nationalities]\n"
	"    consent: not-required\n"
	"    retention_days: 365\n"
	"    onward: none\n"
	"  - name: who it is\n"
	"    record: VictimRecord\n"
	"    stage: accepted\n"
	"    fields: [identity]\n"
	"    consent: not-required\n"
	"    retention_days: 365\n"
	"    onward: none\n"
	"  - name: health\n"
	"    record: VictimRecord\n"
	"    stage: request\n"
	"    fields: [health]\n"
	"    consent: required\n"
	"    retention_days: 30\n"
	"    onward: none\n";

/* --- the port --- */

static uint64_t port_mono_ms(void *ctx)
{
	return ((struct host *)ctx)->f->mono_ms;
}

static uint64_t port_utc_us(void *ctx)
{
	return ((struct host *)ctx)->f->utc_us;
}

static void fill_random(void *ctx, uint8_t *p, size_t n)
{
	struct fixture *f = ctx;

	for (size_t i = 0; i < n; i++) {
		f->random ^= f->random << 13;
		f->random ^= f->random >> 7;
		f->random ^= f->random << 17;
		p[i] = (uint8_t)(f->random >> 24);
	}
}

static enum err port_random(void *ctx, void *p, size_t n)
{
	fill_random(((struct host *)ctx)->f, p, n);
	return ERR_OK;
}

static void port_send(void *ctx, uint64_t session, struct view frame)
{
	struct host *h = ctx;
	struct sent *s;

	assert_false(h->signed_waits); /* nothing leaves while it does, here and below */
	h->sent = realloc(h->sent, (h->n_sent + 1) * sizeof(*h->sent));
	assert_non_null(h->sent);
	s = &h->sent[h->n_sent++];
	*s = (struct sent){.session = session};
	assert_int_equal(buf_put_view(&s->bytes, frame), ERR_OK);
	assert_true(frame.n <= FRAME_BODY_MAX);
	assert_int_equal(message_decode(&pb_frame_desc, frame, MESSAGE_STRICT, &s->frame), ERR_OK);
}

static void port_close(void *ctx, uint64_t session)
{
	struct host *h = ctx;

	assert_false(h->signed_waits);
	h->closed = realloc(h->closed, (h->n_closed + 1) * sizeof(*h->closed));
	assert_non_null(h->closed);
	h->closed[h->n_closed++] = session;
}

static void port_dial(void *ctx, const struct agency_id *peer)
{
	struct host *h = ctx;

	assert_false(h->signed_waits);
	for (size_t i = 0; i < N_AGENCIES; i++)
		h->n_dials[i] += agency_id_eq(peer, &h->f->agency[i].id);
}

static size_t port_unsent(void *ctx, uint64_t session)
{
	(void)session;
	return ((struct host *)ctx)->unsent;
}

static void port_test(void *ctx, const struct agency_id *peer)
{
	(void)peer;
	((struct host *)ctx)->n_tests++;
}

static uint64_t port_free_bytes(void *ctx)
{
	const struct host *h = ctx;

	return h->free_bytes ? h->free_bytes : UINT64_MAX;
}

static void port_credit(void *ctx, uint64_t session, size_t n_bytes)
{
	struct host *h = ctx;

	(void)session;
	assert_false(h->signed_waits);
	h->n_credit += n_bytes;
}

static void port_reply(void *ctx, uint64_t caller, struct view reply)
{
	struct host *h = ctx;
	struct pb_api_reply *m;

	(void)caller;
	assert_false(h->signed_waits);
	assert_true(reply.n <= FRAME_BODY_MAX);
	assert_int_equal(message_decode(&pb_api_reply_desc, reply, MESSAGE_STRICT, &m), ERR_OK);
	h->reply = realloc(h->reply, (h->n_reply + 1) * sizeof(struct pb_api_reply *));
	assert_non_null(h->reply);
	h->reply[h->n_reply++] = m;
}

static enum err port_last_signed(void *ctx, struct view newest, struct view previous)
{
	struct host *h = ctx;

	assert_true(newest.n <= NOTE_MAX && previous.n <= NOTE_MAX);
	assert_false(h->signed_waits);
	memcpy(h->newest, newest.p, newest.n);
	h->n_newest = newest.n;
	if (previous.n)
		memcpy(h->previous, previous.p, previous.n);
	h->n_previous = previous.n;
	h->n_last_signed++;
	h->signed_waits = !h->fail_last_signed;
	return h->fail_last_signed ? err_new(ERR_IO, "a disk that is full, says the test") : ERR_OK;
}

static enum err port_signed_sync(void *ctx)
{
	struct host *h = ctx;

	assert_true(h->signed_waits);
	h->signed_waits = false;
	return h->fail_signed_sync ? err_new(ERR_IO, "a disk that broke, says the test") : ERR_OK;
}

/* --- hosts --- */

static struct node_options options_of(struct host *h)
{
	return (struct node_options){
		.agency = h->id,
		.database = h->database,
		.node_key = h->node_key,
		.seal_key = h->seal_key,
		.seal_chain = &h->chain,
		.trust = h->f->trust,
		.peer = h->peer,
		.n_peer = h->n_peer,
		.limits = h->limits,
		.last_signed_newest = view_of(h->newest, h->n_newest),
		.last_signed_previous = view_of(h->previous, h->n_previous),
		.port = {.ctx = h,
			 .mono_ms = port_mono_ms,
			 .utc_us = port_utc_us,
			 .random = port_random,
			 .send = port_send,
			 .close = port_close,
			 .dial = port_dial,
			 .unsent = port_unsent,
			 .test = port_test,
			 .free_bytes = port_free_bytes,
			 .credit = port_credit,
			 .reply = port_reply,
			 .last_signed = port_last_signed,
			 .signed_sync = port_signed_sync},
	};
}

void host_init(struct host *h)
{
	struct node_options o = options_of(h);

	assert_int_equal(node_init(&o), ERR_OK);
}

enum err host_try(struct host *h)
{
	struct node_options o = options_of(h);

	assert_null(h->node);
	err_clear();
	return node_open(&o, &h->node);
}

void host_start(struct host *h)
{
	if (host_try(h))
		fail_msg("node_open: %s", err_detail());
}

void host_stop(struct host *h)
{
	node_close(h->node);
	h->node = NULL;
	h->signed_waits = false;
}

/* Is a turn wanted now: more is queued, or a timer is due? */
static bool wants_turn(const struct host *h, bool more)
{
	return more || node_deadline_ms(h->node) <= h->f->mono_ms;
}

void host_turn(struct host *h)
{
	bool more = true;

	for (int i = 0; i == 0 || wants_turn(h, more); i++) {
		enum err e = node_turn(h->node, &more);

		if (e)
			fail_msg("the node ended: %s %s", err_name(e), err_detail());
		assert_true(i < 100000);
	}
}

static void forget_replies(struct host *h)
{
	for (size_t i = 0; i < h->n_reply; i++)
		message_free(h->reply[i]);
	h->n_reply = 0;
}

void host_forget(struct host *h)
{
	for (size_t i = 0; i < h->n_sent; i++) {
		message_free(h->sent[i].frame);
		buf_fini(&h->sent[i].bytes);
	}
	h->n_sent = h->n_closed = h->n_credit = 0;
	memset(h->n_dials, 0, sizeof(h->n_dials));
}

bool host_has_closed(const struct host *h, uint64_t session)
{
	for (size_t i = 0; i < h->n_closed; i++)
		if (h->closed[i] == session)
			return true;
	return false;
}

uint64_t host_files(const struct host *h)
{
	static const char *const endings[] = {"", "-wal"};
	uint64_t hash = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
		uint8_t bytes[4096];
		char path[400];
		size_t n;
		FILE *f;

		(void)snprintf(path, sizeof(path), "%s%s", h->database, endings[i]);
		f = fopen(path, "rb");
		while (f && (n = fread(bytes, 1, sizeof(bytes), f)) > 0)
			for (size_t j = 0; j < n; j++)
				hash = (hash ^ bytes[j]) * UINT64_C(1099511628211);
		if (f)
			(void)fclose(f);
	}
	return hash;
}

struct peer *host_peer(struct host *h, enum who who)
{
	struct peer *p = peer_by_id(h->node, &h->f->agency[who].id);

	assert_non_null(p);
	return p;
}

void fixture_pass(struct fixture *f, uint64_t ms)
{
	f->mono_ms += ms;
	f->utc_us += ms * 1000;
}

/* --- asking --- */

void host_queue(struct host *h, uint32_t roles, struct pb_api_request *m)
{
	const struct node_caller caller = {
		.id = 1, .uid = 1000, .roles = roles, .person = "caseworker"};
	CLEANUP(buf_fini) struct buf encoded = {0};

	m->has_id = 1;
	m->id = ++h->next_request;
	assert_int_equal(message_encode(m, &encoded), ERR_OK);
	assert_int_equal(node_request(h->node, &caller, buf_view(&encoded)), ERR_OK);
}

void host_ask(struct host *h, uint32_t roles, struct pb_api_request *m)
{
	forget_replies(h);
	host_queue(h, roles, m);
	host_turn(h);
	for (size_t i = 0; i < h->n_reply; i++)
		assert_int_equal(h->reply[i]->id, m->id);
}

int host_error(const struct host *h)
{
	const struct pb_api_reply *last;

	assert_true(h->n_reply > 0);
	last = h->reply[h->n_reply - 1];
	assert_false(last->has_more && last->more);
	return last->error ? (int)last->error->code : 0;
}

/* A new one, or a revision of the record of this id. */
static void import(struct host *h, const uint8_t *replaces, uint8_t *ret_id)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_record_import ask = PB_RECORD_IMPORT_INIT;

	ask.has_type = ask.has_record = 1;
	ask.type = RECORD_VICTIM;
	ask.record = message_borrow(buf_view(&h->f->record));
	ask.has_replaces = replaces != NULL;
	ask.replaces = message_borrow(view_of(replaces, replaces ? 16 : 0));
	m.record_import = &ask;
	host_ask(h, EVERYONE, &m);
	assert_int_equal(host_error(h), 0);
	memcpy(ret_id, h->reply[0]->record->id.data, 16);
}

void host_import(struct host *h, uint8_t ret_id[16])
{
	import(h, NULL, ret_id);
}

void host_revise(struct host *h, const uint8_t id[16])
{
	uint8_t same[16];

	import(h, id, same);
	assert_memory_equal(same, id, sizeof(same));
}

void host_adopt(struct host *h)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_agreement_adopt adopt = PB_AGREEMENT_ADOPT_INIT;

	adopt.has_file = 1;
	adopt.file = message_borrow(buf_view(&h->f->agreement));
	m.agreement_adopt = &adopt;
	host_ask(h, EVERYONE, &m);
	assert_int_equal(host_error(h), 0);
}

static void refer_by(struct host *h, void (*ask)(struct host *, uint32_t, struct pb_api_request *),
		     enum who to, const uint8_t id[16])
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_referral_send send = PB_REFERRAL_SEND_INIT;
	struct pb_referral terms = PB_REFERRAL_INIT;

	terms.has_type = terms.has_urgency = terms.has_responsibility = terms.has_basis = 1;
	terms.type = PB(REFERRAL_TYPE, TRACING);
	terms.urgency = PB(URGENCY, URGENT);
	terms.responsibility = PB(RESPONSIBILITY, REFERRAL);
	terms.basis = PB(LEGAL_BASIS, PUBLIC_TASK);
	send.has_record_id = send.has_purpose = 1;
	send.record_id = message_borrow(view_of(id, 16));
	send.peer = h->f->agency[to].id.text;
	send.purpose = PB(PURPOSE, CHILD_PROTECTION);
	send.terms = &terms;
	m.referral_send = &send;
	ask(h, EVERYONE, &m);
}

int host_refer(struct host *h, enum who to, const uint8_t id[16], struct digest *ret_leaf)
{
	refer_by(h, host_ask, to, id);
	if (host_error(h) == 0 && ret_leaf)
		assert_true(
			digest_from_view(ret_leaf, message_bytes(1, h->reply[0]->referral->id)));
	return host_error(h);
}

void host_queue_referral(struct host *h, enum who to, const uint8_t id[16])
{
	refer_by(h, host_queue, to, id);
}

/* --- the whole --- */

static void count_log(void *ctx, enum log_level level, const char *line)
{
	struct fixture *f = ctx;

	f->n_log[level]++;
	if (level == LOG_ERR)
		(void)snprintf(f->log_err, sizeof(f->log_err), "%s", line);
	if (getenv("AMPARO_LOG"))
		fprintf(stderr, "log %d: %s\n", (int)level, line);
}

static void host_papers(struct fixture *f, enum who who)
{
	struct host *h = &f->agency[who];
	struct pki_leaf_options seal = {
		.id = ids[who], .purpose = CERT_SEAL, .utc_s = START_US / 1000000};
	uint8_t key[32];

	h->f = f;
	h->who = who;
	assert_int_equal(agency_id_parse(view_str(ids[who]), &h->id), ERR_OK);
	(void)snprintf(h->database, sizeof(h->database), "%s/%s.db", f->folder,
		       agency_id_name(&h->id));
	memset(key, (int)who + 1, sizeof(key));
	assert_int_equal(secret_new(view_of(key, sizeof(key)), &h->node_key), ERR_OK);
	pki_issue(f->ca[who], &seal, &h->leaf);
	assert_int_equal(seal_key_from_pem(buf_view(&h->leaf.key_pem), &h->seal_key), ERR_OK);
	assert_int_equal(cert_chain_from_pem(buf_view(&h->leaf.cert_pem), &h->chain), ERR_OK);
}

static void read_record(struct fixture *f)
{
	CLEANUP(buf_fini) struct buf json = {0};
	enum record_type type;
	uint8_t *room;
	FILE *file = fopen(DEMO_DIR "/victim-1.json", "rb");

	assert_non_null(file);
	assert_int_equal(buf_reserve(&json, 1 << 20, &room), ERR_OK);
	buf_advance(&json, fread(room, 1, 1 << 20, file));
	(void)fclose(file);
	assert_int_equal(record_from_json(buf_view(&json), &type, &f->record), ERR_OK);
	assert_int_equal(type, RECORD_VICTIM);
}

static void read_agreement(struct fixture *f)
{
	struct agreement *a;

	assert_int_equal(buf_put_str(&f->agreement, agreement_text), ERR_OK);
	if (agreement_parse(buf_view(&f->agreement), &a))
		fail_msg("agreement: %s", err_words());
	f->agreement_id = *agreement_digest(a);
	agreement_free(a);
}

struct fixture *fixture_new(void)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_int_equal(crypto_init(), ERR_OK);
	log_set_sink(count_log, f);
	folder_new(f->folder);
	f->mono_ms = START_MS;
	f->utc_us = START_US;
	f->random = 88172645463325252u;
	random_set_source(fill_random, f);
	assert_int_equal(trust_new(&f->trust), ERR_OK);
	for (size_t i = 0; i < N_AGENCIES; i++) {
		f->ca[i] = pki_ca_new(&(struct pki_ca_options){.domain = domains[i],
							       .utc_s = START_US / 1000000});
		pki_trust_add(f->trust, f->ca[i], domains[i], START_US / 1000000);
		host_papers(f, (enum who)i);
	}
	for (size_t i = 0; i < N_AGENCIES; i++)
		for (size_t j = 0; j < N_AGENCIES; j++)
			if (i != j)
				f->agency[i].peer[f->agency[i].n_peer++] =
					(struct node_peer){.id = f->agency[j].id, .may_dial = true};
	read_record(f);
	read_agreement(f);
	host_init(&f->agency[CZ]);
	host_start(&f->agency[CZ]);
	host_turn(&f->agency[CZ]);
	host_forget(&f->agency[CZ]);
	return f;
}

static void host_fini(struct host *h)
{
	host_stop(h);
	host_forget(h);
	forget_replies(h);
	free(h->sent);
	free(h->closed);
	free(h->reply);
	cert_chain_fini(&h->chain);
	seal_key_free(h->seal_key);
	secret_free(h->node_key);
	pki_leaf_fini(&h->leaf);
}

void fixture_free(struct fixture *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < N_AGENCIES; i++) {
		host_fini(&f->agency[i]);
		pki_ca_free(f->ca[i]);
	}
	trust_free(f->trust);
	buf_fini(&f->record);
	buf_fini(&f->agreement);
	folder_remove(f->folder);
	random_set_source(NULL, NULL);
	log_set_sink(NULL, NULL);
	free(f);
	crypto_fini();
}

/* --- two nodes --- */

struct wire wire_connect(struct host *dialler, struct host *listener)
{
	struct fixture *f = dialler->f;
	struct wire w = {.end = {dialler, listener}};
	uint8_t exporter[EXPORTER_BYTES];

	fill_random(f, exporter, sizeof(exporter));
	for (int i = 0; i < 2; i++) {
		w.session[i] = ++f->next_session;
		assert_int_equal(node_session_opened(w.end[i]->node, w.session[i],
						     i ? TLS_LISTENER : TLS_DIALLER, &w.end[!i]->id,
						     exporter),
				 ERR_OK);
	}
	return w;
}

void wire_cut(struct wire *w)
{
	if (w->is_cut)
		return;
	w->is_cut = true;
	for (int i = 0; i < 2; i++)
		if (w->end[i]->node)
			assert_int_equal(node_session_closed(w->end[i]->node, w->session[i]),
					 ERR_OK);
}

static size_t carry(struct wire *w, int from)
{
	struct host *h = w->end[from];
	size_t n = 0;

	for (size_t i = 0; i < h->n_sent; i++) {
		if (h->sent[i].session != w->session[from])
			continue;
		n++;
		if (!w->is_cut)
			assert_int_equal(node_frame(w->end[!from]->node, w->session[!from],
						    buf_view(&h->sent[i].bytes)),
					 ERR_OK);
	}
	return n;
}

size_t wire_run(struct wire *w, size_t n_wires)
{
	size_t total = 0, n;

	do {
		n = 0;
		for (size_t i = 0; i < n_wires; i++)
			for (int end = 0; end < 2; end++) {
				bool more;

				if (!w[i].end[end]->node)
					continue;
				if (node_turn(w[i].end[end]->node, &more))
					fail_msg("the node ended: %s", err_detail());
				n += wants_turn(w[i].end[end], more);
			}
		for (size_t i = 0; i < n_wires; i++)
			n += carry(&w[i], 0) + carry(&w[i], 1);
		for (size_t i = 0; i < n_wires; i++)
			for (int end = 0; end < 2; end++)
				if (host_has_closed(w[i].end[end], w[i].session[end]))
					wire_cut(&w[i]);
		for (size_t i = 0; i < n_wires; i++) {
			host_forget(w[i].end[0]);
			host_forget(w[i].end[1]);
		}
		total += n;
		assert_true(total < 100000);
	} while (n);
	return total;
}
