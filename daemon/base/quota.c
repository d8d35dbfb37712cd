#include "base/quota.h"

#include "base/err.h"

bool quota_take(struct quota *q, size_t n)
{
	if (n > q->limit - q->used)
		return false;
	q->used += n;
	return true;
}

void quota_give(struct quota *q, size_t n)
{
	ASSERT(n <= q->used);
	q->used -= n;
}

void token_bucket_init(struct token_bucket *t, uint32_t rate_per_s, uint32_t burst,
		       uint64_t mono_ms)
{
	*t = (struct token_bucket){
		.rate_per_s = rate_per_s,
		.burst = burst,
		.tokens_milli = (uint64_t)burst * 1000,
		.last_mono_ms = mono_ms,
	};
}

bool token_bucket_take(struct token_bucket *t, uint64_t mono_ms)
{
	const uint64_t full = (uint64_t)t->burst * 1000;

	if (mono_ms > t->last_mono_ms) {
		uint64_t elapsed_ms = mono_ms - t->last_mono_ms;

		/* a day refills any bucket; the cap keeps the product in range */
		if (elapsed_ms > 86400000)
			elapsed_ms = 86400000;
		t->tokens_milli += elapsed_ms * t->rate_per_s;
		t->last_mono_ms = mono_ms;
	}
	if (t->tokens_milli > full)
		t->tokens_milli = full;
	if (t->tokens_milli < 1000)
		return false;
	t->tokens_milli -= 1000;
	return true;
}
