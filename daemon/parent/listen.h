/**
 * @file
 * The listening sockets, bound by the parent and handed to the gate.
 */
#ifndef PARENT_LISTEN_H
#define PARENT_LISTEN_H

#include "config/config.h"

struct listeners {
	int fd[CONFIG_LISTEN_MAX];
	size_t n;
};

/**
 * Bind and listen at every address of the configuration; each real address and port is logged.
 *
 * @retval ERR_CONFIG  an address that is not this machine's, is in use, or needs privileges
 *
 * Owner: caller closes with listeners_close(), also after a failure.
 */
enum err listeners_open(const struct config *c, struct listeners *ret,
			struct config_problem *problem) WARN_UNUSED;

/** Close them all. */
void listeners_close(struct listeners *l);

#endif
