/* Frames: every length that a peer may declare, bytes in any portions. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "golden.h"
#include "wire/frame.h"

static void lengths(void **state)
{
	static const struct {
		uint32_t n;
		enum err e;
	} table[] = {
		{0, ERR_FORMAT},
		{1, ERR_AGAIN},
		{FRAME_BODY_MAX - 1, ERR_AGAIN},
		{FRAME_BODY_MAX, ERR_AGAIN},
		{FRAME_BODY_MAX + 1, ERR_LIMIT},
		{0x7fffffff, ERR_LIMIT},
		{0x80000000, ERR_LIMIT},
		{0xffffffff, ERR_LIMIT},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		CLEANUP(buf_fini) struct buf in = {0};
		struct view body;

		assert_int_equal(buf_put_u32(&in, table[i].n), ERR_OK);
		assert_int_equal(frame_take(&in, FRAME_BODY_MAX, &body), table[i].e);
		assert_int_equal(in.n, FRAME_HEAD_BYTES);
		/* A length alone makes nothing grow. */
		assert_true(in.cap < 1024);
	}
}

static void limit_of_the_caller(void **state)
{
	CLEANUP(buf_fini) struct buf in = {0};
	struct view body;

	(void)state;
	assert_int_equal(frame_put(&in, view_str("four")), ERR_OK);
	assert_int_equal(frame_take(&in, 3, &body), ERR_LIMIT);
	assert_int_equal(frame_take(&in, 4, &body), ERR_OK);
	assert_true(view_eq(body, view_str("four")));
}

static void largest(void **state)
{
	CLEANUP(freep) uint8_t *body = malloc(FRAME_BODY_MAX + 1);
	CLEANUP(buf_fini) struct buf b = {0};
	struct view got;

	(void)state;
	assert_non_null(body);
	memset(body, 'x', FRAME_BODY_MAX + 1);
	assert_int_equal(frame_put(&b, view_of(body, 0)), ERR_LIMIT);
	assert_int_equal(frame_put(&b, view_of(body, FRAME_BODY_MAX + 1)), ERR_LIMIT);
	assert_int_equal(b.n, 0);
	assert_int_equal(frame_put(&b, view_of(body, 1)), ERR_OK);
	assert_int_equal(frame_put(&b, view_of(body, FRAME_BODY_MAX)), ERR_OK);
	assert_int_equal(frame_take(&b, FRAME_BODY_MAX, &got), ERR_OK);
	assert_int_equal(got.n, 1);
	assert_int_equal(frame_take(&b, FRAME_BODY_MAX, &got), ERR_OK);
	assert_int_equal(got.n, FRAME_BODY_MAX);
	assert_memory_equal(got.p, body, FRAME_BODY_MAX);
	assert_int_equal(b.n, 0);
}

static void byte_by_byte(void **state)
{
	CLEANUP(buf_fini) struct buf sent = {0};
	CLEANUP(buf_fini) struct buf in = {0};
	static const char *const bodies[] = {"a", "second", "the third"};
	size_t n_taken = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
		assert_int_equal(frame_put(&sent, view_str(bodies[i])), ERR_OK);
	for (size_t i = 0; i < sent.n; i++) {
		struct view body;
		enum err e;

		assert_int_equal(buf_put_u8(&in, buf_data(&sent)[i]), ERR_OK);
		e = frame_take(&in, FRAME_BODY_MAX, &body);
		if (e == ERR_OK) {
			assert_true(view_eq(body, view_str(bodies[n_taken++])));
			continue;
		}
		assert_int_equal(e, ERR_AGAIN);
	}
	assert_int_equal(n_taken, ARRAY_LEN(bodies));
	assert_int_equal(in.n, 0);
}

static void what_is_missing(void **state)
{
	CLEANUP(buf_fini) struct buf in = {0};
	struct view body;

	(void)state;
	for (size_t i = 0; i < FRAME_HEAD_BYTES; i++) {
		assert_int_equal(frame_missing(&in, 300), 0);
		assert_int_equal(buf_put_u8(&in, i == 2), ERR_OK);
	}
	assert_int_equal(frame_missing(&in, 300), 256);
	assert_int_equal(frame_missing(&in, 256), 256);
	/* one that is refused needs no room */
	assert_int_equal(frame_missing(&in, 255), 0);
	for (size_t i = 1; i <= 256; i++) {
		assert_int_equal(buf_put_u8(&in, 'x'), ERR_OK);
		assert_int_equal(frame_missing(&in, 300), 256 - i);
	}
	/* what stands behind it is another's */
	assert_int_equal(buf_put_u32(&in, 7), ERR_OK);
	assert_int_equal(frame_missing(&in, 300), 0);
	assert_int_equal(frame_take(&in, 300, &body), ERR_OK);
	assert_int_equal(frame_missing(&in, 300), 7);
}

static void put_is_whole_or_nothing(void **state)
{
	struct pb_bye bye = PB_BYE_INIT;
	struct pb_frame frame = PB_FRAME_INIT;
	CLEANUP(buf_fini) struct buf out = {0};

	(void)state;
	frame.bye = &bye;
	buf_init(&out, 5);
	assert_int_equal(frame_put(&out, view_str("ab")), ERR_LIMIT);
	assert_int_equal(frame_put_message(&out, &frame), ERR_LIMIT);
	assert_int_equal(out.n, 0);
	assert_int_equal(frame_put(&out, view_str("a")), ERR_OK);
	assert_memory_equal(buf_data(&out), "\0\0\0\1a", 5);
}

/* A message without a set field has no bytes, and a frame at least one. */
static void empty_message_is_no_frame(void **state)
{
	struct pb_frame frame = PB_FRAME_INIT;
	CLEANUP(buf_fini) struct buf out = {0};

	(void)state;
	assert_int_equal(frame_put_message(&out, &frame), ERR_LIMIT);
	assert_int_equal(out.n, 0);
}

static void decode(void **state)
{
	static const struct {
		const char *hex;
		enum err e;
	} table[] = {
		{"", ERR_FORMAT},
		{"32 00", ERR_OK},
		{"32 02 08 01", ERR_OK},
		{"32 00 3a 00", ERR_FORMAT},
		{"0a 00 3a 00", ERR_FORMAT},
		{"32 00 32 00", ERR_CANONICAL},
		{"42 00", ERR_CANONICAL},
		{"32 01", ERR_FORMAT},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		CLEANUP(buf_fini) struct buf in = {0};
		CLEANUP(message_freep) struct pb_frame *f = NULL;

		unhex(table[i].hex, &in);
		assert_int_equal(frame_decode(buf_view(&in), &f), table[i].e);
		assert_int_equal(f == NULL, table[i].e != ERR_OK);
	}
}

static void message_round_trip(void **state)
{
	CLEANUP(buf_fini) struct buf encoded = {0};
	CLEANUP(buf_fini) struct buf line = {0};
	CLEANUP(message_freep) struct pb_frame *f = NULL;
	struct view body;

	(void)state;
	golden_hello(&encoded);
	assert_int_equal(frame_decode(buf_view(&encoded), &f), ERR_OK);
	assert_non_null(f->hello);
	assert_int_equal(f->hello->n_prove, 2);
	assert_int_equal(frame_put_message(&line, f), ERR_OK);
	assert_int_equal(frame_take(&line, FRAME_BODY_MAX, &body), ERR_OK);
	assert_true(view_eq(body, buf_view(&encoded)));
}

/* The largest frame of a peer fits the relay to the vault with all that belongs to it. */
static void relay(void **state)
{
	CLEANUP(freep) uint8_t *frame = calloc(1, FRAME_BODY_MAX);
	CLEANUP(buf_fini) struct buf line = {0};
	CLEANUP(message_freep) struct pb_relay *got = NULL;
	struct pb_relay m = PB_RELAY_INIT;
	char peer[2049];
	struct view body;

	(void)state;
	assert_non_null(frame);
	memset(peer, 'x', sizeof(peer) - 1);
	peer[sizeof(peer) - 1] = '\0';
	m.has_session = m.has_frame = m.has_exporter = true;
	m.session = UINT64_MAX;
	m.peer = peer;
	m.exporter = golden_bytes("0123456789abcdef0123456789abcdef");
	m.frame = message_borrow(view_of(frame, FRAME_BODY_MAX));
	assert_int_equal(frame_put_message(&line, &m), ERR_LIMIT);
	assert_int_equal(frame_put_relay(&line, &m), ERR_OK);
	assert_int_equal(frame_take(&line, FRAME_RELAY_MAX, &body), ERR_OK);
	assert_int_equal(message_decode(&pb_relay_desc, body, MESSAGE_STRICT, &got), ERR_OK);
	assert_int_equal(got->frame.len, FRAME_BODY_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lengths),
		cmocka_unit_test(limit_of_the_caller),
		cmocka_unit_test(largest),
		cmocka_unit_test(byte_by_byte),
		cmocka_unit_test(what_is_missing),
		cmocka_unit_test(put_is_whole_or_nothing),
		cmocka_unit_test(empty_message_is_no_frame),
		cmocka_unit_test(decode),
		cmocka_unit_test(message_round_trip),
		cmocka_unit_test(relay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
