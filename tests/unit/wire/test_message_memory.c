/* What decoding allocates: bounded whatever the bytes are, given back, and any of it may fail. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <malloc.h>

#include "golden.h"
#include "wire/frame.h"
#include "wire/scan.h"
#include "wire/varint.h"

#define MIB (1024u * 1024u)

/* The linker sends the daemon's own allocations through these (--wrap). */
void *__real_calloc(size_t n, size_t size);
void *__real_malloc(size_t size);
void __real_free(void *p);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t size);
void __wrap_free(void *p);

static size_t n_live_bytes; /* may wrap below 0 between counts: only differences are looked at */
static size_t n_peak_bytes;
static size_t n_until_failure; /* 0 = none fails */

static void *counted(void *p)
{
	if (p)
		n_live_bytes += malloc_usable_size(p);
	if (n_live_bytes > n_peak_bytes)
		n_peak_bytes = n_live_bytes;
	return p;
}

static bool fails_now(void)
{
	return n_until_failure && --n_until_failure == 0;
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails_now() ? NULL : counted(__real_calloc(n, size));
}

void *__wrap_malloc(size_t size)
{
	return fails_now() ? NULL : counted(__real_malloc(size));
}

void __wrap_free(void *p)
{
	if (p)
		n_live_bytes -= malloc_usable_size(p);
	__real_free(p);
}

static void repeat(struct buf *out, struct view unit, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(buf_put_view(out, unit), ERR_OK);
}

static void repeat_hex(struct buf *out, const char *hex, size_t n)
{
	CLEANUP(buf_fini) struct buf unit = {0};

	unhex(hex, &unit);
	repeat(out, buf_view(&unit), n);
}

static void wrap_field(struct buf *b, uint32_t number)
{
	struct buf outer = {0};

	assert_int_equal(wire_put_bytes(&outer, number, buf_view(b)), ERR_OK);
	buf_fini(b);
	*b = outer;
}

/* Decode; nothing stays, and the most held at once is within what message.h promises. */
static enum err decode_bounded(const ProtobufCMessageDescriptor *desc, struct view in)
{
	size_t before = n_live_bytes;
	void *m = NULL;
	enum err e;

	n_peak_bytes = n_live_bytes;
	e = message_decode(desc, in, MESSAGE_STRICT, &m);
	assert_true(n_peak_bytes - before <= MESSAGE_BASE_BYTES + MESSAGE_AMPLIFICATION * in.n);
	assert_true(n_peak_bytes - before <= 7 * MIB);
	message_free(m);
	assert_int_equal(n_live_bytes, before);
	if (e == ERR_NOMEM || n_until_failure)
		return e;
	m = NULL;
	assert_int_equal(message_decode(desc, in, MESSAGE_BORROW, &m), e);
	assert_true(n_live_bytes <= n_peak_bytes);
	message_free(m);
	assert_int_equal(n_live_bytes, before);
	return e;
}

/* A mebibyte of whatever takes most room for its bytes: refused by the scan, nothing allocated. */
static void amplifiers(void **state)
{
	static const struct {
		const char *name;
		const ProtobufCMessageDescriptor *desc;
		const char *unit;
	} table[] = {
		{"empty items", &pb_batch_desc, "32 00"},
		{"items with an index", &pb_batch_desc, "32 02 08 01"},
		{"items with an empty opening", &pb_batch_desc, "32 02 2a 00"},
		{"empty bytes", &pb_hello_desc, "5a 00"},
		{"bytes of one", &pb_hello_desc, "5a 01 00"},
		{"numbers", &pb_hello_desc, "60 00"},
		{"empty texts", &pb_status_desc, "22 00"},
		{"empty exceptions", &pb_receipt_desc, "3a 00"},
		{"items of 100 empty openings", &pb_batch_desc, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		CLEANUP(buf_fini) struct buf in = {0};
		CLEANUP(buf_fini) struct buf unit = {0};

		if (table[i].unit) {
			unhex(table[i].unit, &unit);
		} else {
			repeat_hex(&unit, "2a 00", 100);
			wrap_field(&unit, 6);
		}
		repeat(&in, buf_view(&unit), MIB / unit.n);
		n_peak_bytes = n_live_bytes;
		if (decode_bounded(table[i].desc, buf_view(&in)) != ERR_LIMIT)
			fail_msg("%s: not refused", table[i].name);
		assert_int_equal(n_peak_bytes, n_live_bytes);
		/* As many as the limits of number and memory let through. */
		for (size_t n = 1; n < MIB / unit.n; n *= 2) {
			enum err e =
				decode_bounded(table[i].desc, view_of(buf_data(&in), n * unit.n));

			assert_true(e == ERR_OK || e == ERR_LIMIT);
			assert_true(e == ERR_OK || n > 4);
		}
	}
}

/*
 * No message of ours holds itself, nor thousands of others: depth and number are shown with one
 * that does. Field 1 is a repeated message of its own kind, field 2 a repeated uint32.
 */
struct tree {
	ProtobufCMessage base;
	size_t n_inner;
	struct tree **inner;
	size_t n_numbers;
	uint32_t *numbers;
};

static const ProtobufCMessageDescriptor tree_desc;
static const ProtobufCFieldDescriptor tree_fields[] = {
	{
		.name = "inner",
		.id = 1,
		.label = PROTOBUF_C_LABEL_REPEATED,
		.type = PROTOBUF_C_TYPE_MESSAGE,
		.quantifier_offset = offsetof(struct tree, n_inner),
		.offset = offsetof(struct tree, inner),
		.descriptor = &tree_desc,
	},
	{
		.name = "numbers",
		.id = 2,
		.label = PROTOBUF_C_LABEL_REPEATED,
		.type = PROTOBUF_C_TYPE_UINT32,
		.quantifier_offset = offsetof(struct tree, n_numbers),
		.offset = offsetof(struct tree, numbers),
	},
};
static const ProtobufCIntRange tree_ranges[] = {{1, 0}, {0, 2}};

static void tree_init(ProtobufCMessage *m)
{
	*(struct tree *)m = (struct tree){.base = {.descriptor = &tree_desc}};
}

static const ProtobufCMessageDescriptor tree_desc = {
	.magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
	.name = "tree",
	.sizeof_message = sizeof(struct tree),
	.n_fields = 2,
	.fields = tree_fields,
	.n_field_ranges = 1,
	.field_ranges = tree_ranges,
	.message_init = tree_init,
};

static void number_of_fields(void **state)
{
	CLEANUP(buf_fini) struct buf in = {0};
	CLEANUP(buf_fini) struct buf unit = {0};

	(void)state;
	repeat_hex(&in, "10 00", MESSAGE_WIDTH_MAX);
	assert_int_equal(decode_bounded(&tree_desc, buf_view(&in)), ERR_OK);
	repeat_hex(&in, "10 00", 1);
	assert_int_equal(decode_bounded(&tree_desc, buf_view(&in)), ERR_LIMIT);

	/* 3,276 messages of 19 numbers: with themselves 65,520 fields. 16 more are the most. */
	buf_clear(&in);
	repeat_hex(&unit, "10 01", 19);
	wrap_field(&unit, 1);
	repeat(&in, buf_view(&unit), 3276);
	repeat_hex(&in, "10 00", 16);
	assert_int_equal(decode_bounded(&tree_desc, buf_view(&in)), ERR_OK);
	repeat_hex(&in, "10 00", 1);
	assert_int_equal(decode_bounded(&tree_desc, buf_view(&in)), ERR_LIMIT);
}

/* The largest batch that a sender may make is within the limits. */
static void honest_batch(void **state)
{
	CLEANUP(buf_fini) struct buf opening = {0};
	CLEANUP(buf_fini) struct buf item = {0};
	CLEANUP(buf_fini) struct buf in = {0};

	(void)state;
	repeat_hex(&opening, "61", 32);
	wrap_field(&opening, 1);
	repeat_hex(&opening, "12 06 0a 04 12 02 41 42", 1);
	wrap_field(&opening, 5);
	repeat_hex(&item, "08 01", 1);
	repeat(&item, buf_view(&opening), 84);
	wrap_field(&item, 6);
	repeat(&in, buf_view(&item), 256);
	wrap_field(&in, 2);
	assert_true(in.n > FRAME_BODY_MAX * 9 / 10 && in.n <= FRAME_BODY_MAX);
	assert_int_equal(decode_bounded(&pb_frame_desc, buf_view(&in)), ERR_OK);
}

static void too_long(void **state)
{
	CLEANUP(buf_fini) struct buf in = {0};

	(void)state;
	repeat_hex(&in, "00", MESSAGE_BYTES_MAX - 4);
	wrap_field(&in, 6);
	assert_int_equal(in.n, MESSAGE_BYTES_MAX);
	assert_int_equal(decode_bounded(&pb_relay_desc, buf_view(&in)), ERR_OK);
	assert_int_equal(buf_put_u8(&in, 0), ERR_OK);
	assert_int_equal(decode_bounded(&pb_relay_desc, buf_view(&in)), ERR_LIMIT);
}

static void depth(void **state)
{
	CLEANUP(buf_fini) struct buf in = {0};

	(void)state;
	for (unsigned n = 1; n <= 2000; n++) {
		enum err e = decode_bounded(&tree_desc, buf_view(&in));

		assert_int_equal(e, n <= MESSAGE_DEPTH_MAX ? ERR_OK : ERR_LIMIT);
		wrap_field(&in, 1);
	}
}

/* A message takes one allocation, whatever is in it; that may fail. */
static void out_of_memory(void **state)
{
	CLEANUP(buf_fini) struct buf in = {0};

	(void)state;
	golden_batch(&in);
	n_until_failure = 1;
	assert_int_equal(decode_bounded(&pb_frame_desc, buf_view(&in)), ERR_NOMEM);
	assert_int_equal(n_until_failure, 0);
	n_until_failure = 2;
	assert_int_equal(decode_bounded(&pb_frame_desc, buf_view(&in)), ERR_OK);
	assert_int_equal(n_until_failure, 1);
	n_until_failure = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(amplifiers),	cmocka_unit_test(number_of_fields),
		cmocka_unit_test(honest_batch), cmocka_unit_test(too_long),
		cmocka_unit_test(depth),	cmocka_unit_test(out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
