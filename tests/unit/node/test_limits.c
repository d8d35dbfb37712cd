/* What keeps a node from being filled: the reserve of its disk, limits of one peer; and deadlines.
 */
#include "unit/node/fixture.h"

#include <string.h>

#include "node/alarms.h"
#include "node/limits.h"

#define MIB (UINT64_C(1) << 20)
#define RESERVE (64 * MIB)
#define TEMPORARY PB(API_ERROR_CODE, TEMPORARY)
#define DAY_MS UINT64_C(86400000)

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
	evil_connect(&g.e, TLS_LISTENER);
	return g;
}

static void given_free(struct given *g)
{
	evil_fini(&g->e);
	fixture_free(g->f);
}

static struct peer_row *row_of(struct given *g)
{
	return &host_peer(g->h, SK)->row;
}

/* One entry that an honest peer may write at any time: not a receipt, without effect. */
static void add_content(struct evil *e)
{
	struct entry entry = evil_next(e, PB(ENTRY_KIND, NOTICE));

	(void)evil_add(e, &entry, view_str("n"));
}

/* Send what was added last, of which nothing may be taken: the session ends, to be tried again. */
static void expect_busy(struct given *g, uint32_t retry_s)
{
	const struct peer_row before = *row_of(g);
	const size_t n_dials = g->h->n_dials[SK];

	evil_batch(&g->e, before.received_k, g->e.n_item);
	assert_int_equal(g->e.bye, PB(BYE_CODE, BUSY));
	assert_int_equal(g->e.bye_retry_s, retry_s);
	assert_true(host_has_closed(g->h, g->e.session));
	assert_int_equal(row_of(g)->received_k, before.received_k);
	assert_int_equal(row_of(g)->held_size, before.held_size);
	evil_close(&g->e);
	/* nor do we go there before */
	fixture_pass(g->f, (retry_s - 1) * UINT64_C(1000));
	host_turn(g->h);
	assert_int_equal(g->h->n_dials[SK], n_dials);
	fixture_pass(g->f, 1000);
	host_turn(g->h);
	assert_int_equal(g->h->n_dials[SK], n_dials + 1);
}

static int ask_import(struct host *h)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_record_import import = PB_RECORD_IMPORT_INIT;

	import.has_type = import.has_record = 1;
	import.type = RECORD_VICTIM;
	import.record = message_borrow(buf_view(&h->f->record));
	m.record_import = &import;
	host_ask(h, EVERYONE, &m);
	return host_error(h);
}

static int ask_adopt(struct host *h)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_agreement_adopt adopt = PB_AGREEMENT_ADOPT_INIT;

	adopt.has_file = 1;
	adopt.file = message_borrow(buf_view(&h->f->agreement));
	m.agreement_adopt = &adopt;
	host_ask(h, EVERYONE, &m);
	return host_error(h);
}

static int ask_show(struct host *h, const uint8_t id[16])
{
	static char reason[] = "why";
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_record_show show = PB_RECORD_SHOW_INIT;

	show.has_record_id = 1;
	show.record_id = message_borrow(view_of(id, 16));
	show.reason = reason;
	m.record_show = &show;
	host_ask(h, EVERYONE, &m);
	return host_error(h);
}

static struct pb_status_row *ask_status(struct host *h)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_node_status status = PB_NODE_STATUS_INIT;

	m.node_status = &status;
	host_ask(h, EVERYONE, &m);
	assert_int_equal(host_error(h), 0);
	return h->reply[0]->status;
}

static int ask_decide(struct host *h, const struct digest *leaf)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_referral_decide decide = PB_REFERRAL_DECIDE_INIT;

	decide.has_id = decide.has_state = 1;
	decide.id = message_borrow(view_digest(leaf));
	decide.state = PB(REFERRAL_STATE, ACCEPTED);
	m.referral_decide = &decide;
	host_ask(h, EVERYONE, &m);
	return host_error(h);
}

static int ask_forbidden(struct host *h)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_record_list list = PB_RECORD_LIST_INIT;

	m.record_list = &list;
	host_ask(h, NODE_ROLE_AUDITOR, &m);
	return host_error(h);
}

/* --- the disk ---------------------------------------------------------------------------- */

static void below_the_reserve_no_new_work_is_taken(void **state)
{
	struct given g = given_new();
	struct evil_referral r;
	struct digest leaf;
	uint8_t id[16];
	uint64_t size;

	(void)state;
	evil_agree(&g.e);
	evil_seal(&g.e);
	evil_referral_fill(&g.e, &r);
	leaf = evil_referral_add(&g.e, &r)->leaf;
	evil_send(&g.e);
	evil_referral_fini(&r);
	host_import(g.h, id);
	g.h->free_bytes = RESERVE; /* just enough */
	host_import(g.h, id);
	assert_string_equal(ask_status(g.h)->state, "serving");
	size = g.h->node->tree.size;

	g.h->free_bytes = RESERVE - 1;
	assert_int_equal(ask_import(g.h), TEMPORARY);
	assert_non_null(strstr(g.h->reply[0]->error->text, "63 MiB free, 64 are kept"));
	assert_int_equal(ask_adopt(g.h), TEMPORARY);
	assert_int_equal(host_refer(g.h, SK, id, NULL), TEMPORARY);
	assert_int_equal(ask_decide(g.h, &leaf), TEMPORARY);
	assert_int_equal(g.h->node->tree.size, size);
	assert_non_null(strstr(ask_status(g.h)->state, "nearly full"));
	assert_int_equal(ask_status(g.h)->free_bytes, RESERVE - 1);
	assert_int_equal(ask_status(g.h)->reserve_bytes, RESERVE);
	assert_int_equal(g.f->n_log[LOG_ERR], 1); /* said once */
	/* what is held can be looked at, and who may not is noted */
	assert_int_equal(ask_show(g.h, id), 0);
	assert_int_equal(ask_forbidden(g.h), PB(API_ERROR_CODE, NO_PERMISSION));
	assert_int_equal(g.h->node->tree.size, size + 2);

	/* a little more than the reserve, so that it is not said again and again */
	g.h->free_bytes = RESERVE;
	assert_int_equal(ask_import(g.h), TEMPORARY);
	g.h->free_bytes = RESERVE + RESERVE / 16;
	assert_int_equal(ask_import(g.h), 0);
	assert_int_equal(ask_decide(g.h, &leaf), 0);
	assert_int_equal(g.f->n_log[LOG_ERR], 1);
	given_free(&g);
}

static void what_was_promised_goes_on_in_the_reserve(void **state)
{
	struct given g = given_new();
	uint8_t id[16];
	uint64_t sent_k;

	(void)state;
	evil_agree(&g.e);
	host_import(g.h, id);
	evil_close(&g.e);
	assert_int_equal(host_refer(g.h, SK, id, NULL), 0); /* waits */
	sent_k = row_of(&g)->sent_k;
	assert_true(g.e.received.k < sent_k);

	g.h->free_bytes = RESERVE / 4;
	evil_connect(&g.e, TLS_LISTENER);
	assert_int_equal(g.e.received.k, sent_k); /* delivered */
	assert_true(peer_n_waiting(host_peer(g.h, SK)) > 0);
	evil_receipt(&g.e);
	evil_batch(&g.e, row_of(&g)->received_k, g.e.n_item);
	assert_int_equal(g.e.bye, 0);
	assert_int_equal(row_of(&g)->delivered_k, sent_k);
	assert_int_equal(peer_n_waiting(host_peer(g.h, SK)), 0);

	/* what is new waits at the sender, and comes when there is space */
	add_content(&g.e);
	expect_busy(&g, ROOM_RETRY_S);
	g.h->free_bytes = 0;
	evil_connect(&g.e, TLS_LISTENER);
	evil_send(&g.e);
	given_free(&g);
}

static void the_last_of_the_reserve_is_not_for_peers(void **state)
{
	struct given g = given_new();
	uint8_t id[16];
	uint64_t size;

	(void)state;
	host_import(g.h, id);
	host_adopt(g.h);
	evil_listen(&g.e);
	evil_receipt(&g.e);
	g.h->free_bytes = RESERVE / 4 - 1;
	size = g.h->node->tree.size;
	assert_int_equal(ask_show(g.h, id), TEMPORARY);
	assert_int_equal(ask_forbidden(g.h), PB(API_ERROR_CODE, NO_PERMISSION));
	assert_int_equal(g.h->node->tree.size, size);
	expect_busy(&g, ROOM_RETRY_S);
	/* a checkpoint alone is stored too */
	evil_connect(&g.e, TLS_LISTENER);
	evil_pad(&g.e, 1);
	evil_batch(&g.e, 0, 0);
	assert_int_equal(g.e.bye, PB(BYE_CODE, BUSY));
	given_free(&g);
}

static void space_ends_the_waiting_at_once(void **state)
{
	struct given g = given_new();

	(void)state;
	g.h->free_bytes = RESERVE - 1;
	add_content(&g.e);
	evil_batch(&g.e, 0, 1);
	assert_int_equal(g.e.bye, PB(BYE_CODE, BUSY));
	evil_close(&g.e);
	assert_int_equal(g.h->n_dials[SK], 0);
	/* it looks by itself */
	assert_true(node_deadline_ms(g.h->node) <= g.f->mono_ms + ROOM_LOOK_MS);
	g.h->free_bytes = 0;
	fixture_pass(g.f, ROOM_LOOK_MS);
	host_turn(g.h);
	assert_int_equal(g.h->n_dials[SK], 1);
	given_free(&g);
}

/* --- one peer ---------------------------------------------------------------------------- */

static void limit(struct given *g, struct node_limits limits)
{
	evil_close(&g->e);
	host_stop(g->h);
	g->h->limits = limits;
	host_start(g->h);
	host_turn(g->h);
	evil_connect(&g->e, TLS_LISTENER);
}

static void entries_of_a_day_are_counted(void **state)
{
	struct given g = given_new();
	size_t n_warn;

	(void)state;
	limit(&g, (struct node_limits){.peer_entries_a_day = 5});
	for (int i = 0; i < 4; i++)
		add_content(&g.e);
	evil_send(&g.e);
	assert_int_equal(row_of(&g)->use_entries, 4);
	/* two more are one too many: neither is taken */
	add_content(&g.e);
	n_warn = g.f->n_log[LOG_WARN];
	add_content(&g.e);
	expect_busy(&g, RETRY_AFTER_MAX_S);
	assert_int_equal(g.f->n_log[LOG_WARN], n_warn + 1);
	/* a restart forgets nothing; it is said once a run */
	host_stop(g.h);
	host_start(g.h);
	host_turn(g.h);
	evil_connect(&g.e, TLS_LISTENER);
	expect_busy(&g, RETRY_AFTER_MAX_S);
	/* START_US is 8:00: at 23:59:50 it is ten seconds to a new day */
	fixture_pass(g.f, DAY_MS / 3 * 2 - 10000 - 2 * RETRY_AFTER_MAX_S * UINT64_C(1000));
	host_turn(g.h);
	evil_connect(&g.e, TLS_LISTENER);
	g.h->n_dials[SK] = 0;
	expect_busy(&g, 10);
	evil_connect(&g.e, TLS_LISTENER);
	evil_send(&g.e);
	assert_int_equal(row_of(&g)->use_entries, 2);
	given_free(&g);
}

static void a_clock_set_back_opens_no_second_day(void **state)
{
	struct given g = given_new();
	uint64_t entries, notes;

	(void)state;
	limits_count(g.h->node, host_peer(g.h, SK), 7, 3, 100);
	g.f->utc_us -= DAY_MS * 1000;
	limits_today(g.h->node, host_peer(g.h, SK), &entries, &notes);
	assert_int_equal(entries, 7);
	assert_int_equal(notes, 3);
	limits_count(g.h->node, host_peer(g.h, SK), 1, 1, 1);
	g.f->utc_us += DAY_MS * 1000;
	limits_today(g.h->node, host_peer(g.h, SK), &entries, &notes);
	assert_int_equal(entries, 8);
	assert_int_equal(notes, 4);
	g.f->utc_us += DAY_MS * 1000;
	limits_today(g.h->node, host_peer(g.h, SK), &entries, &notes);
	assert_int_equal(entries, 0);
	assert_int_equal(notes, 0);
	given_free(&g);
}

static void bytes_held_are_counted(void **state)
{
	struct given g = given_new();
	uint64_t held;

	(void)state;
	add_content(&g.e);
	evil_send(&g.e);
	held = row_of(&g)->held_bytes;
	assert_true(held > 100 && held < 4000);
	limit(&g, (struct node_limits){.peer_bytes_held = held + 50});
	add_content(&g.e);
	expect_busy(&g, RETRY_AFTER_MAX_S);
	/* tomorrow, too */
	fixture_pass(g.f, DAY_MS);
	evil_connect(&g.e, TLS_LISTENER);
	expect_busy(&g, RETRY_AFTER_MAX_S);
	host_stop(g.h);
	g.h->limits.peer_bytes_held = 2 * held + 1000;
	host_start(g.h);
	host_turn(g.h);
	evil_connect(&g.e, TLS_LISTENER);
	evil_send(&g.e);
	assert_true(row_of(&g)->held_bytes > held + 50);
	given_free(&g);
}

static void checkpoints_of_a_day_are_counted(void **state)
{
	struct given g = given_new();

	(void)state;
	limit(&g, (struct node_limits){.peer_notes_a_day = 2});
	for (int i = 0; i < 2; i++) {
		add_content(&g.e);
		evil_send(&g.e);
	}
	assert_int_equal(row_of(&g)->use_notes, 2);
	/* what brings no new checkpoint and no new entry is no matter */
	evil_batch(&g.e, 0, 2);
	assert_int_equal(g.e.bye, 0);
	add_content(&g.e);
	expect_busy(&g, RETRY_AFTER_MAX_S);
	given_free(&g);
}

/* --- local callers ----------------------------------------------------------------------- */

static void requests_that_wait_are_bounded(void **state)
{
	static const uint8_t large[1024 * 1024];
	const struct node_caller caller = {.id = 1, .roles = EVERYONE};
	struct given g = given_new();
	size_t n = 0;

	(void)state;
	/* twice: what a turn took makes room again */
	for (int i = 0; i < 2; i++) {
		for (n = 0;
		     node_request(g.h->node, &caller, view_of(large, sizeof(large))) == ERR_OK; n++)
			assert_true(n < 1000);
		assert_int_equal(n, NODE_REQUESTS_BYTES_MAX / sizeof(large));
		assert_int_equal(node_request(g.h->node, &caller, view_str("x")), ERR_FULL);
		host_turn(g.h);
	}
	assert_string_equal(ask_status(g.h)->state, "serving");
	given_free(&g);
}

/* --- being told to wait -------------------------------------------------------------------- */

static void a_busy_peer_is_left_alone(void **state)
{
	struct given g = given_new();
	struct pb_frame frame = PB_FRAME_INIT;
	struct pb_bye bye = PB_BYE_INIT;

	(void)state;
	bye.has_code = bye.has_retry_after_s = 1;
	bye.code = PB(BYE_CODE, BUSY);
	bye.retry_after_s = 500;
	frame.bye = &bye;
	evil_frame(&g.e, &frame);
	evil_close(&g.e);
	assert_non_null(strstr(row_of(&g)->last_error, "asks to be left alone"));
	host_forget(g.h);
	fixture_pass(g.f, 499000);
	host_turn(g.h);
	assert_int_equal(g.h->n_dials[SK], 0);
	fixture_pass(g.f, 1000);
	host_turn(g.h);
	assert_int_equal(g.h->n_dials[SK], 1);
	given_free(&g);
}

/* --- deadlines ----------------------------------------------------------------------------- */

static void refer(struct given *g, const uint8_t id[16], uint64_t reply_by_us, uint64_t expires_us)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_referral_send ask = PB_REFERRAL_SEND_INIT;
	struct pb_referral terms = PB_REFERRAL_INIT;

	terms.has_type = terms.has_urgency = terms.has_responsibility = terms.has_basis = 1;
	terms.type = PB(REFERRAL_TYPE, TRACING);
	terms.urgency = PB(URGENCY, URGENT);
	terms.responsibility = PB(RESPONSIBILITY, REFERRAL);
	terms.basis = PB(LEGAL_BASIS, PUBLIC_TASK);
	terms.has_reply_by_us = reply_by_us != 0;
	terms.reply_by_us = reply_by_us;
	terms.has_expires_us = expires_us != 0;
	terms.expires_us = expires_us;
	ask.has_record_id = ask.has_purpose = 1;
	ask.record_id = message_borrow(view_of(id, 16));
	ask.peer = g->f->agency[SK].id.text;
	ask.purpose = PB(PURPOSE, CHILD_PROTECTION);
	ask.terms = &terms;
	m.referral_send = &ask;
	host_ask(g->h, EVERYONE, &m);
	if (host_error(g->h))
		fail_msg("%s", g->h->reply[0]->error->text);
}

/* The only referral of the list. */
static struct pb_referral_row *listed(struct given *g)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_referral_list list = PB_REFERRAL_LIST_INIT;

	m.referral_list = &list;
	host_ask(g->h, EVERYONE, &m);
	assert_int_equal(g->h->n_reply, 2);
	return g->h->reply[0]->referral;
}

static void an_undelivered_referral_expires(void **state)
{
	struct given g = given_new();
	uint8_t id[16];
	size_t n_warn;

	(void)state;
	evil_agree(&g.e);
	host_import(g.h, id);
	evil_close(&g.e);
	refer(&g, id, 0, g.f->utc_us + 3600000000);
	assert_string_equal(listed(&g)->delivery, "sealed");
	n_warn = g.f->n_log[LOG_WARN];
	fixture_pass(g.f, 3600000);
	host_turn(g.h);
	assert_string_equal(listed(&g)->delivery, "sealed"); /* to its end */
	fixture_pass(g.f, ALARM_EVERY_MS);
	host_turn(g.h);
	assert_string_equal(listed(&g)->delivery, "expired");
	assert_null(listed(&g)->answer);
	assert_int_equal(g.f->n_log[LOG_WARN], n_warn + 1);
	/* once, also after a restart */
	fixture_pass(g.f, ALARM_EVERY_MS);
	host_turn(g.h);
	host_stop(g.h);
	host_start(g.h);
	fixture_pass(g.f, ALARM_EVERY_MS);
	host_turn(g.h);
	assert_int_equal(g.f->n_log[LOG_WARN], n_warn + 1);
	/* it goes all the same, since what follows in the chain rests on it */
	evil_connect(&g.e, TLS_LISTENER);
	evil_receipt(&g.e);
	evil_send(&g.e);
	assert_string_equal(listed(&g)->delivery, "received");
	given_free(&g);
}

static void a_late_answer_is_overdue(void **state)
{
	struct given g = given_new();
	uint8_t id[16];
	size_t n_warn;

	(void)state;
	evil_agree(&g.e);
	host_import(g.h, id);
	refer(&g, id, g.f->utc_us + 3600000000, 0);
	evil_listen(&g.e);
	evil_receipt(&g.e);
	evil_send(&g.e);
	assert_null(listed(&g)->answer);
	n_warn = g.f->n_log[LOG_WARN];
	fixture_pass(g.f, 3600000 + ALARM_EVERY_MS);
	host_turn(g.h);
	assert_string_equal(listed(&g)->answer, "overdue");
	assert_string_equal(listed(&g)->delivery, "received");
	assert_int_equal(g.f->n_log[LOG_WARN], n_warn + 1);
	given_free(&g);
}

static void an_own_answer_is_due_then_overdue(void **state)
{
	struct given g = given_new();
	struct evil_referral r;
	struct digest leaf;
	size_t n_warn;

	(void)state;
	evil_agree(&g.e);
	evil_seal(&g.e);
	evil_referral_fill(&g.e, &r);
	r.terms.has_reply_by_us = 1;
	r.terms.reply_by_us = g.f->utc_us + 3600000000;
	leaf = evil_referral_add(&g.e, &r)->leaf;
	evil_send(&g.e);
	evil_referral_fini(&r);
	assert_int_equal(evil_outcome(&g.e, g.e.n_item), 0);
	assert_string_equal(listed(&g)->answer, "due");
	n_warn = g.f->n_log[LOG_WARN];
	fixture_pass(g.f, 3600000 + ALARM_EVERY_MS);
	host_turn(g.h);
	assert_string_equal(listed(&g)->answer, "overdue");
	assert_int_equal(g.f->n_log[LOG_WARN], n_warn + 1);
	assert_int_equal(ask_decide(g.h, &leaf), 0);
	assert_null(listed(&g)->answer);
	given_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(below_the_reserve_no_new_work_is_taken),
		cmocka_unit_test(what_was_promised_goes_on_in_the_reserve),
		cmocka_unit_test(the_last_of_the_reserve_is_not_for_peers),
		cmocka_unit_test(space_ends_the_waiting_at_once),
		cmocka_unit_test(entries_of_a_day_are_counted),
		cmocka_unit_test(a_clock_set_back_opens_no_second_day),
		cmocka_unit_test(bytes_held_are_counted),
		cmocka_unit_test(checkpoints_of_a_day_are_counted),
		cmocka_unit_test(requests_that_wait_are_bounded),
		cmocka_unit_test(a_busy_peer_is_left_alone),
		cmocka_unit_test(an_undelivered_referral_expires),
		cmocka_unit_test(a_late_answer_is_overdue),
		cmocka_unit_test(an_own_answer_is_due_then_overdue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
