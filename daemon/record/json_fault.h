/**
 * @file
 * Inside the record module only: where in the JSON a mistake stands, and the words for it. All
 * words fit into err_words() whole, and are printable: what the user wrote is quoted cleaned.
 */
#ifndef RECORD_JSON_FAULT_H
#define RECORD_JSON_FAULT_H

#include "base/err.h"
#include "wire/field_table.h"

#define JSON_TYPE_KEY "type"
#define JSON_PATH_MAX (FIELD_PATH_MAX + 16) /**< room for two indices, with the NUL */
#define JSON_QUOTE_MAX 40		    /**< bytes quoted of what the user wrote */

/** "family_member[2].relation"; all zero is the record itself. */
struct json_path {
	char text[JSON_PATH_MAX];
	size_t n;
};

/** Something that the user wrote, cleaned; room for "..." and the NUL. */
struct json_quoted {
	char text[JSON_QUOTE_MAX + 4];
};

/** Go down by a name or an index; gives the length to go back to with json_path_pop(). */
size_t json_path_push(struct json_path *path, const char *name);
size_t json_path_push_index(struct json_path *path, size_t i);
void json_path_pop(struct json_path *path, size_t before);

/** Printable ASCII of @p text, cut off when long; gives ret->text. */
const char *json_quote(const char *text, struct json_quoted *ret);

/** ERR_INVALID with "path: words". */
enum err json_fault(const struct json_path *path, const char *format, ...)
	__attribute__((format(printf, 2, 3))) WARN_UNUSED;

/** ERR_INVALID for a key that is no field of @p parent, naming the nearest that is. */
enum err json_fault_key(const struct json_path *path, enum record_type type,
			const struct field *parent, const char *key) WARN_UNUSED;

/** ERR_INVALID for text that is no JSON; @p words are the parser's. */
enum err json_fault_syntax(int line, int column, const char *words) WARN_UNUSED;

#endif
