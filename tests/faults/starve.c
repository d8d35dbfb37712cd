/*
 * starve.so: memory that runs out in one of the three processes of a real amparod.
 *
 * Loaded by LD_PRELOAD, with the path of a file of struct starve in AMPARO_STARVE, which the test
 * writes and reads while the processes run. The parent gives its children an empty environment; the
 * execve() here puts both variables back, so that the product needs no way in. The file is
 * mapped before main(), hence before any filter is installed.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))
#define FRAMES_MAX 24
#define OBJECT_MAX 56
#define SETTING_MAX 256
#define SETTINGS_MAX 3

enum {
	PARENT,
	GATE,
	VAULT,
	N_ROLES
};

/* Read and written by struct.unpack() of tests/faults/starve: all of 8 bytes, native order. */
struct starve {
	uint64_t role;		/* whose allocations may fail */
	_Atomic uint64_t first; /* the n-th that fails, from 1; 0: none does */
	_Atomic uint64_t last;	/* the last that does */
	uint64_t
		from_serving; /* count from when it serves (and not the parent's, who never says) */
	_Atomic uint64_t n[N_ROLES]; /* made so far, counted from then */
	_Atomic uint64_t n_failed;
	_Atomic uint64_t n_bytes; /* wanted by the first that failed */
	struct {
		char object[OBJECT_MAX]; /* the program or a library */
		uint64_t offset;
	} frame[FRAMES_MAX]; /* who wanted it, innermost first */
};

/* The C library's, under the names that stay its own. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t alignment, size_t n);

EXPORTED void *malloc(size_t n);
EXPORTED void *calloc(size_t n, size_t size);
EXPORTED void *realloc(void *p, size_t n);
EXPORTED void *memalign(size_t alignment, size_t n);
EXPORTED void *aligned_alloc(size_t alignment, size_t n);
EXPORTED int posix_memalign(void **ret, size_t alignment, size_t n);
EXPORTED int execve(const char *path, char *const argv[], char *const env[]);
EXPORTED int seccomp_load(const void *filter);

static struct starve *starve;
static unsigned role;
static char setting[SETTINGS_MAX][SETTING_MAX];

/* --- what fails ---------------------------------------------------------------------------- */

static void note(size_t n)
{
	void *frame[FRAMES_MAX];
	const int n_frames = backtrace(frame, FRAMES_MAX);

	starve->n_bytes = n;
	for (int i = 0; i < n_frames; i++) {
		Dl_info info;

		if (!dladdr(frame[i], &info) || !info.dli_fname)
			continue;
		const char *base = strrchr(info.dli_fname, '/');

		(void)snprintf(starve->frame[i].object, OBJECT_MAX, "%s",
			       base ? base + 1 : info.dli_fname);
		/* The return address: the call stands before it. */
		starve->frame[i].offset =
			(uint64_t)((const char *)frame[i] - (const char *)info.dli_fbase) - 1;
	}
}

static bool fails(size_t n)
{
	static _Thread_local bool is_asking;
	uint64_t at;

	if (!starve || is_asking)
		return false;
	at = atomic_fetch_add(&starve->n[role], 1) + 1;
	if (role != starve->role || starve->first == 0 || at < starve->first || at > starve->last)
		return false;
	is_asking = true;
	if (atomic_fetch_add(&starve->n_failed, 1) == 0)
		note(n);
	is_asking = false;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t n)
{
	return fails(n) ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	return fails(n * size) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	return n && fails(n) ? NULL : __libc_realloc(p, n);
}

void *memalign(size_t alignment, size_t n)
{
	return fails(n) ? NULL : __libc_memalign(alignment, n);
}

void *aligned_alloc(size_t alignment, size_t n)
{
	return memalign(alignment, n);
}

int posix_memalign(void **ret, size_t alignment, size_t n)
{
	void *p = memalign(alignment, n);

	if (!p)
		return ENOMEM;
	*ret = p;
	return 0;
}

/* --- the three processes ------------------------------------------------------------------- */

/* The filter is the last thing before a child serves. */
int seccomp_load(const void *filter)
{
	int (*real)(const void *);

	*(void **)&real = dlsym(RTLD_NEXT, "seccomp_load");
	if (starve && starve->from_serving)
		starve->n[role] = 0;
	return real(filter);
}

int execve(const char *path, char *const argv[], char *const env[])
{
	char *ours[SETTINGS_MAX + 1] = {setting[0], setting[1], setting[2], NULL};

	return (int)syscall(SYS_execve, path, argv, starve ? ours : env);
}

static bool keep(int i, const char *name)
{
	const char *value = getenv(name);
	const int n = value ? snprintf(setting[i], SETTING_MAX, "%s=%s", name, value) : -1;

	return n > 0 && n < SETTING_MAX;
}

__attribute__((constructor)) static void begin(int argc, char **argv)
{
	const char *path = getenv("AMPARO_STARVE");
	void *frame[1];
	void *p;
	int fd;

	if (!path || !keep(0, "AMPARO_STARVE") || !keep(1, "LD_PRELOAD") ||
	    !keep(2, "MALLOC_PERTURB_"))
		return;
	if (argc > 1 && strcmp(argv[argc - 1], "gate") == 0)
		role = GATE;
	else if (argc > 1 && strcmp(argv[argc - 1], "vault") == 0)
		role = VAULT;
	(void)backtrace(frame, 1); /* loads what it needs, now */
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		abort();
	p = mmap(NULL, sizeof(*starve), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (p == MAP_FAILED)
		abort();
	starve = p;
}
