/**
 * @file
 * The field table: every field of VictimRecord and CaseRecord, with its path, sensitivity, code
 * list, label and limits. Sealing, disclosing, JSON, agreements and display walk this table; no
 * field of a record is written out by hand anywhere else.
 *
 * Two views of each record type, both in schema order (a group stands before what is in it):
 *
 *   fields   everything: groups, leaves, repeated elements and what is inside them. For JSON and
 *            display.
 *   units    what is disclosed or withheld as one: each leaf outside repeated elements, and each
 *            repeated field (one unit in the table; in a record each of its elements is a slice).
 *
 *   identity                        MESSAGE          group, no sensitivity of its own
 *   identity.sex                    ENUM             unit
 *   identity.date_of_birth          MESSAGE          group
 *   identity.date_of_birth.year     UINT             unit
 *   identity.nationalities          TEXT, repeated   unit
 *   identity.given_names            MESSAGE, rep.    unit
 *   identity.given_names.text       TEXT             inside the unit identity.given_names
 *
 * All is constant data, generated at build time from proto/amparo/v1/record.proto and fields.csv
 * beside it (generator: daemon/wire/gen_fields.py). Source: DOMAIN.md, "Record field groups".
 */
#ifndef WIRE_FIELD_TABLE_H
#define WIRE_FIELD_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/codelist.h"

/* protobuf-c's own type; see "wire/message.h". Named here so that this header needs no other. */
struct ProtobufCMessageDescriptor;

/** Deepest chain of field numbers from the root of a record. Source: PROTOCOL-RULES.md. */
#define FIELD_DEPTH_MAX 8u
/** Longest path, bytes with the NUL. */
#define FIELD_PATH_MAX 96u
/** Longest reason that a value check gives, bytes with the NUL. */
#define FIELD_REASON_MAX 192u
/** Schema version that this build knows; fields of later versions do not exist for it. */
#define FIELD_SCHEMA_VERSION 1u
/** Length of a `ref` that joins two groups, bytes. Source: DOMAIN.md, family_member. */
#define FIELD_REF_BYTES 8u

/** How much harm a field can do when it leaks. Source: DOMAIN.md. */
enum sensitivity {
	SENSITIVITY_S0 = 0, /* routing */
	SENSITIVITY_S1,	    /* facts that name nobody */
	SENSITIVITY_S2,	    /* identifying */
	SENSITIVITY_S3,	    /* location and contact: danger if leaked */
	SENSITIVITY_S4,	    /* special category: GDPR Art. 9, LED Art. 10 */
	SENSITIVITY_S5,	    /* protected: withheld unless a rule names it */
	SENSITIVITY_NONE,   /* a group: its fields have levels, it has none */
};

enum record_type {
	RECORD_VICTIM = 1, /* "VictimRecord" */
	RECORD_CASE = 2,   /* "CaseRecord" */
};

/** What a field's value is. The wire type follows: TEXT, BYTES, MESSAGE 2; the others 0. */
enum field_kind {
	FIELD_TEXT = 1, /* string */
	FIELD_BYTES,	/* bytes; hexadecimal in JSON, lower-case */
	FIELD_BOOL,	/* bool */
	FIELD_UINT,	/* uint32 or uint64 */
	FIELD_ENUM,	/* enum; its code string in JSON */
	FIELD_MESSAGE,	/* a group, or a repeated element */
};

struct field {
	enum record_type record_type;
	const char *path;  /* from the record: "identity.date_of_birth.month" */
	const char *name;  /* last part of the path: "month" */
	const char *label; /* what people read: "Month of birth" */
	enum sensitivity sensitivity;
	enum field_kind kind;
	bool is_repeated;
	bool is_unit;
	bool is_date;  /* a PartialDate{year, month, day, precision}; see field_date_check() */
	bool is_wide;  /* FIELD_UINT of 64 bits, not 32 */
	uint8_t depth; /* 1..FIELD_DEPTH_MAX, how many of numbers[] count */
	uint32_t numbers[FIELD_DEPTH_MAX]; /* field numbers from the root down to this field */
	uint16_t since;	     /* schema version that brought it, 1 .. FIELD_SCHEMA_VERSION */
	uint16_t index;	     /* its place among the fields of its record type */
	uint16_t unit_index; /* its unit's place among the units; FIELD_NO_UNIT for a group */
	uint16_t n_inside;   /* fields below it, which follow it directly in the table */
	uint16_t max_count;  /* repeated: most elements; otherwise 1 */
	uint32_t max_bytes;  /* TEXT, BYTES: most bytes; otherwise 0 */
	const struct codelist *codes; /* NULL when any value of the kind will do */
	const struct field *parent;   /* the MESSAGE that it is in; NULL at the top */
	const struct field *unit;     /* the unit that it is or is inside of; NULL for a group */
	const struct ProtobufCMessageDescriptor *message; /* of a MESSAGE; otherwise NULL */
};

#define FIELD_NO_UNIT UINT16_MAX

/** Why a value was refused, for people: "13 is no month". May quote the value: never log it. */
struct field_reason {
	char text[FIELD_REASON_MAX];
};

/** A PartialDate by value; 0 stands for an absent part. */
struct field_date {
	uint32_t year;
	uint32_t month;
	uint32_t day;
	int precision; /* number of a date_precision code */
};

/* --- record types and levels ------------------------------------------------------------- */

/** "VictimRecord" or "CaseRecord"; NULL for a number that is no record type. */
const char *record_type_name(enum record_type type);

/** The record type of that name, exactly as written; false when there is none. */
bool record_type_from_name(const char *name, enum record_type *ret)
	__attribute__((warn_unused_result));

/** The descriptor of a record type's message, for use with "wire/message.h"; never NULL. */
const struct ProtobufCMessageDescriptor *record_type_descriptor(enum record_type type);

/** "S0" .. "S5", or "-" for SENSITIVITY_NONE. */
const char *sensitivity_name(enum sensitivity level);

/** The level called "S0" .. "S5"; false for any other text. */
bool sensitivity_from_name(const char *name, enum sensitivity *ret)
	__attribute__((warn_unused_result));

/* --- walking ----------------------------------------------------------------------------- */

/** Number of fields of all kinds in a record type. */
size_t field_table_count(enum record_type type);

/** Field @p i, 0 .. field_table_count() - 1, in schema order. */
const struct field *field_table_at(enum record_type type, size_t i);

/** Number of units in a record type. */
size_t field_table_n_units(enum record_type type);

/** Unit @p i, 0 .. field_table_n_units() - 1, in schema order; its unit_index is @p i. */
const struct field *field_table_unit(enum record_type type, size_t i);

/**
 * Step through what is directly inside a group, element or record.
 *
 * @param type    used when @p parent is NULL: the record's own fields
 * @param parent  a MESSAGE field, or NULL for the record
 * @param prev    NULL for the first, then what this function gave before
 * @return        the next field whose parent is @p parent; NULL after the last
 */
const struct field *field_table_next(enum record_type type, const struct field *parent,
				     const struct field *prev);

/* --- finding ----------------------------------------------------------------------------- */

/**
 * Find a field by its path, "identity.date_of_birth.month"; groups and fields inside repeated
 * elements are found too. No wildcards, no indexes.
 *
 * @param path  not NULL
 * @return      static; NULL when there is none
 */
const struct field *field_table_find(enum record_type type, const char *path)
	__attribute__((warn_unused_result));

/**
 * Find a field by its chain of field numbers from the root.
 *
 * @param numbers  @p depth numbers
 * @param depth    any; over FIELD_DEPTH_MAX or 0 finds nothing
 * @return         static; NULL when there is none
 */
const struct field *field_table_find_numbers(enum record_type type, const uint32_t *numbers,
					     size_t depth) __attribute__((warn_unused_result));

/**
 * Find the field of a given name directly inside a MESSAGE, or in the record.
 *
 * @param parent   a MESSAGE field, or NULL for the record
 * @param name     last part of a path
 */
const struct field *field_table_find_in(enum record_type type, const struct field *parent,
					const char *name) __attribute__((warn_unused_result));

/**
 * The units that a path in an agreement stands for: a unit itself ("identity.given_names"), or all
 * in a group ("identity", "identity.date_of_birth"). They are neighbours in the unit view.
 *
 * @param path               not NULL
 * @param[out] ret_first     index of the first unit; set only when found
 * @param[out] ret_n_units   how many, at least 1; set only when found
 * @return  false when the path is unknown, or is inside a repeated element, which is disclosed
 *          whole and so cannot be named in part
 */
bool field_table_find_prefix(enum record_type type, const char *path, size_t *ret_first,
			     size_t *ret_n_units) __attribute__((warn_unused_result));

/* --- values ------------------------------------------------------------------------------ */

/*
 * Each check takes a leaf of its kind and says whether one value may stand in it. On false,
 * *ret_reason says why. Kind and path belong to the caller: "<path>: <reason>". They check the
 * value alone, not how often it occurs (max_count) nor what other fields say.
 */

/**
 * Check a TEXT: not empty, at most max_bytes, in the code list. UTF-8 and control characters are
 * the strict text check's business, "wire/text.h".
 */
bool field_check_text(const struct field *field, const char *text, size_t n_bytes,
		      struct field_reason *ret_reason) __attribute__((warn_unused_result));

/** Check BYTES: of the length that its format wants, else not empty and at most max_bytes. */
bool field_check_bytes(const struct field *field, const uint8_t *bytes, size_t n_bytes,
		       struct field_reason *ret_reason) __attribute__((warn_unused_result));

/** Check a UINT: its width and its format (month, day, year ...). */
bool field_check_uint(const struct field *field, uint64_t value, struct field_reason *ret_reason)
	__attribute__((warn_unused_result));

/** Check the number of an ENUM: known to this schema. */
bool field_check_enum(const struct field *field, int64_t number, struct field_reason *ret_reason)
	__attribute__((warn_unused_result));

/**
 * Read the code string of an ENUM, as it stands in JSON.
 *
 * @param code             not NULL
 * @param[out] ret         the number; set on true only
 * @param[out] ret_reason  set on false only; names the codes that there are, as many as fit
 */
bool field_enum_from_code(const struct field *field, const char *code, int *ret,
			  struct field_reason *ret_reason) __attribute__((warn_unused_result));

/**
 * Check a whole date as it is written at import: parts fit each other (no 31 June, 29 February in
 * leap years only, no day without a month, no month without a year) and the precision fits them.
 * A disclosed date may lack any part: do not check that with this.
 *
 * @param date        parts, 0 when absent
 * @param[out] ret_part    name of the part at fault: "month", "day", "precision"; on false only
 * @param[out] ret_reason  set on false only
 */
bool field_date_check(const struct field_date *date, const char **ret_part,
		      struct field_reason *ret_reason) __attribute__((warn_unused_result));

#endif
