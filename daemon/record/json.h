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
 * Text is taken as it is: nothing is normalised. Null, empty objects and empty lists are refused:
 * absent is absent.
 *
 * @param text          UTF-8 JSON, at most 1 MiB
 * @param[out] ret_type what its "type" says
 * @param[out] out      canonical encoding, which record_cut() accepts; appended
 * @retval ERR_INVALID  err_words() is a message for the user, with the path (and line for a syntax
 *                      error), printable ASCII; it may quote what the user wrote: show it, never
 *                      log it
 * @retval ERR_NOMEM
 */
enum err record_from_json(struct view text, enum record_type *ret_type,
			  struct buf *out) WARN_UNUSED;

/**
 * Write a record or a part of one, indented, keys in schema order, ending in a newline.
 *
 * @param record    canonical encoding; may be partial or empty
 * @param[out] out  UTF-8, appended
 * @retval ERR_INVALID ERR_FORMAT ERR_CANONICAL ERR_TEXT  as slice_check()
 */
enum err record_to_json(enum record_type type, struct view record, struct buf *out) WARN_UNUSED;

/**
 * An example with every field but those that record_derive() makes, plainly synthetic, for people
 * to fill in; valid input of record_from_json().
 */
enum err record_template_json(enum record_type type, struct buf *out) WARN_UNUSED;

#endif
