/* Our own new epoch: the ledger that was rolled back is closed, and another begins. */
#include "node/epoch.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "node/hold.h"

static enum err close_old(struct node *n)
{
	struct epoch_row row = {
		.epoch = n->epoch,
		.size = n->signed_size,
		.root = tree_root(&n->tree),
		.time_us = ledger_time_us(n),
	};

	memcpy(row.origin, n->origin.text, sizeof(n->origin.text));
	(void)snprintf(row.why, sizeof(row.why), "%s", n->lost);
	return epoch_put(n->store, &row);
}

/* From where on the peer is asked for what it holds: it receipted all before. With a peer that this
 * database does not know, there may have been exchanges from the first of our epochs on. */
static enum err begin_recovery(struct node *n, struct peer *p)
{
	struct recovery_row *r = &p->recovery;
	struct chain_head start;
	struct epoch_row first;
	enum err e;

	if (r->state != RECOVERY_NONE) { /* the one before never came to its end */
		r->at_epoch = r->from_epoch;
		r->at_k = r->from_k;
		r->at_head = r->from_head;
	} else if (p->row.pinned) {
		r->from_epoch = r->at_epoch = n->epoch;
		r->from_k = r->at_k = p->row.delivered_k;
		e = ledger_head_at(n, p, p->row.delivered_k, &r->from_head);
		if (e)
			return err_trace(e);
		r->at_head = r->from_head;
	} else {
		e = epoch_next(n->store, 0, 0, &first);
		if (e)
			return err_trace(e);
		start = chain_start(first.origin, &p->row.agency);
		r->from_epoch = r->at_epoch = first.epoch;
		r->from_k = r->at_k = 0;
		r->from_head = r->at_head = start.head;
	}
	r->open_epoch = r->from_epoch;
	r->state = RECOVERY_FETCHING;
	p->recovery_dirty = true;
	return ERR_OK;
}

static void restart_chain(struct node *n, struct peer *p)
{
	struct chain_head start = chain_start(n->origin.text, &p->row.agency);

	p->row.sent_k = p->row.content_k = p->row.urgent_k = p->row.delivered_k = 0;
	p->committed_k = 0;
	p->row.sent_head = start.head;
	p->idle_k = 0;
	p->row.receipted_k = 0;
	p->dirty = true;
}

/* EPOCH, and receipts of the new ledger for all that was received: those of the old one count no
 * more, and nobody knows which of them the peer has. */
static enum err introduce(struct node *n, struct peer *p)
{
	struct append entry = {.kind = PB(ENTRY_KIND, EPOCH), .peer = p, .is_recovery = true};
	struct pb_epoch m = PB_EPOCH_INIT;
	struct checkpoint rests_on = {.size = p->row.held_size, .root = p->row.held_root};
	struct appended done;
	struct epoch_row old;
	struct buf body = {0};
	enum err e = epoch_get(n->store, 0, p->recovery.from_epoch, &old);

	if (e)
		return err_trace(e);
	m.old_origin = old.origin;
	m.has_old_size = m.has_old_root = m.has_sent_k = m.has_received_k = 1;
	m.old_size = old.size;
	m.old_root = message_borrow(view_digest(&old.root));
	m.sent_k = p->recovery.from_k;
	m.has_sent_head = m.sent_k != 0;
	m.sent_head = message_borrow(view_digest(&p->recovery.from_head));
	m.received_k = p->row.received_k;
	m.has_received_head = m.received_k != 0;
	m.received_head = message_borrow(view_digest(&p->row.received_head));
	e = message_encode(&m, &body);
	entry.body = buf_view(&body);
	if (!e)
		e = ledger_append(n, &entry, &done);
	buf_fini(&body);
	if (e || p->row.received_k == 0)
		return e ? err_trace(e) : ERR_OK;
	memcpy(rests_on.origin.text, p->row.origin, sizeof(rests_on.origin.text));
	return inbox_receipts(n, p, &rests_on);
}

/* Greater than any epoch of ours that anything names. */
static uint64_t choose_epoch(const struct node *n)
{
	const uint64_t now = n->port.utc_us(n->port.ctx) / 1000000;
	const uint64_t seen = n->epoch_seen > n->epoch ? n->epoch_seen : n->epoch;

	return now > seen ? now : seen + 1;
}

static enum err begin_new(struct node *n, const struct node_caller *caller, const char *reason)
{
	struct append start = {.kind = PB(ENTRY_KIND, START),
			       .caller = caller,
			       .reason = reason,
			       .detail = "new epoch: the ledger before this one was rolled back"};
	struct appended done;
	enum err e;

	n->epoch = choose_epoch(n);
	origin_make(&n->origin, &n->agency, n->epoch);
	n->signed_size = 0;
	memset(n->roots, 0, sizeof(n->roots));
	/* last-signed gets the new checkpoint alone: were the old one kept beside it, a crash
	 * before the commit would pass for an ordinary one, and the node would serve the old ledger
	 */
	buf_clear(&n->note);
	hold_lost_is_over(n);
	n->has_past = true;
	e = tree_load(&n->tree, n->store, n->epoch, 0);
	if (!e)
		e = store_meta_put(n->store, "origin", view_str(n->origin.text));
	return e ? err_trace(e) : ledger_append(n, &start, &done);
}

static enum err end_sessions(struct node *n)
{
	for (struct session *s = n->session; s; s = s->next) {
		enum err e = session_end(n, s, PB(BYE_CODE, DONE), 0);

		if (e)
			return err_trace(e);
	}
	return ERR_OK;
}

enum err epoch_start(struct node *n, const struct node_caller *caller, const char *reason)
{
	char old[ORIGIN_MAX + 1];
	enum err e;

	if (!n->lost)
		return err_new(ERR_STATE,
			       n->hold ? "a new epoch does not help here: see `amparo status`"
				       : "the ledger is whole and serving: a new epoch is for one "
					 "that was rolled back");
	if (n->clock_doubt) /* its number and all its times come from the clock */
		return err_new(ERR_STATE, "first the clock: %s", n->clock_doubt);
	memcpy(old, n->origin.text, sizeof(old));
	e = node_write(n);
	if (!e)
		e = ledger_sign(n); /* of this very turn, before a Hello made it hold */
	if (!e)
		e = close_old(n);
	for (size_t i = 0; !e && i < n->n_peer; i++)
		e = begin_recovery(n, &n->peer[i]);
	if (!e)
		e = end_sessions(n);
	if (!e)
		e = begin_new(n, caller, reason);
	for (size_t i = 0; !e && i < n->n_peer; i++) {
		restart_chain(n, &n->peer[i]);
		peer_dial_now(n, &n->peer[i]);
		e = introduce(n, &n->peer[i]);
	}
	if (e)
		return err_trace(e);
	turn_ends(n); /* a Hello needs the checkpoint of this ledger */
	log_line(LOG_NOTICE,
		 "a new epoch of the ledger began: each peer's operator must accept it, after "
		 "asking "
		 "you origin=%s before=%s",
		 n->origin.text, old);
	return ERR_OK;
}

enum err epoch_introduce(struct node *n)
{
	if (!n->has_past || n->hold)
		return ERR_OK;
	for (size_t i = 0; i < n->n_peer; i++) {
		struct peer *p = &n->peer[i];
		enum err e;

		if (p->row.sent_k != 0)
			continue;
		e = begin_recovery(n, p);
		if (!e)
			e = introduce(n, p);
		if (e)
			return err_trace(e);
	}
	return ERR_OK;
}
