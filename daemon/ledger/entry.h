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

/** An entry in memory. Fields that are absent: addressee.n_text 0, k 0, has_x false. */
struct entry {
	uint8_t nonce[NONCE_BYTES];
	uint64_t time_us;
	Amparo__V1__EntryKind kind; /**< any number when read leniently */
	struct agency_id addressee;
	uint64_t k;
	struct digest prev_head;
	bool has_body;
	struct digest body_digest;
	bool has_agreement;
	struct digest agreement;
	int purpose; /**< 0 = none */
	bool has_answers;
	struct digest answers;
	uint64_t seen_k;
	struct digest local_digest;
};

/** Kinds 1..31 are addressed to a peer. */
bool entry_kind_is_addressed(int kind);

/** Append the encoding; ERR_LIMIT over ENTRY_BYTES_MAX, ERR_INVALID when fields do not fit the kind. */
enum err entry_encode(const struct entry *entry, struct buf *out) WARN_UNUSED;

/**
 * Read an entry strictly.
 *
 * @retval ERR_LIMIT ERR_FORMAT ERR_CANONICAL ERR_TEXT  as message_decode()
 * @retval ERR_VERSION  version is not 1
 * @retval ERR_INVALID  lengths or presence of fields do not fit the kind; unknown kind
 */
enum err entry_decode(struct view in, struct entry *ret) WARN_UNUSED;

/**
 * Read only addressee, k and prev_head of an entry that may be of a newer version or kind: what is
 * needed to consume its position.
 *
 * @retval ERR_FORMAT  not even that
 */
enum err entry_position(struct view in, struct agency_id *ret_addressee, uint64_t *ret_k,
			struct digest *ret_prev_head) WARN_UNUSED;

/** Salted digests, each with its own domain. @p salt 32 bytes. */
struct digest body_digest(const uint8_t salt[SALT_BYTES], struct view body);
struct digest local_digest(const uint8_t salt[SALT_BYTES], struct view local_part);

#endif
