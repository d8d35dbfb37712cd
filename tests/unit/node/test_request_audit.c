/* The local API as the node answers it: the audit log, verifying, and reconciling with a peer that
 * lies. */
#include "unit/node/requests.h"

/* --- audit --- */

static void the_audit_log(void **state)
{
	struct given g = given_new();
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_audit_list ask = PB_AUDIT_LIST_INIT;
	struct pb_list_page page = PB_LIST_PAGE_INIT;

	(void)state;
	m.audit_list = &ask;
	host_ask(g.h, NODE_ROLE_AUDITOR, &m);
	assert_int_equal(g.h->n_reply, size_of(&g) + 1);
	for (uint64_t i = 0; i < size_of(&g); i++) {
		assert_int_equal(g.h->reply[i]->audit->id, i);
		assert_int_equal(g.h->reply[i]->audit->kind, kind_at(&g, i));
	}
	ask.has_from_index = page.has_limit = 1;
	ask.from_index = 2;
	page.limit = 3;
	ask.page = &page;
	host_ask(g.h, NODE_ROLE_AUDITOR, &m);
	assert_int_equal(g.h->n_reply, 4);
	assert_int_equal(g.h->reply[0]->audit->id, 2);
	ask.from_index = UINT64_MAX;
	host_ask(g.h, NODE_ROLE_AUDITOR, &m);
	assert_int_equal(g.h->n_reply, 1);
	given_free(&g);
}

static void verifying(void **state)
{
	struct given g = given_new();
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_audit_verify ask = PB_AUDIT_VERIFY_INIT;
	static char nobody[] = "nobody";

	(void)state;
	(void)from_evil(&g);
	m.audit_verify = &ask;
	host_ask(g.h, NODE_ROLE_AUDITOR, &m);
	assert_true(g.h->reply[0]->verify->ok);
	assert_int_equal(g.h->reply[0]->verify->n_entries, size_of(&g));
	ask.peer = nobody;
	host_ask(g.h, NODE_ROLE_AUDITOR, &m);
	assert_int_equal(host_error(g.h), ERROR(DATA));
	ask.peer = g.f->agency[AT].id.text; /* never met */
	host_ask(g.h, NODE_ROLE_AUDITOR, &m);
	assert_int_equal(host_error(g.h), ERROR(DATA));
	ask.peer = g.f->agency[SK].id.text;
	host_ask(g.h, NODE_ROLE_AUDITOR, &m);
	assert_true(g.h->reply[0]->verify->ok);
	assert_int_equal(g.h->reply[0]->verify->n_entries, g.e.n_item);
	given_free(&g);
}

/* --- reconciling with a hostile peer --- */

/* The newest question that the node has put. */
static const struct pb_ask *asked(struct given *g)
{
	const struct pb_ask *found = NULL;

	for (size_t i = 0; i < g->h->n_sent; i++)
		if (g->h->sent[i].frame && g->h->sent[i].frame->ask)
			found = g->h->sent[i].frame->ask;
	ASSERT(found != NULL && found->heads != NULL);
	return found;
}

static void begin_reconcile(struct given *g)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_audit_reconcile ask = PB_AUDIT_RECONCILE_INIT;

	ask.peer = g->f->agency[SK].id.text;
	m.audit_reconcile = &ask;
	host_forget(g->h);
	host_ask(g->h, NODE_ROLE_AUDITOR, &m);
	assert_int_equal(g->h->n_reply, 0);
	(void)asked(g);
}

/* Say @p newest and, of the position asked (0: of the newest), this head. */
static void answer(struct given *g, uint64_t newest, const struct digest *digest)
{
	const struct pb_ask *ask = asked(g);
	struct pb_frame m = PB_FRAME_INIT;
	struct pb_answer a = PB_ANSWER_INIT;
	struct pb_head head = PB_HEAD_INIT;
	struct pb_head *list[1] = {&head};
	CLEANUP(buf_fini) struct buf frame = {0};

	a.has_id = a.has_newest_k = 1;
	a.id = ask->id;
	a.newest_k = newest;
	head.has_k = head.has_head = 1;
	head.k = ask->heads->k[0] ? ask->heads->k[0] : newest;
	head.head = message_borrow(view_digest(digest));
	a.n_heads = digest->b[0] != 0xff;
	a.heads = list;
	m.answer = &a;
	assert_int_equal(message_encode(&m, &frame), ERR_OK);
	host_forget(g->h);
	assert_int_equal(node_frame(g->h->node, g->e.session, buf_view(&frame)), ERR_OK);
	host_turn(g->h);
}

static void reconciled(void **state)
{
	struct given g = given_new();
	const struct pb_reconcile_result *r;

	(void)state;
	begin_reconcile(&g);
	answer(&g, g.e.received.k, &g.e.received.head);
	assert_int_equal(g.h->n_reply, 0);
	answer(&g, g.e.n_item, &g.e.at.head);
	assert_int_equal(g.h->n_reply, 1);
	r = g.h->reply[0]->reconcile;
	assert_true(r->ok);
	assert_int_equal(r->sent_held, g.e.received.k);
	assert_int_equal(r->received_written, g.e.n_item);
	given_free(&g);
}

/* Items that come while the question is under way do not make the chains differ. */
static void reconciled_while_items_come(void **state)
{
	struct given g = given_new();
	struct digest head;
	uint64_t k;

	(void)state;
	begin_reconcile(&g);
	answer(&g, g.e.received.k, &g.e.received.head);
	/* asked for our received_k; now it moves on, and the answer says what was asked */
	head = g.e.at.head;
	k = g.e.n_item;
	{
		struct pb_ask_heads kept = *asked(&g)->heads;
		uint64_t id = asked(&g)->id, at = kept.k[0];
		struct pb_frame m = PB_FRAME_INIT;
		struct pb_answer a = PB_ANSWER_INIT;
		struct pb_head h = PB_HEAD_INIT;
		struct pb_head *list[1] = {&h};
		struct entry entry = evil_next(&g.e, PB(ENTRY_KIND, NOTICE));

		assert_int_equal(at, k);
		(void)evil_add(&g.e, &entry, view_str(""));
		evil_batch(&g.e, k, k + 1);
		a.has_id = a.has_newest_k = h.has_k = h.has_head = 1;
		a.id = id;
		a.newest_k = k;
		h.k = k;
		h.head = message_borrow(view_digest(&head));
		a.n_heads = 1;
		a.heads = list;
		m.answer = &a;
		evil_frame(&g.e, &m);
	}
	assert_int_equal(g.h->n_reply, 1);
	assert_true(g.h->reply[0]->reconcile->ok);
	given_free(&g);
}

/* Whatever a peer answers, the search ends: with the first position that differs, or in time. */
static void a_peer_that_lies_about_heads(void **state)
{
	struct digest wrong = {.b = {1}}, none = {.b = {0xff}};

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct given g = given_new();
		int n;

		begin_reconcile(&g);
		for (n = 0; g.h->n_reply == 0 && n < 200; n++)
			answer(&g, i == 0 ? g.e.received.k : UINT64_MAX, i == 2 ? &none : &wrong);
		assert_int_equal(g.h->n_reply, 1);
		assert_true(n <= 70);
		assert_false(g.h->reply[0]->reconcile->ok);
		assert_int_equal(g.h->reply[0]->reconcile->differs_from_k, 1);
		given_free(&g);
	}
}

static void a_peer_that_does_not_answer(void **state)
{
	struct given g = given_new();

	(void)state;
	begin_reconcile(&g);
	fixture_pass(g.f, 21000);
	host_turn(g.h);
	assert_int_equal(host_error(g.h), ERROR(TEMPORARY));
	begin_reconcile(&g);
	evil_close(&g.e);
	assert_int_equal(host_error(g.h), ERROR(TEMPORARY));
	{
		struct pb_api_request m = PB_API_REQUEST_INIT;
		struct pb_audit_reconcile ask = PB_AUDIT_RECONCILE_INIT;

		ask.peer = g.f->agency[SK].id.text;
		m.audit_reconcile = &ask;
		host_ask(g.h, NODE_ROLE_AUDITOR, &m);
		assert_int_equal(host_error(g.h), ERROR(UNAVAILABLE));
	}
	given_free(&g);
}

static void only_so_many_long_jobs(void **state)
{
	struct given g = given_new();
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_audit_reconcile ask = PB_AUDIT_RECONCILE_INIT;

	(void)state;
	for (int i = 0; i < NODE_JOBS_MAX; i++)
		begin_reconcile(&g);
	ask.peer = g.f->agency[SK].id.text;
	m.audit_reconcile = &ask;
	host_ask(g.h, NODE_ROLE_AUDITOR, &m);
	assert_int_equal(host_error(g.h), ERROR(TEMPORARY));
	/* a caller that went away frees its own */
	node_caller_gone(g.h->node, 1);
	begin_reconcile(&g);
	given_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_audit_log),
		cmocka_unit_test(verifying),
		cmocka_unit_test(reconciled),
		cmocka_unit_test(reconciled_while_items_come),
		cmocka_unit_test(a_peer_that_lies_about_heads),
		cmocka_unit_test(a_peer_that_does_not_answer),
		cmocka_unit_test(only_so_many_long_jobs),
	};

	return cmocka_run_group_tests_name("node/request_audit", tests, NULL, NULL);
}
