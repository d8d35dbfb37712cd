#include "record/json_fault.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

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

static size_t least(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

/* How many letters must be put in, taken out or changed (Levenshtein). */
static size_t edit_distance(const char *a, const char *b)
{
	size_t row[FIELD_PATH_MAX];
	size_t n = strlen(b);

	ASSERT(n < FIELD_PATH_MAX);
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

static const char *nearest(enum record_type type, const struct field *parent, const char *key)
{
	size_t best = strlen(key) / 3 + 1;
	const struct field *field = NULL;
	const char *name = NULL;

	if (strlen(key) >= FIELD_PATH_MAX)
		return NULL;
	while ((field = field_table_next(type, parent, field))) {
		size_t distance = edit_distance(key, field->name);

		if (distance <= best) {
			/* of equals the first */
			name = name && distance == best ? name : field->name;
			best = distance;
		}
	}
	return name;
}

enum err json_fault_key(const struct json_path *path, enum record_type type,
			const struct field *parent, const char *key)
{
	const char *near_by = nearest(type, parent, key);
	struct json_quoted quoted;

	(void)json_quote(key, &quoted);
	if (near_by)
		return err_new(ERR_INVALID, "%s%s%s: no such field; did you mean \"%s\"?",
			       path->text, path->n ? "." : "", quoted.text, near_by);
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
