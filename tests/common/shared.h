/**
 * @file
 * Files of the folder that is shared beside the repository: published test vectors. It is
 * $AMPARO_SHARED when the test runs, else SHARED_DEFAULT, which the build gives.
 */
#ifndef TESTS_COMMON_SHARED_H
#define TESTS_COMMON_SHARED_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"

/** Path of @p name there into @p ret of @p n bytes; false, said loudly, when it is not there. */
static inline bool shared_path(const char *name, char *ret, size_t n)
{
	const char *folder = getenv("AMPARO_SHARED");

	(void)snprintf(ret, n, "%s/%s", folder ? folder : SHARED_DEFAULT, name);
	if (access(ret, R_OK) == 0)
		return true;
	(void)fprintf(stderr, "SKIPPED: no %s: set AMPARO_SHARED\n", ret);
	return false;
}

/** Read @p name there whole into @p ret; false, said loudly, when it is not there. */
static inline bool shared_read(const char *name, struct buf *ret)
{
	char path[1024], block[4096];
	size_t n;
	FILE *f;

	if (!shared_path(name, path, sizeof(path)))
		return false;
	f = fopen(path, "rb");
	ASSERT(f);
	while ((n = fread(block, 1, sizeof(block), f)) > 0)
		ASSERT(buf_put(ret, block, n) == ERR_OK);
	(void)fclose(f);
	return true;
}

#endif
