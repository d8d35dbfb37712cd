/**
 * @file
 * A scanned encoding made into the structs that its descriptor tells of; part of message_decode().
 *
 * One pass and one allocation: the message stands at the beginning of a piece of memory that holds
 * all that it points to, and free() of the message frees all of it. What the scan has passed needs
 * no second judgement; what it has not must not come here.
 */
#ifndef WIRE_BUILD_H
#define WIRE_BUILD_H

#include "wire/scan.h"

/**
 * Build the message.
 *
 * Unknown fields, which only MESSAGE_LENIENT lets through the scan, are left out.
 *
 * @param in        the encoding that was scanned
 * @param scan      what scan_message() learnt of it by @p desc
 * @param[out] ret  the message; borrows of @p in the bytes fields with MESSAGE_BORROW, else nothing
 * @retval ERR_NOMEM
 *
 * Owner: caller frees *ret with free().
 */
enum err build_message(const ProtobufCMessageDescriptor *desc, struct view in,
		       const struct scan *scan, ProtobufCMessage **ret) WARN_UNUSED;

#endif
