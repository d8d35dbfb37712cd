/**
 * @file
 * Tables about peers: their pinned identity and cursors, what was received from them, their
 * checkpoints, what of ours they refused, incidents. Rules: store/store.h.
 */
#ifndef STORE_PEER_TABLE_H
#define STORE_PEER_TABLE_H

#include "store/store.h"

#define PEER_ORIGIN_MAX 352
#define PEER_ERROR_MAX 200

/** All that is durable about one peer. */
struct peer_row {
	int64_t id; /**< 0 until peer_put() gives one */
	struct agency_id agency;
	bool pinned; /**< origin and seal_key are set */
	char origin[PEER_ORIGIN_MAX + 1];
	uint8_t seal_key[32];
	uint64_t pinned_us;
	bool stopped;	    /**< an incident waits for the operator */
	uint64_t held_size; /**< newest checkpoint of the peer: its size, root; 0 = none */
	struct digest held_root;
	int64_t held_checkpoint; /**< received_checkpoint id, 0 = none */
	uint64_t received_k;	 /**< of its chain to us */
	struct digest received_head;
	uint64_t receipted_k; /**< of its chain: our receipts reach to here, <= received_k */
	uint64_t sent_k;      /**< newest of our chain to it */
	struct digest sent_head;
	uint64_t content_k;   /**< newest of it that wants a receipt: not a RECEIPT itself */
	uint64_t urgent_k;    /**< newest of it that ignores the window: RECEIPT, recall */
	uint64_t delivered_k; /**< moved by its receipts alone */
	uint64_t n_refused;
	uint64_t last_contact_us;
	char last_error[PEER_ERROR_MAX + 1];
	uint64_t use_day;		 /**< days since 1970 of the two that follow */
	uint64_t use_entries, use_notes; /**< entries and checkpoints taken of it that day */
	uint64_t held_bytes; /**< of it: entries, proofs, bodies, openings, checkpoints */
	uint64_t epoch;	     /**< of origin; 0 = not pinned */
	/** Of a new epoch that it announced and nobody here has accepted; "" = none. */
	char new_origin[PEER_ORIGIN_MAX + 1];
	uint64_t accepted_epoch; /**< its epoch that our EPOCH_ACCEPTED named last; 0 = none */
};

/**
 * Insert (id 0; ERR_EXISTS: this agency is there) or update all but the agency (ERR_NOT_FOUND);
 * sets row->id.
 */
enum err peer_put(struct store *s, struct peer_row *row) WARN_UNUSED;
enum err peer_walk(struct store *s, enum err (*row)(void *ctx, const struct peer_row *row),
		   void *ctx) WARN_UNUSED;

/** The certificate chain that certified the pinned seal key, as checked: DER, kept for years. */
enum err peer_chain_put(struct store *s, int64_t peer, struct view chain_der,
			uint64_t time_us) WARN_UNUSED;

/** The newest of them, appended to @p out. @retval ERR_NOT_FOUND */
enum err peer_chain_get(struct store *s, int64_t peer, struct buf *out) WARN_UNUSED;

/** One received item. Views are borrowed. */
struct received_row {
	int64_t peer;
	uint64_t epoch; /**< of the sender's ledger */
	uint64_t k;
	uint64_t index;	   /**< in the sender's tree */
	struct view entry; /**< exact bytes */
	struct digest leaf;
	bool has_body;
	uint8_t body_blob[STORE_ID_BYTES];
	int status;	    /**< 0 accepted, else ExceptionStatus */
	int reason;	    /**< RefusalReason or 0 */
	int64_t checkpoint; /**< received_checkpoint id */
	struct view proof;  /**< inclusion proof, n x 32 */
	uint64_t time_us;
};

/** @retval ERR_EXISTS  this k of the peer is there */
enum err received_put(struct store *s, const struct received_row *row) WARN_UNUSED;
/** @retval ERR_NOT_FOUND */
enum err received_get(struct store *s, int64_t peer, uint64_t epoch, uint64_t k,
		      struct received_row *ret) WARN_UNUSED;
/** The item with this leaf at position @p k, of whichever epoch of the peer. */
enum err received_find(struct store *s, int64_t peer, uint64_t k, const struct digest *leaf,
		       struct received_row *ret) WARN_UNUSED;
/** Walk the items of one peer's epoch with k > @p after_k, k ascending. */
enum err received_walk(struct store *s, int64_t peer, uint64_t epoch, uint64_t after_k,
		       enum err (*row)(void *ctx, const struct received_row *row),
		       void *ctx) WARN_UNUSED;

/** Those of (after_k, to_k] whose status is not 0, k ascending: the exceptions of a receipt. */
enum err received_walk_exceptions(struct store *s, int64_t peer, uint64_t epoch, uint64_t after_k,
				  uint64_t to_k,
				  enum err (*row)(void *ctx, const struct received_row *row),
				  void *ctx) WARN_UNUSED;

/** A peer's checkpoint note as received. */
enum err received_checkpoint_put(struct store *s, int64_t peer, uint64_t size, struct view note,
				 int64_t *ret_id) WARN_UNUSED;
enum err received_checkpoint_get(struct store *s, int64_t id, struct buf *out_note) WARN_UNUSED;

/**
 * What a peer's receipt said of an entry of ours that it did not take. ERR_EXISTS: told before.
 *
 * @param epoch  of our ledger
 */
enum err refusal_put(struct store *s, int64_t peer, uint64_t epoch, uint64_t k, int status,
		     int reason) WARN_UNUSED;
/** ERR_NOT_FOUND: it was taken, or not yet receipted. */
enum err refusal_get(struct store *s, int64_t peer, uint64_t epoch, uint64_t k, int *ret_status,
		     int *ret_reason) WARN_UNUSED;

#define REFUSAL_STATUSES 4
#define REFUSAL_REASONS 64

/** By ExceptionStatus and RefusalReason (0: none is said). */
struct refusal_counts {
	uint64_t n[REFUSAL_STATUSES][REFUSAL_REASONS];
};

/** How many of ours the peer refused (@p by_peer), or of its we did. */
enum err refusal_count(struct store *s, int64_t peer, bool by_peer,
		       struct refusal_counts *ret) WARN_UNUSED;

/** Two signed statements that contradict each other. */
enum err incident_put(struct store *s, int64_t peer, const char *kind, struct view a, struct view b,
		      uint64_t time_us) WARN_UNUSED;
/** Second halves of one kind, oldest first; @p peer 0: of no peer. @p b is borrowed. */
enum err incident_walk(struct store *s, const char *kind,
		       enum err (*row)(void *ctx, int64_t peer, struct view b),
		       void *ctx) WARN_UNUSED;
enum err incident_count(struct store *s, uint64_t *ret_n) WARN_UNUSED;

#endif
