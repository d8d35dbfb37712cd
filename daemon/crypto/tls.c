#include "crypto/tls.h"

#include <stdio.h>
#include <time.h>

#include "crypto/internal.h"

#define EXPORTER_LABEL "EXPORTER-Channel-Binding"
#define WHY_MAX 160	   /* bytes kept of why a certificate was refused */
#define BUFFER_KEEP 4096   /* an empty buffer larger than this is given back */
#define RECORD_BYTES 16384 /* of content in one record, at most */
#define RECORD_MORE 64	   /* what a record is longer than its content, at most */
#define CHAIN_BYTES_MAX (CERT_CHAIN_MAX * (CERT_DER_MAX + 16) + 256)

/* The tls_alpn extension's form: length, name. */
static const uint8_t alpn[] = "\x08" TLS_ALPN;
#define ALPN_BYTES (sizeof(alpn) - 1)

struct tls_context {
	SSL_CTX *ssl;
	BIO_METHOD *bio;
	const struct trust *trust;
	int64_t (*utc_s)(void *ctx);
	void *ctx;
};

enum tls_state {
	TLS_STATE_HANDSHAKE,
	TLS_STATE_UP,
	TLS_STATE_SHUT, /* we have said goodbye */
	TLS_STATE_DEAD,
};

struct tls {
	struct tls_context *context;
	SSL *ssl;
	enum tls_state state;
	struct buf in;	/* from the peer, not yet decrypted */
	struct buf out; /* to the peer */
	struct cert_chain chain;
	struct agency_id peer;
	enum err refused; /* why the peer's certificate was, or ERR_OK */
	char why[WHY_MAX];
};

/* A BIO over the two buffers of a session: OpenSSL's own memory BIOs would copy once more. */

static int bio_read(BIO *bio, char *p, size_t n, size_t *ret_n)
{
	struct tls *t = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (t->in.n == 0) {
		BIO_set_retry_read(bio);
		return 0;
	}
	if (n > t->in.n)
		n = t->in.n;
	memcpy(p, buf_data(&t->in), n);
	buf_consume(&t->in, n);
	*ret_n = n;
	return 1;
}

static int bio_write(BIO *bio, const char *p, size_t n, size_t *ret_n)
{
	struct tls *t = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (buf_put(&t->out, p, n) != ERR_OK)
		return 0;
	*ret_n = n;
	return 1;
}

static long bio_ctrl(BIO *bio, int command, long larg, void *parg)
{
	(void)bio;
	(void)larg;
	(void)parg;
	return command == BIO_CTRL_FLUSH;
}

static int bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

static BIO_METHOD *bio_method_new(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "session");

	if (m && BIO_meth_set_read_ex(m, bio_read) && BIO_meth_set_write_ex(m, bio_write) &&
	    BIO_meth_set_ctrl(m, bio_ctrl) && BIO_meth_set_create(m, bio_create))
		return m;
	BIO_meth_free(m);
	return NULL;
}

/* ALPN: each side refuses a peer that does not name our protocol. */

/* A client without the extension never reaches select_alpn(). */
static int client_hello(SSL *ssl, int *alert, void *arg)
{
	const uint8_t *p;
	size_t n;

	(void)arg;
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &p,
				      &n))
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = SSL_AD_NO_APPLICATION_PROTOCOL;
	return SSL_CLIENT_HELLO_ERROR;
}

static int select_alpn(SSL *ssl, const uint8_t **ret, uint8_t *ret_n, const uint8_t *offered,
		       unsigned int n_offered, void *arg)
{
	(void)ssl;
	(void)arg;
	for (size_t i = 0; i < n_offered; i += 1 + (size_t)offered[i]) {
		if (n_offered - i < ALPN_BYTES || memcmp(offered + i, alpn, ALPN_BYTES) != 0)
			continue;
		*ret = alpn + 1;
		*ret_n = alpn[0];
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static bool alpn_is_ours(const SSL *ssl)
{
	const uint8_t *p = NULL;
	unsigned int n = 0;

	SSL_get0_alpn_selected(ssl, &p, &n);
	return view_eq(view_of(p, n), view_of(alpn + 1, ALPN_BYTES - 1));
}

/* The peer's certificate. */

/* Copy the chain as DER: it is checked again while the session lasts. */
static enum err chain_keep(STACK_OF(X509) * certs, struct cert_chain *ret)
{
	struct cert_chain c = {0};
	uint8_t *at;
	int count = sk_X509_num(certs);

	if (count < 1 || count > CERT_CHAIN_MAX)
		return err_new(ERR_CERT, "a chain has 1 to %d certificates, not %d", CERT_CHAIN_MAX,
			       count);
	for (int i = 0; i < count; i++) {
		int n = i2d_X509(sk_X509_value(certs, i), NULL);

		if (n < 1 || n > CERT_DER_MAX)
			return err_new(ERR_CERT, "a certificate of %d bytes", n);
		c.der[i].n = (size_t)n;
		c.n += (size_t)n;
	}
	c.storage = malloc(c.n);
	if (!c.storage)
		return err_new(ERR_NOMEM, "certificate chain");
	at = c.storage;
	for (int i = 0; i < count; i++) {
		c.der[i].p = at;
		(void)i2d_X509(sk_X509_value(certs, i), &at);
	}
	c.n = (size_t)count;
	*ret = c;
	return ERR_OK;
}

static int64_t context_time(const struct tls_context *c)
{
	return c->utc_s ? c->utc_s(c->ctx) : (int64_t)time(NULL);
}

static int verify_peer(X509_STORE_CTX *store, void *arg)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls *t = SSL_get_app_data(ssl);
	enum err e;

	(void)arg;
	cert_chain_fini(&t->chain);
	e = chain_keep(X509_STORE_CTX_get0_untrusted(store), &t->chain);
	if (!e)
		e = trust_check(t->context->trust, CERT_TLS, t->chain.der, t->chain.n,
				context_time(t->context), &t->peer, NULL);
	if (!e) {
		X509_STORE_CTX_set_error(store, X509_V_OK);
		return 1;
	}
	t->refused = e;
	(void)snprintf(t->why, sizeof(t->why), "%s", err_words());
	X509_STORE_CTX_set_error(store, e == ERR_REVOKED ? X509_V_ERR_CERT_REVOKED
							 : X509_V_ERR_APPLICATION_VERIFICATION);
	return 0;
}

/* The context. */

static enum err set_protocol(SSL_CTX *s)
{
	/* Of these only ECDSA with P-256 can sign a handshake, by our profile; the rest are what
	 * CAs sign certificates with. Not const: OpenSSL's macros take the const away. */
	char signatures[] = "ECDSA+SHA256:ECDSA+SHA384:ed25519:RSA-PSS+SHA256:RSA-PSS+SHA384:"
			    "RSA+SHA256:RSA+SHA384";
	char groups[] = "X25519:P-256";
	const uint64_t options = SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
				 SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE;

	SSL_CTX_set_options(s, options);
	SSL_CTX_set_mode(s, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(s, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_security_level(s, 2);
	SSL_CTX_set_max_cert_list(s, CHAIN_BYTES_MAX);
	if (!SSL_CTX_set_min_proto_version(s, TLS1_3_VERSION) ||
	    !SSL_CTX_set_max_proto_version(s, TLS1_3_VERSION) || !SSL_CTX_set_num_tickets(s, 0) ||
	    !SSL_CTX_set_max_early_data(s, 0) || !SSL_CTX_set_recv_max_early_data(s, 0) ||
	    !SSL_CTX_set_ciphersuites(s, "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:"
					 "TLS_AES_128_GCM_SHA256") ||
	    !SSL_CTX_set1_groups_list(s, groups) || !SSL_CTX_set1_sigalgs_list(s, signatures))
		return err_openssl(ERR_CRYPTO, "TLS settings");
	SSL_CTX_set_client_hello_cb(s, client_hello, NULL);
	SSL_CTX_set_alpn_select_cb(s, select_alpn, NULL);
	SSL_CTX_set_verify(s, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(s, verify_peer, NULL);
	/* this one returns 0 when it is done */
	if (SSL_CTX_set_alpn_protos(s, alpn, ALPN_BYTES) != 0)
		return err_openssl(ERR_CRYPTO, "TLS settings");
	return ERR_OK;
}

static enum err set_chain(SSL_CTX *s, const struct cert_chain *chain)
{
	for (size_t i = 0; i < chain->n; i++) {
		CLEANUP(X509_freep) X509 *x = cert_from_der(chain->der[i]);

		if (!x || !(i == 0 ? SSL_CTX_use_certificate(s, x) : SSL_CTX_add1_chain_cert(s, x)))
			return err_openssl(ERR_CONFIG, "TLS certificate");
	}
	return ERR_OK;
}

static enum err set_identity(SSL_CTX *s, struct view chain_pem, struct view key_pem)
{
	CLEANUP(cert_chain_fini) struct cert_chain chain = {0};
	CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = NULL;
	struct agency_id id;
	enum err e;

	e = cert_chain_from_pem(chain_pem, &chain);
	if (e)
		return err_trace(e);
	e = cert_check_profile(chain.der[0], CERT_TLS, &id, NULL);
	if (e) {
		char why[WHY_MAX];

		(void)snprintf(why, sizeof(why), "%s", err_words());
		return err_new(ERR_CONFIG, "TLS certificate: %s", why);
	}
	e = set_chain(s, &chain);
	if (e)
		return err_trace(e);
	key = pkey_from_pem(key_pem);
	if (!key)
		return err_openssl(ERR_CONFIG, "TLS key: not an unencrypted private key in PEM");
	if (!SSL_CTX_use_PrivateKey(s, key) || !SSL_CTX_check_private_key(s))
		return err_openssl(ERR_CONFIG, "TLS key: does not fit its certificate");
	return ERR_OK;
}

enum err tls_context_new(struct view chain_pem, struct view key_pem, const struct trust *trust,
			 int64_t (*utc_s)(void *ctx), void *ctx, struct tls_context **ret)
{
	CLEANUP(tls_context_freep) struct tls_context *c = calloc(1, sizeof(*c));
	enum err e;

	if (!c)
		return err_new(ERR_NOMEM, "TLS context");
	c->trust = trust;
	c->utc_s = utc_s;
	c->ctx = ctx;
	c->bio = bio_method_new();
	c->ssl = SSL_CTX_new(TLS_method());
	if (!c->bio || !c->ssl)
		return err_openssl(ERR_CRYPTO, "TLS context");
	e = set_protocol(c->ssl);
	if (!e)
		e = set_identity(c->ssl, chain_pem, key_pem);
	if (e)
		return err_trace(e);
	*ret = TAKE(c);
	return ERR_OK;
}

void tls_context_free(struct tls_context *c)
{
	if (!c)
		return;
	SSL_CTX_free(c->ssl);
	BIO_meth_free(c->bio);
	free(c);
}

/* The session. */

enum err tls_new(struct tls_context *c, enum tls_role role, struct tls **ret)
{
	CLEANUP(tls_freep) struct tls *t = calloc(1, sizeof(*t));
	BIO *bio;

	if (!t)
		return err_new(ERR_NOMEM, "TLS session");
	t->context = c;
	buf_init(&t->in, TLS_INPUT_MAX);
	buf_init(&t->out, 0);
	t->ssl = SSL_new(c->ssl);
	if (!t->ssl || !SSL_set_app_data(t->ssl, t))
		return err_openssl(ERR_NOMEM, "TLS session");
	bio = BIO_new(c->bio);
	if (!bio)
		return err_openssl(ERR_NOMEM, "TLS session");
	BIO_set_data(bio, t);
	SSL_set_bio(t->ssl, bio, bio);
	switch (role) {
	case TLS_DIALLER:
		SSL_set_connect_state(t->ssl);
		break;
	case TLS_LISTENER:
		SSL_set_accept_state(t->ssl);
		break;
	}
	*ret = TAKE(t);
	return ERR_OK;
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	SSL_free(t->ssl);
	cert_chain_fini(&t->chain);
	buf_fini(&t->in);
	buf_fini(&t->out);
	free(t);
}

/* Storage grows with a burst; a session at rest keeps none. */
static void buf_trim(struct buf *b)
{
	if (b->n == 0 && b->cap > BUFFER_KEEP)
		buf_fini(b);
}

enum err tls_input(struct tls *t, struct view in)
{
	enum err e = buf_put_view(&t->in, in);

	if (e)
		return err_trace(e);
	return ERR_OK;
}

struct buf *tls_output(struct tls *t)
{
	buf_trim(&t->out);
	return &t->out;
}

static enum tls_result fail(struct tls *t)
{
	t->state = TLS_STATE_DEAD;
	if (t->refused) {
		ERR_clear_error();
		(void)err_new(t->refused, "peer's certificate: %s", t->why);
	} else {
		(void)err_openssl(ERR_TLS, "TLS");
	}
	return TLS_FAILED;
}

enum err tls_error(const struct tls *t)
{
	return t->refused ? t->refused : ERR_TLS;
}

/* What OpenSSL made of a step that did not succeed. */
static enum tls_result result_of(struct tls *t, int returned)
{
	int why = SSL_get_error(t->ssl, returned);

	buf_trim(&t->in);
	if (why == SSL_ERROR_WANT_READ)
		return TLS_AGAIN_IN;
	if (why == SSL_ERROR_ZERO_RETURN)
		return TLS_CLOSED;
	/* our BIO never asks to write again, and nothing else is asynchronous */
	return fail(t);
}

static enum tls_result dead(void)
{
	(void)err_new(ERR_TLS, "TLS: the session is over");
	return TLS_FAILED;
}

enum tls_result tls_handshake(struct tls *t)
{
	int returned;

	if (t->state == TLS_STATE_UP)
		return TLS_OK;
	if (t->state != TLS_STATE_HANDSHAKE)
		return dead();
	ERR_clear_error();
	returned = SSL_do_handshake(t->ssl);
	if (returned != 1)
		return result_of(t, returned);
	if (!alpn_is_ours(t->ssl) || t->peer.n_text == 0) {
		t->state = TLS_STATE_DEAD;
		(void)err_new(ERR_TLS, "TLS: the peer does not speak " TLS_ALPN);
		return TLS_FAILED;
	}
	t->state = TLS_STATE_UP;
	buf_trim(&t->in);
	return TLS_OK;
}

enum tls_result tls_read(struct tls *t, uint8_t *p, size_t n, size_t *ret_n)
{
	int returned;

	ASSERT(n > 0);
	if (t->state != TLS_STATE_UP && t->state != TLS_STATE_SHUT)
		return dead();
	ERR_clear_error();
	returned = SSL_read_ex(t->ssl, p, n, ret_n);
	if (returned != 1)
		return result_of(t, returned);
	buf_trim(&t->in);
	return TLS_OK;
}

enum tls_result tls_write(struct tls *t, struct view v)
{
	uint8_t *to;
	size_t n = 0;
	int returned;

	if (t->state != TLS_STATE_UP)
		return dead();
	if (t->out.n >= TLS_OUTPUT_HIGH)
		return TLS_AGAIN_OUT;
	if (v.n == 0)
		return TLS_OK;
	ERR_clear_error(); /* what is queued when this fails is of this call */
	/* Room for all of its records at once, else the buffer grows with each. */
	if (buf_reserve(&t->out, v.n + (v.n / RECORD_BYTES + 1) * RECORD_MORE, &to))
		return fail(t);
	returned = SSL_write_ex(t->ssl, v.p, v.n, &n);
	/* Our BIO takes all or fails, so there is no half of a write to go on with. */
	if (returned != 1 || n != v.n)
		return fail(t);
	return TLS_OK;
}

void tls_shutdown(struct tls *t)
{
	if (t->state != TLS_STATE_UP)
		return;
	t->state = TLS_STATE_SHUT;
	(void)SSL_shutdown(t->ssl);
	ERR_clear_error();
}

const struct agency_id *tls_peer(const struct tls *t)
{
	ASSERT(t->peer.n_text > 0);
	return &t->peer;
}

enum err tls_peer_until(const struct tls *t, int64_t *ret_utc_s)
{
	if (t->chain.n == 0)
		return err_new(ERR_STATE, "TLS: no handshake yet");
	return cert_not_after(t->chain.der[0], ret_utc_s);
}

enum err tls_exporter(const struct tls *t, uint8_t ret[TLS_EXPORTER_BYTES])
{
	uint8_t out[TLS_EXPORTER_BYTES];

	if (t->state != TLS_STATE_UP)
		return err_new(ERR_STATE, "TLS: no handshake yet");
	if (SSL_export_keying_material(t->ssl, out, sizeof(out), EXPORTER_LABEL,
				       sizeof(EXPORTER_LABEL) - 1, NULL, 0, 1) != 1)
		return err_openssl(ERR_CRYPTO, "TLS exporter");
	memcpy(ret, out, sizeof(out));
	return ERR_OK;
}

enum err tls_recheck(const struct tls *t, const struct trust *trust, int64_t utc_s)
{
	struct agency_id id;
	enum err e;

	if (t->chain.n == 0)
		return err_new(ERR_STATE, "TLS: no handshake yet");
	e = trust_check(trust, CERT_TLS, t->chain.der, t->chain.n, utc_s, &id, NULL);
	if (e)
		return err_trace(e);
	return ERR_OK;
}
