/* The SPIFFE id parser: what it takes, what it refuses, how ids compare. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/agency_id.h"
#include "base/own.h"

#define L63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define L64 L63 "a"
#define D253                                                                                       \
	L63 "." L63 "." L63 "."                                                                    \
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* With its length, so that NUL may stand inside. */
#define TEXT(s)                                                                                    \
	{                                                                                          \
		(const uint8_t *)(s), sizeof(s) - 1                                                \
	}

static void ids_are_split_at_their_parts(void **state)
{
	static const struct {
		const char *text, *domain, *name, *bare;
	} cases[] = {
		{"spiffe://ochrana.cz.example/central-authority", "ochrana.cz.example",
		 "central-authority", "ochrana.cz.example/central-authority"},
		{"spiffe://a/b", "a", "b", "a/b"},
		{"spiffe://0.1-2.x/A.b_C-9", "0.1-2.x", "A.b_C-9", "0.1-2.x/A.b_C-9"},
		{"spiffe://a.example/...", "a.example", "...", "a.example/..."},
		{"spiffe://a.example/.a", "a.example", ".a", "a.example/.a"},
		{"spiffe://xn--bcher-kva.example/-", "xn--bcher-kva.example", "-",
		 "xn--bcher-kva.example/-"},
		{"spiffe://" D253 "/" L64, D253, L64, D253 "/" L64},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct agency_id id;

		assert_int_equal(agency_id_parse(view_str(cases[i].text), &id), ERR_OK);
		assert_string_equal(id.text, cases[i].text);
		assert_int_equal(id.n_text, strlen(cases[i].text));
		assert_true(view_eq(agency_id_domain(&id), view_str(cases[i].domain)));
		assert_string_equal(agency_id_name(&id), cases[i].name);
		assert_string_equal(agency_id_bare(&id), cases[i].bare);
	}
	assert_int_equal(strlen(D253), TRUST_DOMAIN_MAX);
}

static void anything_else_is_refused(void **state)
{
	static const struct view cases[] = {
		TEXT(""),
		TEXT("spiffe"),
		TEXT("spiffe://"),
		TEXT("spiffe:///"),
		TEXT("spiffe:///a"),
		TEXT("spiffe://a"),
		TEXT("spiffe://a/"),
		TEXT("spiffe://a//"),
		TEXT("spiffe://a//b"),
		TEXT("spiffe://a/b/"),
		TEXT("spiffe://a/b/c"),
		TEXT("spiffe://a/."),
		TEXT("spiffe://a/.."),
		TEXT("spiffe://a/b?c"),
		TEXT("spiffe://a/b?"),
		TEXT("spiffe://a/b#c"),
		TEXT("spiffe://a/b#"),
		TEXT("spiffe://a?/b"),
		TEXT("spiffe://a#/b"),
		TEXT("spiffe://a:443/b"),
		TEXT("spiffe://a:/b"),
		TEXT("spiffe://u@a/b"),
		TEXT("spiffe://u:p@a/b"),
		TEXT("spiffe://cz.example:x@sk.example/a"),
		TEXT("spiffe://[::1]/b"),
		TEXT("spiffe://a/b%20"),
		TEXT("spiffe://a/%62"),
		TEXT("spiffe://%61/b"),
		TEXT("SPIFFE://a/b"),
		TEXT("sPiffe://a/b"),
		TEXT("http://a/b"),
		TEXT("spiffe:/a/b"),
		TEXT("spiffe:a/b"),
		TEXT("//a/b"),
		TEXT("a/b"),
		TEXT(" spiffe://a/b"),
		TEXT("spiffe://a/b "),
		TEXT("spiffe:// a/b"),
		TEXT("spiffe://a /b"),
		TEXT("spiffe://a/ b"),
		TEXT("spiffe://a/b\n"),
		TEXT("spiffe://a/b\r"),
		TEXT("spiffe://a/b\t"),
		TEXT("spiffe://a/b\0"),
		TEXT("spiffe://a/b\0c"),
		TEXT("spiffe://a\0/b"),
		TEXT("\0spiffe://a/b"),
		TEXT("spiffe://A/b"),
		TEXT("spiffe://a_b/c"),
		TEXT("spiffe://a*/c"),
		TEXT("spiffe://*.a/c"),
		TEXT("spiffe://a..b/c"),
		TEXT("spiffe://.a/c"),
		TEXT("spiffe://a./c"),
		TEXT("spiffe://./c"),
		TEXT("spiffe://-a/c"),
		TEXT("spiffe://a-/c"),
		TEXT("spiffe://a.-b/c"),
		TEXT("spiffe://a-.b/c"),
		TEXT("spiffe://a\\b/c"),
		TEXT("spiffe://a/b\\c"),
		TEXT("spiffe://a/b:c"),
		TEXT("spiffe://a/b@c"),
		TEXT("spiffe://a/b,c"),
		TEXT("spiffe://a/b;c"),
		TEXT("spiffe://a/b=c"),
		TEXT("spiffe://a/b+c"),
		TEXT("spiffe://a/b~c"),
		TEXT("spiffe://a/b!"),
		TEXT("spiffe://a/b\""),
		TEXT("spiffe://a/b\xc3\xa9"),
		TEXT("spiffe://\xc3\xa9/b"),
		TEXT("spiffe://a/b\x7f"),
		TEXT("spiffe://a/b\xff"),
		TEXT("\xef\xbb\xbfspiffe://a/b"),
		TEXT("spiffe\xef\xbc\x9a//a/b"),
		TEXT("spiffe://a/" L64 "a"),
		TEXT("spiffe://" L64 "/b"),
		TEXT("spiffe://" D253 "a/b"),
		TEXT("spiffe://" D253 ".a/b"),
	};
	struct agency_id id = {.n_text = 77};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (agency_id_parse(cases[i], &id) != ERR_FORMAT)
			fail_msg("accepted: %.*s", (int)cases[i].n, (const char *)cases[i].p);
	assert_int_equal(agency_id_parse(view_of(NULL, 0), &id), ERR_FORMAT);
	assert_int_equal(id.n_text, 77);
}

/* Each byte in turn, in the domain and in the name: only those of the sets pass. */
static void each_byte_is_of_its_set_or_refused(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		char text[] = "spiffe://axa/bxb";
		bool lower =
			(c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
		bool name = lower || (c >= 'A' && c <= 'Z') || c == '_';
		struct agency_id id;

		text[10] = (char)c;
		/* a slash splits earlier: domain "a", name "a/bxb" */
		assert_int_equal(agency_id_parse(view_of(text, sizeof(text) - 1), &id),
				 lower ? ERR_OK : ERR_FORMAT);
		text[10] = 'x';
		text[14] = (char)c;
		assert_int_equal(agency_id_parse(view_of(text, sizeof(text) - 1), &id),
				 name ? ERR_OK : ERR_FORMAT);
	}
}

static void ids_compare_as_bytes(void **state)
{
	static const char *const ordered[] = {"spiffe://a-b/c", "spiffe://a.b/c", "spiffe://a/B",
					      "spiffe://a/b",	"spiffe://a/bb",  "spiffe://b/a"};
	struct agency_id ids[ARRAY_LEN(ordered)];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ordered); i++)
		assert_int_equal(agency_id_parse(view_str(ordered[i]), &ids[i]), ERR_OK);
	for (size_t i = 0; i < ARRAY_LEN(ordered); i++) {
		for (size_t k = 0; k < ARRAY_LEN(ordered); k++) {
			int c = agency_id_cmp(&ids[i], &ids[k]);

			assert_int_equal((c > 0) - (c < 0), (i > k) - (i < k));
			assert_int_equal(agency_id_eq(&ids[i], &ids[k]), i == k);
		}
	}
}

static void a_domain_alone_follows_the_same_rule(void **state)
{
	static const char *const refused[] = {"", ".", "a.", "-a", "A", "a/b", "a/", L64, D253 "a"};

	(void)state;
	assert_true(trust_domain_is_valid(view_str("ochrana.cz.example")));
	assert_true(trust_domain_is_valid(view_str(D253)));
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		assert_false(trust_domain_is_valid(view_str(refused[i])));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_are_split_at_their_parts),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(each_byte_is_of_its_set_or_refused),
		cmocka_unit_test(ids_compare_as_bytes),
		cmocka_unit_test(a_domain_alone_follows_the_same_rule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
