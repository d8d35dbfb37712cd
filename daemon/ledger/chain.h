/**
 * @file
 * The pair chain: entries addressed to one peer are numbered from 1 and chained, so a gap is seen
 * at once and (k, head) acknowledges all before it. Source: PROTOCOL.md 3.
 */
#ifndef LEDGER_CHAIN_H
#define LEDGER_CHAIN_H

#include "base/agency_id.h"
#include "base/digest.h"

/** How far a chain has come; k 0 with head[0] is its beginning. */
struct chain_head {
	uint64_t k;
	struct digest head;
};

/** head[0] of the chain from @p origin (with epoch) to @p addressee. */
struct chain_head chain_start(const char *origin, const struct agency_id *addressee);

/** head[k+1] after the entry with this leaf hash. */
struct chain_head chain_next(const struct chain_head *at, const struct digest *leaf);

#endif
