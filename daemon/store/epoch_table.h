/**
 * @file
 * Tables of epochs: ledgers that ended, this node's own and those of peers; what a peer gave back
 * of an earlier ledger of ours; how far that has come with each peer. Rules: store/store.h.
 *
 *   epoch      a ledger that ended: where it stood, since when, why
 *   recovered  an entry of ours that a peer held and gave back, with its proof
 *   recovery   one row a peer, from our new epoch until everything with that peer is in order
 */
#ifndef STORE_EPOCH_TABLE_H
#define STORE_EPOCH_TABLE_H

#include "store/peer_table.h"

#define EPOCH_WHY_MAX 200

/** A ledger that ended. */
struct epoch_row {
	int64_t peer; /**< whose; 0 = this node's own */
	uint64_t epoch;
	char origin[PEER_ORIGIN_MAX + 1];
	uint64_t size; /**< newest checkpoint known of it; 0 = none */
	struct digest root;
	int64_t checkpoint; /**< of a peer: received_checkpoint id, 0 = none */
	uint64_t k;	    /**< of a peer: how far its chain to us was received */
	struct digest head;
	uint64_t time_us; /**< when it ended here */
	char why[EPOCH_WHY_MAX + 1];
};

/** @retval ERR_EXISTS  this epoch has ended before */
enum err epoch_put(struct store *s, const struct epoch_row *row) WARN_UNUSED;
/** @retval ERR_NOT_FOUND */
enum err epoch_get(struct store *s, int64_t peer, uint64_t epoch,
		   struct epoch_row *ret) WARN_UNUSED;
/** The first ended one after @p epoch (0: the first of all). @retval ERR_NOT_FOUND */
enum err epoch_next(struct store *s, int64_t peer, uint64_t epoch,
		    struct epoch_row *ret) WARN_UNUSED;

/** An entry of ours in a ledger that ended, as a peer held it. Views are borrowed. */
struct recovered_row {
	int64_t peer;
	uint64_t epoch;
	uint64_t k;
	uint64_t index;
	struct view entry; /**< exact bytes */
	struct digest leaf;
	uint64_t seen_k; /**< as the entry says */
	bool is_applied; /**< what it said has taken effect here, or had before */
	bool has_body;
	uint8_t body_blob[STORE_ID_BYTES];
	struct view note;  /**< our signed checkpoint, as the peer had received it */
	struct view proof; /**< inclusion in it, n x 32 */
};

/** @retval ERR_EXISTS  given back before */
enum err recovered_put(struct store *s, const struct recovered_row *row) WARN_UNUSED;
/** @retval ERR_NOT_FOUND */
enum err recovered_get(struct store *s, int64_t peer, uint64_t epoch, uint64_t k,
		       struct recovered_row *ret) WARN_UNUSED;
enum err recovered_get_leaf(struct store *s, const struct digest *leaf,
			    struct recovered_row *ret) WARN_UNUSED;
/** The first one not applied, by epoch and k. @retval ERR_NOT_FOUND  all are */
enum err recovered_get_due(struct store *s, int64_t peer, struct recovered_row *ret) WARN_UNUSED;
enum err recovered_set_applied(struct store *s, int64_t peer, uint64_t epoch,
			       uint64_t k) WARN_UNUSED;
/** By epoch, peer, k. */
enum err recovered_walk(struct store *s,
			enum err (*row)(void *ctx, const struct recovered_row *row),
			void *ctx) WARN_UNUSED;
/** Those of an epoch behind (@p index, @p after_peer); after_peer 0: from that index on. */
enum err recovered_walk_index(struct store *s, uint64_t epoch, uint64_t index, int64_t after_peer,
			      enum err (*row)(void *ctx, const struct recovered_row *row),
			      void *ctx) WARN_UNUSED;

enum recovery_state {
	RECOVERY_NONE,
	RECOVERY_FETCHING, /**< the peer is asked for what it holds; its items wait */
	RECOVERY_AWAITING, /**< it gave it back; its EPOCH_ACCEPTED has not come in its chain */
	RECOVERY_AGAIN,	   /**< what it did not hold is written again into the new chain */
};

/** Where one peer and our new epoch stand. */
struct recovery_row {
	enum recovery_state state;
	uint64_t from_epoch; /**< our entries to it were receipted up to from_k of this epoch */
	uint64_t from_k;
	struct digest from_head;
	uint64_t open_epoch; /**< entries given back take effect up to this one, so far */
	uint64_t at_epoch; /**< FETCHING: given back up to here; AGAIN: written again up to here */
	uint64_t at_k;
	struct digest at_head;
};

/** Insert or replace; state RECOVERY_NONE deletes. */
enum err recovery_put(struct store *s, int64_t peer, const struct recovery_row *row) WARN_UNUSED;
/** All zero when there is none. */
enum err recovery_get(struct store *s, int64_t peer, struct recovery_row *ret) WARN_UNUSED;

#endif
