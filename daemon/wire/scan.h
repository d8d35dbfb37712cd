/**
 * @file
 * The look at a message's bytes before anything is allocated for it; part of message_decode().
 *
 * One pass, guided by the descriptor, that allocates nothing. What it passes has one encoding:
 * known fields in ascending order and of their own wire type, singular ones once, values in range
 * and in their shortest form, text strict, nothing nested too deep. It also adds up what unpacking
 * will allocate.
 */
#ifndef WIRE_SCAN_H
#define WIRE_SCAN_H

#include "wire/message.h"

/** What the scan learnt. */
struct scan {
	enum message_mode mode;
	size_t n_fields; /**< all levels */
	size_t n_held;	 /**< bytes that the unpacked message will hold, cost of allocation included
			  */
	size_t limit;	 /**< most bytes that it may hold */
};

/**
 * Scan the whole encoding @p in of a message.
 *
 * @param[out] ret  set on ERR_OK only
 * @retval ERR_FORMAT, ERR_LIMIT, ERR_CANONICAL, ERR_TEXT  as message_decode()
 */
enum err scan_message(const ProtobufCMessageDescriptor *desc, struct view in,
		      enum message_mode mode, struct scan *ret) WARN_UNUSED;

/** What an allocation of @p n bytes costs: the allocator's own header and rounding counted. */
size_t scan_cost(size_t n);

#endif
