/**
 * @file
 * Derived fields, made at sealing so that less can be disclosed: year of birth, is-minor and age
 * band by year difference only (is-minor stays true through the year of the 18th birthday), the
 * year they are as of, country of residence. Source: DESIGN.md 2.
 */
#ifndef RECORD_DERIVE_H
#define RECORD_DERIVE_H

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
 * @retval ERR_FORMAT ERR_CANONICAL ERR_TEXT ERR_LIMIT  as message_decode()
 */
enum err record_derive(enum record_type type, struct view record, uint32_t year,
		       struct buf *out) WARN_UNUSED;

#endif
