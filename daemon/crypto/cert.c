#include "crypto/cert.h"

#include <time.h>

#include "crypto/internal.h"

DEFINE_FREEP(GENERAL_NAMES, GENERAL_NAMES_free)

/* Exactly one certificate, all bytes used; NULL otherwise. */
X509 *cert_from_der(struct view der)
{
	CLEANUP(X509_freep) X509 *x = NULL;
	const uint8_t *p = der.p;

	if (der.n == 0 || der.n > CERT_DER_MAX)
		return NULL;
	x = d2i_X509(NULL, &p, (long)der.n);
	if (!x || p != der.p + der.n)
		return NULL;
	return TAKE(x);
}

static enum err check_serial(const X509 *x)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(x);
	const uint8_t *p = ASN1_STRING_get0_data(serial);
	int n = ASN1_STRING_length(serial);

	if (ASN1_STRING_type(serial) != V_ASN1_INTEGER || n < 1 || (n == 1 && p[0] == 0))
		return err_new(ERR_CERT, "serial number is not positive");
	/* DER puts a zero byte before a number whose highest bit is set */
	if (n + (p[0] >> 7) > CERT_SERIAL_MAX)
		return err_new(ERR_CERT, "serial number has more than 20 bytes");
	return ERR_OK;
}

/* OpenSSL looks at the first of two equal extensions in places, at none in others. */
static enum err check_extensions(const X509 *x)
{
	int n = X509_get_ext_count(x);

	for (int i = 0; i < n; i++) {
		const ASN1_OBJECT *object = X509_EXTENSION_get_object(X509_get_ext(x, i));

		if (X509_get_ext_by_OBJ(x, object, i) >= 0)
			return err_new(ERR_CERT, "an extension stands twice");
	}
	return ERR_OK;
}

static enum err check_usage(X509 *x, enum cert_purpose purpose)
{
	uint32_t flags = X509_get_extension_flags(x);
	uint32_t usage = X509_get_key_usage(x);
	uint32_t extended = flags & EXFLAG_XKUSAGE ? X509_get_extended_key_usage(x) : 0;
	uint32_t tls = XKU_SSL_SERVER | XKU_SSL_CLIENT;
	int at = X509_get_ext_by_NID(x, NID_key_usage, -1);

	if (flags & EXFLAG_INVALID)
		return err_new(ERR_CERT, "an extension is not well-formed");
	/* X509_check_ca() says no to a CA whose keyUsage forbids it to certify */
	if ((flags & EXFLAG_CA) || X509_check_ca(x) != 0)
		return err_new(ERR_CERT, "it is a CA's certificate");
	if (at < 0 || !X509_EXTENSION_get_critical(X509_get_ext(x, at)))
		return err_new(ERR_CERT, "keyUsage is absent or not critical");
	switch (purpose) {
	case CERT_TLS:
		/* SPIFFE allows the two others, which TLS 1.3 has no use for */
		if ((usage & ~(uint32_t)(KU_KEY_ENCIPHERMENT | KU_KEY_AGREEMENT)) !=
		    KU_DIGITAL_SIGNATURE)
			return err_new(ERR_CERT, "TLS: keyUsage must be digitalSignature");
		if ((extended & tls) != tls || (extended & XKU_ANYEKU))
			return err_new(ERR_CERT,
				       "TLS: extKeyUsage must be serverAuth and clientAuth");
		return ERR_OK;
	case CERT_SEAL:
		if (usage != KU_NON_REPUDIATION)
			return err_new(ERR_CERT, "seal: keyUsage must be contentCommitment alone");
		if (extended & (tls | XKU_ANYEKU))
			return err_new(ERR_CERT, "seal: extKeyUsage must not allow TLS");
		return ERR_OK;
	}
	return err_new(ERR_BUG, "purpose");
}

/* P-256 by its name: explicit curve parameters can be chosen to forge (CVE-2020-0601). */
static enum err check_p256(X509 *x)
{
	X509_ALGOR *algorithm = NULL;
	const ASN1_OBJECT *kind = NULL;
	const void *value = NULL;
	int type = 0;

	if (!X509_PUBKEY_get0_param(NULL, NULL, NULL, &algorithm, X509_get_X509_PUBKEY(x)))
		return err_openssl(ERR_CERT, "public key");
	X509_ALGOR_get0(&kind, &type, &value, algorithm);
	if (OBJ_obj2nid(kind) != NID_X9_62_id_ecPublicKey || type != V_ASN1_OBJECT ||
	    OBJ_obj2nid(value) != NID_X9_62_prime256v1)
		return err_new(ERR_CERT, "TLS: the key must be of P-256");
	if (!X509_get0_pubkey(x))
		return err_openssl(ERR_CERT, "TLS: the key is no point of P-256");
	return ERR_OK;
}

static enum err check_key(X509 *x, enum cert_purpose purpose, struct verify_key **ret)
{
	CLEANUP(verify_key_freep) struct verify_key *key = NULL;
	EVP_PKEY *pkey;
	enum err e;

	if (purpose == CERT_TLS)
		return check_p256(x);
	pkey = X509_get0_pubkey(x);
	if (!pkey)
		return err_openssl(ERR_CERT, "seal: no key");
	e = verify_key_from_pkey(pkey, &key);
	if (e == ERR_NOMEM)
		return err_trace(e);
	if (e)
		return err_new(ERR_CERT, "seal: %s", err_words());
	*ret = TAKE(key);
	return ERR_OK;
}

/* The one URI among the subject's alternative names. */
static enum err agency_of(const X509 *x, struct agency_id *ret)
{
	CLEANUP(GENERAL_NAMES_freep)
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	const ASN1_STRING *uri = NULL;
	enum err e;

	for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type != GEN_URI)
			continue;
		if (uri)
			return err_new(ERR_CERT, "more than one URI in subjectAltName");
		uri = name->d.uniformResourceIdentifier;
	}
	if (!uri)
		return err_openssl(ERR_CERT, "no URI in subjectAltName");
	e = agency_id_parse(view_of(ASN1_STRING_get0_data(uri), (size_t)ASN1_STRING_length(uri)),
			    ret);
	if (e)
		return err_new(ERR_CERT, "the URI in subjectAltName is no agency id");
	return ERR_OK;
}

enum err cert_check_leaf(X509 *x, enum cert_purpose purpose, struct agency_id *ret_id,
			 struct verify_key **ret_key)
{
	CLEANUP(verify_key_freep) struct verify_key *key = NULL;
	struct agency_id id;
	enum err e;

	if (X509_get_version(x) != X509_VERSION_3)
		return err_new(ERR_CERT, "not a certificate of version 3");
	e = check_serial(x);
	if (!e)
		e = check_extensions(x);
	if (!e)
		e = check_usage(x, purpose);
	if (!e)
		e = check_key(x, purpose, &key);
	if (!e)
		e = agency_of(x, &id);
	if (e)
		return err_trace(e);
	*ret_id = id;
	if (ret_key)
		*ret_key = TAKE(key);
	return ERR_OK;
}

enum err cert_check_profile(struct view der, enum cert_purpose purpose, struct agency_id *ret_id,
			    struct verify_key **ret_key)
{
	CLEANUP(X509_freep) X509 *x = cert_from_der(der);

	if (!x)
		return err_openssl(ERR_CERT, "not a certificate");
	return cert_check_leaf(x, purpose, ret_id, ret_key);
}

/* One DER certificate behind those in @p c. */
static enum err chain_add(struct cert_chain *c, size_t *used, struct view der)
{
	CLEANUP(X509_freep) X509 *x = NULL;

	if (c->n == CERT_CHAIN_MAX)
		return err_new(ERR_CONFIG, "more than %d certificates", CERT_CHAIN_MAX);
	x = cert_from_der(der);
	if (!x)
		return err_openssl(ERR_CONFIG, "not a certificate, or of more than 8192 bytes");
	memcpy(c->storage + *used, der.p, der.n);
	c->der[c->n++] = view_of(c->storage + *used, der.n);
	*used += der.n;
	return ERR_OK;
}

/* Keeps what it is given: the certificates of @p ctx, a cert_chain with room for all of the PEM. */
struct chain_reading {
	struct cert_chain chain;
	size_t used;
};

static enum err chain_block(void *ctx, const char *type, struct view der)
{
	struct chain_reading *r = ctx;

	/* A file may hold the key as well. */
	if (strcmp(type, PEM_STRING_X509) != 0)
		return ERR_OK;
	return chain_add(&r->chain, &r->used, der);
}

enum err pem_each(struct view pem, enum err (*block)(void *ctx, const char *type, struct view der),
		  void *ctx)
{
	CLEANUP(BIO_free_allp) BIO *bio = bio_of(pem);
	enum err e = ERR_OK;

	if (!bio)
		return err_openssl(ERR_NOMEM, "PEM");
	while (!e) {
		char *type = NULL, *header = NULL;
		uint8_t *data = NULL;
		long n = 0;

		if (!PEM_read_bio(bio, &type, &header, &data, &n))
			break;
		e = block(ctx, type, view_of(data, (size_t)n));
		OPENSSL_free(type);
		OPENSSL_free(header);
		OPENSSL_clear_free(data, (size_t)n);
	}
	if (e)
		return err_trace(e);
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return err_openssl(ERR_CONFIG, "damaged PEM");
	ERR_clear_error();
	return ERR_OK;
}

enum err cert_chain_from_pem(struct view pem, struct cert_chain *ret)
{
	struct chain_reading r = {.chain.storage = malloc(pem.n + 1)};
	enum err e;

	if (!r.chain.storage)
		return err_new(ERR_NOMEM, "certificate chain");
	e = pem_each(pem, chain_block, &r);
	if (!e && r.chain.n == 0)
		e = err_new(ERR_CONFIG, "no certificate in PEM");
	if (e) {
		cert_chain_fini(&r.chain);
		return err_trace(e);
	}
	*ret = r.chain;
	return ERR_OK;
}

void cert_chain_fini(struct cert_chain *c)
{
	if (!c)
		return;
	free(c->storage);
	*c = (struct cert_chain){0};
}

enum err cert_not_after(struct view der, int64_t *ret_utc_s)
{
	CLEANUP(X509_freep) X509 *x = cert_from_der(der);
	struct tm tm;

	if (!x || !ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm))
		return err_openssl(ERR_CERT, "not a certificate with a time");
	*ret_utc_s = timegm(&tm);
	return ERR_OK;
}
