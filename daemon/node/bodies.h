/**
 * @file
 * Bodies of entries at rest. Each is a blob under a key of its own. What makes up most of a
 * REFERRAL, the manifest and its seal, is the same whenever the record is referred, and says
 * nothing of a person: it stands once, in tables of its own, and a body is stored without it, and
 * loaded whole.
 */
#ifndef NODE_BODIES_H
#define NODE_BODIES_H

#include "node/blobs.h"
#include "record/manifest.h"
#include "store/referral_table.h"
#include "wire/message.h"

/** A seal that is in its table, and with it its manifest. num 0: none. */
struct held_seal {
	uint64_t num;
	struct digest digest; /**< of the seal's bytes and of the manifest's digest */
};

/**
 * Add a seal to its table, when it is not the one that stands there last.
 *
 * @param manifest_num  number of the manifest's row
 * @param manifest      its digest
 * @param seal          encoding of pb_seal
 */
enum err seal_hold(struct node *n, uint64_t manifest_num, const struct digest *manifest,
		   struct view seal, struct held_seal *ret) WARN_UNUSED;

/**
 * Add the manifest that a disclosure carries, and its seal as seal_hold(), unless the seal has a
 * chain of certificates or more than one signature, or is a peer's of a manifest of ours: then none
 * is held.
 *
 * @param peer          who brought it; 0: ourselves
 * @param d             with manifest and seal
 * @param m             its manifest, read
 * @param[out] ret_num  number of the manifest's row
 */
enum err manifest_hold(struct node *n, int64_t peer, const struct pb_disclosure *d,
		       const struct manifest *m, uint64_t *ret_num,
		       struct held_seal *ret) WARN_UNUSED;

/**
 * Encrypt the body of an entry with its salt.
 *
 * @param salt  SALT_BYTES
 * @param held  of a REFERRAL: the seal that it carries, and with it its manifest, which it is
 *              stored without; that it is this very one is the caller's care. num 0: it is stored
 *              whole
 */
enum err body_seal(struct node *n, struct blob *b, struct view salt, struct view body,
		   const struct held_seal *held) WARN_UNUSED;
/** Write it as a blob of its own. */
enum err body_store(struct node *n, struct view salt, struct view body,
		    const struct held_seal *held, uint8_t ret_id[STORE_ID_BYTES]) WARN_UNUSED;

/** The Disclosure in the body of a REFERRAL, as it stands there; empty: there is none. */
struct view body_record(struct view body);

/**
 * Append salt and body.
 *
 * @retval ERR_NOT_FOUND  erased
 * @retval ERR_DECRYPT    it is not what was stored, or what it was stored without is not
 */
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
