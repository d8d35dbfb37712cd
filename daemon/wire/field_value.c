/* The value checks of field_table.h. */
#include "wire/field_table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/civil.h"
#include "base/err.h"
#include "wire/message.h"

#define QUOTE_MAX 32 /* bytes of a value that a reason quotes */

/* Always false, so that a check reads `return refuse(...)`. */
static bool refuse(struct field_reason *ret_reason, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static bool refuse(struct field_reason *ret_reason, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	/* Cut off when too long: it is for people, and the path already tells where. */
	(void)vsnprintf(ret_reason->text, sizeof(ret_reason->text), format, args);
	va_end(args);
	return false;
}

/* The head of a value, printable ASCII only: the value may be hostile. */
static const char *quote(const char *text, size_t n_bytes, char quoted[QUOTE_MAX + 4])
{
	size_t n = n_bytes < QUOTE_MAX ? n_bytes : QUOTE_MAX;

	for (size_t i = 0; i < n; i++)
		quoted[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	memcpy(quoted + n, n < n_bytes ? "..." : "", n < n_bytes ? 4 : 1);
	return quoted;
}

bool field_check_text(const struct field *field, const char *text, size_t n_bytes,
		      struct field_reason *ret_reason)
{
	char quoted[QUOTE_MAX + 4];

	ASSERT(field->kind == FIELD_TEXT);
	if (n_bytes == 0)
		return refuse(ret_reason, "is empty");
	if (field->codes && !codelist_has_text(field->codes, text, n_bytes))
		return refuse(ret_reason, "\"%s\" is no %s", quote(text, n_bytes, quoted),
			      codelist_title(field->codes));
	if (n_bytes > field->max_bytes)
		return refuse(ret_reason, "is %zu bytes long, at most %" PRIu32 " are allowed",
			      n_bytes, field->max_bytes);
	return true;
}

bool field_check_bytes(const struct field *field, const uint8_t *bytes, size_t n_bytes,
		       struct field_reason *ret_reason)
{
	ASSERT(field->kind == FIELD_BYTES && bytes);
	if (field->codes && !codelist_has_length(field->codes, n_bytes))
		return refuse(ret_reason, "%zu bytes are no %s", n_bytes,
			      codelist_title(field->codes));
	if (n_bytes == 0)
		return refuse(ret_reason, "is empty");
	if (n_bytes > field->max_bytes)
		return refuse(ret_reason, "is %zu bytes long, at most %" PRIu32 " are allowed",
			      n_bytes, field->max_bytes);
	return true;
}

bool field_check_uint(const struct field *field, uint64_t value, struct field_reason *ret_reason)
{
	ASSERT(field->kind == FIELD_UINT);
	if (field->codes && !codelist_has_number(field->codes, value))
		return refuse(ret_reason, "%" PRIu64 " is no %s", value,
			      codelist_title(field->codes));
	if (!field->is_wide && value > UINT32_MAX)
		return refuse(ret_reason, "%" PRIu64 " is too large", value);
	return true;
}

bool field_check_enum(const struct field *field, int64_t number, struct field_reason *ret_reason)
{
	ASSERT(field->kind == FIELD_ENUM);
	if (number < 0 || !codelist_has_number(field->codes, (uint64_t)number))
		return refuse(ret_reason, "%" PRId64 " is no %s", number,
			      codelist_title(field->codes));
	return true;
}

bool field_enum_from_code(const struct field *field, const char *code, int *ret,
			  struct field_reason *ret_reason)
{
	char quoted[QUOTE_MAX + 4];
	size_t n;

	ASSERT(field->kind == FIELD_ENUM);
	if (codelist_number_of(field->codes, code, ret))
		return true;
	(void)refuse(ret_reason, "\"%s\" is no %s (", quote(code, strlen(code), quoted),
		     codelist_title(field->codes));
	for (size_t i = 0; i < codelist_count(field->codes); i++) {
		const char *known = codelist_code_at(field->codes, i);

		n = strlen(ret_reason->text);
		/* room for ", ", the code, " ...)" and the NUL */
		if (n + strlen(known) + 8 > sizeof(ret_reason->text)) {
			memcpy(ret_reason->text + n, " ...", 5);
			break;
		}
		(void)snprintf(ret_reason->text + n, sizeof(ret_reason->text) - n, "%s%s",
			       i > 0 ? ", " : "", known);
	}
	n = strlen(ret_reason->text);
	(void)snprintf(ret_reason->text + n, sizeof(ret_reason->text) - n, ")");
	return false;
}

/* What a stated precision asks of the parts; NULL when it fits. */
static const char *precision_fault(const struct field_date *date)
{
	if (date->precision == PB(DATE_PRECISION, DAY) && date->day == 0)
		return "\"day\" needs a day";
	if (date->precision == PB(DATE_PRECISION, MONTH) && (date->month == 0 || date->day != 0))
		return "\"month\" needs a month and no day";
	if (date->precision == PB(DATE_PRECISION, YEAR) && date->month != 0)
		return "\"year\" needs a year and no month";
	return NULL;
}

bool field_date_check(const struct field_date *date, const char **ret_part,
		      struct field_reason *ret_reason)
{
	const char *fault;

	if (date->month > 12) {
		*ret_part = "month";
		return refuse(ret_reason, "%" PRIu32 " is no month", date->month);
	}
	if (date->year == 0) {
		*ret_part = "year";
		return refuse(ret_reason, "is missing");
	}
	if (date->day != 0 && date->month == 0) {
		*ret_part = "month";
		return refuse(ret_reason, "is missing, yet there is a day");
	}
	if (date->day != 0 && date->day > civil_days_of_month(date->year, date->month)) {
		*ret_part = "day";
		return refuse(ret_reason, "%" PRIu32 " is no day of %" PRIu32 "-%02" PRIu32,
			      date->day, date->year, date->month);
	}
	fault = precision_fault(date);
	if (fault) {
		*ret_part = "precision";
		return refuse(ret_reason, "%s", fault);
	}
	return true;
}
