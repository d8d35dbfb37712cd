/* Each state and each slowness has its end; time is what the test says, from 0 on. */
#include "pair.h"

/* Nothing happens until just before @p at, then the link ends with ERR_LIMIT. */
static void expect_end(struct link *l, uint64_t at)
{
	assert_true(link_deadline_ms(l) == at);
	assert_int_equal(link_tick(l, at - 1), ERR_OK);
	assert_int_equal(link_error(l), ERR_OK);
	assert_int_equal(link_tick(l, at), ERR_LIMIT);
	assert_int_equal(link_error(l), ERR_LIMIT);
}

static void a_handshake_that_does_not_come(void **state)
{
	struct pair *p = *state;

	expect_end(p->b, LINK_HANDSHAKE_MS);
	assert_int_equal(link_state(p->b), LINK_CLOSED);
	expect_end(p->a, LINK_HANDSHAKE_MS);
	assert_int_equal(link_state(p->a), LINK_CLOSED);
	assert_int_equal(link_tick(p->a, UINT64_MAX - 1), ERR_OK);
}

static void a_handshake_that_trickles(void **state)
{
	struct pair *p = *state;
	enum err e = ERR_OK;

	p->piece = 1;
	for (p->now = 0; p->now < LINK_HANDSHAKE_MS; p->now += 100)
		assert_true(carry(p, p->a, p->b, &e) && !e);
	expect_end(p->b, LINK_HANDSHAKE_MS);
}

static void a_greeting_that_does_not_come(void **state)
{
	struct pair *p = *state;

	p->now = 5000;
	assert_int_equal(run(p), ERR_OK);
	expect_end(p->b, 5000 + LINK_GREETING_MS);
	/* it says goodbye, and gives that its time */
	assert_int_equal(link_state(p->b), LINK_CLOSING);
	assert_true(link_deadline_ms(p->b) == 5000 + LINK_GREETING_MS + LINK_CLOSING_MS);
	p->now = 5000 + LINK_GREETING_MS;
	assert_int_equal(run(p), ERR_OK);
	assert_int_equal(link_state(p->b), LINK_CLOSED);
	assert_int_equal(link_state(p->a), LINK_CLOSED);
}

static void a_greeting_that_is_not_admitted(void **state)
{
	struct pair *p = *state;

	assert_int_equal(run(p), ERR_OK);
	send_body(p, p->a, 1, 100);
	assert_int_equal(run(p), ERR_OK);
	p->now = LINK_GREETING_MS - 1;
	expect_body(p, p->b, 1, 100);
	expect_end(p->b, LINK_GREETING_MS);
}

static void an_idle_peer(void **state)
{
	struct pair *p = *state;

	open_both(p);
	p->now = 100000;
	send_body(p, p->a, 1, 10);
	assert_int_equal(run(p), ERR_OK);
	/* a frame counts when it is taken */
	p->now = 110000;
	expect_body(p, p->b, 1, 10);
	expect_end(p->b, 110000 + LINK_IDLE_MS);
	expect_end(p->a, LINK_IDLE_MS);
}

static void a_whole_frame_waits_without_a_deadline_of_its_own(void **state)
{
	struct pair *p = *state;

	open_both(p);
	p->now = 50000;
	send_body(p, p->a, 1, 10);
	assert_int_equal(run(p), ERR_OK);
	assert_true(link_deadline_ms(p->b) == LINK_IDLE_MS);
	p->now = 100000;
	expect_body(p, p->b, 1, 10);
	assert_true(link_deadline_ms(p->b) == 100000 + LINK_IDLE_MS);
}

static void a_peer_that_reads_nothing(void **state)
{
	struct pair *p = *state;
	struct view out;

	open_both(p);
	p->now = 1000;
	send_body(p, p->a, 1, 1000000);
	assert_true(link_deadline_ms(p->a) == 1000 + LINK_STALL_MS);
	/* any byte that moves gives it time */
	p->now = 40000;
	assert_int_equal(link_sent(p->a, 1, p->now), ERR_OK);
	assert_true(link_deadline_ms(p->a) == 40000 + LINK_STALL_MS);
	assert_int_equal(link_sent(p->a, 0, p->now + 1), ERR_OK);
	assert_true(link_deadline_ms(p->a) == 40000 + LINK_STALL_MS);
	expect_end(p->a, 40000 + LINK_STALL_MS);
	assert_int_equal(link_state(p->a), LINK_CLOSED);
	out = link_output(p->a);
	assert_int_equal(out.n, 0);
}

static void output_that_moved_is_forgotten(void **state)
{
	struct pair *p = *state;

	open_both(p);
	send_body(p, p->a, 1, 1000);
	p->now = 30000;
	assert_int_equal(run(p), ERR_OK);
	assert_true(link_deadline_ms(p->a) == LINK_IDLE_MS);
	p->now = 170000;
	send_body(p, p->a, 2, 1000);
	assert_true(link_deadline_ms(p->a) == LINK_IDLE_MS);
}

static void an_end_that_the_peer_does_not_answer(void **state)
{
	struct pair *p = *state;

	open_both(p);
	p->now = 1000;
	send_body(p, p->a, 1, 1000);
	link_close(p->a, p->now);
	assert_true(link_deadline_ms(p->a) == 1000 + LINK_CLOSING_MS);
	assert_int_equal(link_tick(p->a, 1000 + LINK_CLOSING_MS - 1), ERR_OK);
	assert_int_equal(link_state(p->a), LINK_CLOSING);
	assert_int_equal(link_tick(p->a, 1000 + LINK_CLOSING_MS), ERR_OK);
	assert_int_equal(link_state(p->a), LINK_CLOSED);
	assert_int_equal(link_error(p->a), ERR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_handshake_that_does_not_come),
		TEST(a_handshake_that_trickles),
		TEST(a_greeting_that_does_not_come),
		TEST(a_greeting_that_is_not_admitted),
		TEST(an_idle_peer),
		TEST(a_whole_frame_waits_without_a_deadline_of_its_own),
		TEST(a_peer_that_reads_nothing),
		TEST(output_that_moved_is_forgotten),
		TEST(an_end_that_the_peer_does_not_answer),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
