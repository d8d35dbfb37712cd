/* A batch that came: verified as a whole, then item by item, all in this turn's transaction. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "node/epoch.h"
#include "node/internal.h"
#include "node/limits.h"
#include "node/split.h"

static enum err answer_resume(struct node *n, struct session *s)
{
	struct pb_frame frame = PB_FRAME_INIT;
	struct pb_resume resume = PB_RESUME_INIT;
	struct peer *p = s->peer;

	resume.has_size = resume.has_k = 1;
	resume.size = p->row.held_size;
	resume.k = p->row.received_k;
	resume.has_head = p->row.received_k != 0;
	resume.head = message_borrow(view_digest(&p->row.received_head));
	frame.resume = &resume;
	s->said_ms = n->port.mono_ms(n->port.ctx);
	return output_message(n, OUTPUT_SEND, s->number, &frame);
}

/* Items at or below the cursor must be those that we hold: else two entries are proven at one k. */
static enum err compare_known(struct node *n, struct peer *p, const struct batch *b,
			      size_t *ret_differs_at)
{
	*ret_differs_at = b->n_item;
	for (size_t i = 0; i < b->n_item && b->item[i].is_known; i++) {
		struct received_row row;
		enum err e = received_get(n->store, p->row.id, p->row.epoch, b->item[i].k, &row);

		if (e)
			return err_trace(e);
		if (digest_eq(&row.leaf, &b->item[i].leaf))
			continue;
		*ret_differs_at = i;
		return ERR_OK;
	}
	return ERR_OK;
}

static enum err hold_checkpoint(struct node *n, struct peer *p, const struct batch *b)
{
	int64_t id;
	enum err e;

	if (p->row.held_checkpoint && p->row.held_size == b->checkpoint.size)
		return ERR_OK;
	e = node_write(n);
	if (!e)
		e = received_checkpoint_put(n->store, p->row.id, b->checkpoint.size, b->note, &id);
	if (e)
		return err_trace(e);
	buf_clear(&p->held_note);
	p->row.held_checkpoint = id;
	p->row.held_size = b->checkpoint.size;
	p->row.held_root = b->checkpoint.root;
	limits_count(n, p, 0, 1, b->note.n);
	return buf_put_view(&p->held_note, b->note);
}

static enum err store_item(struct node *n, struct peer *p, const struct batch *b, size_t which,
			   const struct item_outcome *outcome, const uint8_t *body_blob)
{
	const struct batch_item *item = &b->item[which];
	const struct proof *proof = &b->proof[which];
	struct received_row row = {
		.peer = p->row.id,
		.epoch = p->row.epoch,
		.k = item->k,
		.index = item->index,
		.entry = item->entry,
		.leaf = item->leaf,
		.has_body = body_blob != NULL,
		.status = outcome->status,
		.reason = outcome->reason,
		.checkpoint = p->row.held_checkpoint,
		.time_us = ledger_time_us(n),
	};

	row.proof = view_of(proof->hash, proof->n * sizeof(proof->hash[0]));
	if (body_blob)
		memcpy(row.body_blob, body_blob, sizeof(row.body_blob));
	return received_put(n->store, &row);
}

/* Whole bodies of accepted items are kept; of refused ones nothing is. */
static enum err store_body(struct node *n, const struct pb_item *m, const struct held_seal *seal,
			   uint8_t ret_blob[STORE_ID_BYTES])
{
	return body_store(n, message_bytes(m->has_body_salt, m->body_salt),
			  message_bytes(m->has_body, m->body), seal, ret_blob);
}

static enum err take_item(struct node *n, struct session *s, const struct batch *b, size_t which)
{
	const struct batch_item *item = &b->item[which];
	struct item_outcome outcome = {.k = item->k};
	struct peer *p = s->peer;
	uint8_t blob[STORE_ID_BYTES];
	struct held_seal seal;
	bool keep;
	enum err e;

	/* the position is consumed whatever the item says; entries that answer it name it as seen
	 */
	p->row.received_k = item->k;
	p->row.received_head = item->after.head;
	p->dirty = true;
	err_clear();
	e = item_take(n, s, b, which, &outcome, &seal);
	if (e)
		return err_trace(e);
	if (outcome.status && peer_may_log(n, p))
		log_line(LOG_WARN,
			 "item refused, its position is consumed peer=%s k=%llu status=%s "
			 "reason=%s",
			 p->row.agency.text, (unsigned long long)item->k,
			 message_enum_code(&amparo__v1__exception_status__descriptor,
					   outcome.status),
			 outcome.reason ? message_enum_code(&amparo__v1__refusal_reason__descriptor,
							    outcome.reason)
					: "-");
	keep = outcome.status == 0 && item->item->has_body;
	e = node_write(n);
	if (!e && keep)
		e = store_body(n, item->item, &seal, blob);
	if (!e)
		e = store_item(n, p, b, which, &outcome, keep ? blob : NULL);
	limits_count(n, p, 1, 0, item->n_bytes + b->proof[which].n * DIGEST_BYTES);
	return e ? err_trace(e) : ERR_OK;
}

/* Exceptions since the last receipt, into outcomes that receipt_make() lists. */
struct exceptions {
	struct item_outcome outcome[BATCH_ITEMS_MAX];
	size_t n;
};

static enum err note_exception(void *ctx, const struct received_row *row)
{
	struct exceptions *x = ctx;

	if (x->n == BATCH_ITEMS_MAX - 2)
		return ERR_FULL; /* the receipt ends before this one, another follows */
	x->outcome[x->n++] =
		(struct item_outcome){.k = row->k, .status = row->status, .reason = row->reason};
	return ERR_OK;
}

static enum err head_received(struct node *n, struct peer *p, uint64_t k, struct digest *ret)
{
	struct received_row row;
	struct agency_id addressee;
	uint64_t row_k;
	enum err e;

	if (k == p->row.received_k) {
		*ret = p->row.received_head;
		return ERR_OK;
	}
	e = received_get(n->store, p->row.id, p->row.epoch, k + 1, &row);
	if (!e)
		e = entry_position(row.entry, &addressee, &row_k, ret);
	return e ? err_trace(e) : ERR_OK;
}

static enum err append_receipt(struct node *n, struct peer *p, const struct checkpoint *rests_on,
			       struct exceptions *x, uint64_t to_k)
{
	struct append entry = {.kind = PB(ENTRY_KIND, RECEIPT), .peer = p};
	struct item_outcome range[BATCH_ITEMS_MAX];
	struct appended done;
	struct digest head;
	struct buf body = {0};
	size_t n_range = 0;
	enum err e;

	/* receipt_make() takes the ends of the range from the first and last outcome */
	if (x->n == 0 || x->outcome[0].k != p->row.receipted_k + 1)
		range[n_range++] = (struct item_outcome){.k = p->row.receipted_k + 1};
	memcpy(range + n_range, x->outcome, x->n * sizeof(range[0]));
	n_range += x->n;
	if (range[n_range - 1].k != to_k)
		range[n_range++] = (struct item_outcome){.k = to_k};
	e = head_received(n, p, to_k, &head);
	if (!e)
		e = receipt_make(rests_on, range, n_range, &head, &body);
	entry.body = buf_view(&body);
	if (!e)
		e = ledger_append(n, &entry, &done);
	buf_fini(&body);
	if (e)
		return err_trace(e);
	p->row.receipted_k = to_k;
	p->dirty = true;
	return ERR_OK;
}

enum err inbox_receipts(struct node *n, struct peer *p, const struct checkpoint *rests_on)
{
	while (p->row.receipted_k < p->row.received_k) {
		struct exceptions x = {.n = 0};
		uint64_t to_k = p->row.received_k;
		enum err e;

		e = received_walk_exceptions(n->store, p->row.id, p->row.epoch, p->row.receipted_k,
					     p->row.received_k, note_exception, &x);
		if (e == ERR_FULL)
			to_k = x.outcome[x.n - 1].k;
		else if (e)
			return err_trace(e);
		e = append_receipt(n, p, rests_on, &x, to_k);
		if (e)
			return err_trace(e);
	}
	return ERR_OK;
}

static bool is_receipt(const struct batch_item *item)
{
	return item->is_decoded && item->decoded.kind == PB(ENTRY_KIND, RECEIPT);
}

static enum err take_items(struct node *n, struct session *s, const struct batch *b)
{
	bool wants_receipt = false;
	enum err e = hold_checkpoint(n, s->peer, b);

	for (size_t i = 0; !e && i < b->n_item; i++) {
		if (b->item[i].is_known)
			continue;
		wants_receipt = wants_receipt || !is_receipt(&b->item[i]);
		e = replay_due(n, s->peer);
		if (!e)
			e = take_item(n, s, b, i);
	}
	if (!e)
		e = replay_due(n, s->peer);
	if (!e && wants_receipt)
		e = inbox_receipts(n, s->peer, &b->checkpoint);
	return e ? err_trace(e) : ERR_OK;
}

static enum err batch_contradicts(struct node *n, struct session *s, const char *kind,
				  struct view ours, struct view theirs)
{
	enum err e = peer_stop(n, s->peer, kind, ours, theirs);

	return e ? err_trace(e) : session_end(n, s, PB(BYE_CODE, STOPPED), 0);
}

/* One half of the evidence, which anybody can check: u32 length, the entry, its tlog-proof. */
static enum err evidence_half(struct view entry, uint64_t index, const struct proof *proof,
			      struct view note, struct buf *out)
{
	enum err e = buf_put_u32(out, (uint32_t)entry.n);

	if (!e)
		e = buf_put_view(out, entry);
	if (!e)
		e = evidence_proof_text(index, proof, note, out);
	return e ? err_trace(e) : ERR_OK;
}

static enum err held_half(struct node *n, const struct peer *p, uint64_t k, struct buf *out)
{
	struct received_row row;
	struct proof proof = {.n = 0};
	struct buf note = {0};
	enum err e = received_get(n->store, p->row.id, p->row.epoch, k, &row);

	if (e)
		return err_trace(e);
	if (row.proof.n > sizeof(proof.hash))
		return err_new(ERR_STORAGE, "stored proof is too long");
	if (row.proof.n)
		memcpy(proof.hash, row.proof.p, row.proof.n);
	proof.n = row.proof.n / DIGEST_BYTES;
	e = received_checkpoint_get(n->store, row.checkpoint, &note);
	if (!e)
		e = evidence_half(row.entry, row.index, &proof, buf_view(&note), out);
	buf_fini(&note);
	return e ? err_trace(e) : ERR_OK;
}

/* Two entries proven at one k. */
static enum err item_contradicts(struct node *n, struct session *s, const struct batch *b,
				 size_t which)
{
	const struct batch_item *item = &b->item[which];
	struct buf ours = {0}, theirs = {0};
	enum err e = held_half(n, s->peer, item->k, &ours);

	if (!e)
		e = evidence_half(item->entry, item->index, &b->proof[which], b->note, &theirs);
	if (!e)
		e = batch_contradicts(n, s, "two entries proven at one position", buf_view(&ours),
				      buf_view(&theirs));
	buf_fini(&ours);
	buf_fini(&theirs);
	return e ? err_trace(e) : ERR_OK;
}

/* A checkpoint without a new item is stored too: a peer sends one an hour, not without end. */
static bool is_one_too_many(struct node *n, struct peer *p, const struct batch *b)
{
	const uint64_t hour = n->port.utc_us(n->port.ctx) / HOUR_US;

	if ((b->n_item && !b->item[b->n_item - 1].is_known) ||
	    (p->row.held_checkpoint && b->checkpoint.size == p->row.held_size))
		return false;
	if (p->bare_hour != hour)
		p->n_bare = 0;
	p->bare_hour = hour;
	return ++p->n_bare > BARE_PER_HOUR;
}

static enum err take_verified(struct node *n, struct session *s, const struct pb_batch *m,
			      const struct batch *b)
{
	uint32_t retry_s;
	size_t differs_at;
	enum err e;

	e = compare_known(n, s->peer, b, &differs_at);
	if (e)
		return err_trace(e);
	if (differs_at < b->n_item)
		return item_contradicts(n, s, b, differs_at);
	e = split_judge(n, s, m, b);
	if (e || s->closing)
		return e ? err_trace(e) : ERR_OK;
	if (is_one_too_many(n, s->peer, b))
		return session_fault(n, s, PB(BYE_CODE, BUSY),
				     "too many checkpoints without items");
	limits_judge(n, s->peer, b, &retry_s);
	if (retry_s)
		return session_end(n, s, PB(BYE_CODE, BUSY), retry_s);
	return take_items(n, s, b);
}

enum err inbox_resume(struct node *n, struct session *s)
{
	s->n_dropped = 1;
	return answer_resume(n, s);
}

/* One RESUME answers all batches that were on their way when it went: they are dropped. */
static enum err batch_does_not_follow(struct node *n, struct session *s)
{
	if (s->n_dropped && ++s->n_dropped <= DROPPED_MAX)
		return ERR_OK;
	if (s->n_dropped || ++s->n_resumes > RESUMES_MAX) {
		(void)err_new(ERR_CHAIN, "batches do not follow what is held");
		return session_fault(n, s, PB(BYE_CODE, PROTOCOL), "batch is not acceptable");
	}
	s->n_dropped = 1;
	return answer_resume(n, s);
}

enum err inbox_batch(struct node *n, struct session *s, const struct pb_batch *m)
{
	struct peer *p = s->peer;
	struct batch_expected expected = {
		.origin = p->row.origin,
		.key = p->key,
		.held_size = p->row.held_size,
		.held_root = p->row.held_root,
		.received = {.k = p->row.received_k, .head = p->row.received_head},
	};
	CLEANUP(freep) struct batch *b = malloc(sizeof(*b));

	if (!b)
		return err_new(ERR_NOMEM, "batch");
	if (s != p->live || n->hold)
		return session_end(n, s, PB(BYE_CODE, BUSY), n->hold ? 60 : 0);
	if (p->recovery.state == RECOVERY_FETCHING) {
		s->has_postponed = true; /* what it holds of ours comes first; then RESUME */
		return ERR_OK;
	}
	err_clear();
	switch (batch_check(m, &expected, b)) {
	case BATCH_OK:
		p->row.last_contact_us = n->port.utc_us(n->port.ctx);
		s->n_dropped = 0;
		p->n_faults = 0;
		return take_verified(n, s, m, b);
	case BATCH_RESUME:
		return batch_does_not_follow(n, s);
	case BATCH_NOMEM:
		return err_new(ERR_NOMEM, "batch");
	case BATCH_FAULT:
		return session_fault(n, s, PB(BYE_CODE, PROTOCOL), "batch is not acceptable");
	case BATCH_CONTRADICTION:
		return batch_contradicts(n, s, "two checkpoints of one size",
					 buf_view(&p->held_note), b->note);
	}
	return err_new(ERR_BUG, "batch result");
}
