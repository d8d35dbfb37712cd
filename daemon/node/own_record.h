/**
 * @file
 * Own records opened for use: decrypted, cut into slices, committed to, with the proof of their
 * seal. A few are kept open, since a record is sent soon after it is sealed, released in a second
 * stage, and read again for each; what was not used for longest is wiped first, and all of them
 * when none was used for a while.
 */
#ifndef NODE_OWN_RECORD_H
#define NODE_OWN_RECORD_H

#include "exchange/disclosure.h"
#include "record/manifest.h"
#include "record/slice.h"
#include "node/bodies.h"
#include "store/record_table.h"
#include "wire/message.h"

struct node;

#define OWN_RECORDS_BYTES_MAX (16u << 20) /**< of those kept open, together */
#define OWN_PROOF_BYTES 4096		  /**< counted for a seal, which comes later */
#define OWN_RECORDS_KEPT_MS 5000	  /**< after the last use of any of them */
#define OWN_BUCKETS 2048		  /**< a power of two, more than are kept open */

/** One own record. Borrowed from the node: good until another is opened. */
struct own_record {
	struct record_row row;
	struct buf record;
	struct buf salts;
	struct slice_set slices;
	struct opened_slice *opening; /**< slices.n, as disclosure_sort() leaves them; borrow from
					 salts and slices */
	struct buf manifest;
	uint64_t manifest_num;		  /**< of its row */
	struct buf seal_bytes;		  /**< empty until own_record_proof() */
	struct pb_seal *seal;		  /**< borrows from it; NULL likewise */
	struct held_seal held;		  /**< see own_record_hold_seal() */
	size_t n_bytes;			  /**< counted against OWN_RECORDS_BYTES_MAX */
	struct own_record *next;	  /**< in its bucket */
	struct own_record *next_by_id;	  /**< likewise; when is_newest */
	bool is_newest;			  /**< of its record's revisions */
	struct own_record *newer, *older; /**< by their last use */
};

/** Those that are kept open. All zero is none. */
struct own_cache {
	struct own_record *bucket[OWN_BUCKETS]; /**< by the manifest's digest */
	struct own_record *by_id[OWN_BUCKETS];	/**< by the record's id */
	struct own_record *newest, *oldest;
	size_t n_bytes;
	uint64_t used_ms; /**< when one was asked for last, monotonic */
};

/** Wipe and free one that is in no cache; NULL is fine. */
void own_record_free(struct own_record *r);
DEFINE_FREEP(struct own_record, own_record_free)

/**
 * Open an own record by its manifest.
 *
 * @retval ERR_NOT_FOUND  no such record, or it was erased
 */
enum err own_record_open(struct node *n, const struct digest *manifest,
			 struct own_record **ret) WARN_UNUSED;

/**
 * Open the newest revision of an own record.
 *
 * @retval ERR_NOT_FOUND  no such record
 * @retval ERR_INVALID    its content is not here: erased, or damage
 */
enum err own_record_open_newest(struct node *n, const uint8_t id[RECORD_ID_BYTES],
				struct own_record **ret) WARN_UNUSED;

/** A revision of this record was written: what is open is the newest no more. */
void own_record_revised(struct node *n, const uint8_t id[RECORD_ID_BYTES]);

/** Forget all that are open, wiping them. */
void own_records_close(struct node *n);

/** Forget them when none was used for OWN_RECORDS_KEPT_MS; and when that is, UINT64_MAX: never. */
void own_records_tick(struct node *n, uint64_t now_ms);
/** See own_records_tick(). */
uint64_t own_records_deadline_ms(const struct node *n);

/**
 * Openings of an own disclosure again, by the commitments that its body names.
 *
 * @param[out] ret  room for as many as are named; borrows as own_record_open()
 */
enum err own_record_reopen(struct node *n, const struct pb_disclosure *d, struct opened_slice *ret,
			   size_t *ret_n) WARN_UNUSED;

/**
 * The record's seal with its proof, against a checkpoint signed since: the one that went before, or
 * a new one. The same bytes each time: a receiver that is sent them again need not verify them.
 *
 * @param[out] ret  borrows from @p r
 * @retval ERR_FULL  the checkpoint over the seal is being signed: try again
 */
enum err own_record_proof(struct node *n, struct own_record *r, struct pb_seal **ret) WARN_UNUSED;

/** Put that seal into its table, after own_record_proof(): it is about to go with a disclosure. */
enum err own_record_hold_seal(struct node *n, struct own_record *r,
			      struct held_seal *ret) WARN_UNUSED;

#endif
