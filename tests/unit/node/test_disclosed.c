/* What is remembered of disclosures that were checked: it stands for the very same again, and for
 * nothing else. */
#include "unit/node/items.h"

#include "store/internal.h"

/* The same terms, disclosure and openings as the next position. */
static struct evil_item *add_again(struct evil *e, struct evil_referral *r)
{
	struct entry entry = evil_next(e, PB(ENTRY_KIND, REFERRAL));

	entry.has_agreement = true;
	entry.agreement = r->entry.agreement;
	entry.purpose = r->entry.purpose;
	r->entry = entry;
	buf_clear(&r->named);
	return evil_referral_add(e, r);
}

static size_t n_kept(const struct evil *e)
{
	return e->victim->node->disclosed.n;
}

/* --- what came is remembered --- */

static void the_same_again(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	struct evil_referral r;
	struct referral_row first, again;

	(void)state;
	evil_referral_fill(e, &r);
	(void)evil_referral_add(e, &r);
	expect(e, 0);
	assert_int_equal(n_kept(e), 1);
	assert_int_equal(referral_get(node_of(e)->store, &e->item[e->n_item - 1].leaf, &first),
			 ERR_OK);
	(void)add_again(e, &r);
	expect(e, 0);
	assert_int_equal(n_kept(e), 1);
	assert_int_equal(n_openings(e), 1);
	assert_int_equal(referral_get(node_of(e)->store, &e->item[e->n_item - 1].leaf, &again),
			 ERR_OK);
	assert_true(again.has_manifest && digest_eq(&again.manifest, &first.manifest));
	assert_memory_equal(again.record_id, first.record_id, sizeof(first.record_id));
	assert_int_equal(again.n_disclosed, 1);
	assert_int_equal(show(e, &e->item[e->n_item - 1].leaf), 0);
	evil_referral_fini(&r);
	given_free(&g);
}

static void one_byte_of_an_opening_is_another(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	struct evil_referral r;

	(void)state;
	evil_referral_fill(e, &r);
	(void)evil_referral_add(e, &r);
	expect(e, 0);
	for (size_t i = 0; i < e->item[e->n_item - 1].openings.n; i++) {
		struct evil_item *item = add_again(e, &r);

		bytes_of(&item->openings)[i] ^= 1;
		expect(e, REASON(BAD_SLICE));
	}
	(void)add_again(e, &r);
	expect(e, 0);
	evil_referral_fini(&r);
	given_free(&g);
}

/* Seal the demo record with these salts, whatever was sealed before. */
static void seal_with(struct given *g, uint64_t random, uint64_t sealed_at_us)
{
	struct manifest_terms terms = evil_manifest_terms(&g->e);
	struct slice_set set = {0};

	g->f->random = random;
	terms.sealed_at_us = sealed_at_us;
	assert_int_equal(record_cut(RECORD_VICTIM, buf_view(&g->f->record), &set), ERR_OK);
	evil_seal_set(&g->e, &set, &terms);
}

static struct buf first_manifest;
static struct digest first_digest;

static void named_as_the_first(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->d.manifest_digest = message_borrow(view_digest(&first_digest));
}

static void the_first_in_its_place(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->d.manifest = message_borrow(buf_view(&first_manifest));
}

static void both_of_the_first(struct given *g, struct evil_referral *r)
{
	named_as_the_first(g, r);
	the_first_in_its_place(g, r);
}

/* Sealed anew with the same salts: the commitments are the same, the manifest is not. */
static void the_same_openings_under_another_manifest(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;

	(void)state;
	seal_with(&g, 1234567, START_US);
	first_digest = e->record.manifest.digest;
	assert_int_equal(buf_put_view(&first_manifest, buf_view(&e->record.manifest_bytes)),
			 ERR_OK);
	(void)refer_to_us(e);
	seal_with(&g, 1234567, START_US + 1);
	assert_true(view_eq(e->record.manifest.commitments,
			    view_of(bytes_of(&first_manifest) + first_manifest.n -
					    e->record.manifest.commitments.n,
				    e->record.manifest.commitments.n)));
	referral_with(&g, named_as_the_first, REASON(BAD_SEAL));
	referral_with(&g, the_first_in_its_place, REASON(BAD_SEAL));
	referral_with(&g, both_of_the_first, REASON(BAD_SEAL)); /* the second's seal */
	assert_int_equal(n_openings(e), 0);
	(void)refer_to_us(e);
	assert_int_equal(n_openings(e), 1);
	assert_int_equal(n_kept(e), 2);
	buf_fini(&first_manifest);
	given_free(&g);
}

/* A field that needs consent, with it and then without. */
static void consent_counts_each_time(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	struct pb_consent consent = PB_CONSENT_INIT;
	struct evil_referral r;

	(void)state;
	consent.has_given_by = 1;
	consent.given_by = PB(CONSENT_GIVER, CHILD);
	evil_referral_fill(e, &r);
	r.slice[r.n_slice++] = evil_slice_of(e, "health.urgent_needs");
	r.terms.consent = &consent;
	(void)evil_referral_add(e, &r);
	expect(e, 0);
	r.terms.consent = NULL;
	(void)add_again(e, &r);
	expect(e, REASON(CONSENT));
	r.terms.consent = &consent;
	(void)add_again(e, &r);
	expect(e, 0);
	evil_referral_fini(&r);
	given_free(&g);
}

/* Of whoever's key is not pinned the chain of certificates is judged each time. */
static void what_a_chain_proves_is_not_kept(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	struct evil third;
	struct tree_reader reader;
	struct evil_referral r;
	ProtobufCBinaryData chain[1];

	(void)state;
	evil_init(&third, g.f, AT);
	evil_seal(&third);
	evil_record_fini(&e->record);
	e->record = third.record;
	third.record = (struct evil_record){.seal_index = e->record.seal_index};
	evil_referral_fill(e, &r);
	buf_clear(&r.note);
	evil_note(&third, &r.note);
	reader = memory_tree_reader(&third.tree);
	assert_int_equal(merkle_prove_inclusion(&reader, third.record.seal_index,
						third.tree.frontier.size, &r.proof),
			 ERR_OK);
	r.seal.has_proof = 1;
	r.seal.proof = message_borrow(view_of(r.proof.hash, r.proof.n * DIGEST_BYTES));
	r.seal.checkpoint = message_borrow(buf_view(&r.note));
	chain[0] = message_borrow(third.papers->chain.der[0]);
	r.seal.chain = chain;
	r.seal.n_chain = 1;
	(void)evil_referral_add(e, &r);
	expect(e, 0);
	assert_int_equal(n_kept(e), 0);
	evil_referral_fini(&r);
	evil_fini(&third);
	given_free(&g);
}

/* --- what happens between --- */

static void run_sql(struct evil *e, const char *sql)
{
	assert_int_equal(store_begin(node_of(e)->store), ERR_OK);
	assert_int_equal(store_exec(node_of(e)->store, sql), ERR_OK);
	assert_int_equal(store_commit(node_of(e)->store), ERR_OK);
}

static enum err is_erased(void *ctx, const struct opening_row *row)
{
	*(bool *)ctx = row->wrapped_key.n == 0;
	return ERR_OK;
}

/* An opening that was erased is known, with or without what is remembered: it stays erased. */
static void an_erased_opening_stays_so(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	struct evil_referral r;

	(void)state;
	evil_referral_fill(e, &r);
	(void)evil_referral_add(e, &r);
	expect(e, 0);
	run_sql(e, "UPDATE opening SET wrapped_key = x'', cipher = x''");
	for (int i = 0; i < 2; i++) {
		bool erased = false;

		(void)add_again(e, &r);
		expect(e, 0);
		assert_int_equal(n_openings(e), 1);
		assert_int_equal(opening_walk(node_of(e)->store, &e->record.manifest.digest,
					      is_erased, &erased),
				 ERR_OK);
		assert_true(erased);
		disclosed_forget(&node_of(e)->disclosed);
	}
	evil_referral_fini(&r);
	given_free(&g);
}

static struct received_row received(struct evil *e, uint64_t k)
{
	const struct peer *sk = host_peer(e->victim, SK);
	struct received_row row;

	assert_int_equal(received_get(node_of(e)->store, sk->row.id, sk->row.epoch, k, &row),
			 ERR_OK);
	assert_true(row.has_body);
	return row;
}

static enum err load_body(struct evil *e, uint64_t k)
{
	struct received_row row = received(e, k);
	struct buf body = {0};
	enum err err = body_load(node_of(e), row.body_blob, NULL, &body);

	if (!err)
		assert_true(view_eq(buf_view(&body), buf_view(&e->item[k - 1].body)));
	buf_fini(&body);
	return err;
}

/* The body of the first one erased: the next one's is stored, and whole. */
static void an_erased_body_is_not_the_next_ones(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	struct received_row first;
	struct evil_referral r;

	(void)state;
	evil_referral_fill(e, &r);
	(void)evil_referral_add(e, &r);
	expect(e, 0);
	assert_int_equal(load_body(e, e->n_item), ERR_OK);
	first = received(e, e->n_item);
	assert_int_equal(store_begin(node_of(e)->store), ERR_OK);
	assert_int_equal(blob_erase(node_of(e)->store, first.body_blob, BLOB_BODY), ERR_OK);
	assert_int_equal(store_commit(node_of(e)->store), ERR_OK);
	(void)add_again(e, &r);
	expect(e, 0);
	assert_int_equal(load_body(e, e->n_item), ERR_OK);
	assert_int_equal(load_body(e, e->n_item - 1), ERR_NOT_FOUND);
	evil_referral_fini(&r);
	given_free(&g);
}

/* A turn that fails takes back what it stored: nothing of it is remembered, and the same is checked
 * and stored when it comes again. */
static void what_was_rolled_back_is_not_known(void **state)
{
	struct fixture *f = fixture_new();
	struct host *from = &f->agency[CZ], *to = &f->agency[SK];
	uint8_t record[16];
	struct wire w;
	bool more;

	(void)state;
	host_init(to);
	host_start(to);
	w = wire_connect(from, to);
	(void)wire_run(&w, 1);
	host_adopt(from);
	host_adopt(to);
	(void)wire_run(&w, 1);
	host_import(from, record);
	assert_int_equal(host_refer(from, SK, record, NULL), 0);
	for (size_t i = 0; i < from->n_sent; i++)
		assert_int_equal(node_frame(to->node, w.session[1], buf_view(&from->sent[i].bytes)),
				 ERR_OK);
	to->fail_last_signed = true;
	assert_int_equal(node_turn(to->node, &more), ERR_IO);
	assert_int_equal(to->node->disclosed.n, 0);
	to->fail_last_signed = false;
	host_stop(to);
	host_start(to);
	wire_cut(&w);
	host_forget(from);
	w = wire_connect(from, to);
	(void)wire_run(&w, 1);
	assert_int_equal(to->node->disclosed.n, 1);
	assert_int_equal(host_peer(from, SK)->row.delivered_k, host_peer(from, SK)->row.sent_k);
	fixture_free(f);
}

/* A key that is pinned judges what came before it too. */
static void a_new_pin_forgets(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	struct evil_referral r;
	struct evil other;

	(void)state;
	evil_referral_fill(e, &r);
	(void)evil_referral_add(e, &r);
	expect(e, 0);
	assert_int_equal(n_kept(e), 1);
	evil_init(&other, g.f, AT);
	evil_connect(&other, TLS_LISTENER);
	assert_true(host_peer(e->victim, AT)->row.pinned);
	assert_int_equal(n_kept(e), 0);
	(void)add_again(e, &r);
	expect(e, 0);
	assert_int_equal(n_kept(e), 1);
	evil_fini(&other);
	evil_referral_fini(&r);
	given_free(&g);
}

/* In memory it is personal data: not for longer than it is of use. */
static void what_is_not_used_is_forgotten(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	struct evil_referral r;

	(void)state;
	evil_referral_fill(e, &r);
	(void)evil_referral_add(e, &r);
	expect(e, 0);
	fixture_pass(g.f, DISCLOSED_KEPT_MS - 1);
	host_turn(e->victim);
	assert_int_equal(n_kept(e), 1);
	assert_true(node_deadline_ms(node_of(e)) <= g.f->mono_ms + 1);
	fixture_pass(g.f, 1);
	host_turn(e->victim);
	assert_int_equal(n_kept(e), 0);
	(void)add_again(e, &r);
	expect(e, 0);
	assert_int_equal(n_kept(e), 1);
	evil_referral_fini(&r);
	given_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_again),
		cmocka_unit_test(one_byte_of_an_opening_is_another),
		cmocka_unit_test(the_same_openings_under_another_manifest),
		cmocka_unit_test(consent_counts_each_time),
		cmocka_unit_test(what_a_chain_proves_is_not_kept),
		cmocka_unit_test(an_erased_opening_stays_so),
		cmocka_unit_test(an_erased_body_is_not_the_next_ones),
		cmocka_unit_test(what_was_rolled_back_is_not_known),
		cmocka_unit_test(a_new_pin_forgets),
		cmocka_unit_test(what_is_not_used_is_forgotten),
	};

	return cmocka_run_group_tests_name("node/disclosed", tests, NULL, NULL);
}
