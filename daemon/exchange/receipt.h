/**
 * @file
 * Receipts: what the receiver's ledger says of a range of the sender's chain. Source:
 * PROTOCOL.md 8.
 */
#ifndef EXCHANGE_RECEIPT_H
#define EXCHANGE_RECEIPT_H

#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "exchange/batch.h"
#include "ledger/chain.h"
#include "ledger/checkpoint.h"
#include "wire/message.h"

/** What became of one item: 0 accepted, else an ExceptionStatus with its reason. */
struct item_outcome {
	uint64_t k;
	int status;
	int reason; /**< RefusalReason with REFUSED, else 0 */
};

/**
 * Append the body of a RECEIPT.
 *
 * @param rests_on  checkpoint that the items were proven in
 * @param outcome   n >= 1, contiguous ascending in k
 * @param head      head of the sender's chain after the last
 */
enum err receipt_make(const struct checkpoint *rests_on, const struct item_outcome *outcome,
		      size_t n, const struct digest *head, struct buf *out) WARN_UNUSED;

/**
 * Read a receipt: shape, lengths, ranges, that it follows what is delivered and says nothing of
 * what was never sent. The caller compares root and head with its own ledger.
 *
 * @param delivered_k  of our chain to the peer
 * @param sent_k       newest of it
 * @retval ERR_INVALID  not so
 */
enum err receipt_check(const struct pb_receipt *r, const char *our_origin, uint64_t delivered_k,
		       uint64_t sent_k) WARN_UNUSED;

#endif
