/**
 * @file
 * Random bytes, and a hook by which a simulation takes all of them, those inside TLS included, from
 * a seed.
 */
#ifndef CRYPTO_RANDOM_H
#define CRYPTO_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/**
 * Fill @p p with @p n bytes that nobody can guess.
 *
 * @retval ERR_CRYPTO  the generator failed; @p p must not be used
 */
enum err random_bytes(void *p, size_t n) WARN_UNUSED;

/**
 * Let @p fill produce every random byte of this process, keys and TLS included; NULL goes back to
 * the real generator. For simulation and tests alone: with it nothing is secret.
 */
void random_set_source(void (*fill)(void *ctx, uint8_t *p, size_t n), void *ctx);

#endif
