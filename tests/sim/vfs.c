#include "vfs.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store.h"

#define FILES_MAX 8
#define NAME_LEN_MAX 63
#define UNIX_EPOCH_JULIAN_MS INT64_C(210866760000000)

struct bytes {
	uint8_t *p;
	size_t n, cap;
	bool exists;
};

enum change_kind {
	CHANGE_CREATE,
	CHANGE_DELETE,
	CHANGE_TRUNCATE,
	CHANGE_WRITE,
};

/* What was done to a file and not yet synced. */
struct change {
	enum change_kind kind;
	size_t at, n;
	uint8_t *data;
	struct change *next;
};

struct file {
	char name[NAME_LEN_MAX + 1];
	struct bytes now;     /* as the running system sees it */
	struct bytes durable; /* as the medium holds it */
	struct change *change, **change_end;
	unsigned n_open;
	uint64_t n_writes;
	bool is_wal;
};

struct notes {
	uint8_t newest[DISK_NOTE_MAX], previous[DISK_NOTE_MAX];
	size_t n_newest, n_previous;
};

struct disk {
	sqlite3_vfs vfs;
	char name[DISK_VFS_NAME_MAX];
	struct disk_world world;
	struct file file[FILES_MAX];
	struct notes signed_now, signed_durable;
	bool signed_waits; /* it is written, and not synced */
	bool is_unsigned_commit;
	disk_hook *hook;
	void *hook_ctx;
	struct disk_plan plan;
	uint64_t n_planned; /* operations that the plan counts */
	uint64_t n_ops;
	uint64_t size_max;
	bool is_dead;
	bool has_failed;
};

struct handle {
	sqlite3_file base;
	struct disk *disk;
	struct file *file;
};

struct disk_image {
	struct {
		char name[NAME_LEN_MAX + 1];
		struct bytes now, durable;
	} file[FILES_MAX];
	struct notes signed_now, signed_durable;
};

static const char *const op_names[N_DISK_OPS] = {
	"open",	  "read",	  "write",	 "truncate", "sync",  "size", "lock",  "delete",
	"access", "signed-write", "signed-sync", "send",     "close", "dial", "reply",
};

static const char *const fault_names[N_DISK_FAULTS] = {"ok",	 "crash",  "eio",
						       "enospc", "edquot", "short"};

const char *disk_op_name(enum disk_op op)
{
	return op_names[op];
}

const char *disk_fault_name(enum disk_fault fault)
{
	return fault_names[fault];
}

/* --- bytes --- */

volatile bool disk_allocates; /* compilers know that realloc() reads nothing of ours */

static void *allocate(void *p, size_t n)
{
	disk_allocates = true;
	p = realloc(p, n);
	disk_allocates = false;
	ASSERT(p);
	return p;
}

static void bytes_resize(struct bytes *b, size_t n)
{
	if (n > b->cap) {
		b->cap = n > 2 * b->cap ? n : 2 * b->cap;
		b->p = allocate(b->p, b->cap);
	}
	if (n > b->n)
		memset(b->p + b->n, 0, n - b->n);
	b->n = n;
}

static void bytes_write(struct bytes *b, size_t at, const void *p, size_t n)
{
	if (at + n > b->n)
		bytes_resize(b, at + n);
	if (n)
		memcpy(b->p + at, p, n);
}

static void bytes_copy(struct bytes *to, const struct bytes *from)
{
	to->exists = from->exists;
	bytes_resize(to, from->n);
	if (from->n)
		memcpy(to->p, from->p, from->n);
}

static void bytes_fini(struct bytes *b)
{
	free(b->p);
	*b = (struct bytes){0};
}

/* --- what is not synced --- */

static void change_add(struct file *f, enum change_kind kind, size_t at, const void *p, size_t n)
{
	struct change *c = allocate(NULL, sizeof(*c));

	*c = (struct change){.kind = kind, .at = at, .n = n};
	if (n) {
		c->data = allocate(NULL, n);
		memcpy(c->data, p, n);
	}
	*f->change_end = c;
	f->change_end = &c->next;
}

static void changes_forget(struct file *f)
{
	while (f->change) {
		struct change *c = f->change;

		f->change = c->next;
		free(c->data);
		free(c);
	}
	f->change_end = &f->change;
}

static void apply(struct bytes *b, const struct change *c)
{
	switch (c->kind) {
	case CHANGE_CREATE:
		b->exists = true;
		b->n = 0;
		break;
	case CHANGE_DELETE:
		b->exists = false;
		b->n = 0;
		break;
	case CHANGE_TRUNCATE:
		bytes_resize(b, c->at);
		break;
	case CHANGE_WRITE:
		bytes_write(b, c->at, c->data, c->n);
		break;
	}
}

static void file_sync(struct file *f)
{
	for (const struct change *c = f->change; c; c = c->next)
		apply(&f->durable, c);
	changes_forget(f);
}

/* Whatever is synced, a journalling file system first writes the names that changed before. */
static void file_sync_names(struct file *f)
{
	const struct change *last = NULL;

	for (const struct change *c = f->change; c; c = c->next)
		if (c->kind == CHANGE_CREATE || c->kind == CHANGE_DELETE)
			last = c;
	while (last) {
		struct change *c = f->change;
		const bool is_last = c == last;

		if (c->kind == CHANGE_CREATE || c->kind == CHANGE_DELETE)
			apply(&f->durable, c);
		f->change = c->next;
		if (!f->change)
			f->change_end = &f->change;
		free(c->data);
		free(c);
		if (is_last)
			break;
	}
}

/* After a sync that failed, Linux takes the pages for clean: they are never written. */
static void file_sync_fails(struct file *f)
{
	struct change *c = f->change;

	f->change = NULL;
	f->change_end = &f->change;
	while (c) {
		struct change *next = c->next;

		if (c->kind == CHANGE_WRITE) {
			free(c->data);
			free(c);
		} else {
			c->next = NULL;
			*f->change_end = c;
			f->change_end = &c->next;
		}
		c = next;
	}
}

static void write_torn(struct disk *d, struct file *f, const struct change *c)
{
	size_t at = c->at;

	while (at < c->at + c->n) {
		size_t n = DISK_SECTOR - at % DISK_SECTOR;

		if (n > c->at + c->n - at)
			n = c->at + c->n - at;
		if (d->world.random(d->world.ctx, 2))
			bytes_write(&f->durable, at, c->data + (at - c->at), n);
		at += n;
	}
}

/* Names and lengths change in order, as in a journal; data reaches the medium as it likes. */
static void file_tear(struct disk *d, struct file *f)
{
	for (const struct change *c = f->change; c; c = c->next) {
		const uint64_t luck = d->world.random(d->world.ctx, 4);

		if (c->kind != CHANGE_WRITE) {
			if (luck < 2)
				break;
			apply(&f->durable, c);
		} else if (luck == 0) {
			write_torn(d, f, c);
		} else if (luck < 3) {
			apply(&f->durable, c);
		}
	}
	changes_forget(f);
}

/* --- points --- */

enum disk_fault disk_point(struct disk *d, enum disk_op op)
{
	enum disk_fault fault = DISK_OK;

	if (d->is_dead)
		return DISK_CRASH;
	d->n_ops++;
	if (d->plan.ops & UINT32_C(1) << op) {
		d->n_planned++;
		if (d->n_planned == d->plan.at || (d->plan.sticky && d->n_planned > d->plan.at))
			fault = d->plan.fault;
	}
	if (!fault && d->hook)
		fault = d->hook(d->hook_ctx, d, op);
	d->is_dead = fault == DISK_CRASH;
	d->has_failed = d->has_failed || fault;
	return fault;
}

/* --- files --- */

static struct file *file_find(struct disk *d, const char *name, bool make)
{
	struct file *unused = NULL;

	for (size_t i = 0; i < FILES_MAX; i++) {
		struct file *f = &d->file[i];

		if (strcmp(f->name, name) == 0)
			return f;
		if (!unused && f->name[0] == '\0')
			unused = f;
	}
	if (!make)
		return NULL;
	ASSERT(unused && strlen(name) <= NAME_LEN_MAX);
	(void)snprintf(unused->name, sizeof(unused->name), "%s", name);
	return unused;
}

static struct handle *handle_of(sqlite3_file *base)
{
	return (struct handle *)base;
}

static int on_close(sqlite3_file *base)
{
	handle_of(base)->file->n_open--;
	return SQLITE_OK;
}

static int on_read(sqlite3_file *base, void *to, int n_wanted, sqlite3_int64 from)
{
	struct handle *h = handle_of(base);
	const struct bytes *b = &h->file->now;
	const size_t at = (size_t)from, wanted = (size_t)n_wanted;
	size_t n = at < b->n ? b->n - at : 0;
	enum disk_fault fault = disk_point(h->disk, DISK_READ);

	if (n > wanted)
		n = wanted;
	if (fault == DISK_SHORT)
		n /= 2;
	if (n && (!fault || fault == DISK_SHORT))
		memcpy(to, b->p + at, n);
	if (fault)
		return SQLITE_IOERR_READ;
	memset((uint8_t *)to + n, 0, wanted - n);
	return n < wanted ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
}

static void file_write(struct file *f, size_t at, const void *p, size_t n)
{
	f->n_writes++;
	bytes_write(&f->now, at, p, n);
	change_add(f, CHANGE_WRITE, at, p, n);
}

/* As os_unix.c answers: FULL after ENOSPC or a short write, else IOERR, EDQUOT included. */
static int write_piece(struct disk *d, struct file *f, size_t at, const uint8_t *p, size_t n)
{
	switch (disk_point(d, DISK_WRITE)) {
	case DISK_OK:
		break;
	case DISK_CRASH:
	case DISK_EIO:
	case N_DISK_FAULTS:
		return SQLITE_IOERR_WRITE;
	case DISK_ENOSPC:
		return SQLITE_FULL;
	case DISK_EDQUOT:
		file_write(f, at, p, n / 3);
		return SQLITE_IOERR_WRITE;
	case DISK_SHORT:
		file_write(f, at, p, n / 2);
		return SQLITE_FULL;
	}
	if (d->size_max && at + n > f->now.n && disk_used(d) + at + n - f->now.n > d->size_max) {
		d->has_failed = true;
		return SQLITE_FULL;
	}
	file_write(f, at, p, n);
	return SQLITE_OK;
}

#define WAL_HEADER_BYTES 32
#define WAL_PAGE_SIZE 8 /* in it, u32 */
#define FRAME_HEAD_BYTES 24
#define FRAME_DB_SIZE 4 /* in it, u32: of the database after a commit; 0: no commit ends here */

/* Does this write to a WAL make a commit? https://sqlite.org/fileformat2.html#walformat */
static bool has_commit(const struct bytes *wal, const uint8_t *p, size_t n, size_t at)
{
	size_t frame = WAL_HEADER_BYTES;

	if (wal->n < WAL_HEADER_BYTES)
		return false; /* its header comes first */
	for (; frame + FRAME_HEAD_BYTES <= at + n;
	     frame += FRAME_HEAD_BYTES + get_u32be(wal->p + WAL_PAGE_SIZE))
		if (frame >= at && get_u32be(p + (frame - at) + FRAME_DB_SIZE) != 0)
			return true;
	return false;
}

/* Piece after piece: what ends or fails in the middle of a large one has written its beginning. */
static int on_write(sqlite3_file *base, const void *from, int n_bytes, sqlite3_int64 to)
{
	struct handle *h = handle_of(base);
	const uint8_t *p = from;
	size_t at = (size_t)to, left = (size_t)n_bytes;
	int rc = SQLITE_OK;

	ASSERT(left <= DISK_WRITE_MAX);
	h->disk->is_unsigned_commit |=
		h->disk->signed_waits && h->file->is_wal && has_commit(&h->file->now, p, left, at);
	while (!rc && left) {
		size_t n = DISK_PIECE - at % DISK_PIECE;

		if (n > left)
			n = left;
		rc = write_piece(h->disk, h->file, at, p, n);
		at += n;
		p += n;
		left -= n;
	}
	return rc;
}

static int on_truncate(sqlite3_file *base, sqlite3_int64 n)
{
	struct handle *h = handle_of(base);

	if (disk_point(h->disk, DISK_TRUNCATE))
		return SQLITE_IOERR_TRUNCATE;
	bytes_resize(&h->file->now, (size_t)n);
	change_add(h->file, CHANGE_TRUNCATE, (size_t)n, NULL, 0);
	return SQLITE_OK;
}

static int on_sync(sqlite3_file *base, int flags)
{
	struct handle *h = handle_of(base);
	enum disk_fault fault = disk_point(h->disk, DISK_SYNC);

	(void)flags;
	for (size_t i = 0; !fault && i < FILES_MAX; i++)
		file_sync_names(&h->disk->file[i]);
	if (!fault)
		file_sync(h->file);
	else if (fault != DISK_CRASH)
		file_sync_fails(h->file);
	return fault ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int on_file_size(sqlite3_file *base, sqlite3_int64 *ret)
{
	struct handle *h = handle_of(base);

	if (disk_point(h->disk, DISK_SIZE))
		return SQLITE_IOERR_FSTAT;
	*ret = (sqlite3_int64)h->file->now.n;
	return SQLITE_OK;
}

static int on_lock(sqlite3_file *base, int level)
{
	(void)level;
	return disk_point(handle_of(base)->disk, DISK_LOCK) ? SQLITE_IOERR_LOCK : SQLITE_OK;
}

static int on_unlock(sqlite3_file *base, int level)
{
	(void)base;
	(void)level;
	return SQLITE_OK;
}

static int on_check_reserved(sqlite3_file *base, int *ret)
{
	(void)base;
	*ret = 0;
	return SQLITE_OK;
}

static int on_file_control(sqlite3_file *base, int op, void *arg)
{
	(void)base;
	(void)op;
	(void)arg;
	return SQLITE_NOTFOUND;
}

static int on_sector_size(sqlite3_file *base)
{
	(void)base;
	return 4096; /* as os_unix.c on Linux */
}

static int on_characteristics(sqlite3_file *base)
{
	(void)base;
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE; /* as os_unix.c */
}

static const sqlite3_io_methods methods = {
	.iVersion = 1, /* no shared memory: one connection, locking_mode EXCLUSIVE */
	.xClose = on_close,
	.xRead = on_read,
	.xWrite = on_write,
	.xTruncate = on_truncate,
	.xSync = on_sync,
	.xFileSize = on_file_size,
	.xLock = on_lock,
	.xUnlock = on_unlock,
	.xCheckReservedLock = on_check_reserved,
	.xFileControl = on_file_control,
	.xSectorSize = on_sector_size,
	.xDeviceCharacteristics = on_characteristics,
};

/* --- the VFS --- */

static struct disk *disk_of(sqlite3_vfs *vfs)
{
	return vfs->pAppData;
}

static int on_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *ret)
{
	struct disk *d = disk_of(vfs);
	struct handle *h = handle_of(base);
	struct file *f;

	h->base.pMethods = NULL;
	if (!name || disk_point(d, DISK_OPEN))
		return SQLITE_CANTOPEN;
	f = file_find(d, name, true);
	if (!f->now.exists) {
		if (!(flags & SQLITE_OPEN_CREATE))
			return SQLITE_CANTOPEN;
		f->now.exists = true;
		f->now.n = 0;
		change_add(f, CHANGE_CREATE, 0, NULL, 0);
	}
	f->n_open++;
	f->is_wal = (flags & SQLITE_OPEN_WAL) != 0;
	*h = (struct handle){.base.pMethods = &methods, .disk = d, .file = f};
	if (ret)
		*ret = flags;
	return SQLITE_OK;
}

static int on_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
	struct disk *d = disk_of(vfs);
	struct file *f = file_find(d, name, false);

	if (disk_point(d, DISK_DELETE))
		return SQLITE_IOERR_DELETE;
	if (!f || !f->now.exists)
		return SQLITE_IOERR_DELETE_NOENT;
	f->now.exists = false;
	f->now.n = 0;
	change_add(f, CHANGE_DELETE, 0, NULL, 0);
	if (sync_folder)
		file_sync(f);
	return SQLITE_OK;
}

static int on_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret)
{
	struct disk *d = disk_of(vfs);
	const struct file *f = file_find(d, name, false);

	if (disk_point(d, DISK_ACCESS))
		return SQLITE_IOERR_ACCESS;
	/* As os_unix.c: an empty file does not exist. */
	*ret = f && f->now.exists && (flags != SQLITE_ACCESS_EXISTS || f->now.n > 0);
	return SQLITE_OK;
}

static int on_full_path(sqlite3_vfs *vfs, const char *name, int n, char *out)
{
	(void)vfs;
	return snprintf(out, (size_t)n, "%s", name) < n ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int on_randomness(sqlite3_vfs *vfs, int n, char *out)
{
	struct disk *d = disk_of(vfs);

	for (int i = 0; i < n; i++)
		out[i] = (char)d->world.random(d->world.ctx, 256);
	return n;
}

static int on_sleep(sqlite3_vfs *vfs, int us)
{
	(void)vfs;
	return us;
}

static int on_time_ms(sqlite3_vfs *vfs, sqlite3_int64 *ret)
{
	struct disk *d = disk_of(vfs);

	*ret = UNIX_EPOCH_JULIAN_MS + (sqlite3_int64)(d->world.utc_us(d->world.ctx) / 1000);
	return SQLITE_OK;
}

static int on_time(sqlite3_vfs *vfs, double *ret)
{
	sqlite3_int64 ms;

	(void)on_time_ms(vfs, &ms);
	*ret = (double)ms / 86400000.0;
	return SQLITE_OK;
}

static int on_last_error(sqlite3_vfs *vfs, int n, char *out)
{
	(void)vfs;
	(void)n;
	(void)out;
	return 0;
}

/* --- a disk --- */

struct disk *disk_new(size_t number, const struct disk_world *world)
{
	struct disk *d = calloc(1, sizeof(*d));

	ASSERT(d && store_init() == ERR_OK);
	d->world = *world;
	for (size_t i = 0; i < FILES_MAX; i++)
		d->file[i].change_end = &d->file[i].change;
	(void)snprintf(d->name, sizeof(d->name), "sim%zu", number);
	d->vfs = (sqlite3_vfs){
		.iVersion = 2,
		.szOsFile = (int)sizeof(struct handle),
		.mxPathname = NAME_LEN_MAX + 64,
		.zName = d->name,
		.pAppData = d,
		.xOpen = on_open,
		.xDelete = on_delete,
		.xAccess = on_access,
		.xFullPathname = on_full_path,
		.xRandomness = on_randomness,
		.xSleep = on_sleep,
		.xCurrentTime = on_time,
		.xGetLastError = on_last_error,
		.xCurrentTimeInt64 = on_time_ms,
	};
	ASSERT(!sqlite3_vfs_find(d->name));
	ASSERT(sqlite3_vfs_register(&d->vfs, number == 0) == SQLITE_OK);
	if (number == 0)
		sqlite3_randomness(0, NULL); /* to be seeded anew, by this world */
	return d;
}

void disk_free(struct disk *d)
{
	if (!d)
		return;
	(void)sqlite3_vfs_unregister(&d->vfs);
	for (size_t i = 0; i < FILES_MAX; i++) {
		ASSERT(d->file[i].n_open == 0);
		changes_forget(&d->file[i]);
		bytes_fini(&d->file[i].now);
		bytes_fini(&d->file[i].durable);
	}
	free(d);
}

const char *disk_vfs_name(const struct disk *d)
{
	return d->name;
}

void disk_set_hook(struct disk *d, disk_hook *hook, void *ctx)
{
	d->hook = hook;
	d->hook_ctx = ctx;
}

void disk_set_plan(struct disk *d, const struct disk_plan *plan)
{
	d->plan = plan ? *plan : (struct disk_plan){0};
	d->n_planned = 0;
}

uint64_t disk_n_ops(const struct disk *d)
{
	return d->n_ops;
}

bool disk_has_failed(const struct disk *d)
{
	return d->has_failed;
}

bool disk_is_dead(const struct disk *d)
{
	return d->is_dead;
}

void disk_restart(struct disk *d, enum disk_power how)
{
	for (size_t i = 0; i < FILES_MAX; i++) {
		struct file *f = &d->file[i];

		ASSERT(f->n_open == 0);
		if (how == POWER_KEPT)
			continue;
		if (how == POWER_TORN)
			file_tear(d, f);
		changes_forget(f);
		bytes_copy(&f->now, &f->durable);
	}
	/* A torn slot does not count; the one before it does. */
	if (how == POWER_TORN && d->world.random(d->world.ctx, 2))
		d->signed_durable = d->signed_now;
	else if (how != POWER_KEPT)
		d->signed_now = d->signed_durable;
	d->is_dead = d->has_failed = d->signed_waits = false;
}

uint64_t disk_used(const struct disk *d)
{
	uint64_t n = 0;

	for (size_t i = 0; i < FILES_MAX; i++)
		n += d->file[i].now.n;
	return n;
}

void disk_set_size(struct disk *d, uint64_t n)
{
	d->size_max = n;
}

/* --- last-signed --- */

enum err disk_signed_write(struct disk *d, struct view newest, struct view previous)
{
	enum disk_fault fault = disk_point(d, DISK_SIGNED_WRITE);

	ASSERT(newest.n <= DISK_NOTE_MAX && previous.n <= DISK_NOTE_MAX);
	/* Half a slot written: it does not count, and the other slot does. */
	if (fault)
		return err_new(ERR_IO, "simulated: last-signed: %s", disk_fault_name(fault));
	ASSERT(!d->signed_waits);
	d->signed_waits = true;
	d->signed_now = (struct notes){.n_newest = newest.n, .n_previous = previous.n};
	if (newest.n)
		memcpy(d->signed_now.newest, newest.p, newest.n);
	if (previous.n)
		memcpy(d->signed_now.previous, previous.p, previous.n);
	return ERR_OK;
}

enum err disk_signed_sync(struct disk *d)
{
	enum disk_fault fault = disk_point(d, DISK_SIGNED_SYNC);

	if (fault)
		return err_new(ERR_IO, "simulated: last-signed: %s", disk_fault_name(fault));
	d->signed_durable = d->signed_now;
	d->signed_waits = false;
	return ERR_OK;
}

bool disk_is_unsigned_commit(const struct disk *d)
{
	return d->is_unsigned_commit;
}

struct view disk_signed_newest(const struct disk *d)
{
	return view_of(d->signed_now.newest, d->signed_now.n_newest);
}

struct view disk_signed_previous(const struct disk *d)
{
	return view_of(d->signed_now.previous, d->signed_now.n_previous);
}

/* --- bits and backups --- */

bool disk_flip(struct disk *d, const char *name, uint64_t at, unsigned bit)
{
	struct file *f = file_find(d, name, false);

	if (!f || !f->now.exists || at >= f->now.n)
		return false;
	f->now.p[at] ^= (uint8_t)(1u << bit % 8);
	if (at < f->durable.n)
		f->durable.p[at] ^= (uint8_t)(1u << bit % 8);
	return true;
}

uint64_t disk_file_size(const struct disk *d, const char *name)
{
	for (size_t i = 0; i < FILES_MAX; i++)
		if (strcmp(d->file[i].name, name) == 0 && d->file[i].now.exists)
			return d->file[i].now.n;
	return 0;
}

uint64_t disk_n_writes(const struct disk *d, const char *name)
{
	for (size_t i = 0; i < FILES_MAX; i++)
		if (strcmp(d->file[i].name, name) == 0)
			return d->file[i].n_writes;
	return 0;
}

struct disk_image *disk_save(const struct disk *d)
{
	struct disk_image *image = calloc(1, sizeof(*image));

	ASSERT(image);
	for (size_t i = 0; i < FILES_MAX; i++) {
		memcpy(image->file[i].name, d->file[i].name, sizeof(d->file[i].name));
		bytes_copy(&image->file[i].now, &d->file[i].now);
		bytes_copy(&image->file[i].durable, &d->file[i].durable);
	}
	image->signed_now = d->signed_now;
	image->signed_durable = d->signed_durable;
	return image;
}

void disk_load(struct disk *d, const struct disk_image *image)
{
	for (size_t i = 0; i < FILES_MAX; i++) {
		struct file *f = &d->file[i];

		ASSERT(f->n_open == 0);
		changes_forget(f);
		memcpy(f->name, image->file[i].name, sizeof(f->name));
		/* What was not synced then is, in a copy. */
		bytes_copy(&f->now, &image->file[i].now);
		bytes_copy(&f->durable, &image->file[i].now);
	}
	d->signed_now = image->signed_now;
	d->signed_durable = image->signed_now;
	d->signed_waits = false;
}

void disk_wipe(struct disk *d)
{
	struct disk_image *nothing = calloc(1, sizeof(*nothing));

	ASSERT(nothing);
	disk_load(d, nothing);
	disk_image_free(nothing);
}

void disk_image_free(struct disk_image *image)
{
	if (!image)
		return;
	for (size_t i = 0; i < FILES_MAX; i++) {
		bytes_fini(&image->file[i].now);
		bytes_fini(&image->file[i].durable);
	}
	free(image);
}
