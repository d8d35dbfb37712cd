#include "vault/session.h"

#include <stdlib.h>

#include "base/log.h"
#include "wire/frame.h"

struct vault_session {
	uint64_t number;
	size_t n_unsent; /* bytes that the gate has */
	size_t n_taken;	 /* bytes of frames that wait for the node */
	struct buf held; /* frames that wait for room */
	bool is_closing; /* once none is held */
	bool is_closed;	 /* the gate is told; what else comes is swallowed */
	struct vault_session *next;
};

static struct vault_session *find(const struct session_table *t, uint64_t number)
{
	struct vault_session *s = t->first;

	while (s && s->number != number)
		s = s->next;
	return s;
}

enum err session_table_add(struct session_table *t, uint64_t number)
{
	struct vault_session *s = calloc(1, sizeof(*s));

	if (!s)
		return err_new(ERR_NOMEM, "session");
	s->number = number;
	buf_init(&s->held, SESSION_HELD_MAX);
	s->next = t->first;
	t->first = s;
	return ERR_OK;
}

static void session_free(struct vault_session *s)
{
	buf_fini(&s->held);
	free(s);
}

bool session_table_remove(struct session_table *t, uint64_t number)
{
	for (struct vault_session **at = &t->first; *at; at = &(*at)->next) {
		struct vault_session *s = *at;

		if (s->number != number)
			continue;
		*at = s->next;
		session_free(s);
		return true;
	}
	return false;
}

void session_table_fini(struct session_table *t)
{
	while (t->first) {
		struct vault_session *s = t->first;

		t->first = s->next;
		session_free(s);
	}
}

/* --- output ------------------------------------------------------------------------------ */

static enum err relay(struct session_table *t, struct vault_session *s, Amparo__V1__RelayKind kind,
		      struct view frame)
{
	struct pb_relay m = PB_RELAY_INIT;

	m.has_kind = 1;
	m.kind = kind;
	m.has_session = 1;
	m.session = s->number;
	m.has_frame = frame.n > 0;
	m.frame = message_borrow(frame);
	return channel_send(t->gate, &m);
}

static bool has_room(const struct session_table *t, const struct vault_session *s, size_t n)
{
	return !channel_is_full(t->gate) && (s->n_unsent == 0 || s->n_unsent + n <= SESSION_WINDOW);
}

static enum err relay_frame(struct session_table *t, struct vault_session *s, struct view frame)
{
	s->n_unsent += FRAME_HEAD_BYTES + frame.n;
	return relay(t, s, PB(RELAY_KIND, FRAME), frame);
}

static enum err relay_close(struct session_table *t, struct vault_session *s)
{
	s->is_closed = true;
	buf_fini(&s->held);
	return relay(t, s, PB(RELAY_KIND, CLOSE), view_of(NULL, 0));
}

/** What is held goes as far as there is room. */
static enum err flush(struct session_table *t, struct vault_session *s)
{
	while (s->held.n > 0) {
		struct view frame;
		enum err e;

		if (!has_room(t, s, get_u32be(buf_data(&s->held))))
			return ERR_OK;
		e = frame_take(&s->held, FRAME_BODY_MAX, &frame);
		if (!e)
			e = relay_frame(t, s, frame);
		if (e)
			return err_trace(e);
	}
	buf_fini(&s->held);
	if (s->is_closing && !s->is_closed)
		return relay_close(t, s);
	return ERR_OK;
}

enum err session_send(struct session_table *t, uint64_t number, struct view frame)
{
	struct vault_session *s = find(t, number);
	enum err e;

	if (!s || s->is_closing || s->is_closed)
		return ERR_OK;
	if (s->held.n == 0 && has_room(t, s, frame.n))
		return relay_frame(t, s, frame);
	e = frame_put(&s->held, frame);
	if (e != ERR_LIMIT)
		return e;
	/* It takes nothing and asks for more: it can go on where it was when it comes back. */
	log_line(LOG_WARN,
		 "a peer takes too little of what it asks for, its session ends "
		 "session=%llu bytes=%zu",
		 (unsigned long long)number, s->held.n);
	return relay_close(t, s);
}

size_t session_unsent(const struct session_table *t, uint64_t number)
{
	const struct vault_session *s = find(t, number);

	return s ? s->held.n + s->n_unsent : 0;
}

enum err session_take(struct session_table *t, uint64_t number, size_t n)
{
	struct vault_session *s = find(t, number);

	if (!s)
		return err_new(ERR_NOT_FOUND, "no session %llu", (unsigned long long)number);
	if (s->n_taken + n > SESSION_TAKEN_MAX)
		return err_new(ERR_FULL, "session %llu has %zu bytes waiting",
			       (unsigned long long)number, s->n_taken);
	s->n_taken += n;
	return ERR_OK;
}

enum err session_credit(struct session_table *t, uint64_t number, size_t n)
{
	struct vault_session *s = find(t, number);
	struct pb_relay m = PB_RELAY_INIT;

	if (!s)
		return ERR_OK;
	s->n_taken -= n < s->n_taken ? n : s->n_taken;
	m.has_kind = 1;
	m.kind = PB(RELAY_KIND, CREDIT);
	m.has_session = 1;
	m.session = number;
	m.has_n_bytes = 1;
	m.n_bytes = n;
	return channel_send(t->gate, &m);
}

enum err session_close(struct session_table *t, uint64_t number)
{
	struct vault_session *s = find(t, number);

	if (!s || s->is_closed)
		return ERR_OK;
	s->is_closing = true;
	return flush(t, s);
}

enum err session_sent(struct session_table *t, uint64_t number, uint64_t n_bytes)
{
	struct vault_session *s = find(t, number);

	if (!s)
		return ERR_OK;
	s->n_unsent -= n_bytes < s->n_unsent ? (size_t)n_bytes : s->n_unsent;
	return flush(t, s);
}

enum err session_table_resume(struct session_table *t)
{
	for (struct vault_session *s = t->first; s; s = s->next) {
		enum err e = flush(t, s);

		if (e)
			return err_trace(e);
	}
	return ERR_OK;
}
