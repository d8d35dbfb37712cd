/**
 * @file
 * What the files of this folder share: the node, its peers and sessions, and the calls between
 * them. Nobody outside includes it.
 *
 *   node.c      the queues and the turn                     open.c     init, open, close
 *   append.c    writing entries and checkpoints             tree.c     the stored tree
 *   blobs.c     what is encrypted at rest, bodies among it  disclosed.c  what came before
 *   peers.c     peers, dialling, back-off, incidents        session.c  sessions and their faults
 *   hello.c     Hello, pins, which of two sessions stays    hold.c     why nothing is signed
 *   inbox.c     a batch that came                           items*.c   what its items do
 *   outbox.c    batches that go                             query.c    Ask, Answer, reconciling
 *   split.c     what agencies tell of third ones' ledgers, and its proof
 *   epoch*.c recover.c openings_back.c replay.c   new epochs, ours and a peer's: epoch.h
 *   agreements.c  which agreement is in force               records.c  records sealed, released
 *   own_record.c  own records opened again                  limits.c   room on the disk, quotas
 *   alarms.c    deadlines of referrals                      verify.c   the ledger verified in steps
 *   request*.c  the local API, a file a noun                page.c     its lists, a piece at a time
 *   peer_test.c a peer tried step by step                   peer_watch.c  who is told of deliveries
 */
#ifndef NODE_INTERNAL_H
#define NODE_INTERNAL_H

#include "base/quota.h"
#include "crypto/box.h"
#include "crypto/tls.h"
#include "exchange/batch.h"
#include "exchange/disclosure.h"
#include "exchange/hello.h"
#include "exchange/receipt.h"
#include "ledger/entry.h"
#include "ledger/evidence.h"
#include "node/blobs.h"
#include "node/bodies.h"
#include "node/disclosed.h"
#include "node/node.h"
#include "node/own_record.h"
#include "node/tree.h"
#include "policy/agreement.h"
#include "store/agreement_table.h"
#include "store/epoch_table.h"
#include "store/ledger_table.h"
#include "store/manifest_table.h"
#include "store/peer_table.h"
#include "store/record_table.h"
#include "store/referral_table.h"
#include "wire/frame.h"
#include "wire/message.h"

#define FRESH_BYTES_MAX (8u << 20) /* of items kept in memory to be sent, for all peers */
#define FRESH_BYTES_PEER (FRESH_BYTES_MAX / 2) /* for one: a slow one leaves room for others */
#define FRESH_KEPT_MS 5000
#define FRESH_ITEMS 1024 /* kept of one peer */
#define WINDOW_ITEMS 256 /* unreceipted items; PROTOCOL.md 6.3 */
#define WINDOW_BYTES (8u * 1024 * 1024)
/* In one batch of ours: while the peer works on one, the other half of the window is on its way. */
#define BATCH_ITEMS_SENT (WINDOW_ITEMS / 2)
#define PUMP_BYTES_MAX (1024u * 1024u) /* made for one session at once, and one batch more */
#define UNSENT_MAX (2u * 1024u * 1024u)
#define PUMP_AGAIN_MS 50
#define PING_AFTER_MS 60000
#define HELLO_WITHIN_MS 10000
#define HELD_WITHIN_MS 50000 /* for an answer; looked at when a ping is due */
#define DIAL_FIRST_MS 500
#define DIAL_MOST_MS 60000
#define RETRY_AFTER_MAX_S 3600
#define FAULTS_ALARM 5
#define RESUMES_MAX 8
#define CLOCK_SLACK_US (UINT64_C(5) * 60 * 1000000)
#define HOUR_US (UINT64_C(3600) * 1000000)
#define SESSIONS_PER_PEER 4
/* a Hello fits the 64 KiB that a link takes before it is admitted: 4 certificates, 2 notes, these
 */
#define HELLO_SEEN_BYTES_MAX 20000
#define DROPPED_MAX 1024  /* batches on their way when RESUME was sent */
#define BARE_PER_HOUR 120 /* batches without a new item that one peer may store a checkpoint by */
#define NODE_JOBS_MAX 16
#define ROOT_CACHE 64
#define REMOTE_MAX 72 /* bytes of the address of a session's other end */
#define PEER_TESTS_MAX 8

struct session;

/** Log lines that one peer's doings may make: a burst, then one in a while. */
#define PEER_LOG_BURST 60
#define PEER_LOG_RATE_S 1

/** A peer in memory; row is written when dirty, at the end of a turn. */
struct peer {
	struct peer_row row;
	bool is_configured;
	bool may_dial;
	bool dirty;
	struct verify_key *key;	      /* pinned; NULL before first contact */
	struct buf held_note;	      /* newest checkpoint of it, as received */
	struct session *live;	      /* the session that stays, after both Hellos */
	struct recovery_row recovery; /* since our new epoch, until all with it is in order */
	bool recovery_dirty;
	uint64_t dial_at_ms;
	bool is_dialling;
	unsigned n_failures;
	unsigned n_faults; /* session faults in a row, without a good batch or ping between */
	struct token_bucket log_tokens;
	uint64_t n_unlogged; /* lines left out since the last one */
	uint64_t bare_hour;  /* in which n_bare checkpoints came without a new item */
	unsigned n_bare;
	uint64_t shown_epoch, shown_size; /* newest of ours that it showed and that we lack */
	const char *address;		  /* as configured; NULL: none */
	uint64_t
		seal_until_us; /* when the seal certificate ends that it showed last; 0: not seen */
	uint64_t idle_k; /* of ours to it: none up to here wants a receipt; see oldest_waiting() */
	bool is_over;	 /* one of its limits, and that was said */
	bool waits_for_room;	    /* it was told to come back: our disk was full */
	uint64_t n_unproven;	    /* checkpoints of it that others told of; see split.h */
	uint64_t committed_k;	    /* of row.sent_k: up to here the last commit reached */
	struct packed_item **fresh; /* by k % FRESH_ITEMS: written to it lately; see outbox.c */
	size_t n_fresh, n_fresh_bytes;
	uint64_t fresh_ms; /* when one was added or any item sent, monotonic */
};

/** A checkpoint of a peer that it was asked to prove. */
struct asked_size {
	int64_t id; /* of its noted_row */
	uint64_t size;
	struct digest root;
	int64_t teller;
	uint64_t n_asked;
	bool is_settled;
};

struct in_flight {
	uint64_t k; /* up to here */
	size_t n_items;
	size_t n_bytes;
};

/** One TLS session as the gate tells of it. */
struct session {
	uint64_t number;
	struct peer *peer;
	int role;
	uint8_t exporter[EXPORTER_BYTES];
	bool hello_sent;
	bool hello_seen;
	bool closing;
	uint32_t schema_version;
	uint64_t sent_size;
	uint64_t sent_k;
	uint64_t sent_hour;   /* hour of the last checkpoint sent */
	uint64_t shown_size;  /* of our newest checkpoint that the peer was shown */
	uint64_t held_ask_id; /* what it holds of our earlier epochs was asked for; 0: not */
	uint64_t held_asked_ms;
	bool has_postponed; /* batches were dropped until that is answered */
	unsigned n_resumes;
	unsigned n_dropped; /* batches since RESUME was sent, until one fits; 0: none is due */
	struct in_flight flight[WINDOW_ITEMS]; /* ring: items that are not RECEIPT, k ascending */
	size_t flight_at, n_flight;
	size_t flight_items;
	size_t flight_bytes;
	bool may_send_more;  /* receipts of this turn made room in the window */
	uint64_t began_k;    /* the peer's cursor when it began */
	uint64_t began_size; /* of our ledger, that the peer held then */
	uint64_t opened_us;
	uint64_t tls_until_us; /* 0: not known */
	char remote[REMOTE_MAX];
	uint64_t pump_at_ms; /* more waits to be made then; UINT64_MAX: nothing does */
	struct {
		uint64_t size; /* of ours, that the peer wants proven */
		bool is_sent;
	} wanted[HELLO_PROVE_MAX];
	size_t n_wanted;
	bool proofs_are_due; /* also without items: at first, and after RESUME */
	struct asked_size asked[HELLO_PROVE_MAX];
	size_t n_asked;
	uint64_t asked_epoch; /* of the peer's ledger */
	bool is_asked;	      /* that was counted; see split_asked() */
	bool is_overdue;      /* and that it was not answered for long */
	uint64_t opened_ms;
	uint64_t heard_ms;
	uint64_t said_ms;
	struct session *next;
};

enum input_kind {
	INPUT_OPENED,
	INPUT_FRAME,
	INPUT_CLOSED,
	INPUT_FACTS,
	INPUT_STAGE,
	INPUT_REQUEST,
};

struct input {
	enum input_kind kind;
	uint64_t session;
	int role;
	struct agency_id peer;
	uint8_t exporter[EXPORTER_BYTES];
	struct node_caller caller;
	uint64_t until_us;   /* FACTS */
	enum node_step step; /* STAGE */
	bool ok;
	uint8_t *data;
	size_t n;
	struct input *next;
};

struct input_queue {
	struct input *first, **end;
	size_t n_taken, n_taken_bytes; /* in this turn */
};

enum output_kind {
	OUTPUT_SEND,
	OUTPUT_CLOSE,
	OUTPUT_DIAL,
	OUTPUT_TEST,
	OUTPUT_CREDIT,
	OUTPUT_REPLY,
};

struct output {
	enum output_kind kind;
	uint64_t number;   /* session or caller */
	struct peer *peer; /* DIAL */
	size_t n_credit;
	struct buf data;
	struct output *next;
};

struct output_queue {
	struct output *first, **end;
};

/** An agreement read once. */
struct cached_agreement {
	struct digest digest;
	struct agreement *agreement;
	struct cached_agreement *next;
};

/** Long work in bounded steps, a few steps a turn. */
struct job {
	bool is_used;
	struct node_caller caller; /* id 0: nobody waits */
	uint64_t request;
	struct peer *peer; /* NULL: own ledger */
	uint64_t at, size;
	uint64_t epoch; /* own ledger: which; a peer's: of its ledger */
	struct origin origin;
	uint64_t n_recovered;
	bool is_past; /* it ended, as `end` says */
	struct epoch_row end;
	struct frontier frontier;   /* own ledger: rebuilt */
	struct chain_head *chain;   /* own ledger: a chain a peer */
	struct chain_head received; /* a peer's ledger: its chain to us */
	uint64_t last_us;
	uint64_t n_entries, n_bodies, n_receipts;
	bool has_failed;
	uint64_t bad_index;
	char problem[160];
};

/** A reconciliation under way with one peer. */
struct reconcile {
	bool is_used;
	uint64_t caller, request;
	struct peer *peer;
	uint64_t session;
	uint64_t ask_id;
	int side; /* ChainSide asked about */
	uint64_t asked_k;
	uint64_t low, high; /* bisection: low agrees, high differs; high 0: newest asked */
	uint64_t deadline_ms;
	bool differs;
	uint64_t sent_held, received_written;
	uint64_t differs_from_k;
	int differs_side;
};

/** A test of a peer under way. */
struct peer_test {
	bool is_used;
	uint64_t caller, request;
	struct peer *peer;
	enum node_step passed; /* newest step that was found good; 0: none */
	uint64_t session; /* whose Hello was good, and which has to answer a Ping; 0: none yet */
	uint64_t deadline_ms;
};

#define PEER_WATCHES_MAX 16

/** Somebody who is told how the exchange with a peer goes on; see peer_watch.h. */
struct peer_watch {
	uint64_t caller, request;
	struct peer *peer; /* NULL: not used */
	/* as told last */
	const char *state;
	uint64_t delivered_k, received_k, n_refused;
};

/** Room on the disk with the database. */
enum room {
	ROOM_ENOUGH,
	ROOM_RESERVE, /* what was promised goes on, nothing new is taken */
	ROOM_LAST,    /* only what must be is written */
};

struct node {
	struct agency_id agency;
	struct port port;
	const struct seal_key *seal_key;
	const struct cert_chain *seal_chain;
	const struct trust *trust;
	struct box_keeper *keeper;
	struct store *store;
	bool is_in_turn; /* it was begun, and not finished */
	bool in_transaction;
	const char *hold;	 /* why nothing is signed: one of these two; see hold.h */
	const char *lost;	 /* entries that it signed are gone: a new epoch helps */
	const char *clock_doubt; /* the clock is not to be believed: the operator confirms it */

	struct origin origin;
	uint64_t epoch;	     /* its last part */
	uint64_t epoch_seen; /* greatest epoch of ours that anything of ours names */
	bool has_past;	     /* earlier epochs of ours are held */
	struct tree tree;
	uint64_t last_time_us; /* of the newest entry */
	uint64_t signed_size;  /* of the newest own checkpoint */
	struct buf note;       /* the newest own checkpoint */
	struct buf note_before;
	bool waits_for_signed; /* it is in last-signed, and not known to be on the disk */
	struct {
		uint64_t size;
		struct digest root;
	} roots[ROOT_CACHE];			       /* of own checkpoints signed lately */
	uint64_t clock_wall_us, clock_mono_ms;	       /* when the window began */
	uint64_t confirmed_wall_us, confirmed_time_us; /* clock and newest entry, when confirmed */
	uint64_t started_us;
	uint64_t n_commits; /* since then */

	struct peer *peer;
	size_t n_peer;
	struct session *session;
	struct input_queue sessions_say, callers_ask;
	struct output_queue output; /* of this turn */
	struct cached_agreement *agreements;
	struct own_cache own;
	size_t n_fresh_bytes;		 /* of all peers */
	struct disclosed_memo disclosed; /* to us lately, and stored */
	struct job job[NODE_JOBS_MAX];
	struct reconcile reconcile[NODE_JOBS_MAX];
	uint64_t next_ask_id;
	struct peer_test test[PEER_TESTS_MAX];
	struct peer_watch watch[PEER_WATCHES_MAX];
	struct node_limits limits;
	size_t n_request_bytes; /* of requests that wait */
	size_t n_rows;		/* looked at for lists in this turn */
	size_t n_reply_bytes;	/* made in this turn */
	enum room room;
	uint64_t free_bytes;  /* at the beginning of this turn */
	uint64_t looked_ms;   /* then */
	uint64_t alarm_at_ms; /* when deadlines of referrals are looked at next */
	uint64_t alarmed_us;  /* those up to here were */
};

/* --- node.c: outputs wait for the commit --- */
/** No more callers in this turn: it is signed and committed now. */
void turn_ends(struct node *n);
void node_queues_free(struct node *n);

/** Begin the turn's transaction; once a turn, further calls do nothing. */
enum err node_write(struct node *n) WARN_UNUSED;

/** Add an output that is released after the commit; its data is filled in by the caller. */
enum err output_new(struct node *n, enum output_kind kind, uint64_t number,
		    struct output **ret) WARN_UNUSED;

/** Add an output that holds one encoded message (struct pb_x *). */
enum err output_message(struct node *n, enum output_kind kind, uint64_t number,
			const void *message) WARN_UNUSED;

/* --- append.c --- */

/** What an entry is to say; absent parts are empty or 0. */
struct append {
	Amparo__V1__EntryKind kind;
	struct peer *peer; /* addressed kinds */
	struct view body;
	struct own_record *record; /* whose seal the body carries, after own_record_proof() */
	const struct opened_slice *opened; /* of the body's disclosure; borrowed for the call */
	size_t n_opened;
	const struct digest *manifest; /* SEAL: stands in body_digest */
	const struct digest *agreement;
	int purpose;
	const struct digest *answers;
	const struct node_caller *caller; /* of the local part; NULL: none */
	const char *reason;
	const uint8_t *record_id;
	uint32_t revision;
	const char *detail;
	bool is_recovery; /* goes to a peer whose recovery is under way */
};

/** What became of it. */
struct appended {
	uint64_t index;
	uint64_t k;
	struct digest leaf;
	uint64_t time_us;
};

/**
 * Write one entry with its body and local part.
 *
 * @retval ERR_STATE  the node holds back
 * @retval ERR_LIMIT  the body is over BODY_BYTES_MAX
 */
enum err ledger_append(struct node *n, const struct append *a, struct appended *ret) WARN_UNUSED;

/** Would ledger_append() say ERR_STATE to such an entry? For who has several to write, or none. */
enum err ledger_may_say(const struct node *n, struct peer *p,
			Amparo__V1__EntryKind kind) WARN_UNUSED;

/** Sign the tree as it stands, when it grew, and keep the checkpoint in database and last-signed,
 * on its way to the disk there. */
enum err ledger_sign(struct node *n) WARN_UNUSED;

/** Commit the transaction, which stands nowhere before last-signed is on the disk. */
enum err ledger_commit(struct node *n) WARN_UNUSED;

/** Root of the first @p size entries, at most those written. */
enum err ledger_root_at(struct node *n, uint64_t size, struct digest *ret) WARN_UNUSED;

/** head[k] of our chain to a peer. @retval ERR_NOT_FOUND  the chain is shorter */
enum err ledger_head_at(struct node *n, const struct peer *p, uint64_t k,
			struct digest *ret) WARN_UNUSED;

/** A time as a peer wrote it, so that the database can hold it: 2^63 - 1 stands for all beyond. */
uint64_t time_storable(uint64_t us);

/** Civil time for the ledger: now, but never before the newest entry. */
uint64_t ledger_time_us(struct node *n);

/* --- peers.c --- */

/** Peers of the database and of the configuration, with their pinned keys. */
enum err peers_load(struct node *n, const struct node_options *options) WARN_UNUSED;

/** Free them. */
void peers_free(struct node *n);

/** NULL when there is none. */
struct peer *peer_by_id(struct node *n, const struct agency_id *id);

/** By peer_row.id; NULL when there is none. */
struct peer *peer_by_row(struct node *n, int64_t row_id);

/** By id, by id without scheme, or by agency name when that is unique; else NULL. */
struct peer *peer_by_name(struct node *n, const char *name);

/** Write the rows that changed. */
enum err peers_save(struct node *n) WARN_UNUSED;
/** All that stands in their rows is committed. */
void peers_committed(struct node *n);

/** Note the newest trouble with a peer, for `peer list`; cut to PEER_ERROR_MAX. */
/** Remembered, and stored with what else changes: what nobody signed writes nothing by itself. */
void peer_error(struct peer *p, const char *words);
/** May a line about what this peer does be logged? A peer cannot fill the log. */
bool peer_may_log(struct node *n, struct peer *p);

/** Dial whom it is time to dial. */
void peers_dial(struct node *n, uint64_t now_ms);

/** When the next dial is due, monotonic ms; UINT64_MAX: none. */
uint64_t peers_deadline_ms(const struct node *n);

/** A session with it failed or ended: back off, with jitter. */
void peer_failed(struct node *n, struct peer *p);
/** What kept the link from working is gone: dial in this turn, and back off from the beginning. */
void peer_dial_now(struct node *n, struct peer *p);
/** Do not dial for so long; at most @p most_s. */
void peer_pause(struct node *n, struct peer *p, uint32_t for_s, uint32_t most_s);

/** INCIDENT: keep both halves as evidence, stop the link until the operator acknowledges. */
enum err peer_stop(struct node *n, struct peer *p, const char *kind, struct view a,
		   struct view b) WARN_UNUSED;

/* --- session.c, hello.c --- */

/** The gate has a session. */
enum err session_opened(struct node *n, const struct input *in) WARN_UNUSED;

/** The gate has lost it; frees it. */
void session_closed(struct node *n, uint64_t number);

/** NULL when it has ended. */
struct session *session_find(struct node *n, uint64_t number);

/** One frame of a peer. Its faults end the session; errors returned are ours alone. */
enum err session_frame(struct node *n, struct session *s, struct view frame) WARN_UNUSED;

/** Say our Hello, once. */
/** Our Hello, when it was not sent yet. */
enum err session_hello_due(struct node *n, struct session *s) WARN_UNUSED;
/** The peer's Hello. */
enum err session_hello(struct node *n, struct session *s, const struct pb_hello *m) WARN_UNUSED;

/** Bye, then close. @p retry_after_s 0: not said */
enum err session_end(struct node *n, struct session *s, Amparo__V1__ByeCode code,
		     uint32_t retry_after_s) WARN_UNUSED;

/** SESSION fault: count, back off, log one line with err_words(), end. */
enum err session_fault(struct node *n, struct session *s, Amparo__V1__ByeCode code,
		       const char *what) WARN_UNUSED;

/** Pings, and the time-out of Hello. */
enum err session_tick(struct node *n, struct session *s, uint64_t now_ms) WARN_UNUSED;

/** INPUT_FACTS: kept, to show. */
void session_facts(struct node *n, const struct input *in);

/** Forget all. */
void sessions_free(struct node *n);

/* --- inbox.c, items.c --- */

/** A Batch of the live session. */
enum err inbox_batch(struct node *n, struct session *s, const struct pb_batch *m) WARN_UNUSED;

/**
 * Judge one new item and, when accepted, do what it says. Errors are ours alone.
 *
 * @param[out] ret_seal  the seal that its body carries, when it is held: for body_store()
 */
enum err item_take(struct node *n, struct session *s, const struct batch *b, size_t which,
		   struct item_outcome *ret, struct held_seal *ret_seal) WARN_UNUSED;

/* --- outbox.c --- */

/** Send what the session has not been sent yet, within the window, up to this position. */
enum err outbox_pump(struct node *n, struct session *s, uint64_t upto_k) WARN_UNUSED;

/**
 * What a body of this kind discloses, by openings beside it; NULL when it is of no such kind.
 *
 * @param[out] ret_message  owns *ret: caller frees it with message_free(), also after a failure
 */
enum err body_disclosure(int kind, struct view body, void **ret_message,
			 const struct pb_disclosure **ret) WARN_UNUSED;

/** One entry to a peer with what goes beside it, as it was written. */
struct written {
	uint64_t index, k;
	int kind;
	struct view entry;
	bool has_body;
	struct view body;
	const uint8_t *salt; /**< SALT_BYTES, with a body */
	const struct opened_slice *opened;
	size_t n_opened;
};

/** Keep it in memory, if the peer is there and it is not too much, so that it is not read back. */
enum err outbox_written(struct node *n, struct peer *p, const struct written *w) WARN_UNUSED;

/** Wipe and forget what is kept for a peer. */
void outbox_forget(struct node *n, struct peer *p);

/**
 * Forget what was kept for peers for which nothing was written, and to which nothing went, for
 * FRESH_KEPT_MS.
 */
void outbox_tick(struct node *n, uint64_t now_ms);
/** When outbox_tick() has something to do, UINT64_MAX: never. */
uint64_t outbox_deadline_ms(const struct node *n);

/** The peer has receipted up to @p k, holding our checkpoint of @p size: the window moves. */
void outbox_receipted(struct session *s, uint64_t size, uint64_t k);

/** Go on from (size, k): the peer's RESUME. */
void outbox_rewind(struct node *n, struct session *s, uint64_t size, uint64_t k);

/* --- query.c --- */

/** Answer a question of a peer from what stands. */
enum err query_ask(struct node *n, struct session *s, const struct pb_ask *m) WARN_UNUSED;

/** An answer to a question of ours. */
enum err query_answer(struct node *n, struct session *s, const struct pb_answer *m) WARN_UNUSED;

/** Begin to compare the pair chains with a peer; the caller is answered when it is done. */
enum err reconcile_start(struct node *n, const struct node_caller *caller, uint64_t request,
			 const char *peer) WARN_UNUSED;

/** Give up on peers that do not answer. */
enum err reconcile_tick(struct node *n, uint64_t now_ms) WARN_UNUSED;

/** The session ended: answer those that waited on it. */
enum err reconcile_lost(struct node *n, uint64_t session) WARN_UNUSED;

/* --- agreements.c --- */

/** Read once, kept; owned by the node. @retval ERR_NOT_FOUND  no such file held */
enum err agreement_load(struct node *n, const struct digest *digest,
			const struct agreement **ret) WARN_UNUSED;

/**
 * The agreement in force with a peer for an entry that we would write now.
 *
 * @retval ERR_NOT_FOUND  none for this purpose; err_words() says why
 */
enum err agreement_for(struct node *n, struct peer *p, int purpose,
		       const struct agreement **ret) WARN_UNUSED;

/** Name of the newest agreement in force with a peer, for any purpose; NULL when there is none. */
enum err agreement_in_force_name(struct node *n, struct peer *p, const char **ret) WARN_UNUSED;

/** Is @p digest in force at entry (k, seen_k) of one side of the pair? */
enum err agreement_judged(struct node *n, const struct peer *p, const struct digest *digest,
			  bool by_peer, uint64_t k, uint64_t seen_k, bool *ret) WARN_UNUSED;

/** Free those read. */
/** All that are held, at start: Hello says what is seen of their parties. */
enum err agreements_load(struct node *n) WARN_UNUSED;
void agreements_free(struct node *n);

/* --- records.c --- */

/** Seal a record and store it. @retval ERR_INVALID  words for the user */
enum err own_record_seal(struct node *n, const struct node_caller *caller,
			 const struct pb_record_import *m, struct record_row *ret) WARN_UNUSED;

/**
 * What was received of a manifest, regrouped into one record; @p ret_n slices.
 *
 * @param more       slices to take in beside those stored (the same ones count once); may be NULL
 * @retval ERR_INVALID ERR_LIMIT  they do not make a record
 */
enum err received_record_join(struct node *n, const struct digest *manifest, int type,
			      const struct opened_slice *more, size_t n_more, struct buf *out,
			      size_t *ret_n) WARN_UNUSED;

/** Release the second stage of an own referral, as far as the agreement allows now. */
enum err release_second_stage(struct node *n, struct peer *p, struct referral_row *r) WARN_UNUSED;

/* --- request*.c --- */

/** Decode a request, check the caller's role, answer it. */
enum err request_take(struct node *n, const struct node_caller *caller,
		      struct view request) WARN_UNUSED;

/** Answer with an error: its code is the exit code of the command. */
enum err reply_error(struct node *n, uint64_t caller, uint64_t request,
		     Amparo__V1__ApiErrorCode code, const char *format, ...)
	__attribute__((format(printf, 5, 6))) WARN_UNUSED;

/** Answer with one row; @p more: others follow. */
enum err reply_row(struct node *n, uint64_t caller, uint64_t request, struct pb_api_reply *reply,
		   bool more) WARN_UNUSED;

/** End a list. */
enum err reply_end(struct node *n, uint64_t caller, uint64_t request) WARN_UNUSED;

/** Answer an error of a library call: its class chooses the exit code, err_words() the text. */
enum err reply_failed(struct node *n, uint64_t caller, uint64_t request, enum err e) WARN_UNUSED;

/** One request being answered. */
struct asking {
	struct node *n;
	const struct node_caller *caller;
	uint64_t id;
	const struct pb_api_request *m;
};

/** The newest changes of a referral, for one reply. All zero is none. */
struct history {
	struct pb_status_record *record;
	struct pb_status_record **list;
	struct buf *reason; /* what the records borrow */
	size_t n_record;
};

/** Read them. Owner: caller ends *ret with history_fini(), also after a failure. */
enum err history_load(struct node *n, const struct referral_row *r,
		      struct history *ret) WARN_UNUSED;
/** Free what it holds; all zero is fine. */
void history_fini(struct history *h);

/** The verbs of api.proto, one function each; errors returned are ours alone. */
enum err request_record_import(struct asking *a) WARN_UNUSED;
enum err request_record_list(struct asking *a) WARN_UNUSED;
enum err request_record_show(struct asking *a) WARN_UNUSED;
enum err request_referral_send(struct asking *a) WARN_UNUSED;
enum err request_referral_list(struct asking *a) WARN_UNUSED;
enum err request_referral_show(struct asking *a) WARN_UNUSED;
enum err request_referral_decide(struct asking *a) WARN_UNUSED;
enum err request_peer_list(struct asking *a) WARN_UNUSED;
enum err request_agreement_adopt(struct asking *a) WARN_UNUSED;
enum err request_agreement_withdraw(struct asking *a) WARN_UNUSED;
enum err request_agreement_list(struct asking *a) WARN_UNUSED;
enum err request_audit_list(struct asking *a) WARN_UNUSED;
enum err request_audit_verify(struct asking *a) WARN_UNUSED;
enum err request_audit_reconcile(struct asking *a) WARN_UNUSED;
enum err request_node_status(struct asking *a) WARN_UNUSED;
enum err request_peer_show(struct asking *a) WARN_UNUSED;
enum err request_peer_test(struct asking *a) WARN_UNUSED;
enum err request_peer_watch(struct asking *a) WARN_UNUSED;

/** connected, connecting, waiting, awaited, stopped, removed; static. */
const char *peer_state(const struct peer *p);

/** Entries of ours to it, up to the newest that wants a receipt and has none. */
uint64_t peer_n_waiting(const struct peer *p);

/** "2026-12-01"; empty for what is no time. */
void day_text(uint64_t utc_us, char ret[16]);
enum err request_ledger_new_epoch(struct asking *a) WARN_UNUSED;
enum err request_peer_accept_epoch(struct asking *a) WARN_UNUSED;
enum err request_peer_resume(struct asking *a) WARN_UNUSED;
enum err request_clock_confirm(struct asking *a) WARN_UNUSED;

/** One PeerRow. */
enum err reply_peer(struct asking *a, struct peer *p, bool more) WARN_UNUSED;

/** referral_put(), and say whether it awaits us. All of node/ writes referrals by it. */
enum err referral_save(struct node *n, struct referral_row *r) WARN_UNUSED;

/** Change the state of a referral on our side: entry, history, row. */
enum err referral_change(struct node *n, const struct node_caller *caller, struct referral_row *r,
			 int state, bool opened, const char *reason) WARN_UNUSED;

/* --- verify.c --- */

/**
 * Begin to verify a ledger: this node's own (@p peer NULL) or what is held of a peer's.
 *
 * @param caller  answered when it is done; NULL: only the log is
 */
enum err verify_start(struct node *n, const struct node_caller *caller, uint64_t request,
		      struct peer *peer) WARN_UNUSED;

/** A step of each verification under way. */
enum err verify_step(struct node *n, bool *ret_more) WARN_UNUSED;

/** Nobody waits any more for what @p caller asked. */
void jobs_forget(struct node *n, uint64_t caller);

#endif
