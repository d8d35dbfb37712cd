#include "vault/api_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/quota.h"
#include "base/secret.h"
#include "vault/account.h"
#include "vault/api_reply.h"
#include "wire/frame.h"

#define READ_BYTES 65536u
#define KEEP_BYTES 16384u /* of an empty buffer */
#define BACKLOG 64
#define LOG_PER_S 1
#define LOG_BURST 10

/* One caller's connection; fd -1: the slot is free. */
struct api_conn {
	struct api_server *server;
	int fd;
	struct loop_watch *watch;
	struct loop_timer *timer;
	struct node_caller caller;
	struct buf in;
	struct buf out;
	unsigned n_in_flight;
	bool is_eof;	/* it will ask no more */
	bool is_ending; /* once the output is taken */
	bool is_ended;	/* until the loop has let go of it */
	bool is_timed;
	struct loop_task run_task;
	struct loop_task free_task;
};

struct api_server {
	struct loop *loop;
	int fd;
	struct loop_watch *watch;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct pb_role_setup *const *role;
	size_t n_role;
	const struct api_calls *calls;
	void *ctx;
	uint64_t n_callers; /* ever */
	struct token_bucket log_tokens;
	bool is_stopping;
	struct loop_task free_task;
	struct api_conn conn[API_CONNECTIONS_MAX];
};

static void conn_run(struct api_conn *c);

/* --- end of a connection ----------------------------------------------------------------- */

static void secret_buf_fini(struct buf *b)
{
	if (b->data)
		wipe(b->data, b->cap);
	buf_fini(b);
}

static void conn_free(void *arg)
{
	struct api_conn *c = arg;

	loop_cancel(c->server->loop, &c->run_task);
	loop_watch_free(c->watch);
	loop_timer_free(c->timer);
	secret_buf_fini(&c->in);
	secret_buf_fini(&c->out);
	(void)close(c->fd);
	*c = (struct api_conn){.server = c->server, .fd = -1};
}

static void conn_end(struct api_conn *c)
{
	if (c->is_ended)
		return;
	c->is_ended = true;
	loop_timer_stop(c->timer);
	/* Nothing can be wrong with taking interest back that matters now. */
	if (loop_watch_set(c->watch, 0))
		c->is_ending = true;
	c->server->calls->gone(c->server->ctx, c->caller.id);
	loop_defer_free(c->server->loop, &c->free_task, conn_free, c);
}

static void conn_log(struct api_conn *c, enum err e, const char *what)
{
	if (token_bucket_take(&c->server->log_tokens, loop_mono_ms()))
		log_err(LOG_WARN, e, "%s uid=%u", what, c->caller.uid);
}

/* --- requests ---------------------------------------------------------------------------- */

static void answer_error(struct api_conn *c, struct view request, Amparo__V1__ApiErrorCode code,
			 const char *text)
{
	enum err e = api_reply_error(request, code, text, &c->out);

	if (e)
		conn_end(c);
	c->is_ending = true;
}

static void take_request(struct api_conn *c, struct view request)
{
	struct api_server *s = c->server;
	enum err e;

	if (!c->caller.roles) {
		conn_log(c, err_new(ERR_DENIED, "this user has no role"), "refused a local caller");
		answer_error(c, request, PB(API_ERROR_CODE, NO_PERMISSION),
			     "you have no role on this node: its operator gives roles to users and "
			     "groups under 'roles' in the configuration");
		return;
	}
	if (s->is_stopping) {
		answer_error(c, request, PB(API_ERROR_CODE, TEMPORARY),
			     "the node is stopping: ask again when it is back");
		return;
	}
	c->n_in_flight++;
	e = s->calls->request(s->ctx, &c->caller, request);
	if (e) {
		conn_log(c, e, "refused a request");
		answer_error(c, request, PB(API_ERROR_CODE, TEMPORARY),
			     "the node cannot take the request now");
	}
}

static bool may_take(const struct api_conn *c)
{
	return !c->is_ended && !c->is_ending && c->n_in_flight < API_IN_FLIGHT_MAX &&
	       c->out.n < API_OUTPUT_HIGH;
}

static void take_requests(struct api_conn *c)
{
	while (may_take(c)) {
		struct view body;
		enum err e = frame_take(&c->in, FRAME_BODY_MAX, &body);

		if (e == ERR_AGAIN)
			return;
		if (e) {
			conn_log(c, e, "refused a request");
			answer_error(c, view_of(NULL, 0), PB(API_ERROR_CODE, PROTOCOL),
				     "a request has 1 byte to 1 MiB");
			return;
		}
		take_request(c, body);
	}
}

/* --- the connection ---------------------------------------------------------------------- */

static void shrink(struct buf *b)
{
	if (b->n == 0 && b->cap > KEEP_BYTES)
		secret_buf_fini(b);
}

static void write_some(struct api_conn *c)
{
	while (c->out.n > 0) {
		ssize_t n = send(c->fd, buf_data(&c->out), c->out.n, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			conn_end(c);
			return;
		}
		buf_consume(&c->out, (size_t)n);
	}
	shrink(&c->out);
}

/** A request that began has to come to its end; so has a caller without a role. */
static enum err set_timer(struct api_conn *c)
{
	bool wanted = c->in.n > 0 && may_take(c);

	if (!c->caller.roles || wanted == c->is_timed)
		return ERR_OK;
	c->is_timed = wanted;
	if (wanted)
		return loop_timer_set(c->timer, loop_mono_ms() + API_FRAME_MS);
	loop_timer_stop(c->timer);
	return ERR_OK;
}

static void conn_run(struct api_conn *c)
{
	unsigned interest = 0;

	if (c->is_ended)
		return;
	take_requests(c);
	write_some(c);
	if (c->is_ended)
		return;
	if (c->out.n == 0 && (c->is_ending || (c->is_eof && c->n_in_flight == 0))) {
		conn_end(c);
		return;
	}
	shrink(&c->in);
	if (!c->is_eof && may_take(c))
		interest |= LOOP_READ;
	if (c->out.n > 0)
		interest |= LOOP_WRITE;
	if (loop_watch_set(c->watch, interest) || set_timer(c))
		conn_end(c);
}

static void read_some(struct api_conn *c)
{
	uint8_t *to;
	ssize_t n;

	if (buf_reserve(&c->in, READ_BYTES, &to)) {
		conn_end(c);
		return;
	}
	n = recv(c->fd, to, READ_BYTES, 0);
	if (n > 0)
		buf_advance(&c->in, (size_t)n);
	else if (n == 0)
		c->is_eof = true;
	else if (errno != EAGAIN && errno != EINTR)
		conn_end(c);
}

static void on_ready(void *arg, unsigned ready)
{
	struct api_conn *c = arg;

	if (ready == LOOP_READ && !c->is_ended)
		read_some(c);
	conn_run(c);
}

static void on_timer(void *arg)
{
	struct api_conn *c = arg;

	conn_log(c, err_new(ERR_LIMIT, "no whole request in time"), "ended a local connection");
	conn_end(c);
}

static void on_run(void *arg)
{
	conn_run(arg);
}

void api_server_reply(struct api_server *s, uint64_t caller, struct view reply)
{
	struct api_conn *c = &s->conn[caller % API_CONNECTIONS_MAX];
	enum err e;

	if (c->fd < 0 || c->is_ended || c->caller.id != caller)
		return;
	if (api_reply_is_last(reply) && c->n_in_flight > 0)
		c->n_in_flight--;
	e = frame_put(&c->out, reply);
	if (e) {
		conn_log(c, e, "a reply does not fit, the caller is cut off");
		conn_end(c);
		return;
	}
	/* Written when the turn has said all. */
	loop_defer(s->loop, &c->run_task, on_run, c);
}

/* --- accept ------------------------------------------------------------------------------ */

static struct api_conn *slot_for(struct api_server *s, uint32_t uid)
{
	struct api_conn *found = NULL;
	size_t n_same = 0;

	for (size_t i = 0; i < API_CONNECTIONS_MAX; i++) {
		struct api_conn *c = &s->conn[i];

		if (c->fd < 0)
			found = found ? found : c;
		else if (c->caller.uid == uid)
			n_same++;
	}
	return n_same < API_CONNECTIONS_PER_UID_MAX ? found : NULL;
}

static enum err conn_open(struct api_server *s, int fd)
{
	CLEANUP(loop_watch_freep) struct loop_watch *watch = NULL;
	CLEANUP(loop_timer_freep) struct loop_timer *timer = NULL;
	struct node_caller caller = {0};
	struct api_conn *c;
	enum err e = account_of(fd, s->role, s->n_role, &caller);

	if (e)
		return err_trace(e);
	c = slot_for(s, caller.uid);
	if (!c)
		return err_new(ERR_FULL, "too many local connections, uid %u", caller.uid);
	e = loop_watch_new(s->loop, fd, on_ready, c, &watch);
	if (!e)
		e = loop_timer_new(s->loop, on_timer, c, &timer);
	if (!e)
		e = loop_watch_set(watch, LOOP_READ);
	if (!e && !caller.roles)
		e = loop_timer_set(timer, loop_mono_ms() + API_STRANGER_MS);
	if (e)
		return err_trace(e);
	caller.id = ++s->n_callers * API_CONNECTIONS_MAX + (uint64_t)(c - s->conn);
	*c = (struct api_conn){
		.server = s,
		.fd = fd,
		.watch = TAKE(watch),
		.timer = TAKE(timer),
		.caller = caller,
	};
	buf_init(&c->in, FRAME_HEAD_BYTES + FRAME_BODY_MAX + READ_BYTES);
	buf_init(&c->out, API_OUTPUT_MAX);
	return ERR_OK;
}

/** Say why to a caller that gets no place. Nothing of it is read, and nothing waited for. */
static void say_full(int fd)
{
	CLEANUP(buf_fini) struct buf out = {.limit = FRAME_HEAD_BYTES + FRAME_BODY_MAX};

	if (!api_reply_error(view_of(NULL, 0), PB(API_ERROR_CODE, TEMPORARY),
			     "too many connections to this node's local socket, by this user or by "
			     "all: end one, or ask again in a moment",
			     &out))
		(void)send(fd, buf_data(&out), out.n, MSG_NOSIGNAL);
}

static void on_listener(void *arg, unsigned ready)
{
	struct api_server *s = arg;
	int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	enum err e;

	(void)ready;
	if (fd < 0)
		return;
	e = conn_open(s, fd);
	if (!e)
		return;
	if (e == ERR_FULL)
		say_full(fd);
	if (token_bucket_take(&s->log_tokens, loop_mono_ms()))
		log_err(LOG_WARN, e, "refused a local connection");
	(void)close(fd);
}

static enum err listen_at(const char *path, int *ret)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct stat st;
	enum err e = ERR_OK;
	int fd;

	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return err_new(ERR_CONFIG, "%s is no socket: remove it, or name another path",
			       path);
	if (unlink(path) != 0 && errno != ENOENT)
		return err_new(ERR_CONFIG, "%s cannot be replaced: errno %d", path, errno);
	if (strlen(path) >= sizeof(at.sun_path))
		return err_new(ERR_CONFIG, "%s is too long for a socket", path);
	memcpy(at.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_new(ERR_IO, "socket: errno %d", errno);
	/* Everybody may connect: roles are by user and group, see account_of(). */
	if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) != 0 || chmod(path, 0666) != 0 ||
	    listen(fd, BACKLOG) != 0)
		e = err_new(ERR_CONFIG, "cannot listen on %s: errno %d", path, errno);
	if (e)
		(void)close(fd);
	else
		*ret = fd;
	return e;
}

enum err api_server_new(struct loop *loop, const char *path, struct pb_role_setup *const *role,
			size_t n_role, const struct api_calls *calls, void *ctx,
			struct api_server **ret)
{
	CLEANUP(freep) struct api_server *s = calloc(1, sizeof(*s));
	enum err e;

	if (!s)
		return err_new(ERR_NOMEM, "local socket");
	s->loop = loop;
	s->role = role;
	s->n_role = n_role;
	s->calls = calls;
	s->ctx = ctx;
	for (size_t i = 0; i < API_CONNECTIONS_MAX; i++)
		s->conn[i].fd = -1;
	token_bucket_init(&s->log_tokens, LOG_PER_S, LOG_BURST, loop_mono_ms());
	e = listen_at(path, &s->fd);
	if (e)
		return err_trace(e);
	(void)snprintf(s->path, sizeof(s->path), "%s", path);
	e = loop_watch_new(loop, s->fd, on_listener, s, &s->watch);
	if (!e)
		e = loop_watch_set(s->watch, LOOP_READ);
	if (e) {
		loop_watch_free(s->watch);
		(void)close(s->fd);
		return err_trace(e);
	}
	*ret = TAKE(s);
	return ERR_OK;
}

void api_server_stop(struct api_server *s)
{
	s->is_stopping = true;
	if (loop_watch_set(s->watch, 0))
		log_line(LOG_WARN, "the local socket stays open to the end");
	for (size_t i = 0; i < API_CONNECTIONS_MAX; i++)
		if (s->conn[i].fd >= 0 && !s->conn[i].is_ended)
			conn_run(&s->conn[i]);
}

void api_server_free(struct api_server *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < API_CONNECTIONS_MAX; i++) {
		struct api_conn *c = &s->conn[i];

		if (c->fd >= 0 && !c->is_ended)
			conn_end(c);
	}
	loop_watch_free(s->watch);
	(void)close(s->fd);
	(void)unlink(s->path);
	/* Connections that ended are freed by the loop, from these slots. */
	loop_defer_free(s->loop, &s->free_task, free, s);
}
