/* What was written to a peer and has not gone is kept in memory, as long as anything goes. */
#include "unit/node/requests.h"

#define SOON_MS (FRESH_KEPT_MS * 4 / 5)

static struct given begin(void)
{
	struct given g = given_new();

	evil_receipt(&g.e);
	evil_send(&g.e);
	assert_int_equal(g.h->node->n_fresh_bytes, 0);
	return g;
}

static void refer(struct given *g)
{
	assert_int_equal(host_refer(g->h, SK, g->record, NULL), 0);
}

static size_t n_kept(const struct given *g)
{
	return host_peer(g->h, SK)->n_fresh;
}

static void pass(struct given *g, uint64_t ms)
{
	fixture_pass(g->f, ms);
	host_turn(g->h);
}

/* All goes, from memory or read back. */
static void assert_sent(struct given *g)
{
	g->h->unsent = 0;
	pass(g, PUMP_AGAIN_MS);
	evil_listen(&g->e);
	assert_int_equal(g->e.received.k, host_peer(g->h, SK)->row.sent_k);
	assert_int_equal(n_kept(g), 0);
	assert_int_equal(host_peer(g->h, SK)->n_fresh_bytes, 0);
	assert_int_equal(g->h->node->n_fresh_bytes, 0);
}

static void what_waits_is_kept_while_more_is_written(void **state)
{
	struct given g = begin();
	size_t n_bytes = 0;

	(void)state;
	g.h->unsent = UNSENT_MAX; /* the peer reads nothing */
	for (size_t i = 1; i <= 4; i++) {
		refer(&g);
		assert_int_equal(n_kept(&g), i);
		assert_true(g.h->node->n_fresh_bytes > n_bytes);
		n_bytes = g.h->node->n_fresh_bytes;
		pass(&g, SOON_MS);
		assert_int_equal(n_kept(&g), i);
	}
	assert_true(n_bytes < FRESH_BYTES_MAX);
	assert_sent(&g);
	given_free(&g);
}

/* One that takes nothing leaves room for the others; what is not kept is read back. */
static void a_peer_has_its_share_and_no_more(void **state)
{
	struct given g = begin();
	struct peer *p = host_peer(g.h, SK);

	(void)state;
	g.h->unsent = UNSENT_MAX;
	refer(&g);
	p->n_fresh_bytes += FRESH_BYTES_PEER;
	refer(&g);
	assert_int_equal(n_kept(&g), 1);
	p->n_fresh_bytes -= FRESH_BYTES_PEER;
	refer(&g);
	assert_int_equal(n_kept(&g), 2);
	assert_sent(&g);
	given_free(&g);
}

static void what_waits_is_kept_while_others_go(void **state)
{
	struct given g = begin();

	(void)state;
	g.h->limits.window_items = 1;
	host_stop(g.h);
	host_start(g.h);
	evil_connect(&g.e, TLS_LISTENER);
	for (size_t i = 0; i < 4; i++)
		refer(&g);
	evil_listen(&g.e);
	for (size_t i = 3; i > 0; i--) {
		assert_int_equal(n_kept(&g), i);
		pass(&g, SOON_MS);
		assert_int_equal(n_kept(&g), i);
		evil_receipt(&g.e); /* lets one more go */
		evil_send(&g.e);
	}
	assert_int_equal(n_kept(&g), 0);
	assert_sent(&g);
	given_free(&g);
}

static void what_waits_for_long_is_read_back(void **state)
{
	struct given g = begin();

	(void)state;
	g.h->unsent = UNSENT_MAX;
	refer(&g);
	pass(&g, SOON_MS);
	refer(&g);
	pass(&g, FRESH_KEPT_MS - 1);
	assert_int_equal(n_kept(&g), 2);
	assert_true(node_deadline_ms(g.h->node) <= g.f->mono_ms + 1);
	pass(&g, 1);
	assert_int_equal(n_kept(&g), 0);
	assert_int_equal(g.h->node->n_fresh_bytes, 0);
	assert_sent(&g);
	given_free(&g);
}

#define N_OPENED 1000

/* Room is made before the item is measured: more than its bytes, most with many small openings. */
static void what_is_allocated_is_counted(void **state)
{
	static struct opened_slice opened[N_OPENED];
	struct given g = begin();
	struct node *n = g.h->node;
	struct peer *p = host_peer(g.h, SK);
	struct written w = {.k = p->row.sent_k + 1,
			    .kind = PB(ENTRY_KIND, SUPPLEMENT),
			    .entry = view_str("entry"),
			    .opened = opened,
			    .n_opened = N_OPENED};
	size_t n_encoded = 0;

	(void)state;
	for (size_t i = 0; i < N_OPENED; i++) {
		opened[i] = (struct opened_slice){.salt = view_str("salt"), .slice = view_str("x")};
		n_encoded += 2 + (2 + 4) + (2 + 1);
	}
	assert_int_equal(outbox_written(n, p, &w), ERR_OK);
	assert_int_equal(n_kept(&g), 1);
	assert_true(n->n_fresh_bytes > 2 * n_encoded);
	outbox_forget(n, p);
	assert_int_equal(n->n_fresh_bytes, 0);
	given_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_waits_is_kept_while_more_is_written),
		cmocka_unit_test(a_peer_has_its_share_and_no_more),
		cmocka_unit_test(what_waits_is_kept_while_others_go),
		cmocka_unit_test(what_waits_for_long_is_read_back),
		cmocka_unit_test(what_is_allocated_is_counted),
	};

	return cmocka_run_group_tests_name("node/outbox", tests, NULL, NULL);
}
