#include "parent/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"

#define CHILD_PIPE 3
#define ANSWER_MAX (RESOLVE_ADDRESSES_MAX * (1 + sizeof(struct sockaddr_in6)))

/* One name; fd -1: free. */
struct resolve_job {
	struct resolver *resolver;
	struct agency_id peer;
	int fd;
	struct loop_watch *watch;
	struct loop_task free_task;
	struct buf answer; /* {u8 length, sockaddr} ... */
};

struct resolver {
	struct loop *loop;
	resolve_fn fn;
	void *ctx;
	struct resolve_job job[RESOLVE_AT_ONCE_MAX];
};

/** Look up and write down as many as fit; nothing when there is none. */
static void look_up(const struct config_address *a, int flags, struct buf *out)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = flags | AI_NUMERICSERV,
	};
	struct addrinfo *found = NULL;
	char port[8];

	(void)snprintf(port, sizeof(port), "%u", a->port);
	if (getaddrinfo(a->host, port, &hints, &found))
		return;
	for (const struct addrinfo *at = found; at; at = at->ai_next) {
		if (at->ai_addrlen > sizeof(struct sockaddr_in6))
			continue;
		if (out->n + 1 + at->ai_addrlen > ANSWER_MAX ||
		    buf_put_u8(out, (uint8_t)at->ai_addrlen) ||
		    buf_put(out, at->ai_addr, at->ai_addrlen))
			break;
	}
	freeaddrinfo(found);
}

static void answer(struct resolver *r, const struct agency_id *peer, struct view v)
{
	ProtobufCBinaryData address[RESOLVE_ADDRESSES_MAX];
	size_t n = 0;

	while (v.n > 0 && n < RESOLVE_ADDRESSES_MAX && v.n > v.p[0]) {
		address[n++] = message_borrow(view_of(v.p + 1, v.p[0]));
		v = view_of(v.p + 1 + v.p[0], v.n - 1 - v.p[0]);
	}
	r->fn(r->ctx, peer, address, n);
}

/* --- the short-lived process ------------------------------------------------------------- */

static _Noreturn void resolve_and_exit(const struct config_address *a, int fd)
{
	static const int as_usual[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGALRM};
	CLEANUP(buf_fini) struct buf out = {0};

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	for (size_t i = 0; i < ARRAY_LEN(as_usual); i++) {
		struct sigaction usual = {.sa_handler = SIG_DFL};

		(void)sigaction(as_usual[i], &usual, NULL);
	}
	if (fd != CHILD_PIPE && dup2(fd, CHILD_PIPE) < 0)
		_exit(1);
	(void)close_range(CHILD_PIPE + 1, ~0U, 0);
	(void)alarm(RESOLVE_S);
	look_up(a, AI_ADDRCONFIG, &out);
	/* Fits a pipe's buffer, so at once or not at all. */
	_exit(out.n > 0 && write(CHILD_PIPE, buf_data(&out), out.n) != (ssize_t)out.n);
}

static void job_free(void *arg)
{
	struct resolve_job *j = arg;

	loop_watch_free(j->watch);
	(void)close(j->fd);
	buf_fini(&j->answer);
	*j = (struct resolve_job){.resolver = j->resolver, .fd = -1};
}

static void job_end(struct resolve_job *j)
{
	if (loop_watch_set(j->watch, 0))
		buf_clear(&j->answer);
	answer(j->resolver, &j->peer, buf_view(&j->answer));
	loop_defer_free(j->resolver->loop, &j->free_task, job_free, j);
}

static void on_answer(void *arg, unsigned ready)
{
	struct resolve_job *j = arg;
	uint8_t *to;
	ssize_t n;

	(void)ready;
	if (buf_reserve(&j->answer, ANSWER_MAX - j->answer.n + 1, &to)) {
		job_end(j);
		return;
	}
	n = read(j->fd, to, ANSWER_MAX - j->answer.n + 1);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		buf_advance(&j->answer, (size_t)n);
	if (n > 0 && j->answer.n <= ANSWER_MAX)
		return;
	job_end(j);
}

static enum err job_begin(struct resolve_job *j, const struct config_peer *peer)
{
	int fds[2];
	pid_t pid;
	enum err e;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0)
		return err_new(ERR_IO, "pipe: errno %d", errno);
	e = loop_watch_new(j->resolver->loop, fds[0], on_answer, j, &j->watch);
	if (!e)
		e = loop_watch_set(j->watch, LOOP_READ);
	pid = e ? -1 : fork();
	if (pid == 0)
		resolve_and_exit(&peer->address, fds[1]);
	(void)close(fds[1]);
	if (pid < 0) {
		loop_watch_free(j->watch);
		j->watch = NULL;
		(void)close(fds[0]);
		return e ? e : err_new(ERR_IO, "fork: errno %d", errno);
	}
	j->fd = fds[0];
	j->peer = peer->id;
	return ERR_OK;
}

/* --- the resolver ------------------------------------------------------------------------ */

enum err resolver_new(struct loop *loop, resolve_fn fn, void *ctx, struct resolver **ret)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (!r)
		return err_new(ERR_NOMEM, "resolver");
	r->loop = loop;
	r->fn = fn;
	r->ctx = ctx;
	for (size_t i = 0; i < RESOLVE_AT_ONCE_MAX; i++)
		r->job[i] = (struct resolve_job){.resolver = r, .fd = -1};
	*ret = r;
	return ERR_OK;
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < RESOLVE_AT_ONCE_MAX; i++)
		if (r->job[i].fd >= 0)
			job_free(&r->job[i]);
	free(r);
}

void resolve_begin(struct resolver *r, const struct config_peer *peer)
{
	CLEANUP(buf_fini) struct buf known = {0};

	look_up(&peer->address, AI_NUMERICHOST, &known);
	if (known.n > 0) {
		answer(r, &peer->id, buf_view(&known));
		return;
	}
	for (size_t i = 0; i < RESOLVE_AT_ONCE_MAX; i++)
		if (r->job[i].fd < 0) {
			if (job_begin(&r->job[i], peer) == ERR_OK)
				return;
			break;
		}
	/* None, or none free: the node tries again later by itself. */
	answer(r, &peer->id, view_of(NULL, 0));
}
