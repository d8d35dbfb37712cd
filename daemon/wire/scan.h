/**
 * @file
 * The look at a message's bytes before anything is allocated for it; part of message_decode().
 *
 * One pass, guided by the descriptor, that allocates nothing. What it passes has one encoding:
 * known fields in ascending order and of their own wire type, singular ones once, values in range
 * and in their shortest form, text strict, nothing nested too deep. It also adds up what the
 * message will hold. Nothing behind it judges again: that it passes just what protobuf-c would pack
 * is what tests/unit/wire/test_message_canonical.c shows.
 *
 * It knows fields that are optional or repeated, without default, not packed, not in a oneof: the
 * schema's lint lets in no others.
 */
#ifndef WIRE_SCAN_H
#define WIRE_SCAN_H

#include "wire/message.h"
#include "wire/varint.h"

/** What the scan learnt. */
struct scan {
	enum message_mode mode;
	size_t n_fields; /**< all levels */
	size_t n_held;	 /**< bytes that the message will hold at most, each part at scan_cost() */
	size_t n_borrowed; /**< of those, not to be allocated: MESSAGE_BORROW */
	size_t limit;	   /**< most bytes that it may hold */
};

/**
 * Scan the whole encoding @p in of a message.
 *
 * @param[out] ret  set on ERR_OK only
 * @retval ERR_FORMAT, ERR_LIMIT, ERR_CANONICAL, ERR_TEXT  as message_decode()
 */
enum err scan_message(const ProtobufCMessageDescriptor *desc, struct view in,
		      enum message_mode mode, struct scan *ret) WARN_UNUSED;

/** What @p n bytes cost that are allocated by themselves: malloc's header and rounding counted. */
size_t scan_cost(size_t n);

/** The wire type of a field that stands unpacked, as all of ours do (the schema's lint says so). */
static inline enum wire_type scan_wire_type(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_BOOL:
	case PROTOBUF_C_TYPE_ENUM:
		return WIRE_VARINT;
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return WIRE_FIXED32;
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return WIRE_FIXED64;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		break;
	}
	return WIRE_BYTES;
}

/** Size of one element in the array of a repeated field. */
size_t scan_element_size(ProtobufCType type);

#endif
