/**
 * @file
 * Certificates: who a peer is, as its own country's CA says, under our own leaf profile.
 *
 * A trust anchor belongs to one trust domain (one country): one X509_STORE a domain, so a CA
 * vouches for its own country's agencies alone. OpenSSL builds the chain; we then check the leaf
 * ourselves, since OpenSSL alone passes leaves that break the profile: v3, CA:FALSE, keyUsage
 * critical, exactly one URI SAN that agency_id_parse() accepts and whose domain is the anchor's,
 * positive serial of at most 20 bytes, P-256 (TLS) or Ed25519 (seal), and by purpose:
 *
 *   TLS   keyUsage digitalSignature, besides it keyEncipherment and keyAgreement at most;
 *         extKeyUsage serverAuth and clientAuth, never anyEKU
 *   seal  keyUsage contentCommitment alone; no extKeyUsage serverAuth, clientAuth or anyEKU
 *
 * Source: DESIGN.md 4, RFC 5280, SPIFFE X509-SVID.
 */
#ifndef CRYPTO_CERT_H
#define CRYPTO_CERT_H

#include "base/agency_id.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/own.h"
#include "crypto/sign.h"

#define CERT_CHAIN_MAX 4  /**< certificates in a chain from a peer */
#define CERT_DER_MAX 8192 /**< bytes of one certificate */
#define CERT_SERIAL_MAX 20

enum cert_purpose {
	CERT_TLS,
	CERT_SEAL,
};

/** The anchors and CRLs of all trust domains; immutable once built. */
struct trust;

/** Without any domain. Owner: caller frees with trust_free(). */
enum err trust_new(struct trust **ret) WARN_UNUSED;
void trust_free(struct trust *t);
DEFINE_FREEP(struct trust, trust_free)

/**
 * Add one country.
 *
 * @param domain   trust domain, [a-z0-9.-]
 * @param ca_pem   one or more CA certificates, each an anchor by itself
 * @param crl_pem  its CRLs; empty: none, and then nothing of this domain verifies
 * @retval ERR_CONFIG  not PEM, no CA certificate, the CRL is of another CA
 * @retval ERR_EXISTS  the domain is there already
 */
enum err trust_add(struct trust *t, struct view domain, struct view ca_pem,
		   struct view crl_pem) WARN_UNUSED;

/**
 * Check a chain that a peer presents.
 *
 * @param chain     DER, leaf first, 1..CERT_CHAIN_MAX of at most CERT_DER_MAX bytes
 * @param utc_s     the time to judge at, UTC seconds
 * @param[out] ret_id   whose certificate it is
 * @param[out] ret_key  for CERT_SEAL the Ed25519 key, else NULL; may be NULL when not wanted
 * @retval ERR_CERT     chain, profile or identity; ERR_REVOKED: on its CA's list
 */
enum err trust_check(const struct trust *t, enum cert_purpose purpose, const struct view *chain,
		     size_t n_chain, int64_t utc_s, struct agency_id *ret_id,
		     struct verify_key **ret_key) WARN_UNUSED;

/**
 * Only the leaf profile, without a chain: our own certificates at start, those of tests.
 *
 * @param[out] ret_id   whose certificate it is
 * @param[out] ret_key  as trust_check()
 * @retval ERR_CERT     not a certificate, or it breaks the profile
 */
enum err cert_check_profile(struct view der, enum cert_purpose purpose, struct agency_id *ret_id,
			    struct verify_key **ret_key) WARN_UNUSED;

/** A PEM file's certificates as DER, leaf first: to send our own chain. */
struct cert_chain {
	struct view der[CERT_CHAIN_MAX];
	size_t n;
	uint8_t *storage;
};

/** @retval ERR_CONFIG  no certificate, too many, too large */
enum err cert_chain_from_pem(struct view pem, struct cert_chain *ret) WARN_UNUSED;
void cert_chain_fini(struct cert_chain *c);

/** notAfter of the leaf, UTC seconds. */
enum err cert_not_after(struct view der, int64_t *ret_utc_s) WARN_UNUSED;

#endif
