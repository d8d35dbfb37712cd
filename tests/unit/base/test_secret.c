/* Secrets: copied, kept out of core files, and gone when freed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/secret.h"

static void a_secret_is_a_copy(void **state)
{
	static const size_t sizes[] = {0, 1, 32, 4095, 4096, 4097, 20000};
	static uint8_t bytes[20000];

	(void)state;
	memset(bytes, 0x5a, sizeof(bytes));
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		CLEANUP(secret_freep) struct secret *s = NULL;

		assert_int_equal(secret_new(view_of(bytes, sizes[i]), &s), ERR_OK);
		assert_true(view_eq(secret_view(s), view_of(bytes, sizes[i])));
		assert_ptr_not_equal(s->p, bytes);
		assert_int_equal((uintptr_t)s->p % (uintptr_t)sysconf(_SC_PAGESIZE), 0);
	}
	secret_free(NULL);
}

/* The kernel's own words on the mapping: "dd" is DONTDUMP. */
static void a_secret_is_left_out_of_core_files(void **state)
{
	CLEANUP(secret_freep) struct secret *s = NULL;
	bool in_mapping = false, found = false;
	char line[512];
	FILE *f;

	(void)state;
	assert_int_equal(secret_new(view_str("key"), &s), ERR_OK);
	f = fopen("/proc/self/smaps", "r");
	if (!f) {
		(void)fprintf(stderr, "SKIP: no /proc/self/smaps\n");
		skip();
	}
	while (fgets(line, sizeof(line), f)) {
		uintptr_t from = 0, to = 0;

		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			in_mapping = (uintptr_t)s->p >= from && (uintptr_t)s->p < to;
		else if (in_mapping && strncmp(line, "VmFlags:", 8) == 0)
			found = strstr(line, " dd") != NULL;
	}
	(void)fclose(f);
	assert_true(found);
}

static void wiping_leaves_nothing(void **state)
{
	char key[] = "very secret";
	const char zero[sizeof(key)] = {0};

	(void)state;
	wipe(key, sizeof(key));
	assert_memory_equal(key, zero, sizeof(key));
}

static void a_pointer_is_handed_on_once(void **state)
{
	char *p = strdup("x"), *q = TAKE(p);

	(void)state;
	assert_null(p);
	assert_string_equal(q, "x");
	freep(&q);
	assert_null(q);
	freep(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_secret_is_a_copy),
		cmocka_unit_test(a_secret_is_left_out_of_core_files),
		cmocka_unit_test(wiping_leaves_nothing),
		cmocka_unit_test(a_pointer_is_handed_on_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
