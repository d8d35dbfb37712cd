/**
 * @file
 * Slices: a record cut into its smallest disclosable parts, and put together again.
 *
 * A slice is one leaf field, or one whole element of a repeated field, inside its chain of parent
 * tags: itself a valid, partial encoding of the record. Walks the field table; no field is named in
 * code. Source: PROTOCOL.md 7.3, PROTOCOL-RULES "Records".
 */
#ifndef RECORD_SLICE_H
#define RECORD_SLICE_H

#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "wire/field_table.h"

#define RECORD_BYTES_MAX (192 * 1024) /**< canonical encoding of one record */
#define SLICES_MAX 1024

/** One slice; bytes borrowed from the set it stands in. */
struct slice {
	const struct field *unit;
	struct view bytes;
};

/**
 * Slices of one record, in schema order, elements of a repeated field in the order of their bytes.
 * All zero is empty.
 */
struct slice_set {
	enum record_type type;
	struct slice *slice;
	size_t n;
	struct buf storage;
};

void slice_set_fini(struct slice_set *s);

/**
 * Check a whole record's encoding as its author wrote it (values, code lists, counts, no empty
 * submessage, dates whose parts fit each other) and cut it. Not for a partial record: a date of
 * which parts are withheld need not fit.
 *
 * @param record  canonical encoding, but that elements of a repeated field may stand in any order
 * @retval ERR_INVALID  a value is not acceptable, or there are no fields; err_words() is
 *                      "path: reason" and quotes no value
 * @retval ERR_LIMIT    more than SLICES_MAX slices or RECORD_BYTES_MAX bytes
 * @retval ERR_FORMAT ERR_CANONICAL ERR_TEXT  as message_decode()
 *
 * Owner: caller ends *ret with slice_set_fini(). Bytes are the set's own, not borrowed.
 */
enum err record_cut(enum record_type type, struct view record, struct slice_set *ret) WARN_UNUSED;

/**
 * Check one slice from outside: parents exactly as the schema says, exactly one leaf, lengths equal
 * to the remainder, minimal varints, known enum values, strict text, not empty.
 *
 * @param[out] ret_unit  which unit it is
 * @retval ERR_FORMAT ERR_CANONICAL ERR_TEXT ERR_INVALID ERR_LIMIT
 */
enum err slice_check(enum record_type type, struct view slice,
		     const struct field **ret_unit) WARN_UNUSED;

/**
 * Regroup checked slices by path into one canonical encoding; repeated elements stand in the order
 * of their bytes.
 *
 * @param slice  n views, each accepted by slice_check(), in any order, no singular unit twice
 * @param out    appended: a record that message_decode() accepts; nothing when n is 0
 * @retval ERR_INVALID  a singular unit twice, or more elements than the schema allows
 * @retval ERR_LIMIT    n over SLICES_MAX, or the record over RECORD_BYTES_MAX
 * others as slice_check(), when a slice does not even open
 */
enum err record_join(enum record_type type, const struct view *slice, size_t n,
		     struct buf *out) WARN_UNUSED;

#endif
