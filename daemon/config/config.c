#include "config/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "config/internal.h"

enum err config_no_memory(struct yaml_problem *problem)
{
	(void)yaml_fail(problem, 0, "out of memory");
	return err_new(ERR_NOMEM, "configuration");
}

/* --- values ------------------------------------------------------------------------------ */

static enum err id_read(const struct config_reader *r, yaml_ref map, const char *key,
			struct agency_id *ret)
{
	yaml_ref node;
	char quoted[YAML_QUOTE_MAX];
	enum err e = yaml_map_need(r->yaml, map, key, YAML_TEXT, &node, r->problem);

	if (e)
		return err_trace(e);
	if (agency_id_parse(view_str(yaml_text(r->yaml, node)), ret))
		return yaml_fail(r->problem, yaml_line(r->yaml, node),
				 "%s is no agency id: write spiffe://TRUST-DOMAIN/AGENCY, the "
				 "domain of [a-z0-9.-], the agency of [A-Za-z0-9._-]",
				 yaml_quote(yaml_text(r->yaml, node), quoted));
	return ERR_OK;
}

/** The two files of a key: `tls: {chain: FILE, key: FILE}`. */
static enum err key_files_read(const struct config_reader *r, const char *key,
			       struct config_path *ret_chain, struct config_path *ret_key)
{
	static const char *const known[] = {"chain", "key", NULL};
	yaml_ref map;
	enum err e = yaml_map_need(r->yaml, yaml_root(r->yaml), key, YAML_MAP, &map, r->problem);

	if (!e)
		e = yaml_map_check_keys(r->yaml, map, known, r->problem);
	if (!e)
		e = config_path_read(r, map, "chain", ret_chain);
	if (!e)
		e = config_path_read(r, map, "key", ret_key);
	return e;
}

/**
 * A list that may be absent; at most @p max elements.
 *
 * @param[out] ret  0 when absent
 */
static enum err list_find(const struct config_reader *r, const char *key, size_t max, yaml_ref *ret)
{
	yaml_ref list = yaml_map_get(r->yaml, yaml_root(r->yaml), key);
	enum err e = ERR_OK;

	if (list)
		e = yaml_check_kind(r->yaml, list, YAML_LIST, key, r->problem);
	if (e)
		return err_trace(e);
	if (yaml_count(r->yaml, list) > max)
		return yaml_fail(r->problem, yaml_line(r->yaml, list),
				 "'%s' has more than %zu elements", key, max);
	*ret = list;
	return ERR_OK;
}

/* --- parts ------------------------------------------------------------------------------- */

static enum err listen_read(const struct config_reader *r, struct config *c)
{
	yaml_ref list;
	enum err e = list_find(r, "listen", CONFIG_LISTEN_MAX, &list);

	for (size_t i = 0; !e && i < yaml_count(r->yaml, list); i++) {
		struct config_address *a = &c->listen[i];

		e = config_address_read(r, yaml_list_at(r->yaml, list, i), 0, a);
		if (e)
			break;
		c->n_listen++;
		for (size_t j = 0; j < i; j++)
			if (a->port != 0 && c->listen[j].port == a->port &&
			    strcmp(c->listen[j].host, a->host) == 0)
				return yaml_fail(r->problem, a->line,
						 "this address stands here twice, first on line %d",
						 c->listen[j].line);
	}
	return e;
}

static const struct config_trust *trust_find(const struct config *c, struct view domain)
{
	for (size_t i = 0; i < c->n_trust; i++)
		if (view_eq(view_str(c->trust[i].domain), domain))
			return &c->trust[i];
	return NULL;
}

static enum err trust_one_read(const struct config_reader *r, yaml_ref map, struct config *c)
{
	static const char *const known[] = {"domain", "ca", "crl", NULL};
	struct config_trust *t = &c->trust[c->n_trust];
	const struct config_trust *other;
	yaml_ref node;
	const char *domain;
	enum err e = yaml_map_check_keys(r->yaml, map, known, r->problem);

	if (!e)
		e = yaml_map_need(r->yaml, map, "domain", YAML_TEXT, &node, r->problem);
	if (e)
		return err_trace(e);
	domain = yaml_text(r->yaml, node);
	if (!trust_domain_is_valid(view_str(domain)))
		return yaml_fail(r->problem, yaml_line(r->yaml, node),
				 "domain must be a trust domain alone, such as ochrana.cz.example");
	other = trust_find(c, view_str(domain));
	if (other)
		return yaml_fail(r->problem, yaml_line(r->yaml, node),
				 "trust domain %s is here twice, first on line %d: put both CAs "
				 "into one file",
				 domain, other->line);
	t->line = yaml_line(r->yaml, map);
	t->domain = strdup(domain);
	if (!t->domain)
		return config_no_memory(r->problem);
	c->n_trust++;
	e = config_path_read(r, map, "ca", &t->ca);
	if (!e)
		e = config_path_read(r, map, "crl", &t->crl);
	return e;
}

static enum err trust_read(const struct config_reader *r, struct config *c)
{
	yaml_ref list, needed;
	enum err e = list_find(r, "trust", CONFIG_TRUST_MAX, &list);

	if (!e)
		e = yaml_map_need(r->yaml, yaml_root(r->yaml), "trust", YAML_LIST, &needed,
				  r->problem);
	if (e)
		return err_trace(e);
	if (yaml_count(r->yaml, list) == 0)
		return yaml_fail(r->problem, yaml_line(r->yaml, list),
				 "'trust' names no trust domain: without one no peer can be known");
	c->trust = calloc(yaml_count(r->yaml, list), sizeof(*c->trust));
	if (!c->trust)
		return config_no_memory(r->problem);
	for (size_t i = 0; !e && i < yaml_count(r->yaml, list); i++)
		e = trust_one_read(r, yaml_list_at(r->yaml, list, i), c);
	return e;
}

/** A peer is not this agency, not there already, and of a trust domain that is known. */
static enum err peer_check(const struct config_reader *r, const struct config *c,
			   const struct config_peer *p)
{
	struct view domain = agency_id_domain(&p->id);

	if (agency_id_eq(&p->id, &c->agency))
		return yaml_fail(r->problem, p->line, "this peer is the agency itself: remove it");
	for (size_t i = 0; i < c->n_peer; i++)
		if (agency_id_eq(&c->peer[i].id, &p->id))
			return yaml_fail(r->problem, p->line,
					 "this peer is here twice, first on line %d",
					 c->peer[i].line);
	if (!trust_find(c, domain))
		return yaml_fail(r->problem, p->line,
				 "trust domain %.*s of this peer is not under 'trust': add its CA "
				 "and CRL there",
				 (int)domain.n, (const char *)domain.p);
	return ERR_OK;
}

static enum err peer_one_read(const struct config_reader *r, yaml_ref map, struct config *c)
{
	static const char *const known[] = {"id", "address", NULL};
	struct config_peer *p = &c->peer[c->n_peer];
	yaml_ref address;
	enum err e = yaml_map_check_keys(r->yaml, map, known, r->problem);

	if (!e)
		e = id_read(r, map, "id", &p->id);
	if (e)
		return err_trace(e);
	p->line = yaml_line(r->yaml, map);
	e = peer_check(r, c, p);
	if (e)
		return err_trace(e);
	c->n_peer++;
	address = yaml_map_get(r->yaml, map, "address");
	if (address) {
		e = config_address_read(r, address, 1, &p->address);
		p->has_address = !e;
	}
	return e;
}

static enum err peers_read(const struct config_reader *r, struct config *c)
{
	yaml_ref list;
	enum err e = list_find(r, "peers", CONFIG_PEERS_MAX, &list);

	if (e || yaml_count(r->yaml, list) == 0)
		return e;
	c->peer = calloc(yaml_count(r->yaml, list), sizeof(*c->peer));
	if (!c->peer)
		return config_no_memory(r->problem);
	for (size_t i = 0; !e && i < yaml_count(r->yaml, list); i++)
		e = peer_one_read(r, yaml_list_at(r->yaml, list, i), c);
	return e;
}

static enum err roles_read(const struct config_reader *r, struct config *c)
{
	yaml_ref roles = yaml_map_get(r->yaml, yaml_root(r->yaml), "roles");

	if (roles)
		return config_roles_read(r, roles, c->role);
	c->has_default_roles = true;
	if (config_roles_default(c->role))
		return config_no_memory(r->problem);
	return ERR_OK;
}

static enum err log_read(const struct config_reader *r, struct config *c)
{
	static const char *const names[] = {
		[LOG_ERR] = "err",   [LOG_WARN] = "warn",   [LOG_NOTICE] = "notice",
		[LOG_INFO] = "info", [LOG_DEBUG] = "debug",
	};
	yaml_ref node = yaml_map_get(r->yaml, yaml_root(r->yaml), "log");

	c->log_level = LOG_INFO;
	if (!node)
		return ERR_OK;
	for (size_t i = 0; yaml_text(r->yaml, node) && i < ARRAY_LEN(names); i++)
		if (strcmp(yaml_text(r->yaml, node), names[i]) == 0) {
			c->log_level = (enum log_level)i;
			return ERR_OK;
		}
	return yaml_fail(r->problem, yaml_line(r->yaml, node),
			 "log must be err, warn, notice, info or debug");
}

/* --- the whole --------------------------------------------------------------------------- */

/** What only shows when all is read: which files must differ or stand apart. */
static enum err paths_check(const struct config_reader *r, const struct config *c)
{
	const struct {
		const char *key;
		const struct config_path *path;
	} apart[] = {
		{"last_signed", &c->last_signed},
		{"node_key", &c->node_key},
		{"seal.key", &c->seal_key},
		{"tls.key", &c->tls_key},
	};

	for (size_t i = 0; i < ARRAY_LEN(apart); i++) {
		const struct config_path *p = apart[i].path;

		if (config_path_is_inside(p->text, c->data.text))
			return yaml_fail(r->problem, p->line,
					 "'%s' lies in the folder 'data' and so in its backups: "
					 "keep it outside",
					 apart[i].key);
		for (size_t j = 0; j < i; j++)
			if (strcmp(p->text, apart[j].path->text) == 0)
				return yaml_fail(r->problem, p->line,
						 "'%s' and '%s' are one file: they must differ",
						 apart[j].key, apart[i].key);
	}
	if (strlen(c->socket.text) > CONFIG_SOCKET_PATH_MAX)
		return yaml_fail(r->problem, c->socket.line,
				 "path of the socket has %zu bytes, the system takes %d: use a "
				 "shorter one",
				 strlen(c->socket.text), CONFIG_SOCKET_PATH_MAX);
	return ERR_OK;
}

static enum err config_read(const struct config_reader *r, struct config *c)
{
	static const char *const known[] = {"agency", "data",	"socket", "node_key", "last_signed",
					    "tls",    "seal",	"listen", "trust",    "peers",
					    "roles",  "limits", "log",	  NULL};
	yaml_ref root = yaml_root(r->yaml);
	enum err e = yaml_map_check_keys(r->yaml, root, known, r->problem);

	if (!e)
		e = id_read(r, root, "agency", &c->agency);
	if (!e)
		e = config_path_read(r, root, "data", &c->data);
	if (!e)
		e = config_path_read(r, root, "socket", &c->socket);
	if (!e)
		e = config_path_read(r, root, "node_key", &c->node_key);
	if (!e)
		e = config_path_read(r, root, "last_signed", &c->last_signed);
	if (!e)
		e = key_files_read(r, "tls", &c->tls_chain, &c->tls_key);
	if (!e)
		e = key_files_read(r, "seal", &c->seal_chain, &c->seal_key);
	if (!e)
		e = listen_read(r, c);
	if (!e)
		e = trust_read(r, c);
	if (!e)
		e = peers_read(r, c);
	if (!e)
		e = roles_read(r, c);
	if (!e)
		e = config_limits_read(r, &c->limits);
	if (!e)
		e = log_read(r, c);
	if (!e)
		e = paths_check(r, c);
	return e;
}

/** Tell the caller; every failure here is one of the configuration, but for memory. */
static enum err refuse(enum err e, const char *file, const struct yaml_problem *from,
		       struct config_problem *ret_problem)
{
	(void)snprintf(ret_problem->text, sizeof(ret_problem->text), "%s", from->text);
	ret_problem->line = from->line;
	if (e == ERR_NOMEM)
		return e;
	return err_new(ERR_CONFIG, "%s:%d: %s", file, from->line, from->text);
}

enum err config_parse(const char *file, struct view yaml, struct config **ret,
		      struct config_problem *ret_problem)
{
	struct yaml_problem why = {.line = 0};
	CLEANUP(yaml_file_freep) struct yaml_file *f = NULL;
	CLEANUP(freep) char *folder = config_folder_of(file);
	CLEANUP(config_freep) struct config *c = calloc(1, sizeof(*c));
	struct config_reader r = {.problem = &why, .folder = folder};
	enum err e;

	if (c)
		c->file = strdup(file);
	if (!c || !folder || !c->file)
		return refuse(config_no_memory(&why), file, &why, ret_problem);
	if (yaml.n > CONFIG_BYTES_MAX)
		e = yaml_fail(&why, 0, "longer than %d bytes", CONFIG_BYTES_MAX);
	else
		e = yaml_file_parse(yaml, &f, &why);
	r.yaml = f;
	if (!e)
		e = config_read(&r, c);
	if (e)
		return refuse(e, file, &why, ret_problem);
	*ret = TAKE(c);
	return ERR_OK;
}

/** All of a file, at most one byte more than is allowed. */
static enum err read_all(int fd, struct buf *out)
{
	while (out->n <= CONFIG_BYTES_MAX) {
		uint8_t *at;
		ssize_t n;
		enum err e = buf_reserve(out, 4096, &at);

		if (e)
			return err_trace(e);
		n = read(fd, at, 4096);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_new(ERR_IO, "read: errno %d", errno);
		if (n == 0)
			break;
		buf_advance(out, (size_t)n);
	}
	return ERR_OK;
}

static enum err refuse_file(const char *file, const char *why, struct config_problem *ret_problem)
{
	(void)snprintf(ret_problem->text, sizeof(ret_problem->text), "cannot be read: %s", why);
	ret_problem->line = 0;
	return err_new(ERR_CONFIG, "%s: %s", file, ret_problem->text);
}

enum err config_load(const char *file, struct config **ret, struct config_problem *ret_problem)
{
	char name[CONFIG_PATH_MAX + 1];
	struct config_path path = {.text = name};
	CLEANUP(buf_fini) struct buf bytes;
	int fd;
	enum err e;

	buf_init(&bytes, 0);
	if ((size_t)snprintf(name, sizeof(name), "%s", file) >= sizeof(name))
		return refuse_file(file, "its path is too long", ret_problem);
	e = config_open_file(&path, false, &fd, ret_problem);
	if (e)
		return err_trace(e);
	e = read_all(fd, &bytes);
	(void)close(fd);
	if (e == ERR_NOMEM)
		return err_trace(e);
	if (e)
		return refuse_file(file, err_text(e), ret_problem);
	return config_parse(file, buf_view(&bytes), ret, ret_problem);
}

static void path_fini(struct config_path *p)
{
	free(p->text);
}

void config_free(struct config *c)
{
	if (!c)
		return;
	path_fini(&c->data);
	path_fini(&c->socket);
	path_fini(&c->node_key);
	path_fini(&c->last_signed);
	path_fini(&c->tls_chain);
	path_fini(&c->tls_key);
	path_fini(&c->seal_chain);
	path_fini(&c->seal_key);
	for (size_t i = 0; i < CONFIG_LISTEN_MAX; i++)
		free(c->listen[i].host);
	for (size_t i = 0; i < c->n_trust; i++) {
		free(c->trust[i].domain);
		path_fini(&c->trust[i].ca);
		path_fini(&c->trust[i].crl);
	}
	free(c->trust);
	for (size_t i = 0; i < c->n_peer; i++)
		free(c->peer[i].address.host);
	free(c->peer);
	for (int i = 0; i < N_ROLES; i++) {
		free(c->role[i].uid);
		free(c->role[i].gid);
	}
	free(c->file);
	free(c);
}
