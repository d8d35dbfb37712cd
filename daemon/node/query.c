/* Ask and Answer: read-only questions between peers, and reconciling a pair with them. */
#include <string.h>

#include "node/epoch.h"
#include "node/internal.h"

#define ASK_HEADS_MAX 64
#define ASK_SIZES_MAX 4
#define RECONCILE_MS 20000

static enum err head_of_side(struct node *n, struct peer *p, bool is_sent, uint64_t k,
			     struct digest *ret)
{
	struct received_row row;
	struct agency_id addressee;
	uint64_t row_k;
	enum err e;

	if (is_sent)
		return ledger_head_at(n, p, k, ret);
	if (k > p->row.received_k)
		return err_new(ERR_NOT_FOUND, "not received");
	if (k == p->row.received_k) {
		*ret = p->row.received_head;
		return ERR_OK;
	}
	e = received_get(n->store, p->row.id, p->row.epoch, k + 1, &row);
	if (!e)
		e = entry_position(row.entry, &addressee, &row_k, ret);
	return e ? err_trace(e) : ERR_OK;
}

struct answer_heads {
	struct pb_head head[ASK_HEADS_MAX];
	struct pb_head *list[ASK_HEADS_MAX];
	struct digest digest[ASK_HEADS_MAX];
};

static enum err answer_heads(struct node *n, struct peer *p, const struct pb_ask_heads *ask,
			     struct answer_heads *a, struct pb_answer *answer)
{
	const bool is_sent = ask->side == PB(CHAIN_SIDE, YOURS);
	const uint64_t newest = is_sent ? p->row.sent_k : p->row.received_k;

	answer->has_newest_k = 1;
	answer->newest_k = newest;
	answer->heads = a->list;
	for (size_t i = 0; i < ask->n_k; i++) {
		const uint64_t k = ask->k[i] ? ask->k[i] : newest;
		const size_t at = answer->n_heads;
		enum err e;

		if (k > newest || k == 0)
			continue;
		e = head_of_side(n, p, is_sent, k, &a->digest[at]);
		if (e)
			return err_trace(e);
		a->head[at] = (struct pb_head)PB_HEAD_INIT;
		a->head[at].has_k = a->head[at].has_head = 1;
		a->head[at].k = k;
		a->head[at].head = message_borrow(view_digest(&a->digest[at]));
		a->list[at] = &a->head[at];
		answer->n_heads++;
	}
	return ERR_OK;
}

static enum err answer_sizes(struct node *n, uint64_t to_size, const struct pb_ask_consistency *ask,
			     struct proof proof[ASK_SIZES_MAX],
			     struct pb_size_proof message[ASK_SIZES_MAX],
			     struct pb_size_proof *list[ASK_SIZES_MAX], struct pb_answer *answer)
{
	struct tree_reader reader = tree_reader_of(&n->tree);

	answer->proofs = list;
	for (size_t i = 0; i < ask->n_sizes; i++) {
		enum err e;

		if (ask->sizes[i] > to_size)
			continue;
		e = merkle_prove_consistency(&reader, ask->sizes[i], to_size, &proof[i]);
		if (e)
			return err_trace(e);
		message[i] = (struct pb_size_proof)PB_SIZE_PROOF_INIT;
		message[i].has_size = 1;
		message[i].has_hashes = proof[i].n != 0;
		message[i].size = ask->sizes[i];
		message[i].hashes = message_borrow(
			view_of(proof[i].hash, proof[i].n * sizeof(proof[i].hash[0])));
		list[answer->n_proofs++] = &message[i];
	}
	return ERR_OK;
}

enum err query_ask(struct node *n, struct session *s, const struct pb_ask *m)
{
	struct pb_frame frame = PB_FRAME_INIT;
	struct pb_answer answer = PB_ANSWER_INIT;
	struct answer_heads heads;
	struct proof proof[ASK_SIZES_MAX];
	struct pb_size_proof size_proof[ASK_SIZES_MAX];
	struct pb_size_proof *size_list[ASK_SIZES_MAX];
	enum err e = ERR_OK;

	err_clear();
	if (!m->has_id || message_which(m, 2) == 0 ||
	    (m->heads && (!m->heads->has_side || m->heads->n_k > ASK_HEADS_MAX)) ||
	    (m->consistency && m->consistency->n_sizes > ASK_SIZES_MAX))
		return session_fault(n, s, PB(BYE_CODE, PROTOCOL), "ASK is not acceptable");
	if (m->entries) {
		s->said_ms = n->port.mono_ms(n->port.ctx);
		return epoch_give_back(n, s, m->id, m->entries);
	}
	answer.has_id = 1;
	answer.id = m->id;
	if (m->heads)
		e = answer_heads(n, s->peer, m->heads, &heads, &answer);
	else if (m->consistency)
		e = answer_sizes(n, s->shown_size, m->consistency, proof, size_proof, size_list,
				 &answer);
	frame.answer = &answer;
	s->said_ms = n->port.mono_ms(n->port.ctx);
	return e ? err_trace(e) : output_message(n, OUTPUT_SEND, s->number, &frame);
}

/* --- reconciling: newest heads of both directions; where they differ, bisect --- */

static enum err ask_head(struct node *n, struct reconcile *r, uint64_t k)
{
	struct pb_frame frame = PB_FRAME_INIT;
	struct pb_ask ask = PB_ASK_INIT;
	struct pb_ask_heads heads = PB_ASK_HEADS_INIT;

	r->ask_id = ++n->next_ask_id;
	r->asked_k = k;
	ask.has_id = 1;
	ask.id = r->ask_id;
	ask.heads = &heads;
	heads.has_side = 1;
	heads.side = (Amparo__V1__ChainSide)r->side;
	heads.n_k = 1;
	heads.k = &k;
	frame.ask = &ask;
	return output_message(n, OUTPUT_SEND, r->session, &frame);
}

enum err reconcile_start(struct node *n, const struct node_caller *caller, uint64_t request,
			 const char *name)
{
	struct peer *p = peer_by_name(n, name);
	struct reconcile *r = NULL;

	if (!p)
		return reply_error(
			n, caller->id, request, PB(API_ERROR_CODE, DATA),
			"no peer of this name, or more than one: see `amparo peer list`");
	if (!p->live)
		return reply_error(
			n, caller->id, request, PB(API_ERROR_CODE, UNAVAILABLE),
			"the peer is not connected: see `amparo peer list`, try again later");
	for (size_t i = 0; i < NODE_JOBS_MAX && !r; i++)
		if (!n->reconcile[i].is_used)
			r = &n->reconcile[i];
	if (!r)
		return reply_error(n, caller->id, request, PB(API_ERROR_CODE, TEMPORARY),
				   "too many reconciliations are under way: try again");
	*r = (struct reconcile){
		.is_used = true,
		.caller = caller->id,
		.request = request,
		.peer = p,
		.session = p->live->number,
		.side = PB(CHAIN_SIDE, MINE),
		.deadline_ms = n->port.mono_ms(n->port.ctx) + RECONCILE_MS,
	};
	return ask_head(n, r, 0);
}

static enum err reconcile_done(struct node *n, struct reconcile *r)
{
	struct pb_api_reply reply = PB_API_REPLY_INIT;
	struct pb_reconcile_result m = PB_RECONCILE_RESULT_INIT;
	struct pb_head sent = PB_HEAD_INIT, received = PB_HEAD_INIT;
	struct peer_row *row = &r->peer->row;
	static char problem[] = "the chains differ: one of the two ledgers was changed";

	m.name = row->agency.text;
	m.has_ok = m.has_sent_k = m.has_sent_held = m.has_received_k = m.has_received_written = 1;
	m.ok = !r->differs;
	m.sent_k = row->sent_k;
	m.sent_held = r->sent_held;
	m.received_k = row->received_k;
	m.received_written = r->received_written;
	sent.has_k = sent.has_head = received.has_k = received.has_head = 1;
	sent.k = row->sent_k;
	sent.head = message_borrow(view_digest(&row->sent_head));
	received.k = row->received_k;
	received.head = message_borrow(view_digest(&row->received_head));
	m.sent_head = &sent;
	m.received_head = &received;
	if (r->differs) {
		m.problem = problem;
		m.has_differs_from_k = r->differs_from_k != 0;
		m.differs_from_k = r->differs_from_k;
	}
	reply.reconcile = &m;
	r->is_used = false;
	return reply_row(n, r->caller, r->request, &reply, false);
}

static enum err next_side(struct node *n, struct reconcile *r)
{
	if (r->side == PB(CHAIN_SIDE, YOURS) || r->differs)
		return reconcile_done(n, r);
	r->side = PB(CHAIN_SIDE, YOURS);
	r->low = r->high = 0;
	/* the other side may be ahead by what is on its way: compare at what we have received */
	return ask_head(n, r, r->peer->row.received_k);
}

static const struct pb_head *head_in(const struct pb_answer *m, uint64_t k)
{
	for (size_t i = 0; i < m->n_heads; i++)
		if (m->heads[i]->has_k && m->heads[i]->k == k && m->heads[i]->has_head)
			return m->heads[i];
	return NULL;
}

/* Compare one head; true when it is ours. */
static enum err compare(struct node *n, struct reconcile *r, const struct pb_head *head,
			bool *ret_same)
{
	const bool is_sent = r->side == PB(CHAIN_SIDE, MINE);
	struct digest ours;
	enum err e = head_of_side(n, r->peer, is_sent, head->k, &ours);

	*ret_same = false;
	if (e == ERR_NOT_FOUND)
		return ERR_OK; /* the peer knows positions that we never wrote */
	if (e)
		return err_trace(e);
	*ret_same = view_eq(view_digest(&ours), message_bytes(1, head->head));
	return ERR_OK;
}

static enum err reconcile_answer(struct node *n, struct reconcile *r, const struct pb_answer *m)
{
	const uint64_t newest = m->has_newest_k ? m->newest_k : 0;
	uint64_t asked;
	const struct pb_head *head;
	bool same;
	enum err e;

	/* not received_k of now: items may have come since the question went */
	asked = r->asked_k;
	if (r->high == 0) {
		if (r->side == PB(CHAIN_SIDE, MINE))
			asked = newest;
		if (r->side == PB(CHAIN_SIDE, MINE))
			r->sent_held = newest;
		else
			r->received_written = newest;
		if (asked == 0 || (newest == 0 && r->side == PB(CHAIN_SIDE, MINE)))
			return next_side(n, r);
	}
	head = head_in(m, asked);
	same = false;
	if (head) {
		e = compare(n, r, head, &same);
		if (e)
			return err_trace(e);
	}
	if (r->high == 0 && same)
		return next_side(n, r);
	if (same)
		r->low = asked;
	else
		r->high = asked;
	r->differs = true;
	if (r->high - r->low <= 1) {
		r->differs_from_k = r->high;
		r->differs_side = r->side;
		return reconcile_done(n, r);
	}
	return ask_head(n, r, r->low + (r->high - r->low) / 2);
}

enum err query_answer(struct node *n, struct session *s, const struct pb_answer *m)
{
	if (recover_awaits(s, m))
		return recover_answer(n, s, m);
	for (size_t i = 0; i < NODE_JOBS_MAX; i++) {
		struct reconcile *r = &n->reconcile[i];

		if (r->is_used && r->session == s->number && m->has_id && r->ask_id == m->id)
			return reconcile_answer(n, r, m);
	}
	return ERR_OK; /* an answer that nobody waits for any more */
}

static enum err reconcile_fail(struct node *n, struct reconcile *r, const char *why)
{
	r->is_used = false;
	return reply_error(n, r->caller, r->request, PB(API_ERROR_CODE, TEMPORARY), "%s: try again",
			   why);
}

enum err reconcile_lost(struct node *n, uint64_t session)
{
	for (size_t i = 0; i < NODE_JOBS_MAX; i++) {
		enum err e;

		if (!n->reconcile[i].is_used || n->reconcile[i].session != session)
			continue;
		e = reconcile_fail(n, &n->reconcile[i], "the session with the peer ended");
		if (e)
			return err_trace(e);
	}
	return ERR_OK;
}

enum err reconcile_tick(struct node *n, uint64_t now_ms)
{
	for (size_t i = 0; i < NODE_JOBS_MAX; i++) {
		enum err e;

		if (!n->reconcile[i].is_used || now_ms < n->reconcile[i].deadline_ms)
			continue;
		e = reconcile_fail(n, &n->reconcile[i], "the peer did not answer in time");
		if (e)
			return err_trace(e);
	}
	return ERR_OK;
}
