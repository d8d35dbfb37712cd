#include "pki.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/openssl.h"

struct pki_ca {
	X509 *cert;
	EVP_PKEY *key;
	struct buf pem;
	uint64_t next_serial;
};

/* What a profile says when an option is left NULL, or the option. */
static const char *or_default(const char *option, const char *otherwise)
{
	return option ? option : otherwise;
}

static EVP_PKEY *key_new(enum pki_key kind)
{
	EVP_PKEY *key = NULL;

	switch (kind) {
	case PKI_KEY_DEFAULT:
	case PKI_P256:
		key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
		break;
	case PKI_P384:
		key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
		break;
	case PKI_ED25519:
		key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
		break;
	case PKI_RSA2048:
		key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
		break;
	}
	ASSERT(key);
	return key;
}

static const EVP_MD *digest_for(const EVP_PKEY *key)
{
	return EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256();
}

static void pem_out(BIO *bio, struct buf *out)
{
	char *p = NULL;
	long n = BIO_get_mem_data(bio, &p);

	ASSERT(n > 0 && buf_put(out, p, (size_t)n) == ERR_OK);
	BIO_free(bio);
}

static void cert_pem(X509 *x, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());

	ASSERT(bio && PEM_write_bio_X509(bio, x));
	pem_out(bio, out);
}

static void add_ext(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;

	if (value[0] == '\0')
		return;
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	ext = X509V3_EXT_nconf_nid(NULL, &ctx, nid, value);
	ASSERT(ext && X509_add_ext(x, ext, -1));
	X509_EXTENSION_free(ext);
}

static void set_name(X509_NAME *name, const char *organisation, const char *common)
{
	ASSERT(X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const uint8_t *)organisation,
					  -1, -1, 0));
	ASSERT(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const uint8_t *)common, -1,
					  -1, 0));
}

static void set_times(X509 *x, int64_t not_before, int64_t not_after)
{
	ASSERT(ASN1_TIME_set(X509_getm_notBefore(x), (time_t)not_before));
	ASSERT(ASN1_TIME_set(X509_getm_notAfter(x), (time_t)not_after));
}

struct pki_ca *pki_ca_new(const struct pki_ca_options *o)
{
	struct pki_ca *ca = calloc(1, sizeof(*ca));
	char constraints[300];
	X509 *issuer;
	EVP_PKEY *issuer_key;

	ASSERT(ca);
	ca->next_serial = 1000;
	ca->key = key_new(o->key);
	ca->cert = X509_new();
	issuer = o->parent ? o->parent->cert : ca->cert;
	issuer_key = o->parent ? o->parent->key : ca->key;
	ASSERT(ca->cert && X509_set_version(ca->cert, X509_VERSION_3));
	ASSERT(ASN1_INTEGER_set_uint64(X509_get_serialNumber(ca->cert),
				       o->parent ? o->parent->next_serial++ : 1));
	set_times(ca->cert, o->utc_s - 3600, o->utc_s + (int64_t)3650 * PKI_DAY_S);
	set_name(X509_get_subject_name(ca->cert), o->domain, o->parent ? "Test sub-CA" : "Test CA");
	ASSERT(X509_set_issuer_name(ca->cert, X509_get_subject_name(issuer)));
	ASSERT(X509_set_pubkey(ca->cert, ca->key));
	add_ext(ca->cert, issuer, NID_basic_constraints,
		or_default(o->basic_constraints, "critical,CA:TRUE,pathlen:0"));
	add_ext(ca->cert, issuer, NID_key_usage,
		or_default(o->key_usage, "critical,keyCertSign,cRLSign"));
	add_ext(ca->cert, issuer, NID_ext_key_usage, or_default(o->ext_key_usage, ""));
	add_ext(ca->cert, issuer, NID_subject_key_identifier, "hash");
	if (o->parent)
		add_ext(ca->cert, issuer, NID_authority_key_identifier, "keyid:always");
	(void)snprintf(constraints, sizeof(constraints), "critical,permitted;URI:%s", o->domain);
	add_ext(ca->cert, issuer, NID_name_constraints, o->unconstrained ? "" : constraints);
	ASSERT(X509_sign(ca->cert, issuer_key, digest_for(issuer_key)));
	cert_pem(ca->cert, &ca->pem);
	return ca;
}

void pki_ca_free(struct pki_ca *ca)
{
	if (!ca)
		return;
	X509_free(ca->cert);
	EVP_PKEY_free(ca->key);
	buf_fini(&ca->pem);
	free(ca);
}

struct view pki_ca_pem(const struct pki_ca *ca)
{
	return buf_view(&ca->pem);
}

static void add_uri(GENERAL_NAMES *names, struct view uri)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *s = ASN1_IA5STRING_new();

	ASSERT(name && s && ASN1_STRING_set(s, uri.n ? (const void *)uri.p : "", (int)uri.n));
	GENERAL_NAME_set0_value(name, GEN_URI, s);
	ASSERT(sk_GENERAL_NAME_push(names, name));
}

/* URIs byte by byte, since OpenSSL's text syntax could not say all of them. */
static void add_names(X509 *x, const struct pki_leaf_options *o)
{
	GENERAL_NAMES *names;
	X509_EXTENSION *ext = NULL;

	if (o->other_names) {
		ext = X509V3_EXT_nconf_nid(NULL, NULL, NID_subject_alt_name, o->other_names);
		ASSERT(ext);
	}
	names = ext ? X509V3_EXT_d2i(ext) : sk_GENERAL_NAME_new_null();
	X509_EXTENSION_free(ext);
	ASSERT(names);
	if (o->id)
		add_uri(names, view_str(o->id));
	for (size_t i = 0; i < o->n_uris; i++)
		add_uri(names, o->uris[i]);
	if (sk_GENERAL_NAME_num(names) > 0)
		ASSERT(X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, 0));
	GENERAL_NAMES_free(names);
}

static void add_unknown(X509 *x, int critical)
{
	ASN1_OBJECT *object = OBJ_txt2obj("1.3.6.1.4.1.99999.1", 1);
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	X509_EXTENSION *ext;

	ASSERT(object && value && ASN1_OCTET_STRING_set(value, (const uint8_t *)"\x05\x00", 2));
	ext = X509_EXTENSION_create_by_OBJ(NULL, object, critical, value);
	ASSERT(ext && X509_add_ext(x, ext, -1));
	X509_EXTENSION_free(ext);
	ASN1_OCTET_STRING_free(value);
	ASN1_OBJECT_free(object);
}

static void add_profile(X509 *x, X509 *issuer, const struct pki_leaf_options *o)
{
	bool tls = o->purpose == CERT_TLS;
	const char *usage = or_default(o->key_usage, tls ? "critical,digitalSignature"
							 : "critical,nonRepudiation");

	add_ext(x, issuer, NID_basic_constraints,
		or_default(o->basic_constraints, "critical,CA:FALSE"));
	add_ext(x, issuer, NID_key_usage, usage);
	if (o->key_usage_twice)
		add_ext(x, issuer, NID_key_usage, usage);
	add_ext(x, issuer, NID_ext_key_usage,
		or_default(o->ext_key_usage, tls ? "serverAuth,clientAuth" : ""));
	add_ext(x, issuer, NID_subject_key_identifier, "hash");
	add_ext(x, issuer, NID_authority_key_identifier, "keyid:always");
	if (o->unknown_critical || o->unknown_not_critical)
		add_unknown(x, o->unknown_critical);
	add_names(x, o);
}

static void set_serial(struct pki_ca *ca, X509 *x, const struct pki_leaf_options *o, uint64_t *ret)
{
	ASN1_INTEGER *serial = X509_get_serialNumber(x);
	BIGNUM *bn;

	*ret = ca->next_serial++;
	if (o->serial.n == 0) {
		ASSERT(ASN1_INTEGER_set_uint64(serial, *ret));
		return;
	}
	bn = BN_bin2bn(o->serial.p, (int)o->serial.n, NULL);
	ASSERT(bn);
	BN_set_negative(bn, o->serial_negative);
	ASSERT(BN_to_ASN1_INTEGER(bn, serial));
	BN_free(bn);
}

static void leaf_out(X509 *x, EVP_PKEY *key, struct pki_leaf *ret)
{
	BIO *bio = BIO_new(BIO_s_mem());
	uint8_t *der = NULL;
	int n = i2d_X509(x, &der);

	ASSERT(n > 0 && buf_put(&ret->der, der, (size_t)n) == ERR_OK);
	OPENSSL_free(der);
	cert_pem(x, &ret->cert_pem);
	ASSERT(bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL));
	pem_out(bio, &ret->key_pem);
}

void pki_issue(struct pki_ca *ca, const struct pki_leaf_options *o, struct pki_leaf *ret)
{
	enum pki_key kind = o->key;
	X509 *x = X509_new();
	EVP_PKEY *key;

	if (kind == PKI_KEY_DEFAULT && o->purpose == CERT_SEAL)
		kind = PKI_ED25519;
	key = key_new(kind);
	if (o->explicit_curve)
		ASSERT(EVP_PKEY_set_utf8_string_param(key, "encoding", "explicit"));
	*ret = (struct pki_leaf){0};
	ASSERT(x && X509_set_version(x, o->version_1 ? X509_VERSION_1 : X509_VERSION_3));
	set_serial(ca, x, o, &ret->serial);
	set_times(x, o->not_before ? o->not_before : o->utc_s - 3600,
		  o->not_after ? o->not_after : o->utc_s + (int64_t)90 * PKI_DAY_S);
	set_name(X509_get_subject_name(x), "Agency", o->purpose == CERT_TLS ? "TLS" : "Seal");
	ASSERT(X509_set_issuer_name(x, X509_get_subject_name(ca->cert)));
	ASSERT(X509_set_pubkey(x, key));
	add_profile(x, ca->cert, o);
	ASSERT(X509_sign(x, ca->key, o->sha1 ? EVP_sha1() : digest_for(ca->key)));
	leaf_out(x, key, ret);
	X509_free(x);
	EVP_PKEY_free(key);
}

void pki_leaf_fini(struct pki_leaf *leaf)
{
	if (!leaf)
		return;
	buf_fini(&leaf->cert_pem);
	buf_fini(&leaf->key_pem);
	buf_fini(&leaf->der);
}

static void crl_revoke(X509_CRL *crl, uint64_t serial, const ASN1_TIME *when)
{
	X509_REVOKED *entry = X509_REVOKED_new();
	ASN1_INTEGER *number = ASN1_INTEGER_new();

	ASSERT(entry && number && ASN1_INTEGER_set_uint64(number, serial));
	ASSERT(X509_REVOKED_set_serialNumber(entry, number));
	ASSERT(X509_REVOKED_set_revocationDate(entry, (ASN1_TIME *)(uintptr_t)when));
	ASSERT(X509_CRL_add0_revoked(crl, entry));
	ASN1_INTEGER_free(number);
}

void pki_crl(struct pki_ca *ca, int64_t utc_s, const uint64_t *revoked, size_t n_revoked,
	     struct buf *out)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *from = ASN1_TIME_set(NULL, (time_t)(utc_s - 3600));
	ASN1_TIME *to = ASN1_TIME_set(NULL, (time_t)(utc_s + (int64_t)30 * PKI_DAY_S));
	BIO *bio = BIO_new(BIO_s_mem());
	X509_EXTENSION *ext;
	X509V3_CTX ctx;

	ASSERT(crl && from && to && bio && X509_CRL_set_version(crl, X509_CRL_VERSION_2));
	ASSERT(X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->cert)));
	ASSERT(X509_CRL_set1_lastUpdate(crl, from) && X509_CRL_set1_nextUpdate(crl, to));
	X509V3_set_ctx(&ctx, ca->cert, NULL, NULL, crl, 0);
	ext = X509V3_EXT_nconf_nid(NULL, &ctx, NID_authority_key_identifier, "keyid:always");
	ASSERT(ext && X509_CRL_add_ext(crl, ext, -1));
	X509_EXTENSION_free(ext);
	for (size_t i = 0; i < n_revoked; i++)
		crl_revoke(crl, revoked[i], from);
	ASSERT(X509_CRL_sort(crl) && X509_CRL_sign(crl, ca->key, digest_for(ca->key)));
	ASSERT(PEM_write_bio_X509_CRL(bio, crl));
	pem_out(bio, out);
	ASN1_TIME_free(from);
	ASN1_TIME_free(to);
	X509_CRL_free(crl);
}

void pki_trust_add(struct trust *t, struct pki_ca *ca, const char *domain, int64_t utc_s)
{
	struct buf crl = {0};

	pki_crl(ca, utc_s, NULL, 0, &crl);
	ASSERT(trust_add(t, view_str(domain), pki_ca_pem(ca), buf_view(&crl)) == ERR_OK);
	buf_fini(&crl);
}
