#include "vault/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "crypto/random.h"
#include "loop/loop.h"
#include "process/harden.h"
#include "process/setup.h"
#include "store/store.h"

#define RANDOM_POOL_BYTES 4096

/* --- port -------------------------------------------------------------------------------- */

uint64_t vault_port_mono_ms(void *ctx)
{
	(void)ctx;
	return loop_mono_ms();
}

uint64_t vault_port_utc_us(void *ctx)
{
	(void)ctx;
	return loop_utc_us();
}

/* The generator is asked for many bytes at a time: keys, salts and nonces of one referral are many
 * small questions. What is given out is wiped here. */
enum err vault_port_random(void *ctx, void *p, size_t n)
{
	static const uint8_t nothing[RANDOM_POOL_BYTES];
	static struct secret *pool; /* as long as the process: some of it will be keys */
	static size_t n_left;
	enum err e;

	(void)ctx;
	if (n > RANDOM_POOL_BYTES)
		return random_bytes(p, n);
	if (!pool) {
		e = secret_new(view_of(nothing, sizeof(nothing)), &pool);
		if (e)
			return err_trace(e);
	}
	if (n > n_left) {
		e = random_bytes(pool->p, RANDOM_POOL_BYTES);
		if (e)
			return err_trace(e);
		n_left = RANDOM_POOL_BYTES;
	}
	n_left -= n;
	memcpy(p, pool->p + n_left, n);
	wipe(pool->p + n_left, n);
	return ERR_OK;
}

/* --- receive ----------------------------------------------------------------------------- */

static enum err take_trust(struct vault_keys *k)
{
	enum err e = trust_new(&k->trust);

	for (uint32_t i = 0; !e && i < k->setup->n_trust; i++) {
		CLEANUP(message_freep) struct pb_trust_setup *t = NULL;

		e = setup_receive(PROCESS_FD_PARENT, &pb_trust_setup_desc, &t);
		if (!e)
			e = trust_add(k->trust, view_str(t->domain),
				      message_bytes(t->has_ca_pem, t->ca_pem),
				      message_bytes(t->has_crl_pem, t->crl_pem));
	}
	return e;
}

static enum err take_peers(struct vault_keys *k)
{
	enum err e = ERR_OK;

	k->peer = calloc(k->setup->n_peers ? k->setup->n_peers : 1, sizeof(*k->peer));
	if (!k->peer)
		return err_new(ERR_NOMEM, "peers");
	for (uint32_t i = 0; !e && i < k->setup->n_peers; i++) {
		CLEANUP(message_freep) struct pb_peer_setup *p = NULL;

		e = setup_receive(PROCESS_FD_PARENT, &pb_peer_setup_desc, &p);
		if (!e)
			e = agency_id_parse(view_str(p->id), &k->peer[i].id);
		if (e)
			break;
		k->peer[i].may_dial = p->may_dial;
		k->n_peer++;
		if (p->address) {
			k->peer[i].address = strdup(p->address);
			if (!k->peer[i].address)
				e = err_new(ERR_NOMEM, "peers");
		}
	}
	return e;
}

static enum err parse_keys(struct vault_keys *k)
{
	const struct pb_vault_setup *s = k->setup;
	enum err e = agency_id_parse(view_str(s->id), &k->agency);

	if (!e)
		e = seal_key_from_pem(message_bytes(s->has_seal_key_pem, s->seal_key_pem),
				      &k->seal_key);
	if (!e)
		e = cert_chain_from_pem(message_bytes(s->has_seal_chain_pem, s->seal_chain_pem),
					&k->seal_chain);
	if (!e && s->has_node_key)
		e = secret_new(view_of(s->node_key.data, s->node_key.len), &k->node_key);
	return e;
}

static enum err make_path(const char *folder, char **ret)
{
	size_t n = strlen(folder) + sizeof("/" STORE_FILE_NAME);
	char *path = malloc(n);

	if (!path)
		return err_new(ERR_NOMEM, "path");
	(void)snprintf(path, n, "%s/%s", folder, STORE_FILE_NAME);
	*ret = path;
	return ERR_OK;
}

enum err vault_keys_receive(struct vault_keys *k)
{
	struct pb_vault_setup *s;
	enum err e = setup_receive(PROCESS_FD_PARENT, &pb_vault_setup_desc, &k->setup);

	if (e)
		return err_trace(e);
	s = k->setup;
	log_init(STDERR_FILENO, "amparod-vault", (enum log_level)s->log_level);
	if (s->n_trust > VAULT_TRUST_MAX || s->n_peers > VAULT_PEERS_MAX || !s->data_dir)
		return err_new(ERR_LIMIT, "set-up of the vault");
	e = parse_keys(k);
	setup_wipe(&s->seal_key_pem);
	setup_wipe(&s->node_key);
	if (!e)
		e = take_trust(k);
	if (!e)
		e = take_peers(k);
	if (e)
		return err_trace(e);
	return make_path(s->data_dir, &k->database);
}

static struct node_limits limits_of(const struct pb_limits_setup *m)
{
	if (!m)
		return (struct node_limits){0};
	return (struct node_limits){
		.reserve_bytes = m->reserve_bytes,
		.peer_entries_a_day = m->peer_entries_a_day,
		.peer_notes_a_day = m->peer_notes_a_day,
		.peer_bytes_held = m->peer_bytes_held,
	};
}

struct node_options vault_keys_options(const struct vault_keys *k)
{
	return (struct node_options){
		.agency = k->agency,
		.database = k->database,
		.node_key = k->node_key,
		.seal_key = k->seal_key,
		.seal_chain = &k->seal_chain,
		.trust = k->trust,
		.peer = k->peer,
		.n_peer = k->n_peer,
		.limits = limits_of(k->setup->limits),
		.port =
			{
				.mono_ms = vault_port_mono_ms,
				.utc_us = vault_port_utc_us,
				.random = vault_port_random,
			},
	};
}

void vault_keys_fini(struct vault_keys *k)
{
	message_free(k->setup);
	free(k->database);
	secret_free(k->node_key);
	seal_key_free(k->seal_key);
	cert_chain_fini(&k->seal_chain);
	trust_free(k->trust);
	for (size_t i = 0; i < k->n_peer; i++)
		free(k->peer[i].address);
	free(k->peer);
	*k = (struct vault_keys){0};
}
