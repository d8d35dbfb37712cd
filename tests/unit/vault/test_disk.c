/* How much space there is, as the system says it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <sys/statvfs.h>
#include <unistd.h>

#include "vault/disk.h"

static void test_free_bytes(void **state)
{
	struct statvfs before, after;
	uint64_t n, most, least;
	int fd = -1;

	(void)state;
	assert_int_equal(disk_open("/", &fd), ERR_OK);
	assert_int_equal(statvfs("/", &before), 0);
	n = disk_free_bytes(fd);
	assert_int_equal(statvfs("/", &after), 0);
	/* Others write to it meanwhile. */
	most = before.f_bavail > after.f_bavail ? before.f_bavail : after.f_bavail;
	least = before.f_bavail > after.f_bavail ? after.f_bavail : before.f_bavail;
	assert_true(n >= least * before.f_frsize / 100 * 99);
	assert_true(n <= most * before.f_frsize / 99 * 100);
	(void)close(fd);
	/* What cannot be known does not stop a node. */
	assert_true(disk_free_bytes(fd) == UINT64_MAX);
}

static void test_no_folder(void **state)
{
	int fd = 99;

	(void)state;
	assert_int_equal(disk_open("/no/such/folder", &fd), ERR_NOT_FOUND);
	assert_int_equal(disk_open("/dev/null", &fd), ERR_NOT_FOUND);
	assert_int_equal(fd, 99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_free_bytes),
		cmocka_unit_test(test_no_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
