/**
 * @file
 * Inside the vault: the process's state, shared by vault.c (start, turns, what the other two
 * processes and callers say) and port.c (what the node says).
 */
#ifndef VAULT_INTERNAL_H
#define VAULT_INTERNAL_H

#include "base/quota.h"
#include "loop/loop.h"
#include "process/channel.h"
#include "vault/api_server.h"
#include "vault/keys.h"
#include "vault/last_signed.h"
#include "vault/session.h"

struct vault {
	struct vault_keys keys;
	struct last_signed *last_signed;
	int disk_fd; /* folder of the database; -1: none */
	struct node *node;
	struct loop *loop;
	struct channel *parent;
	struct channel *gate;
	struct api_server *api;
	struct session_table sessions;
	uint64_t newest_session; /* numbers only rise */
	struct token_bucket log_tokens;
	struct loop_task turn_task;
	struct loop_timer *deadline_timer;
	struct loop_timer *idle_timer;
	struct loop_timer *stop_timer;
	bool is_stopping;
	int exit_code;
};

/** What cannot fail but for memory or a bug: else the process ends. */
void vault_must(struct vault *v, enum err e, const char *what);

/** The node's port to this vault. */
void vault_port_fill(struct vault *v, struct port *ret);

#endif
