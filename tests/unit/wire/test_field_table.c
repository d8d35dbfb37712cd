/*
 * The field table against the descriptors that protobuf-c made of the same schema, against
 * DOMAIN.md, and its look-ups and value checks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/field_table.h"
#include "wire/message.h"

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

static const enum record_type types[] = {RECORD_VICTIM, RECORD_CASE};

static const struct field *find(enum record_type type, const char *path)
{
	const struct field *field = field_table_find(type, path);

	if (!field)
		fail_msg("no field %s", path);
	return field;
}

/* --- against the descriptors --- */

static enum field_kind kind_of(const ProtobufCFieldDescriptor *d, bool *ret_is_wide)
{
	*ret_is_wide = d->type == PROTOBUF_C_TYPE_UINT64;
	if (d->type == PROTOBUF_C_TYPE_STRING)
		return FIELD_TEXT;
	if (d->type == PROTOBUF_C_TYPE_BYTES)
		return FIELD_BYTES;
	if (d->type == PROTOBUF_C_TYPE_BOOL)
		return FIELD_BOOL;
	if (d->type == PROTOBUF_C_TYPE_UINT32 || d->type == PROTOBUF_C_TYPE_UINT64)
		return FIELD_UINT;
	if (d->type == PROTOBUF_C_TYPE_ENUM)
		return FIELD_ENUM;
	assert_int_equal(d->type, PROTOBUF_C_TYPE_MESSAGE);
	return FIELD_MESSAGE;
}

static void check_enum_codes(const struct field *field, const ProtobufCEnumDescriptor *desc)
{
	assert_non_null(field->codes);
	assert_int_equal(codelist_kind(field->codes), CODELIST_ENUM);
	assert_int_equal(codelist_count(field->codes), desc->n_values);
	for (unsigned int i = 0; i < desc->n_values; i++) {
		const char *code = codelist_code_of(field->codes, desc->values[i].value);

		/* the same rule as for the enums of the protocol */
		assert_non_null(code);
		assert_string_equal(code, message_enum_code(desc, desc->values[i].value));
		assert_true(desc->values[i].value > 0);
	}
}

/* Walk descriptors and table side by side: equal in order, number, name, kind and count. */
static const struct field *check_message(const ProtobufCMessageDescriptor *desc,
					 enum record_type type, const struct field *parent)
{
	const struct field *field = field_table_next(type, parent, NULL);

	for (unsigned int i = 0; i < desc->n_fields; i++) {
		const ProtobufCFieldDescriptor *d = &desc->fields[i];
		bool is_wide;

		assert_non_null(field);
		assert_string_equal(field->name, d->name);
		assert_int_equal(field->kind, kind_of(d, &is_wide));
		assert_int_equal(field->is_wide, is_wide);
		assert_int_equal(field->is_repeated, d->label == PROTOBUF_C_LABEL_REPEATED);
		assert_true(d->label != PROTOBUF_C_LABEL_REQUIRED);
		assert_null(d->default_value);
		assert_false(d->flags &
			     (PROTOBUF_C_FIELD_FLAG_PACKED | PROTOBUF_C_FIELD_FLAG_ONEOF));
		assert_int_equal(field->depth, parent ? parent->depth + 1 : 1);
		assert_int_equal(field->numbers[field->depth - 1], d->id);
		assert_ptr_equal(field->parent, parent);
		if (field->kind == FIELD_ENUM)
			check_enum_codes(field, d->descriptor);
		if (field->kind == FIELD_MESSAGE) {
			assert_ptr_equal(field->message, d->descriptor);
			assert_null(check_message(d->descriptor, type, field));
		} else {
			assert_null(field->message);
			assert_int_equal(field->n_inside, 0);
		}
		field = field_table_next(type, parent, field);
	}
	return field;
}

static void table_equals_descriptors(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_OF(types); i++)
		assert_null(check_message(record_type_descriptor(types[i]), types[i], NULL));
}

static void every_field_is_complete(void **state)
{
	(void)state;
	for (size_t t = 0; t < N_OF(types); t++) {
		for (size_t i = 0; i < field_table_count(types[t]); i++) {
			const struct field *field = field_table_at(types[t], i);
			bool has_bytes = field->kind == FIELD_TEXT || field->kind == FIELD_BYTES;

			assert_int_equal(field->record_type, types[t]);
			assert_int_equal(field->index, i);
			assert_true(strlen(field->label) > 0);
			assert_true(strlen(field->path) < FIELD_PATH_MAX);
			assert_in_range(field->depth, 1, FIELD_DEPTH_MAX);
			assert_in_range(field->since, 1, FIELD_SCHEMA_VERSION);
			assert_int_equal(field->max_bytes > 0, has_bytes);
			assert_true(field->is_repeated ? field->max_count > 1
						       : field->max_count == 1);
			assert_int_equal(field->is_date,
					 field->message == &amparo__v1__partial_date__descriptor);
			assert_ptr_equal(field_table_find(types[t], field->path), field);
			assert_ptr_equal(
				field_table_find_numbers(types[t], field->numbers, field->depth),
				field);
			assert_ptr_equal(field_table_find_in(types[t], field->parent, field->name),
					 field);
		}
	}
}

/* Labels are what people tell fields apart by: no two alike in one record type. */
static int compare_labels(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void labels_are_unique(void **state)
{
	(void)state;
	for (size_t t = 0; t < N_OF(types); t++) {
		const char *labels[1024];
		size_t n = field_table_count(types[t]);

		assert_true(n <= N_OF(labels));
		for (size_t i = 0; i < n; i++)
			labels[i] = field_table_at(types[t], i)->label;
		qsort(labels, n, sizeof(labels[0]), compare_labels);
		for (size_t i = 1; i < n; i++) {
			if (strcmp(labels[i - 1], labels[i]) == 0)
				fail_msg("label twice: %s", labels[i]);
		}
	}
}

/* --- units and sensitivities --- */

static void units_are_leaves_or_whole_elements(void **state)
{
	(void)state;
	for (size_t t = 0; t < N_OF(types); t++) {
		size_t n_units = 0;

		for (size_t i = 0; i < field_table_count(types[t]); i++) {
			const struct field *field = field_table_at(types[t], i);

			if (field->is_unit) {
				assert_ptr_equal(field_table_unit(types[t], n_units), field);
				assert_int_equal(field->unit_index, n_units++);
				assert_ptr_equal(field->unit, field);
				assert_true(field->is_repeated || field->kind != FIELD_MESSAGE);
			} else if (field->unit) {
				/* inside an element: one sensitivity, one unit */
				assert_true(field->unit->is_repeated &&
					    field->parent->unit == field->unit);
				assert_int_equal(field->unit_index, field->unit->unit_index);
				assert_int_equal(field->sensitivity, field->unit->sensitivity);
			} else {
				assert_int_equal(field->kind, FIELD_MESSAGE);
				assert_false(field->is_repeated);
				assert_int_equal(field->unit_index, FIELD_NO_UNIT);
			}
			assert_int_equal(field->sensitivity == SENSITIVITY_NONE,
					 field->unit == NULL);
		}
		assert_int_equal(n_units, field_table_n_units(types[t]));
	}
}

/* Every group of DOMAIN.md and the levels that it allows there, as a set of digits. */
static const struct {
	enum record_type type;
	const char *path;
	const char *levels;
} groups[] = {
	{RECORD_VICTIM, "routing", "0"},
	{RECORD_VICTIM, "identity", "2"},
	{RECORD_VICTIM, "identity_document", "2"},
	{RECORD_VICTIM, "description", "24"},
	{RECORD_VICTIM, "description.marks", "4"},
	{RECORD_VICTIM, "contact", "3"},
	{RECORD_VICTIM, "family_member", "2"},
	{RECORD_VICTIM, "family_contact", "3"},
	{RECORD_VICTIM, "care", "23"},
	{RECORD_VICTIM, "separation", "23"},
	{RECORD_VICTIM, "missing", "23"},
	{RECORD_VICTIM, "health", "4"},
	{RECORD_VICTIM, "origin", "14"},
	{RECORD_VICTIM, "origin.ethnicity", "4"},
	{RECORD_VICTIM, "origin.religion", "4"},
	{RECORD_VICTIM, "origin.preferred_language", "1"},
	{RECORD_VICTIM, "views", "2"},
	{RECORD_VICTIM, "safety", "5"},
	{RECORD_VICTIM, "derived", "1"},
	{RECORD_CASE, "routing", "0"},
	{RECORD_CASE, "case", "1"},
	{RECORD_CASE, "incident", "4"},
	{RECORD_CASE, "alleged_offender", "4"},
	{RECORD_CASE, "service", "1"},
	{RECORD_CASE, "outcome", "14"},
	{RECORD_CASE, "officer", "3"},
	{RECORD_CASE, "provenance", "1"},
};

static void groups_have_the_levels_of_the_domain(void **state)
{
	size_t n_units[N_OF(types)] = {0};

	(void)state;
	for (size_t g = 0; g < N_OF(groups); g++) {
		char seen[7] = "";
		size_t first;
		size_t n;

		assert_true(field_table_find_prefix(groups[g].type, groups[g].path, &first, &n));
		if (!strchr(groups[g].path, '.'))
			n_units[groups[g].type - RECORD_VICTIM] += n;
		for (char level = '0'; level <= '5'; level++) {
			for (size_t i = 0; i < n; i++) {
				const struct field *unit =
					field_table_unit(groups[g].type, first + i);

				if ((int)unit->sensitivity != level - '0')
					continue;
				seen[strlen(seen)] = level;
				break;
			}
		}
		assert_string_equal(seen, groups[g].levels);
	}
	/* and there is no group besides */
	for (size_t t = 0; t < N_OF(types); t++)
		assert_int_equal(n_units[t], field_table_n_units(types[t]));
}

static void danger_if_leaked_is_never_low(void **state)
{
	(void)state;
	for (size_t t = 0; t < N_OF(types); t++) {
		for (size_t i = 0; i < field_table_count(types[t]); i++) {
			const struct field *field = field_table_at(types[t], i);
			const char *codes = field->codes ? codelist_name(field->codes) : "";

			if (strcmp(codes, "e164") == 0 || strcmp(codes, "email") == 0 ||
			    field->message == &amparo__v1__address__descriptor ||
			    strcmp(field->name, "street") == 0)
				assert_true(field->sensitivity >= SENSITIVITY_S3);
		}
	}
}

/* --- look-ups --- */

static void prefixes_give_neighbouring_units(void **state)
{
	size_t first;
	size_t n;

	(void)state;
	assert_true(field_table_find_prefix(RECORD_VICTIM, "identity.date_of_birth", &first, &n));
	assert_int_equal(n, 4);
	assert_string_equal(field_table_unit(RECORD_VICTIM, first)->path,
			    "identity.date_of_birth.year");
	assert_true(field_table_find_prefix(RECORD_VICTIM, "identity.given_names", &first, &n));
	assert_int_equal(n, 1);
	assert_true(field_table_find_prefix(RECORD_VICTIM, "identity.sex", &first, &n));
	assert_int_equal(n, 1);
	first = n = 77;
	assert_false(
		field_table_find_prefix(RECORD_VICTIM, "identity.given_names.text", &first, &n));
	assert_false(field_table_find_prefix(RECORD_VICTIM, "identity.dat", &first, &n));
	assert_false(field_table_find_prefix(RECORD_VICTIM, "identity.", &first, &n));
	assert_false(field_table_find_prefix(RECORD_VICTIM, "", &first, &n));
	assert_false(field_table_find_prefix(RECORD_CASE, "identity", &first, &n));
	assert_true(first == 77 && n == 77);
}

static void odd_look_ups_find_nothing(void **state)
{
	const uint32_t numbers[FIELD_DEPTH_MAX + 1] = {2, 11, 2, 1, 1, 1, 1, 1, 1};
	const struct field *month = find(RECORD_VICTIM, "identity.date_of_birth.month");

	(void)state;
	assert_ptr_equal(field_table_find_numbers(RECORD_VICTIM, numbers, 3), month);
	assert_null(field_table_find_numbers(RECORD_VICTIM, numbers, 4));
	assert_null(field_table_find_numbers(RECORD_VICTIM, numbers, 0));
	assert_null(field_table_find_numbers(RECORD_VICTIM, numbers, N_OF(numbers)));
	assert_null(field_table_find(RECORD_CASE, "identity"));
	assert_null(field_table_find_in(RECORD_VICTIM, month, "month"));
	assert_null(field_table_find_in(RECORD_VICTIM, NULL, "month"));
	assert_null(field_table_next(RECORD_VICTIM, month, NULL));
}

static void names_go_both_ways(void **state)
{
	enum record_type type = RECORD_CASE;
	enum sensitivity level = SENSITIVITY_S0;

	(void)state;
	assert_true(record_type_from_name("VictimRecord", &type));
	assert_int_equal(type, RECORD_VICTIM);
	assert_string_equal(record_type_name(RECORD_CASE), "CaseRecord");
	assert_null(record_type_name((enum record_type)3));
	assert_null(record_type_name((enum record_type)0));
	assert_false(record_type_from_name("victimrecord", &type));
	for (int i = SENSITIVITY_S0; i <= SENSITIVITY_S5; i++) {
		assert_true(sensitivity_from_name(sensitivity_name((enum sensitivity)i), &level));
		assert_int_equal(level, i);
	}
	assert_string_equal(sensitivity_name(SENSITIVITY_NONE), "-");
	assert_false(sensitivity_from_name("S6", &level) || sensitivity_from_name("", &level) ||
		     sensitivity_from_name("S", &level) || sensitivity_from_name("S12", &level) ||
		     sensitivity_from_name("-", &level));
}

/* --- values --- */

static void texts_are_checked(void **state)
{
	const struct field *country = find(RECORD_VICTIM, "identity.place_of_birth.country");
	const struct field *nationality = find(RECORD_VICTIM, "identity.nationalities");
	const struct field *text = find(RECORD_VICTIM, "identity.nickname.text");
	struct field_reason reason;
	char big[201];

	(void)state;
	assert_true(field_check_text(country, "ERI", 3, &reason));
	assert_false(field_check_text(country, "XXA", 3, &reason));
	assert_string_equal(reason.text, "\"XXA\" is no country code of ISO 3166-1 alpha-3");
	assert_true(field_check_text(nationality, "XXA", 3, &reason));
	assert_false(field_check_text(text, "", 0, &reason));
	assert_string_equal(reason.text, "is empty");
	memset(big, 'x', sizeof(big));
	assert_true(field_check_text(text, big, 200, &reason));
	assert_false(field_check_text(text, big, 201, &reason));
	assert_string_equal(reason.text, "is 201 bytes long, at most 200 are allowed");
	/* a hostile value is quoted cut and made printable */
	memset(big, '\n', sizeof(big));
	assert_false(field_check_text(country, big, 201, &reason));
	assert_null(strchr(reason.text, '\n'));
	assert_non_null(strstr(reason.text, "???...\" is no country"));
}

static void bytes_and_numbers_are_checked(void **state)
{
	const struct field *ref = find(RECORD_VICTIM, "family_member.ref");
	const struct field *month = find(RECORD_VICTIM, "identity.date_of_birth.month");
	const struct field *seen = find(RECORD_VICTIM, "missing.last_seen_us");
	const struct field *age = find(RECORD_VICTIM, "identity.age.years");
	const uint8_t bytes[9] = {0};
	struct field_reason reason;

	(void)state;
	assert_true(field_check_bytes(ref, bytes, 8, &reason));
	assert_false(field_check_bytes(ref, bytes, 9, &reason));
	assert_string_equal(reason.text, "9 bytes are no reference of 8 bytes");
	assert_false(field_check_bytes(ref, bytes, 0, &reason));
	assert_true(field_check_uint(month, 12, &reason));
	assert_false(field_check_uint(month, 13, &reason));
	assert_string_equal(reason.text, "13 is no month");
	assert_false(field_check_uint(month, UINT64_MAX, &reason));
	assert_true(field_check_uint(age, 0, &reason));
	assert_true(field_check_uint(seen, UINT64_C(1700000000000000), &reason));
	assert_false(field_check_uint(seen, 0, &reason));
}

static void enums_are_checked(void **state)
{
	const struct field *sex = find(RECORD_VICTIM, "identity.sex");
	const struct field *kind = find(RECORD_CASE, "incident.kind");
	struct field_reason reason;
	int number = -1;

	(void)state;
	assert_true(field_check_enum(sex, 2, &reason));
	assert_false(field_check_enum(sex, 0, &reason));
	assert_string_equal(reason.text, "0 is no code of sex");
	assert_false(field_check_enum(sex, -1, &reason));
	assert_false(field_check_enum(sex, INT64_MAX, &reason));
	assert_true(field_enum_from_code(sex, "female", &number, &reason));
	assert_int_equal(number, 2);
	assert_false(field_enum_from_code(sex, "femal", &number, &reason));
	assert_int_equal(number, 2);
	assert_string_equal(
		reason.text,
		"\"femal\" is no code of sex (male, female, not-applicable, not-known)");
	/* more codes than fit: cut between two of them */
	assert_false(field_enum_from_code(kind, "x", &number, &reason));
	assert_non_null(strstr(reason.text, " ...)"));
	assert_true(strlen(reason.text) < sizeof(reason.text));
}

static const struct {
	struct field_date date;
	const char *part; /* NULL: fine */
} dates[] = {
	{{2010, 0, 0, 0}, NULL},
	{{2010, 6, 0, 0}, NULL},
	{{2010, 6, 30, 0}, NULL},
	{{2010, 6, 31, 0}, "day"},
	{{2012, 2, 29, 0}, NULL},
	{{2000, 2, 29, 0}, NULL},
	{{2010, 2, 29, 0}, "day"},
	{{2100, 2, 29, 0}, "day"},
	{{2010, 13, 1, 0}, "month"},
	{{2010, UINT32_MAX, 1, 0}, "month"},
	{{2010, 0, 1, 0}, "month"},
	{{2010, 12, UINT32_MAX, 0}, "day"},
	{{0, 6, 1, 0}, "year"},
	{{0, 0, 0, 0}, "year"},
	{{2010, 6, 1, PB(DATE_PRECISION, DAY)}, NULL},
	{{2010, 6, 0, PB(DATE_PRECISION, DAY)}, "precision"},
	{{2010, 6, 0, PB(DATE_PRECISION, MONTH)}, NULL},
	{{2010, 6, 1, PB(DATE_PRECISION, MONTH)}, "precision"},
	{{2010, 0, 0, PB(DATE_PRECISION, MONTH)}, "precision"},
	{{2010, 0, 0, PB(DATE_PRECISION, YEAR)}, NULL},
	{{2010, 6, 0, PB(DATE_PRECISION, YEAR)}, "precision"},
	{{2010, 6, 1, PB(DATE_PRECISION, APPROXIMATE)}, NULL},
	{{2010, 0, 0, PB(DATE_PRECISION, APPROXIMATE)}, NULL},
};

static void whole_dates_are_checked(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_OF(dates); i++) {
		const char *part = NULL;
		struct field_reason reason = {""};
		bool is_valid = field_date_check(&dates[i].date, &part, &reason);

		assert_int_equal(is_valid, dates[i].part == NULL);
		if (!is_valid) {
			assert_string_equal(part, dates[i].part);
			assert_true(strlen(reason.text) > 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_equals_descriptors),
		cmocka_unit_test(every_field_is_complete),
		cmocka_unit_test(labels_are_unique),
		cmocka_unit_test(units_are_leaves_or_whole_elements),
		cmocka_unit_test(groups_have_the_levels_of_the_domain),
		cmocka_unit_test(danger_if_leaked_is_never_low),
		cmocka_unit_test(prefixes_give_neighbouring_units),
		cmocka_unit_test(odd_look_ups_find_nothing),
		cmocka_unit_test(names_go_both_ways),
		cmocka_unit_test(texts_are_checked),
		cmocka_unit_test(bytes_and_numbers_are_checked),
		cmocka_unit_test(enums_are_checked),
		cmocka_unit_test(whole_dates_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
