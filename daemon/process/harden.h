/**
 * @file
 * What the three processes have in common: how each makes itself small before it does anything.
 */
#ifndef PROCESS_HARDEN_H
#define PROCESS_HARDEN_H

#include <stdbool.h>

#include "base/err.h"

#define PROCESS_FD_PARENT 3  /**< a child's end of its socketpair with the parent */
#define PROCESS_FD_SIBLING 4 /**< a child's end of the socketpair of gate and vault */

/**
 * First thing in every process: not dumpable, no core file, no new privileges, umask 077, no
 * descriptor above the known ones, SIGPIPE ignored.
 *
 * @param name       as `ps` shows it, at most 15 characters
 * @param last_fd    descriptors above this one are closed
 * @param is_child   SIGINT, SIGTERM and SIGHUP are for the parent, which says when to stop
 * @retval ERR_IO    the kernel refused one of them
 */
enum err harden(const char *name, int last_fd, bool is_child) WARN_UNUSED;

/** Is this descriptor a connected Unix stream socket? What a child is started with is checked. */
bool harden_is_socketpair(int fd);

#endif
