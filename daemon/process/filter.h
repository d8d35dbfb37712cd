/**
 * @file
 * Seccomp: the list of system calls that a child may make once it has started. Any other call ends
 * the process at once (SIGSYS), and with it the daemon; the kernel's log then names the call.
 *
 * What every child needs (memory without execution, time, its descriptors, the event loop, its own
 * abort) is in the common list; gate and vault add their own.
 */
#ifndef PROCESS_FILTER_H
#define PROCESS_FILTER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/** A condition on one argument of a call: (argument & mask) == value. */
struct filter_arg {
	unsigned index; /**< 0..5 */
	uint64_t mask;	/**< 0: no condition */
	uint64_t value;
};

/** A call that is allowed, under both conditions. Several rules of one call: any of them. */
struct filter_rule {
	int call; /**< SYS_read ... */
	struct filter_arg arg[2];
};

#define FILTER_INT 0xffffffffU /**< mask of an int argument: the kernel takes its low half */

/**
 * Allow the common list and @p rule, for the rest of this process's life.
 *
 * Built with sanitizers, whose own calls are many, it does nothing but say so in the log.
 *
 * @retval ERR_IO     the kernel has no seccomp, or refused the filter
 * @retval ERR_NOMEM
 */
enum err filter_install(const struct filter_rule *rule, size_t n) WARN_UNUSED;

#endif
