#include "exchange/hello.h"

#include <string.h>

#include "crypto/digest.h"

static const char hello_domain[] = "amparo/v1/hello"; /* its NUL is part of it */

/* What is signed: domain, role, exporter, digest of the Hello without its signature. */
static enum err signed_bytes(const struct pb_hello *message, int role, const uint8_t *exporter,
			     struct buf *out)
{
	struct pb_hello bare = *message;
	struct buf encoded = {0};
	struct digest digest;
	enum err e;

	bare.has_signature = 0;
	e = message_encode(&bare, &encoded);
	if (!e) {
		digest = sha256(buf_view(&encoded));
		e = buf_put(out, hello_domain, sizeof(hello_domain));
	}
	if (!e)
		e = buf_put_u8(out, (uint8_t)role);
	if (!e)
		e = buf_put(out, exporter, EXPORTER_BYTES);
	if (!e)
		e = buf_put(out, digest.b, DIGEST_BYTES);
	buf_fini(&encoded);
	return e ? err_trace(e) : ERR_OK;
}

static enum err hello_fill_and_sign(const struct hello_terms *terms, const struct seal_key *key,
				    struct pb_hello *m, struct buf *out)
{
	uint8_t signature[ED25519_SIGNATURE_BYTES];
	struct pb_frame frame = PB_FRAME_INIT;
	struct buf to_sign = {0};
	enum err e;

	e = signed_bytes(m, terms->role, terms->exporter, &to_sign);
	if (!e)
		e = seal_key_sign(key, buf_view(&to_sign), signature);
	buf_fini(&to_sign);
	if (e)
		return err_trace(e);
	m->has_signature = 1;
	m->signature = message_borrow(view_of(signature, sizeof(signature)));
	frame.hello = m;
	return message_encode(&frame, out);
}

enum err hello_make(const struct hello_terms *terms, const struct seal_key *key, struct buf *out)
{
	struct pb_hello m = PB_HELLO_INIT;
	ProtobufCBinaryData chain[CERT_CHAIN_MAX];
	ProtobufCBinaryData seen[HELLO_SEEN_MAX];
	uint64_t prove[HELLO_PROVE_MAX];
	char id[AGENCY_ID_MAX + 1];
	char origin[ORIGIN_MAX + 1];

	ASSERT(terms->n_seen <= HELLO_SEEN_MAX && terms->n_prove <= HELLO_PROVE_MAX);
	memcpy(id, terms->id->text, sizeof(id));
	memcpy(origin, terms->origin->text, sizeof(origin));
	m.has_version_min = m.has_version_max = 1;
	m.version_min = m.version_max = PROTOCOL_VERSION;
	m.id = id;
	m.origin = origin;
	for (size_t i = 0; i < terms->seal_chain->n; i++)
		chain[i] = message_borrow(terms->seal_chain->der[i]);
	m.seal_chain = chain;
	m.n_seal_chain = terms->seal_chain->n;
	m.has_my_checkpoint = 1;
	m.my_checkpoint = message_borrow(terms->my_checkpoint);
	if (terms->your_checkpoint.n) {
		m.has_your_checkpoint = 1;
		m.your_checkpoint = message_borrow(terms->your_checkpoint);
	}
	m.has_received_k = 1;
	m.received_k = terms->received.k;
	if (terms->received.k) {
		m.has_received_head = 1;
		m.received_head = message_borrow(view_digest(&terms->received.head));
	}
	m.has_schema_version = 1;
	m.schema_version = terms->schema_version;
	for (size_t i = 0; i < terms->n_seen; i++)
		seen[i] = message_borrow(terms->seen[i]);
	m.seen = seen;
	m.n_seen = terms->n_seen;
	for (size_t i = 0; i < terms->n_prove; i++)
		prove[i] = terms->prove[i];
	m.prove = prove;
	m.n_prove = terms->n_prove;
	return hello_fill_and_sign(terms, key, &m, out);
}

static enum err check_shape(const struct pb_hello *m, const struct hello_expected *x)
{
	if (!m->has_version_min || !m->has_version_max || m->version_min > PROTOCOL_VERSION ||
	    m->version_max < PROTOCOL_VERSION)
		return err_new(ERR_VERSION, "no protocol version in common");
	if (!m->id || strcmp(m->id, x->id->text) != 0)
		return err_new(ERR_FORMAT, "Hello names another agency than its TLS certificate");
	if (!m->origin || !m->has_my_checkpoint || !m->has_received_k || !m->has_schema_version ||
	    !m->has_signature || m->n_seal_chain == 0 || m->n_seal_chain > CERT_CHAIN_MAX)
		return err_new(ERR_FORMAT, "Hello lacks a field");
	if (m->n_seen > HELLO_SEEN_MAX || m->n_prove > HELLO_PROVE_MAX)
		return err_new(ERR_LIMIT, "Hello has too many checkpoints or sizes");
	if ((m->received_k != 0) != (m->has_received_head != 0) ||
	    (m->has_received_head && m->received_head.len != DIGEST_BYTES))
		return err_new(ERR_FORMAT, "Hello has no head for its cursor");
	return ERR_OK;
}

static enum err check_identity(const struct pb_hello *m, const struct hello_expected *x,
			       struct hello *h)
{
	struct view chain[CERT_CHAIN_MAX];
	struct agency_id sealed_by;
	struct origin pinned_at;
	uint64_t pinned_epoch;
	uint8_t raw[ED25519_PUBLIC_BYTES], pinned[ED25519_PUBLIC_BYTES];
	enum err e;

	for (size_t i = 0; i < m->n_seal_chain; i++)
		chain[i] = message_bytes(1, m->seal_chain[i]);
	e = trust_check(x->trust, CERT_SEAL, chain, m->n_seal_chain, x->utc_s, &sealed_by, &h->key);
	if (e)
		return err_trace(e);
	if (!agency_id_eq(&sealed_by, x->id))
		return err_new(ERR_CERT, "seal certificate is another agency's");
	e = origin_check(view_str(m->origin), x->id, &h->origin, &h->epoch);
	if (!e && h->epoch > HELLO_EPOCH_MAX)
		e = err_new(ERR_FORMAT, "an epoch after the year 9999");
	if (e)
		return err_trace(e);
	if (x->pinned_key) {
		verify_key_raw(h->key, raw);
		verify_key_raw(x->pinned_key, pinned);
		if (memcmp(raw, pinned, sizeof(raw)) != 0)
			return err_new(ERR_DENIED, "seal key is not the pinned one");
		e = origin_check(view_str(x->pinned_origin), x->id, &pinned_at, &pinned_epoch);
		if (e)
			return err_trace(e);
		if (h->epoch < pinned_epoch)
			return err_new(ERR_DENIED, "ledger is of an epoch before the pinned one");
		h->is_new_epoch = h->epoch > pinned_epoch;
	}
	return ERR_OK;
}

static enum err check_signature(const struct pb_hello *m, const struct hello_expected *x,
				const struct hello *h)
{
	struct buf to_sign = {0};
	enum err e;

	e = signed_bytes(m, x->role, x->exporter, &to_sign);
	if (!e)
		e = verify_key_check(h->key, buf_view(&to_sign), message_bytes(1, m->signature));
	buf_fini(&to_sign);
	return e ? err_trace(e) : ERR_OK;
}

/* Of us, whichever epoch. */
static enum err same_ledger(const struct origin *a, const struct origin *ours, uint64_t *ret_epoch)
{
	const char *slash = strrchr(ours->text, '/');
	const size_t n = slash ? (size_t)(slash - ours->text) + 1 : 0;
	uint64_t epoch = 0;

	if (n == 0 || strncmp(a->text, ours->text, n) != 0)
		return err_new(ERR_FORMAT, "your_checkpoint is of another agency");
	for (const char *c = a->text + n; *c; c++) {
		if (*c < '0' || *c > '9' || epoch > HELLO_EPOCH_MAX)
			return err_new(ERR_FORMAT, "your_checkpoint is of no epoch");
		epoch = epoch * 10 + (uint64_t)(*c - '0');
	}
	*ret_epoch = epoch;
	return ERR_OK;
}

static enum err check_checkpoints(const struct pb_hello *m, const struct hello_expected *x,
				  struct hello *h)
{
	enum err e;

	h->my_note = message_bytes(1, m->my_checkpoint);
	e = checkpoint_read(h->my_note, h->origin.text, h->key, &h->my_checkpoint);
	if (e)
		return err_trace(e);
	if (!m->has_your_checkpoint)
		return ERR_OK;
	e = checkpoint_read(message_bytes(1, m->your_checkpoint), NULL, x->our_key, &h->yours);
	if (!e)
		e = same_ledger(&h->yours.origin, x->our_origin, &h->yours_epoch);
	if (e)
		return err_trace(e);
	h->has_yours = true;
	return ERR_OK;
}

enum err hello_check(const struct pb_hello *message, const struct hello_expected *expected,
		     struct hello *ret)
{
	struct hello h = {0};
	enum err e;

	e = check_shape(message, expected);
	if (!e)
		e = check_identity(message, expected, &h);
	if (!e)
		e = check_signature(message, expected, &h);
	if (!e)
		e = check_checkpoints(message, expected, &h);
	if (e) {
		hello_fini(&h);
		return err_trace(e);
	}
	h.received.k = message->received_k;
	if (message->has_received_head)
		memcpy(h.received.head.b, message->received_head.data, DIGEST_BYTES);
	h.schema_version = message->schema_version;
	*ret = h;
	return ERR_OK;
}

void hello_fini(struct hello *h)
{
	if (!h)
		return;
	verify_key_free(h->key);
	*h = (struct hello){0};
}
