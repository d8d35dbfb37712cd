#include "parent/material.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"

static enum err refuse(const struct config_path *path, const char *what,
		       struct config_problem *problem)
{
	problem->line = path->line;
	(void)snprintf(problem->text, sizeof(problem->text), "%s: %s", path->text, what);
	return err_new(ERR_CONFIG, "%s", problem->text);
}

static enum err read_fd(int fd, const struct config_path *path, size_t limit, struct buf *out,
			struct config_problem *problem)
{
	uint8_t *to;
	enum err e;

	/* All the room at once: a buffer that grows leaves copies of a key behind. */
	buf_init(out, 0);
	e = buf_reserve(out, limit + 1, &to);
	if (e)
		return err_trace(e);
	for (;;) {
		ssize_t n = read(fd, to + out->n, limit + 1 - out->n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return refuse(path, "cannot be read", problem);
		if (n == 0)
			return ERR_OK;
		buf_advance(out, (size_t)n);
		if (out->n > limit)
			return refuse(path, "is too long to be what it should be", problem);
	}
}

static enum err read_file(const struct config_path *path, bool is_key, size_t limit,
			  struct buf *out, struct config_problem *problem)
{
	int fd;
	enum err e = config_open_file(path, is_key, &fd, problem);

	if (e)
		return err_trace(e);
	e = read_fd(fd, path, limit, out, problem);
	(void)close(fd);
	return e;
}

static enum err read_node_key(const struct config_path *path, struct buf *out,
			      struct config_problem *problem)
{
	char text[HEX_LEN(MATERIAL_NODE_KEY_BYTES)] = {0};
	CLEANUP(buf_fini) struct buf file = {0};
	struct view v;
	uint8_t *to;
	enum err e = read_file(path, true, sizeof(text), &file, problem);

	if (e)
		return err_trace(e);
	v = buf_view(&file);
	if (v.n > 0 && v.p[v.n - 1] == '\n')
		v.n--;
	if (v.n > 0 && v.n < sizeof(text))
		memcpy(text, v.p, v.n);
	e = buf_reserve(out, MATERIAL_NODE_KEY_BYTES, &to);
	if (!e && hex_decode(text, to, MATERIAL_NODE_KEY_BYTES))
		e = refuse(path, "is no node key: 64 hex digits, as amparod --init makes it",
			   problem);
	if (!e)
		buf_advance(out, MATERIAL_NODE_KEY_BYTES);
	wipe(text, sizeof(text));
	if (file.data)
		wipe(file.data, file.cap);
	return e;
}

enum err material_read(const struct config *c, bool with_node_key, struct material *ret,
		       struct config_problem *problem)
{
	struct material *m = ret;
	enum err e;

	*m = (struct material){.trust = calloc(c->n_trust, sizeof(*m->trust))};
	if (!m->trust)
		return err_new(ERR_NOMEM, "trust");
	e = read_file(&c->tls_chain, false, MATERIAL_CHAIN_MAX, &m->tls_chain, problem);
	if (!e)
		e = read_file(&c->tls_key, true, MATERIAL_CHAIN_MAX, &m->tls_key, problem);
	if (!e)
		e = read_file(&c->seal_chain, false, MATERIAL_CHAIN_MAX, &m->seal_chain, problem);
	if (!e)
		e = read_file(&c->seal_key, true, MATERIAL_CHAIN_MAX, &m->seal_key, problem);
	if (!e && with_node_key)
		e = read_node_key(&c->node_key, &m->node_key, problem);
	for (size_t i = 0; !e && i < c->n_trust; i++) {
		struct material_trust *t = &m->trust[m->n_trust++];

		e = read_file(&c->trust[i].ca, false, MATERIAL_CA_MAX, &t->ca, problem);
		if (!e)
			e = read_file(&c->trust[i].crl, false, MATERIAL_CRL_MAX, &t->crl, problem);
	}
	return e;
}

static void secret_fini(struct buf *b)
{
	if (b->data)
		wipe(b->data, b->cap);
	buf_fini(b);
}

void material_fini(struct material *m)
{
	secret_fini(&m->tls_key);
	secret_fini(&m->seal_key);
	secret_fini(&m->node_key);
	buf_fini(&m->tls_chain);
	buf_fini(&m->seal_chain);
	for (size_t i = 0; i < m->n_trust; i++) {
		buf_fini(&m->trust[i].ca);
		buf_fini(&m->trust[i].crl);
	}
	free(m->trust);
	*m = (struct material){0};
}
