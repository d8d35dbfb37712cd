/**
 * @file
 * What happens when OpenSSL gets no memory.
 *
 * Its error paths are not to be relied on: 3.0 frees twice while its providers start, and often
 * says "not a certificate" or "signature does not verify" of what it could not look at. In a
 * process that keeps a ledger that would be a refusal with a false reason; at the start it would
 * send an operator after a fault in a file that is well. So the process ends, and is started again:
 * what is committed is safe.
 */
#ifndef CRYPTO_MEMORY_H
#define CRYPTO_MEMORY_H

#include "base/err.h"

/** Exit code of a process that had to end for want of memory: EX_OSERR. */
#define CRYPTO_MEMORY_EXIT 71

/**
 * From now on this process logs one line and ends when OpenSSL gets no memory.
 *
 * @retval ERR_BUG  OpenSSL has allocated already
 */
enum err crypto_end_without_memory(void) WARN_UNUSED;

#endif
