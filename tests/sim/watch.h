/**
 * @file
 * Invariants on every step. Beside each agency stands what it is known to have committed: its
 * leaves, the roots over them, its chains, its cursors. After each turn, and before anything leaves
 * after its commit, the node is held against it and it is read on; what leaves is held against it,
 * and what leaves before the commit against what was committed before; after each start all of it
 * must still be there.
 *
 * - acknowledged is held: what a reply or a frame speaks of stands in the ledger, for good
 * - ledgers only grow: no leaf changes or goes, every checkpoint that leaves is over these leaves
 *   (so no two different ones of one size), time in them never goes back
 * - order and once: what a node has of a peer's chain is that chain, position by position
 * - receipts: what is delivered, the other side has committed; a receipt names a root and a head of
 *   the sender's ledger, its ranges follow each other
 * - nothing withheld leaves: each opened field is allowed, the second stage follows an acceptance
 * - clocks: nothing is signed exactly while the rule of PROTOCOL-RULES says so
 */
#ifndef TESTS_SIM_WATCH_H
#define TESTS_SIM_WATCH_H

#include "ledger/checkpoint.h"
#include "ledger/entry.h"
#include "ledger/merkle.h"
#include "world.h"

#define WATCH_CLOCK_SLACK_US (5 * MINUTE_US)
#define WATCH_CLOCK_WINDOW_MS (24 * 3600 * UINT64_C(1000)) /* within which it counts */

/** One chain as committed by the sender. */
struct chain_seen {
	struct digest *leaf; /**< [k - 1] */
	struct digest *head; /**< [k]; [0] stands before the first */
	uint64_t n, cap;
};

/** What an agency says of another, as committed. */
struct pair_seen {
	uint64_t received_k, receipted_k, delivered_k, held_size;
	uint64_t receipt_k, receipt_to_k; /**< of the newest of our receipts that left */
};

/** A referral that left its sender. */
struct referral_seen {
	struct digest leaf;
	int type, purpose;
	bool has_consent;
	bool is_accepted; /**< the receiver's STATUS that says so has left it */
};

struct seen {
	char origin[ORIGIN_MAX + 1];
	struct digest *leaf;
	struct digest *root; /**< [size] */
	struct digest *note; /**< [size]: of the checkpoint, once verified; zero before */
	uint8_t *kind;
	uint64_t n, cap;
	struct frontier frontier;
	uint64_t last_time_us;
	struct chain_seen to[WORLD_AGENCIES_MAX];
	struct pair_seen pair[WORLD_AGENCIES_MAX];
	struct referral_seen *referral;
	size_t n_referral;
	bool is_current; /**< looked at since the turn began */
	bool is_opening;
	uint64_t wall_us, mono_ms;
	bool must_hold;
	uint64_t begun_size; /* of the ledger, when it had to hold within a turn: that is committed
			      */
	uint64_t turn_wall_us; /* the latest that the clock said in this turn */
	uint64_t confirmed_wall_us, confirmed_time_us; /**< clock and newest entry, then */
};

struct seen *watch_new(void);
void watch_free(struct seen *s);

/** A turn begins. */
void watch_turn(struct agency *a);
/** After a turn, or before the first output after its commit leaves: once a turn. */
void watch_step(struct agency *a);
/** The node was opened: all that was committed is there. */
void watch_opened(struct agency *a);
/** The clocks as the node is about to read them. */
void watch_clock(struct agency *a, bool is_start);
/** The operator is about to confirm the clock. */
void watch_confirmed(struct agency *a);
/** A frame leaves. @p to may be NULL: the connection is gone */
void watch_sent(struct agency *a, struct agency *to, struct view frame);

/** A checkpoint of @p a, from wherever: over what it has committed, and the one of its size. */
void watch_note(struct agency *a, struct view note);

/** Its ledger holds this entry. */
bool watch_holds(const struct agency *a, const struct digest *leaf);
/** How many entries of a kind it has. */
uint64_t watch_count(const struct agency *a, int kind);
/** A referral that left @p a; NULL when none has this leaf. */
struct referral_seen *watch_referral(struct agency *a, const struct digest *leaf);
/** The agency of an id or an origin; NULL when there is none. */
struct agency *watch_agency(struct world *w, const struct agency_id *id);

#endif
