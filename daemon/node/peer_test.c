#include "node/peer_test.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#define TEXT_MAX 900

/* Its name, and what to do when it fails. */
static const struct {
	const char *name;
	const char *advice;
} steps[] = {
	[NODE_STEP_NAME] = {"name",
			    "check the peer's `address` in amparod.yaml, and this machine's name "
			    "service"},
	[NODE_STEP_ROUTE] = {"route",
			     "check the peer's `address`, the firewalls of both sides, and ask "
			     "whether its node runs"},
	[NODE_STEP_TLS] = {"tls", "something answers there that does not speak amparo/1 over TLS "
				  "1.3: check host and port of the peer's `address`, and that "
				  "nothing between the two ends TLS"},
	[NODE_STEP_CERTIFICATES] =
		{"certificates",
		 "compare `trust` (CA and revocation list of each country, fetched anew) and "
		 "certificates of both sides; the other side's log says more"},
	[NODE_STEP_SEAL] = {"seal", "ask the peer whether it has this agency among its peers, and "
				    "what its log says; compare fingerprints (`amparo peer show`)"},
	[NODE_STEP_AGREEMENT] = {"agreement",
				 "both agencies have to adopt the very same file: see `amparo "
				 "agreement list`"},
};

/* --- rows --- */

static enum err send_row(struct node *n, uint64_t caller, uint64_t request, enum node_step step,
			 bool ok, const char *text)
{
	struct pb_api_reply reply = PB_API_REPLY_INIT;
	struct pb_peer_test_row m = PB_PEER_TEST_ROW_INIT;
	char all[TEXT_MAX];

	(void)snprintf(all, sizeof(all), ok ? "%s" : "%s: %s", text, steps[step].advice);
	m.name = message_borrow_text(steps[step].name);
	m.has_ok = 1;
	m.ok = ok;
	m.text = all;
	reply.peer_test = &m;
	return reply_row(n, caller, request, &reply, true);
}

static struct peer_test *test_of(struct node *n, const struct peer *p)
{
	for (size_t i = 0; i < PEER_TESTS_MAX; i++)
		if (n->test[i].is_used && n->test[i].peer == p)
			return &n->test[i];
	return NULL;
}

static enum err test_step(struct node *n, struct peer_test *t, enum node_step step, bool ok,
			  const char *text)
{
	enum err e = send_row(n, t->caller, t->request, step, ok, text);

	t->passed = ok ? step : t->passed;
	t->deadline_ms = n->port.mono_ms(n->port.ctx) + PEER_TEST_SILENCE_MS;
	if (e || (ok && step != NODE_STEP_AGREEMENT))
		return e ? err_trace(e) : ERR_OK;
	t->is_used = false;
	return reply_end(n, t->caller, t->request);
}

/* --- what comes of a dial --- */

enum err peer_test_stage(struct node *n, const struct input *in)
{
	struct peer *p = peer_by_id(n, &in->peer);
	struct peer_test *t = p ? test_of(n, p) : NULL;
	char text[TEXT_MAX / 2];

	if (!p || in->step < NODE_STEP_NAME || in->step > NODE_STEP_CERTIFICATES)
		return ERR_OK;
	(void)snprintf(text, sizeof(text), "%.*s", (int)(in->n < sizeof(text) ? in->n : 0),
		       (const char *)in->data);
	if (!in->ok)
		peer_error(p, text);
	return t ? test_step(n, t, in->step, in->ok, text) : ERR_OK;
}

enum err peer_test_failed(struct node *n, struct peer *p, const char *format, ...)
{
	struct peer_test *t = test_of(n, p);
	char text[TEXT_MAX / 2];
	va_list args;

	if (!t)
		return ERR_OK;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return test_step(n, t, NODE_STEP_SEAL, false, text);
}

enum err peer_test_session_closed(struct node *n, uint64_t session)
{
	const struct session *s = session_find(n, session);
	const struct peer_test *t = s ? test_of(n, s->peer) : NULL;

	if (!t || (s->hello_seen && t->session != session))
		return ERR_OK;
	return peer_test_failed(n, s->peer, "the connection ended before the peer %s",
				s->hello_seen ? "took our Hello" : "said Hello");
}

/* --- what is seen of a connected peer --- */

static void day_of(uint64_t us, char ret[16])
{
	const time_t s = (time_t)(us / 1000000);
	struct tm tm;

	if (!us || !gmtime_r(&s, &tm) || strftime(ret, 16, "%Y-%m-%d", &tm) == 0)
		(void)snprintf(ret, 16, "a day not known");
}

static enum err row_certificates(struct node *n, struct session *s, uint64_t caller,
				 uint64_t request)
{
	char text[TEXT_MAX / 2], tls[16], seal[16];

	day_of(s->tls_until_us, tls);
	day_of(s->peer->seal_until_us, seal);
	(void)snprintf(text, sizeof(text),
		       "each side took the other's; its TLS certificate is good until %s, that of "
		       "its seal until %s",
		       tls, seal);
	return send_row(n, caller, request, NODE_STEP_CERTIFICATES, true, text);
}

static enum err row_seal(struct node *n, struct session *s, uint64_t caller, uint64_t request)
{
	const struct digest d = verify_key_fingerprint(s->peer->key);
	char text[TEXT_MAX / 2], fingerprint[HEX_LEN(DIGEST_BYTES)], day[16];

	hex_encode(view_digest(&d), fingerprint);
	day_of(s->peer->row.pinned_us, day);
	(void)snprintf(text, sizeof(text),
		       "its Hello is signed by the seal key that is pinned since %s, fingerprint "
		       "%s",
		       day, fingerprint);
	return send_row(n, caller, request, NODE_STEP_SEAL, true, text);
}

/* The last step, and the end. */
static enum err row_agreement(struct node *n, struct peer *p, uint64_t caller, uint64_t request)
{
	const struct agreement *a;
	char text[TEXT_MAX / 2], until[16];
	enum err e = agreement_for(n, p, 0, &a);

	if (e == ERR_NOT_FOUND) {
		(void)snprintf(text, sizeof(text), "%s", err_words());
		e = send_row(n, caller, request, NODE_STEP_AGREEMENT, false, text);
	} else if (!e) {
		day_of(agreement_valid_until_us(a), until);
		(void)snprintf(text, sizeof(text), "in force: %s, valid until %s",
			       agreement_name(a), until);
		e = send_row(n, caller, request, NODE_STEP_AGREEMENT, true, text);
	}
	return e ? err_trace(e) : reply_end(n, caller, request);
}

enum err peer_test_connected(struct node *n, struct session *s)
{
	struct peer_test *t = test_of(n, s->peer);
	struct pb_frame frame = PB_FRAME_INIT;
	struct pb_ping ping = PB_PING_INIT;

	if (!t)
		return ERR_OK;
	t->session = s->number;
	frame.ping = &ping;
	return output_message(n, OUTPUT_SEND, s->number, &frame);
}

enum err peer_test_answered(struct node *n, struct session *s)
{
	struct peer_test *t = test_of(n, s->peer);
	enum err e;

	if (!t || t->session != s->number)
		return ERR_OK;
	t->is_used = false;
	e = row_certificates(n, s, t->caller, t->request);
	if (!e)
		e = row_seal(n, s, t->caller, t->request);
	return e ? err_trace(e) : row_agreement(n, s->peer, t->caller, t->request);
}

/* --- time --- */

enum err peer_tests_tick(struct node *n, uint64_t now_ms)
{
	for (size_t i = 0; i < PEER_TESTS_MAX; i++) {
		struct peer_test *t = &n->test[i];
		enum err e;

		if (!t->is_used || now_ms < t->deadline_ms)
			continue;
		e = test_step(n, t, t->passed < NODE_STEP_SEAL ? t->passed + 1 : NODE_STEP_SEAL,
			      false, "no answer in time");
		if (e)
			return err_trace(e);
	}
	return ERR_OK;
}

uint64_t peer_tests_deadline_ms(const struct node *n)
{
	uint64_t deadline = UINT64_MAX;

	for (size_t i = 0; i < PEER_TESTS_MAX; i++)
		if (n->test[i].is_used && n->test[i].deadline_ms < deadline)
			deadline = n->test[i].deadline_ms;
	return deadline;
}

void peer_tests_forget(struct node *n, uint64_t caller)
{
	for (size_t i = 0; i < PEER_TESTS_MAX; i++)
		if (!caller || n->test[i].caller == caller)
			n->test[i].is_used = false;
}

/* --- the request --- */

static enum err report_live(struct asking *a, struct peer *p)
{
	struct session *s = p->live;
	struct node *n = a->n;
	char text[TEXT_MAX / 2];
	enum err e;

	(void)snprintf(text, sizeof(text), "%s; a session stands already, and is what is told of",
		       p->address ? p->address : "without address: the peer dials");
	e = send_row(n, a->caller->id, a->id, NODE_STEP_NAME, true, text);
	(void)snprintf(text, sizeof(text), "connected with %s, dialled by %s",
		       s->remote[0] ? s->remote : "the peer",
		       s->role == TLS_DIALLER ? "this node" : "the peer");
	if (!e)
		e = send_row(n, a->caller->id, a->id, NODE_STEP_ROUTE, true, text);
	if (!e)
		e = send_row(n, a->caller->id, a->id, NODE_STEP_TLS, true, "TLS 1.3 stands");
	if (!e)
		e = row_certificates(n, s, a->caller->id, a->id);
	if (!e)
		e = row_seal(n, s, a->caller->id, a->id);
	return e ? err_trace(e) : row_agreement(n, p, a->caller->id, a->id);
}

/* Why a test cannot be begun; NULL: it can. */
static const char *cannot(const struct peer *p, enum node_step *ret_step)
{
	*ret_step = NODE_STEP_NAME;
	if (!p->is_configured)
		return "it is not among the `peers` of amparod.yaml any more";
	if (p->row.stopped) {
		*ret_step = NODE_STEP_SEAL;
		return "the link is stopped: signed statements of this peer contradict each other, "
		       "see the log";
	}
	if (!p->may_dial)
		return "it has no `address`, so it dials this node, and has not: wait for it, or "
		       "give it one";
	return NULL;
}

static enum err begin(struct asking *a, struct peer *p)
{
	struct peer_test *t = NULL;
	struct output *o;
	enum err e;

	for (size_t i = 0; i < PEER_TESTS_MAX && !t; i++)
		if (!a->n->test[i].is_used)
			t = &a->n->test[i];
	if (!t || test_of(a->n, p))
		return reply_error(a->n, a->caller->id, a->id, PB(API_ERROR_CODE, TEMPORARY),
				   "a test is under way: ask again when it is done");
	e = output_new(a->n, OUTPUT_TEST, 0, &o);
	if (e)
		return err_trace(e);
	o->peer = p;
	*t = (struct peer_test){
		.is_used = true,
		.caller = a->caller->id,
		.request = a->id,
		.peer = p,
		.deadline_ms = a->n->port.mono_ms(a->n->port.ctx) + PEER_TEST_SILENCE_MS,
	};
	return ERR_OK;
}

enum err request_peer_test(struct asking *a)
{
	const struct pb_peer_test *ask = a->m->peer_test;
	struct peer *p = ask->peer ? peer_by_name(a->n, ask->peer) : NULL;
	enum node_step step;
	const char *why;
	enum err e;

	if (!p)
		return reply_error(
			a->n, a->caller->id, a->id, PB(API_ERROR_CODE, DATA),
			"no peer of this name, or more than one: see `amparo peer list`");
	if (p->live)
		return report_live(a, p);
	why = cannot(p, &step);
	if (!why)
		return begin(a, p);
	e = send_row(a->n, a->caller->id, a->id, step, false, why);
	return e ? err_trace(e) : reply_end(a->n, a->caller->id, a->id);
}
