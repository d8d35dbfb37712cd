/**
 * @file
 * Bytes that must not leave: locked memory, left out of core files, wiped when freed, never
 * formatted. Compare with crypto's constant-time functions only.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/err.h"
#include "base/own.h"

struct secret {
	uint8_t *p; /**< page-aligned, mlock'ed where the limit allows it */
	size_t n;
	size_t mapped;
};

/**
 * Copy bytes into a new secret; the caller wipes its own copy.
 *
 * @retval ERR_NOMEM
 * Owner: caller frees with secret_free().
 */
enum err secret_new(struct view v, struct secret **ret) WARN_UNUSED;

/** Wipe and free; NULL is fine. */
void secret_free(struct secret *s);
DEFINE_FREEP(struct secret, secret_free)

static inline struct view secret_view(const struct secret *s)
{
	return (struct view){.p = s->p, .n = s->n};
}

/** Overwrite so that the compiler cannot leave it out. */
void wipe(void *p, size_t n);

#endif
