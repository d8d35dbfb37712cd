/* Strict text: each code point, malformed UTF-8 and the strings that break other people's programs.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <unictype.h>
#include <unistr.h>

#include "golden.h"
#include "shared.h"
#include "wire/text.h"

/* A shared vector; a loud skip when it is not there. */
static FILE *open_vector(const char *name)
{
	char below[256], path[4096];
	FILE *file;

	(void)snprintf(below, sizeof(below), "vectors/naughty/%s", name);
	if (!shared_path(below, path, sizeof(path)))
		skip();
	file = fopen(path, "r");
	assert_non_null(file);
	return file;
}

/* The rule by Unicode's own properties rather than by a table of ours. */
static bool may_stand(ucs4_t c)
{
	int bidi = uc_bidi_category(c);

	if (uc_is_general_category(c, UC_CATEGORY_Cc) ||
	    uc_is_general_category(c, UC_CATEGORY_Cs) ||
	    uc_is_general_category(c, UC_CATEGORY_Zl) || uc_is_general_category(c, UC_CATEGORY_Zp))
		return false;
	if (bidi == UC_BIDI_LRE || bidi == UC_BIDI_LRO || bidi == UC_BIDI_RLE ||
	    bidi == UC_BIDI_RLO || bidi == UC_BIDI_PDF || bidi == UC_BIDI_LRI ||
	    bidi == UC_BIDI_RLI || bidi == UC_BIDI_FSI || bidi == UC_BIDI_PDI)
		return false;
	return !uc_is_property_not_a_character(c);
}

static bool is_strict(struct view text)
{
	const uint8_t *p = text.p;
	const uint8_t *end = text.n ? p + text.n : p;

	while (p < end) {
		ucs4_t c;
		int n = u8_mbtoucr(&c, p, (size_t)(end - p));

		if (n <= 0 || !may_stand(c))
			return false;
		p += n;
	}
	return true;
}

static void every_code_point(void **state)
{
	(void)state;
	for (ucs4_t c = 0; c <= 0x10ffff; c++) {
		uint8_t text[8] = "a";
		int n = u8_uctomb(text + 1, c, 6);

		if (n < 0) {
			assert_in_range(c, 0xd800, 0xdfff);
			continue;
		}
		text[1 + n] = 'z';
		if (text_is_valid(view_of(text, (size_t)n + 2)) != may_stand(c))
			fail_msg("U+%04X", (unsigned)c);
	}
}

/* All of two bytes, and all beginnings of longer sequences at the end of a text. */
static void every_short_sequence(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 0x1000000; i += i < 0x10000 ? 1 : 7) {
		const uint8_t text[3] = {(uint8_t)i, (uint8_t)(i >> 8), (uint8_t)(i >> 16)};
		size_t n = i < 0x100 ? 1 : i < 0x10000 ? 2 : 3;

		if (text_is_valid(view_of(text, n)) != is_strict(view_of(text, n)))
			fail_msg("%02x %02x %02x", text[0], text[1], text[2]);
	}
}

static void table(void **state)
{
	static const struct {
		const char *hex;
		bool ok;
	} rows[] = {
		{"", true},
		{"4f 6c 67 61 20 c5 98 c3 ad 6e 6f 76 c3 a1", true}, /* Olga Rinova with accents */
		{"d0 9e d0 bb d1 8c d0 b3 d0 b0", true},	     /* Cyrillic */
		{"d8 b9 d9 84 d9 8a e2 80 8f", true}, /* Arabic, right-to-left mark */
		{"61 cc 81", true},		      /* combining accent */
		{"f0 9f 91 a7", true},		      /* beyond the first plane */
		{"09", false},
		{"0a", false},
		{"0d", false},
		{"1b 5b 33 31 6d", false},
		{"7f", false},
		{"c2 85", false},	/* U+0085 */
		{"c2 a0", true},	/* U+00A0 */
		{"c0 80", false},	/* overlong NUL */
		{"c1 bf", false},	/* overlong */
		{"e0 80 af", false},	/* overlong */
		{"ed a0 80", false},	/* surrogate */
		{"f4 90 80 80", false}, /* U+110000 */
		{"f8 88 80 80 80", false},
		{"ff", false},
		{"80", false},
		{"61 c3", false}, /* cut */
		{"e2 80 a8", false},
		{"e2 80 ae 61", false},
		{"e2 81 a6 61", false},
		{"ef b7 90", false},
		{"ef bf bf", false},
		{"ef bf bd", true}, /* U+FFFD is a character like others */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf b = {0};

		unhex(rows[i].hex, &b);
		if (text_is_valid(buf_view(&b)) != rows[i].ok)
			fail_msg("%s", rows[i].hex);
		assert_int_equal(text_check(buf_view(&b)), rows[i].ok ? ERR_OK : ERR_TEXT);
		/* Behind enough plain text, too. */
		buf_clear(&b);
		assert_int_equal(buf_put_str(&b, "some plain text in front "), ERR_OK);
		unhex(rows[i].hex, &b);
		assert_int_equal(text_is_valid(buf_view(&b)), rows[i].ok);
	}
}

/* The place of a fault is told, never the text. */
static void detail_tells_the_place(void **state)
{
	(void)state;
	assert_int_equal(text_check(view_str("secret\xc3\xa1\nx")), ERR_TEXT);
	assert_string_equal(err_words(), "at byte 8 of 10 of a text");
	assert_int_equal(text_check(view_str("secret\xc3")), ERR_TEXT);
	assert_string_equal(err_words(), "at byte 6 of 7 of a text");
}

static void utf8tests(void **state)
{
	FILE *file = open_vector("utf8tests.txt");
	char line[4096];
	size_t n_valid = 0;
	size_t n_invalid = 0;

	(void)state;
	while (fgets(line, sizeof(line), file)) {
		CLEANUP(buf_fini) struct buf b = {0};
		char *kind = strchr(line, ':');
		char *rest = kind ? strchr(kind + 1, ':') : NULL;

		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#' || !rest)
			continue;
		*rest++ = '\0';
		kind += 1 + strspn(kind + 1, " ");
		rest[strcspn(rest, ":")] = '\0';
		if (strcmp(kind, "valid") == 0)
			assert_int_equal(buf_put_str(&b, rest), ERR_OK);
		else
			unhex(rest, &b);
		if (strcmp(kind, "invalid hex") == 0) {
			n_invalid++;
			assert_false(text_is_valid(buf_view(&b)));
			continue;
		}
		/* Valid UTF-8; whether it is strict too is the code points' matter. */
		n_valid++;
		assert_null(b.n ? u8_check(buf_data(&b), b.n) : NULL);
		if (text_is_valid(buf_view(&b)) != is_strict(buf_view(&b)))
			fail_msg("%s", line);
	}
	(void)fclose(file);
	assert_true(n_valid > 50 && n_invalid > 100);
}

/* A hostile string arrives in a message unchanged, or the message is refused. */
static void check_in_message(struct view text)
{
	CLEANUP(freep) char *copy = malloc(text.n + 1);
	CLEANUP(buf_fini) struct buf b = {0};
	CLEANUP(message_freep) struct pb_entry *m = NULL;
	struct pb_entry sent = PB_ENTRY_INIT;
	enum err e;

	assert_non_null(copy);
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	sent.addressee = copy;
	assert_int_equal(message_encode(&sent, &b), ERR_OK);
	e = message_decode(&pb_entry_desc, buf_view(&b), MESSAGE_STRICT, &m);
	assert_int_equal(e, is_strict(text) ? ERR_OK : ERR_TEXT);
	if (m)
		assert_true(view_eq(view_str(m->addressee), text));
}

static void naughty_strings(void **state)
{
	FILE *file = open_vector("blns.json");
	json_t *all;
	size_t n_strict = 0;

	(void)state;
	all = json_loadf(file, JSON_ALLOW_NUL, NULL);
	(void)fclose(file);
	assert_non_null(all);
	assert_int_equal(json_array_size(all), 515);
	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *s = json_array_get(all, i);
		struct view text = view_of(json_string_value(s), json_string_length(s));

		assert_int_equal(text_is_valid(text), is_strict(text));
		check_in_message(text);
		n_strict += text_is_valid(text);
	}
	json_decref(all);
	/* Most are only odd: names that look like code are names all the same. */
	assert_in_range(n_strict, 450, 514);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_point),
		cmocka_unit_test(every_short_sequence),
		cmocka_unit_test(table),
		cmocka_unit_test(detail_tells_the_place),
		cmocka_unit_test(utf8tests),
		cmocka_unit_test(naughty_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
