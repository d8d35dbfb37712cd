/**
 * @file
 * What is encrypted at rest: blobs, and received openings. Bodies are blobs: node/bodies.h.
 */
#ifndef NODE_BLOBS_H
#define NODE_BLOBS_H

#include "crypto/box.h"
#include "store/ledger_table.h"
#include "store/manifest_table.h"

struct node;

/** What is to stand under one id: an entry's body and local part, or one content of any kind. */
struct blob {
	uint8_t id[STORE_ID_BYTES]; /**< given to it with its first content */
	size_t n;
	struct {
		enum blob_kind kind;
		struct box_key key;
		struct buf cipher;
	} content[2];
};
void blob_fini(struct blob *b);
/** Encrypt one content more under a fresh key. */
enum err blob_seal(struct node *n, struct blob *b, enum blob_kind kind,
		   struct view plain) WARN_UNUSED;
/** Write all that was sealed, as one row. */
enum err blob_write(struct node *n, const struct blob *b) WARN_UNUSED;
/** Write the one content of @p b, unless @p e says that sealing it has failed; b is freed. */
enum err blob_write_one(struct node *n, struct blob *b, enum err e,
			uint8_t ret_id[STORE_ID_BYTES]) WARN_UNUSED;
/** A blob of one content. */
enum err blob_store(struct node *n, enum blob_kind kind, struct view plain,
		    uint8_t ret_id[STORE_ID_BYTES]) WARN_UNUSED;

/** Encrypt and store one received opening: all of @p row but key and cipher is filled in. */
enum err opening_store(struct node *n, const struct opening_row *row, struct view salt,
		       struct view slice) WARN_UNUSED;

/** Append salt and slice. @retval ERR_NOT_FOUND  it is erased */
enum err opening_load(struct node *n, const struct opening_row *row, struct buf *out) WARN_UNUSED;

/** Decrypt a blob; appended to @p out. @retval ERR_NOT_FOUND  erased. @retval ERR_DECRYPT */
enum err blob_load(struct node *n, enum blob_kind kind, const uint8_t id[STORE_ID_BYTES],
		   struct buf *out) WARN_UNUSED;

#endif
