/**
 * @file
 * SHA-256, which allocates nothing and cannot fail, and the beginning of the module. The rest of
 * the daemon hashes through these calls.
 */
#ifndef CRYPTO_DIGEST_H
#define CRYPTO_DIGEST_H

#include "base/digest.h"
#include "base/err.h"

/**
 * Have the library make all algorithms that are used; once, before anything else of this module.
 *
 * @retval ERR_CRYPTO  the library lacks one, or there is no memory; the process should end
 */
enum err crypto_init(void) WARN_UNUSED;

/** Free what crypto_init() fetched. */
void crypto_fini(void);

/** SHA-256 of @p v. A failure of the library here is fatal (ASSERT): it has no input of a peer. */
struct digest sha256(struct view v);

/** SHA-256 of the parts one after the other. */
struct digest sha256_parts(const struct view *parts, size_t n_parts);

#endif
