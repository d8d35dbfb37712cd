/**
 * @file
 * A folder of its own for a test's files, gone at the end.
 */
#ifndef TESTS_UNIT_NODE_FOLDER_H
#define TESTS_UNIT_NODE_FOLDER_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"

static inline void folder_new(char ret[256])
{
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(ret, 256, "%s/amparo-node-XXXXXX", tmp ? tmp : "/tmp");
	ASSERT(mkdtemp(ret) != NULL);
}

static inline void folder_remove(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	ASSERT(dir != NULL);
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
	(void)closedir(dir);
	(void)rmdir(folder);
}

#endif
