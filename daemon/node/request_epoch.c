/* API: what an operator decides when something is held back: epochs, a stopped link, the clock. */
#include "base/log.h"
#include "node/epoch.h"
#include "node/hold.h"

static bool is_given(const char *text)
{
	return text && text[0];
}

enum err request_ledger_new_epoch(struct asking *a)
{
	const char *reason = a->m->ledger_new_epoch->reason;
	enum err e;

	if (!is_given(reason))
		return reply_error(a->n, a->caller->id, a->id, PB(API_ERROR_CODE, USAGE),
				   "a new epoch needs a reason, which is logged: --reason TEXT");
	e = epoch_start(a->n, a->caller, reason);
	return e ? reply_failed(a->n, a->caller->id, a->id, e) : request_node_status(a);
}

enum err request_clock_confirm(struct asking *a)
{
	const char *reason = a->m->clock_confirm->reason;
	enum err e;

	if (!is_given(reason))
		return reply_error(a->n, a->caller->id, a->id, PB(API_ERROR_CODE, USAGE),
				   "this needs a reason, which is logged: --reason TEXT");
	if (!a->n->clock_doubt)
		return reply_error(a->n, a->caller->id, a->id, PB(API_ERROR_CODE, DATA),
				   "nobody doubts the clock: there is nothing to confirm");
	e = clock_confirm(a->n, a->caller, reason);
	return e ? reply_failed(a->n, a->caller->id, a->id, e) : request_node_status(a);
}

/* NULL: answered already. */
static enum err find_peer(struct asking *a, const char *name, const char *reason, struct peer **ret)
{
	*ret = is_given(name) ? peer_by_name(a->n, name) : NULL;
	if (!*ret)
		return reply_error(
			a->n, a->caller->id, a->id, PB(API_ERROR_CODE, DATA),
			"no peer of this name, or more than one: see `amparo peer list`");
	if (is_given(reason))
		return ERR_OK;
	*ret = NULL;
	return reply_error(a->n, a->caller->id, a->id, PB(API_ERROR_CODE, USAGE),
			   "this needs a reason, which is logged: --reason TEXT");
}

enum err request_peer_accept_epoch(struct asking *a)
{
	const struct pb_peer_accept_epoch *ask = a->m->peer_accept_epoch;
	struct peer *p;
	enum err e = find_peer(a, ask->peer, ask->reason, &p);

	if (e || !p)
		return e;
	e = epoch_accept(a->n, p, a->caller, ask->reason);
	return e ? reply_failed(a->n, a->caller->id, a->id, e) : reply_peer(a, p, false);
}

enum err request_peer_resume(struct asking *a)
{
	const struct pb_peer_resume *ask = a->m->peer_resume;
	struct append entry = {.kind = PB(ENTRY_KIND, CONFIG),
			       .caller = a->caller,
			       .reason = ask->reason,
			       .detail = "incident acknowledged: the link goes on"};
	struct appended done;
	struct peer *p;
	enum err e = find_peer(a, ask->peer, ask->reason, &p);

	if (e || !p)
		return e;
	if (!p->row.stopped)
		return reply_error(a->n, a->caller->id, a->id, PB(API_ERROR_CODE, DATA),
				   "this link is not stopped");
	e = ledger_append(a->n, &entry, &done);
	if (e)
		return reply_failed(a->n, a->caller->id, a->id, e);
	p->row.stopped = false;
	p->row.last_error[0] = '\0';
	p->dirty = true;
	peer_dial_now(a->n, p);
	log_line(LOG_NOTICE, "an incident is acknowledged, the link goes on peer=%s",
		 p->row.agency.text);
	return reply_peer(a, p, false);
}
