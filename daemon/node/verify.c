/* The ledger verified in bounded steps: at start in the background, and when an auditor asks.
 *
 *   own ledger   every entry against its leaf, times never back, each chain without a gap, bodies
 * and local parts against their digests, and the root over all against the signed checkpoint a
 * peer's     every item held: its inclusion in a checkpoint that the peer signed, its chain, its
 *                body, and its receipts against our ledger
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "node/internal.h"

#define STEP_ENTRIES 256

static void job_end(struct job *j)
{
	free(j->chain);
	*j = (struct job){.is_used = false};
}

void jobs_forget(struct node *n, uint64_t caller)
{
	for (size_t i = 0; i < NODE_JOBS_MAX; i++) {
		if (n->job[i].is_used && n->job[i].caller.id == caller)
			job_end(&n->job[i]);
		if (n->reconcile[i].is_used && n->reconcile[i].caller == caller)
			n->reconcile[i].is_used = false;
	}
}

static int64_t owner_of(const struct job *j)
{
	return j->peer ? j->peer->row.id : 0;
}

/* One that ended: to its end. */
static void take_past(struct job *j, const struct epoch_row *row)
{
	j->is_past = true;
	j->epoch = row->epoch;
	j->size = j->peer ? row->k : row->size;
	j->end = *row;
	memcpy(j->origin.text, row->origin, sizeof(j->origin.text));
}

/* The one that was the newest when the job began has ended since, and may have grown before. */
static enum err follow_end(struct node *n, struct job *j)
{
	struct epoch_row row;
	enum err e;

	if (j->is_past || j->epoch == (j->peer ? j->peer->row.epoch : n->epoch))
		return ERR_OK;
	e = epoch_get(n->store, owner_of(j), j->epoch, &row);
	if (!e)
		take_past(j, &row);
	return e && e != ERR_NOT_FOUND ? err_trace(e) : ERR_OK; /* a peer met first since then */
}

/* The first epoch after @p after: those that ended, then the present one. */
static enum err choose_epoch(struct node *n, struct job *j, uint64_t after)
{
	struct epoch_row row;
	enum err e = epoch_next(n->store, owner_of(j), after, &row);

	if (e && e != ERR_NOT_FOUND)
		return err_trace(e);
	if (!e) {
		take_past(j, &row);
		return ERR_OK;
	}
	j->is_past = false;
	j->epoch = j->peer ? j->peer->row.epoch : n->epoch;
	j->size = j->peer ? j->peer->row.received_k : n->signed_size;
	memcpy(j->origin.text, j->peer ? j->peer->row.origin : n->origin.text,
	       sizeof(j->origin.text));
	return ERR_OK;
}

/* Each epoch is verified by itself, from its empty tree and the beginning of its chains. */
static enum err job_begin(struct node *n, struct job *j, uint64_t after)
{
	enum err e = choose_epoch(n, j, after);

	if (e)
		return err_trace(e);
	j->at = j->last_us = 0;
	j->n_entries = j->n_bodies = j->n_receipts = j->n_recovered = 0;
	j->received = chain_start(j->origin.text, &n->agency);
	memset(&j->frontier, 0, sizeof(j->frontier));
	if (j->peer)
		return ERR_OK;
	free(j->chain);
	j->chain = calloc(n->n_peer + 1, sizeof(*j->chain));
	if (!j->chain)
		return err_new(ERR_NOMEM, "verification");
	for (size_t i = 0; i < n->n_peer; i++)
		j->chain[i] = chain_start(j->origin.text, &n->peer[i].row.agency);
	return ERR_OK;
}

enum err verify_start(struct node *n, const struct node_caller *caller, uint64_t request,
		      struct peer *peer)
{
	struct job *j = NULL;
	enum err e;

	for (size_t i = 0; i < NODE_JOBS_MAX && !j; i++)
		if (!n->job[i].is_used)
			j = &n->job[i];
	if (!j)
		return caller ? reply_error(n, caller->id, request, PB(API_ERROR_CODE, TEMPORARY),
					    "too many verifications are under way: try again")
			      : ERR_OK;
	*j = (struct job){.is_used = true, .request = request, .peer = peer};
	if (caller)
		j->caller = *caller;
	e = job_begin(n, j, 0);
	if (e)
		job_end(j);
	return e ? err_trace(e) : ERR_OK;
}

static void fail(struct job *j, uint64_t at, const char *problem)
{
	j->has_failed = true;
	j->bad_index = at;
	(void)snprintf(j->problem, sizeof(j->problem), "%s", problem);
}

/* A blob against the digest in its entry. Erased ones are fine: the digest stands for them. */
static enum err check_blob(struct node *n, struct job *j, uint64_t at, enum blob_kind kind,
			   const uint8_t *id, const struct digest *expected)
{
	struct buf plain = {0};
	struct digest digest;
	enum err e = kind == BLOB_BODY ? body_load_salted(n, id, &plain)
				       : blob_load(n, kind, id, &plain);

	if (e == ERR_NOT_FOUND) {
		buf_fini(&plain);
		return ERR_OK;
	}
	if (e == ERR_DECRYPT || (!e && plain.n < SALT_BYTES)) {
		fail(j, at, "stored content does not decrypt");
		e = ERR_OK;
	} else if (!e) {
		struct view rest = view_of(buf_data(&plain) + SALT_BYTES, plain.n - SALT_BYTES);

		digest = kind == BLOB_BODY ? body_digest(buf_data(&plain), rest)
					   : local_digest(buf_data(&plain), rest);
		if (!digest_eq(&digest, expected))
			fail(j, at, "stored content does not have the digest of its entry");
		j->n_bodies++;
		wipe(buf_data(&plain), plain.n);
	}
	buf_fini(&plain);
	return e ? err_trace(e) : ERR_OK;
}

static void check_chain(struct node *n, struct job *j, const struct entry_row *row,
			const struct entry *entry)
{
	struct peer *p = peer_by_id(n, &entry->addressee);
	struct chain_head *at;

	if (!p || p->row.id != row->peer || row->k != entry->k) {
		fail(j, row->index, "entry and its row name different peers or positions");
		return;
	}
	at = &j->chain[p - n->peer];
	if (entry->k != at->k + 1 || !digest_eq(&entry->prev_head, &at->head))
		fail(j, row->index, "entry does not follow the one before it in its pair chain");
	*at = chain_next(at, &row->leaf);
}

static enum err check_entry(struct node *n, struct job *j, uint64_t index)
{
	struct entry_row row;
	struct entry entry;
	struct digest leaf;
	uint8_t body[STORE_ID_BYTES], local[STORE_ID_BYTES];
	enum err e;

	e = entry_get(n->store, j->epoch, index, &row);
	if (e == ERR_NOT_FOUND) {
		fail(j, index, "entry is missing");
		return ERR_OK;
	}
	if (e)
		return err_trace(e);
	leaf = merkle_leaf(row.entry);
	e = entry_decode(row.entry, &entry);
	if (e == ERR_NOMEM)
		return err_trace(e);
	if (e || !digest_eq(&leaf, &row.leaf)) {
		fail(j, index, "entry does not have its leaf hash, or does not parse");
		return ERR_OK;
	}
	if (entry.time_us < j->last_us)
		fail(j, index, "entry is older than the one before it");
	j->last_us = entry.time_us;
	frontier_append(&j->frontier, &leaf, NULL, NULL);
	j->n_entries++;
	if (entry_kind_is_addressed((int)entry.kind))
		check_chain(n, j, &row, &entry);
	memcpy(body, row.body_blob, sizeof(body));
	memcpy(local, row.local_blob, sizeof(local));
	const bool has_body = row.has_body, has_local = row.has_local;

	if (!j->has_failed && has_body)
		e = check_blob(n, j, index, BLOB_BODY, body, &entry.body_digest);
	if (!e && !j->has_failed && has_local)
		e = check_blob(n, j, index, BLOB_LOCAL, local, &entry.local_digest);
	return e ? err_trace(e) : ERR_OK;
}

/* What peers gave back of it: each entry in a checkpoint that this node signed. */
struct checking {
	struct node *n;
	struct job *j;
};

static enum err check_recovered(void *ctx, const struct recovered_row *row)
{
	struct checking *c = ctx;
	struct digest hashes[MERKLE_PROOF_MAX], leaf = merkle_leaf(row->entry);
	struct checkpoint noted;

	if (row->epoch != c->j->epoch || c->j->has_failed)
		return ERR_OK;
	if (row->proof.n > sizeof(hashes)) {
		fail(c->j, row->index, "stored proof is too long");
		return ERR_OK;
	}
	if (row->proof.n)
		memcpy(hashes, row->proof.p, row->proof.n);
	if (!digest_eq(&leaf, &row->leaf) ||
	    checkpoint_read(row->note, c->j->origin.text, seal_key_public(c->n->seal_key),
			    &noted) ||
	    merkle_check_inclusion(&leaf, row->index, noted.size, hashes,
				   row->proof.n / DIGEST_BYTES, &noted.root))
		fail(c->j, row->index, "an entry given back is not in the checkpoint signed");
	c->j->n_recovered++;
	return ERR_OK;
}

static enum err recovered_check(struct node *n, struct job *j)
{
	struct checking c = {.n = n, .j = j};

	return j->has_failed ? ERR_OK : recovered_walk(n->store, check_recovered, &c);
}

static enum err check_past_root(struct node *n, struct job *j, const struct digest *rebuilt)
{
	struct checkpoint signed_last;
	struct buf note = {0};
	uint64_t size;
	enum err e = own_checkpoint_get(n->store, j->epoch, &size, &note);

	if (!e && (checkpoint_read(buf_view(&note), j->origin.text, seal_key_public(n->seal_key),
				   &signed_last) ||
		   signed_last.size != j->size || !digest_eq(&signed_last.root, rebuilt)))
		fail(j, j->size, "the entries do not give the signed checkpoint");
	if (e == ERR_NOT_FOUND) {
		fail(j, j->size, "the checkpoint is missing");
		e = ERR_OK;
	}
	buf_fini(&note);
	return e ? err_trace(e) : recovered_check(n, j);
}

/* All entries up to a checkpoint are rebuilt: compare with a root that this node signed. The tree
 * may have grown meanwhile; then the stored tree gives the root at that size, and the newest
 * checkpoint, whose consistency with it is proven, gives the signature. */
static enum err check_root(struct node *n, struct job *j)
{
	struct tree_reader reader = tree_reader_of(&n->tree);
	struct digest rebuilt = frontier_root(&j->frontier), stored;
	struct checkpoint newest;
	struct proof proof;
	enum err e;

	if (j->is_past) /* none was signed after */
		return check_past_root(n, j, &rebuilt);
	e = merkle_root(&reader, j->size, &stored);
	if (!e)
		e = merkle_prove_consistency(&reader, j->size, n->signed_size, &proof);
	if (e)
		return err_trace(e);
	if (!digest_eq(&rebuilt, &stored)) {
		fail(j, j->size, "the entries do not give the stored tree");
		return ERR_OK;
	}
	if (checkpoint_read(buf_view(&n->note), n->origin.text, seal_key_public(n->seal_key),
			    &newest) ||
	    merkle_check_consistency(j->size, &rebuilt, newest.size, &newest.root, proof.hash,
				     proof.n))
		fail(j, j->size, "the entries do not give the signed checkpoint");
	return ERR_OK;
}

static enum err check_receipt(struct node *n, struct job *j, struct peer *p, uint64_t k,
			      struct view body)
{
	CLEANUP(message_freep) struct pb_receipt *r = NULL;
	struct digest root, head;
	enum err e;

	e = message_decode(&pb_receipt_desc, body, MESSAGE_STRICT, &r);
	if (e == ERR_NOMEM)
		return err_trace(e);
	if (e || !r->has_size || !r->has_to_k || !r->has_root || !r->has_head || !r->origin) {
		fail(j, k, "receipt does not parse");
		return ERR_OK;
	}
	if (strcmp(r->origin, n->origin.text) != 0)
		return ERR_OK; /* of a ledger of ours that ended, part of which may be lost here */
	if (r->size > n->tree.size) {
		fail(j, k, "receipt names a tree that this ledger has not reached");
		return ERR_OK;
	}
	e = ledger_root_at(n, r->size, &root);
	if (!e)
		e = ledger_head_at(n, p, r->to_k, &head);
	if (e == ERR_NOT_FOUND) {
		fail(j, k, "receipt names a position that this ledger does not have");
		return ERR_OK;
	}
	if (e)
		return err_trace(e);
	if (!view_eq(view_digest(&root), message_bytes(1, r->root)) ||
	    !view_eq(view_digest(&head), message_bytes(1, r->head)))
		fail(j, k, "receipt rests on another ledger than this one");
	j->n_receipts++;
	return ERR_OK;
}

static enum err check_inclusion(struct node *n, struct job *j, struct peer *p,
				const struct received_row *row, const struct digest *leaf)
{
	struct digest hashes[MERKLE_PROOF_MAX];
	struct checkpoint c;
	struct buf note = {0};
	const size_t n_hashes = row->proof.n / DIGEST_BYTES;
	enum err e;

	if (row->proof.n > sizeof(hashes)) {
		fail(j, row->k, "stored proof is too long");
		return ERR_OK;
	}
	if (row->proof.n)
		memcpy(hashes, row->proof.p, row->proof.n);
	e = received_checkpoint_get(n->store, row->checkpoint, &note);
	if (!e && (checkpoint_read(buf_view(&note), j->origin.text, p->key, &c) ||
		   merkle_check_inclusion(leaf, row->index, c.size, hashes, n_hashes, &c.root)))
		fail(j, row->k, "item is not in the checkpoint that the peer signed");
	buf_fini(&note);
	return e ? err_trace(e) : ERR_OK;
}

static enum err check_received(struct node *n, struct job *j, uint64_t k)
{
	struct peer *p = j->peer;
	struct received_row row;
	struct entry entry;
	struct digest leaf, expected_body;
	struct buf body = {0};
	uint8_t blob[STORE_ID_BYTES];
	bool has_body, is_receipt;
	enum err e;

	e = received_get(n->store, p->row.id, j->epoch, k, &row);
	if (e == ERR_NOT_FOUND) {
		fail(j, k, "item is missing");
		return ERR_OK;
	}
	if (e)
		return err_trace(e);
	leaf = merkle_leaf(row.entry);
	j->received = chain_next(&j->received, &leaf);
	j->n_entries++;
	has_body = row.has_body && entry_decode(row.entry, &entry) == ERR_OK;
	is_receipt = has_body && entry.kind == PB(ENTRY_KIND, RECEIPT) && row.status == 0;
	memcpy(blob, row.body_blob, sizeof(blob));
	e = check_inclusion(n, j, p, &row, &leaf);
	if (e || j->has_failed || !has_body)
		return e;
	expected_body = entry.body_digest;
	e = check_blob(n, j, k, BLOB_BODY, blob, &expected_body);
	if (!e && is_receipt && !j->has_failed) {
		e = body_load(n, blob, NULL, &body);
		if (!e)
			e = check_receipt(n, j, p, k, buf_view(&body));
		buf_fini(&body);
	}
	return e ? err_trace(e) : ERR_OK;
}

static enum err report(struct node *n, struct job *j, bool more)
{
	struct pb_api_reply reply = PB_API_REPLY_INIT;
	struct pb_verify_result m = PB_VERIFY_RESULT_INIT;
	struct digest root;
	enum err e = ERR_OK;

	if (j->has_failed)
		log_line(LOG_ERR,
			 "verification failed: the operator must act ledger=%s at=%llu "
			 "problem=\"%s\"",
			 j->peer ? j->peer->row.agency.text : "own",
			 (unsigned long long)j->bad_index, j->problem);
	if (j->caller.id == 0)
		return ERR_OK;
	m.name = j->origin.text;
	m.has_ok = m.has_n_entries = m.has_size = m.has_n_bodies = 1;
	m.ok = !j->has_failed;
	m.n_entries = j->n_entries;
	m.size = !j->peer ? j->size : j->is_past ? j->end.size : j->peer->row.held_size;
	m.n_bodies = j->n_bodies;
	root = !j->peer	    ? frontier_root(&j->frontier)
	       : j->is_past ? j->end.root
			    : j->peer->row.held_root;
	m.has_root = !j->has_failed;
	m.root = message_borrow(view_digest(&root));
	m.has_n_chains = !j->peer;
	m.n_chains = n->n_peer;
	m.has_n_receipts = j->peer != NULL;
	m.n_receipts = j->n_receipts;
	m.has_n_recovered = j->n_recovered != 0;
	m.n_recovered = j->n_recovered;
	m.has_bad_index = j->has_failed;
	m.bad_index = j->bad_index;
	m.problem = j->has_failed ? j->problem : NULL;
	reply.verify = &m;
	e = reply_row(n, j->caller.id, j->request, &reply, more);
	return e ? err_trace(e) : ERR_OK;
}

static bool head_is_right(const struct job *j)
{
	const struct peer_row *row = &j->peer->row;

	if (j->is_past)
		return digest_eq(&j->received.head, &j->end.head);
	if (j->epoch != row->epoch || j->size != row->received_k)
		return true; /* it went on meanwhile */
	return digest_eq(&j->received.head, &row->received_head);
}

static enum err job_step(struct node *n, struct job *j)
{
	enum err e = follow_end(n, j);

	for (unsigned i = 0; !e && !j->has_failed && i < STEP_ENTRIES && j->at < j->size; i++) {
		e = j->peer ? check_received(n, j, j->at + 1) : check_entry(n, j, j->at);
		j->at++;
	}
	if (e || (j->at < j->size && !j->has_failed))
		return e ? err_trace(e) : ERR_OK;
	if (!j->has_failed && !j->peer)
		e = check_root(n, j);
	else if (!j->has_failed && !head_is_right(j))
		fail(j, j->size, "the items held do not give the chain's head");
	const bool more = j->is_past && !j->has_failed;

	if (!e)
		e = report(n, j, more);
	if (!e && more)
		e = job_begin(n, j, j->epoch);
	if (e || !more)
		job_end(j);
	return e ? err_trace(e) : ERR_OK;
}

enum err verify_step(struct node *n, bool *ret_more)
{
	for (size_t i = 0; i < NODE_JOBS_MAX; i++) {
		enum err e;

		if (!n->job[i].is_used)
			continue;
		e = job_step(n, &n->job[i]);
		if (e)
			return err_trace(e);
		*ret_more = *ret_more || n->job[i].is_used;
	}
	return ERR_OK;
}
