/**
 * @file
 * Ed25519: the seal key that signs checkpoints and Hello, and the public keys of others. By
 * libsodium, which signs and verifies in half of OpenSSL's time, allocates nothing, and refuses
 * keys that are not of the group of prime order and signatures whose point is of small order.
 * Source: RFC 8032.
 */
#ifndef CRYPTO_SIGN_H
#define CRYPTO_SIGN_H

#include "base/digest.h"
#include "base/err.h"
#include "base/own.h"

#define ED25519_PUBLIC_BYTES 32
#define ED25519_SIGNATURE_BYTES 64

/** A public key; opaque, checked once (100 µs), then used often. */
struct verify_key;

/** Our own key pair. */
struct seal_key;

/**
 * @param raw  32 bytes
 * @retval ERR_FORMAT  another length, or not a point of the group of prime order, which no key
 *                     made as RFC 8032 says is
 * Owner: caller frees with verify_key_free().
 */
enum err verify_key_new(struct view raw, struct verify_key **ret) WARN_UNUSED;
void verify_key_free(struct verify_key *k);
DEFINE_FREEP(struct verify_key, verify_key_free)

/** The 32 raw bytes. */
void verify_key_raw(const struct verify_key *k, uint8_t ret[ED25519_PUBLIC_BYTES]);

/** SHA-256 over the DER SubjectPublicKeyInfo: the fingerprint that people compare. */
struct digest verify_key_fingerprint(const struct verify_key *k);

/**
 * @param signature  64 bytes; another length is ERR_SIGNATURE
 * @retval ERR_SIGNATURE  does not verify
 */
enum err verify_key_check(const struct verify_key *k, struct view message,
			  struct view signature) WARN_UNUSED;

/**
 * Parse an unencrypted PKCS#8 PEM key; it must be Ed25519.
 *
 * @retval ERR_CONFIG  not PEM, or another kind of key
 */
enum err seal_key_from_pem(struct view pem, struct seal_key **ret) WARN_UNUSED;

/** From a 32-byte seed: tests and simulation. */
enum err seal_key_from_seed(const uint8_t seed[32], struct seal_key **ret) WARN_UNUSED;
void seal_key_free(struct seal_key *k);
DEFINE_FREEP(struct seal_key, seal_key_free)

/** Its public half, borrowed. */
const struct verify_key *seal_key_public(const struct seal_key *k);

/** @retval ERR_CRYPTO  the library failed */
enum err seal_key_sign(const struct seal_key *k, struct view message,
		       uint8_t ret[ED25519_SIGNATURE_BYTES]) WARN_UNUSED;

#endif
