/**
 * @file
 * A growable byte buffer with a limit, and big-endian integers in it.
 *
 * Consumed bytes leave at the head (buf_consume); storage grows with the bytes that really arrive,
 * not with a length that somebody declares who is not known yet.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/err.h"

/** Owns its storage; all zero is a valid empty buffer without limit. */
struct buf {
	uint8_t *data;
	size_t head; /**< first byte not consumed */
	size_t n;    /**< bytes held after head */
	size_t cap;
	size_t limit; /**< most bytes held, 0 = none */
};

/** Begin empty; @p limit most bytes held at once, 0 = none. */
void buf_init(struct buf *b, size_t limit);

/** Free the storage and leave an empty buffer; NULL is fine. */
void buf_fini(struct buf *b);

/** First byte held; valid until the next call that changes @p b. NULL when empty. */
static inline uint8_t *buf_data(const struct buf *b)
{
	return b->data ? b->data + b->head : NULL;
}

static inline struct view buf_view(const struct buf *b)
{
	return (struct view){.p = buf_data(b), .n = b->n};
}

/**
 * Make room for @p n more bytes at the tail. Memory that it moves out of is wiped, also within the
 * storage.
 *
 * @param[out] ret  where to write them; follow with buf_advance()
 * @retval ERR_LIMIT  the limit would be passed
 * @retval ERR_NOMEM
 */
enum err buf_reserve(struct buf *b, size_t n, uint8_t **ret) WARN_UNUSED;

/** Count @p n bytes that were written after buf_reserve() as held. */
void buf_advance(struct buf *b, size_t n);

/**
 * Hold the last @p n bytes of the storage of an empty buffer: written there from the end to the
 * beginning, by who did not know how many they would be.
 */
void buf_hold_last(struct buf *b, size_t n);

/** Append bytes; errors as buf_reserve(). */
enum err buf_put(struct buf *b, const void *p, size_t n) WARN_UNUSED;
enum err buf_put_view(struct buf *b, struct view v) WARN_UNUSED;
enum err buf_put_str(struct buf *b, const char *s) WARN_UNUSED;
enum err buf_put_u8(struct buf *b, uint8_t v) WARN_UNUSED;
enum err buf_put_u16(struct buf *b, uint16_t v) WARN_UNUSED; /**< big-endian */
enum err buf_put_u32(struct buf *b, uint32_t v) WARN_UNUSED; /**< big-endian */
enum err buf_put_u64(struct buf *b, uint64_t v) WARN_UNUSED; /**< big-endian */
enum err buf_printf(struct buf *b, const char *format, ...)
	__attribute__((format(printf, 2, 3))) WARN_UNUSED;

/** Copy all that is held when it is just @p n bytes; false, and nothing copied, otherwise. */
bool buf_copy(const struct buf *b, void *ret, size_t n) WARN_UNUSED;

/** Drop @p n bytes, at most those held, from the head. */
void buf_consume(struct buf *b, size_t n);

/** Drop all bytes, keep the storage. */
void buf_clear(struct buf *b);

/** Store and load integers, big-endian. */
void put_u32be(uint8_t *p, uint32_t v);
void put_u64be(uint8_t *p, uint64_t v);
uint32_t get_u32be(const uint8_t *p);
uint64_t get_u64be(const uint8_t *p);

#define HEX_LEN(n_bytes) (2 * (n_bytes) + 1) /**< characters of the hex form, with the NUL */

/** Lower-case hex of @p v into @p ret, which has HEX_LEN(v.n) characters. */
void hex_encode(struct view v, char *ret);

/**
 * Strict hex, both cases, no separators.
 *
 * @param text  2 * n characters, NUL-terminated
 * @retval ERR_FORMAT  another length or another character
 */
enum err hex_decode(const char *text, uint8_t *ret, size_t n) WARN_UNUSED;

#endif
