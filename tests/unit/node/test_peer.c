/* What is said about a peer, and the steps of its test. */
#include "unit/node/fixture.h"

#include <stdio.h>
#include <string.h>

#include "node/peer_test.h"

#define DATA PB(API_ERROR_CODE, DATA)
#define TEMPORARY PB(API_ERROR_CODE, TEMPORARY)

struct given {
	struct fixture *f;
	struct host *h;
	struct evil e;
};

static struct given given_new(void)
{
	struct given g = {.f = fixture_new()};

	g.h = &g.f->agency[CZ];
	evil_init(&g.e, g.f, SK);
	return g;
}

static void given_free(struct given *g)
{
	evil_fini(&g->e);
	fixture_free(g->f);
}

static char *name_of(struct given *g)
{
	return g->f->agency[SK].id.text;
}

static struct pb_peer_detail *show(struct given *g)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_peer_show ask = PB_PEER_SHOW_INIT;

	ask.peer = name_of(g);
	m.peer_show = &ask;
	host_ask(g->h, NODE_ROLE_AUDITOR, &m);
	if (host_error(g->h))
		fail_msg("%s", g->h->reply[0]->error->text);
	assert_int_equal(g->h->n_reply, 1);
	return g->h->reply[0]->peer_detail;
}

/* --- show -------------------------------------------------------------------------------- */

static void a_peer_never_met(void **state)
{
	struct given g = given_new();
	const struct pb_peer_detail *m = show(&g);

	(void)state;
	assert_string_equal(m->id, name_of(&g));
	assert_string_equal(m->state, "connecting");
	assert_null(m->fingerprint);
	assert_null(m->role);
	assert_null(m->last_error);
	assert_false(m->has_clock_skew_s || m->has_oldest_waiting_us || m->has_last_contact_us ||
		     m->has_tls_until_us || m->has_seal_until_us || m->has_since_us ||
		     m->has_n_sent);
	assert_true(m->has_next_dial_us && m->next_dial_us > g.f->utc_us);
	assert_int_equal(m->n_offered, 0);
	assert_int_equal(m->n_agreements, 0);
	assert_int_equal(m->n_refusals, 0);
	given_free(&g);
}

static void a_peer_that_is_connected(void **state)
{
	struct given g = given_new();
	const struct pb_peer_detail *m;
	uint8_t id[16];

	(void)state;
	evil_connect(&g.e, TLS_LISTENER);
	assert_int_equal(
		node_session_facts(g.h->node, g.e.session, START_US + 5000000, "192.0.2.7:4242"),
		ERR_OK);
	evil_agree(&g.e);
	host_import(g.h, id);
	fixture_pass(g.f, 10000);
	assert_int_equal(host_refer(g.h, SK, id, NULL), 0);
	evil_listen(&g.e);
	m = show(&g);
	assert_string_equal(m->state, "connected");
	assert_string_equal(m->role, "listener");
	assert_string_equal(m->remote, "192.0.2.7:4242");
	assert_int_equal(m->tls_until_us, START_US + 5000000);
	assert_int_equal(m->since_us, START_US);
	assert_false(m->has_next_dial_us);
	assert_int_equal(m->n_offered, 3); /* ADOPT, RECEIPT, REFERRAL */
	assert_int_equal(m->n_sent, 3);
	assert_int_equal(m->n_delivered, 0);
	assert_int_equal(m->n_waiting, 3);
	assert_int_equal(m->oldest_waiting_us, START_US); /* ADOPT */
	assert_int_equal(m->received_k, 1);
	assert_int_equal(m->receipted_k, 1);
	assert_int_equal(strlen(m->fingerprint), 64);
	assert_string_equal(m->origin, g.e.origin.text);
	assert_true(m->seal_until_us > START_US);
	assert_int_equal(m->n_agreements, 1);
	assert_string_equal(m->agreements[0]->name, "test of the node");
	assert_int_equal(strlen(m->agreements[0]->id), 64);
	assert_int_equal(m->n_entries_today, 1);
	assert_int_equal(m->n_entries_limit, NODE_PEER_ENTRIES_A_DAY);
	assert_true(m->n_bytes_held > 0);
	/* when it has receipted, nothing waits */
	evil_receipt(&g.e);
	evil_send(&g.e);
	m = show(&g);
	assert_int_equal(m->n_delivered, 3);
	assert_int_equal(m->n_waiting, 0);
	assert_false(m->has_oldest_waiting_us);
	given_free(&g);
}

/* Receipts of ours want none: the oldest that waits is the first that does. */
static void receipts_do_not_wait(void **state)
{
	struct given g = given_new();
	uint8_t id[16];

	(void)state;
	evil_connect(&g.e, TLS_LISTENER);
	evil_agree(&g.e);
	host_import(g.h, id);
	evil_receipt(&g.e);
	evil_send(&g.e);
	for (int i = 0; i < 5; i++) {
		struct entry entry = evil_next(&g.e, PB(ENTRY_KIND, NOTICE));

		fixture_pass(g.f, 1000);
		(void)evil_add(&g.e, &entry, view_str("n"));
		evil_send(&g.e);
	}
	assert_int_equal(show(&g)->n_waiting, 0);
	fixture_pass(g.f, 1000);
	assert_int_equal(host_refer(g.h, SK, id, NULL), 0);
	fixture_pass(g.f, 1000);
	for (int i = 0; i < 2; i++) /* the second time from where the first left off */
		assert_int_equal(show(&g)->oldest_waiting_us, START_US + 6000000);
	assert_int_equal(host_peer(g.h, SK)->idle_k, 7);
	given_free(&g);
}

static void refusals_are_told_by_reason(void **state)
{
	struct given g = given_new();
	struct entry entry;
	struct pb_receipt receipt = PB_RECEIPT_INIT;
	struct pb_exception x = PB_EXCEPTION_INIT;
	struct pb_exception *list[] = {&x};
	const struct pb_peer_detail *m;

	(void)state;
	evil_connect(&g.e, TLS_LISTENER);
	evil_agree(&g.e);
	for (int i = 0; i < 3; i++) {
		entry = evil_next(&g.e, PB(ENTRY_KIND, NOTICE));
		(void)evil_add(&g.e, &entry, view_str("n"));
	}
	evil_send(&g.e);
	/* and its receipt refuses our first entry */
	x.has_k = x.has_status = x.has_reason = 1;
	x.k = 1;
	x.status = PB(EXCEPTION_STATUS, REFUSED);
	x.reason = PB(REFUSAL_REASON, STATE);
	receipt.origin = g.h->node->origin.text;
	receipt.has_size = receipt.has_root = receipt.has_from_k = receipt.has_to_k = 1;
	receipt.has_head = 1;
	receipt.size = g.e.held.size;
	receipt.root = message_borrow(view_digest(&g.e.held.root));
	receipt.from_k = 1;
	receipt.to_k = g.e.received.k;
	receipt.head = message_borrow(view_digest(&g.e.received.head));
	receipt.n_exceptions = 1;
	receipt.exceptions = list;
	entry = evil_next(&g.e, PB(ENTRY_KIND, RECEIPT));
	(void)evil_add_message(&g.e, &entry, &receipt);
	evil_send(&g.e);
	m = show(&g);
	assert_int_equal(m->n_refused, 1);
	assert_int_equal(m->n_refused_here, 3);
	assert_int_equal(m->n_refusals, 2);
	assert_string_equal(m->refusals[0]->name, "peer");
	assert_int_equal(m->refusals[0]->reason, PB(REFUSAL_REASON, STATE));
	assert_int_equal(m->refusals[0]->n, 1);
	assert_string_equal(m->refusals[1]->name, "here");
	assert_int_equal(m->refusals[1]->reason, PB(REFUSAL_REASON, UNSUPPORTED));
	assert_int_equal(m->refusals[1]->n, 3);
	given_free(&g);
}

static void its_clock_is_told_against_ours(void **state)
{
	static const int64_t skews[] = {0, 7200, -90, INT64_MAX / 1000000};
	struct given g = given_new();

	(void)state;
	evil_connect(&g.e, TLS_LISTENER);
	for (size_t i = 0; i < ARRAY_LEN(skews); i++) {
		struct entry entry = evil_next(&g.e, PB(ENTRY_KIND, NOTICE));
		const bool is_far = skews[i] > 1000000;
		int64_t skew;

		entry.time_us = is_far ? UINT64_MAX : g.f->utc_us + (uint64_t)(skews[i] * 1000000);
		(void)evil_add(&g.e, &entry, view_str("n"));
		evil_send(&g.e);
		skew = show(&g)->clock_skew_s;
		if (is_far)
			assert_true(skew > 1000000000);
		else
			assert_int_equal(skew, skews[i]);
	}
	given_free(&g);
}

static void a_peer_that_is_none(void **state)
{
	static char nobody[] = "nobody";
	struct given g = given_new();
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_peer_show ask = PB_PEER_SHOW_INIT;
	struct pb_peer_test test = PB_PEER_TEST_INIT;

	(void)state;
	m.peer_show = &ask;
	host_ask(g.h, EVERYONE, &m);
	assert_int_equal(host_error(g.h), DATA);
	ask.peer = nobody;
	host_ask(g.h, EVERYONE, &m);
	assert_int_equal(host_error(g.h), DATA);
	m.peer_show = NULL;
	m.peer_test = &test;
	host_ask(g.h, EVERYONE, &m);
	assert_int_equal(host_error(g.h), DATA);
	test.peer = nobody;
	host_ask(g.h, EVERYONE, &m);
	assert_int_equal(host_error(g.h), DATA);
	given_free(&g);
}

/* --- test -------------------------------------------------------------------------------- */

static void ask_test(struct given *g)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_peer_test ask = PB_PEER_TEST_INIT;

	ask.peer = name_of(g);
	m.peer_test = &ask;
	host_ask(g->h, NODE_ROLE_OPERATOR, &m);
}

/* The rows so far: "name+ route- ", and whether the answer has ended. */
static const char *rows(struct given *g, bool *ret_ended)
{
	static char text[200];
	size_t n = 0;

	text[0] = '\0';
	*ret_ended = false;
	for (size_t i = 0; i < g->h->n_reply; i++) {
		const struct pb_peer_test_row *m = g->h->reply[i]->peer_test;

		assert_false(*ret_ended);
		*ret_ended = !(g->h->reply[i]->has_more && g->h->reply[i]->more);
		if (!m)
			continue;
		assert_true(m->text && m->text[0]);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", m->name,
				      m->ok ? "+ " : "- ");
	}
	return text;
}

static void expect_rows(struct given *g, const char *expected, bool ended)
{
	bool has_ended;

	assert_string_equal(rows(g, &has_ended), expected);
	assert_int_equal(has_ended, ended);
}

static void stage(struct given *g, enum node_step step, bool ok)
{
	assert_int_equal(node_dial_stage(g->h->node, &g->f->agency[SK].id, step, ok, "words"),
			 ERR_OK);
	host_turn(g->h);
}

static const char *last_text(struct given *g)
{
	for (size_t i = g->h->n_reply; i-- > 0;)
		if (g->h->reply[i]->peer_test)
			return g->h->reply[i]->peer_test->text;
	return "";
}

static void pong(struct given *g)
{
	struct pb_frame frame = PB_FRAME_INIT;
	struct pb_ping ping = PB_PING_INIT;

	ping.has_reply = ping.reply = 1;
	frame.ping = &ping;
	evil_frame(&g->e, &frame);
}

static void a_test_goes_step_by_step(void **state)
{
	struct given g = given_new();

	(void)state;
	ask_test(&g);
	assert_int_equal(g.h->n_tests, 1);
	expect_rows(&g, "", false);
	stage(&g, NODE_STEP_NAME, true);
	expect_rows(&g, "name+ ", false);
	stage(&g, NODE_STEP_ROUTE, true);
	stage(&g, NODE_STEP_TLS, true);
	expect_rows(&g, "name+ route+ tls+ ", false);
	evil_connect(&g.e, TLS_DIALLER);
	/* whether it took our Hello is not known before it answers */
	expect_rows(&g, "name+ route+ tls+ ", false);
	pong(&g);
	expect_rows(&g, "name+ route+ tls+ certificates+ seal+ agreement- ", true);
	assert_non_null(strstr(last_text(&g), "amparo agreement list"));
	/* what comes later is nobody's */
	stage(&g, NODE_STEP_ROUTE, false);
	expect_rows(&g, "name+ route+ tls+ certificates+ seal+ agreement- ", true);
	given_free(&g);
}

static void of_a_connected_peer_its_session_tells(void **state)
{
	struct given g = given_new();

	(void)state;
	evil_connect(&g.e, TLS_LISTENER);
	evil_agree(&g.e);
	g.h->n_tests = 0;
	ask_test(&g);
	assert_int_equal(g.h->n_tests, 0);
	expect_rows(&g, "name+ route+ tls+ certificates+ seal+ agreement+ ", true);
	given_free(&g);
}

static void the_first_failure_ends_it(void **state)
{
	static const char *const expected[] = {
		[NODE_STEP_NAME] = "name- ",
		[NODE_STEP_ROUTE] = "route- ",
		[NODE_STEP_TLS] = "tls- ",
		[NODE_STEP_CERTIFICATES] = "certificates- ",
	};
	struct given g = given_new();

	(void)state;
	for (int step = NODE_STEP_NAME; step <= NODE_STEP_CERTIFICATES; step++) {
		ask_test(&g);
		stage(&g, (enum node_step)step, false);
		expect_rows(&g, expected[step], true);
		assert_memory_equal(last_text(&g), "words: ", 7); /* and what to do */
		assert_true(strlen(last_text(&g)) > 40);
		assert_string_equal(host_peer(g.h, SK)->row.last_error, "words");
	}
	given_free(&g);
}

static void a_gate_cannot_say_what_is_not_its_to_say(void **state)
{
	struct given g = given_new();

	(void)state;
	ask_test(&g);
	stage(&g, NODE_STEP_SEAL, true);
	stage(&g, NODE_STEP_AGREEMENT, true);
	stage(&g, (enum node_step)0, false);
	stage(&g, (enum node_step)99, false);
	expect_rows(&g, "", false);
	assert_int_equal(node_dial_stage(g.h->node, &g.f->agency[AT].id, NODE_STEP_NAME, false, ""),
			 ERR_OK);
	host_turn(g.h);
	expect_rows(&g, "", false);
	given_free(&g);
}

static void without_hello_the_seal_fails(void **state)
{
	struct given g = given_new();

	(void)state;
	ask_test(&g);
	evil_open(&g.e, TLS_DIALLER);
	evil_close(&g.e);
	expect_rows(&g, "seal- ", true);
	/* a Hello that another key signed */
	ask_test(&g);
	evil_open(&g.e, TLS_DIALLER);
	evil_bytes(&g.e, view_str("garbage"));
	expect_rows(&g, "seal- ", true);
	/* or the other side just goes */
	ask_test(&g);
	evil_connect(&g.e, TLS_DIALLER);
	evil_close(&g.e);
	expect_rows(&g, "seal- ", true);
	assert_non_null(strstr(last_text(&g), "took our Hello"));
	given_free(&g);
}

/* Our own Hello may be what is wrong: then theirs was good, and a Bye follows. */
static void a_bye_is_told_in_words(void **state)
{
	struct given g = given_new();
	struct pb_frame frame = PB_FRAME_INIT;
	struct pb_bye bye = PB_BYE_INIT;

	(void)state;
	ask_test(&g);
	evil_connect(&g.e, TLS_DIALLER);
	expect_rows(&g, "", false);
	bye.has_code = 1;
	bye.code = PB(BYE_CODE, STOPPED);
	frame.bye = &bye;
	evil_frame(&g.e, &frame);
	expect_rows(&g, "seal- ", true);
	assert_non_null(strstr(last_text(&g), "has stopped the link"));
	given_free(&g);
}

static void silence_ends_it(void **state)
{
	struct given g = given_new();

	(void)state;
	ask_test(&g);
	stage(&g, NODE_STEP_NAME, true);
	assert_true(node_deadline_ms(g.h->node) <= g.f->mono_ms + PEER_TEST_SILENCE_MS);
	fixture_pass(g.f, PEER_TEST_SILENCE_MS - 1);
	host_turn(g.h);
	expect_rows(&g, "name+ ", false);
	fixture_pass(g.f, 1);
	host_turn(g.h);
	expect_rows(&g, "name+ route- ", true);
	given_free(&g);
}

static void one_at_a_time_and_none_for_those_who_left(void **state)
{
	struct given g = given_new();

	(void)state;
	ask_test(&g);
	ask_test(&g);
	assert_int_equal(host_error(g.h), TEMPORARY);
	node_caller_gone(g.h->node, 1);
	ask_test(&g);
	assert_int_equal(g.h->n_reply, 0);
	assert_int_equal(g.h->n_tests, 2);
	given_free(&g);
}

static void what_cannot_be_tested(void **state)
{
	struct given g = given_new();

	(void)state;
	host_peer(g.h, SK)->may_dial = false;
	ask_test(&g);
	expect_rows(&g, "name- ", true);
	host_peer(g.h, SK)->row.stopped = true;
	ask_test(&g);
	expect_rows(&g, "seal- ", true);
	host_peer(g.h, SK)->row.stopped = false;
	host_peer(g.h, SK)->is_configured = false;
	ask_test(&g);
	expect_rows(&g, "name- ", true);
	assert_int_equal(g.h->n_tests, 0);
	given_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_peer_never_met),
		cmocka_unit_test(a_peer_that_is_connected),
		cmocka_unit_test(receipts_do_not_wait),
		cmocka_unit_test(refusals_are_told_by_reason),
		cmocka_unit_test(its_clock_is_told_against_ours),
		cmocka_unit_test(a_peer_that_is_none),
		cmocka_unit_test(a_test_goes_step_by_step),
		cmocka_unit_test(of_a_connected_peer_its_session_tells),
		cmocka_unit_test(the_first_failure_ends_it),
		cmocka_unit_test(a_gate_cannot_say_what_is_not_its_to_say),
		cmocka_unit_test(without_hello_the_seal_fails),
		cmocka_unit_test(a_bye_is_told_in_words),
		cmocka_unit_test(silence_ends_it),
		cmocka_unit_test(one_at_a_time_and_none_for_those_who_left),
		cmocka_unit_test(what_cannot_be_tested),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
