/* A process without memory for OpenSSL ends, with a code of its own; before that all goes as ever.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto/digest.h"
#include "crypto/memory.h"
#include "crypto/openssl.h"

#define DONE 7

/* How a process of its own ends that does this. */
static int code_of(void (*f)(void))
{
	const pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		f();
		_exit(DONE);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void with_memory(void)
{
	void *p;

	if (crypto_end_without_memory() || crypto_init())
		_exit(1);
	p = OPENSSL_realloc(OPENSSL_zalloc(10), 1000);
	if (!p || OPENSSL_malloc(0) || OPENSSL_realloc(p, 0))
		_exit(1);
	crypto_fini();
}

static void malloc_too_much(void)
{
	volatile size_t n = SIZE_MAX / 2;

	if (crypto_end_without_memory() == ERR_OK)
		OPENSSL_free(OPENSSL_malloc(n));
}

static void realloc_too_much(void)
{
	volatile size_t n = SIZE_MAX / 2;

	if (crypto_end_without_memory() == ERR_OK)
		OPENSSL_free(OPENSSL_realloc(OPENSSL_malloc(10), n));
}

static void too_late(void)
{
	if (crypto_init())
		_exit(1);
	_exit(crypto_end_without_memory() == ERR_BUG ? DONE : 1);
}

static void a_process_with_memory_goes_on(void **state)
{
	(void)state;
	assert_int_equal(code_of(with_memory), DONE);
}

static void a_process_without_memory_ends(void **state)
{
	(void)state;
#ifdef AMPARO_SANITIZED
	skip(); /* the sanitizer ends it itself */
#endif
	assert_int_equal(code_of(malloc_too_much), CRYPTO_MEMORY_EXIT);
	assert_int_equal(code_of(realloc_too_much), CRYPTO_MEMORY_EXIT);
}

static void it_has_to_be_said_first(void **state)
{
	(void)state;
	assert_int_equal(code_of(too_late), DONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_with_memory_goes_on),
		cmocka_unit_test(a_process_without_memory_ends),
		cmocka_unit_test(it_has_to_be_said_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
