/* The command line of amparod. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "base/own.h"
#include "parent/options.h"

#define WORDS_MAX 6

static enum err parse(const char *const *words, struct options *ret)
{
	static char text[WORDS_MAX + 1][32];
	char *argv[WORDS_MAX + 2] = {text[0]};
	int argc = 1;

	memcpy(text[0], "amparod", 8);
	for (; words[argc - 1]; argc++) {
		memcpy(text[argc], words[argc - 1], strlen(words[argc - 1]) + 1);
		argv[argc] = text[argc];
	}
	return options_parse(argc, argv, ret);
}

static void test_good(void **state)
{
	static const struct {
		const char *words[WORDS_MAX];
		enum options_task task;
		const char *config;
	} cases[] = {
		{{"--config", "a"}, OPTIONS_SERVE, "a"},
		{{"--config=a"}, OPTIONS_SERVE, "a"},
		{{"--config", "a", "--check-config"}, OPTIONS_CHECK_CONFIG, "a"},
		{{"--check-config", "--config", "a"}, OPTIONS_CHECK_CONFIG, "a"},
		{{"--init", "--config", "a"}, OPTIONS_INIT, "a"},
		{{"--config", "a", "gate"}, OPTIONS_GATE, "a"},
		{{"--config", "a", "vault"}, OPTIONS_VAULT, "a"},
		{{"--version"}, OPTIONS_VERSION, NULL},
		{{"--help"}, OPTIONS_HELP, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct options o;

		assert_int_equal(parse(cases[i].words, &o), ERR_OK);
		assert_int_equal(o.task, cases[i].task);
		if (cases[i].config)
			assert_string_equal(o.config, cases[i].config);
		else
			assert_null(o.config);
	}
}

static void test_the_wrong_word_is_named(void **state)
{
	static const struct {
		const char *words[WORDS_MAX];
		const char *named;
	} cases[] = {
		{{"--what"}, "--what: no such"},
		{{"--config", "a", "--what"}, "--what: no such"},
		{{"--init", "--config"}, "--config: no such option, or one without its value"},
		{{"--init", "-xy", "a"}, "-xy: no such"},
		{{"gate", "--what"}, "--what: no such"},
		{{"--init=a"}, "--init=a: no such"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct options o;

		assert_int_equal(parse(cases[i].words, &o), ERR_INVALID);
		assert_ptr_equal(strstr(err_words(), cases[i].named), err_words());
	}
}

static void test_wrong(void **state)
{
	static const char *const cases[][WORDS_MAX] = {
		{NULL},
		{"--config"},
		{"--what"},
		{"-c", "a"},
		{"--init"},
		{"gate"},
		{"--config", "a", "tower"},
		{"--config", "a", ""},
		{"--config", "a", "gate", "vault"},
		{"--config", "a", "--init", "vault"},
		{"--config", "a", "--config", "b"},
		{"--config", "a", "--init", "--check-config"},
		{"--version", "--help"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct options o = {.config = "untouched"};

		assert_int_equal(parse(cases[i], &o), ERR_INVALID);
		assert_string_equal(o.config, "untouched");
		assert_true(strlen(err_words()) > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_the_wrong_word_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
