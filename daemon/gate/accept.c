#include "gate/internal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

#define ACCEPTS_PER_ROUND 16

static void listeners_set(struct gate *g, unsigned interest)
{
	for (size_t i = 0; i < g->n_listener; i++)
		if (loop_watch_set(g->listener[i].watch, interest))
			gate_end(g, 1);
}

/* Too many, or no descriptor left: the backlog waits for us. */
static void rest(struct gate *g)
{
	listeners_set(g, 0);
	if (loop_timer_set(g->accept_timer, loop_mono_ms() + GATE_ACCEPT_PAUSE_MS))
		gate_end(g, 1);
}

void gate_listen_resume(void *gate)
{
	struct gate *g = gate;

	listeners_set(g, LOOP_READ);
}

/* One network for IPv6: a host has a /64 to itself. */
static bool is_same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET) {
		const struct sockaddr_in *x = (const void *)a, *y = (const void *)b;

		return x->sin_addr.s_addr == y->sin_addr.s_addr;
	}
	return memcmp(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
		      &((const struct sockaddr_in6 *)(const void *)b)->sin6_addr, 8) == 0;
}

static bool is_unknown(const struct conn *c)
{
	return !c->peer && (c->state == CONN_SILENT || c->state == CONN_LINKED);
}

/** Is there room for one more that nobody knows? The oldest makes it when all is taken. */
static bool make_room(struct gate *g, const struct sockaddr_storage *address)
{
	struct conn *oldest = NULL;
	size_t n_all = 0, n_same = 0;

	for (size_t i = 0; i < g->n_slots; i++) {
		struct conn *c = &g->conn[i];

		if (!is_unknown(c))
			continue;
		n_all++;
		if (is_same_host(&c->address, address))
			n_same++;
		if (!oldest || c->since_ms < oldest->since_ms)
			oldest = c;
	}
	if (n_same >= GATE_UNKNOWN_PER_ADDRESS_MAX)
		return false;
	if (n_all >= GATE_UNKNOWN_MAX)
		conn_end(oldest);
	return true;
}

static void accepted(struct gate *g, int fd, const struct sockaddr_storage *address)
{
	struct conn *c;

	if (make_room(g, address) && conn_open(g, fd, address, NULL, &c) == ERR_OK)
		return;
	g->n_unlogged++;
	(void)close(fd);
}

static void on_listener(void *arg, unsigned ready)
{
	struct listener *l = arg;

	(void)ready;
	for (int i = 0; i < ACCEPTS_PER_ROUND; i++) {
		struct sockaddr_storage address = {0};
		socklen_t n = sizeof(address);
		int fd;

		if (!token_bucket_take(&l->gate->accept_tokens, loop_mono_ms())) {
			rest(l->gate);
			return;
		}
		fd = accept4(l->fd, (struct sockaddr *)&address, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			accepted(l->gate, fd, &address);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
			   errno == ENOBUFS) {
			log_line(LOG_WARN, "cannot accept, trying again errno=%d", errno);
			rest(l->gate);
			return;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			return;
		}
	}
}

enum err gate_listen(struct gate *g, int fd)
{
	struct listener *l = &g->listener[g->n_listener];
	enum err e = loop_watch_new(g->loop, fd, on_listener, l, &l->watch);

	if (e)
		return err_trace(e);
	l->fd = fd;
	l->gate = g;
	g->n_listener++;
	return loop_watch_set(l->watch, LOOP_READ);
}

void gate_listen_close(struct gate *g)
{
	if (g->accept_timer)
		loop_timer_stop(g->accept_timer);
	for (size_t i = 0; i < g->n_listener; i++) {
		loop_watch_free(g->listener[i].watch);
		(void)close(g->listener[i].fd);
	}
	g->n_listener = 0;
}
