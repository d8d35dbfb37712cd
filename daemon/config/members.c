#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "config/internal.h"

#define LOOKUP_BYTES (64 * 1024) /* a group with very many members */

const char *config_role_name(enum config_role r)
{
	switch (r) {
	case ROLE_CASEWORKER:
		return "caseworker";
	case ROLE_SUPERVISOR:
		return "supervisor";
	case ROLE_OPERATOR:
		return "operator";
	case ROLE_AUDITOR:
		return "auditor";
	case N_ROLES:
		break;
	}
	return "no role";
}

/** A user or group by number. -1 means "none" to the system, so it is none. */
static bool number_parse(const char *text, uint32_t *ret)
{
	uint64_t value = 0;

	if (text[0] == '\0' || strlen(text) > 10)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (uint64_t)(*text - '0');
	}
	if (value >= UINT32_MAX)
		return false;
	*ret = (uint32_t)value;
	return true;
}

/** By name; ERR_NOT_FOUND, or ERR_NOMEM, which says nothing of the name. */
static enum err lookup(const char *name, bool is_group, char *buffer, uint32_t *ret)
{
	struct passwd pw, *user = NULL;
	struct group gr, *group = NULL;
	const int code = is_group ? getgrnam_r(name, &gr, buffer, LOOKUP_BYTES, &group)
				  : getpwnam_r(name, &pw, buffer, LOOKUP_BYTES, &user);

	if (code == ENOMEM)
		return err_new(ERR_NOMEM, "names of users and groups");
	if (!user && !group)
		return ERR_NOT_FOUND;
	*ret = is_group ? gr.gr_gid : pw.pw_uid;
	return ERR_OK;
}

/** A list of users or groups, by name or number; uid_t and gid_t are both 32 bits. */
static enum err members_read(const struct config_reader *r, yaml_ref list, bool is_group,
			     uint32_t **ret, size_t *ret_n)
{
	size_t n = yaml_count(r->yaml, list);
	CLEANUP(freep) uint32_t *ids = NULL;
	CLEANUP(freep) char *buffer = malloc(LOOKUP_BYTES);

	if (n > CONFIG_MEMBERS_MAX)
		return yaml_fail(r->problem, yaml_line(r->yaml, list),
				 "more than %d members: use a group", CONFIG_MEMBERS_MAX);
	ids = calloc(n + 1, sizeof(*ids));
	if (!ids || !buffer)
		return config_no_memory(r->problem);
	for (size_t i = 0; i < n; i++) {
		yaml_ref node = yaml_list_at(r->yaml, list, i);
		const char *what = is_group ? "group" : "user";
		char quoted[YAML_QUOTE_MAX];
		const char *name;
		enum err e = yaml_check_kind(r->yaml, node, YAML_TEXT, what, r->problem);

		if (e)
			return err_trace(e);
		name = yaml_text(r->yaml, node);
		e = number_parse(name, &ids[i]) ? ERR_OK : lookup(name, is_group, buffer, &ids[i]);
		if (e == ERR_NOMEM)
			return config_no_memory(r->problem);
		if (!e)
			continue;
		return yaml_fail(r->problem, yaml_line(r->yaml, node),
				 "there is no %s %s on this system: create it or remove it here",
				 what, yaml_quote(name, quoted));
	}
	*ret = TAKE(ids);
	*ret_n = n;
	return ERR_OK;
}

static enum err role_read(const struct config_reader *r, yaml_ref map,
			  struct config_role_members *ret)
{
	static const char *const known[] = {"users", "groups", NULL};
	enum err e = yaml_map_check_keys(r->yaml, map, known, r->problem);

	_Static_assert(sizeof(uid_t) == sizeof(uint32_t) && sizeof(gid_t) == sizeof(uint32_t),
		       "ids of 32 bits");
	for (int is_group = 0; !e && is_group <= 1; is_group++) {
		yaml_ref list = yaml_map_get(r->yaml, map, known[is_group]);

		if (!list)
			continue;
		e = yaml_check_kind(r->yaml, list, YAML_LIST, known[is_group], r->problem);
		if (!e && is_group)
			e = members_read(r, list, true, &ret->gid, &ret->n_gid);
		else if (!e)
			e = members_read(r, list, false, &ret->uid, &ret->n_uid);
	}
	if (e)
		return err_trace(e);
	if (ret->n_uid + ret->n_gid == 0)
		return yaml_fail(r->problem, yaml_line(r->yaml, map),
				 "a role with neither users nor groups: name some, or leave the "
				 "role out");
	return ERR_OK;
}

enum err config_roles_read(const struct config_reader *r, yaml_ref roles,
			   struct config_role_members role[N_ROLES])
{
	static const char *const known[] = {"caseworker", "supervisor", "operator", "auditor",
					    NULL};
	enum err e = yaml_map_check_keys(r->yaml, roles, known, r->problem);

	if (e)
		return err_trace(e);
	if (yaml_count(r->yaml, roles) == 0)
		return yaml_fail(r->problem, yaml_line(r->yaml, roles),
				 "nobody has a role: name users or groups, or leave 'roles' out "
				 "(then the daemon's own user and root have all)");
	for (int i = 0; i < N_ROLES; i++) {
		yaml_ref node = yaml_map_get(r->yaml, roles, config_role_name((enum config_role)i));

		e = node ? role_read(r, node, &role[i]) : ERR_OK;
		if (e)
			return err_trace(e);
	}
	return ERR_OK;
}

enum err config_roles_default(struct config_role_members role[N_ROLES])
{
	uid_t self = geteuid();

	for (int i = 0; i < N_ROLES; i++) {
		role[i].uid = calloc(2, sizeof(uid_t));
		if (!role[i].uid)
			return err_new(ERR_NOMEM, "roles");
		role[i].uid[role[i].n_uid++] = 0;
		if (self != 0)
			role[i].uid[role[i].n_uid++] = self;
	}
	return ERR_OK;
}
