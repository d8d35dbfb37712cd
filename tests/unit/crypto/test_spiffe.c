/*
 * The X509-SVID test certificates of go-spiffe. Ours is a narrower profile (P-256, both
 * extKeyUsage), so of the good ones only those of P-256 pass it whole; the others must be read
 * without error.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/own.h"
#include "crypto/cert.h"
#include "crypto/digest.h"
#include "crypto/openssl.h"
#include "shared.h"

#define SVID "vectors/spiffe/svid/x509svid/testdata/"
#define BUNDLE "vectors/spiffe/bundle/x509bundle/testdata/"

static struct buf file_or_skip(const char *folder, const char *name)
{
	struct buf b = {0};
	char path[300];

	(void)snprintf(path, sizeof(path), "%s%s", folder, name);
	if (!shared_read(path, &b))
		skip();
	return b;
}

static void good_certificates_are_read_and_say_who_they_are(void **state)
{
	static const struct {
		const char *name;
		size_t n_chain;
		const char *refused; /* by our profile, or NULL */
	} cases[] = {
		{"good-cert-and-key.pem", 1, NULL},
		{"good-key-and-cert.pem", 1, NULL},
		{"good-leaf-and-intermediate.pem", 2, NULL},
		{"good-leaf-only.pem", 1, "extKeyUsage"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_fini) struct buf pem = file_or_skip(SVID, cases[i].name);
		CLEANUP(cert_chain_fini) struct cert_chain chain = {0};
		struct agency_id id;
		enum err e;

		assert_int_equal(cert_chain_from_pem(buf_view(&pem), &chain), ERR_OK);
		assert_int_equal(chain.n, cases[i].n_chain);
		e = cert_check_profile(chain.der[0], CERT_TLS, &id, NULL);
		if (cases[i].refused) {
			assert_int_equal(e, ERR_CERT);
			assert_non_null(strstr(err_words(), cases[i].refused));
			continue;
		}
		assert_int_equal(e, ERR_OK);
		assert_string_equal(id.text, "spiffe://example.org/workload-1");
	}
}

/* The wrong ones differ from good-leaf-only.pem in one thing, which must be what is said. */
static void wrong_leaves_are_refused_for_what_is_wrong(void **state)
{
	static const struct {
		const char *name;
		const char *why;
	} cases[] = {
		{"wrong-leaf-ca-true.pem", "a CA's"},
		{"wrong-leaf-cert-sign.pem", "keyUsage must be digitalSignature"},
		{"wrong-leaf-crl-sign.pem", "keyUsage must be digitalSignature"},
		{"wrong-leaf-no-digital-signature.pem", "keyUsage must be digitalSignature"},
		/* it has no extKeyUsage either, which is seen first */
		{"wrong-leaf-empty-id.pem", "extKeyUsage"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_fini) struct buf pem = file_or_skip(SVID, cases[i].name);
		CLEANUP(cert_chain_fini) struct cert_chain chain = {0};
		struct agency_id id;

		assert_int_equal(cert_chain_from_pem(buf_view(&pem), &chain), ERR_OK);
		for (int p = CERT_TLS; p <= CERT_SEAL; p++)
			assert_int_equal(
				cert_check_profile(chain.der[0], (enum cert_purpose)p, &id, NULL),
				ERR_CERT);
		assert_int_equal(cert_check_profile(chain.der[0], CERT_TLS, &id, NULL), ERR_CERT);
		if (!strstr(err_words(), cases[i].why))
			fail_msg("%s: %s", cases[i].name, err_words());
	}
}

/* A certificate that is no CA's, or may not certify, makes no anchor. */
static void wrong_intermediates_make_no_anchor(void **state)
{
	static const char *const cases[] = {"wrong-intermediate-no-ca.pem",
					    "wrong-intermediate-no-key-cert-sign.pem"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_fini) struct buf pem = file_or_skip(SVID, cases[i]);
		CLEANUP(cert_chain_fini) struct cert_chain chain = {0};
		CLEANUP(trust_freep) struct trust *t = NULL;
		BIO *bio = BIO_new(BIO_s_mem());
		const uint8_t *der;
		char *text = NULL;
		X509 *x;
		long n;

		assert_int_equal(cert_chain_from_pem(buf_view(&pem), &chain), ERR_OK);
		assert_int_equal(chain.n, 2);
		der = chain.der[1].p;
		x = d2i_X509(NULL, &der, (long)chain.der[1].n);
		assert_true(PEM_write_bio_X509(bio, x));
		n = BIO_get_mem_data(bio, &text);
		assert_int_equal(trust_new(&t), ERR_OK);
		assert_int_equal(trust_add(t, view_str("example.org"), view_of(text, (size_t)n),
					   view_str("")),
				 ERR_CONFIG);
		assert_non_null(strstr(err_words(), "not a CA's certificate"));
		X509_free(x);
		BIO_free(bio);
	}
}

static void what_is_no_certificate_is_not_read(void **state)
{
	static const char *const cases[] = {"corrupt-cert.pem", "corrupt-key.pem", "not-pem",
					    "key-pkcs8-ecdsa.pem", "key-pkcs8-rsa.pem"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_fini) struct buf pem = file_or_skip(SVID, cases[i]);
		struct cert_chain chain = {0};
		struct seal_key *key = NULL;

		if (cert_chain_from_pem(buf_view(&pem), &chain) != ERR_CONFIG)
			fail_msg("accepted: %s", cases[i]);
		assert_int_equal(seal_key_from_pem(buf_view(&pem), &key), ERR_CONFIG);
	}
}

/* The bundles' certificates are of version 1: they are read, and say of none that it is a CA's. */
static void bundles_are_read_and_refused_for_what_they_hold(void **state)
{
	static const struct {
		const char *name;
		const char *why;
	} cases[] = {
		{"cert.pem", "not a CA's certificate"},
		{"certs.pem", "not a CA's certificate"},
		{"corrupted.pem", "not a certificate"},
		{"empty.pem", "no certificate in PEM"},
		{"key.pem", "something other than certificates"},
		{"not-pem.pem", "no certificate in PEM"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_fini) struct buf pem = file_or_skip(BUNDLE, cases[i].name);
		CLEANUP(trust_freep) struct trust *t = NULL;

		assert_int_equal(trust_new(&t), ERR_OK);
		assert_int_equal(
			trust_add(t, view_str("example.org"), buf_view(&pem), view_str("")),
			ERR_CONFIG);
		if (!strstr(err_words(), cases[i].why))
			fail_msg("%s: %s", cases[i].name, err_words());
	}
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
		cmocka_unit_test(good_certificates_are_read_and_say_who_they_are),
		cmocka_unit_test(wrong_leaves_are_refused_for_what_is_wrong),
		cmocka_unit_test(wrong_intermediates_make_no_anchor),
		cmocka_unit_test(what_is_no_certificate_is_not_read),
		cmocka_unit_test(bundles_are_read_and_refused_for_what_they_hold),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
