/* Derived fields: by difference of years, the child's benefit of the doubt, nothing invented. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "record/derive.h"
#include "unit/record/records.h"

#define BORN(year) "\"identity\":{\"date_of_birth\":{\"year\":" #year "}}"
#define AGED(age) "\"identity\":{\"age\":{" age "}}"
#define LIVES(code) "\"contact\":{\"current_address\":{\"country\":\"" code "\"}}"

/* what deriving from groups gives, as the JSON of the derived group on one line; "" for none */
static void derive(const char *groups, uint32_t year, char ret[512])
{
	CLEANUP(record_fini) struct record r;
	CLEANUP(buf_fini) struct buf derived = {0};
	CLEANUP(buf_fini) struct buf again = {0};
	CLEANUP(buf_fini) struct buf json = {0};
	char text[1024];
	const char *p;
	size_t n = 0;

	(void)snprintf(text, sizeof(text), "{\"type\":\"VictimRecord\",%s}", groups);
	record_of_text(text, &r);
	assert_int_equal(record_derive(r.type, buf_view(&r.bytes), year, &derived), ERR_OK);
	assert_int_equal(message_opinion(r.type, buf_view(&derived)), ERR_OK);
	/* what it made itself is replaced by the same */
	assert_int_equal(record_derive(r.type, buf_view(&derived), year, &again), ERR_OK);
	assert_true(view_eq(buf_view(&derived), buf_view(&again)));
	assert_int_equal(record_to_json(r.type, buf_view(&derived), &json), ERR_OK);
	assert_int_equal(buf_put_u8(&json, 0), ERR_OK);
	p = strstr((char *)buf_data(&json), "\"derived\": {");
	for (p = p ? p + 12 : ""; *p && *p != '}'; p++)
		if (*p != ' ' && *p != '\n' && *p != '"')
			ret[n++] = *p;
	ret[n] = '\0';
}

static void test_table(void **state)
{
	static const struct {
		const char *groups;
		uint32_t year;
		const char *derived;
	} cases[] = {
		{BORN(2012), 2024,
		 "year_of_birth:2012,is_minor:true,age_band:10-to-12,as_of_year:2024"},
		{BORN(2012), 2014,
		 "year_of_birth:2012,is_minor:true,age_band:0-to-2,as_of_year:2014"},
		{BORN(2012), 2015,
		 "year_of_birth:2012,is_minor:true,age_band:3-to-5,as_of_year:2015"},
		{BORN(2012), 2018,
		 "year_of_birth:2012,is_minor:true,age_band:6-to-9,as_of_year:2018"},
		{BORN(2012), 2021,
		 "year_of_birth:2012,is_minor:true,age_band:6-to-9,as_of_year:2021"},
		{BORN(2012), 2025,
		 "year_of_birth:2012,is_minor:true,age_band:13-to-15,as_of_year:2025"},
		{BORN(2012), 2028,
		 "year_of_birth:2012,is_minor:true,age_band:16-to-17,as_of_year:2028"},
		{BORN(2012), 2029,
		 "year_of_birth:2012,is_minor:true,age_band:16-to-17,as_of_year:2029"},
		/* the year of the 18th birthday, and the one after */
		{BORN(2012), 2030,
		 "year_of_birth:2012,is_minor:true,age_band:16-to-17,as_of_year:2030"},
		{BORN(2012), 2031,
		 "year_of_birth:2012,is_minor:false,age_band:18-and-over,as_of_year:2031"},
		{BORN(2012), 2012,
		 "year_of_birth:2012,is_minor:true,age_band:0-to-2,as_of_year:2012"},
		/* a birth that is expected */
		{BORN(2025), 2024,
		 "year_of_birth:2025,is_minor:true,age_band:0-to-2,as_of_year:2024"},
		/* month and day change nothing */
		{"\"identity\":{\"date_of_birth\":{\"year\":2006,\"month\":1,\"day\":1}}", 2024,
		 "year_of_birth:2006,is_minor:true,age_band:16-to-17,as_of_year:2024"},
		/* estimates: youngest, aged since, never a year of birth */
		{AGED("\"years\":15"), 2024, "is_minor:true,age_band:13-to-15,as_of_year:2024"},
		{AGED("\"years\":15,\"assessed_on\":{\"year\":2021}"), 2024,
		 "is_minor:true,age_band:16-to-17,as_of_year:2024"},
		{AGED("\"years\":15,\"assessed_on\":{\"year\":2020}"), 2024,
		 "is_minor:false,age_band:18-and-over,as_of_year:2024"},
		{AGED("\"years\":20,\"years_min\":16"), 2024,
		 "is_minor:true,age_band:16-to-17,as_of_year:2024"},
		{AGED("\"years_min\":0"), 2024, "is_minor:true,age_band:0-to-2,as_of_year:2024"},
		{AGED("\"years_max\":16"), 2024, ""},
		{AGED("\"method\":\"interview\""), 2024, ""},
		/* while it is contested: a child */
		{AGED("\"years\":25,\"contested\":true"), 2024, "is_minor:true,as_of_year:2024"},
		{AGED("\"years\":25,\"benefit_of_doubt\":true"), 2024,
		 "is_minor:true,as_of_year:2024"},
		{AGED("\"years\":25,\"contested\":false,\"benefit_of_doubt\":false"), 2024,
		 "is_minor:false,age_band:18-and-over,as_of_year:2024"},
		{AGED("\"years\":17,\"contested\":true"), 2024,
		 "is_minor:true,age_band:16-to-17,as_of_year:2024"},
		/* country */
		{LIVES("CZE"), 2024, "as_of_year:2024,country_of_residence:CZE"},
		{BORN(2012) "," LIVES("SVK"), 2024,
		 "year_of_birth:2012,is_minor:true,age_band:10-to-12,as_of_year:2024,"
		 "country_of_residence:SVK"},
		{"\"contact\":{\"last_address\":{\"country\":\"CZE\"}}", 2024, ""},
		{"\"safety\":{\"shelter_address\":{\"country\":\"CZE\"}}", 2024, ""},
		{"\"routing\":{\"text_language\":\"ces\"}", 2024, ""},
		/* what the author claims is replaced, or goes */
		{BORN(2012) ",\"derived\":{\"is_minor\":false,\"year_of_birth\":1990,"
			    "\"country_of_residence\":\"USA\"}",
		 2024, "year_of_birth:2012,is_minor:true,age_band:10-to-12,as_of_year:2024"},
		{"\"routing\":{\"text_language\":\"ces\"},\"derived\":{\"is_minor\":false}", 2024,
		 ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char derived[512];

		derive(cases[i].groups, cases[i].year, derived);
		assert_string_equal(derived, cases[i].derived);
	}
}

static void test_rest_stays(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_RECORDS; i++) {
		CLEANUP(record_fini) struct record r;
		CLEANUP(buf_fini) struct buf derived = {0};
		CLEANUP(slice_set_fini) struct slice_set before = {0};
		CLEANUP(slice_set_fini) struct slice_set after = {0};
		size_t k = 0;

		record_load(i, &r);
		assert_int_equal(record_derive(r.type, buf_view(&r.bytes), 2024, &derived), ERR_OK);
		assert_int_equal(record_cut(r.type, buf_view(&r.bytes), &before), ERR_OK);
		assert_int_equal(record_cut(r.type, buf_view(&derived), &after), ERR_OK);
		for (size_t a = 0; a < after.n; a++) {
			if (derive_makes(after.slice[a].unit))
				continue;
			while (derive_makes(before.slice[k].unit))
				k++;
			assert_true(view_eq(after.slice[a].bytes, before.slice[k].bytes));
			k++;
		}
		if (r.type == RECORD_CASE)
			assert_true(view_eq(buf_view(&r.bytes), buf_view(&derived)));
	}
}

static void test_errors(void **state)
{
	static const uint8_t bad[] = {0x12, 0x00};
	CLEANUP(buf_fini) struct buf out = {0};

	(void)state;
	assert_int_equal(record_derive(RECORD_VICTIM, view_of(bad, 2), 2024, &out), ERR_INVALID);
	assert_int_equal(record_derive(RECORD_VICTIM, view_of(bad, 1), 2024, &out), ERR_FORMAT);
	assert_int_equal(record_derive(RECORD_CASE, view_of(bad, 2), 1899, &out), ERR_INVALID);
	assert_int_equal(record_derive(RECORD_CASE, view_of(bad, 2), 2201, &out), ERR_INVALID);
	assert_int_equal(out.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_rest_stays),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
