/* SHA-256 (FIPS 180-4 examples), random bytes and strict base64 (RFC 4648 section 10). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/own.h"
#include "crypto/base64.h"
#include "crypto/digest.h"
#include "crypto/random.h"

static void assert_digest(const struct digest *d, const char *hex)
{
	char got[HEX_LEN(DIGEST_BYTES)];

	hex_encode(view_digest(d), got);
	assert_string_equal(got, hex);
}

static void sha256_gives_the_published_digests(void **state)
{
	static const struct {
		const char *text;
		const char *hex;
	} cases[] = {
		{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct digest d = sha256(view_str(cases[i].text));

		assert_digest(&d, cases[i].hex);
	}
}

static void sha256_of_a_million_letters(void **state)
{
	static uint8_t a[1000000];
	struct digest d;

	(void)state;
	memset(a, 'a', sizeof(a));
	d = sha256(view_of(a, sizeof(a)));
	assert_digest(&d, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void parts_hash_as_one(void **state)
{
	const struct view parts[] = {view_str("a"), view_of(NULL, 0), view_str("bc")};
	struct digest whole = sha256(view_str("abc"));
	struct digest split = sha256_parts(parts, ARRAY_LEN(parts));
	struct digest none = sha256_parts(NULL, 0);
	struct digest empty = sha256(view_str(""));

	(void)state;
	assert_true(digest_eq(&whole, &split));
	assert_true(digest_eq(&none, &empty));
}

static void base64_round_trips_the_published_texts(void **state)
{
	static const char *const cases[][2] = {
		{"", ""},
		{"f", "Zg=="},
		{"fo", "Zm8="},
		{"foo", "Zm9v"},
		{"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"},
		{"\xfb\xff\xfe", "+//+"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_fini) struct buf out = {0};
		CLEANUP(buf_fini) struct buf back = {0};

		assert_int_equal(base64_encode(view_str(cases[i][0]), &out), ERR_OK);
		assert_true(view_eq(buf_view(&out), view_str(cases[i][1])));
		assert_int_equal(out.n, BASE64_LEN(strlen(cases[i][0])));
		assert_int_equal(base64_decode(buf_view(&out), &back), ERR_OK);
		assert_true(view_eq(buf_view(&back), view_str(cases[i][0])));
	}
}

static void base64_refuses_any_other_text(void **state)
{
	static const char *const cases[] = {
		"Z",	"Zg",	"Zg=",	"Zg==Zg==", "Zm9v=",	"Zm9vY", "====",     "Z===",
		"=Zg=", "Zm=v", "Zh==", "Zo==",	    "ZgA=Zg==", "Zm9=",	 "Zm8=\n",   "\nZm8=",
		"Zm 8", "Zm8-", "Zm8_", "Zm\t8",    "Zm8*",	"Zg=A",	 "Zm9v====", "Zm\xc3\xa4",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_fini) struct buf out = {0};

		assert_int_equal(buf_put_str(&out, "kept"), ERR_OK);
		if (base64_decode(view_str(cases[i]), &out) != ERR_FORMAT)
			fail_msg("accepted: %s", cases[i]);
		assert_true(view_eq(buf_view(&out), view_str("kept")));
	}
	{
		CLEANUP(buf_fini) struct buf out = {0};

		assert_int_equal(base64_decode(view_of("Zg\0=", 4), &out), ERR_FORMAT);
	}
}

/* Of all texts of four characters that begin with "Zm", each that is taken is also produced. */
static void base64_has_one_text_for_each_value(void **state)
{
	unsigned taken = 0;

	(void)state;
	for (int a = 0; a < 256; a++) {
		for (int b = 0; b < 256; b++) {
			CLEANUP(buf_fini) struct buf out = {0};
			CLEANUP(buf_fini) struct buf again = {0};
			const uint8_t text[] = {'Z', 'm', (uint8_t)a, (uint8_t)b};

			if (base64_decode(view_of(text, 4), &out) != ERR_OK)
				continue;
			taken++;
			assert_int_equal(base64_encode(buf_view(&out), &again), ERR_OK);
			assert_true(view_eq(buf_view(&again), view_of(text, 4)));
		}
	}
	/* 'f' with nothing needs "Zg==": here 16 values with one '=', 4096 with none */
	assert_int_equal(taken, 64 * 64 + 16);
}

static void base64_keeps_to_the_limit_of_its_buffer(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 3);
	assert_int_equal(base64_encode(view_str("f"), &out), ERR_LIMIT);
	assert_int_equal(base64_decode(view_str("Zm9vYmFy"), &out), ERR_LIMIT);
	assert_int_equal(out.n, 0);
	buf_fini(&out);
}

static void random_bytes_differ(void **state)
{
	uint8_t a[32] = {0}, b[32] = {0};

	(void)state;
	assert_int_equal(random_bytes(a, sizeof(a)), ERR_OK);
	assert_int_equal(random_bytes(b, sizeof(b)), ERR_OK);
	assert_memory_not_equal(a, b, sizeof(a));
	assert_int_equal(random_bytes(a, SIZE_MAX), ERR_CRYPTO);
}

static void count_up(void *ctx, uint8_t *p, size_t n)
{
	uint8_t *next = ctx;

	for (size_t i = 0; i < n; i++)
		p[i] = (*next)++;
}

static void a_source_replaces_the_generator_and_goes_again(void **state)
{
	static const uint8_t expected[] = {7, 8, 9, 10};
	uint8_t p[4], q[32], r[32], next = 7;

	(void)state;
	random_set_source(count_up, &next);
	assert_int_equal(random_bytes(p, sizeof(p)), ERR_OK);
	assert_memory_equal(p, expected, sizeof(p));
	random_set_source(NULL, NULL);
	assert_int_equal(random_bytes(q, sizeof(q)), ERR_OK);
	assert_int_equal(random_bytes(r, sizeof(r)), ERR_OK);
	assert_memory_not_equal(q, r, sizeof(q));
	assert_int_equal(next, 11);
}

static int start(void **state)
{
	(void)state;
	return crypto_init() == ERR_OK ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	crypto_fini();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_gives_the_published_digests),
		cmocka_unit_test(sha256_of_a_million_letters),
		cmocka_unit_test(parts_hash_as_one),
		cmocka_unit_test(base64_round_trips_the_published_texts),
		cmocka_unit_test(base64_refuses_any_other_text),
		cmocka_unit_test(base64_has_one_text_for_each_value),
		cmocka_unit_test(base64_keeps_to_the_limit_of_its_buffer),
		cmocka_unit_test(random_bytes_differ),
		cmocka_unit_test(a_source_replaces_the_generator_and_goes_again),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
