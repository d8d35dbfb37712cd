/* Errors: names, texts, classes, where the newest came from; ASSERT ends the program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/own.h"

static const enum err all[] = {
#define X(code, class, text) code,
	ERR_LIST(X)
#undef X
};

static void each_error_has_its_own_name_and_text(void **state)
{
	(void)state;
	assert_int_equal(ERR_OK, 0);
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		assert_int_equal(all[i], i);
		assert_true(strncmp(err_name(all[i]), "ERR_", 4) == 0);
		assert_true(strlen(err_text(all[i])) > 0);
		for (size_t k = 0; k < i; k++) {
			assert_string_not_equal(err_name(all[i]), err_name(all[k]));
			assert_string_not_equal(err_text(all[i]), err_text(all[k]));
		}
	}
}

static void classes_are_those_of_the_list(void **state)
{
	(void)state;
	assert_int_equal(err_class(ERR_OK), ERR_CLASS_OK);
	assert_int_equal(err_class(ERR_AGAIN), ERR_CLASS_AGAIN);
	assert_int_equal(err_class(ERR_SIGNATURE), ERR_CLASS_PEER);
	assert_int_equal(err_class(ERR_STORAGE), ERR_CLASS_LOCAL);
	assert_int_equal(err_class(ERR_CONFIG), ERR_CLASS_CONFIG);
	assert_int_equal(err_class(ERR_BUG), ERR_CLASS_BUG);
}

static void a_value_outside_the_list_is_a_bug_of_ours(void **state)
{
	enum err strange = (enum err)(ARRAY_LEN(all) + 5);

	(void)state;
	assert_int_equal(err_class(strange), ERR_CLASS_BUG);
	assert_string_equal(err_name(strange), "ERR_UNKNOWN");
	assert_string_equal(err_text(strange), "unknown error");
}

static void the_origin_is_kept_when_passed_on(void **state)
{
	char expected[64];
	int line;

	(void)state;
	err_clear();
	assert_string_equal(err_detail(), "");
	assert_string_equal(err_words(), "");
	line = __LINE__ + 1;
	assert_int_equal(err_new(ERR_PROOF, "node %d of %s", 3, "x"), ERR_PROOF);
	(void)snprintf(expected, sizeof(expected), "test_err.c:%d: node 3 of x", line);
	assert_string_equal(err_detail(), expected);
	assert_int_equal(err_trace(ERR_PROOF), ERR_PROOF);
	assert_string_equal(err_detail(), expected);
	assert_string_equal(err_words(), "node 3 of x");
	assert_int_equal(err_new(ERR_LIMIT, "newer"), ERR_LIMIT);
	assert_string_equal(err_words(), "newer");
	/* the words of the error before, in those of the next */
	assert_int_equal(err_new(ERR_INVALID, "%s: look there", err_words()), ERR_INVALID);
	assert_string_equal(err_words(), "newer: look there");
}

static void an_error_without_origin_gets_its_text(void **state)
{
	(void)state;
	err_clear();
	assert_int_equal(err_trace(ERR_LIMIT), ERR_LIMIT);
	assert_string_equal(err_words(), err_text(ERR_LIMIT));
}

static void a_long_detail_is_cut(void **state)
{
	char longer[2 * ERR_DETAIL_MAX];

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(err_new(ERR_IO, "%s", longer), ERR_IO);
	assert_int_equal(strlen(err_detail()), ERR_DETAIL_MAX - 1);
	/* a file's name alone may be too long */
	assert_int_equal(err_new_at(ERR_IO, longer, 1, "words"), ERR_IO);
	assert_string_equal(err_detail(), "words");
}

static void assert_ends_the_program_and_says_where(void **state)
{
	char said[256] = "";
	int fds[2], status = 0;
	ssize_t n;
	pid_t child;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	child = fork();
	if (child == 0) {
		const struct rlimit none = {0};

		(void)setrlimit(RLIMIT_CORE, &none);
		(void)dup2(fds[1], 2);
		ASSERT(1 + 1 == 2);
		ASSERT(1 + 1 == 3);
		_exit(0);
	}
	(void)close(fds[1]);
	n = read(fds[0], said, sizeof(said) - 1);
	(void)close(fds[0]);
	assert_true(waitpid(child, &status, 0) == child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_true(n > 0);
	assert_non_null(strstr(said, "test_err.c"));
	assert_non_null(strstr(said, "assertion failed: 1 + 1 == 3"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_error_has_its_own_name_and_text),
		cmocka_unit_test(classes_are_those_of_the_list),
		cmocka_unit_test(a_value_outside_the_list_is_a_bug_of_ours),
		cmocka_unit_test(the_origin_is_kept_when_passed_on),
		cmocka_unit_test(an_error_without_origin_gets_its_text),
		cmocka_unit_test(a_long_detail_is_cut),
		cmocka_unit_test(assert_ends_the_program_and_says_where),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
