/* API: the history of a referral, as one reply can hold it whatever a peer has written. */
#include <stdlib.h>
#include <string.h>

#include "node/internal.h"

/* A reply is a frame of at most 1 MiB, of which terms and record take half. */
#define HISTORY_MAX 200
#define REASON_MAX 2000

/* A long reason is cut after a whole character. */
static enum err load_reason(struct node *n, const struct status_row *row, struct buf *out)
{
	enum err e = blob_load(n, BLOB_REASON, row->reason_blob, out);

	if (e == ERR_NOT_FOUND)
		return ERR_OK; /* erased */
	if (e)
		return err_trace(e);
	if (out->n > REASON_MAX) {
		out->n = REASON_MAX;
		while (out->n && (buf_data(out)[out->n] & 0xc0) == 0x80)
			out->n--;
	}
	return buf_put_u8(out, 0);
}

/* The newest rows, as a ring. */
struct newest {
	struct status_row row[HISTORY_MAX];
	size_t n; /* rows seen */
};

static enum err keep_row(void *ctx, const struct status_row *row)
{
	struct newest *newest = ctx;

	newest->row[newest->n++ % HISTORY_MAX] = *row;
	return ERR_OK;
}

static enum err fill_status(struct node *n, const struct status_row *row, const struct peer *p,
			    struct buf *reason, struct pb_status_record *m)
{
	enum err e;

	*m = (struct pb_status_record)PB_STATUS_RECORD_INIT;
	m->has_time_us = 1;
	m->time_us = row->time_us;
	m->by = message_borrow_text(row->is_incoming && p ? p->row.agency.text : n->agency.text);
	m->has_state = row->state != 0;
	if (row->state)
		m->state = (Amparo__V1__ReferralState)row->state;
	m->has_opened = row->opened;
	m->opened = row->opened;
	m->has_refused = row->refused != 0;
	if (row->refused)
		m->refused = (Amparo__V1__RefusalReason)row->refused;
	if (!row->has_reason)
		return ERR_OK;
	e = load_reason(n, row, reason);
	if (!e && reason->n)
		m->reason = (char *)buf_data(reason);
	return e ? err_trace(e) : ERR_OK;
}

enum err history_load(struct node *n, const struct referral_row *r, struct history *ret)
{
	CLEANUP(freep) struct newest *newest = calloc(1, sizeof(*newest));
	size_t first;
	enum err e;

	ret->record = calloc(HISTORY_MAX, sizeof(*ret->record));
	ret->reason = calloc(HISTORY_MAX, sizeof(*ret->reason));
	ret->list = calloc(HISTORY_MAX, sizeof(struct pb_status_record *));
	if (!newest || !ret->record || !ret->reason || !ret->list)
		return err_new(ERR_NOMEM, "history");
	e = status_walk(n->store, r->num, keep_row, newest);
	if (e)
		return err_trace(e);
	first = newest->n > HISTORY_MAX ? newest->n - HISTORY_MAX : 0;
	ret->n_record = newest->n - first;
	for (size_t i = 0; !e && i < ret->n_record; i++) {
		ret->list[i] = &ret->record[i];
		e = fill_status(n, &newest->row[(first + i) % HISTORY_MAX], peer_by_row(n, r->peer),
				&ret->reason[i], &ret->record[i]);
	}
	return e ? err_trace(e) : ERR_OK;
}

void history_fini(struct history *h)
{
	for (size_t i = 0; i < h->n_record; i++)
		buf_fini(&h->reason[i]);
	free(h->reason);
	free(h->record);
	free(h->list);
}
