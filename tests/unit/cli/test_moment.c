#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/own.h"
#include "cli/moment.h"

#define DAY_US UINT64_C(86400000000)

static void moments_are_read(void **state)
{
	static const struct {
		const char *text;
		uint64_t s;
	} cases[] = {
		{"1970-01-01", 0},
		{"1970-01-01T00:00Z", 0},
		{"2026-11-22T14:03Z", 1795356180},
		{"2026-11-22 14:03 UTC", 1795356180},
		{"2026-11-22T14:03:00+00:00", 1795356180},
		{"2026-11-22T15:03+01:00", 1795356180},
		{"2026-11-22T08:33:05-05:30", 1795356185},
		{"2024-02-29T00:00Z", 1709164800},
		{"9999-12-31T23:59:59Z", 253402300799},
	};
	uint64_t us;
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(moment_read(cases[i].text, false, &us), ERR_OK);
		assert_int_equal(us, cases[i].s * 1000000);
	}
}

static void a_day_has_two_ends(void **state)
{
	uint64_t from, until;
	(void)state;

	assert_int_equal(moment_read("2026-11-22", false, &from), ERR_OK);
	assert_int_equal(moment_read("2026-11-22", true, &until), ERR_OK);
	assert_int_equal(until - from, DAY_US - 1);
	/* a moment is itself, whichever is asked */
	assert_int_equal(moment_read("2026-11-22T00:00Z", true, &until), ERR_OK);
	assert_int_equal(until, from);
}

static void what_is_no_moment_is_refused(void **state)
{
	static const char *const cases[] = {
		"",
		"2026",
		"2026-11",
		"2026-11-2",
		"2026-13-01",
		"2026-00-01",
		"2026-02-29",
		"2026-11-31",
		"2026-11-00",
		"1969-12-31",
		"26-11-22",
		" 2026-11-22",
		"2026-11-22 ",
		"2026-11-22T",
		"2026-11-22T14",
		"2026-11-22T14:03", /* whose clock? */
		"2026-11-22T24:00Z",
		"2026-11-22T14:60Z",
		"2026-11-22T14:03:60Z",
		"2026-11-22T14:03:1Z",
		"2026-11-22T14:03z",
		"2026-11-22T14:03+1:00",
		"2026-11-22T14:03+15:00",
		"2026-11-22T14:03+01:00x",
		"2026-11-22T14:03ZZ",
		"1970-01-01T00:00+00:01",
		"9999-12-31T23:59-00:01",
		"+2026-11-22",
		"2026-11-22\n",
	};
	uint64_t us = 7;
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (moment_read(cases[i], false, &us) != ERR_FORMAT)
			fail_msg("'%s' was taken", cases[i]);
	}
	assert_int_equal(us, 7);
}

static void moments_are_written(void **state)
{
	char text[MOMENT_MAX];
	char people[MOMENT_MAX];
	(void)state;

	assert_string_equal(moment_write(UINT64_C(1795356180000001), text),
			    "2026-11-22T14:03:00.000001Z");
	assert_string_equal(moment_for_people(text, people), "2026-11-22 14:03 UTC");
	assert_string_equal(moment_write(0, text), "1970-01-01T00:00:00.000000Z");
	assert_string_equal(moment_write(UINT64_MAX, text), "9999-12-31T23:59:59.999999Z");
	assert_string_equal(moment_for_people("", people), "");
	assert_string_equal(moment_for_people("2026-01-01", people), "2026-01-01");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moments_are_read),
		cmocka_unit_test(a_day_has_two_ends),
		cmocka_unit_test(what_is_no_moment_is_refused),
		cmocka_unit_test(moments_are_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
