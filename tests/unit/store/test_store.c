#include "fixture.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "behind.h"

#define MARKER "the-marker-of-an-erased-body"

static void a_database_has_its_settings(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *pragma;
		int64_t value;
	} settings[] = {
		{"PRAGMA page_size", 16384},  {"PRAGMA synchronous", 2},
		{"PRAGMA foreign_keys", 1},   {"PRAGMA secure_delete", 1},
		{"PRAGMA trusted_schema", 0}, {"PRAGMA cell_size_check", 1},
		{"PRAGMA temp_store", 2},     {"PRAGMA wal_autocheckpoint", 0},
		{"PRAGMA cache_size", -4096}, {"PRAGMA user_version", 1},
	};
	int64_t v;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(fixture_open(f, i == 0), ERR_OK);
		for (size_t j = 0; j < ARRAY_LEN(settings); j++) {
			assert_int_equal(store_pragma_i64(f->s, settings[j].pragma, &v), ERR_OK);
			if (v != settings[j].value)
				fail_msg("%s is %lld", settings[j].pragma, (long long)v);
		}
		assert_int_equal(sqlite3_db_readonly(f->s->db, "main"), 0);
		fixture_close(f);
	}
}

static void the_files_are_private(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	mode_t mask = umask(0);

	assert_int_equal(fixture_open(f, true), ERR_OK);
	assert_int_equal(umask(mask), 0);
	assert_int_equal(store_begin(f->s), ERR_OK);
	assert_int_equal(store_meta_put(f->s, "a", view_str("b")), ERR_OK);
	assert_int_equal(store_commit(f->s), ERR_OK);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(fixture_file(f, "-wal"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* EXCLUSIVE: no index of the WAL in shared memory */
	assert_int_equal(stat(fixture_file(f, "-shm"), &st), -1);
}

static void a_wrong_path_starts_no_ledger(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fixture_open(f, false), ERR_NOT_FOUND);
	assert_int_equal(access(f->path, F_OK), -1);
	assert_int_equal(fixture_open(f, true), ERR_OK);
	fixture_close(f);
	assert_int_equal(fixture_open(f, true), ERR_EXISTS);
	assert_int_equal(fixture_open(f, false), ERR_OK);
	fixture_close(f);
	(void)snprintf(f->path, sizeof(f->path), "%s/none/%s", f->dir, STORE_FILE_NAME);
	assert_int_equal(fixture_open(f, true), ERR_NOT_FOUND);
}

static void a_link_to_the_file_is_refused_but_not_one_to_the_folder(void **state)
{
	struct fixture *f = *state;
	char target[320];

	assert_int_equal(fixture_open(f, true), ERR_OK);
	fixture_close(f);
	(void)snprintf(target, sizeof(target), "%s.real", f->path);
	assert_int_equal(rename(f->path, target), 0);
	assert_int_equal(symlink(target, f->path), 0);
	assert_int_equal(fixture_open(f, false), ERR_STORAGE);

	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(rename(target, f->path), 0);
	(void)snprintf(target, sizeof(target), "%s/folder", f->dir);
	assert_int_equal(symlink(".", target), 0);
	(void)snprintf(f->path, sizeof(f->path), "%s/folder/%s", f->dir, STORE_FILE_NAME);
	assert_int_equal(fixture_open(f, false), ERR_OK);
}

static void a_second_process_is_refused_in_clear_words(void **state)
{
	struct fixture *f = *state;
	int status, ready[2];
	pid_t child;
	char c;

	assert_int_equal(fixture_open(f, true), ERR_OK);
	fixture_close(f);
	assert_int_equal(pipe(ready), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (fixture_open(f, false) != ERR_OK || write(ready[1], "x", 1) != 1)
			_exit(1);
		(void)pause();
		_exit(1);
	}
	(void)close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(fixture_open(f, false), ERR_STORAGE);
	assert_non_null(strstr(err_words(), "in use by another process"));
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(fixture_open(f, false), ERR_OK);
	(void)close(ready[0]);
}

static void write_file(const char *path, const void *p, size_t n)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(p, 1, n, file), n);
	assert_int_equal(fclose(file), 0);
}

static struct buf read_file(const char *path)
{
	struct buf b = {0};
	FILE *file = fopen(path, "rb");
	uint8_t *to;
	size_t n;

	if (!file)
		return b;
	do {
		assert_int_equal(buf_reserve(&b, 65536, &to), ERR_OK);
		n = fread(to, 1, 65536, file);
		buf_advance(&b, n);
	} while (n > 0);
	(void)fclose(file);
	return b;
}

static bool holds(const struct buf *b, const char *text)
{
	return b->n && memmem(buf_data(b), b->n, text, strlen(text));
}

static void what_is_no_database_of_ours_is_refused(void **state)
{
	struct fixture *f = *state;
	sqlite3 *db;

	/* an empty file is none yet */
	write_file(f->path, "", 0);
	assert_int_equal(fixture_open(f, false), ERR_NOT_FOUND);
	write_file(f->path,
		   "This is no database, but a text long enough for a header. ........."
		   ".....................................................",
		   110);
	assert_int_equal(fixture_open(f, false), ERR_STORAGE);
	assert_non_null(strstr(err_words(), "damaged, or no database"));
	(void)unlink(f->path);
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "CREATE TABLE entry (a)", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_int_equal(fixture_open(f, false), ERR_STORAGE);
	assert_non_null(strstr(err_words(), "not a database of amparod"));
}

/* A database with rows on many pages. */
static void fill(struct fixture *f, unsigned page_size)
{
	const struct store_options o = {.path = f->path, .create = true, .page_size = page_size};
	uint8_t id[STORE_ID_BYTES] = {0};

	assert_int_equal(store_open(&o, &f->s), ERR_OK);
	assert_int_equal(store_begin(f->s), ERR_OK);
	for (id[0] = 0; id[0] < 50; id[0]++)
		assert_int_equal(put_blob(f->s, id, BLOB_BODY, view_str("key"), view_str(MARKER)),
				 ERR_OK);
	assert_int_equal(store_commit(f->s), ERR_OK);
	fixture_close(f);
}

static void a_damaged_file_is_refused(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_fini) struct buf file = {0};

	fill(f, 512);
	file = read_file(f->path);
	assert_true(file.n > 20000);
	/* Whatever byte is hurt: its page does not fit its checksum. */
	for (size_t i = 0; i < file.n; i += 97) {
		uint8_t *byte = buf_data(&file) + i;

		*byte ^= 0x55;
		write_file(f->path, buf_data(&file), file.n);
		(void)unlink(fixture_file(f, "-wal"));
		assert_int_equal(fixture_open(f, false), ERR_STORAGE);
		*byte ^= 0x55;
	}
	/* cut off */
	write_file(f->path, buf_data(&file), file.n / 2);
	assert_int_equal(fixture_open(f, false), ERR_STORAGE);
	/* and whole */
	write_file(f->path, buf_data(&file), file.n);
	assert_int_equal(fixture_open(f, false), ERR_OK);
	assert_int_equal(store_check(f->s), ERR_OK);
}

static void what_is_erased_stands_nowhere(void **state)
{
	struct fixture *f = *state;
	static uint8_t big[100000];
	CLEANUP(buf_fini) struct buf db = {0};
	CLEANUP(buf_fini) struct buf wal = {0};
	uint8_t id[STORE_ID_BYTES] = {0};

	for (size_t i = 0; i + sizeof(MARKER) < sizeof(big); i += sizeof(MARKER))
		memcpy(big + i, MARKER, sizeof(MARKER));
	assert_int_equal(fixture_open(f, true), ERR_OK);
	assert_int_equal(store_begin(f->s), ERR_OK);
	for (id[0] = 0; id[0] < 20; id[0]++) /* in the page, and in overflow pages */
		assert_int_equal(put_blob(f->s, id, BLOB_BODY, view_str(MARKER),
					  view_of(big, id[0] % 2 ? 100 : sizeof(big))),
				 ERR_OK);
	assert_int_equal(store_commit(f->s), ERR_OK);
	wal = read_file(fixture_file(f, "-wal"));
	assert_true(holds(&wal, MARKER));
	assert_int_equal(store_wal_truncate(f->s), ERR_OK);
	db = read_file(f->path);
	assert_true(holds(&db, MARKER));

	assert_int_equal(store_begin(f->s), ERR_OK);
	for (id[0] = 0; id[0] < 20; id[0]++)
		assert_int_equal(blob_erase(f->s, id, BLOB_BODY), ERR_OK);
	assert_int_equal(store_commit(f->s), ERR_OK);
	assert_int_equal(store_wal_truncate(f->s), ERR_OK);
	buf_fini(&db);
	buf_fini(&wal);
	db = read_file(f->path);
	wal = read_file(fixture_file(f, "-wal"));
	assert_true(db.n > 0);
	assert_false(holds(&db, MARKER));
	assert_int_equal(wal.n, 0);
}

static void a_truncation_missed_is_made_up_at_open(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_fini) struct buf wal = {0};
	int status;
	pid_t child;

	fill(f, 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		uint8_t id[STORE_ID_BYTES] = {0};
		bool ok = !fixture_open(f, false) && !store_begin(f->s);

		/* all but one, so that a page with the marker is written to the WAL */
		for (id[0] = 0; ok && id[0] < 49; id[0]++)
			ok = !blob_erase(f->s, id, BLOB_BODY);
		_exit(ok && !store_commit(f->s) ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	wal = read_file(fixture_file(f, "-wal"));
	assert_true(wal.n > 0);
	buf_fini(&wal);
	assert_int_equal(fixture_open(f, false), ERR_OK);
	wal = read_file(fixture_file(f, "-wal"));
	assert_int_equal(wal.n, 0);
}

static void the_wal_stays_small(void **state)
{
	struct fixture *f = *state;
	static uint8_t big[200000];
	uint8_t id[STORE_ID_BYTES] = {0};
	unsigned n_steps = 0;
	struct stat st;
	bool more;

	assert_int_equal(fixture_open(f, true), ERR_OK);
	for (id[0] = 0; id[0] < 100; id[0]++) {
		assert_int_equal(store_begin(f->s), ERR_OK);
		assert_int_equal(
			put_blob(f->s, id, BLOB_BODY, view_str("key"), view_of(big, sizeof(big))),
			ERR_OK);
		assert_int_equal(store_wal_truncate(f->s), ERR_STATE);
		assert_int_equal(store_commit(f->s), ERR_OK);
		more = true;
		assert_int_equal(store_wal_step(f->s, &more), ERR_OK);
		assert_false(more);
		n_steps += f->s->n_wal_pages == 0;
	}
	assert_in_range(n_steps, 5, 50);
	assert_int_equal(stat(fixture_file(f, "-wal"), &st), 0);
	assert_in_range(st.st_size, 1, 3 * 1024 * 1024);
}

/* Over the system's VFS: counts what is written to the WAL, or to the database. */
static struct {
	sqlite3_vfs vfs;
	sqlite3_vfs *real;
	const sqlite3_io_methods *real_methods;
	sqlite3_io_methods methods;
	int which; /* SQLITE_OPEN_... */
	unsigned n_writes;
	sqlite3_int64 refused_at; /* this byte of the file is not written */
} counted;

static int count_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	counted.n_writes++;
	if (at <= counted.refused_at && counted.refused_at < at + n)
		return SQLITE_IOERR_WRITE;
	return counted.real_methods->xWrite(f, p, n, at);
}

static int count_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *ret)
{
	int rc = counted.real->xOpen(vfs, name, f, flags, ret);

	if (rc || !(flags & counted.which))
		return rc;
	counted.real_methods = f->pMethods;
	counted.methods = *f->pMethods;
	counted.methods.xWrite = count_write;
	f->pMethods = &counted.methods;
	return SQLITE_OK;
}

static void counted_open(struct fixture *f, bool create, int which)
{
	const struct store_options o = {.path = f->path, .create = create, .vfs = "counted"};

	assert_int_equal(store_init(), ERR_OK);
	if (!counted.real) {
		counted.real = sqlite3_vfs_find(NULL);
		counted.vfs = *counted.real;
		counted.vfs.zName = "counted";
		counted.vfs.xOpen = count_open;
		assert_int_equal(sqlite3_vfs_register(&counted.vfs, 0), SQLITE_OK);
	}
	counted.which = which;
	counted.refused_at = -1;
	assert_int_equal(store_open(&o, &f->s), ERR_OK);
}

static void the_pages_of_a_commit_are_written_together(void **state)
{
	struct fixture *f = *state;
	static uint8_t big[80000]; /* five pages, and those above them */
	uint8_t id[STORE_ID_BYTES] = {0};

	counted_open(f, true, SQLITE_OPEN_WAL);
	for (id[0] = 0; id[0] < 10; id[0]++) {
		uint64_t n_pages = f->s->n_wal_pages;

		counted.n_writes = 0;
		assert_int_equal(store_begin(f->s), ERR_OK);
		assert_int_equal(
			put_blob(f->s, id, BLOB_BODY, view_str("key"), view_of(big, sizeof(big))),
			ERR_OK);
		assert_int_equal(counted.n_writes, 0);
		assert_int_equal(store_commit(f->s), ERR_OK);
		assert_in_range(f->s->n_wal_pages - n_pages, 6, 10);
		assert_in_range(counted.n_writes, 1, 2 + (n_pages == 0)); /* the WAL's header */
	}
	fixture_close(f);
}

#define N_BIG 10

/* New pages, one beside the other, in the WAL only; says how many. */
static uint64_t fill_wal(struct fixture *f, uint8_t round)
{
	static const uint8_t big[200000];
	uint8_t id[STORE_ID_BYTES] = {0, round};
	uint64_t n_pages = f->s->n_wal_pages;

	assert_int_equal(store_begin(f->s), ERR_OK);
	for (id[0] = 0; id[0] < N_BIG; id[0]++)
		assert_int_equal(
			put_blob(f->s, id, BLOB_BODY, view_str("key"), view_of(big, sizeof(big))),
			ERR_OK);
	assert_int_equal(store_commit(f->s), ERR_OK);
	n_pages = f->s->n_wal_pages - n_pages;
	assert_in_range(n_pages, N_BIG * sizeof(big) / 16384, 150);
	return n_pages;
}

static void the_pages_moved_from_the_wal_are_written_together(void **state)
{
	struct fixture *f = *state;
	uint64_t n_pages;

	counted_open(f, true, SQLITE_OPEN_MAIN_DB);
	n_pages = fill_wal(f, 0);
	counted.n_writes = 0;
	assert_int_equal(store_wal_truncate(f->s), ERR_OK);
	/* seven fit into one; the few pages that were there before lie alone */
	assert_in_range(counted.n_writes, n_pages / 7, n_pages / 7 + 6);
	fixture_close(f);
}

/* SQLite was told that it is written, and hears with the sync at the latest that it is not: the WAL
 * is not begun anew before the file was opened again. */
static void a_page_that_could_not_be_moved_stays_in_the_wal(void **state)
{
	struct fixture *f = *state;
	uint8_t id[STORE_ID_BYTES] = {0};
	struct stat st;
	int64_t n;

	for (uint8_t round = 0; round < 2; round++) {
		counted_open(f, round == 0, SQLITE_OPEN_MAIN_DB);
		(void)fill_wal(f, round);
		assert_int_equal(store_pragma_i64(f->s, "PRAGMA page_count", &n), ERR_OK);
		/* the first page, which the next one drives out, and the last, which the sync does
		 */
		counted.refused_at = round == 0 ? 0 : n * 16384 - 1;
		assert_int_equal(store_wal_truncate(f->s), ERR_STORAGE);
		counted.refused_at = -1; /* well again, but what was lost is lost */
		counted.n_writes = 0;
		assert_int_equal(store_wal_truncate(f->s), ERR_STORAGE);
		fixture_close(f);
		assert_int_equal(counted.n_writes, 0);
		assert_int_equal(stat(fixture_file(f, "-wal"), &st), 0);
		assert_true(st.st_size > 0);
	}
	assert_int_equal(fixture_open(f, false), ERR_OK);
	for (; id[1] < 2; id[1]++)
		for (id[0] = 0; id[0] < N_BIG; id[0]++) {
			CLEANUP(buf_fini) struct buf key = {0}, cipher = {0};

			assert_int_equal(blob_get(f->s, id, BLOB_BODY, &key, &cipher), ERR_OK);
			assert_int_equal(cipher.n, 200000);
		}
}

/* Pages of the file that the kernel keeps in memory, from this byte on. */
static size_t n_kept(const char *path, size_t from)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n_bytes = 0, count = 0;
	unsigned char *kept;
	struct stat st;
	void *p;

	assert_true(fd >= 0 && fstat(fd, &st) == 0 && (size_t)st.st_size > from);
	n_bytes = (size_t)st.st_size - from;
	p = mmap(NULL, n_bytes, PROT_READ, MAP_SHARED, fd, (off_t)from);
	assert_true(p != MAP_FAILED);
	kept = calloc(1, n_bytes / page + 1);
	assert_non_null(kept);
	assert_int_equal(mincore(p, n_bytes, kept), 0);
	for (size_t i = 0; i < n_bytes / page; i++)
		count += kept[i] & 1;
	free(kept);
	(void)munmap(p, n_bytes);
	(void)close(fd);
	return count;
}

/* Whether the file system here gives memory back at all: one in memory does not. */
static bool gives_memory_back(struct fixture *f)
{
	static const uint8_t bytes[1000000] = {1};
	const char *path = fixture_file(f, "-probe");
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool gives;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
	assert_int_equal(fsync(fd), 0);
	gives = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0 && n_kept(path, 0) == 0;
	(void)close(fd);
	return gives;
}

/* What was added to the file goes from the kernel's memory. */
static void the_memory_of_history_is_given_back(void **state)
{
	struct fixture *f = *state;
	static const uint8_t big[200000] = {1};
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t id[STORE_ID_BYTES] = {0};
	struct stat before, after;

	assert_int_equal(fixture_open(f, true), ERR_OK);
	assert_int_equal(stat(f->path, &before), 0);
	if (!gives_memory_back(f)) {
		print_message("skipped: files here stay in memory; set TMPDIR to a disk\n");
		skip();
	}
	for (id[0] = 0; id[0] < 100; id[0]++) {
		assert_int_equal(store_begin(f->s), ERR_OK);
		assert_int_equal(
			put_blob(f->s, id, BLOB_BODY, view_str("key"), view_of(big, sizeof(big))),
			ERR_OK);
		assert_int_equal(store_commit(f->s), ERR_OK);
		assert_int_equal(store_wal_truncate(f->s), ERR_OK);
	}
	fixture_close(f); /* before another descriptor of it is closed, which would end its lock */
	assert_int_equal(stat(f->path, &after), 0);
	assert_true(after.st_size > before.st_size + 100 * (off_t)sizeof(big));
	/* of 20 MB a few pages that were written again */
	assert_in_range(n_kept(f->path, (size_t)before.st_size), 0, 1000000 / page);
}

static void small_values(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_fini) struct buf out = {0};

	assert_int_equal(fixture_open(f, true), ERR_OK);
	assert_int_equal(store_meta_get(f->s, "agency", &out), ERR_NOT_FOUND);
	assert_int_equal(store_begin(f->s), ERR_OK);
	assert_int_equal(store_meta_put(f->s, "agency", view_str("one")), ERR_OK);
	assert_int_equal(store_meta_put(f->s, "agency", view_str("two")), ERR_OK);
	assert_int_equal(store_meta_put(f->s, "empty", view_of(NULL, 0)), ERR_OK);
	fixture_reopen(f);
	assert_int_equal(store_meta_get(f->s, "agency", &out), ERR_OK);
	assert_true(view_eq(buf_view(&out), view_str("two")));
	buf_clear(&out);
	assert_int_equal(store_meta_get(f->s, "empty", &out), ERR_OK);
	assert_int_equal(out.n, 0);
}

static void transactions(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_fini) struct buf out = {0};

	assert_int_equal(fixture_open(f, true), ERR_OK);
	assert_int_equal(store_meta_put(f->s, "a", view_str("1")), ERR_STATE);
	assert_int_equal(store_commit(f->s), ERR_STATE);
	store_rollback(f->s);
	assert_int_equal(store_begin(f->s), ERR_OK);
	assert_int_equal(store_begin(f->s), ERR_STATE);
	assert_int_equal(store_meta_put(f->s, "a", view_str("1")), ERR_OK);
	store_rollback(f->s);
	assert_int_equal(store_meta_get(f->s, "a", &out), ERR_NOT_FOUND);
	/* what is left open at the end is not kept */
	assert_int_equal(store_begin(f->s), ERR_OK);
	assert_int_equal(store_meta_put(f->s, "a", view_str("1")), ERR_OK);
	fixture_close(f);
	assert_int_equal(fixture_open(f, false), ERR_OK);
	assert_int_equal(store_meta_get(f->s, "a", &out), ERR_NOT_FOUND);
}

/* --- a commit that waits for something else --- */

/* The files as a power loss would leave them that loses nothing of what was written. */
struct photo {
	struct fixture *f;
	char path[400];
	int n_calls;
	enum err says;
};

static void copy_file(const char *from, const char *to)
{
	uint8_t part[65536];
	FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
	size_t n;

	assert_non_null(in);
	assert_non_null(out);
	while ((n = fread(part, 1, sizeof(part), in)) > 0)
		assert_int_equal(fwrite(part, 1, n, out), n);
	assert_int_equal(fclose(in), 0);
	assert_int_equal(fclose(out), 0);
}

static enum err photograph(void *ctx)
{
	struct photo *p = ctx;
	char wal[450];

	p->n_calls++;
	(void)snprintf(wal, sizeof(wal), "%s-wal", p->path);
	copy_file(p->f->path, p->path);
	copy_file(fixture_file(p->f, "-wal"), wal);
	return p->says ? err_new(p->says, "the other file, says the test") : ERR_OK;
}

/* What the meta value "a" is in the files as they were then; -1: none. */
static int a_in_photo(struct photo *p)
{
	const struct store_options o = {.path = p->path};
	CLEANUP(buf_fini) struct buf out = {0};
	struct store *s;
	char a;
	bool has;

	assert_int_equal(store_open(&o, &s), ERR_OK);
	has = !store_meta_get(s, "a", &out) && buf_copy(&out, &a, 1);
	store_close(s);
	return has ? a : -1;
}

static void begin_change(struct fixture *f, char a, size_t n_bytes)
{
	static const uint8_t big[1000000];
	uint8_t id[STORE_ID_BYTES] = {0};

	id[0] = (uint8_t)a;
	assert_int_equal(store_begin(f->s), ERR_OK);
	assert_int_equal(store_meta_put(f->s, "a", view_of(&a, 1)), ERR_OK);
	if (n_bytes)
		assert_int_equal(
			put_blob(f->s, id, BLOB_BODY, view_str("key"), view_of(big, n_bytes)),
			ERR_OK);
}

static void a_commit_is_nowhere_before_what_it_waits_for(void **state)
{
	/* from a page to more than are gathered at once */
	static const size_t sizes[] = {0, 16000, 90000, 100000, 110000, 120000, 130000, 1000000};
	struct fixture *f = *state;
	struct photo p = {.f = f};
	char a = '1';

	(void)snprintf(p.path, sizeof(p.path), "%s/photo", f->dir);
	assert_int_equal(fixture_open(f, true), ERR_OK);
	begin_change(f, a, 0);
	assert_int_equal(store_commit_after(f->s, photograph, &p), ERR_OK);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		bool more;

		p.n_calls = 0;
		begin_change(f, ++a, sizes[i]);
		assert_int_equal(store_commit_after(f->s, photograph, &p), ERR_OK);
		assert_int_equal(p.n_calls, 1);
		assert_int_equal(a_in_photo(&p), a - 1);
		assert_int_equal(photograph(&p), ERR_OK);
		assert_int_equal(a_in_photo(&p), a);
		if (i % 2) /* begins the WAL anew */
			assert_int_equal(store_wal_truncate(f->s), ERR_OK);
		assert_int_equal(store_wal_step(f->s, &more), ERR_OK);
	}
	/* a transaction that changes nothing */
	p.n_calls = 0;
	assert_int_equal(store_begin(f->s), ERR_OK);
	assert_int_equal(store_commit_after(f->s, photograph, &p), ERR_OK);
	assert_int_equal(p.n_calls, 1);
}

static int no_characteristics(sqlite3_file *f)
{
	(void)f;
	return 0;
}

/* On a disk for which SQLite pads a commit with copies of its last page, it waits before all. */
static void a_commit_that_is_padded_waits_too(void **state)
{
	struct fixture *f = *state;
	struct photo p = {.f = f};

	(void)snprintf(p.path, sizeof(p.path), "%s/photo", f->dir);
	counted_open(f, true, SQLITE_OPEN_WAL);
	counted.methods.xDeviceCharacteristics = no_characteristics;
	begin_change(f, '1', 0);
	assert_int_equal(store_commit(f->s), ERR_OK);
	begin_change(f, '2', 200000);
	counted.n_writes = 0;
	p.says = ERR_DENIED;
	assert_int_equal(store_commit_after(f->s, photograph, &p), ERR_DENIED);
	assert_int_equal(counted.n_writes, 0);
	p.says = ERR_OK;
	assert_int_equal(store_commit_after(f->s, photograph, &p), ERR_OK);
	assert_int_equal(p.n_calls, 2);
	assert_int_equal(a_in_photo(&p), '1');
	assert_int_equal(photograph(&p), ERR_OK);
	assert_int_equal(a_in_photo(&p), '2');
	fixture_close(f);
}

static void a_commit_is_not_made_without_what_it_waits_for(void **state)
{
	struct fixture *f = *state;
	struct photo p = {.f = f};

	(void)snprintf(p.path, sizeof(p.path), "%s/photo", f->dir);
	assert_int_equal(fixture_open(f, true), ERR_OK);
	begin_change(f, '1', 0);
	assert_int_equal(store_commit(f->s), ERR_OK);
	begin_change(f, '2', 200000);
	p.says = ERR_DENIED;
	assert_int_equal(store_commit_after(f->s, photograph, &p), ERR_DENIED);
	assert_string_equal(err_words(), "the other file, says the test");
	store_rollback(f->s);
	assert_int_equal(store_begin(f->s), ERR_STORAGE); /* final */
	p.says = ERR_OK;
	assert_int_equal(photograph(&p), ERR_OK);
	assert_int_equal(a_in_photo(&p), '1');
	fixture_close(f);
	assert_int_equal(photograph(&p), ERR_OK);
	assert_int_equal(a_in_photo(&p), '1');
}

static void a_transaction_that_sqlite_ended_is_final(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fixture_open(f, true), ERR_OK);
	assert_int_equal(store_begin(f->s), ERR_OK);
	assert_int_equal(sqlite3_exec(f->s->db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(store_meta_put(f->s, "a", view_str("1")), ERR_STORAGE);
	assert_int_equal(store_commit(f->s), ERR_STORAGE);
	store_rollback(f->s);
	assert_int_equal(store_begin(f->s), ERR_STORAGE);
}

static void set_version(struct fixture *f, int version)
{
	struct behind b;
	char sql[64];

	behind_open(&b, f->path);
	(void)snprintf(sql, sizeof(sql), "PRAGMA user_version = %d", version);
	assert_int_equal(sqlite3_exec(b.db, sql, NULL, NULL, NULL), SQLITE_OK);
	behind_close(&b);
}

static void a_newer_version_is_refused(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_fini) struct buf before = {0};
	CLEANUP(buf_fini) struct buf after = {0};

	assert_int_equal(fixture_open(f, true), ERR_OK);
	fixture_close(f);
	set_version(f, (int)n_schema_migrations + 1);
	before = read_file(f->path);
	assert_int_equal(fixture_open(f, false), ERR_VERSION);
	assert_non_null(strstr(err_words(), "a newer one made it"));
	after = read_file(f->path);
	assert_true(view_eq(buf_view(&before), buf_view(&after)));
	set_version(f, -1);
	assert_int_equal(fixture_open(f, false), ERR_VERSION);
	set_version(f, (int)n_schema_migrations);
	assert_int_equal(fixture_open(f, false), ERR_OK);
}

static void each_migration_is_made_once(void **state)
{
	struct fixture *f = *state;
	const struct migration more[] = {
		schema_migrations[0],
		{{"CREATE TABLE added (a INTEGER) STRICT;", "INSERT INTO added VALUES (5)"}},
		{{"UPDATE added SET a = a + 1"}},
	};
	const struct migration broken[] = {
		more[0], more[1], more[2], {{"UPDATE added SET a = 100", "no SQL"}}};
	int64_t v;

	assert_int_equal(n_schema_migrations, 1);
	assert_int_equal(fixture_open(f, true), ERR_OK);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(schema_migrate(f->s, more, ARRAY_LEN(more), false), ERR_OK);
		assert_int_equal(store_pragma_i64(f->s, "SELECT a FROM added", &v), ERR_OK);
		assert_int_equal(v, 6);
		assert_int_equal(store_pragma_i64(f->s, "PRAGMA user_version", &v), ERR_OK);
		assert_int_equal(v, 3);
	}
	/* one that fails leaves nothing behind */
	assert_int_equal(schema_migrate(f->s, broken, ARRAY_LEN(broken), false), ERR_STORAGE);
	assert_int_equal(store_pragma_i64(f->s, "SELECT a FROM added", &v), ERR_OK);
	assert_int_equal(v, 6);
	assert_int_equal(store_pragma_i64(f->s, "PRAGMA user_version", &v), ERR_OK);
	assert_int_equal(v, 3);
}

static void a_file_whose_making_failed_is_gone(void **state)
{
	struct fixture *f = *state;
	const struct store_options o = {.path = f->path, .create = true, .vfs = "no such"};

	assert_int_equal(store_open(&o, &f->s), ERR_STORAGE);
	/* a folder where the WAL would be: the database cannot be made */
	assert_int_equal(mkdir(fixture_file(f, "-wal"), 0700), 0);
	assert_int_equal(fixture_open(f, true), ERR_STORAGE);
	assert_int_equal(access(f->path, F_OK), -1);
	assert_int_equal(rmdir(fixture_file(f, "-wal")), 0);
	assert_int_equal(fixture_open(f, true), ERR_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup_empty, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_database_has_its_settings),
		TEST(the_files_are_private),
		TEST(a_wrong_path_starts_no_ledger),
		TEST(a_link_to_the_file_is_refused_but_not_one_to_the_folder),
		TEST(a_second_process_is_refused_in_clear_words),
		TEST(what_is_no_database_of_ours_is_refused),
		TEST(a_damaged_file_is_refused),
		TEST(what_is_erased_stands_nowhere),
		TEST(a_truncation_missed_is_made_up_at_open),
		TEST(the_wal_stays_small),
		TEST(the_pages_of_a_commit_are_written_together),
		TEST(the_pages_moved_from_the_wal_are_written_together),
		TEST(a_page_that_could_not_be_moved_stays_in_the_wal),
		TEST(the_memory_of_history_is_given_back),
		TEST(small_values),
		TEST(transactions),
		TEST(a_commit_is_nowhere_before_what_it_waits_for),
		TEST(a_commit_that_is_padded_waits_too),
		TEST(a_commit_is_not_made_without_what_it_waits_for),
		TEST(a_transaction_that_sqlite_ended_is_final),
		TEST(a_newer_version_is_refused),
		TEST(each_migration_is_made_once),
		TEST(a_file_whose_making_failed_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
