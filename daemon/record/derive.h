/**
 * @file
 * Derived fields, made at sealing so that less can be disclosed. Source: DESIGN.md 2.
 *
 *   year_of_birth         of the date of birth; never of an estimated age
 *   is_minor              by year difference only: true through the year of the 18th birthday, and
 *                         while the age is contested or in doubt. Without a year of birth, of the
 *                         youngest age that the estimate allows, as of the year it was made
 *   age_band              by the same difference; "18-and-over" begins where is_minor ends, and is
 *                         not said of an age that is contested
 *   country_of_residence  of the current address
 *   as_of_year            the year of the sealing, with any of these
 *
 * What the record does not tell is not derived.
 */
#ifndef RECORD_DERIVE_H
#define RECORD_DERIVE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "wire/field_table.h"

/**
 * Rewrite the derived group of a VictimRecord; other types pass through unchanged. What the record
 * already says in the group is replaced.
 *
 * @param record     canonical encoding
 * @param year       civil year (UTC) of the sealing, 1900..2200
 * @param[out] out   the new canonical encoding is appended
 * @retval ERR_INVALID ERR_FORMAT ERR_CANONICAL ERR_TEXT ERR_LIMIT  as record_cut()
 */
enum err record_derive(enum record_type type, struct view record, uint32_t year,
		       struct buf *out) WARN_UNUSED;

/** Whether a field is one of those that record_derive() makes: nobody fills it in. */
bool derive_makes(const struct field *field);

#endif
