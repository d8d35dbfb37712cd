/* Items that a hostile peer sends, proven and in order: each is refused for its reason, its
 * position is consumed, the receipt says so, nothing of it is kept, and the node goes on. Here:
 * entry, body, agreement and terms. */
#include "unit/node/items.h"

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
			bytes_of(&b)[kind_at(&b)] = 14;
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
			bytes_of(&b)[kind_at(&b)] = 14;
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

/* Refused whatever it says, with or without a body; what it had seen at most is fine. */
static void seen_before_it_was_written(void **state)
{
	struct given g = given_new();
	const uint64_t written = host_peer(g.e.victim, SK)->row.sent_k;
	static const uint64_t more[] = {1, 2, INT64_MAX};
	struct entry entry;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(more); i++) {
		entry = evil_next(&g.e, PB(ENTRY_KIND, ADOPT));
		entry.has_agreement = true;
		entry.seen_k = host_peer(g.e.victim, SK)->row.sent_k + more[i];
		(void)evil_add(&g.e, &entry, view_str(""));
		expect(&g.e, REASON(FALSE_STATEMENT));
	}
	entry = evil_next(&g.e, PB(ENTRY_KIND, NOTICE));
	entry.seen_k = host_peer(g.e.victim, SK)->row.sent_k;
	assert_true(entry.seen_k > written);
	(void)evil_add(&g.e, &entry, view_str(""));
	expect(&g.e, REASON(UNSUPPORTED));
	given_free(&g);
}

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
		PB(ENTRY_KIND, NOTICE),	    PB(ENTRY_KIND, KEY),
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_entry_is_read_strictly),
		cmocka_unit_test(for_somebody_else),
		cmocka_unit_test(seen_before_it_was_written),
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
	};

	return cmocka_run_group_tests_name("node/items", tests, NULL, NULL);
}
