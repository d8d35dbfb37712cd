/**
 * @file
 * Host names of peers, for the gate, which may open no file and no datagram socket. getaddrinfo()
 * blocks, so each name is resolved in a short-lived process.
 */
#ifndef PARENT_RESOLVE_H
#define PARENT_RESOLVE_H

#include "config/config.h"
#include "loop/loop.h"
#include "wire/message.h"

#define RESOLVE_AT_ONCE_MAX 8u
#define RESOLVE_S 15u /**< then the process is ended, and there is no address */
#define RESOLVE_ADDRESSES_MAX 4u

/** Called once for each resolve_begin(); no address: it failed. */
typedef void (*resolve_fn)(void *ctx, const struct agency_id *peer, ProtobufCBinaryData *address,
			   size_t n_address);

struct resolver;

/** @param fn  called with @p ctx. Owner: caller frees with resolver_free(). */
enum err resolver_new(struct loop *loop, resolve_fn fn, void *ctx,
		      struct resolver **ret) WARN_UNUSED;
void resolver_free(struct resolver *r);
DEFINE_FREEP(struct resolver, resolver_free)

/** Find the addresses of a peer; one in numbers is known at once, within this call. */
void resolve_begin(struct resolver *r, const struct config_peer *peer);

#endif
