/* The last-signed file: two slots in turn, and every way in which a write can tear. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "crypto/digest.h"
#include "vault/last_signed.h"

#define FILE_BYTES (2 * LAST_SIGNED_SLOT_BYTES)

static char folder[] = "/tmp/test-last-signed-XXXXXX";
static char path[64];

static void be_silent(void *ctx, enum log_level level, const char *line)
{
	(void)ctx;
	(void)level;
	(void)line;
}

static int begin(void **state)
{
	(void)state;
	log_set_sink(be_silent, NULL);
	if (!mkdtemp(folder) || crypto_init())
		return 1;
	(void)snprintf(path, sizeof(path), "%s/last-signed", folder);
	return 0;
}

static int end(void **state)
{
	(void)state;
	crypto_fini();
	return rmdir(folder);
}

static int make(void **state)
{
	(void)state;
	return last_signed_create(path) == ERR_OK ? 0 : 1;
}

static int drop(void **state)
{
	(void)state;
	return unlink(path);
}

static struct last_signed *open_good(void)
{
	struct last_signed *l = NULL;

	assert_int_equal(last_signed_open(path, &l), ERR_OK);
	return l;
}

static void holds(const char *newest, const char *previous)
{
	CLEANUP(last_signed_closep) struct last_signed *l = open_good();

	assert_true(view_eq(last_signed_newest(l), view_str(newest)));
	assert_true(view_eq(last_signed_previous(l), view_str(previous)));
}

static void write_good(const char *newest, const char *previous)
{
	CLEANUP(last_signed_closep) struct last_signed *l = open_good();

	assert_int_equal(last_signed_write(l, view_str(newest), view_str(previous)), ERR_OK);
	assert_int_equal(last_signed_sync(l), ERR_OK);
	assert_true(view_eq(last_signed_newest(l), view_str(newest)));
	assert_true(view_eq(last_signed_previous(l), view_str(previous)));
}

static void read_file(uint8_t *ret)
{
	int fd = open(path, O_RDONLY);

	assert_int_equal(read(fd, ret, FILE_BYTES), FILE_BYTES);
	(void)close(fd);
}

static void write_file(const uint8_t *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	assert_int_equal(write(fd, p, n), n);
	(void)close(fd);
}

static void test_new_is_empty(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, FILE_BYTES);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(last_signed_create(path), ERR_EXISTS);
	holds("", "");
}

static void test_each_write_counts(void **state)
{
	char newest[16] = "", previous[16] = "";

	(void)state;
	for (int i = 0; i < 20; i++) {
		memcpy(previous, newest, sizeof(previous));
		(void)snprintf(newest, sizeof(newest), "note %d", i * i);
		write_good(newest, previous);
		holds(newest, previous);
	}
}

static void test_longest(void **state)
{
	static uint8_t note[LAST_SIGNED_NOTE_MAX + 1];
	CLEANUP(last_signed_closep) struct last_signed *l = open_good();
	const struct view longest = view_of(note, LAST_SIGNED_NOTE_MAX);
	const struct view longer = view_of(note, LAST_SIGNED_NOTE_MAX + 1);

	(void)state;
	assert_int_equal(last_signed_write(l, longest, longest), ERR_OK);
	assert_int_equal(last_signed_sync(l), ERR_OK);
	assert_int_equal(last_signed_write(l, longer, longest), ERR_LIMIT);
	assert_int_equal(last_signed_write(l, longest, longer), ERR_LIMIT);
	assert_true(view_eq(last_signed_newest(l), longest));
}

/* A write that reached the disk up to any byte, with what stood there before behind it. */
static void test_torn_write(void **state)
{
	static uint8_t before[FILE_BYTES], after[FILE_BYTES], torn[FILE_BYTES];

	(void)state;
	write_good("one", "");
	write_good("two", "one");
	read_file(before);
	write_good("three", "two");
	read_file(after);
	for (size_t n = 0; n <= 100; n++) {
		/* From the front, and from the back. */
		for (int way = 0; way < 2; way++) {
			const size_t at = LAST_SIGNED_SLOT_BYTES; /* number 3 stands in slot 1 */

			memcpy(torn, way ? after : before, FILE_BYTES);
			memcpy(torn + at, (way ? before : after) + at, n);
			write_file(torn, FILE_BYTES);
			if (memcmp(torn, after, FILE_BYTES) == 0)
				holds("three", "two");
			else
				holds("two", "one");
		}
	}
}

static void test_every_bit_of_a_slot(void **state)
{
	static uint8_t content[FILE_BYTES];

	(void)state;
	write_good("one", "");
	write_good("two", "one");
	read_file(content);
	/* Number 2 stands in slot 0. */
	for (size_t bit = 0; bit < (24 + 6 + 32) * 8; bit++) {
		content[bit / 8] ^= (uint8_t)(1U << bit % 8);
		write_file(content, FILE_BYTES);
		holds("one", "");
		content[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
}

static void open_fails(enum err expected)
{
	struct last_signed *l = NULL;

	assert_int_equal(last_signed_open(path, &l), expected);
	assert_null(l);
}

static void test_both_damaged(void **state)
{
	static uint8_t content[FILE_BYTES];

	(void)state;
	write_good("one", "");
	write_good("two", "one");
	read_file(content);
	content[30] ^= 1;
	content[LAST_SIGNED_SLOT_BYTES + 26] ^= 1;
	write_file(content, FILE_BYTES);
	open_fails(ERR_STORAGE);
}

static void test_short_file(void **state)
{
	static const uint8_t content[FILE_BYTES];

	(void)state;
	write_file(content, FILE_BYTES - 1);
	open_fails(ERR_STORAGE);
	write_file(content, 0);
	open_fails(ERR_STORAGE);
}

static void test_wrong_files(void **state)
{
	char other[80];

	(void)state;
	assert_int_equal(chmod(path, 0620), 0);
	open_fails(ERR_DENIED);
	assert_int_equal(chmod(path, 0600), 0);
	(void)snprintf(other, sizeof(other), "%s.other", path);
	assert_int_equal(rename(path, other), 0);
	open_fails(ERR_NOT_FOUND);
	assert_int_equal(symlink(other, path), 0);
	open_fails(ERR_IO);
	assert_int_equal(last_signed_create(path), ERR_EXISTS);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	open_fails(ERR_DENIED);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rename(other, path), 0);
	holds("", "");
}

#define T(name) cmocka_unit_test_setup_teardown(name, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_new_is_empty), T(test_each_write_counts),   T(test_longest),
		T(test_torn_write),   T(test_every_bit_of_a_slot), T(test_both_damaged),
		T(test_short_file),   T(test_wrong_files),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
