#include "record/json.h"

#include <inttypes.h>

#include "record/walk.h"

/* JSON on its way out; errors stick, so that the writing reads as the text does. */
struct out {
	struct buf *buf;
	unsigned int depth;
	enum err e;
};

static void put(struct out *o, const char *s)
{
	if (!o->e)
		o->e = buf_put_str(o->buf, s);
}

static void put_line(struct out *o)
{
	put(o, "\n");
	for (unsigned int i = 0; i < o->depth; i++)
		put(o, "  ");
}

static void put_open(struct out *o, const char *bracket)
{
	put(o, bracket);
	o->depth++;
}

static void put_close(struct out *o, const char *bracket)
{
	o->depth--;
	put_line(o);
	put(o, bracket);
}

/* Strict text holds no control character: quote and backslash are all there is to escape. */
static void put_text(struct out *o, struct view text)
{
	size_t from = 0;

	put(o, "\"");
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] != '"' && text.p[i] != '\\')
			continue;
		if (!o->e)
			o->e = buf_put(o->buf, text.p + from, i - from);
		put(o, "\\");
		from = i;
	}
	if (!o->e)
		o->e = buf_put(o->buf, text.p + from, text.n - from);
	put(o, "\"");
}

static void put_hex(struct out *o, struct view bytes)
{
	char hex[HEX_LEN(1)];

	put(o, "\"");
	for (size_t i = 0; i < bytes.n; i++) {
		hex_encode(view_of(bytes.p + i, 1), hex);
		put(o, hex);
	}
	put(o, "\"");
}

static enum err put_fields(struct out *o, enum record_type type, const struct field *parent,
			   struct view content);

static enum err put_value(struct out *o, const struct item *item)
{
	const struct field *field = item->field;
	const struct wire_field *at = &item->at;
	enum err e;

	switch (field->kind) {
	case FIELD_TEXT:
		put_text(o, at->value);
		break;
	case FIELD_BYTES:
		put_hex(o, at->value);
		break;
	case FIELD_BOOL:
		put(o, at->varint ? "true" : "false");
		break;
	case FIELD_UINT:
		if (!o->e)
			o->e = buf_printf(o->buf, "%" PRIu64, at->varint);
		break;
	case FIELD_ENUM:
		put_text(o, view_str(codelist_code_of(field->codes, (int)at->varint)));
		break;
	case FIELD_MESSAGE:
		put_open(o, "{");
		e = put_fields(o, field->record_type, field, at->value);
		if (e)
			return err_trace(e);
		put_close(o, "}");
		break;
	}
	return o->e;
}

/* Key, or for an element after the first of its field only the comma; closes the list before. */
static void put_key(struct out *o, const struct field *last, const struct field *field)
{
	if (last == field) {
		put(o, ",");
		put_line(o);
		return;
	}
	if (last && last->is_repeated)
		put_close(o, "]");
	if (last || !field->parent) /* at the top, "type" stands before */
		put(o, ",");
	put_line(o);
	put_text(o, view_str(field->name));
	put(o, ": ");
	if (field->is_repeated) {
		put_open(o, "[");
		put_line(o);
	}
}

static enum err put_fields(struct out *o, enum record_type type, const struct field *parent,
			   struct view content)
{
	struct walk w = walk_begin(type, parent, content);
	const struct field *last = NULL;
	struct item item;
	enum err e;

	while (!walk_is_end(&w)) {
		e = walk_next(&w, &item);
		if (e)
			return err_trace(e);
		put_key(o, last, item.field);
		e = put_value(o, &item);
		if (e)
			return err_trace(e);
		last = item.field;
	}
	if (last && last->is_repeated)
		put_close(o, "]");
	return o->e;
}

/* Every value, so that the writing need not doubt one. */
static enum err record_check(enum record_type type, struct view record)
{
	struct walk w = walk_begin(type, NULL, record);
	struct item item;

	while (!walk_is_end(&w)) {
		enum err e = walk_next(&w, &item);

		if (e)
			return err_trace(e);
		e = item_check(&item, WALK_DATES_ANY);
		if (e)
			return err_trace(e);
	}
	return ERR_OK;
}

enum err record_to_json(enum record_type type, struct view record, struct buf *out)
{
	struct out o = {.buf = out};
	size_t before = out->n;
	enum err e;

	e = record_check(type, record);
	if (e)
		return err_trace(e);
	put_open(&o, "{");
	put_line(&o);
	put(&o, "\"type\": ");
	put_text(&o, view_str(record_type_name(type)));
	e = put_fields(&o, type, NULL, record);
	put_close(&o, "}");
	put(&o, "\n");
	if (!e)
		e = o.e;
	if (e) {
		out->n = before;
		return err_trace(e);
	}
	return ERR_OK;
}
