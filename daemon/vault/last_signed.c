#include "vault/last_signed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "crypto/digest.h"

#define SLOTS 2
#define FILE_BYTES (SLOTS * LAST_SIGNED_SLOT_BYTES)
#define HEAD_BYTES 24u

_Static_assert(HEAD_BYTES + 2 * LAST_SIGNED_NOTE_MAX + DIGEST_BYTES <= LAST_SIGNED_SLOT_BYTES,
	       "two notes fit a slot");

static const uint8_t magic[8] = {'a', 'm', 'p', 'a', 'r', 'o', 's', '1'};

struct last_signed {
	int fd;
	uint64_t number; /* of the slot that counts; 0: none */
	size_t n_newest;
	size_t n_previous;
	bool waits;			      /* for its sync */
	uint8_t slot[LAST_SIGNED_SLOT_BYTES]; /* it */
};

/* --- create ------------------------------------------------------------------------------ */

/** A new file survives a power loss when its folder was synced too. */
static enum err sync_folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	CLEANUP(freep)
	char *folder =
		slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
	enum err e = ERR_OK;
	int fd;

	if (!folder)
		return err_new(ERR_NOMEM, "path");
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0)
		e = err_new(ERR_IO, "sync of a folder: errno %d", errno);
	if (fd >= 0)
		(void)close(fd);
	return e;
}

static enum err write_at(int fd, const uint8_t *p, size_t n, off_t at)
{
	while (n > 0) {
		ssize_t n_written = pwrite(fd, p, n, at);

		if (n_written < 0 && errno == EINTR)
			continue;
		if (n_written <= 0)
			return err_new(ERR_IO, "last-signed: errno %d", errno);
		p += n_written;
		n -= (size_t)n_written;
		at += n_written;
	}
	return ERR_OK;
}

enum err last_signed_create(const char *path)
{
	static const uint8_t empty[LAST_SIGNED_SLOT_BYTES];
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	enum err e = ERR_OK;

	if (fd < 0)
		return err_new(errno == EEXIST ? ERR_EXISTS : ERR_IO, "%s: errno %d", path, errno);
	/* Zeros and no hole: a later write changes blocks that are there. */
	for (int i = 0; !e && i < SLOTS; i++)
		e = write_at(fd, empty, sizeof(empty), (off_t)i * LAST_SIGNED_SLOT_BYTES);
	if (!e && fsync(fd) != 0)
		e = err_new(ERR_IO, "last-signed: errno %d", errno);
	(void)close(fd);
	return e ? e : sync_folder_of(path);
}

/* --- read -------------------------------------------------------------------------------- */

static struct digest slot_digest(const uint8_t *slot, size_t n)
{
	return sha256(view_of(slot, n));
}

/** Is the slot whole? Its number and lengths, then. */
static bool slot_read(const uint8_t *slot, struct last_signed *ret)
{
	uint64_t number = get_u64be(slot + 8);
	uint32_t n_newest = get_u32be(slot + 16);
	uint32_t n_previous = get_u32be(slot + 20);
	size_t n = HEAD_BYTES;
	struct digest digest;

	if (memcmp(slot, magic, sizeof(magic)) != 0 || number == 0 ||
	    n_newest > LAST_SIGNED_NOTE_MAX || n_previous > LAST_SIGNED_NOTE_MAX)
		return false;
	n += n_newest + n_previous;
	digest = slot_digest(slot, n);
	if (memcmp(digest.b, slot + n, DIGEST_BYTES) != 0)
		return false;
	ret->number = number;
	ret->n_newest = n_newest;
	ret->n_previous = n_previous;
	return true;
}

static bool is_zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

static enum err read_slots(struct last_signed *l)
{
	CLEANUP(freep) uint8_t *all = malloc(FILE_BYTES);
	size_t n_damaged = 0;

	if (!all)
		return err_new(ERR_NOMEM, "last-signed");
	if (pread(l->fd, all, FILE_BYTES, 0) != (ssize_t)FILE_BYTES)
		return err_new(ERR_STORAGE, "last-signed is too short: errno %d", errno);
	for (size_t i = 0; i < SLOTS; i++) {
		const uint8_t *slot = all + i * LAST_SIGNED_SLOT_BYTES;
		struct last_signed found = {0};

		if (slot_read(slot, &found)) {
			if (found.number <= l->number)
				continue;
			l->number = found.number;
			l->n_newest = found.n_newest;
			l->n_previous = found.n_previous;
			memcpy(l->slot, slot, LAST_SIGNED_SLOT_BYTES);
		} else if (!is_zero(slot, LAST_SIGNED_SLOT_BYTES)) {
			n_damaged++;
		}
	}
	if (n_damaged == SLOTS)
		return err_new(ERR_STORAGE, "both halves of last-signed are damaged");
	if (n_damaged)
		log_line(LOG_WARN, "half of last-signed is damaged, as by a power loss: the other "
				   "counts");
	return ERR_OK;
}

enum err last_signed_open(const char *path, struct last_signed **ret)
{
	CLEANUP(last_signed_closep) struct last_signed *l = calloc(1, sizeof(*l));
	struct stat st;
	enum err e;

	if (!l)
		return err_new(ERR_NOMEM, "last-signed");
	l->fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (l->fd < 0)
		return err_new(errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s: errno %d", path,
			       errno);
	if (fstat(l->fd, &st) != 0)
		return err_new(ERR_IO, "%s: errno %d", path, errno);
	if (!S_ISREG(st.st_mode) || (st.st_uid != geteuid() && st.st_uid != 0) ||
	    (st.st_mode & 022) != 0)
		return err_new(ERR_DENIED,
			       "%s: must be a file of the daemon's user that nobody "
			       "else can write",
			       path);
	/* What a process that was killed wrote: on the disk before the other slot changes. */
	e = last_signed_sync(l);
	if (!e)
		e = read_slots(l);
	if (e)
		return err_trace(e);
	*ret = TAKE(l);
	return ERR_OK;
}

void last_signed_close(struct last_signed *l)
{
	if (!l)
		return;
	if (l->fd >= 0)
		(void)close(l->fd);
	free(l);
}

struct view last_signed_newest(const struct last_signed *l)
{
	return view_of(l->slot + HEAD_BYTES, l->n_newest);
}

struct view last_signed_previous(const struct last_signed *l)
{
	return view_of(l->slot + HEAD_BYTES + l->n_newest, l->n_previous);
}

/* --- write ------------------------------------------------------------------------------- */

enum err last_signed_write(struct last_signed *l, struct view newest, struct view previous)
{
	uint8_t slot[LAST_SIGNED_SLOT_BYTES] = {0};
	const uint64_t number = l->number + 1;
	const off_t at = (off_t)(number % SLOTS) * LAST_SIGNED_SLOT_BYTES;
	size_t n = HEAD_BYTES;
	struct digest digest;
	enum err e;

	ASSERT(!l->waits);
	if (newest.n > LAST_SIGNED_NOTE_MAX || previous.n > LAST_SIGNED_NOTE_MAX)
		return err_new(ERR_LIMIT, "note of %zu bytes", newest.n);
	memcpy(slot, magic, sizeof(magic));
	put_u64be(slot + 8, number);
	put_u32be(slot + 16, (uint32_t)newest.n);
	put_u32be(slot + 20, (uint32_t)previous.n);
	if (newest.n)
		memcpy(slot + n, newest.p, newest.n);
	n += newest.n;
	if (previous.n)
		memcpy(slot + n, previous.p, previous.n);
	n += previous.n;
	digest = slot_digest(slot, n);
	memcpy(slot + n, digest.b, DIGEST_BYTES);
	n += DIGEST_BYTES;
	/* Only what is used: a whole slot would be five pages each time. */
	e = write_at(l->fd, slot, n, at);
	if (e)
		return err_trace(e);
	/* advice: whether it is on the disk fdatasync() says */
	(void)sync_file_range(l->fd, at, (off_t)n, SYNC_FILE_RANGE_WRITE);
	l->waits = true;
	memcpy(l->slot, slot, sizeof(slot));
	l->number = number;
	l->n_newest = newest.n;
	l->n_previous = previous.n;
	return ERR_OK;
}

enum err last_signed_sync(struct last_signed *l)
{
	if (fdatasync(l->fd) != 0)
		return err_new(ERR_IO, "last-signed: errno %d", errno);
	l->waits = false;
	return ERR_OK;
}
