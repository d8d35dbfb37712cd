/* Our side against peers that are not ours: a bare OpenSSL that does what ours never would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/digest.h"
#include "crypto/openssl.h"
#include "tls_pair.h"

#define OURS "\x08" TLS_ALPN

/* How the peer deviates; all zero is a good one. */
struct foreign_options {
	int version;		     /* highest; 0: TLS 1.3 */
	const char *alpn;	     /* wire form; NULL: ours, "": none */
	const struct pki_leaf *leaf; /* NULL: the peer's good one */
	bool no_certificate;
	size_t n_extra; /* certificates sent besides the leaf */
	const char *groups;
	const char *ciphers;
	bool dials;
};

struct foreign {
	SSL_CTX *ctx;
	SSL *ssl;
	struct tls *ours;
	const char *alpn;
	unsigned tickets;
};

static int pick_alpn(SSL *ssl, const uint8_t **ret, uint8_t *ret_n, const uint8_t *in,
		     unsigned int n, void *arg)
{
	const struct foreign *f = arg;

	(void)ssl;
	(void)in;
	(void)n;
	if (!f->alpn[0])
		return SSL_TLSEXT_ERR_NOACK;
	/* whatever was offered */
	*ret = (const uint8_t *)f->alpn + 1;
	*ret_n = (uint8_t)f->alpn[0];
	return SSL_TLSEXT_ERR_OK;
}

static int accept_any(X509_STORE_CTX *store, void *arg)
{
	(void)store;
	(void)arg;
	return 1;
}

static int count_ticket(SSL *ssl, SSL_SESSION *session)
{
	struct foreign *f = SSL_get_app_data(ssl);

	(void)session;
	f->tickets++;
	return 0;
}

static X509 *x509_of(struct view der)
{
	const uint8_t *p = der.p;
	X509 *x = d2i_X509(NULL, &p, (long)der.n);

	assert_non_null(x);
	return x;
}

static void foreign_identity(struct foreign *f, const struct pki_leaf *leaf, size_t n_extra)
{
	BIO *bio = BIO_new_mem_buf(buf_data(&leaf->key_pem), (int)leaf->key_pem.n);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	X509 *x = x509_of(pki_leaf_der(leaf));

	assert_true(SSL_CTX_use_certificate(f->ctx, x));
	assert_true(SSL_CTX_use_PrivateKey(f->ctx, key));
	for (size_t i = 0; i < n_extra; i++)
		assert_true(SSL_CTX_add1_chain_cert(f->ctx, x));
	X509_free(x);
	EVP_PKEY_free(key);
	BIO_free(bio);
}

/* The peer is sk's, or what o->leaf says; ours is cz's. */
static struct foreign *foreign_new(const struct world *w, const struct foreign_options *o)
{
	struct foreign *f = calloc(1, sizeof(*f));
	size_t n_alpn;

	assert_non_null(f);
	f->alpn = o->alpn ? o->alpn : OURS;
	n_alpn = strlen(f->alpn);
	f->ctx = SSL_CTX_new(TLS_method());
	assert_non_null(f->ctx);
	SSL_CTX_set_security_level(f->ctx, 0);
	SSL_CTX_set_max_proto_version(f->ctx, o->version ? o->version : TLS1_3_VERSION);
	SSL_CTX_set_verify(f->ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(f->ctx, accept_any, NULL);
	SSL_CTX_set_session_cache_mode(f->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(f->ctx, count_ticket);
	SSL_CTX_set_alpn_select_cb(f->ctx, pick_alpn, f);
	if (o->groups) {
		char groups[64];

		(void)snprintf(groups, sizeof(groups), "%s", o->groups);
		assert_true(SSL_CTX_set1_groups_list(f->ctx, groups));
	}
	if (o->ciphers)
		assert_true(SSL_CTX_set_ciphersuites(f->ctx, o->ciphers));
	if (!o->no_certificate)
		foreign_identity(f, o->leaf ? o->leaf : &w->sk, o->n_extra);
	f->ssl = SSL_new(f->ctx);
	assert_non_null(f->ssl);
	assert_true(SSL_set_app_data(f->ssl, f));
	if (n_alpn)
		assert_int_equal(
			SSL_set_alpn_protos(f->ssl, (const uint8_t *)f->alpn, (unsigned int)n_alpn),
			0);
	SSL_set_bio(f->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	if (o->dials)
		SSL_set_connect_state(f->ssl);
	else
		SSL_set_accept_state(f->ssl);
	assert_int_equal(tls_new(w->cz_context, o->dials ? TLS_LISTENER : TLS_DIALLER, &f->ours),
			 ERR_OK);
	return f;
}

static void foreign_free(struct foreign *f)
{
	if (!f)
		return;
	tls_free(f->ours);
	SSL_free(f->ssl);
	SSL_CTX_free(f->ctx);
	free(f);
}

DEFINE_FREEP(struct foreign, foreign_free)

/* Move what both have to say; how many bytes. */
static size_t exchange(struct foreign *f)
{
	struct buf *out = tls_output(f->ours);
	size_t moved = out->n;
	uint8_t block[8192];
	int n;

	if (out->n) {
		assert_int_equal(BIO_write(SSL_get_rbio(f->ssl), buf_data(out), (int)out->n),
				 (int)out->n);
		buf_consume(out, out->n);
	}
	while ((n = BIO_read(SSL_get_wbio(f->ssl), block, sizeof(block))) > 0) {
		moved += (size_t)n;
		assert_int_equal(tls_input(f->ours, view_of(block, (size_t)n)), ERR_OK);
	}
	return moved;
}

/* Shake hands as far as it goes: what ours came to. */
static enum tls_result foreign_handshake(struct foreign *f)
{
	enum tls_result r;

	do {
		(void)SSL_do_handshake(f->ssl);
		r = tls_handshake(f->ours);
	} while (exchange(f) > 0 && r != TLS_FAILED);
	return r;
}

/* Did the peer learn by an alert that we refused? */
static bool was_told(struct foreign *f)
{
	uint8_t c;

	(void)exchange(f);
	ERR_clear_error();
	if (SSL_is_init_finished(f->ssl))
		(void)SSL_read(f->ssl, &c, 1);
	else
		(void)SSL_do_handshake(f->ssl);
	return ERR_GET_REASON(ERR_peek_error()) >= SSL_AD_REASON_OFFSET;
}

static void a_good_peer_is_known_in_both_roles(void **state)
{
	CLEANUP(world_fini) struct world w = world_new();

	(void)state;
	for (int dials = 0; dials < 2; dials++) {
		CLEANUP(foreign_freep)
		struct foreign *f = foreign_new(&w, &(struct foreign_options){.dials = dials == 1});
		uint8_t mine[TLS_EXPORTER_BYTES], with[TLS_EXPORTER_BYTES],
			without[TLS_EXPORTER_BYTES];
		const char label[] = "EXPORTER-Channel-Binding";

		assert_int_equal(foreign_handshake(f), TLS_OK);
		assert_string_equal(tls_peer(f->ours)->text, SK_ID);
		assert_int_equal(SSL_version(f->ssl), TLS1_3_VERSION);
		/* RFC 9266: in TLS 1.3 an absent and an empty context are one */
		assert_int_equal(tls_exporter(f->ours, mine), ERR_OK);
		assert_true(SSL_export_keying_material(f->ssl, with, sizeof(with), label,
						       sizeof(label) - 1, (const uint8_t *)"", 0,
						       1));
		assert_true(SSL_export_keying_material(f->ssl, without, sizeof(without), label,
						       sizeof(label) - 1, NULL, 0, 0));
		assert_memory_equal(mine, with, sizeof(mine));
		assert_memory_equal(mine, without, sizeof(mine));
	}
}

static void a_dialler_gets_no_ticket(void **state)
{
	CLEANUP(world_fini) struct world w = world_new();
	CLEANUP(foreign_freep)
	struct foreign *f = foreign_new(&w, &(struct foreign_options){.dials = true});
	uint8_t block[16];
	int n;

	(void)state;
	assert_int_equal(foreign_handshake(f), TLS_OK);
	assert_int_equal(tls_write(f->ours, view_str("hello")), TLS_OK);
	(void)exchange(f);
	n = SSL_read(f->ssl, block, sizeof(block));
	assert_int_equal(n, 5);
	assert_int_equal(f->tickets, 0);
	assert_false(SSL_SESSION_is_resumable(SSL_get_session(f->ssl)));
}

/* A listener that does send tickets, as OpenSSL's does by default, disturbs nothing. */
static void tickets_of_a_listener_are_ignored(void **state)
{
	CLEANUP(world_fini) struct world w = world_new();
	CLEANUP(foreign_freep) struct foreign *f = foreign_new(&w, &(struct foreign_options){0});
	uint8_t block[16];
	size_t n;

	(void)state;
	assert_int_equal(foreign_handshake(f), TLS_OK);
	assert_int_equal(SSL_write(f->ssl, "hello", 5), 5);
	(void)exchange(f);
	assert_int_equal(tls_read(f->ours, block, sizeof(block), &n), TLS_OK);
	assert_int_equal(n, 5);
}

static void each_unsuitable_peer_is_refused_in_both_roles(void **state)
{
	static const struct {
		const char *what;
		struct foreign_options o;
		enum err as_dialler;  /* what our listener says */
		enum err as_listener; /* what our dialler says */
	} cases[] = {
		{"TLS 1.2", {.version = TLS1_2_VERSION}, ERR_TLS, ERR_TLS},
		{"TLS 1.1", {.version = TLS1_1_VERSION}, ERR_TLS, ERR_TLS},
		{"no ALPN", {.alpn = ""}, ERR_TLS, ERR_TLS},
		{"other ALPN", {.alpn = "\x02h2"}, ERR_TLS, ERR_TLS},
		{"a later version",
		 {.alpn = "\x08"
			  "amparo/2"},
		 ERR_TLS,
		 ERR_TLS},
		{"a longer name",
		 {.alpn = "\x09"
			  "amparo/11"},
		 ERR_TLS,
		 ERR_TLS},
		{"a shorter name",
		 {.alpn = "\x07"
			  "amparo/"},
		 ERR_TLS,
		 ERR_TLS},
		{"no certificate", {.no_certificate = true}, ERR_TLS, ERR_TLS},
		{"too long a chain", {.n_extra = 4}, ERR_CERT, ERR_CERT},
		{"unknown group", {.groups = "P-384"}, ERR_TLS, ERR_TLS},
		{"CCM", {.ciphers = "TLS_AES_128_CCM_SHA256"}, ERR_TLS, ERR_TLS},
	};
	CLEANUP(world_fini) struct world w = world_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (int dials = 0; dials < 2; dials++) {
			struct foreign_options o = cases[i].o;
			enum err e = dials ? cases[i].as_dialler : cases[i].as_listener;
			struct foreign *f;

			o.dials = dials == 1;
			f = foreign_new(&w, &o);
			err_clear();
			/* a listener without a certificate gives up first, and we hear of it */
			if (foreign_handshake(f) != TLS_FAILED)
				fail_msg("%s: accepted, dials %d", cases[i].what, dials);
			if (tls_error(f->ours) != e)
				fail_msg("%s: %s", cases[i].what, err_words());
			foreign_free(f);
		}
	}
}

/* Certificates that trust_check() refuses, seen through a handshake, and that the peer is told. */
static void each_unfit_certificate_is_refused_in_both_roles(void **state)
{
	CLEANUP(world_fini) struct world w = world_new();
	const struct {
		const char *why;
		struct pki_leaf_options o;
		struct pki_ca *ca;
	} cases[] = {
		{"certificate has expired",
		 {.not_before = NOW - 99, .not_after = NOW - 1},
		 w.sk_ca},
		{"not yet valid", {.not_before = NOW + 1, .not_after = NOW + 99}, w.sk_ca},
		{"keyUsage", {.purpose = CERT_SEAL}, w.sk_ca},
		{"P-256", {.key = PKI_ED25519}, w.sk_ca},
		{"P-256", {.key = PKI_P384}, w.sk_ca},
		{"extKeyUsage", {.ext_key_usage = "serverAuth"}, w.sk_ca},
		{"extKeyUsage", {.ext_key_usage = "clientAuth"}, w.sk_ca},
		{"unable to get local issuer", {0}, w.cz_ca},
		{"no CA is configured", {.id = "spiffe://other.example/a"}, w.sk_ca},
		{"no agency id", {.id = "spiffe://sk.example:x@cz.example/a"}, w.cz_ca},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(pki_leaf_fini) struct pki_leaf leaf;
		struct pki_leaf_options o = cases[i].o;

		o.utc_s = NOW;
		o.id = o.id ? o.id : SK_ID;
		pki_issue(cases[i].ca, &o, &leaf);
		for (int dials = 0; dials < 2; dials++) {
			CLEANUP(foreign_freep)
			struct foreign *f = foreign_new(
				&w, &(struct foreign_options){.leaf = &leaf, .dials = dials == 1});

			assert_int_equal(foreign_handshake(f), TLS_FAILED);
			if (!strstr(err_words(), cases[i].why))
				fail_msg("case %zu: %s", i, err_words());
			assert_int_equal(tls_error(f->ours), ERR_CERT);
			assert_true(was_told(f));
		}
	}
}

static void a_revoked_peer_is_refused_in_both_roles(void **state)
{
	CLEANUP(world_fini) struct world w = world_new();
	CLEANUP(trust_freep) struct trust *later = NULL;
	CLEANUP(buf_fini) struct buf crl = {0};

	(void)state;
	pki_crl(w.sk_ca, NOW, &w.sk.serial, 1, &crl);
	assert_int_equal(trust_new(&later), ERR_OK);
	assert_int_equal(trust_add(later, view_str(SK), pki_ca_pem(w.sk_ca), buf_view(&crl)),
			 ERR_OK);
	tls_context_free(w.cz_context);
	assert_int_equal(tls_context_new(buf_view(&w.cz.cert_pem), buf_view(&w.cz.key_pem), later,
					 world_time, NULL, &w.cz_context),
			 ERR_OK);
	for (int dials = 0; dials < 2; dials++) {
		CLEANUP(foreign_freep)
		struct foreign *f = foreign_new(&w, &(struct foreign_options){.dials = dials == 1});

		assert_int_equal(foreign_handshake(f), TLS_FAILED);
		assert_non_null(strstr(err_words(), "revoked"));
		assert_int_equal(tls_error(f->ours), ERR_REVOKED);
		assert_true(was_told(f));
	}
}

/* Key updates are the one thing that a peer may ask for after the handshake. */
static void key_updates_are_followed(void **state)
{
	CLEANUP(world_fini) struct world w = world_new();
	CLEANUP(foreign_freep)
	struct foreign *f = foreign_new(&w, &(struct foreign_options){.dials = true});
	uint8_t block[16];
	size_t n;

	(void)state;
	assert_int_equal(foreign_handshake(f), TLS_OK);
	for (int i = 0; i < 100; i++) {
		assert_true(SSL_key_update(f->ssl, SSL_KEY_UPDATE_REQUESTED));
		assert_int_equal(SSL_write(f->ssl, "hello", 5), 5);
		(void)exchange(f);
		assert_int_equal(tls_read(f->ours, block, sizeof(block), &n), TLS_OK);
		assert_int_equal(tls_read(f->ours, block, sizeof(block), &n), TLS_AGAIN_IN);
	}
	/* they do not pile up answers */
	assert_true(tls_output(f->ours)->n < 1000);
	assert_int_equal(tls_write(f->ours, view_str("back")), TLS_OK);
	(void)exchange(f);
	assert_int_equal(SSL_read(f->ssl, block, sizeof(block)), 4);
}

static int start(void **state)
{
	(void)state;
	return crypto_init() == ERR_OK ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	crypto_fini();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_peer_is_known_in_both_roles),
		cmocka_unit_test(a_dialler_gets_no_ticket),
		cmocka_unit_test(tickets_of_a_listener_are_ignored),
		cmocka_unit_test(each_unsuitable_peer_is_refused_in_both_roles),
		cmocka_unit_test(each_unfit_certificate_is_refused_in_both_roles),
		cmocka_unit_test(a_revoked_peer_is_refused_in_both_roles),
		cmocka_unit_test(key_updates_are_followed),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
