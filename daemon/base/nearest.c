#include "base/nearest.h"

#include <string.h>

static size_t least(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

/* How many letters must be put in, taken out or changed (Levenshtein); both are short. */
static size_t distance(const char *a, const char *b)
{
	size_t row[NEAREST_BYTES];
	size_t n = strlen(b);

	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t above = row[j];

			row[j] =
				least(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[n];
}

struct nearest nearest_begin(const char *wrong)
{
	return (struct nearest){.wrong = wrong, .distance = strlen(wrong) / 3 + 2};
}

void nearest_see(struct nearest *n, const char *name)
{
	size_t d;

	if (strlen(n->wrong) >= NEAREST_BYTES || strlen(name) >= NEAREST_BYTES)
		return;
	d = distance(n->wrong, name);
	if (d < n->distance) {
		n->name = name;
		n->distance = d;
	}
}
