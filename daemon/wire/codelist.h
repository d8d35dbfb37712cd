/**
 * @file
 * Code lists: the closed vocabularies that field values are taken from.
 *
 * Three kinds, one interface:
 *   ENUM    an enum of the schema; each code has a number on the wire and a code string in JSON,
 *           agreements and the command line (SEX_NOT_KNOWN <-> "not-known")
 *   SET     an ISO list of several hundred or thousand codes, text on the wire as in JSON
 *           (iso-3166-1, iso-639-3, iso-15924)
 *   FORMAT  a rule that a text, a number or bytes must follow (e164, un-locode, month, ...)
 *
 * Every enum of proto/amparo/v1 is here under its name in snake_case: codelist_find("risk_level"),
 * codelist_find("purpose"). The tables are generated at build time from the .proto files and from
 * Debian's iso-codes package; all are constant and need no set-up.
 */
#ifndef WIRE_CODELIST_H
#define WIRE_CODELIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum codelist_kind {
	CODELIST_ENUM = 1,
	CODELIST_SET,
	CODELIST_FORMAT,
};

struct codelist;

/**
 * Find a code list by its name: "sex", "iso-3166-1", "e164".
 *
 * @param name  not NULL
 * @return      the list, or NULL when there is none of that name
 *
 * Owner:   static; never freed.
 */
const struct codelist *codelist_find(const char *name) __attribute__((warn_unused_result));

/** Name of @p list, as codelist_find() takes it. */
const char *codelist_name(const struct codelist *list);

/** What kind of list @p list is. */
enum codelist_kind codelist_kind(const struct codelist *list);

/** What a code of @p list is, completing "... is no": "country code of ISO 3166-1 alpha-3". */
const char *codelist_title(const struct codelist *list);

/** Number of codes in @p list: of an ENUM or SET; 0 for a FORMAT. */
size_t codelist_count(const struct codelist *list);

/**
 * The code string at a place of the list: an ENUM in the order of the schema, a SET ascending.
 *
 * @param list  an ENUM or SET
 * @param i     0 .. codelist_count() - 1
 * @return      static text
 */
const char *codelist_code_at(const struct codelist *list, size_t i);

/**
 * Whether a text is a code of an ENUM or SET, or follows a text FORMAT. Case counts.
 *
 * @param list     not NULL; a FORMAT for numbers or bytes holds no text at all
 * @param text     may hold any bytes, need not end in NUL
 * @param n_bytes  length of @p text
 */
bool codelist_has_text(const struct codelist *list, const char *text, size_t n_bytes);

/** Whether @p number is the number of a code of an ENUM, or follows a number FORMAT. */
bool codelist_has_number(const struct codelist *list, uint64_t number);

/** Whether @p n_bytes is the length that a bytes FORMAT wants; false for any other list. */
bool codelist_has_length(const struct codelist *list, size_t n_bytes);

/**
 * Number of a code string of an ENUM ("not-known" -> 10).
 *
 * @param list        an ENUM; any other kind finds nothing
 * @param code        not NULL
 * @param[out] ret    the number; set only when found
 * @return            true when found
 */
bool codelist_number_of(const struct codelist *list, const char *code, int *ret)
	__attribute__((warn_unused_result));

/**
 * Code string of a number of an ENUM (10 -> "not-known").
 *
 * @return  static text, or NULL when @p list is no ENUM or knows no such number
 */
const char *codelist_code_of(const struct codelist *list, int number)
	__attribute__((warn_unused_result));

#endif
