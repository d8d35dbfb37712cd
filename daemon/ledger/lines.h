/**
 * @file
 * Reading the line formats of C2SP: a line at a time, and decimal numbers in their one form.
 */
#ifndef LEDGER_LINES_H
#define LEDGER_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"

/** Take one line off the head of @p rest, without its newline; false when no newline is left. */
static inline bool line_take(struct view *rest, struct view *ret)
{
	const uint8_t *end = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
	size_t n;

	if (!end)
		return false;
	n = (size_t)(end - rest->p);
	*ret = view_of(rest->p, n);
	*rest = view_of(end + 1, rest->n - n - 1);
	return true;
}

/** Read a whole text as ASCII decimal without sign or leading zeros; false for anything else. */
static inline bool decimal_read(struct view text, uint64_t *ret)
{
	uint64_t v = 0;

	if (text.n == 0 || (text.n > 1 && text.p[0] == '0'))
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(text.p[i] - '0'), &v))
			return false;
	}
	*ret = v;
	return true;
}

#endif
