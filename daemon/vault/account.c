#include "vault/account.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/own.h"

#define GROUPS_FIRST 64
#define GROUPS_MAX 65537 /* NGROUPS_MAX, and the primary one */
#define LINE_BYTES 4096

static uint32_t role_bit(const char *name)
{
	static const struct {
		const char *name;
		enum node_role bit;
	} known[] = {
		{"caseworker", NODE_ROLE_CASEWORKER},
		{"supervisor", NODE_ROLE_SUPERVISOR},
		{"operator", NODE_ROLE_OPERATOR},
		{"auditor", NODE_ROLE_AUDITOR},
	};

	for (size_t i = 0; name && i < ARRAY_LEN(known); i++)
		if (strcmp(known[i].name, name) == 0)
			return known[i].bit;
	return 0;
}

static bool holds(const uint32_t *set, size_t n, uint32_t value)
{
	for (size_t i = 0; i < n; i++)
		if (set[i] == value)
			return true;
	return false;
}

uint32_t account_roles(struct pb_role_setup *const *role, size_t n_role, uint32_t uid,
		       const uint32_t *gid, size_t n_gid)
{
	uint32_t roles = 0;

	for (size_t i = 0; i < n_role; i++) {
		bool is_member = holds(role[i]->uids, role[i]->n_uids, uid);

		for (size_t j = 0; !is_member && j < n_gid; j++)
			is_member = holds(role[i]->gids, role[i]->n_gids, gid[j]);
		if (is_member)
			roles |= role_bit(role[i]->role);
	}
	return roles;
}

/* The account file alone: other sources would bring their own code into this process. */
static void account_name(uint32_t uid, char ret[NODE_PERSON_MAX])
{
	FILE *f = fopen("/etc/passwd", "re");
	char line[LINE_BYTES];
	struct passwd entry, *found = NULL;

	(void)snprintf(ret, NODE_PERSON_MAX, "uid %u", uid);
	while (f && fgetpwent_r(f, &entry, line, sizeof(line), &found) == 0) {
		if (entry.pw_uid != uid)
			continue;
		(void)snprintf(ret, NODE_PERSON_MAX, "%s", entry.pw_name);
		break;
	}
	if (f)
		(void)fclose(f);
}

/** All groups of the caller; gid_t has 32 bits. */
static enum err peer_groups(int fd, uint32_t primary, uint32_t **ret, size_t *ret_n)
{
	socklen_t size = GROUPS_FIRST * sizeof(gid_t);
	CLEANUP(freep) uint32_t *gid = malloc(size + sizeof(gid_t));

	if (!gid)
		return err_new(ERR_NOMEM, "groups");
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, gid + 1, &size) != 0) {
		/* ERANGE: size says how much it takes */
		if (errno != ERANGE || size > GROUPS_MAX * sizeof(gid_t))
			return err_new(ERR_IO, "SO_PEERGROUPS: errno %d", errno);
		free(gid);
		gid = malloc(size + sizeof(gid_t));
		if (!gid)
			return err_new(ERR_NOMEM, "groups");
		if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, gid + 1, &size) != 0)
			return err_new(ERR_IO, "SO_PEERGROUPS: errno %d", errno);
	}
	gid[0] = primary;
	*ret_n = size / sizeof(gid_t) + 1;
	*ret = TAKE(gid);
	return ERR_OK;
}

enum err account_of(int fd, struct pb_role_setup *const *role, size_t n_role,
		    struct node_caller *ret)
{
	CLEANUP(freep) uint32_t *gid = NULL;
	struct ucred who;
	socklen_t size = sizeof(who);
	size_t n_gid;
	enum err e;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0)
		return err_new(ERR_IO, "SO_PEERCRED: errno %d", errno);
	e = peer_groups(fd, who.gid, &gid, &n_gid);
	if (e)
		return err_trace(e);
	ret->uid = who.uid;
	ret->roles = account_roles(role, n_role, who.uid, gid, n_gid);
	account_name(who.uid, ret->person);
	return ERR_OK;
}
