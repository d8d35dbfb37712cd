/* How items flow: the window, receipts past a full window, receipts in parts, and what is made at
 * once when a peer asks for everything. */
#include "unit/node/fixture.h"

#include <stdlib.h>
#include <string.h>

#define N_PENDING 620 /* more than two windows */

struct given {
	struct fixture *f;
	struct evil e;
	uint8_t record[16];
};

static struct given given_new(void)
{
	struct given g = {.f = fixture_new()};

	evil_init(&g.e, g.f, SK);
	evil_connect(&g.e, TLS_LISTENER);
	evil_agree(&g.e);
	evil_receipt(&g.e);
	evil_send(&g.e);
	host_import(g.e.victim, g.record);
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

static void refer(struct given *g, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(host_refer(g->e.victim, SK, g->record, NULL), 0);
	evil_listen(&g->e);
}

static size_t n_got(const struct evil *e, bool receipts)
{
	size_t n = 0;

	for (size_t i = 0; i < e->n_got; i++)
		n += (e->got[i].entry.kind == PB(ENTRY_KIND, RECEIPT)) == receipts;
	return n;
}

/* --- the window --- */

static void no_more_than_256_without_a_receipt(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	size_t before = n_got(e, false);

	(void)state;
	refer(&g, N_PENDING);
	assert_int_equal(n_got(e, false) - before, WINDOW_ITEMS);
	fixture_pass(g.f, 1000);
	host_turn(e->victim);
	evil_listen(e);
	assert_int_equal(n_got(e, false) - before, WINDOW_ITEMS);
	/* half of them receipted: as many more */
	e->received.k += 0;
	evil_receipt(e);
	evil_batch(e, e->n_item - 1, e->n_item);
	assert_int_equal(n_got(e, false) - before, 2 * WINDOW_ITEMS);
	evil_receipt(e);
	evil_batch(e, e->n_item - 1, e->n_item);
	assert_int_equal(n_got(e, false) - before, N_PENDING);
	evil_receipt(e);
	evil_batch(e, e->n_item - 1, e->n_item);
	assert_int_equal(sk(&g)->row.delivered_k, sk(&g)->row.sent_k);
	given_free(&g);
}

/* Receipts go out all the same, with what stands before them. */
static void receipts_pass_a_full_window(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	size_t before = n_got(e, false);

	(void)state;
	refer(&g, 300);
	assert_int_equal(n_got(e, false) - before, WINDOW_ITEMS);
	{
		struct entry entry = evil_next(e, PB(ENTRY_KIND, NOTICE));

		(void)evil_add(e, &entry, view_str(""));
	}
	evil_batch(e, e->n_item - 1, e->n_item);
	assert_int_equal(evil_outcome(e, e->n_item), PB(REFUSAL_REASON, UNSUPPORTED));
	assert_int_equal(n_got(e, false) - before, 300);
	/* what went beyond the window counts: nothing new goes until it is receipted */
	refer(&g, 10);
	assert_int_equal(n_got(e, false) - before, 300);
	evil_receipt(e);
	evil_batch(e, e->n_item - 1, e->n_item);
	assert_int_equal(n_got(e, false) - before, 310);
	given_free(&g);
}

/* A receipt for some of them opens the window by as many. */
static void a_part_is_receipted(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	size_t before = n_got(e, false);
	CLEANUP(buf_fini) struct buf body = {0};
	struct item_outcome o[2];
	struct chain_head at;
	struct entry entry;
	uint64_t first = e->received.k + 1;

	(void)state;
	refer(&g, N_PENDING);
	at = chain_start(e->node_origin.text, &e->papers->id);
	for (uint64_t k = 1; k < first + 100; k++)
		at = chain_next(&at, &e->got[k - 1].leaf);
	o[0] = (struct item_outcome){.k = e->receipted_k + 1};
	o[1] = (struct item_outcome){.k = first + 99};
	assert_int_equal(receipt_make(&e->held, o, 2, &at.head, &body), ERR_OK);
	entry = evil_next(e, PB(ENTRY_KIND, RECEIPT));
	(void)evil_add(e, &entry, buf_view(&body));
	evil_batch(e, e->n_item - 1, e->n_item);
	assert_int_equal(n_got(e, false) - before, WINDOW_ITEMS + 100);
	given_free(&g);
}

/* --- two nodes with more than two windows of each --- */

static struct pb_peer_row *row_of(struct host *h, enum who who)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_peer_list ask = PB_PEER_LIST_INIT;

	m.peer_list = &ask;
	host_ask(h, EVERYONE, &m);
	for (size_t i = 0; i < h->n_reply; i++)
		if (h->reply[i]->peer &&
		    strcmp(h->reply[i]->peer->id, h->f->agency[who].id.text) == 0)
			return h->reply[i]->peer;
	fail_msg("no row");
	return NULL;
}

static void at_rest(struct host *a, struct host *b)
{
	struct host *end[2] = {a, b};

	for (int i = 0; i < 2; i++) {
		struct pb_peer_row *out = row_of(end[i], end[!i]->who);
		uint64_t sent = out->sent_k;

		assert_int_equal(out->n_waiting, 0);
		assert_int_equal(row_of(end[!i], end[i]->who)->received_k, sent);
		assert_int_equal(out->n_refused, 0);
	}
}

static void both_sides_have_plenty(void **state)
{
	CLEANUP(fixture_freep) struct fixture *f = fixture_new();
	struct host *end[2] = {&f->agency[CZ], &f->agency[SK]};
	struct wire w;

	(void)state;
	host_init(end[1]);
	host_start(end[1]);
	w = wire_connect(end[0], end[1]);
	for (int i = 0; i < 2; i++)
		host_adopt(end[i]);
	(void)wire_run(&w, 1);
	wire_cut(&w);
	for (int i = 0; i < 2; i++)
		host_turn(end[i]);
	/* while they are apart */
	for (int i = 0; i < 2; i++) {
		uint8_t id[16];

		host_import(end[i], id);
		for (int j = 0; j < N_PENDING; j++)
			assert_int_equal(host_refer(end[i], end[!i]->who, id, NULL), 0);
		host_forget(end[i]);
	}
	w = wire_connect(end[0], end[1]);
	(void)wire_run(&w, 1);
	assert_false(w.is_cut);
	at_rest(end[0], end[1]);
}

/* The same, restarted and cut in between, with new ones while the old are under way. */
static void plenty_with_restarts(void **state)
{
	CLEANUP(fixture_freep) struct fixture *f = fixture_new();
	struct host *end[2] = {&f->agency[CZ], &f->agency[SK]};
	uint8_t id[2][16];
	struct wire w;

	(void)state;
	host_init(end[1]);
	host_start(end[1]);
	w = wire_connect(end[0], end[1]);
	for (int i = 0; i < 2; i++) {
		host_adopt(end[i]);
		host_import(end[i], id[i]);
	}
	(void)wire_run(&w, 1);
	for (int round = 0; round < 8; round++) {
		for (int i = 0; i < 2; i++)
			for (int j = 0; j < 90; j++)
				assert_int_equal(host_refer(end[i], end[!i]->who, id[i], NULL), 0);
		/* some get through: what was said up to here is carried once, one way */
		for (size_t i = 0; i < end[0]->n_sent && i < (size_t)round; i++)
			if (end[0]->sent[i].session == w.session[0])
				assert_int_equal(node_frame(end[1]->node, w.session[1],
							    buf_view(&end[0]->sent[i].bytes)),
						 ERR_OK);
		wire_cut(&w);
		host_turn(end[0]);
		host_turn(end[1]);
		host_stop(end[round % 2]);
		fixture_pass(f, 1000);
		host_start(end[round % 2]);
		host_forget(end[0]);
		host_forget(end[1]);
		w = round % 3 ? wire_connect(end[0], end[1]) : wire_connect(end[1], end[0]);
	}
	(void)wire_run(&w, 1);
	at_rest(end[0], end[1]);
}

/* --- receipts in parts --- */

static void more_exceptions_than_a_receipt_holds(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	uint64_t first = e->n_item + 1;
	size_t before = n_got(e, true);

	(void)state;
	/* a whole batch of refused ones */
	for (int i = 0; i < 256; i++) {
		struct entry entry = evil_next(e, PB(ENTRY_KIND, NOTICE));

		(void)evil_add(e, &entry, view_str(""));
	}
	evil_batch(e, first - 1, e->n_item);
	assert_int_equal(e->bye, 0);
	assert_int_equal(n_got(e, true) - before, 2);
	for (uint64_t k = first; k <= e->n_item; k++)
		assert_int_equal(evil_outcome(e, k), PB(REFUSAL_REASON, UNSUPPORTED));
	given_free(&g);
}

/* False receipts call for none of their own; with the next item all of them are told. */
static void exceptions_that_piled_up(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	uint64_t first = e->n_item + 1, last;
	size_t before = n_got(e, true);
	struct peer *p = sk(&g);

	(void)state;
	for (int i = 0; i < 700; i++) {
		struct entry entry = evil_next(e, PB(ENTRY_KIND, RECEIPT));

		(void)evil_add(e, &entry, view_str("x"));
	}
	for (uint64_t k = first - 1; k < e->n_item; k += 100)
		evil_batch(e, k, k + 100);
	assert_int_equal(n_got(e, true), before);
	last = e->n_item;
	{
		struct entry entry = evil_next(e, PB(ENTRY_KIND, NOTICE));

		(void)evil_add(e, &entry, view_str(""));
	}
	evil_batch(e, last, last + 1);
	assert_int_equal(n_got(e, true) - before, 3); /* 701 exceptions, 254 in a receipt */
	for (uint64_t k = first; k <= last; k++)
		assert_int_equal(evil_outcome(e, k), PB(REFUSAL_REASON, UNREADABLE));
	assert_int_equal(evil_outcome(e, last + 1), PB(REFUSAL_REASON, UNSUPPORTED));
	assert_int_equal(p->row.receipted_k, last + 1);
	given_free(&g);
}

/* --- what is made at once --- */

static size_t bytes_of_one_turn(struct host *h)
{
	size_t n = 0;
	bool more;

	host_forget(h);
	assert_int_equal(node_turn(h->node, &more), ERR_OK);
	for (size_t i = 0; i < h->n_sent; i++)
		n += h->sent[i].bytes.n;
	return n;
}

/* A peer that asks for everything from the beginning gets it as it reads, not all at once. */
static void everything_from_the_beginning(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	struct host *h = e->victim;
	struct hello_terms terms;
	size_t total = 0, most = 0;
	CLEANUP(buf_fini) struct buf frame = {0}, note = {0};

	(void)state;
	for (int i = 0; i < 12; i++) {
		refer(&g, 150);
		{
			struct entry entry = evil_next(e, PB(ENTRY_KIND, NOTICE));

			(void)evil_add(e, &entry, view_str(""));
		}
		evil_receipt(e);
		evil_batch(e, e->n_item - 2, e->n_item);
		assert_int_equal(e->bye, 0);
	}
	assert_int_equal(sk(&g)->row.sent_k, e->received.k);
	evil_close(e);
	/* a Hello that holds nothing: all of the chain ignores the window, up to its last receipt
	 */
	evil_open(e, TLS_LISTENER);
	terms = evil_terms(e);
	terms.received = (struct chain_head){.k = 0};
	terms.your_checkpoint = view_of(NULL, 0);
	evil_note(e, &note);
	terms.my_checkpoint = buf_view(&note);
	assert_int_equal(hello_make(&terms, e->papers->seal_key, &frame), ERR_OK);
	h->unsent = UNSENT_MAX; /* and that reads nothing */
	assert_int_equal(node_frame(h->node, e->session, buf_view(&frame)), ERR_OK);
	assert_true(bytes_of_one_turn(h) < 65536);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(bytes_of_one_turn(h), 0);
		assert_true(node_deadline_ms(h->node) > g.f->mono_ms);
		assert_true(node_deadline_ms(h->node) <= g.f->mono_ms + PUMP_AGAIN_MS);
		fixture_pass(g.f, PUMP_AGAIN_MS);
	}
	h->unsent = 0;
	for (int i = 0; i < 1000; i++) {
		size_t n = bytes_of_one_turn(h);

		total += n;
		most = n > most ? n : most;
		if (n == 0)
			break;
		assert_true(node_deadline_ms(h->node) <= g.f->mono_ms + PING_AFTER_MS);
	}
	assert_true(most <= PUMP_BYTES_MAX + FRAME_BODY_MAX);
	assert_true(total > 3 * most);
	assert_int_equal(host_peer(h, SK)->live->sent_k, sk(&g)->row.sent_k);
	given_free(&g);
}

/* --- two of a kind in a turn --- */

/* Many inputs in one turn are one commit, and one checkpoint. */
static void one_checkpoint_a_turn(void **state)
{
	struct given g = given_new();
	struct host *h = g.e.victim;
	const struct node_caller caller = {.id = 1, .roles = EVERYONE};
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_record_import import = PB_RECORD_IMPORT_INIT;
	CLEANUP(buf_fini) struct buf request = {0};
	size_t n_signed = h->n_last_signed;
	bool more;

	(void)state;
	import.has_type = import.has_record = 1;
	import.type = RECORD_VICTIM;
	import.record = message_borrow(buf_view(&g.f->record));
	m.record_import = &import;
	m.has_id = 1;
	assert_int_equal(message_encode(&m, &request), ERR_OK);
	for (int i = 0; i < 50; i++)
		assert_int_equal(node_request(h->node, &caller, buf_view(&request)), ERR_OK);
	do {
		assert_int_equal(h->n_last_signed, n_signed);
		assert_int_equal(node_turn(h->node, &more), ERR_OK);
	} while (more);
	assert_int_equal(h->n_last_signed, n_signed + 1);
	assert_int_equal(node_turn(h->node, &more), ERR_OK);
	assert_int_equal(h->n_last_signed, n_signed + 1);
	given_free(&g);
}

/* A turn with many callers goes on over several calls, and nothing of it is said before its end.
 * What peers say meanwhile is part of it: their receipts let go what is committed and waits, and
 * no more than that. */
static void a_turn_goes_in_steps(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	struct host *h = e->victim;
	const size_t before = n_got(e, false);
	const size_t n_queued = 2 * NODE_STEP_REQUESTS + 1;
	uint64_t n_commits;
	size_t n_signed, n_reply;
	bool more;

	(void)state;
	refer(&g, 300);
	assert_int_equal(n_got(e, false) - before, WINDOW_ITEMS);
	host_forget(h);
	n_commits = h->node->n_commits;
	n_signed = h->n_last_signed;
	n_reply = h->n_reply;
	for (size_t i = 0; i < n_queued; i++)
		host_queue_referral(h, SK, g.record);
	assert_int_equal(node_turn(h->node, &more), ERR_OK);
	assert_true(more && h->node->in_transaction);
	assert_int_equal(sk(&g)->row.sent_k - sk(&g)->committed_k, NODE_STEP_REQUESTS);
	evil_receipt(e);
	evil_hand_over(e, e->n_item - 1, e->n_item);
	assert_int_equal(node_turn(h->node, &more), ERR_OK);
	assert_true(more && h->node->in_transaction);
	assert_int_equal(h->n_reply, n_reply);
	evil_listen(e);
	assert_int_equal(n_got(e, false) - before, 300);
	assert_int_equal(h->n_last_signed, n_signed);
	assert_int_equal(node_turn(h->node, &more), ERR_OK);
	assert_false(more || h->node->in_transaction);
	assert_int_equal(h->node->n_commits, n_commits + 1);
	assert_int_equal(h->n_last_signed, n_signed + 1);
	assert_int_equal(h->n_reply, n_reply + n_queued);
	evil_listen(e);
	assert_int_equal(n_got(e, false) - before, 300 + n_queued);
	given_free(&g);
}

/* A peer that claims to hold what this very turn appended is at fault, not this node: such a batch
 * would begin behind the checkpoint that is committed. */
static void resume_beyond_what_is_committed(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	struct pb_frame m = PB_FRAME_INIT;
	struct pb_resume resume = PB_RESUME_INIT;
	CLEANUP(buf_fini) struct buf frame = {0};
	struct entry entry;

	(void)state;
	refer(&g, 300);
	evil_receipt(e);
	entry = evil_next(e, PB(ENTRY_KIND, NOTICE)); /* answered by a receipt of ours */
	(void)evil_add(e, &entry, view_str(""));
	evil_hand_over(e, e->n_item - 2, e->n_item);
	resume.has_size = resume.has_k = resume.has_head = 1;
	resume.size = e->victim->node->signed_size + 1;
	resume.k = e->received.k;
	resume.head = message_borrow(view_digest(&e->received.head));
	m.resume = &resume;
	assert_int_equal(message_encode(&m, &frame), ERR_OK);
	assert_int_equal(node_frame(e->victim->node, e->session, buf_view(&frame)), ERR_OK);
	host_turn(e->victim);
	evil_listen(e);
	assert_int_equal(e->bye, PB(BYE_CODE, PROTOCOL));
	given_free(&g);
}

/* What a peer asks for again and then receipts, since what it had asked for came through meanwhile,
 * is not sent again: nobody would receipt it a second time, and the window would stay shut. */
static void resume_overtaken_by_its_receipt(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	const size_t before = n_got(e, false);
	const uint64_t size = e->held.size, k = e->received.k;
	const struct digest head = e->received.head;
	struct pb_frame m = PB_FRAME_INIT;
	struct pb_resume resume = PB_RESUME_INIT;
	CLEANUP(buf_fini) struct buf frame = {0};

	(void)state;
	refer(&g, WINDOW_ITEMS + 50);
	assert_int_equal(n_got(e, false) - before, WINDOW_ITEMS);
	resume.has_size = resume.has_k = resume.has_head = 1;
	resume.size = size;
	resume.k = k;
	resume.head = message_borrow(view_digest(&head));
	m.resume = &resume;
	assert_int_equal(message_encode(&m, &frame), ERR_OK);
	assert_int_equal(node_frame(e->victim->node, e->session, buf_view(&frame)), ERR_OK);
	evil_receipt(e);
	evil_hand_over(e, e->n_item - 1, e->n_item);
	host_turn(e->victim);
	evil_listen(e);
	assert_int_equal(e->bye, 0);
	assert_int_equal(sk(&g)->row.delivered_k, e->receipted_k);
	assert_int_equal(sk(&g)->live->sent_k, sk(&g)->row.sent_k);
	assert_int_equal(n_got(e, false) - before, WINDOW_ITEMS + 50);
	given_free(&g);
}

/* Nor can an entry have seen what this turn appended. */
static void seen_beyond_what_is_committed(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	struct host *h = e->victim;
	struct entry entry;
	bool more;

	(void)state;
	for (size_t i = 0; i <= NODE_STEP_REQUESTS; i++)
		host_queue_referral(h, SK, g.record);
	assert_int_equal(node_turn(h->node, &more), ERR_OK);
	assert_true(node_is_in_turn(h->node));
	entry = evil_next(e, PB(ENTRY_KIND, NOTICE));
	entry.seen_k = sk(&g)->committed_k + 1;
	(void)evil_add(e, &entry, view_str(""));
	evil_hand_over(e, e->n_item - 1, e->n_item);
	host_turn(h);
	evil_listen(e);
	assert_int_equal(evil_outcome(e, e->n_item), PB(REFUSAL_REASON, FALSE_STATEMENT));
	given_free(&g);
}

/* The clock moves while a turn goes on: what came after is refused. */
static void the_clock_moves_within_a_turn(void **state)
{
	struct given g = given_new();
	struct host *h = g.e.victim;
	const size_t n_queued = NODE_STEP_REQUESTS + 3;
	const uint64_t size = h->node->tree.size;
	const size_t n_reply = h->n_reply;
	bool more;

	(void)state;
	for (size_t i = 0; i < n_queued; i++)
		host_queue_referral(h, SK, g.record);
	assert_int_equal(node_turn(h->node, &more), ERR_OK);
	assert_true(node_is_in_turn(h->node));
	g.f->utc_us += UINT64_C(365) * 86400 * 1000000;
	host_turn(h);
	assert_non_null(node_hold(h->node));
	assert_int_equal(h->node->tree.size, size + NODE_STEP_REQUESTS);
	assert_int_equal(h->node->signed_size, h->node->tree.size);
	assert_int_equal(h->n_reply, n_reply + n_queued);
	for (size_t i = 0; i < n_queued; i++)
		assert_int_equal(h->reply[n_reply + i]->error != NULL, i >= NODE_STEP_REQUESTS);
	given_free(&g);
}

/* A call of half a turn at most; then it ends, whoever waits. */
static void a_turn_ends_though_callers_wait(void **state)
{
	struct given g = given_new();
	struct host *h = g.e.victim;
	const size_t n_queued = NODE_TURN_INPUTS_MAX / 2 + 1;
	const size_t n_reply = h->n_reply;
	size_t n_calls = 0;
	bool more;

	(void)state;
	for (size_t i = 0; i < n_queued; i++)
		host_queue_referral(h, SK, g.record);
	do {
		assert_int_equal(node_turn(h->node, &more), ERR_OK);
		n_calls++;
	} while (h->n_reply == n_reply);
	assert_int_equal(n_calls, NODE_TURN_INPUTS_MAX / 2 / NODE_STEP_REQUESTS);
	assert_int_equal(h->n_reply, n_reply + n_queued - 1);
	assert_true(more);
	host_turn(h);
	assert_int_equal(h->n_reply, n_reply + n_queued);
	given_free(&g);
}

/* The WAL is long and somebody has time: not in the middle of a turn. */
static void the_wal_waits_for_the_end_of_a_turn(void **state)
{
	struct given g = given_new();
	struct host *h = g.e.victim;
	uint64_t files;
	bool more, more_wal;

	(void)state;
	refer(&g, 100); /* each its commit */
	for (size_t i = 0; i <= NODE_STEP_REQUESTS; i++)
		host_queue_referral(h, SK, g.record);
	assert_int_equal(node_turn(h->node, &more), ERR_OK);
	assert_true(h->node->in_transaction);
	files = host_files(h);
	assert_int_equal(node_idle(h->node, &more_wal), ERR_OK);
	assert_false(more_wal);
	assert_true(host_files(h) == files);
	host_turn(h);
	files = host_files(h);
	assert_int_equal(node_idle(h->node, &more_wal), ERR_OK);
	assert_false(host_files(h) == files);
	given_free(&g);
}

/* A node that ends in the middle of a turn has none of it. */
static void half_a_turn_is_none(void **state)
{
	struct given g = given_new();
	struct host *h = g.e.victim;
	uint64_t size = h->node->tree.size;
	bool more;

	(void)state;
	for (size_t i = 0; i <= NODE_STEP_REQUESTS; i++)
		host_queue_referral(h, SK, g.record);
	assert_int_equal(node_turn(h->node, &more), ERR_OK);
	assert_true(h->node->in_transaction);
	host_stop(h);
	host_start(h);
	assert_null(node_hold(h->node));
	assert_int_equal(h->node->tree.size, size + 1); /* its start */
	given_free(&g);
}

/* Nothing is committed and nothing leaves when the outside copy of the checkpoint cannot be
 * written, or does not come to the disk; the process ends. */
static void nothing_leaves_without(struct given *g, bool *fail)
{
	struct host *h = g->e.victim;
	const struct node_caller caller = {.id = 1, .roles = NODE_ROLE_AUDITOR};
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_record_list list = PB_RECORD_LIST_INIT;
	CLEANUP(buf_fini) struct buf request = {0};
	const bool is_signed_in_vain = fail == &h->fail_signed_sync;
	uint64_t files, size = h->node->tree.size;
	size_t n_reply;
	bool more;

	m.has_id = 1;
	m.record_list = &list;
	assert_int_equal(message_encode(&m, &request), ERR_OK);
	assert_int_equal(node_request(h->node, &caller, buf_view(&request)), ERR_OK);
	host_forget(h);
	n_reply = h->n_reply;
	files = host_files(h);
	*fail = true;
	assert_int_equal(node_turn(h->node, &more), ERR_IO);
	assert_int_equal(h->n_sent, 0);
	assert_int_equal(h->n_reply, n_reply);
	/* then all of the commit but its last page may stand in the WAL */
	assert_true(is_signed_in_vain || host_files(h) == files);
	*fail = false;
	host_stop(h);
	host_start(h); /* what was signed and not committed had not left: it goes on */
	assert_null(node_hold(h->node));
	assert_int_equal(h->node->tree.size, size + 1);
}

static void nothing_leaves_before_the_commit(void **state)
{
	struct given g = given_new();

	(void)state;
	nothing_leaves_without(&g, &g.e.victim->fail_last_signed);
	nothing_leaves_without(&g, &g.e.victim->fail_signed_sync);
	given_free(&g);
}

/* What was committed and waited for the window leaves at once, and rests on nothing of the turn in
 * which it leaves: that one may fail. */
static void what_is_committed_leaves_before_the_commit(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	struct host *h = e->victim;
	const struct node_caller caller = {.id = 1, .roles = NODE_ROLE_AUDITOR};
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_record_list list = PB_RECORD_LIST_INIT;
	CLEANUP(buf_fini) struct buf request = {0};
	const size_t before = n_got(e, false);
	uint64_t size;
	bool more;

	(void)state;
	refer(&g, 300);
	assert_int_equal(n_got(e, false) - before, WINDOW_ITEMS);
	size = h->node->tree.size;
	m.has_id = 1;
	m.record_list = &list;
	assert_int_equal(message_encode(&m, &request), ERR_OK);
	assert_int_equal(node_request(h->node, &caller, buf_view(&request)), ERR_OK);
	evil_receipt(e);
	evil_hand_over(e, e->n_item - 1, e->n_item);
	h->fail_last_signed = true;
	assert_int_equal(node_turn(h->node, &more), ERR_IO);
	evil_listen(e);
	assert_int_equal(n_got(e, false) - before, 300);
	assert_true(e->held.size == size);
	h->fail_last_signed = false;
	host_stop(h);
	host_start(h);
	assert_null(node_hold(h->node));
	assert_true(h->node->tree.size > size);
	given_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_more_than_256_without_a_receipt),
		cmocka_unit_test(receipts_pass_a_full_window),
		cmocka_unit_test(a_part_is_receipted),
		cmocka_unit_test(both_sides_have_plenty),
		cmocka_unit_test(plenty_with_restarts),
		cmocka_unit_test(more_exceptions_than_a_receipt_holds),
		cmocka_unit_test(exceptions_that_piled_up),
		cmocka_unit_test(everything_from_the_beginning),
		cmocka_unit_test(one_checkpoint_a_turn),
		cmocka_unit_test(a_turn_goes_in_steps),
		cmocka_unit_test(resume_beyond_what_is_committed),
		cmocka_unit_test(resume_overtaken_by_its_receipt),
		cmocka_unit_test(seen_beyond_what_is_committed),
		cmocka_unit_test(the_clock_moves_within_a_turn),
		cmocka_unit_test(a_turn_ends_though_callers_wait),
		cmocka_unit_test(the_wal_waits_for_the_end_of_a_turn),
		cmocka_unit_test(half_a_turn_is_none),
		cmocka_unit_test(nothing_leaves_before_the_commit),
		cmocka_unit_test(what_is_committed_leaves_before_the_commit),
	};

	return cmocka_run_group_tests_name("node/flow", tests, NULL, NULL);
}
