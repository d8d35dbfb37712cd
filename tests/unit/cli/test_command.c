#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/own.h"
#include "cli/command.h"
#include "wire/codelist.h"

#define ARGUMENTS_MAX 48

/* Parse words written with spaces; '_' in a word stands for a space, "''" for the empty word. */
static enum err parse(const char *line, struct invocation *ret)
{
	static char text[400];
	char *argv[ARGUMENTS_MAX] = {text};
	int argc = 1;
	size_t n = strlen(line);

	assert_true(n < sizeof(text) - 8);
	memcpy(text, "amparo", 7);
	memcpy(text + 7, line, n + 1);
	for (char *p = text + 7; *p;) {
		size_t length = strcspn(p, " ");
		bool is_last = p[length] == '\0';

		assert_true(argc < ARGUMENTS_MAX);
		argv[argc++] = p;
		p[length] = '\0';
		if (strcmp(p, "''") == 0)
			*p = '\0';
		for (char *q = p; q < p + length; q++)
			*q = *q == '_' ? ' ' : *q;
		p += length + (is_last ? 0 : 1);
	}
	return command_parse(argc, argv, ret);
}

static void good(const char *line, struct invocation *ret)
{
	enum err e = parse(line, ret);

	if (e)
		fail_msg("%s: %s", line, err_words());
}

static void options_stand_anywhere(void **state)
{
	static const char *const lines[] = {
		"--json --socket /s record show abc --reason because_of_it",
		"record --socket=/s --json show --reason because_of_it abc",
		"record show --reason=because_of_it --json -- abc --socket",
		"--reason because_of_it record show abc --json --socket /s",
	};
	struct invocation in;
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		if (i == 2) { /* what stands behind "--" is no option */
			assert_int_equal(parse(lines[i], &in), ERR_INVALID);
			continue;
		}
		good(lines[i], &in);
		assert_string_equal(in.command->verb, "show");
		assert_string_equal(in.operand, "abc");
		assert_string_equal(in.option[OPTION_ID_REASON].text, "because of it");
		assert_string_equal(in.option[OPTION_ID_SOCKET].text, "/s");
		assert_true(in.option[OPTION_ID_JSON].is_given);
	}
	good("record check -- --odd", &in);
	assert_string_equal(in.operand, "--odd");
	good("record check -", &in);
	assert_string_equal(in.operand, "-");
	good("record show abc --reason --json", &in);
	assert_string_equal(in.option[OPTION_ID_REASON].text, "--json");
}

static void values_are_read(void **state)
{
	struct invocation in;
	(void)state;

	good("referral send --record aa --to p --purpose family-tracing --basis treaty"
	     " --type sighting --urgency immediate --reply-by 2026-12-01 --consent guardian"
	     " --consent-date 2026-12-01 --handling amber-strict --transfer --preview",
	     &in);
	assert_int_equal(in.option[OPTION_ID_PURPOSE].code, 3);
	assert_int_equal(in.option[OPTION_ID_BASIS].code, 6);
	assert_int_equal(in.option[OPTION_ID_TYPE].code, 13);
	assert_int_equal(in.option[OPTION_ID_URGENCY].code, 3);
	assert_int_equal(in.option[OPTION_ID_CONSENT].code, 3);
	assert_int_equal(in.option[OPTION_ID_HANDLING].code, 2);
	/* by the end of the day, but since its beginning */
	assert_int_equal(in.option[OPTION_ID_REPLY_BY].number -
				 in.option[OPTION_ID_CONSENT_DATE].number,
			 UINT64_C(86400000000) - 1);
	assert_true(in.option[OPTION_ID_TRANSFER].is_given);
	assert_null(in.option[OPTION_ID_TRANSFER].text);
	good("audit list --from 0 --limit 999999999999999999", &in);
	assert_int_equal(in.option[OPTION_ID_LIMIT].number, UINT64_C(999999999999999999));
}

static void help_and_version_ask_for_little(void **state)
{
	struct invocation in;
	(void)state;

	good("--help", &in);
	assert_null(in.command);
	good("record --help", &in);
	assert_null(in.command);
	assert_string_equal(in.noun, "record");
	good("referral send -h", &in);
	assert_string_equal(in.command->verb, "send");
	good("--version", &in);
	good("status --help", &in);
	assert_string_equal(in.command->noun, "status");
}

static void mistakes_are_said(void **state)
{
	static const struct {
		const char *line;
		const char *words;
	} cases[] = {
		{"", "no command"},
		{"recrod list", "unknown command 'recrod'; did you mean 'record'?"},
		{"xyzzyx", "unknown command 'xyzzyx'"},
		{"record", "'record' is not the whole command"},
		{"record lst", "unknown command 'record lst'; did you mean 'list'?"},
		{"--help recrod", "unknown command 'recrod'; did you mean 'record'?"},
		{"record list x", "'x' is one argument too many"},
		{"record check a b", "'b' is one argument too many"},
		{"record check a b c d", "'b' is one argument too many"},
		{"status now", "'now' is one argument too many"},
		{"record check", "record check wants FILE"},
		{"record check ''", "record check wants FILE"},
		{"record list --jsn", "unknown option '--jsn'; did you mean '--json'?"},
		{"record list --nothing-like-it", "unknown option '--nothing-like-it'"},
		{"record list --re", "unknown option '--re'"},
		{"record list --json=yes", "--json takes no value"},
		{"record list --json --json", "--json is given twice"},
		{"record list --socket", "--socket wants PATH"},
		{"record list --socket=", "--socket wants PATH"},
		{"record list -j", "unknown option '-j'"},
		{"record list --preview", "record list takes no --preview"},
		{"status --reason x", "status takes no --reason"},
		{"record show ab", "record show wants --reason TEXT (why you look; kept for this "
				   "agency's auditor)"},
		{"record show ab --reason ''", "--reason wants TEXT"},
		{"record show ab --reason a\nb",
		 "--reason: must be one line of UTF-8 without control characters"},
		{"record show ab --reason a\xff",
		 "--reason: must be one line of UTF-8 without control characters"},
		{"referral list --state acepted",
		 "--state: 'acepted' is not one of its codes; did you mean 'accepted'?"},
		{"referral list --state zzzzzzzzzzzzzz", "--state: 'zzzzzzzzzzzzzz' is none of "
							 "requested, accepted, declined"},
		{"audit list --limit -1", "--limit: '-1' is no number"},
		{"audit list --limit 1x", "--limit: '1x' is no number"},
		{"audit list --limit 1000000000000000000",
		 "--limit: '1000000000000000000' is no number"},
		{"record import f --retain-until tomorrow",
		 "--retain-until: 'tomorrow' is no time; write 2026-11-22"},
		{"referral send --record aa --to b --purpose family-tracing",
		 "referral send wants --basis CODE (the legal basis of the exchange)"},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct invocation in;

		assert_int_equal(parse(cases[i].line, &in), ERR_INVALID);
		if (strncmp(err_words(), cases[i].words, strlen(cases[i].words)) != 0)
			fail_msg("%s: %s", cases[i].line, err_words());
	}
}

/* A mistake in an option is helped with by the help of its command. */
static void the_command_is_known_after_a_mistake(void **state)
{
	struct invocation in;
	(void)state;

	assert_int_equal(parse("referral list --state x", &in), ERR_INVALID);
	assert_string_equal(in.command->verb, "list");
	assert_int_equal(parse("referral lst", &in), ERR_INVALID);
	assert_string_equal(in.noun, "referral");
	assert_null(in.command);
}

/* What the code relies on: each command once, with a function; each code list there. */
static void the_tables_hold(void **state)
{
	(void)state;

	for (size_t i = 0; i < command_count(); i++) {
		const struct command *c = command_at(i);

		assert_non_null(c->run);
		assert_true(c->timeout_s > 0);
		assert_true(strncmp(c->example, "amparo ", 7) == 0);
		assert_true(c->verb || !c->operand);
		for (size_t j = 0; j < i; j++)
			assert_false(strcmp(command_at(j)->noun, c->noun) == 0 &&
				     (!c->verb || strcmp(command_at(j)->verb, c->verb) == 0));
		for (size_t j = 0; j < c->n_options; j++)
			assert_ptr_equal(command_option_of(c, c->option[j].id), &c->option[j]);
	}
	for (enum option_id id = 0; id < N_OPTIONS; id++) {
		const struct option_spec *o = option_spec_of(id);
		bool is_taken = option_is_common(id);

		assert_int_equal(o->kind == OPTION_CODE, o->code_list != NULL);
		assert_int_equal(o->kind == OPTION_FLAG, o->value_name == NULL);
		if (o->code_list)
			assert_int_equal(codelist_kind(codelist_find(o->code_list)), CODELIST_ENUM);
		for (size_t i = 0; i < command_count(); i++)
			is_taken = is_taken || command_option_of(command_at(i), id);
		assert_true(is_taken);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_stand_anywhere),
		cmocka_unit_test(values_are_read),
		cmocka_unit_test(help_and_version_ask_for_little),
		cmocka_unit_test(mistakes_are_said),
		cmocka_unit_test(the_command_is_known_after_a_mistake),
		cmocka_unit_test(the_tables_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
