/* Sessions with a hostile peer: two at once, contradictions that stop a link, and when the node
 * dials. */
#include "unit/node/sessions.h"

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

/* Of notes that are many or long, as many are told as there is room for. */
static void what_is_told_of_others_has_its_room(void **state)
{
	struct given g = given_new();
	struct evil at;
	struct host *h = g.e.victim;

	(void)state;
	connected_and_agreed(&g);
	evil_init(&at, g.f, AT);
	for (int i = 0; i < 2; i++) {
		size_t n_seen = 99;

		evil_open(&at, TLS_LISTENER);
		for (size_t j = 0; j < h->n_sent; j++)
			if (h->sent[j].frame->hello)
				n_seen = h->sent[j].frame->hello->n_seen;
		assert_int_equal(n_seen, i == 0);
		evil_close(&at);
		while (sk(&g)->held_note.n <= HELLO_SEEN_BYTES_MAX)
			assert_int_equal(buf_put_str(&sk(&g)->held_note, "padding"), ERR_OK);
	}
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
		cmocka_unit_test(what_is_told_of_others_has_its_room),
		cmocka_unit_test(dials_with_back_off),
		cmocka_unit_test(does_not_dial_who_is_there),
	};

	return cmocka_run_group_tests_name("node/incident", tests, NULL, NULL);
}
