#include "memory.h"

#include <errno.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SANITIZED 1
#endif
#endif

/* The sanitizer's own functions, or those of the C library, under the names that stay theirs. */
#ifdef IS_SANITIZED
#define REAL(name) __interceptor_##name
#else
#define REAL(name) __libc_##name
#endif
void *REAL(malloc)(size_t n);
void *REAL(calloc)(size_t n, size_t size);
void *REAL(realloc)(void *p, size_t n);

#define EXPORTED __attribute__((visibility("default")))
EXPORTED void *malloc(size_t n);
EXPORTED void *calloc(size_t n, size_t size);
EXPORTED void *realloc(void *p, size_t n);

static bool (*hook)(void *ctx, size_t n);
static void *hook_ctx;

void memory_set_hook(bool (*f)(void *ctx, size_t n), void *ctx)
{
	hook = f;
	hook_ctx = ctx;
}

static bool fails(size_t n)
{
	bool (*const f)(void *, size_t) = hook;
	bool answer;

	if (!f)
		return false;
	hook = NULL; /* what it allocates itself is not asked about */
	answer = f(hook_ctx, n);
	if (!hook)
		hook = f;
	if (answer)
		errno = ENOMEM;
	return answer;
}

void *malloc(size_t n)
{
	return fails(n) ? NULL : REAL(malloc)(n);
}

void *calloc(size_t n, size_t size)
{
	return fails(n * size) ? NULL : REAL(calloc)(n, size);
}

void *realloc(void *p, size_t n)
{
	return n && fails(n) ? NULL : REAL(realloc)(p, n);
}
