#include "cli/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/context.h"

#define READ_BYTES 65536u

const char *file_title(const char *name)
{
	return strcmp(name, "-") == 0 ? "standard input" : name;
}

/* One byte over the limit is taken, to tell a file that fits from one that does not. */
static int read_all(int fd, const char *name, size_t limit, struct buf *ret)
{
	for (;;) {
		uint8_t *p;
		ssize_t n;

		if (buf_reserve(ret, READ_BYTES, &p))
			return cli_fail(EX_OSERR, "out of memory");
		n = read(fd, p, READ_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cli_fail(errno == EISDIR ? EX_NOINPUT : EX_IOERR, "%s: %s",
					file_title(name), strerrordesc_np(errno));
		if (n == 0)
			break;
		buf_advance(ret, (size_t)n);
		if (ret->n > limit)
			return cli_fail(EX_DATAERR, "%s: over %zu bytes, which is too large",
					file_title(name), limit);
	}
	return ret->n > 0 ? EX_OK : cli_fail(EX_DATAERR, "%s: is empty", file_title(name));
}

int file_read(const char *name, size_t limit, struct buf *ret)
{
	bool is_stdin = strcmp(name, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int code;

	if (fd < 0)
		return cli_fail(EX_NOINPUT, "%s: %s", name, strerrordesc_np(errno));
	code = read_all(fd, name, limit, ret);
	if (!is_stdin)
		(void)close(fd);
	return code;
}
