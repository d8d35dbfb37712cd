/**
 * @file
 * All that the configuration names, read into memory: what the parent hands to its children and
 * then wipes. And the check that it fits together.
 */
#ifndef PARENT_MATERIAL_H
#define PARENT_MATERIAL_H

#include "base/buf.h"
#include "config/config.h"

#define MATERIAL_CHAIN_MAX 65536u /**< bytes of a chain or key file */
#define MATERIAL_CA_MAX 131072u
#define MATERIAL_CRL_MAX 917504u /**< with the CA it fits one message to a child */
#define MATERIAL_NODE_KEY_BYTES 32

struct material_trust {
	struct buf ca;
	struct buf crl;
};

/** Owns its buffers; all zero is empty. */
struct material {
	struct buf tls_chain, tls_key, seal_chain, seal_key;
	struct buf node_key;	      /**< MATERIAL_NODE_KEY_BYTES; empty without with_node_key */
	struct material_trust *trust; /**< as many as the configuration has */
	size_t n_trust;
};

/**
 * Read the files, keys with owner and mode checked.
 *
 * @param with_node_key  false for --init, which makes it
 * @param[out] problem   set on ERR_CONFIG
 * @retval ERR_CONFIG, ERR_NOMEM
 *
 * Owner: caller wipes and frees with material_fini(), also after a failure.
 */
enum err material_read(const struct config *c, bool with_node_key, struct material *ret,
		       struct config_problem *problem) WARN_UNUSED;

/** Wipe and free. */
void material_fini(struct material *m);

/**
 * Does it fit together: CAs and lists are what they should be, certificates keep to the profile and
 * name this agency, keys belong to them? A chain that does not verify now (out of date, revoked) is
 * a warning in the log, since the node can still work locally.
 *
 * OpenSSL keeps memory for good, so the caller does this in a process of its own.
 *
 * @retval ERR_CONFIG  @p problem says where
 */
enum err material_check(const struct config *c, const struct material *m,
			struct config_problem *problem) WARN_UNUSED;

#endif
