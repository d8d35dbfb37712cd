/* What of a session's frames goes to the gate at once, and what waits. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "vault/session.h"
#include "wire/frame.h"

#define QUARTER (SESSION_WINDOW / 4 - FRAME_HEAD_BYTES)

static struct loop *loop;
static struct channel *channel;
static struct session_table table;
static int gate_fd; /* the gate's end, read by hand */
static struct buf at_gate;
static uint8_t much[FRAME_BODY_MAX];

static void no_message(void *ctx, const struct pb_relay *m)
{
	(void)ctx;
	(void)m;
}

static void no_end(void *ctx, enum err e)
{
	(void)ctx;
	(void)e;
}

static const struct channel_calls calls = {.message = no_message, .ended = no_end};

static void be_silent(void *ctx, enum log_level level, const char *line)
{
	(void)ctx;
	(void)level;
	(void)line;
}

static int begin(void **state)
{
	int fd[2];

	(void)state;
	log_set_sink(be_silent, NULL);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	assert_int_equal(loop_new(&loop), ERR_OK);
	assert_int_equal(channel_new(loop, fd[0], &calls, NULL, &channel), ERR_OK);
	gate_fd = fd[1];
	assert_int_equal(fcntl(gate_fd, F_SETFL, O_NONBLOCK), 0);
	table = (struct session_table){.gate = channel};
	assert_int_equal(session_table_add(&table, 1), ERR_OK);
	assert_int_equal(session_table_add(&table, 2), ERR_OK);
	return 0;
}

static int end(void **state)
{
	(void)state;
	session_table_fini(&table);
	channel_free(channel);
	loop_free(loop);
	(void)close(gate_fd);
	buf_fini(&at_gate);
	return 0;
}

/* Bytes of frames that have come to the gate for @p session since the last call; -1: CLOSE. */
static long come_to(uint64_t session)
{
	struct view body;
	long n_bytes = 0;
	ssize_t n;

	do {
		uint8_t *to;

		channel_flush(channel);
		assert_int_equal(buf_reserve(&at_gate, 65536, &to), ERR_OK);
		n = read(gate_fd, to, 65536);
		if (n > 0)
			buf_advance(&at_gate, (size_t)n);
	} while (n > 0);
	while (frame_take(&at_gate, FRAME_RELAY_MAX, &body) == ERR_OK) {
		CLEANUP(message_freep) struct pb_relay *m = NULL;

		assert_int_equal(message_decode(&pb_relay_desc, body, MESSAGE_STRICT, &m), ERR_OK);
		assert_int_equal(m->session, session);
		assert_true(n_bytes >= 0);
		n_bytes = m->kind == PB(RELAY_KIND, CLOSE) ? -1 : n_bytes + (long)m->frame.len;
	}
	return n_bytes;
}

static void send_to(uint64_t session, size_t n)
{
	assert_int_equal(session_send(&table, session, view_of(much, n)), ERR_OK);
}

static void test_window(void **state)
{
	(void)state;
	for (int i = 0; i < 6; i++)
		send_to(1, QUARTER);
	assert_int_equal(come_to(1), 4 * QUARTER);
	/* Another session has its own. */
	send_to(2, 10);
	assert_int_equal(come_to(2), 10);
	assert_int_equal(session_sent(&table, 1, QUARTER + FRAME_HEAD_BYTES), ERR_OK);
	assert_int_equal(come_to(1), QUARTER);
	assert_int_equal(session_sent(&table, 1, UINT64_MAX), ERR_OK);
	assert_int_equal(come_to(1), QUARTER);
	assert_int_equal(session_sent(&table, 1, UINT64_MAX), ERR_OK);
	assert_int_equal(come_to(1), 0);
}

static void test_the_largest_frame_goes_alone(void **state)
{
	(void)state;
	send_to(1, 1);
	send_to(1, FRAME_BODY_MAX);
	send_to(1, 2);
	assert_int_equal(come_to(1), 1);
	assert_int_equal(session_sent(&table, 1, 5), ERR_OK);
	assert_int_equal(come_to(1), FRAME_BODY_MAX);
	assert_int_equal(session_sent(&table, 1, FRAME_BODY_MAX + 4), ERR_OK);
	assert_int_equal(come_to(1), 2);
}

static void test_close_comes_last(void **state)
{
	(void)state;
	send_to(1, FRAME_BODY_MAX);
	send_to(1, 3);
	assert_int_equal(session_close(&table, 1), ERR_OK);
	send_to(1, 4); /* after the close: swallowed */
	assert_int_equal(come_to(1), FRAME_BODY_MAX);
	assert_int_equal(session_sent(&table, 1, FRAME_BODY_MAX + 4), ERR_OK);
	assert_int_equal(come_to(1), -1);
	assert_int_equal(session_close(&table, 1), ERR_OK);
	assert_int_equal(come_to(1), 0);
}

static void test_close_at_once(void **state)
{
	(void)state;
	assert_int_equal(session_close(&table, 2), ERR_OK);
	assert_int_equal(come_to(2), -1);
}

static void test_a_session_that_is_none(void **state)
{
	(void)state;
	send_to(3, 5);
	assert_int_equal(session_close(&table, 3), ERR_OK);
	assert_int_equal(session_sent(&table, 3, 5), ERR_OK);
	assert_false(session_table_remove(&table, 3));
	assert_true(session_table_remove(&table, 1));
	assert_false(session_table_remove(&table, 1));
	send_to(1, 5);
	assert_int_equal(come_to(0), 0);
}

static void test_who_takes_nothing_is_closed(void **state)
{
	long n = 0;

	(void)state;
	for (int i = 0; i < 18; i++)
		send_to(1, FRAME_BODY_MAX - FRAME_HEAD_BYTES);
	n = come_to(1);
	assert_int_equal(n, -1);
	send_to(1, 5);
	assert_int_equal(come_to(1), 0);
}

static void test_a_full_channel_holds_all(void **state)
{
	(void)state;
	for (uint64_t i = 10; !channel_is_full(channel); i++) {
		assert_int_equal(session_table_add(&table, i), ERR_OK);
		send_to(i, FRAME_BODY_MAX);
	}
	send_to(2, 10);
	while (channel_queued(channel) > 0) {
		static uint8_t away[65536];

		channel_flush(channel);
		while (read(gate_fd, away, sizeof(away)) > 0)
			;
	}
	/* What the loop would now find out: there is room. */
	assert_true(channel_is_full(channel));
	assert_int_equal(session_table_resume(&table), ERR_OK);
	assert_int_equal(come_to(2), 0);
}

static void test_a_gate_keeps_to_its_credit(void **state)
{
	(void)state;
	assert_int_equal(session_take(&table, 1, FRAME_BODY_MAX), ERR_OK);
	assert_int_equal(session_take(&table, 1, FRAME_BODY_MAX), ERR_OK);
	assert_int_equal(session_take(&table, 1, 1), ERR_FULL);
	/* Another session has its own. */
	assert_int_equal(session_take(&table, 2, FRAME_BODY_MAX), ERR_OK);
	assert_int_equal(session_credit(&table, 1, 10), ERR_OK);
	assert_int_equal(session_take(&table, 1, 11), ERR_FULL);
	assert_int_equal(session_take(&table, 1, 10), ERR_OK);
	assert_int_equal(come_to(1), 0); /* told of the credit, and to close nothing */
	/* More than was taken gives no more than there is. */
	assert_int_equal(session_credit(&table, 1, SIZE_MAX), ERR_OK);
	assert_int_equal(session_take(&table, 1, 2 * FRAME_BODY_MAX), ERR_OK);
	assert_int_equal(session_take(&table, 1, 1), ERR_FULL);
	assert_int_equal(session_take(&table, 3, 1), ERR_NOT_FOUND);
	assert_int_equal(session_credit(&table, 3, 1), ERR_OK);
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_window),
		T(test_the_largest_frame_goes_alone),
		T(test_close_comes_last),
		T(test_close_at_once),
		T(test_a_session_that_is_none),
		T(test_who_takes_nothing_is_closed),
		T(test_a_full_channel_holds_all),
		T(test_a_gate_keeps_to_its_credit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
