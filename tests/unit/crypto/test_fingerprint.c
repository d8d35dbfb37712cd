/* Fingerprints: equal bytes are alike, others are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/own.h"
#include "crypto/digest.h"
#include "crypto/fingerprint.h"

static struct fingerprinter *fingerprinter_of(uint8_t first)
{
	const uint8_t key[32] = {first};
	CLEANUP(secret_freep) struct secret *s = NULL;
	struct fingerprinter *f = NULL;

	assert_int_equal(secret_new(view_of(key, sizeof(key)), &s), ERR_OK);
	assert_int_equal(fingerprinter_new(s, &f), ERR_OK);
	return f;
}

static struct fingerprint of(struct fingerprinter *f, struct view a, struct view b)
{
	struct fingerprint p = {{0}};

	assert_int_equal(fingerprint_make(f, (struct view[]){a, b}, 2, &p), ERR_OK);
	return p;
}

static void the_same_bytes_are_alike(void **state)
{
	CLEANUP(fingerprinter_freep) struct fingerprinter *f = fingerprinter_of(1);
	CLEANUP(fingerprinter_freep) struct fingerprinter *again = fingerprinter_of(1);
	uint8_t bytes[5000];
	struct fingerprint p;

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	p = of(f, view_of(bytes, sizeof(bytes)), view_str(""));
	for (size_t i = 0; i <= sizeof(bytes); i += 499) {
		struct view head = view_of(bytes, i), rest = view_of(bytes + i, sizeof(bytes) - i);
		struct fingerprint other = of(f, head, rest);

		assert_true(fingerprint_eq(&p, &other));
		other = of(again, head, rest);
		assert_true(fingerprint_eq(&p, &other));
	}
}

static void one_bit_makes_another(void **state)
{
	CLEANUP(fingerprinter_freep) struct fingerprinter *f = fingerprinter_of(1);
	uint8_t bytes[100] = {0};
	struct fingerprint p = of(f, view_of(bytes, sizeof(bytes)), view_str(""));

	(void)state;
	for (size_t i = 0; i < sizeof(bytes) * 8; i++) {
		struct fingerprint other;

		bytes[i / 8] ^= (uint8_t)(1u << i % 8);
		other = of(f, view_of(bytes, sizeof(bytes)), view_str(""));
		assert_false(fingerprint_eq(&p, &other));
		bytes[i / 8] ^= (uint8_t)(1u << i % 8);
	}
}

/* Zeros at the end, which pad a block, count. */
static void the_length_counts(void **state)
{
	CLEANUP(fingerprinter_freep) struct fingerprinter *f = fingerprinter_of(1);
	const uint8_t zeros[33] = {0};
	struct fingerprint p[34];

	(void)state;
	for (size_t n = 0; n <= sizeof(zeros); n++) {
		p[n] = of(f, view_of(zeros, n), view_str(""));
		for (size_t i = 0; i < n; i++)
			assert_false(fingerprint_eq(&p[i], &p[n]));
	}
}

static void another_node_has_others(void **state)
{
	CLEANUP(fingerprinter_freep) struct fingerprinter *f = fingerprinter_of(1);
	CLEANUP(fingerprinter_freep) struct fingerprinter *g = fingerprinter_of(2);
	struct fingerprint a = of(f, view_str("the same"), view_str("bytes"));
	struct fingerprint b = of(g, view_str("the same"), view_str("bytes"));

	(void)state;
	assert_false(fingerprint_eq(&a, &b));
}

static void what_is_too_long_is_refused(void **state)
{
	CLEANUP(fingerprinter_freep) struct fingerprinter *f = fingerprinter_of(1);
	struct view v = {.p = (const uint8_t *)"", .n = (size_t)1 << 31};
	struct fingerprint p = {{0}};

	(void)state;
	assert_int_equal(fingerprint_make(f, &v, 1, &p), ERR_LIMIT);
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
		cmocka_unit_test(the_same_bytes_are_alike),
		cmocka_unit_test(one_bit_makes_another),
		cmocka_unit_test(the_length_counts),
		cmocka_unit_test(another_node_has_others),
		cmocka_unit_test(what_is_too_long_is_refused),
	};

	return cmocka_run_group_tests_name("crypto/fingerprint", tests, start, stop);
}
