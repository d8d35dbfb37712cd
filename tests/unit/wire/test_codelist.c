/* Code lists: ENUM both ways, ISO sets hit and miss, formats at their edges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/codelist.h"

static const char *const list_names[] = {
	"iso-3166-1",
	"iso-639-3",
	"iso-15924",
	"nationality",
	"sex",
	"date_precision",
	"relation",
	"risk_level",
	"source_grade",
	"information_grade",
	"missing_category",
	"incident_kind",
	"care_arrangement",
	"protection_concern",
	"age",
	"day",
	"e164",
	"email",
	"height-cm",
	"month",
	"record-id",
	"ref",
	"seq",
	"sha-256",
	"un-locode",
	"utc-us",
	"year",
	"purpose",
	"tlp",
	"restriction",
};

static bool has(const char *list, const char *text)
{
	const struct codelist *found = codelist_find(list);

	assert_non_null(found);
	return codelist_has_text(found, text, strlen(text));
}

static void lists_are_found_by_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(list_names) / sizeof(list_names[0]); i++) {
		const struct codelist *list = codelist_find(list_names[i]);

		assert_non_null(list);
		assert_string_equal(codelist_name(list), list_names[i]);
		assert_true(strlen(codelist_title(list)) > 0);
		assert_int_equal(codelist_kind(list) == CODELIST_FORMAT, codelist_count(list) == 0);
	}
	assert_null(codelist_find("no-such-list"));
	assert_null(codelist_find(""));
}

static void enum_codes_go_both_ways(void **state)
{
	const struct codelist *sex = codelist_find("sex");
	int number = -1;

	(void)state;
	assert_true(codelist_number_of(sex, "not-known", &number));
	assert_int_equal(number, 10);
	assert_string_equal(codelist_code_of(sex, 2), "female");
	assert_null(codelist_code_of(sex, 0));
	assert_null(codelist_code_of(sex, 3));
	assert_null(codelist_code_of(sex, -1));
	number = -1;
	assert_false(codelist_number_of(sex, "NOT_KNOWN", &number));
	assert_false(codelist_number_of(sex, "", &number));
	assert_false(codelist_number_of(codelist_find("iso-3166-1"), "CZE", &number));
	assert_int_equal(number, -1);
	assert_null(codelist_code_of(codelist_find("month"), 1));
	for (size_t i = 0; i < sizeof(list_names) / sizeof(list_names[0]); i++) {
		const struct codelist *list = codelist_find(list_names[i]);

		if (codelist_kind(list) != CODELIST_ENUM)
			continue;
		for (size_t k = 0; k < codelist_count(list); k++) {
			const char *code = codelist_code_at(list, k);

			assert_true(codelist_number_of(list, code, &number));
			assert_true(number > 0);
			assert_string_equal(codelist_code_of(list, number), code);
			assert_true(codelist_has_text(list, code, strlen(code)));
			assert_true(codelist_has_number(list, (uint64_t)number));
		}
	}
	assert_string_equal(codelist_code_of(codelist_find("information_grade"), 1), "1");
	assert_string_equal(codelist_code_of(codelist_find("source_grade"), 4), "x");
	assert_false(codelist_has_number(sex, 0));
	assert_false(codelist_has_number(sex, UINT64_MAX));
	assert_false(codelist_has_number(sex, (UINT64_C(1) << 32) + 1));
}

static void iso_sets_hit_and_miss(void **state)
{
	(void)state;
	assert_true(has("iso-3166-1", "ABW") && has("iso-3166-1", "ZWE"));
	assert_true(has("iso-3166-1", "CZE") && has("iso-3166-1", "SVK") &&
		    has("iso-3166-1", "ERI"));
	assert_false(has("iso-3166-1", "XXA") || has("iso-3166-1", "XXB"));
	assert_false(has("iso-3166-1", "cze") || has("iso-3166-1", "CZ") ||
		     has("iso-3166-1", "CZEE"));
	assert_false(has("iso-3166-1", "") || has("iso-3166-1", "AAA") || has("iso-3166-1", "ZZZ"));
	assert_true(has("nationality", "XXA") && has("nationality", "XXB") &&
		    has("nationality", "UKR"));
	assert_false(has("nationality", "XXC"));
	assert_true(has("iso-639-3", "aaa") && has("iso-639-3", "zzj") && has("iso-639-3", "tir"));
	assert_false(has("iso-639-3", "ti") || has("iso-639-3", "TIR") || has("iso-639-3", "qqq"));
	assert_true(has("iso-15924", "Latn") && has("iso-15924", "Cyrl") &&
		    has("iso-15924", "Arab"));
	assert_true(has("iso-15924", "Ethi"));
	assert_false(has("iso-15924", "latn") || has("iso-15924", "Lat"));
	/* a NUL or a longer text is not cut to what fits */
	assert_false(codelist_has_text(codelist_find("iso-3166-1"), "CZE\0", 4));
	assert_false(codelist_has_text(codelist_find("iso-3166-1"), "CZ\0", 3));
}

static void every_code_of_a_set_is_found(void **state)
{
	static const char *const sets[] = {"iso-3166-1", "iso-639-3", "iso-15924", "nationality"};

	(void)state;
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		const struct codelist *list = codelist_find(sets[i]);

		assert_true(codelist_count(list) > 150);
		for (size_t k = 0; k < codelist_count(list); k++) {
			const char *code = codelist_code_at(list, k);

			assert_true(codelist_has_text(list, code, strlen(code)));
			assert_true(k == 0 || strcmp(codelist_code_at(list, k - 1), code) < 0);
		}
	}
	assert_int_equal(codelist_count(codelist_find("nationality")),
			 codelist_count(codelist_find("iso-3166-1")) + 2);
}

static void text_formats_hold_their_edges(void **state)
{
	(void)state;
	assert_true(has("e164", "+420123456789") && has("e164", "+1234567"));
	assert_true(has("e164", "+123456789012345"));
	assert_false(has("e164", "+1234567890123456") || has("e164", "+123456"));
	assert_false(has("e164", "420123456789") || has("e164", "+0420123456"));
	assert_false(has("e164", "+420 123 456") || has("e164", "+42012345678a") ||
		     has("e164", ""));
	assert_true(has("un-locode", "CZPRG") && has("un-locode", "ITLMP") &&
		    has("un-locode", "US2AB"));
	assert_false(has("un-locode", "CZ PRG") || has("un-locode", "czprg"));
	assert_false(has("un-locode", "CZPR") || has("un-locode", "CZPR1") ||
		     has("un-locode", "CZPRGX"));
	assert_true(has("email", "a@b.cz") &&
		    has("email", "jana.nov\xc3\xa1kov\xc3\xa1@example.org"));
	assert_false(has("email", "a@b") || has("email", "@b.cz") || has("email", "a@.cz"));
	assert_false(has("email", "a@@b.cz") || has("email", "a@b@c.cz") ||
		     has("email", "a b@c.cz"));
	assert_false(has("email", "a@b.cz.") || has("email", "a@b.cz\r\nBcc: x@y.cz"));
	assert_false(has("email", "<a@b.cz>") || has("email", "abc") || has("email", ""));
	/* formats of numbers and of bytes hold no text */
	assert_false(has("month", "1") || has("ref", "12345678"));
}

static void number_and_byte_formats_hold_their_edges(void **state)
{
	static const struct {
		const char *list;
		uint64_t min;
		uint64_t max;
	} ranges[] = {
		{"month", 1, 12},
		{"day", 1, 31},
		{"year", 1900, 2200},
		{"age", 0, 120},
		{"height-cm", 20, 260},
		{"seq", 1, 999},
		{"utc-us", 1, 253402300799999999},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		const struct codelist *list = codelist_find(ranges[i].list);

		assert_true(codelist_has_number(list, ranges[i].min));
		assert_true(codelist_has_number(list, ranges[i].max));
		assert_false(codelist_has_number(list, ranges[i].max + 1));
		if (ranges[i].min > 0)
			assert_false(codelist_has_number(list, ranges[i].min - 1));
	}
	assert_false(codelist_has_number(codelist_find("e164"), 0));
	assert_false(codelist_has_number(codelist_find("iso-3166-1"), 203));
	assert_true(codelist_has_length(codelist_find("ref"), 8));
	assert_false(codelist_has_length(codelist_find("ref"), 7));
	assert_true(codelist_has_length(codelist_find("record-id"), 16));
	assert_true(codelist_has_length(codelist_find("sha-256"), 32));
	assert_false(codelist_has_length(codelist_find("month"), 0));
	assert_false(codelist_has_length(codelist_find("sex"), 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_found_by_name),
		cmocka_unit_test(enum_codes_go_both_ways),
		cmocka_unit_test(iso_sets_hit_and_miss),
		cmocka_unit_test(every_code_of_a_set_is_found),
		cmocka_unit_test(text_formats_hold_their_edges),
		cmocka_unit_test(number_and_byte_formats_hold_their_edges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
