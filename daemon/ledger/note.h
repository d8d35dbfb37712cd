/**
 * @file
 * Signed notes with Ed25519 signatures (type 0x01): a text, an empty line, signature lines.
 *
 *   text, one or more lines
 *   <empty line>
 *   — <key name> <base64 of key id (4 bytes) and signature>
 *
 * Stricter than C2SP: at most 16 signatures and 8 KiB, and every line is strict text (wire/text.h).
 *
 * Source: c2sp.org/signed-note, PROTOCOL.md 4.
 */
#ifndef LEDGER_NOTE_H
#define LEDGER_NOTE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "crypto/sign.h"

#define NOTE_BYTES_MAX 8192
#define NOTE_SIGNATURES_MAX 16
#define NOTE_NAME_MAX 400 /**< bytes of a key name read */
#define NOTE_KEY_ID_BYTES 4

/** A signature line; views borrow the note. */
struct note_signature {
	struct view name;
	uint8_t key_id[NOTE_KEY_ID_BYTES];
	struct view base64; /**< of key id and signature, well-formed */
	bool is_verified;   /**< set by note_verify() */
};

/** A note taken apart; views borrow the bytes it was read from. */
struct note {
	struct view text; /**< with its last newline, without the empty line */
	struct note_signature signature[NOTE_SIGNATURES_MAX];
	size_t n_signatures; /**< 1..NOTE_SIGNATURES_MAX */
};

/** A key that is known under a name. */
struct note_verifier {
	const char *name;
	const struct verify_key *key;
};

/** SHA-256(name || 0x0A || 0x01 || public key)[0..4] */
void note_key_id(const char *name, const struct verify_key *key, uint8_t ret[NOTE_KEY_ID_BYTES]);

/** A name that may stand in a signature line: not empty, no space, no '+', strict text. */
bool note_name_is_valid(struct view name);

/**
 * Take a note apart; no signature is verified.
 *
 * @retval ERR_LIMIT   over 8 KiB, 16 signatures or 400 bytes of name
 * @retval ERR_FORMAT  not a signed note
 * @retval ERR_TEXT    a line that is not strict text
 */
enum err note_parse(struct view in, struct note *ret) WARN_UNUSED;

/**
 * Verify the signatures of known keys and mark them. Those of unknown keys are ignored.
 *
 * @param verifiers          n_verifiers known keys
 * @param[out] ret_verified  signatures verified, 0 when no key of the note is known
 * @retval ERR_SIGNATURE  that of a known key does not verify: the whole note is invalid
 * @retval ERR_INVALID    two verifiers of one name and key id, and the note uses them
 */
enum err note_verify(struct note *note, const struct note_verifier *verifiers, size_t n_verifiers,
		     size_t *ret_verified) WARN_UNUSED;

/**
 * Write a note.
 *
 * @param text      ends in a newline, holds no line that is not strict text
 * @param name      of the key
 * @param[out] out  appended, nothing on failure
 * @retval ERR_INVALID  text or name cannot stand in a note
 */
enum err note_sign(struct view text, const char *name, const struct seal_key *key,
		   struct buf *out) WARN_UNUSED;

#endif
