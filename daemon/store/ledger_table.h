/**
 * @file
 * Tables of this node's ledger: entries, tiles of the tree, the newest own checkpoint, and blobs
 * (encrypted bodies, openings, local parts). Rules: store/store.h.
 *
 * A ledger that was lost or rolled back is followed by a new one, whose epoch is greater: the UTC
 * second of its start, the last part of its origin. All of an epoch is kept under its number;
 * earlier ones are read only. store/epoch_table.h says which there are.
 */
#ifndef STORE_LEDGER_TABLE_H
#define STORE_LEDGER_TABLE_H

#include "store/store.h"

#define TILE_WIDTH 256 /**< hashes of a full tile; tile level t holds tree nodes of level 8 t */

/** One entry's row. Views are borrowed. */
struct entry_row {
	uint64_t epoch;
	uint64_t index;
	struct view entry; /**< exact bytes */
	struct digest leaf;
	int64_t peer; /**< peer_row.id, 0 = unaddressed */
	uint64_t k;   /**< 0 = unaddressed */
	bool has_body;
	uint8_t body_blob[STORE_ID_BYTES];
	bool has_local;
	uint8_t local_blob[STORE_ID_BYTES];
};

/**
 * Append. @retval ERR_EXISTS  index, leaf or (peer, k) is there. @retval ERR_INVALID  index is not
 * the next, or a number is over INT64_MAX (so in all functions of this folder).
 */
enum err entry_put(struct store *s, const struct entry_row *row) WARN_UNUSED;
/** @retval ERR_NOT_FOUND */
enum err entry_get(struct store *s, uint64_t epoch, uint64_t index,
		   struct entry_row *ret) WARN_UNUSED;
enum err entry_get_k(struct store *s, uint64_t epoch, int64_t peer, uint64_t k,
		     struct entry_row *ret) WARN_UNUSED;
/** The entry with this leaf at position @p k to a peer, of whichever epoch. */
enum err entry_find(struct store *s, int64_t peer, uint64_t k, const struct digest *leaf,
		    struct entry_row *ret) WARN_UNUSED;
/** Number of entries: index of the newest + 1. */
enum err entry_count(struct store *s, uint64_t epoch, uint64_t *ret) WARN_UNUSED;
/** Leaf hashes of [from, from + n), n >= 1, into @p ret (n digests). ERR_NOT_FOUND when one is
 * missing. */
enum err entry_leaves(struct store *s, uint64_t epoch, uint64_t from, size_t n,
		      struct digest *ret) WARN_UNUSED;
/** Walk rows from @p from, index ascending. */
enum err entry_walk(struct store *s, uint64_t epoch, uint64_t from,
		    enum err (*row)(void *ctx, const struct entry_row *row), void *ctx) WARN_UNUSED;
/** Walk the entries to one peer with k > @p after_k, k ascending. */
enum err entry_walk_peer(struct store *s, uint64_t epoch, int64_t peer, uint64_t after_k,
			 enum err (*row)(void *ctx, const struct entry_row *row),
			 void *ctx) WARN_UNUSED;

/**
 * A full tile: TILE_WIDTH hashes and the node over them. @retval ERR_EXISTS  it is there.
 * @retval ERR_INVALID  not the next of its level
 */
enum err tile_put(struct store *s, uint64_t epoch, unsigned tile_level, uint64_t n,
		  const struct digest hashes[TILE_WIDTH], const struct digest *node) WARN_UNUSED;
enum err tile_get(struct store *s, uint64_t epoch, unsigned tile_level, uint64_t n,
		  struct digest ret[TILE_WIDTH]) WARN_UNUSED;
/** Only the node over a tile: to rebuild the tails at start. */
enum err tile_get_node(struct store *s, uint64_t epoch, unsigned tile_level, uint64_t n,
		       struct digest *ret) WARN_UNUSED;
/** Number of full tiles at a tile level. */
enum err tile_count(struct store *s, uint64_t epoch, unsigned tile_level,
		    uint64_t *ret) WARN_UNUSED;

/** The newest checkpoint signed by this node in an epoch; ERR_NOT_FOUND before the first. */
enum err own_checkpoint_put(struct store *s, uint64_t epoch, uint64_t size,
			    struct view note) WARN_UNUSED;
enum err own_checkpoint_get(struct store *s, uint64_t epoch, uint64_t *ret_size,
			    struct buf *out_note) WARN_UNUSED;

/** What a blob holds; part of its associated data. */
enum blob_kind {
	BLOB_BODY = 1,	  /**< u8 salt[32], then the body as body_seal() cuts it */
	BLOB_LOCAL = 2,	  /**< u8 salt[32], then the local part */
	BLOB_OPENING = 3, /**< in the opening table: u8 salt[32], then the slice */
	BLOB_RECORD = 4,  /**< an own record's canonical encoding */
	BLOB_SALTS = 5,	  /**< the salts of its slices, in slice order */
	BLOB_LABEL = 6,	  /**< its local reference */
	BLOB_REASON = 7,  /**< free text of a status */
};

#define BLOB_TAIL_BYTES 8 /**< of its id, behind the number */

/**
 * An id for a new blob: the next number, so that new blobs lie beside each other in the file, then
 * @p tail, which must be random: an id that was erased never comes again.
 */
enum err blob_id(struct store *s, const uint8_t tail[BLOB_TAIL_BYTES],
		 uint8_t ret[STORE_ID_BYTES]) WARN_UNUSED;

/** One content of a blob, encrypted. Views are borrowed. */
struct blob_content {
	enum blob_kind kind;
	struct view wrapped_key, cipher;
};

/**
 * Store what stands under one id, as one row: a content of any kind, a local part, or both. Each is
 * read and erased alone.
 *
 * @retval ERR_EXISTS  the id, or its number, is there
 */
enum err blob_put(struct store *s, const uint8_t id[STORE_ID_BYTES],
		  const struct blob_content *content, size_t n) WARN_UNUSED;
/** Both appended, or neither. @retval ERR_NOT_FOUND  erased, never there, or of another kind */
enum err blob_get(struct store *s, const uint8_t id[STORE_ID_BYTES], enum blob_kind kind,
		  struct buf *out_wrapped_key, struct buf *out_cipher) WARN_UNUSED;
/** Delete key and ciphertext. ERR_NOT_FOUND as blob_get() */
enum err blob_erase(struct store *s, const uint8_t id[STORE_ID_BYTES],
		    enum blob_kind kind) WARN_UNUSED;

#endif
