/**
 * @file
 * Tables of manifests, own and received, of their seals as they went or came, and of received
 * openings. Numbered in the order in which they came, so that what belongs to new ones lies beside
 * each other. Rules: store/store.h.
 */
#ifndef STORE_MANIFEST_TABLE_H
#define STORE_MANIFEST_TABLE_H

#include "store/store.h"

/** A manifest, own (peer 0) or received. */
struct manifest_row {
	struct digest digest;
	int64_t peer;
	struct view manifest; /**< exact bytes; borrowed */
	uint64_t num;	      /**< 1..; not written */
};

/**
 * Add a manifest.
 *
 * @param[out] ret_num  its number, also when it is there already with the same bytes
 * @retval ERR_EXISTS   other bytes stand under this digest
 */
enum err manifest_put(struct store *s, const struct manifest_row *row,
		      uint64_t *ret_num) WARN_UNUSED;
enum err manifest_get(struct store *s, const struct digest *digest,
		      struct manifest_row *ret) WARN_UNUSED;

/**
 * Add a seal of a manifest.
 *
 * @param manifest      the manifest's number
 * @param bytes         an encoding of pb_seal
 * @param[out] ret_num  its number, 1..; no new one when it is the one that came last
 */
enum err seal_put(struct store *s, uint64_t manifest, struct view bytes,
		  uint64_t *ret_num) WARN_UNUSED;

/** A seal and what it is over. */
struct seal_row {
	uint64_t num;
	struct view bytes; /**< borrowed */
	struct digest digest;
	struct view manifest; /**< borrowed */
};

/** @retval ERR_NOT_FOUND */
enum err seal_get(struct store *s, uint64_t num, struct seal_row *ret) WARN_UNUSED;
/** The one of this manifest that came last. @retval ERR_NOT_FOUND  none */
enum err seal_get_last(struct store *s, uint64_t manifest, struct seal_row *ret) WARN_UNUSED;

/** One received opening, under its manifest. */
struct opening_row {
	struct digest manifest; /**< not written */
	uint64_t manifest_num;
	struct digest commitment;
	const char *path; /**< of the unit; borrowed */
	bool is_singular;
	int64_t peer;
	uint64_t k;		 /**< of the item that brought it */
	struct view wrapped_key; /**< borrowed; empty when it is erased */
	struct view cipher;	 /**< of u8 salt[32], then the slice; borrowed */
};

/** ERR_EXISTS: this commitment is open already. */
enum err opening_put(struct store *s, const struct opening_row *row) WARN_UNUSED;
/** Those of a manifest, ascending in commitment. */
enum err opening_walk(struct store *s, const struct digest *manifest,
		      enum err (*row)(void *ctx, const struct opening_row *row),
		      void *ctx) WARN_UNUSED;

#endif
