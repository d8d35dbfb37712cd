#include "record/json.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/own.h"
#include "record/json_fault.h"
#include "record/slice.h"
#include "record/walk.h"
#include "wire/text.h"

#define JSON_BYTES_MAX (1024 * 1024)
#define JSON_DEPTH_MAX 16 /* twice what a record can need */

static void json_freep(json_t **j)
{
	json_decref(*j);
}

static const char *kind_words(enum field_kind kind)
{
	switch (kind) {
	case FIELD_TEXT:
		return "a text in quotes";
	case FIELD_BYTES:
		return "hexadecimal digits in quotes";
	case FIELD_BOOL:
		return "true or false";
	case FIELD_UINT:
		return "a whole number";
	case FIELD_ENUM:
		return "a code in quotes";
	case FIELD_MESSAGE:
		return "an object {...}";
	}
	return "something else";
}

static bool is_of_kind(json_t *j, enum field_kind kind)
{
	switch (kind) {
	case FIELD_TEXT:
	case FIELD_BYTES:
	case FIELD_ENUM:
		return json_is_string(j);
	case FIELD_BOOL:
		return json_is_boolean(j);
	case FIELD_UINT:
		return json_is_integer(j);
	case FIELD_MESSAGE:
		return json_is_object(j);
	}
	return false;
}

static enum err read_text(const struct json_path *path, const struct field *field, json_t *j,
			  struct buf *out)
{
	struct view text = view_of(json_string_value(j), json_string_length(j));
	struct field_reason reason;

	if (!text_is_valid(text))
		return json_fault(path, "holds a line break, another control character or one "
					"that changes the direction of writing");
	if (!field_check_text(field, (const char *)text.p, text.n, &reason))
		return json_fault(path, "%s", reason.text);
	return wire_put_bytes(out, field->numbers[field->depth - 1], text);
}

static enum err read_bytes(const struct json_path *path, const struct field *field, json_t *j,
			   struct buf *out)
{
	uint8_t bytes[64];
	const char *hex = json_string_value(j);
	size_t n = strlen(hex) / 2;
	struct field_reason reason;

	ASSERT(field->max_bytes <= sizeof(bytes));
	if (strlen(hex) > 2 * sizeof(bytes))
		return json_fault(path, "has %zu digits, at most %" PRIu32 " are allowed",
				  strlen(hex), 2 * field->max_bytes);
	if (hex_decode(hex, bytes, n))
		return json_fault(path, "is not hexadecimal: pairs of 0-9 and a-f");
	if (!field_check_bytes(field, bytes, n, &reason))
		return json_fault(path, "%s", reason.text);
	return wire_put_bytes(out, field->numbers[field->depth - 1], view_of(bytes, n));
}

static enum err read_uint(const struct json_path *path, const struct field *field, json_t *j,
			  struct buf *out)
{
	json_int_t number = json_integer_value(j);
	struct field_reason reason;

	if (number < 0)
		return json_fault(path, "is below zero");
	if (!field_check_uint(field, (uint64_t)number, &reason))
		return json_fault(path, "%s", reason.text);
	return wire_put_uint(out, field->numbers[field->depth - 1], (uint64_t)number);
}

static enum err read_enum(const struct json_path *path, const struct field *field, json_t *j,
			  struct buf *out)
{
	struct field_reason reason;
	int number;

	if (!field_enum_from_code(field, json_string_value(j), &number, &reason))
		return json_fault(path, "%s", reason.text);
	return wire_put_uint(out, field->numbers[field->depth - 1], (uint64_t)number);
}

static enum err read_object(struct json_path *path, enum record_type type,
			    const struct field *parent, json_t *object, struct buf *out);

static enum err read_date(struct json_path *path, const struct field *field, struct view content)
{
	struct field_reason reason;
	struct field_date date;
	const char *part;
	enum err e;

	e = date_read(field, content, &date);
	if (e)
		return err_trace(e);
	if (field_date_check(&date, &part, &reason))
		return ERR_OK;
	(void)json_path_push(path, part);
	return json_fault(path, "%s", reason.text);
}

static enum err read_message(struct json_path *path, const struct field *field, json_t *j,
			     struct buf *out)
{
	CLEANUP(buf_fini) struct buf inside = {0};
	enum err e;

	e = read_object(path, field->record_type, field, j, &inside);
	if (e)
		return err_trace(e);
	if (field->is_date) {
		e = read_date(path, field, buf_view(&inside));
		if (e)
			return err_trace(e);
	}
	return wire_put_bytes(out, field->numbers[field->depth - 1], buf_view(&inside));
}

static enum err read_value(struct json_path *path, const struct field *field, json_t *j,
			   struct buf *out)
{
	if (json_is_null(j))
		return json_fault(path, "null is no value; leave the key out");
	if (!is_of_kind(j, field->kind))
		return json_fault(path, "should be %s", kind_words(field->kind));
	switch (field->kind) {
	case FIELD_TEXT:
		return read_text(path, field, j, out);
	case FIELD_BYTES:
		return read_bytes(path, field, j, out);
	case FIELD_BOOL:
		return wire_put_uint(out, field->numbers[field->depth - 1], json_is_true(j));
	case FIELD_UINT:
		return read_uint(path, field, j, out);
	case FIELD_ENUM:
		return read_enum(path, field, j, out);
	case FIELD_MESSAGE:
		return read_message(path, field, j, out);
	}
	return ERR_BUG;
}

static enum err read_list(struct json_path *path, const struct field *field, json_t *list,
			  struct buf *out)
{
	size_t n = json_array_size(list);

	if (!json_is_array(list))
		return json_fault(path, "should be a list [...]");
	if (n == 0)
		return json_fault(path, "is empty; leave the key out");
	if (n > field->max_count)
		return json_fault(path, "has %zu elements, at most %u are allowed", n,
				  (unsigned int)field->max_count);
	for (size_t i = 0; i < n; i++) {
		size_t before = json_path_push_index(path, i);
		enum err e = read_value(path, field, json_array_get(list, i), out);

		if (e)
			return err_trace(e);
		json_path_pop(path, before);
	}
	return ERR_OK;
}

static enum err check_keys(const struct json_path *path, enum record_type type,
			   const struct field *parent, json_t *object)
{
	for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
		const char *key = json_object_iter_key(at);

		if (!parent && strcmp(key, JSON_TYPE_KEY) == 0)
			continue;
		if (!field_table_find_in(type, parent, key))
			return json_fault_key(path, type, parent, key);
	}
	return ERR_OK;
}

static enum err read_object(struct json_path *path, enum record_type type,
			    const struct field *parent, json_t *object, struct buf *out)
{
	const struct field *field = NULL;
	enum err e;

	if (json_object_size(object) == (parent ? 0u : 1u))
		return json_fault(path, parent ? "is empty; leave the key out" : "no fields");
	e = check_keys(path, type, parent, object);
	if (e)
		return err_trace(e);
	while ((field = field_table_next(type, parent, field))) {
		json_t *j = json_object_get(object, field->name);
		size_t before;

		if (!j)
			continue;
		before = json_path_push(path, field->name);
		e = field->is_repeated ? read_list(path, field, j, out)
				       : read_value(path, field, j, out);
		if (e)
			return err_trace(e);
		json_path_pop(path, before);
	}
	return ERR_OK;
}

/* Before jansson sees it: how deep brackets stand within each other, outside texts. */
static bool is_too_deep(struct view text)
{
	size_t depth = 0;
	bool is_quoted = false;

	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];

		if (is_quoted && c == '\\')
			i++;
		else if (c == '"')
			is_quoted = !is_quoted;
		else if (!is_quoted && (c == '{' || c == '[') && ++depth > JSON_DEPTH_MAX)
			return true;
		else if (!is_quoted && (c == '}' || c == ']') && depth > 0)
			depth--;
	}
	return false;
}

static enum err load(struct view text, json_t **ret)
{
	json_error_t fault;
	json_t *root;

	if (text.n > JSON_BYTES_MAX)
		return err_new(ERR_INVALID, "file of %zu bytes, at most %d", text.n,
			       JSON_BYTES_MAX);
	if (is_too_deep(text))
		return err_new(ERR_INVALID, "brackets stand more than %d deep", JSON_DEPTH_MAX);
	root = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, &fault);
	if (!root && json_error_code(&fault) == json_error_out_of_memory)
		return err_new(ERR_NOMEM, "JSON");
	if (!root)
		return json_fault_syntax(fault.line, fault.column, fault.text);
	*ret = root;
	return ERR_OK;
}

static enum err read_type(const json_t *root, enum record_type *ret)
{
	const struct json_path path = {.text = JSON_TYPE_KEY, .n = sizeof(JSON_TYPE_KEY) - 1};
	const char *name = json_string_value(json_object_get(root, JSON_TYPE_KEY));
	struct json_quoted quoted;

	if (!json_is_object(root))
		return err_new(ERR_INVALID, "a record is an object {...}");
	if (!name)
		return json_fault(&path, "is missing: \"VictimRecord\" or \"CaseRecord\"");
	if (!record_type_from_name(name, ret))
		return json_fault(&path,
				  "\"%s\" is no record type (one of: VictimRecord, CaseRecord)",
				  json_quote(name, &quoted));
	return ERR_OK;
}

/* What was read is whole and right but for its size; cut and joined it stands in canonical order.
 */
static enum err settle(enum record_type type, struct view record, struct buf *out)
{
	CLEANUP(slice_set_fini) struct slice_set s = {0};
	CLEANUP(freep) struct view *slice = NULL;
	enum err e;

	e = record_cut(type, record, &s);
	if (e == ERR_LIMIT) {
		char words[ERR_DETAIL_MAX];

		(void)snprintf(words, sizeof(words), "%s", err_words());
		return err_new(ERR_INVALID, "%.200s", words);
	}
	if (e)
		return err_trace(e);
	slice = reallocarray(NULL, s.n, sizeof(*slice));
	if (!slice)
		return err_new(ERR_NOMEM, "%zu slices", s.n);
	for (size_t i = 0; i < s.n; i++)
		slice[i] = s.slice[i].bytes;
	return record_join(type, slice, s.n, out);
}

enum err record_from_json(struct view text, enum record_type *ret_type, struct buf *out)
{
	CLEANUP(json_freep) json_t *root = NULL;
	CLEANUP(buf_fini) struct buf record = {0};
	struct json_path path = {0};
	enum record_type type;
	enum err e;

	e = load(text, &root);
	if (e)
		return err_trace(e);
	e = read_type(root, &type);
	if (e)
		return err_trace(e);
	e = read_object(&path, type, NULL, root, &record);
	if (e)
		return err_trace(e);
	e = settle(type, buf_view(&record), out);
	if (e)
		return err_trace(e);
	*ret_type = type;
	return ERR_OK;
}
