/* Handing over: messages and descriptors over a socket pair. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "process/harden.h"
#include "process/setup.h"
#include "wire/frame.h"

static int pair[2];

static int open_pair(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
}

static int close_pair(void **state)
{
	(void)state;
	(void)close(pair[0]);
	(void)close(pair[1]);
	return 0;
}

static void test_message(void **state)
{
	CLEANUP(message_freep) struct pb_trust_setup *got = NULL;
	struct pb_trust_setup t = PB_TRUST_SETUP_INIT;
	char domain[] = "a.example";

	(void)state;
	t.domain = domain;
	t.has_ca_pem = 1;
	t.ca_pem = message_borrow(view_str("secret"));
	assert_int_equal(setup_send(pair[0], &t), ERR_OK);
	assert_int_equal(setup_receive(pair[1], &pb_trust_setup_desc, &got), ERR_OK);
	assert_string_equal(got->domain, "a.example");
	assert_int_equal(got->ca_pem.len, 6);
	setup_wipe(&got->ca_pem);
	assert_memory_equal(got->ca_pem.data, "\0\0\0\0\0\0", 6);
	assert_false(got->has_crl_pem);
}

static void test_too_long(void **state)
{
	static uint8_t much[FRAME_RELAY_MAX];
	struct pb_trust_setup t = PB_TRUST_SETUP_INIT;

	(void)state;
	t.has_crl_pem = 1;
	t.crl_pem = message_borrow(view_of(much, sizeof(much)));
	assert_int_equal(setup_send(pair[0], &t), ERR_LIMIT);
}

static void receive_fails(struct view sent, enum err expected)
{
	struct pb_trust_setup *got = NULL;

	assert_int_equal(write(pair[0], sent.p, sent.n), sent.n);
	assert_int_equal(shutdown(pair[0], SHUT_WR), 0);
	assert_int_equal(setup_receive(pair[1], &pb_trust_setup_desc, &got), expected);
	assert_null(got);
}

static void test_cut_off_in_head(void **state)
{
	(void)state;
	receive_fails(view_of("\0\0\0", 3), ERR_IO);
}

static void test_cut_off_in_body(void **state)
{
	(void)state;
	receive_fails(view_of("\0\0\0\5abcd", 8), ERR_IO);
}

static void test_impossible_length(void **state)
{
	(void)state;
	receive_fails(view_of("\xff\xff\xff\xff", 4), ERR_LIMIT);
}

static void test_no_message(void **state)
{
	(void)state;
	receive_fails(view_of("\0\0\0\1\xff", 5), ERR_FORMAT);
}

static void test_descriptor(void **state)
{
	int pipe_fd[2], got = -1;
	char byte = 0;

	(void)state;
	assert_int_equal(pipe(pipe_fd), 0);
	assert_int_equal(setup_send_fd(pair[0], pipe_fd[1]), ERR_OK);
	assert_int_equal(setup_receive_fd(pair[1], &got), ERR_OK);
	assert_int_not_equal(got, pipe_fd[1]);
	assert_int_equal(write(got, "x", 1), 1);
	assert_int_equal(read(pipe_fd[0], &byte, 1), 1);
	assert_int_equal(byte, 'x');
	(void)close(got);
	(void)close(pipe_fd[0]);
	(void)close(pipe_fd[1]);
}

static void test_no_descriptor(void **state)
{
	int got = -1;

	(void)state;
	assert_int_equal(write(pair[0], "L", 1), 1);
	assert_int_equal(setup_receive_fd(pair[1], &got), ERR_FORMAT);
	assert_int_equal(got, -1);
}

static void test_kind_of_descriptor(void **state)
{
	int pipe_fd[2];

	(void)state;
	assert_int_equal(pipe(pipe_fd), 0);
	assert_true(harden_is_socketpair(pair[0]));
	assert_false(harden_is_socketpair(pipe_fd[0]));
	assert_false(harden_is_socketpair(-1));
	(void)close(pipe_fd[0]);
	(void)close(pipe_fd[1]);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_pair, close_pair)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_message),	 T(test_too_long),	    T(test_cut_off_in_head),
		T(test_cut_off_in_body), T(test_impossible_length), T(test_no_message),
		T(test_descriptor),	 T(test_no_descriptor),	    T(test_kind_of_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
