/**
 * @file
 * Files of the folder that is shared beside the repository: published test vectors.
 */
#ifndef TESTS_COMMON_SHARED_H
#define TESTS_COMMON_SHARED_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

/** Read $AMPARO_SHARED/@p name whole into @p ret; false, said loudly, when it is not there. */
static inline bool shared_read(const char *name, struct buf *ret)
{
	const char *folder = getenv("AMPARO_SHARED");
	char path[1024], block[4096];
	size_t n;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", folder ? folder : "../shared", name);
	f = fopen(path, "rb");
	if (!f) {
		(void)fprintf(stderr, "SKIP: no %s: set AMPARO_SHARED\n", path);
		return false;
	}
	while ((n = fread(block, 1, sizeof(block), f)) > 0)
		ASSERT(buf_put(ret, block, n) == ERR_OK);
	(void)fclose(f);
	return true;
}

#endif
