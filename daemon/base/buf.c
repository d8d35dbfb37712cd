#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_FIRST_BYTES 256

void buf_init(struct buf *b, size_t limit)
{
	*b = (struct buf){.limit = limit};
}

void buf_fini(struct buf *b)
{
	if (!b)
		return;
	free(b->data);
	*b = (struct buf){.limit = b->limit};
}

enum err buf_reserve(struct buf *b, size_t n, uint8_t **ret)
{
	size_t want;

	if (n > SIZE_MAX / 4 || b->n > SIZE_MAX / 4)
		return err_new(ERR_NOMEM, "buffer too large");
	want = b->n + n;
	if (b->limit && want > b->limit)
		return err_new(ERR_LIMIT, "buffer of %zu bytes is full", b->limit);
	/* also for no bytes: the result is never NULL */
	if (!b->data || b->head + want > b->cap) {
		/* at least doubled, so that bytes that come one by one are seldom moved */
		size_t cap = b->cap ? 2 * b->cap : BUF_FIRST_BYTES;
		uint8_t *data;

		if (b->head && want <= b->cap) {
			memmove(b->data, b->data + b->head, b->n);
			/* up to where they ended: a second copy would outlive the wiping of what
			 * is held */
			explicit_bzero(b->data + b->n, b->head);
			b->head = 0;
			*ret = b->data + b->n;
			return ERR_OK;
		}
		if (cap < want)
			cap = want;
		data = malloc(cap);
		if (!data)
			return err_new(ERR_NOMEM, "%zu bytes", cap);
		if (b->n)
			memcpy(data, b->data + b->head, b->n);
		if (b->data)
			explicit_bzero(b->data, b->cap); /* it may have held what must not stay */
		free(b->data);
		b->data = data;
		b->cap = cap;
		b->head = 0;
	}
	*ret = b->data + b->head + b->n;
	return ERR_OK;
}

void buf_advance(struct buf *b, size_t n)
{
	ASSERT(b->head + b->n + n <= b->cap);
	b->n += n;
}

void buf_hold_last(struct buf *b, size_t n)
{
	ASSERT(b->n == 0 && n <= b->cap);
	b->head = b->cap - n;
	b->n = n;
}

enum err buf_put(struct buf *b, const void *p, size_t n)
{
	uint8_t *to;
	enum err e;

	if (n == 0)
		return ERR_OK;
	e = buf_reserve(b, n, &to);
	if (e)
		return err_trace(e);
	memcpy(to, p, n);
	buf_advance(b, n);
	return ERR_OK;
}

enum err buf_put_view(struct buf *b, struct view v)
{
	return buf_put(b, v.p, v.n);
}

enum err buf_put_str(struct buf *b, const char *s)
{
	return buf_put(b, s, strlen(s));
}

enum err buf_put_u8(struct buf *b, uint8_t v)
{
	return buf_put(b, &v, 1);
}

enum err buf_put_u16(struct buf *b, uint16_t v)
{
	const uint8_t p[2] = {(uint8_t)(v >> 8), (uint8_t)v};

	return buf_put(b, p, sizeof(p));
}

enum err buf_put_u32(struct buf *b, uint32_t v)
{
	uint8_t p[4];

	put_u32be(p, v);
	return buf_put(b, p, sizeof(p));
}

enum err buf_put_u64(struct buf *b, uint64_t v)
{
	uint8_t p[8];

	put_u64be(p, v);
	return buf_put(b, p, sizeof(p));
}

enum err buf_printf(struct buf *b, const char *format, ...)
{
	va_list args;
	uint8_t *to;
	enum err e;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0)
		return err_new(ERR_BUG, "format");
	e = buf_reserve(b, (size_t)n + 1, &to);
	if (e)
		return err_trace(e);
	va_start(args, format);
	(void)vsnprintf((char *)to, (size_t)n + 1, format, args);
	va_end(args);
	buf_advance(b, (size_t)n);
	return ERR_OK;
}

bool buf_copy(const struct buf *b, void *ret, size_t n)
{
	if (!b->data || b->n != n)
		return false;
	memcpy(ret, b->data + b->head, n);
	return true;
}

void buf_consume(struct buf *b, size_t n)
{
	ASSERT(n <= b->n);
	b->n -= n;
	b->head = b->n ? b->head + n : 0;
}

void buf_clear(struct buf *b)
{
	b->head = 0;
	b->n = 0;
}

void put_u32be(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

void put_u64be(uint8_t *p, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> (56 - 8 * i));
}

uint32_t get_u32be(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

uint64_t get_u64be(const uint8_t *p)
{
	return (uint64_t)get_u32be(p) << 32 | get_u32be(p + 4);
}

void hex_encode(struct view v, char *ret)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < v.n; i++) {
		ret[2 * i] = digits[v.p[i] >> 4];
		ret[2 * i + 1] = digits[v.p[i] & 15];
	}
	ret[2 * v.n] = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

enum err hex_decode(const char *text, uint8_t *ret, size_t n)
{
	if (strlen(text) != 2 * n)
		return err_new(ERR_FORMAT, "hex of %zu digits expected", 2 * n);
	for (size_t i = 0; i < 2 * n; i++)
		if (hex_value(text[i]) < 0)
			return err_new(ERR_FORMAT, "not a hex digit at %zu", i);
	for (size_t i = 0; i < n; i++)
		ret[i] = (uint8_t)(hex_value(text[2 * i]) << 4 | hex_value(text[2 * i + 1]));
	return ERR_OK;
}
