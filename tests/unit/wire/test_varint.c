/* The strict reader of fields, and the writer that makes what it takes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "golden.h"
#include "wire/varint.h"

/* 2^i - 1, 2^i and 2^i + 1 for all i: each has one form, of the length that is said. */
static void varints(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		for (int add = -1; add <= 1; add++) {
			uint64_t v = (UINT64_C(1) << i) + (uint64_t)add;
			CLEANUP(buf_fini) struct buf b = {0};
			struct wire_reader r;
			uint64_t got;

			assert_int_equal(wire_put_varint(&b, v), ERR_OK);
			assert_int_equal(b.n, wire_varint_size(v));
			r = wire_reader(buf_view(&b));
			assert_int_equal(wire_take_varint(&r, &got), ERR_OK);
			assert_true(got == v);
			assert_true(wire_is_end(&r));
			/* Each shorter piece is cut, each longer form is not canonical. */
			for (size_t n = 0; n < b.n; n++) {
				r = wire_reader(view_of(buf_data(&b), n));
				assert_int_equal(wire_take_varint(&r, &got), ERR_FORMAT);
			}
			if (b.n == WIRE_VARINT_BYTES_MAX)
				continue;
			buf_data(&b)[b.n - 1] |= 0x80;
			assert_int_equal(buf_put_u8(&b, 0), ERR_OK);
			r = wire_reader(buf_view(&b));
			assert_int_equal(wire_take_varint(&r, &got), ERR_CANONICAL);
		}
	}
}

static void fields(void **state)
{
	CLEANUP(buf_fini) struct buf b = {0};
	struct wire_field f;
	struct wire_reader r;

	(void)state;
	assert_int_equal(wire_put_uint(&b, 1, 300), ERR_OK);
	assert_int_equal(wire_put_bytes(&b, WIRE_NUMBER_MAX, view_str("abc")), ERR_OK);
	assert_int_equal(b.n, 3 + wire_bytes_size(WIRE_NUMBER_MAX, 3));
	unhex("15 01 02 03 04 11 01 02 03 04 05 06 07 08", &b);
	r = wire_reader(buf_view(&b));
	assert_int_equal(wire_next(&r, &f), ERR_OK);
	assert_true(f.number == 1 && f.type == WIRE_VARINT && f.varint == 300);
	assert_true(f.whole.p == buf_data(&b) && f.whole.n == 3 && f.value.n == 0);
	assert_int_equal(wire_next(&r, &f), ERR_OK);
	assert_true(f.number == WIRE_NUMBER_MAX && f.type == WIRE_BYTES && f.varint == 0);
	assert_true(view_eq(f.value, view_str("abc")) && f.whole.n == 9);
	assert_int_equal(wire_next(&r, &f), ERR_OK);
	assert_true(f.number == 2 && f.type == WIRE_FIXED32 && f.value.n == 4);
	assert_int_equal(wire_next(&r, &f), ERR_OK);
	assert_true(f.number == 2 && f.type == WIRE_FIXED64 && f.value.n == 8);
	assert_true(wire_is_end(&r));
}

static void failure_leaves_the_reader(void **state)
{
	static const char *const bad[] = {"88",	      "12 05 01", "0b",	   "00 00", "88 00 01",
					  "08 80 00", "0d 01",	  "09 01", "12"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEANUP(buf_fini) struct buf b = {0};
		struct wire_field f = {.number = 77};
		struct wire_reader r;

		unhex(bad[i], &b);
		r = wire_reader(buf_view(&b));
		assert_int_not_equal(wire_next(&r, &f), ERR_OK);
		assert_true(r.p == buf_data(&b));
		assert_int_equal(f.number, 77);
	}
}

/* What wire_next() reads by itself it reads as wire_next_any() does: any three bytes at the
 * beginning, whole and cut short, and with just enough behind them, or not. */
static void short_fields_are_like_any(void **state)
{
	static uint8_t bytes[3 + 0x4000];

	(void)state;
	for (unsigned i = 0; i < 1u << 24; i++) {
		const size_t n_near = (i >> 8 & 0x7f) + 2;
		const size_t n_far = (i >> 8 & 0x7f) + ((size_t)(i & 0x7f) << 7) + 3;
		const size_t sizes[] = {1, 2, 3, n_near - 1, n_near, n_far - 1, n_far};

		/* of the field's number and the last byte the bounds, and those beside them */
		if (((i >> 19 & 0xf) > 1 && (i >> 19 & 0xf) < 15) ||
		    ((i & 0x7f) > 2 && (i & 0x7f) < 0x7e))
			continue;
		bytes[0] = (uint8_t)(i >> 16);
		bytes[1] = (uint8_t)(i >> 8);
		bytes[2] = (uint8_t)i;
		for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
			const struct view v = view_of(bytes, sizes[k]);
			struct wire_reader r = wire_reader(v), r_any = wire_reader(v);
			struct wire_field f = {.number = 77}, any = {.number = 77};

			if (v.n == 0)
				continue;
			assert_int_equal(wire_next(&r, &f), wire_next_any(&r_any, &any));
			assert_ptr_equal(r.p, r_any.p);
			assert_memory_equal(&f, &any, sizeof(f));
		}
	}
}

static void nothing_to_read(void **state)
{
	struct wire_reader r = wire_reader((struct view){0});

	(void)state;
	assert_true(wire_is_end(&r));
}

static void writer_keeps_the_limit(void **state)
{
	CLEANUP(buf_fini) struct buf b = {0};

	(void)state;
	buf_init(&b, 1);
	assert_int_equal(wire_put_varint(&b, 128), ERR_LIMIT);
	assert_int_equal(b.n, 0);
	assert_int_equal(wire_put_uint(&b, 1, 1), ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(varints),
		cmocka_unit_test(fields),
		cmocka_unit_test(failure_leaves_the_reader),
		cmocka_unit_test(short_fields_are_like_any),
		cmocka_unit_test(nothing_to_read),
		cmocka_unit_test(writer_keeps_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
