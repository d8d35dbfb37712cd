/* API: the audit log, for this node's auditor. */
#include <string.h>

#include "node/internal.h"
#include "node/page.h"

static enum err load_local(struct node *n, const struct entry_row *row, struct pb_local_part **ret)
{
	struct buf plain = {0};
	enum err e;

	*ret = NULL;
	if (!row->has_local)
		return ERR_OK;
	e = blob_load(n, BLOB_LOCAL, row->local_blob, &plain);
	if (e == ERR_NOT_FOUND) {
		buf_fini(&plain);
		return ERR_OK; /* erased */
	}
	if (!e && plain.n > SALT_BYTES) {
		const struct view all = buf_view(&plain);

		e = message_decode(&pb_local_part_desc,
				   view_of(all.p + SALT_BYTES, all.n - SALT_BYTES), MESSAGE_STRICT,
				   ret);
	}
	if (plain.n)
		wipe(buf_data(&plain), plain.n);
	buf_fini(&plain);
	return e ? err_trace(e) : ERR_OK;
}

/*
 * Of each ledger first what is held here, then what peers gave back of it and is not. next: `at` is
 * the index to look at next; among what was given back, (at, beside) the index and peer looked at
 * last.
 */
enum {
	PART_HELD = 1,
	PART_GIVEN_BACK = 2
};

static enum err send_entry(struct page *p, struct view bytes, const struct digest *leaf,
			   struct pb_audit_row *m)
{
	struct pb_api_reply reply = PB_API_REPLY_INIT;
	struct entry entry;
	enum err e = entry_decode(bytes, &entry);

	if (e)
		return err_trace(e);
	m->has_epoch = m->has_id = m->has_time_us = m->has_kind = m->has_leaf = 1;
	m->time_us = entry.time_us;
	m->kind = entry.kind;
	m->leaf = message_borrow(view_digest(leaf));
	if (entry.k) {
		m->peer = entry.addressee.text;
		m->has_k = 1;
		m->k = entry.k;
	}
	m->has_purpose = entry.purpose != 0;
	if (entry.purpose)
		m->purpose = (Amparo__V1__Purpose)entry.purpose;
	m->has_answers = entry.has_answers;
	m->answers = message_borrow(view_digest(&entry.answers));
	reply.audit = m;
	return page_row(p, &reply);
}

static enum err list_held(void *ctx, const struct entry_row *row)
{
	struct page *p = ctx;
	struct pb_audit_row m = PB_AUDIT_ROW_INIT;
	CLEANUP(message_freep) struct pb_local_part *local = NULL;
	enum err e;

	if (!page_look(p))
		return ERR_FULL;
	p->next.at = row->index + 1;
	e = load_local(p->a->n, row, &local);
	if (e)
		return err_trace(e);
	m.epoch = row->epoch;
	m.id = row->index;
	m.local = local;
	return send_entry(p, row->entry, &row->leaf, &m);
}

static enum err list_given_back(void *ctx, const struct recovered_row *row)
{
	struct page *p = ctx;
	struct pb_audit_row m = PB_AUDIT_ROW_INIT;
	struct entry_row held;
	enum err e;

	if (!page_look(p))
		return ERR_FULL;
	p->next.at = row->index;
	p->next.beside = (uint64_t)row->peer;
	e = entry_get(p->a->n->store, row->epoch, row->index, &held);
	if (!e && digest_eq(&held.leaf, &row->leaf))
		return ERR_OK;
	if (e && e != ERR_NOT_FOUND)
		return err_trace(e);
	m.epoch = row->epoch;
	m.id = row->index;
	m.has_given_back = m.given_back = 1;
	return send_entry(p, row->entry, &row->leaf, &m);
}

/* The ledger after this one; UINT64_MAX: there is none. */
static enum err epoch_after(struct node *n, uint64_t epoch, uint64_t *ret)
{
	struct epoch_row row;
	enum err e = ERR_NOT_FOUND;

	if (epoch < n->epoch)
		e = epoch_next(n->store, 0, epoch, &row);
	if (e && e != ERR_NOT_FOUND)
		return err_trace(e);
	*ret = !e ? row.epoch : epoch < n->epoch ? n->epoch : UINT64_MAX;
	return ERR_OK;
}

/* With which one the list begins. @retval ERR_NOT_FOUND  this node never had the one asked for */
static enum err first_epoch(struct node *n, const struct pb_audit_list *ask, uint64_t *ret)
{
	struct epoch_row row;

	*ret = n->epoch;
	if (ask->has_all_epochs && ask->all_epochs)
		return epoch_after(n, 0, ret);
	if (!ask->has_epoch || ask->epoch == n->epoch)
		return ERR_OK;
	*ret = ask->epoch;
	return ask->epoch <= INT64_MAX ? epoch_get(n->store, 0, ask->epoch, &row) : ERR_NOT_FOUND;
}

static enum err list_epochs(struct page *p, const struct pb_audit_list *ask, uint64_t from)
{
	struct node *n = p->a->n;
	uint64_t epoch = p->next.epoch;
	enum err e = ERR_OK;

	for (;;) {
		if (p->next.part == PART_HELD) {
			e = entry_walk(n->store, epoch, p->next.at, list_held, p);
			if (e)
				return e;
			p->next.part = PART_GIVEN_BACK;
			p->next.at = from;
			p->next.beside = 0;
		}
		e = recovered_walk_index(n->store, epoch, p->next.at, (int64_t)p->next.beside,
					 list_given_back, p);
		if (!e)
			e = epoch_after(n, epoch, &epoch);
		if (e || epoch == UINT64_MAX || !ask->has_all_epochs || !ask->all_epochs)
			return e;
		p->next.part = PART_HELD;
		p->next.at = from;
		p->next.epoch = epoch;
	}
}

enum err request_audit_list(struct asking *a)
{
	const struct pb_audit_list *ask = a->m->audit_list;
	const uint64_t from = !ask->has_from_index	    ? 0
			      : ask->from_index > INT64_MAX ? INT64_MAX
							    : ask->from_index;
	struct page p;
	enum err e = ERR_OK;

	if (!page_begin(&p, a, ask->page))
		return reply_error(a->n, a->caller->id, a->id, PB(API_ERROR_CODE, USAGE),
				   "the list does not go on so");
	if (p.next.part == 0) {
		p.next.part = PART_HELD;
		p.next.at = from;
		e = first_epoch(a->n, ask, &p.next.epoch);
	}
	if (e == ERR_NOT_FOUND)
		return reply_error(a->n, a->caller->id, a->id, PB(API_ERROR_CODE, DATA),
				   "this node never had a ledger of this epoch: `amparo audit list "
				   "--epoch all` shows them all");
	return e ? err_trace(e) : page_end(&p, list_epochs(&p, ask, from));
}

enum err request_audit_verify(struct asking *a)
{
	const struct pb_audit_verify *ask = a->m->audit_verify;
	struct peer *p = NULL;

	if (ask->peer) {
		p = peer_by_name(a->n, ask->peer);
		if (!p)
			return reply_error(
				a->n, a->caller->id, a->id, PB(API_ERROR_CODE, DATA),
				"no peer of this name, or more than one: see `amparo peer "
				"list`");
		if (!p->row.pinned)
			return reply_error(a->n, a->caller->id, a->id, PB(API_ERROR_CODE, DATA),
					   "nothing was ever received from this peer");
	}
	return verify_start(a->n, a->caller, a->id, p);
}

enum err request_audit_reconcile(struct asking *a)
{
	const struct pb_audit_reconcile *ask = a->m->audit_reconcile;

	if (!ask->peer)
		return reply_error(a->n, a->caller->id, a->id, PB(API_ERROR_CODE, USAGE),
				   "which peer?");
	return reconcile_start(a->n, a->caller, a->id, ask->peer);
}
