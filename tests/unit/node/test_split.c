/* Split views: what a third agency tells of a ledger, asked for, proven or not; and what this node
 * proves of its own. sk is the agency that is told of, at the one that tells. */
#include "unit/node/sessions.h"

#include "node/split.h"
#include "store/noted_table.h"

/* --- what is told --- */

/* A checkpoint of @p e at an older size; with @p is_other one of another tree. */
static void note_at(struct evil *e, uint64_t size, bool is_other, struct buf *out)
{
	struct tree_reader r = memory_tree_reader(&e->tree);
	struct checkpoint c = {.origin = e->origin, .size = size};

	if (size <= e->tree.frontier.size)
		assert_int_equal(merkle_root(&r, size, &c.root), ERR_OK);
	c.root.b[0] ^= is_other;
	assert_int_equal(checkpoint_sign(&c, e->papers->seal_key, out), ERR_OK);
}

struct teller {
	struct evil at;
	struct buf note[HELLO_SEEN_MAX];
	struct view seen[HELLO_SEEN_MAX];
	size_t n;
};

static void add_told(struct teller *t, struct evil *of, uint64_t size, bool is_other)
{
	note_at(of, size, is_other, &t->note[t->n]);
	t->seen[t->n] = buf_view(&t->note[t->n]);
	t->n++;
}

/* One session of at's that tells these, and ends. */
static void tell(struct teller *t)
{
	struct hello_terms terms;

	evil_open(&t->at, TLS_LISTENER);
	terms = evil_terms(&t->at);
	terms.seen = t->seen;
	terms.n_seen = t->n;
	evil_say(&t->at, &terms);
	assert_int_equal(t->at.bye, 0);
	evil_close(&t->at);
	for (size_t i = 0; i < t->n; i++)
		buf_fini(&t->note[i]);
	t->n = 0;
}

static void tell_one(struct teller *t, struct evil *of, uint64_t size, bool is_other)
{
	add_told(t, of, size, is_other);
	tell(t);
}

/* --- the one that is told of --- */

struct given_split {
	struct given g;
	struct teller t;
	uint64_t held; /* of sk's ledger, which goes 20 further */
};

static struct given_split *split_new(void)
{
	struct given_split *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	x->g = given_new();
	connected_and_agreed(&x->g);
	evil_close(&x->g.e);
	evil_init(&x->t.at, x->g.f, AT);
	x->held = sk(&x->g)->row.held_size;
	evil_pad(&x->g.e, 20);
	return x;
}

static void split_free(struct given_split *x)
{
	evil_fini(&x->t.at);
	given_free(&x->g);
	free(x);
}
DEFINE_FREEP(struct given_split, split_free)

/* sk connects; what the node asks it to prove. */
static size_t asked(struct given_split *x, uint64_t ret[HELLO_PROVE_MAX])
{
	struct host *h = x->g.e.victim;
	size_t n = 99;

	evil_open(&x->g.e, TLS_LISTENER);
	for (size_t i = 0; i < h->n_sent; i++) {
		const struct pb_hello *m = h->sent[i].frame->hello;

		if (!m)
			continue;
		n = m->n_prove;
		for (size_t j = 0; j < n; j++)
			ret[j] = m->prove[j];
	}
	return n;
}

static void say(struct given_split *x)
{
	struct hello_terms terms = evil_terms(&x->g.e);

	x->g.e.sent_size = sk(&x->g)->row.held_size;
	evil_say(&x->g.e, &terms);
	assert_int_equal(x->g.e.bye, 0);
}

/* A batch without items that proves these sizes; with @p is_broken not quite. */
static void prove(struct given_split *x, const uint64_t *size, size_t n, bool is_broken)
{
	CLEANUP(message_freep) struct pb_frame *m = NULL;
	CLEANUP(buf_fini) struct buf note = {0}, frame = {0};
	struct evil *e = &x->g.e;
	struct tree_reader r = memory_tree_reader(&e->tree);
	struct batch_terms terms = {.from_size = e->sent_size,
				    .size = e->tree.frontier.size,
				    .prove = size,
				    .n_prove = n};

	evil_note(e, &note);
	terms.note = buf_view(&note);
	assert_int_equal(batch_make(&terms, &r, &frame), ERR_OK);
	assert_int_equal(frame_decode(buf_view(&frame), &m), ERR_OK);
	if (is_broken)
		m->batch->extra_proofs[0]->hashes.data[0] ^= 1;
	e->sent_size = terms.size;
	evil_frame(e, m);
}

static uint64_t n_incidents(struct given_split *x)
{
	uint64_t n;

	assert_int_equal(incident_count(x->g.e.victim->node->store, &n), ERR_OK);
	return n;
}

static uint64_t n_unproven(struct given_split *x, uint64_t *ret_alarmed)
{
	uint64_t n_alarmed;

	assert_int_equal(split_count(x->g.e.victim->node, sk(&x->g), &n_alarmed), ERR_OK);
	if (ret_alarmed)
		*ret_alarmed = n_alarmed;
	return sk(&x->g)->n_unproven;
}

/* --- proven --- */

static void what_is_told_is_asked_for_and_proven(void **state)
{
	CLEANUP(split_freep) struct given_split *x = split_new();
	uint64_t size[HELLO_PROVE_MAX] = {0};

	(void)state;
	tell_one(&x->t, &x->g.e, x->held + 7, false);
	assert_int_equal(n_unproven(x, NULL), 1);
	host_stop(x->g.e.victim); /* it is kept over a restart */
	host_start(x->g.e.victim);
	assert_int_equal(sk(&x->g)->n_unproven, 1);
	assert_int_equal(asked(x, size), 1);
	assert_int_equal(size[0], x->held + 7);
	say(x);
	prove(x, size, 1, false);
	assert_int_equal(x->g.e.bye, 0);
	assert_int_equal(n_unproven(x, NULL), 0);
	assert_int_equal(sk(&x->g)->row.held_size, x->held + 20);
	evil_close(&x->g.e);
	/* told again, it is known */
	tell_one(&x->t, &x->g.e, x->held + 7, false);
	assert_int_equal(asked(x, size), 0);
	assert_int_equal(n_incidents(x), 0);
}

static void an_older_one_than_held_is_proven_as_well(void **state)
{
	CLEANUP(split_freep) struct given_split *x = split_new();
	uint64_t size[HELLO_PROVE_MAX] = {0};

	(void)state;
	tell_one(&x->t, &x->g.e, 1, false);
	assert_int_equal(asked(x, size), 1);
	say(x);
	prove(x, size, 1, false);
	assert_int_equal(n_unproven(x, NULL), 0);
	assert_int_equal(n_incidents(x), 0);
}

/* Its checkpoint comes to the very size: no proof is needed. */
static void a_batch_of_that_size_settles_it(void **state)
{
	(void)state;
	for (int is_other = 0; is_other < 2; is_other++) {
		CLEANUP(split_freep) struct given_split *x = split_new();

		tell_one(&x->t, &x->g.e, x->held + 20, is_other);
		evil_open(&x->g.e, TLS_LISTENER);
		say(x);
		prove(x, NULL, 0, false);
		assert_int_equal(x->g.e.bye, is_other ? PB(BYE_CODE, STOPPED) : 0);
		assert_int_equal(n_incidents(x), is_other);
		assert_int_equal(n_unproven(x, NULL), 0);
	}
}

/* --- not --- */

static void another_past_is_an_incident(void **state)
{
	(void)state;
	/* sizes that are powers of two and that are not, below what is held and above */
	for (uint64_t size = 1; size < 24; size++) {
		CLEANUP(split_freep) struct given_split *x = split_new();
		CLEANUP(buf_fini) struct buf note = {0};

		if (size == x->held || size >= x->held + 20)
			continue;
		note_at(&x->g.e, size, true, &note);
		tell_one(&x->t, &x->g.e, size, true);
		evil_open(&x->g.e, TLS_LISTENER);
		say(x);
		prove(x, &size, 1, false);
		assert_int_equal(x->g.e.bye, PB(BYE_CODE, STOPPED));
		assert_true(sk(&x->g)->row.stopped);
		assert_int_equal(n_incidents(x), 1);
		assert_int_equal(sk(&x->g)->row.held_size, x->held); /* nothing was taken */
		assert_int_equal(n_unproven(x, NULL), 0);
	}
}

static void a_proof_that_leads_nowhere_is_a_fault(void **state)
{
	CLEANUP(split_freep) struct given_split *x = split_new();
	uint64_t size[HELLO_PROVE_MAX] = {0};

	(void)state;
	tell_one(&x->t, &x->g.e, x->held + 7, false);
	assert_int_equal(asked(x, size), 1);
	say(x);
	prove(x, size, 1, true);
	assert_int_equal(x->g.e.bye, PB(BYE_CODE, PROTOCOL));
	assert_int_equal(n_incidents(x), 0);
	assert_int_equal(sk(&x->g)->row.held_size, x->held);
	evil_close(&x->g.e);
	assert_int_equal(asked(x, size), 1); /* and is asked for again */
}

static void what_nobody_asked_for_counts_for_nothing(void **state)
{
	CLEANUP(split_freep) struct given_split *x = split_new();
	const uint64_t size[] = {2, 3, 4, 5};

	(void)state;
	tell_one(&x->t, &x->g.e, x->held + 7, false);
	evil_open(&x->g.e, TLS_LISTENER);
	say(x);
	prove(x, size, 4, true);
	assert_int_equal(x->g.e.bye, 0);
	assert_int_equal(n_unproven(x, NULL), 1);
}

/* Two that tell contradict each other, of a size that is not held here. */
static void two_tellers_are_enough(void **state)
{
	CLEANUP(split_freep) struct given_split *x = split_new();

	(void)state;
	tell_one(&x->t, &x->g.e, x->held + 7, true);
	assert_int_equal(n_incidents(x), 0);
	tell_one(&x->t, &x->g.e, x->held + 7, false);
	assert_int_equal(n_incidents(x), 1);
	assert_true(sk(&x->g)->row.stopped);
}

/* A ledger that is shorter than one that it signed, or an agency that keeps silent. */
static void what_is_never_proven_is_alarmed(void **state)
{
	CLEANUP(split_freep) struct given_split *x = split_new();
	uint64_t size[HELLO_PROVE_MAX] = {0}, n_alarmed;
	size_t n_err = x->g.f->n_log[LOG_ERR];

	(void)state;
	tell_one(&x->t, &x->g.e, x->held + 1000, false);
	for (int i = 1; i <= UNPROVEN_SESSIONS + 2; i++) {
		assert_int_equal(asked(x, size), 1);
		say(x);
		prove(x, size, 1, false);
		assert_int_equal(x->g.e.bye, 0);
		evil_close(&x->g.e);
		assert_int_equal(n_unproven(x, &n_alarmed), 1);
		assert_int_equal(n_alarmed, i >= UNPROVEN_SESSIONS);
		assert_int_equal(x->g.f->n_log[LOG_ERR], n_err + (i >= UNPROVEN_SESSIONS));
	}
	assert_non_null(strstr(x->g.f->log_err, "told_by="));
	{
		struct pb_api_request m = PB_API_REQUEST_INIT;
		struct pb_peer_show show = PB_PEER_SHOW_INIT;
		struct host *h = x->g.e.victim;

		show.peer = sk(&x->g)->row.agency.text;
		m.peer_show = &show;
		host_ask(h, NODE_ROLE_OPERATOR, &m);
		assert_int_equal(host_error(h), 0);
		assert_int_equal(h->reply[0]->peer_detail->n_unproven, 1);
		assert_int_equal(h->reply[0]->peer_detail->n_unproven_alarmed, 1);
	}
	assert_int_equal(n_incidents(x), 0);
}

static void a_long_session_without_an_answer_is_alarmed(void **state)
{
	CLEANUP(split_freep) struct given_split *x = split_new();
	uint64_t size[HELLO_PROVE_MAX] = {0}, n_alarmed;

	(void)state;
	tell_one(&x->t, &x->g.e, x->held + 7, false);
	assert_int_equal(asked(x, size), 1);
	say(x);
	for (int minute = 0; minute <= 12; minute++) {
		(void)n_unproven(x, &n_alarmed);
		assert_int_equal(n_alarmed, minute * 60000 >= UNPROVEN_MS);
		fixture_pass(x->g.f, 60000);
		host_turn(x->g.e.victim);
	}
	prove(x, size, 1, false); /* late is not never */
	assert_int_equal(n_unproven(x, &n_alarmed), 0);
	assert_int_equal(n_alarmed, 0);
}

/* --- a hostile teller --- */

static void little_is_kept_of_what_one_tells(void **state)
{
	CLEANUP(split_freep) struct given_split *x = split_new();
	uint64_t size[HELLO_PROVE_MAX] = {0};

	(void)state;
	for (uint64_t i = 1; i <= 19; i++)
		add_told(&x->t, &x->g.e, x->held + i, false);
	tell(&x->t);
	assert_int_equal(n_unproven(x, NULL), NOTED_PAIR_MAX);
	assert_int_equal(asked(x, size), HELLO_PROVE_MAX);
	/* the greatest gives way to a greater; all others stay */
	assert_int_equal(size[0], x->held + 19);
	assert_int_equal(size[3], x->held + 1);
	say(x);
	evil_close(&x->g.e);
	add_told(&x->t, &x->g.e, x->held + 10, false); /* smaller: no room */
	add_told(&x->t, &x->g.e, x->held + 19, false); /* known */
	tell(&x->t);
	assert_int_equal(n_unproven(x, NULL), NOTED_PAIR_MAX);
	assert_int_equal(asked(x, size), HELLO_PROVE_MAX);
	assert_int_equal(size[0], x->held + 19);
	/* all are proven at once; of what is settled one is remembered */
	say(x);
	prove(x, size, 4, false);
	assert_int_equal(n_unproven(x, NULL), 0);
	assert_int_equal(n_incidents(x), 0);
}

static void only_what_sk_signed_is_noted(void **state)
{
	CLEANUP(split_freep) struct given_split *x = split_new();
	struct evil *e = &x->g.e;
	struct origin other;
	struct checkpoint c = {.origin = e->origin, .size = x->held + 3};

	(void)state;
	/* another key; another epoch; the empty tree; the teller's own */
	assert_int_equal(checkpoint_sign(&c, x->t.at.papers->seal_key, &x->t.note[0]), ERR_OK);
	origin_make(&other, &e->papers->id, START_US / 1000000);
	c.origin = other;
	assert_int_equal(checkpoint_sign(&c, e->papers->seal_key, &x->t.note[1]), ERR_OK);
	c = (struct checkpoint){.origin = e->origin, .root = merkle_empty()};
	assert_int_equal(checkpoint_sign(&c, e->papers->seal_key, &x->t.note[2]), ERR_OK);
	c = (struct checkpoint){.origin = x->t.at.origin, .size = 77};
	assert_int_equal(checkpoint_sign(&c, x->t.at.papers->seal_key, &x->t.note[3]), ERR_OK);
	for (x->t.n = 0; x->t.n < 4; x->t.n++)
		x->t.seen[x->t.n] = buf_view(&x->t.note[x->t.n]);
	tell(&x->t);
	assert_int_equal(n_unproven(x, NULL), 0);
	assert_int_equal(host_peer(e->victim, AT)->n_unproven, 0);
	assert_int_equal(n_incidents(x), 0);
}

/* --- what this node proves --- */

/* The newest batch that the node sent since host_forget(); NULL: none. */
static const struct pb_batch *newest_batch(const struct host *h)
{
	const struct pb_batch *m = NULL;

	for (size_t i = 0; i < h->n_sent; i++)
		if (h->sent[i].frame->batch)
			m = h->sent[i].frame->batch;
	return m;
}

static void check_proof(struct host *h, const struct pb_batch *m, uint64_t size)
{
	struct checkpoint c;
	struct digest root;
	struct proof proof;

	assert_int_equal(checkpoint_read(message_bytes(1, m->checkpoint), NULL, NULL, &c), ERR_OK);
	assert_int_equal(ledger_root_at(h->node, size, &root), ERR_OK);
	assert_int_equal(batch_prefix(m, &c, size, &root, &proof), PREFIX_PROVEN);
}

static void this_node_proves_what_it_is_asked(void **state)
{
	struct given g = given_new();
	struct host *h = g.e.victim;
	const uint64_t now = h->node->signed_size;
	uint64_t wanted[] = {0, 1, now, now + 4};
	struct pb_frame frame = PB_FRAME_INIT;
	struct pb_resume resume = PB_RESUME_INIT;
	const struct pb_batch *m;
	struct hello_terms terms;
	struct digest leaf;
	uint8_t record[16];

	(void)state;
	connected_and_agreed(&g);
	evil_close(&g.e);
	wanted[3] = h->node->signed_size + 1;
	evil_open(&g.e, TLS_LISTENER);
	host_forget(h);
	terms = evil_terms(&g.e);
	terms.prove = wanted;
	terms.n_prove = 4;
	evil_say(&g.e, &terms);
	/* it has nothing else to send, and that is no hour's end */
	m = newest_batch(h);
	assert_true(m && m->n_items == 0 && m->n_extra_proofs == 2);
	check_proof(h, m, 1);
	check_proof(h, m, now);
	/* that batch did not fit what the peer holds */
	host_forget(h);
	resume.has_size = resume.has_k = 1;
	resume.size = g.e.held.size;
	resume.k = g.e.received.k;
	resume.has_head = resume.k != 0;
	resume.head = message_borrow(view_digest(&g.e.received.head));
	frame.resume = &resume;
	evil_frame(&g.e, &frame);
	m = newest_batch(h);
	assert_true(m && m->n_items == 0 && m->n_extra_proofs == 2);
	/* what the ledger reaches later goes with a batch of then, once */
	host_forget(h);
	host_import(h, record);
	assert_null(newest_batch(h));
	assert_int_equal(host_refer(h, SK, record, &leaf), 0);
	m = newest_batch(h);
	assert_true(m && m->n_items == 1 && m->n_extra_proofs == 1);
	check_proof(h, m, wanted[3]);
	host_forget(h);
	assert_int_equal(host_refer(h, SK, record, &leaf), 0);
	m = newest_batch(h);
	assert_true(m && m->n_items == 1 && m->n_extra_proofs == 0);
	given_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_told_is_asked_for_and_proven),
		cmocka_unit_test(an_older_one_than_held_is_proven_as_well),
		cmocka_unit_test(a_batch_of_that_size_settles_it),
		cmocka_unit_test(another_past_is_an_incident),
		cmocka_unit_test(a_proof_that_leads_nowhere_is_a_fault),
		cmocka_unit_test(what_nobody_asked_for_counts_for_nothing),
		cmocka_unit_test(two_tellers_are_enough),
		cmocka_unit_test(what_is_never_proven_is_alarmed),
		cmocka_unit_test(a_long_session_without_an_answer_is_alarmed),
		cmocka_unit_test(little_is_kept_of_what_one_tells),
		cmocka_unit_test(only_what_sk_signed_is_noted),
		cmocka_unit_test(this_node_proves_what_it_is_asked),
	};

	return cmocka_run_group_tests_name("node/split", tests, NULL, NULL);
}
