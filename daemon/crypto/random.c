#include "crypto/random.h"

#include <limits.h>

#include "crypto/internal.h"

static struct {
	void (*fill)(void *ctx, uint8_t *p, size_t n);
	void *ctx;
} source;

enum err random_bytes(void *p, size_t n)
{
	if (n > INT_MAX || RAND_bytes(p, (int)n) != 1)
		return err_openssl(ERR_CRYPTO, "random generator");
	return ERR_OK;
}

static int source_bytes(unsigned char *p, int n)
{
	if (n < 0)
		return 0;
	source.fill(source.ctx, p, (size_t)n);
	return 1;
}

static int source_status(void)
{
	return 1;
}

void random_set_source(void (*fill)(void *ctx, uint8_t *p, size_t n), void *ctx)
{
	/* Deprecated in 3.0 in favour of writing a provider, which is far more for a test's sake.
	 */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	static const RAND_METHOD method = {
		.bytes = source_bytes,
		.pseudorand = source_bytes,
		.status = source_status,
	};

	source.fill = fill;
	source.ctx = ctx;
	ASSERT(RAND_set_rand_method(fill ? &method : NULL));
#pragma GCC diagnostic pop
}
