#include "store/file_gather.h"

#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "store/file_over.h"

struct gather_file {
	struct file_over over;
	uint8_t *gathered; /* room for FILE_GATHER_MAX, or NULL */
	int n;
	sqlite3_int64 at; /* where in the file they belong */
	int failed;	  /* what the first write that failed said */
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

/* --- methods --- */

static int on_write(sqlite3_file *file, const void *from, int n, sqlite3_int64 at)
{
	struct gather_file *f = (struct gather_file *)file;

	ASSERT(n > 0 && n <= FILE_GATHER_MAX);
	if ((at != f->at + f->n || n > FILE_GATHER_MAX - f->n) && write_gathered(f))
		return f->failed;
	if (!f->gathered)
		f->gathered = sqlite3_malloc(FILE_GATHER_MAX);
	/* Without memory all is as if this file were not here. */
	if (f->failed || !f->gathered)
		return write_now(f, from, n, at);
	if (!f->n)
		f->at = at;
	memcpy(f->gathered + f->n, from, (size_t)n);
	f->n += n;
	return SQLITE_OK;
}

static int on_read(sqlite3_file *file, void *to, int n, sqlite3_int64 at)
{
	struct gather_file *f = (struct gather_file *)file;
	int rc = write_gathered(f);

	return rc ? rc : f->real->pMethods->xRead(f->real, to, n, at);
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 n)
{
	struct gather_file *f = (struct gather_file *)file;
	int rc = write_gathered(f);

	return rc ? rc : f->real->pMethods->xTruncate(f->real, n);
}

static int on_sync(sqlite3_file *file, int flags)
{
	struct gather_file *f = (struct gather_file *)file;
	int rc = write_gathered(f);

	return rc ? rc : f->real->pMethods->xSync(f->real, flags);
}

static int on_file_size(sqlite3_file *file, sqlite3_int64 *ret)
{
	struct gather_file *f = (struct gather_file *)file;
	int rc = write_gathered(f);

	return rc ? rc : f->real->pMethods->xFileSize(f->real, ret);
}

/* Bytes that no sync followed were promised to nobody; they are written all the same. */
static int on_close(sqlite3_file *file)
{
	struct gather_file *f = (struct gather_file *)file;
	int failed = write_gathered(f), rc;

	sqlite3_free(f->gathered);
	f->gathered = NULL;
	rc = f->real->pMethods->xClose(f->real);
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
	f->over.real = f->real;
	rc = real->xOpen(real, name, f->real, flags, ret);
	/* What was opened must be closed, also after an error: SQLite sees it by the methods. */
	f->over.base.pMethods = f->real->pMethods ? &methods : NULL;
	return rc;
}
