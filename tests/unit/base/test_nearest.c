/* Which name may have been meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/nearest.h"
#include "base/own.h"

#define L63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const char *nearest_of(const char *wrong, const char *const *names)
{
	struct nearest n = nearest_begin(wrong);

	for (; *names; names++)
		nearest_see(&n, *names);
	return n.name;
}

static void near_ones_are_found(void **state)
{
	static const char *const names[] = {"import", "list", "lisp", "retention_days", NULL};
	static const struct {
		const char *wrong, *meant;
	} cases[] = {
		{"lsit", "list"},		    /* the first of equals */
		{"lis", "list"},		    /* one put in */
		{"lispp", "lisp"},		    /* one too many */
		{"retenton_day", "retention_days"}, /* two apart */
		{"exp", NULL},			    /* three apart is too far for so short a word */
		{"x", NULL},
		{"", NULL},
		{"colour", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *found = nearest_of(cases[i].wrong, names);

		if (!cases[i].meant)
			assert_null(found);
		else
			assert_string_equal(found, cases[i].meant);
	}
}

static void long_ones_are_near_nothing(void **state)
{
	static const char *const names[] = {L63, L63 "a", NULL};

	(void)state;
	assert_ptr_equal(nearest_of(L63, names + 1), NULL);
	assert_ptr_equal(nearest_of(L63, names), names[0]);
	assert_null(nearest_of(L63 "a", names));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(near_ones_are_found),
		cmocka_unit_test(long_ones_are_near_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
