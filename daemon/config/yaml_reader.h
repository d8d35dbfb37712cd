/**
 * @file
 * Strict YAML on libyaml's document API, whose nodes keep line and column: one document, no
 * anchors, aliases, tags, directives, byte-order mark, duplicate keys; every value is a string
 * until asked for as something else, quoted or not. Texts hold no control character and none that
 * changes the direction of writing (comments neither): what people read is what counts. Used for
 * the node's configuration and for agreements. The caller limits the bytes.
 *
 * Line numbers are those of libyaml, counted from 1.
 */
#ifndef CONFIG_YAML_READER_H
#define CONFIG_YAML_READER_H

#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/err.h"
#include "base/own.h"

#define YAML_NODES_MAX 20000
#define YAML_DEPTH_MAX 8 /**< maps and lists within each other */
#define YAML_KEYS_MAX 64 /**< keys of one map */
#define YAML_PROBLEM_MAX 300
#define YAML_QUOTE_MAX 80 /**< bytes of a quoted text with quotes and NUL */

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

/**
 * Read a document.
 *
 * @retval ERR_INVALID  with @p ret_problem
 * @retval ERR_NOMEM    likewise
 *
 * Owner: caller frees with yaml_file_free(); borrows nothing from @p in.
 */
enum err yaml_file_parse(struct view in, struct yaml_file **ret,
			 struct yaml_problem *ret_problem) WARN_UNUSED;
void yaml_file_free(struct yaml_file *f);
DEFINE_FREEP(struct yaml_file, yaml_file_free)

/** The outermost node; never 0. */
yaml_ref yaml_root(const struct yaml_file *f);

/** Kind of a node that there is. */
enum yaml_kind yaml_kind_of(const struct yaml_file *f, yaml_ref node);

/** Line that a node starts on; 0 for none. */
int yaml_line(const struct yaml_file *f, yaml_ref node);

/** Text of a YAML_TEXT node, strict UTF-8, may be empty; borrowed from @p f. NULL for others. */
const char *yaml_text(const struct yaml_file *f, yaml_ref node);

/** Number of elements of a list or of pairs of a map; 0 for others. */
size_t yaml_count(const struct yaml_file *f, yaml_ref node);

/** Element @p i, 0 .. yaml_count() - 1. */
yaml_ref yaml_list_at(const struct yaml_file *f, yaml_ref list, size_t i);

/** Pair @p i, 0 .. yaml_count() - 1, in the order of the file; outputs may be NULL. */
void yaml_map_at(const struct yaml_file *f, yaml_ref map, size_t i, const char **ret_key,
		 int *ret_key_line, yaml_ref *ret_value);

/** Value of a key; 0 when absent. */
yaml_ref yaml_map_get(const struct yaml_file *f, yaml_ref map, const char *key);

/**
 * Value of a key that must be there and of one kind; a YAML_TEXT must not be empty.
 *
 * @retval ERR_INVALID
 */
enum err yaml_map_need(const struct yaml_file *f, yaml_ref map, const char *key,
		       enum yaml_kind kind, yaml_ref *ret,
		       struct yaml_problem *ret_problem) WARN_UNUSED;

/**
 * Refuse what is no map, and keys outside a NULL-terminated list, with the nearest known key in the
 * message.
 *
 * @retval ERR_INVALID
 */
enum err yaml_map_check_keys(const struct yaml_file *f, yaml_ref map, const char *const *known,
			     struct yaml_problem *ret_problem) WARN_UNUSED;

/**
 * A decimal number without sign or leading zero, min..max.
 *
 * @param what  its key, for the message
 * @retval ERR_INVALID
 */
enum err yaml_uint(const struct yaml_file *f, yaml_ref node, const char *what, uint64_t min,
		   uint64_t max, uint64_t *ret, struct yaml_problem *ret_problem) WARN_UNUSED;

/** Refuse a node if it is not of @p kind: "must be a list"; a YAML_TEXT must not be empty. */
enum err yaml_check_kind(const struct yaml_file *f, yaml_ref node, enum yaml_kind kind,
			 const char *what, struct yaml_problem *ret_problem) WARN_UNUSED;

/** Fill @p ret_problem with a line and words. @return ERR_INVALID, always */
enum err yaml_fail(struct yaml_problem *ret_problem, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/** A text of the file in double quotes, cut, for a message. Returns @p ret. */
const char *yaml_quote(const char *text, char ret[YAML_QUOTE_MAX]);

#endif
