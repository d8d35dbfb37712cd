#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "crypto/digest.h"
#include "policy/agreement.h"

#define NOON_2026 UINT64_C(1780000000000000)

static const enum record_type types[] = {RECORD_VICTIM, RECORD_CASE};
static const enum policy_stage stages[] = {POLICY_REQUEST, POLICY_ACCEPTED};

static struct agreement *load(const char *path)
{
	static uint8_t bytes[AGREEMENT_BYTES_MAX];
	struct agreement *a = NULL;
	FILE *file = fopen(path, "rbe");
	size_t n;
	enum err e;

	assert_non_null(file);
	n = fread(bytes, 1, sizeof(bytes), file);
	assert_int_equal(fclose(file), 0);
	e = agreement_parse(view_of(bytes, n), &a);
	if (e)
		print_error("%s: %s\n", path, err_words());
	assert_int_equal(e, ERR_OK);
	return a;
}

static struct policy_case case_of(int purpose, enum record_type type, enum policy_stage stage,
				  bool has_consent)
{
	return (struct policy_case){
		.purpose = purpose,
		.type = type,
		.stage = stage,
		.has_consent = has_consent,
		.utc_us = NOON_2026,
		.schema_version = FIELD_SCHEMA_VERSION,
	};
}

static struct policy_decision judge(const struct agreement *a, const struct policy_case *c,
				    const char *path)
{
	const struct field *unit = field_table_find(c->type, path);

	assert_non_null(unit);
	return policy_judge(a, c, unit);
}

static void expect(const struct agreement *a, const struct policy_case *c, const char *path,
		   enum policy_answer answer, const char *rule)
{
	struct policy_decision d = judge(a, c, path);

	if (d.answer != answer)
		print_error("%s: %s, expected %s\n", path, policy_answer_text(d.answer),
			    policy_answer_text(answer));
	assert_int_equal(d.answer, answer);
	if (rule)
		assert_string_equal(d.rule, rule);
	else
		assert_null(d.rule);
	assert_int_equal(d.retention_days > 0, answer == POLICY_ALLOWED);
	if (answer != POLICY_ALLOWED)
		assert_int_equal(d.onward, POLICY_ONWARD_NONE);
}

/* The two steps as an agency meets them, in the demo's own agreement. */
static void the_demo_discloses_in_two_steps(void **state)
{
	CLEANUP(agreement_freep)
	struct agreement *a = load(SOURCE_ROOT "/conf/agreements/demo.yaml");
	struct policy_case request =
		case_of(PB(PURPOSE, CHILD_PROTECTION), RECORD_VICTIM, POLICY_REQUEST, false);
	struct policy_case accepted = request, consented, missing = request;

	(void)state;
	accepted.stage = POLICY_ACCEPTED;
	consented = accepted;
	consented.has_consent = true;
	missing.purpose = PB(PURPOSE, MISSING_CHILD);
	assert_int_equal(agreement_n_parties(a), 3);

	expect(a, &request, "derived.is_minor", POLICY_ALLOWED, "the child in outline");
	expect(a, &request, "identity.given_names", POLICY_NOT_YET, "who the child is");
	expect(a, &request, "identity.date_of_birth.year", POLICY_NOT_YET, "who the child is");
	expect(a, &request, "family_member", POLICY_NO_CONSENT, "the family");
	expect(a, &request, "safety.withhold_from", POLICY_NO_RULE, NULL);
	expect(a, &request, "health.mental_health", POLICY_NO_RULE, NULL);
	expect(a, &accepted, "identity.given_names", POLICY_ALLOWED, "who the child is");
	expect(a, &accepted, "contact.phones", POLICY_ALLOWED, "how to reach the child");
	expect(a, &accepted, "family_member", POLICY_NO_CONSENT, "the family");
	expect(a, &accepted, "safety.safe_contact.phone", POLICY_NO_CONSENT, "a safe way to call");
	expect(a, &consented, "family_member", POLICY_ALLOWED, "the family");
	expect(a, &consented, "safety.safe_contact.phone", POLICY_ALLOWED, "a safe way to call");
	expect(a, &consented, "safety.safe_contact.email", POLICY_NO_RULE, NULL);
	expect(a, &consented, "safety.shelter_address.street", POLICY_NO_RULE, NULL);
	expect(a, &missing, "identity.given_names", POLICY_ALLOWED, "to recognise a missing child");
	expect(a, &missing, "missing.category", POLICY_ALLOWED, "to recognise a missing child");
	assert_int_equal(judge(a, &missing, "missing.category").onward, POLICY_ONWARD_ASK);
	assert_int_equal(judge(a, &missing, "missing.category").retention_days, 180);
	/* accepted, the rule of the later stage counts */
	missing.stage = POLICY_ACCEPTED;
	expect(a, &missing, "identity.given_names", POLICY_ALLOWED, "who the child is");
	assert_int_equal(judge(a, &missing, "identity.given_names").retention_days, 1825);
	request.purpose = PB(PURPOSE, ASYLUM_AND_MIGRATION_PROTECTION);
	expect(a, &request, "derived.is_minor", POLICY_NOT_VALID, NULL);
}

static void the_other_example_is_good(void **state)
{
	CLEANUP(agreement_freep)
	struct agreement *a = load(SOURCE_ROOT "/conf/agreements/central-authorities.yaml");

	(void)state;
	assert_int_equal(agreement_n_parties(a), 2);
	for (size_t t = 0; t < ARRAY_LEN(types); t++)
		for (size_t i = 0; i < field_table_n_units(types[t]); i++) {
			const struct field *unit = field_table_unit(types[t], i);
			struct policy_case c = case_of(PB(PURPOSE, CHILD_PROTECTION), types[t],
						       POLICY_REQUEST, true);

			/* nothing that identifies or protects at the first step */
			if (unit->sensitivity > SENSITIVITY_S1)
				assert_int_not_equal(policy_judge(a, &c, unit).answer,
						     POLICY_ALLOWED);
		}
}

/* --- against a plain reading of the rules, over random agreements ----------------------------- */

#define RULES_MAX 8
#define PATHS_MAX 4

static const char *const purposes[] = {"child-protection", "missing-child", "family-tracing"};
static const int purpose_numbers[] = {PB(PURPOSE, CHILD_PROTECTION), PB(PURPOSE, MISSING_CHILD),
				      PB(PURPOSE, FAMILY_TRACING)};

struct plain_rule {
	char name[16];
	unsigned purposes; /* bits; 0: all */
	enum record_type type;
	bool at_accepted;
	bool needs_consent;
	unsigned days;
	int onward; /* 0 none, 1 ask, 2 allowed */
	const char *path[PATHS_MAX];
	size_t n_paths;
};

static uint64_t random_state;

static unsigned dice(unsigned n)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(random_state >> 33) % n;
}

/** Does a path name a unit, as docs/AGREEMENTS.md says it? */
static bool path_names(const char *path, const struct field *unit)
{
	size_t n = strlen(path);

	if (strcmp(path, unit->path) == 0)
		return true;
	return unit->sensitivity != SENSITIVITY_S5 && strncmp(path, unit->path, n) == 0 &&
	       unit->path[n] == '.';
}

static bool rule_names(const struct plain_rule *r, const struct field *unit)
{
	for (size_t i = 0; i < r->n_paths; i++)
		if (path_names(r->path[i], unit))
			return true;
	return false;
}

/** A path that names something which the rule does not name yet. */
static bool path_is_new(const struct plain_rule *r, const char *path)
{
	for (size_t i = 0; i < field_table_n_units(r->type); i++) {
		const struct field *unit = field_table_unit(r->type, i);

		if (path_names(path, unit) && !rule_names(r, unit))
			return true;
	}
	return false;
}

static void rule_make(struct plain_rule *r, unsigned number)
{
	memset(r, 0, sizeof(*r));
	(void)snprintf(r->name, sizeof(r->name), "r%u", number);
	r->purposes = dice(8);
	r->type = types[dice(2)];
	r->at_accepted = dice(2);
	r->needs_consent = dice(2);
	r->days = 1 + dice(3);
	r->onward = (int)dice(3);
	for (size_t n = 1 + dice(PATHS_MAX); r->n_paths < n;) {
		const struct field *f =
			field_table_at(r->type, dice((unsigned)field_table_count(r->type)));

		if (f->parent && dice(2))
			f = f->parent; /* groups are what interests */
		if ((f->is_unit || f->sensitivity == SENSITIVITY_NONE) && path_is_new(r, f->path))
			r->path[r->n_paths++] = f->path;
		else if (r->n_paths > 0 && dice(50) == 0)
			break;
	}
}

static void rule_write(struct buf *b, const struct plain_rule *r)
{
	static const char *const onwards[] = {"none", "ask", "allowed"};
	enum err e = buf_printf(
		b,
		"- name: %s\n  record: %s\n  stage: %s\n  consent: %s\n"
		"  retention_days: %u\n  onward: %s\n",
		r->name, record_type_name(r->type), r->at_accepted ? "accepted" : "request",
		r->needs_consent ? "required" : "not-required", r->days, onwards[r->onward]);

	if (!e && r->purposes)
		e = buf_put_str(b, "  purposes:\n");
	for (size_t i = 0; !e && i < ARRAY_LEN(purposes); i++)
		if (r->purposes >> i & 1)
			e = buf_printf(b, "  - %s\n", purposes[i]);
	if (!e)
		e = buf_put_str(b, "  fields:\n");
	for (size_t i = 0; !e && i < r->n_paths; i++)
		e = buf_printf(b, "  - %s\n", r->path[i]);
	assert_int_equal(e, ERR_OK);
}

/** Is @p b, which stands later, the rule that counts rather than @p a? */
static bool counts_rather(const struct plain_rule *b, const struct plain_rule *a)
{
	if (b->at_accepted != a->at_accepted)
		return b->at_accepted;
	if (b->days != a->days)
		return b->days < a->days;
	return b->onward < a->onward;
}

static struct policy_decision plain_judge(const struct plain_rule *rules, size_t n, size_t purpose,
					  const struct policy_case *c, const struct field *unit)
{
	const struct plain_rule *allowing = NULL, *consent_now = NULL, *later = NULL, *both = NULL;
	struct policy_decision d = {.answer = POLICY_NO_RULE, .onward = POLICY_ONWARD_NONE};

	for (size_t i = 0; i < n; i++) {
		const struct plain_rule *r = &rules[i];
		bool in_time = !r->at_accepted || c->stage == POLICY_ACCEPTED;
		bool has_consent = !r->needs_consent || c->has_consent;

		if (r->type != c->type || (r->purposes && !(r->purposes >> purpose & 1)) ||
		    !rule_names(r, unit))
			continue;
		if (in_time && has_consent && (!allowing || counts_rather(r, allowing)))
			allowing = r;
		if (in_time && !has_consent && !consent_now)
			consent_now = r;
		if (!in_time && has_consent && !later)
			later = r;
		if (!in_time && !has_consent && !both)
			both = r;
	}
	if (allowing) {
		d.answer = POLICY_ALLOWED;
		d.rule = allowing->name;
		d.retention_days = allowing->days;
		d.onward = (enum policy_onward)(POLICY_ONWARD_NONE + allowing->onward);
	} else if (consent_now || (!later && both)) {
		d.answer = POLICY_NO_CONSENT;
		d.rule = consent_now ? consent_now->name : both->name;
	} else if (later) {
		d.answer = POLICY_NOT_YET;
		d.rule = later->name;
	}
	return d;
}

static void compare_all(const struct agreement *a, const struct plain_rule *rules, size_t n,
			uint64_t *counts)
{
	for (size_t p = 0; p < ARRAY_LEN(purposes); p++)
		for (int i = 0; i < 8; i++) {
			struct policy_case c = case_of(purpose_numbers[p], types[i & 1],
						       stages[i >> 1 & 1], i >> 2 & 1);

			for (size_t u = 0; u < field_table_n_units(c.type); u++) {
				const struct field *unit = field_table_unit(c.type, u);
				struct policy_decision got = policy_judge(a, &c, unit);
				struct policy_decision want = plain_judge(rules, n, p, &c, unit);

				assert_int_equal(got.answer, want.answer);
				assert_int_equal(got.rule == NULL, want.rule == NULL);
				if (got.rule)
					assert_string_equal(got.rule, want.rule);
				assert_int_equal(got.retention_days, want.retention_days);
				assert_int_equal(got.onward, want.onward);
				counts[got.answer]++;
			}
		}
}

static void the_table_says_what_the_rules_say(void **state)
{
	uint64_t counts[POLICY_NEWER_FIELD + 1] = {0};
	CLEANUP(buf_fini) struct buf b;

	(void)state;
	buf_init(&b, 0);
	for (uint64_t seed = 1; seed <= 150; seed++) {
		CLEANUP(agreement_freep) struct agreement *a = NULL;
		struct plain_rule rules[RULES_MAX];
		size_t n;

		random_state = seed;
		n = 1 + dice(RULES_MAX);
		buf_clear(&b);
		assert_int_equal(buf_put_str(&b,
					     "agreement: x\nvalid: {from: 2026-01-01, until: "
					     "2026-12-31}\nparties: [spiffe://a.example/a, "
					     "spiffe://b.example/b]\npurposes: [child-protection, "
					     "missing-child, family-tracing]\nrules:\n"),
				 ERR_OK);
		for (size_t i = 0; i < n; i++) {
			rule_make(&rules[i], (unsigned)i);
			rule_write(&b, &rules[i]);
		}
		if (agreement_parse(buf_view(&b), &a)) {
			print_error("seed %llu: %s\n", (unsigned long long)seed, err_words());
			fail();
		}
		compare_all(a, rules, n, counts);
	}
	assert_true(counts[POLICY_ALLOWED] > 1000 && counts[POLICY_NO_RULE] > 1000 &&
		    counts[POLICY_NO_CONSENT] > 1000 && counts[POLICY_NOT_YET] > 1000);
}

/* --- properties that hold for any agreement ----------------------------------------------------
 */

static const char *const agreements[] = {SOURCE_ROOT "/conf/agreements/demo.yaml",
					 SOURCE_ROOT "/conf/agreements/central-authorities.yaml"};

static void later_stage_and_consent_only_add(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(agreements); i++) {
		CLEANUP(agreement_freep) struct agreement *a = load(agreements[i]);

		for (int purpose = 0; purpose <= 8; purpose++)
			for (size_t t = 0; t < ARRAY_LEN(types); t++)
				for (size_t u = 0; u < field_table_n_units(types[t]); u++) {
					const struct field *unit = field_table_unit(types[t], u);
					bool allowed[4];

					for (int k = 0; k < 4; k++) {
						struct policy_case c = case_of(
							purpose, types[t], stages[k & 1], k >> 1);

						allowed[k] = policy_judge(a, &c, unit).answer ==
							     POLICY_ALLOWED;
					}
					assert_true(!allowed[0] || (allowed[1] && allowed[2]));
					assert_true(!allowed[1] || allowed[3]);
					assert_true(!allowed[2] || allowed[3]);
				}
	}
}

static void time_purpose_and_version_close_all(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(agreements); i++) {
		CLEANUP(agreement_freep) struct agreement *a = load(agreements[i]);
		struct policy_case good = case_of(PB(PURPOSE, CHILD_PROTECTION), RECORD_VICTIM,
						  POLICY_ACCEPTED, true);
		const struct {
			int purpose;
			uint64_t utc_us;
			uint32_t version;
			enum policy_answer answer;
		} cases[] = {
			{good.purpose, agreement_valid_from_us(a) - 1, 1, POLICY_NOT_VALID},
			{good.purpose, agreement_valid_until_us(a) + 1, 1, POLICY_NOT_VALID},
			{good.purpose, 0, 1, POLICY_NOT_VALID},
			{good.purpose, UINT64_MAX, 1, POLICY_NOT_VALID},
			{0, good.utc_us, 1, POLICY_NOT_VALID},
			{-1, good.utc_us, 1, POLICY_NOT_VALID},
			{INT32_MAX, good.utc_us, 1, POLICY_NOT_VALID},
			{good.purpose, good.utc_us, 0, POLICY_NEWER_FIELD},
			{good.purpose, good.utc_us, 1, POLICY_ALLOWED},
			{good.purpose, good.utc_us, UINT32_MAX, POLICY_ALLOWED},
			{good.purpose, agreement_valid_from_us(a), 1, POLICY_ALLOWED},
			{good.purpose, agreement_valid_until_us(a), 1, POLICY_ALLOWED},
		};

		for (size_t k = 0; k < ARRAY_LEN(cases); k++) {
			struct policy_case c = good;

			c.purpose = cases[k].purpose;
			c.utc_us = cases[k].utc_us;
			c.schema_version = cases[k].version;
			assert_int_equal(judge(a, &c, "identity.sex").answer, cases[k].answer);
		}
	}
}

/* Total: fields that are no units, of the other type, or none, are named by no rule. */
static void what_is_no_unit_is_withheld(void **state)
{
	CLEANUP(agreement_freep) struct agreement *a = load(agreements[0]);
	struct policy_case c =
		case_of(PB(PURPOSE, CHILD_PROTECTION), RECORD_VICTIM, POLICY_ACCEPTED, true);

	(void)state;
	assert_int_equal(policy_judge(a, &c, NULL).answer, POLICY_NO_RULE);
	for (size_t t = 0; t < ARRAY_LEN(types); t++)
		for (size_t i = 0; i < field_table_count(types[t]); i++) {
			const struct field *f = field_table_at(types[t], i);

			if (!f->is_unit || f->record_type != c.type)
				assert_int_equal(policy_judge(a, &c, f).answer, POLICY_NO_RULE);
		}
	c.type = (enum record_type)7;
	assert_int_equal(judge(a,
			       &(struct policy_case){.purpose = c.purpose,
						     .type = RECORD_CASE,
						     .stage = POLICY_ACCEPTED,
						     .utc_us = c.utc_us,
						     .schema_version = 1},
			       "case.type")
				 .answer,
			 POLICY_ALLOWED);
	assert_int_equal(policy_judge(a, &c, field_table_unit(RECORD_VICTIM, 0)).answer,
			 POLICY_NO_RULE);
}

static void answers_have_words(void **state)
{
	(void)state;
	for (int i = POLICY_ALLOWED; i <= POLICY_NEWER_FIELD; i++)
		for (int j = POLICY_ALLOWED; j < i; j++)
			assert_string_not_equal(policy_answer_text((enum policy_answer)i),
						policy_answer_text((enum policy_answer)j));
}

static int set_up(void **state)
{
	(void)state;
	return crypto_init() == ERR_OK ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_demo_discloses_in_two_steps),
		cmocka_unit_test(the_other_example_is_good),
		cmocka_unit_test(the_table_says_what_the_rules_say),
		cmocka_unit_test(later_stage_and_consent_only_add),
		cmocka_unit_test(time_purpose_and_version_close_all),
		cmocka_unit_test(what_is_no_unit_is_withheld),
		cmocka_unit_test(answers_have_words),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
