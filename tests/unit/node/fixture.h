/**
 * @file
 * One or two nodes on real databases in a folder of their own, under a clock of the test's, with a
 * port that keeps what is sent; and `evil`, a peer made by hand: it has the seal key of its agency
 * and says with it whatever a test likes.
 *
 *   agency[CZ]  the node under test        agency[SK]  a second node, or evil in its name
 *   agency[AT]  a third one, of which only keys and papers exist, unless a test makes it evil
 */
#ifndef TESTS_UNIT_NODE_FIXTURE_H
#define TESTS_UNIT_NODE_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/log.h"
#include "base/own.h"
#include "common/memory_tree.h"
#include "crypto/tls.h"
#include "node/internal.h"
#include "pki.h"
#include "record/manifest.h"

#define START_US UINT64_C(1780300800000000) /* 2026-06-01T08:00:00Z */
#define START_MS 5000000
#define NOTE_MAX 8192
#define EVERYONE                                                                                   \
	(NODE_ROLE_CASEWORKER | NODE_ROLE_SUPERVISOR | NODE_ROLE_OPERATOR | NODE_ROLE_AUDITOR)

enum who {
	CZ,
	SK,
	AT,
	N_AGENCIES,
};

struct fixture;

/** A frame that a node sent. */
struct sent {
	uint64_t session;
	struct pb_frame *frame;
	struct buf bytes;
};

/** An agency: its papers, and its node when it has one. */
struct host {
	struct fixture *f;
	enum who who;
	struct agency_id id;
	char database[300];
	struct secret *node_key;
	struct seal_key *seal_key;
	struct pki_leaf leaf;
	struct cert_chain chain;
	struct node_peer peer[N_AGENCIES];
	size_t n_peer;
	struct node *node;			      /**< NULL: down */
	uint8_t newest[NOTE_MAX], previous[NOTE_MAX]; /**< last-signed */
	size_t n_newest, n_previous;
	bool fail_last_signed, fail_signed_sync;
	bool signed_waits; /* last-signed is written and not synced */
	size_t n_last_signed;
	/* what the port took */
	struct sent *sent;
	size_t n_sent;
	uint64_t *closed;
	size_t n_closed;
	size_t n_dials[N_AGENCIES], n_credit;
	size_t unsent;	     /**< what port.unsent answers */
	uint64_t free_bytes; /**< what port.free_bytes answers; 0: enough */
	struct node_limits limits;
	size_t n_tests; /**< dials by port.test */
	struct pb_api_reply **reply;
	size_t n_reply;
	uint64_t next_request;
};

struct fixture {
	char folder[256];
	uint64_t mono_ms, utc_us, random;
	uint64_t next_session;
	struct trust *trust;
	struct pki_ca *ca[N_AGENCIES];
	struct host agency[N_AGENCIES];
	struct buf agreement; /**< of all three */
	struct digest agreement_id;
	struct buf record;  /**< a VictimRecord, canonical */
	size_t n_log[5];    /**< lines by level */
	char log_err[1024]; /**< newest line of LOG_ERR */
};

/** Papers for all, a database for agency[CZ], its node up. */
struct fixture *fixture_new(void);
void fixture_free(struct fixture *f);
DEFINE_FREEP(struct fixture, fixture_free)

/** Make the database and open it. */
void host_init(struct host *h);
void host_start(struct host *h);
/** The same, which may fail. */
enum err host_try(struct host *h);
void host_stop(struct host *h);
/** Turns until nothing more is queued; each must succeed. */
void host_turn(struct host *h);
/** Drop what the port took. */
void host_forget(struct host *h);
bool host_has_closed(const struct host *h, uint64_t session);
/** A digest over the files of the database: equal when nothing was written. */
uint64_t host_files(const struct host *h);
struct peer *host_peer(struct host *h, enum who who);
/** Let time pass on both clocks. */
void fixture_pass(struct fixture *f, uint64_t ms);

/** Ask as a local caller, and take no turn. */
void host_queue(struct host *h, uint32_t roles, struct pb_api_request *m);
/** Ask as a local caller; the replies stand in h->reply until the next call. */
void host_ask(struct host *h, uint32_t roles, struct pb_api_request *m);
/** The one error of the newest answer, or 0. */
int host_error(const struct host *h);
/** Import the demo record; its id. */
void host_import(struct host *h, uint8_t ret_id[16]);
/** Import it again as the next revision of this record. */
void host_revise(struct host *h, const uint8_t id[16]);
void host_adopt(struct host *h);
/** Send a referral with plain terms; leaf of its entry, or the ApiErrorCode. */
int host_refer(struct host *h, enum who to, const uint8_t id[16], struct digest *ret_leaf);
/** The same, and take no turn. */
void host_queue_referral(struct host *h, enum who to, const uint8_t id[16]);

/* --- two nodes --- */

/** Connect two nodes: session numbers at either end, @p dialler opened it. */
struct wire {
	struct host *end[2];
	uint64_t session[2];
	bool is_cut;
};

struct wire wire_connect(struct host *dialler, struct host *listener);
/** Carry frames both ways until neither says anything. Returns how many were carried. */
size_t wire_run(struct wire *w, size_t n_wires);
void wire_cut(struct wire *w);

/* --- evil --- */

/** One position of evil's chain to the node. */
struct evil_item {
	struct buf entry;
	struct buf body;
	bool has_body;
	uint8_t salt[SALT_BYTES];
	size_t n_salt;
	struct buf openings; /**< salts and slices, one after the other */
	size_t n_opening, n_slice[SLICES_MAX];
	uint64_t index;
	struct digest leaf;
};

/** What the node sent to evil, unpacked. */
struct evil_got {
	uint64_t k;
	struct entry entry;
	struct digest leaf;
	struct buf body;
	size_t n_openings;
};

/** A sealed record. */
struct evil_record {
	struct slice_set slices;
	uint8_t *salts;
	struct buf manifest_bytes;
	struct manifest manifest;
	uint64_t seal_index;
	struct buf seal_entry;
};

struct evil {
	struct fixture *f;
	struct host *papers; /**< whose name it bears */
	struct host *victim;
	struct origin origin;
	struct memory_tree tree;
	struct chain_head at;
	struct evil_item *item;
	size_t n_item;
	uint64_t time_us;
	/* the session */
	uint64_t session;
	int role; /**< of the node in it: TLS_DIALLER or TLS_LISTENER */
	uint8_t exporter[EXPORTER_BYTES];
	uint64_t sent_size;
	/* what it holds of the node */
	struct origin node_origin;
	struct checkpoint held;
	struct buf held_note;
	struct chain_head received;
	struct evil_got *got;
	size_t n_got;
	uint64_t receipted_k;
	struct evil_record record;
	/* newest of each, 0 when there was none since evil_forget() */
	int bye;
	uint32_t bye_retry_s;
	size_t n_resume, n_batches;
	struct pb_resume resume;
	uint8_t resume_head[DIGEST_BYTES];
	struct pb_answer *answer; /**< owned by last_frame */
	struct pb_frame *last_frame;
};

void evil_init(struct evil *e, struct fixture *f, enum who who);
void evil_fini(struct evil *e);
/** Open a session (the node's role in it); the node has not had its turn yet. */
void evil_arrive(struct evil *e, int role);
/** Open a session and let the node speak, without saying Hello. */
void evil_open(struct evil *e, int role);
/** What an honest Hello says here; views are borrowed from @p e. */
struct hello_terms evil_terms(struct evil *e);
void evil_say(struct evil *e, const struct hello_terms *terms);
/** Open, say Hello, and be taken. */
void evil_connect(struct evil *e, int role);
void evil_close(struct evil *e);
/** Any frame, then the node's turn and what it answers. */
void evil_frame(struct evil *e, struct pb_frame *m);
void evil_bytes(struct evil *e, struct view bytes);
/** Look at what the node sent; part of all that speak to it. */
void evil_listen(struct evil *e);

/** An entry as an honest peer writes it next, without its body's digest. */
struct entry evil_next(struct evil *e, int kind);
/** Add it, with a body (salted and digested here unless has_body is set already). */
struct evil_item *evil_add(struct evil *e, struct entry *entry, struct view body);
/** Add raw bytes as the next position. */
struct evil_item *evil_add_bytes(struct evil *e, struct view bytes);
/** Add a message as body. */
struct evil_item *evil_add_message(struct evil *e, struct entry *entry, const void *body);
/** A leaf that is not the node's. */
void evil_pad(struct evil *e, size_t n);
void evil_note(struct evil *e, struct buf *out);
/** Send positions after_k + 1 .. to_k as a batch over the tree as it is. */
void evil_batch(struct evil *e, uint64_t after_k, uint64_t to_k);
/* The same without a turn of the node. */
void evil_hand_over(struct evil *e, uint64_t after_k, uint64_t to_k);
/** All that the node has not received. */
void evil_send(struct evil *e);
/** What the node's newest receipt says of position k: 0 accepted, a RefusalReason, or -1 absent. */
int evil_outcome(struct evil *e, uint64_t k);
/** Write a receipt for all that came; sent with the next batch. */
void evil_receipt(struct evil *e);

/** Seal the demo record in evil's ledger. */
void evil_seal(struct evil *e);
/** What a manifest says; a test changes it before it is sealed. */
struct manifest_terms evil_manifest_terms(struct evil *e);
/** Seal these slices, whatever they are; takes over *set. */
void evil_seal_set(struct evil *e, struct slice_set *set, const struct manifest_terms *terms);
/** Add the slices of one more record to a set. */
void evil_set_add(struct slice_set *set, const struct pb_victim_record *record);
void evil_record_fini(struct evil_record *r);
/** ADOPT the agreement, by both sides. */
void evil_agree(struct evil *e);

/** A referral in the making; a test changes what it likes. */
struct evil_referral {
	struct entry entry;
	struct pb_referral terms;
	struct pb_disclosure d;
	struct pb_seal seal;
	struct proof proof;
	struct buf note, named;
	size_t slice[SLICES_MAX]; /**< opened, by number */
	size_t n_slice;
};

/** Terms, seal, and one slice that the agreement allows at request, if the record has it. */
void evil_referral_fill(struct evil *e, struct evil_referral *r);
/** Sort and name what is opened, then add the entry with its openings. */
struct evil_item *evil_referral_add(struct evil *e, struct evil_referral *r);
void evil_referral_fini(struct evil_referral *r);
/** The number of the first slice of this unit. */
size_t evil_slice_of(struct evil *e, const char *path);
/** Add an opening beside the item's body. */
void evil_open_slice(struct evil_item *item, struct view salt, struct view slice);

#endif
