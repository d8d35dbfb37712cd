#include "parent/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "process/harden.h"
#include "process/setup.h"

#define SETUP_S 30 /* a child that takes nothing for so long is stuck */
#define FIRST_FREE_FD 16
#define ADDRESS_TEXT_MAX 320 /* a host name, a port and what stands around */
#define MIB (UINT64_C(1024) * 1024)

enum err child_pair(int ret[2])
{
	const struct timeval limit = {.tv_sec = SETUP_S};

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ret) != 0)
		return err_new(ERR_IO, "socketpair: errno %d", errno);
	/* Of blocking calls alone, which are those of the set-up. */
	(void)setsockopt(ret[0], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return ERR_OK;
}

/* --- execute ----------------------------------------------------------------------------- */

/** Nothing of the environment counts for a child, but what the sanitizers are told. */
static char **child_environment(void)
{
	static char *kept[4];
#ifdef AMPARO_SANITIZED
	static const char *const names[] = {"ASAN_OPTIONS=", "UBSAN_OPTIONS=", "LSAN_OPTIONS="};
	size_t n = 0;

	for (char **at = environ; *at; at++)
		for (size_t i = 0; i < ARRAY_LEN(names) && n < ARRAY_LEN(kept) - 1; i++)
			if (strncmp(*at, names[i], strlen(names[i])) == 0)
				kept[n++] = *at;
#endif
	return kept;
}

static _Noreturn void become(const char *role, const char *config, int fd_parent, int fd_sibling,
			     pid_t parent)
{
	char *name = strdup(role), *path = strdup(config);
	char arg0[] = "amparod", arg1[] = "--config";
	char *argv[] = {arg0, arg1, path, name, NULL};
	/* Out of the way first: one may stand where the other has to go. */
	int from_parent = fcntl(fd_parent, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
	int from_sibling = fcntl(fd_sibling, F_DUPFD_CLOEXEC, FIRST_FREE_FD);

	if (name && path && from_parent >= 0 && from_sibling >= 0 &&
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && getppid() == parent &&
	    dup2(from_parent, PROCESS_FD_PARENT) >= 0 &&
	    dup2(from_sibling, PROCESS_FD_SIBLING) >= 0)
		(void)execve("/proc/self/exe", argv, child_environment());
	_exit(EX_OSERR);
}

enum err child_start(const char *role, const char *config, int fd_parent, int fd_sibling,
		     pid_t *ret)
{
	const pid_t parent = getpid();
	pid_t pid = fork();

	if (pid < 0)
		return err_new(ERR_IO, "fork: errno %d", errno);
	if (pid == 0)
		become(role, config, fd_parent, fd_sibling, parent);
	*ret = pid;
	return ERR_OK;
}

/* --- hand over --------------------------------------------------------------------------- */

static ProtobufCBinaryData bytes(const struct buf *b)
{
	return message_borrow(buf_view(b));
}

static enum err send_trust(int fd, const struct config *c, const struct material *m)
{
	for (size_t i = 0; i < m->n_trust; i++) {
		struct pb_trust_setup t = PB_TRUST_SETUP_INIT;
		enum err e;

		t.domain = c->trust[i].domain;
		t.has_ca_pem = 1;
		t.ca_pem = bytes(&m->trust[i].ca);
		t.has_crl_pem = 1;
		t.crl_pem = bytes(&m->trust[i].crl);
		e = setup_send(fd, &t);
		if (e)
			return err_trace(e);
	}
	return ERR_OK;
}

static enum err send_peers(int fd, const struct config *c)
{
	for (size_t i = 0; i < c->n_peer; i++) {
		struct agency_id id = c->peer[i].id;
		struct pb_peer_setup p = PB_PEER_SETUP_INIT;
		char address[ADDRESS_TEXT_MAX];
		enum err e;

		p.id = id.text;
		p.has_may_dial = 1;
		p.may_dial = c->peer[i].has_address;
		if (c->peer[i].has_address) {
			const struct config_address *a = &c->peer[i].address;

			(void)snprintf(address, sizeof(address),
				       strchr(a->host, ':') ? "[%s]:%u" : "%s:%u", a->host,
				       a->port);
			p.address = address;
		}
		e = setup_send(fd, &p);
		if (e)
			return err_trace(e);
	}
	return ERR_OK;
}

enum err child_setup_gate(int fd, const struct config *c, const struct material *m,
			  const struct listeners *l)
{
	struct agency_id id = c->agency;
	struct pb_gate_setup s = PB_GATE_SETUP_INIT;
	enum err e;

	s.id = id.text;
	s.has_tls_chain_pem = 1;
	s.tls_chain_pem = bytes(&m->tls_chain);
	s.has_tls_key_pem = 1;
	s.tls_key_pem = bytes(&m->tls_key);
	s.has_n_trust = 1;
	s.n_trust = (uint32_t)m->n_trust;
	s.has_n_peers = 1;
	s.n_peers = (uint32_t)c->n_peer;
	s.has_n_listen = 1;
	s.n_listen = (uint32_t)l->n;
	s.has_log_level = 1;
	s.log_level = c->log_level;
	e = setup_send(fd, &s);
	if (!e)
		e = send_trust(fd, c, m);
	if (!e)
		e = send_peers(fd, c);
	for (size_t i = 0; !e && i < l->n; i++)
		e = setup_send_fd(fd, l->fd[i]);
	return e;
}

/** Roles as messages: @p role and @p name stay with the caller. */
static void fill_roles(const struct config *c, struct pb_role_setup role[N_ROLES],
		       struct pb_role_setup *at[N_ROLES], char name[N_ROLES][16])
{
	for (int i = 0; i < N_ROLES; i++) {
		(void)snprintf(name[i], sizeof(name[i]), "%s",
			       config_role_name((enum config_role)i));
		role[i] = (struct pb_role_setup)PB_ROLE_SETUP_INIT;
		role[i].role = name[i];
		role[i].uids = c->role[i].uid;
		role[i].n_uids = c->role[i].n_uid;
		role[i].gids = c->role[i].gid;
		role[i].n_gids = c->role[i].n_gid;
		at[i] = &role[i];
	}
}

enum err child_setup_vault(int fd, const struct config *c, const struct material *m, bool is_init)
{
	struct agency_id id = c->agency;
	struct pb_role_setup role[N_ROLES], *roles[N_ROLES];
	char role_name[N_ROLES][16];
	struct pb_vault_setup s = PB_VAULT_SETUP_INIT;
	struct pb_limits_setup limits = PB_LIMITS_SETUP_INIT;
	enum err e;

	fill_roles(c, role, roles, role_name);
	s.id = id.text;
	s.data_dir = c->data.text;
	s.socket_path = c->socket.text;
	s.node_key_path = c->node_key.text;
	s.last_signed_path = c->last_signed.text;
	s.has_node_key = !is_init;
	s.node_key = bytes(&m->node_key);
	s.has_seal_chain_pem = 1;
	s.seal_chain_pem = bytes(&m->seal_chain);
	s.has_seal_key_pem = 1;
	s.seal_key_pem = bytes(&m->seal_key);
	s.n_roles = N_ROLES;
	s.roles = roles;
	s.has_n_trust = 1;
	s.n_trust = (uint32_t)m->n_trust;
	s.has_n_peers = 1;
	s.n_peers = (uint32_t)c->n_peer;
	s.has_log_level = 1;
	s.log_level = c->log_level;
	limits.has_reserve_bytes = limits.has_peer_entries_a_day = 1;
	limits.has_peer_notes_a_day = limits.has_peer_bytes_held = 1;
	limits.reserve_bytes = c->limits.reserve_mib * MIB;
	limits.peer_entries_a_day = c->limits.peer_entries_a_day;
	limits.peer_notes_a_day = c->limits.peer_notes_a_day;
	limits.peer_bytes_held = c->limits.peer_mib_held * MIB;
	s.limits = &limits;
	s.has_init = 1;
	s.init = is_init;
	e = setup_send(fd, &s);
	if (!e)
		e = send_trust(fd, c, m);
	if (!e)
		e = send_peers(fd, c);
	return e;
}
