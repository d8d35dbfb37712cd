#include "process/harden.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static enum err ignore_signal(int number)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	if (sigaction(number, &ignore, NULL) != 0)
		return err_new(ERR_IO, "sigaction: errno %d", errno);
	return ERR_OK;
}

enum err harden(const char *name, int last_fd, bool is_child)
{
	const struct rlimit none = {0};
	enum err e;

#ifndef AMPARO_SANITIZED /* the leak sanitizer looks at its process as a debugger does */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return err_new(ERR_IO, "PR_SET_DUMPABLE: errno %d", errno);
#endif
	if (setrlimit(RLIMIT_CORE, &none) != 0)
		return err_new(ERR_IO, "RLIMIT_CORE: errno %d", errno);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return err_new(ERR_IO, "PR_SET_NO_NEW_PRIVS: errno %d", errno);
	if (prctl(PR_SET_NAME, name, 0, 0, 0) != 0)
		return err_new(ERR_IO, "PR_SET_NAME: errno %d", errno);
	if (close_range((unsigned)last_fd + 1, ~0U, 0) != 0)
		return err_new(ERR_IO, "close_range: errno %d", errno);
	/* A batch or a turn takes and gives back buffers of up to a MiB: from the heap, rather than
	 * by mapping and clearing fresh pages each time. */
	if (is_child)
		(void)(mallopt(M_MMAP_THRESHOLD, 4 << 20) && mallopt(M_TRIM_THRESHOLD, 4 << 20));
	(void)umask(077);
	e = ignore_signal(SIGPIPE);
	if (!e && is_child)
		e = ignore_signal(SIGINT);
	if (!e && is_child)
		e = ignore_signal(SIGTERM);
	if (!e && is_child)
		e = ignore_signal(SIGHUP);
	return e;
}

bool harden_is_socketpair(int fd)
{
	int domain = 0, type = 0;
	socklen_t n = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) == 0 && domain == AF_UNIX &&
	       getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_STREAM;
}
