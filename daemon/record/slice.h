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

/** Slices of one record, in schema order, elements of a repeated field in the order of their bytes. */
struct slice_set {
	enum record_type type;
	struct slice *slice;
	size_t n;
	struct buf storage;
};

void slice_set_fini(struct slice_set *s);

/**
 * Check a record's canonical encoding wholly (values, code lists, counts, no empty submessage) and
 * cut it.
 *
 * @param record        canonical encoding
 * @param[out] ret_path path of the field at fault for a message to people: FIELD_PATH_MAX bytes;
 *                      may be NULL; set on ERR_INVALID; err_words() holds "path: reason"
 * @retval ERR_INVALID  a value is not acceptable, or there are no fields
 * @retval ERR_LIMIT    more than SLICES_MAX slices or RECORD_BYTES_MAX bytes
 * @retval ERR_FORMAT ERR_CANONICAL ERR_TEXT  as message_decode()
 * Owner: caller ends *ret with slice_set_fini().
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
 * @param out    appended: a record that message_decode() accepts
 * @retval ERR_INVALID  a singular unit twice
 */
enum err record_join(enum record_type type, const struct view *slice, size_t n,
		     struct buf *out) WARN_UNUSED;

#endif
