#include "record/json_fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"

#define WORDS_MAX 224 /* what err_new() keeps, less the file and line before it */

static size_t path_grow(struct json_path *path, int n)
{
	size_t before = path->n;

	/* The longest path of the table and two indices fit. */
	ASSERT(n >= 0 && (size_t)n < sizeof(path->text) - before);
	path->n += (size_t)n;
	return before;
}

size_t json_path_push(struct json_path *path, const char *name)
{
	return path_grow(path, snprintf(path->text + path->n, sizeof(path->text) - path->n, "%s%s",
					path->n ? "." : "", name));
}

size_t json_path_push_index(struct json_path *path, size_t i)
{
	return path_grow(path,
			 snprintf(path->text + path->n, sizeof(path->text) - path->n, "[%zu]", i));
}

void json_path_pop(struct json_path *path, size_t before)
{
	path->n = before;
	path->text[before] = '\0';
}

static char printable(char c)
{
	return c >= ' ' && c <= '~' ? c : '?';
}

const char *json_quote(const char *text, struct json_quoted *ret)
{
	size_t n = 0;

	for (; n < JSON_QUOTE_MAX && text[n]; n++)
		ret->text[n] = printable(text[n]);
	memcpy(ret->text + n, text[n] ? "..." : "", text[n] ? 4 : 1);
	return ret->text;
}

enum err json_fault(const struct json_path *path, const char *format, ...)
{
	char words[WORDS_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	return err_new(ERR_INVALID, "%s%s%s", path->text, path->n ? ": " : "", words);
}

enum err json_fault_key(const struct json_path *path, enum record_type type,
			const struct field *parent, const char *key)
{
	struct nearest near_by = nearest_begin(key);
	const struct field *field = NULL;
	struct json_quoted quoted;

	while ((field = field_table_next(type, parent, field)))
		nearest_see(&near_by, field->name);
	(void)json_quote(key, &quoted);
	if (near_by.name)
		return err_new(ERR_INVALID, "%s%s%s: no such field; did you mean \"%s\"?",
			       path->text, path->n ? "." : "", quoted.text, near_by.name);
	return err_new(ERR_INVALID, "%s%s%s: no such field", path->text, path->n ? "." : "",
		       quoted.text);
}

enum err json_fault_syntax(int line, int column, const char *words)
{
	char clean[160];
	size_t n = 0;

	for (; n < sizeof(clean) - 1 && words[n]; n++)
		clean[n] = printable(words[n]);
	clean[n] = '\0';
	return err_new(ERR_INVALID, "line %d, column %d: %s", line, column, clean);
}
