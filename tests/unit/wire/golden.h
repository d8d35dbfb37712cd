/**
 * @file
 * Golden messages, one of each kind that nodes exchange, made from fixed bytes; and hex for tables.
 */
#ifndef TESTS_UNIT_WIRE_GOLDEN_H
#define TESTS_UNIT_WIRE_GOLDEN_H

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/own.h"
#include "wire/message.h"

/** Bytes of "08 01 ..." (blanks anywhere), appended to @p out; a wrong digit ends the program. */
static inline void unhex(const char *text, struct buf *out)
{
	char pair[3] = {0};
	size_t n = 0;

	for (; *text; text++) {
		uint8_t byte;

		if (*text == ' ')
			continue;
		pair[n++] = *text;
		if (n < 2)
			continue;
		ASSERT(hex_decode(pair, &byte, 1) == ERR_OK);
		ASSERT(buf_put_u8(out, byte) == ERR_OK);
		n = 0;
	}
	ASSERT(n == 0);
}

static inline void golden_put(const void *message, struct buf *out)
{
	ASSERT(message_encode(message, out) == ERR_OK);
}

static inline ProtobufCBinaryData golden_bytes(const char *text)
{
	return message_borrow(view_str(text));
}

static inline void golden_entry(struct buf *out)
{
	struct pb_entry m = PB_ENTRY_INIT;
	char addressee[] = "spiffe://ochrana.cz.example/umpod";

	m.has_version = m.has_nonce = m.has_time_us = m.has_kind = m.has_k = true;
	m.has_prev_head = m.has_body_digest = m.has_purpose = m.has_seen_k = true;
	m.version = 1;
	m.nonce = golden_bytes("0123456789abcdef0123456789abcdef");
	m.time_us = UINT64_C(1700000000123456);
	m.kind = PB(ENTRY_KIND, REFERRAL);
	m.addressee = addressee;
	m.k = 300;
	m.prev_head = golden_bytes("head............................");
	m.body_digest = golden_bytes("body............................");
	m.purpose = PB(PURPOSE, MISSING_CHILD);
	m.seen_k = 0;
	golden_put(&m, out);
}

static inline void golden_receipt(struct buf *out)
{
	struct pb_receipt m = PB_RECEIPT_INIT;
	struct pb_exception refused = PB_EXCEPTION_INIT;
	struct pb_exception absent = PB_EXCEPTION_INIT;
	struct pb_exception *exceptions[] = {&refused, &absent};
	char origin[] = "ochrana.cz.example/umpod/1700000000";

	m.origin = origin;
	m.has_size = m.has_root = m.has_from_k = m.has_to_k = m.has_head = true;
	m.size = 70000;
	m.root = golden_bytes("root............................");
	m.from_k = 1;
	m.to_k = 9;
	m.head = golden_bytes("head............................");
	refused.has_k = refused.has_status = refused.has_reason = true;
	refused.k = 3;
	refused.status = PB(EXCEPTION_STATUS, REFUSED);
	refused.reason = PB(REFUSAL_REASON, SURPLUS_FIELD);
	absent.has_k = absent.has_status = true;
	absent.k = 7;
	absent.status = PB(EXCEPTION_STATUS, ABSENT);
	m.exceptions = exceptions;
	m.n_exceptions = 2;
	golden_put(&m, out);
}

/** As a Frame. */
static inline void golden_hello(struct buf *out)
{
	struct pb_frame frame = PB_FRAME_INIT;
	struct pb_hello m = PB_HELLO_INIT;
	ProtobufCBinaryData chain[] = {golden_bytes("leaf"), golden_bytes("")};
	uint64_t prove[] = {1, 128};
	char id[] = "spiffe://zasah.sk.example/ospod";
	char origin[] = "zasah.sk.example/ospod/1700000000";

	m.has_version_min = m.has_version_max = m.has_received_k = m.has_schema_version = true;
	m.version_min = m.version_max = m.schema_version = 1;
	m.id = id;
	m.origin = origin;
	m.n_seal_chain = 2;
	m.seal_chain = chain;
	m.received_k = 17;
	m.n_seen = 1;
	m.seen = chain;
	m.n_prove = 2;
	m.prove = prove;
	m.has_signature = true;
	m.signature = golden_bytes("signature");
	frame.hello = &m;
	golden_put(&frame, out);
}

/** As a Frame. */
static inline void golden_batch(struct buf *out)
{
	struct pb_frame frame = PB_FRAME_INIT;
	struct pb_batch m = PB_BATCH_INIT;
	struct pb_size_proof proof = PB_SIZE_PROOF_INIT;
	struct pb_size_proof *proofs[] = {&proof};
	struct pb_opening opening = PB_OPENING_INIT;
	struct pb_opening *openings[] = {&opening, &opening};
	struct pb_item item = PB_ITEM_INIT;
	struct pb_item empty = PB_ITEM_INIT;
	struct pb_item *items[] = {&item, &empty};

	opening.has_salt = opening.has_slice = true;
	opening.salt = golden_bytes("salt");
	opening.slice = golden_bytes("slice");
	item.has_index = item.has_entry = item.has_body = true;
	item.index = 200;
	item.entry = golden_bytes("entry");
	item.body = golden_bytes(
		"a body that is longer than one hundred and twenty-eight bytes, so that "
		"lengths of two bytes stand in the batch as well as those of one");
	item.n_openings = 2;
	item.openings = openings;
	proof.has_size = true;
	proof.size = 5;
	m.has_from_size = m.has_checkpoint = m.has_nodes = true;
	m.from_size = 0;
	m.checkpoint = golden_bytes("a\n201\nAAAA\n\n");
	m.nodes = golden_bytes("nodes");
	m.n_extra_proofs = 1;
	m.extra_proofs = proofs;
	m.n_items = 2;
	m.items = items;
	frame.batch = &m;
	golden_put(&frame, out);
}

#endif
