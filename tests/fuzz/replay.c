/*
 * Replay a corpus through a fuzz target: TARGET FOLDER. Every ordinary build does, so that neither
 * target nor corpus can rot. Each input is also run cut at every length up to 256.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define INPUT_MAX (4u * 1024u * 1024u)
#define CUTS_MAX 256u

/* A copy of just that size, so that a sanitizer sees a read beyond it. */
static void run_copy(const uint8_t *data, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	if (!copy)
		abort();
	memcpy(copy, data, n);
	(void)LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

static int replay_file(const char *folder, const char *name, uint8_t *data)
{
	char path[4096];
	FILE *file;
	size_t n;

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
		return 1;
	file = fopen(path, "rb");
	if (!file) {
		perror(path);
		return 1;
	}
	n = fread(data, 1, INPUT_MAX, file);
	(void)fclose(file);
	run_copy(data, n);
	for (size_t cut = 0; cut < n && cut < CUTS_MAX; cut++)
		run_copy(data, cut);
	return 0;
}

int main(int argc, char **argv)
{
	uint8_t *data = malloc(INPUT_MAX);
	DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
	const struct dirent *entry;
	unsigned n_files = 0;
	int bad = 0;

	if (!folder || !data) {
		(void)fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		free(data);
		return 64;
	}
	while ((entry = readdir(folder))) {
		if (entry->d_name[0] == '.')
			continue;
		bad |= replay_file(argv[1], entry->d_name, data);
		n_files++;
	}
	(void)closedir(folder);
	free(data);
	(void)printf("%u inputs\n", n_files);
	return bad || n_files == 0;
}
