#include "gate/internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

/* A peer that stays away is told once; the vault goes on trying, and says so in `amparo status`. */
static void give_up(struct peer *p, const char *why)
{
	p->is_dialling = false;
	log_line(p->is_failure_said ? LOG_DEBUG : LOG_WARN,
		 "cannot reach a peer, trying again peer=%s why=\"%s\"", p->id.text, why);
	p->is_failure_said = true;
}

/* --- telling a test's stages --- */

void dial_stage(struct gate *g, struct peer *p, Amparo__V1__RelayStep step, bool ok,
		const char *format, ...)
{
	struct pb_relay m = PB_RELAY_INIT;
	char text[GATE_STAGE_MAX];
	va_list args;

	if (ok && !p->is_tested)
		return;
	p->is_tested = p->is_tested && ok;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	m.has_kind = 1;
	m.kind = PB(RELAY_KIND, STAGE);
	m.peer = p->id.text;
	m.has_step = 1;
	m.step = step;
	m.has_ok = 1;
	m.ok = ok;
	m.text = text;
	gate_tell(g, &m);
}

void dial_stage_failed(struct conn *c, enum err e)
{
	const char *words = err_words()[0] ? err_words() : err_text(e);

	if (!c->is_dialled || c->is_admitted)
		return;
	if (c->session) /* ours stood; then the peer judged our certificate */
		dial_stage(c->gate, c->peer, PB(RELAY_STEP, CERTIFICATES), false,
			   "the peer did not take this node's certificate, or fell silent (%s)",
			   words);
	else if (e == ERR_CERT || e == ERR_REVOKED)
		dial_stage(c->gate, c->peer, PB(RELAY_STEP, CERTIFICATES), false,
			   "its certificate is not acceptable (%s)", words);
	else
		dial_stage(c->gate, c->peer, PB(RELAY_STEP, TLS), false, "%s", words);
}

void dial_not_taken(struct conn *c, int error)
{
	const char *words = error ? strerrordesc_np(error) : NULL;
	char address[ADDRESS_TEXT_MAX];

	(void)snprintf(c->peer->why, sizeof(c->peer->why), "%s: %s",
		       address_text(&c->address, address), words ? words : "no answer");
}

static void tell_addresses(struct gate *g, struct peer *p)
{
	char text[GATE_ADDRESSES_MAX * ADDRESS_TEXT_MAX] = "";
	char address[ADDRESS_TEXT_MAX];
	size_t n = 0;

	for (size_t i = 0; i < p->n_address; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i ? ", " : "",
				      address_text(&p->address[i], address));
	dial_stage(g, p, PB(RELAY_STEP, NAME), true, "%s", text);
}

/* --- dialling --- */

static socklen_t address_size(const struct sockaddr_storage *a)
{
	return a->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

static enum err connect_to(struct gate *g, struct peer *p, const struct sockaddr_storage *a)
{
	char address[ADDRESS_TEXT_MAX];
	int fd = socket(a->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct conn *c;
	enum err e;

	if (fd < 0)
		return err_new(ERR_IO, "socket: errno %d", errno);
	if (connect(fd, (const struct sockaddr *)a, address_size(a)) != 0 && errno != EINPROGRESS)
		e = err_new(ERR_IO, "connect: errno %d", errno);
	else
		e = conn_open(g, fd, a, p, &c);
	if (e) {
		(void)snprintf(p->why, sizeof(p->why), "%s: %s", address_text(a, address),
			       err_words());
		(void)close(fd);
	}
	return e;
}

static void dial_next(struct gate *g, struct peer *p)
{
	while (p->next_address < p->n_address && !g->is_stopping)
		if (connect_to(g, p, &p->address[p->next_address++]) == ERR_OK)
			return;
	dial_stage(g, p, PB(RELAY_STEP, ROUTE), false, "%s", p->why);
	give_up(p, "none of its addresses answers");
}

void dial_begin(struct gate *g, struct peer *p, bool is_test)
{
	struct pb_relay m = PB_RELAY_INIT;

	if (is_test && p->may_dial) {
		p->is_tested = true;
		if (p->is_dialling && p->n_address > 0) /* it is under way, and will say the rest */
			tell_addresses(g, p);
		if (p->n_sessions >= GATE_SESSIONS_PER_PEER_MAX)
			dial_stage(g, p, PB(RELAY_STEP, ROUTE), false,
				   "it has %u connections already, of which none stands yet",
				   p->n_sessions);
	}

	if (!p->may_dial || p->is_dialling || p->n_sessions >= GATE_SESSIONS_PER_PEER_MAX ||
	    g->is_stopping)
		return;
	p->is_dialling = true;
	p->n_address = 0;
	m.has_kind = 1;
	m.kind = PB(RELAY_KIND, RESOLVE);
	m.peer = p->id.text;
	if (channel_send(g->parent, &m))
		gate_end(g, 1);
}

void dial_resolved(struct gate *g, const struct pb_relay *m)
{
	struct peer *p = m->peer ? gate_peer(g, view_str(m->peer)) : NULL;

	if (!p || !p->is_dialling)
		return;
	p->n_address = 0;
	p->next_address = 0;
	for (size_t i = 0; i < m->n_addresses && p->n_address < GATE_ADDRESSES_MAX; i++) {
		struct sockaddr_storage a = {0};

		if (m->addresses[i].len > sizeof(a))
			continue;
		memcpy(&a, m->addresses[i].data, m->addresses[i].len);
		if ((a.ss_family == AF_INET || a.ss_family == AF_INET6) &&
		    m->addresses[i].len == address_size(&a))
			p->address[p->n_address++] = a;
	}
	if (p->n_address == 0) {
		dial_stage(g, p, PB(RELAY_STEP, NAME), false,
			   "its host name has no address, or no name server answers");
		give_up(p, "its host name has no address");
		return;
	}
	tell_addresses(g, p);
	dial_next(g, p);
}

void dial_failed(struct gate *g, struct peer *p, bool was_connecting)
{
	if (!p->is_dialling)
		return;
	if (was_connecting)
		dial_next(g, p);
	else
		p->is_dialling = false; /* the connection's own line said why */
}
