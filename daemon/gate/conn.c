#include "gate/internal.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "wire/frame.h"

#define OUTPUT_ROUNDS 8 /* writes of one wake-up */

static void conn_run(struct conn *c);
static void on_ready(void *arg, unsigned ready);
static void on_timer(void *arg);

static void set_state(struct conn *c, enum conn_state to)
{
	static const unsigned allowed[] = {
		[CONN_FREE] = 1U << CONN_CONNECTING | 1U << CONN_SILENT,
		[CONN_CONNECTING] = 1U << CONN_LINKED | 1U << CONN_ENDED,
		[CONN_SILENT] = 1U << CONN_LINKED | 1U << CONN_ENDED,
		[CONN_LINKED] = 1U << CONN_ENDED,
		[CONN_ENDED] = 1U << CONN_FREE,
	};

	ASSERT(allowed[c->state] & 1U << to);
	c->state = to;
}

/* --- open and end ------------------------------------------------------------------------ */

static struct conn *slot_take(struct gate *g)
{
	for (size_t i = 0; i < g->n_slots; i++)
		if (g->conn[i].state == CONN_FREE)
			return &g->conn[i];
	return g->n_slots < g->n_slots_max ? &g->conn[g->n_slots++] : NULL;
}

static enum err arm(struct conn *c, uint64_t at_ms)
{
	enum err e;

	if (at_ms == c->armed_ms)
		return ERR_OK;
	if (at_ms == UINT64_MAX) {
		loop_timer_stop(c->timer);
		c->armed_ms = at_ms;
		return ERR_OK;
	}
	e = loop_timer_set(c->timer, at_ms);
	if (!e)
		c->armed_ms = at_ms;
	return e;
}

enum err conn_open(struct gate *g, int fd, const struct sockaddr_storage *address,
		   struct peer *peer, struct conn **ret)
{
	CLEANUP(loop_watch_freep) struct loop_watch *watch = NULL;
	CLEANUP(loop_timer_freep) struct loop_timer *timer = NULL;
	const uint64_t now = loop_mono_ms();
	const int yes = 1;
	struct conn *c = slot_take(g);
	enum err e;

	if (!c)
		return err_new(ERR_LIMIT, "all %zu connections are in use", g->n_slots_max);
	/* A frame is written as a whole: waiting to join small writes only delays. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	e = loop_watch_new(g->loop, fd, on_ready, c, &watch);
	if (!e)
		e = loop_timer_new(g->loop, on_timer, c, &timer);
	if (!e)
		e = loop_watch_set(watch, peer ? LOOP_WRITE : LOOP_READ);
	if (!e)
		e = loop_timer_set(timer, now + (peer ? GATE_CONNECT_MS : GATE_SILENT_MS));
	if (e)
		return err_trace(e);
	*c = (struct conn){
		.gate = g,
		.fd = fd,
		.watch = TAKE(watch),
		.timer = TAKE(timer),
		.peer = peer,
		.is_dialled = peer != NULL,
		.address = *address,
		.since_ms = now,
		.armed_ms = now + (peer ? GATE_CONNECT_MS : GATE_SILENT_MS),
	};
	set_state(c, peer ? CONN_CONNECTING : CONN_SILENT);
	g->n_conns++;
	*ret = c;
	return ERR_OK;
}

static void conn_free(void *arg)
{
	struct conn *c = arg;
	struct gate *g = c->gate;

	loop_watch_free(c->watch);
	loop_timer_free(c->timer);
	link_free(c->link);
	(void)close(c->fd);
	set_state(c, CONN_FREE);
	g->n_conns--;
	if (g->is_stopping && g->n_conns == 0)
		loop_stop(g->loop);
}

static void tell_session(struct conn *c, Amparo__V1__RelayKind kind, uint64_t n_bytes)
{
	struct pb_relay m = PB_RELAY_INIT;

	m.has_kind = 1;
	m.kind = kind;
	m.has_session = 1;
	m.session = c->session;
	m.has_n_bytes = n_bytes > 0;
	m.n_bytes = n_bytes;
	gate_tell(c->gate, &m);
}

void conn_end(struct conn *c)
{
	const enum conn_state was = c->state;

	if (was == CONN_ENDED || was == CONN_FREE)
		return;
	set_state(c, CONN_ENDED);
	if (loop_watch_set(c->watch, 0))
		gate_end(c->gate, 1);
	loop_timer_stop(c->timer);
	loop_defer_free(c->gate->loop, &c->free_task, conn_free, c);
	if (c->session) {
		tell_session(c, PB(RELAY_KIND, CLOSED), 0);
		c->peer->n_sessions--;
		c->peer->n_uncredited -= c->n_uncredited;
	} else if (c->is_dialled) {
		if (was == CONN_LINKED)
			dial_stage(c->gate, c->peer, PB(RELAY_STEP, TLS), false,
				   "it closed the connection before TLS stood");
		dial_failed(c->gate, c->peer, was == CONN_CONNECTING);
	}
}

void conn_close(struct conn *c)
{
	if (c->state != CONN_LINKED) {
		conn_end(c);
		return;
	}
	link_close(c->link, loop_mono_ms());
	conn_run(c);
}

/* --- bytes ------------------------------------------------------------------------------- */

/* Frames of the vault that are now sent: it may send as many more. */
static void report_sent(struct conn *c)
{
	size_t queued = link_queued_bytes(c->link);
	size_t n = c->n_unsent > queued ? c->n_unsent - queued : 0;

	if (n == 0 || !c->session || (queued > 0 && n < GATE_CREDIT_MAX / 4))
		return;
	c->n_unsent -= n;
	tell_session(c, PB(RELAY_KIND, SENT), n);
}

static void pump_out(struct conn *c)
{
	for (int i = 0; i < OUTPUT_ROUNDS; i++) {
		struct view out = link_output(c->link);
		ssize_t n;
		enum err e;

		if (out.n == 0)
			break;
		n = send(c->fd, out.p, out.n, MSG_NOSIGNAL);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			break;
		if (n <= 0) {
			conn_end(c);
			return;
		}
		e = link_sent(c->link, (size_t)n, loop_mono_ms());
		if (e)
			conn_log_failure(c, e, "a connection failed");
	}
	report_sent(c);
}

/** TLS stands: is it one of ours? */
static void greet(struct conn *c)
{
	struct gate *g = c->gate;
	const struct agency_id *id = link_peer(c->link);
	struct peer *p = gate_peer(g, view_of(id->text, id->n_text));
	struct pb_relay m = PB_RELAY_INIT;
	char address[ADDRESS_TEXT_MAX];

	if (!p) {
		link_abort(c->link, err_new(ERR_DENIED, "no peer of this node: %s", id->text),
			   loop_mono_ms());
		conn_log_failure(c, ERR_DENIED, "refused a connection");
		return;
	}
	if (p->n_sessions >= GATE_SESSIONS_PER_PEER_MAX) {
		link_abort(c->link, err_new(ERR_FULL, "it has %u sessions", p->n_sessions),
			   loop_mono_ms());
		c->peer = p;
		conn_log_failure(c, ERR_FULL, "refused a connection");
		return;
	}
	if (c->is_dialled) {
		p->is_dialling = false;
		p->is_failure_said = false;
		dial_stage(g, p, PB(RELAY_STEP, TLS), true, "TLS 1.3 stands");
	}
	c->peer = p;
	c->session = ++g->n_sessions * GATE_CONNECTIONS_MAX + (uint64_t)(c - g->conn);
	p->n_sessions++;
	m.has_kind = 1;
	m.kind = PB(RELAY_KIND, OPENED);
	m.has_session = 1;
	m.session = c->session;
	m.peer = p->id.text;
	m.has_role = 1;
	m.role = (uint32_t)link_role(c->link);
	m.has_exporter = 1;
	m.exporter = message_borrow(view_of(link_exporter(c->link), TLS_EXPORTER_BYTES));
	m.has_until_s = 1;
	m.until_s = (uint64_t)link_peer_until(c->link);
	m.text = message_borrow_text(address_text(&c->address, address));
	gate_tell(g, &m);
}

static void pump_in(struct conn *c)
{
	struct gate *g = c->gate;

	while (c->session && c->peer->n_uncredited < GATE_CREDIT_MAX &&
	       !channel_is_full(g->vault)) {
		struct pb_relay m = PB_RELAY_INIT;
		struct view frame;
		enum err e = link_take_frame(c->link, loop_mono_ms(), &frame);

		if (e == ERR_AGAIN)
			break;
		if (e) {
			conn_log_failure(c, e, "a connection failed");
			break;
		}
		m.has_kind = 1;
		m.kind = PB(RELAY_KIND, FRAME);
		m.has_session = 1;
		m.session = c->session;
		m.has_frame = 1;
		m.frame = message_borrow(frame);
		gate_tell(g, &m);
		c->n_uncredited += frame.n;
		c->peer->n_uncredited += frame.n;
	}
}

/** Do what there is to do; then wait for what the link wants. */
static void conn_run(struct conn *c)
{
	unsigned wants, interest;

	if (c->state != CONN_LINKED)
		return;
	if (!c->session && link_state(c->link) == LINK_GREETING)
		greet(c);
	pump_in(c);
	pump_out(c);
	if (c->state != CONN_LINKED)
		return;
	wants = link_wants(c->link);
	/* Told to stop: the peer's own goodbye is not waited for. */
	if (!(wants & LINK_WANTS_WRITE) &&
	    (link_state(c->link) == LINK_CLOSED || c->gate->is_stopping)) {
		conn_end(c);
		return;
	}
	interest = (wants & LINK_WANTS_READ ? LOOP_READ : 0U) |
		   (wants & LINK_WANTS_WRITE ? LOOP_WRITE : 0U);
	if (loop_watch_set(c->watch, interest) || arm(c, link_deadline_ms(c->link)))
		conn_end(c);
}

static enum err begin_link(struct conn *c)
{
	enum err e = link_new(c->gate->tls, c->is_dialled ? TLS_DIALLER : TLS_LISTENER,
			      c->is_dialled ? &c->peer->id : NULL, loop_mono_ms(), &c->link);

	if (!e)
		set_state(c, CONN_LINKED);
	return e;
}

/* A dialled socket is writable: connected, or not. */
static void connected(struct conn *c)
{
	char address[ADDRESS_TEXT_MAX];
	int error = 0;
	socklen_t n = sizeof(error);
	enum err e;

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0 || error != 0) {
		dial_not_taken(c, error);
		conn_end(c);
		return;
	}
	dial_stage(c->gate, c->peer, PB(RELAY_STEP, ROUTE), true, "connected to %s",
		   address_text(&c->address, address));
	e = begin_link(c);
	if (e) {
		conn_log_failure(c, e, "a connection failed");
		conn_end(c);
		return;
	}
	conn_run(c);
}

/** Is it worth a line that the peer cut the connection? Not when it said nothing yet. */
static void input_ended(struct conn *c)
{
	enum err e;

	if (c->state == CONN_SILENT) {
		conn_end(c);
		return;
	}
	e = link_eof(c->link, loop_mono_ms());
	if (e)
		conn_log_failure(c, e, "a connection failed");
	conn_run(c);
}

static void input(struct conn *c)
{
	struct gate *g = c->gate;
	ssize_t n = recv(c->fd, g->scratch, sizeof(g->scratch), 0);
	enum err e = ERR_OK;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		input_ended(c);
		return;
	}
	if (c->state == CONN_SILENT)
		e = begin_link(c);
	if (e) {
		conn_log_failure(c, e, "a connection failed");
		conn_end(c);
		return;
	}
	e = link_input(c->link, view_of(g->scratch, (size_t)n), loop_mono_ms());
	/* FULL and STATE do not happen: reading is off then; were they to, bytes would be lost. */
	if (e)
		conn_log_failure(c, e, "a connection failed");
	if (e == ERR_FULL || e == ERR_STATE)
		conn_end(c);
	else
		conn_run(c);
}

static void on_ready(void *arg, unsigned ready)
{
	struct conn *c = arg;

	switch (c->state) {
	case CONN_CONNECTING:
		connected(c);
		break;
	case CONN_SILENT:
	case CONN_LINKED:
		if (ready == LOOP_READ)
			input(c);
		else
			conn_run(c);
		break;
	case CONN_FREE:
	case CONN_ENDED:
		break;
	}
}

static void on_timer(void *arg)
{
	struct conn *c = arg;
	enum err e;

	c->armed_ms = UINT64_MAX;
	if (c->state != CONN_LINKED) {
		if (c->state == CONN_CONNECTING)
			dial_not_taken(c, ETIMEDOUT);
		conn_end(c);
		return;
	}
	e = link_tick(c->link, loop_mono_ms());
	if (e)
		conn_log_failure(c, e, "a connection took too long");
	conn_run(c);
}

/* --- the vault's ------------------------------------------------------------------------- */

struct conn *conn_find(struct gate *g, uint64_t session)
{
	struct conn *c = &g->conn[session % GATE_CONNECTIONS_MAX];

	return session && c->state == CONN_LINKED && c->session == session ? c : NULL;
}

void conn_send(struct conn *c, struct view frame)
{
	enum err e = link_send_frame(c->link, frame, loop_mono_ms());

	c->n_unsent += FRAME_HEAD_BYTES + frame.n;
	/* The vault keeps to what was reported as sent, so there is room. */
	if (e && e != ERR_STATE)
		conn_log_failure(c, e, "a frame cannot be sent");
	if (e == ERR_FULL || e == ERR_LIMIT)
		link_abort(c->link, e, loop_mono_ms());
	conn_run(c);
}

void conn_credit(struct conn *c, uint64_t n_bytes)
{
	size_t n = n_bytes < c->n_uncredited ? (size_t)n_bytes : c->n_uncredited;

	c->n_uncredited -= n;
	c->peer->n_uncredited -= n;
	/* What the vault dealt with and did not close the session for was a good Hello. */
	c->is_admitted = true;
	if (c->is_dialled)
		c->peer->is_tested = false;
	link_admit(c->link, loop_mono_ms());
	conn_run(c);
}

void conn_resume(struct conn *c)
{
	conn_run(c);
}

void conn_recheck(struct conn *c)
{
	enum err e;

	if (c->state != CONN_LINKED)
		return;
	e = link_recheck(c->link, c->gate->trust, (int64_t)(loop_utc_us() / 1000000),
			 loop_mono_ms());
	if (e)
		conn_log_failure(c, e, "a live connection's certificate is no longer good");
	conn_run(c);
}
