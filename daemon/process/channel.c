#include "process/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "wire/frame.h"

#define READ_BYTES 65536u
/* Of an empty buffer; larger ones are given back. Two batches, and what is queued behind them. */
#define KEEP_BYTES (2u * 1024u * 1024u)

struct channel {
	struct loop *loop;
	int fd;
	struct loop_watch *watch;
	const struct channel_calls *calls;
	void *ctx;
	struct buf in;
	struct buf out;
	struct loop_task write_task;
	struct loop_task end_task;
	enum err end; /* why it ended */
	bool is_full;
	bool is_ended;
};

static void shrink(struct buf *b)
{
	if (b->n == 0 && b->cap > KEEP_BYTES)
		buf_fini(b);
}

static void say_end(void *arg)
{
	struct channel *c = arg;

	c->calls->ended(c->ctx, c->end);
}

/* The owner hears of it from the loop, not within a call of its own. */
static void end(struct channel *c, enum err e)
{
	if (c->is_ended)
		return;
	c->is_ended = true;
	c->end = e;
	buf_clear(&c->out);
	if (loop_watch_set(c->watch, 0) != ERR_OK)
		c->end = ERR_IO;
	loop_defer(c->loop, &c->end_task, say_end, c);
}

static void write_some(struct channel *c)
{
	while (c->out.n > 0) {
		ssize_t n = write(c->fd, buf_data(&c->out), c->out.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			end(c, errno == EPIPE || errno == ECONNRESET
				       ? ERR_CLOSED
				       : err_new(ERR_IO, "channel: errno %d", errno));
			return;
		}
		buf_consume(&c->out, (size_t)n);
	}
	shrink(&c->out);
}

static void set_interest(struct channel *c)
{
	enum err e;

	if (c->is_ended)
		return;
	e = loop_watch_set(c->watch, LOOP_READ | (c->out.n > 0 ? LOOP_WRITE : 0));
	if (e)
		end(c, e);
}

static void output(struct channel *c)
{
	write_some(c);
	set_interest(c);
	if (c->is_full && !c->is_ended && c->out.n < CHANNEL_OUTPUT_LOW) {
		c->is_full = false;
		if (c->calls->drained)
			c->calls->drained(c->ctx);
	}
}

static void on_write_task(void *arg)
{
	output(arg);
}

static void take_messages(struct channel *c)
{
	while (!c->is_ended) {
		CLEANUP(message_freep) struct pb_relay *m = NULL;
		struct view body;
		enum err e = frame_take(&c->in, FRAME_RELAY_MAX, &body);

		if (e == ERR_AGAIN)
			break;
		if (!e)
			e = message_decode(&pb_relay_desc, body, MESSAGE_BORROW, &m);
		if (!e && !m->has_kind)
			e = err_new(ERR_FORMAT, "relay without a kind");
		if (e) {
			end(c, e);
			break;
		}
		c->calls->message(c->ctx, m);
	}
	shrink(&c->in);
}

static void input(struct channel *c)
{
	size_t missing = frame_missing(&c->in, FRAME_RELAY_MAX);
	size_t room = missing ? missing : READ_BYTES;
	uint8_t *to;
	ssize_t n;
	enum err e = buf_reserve(&c->in, room, &to);

	if (e) {
		end(c, e);
		return;
	}
	n = read(c->fd, to, room);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end(c, n == 0 || errno == ECONNRESET
			       ? err_new(ERR_CLOSED, "channel: the other process ended")
			       : err_new(ERR_IO, "channel: errno %d", errno));
		return;
	}
	buf_advance(&c->in, (size_t)n);
	take_messages(c);
}

static void on_ready(void *arg, unsigned ready)
{
	struct channel *c = arg;

	if (c->is_ended)
		return;
	if (ready == LOOP_READ)
		input(c);
	else
		output(c);
}

enum err channel_new(struct loop *loop, int fd, const struct channel_calls *calls, void *ctx,
		     struct channel **ret)
{
	CLEANUP(freep) struct channel *c = calloc(1, sizeof(*c));
	int flags = fcntl(fd, F_GETFL);
	enum err e;

	if (!c)
		return err_new(ERR_NOMEM, "channel");
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
		return err_new(ERR_IO, "channel: errno %d", errno);
	c->loop = loop;
	c->calls = calls;
	c->ctx = ctx;
	e = loop_watch_new(loop, fd, on_ready, c, &c->watch);
	if (e)
		return err_trace(e);
	e = loop_watch_set(c->watch, LOOP_READ);
	if (e) {
		loop_watch_free(c->watch);
		return err_trace(e);
	}
	c->fd = fd;
	*ret = TAKE(c);
	return ERR_OK;
}

void channel_free(struct channel *c)
{
	if (!c)
		return;
	loop_cancel(c->loop, &c->write_task);
	loop_cancel(c->loop, &c->end_task);
	loop_watch_free(c->watch);
	(void)close(c->fd);
	buf_fini(&c->in);
	buf_fini(&c->out);
	free(c);
}

enum err channel_send(struct channel *c, const struct pb_relay *m)
{
	enum err e;

	if (c->is_ended)
		return ERR_OK;
	e = frame_put_relay(&c->out, m);
	if (e)
		return err_trace(e);
	if (c->out.n >= CHANNEL_OUTPUT_HIGH)
		c->is_full = true;
	loop_defer(c->loop, &c->write_task, on_write_task, c);
	return ERR_OK;
}

enum err channel_send_kind(struct channel *c, Amparo__V1__RelayKind kind)
{
	struct pb_relay m = PB_RELAY_INIT;

	m.has_kind = 1;
	m.kind = kind;
	return channel_send(c, &m);
}

size_t channel_queued(const struct channel *c)
{
	return c->out.n;
}

bool channel_is_full(const struct channel *c)
{
	return c->is_full;
}

void channel_flush(struct channel *c)
{
	if (!c->is_ended)
		write_some(c);
}
