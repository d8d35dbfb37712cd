#include "wire/codelist.h"

#include <string.h>

#include "base/err.h"
#include "wire/field_data.h"

#define E164_DIGITS_MIN 7 /* shorter ones are short codes of one country */
#define E164_DIGITS_MAX 15
#define EMAIL_BYTES_MAX 254	      /* RFC 5321 4.5.3.1.3, without the angle brackets */
#define UTC_US_MAX 253402300799999999 /* end of the year 9999 */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

/* ITU-T E.164: '+', country code without a leading zero, at most 15 digits, no separators. */
static bool e164_is_valid(const char *text, size_t n_bytes)
{
	if (n_bytes < 1 + E164_DIGITS_MIN || n_bytes > 1 + E164_DIGITS_MAX)
		return false;
	if (text[0] != '+' || text[1] == '0')
		return false;
	for (size_t i = 1; i < n_bytes; i++) {
		if (!is_digit(text[i]))
			return false;
	}
	return true;
}

/*
 * One '@' that is neither first nor last, a dot in the domain, nothing that could break a line or a
 * header. Bytes over 127 are let through: addresses may be international (RFC 6531).
 */
static bool email_is_valid(const char *text, size_t n_bytes)
{
	const char *at = memchr(text, '@', n_bytes);
	const char *end = text + n_bytes;

	if (!at || at == text || n_bytes > EMAIL_BYTES_MAX)
		return false;
	for (const char *p = text; p < end; p++) {
		unsigned char c = (unsigned char)*p;

		if (c <= ' ' || c == 0x7f || strchr("<>()[],;:\\\"", c) || (c == '@' && p != at))
			return false;
	}
	const char *dot = memchr(at, '.', (size_t)(end - at));

	return dot && dot > at + 1 && end[-1] != '.';
}

/* UNECE Recommendation 16: two letters of the country, three of A-Z and 2-9 for the place. */
static bool un_locode_is_valid(const char *text, size_t n_bytes)
{
	if (n_bytes != 5 || !is_upper(text[0]) || !is_upper(text[1]))
		return false;
	for (size_t i = 2; i < n_bytes; i++) {
		if (!is_upper(text[i]) && (text[i] < '2' || text[i] > '9'))
			return false;
	}
	return true;
}

#define FORMAT_TEXT(format_name, format_title, function)                                           \
	{                                                                                          \
		.name = (format_name), .title = (format_title), .kind = CODELIST_FORMAT,           \
		.text_is_valid = (function)                                                        \
	}
#define FORMAT_NUMBER(format_name, format_title, min, max)                                         \
	{                                                                                          \
		.name = (format_name), .title = (format_title), .kind = CODELIST_FORMAT,           \
		.number_min = (min), .number_max = (max)                                           \
	}
#define FORMAT_BYTES(format_name, format_title, length)                                            \
	{                                                                                          \
		.name = (format_name), .title = (format_title), .kind = CODELIST_FORMAT,           \
		.n_bytes = (length)                                                                \
	}

const struct codelist codelist_formats[CODELIST_N_FORMATS] = {
	[CODELIST_FORMAT_AGE] = FORMAT_NUMBER("age", "age in years up to 120", 0, 120),
	[CODELIST_FORMAT_DAY] = FORMAT_NUMBER("day", "day of a month", 1, 31),
	[CODELIST_FORMAT_E164] = FORMAT_TEXT(
		"e164", "telephone number of E.164, such as +420123456789", e164_is_valid),
	[CODELIST_FORMAT_EMAIL] = FORMAT_TEXT("email", "e-mail address", email_is_valid),
	[CODELIST_FORMAT_HEIGHT_CM] =
		FORMAT_NUMBER("height-cm", "height from 20 to 260 cm", 20, 260),
	[CODELIST_FORMAT_MONTH] = FORMAT_NUMBER("month", "month", 1, 12),
	[CODELIST_FORMAT_RECORD_ID] = FORMAT_BYTES("record-id", "record id of 16 bytes", 16),
	[CODELIST_FORMAT_REF] = FORMAT_BYTES("ref", "reference of 8 bytes", FIELD_REF_BYTES),
	[CODELIST_FORMAT_SEQ] = FORMAT_NUMBER("seq", "place in an order from 1 to 999", 1, 999),
	[CODELIST_FORMAT_SHA_256] = FORMAT_BYTES("sha-256", "SHA-256 digest of 32 bytes", 32),
	[CODELIST_FORMAT_UN_LOCODE] =
		FORMAT_TEXT("un-locode", "UN/LOCODE, such as CZPRG", un_locode_is_valid),
	[CODELIST_FORMAT_UTC_US] =
		FORMAT_NUMBER("utc-us", "time in microseconds since 1970-01-01 UTC", 1, UTC_US_MAX),
	[CODELIST_FORMAT_YEAR] = FORMAT_NUMBER("year", "year from 1900 to 2200", 1900, 2200),
};

const struct codelist *codelist_find(const char *name)
{
	for (size_t i = 0; i < codelist_n_data; i++) {
		if (strcmp(codelist_data[i].name, name) == 0)
			return &codelist_data[i];
	}
	for (size_t i = 0; i < CODELIST_N_FORMATS; i++) {
		if (strcmp(codelist_formats[i].name, name) == 0)
			return &codelist_formats[i];
	}
	return NULL;
}

const char *codelist_name(const struct codelist *list)
{
	return list->name;
}

enum codelist_kind codelist_kind(const struct codelist *list)
{
	return list->kind;
}

const char *codelist_title(const struct codelist *list)
{
	return list->title;
}

size_t codelist_count(const struct codelist *list)
{
	return list->n_codes;
}

const char *codelist_code_at(const struct codelist *list, size_t i)
{
	ASSERT(i < list->n_codes);
	return list->codes ? list->codes[i].code : list->set + i * list->n_set_stride;
}

static bool set_has(const struct codelist *list, const char *text, size_t n_bytes)
{
	size_t low = 0;
	size_t high = list->n_codes;

	if (n_bytes != list->n_set_stride - 1)
		return false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = memcmp(text, list->set + middle * list->n_set_stride, n_bytes);

		if (order == 0)
			return true;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}

static bool enum_has(const struct codelist *list, const char *text, size_t n_bytes)
{
	for (size_t i = 0; i < list->n_codes; i++) {
		const char *code = list->codes[i].code;

		if (strlen(code) == n_bytes && memcmp(code, text, n_bytes) == 0)
			return true;
	}
	return false;
}

bool codelist_has_text(const struct codelist *list, const char *text, size_t n_bytes)
{
	switch (list->kind) {
	case CODELIST_ENUM:
		return enum_has(list, text, n_bytes);
	case CODELIST_SET:
		return set_has(list, text, n_bytes);
	case CODELIST_FORMAT:
		return list->text_is_valid && n_bytes > 0 && list->text_is_valid(text, n_bytes);
	}
	return false;
}

bool codelist_has_number(const struct codelist *list, uint64_t number)
{
	if (list->kind == CODELIST_FORMAT)
		return list->number_max > 0 && number >= list->number_min &&
		       number <= list->number_max;
	return number <= INT32_MAX && codelist_code_of(list, (int)number) != NULL;
}

bool codelist_has_length(const struct codelist *list, size_t n_bytes)
{
	return list->n_bytes > 0 && n_bytes == list->n_bytes;
}

bool codelist_number_of(const struct codelist *list, const char *code, int *ret)
{
	if (list->kind != CODELIST_ENUM)
		return false;
	for (size_t i = 0; i < list->n_codes; i++) {
		if (strcmp(list->codes[i].code, code) == 0) {
			*ret = list->codes[i].number;
			return true;
		}
	}
	return false;
}

const char *codelist_code_of(const struct codelist *list, int number)
{
	if (list->kind != CODELIST_ENUM)
		return NULL;
	for (size_t i = 0; i < list->n_codes; i++) {
		if (list->codes[i].number == number)
			return list->codes[i].code;
	}
	return NULL;
}
