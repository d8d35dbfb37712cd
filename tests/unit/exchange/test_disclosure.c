/* Disclosures: what the sender chooses is what the receiver takes, and nothing more; terms; when an
 * agreement is in force. */
#include "unit/exchange/ledger.h"

#include "crypto/digest.h"
#include "exchange/disclosure.h"
#include "record/json.h"

/* the rules that these tests turn on */
static const char agreement_text[] =
	"agreement: test\n"
	"parties: [spiffe://cz.example/umpod, spiffe://sk.example/cipc]\n"
	"valid: {from: 2026-01-01, until: 2026-12-31}\n"
	"purposes: [child-protection, missing-child]\n"
	"rules:\n"
	"  - name: outline\n"
	"    record: VictimRecord\n"
	"    stage: request\n"
	"    fields: [derived, origin.preferred_language, identity.family_names]\n"
	"    consent: not-required\n"
	"    retention_days: 365\n"
	"    onward: none\n"
	"  - name: rest\n"
	"    record: VictimRecord\n"
	"    stage: accepted\n"
	"    fields: [identity]\n"
	"    consent: not-required\n"
	"    retention_days: 365\n"
	"    onward: none\n"
	"  - name: health\n"
	"    record: VictimRecord\n"
	"    stage: request\n"
	"    fields: [health]\n"
	"    consent: required\n"
	"    retention_days: 30\n"
	"    onward: none\n";

static struct {
	struct agreement *agreement;
	struct slice_set slices;
	uint8_t *salts;
	struct buf manifest_bytes;
	struct manifest manifest;
	struct policy_case c;
} given;

static void read_demo(const char *name, struct buf *out)
{
	char path[1024];
	uint8_t *room;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", DEMO_DIR, name);
	f = fopen(path, "rb");
	assert_non_null(f);
	assert_int_equal(buf_reserve(out, 1 << 20, &room), ERR_OK);
	buf_advance(out, fread(room, 1, 1 << 20, f));
	(void)fclose(f);
}

static void seal(void)
{
	struct manifest_terms terms = {
		.revision = 1,
		.type = RECORD_VICTIM,
		.schema_version = 1,
		.originator = id_of(CZ_ID),
		.sealed_at_us = TIME_US,
	};
	size_t n_random = manifest_random_bytes(given.slices.n, 0);
	uint64_t x = 88172645463325252u;

	given.salts = malloc(n_random);
	assert_non_null(given.salts);
	for (size_t i = 0; i < n_random; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		given.salts[i] = (uint8_t)(x >> 32);
	}
	assert_int_equal(
		manifest_make(&terms, &given.slices, given.salts, n_random, &given.manifest_bytes),
		ERR_OK);
	assert_int_equal(manifest_read(buf_view(&given.manifest_bytes), &given.manifest), ERR_OK);
}

static int setup(void **state)
{
	CLEANUP(buf_fini) struct buf json = {0}, record = {0};
	enum record_type type;

	(void)state;
	if (crypto_init())
		return 1;
	read_demo("victim-1.json", &json);
	assert_int_equal(record_from_json(buf_view(&json), &type, &record), ERR_OK);
	assert_int_equal(type, RECORD_VICTIM);
	assert_int_equal(record_cut(type, buf_view(&record), &given.slices), ERR_OK);
	seal();
	if (agreement_parse(view_str(agreement_text), &given.agreement))
		fail_msg("%s", err_words());
	given.c = (struct policy_case){
		.purpose = PB(PURPOSE, CHILD_PROTECTION),
		.type = RECORD_VICTIM,
		.stage = POLICY_REQUEST,
		.utc_us = TIME_US + 1000,
		.schema_version = FIELD_SCHEMA_VERSION,
	};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	agreement_free(given.agreement);
	slice_set_fini(&given.slices);
	buf_fini(&given.manifest_bytes);
	free(given.salts);
	crypto_fini();
	return 0;
}

/* A disclosure as a message, of slices by their number in the set. */
struct message {
	struct pb_disclosure d;
	struct pb_opening opening[SLICES_MAX];
	struct pb_opening *list[SLICES_MAX];
	struct opened_slice opened[SLICES_MAX];
	size_t n;
	struct buf named;
};

static struct opened_slice slice_number(size_t i)
{
	const uint8_t *salt = given.salts + i * SLICE_SALT_BYTES;

	return (struct opened_slice){
		.commitment = slice_commitment(salt, given.slices.slice[i].bytes),
		.unit = given.slices.slice[i].unit,
		.salt = view_of(salt, SLICE_SALT_BYTES),
		.slice = given.slices.slice[i].bytes,
	};
}

/* All slices of the record, to choose from; given.slices.n. */
static const struct opened_slice *sealed(void)
{
	static struct opened_slice all[SLICES_MAX];

	for (size_t i = 0; i < given.slices.n; i++)
		all[i] = slice_number(i);
	disclosure_sort(all, given.slices.n);
	return all;
}

/* Put the opened slices into the message, in their order. */
static void message_fill(struct message *m)
{
	m->d = (struct pb_disclosure)PB_DISCLOSURE_INIT;
	buf_clear(&m->named);
	for (size_t i = 0; i < m->n; i++) {
		assert_int_equal(buf_put_view(&m->named, view_digest(&m->opened[i].commitment)),
				 ERR_OK);
		m->opening[i] = (struct pb_opening)PB_OPENING_INIT;
		m->opening[i].has_salt = m->opening[i].has_slice = 1;
		m->opening[i].salt = message_borrow(m->opened[i].salt);
		m->opening[i].slice = message_borrow(m->opened[i].slice);
		m->list[i] = &m->opening[i];
	}
	m->d.has_opened = m->n != 0;
	m->d.opened = message_borrow(buf_view(&m->named));
}

static void message_sort(struct message *m)
{
	disclosure_sort(m->opened, m->n);
	message_fill(m);
}

static int check(const struct message *m, const struct policy_case *c)
{
	CLEANUP(freep) struct opened_slice *ret = calloc(SLICES_MAX, sizeof(*ret));

	assert_non_null(ret);
	return disclosure_check(&m->d, m->list, m->n, &given.manifest, given.agreement, c, ret);
}

static struct message *message_new(void)
{
	struct message *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	return m;
}

static void message_end(struct message **m)
{
	buf_fini(&(*m)->named);
	free(*m);
}

static void select_all(struct message *m, const struct policy_case *c)
{
	assert_int_equal(disclosure_select(given.agreement, c, sealed(), given.slices.n, NULL, NULL,
					   m->opened, &m->n),
			 ERR_OK);
	message_fill(m);
}

/* --- select and check are one --- */

static void what_is_chosen_is_taken(void **state)
{
	static const struct {
		enum policy_stage stage;
		bool has_consent;
		uint32_t schema_version;
	} rows[] = {
		{POLICY_REQUEST, false, 1}, {POLICY_REQUEST, true, 1},	{POLICY_ACCEPTED, false, 1},
		{POLICY_ACCEPTED, true, 1}, {POLICY_ACCEPTED, true, 7}, {POLICY_ACCEPTED, true, 0},
	};
	size_t n_before = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(message_end) struct message *m = message_new();
		struct policy_case c = given.c;

		c.stage = rows[i].stage;
		c.has_consent = rows[i].has_consent;
		c.schema_version = rows[i].schema_version;
		select_all(m, &c);
		for (size_t j = 1; j < m->n; j++)
			assert_true(digest_cmp(&m->opened[j - 1].commitment,
					       &m->opened[j].commitment) < 0);
		assert_int_equal(check(m, &c), 0);
		if (i < 4)
			assert_true(m->n > n_before || i == 2);
		n_before = m->n;
	}
	assert_int_equal(n_before, 0); /* a peer of schema version 0 knows no field */
}

static void all_of_the_rest_is_withheld(void **state)
{
	(void)state;
	for (size_t i = 0; i < given.slices.n; i++)
		for (int consent = 0; consent < 2; consent++) {
			CLEANUP(message_end) struct message *m = message_new();
			struct policy_case c = given.c;
			enum policy_answer answer;

			c.has_consent = consent;
			answer = policy_judge(given.agreement, &c, given.slices.slice[i].unit)
					 .answer;
			m->opened[0] = slice_number(i);
			m->n = 1;
			message_fill(m);
			assert_int_equal(check(m, &c), answer == POLICY_ALLOWED ? 0
						       : answer == POLICY_NO_CONSENT
							       ? PB(REFUSAL_REASON, CONSENT)
							       : PB(REFUSAL_REASON, SURPLUS_FIELD));
		}
}

static void stage_time_purpose_and_schema_withhold(void **state)
{
	CLEANUP(message_end) struct message *m = message_new();
	struct policy_case c = given.c;

	(void)state;
	c.stage = POLICY_ACCEPTED;
	select_all(m, &c);
	assert_true(m->n > 0);
	c.stage = POLICY_REQUEST;
	assert_int_equal(check(m, &c), PB(REFUSAL_REASON, SURPLUS_FIELD));
	c.stage = POLICY_ACCEPTED;
	c.utc_us = TIME_US - 1;
	assert_int_equal(check(m, &c), PB(REFUSAL_REASON, SURPLUS_FIELD));
	c.utc_us = UINT64_MAX;
	assert_int_equal(check(m, &c), PB(REFUSAL_REASON, SURPLUS_FIELD));
	c.utc_us = TIME_US;
	c.purpose = PB(PURPOSE, FAMILY_TRACING);
	assert_int_equal(check(m, &c), PB(REFUSAL_REASON, SURPLUS_FIELD));
	c.purpose = 0;
	assert_int_equal(check(m, &c), PB(REFUSAL_REASON, SURPLUS_FIELD));
	c.purpose = PB(PURPOSE, CHILD_PROTECTION);
	c.schema_version = 0;
	assert_int_equal(check(m, &c), PB(REFUSAL_REASON, SURPLUS_FIELD));
	c.schema_version = 1;
	assert_int_equal(check(m, &c), 0);
}

static enum err skip_first(void *ctx, const struct digest *commitment, bool *ret_skip)
{
	*ret_skip = digest_eq(commitment, ctx);
	return ERR_OK;
}

static enum err skip_fails(void *ctx, const struct digest *commitment, bool *ret_skip)
{
	(void)ctx;
	(void)commitment;
	(void)ret_skip;
	return ERR_STORAGE;
}

static void what_was_disclosed_before_is_left_out(void **state)
{
	CLEANUP(message_end) struct message *all = message_new();
	CLEANUP(message_end) struct message *rest = message_new();

	(void)state;
	select_all(all, &given.c);
	assert_int_equal(disclosure_select(given.agreement, &given.c, sealed(), given.slices.n,
					   skip_first, &all->opened[0].commitment, rest->opened,
					   &rest->n),
			 ERR_OK);
	assert_int_equal(rest->n, all->n - 1);
	for (size_t i = 0; i < rest->n; i++)
		assert_true(digest_eq(&rest->opened[i].commitment, &all->opened[i + 1].commitment));
	assert_int_equal(disclosure_select(given.agreement, &given.c, sealed(), given.slices.n,
					   skip_fails, NULL, rest->opened, &rest->n),
			 ERR_STORAGE);
}

/* --- malformed --- */

static struct message *good(void)
{
	struct message *m = message_new();

	select_all(m, &given.c);
	assert_true(m->n >= 3);
	assert_int_equal(check(m, &given.c), 0);
	return m;
}

static void names_and_openings_match_one_to_one(void **state)
{
	CLEANUP(message_end) struct message *m = good();
	const size_t n = m->n;
	struct opened_slice first = m->opened[0];

	(void)state;
	m->n = n - 1; /* one opening less than named */
	assert_int_equal(check(m, &given.c), PB(REFUSAL_REASON, BAD_SLICE));
	m->n = n;
	m->d.opened.len -= 32; /* one more */
	assert_int_equal(check(m, &given.c), PB(REFUSAL_REASON, BAD_SLICE));
	m->d.opened.len += 31;
	assert_int_equal(check(m, &given.c), PB(REFUSAL_REASON, BAD_SLICE));
	m->d.opened.len += 1;
	assert_int_equal(check(m, &given.c), 0);
	m->d.has_opened = 0;
	assert_int_equal(check(m, &given.c), PB(REFUSAL_REASON, BAD_SLICE));
	m->d.has_opened = 1;
	m->n = 0;
	assert_int_equal(check(m, &given.c), PB(REFUSAL_REASON, BAD_SLICE));
	m->n = n;
	/* the right ones in another order */
	m->opened[0] = m->opened[1];
	m->opened[1] = first;
	message_fill(m);
	assert_int_equal(check(m, &given.c), PB(REFUSAL_REASON, BAD_SLICE));
	/* one twice */
	m->opened[0] = first;
	m->opened[1] = first;
	message_fill(m);
	assert_int_equal(check(m, &given.c), PB(REFUSAL_REASON, BAD_SLICE));
}

static void an_opening_belongs_to_its_name(void **state)
{
	CLEANUP(message_end) struct message *m = good();
	struct pb_opening *o = m->list[0];

	(void)state;
	m->list[0] = m->list[1];
	m->list[1] = o;
	assert_int_equal(check(m, &given.c), PB(REFUSAL_REASON, BAD_SLICE));
}

static void salt_and_slice_are_whole(void **state)
{
	CLEANUP(message_end) struct message *m = good();
	uint8_t salt[33];

	(void)state;
	m->opening[1].has_salt = 0;
	assert_int_equal(check(m, &given.c), PB(REFUSAL_REASON, BAD_SLICE));
	m->opening[1].has_salt = 1;
	m->opening[1].has_slice = 0;
	assert_int_equal(check(m, &given.c), PB(REFUSAL_REASON, BAD_SLICE));
	m->opening[1].has_slice = 1;
	m->opening[1].slice.len--;
	assert_int_equal(check(m, &given.c), PB(REFUSAL_REASON, BAD_SLICE));
	m->opening[1].slice.len++;
	m->opening[1].salt.len--;
	assert_int_equal(check(m, &given.c), PB(REFUSAL_REASON, BAD_SLICE));
	memcpy(salt, m->opened[1].salt.p, 32);
	salt[32] = 0;
	m->opening[1].salt = message_borrow(view_of(salt, 33));
	assert_int_equal(check(m, &given.c), PB(REFUSAL_REASON, BAD_SLICE));
	m->opening[1].salt.len = 32;
	assert_int_equal(check(m, &given.c), 0);
	salt[0] ^= 1;
	assert_int_equal(check(m, &given.c), PB(REFUSAL_REASON, BAD_SLICE));
}

static void only_what_the_manifest_holds(void **state)
{
	CLEANUP(message_end) struct message *m = good();
	uint8_t salt[SLICE_SALT_BYTES] = {1};
	struct digest decoy;

	(void)state;
	/* a slice that was sealed, under another salt: its commitment is none of the manifest's */
	m->opened[0].salt = view_of(salt, sizeof(salt));
	m->opened[0].commitment = slice_commitment(salt, m->opened[0].slice);
	m->n = 1;
	message_sort(m);
	assert_int_equal(check(m, &given.c), PB(REFUSAL_REASON, BAD_SLICE));
	/* a decoy opens to nothing */
	memcpy(decoy.b, given.manifest.commitments.p, 32);
	for (size_t i = 0; i < given.slices.n; i++) {
		struct opened_slice s = slice_number(i);

		assert_true(manifest_has(&given.manifest, &s.commitment));
	}
	m->opened[0].commitment = decoy;
	message_fill(m);
	assert_int_equal(check(m, &given.c), PB(REFUSAL_REASON, BAD_SLICE));
}

static void nothing_opened_is_fine(void **state)
{
	CLEANUP(message_end) struct message *m = message_new();

	(void)state;
	message_fill(m);
	assert_int_equal(check(m, &given.c), 0);
}

/* Two values of one singular unit under one manifest: the originator sealed both. */
static void a_singular_unit_opens_once(void **state)
{
	static const uint8_t one[] = {0x7a, 0x02, 0x10, 0x01}, two[] = {0x7a, 0x02, 0x10, 0x00};
	CLEANUP(message_end) struct message *m = message_new();
	CLEANUP(freep) struct opened_slice *ret = calloc(4, sizeof(*ret));
	uint8_t salt[2][SLICE_SALT_BYTES] = {{1}, {2}};
	struct digest commitments[64];
	struct manifest manifest = {.terms = {.type = RECORD_VICTIM}};

	(void)state;
	assert_non_null(ret);
	for (size_t i = 0; i < 2; i++) {
		m->opened[i].salt = view_of(salt[i], SLICE_SALT_BYTES);
		m->opened[i].slice = view_of(i ? two : one, 4);
		m->opened[i].commitment = slice_commitment(salt[i], m->opened[i].slice);
	}
	m->n = 2;
	message_sort(m);
	for (size_t i = 0; i < 62; i++)
		memset(commitments[i].b, i ? 0xff : 0, 32);
	for (size_t i = 1; i < 62; i++)
		commitments[i].b[31] = (uint8_t)i;
	commitments[62] = commitments[61];
	commitments[63] = commitments[61];
	/* ascending: the zero one, our two, the others */
	memmove(commitments + 3, commitments + 1, 61 * sizeof(commitments[0]));
	commitments[1] = m->opened[0].commitment;
	commitments[2] = m->opened[1].commitment;
	manifest.commitments = view_of(commitments, sizeof(commitments));
	manifest.n = 64;
	assert_int_equal(
		disclosure_check(&m->d, m->list, 1, &manifest, given.agreement, &given.c, ret),
		PB(REFUSAL_REASON, BAD_SLICE)); /* two are named */
	assert_int_equal(
		disclosure_check(&m->d, m->list, 2, &manifest, given.agreement, &given.c, ret),
		PB(REFUSAL_REASON, OPENED_TWICE));
}

static void more_openings_than_a_manifest_may_hold(void **state)
{
	CLEANUP(message_end) struct message *m = message_new();
	uint8_t *room;

	(void)state;
	assert_int_equal(buf_reserve(&m->named, (COMMITMENTS_MAX + 1) * 32, &room), ERR_OK);
	memset(room, 0, (COMMITMENTS_MAX + 1) * 32);
	buf_advance(&m->named, (COMMITMENTS_MAX + 1) * 32);
	m->d = (struct pb_disclosure)PB_DISCLOSURE_INIT;
	m->d.has_opened = 1;
	m->d.opened = message_borrow(buf_view(&m->named));
	assert_int_equal(disclosure_check(&m->d, m->list, COMMITMENTS_MAX + 1, &given.manifest,
					  given.agreement, &given.c, m->opened),
			 PB(REFUSAL_REASON, BAD_SLICE));
}

/* --- terms --- */

static struct pb_referral whole_terms(void)
{
	struct pb_referral r = PB_REFERRAL_INIT;

	r.has_type = r.has_urgency = r.has_responsibility = r.has_basis = 1;
	r.type = PB(REFERRAL_TYPE, TRACING);
	r.urgency = PB(URGENCY, URGENT);
	r.responsibility = PB(RESPONSIBILITY, REFERRAL);
	r.basis = PB(LEGAL_BASIS, PUBLIC_TASK);
	return r;
}

static void each_line_of_the_terms(void **state)
{
	static char name[] = "Hague 1996", empty[] = "";
	struct pb_referral r = whole_terms();

	(void)state;
	assert_null(referral_terms_problem(&r, TIME_US));
	r.has_type = 0;
	assert_non_null(strstr(referral_terms_problem(&r, TIME_US), "type"));
	r = whole_terms();
	r.has_urgency = 0;
	assert_non_null(strstr(referral_terms_problem(&r, TIME_US), "urgency"));
	r = whole_terms();
	r.has_responsibility = 0;
	assert_non_null(strstr(referral_terms_problem(&r, TIME_US), "transfer"));
	r = whole_terms();
	r.has_basis = 0;
	assert_non_null(strstr(referral_terms_problem(&r, TIME_US), "legal basis is missing"));
	r = whole_terms();
	r.basis = PB(LEGAL_BASIS, CONSENT);
	assert_non_null(strstr(referral_terms_problem(&r, TIME_US), "no consent"));
	r.basis = PB(LEGAL_BASIS, TREATY);
	assert_non_null(strstr(referral_terms_problem(&r, TIME_US), "treaty"));
	r.basis_name = empty;
	assert_non_null(strstr(referral_terms_problem(&r, TIME_US), "treaty"));
	r.basis_name = name;
	assert_null(referral_terms_problem(&r, TIME_US));
}

static void dates_lie_ahead(void **state)
{
	struct pb_referral r = whole_terms();

	(void)state;
	r.has_expires_us = 1;
	r.expires_us = TIME_US + 1;
	assert_null(referral_terms_problem(&r, TIME_US));
	assert_non_null(strstr(referral_terms_problem(&r, TIME_US + 1), "expires"));
	assert_non_null(referral_terms_problem(&r, TIME_US + 2));
	assert_null(referral_terms_problem(&r, 0)); /* not judged yet */
	r.has_expires_us = 0;
	r.has_reply_by_us = 1;
	r.reply_by_us = TIME_US;
	assert_non_null(strstr(referral_terms_problem(&r, TIME_US), "reply by"));
	assert_null(referral_terms_problem(&r, TIME_US - 1));
	assert_null(referral_terms_problem(&r, 0));
}

static void consent_is_given_and_not_withdrawn(void **state)
{
	struct pb_consent consent = PB_CONSENT_INIT;
	struct pb_best_interest_override best = PB_BEST_INTEREST_OVERRIDE_INIT;
	static char why[] = "danger", empty[] = "";
	struct pb_referral r = whole_terms();

	(void)state;
	r.basis = PB(LEGAL_BASIS, CONSENT);
	assert_false(referral_has_consent(&r));
	r.consent = &consent;
	assert_false(referral_has_consent(&r));
	consent.has_given_by = 1;
	consent.given_by = PB(CONSENT_GIVER, CHILD);
	assert_true(referral_has_consent(&r));
	assert_null(referral_terms_problem(&r, TIME_US));
	consent.has_withdrawn_at_us = 1; /* whenever: even at 0 */
	assert_false(referral_has_consent(&r));
	assert_non_null(referral_terms_problem(&r, TIME_US));
	r.best_interest = &best;
	assert_false(referral_has_consent(&r));
	best.reason = empty;
	assert_false(referral_has_consent(&r));
	best.reason = why;
	assert_true(referral_has_consent(&r));
	assert_null(referral_terms_problem(&r, TIME_US));
}

/* --- in force --- */

/* Positions 1..K of each chain; the law read off PROTOCOL.md 11, not off the code. */
#define K 5

static bool law(const struct adoption *x, uint64_t k, uint64_t seen_k)
{
	bool sender = false, receiver = false;

	for (uint64_t at = 1; at < k; at++) {
		if (at == x->sender_adopt_k)
			sender = true;
		if (at == x->sender_withdraw_k)
			sender = false;
	}
	for (uint64_t at = 1; at <= seen_k; at++) {
		if (at == x->receiver_adopt_k)
			receiver = true;
		if (at == x->receiver_withdraw_k)
			receiver = false;
	}
	return sender && receiver;
}

static void in_force_by_chain_order_alone(void **state)
{
	size_t n_true = 0;

	(void)state;
	for (unsigned i = 0; i < 6 * 6 * 6 * 6; i++) {
		struct adoption x = {.sender_adopt_k = i % 6,
				     .sender_withdraw_k = i / 6 % 6,
				     .receiver_adopt_k = i / 36 % 6,
				     .receiver_withdraw_k = i / 216 % 6};

		/* a withdrawal stands after its adoption, or there is none */
		if ((x.sender_withdraw_k && x.sender_withdraw_k <= x.sender_adopt_k) ||
		    (x.receiver_withdraw_k && x.receiver_withdraw_k <= x.receiver_adopt_k))
			continue;
		for (uint64_t k = 1; k <= K + 1; k++)
			for (uint64_t seen = 0; seen <= K + 1; seen++) {
				bool in_force = adoption_in_force(&x, k, seen);

				assert_int_equal(in_force, law(&x, k, seen));
				n_true += in_force;
			}
	}
	assert_true(n_true > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_chosen_is_taken),
		cmocka_unit_test(all_of_the_rest_is_withheld),
		cmocka_unit_test(stage_time_purpose_and_schema_withhold),
		cmocka_unit_test(what_was_disclosed_before_is_left_out),
		cmocka_unit_test(names_and_openings_match_one_to_one),
		cmocka_unit_test(an_opening_belongs_to_its_name),
		cmocka_unit_test(salt_and_slice_are_whole),
		cmocka_unit_test(only_what_the_manifest_holds),
		cmocka_unit_test(nothing_opened_is_fine),
		cmocka_unit_test(a_singular_unit_opens_once),
		cmocka_unit_test(more_openings_than_a_manifest_may_hold),
		cmocka_unit_test(each_line_of_the_terms),
		cmocka_unit_test(dates_lie_ahead),
		cmocka_unit_test(consent_is_given_and_not_withdrawn),
		cmocka_unit_test(in_force_by_chain_order_alone),
	};

	return cmocka_run_group_tests_name("exchange/disclosure", tests, setup, teardown);
}
