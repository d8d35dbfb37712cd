/**
 * @file
 * How much space the disk with the database has left. A descriptor of its folder is opened before
 * the filter, which allows no more than asking it.
 */
#ifndef VAULT_DISK_H
#define VAULT_DISK_H

#include <stdint.h>

#include "base/err.h"

/**
 * Open the folder.
 *
 * @param[out] ret_fd  close-on-exec; the caller closes it
 * @retval ERR_NOT_FOUND  no such folder
 */
enum err disk_open(const char *folder, int *ret_fd) WARN_UNUSED;

/** Bytes that this process may still write there; UINT64_MAX when the system does not say. */
uint64_t disk_free_bytes(int fd);

#endif
