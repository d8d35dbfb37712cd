/**
 * @file
 * Private to wire: the shapes that gen_fields.py fills (field_data.c in the build folder) and that
 * codelist.c and field_table.c read.
 */
#ifndef WIRE_FIELD_DATA_H
#define WIRE_FIELD_DATA_H

#include "wire/codelist.h"
#include "wire/field_table.h"

struct codelist_code {
	const char *code;
	int number;
};

/** One list; which members count depends on kind and, for a FORMAT, on what it is for. */
struct codelist {
	const char *name;
	const char *title;
	enum codelist_kind kind;
	size_t n_codes;
	const struct codelist_code *codes; /**< ENUM */
	const char *set;		   /**< SET: codes ascending, each with its NUL */
	size_t n_set_stride;		   /**< SET: bytes a code, with the NUL */
	bool (*text_is_valid)(const char *text, size_t n_bytes); /**< FORMAT of text, or NULL */
	uint64_t number_min;					 /**< FORMAT of a number: range */
	uint64_t number_max;					 /**< 0: no FORMAT of a number */
	size_t n_bytes;						 /**< FORMAT of bytes, or 0 */
};

/** The formats, written by hand in codelist.c; the generated table points into it. */
enum codelist_format {
	CODELIST_FORMAT_AGE,
	CODELIST_FORMAT_DAY,
	CODELIST_FORMAT_E164,
	CODELIST_FORMAT_EMAIL,
	CODELIST_FORMAT_HEIGHT_CM,
	CODELIST_FORMAT_MONTH,
	CODELIST_FORMAT_RECORD_ID,
	CODELIST_FORMAT_REF,
	CODELIST_FORMAT_SEQ,
	CODELIST_FORMAT_SHA_256,
	CODELIST_FORMAT_UN_LOCODE,
	CODELIST_FORMAT_UTC_US,
	CODELIST_FORMAT_YEAR,
	CODELIST_N_FORMATS,
};

extern const struct codelist codelist_formats[CODELIST_N_FORMATS];

/** The enums and ISO lists, generated. */
extern const struct codelist codelist_data[];
extern const size_t codelist_n_data;

/** One record type. */
struct field_table {
	const char *name;
	const struct ProtobufCMessageDescriptor *descriptor;
	const struct field *fields; /**< schema order */
	size_t n_fields;
	const uint16_t *units; /**< indexes into fields, ascending */
	size_t n_units;
	const uint16_t *by_path; /**< indexes into fields, by path in strcmp() order */
};

/** By record type: RECORD_VICTIM first. */
extern const struct field_table field_tables[2];

#endif
