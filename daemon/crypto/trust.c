/* The anchors of each trust domain and the check of a chain against them; the profile is cert.c's.
 */
#include "crypto/cert.h"

#include "crypto/internal.h"

#define AUTH_LEVEL 2 /* at least 112 bits: no SHA-1, no RSA below 2048 */

struct domain {
	char name[TRUST_DOMAIN_MAX + 1];
	X509_STORE *store;
	STACK_OF(X509) * anchors;
	bool has_crl;
};

struct trust {
	struct domain **domains;
	size_t n;
};

DEFINE_FREEP(X509_STORE_CTX, X509_STORE_CTX_free)

static void x509s_free(STACK_OF(X509) * s)
{
	sk_X509_pop_free(s, X509_free);
}

DEFINE_FREEP(STACK_OF(X509), x509s_free)

static void domain_free(struct domain *d)
{
	if (!d)
		return;
	x509s_free(d->anchors);
	X509_STORE_free(d->store);
	free(d);
}

DEFINE_FREEP(struct domain, domain_free)

enum err trust_new(struct trust **ret)
{
	struct trust *t = calloc(1, sizeof(*t));

	if (!t)
		return err_new(ERR_NOMEM, "trust");
	*ret = t;
	return ERR_OK;
}

void trust_free(struct trust *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++)
		domain_free(t->domains[i]);
	free(t->domains);
	free(t);
}

static struct domain *domain_find(const struct trust *t, struct view name)
{
	for (size_t i = 0; i < t->n; i++)
		if (view_eq(view_str(t->domains[i]->name), name))
			return t->domains[i];
	return NULL;
}

static enum err add_anchor(void *ctx, const char *type, struct view der)
{
	struct domain *d = ctx;
	CLEANUP(X509_freep) X509 *x = NULL;

	if (strcmp(type, PEM_STRING_X509) != 0)
		return err_new(ERR_CONFIG, "CA file: holds something other than certificates");
	x = cert_from_der(der);
	if (!x)
		return err_openssl(ERR_CONFIG, "CA file: not a certificate");
	/* 1: by its basicConstraints; the others are what old certificates hint at */
	if (X509_check_ca(x) != 1)
		return err_new(ERR_CONFIG, "CA file: not a CA's certificate");
	if (!X509_STORE_add_cert(d->store, x) || !sk_X509_push(d->anchors, x))
		return err_openssl(ERR_NOMEM, "CA file");
	x = NULL;
	return ERR_OK;
}

/* Issued and signed by one of this domain's CAs. */
static bool crl_is_ours(const struct domain *d, X509_CRL *crl)
{
	for (int i = 0; i < sk_X509_num(d->anchors); i++) {
		X509 *ca = sk_X509_value(d->anchors, i);

		if (X509_NAME_cmp(X509_get_subject_name(ca), X509_CRL_get_issuer(crl)) == 0 &&
		    X509_CRL_verify(crl, X509_get0_pubkey(ca)) == 1)
			return true;
	}
	return false;
}

static enum err add_crl(void *ctx, const char *type, struct view der)
{
	struct domain *d = ctx;
	CLEANUP(X509_CRL_freep) X509_CRL *crl = NULL;
	const uint8_t *p = der.p;

	if (strcmp(type, PEM_STRING_X509_CRL) != 0)
		return err_new(ERR_CONFIG, "CRL file: holds something other than CRLs");
	crl = d2i_X509_CRL(NULL, &p, (long)der.n);
	if (!crl || p != der.p + der.n)
		return err_openssl(ERR_CONFIG, "CRL file: not a CRL");
	if (!crl_is_ours(d, crl))
		return err_openssl(ERR_CONFIG, "CRL file: not signed by a CA of this domain");
	if (!X509_STORE_add_crl(d->store, crl))
		return err_openssl(ERR_NOMEM, "CRL file");
	d->has_crl = true;
	return ERR_OK;
}

static enum err domain_init(struct domain *d, struct view name)
{
	/* Every certificate of the CA file is an anchor, be its own issuer there or not. */
	const unsigned long flags =
		X509_V_FLAG_CRL_CHECK | X509_V_FLAG_X509_STRICT | X509_V_FLAG_PARTIAL_CHAIN;

	if (!trust_domain_is_valid(name))
		return err_new(ERR_CONFIG, "not a trust domain: [a-z0-9.-] is");
	memcpy(d->name, name.p, name.n);
	d->store = X509_STORE_new();
	d->anchors = sk_X509_new_null();
	if (!d->store || !d->anchors || !X509_STORE_set_flags(d->store, flags))
		return err_openssl(ERR_NOMEM, "trust domain");
	return ERR_OK;
}

enum err trust_add(struct trust *t, struct view domain, struct view ca_pem, struct view crl_pem)
{
	CLEANUP(domain_freep) struct domain *d = calloc(1, sizeof(*d));
	struct domain **grown;
	enum err e;

	if (!d)
		return err_new(ERR_NOMEM, "trust domain");
	if (domain_find(t, domain))
		return err_new(ERR_EXISTS, "trust domain stands twice");
	e = domain_init(d, domain);
	if (e)
		return err_trace(e);
	e = pem_each(ca_pem, add_anchor, d);
	if (e)
		return err_trace(e);
	if (sk_X509_num(d->anchors) == 0)
		return err_new(ERR_CONFIG, "CA file: no certificate in PEM");
	e = pem_each(crl_pem, add_crl, d);
	if (e)
		return err_trace(e);
	if (crl_pem.n && !d->has_crl)
		return err_new(ERR_CONFIG, "CRL file: no CRL in PEM");
	grown = realloc(t->domains, (t->n + 1) * sizeof(struct domain *));
	if (!grown)
		return err_new(ERR_NOMEM, "trust domain");
	t->domains = grown;
	t->domains[t->n++] = TAKE(d);
	return ERR_OK;
}

static enum err chain_parse(const struct view *chain, size_t n_chain, STACK_OF(X509) * *ret)
{
	CLEANUP(x509s_freep) STACK_OF(X509) *s = NULL;

	if (n_chain < 1 || n_chain > CERT_CHAIN_MAX)
		return err_new(ERR_CERT, "a chain has 1 to %d certificates, not %zu",
			       CERT_CHAIN_MAX, n_chain);
	s = sk_X509_new_null();
	if (!s)
		return err_new(ERR_NOMEM, "certificate chain");
	for (size_t i = 0; i < n_chain; i++) {
		X509 *x = cert_from_der(chain[i]);

		if (!x)
			return err_openssl(ERR_CERT, "not a certificate");
		if (!sk_X509_push(s, x)) {
			X509_free(x);
			return err_new(ERR_NOMEM, "certificate chain");
		}
	}
	*ret = TAKE(s);
	return ERR_OK;
}

/* An extKeyUsage of the CA binds as well, and OpenSSL has looked for one role only. */
static enum err check_both_roles(X509_STORE_CTX *ctx)
{
	STACK_OF(X509) *built = X509_STORE_CTX_get0_chain(ctx);

	for (int i = 1; i < sk_X509_num(built); i++)
		if (X509_check_purpose(sk_X509_value(built, i), X509_PURPOSE_SSL_SERVER, 1) != 1)
			return err_new(ERR_CERT, "its CA must not certify TLS servers");
	return ERR_OK;
}

static enum err verify_chain(const struct domain *d, enum cert_purpose purpose,
			     STACK_OF(X509) * chain, int64_t utc_s)
{
	CLEANUP(X509_STORE_CTX_freep) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *param;
	int why;

	if (!ctx || !X509_STORE_CTX_init(ctx, d->store, sk_X509_value(chain, 0), chain))
		return err_openssl(ERR_NOMEM, "certificate check");
	param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_time(param, (time_t)utc_s);
	X509_VERIFY_PARAM_set_auth_level(param, AUTH_LEVEL);
	if (purpose == CERT_TLS && !X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_CLIENT))
		return err_openssl(ERR_CRYPTO, "certificate check");
	if (X509_verify_cert(ctx) == 1)
		return purpose == CERT_TLS ? check_both_roles(ctx) : ERR_OK;
	why = X509_STORE_CTX_get_error(ctx);
	ERR_clear_error();
	return err_new(why == X509_V_ERR_CERT_REVOKED ? ERR_REVOKED : ERR_CERT, "%s",
		       X509_verify_cert_error_string(why));
}

enum err trust_check(const struct trust *t, enum cert_purpose purpose, const struct view *chain,
		     size_t n_chain, int64_t utc_s, struct agency_id *ret_id,
		     struct verify_key **ret_key)
{
	CLEANUP(x509s_freep) STACK_OF(X509) *certs = NULL;
	CLEANUP(verify_key_freep) struct verify_key *key = NULL;
	const struct domain *d;
	struct agency_id id;
	enum err e;

	e = chain_parse(chain, n_chain, &certs);
	if (e)
		return err_trace(e);
	e = cert_check_leaf(sk_X509_value(certs, 0), purpose, &id, &key);
	if (e)
		return err_trace(e);
	d = domain_find(t, agency_id_domain(&id));
	if (!d)
		return err_new(ERR_CERT, "no CA is configured for its trust domain");
	if (!d->has_crl)
		return err_new(ERR_CERT, "no CRL is configured for its trust domain");
	e = verify_chain(d, purpose, certs, utc_s);
	if (e)
		return err_trace(e);
	*ret_id = id;
	if (ret_key)
		*ret_key = TAKE(key);
	return ERR_OK;
}
