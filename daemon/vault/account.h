/**
 * @file
 * Who a caller on the local socket is: user, groups, roles, account name.
 */
#ifndef VAULT_ACCOUNT_H
#define VAULT_ACCOUNT_H

#include "node/node.h"
#include "wire/message.h"

/**
 * Find out about the other end of a connected Unix socket.
 *
 * @param role      what the configuration says
 * @param[out] ret  uid, roles and person; its id is left as it is
 * @retval ERR_IO, ERR_NOMEM  the kernel does not say: turn the caller away
 */
enum err account_of(int fd, struct pb_role_setup *const *role, size_t n_role,
		    struct node_caller *ret) WARN_UNUSED;

/** Roles of that user with those groups, as bits of enum node_role. */
uint32_t account_roles(struct pb_role_setup *const *role, size_t n_role, uint32_t uid,
		       const uint32_t *gid, size_t n_gid);

#endif
