#include "record/walk.h"

#include <string.h>

#include "record/slice.h"
#include "wire/text.h"

static uint32_t number_of(const struct field *field)
{
	return field->numbers[field->depth - 1];
}

static enum wire_type wire_type_of(const struct field *field)
{
	switch (field->kind) {
	case FIELD_TEXT:
	case FIELD_BYTES:
	case FIELD_MESSAGE:
		return WIRE_BYTES;
	case FIELD_BOOL:
	case FIELD_UINT:
	case FIELD_ENUM:
		return WIRE_VARINT;
	}
	ASSERT(false);
	return WIRE_VARINT;
}

static const char *path_of(const struct field *field)
{
	return field ? field->path : "record";
}

struct walk walk_begin(enum record_type type, const struct field *parent, struct view in)
{
	return (struct walk){.type = type, .parent = parent, .in = wire_reader(in)};
}

enum err walk_next(struct walk *w, struct item *ret)
{
	const struct field *field = w->last;
	size_t n_same = 1;
	struct wire_field at;
	enum err e;

	e = wire_next(&w->in, &at);
	if (e)
		return err_trace(e);
	if (field && number_of(field) == at.number) {
		if (!field->is_repeated)
			return err_new(ERR_CANONICAL, "%s: twice", field->path);
		if (w->n_same >= field->max_count)
			return err_new(ERR_INVALID, "%s: more than %u elements", field->path,
				       (unsigned int)field->max_count);
		n_same = w->n_same + 1;
	} else {
		/* Fields stand in the order of their numbers, in the table as in the encoding. */
		do {
			field = field_table_next(w->type, w->parent, field);
		} while (field && number_of(field) < at.number);
		if (!field || number_of(field) != at.number)
			return err_new(ERR_CANONICAL, "%s: field unknown or out of order",
				       path_of(w->parent));
	}
	if (at.type != wire_type_of(field))
		return err_new(ERR_FORMAT, "%s: wire type", field->path);
	w->last = field;
	w->n_same = n_same;
	*ret = (struct item){.field = field, .at = at};
	return ERR_OK;
}

/* The reason in our own words: those of the value check may quote the value. */
static enum err refuse(const struct field *field)
{
	if (field->codes)
		return err_new(ERR_INVALID, "%s: is no %s", field->path,
			       codelist_title(field->codes));
	return err_new(ERR_INVALID, "%s: is empty, too long or too large", field->path);
}

static enum err message_check(const struct field *field, struct view content, enum walk_dates dates)
{
	struct walk w = walk_begin(field->record_type, field, content);
	struct item item;
	enum err e;

	if (content.n == 0)
		return err_new(ERR_INVALID, "%s: is empty", field->path);
	while (!walk_is_end(&w)) {
		e = walk_next(&w, &item);
		if (e)
			return err_trace(e);
		/* Goes as deep as the field table, no deeper. */
		e = item_check(&item, dates);
		if (e)
			return err_trace(e);
	}
	if (field->is_date && dates == WALK_DATES_WHOLE)
		return date_check(field, content);
	return ERR_OK;
}

enum err item_check(const struct item *item, enum walk_dates dates)
{
	const struct field *field = item->field;
	const struct wire_field *at = &item->at;
	struct field_reason reason;
	bool is_good = true;

	switch (field->kind) {
	case FIELD_TEXT:
		if (!text_is_valid(at->value))
			return err_new(ERR_TEXT, "%s: is no strict text", field->path);
		is_good = field_check_text(field, (const char *)at->value.p, at->value.n, &reason);
		break;
	case FIELD_BYTES:
		is_good = field_check_bytes(field, at->value.p, at->value.n, &reason);
		break;
	case FIELD_BOOL:
		if (at->varint > 1)
			return err_new(ERR_CANONICAL, "%s: is neither 0 nor 1", field->path);
		break;
	case FIELD_UINT:
		is_good = field_check_uint(field, at->varint, &reason);
		break;
	case FIELD_ENUM:
		is_good = at->varint <= INT32_MAX &&
			  field_check_enum(field, (int64_t)at->varint, &reason);
		break;
	case FIELD_MESSAGE:
		return message_check(field, at->value, dates);
	}
	return is_good ? ERR_OK : refuse(field);
}

enum err date_read(const struct field *date, struct view content, struct field_date *ret)
{
	struct walk w = walk_begin(date->record_type, date, content);
	struct field_date d = {0};
	struct item item;

	while (!walk_is_end(&w)) {
		enum err e = walk_next(&w, &item);

		if (e)
			return err_trace(e);
		if (strcmp(item.field->name, "year") == 0)
			d.year = (uint32_t)item.at.varint;
		else if (strcmp(item.field->name, "month") == 0)
			d.month = (uint32_t)item.at.varint;
		else if (strcmp(item.field->name, "day") == 0)
			d.day = (uint32_t)item.at.varint;
		else
			d.precision = (int)item.at.varint;
	}
	*ret = d;
	return ERR_OK;
}

enum err date_check(const struct field *date, struct view content)
{
	struct field_reason reason;
	struct field_date d;
	const char *part;
	enum err e;

	e = date_read(date, content, &d);
	if (e)
		return err_trace(e);
	if (!field_date_check(&d, &part, &reason))
		return err_new(ERR_INVALID, "%s.%s: does not fit the rest of the date", date->path,
			       part);
	return ERR_OK;
}

enum err slice_put(const struct field *unit, struct view leaf, struct buf *out)
{
	size_t n_content[FIELD_DEPTH_MAX]; /* at each level; 0 is the record */
	size_t last = unit->depth - 1u;
	enum err e;

	n_content[last] = leaf.n;
	for (size_t level = last; level > 0; level--)
		n_content[level - 1] = wire_bytes_size(unit->numbers[level - 1], n_content[level]);
	for (size_t level = 0; level < last; level++) {
		e = wire_put_tag(out, unit->numbers[level], WIRE_BYTES);
		if (e)
			return err_trace(e);
		e = wire_put_varint(out, n_content[level + 1]);
		if (e)
			return err_trace(e);
	}
	return buf_put_view(out, leaf);
}

enum err slice_open(enum record_type type, struct view slice, struct item *ret)
{
	const struct field *parent = NULL;
	struct view in = slice;

	if (slice.n > RECORD_BYTES_MAX)
		return err_new(ERR_LIMIT, "slice of %zu bytes", slice.n);
	for (;;) {
		struct walk w = walk_begin(type, parent, in);
		struct item item;
		enum err e;

		if (in.n == 0)
			return err_new(ERR_INVALID, "%s: is empty", path_of(parent));
		e = walk_next(&w, &item);
		if (e)
			return err_trace(e);
		if (!walk_is_end(&w))
			return err_new(ERR_CANONICAL, "%s: more than one leaf", path_of(parent));
		if (item.field->is_unit) {
			*ret = item;
			return ERR_OK;
		}
		parent = item.field;
		in = item.at.value;
	}
}
