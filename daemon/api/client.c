#include "api/client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "wire/frame.h"

#define READ_BYTES 65536u /* room made for one read */

struct api_client {
	int fd;
	uint64_t id;	 /* of the newest request */
	bool is_waiting; /* for a reply to it */
	struct buf in;
};

static uint64_t mono_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail for this clock */
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Wait for @p events until a moment of mono_ms(). ERR_AGAIN: it has come. */
static enum err wait_for(int fd, short events, uint64_t until_ms)
{
	for (;;) {
		struct pollfd p = {.fd = fd, .events = events};
		uint64_t now_ms = mono_ms();
		int n = poll(&p, 1, now_ms < until_ms ? (int)(until_ms - now_ms) : 0);

		if (n > 0)
			return ERR_OK;
		if (n == 0)
			return err_new(ERR_AGAIN, "time-out");
		if (errno != EINTR)
			return err_new(ERR_IO, "poll: %s", strerrordesc_np(errno));
	}
}

static enum err connect_error(int number)
{
	switch (number) {
	case ENOENT:
	case ENOTDIR:
	case ECONNREFUSED:
		return err_new(ERR_NOT_FOUND, "%s", strerrordesc_np(number));
	case EACCES:
	case EPERM:
		return err_new(ERR_DENIED, "%s", strerrordesc_np(number));
	case EAGAIN: /* its queue of connections stayed full */
	case EINTR:
		return err_new(ERR_AGAIN, "time-out");
	default:
		return err_new(ERR_IO, "connect: %s", strerrordesc_np(number));
	}
}

enum err api_client_open(const char *path, int timeout_ms, struct api_client **ret)
{
	CLEANUP(api_client_freep) struct api_client *c = NULL;
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
	size_t n = strlen(path);

	if (n == 0 || n >= sizeof(to.sun_path))
		return err_new(ERR_INVALID, "a socket's path has 1 to %zu bytes",
			       sizeof(to.sun_path) - 1);
	memcpy(to.sun_path, path, n + 1);
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_new(ERR_NOMEM, "client");
	buf_init(&c->in, FRAME_HEAD_BYTES + FRAME_BODY_MAX);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* Bounds connect() only: reading and writing poll, and never block. */
	if (c->fd < 0 || setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0)
		return err_new(ERR_IO, "socket: %s", strerrordesc_np(errno));
	if (connect(c->fd, (const struct sockaddr *)&to, sizeof(to)) != 0)
		return connect_error(errno);
	*ret = TAKE(c);
	return ERR_OK;
}

void api_client_free(struct api_client *c)
{
	if (!c)
		return;
	if (c->fd >= 0)
		(void)close(c->fd);
	buf_fini(&c->in);
	free(c);
}

/* Write what is in @p out; stops without error when the node closed. */
static enum err send_all(int fd, struct buf *out, int timeout_ms)
{
	while (out->n > 0) {
		ssize_t n = send(fd, buf_data(out), out->n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0) {
			buf_consume(out, (size_t)n);
		} else if (errno == EPIPE || errno == ECONNRESET) {
			return ERR_OK;
		} else if (errno == EAGAIN) {
			enum err e = wait_for(fd, POLLOUT, mono_ms() + (unsigned int)timeout_ms);

			if (e)
				return err_trace(e);
		} else if (errno != EINTR) {
			return err_new(ERR_IO, "send: %s", strerrordesc_np(errno));
		}
	}
	return ERR_OK;
}

enum err api_client_ask(struct api_client *c, struct pb_api_request *request, int timeout_ms)
{
	CLEANUP(buf_fini) struct buf out = {.limit = FRAME_HEAD_BYTES + FRAME_BODY_MAX};
	enum err e;

	if (c->is_waiting)
		return err_new(ERR_STATE, "replies are still to come");
	request->has_id = true;
	request->id = c->id + 1;
	e = frame_put_message(&out, request);
	if (e)
		return err_trace(e);
	e = send_all(c->fd, &out, timeout_ms);
	if (e)
		return err_trace(e);
	c->id++;
	c->is_waiting = true;
	return ERR_OK;
}

bool api_client_is_waiting(const struct api_client *c)
{
	return c->is_waiting;
}

/* Take more bytes in: ERR_OK when there are some. */
static enum err receive_some(struct api_client *c, uint64_t until_ms)
{
	size_t room = FRAME_HEAD_BYTES + FRAME_BODY_MAX - c->in.n;
	uint8_t *p;
	enum err e;

	room = room < READ_BYTES ? room : READ_BYTES;
	e = buf_reserve(&c->in, room, &p);
	if (e)
		return err_trace(e);
	for (;;) {
		ssize_t n = recv(c->fd, p, room, MSG_DONTWAIT);

		if (n > 0) {
			buf_advance(&c->in, (size_t)n);
			return ERR_OK;
		}
		if (n == 0 || errno == ECONNRESET)
			return err_new(ERR_CLOSED, "the node closed the connection");
		if (errno == EAGAIN) {
			e = wait_for(c->fd, POLLIN, until_ms);
			if (e)
				return err_trace(e);
		} else if (errno != EINTR) {
			return err_new(ERR_IO, "recv: %s", strerrordesc_np(errno));
		}
	}
}

static enum err receive_frame(struct api_client *c, int timeout_ms, struct view *ret)
{
	uint64_t until_ms = mono_ms() + (unsigned int)timeout_ms;

	for (;;) {
		enum err e = frame_take(&c->in, FRAME_BODY_MAX, ret);

		if (e != ERR_AGAIN)
			return e;
		e = receive_some(c, until_ms);
		if (e)
			return err_trace(e);
	}
}

enum err api_client_next(struct api_client *c, int timeout_ms, struct pb_api_reply **ret)
{
	CLEANUP(message_freep) struct pb_api_reply *reply = NULL;
	struct view body;
	enum err e;

	if (!c->is_waiting)
		return err_new(ERR_STATE, "no reply is to come");
	e = receive_frame(c, timeout_ms, &body);
	if (e)
		return err_trace(e);
	e = message_decode(&pb_api_reply_desc, body, MESSAGE_STRICT, &reply);
	if (e)
		return err_trace(e);
	/* A node that turns a caller away may do so before it has read the request's id. */
	if (reply->has_id ? reply->id != c->id : !reply->error)
		return err_new(ERR_FORMAT, "the reply belongs to another request");
	c->is_waiting = reply->has_more && reply->more && !reply->error;
	*ret = TAKE(reply);
	return ERR_OK;
}
