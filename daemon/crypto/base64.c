#include "crypto/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int digit_value(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	if (c == '/')
		return 63;
	return -1;
}

enum err base64_encode(struct view v, struct buf *out)
{
	uint8_t *to;
	enum err e;

	if (v.n == 0)
		return ERR_OK;
	if (v.n > SIZE_MAX / 4)
		return err_new(ERR_LIMIT, "too long for base64");
	e = buf_reserve(out, BASE64_LEN(v.n), &to);
	if (e)
		return err_trace(e);
	for (size_t i = 0; i < v.n; i += 3, to += 4) {
		uint32_t bits = (uint32_t)v.p[i] << 16;

		if (i + 1 < v.n)
			bits |= (uint32_t)v.p[i + 1] << 8;
		if (i + 2 < v.n)
			bits |= v.p[i + 2];
		to[0] = (uint8_t)digits[bits >> 18];
		to[1] = (uint8_t)digits[bits >> 12 & 63];
		to[2] = i + 1 < v.n ? (uint8_t)digits[bits >> 6 & 63] : '=';
		to[3] = i + 2 < v.n ? (uint8_t)digits[bits & 63] : '=';
	}
	buf_advance(out, BASE64_LEN(v.n));
	return ERR_OK;
}

/* How many '=' end the text: 0, 1 or 2; more are wrong characters. */
static size_t padding(struct view text)
{
	if (text.p[text.n - 1] != '=')
		return 0;
	return text.p[text.n - 2] == '=' ? 2 : 1;
}

enum err base64_decode(struct view text, struct buf *out)
{
	size_t n_pad, n_digits, at = 0;
	uint32_t bits = 0;
	uint8_t *to;
	enum err e;

	if (text.n == 0)
		return ERR_OK;
	if (text.n % 4)
		return err_new(ERR_FORMAT, "base64: length is no multiple of 4");
	n_pad = padding(text);
	n_digits = text.n - n_pad;
	e = buf_reserve(out, text.n / 4 * 3, &to);
	if (e)
		return err_trace(e);
	for (size_t i = 0; i < n_digits; i++) {
		int value = digit_value(text.p[i]);

		if (value < 0)
			return err_new(ERR_FORMAT, "base64: wrong character at %zu", i);
		bits = bits << 6 | (uint32_t)value;
		/* digits 1, 2 and 3 of four complete a byte, leaving 4, 2 and 0 bits */
		if (i % 4)
			to[at++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
	}
	if ((n_pad == 1 && (bits & 3)) || (n_pad == 2 && (bits & 15)))
		return err_new(ERR_FORMAT, "base64: trailing bits are not zero");
	buf_advance(out, at);
	return ERR_OK;
}
