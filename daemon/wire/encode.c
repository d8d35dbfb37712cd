#include "wire/encode.h"

#include <endian.h>
#include <string.h>

#include "wire/scan.h"
#include "wire/varint.h"

/*
 * Bytes are put in front of the n that stand before to.end, as long as there is room, and counted
 * in any case. Each returns how many there are then.
 */
struct target {
	uint8_t *end;
	size_t room;
};

static inline size_t put(struct target to, size_t n, const void *p, size_t n_more)
{
	n += n_more;
	if (n_more && n <= to.room)
		memcpy(to.end - n, p, n_more);
	return n;
}

static inline size_t put_varint(struct target to, size_t n, uint64_t v)
{
	uint8_t *p;

	n += wire_varint_size(v);
	if (n > to.room)
		return n;
	for (p = to.end - n; v >= 0x80; v >>= 7)
		*p++ = (uint8_t)(v | 0x80);
	*p = (uint8_t)v;
	return n;
}

static inline size_t put_fixed(struct target to, size_t n, uint64_t v, size_t size)
{
	const uint64_t little = htole64(v);

	return put(to, n, &little, size);
}

/* 0, -1, 1, -2 ... stand as 0, 1, 2, 3 ... */
static uint64_t zigzag(int64_t v)
{
	return (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0);
}

static inline uint32_t get_32(const char *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

static inline uint64_t get_64(const char *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

static size_t put_message(struct target to, size_t n, const ProtobufCMessage *message);

static size_t put_number(struct target to, size_t n, ProtobufCType type, const char *at)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_ENUM:
		return put_varint(to, n, (uint64_t)(int32_t)get_32(at));
	case PROTOBUF_C_TYPE_UINT32:
		return put_varint(to, n, get_32(at));
	case PROTOBUF_C_TYPE_BOOL: /* an int in protobuf-c */
		return put_varint(to, n, get_32(at) != 0);
	case PROTOBUF_C_TYPE_SINT32:
		return put_varint(to, n, zigzag((int32_t)get_32(at)));
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
		return put_varint(to, n, get_64(at));
	case PROTOBUF_C_TYPE_SINT64:
		return put_varint(to, n, zigzag((int64_t)get_64(at)));
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return put_fixed(to, n, get_32(at), 4);
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return put_fixed(to, n, get_64(at), 8);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		break;
	}
	err_abort("a number of protobuf-c", __FILE__, __LINE__);
}

/* Value, length where it has one, tag. Inlined also for the one that need not be repeated. */
static inline __attribute__((always_inline)) size_t put_element(
	struct target to, size_t n, const ProtobufCFieldDescriptor *field, const char *at)
{
	const ProtobufCBinaryData *bytes = (const void *)at;
	const char *const *text = (const void *)at;
	enum wire_type type = WIRE_BYTES;
	const size_t before = n;

	if (field->type == PROTOBUF_C_TYPE_BYTES) {
		n = put(to, n, bytes->data, bytes->len);
	} else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
		n = put_message(to, n, *(ProtobufCMessage *const *)(const void *)at);
	} else if (field->type == PROTOBUF_C_TYPE_STRING) {
		n = put(to, n, *text, strlen(*text));
	} else {
		n = put_number(to, n, field->type, at);
		type = scan_wire_type(field->type);
	}
	if (type == WIRE_BYTES)
		n = put_varint(to, n, n - before);
	return put_varint(to, n, (uint64_t)field->id << 3 | type);
}

/* A text or message is present when its pointer is not NULL, else its mark says so. */
static inline bool is_present(const ProtobufCFieldDescriptor *field, const char *m)
{
	const void *p;

	if (field->quantifier_offset)
		return get_32(m + field->quantifier_offset) != 0;
	memcpy(&p, m + field->offset, sizeof(p));
	return p != NULL;
}

/* All of an array. */
static size_t put_elements(struct target to, size_t n, const ProtobufCFieldDescriptor *field,
			   const char *m)
{
	const char *const array = *(const char *const *)(const void *)(m + field->offset);
	const size_t size = scan_element_size(field->type);
	size_t n_elements;

	memcpy(&n_elements, m + field->quantifier_offset, sizeof(n_elements));
	while (n_elements-- > 0)
		n = put_element(to, n, field, array + n_elements * size);
	return n;
}

static size_t put_message(struct target to, size_t n, const ProtobufCMessage *message)
{
	const ProtobufCMessageDescriptor *desc = message->descriptor;
	const ProtobufCFieldDescriptor *field = desc->fields;
	const char *m = (const char *)message;

	if (desc == &message_encoded_desc) {
		const struct message_encoded *before = (const void *)message;

		return put(to, n, before->bytes.p, before->bytes.n);
	}
	if (desc->n_fields)
		field += desc->n_fields;
	while (field != desc->fields) {
		field--;
		if (field->label == PROTOBUF_C_LABEL_REPEATED)
			n = put_elements(to, n, field, m);
		else if (is_present(field, m))
			n = put_element(to, n, field, m + field->offset);
	}
	return n;
}

size_t encode_size(const ProtobufCMessage *m)
{
	return encode_write(m, NULL, 0);
}

size_t encode_write(const ProtobufCMessage *m, uint8_t *end, size_t room)
{
	return put_message((struct target){.end = end, .room = room}, 0, m);
}
