/* Items that a hostile peer sends, proven and in order: each is refused for its reason, its
 * position is consumed, the receipt says so, nothing of it is kept, and the node goes on. Here:
 * seals, slices and the second stage. */
#include "unit/node/items.h"

/* --- seal --- */

static void another_manifest_digest(struct given *g, struct evil_referral *r)
{
	static struct digest d;

	(void)g;
	d = (struct digest){.b = {1}};
	r->d.manifest_digest = message_borrow(view_digest(&d));
}

static void cut_manifest(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->d.manifest.len -= 32;
}

static void garbage_manifest(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->d.manifest = message_borrow(view_str("garbage"));
}

static void another_index(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->seal.index--;
}

static void index_beyond(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->seal.index = UINT64_MAX;
}

static void no_proof(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->seal.has_proof = 0;
}

static void long_proof(struct given *g, struct evil_referral *r)
{
	static uint8_t hashes[64 * 32];

	(void)g;
	r->seal.has_proof = 1;
	r->seal.proof = message_borrow(view_of(hashes, sizeof(hashes)));
}

static void no_seal_entry(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->seal.has_entry = 0;
}

static void another_entry(struct given *g, struct evil_referral *r)
{
	r->seal.entry = message_borrow(buf_view(&g->e.item[0].entry));
	r->seal.index = g->e.item[0].index;
}

static void no_seal_checkpoint(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->seal.has_checkpoint = 0;
}

static void checkpoint_of_another(struct given *g, struct evil_referral *r)
{
	r->seal.checkpoint = message_borrow(buf_view(&g->e.held_note));
}

static void an_empty_seal(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->seal = (struct pb_seal)PB_SEAL_INIT;
}

/* Also when the same disclosure was accepted before with a good one. */
static void the_seal_proves_the_manifest(void **state)
{
	static void (*const changes[])(struct given *, struct evil_referral *) = {
		another_manifest_digest,
		cut_manifest,
		garbage_manifest,
		another_index,
		index_beyond,
		no_proof,
		long_proof,
		no_seal_entry,
		another_entry,
		no_seal_checkpoint,
		checkpoint_of_another,
		an_empty_seal,
	};
	struct given g = given_new();

	(void)state;
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < ARRAY_LEN(changes); i++)
			referral_with(&g, changes[i], REASON(BAD_SEAL));
		(void)refer_to_us(&g.e);
	}
	given_free(&g);
}

/* Fields that this node knows come through; newer ones would be no slices of its schema. */
static void a_manifest_of_a_newer_schema(void **state)
{
	struct given g = given_new();
	struct slice_set set = {0};
	struct manifest_terms terms = evil_manifest_terms(&g.e);

	(void)state;
	assert_int_equal(record_cut(RECORD_VICTIM, buf_view(&g.f->record), &set), ERR_OK);
	terms.schema_version = FIELD_SCHEMA_VERSION + 1;
	evil_seal_set(&g.e, &set, &terms);
	referral_with(&g, NULL, 0);
	given_free(&g);
}

/* A record that a third agency sealed, handed on by evil: with the third's chain, its key counts.
 */
static struct evil third;

static void sealed_by_the_third(struct given *g, struct evil_referral *r)
{
	struct tree_reader reader = memory_tree_reader(&third.tree);

	(void)g;
	buf_clear(&r->note);
	evil_note(&third, &r->note);
	assert_int_equal(merkle_prove_inclusion(&reader, third.record.seal_index,
						third.tree.frontier.size, &r->proof),
			 ERR_OK);
	r->seal.entry = message_borrow(buf_view(&third.record.seal_entry));
	r->seal.index = third.record.seal_index;
	r->seal.has_proof = r->proof.n != 0;
	r->seal.proof = message_borrow(view_of(r->proof.hash, r->proof.n * 32));
	r->seal.checkpoint = message_borrow(buf_view(&r->note));
	r->d.manifest_digest = message_borrow(view_digest(&third.record.manifest.digest));
	r->d.manifest = message_borrow(buf_view(&third.record.manifest_bytes));
	r->n_slice = 0;
}

static ProtobufCBinaryData chain_of[5];

static void with_its_chain(struct given *g, struct evil_referral *r)
{
	sealed_by_the_third(g, r);
	chain_of[0] = message_borrow(third.papers->chain.der[0]);
	r->seal.chain = chain_of;
	r->seal.n_chain = 1;
}

static void with_the_senders_chain(struct given *g, struct evil_referral *r)
{
	sealed_by_the_third(g, r);
	chain_of[0] = message_borrow(g->e.papers->chain.der[0]);
	r->seal.chain = chain_of;
	r->seal.n_chain = 1;
}

static void with_a_garbage_chain(struct given *g, struct evil_referral *r)
{
	sealed_by_the_third(g, r);
	chain_of[0] = message_borrow(view_str("garbage"));
	r->seal.chain = chain_of;
	r->seal.n_chain = 1;
}

static void with_five_in_the_chain(struct given *g, struct evil_referral *r)
{
	sealed_by_the_third(g, r);
	for (size_t i = 0; i < ARRAY_LEN(chain_of); i++)
		chain_of[i] = message_borrow(third.papers->chain.der[0]);
	r->seal.chain = chain_of;
	r->seal.n_chain = 5;
}

static void records_of_others(void **state)
{
	struct given g = given_new();

	(void)state;
	evil_init(&third, g.f, AT);
	evil_seal(&third);
	referral_with(&g, sealed_by_the_third, REASON(BAD_SEAL));
	referral_with(&g, with_the_senders_chain, REASON(BAD_SEAL));
	referral_with(&g, with_a_garbage_chain, REASON(BAD_SEAL));
	referral_with(&g, with_five_in_the_chain, REASON(BAD_SEAL));
	referral_with(&g, with_its_chain, 0);
	evil_fini(&third);
	given_free(&g);
}

/* --- disclosure --- */

static void a_surplus_field(struct given *g, struct evil_referral *r)
{
	r->slice[r->n_slice++] = evil_slice_of(&g->e, "identity.given_names");
}

static void health_without_consent(struct given *g, struct evil_referral *r)
{
	r->slice[r->n_slice++] = evil_slice_of(&g->e, "health.urgent_needs");
}

static void health_with_consent(struct given *g, struct evil_referral *r)
{
	static struct pb_consent consent;

	consent = (struct pb_consent)PB_CONSENT_INIT;
	consent.has_given_by = 1;
	consent.given_by = PB(CONSENT_GIVER, CHILD);
	r->terms.consent = &consent;
	health_without_consent(g, r);
}

static void the_agreement_is_the_limit(void **state)
{
	struct given g = given_new();

	(void)state;
	referral_with(&g, a_surplus_field, REASON(SURPLUS_FIELD));
	referral_with(&g, health_without_consent, REASON(CONSENT));
	referral_with(&g, health_with_consent, 0);
	given_free(&g);
}

static void slices_and_names_match(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;

	(void)state;
	for (int i = 0; i < 5; i++) {
		struct evil_referral r;
		struct evil_item *item;

		evil_referral_fill(e, &r);
		item = evil_referral_add(e, &r);
		switch (i) {
		case 0:
			item->n_opening = 0;
			break;
		case 1:
			evil_open_slice(item, view_of(e->record.salts, SLICE_SALT_BYTES),
					e->record.slices.slice[0].bytes);
			break;
		case 2: /* its salt */
			bytes_of(&item->openings)[0] ^= 1;
			break;
		case 3: /* its slice */
			bytes_of(&item->openings)[item->openings.n - 1] ^= 1;
			break;
		case 4:
			item->n_slice[0]--;
			break;
		}
		expect(e, REASON(BAD_SLICE));
		evil_referral_fini(&r);
	}
	given_free(&g);
}

static struct pb_victim_record with_language(struct pb_origin *origin, char *language)
{
	struct pb_victim_record record = PB_VICTIM_RECORD_INIT;

	*origin = (struct pb_origin)PB_ORIGIN_INIT;
	origin->preferred_language = language;
	record.origin = origin;
	return record;
}

/* One manifest with two values for one singular field: the second one that is opened is refused. */
static void two_values_of_one_field(void **state)
{
	static char tir[] = "tir", amh[] = "amh";
	struct given g = given_new();
	struct slice_set set = {0};
	struct manifest_terms terms = evil_manifest_terms(&g.e);
	struct pb_origin origin;
	struct pb_victim_record record = with_language(&origin, tir);

	(void)state;
	evil_set_add(&set, &record);
	record = with_language(&origin, amh);
	evil_set_add(&set, &record);
	evil_seal_set(&g.e, &set, &terms);
	for (int i = 0; i < 5; i++) {
		struct evil_referral r;
		static const size_t first[] = {0, 0, 0, 1, 0};
		static const size_t n[] = {2, 1, 1, 1, 2};
		static const int want[] = {REASON(OPENED_TWICE), 0, 0, REASON(OPENED_TWICE),
					   REASON(OPENED_TWICE)};

		g.f->n_log[LOG_ERR] = 0;
		evil_referral_fill(&g.e, &r);
		r.n_slice = n[i];
		r.slice[0] = first[i];
		r.slice[1] = 1;
		(void)evil_referral_add(&g.e, &r);
		expect(&g.e, want[i]);
		evil_referral_fini(&r);
		/* within one disclosure it is malformed, over several an alarm */
		if (i == 3)
			assert_int_equal(g.f->n_log[LOG_ERR], 1);
	}
	given_free(&g);
}

static void add_nationality(struct slice_set *set, unsigned i)
{
	static const char *const codes[] = {"CZE", "SVK", "AUT", "HUN", "POL", "DEU",
					    "FRA", "ITA", "ESP", "PRT", "GRC", "ROU"};
	struct pb_victim_record record = PB_VICTIM_RECORD_INIT;
	struct pb_identity identity = PB_IDENTITY_INIT;
	char *list[1] = {message_borrow_text(codes[i])};

	identity.nationalities = list;
	identity.n_nationalities = 1;
	record.identity = &identity;
	evil_set_add(set, &record);
}

/* Slices that are each well-formed, but together are no record: 8 nationalities are the most. */
static void slices_that_make_no_record(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	struct slice_set set = {0};
	struct manifest_terms terms = evil_manifest_terms(e);
	struct digest good;

	(void)state;
	for (unsigned i = 0; i < 12; i++)
		add_nationality(&set, i);
	evil_seal_set(e, &set, &terms);
	for (int i = 0; i < 4; i++) {
		struct evil_referral r;
		static const size_t from[] = {0, 0, 5, 5}, to[] = {9, 5, 9, 8};

		evil_referral_fill(e, &r);
		r.n_slice = 0;
		for (size_t j = from[i]; j < to[i]; j++)
			r.slice[r.n_slice++] = j;
		(void)evil_referral_add(e, &r);
		/* nine at once; five; four more; three more */
		expect(e, i % 2 ? 0 : REASON(BAD_SLICE));
		if (i == 1)
			good = e->item[e->n_item - 1].leaf;
		evil_referral_fini(&r);
	}
	assert_int_equal(show(e, &good), 0);
	given_free(&g);
}

/* --- the second stage --- */

static void supplement(struct evil *e, const struct digest *leaf, const char *path,
		       void (*change)(struct entry *entry, struct pb_supplement *m), int outcome)
{
	struct pb_supplement m = PB_SUPPLEMENT_INIT;
	struct pb_disclosure d = PB_DISCLOSURE_INIT;
	struct entry entry = evil_next(e, PB(ENTRY_KIND, SUPPLEMENT));
	size_t i = evil_slice_of(e, path);
	const uint8_t *salt = e->record.salts + i * SLICE_SALT_BYTES;
	struct digest commitment = slice_commitment(salt, e->record.slices.slice[i].bytes);
	struct evil_item *item;

	entry.has_agreement = entry.has_answers = true;
	entry.agreement = e->f->agreement_id;
	entry.purpose = PB(PURPOSE, CHILD_PROTECTION);
	entry.answers = *leaf;
	d.has_manifest_digest = d.has_opened = 1;
	d.manifest_digest = message_borrow(view_digest(&e->record.manifest.digest));
	d.opened = message_borrow(view_digest(&commitment));
	m.record = &d;
	if (change)
		change(&entry, &m);
	item = evil_add_message(e, &entry, &m);
	evil_open_slice(item, view_of(salt, SLICE_SALT_BYTES), e->record.slices.slice[i].bytes);
	expect(e, outcome);
}

static void given_names_with_an_empty_seal(struct given *g, struct evil_referral *r)
{
	r->n_slice = 1;
	r->slice[0] = evil_slice_of(&g->e, "identity.given_names");
	an_empty_seal(g, r);
}

/* A SUPPLEMENT brings no seal: what it opened may not stand for one. */
static void a_supplement_proves_no_seal(void **state)
{
	struct given g = given_new();
	struct digest leaf = refer_to_us(&g.e);

	(void)state;
	assert_int_equal(decide(&g.e, &leaf, PB(REFERRAL_STATE, ACCEPTED)), 0);
	supplement(&g.e, &leaf, "identity.given_names", NULL, 0);
	referral_with(&g, given_names_with_an_empty_seal, REASON(BAD_SEAL));
	given_free(&g);
}

static void other_purpose_of_it(struct entry *entry, struct pb_supplement *m)
{
	(void)m;
	entry->purpose = PB(PURPOSE, MISSING_CHILD);
}

static void unknown_purpose_of_it(struct entry *entry, struct pb_supplement *m)
{
	(void)m;
	entry->purpose = PB(PURPOSE, JUDICIAL_COOPERATION);
}

static void no_agreement_of_it(struct entry *entry, struct pb_supplement *m)
{
	(void)m;
	entry->has_agreement = false;
}

static void nothing_disclosed(struct entry *entry, struct pb_supplement *m)
{
	(void)entry;
	m->record = NULL;
}

static void of_another_record(struct entry *entry, struct pb_supplement *m)
{
	static struct digest d;

	(void)entry;
	m->record->manifest_digest = message_borrow(view_digest(&d));
}

static void unseen(struct entry *entry, struct pb_supplement *m)
{
	(void)m;
	entry->seen_k = 2; /* our ADOPT, but not our acceptance */
}

static void only_what_was_seen_accepted(void **state)
{
	static const char path[] = "identity.given_names";
	struct given g = given_new();
	struct evil *e = &g.e;
	struct digest leaf = refer_to_us(e), declined, nothing = {.b = {1}};

	(void)state;
	supplement(e, &leaf, path, NULL, REASON(STATE)); /* nobody has accepted */
	assert_int_equal(decide(e, &leaf, PB(REFERRAL_STATE, ACCEPTED)), 0);
	supplement(e, &leaf, path, unseen, REASON(STATE));
	supplement(e, &nothing, path, NULL, REASON(UNKNOWN_REFERENCE));
	supplement(e, &leaf, path, other_purpose_of_it, REASON(STATE));
	supplement(e, &leaf, path, unknown_purpose_of_it, REASON(PURPOSE));
	supplement(e, &leaf, path, no_agreement_of_it, REASON(INCOMPLETE));
	supplement(e, &leaf, path, nothing_disclosed, REASON(INCOMPLETE));
	supplement(e, &leaf, path, of_another_record, REASON(UNKNOWN_REFERENCE));
	supplement(e, &leaf, "safety.shelter_address.street", NULL, REASON(SURPLUS_FIELD));
	supplement(e, &leaf, "health.urgent_needs", NULL, REASON(CONSENT));
	supplement(e, &leaf, path, NULL, 0);
	supplement(e, &leaf, path, NULL, 0); /* the same again opens nothing new */
	assert_int_equal(n_openings(e), 2);
	declined = refer_to_us(e);
	assert_int_equal(decide(e, &declined, PB(REFERRAL_STATE, DECLINED)), 0);
	supplement(e, &declined, path, NULL, REASON(STATE));
	given_free(&g);
}

/* The receiver of a referral cannot supplement it. */
static void a_supplement_comes_from_the_sender(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	uint8_t id[16];
	struct digest leaf;

	(void)state;
	host_import(e->victim, id);
	assert_int_equal(host_refer(e->victim, SK, id, &leaf), 0);
	evil_listen(e);
	supplement(e, &leaf, "identity.given_names", NULL, REASON(STATE));
	given_free(&g);
}

/* --- again and again --- */

/* The same disclosure, in batches of their own under one checkpoint: nothing else is written before
 * the referral is. */
static void disclosed_again_to_the_same_extent(void **state)
{
	enum {
		TIMES = 3
	};
	struct given g = given_new();
	struct evil *e = &g.e;
	struct evil_referral r;

	(void)state;
	evil_referral_fill(e, &r);
	for (int i = 0; i < TIMES; i++) {
		struct entry entry = evil_next(e, PB(ENTRY_KIND, REFERRAL));

		entry.has_agreement = true;
		entry.agreement = r.entry.agreement;
		entry.purpose = r.entry.purpose;
		r.entry = entry;
		buf_clear(&r.named);
		(void)evil_referral_add(e, &r);
	}
	for (uint64_t i = TIMES; i > 0; i--)
		evil_batch(e, e->n_item - i, e->n_item - i + 1);
	assert_int_equal(e->bye, 0);
	assert_int_equal(n_referrals(e), TIMES);
	evil_referral_fini(&r);
	given_free(&g);
}

static void replayed_without_effect(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	struct digest leaf = refer_to_us(e);
	struct peer *p;
	uint64_t sent_k;

	(void)state;
	assert_int_equal(decide(e, &leaf, PB(REFERRAL_STATE, ACCEPTED)), 0);
	supplement(e, &leaf, "identity.given_names", NULL, 0);
	evil_receipt(e);
	evil_batch(e, e->n_item - 1, e->n_item);
	p = host_peer(e->victim, SK);
	sent_k = p->row.sent_k;
	for (uint64_t from = 0; from < e->n_item; from++)
		for (uint64_t to = from; to <= e->n_item; to++) {
			evil_batch(e, from, to);
			assert_int_equal(e->bye, 0);
		}
	assert_int_equal(p->row.sent_k, sent_k); /* no receipt, no entry */
	assert_int_equal(n_openings(e), 2);
	assert_int_equal(n_referrals(e), 1);
	assert_int_equal(p->row.delivered_k, e->receipted_k);
	given_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_seal_proves_the_manifest),
		cmocka_unit_test(a_manifest_of_a_newer_schema),
		cmocka_unit_test(records_of_others),
		cmocka_unit_test(the_agreement_is_the_limit),
		cmocka_unit_test(slices_and_names_match),
		cmocka_unit_test(two_values_of_one_field),
		cmocka_unit_test(slices_that_make_no_record),
		cmocka_unit_test(only_what_was_seen_accepted),
		cmocka_unit_test(a_supplement_proves_no_seal),
		cmocka_unit_test(a_supplement_comes_from_the_sender),
		cmocka_unit_test(disclosed_again_to_the_same_extent),
		cmocka_unit_test(replayed_without_effect),
	};

	return cmocka_run_group_tests_name("node/items_record", tests, NULL, NULL);
}
