/* The log: one printable line an event, whatever a peer puts into it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/own.h"
#include "crypto/base64.h"
#include "shared.h"

static struct {
	char line[LOG_LINE_MAX];
	enum log_level level;
	unsigned count;
} seen;

static void keep(void *ctx, enum log_level level, const char *line)
{
	assert_ptr_equal(ctx, &seen);
	assert_true(strlen(line) < sizeof(seen.line));
	(void)snprintf(seen.line, sizeof(seen.line), "%s", line);
	seen.level = level;
	seen.count++;
}

static int listen_to_log(void **state)
{
	(void)state;
	log_init(2, "test", LOG_INFO);
	log_set_sink(keep, &seen);
	memset(&seen, 0, sizeof(seen));
	return 0;
}

static int leave_log(void **state)
{
	(void)state;
	log_set_sink(NULL, NULL);
	return 0;
}

static void assert_printable(const char *line)
{
	for (const char *p = line; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			fail_msg("byte %d in: %s", *p, line);
}

static void a_line_is_what_was_said(void **state)
{
	(void)state;
	log_line(LOG_NOTICE, "started version=%d peer=%s", 1, "x");
	assert_string_equal(seen.line, "started version=1 peer=x");
	assert_int_equal(seen.level, LOG_NOTICE);
	log_line(LOG_DEBUG, "not this");
	assert_int_equal(seen.count, 1);
}

static void an_error_brings_its_name_and_origin(void **state)
{
	(void)state;
	assert_int_equal(err_new(ERR_PROOF, "node \"%d\"", 3), ERR_PROOF);
	log_err(LOG_WARN, ERR_PROOF, "batch refused peer=%s", "x");
	assert_non_null(
		strstr(seen.line, "batch refused peer=x error=ERR_PROOF detail=\"test_log.c:"));
	assert_non_null(strstr(seen.line, ": node \\x223\\x22\""));
	log_err(LOG_DEBUG, ERR_PROOF, "not this");
	assert_int_equal(seen.count, 1);
}

static void quotes_and_backslashes_cannot_end_a_value(void **state)
{
	char q[LOG_QUOTE_MAX];

	(void)state;
	assert_string_equal(log_quote(view_str("a b"), q), "\"a b\"");
	assert_string_equal(log_quote(view_str("\" x=\"1"), q), "\"\\x22 x=\\x221\"");
	assert_string_equal(log_quote(view_str("\\n"), q), "\"\\x5cn\"");
	assert_string_equal(log_quote(view_of("a\0b\n\x7f\xc3\xa9", 7), q),
			    "\"a\\x00b\\x0a\\x7f\\xc3\\xa9\"");
	assert_string_equal(log_quote(view_str(""), q), "\"\"");
	assert_string_equal(log_quote(view_of(NULL, 0), q), "\"\"");
}

static void every_byte_comes_out_printable(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		char q[LOG_QUOTE_MAX];
		const char text[] = {'a', (char)c, 'b', '\0'};

		assert_printable(log_quote(view_of(text, 3), q));
		/* also where somebody forgot to quote */
		log_line(LOG_INFO, "peer=%s", text);
		assert_printable(seen.line);
	}
	assert_int_equal(seen.count, 256);
}

static void long_texts_are_cut_and_say_so(void **state)
{
	char q[LOG_QUOTE_MAX], text[3000];

	(void)state;
	for (int escaped = 0; escaped < 2; escaped++) {
		memset(text, escaped ? '\n' : 'x', sizeof(text) - 1);
		text[sizeof(text) - 1] = '\0';
		for (size_t n = 0; n < sizeof(text); n++) {
			size_t full = n * (escaped ? 4 : 1) + 2;
			size_t got = strlen(log_quote(view_of(text, n), q));

			assert_true(got < LOG_QUOTE_MAX);
			assert_int_equal(q[got - 1], '"');
			/* within three bytes of the limit either may be */
			if (full > LOG_QUOTE_MAX - 1)
				assert_memory_equal(q + got - 4, "...\"", 4);
			else if (full + 3 < LOG_QUOTE_MAX - 1)
				assert_int_equal(got, full);
		}
		log_line(LOG_INFO, "%s", text);
		assert_true(strlen(seen.line) < LOG_LINE_MAX);
		assert_string_equal(seen.line + strlen(seen.line) - 3, "...");
	}
}

static void a_descriptor_gets_one_line_with_level_and_name(void **state)
{
	char got[256] = "";
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	log_set_sink(NULL, NULL);
	log_init(fds[1], "vault", LOG_DEBUG);
	log_line(LOG_ERR, "two\nlines");
	log_line(LOG_DEBUG, "second");
	assert_true(read(fds[0], got, sizeof(got) - 1) > 0);
	assert_string_equal(got, "<3>vault: err: two\\x0alines\n<7>vault: debug: second\n");
	log_init(fds[1], "a-name-that-is-longer-than-32-bytes-of-it", LOG_DEBUG);
	log_line(LOG_ERR, "%*s", LOG_LINE_MAX, "longest");
	memset(got, 0, sizeof(got));
	assert_true(read(fds[0], got, 40) == 40);
	assert_string_equal(got, "<3>a-name-that-is-longer-than-32-by: err");
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* The Big List of Naughty Strings: each one line, nothing of it outside its quotes. */
static void no_naughty_string_breaks_out(void **state)
{
	CLEANUP(buf_fini) struct buf file = {0};
	unsigned n_strings = 0;
	const char *at, *end;

	(void)state;
	if (!shared_read("vectors/naughty/blns.base64.json", &file))
		skip();
	assert_int_equal(buf_put_u8(&file, 0), ERR_OK);
	for (at = strchr((const char *)buf_data(&file), '"'); at; at = strchr(end + 1, '"')) {
		CLEANUP(buf_fini) struct buf text = {0};
		char q[LOG_QUOTE_MAX];
		size_t n;

		end = strchr(at + 1, '"');
		assert_non_null(end);
		assert_int_equal(base64_decode(view_of(at + 1, (size_t)(end - at - 1)), &text),
				 ERR_OK);
		log_line(LOG_INFO, "refused text=%s", log_quote(buf_view(&text), q));
		n = strlen(seen.line);
		assert_printable(seen.line);
		assert_memory_equal(seen.line, "refused text=\"", 14);
		assert_ptr_equal(strchr(seen.line + 14, '"'), seen.line + n - 1);
		n_strings++;
	}
	assert_true(n_strings >= 500);
	assert_int_equal(seen.count, n_strings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_line_is_what_was_said, listen_to_log),
		cmocka_unit_test_setup(an_error_brings_its_name_and_origin, listen_to_log),
		cmocka_unit_test_setup(quotes_and_backslashes_cannot_end_a_value, listen_to_log),
		cmocka_unit_test_setup(every_byte_comes_out_printable, listen_to_log),
		cmocka_unit_test_setup(long_texts_are_cut_and_say_so, listen_to_log),
		cmocka_unit_test_setup(a_descriptor_gets_one_line_with_level_and_name,
				       listen_to_log),
		cmocka_unit_test_setup(no_naughty_string_breaks_out, listen_to_log),
	};

	return cmocka_run_group_tests(tests, NULL, leave_log);
}
