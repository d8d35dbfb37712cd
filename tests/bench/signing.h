/**
 * @file
 * Ed25519 and TLS as the contenders and the limit use them: contexts made once, copied for each
 * use.
 */
#ifndef BENCH_SIGNING_H
#define BENCH_SIGNING_H

#include <openssl/evp.h>
#include <openssl/ssl.h>

#define SIGNATURE_BYTES 64u

struct signing {
	EVP_MD_CTX *sign, *verify, *used;
};

void signing_init(struct signing *s); /**< with a fresh key; ends the program on failure */
void signing_fini(struct signing *s);
void signing_sign(struct signing *s, const void *p, size_t n, unsigned char *ret);
void signing_verify(struct signing *s, const void *p, size_t n, const unsigned char *signature);

/**
 * A session of TLS 1.3 with both certificates verified, for @p fd, not yet shaken hands.
 *
 * @param home  folder with tls.pem and tls.key
 * @param ca    file of the CA of the other side
 */
SSL *tls_new(int is_server, int fd, const char *home, const char *ca);
void tls_free(SSL *tls);

#endif
