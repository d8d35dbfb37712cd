/**
 * @file
 * Records as JSON: the .proto's field names, codes as strings, bytes as lower-case hex; a mistake
 * names the path ("identity.date_of_birth.month: 13 is no month"), an unknown key too.
 *
 *   {"type": "VictimRecord", "identity": {"given_names": [{"text": "..."}], ...}, ...}
 */
#ifndef RECORD_JSON_H
#define RECORD_JSON_H

#include "base/buf.h"
#include "base/err.h"
#include "wire/field_table.h"

/**
 * Read a record.
 *
 * @param text          UTF-8 JSON, at most 1 MiB
 * @param[out] ret_type what its "type" says
 * @param[out] out      canonical encoding, appended
 * @retval ERR_INVALID  err_words() is a message for the user, with the path (and line for a syntax
 *                      error); it may quote what the user wrote: show it, never log it
 */
enum err record_from_json(struct view text, enum record_type *ret_type,
			  struct buf *out) WARN_UNUSED;

/** Write a record, indented, keys in schema order, ending in a newline; appended to @p out. */
enum err record_to_json(enum record_type type, struct view record, struct buf *out) WARN_UNUSED;

/** An example with every field, for people to fill in; valid input of record_from_json(). */
enum err record_template_json(enum record_type type, struct buf *out) WARN_UNUSED;

#endif
