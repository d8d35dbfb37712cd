/**
 * @file
 * The name that somebody may have meant who wrote one that there is not.
 */
#ifndef CLI_NEAREST_H
#define CLI_NEAREST_H

#include <stddef.h>

/** Begin with nearest_begin(), show it each name, read @ref name. */
struct nearest {
	const char *wrong;
	const char *name; /**< the nearest seen; NULL: none is near enough */
	size_t distance;  /**< letters between the two; so many are near enough at first */
};

/** Look for what is near @p wrong, which is borrowed. */
struct nearest nearest_begin(const char *wrong);

/** Show it a name that there is; of equally near ones the first counts. */
void nearest_see(struct nearest *n, const char *name);

#endif
