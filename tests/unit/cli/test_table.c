#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/own.h"
#include "cli/table.h"
#include "cli/terminal.h"

/* What is printed, as text. */
struct page {
	FILE *out;
	char *text;
	size_t n;
};

static void page_open(struct page *p)
{
	*p = (struct page){.out = NULL};
	p->out = open_memstream(&p->text, &p->n);
	assert_non_null(p->out);
}

static void page_expect(struct page *p, const char *text)
{
	assert_int_equal(fclose(p->out), 0);
	assert_string_equal(p->text, text);
	free(p->text);
}

static void columns_stand_under_each_other(void **state)
{
	static const char *const rows[][3] = {
		{"NAME", "N", "LAST"},
		{"Jan", "1", "-"},
		{"\xc5\xbd\x6f\xc5\xbe\x6f", "12", "x"},   /* Zozo with carons */
		{"\xe5\xb1\xb1\xe7\x94\xb0", "3", "wide"}, /* two wide characters */
		{"e\xcc\x81", "4", "combining"},	   /* e and acute */
		{"\xd8\xb9\xd9\x84\xd9\x8a", "5", "written leftwards"},
	};
	struct table t;
	struct page p;
	(void)state;

	page_open(&p);
	table_init(&t, p.out, 3);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(table_row(&t, rows[i]), ERR_OK);
	table_end(&t);
	table_fini(&t);
	page_expect(&p, "NAME  N   LAST\n"
			"Jan   1   -\n"
			"\xc5\xbd\x6f\xc5\xbe\x6f  12  x\n"
			"\xe5\xb1\xb1\xe7\x94\xb0  3   wide\n"
			"e\xcc\x81     4   combining\n"
			"\xd8\xb9\xd9\x84\xd9\x8a   5   written leftwards\n");
}

/* The first rows wait for the widths, the others do not. */
static void long_tables_flow(void **state)
{
	const char *row[2] = {"a", "b"};
	struct table t;
	struct page p;
	(void)state;

	page_open(&p);
	table_init(&t, p.out, 2);
	for (size_t i = 0; i < TABLE_ROWS_FIRST; i++)
		assert_int_equal(table_row(&t, row), ERR_OK);
	(void)fflush(p.out);
	assert_int_equal(p.n, 0);
	row[0] = "wider";
	assert_int_equal(table_row(&t, row), ERR_OK);
	(void)fflush(p.out);
	assert_int_equal(p.n, (TABLE_ROWS_FIRST + 1) * strlen("a      b\n"));
	row[0] = "wider still";
	assert_int_equal(table_row(&t, row), ERR_OK);
	(void)fflush(p.out);
	assert_string_equal(p.text + p.n - strlen("wider still  b\n"), "wider still  b\n");
	assert_int_equal(t.held.n, 0);
	table_end(&t);
	table_fini(&t);
	assert_int_equal(fclose(p.out), 0);
	free(p.text);
}

static void nothing_steers_the_terminal(void **state)
{
	static const struct {
		const char *text;
		const char *clean;
	} cases[] = {
		{"", ""},
		{"plain", "plain"},
		{"\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"},
		{"a\nb\r\tc\x7f", "a\\x0ab\\x0d\\x09c\\x7f"},
		{"\xc2\x9b"
		 "31m",
		 "\\u009b31m"}, /* CSI in one character */
		{"a\xe2\x80\xae"
		 "b",
		 "a\\u202eb"},			     /* right-to-left override */
		{"\xe2\x81\xa6", "\\u2066"},	     /* isolate */
		{"\xe2\x80\xa8", "\\u2028"},	     /* line separator */
		{"\xff\xc3", "\\xff\\xc3"},	     /* no UTF-8, cut off */
		{"\xed\xa0\x80", "\\xed\\xa0\\x80"}, /* surrogate */
		{"\xc5\xa0"
		 "\xe5\xb1\xb1",
		 "\xc5\xa0"
		 "\xe5\xb1\xb1"}, /* itself */
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_fini) struct buf out = {0};

		assert_int_equal(terminal_clean(view_str(cases[i].text), &out), ERR_OK);
		assert_int_equal(buf_put_u8(&out, 0), ERR_OK);
		assert_string_equal((char *)buf_data(&out), cases[i].clean);
	}
}

/* No byte and no pair of bytes comes through that a terminal could take for a command. */
static void all_pairs_of_bytes(void **state)
{
	(void)state;

	for (unsigned int i = 0; i < 65536; i++) {
		CLEANUP(buf_fini) struct buf out = {0};
		const uint8_t pair[2] = {(uint8_t)(i >> 8), (uint8_t)i};

		assert_int_equal(terminal_clean(view_of(pair, 2), &out), ERR_OK);
		const uint8_t *p = buf_data(&out);

		assert_non_null(p);
		for (size_t j = 0; j < out.n; j++)
			assert_true(p[j] >= 0x20 && p[j] != 0x7f);
		assert_false(out.n == 2 && p[0] == 0xc2 && p[1] < 0xa0);
	}
}

static int locale(void **state)
{
	(void)state;
	terminal_init();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_stand_under_each_other),
		cmocka_unit_test(long_tables_flow),
		cmocka_unit_test(nothing_steers_the_terminal),
		cmocka_unit_test(all_pairs_of_bytes),
	};

	return cmocka_run_group_tests(tests, locale, NULL);
}
