/**
 * @file
 * Evidence for people outside: a c2sp.org/tlog-proof@v1 text for one leaf, and the judgement
 * whether two signed checkpoints contradict each other, of one size or of two. Source:
 * c2sp.org/tlog-proof, PROTOCOL.md 9.
 */
#ifndef LEDGER_EVIDENCE_H
#define LEDGER_EVIDENCE_H

#include "ledger/checkpoint.h"
#include "ledger/merkle.h"

/** Append `c2sp.org/tlog-proof@v1`, index line, hashes in base64, an empty line, the note. */
enum err evidence_proof_text(uint64_t index, const struct proof *proof, struct view note,
			     struct buf *out) WARN_UNUSED;

/**
 * Read it back and check it against @p leaf and the key of its origin.
 *
 * @retval ERR_FORMAT ERR_SIGNATURE ERR_PROOF
 */
enum err evidence_proof_check(struct view text, const struct digest *leaf, const char *origin,
			      const struct verify_key *key) WARN_UNUSED;

/** Append `amparo/v1/prefix-proof`, size line, hashes in base64, an empty line, the note. */
enum err evidence_prefix_text(uint64_t size, const struct proof *proof, struct view note,
			      struct buf *out) WARN_UNUSED;

/**
 * Do both halves of a split view contradict each other: a signed @p note, and a prefix proof
 * @p text whose own signed note has another root at the size of @p note?
 *
 * @retval ERR_OK  they do: the holder of @p key signed two histories
 * @retval ERR_FORMAT ERR_SIGNATURE ERR_PROOF  they do not, or one of them is not what it should be
 */
enum err evidence_split_check(struct view note, struct view text, const char *origin,
			      const struct verify_key *key) WARN_UNUSED;

/** Same origin and size, different roots: an incident. Both must have been checked before. */
bool checkpoints_contradict(const struct checkpoint *a, const struct checkpoint *b);

#endif
