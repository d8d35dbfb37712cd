/* What a peer must not do costs it the link, and nothing else. */
#include <malloc.h>

#include "raw_peer.h"

static uint32_t seed = 20240601;

static uint32_t next_random(void)
{
	seed = seed * 1664525u + 1013904223u;
	return seed >> 8;
}

static void no_tls_at_all(void **state)
{
	struct pair *p = *state;
	const char *text = "GET / HTTP/1.1\r\nHost: sk.example\r\n\r\n";

	assert_int_equal(link_input(p->b, view_str(text), p->now), ERR_TLS);
	assert_int_equal(link_error(p->b), ERR_TLS);
	assert_null(link_peer(p->b));
	/* an alert at most */
	assert_in_range(link_output(p->b).n, 0, 7);
	assert_int_equal(link_input(p->b, view_str(text), p->now),
			 link_state(p->b) == LINK_CLOSED ? ERR_STATE : ERR_OK);
}

static void garbage_in_the_handshake(void **state)
{
	(void)state;
	for (int round = 0; round < 300; round++) {
		uint8_t bytes[600];
		struct link *l = NULL;
		size_t n = 1 + next_random() % sizeof(bytes);

		for (size_t i = 0; i < n; i++)
			bytes[i] = (uint8_t)next_random();
		if (round % 2) { /* a plausible beginning */
			memcpy(bytes, "\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03",
			       n < 11 ? n : 11);
		}
		assert_int_equal(link_new(world.sk_tls, TLS_LISTENER, NULL, 0, &l), ERR_OK);
		for (int i = 0; i < 3 && !link_input(l, view_of(bytes, n), 0); i++)
			;
		assert_null(link_peer(l));
		assert_true(link_state(l) != LINK_GREETING);
		link_free(l);
	}
}

static void a_handshake_without_end(void **state)
{
	struct pair *p = *state;
	static uint8_t record[16389] = {0x16, 3, 1, 0x40, 0};
	size_t total = 0;
	enum err e = ERR_OK;

	/* a ClientHello that says it has 128 KiB */
	memcpy(record + 5, "\x01\x01\xff\xf0\x03\x03", 6);
	while (!e) {
		e = link_input(p->b, view_of(record, sizeof(record)), p->now);
		memset(record + 5, 0, 6);
		total += sizeof(record);
	}
	assert_int_equal(e, ERR_LIMIT);
	assert_in_range(total, 1, LINK_HANDSHAKE_BYTES_MAX + sizeof(record));
}

/* Each byte of the whole conversation changed once: it fails, or is as if nothing had been. */
static void a_byte_changed_on_the_way(void **state)
{
	unsigned n_failed = 0, n_passed = 0;

	(void)state;
	for (size_t at = 0; at < 4000; at += 41) {
		uint8_t bytes[4096];
		size_t offset = 0;
		void *fresh;
		struct pair *p;
		enum err e = ERR_OK;

		(void)pair_setup(&fresh);
		p = fresh;
		for (int i = 0; i < 40 && !e; i++) {
			struct link *from = i % 2 ? p->b : p->a, *to = i % 2 ? p->a : p->b;
			struct view out = link_output(from);
			size_t n = out.n < sizeof(bytes) ? out.n : sizeof(bytes);

			if (link_state(from) == LINK_GREETING && i > 4 && i < 8)
				send_body(p, from, 1, 300);
			if (n == 0)
				continue;
			memcpy(bytes, out.p, n);
			if (at >= offset && at < offset + n)
				bytes[at - offset] ^= 0x20;
			offset += n;
			e = link_input(to, view_of(bytes, n), 0);
			if (!e)
				e = link_sent(from, n, 0);
		}
		if (e) {
			assert_true(e == ERR_TLS || e == ERR_CERT);
			n_failed++;
		} else {
			struct view got;

			if (link_state(p->b) == LINK_GREETING &&
			    link_take_frame(p->b, 0, &got) == ERR_OK)
				assert_true(view_eq(got, body_of(1, 300)));
			n_passed++;
		}
		(void)pair_teardown(&fresh);
	}
	assert_true(n_failed > 40);
	assert_true(n_passed > 0);
}

static void lengths_that_cannot_be(void **state)
{
	static const struct {
		uint32_t n;
		bool admitted;
		enum err e;
	} cases[] = {
		{0, false, ERR_FORMAT},
		{0, true, ERR_FORMAT},
		{LINK_GREETING_FRAME_MAX + 1, false, ERR_LIMIT},
		{LINK_GREETING_FRAME_MAX + 1, true, ERR_AGAIN},
		{FRAME_BODY_MAX, true, ERR_AGAIN},
		{FRAME_BODY_MAX + 1, true, ERR_LIMIT},
		{0x7fffffff, false, ERR_LIMIT},
		{0x7fffffff, true, ERR_LIMIT},
		{0xffffffff, false, ERR_LIMIT},
		{0xffffffff, true, ERR_LIMIT},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct raw_peer r = {0};
		struct view got;
		uint8_t head[5] = {0};

		raw_peer_open(&r, 0);
		if (cases[i].admitted)
			link_admit(r.l, 0);
		put_u32be(head, cases[i].n);
		raw_peer_say(&r, head, sizeof(head));
		assert_int_equal(raw_peer_flush(&r, 0), ERR_OK);
		assert_int_equal(link_take_frame(r.l, 0, &got), cases[i].e);
		if (cases[i].e != ERR_AGAIN) {
			assert_int_equal(link_error(r.l), cases[i].e);
			assert_int_equal(link_state(r.l), LINK_CLOSING);
			raw_peer_listen(&r, 0);
			assert_int_equal(link_state(r.l), LINK_CLOSED);
		}
		raw_peer_close(&r);
	}
}

/* Room is made for a declared length only once the peer is admitted, and then for one frame. */
static void a_length_alone_takes_no_memory(void **state)
{
	(void)state;
	for (int is_admitted = 0; is_admitted < 2; is_admitted++) {
		struct raw_peer r = {0};
		uint8_t head[FRAME_HEAD_BYTES];
		size_t before;

		raw_peer_open(&r, 0);
		if (is_admitted)
			link_admit(r.l, 0);
		before = mallinfo2().uordblks;
		put_u32be(head, is_admitted ? FRAME_BODY_MAX : LINK_GREETING_FRAME_MAX);
		raw_peer_say(&r, head, sizeof(head));
		assert_int_equal(raw_peer_flush(&r, 0), ERR_OK);
		for (int i = 0; i < 10; i++) {
			raw_peer_say(&r, "x", 1);
			assert_int_equal(raw_peer_flush(&r, 0), ERR_OK);
		}
		assert_true(mallinfo2().uordblks <=
			    before + (is_admitted ? FRAME_BODY_MAX + LINK_INPUT_MAX : 0) + 49152);
		raw_peer_close(&r);
	}
}

static void a_frame_that_trickles(void **state)
{
	struct raw_peer r = {0};
	struct view got;
	uint64_t now = 50000;

	(void)state;
	raw_peer_open(&r, 0);
	link_admit(r.l, 0);
	raw_peer_say(&r, "\0\0\0\5hello\0\0\2\0", 13);
	assert_int_equal(raw_peer_flush(&r, now), ERR_OK);
	/* the second begins to count when the first is out of its way */
	assert_true(link_deadline_ms(r.l) == LINK_IDLE_MS);
	now = 60000;
	assert_int_equal(link_take_frame(r.l, now, &got), ERR_OK);
	assert_true(view_eq(got, view_str("hello")));
	assert_int_equal(link_take_frame(r.l, now, &got), ERR_AGAIN);
	for (now = 60000; now < 60000 + LINK_FRAME_MS; now += 1000) {
		assert_true(link_deadline_ms(r.l) == 60000 + LINK_FRAME_MS);
		assert_int_equal(link_tick(r.l, now), ERR_OK);
		raw_peer_say(&r, "x", 1);
		assert_int_equal(raw_peer_flush(&r, now), ERR_OK);
		assert_int_equal(link_take_frame(r.l, now, &got), ERR_AGAIN);
	}
	assert_int_equal(link_tick(r.l, now), ERR_LIMIT);
	assert_non_null(strstr(err_words(), "a frame took too long"));
	raw_peer_close(&r);
}

static void a_first_byte_and_no_more(void **state)
{
	struct raw_peer r = {0};

	(void)state;
	raw_peer_open(&r, 0);
	raw_peer_say(&r, "\0", 1);
	assert_int_equal(raw_peer_flush(&r, 0), ERR_OK);
	assert_true(link_deadline_ms(r.l) == LINK_FRAME_MS);
	link_admit(r.l, 1000);
	assert_true(link_deadline_ms(r.l) == 1000 + LINK_FRAME_MS);
	assert_int_equal(link_tick(r.l, 1000 + LINK_FRAME_MS), ERR_LIMIT);
	raw_peer_close(&r);
}

static void key_updates_without_end(void **state)
{
	struct raw_peer r = {0};
	enum err e = ERR_OK;
	unsigned n = 0;

	(void)state;
	raw_peer_open(&r, 0);
	link_admit(r.l, 0);
	/* each asks for an answer, which is never read */
	for (; !e && n < 100000; n++) {
		assert_int_equal(SSL_key_update(r.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		assert_int_equal(SSL_do_handshake(r.ssl), 1);
		e = raw_peer_flush(&r, 0);
	}
	assert_int_equal(e, ERR_LIMIT);
	assert_non_null(strstr(err_words(), "asks for more than it reads"));
	assert_in_range(link_output(r.l).n, 0, 400000);
	raw_peer_close(&r);
}

static void cut_inside_a_frame(void **state)
{
	struct raw_peer r = {0};
	struct view got;

	(void)state;
	raw_peer_open(&r, 0);
	link_admit(r.l, 0);
	raw_peer_say(&r, "\0\0\0\5hel", 7);
	assert_int_equal(raw_peer_flush(&r, 0), ERR_OK);
	assert_int_equal(link_eof(r.l, 0), ERR_TLS);
	assert_int_equal(link_take_frame(r.l, 0, &got), ERR_AGAIN);
	raw_peer_close(&r);
}

static void a_goodbye_inside_a_frame(void **state)
{
	struct raw_peer r = {0};
	struct view got;

	(void)state;
	raw_peer_open(&r, 0);
	link_admit(r.l, 0);
	raw_peer_say(&r, "\0\0\0\2ok\0\0\0\5hel", 13);
	(void)SSL_shutdown(r.ssl);
	assert_int_equal(raw_peer_flush(&r, 0), ERR_OK);
	assert_int_equal(link_state(r.l), LINK_CLOSING);
	assert_int_equal(link_take_frame(r.l, 0, &got), ERR_OK);
	assert_true(view_eq(got, view_str("ok")));
	assert_int_equal(link_take_frame(r.l, 0, &got), ERR_AGAIN);
	raw_peer_listen(&r, 0);
	assert_int_equal(link_state(r.l), LINK_CLOSED);
	assert_int_equal(link_take_frame(r.l, 0, &got), ERR_AGAIN);
	raw_peer_close(&r);
}

static void an_alert_is_the_end(void **state)
{
	struct pair *p = *state;
	static const uint8_t alert[] = {0x15, 3, 3, 0, 2, 2, 40};

	assert_int_equal(link_input(p->b, view_of(alert, sizeof(alert)), p->now), ERR_TLS);
	/* and in the open too, where it is not encrypted */
	(void)pair_teardown(state);
	(void)pair_setup(state);
	p = *state;
	open_both(p);
	assert_int_equal(link_input(p->b, view_of(alert, sizeof(alert)), p->now), ERR_TLS);
	assert_int_equal(link_error(p->b), ERR_TLS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_tls_at_all),
		cmocka_unit_test(garbage_in_the_handshake),
		TEST(a_handshake_without_end),
		cmocka_unit_test(a_byte_changed_on_the_way),
		cmocka_unit_test(lengths_that_cannot_be),
		cmocka_unit_test(a_length_alone_takes_no_memory),
		cmocka_unit_test(a_frame_that_trickles),
		cmocka_unit_test(a_first_byte_and_no_more),
		cmocka_unit_test(key_updates_without_end),
		cmocka_unit_test(cut_inside_a_frame),
		cmocka_unit_test(a_goodbye_inside_a_frame),
		TEST(an_alert_is_the_end),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
