/**
 * @file
 * Manifests: what a seal is over. Commitments to all slices, filled up with random decoys, so that
 * any holder verifies each disclosed field against the originator. Source: PROTOCOL.md 7.4.
 */
#ifndef RECORD_MANIFEST_H
#define RECORD_MANIFEST_H

#include <stdbool.h>

#include "base/agency_id.h"
#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "crypto/sign.h"
#include "record/slice.h"
#include "wire/message.h"

#define RECORD_ID_BYTES 16
#define SLICE_SALT_BYTES 32
#define COMMITMENTS_MIN 64
#define COMMITMENTS_MAX 1024
#define MANIFEST_BYTES_MAX (40 * 1024)

/** What is sealed beside the commitments. */
struct manifest_terms {
	uint8_t record_id[RECORD_ID_BYTES];
	uint32_t revision; /**< from 1 */
	bool has_previous;
	struct digest previous; /**< digest of the manifest of revision - 1 */
	size_t n_previous;	/**< its commitments; 0 for the first revision */
	enum record_type type;
	uint32_t schema_version;
	struct agency_id originator;
	uint64_t sealed_at_us;
	uint64_t retain_until_us;     /**< 0 = not stated */
	int tlp;		      /**< Tlp of ledger.proto; 0 = not stated */
	uint32_t restrictions;	      /**< bit n set = restriction n */
	struct view restriction_text; /**< what H3 says, strict text; empty = none; borrowed */
};

/** A manifest read back. Borrowed views end with the bytes it was read from. */
struct manifest {
	struct manifest_terms terms;
	struct view commitments; /**< n x 32, strictly ascending */
	size_t n;
	struct digest digest;
};

/** commitment = SHA-256("amparo/v1/slice\0" || salt || slice). */
struct digest slice_commitment(const uint8_t salt[SLICE_SALT_BYTES], struct view slice);

/** SHA-256("amparo/v1/manifest\0" || bytes). */
struct digest manifest_digest(struct view manifest);

/** How many commitments a manifest of @p n_slices has: 64, 128 ... 1024, at least @p n_previous; 0:
 * too many. */
size_t manifest_commitment_count(size_t n_slices, size_t n_previous);

/**
 * Seal a record: salts in, manifest bytes out.
 *
 * @param slices      all slices of the record
 * @param random      n_random bytes: SLICE_SALT_BYTES a slice, then 32 a decoy
 *                    (manifest_random_bytes() says how many); the salts are its beginning, in slice
 * order
 * @param[out] out    the manifest's encoding is appended
 * @retval ERR_LIMIT    over COMMITMENTS_MAX slices, or MANIFEST_BYTES_MAX bytes
 * @retval ERR_INVALID  the terms do not fit each other, no slices, slices of another record type,
 *                      or another number of random bytes
 * @retval ERR_CRYPTO   the random bytes repeat themselves
 */
enum err manifest_make(const struct manifest_terms *terms, const struct slice_set *slices,
		       const uint8_t *random, size_t n_random, struct buf *out) WARN_UNUSED;

/** Random bytes that manifest_make() wants; 0: too many slices. */
size_t manifest_random_bytes(size_t n_slices, size_t n_previous);

/**
 * Read a manifest strictly: sizes, order, count, ids. terms.n_previous is 0: it does not tell.
 *
 * @retval ERR_FORMAT ERR_CANONICAL ERR_TEXT ERR_INVALID ERR_LIMIT
 */
enum err manifest_read(struct view in, struct manifest *ret) WARN_UNUSED;

/** Is @p commitment in the manifest? Binary search. */
bool manifest_has(const struct manifest *m, const struct digest *commitment);

/**
 * Check one opening against a manifest.
 *
 * @param[out] ret_commitment  of salt and slice
 * @retval ERR_PROOF    no such commitment
 * @retval ERR_INVALID  the salt is not SLICE_SALT_BYTES long
 * others as slice_check()
 */
enum err manifest_check_opening(const struct manifest *m, struct view salt, struct view slice,
				struct digest *ret_commitment,
				const struct field **ret_unit) WARN_UNUSED;

/**
 * Check a seal: the SEAL entry names this manifest, its inclusion proof and checkpoint hold under
 * the originator's key.
 *
 * Which key is the originator's is the caller's business: pinned, or of seal->chain, which is not
 * looked at here.
 *
 * @param seal        as received
 * @param originator  must be the manifest's originator and the checkpoint origin's agency
 * @param origin      the originator's pinned origin; NULL: any epoch of it
 * @param key         its seal key; not NULL
 * @retval ERR_PROOF      another manifest or originator, or the proof does not verify
 * @retval ERR_SIGNATURE  of the checkpoint
 * @retval ERR_INVALID    a part is missing, or the entry is no SEAL
 * others as entry_decode() and checkpoint_read()
 */
enum err seal_check(const struct pb_seal *seal, const struct manifest *m,
		    const struct agency_id *originator, const char *origin,
		    const struct verify_key *key) WARN_UNUSED;

#endif
