/**
 * @file
 * Starting the gate and the vault: amparod executes itself, with two descriptors and nothing else
 * of its own, and hands over what they need.
 */
#ifndef PARENT_CHILD_H
#define PARENT_CHILD_H

#include <sys/types.h>

#include "config/config.h"
#include "parent/listen.h"
#include "parent/material.h"

/** A connected pair of Unix stream sockets, close-on-exec. */
enum err child_pair(int ret[2]) WARN_UNUSED;

/**
 * Execute amparod as a child.
 *
 * @param role        "gate" or "vault"
 * @param config      path, shown on its command line
 * @param fd_parent   its end of the pair with us
 * @param fd_sibling  its end of the pair with the other child
 * @param[out] ret    its pid. It dies when we do.
 * @retval ERR_IO     fork failed; that exec failed shows when it ends
 */
enum err child_start(const char *role, const char *config, int fd_parent, int fd_sibling,
		     pid_t *ret) WARN_UNUSED;

/** Hand over, blocking; see setup.h. */
enum err child_setup_gate(int fd, const struct config *c, const struct material *m,
			  const struct listeners *l) WARN_UNUSED;
enum err child_setup_vault(int fd, const struct config *c, const struct material *m,
			   bool is_init) WARN_UNUSED;

#endif
