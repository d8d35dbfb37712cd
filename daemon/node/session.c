/* Sessions: from the gate's word of one to its end, and what of its frames is neither Hello nor
 * Batch. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "node/epoch.h"
#include "node/internal.h"
#include "node/peer_test.h"

struct session *session_find(struct node *n, uint64_t number)
{
	for (struct session *s = n->session; s; s = s->next)
		if (s->number == number)
			return s;
	return NULL;
}

static enum err send_bye(struct node *n, struct session *s, Amparo__V1__ByeCode code,
			 uint32_t retry_after_s)
{
	struct pb_frame frame = PB_FRAME_INIT;
	struct pb_bye bye = PB_BYE_INIT;

	bye.has_code = 1;
	bye.code = code;
	bye.has_retry_after_s = retry_after_s != 0;
	bye.retry_after_s = retry_after_s;
	frame.bye = &bye;
	return output_message(n, OUTPUT_SEND, s->number, &frame);
}

enum err session_end(struct node *n, struct session *s, Amparo__V1__ByeCode code,
		     uint32_t retry_after_s)
{
	struct output *o;
	enum err e;

	if (s->closing)
		return ERR_OK;
	s->closing = true;
	if (s->peer->live == s) {
		s->peer->live = NULL;
		outbox_forget(n, s->peer);
	}
	if (retry_after_s) /* what holds for the peer holds for us: else we would dial at once */
		peer_pause(n, s->peer, retry_after_s, RETRY_AFTER_MAX_S);
	e = reconcile_lost(n, s->number);
	if (!e && code != PB(BYE_CODE, OLDER_SESSION) && code != PB(BYE_CODE, DONE))
		e = peer_test_failed(n, s->peer, "this node ended the session (%s)",
				     n->hold ? n->hold : err_words());
	if (!e)
		e = send_bye(n, s, code, retry_after_s);
	if (!e)
		e = output_new(n, OUTPUT_CLOSE, s->number, &o);
	return e ? err_trace(e) : ERR_OK;
}

enum err session_fault(struct node *n, struct session *s, Amparo__V1__ByeCode code,
		       const char *what)
{
	struct peer *p = s->peer;

	if (s->closing)
		return ERR_OK;
	p->n_faults++;
	if (peer_may_log(n, p))
		log_line(p->n_faults >= FAULTS_ALARM ? LOG_ERR : LOG_WARN,
			 "session ended: %s; will connect again peer=%s session=%llu "
			 "faults_in_a_row=%u "
			 "detail=\"%s\"",
			 what, p->row.agency.text, (unsigned long long)s->number, p->n_faults,
			 err_words());
	peer_error(p, err_words()[0] ? err_words() : what);
	peer_failed(n, p);
	return session_end(n, s, code, 0);
}

static size_t count_sessions(const struct node *n, const struct peer *p)
{
	size_t count = 0;

	for (const struct session *s = n->session; s; s = s->next)
		count += s->peer == p;
	return count;
}

static enum err refuse(struct node *n, uint64_t number)
{
	struct output *o;

	return output_new(n, OUTPUT_CLOSE, number, &o);
}

enum err session_opened(struct node *n, const struct input *in)
{
	struct peer *p = peer_by_id(n, &in->peer);
	struct session *s;

	if (session_find(n, in->session))
		return err_new(ERR_BUG, "session number used twice");
	if (!p || !p->is_configured) {
		if (!p || peer_may_log(n, p))
			log_line(LOG_WARN, "session refused: no such peer is configured peer=%s",
				 in->peer.text);
		return refuse(n, in->session);
	}
	if (count_sessions(n, p) >= SESSIONS_PER_PEER)
		return refuse(n, in->session);
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_new(ERR_NOMEM, "session");
	s->number = in->session;
	s->peer = p;
	s->role = in->role;
	memcpy(s->exporter, in->exporter, sizeof(s->exporter));
	s->pump_at_ms = UINT64_MAX;
	s->opened_us = n->port.utc_us(n->port.ctx);
	s->opened_ms = s->heard_ms = s->said_ms = n->port.mono_ms(n->port.ctx);
	s->next = n->session;
	n->session = s;
	p->is_dialling = false;
	if (p->row.stopped)
		return session_end(n, s, PB(BYE_CODE, STOPPED), 0);
	return ERR_OK;
}

void session_facts(struct node *n, const struct input *in)
{
	struct session *s = session_find(n, in->session);

	if (!s)
		return;
	s->tls_until_us = in->until_us;
	if (in->n && in->n < sizeof(s->remote))
		memcpy(s->remote, in->data, in->n);
}

void session_closed(struct node *n, uint64_t number)
{
	for (struct session **at = &n->session; *at; at = &(*at)->next) {
		struct session *s = *at;

		if (s->number != number)
			continue;
		if (s->peer->live == s) {
			s->peer->live = NULL;
			outbox_forget(n, s->peer);
			if (!s->closing)
				peer_failed(n, s->peer);
		}
		*at = s->next;
		free(s);
		return;
	}
}

void sessions_free(struct node *n)
{
	while (n->session)
		session_closed(n, n->session->number);
}

static enum err take_resume(struct node *n, struct session *s, const struct pb_resume *m)
{
	struct digest head;

	err_clear();
	/* what this turn appended nobody can have seen */
	if (!m->has_size || !m->has_k || m->size > n->signed_size || m->k > s->peer->committed_k ||
	    ++s->n_resumes > RESUMES_MAX)
		return session_fault(n, s, PB(BYE_CODE, PROTOCOL), "RESUME is not acceptable");
	if (ledger_head_at(n, s->peer, m->k, &head) ||
	    (m->k && !view_eq(view_digest(&head), message_bytes(m->has_head, m->head)))) {
		(void)err_new(ERR_CHAIN, "the head at position %llu is not ours",
			      (unsigned long long)m->k);
		return session_fault(n, s, PB(BYE_CODE, PROTOCOL), "RESUME names another chain");
	}
	outbox_rewind(n, s, m->size, m->k);
	return ERR_OK;
}

static enum err take_ping(struct node *n, struct session *s, const struct pb_ping *m)
{
	struct pb_frame frame = PB_FRAME_INIT;
	struct pb_ping reply = PB_PING_INIT;

	if (m->has_reply && m->reply) {
		s->peer->n_faults = 0;
		return peer_test_answered(n, s);
	}
	reply.has_reply = reply.reply = 1;
	frame.ping = &reply;
	s->said_ms = n->port.mono_ms(n->port.ctx);
	return output_message(n, OUTPUT_SEND, s->number, &frame);
}

/* Why a peer says Bye, for people. */
static const char *bye_words(Amparo__V1__ByeCode code)
{
	switch (code) {
	case PB(BYE_CODE, BUSY):
		return "the peer is busy and asks to be left alone for a while: its disk is full, "
		       "or this agency is over its limit there";
	case PB(BYE_CODE, STOPPED):
		return "the peer has stopped the link: its operator has to look at an incident";
	case PB(BYE_CODE, IDENTITY):
		return "the peer did not take our Hello: it knows another seal key of ours, or "
		       "does not trust our CA";
	case PB(BYE_CODE, VERSION):
		return "the peer speaks no version of the protocol that we do";
	case PB(BYE_CODE, PROTOCOL):
		return "the peer found a fault in what we sent: its log says which";
	case PB(BYE_CODE, UNKNOWN_PEER):
		return "the peer does not have this agency among its peers";
	case PB(BYE_CODE, DONE):
	case PB(BYE_CODE, OLDER_SESSION):
	case _AMPARO__V1__BYE_CODE_IS_INT_SIZE:
		break;
	}
	return "the peer ended the session";
}

static enum err take_bye(struct node *n, struct session *s, const struct pb_bye *m)
{
	struct peer *p = s->peer;
	enum err e;

	if (m->has_code && m->code != PB(BYE_CODE, OLDER_SESSION) &&
	    m->code != PB(BYE_CODE, DONE)) {
		if (peer_may_log(n, p))
			log_line(
				LOG_WARN, "peer ended the session peer=%s code=%s",
				p->row.agency.text,
				message_enum_code(&amparo__v1__bye_code__descriptor, (int)m->code));
		peer_error(p, bye_words(m->code));
		peer_failed(n, p);
		e = peer_test_failed(n, p, "%s", bye_words(m->code));
		if (e)
			return err_trace(e);
		if (m->has_retry_after_s)
			peer_pause(n, p, m->retry_after_s,
				   s->hello_seen ? RETRY_AFTER_MAX_S : DIAL_MOST_MS / 1000);
	}
	return session_end(n, s, PB(BYE_CODE, DONE), 0);
}

enum err session_frame(struct node *n, struct session *s, struct view frame)
{
	CLEANUP(message_freep) struct pb_frame *m = NULL;
	enum err e;

	if (s->closing)
		return ERR_OK;
	err_clear();
	e = frame_decode(frame, &m);
	if (e == ERR_NOMEM)
		return err_trace(e);
	if (e)
		return session_fault(n, s, PB(BYE_CODE, PROTOCOL), "frame is not acceptable");
	s->heard_ms = n->port.mono_ms(n->port.ctx);
	if (m->bye)
		return take_bye(n, s, m->bye);
	if (!s->hello_seen && !m->hello) {
		e = err_new(ERR_FORMAT, "something came before Hello");
		return session_fault(n, s, PB(BYE_CODE, PROTOCOL), "frame is not acceptable");
	}
	if (m->hello) {
		if (!s->hello_seen)
			return session_hello(n, s, m->hello);
		e = err_new(ERR_FORMAT, "a second Hello");
		return session_fault(n, s, PB(BYE_CODE, PROTOCOL), "frame is not acceptable");
	}
	if (m->batch)
		return inbox_batch(n, s, m->batch);
	if (m->resume)
		return take_resume(n, s, m->resume);
	if (m->ask)
		return query_ask(n, s, m->ask);
	if (m->answer)
		return query_answer(n, s, m->answer);
	ASSERT(m->ping);
	return take_ping(n, s, m->ping);
}

enum err session_tick(struct node *n, struct session *s, uint64_t now_ms)
{
	struct pb_frame frame = PB_FRAME_INIT;
	struct pb_ping ping = PB_PING_INIT;

	if (s->closing)
		return ERR_OK;
	if (!s->hello_seen && now_ms - s->opened_ms >= HELLO_WITHIN_MS) {
		err_clear();
		return session_fault(n, s, PB(BYE_CODE, PROTOCOL), "no Hello in time");
	}
	if (!s->hello_seen || now_ms - s->said_ms < PING_AFTER_MS)
		return ERR_OK;
	if (s->held_ask_id && now_ms - s->held_asked_ms >= HELD_WITHIN_MS) {
		err_clear();
		return session_fault(n, s, PB(BYE_CODE, PROTOCOL),
				     "the peer does not say what it holds of our earlier ledger");
	}
	frame.ping = &ping;
	s->said_ms = now_ms;
	return output_message(n, OUTPUT_SEND, s->number, &frame);
}
