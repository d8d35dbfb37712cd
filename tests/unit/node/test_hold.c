/* What a node that holds back stores of the reason, and what ends it. */
#include "unit/node/requests.h"

#include <stdio.h>

#include "behind.h"
#include "node/hold.h"

static char why[] = "looked at by the operator";

static uint64_t n_incidents(struct given *g)
{
	uint64_t n;

	assert_int_equal(incident_count(g->h->node->store, &n), ERR_OK);
	return n;
}

static void restart(struct given *g)
{
	evil_close(&g->e);
	host_stop(g->h);
	host_start(g->h);
}

/* A Hello that shows this as the node's newest checkpoint. */
static void show(struct given *g, const struct seal_key *key, uint64_t size, uint64_t epoch)
{
	CLEANUP(buf_fini) struct buf note = {0};
	struct checkpoint c = {.size = size};
	struct hello_terms terms;

	origin_make(&c.origin, &g->h->id, epoch);
	memset(c.root.b, 9, sizeof(c.root.b));
	assert_int_equal(checkpoint_sign(&c, key, &note), ERR_OK);
	evil_open(&g->e, TLS_LISTENER);
	terms = evil_terms(&g->e);
	terms.your_checkpoint = buf_view(&note);
	evil_say(&g->e, &terms);
	evil_close(&g->e);
}

static void holds(struct given *g, const char *words)
{
	if (!node_hold(g->h->node) || !strstr(node_hold(g->h->node), words))
		fail_msg("not held for '%s': %s", words,
			 node_hold(g->h->node) ? node_hold(g->h->node) : "serving");
}

static int new_epoch(struct given *g)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_ledger_new_epoch ask = PB_LEDGER_NEW_EPOCH_INIT;

	ask.reason = why;
	m.ledger_new_epoch = &ask;
	host_ask(g->h, NODE_ROLE_OPERATOR, &m);
	return host_error(g->h);
}

/* --- lost --- */

static void what_a_peer_showed_counts_after_a_restart(void **state)
{
	struct given g = given_new();
	const uint64_t size = size_of(&g);
	size_t n_signed;

	(void)state;
	show(&g, g.h->seal_key, 1000, g.h->node->epoch);
	holds(&g, "rolled back or forked");
	assert_int_equal(n_incidents(&g), 1);
	n_signed = g.h->n_last_signed;
	for (int i = 0; i < 3; i++) {
		restart(&g);
		host_turn(g.h);
		holds(&g, "rolled back or forked");
		assert_int_equal(g.h->n_last_signed, n_signed);
		assert_int_equal(size_of(&g), size);
	}
	/* what shows nothing more is not stored again */
	show(&g, g.h->seal_key, 1000, g.h->node->epoch);
	show(&g, g.h->seal_key, 999, g.h->node->epoch);
	assert_int_equal(n_incidents(&g), 1);
	show(&g, g.h->seal_key, 1001, g.h->node->epoch);
	assert_int_equal(n_incidents(&g), 2);
	restart(&g);
	show(&g, g.h->seal_key, 1001, g.h->node->epoch);
	assert_int_equal(n_incidents(&g), 2);

	assert_int_equal(new_epoch(&g), 0);
	assert_null(node_hold(g.h->node));
	restart(&g);
	assert_null(node_hold(g.h->node));
	assert_int_equal(n_incidents(&g), 2); /* the evidence stays */
	given_free(&g);
}

/* The epoch that it shows is remembered too: the next one must be greater. */
static void the_epoch_shown_counts_after_a_restart(void **state)
{
	struct given g = given_new();
	const uint64_t shown = g.h->node->epoch + 1000000;

	(void)state;
	show(&g, g.h->seal_key, 5, shown);
	holds(&g, "rolled back or forked");
	restart(&g);
	assert_int_equal(new_epoch(&g), 0);
	assert_int_equal(g.h->node->epoch, shown + 1);
	given_free(&g);
}

/* A ledger that grows and ends while it is verified is verified to its end, then the new one. */
static void a_ledger_that_ends_while_it_is_verified(void **state)
{
	struct given g = given_new();
	struct node *n = g.h->node;
	struct pb_api_request list = PB_API_REQUEST_INIT, verify = PB_API_REQUEST_INIT,
			      begin = PB_API_REQUEST_INIT;
	struct pb_record_list asked = PB_RECORD_LIST_INIT;
	struct pb_audit_verify ask = PB_AUDIT_VERIFY_INIT;
	struct pb_ledger_new_epoch anew = PB_LEDGER_NEW_EPOCH_INIT;
	const uint64_t epoch = n->epoch;
	uint64_t size, at_start;
	size_t n_seen = 0;
	bool more;

	(void)state;
	list.record_list = &asked;
	verify.audit_verify = &ask;
	anew.reason = why;
	begin.ledger_new_epoch = &anew;
	for (int i = 0; i < 8; i++) {
		for (int k = 0; k < 100; k++)
			host_queue(g.h, NODE_ROLE_AUDITOR, &list);
		host_turn(g.h);
	}
	at_start = size_of(&g);
	assert_true(at_start > 800);
	host_forget(g.h);
	host_queue(g.h, NODE_ROLE_AUDITOR, &verify);
	assert_int_equal(node_turn(n, &more), ERR_OK);
	host_queue(g.h, NODE_ROLE_AUDITOR, &list);
	assert_int_equal(node_turn(n, &more), ERR_OK);
	assert_true(more); /* it is not at its end */
	size = size_of(&g);
	assert_true(size > at_start);
	hold_lost(n, "lost, says the test");
	host_queue(g.h, NODE_ROLE_OPERATOR, &begin);
	host_turn(g.h);
	assert_true(n->epoch > epoch);
	for (size_t i = 0; i < g.h->n_reply; i++) {
		const struct pb_verify_result *r = g.h->reply[i]->verify;

		if (!r)
			continue;
		assert_true(r->ok);
		if (n_seen++ == 0)
			assert_int_equal(r->n_entries, size);
	}
	assert_int_equal(n_seen, 2);
	given_free(&g);
}

/* Its checkpoint is made in the call that began it, whoever waits: a Hello has to show it. */
static void a_new_epoch_ends_its_turn(void **state)
{
	struct given g = given_new();
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_ledger_new_epoch ask = PB_LEDGER_NEW_EPOCH_INIT;
	struct pb_api_request status = PB_API_REQUEST_INIT;
	struct pb_node_status asked = PB_NODE_STATUS_INIT;
	size_t n_reply;
	bool more;

	(void)state;
	show(&g, g.h->seal_key, 1000, g.h->node->epoch);
	holds(&g, "rolled back or forked");
	n_reply = g.h->n_reply;
	ask.reason = why;
	m.ledger_new_epoch = &ask;
	status.node_status = &asked;
	host_queue(g.h, NODE_ROLE_OPERATOR, &m);
	for (int i = 0; i < 2 * NODE_STEP_REQUESTS; i++)
		host_queue(g.h, NODE_ROLE_OPERATOR, &status);
	assert_int_equal(node_turn(g.h->node, &more), ERR_OK);
	assert_false(node_is_in_turn(g.h->node));
	assert_int_equal(g.h->n_reply, n_reply + 1);
	assert_int_equal(g.h->node->signed_size, size_of(&g));
	host_turn(g.h);
	assert_int_equal(g.h->n_reply, n_reply + 1 + 2 * NODE_STEP_REQUESTS);
	given_free(&g);
}

static void what_we_did_not_sign_holds_nothing(void **state)
{
	struct given g = given_new();

	(void)state;
	show(&g, g.e.papers->seal_key, 1000, g.h->node->epoch);
	assert_null(node_hold(g.h->node));
	assert_int_equal(n_incidents(&g), 0);
	restart(&g);
	assert_null(node_hold(g.h->node));
	given_free(&g);
}

/* Stored, but the ledger contains it: the newer database was put back. */
static void it_is_void_when_the_ledger_contains_it(void **state)
{
	struct given g = given_new();
	struct behind b;
	char *words = NULL;

	(void)state;
	evil_close(&g.e);
	host_stop(g.h);
	behind_open(&b, g.h->database);
	if (sqlite3_exec(b.db,
			 "INSERT INTO incident (peer, kind, a, b, time_us) SELECT 1, 'a peer holds "
			 "a checkpoint of ours that our ledger does not contain', note, note, 1 "
			 "FROM own_checkpoint",
			 NULL, NULL, &words) != SQLITE_OK)
		fail_msg("%s", words);
	behind_close(&b);
	host_start(g.h);
	assert_int_equal(n_incidents(&g), 1);
	assert_null(node_hold(g.h->node));
	/* a row that is not what we signed is damage */
	host_stop(g.h);
	behind_open(&b, g.h->database);
	assert_int_equal(sqlite3_exec(b.db, "UPDATE incident SET b = x'00'", NULL, NULL, &words),
			 SQLITE_OK);
	behind_close(&b);
	assert_int_equal(host_try(g.h), ERR_STORAGE);
	given_free(&g);
}

/* Also of a peer that began a new epoch: its Hello must not make us sign first. */
static void a_new_epoch_does_not_hide_it(void **state)
{
	struct given g = given_new();
	struct origin was = g.e.origin;

	(void)state;
	origin_make(&g.e.origin, &g.e.papers->id, 4000000000);
	show(&g, g.h->seal_key, 1000, g.h->node->epoch);
	holds(&g, "rolled back or forked");
	assert_string_equal(host_peer(g.h, SK)->row.new_origin, "");
	g.e.origin = was;
	given_free(&g);
}

/* Where the peer alone dials, its Hello may come in the turn in which the session begins: it hears
 * of the new ledger even so, or it would never. */
static void a_new_ledger_is_told_before_the_session_ends(void **state)
{
	struct given g = given_new();
	struct hello_terms terms;

	(void)state;
	evil_close(&g.e);
	show(&g, g.h->seal_key, 1000, g.h->node->epoch);
	assert_int_equal(new_epoch(&g), 0);
	evil_arrive(&g.e, TLS_LISTENER);
	terms = evil_terms(&g.e); /* it holds a checkpoint of the old ledger */
	assert_string_not_equal(g.e.node_origin.text, g.h->node->origin.text);
	evil_say(&g.e, &terms);
	assert_string_equal(g.e.node_origin.text, g.h->node->origin.text);
	assert_int_equal(g.e.bye, PB(BYE_CODE, STOPPED));
	given_free(&g);
}

/* --- the clock --- */

static int confirm(struct given *g, uint32_t roles, char *reason)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_clock_confirm ask = PB_CLOCK_CONFIRM_INIT;

	ask.reason = reason;
	m.clock_confirm = &ask;
	host_ask(g->h, roles, &m);
	return host_error(g->h);
}

static uint64_t time_at(struct given *g, uint64_t index)
{
	struct entry_row row;
	struct entry entry;

	assert_int_equal(entry_get(g->h->node->store, g->h->node->epoch, index, &row), ERR_OK);
	assert_int_equal(entry_decode(row.entry, &entry), ERR_OK);
	return entry.time_us;
}

static void move(struct given *g, int64_t by_s)
{
	g->f->utc_us = (uint64_t)((int64_t)g->f->utc_us + by_s * 1000000);
}

static void a_jump_is_confirmed(void **state)
{
	static const int64_t jumps_s[] = {3600, -3600, 86400 * 400};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(jumps_s); i++) {
		struct given g = given_new();
		uint64_t size = size_of(&g), last = g.h->node->last_time_us;

		assert_int_equal(confirm(&g, NODE_ROLE_OPERATOR, why), ERROR(DATA));
		move(&g, jumps_s[i]);
		host_turn(g.h);
		holds(&g, "clock moved");
		assert_non_null(strstr(node_hold(g.h->node), "amparo clock confirm"));
		assert_int_equal(confirm(&g, NODE_ROLE_AUDITOR, why), ERROR(NO_PERMISSION));
		assert_int_equal(confirm(&g, NODE_ROLE_OPERATOR, NULL), ERROR(USAGE));
		assert_int_equal(new_epoch(&g), ERROR(TEMPORARY));
		holds(&g, "clock moved");
		assert_int_equal(size_of(&g), size);
		assert_int_equal(confirm(&g, NODE_ROLE_OPERATOR, why), 0);
		assert_string_equal(g.h->reply[0]->status->state, "serving");
		assert_int_equal(size_of(&g), size + 1);
		assert_int_equal(kind_at(&g, size), PB(ENTRY_KIND, CONFIG));
		assert_true(time_at(&g, size) >= last);
		host_turn(g.h);
		assert_null(node_hold(g.h->node));
		given_free(&g);
	}
}

/* A restart confirms nothing; what was confirmed holds over one; further back is another matter. */
static void a_clock_behind_the_ledger_is_confirmed(void **state)
{
	struct given g = given_new();
	uint64_t last = g.h->node->last_time_us, size;

	(void)state;
	evil_close(&g.e);
	host_stop(g.h);
	move(&g, -7200);
	for (int i = 0; i < 3; i++) {
		host_start(g.h);
		holds(&g, "before the newest entry");
		host_stop(g.h);
	}
	host_start(g.h);
	size = size_of(&g);
	assert_int_equal(confirm(&g, NODE_ROLE_OPERATOR, why), 0);
	assert_null(node_hold(g.h->node));
	assert_int_equal(time_at(&g, size), last); /* never back */
	host_stop(g.h);
	host_start(g.h);
	assert_null(node_hold(g.h->node));
	assert_int_equal(g.h->node->last_time_us, last);
	host_stop(g.h);
	move(&g, -400);
	host_start(g.h);
	holds(&g, "before the newest entry");
	host_stop(g.h);
	move(&g, 400);
	/* the clock has come past: what was confirmed is history */
	move(&g, 7300);
	host_start(g.h);
	assert_true(g.h->node->last_time_us > last);
	host_stop(g.h);
	move(&g, -3600);
	host_start(g.h);
	holds(&g, "before the newest entry");
	given_free(&g);
}

/* Both at once: the clock first, since the number of the new epoch comes from it. */
static void lost_and_a_clock_in_doubt(void **state)
{
	struct given g = given_new();
	uint64_t size = size_of(&g);

	(void)state;
	show(&g, g.h->seal_key, 1000, g.h->node->epoch);
	move(&g, 3600);
	host_turn(g.h);
	holds(&g, "rolled back or forked");
	assert_int_equal(new_epoch(&g), ERROR(TEMPORARY));
	assert_int_equal(confirm(&g, NODE_ROLE_OPERATOR, why), 0);
	holds(&g, "rolled back or forked");
	assert_int_equal(size_of(&g), size);
	assert_int_equal(new_epoch(&g), 0);
	assert_null(node_hold(g.h->node));
	given_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_peer_showed_counts_after_a_restart),
		cmocka_unit_test(the_epoch_shown_counts_after_a_restart),
		cmocka_unit_test(a_ledger_that_ends_while_it_is_verified),
		cmocka_unit_test(a_new_epoch_ends_its_turn),
		cmocka_unit_test(what_we_did_not_sign_holds_nothing),
		cmocka_unit_test(it_is_void_when_the_ledger_contains_it),
		cmocka_unit_test(a_new_epoch_does_not_hide_it),
		cmocka_unit_test(a_new_ledger_is_told_before_the_session_ends),
		cmocka_unit_test(a_jump_is_confirmed),
		cmocka_unit_test(a_clock_behind_the_ledger_is_confirmed),
		cmocka_unit_test(lost_and_a_clock_in_doubt),
	};

	return cmocka_run_group_tests_name("node/hold", tests, NULL, NULL);
}
