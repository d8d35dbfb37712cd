/* API: records. */
#include <stdlib.h>
#include <string.h>

#include "node/internal.h"
#include "node/limits.h"
#include "node/page.h"
#include "record/manifest.h"

static enum err fill_row(struct node *n, const struct record_row *row, struct pb_record_row *m,
			 struct buf *label)
{
	enum err e = blob_load(n, BLOB_LABEL, row->label_blob, label);

	if (!e)
		e = buf_put_u8(label, 0);
	if (e && e != ERR_NOT_FOUND)
		return err_trace(e);
	*m = (struct pb_record_row)PB_RECORD_ROW_INIT;
	m->has_id = m->has_revision = 1;
	m->id = message_borrow(view_of(row->id, sizeof(row->id)));
	m->revision = row->revision;
	m->type = message_borrow_text(record_type_name((enum record_type)row->type));
	m->local_reference = label->n > 1 ? (char *)buf_data(label) : NULL;
	return ERR_OK;
}

static enum err send_row(struct asking *a, const struct record_row *row)
{
	struct pb_api_reply reply = PB_API_REPLY_INIT;
	struct pb_record_row m;
	struct buf label = {0};
	enum err e = fill_row(a->n, row, &m, &label);

	reply.record = &m;
	if (!e)
		e = reply_row(a->n, a->caller->id, a->id, &reply, false);
	buf_fini(&label);
	return e ? err_trace(e) : ERR_OK;
}

enum err request_record_import(struct asking *a)
{
	struct record_row row;
	enum err e = limits_allow(a->n, ROOM_RESERVE);

	if (!e)
		e = own_record_seal(a->n, a->caller, a->m->record_import, &row);

	if (e)
		return reply_failed(a->n, a->caller->id, a->id, e);
	return send_row(a, &row);
}

/* --- list: in the order of first import --- */

enum {
	PART_ALL = 1
};

static enum err list_one(void *ctx, const struct record_row *row)
{
	struct page *p = ctx;
	struct pb_api_reply reply = PB_API_REPLY_INIT;
	struct pb_record_row m;
	struct buf label = {0};
	enum err e;

	if (!page_look(p))
		return ERR_FULL;
	p->next.at = row->num;
	e = fill_row(p->a->n, row, &m, &label);
	reply.record = &m;
	if (!e)
		e = page_row(p, &reply);
	buf_fini(&label);
	return e ? err_trace(e) : ERR_OK;
}

/* For who knows a beginning of an id: two are enough to say that it is none of one record. */
static enum err list_beginning(struct asking *a, struct view begins)
{
	struct page p;
	enum err e;

	(void)page_begin(&p, a, NULL);
	p.left = 2;
	e = record_walk_id(a->n->store, begins, list_one, &p);
	return page_end(&p, e == ERR_FULL ? ERR_OK : e);
}

enum err request_record_list(struct asking *a)
{
	const struct pb_record_list *ask = a->m->record_list;
	struct page p;

	if (ask->has_id_begins && ask->id_begins.len >= 1 &&
	    ask->id_begins.len <= RECORD_ID_BYTES && !ask->page)
		return list_beginning(a, message_bytes(1, ask->id_begins));
	if (ask->has_id_begins || !page_begin(&p, a, ask->page))
		return reply_error(a->n, a->caller->id, a->id, PB(API_ERROR_CODE, USAGE),
				   "the list does not go on so");
	p.next.part = PART_ALL;
	return page_end(&p, record_walk(a->n->store, p.next.at, list_one, &p));
}

enum err request_record_show(struct asking *a)
{
	const struct pb_record_show *ask = a->m->record_show;
	struct pb_api_reply reply = PB_API_REPLY_INIT;
	struct pb_record_content m = PB_RECORD_CONTENT_INIT;
	struct append logged = {
		.kind = PB(ENTRY_KIND, CONSULTED), .caller = a->caller, .reason = ask->reason};
	struct own_record *r;
	struct manifest manifest;
	struct record_row row;
	struct appended done;
	enum err e;

	if (!ask->has_record_id || ask->record_id.len != RECORD_ID_BYTES)
		return reply_error(a->n, a->caller->id, a->id, PB(API_ERROR_CODE, USAGE),
				   "a record id has %d hex digits: see `amparo record list`",
				   2 * RECORD_ID_BYTES);
	if (!ask->reason || !ask->reason[0])
		return reply_error(
			a->n, a->caller->id, a->id, PB(API_ERROR_CODE, USAGE),
			"reading a record needs a reason, which is logged: --reason TEXT");
	e = record_get(a->n->store, ask->record_id.data, &row);
	if (e == ERR_NOT_FOUND)
		return reply_error(a->n, a->caller->id, a->id, PB(API_ERROR_CODE, DATA),
				   "no record has this id: see `amparo record list`");
	if (!e)
		e = own_record_open(a->n, &row.manifest, &r);
	if (!e)
		e = manifest_read(buf_view(&r->manifest), &manifest);
	logged.record_id = row.id;
	logged.revision = row.revision;
	if (!e)
		e = limits_allow(a->n, ROOM_LAST);
	if (!e)
		e = ledger_append(a->n, &logged, &done);
	if (e)
		return reply_failed(a->n, a->caller->id, a->id, e);
	m.has_id = m.has_revision = m.has_sealed_at_us = m.has_manifest_digest = m.has_record = 1;
	m.has_n_disclosed = m.has_n_commitments = 1;
	m.id = message_borrow(view_of(row.id, sizeof(row.id)));
	m.revision = row.revision;
	m.type = message_borrow_text(record_type_name((enum record_type)row.type));
	m.originator = a->n->agency.text;
	m.sealed_at_us = manifest.terms.sealed_at_us;
	m.manifest_digest = message_borrow(view_digest(&row.manifest));
	m.record = message_borrow(buf_view(&r->record));
	m.n_disclosed = (uint32_t)r->slices.n;
	m.n_commitments = (uint32_t)manifest.n;
	reply.record_content = &m;
	return reply_row(a->n, a->caller->id, a->id, &reply, false);
}
