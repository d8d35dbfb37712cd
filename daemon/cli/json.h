/**
 * @file
 * Messages as JSON, by walking their descriptors: what --json prints, and what tables are made of.
 *
 *   keys      the .proto's field names, in the order of their numbers
 *   absent    no key; a repeated field is a list, empty or not
 *   enum      its code ("needs-info"); bytes lower-case hex; numbers as numbers
 *   x_us      a moment: key `x`, "2026-11-22T14:03:22.000001Z" (but n_x_us is a count)
 */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <jansson.h>

/**
 * Make JSON of a message.
 *
 * @param message  struct pb_x *, decoded
 * @return         a new reference; NULL: no memory, or text in it that is no UTF-8
 */
json_t *json_from_message(const void *message) __attribute__((warn_unused_result));

/** Look up "local.person": a key, or keys within each other. Borrowed; NULL: not there. */
const json_t *json_at(const json_t *object, const char *path);

#endif
