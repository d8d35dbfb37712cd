#include "crypto/memory.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "crypto/openssl.h"

static _Noreturn void end(size_t n)
{
	log_line(LOG_ERR, "out of memory: this process ends wanted_bytes=%zu", n);
	_exit(CRYPTO_MEMORY_EXIT); /* nothing of what is half done is to be tidied up */
}

static void *take(size_t n, const char *file, int line)
{
	void *p = n ? malloc(n) : NULL;

	(void)file;
	(void)line;
	if (n && !p)
		end(n);
	return p;
}

static void give(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	free(p);
}

static void *take_more(void *p, size_t n, const char *file, int line)
{
	void *grown;

	if (n == 0) {
		give(p, file, line);
		return NULL;
	}
	grown = realloc(p, n);
	if (!grown)
		end(n);
	return grown;
}

enum err crypto_end_without_memory(void)
{
	if (!CRYPTO_set_mem_functions(take, take_more, give))
		return err_new(ERR_BUG, "OpenSSL has allocated already");
	return ERR_OK;
}
