/**
 * @file
 * The protobuf encoding by the field: a strict reader over bytes from outside, and a writer.
 *
 * The reader takes only what a canonical writer makes: tags and varints in their shortest form,
 * field numbers 1..2^29-1, lengths that end inside what is being read, no groups. It allocates
 * nothing and copies nothing. Order, types and known numbers are the caller's business.
 *
 *   struct wire_reader r = wire_reader(bytes);
 *   while (!wire_is_end(&r)) {
 *           struct wire_field f;
 *           e = wire_next(&r, &f);
 *           ...
 *   }
 */
#ifndef WIRE_VARINT_H
#define WIRE_VARINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"

#define WIRE_NUMBER_MAX 0x1fffffffu /**< largest field number: 29 bits */
#define WIRE_VARINT_BYTES_MAX 10u   /**< of 64 bits */

/** Wire types; 3 and 4 (groups), 6 and 7 are refused. Source: protobuf encoding. */
enum wire_type {
	WIRE_VARINT = 0,
	WIRE_FIXED64 = 1,
	WIRE_BYTES = 2, /**< length, then so many bytes: bytes, string, message */
	WIRE_FIXED32 = 5,
};

/** What is left to read; borrows the bytes. */
struct wire_reader {
	const uint8_t *p;
	const uint8_t *end;
};

/** One field as it stands; views borrow what was read. */
struct wire_field {
	uint32_t number;
	enum wire_type type;
	uint64_t varint;   /**< value of a WIRE_VARINT; otherwise 0 */
	struct view value; /**< content of a WIRE_BYTES; the 4 or 8 bytes of a fixed one */
	struct view whole; /**< tag, length and value */
};

/** A reader over @p v. */
static inline struct wire_reader wire_reader(struct view v)
{
	return (struct wire_reader){.p = v.p, .end = v.n ? v.p + v.n : v.p};
}

/** Whether all is read. */
static inline bool wire_is_end(const struct wire_reader *r)
{
	return r->p == r->end;
}

/** The same for any field, not inline. */
enum err wire_next_any(struct wire_reader *r, struct wire_field *ret) WARN_UNUSED;

/**
 * Read the next field.
 *
 * Inline, since it is called some hundred times for each exchange: of most fields the tag is one
 * byte, the length or value one or two.
 *
 * @param[in,out] r  not at its end; unchanged on failure
 * @param[out] ret   set on ERR_OK only
 * @retval ERR_FORMAT     cut short, longer than what holds it, number 0, group, over 64 bits
 * @retval ERR_CANONICAL  a tag, length or value is not in its shortest form
 */
WARN_UNUSED static inline enum err wire_next(struct wire_reader *r, struct wire_field *ret)
{
	const uint8_t *const p = r->p;
	const size_t n = (size_t)(r->end - p);
	size_t v, head = 2;

	if (n < 3 || p[0] < 8 || p[0] >= 0x80)
		return wire_next_any(r, ret);
	v = p[1];
	if (v >= 0x80) {
		if (p[2] == 0 || p[2] >= 0x80)
			return wire_next_any(r, ret);
		v = (v & 0x7f) | (size_t)p[2] << 7;
		head = 3;
	}
	if ((p[0] & 7) == WIRE_BYTES && v <= n - head)
		*ret = (struct wire_field){
			.number = p[0] >> 3,
			.type = WIRE_BYTES,
			.value = {.p = p + head, .n = v},
			.whole = {.p = p, .n = head + v},
		};
	else if ((p[0] & 7) == WIRE_VARINT)
		*ret = (struct wire_field){
			.number = p[0] >> 3,
			.type = WIRE_VARINT,
			.varint = v,
			.whole = {.p = p, .n = head},
		};
	else
		return wire_next_any(r, ret);
	r->p = p + ret->whole.n;
	return ERR_OK;
}

/** Read one varint; errors and promises as wire_next(). */
enum err wire_take_varint(struct wire_reader *r, uint64_t *ret) WARN_UNUSED;

/** Bytes that the shortest form of @p v takes, 1..10. */
static inline size_t wire_varint_size(uint64_t v)
{
	const unsigned n_bits = 64 - (unsigned)__builtin_clzll(v | 1);

	return v < 0x80 ? 1 : (n_bits + 6) / 7;
}

/** Append; errors as buf_reserve(). @p number is 1..WIRE_NUMBER_MAX. */
enum err wire_put_varint(struct buf *b, uint64_t v) WARN_UNUSED;
enum err wire_put_tag(struct buf *b, uint32_t number, enum wire_type type) WARN_UNUSED;
/** A whole WIRE_VARINT field. */
enum err wire_put_uint(struct buf *b, uint32_t number, uint64_t v) WARN_UNUSED;
/** A whole WIRE_BYTES field: tag, length, value. */
enum err wire_put_bytes(struct buf *b, uint32_t number, struct view value) WARN_UNUSED;

/** Size of a whole WIRE_BYTES field with @p n bytes of content. */
size_t wire_bytes_size(uint32_t number, size_t n);

#endif
