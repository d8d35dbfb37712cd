/* Sessions on which little is said: pings, credit, the hourly checkpoint, questions. */
#include "unit/node/sessions.h"

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

/* Proofs lead to the newest checkpoint that the peer was shown, which may not be the newest. */
static void proofs_lead_to_what_was_shown(void **state)
{
	struct given g = given_new();
	struct pb_frame m = PB_FRAME_INIT;
	struct pb_ask ask = PB_ASK_INIT;
	struct pb_ask_consistency sizes = PB_ASK_CONSISTENCY_INIT;
	struct proof proof = {.n = 0};
	struct digest root;
	uint64_t asked[2];
	uint8_t id[16];

	(void)state;
	connected_and_agreed(&g);
	host_import(g.e.victim, id); /* nothing of it is evil's */
	assert_true(g.e.victim->node->signed_size > g.e.held.size);
	asked[0] = 1;
	asked[1] = g.e.held.size + 1;
	sizes.sizes = asked;
	sizes.n_sizes = 2;
	ask.has_id = 1;
	ask.consistency = &sizes;
	m.ask = &ask;
	evil_frame(&g.e, &m);
	assert_int_equal(g.e.answer->n_proofs, 1); /* it does not know of the other size */
	proof.n = g.e.answer->proofs[0]->hashes.len / DIGEST_BYTES;
	memcpy(proof.hash, g.e.answer->proofs[0]->hashes.data, proof.n * DIGEST_BYTES);
	assert_int_equal(ledger_root_at(g.e.victim->node, 1, &root), ERR_OK);
	assert_int_equal(merkle_check_consistency(1, &root, g.e.held.size, &g.e.held.root,
						  proof.hash, proof.n),
			 ERR_OK);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pings),
		cmocka_unit_test(credit_for_every_byte),
		cmocka_unit_test(the_hourly_checkpoint),
		cmocka_unit_test(proofs_lead_to_what_was_shown),
		cmocka_unit_test(checkpoints_without_end),
	};

	return cmocka_run_group_tests_name("node/idle", tests, NULL, NULL);
}
