#include "wire/field_table.h"

#include <string.h>

#include "base/err.h"
#include "wire/field_data.h"

static const struct field_table *table_of(enum record_type type)
{
	ASSERT(type == RECORD_VICTIM || type == RECORD_CASE);
	return &field_tables[type - RECORD_VICTIM];
}

const char *record_type_name(enum record_type type)
{
	return type == RECORD_VICTIM || type == RECORD_CASE ? table_of(type)->name : NULL;
}

bool record_type_from_name(const char *name, enum record_type *ret)
{
	static const enum record_type types[] = {RECORD_VICTIM, RECORD_CASE};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(name, table_of(types[i])->name) == 0) {
			*ret = types[i];
			return true;
		}
	}
	return false;
}

const struct ProtobufCMessageDescriptor *record_type_descriptor(enum record_type type)
{
	return table_of(type)->descriptor;
}

const char *sensitivity_name(enum sensitivity level)
{
	static const char *const names[] = {"S0", "S1", "S2", "S3", "S4", "S5", "-"};

	ASSERT((unsigned int)level < sizeof(names) / sizeof(names[0]));
	return names[level];
}

bool sensitivity_from_name(const char *name, enum sensitivity *ret)
{
	if (name[0] != 'S' || name[1] < '0' || name[1] > '5' || name[2] != '\0')
		return false;
	*ret = (enum sensitivity)(name[1] - '0');
	return true;
}

size_t field_table_count(enum record_type type)
{
	return table_of(type)->n_fields;
}

const struct field *field_table_at(enum record_type type, size_t i)
{
	ASSERT(i < table_of(type)->n_fields);
	return &table_of(type)->fields[i];
}

size_t field_table_n_units(enum record_type type)
{
	return table_of(type)->n_units;
}

const struct field *field_table_unit(enum record_type type, size_t i)
{
	ASSERT(i < table_of(type)->n_units);
	return &table_of(type)->fields[table_of(type)->units[i]];
}

const struct field *field_table_next(enum record_type type, const struct field *parent,
				     const struct field *prev)
{
	const struct field_table *table = table_of(parent ? parent->record_type : type);
	size_t end = parent ? (size_t)parent->index + 1 + parent->n_inside : table->n_fields;
	size_t next;

	if (prev)
		next = (size_t)prev->index + 1 + prev->n_inside;
	else
		next = parent ? (size_t)parent->index + 1 : 0;
	return next < end ? &table->fields[next] : NULL;
}

const struct field *field_table_find(enum record_type type, const char *path)
{
	const struct field_table *table = table_of(type);
	size_t low = 0;
	size_t high = table->n_fields;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct field *field = &table->fields[table->by_path[middle]];
		int order = strcmp(path, field->path);

		if (order == 0)
			return field;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

const struct field *field_table_find_numbers(enum record_type type, const uint32_t *numbers,
					     size_t depth)
{
	const struct field *found = NULL;

	if (depth == 0 || depth > FIELD_DEPTH_MAX)
		return NULL;
	for (size_t level = 0; level < depth; level++) {
		const struct field *parent = found;

		found = field_table_next(type, parent, NULL);
		while (found && found->numbers[level] != numbers[level])
			found = field_table_next(type, parent, found);
		/* A leaf has nothing inside it: the next round ends here too. */
		if (!found)
			return NULL;
	}
	return found;
}

const struct field *field_table_find_in(enum record_type type, const struct field *parent,
					const char *name)
{
	const struct field *field = field_table_next(type, parent, NULL);

	while (field && strcmp(field->name, name) != 0)
		field = field_table_next(type, parent, field);
	return field;
}

bool field_table_find_prefix(enum record_type type, const char *path, size_t *ret_first,
			     size_t *ret_n_units)
{
	const struct field_table *table = table_of(type);
	const struct field *top = field_table_find(type, path);
	size_t first = FIELD_NO_UNIT;
	size_t n_units = 0;

	if (!top || (top->unit && !top->is_unit))
		return false;
	for (size_t i = top->index; i <= (size_t)top->index + top->n_inside; i++) {
		if (!table->fields[i].is_unit)
			continue;
		if (n_units++ == 0)
			first = table->fields[i].unit_index;
	}
	ASSERT(n_units > 0);
	*ret_first = first;
	*ret_n_units = n_units;
	return true;
}
