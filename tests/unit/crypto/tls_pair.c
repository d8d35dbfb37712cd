#include "tls_pair.h"

#include <string.h>

int64_t world_time(void *ctx)
{
	(void)ctx;
	return NOW;
}

static struct tls_context *context_of(const struct pki_leaf *leaf, const struct trust *trust)
{
	struct tls_context *c = NULL;

	ASSERT(tls_context_new(buf_view(&leaf->cert_pem), buf_view(&leaf->key_pem), trust,
			       world_time, NULL, &c) == ERR_OK);
	return c;
}

struct world world_new(void)
{
	struct world w = {0};

	w.cz_ca = pki_ca_new(&(struct pki_ca_options){.domain = CZ, .utc_s = NOW});
	w.sk_ca = pki_ca_new(&(struct pki_ca_options){.domain = SK, .utc_s = NOW});
	pki_issue(w.cz_ca, &(struct pki_leaf_options){.id = CZ_ID, .utc_s = NOW}, &w.cz);
	pki_issue(w.sk_ca, &(struct pki_leaf_options){.id = SK_ID, .utc_s = NOW}, &w.sk);
	ASSERT(trust_new(&w.trust) == ERR_OK);
	pki_trust_add(w.trust, w.cz_ca, CZ, NOW);
	pki_trust_add(w.trust, w.sk_ca, SK, NOW);
	w.cz_context = context_of(&w.cz, w.trust);
	w.sk_context = context_of(&w.sk, w.trust);
	return w;
}

void world_fini(struct world *w)
{
	tls_context_free(w->cz_context);
	tls_context_free(w->sk_context);
	trust_free(w->trust);
	pki_leaf_fini(&w->cz);
	pki_leaf_fini(&w->sk);
	pki_ca_free(w->cz_ca);
	pki_ca_free(w->sk_ca);
}

struct pair pair_new(const struct world *w)
{
	struct pair p = {0};

	ASSERT(tls_new(w->cz_context, TLS_DIALLER, &p.dialler) == ERR_OK);
	ASSERT(tls_new(w->sk_context, TLS_LISTENER, &p.listener) == ERR_OK);
	return p;
}

void pair_fini(struct pair *p)
{
	tls_free(p->dialler);
	tls_free(p->listener);
	buf_fini(&p->log);
}

enum err tls_carry(struct tls *from, struct tls *to, size_t most)
{
	struct buf *out = tls_output(from);
	size_t n = out->n < most ? out->n : most;
	enum err e = tls_input(to, view_of(buf_data(out), n));

	if (!e)
		buf_consume(out, n);
	return e;
}

/* The first bytes of a flight are a record's head: content type, version 3.x, length. */
static bool is_free(struct view records, size_t at)
{
	for (size_t i = 0; i + 5 <= records.n;) {
		size_t n = (size_t)records.p[i + 3] << 8 | records.p[i + 4];

		if (at < i + 5 + n)
			return at == i + 1 || at == i + 2;
		i += 5 + n;
	}
	return false;
}

static void carry(struct pair *p, struct tls *from, struct tls *to)
{
	struct buf *out = tls_output(from);
	size_t n = p->step && p->step < out->n ? p->step : out->n;

	if (p->alter && p->alter_at >= p->carried && p->alter_at < p->carried + n) {
		size_t at = p->alter_at - p->carried;

		p->altered_free = is_free(buf_view(out), at);
		buf_data(out)[at] ^= 1;
	}
	p->carried += n;
	ASSERT(buf_put(&p->log, buf_data(out), n) == ERR_OK);
	ASSERT(tls_carry(from, to, n) == ERR_OK);
}

enum tls_result pair_try(struct pair *p)
{
	for (;;) {
		enum tls_result a = tls_handshake(p->dialler);
		enum tls_result b = tls_handshake(p->listener);
		size_t before = p->carried;

		ASSERT(a != TLS_AGAIN_OUT && b != TLS_AGAIN_OUT);
		if (a == TLS_FAILED || b == TLS_FAILED)
			return TLS_FAILED;
		if (a == TLS_OK && b == TLS_OK)
			return TLS_OK;
		carry(p, p->dialler, p->listener);
		carry(p, p->listener, p->dialler);
		if (p->carried == before)
			return TLS_AGAIN_IN;
	}
}

void pair_handshake(struct pair *p)
{
	ASSERT(pair_try(p) == TLS_OK);
}
