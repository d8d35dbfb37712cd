#include "bench/signing.h"

#include <stdio.h>

#include "bench/measure.h"

void signing_init(struct signing *s)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

	*s = (struct signing){EVP_MD_CTX_new(), EVP_MD_CTX_new(), EVP_MD_CTX_new()};
	if (!key || !s->sign || !s->verify || !s->used ||
	    EVP_DigestSignInit_ex(s->sign, NULL, NULL, NULL, NULL, key, NULL) != 1 ||
	    EVP_DigestVerifyInit_ex(s->verify, NULL, NULL, NULL, NULL, key, NULL) != 1)
		fail("Ed25519 cannot be set up");
	EVP_PKEY_free(key);
}

void signing_fini(struct signing *s)
{
	EVP_MD_CTX_free(s->sign);
	EVP_MD_CTX_free(s->verify);
	EVP_MD_CTX_free(s->used);
}

void signing_sign(struct signing *s, const void *p, size_t n, unsigned char *ret)
{
	size_t n_signature = SIGNATURE_BYTES;

	if (EVP_MD_CTX_copy_ex(s->used, s->sign) != 1 ||
	    EVP_DigestSign(s->used, ret, &n_signature, p, n) != 1)
		fail("a signature fails");
}

void signing_verify(struct signing *s, const void *p, size_t n, const unsigned char *signature)
{
	if (EVP_MD_CTX_copy_ex(s->used, s->verify) != 1 ||
	    EVP_DigestVerify(s->used, signature, SIGNATURE_BYTES, p, n) != 1)
		fail("a signature does not verify");
}

SSL *tls_new(int is_server, int fd, const char *home, const char *ca)
{
	SSL_CTX *ctx = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
	char chain[4096], key[4096];
	SSL *tls;

	(void)snprintf(chain, sizeof(chain), "%s/tls.pem", home);
	(void)snprintf(key, sizeof(key), "%s/tls.key", home);
	if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_use_certificate_chain_file(ctx, chain) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_load_verify_locations(ctx, ca, NULL) != 1)
		fail("TLS cannot be set up with %s and %s", home, ca);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	tls = SSL_new(ctx);
	SSL_CTX_free(ctx);
	if (!tls || SSL_set_fd(tls, fd) != 1)
		fail("TLS cannot be set up");
	if (is_server)
		SSL_set_accept_state(tls);
	else
		SSL_set_connect_state(tls);
	return tls;
}

void tls_free(SSL *tls)
{
	SSL_free(tls);
}
