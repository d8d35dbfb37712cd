/* Who may vouch for whom: anchors, identities, the leaf profile, revocation, time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/own.h"
#include "crypto/cert.h"
#include "crypto/digest.h"
#include "pki.h"

#define NOW 1790000000
#define DOMAIN "ochrana.cz.example"
#define ID "spiffe://" DOMAIN "/central-authority"

/* A trust of one domain, with what its CA needs to issue more. */
struct country {
	struct pki_ca *ca;
	struct trust *trust;
};

static struct country country_new(const struct pki_ca_options *o)
{
	struct pki_ca_options options = *o;
	struct country c = {0};

	options.domain = DOMAIN;
	options.utc_s = NOW;
	c.ca = pki_ca_new(&options);
	assert_int_equal(trust_new(&c.trust), ERR_OK);
	pki_trust_add(c.trust, c.ca, DOMAIN, NOW);
	return c;
}

static void country_fini(struct country *c)
{
	trust_free(c->trust);
	pki_ca_free(c->ca);
}

static enum err check_at(const struct trust *t, enum cert_purpose purpose, struct view der,
			 int64_t utc_s)
{
	struct agency_id id;

	return trust_check(t, purpose, &der, 1, utc_s, &id, NULL);
}

static enum err issue_and_check(struct country *c, const struct pki_leaf_options *o)
{
	CLEANUP(pki_leaf_fini) struct pki_leaf leaf;
	struct pki_leaf_options options = *o;

	options.utc_s = NOW;
	if (!options.id && !options.n_uris)
		options.id = ID;
	pki_issue(c->ca, &options, &leaf);
	return check_at(c->trust, o->purpose, pki_leaf_der(&leaf), NOW);
}

static void both_certificates_of_the_profile_are_good(void **state)
{
	CLEANUP(country_fini) struct country c = country_new(&(struct pki_ca_options){0});
	CLEANUP(pki_leaf_fini) struct pki_leaf tls;
	CLEANUP(pki_leaf_fini) struct pki_leaf seal;
	CLEANUP(verify_key_freep) struct verify_key *key = NULL;
	CLEANUP(seal_key_freep) struct seal_key *own = NULL;
	struct digest shown, expected;
	struct agency_id id;
	struct view der;

	(void)state;
	pki_issue(c.ca, &(struct pki_leaf_options){.id = ID, .utc_s = NOW}, &tls);
	der = pki_leaf_der(&tls);
	assert_int_equal(trust_check(c.trust, CERT_TLS, &der, 1, NOW, &id, &key), ERR_OK);
	assert_string_equal(id.text, ID);
	assert_null(key);

	pki_issue(c.ca, &(struct pki_leaf_options){.id = ID, .utc_s = NOW, .purpose = CERT_SEAL},
		  &seal);
	der = pki_leaf_der(&seal);
	assert_int_equal(trust_check(c.trust, CERT_SEAL, &der, 1, NOW, &id, &key), ERR_OK);
	assert_string_equal(id.text, ID);
	assert_int_equal(seal_key_from_pem(buf_view(&seal.key_pem), &own), ERR_OK);
	shown = verify_key_fingerprint(key);
	expected = verify_key_fingerprint(seal_key_public(own));
	assert_true(digest_eq(&shown, &expected));
}

static void a_ca_may_use_any_strong_key(void **state)
{
	static const enum pki_key kinds[] = {PKI_P256, PKI_P384, PKI_ED25519, PKI_RSA2048};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		CLEANUP(country_fini)
		struct country c = country_new(&(struct pki_ca_options){.key = kinds[i]});

		assert_int_equal(issue_and_check(&c, &(struct pki_leaf_options){0}), ERR_OK);
		assert_int_equal(
			issue_and_check(&c, &(struct pki_leaf_options){.purpose = CERT_SEAL}),
			ERR_OK);
	}
}

/* Every CA issues for every country's agency, without name constraints: only its own counts. */
static void only_the_diagonal_of_anchors_and_identities_passes(void **state)
{
	static const char *const domains[] = {"cz.example",	 "sk.example", "a.cz.example",
					      "cz.example.evil", "cz-example", "example",
					      "xcz.example",	 "cz.exampl"};
	struct pki_ca *cas[ARRAY_LEN(domains)];
	CLEANUP(trust_freep) struct trust *t = NULL;

	(void)state;
	assert_int_equal(trust_new(&t), ERR_OK);
	for (size_t i = 0; i < ARRAY_LEN(domains); i++) {
		cas[i] = pki_ca_new(&(struct pki_ca_options){
			.domain = domains[i], .utc_s = NOW, .unconstrained = true});
		pki_trust_add(t, cas[i], domains[i], NOW);
	}
	for (size_t i = 0; i < ARRAY_LEN(domains); i++) {
		for (size_t k = 0; k < 2 * ARRAY_LEN(domains); k++) {
			CLEANUP(pki_leaf_fini) struct pki_leaf leaf;
			enum cert_purpose purpose = k % 2 ? CERT_TLS : CERT_SEAL;
			char id[64];

			(void)snprintf(id, sizeof(id), "spiffe://%s/agency", domains[k / 2]);
			pki_issue(cas[i],
				  &(struct pki_leaf_options){
					  .id = id, .utc_s = NOW, .purpose = purpose},
				  &leaf);
			assert_int_equal(check_at(t, purpose, pki_leaf_der(&leaf), NOW),
					 i == k / 2 ? ERR_OK : ERR_CERT);
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(domains); i++)
		pki_ca_free(cas[i]);
}

#define URI(text)                                                                                  \
	{                                                                                          \
		(const uint8_t *)(text), sizeof(text) - 1                                          \
	}

static void names_made_to_deceive_are_refused(void **state)
{
	static const struct view uris[] = {
		URI("spiffe://cz.example:x@" DOMAIN "/a"),
		URI("spiffe://" DOMAIN ":x@sk.example/a"),
		URI("spiffe://" DOMAIN "@sk.example/a"),
		URI("spiffe://" DOMAIN ":443/a"),
		URI("spiffe://" DOMAIN "/a/b"),
		URI("spiffe://" DOMAIN "/a/"),
		URI("spiffe://" DOMAIN "//a"),
		URI("spiffe://" DOMAIN "/"),
		URI("spiffe://" DOMAIN),
		URI("spiffe://" DOMAIN "/."),
		URI("spiffe://" DOMAIN "/.."),
		URI("spiffe://" DOMAIN "/a?b"),
		URI("spiffe://" DOMAIN "/a#b"),
		URI("spiffe://" DOMAIN "/a%2fb"),
		URI("spiffe://" DOMAIN "/%61"),
		URI("spiffe://" DOMAIN "/a\0b"),
		URI("spiffe://" DOMAIN "/a\0"),
		URI("spiffe://" DOMAIN "\0.evil.example/a"),
		URI("spiffe://" DOMAIN "./a"),
		URI("spiffe://." DOMAIN "/a"),
		URI("spiffe://OCHRANA.cz.example/a"),
		URI("SPIFFE://" DOMAIN "/a"),
		URI("Spiffe://" DOMAIN "/a"),
		URI("spiffe:/" DOMAIN "/a"),
		URI("spiffe:" DOMAIN "/a"),
		URI("spiffe:///" DOMAIN "/a"),
		URI("https://" DOMAIN "/a"),
		URI("xspiffe://" DOMAIN "/a"),
		URI(" spiffe://" DOMAIN "/a"),
		URI("spiffe://" DOMAIN "/a "),
		URI("spiffe://" DOMAIN "/a\n"),
		URI("spiffe://" DOMAIN "/a\xc3\xa4"),
		URI("spiffe://" DOMAIN "\\/a"),
		URI("spiffe://sk.example\\@" DOMAIN "/a"),
		URI("spiffe://[::1]/a"),
		URI("spiffe://*.cz.example/a"),
		URI("spiffe://" DOMAIN "/*"),
		URI("spiffe://" DOMAIN "/a,b"),
		URI("spiffe://" DOMAIN "/a;b"),
		URI("spiffe://" DOMAIN "/a:b"),
		URI("spiffe://ochrana_cz.example/a"),
		URI("spiffe://ochrana..cz.example/a"),
		URI("spiffe://-ochrana.cz.example/a"),
		URI("spiffe://sk.example/a"),
		URI("spiffe://x." DOMAIN "/a"),
		URI("spiffe://"),
		URI(""),
		URI(DOMAIN "/a"),
		URI("spiffe://" DOMAIN "/"
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
	};
	CLEANUP(country_fini)
	struct country c = country_new(&(struct pki_ca_options){.unconstrained = true});
	struct pki_leaf_options o = {.n_uris = 1};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(uris); i++) {
		o.uris[0] = uris[i];
		for (int p = CERT_TLS; p <= CERT_SEAL; p++) {
			o.purpose = (enum cert_purpose)p;
			if (issue_and_check(&c, &o) != ERR_CERT)
				fail_msg("accepted: %.*s", (int)uris[i].n, (const char *)uris[i].p);
		}
	}
}

static void there_is_exactly_one_uri(void **state)
{
	CLEANUP(country_fini) struct country c = country_new(&(struct pki_ca_options){0});
	struct pki_leaf_options two = {.n_uris = 2, .uris = {URI(ID), URI(ID)}};
	struct pki_leaf_options other = {.n_uris = 2, .uris = {URI(ID), URI("https://" DOMAIN)}};
	struct pki_leaf_options none = {.n_uris = 0, .id = ""};

	(void)state;
	assert_int_equal(issue_and_check(&c, &two), ERR_CERT);
	assert_int_equal(issue_and_check(&c, &other), ERR_CERT);
	assert_int_equal(issue_and_check(&c, &none), ERR_CERT);
	/* a DNS name besides it says nothing to us, in place of it neither */
	assert_int_equal(
		issue_and_check(&c, &(struct pki_leaf_options){.other_names = "DNS:" DOMAIN}),
		ERR_OK);
}

static void a_leaf_without_any_name_is_refused(void **state)
{
	CLEANUP(country_fini) struct country c = country_new(&(struct pki_ca_options){0});
	CLEANUP(pki_leaf_fini) struct pki_leaf dns;
	CLEANUP(pki_leaf_fini) struct pki_leaf none;

	(void)state;
	pki_issue(c.ca, &(struct pki_leaf_options){.utc_s = NOW, .other_names = "DNS:" DOMAIN},
		  &dns);
	pki_issue(c.ca, &(struct pki_leaf_options){.utc_s = NOW}, &none);
	assert_int_equal(check_at(c.trust, CERT_TLS, pki_leaf_der(&dns), NOW), ERR_CERT);
	assert_int_equal(check_at(c.trust, CERT_TLS, pki_leaf_der(&none), NOW), ERR_CERT);
}

static const uint8_t serial_zero[] = {0};
static const uint8_t serial_one[] = {1};
static const uint8_t serial_20[20] = {0x7f, 1};
static const uint8_t serial_20_high[20] = {0x80, 1};
static const uint8_t serial_21[21] = {0x01, 1};

#define SERIAL(b) .serial = {(b), sizeof(b)}

static void each_breach_of_the_leaf_profile_is_refused(void **state)
{
	static const struct {
		const char *what;
		const char *why; /* stands in the words */
		struct pki_leaf_options o;
	} cases[] = {
		{"version 1", "version 3", {.version_1 = true}},
		{"serial 0", "not positive", {SERIAL(serial_zero)}},
		{"serial -1", "not positive", {SERIAL(serial_one), .serial_negative = true}},
		{"serial of 21 bytes", "20 bytes", {SERIAL(serial_21)}},
		{"serial of 20 bytes, encoded in 21", "20 bytes", {SERIAL(serial_20_high)}},
		{"CA", "a CA's", {.basic_constraints = "critical,CA:TRUE"}},
		{"CA with path length",
		 "a CA's",
		 {.basic_constraints = "critical,CA:TRUE,pathlen:0"}},
		{"no keyUsage", "absent", {.key_usage = ""}},
		{"keyUsage not critical", "not critical", {.key_usage = "digitalSignature"}},
		{"keyUsage twice", "twice", {.key_usage_twice = true}},
		{"keyCertSign",
		 "be digitalSignature",
		 {.key_usage = "critical,digitalSignature,keyCertSign"}},
		{"cRLSign",
		 "be digitalSignature",
		 {.key_usage = "critical,digitalSignature,cRLSign"}},
		{"contentCommitment as well",
		 "be digitalSignature",
		 {.key_usage = "critical,digitalSignature,nonRepudiation"}},
		{"contentCommitment",
		 "be digitalSignature",
		 {.key_usage = "critical,nonRepudiation"}},
		{"dataEncipherment",
		 "be digitalSignature",
		 {.key_usage = "critical,digitalSignature,dataEncipherment"}},
		{"keyEncipherment only",
		 "be digitalSignature",
		 {.key_usage = "critical,keyEncipherment"}},
		{"no extKeyUsage", "extKeyUsage", {.ext_key_usage = ""}},
		{"server only", "extKeyUsage", {.ext_key_usage = "serverAuth"}},
		{"client only", "extKeyUsage", {.ext_key_usage = "clientAuth"}},
		{"anyEKU",
		 "extKeyUsage",
		 {.ext_key_usage = "serverAuth,clientAuth,anyExtendedKeyUsage"}},
		{"anyEKU only", "extKeyUsage", {.ext_key_usage = "anyExtendedKeyUsage"}},
		{"code signing", "extKeyUsage", {.ext_key_usage = "codeSigning"}},
		{"P-384", "P-256", {.key = PKI_P384}},
		{"RSA", "P-256", {.key = PKI_RSA2048}},
		{"Ed25519", "P-256", {.key = PKI_ED25519}},
		{"P-256 by its parameters", "P-256", {.explicit_curve = true}},
		{"unknown critical extension", "unhandled", {.unknown_critical = true}},
		{"SHA-1", "too weak", {.sha1 = true}},
		{"seal: CA",
		 "a CA's",
		 {.purpose = CERT_SEAL, .basic_constraints = "critical,CA:TRUE"}},
		{"seal: digitalSignature",
		 "contentCommitment alone",
		 {.purpose = CERT_SEAL, .key_usage = "critical,digitalSignature"}},
		{"seal: both",
		 "contentCommitment alone",
		 {.purpose = CERT_SEAL, .key_usage = "critical,nonRepudiation,digitalSignature"}},
		{"seal: not critical",
		 "not critical",
		 {.purpose = CERT_SEAL, .key_usage = "nonRepudiation"}},
		{"seal: no keyUsage", "absent", {.purpose = CERT_SEAL, .key_usage = ""}},
		{"seal: server",
		 "allow TLS",
		 {.purpose = CERT_SEAL, .ext_key_usage = "serverAuth"}},
		{"seal: client",
		 "allow TLS",
		 {.purpose = CERT_SEAL, .ext_key_usage = "clientAuth"}},
		{"seal: anyEKU",
		 "allow TLS",
		 {.purpose = CERT_SEAL, .ext_key_usage = "anyExtendedKeyUsage"}},
		{"seal: P-256", "Ed25519", {.purpose = CERT_SEAL, .key = PKI_P256}},
		{"seal: RSA", "Ed25519", {.purpose = CERT_SEAL, .key = PKI_RSA2048}},
		{"seal: serial 0", "not positive", {.purpose = CERT_SEAL, SERIAL(serial_zero)}},
		{"seal: version 1", "version 3", {.purpose = CERT_SEAL, .version_1 = true}},
	};
	CLEANUP(country_fini) struct country c = country_new(&(struct pki_ca_options){0});

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (issue_and_check(&c, &cases[i].o) != ERR_CERT ||
		    !strstr(err_words(), cases[i].why))
			fail_msg("%s: %s", cases[i].what, err_words());
}

static void what_the_profile_leaves_open_is_accepted(void **state)
{
	static const struct pki_leaf_options cases[] = {
		{SERIAL(serial_one)},
		{SERIAL(serial_20)},
		{.basic_constraints = "CA:FALSE"},
		{.basic_constraints = ""},
		{.unknown_not_critical = true},
		{.key_usage = "critical,digitalSignature,keyEncipherment,keyAgreement"},
		{.ext_key_usage = "critical,serverAuth,clientAuth"},
		{.ext_key_usage = "serverAuth,clientAuth,emailProtection"},
		{.purpose = CERT_SEAL, .ext_key_usage = "emailProtection"},
	};
	CLEANUP(country_fini) struct country c = country_new(&(struct pki_ca_options){0});

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (issue_and_check(&c, &cases[i]) != ERR_OK)
			fail_msg("refused: case %zu: %s", i, err_words());
}

static void a_certificate_serves_its_own_purpose_only(void **state)
{
	CLEANUP(country_fini) struct country c = country_new(&(struct pki_ca_options){0});

	(void)state;
	for (int p = CERT_TLS; p <= CERT_SEAL; p++) {
		CLEANUP(pki_leaf_fini) struct pki_leaf leaf;
		enum cert_purpose purpose = (enum cert_purpose)p;
		enum cert_purpose other = purpose == CERT_TLS ? CERT_SEAL : CERT_TLS;

		pki_issue(c.ca,
			  &(struct pki_leaf_options){.id = ID, .utc_s = NOW, .purpose = purpose},
			  &leaf);
		assert_int_equal(check_at(c.trust, purpose, pki_leaf_der(&leaf), NOW), ERR_OK);
		assert_int_equal(check_at(c.trust, other, pki_leaf_der(&leaf), NOW), ERR_CERT);
	}
}

static void a_certificate_counts_in_its_time_only(void **state)
{
	CLEANUP(country_fini) struct country c = country_new(&(struct pki_ca_options){0});
	CLEANUP(pki_leaf_fini) struct pki_leaf leaf;
	const int64_t from = NOW - 60, to = NOW + 60;
	int64_t not_after = 0;

	(void)state;
	pki_issue(c.ca, &(struct pki_leaf_options){.id = ID, .not_before = from, .not_after = to},
		  &leaf);
	assert_int_equal(check_at(c.trust, CERT_TLS, pki_leaf_der(&leaf), from - 1), ERR_CERT);
	assert_int_equal(check_at(c.trust, CERT_TLS, pki_leaf_der(&leaf), from), ERR_OK);
	assert_int_equal(check_at(c.trust, CERT_TLS, pki_leaf_der(&leaf), NOW), ERR_OK);
	assert_int_equal(check_at(c.trust, CERT_TLS, pki_leaf_der(&leaf), to - 1), ERR_OK);
	assert_int_equal(check_at(c.trust, CERT_TLS, pki_leaf_der(&leaf), to + 1), ERR_CERT);
	assert_int_equal(check_at(c.trust, CERT_TLS, pki_leaf_der(&leaf), 0), ERR_CERT);
	assert_int_equal(cert_not_after(pki_leaf_der(&leaf), &not_after), ERR_OK);
	assert_int_equal(not_after, to);
	assert_int_equal(cert_not_after(view_str("x"), &not_after), ERR_CERT);
}

static struct trust *trust_with_crl(struct pki_ca *ca, struct view crl)
{
	struct trust *t = NULL;

	assert_int_equal(trust_new(&t), ERR_OK);
	assert_int_equal(trust_add(t, view_str(DOMAIN), pki_ca_pem(ca), crl), ERR_OK);
	return t;
}

static void a_revoked_certificate_is_refused_as_such(void **state)
{
	CLEANUP(country_fini) struct country c = country_new(&(struct pki_ca_options){0});
	CLEANUP(trust_freep) struct trust *later = NULL;
	CLEANUP(buf_fini) struct buf crl = {0};
	struct pki_leaf leaf[3];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(leaf); i++)
		pki_issue(c.ca, &(struct pki_leaf_options){.id = ID, .utc_s = NOW}, &leaf[i]);
	pki_crl(c.ca, NOW, (const uint64_t[]){leaf[0].serial, leaf[2].serial}, 2, &crl);
	later = trust_with_crl(c.ca, buf_view(&crl));
	assert_int_equal(check_at(later, CERT_TLS, pki_leaf_der(&leaf[0]), NOW), ERR_REVOKED);
	assert_int_equal(check_at(later, CERT_TLS, pki_leaf_der(&leaf[1]), NOW), ERR_OK);
	assert_int_equal(check_at(later, CERT_TLS, pki_leaf_der(&leaf[2]), NOW), ERR_REVOKED);
	assert_int_equal(check_at(c.trust, CERT_TLS, pki_leaf_der(&leaf[0]), NOW), ERR_OK);
	for (size_t i = 0; i < ARRAY_LEN(leaf); i++)
		pki_leaf_fini(&leaf[i]);
}

static void without_a_current_crl_nothing_is_good(void **state)
{
	CLEANUP(country_fini) struct country c = country_new(&(struct pki_ca_options){0});
	CLEANUP(trust_freep) struct trust *none = trust_with_crl(c.ca, view_str(""));
	CLEANUP(pki_leaf_fini) struct pki_leaf leaf;

	(void)state;
	pki_issue(c.ca, &(struct pki_leaf_options){.id = ID, .utc_s = NOW}, &leaf);
	assert_int_equal(check_at(none, CERT_TLS, pki_leaf_der(&leaf), NOW), ERR_CERT);
	assert_string_equal(err_words(), "no CRL is configured for its trust domain");
	/* the list is good for 30 days, the certificate for 90 */
	assert_int_equal(check_at(c.trust, CERT_TLS, pki_leaf_der(&leaf), NOW + 29 * PKI_DAY_S),
			 ERR_OK);
	assert_int_equal(check_at(c.trust, CERT_TLS, pki_leaf_der(&leaf), NOW + 31 * PKI_DAY_S),
			 ERR_CERT);
	assert_non_null(strstr(err_words(), "CRL has expired"));
}

static void a_foreign_country_and_a_foreign_anchor_are_refused(void **state)
{
	CLEANUP(country_fini) struct country c = country_new(&(struct pki_ca_options){0});
	CLEANUP(country_fini) struct country twin = country_new(&(struct pki_ca_options){0});
	CLEANUP(trust_freep) struct trust *empty = NULL;
	CLEANUP(pki_leaf_fini) struct pki_leaf leaf;

	(void)state;
	assert_int_equal(trust_new(&empty), ERR_OK);
	/* the same names, another key */
	pki_issue(twin.ca, &(struct pki_leaf_options){.id = ID, .utc_s = NOW}, &leaf);
	assert_int_equal(check_at(twin.trust, CERT_TLS, pki_leaf_der(&leaf), NOW), ERR_OK);
	assert_int_equal(check_at(c.trust, CERT_TLS, pki_leaf_der(&leaf), NOW), ERR_CERT);
	assert_int_equal(check_at(empty, CERT_TLS, pki_leaf_der(&leaf), NOW), ERR_CERT);
}

static void a_ca_must_be_fit_to_certify(void **state)
{
	static const struct pki_ca_options cases[] = {
		{.ext_key_usage = "clientAuth"},
		{.ext_key_usage = "serverAuth"},
		{.ext_key_usage = "emailProtection"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(country_fini) struct country c = country_new(&cases[i]);

		if (issue_and_check(&c, &(struct pki_leaf_options){0}) != ERR_CERT)
			fail_msg("accepted: %s", cases[i].ext_key_usage);
	}
}

/* An intermediate CA is an anchor by standing in the CA file; sent by a peer it is nothing. */
static void an_intermediate_counts_when_it_is_configured(void **state)
{
	CLEANUP(country_fini)
	struct country c =
		country_new(&(struct pki_ca_options){.basic_constraints = "critical,CA:TRUE"});
	CLEANUP(pki_ca_freep)
	struct pki_ca *sub = pki_ca_new(
		&(struct pki_ca_options){.domain = DOMAIN, .utc_s = NOW, .parent = c.ca});
	CLEANUP(trust_freep) struct trust *both = NULL;
	CLEANUP(trust_freep) struct trust *only = NULL;
	CLEANUP(pki_leaf_fini) struct pki_leaf leaf;
	CLEANUP(buf_fini) struct buf pem = {0};
	CLEANUP(buf_fini) struct buf crl = {0};
	CLEANUP(cert_chain_fini) struct cert_chain chain = {0};
	struct agency_id id;

	(void)state;
	pki_issue(sub, &(struct pki_leaf_options){.id = ID, .utc_s = NOW}, &leaf);
	assert_int_equal(buf_put_view(&pem, buf_view(&leaf.cert_pem)), ERR_OK);
	assert_int_equal(buf_put_view(&pem, pki_ca_pem(sub)), ERR_OK);
	assert_int_equal(cert_chain_from_pem(buf_view(&pem), &chain), ERR_OK);
	assert_int_equal(chain.n, 2);
	assert_int_equal(trust_check(c.trust, CERT_TLS, chain.der, chain.n, NOW, &id, NULL),
			 ERR_CERT);
	assert_non_null(strstr(err_words(), "CRL"));

	buf_clear(&pem);
	assert_int_equal(buf_put_view(&pem, pki_ca_pem(c.ca)), ERR_OK);
	assert_int_equal(buf_put_view(&pem, pki_ca_pem(sub)), ERR_OK);
	pki_crl(c.ca, NOW, NULL, 0, &crl);
	pki_crl(sub, NOW, NULL, 0, &crl);
	assert_int_equal(trust_new(&both), ERR_OK);
	assert_int_equal(trust_add(both, view_str(DOMAIN), buf_view(&pem), buf_view(&crl)), ERR_OK);
	assert_int_equal(trust_check(both, CERT_TLS, chain.der, chain.n, NOW, &id, NULL), ERR_OK);
	assert_int_equal(trust_check(both, CERT_TLS, chain.der, 1, NOW, &id, NULL), ERR_OK);

	buf_clear(&crl);
	pki_crl(sub, NOW, NULL, 0, &crl);
	assert_int_equal(trust_new(&only), ERR_OK);
	assert_int_equal(trust_add(only, view_str(DOMAIN), pki_ca_pem(sub), buf_view(&crl)),
			 ERR_OK);
	assert_int_equal(trust_check(only, CERT_TLS, chain.der, 1, NOW, &id, NULL), ERR_OK);
}

static void a_chain_has_bounds(void **state)
{
	CLEANUP(country_fini) struct country c = country_new(&(struct pki_ca_options){0});
	CLEANUP(pki_leaf_fini) struct pki_leaf leaf;
	static uint8_t big[CERT_DER_MAX + 1];
	struct view chain[CERT_CHAIN_MAX + 1];
	struct agency_id id;

	(void)state;
	pki_issue(c.ca, &(struct pki_leaf_options){.id = ID, .utc_s = NOW}, &leaf);
	for (size_t i = 0; i < ARRAY_LEN(chain); i++)
		chain[i] = pki_leaf_der(&leaf);
	for (size_t n = 0; n <= ARRAY_LEN(chain); n++)
		assert_int_equal(trust_check(c.trust, CERT_TLS, chain, n, NOW, &id, NULL),
				 n >= 1 && n <= CERT_CHAIN_MAX ? ERR_OK : ERR_CERT);
	memcpy(big, leaf.der.data, leaf.der.n);
	assert_int_equal(check_at(c.trust, CERT_TLS, view_of(big, leaf.der.n + 1), NOW), ERR_CERT);
	assert_int_equal(check_at(c.trust, CERT_TLS, view_of(big, sizeof(big)), NOW), ERR_CERT);
	for (size_t n = 0; n < leaf.der.n; n++)
		assert_int_equal(check_at(c.trust, CERT_TLS, view_of(big, n), NOW), ERR_CERT);
}

static void each_altered_bit_is_found(void **state)
{
	CLEANUP(country_fini) struct country c = country_new(&(struct pki_ca_options){0});
	CLEANUP(pki_leaf_fini) struct pki_leaf leaf;

	(void)state;
	pki_issue(c.ca, &(struct pki_leaf_options){.id = ID, .utc_s = NOW}, &leaf);
	for (size_t i = 0; i < 8 * leaf.der.n; i++) {
		leaf.der.data[i / 8] ^= (uint8_t)(1 << i % 8);
		if (check_at(c.trust, CERT_TLS, pki_leaf_der(&leaf), NOW) != ERR_CERT)
			fail_msg("accepted with bit %zu altered", i);
		leaf.der.data[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	assert_int_equal(check_at(c.trust, CERT_TLS, pki_leaf_der(&leaf), NOW), ERR_OK);
}

struct trust_case {
	const char *what;
	struct view domain, ca, crl;
	enum err expected;
};

static void assert_trust_add(struct trust *t, const struct trust_case *c)
{
	enum err e = trust_add(t, c->domain, c->ca, c->crl);

	if (e != c->expected)
		fail_msg("%s: %s (%s)", c->what, err_name(e), err_words());
}

static void files_of_a_country_are_checked(void **state)
{
	CLEANUP(country_fini) struct country c = country_new(&(struct pki_ca_options){0});
	CLEANUP(country_fini) struct country twin = country_new(&(struct pki_ca_options){0});
	CLEANUP(pki_ca_freep)
	struct pki_ca *unfit = pki_ca_new(&(struct pki_ca_options){
		.domain = DOMAIN, .utc_s = NOW, .key_usage = "critical,cRLSign"});
	CLEANUP(trust_freep) struct trust *t = NULL;
	CLEANUP(pki_leaf_fini) struct pki_leaf leaf;
	CLEANUP(buf_fini) struct buf crl = {0};
	CLEANUP(buf_fini) struct buf other = {0};
	struct view ca = pki_ca_pem(c.ca);

	(void)state;
	pki_issue(c.ca, &(struct pki_leaf_options){.id = ID, .utc_s = NOW}, &leaf);
	pki_crl(c.ca, NOW, NULL, 0, &crl);
	pki_crl(twin.ca, NOW, NULL, 0, &other);
	assert_int_equal(trust_new(&t), ERR_OK);
	{
		const struct view d = view_str(DOMAIN), good = buf_view(&crl);
		const struct trust_case cases[] = {
			{"empty CA file", d, view_str(""), good, ERR_CONFIG},
			{"no PEM", d, view_str("hello"), good, ERR_CONFIG},
			{"leaf as CA", d, buf_view(&leaf.cert_pem), good, ERR_CONFIG},
			{"key as CA", d, buf_view(&leaf.key_pem), good, ERR_CONFIG},
			{"CRL as CA", d, good, good, ERR_CONFIG},
			{"CA that may not certify", d, pki_ca_pem(unfit), good, ERR_CONFIG},
			{"cut CA", d, view_of(ca.p, ca.n / 2), good, ERR_CONFIG},
			{"CRL of another key", d, ca, buf_view(&other), ERR_CONFIG},
			{"CRL file without one", d, ca, view_str("none\n"), ERR_CONFIG},
			{"cut CRL", d, ca, view_of(good.p, good.n / 2), ERR_CONFIG},
			{"CA as CRL", d, ca, ca, ERR_CONFIG},
			{"upper case", view_str("CZ.example"), ca, good, ERR_CONFIG},
			{"no domain", view_str(""), ca, good, ERR_CONFIG},
			{"slash", view_str("cz.example/a"), ca, good, ERR_CONFIG},
			{"good", d, ca, good, ERR_OK},
			{"again", d, ca, good, ERR_EXISTS},
			{"other domain", view_str("x.example"), ca, good, ERR_OK},
		};

		for (size_t i = 0; i < ARRAY_LEN(cases); i++)
			assert_trust_add(t, &cases[i]);
	}
	assert_int_equal(check_at(t, CERT_TLS, pki_leaf_der(&leaf), NOW), ERR_OK);
}

static void our_own_chain_is_read_leaf_first(void **state)
{
	CLEANUP(country_fini) struct country c = country_new(&(struct pki_ca_options){0});
	CLEANUP(pki_leaf_fini) struct pki_leaf leaf;
	CLEANUP(buf_fini) struct buf pem = {0};
	struct cert_chain chain = {0};

	(void)state;
	pki_issue(c.ca, &(struct pki_leaf_options){.id = ID, .utc_s = NOW}, &leaf);
	assert_int_equal(buf_put_view(&pem, buf_view(&leaf.key_pem)), ERR_OK);
	for (size_t n = 1; n <= CERT_CHAIN_MAX; n++) {
		assert_int_equal(
			buf_put_view(&pem, n == 1 ? buf_view(&leaf.cert_pem) : pki_ca_pem(c.ca)),
			ERR_OK);
		assert_int_equal(cert_chain_from_pem(buf_view(&pem), &chain), ERR_OK);
		assert_int_equal(chain.n, n);
		assert_true(view_eq(chain.der[0], pki_leaf_der(&leaf)));
		cert_chain_fini(&chain);
	}
	assert_int_equal(buf_put_view(&pem, pki_ca_pem(c.ca)), ERR_OK);
	assert_int_equal(cert_chain_from_pem(buf_view(&pem), &chain), ERR_CONFIG);
	assert_int_equal(cert_chain_from_pem(buf_view(&leaf.key_pem), &chain), ERR_CONFIG);
	assert_int_equal(cert_chain_from_pem(view_str(""), &chain), ERR_CONFIG);
	assert_null(chain.storage);
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
		cmocka_unit_test(both_certificates_of_the_profile_are_good),
		cmocka_unit_test(a_ca_may_use_any_strong_key),
		cmocka_unit_test(only_the_diagonal_of_anchors_and_identities_passes),
		cmocka_unit_test(names_made_to_deceive_are_refused),
		cmocka_unit_test(there_is_exactly_one_uri),
		cmocka_unit_test(a_leaf_without_any_name_is_refused),
		cmocka_unit_test(each_breach_of_the_leaf_profile_is_refused),
		cmocka_unit_test(what_the_profile_leaves_open_is_accepted),
		cmocka_unit_test(a_certificate_serves_its_own_purpose_only),
		cmocka_unit_test(a_certificate_counts_in_its_time_only),
		cmocka_unit_test(a_revoked_certificate_is_refused_as_such),
		cmocka_unit_test(without_a_current_crl_nothing_is_good),
		cmocka_unit_test(a_foreign_country_and_a_foreign_anchor_are_refused),
		cmocka_unit_test(a_ca_must_be_fit_to_certify),
		cmocka_unit_test(an_intermediate_counts_when_it_is_configured),
		cmocka_unit_test(a_chain_has_bounds),
		cmocka_unit_test(each_altered_bit_is_found),
		cmocka_unit_test(files_of_a_country_are_checked),
		cmocka_unit_test(our_own_chain_is_read_leaf_first),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
