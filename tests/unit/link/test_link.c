#include "pair.h"

static void both_know_each_other(void **state)
{
	struct pair *p = *state;
	const struct agency_id cz = id_of(CZ_ID), sk = id_of(SK_ID);

	assert_int_equal(link_state(p->a), LINK_HANDSHAKE);
	assert_int_equal(link_wants(p->a), LINK_WANTS_READ | LINK_WANTS_WRITE);
	assert_int_equal(link_wants(p->b), LINK_WANTS_READ);
	assert_null(link_peer(p->a));
	assert_null(link_exporter(p->b));
	assert_int_equal(run(p), ERR_OK);
	assert_int_equal(link_state(p->a), LINK_GREETING);
	assert_int_equal(link_state(p->b), LINK_GREETING);
	assert_true(agency_id_eq(link_peer(p->a), &sk));
	assert_true(agency_id_eq(link_peer(p->b), &cz));
	assert_memory_equal(link_exporter(p->a), link_exporter(p->b), TLS_EXPORTER_BYTES);
	assert_int_equal(link_role(p->a), TLS_DIALLER);
	assert_int_equal(link_role(p->b), TLS_LISTENER);
	assert_int_equal(link_error(p->a), ERR_OK);
	assert_int_equal(link_wants(p->a), LINK_WANTS_READ);
	assert_string_equal(link_state_name(link_state(p->a)), "greeting");
}

static void each_session_has_its_exporter(void **state)
{
	struct pair *p = *state;
	uint8_t first[TLS_EXPORTER_BYTES];
	void *other;

	assert_int_equal(run(p), ERR_OK);
	memcpy(first, link_exporter(p->a), sizeof(first));
	(void)pair_setup(&other);
	assert_int_equal(run(other), ERR_OK);
	assert_memory_not_equal(first, link_exporter(((struct pair *)other)->a), sizeof(first));
	(void)pair_teardown(&other);
}

static void frames_go_both_ways_in_any_pieces(void **state)
{
	static const size_t pieces[] = {1, 2, 3, 5, 7, 100, 4096, 16401, LINK_INPUT_MAX};
	static const size_t sizes[] = {1, 2, 3, 4, 5, 100, 4000, 16379, 16380, 16381, 70000};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		void *fresh;
		struct pair *p;

		(void)pair_setup(&fresh);
		p = fresh;
		p->piece = pieces[i];
		open_both(p);
		for (size_t j = 0; j < ARRAY_LEN(sizes); j++) {
			send_body(p, p->a, (unsigned)j, sizes[j]);
			send_body(p, p->b, (unsigned)j + 1, sizes[j]);
		}
		assert_int_equal(run(p), ERR_OK);
		for (size_t j = 0; j < ARRAY_LEN(sizes); j++) {
			expect_body(p, p->b, (unsigned)j, sizes[j]);
			expect_body(p, p->a, (unsigned)j + 1, sizes[j]);
		}
		expect_none(p, p->a);
		expect_none(p, p->b);
		assert_int_equal(link_queued_bytes(p->a), 0);
		(void)pair_teardown(&fresh);
	}
}

static void the_largest_frame_passes(void **state)
{
	struct pair *p = *state;

	open_both(p);
	assert_int_equal(link_send_frame(p->a, body_of(0, FRAME_BODY_MAX + 1), p->now), ERR_LIMIT);
	assert_int_equal(link_send_frame(p->a, view_of(NULL, 0), p->now), ERR_LIMIT);
	assert_int_equal(link_state(p->a), LINK_OPEN);
	send_body(p, p->a, 1, FRAME_BODY_MAX);
	assert_int_equal(run(p), ERR_OK);
	expect_body(p, p->b, 1, FRAME_BODY_MAX);
}

static void one_frame_is_given_out_before_admission(void **state)
{
	struct pair *p = *state;

	assert_int_equal(run(p), ERR_OK);
	/* a peer that has verified our Hello may send at once all it has */
	link_admit(p->a, p->now);
	send_body(p, p->a, 1, LINK_GREETING_FRAME_MAX);
	send_body(p, p->a, 2, FRAME_BODY_MAX);
	assert_int_equal(run(p), ERR_OK);
	expect_body(p, p->b, 1, LINK_GREETING_FRAME_MAX);
	expect_none(p, p->b);
	assert_int_equal(run(p), ERR_OK);
	expect_none(p, p->b);
	assert_int_equal(link_state(p->b), LINK_GREETING);
	/* and is held back meanwhile */
	assert_false(link_wants(p->b) & LINK_WANTS_READ);
	assert_true(link_queued_bytes(p->a) > FRAME_BODY_MAX / 2);
	link_admit(p->b, p->now);
	assert_int_equal(run(p), ERR_OK);
	expect_body(p, p->b, 2, FRAME_BODY_MAX);
}

static void a_long_greeting_is_refused(void **state)
{
	struct pair *p = *state;
	struct view got;

	assert_int_equal(run(p), ERR_OK);
	send_body(p, p->a, 1, LINK_GREETING_FRAME_MAX + 1);
	assert_int_equal(run(p), ERR_OK);
	assert_int_equal(link_take_frame(p->b, p->now, &got), ERR_LIMIT);
	assert_int_equal(link_error(p->b), ERR_LIMIT);
	assert_int_equal(link_state(p->b), LINK_CLOSING);
	assert_int_equal(link_take_frame(p->b, p->now, &got), ERR_AGAIN);
}

static void back_pressure_reaches_the_sender(void **state)
{
	struct pair *p = *state;
	unsigned n_sent = 0, n_taken = 0;
	enum err e;

	open_both(p);
	/* nobody takes: everything between fills up, and no more */
	do {
		e = link_send_frame(p->a, body_of(n_sent, 100000), p->now);
		assert_true(e == ERR_OK || e == ERR_FULL);
		n_sent += e == ERR_OK;
		assert_int_equal(run(p), ERR_OK);
	} while (e == ERR_OK);
	assert_in_range(n_sent, 20, 45);
	assert_true(link_queued_bytes(p->a) <= LINK_OUTPUT_MAX + TLS_OUTPUT_HIGH + 65536);
	assert_false(link_wants(p->b) & LINK_WANTS_READ);
	assert_int_equal(link_input(p->b, view_of("x", 1), p->now), ERR_FULL);
	assert_int_equal(link_state(p->b), LINK_OPEN);
	/* the other way is free */
	send_body(p, p->b, 9, 1000);
	assert_int_equal(run(p), ERR_OK);
	expect_body(p, p->a, 9, 1000);
	/* and all arrives, in order, once it is taken */
	while (n_taken < n_sent) {
		expect_body(p, p->b, n_taken++, 100000);
		assert_int_equal(run(p), ERR_OK);
	}
	expect_none(p, p->b);
	assert_int_equal(link_queued_bytes(p->a), 0);
	send_body(p, p->a, 1, 5);
}

/* Only as much is encrypted as is sent soon, and more when that is gone. */
static void output_comes_in_portions(void **state)
{
	struct pair *p = *state;
	const size_t most = TLS_OUTPUT_HIGH + 1024;
	size_t first;

	open_both(p);
	for (unsigned i = 0; i < 10; i++)
		send_body(p, p->a, i, 100000);
	first = link_output(p->a).n;
	assert_in_range(first, 100000, most);
	assert_true(link_queued_bytes(p->a) > 1000000);
	assert_int_equal(link_sent(p->a, 1, p->now), ERR_OK);
	send_body(p, p->a, 10, 100000);
	assert_int_equal(link_output(p->a).n, first - 1);
	assert_int_equal(link_sent(p->a, first - 1, p->now), ERR_OK);
	assert_in_range(link_output(p->a).n, 100000, most);
}

static void what_is_queued_arrives_before_the_end(void **state)
{
	struct pair *p = *state;
	struct view got;

	open_both(p);
	send_body(p, p->b, 5, 10);
	for (unsigned i = 0; i < 15; i++)
		send_body(p, p->a, i, 100000);
	link_close(p->a, p->now);
	assert_int_equal(link_state(p->a), LINK_CLOSING);
	assert_int_equal(link_send_frame(p->a, body_of(0, 1), p->now), ERR_STATE);
	for (unsigned i = 0; i < 15; i++) {
		assert_int_equal(run(p), ERR_OK);
		expect_body(p, p->b, i, 100000);
	}
	assert_int_equal(run(p), ERR_OK);
	expect_none(p, p->b);
	assert_int_equal(run(p), ERR_OK);
	assert_int_equal(link_state(p->a), LINK_CLOSED);
	assert_int_equal(link_state(p->b), LINK_CLOSED);
	assert_int_equal(link_error(p->a), ERR_OK);
	assert_int_equal(link_error(p->b), ERR_OK);
	assert_int_equal(link_wants(p->a), LINK_WANTS_NOTHING);
	assert_true(link_deadline_ms(p->a) == UINT64_MAX);
	assert_int_equal(link_take_frame(p->a, p->now, &got), ERR_AGAIN);
	assert_int_equal(link_eof(p->b, p->now), ERR_OK);
	assert_int_equal(link_input(p->b, view_of("x", 1), p->now), ERR_STATE);
}

static void frames_before_a_proper_end_can_be_taken(void **state)
{
	struct pair *p = *state;

	open_both(p);
	send_body(p, p->a, 1, 100);
	send_body(p, p->a, 2, 200);
	link_close(p->a, p->now);
	assert_int_equal(run(p), ERR_OK);
	assert_int_equal(link_state(p->b), LINK_CLOSED);
	expect_body(p, p->b, 1, 100);
	expect_body(p, p->b, 2, 200);
	expect_none(p, p->b);
}

static void both_may_end_at_once(void **state)
{
	struct pair *p = *state;

	open_both(p);
	link_close(p->a, p->now);
	link_close(p->b, p->now);
	link_close(p->b, p->now);
	assert_int_equal(run(p), ERR_OK);
	assert_int_equal(link_state(p->a), LINK_CLOSED);
	assert_int_equal(link_state(p->b), LINK_CLOSED);
}

static void an_end_in_the_handshake_is_at_once(void **state)
{
	struct pair *p = *state;

	link_close(p->a, p->now);
	assert_int_equal(link_state(p->a), LINK_CLOSED);
	assert_int_equal(link_output(p->a).n, 0);
	assert_int_equal(link_error(p->a), ERR_OK);
	assert_int_equal(link_eof(p->b, p->now), ERR_TLS);
	assert_int_equal(link_state(p->b), LINK_CLOSED);
}

static void an_abort_drops_what_is_queued(void **state)
{
	struct pair *p = *state;

	open_both(p);
	for (unsigned i = 0; i < 10; i++)
		send_body(p, p->a, i, 100000);
	link_abort(p->a, ERR_DENIED, p->now);
	assert_int_equal(link_error(p->a), ERR_DENIED);
	for (unsigned i = 0; i < 9; i++) {
		struct view got;

		assert_int_equal(run(p), ERR_OK);
		while (link_take_frame(p->b, p->now, &got) == ERR_OK)
			assert_true(got.n == 100000);
	}
	assert_int_equal(link_state(p->a), LINK_CLOSED);
	assert_int_equal(link_state(p->b), LINK_CLOSED);
	assert_int_equal(link_error(p->b), ERR_OK);
	link_abort(p->a, ERR_LIMIT, p->now);
	assert_int_equal(link_error(p->a), ERR_DENIED);
}

static void cut_off(void **state)
{
	struct pair *p = *state;
	struct view got;

	open_both(p);
	send_body(p, p->a, 1, 100);
	assert_int_equal(run(p), ERR_OK);
	assert_int_equal(link_eof(p->b, p->now), ERR_TLS);
	assert_int_equal(link_error(p->b), ERR_TLS);
	assert_int_equal(link_state(p->b), LINK_CLOSED);
	assert_int_equal(link_take_frame(p->b, p->now, &got), ERR_AGAIN);
	/* while closing it is no news */
	link_close(p->a, p->now);
	assert_int_equal(link_eof(p->a, p->now), ERR_OK);
	assert_int_equal(link_state(p->a), LINK_CLOSED);
	assert_int_equal(link_error(p->a), ERR_OK);
}

static void an_answer_from_another_agency_is_refused(void **state)
{
	struct tls_context *other = context_of(world.sk, SK_OTHER_ID, NULL);
	const struct agency_id sk = id_of(SK_ID);
	struct pair p = {.piece = 1000};

	(void)state;
	assert_int_equal(link_new(world.cz_tls, TLS_DIALLER, &sk, 0, &p.a), ERR_OK);
	assert_int_equal(link_new(other, TLS_LISTENER, NULL, 0, &p.b), ERR_OK);
	assert_int_equal(run(&p), ERR_CERT);
	assert_non_null(strstr(err_words(), SK_OTHER_ID));
	assert_int_equal(link_error(p.a), ERR_CERT);
	assert_null(link_peer(p.a));
	assert_null(link_exporter(p.a));
	assert_int_equal(link_send_frame(p.a, body_of(0, 5), 0), ERR_STATE);
	link_free(p.a);
	link_free(p.b);
	tls_context_free(other);
}

static void a_stranger_is_refused_by_either_side(void **state)
{
	struct pki_ca *hu =
		pki_ca_new(&(struct pki_ca_options){.domain = "hu.example", .utc_s = NOW_S});
	struct tls_context *stranger = context_of(hu, "spiffe://hu.example/a", NULL);
	const struct agency_id sk = id_of(SK_ID);
	struct pair p = {.piece = 1000};
	enum err e;

	(void)state;
	assert_int_equal(link_new(stranger, TLS_DIALLER, &sk, 0, &p.a), ERR_OK);
	assert_int_equal(link_new(world.sk_tls, TLS_LISTENER, NULL, 0, &p.b), ERR_OK);
	assert_int_equal(run(&p), ERR_CERT);
	assert_int_equal(link_error(p.b), ERR_CERT);
	assert_int_equal(link_state(p.b), LINK_CLOSING);
	assert_null(link_peer(p.b));
	/* the alert tells the other, which thought it stood */
	assert_true(carry(&p, p.b, p.a, &e));
	assert_int_equal(e, ERR_TLS);
	assert_int_equal(link_state(p.b), LINK_CLOSED);
	link_free(p.a);
	link_free(p.b);
	p.a = p.b = NULL;

	assert_int_equal(link_new(world.cz_tls, TLS_DIALLER, &sk, 0, &p.a), ERR_OK);
	assert_int_equal(link_new(stranger, TLS_LISTENER, NULL, 0, &p.b), ERR_OK);
	assert_int_equal(run(&p), ERR_CERT);
	assert_int_equal(link_error(p.a), ERR_CERT);
	link_free(p.a);
	link_free(p.b);
	tls_context_free(stranger);
	pki_ca_free(hu);
}

static void a_certificate_is_checked_again(void **state)
{
	struct pair *p = *state;
	CLEANUP(trust_freep) struct trust *later = NULL;
	CLEANUP(buf_fini) struct buf crl = {0};

	assert_int_equal(link_recheck(p->a, world.trust, NOW_S, p->now), ERR_OK);
	open_both(p);
	assert_int_equal(link_recheck(p->a, world.trust, NOW_S, p->now), ERR_OK);
	assert_int_equal(link_recheck(p->b, world.trust, NOW_S, p->now), ERR_OK);
	assert_int_equal(link_recheck(p->b, world.trust, NOW_S + 100 * PKI_DAY_S, p->now),
			 ERR_CERT);
	assert_int_equal(link_error(p->b), ERR_CERT);

	assert_int_equal(trust_new(&later), ERR_OK);
	pki_crl(world.sk, NOW_S, &world.sk_serial, 1, &crl);
	assert_int_equal(
		trust_add(later, view_str("sk.example"), pki_ca_pem(world.sk), buf_view(&crl)),
		ERR_OK);
	send_body(p, p->a, 1, 500000);
	assert_int_equal(link_recheck(p->a, later, NOW_S, p->now), ERR_REVOKED);
	assert_int_equal(link_error(p->a), ERR_REVOKED);
	assert_true(link_queued_bytes(p->a) < 500000);
	assert_int_equal(link_recheck(p->a, later, NOW_S, p->now), ERR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(both_know_each_other),
		TEST(each_session_has_its_exporter),
		cmocka_unit_test(frames_go_both_ways_in_any_pieces),
		TEST(the_largest_frame_passes),
		TEST(one_frame_is_given_out_before_admission),
		TEST(a_long_greeting_is_refused),
		TEST(back_pressure_reaches_the_sender),
		TEST(output_comes_in_portions),
		TEST(what_is_queued_arrives_before_the_end),
		TEST(frames_before_a_proper_end_can_be_taken),
		TEST(both_may_end_at_once),
		TEST(an_end_in_the_handshake_is_at_once),
		TEST(an_abort_drops_what_is_queued),
		TEST(cut_off),
		cmocka_unit_test(an_answer_from_another_agency_is_refused),
		cmocka_unit_test(a_stranger_is_refused_by_either_side),
		TEST(a_certificate_is_checked_again),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
