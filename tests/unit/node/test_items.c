/* Items that a hostile peer sends, proven and in order: each is refused for its reason, its
 * position is consumed, the receipt says so, nothing of it is kept, and the node goes on. */
#include "unit/node/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "referral/state.h"

#define REASON(name) PB(REFUSAL_REASON, name)
#define ABSENT (-1)

struct given {
	struct fixture *f;
	struct evil e;
};

static struct given given_new(void)
{
	struct given g = {.f = fixture_new()};

	evil_init(&g.e, g.f, SK);
	evil_connect(&g.e, TLS_LISTENER);
	evil_agree(&g.e);
	evil_seal(&g.e);
	return g;
}

static void given_free(struct given *g)
{
	evil_fini(&g->e);
	fixture_free(g->f);
}

/* For the analyser: what was filled is there. */
static uint8_t *bytes_of(const struct buf *b)
{
	ASSERT(buf_data(b) != NULL);
	return buf_data(b);
}

static struct node *node_of(struct evil *e)
{
	return e->victim->node;
}

/* --- what is stored --- */

static enum err count_opening(void *ctx, const struct opening_row *row)
{
	(void)row;
	++*(size_t *)ctx;
	return ERR_OK;
}

static size_t n_openings(struct evil *e)
{
	size_t n = 0;

	assert_int_equal(
		opening_walk(node_of(e)->store, &e->record.manifest.digest, count_opening, &n),
		ERR_OK);
	return n;
}

static enum err count_referral(void *ctx, const struct referral_row *row)
{
	(void)row;
	++*(size_t *)ctx;
	return ERR_OK;
}

static size_t n_referrals(struct evil *e)
{
	size_t n = 0;

	assert_int_equal(referral_walk(node_of(e)->store, count_referral, &n), ERR_OK);
	return n;
}

static enum err count_status(void *ctx, const struct status_row *row)
{
	(void)row;
	++*(size_t *)ctx;
	return ERR_OK;
}

static size_t n_statuses(struct evil *e, const struct digest *referral)
{
	size_t n = 0;

	assert_int_equal(status_walk(node_of(e)->store, referral, count_status, &n), ERR_OK);
	return n;
}

/* Send what was added last; the receipt must say @p outcome of it. */
static void expect(struct evil *e, int outcome)
{
	const uint64_t k = e->n_item;
	const size_t openings = n_openings(e), referrals = n_referrals(e);
	struct received_row row;
	struct manifest_row manifest;
	bool had_manifest =
		manifest_get(node_of(e)->store, &e->record.manifest.digest, &manifest) == ERR_OK;
	int got;

	evil_batch(e, k - 1, k);
	if (e->bye)
		fail_msg("the session ended: %s", err_detail());
	got = evil_outcome(e, k);
	if (got != outcome)
		fail_msg("position %d: %s instead of %s", (int)k,
			 got > 0 ? message_enum_code(&amparo__v1__refusal_reason__descriptor, got)
				 : "taken or absent",
			 outcome > 0 ? message_enum_code(&amparo__v1__refusal_reason__descriptor,
							 outcome)
				     : "taken or absent");
	assert_int_equal(host_peer(e->victim, e->papers->who)->row.received_k, k);
	assert_int_equal(received_get(node_of(e)->store,
				      host_peer(e->victim, e->papers->who)->row.id, k, &row),
			 ERR_OK);
	assert_int_equal(row.reason, outcome > 0 ? outcome : 0);
	if (outcome == 0)
		return;
	assert_false(row.has_body);
	assert_int_equal(n_openings(e), openings);
	assert_int_equal(n_referrals(e), referrals);
	assert_true(had_manifest == (manifest_get(node_of(e)->store, &e->record.manifest.digest,
						  &manifest) == ERR_OK));
}

/* --- the entry itself --- */

/* An ADOPT of this agreement, encoded, to be patched by hand. */
static void encoded(struct evil *e, struct buf *out)
{
	struct entry entry = evil_next(e, PB(ENTRY_KIND, ADOPT));

	entry.has_body = entry.has_agreement = true;
	assert_int_equal(entry_encode(&entry, out), ERR_OK);
}

/* Where the kind's value stands: after version, nonce and time. */
static size_t kind_at(const struct buf *b)
{
	const uint8_t *p = bytes_of(b);
	size_t at = 2 + 2 + 32;

	assert_int_equal(p[at++], 0x18);
	while (p[at++] & 0x80)
		;
	assert_int_equal(p[at], 0x20);
	return at + 1;
}

static void the_entry_is_read_strictly(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;

	(void)state;
	for (int i = 0; i < 6; i++) {
		CLEANUP(buf_fini) struct buf b = {0};
		static const uint8_t unknown[] = {0xf8, 0x07, 0x00};
		int want = REASON(UNREADABLE);

		encoded(e, &b);
		switch (i) {
		case 0: /* an unknown field */
			assert_int_equal(buf_put(&b, unknown, sizeof(unknown)), ERR_OK);
			break;
		case 1: /* without the local digest */
			b.n -= 34;
			break;
		case 2: /* a kind that nobody knows */
			bytes_of(&b)[kind_at(&b)] = 13;
			want = REASON(UNKNOWN_KIND);
			break;
		case 3: /* one that is not addressed */
			bytes_of(&b)[kind_at(&b)] = 40;
			break;
		case 4:
			bytes_of(&b)[1] = 2;
			want = REASON(NEWER_SCHEMA);
			break;
		case 5: /* newer in both */
			bytes_of(&b)[1] = 9;
			bytes_of(&b)[kind_at(&b)] = 13;
			want = REASON(NEWER_SCHEMA);
			break;
		}
		(void)evil_add_bytes(e, buf_view(&b));
		expect(e, want);
	}
	given_free(&g);
}

static void for_somebody_else(void **state)
{
	struct given g = given_new();
	struct entry entry = evil_next(&g.e, PB(ENTRY_KIND, NOTICE));

	(void)state;
	entry.addressee = g.f->agency[AT].id;
	(void)evil_add(&g.e, &entry, view_str(""));
	expect(&g.e, REASON(WRONG_RECIPIENT));
	entry = evil_next(&g.e, PB(ENTRY_KIND, NOTICE));
	entry.addressee = g.f->agency[SK].id; /* to itself */
	(void)evil_add(&g.e, &entry, view_str(""));
	expect(&g.e, REASON(WRONG_RECIPIENT));
	given_free(&g);
}

/* --- body --- */

static void the_body_is_that_of_the_entry(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;

	(void)state;
	for (int i = 0; i < 8; i++) {
		struct evil_referral r;
		struct evil_item *item;
		int want = REASON(BODY_MISMATCH);

		evil_referral_fill(e, &r);
		item = evil_referral_add(e, &r);
		switch (i) {
		case 0:
			bytes_of(&item->body)[0] ^= 1;
			break;
		case 1:
			item->body.n--;
			break;
		case 2:
			item->salt[31] ^= 1;
			break;
		case 3:
			item->n_salt = 31;
			break;
		case 4:
			item->n_salt = 0;
			break;
		case 5:
			assert_int_equal(buf_put_u8(&item->body, 0), ERR_OK);
			break;
		case 6: /* none: erased or recalled */
			item->has_body = false;
			item->n_salt = item->n_opening = 0;
			want = ABSENT;
			break;
		case 7: /* openings and salt alone say nothing */
			item->has_body = false;
			want = ABSENT;
			break;
		}
		expect(e, want);
		evil_referral_fini(&r);
	}
	given_free(&g);
}

static void a_body_has_its_limit(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	const size_t n = BODY_BYTES_MAX + 1;
	uint8_t *bytes = calloc(1, n);

	(void)state;
	assert_non_null(bytes);
	for (size_t over = 0; over < 2; over++) {
		struct entry entry = evil_next(e, PB(ENTRY_KIND, NOTICE));

		(void)evil_add(e, &entry, view_of(bytes, BODY_BYTES_MAX + over));
		expect(e, over ? REASON(BODY_MISMATCH) : REASON(UNSUPPORTED));
	}
	free(bytes);
	given_free(&g);
}

static void a_body_is_canonical(void **state)
{
	static const uint8_t bodies[][8] = {
		{0x0a},
		{0x08, 0x81, 0x00},
		{0xff, 0xff, 0xff},
		{0x0a, 0x01, 0x07},
		{0x98, 0x01, 0x00},
	};
	static const size_t lengths[] = {1, 3, 3, 3, 3};
	static const int kinds[] = {
		PB(ENTRY_KIND, REFERRAL), PB(ENTRY_KIND, STATUS),   PB(ENTRY_KIND, SUPPLEMENT),
		PB(ENTRY_KIND, ADOPT),	  PB(ENTRY_KIND, WITHDRAW),
	};
	struct given g = given_new();
	struct evil *e = &g.e;

	(void)state;
	for (size_t kind = 0; kind < ARRAY_LEN(kinds); kind++)
		for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
			struct entry entry = evil_next(e, kinds[kind]);

			entry.has_answers = kinds[kind] == PB(ENTRY_KIND, STATUS) ||
					    kinds[kind] == PB(ENTRY_KIND, SUPPLEMENT);
			entry.has_agreement = kinds[kind] == PB(ENTRY_KIND, ADOPT) ||
					      kinds[kind] == PB(ENTRY_KIND, WITHDRAW);
			(void)evil_add(e, &entry, view_of(bodies[i], lengths[i]));
			/* 08 81 00 is a state in too many bytes, and for others an unknown field */
			expect(e, REASON(UNREADABLE));
		}
	given_free(&g);
}

static void kinds_that_are_not_processed(void **state)
{
	static const int kinds[] = {
		PB(ENTRY_KIND, CORRECTION), PB(ENTRY_KIND, RECALL), PB(ENTRY_KIND, RECALL_ANSWER),
		PB(ENTRY_KIND, NOTICE),	    PB(ENTRY_KIND, KEY),    PB(ENTRY_KIND, EPOCH),
	};
	struct given g = given_new();
	struct evil *e = &g.e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		for (int openings = 0; openings < 2; openings++) {
			struct entry entry = evil_next(e, kinds[i]);
			struct evil_item *item;

			entry.has_answers = kinds[i] < (int)PB(ENTRY_KIND, NOTICE);
			item = evil_add(e, &entry, view_str(""));
			if (openings)
				evil_open_slice(item, view_of(e->record.salts, SLICE_SALT_BYTES),
						e->record.slices.slice[0].bytes);
			expect(e, REASON(UNSUPPORTED));
		}
	given_free(&g);
}

static void openings_where_none_belong(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	struct pb_adopt adopt = PB_ADOPT_INIT;
	static char name[] = "x";
	struct entry entry = evil_next(e, PB(ENTRY_KIND, ADOPT));
	struct evil_item *item;

	(void)state;
	adopt.name = name;
	entry.has_agreement = true;
	item = evil_add_message(e, &entry, &adopt);
	evil_open_slice(item, view_of(e->record.salts, SLICE_SALT_BYTES),
			e->record.slices.slice[0].bytes);
	expect(e, REASON(BAD_SLICE));
	given_free(&g);
}

/* --- agreement --- */

static void referral_with(struct given *g, void (*change)(struct given *g, struct evil_referral *r),
			  int outcome)
{
	struct evil_referral r;

	evil_referral_fill(&g->e, &r);
	if (change)
		change(g, &r);
	(void)evil_referral_add(&g->e, &r);
	expect(&g->e, outcome);
	evil_referral_fini(&r);
}

static void another_agreement(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->entry.agreement.b[0] ^= 1;
}

static void not_valid_any_more(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->entry.time_us = UINT64_C(1798761600000000); /* 2027-01-01 */
}

static void not_valid_yet(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->entry.time_us = UINT64_C(1767225599999999); /* 2025-12-31 */
}

static void at_the_end_of_time(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->entry.time_us = UINT64_MAX;
}

static void before_it_saw_our_adoption(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->entry.seen_k = 0;
}

static void no_agreement(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->entry.has_agreement = false;
}

static void no_purpose(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->entry.purpose = 0;
}

static void another_purpose(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->entry.purpose = PB(PURPOSE, FAMILY_TRACING);
}

static void it_rests_on_an_agreement(void **state)
{
	struct given g = given_new();

	(void)state;
	referral_with(&g, another_agreement, REASON(NO_AGREEMENT));
	referral_with(&g, not_valid_any_more, REASON(NO_AGREEMENT));
	referral_with(&g, not_valid_yet, REASON(NO_AGREEMENT));
	referral_with(&g, at_the_end_of_time, REASON(NO_AGREEMENT));
	referral_with(&g, before_it_saw_our_adoption, REASON(NO_AGREEMENT));
	referral_with(&g, no_agreement, REASON(INCOMPLETE));
	referral_with(&g, no_purpose, REASON(INCOMPLETE));
	referral_with(&g, another_purpose, REASON(PURPOSE));
	referral_with(&g, NULL, 0);
	given_free(&g);
}

static void say_of_agreement(struct evil *e, int kind, const struct digest *digest,
			     const char *name, int outcome)
{
	struct pb_adopt adopt = PB_ADOPT_INIT;
	struct pb_withdraw withdraw = PB_WITHDRAW_INIT;
	struct entry entry = evil_next(e, kind);

	adopt.name = withdraw.name = message_borrow_text(name);
	entry.has_agreement = true;
	entry.agreement = *digest;
	if (kind == PB(ENTRY_KIND, ADOPT))
		(void)evil_add_message(e, &entry, &adopt);
	else
		(void)evil_add_message(e, &entry, &withdraw);
	expect(e, outcome);
}

static void adopted_and_withdrawn(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	struct digest unknown = {.b = {5}};

	(void)state;
	say_of_agreement(e, PB(ENTRY_KIND, ADOPT), &unknown, NULL, REASON(INCOMPLETE));
	say_of_agreement(e, PB(ENTRY_KIND, WITHDRAW), &unknown, "x", REASON(STATE));
	say_of_agreement(e, PB(ENTRY_KIND, ADOPT), &unknown, "x", 0); /* a file not held here */
	say_of_agreement(e, PB(ENTRY_KIND, WITHDRAW), &g.f->agreement_id, "x", 0);
	say_of_agreement(e, PB(ENTRY_KIND, WITHDRAW), &g.f->agreement_id, "x", REASON(STATE));
	referral_with(&g, NULL, REASON(NO_AGREEMENT));
	say_of_agreement(e, PB(ENTRY_KIND, ADOPT), &g.f->agreement_id, "x", 0);
	referral_with(&g, NULL, 0);
	given_free(&g);
}

/* A name that is too long for the row is cut after a whole character. */
static void a_long_name_is_cut(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	struct digest id = {.b = {6}};
	struct adoption_row row;
	char name[401];

	(void)state;
	for (size_t i = 0; i < 400; i += 2)
		memcpy(name + i, "\xc5\x99", 2);
	name[400] = '\0';
	memmove(name + 1, name, 400);
	name[0] = 'a';
	name[399] = '\0';
	say_of_agreement(e, PB(ENTRY_KIND, ADOPT), &id, name, 0);
	assert_int_equal(
		adoption_get(node_of(e)->store, host_peer(e->victim, SK)->row.id, &id, &row),
		ERR_OK);
	assert_true(strlen(row.their_name) <= 100);
	assert_true(strlen(row.their_name) % 2 == 1); /* 'a' and whole pairs */
	assert_memory_equal(row.their_name, name, strlen(row.their_name));
	given_free(&g);
}

/* --- terms --- */

static void no_type(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->terms.has_type = 0;
}

static void no_urgency(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->terms.has_urgency = 0;
}

static void no_responsibility(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->terms.has_responsibility = 0;
}

static void no_basis(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->terms.has_basis = 0;
}

static void consent_without_consent(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->terms.basis = PB(LEGAL_BASIS, CONSENT);
}

static void treaty_without_name(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->terms.basis = PB(LEGAL_BASIS, TREATY);
}

static void no_record(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->terms.record = NULL;
	r->n_slice = 0;
}

static void no_manifest(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->d.has_manifest = 0;
}

static void no_manifest_digest(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->d.has_manifest_digest = 0;
}

static void no_seal(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->d.seal = NULL;
}

static void terms_are_complete(void **state)
{
	static void (*const changes[])(struct given *, struct evil_referral *) = {
		no_type,
		no_urgency,
		no_responsibility,
		no_basis,
		consent_without_consent,
		treaty_without_name,
		no_record,
		no_manifest,
		no_manifest_digest,
		no_seal,
	};
	struct given g = given_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(changes); i++)
		referral_with(&g, changes[i], REASON(INCOMPLETE));
	given_free(&g);
}

static void expires_with_it(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->terms.has_expires_us = 1;
	r->terms.expires_us = r->entry.time_us;
}

static void expired_at_0(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->terms.has_expires_us = 1;
	r->terms.expires_us = 0;
}

static void reply_was_due(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->terms.has_reply_by_us = 1;
	r->terms.reply_by_us = r->entry.time_us;
}

static void expires_after_it(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->terms.has_expires_us = r->terms.has_reply_by_us = 1;
	r->terms.expires_us = r->entry.time_us + 1;
	r->terms.reply_by_us = r->entry.time_us + 1;
}

/* Numbers that no column holds: a referral is not lost for them, and the node lives. */
static void never_expires(struct given *g, struct evil_referral *r)
{
	(void)g;
	r->terms.has_expires_us = r->terms.has_reply_by_us = r->terms.has_retain_until_us = 1;
	r->terms.expires_us = UINT64_MAX;
	r->terms.reply_by_us = UINT64_C(1) << 63;
	r->terms.retain_until_us = UINT64_MAX;
}

static void dates_of_a_referral(void **state)
{
	struct given g = given_new();
	struct referral_row row;

	(void)state;
	referral_with(&g, expires_with_it, REASON(EXPIRED));
	referral_with(&g, expired_at_0, REASON(EXPIRED));
	referral_with(&g, reply_was_due, REASON(EXPIRED));
	referral_with(&g, expires_after_it, 0);
	referral_with(&g, never_expires, 0);
	assert_int_equal(referral_get(node_of(&g.e)->store, &g.e.item[g.e.n_item - 1].leaf, &row),
			 ERR_OK);
	assert_int_equal(row.reply_by_us, INT64_MAX);
	given_free(&g);
}

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
	};
	struct given g = given_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(changes); i++)
		referral_with(&g, changes[i], REASON(BAD_SEAL));
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

static int show(struct evil *e, const struct digest *leaf)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_referral_show ask = PB_REFERRAL_SHOW_INIT;
	static char why[] = "the test looks";

	ask.has_id = ask.has_content = ask.content = 1;
	ask.id = message_borrow(view_digest(leaf));
	ask.reason = why;
	m.referral_show = &ask;
	host_ask(e->victim, EVERYONE, &m);
	evil_listen(e);
	return host_error(e->victim);
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

/* --- references and states --- */

static void status_of(struct evil *e, const struct digest *referral, int state, uint64_t seen_k,
		      int outcome)
{
	struct pb_status m = PB_STATUS_INIT;
	struct entry entry = evil_next(e, PB(ENTRY_KIND, STATUS));

	m.has_state = state > 0;
	if (state > 0)
		m.state = (Amparo__V1__ReferralState)state;
	m.has_opened = m.opened = state == 0;
	entry.has_answers = true;
	entry.answers = *referral;
	entry.seen_k = seen_k;
	(void)evil_add_message(e, &entry, &m);
	expect(e, outcome);
}

static struct digest refer_to_us(struct evil *e)
{
	struct evil_referral r;

	evil_referral_fill(e, &r);
	(void)evil_referral_add(e, &r);
	expect(e, 0);
	evil_referral_fini(&r);
	return e->item[e->n_item - 1].leaf;
}

static int decide(struct evil *e, const struct digest *leaf, int state)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_referral_decide ask = PB_REFERRAL_DECIDE_INIT;

	ask.has_id = ask.has_state = 1;
	ask.id = message_borrow(view_digest(leaf));
	ask.state = (Amparo__V1__ReferralState)state;
	m.referral_decide = &ask;
	host_ask(e->victim, EVERYONE, &m);
	evil_listen(e);
	return host_error(e->victim);
}

static void what_is_answered_is_held_here(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e, at;
	struct digest nothing = {.b = {3}}, own;

	(void)state;
	status_of(e, &nothing, PB(REFERRAL_STATE, ACCEPTED), 0, REASON(UNKNOWN_REFERENCE));
	own = refer_to_us(e);
	/* a referral between us and another is none between us two */
	evil_init(&at, g.f, AT);
	evil_connect(&at, TLS_LISTENER);
	status_of(&at, &own, 0, 0, REASON(UNKNOWN_REFERENCE));
	/* an entry of ours that is no referral */
	status_of(e, &e->got[0].leaf, 0, 0, REASON(UNKNOWN_REFERENCE));
	evil_fini(&at);
	given_free(&g);
}

static void who_may_change_what(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	struct digest leaf = refer_to_us(e);
	size_t before;

	(void)state;
	/* the sender accepts its own referral, and more that is not its to make */
	for (int s = PB(REFERRAL_STATE, REQUESTED); s <= (int)PB(REFERRAL_STATE, DISPUTED); s++) {
		if (s == (int)PB(REFERRAL_STATE, RECALLED))
			continue;
		before = n_statuses(e, &leaf);
		status_of(e, &leaf, s, e->received.k, REASON(STATE));
		assert_int_equal(n_statuses(e, &leaf), before);
	}
	status_of(e, &leaf, PB(REFERRAL_STATE, RECALLED), e->received.k, 0);
	status_of(e, &leaf, PB(REFERRAL_STATE, RECALLED), e->received.k, REASON(STATE));
	assert_int_equal(decide(e, &leaf, PB(REFERRAL_STATE, ACCEPTED)), PB(API_ERROR_CODE, DATA));
	given_free(&g);
}

static void a_status_says_one_thing(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	uint8_t id[16];
	struct digest leaf;
	struct referral_row row;

	(void)state;
	host_import(e->victim, id);
	assert_int_equal(host_refer(e->victim, SK, id, &leaf), 0);
	evil_listen(e);
	for (int i = 0; i < 3; i++) {
		struct pb_status m = PB_STATUS_INIT;
		struct entry entry = evil_next(e, PB(ENTRY_KIND, STATUS));

		/* nothing; opened false; both at once, with a state that is not possible */
		m.has_opened = i > 0;
		m.opened = i == 2;
		m.has_state = i == 2;
		m.state = PB(REFERRAL_STATE, CLOSED);
		entry.has_answers = true;
		entry.answers = leaf;
		(void)evil_add_message(e, &entry, &m);
		expect(e, REASON(INCOMPLETE));
		assert_int_equal(referral_get(node_of(e)->store, &leaf, &row), ERR_OK);
		assert_false(row.opened);
	}
	status_of(e, &leaf, 0, 0, 0);
	assert_int_equal(referral_get(node_of(e)->store, &leaf, &row), ERR_OK);
	assert_true(row.opened);
	assert_int_equal(n_statuses(e, &leaf), 1);
	given_free(&g);
}

/* A time that no column holds must not end the node: it came in a signed ledger, and comes again.
 */
static void a_status_from_the_end_of_time(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	struct digest leaf = refer_to_us(e);

	(void)state;
	e->time_us = UINT64_MAX - 10;
	status_of(e, &leaf, 0, 0, 0);
	assert_int_equal(n_statuses(e, &leaf), 1);
	assert_int_equal(show(e, &leaf), 0);
	given_free(&g);
}

static void changes_that_crossed(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	uint8_t id[16];
	struct digest leaf;
	struct referral_row row;
	uint64_t seen;

	(void)state;
	host_import(e->victim, id);
	assert_int_equal(host_refer(e->victim, SK, id, &leaf), 0);
	evil_listen(e);
	seen = e->received.k;
	/* we take it back; evil, which has not seen that, accepts */
	assert_int_equal(referral_get(node_of(e)->store, &leaf, &row), ERR_OK);
	assert_int_equal(
		referral_change(node_of(e), NULL, &row, PB(REFERRAL_STATE, RECALLED), false, NULL),
		ERR_OK);
	host_turn(e->victim);
	evil_listen(e);
	status_of(e, &leaf, PB(REFERRAL_STATE, ACCEPTED), seen, REASON(SUPERSEDED));
	assert_int_equal(referral_get(node_of(e)->store, &leaf, &row), ERR_OK);
	assert_int_equal(row.state, PB(REFERRAL_STATE, RECALLED));
	/* both stand in the history, ours and the one without effect */
	assert_int_equal(n_statuses(e, &leaf), 2);
	/* having seen it, accepting is just wrong */
	status_of(e, &leaf, PB(REFERRAL_STATE, ACCEPTED), e->received.k, REASON(STATE));
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

/* --- receipts --- */

struct receipt_change {
	const char *name;
	void (*change)(struct checkpoint *c, struct item_outcome o[2], struct digest *head);
};

static void other_root(struct checkpoint *c, struct item_outcome o[2], struct digest *head)
{
	(void)o;
	(void)head;
	c->root.b[0] ^= 1;
}

static void other_size(struct checkpoint *c, struct item_outcome o[2], struct digest *head)
{
	(void)o;
	(void)head;
	c->size--;
}

static void size_0(struct checkpoint *c, struct item_outcome o[2], struct digest *head)
{
	(void)o;
	(void)head;
	c->size = 0;
	c->root = merkle_empty();
}

static void size_beyond(struct checkpoint *c, struct item_outcome o[2], struct digest *head)
{
	(void)o;
	(void)head;
	c->size = UINT64_MAX;
}

static void other_origin(struct checkpoint *c, struct item_outcome o[2], struct digest *head)
{
	(void)o;
	(void)head;
	c->origin.text[0] = 'x';
}

static void other_head(struct checkpoint *c, struct item_outcome o[2], struct digest *head)
{
	(void)c;
	(void)o;
	head->b[31] ^= 1;
}

static void from_0(struct checkpoint *c, struct item_outcome o[2], struct digest *head)
{
	(void)c;
	(void)head;
	o[0].k = 0;
}

static void skipping(struct checkpoint *c, struct item_outcome o[2], struct digest *head)
{
	(void)c;
	(void)head;
	o[0].k++;
}

static void to_beyond(struct checkpoint *c, struct item_outcome o[2], struct digest *head)
{
	(void)c;
	(void)head;
	o[1].k += 100;
}

static void to_the_end_of_numbers(struct checkpoint *c, struct item_outcome o[2],
				  struct digest *head)
{
	(void)c;
	(void)head;
	o[1].k = UINT64_MAX;
}

static void receipts_that_are_not_true(void **state)
{
	static const struct receipt_change rows[] = {
		{"root", other_root},	  {"size", other_size},
		{"size 0", size_0},	  {"size beyond", size_beyond},
		{"origin", other_origin}, {"head", other_head},
		{"from 0", from_0},	  {"skips", skipping},
		{"to beyond", to_beyond}, {"to the end", to_the_end_of_numbers},
	};
	struct given g = given_new();
	struct evil *e = &g.e;
	struct peer *p = host_peer(e->victim, SK);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf body = {0};
		struct item_outcome o[2] = {{.k = 1}, {.k = e->received.k}};
		struct entry entry = evil_next(e, PB(ENTRY_KIND, RECEIPT));
		struct checkpoint c = e->held;
		struct digest head = e->received.head;
		const size_t n_got = e->n_got;

		rows[i].change(&c, o, &head);
		assert_int_equal(receipt_make(&c, o, 2, &head, &body), ERR_OK);
		(void)evil_add(e, &entry, buf_view(&body));
		g.f->n_log[LOG_ERR] = 0;
		evil_batch(e, e->n_item - 1, e->n_item);
		assert_int_equal(e->bye, 0);
		/* a batch of receipts alone calls for none: the refusal is told with the next */
		assert_int_equal(e->n_got, n_got);
		assert_int_equal(p->row.delivered_k, 0);
		assert_int_equal(g.f->n_log[LOG_ERR], 1);
	}
	referral_with(&g, NULL, 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(evil_outcome(e, e->n_item - 1 - i), REASON(FALSE_STATEMENT));
	/* and the true one is taken all the same */
	evil_receipt(e);
	evil_batch(e, e->n_item - 1, e->n_item);
	assert_int_equal(p->row.delivered_k, e->receipted_k);
	given_free(&g);
}

static void refusals_of_ours_are_remembered(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	CLEANUP(buf_fini) struct buf body = {0};
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_referral_list list = PB_REFERRAL_LIST_INIT;
	uint8_t id[16];
	struct digest leaf;
	struct entry entry;
	struct item_outcome o[2];

	(void)state;
	host_import(e->victim, id);
	assert_int_equal(host_refer(e->victim, SK, id, &leaf), 0);
	evil_listen(e);
	o[0] = (struct item_outcome){.k = 1};
	o[1] = (struct item_outcome){.k = e->received.k,
				     .status = PB(EXCEPTION_STATUS, REFUSED),
				     .reason = REASON(SURPLUS_FIELD)};
	entry = evil_next(e, PB(ENTRY_KIND, RECEIPT));
	assert_int_equal(receipt_make(&e->held, o, 2, &e->received.head, &body), ERR_OK);
	(void)evil_add(e, &entry, buf_view(&body));
	evil_batch(e, e->n_item - 1, e->n_item);
	assert_int_equal(host_peer(e->victim, SK)->row.n_refused, 1);
	m.referral_list = &list;
	host_ask(e->victim, EVERYONE, &m);
	assert_string_equal(e->victim->reply[0]->referral->delivery, "refused");
	assert_int_equal(e->victim->reply[0]->referral->refused, REASON(SURPLUS_FIELD));
	given_free(&g);
}

static void a_receipt_that_is_none(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	struct entry entry = evil_next(e, PB(ENTRY_KIND, RECEIPT));
	struct received_row row;

	(void)state;
	(void)evil_add(e, &entry, view_str("x"));
	evil_batch(e, e->n_item - 1, e->n_item);
	assert_int_equal(e->bye, 0);
	assert_int_equal(
		received_get(node_of(e)->store, host_peer(e->victim, SK)->row.id, e->n_item, &row),
		ERR_OK);
	assert_int_equal(row.reason, REASON(UNREADABLE));
	referral_with(&g, NULL, 0);
	assert_int_equal(evil_outcome(e, e->n_item - 1), REASON(UNREADABLE));
	given_free(&g);
}

/* --- the log and the reply stay bounded --- */

static void a_flood_of_refusals(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	size_t n_lines;

	(void)state;
	for (int i = 0; i < 600; i++) {
		struct entry entry = evil_next(e, PB(ENTRY_KIND, NOTICE));

		(void)evil_add(e, &entry, view_str(""));
	}
	memset(g.f->n_log, 0, sizeof(g.f->n_log));
	evil_send(e);
	n_lines = g.f->n_log[LOG_WARN] + g.f->n_log[LOG_ERR] + g.f->n_log[LOG_NOTICE];
	assert_true(n_lines <= 70);
	for (uint64_t k = e->n_item - 599; k <= e->n_item; k++)
		assert_int_equal(evil_outcome(e, k), REASON(UNSUPPORTED));
	given_free(&g);
}

static void a_flood_of_reasons(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	struct digest leaf = refer_to_us(e);
	char *reason = malloc(200001);

	(void)state;
	assert_non_null(reason);
	for (size_t i = 0; i < 200000; i += 2)
		memcpy(reason + i, "\xc3\xa9", 2);
	reason[200000] = '\0';
	for (int i = 0; i < 220; i++) {
		struct pb_status m = PB_STATUS_INIT;
		struct entry entry = evil_next(e, PB(ENTRY_KIND, STATUS));

		m.has_opened = m.opened = 1;
		m.reason = i % 20 ? NULL : reason;
		entry.has_answers = true;
		entry.answers = leaf;
		(void)evil_add_message(e, &entry, &m);
		evil_batch(e, e->n_item - 1, e->n_item);
	}
	assert_int_equal(show(e, &leaf), 0); /* fits a frame: the port checks */
	assert_int_equal(e->victim->reply[1]->referral_content->n_history, 200);
	free(reason);
	given_free(&g);
}

/* --- again and again --- */

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
		cmocka_unit_test(the_entry_is_read_strictly),
		cmocka_unit_test(for_somebody_else),
		cmocka_unit_test(the_body_is_that_of_the_entry),
		cmocka_unit_test(a_body_has_its_limit),
		cmocka_unit_test(a_body_is_canonical),
		cmocka_unit_test(kinds_that_are_not_processed),
		cmocka_unit_test(openings_where_none_belong),
		cmocka_unit_test(it_rests_on_an_agreement),
		cmocka_unit_test(adopted_and_withdrawn),
		cmocka_unit_test(a_long_name_is_cut),
		cmocka_unit_test(terms_are_complete),
		cmocka_unit_test(dates_of_a_referral),
		cmocka_unit_test(the_seal_proves_the_manifest),
		cmocka_unit_test(a_manifest_of_a_newer_schema),
		cmocka_unit_test(records_of_others),
		cmocka_unit_test(the_agreement_is_the_limit),
		cmocka_unit_test(slices_and_names_match),
		cmocka_unit_test(two_values_of_one_field),
		cmocka_unit_test(slices_that_make_no_record),
		cmocka_unit_test(what_is_answered_is_held_here),
		cmocka_unit_test(who_may_change_what),
		cmocka_unit_test(a_status_says_one_thing),
		cmocka_unit_test(a_status_from_the_end_of_time),
		cmocka_unit_test(changes_that_crossed),
		cmocka_unit_test(only_what_was_seen_accepted),
		cmocka_unit_test(a_supplement_comes_from_the_sender),
		cmocka_unit_test(receipts_that_are_not_true),
		cmocka_unit_test(a_receipt_that_is_none),
		cmocka_unit_test(refusals_of_ours_are_remembered),
		cmocka_unit_test(a_flood_of_refusals),
		cmocka_unit_test(a_flood_of_reasons),
		cmocka_unit_test(replayed_without_effect),
	};

	return cmocka_run_group_tests_name("node/items", tests, NULL, NULL);
}
