/* Sessions with a hostile peer: what comes before Hello, what costs a session and changes nothing,
 * two sessions at once, contradictions that stop a link, and when the node dials. */
#include "unit/node/fixture.h"

#include <stdlib.h>
#include <string.h>

struct given {
	struct fixture *f;
	struct evil e;
};

static struct given given_new(void)
{
	struct given g = {.f = fixture_new()};

	evil_init(&g.e, g.f, SK);
	return g;
}

static void given_free(struct given *g)
{
	evil_fini(&g->e);
	fixture_free(g->f);
}

static struct peer *sk(struct given *g)
{
	return host_peer(g->e.victim, SK);
}

static void connected_and_agreed(struct given *g)
{
	evil_connect(&g->e, TLS_LISTENER);
	evil_agree(&g->e);
	evil_receipt(&g->e);
	evil_send(&g->e);
}

static void add_notice(struct evil *e)
{
	struct entry entry = evil_next(e, PB(ENTRY_KIND, NOTICE));

	(void)evil_add(e, &entry, view_str(""));
}

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
	struct pb_item *list[1] = {&item};
	struct batch_terms terms = {.from_size = e->sent_size, .item = list, .n_item = 1};
	struct pb_frame *m = NULL;
	struct evil_item *last;

	add_notice(e);
	last = &e->item[e->n_item - 1];
	reader = memory_tree_reader(&e->tree);
	item.has_index = item.has_entry = item.has_body = item.has_body_salt = 1;
	item.index = last->index;
	item.entry = message_borrow(buf_view(&last->entry));
	item.body = message_borrow(buf_view(&last->body));
	item.body_salt = message_borrow(view_of(last->salt, last->n_salt));
	evil_note(e, &note);
	terms.note = buf_view(&note);
	terms.size = e->tree.frontier.size;
	assert_int_equal(batch_make(&terms, &reader, &frame), ERR_OK);
	assert_int_equal(frame_decode(buf_view(&frame), &m), ERR_OK);
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

/* --- keeping alive --- */

static void pings(void **state)
{
	struct given g = given_new();
	struct host *h = g.e.victim;
	struct pb_frame m = PB_FRAME_INIT;
	struct pb_ping ping = PB_PING_INIT;

	(void)state;
	evil_connect(&g.e, TLS_LISTENER);
	host_forget(h);
	fixture_pass(g.f, PING_AFTER_MS);
	host_turn(h);
	assert_int_equal(h->n_sent, 1);
	assert_non_null(h->sent[0].frame->ping);
	assert_false(h->sent[0].frame->ping->has_reply);
	host_forget(h);
	m.ping = &ping;
	evil_frame(&g.e, &m);
	assert_int_equal(h->n_sent, 1);
	assert_true(h->sent[0].frame->ping->reply);
	host_forget(h);
	ping.has_reply = ping.reply = 1; /* an answer is not answered */
	evil_frame(&g.e, &m);
	assert_int_equal(h->n_sent, 0);
	given_free(&g);
}

static void credit_for_every_byte(void **state)
{
	struct given g = given_new();
	struct host *h = g.e.victim;
	struct pb_frame m = PB_FRAME_INIT;
	struct pb_ping ping = PB_PING_INIT;
	CLEANUP(buf_fini) struct buf frame = {0};

	(void)state;
	evil_connect(&g.e, TLS_LISTENER);
	m.ping = &ping;
	assert_int_equal(message_encode(&m, &frame), ERR_OK);
	host_forget(h);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(node_frame(h->node, g.e.session, buf_view(&frame)), ERR_OK);
	host_turn(h);
	assert_int_equal(h->n_credit, 1000 * frame.n);
	given_free(&g);
}

static void the_hourly_checkpoint(void **state)
{
	struct given g = given_new();
	struct host *h = g.e.victim;
	size_t n;

	(void)state;
	connected_and_agreed(&g);
	n = g.e.n_batches;
	for (int hour = 0; hour < 3; hour++) {
		uint8_t id[16];

		host_import(h, id); /* the ledger grows by what is not evil's */
		evil_listen(&g.e);
		assert_int_equal(g.e.n_batches, n + (size_t)hour);
		for (int minute = 0; minute < 60; minute++) {
			fixture_pass(g.f, 60000);
			host_turn(h);
			evil_listen(&g.e);
		}
		assert_int_equal(g.e.n_batches, n + (size_t)hour + 1);
	}
	given_free(&g);
}

/* Checkpoints without a new item are stored as well: not without end. */
static void checkpoints_without_end(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	uint64_t files;

	(void)state;
	connected_and_agreed(&g);
	for (int i = 0; i < BARE_PER_HOUR; i++) {
		evil_pad(e, 1);
		evil_batch(e, 0, 0);
		assert_int_equal(e->bye, 0);
	}
	evil_batch(e, 0, 0); /* the same again is nothing new */
	assert_int_equal(e->bye, 0);
	files = host_files(e->victim);
	evil_pad(e, 1);
	evil_batch(e, 0, 0);
	assert_int_equal(e->bye, PB(BYE_CODE, BUSY));
	assert_true(host_files(e->victim) == files);
	evil_close(e);
	fixture_pass(g.f, 3600 * 1000);
	evil_connect(e, TLS_LISTENER);
	evil_pad(e, 1);
	evil_batch(e, 0, 0);
	assert_int_equal(e->bye, 0);
	assert_int_equal(sk(&g)->row.held_size, e->tree.frontier.size);
	given_free(&g);
}

/* --- two sessions --- */

static void of_one_dialler_the_newer_stays(void **state)
{
	(void)state;
	for (int role = TLS_DIALLER; role <= TLS_LISTENER; role++) {
		struct given g = given_new();
		struct host *h = g.e.victim;
		uint64_t first;

		evil_connect(&g.e, role);
		first = g.e.session;
		evil_connect(&g.e, role);
		assert_int_equal(sk(&g)->live->number, g.e.session);
		assert_true(host_has_closed(h, first));
		assert_false(host_has_closed(h, g.e.session));
		given_free(&g);
	}
}

/* cz is the smaller id: what cz dialled stays, whichever came first. */
static void of_opposite_diallers_the_smaller_ids_stays(void **state)
{
	(void)state;
	for (int first_role = TLS_DIALLER; first_role <= TLS_LISTENER; first_role++) {
		struct given g = given_new();
		struct evil *e = &g.e;
		struct hello_terms terms;
		uint64_t first;
		int other = first_role == TLS_DIALLER ? TLS_LISTENER : TLS_DIALLER;

		evil_connect(e, first_role);
		first = e->session;
		evil_open(e, other);
		terms = evil_terms(e);
		evil_say(e, &terms);
		if (first_role == TLS_DIALLER) {
			assert_int_equal(e->bye, PB(BYE_CODE, OLDER_SESSION));
			assert_int_equal(sk(&g)->live->number, first);
			assert_true(host_has_closed(e->victim, e->session));
		} else {
			assert_int_equal(e->bye, 0);
			assert_int_equal(sk(&g)->live->number, e->session);
			assert_true(host_has_closed(e->victim, first));
		}
		given_free(&g);
	}
}

/* Two nodes that dial each other at once end with one session, the same at both ends. */
static void two_nodes_agree_which_stays(void **state)
{
	(void)state;
	for (int order = 0; order < 4; order++) {
		CLEANUP(fixture_freep) struct fixture *f = fixture_new();
		struct host *cz = &f->agency[CZ], *skh = &f->agency[SK];
		struct wire w[2];
		struct session *a, *b;

		host_init(skh);
		host_start(skh);
		w[order & 1] = wire_connect(cz, skh);
		w[!(order & 1)] = order & 2 ? wire_connect(skh, cz) : wire_connect(cz, skh);
		(void)wire_run(w, 2);
		a = host_peer(cz, SK)->live;
		b = host_peer(skh, CZ)->live;
		assert_non_null(a);
		assert_non_null(b);
		for (int i = 0; i < 2; i++)
			if (!w[i].is_cut)
				for (int end = 0; end < 2; end++)
					assert_int_equal(w[i].session[end], w[i].end[end] == cz
										    ? a->number
										    : b->number);
		assert_int_equal(w[0].is_cut + w[1].is_cut, 1);
		if (order & 2)
			assert_int_equal(a->role, TLS_DIALLER);
	}
}

/* --- contradictions --- */

static uint64_t n_incidents(struct given *g)
{
	uint64_t n;

	assert_int_equal(incident_count(g->e.victim->node->store, &n), ERR_OK);
	return n;
}

/* The link waits for its operator, also after a restart; both halves are kept. */
static void stopped_for_good(struct given *g)
{
	struct host *h = g->e.victim;

	assert_true(sk(g)->row.stopped);
	assert_null(sk(g)->live);
	assert_int_equal(n_incidents(g), 1);
	assert_true(g->f->n_log[LOG_ERR] >= 1);
	for (int i = 0; i < 2; i++) {
		host_forget(h);
		evil_open(&g->e, TLS_LISTENER);
		assert_int_equal(g->e.bye, PB(BYE_CODE, STOPPED));
		assert_true(host_has_closed(h, g->e.session));
		evil_close(&g->e);
		fixture_pass(g->f, 120000);
		host_forget(h);
		host_turn(h);
		assert_int_equal(h->n_dials[SK], 0);
		if (i == 0) {
			host_stop(h);
			host_start(h);
			host_turn(h);
			assert_int_equal(h->n_dials[SK], 0);
		}
	}
	assert_int_equal(n_incidents(g), 1);
	assert_null(node_hold(h->node)); /* this node itself is fine */
}

/* A tree of the same size and another root, signed by the same key. */
static void fork_of(struct evil *e, struct buf *out)
{
	struct checkpoint c = {.origin = e->origin, .size = e->tree.frontier.size};

	memset(c.root.b, 0x77, sizeof(c.root.b));
	assert_int_equal(checkpoint_sign(&c, e->papers->seal_key, out), ERR_OK);
}

static void a_fork_in_hello(void **state)
{
	struct given g = given_new();
	CLEANUP(buf_fini) struct buf note = {0};
	struct hello_terms terms;

	(void)state;
	connected_and_agreed(&g);
	evil_close(&g.e);
	evil_open(&g.e, TLS_LISTENER);
	fork_of(&g.e, &note);
	terms = evil_terms(&g.e);
	terms.my_checkpoint = buf_view(&note);
	evil_say(&g.e, &terms);
	assert_int_equal(g.e.bye, PB(BYE_CODE, STOPPED));
	evil_close(&g.e);
	stopped_for_good(&g);
	given_free(&g);
}

static void a_fork_in_a_batch(void **state)
{
	struct given g = given_new();
	CLEANUP(buf_fini) struct buf note = {0};
	struct pb_frame m = PB_FRAME_INIT;
	struct pb_batch batch = PB_BATCH_INIT;

	(void)state;
	connected_and_agreed(&g);
	fork_of(&g.e, &note);
	batch.has_checkpoint = batch.has_from_size = 1;
	batch.checkpoint = message_borrow(buf_view(&note));
	batch.from_size = g.e.sent_size;
	m.batch = &batch;
	evil_frame(&g.e, &m);
	assert_int_equal(g.e.bye, PB(BYE_CODE, STOPPED));
	evil_close(&g.e);
	stopped_for_good(&g);
	given_free(&g);
}

static void two_entries_at_one_position(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	const uint64_t k = 1;
	struct entry entry;
	struct evil_item again, held;

	(void)state;
	connected_and_agreed(&g);
	/* the tree grows honestly, but its newest leaf says to stand at k 1 */
	assert_int_equal(entry_decode(buf_view(&e->item[k - 1].entry), &entry), ERR_OK);
	entry.nonce[0] ^= 1;
	(void)evil_add(e, &entry, view_str("other"));
	again = e->item[e->n_item - 1];
	held = e->item[k - 1];
	e->item[k - 1] = again;
	evil_batch(e, k - 1, k);
	e->item[k - 1] = held;
	assert_int_equal(e->bye, PB(BYE_CODE, STOPPED));
	evil_close(e);
	stopped_for_good(&g);
	given_free(&g);
}

/* Another agency shows a checkpoint of sk that contradicts the one held here. */
static void a_split_view_seen_by_a_third(void **state)
{
	struct given g = given_new();
	CLEANUP(buf_fini) struct buf note = {0};
	struct evil at;
	struct hello_terms terms;
	struct view seen[3];

	(void)state;
	connected_and_agreed(&g);
	evil_init(&at, g.f, AT);
	evil_open(&at, TLS_LISTENER);
	fork_of(&g.e, &note);
	terms = evil_terms(&at);
	seen[0] = view_str("not even a note");
	seen[1] = buf_view(&g.e.held_note); /* of us, which is not looked at */
	seen[2] = buf_view(&note);
	terms.seen = seen;
	terms.n_seen = 3;
	evil_say(&at, &terms);
	assert_int_equal(at.bye, 0);
	assert_non_null(host_peer(g.e.victim, AT)->live); /* who tells of it goes on */
	assert_true(host_has_closed(g.e.victim, g.e.session));
	evil_close(&g.e);
	evil_close(&at);
	stopped_for_good(&g);
	evil_fini(&at);
	given_free(&g);
}

/* Only the key of sk says what sk said. */
static void a_third_cannot_invent_a_split_view(void **state)
{
	struct given g = given_new();
	CLEANUP(buf_fini) struct buf forged = {0}, older = {0};
	struct checkpoint c = {.origin = g.e.origin};
	struct evil at;
	struct hello_terms terms;
	struct view seen[2];

	(void)state;
	connected_and_agreed(&g);
	c.size = sk(&g)->row.held_size;
	evil_init(&at, g.f, AT);
	assert_int_equal(checkpoint_sign(&c, at.papers->seal_key, &forged), ERR_OK);
	c.size--; /* validly signed, but of a size that nobody here holds */
	assert_int_equal(checkpoint_sign(&c, g.e.papers->seal_key, &older), ERR_OK);
	evil_open(&at, TLS_LISTENER);
	terms = evil_terms(&at);
	seen[0] = buf_view(&forged);
	seen[1] = buf_view(&older);
	terms.seen = seen;
	terms.n_seen = 2;
	evil_say(&at, &terms);
	assert_int_equal(at.bye, 0);
	assert_int_equal(n_incidents(&g), 0);
	assert_false(sk(&g)->row.stopped);
	assert_non_null(sk(&g)->live);
	evil_fini(&at);
	given_free(&g);
}

/* Its own contradiction among what it has seen: it does not come to stand. */
static void a_peer_that_contradicts_itself_in_seen(void **state)
{
	struct given g = given_new();
	CLEANUP(buf_fini) struct buf note = {0};
	struct hello_terms terms;
	struct view seen[1];

	(void)state;
	connected_and_agreed(&g);
	evil_close(&g.e);
	evil_open(&g.e, TLS_LISTENER);
	fork_of(&g.e, &note);
	terms = evil_terms(&g.e);
	seen[0] = buf_view(&note);
	terms.seen = seen;
	terms.n_seen = 1;
	evil_say(&g.e, &terms);
	assert_int_equal(g.e.bye, PB(BYE_CODE, STOPPED));
	evil_close(&g.e);
	stopped_for_good(&g);
	given_free(&g);
}

/* A session that stood before Hello when its peer was stopped does not come to stand. */
static void stopped_while_a_session_waits(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	CLEANUP(buf_fini) struct buf note = {0};
	struct pb_frame m = PB_FRAME_INIT;
	struct pb_batch batch = PB_BATCH_INIT;
	struct hello_terms terms;
	uint64_t first, second;
	uint8_t exporter[EXPORTER_BYTES];

	(void)state;
	connected_and_agreed(&g);
	first = e->session;
	evil_open(e, TLS_LISTENER);
	second = e->session;
	memcpy(exporter, e->exporter, sizeof(exporter));
	e->session = first;
	fork_of(e, &note);
	batch.has_checkpoint = batch.has_from_size = 1;
	batch.checkpoint = message_borrow(buf_view(&note));
	batch.from_size = e->sent_size;
	m.batch = &batch;
	evil_frame(e, &m);
	assert_int_equal(e->bye, PB(BYE_CODE, STOPPED));
	e->session = second;
	e->bye = 0;
	memcpy(e->exporter, exporter, sizeof(exporter));
	terms = evil_terms(e);
	evil_say(e, &terms);
	assert_int_equal(e->bye, PB(BYE_CODE, STOPPED));
	assert_null(sk(&g)->live);
	given_free(&g);
}

/* What the peer holds of us: when it is ours and not in our ledger, we were rolled back. */
static void our_own_rollback_is_told_by_a_peer(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct given g = given_new();
		CLEANUP(buf_fini) struct buf note = {0};
		struct host *h = g.e.victim;
		struct checkpoint c = {.size = i ? 2 : 1000};
		struct hello_terms terms;
		size_t n_signed;
		uint8_t id[16];

		connected_and_agreed(&g);
		evil_close(&g.e);
		n_signed = h->n_last_signed;
		c.origin = h->node->origin;
		assert_int_equal(checkpoint_sign(&c, h->seal_key, &note), ERR_OK);
		evil_open(&g.e, TLS_LISTENER);
		terms = evil_terms(&g.e);
		terms.your_checkpoint = buf_view(&note);
		evil_say(&g.e, &terms);
		assert_int_equal(g.e.bye, PB(BYE_CODE, STOPPED));
		assert_non_null(strstr(node_hold(h->node), "rolled back or forked"));
		assert_false(sk(&g)->row.stopped); /* it is not the peer's fault */
		(void)id;
		host_turn(h);
		assert_int_equal(h->n_last_signed, n_signed);
		given_free(&g);
	}
}

/* --- Hello of ours to others stays small, whatever others pad --- */

static void padded_notes_do_not_make_our_hello_long(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e, at;
	struct pb_frame m = PB_FRAME_INIT;
	struct pb_batch batch = PB_BATCH_INIT;
	struct host *h = e->victim;
	size_t longest = 0;

	(void)state;
	connected_and_agreed(&g);
	evil_pad(e, 1);
	{
		CLEANUP(buf_fini) struct buf newer = {0};
		struct tree_reader reader = memory_tree_reader(&e->tree);
		struct proof proof;

		evil_note(e, &newer);
		/* the newer text and signature, the padding behind it */
		for (int i = 0; i < 15; i++) {
			char line[480];

			memset(line, 'A', sizeof(line));
			assert_int_equal(buf_put_str(&newer, "\xe2\x80\x94 witness.example "),
					 ERR_OK);
			assert_int_equal(buf_put(&newer, line, 460), ERR_OK);
			assert_int_equal(buf_put_str(&newer, "\n"), ERR_OK);
		}
		assert_true(newer.n < 8192);
		assert_int_equal(merkle_prove_consistency(&reader, e->sent_size,
							  e->tree.frontier.size, &proof),
				 ERR_OK);
		batch.has_checkpoint = batch.has_from_size = 1;
		batch.has_consistency = proof.n != 0;
		batch.consistency = message_borrow(view_of(proof.hash, proof.n * 32));
		batch.checkpoint = message_borrow(buf_view(&newer));
		batch.from_size = e->sent_size;
		m.batch = &batch;
		evil_frame(e, &m);
		assert_int_equal(e->bye, 0);
		assert_int_equal(sk(&g)->held_note.n, newer.n);
	}
	evil_init(&at, g.f, AT);
	host_forget(h);
	evil_open(&at, TLS_LISTENER);
	for (size_t i = 0; i < h->n_sent; i++) {
		if (!h->sent[i].frame->hello)
			continue;
		longest = h->sent[i].bytes.n;
		assert_int_equal(h->sent[i].frame->hello->n_seen, 1);
	}
	assert_true(longest > sk(&g)->held_note.n && longest < 65536);
	evil_fini(&at);
	given_free(&g);
}

/* --- dialling --- */

static void dials_with_back_off(void **state)
{
	CLEANUP(fixture_freep) struct fixture *f = fixture_new();
	struct host *h = &f->agency[CZ];
	uint64_t last = f->mono_ms, longest = 0;
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 3600 * 10; i++) {
		fixture_pass(f, 100);
		host_turn(h);
		if (h->n_dials[SK]) {
			uint64_t pause = f->mono_ms - last;

			assert_int_equal(h->n_dials[SK], 1);
			if (n > 0)
				assert_true(pause >= 250);
			if (n > 10)
				assert_true(pause >= 30000 && pause <= 60100);
			longest = pause > longest ? pause : longest;
			last = f->mono_ms;
			n++;
		}
		assert_true(node_deadline_ms(h->node) > f->mono_ms ||
			    h->n_dials[SK] + h->n_dials[AT]);
		host_forget(h);
	}
	assert_true(n >= 60 && n < 150);
	assert_true(longest > 40000); /* spread over the half above */
}

static void does_not_dial_who_is_there(void **state)
{
	struct given g = given_new();
	struct host *h = g.e.victim;

	(void)state;
	evil_connect(&g.e, TLS_LISTENER);
	host_forget(h);
	for (int i = 0; i < 600; i++) {
		fixture_pass(g.f, 1000);
		host_turn(h);
	}
	assert_int_equal(h->n_dials[SK], 0);
	assert_true(h->n_dials[AT] > 0);
	evil_close(&g.e);
	fixture_pass(g.f, 60000);
	host_turn(h);
	assert_int_equal(h->n_dials[SK], 1);
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
		cmocka_unit_test(pings),
		cmocka_unit_test(credit_for_every_byte),
		cmocka_unit_test(the_hourly_checkpoint),
		cmocka_unit_test(checkpoints_without_end),
		cmocka_unit_test(of_one_dialler_the_newer_stays),
		cmocka_unit_test(of_opposite_diallers_the_smaller_ids_stays),
		cmocka_unit_test(two_nodes_agree_which_stays),
		cmocka_unit_test(a_fork_in_hello),
		cmocka_unit_test(a_fork_in_a_batch),
		cmocka_unit_test(two_entries_at_one_position),
		cmocka_unit_test(a_split_view_seen_by_a_third),
		cmocka_unit_test(a_third_cannot_invent_a_split_view),
		cmocka_unit_test(a_peer_that_contradicts_itself_in_seen),
		cmocka_unit_test(stopped_while_a_session_waits),
		cmocka_unit_test(our_own_rollback_is_told_by_a_peer),
		cmocka_unit_test(padded_notes_do_not_make_our_hello_long),
		cmocka_unit_test(dials_with_back_off),
		cmocka_unit_test(does_not_dial_who_is_there),
	};

	return cmocka_run_group_tests_name("node/session", tests, NULL, NULL);
}
