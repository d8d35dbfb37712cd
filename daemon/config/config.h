/**
 * @file
 * The node's configuration file (conf/amparod.yaml shows and explains every key) as an immutable
 * struct, every value with its line. Reading it opens no other file; config_check_files() does.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/agency_id.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/log.h"
#include "base/own.h"

#define CONFIG_BYTES_MAX (256 * 1024)
#define CONFIG_PEERS_MAX 512
#define CONFIG_TRUST_MAX 256
#define CONFIG_LISTEN_MAX 8
#define CONFIG_MESSAGE_MAX 400

/** A path and the line that names it. Relative paths are taken from the file's folder. */
struct config_path {
	char *text;
	int line;
};

struct config_address {
	char *host; /**< name, IPv4 or IPv6 literal (without brackets) */
	uint16_t port;
	int line;
};

struct config_trust {
	char *domain;
	struct config_path ca;
	struct config_path crl;
	int line;
};

struct config_peer {
	struct agency_id id;
	bool has_address; /**< absent: it dials us */
	struct config_address address;
	int line;
};

enum config_role {
	ROLE_CASEWORKER,
	ROLE_SUPERVISOR,
	ROLE_OPERATOR,
	ROLE_AUDITOR,
	N_ROLES,
};

/** Users and groups, by name or number, that have a role on the local socket. */
struct config_role_members {
	uid_t *uid;
	size_t n_uid;
	gid_t *gid;
	size_t n_gid;
};

struct config {
	struct agency_id agency;
	struct config_path data;        /**< folder of the database */
	struct config_path socket;
	struct config_path node_key;    /**< 32 bytes in hex; made by --init */
	struct config_path last_signed; /**< outside the data folder's backups */
	struct config_path tls_chain, tls_key, seal_chain, seal_key;
	struct config_address listen[CONFIG_LISTEN_MAX];
	size_t n_listen;
	struct config_trust *trust;
	size_t n_trust;
	struct config_peer *peer;
	size_t n_peer;
	struct config_role_members role[N_ROLES];
	enum log_level log_level;
	char *file; /**< as given, for messages */
};

/** Where a mistake is and what to do about it. */
struct config_problem {
	int line; /**< 0: the file as a whole */
	char text[CONFIG_MESSAGE_MAX];
};

/**
 * Read a configuration.
 *
 * @param file  its path, for relative paths and messages
 * @param yaml  its bytes
 * @param[out] ret_problem  set on ERR_CONFIG
 * @retval ERR_CONFIG  unknown or duplicate key, wrong type, missing key, bad value, alias, tag
 * Owner: caller frees with config_free().
 */
enum err config_parse(const char *file, struct view yaml, struct config **ret,
		      struct config_problem *ret_problem) WARN_UNUSED;
void config_free(struct config *c);
DEFINE_FREEP(struct config, config_free)

/**
 * Look at every file that the configuration names: there, readable, key files for us alone.
 *
 * @param with_state  also the database folder and node key, that --init makes
 */
enum err config_check_files(const struct config *c, bool with_state,
			    struct config_problem *ret_problem) WARN_UNUSED;

/** "caseworker", "supervisor", "operator", "auditor". */
const char *config_role_name(enum config_role r);

#endif
