/* Hello: what one side says the other takes, on this session and no other; every field forged. */
#include "unit/exchange/ledger.h"

#include <stdlib.h>

#include "crypto/digest.h"
#include "crypto/tls.h"
#include "exchange/hello.h"
#include "pki.h"
#include "wire/frame.h"

#define NOW_S 1790000000

/* cz says Hello to sk, as the dialler; a test changes what it likes before it is checked. */
static struct {
	struct pki_ca *cz_ca, *sk_ca, *bad_ca;
	struct pki_leaf cz_seal, cz_tls, cz_other, sk_seal, foreign_seal, expired_seal, forged_seal;
	struct seal_key *cz_key, *cz_other_key, *sk_key, *foreign_key, *expired_key, *forged_key;
	struct trust *trust;
	struct agency_id cz, sk;
	struct origin cz_origin, sk_origin;
	struct ledger cz_ledger, sk_ledger; /* for their trees; checkpoints are signed here */
	struct buf cz_note, sk_note;
	uint8_t exporter[EXPORTER_BYTES];
} given;

static void issue(struct pki_ca *ca, const char *id, enum cert_purpose purpose, int64_t not_after,
		  struct pki_leaf *leaf, struct seal_key **key)
{
	struct pki_leaf_options o = {
		.id = id, .purpose = purpose, .utc_s = NOW_S, .not_after = not_after};

	if (not_after)
		o.not_before = not_after - 1000;
	pki_issue(ca, &o, leaf);
	if (key)
		assert_int_equal(seal_key_from_pem(buf_view(&leaf->key_pem), key), ERR_OK);
}

static struct checkpoint note_of(struct ledger *l, struct seal_key *key,
				 const struct origin *origin, struct buf *out)
{
	struct checkpoint c = {.origin = *origin,
			       .size = l->tree.frontier.size,
			       .root = frontier_root(&l->tree.frontier)};

	buf_clear(out);
	assert_int_equal(checkpoint_sign(&c, key, out), ERR_OK);
	return c;
}

static int setup(void **state)
{
	(void)state;
	if (crypto_init())
		return 1;
	given.cz = id_of(CZ_ID);
	given.sk = id_of(SK_ID);
	origin_make(&given.cz_origin, &given.cz, EPOCH);
	origin_make(&given.sk_origin, &given.sk, EPOCH + 5);
	given.cz_ca = pki_ca_new(&(struct pki_ca_options){.domain = "cz.example", .utc_s = NOW_S});
	given.sk_ca = pki_ca_new(&(struct pki_ca_options){.domain = "sk.example", .utc_s = NOW_S});
	given.bad_ca = pki_ca_new(&(struct pki_ca_options){
		.domain = "cz.example", .utc_s = NOW_S, .unconstrained = true});
	assert_int_equal(trust_new(&given.trust), ERR_OK);
	pki_trust_add(given.trust, given.cz_ca, "cz.example", NOW_S);
	pki_trust_add(given.trust, given.sk_ca, "sk.example", NOW_S);
	issue(given.cz_ca, CZ_ID, CERT_SEAL, 0, &given.cz_seal, &given.cz_key);
	issue(given.cz_ca, CZ_ID, CERT_SEAL, 0, &given.cz_other, &given.cz_other_key);
	issue(given.cz_ca, CZ_ID, CERT_TLS, 0, &given.cz_tls, NULL);
	issue(given.sk_ca, SK_ID, CERT_SEAL, 0, &given.sk_seal, &given.sk_key);
	issue(given.sk_ca, SK_ID, CERT_SEAL, 0, &given.foreign_seal, &given.foreign_key);
	issue(given.cz_ca, CZ_ID, CERT_SEAL, NOW_S - 100, &given.expired_seal, &given.expired_key);
	issue(given.bad_ca, CZ_ID, CERT_SEAL, 0, &given.forged_seal, &given.forged_key);
	ledger_init(&given.cz_ledger, CZ_ID, SK_ID, 1);
	ledger_init(&given.sk_ledger, SK_ID, CZ_ID, 2);
	ledger_pad(&given.cz_ledger, 9);
	ledger_pad(&given.sk_ledger, 4);
	(void)note_of(&given.cz_ledger, given.cz_key, &given.cz_origin, &given.cz_note);
	(void)note_of(&given.sk_ledger, given.sk_key, &given.sk_origin, &given.sk_note);
	memset(given.exporter, 0xee, sizeof(given.exporter));
	return 0;
}

static int teardown(void **state)
{
	struct pki_leaf *leaves[] = {&given.cz_seal,	&given.cz_tls,	     &given.cz_other,
				     &given.sk_seal,	&given.foreign_seal, &given.expired_seal,
				     &given.forged_seal};
	struct seal_key *keys[] = {given.cz_key,      given.cz_other_key, given.sk_key,
				   given.foreign_key, given.expired_key,  given.forged_key};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(leaves); i++)
		pki_leaf_fini(leaves[i]);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		seal_key_free(keys[i]);
	ledger_fini(&given.cz_ledger);
	ledger_fini(&given.sk_ledger);
	buf_fini(&given.cz_note);
	buf_fini(&given.sk_note);
	trust_free(given.trust);
	pki_ca_free(given.cz_ca);
	pki_ca_free(given.sk_ca);
	pki_ca_free(given.bad_ca);
	crypto_fini();
	return 0;
}

/* --- one Hello --- */

static struct hello_terms terms_of(const struct cert_chain *chain)
{
	return (struct hello_terms){
		.role = TLS_DIALLER,
		.exporter = given.exporter,
		.id = &given.cz,
		.origin = &given.cz_origin,
		.seal_chain = chain,
		.my_checkpoint = buf_view(&given.cz_note),
		.your_checkpoint = buf_view(&given.sk_note),
		.received = {.k = 7, .head = some_digest(7)},
		.schema_version = 1,
	};
}

static struct hello_expected expected(void)
{
	return (struct hello_expected){
		.role = TLS_DIALLER,
		.exporter = given.exporter,
		.id = &given.cz,
		.trust = given.trust,
		.utc_s = NOW_S,
		.our_origin = &given.sk_origin,
		.our_key = seal_key_public(given.sk_key),
	};
}

/* Say it with @p key and the certificate of @p leaf, changed before signing, and check it. */
static enum err say(struct hello_terms *terms, const struct seal_key *key,
		    const struct pki_leaf *leaf, const struct hello_expected *x, struct hello *ret)
{
	CLEANUP(message_freep) struct pb_frame *m = NULL;
	CLEANUP(buf_fini) struct buf frame = {0};
	struct cert_chain chain = {.der = {pki_leaf_der(leaf)}, .n = 1};

	terms->seal_chain = &chain;
	assert_int_equal(hello_make(terms, key, &frame), ERR_OK);
	assert_int_equal(frame_decode(buf_view(&frame), &m), ERR_OK);
	assert_non_null(m->hello);
	return hello_check(m->hello, x, ret);
}

static enum err say_plainly(const struct hello_expected *x)
{
	struct hello_terms terms = terms_of(NULL);
	struct hello h;
	enum err e = say(&terms, given.cz_key, &given.cz_seal, x, &h);

	if (!e)
		hello_fini(&h);
	return e;
}

static void round_trip(void **state)
{
	const struct hello_expected x = expected();
	struct hello_terms terms = terms_of(NULL);
	struct view seen[2] = {buf_view(&given.sk_note), buf_view(&given.cz_note)};
	struct digest head = some_digest(7);
	struct hello h;

	(void)state;
	terms.seen = seen;
	terms.n_seen = 2;
	assert_int_equal(say(&terms, given.cz_key, &given.cz_seal, &x, &h), ERR_OK);
	assert_string_equal(h.origin.text, given.cz_origin.text);
	assert_int_equal(h.my_checkpoint.size, 9);
	assert_true(h.has_yours);
	assert_int_equal(h.yours.size, 4);
	assert_int_equal(h.received.k, 7);
	assert_true(digest_eq(&h.received.head, &head));
	assert_int_equal(h.schema_version, 1);
	hello_fini(&h);
	hello_fini(&h);
	hello_fini(NULL);
}

static void first_contact(void **state)
{
	const struct hello_expected x = expected();
	struct hello_terms terms = terms_of(NULL);
	struct hello h;

	(void)state;
	terms.your_checkpoint = view_of(NULL, 0);
	terms.received = (struct chain_head){.k = 0};
	assert_int_equal(say(&terms, given.cz_key, &given.cz_seal, &x, &h), ERR_OK);
	assert_false(h.has_yours);
	assert_int_equal(h.received.k, 0);
	hello_fini(&h);
}

/* --- this session, this role --- */

static void bound_to_session_and_role(void **state)
{
	struct hello_expected x = expected();
	uint8_t other[EXPORTER_BYTES];

	(void)state;
	assert_int_equal(say_plainly(&x), ERR_OK);
	for (size_t i = 0; i < EXPORTER_BYTES; i++) {
		memcpy(other, given.exporter, sizeof(other));
		other[i] ^= 1;
		x.exporter = other;
		assert_int_equal(say_plainly(&x), ERR_SIGNATURE);
	}
	x = expected();
	x.role = TLS_LISTENER; /* reflected */
	assert_int_equal(say_plainly(&x), ERR_SIGNATURE);
	x.role = 0;
	assert_int_equal(say_plainly(&x), ERR_SIGNATURE);
}

/* --- who says it --- */

static void certificates(void **state)
{
	static const struct {
		struct pki_leaf *leaf;
		struct seal_key **key;
		enum err e;
	} rows[] = {
		{&given.cz_seal, &given.cz_key, ERR_OK},
		{&given.cz_other, &given.cz_other_key, ERR_OK}, /* unpinned: any that its CA says */
		{&given.cz_tls, &given.cz_key, ERR_CERT},	/* another purpose */
		{&given.sk_seal, &given.sk_key, ERR_CERT},	/* another agency */
		{&given.foreign_seal, &given.foreign_key, ERR_CERT},
		{&given.expired_seal, &given.expired_key, ERR_CERT},
		{&given.forged_seal, &given.forged_key, ERR_CERT}, /* a CA that nobody trusts */
		{&given.cz_seal, &given.cz_other_key, ERR_SIGNATURE},
	};
	const struct hello_expected x = expected();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf note = {0};
		struct hello_terms terms = terms_of(NULL);
		struct hello h;
		enum err e;

		(void)note_of(&given.cz_ledger, *rows[i].key, &given.cz_origin, &note);
		terms.my_checkpoint = buf_view(&note);
		e = say(&terms, *rows[i].key, rows[i].leaf, &x, &h);
		if (e != rows[i].e)
			fail_msg("row %zu: %s", i, err_name(e));
		if (!e)
			hello_fini(&h);
	}
}

static void revoked(void **state)
{
	struct hello_expected x = expected();
	CLEANUP(trust_freep) struct trust *trust = NULL;
	CLEANUP(buf_fini) struct buf crl = {0};

	(void)state;
	assert_int_equal(trust_new(&trust), ERR_OK);
	pki_crl(given.cz_ca, NOW_S, &given.cz_seal.serial, 1, &crl);
	assert_int_equal(
		trust_add(trust, view_str("cz.example"), pki_ca_pem(given.cz_ca), buf_view(&crl)),
		ERR_OK);
	x.trust = trust;
	assert_int_equal(say_plainly(&x), ERR_REVOKED);
}

static void pins(void **state)
{
	struct hello_expected x = expected();
	struct hello_terms terms = terms_of(NULL);
	CLEANUP(buf_fini) struct buf note = {0};
	struct hello h;

	(void)state;
	x.pinned_key = seal_key_public(given.cz_key);
	x.pinned_origin = given.cz_origin.text;
	assert_int_equal(say_plainly(&x), ERR_OK);
	x.pinned_origin = "cz.example/umpod/1767225601";
	assert_int_equal(say_plainly(&x), ERR_DENIED);
	/* a later epoch than the pinned one, signed by the pinned key */
	x.pinned_origin = "cz.example/umpod/1767225599";
	assert_int_equal(say(&terms, given.cz_key, &given.cz_seal, &x, &h), ERR_OK);
	assert_true(h.is_new_epoch && h.epoch == EPOCH);
	hello_fini(&h);
	x.pinned_origin = given.cz_origin.text;
	/* a second certificate of the same CA for another key: the pin does not move */
	(void)note_of(&given.cz_ledger, given.cz_other_key, &given.cz_origin, &note);
	terms.my_checkpoint = buf_view(&note);
	assert_int_equal(say(&terms, given.cz_other_key, &given.cz_other, &x, &h), ERR_DENIED);
}

static void origin_is_one_of_the_agency(void **state)
{
	static const char *const origins[] = {
		"sk.example/cipc/1767225600",
		"cz.example/umpod",
		"cz.example/umpod/",
		"cz.example/umpod/01",
		"cz.example/umpod/1x",
		"cz.example/other/1767225600",
		"",
		"cz.example/umpod/1767225600/",
		" ",
	};
	const struct hello_expected x = expected();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(origins); i++) {
		struct hello_terms terms = terms_of(NULL);
		struct origin origin = {0};
		struct hello h;

		memcpy(origin.text, origins[i], strlen(origins[i]) + 1);
		terms.origin = &origin;
		assert_int_equal(say(&terms, given.cz_key, &given.cz_seal, &x, &h), ERR_FORMAT);
	}
}

static void id_is_that_of_tls(void **state)
{
	struct hello_expected x = expected();
	struct hello_terms terms = terms_of(NULL);
	struct hello h;

	(void)state;
	x.id = &given.sk;
	assert_int_equal(say_plainly(&x), ERR_FORMAT);
	x = expected();
	terms.id = &given.sk;
	assert_int_equal(say(&terms, given.cz_key, &given.cz_seal, &x, &h), ERR_FORMAT);
}

/* --- checkpoints --- */

static void my_checkpoint_is_the_senders(void **state)
{
	const struct hello_expected x = expected();
	CLEANUP(buf_fini) struct buf other_key = {0}, other_origin = {0}, damaged = {0};
	struct origin origin;
	struct hello_terms terms;
	struct hello h;

	(void)state;
	(void)note_of(&given.cz_ledger, given.sk_key, &given.cz_origin, &other_key);
	origin_make(&origin, &given.cz, EPOCH + 1);
	(void)note_of(&given.cz_ledger, given.cz_key, &origin, &other_origin);
	assert_int_equal(buf_put_view(&damaged, buf_view(&given.cz_note)), ERR_OK);
	buf_data(&damaged)[damaged.n - 10] ^= 1;
	const struct view notes[] = {buf_view(&other_key), buf_view(&other_origin),
				     buf_view(&damaged), buf_view(&given.sk_note), view_str("x")};

	for (size_t i = 0; i < ARRAY_LEN(notes); i++) {
		enum err e;

		terms = terms_of(NULL);
		terms.my_checkpoint = notes[i];
		e = say(&terms, given.cz_key, &given.cz_seal, &x, &h);
		assert_int_equal(err_class(e), ERR_CLASS_PEER);
	}
}

static void your_checkpoint_is_ours(void **state)
{
	const struct hello_expected x = expected();
	CLEANUP(buf_fini) struct buf forged = {0}, other_epoch = {0}, older = {0}, newer = {0};
	struct origin origin;
	struct ledger l;
	struct hello_terms terms;
	struct hello h;

	(void)state;
	/* signed by the peer itself: a claim about us that we never made */
	(void)note_of(&given.sk_ledger, given.cz_key, &given.sk_origin, &forged);
	origin_make(&origin, &given.sk, EPOCH + 6);
	(void)note_of(&given.sk_ledger, given.sk_key, &origin, &other_epoch);
	const struct view refused[] = {buf_view(&forged), buf_view(&given.cz_note),
				       view_str("nonsense\n")};

	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		terms = terms_of(NULL);
		terms.your_checkpoint = refused[i];
		assert_int_equal(err_class(say(&terms, given.cz_key, &given.cz_seal, &x, &h)),
				 ERR_CLASS_PEER);
	}
	/* of another epoch of ours: the node judges what that means */
	terms = terms_of(NULL);
	terms.your_checkpoint = buf_view(&other_epoch);
	assert_int_equal(say(&terms, given.cz_key, &given.cz_seal, &x, &h), ERR_OK);
	assert_true(h.has_yours && h.yours_epoch == EPOCH + 6);
	hello_fini(&h);
	/* stale, and ahead of what we know: both validly ours; the node judges what they mean */
	ledger_init(&l, SK_ID, CZ_ID, 3);
	ledger_pad(&l, 1);
	(void)note_of(&l, given.sk_key, &given.sk_origin, &older);
	ledger_pad(&l, 100);
	(void)note_of(&l, given.sk_key, &given.sk_origin, &newer);
	for (int i = 0; i < 2; i++) {
		terms = terms_of(NULL);
		terms.your_checkpoint = buf_view(i ? &newer : &older);
		assert_int_equal(say(&terms, given.cz_key, &given.cz_seal, &x, &h), ERR_OK);
		assert_int_equal(h.yours.size, i ? 101 : 1);
		hello_fini(&h);
	}
	ledger_fini(&l);
}

/* --- fields: changed after signing the signature does not hold, changed before the shape --- */

/* The signature over a message that was changed by hand: as a hostile peer makes it. */
static void sign_again(struct pb_hello *m, const struct seal_key *key)
{
	static const char domain[] = "amparo/v1/hello";
	CLEANUP(buf_fini) struct buf bare = {0}, to_sign = {0};
	uint8_t signature[64];
	struct digest digest;

	m->has_signature = 0;
	assert_int_equal(message_encode(m, &bare), ERR_OK);
	digest = sha256(buf_view(&bare));
	assert_int_equal(buf_put(&to_sign, domain, sizeof(domain)), ERR_OK);
	assert_int_equal(buf_put_u8(&to_sign, TLS_DIALLER), ERR_OK);
	assert_int_equal(buf_put(&to_sign, given.exporter, EXPORTER_BYTES), ERR_OK);
	assert_int_equal(buf_put(&to_sign, digest.b, 32), ERR_OK);
	assert_int_equal(seal_key_sign(key, buf_view(&to_sign), signature), ERR_OK);
	m->has_signature = 1;
	assert_int_equal(m->signature.len, 64);
	memcpy(m->signature.data, signature, 64);
}

static struct pb_frame *message_of(void)
{
	CLEANUP(buf_fini) struct buf frame = {0};
	struct cert_chain chain = {.der = {pki_leaf_der(&given.cz_seal)}, .n = 1};
	struct hello_terms terms = terms_of(&chain);
	struct pb_frame *m = NULL;
	struct view seen[1] = {buf_view(&given.sk_note)};

	terms.seen = seen;
	terms.n_seen = 1;
	assert_int_equal(hello_make(&terms, given.cz_key, &frame), ERR_OK);
	assert_int_equal(message_decode(&pb_frame_desc, buf_view(&frame), MESSAGE_STRICT, &m),
			 ERR_OK);
	return m;
}

struct field_row {
	const char *name;
	void (*change)(struct pb_hello *m);
	enum err forged;  /* not signed again */
	enum err signed_; /* signed again */
};

static void drop_version_min(struct pb_hello *m)
{
	m->has_version_min = 0;
}

static void drop_version_max(struct pb_hello *m)
{
	m->has_version_max = 0;
}

static void version_above(struct pb_hello *m)
{
	m->version_min = 2;
	m->version_max = 9;
}

static void version_0(struct pb_hello *m)
{
	m->version_min = m->version_max = 0;
}

static void version_0_to_5(struct pb_hello *m)
{
	m->version_min = 0;
	m->version_max = 5;
}

static void version_turned(struct pb_hello *m)
{
	m->version_min = 5;
	m->version_max = 0;
}

static void drop_id(struct pb_hello *m)
{
	m->id = NULL;
}

static void other_id(struct pb_hello *m)
{
	m->id[strlen(m->id) - 1] = 'x';
}

static void drop_origin(struct pb_hello *m)
{
	m->origin = NULL;
}

static void other_epoch(struct pb_hello *m)
{
	m->origin[strlen(m->origin) - 1] = '9';
}

static void drop_chain(struct pb_hello *m)
{
	m->n_seal_chain = 0;
}

static void damaged_chain(struct pb_hello *m)
{
	m->seal_chain[0].data[m->seal_chain[0].len - 5] ^= 1;
}

static void cut_chain(struct pb_hello *m)
{
	m->seal_chain[0].len--;
}

static void empty_certificate(struct pb_hello *m)
{
	m->seal_chain[0].len = 0;
}

static void drop_my_checkpoint(struct pb_hello *m)
{
	m->has_my_checkpoint = 0;
}

/* Another character of base64 within the signature: the note stays well-formed. */
static void damage_signature(ProtobufCBinaryData *note)
{
	uint8_t *c = &note->data[note->len - 9];

	*c = *c == 'A' ? 'B' : 'A';
}

static void damaged_my_checkpoint(struct pb_hello *m)
{
	damage_signature(&m->my_checkpoint);
}

static void drop_your_checkpoint(struct pb_hello *m)
{
	m->has_your_checkpoint = 0;
}

static void damaged_your_checkpoint(struct pb_hello *m)
{
	damage_signature(&m->your_checkpoint);
}

static void empty_your_checkpoint(struct pb_hello *m)
{
	m->your_checkpoint.len = 0;
}

static void drop_received_k(struct pb_hello *m)
{
	m->has_received_k = 0;
}

static void received_k_0_with_head(struct pb_hello *m)
{
	m->received_k = 0;
}

static void other_received_k(struct pb_hello *m)
{
	m->received_k = UINT64_MAX;
}

static void drop_received_head(struct pb_hello *m)
{
	m->has_received_head = 0;
}

static void short_received_head(struct pb_hello *m)
{
	m->received_head.len = 31;
}

static void other_received_head(struct pb_hello *m)
{
	m->received_head.data[0] ^= 1;
}

static void drop_schema_version(struct pb_hello *m)
{
	m->has_schema_version = 0;
}

static void other_schema_version(struct pb_hello *m)
{
	m->schema_version = 77;
}

static void damaged_seen(struct pb_hello *m)
{
	m->seen[0].data[0] ^= 1;
}

static void drop_seen(struct pb_hello *m)
{
	m->n_seen = 0;
}

static void every_field(void **state)
{
	static const struct field_row rows[] = {
		{"version_min gone", drop_version_min, ERR_VERSION, ERR_VERSION},
		{"version_max gone", drop_version_max, ERR_VERSION, ERR_VERSION},
		{"versions 2..9", version_above, ERR_VERSION, ERR_VERSION},
		{"version 0", version_0, ERR_VERSION, ERR_VERSION},
		{"versions 0..5", version_0_to_5, ERR_SIGNATURE, ERR_OK},
		{"versions 5..0", version_turned, ERR_VERSION, ERR_VERSION},
		{"id gone", drop_id, ERR_FORMAT, ERR_FORMAT},
		{"other id", other_id, ERR_FORMAT, ERR_FORMAT},
		{"origin gone", drop_origin, ERR_FORMAT, ERR_FORMAT},
		/* signed again, but my_checkpoint is of the other epoch */
		{"other epoch", other_epoch, ERR_SIGNATURE, ERR_FORMAT},
		{"chain gone", drop_chain, ERR_FORMAT, ERR_FORMAT},
		{"chain damaged", damaged_chain, ERR_CERT, ERR_CERT},
		{"chain cut", cut_chain, ERR_CERT, ERR_CERT},
		{"certificate empty", empty_certificate, ERR_CERT, ERR_CERT},
		{"my_checkpoint gone", drop_my_checkpoint, ERR_FORMAT, ERR_FORMAT},
		{"my_checkpoint damaged", damaged_my_checkpoint, ERR_SIGNATURE, ERR_SIGNATURE},
		{"your_checkpoint gone", drop_your_checkpoint, ERR_SIGNATURE, ERR_OK},
		{"your_checkpoint damaged", damaged_your_checkpoint, ERR_SIGNATURE, ERR_SIGNATURE},
		{"your_checkpoint empty", empty_your_checkpoint, ERR_SIGNATURE, ERR_FORMAT},
		{"received_k gone", drop_received_k, ERR_FORMAT, ERR_FORMAT},
		{"received_k 0 with head", received_k_0_with_head, ERR_FORMAT, ERR_FORMAT},
		{"other received_k", other_received_k, ERR_SIGNATURE, ERR_OK},
		{"received_head gone", drop_received_head, ERR_FORMAT, ERR_FORMAT},
		{"received_head short", short_received_head, ERR_FORMAT, ERR_FORMAT},
		{"other received_head", other_received_head, ERR_SIGNATURE, ERR_OK},
		{"schema_version gone", drop_schema_version, ERR_FORMAT, ERR_FORMAT},
		{"other schema_version", other_schema_version, ERR_SIGNATURE, ERR_OK},
		{"seen damaged", damaged_seen, ERR_SIGNATURE, ERR_OK},
		{"seen gone", drop_seen, ERR_SIGNATURE, ERR_OK},
	};
	const struct hello_expected x = expected();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (int again = 0; again < 2; again++) {
			CLEANUP(message_freep) struct pb_frame *m = message_of();
			enum err want = again ? rows[i].signed_ : rows[i].forged, e;
			struct hello h;

			rows[i].change(m->hello);
			if (again)
				sign_again(m->hello, given.cz_key);
			e = hello_check(m->hello, &x, &h);
			if (e != want)
				fail_msg("%s, signed again %d: %s", rows[i].name, again,
					 err_name(e));
			if (!e)
				hello_fini(&h);
		}
}

static void the_signature(void **state)
{
	const struct hello_expected x = expected();
	CLEANUP(message_freep) struct pb_frame *m = message_of();
	struct hello h;

	(void)state;
	m->hello->has_signature = 0;
	assert_int_equal(hello_check(m->hello, &x, &h), ERR_FORMAT);
	m->hello->has_signature = 1;
	m->hello->signature.len = 63;
	assert_int_equal(hello_check(m->hello, &x, &h), ERR_SIGNATURE);
	m->hello->signature.len = 0;
	assert_int_equal(hello_check(m->hello, &x, &h), ERR_SIGNATURE);
	m->hello->signature.len = 64;
	for (size_t i = 0; i < 64; i++) {
		m->hello->signature.data[i] ^= 0x10;
		assert_int_equal(hello_check(m->hello, &x, &h), ERR_SIGNATURE);
		m->hello->signature.data[i] ^= 0x10;
	}
	assert_int_equal(hello_check(m->hello, &x, &h), ERR_OK);
	hello_fini(&h);
}

static void too_much_of_everything(void **state)
{
	const struct hello_expected x = expected();
	CLEANUP(message_freep) struct pb_frame *m = message_of();
	ProtobufCBinaryData seen[HELLO_SEEN_MAX + 1], chain[CERT_CHAIN_MAX + 1];
	uint64_t prove[HELLO_PROVE_MAX + 1] = {1, 2, 3, 4, 5};
	struct pb_hello *hello = m->hello;
	struct pb_hello own = *hello;
	struct hello h;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(seen); i++)
		seen[i] = own.seen[0];
	for (size_t i = 0; i < ARRAY_LEN(chain); i++)
		chain[i] = own.seal_chain[0];
	hello->seen = seen;
	hello->n_seen = HELLO_SEEN_MAX;
	sign_again(hello, given.cz_key);
	assert_int_equal(hello_check(hello, &x, &h), ERR_OK);
	hello_fini(&h);
	hello->n_seen = HELLO_SEEN_MAX + 1;
	sign_again(hello, given.cz_key);
	assert_int_equal(hello_check(hello, &x, &h), ERR_LIMIT);
	hello->n_seen = 1;
	hello->prove = prove;
	hello->n_prove = HELLO_PROVE_MAX;
	sign_again(hello, given.cz_key);
	assert_int_equal(hello_check(hello, &x, &h), ERR_OK);
	hello_fini(&h);
	hello->n_prove = HELLO_PROVE_MAX + 1;
	sign_again(hello, given.cz_key);
	assert_int_equal(hello_check(hello, &x, &h), ERR_LIMIT);
	hello->n_prove = 0;
	hello->seal_chain = chain;
	hello->n_seal_chain = CERT_CHAIN_MAX + 1;
	sign_again(hello, given.cz_key);
	assert_int_equal(hello_check(hello, &x, &h), ERR_FORMAT);
	hello->seen = own.seen;
	hello->prove = own.prove;
	hello->seal_chain = own.seal_chain;
	hello->n_seal_chain = 1;
}

static void every_byte_of_the_frame(void **state)
{
	CLEANUP(buf_fini) struct buf frame = {0};
	struct cert_chain chain = {.der = {pki_leaf_der(&given.cz_seal)}, .n = 1};
	struct hello_terms terms = terms_of(&chain);
	const struct hello_expected x = expected();

	(void)state;
	assert_int_equal(hello_make(&terms, given.cz_key, &frame), ERR_OK);
	for (size_t at = 0; at < frame.n; at++) {
		CLEANUP(message_freep) struct pb_frame *m = NULL;
		struct hello h;

		buf_data(&frame)[at] ^= 1u << (at % 8);
		if (frame_decode(buf_view(&frame), &m) == ERR_OK && m->hello &&
		    hello_check(m->hello, &x, &h) == ERR_OK)
			fail_msg("byte %zu was changed and taken", at);
		buf_data(&frame)[at] ^= 1u << (at % 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(first_contact),
		cmocka_unit_test(bound_to_session_and_role),
		cmocka_unit_test(certificates),
		cmocka_unit_test(revoked),
		cmocka_unit_test(pins),
		cmocka_unit_test(origin_is_one_of_the_agency),
		cmocka_unit_test(id_is_that_of_tls),
		cmocka_unit_test(my_checkpoint_is_the_senders),
		cmocka_unit_test(your_checkpoint_is_ours),
		cmocka_unit_test(every_field),
		cmocka_unit_test(the_signature),
		cmocka_unit_test(too_much_of_everything),
		cmocka_unit_test(every_byte_of_the_frame),
	};

	return cmocka_run_group_tests_name("exchange/hello", tests, setup, teardown);
}
