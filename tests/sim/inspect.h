/**
 * @file
 * A read-only look into a node, for the invariants of the simulation. The one file of the tests
 * that knows the inside of the node; what it gives is borrowed and good until the node's next turn.
 */
#ifndef TESTS_SIM_INSPECT_H
#define TESTS_SIM_INSPECT_H

#include "node/node.h"
#include "store/ledger_table.h"
#include "store/peer_table.h"

struct look {
	struct store *store;
	const char *origin;
	uint64_t epoch;	      /**< last part of origin */
	uint64_t size;	      /**< of the ledger */
	struct digest root;   /**< over it */
	uint64_t signed_size; /**< of the newest own checkpoint */
	struct view note;     /**< the newest own checkpoint */
	size_t n_peer;
	bool in_transaction; /**< what stands above is not committed yet */
	bool is_in_turn;     /**< it was begun, and goes on by the next call */
};

struct look inspect_node(const struct node *n);

/** Peer @p i of look.n_peer; @p ret_connected: both Hellos are through. */
const struct peer_row *inspect_peer(const struct node *n, size_t i, bool *ret_connected);

/** Both halves of the incident noted last, appended. */
void inspect_incident(const struct node *n, struct buf *a, struct buf *b);

/** Its pinned seal key; NULL before first contact. */
const struct verify_key *inspect_peer_key(const struct node *n, size_t i);

#endif
