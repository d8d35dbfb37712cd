/**
 * @file
 * Standard base64, strict: one text for each sequence of bytes and the other way round. Padding is
 * required, the unused bits of the last digit are zero, nothing else stands between. Not constant
 * time: for public data.
 *
 * Source: RFC 4648 section 4 and 3.5.
 */
#ifndef CRYPTO_BASE64_H
#define CRYPTO_BASE64_H

#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"

#define BASE64_LEN(n_bytes) (((n_bytes) + 2) / 3 * 4) /**< characters, without a NUL */

/** Append the base64 form of @p v to @p out: BASE64_LEN(v.n) characters; errors as buf_put(). */
enum err base64_encode(struct view v, struct buf *out) WARN_UNUSED;

/**
 * Append the bytes that @p text stands for to @p out; nothing on failure.
 *
 * @param text         empty gives no bytes
 * @retval ERR_FORMAT  a wrong length, character, padding or non-zero trailing bits
 */
enum err base64_decode(struct view text, struct buf *out) WARN_UNUSED;

#endif
