#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "crypto/cert.h"
#include "crypto/digest.h"
#include "crypto/sign.h"
#include "crypto/tls.h"
#include "loop/loop.h"
#include "parent/material.h"

/* What err_words() says, at that line; but want of memory says nothing of a file. */
static enum err refuse(enum err from, int line, const char *file, struct config_problem *problem)
{
	char why[CONFIG_MESSAGE_MAX];

	if (from == ERR_NOMEM)
		return err_trace(from);
	(void)snprintf(why, sizeof(why), "%s", err_words());
	problem->line = line;
	(void)snprintf(problem->text, sizeof(problem->text), "%.200s: %.180s", file, why);
	return err_new(ERR_CONFIG, "%s", why);
}

static enum err check_trust(const struct config *c, const struct material *m, struct trust **ret,
			    struct config_problem *problem)
{
	CLEANUP(trust_freep) struct trust *t = NULL;
	enum err e = trust_new(&t);

	for (size_t i = 0; !e && i < m->n_trust; i++) {
		e = trust_add(t, view_str(c->trust[i].domain), buf_view(&m->trust[i].ca),
			      buf_view(&m->trust[i].crl));
		if (e)
			e = refuse(e, c->trust[i].line, c->trust[i].domain, problem);
	}
	if (!e)
		*ret = TAKE(t);
	return e;
}

static bool has_domain(const struct config *c, struct view domain)
{
	for (size_t i = 0; i < c->n_trust; i++)
		if (view_eq(view_str(c->trust[i].domain), domain))
			return true;
	return false;
}

/** Our own certificate, as peers will see it. */
static enum err check_chain(const struct config *c, const struct trust *trust,
			    enum cert_purpose purpose, const struct config_path *path,
			    const struct cert_chain *chain, struct verify_key **ret_key,
			    struct config_problem *problem)
{
	struct agency_id id;
	enum err e = cert_check_profile(chain->der[0], purpose, &id, ret_key);

	if (e)
		return refuse(e, path->line, path->text, problem);
	if (!agency_id_eq(&id, &c->agency)) {
		e = err_new(ERR_CONFIG, "the certificate is of %s", id.text);
		return refuse(e, path->line, path->text, problem);
	}
	if (!has_domain(c, agency_id_domain(&id)))
		return ERR_OK;
	e = trust_check(trust, purpose, chain->der, chain->n, (int64_t)(loop_utc_us() / 1000000),
			&id, NULL);
	if (e)
		log_err(LOG_WARN, e, "peers will refuse this certificate: renew it file=%s",
			path->text);
	return ERR_OK;
}

static enum err check_tls(const struct config *c, const struct material *m, struct trust *trust,
			  struct config_problem *problem)
{
	CLEANUP(cert_chain_fini) struct cert_chain chain = {0};
	CLEANUP(tls_context_freep) struct tls_context *context = NULL;
	enum err e = cert_chain_from_pem(buf_view(&m->tls_chain), &chain);

	if (e)
		return refuse(e, c->tls_chain.line, c->tls_chain.text, problem);
	e = check_chain(c, trust, CERT_TLS, &c->tls_chain, &chain, NULL, problem);
	if (e)
		return err_trace(e);
	e = tls_context_new(buf_view(&m->tls_chain), buf_view(&m->tls_key), trust, NULL, NULL,
			    &context);
	return e ? refuse(e, c->tls_key.line, c->tls_key.text, problem) : ERR_OK;
}

static enum err check_seal(const struct config *c, const struct material *m,
			   const struct trust *trust, struct config_problem *problem)
{
	CLEANUP(cert_chain_fini) struct cert_chain chain = {0};
	CLEANUP(seal_key_freep) struct seal_key *key = NULL;
	CLEANUP(verify_key_freep) struct verify_key *certified = NULL;
	uint8_t ours[ED25519_PUBLIC_BYTES], theirs[ED25519_PUBLIC_BYTES];
	enum err e = cert_chain_from_pem(buf_view(&m->seal_chain), &chain);

	if (e)
		return refuse(e, c->seal_chain.line, c->seal_chain.text, problem);
	e = check_chain(c, trust, CERT_SEAL, &c->seal_chain, &chain, &certified, problem);
	if (e)
		return err_trace(e);
	e = seal_key_from_pem(buf_view(&m->seal_key), &key);
	if (e)
		return refuse(e, c->seal_key.line, c->seal_key.text, problem);
	verify_key_raw(certified, theirs);
	verify_key_raw(seal_key_public(key), ours);
	if (memcmp(ours, theirs, sizeof(ours)) == 0)
		return ERR_OK;
	e = err_new(ERR_CONFIG, "is not the key of the seal certificate");
	return refuse(e, c->seal_key.line, c->seal_key.text, problem);
}

enum err material_check(const struct config *c, const struct material *m,
			struct config_problem *problem)
{
	CLEANUP(trust_freep) struct trust *trust = NULL;
	enum err e = crypto_init();

	if (!e)
		e = check_trust(c, m, &trust, problem);
	if (!e)
		e = check_tls(c, m, trust, problem);
	if (!e)
		e = check_seal(c, m, trust, problem);
	crypto_fini();
	return e;
}
