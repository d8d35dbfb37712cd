/**
 * @file
 * Encryption at rest: every body, opening and local part under a key of its own (AES-256-GCM), that
 * key wrapped by the node key. Destroying the wrapped key erases the content for good.
 *
 * The row's id is associated data, so a ciphertext put in another row does not open.
 * Source: NIST SP 800-38D; RFC 3394 (wrapping: no nonce, so no limit on wraps under one node key).
 */
#ifndef CRYPTO_BOX_H
#define CRYPTO_BOX_H

#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/secret.h"

#define BOX_KEY_BYTES 32
#define BOX_WRAPPED_BYTES 40 /**< RFC 3394: key and 8 bytes of integrity check */
#define BOX_TAG_BYTES 16

/** What is stored beside a ciphertext; all zero = erased. */
struct box_key {
	uint8_t wrapped[BOX_WRAPPED_BYTES];
};

/** The node key, ready for use, and fresh keys. */
struct box_keeper;

/** Where the keys of boxes come from: BOX_FRESH of them at a time, wrapped side by side. */
struct box_source {
	enum err (*random)(void *ctx, void *p, size_t n);
	void *ctx;
};

#define BOX_FRESH 32

/**
 * @param node_key  32 bytes
 * @param source    copied; used by box_seal()
 * Owner: caller frees with box_keeper_free().
 */
enum err box_keeper_new(const struct secret *node_key, const struct box_source *source,
			struct box_keeper **ret) WARN_UNUSED;
void box_keeper_free(struct box_keeper *k);
DEFINE_FREEP(struct box_keeper, box_keeper_free)

/**
 * Encrypt under a fresh key, which is that of this box alone.
 *
 * @param aad       the row's id and kind
 * @param[out] ret  the key, wrapped
 * @param[out] out  ciphertext and tag are appended: plain.n + BOX_TAG_BYTES
 * The nonce is zero: a key encrypts once.
 */
enum err box_seal(struct box_keeper *k, struct view aad, struct view plain, struct box_key *ret,
		  struct buf *out) WARN_UNUSED;

/**
 * Decrypt; nothing is appended to @p out unless the tag verifies.
 *
 * @retval ERR_DECRYPT  wrong key, row or bytes
 */
enum err box_open(const struct box_keeper *k, const struct box_key *key, struct view aad,
		  struct view cipher, struct buf *out) WARN_UNUSED;

#endif
