#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/buf.h"
#include "crypto/digest.h"
#include "policy/agreement.h"

/* One line a key, so that a test can replace one and know its line. */
static const char *const base_lines[] = {
	"agreement: Test", /* 1 */
	"parties: [spiffe://cz.example/a, spiffe://sk.example/b]",
	"valid: {from: 2026-01-01, until: 2027-02-28}",
	"purposes: [child-protection, family-tracing]",
	"rules:", /* 5 */
	"- name: outline",
	"  record: VictimRecord",
	"  stage: request",
	"  fields: [derived, identity.given_names]",
	"  consent: not-required", /* 10 */
	"  retention_days: 90",
	"  onward: none",
	"- name: names",
	"  purposes: [family-tracing]",
	"  record: CaseRecord", /* 15 */
	"  stage: accepted",
	"  fields: [case]",
	"  consent: required",
	"  retention_days: 36500",
	"  onward: ask", /* 20 */
};

static void text_with(struct buf *b, int line, const char *instead)
{
	buf_clear(b);
	for (size_t i = 0; i < ARRAY_LEN(base_lines); i++)
		assert_int_equal(
			buf_printf(b, "%s\n", (int)i + 1 == line ? instead : base_lines[i]),
			ERR_OK);
}

static enum err parse_with(int line, const char *instead, struct agreement **ret)
{
	CLEANUP(buf_fini) struct buf b;

	buf_init(&b, 0);
	text_with(&b, line, instead);
	return agreement_parse(buf_view(&b), ret);
}

static void all_is_read(void **state)
{
	CLEANUP(buf_fini) struct buf b;
	CLEANUP(agreement_freep) struct agreement *a = NULL;
	struct digest digest;
	struct agency_id id;

	(void)state;
	buf_init(&b, 0);
	text_with(&b, 0, NULL);
	digest = sha256(buf_view(&b));
	assert_int_equal(agreement_parse(buf_view(&b), &a), ERR_OK);
	memset(buf_data(&b), 'x', b.n); /* nothing is borrowed */
	assert_true(digest_eq(agreement_digest(a), &digest));
	assert_string_equal(agreement_name(a), "Test");
	assert_int_equal(agreement_n_parties(a), 2);
	assert_string_equal(agreement_party(a, 1)->text, "spiffe://sk.example/b");
	assert_true(agreement_has_party(a, agreement_party(a, 0)));
	assert_int_equal(agency_id_parse(view_str("spiffe://cz.example/b"), &id), ERR_OK);
	assert_false(agreement_has_party(a, &id));
	assert_true(agreement_has_purpose(a, PB(PURPOSE, CHILD_PROTECTION)));
	assert_true(agreement_has_purpose(a, PB(PURPOSE, FAMILY_TRACING)));
	assert_false(agreement_has_purpose(a, PB(PURPOSE, MISSING_CHILD)));
	assert_false(agreement_has_purpose(a, 0));
	assert_false(agreement_has_purpose(a, -1));
	assert_false(agreement_has_purpose(a, 1000));
}

static void days_are_whole_and_utc(void **state)
{
	static const struct {
		const char *from, *until;
		uint64_t from_s, until_s; /* first second, last second */
	} cases[] = {
		{"1970-01-01", "1970-01-01", 0, 86399},
		{"2026-01-01", "2027-02-28", UINT64_C(1767225600), UINT64_C(1803859199)},
		{"2024-02-29", "2024-03-01", UINT64_C(1709164800), UINT64_C(1709337599)},
		{"2000-02-29", "2000-12-31", UINT64_C(951782400), UINT64_C(978307199)},
		{"2999-12-31", "2999-12-31", UINT64_C(32503593600), UINT64_C(32503679999)},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(agreement_freep) struct agreement *a = NULL;
		uint64_t from = cases[i].from_s * 1000000,
			 until = cases[i].until_s * 1000000 + 999999;
		char line[100];

		(void)snprintf(line, sizeof(line), "valid: {from: %s, until: %s}", cases[i].from,
			       cases[i].until);
		assert_int_equal(parse_with(3, line, &a), ERR_OK);
		assert_true(agreement_valid_from_us(a) == from);
		assert_true(agreement_valid_until_us(a) == until);
		assert_true(agreement_is_valid_at(a, from) && agreement_is_valid_at(a, until));
		assert_false(agreement_is_valid_at(a, until + 1));
		assert_false(from > 0 && agreement_is_valid_at(a, from - 1));
	}
}

/* Every day that there is, against the system's own calendar. */
static void each_day_is_counted(void **state)
{
	(void)state;
	for (int day = 0; day < 365 * 140; day += 37) {
		CLEANUP(agreement_freep) struct agreement *a = NULL;
		time_t t = (time_t)day * 86400;
		struct tm tm;
		char line[100];

		assert_non_null(gmtime_r(&t, &tm));
		(void)snprintf(line, sizeof(line),
			       "valid: {from: %04d-%02d-%02d, until: 2999-01-01}",
			       tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
		assert_int_equal(parse_with(3, line, &a), ERR_OK);
		assert_true(agreement_valid_from_us(a) == (uint64_t)t * 1000000);
	}
}

static void mistakes_are_told_with_their_line(void **state)
{
	static const struct {
		int line;
		const char *instead;
		const char *words; /* of err_words(), after "line N: " */
	} cases[] = {
		{1, "agreement: [a]", "line 1: agreement must be text"},
		{1, "agreement: ''", "line 1: agreement has no value"},
		{1, "agreement: \"a\\nb\"", "line 1: a text holds a line break"},
		{1, "agreement: a\xef\xb7\x90", "line 1: 'agreement' holds a code point that"},
		{1, "agreement: a\xf0\x9f\xbf\xbe", "line 1: 'agreement' holds a code point that"},
		{1, "Agreement: a", "line 1: there is no key \"Agreement\" here: is 'agreement'"},
		{1, "agreement: &a Test", "line 1: an anchor"},
		{1, "version: 1\nagreement: Test", "line 1: there is no key \"version\""},
		{2, "parties: spiffe://cz.example/a", "line 2: parties must be a list"},
		{2, "parties: [spiffe://cz.example/a]", "line 2: there must be 2 to 64"},
		{2, "parties: [spiffe://cz.example/a, spiffe://cz.example/a]", "named twice"},
		{2, "parties: [spiffe://cz.example/a, spiffe://cz.example/a/b]", "no agency id"},
		{2, "parties: [spiffe://cz.example/a, cz.example/b]", "no agency id"},
		{2, "parties: [spiffe://cz.example/a, {}]", "must be text"},
		{3, "valid: 2026", "line 3: valid must be a map"},
		{3, "valid: {from: 2026-01-01}", "'until' is missing"},
		{3, "valid: {from: 2026-01-01, until: 2025-12-31}", "is before"},
		{3, "valid: {from: 2026-1-1, until: 2027-01-01}", "no day"},
		{3, "valid: {from: 2026-02-29, until: 2027-01-01}", "no day"},
		{3, "valid: {from: 2100-02-29, until: 2101-01-01}", "no day"},
		{3, "valid: {from: 2026-13-01, until: 2027-01-01}", "no day"},
		{3, "valid: {from: 2026-00-10, until: 2027-01-01}", "no day"},
		{3, "valid: {from: 2026-01-00, until: 2027-01-01}", "no day"},
		{3, "valid: {from: 1969-12-31, until: 2027-01-01}", "no day"},
		{3, "valid: {from: 2026-01-01, until: 3000-01-01}", "no day"},
		{3, "valid: {from: 2026-01-01, until: 2027-01-01T00:00:00Z}", "no day"},
		{3, "valid: {from: 2026-01-01, until: 2027-01-01, zone: CET}", "\"zone\""},
		{4, "purposes: []", "line 4: 1 to 7 purposes"},
		{4, "purposes: [child_protection]", "\"child_protection\" is no purpose"},
		{4, "purposes: [CHILD-PROTECTION]", "is no purpose"},
		{4, "purposes: [family-tracing, family-tracing]", "is named twice"},
		{4, "purposes: [child-protection]", "line 14: purpose 'family-tracing' is none"},
		{5, "rules: []\nx:", "line 6: there is no key \"x\""},
		{6, "- nam: outline", "line 6: there is no key \"nam\" here: is 'name' meant?"},
		{6, "- name: names", "line 13: another rule has this name"},
		{6, "- fields: [case]", "line 9: key \"fields\" is here twice, first on line 6"},
		{7, "  record: Victim", "line 7: record must be VictimRecord or CaseRecord"},
		{7, "  record: CaseRecord", "line 9: there is no field \"derived\" in CaseRecord"},
		{8, "  stage: Request", "line 8: stage must be request or accepted"},
		{9, "  fields: []", "line 9: the rule names no field"},
		{9, "  fields: derived", "line 9: fields must be a list"},
		{9, "  fields: [derived.colour]", "no field \"derived.colour\" in VictimRecord"},
		{9, "  fields: [derived, derived]", "derived is named by this rule already"},
		{9, "  fields: [identity, identity.sex]", "identity.sex is named by this rule"},
		{9, "  fields: [identity.given_names.text]",
		 "part of identity.given_names, which is disclosed whole"},
		{9, "  fields: [identity.*]", "no field"},
		{9, "  fields: [identity.]", "no field"},
		{9, "  fields: [.identity]", "no field"},
		{9, "  fields: [Identity]", "no field"},
		{9, "  fields: ['identity ']", "no field"},
		{9, "  fields: ['*']", "no field"},
		{9, "  fields: ['']", "has no value"},
		{9, "  fields: [safety]", "all of safety is protected (S5)"},
		{9, "  fields: [safety.shelter_address]", "is protected (S5)"},
		{10, "  consent: no", "line 10: consent must be not-required or required"},
		{11, "  retention_days: 0",
		 "line 11: retention_days must be a whole number, 1 to 36500"},
		{11, "  retention_days: 36501", "whole number"},
		{11, "  retention_days: 090", "whole number"},
		{11, "  retention_days: 1 year", "whole number"},
		{12, "  onward: yes", "line 12: onward must be none, ask or allowed"},
		{14, "  purposes: []", "line 14: 1 to 7 purposes"},
		{14, "  purposes:", "purposes must be a list"},
		{14, "  purposes: [missing-child]", "is none of the agreement's"},
		{14, "  purposes: [family-tracing, family-tracing]", "named twice"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct agreement *a = NULL;
		enum err e = parse_with(cases[i].line, cases[i].instead, &a);

		if (e != ERR_INVALID || !strstr(err_words(), cases[i].words))
			print_error("%s: expected ...%s..., got %s: %s\n", cases[i].instead,
				    cases[i].words, err_name(e), err_words());
		assert_int_equal(e, ERR_INVALID);
		assert_null(a);
		assert_non_null(strstr(err_words(), cases[i].words));
		assert_non_null(strstr(err_words(), "line "));
	}
}

static void every_line_is_needed_or_not(void **state)
{
	(void)state;
	for (int line = 1; line <= (int)ARRAY_LEN(base_lines); line++) {
		CLEANUP(agreement_freep) struct agreement *a = NULL;

		if (line == 5 || line == 6 || line == 13)
			continue; /* without these it is no YAML, or another rule's keys */
		assert_int_equal(parse_with(line, "", &a), line == 14 ? ERR_OK : ERR_INVALID);
		if (line != 14)
			assert_non_null(strstr(err_words(), "is missing here"));
	}
}

static void names_count_characters(void **state)
{
	(void)state;
	for (size_t n = AGREEMENT_NAME_MAX; n <= AGREEMENT_NAME_MAX + 1; n++)
		for (int wide = 0; wide <= 1; wide++) {
			CLEANUP(agreement_freep) struct agreement *a = NULL;
			const char *c = wide ? "\xf0\x9f\x9a\x80" : "x";
			char line[600] = "agreement: ";

			for (size_t i = 0; i < n; i++)
				memcpy(line + 11 + i * strlen(c), c, strlen(c) + 1);
			assert_int_equal(parse_with(1, line, &a),
					 n == AGREEMENT_NAME_MAX ? ERR_OK : ERR_INVALID);
			if (a)
				assert_string_equal(agreement_name(a), line + 11);
		}
}

static void sizes_are_limited(void **state)
{
	CLEANUP(buf_fini) struct buf b;
	CLEANUP(buf_fini) struct buf line;

	(void)state;
	buf_init(&b, 0);
	buf_init(&line, 0);
	/* bytes */
	text_with(&b, 0, NULL);
	while (b.n < AGREEMENT_BYTES_MAX)
		assert_int_equal(buf_put_u8(&b, '\n'), ERR_OK);
	for (int over = 0; over <= 1; over++) {
		CLEANUP(agreement_freep) struct agreement *a = NULL;

		assert_int_equal(agreement_parse(buf_view(&b), &a), over ? ERR_LIMIT : ERR_OK);
		assert_int_equal(buf_put_u8(&b, '\n'), ERR_OK);
	}
	/* parties */
	for (int n = AGREEMENT_PARTIES_MAX; n <= AGREEMENT_PARTIES_MAX + 1; n++) {
		CLEANUP(agreement_freep) struct agreement *a = NULL;

		buf_clear(&line);
		assert_int_equal(buf_put_str(&line, "parties: ["), ERR_OK);
		for (int i = 0; i < n; i++)
			assert_int_equal(buf_printf(&line, "spiffe://cz.example/p%d,", i), ERR_OK);
		assert_int_equal(buf_put(&line, "]", 2), ERR_OK);
		assert_int_equal(parse_with(2, (const char *)buf_data(&line), &a),
				 n == AGREEMENT_PARTIES_MAX ? ERR_OK : ERR_INVALID);
	}
	/* rules */
	for (int n = AGREEMENT_RULES_MAX; n <= AGREEMENT_RULES_MAX + 1; n++) {
		CLEANUP(agreement_freep) struct agreement *a = NULL;

		buf_clear(&b);
		for (int i = 0; i < 5; i++)
			assert_int_equal(buf_printf(&b, "%s\n", base_lines[i]), ERR_OK);
		for (int i = 0; i < n; i++)
			assert_int_equal(buf_printf(&b,
						    "- {name: r%d, record: CaseRecord, "
						    "stage: request, fields: [case, incident], "
						    "consent: required, retention_days: 1, "
						    "onward: none}\n",
						    i),
					 ERR_OK);
		assert_int_equal(agreement_parse(buf_view(&b), &a),
				 n == AGREEMENT_RULES_MAX ? ERR_OK : ERR_INVALID);
	}
	assert_non_null(strstr(err_words(), "1 to 256 rules"));
}

static void hostile_yaml_is_refused(void **state)
{
	static const char laughs[] = "a: &a [x, x, x, x, x, x, x, x, x]\n"
				     "b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
				     "c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\n"
				     "d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\n";
	static const struct {
		const char *bytes;
		size_t n;
		const char *words;
	} cases[] = {
		{laughs, sizeof(laughs) - 1, "line 1: an anchor"},
		{"", 0, "empty"},
		{"agreement: a\0b\n", 15, "cannot be seen"},
		{"agreement: \xff\n", 13, "not UTF-8"},
		{"[a]\n", 4, "must be a map"},
		{"a\n", 2, "must be a map"},
		{"agreement: a\n---\nagreement: b\n", 30, "line 2: a second document"},
		{"<<: {agreement: a}\n", 19, "there is no key \"<<\""},
	};
	struct agreement *a = NULL;
	CLEANUP(buf_fini) struct buf b;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(agreement_parse(view_of(cases[i].bytes, cases[i].n), &a),
				 ERR_INVALID);
		assert_non_null(strstr(err_words(), cases[i].words));
	}
	buf_init(&b, 0);
	while (b.n < AGREEMENT_BYTES_MAX)
		assert_int_equal(buf_put_u8(&b, '['), ERR_OK);
	assert_int_equal(agreement_parse(buf_view(&b), &a), ERR_INVALID);
	assert_non_null(strstr(err_words(), "deep"));
	assert_null(a);
}

/* Any byte changed anywhere: refused or read, never worse; and it is another agreement. */
static void every_byte_changed(void **state)
{
	CLEANUP(buf_fini) struct buf b;
	CLEANUP(agreement_freep) struct agreement *whole = NULL;

	(void)state;
	buf_init(&b, 0);
	text_with(&b, 0, NULL);
	assert_int_equal(agreement_parse(buf_view(&b), &whole), ERR_OK);
	for (size_t i = 0; i < b.n; i++) {
		static const uint8_t values[] = {0,   '\n', ' ', '[', '}',  ':', '&',
						 '"', '#',  '0', 'a', 0x80, 0xff};
		uint8_t kept = buf_data(&b)[i];

		for (size_t j = 0; j < ARRAY_LEN(values); j++) {
			CLEANUP(agreement_freep) struct agreement *a = NULL;

			if (values[j] == kept)
				continue;
			buf_data(&b)[i] = values[j];
			if (!agreement_parse(buf_view(&b), &a))
				assert_false(
					digest_eq(agreement_digest(a), agreement_digest(whole)));
		}
		buf_data(&b)[i] = kept;
	}
}

static int set_up(void **state)
{
	(void)state;
	return crypto_init() == ERR_OK ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_read),
		cmocka_unit_test(days_are_whole_and_utc),
		cmocka_unit_test(each_day_is_counted),
		cmocka_unit_test(mistakes_are_told_with_their_line),
		cmocka_unit_test(every_line_is_needed_or_not),
		cmocka_unit_test(names_count_characters),
		cmocka_unit_test(sizes_are_limited),
		cmocka_unit_test(hostile_yaml_is_refused),
		cmocka_unit_test(every_byte_changed),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
