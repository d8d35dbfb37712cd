#include "wire/scan.h"

#include "wire/text.h"
#include "wire/varint.h"

#define CHUNK_HEAD 8u	/* malloc of glibc: a size word before each chunk ... */
#define CHUNK_ALIGN 16u /* ... and chunks of multiples of 16 bytes ... */
#define CHUNK_MIN 32u	/* ... and at least 32 */

size_t scan_cost(size_t n)
{
	size_t cost = (n + CHUNK_HEAD + CHUNK_ALIGN - 1) & ~(size_t)(CHUNK_ALIGN - 1);

	return cost < CHUNK_MIN ? CHUNK_MIN : cost;
}

static enum err scan_spend(struct scan *s, size_t n)
{
	s->n_held += n;
	if (s->n_held > s->limit)
		return err_new(ERR_LIMIT, "message would take more than %zu bytes", s->limit);
	return ERR_OK;
}

size_t scan_element_size(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_ENUM:
		return sizeof(uint32_t);
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return sizeof(uint64_t);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	}
	err_abort("a type of protobuf-c", __FILE__, __LINE__);
}

/* An int32 stands sign-extended to 64 bits on the wire. */
static bool is_int32(uint64_t v)
{
	return v <= INT32_MAX || v >= (uint64_t)(int64_t)INT32_MIN;
}

/* Whether a varint is one that a writer of this type makes. */
static enum err scan_varint(const struct scan *s, const ProtobufCFieldDescriptor *field, uint64_t v)
{
	bool fits = true;

	if (field->type == PROTOBUF_C_TYPE_BOOL)
		fits = v <= 1;
	else if (field->type == PROTOBUF_C_TYPE_UINT32 || field->type == PROTOBUF_C_TYPE_SINT32)
		fits = v <= UINT32_MAX;
	else if (field->type == PROTOBUF_C_TYPE_INT32 || field->type == PROTOBUF_C_TYPE_ENUM)
		fits = is_int32(v);
	if (!fits)
		return err_new(ERR_CANONICAL, "%s is out of its type's range", field->name);
	if (field->type == PROTOBUF_C_TYPE_ENUM && s->mode != MESSAGE_LENIENT &&
	    !protobuf_c_enum_descriptor_get_value(field->descriptor, (int)(int64_t)v))
		return err_new(ERR_CANONICAL, "%s has an unknown value", field->name);
	return ERR_OK;
}

static enum err scan_one(struct scan *s, const ProtobufCMessageDescriptor *desc, struct view in,
			 unsigned depth);

static enum err scan_value(struct scan *s, const ProtobufCFieldDescriptor *field,
			   const struct wire_field *f, unsigned depth)
{
	enum err e;

	if (f->type == WIRE_VARINT)
		return scan_varint(s, field, f->varint);
	if (f->type != WIRE_BYTES)
		return ERR_OK;
	if (field->type == PROTOBUF_C_TYPE_MESSAGE)
		return scan_one(s, field->descriptor, f->value, depth + 1);
	if (field->type == PROTOBUF_C_TYPE_STRING) {
		e = text_check(f->value);
		if (e)
			return err_trace(e);
		return scan_spend(s, scan_cost(f->value.n + 1));
	}
	if (f->value.n == 0)
		return ERR_OK;
	/* counted also where it is borrowed: what is let through is the same */
	if (s->mode == MESSAGE_BORROW)
		s->n_borrowed += scan_cost(f->value.n);
	return scan_spend(s, scan_cost(f->value.n));
}

static enum err scan_known(struct scan *s, const ProtobufCFieldDescriptor *field,
			   const struct wire_field *f, bool is_first, unsigned depth)
{
	enum err e;

	if (f->type != scan_wire_type(field->type))
		return err_new(ERR_FORMAT, "%s has wire type %u", field->name, (unsigned)f->type);
	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		e = scan_spend(s, scan_element_size(field->type) + (is_first ? scan_cost(0) : 0));
		if (e)
			return err_trace(e);
	} else if (!is_first) {
		return err_new(ERR_CANONICAL, "%s stands twice", field->name);
	}
	return scan_value(s, field, f, depth);
}

static enum err scan_unknown(struct scan *s, const struct wire_field *f)
{
	if (s->mode != MESSAGE_LENIENT)
		return err_new(ERR_CANONICAL, "unknown field %u", (unsigned)f->number);
	return scan_spend(s, sizeof(ProtobufCMessageUnknownField) + scan_cost(0) +
				     scan_cost(f->whole.n));
}

static enum err scan_one(struct scan *s, const ProtobufCMessageDescriptor *desc, struct view in,
			 unsigned depth)
{
	struct wire_reader r = wire_reader(in);
	const ProtobufCFieldDescriptor *field = desc->fields;
	const ProtobufCFieldDescriptor *end = desc->n_fields ? field + desc->n_fields : field;
	uint32_t last = 0;
	size_t n_direct = 0;
	enum err e;

	if (depth > MESSAGE_DEPTH_MAX)
		return err_new(ERR_LIMIT, "messages nested deeper than %d", MESSAGE_DEPTH_MAX);
	e = scan_spend(s, scan_cost(desc->sizeof_message));
	if (e)
		return err_trace(e);
	while (!wire_is_end(&r)) {
		struct wire_field f;

		e = wire_next(&r, &f);
		if (e)
			return err_trace(e);
		if (++s->n_fields > MESSAGE_FIELDS_MAX || ++n_direct > MESSAGE_WIDTH_MAX)
			return err_new(ERR_LIMIT, "too many fields");
		if (f.number < last)
			return err_new(ERR_CANONICAL, "field %u after %u", (unsigned)f.number,
				       (unsigned)last);
		while (field < end && field->id < f.number)
			field++;
		if (field < end && field->id == f.number)
			e = scan_known(s, field, &f, f.number != last, depth);
		else
			e = scan_unknown(s, &f);
		if (e)
			return err_trace(e);
		last = f.number;
	}
	return ERR_OK;
}

enum err scan_message(const ProtobufCMessageDescriptor *desc, struct view in,
		      enum message_mode mode, struct scan *ret)
{
	struct scan s = {.mode = mode};
	enum err e;

	if (in.n > MESSAGE_BYTES_MAX)
		return err_new(ERR_LIMIT, "message of %zu bytes", in.n);
	s.limit = MESSAGE_BASE_BYTES + MESSAGE_AMPLIFICATION * in.n;
	e = scan_one(&s, desc, in, 1);
	if (e)
		return err_trace(e);
	*ret = s;
	return ERR_OK;
}
