/* Writes of the database and its WAL that follow each other reach the disk as one, and none is ever
 * forgotten. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/file_gather.h"

#define FILE_BYTES_MAX (20 * FRAME_BYTES)
#define FRAME_BYTES 16408
#define FRAMES_MAX 7	       /* that are gathered */
#define WRITE_BYTES_MAX 131071 /* of os_unix.c */
#define SYNC_FLAGS SQLITE_SYNC_NORMAL

/* The real file: in memory, and counted. */
static struct {
	uint8_t byte[FILE_BYTES_MAX];
	sqlite3_int64 end;
	int n_writes, n_syncs, n_closes;
	sqlite3_int64 synced; /* end at the newest sync */
	int refuses;	      /* what writes answer, once n_writes_well are done */
	int n_writes_well;
} disk;

static bool no_memory;

static int real_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	(void)f;
	disk.n_writes++;
	if (disk.refuses && disk.n_writes > disk.n_writes_well)
		return disk.refuses;
	assert_in_range(n, 1, WRITE_BYTES_MAX);
	assert_true(at + n <= FILE_BYTES_MAX);
	memcpy(disk.byte + at, p, (size_t)n);
	if (at + n > disk.end)
		disk.end = at + n;
	return SQLITE_OK;
}

static int real_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	(void)f;
	if (at + n > disk.end)
		return SQLITE_IOERR_SHORT_READ;
	memcpy(p, disk.byte + at, (size_t)n);
	return SQLITE_OK;
}

static int real_truncate(sqlite3_file *f, sqlite3_int64 n)
{
	(void)f;
	disk.end = n;
	return SQLITE_OK;
}

static int real_sync(sqlite3_file *f, int flags)
{
	(void)f;
	assert_int_equal(flags, SYNC_FLAGS);
	disk.n_syncs++;
	disk.synced = disk.end;
	return SQLITE_OK;
}

static int real_size(sqlite3_file *f, sqlite3_int64 *ret)
{
	(void)f;
	*ret = disk.end;
	return SQLITE_OK;
}

static int real_close(sqlite3_file *f)
{
	(void)f;
	disk.n_closes++;
	return SQLITE_OK;
}

static int real_sector_size(sqlite3_file *f)
{
	(void)f;
	return 512;
}

static int characteristics = SQLITE_IOCAP_POWERSAFE_OVERWRITE;

static int real_characteristics(sqlite3_file *f)
{
	(void)f;
	return characteristics;
}

static const sqlite3_io_methods real_methods = {
	.iVersion = 1,
	.xClose = real_close,
	.xRead = real_read,
	.xWrite = real_write,
	.xTruncate = real_truncate,
	.xSync = real_sync,
	.xFileSize = real_size,
	.xSectorSize = real_sector_size,
	.xDeviceCharacteristics = real_characteristics,
};

static int real_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *ret)
{
	(void)vfs;
	(void)ret;
	assert_string_equal(name, "wal");
	assert_int_equal(flags, SQLITE_OPEN_WAL);
	f->pMethods = &real_methods;
	return SQLITE_OK;
}

static int refuse_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *ret)
{
	(void)vfs;
	(void)name;
	(void)flags;
	(void)ret;
	f->pMethods = NULL;
	return SQLITE_CANTOPEN;
}

static sqlite3_vfs real = {.szOsFile = sizeof(sqlite3_file), .xOpen = real_open};

/* --- memory --- */

static void *take(int n)
{
	return no_memory ? NULL : malloc((size_t)n);
}

static void *take_more(void *p, int n)
{
	return realloc(p, (size_t)n);
}

static int size_of(void *p)
{
	return (int)malloc_usable_size(p);
}

static int round_up(int n)
{
	return n;
}

static int memory_begins(void *ctx)
{
	(void)ctx;
	return SQLITE_OK;
}

static void memory_ends(void *ctx)
{
	(void)ctx;
}

/* --- the file under test --- */

static int setup(void **state)
{
	sqlite3_file *f = malloc((size_t)file_gather_bytes(&real));

	assert_non_null(f);
	memset(&disk, 0, sizeof(disk));
	no_memory = false;
	assert_int_equal(file_gather_open(&real, "wal", f, SQLITE_OPEN_WAL, NULL), SQLITE_OK);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	sqlite3_file *f = *state;

	if (!disk.n_closes)
		(void)f->pMethods->xClose(f);
	assert_int_equal(disk.n_closes, 1);
	free(f);
	return 0;
}

static int put(sqlite3_file *f, uint8_t what, int n, sqlite3_int64 at)
{
	static uint8_t p[FILE_GATHER_MAX];

	memset(p, what, (size_t)n);
	return f->pMethods->xWrite(f, p, n, at);
}

/* As SQLite: header and page of each, one behind the other. */
static sqlite3_int64 put_frames(sqlite3_file *f, int n, sqlite3_int64 at)
{
	for (int i = 0; i < n; i++) {
		assert_int_equal(put(f, (uint8_t)(i + 1), 24, at), SQLITE_OK);
		assert_int_equal(put(f, (uint8_t)(i + 101), FRAME_BYTES - 24, at + 24), SQLITE_OK);
		at += FRAME_BYTES;
	}
	return at;
}

static void assert_frames(int n, sqlite3_int64 at)
{
	for (int i = 0; i < n; i++, at += FRAME_BYTES)
		for (int j = 0; j < FRAME_BYTES; j++)
			assert_int_equal(disk.byte[at + j], i + (j < 24 ? 1 : 101));
}

static int sync_file(sqlite3_file *f)
{
	return f->pMethods->xSync(f, SYNC_FLAGS);
}

static void a_commit_is_one_write_before_its_sync(void **state)
{
	sqlite3_file *f = *state;
	sqlite3_int64 end = put_frames(f, FRAMES_MAX, 32);

	assert_int_equal(disk.n_writes, 0);
	assert_int_equal(sync_file(f), SQLITE_OK);
	assert_int_equal(disk.n_writes, 1);
	assert_int_equal(disk.synced, end);
	assert_frames(FRAMES_MAX, 32);
	/* the next one goes on there, and nothing is written twice */
	assert_int_equal(put_frames(f, 3, end), end + 3 * FRAME_BYTES);
	assert_int_equal(sync_file(f), SQLITE_OK);
	assert_int_equal(sync_file(f), SQLITE_OK);
	assert_int_equal(disk.n_writes, 2);
	assert_int_equal(disk.n_syncs, 3);
	assert_frames(FRAMES_MAX, 32);
	assert_frames(3, end);
}

static void a_write_elsewhere_comes_after_what_was_gathered(void **state)
{
	sqlite3_file *f = *state;

	(void)put_frames(f, 2, 0);
	/* a frame written again, as a page that changes twice in one transaction */
	assert_int_equal(put(f, 77, FRAME_BYTES, 0), SQLITE_OK);
	assert_int_equal(disk.n_writes, 1);
	assert_frames(2, 0);
	/* after a gap */
	assert_int_equal(put(f, 78, 24, 4 * FRAME_BYTES), SQLITE_OK);
	assert_int_equal(disk.n_writes, 2);
	assert_int_equal(disk.byte[0], 77);
	/* in front */
	assert_int_equal(put(f, 79, 24, 4 * FRAME_BYTES - 24), SQLITE_OK);
	assert_int_equal(disk.n_writes, 3);
	assert_int_equal(sync_file(f), SQLITE_OK);
	assert_int_equal(disk.n_writes, 4);
	assert_int_equal(disk.byte[4 * FRAME_BYTES - 1], 79);
	assert_int_equal(disk.byte[4 * FRAME_BYTES], 78);
}

static void whoever_asks_sees_what_was_written(void **state)
{
	sqlite3_file *f = *state;
	sqlite3_int64 n = 0;
	uint8_t byte = 0;

	assert_int_equal(put(f, 5, 100, 0), SQLITE_OK);
	assert_int_equal(f->pMethods->xRead(f, &byte, 1, 99), SQLITE_OK);
	assert_int_equal(byte, 5);
	assert_int_equal(put(f, 6, 100, 100), SQLITE_OK);
	assert_int_equal(f->pMethods->xFileSize(f, &n), SQLITE_OK);
	assert_int_equal(n, 200);
	assert_int_equal(put(f, 7, 100, 200), SQLITE_OK);
	assert_int_equal(f->pMethods->xTruncate(f, 50), SQLITE_OK);
	assert_int_equal(disk.end, 50);
	assert_int_equal(put(f, 8, 100, 50), SQLITE_OK);
	assert_int_equal(f->pMethods->xClose(f), SQLITE_OK);
	assert_int_equal(disk.end, 150);
	assert_int_equal(disk.n_writes, 4);
	assert_int_equal(f->pMethods->xSectorSize(f), 512);
}

static void what_is_too_much_is_written_in_parts(void **state)
{
	const int n = 2 * FRAMES_MAX + 3;
	sqlite3_file *f = *state;
	sqlite3_int64 end = put_frames(f, n, 0);

	assert_int_equal(disk.n_writes, 2);
	assert_int_equal(sync_file(f), SQLITE_OK);
	assert_int_equal(disk.n_writes, 3);
	assert_int_equal(disk.synced, end);
	assert_frames(n, 0);
	/* as large as can be */
	assert_int_equal(put(f, 3, FILE_GATHER_MAX, 0), SQLITE_OK);
	assert_int_equal(disk.n_writes, 3);
	assert_int_equal(put(f, 4, 1, FILE_GATHER_MAX), SQLITE_OK);
	assert_int_equal(disk.n_writes, 4);
	assert_int_equal(sync_file(f), SQLITE_OK);
	assert_int_equal(disk.byte[FILE_GATHER_MAX - 1], 3);
	assert_int_equal(disk.byte[FILE_GATHER_MAX], 4);
}

/* 64 KiB, the largest that SQLite has: what does not fit any more goes into the next one. */
static void pages_of_any_size_are_gathered(void **state)
{
	sqlite3_file *f = *state;

	for (int i = 0; i < 4; i++)
		assert_int_equal(put(f, (uint8_t)(i + 1), 65536, i * 65536), SQLITE_OK);
	assert_int_equal(disk.n_writes, 3);
	assert_int_equal(sync_file(f), SQLITE_OK);
	for (int i = 0; i < 4 * 65536; i++)
		assert_int_equal(disk.byte[i], i / 65536 + 1);
}

/* --- a commit held back --- */

/* What stood in the file, and on the disk, when the commit came to its last page. */
static struct {
	int n_calls;
	int says;
	sqlite3_int64 end;
	int n_syncs;
} seen;

static int look(void *ctx)
{
	assert_ptr_equal(ctx, &seen);
	seen.n_calls++;
	seen.end = disk.end;
	seen.n_syncs = disk.n_syncs;
	return seen.says;
}

static void hold(sqlite3_file *f)
{
	memset(&seen, 0, sizeof(seen));
	assert_true(file_gather_hold(f, FRAME_BYTES, look, &seen));
}

static void a_commit_waits_before_its_last_page(void **state)
{
	sqlite3_file *f = *state;
	sqlite3_int64 end;

	/* also when its last page begins what is gathered: head and page stay together */
	for (int n = 1; n <= FRAMES_MAX + 2; n++) {
		memset(&disk, 0, sizeof(disk));
		hold(f);
		end = put_frames(f, n, 0);
		assert_int_equal(seen.n_calls, 0);
		assert_int_equal(sync_file(f), SQLITE_OK);
		assert_int_equal(seen.n_calls, 1);
		assert_int_equal(seen.end, end - FRAME_BYTES);
		assert_int_equal(seen.n_syncs, 0);
		assert_int_equal(disk.synced, end);
		assert_frames(n, 0);
		assert_false(file_gather_let_go(f));
		/* the next one is not held */
		assert_int_equal(put_frames(f, 1, end), end + FRAME_BYTES);
		assert_int_equal(sync_file(f), SQLITE_OK);
		assert_int_equal(seen.n_calls, 1);
	}
}

static void the_head_of_the_wal_is_no_commit(void **state)
{
	sqlite3_file *f = *state;

	hold(f);
	assert_int_equal(put(f, 9, 32, 0), SQLITE_OK);
	assert_int_equal(sync_file(f), SQLITE_OK);
	assert_int_equal(disk.synced, 32);
	assert_int_equal(seen.n_calls, 0);
	(void)put_frames(f, 2, 32);
	assert_int_equal(sync_file(f), SQLITE_OK);
	assert_int_equal(seen.n_calls, 1);
	assert_int_equal(seen.end, 32 + FRAME_BYTES);
}

static void a_commit_fails_with_what_it_waits_for(void **state)
{
	sqlite3_file *f = *state;

	hold(f);
	seen.says = SQLITE_IOERR_FSYNC;
	(void)put_frames(f, 3, 0);
	assert_int_equal(sync_file(f), SQLITE_IOERR_FSYNC);
	assert_int_equal(seen.n_calls, 1);
	assert_int_equal(disk.end, 2 * FRAME_BYTES);
	assert_int_equal(disk.n_syncs, 0);
	assert_int_equal(sync_file(f), SQLITE_IOERR_FSYNC);
	assert_int_equal(f->pMethods->xClose(f), SQLITE_IOERR_FSYNC);
	assert_int_equal(disk.end, 2 * FRAME_BYTES); /* never the last one */
}

static void nobody_sees_a_commit_that_waits(void **state)
{
	sqlite3_file *f = *state;
	sqlite3_int64 n;
	uint8_t byte;

	for (int way = 0; way < 4; way++) {
		memset(&disk, 0, sizeof(disk));
		hold(f);
		(void)put_frames(f, 2, 0);
		if (way == 0)
			assert_int_equal(f->pMethods->xRead(f, &byte, 1, 0), SQLITE_OK);
		else if (way == 1)
			assert_int_equal(f->pMethods->xFileSize(f, &n), SQLITE_OK);
		else if (way == 2)
			assert_int_equal(f->pMethods->xTruncate(f, FRAME_BYTES), SQLITE_OK);
		else
			assert_int_equal(f->pMethods->xClose(f), SQLITE_OK);
		assert_int_equal(seen.n_calls, 1);
		assert_int_equal(seen.end, 0);
		assert_int_equal(disk.end, way == 2 ? FRAME_BYTES : 2 * FRAME_BYTES);
	}
}

static void without_memory_a_commit_waits_from_its_first_page(void **state)
{
	sqlite3_file *f = *state;

	no_memory = true;
	hold(f);
	(void)put_frames(f, 2, 0);
	assert_int_equal(seen.n_calls, 1);
	assert_int_equal(seen.end, 0);
	assert_int_equal(sync_file(f), SQLITE_OK);
	assert_frames(2, 0);
}

static void what_was_not_written_waits_for_nothing(void **state)
{
	sqlite3_file *f = *state;
	sqlite3_file other = {.pMethods = &real_methods};

	hold(f);
	assert_int_equal(sync_file(f), SQLITE_OK);
	assert_true(file_gather_let_go(f));
	assert_false(file_gather_let_go(f));
	(void)put_frames(f, 2, 0);
	assert_int_equal(sync_file(f), SQLITE_OK);
	assert_int_equal(seen.n_calls, 0);
	assert_false(file_gather_hold(&other, FRAME_BYTES, look, &seen));
	assert_false(file_gather_hold(NULL, FRAME_BYTES, look, &seen));
	assert_false(file_gather_let_go(NULL));
	/* a disk on which SQLite pads what it commits */
	characteristics = 0;
	assert_false(file_gather_hold(f, FRAME_BYTES, look, &seen));
	characteristics = SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* --- a disk that refuses --- */

static int by_sync(sqlite3_file *f)
{
	return sync_file(f);
}

static int by_write(sqlite3_file *f)
{
	return put(f, 1, 24, 0);
}

static int by_read(sqlite3_file *f)
{
	uint8_t byte;

	return f->pMethods->xRead(f, &byte, 1, 0);
}

static int by_size(sqlite3_file *f)
{
	sqlite3_int64 n;

	return f->pMethods->xFileSize(f, &n);
}

static int by_truncation(sqlite3_file *f)
{
	return f->pMethods->xTruncate(f, 0);
}

static int by_close(sqlite3_file *f)
{
	return f->pMethods->xClose(f);
}

static int (*const ways[])(sqlite3_file *) = {by_sync, by_write,      by_read,
					      by_size, by_truncation, by_close};
#define N_WAYS (sizeof(ways) / sizeof(ways[0]))

static void a_write_that_failed_is_told_by_whatever_comes_and_stays(void **state)
{
	sqlite3_file *f = *state;

	for (size_t i = 0; i < N_WAYS; i++) {
		disk.refuses = SQLITE_IOERR_WRITE;
		disk.n_writes = disk.n_closes = 0;
		assert_int_equal(put(f, 9, 100, 0), SQLITE_OK);
		assert_int_equal(ways[i](f), SQLITE_IOERR_WRITE);
		assert_int_equal(disk.n_writes, 1);
		disk.refuses = 0; /* well again, but what was lost is lost */
		for (size_t j = 0; !disk.n_closes && j < N_WAYS; j++)
			assert_int_equal(ways[j](f), SQLITE_IOERR_WRITE);
		assert_int_equal(disk.n_writes, 1);
		assert_int_equal(disk.n_syncs, 0);
		assert_int_equal(disk.end, 0);
		assert_int_equal(disk.n_closes, 1);
		assert_int_equal(file_gather_open(&real, "wal", f, SQLITE_OPEN_WAL, NULL),
				 SQLITE_OK);
	}
	disk.n_closes = 0;
	assert_int_equal(put(f, 9, 100, 0), SQLITE_OK);
	assert_int_equal(sync_file(f), SQLITE_OK); /* opened anew */
	assert_int_equal(disk.end, 100);
}

static void a_full_disk_is_told_as_one(void **state)
{
	sqlite3_file *f = *state;

	disk.refuses = SQLITE_FULL;
	disk.n_writes_well = 1;
	(void)put_frames(f, FRAMES_MAX + 1, 0);
	assert_int_equal(disk.n_writes, 1);
	assert_int_equal(sync_file(f), SQLITE_FULL);
	assert_int_equal(sync_file(f), SQLITE_FULL);
	assert_int_equal(disk.n_syncs, 0);
}

static void without_memory_each_write_goes_at_once(void **state)
{
	sqlite3_file *f = *state;
	sqlite3_int64 end;

	no_memory = true;
	end = put_frames(f, 2, 0);
	assert_int_equal(disk.n_writes, 4);
	assert_frames(2, 0);
	disk.refuses = SQLITE_FULL;
	assert_int_equal(put(f, 1, 24, end), SQLITE_FULL);
	disk.refuses = 0;
	no_memory = false;
	assert_int_equal(put(f, 1, 24, end), SQLITE_FULL);
	assert_int_equal(sync_file(f), SQLITE_FULL);
	assert_int_equal(disk.n_syncs, 0);
}

static void a_file_that_did_not_open_is_not_closed(void **state)
{
	sqlite3_vfs none = {.szOsFile = sizeof(sqlite3_file), .xOpen = refuse_open};
	sqlite3_file *f = malloc((size_t)file_gather_bytes(&none));

	(void)state;
	assert_non_null(f);
	assert_int_equal(file_gather_open(&none, "wal", f, SQLITE_OPEN_WAL, NULL), SQLITE_CANTOPEN);
	assert_null(f->pMethods);
	free(f);
}

int main(void)
{
	static const sqlite3_mem_methods memory = {take,     free,	    take_more,	 size_of,
						   round_up, memory_begins, memory_ends, NULL};
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_commit_is_one_write_before_its_sync),
		TEST(a_write_elsewhere_comes_after_what_was_gathered),
		TEST(whoever_asks_sees_what_was_written),
		TEST(what_is_too_much_is_written_in_parts),
		TEST(pages_of_any_size_are_gathered),
		TEST(a_commit_waits_before_its_last_page),
		TEST(the_head_of_the_wal_is_no_commit),
		TEST(a_commit_fails_with_what_it_waits_for),
		TEST(nobody_sees_a_commit_that_waits),
		TEST(without_memory_a_commit_waits_from_its_first_page),
		TEST(what_was_not_written_waits_for_nothing),
		TEST(a_write_that_failed_is_told_by_whatever_comes_and_stays),
		TEST(a_full_disk_is_told_as_one),
		TEST(without_memory_each_write_goes_at_once),
		cmocka_unit_test(a_file_that_did_not_open_is_not_closed),
	};

	if (sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) ||
	    sqlite3_config(SQLITE_CONFIG_MALLOC, &memory))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
