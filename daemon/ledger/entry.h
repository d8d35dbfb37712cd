/**
 * @file
 * Entries: one leaf of the ledger each, stored, sent and hashed as the bytes first written.
 * Source: PROTOCOL.md 2, proto/amparo/v1/ledger.proto.
 */
#ifndef LEDGER_ENTRY_H
#define LEDGER_ENTRY_H

#include <stdbool.h>

#include "base/agency_id.h"
#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "ledger/chain.h"
#include "wire/message.h"

#define ENTRY_VERSION 1
#define ENTRY_BYTES_MAX 4096
#define BODY_BYTES_MAX (256 * 1024)
#define NONCE_BYTES 32
#define SALT_BYTES 32

/**
 * An entry in memory. Fields that are absent: addressee.n_text 0, k 0, has_x false, purpose 0.
 *
 * What stands in an entry of which kind (R required, - forbidden, o either):
 *
 *                                    addressee, k,   body_
 *   kind                             prev_head,      digest  agreement  purpose  answers
 *                                    seen_k
 *   REFERRAL                         R               R       o          o        -
 *   STATUS SUPPLEMENT CORRECTION     R               R       o          o        R
 *   RECALL RECALL_ANSWER             R               R       o          o        R
 *   NOTICE                           R               R       o          o        o
 *   ADOPT WITHDRAW                   R               R       R          -        -
 *   RECEIPT KEY EPOCH EPOCH_ACCEPTED R               R       -          -        -
 *   SEAL                             -               R       -          -        -
 *   the other unaddressed            -               -       -          -        -
 *
 * version, nonce, time_us, kind and local_digest stand in all. A REFERRAL without agreement or
 * purpose is well-formed and refused for what it is (PROTOCOL.md 7).
 */
struct entry {
	uint8_t nonce[NONCE_BYTES];
	uint64_t time_us; /**< UTC, microseconds */
	Amparo__V1__EntryKind kind;
	struct agency_id addressee;
	uint64_t k; /**< 1.. when addressed */
	struct digest prev_head;
	bool has_body;
	struct digest body_digest;
	bool has_agreement;
	struct digest agreement;
	int purpose;
	bool has_answers;
	struct digest answers;
	uint64_t seen_k; /**< 0 when unaddressed; written, 0 too, when addressed */
	struct digest local_digest;
};

/** What is readable of an entry of any version and kind. */
struct entry_outline {
	uint32_t version; /**< 0 when absent */
	int kind;	  /**< any number; 0 when absent */
	struct agency_id addressee;
	uint64_t k;
	struct digest prev_head;
};

/** Kinds 1..31 are addressed to a peer. */
bool entry_kind_is_addressed(int kind);

/** A kind of ledger.proto. */
bool entry_kind_is_known(int kind);

/**
 * Append the encoding: always under ENTRY_BYTES_MAX; other errors as buf_put().
 *
 * @retval ERR_INVALID  fields do not fit the kind
 */
enum err entry_encode(const struct entry *entry, struct buf *out) WARN_UNUSED;

/**
 * Read an entry strictly.
 *
 * @retval ERR_LIMIT ERR_FORMAT ERR_CANONICAL ERR_TEXT  as message_decode()
 * @retval ERR_VERSION  version is not 1, whatever else stands in it
 * @retval ERR_INVALID  unknown kind; lengths or presence of fields do not fit the kind
 */
enum err entry_decode(struct view in, struct entry *ret) WARN_UNUSED;

/**
 * Read what says where an addressed entry stands, even if it is of a newer version or kind: what is
 * needed to consume its position and to say why it was refused.
 *
 * @retval ERR_FORMAT  not even that, or not addressed
 * @retval ERR_LIMIT   over ENTRY_BYTES_MAX
 * @retval ERR_NOMEM
 */
enum err entry_outline(struct view in, struct entry_outline *ret) WARN_UNUSED;

/** Only addressee, k and prev_head of entry_outline(); same errors. */
enum err entry_position(struct view in, struct agency_id *ret_addressee, uint64_t *ret_k,
			struct digest *ret_prev_head) WARN_UNUSED;

/** Salted digests, each with its own domain. @p salt 32 bytes. */
struct digest body_digest(const uint8_t salt[SALT_BYTES], struct view body);
struct digest local_digest(const uint8_t salt[SALT_BYTES], struct view local_part);

#endif
