#include "store/file_gather.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "store/file_over.h"

struct gather_file {
	struct file_over over;
	uint8_t *gathered; /* room for FILE_GATHER_MAX, or NULL */
	int n;
	sqlite3_int64 at; /* where in the file they belong */
	int n_largest;	  /* write seen: what is smaller is the head of one, and goes with it */
	int failed;	  /* what the first write that failed said */
	int fd;		  /* of the WAL, to tell the disk to begin; -1: none */
	struct {
		int n_last;
		int (*before)(void *ctx); /* NULL: nothing is held back */
		void *ctx;
	} hold;
	sqlite3_file real[];
};

/* --- the real file --- */

static int write_now(struct gather_file *f, const void *from, int n, sqlite3_int64 at)
{
	if (!f->failed)
		f->failed = f->real->pMethods->xWrite(f->real, from, n, at);
	return f->failed;
}

/* After it the file is as SQLite believes, or has failed. */
static int write_gathered(struct gather_file *f)
{
	const int n = f->n;

	f->n = 0;
	return n ? write_now(f, f->gathered, n, f->at) : f->failed;
}

/* --- a commit held back --- */

/* What the commit waits for, now: once. */
static int wait_before(struct gather_file *f)
{
	int (*before)(void *ctx) = f->hold.before;

	f->hold.before = NULL;
	if (before && !f->failed)
		f->failed = before(f->hold.ctx);
	return f->failed;
}

/* Its last page in memory, all before it on its way to the disk. */
static int write_all_but_last(struct gather_file *f)
{
	const int n = f->n - f->hold.n_last;

	if (n > 0 && !write_now(f, f->gathered, n, f->at)) {
		memmove(f->gathered, f->gathered + n, (size_t)f->hold.n_last);
		f->at += n;
		f->n = f->hold.n_last;
	}
	/* Advice: what is on the disk the sync says. */
	if (f->fd >= 0)
		(void)sync_file_range(f->fd, 0, f->at, SYNC_FILE_RANGE_WRITE);
	return f->failed;
}

/* Whoever looks at the file finds all of it, so the commit too. */
static int write_held(struct gather_file *f)
{
	return wait_before(f) ? f->failed : write_gathered(f);
}

/* --- methods --- */

static int on_write(sqlite3_file *file, const void *from, int n, sqlite3_int64 at)
{
	struct gather_file *f = (struct gather_file *)file;
	const int n_whole = n < f->n_largest ? n + f->n_largest : n;

	ASSERT(n > 0 && n <= FILE_GATHER_MAX);
	f->n_largest = n > f->n_largest ? n : f->n_largest;
	/* What goes now is not the commit's last page: more follows. */
	if ((at != f->at + f->n || n_whole > FILE_GATHER_MAX - f->n) && write_gathered(f))
		return f->failed;
	if (!f->gathered)
		f->gathered = sqlite3_malloc(FILE_GATHER_MAX);
	/* Without memory all is as if this file were not here. */
	if (f->failed || !f->gathered)
		return wait_before(f) ? f->failed : write_now(f, from, n, at);
	if (!f->n)
		f->at = at;
	memcpy(f->gathered + f->n, from, (size_t)n);
	f->n += n;
	return SQLITE_OK;
}

static int on_read(sqlite3_file *file, void *to, int n, sqlite3_int64 at)
{
	struct gather_file *f = (struct gather_file *)file;
	int rc = write_held(f);

	return rc ? rc : f->real->pMethods->xRead(f->real, to, n, at);
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 n)
{
	struct gather_file *f = (struct gather_file *)file;
	int rc = write_held(f);

	return rc ? rc : f->real->pMethods->xTruncate(f->real, n);
}

static int on_sync(sqlite3_file *file, int flags)
{
	struct gather_file *f = (struct gather_file *)file;
	int rc;

	/* The WAL's header is synced alone when it is begun anew: nothing of the commit. */
	if (f->hold.before && f->n >= f->hold.n_last && !write_all_but_last(f))
		(void)wait_before(f);
	rc = write_gathered(f);
	return rc ? rc : f->real->pMethods->xSync(f->real, flags);
}

static int on_file_size(sqlite3_file *file, sqlite3_int64 *ret)
{
	struct gather_file *f = (struct gather_file *)file;
	int rc = write_held(f);

	return rc ? rc : f->real->pMethods->xFileSize(f->real, ret);
}

/* Bytes that no sync followed were promised to nobody; they are written all the same. */
static int on_close(sqlite3_file *file)
{
	struct gather_file *f = (struct gather_file *)file;
	int failed = write_held(f), rc;

	sqlite3_free(f->gathered);
	f->gathered = NULL;
	rc = f->real->pMethods->xClose(f->real);
	if (f->fd >= 0)
		(void)close(f->fd);
	return failed ? failed : rc;
}

/* No shared memory, no mapping: in neither would what is gathered be seen. */
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
	.xFileControl = file_over_control, /* none of them asks for what stands in the file */
	.xSectorSize = file_over_sector_size,
	.xDeviceCharacteristics = file_over_characteristics,
};

int file_gather_bytes(const sqlite3_vfs *real)
{
	return (int)sizeof(struct gather_file) + real->szOsFile;
}

int file_gather_open(sqlite3_vfs *real, const char *name, sqlite3_file *file, int flags, int *ret)
{
	struct gather_file *f = (struct gather_file *)file;
	int rc;

	memset(f, 0, sizeof(*f));
	f->fd = -1;
	f->over.real = f->real;
	rc = real->xOpen(real, name, f->real, flags, ret);
	/* What was opened must be closed, also after an error: SQLite sees it by the methods. */
	f->over.base.pMethods = f->real->pMethods ? &methods : NULL;
	/* SQLite locks no WAL, so that closing this takes no lock away. */
	if (!rc && flags & SQLITE_OPEN_WAL)
		f->fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return rc;
}

static struct gather_file *gathering(sqlite3_file *file)
{
	return file && file->pMethods == &methods ? (struct gather_file *)file : NULL;
}

bool file_gather_hold(sqlite3_file *file, int n_last, int (*before)(void *ctx), void *ctx)
{
	struct gather_file *f = gathering(file);

	/* Without that property SQLite pads a commit with copies of its last page. */
	if (!f || !(f->real->pMethods->xDeviceCharacteristics(f->real) &
		    SQLITE_IOCAP_POWERSAFE_OVERWRITE))
		return false;
	f->hold.n_last = n_last;
	f->hold.before = before;
	f->hold.ctx = ctx;
	return true;
}

bool file_gather_let_go(sqlite3_file *file)
{
	struct gather_file *f = gathering(file);
	const bool is_held = f && f->hold.before;

	if (is_held)
		f->hold.before = NULL;
	return is_held;
}
