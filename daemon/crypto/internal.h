/**
 * @file
 * Inside the crypto module only: what crypto_init() fetched, and errors with OpenSSL's own words.
 */
#ifndef CRYPTO_INTERNAL_H
#define CRYPTO_INTERNAL_H

#include "base/digest.h"
#include "base/err.h"
#include "base/own.h"
#include "crypto/cert.h"
#include "crypto/openssl.h"
#include "crypto/sign.h"

/** Algorithms, fetched once: an implicit fetch costs more than a small hash. */
struct crypto_algorithms {
	EVP_CIPHER *aes_256_gcm;
	EVP_CIPHER *aes_256_ecb; /* a block at a time, for the key wrap */
};

/** The fetched algorithms; crypto_init() must have been called. */
const struct crypto_algorithms *crypto_algorithms(void);

/** Note @p what and the newest reason of OpenSSL's error queue, and empty the queue. */
#define err_openssl(e, what) err_openssl_at((e), __FILE__, __LINE__, (what))

/** Behind err_openssl(). */
enum err err_openssl_at(enum err e, const char *file, int line, const char *what);

/** A read-only memory BIO over @p v, which it borrows; NULL: out of memory or too long. */
BIO *bio_of(struct view v);

/** Read one unencrypted private key from PEM; NULL when there is none. */
EVP_PKEY *pkey_from_pem(struct view pem);

/** The Ed25519 key of @p pkey; ERR_FORMAT when it is of another kind or unsafe. */
enum err verify_key_from_pkey(const EVP_PKEY *pkey, struct verify_key **ret) WARN_UNUSED;

/** Exactly one certificate of at most CERT_DER_MAX bytes, all used; NULL otherwise. */
X509 *cert_from_der(struct view der);

/** The leaf profile, see cert_check_profile(). */
enum err cert_check_leaf(X509 *x, enum cert_purpose purpose, struct agency_id *ret_id,
			 struct verify_key **ret_key) WARN_UNUSED;

/**
 * Hand each block of @p pem to @p block, until it fails.
 *
 * @retval ERR_CONFIG  damaged PEM; no block at all is fine
 */
enum err pem_each(struct view pem, enum err (*block)(void *ctx, const char *type, struct view der),
		  void *ctx) WARN_UNUSED;

DEFINE_FREEP(BIO, BIO_free_all)
DEFINE_FREEP(EVP_PKEY, EVP_PKEY_free)
DEFINE_FREEP(EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)
DEFINE_FREEP(X509, X509_free)
DEFINE_FREEP(X509_CRL, X509_CRL_free)

#endif
