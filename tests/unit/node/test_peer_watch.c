/* Who watches a peer is told of each receipt, and of nothing else. */
#include "unit/node/fixture.h"

#include <string.h>

struct given {
	struct fixture *f;
	struct host *h;
	struct evil e;
	uint8_t record[16];
};

static struct given given_new(void)
{
	struct given g = {.f = fixture_new()};

	g.h = &g.f->agency[CZ];
	evil_init(&g.e, g.f, SK);
	evil_connect(&g.e, TLS_LISTENER);
	evil_agree(&g.e);
	host_import(g.h, g.record);
	evil_receipt(&g.e);
	evil_send(&g.e);
	return g;
}

static void given_free(struct given *g)
{
	evil_fini(&g->e);
	fixture_free(g->f);
}

static void ask_watch(struct given *g, char *peer)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_peer_watch ask = PB_PEER_WATCH_INIT;

	ask.peer = peer;
	m.peer_watch = &ask;
	host_ask(g->h, NODE_ROLE_CASEWORKER, &m);
}

/* The one row told since it was asked, or since the row before. */
static const struct pb_peer_row *row(struct given *g, size_t n_before)
{
	const struct pb_api_reply *reply;

	assert_int_equal(g->h->n_reply, n_before + 1);
	reply = g->h->reply[n_before];
	assert_true(reply->more);
	assert_non_null(reply->peer);
	return reply->peer;
}

static void receipts_are_told(void **state)
{
	struct given g = given_new();
	const struct pb_peer_row *m;
	uint64_t delivered_k;

	(void)state;
	ask_watch(&g, g.f->agency[SK].id.text);
	m = row(&g, 0);
	assert_string_equal(m->id, g.f->agency[SK].id.text);
	assert_string_equal(m->state, "connected");
	delivered_k = m->delivered_k;
	/* A turn in which nothing changed tells nothing; nor does what is only written here. */
	host_turn(g.h);
	assert_int_equal(g.h->n_reply, 1);
	assert_int_equal(host_refer(g.h, SK, g.record, NULL), 0);
	assert_int_equal(g.h->n_reply, 1);
	assert_non_null(g.h->reply[0]->referral);
	assert_int_equal(g.h->reply[0]->referral->k, delivered_k + 1);
	/* Its receipt is told in the turn that stores it. */
	evil_listen(&g.e);
	evil_receipt(&g.e);
	evil_send(&g.e);
	m = row(&g, 1);
	assert_int_equal(m->delivered_k, delivered_k + 1);
	assert_int_equal(m->n_waiting, 0);
	given_free(&g);
}

static void a_lost_connection_is_told(void **state)
{
	struct given g = given_new();

	(void)state;
	ask_watch(&g, g.f->agency[SK].id.text);
	assert_string_equal(row(&g, 0)->state, "connected");
	assert_int_equal(node_session_closed(g.h->node, g.e.session), ERR_OK);
	host_turn(g.h);
	assert_string_not_equal(row(&g, 1)->state, "connected");
	given_free(&g);
}

static void who_is_gone_is_told_nothing(void **state)
{
	struct given g = given_new();

	(void)state;
	ask_watch(&g, g.f->agency[SK].id.text);
	assert_int_equal(g.h->n_reply, 1);
	node_caller_gone(g.h->node, 1);
	assert_int_equal(node_session_closed(g.h->node, g.e.session), ERR_OK);
	host_turn(g.h);
	assert_int_equal(g.h->n_reply, 1);
	given_free(&g);
}

static void there_are_not_too_many(void **state)
{
	struct given g = given_new();

	(void)state;
	for (size_t i = 0; i < PEER_WATCHES_MAX; i++) {
		ask_watch(&g, g.f->agency[SK].id.text);
		(void)row(&g, 0);
	}
	ask_watch(&g, g.f->agency[SK].id.text);
	assert_int_equal(host_error(g.h), PB(API_ERROR_CODE, TEMPORARY));
	given_free(&g);
}

static void a_peer_that_is_none(void **state)
{
	static char nobody[] = "nobody";
	struct given g = given_new();

	(void)state;
	ask_watch(&g, nobody);
	assert_int_equal(host_error(g.h), PB(API_ERROR_CODE, DATA));
	ask_watch(&g, NULL);
	assert_int_equal(host_error(g.h), PB(API_ERROR_CODE, DATA));
	given_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(receipts_are_told),
		cmocka_unit_test(a_lost_connection_is_told),
		cmocka_unit_test(who_is_gone_is_told_nothing),
		cmocka_unit_test(there_are_not_too_many),
		cmocka_unit_test(a_peer_that_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
