/* A peer's new epoch: met, accepted, held against what its old one said, and given back to it. */
#include "node/epoch.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define GIVEN_ITEMS_MAX 64
#define GIVEN_BYTES_MAX (384u * 1024) /* and one item more: a frame holds both */

enum err epoch_met(struct node *n, struct session *s, const struct hello *h)
{
	struct peer *p = s->peer;
	struct origin known;
	uint64_t known_epoch = 0;

	if (p->row.new_origin[0] &&
	    origin_check(view_str(p->row.new_origin), &p->row.agency, &known, &known_epoch))
		return err_new(ERR_STORAGE, "a damaged row: the new origin of a peer");
	if (h->epoch < known_epoch) {
		enum err e = err_new(ERR_DENIED, "ledger is of an epoch before one that it named");

		(void)e;
		return session_fault(n, s, PB(BYE_CODE, IDENTITY), "Hello is not acceptable");
	}
	if (h->epoch > known_epoch) {
		memcpy(p->row.new_origin, h->origin.text, sizeof(h->origin.text));
		p->dirty = true;
		log_line(LOG_ERR,
			 "a peer started a new ledger, signed by its pinned key: nothing is "
			 "exchanged until you have asked the agency why and run `amparo peer "
			 "accept-epoch` peer=%s origin=%s before=%s",
			 p->row.agency.text, h->origin.text, p->row.origin);
	}
	peer_error(p, "the peer started a new ledger: ask the agency why, then `amparo peer "
		      "accept-epoch`");
	peer_failed(n, p);
	return session_end(n, s, PB(BYE_CODE, STOPPED), 0);
}

/* --- accepting --- */

static enum err keep_old(struct node *n, const struct peer *p)
{
	struct epoch_row row = {
		.peer = p->row.id,
		.epoch = p->row.epoch,
		.size = p->row.held_size,
		.root = p->row.held_root,
		.checkpoint = p->row.held_checkpoint,
		.k = p->row.received_k,
		.head = p->row.received_head,
		.time_us = ledger_time_us(n),
		.why = "a new epoch was accepted",
	};

	memcpy(row.origin, p->row.origin, sizeof(row.origin));
	return epoch_put(n->store, &row);
}

/* Its adoptions stood in a chain that ended; it adopts again in the new one. */
static enum err note_adoption(void *ctx, const struct adoption_row *row)
{
	return buf_put(ctx, row, sizeof(*row));
}

static enum err forget_adoptions(struct node *n, const struct peer *p)
{
	struct buf rows = {0};
	enum err e = adoption_walk(n->store, p->row.id, note_adoption, &rows);

	for (size_t at = 0; !e && at < rows.n; at += sizeof(struct adoption_row)) {
		struct adoption_row row;

		memcpy(&row, buf_data(&rows) + at, sizeof(row));
		row.their_k = row.their_withdraw_k = 0;
		e = adoption_put(n->store, &row);
	}
	buf_fini(&rows);
	return e ? err_trace(e) : ERR_OK;
}

/* Our word for it, and from where on our seen_k counts in the new chain. @param old may be NULL */
static enum err append_accepted(struct node *n, struct peer *p, const struct epoch_row *old)
{
	struct append entry = {
		.kind = PB(ENTRY_KIND, EPOCH_ACCEPTED), .peer = p, .is_recovery = true};
	struct pb_epoch_accepted m = PB_EPOCH_ACCEPTED_INIT;
	char old_origin[PEER_ORIGIN_MAX + 1];
	struct appended done;
	struct buf body = {0};
	enum err e;

	m.origin = p->row.origin;
	if (old) {
		memcpy(old_origin, old->origin, sizeof(old_origin));
		m.old_origin = old_origin;
		m.has_held_size = m.has_held_k = 1;
		m.held_size = old->size;
		m.has_held_root = old->size != 0;
		m.held_root = message_borrow(view_digest(&old->root));
		m.held_k = old->k;
		m.has_held_head = old->k != 0;
		m.held_head = message_borrow(view_digest(&old->head));
	}
	e = message_encode(&m, &body);
	entry.body = buf_view(&body);
	if (!e)
		e = ledger_append(n, &entry, &done);
	buf_fini(&body);
	if (e)
		return err_trace(e);
	p->row.accepted_epoch = p->row.epoch;
	p->dirty = true;
	return ERR_OK;
}

static void pin_new(struct node *n, struct peer *p, const struct origin *origin, uint64_t epoch)
{
	struct chain_head start = chain_start(origin->text, &n->agency);

	memcpy(p->row.origin, origin->text, sizeof(origin->text));
	p->row.epoch = epoch;
	p->row.new_origin[0] = '\0';
	p->row.last_error[0] = '\0';
	p->row.pinned_us = ledger_time_us(n);
	p->row.held_size = 0;
	p->row.held_root = (struct digest){{0}};
	p->row.held_checkpoint = 0;
	buf_clear(&p->held_note);
	p->row.received_k = p->row.receipted_k = 0;
	p->row.received_head = start.head;
	p->row.delivered_k = 0; /* its receipts begin at 1 again */
	p->n_unproven = 0;	/* it proves nothing of a ledger that ended */
	p->dirty = true;
	peer_dial_now(n, p);
}

enum err epoch_accept(struct node *n, struct peer *p, const struct node_caller *caller,
		      const char *reason)
{
	struct append entry = {.kind = PB(ENTRY_KIND, CONFIG),
			       .caller = caller,
			       .reason = reason,
			       .detail = "new epoch of a peer accepted"};
	struct appended done;
	struct epoch_row old;
	struct origin origin;
	uint64_t epoch, old_epoch = p->row.epoch;
	enum err e;

	if (n->hold)
		return err_new(ERR_STATE, "nothing is signed: %s", n->hold);
	if (!p->row.new_origin[0])
		return err_new(ERR_STATE, "this peer has not announced a new epoch");
	if (origin_check(view_str(p->row.new_origin), &p->row.agency, &origin, &epoch))
		return err_new(ERR_STORAGE, "a damaged row: the new origin of a peer");
	e = node_write(n);
	if (!e)
		e = keep_old(n, p);
	if (!e)
		e = epoch_get(n->store, p->row.id, old_epoch, &old);
	if (e)
		return err_trace(e);
	if (p->n_unproven)
		log_line(LOG_WARN,
			 "checkpoints of a ledger that ended, which others hold, stay unproven "
			 "peer=%s origin=%s checkpoints=%llu",
			 p->row.agency.text, old.origin, (unsigned long long)p->n_unproven);
	pin_new(n, p, &origin, epoch);
	e = forget_adoptions(n, p);
	if (!e)
		e = ledger_append(n, &entry, &done);
	if (!e)
		e = append_accepted(n, p, &old);
	if (e)
		return err_trace(e);
	log_line(LOG_NOTICE, "the new epoch of a peer is accepted peer=%s origin=%s before=%s",
		 p->row.agency.text, origin.text, old.origin);
	return ERR_OK;
}

/* --- EPOCH --- */

/* head[k] of our chain to it in an earlier ledger of ours. ERR_NOT_FOUND: that much is lost here.
 */
static enum err old_head_at(struct node *n, const struct peer *p, uint64_t epoch, uint64_t k,
			    struct digest *ret)
{
	struct recovered_row back;
	struct entry_row row;
	struct chain_head at;
	struct entry entry;
	struct digest leaf;
	enum err e = entry_get_k(n->store, epoch, p->row.id, k, &row);

	if (!e) {
		leaf = row.leaf;
		e = entry_decode(row.entry, &entry);
	} else if (e == ERR_NOT_FOUND) {
		e = recovered_get(n->store, p->row.id, epoch, k, &back);
		if (e)
			return err_trace(e);
		leaf = back.leaf;
		e = entry_decode(back.entry, &entry);
	}
	if (e)
		return err_trace(e);
	at = (struct chain_head){.k = k - 1, .head = entry.prev_head};
	*ret = chain_next(&at, &leaf).head;
	return ERR_OK;
}

/* How far it had come in our chain, as it says. While it has not accepted our own new ledger, that
 * is the chain of the one before: from there on what we wrote is written again. */
static enum err judge_cursor(struct taking *t, const struct pb_epoch *m, const char **ret_kind)
{
	struct recovery_row *r = &t->p->recovery;
	const bool is_old = r->state != RECOVERY_NONE;
	struct chain_head start;
	struct epoch_row ours;
	struct digest head = {{0}};
	enum err e = ERR_OK;

	if (m->received_k == 0 && is_old) {
		e = epoch_get(t->n->store, 0, r->open_epoch, &ours);
		if (e)
			return err_trace(e);
		start = chain_start(ours.origin, &t->p->row.agency);
		head = start.head;
	} else if (m->received_k && is_old) {
		e = old_head_at(t->n, t->p, r->open_epoch, m->received_k, &head);
	} else if (m->received_k && m->received_k <= t->p->row.sent_k) {
		e = ledger_head_at(t->n, t->p, m->received_k, &head);
	} else {
		return ERR_OK;
	}
	if (e)
		return e == ERR_NOT_FOUND ? ERR_OK : err_trace(e);
	if (m->received_k && !view_eq(view_digest(&head), message_bytes(1, m->received_head))) {
		*ret_kind = "EPOCH names another chain of ours than the one written";
		return ERR_OK;
	}
	if (is_old && r->open_epoch == r->from_epoch && m->received_k < r->from_k) {
		r->from_k = m->received_k;
		r->from_head = head;
		t->p->recovery_dirty = true;
	}
	return ERR_OK;
}

/* Does what it says of the old ledger contradict what we hold of it? */
static enum err judge_epoch(struct taking *t, const struct pb_epoch *m, const struct epoch_row *old,
			    const char **ret_kind)
{
	struct received_row row;
	struct digest head;
	enum err e;

	*ret_kind = NULL;
	if (old->size && m->old_size == old->size &&
	    !view_eq(view_digest(&old->root), message_bytes(1, m->old_root)))
		*ret_kind = "EPOCH names another root of the old ledger than its checkpoint";
	if (m->sent_k && m->sent_k <= old->k) {
		e = received_get(t->n->store, t->p->row.id, old->epoch, m->sent_k, &row);
		if (e)
			return err_trace(e);
		head = old->head;
		if (m->sent_k < old->k) {
			struct agency_id addressee;
			uint64_t k;

			e = received_get(t->n->store, t->p->row.id, old->epoch, m->sent_k + 1,
					 &row);
			if (!e)
				e = entry_position(row.entry, &addressee, &k, &head);
			if (e)
				return err_trace(e);
		}
		if (!view_eq(view_digest(&head), message_bytes(1, m->sent_head)))
			*ret_kind = "EPOCH names another chain to us than the one received";
	}
	return judge_cursor(t, m, ret_kind);
}

static bool is_whole(const struct pb_epoch *m)
{
	return m->old_origin && m->has_old_size && m->has_old_root &&
	       m->old_root.len == DIGEST_BYTES && m->has_sent_k && m->has_received_k &&
	       (m->sent_k != 0) == (m->has_sent_head != 0) &&
	       (m->received_k != 0) == (m->has_received_head != 0) &&
	       (!m->has_sent_head || m->sent_head.len == DIGEST_BYTES) &&
	       (!m->has_received_head || m->received_head.len == DIGEST_BYTES);
}

enum err item_take_epoch(struct taking *t, struct session *s)
{
	CLEANUP(message_freep) struct pb_epoch *m = NULL;
	const char *contradicts;
	struct epoch_row old;
	struct origin origin;
	struct peer *p = t->p;
	uint64_t epoch;
	enum err e;

	e = item_body(t, &pb_epoch_desc, &m);
	if (e || t->reason)
		return e;
	if (!is_whole(m) || origin_check(view_str(m->old_origin), &p->row.agency, &origin, &epoch))
		return item_refuse(t, PB(REFUSAL_REASON, INCOMPLETE));
	if (t->entry.k != 1 || epoch >= p->row.epoch)
		return item_refuse(t, PB(REFUSAL_REASON, STATE));
	if (p->row.accepted_epoch != p->row.epoch) { /* the first ledger of it that we know */
		e = append_accepted(t->n, p, NULL);
		if (e)
			return err_trace(e);
	}
	e = epoch_get(t->n->store, p->row.id, epoch, &old);
	if (e == ERR_NOT_FOUND)
		return ERR_OK;
	if (!e)
		e = judge_epoch(t, m, &old, &contradicts);
	if (e || !contradicts)
		return e ? err_trace(e) : ERR_OK;
	/* the entry itself is kept among what was received, with its proof */
	e = peer_stop(t->n, p, contradicts, buf_view(&p->held_note), t->item->entry);
	return e ? err_trace(e) : session_end(t->n, s, PB(BYE_CODE, STOPPED), 0);
}

/* --- giving back --- */

struct given {
	struct pb_held_item item;
	struct buf bytes; /* all that the item borrows, one after the other */
	struct given_openings openings;
};

struct giving {
	struct node *n;
	struct given given[GIVEN_ITEMS_MAX];
	struct pb_held_item *list[GIVEN_ITEMS_MAX];
	size_t n_given;
	size_t n_bytes;
};

static void giving_free(struct giving *g)
{
	for (size_t i = 0; g && i < GIVEN_ITEMS_MAX; i++) {
		if (g->given[i].bytes.n)
			wipe(buf_data(&g->given[i].bytes), g->given[i].bytes.n);
		buf_fini(&g->given[i].bytes);
		given_openings_free(&g->given[i].openings);
	}
	free(g);
}
DEFINE_FREEP(struct giving, giving_free)

/* Where each part of a given item ends. */
struct parts {
	size_t entry, salt, body, proof, note, file;
};

static enum err gather(struct giving *g, const struct received_row *row, struct buf *out,
		       struct parts *ret)
{
	const int64_t checkpoint = row->checkpoint;
	uint8_t blob[STORE_ID_BYTES];
	struct entry entry;
	enum err e;

	memcpy(blob, row->body_blob, sizeof(blob));
	e = buf_put_view(out, row->entry);
	ret->entry = out->n;
	if (!e && row->has_body)
		e = body_load_salted(g->n, blob, out);
	if (e == ERR_NOT_FOUND)
		e = ERR_OK; /* erased */
	ret->salt = out->n - ret->entry < SALT_BYTES ? ret->entry : ret->entry + SALT_BYTES;
	ret->body = ret->salt == ret->entry ? ret->entry : out->n;
	if (!e)
		e = buf_put_view(out, row->proof);
	ret->proof = out->n;
	if (!e)
		e = received_checkpoint_get(g->n->store, checkpoint, out);
	ret->note = out->n;
	if (e)
		return err_trace(e);
	e = entry_decode(row->entry, &entry);
	if (e == ERR_NOMEM)
		return err_trace(e);
	if (e) {
		e = ERR_OK; /* of a newer version, or refused for what it is: given back as it is */
	} else if (entry.kind == PB(ENTRY_KIND, ADOPT)) {
		e = agreement_get(g->n->store, &entry.agreement, out);
		if (e == ERR_NOT_FOUND)
			e = ERR_OK;
	}
	ret->file = out->n;
	return e ? err_trace(e) : ERR_OK;
}

static ProtobufCBinaryData part(struct buf *b, size_t from, size_t to)
{
	return message_borrow(view_of(buf_data(b) + from, to - from));
}

static enum err give(void *ctx, const struct received_row *row)
{
	struct giving *g = ctx;
	struct given *x = &g->given[g->n_given];
	const uint64_t index = row->index;
	struct entry entry;
	struct parts at = {0};
	enum err e;

	if (g->n_given == GIVEN_ITEMS_MAX || g->n_bytes >= GIVEN_BYTES_MAX)
		return ERR_FULL;
	e = gather(g, row, &x->bytes, &at);
	if (e)
		return err_trace(e);
	if (at.body > at.salt &&
	    entry_decode(view_of(buf_data(&x->bytes), at.entry), &entry) == ERR_OK) {
		e = given_openings_load(g->n, (int)entry.kind,
					view_of(buf_data(&x->bytes) + at.salt, at.body - at.salt),
					&x->openings);
		if (e)
			return err_trace(e);
	}
	x->item = (struct pb_held_item)PB_HELD_ITEM_INIT;
	x->item.openings = x->openings.list;
	x->item.n_openings = x->openings.n;
	x->item.has_index = x->item.has_entry = x->item.has_checkpoint = 1;
	x->item.index = index;
	x->item.entry = part(&x->bytes, 0, at.entry);
	x->item.has_body = x->item.has_body_salt = at.salt > at.entry;
	x->item.body_salt = part(&x->bytes, at.entry, at.salt);
	x->item.body = part(&x->bytes, at.salt, at.body);
	x->item.has_proof = at.proof > at.body;
	x->item.proof = part(&x->bytes, at.body, at.proof);
	x->item.checkpoint = part(&x->bytes, at.proof, at.note);
	x->item.has_agreement = at.file > at.note;
	x->item.agreement = part(&x->bytes, at.note, at.file);
	g->list[g->n_given++] = &x->item;
	g->n_bytes += x->bytes.n + x->openings.bytes.n;
	return ERR_OK;
}

enum err epoch_give_back(struct node *n, struct session *s, uint64_t id,
			 const struct pb_ask_entries *ask)
{
	CLEANUP(giving_freep) struct giving *g = calloc(1, sizeof(*g));
	struct pb_frame frame = PB_FRAME_INIT;
	struct pb_answer answer = PB_ANSWER_INIT;
	const int64_t peer = s->peer->row.id;
	struct epoch_row held, next;
	struct origin origin;
	uint64_t epoch;
	enum err e;

	if (!g)
		return err_new(ERR_NOMEM, "what is given back");
	g->n = n;
	answer.has_id = 1;
	answer.id = id;
	frame.answer = &answer;
	if (!ask->origin ||
	    origin_check(view_str(ask->origin), &s->peer->row.agency, &origin, &epoch) ||
	    epoch > HELLO_EPOCH_MAX)
		return output_message(n, OUTPUT_SEND, s->number, &frame);
	e = epoch_get(n->store, peer, epoch, &held);
	if (!e && ask->from_k && ask->from_k <= held.k) {
		e = received_walk(n->store, peer, epoch, ask->from_k - 1, give, g);
		e = e == ERR_FULL ? ERR_OK : e;
	}
	if (!e) {
		answer.has_newest_k = 1;
		answer.newest_k = held.k;
	}
	if (!e || e == ERR_NOT_FOUND)
		e = epoch_next(n->store, peer, epoch, &next);
	if (!e)
		answer.next_origin = next.origin;
	if (e && e != ERR_NOT_FOUND)
		return err_trace(e);
	answer.held = g->list;
	answer.n_held = g->n_given;
	return output_message(n, OUTPUT_SEND, s->number, &frame);
}
