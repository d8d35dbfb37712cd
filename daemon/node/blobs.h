/**
 * @file
 * What is encrypted at rest: blobs, received openings, and bodies, which are blobs without the
 * manifest that they carry.
 */
#ifndef NODE_BLOBS_H
#define NODE_BLOBS_H

#include "crypto/box.h"
#include "store/ledger_table.h"
#include "store/record_table.h"
#include "store/referral_table.h"

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

/**
 * Encrypt the body of an entry with its salt.
 *
 * @param salt              SALT_BYTES
 * @param is_manifest_held  it is a REFERRAL whose manifest is in its table: the body is stored
 *                          without it, and loaded whole
 */
enum err body_seal(struct node *n, struct blob *b, struct view salt, struct view body,
		   bool is_manifest_held) WARN_UNUSED;
/** Write it as a blob of its own. */
enum err body_store(struct node *n, struct view salt, struct view body, bool is_manifest_held,
		    uint8_t ret_id[STORE_ID_BYTES]) WARN_UNUSED;

/** The Disclosure in the body of a REFERRAL, as it stands there; empty: there is none. */
struct view body_record(struct view body);

/** Append salt and body. @retval ERR_NOT_FOUND  erased. @retval ERR_DECRYPT */
enum err body_load_salted(struct node *n, const uint8_t id[STORE_ID_BYTES],
			  struct buf *out) WARN_UNUSED;

/** Body of an entry without its salt, which goes to @p ret_salt (SALT_BYTES, may be NULL). */
enum err body_load(struct node *n, const uint8_t id[STORE_ID_BYTES], uint8_t *ret_salt,
		   struct buf *out) WARN_UNUSED;

/**
 * Body of an entry that this node wrote, by its leaf: of any epoch, also one that a peer gave back.
 *
 * @retval ERR_NOT_FOUND  no such entry, or its body is erased
 */
enum err own_body_load(struct node *n, const struct referral_row *r, struct buf *out) WARN_UNUSED;

#endif
