/**
 * @file
 * A PKI made at test time: CAs of trust domains, agencies' TLS and seal certificates, revocation
 * lists. What is left zero in the option structs follows the profile of certs/; each deviation is
 * one field. Times are arguments. A failure aborts: nothing here has input from outside.
 *
 * crypto_init() first.
 */
#ifndef TESTS_COMMON_PKI_H
#define TESTS_COMMON_PKI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "crypto/cert.h"

#define PKI_URIS_MAX 4
#define PKI_DAY_S 86400

enum pki_key {
	PKI_KEY_DEFAULT, /**< P-256, but Ed25519 for a seal certificate */
	PKI_P256,
	PKI_P384,
	PKI_ED25519,
	PKI_RSA2048,
};

struct pki_ca;

struct pki_ca_options {
	const char *domain; /**< stands in the subject, and in nameConstraints */
	int64_t utc_s;	    /**< now: valid from an hour before, for ten years */
	enum pki_key key;
	bool unconstrained;	       /**< no nameConstraints: a hostile CA */
	const char *basic_constraints; /**< OpenSSL's configuration syntax; "" leaves it out */
	const char *key_usage;
	const char *ext_key_usage;
	struct pki_ca *parent; /**< NULL: self-signed */
};

/** Owner: caller frees with pki_ca_free(). */
struct pki_ca *pki_ca_new(const struct pki_ca_options *o);
void pki_ca_free(struct pki_ca *ca);
DEFINE_FREEP(struct pki_ca, pki_ca_free)

/** Its certificate in PEM, borrowed. */
struct view pki_ca_pem(const struct pki_ca *ca);

struct pki_leaf_options {
	const char *id; /**< the URI in subjectAltName; NULL: see uris */
	enum cert_purpose purpose;
	int64_t utc_s; /**< now: valid from an hour before, for 90 days */

	int64_t not_before; /**< UTC seconds; 0: as above */
	int64_t not_after;
	enum pki_key key;
	const char *basic_constraints; /**< OpenSSL's configuration syntax; "" leaves it out */
	const char *key_usage;
	const char *ext_key_usage;
	struct view uris[PKI_URIS_MAX]; /**< instead of @p id: raw bytes of each URI */
	size_t n_uris;
	const char *other_names; /**< further alternative names, as "DNS:a.example" */
	struct view serial;	 /**< big-endian, at most 32 bytes; none: a fresh one */
	bool serial_negative;
	bool version_1;
	bool key_usage_twice;
	bool explicit_curve;   /**< P-256 by its parameters instead of its name */
	bool unknown_critical; /**< a critical extension that nobody knows */
	bool unknown_not_critical;
	bool sha1;
};

/** A certificate and its key. */
struct pki_leaf {
	struct buf cert_pem;
	struct buf key_pem; /**< PKCS#8 */
	struct buf der;
	uint64_t serial; /**< low 8 bytes: what pki_crl() revokes by, for serials not given */
};

/** Owner: caller ends @p ret with pki_leaf_fini(). */
void pki_issue(struct pki_ca *ca, const struct pki_leaf_options *o, struct pki_leaf *ret);
void pki_leaf_fini(struct pki_leaf *leaf);

/** Its DER, borrowed. */
static inline struct view pki_leaf_der(const struct pki_leaf *leaf)
{
	return buf_view(&leaf->der);
}

/**
 * Append a revocation list in PEM to @p out.
 *
 * @param utc_s    thisUpdate is an hour before, nextUpdate 30 days after
 * @param revoked  serial numbers
 */
void pki_crl(struct pki_ca *ca, int64_t utc_s, const uint64_t *revoked, size_t n_revoked,
	     struct buf *out);

/** Add a domain with its CA and a list that revokes nothing; aborts unless it is taken. */
void pki_trust_add(struct trust *t, struct pki_ca *ca, const char *domain, int64_t utc_s);

#endif
