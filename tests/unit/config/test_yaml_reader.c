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
#include "config/yaml_reader.h"

static struct yaml_file *parse(const char *text)
{
	struct yaml_file *f = NULL;
	struct yaml_problem problem = {.line = -1};
	enum err e = yaml_file_parse(view_str(text), &f, &problem);

	if (e)
		print_error("line %d: %s\n", problem.line, problem.text);
	assert_int_equal(e, ERR_OK);
	return f;
}

static void refused(struct view in, int line, const char *words)
{
	struct yaml_file *f = NULL;
	struct yaml_problem problem = {.line = -1};
	enum err e = yaml_file_parse(in, &f, &problem);

	assert_int_equal(e, ERR_INVALID);
	assert_null(f);
	if (problem.line != line || !strstr(problem.text, words))
		print_error("expected %d: ...%s..., got %d: %s\n", line, words, problem.line,
			    problem.text);
	assert_int_equal(problem.line, line);
	assert_non_null(strstr(problem.text, words));
	assert_non_null(strstr(err_words(), words));
}

static void values_are_read(void **state)
{
	CLEANUP(yaml_file_freep)
	struct yaml_file *f = parse("# a comment\n"
				    "name: Grüße \"x\"\n"
				    "list: [a, 'b: c', \"d\\u00e9\"]\n"
				    "block:\n"
				    "- one\n"
				    "- {k: v}\n"
				    "empty:\n");
	yaml_ref root = yaml_root(f), list, block;
	const char *key;
	int line;

	(void)state;
	assert_int_equal(yaml_kind_of(f, root), YAML_MAP);
	assert_int_equal(yaml_count(f, root), 4);
	assert_string_equal(yaml_text(f, yaml_map_get(f, root, "name")), "Grüße \"x\"");
	assert_int_equal(yaml_line(f, yaml_map_get(f, root, "name")), 2);
	list = yaml_map_get(f, root, "list");
	assert_int_equal(yaml_kind_of(f, list), YAML_LIST);
	assert_int_equal(yaml_count(f, list), 3);
	assert_string_equal(yaml_text(f, yaml_list_at(f, list, 1)), "b: c");
	assert_string_equal(yaml_text(f, yaml_list_at(f, list, 2)), "d\u00e9");
	assert_null(yaml_text(f, list));
	block = yaml_map_get(f, root, "block");
	assert_int_equal(yaml_line(f, yaml_list_at(f, block, 1)), 6);
	yaml_map_at(f, root, 3, &key, &line, NULL);
	assert_string_equal(key, "empty");
	assert_int_equal(line, 7);
	assert_string_equal(yaml_text(f, yaml_map_get(f, root, "empty")), "");
	assert_int_equal(yaml_map_get(f, root, "absent"), 0);
	assert_int_equal(yaml_map_get(f, list, "name"), 0);
	assert_int_equal(yaml_line(f, 0), 0);
	assert_int_equal(yaml_count(f, 0), 0);
	assert_int_equal(yaml_count(f, yaml_map_get(f, root, "name")), 0);
}

static void forms_that_say_one_thing_twice_are_refused(void **state)
{
	static const struct {
		const char *text;
		int line;
		const char *words;
	} cases[] = {
		{"", 1, "empty"},
		{"# only a comment\n", 1, "empty"},
		{"a: &x 1\n", 1, "anchor"},
		{"a: 1\nb: *x\n", 2, "alias"},
		{"a: &x 1\nb: *x\n", 1, "anchor"},
		{"&x a: 1\n", 1, "anchor"},
		{"a: !!str 1\n", 1, "tag"},
		{"a: ! 1\n", 1, "tag"},
		{"a: !x 1\n", 1, "tag"},
		{"%YAML 1.1\n---\na: 1\n", 1, "directive"},
		{"%TAG ! tag:x,2000:\n---\na: 1\n", 1, "directive"},
		{"a: 1\n---\nb: 1\n", 2, "second document"},
		{"--- a\n--- b\n", 2, "second document"},
		{"a: 1\nb: 2\na: 3\n", 3, "twice, first on line 1"},
		{"x:\n  a: 1\n  \"a\": 3\n", 3, "twice"},
		{"? [a]\n: 1\n", 1, "key must be text"},
		{"? {a: b}\n: 1\n", 1, "key must be text"},
		{"{a: 1, a: 2}\n", 1, "twice"},
		{"a: [1, 2\n", 2, "not YAML"},
		{"a: 1\n  b: 2\n", 2, "not YAML"},
		{"a:\n\t- 1\n", 2, "indent with spaces"},
		{"a: 'x\n", 2, "begins on line 1"},
		{"]]]]]]]]]]]]]]]]]]]]\n", 1, "not YAML"},
		{"a: |\n  one\n  two\n", 1, "one line"},
		{"a: \"b\\tc\"\n", 1, "cannot be seen"},
		{"a: \"b\\0c\"\n", 1, "cannot be seen"},
		{"\"b\\0c\": 1\n", 1, "cannot be seen"},
		{"a: \"\\u202ex\"\n", 1, "cannot be seen"},
		{"a: \"\\u2066x\"\n", 1, "cannot be seen"},
		{"a: \"\\x85\"\n", 1, "cannot be seen"},
		{"a: \"\\uFEFF\"\n", 1, "cannot be seen"},
		{"a: \"\\ud800\"\n", 1, "not YAML"},
		{"\xef\xbb\xbf"
		 "a: 1\n",
		 1, "byte-order mark"},
		{"a: 1\nb: \xef\xbb\xbf\n", 2, "cannot be seen"},
		{"a: 1\n# \xe2\x80\xae hidden\n", 2, "cannot be seen"},
		{"a: \x1b[2J\n", 1, "cannot be seen"},
		{"a: 1\nb: \x7f\n", 2, "cannot be seen"},
		{"a: 1\n\nb: \xc3\x28\n", 3, "not UTF-8"},
		{"a: \xff\n", 1, "not UTF-8"},
		{"a: \xed\xa0\x80\n", 1, "not UTF-8"},
		{"a: \xc0\xaf\n", 1, "not UTF-8"},
		{"a: \xf4\x90\x80\x80\n", 1, "not UTF-8"},
		{"a: \xe2\x82", 1, "not UTF-8"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		refused(view_str(cases[i].text), cases[i].line, cases[i].words);
	refused(view_of("a: 1\0b\n", 7), 1, "cannot be seen");
	refused(view_of("\xff\xfe"
			"a\0:\0 \0b\0",
			10),
		1, "cannot be seen");
	refused(view_of(NULL, 0), 1, "empty");
}

/** @p n times @p part, between @p head and @p tail. */
static void repeat(struct buf *b, const char *head, const char *part, size_t n, const char *tail)
{
	buf_clear(b);
	assert_int_equal(buf_put_str(b, head), ERR_OK);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(buf_put_str(b, part), ERR_OK);
	assert_int_equal(buf_put_str(b, tail), ERR_OK);
}

static void depth_is_limited(void **state)
{
	CLEANUP(buf_fini) struct buf b;
	static const char *const parts[] = {"[", "{", "- ", "? ", "{a: ", "[{a: ", "{? "};

	(void)state;
	buf_init(&b, 0);
	repeat(&b, "", "[", YAML_DEPTH_MAX, "");
	for (int i = 0; i < YAML_DEPTH_MAX; i++)
		assert_int_equal(buf_put_str(&b, "]"), ERR_OK);
	assert_int_equal(buf_put_u8(&b, 0), ERR_OK);
	yaml_file_free(parse((const char *)buf_data(&b)));
	repeat(&b, "", "[", YAML_DEPTH_MAX + 1, "]]]]]]]]]");
	refused(buf_view(&b), 1, "deep");
	/* lists at the indentation of their key have no token of their own */
	repeat(&b, "", "", 0, "a:\n- b:\n  - c:\n    - d:\n      - e:\n        - f: 1\n");
	refused(buf_view(&b), 5, "deep");
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		repeat(&b, "", parts[i], 64 * 1024 / strlen(parts[i]), "\n");
		refused(buf_view(&b), 1, "deep");
	}
}

static void size_is_limited(void **state)
{
	CLEANUP(buf_fini) struct buf b;

	(void)state;
	buf_init(&b, 0);
	repeat(&b, "a:\n", "- 1\n", YAML_NODES_MAX - 3, "");
	assert_int_equal(buf_put_u8(&b, 0), ERR_OK);
	yaml_file_free(parse((const char *)buf_data(&b)));
	repeat(&b, "a:\n", "- 1\n", YAML_NODES_MAX, "");
	refused(buf_view(&b), 0, "values");
	repeat(&b, "[", "1,", 8 * YAML_NODES_MAX, "1]");
	refused(buf_view(&b), 1, "too long");
	buf_clear(&b);
	for (int i = 0; i <= YAML_KEYS_MAX; i++)
		assert_int_equal(buf_printf(&b, "k%d: 1\n", i), ERR_OK);
	refused(buf_view(&b), 1, "keys");
}

static double seconds(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Hostile shapes of 64 KiB: whatever the answer, it comes soon. */
static void no_shape_takes_long(void **state)
{
	static const char *const parts[] = {"[",	"]",	 "{",	  "}",	      "- ",
					    "? ",	": ",	 ",",	  "a: ",      "a:\n",
					    "- a\n",	"&a ",	 "*a ",	  "! ",	      "|\n",
					    ">\n",	"\"",	 "'",	  "\n",	      " ",
					    "\\",	"%",	 "#",	  "a",	      "a ",
					    "\"a\" ",	"'' ",	 "[a]: ", "{a: b}: ", "? a\n",
					    "--- ",	"---\n", "...\n", "a\n",      "\"\\u0041",
					    "\xc3\xa9", "[]\n",	 "[a, ",  "\t",	      "!!x ",
					    "\r\n",	"\r"};
	CLEANUP(buf_fini) struct buf b;

	(void)state;
	buf_init(&b, 0);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		struct yaml_file *f = NULL;
		struct yaml_problem problem;
		double start = seconds(), took;

		repeat(&b, "", parts[i], 64 * 1024 / strlen(parts[i]), "");
		if (!yaml_file_parse(buf_view(&b), &f, &problem))
			yaml_file_free(f);
		took = seconds() - start;
		if (took > 1.0)
			print_error("%zu times \"%s\": %.2f s\n", 64 * 1024 / strlen(parts[i]),
				    parts[i], took);
		assert_true(took < 5.0);
	}
}

static void every_cut_and_byte_is_survived(void **state)
{
	static const char text[] =
		"agency: spiffe://cz.example/a\ntls: {chain: a, key: \"b\\u00e9\"}\n"
		"list:\n- 'x'\n- [1, 2]\n- {k: v}\n";
	char copy[sizeof(text)];

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		for (int c = -1; c < 256; c++) {
			struct yaml_file *f = NULL;
			struct yaml_problem problem;
			size_t n = c < 0 ? i : sizeof(text) - 1;

			memcpy(copy, text, sizeof(text));
			if (c >= 0)
				copy[i] = (char)c;
			if (!yaml_file_parse(view_of(copy, n), &f, &problem))
				yaml_file_free(f);
			else
				assert_true(strlen(problem.text) > 0);
		}
}

static void keys_are_checked(void **state)
{
	static const char *const known[] = {"retention_days", "name", NULL};
	CLEANUP(yaml_file_freep) struct yaml_file *f = parse("name: 1\nretention_day: 2\n");
	CLEANUP(yaml_file_freep) struct yaml_file *g = parse("name: 1\n\ncolour: 2\n");
	CLEANUP(yaml_file_freep) struct yaml_file *list = parse("[name]\n");
	CLEANUP(yaml_file_freep) struct yaml_file *good = parse("{name: 1, retention_days: 2}\n");
	CLEANUP(yaml_file_freep)
	struct yaml_file *wide =
		parse("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		      "aaaaaaaaaaaaaaaaaaaaaaaaaaéééééééééé: 1\n");
	struct yaml_problem problem;

	(void)state;
	assert_int_equal(yaml_map_check_keys(good, yaml_root(good), known, &problem), ERR_OK);
	assert_int_equal(yaml_map_check_keys(f, yaml_root(f), known, &problem), ERR_INVALID);
	assert_int_equal(problem.line, 2);
	assert_non_null(strstr(problem.text, "\"retention_day\""));
	assert_non_null(strstr(problem.text, "'retention_days' meant"));
	assert_int_equal(yaml_map_check_keys(g, yaml_root(g), known, &problem), ERR_INVALID);
	assert_int_equal(problem.line, 3);
	assert_null(strstr(problem.text, "meant"));
	assert_int_equal(yaml_map_check_keys(list, yaml_root(list), known, &problem), ERR_INVALID);
	assert_non_null(strstr(problem.text, "map"));
	assert_int_equal(yaml_map_check_keys(wide, yaml_root(wide), known, &problem), ERR_INVALID);
	assert_non_null(strstr(problem.text, "a...\""));
}

static void quoting_does_not_cut_a_character(void **state)
{
	char text[200], quoted[YAML_QUOTE_MAX];

	(void)state;
	assert_string_equal(yaml_quote("", quoted), "\"\"");
	for (size_t offset = 0; offset < 3; offset++) {
		size_t n = offset;

		memset(text, 'x', offset);
		for (; n + 3 < sizeof(text); n += 3)
			memcpy(text + n, "\xe2\x82\xac", 3);
		text[n] = '\0';
		(void)yaml_quote(text, quoted);
		n = strlen(quoted);
		assert_true(n < YAML_QUOTE_MAX);
		assert_string_equal(quoted + n - 4, "...\"");
		assert_int_equal((uint8_t)quoted[n - 5], 0xac);
	}
}

static void kinds_and_needed_keys(void **state)
{
	CLEANUP(yaml_file_freep)
	struct yaml_file *f = parse("x:\n  t: a\n  l: []\n  m: {}\n  e:\n");
	struct yaml_problem problem;
	yaml_ref map = yaml_map_get(f, yaml_root(f), "x"), got = 0;

	(void)state;
	assert_int_equal(yaml_map_need(f, map, "t", YAML_TEXT, &got, &problem), ERR_OK);
	assert_string_equal(yaml_text(f, got), "a");
	assert_int_equal(yaml_map_need(f, map, "l", YAML_LIST, &got, &problem), ERR_OK);
	assert_int_equal(yaml_map_need(f, map, "m", YAML_MAP, &got, &problem), ERR_OK);
	assert_int_equal(yaml_map_need(f, map, "l", YAML_TEXT, &got, &problem), ERR_INVALID);
	assert_int_equal(problem.line, 3);
	assert_string_equal(problem.text,
			    "l must be text (in quotes if it holds '[', '{', ': ' or '#')");
	assert_int_equal(yaml_map_need(f, map, "e", YAML_TEXT, &got, &problem), ERR_INVALID);
	assert_string_equal(problem.text, "e has no value");
	assert_int_equal(problem.line, 5);
	assert_int_equal(yaml_map_need(f, map, "z", YAML_TEXT, &got, &problem), ERR_INVALID);
	assert_string_equal(problem.text, "'z' is missing here");
	assert_int_equal(problem.line, 2);
}

static void numbers_are_strict(void **state)
{
	static const char *const bad[] = {"010",
					  "+1",
					  "-1",
					  "1.0",
					  "1e3",
					  "0x10",
					  "1_000",
					  " ",
					  "",
					  "18446744073709551616",
					  "99999999999999999999999",
					  "ten",
					  "1 2",
					  "[1]",
					  "101",
					  "4"};
	static const char *const good[] = {"5", "100", "'7'"};
	uint64_t n = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad) + ARRAY_LEN(good); i++) {
		bool is_good = i >= ARRAY_LEN(bad);
		char text[64];
		struct yaml_file *f;
		struct yaml_problem problem;
		enum err e;

		(void)snprintf(text, sizeof(text), "n: %s\n",
			       is_good ? good[i - ARRAY_LEN(bad)] : bad[i]);
		f = parse(text);
		e = yaml_uint(f, yaml_map_get(f, yaml_root(f), "n"), "n", 5, 100, &n, &problem);
		assert_int_equal(e, is_good ? ERR_OK : ERR_INVALID);
		if (!is_good)
			assert_string_equal(problem.text, "n must be a whole number, 5 to 100");
		yaml_file_free(f);
	}
	assert_int_equal(n, 7);
	{
		CLEANUP(yaml_file_freep) struct yaml_file *f = parse("18446744073709551615");
		struct yaml_problem problem;

		assert_int_equal(yaml_uint(f, yaml_root(f), "n", 0, UINT64_MAX, &n, &problem),
				 ERR_OK);
		assert_true(n == UINT64_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_read),
		cmocka_unit_test(forms_that_say_one_thing_twice_are_refused),
		cmocka_unit_test(depth_is_limited),
		cmocka_unit_test(size_is_limited),
		cmocka_unit_test(no_shape_takes_long),
		cmocka_unit_test(every_cut_and_byte_is_survived),
		cmocka_unit_test(keys_are_checked),
		cmocka_unit_test(quoting_does_not_cut_a_character),
		cmocka_unit_test(kinds_and_needed_keys),
		cmocka_unit_test(numbers_are_strict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
