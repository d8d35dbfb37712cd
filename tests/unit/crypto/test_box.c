/* Boxes at rest: published AES-256-GCM and key wrap values, and that nothing altered opens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/own.h"
#include "crypto/box.h"
#include "crypto/digest.h"

/* All keys that a test's keeper draws are this one. */
static enum err same_key(void *ctx, void *p, size_t n)
{
	assert_true(n % BOX_KEY_BYTES == 0);
	for (size_t i = 0; i < n; i += BOX_KEY_BYTES)
		memcpy((uint8_t *)p + i, ctx, BOX_KEY_BYTES);
	return ERR_OK;
}

static struct box_keeper *keeper_of(const char *hex, uint8_t fresh[BOX_KEY_BYTES])
{
	const struct box_source source = {.random = same_key, .ctx = fresh};
	CLEANUP(secret_freep) struct secret *s = NULL;
	struct box_keeper *k = NULL;
	uint8_t key[BOX_KEY_BYTES];

	assert_int_equal(hex_decode(hex, key, sizeof(key)), ERR_OK);
	assert_int_equal(secret_new(view_of(key, sizeof(key)), &s), ERR_OK);
	assert_int_equal(box_keeper_new(s, &source, &k), ERR_OK);
	return k;
}

#define NODE_KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define OTHER_KEY "100102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static void assert_hex(struct view v, const char *hex)
{
	char got[256];

	assert_true(HEX_LEN(v.n) <= sizeof(got));
	hex_encode(v, got);
	assert_string_equal(got, hex);
}

/* RFC 3394 section 4.6: 256 bits of key data under a key of 256 bits. */
static void the_key_is_wrapped_as_rfc3394_says(void **state)
{
	uint8_t fresh[BOX_KEY_BYTES];
	CLEANUP(box_keeper_freep) struct box_keeper *k = keeper_of(NODE_KEY, fresh);
	CLEANUP(buf_fini) struct buf out = {0};
	struct box_key key;

	(void)state;
	assert_int_equal(
		hex_decode("00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f",
			   fresh, sizeof(fresh)),
		ERR_OK);
	assert_int_equal(box_seal(k, view_str(""), view_str(""), &key, &out), ERR_OK);
	assert_hex(
		view_of(key.wrapped, sizeof(key.wrapped)),
		"28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21");
}

/* Test cases 13 and 14 of the GCM specification: zero key, zero nonce. */
static void the_text_is_encrypted_as_gcm_says(void **state)
{
	uint8_t zero[BOX_KEY_BYTES] = {0};
	CLEANUP(box_keeper_freep) struct box_keeper *k = keeper_of(NODE_KEY, zero);
	CLEANUP(buf_fini) struct buf empty = {0};
	CLEANUP(buf_fini) struct buf one = {0};
	struct box_key key;

	(void)state;
	assert_int_equal(box_seal(k, view_str(""), view_str(""), &key, &empty), ERR_OK);
	assert_hex(buf_view(&empty), "530f8afbc74536b9a963b4f1c4cb738b");
	assert_int_equal(box_seal(k, view_str(""), view_of(zero, 16), &key, &one), ERR_OK);
	assert_hex(buf_view(&one),
		   "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
}

static void what_was_sealed_opens(void **state)
{
	static const size_t sizes[] = {0, 1, 15, 16, 17, 255, 4096, 262144};
	uint8_t fresh[BOX_KEY_BYTES] = {42};
	CLEANUP(box_keeper_freep) struct box_keeper *k = keeper_of(NODE_KEY, fresh);
	static uint8_t plain[262144];

	(void)state;
	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (uint8_t)(i * 31);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		CLEANUP(buf_fini) struct buf sealed = {0};
		CLEANUP(buf_fini) struct buf opened = {0};
		struct box_key key;
		struct view v = view_of(plain, sizes[i]);

		assert_int_equal(box_seal(k, view_str("row 1"), v, &key, &sealed), ERR_OK);
		assert_int_equal(sealed.n, sizes[i] + BOX_TAG_BYTES);
		assert_int_equal(buf_put_str(&opened, "x"), ERR_OK);
		assert_int_equal(box_open(k, &key, view_str("row 1"), buf_view(&sealed), &opened),
				 ERR_OK);
		buf_consume(&opened, 1);
		assert_true(view_eq(buf_view(&opened), v));
	}
}

/* Numbers, so that each key drawn can be told; and how often they were drawn. */
struct numbers {
	uint64_t next;
	unsigned n_drawn;
	enum err e;
};

static enum err numbered(void *ctx, void *p, size_t n)
{
	struct numbers *x = ctx;

	x->n_drawn++;
	memset(p, 0, n);
	for (size_t i = 0; i < n; i += BOX_KEY_BYTES)
		put_u64be((uint8_t *)p + i, ++x->next);
	return x->e;
}

static struct box_keeper *numbered_keeper(struct numbers *x)
{
	const struct box_source source = {.random = numbered, .ctx = x};
	CLEANUP(secret_freep) struct secret *s = NULL;
	const uint8_t node_key[BOX_KEY_BYTES] = {1};
	struct box_keeper *k = NULL;

	assert_int_equal(secret_new(view_of(node_key, sizeof(node_key)), &s), ERR_OK);
	assert_int_equal(box_keeper_new(s, &source, &k), ERR_OK);
	return k;
}

#define BOXES (2 * BOX_FRESH + 1)

static void no_two_boxes_have_one_key(void **state)
{
	struct numbers x = {0};
	CLEANUP(box_keeper_freep) struct box_keeper *k = numbered_keeper(&x);
	static struct box_key key[BOXES];
	static struct buf out[BOXES];

	(void)state;
	for (size_t i = 0; i < BOXES; i++) {
		assert_int_equal(box_seal(k, view_str(""), view_str("same"), &key[i], &out[i]),
				 ERR_OK);
		for (size_t j = 0; j < i; j++) {
			assert_memory_not_equal(&key[i], &key[j], sizeof(key[i]));
			assert_false(view_eq(buf_view(&out[i]), buf_view(&out[j])));
		}
	}
	assert_int_equal(x.n_drawn, 3);
	for (size_t i = 0; i < BOXES; i++) {
		CLEANUP(buf_fini) struct buf plain = {0};

		assert_int_equal(box_open(k, &key[i], view_str(""), buf_view(&out[i]), &plain),
				 ERR_OK);
		assert_true(view_eq(buf_view(&plain), view_str("same")));
		buf_fini(&out[i]);
	}
}

/* No box is made of what was not drawn whole. */
static void a_source_that_fails_is_said(void **state)
{
	struct numbers x = {.e = ERR_CRYPTO};
	CLEANUP(box_keeper_freep) struct box_keeper *k = numbered_keeper(&x);
	CLEANUP(buf_fini) struct buf out = {0};
	struct box_key key;

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(box_seal(k, view_str(""), view_str("x"), &key, &out), ERR_CRYPTO);
	assert_int_equal(out.n, 0);
	x.e = ERR_OK;
	assert_int_equal(box_seal(k, view_str(""), view_str("x"), &key, &out), ERR_OK);
	assert_int_equal(x.n_drawn, 3);
}

struct sealed {
	struct box_keeper *keeper;
	struct box_key key;
	struct buf cipher;
};

static struct sealed sealed_new(void)
{
	static uint8_t fresh[BOX_KEY_BYTES] = {7};
	struct sealed s = {.keeper = keeper_of(NODE_KEY, fresh)};

	assert_int_equal(box_seal(s.keeper, view_str("body 17"), view_str("nobody may read this"),
				  &s.key, &s.cipher),
			 ERR_OK);
	return s;
}

static void sealed_fini(struct sealed *s)
{
	box_keeper_free(s->keeper);
	buf_fini(&s->cipher);
}

static void assert_shut(const struct sealed *s, const char *aad)
{
	CLEANUP(buf_fini) struct buf out = {0};

	assert_int_equal(box_open(s->keeper, &s->key, view_str(aad), buf_view(&s->cipher), &out),
			 ERR_DECRYPT);
	assert_int_equal(out.n, 0);
}

static void each_altered_bit_keeps_it_shut(void **state)
{
	CLEANUP(sealed_fini) struct sealed s = sealed_new();

	(void)state;
	for (size_t i = 0; i < 8 * s.cipher.n; i++) {
		buf_data(&s.cipher)[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_shut(&s, "body 17");
		buf_data(&s.cipher)[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (size_t i = 0; i < 8 * sizeof(s.key.wrapped); i++) {
		s.key.wrapped[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_shut(&s, "body 17");
		s.key.wrapped[i / 8] ^= (uint8_t)(1 << i % 8);
	}
}

static void another_row_length_or_node_key_keeps_it_shut(void **state)
{
	CLEANUP(sealed_fini) struct sealed s = sealed_new();
	CLEANUP(buf_fini) struct buf out = {0};
	struct box_keeper *right = s.keeper;

	(void)state;
	assert_shut(&s, "body 18");
	assert_shut(&s, "body 1");
	assert_shut(&s, "");
	for (size_t n = 0; n < s.cipher.n; n++)
		assert_int_equal(box_open(s.keeper, &s.key, view_str("body 17"),
					  view_of(buf_data(&s.cipher), n), &out),
				 ERR_DECRYPT);
	s.keeper = keeper_of(OTHER_KEY, NULL); /* it draws none */
	assert_shut(&s, "body 17");
	box_keeper_free(s.keeper);
	s.keeper = right;
	assert_int_equal(box_open(s.keeper, &s.key, view_str("body 17"), buf_view(&s.cipher), &out),
			 ERR_OK);
	assert_true(view_eq(buf_view(&out), view_str("nobody may read this")));
}

static void an_erased_key_opens_nothing(void **state)
{
	CLEANUP(sealed_fini) struct sealed s = sealed_new();

	(void)state;
	memset(&s.key, 0, sizeof(s.key));
	assert_shut(&s, "body 17");
}

static void a_node_key_has_32_bytes(void **state)
{
	const struct box_source source = {.random = same_key};
	struct box_keeper *k = NULL;

	(void)state;
	for (size_t n = 0; n < 64; n++) {
		CLEANUP(secret_freep) struct secret *s = NULL;
		const uint8_t key[64] = {1};

		assert_int_equal(secret_new(view_of(key, n), &s), ERR_OK);
		if (n != BOX_KEY_BYTES)
			assert_int_equal(box_keeper_new(s, &source, &k), ERR_CONFIG);
	}
	assert_null(k);
}

static void a_full_buffer_is_said(void **state)
{
	CLEANUP(sealed_fini) struct sealed s = sealed_new();
	struct box_key key;
	struct buf out;

	(void)state;
	buf_init(&out, 4);
	assert_int_equal(box_seal(s.keeper, view_str(""), view_str(""), &key, &out), ERR_LIMIT);
	assert_int_equal(box_open(s.keeper, &s.key, view_str("body 17"), buf_view(&s.cipher), &out),
			 ERR_LIMIT);
	assert_int_equal(out.n, 0);
}

static int start(void **state)
{
	(void)state;
	return crypto_init() == ERR_OK ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	crypto_fini();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_key_is_wrapped_as_rfc3394_says),
		cmocka_unit_test(the_text_is_encrypted_as_gcm_says),
		cmocka_unit_test(what_was_sealed_opens),
		cmocka_unit_test(no_two_boxes_have_one_key),
		cmocka_unit_test(a_source_that_fails_is_said),
		cmocka_unit_test(each_altered_bit_keeps_it_shut),
		cmocka_unit_test(another_row_length_or_node_key_keeps_it_shut),
		cmocka_unit_test(an_erased_key_opens_nothing),
		cmocka_unit_test(a_node_key_has_32_bytes),
		cmocka_unit_test(a_full_buffer_is_said),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
