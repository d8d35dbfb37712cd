/**
 * @file
 * The local socket: who connects is known by the kernel's word (SO_PEERCRED, SO_PEERGROUPS) and
 * has the roles that the configuration gives that user and those groups. Requests go on as bytes,
 * with their caller; replies come back by the caller's number.
 *
 * The socket's file lets everybody connect; who has no role is told so, and turned away.
 */
#ifndef VAULT_API_SERVER_H
#define VAULT_API_SERVER_H

#include "base/err.h"
#include "base/own.h"
#include "loop/loop.h"
#include "node/node.h"
#include "wire/message.h"

#define API_CONNECTIONS_MAX 64u
#define API_CONNECTIONS_PER_UID_MAX 16u
#define API_IN_FLIGHT_MAX 32u /**< requests of one connection not yet answered: then it waits */
#define API_OUTPUT_HIGH (1u << 20) /**< bytes of replies not yet taken: then it waits */
#define API_OUTPUT_MAX                                                                             \
	(32u << 20)	      /**< and here it is cut; lists come in pieces far smaller: see       \
				   node/page.h */
#define API_FRAME_MS 30000u   /**< from a request's first byte to its last */
#define API_STRANGER_MS 5000u /**< a caller without a role has this long to ask and be told */

struct api_server;

struct api_calls {
	/** A request of one caller, its bytes borrowed. */
	enum err (*request)(void *ctx, const struct node_caller *caller, struct view request);
	void (*gone)(void *ctx, uint64_t caller);
};

/**
 * Listen.
 *
 * A socket left behind by a daemon that fell is replaced: the caller holds the database, so no
 * other daemon serves it.
 *
 * @param path     at most 107 bytes
 * @param role     borrowed; outlives the server
 * @retval ERR_CONFIG  something else has that path, or the folder cannot be written
 *
 * Owner: caller frees with api_server_free(), which removes the socket.
 */
enum err api_server_new(struct loop *loop, const char *path, struct pb_role_setup *const *role,
			size_t n_role, const struct api_calls *calls, void *ctx,
			struct api_server **ret) WARN_UNUSED;
void api_server_free(struct api_server *s);
DEFINE_FREEP(struct api_server, api_server_free)

/** A reply; a caller that has gone swallows it. */
void api_server_reply(struct api_server *s, uint64_t caller, struct view reply);

/** Accept no one and take no request any more; write what the sockets take. */
void api_server_stop(struct api_server *s);

#endif
