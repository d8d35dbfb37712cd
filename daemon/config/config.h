/**
 * @file
 * The node's configuration file (conf/amparod.yaml shows and explains every key) as an immutable
 * struct, every value with its line. Reading it opens none of the files that it names (users and
 * groups are looked up); config_check_files() and config_open_file() do.
 *
 * Every problem is a line and words that say what to do; callers print "FILE:LINE: WORDS".
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
#define CONFIG_MEMBERS_MAX 256 /**< users, and groups, of one role */
#define CONFIG_PATH_MAX 4095
#define CONFIG_SOCKET_PATH_MAX 107 /**< sun_path of sockaddr_un */
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

/**
 * Users and groups, by name or number, that have a role on the local socket. Without `roles` in the
 * file, the daemon's own user and root have all four.
 */
struct config_role_members {
	uid_t *uid;
	size_t n_uid;
	gid_t *gid;
	size_t n_gid;
};

/** What this node keeps free, and what one peer may make it hold; never 0. */
struct config_limits {
	uint64_t reserve_mib; /**< of the disk with `data`: below it no new work is taken */
	uint64_t peer_entries_a_day;
	uint64_t peer_mib_held;
	uint64_t peer_notes_a_day; /**< checkpoints kept as evidence */
};

struct config {
	struct agency_id agency;
	struct config_path data; /**< folder of the database */
	struct config_path socket;
	struct config_path node_key;	/**< 32 bytes in hex; made by --init */
	struct config_path last_signed; /**< outside the data folder's backups */
	struct config_path tls_chain, tls_key, seal_chain, seal_key;
	struct config_address listen[CONFIG_LISTEN_MAX];
	size_t n_listen;
	struct config_trust *trust;
	size_t n_trust;
	struct config_peer *peer;
	size_t n_peer;
	struct config_role_members role[N_ROLES];
	bool has_default_roles; /**< no `roles` in the file: worth a line in the log */
	struct config_limits limits;
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

/** As config_parse(), from the file itself. @retval ERR_CONFIG also when it cannot be read */
enum err config_load(const char *file, struct config **ret,
		     struct config_problem *ret_problem) WARN_UNUSED;

/** Free all of it; NULL is fine. */
void config_free(struct config *c);
DEFINE_FREEP(struct config, config_free)

/**
 * Look at every file that the configuration names: there, readable, key files for us alone.
 *
 * @param with_state  also what --init or the system makes: node key, folders of database, socket
 *                    and last_signed
 * @retval ERR_CONFIG
 */
enum err config_check_files(const struct config *c, bool with_state,
			    struct config_problem *ret_problem) WARN_UNUSED;

/**
 * Open a file that the configuration names, checked on the very descriptor: a regular file, not
 * empty; with @p is_key owned by this process's user or root and closed to group and others.
 *
 * @param[out] ret_fd  read-only, close-on-exec
 * @retval ERR_CONFIG
 */
enum err config_open_file(const struct config_path *path, bool is_key, int *ret_fd,
			  struct config_problem *ret_problem) WARN_UNUSED;

/** "caseworker", "supervisor", "operator", "auditor". */
const char *config_role_name(enum config_role r);

#endif
