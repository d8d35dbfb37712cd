/* Buffers, big-endian integers, hex, digests and views. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/own.h"

static void bytes_leave_in_the_order_they_came(void **state)
{
	CLEANUP(buf_fini) struct buf b = {0};
	uint32_t in = 0, out = 0, seed = 7;

	(void)state;
	assert_null(buf_data(&b));
	for (int round = 0; round < 2000; round++) {
		uint8_t block[300];
		size_t n = (seed = seed * 1103515245 + 12345) >> 16 & 255;

		for (size_t i = 0; i < n; i++)
			block[i] = (uint8_t)in++;
		assert_int_equal(buf_put(&b, block, n), ERR_OK);
		n = (seed = seed * 1103515245 + 12345) >> 16 & 255;
		n = n < b.n ? n : b.n;
		for (size_t i = 0; i < n; i++)
			assert_int_equal(buf_data(&b)[i], (uint8_t)out++);
		buf_consume(&b, n);
		assert_int_equal(b.n, in - out);
	}
}

/* A reader that keeps up needs no more storage, however much passes. */
static void storage_does_not_grow_with_what_has_passed(void **state)
{
	CLEANUP(buf_fini) struct buf b = {0};
	const uint8_t block[100] = {1};

	(void)state;
	for (int i = 0; i < 10000; i++) {
		assert_int_equal(buf_put(&b, block, sizeof(block)), ERR_OK);
		if (b.n > sizeof(block))
			buf_consume(&b, sizeof(block));
	}
	assert_true(b.cap <= 1024);
}

static void a_limit_holds_for_what_is_held(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 10);
	assert_int_equal(buf_put_str(&b, "0123456789"), ERR_OK);
	assert_int_equal(buf_put_u8(&b, 1), ERR_LIMIT);
	assert_int_equal(buf_put(&b, "", 0), ERR_OK);
	buf_consume(&b, 4);
	assert_int_equal(buf_put_u32(&b, 1), ERR_OK);
	assert_int_equal(buf_put_u8(&b, 1), ERR_LIMIT);
	assert_int_equal(b.n, 10);
	buf_clear(&b);
	assert_int_equal(buf_put_u64(&b, 1), ERR_OK);
	assert_int_equal(buf_put_u64(&b, 1), ERR_LIMIT);
	buf_fini(&b);
	assert_int_equal(b.limit, 10);
	buf_fini(NULL);
}

static void an_absurd_length_is_refused(void **state)
{
	CLEANUP(buf_fini) struct buf b = {0};
	uint8_t *to;

	(void)state;
	assert_int_equal(buf_reserve(&b, SIZE_MAX, &to), ERR_NOMEM);
	assert_int_equal(buf_reserve(&b, SIZE_MAX / 4 + 1, &to), ERR_NOMEM);
	assert_int_equal(b.cap, 0);
}

static void room_for_nothing_is_room(void **state)
{
	CLEANUP(buf_fini) struct buf b = {0};
	uint8_t *to = NULL;

	(void)state;
	assert_int_equal(buf_reserve(&b, 0, &to), ERR_OK);
	assert_non_null(to);
	buf_advance(&b, 0);
	assert_int_equal(b.n, 0);
	assert_int_equal(buf_put_view(&b, view_of(NULL, 0)), ERR_OK);
	assert_int_equal(buf_put_str(&b, ""), ERR_OK);
	assert_int_equal(b.n, 0);
}

static void what_stands_at_the_end_is_held(void **state)
{
	CLEANUP(buf_fini) struct buf b = {0};
	uint8_t *to;

	(void)state;
	assert_int_equal(buf_reserve(&b, 10, &to), ERR_OK);
	memcpy(to + b.cap - 3, "abc", 3);
	buf_hold_last(&b, 3);
	assert_true(view_eq(buf_view(&b), view_str("abc")));
	assert_int_equal(buf_put_str(&b, "def"), ERR_OK);
	assert_true(view_eq(buf_view(&b), view_str("abcdef")));
	buf_clear(&b);
	buf_hold_last(&b, 0);
	assert_int_equal(b.n, 0);
}

/* Whoever wipes what is held leaves none of it in the storage, however it was moved. */
static void what_is_moved_stands_once(void **state)
{
	static const size_t lengths[] = {3, 100, 200, 255}; /* with and without overlap */

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		CLEANUP(buf_fini) struct buf b = {0};
		const size_t n = lengths[i];
		uint8_t *to;

		assert_int_equal(buf_reserve(&b, 256, &to), ERR_OK);
		assert_int_equal(b.cap, 256);
		memset(to, 0, b.cap);
		memset(to + b.cap - n, 's', n);
		buf_hold_last(&b, n);
		assert_int_equal(buf_put_str(&b, "s"), ERR_OK);
		assert_int_equal(b.head, 0);
		for (size_t at = 0; at < b.cap; at++)
			assert_int_equal(b.data[at], at < n + 1 ? 's' : 0);
	}
}

static void integers_are_big_endian(void **state)
{
	static const uint8_t expected[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	CLEANUP(buf_fini) struct buf b = {0};

	(void)state;
	assert_int_equal(buf_put_u8(&b, 0x01), ERR_OK);
	assert_int_equal(buf_put_u16(&b, 0x0203), ERR_OK);
	assert_int_equal(buf_put_u32(&b, 0x04050607), ERR_OK);
	assert_int_equal(buf_put_u64(&b, 0x08090a0b0c0d0e0f), ERR_OK);
	assert_true(view_eq(buf_view(&b), view_of(expected, sizeof(expected))));
	assert_int_equal(get_u32be(buf_data(&b) + 3), 0x04050607);
	assert_true(get_u64be(buf_data(&b) + 7) == 0x08090a0b0c0d0e0f);
	{
		const uint8_t high[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

		assert_true(get_u32be(high) == UINT32_MAX);
		assert_true(get_u64be(high) == UINT64_MAX);
	}
}

static void text_is_formatted_behind_what_is_there(void **state)
{
	CLEANUP(buf_fini) struct buf b = {0};

	(void)state;
	assert_int_equal(buf_put_str(&b, "a"), ERR_OK);
	assert_int_equal(buf_printf(&b, "%d-%s", 42, "x"), ERR_OK);
	assert_int_equal(buf_printf(&b, "%s", ""), ERR_OK);
	assert_true(view_eq(buf_view(&b), view_str("a42-x")));
}

static void hex_goes_both_ways_and_is_strict(void **state)
{
	static const char *const bad[] = {"",	"0",  "000", "0g",  "g0",
					  " 0", "0 ", "0x",  "00 ", "--"};
	const uint8_t bytes[] = {0x00, 0x7f, 0xab, 0xff};
	char text[HEX_LEN(4)];
	uint8_t back[4] = {0}, one = 9;

	(void)state;
	hex_encode(view_of(bytes, sizeof(bytes)), text);
	assert_string_equal(text, "007fabff");
	assert_int_equal(hex_decode("007FaBff", back, sizeof(back)), ERR_OK);
	assert_memory_equal(back, bytes, sizeof(back));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(hex_decode(bad[i], &one, 1), ERR_FORMAT);
	assert_int_equal(one, 9);
	hex_encode(view_of(NULL, 0), text);
	assert_string_equal(text, "");
	assert_int_equal(hex_decode("", back, 0), ERR_OK);
}

static void views_and_digests_compare_by_their_bytes(void **state)
{
	const uint8_t bytes[DIGEST_BYTES + 1] = {3, 2, 1};
	struct digest a = {{0}}, b = {{0}};

	(void)state;
	assert_false(digest_from_view(&a, view_of(bytes, DIGEST_BYTES - 1)));
	assert_false(digest_from_view(&a, view_of(bytes, DIGEST_BYTES + 1)));
	assert_true(digest_eq(&a, &b));
	assert_true(digest_from_view(&a, view_of(bytes, DIGEST_BYTES)));
	assert_false(digest_eq(&a, &b));
	assert_true(digest_cmp(&a, &b) > 0);
	assert_true(view_eq(view_digest(&a), view_of(bytes, DIGEST_BYTES)));
	assert_true(view_eq(view_of(NULL, 0), view_str("")));
	assert_false(view_eq(view_str("a"), view_str("ab")));
	assert_false(view_eq(view_str("aa"), view_str("ab")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_leave_in_the_order_they_came),
		cmocka_unit_test(storage_does_not_grow_with_what_has_passed),
		cmocka_unit_test(a_limit_holds_for_what_is_held),
		cmocka_unit_test(an_absurd_length_is_refused),
		cmocka_unit_test(room_for_nothing_is_room),
		cmocka_unit_test(what_stands_at_the_end_is_held),
		cmocka_unit_test(what_is_moved_stands_once),
		cmocka_unit_test(integers_are_big_endian),
		cmocka_unit_test(text_is_formatted_behind_what_is_there),
		cmocka_unit_test(hex_goes_both_ways_and_is_strict),
		cmocka_unit_test(views_and_digests_compare_by_their_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
