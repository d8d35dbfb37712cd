/* API: the audit log, for this node's auditor. */
#include <string.h>

#include "node/internal.h"

struct audit_walk {
	struct asking *a;
	uint64_t left;
};

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
		buf_consume(&plain, SALT_BYTES);
		e = message_decode(&pb_local_part_desc, buf_view(&plain), MESSAGE_STRICT, ret);
	}
	buf_fini(&plain);
	return e ? err_trace(e) : ERR_OK;
}

static enum err send_entry(void *ctx, const struct entry_row *row)
{
	struct audit_walk *w = ctx;
	struct asking *a = w->a;
	struct pb_api_reply reply = PB_API_REPLY_INIT;
	struct pb_audit_row m = PB_AUDIT_ROW_INIT;
	CLEANUP(message_freep) struct pb_local_part *local = NULL;
	struct entry entry;
	enum err e;

	if (w->left-- == 0)
		return ERR_FULL;
	e = entry_decode(row->entry, &entry);
	if (!e)
		e = load_local(a->n, row, &local);
	if (e)
		return err_trace(e);
	m.has_id = m.has_time_us = m.has_kind = m.has_leaf = 1;
	m.id = row->index;
	m.time_us = entry.time_us;
	m.kind = entry.kind;
	m.leaf = message_borrow(view_digest(&row->leaf));
	if (entry.k) {
		m.peer = entry.addressee.text;
		m.has_k = 1;
		m.k = entry.k;
	}
	m.has_purpose = entry.purpose != 0;
	if (entry.purpose)
		m.purpose = (Amparo__V1__Purpose)entry.purpose;
	m.has_answers = entry.has_answers;
	m.answers = message_borrow(view_digest(&entry.answers));
	m.local = local;
	reply.audit = &m;
	return reply_row(a->n, a->caller->id, a->id, &reply, true);
}

enum err request_audit_list(struct asking *a)
{
	const struct pb_audit_list *ask = a->m->audit_list;
	struct audit_walk w = {.a = a,
			       .left = ask->has_limit && ask->limit ? ask->limit : UINT64_MAX};
	const uint64_t from = ask->has_from_index ? ask->from_index : 0;
	enum err e = ERR_OK;

	if (from < a->n->tree.size)
		e = entry_walk(a->n->store, a->n->epoch, from, send_entry, &w);
	if (e && e != ERR_FULL)
		return err_trace(e);
	return reply_end(a->n, a->caller->id, a->id);
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
