/*
 * What message_decode() takes is just what protobuf-c unpacks and packs to the same bytes, without
 * unknown fields, unknown numbers of enums and bad text; what message_encode() makes is just what
 * protobuf-c packs. That second opinion is kept here: the daemon's own scan and writing decide
 * alone, for every type of the schema, and for one that has all types.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "mutate.h"
#include "wire/text.h"

#define SEED UINT64_C(20261122)
#define CASES_MIN 200000u
#define MUTANTS 12u /* of each message */

/* --- a message of all types, which can hold itself ---------------------------------------- */

#define TYPES(X)                                                                                   \
	X(int32, INT32, int32_t, NULL)                                                             \
	X(sint32, SINT32, int32_t, NULL)                                                           \
	X(sfixed32, SFIXED32, int32_t, NULL)                                                       \
	X(int64, INT64, int64_t, NULL)                                                             \
	X(sint64, SINT64, int64_t, NULL)                                                           \
	X(sfixed64, SFIXED64, int64_t, NULL)                                                       \
	X(uint32, UINT32, uint32_t, NULL)                                                          \
	X(fixed32, FIXED32, uint32_t, NULL)                                                        \
	X(uint64, UINT64, uint64_t, NULL)                                                          \
	X(fixed64, FIXED64, uint64_t, NULL)                                                        \
	X(float_, FLOAT, float, NULL)                                                              \
	X(double_, DOUBLE, double, NULL)                                                           \
	X(bool_, BOOL, protobuf_c_boolean, NULL)                                                   \
	X(enum_, ENUM, int, &all_enum_desc)                                                        \
	X(string, STRING, char *, NULL)                                                            \
	X(bytes, BYTES, ProtobufCBinaryData, NULL)                                                 \
	X(message, MESSAGE, struct all *, &all_desc)

struct all {
	ProtobufCMessage base;
#define X(name, TYPE, c_type, descriptor)                                                          \
	protobuf_c_boolean has_##name;                                                             \
	c_type name;                                                                               \
	size_t n_##name;                                                                           \
	c_type *many_##name;
	TYPES(X)
#undef X
};

static const ProtobufCMessageDescriptor all_desc;
static const ProtobufCEnumValue all_enum_values[] = {
	{"LEAST", "LEAST", INT32_MIN}, {"MINUS", "MINUS", -1}, {"ONE", "ONE", 1}, {"TWO", "TWO", 2},
	{"MANY", "MANY", 300},
};
static const ProtobufCIntRange all_enum_ranges[] = {
	{INT32_MIN, 0}, {-1, 1}, {1, 2}, {300, 4}, {0, 5}};
static const ProtobufCEnumDescriptor all_enum_desc = {
	.magic = PROTOBUF_C__ENUM_DESCRIPTOR_MAGIC,
	.name = "all_enum",
	.n_values = ARRAY_LEN(all_enum_values),
	.values = all_enum_values,
	.n_value_ranges = ARRAY_LEN(all_enum_ranges) - 1,
	.value_ranges = all_enum_ranges,
};

/* Texts and messages are present when they are not NULL, and have no other mark of it. */
#define HAS_OFFSET(name, TYPE)                                                                     \
	(PROTOBUF_C_TYPE_##TYPE == PROTOBUF_C_TYPE_STRING ||                                       \
			 PROTOBUF_C_TYPE_##TYPE == PROTOBUF_C_TYPE_MESSAGE                         \
		 ? 0                                                                               \
		 : offsetof(struct all, has_##name))
enum all_place {
#define X(name, TYPE, c_type, descriptor) ALL_##TYPE, ALL_MANY_##TYPE,
	TYPES(X)
#undef X
	N_ALL,
};
static const ProtobufCFieldDescriptor all_fields[] = {
#define X(name_, TYPE, c_type, descriptor_)                                                        \
	{                                                                                          \
		.name = #name_,                                                                    \
		.id = ALL_##TYPE + 1,                                                              \
		.label = PROTOBUF_C_LABEL_OPTIONAL,                                                \
		.type = PROTOBUF_C_TYPE_##TYPE,                                                    \
		.quantifier_offset = HAS_OFFSET(name_, TYPE),                                      \
		.offset = offsetof(struct all, name_),                                             \
		.descriptor = descriptor_,                                                         \
	},                                                                                         \
		{                                                                                  \
			.name = "many_" #name_,                                                    \
			.id = ALL_MANY_##TYPE + 1,                                                 \
			.label = PROTOBUF_C_LABEL_REPEATED,                                        \
			.type = PROTOBUF_C_TYPE_##TYPE,                                            \
			.quantifier_offset = offsetof(struct all, n_##name_),                      \
			.offset = offsetof(struct all, many_##name_),                              \
			.descriptor = descriptor_,                                                 \
		},
	TYPES(X)
#undef X
};
static const ProtobufCIntRange all_ranges[] = {{1, 0}, {0, N_ALL}};

static void all_init(ProtobufCMessage *m)
{
	*(struct all *)m = (struct all){.base = {.descriptor = &all_desc}};
}

static const ProtobufCMessageDescriptor all_desc = {
	.magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
	.name = "all",
	.sizeof_message = sizeof(struct all),
	.n_fields = N_ALL,
	.fields = all_fields,
	.n_field_ranges = 1,
	.field_ranges = all_ranges,
	.message_init = all_init,
};

/* --- the second opinion -------------------------------------------------------------------- */

/* Zeroed: protobuf-c 1.4.1 frees arrays that it has not filled when unpacking fails half-way. */
static void *zeroed_alloc(void *data, size_t n)
{
	(void)data;
	return calloc(1, n ? n : 1);
}

static void zeroed_free(void *data, void *p)
{
	(void)data;
	free(p);
}

static ProtobufCAllocator zeroed = {.alloc = zeroed_alloc, .free = zeroed_free};

static void unpacked_freep(ProtobufCMessage **m)
{
	protobuf_c_message_free_unpacked(*m, &zeroed);
}

static bool is_known(ProtobufCMessage *m, unsigned depth);

static bool is_value_known(const ProtobufCFieldDescriptor *field, const char *at, unsigned depth)
{
	const void *p;
	int number;

	if (field->type == PROTOBUF_C_TYPE_ENUM) {
		memcpy(&number, at, sizeof(number));
		return protobuf_c_enum_descriptor_get_value(field->descriptor, number) != NULL;
	}
	if (field->type != PROTOBUF_C_TYPE_STRING && field->type != PROTOBUF_C_TYPE_MESSAGE)
		return true;
	memcpy(&p, at, sizeof(p));
	if (!p)
		return true;
	return field->type == PROTOBUF_C_TYPE_STRING ? text_is_valid(view_str(p))
						     : is_known(*(void *const *)at, depth + 1);
}

static bool is_field_known(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *field,
			   unsigned depth)
{
	const char *at = (const char *)m + field->offset;
	const char *has = (const char *)m + field->quantifier_offset;
	const char *array;
	bool is = true;
	size_t n;

	if (field->label != PROTOBUF_C_LABEL_REPEATED) {
		if (field->quantifier_offset && !*(const protobuf_c_boolean *)(const void *)has)
			return true;
		return is_value_known(field, at, depth);
	}
	memcpy(&array, at, sizeof(array));
	memcpy(&n, has, sizeof(n));
	for (size_t i = 0; i < n; i++) {
		/* only elements of these sizes are looked into */
		size_t size = field->type == PROTOBUF_C_TYPE_ENUM ? sizeof(int) : sizeof(void *);

		is = is_value_known(field, array + i * size, depth) && is;
	}
	return is;
}

/* Nothing unknown in a message at any level, nor too deep, nor bad text. Drops unknown fields. */
static bool is_known(ProtobufCMessage *m, unsigned depth)
{
	bool is = m->n_unknown_fields == 0 && depth <= MESSAGE_DEPTH_MAX;

	for (unsigned i = 0; i < m->n_unknown_fields; i++)
		free(m->unknown_fields[i].data);
	m->n_unknown_fields = 0;
	for (unsigned i = 0; i < m->descriptor->n_fields; i++)
		is = is_field_known(m, &m->descriptor->fields[i], depth) && is;
	return is;
}

/* Into an empty buffer of so much storage, and once more behind that. */
static bool encodes_into(const void *m, struct view in, size_t room)
{
	CLEANUP(buf_fini) struct buf b = {.data = room ? malloc(room) : NULL, .cap = room};
	bool is = message_encode(m, &b) == ERR_OK && view_eq(buf_view(&b), in);

	is = is && message_encode(m, &b) == ERR_OK && b.n == 2 * in.n;
	return is && view_eq(view_of(buf_data(&b), in.n), in) &&
	       view_eq(view_of(buf_data(&b) + in.n, in.n), in);
}

static bool encodes_to(const void *m, struct view in)
{
	return message_size(m) == in.n && encodes_into(m, in, 0) && encodes_into(m, in, in.n) &&
	       encodes_into(m, in, in.n + 1) && (in.n < 2 || encodes_into(m, in, in.n - 1)) &&
	       encodes_into(m, in, 1 + in.n / 2);
}

/* protobuf-c's packing; of unknown fields too, which message_encode() does not know. */
static void pack(const ProtobufCMessage *m, struct buf *ret)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *to;

	assert_int_equal(buf_reserve(ret, n, &to), ERR_OK);
	assert_int_equal(protobuf_c_message_pack(m, to), n);
	buf_advance(ret, n);
}

/* --- the comparison ------------------------------------------------------------------------ */

struct tally {
	size_t n, n_taken;
};

static void fail_with(const ProtobufCMessageDescriptor *desc, struct view in, const char *what)
{
	char hex[HEX_LEN(4096)];

	hex_encode(view_of(in.p, in.n < 4096 ? in.n : 4096), hex);
	fail_msg("%s: %s: %s", desc->name, what, hex);
}

/* What is let through leniently has the same known fields as protobuf-c finds; all that is
 * canonical is let through. */
static void check_lenient(const ProtobufCMessageDescriptor *desc, struct view in,
			  const struct buf *known, bool is_canonical)
{
	CLEANUP(message_freep) void *lenient = NULL;

	if (message_decode(desc, in, MESSAGE_LENIENT, &lenient) != ERR_OK) {
		if (is_canonical)
			fail_with(desc, in, "refused leniently alone");
		return;
	}
	if (!known) {
		fail_with(desc, in, "only we take it, leniently");
		return;
	}
	(void)is_known(lenient, 1);
	if (!encodes_to(lenient, buf_view(known)))
		fail_with(desc, in, "not the same fields");
}

/* What borrows its bytes is let through just as well, and is the same message. */
static void check_borrowed(const ProtobufCMessageDescriptor *desc, struct view in, enum err strict)
{
	CLEANUP(message_freep) void *borrowed = NULL;

	if (message_decode(desc, in, MESSAGE_BORROW, &borrowed) != strict)
		fail_with(desc, in, "judged otherwise when borrowed");
	if (borrowed && !encodes_to(borrowed, in))
		fail_with(desc, in, "another message when borrowed");
}

static bool check(const ProtobufCMessageDescriptor *desc, struct view in, struct tally *t)
{
	CLEANUP(message_freep) void *strict = NULL;
	CLEANUP(unpacked_freep) ProtobufCMessage *second = NULL;
	CLEANUP(buf_fini) struct buf packed = {0}, known = {0};
	CLEANUP(freep) uint8_t *copy = malloc(in.n ? in.n : 1); /* that a sanitizer knows the end */
	enum err e;
	bool takes;

	assert_non_null(copy);
	if (in.n)
		memcpy(copy, in.p, in.n);
	in.p = copy;
	second = protobuf_c_message_unpack(desc, &zeroed, in.n, in.p);
	if (second)
		pack(second, &packed);
	takes = second && view_eq(buf_view(&packed), in);
	takes = second && is_known(second, 1) && takes;
	if (second)
		pack(second, &known);
	if (second && !encodes_to(second, buf_view(&known)))
		fail_with(desc, in, "encoded otherwise");
	e = message_decode(desc, in, MESSAGE_STRICT, &strict);
	if ((e == ERR_OK) != takes)
		fail_with(desc, in, takes ? err_detail() : "taken, but not canonical");
	assert_true(e == ERR_OK || err_class(e) == ERR_CLASS_PEER);
	if (strict && !encodes_to(strict, in))
		fail_with(desc, in, "another message");
	check_borrowed(desc, in, e);
	check_lenient(desc, in, second ? &known : NULL, takes);
	t->n++;
	t->n_taken += takes;
	return takes;
}

/* A message, and what becomes of it by one to three mistakes. */
static void check_one(struct chance *c, const ProtobufCMessageDescriptor *desc, struct tally *t)
{
	CLEANUP(buf_fini) struct buf in = {0};

	mutate_fill(c, desc, &in);
	if (!check(desc, buf_view(&in), t) && desc != &all_desc)
		fail_with(desc, buf_view(&in), "a message of ours is refused");
	for (unsigned i = 0; i < MUTANTS; i++) {
		struct buf mutant = {0};

		if (i % 4 != 3) {
			mutate_fields(c, desc, buf_view(&in), &mutant);
		} else {
			assert_int_equal(buf_put_view(&mutant, buf_view(&in)), ERR_OK);
			mutate_bytes(c, &mutant);
		}
		check(desc, buf_view(&mutant), t);
		/* every fourth goes on from there: two mistakes, three, as many as it comes to */
		if (i % 4 == 2) {
			buf_fini(&in);
			in = mutant;
		} else {
			buf_fini(&mutant);
		}
	}
}

static void every_type(void **state)
{
	static const ProtobufCMessageDescriptor *const descs[] = {
#define X(desc) &desc,
#include "message_descs.h"
#undef X
	};
	struct chance c = {.state = SEED};
	size_t n_each = CASES_MIN / ARRAY_LEN(descs) / (MUTANTS + 1) + 1;
	size_t n = 0;

	(void)state;
	assert_true(ARRAY_LEN(descs) > 100);
	for (size_t i = 0; i < ARRAY_LEN(descs); i++) {
		struct tally t = {0};

		for (size_t j = 0; j < n_each; j++)
			check_one(&c, descs[i], &t);
		/* Of both enough, else nothing was shown. */
		assert_true(t.n_taken > t.n / 20 && t.n - t.n_taken > t.n / 4);
		n += t.n;
	}
	assert_true(n >= CASES_MIN);
}

static void all_types(void **state)
{
	struct chance c = {.state = SEED};
	struct tally t = {0};

	(void)state;
	assert_int_equal(ARRAY_LEN(all_fields), N_ALL);
	for (size_t i = 0; i < 3000; i++)
		check_one(&c, &all_desc, &t);
	assert_true(t.n_taken > t.n / 20 && t.n - t.n_taken > t.n / 4);
}

/* Noise, in which a message is found seldom. */
static void noise(void **state)
{
	struct chance c = {.state = SEED};
	struct tally t = {0};
	uint8_t bytes[24];

	(void)state;
	for (size_t i = 0; i < 20000; i++) {
		size_t n = chance_below(&c, sizeof(bytes) + 1);

		for (size_t j = 0; j < n; j++)
			bytes[j] = (uint8_t)chance_below(&c, chance_below(&c, 2) ? 256 : 40);
		check(i % 2 ? &all_desc : &pb_hello_desc, view_of(bytes, n), &t);
	}
	assert_true(t.n_taken > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type),
		cmocka_unit_test(all_types),
		cmocka_unit_test(noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
