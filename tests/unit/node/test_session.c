/* Sessions with a hostile peer: what comes before Hello, what costs a session and changes nothing,
 * RESUME. */
#include "unit/node/sessions.h"

/* --- before Hello --- */

static void hello_comes_first(void **state)
{
	struct pb_frame m;
	struct pb_batch batch = PB_BATCH_INIT;
	struct pb_resume resume = PB_RESUME_INIT;
	struct pb_ask ask = PB_ASK_INIT;
	struct pb_answer answer = PB_ANSWER_INIT;
	struct pb_ping ping = PB_PING_INIT;
	struct given g = given_new();
	const uint64_t files = host_files(g.e.victim);

	(void)state;
	for (int i = 0; i < 6; i++) {
		m = (struct pb_frame)PB_FRAME_INIT;
		m.batch = i == 0 ? &batch : NULL;
		m.resume = i == 1 ? &resume : NULL;
		m.ask = i == 2 ? &ask : NULL;
		m.answer = i == 3 ? &answer : NULL;
		m.ping = i == 4 ? &ping : NULL;
		evil_open(&g.e, i % 2 ? TLS_DIALLER : TLS_LISTENER);
		if (i < 5)
			evil_frame(&g.e, &m);
		else
			evil_bytes(&g.e, view_str("\x0a"));
		assert_int_equal(g.e.bye, PB(BYE_CODE, PROTOCOL));
		assert_true(host_has_closed(g.e.victim, g.e.session));
		evil_close(&g.e);
	}
	/* nothing that nobody signed is written */
	assert_true(host_files(g.e.victim) == files);
	assert_false(sk(&g)->row.pinned);
	given_free(&g);
}

static void bye_may_come_first(void **state)
{
	struct pb_frame m = PB_FRAME_INIT;
	struct pb_bye bye = PB_BYE_INIT;
	struct given g = given_new();

	(void)state;
	bye.has_code = bye.has_retry_after_s = 1;
	bye.code = PB(BYE_CODE, BUSY);
	bye.retry_after_s = 3600;
	m.bye = &bye;
	evil_open(&g.e, TLS_LISTENER);
	evil_frame(&g.e, &m);
	evil_close(&g.e);
	/* unsigned, it holds us back for a minute at most */
	assert_true(sk(&g)->dial_at_ms <= g.f->mono_ms + 60000);
	evil_connect(&g.e, TLS_LISTENER);
	evil_frame(&g.e, &m);
	evil_close(&g.e);
	assert_true(sk(&g)->dial_at_ms == g.f->mono_ms + 3600000);
	bye.retry_after_s = UINT32_MAX;
	evil_connect(&g.e, TLS_LISTENER);
	evil_frame(&g.e, &m);
	evil_close(&g.e);
	assert_true(sk(&g)->dial_at_ms == g.f->mono_ms + 3600000);
	given_free(&g);
}

static void hello_in_time(void **state)
{
	struct given g = given_new();

	(void)state;
	evil_open(&g.e, TLS_LISTENER);
	assert_true(node_deadline_ms(g.e.victim->node) <= g.f->mono_ms + HELLO_WITHIN_MS);
	fixture_pass(g.f, HELLO_WITHIN_MS - 1);
	host_turn(g.e.victim);
	evil_listen(&g.e);
	assert_int_equal(g.e.bye, 0);
	fixture_pass(g.f, 1);
	host_turn(g.e.victim);
	evil_listen(&g.e);
	assert_int_equal(g.e.bye, PB(BYE_CODE, PROTOCOL));
	given_free(&g);
}

static void a_second_hello(void **state)
{
	struct given g = given_new();
	struct hello_terms terms;

	(void)state;
	evil_connect(&g.e, TLS_LISTENER);
	terms = evil_terms(&g.e);
	evil_say(&g.e, &terms);
	assert_int_equal(g.e.bye, PB(BYE_CODE, PROTOCOL));
	assert_null(sk(&g)->live);
	given_free(&g);
}

/* --- who --- */

static void only_configured_peers(void **state)
{
	struct given g = given_new();
	struct host *h = g.e.victim;
	uint8_t exporter[EXPORTER_BYTES] = {0};
	struct agency_id stranger;

	(void)state;
	assert_int_equal(agency_id_parse(view_str("spiffe://sk.example/another"), &stranger),
			 ERR_OK);
	assert_int_equal(node_session_opened(h->node, 901, TLS_LISTENER, &stranger, exporter),
			 ERR_OK);
	host_turn(h);
	assert_true(host_has_closed(h, 901));
	assert_int_equal(h->n_sent, 0);
	/* one that was configured once */
	host_stop(h);
	h->n_peer = 0;
	host_start(h);
	host_forget(h);
	assert_int_equal(node_session_opened(h->node, 902, TLS_LISTENER, &g.e.papers->id, exporter),
			 ERR_OK);
	host_turn(h);
	assert_true(host_has_closed(h, 902));
	given_free(&g);
}

static void only_so_many_sessions(void **state)
{
	struct given g = given_new();
	struct host *h = g.e.victim;
	uint8_t exporter[EXPORTER_BYTES] = {0};

	(void)state;
	for (uint64_t i = 1; i <= 10; i++)
		assert_int_equal(node_session_opened(h->node, 900 + i, TLS_LISTENER,
						     &g.e.papers->id, exporter),
				 ERR_OK);
	host_turn(h);
	assert_int_equal(h->n_closed, 10 - SESSIONS_PER_PEER);
	for (uint64_t i = 1; i <= 10; i++)
		assert_int_equal(node_session_closed(h->node, 900 + i), ERR_OK);
	host_turn(h);
	evil_connect(&g.e, TLS_LISTENER);
	given_free(&g);
}

static void the_pin_holds(void **state)
{
	struct given g = given_new();
	struct evil other;
	struct hello_terms terms;
	uint64_t files;

	(void)state;
	evil_connect(&g.e, TLS_LISTENER);
	evil_close(&g.e);
	files = host_files(g.e.victim);
	/* another epoch under the same key; the CA's word for another key is in exchange/hello */
	evil_init(&other, g.f, SK);
	origin_make(&other.origin, &other.papers->id, 5);
	evil_open(&other, TLS_LISTENER);
	terms = evil_terms(&other);
	evil_say(&other, &terms);
	assert_int_equal(other.bye, PB(BYE_CODE, IDENTITY));
	assert_true(host_files(g.e.victim) == files);
	assert_true(g.f->n_log[LOG_ERR] >= 1);
	assert_non_null(strstr(g.f->log_err, "compared fingerprints"));
	evil_close(&other);
	evil_connect(&g.e, TLS_LISTENER);
	evil_fini(&other);
	given_free(&g);
}

static void a_cursor_off_our_chain(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	uint64_t files;

	(void)state;
	connected_and_agreed(&g);
	evil_close(e);
	files = host_files(e->victim);
	for (int i = 0; i < 4; i++) {
		struct hello_terms terms;

		evil_open(e, TLS_LISTENER);
		terms = evil_terms(e);
		if (i == 0)
			terms.received.k++;
		else if (i == 1)
			terms.received.k = UINT64_MAX;
		else if (i == 2)
			terms.received.head.b[0] ^= 1;
		else
			terms.received.k--;
		evil_say(e, &terms);
		assert_int_equal(e->bye, PB(BYE_CODE, PROTOCOL));
		evil_close(e);
	}
	assert_true(host_files(e->victim) == files);
	given_free(&g);
}

/* --- faults cost a session and nothing else --- */

typedef void (*fault)(struct given *g);

static struct pb_frame *good_batch(struct evil *e)
{
	CLEANUP(buf_fini) struct buf frame = {0}, note = {0};
	struct tree_reader reader;
	struct pb_item item = PB_ITEM_INIT;
	struct batch_part part = {.item = &item.base};
	struct batch_terms terms = {.from_size = e->sent_size, .part = &part, .n_part = 1};
	struct pb_frame *m = NULL;
	struct evil_item *last;

	add_notice(e);
	last = &e->item[e->n_item - 1];
	reader = memory_tree_reader(&e->tree);
	item.has_index = item.has_entry = item.has_body = item.has_body_salt = 1;
	item.index = part.index = last->index;
	item.entry = message_borrow(buf_view(&last->entry));
	item.body = message_borrow(buf_view(&last->body));
	item.body_salt = message_borrow(view_of(last->salt, last->n_salt));
	evil_note(e, &note);
	terms.note = buf_view(&note);
	terms.size = e->tree.frontier.size;
	assert_int_equal(batch_make(&terms, &reader, &frame), ERR_OK);
	assert_int_equal(message_decode(&pb_frame_desc, buf_view(&frame), MESSAGE_STRICT, &m),
			 ERR_OK);
	return m;
}

static void batch_changed(struct given *g, int change)
{
	CLEANUP(message_freep) struct pb_frame *m = good_batch(&g->e);
	struct pb_batch *b = m->batch;

	switch (change) {
	case 0:
		b->checkpoint.data[b->checkpoint.len - 10] ^= 1;
		break;
	case 1:
		b->checkpoint.data[0] ^= 1;
		break;
	case 2:
		b->consistency.data[0] ^= 1;
		break;
	case 3:
		b->nodes.data[0] ^= 1;
		break;
	case 4:
		b->items[0]->index--;
		break;
	case 5:
		b->items[0]->entry.data[10] ^= 1;
		break;
	case 6:
		b->has_checkpoint = 0;
		break;
	case 7:
		b->has_from_size = 0;
		break;
	}
	evil_frame(&g->e, m);
	b->has_checkpoint = 1;
}

static void bad_note(struct given *g)
{
	batch_changed(g, 0);
}

static void bad_origin(struct given *g)
{
	batch_changed(g, 1);
}

static void bad_consistency(struct given *g)
{
	batch_changed(g, 2);
}

static void bad_nodes(struct given *g)
{
	batch_changed(g, 3);
}

static void bad_index(struct given *g)
{
	batch_changed(g, 4);
}

static void bad_entry(struct given *g)
{
	batch_changed(g, 5);
}

static void no_checkpoint(struct given *g)
{
	batch_changed(g, 6);
}

static void no_from_size(struct given *g)
{
	batch_changed(g, 7);
}

static void bad_prev_head(struct given *g)
{
	struct entry entry = evil_next(&g->e, PB(ENTRY_KIND, NOTICE));

	entry.prev_head.b[3] ^= 1;
	(void)evil_add(&g->e, &entry, view_str(""));
	evil_batch(&g->e, g->e.n_item - 1, g->e.n_item);
}

static void not_an_entry(struct given *g)
{
	(void)evil_add_bytes(&g->e, view_str("not an entry"));
	evil_batch(&g->e, g->e.n_item - 1, g->e.n_item);
}

static void garbage_frame(struct given *g)
{
	evil_bytes(&g->e, view_str("garbage"));
}

static void two_in_one_frame(struct given *g)
{
	struct pb_frame m = PB_FRAME_INIT;
	struct pb_ping ping = PB_PING_INIT;
	struct pb_bye bye = PB_BYE_INIT;

	m.ping = &ping;
	m.bye = &bye;
	evil_frame(&g->e, &m);
}

static void resume_with(struct given *g, uint64_t size, uint64_t k, const struct digest *head,
			int missing)
{
	struct pb_frame m = PB_FRAME_INIT;
	struct pb_resume resume = PB_RESUME_INIT;

	resume.has_size = missing != 1;
	resume.size = size;
	resume.has_k = missing != 2;
	resume.k = k;
	resume.has_head = head != NULL;
	if (head)
		resume.head = message_borrow(view_digest(head));
	m.resume = &resume;
	evil_frame(&g->e, &m);
}

static void resume_beyond_the_tree(struct given *g)
{
	resume_with(g, g->e.held.size + 100, g->e.received.k, &g->e.received.head, 0);
}

static void resume_beyond_the_chain(struct given *g)
{
	resume_with(g, 1, g->e.received.k + 1, &g->e.received.head, 0);
}

static void resume_with_another_head(struct given *g)
{
	struct digest d = {.b = {1}};

	resume_with(g, 1, g->e.received.k, &d, 0);
}

static void resume_without_head(struct given *g)
{
	resume_with(g, 1, g->e.received.k, NULL, 0);
}

static void resume_without_size(struct given *g)
{
	resume_with(g, 1, g->e.received.k, &g->e.received.head, 1);
}

static void resume_without_k(struct given *g)
{
	resume_with(g, 1, 0, NULL, 2);
}

static void resumes_without_end(struct given *g)
{
	for (int i = 0; i <= RESUMES_MAX; i++) {
		assert_int_equal(g->e.bye, 0);
		/* from the very beginning, again and again */
		g->e.received = chain_start(g->e.node_origin.text, &g->e.papers->id);
		g->e.held.size = 0;
		resume_with(g, 0, 0, NULL, 0);
	}
}

static void ask_with(struct given *g, bool has_id, size_t n_k, size_t n_sizes, bool has_side)
{
	struct pb_frame m = PB_FRAME_INIT;
	struct pb_ask ask = PB_ASK_INIT;
	struct pb_ask_heads heads = PB_ASK_HEADS_INIT;
	struct pb_ask_consistency consistency = PB_ASK_CONSISTENCY_INIT;
	uint64_t numbers[65] = {0};

	ask.has_id = has_id;
	heads.has_side = has_side;
	heads.side = PB(CHAIN_SIDE, MINE);
	heads.n_k = n_k;
	heads.k = numbers;
	consistency.n_sizes = n_sizes;
	consistency.sizes = numbers;
	ask.heads = n_k ? &heads : NULL;
	ask.consistency = n_sizes ? &consistency : NULL;
	m.ask = &ask;
	evil_frame(&g->e, &m);
}

static void ask_without_id(struct given *g)
{
	ask_with(g, false, 1, 0, true);
}

static void ask_nothing(struct given *g)
{
	ask_with(g, true, 0, 0, true);
}

static void ask_two_things(struct given *g)
{
	ask_with(g, true, 1, 1, true);
}

static void ask_without_side(struct given *g)
{
	ask_with(g, true, 1, 0, false);
}

static void ask_for_65_heads(struct given *g)
{
	ask_with(g, true, 65, 0, true);
}

static void ask_for_5_sizes(struct given *g)
{
	ask_with(g, true, 0, 5, true);
}

static void a_fault_costs_the_session(void **state)
{
	static const struct {
		const char *name;
		fault make;
	} rows[] = {
		{"note", bad_note},
		{"origin", bad_origin},
		{"consistency", bad_consistency},
		{"nodes", bad_nodes},
		{"index", bad_index},
		{"entry", bad_entry},
		{"no checkpoint", no_checkpoint},
		{"no from_size", no_from_size},
		{"prev_head", bad_prev_head},
		{"no entry", not_an_entry},
		{"garbage", garbage_frame},
		{"two in one", two_in_one_frame},
		{"resume size", resume_beyond_the_tree},
		{"resume k", resume_beyond_the_chain},
		{"resume head", resume_with_another_head},
		{"resume no head", resume_without_head},
		{"resume no size", resume_without_size},
		{"resume no k", resume_without_k},
		{"nine resumes", resumes_without_end},
		{"ask no id", ask_without_id},
		{"ask nothing", ask_nothing},
		{"ask two", ask_two_things},
		{"ask no side", ask_without_side},
		{"ask 65", ask_for_65_heads},
		{"ask 5", ask_for_5_sizes},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct given g = given_new();
		struct peer_row before;
		uint64_t files;

		connected_and_agreed(&g);
		before = sk(&g)->row;
		files = host_files(g.e.victim);
		rows[i].make(&g);
		if (g.e.bye != PB(BYE_CODE, PROTOCOL))
			fail_msg("%s: bye %d", rows[i].name, g.e.bye);
		assert_true(host_has_closed(g.e.victim, g.e.session));
		assert_null(sk(&g)->live);
		/* nothing stored, nothing learnt */
		if (host_files(g.e.victim) != files)
			fail_msg("%s: something was stored", rows[i].name);
		assert_int_equal(sk(&g)->row.received_k, before.received_k);
		assert_int_equal(sk(&g)->row.held_size, before.held_size);
		assert_int_equal(sk(&g)->row.sent_k, before.sent_k);
		assert_int_equal(sk(&g)->row.delivered_k, before.delivered_k);
		assert_int_equal(sk(&g)->n_faults, 1);
		/* what comes after the end is dropped */
		evil_bytes(&g.e, view_str("garbage"));
		assert_int_equal(sk(&g)->n_faults, 1);
		given_free(&g);
	}
}

static void five_faults_in_a_row_alarm(void **state)
{
	struct given g = given_new();

	(void)state;
	connected_and_agreed(&g);
	evil_close(&g.e);
	for (unsigned i = 1; i <= 7; i++) {
		memset(g.f->n_log, 0, sizeof(g.f->n_log));
		evil_connect(&g.e, TLS_LISTENER);
		garbage_frame(&g);
		evil_close(&g.e);
		assert_int_equal(g.f->n_log[LOG_ERR], i >= FAULTS_ALARM);
	}
	given_free(&g);
}

static void faults_do_not_fill_the_log(void **state)
{
	struct given g = given_new();
	size_t n = 0;

	(void)state;
	memset(g.f->n_log, 0, sizeof(g.f->n_log));
	for (int i = 0; i < 500; i++) {
		evil_open(&g.e, TLS_LISTENER);
		garbage_frame(&g);
		evil_close(&g.e);
	}
	for (size_t i = 0; i <= LOG_INFO; i++)
		n += g.f->n_log[i];
	assert_true(n <= PEER_LOG_BURST + 5);
	/* later it is said how many were left out */
	fixture_pass(g.f, 5000);
	memset(g.f->n_log, 0, sizeof(g.f->n_log));
	evil_open(&g.e, TLS_LISTENER);
	garbage_frame(&g);
	assert_true(g.f->n_log[LOG_WARN] + g.f->n_log[LOG_ERR] >= 2);
	given_free(&g);
}

/* --- RESUME --- */

static void one_resume_answers_all_under_way(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	uint64_t files;

	(void)state;
	connected_and_agreed(&g);
	for (int i = 0; i < 3; i++)
		add_notice(e);
	files = host_files(e->victim);
	e->sent_size = 1; /* as one that lost count */
	for (int i = 0; i < 30; i++) {
		evil_batch(e, e->n_item - 3, e->n_item);
		assert_int_equal(e->bye, 0);
	}
	assert_int_equal(e->n_resume, 1);
	assert_int_equal(e->resume.size, sk(&g)->row.held_size);
	assert_int_equal(e->resume.k, sk(&g)->row.received_k);
	assert_memory_equal(e->resume_head, sk(&g)->row.received_head.b, 32);
	assert_true(host_files(e->victim) == files);
	e->sent_size = e->resume.size;
	evil_batch(e, e->resume.k, e->n_item);
	assert_int_equal(sk(&g)->row.received_k, e->n_item);
	/* lost again: told again */
	add_notice(e);
	e->sent_size = 2;
	evil_batch(e, e->n_item - 1, e->n_item);
	assert_int_equal(e->n_resume, 2);
	given_free(&g);
}

static void a_gap_calls_for_resume(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	uint64_t k;

	(void)state;
	connected_and_agreed(&g);
	k = sk(&g)->row.received_k;
	add_notice(e);
	add_notice(e);
	evil_batch(e, e->n_item - 1, e->n_item);
	assert_int_equal(e->n_resume, 1);
	assert_int_equal(sk(&g)->row.received_k, k);
	e->sent_size = e->resume.size;
	evil_batch(e, e->resume.k, e->n_item);
	assert_int_equal(sk(&g)->row.received_k, e->n_item);
	given_free(&g);
}

static void resume_loops_end(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;

	(void)state;
	connected_and_agreed(&g);
	for (int i = 0; i < RESUMES_MAX; i++) {
		add_notice(e);
		e->sent_size = 1;
		evil_batch(e, e->n_item - 1, e->n_item);
		e->sent_size = e->resume.size;
		evil_batch(e, e->resume.k, e->n_item);
		assert_int_equal(e->bye, 0);
	}
	add_notice(e);
	e->sent_size = 1;
	evil_batch(e, e->n_item - 1, e->n_item);
	assert_int_equal(e->bye, PB(BYE_CODE, PROTOCOL));
	given_free(&g);
}

static void dropped_batches_have_an_end(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;

	(void)state;
	connected_and_agreed(&g);
	add_notice(e);
	for (int i = 0; i < DROPPED_MAX; i++) {
		e->sent_size = 1;
		evil_batch(e, e->n_item - 1, e->n_item);
		assert_int_equal(e->bye, 0);
	}
	e->sent_size = 1;
	evil_batch(e, e->n_item - 1, e->n_item);
	assert_int_equal(e->bye, PB(BYE_CODE, PROTOCOL));
	given_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello_comes_first),
		cmocka_unit_test(bye_may_come_first),
		cmocka_unit_test(hello_in_time),
		cmocka_unit_test(a_second_hello),
		cmocka_unit_test(only_configured_peers),
		cmocka_unit_test(only_so_many_sessions),
		cmocka_unit_test(the_pin_holds),
		cmocka_unit_test(a_cursor_off_our_chain),
		cmocka_unit_test(a_fault_costs_the_session),
		cmocka_unit_test(five_faults_in_a_row_alarm),
		cmocka_unit_test(faults_do_not_fill_the_log),
		cmocka_unit_test(one_resume_answers_all_under_way),
		cmocka_unit_test(a_gap_calls_for_resume),
		cmocka_unit_test(resume_loops_end),
		cmocka_unit_test(dropped_batches_have_an_end),
	};

	return cmocka_run_group_tests_name("node/session", tests, NULL, NULL);
}
