#include "node/split.h"

#include <string.h>

#include "base/log.h"
#include "store/noted_table.h"

static bool share_agreement(const struct node *n, const struct peer *a, const struct peer *b)
{
	for (const struct cached_agreement *c = n->agreements; c; c = c->next)
		if (agreement_has_party(c->agreement, &a->row.agency) &&
		    agreement_has_party(c->agreement, &b->row.agency))
			return true;
	return false;
}

size_t split_tell(struct node *n, const struct peer *to, struct view ret[HELLO_SEEN_MAX])
{
	size_t count = 0, n_bytes = 0;

	for (size_t i = 0; i < n->n_peer && count < HELLO_SEEN_MAX; i++) {
		const struct peer *other = &n->peer[i];

		/* a peer that pads its notes with signatures must not make our Hello too long */
		if (other == to || !other->held_note.n ||
		    n_bytes + other->held_note.n > HELLO_SEEN_BYTES_MAX)
			continue;
		if (share_agreement(n, to, other)) {
			ret[count++] = buf_view(&other->held_note);
			n_bytes += other->held_note.n;
		}
	}
	return count;
}

/* --- what is noted --- */

struct counts {
	uint64_t n, n_alarmed;
};

static enum err count_one(void *ctx, const struct noted_row *row)
{
	struct counts *c = ctx;

	c->n++;
	c->n_alarmed += row->n_asked >= UNPROVEN_SESSIONS;
	return ERR_OK;
}

enum err split_count(struct node *n, struct peer *p, uint64_t *ret_alarmed)
{
	struct counts c = {.n = 0};
	enum err e = noted_walk(n->store, p->row.id, p->row.epoch, count_one, &c);

	if (e)
		return err_trace(e);
	p->n_unproven = c.n;
	if (ret_alarmed)
		*ret_alarmed = c.n_alarmed;
	return ERR_OK;
}

/* What one teller said of one agency. */
struct told {
	size_t n_unproven;
	struct noted_row greatest; /* of these; its note is not to be read */
	uint64_t settled_below;
	int64_t settled[NOTED_PAIR_MAX + 1]; /* of smaller size than that */
	size_t n_settled;
};

static enum err look_told(void *ctx, const struct noted_row *row)
{
	struct told *t = ctx;

	if (!row->is_settled) {
		t->n_unproven++;
		t->greatest = *row;
	} else if (row->size < t->settled_below && t->n_settled < ARRAY_LEN(t->settled)) {
		t->settled[t->n_settled++] = row->id;
	}
	return ERR_OK;
}

/* Make room for one more; *ret_asked is how often the one was asked for that it displaces. */
static enum err make_room(struct node *n, const struct noted_row *row, bool *ret_ok,
			  uint64_t *ret_asked)
{
	struct told t = {.n_unproven = 0};
	uint64_t n_told = 0;
	enum err e;

	*ret_ok = true;
	*ret_asked = 0;
	e = noted_walk_told(n->store, row->teller, row->peer, row->epoch, look_told, &t);
	if (!e && t.n_unproven < NOTED_PAIR_MAX) {
		e = noted_count_told(n->store, row->teller, &n_told);
		*ret_ok = n_told < NOTED_TELLER_MAX;
		return e ? err_trace(e) : ERR_OK;
	}
	if (e || row->size < t.greatest.size) {
		*ret_ok = false;
		return e ? err_trace(e) : ERR_OK;
	}
	*ret_asked = t.greatest.n_asked;
	return noted_delete(n->store, t.greatest.id);
}

static enum err keep(struct node *n, struct peer *p, const struct peer *teller,
		     const struct checkpoint *c, struct view note)
{
	struct noted_row row = {
		.peer = p->row.id,
		.epoch = p->row.epoch,
		.size = c->size,
		.root = c->root,
		.teller = teller->row.id,
		.time_us = ledger_time_us(n),
		.note = note,
	};
	bool has_room;
	enum err e;

	if (n->hold || n->room == ROOM_LAST || p == teller || !share_agreement(n, p, teller))
		return ERR_OK;
	e = node_write(n);
	if (!e)
		e = make_room(n, &row, &has_room, &row.n_asked);
	if (e || !has_room)
		return e ? err_trace(e) : ERR_OK;
	e = noted_put(n->store, &row);
	return e ? err_trace(e) : split_count(n, p, NULL);
}

/* Nothing more is asked of it. Of what is settled the newest is kept, so that it is known again. */
static enum err settle(struct node *n, struct peer *p, const struct asked_size *a)
{
	struct told t = {.settled_below = a->size};
	enum err e = node_write(n);

	if (!e)
		e = noted_set(n->store, a->id, a->n_asked, true);
	if (!e)
		e = noted_walk_told(n->store, a->teller, p->row.id, p->row.epoch, look_told, &t);
	for (size_t i = 0; !e && i < t.n_settled; i++)
		e = noted_delete(n->store, t.settled[i]);
	return e ? err_trace(e) : split_count(n, p, NULL);
}

/* --- what a Hello tells --- */

static enum err stop(struct node *n, struct peer *p, const char *kind, struct view a, struct view b)
{
	enum err e = peer_stop(n, p, kind, a, b);

	if (!e && p->live)
		e = session_end(n, p->live, PB(BYE_CODE, STOPPED), 0);
	return e ? err_trace(e) : ERR_OK;
}

static enum err hear_one(struct node *n, const struct peer *teller, struct view note)
{
	struct checkpoint told;
	struct noted_row row;
	struct peer *p = NULL;
	bool is_held, is_noted = false;
	enum err e;

	if (checkpoint_read(note, NULL, NULL, &told))
		return ERR_OK; /* unsigned claims change nothing */
	for (size_t j = 0; j < n->n_peer && !p; j++)
		if (n->peer[j].row.pinned && strcmp(n->peer[j].row.origin, told.origin.text) == 0)
			p = &n->peer[j];
	if (!p || p->row.stopped || told.size == 0)
		return ERR_OK;
	is_held = p->row.held_checkpoint && p->row.held_size == told.size;
	if (!is_held) {
		e = noted_get(n->store, p->row.id, p->row.epoch, told.size, &row);
		if (e && e != ERR_NOT_FOUND)
			return err_trace(e);
		is_noted = !e;
	}
	if ((is_held && digest_eq(&told.root, &p->row.held_root)) ||
	    (is_noted && digest_eq(&told.root, &row.root)) ||
	    checkpoint_read(note, p->row.origin, p->key, &told))
		return ERR_OK;
	if (is_held)
		return stop(n, p, "split view seen by a third agency", buf_view(&p->held_note),
			    note);
	if (is_noted)
		return stop(n, p, "split view seen by two other agencies", row.note, note);
	return keep(n, p, teller, &told, note);
}

enum err split_hear(struct node *n, struct peer *teller, const struct pb_hello *m)
{
	for (size_t i = 0; i < m->n_seen; i++) {
		enum err e = hear_one(n, teller, message_bytes(1, m->seen[i]));

		if (e)
			return err_trace(e);
	}
	return ERR_OK;
}

/* --- asking --- */

static enum err choose(void *ctx, const struct noted_row *row)
{
	struct session *s = ctx;

	s->asked[s->n_asked++] = (struct asked_size){
		.id = row->id,
		.size = row->size,
		.root = row->root,
		.teller = row->teller,
		.n_asked = row->n_asked,
	};
	return s->n_asked == ARRAY_LEN(s->asked) ? ERR_FULL : ERR_OK;
}

enum err split_ask(struct node *n, struct session *s, uint64_t ret_size[HELLO_PROVE_MAX],
		   size_t *ret_n)
{
	enum err e;

	*ret_n = 0;
	if (!s->peer->n_unproven)
		return ERR_OK;
	s->asked_epoch = s->peer->row.epoch;
	e = noted_walk(n->store, s->peer->row.id, s->asked_epoch, choose, s);
	if (e && e != ERR_FULL)
		return err_trace(e);
	for (size_t i = 0; i < s->n_asked; i++)
		ret_size[i] = s->asked[i].size;
	*ret_n = s->n_asked;
	return ERR_OK;
}

static void alarm(struct node *n, const struct peer *p, const struct asked_size *a)
{
	const struct peer *teller = peer_by_row(n, a->teller);

	log_line(LOG_ERR,
		 "a peer does not prove a checkpoint that it signed and another one holds: it may "
		 "show them another ledger, or has lost a part of it; ask both agencies peer=%s "
		 "size=%llu told_by=%s",
		 p->row.agency.text, (unsigned long long)a->size,
		 teller ? teller->row.agency.text : "-");
}

/* Once more without an answer, or for good. */
static enum err count_asked(struct node *n, struct session *s, uint64_t n_least)
{
	enum err e = node_write(n);

	for (size_t i = 0; !e && i < s->n_asked; i++) {
		struct asked_size *a = &s->asked[i];
		const bool was_alarmed = a->n_asked >= UNPROVEN_SESSIONS;

		if (a->is_settled)
			continue;
		a->n_asked = a->n_asked + 1 < n_least ? n_least : a->n_asked + 1;
		e = noted_set(n->store, a->id, a->n_asked, false);
		if (!e && !was_alarmed && a->n_asked >= UNPROVEN_SESSIONS)
			alarm(n, s->peer, a);
	}
	return e ? err_trace(e) : ERR_OK;
}

enum err split_asked(struct node *n, struct session *s)
{
	if (s->is_asked || !s->n_asked || !s->hello_sent || !s->hello_seen || n->hold)
		return ERR_OK;
	s->is_asked = true;
	return count_asked(n, s, 0);
}

enum err split_tick(struct node *n, struct session *s, uint64_t now_ms)
{
	if (!s->is_asked || s->is_overdue || s->closing || n->hold ||
	    s->asked_epoch != s->peer->row.epoch || now_ms - s->opened_ms < UNPROVEN_MS)
		return ERR_OK;
	s->is_overdue = true;
	return count_asked(n, s, UNPROVEN_SESSIONS);
}

/* --- what comes back --- */

/* The batch's checkpoint against one that was noted at the same size. */
static enum err judge_equal(struct node *n, struct session *s, const struct batch *b)
{
	struct peer *p = s->peer;
	struct asked_size a = {.size = b->checkpoint.size};
	struct noted_row row;
	enum err e = noted_get(n->store, p->row.id, p->row.epoch, a.size, &row);

	if (e || row.is_settled)
		return e == ERR_NOT_FOUND || !e ? ERR_OK : err_trace(e);
	a.id = row.id;
	a.teller = row.teller;
	a.n_asked = row.n_asked;
	if (!digest_eq(&row.root, &b->checkpoint.root)) {
		e = peer_stop(n, p, "split view: another root than a third agency holds", row.note,
			      b->note);
		if (!e)
			e = session_end(n, s, PB(BYE_CODE, STOPPED), 0);
	}
	return e ? err_trace(e) : settle(n, p, &a);
}

/* Its ledger has another root at a size where it signed this one: both halves are kept. */
static enum err is_split(struct node *n, struct session *s, const struct asked_size *a,
			 const struct batch *b, const struct proof *proof)
{
	CLEANUP(buf_fini) struct buf half = {0};
	struct noted_row row;
	enum err e = noted_get(n->store, s->peer->row.id, s->asked_epoch, a->size, &row);

	if (e == ERR_NOT_FOUND || (!e && row.id != a->id))
		return ERR_OK; /* displaced meanwhile, by what the same peer told later */
	if (!e)
		e = evidence_prefix_text(a->size, proof, b->note, &half);
	if (!e)
		e = peer_stop(n, s->peer,
			      "split view: its ledger has another past than a third "
			      "agency holds",
			      row.note, buf_view(&half));
	if (!e)
		e = session_end(n, s, PB(BYE_CODE, STOPPED), 0);
	return e ? err_trace(e) : ERR_OK;
}

static enum err judge_asked(struct node *n, struct session *s, const struct pb_batch *m,
			    const struct batch *b, struct asked_size *a)
{
	struct proof proof;
	enum err e = ERR_OK;

	switch (batch_prefix(m, &b->checkpoint, a->size, &a->root, &proof)) {
	case PREFIX_ABSENT:
		return ERR_OK;
	case PREFIX_FAULT:
		return session_fault(n, s, PB(BYE_CODE, PROTOCOL),
				     "proof of an older size is not acceptable");
	case PREFIX_SPLIT:
		e = is_split(n, s, a, b, &proof);
		break;
	case PREFIX_PROVEN:
		break;
	}
	if (e)
		return err_trace(e);
	a->is_settled = true;
	return settle(n, s->peer, a);
}

enum err split_judge(struct node *n, struct session *s, const struct pb_batch *m,
		     const struct batch *b)
{
	struct peer *p = s->peer;
	enum err e;

	if (!p->n_unproven)
		return ERR_OK;
	e = judge_equal(n, s, b);
	if (s->asked_epoch != p->row.epoch)
		return e ? err_trace(e) : ERR_OK;
	for (size_t i = 0; !e && !s->closing && i < s->n_asked; i++)
		if (!s->asked[i].is_settled)
			e = judge_asked(n, s, m, b, &s->asked[i]);
	return e ? err_trace(e) : ERR_OK;
}
