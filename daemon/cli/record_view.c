#include "cli/record_view.h"

#include <string.h>
#include <sysexits.h>

#include "cli/json.h"
#include "cli/moment.h"
#include "cli/terminal.h"
#include "record/json.h"

#define RECORD_KEY "record"
#define TYPE_KEY "type"
#define INDENT 2
#define GAP 2

/* The record's encoding as JSON of the schema. */
static json_t *record_json(enum record_type type, struct view bytes)
{
	CLEANUP(buf_fini) struct buf text = {0};

	if (record_to_json(type, bytes, &text))
		return NULL;
	return json_loadb((const char *)buf_data(&text), text.n, JSON_REJECT_DUPLICATES, NULL);
}

int record_view_json(const struct pb_record_content *content, json_t **ret)
{
	struct view bytes = message_bytes(content->has_record, content->record);
	json_t *row = json_from_message(content);
	json_t *record;
	enum record_type type;

	if (!row)
		return cli_fail(EX_OSERR, "out of memory");
	if (content->has_record) {
		record = content->type && record_type_from_name(content->type, &type)
				 ? record_json(type, bytes)
				 : NULL;
		if (!record || json_object_set_new(row, RECORD_KEY, record)) {
			json_decref(row);
			return cli_fail(EX_PROTOCOL,
					"what the node sent is no record of this schema: are "
					"amparo and amparod of the same version?");
		}
	}
	*ret = row;
	return EX_OK;
}

/* The fields are gone through twice: for the width of the labels, then to print them. */
struct page {
	FILE *out; /* NULL: measure */
	size_t width;
};

static void print_head(const struct page *page, int indent, const char *label, size_t number)
{
	if (!page->out)
		return;
	if (number)
		(void)fprintf(page->out, "%*s%s %zu\n", indent, "", label, number);
	else
		(void)fprintf(page->out, "%*s%s\n", indent, "", label);
}

static enum err print_line(struct page *page, int indent, const char *label, const char *value)
{
	CLEANUP(buf_fini) struct buf clean = {0};
	size_t width = (size_t)indent + strlen(label); /* labels are ASCII */
	enum err e;

	if (!page->out) {
		page->width = width > page->width ? width : page->width;
		return ERR_OK;
	}
	e = terminal_clean(view_str(value), &clean);
	if (!e)
		e = buf_put_u8(&clean, 0);
	if (e)
		return err_trace(e);
	(void)fprintf(page->out, "%*s%s%*s%s\n", indent, "", label,
		      (int)(page->width - width) + GAP, "", (const char *)buf_data(&clean));
	return ERR_OK;
}

static const char *scalar_text(const struct field *field, const json_t *value, char ret[MOMENT_MAX])
{
	char written[MOMENT_MAX];

	ret[0] = '\0';
	if (json_is_string(value))
		return json_string_value(value);
	if (json_is_boolean(value))
		return json_is_true(value) ? "yes" : "no";
	if (!json_is_integer(value))
		return ret;
	if (field->codes && strcmp(codelist_name(field->codes), "utc-us") == 0)
		return moment_for_people(moment_write((uint64_t)json_integer_value(value), written),
					 ret);
	(void)snprintf(ret, MOMENT_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	return ret;
}

/* A date of which any part may be withheld: "2010-03-? (month)". */
static enum err print_date(struct page *page, int indent, const struct field *field,
			   const json_t *date)
{
	static const char *const part[] = {"year", "month", "day"};
	const char *precision = json_string_value(json_object_get(date, "precision"));
	char text[64];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(part); i++) {
		const json_t *value = json_object_get(date, part[i]);
		int added =
			json_is_integer(value)
				? snprintf(text + n, sizeof(text) - n, "%s%02" JSON_INTEGER_FORMAT,
					   i ? "-" : "", json_integer_value(value))
				: snprintf(text + n, sizeof(text) - n, "%s?", i ? "-" : "");

		ASSERT(added > 0 && n + (size_t)added < sizeof(text));
		n += (size_t)added;
	}
	if (precision)
		(void)snprintf(text + n, sizeof(text) - n, " (%s)", precision);
	return print_line(page, indent, field->label, text);
}

static enum err print_object(struct page *page, int indent, enum record_type type,
			     const struct field *parent, const json_t *object);

static enum err print_one(struct page *page, int indent, const struct field *field,
			  const json_t *value)
{
	char room[MOMENT_MAX];

	if (field->is_date)
		return print_date(page, indent, field, value);
	if (json_is_object(value))
		return print_object(page, indent, field->record_type, field, value);
	return print_line(page, indent, field->label, scalar_text(field, value, room));
}

static enum err print_list(struct page *page, int indent, const struct field *field,
			   const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *value = json_array_get(list, i);
		bool is_object = json_is_object(value) && !field->is_date;
		enum err e;

		if (is_object)
			print_head(page, indent, field->label, i + 1);
		e = print_one(page, indent + (is_object ? INDENT : 0), field, value);
		if (e)
			return err_trace(e);
	}
	return ERR_OK;
}

/* Labels say what their groups are; only those at the top get a line of their own. */
static enum err print_object(struct page *page, int indent, enum record_type type,
			     const struct field *parent, const json_t *object)
{
	const struct field *field = NULL;

	while ((field = field_table_next(type, parent, field))) {
		const json_t *value = json_object_get(object, field->name);
		bool is_top = !parent && json_is_object(value);
		enum err e;

		if (!value)
			continue;
		if (is_top)
			print_head(page, indent, field->label, 0);
		e = json_is_array(value)
			    ? print_list(page, indent, field, value)
			    : print_one(page, indent + (is_top ? INDENT : 0), field, value);
		if (e)
			return err_trace(e);
	}
	return ERR_OK;
}

int record_view_print(struct cli *cli, const json_t *content)
{
	const json_t *record = json_object_get(content, RECORD_KEY);
	const char *name = json_string_value(json_object_get(record, TYPE_KEY));
	struct page page = {.out = NULL};
	enum record_type type;
	enum err e;

	if (!name || !record_type_from_name(name, &type))
		return EX_OK;
	(void)fputc('\n', cli->out);
	e = print_object(&page, 0, type, NULL, record);
	page.out = cli->out;
	if (!e)
		e = print_object(&page, 0, type, NULL, record);
	return e ? cli_fail(EX_OSERR, "out of memory") : EX_OK;
}
