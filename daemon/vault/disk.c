#include "vault/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/statfs.h>

enum err disk_open(const char *folder, int *ret_fd)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_new(errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_IO,
			       "%s: errno %d", folder, errno);
	*ret_fd = fd;
	return ERR_OK;
}

uint64_t disk_free_bytes(int fd)
{
	struct statfs s;
	uint64_t n_bytes;

	/* fstatfs, not fstatvfs: the latter may look for the mount's flags in files */
	if (fstatfs(fd, &s) != 0 || s.f_bsize <= 0)
		return UINT64_MAX;
	if (__builtin_mul_overflow((uint64_t)s.f_bavail, (uint64_t)s.f_bsize, &n_bytes))
		return UINT64_MAX;
	return n_bytes;
}
