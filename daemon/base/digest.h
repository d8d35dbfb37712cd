/**
 * @file
 * Value types: a SHA-256 digest and a read-only view of bytes. No code that computes one stands
 * here (crypto/digest.h does).
 */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DIGEST_BYTES 32

/** A SHA-256 digest. It is public, so digest_eq() need not be constant time. */
struct digest {
	uint8_t b[DIGEST_BYTES];
};

/** Bytes that someone else owns; p may be NULL only when n is 0. */
struct view {
	const uint8_t *p;
	size_t n;
};

static inline bool digest_eq(const struct digest *a, const struct digest *b)
{
	return memcmp(a->b, b->b, DIGEST_BYTES) == 0;
}

static inline int digest_cmp(const struct digest *a, const struct digest *b)
{
	return memcmp(a->b, b->b, DIGEST_BYTES);
}

/** digest_cmp() for qsort() and bsearch(). */
static inline int digest_order(const void *a, const void *b)
{
	return memcmp(a, b, DIGEST_BYTES);
}

static inline struct view view_of(const void *p, size_t n)
{
	return (struct view){.p = p, .n = n};
}

static inline struct view view_str(const char *s)
{
	return (struct view){.p = (const uint8_t *)s, .n = strlen(s)};
}

static inline struct view view_digest(const struct digest *d)
{
	return (struct view){.p = d->b, .n = DIGEST_BYTES};
}

static inline bool view_eq(struct view a, struct view b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/** Copy @p v into a digest when it has just that length; false otherwise. */
static inline bool digest_from_view(struct digest *ret, struct view v)
{
	if (v.n != DIGEST_BYTES)
		return false;
	memcpy(ret->b, v.p, DIGEST_BYTES);
	return true;
}

#endif
