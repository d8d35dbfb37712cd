/* Two ends of a channel on one loop. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "process/channel.h"
#include "wire/frame.h"

#define GIVE_UP_MS 20000

/* One end, and what it saw. */
struct end {
	struct fixture *all;
	struct channel *channel;
	unsigned n_messages;
	uint64_t next_session; /* messages come in order */
	size_t n_bytes;
	unsigned n_drained;
	unsigned n_ended;
	enum err why;
};

struct fixture {
	struct loop *loop;
	struct loop_timer *guard;
	struct end a, b;
	int fd[2];
	unsigned stop_after; /* messages at b */
};

static void on_message(void *ctx, const struct pb_relay *m)
{
	struct end *e = ctx;

	assert_int_equal(m->session, e->next_session++);
	e->n_bytes += m->frame.len;
	if (++e->n_messages == e->all->stop_after)
		loop_stop(e->all->loop);
}

static void on_drained(void *ctx)
{
	struct end *e = ctx;

	e->n_drained++;
}

static void on_ended(void *ctx, enum err why)
{
	struct end *e = ctx;

	e->n_ended++;
	e->why = why;
	loop_stop(e->all->loop);
}

static const struct channel_calls calls = {
	.message = on_message,
	.drained = on_drained,
	.ended = on_ended,
};

static void on_give_up(void *arg)
{
	(void)arg;
	fail_msg("nothing happened for %d ms", GIVE_UP_MS);
}

static struct fixture f;

static int open_channels(void **state)
{
	(void)state;
	f = (struct fixture){0};
	f.a.all = f.b.all = &f;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, f.fd), 0);
	assert_int_equal(loop_new(&f.loop), ERR_OK);
	assert_int_equal(loop_timer_new(f.loop, on_give_up, NULL, &f.guard), ERR_OK);
	assert_int_equal(loop_timer_set(f.guard, loop_mono_ms() + GIVE_UP_MS), ERR_OK);
	assert_int_equal(channel_new(f.loop, f.fd[0], &calls, &f.a, &f.a.channel), ERR_OK);
	return 0;
}

static int close_channels(void **state)
{
	(void)state;
	channel_free(f.a.channel);
	if (f.b.channel)
		channel_free(f.b.channel);
	else if (f.fd[1] >= 0)
		(void)close(f.fd[1]);
	loop_timer_free(f.guard);
	loop_free(f.loop);
	return 0;
}

static void open_b(void)
{
	assert_int_equal(channel_new(f.loop, f.fd[1], &calls, &f.b, &f.b.channel), ERR_OK);
}

static enum err send_bytes(uint64_t session, const uint8_t *p, size_t n)
{
	struct pb_relay m = PB_RELAY_INIT;

	m.has_kind = 1;
	m.kind = PB(RELAY_KIND, FRAME);
	m.has_session = 1;
	m.session = session;
	m.has_frame = n > 0;
	m.frame = message_borrow(view_of(p, n));
	return channel_send(f.a.channel, &m);
}

static uint8_t much[FRAME_BODY_MAX];

static void test_order_and_sizes(void **state)
{
	static const size_t size[] = {0, 1, 100, FRAME_BODY_MAX, 2, 70000, FRAME_BODY_MAX, 0};
	size_t n_bytes = 0;

	(void)state;
	open_b();
	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(send_bytes(i, much, size[i]), ERR_OK);
		n_bytes += size[i];
	}
	f.stop_after = 8;
	assert_int_equal(loop_run(f.loop), ERR_OK);
	assert_int_equal(f.b.n_messages, 8);
	assert_int_equal(f.b.n_bytes, n_bytes);
	assert_int_equal(channel_queued(f.a.channel), 0);
}

static void test_full_and_drained(void **state)
{
	unsigned n = 0;

	(void)state;
	while (!channel_is_full(f.a.channel))
		assert_int_equal(send_bytes(n++, much, sizeof(much)), ERR_OK);
	assert_true(channel_queued(f.a.channel) >= CHANNEL_OUTPUT_HIGH);
	assert_int_equal(f.a.n_drained, 0);
	open_b();
	f.stop_after = n;
	assert_int_equal(loop_run(f.loop), ERR_OK);
	assert_int_equal(f.a.n_drained, 1);
	assert_false(channel_is_full(f.a.channel));
}

static void test_too_long_is_refused_alone(void **state)
{
	static uint8_t more[FRAME_RELAY_MAX];

	(void)state;
	open_b();
	assert_int_equal(send_bytes(7, more, sizeof(more)), ERR_LIMIT);
	assert_int_equal(send_bytes(0, NULL, 0), ERR_OK);
	f.stop_after = 1;
	assert_int_equal(loop_run(f.loop), ERR_OK);
}

static void test_other_end_closes(void **state)
{
	(void)state;
	(void)close(f.fd[1]);
	f.fd[1] = -1;
	assert_int_equal(loop_run(f.loop), ERR_OK);
	assert_int_equal(f.a.n_ended, 1);
	assert_int_equal(f.a.why, ERR_CLOSED);
	/* Nothing more, and no complaint. */
	assert_int_equal(send_bytes(0, much, 1), ERR_OK);
	assert_int_equal(channel_queued(f.a.channel), 0);
}

static void test_what_came_before_the_close_is_told(void **state)
{
	struct pb_relay m = PB_RELAY_INIT;
	CLEANUP(buf_fini) struct buf out = {0};

	(void)state;
	m.has_kind = 1;
	m.kind = PB(RELAY_KIND, READY);
	m.has_session = 1;
	assert_int_equal(frame_put_relay(&out, &m), ERR_OK);
	assert_int_equal(write(f.fd[1], buf_data(&out), out.n), out.n);
	(void)close(f.fd[1]);
	f.fd[1] = -1;
	assert_int_equal(loop_run(f.loop), ERR_OK);
	assert_int_equal(f.a.n_messages, 1);
	assert_int_equal(f.a.n_ended, 1);
}

static void ends_with(const char *bytes, size_t n, enum err why)
{
	assert_int_equal(write(f.fd[1], bytes, n), n);
	assert_int_equal(loop_run(f.loop), ERR_OK);
	assert_int_equal(f.a.n_messages, 0);
	assert_int_equal(f.a.n_ended, 1);
	assert_int_equal(f.a.why, why);
}

static void test_length_0(void **state)
{
	(void)state;
	ends_with("\0\0\0\0", 4, ERR_FORMAT);
}

static void test_length_too_long(void **state)
{
	(void)state;
	ends_with("\xff\xff\xff\xff", 4, ERR_LIMIT);
}

static void test_no_relay(void **state)
{
	(void)state;
	ends_with("\0\0\0\1\xff", 5, ERR_FORMAT);
}

static void test_no_kind(void **state)
{
	(void)state;
	ends_with("\0\0\0\2\x10\1", 6, ERR_FORMAT);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_channels, close_channels)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_order_and_sizes),
		T(test_full_and_drained),
		T(test_too_long_is_refused_alone),
		T(test_other_end_closes),
		T(test_what_came_before_the_close_is_told),
		T(test_length_0),
		T(test_length_too_long),
		T(test_no_relay),
		T(test_no_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
