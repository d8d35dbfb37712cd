/* Ed25519: the vectors of RFC 8032 section 7.1, forgeries, and keys that must not be taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <sodium.h>

#include "base/buf.h"
#include "base/own.h"
#include "crypto/digest.h"
#include "crypto/openssl.h"
#include "crypto/sign.h"
#include "pki.h"

static const struct {
	const char *seed;
	const char *public;
	const char *message;
	const char *signature;
} rfc8032[] = {
	{"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
	 "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
	 "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e"
	 "39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
	{"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
	 "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
	 "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f"
	 "3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
	{"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
	 "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
	 "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67"
	 "f760984dc6594a7c15e9716ed28dc027beceea1ec40a"},
};

static struct seal_key *key_of(const char *seed_hex)
{
	struct seal_key *k = NULL;
	uint8_t seed[32];

	assert_int_equal(hex_decode(seed_hex, seed, sizeof(seed)), ERR_OK);
	assert_int_equal(seal_key_from_seed(seed, &k), ERR_OK);
	return k;
}

static void signatures_are_those_of_rfc8032(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rfc8032); i++) {
		CLEANUP(seal_key_freep) struct seal_key *k = key_of(rfc8032[i].seed);
		uint8_t message[8], expected[ED25519_SIGNATURE_BYTES], got[ED25519_SIGNATURE_BYTES];
		uint8_t public[ED25519_PUBLIC_BYTES], raw[ED25519_PUBLIC_BYTES];
		size_t n = strlen(rfc8032[i].message) / 2;
		struct view m = view_of(message, n);

		assert_int_equal(hex_decode(rfc8032[i].message, message, n), ERR_OK);
		assert_int_equal(hex_decode(rfc8032[i].public, public, sizeof(public)), ERR_OK);
		assert_int_equal(hex_decode(rfc8032[i].signature, expected, sizeof(expected)),
				 ERR_OK);
		verify_key_raw(seal_key_public(k), raw);
		assert_memory_equal(raw, public, sizeof(raw));
		/* twice: the context is used again */
		for (int round = 0; round < 2; round++) {
			assert_int_equal(seal_key_sign(k, m, got), ERR_OK);
			assert_memory_equal(got, expected, sizeof(got));
			assert_int_equal(
				verify_key_check(seal_key_public(k), m, view_of(got, sizeof(got))),
				ERR_OK);
		}
	}
}

static void an_empty_message_may_have_no_address(void **state)
{
	CLEANUP(seal_key_freep) struct seal_key *k = key_of(rfc8032[0].seed);
	uint8_t got[ED25519_SIGNATURE_BYTES];

	(void)state;
	assert_int_equal(seal_key_sign(k, view_of(NULL, 0), got), ERR_OK);
	assert_int_equal(
		verify_key_check(seal_key_public(k), view_of(NULL, 0), view_of(got, sizeof(got))),
		ERR_OK);
}

static void each_flipped_bit_breaks_a_signature(void **state)
{
	CLEANUP(seal_key_freep) struct seal_key *k = key_of(rfc8032[2].seed);
	const struct verify_key *public = seal_key_public(k);
	uint8_t message[40] = "a checkpoint of the ledger", s[ED25519_SIGNATURE_BYTES];
	struct view m = view_of(message, sizeof(message)), v = view_of(s, sizeof(s));

	(void)state;
	assert_int_equal(seal_key_sign(k, m, s), ERR_OK);
	for (size_t i = 0; i < 8 * sizeof(s); i++) {
		s[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_equal(verify_key_check(public, m, v), ERR_SIGNATURE);
		s[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (size_t i = 0; i < 8 * sizeof(message); i++) {
		message[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_equal(verify_key_check(public, m, v), ERR_SIGNATURE);
		message[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	assert_int_equal(verify_key_check(public, m, v), ERR_OK);
}

static void a_signature_of_another_length_is_refused(void **state)
{
	CLEANUP(seal_key_freep) struct seal_key *k = key_of(rfc8032[0].seed);
	uint8_t s[ED25519_SIGNATURE_BYTES + 1] = {0};

	(void)state;
	assert_int_equal(seal_key_sign(k, view_str(""), s), ERR_OK);
	for (size_t n = 0; n <= sizeof(s); n++)
		assert_int_equal(verify_key_check(seal_key_public(k), view_str(""), view_of(s, n)),
				 n == ED25519_SIGNATURE_BYTES ? ERR_OK : ERR_SIGNATURE);
}

/* S + L verifies where S is not checked to be below the group's order L (RFC 8032 5.1.7). */
static void a_second_form_of_a_signature_is_refused(void **state)
{
	static const char order[] =
		"edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
	CLEANUP(seal_key_freep) struct seal_key *k = key_of(rfc8032[1].seed);
	uint8_t s[ED25519_SIGNATURE_BYTES], l[32];
	unsigned carry = 0;

	(void)state;
	assert_int_equal(hex_decode(order, l, sizeof(l)), ERR_OK);
	assert_int_equal(seal_key_sign(k, view_str("x"), s), ERR_OK);
	for (size_t i = 0; i < sizeof(l); i++) {
		carry += (unsigned)s[32 + i] + l[i];
		s[32 + i] = (uint8_t)carry;
		carry >>= 8;
	}
	assert_int_equal(verify_key_check(seal_key_public(k), view_str("x"), view_of(s, sizeof(s))),
			 ERR_SIGNATURE);
}

static void unusable_public_keys_are_refused(void **state)
{
	static const char *const cases[] = {
		/* y of order 1, 2, 4, 8, 8, with both signs of x */
		"0100000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000080",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0000000000000000000000000000000000000000000000000000000000000080",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
		/* y not below the prime: p, p + 1, p + 3, 2^255 - 1 */
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		/* y = 2, 7: no x */
		"0200000000000000000000000000000000000000000000000000000000000000",
		"0700000000000000000000000000000000000000000000000000000000000000",
	};
	struct verify_key *k = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t raw[ED25519_PUBLIC_BYTES];

		assert_int_equal(hex_decode(cases[i], raw, sizeof(raw)), ERR_OK);
		if (verify_key_new(view_of(raw, sizeof(raw)), &k) != ERR_FORMAT)
			fail_msg("accepted: %s", cases[i]);
		assert_null(k);
	}
	for (size_t n = 0; n < 70; n++) {
		const uint8_t raw[70] = {9};

		if (n != ED25519_PUBLIC_BYTES)
			assert_int_equal(verify_key_new(view_of(raw, n), &k), ERR_FORMAT);
	}
}

/* A key and the same with the point of order 2 added, which negates x and y: it would verify what
 * the first one signed, for every second message. */
static void a_key_of_mixed_order_is_refused(void **state)
{
	CLEANUP(seal_key_freep) struct seal_key *k = key_of(rfc8032[0].seed);
	uint8_t raw[ED25519_PUBLIC_BYTES], p[ED25519_PUBLIC_BYTES];
	struct verify_key *mixed = NULL;
	uint8_t sign;
	int borrow = 0;

	(void)state;
	verify_key_raw(seal_key_public(k), raw);
	sign = raw[31] & 0x80;
	raw[31] ^= sign;
	memset(p, 0xff, sizeof(p));
	p[0] = 0xed;
	p[31] = 0x7f;
	for (size_t i = 0; i < sizeof(p); i++) {
		borrow += p[i] - raw[i];
		raw[i] = (uint8_t)borrow;
		borrow >>= 8;
	}
	raw[31] |= sign ^ 0x80;
	assert_int_equal(verify_key_new(view_of(raw, sizeof(raw)), &mixed), ERR_FORMAT);
	assert_null(mixed);
}

/* R of order 1 and S = h a: what fits the equation, and OpenSSL takes, but no signer makes. */
static void a_signature_with_a_point_of_small_order_is_refused(void **state)
{
	CLEANUP(seal_key_freep) struct seal_key *k = key_of(rfc8032[0].seed);
	uint8_t seed[32], secret[64], h[64], scalar[32], s[ED25519_SIGNATURE_BYTES] = {1};
	const struct view m = view_str("deny me");
	crypto_hash_sha512_state hash;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY *pkey;

	(void)state;
	assert_int_equal(hex_decode(rfc8032[0].seed, seed, sizeof(seed)), ERR_OK);
	(void)crypto_hash_sha512(secret, seed, sizeof(seed));
	secret[0] &= 248;
	secret[31] = (secret[31] & 63) | 64;
	memset(secret + 32, 0, 32);
	crypto_core_ed25519_scalar_reduce(scalar, secret);
	verify_key_raw(seal_key_public(k), seed);
	(void)crypto_hash_sha512_init(&hash);
	(void)crypto_hash_sha512_update(&hash, s, 32);
	(void)crypto_hash_sha512_update(&hash, seed, 32);
	(void)crypto_hash_sha512_update(&hash, m.p, m.n);
	(void)crypto_hash_sha512_final(&hash, h);
	crypto_core_ed25519_scalar_reduce(s + 32, h);
	crypto_core_ed25519_scalar_mul(s + 32, s + 32, scalar);
	assert_int_equal(verify_key_check(seal_key_public(k), m, view_of(s, sizeof(s))),
			 ERR_SIGNATURE);
	pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed));
	assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey), 1);
	assert_int_equal(EVP_DigestVerify(ctx, s, sizeof(s), m.p, m.n), 1);
	EVP_PKEY_free(pkey);
	EVP_MD_CTX_free(ctx);
}

/* Every generated key is good. Half of all strings are no point, and seven points of eight are not
 * of the group of prime order, that which keys are made in. */
static void usable_public_keys_are_taken(void **state)
{
	unsigned taken = 0;

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		CLEANUP(seal_key_freep) struct seal_key *k = NULL;
		CLEANUP(verify_key_freep) struct verify_key *v = NULL;
		struct digest d = sha256(view_of(&i, sizeof(i)));

		assert_int_equal(seal_key_from_seed(d.b, &k), ERR_OK);
		taken += verify_key_new(view_digest(&d), &v) == ERR_OK;
	}
	assert_in_range(taken, 3, 30);
}

/* The digest of what `openssl pkey -pubin -outform DER` writes. */
static void the_fingerprint_is_of_the_public_key_info(void **state)
{
	CLEANUP(seal_key_freep) struct seal_key *k = key_of(rfc8032[0].seed);
	uint8_t raw[ED25519_PUBLIC_BYTES], *der = NULL;
	struct digest fingerprint = verify_key_fingerprint(seal_key_public(k)), expected;
	EVP_PKEY *pkey;
	int n;

	(void)state;
	verify_key_raw(seal_key_public(k), raw);
	pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw, sizeof(raw));
	n = i2d_PUBKEY(pkey, &der);
	assert_true(n > 0);
	expected = sha256(view_of(der, (size_t)n));
	assert_true(digest_eq(&fingerprint, &expected));
	OPENSSL_free(der);
	EVP_PKEY_free(pkey);
}

static struct pki_leaf leaf_with(enum pki_key kind)
{
	struct pki_ca *ca = pki_ca_new(&(struct pki_ca_options){.domain = "a.example"});
	struct pki_leaf leaf;

	pki_issue(ca, &(struct pki_leaf_options){.id = "spiffe://a.example/x", .key = kind}, &leaf);
	pki_ca_free(ca);
	return leaf;
}

static void a_pem_key_signs(void **state)
{
	CLEANUP(pki_leaf_fini) struct pki_leaf leaf = leaf_with(PKI_ED25519);
	CLEANUP(seal_key_freep) struct seal_key *k = NULL;
	uint8_t s[ED25519_SIGNATURE_BYTES];

	(void)state;
	assert_int_equal(seal_key_from_pem(buf_view(&leaf.key_pem), &k), ERR_OK);
	assert_int_equal(seal_key_sign(k, view_str("x"), s), ERR_OK);
	assert_int_equal(verify_key_check(seal_key_public(k), view_str("x"), view_of(s, sizeof(s))),
			 ERR_OK);
}

static void other_pem_is_no_seal_key(void **state)
{
	CLEANUP(pki_leaf_fini) struct pki_leaf ed = leaf_with(PKI_ED25519);
	CLEANUP(pki_leaf_fini) struct pki_leaf ec = leaf_with(PKI_P256);
	struct seal_key *k = NULL;

	(void)state;
	assert_int_equal(seal_key_from_pem(buf_view(&ec.key_pem), &k), ERR_CONFIG);
	assert_non_null(strstr(err_words(), "Ed25519"));
	assert_int_equal(seal_key_from_pem(buf_view(&ed.cert_pem), &k), ERR_CONFIG);
	assert_int_equal(seal_key_from_pem(view_str(""), &k), ERR_CONFIG);
	assert_int_equal(seal_key_from_pem(view_of(NULL, 0), &k), ERR_CONFIG);
	assert_int_equal(seal_key_from_pem(view_str("not PEM"), &k), ERR_CONFIG);
	for (size_t n = 0; n + 1 < ed.key_pem.n; n++)
		if (seal_key_from_pem(view_of(buf_data(&ed.key_pem), n), &k) != ERR_CONFIG)
			fail_msg("accepted: the first %zu bytes", n);
	assert_null(k);
}

static void an_encrypted_key_is_refused_without_asking(void **state)
{
	CLEANUP(seal_key_freep) struct seal_key *k = NULL;
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	BIO *bio = BIO_new(BIO_s_mem());
	char *p = NULL;
	long n;

	(void)state;
	assert_true(
		PEM_write_bio_PKCS8PrivateKey(bio, pkey, EVP_aes_256_cbc(), "word", 4, NULL, NULL));
	n = BIO_get_mem_data(bio, &p);
	assert_int_equal(seal_key_from_pem(view_of(p, (size_t)n), &k), ERR_CONFIG);
	BIO_free(bio);
	EVP_PKEY_free(pkey);
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
		cmocka_unit_test(signatures_are_those_of_rfc8032),
		cmocka_unit_test(an_empty_message_may_have_no_address),
		cmocka_unit_test(each_flipped_bit_breaks_a_signature),
		cmocka_unit_test(a_signature_of_another_length_is_refused),
		cmocka_unit_test(a_second_form_of_a_signature_is_refused),
		cmocka_unit_test(unusable_public_keys_are_refused),
		cmocka_unit_test(a_key_of_mixed_order_is_refused),
		cmocka_unit_test(a_signature_with_a_point_of_small_order_is_refused),
		cmocka_unit_test(usable_public_keys_are_taken),
		cmocka_unit_test(the_fingerprint_is_of_the_public_key_info),
		cmocka_unit_test(a_pem_key_signs),
		cmocka_unit_test(other_pem_is_no_seal_key),
		cmocka_unit_test(an_encrypted_key_is_refused_without_asking),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
