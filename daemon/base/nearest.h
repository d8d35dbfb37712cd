/**
 * @file
 * The name that somebody may have meant who wrote one that there is not: a key, a field, a command.
 */
#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

#include <stddef.h>

#define NEAREST_BYTES 64 /**< of a name with its NUL; longer ones are near nothing */

/** Begin with nearest_begin(), show it each name, read @ref name. */
struct nearest {
	const char *wrong;
	const char *name; /**< the nearest seen; NULL: none is near enough */
	size_t distance;  /**< letters between the two; so many are too far at first */
};

/** Look for what is near @p wrong, which is borrowed. */
struct nearest nearest_begin(const char *wrong);

/** Show it a name that there is, borrowed too; of equally near ones the first counts. */
void nearest_see(struct nearest *n, const char *name);

#endif
