/**
 * @file
 * Strict YAML on libyaml's document API, whose nodes keep line and column: one document, no anchors,
 * aliases, tags, duplicate keys; every value is a string until asked for as something else. Used for
 * the node's configuration and for agreements.
 */
#ifndef CONFIG_YAML_READER_H
#define CONFIG_YAML_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/err.h"
#include "base/own.h"

#define YAML_NODES_MAX 20000
#define YAML_DEPTH_MAX 8
#define YAML_PROBLEM_MAX 300

/** A document. */
struct yaml_file;

/** A node of it: 0 is none. */
typedef int yaml_ref;

enum yaml_kind {
	YAML_TEXT = 1,
	YAML_LIST,
	YAML_MAP,
};

/** Where and what; filled by every function here that fails. */
struct yaml_problem {
	int line;
	char text[YAML_PROBLEM_MAX];
};

/** @retval ERR_INVALID  with @p ret_problem. Owner: caller frees with yaml_file_free(). */
enum err yaml_file_parse(struct view in, struct yaml_file **ret,
			 struct yaml_problem *ret_problem) WARN_UNUSED;
void yaml_file_free(struct yaml_file *f);
DEFINE_FREEP(struct yaml_file, yaml_file_free)

yaml_ref yaml_root(const struct yaml_file *f);
enum yaml_kind yaml_kind_of(const struct yaml_file *f, yaml_ref node);
int yaml_line(const struct yaml_file *f, yaml_ref node);

/** Text of a YAML_TEXT node, strict UTF-8 without NUL; borrowed from @p f. */
const char *yaml_text(const struct yaml_file *f, yaml_ref node);

/** Number of elements or of pairs. */
size_t yaml_count(const struct yaml_file *f, yaml_ref node);
yaml_ref yaml_list_at(const struct yaml_file *f, yaml_ref list, size_t i);
void yaml_map_at(const struct yaml_file *f, yaml_ref map, size_t i, const char **ret_key,
		 int *ret_key_line, yaml_ref *ret_value);

/** Value of a key; 0 when absent. */
yaml_ref yaml_map_get(const struct yaml_file *f, yaml_ref map, const char *key);

/**
 * Refuse keys outside a NULL-terminated list, with the nearest known key in the message.
 *
 * @retval ERR_INVALID
 */
enum err yaml_map_check_keys(const struct yaml_file *f, yaml_ref map, const char *const *known,
			     struct yaml_problem *ret_problem) WARN_UNUSED;

/** A plain decimal number without sign or leading zero, min..max. @retval ERR_INVALID */
enum err yaml_uint(const struct yaml_file *f, yaml_ref node, uint64_t min, uint64_t max,
		   uint64_t *ret, struct yaml_problem *ret_problem) WARN_UNUSED;

#endif
