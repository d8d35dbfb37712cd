#include "store/page_check.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/file_over.h"
#include "store/file_gather.h"

#define HEADER_BYTES 100 /* the database header, https://sqlite.org/fileformat2.html 1.3 */
#define HEADER_PAGE_SIZE 16
#define PAGE_BYTES_MIN 512
#define BEGIN_BYTES (1 << 20) /* written before the kernel is told to begin */

struct checked_file {
	struct file_over over;
	sqlite3_int64 page_bytes; /* as the file's header says; 0: not seen yet */
	int fd; /* for advice to the kernel; -1: none, as when the host has no such file */
	sqlite3_int64 end;     /* of what was written */
	sqlite3_int64 advised; /* up to here the kernel was told */
	struct {
		sqlite3_int64 from, to;
		int n_bytes;
	} waits;	     /* written, and the disk not told yet */
	sqlite3_file real[]; /* as large as file_gather_open() wants it */
};

/* Two sums over words, as in SQLite's WAL: each depends on all words before. */
struct sums {
	uint32_t a, b;
};

static void add_words(struct sums *s, const uint8_t *p, size_t n)
{
	uint32_t w[2];

	for (size_t i = 0; i + sizeof(w) <= n; i += sizeof(w)) {
		memcpy(w, p + i, sizeof(w));
		s->a += w[0] + s->b;
		s->b += w[1] + s->a;
	}
}

#define LANES 4 /* side by side, since one sum waits for itself */

/* Sums of every fourth pair of words, over them and what is left one more, seeded with the place: a
 * page elsewhere is wrong. */
static void page_sum(const uint8_t *page, size_t n, uint64_t number, uint8_t ret[PAGE_CHECK_BYTES])
{
	struct sums all = {(uint32_t)number + 1, (uint32_t)(number >> 32) + 1};
	uint32_t a[LANES] = {0}, b[LANES] = {0}, w[2 * LANES];
	size_t i = 0;

	for (; i + sizeof(w) <= n; i += sizeof(w)) {
		memcpy(w, page + i, sizeof(w));
		for (size_t j = 0; j < LANES; j++) {
			a[j] += w[2 * j] + b[j];
			b[j] += w[2 * j + 1] + a[j];
		}
	}
	add_words(&all, (const uint8_t *)a, sizeof(a));
	add_words(&all, (const uint8_t *)b, sizeof(b));
	add_words(&all, page + i, n - i);
	memcpy(ret, &all.a, sizeof(all.a));
	memcpy(ret + sizeof(all.a), &all.b, sizeof(all.b));
}

static void see_header(struct checked_file *f, const uint8_t *p, int n, sqlite3_int64 at)
{
	unsigned size;

	if (at != 0 || n < HEADER_BYTES || memcmp(p, "SQLite format 3", 16) != 0)
		return;
	size = (unsigned)p[HEADER_PAGE_SIZE] << 8 | p[HEADER_PAGE_SIZE + 1];
	f->page_bytes = size == 1 ? 65536 : size;
}

/* Whole pages: one as a rule, more when VACUUM changes their size. */
static bool are_pages(const struct checked_file *f, int n, sqlite3_int64 at)
{
	return f->page_bytes >= PAGE_BYTES_MIN && n > 0 && n % f->page_bytes == 0 &&
	       at % f->page_bytes == 0;
}

static int on_read(sqlite3_file *file, void *to, int n, sqlite3_int64 at)
{
	struct checked_file *f = (struct checked_file *)file;
	uint8_t *p = to, sum[PAGE_CHECK_BYTES];
	int rc = f->real->pMethods->xRead(f->real, to, n, at);
	size_t room;

	if (rc)
		return rc;
	see_header(f, p, n, at);
	if (!are_pages(f, n, at))
		return SQLITE_OK;
	room = (size_t)f->page_bytes - PAGE_CHECK_BYTES;
	for (uint64_t page = (uint64_t)(at / f->page_bytes); n > 0; page++) {
		page_sum(p, room, page, sum);
		if (memcmp(sum, p + room, sizeof(sum)) != 0) {
			sqlite3_log(SQLITE_IOERR_DATA, "page %llu does not fit its checksum",
				    (unsigned long long)page + 1);
			return SQLITE_IOERR_DATA;
		}
		p += f->page_bytes;
		n -= (int)f->page_bytes;
	}
	return SQLITE_OK;
}

/* The disk works while more is written, so that the sync at the end waits for less of it. The
 * last of it, FILE_GATHER_MAX at most, is still gathered below, so that it waits for the sync. */
static void begin_writing(struct checked_file *f, int n, sqlite3_int64 at)
{
	if (f->fd < 0)
		return;
	if (!f->waits.n_bytes || at < f->waits.from)
		f->waits.from = at;
	if (!f->waits.n_bytes || at + n > f->waits.to)
		f->waits.to = at + n;
	f->waits.n_bytes += n;
	if (f->waits.n_bytes < BEGIN_BYTES)
		return;
	(void)sync_file_range(f->fd, f->waits.from, f->waits.to - f->waits.from,
			      SYNC_FILE_RANGE_WRITE);
	f->waits.n_bytes = 0;
}

/* The checksum goes into SQLite's own copy of the page, where the room is free. */
static int on_write(sqlite3_file *file, const void *from, int n, sqlite3_int64 at)
{
	struct checked_file *f = (struct checked_file *)file;
	uint8_t *p = (uint8_t *)(uintptr_t)from;
	int rc;

	see_header(f, p, n, at);
	if (are_pages(f, n, at)) {
		const size_t size = (size_t)f->page_bytes, room = size - PAGE_CHECK_BYTES;

		for (size_t i = 0; i < (size_t)n / size; i++)
			page_sum(p + i * size, room, (uint64_t)at / size + i, p + i * size + room);
	}
	rc = f->real->pMethods->xWrite(f->real, from, n, at);
	if (rc)
		return rc;
	if (at + n > f->end)
		f->end = at + n;
	begin_writing(f, n, at);
	return SQLITE_OK;
}

static int on_close(sqlite3_file *file)
{
	struct checked_file *f = (struct checked_file *)file;
	int rc = f->real->pMethods->xClose(f->real);

	/* Last: a lock of POSIX goes with the first descriptor of its file that is closed. */
	if (f->fd >= 0)
		(void)close(f->fd);
	return rc;
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 n)
{
	struct checked_file *f = (struct checked_file *)file;

	if (n < f->advised)
		f->advised = n;
	if (n < f->end)
		f->end = n;
	return f->real->pMethods->xTruncate(f->real, n);
}

/* What was added since the last time is on the disk now. Advice that is not taken harms nothing. */
static void give_back_memory(struct checked_file *f)
{
	if (f->fd >= 0 && f->end > f->advised)
		(void)posix_fadvise(f->fd, f->advised, f->end - f->advised, POSIX_FADV_DONTNEED);
	if (f->end > f->advised)
		f->advised = f->end;
}

static int on_sync(sqlite3_file *file, int flags)
{
	struct checked_file *f = (struct checked_file *)file;
	int rc = f->real->pMethods->xSync(f->real, flags);

	f->waits.n_bytes = 0;
	if (!rc)
		give_back_memory(f);
	return rc;
}

static int on_file_size(sqlite3_file *file, sqlite3_int64 *ret)
{
	struct checked_file *f = (struct checked_file *)file;

	return f->real->pMethods->xFileSize(f->real, ret);
}

/* No shared memory, no mapping: one connection, EXCLUSIVE, and every page passes on_read(). */
static const sqlite3_io_methods methods = {
	.iVersion = 1,
	.xClose = on_close,
	.xRead = on_read,
	.xWrite = on_write,
	.xTruncate = on_truncate,
	.xSync = on_sync,
	.xFileSize = on_file_size,
	.xLock = file_over_lock,
	.xUnlock = file_over_unlock,
	.xCheckReservedLock = file_over_check_reserved,
	.xFileControl = file_over_control,
	.xSectorSize = file_over_sector_size,
	.xDeviceCharacteristics = file_over_characteristics,
};

/* --- the VFS ------------------------------------------------------------------------------ */

static sqlite3_vfs *base_of(sqlite3_vfs *vfs)
{
	return vfs->pAppData;
}

/* What stands in the file already stays in the kernel's memory: it may be what is read. */
static void open_for_advice(struct checked_file *f, const char *name)
{
	struct stat st;

	f->fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (f->fd >= 0 && fstat(f->fd, &st) == 0)
		f->advised = st.st_size;
}

static int on_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret)
{
	sqlite3_vfs *base = base_of(vfs);
	struct checked_file *f = (struct checked_file *)file;
	int rc;

	if (flags & SQLITE_OPEN_WAL)
		return file_gather_open(base, name, file, flags, ret);
	/* Journals are the real VFS's alone. */
	if (!(flags & SQLITE_OPEN_MAIN_DB))
		return base->xOpen(base, name, file, flags, ret);
	memset(f, 0, sizeof(*f));
	f->over.real = f->real;
	f->fd = -1;
	rc = file_gather_open(base, name, f->real, flags, ret);
	/* What was opened must be closed, also after an error: SQLite sees it by the methods. */
	f->over.base.pMethods = f->real->pMethods ? &methods : NULL;
	if (!rc)
		open_for_advice(f, name);
	return rc;
}

static int on_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
	return base_of(vfs)->xDelete(base_of(vfs), name, sync_folder);
}

static int on_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret)
{
	return base_of(vfs)->xAccess(base_of(vfs), name, flags, ret);
}

static int on_full_path(sqlite3_vfs *vfs, const char *name, int n, char *out)
{
	return base_of(vfs)->xFullPathname(base_of(vfs), name, n, out);
}

static int on_randomness(sqlite3_vfs *vfs, int n, char *out)
{
	return base_of(vfs)->xRandomness(base_of(vfs), n, out);
}

static int on_sleep(sqlite3_vfs *vfs, int us)
{
	return base_of(vfs)->xSleep(base_of(vfs), us);
}

static int on_time(sqlite3_vfs *vfs, double *ret)
{
	return base_of(vfs)->xCurrentTime(base_of(vfs), ret);
}

static int on_last_error(sqlite3_vfs *vfs, int n, char *out)
{
	return base_of(vfs)->xGetLastError(base_of(vfs), n, out);
}

static int on_time_ms(sqlite3_vfs *vfs, sqlite3_int64 *ret)
{
	return base_of(vfs)->xCurrentTimeInt64(base_of(vfs), ret);
}

enum err page_check_init(struct page_check *c, sqlite3_vfs *base)
{
	int rc;

	*c = (struct page_check){
		.vfs = {.iVersion = 2,
			.szOsFile = (int)sizeof(struct checked_file) + file_gather_bytes(base),
			.mxPathname = base->mxPathname,
			.pAppData = base,
			.xOpen = on_open,
			.xDelete = on_delete,
			.xAccess = on_access,
			.xFullPathname = on_full_path,
			.xRandomness = on_randomness,
			.xSleep = on_sleep,
			.xCurrentTime = on_time,
			.xGetLastError = on_last_error,
			.xCurrentTimeInt64 = on_time_ms},
	};
	(void)snprintf(c->name, sizeof(c->name), "amparo-%" PRIxPTR, (uintptr_t)c);
	c->vfs.zName = c->name;
	rc = sqlite3_vfs_register(&c->vfs, 0);
	if (rc)
		return err_new(ERR_STORAGE, "no VFS: %s", sqlite3_errstr(rc));
	c->is_registered = true;
	return ERR_OK;
}

void page_check_fini(struct page_check *c)
{
	if (c->is_registered)
		(void)sqlite3_vfs_unregister(&c->vfs);
	c->is_registered = false;
}

int page_check_reserve(sqlite3 *db)
{
	int n = PAGE_CHECK_BYTES;

	return sqlite3_file_control(db, "main", SQLITE_FCNTL_RESERVE_BYTES, &n);
}

bool page_check_is_reserved(sqlite3 *db)
{
	int n = -1;

	return sqlite3_file_control(db, "main", SQLITE_FCNTL_RESERVE_BYTES, &n) == SQLITE_OK &&
	       n == PAGE_CHECK_BYTES;
}
