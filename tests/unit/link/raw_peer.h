/**
 * @file
 * A peer that keeps no rule but TLS's own: OpenSSL by itself, so that it can say what a link never
 * would.
 */
#ifndef TESTS_LINK_RAW_PEER_H
#define TESTS_LINK_RAW_PEER_H

#include "pair.h"

#include "crypto/openssl.h"

/* CZ dials the link @p l of SK. */
struct raw_peer {
	SSL_CTX *context;
	SSL *ssl;
	BIO *in, *out;
	struct link *l;
};

static inline void raw_peer_identity(SSL_CTX *c)
{
	const struct pki_leaf_options o = {.id = CZ_ID, .purpose = CERT_TLS, .utc_s = NOW_S};
	struct pki_leaf leaf = {0};
	BIO *cert, *key;
	EVP_PKEY *pkey;
	X509 *x;

	pki_issue(world.cz, &o, &leaf);
	cert = BIO_new_mem_buf(buf_data(&leaf.cert_pem), (int)leaf.cert_pem.n);
	key = BIO_new_mem_buf(buf_data(&leaf.key_pem), (int)leaf.key_pem.n);
	x = PEM_read_bio_X509(cert, NULL, NULL, NULL);
	pkey = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);
	assert_int_equal(SSL_CTX_use_certificate(c, x), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(c, pkey), 1);
	X509_free(x);
	EVP_PKEY_free(pkey);
	(void)BIO_free(cert);
	(void)BIO_free(key);
	pki_leaf_fini(&leaf);
}

/* Bytes of the raw peer to the link. */
static inline enum err raw_peer_flush(struct raw_peer *r, uint64_t now)
{
	static uint8_t bytes[LINK_INPUT_MAX];
	enum err e = ERR_OK;
	int n;

	while (!e && (n = BIO_read(r->out, bytes, sizeof(bytes))) > 0)
		e = link_input(r->l, view_of(bytes, (size_t)n), now);
	return e;
}

static inline void raw_peer_listen(struct raw_peer *r, uint64_t now)
{
	struct view out = link_output(r->l);

	if (out.n) {
		assert_int_equal(BIO_write(r->in, out.p, (int)out.n), out.n);
		assert_int_equal(link_sent(r->l, out.n, now), ERR_OK);
	}
}

/* TLS stands, and the link is in GREETING. */
static inline void raw_peer_open(struct raw_peer *r, uint64_t now)
{
	static const uint8_t alpn[] = "\x08" TLS_ALPN;

	r->context = SSL_CTX_new(TLS_client_method());
	assert_non_null(r->context);
	raw_peer_identity(r->context);
	r->ssl = SSL_new(r->context);
	r->in = BIO_new(BIO_s_mem());
	r->out = BIO_new(BIO_s_mem());
	SSL_set_bio(r->ssl, r->in, r->out);
	assert_int_equal(SSL_set_alpn_protos(r->ssl, alpn, sizeof(alpn) - 1), 0);
	assert_int_equal(link_new(world.sk_tls, TLS_LISTENER, NULL, now, &r->l), ERR_OK);
	while (SSL_connect(r->ssl) != 1) {
		assert_int_equal(raw_peer_flush(r, now), ERR_OK);
		raw_peer_listen(r, now);
	}
	assert_int_equal(raw_peer_flush(r, now), ERR_OK);
	assert_int_equal(link_state(r->l), LINK_GREETING);
}

static inline void raw_peer_say(struct raw_peer *r, const void *p, size_t n)
{
	assert_int_equal(SSL_write(r->ssl, p, (int)n), n);
}

static inline void raw_peer_close(struct raw_peer *r)
{
	SSL_free(r->ssl);
	SSL_CTX_free(r->context);
	link_free(r->l);
}

#endif
