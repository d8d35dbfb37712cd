/**
 * @file
 * A message made into its encoding, as its descriptor tells; part of message_encode().
 *
 * Written from the end to the beginning: a message in a message is there when its length is due, so
 * nothing is measured twice and nothing is moved. What comes out is what protobuf-c would pack;
 * that it is so for every type is what tests/unit/wire/test_message_canonical.c shows.
 *
 * A struct message_encoded is only copied. Like scan.h it knows fields that are optional or
 * repeated, without default, not packed, not in a oneof, and no element of a repeated field that is
 * NULL. Unknown fields are not written: what is decoded here has none.
 */
#ifndef WIRE_ENCODE_H
#define WIRE_ENCODE_H

#include "wire/message.h"

/** Bytes of the encoding. */
size_t encode_size(const ProtobufCMessage *m);

/**
 * Write it, so that it ends at @p end.
 *
 * @param[out] end  behind @p room bytes; NULL when that is 0
 * @return  encode_size(); when that is more than @p room, what does not fit was not written
 */
size_t encode_write(const ProtobufCMessage *m, uint8_t *end, size_t room);

#endif
