/**
 * @file
 * What the files of this module share: addresses, role members, and the state of one reading.
 */
#ifndef CONFIG_INTERNAL_H
#define CONFIG_INTERNAL_H

#include "config/config.h"
#include "config/yaml_reader.h"

/** One reading of a file. */
struct config_reader {
	const struct yaml_file *yaml;
	struct yaml_problem *problem;
	const char *folder; /**< that relative paths start from; "" or ends in '/' */
};

/**
 * Read "host:port"; an IPv6 literal stands in brackets.
 *
 * @param port_min  0 where the system may choose the port, else 1
 * @retval ERR_INVALID  with the problem. Owner: ret->host is the caller's, free().
 */
enum err config_address_read(const struct config_reader *r, yaml_ref node, uint16_t port_min,
			     struct config_address *ret) WARN_UNUSED;

/** Read the map of roles into @p role, which config_free() frees, also after a failure. */
enum err config_roles_read(const struct config_reader *r, yaml_ref roles,
			   struct config_role_members role[N_ROLES]) WARN_UNUSED;

/** Give all roles to this process's user and to root. @retval ERR_NOMEM */
enum err config_roles_default(struct config_role_members role[N_ROLES]) WARN_UNUSED;

/**
 * Read a path; a relative one starts from the file's folder.
 *
 * @retval ERR_INVALID ERR_NOMEM  with the problem. Owner: ret->text is the caller's, free().
 */
enum err config_path_read(const struct config_reader *r, yaml_ref map, const char *key,
			  struct config_path *ret) WARN_UNUSED;

/** The folder of a file: "" or up to its last '/'; NULL without memory. Owner: free(). */
char *config_folder_of(const char *file);

/** Does a path lie in a folder, as far as the texts say? Both from config_path_read(). */
bool config_path_is_inside(const char *path, const char *folder);

/** Read the map `limits`, which may be absent, with the usual for what it does not say. */
enum err config_limits_read(const struct config_reader *r, struct config_limits *ret) WARN_UNUSED;

/** Note that memory ran out. @return ERR_NOMEM */
enum err config_no_memory(struct yaml_problem *problem);

#endif
