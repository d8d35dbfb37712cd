/* The pair chain: each part of what is hashed makes another head. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/buf.h"
#include "crypto/digest.h"
#include "ledger/chain.h"

static struct agency_id agency(const char *text)
{
	struct agency_id id;

	assert_int_equal(agency_id_parse(view_str(text), &id), ERR_OK);
	return id;
}

static void test_start(void **state)
{
	struct agency_id sk = agency("spiffe://sk.example/cipc");
	struct agency_id sk2 = agency("spiffe://sk.example/cipcx");
	struct chain_head a = chain_start("cz.example/umpod/1", &sk);
	struct chain_head b = chain_start("cz.example/umpod/2", &sk);
	struct chain_head c = chain_start("cz.example/umpod/1", &sk2);
	/* the bytes, written out: domain with NUL, u16 length before each text */
	struct digest want = sha256(view_of("amparo/v1/chain\0\0\x12"
					    "cz.example/umpod/1\0\x18spiffe://sk.example/cipc",
					    16 + 2 + 18 + 2 + 24));

	(void)state;
	assert_int_equal(a.k, 0);
	assert_true(digest_eq(&a.head, &want));
	assert_false(digest_eq(&a.head, &b.head));
	assert_false(digest_eq(&a.head, &c.head));
}

static void test_next(void **state)
{
	struct chain_head at = {.k = 0x0102030405060707};
	struct digest leaf = {.b = {0}};
	struct chain_head next, other;
	uint8_t bytes[15 + 32 + 8 + 32] = "amparo/v1/link";
	struct digest want;

	(void)state;
	memset(at.head.b, 0xaa, sizeof(at.head.b));
	memset(leaf.b, 0xbb, sizeof(leaf.b));
	memset(bytes + 15, 0xaa, 32);
	put_u64be(bytes + 47, 0x0102030405060708);
	memset(bytes + 55, 0xbb, 32);
	want = sha256(view_of(bytes, sizeof(bytes)));
	next = chain_next(&at, &leaf);
	assert_true(next.k == at.k + 1);
	assert_true(digest_eq(&next.head, &want));
	leaf.b[31] ^= 1;
	other = chain_next(&at, &leaf);
	assert_false(digest_eq(&other.head, &next.head));
	leaf.b[31] ^= 1;
	at.k++;
	other = chain_next(&at, &leaf);
	assert_false(digest_eq(&other.head, &next.head));
}

/* no entry can be left out, doubled or moved without another head at the end */
static void test_order_matters(void **state)
{
	struct agency_id sk = agency("spiffe://sk.example/cipc");
	struct chain_head start = chain_start("cz.example/umpod/1", &sk);
	struct digest leaf[3] = {{.b = {1}}, {.b = {2}}, {.b = {3}}};
	struct chain_head seen[27];
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 27; i++) {
		struct chain_head h = chain_next(&start, &leaf[i / 9]);

		h = chain_next(&h, &leaf[i / 3 % 3]);
		h = chain_next(&h, &leaf[i % 3]);
		for (size_t j = 0; j < n; j++)
			assert_false(digest_eq(&h.head, &seen[j].head));
		seen[n++] = h;
	}
}

static int set_up(void **state)
{
	(void)state;
	return crypto_init() != ERR_OK;
}

static int tear_down(void **state)
{
	(void)state;
	crypto_fini();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_order_matters),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
