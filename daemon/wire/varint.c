#include "wire/varint.h"

#define VARINT_MORE 0x80u

enum err wire_take_varint(struct wire_reader *r, uint64_t *ret)
{
	const uint8_t *p = r->p;
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 7 * WIRE_VARINT_BYTES_MAX; shift += 7) {
		uint8_t b;

		if (p == r->end)
			return err_new(ERR_FORMAT, "varint cut short");
		b = *p++;
		if (shift == 63 && b > 1)
			return err_new(ERR_FORMAT, "varint over 64 bits");
		v |= (uint64_t)(b & ~VARINT_MORE) << shift;
		if (b & VARINT_MORE)
			continue;
		if (b == 0 && shift > 0)
			return err_new(ERR_CANONICAL, "varint longer than it need be");
		r->p = p;
		*ret = v;
		return ERR_OK;
	}
	return err_new(ERR_FORMAT, "varint over 64 bits");
}

enum err wire_next_any(struct wire_reader *r, struct wire_field *ret)
{
	struct wire_reader at = *r;
	uint64_t tag = 0, varint = 0, n = 0;
	enum err e;

	e = wire_take_varint(&at, &tag);
	if (e)
		return err_trace(e);
	if (tag >> 3 == 0 || tag >> 3 > WIRE_NUMBER_MAX)
		return err_new(ERR_FORMAT, "field number out of range");
	switch (tag & 7) {
	case WIRE_VARINT:
		e = wire_take_varint(&at, &varint);
		break;
	case WIRE_BYTES: /* any number that a peer declares */
		e = wire_take_varint(&at, &n);
		break;
	case WIRE_FIXED64:
		n = 8;
		break;
	case WIRE_FIXED32:
		n = 4;
		break;
	default: /* a number of the peer's, not of our enum */
		return err_new(ERR_FORMAT, "wire type %u", (unsigned)(tag & 7));
	}
	if (e)
		return err_trace(e);
	if (n > (uint64_t)(at.end - at.p))
		return err_new(ERR_FORMAT, "field ends beyond what holds it");
	*ret = (struct wire_field){
		.number = (uint32_t)(tag >> 3),
		.type = (enum wire_type)(tag & 7),
		.varint = varint,
		.value = (tag & 7) == WIRE_VARINT ? view_of(NULL, 0) : view_of(at.p, (size_t)n),
		.whole = view_of(r->p, (size_t)(at.p - r->p) + (size_t)n),
	};
	r->p = at.p + n;
	return ERR_OK;
}

enum err wire_put_varint(struct buf *b, uint64_t v)
{
	uint8_t bytes[WIRE_VARINT_BYTES_MAX];
	size_t n = 0;

	for (; v >= VARINT_MORE; v >>= 7)
		bytes[n++] = (uint8_t)(v | VARINT_MORE);
	bytes[n++] = (uint8_t)v;
	return buf_put(b, bytes, n);
}

enum err wire_put_tag(struct buf *b, uint32_t number, enum wire_type type)
{
	ASSERT(number > 0 && number <= WIRE_NUMBER_MAX);
	return wire_put_varint(b, (uint64_t)number << 3 | (uint64_t)type);
}

enum err wire_put_uint(struct buf *b, uint32_t number, uint64_t v)
{
	enum err e;

	e = wire_put_tag(b, number, WIRE_VARINT);
	if (e)
		return err_trace(e);
	return wire_put_varint(b, v);
}

enum err wire_put_bytes(struct buf *b, uint32_t number, struct view value)
{
	enum err e;

	e = wire_put_tag(b, number, WIRE_BYTES);
	if (e)
		return err_trace(e);
	e = wire_put_varint(b, value.n);
	if (e)
		return err_trace(e);
	return buf_put_view(b, value);
}

size_t wire_bytes_size(uint32_t number, size_t n)
{
	return wire_varint_size((uint64_t)number << 3) + wire_varint_size(n) + n;
}
