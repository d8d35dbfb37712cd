/**
 * @file
 * Limits on what one peer or caller may use: a byte budget and a token bucket. Time is an argument.
 */
#ifndef BASE_QUOTA_H
#define BASE_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Bytes in use out of a limit. */
struct quota {
	size_t used;
	size_t limit;
};

/** Take @p n bytes; false, and nothing taken, when the limit would be passed. */
bool quota_take(struct quota *q, size_t n);

/** Give @p n bytes back; at most those taken. */
void quota_give(struct quota *q, size_t n);

/** A bucket that refills at rate_per_s up to burst tokens. */
struct token_bucket {
	uint32_t rate_per_s;
	uint32_t burst;
	uint64_t tokens_milli; /**< thousandths of a token */
	uint64_t last_mono_ms;
};

/** Begin full at @p mono_ms. */
void token_bucket_init(struct token_bucket *t, uint32_t rate_per_s, uint32_t burst,
		       uint64_t mono_ms);

/** Take one token; false when none is left at @p mono_ms. */
bool token_bucket_take(struct token_bucket *t, uint64_t mono_ms);

#endif
