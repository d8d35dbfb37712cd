/*
 * SHA-256 by the low-level calls: they allocate nothing, so a hash cannot fail, in a program that
 * hashes in every pure function. EVP_DigestInit_ex2() of OpenSSL 3.0 allocates each time.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "crypto/digest.h"

#include <limits.h>
#include <openssl/sha.h>

#include "crypto/internal.h"

struct digest sha256(struct view v)
{
	return sha256_parts(&v, 1);
}

struct digest sha256_parts(const struct view *parts, size_t n_parts)
{
	struct digest d;
	SHA256_CTX hash;

	ASSERT(SHA256_Init(&hash));
	for (size_t i = 0; i < n_parts; i++)
		if (parts[i].n)
			ASSERT(SHA256_Update(&hash, parts[i].p, parts[i].n));
	ASSERT(SHA256_Final(d.b, &hash));
	OPENSSL_cleanse(&hash, sizeof(hash)); /* what was hashed may be a secret */
	return d;
}

enum err err_openssl_at(enum err e, const char *file, int line, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	return err_new_at(e, file, line, "%s%s%s", what, reason ? ": " : "", reason ? reason : "");
}

BIO *bio_of(struct view v)
{
	if (v.n > INT_MAX)
		return NULL;
	return BIO_new_mem_buf(v.n ? (const void *)v.p : "", (int)v.n);
}

/* An encrypted key is refused: nobody is there to type a pass phrase. */
static int no_pass_phrase(char *p, int n, int rwflag, void *ctx)
{
	(void)p;
	(void)n;
	(void)rwflag;
	(void)ctx;
	return -1;
}

EVP_PKEY *pkey_from_pem(struct view pem)
{
	CLEANUP(BIO_free_allp) BIO *bio = bio_of(pem);

	return bio ? PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, NULL) : NULL;
}
