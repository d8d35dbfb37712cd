#include "gate/internal.h"

#include <errno.h>
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

static socklen_t address_size(const struct sockaddr_storage *a)
{
	return a->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

static enum err connect_to(struct gate *g, struct peer *p, const struct sockaddr_storage *a)
{
	int fd = socket(a->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct conn *c;
	enum err e;

	if (fd < 0)
		return err_new(ERR_IO, "socket: errno %d", errno);
	if (connect(fd, (const struct sockaddr *)a, address_size(a)) != 0 && errno != EINPROGRESS)
		e = err_new(ERR_IO, "connect: errno %d", errno);
	else
		e = conn_open(g, fd, a, p, &c);
	if (e)
		(void)close(fd);
	return e;
}

static void dial_next(struct gate *g, struct peer *p)
{
	while (p->next_address < p->n_address && !g->is_stopping)
		if (connect_to(g, p, &p->address[p->next_address++]) == ERR_OK)
			return;
	give_up(p, "none of its addresses answers");
}

void dial_begin(struct gate *g, struct peer *p)
{
	struct pb_relay m = PB_RELAY_INIT;

	if (!p->may_dial || p->is_dialling || p->n_sessions >= GATE_SESSIONS_PER_PEER_MAX ||
	    g->is_stopping)
		return;
	p->is_dialling = true;
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
	if (p->n_address == 0)
		give_up(p, "its host name has no address");
	else
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
