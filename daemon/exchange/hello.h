/**
 * @file
 * Hello: the first frame of each side, bound to its TLS session and sealed, and the only one before
 * the other's is verified. Source: PROTOCOL.md 5.
 */
#ifndef EXCHANGE_HELLO_H
#define EXCHANGE_HELLO_H

#include <stdbool.h>

#include "base/agency_id.h"
#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "crypto/cert.h"
#include "crypto/sign.h"
#include "ledger/chain.h"
#include "ledger/checkpoint.h"
#include "wire/message.h"

#define PROTOCOL_VERSION 1
#define EXPORTER_BYTES 32
#define HELLO_SEEN_MAX 64
#define HELLO_PROVE_MAX 4
#define HELLO_EPOCH_MAX UINT64_C(253402300799) /**< the last second of the year 9999 */

/** What we say. Views are borrowed; empty means absent. */
struct hello_terms {
	int role; /**< ours: 1 dialler, 2 listener */
	const uint8_t *exporter;
	const struct agency_id *id;
	const struct origin *origin;
	const struct cert_chain *seal_chain;
	struct view my_checkpoint;
	struct view your_checkpoint;
	struct chain_head received; /**< k 0: nothing yet */
	uint32_t schema_version;
	const struct view *seen;
	size_t n_seen;
	const uint64_t *prove; /**< sizes of the other side's ledger to be proven */
	size_t n_prove;	       /**< at most HELLO_PROVE_MAX */
};

/** Append the body of a Frame with our signed Hello. */
enum err hello_make(const struct hello_terms *terms, const struct seal_key *key,
		    struct buf *out) WARN_UNUSED;

/** What to hold a Hello against. */
struct hello_expected {
	int role; /**< the sender's: the opposite of ours */
	const uint8_t *exporter;
	const struct agency_id *id; /**< of its TLS certificate */
	const struct trust *trust;
	int64_t utc_s;
	const struct verify_key *pinned_key; /**< NULL: first contact */
	const char *pinned_origin;	     /**< with pinned_key */
	const struct origin *our_origin;     /**< to read your_checkpoint */
	const struct verify_key *our_key;
};

/** A verified Hello. Views borrow from the message it was read from. */
struct hello {
	struct origin origin;
	uint64_t epoch;		/**< its last part, at most HELLO_EPOCH_MAX */
	bool is_new_epoch;	/**< greater than that of the pinned origin: see PROTOCOL.md 12 */
	struct verify_key *key; /**< owned: hello_fini() */
	struct checkpoint my_checkpoint;
	struct view my_note;
	bool has_yours;
	struct checkpoint yours; /**< of ours, as the peer holds it; signed by us */
	uint64_t yours_epoch;	 /**< it may be of another epoch of ours */
	struct chain_head received;
	uint32_t schema_version;
};

/**
 * Verify a Hello wholly: version, identity, certificate, pins, signature over this session, both
 * checkpoints.
 *
 * @retval ERR_VERSION    no version in common
 * @retval ERR_CERT ERR_REVOKED  seal certificate
 * @retval ERR_DENIED     seal key is not the pinned one, or the epoch is before the pinned one: the
 *                        operator must look
 * @retval ERR_SIGNATURE  Hello, or a checkpoint in it
 * @retval ERR_FORMAT     a field is missing or of another length, or the id is not that of TLS
 * Owner: caller ends *ret with hello_fini().
 */
enum err hello_check(const struct pb_hello *message, const struct hello_expected *expected,
		     struct hello *ret) WARN_UNUSED;
void hello_fini(struct hello *h);

#endif
