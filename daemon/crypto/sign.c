#include "crypto/sign.h"

#include <sodium.h>

#include "base/secret.h"
#include "crypto/digest.h"
#include "crypto/internal.h"

#define KNOWN_SIGNATURES 256 /* a power of two */

/* What was verified lately: a checkpoint comes with each batch, record and Hello that rests on it.
 * A digest of key, signature and message that was put here cannot be met by others. Each is at its
 * own first byte; zero: none. */
static struct digest known_signatures[KNOWN_SIGNATURES];

struct verify_key {
	uint8_t raw[ED25519_PUBLIC_BYTES];
};

struct seal_key {
	struct verify_key *public;
	struct secret *secret; /* crypto_sign_SECRETKEYBYTES: the seed, then the public half */
};

_Static_assert(ED25519_PUBLIC_BYTES == crypto_sign_PUBLICKEYBYTES &&
		       ED25519_SIGNATURE_BYTES == crypto_sign_BYTES,
	       "as RFC 8032");

/*
 * Is it a point of the group of prime order? Then that order times it is the neutral element, which
 * the multiplication says by failing. The first function alone would do, but for CVE-2025-69277:
 * 1.0.18 as it was first takes a key to which a point of small order was added, and its number is
 * that of the mended one.
 */
static bool is_of_prime_order(const uint8_t raw[ED25519_PUBLIC_BYTES])
{
	/* L, little-endian: RFC 8032 section 5.1 */
	static const uint8_t order[crypto_scalarmult_ed25519_SCALARBYTES] = {
		0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
		0xa2, 0xde, 0xf9, 0xde, 0x14, 0,    0,	  0,	0,    0,    0,
		0,    0,    0,	  0,	0,    0,    0,	  0,	0,    0x10};
	uint8_t product[crypto_scalarmult_ed25519_BYTES];

	return crypto_core_ed25519_is_valid_point(raw) &&
	       crypto_scalarmult_ed25519_noclamp(product, order, raw) != 0;
}

enum err verify_key_new(struct view raw, struct verify_key **ret)
{
	struct verify_key *k;

	if (raw.n != ED25519_PUBLIC_BYTES)
		return err_new(ERR_FORMAT, "an Ed25519 key has 32 bytes, not %zu", raw.n);
	/* A key of small order would verify one signature for many messages, so that its owner
	 * could deny what it signed; a signature is evidence here. */
	if (!is_of_prime_order(raw.p))
		return err_new(ERR_FORMAT, "not a usable Ed25519 key");
	k = calloc(1, sizeof(*k));
	if (!k)
		return err_new(ERR_NOMEM, "key");
	memcpy(k->raw, raw.p, sizeof(k->raw));
	*ret = k;
	return ERR_OK;
}

void verify_key_free(struct verify_key *k)
{
	free(k);
}

void verify_key_raw(const struct verify_key *k, uint8_t ret[ED25519_PUBLIC_BYTES])
{
	memcpy(ret, k->raw, ED25519_PUBLIC_BYTES);
}

struct digest verify_key_fingerprint(const struct verify_key *k)
{
	/* SEQUENCE { SEQUENCE { OID 1.3.101.112 }, BIT STRING }, RFC 8410 section 4 */
	static const uint8_t spki[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
				       0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
	const struct view parts[] = {view_of(spki, sizeof(spki)), view_of(k->raw, sizeof(k->raw))};

	return sha256_parts(parts, ARRAY_LEN(parts));
}

enum err verify_key_check(const struct verify_key *k, struct view message, struct view signature)
{
	const struct view all[] = {view_of(k->raw, sizeof(k->raw)), signature, message};
	struct digest digest, *known;

	if (signature.n != ED25519_SIGNATURE_BYTES)
		return err_new(ERR_SIGNATURE, "a signature has 64 bytes, not %zu", signature.n);
	digest = sha256_parts(all, ARRAY_LEN(all));
	known = &known_signatures[digest.b[0] % KNOWN_SIGNATURES];
	if (digest_eq(known, &digest))
		return ERR_OK;
	if (crypto_sign_verify_detached(signature.p, message.p, message.n, k->raw) != 0)
		return err_new(ERR_SIGNATURE, "signature does not verify");
	*known = digest;
	return ERR_OK;
}

enum err verify_key_from_pkey(const EVP_PKEY *pkey, struct verify_key **ret)
{
	uint8_t raw[ED25519_PUBLIC_BYTES];
	size_t n = sizeof(raw);
	enum err e;

	if (EVP_PKEY_get_base_id(pkey) != EVP_PKEY_ED25519)
		return err_new(ERR_FORMAT, "not an Ed25519 key");
	if (!EVP_PKEY_get_raw_public_key(pkey, raw, &n))
		return err_openssl(ERR_CRYPTO, "public key");
	e = verify_key_new(view_of(raw, n), ret);
	if (e)
		return err_trace(e);
	return ERR_OK;
}

enum err seal_key_from_seed(const uint8_t seed[32], struct seal_key **ret)
{
	CLEANUP(seal_key_freep) struct seal_key *k = calloc(1, sizeof(*k));
	uint8_t public[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES];
	enum err e = k ? ERR_OK : err_new(ERR_NOMEM, "key");

	if (!e && crypto_sign_seed_keypair(public, secret, seed) != 0)
		e = err_new(ERR_CRYPTO, "seal key");
	if (!e)
		e = verify_key_new(view_of(public, sizeof(public)), &k->public);
	if (!e)
		e = secret_new(view_of(secret, sizeof(secret)), &k->secret);
	wipe(secret, sizeof(secret));
	if (e)
		return err_trace(e);
	*ret = TAKE(k);
	return ERR_OK;
}

enum err seal_key_from_pem(struct view pem, struct seal_key **ret)
{
	CLEANUP(EVP_PKEY_freep) EVP_PKEY *pkey = pkey_from_pem(pem);
	uint8_t seed[32];
	size_t n = sizeof(seed);
	enum err e;

	if (!pkey)
		return err_openssl(ERR_CONFIG, "seal key: not an unencrypted private key in PEM");
	if (EVP_PKEY_get_base_id(pkey) != EVP_PKEY_ED25519)
		return err_new(ERR_CONFIG, "seal key: must be an Ed25519 key");
	if (!EVP_PKEY_get_raw_private_key(pkey, seed, &n) || n != sizeof(seed))
		return err_openssl(ERR_CRYPTO, "seal key");
	e = seal_key_from_seed(seed, ret);
	wipe(seed, sizeof(seed));
	return e ? err_trace(e) : ERR_OK;
}

void seal_key_free(struct seal_key *k)
{
	if (!k)
		return;
	verify_key_free(k->public);
	secret_free(k->secret);
	free(k);
}

const struct verify_key *seal_key_public(const struct seal_key *k)
{
	return k->public;
}

enum err seal_key_sign(const struct seal_key *k, struct view message,
		       uint8_t ret[ED25519_SIGNATURE_BYTES])
{
	if (crypto_sign_detached(ret, NULL, message.p, message.n, k->secret->p) != 0)
		return err_new(ERR_CRYPTO, "signature");
	return ERR_OK;
}
