/**
 * @file
 * What the vault gets at its start, parsed: identity, keys, trust, peers.
 */
#ifndef VAULT_KEYS_H
#define VAULT_KEYS_H

#include "node/node.h"
#include "wire/message.h"

#define VAULT_TRUST_MAX 256u
#define VAULT_PEERS_MAX 512u

/** Owns everything in it; all zero is empty. */
struct vault_keys {
	struct pb_vault_setup *setup; /**< its secrets are wiped */
	struct agency_id agency;
	char *database;
	struct secret *node_key; /**< NULL with `init`, before vault_init() */
	struct seal_key *seal_key;
	struct cert_chain seal_chain;
	struct trust *trust;
	struct node_peer *peer;
	size_t n_peer;
};

/** Receive the set-up from the parent and parse it. @retval ERR_CONFIG with words for people */
enum err vault_keys_receive(struct vault_keys *k) WARN_UNUSED;
void vault_keys_fini(struct vault_keys *k);

/** The node's options but for last_signed_x and port; they borrow from @p k. */
struct node_options vault_keys_options(const struct vault_keys *k);

/**
 * Make a new node's files: data folder, node key, last-signed, database. What it made is removed
 * again when a later step fails.
 *
 * @retval ERR_EXISTS  one of them is there: its path stands in err_words()
 */
enum err vault_init(struct vault_keys *k) WARN_UNUSED;

/** The parts of the port that need no loop: clocks, random, last_signed (ctx: struct last_signed).
 */
uint64_t vault_port_mono_ms(void *ctx);
uint64_t vault_port_utc_us(void *ctx);
enum err vault_port_random(void *ctx, void *p, size_t n) WARN_UNUSED;

#endif
