/**
 * @file
 * Fingerprints: by them a process knows again bytes that it has seen, in a third of the time of
 * SHA-256. Their key is this node's own, and they never leave its memory: nobody else can make two
 * inputs that are alike, but what is shown, signed or stored is a digest (digest.h).
 *
 * GMAC with AES-256, always with the same nonce. As a proof of origin it would fall with the first
 * two that somebody sees; of those that nobody sees, two of n bytes are alike once in 2^124 / n.
 * Source: NIST SP 800-38D, 8.3 and appendix A.
 */
#ifndef CRYPTO_FINGERPRINT_H
#define CRYPTO_FINGERPRINT_H

#include <string.h>

#include "base/digest.h"
#include "base/err.h"
#include "base/secret.h"

#define FINGERPRINT_BYTES 16

/** Kept in memory only. */
struct fingerprint {
	uint8_t b[FINGERPRINT_BYTES];
};

static inline bool fingerprint_eq(const struct fingerprint *a, const struct fingerprint *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

/** The key, ready for use. */
struct fingerprinter;

/**
 * @param node_key  the fingerprints' own key is made of it; not kept
 * Owner: caller frees with fingerprinter_free().
 */
enum err fingerprinter_new(const struct secret *node_key, struct fingerprinter **ret) WARN_UNUSED;
void fingerprinter_free(struct fingerprinter *f);
DEFINE_FREEP(struct fingerprinter, fingerprinter_free)

/**
 * Fingerprint of @p parts, one after the other: where one ends does not count.
 *
 * @retval ERR_LIMIT   a part of 2 GiB
 * @retval ERR_CRYPTO  OpenSSL fails
 */
enum err fingerprint_make(struct fingerprinter *f, const struct view *parts, size_t n_parts,
			  struct fingerprint *ret) WARN_UNUSED;

#endif
