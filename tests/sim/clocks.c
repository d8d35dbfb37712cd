/*
 * Clocks: what an agency's wall clock may do, one test each. Always: no crash, nothing lost,
 * nothing judged by time of arrival; nothing signed exactly while the rule of PROTOCOL-RULES says
 * so (watch.c holds that against every turn), said in `status`, refused as "try again later"; and
 * once the clock is right and the node started again, all goes on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "crypto/digest.h"
#include "scenario.h"
#include "watch.h"

#define DAY_US (24 * HOUR_US_SIM)

static struct run *r;
static struct world *w;
static struct agency *cz, *sk;

static void take_line(void *ctx, enum log_level level, const char *line)
{
	(void)ctx;
	(void)level;
	MUST(w, !given_is_personal_in(view_str(line)));
}

/* Two agencies that have exchanged something already. */
static int set_up(void **state)
{
	static uint64_t seed = 1;

	(void)state;
	r = calloc(1, sizeof(*r));
	ASSERT(r);
	w = &r->w;
	world_init(w, seed++, 2);
	scenario_attach(r);
	cz = &w->agency[0];
	sk = &w->agency[1];
	world_run(w, 5 * SECOND_US);
	scenario_prepare(r);
	scenario_ring(r);
	return 0;
}

/* Whatever happened: with right clocks all is there, and all goes on. */
static int tear_down(void **state)
{
	(void)state;
	faults_heal(r);
	rest_wait(r);
	scenario_decide_all(r);
	scenario_ring(r);
	rest_check(r);
	world_fini(w);
	free(r);
	return 0;
}

static void step(struct agency *a, int64_t by_us)
{
	a->clock.offset_us += by_us;
}

static void restart(struct agency *a)
{
	world_stop(a, POWER_KEPT);
	world_start(a);
	world_run(w, 10 * SECOND_US);
}

/* What `amparo status` says: "serving", or why nothing is signed. */
static bool says_serving(struct agency *a)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_node_status ask = PB_NODE_STATUS_INIT;
	struct reply_list *l;
	bool serving;

	m.node_status = &ask;
	l = world_ask(a, &m);
	MUST(w, l->n == 1 && l->reply[0]->status && l->reply[0]->status->state);
	serving = strcmp(l->reply[0]->status->state, "serving") == 0;
	MUST(w, serving || strstr(l->reply[0]->status->state, "clock"));
	reply_list_free(l);
	return serving;
}

static struct reply_list *try_to_send(struct agency *a, uint64_t expires_us)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_referral_send ask = PB_REFERRAL_SEND_INIT;
	struct pb_referral terms = PB_REFERRAL_INIT;

	terms.has_type = terms.has_urgency = terms.has_responsibility = terms.has_basis = 1;
	terms.type = PB(REFERRAL_TYPE, TRACING);
	terms.urgency = PB(URGENCY, URGENT);
	terms.responsibility = PB(RESPONSIBILITY, REFERRAL);
	terms.basis = PB(LEGAL_BASIS, PUBLIC_TASK);
	terms.has_expires_us = expires_us != 0;
	terms.expires_us = expires_us;
	ask.has_record_id = ask.has_purpose = 1;
	ask.record_id = message_borrow(view_of(r->record_id[a->index][0], 16));
	ask.peer = w->agency[1 - a->index].id.text;
	ask.purpose = PB(PURPOSE, CHILD_PROTECTION);
	ask.terms = &terms;
	m.referral_send = &ask;
	return world_ask(a, &m);
}

static void send_well(struct agency *a)
{
	struct reply_list *l = try_to_send(a, 0);

	MUST(w, l->n == 1 && l->reply[0]->referral);
	r->n_sent[a->index][1 - a->index]++;
	reply_list_free(l);
	rest_wait(r);
}

/* Signs nothing, says why, refuses for now; answers what only reads. */
static void assert_holds(struct agency *a)
{
	const uint64_t size = a->seen->n;
	struct reply_list *l;

	world_run(w, 70 * SECOND_US);
	assert_non_null(a->node);
	assert_non_null(node_hold(a->node));
	assert_false(says_serving(a));
	l = try_to_send(a, 0);
	MUST(w, l->n == 1 && l->reply[0]->error &&
			l->reply[0]->error->code == PB(API_ERROR_CODE, TEMPORARY));
	reply_list_free(l);
	world_run(w, 10 * SECOND_US);
	assert_int_equal(a->seen->n, size);
}

static void assert_serves(struct agency *a)
{
	world_run(w, 70 * SECOND_US);
	assert_non_null(a->node);
	assert_null(node_hold(a->node));
	assert_true(says_serving(a));
	send_well(a);
}

/* What the other sends meanwhile waits, and comes when the clock is right again. */
static void assert_waits_and_comes(struct agency *a)
{
	struct agency *b = &w->agency[1 - a->index];
	const uint64_t received = a->seen->pair[b->index].received_k;
	struct reply_list *l = try_to_send(b, 0);

	MUST(w, l->n == 1 && l->reply[0]->referral);
	r->n_sent[b->index][a->index]++;
	reply_list_free(l);
	world_run(w, 5 * MINUTE_US);
	assert_int_equal(a->seen->pair[b->index].received_k, received);
	a->clock = (struct clock){.suspended_us = a->clock.suspended_us};
	restart(a);
	rest_wait(r);
	assert_true(a->seen->pair[b->index].received_k > received);
	assert_serves(a);
}

/* --- while it runs --- */

static void step_forward_within_the_slack(void **state)
{
	(void)state;
	step(cz, (int64_t)(4 * MINUTE_US));
	assert_serves(cz);
}

static void step_back_within_the_slack(void **state)
{
	const uint64_t before = cz->seen->last_time_us;

	(void)state;
	step(cz, -(int64_t)(4 * MINUTE_US));
	assert_serves(cz);
	assert_true(cz->seen->last_time_us >= before); /* time in the ledger never goes back */
}

static void jump_forward(void **state)
{
	(void)state;
	step(cz, (int64_t)DAY_US);
	assert_holds(cz);
	assert_waits_and_comes(cz);
}

static void jump_back(void **state)
{
	(void)state;
	step(cz, -(int64_t)DAY_US);
	assert_holds(cz);
	assert_waits_and_comes(cz);
}

static void confirm(struct agency *a)
{
	static char why[] = "simulation";
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_clock_confirm ask = PB_CLOCK_CONFIRM_INIT;
	struct reply_list *l;

	ask.reason = why;
	m.clock_confirm = &ask;
	watch_confirmed(a);
	l = world_ask(a, &m);
	MUST(w, l->n == 1 && l->reply[0]->status);
	reply_list_free(l);
}

static void jump_forward_is_confirmed(void **state)
{
	(void)state;
	step(cz, (int64_t)DAY_US);
	assert_holds(cz);
	confirm(cz);
	assert_serves(cz);
	restart(cz);
	assert_serves(cz);
}

/* Its entries keep the time of the newest one until the clock has come so far. */
static void jump_back_is_confirmed(void **state)
{
	const uint64_t before = cz->seen->last_time_us;

	(void)state;
	step(cz, -(int64_t)HOUR_US_SIM);
	assert_holds(cz);
	restart(cz);
	assert_holds(cz);
	confirm(cz);
	assert_serves(cz);
	assert_int_equal(cz->seen->last_time_us, before);
	restart(cz);
	assert_serves(cz);
	assert_int_equal(cz->seen->last_time_us, before);
	step(cz, -(int64_t)HOUR_US_SIM);
	assert_holds(cz);
	confirm(cz);
	world_run(w, 3 * HOUR_US_SIM);
	assert_serves(cz);
	assert_true(cz->seen->last_time_us > before);
}

static void small_steps_that_add_up(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		step(cz, -(int64_t)(2 * MINUTE_US));
		world_run(w, 10 * MINUTE_US);
	}
	assert_holds(cz);
	assert_waits_and_comes(cz);
}

static void leap_second(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) { /* 23:59:59 comes twice */
		step(cz, -(int64_t)SECOND_US);
		step(sk, -(int64_t)SECOND_US);
		send_well(cz);
		send_well(sk);
	}
	assert_serves(cz);
	assert_serves(sk);
}

static void stuck_clock(void **state)
{
	(void)state;
	cz->clock.stuck_utc_us = agency_utc_us(cz);
	cz->clock.is_stuck = true;
	assert_serves(cz); /* for five minutes nobody can tell */
	world_run(w, 5 * MINUTE_US);
	assert_holds(cz);
	assert_waits_and_comes(cz);
}

static void drift_between_peers(void **state)
{
	(void)state;
	cz->clock.drift_ppm = 500;
	sk->clock.drift_ppm = -500;
	for (int i = 0; i < 6; i++) {
		world_run(w, HOUR_US_SIM);
		send_well(cz);
		send_well(sk);
	}
	assert_serves(cz);
	assert_serves(sk);
}

static void jump_while_items_are_under_way(void **state)
{
	struct reply_list *l;

	(void)state;
	w->route[cz->index][sk->index].bytes_per_s = 4000;
	l = try_to_send(cz, 0);
	MUST(w, l->n == 1 && l->reply[0]->referral);
	r->n_sent[cz->index][sk->index]++;
	reply_list_free(l);
	world_run(w, SECOND_US / 2); /* a part of the batch has arrived */
	step(sk, -(int64_t)HOUR_US_SIM);
	assert_holds(sk);
	w->route[cz->index][sk->index].bytes_per_s = 0;
	assert_waits_and_comes(sk);
}

static void suspended(void **state)
{
	(void)state;
	/* the monotonic clock does not count it: for a minute nobody minds, for an hour it does */
	world_pause(cz, MINUTE_US, true);
	world_run(w, 2 * MINUTE_US);
	assert_serves(cz);
	world_pause(cz, HOUR_US_SIM, true);
	world_run(w, HOUR_US_SIM + MINUTE_US);
	assert_holds(cz);
	assert_waits_and_comes(cz);
}

/* --- at start --- */

static void behind_the_ledger_at_start(void **state)
{
	(void)state;
	world_stop(cz, POWER_KEPT);
	step(cz, -(int64_t)HOUR_US_SIM);
	world_start(cz);
	assert_holds(cz);
	assert_waits_and_comes(cz);
}

/* The battery of the clock is empty. */
static void in_1970_at_start(void **state)
{
	(void)state;
	world_stop(cz, POWER_KEPT);
	cz->clock.is_stuck = true;
	cz->clock.stuck_utc_us = 0;
	world_start(cz);
	world_run(w, MINUTE_US);
	assert_non_null(node_hold(cz->node));
	cz->clock.stuck_utc_us = 1000000;
	assert_holds(cz);
	assert_waits_and_comes(cz);
}

static void ahead_at_start(void **state)
{
	(void)state;
	world_stop(cz, POWER_KEPT);
	step(cz, (int64_t)DAY_US);
	world_start(cz);
	assert_serves(cz); /* nothing tells it */
	step(cz, -(int64_t)DAY_US);
	assert_holds(cz); /* what it signed stands in the future now */
	restart(cz);
	assert_holds(cz);
	world_run(w, DAY_US); /* until the clock has come so far */
	restart(cz);
	assert_serves(cz);
}

/* --- between peers --- */

static void skew_between_peers(void **state)
{
	(void)state;
	world_stop(cz, POWER_KEPT);
	world_stop(sk, POWER_KEPT);
	step(cz, (int64_t)(50 * MINUTE_US));
	step(sk, (int64_t)(4 * MINUTE_US));
	world_start(cz);
	world_start(sk);
	for (int i = 0; i < 3; i++) {
		assert_serves(cz);
		assert_serves(sk);
	}
}

/* It is still good by the sender's clock when it is written, and nobody asks the receiver's. */
static void expiry_is_not_judged_by_time_of_arrival(void **state)
{
	const uint64_t received = sk->seen->pair[cz->index].received_k;
	struct reply_list *l;

	(void)state;
	world_stop(sk, POWER_KEPT);
	l = try_to_send(cz, agency_utc_us(cz) + HOUR_US_SIM);
	MUST(w, l->n == 1 && l->reply[0]->referral);
	r->n_sent[cz->index][sk->index]++;
	reply_list_free(l);
	step(sk, (int64_t)DAY_US);
	world_start(sk);
	rest_wait(r);
	assert_true(sk->seen->pair[cz->index].received_k > received); /* watch.c: with status 0 */
	step(sk, -(int64_t)DAY_US);
	assert_holds(sk);
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(step_forward_within_the_slack),
		TEST(step_back_within_the_slack),
		TEST(jump_forward),
		TEST(jump_back),
		TEST(jump_forward_is_confirmed),
		TEST(jump_back_is_confirmed),
		TEST(small_steps_that_add_up),
		TEST(leap_second),
		TEST(stuck_clock),
		TEST(drift_between_peers),
		TEST(jump_while_items_are_under_way),
		TEST(suspended),
		TEST(behind_the_ledger_at_start),
		TEST(in_1970_at_start),
		TEST(ahead_at_start),
		TEST(skew_between_peers),
		TEST(expiry_is_not_judged_by_time_of_arrival),
	};
	int failed;

	log_set_sink(take_line, NULL);
	if (crypto_init())
		return 2;
	given_load(argc > 1 ? argv[1] : "conf");
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	given_free();
	crypto_fini();
	return failed;
}
