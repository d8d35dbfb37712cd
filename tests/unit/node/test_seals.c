/* Seals that bodies are stored without: which are held, and whose. */
#include "unit/node/requests.h"

#include "store/internal.h"

static int64_t n_seals(struct host *h)
{
	int64_t n = -1;

	assert_int_equal(store_pragma_i64(h->node->store, "SELECT count(*) FROM seal", &n), ERR_OK);
	return n;
}

/* The body of an own referral, as it was signed. */
static struct pb_referral *own_body(struct host *h, const struct digest *leaf)
{
	CLEANUP(buf_fini) struct buf got = {0};
	struct pb_referral *m = NULL;
	struct referral_row r;

	assert_int_equal(referral_get(h->node->store, leaf, &r), ERR_OK);
	assert_int_equal(own_body_load(h->node, &r, &got), ERR_OK);
	assert_int_equal(message_decode(&pb_referral_desc, buf_view(&got), MESSAGE_STRICT, &m),
			 ERR_OK);
	return m;
}

static void assert_same_seal(const struct pb_seal *a, const struct pb_seal *b)
{
	CLEANUP(buf_fini) struct buf x = {0}, y = {0};

	assert_int_equal(message_encode(a, &x), ERR_OK);
	assert_int_equal(message_encode(b, &y), ERR_OK);
	assert_true(view_eq(buf_view(&x), buf_view(&y)));
}

static void an_own_seal_is_proven_once(void **state)
{
	struct given g = given_new();
	CLEANUP(message_freep) struct pb_referral *first = NULL;
	struct digest leaf;

	(void)state;
	assert_int_equal(host_refer(g.h, SK, g.record, &leaf), 0);
	first = own_body(g.h, &leaf);
	for (int i = 0; i < 3; i++) {
		CLEANUP(message_freep) struct pb_referral *again = NULL;

		if (i == 1) {
			own_records_close(g.h->node); /* as when none was used for a while */
		} else if (i == 2) {
			evil_close(&g.e);
			host_stop(g.h);
			host_start(g.h);
		}
		assert_int_equal(host_refer(g.h, SK, g.record, &leaf), 0);
		again = own_body(g.h, &leaf);
		assert_same_seal(first->record->seal, again->record->seal);
	}
	given_free(&g);
}

/* Our manifest in a disclosure of a peer, with a seal that it made longer: taken, as that of any
 * originator whose certificate it shows; what we send is our own all the same. */
static void a_peers_seal_of_an_own_record_is_not_ours(void **state)
{
	struct given g = given_new();
	CLEANUP(message_freep) struct pb_referral *first = NULL, *again = NULL;
	ProtobufCBinaryData chain[4];
	struct evil_referral r;
	struct digest leaf;
	int64_t n;

	(void)state;
	assert_int_equal(host_refer(g.h, SK, g.record, &leaf), 0);
	first = own_body(g.h, &leaf);
	n = n_seals(g.h);
	evil_referral_fill(&g.e, &r);
	r.seal = *first->record->seal;
	chain[0] = message_borrow(g.h->chain.der[0]);
	chain[1] = chain[2] = chain[3] = message_borrow(g.e.papers->chain.der[0]);
	r.seal.chain = chain;
	r.seal.n_chain = ARRAY_LEN(chain);
	r.d.manifest_digest = first->record->manifest_digest;
	r.d.manifest = first->record->manifest;
	r.n_slice = 0;
	(void)evil_referral_add(&g.e, &r);
	evil_send(&g.e);
	assert_int_equal(evil_outcome(&g.e, g.e.n_item), 0);
	assert_int_equal(n_seals(g.h), n);
	own_records_close(g.h->node);
	assert_int_equal(host_refer(g.h, SK, g.record, &leaf), 0);
	again = own_body(g.h, &leaf);
	assert_same_seal(first->record->seal, again->record->seal);
	evil_referral_fini(&r);
	given_free(&g);
}

static void assert_body(struct given *g, uint64_t k)
{
	const struct evil_item *sent = &g->e.item[k - 1];
	CLEANUP(buf_fini) struct buf got = {0};
	struct received_row row;

	assert_int_equal(
		received_find(g->h->node->store, host_peer(g->h, SK)->row.id, k, &sent->leaf, &row),
		ERR_OK);
	assert_int_equal(body_load(g->h->node, row.body_blob, NULL, &got), ERR_OK);
	assert_true(view_eq(buf_view(&got), buf_view(&sent->body)));
}

/* It is taken, and what its seal says stands nowhere but in the body. */
static void take_without_holding(struct given *g, struct evil_referral *r)
{
	(void)evil_referral_add(&g->e, r);
	evil_send(&g->e);
	assert_int_equal(evil_outcome(&g->e, g->e.n_item), 0);
	assert_int_equal(n_seals(g->h), 0);
	assert_body(g, g->e.n_item);
}

/* Nobody looks at the chain of an originator whose key is pinned: it may say anything, and is kept
 * nowhere but encrypted, in the body. */
static void a_chain_stays_in_the_body(void **state)
{
	struct given g = given_new();
	ProtobufCBinaryData chain = message_borrow(view_str("some child's name"));
	struct evil_referral r;

	(void)state;
	evil_referral_fill(&g.e, &r);
	r.seal.chain = &chain;
	r.seal.n_chain = 1;
	take_without_holding(&g, &r);
	evil_referral_fini(&r);
	given_free(&g);
}

/* Nor does anybody know the witnesses that a note may have. */
static void a_second_signature_stays_in_the_body(void **state)
{
	static const char line[] = "\u2014 some-child's-name AAAAAAAA\n";
	struct given g = given_new();
	CLEANUP(buf_fini) struct buf note = {0};
	struct evil_referral r;

	(void)state;
	evil_referral_fill(&g.e, &r);
	assert_int_equal(buf_put(&note, r.seal.checkpoint.data, r.seal.checkpoint.len), ERR_OK);
	assert_int_equal(buf_put_str(&note, line), ERR_OK);
	r.seal.checkpoint = message_borrow(buf_view(&note));
	take_without_holding(&g, &r);
	evil_referral_fini(&r);
	given_free(&g);
}

/* Proven anew, and as before again: each body has its own. */
static void two_seals_of_one_manifest(void **state)
{
	struct given g = given_new();
	struct evil_referral r[2];
	uint64_t k[4];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		evil_referral_fill(&g.e, &r[i]);
		(void)evil_referral_add(&g.e, &r[i]);
		evil_send(&g.e);
		k[i] = g.e.n_item;
	}
	assert_int_equal(n_seals(g.h), 2);
	for (size_t i = 0; i < 2; i++) {
		struct entry entry = evil_next(&g.e, PB(ENTRY_KIND, REFERRAL));

		disclosed_forget(&g.h->node->disclosed);
		entry.has_agreement = true;
		entry.agreement = r[i].entry.agreement;
		entry.purpose = r[i].entry.purpose;
		r[i].entry = entry;
		buf_clear(&r[i].named);
		(void)evil_referral_add(&g.e, &r[i]);
		evil_send(&g.e);
		k[2 + i] = g.e.n_item;
	}
	assert_int_equal(n_seals(g.h), 4); /* only the last one is known again */
	for (size_t i = 0; i < ARRAY_LEN(k); i++) {
		assert_int_equal(evil_outcome(&g.e, k[i]), 0);
		assert_body(&g, k[i]);
	}
	assert_false(
		view_eq(buf_view(&g.e.item[k[0] - 1].body), buf_view(&g.e.item[k[1] - 1].body)));
	evil_referral_fini(&r[0]);
	evil_referral_fini(&r[1]);
	given_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_own_seal_is_proven_once),
		cmocka_unit_test(a_peers_seal_of_an_own_record_is_not_ours),
		cmocka_unit_test(a_chain_stays_in_the_body),
		cmocka_unit_test(a_second_signature_stays_in_the_body),
		cmocka_unit_test(two_seals_of_one_manifest),
	};

	return cmocka_run_group_tests_name("node/seals", tests, NULL, NULL);
}
