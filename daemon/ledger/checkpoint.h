/**
 * @file
 * Checkpoints: a C2SP tlog-checkpoint (exactly three lines: origin, size, base64 root) in a signed
 * note with Ed25519 signatures. Key name = origin = `<trust domain>/<agency>/<epoch>`.
 *
 * At most 16 signature lines and 8 KiB are read; a known key whose signature fails makes the note
 * invalid; unknown keys are ignored; texts are compared, never signature sets.
 *
 * Source: c2sp.org/tlog-checkpoint, c2sp.org/signed-note, PROTOCOL.md 4.
 */
#ifndef LEDGER_CHECKPOINT_H
#define LEDGER_CHECKPOINT_H

#include "base/agency_id.h"
#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "crypto/sign.h"
#include "ledger/merkle.h"
#include "ledger/note.h"

#define ORIGIN_MAX (AGENCY_ID_MAX - 9 + 1 + 20) /**< characters of an origin, without NUL */

/** Origin of one epoch of an agency's ledger. */
struct origin {
	char text[ORIGIN_MAX + 1];
};

/** What a checkpoint says. */
struct checkpoint {
	struct origin origin;
	uint64_t size; /**< 0..MERKLE_SIZE_MAX */
	struct digest root;
};

/** "<trust domain>/<agency>/<epoch>"; @p epoch_s UTC seconds at its start. */
void origin_make(struct origin *ret, const struct agency_id *id, uint64_t epoch_s);

/**
 * Check that @p text is an origin of @p id and copy it.
 *
 * @param[out] ret_epoch_s  may be NULL
 * @retval ERR_FORMAT  not an origin of agency @p id
 */
enum err origin_check(struct view text, const struct agency_id *id, struct origin *ret,
		      uint64_t *ret_epoch_s) WARN_UNUSED;

/** Append the three lines of @p c to @p out; errors as buf_put(). */
enum err checkpoint_text(const struct checkpoint *c, struct buf *out) WARN_UNUSED;

/**
 * Write a signed note over @p c, key name = its origin.
 *
 * @param[out] out  appended
 */
enum err checkpoint_sign(const struct checkpoint *c, const struct seal_key *key,
			 struct buf *out) WARN_UNUSED;

/**
 * Read a signed note and check it.
 *
 * @param note    the note, whole
 * @param origin  expected origin, and name of the key; NULL takes the note's own
 * @param key     the origin's key; NULL only parses (the caller checks later, or shows it)
 * @retval ERR_LIMIT      over 8 KiB or 16 signatures
 * @retval ERR_FORMAT     not a note, not a checkpoint of exactly three lines, another origin, size
 * 0 with a root that is not the empty tree's
 * @retval ERR_TEXT       not strict text
 * @retval ERR_SIGNATURE  no signature of @p key, or it does not verify
 */
enum err checkpoint_read(struct view note, const char *origin, const struct verify_key *key,
			 struct checkpoint *ret) WARN_UNUSED;

#endif
