#include "node/peer_watch.h"

/* All but what takes a search: a row may go out every turn. */
static enum err send_row(struct node *n, const struct peer_watch *w)
{
	struct pb_api_reply reply = PB_API_REPLY_INIT;
	struct pb_peer_row m = PB_PEER_ROW_INIT;
	struct peer *p = w->peer;

	m.id = p->row.agency.text;
	m.name = message_borrow_text(agency_id_name(&p->row.agency));
	m.state = message_borrow_text(w->state);
	m.has_sent_k = m.has_delivered_k = m.has_received_k = m.has_n_refused = 1;
	m.has_n_waiting = 1;
	m.sent_k = p->row.sent_k;
	m.delivered_k = p->row.delivered_k;
	m.received_k = p->row.received_k;
	m.n_refused = p->row.n_refused;
	m.n_waiting = peer_n_waiting(p);
	reply.peer = &m;
	return reply_row(n, w->caller, w->request, &reply, true);
}

enum err peer_watches_tell(struct node *n)
{
	for (size_t i = 0; i < PEER_WATCHES_MAX; i++) {
		struct peer_watch *w = &n->watch[i];
		const struct peer_row *row;
		const char *state;
		enum err e;

		if (!w->peer)
			continue;
		row = &w->peer->row;
		state = peer_state(w->peer);
		if (w->state == state && w->delivered_k == row->delivered_k &&
		    w->received_k == row->received_k && w->n_refused == row->n_refused)
			continue;
		w->state = state;
		w->delivered_k = row->delivered_k;
		w->received_k = row->received_k;
		w->n_refused = row->n_refused;
		e = send_row(n, w);
		if (e)
			return err_trace(e);
	}
	return ERR_OK;
}

void peer_watches_forget(struct node *n, uint64_t caller)
{
	for (size_t i = 0; i < PEER_WATCHES_MAX; i++)
		if (!caller || n->watch[i].caller == caller)
			n->watch[i] = (struct peer_watch){.peer = NULL};
}

enum err request_peer_watch(struct asking *a)
{
	const struct pb_peer_watch *ask = a->m->peer_watch;
	struct peer *p = ask->peer ? peer_by_name(a->n, ask->peer) : NULL;
	struct peer_watch *w = NULL;

	if (!p)
		return reply_error(
			a->n, a->caller->id, a->id, PB(API_ERROR_CODE, DATA),
			"no peer of this name, or more than one: see `amparo peer list`");
	for (size_t i = 0; i < PEER_WATCHES_MAX && !w; i++)
		if (!a->n->watch[i].peer)
			w = &a->n->watch[i];
	if (!w)
		return reply_error(a->n, a->caller->id, a->id, PB(API_ERROR_CODE, TEMPORARY),
				   "%d watches are under way: end one", PEER_WATCHES_MAX);
	/* No state is NULL: the first row goes out at the end of this turn. */
	*w = (struct peer_watch){.caller = a->caller->id, .request = a->id, .peer = p};
	return ERR_OK;
}
