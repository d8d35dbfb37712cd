#include "record/json.h"

#include <stdio.h>
#include <string.h>

#include "base/own.h"
#include "record/derive.h"
#include "record/slice.h"
#include "record/walk.h"

#define SYNTHETIC "SYNTHETIC-1" /* as local references of synthetic records begin */

/* Examples that people recognise, by code list; of the others, the first code. */
static const struct {
	const char *codes;
	const char *text;
} text_examples[] = {
	{"e164", "+420555010199"}, {"email", "synthetic@example.org"},
	{"iso-15924", "Latn"},	   {"iso-3166-1", "CZE"},
	{"iso-639-3", "ces"},	   {"nationality", "CZE"},
	{"un-locode", "CZPRG"},
};

static const struct {
	const char *codes;
	uint64_t number;
} number_examples[] = {
	{"age", 14},	{"day", 17}, {"height-cm", 158},
	{"month", 5},	{"seq", 1},  {"utc-us", 1767261600000000},
	{"year", 2012},
};

static const char *text_example(const struct field *field, char label[FIELD_REASON_MAX])
{
	const char *codes = field->codes ? codelist_name(field->codes) : "";

	for (size_t i = 0; i < ARRAY_LEN(text_examples); i++)
		if (strcmp(codes, text_examples[i].codes) == 0)
			return text_examples[i].text;
	if (field->codes)
		return codelist_code_at(field->codes, 0);
	(void)snprintf(label, FIELD_REASON_MAX, SYNTHETIC ": %s", field->label);
	if (strlen(label) > field->max_bytes)
		label[sizeof(SYNTHETIC) - 1] = '\0';
	return label;
}

static uint64_t number_example(const struct field *field)
{
	const char *codes = field->codes ? codelist_name(field->codes) : "";

	for (size_t i = 0; i < ARRAY_LEN(number_examples); i++)
		if (strcmp(codes, number_examples[i].codes) == 0)
			return number_examples[i].number;
	return 1;
}

/* As many bytes as the format wants: what is no ref, id or digest does not exist. */
static enum err bytes_example(const struct field *field, uint32_t number, struct buf *out)
{
	static const uint8_t bytes[64] = {0xa1, 0xb2, 0xc3, 0xd4, 0xe5, 0xf6, 0x07, 0x18};

	ASSERT(field->max_bytes <= sizeof(bytes));
	return wire_put_bytes(out, number, view_of(bytes, field->max_bytes));
}

static enum err message_example(const struct field *parent, enum record_type type, struct buf *out);

static enum err field_example(const struct field *field, struct buf *out)
{
	uint32_t number = field->numbers[field->depth - 1];
	CLEANUP(buf_fini) struct buf inside = {0};
	char label[FIELD_REASON_MAX];
	int code;
	enum err e;

	switch (field->kind) {
	case FIELD_TEXT:
		return wire_put_bytes(out, number, view_str(text_example(field, label)));
	case FIELD_BYTES:
		return bytes_example(field, number, out);
	case FIELD_BOOL:
		return wire_put_uint(out, number, 1);
	case FIELD_UINT:
		return wire_put_uint(out, number, number_example(field));
	case FIELD_ENUM:
		/* The first code of each list; of date_precision it is the one for a whole date. */
		ASSERT(codelist_number_of(field->codes, codelist_code_at(field->codes, 0), &code));
		return wire_put_uint(out, number, (uint64_t)code);
	case FIELD_MESSAGE:
		e = message_example(field, field->record_type, &inside);
		return e ? err_trace(e) : wire_put_bytes(out, number, buf_view(&inside));
	}
	return ERR_BUG;
}

static enum err message_example(const struct field *parent, enum record_type type, struct buf *out)
{
	const struct field *field = NULL;

	while ((field = field_table_next(type, parent, field))) {
		enum err e;

		if (derive_makes(field))
			continue;
		e = field_example(field, out);
		if (e)
			return err_trace(e);
	}
	return ERR_OK;
}

enum err record_template_json(enum record_type type, struct buf *out)
{
	CLEANUP(buf_fini) struct buf record = {0};
	enum err e;

	e = message_example(NULL, type, &record);
	if (e)
		return err_trace(e);
	return record_to_json(type, buf_view(&record), out);
}
