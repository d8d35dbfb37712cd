#include "wire/build.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "wire/varint.h"

/* A sanitizer is told which bytes are nobody's. */
#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#ifdef IS_SANITIZED
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

/* The room that the scan has counted, used up from its beginning. */
struct room {
	uint8_t *p;
	size_t n;
	bool is_borrowing; /* bytes fields stay where they are */
};

/*
 * A piece of the room, as large as malloc() would make it, since that is what the scan counts. A
 * sanitizer is told of the gap behind it, and so still sees who reads beyond a field.
 */
static void *take(struct room *room, size_t n)
{
	size_t cost = scan_cost(n);
	uint8_t *p = room->p;

	ASSERT(cost <= room->n);
	ASAN_POISON_MEMORY_REGION(p + n, cost - n);
	room->p += cost;
	room->n -= cost;
	return p;
}

static void *take_copy(struct room *room, struct view v, size_t n_more)
{
	uint8_t *p = take(room, v.n + n_more);

	if (v.n)
		memcpy(p, v.p, v.n);
	memset(p + v.n, 0, n_more);
	return p;
}

static ProtobufCBinaryData take_bytes(struct room *room, struct view v)
{
	if (v.n && !room->is_borrowing)
		v.p = take_copy(room, v, 0);
	return message_borrow(v.n ? v : view_of(NULL, 0));
}

static void put_32(void *at, uint64_t v)
{
	uint32_t v32 = (uint32_t)v;

	memcpy(at, &v32, sizeof(v32));
}

static void put_64(void *at, uint64_t v)
{
	memcpy(at, &v, sizeof(v));
}

/* The bytes of a fixed number stand in little-endian order. */
static uint64_t fixed(struct view v)
{
	uint64_t little = 0;

	memcpy(&little, v.p, v.n);
	return le64toh(little);
}

/* 0, -1, 1, -2 ... stand as 0, 1, 2, 3 ... */
static uint64_t unzigzag(uint64_t v)
{
	return v >> 1 ^ (v & 1 ? UINT64_MAX : 0);
}

static ProtobufCMessage *build_one(struct room *room, const ProtobufCMessageDescriptor *desc,
				   struct view in);

static void build_value(struct room *room, const ProtobufCFieldDescriptor *field,
			const struct wire_field *f, void *at)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_ENUM:
	case PROTOBUF_C_TYPE_BOOL: /* an int in protobuf-c */
		put_32(at, f->varint);
		return;
	case PROTOBUF_C_TYPE_SINT32:
		put_32(at, unzigzag(f->varint));
		return;
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		put_32(at, fixed(f->value));
		return;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
		put_64(at, f->varint);
		return;
	case PROTOBUF_C_TYPE_SINT64:
		put_64(at, unzigzag(f->varint));
		return;
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		put_64(at, fixed(f->value));
		return;
	case PROTOBUF_C_TYPE_STRING:
		*(char **)at = take_copy(room, f->value, 1);
		return;
	case PROTOBUF_C_TYPE_BYTES:
		*(ProtobufCBinaryData *)at = take_bytes(room, f->value);
		return;
	case PROTOBUF_C_TYPE_MESSAGE:
		*(ProtobufCMessage **)at = build_one(room, field->descriptor, f->value);
		return;
	}
	err_abort("a type of protobuf-c", __FILE__, __LINE__);
}

/* How many fields of this number begin what is left: the elements stand one after the other. */
static size_t run_length(struct wire_reader r, uint32_t number)
{
	struct wire_field f;
	size_t n = 0;

	while (!wire_is_end(&r)) {
		ASSERT(wire_next(&r, &f) == ERR_OK);
		if (f.number != number)
			break;
		n++;
	}
	return n;
}

/* An element is put behind those before it; the first one brings the array of all. */
static void build_element(struct room *room, const ProtobufCFieldDescriptor *field,
			  const struct wire_field *f, const struct wire_reader *rest, char *message)
{
	size_t size = scan_element_size(field->type);
	char **array = (char **)(void *)(message + field->offset);
	size_t *n = (size_t *)(void *)(message + field->quantifier_offset);

	if (*n == 0)
		*array = take(room, size * (1 + run_length(*rest, f->number)));
	build_value(room, field, f, *array + size * *n);
	++*n;
}

static ProtobufCMessage *build_one(struct room *room, const ProtobufCMessageDescriptor *desc,
				   struct view in)
{
	struct wire_reader r = wire_reader(in);
	const ProtobufCFieldDescriptor *field = desc->fields;
	const ProtobufCFieldDescriptor *end = desc->n_fields ? field + desc->n_fields : field;
	char *message = take(room, desc->sizeof_message);

	desc->message_init((ProtobufCMessage *)(void *)message);
	while (!wire_is_end(&r)) {
		struct wire_field f;

		ASSERT(wire_next(&r, &f) == ERR_OK);
		while (field < end && field->id < f.number)
			field++;
		if (field == end || field->id != f.number)
			continue; /* unknown */
		if (field->label == PROTOBUF_C_LABEL_REPEATED) {
			build_element(room, field, &f, &r, message);
			continue;
		}
		build_value(room, field, &f, message + field->offset);
		if (field->quantifier_offset)
			put_32(message + field->quantifier_offset, true);
	}
	return (ProtobufCMessage *)(void *)message;
}

enum err build_message(const ProtobufCMessageDescriptor *desc, struct view in,
		       const struct scan *scan, ProtobufCMessage **ret)
{
	struct room room = {
		.n = scan->n_held - scan->n_borrowed,
		.is_borrowing = scan->mode == MESSAGE_BORROW,
	};

	room.p = malloc(room.n);
	if (!room.p)
		return err_new(ERR_NOMEM, "%zu bytes", room.n);
	*ret = build_one(&room, desc, in);
	return ERR_OK;
}
