/**
 * @file
 * Inside the record module only: stepping through a record's encoding along the field table, and
 * writing a field inside its chain of parents. Allocates nothing. The details of its errors name
 * paths of the schema, never a value.
 */
#ifndef RECORD_WALK_H
#define RECORD_WALK_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "wire/field_table.h"
#include "wire/varint.h"

/** One field as it stands in an encoding; views borrow the encoding. */
struct item {
	const struct field *field;
	struct wire_field at;
};

/** What is directly inside a record, a group or an element, in canonical order. */
struct walk {
	enum record_type type;
	const struct field *parent; /**< NULL: the record */
	const struct field *last;   /**< of the item before; NULL before the first */
	size_t n_same;		    /**< items of last so far */
	struct wire_reader in;
};

/** Begin at the first field of @p in, which is the content of @p parent. */
struct walk walk_begin(enum record_type type, const struct field *parent, struct view in);

static inline bool walk_is_end(const struct walk *w)
{
	return wire_is_end(&w->in);
}

/**
 * Take the next field; its value is not checked.
 *
 * @retval ERR_FORMAT     not protobuf, or of another wire type than the schema's
 * @retval ERR_CANONICAL  unknown, out of order, a singular field twice, or not in shortest form
 * @retval ERR_INVALID    more elements than the schema allows
 */
enum err walk_next(struct walk *w, struct item *ret) WARN_UNUSED;

/** How strict a date's parts are taken. */
enum walk_dates {
	WALK_DATES_ANY,	  /**< each part for itself: what a peer disclosed */
	WALK_DATES_WHOLE, /**< they fit each other: what the author wrote */
};

/**
 * Check a value, and all that is inside an element.
 *
 * @retval ERR_INVALID    empty, too long, not of its code list
 * @retval ERR_TEXT       not strict text
 * @retval ERR_FORMAT ERR_CANONICAL  as walk_next()
 */
enum err item_check(const struct item *item, enum walk_dates dates) WARN_UNUSED;

/** Check that a date's parts fit each other; @p content was checked before. */
enum err date_check(const struct field *date, struct view content) WARN_UNUSED;

/** Read a date's parts; @p content as above. */
enum err date_read(const struct field *date, struct view content,
		   struct field_date *ret) WARN_UNUSED;

/** Append @p leaf, the encoding of one field of @p unit, inside the chain of the unit's parents. */
enum err slice_put(const struct field *unit, struct view leaf, struct buf *out) WARN_UNUSED;

/**
 * Find the unit of a slice, and its leaf's encoding, without checking the leaf's value.
 *
 * @param[out] ret  its view `whole` is the tag and the value of the unit
 * @retval ERR_FORMAT ERR_CANONICAL ERR_INVALID ERR_LIMIT  as slice_check()
 */
enum err slice_open(enum record_type type, struct view slice, struct item *ret) WARN_UNUSED;

#endif
