/* The turn: input, one checkpoint, one commit, output. */
#include "node/node.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "crypto/digest.h"
#include "node/alarms.h"
#include "node/epoch.h"
#include "node/hold.h"
#include "node/internal.h"
#include "node/limits.h"
#include "node/peer_test.h"
#include "node/peer_watch.h"
#include "node/split.h"

/* --- outputs --- */

enum err output_new(struct node *n, enum output_kind kind, uint64_t number, struct output **ret)
{
	struct output *o = calloc(1, sizeof(*o));

	if (!o)
		return err_new(ERR_NOMEM, "output");
	o->kind = kind;
	o->number = number;
	*n->output.end = o;
	n->output.end = &o->next;
	*ret = o;
	return ERR_OK;
}

enum err output_message(struct node *n, enum output_kind kind, uint64_t number, const void *message)
{
	struct output *o;
	enum err e = output_new(n, kind, number, &o);

	if (!e)
		e = message_encode(message, &o->data);
	if (!e && kind == OUTPUT_REPLY)
		n->n_reply_bytes += o->data.n;
	return e ? err_trace(e) : ERR_OK;
}

static void release(struct node *n, struct output *o)
{
	switch (o->kind) {
	case OUTPUT_SEND:
		n->port.send(n->port.ctx, o->number, buf_view(&o->data));
		break;
	case OUTPUT_CLOSE:
		n->port.close(n->port.ctx, o->number);
		break;
	case OUTPUT_DIAL:
		n->port.dial(n->port.ctx, &o->peer->row.agency);
		break;
	case OUTPUT_TEST:
		if (n->port.test)
			n->port.test(n->port.ctx, &o->peer->row.agency);
		else
			n->port.dial(n->port.ctx, &o->peer->row.agency);
		break;
	case OUTPUT_CREDIT:
		n->port.credit(n->port.ctx, o->number, o->n_credit);
		break;
	case OUTPUT_REPLY:
		n->port.reply(n->port.ctx, o->number, buf_view(&o->data));
		break;
	}
}

static void outputs_end(struct node *n, bool do_release)
{
	while (n->output.first) {
		struct output *o = n->output.first;

		n->output.first = o->next;
		if (!n->output.first)
			n->output.end = &n->output.first;
		if (do_release)
			release(n, o);
		if (o->data.n)
			wipe(buf_data(&o->data), o->data.n);
		buf_fini(&o->data);
		free(o);
	}
}

/* --- inputs --- */

static void input_free(struct input *in)
{
	if (in->data)
		wipe(in->data, in->n);
	free(in->data);
	free(in);
}

static struct input_queue *queue_of(struct node *n, enum input_kind kind)
{
	return kind == INPUT_REQUEST ? &n->callers_ask : &n->sessions_say;
}

static enum err input_new(struct node *n, enum input_kind kind, struct view data,
			  struct input **ret)
{
	struct input_queue *queue = queue_of(n, kind);
	struct input *in = calloc(1, sizeof(*in));

	if (!in)
		return err_new(ERR_NOMEM, "input");
	in->kind = kind;
	if (data.n) {
		in->data = malloc(data.n);
		if (!in->data) {
			free(in);
			return err_new(ERR_NOMEM, "input of %zu bytes", data.n);
		}
		memcpy(in->data, data.p, data.n);
		in->n = data.n;
	}
	*queue->end = in;
	queue->end = &in->next;
	*ret = in;
	return ERR_OK;
}

static struct input *input_take(struct input_queue *queue)
{
	struct input *in = queue->first;

	queue->first = in->next;
	if (!queue->first)
		queue->end = &queue->first;
	return in;
}

enum err node_session_opened(struct node *n, uint64_t session, int role,
			     const struct agency_id *peer, const uint8_t exporter[32])
{
	struct input *in;
	enum err e = input_new(n, INPUT_OPENED, view_of(NULL, 0), &in);

	if (e)
		return err_trace(e);
	in->session = session;
	in->role = role;
	in->peer = *peer;
	memcpy(in->exporter, exporter, sizeof(in->exporter));
	return ERR_OK;
}

enum err node_frame(struct node *n, uint64_t session, struct view frame)
{
	struct input *in;
	enum err e = input_new(n, INPUT_FRAME, frame, &in);

	if (e)
		return err_trace(e);
	in->session = session;
	return ERR_OK;
}

enum err node_session_facts(struct node *n, uint64_t session, uint64_t tls_until_us,
			    const char *remote)
{
	struct input *in;
	enum err e = input_new(n, INPUT_FACTS, view_str(remote), &in);

	if (e)
		return err_trace(e);
	in->session = session;
	in->until_us = tls_until_us;
	return ERR_OK;
}

enum err node_dial_stage(struct node *n, const struct agency_id *peer, enum node_step step, bool ok,
			 const char *text)
{
	struct input *in;
	enum err e = input_new(n, INPUT_STAGE, view_str(text), &in);

	if (e)
		return err_trace(e);
	in->peer = *peer;
	in->step = step;
	in->ok = ok;
	return ERR_OK;
}

enum err node_session_closed(struct node *n, uint64_t session)
{
	struct input *in;
	enum err e = input_new(n, INPUT_CLOSED, view_of(NULL, 0), &in);

	if (e)
		return err_trace(e);
	in->session = session;
	return ERR_OK;
}

enum err node_request(struct node *n, const struct node_caller *caller, struct view request)
{
	struct input *in;
	enum err e;

	if (request.n > NODE_REQUESTS_BYTES_MAX - n->n_request_bytes)
		return err_new(ERR_FULL, "%zu bytes of requests wait", n->n_request_bytes);
	e = input_new(n, INPUT_REQUEST, request, &in);
	if (e)
		return err_trace(e);
	n->n_request_bytes += in->n;
	in->caller = *caller;
	return ERR_OK;
}

void node_caller_gone(struct node *n, uint64_t caller)
{
	jobs_forget(n, caller);
	peer_tests_forget(n, caller);
	peer_watches_forget(n, caller);
}

/* --- the turn --- */

enum err node_write(struct node *n)
{
	enum err e;

	if (n->in_transaction)
		return ERR_OK;
	e = store_begin(n->store);
	if (e)
		return err_trace(e);
	n->in_transaction = true;
	return ERR_OK;
}

static enum err give_credit(struct node *n, uint64_t session, size_t n_bytes)
{
	struct output *o;
	enum err e = output_new(n, OUTPUT_CREDIT, session, &o);

	if (e)
		return err_trace(e);
	o->n_credit = n_bytes;
	return ERR_OK;
}

static enum err handle(struct node *n, const struct input *in)
{
	struct session *s;
	enum err e;

	switch (in->kind) {
	case INPUT_OPENED:
		return session_opened(n, in);
	case INPUT_FRAME:
		s = session_find(n, in->session);
		if (!s)
			return ERR_OK; /* frames of an ended session are dropped */
		e = session_frame(n, s, view_of(in->data, in->n));
		return e ? err_trace(e) : give_credit(n, in->session, in->n);
	case INPUT_CLOSED:
		e = reconcile_lost(n, in->session);
		if (!e)
			e = peer_test_session_closed(n, in->session);
		session_closed(n, in->session);
		return e;
	case INPUT_FACTS:
		session_facts(n, in);
		return ERR_OK;
	case INPUT_STAGE:
		return peer_test_stage(n, in);
	case INPUT_REQUEST:
		n->n_request_bytes -= in->n;
		return request_take(n, &in->caller, view_of(in->data, in->n));
	}
	return err_new(ERR_BUG, "input kind");
}

/* A queue has half of a turn, so that neither peers nor callers keep the others waiting. */
static bool may_take(const struct node *n, const struct input_queue *queue)
{
	return queue->first && queue->n_taken < NODE_TURN_INPUTS_MAX / 2 &&
	       queue->n_taken_bytes + n->n_reply_bytes < NODE_TURN_BYTES_MAX / 2 &&
	       n->n_rows < NODE_TURN_ROWS_MAX;
}

static enum err take_from(struct node *n, struct input_queue *queue, size_t n_most)
{
	enum err e = ERR_OK;

	for (size_t i = 0; !e && i < n_most && may_take(n, queue); i++) {
		struct input *in = input_take(queue);

		queue->n_taken++;
		queue->n_taken_bytes += in->n;
		e = handle(n, in);
		input_free(in);
	}
	return e ? err_trace(e) : ERR_OK;
}

/*
 * Entries that are committed and waited for room in the window leave now, while this turn goes on,
 * with the checkpoint that is committed: they rest on nothing of this turn, and the peer works
 * meanwhile. What else the turn said so far stays until its commit.
 */
static enum err send_committed(struct node *n)
{
	const struct output_queue later = n->output;
	enum err e = ERR_OK;

	if (n->waits_for_signed) /* in this turn: that checkpoint is not committed */
		return ERR_OK;
	n->output = (struct output_queue){.end = &n->output.first};
	for (struct session *s = n->session; !e && s; s = s->next)
		if (s->may_send_more)
			e = outbox_pump(n, s, s->peer->committed_k);
	outputs_end(n, e == ERR_OK);
	n->output = later;
	return e ? err_trace(e) : ERR_OK;
}

/* A few callers at a time, and peers first: their receipts let go what waits for the window. */
static enum err take_inputs(struct node *n)
{
	enum err e = take_from(n, &n->sessions_say, SIZE_MAX);

	if (!e)
		e = send_committed(n);
	if (!e)
		e = take_from(n, &n->callers_ask, n->limits.step_requests);
	return e ? err_trace(e) : ERR_OK;
}

static enum err take_timers(struct node *n)
{
	const uint64_t now = n->port.mono_ms(n->port.ctx);
	enum err e = reconcile_tick(n, now);

	if (!e)
		e = peer_tests_tick(n, now);
	if (!e)
		e = alarms_tick(n, now);
	for (struct session *s = n->session; !e && s; s = s->next)
		e = session_tick(n, s, now);
	for (struct session *s = n->session; !e && s; s = s->next)
		e = split_tick(n, s, now);
	peers_dial(n, now);
	own_records_tick(n, now);
	disclosed_tick(&n->disclosed, now);
	outbox_tick(n, now);
	return e ? err_trace(e) : ERR_OK;
}

/* Build what goes out against the newest checkpoint. */
static enum err build_outputs(struct node *n)
{
	for (struct session *s = n->session; s; s = s->next) {
		enum err e = session_hello_due(n, s);

		if (!e && s->hello_seen && s->peer->live == s)
			e = recover_ask(n, s);
		if (!e)
			e = outbox_pump(n, s, s->peer->row.sent_k);
		if (e)
			return err_trace(e);
	}
	return ERR_OK;
}

static void begin(struct node *n)
{
	limits_look(n);
	n->n_rows = n->n_reply_bytes = 0;
	n->sessions_say.n_taken = n->callers_ask.n_taken = 0;
	n->sessions_say.n_taken_bytes = n->callers_ask.n_taken_bytes = 0;
	n->is_in_turn = true;
}

static enum err finish(struct node *n, bool *ret_more)
{
	enum err e = take_timers(n);

	if (!e)
		e = replay_step(n, ret_more);
	if (!e)
		e = verify_step(n, ret_more);
	/* Also when a Hello of this very turn stopped the signing: entries without their checkpoint
	 * would keep the database from opening again. They do not leave: see outbox_pump(). */
	if (!e)
		e = ledger_sign(n);
	if (!e)
		e = build_outputs(n);
	if (!e)
		e = peers_save(n);
	if (!e)
		e = peer_watches_tell(n);
	if (!e && n->in_transaction)
		e = ledger_commit(n);
	n->n_commits += !e && n->in_transaction;
	if (!e)
		peers_committed(n);
	return e ? err_trace(e) : ERR_OK;
}

enum err node_turn(struct node *n, bool *ret_more)
{
	enum err e;

	*ret_more = false;
	clock_check(n);
	if (!n->is_in_turn)
		begin(n);
	e = take_inputs(n);
	if (!e && may_take(n, &n->callers_ask)) {
		*ret_more = true;
		return ERR_OK;
	}
	if (!e)
		e = finish(n, ret_more);
	if (e && n->in_transaction) {
		store_rollback(n->store);
		disclosed_forget(&n->disclosed);
		own_records_close(n);
	}
	n->is_in_turn = n->in_transaction = false;
	outputs_end(n, e == ERR_OK);
	*ret_more = *ret_more || n->sessions_say.first || n->callers_ask.first;
	return e;
}

bool node_is_in_turn(const struct node *n)
{
	return n->is_in_turn;
}

void turn_ends(struct node *n)
{
	n->callers_ask.n_taken = NODE_TURN_INPUTS_MAX;
}

uint64_t node_deadline_ms(const struct node *n)
{
	uint64_t deadline = peers_deadline_ms(n);
	uint64_t at = peer_tests_deadline_ms(n);

	if (at < deadline)
		deadline = at;
	at = own_records_deadline_ms(n);
	if (at < deadline)
		deadline = at;
	at = disclosed_deadline_ms(&n->disclosed);
	if (at < deadline)
		deadline = at;
	at = outbox_deadline_ms(n);
	if (at < deadline)
		deadline = at;
	if (n->alarm_at_ms < deadline)
		deadline = n->alarm_at_ms;
	if (n->room != ROOM_ENOUGH && n->looked_ms + ROOM_LOOK_MS < deadline)
		deadline = n->looked_ms + ROOM_LOOK_MS;

	for (const struct session *s = n->session; s; s = s->next) {
		if (s->closing)
			continue;
		at = s->hello_seen ? s->said_ms + PING_AFTER_MS : s->opened_ms + HELLO_WITHIN_MS;
		if (s->hello_seen && s->pump_at_ms < at)
			at = s->pump_at_ms;
		if (at < deadline)
			deadline = at;
	}
	for (size_t i = 0; i < NODE_JOBS_MAX; i++)
		if (n->reconcile[i].is_used && n->reconcile[i].deadline_ms < deadline)
			deadline = n->reconcile[i].deadline_ms;
	return deadline;
}

const char *node_hold(const struct node *n)
{
	return n->hold;
}

enum err node_idle(struct node *n, bool *ret_more)
{
	*ret_more = false;
	if (n->is_in_turn) /* its end brings the next chance */
		return ERR_OK;
	return store_wal_step(n->store, ret_more);
}

bool node_wal_is_long(const struct node *n)
{
	return store_wal_is_long(n->store);
}

/* --- the end --- */

void node_queues_free(struct node *n)
{
	while (n->sessions_say.first)
		input_free(input_take(&n->sessions_say));
	while (n->callers_ask.first)
		input_free(input_take(&n->callers_ask));
	outputs_end(n, false);
}
