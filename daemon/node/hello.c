/* Hello: ours, the peer's, and what follows from it: the pin, whether a checkpoint contradicts what
 * is held, which of two sessions stays. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "node/epoch.h"
#include "node/hold.h"
#include "node/internal.h"
#include "node/peer_test.h"
#include "node/split.h"

enum err session_hello_due(struct node *n, struct session *s)
{
	struct view seen[HELLO_SEEN_MAX];
	uint64_t prove[HELLO_PROVE_MAX];
	struct peer *p = s->peer;
	struct output *o;
	enum err e;

	if (s->hello_sent || s->closing)
		return ERR_OK;
	struct hello_terms terms = {
		.role = s->role,
		.exporter = s->exporter,
		.id = &n->agency,
		.origin = &n->origin,
		.seal_chain = n->seal_chain,
		.my_checkpoint = buf_view(&n->note),
		.your_checkpoint = buf_view(&p->held_note),
		.received = {.k = p->row.received_k, .head = p->row.received_head},
		.schema_version = FIELD_SCHEMA_VERSION,
		.seen = seen,
		.n_seen = split_tell(n, p, seen),
		.prove = prove,
	};

	e = split_ask(n, s, prove, &terms.n_prove);
	if (!e)
		e = output_new(n, OUTPUT_SEND, s->number, &o);
	if (!e)
		e = hello_make(&terms, n->seal_key, &o->data);
	if (e)
		return err_trace(e);
	s->hello_sent = true;
	s->shown_size = n->signed_size;
	s->said_ms = n->port.mono_ms(n->port.ctx);
	return split_asked(n, s);
}

static enum err pin(struct node *n, struct peer *p, const struct pb_hello *m, const struct hello *h)
{
	char detail[AGENCY_ID_MAX + 32];
	struct append entry = {.kind = PB(ENTRY_KIND, CONFIG), .detail = detail};
	char fingerprint[HEX_LEN(DIGEST_BYTES)];
	struct chain_head start = chain_start(h->origin.text, &n->agency);
	struct digest digest = verify_key_fingerprint(h->key);
	struct appended done;
	struct buf chain = {0};
	enum err e;

	(void)snprintf(detail, sizeof(detail), "seal key pinned of %s", p->row.agency.text);
	memcpy(p->row.origin, h->origin.text, sizeof(h->origin.text));
	p->row.epoch = h->epoch;
	verify_key_raw(h->key, p->row.seal_key);
	p->row.pinned = true;
	disclosed_forget(&n->disclosed); /* as of whom no key was pinned */
	p->row.pinned_us = ledger_time_us(n);
	p->row.received_head = start.head;
	p->dirty = true;
	e = verify_key_new(view_of(p->row.seal_key, sizeof(p->row.seal_key)), &p->key);
	for (size_t i = 0; !e && i < m->n_seal_chain; i++)
		e = buf_put(&chain, m->seal_chain[i].data, m->seal_chain[i].len);
	if (!e)
		e = node_write(n);
	if (!e)
		e = peer_chain_put(n->store, p->row.id, buf_view(&chain), p->row.pinned_us);
	if (!e)
		e = ledger_append(n, &entry, &done);
	buf_fini(&chain);
	if (e)
		return err_trace(e);
	hex_encode(view_digest(&digest), fingerprint);
	log_line(LOG_NOTICE,
		 "first contact: seal key pinned; compare the fingerprint with the agency by "
		 "another "
		 "way peer=%s fingerprint=%s",
		 p->row.agency.text, fingerprint);
	return ERR_OK;
}

/* Of two sessions with one peer: from one dialler the newer, else the one that the bytewise smaller
 * id dialled. Returns the one to end, or NULL. */
static struct session *loser(const struct node *n, struct session *older, struct session *newer)
{
	const bool we_are_smaller = agency_id_cmp(&n->agency, &newer->peer->row.agency) < 0;

	if (!older || older == newer)
		return NULL;
	if (older->role == newer->role)
		return older;
	return (newer->role == TLS_DIALLER) == we_are_smaller ? older : newer;
}

/* Only our Hello tells it of the new ledger. Where the peer alone dials, its Hello comes in the
 * turn in which the session begins, before ours has gone. */
static enum err wait_for_acceptance(struct node *n, struct session *s)
{
	enum err e = session_hello_due(n, s);

	if (e)
		return err_trace(e);
	peer_error(s->peer, "the peer has not accepted our new ledger: its operator runs `amparo "
			    "peer accept-epoch`");
	peer_failed(n, s->peer);
	return session_end(n, s, PB(BYE_CODE, STOPPED), 0);
}

static void begin_sending(struct node *n, struct session *s, const struct pb_hello *m,
			  const struct hello *h)
{
	for (size_t i = 0; i < m->n_prove; i++)
		s->wanted[i].size = m->prove[i];
	s->n_wanted = m->n_prove;
	s->proofs_are_due = m->n_prove != 0;
	s->schema_version = h->schema_version;
	s->sent_size = h->has_yours ? h->yours.size : 0;
	s->sent_k = s->began_k = h->received.k;
	s->began_size = s->sent_size;
	s->sent_hour = n->port.utc_us(n->port.ctx) / HOUR_US;
}

static enum err hello_accepted(struct node *n, struct session *s, const struct pb_hello *m,
			       const struct hello *h)
{
	struct peer *p = s->peer;
	struct session *ended;
	struct digest head;
	enum err e;

	if (!p->row.pinned && !n->hold) {
		e = pin(n, p, m, h);
		if (e)
			return err_trace(e);
	}
	if (p->row.held_size && h->my_checkpoint.size == p->row.held_size &&
	    !digest_eq(&h->my_checkpoint.root, &p->row.held_root)) {
		e = peer_stop(n, p, "checkpoint in Hello contradicts the one held",
			      buf_view(&p->held_note), h->my_note);
		return e ? err_trace(e) : session_end(n, s, PB(BYE_CODE, STOPPED), 0);
	}
	if (h->has_yours && h->yours_epoch < n->epoch)
		return wait_for_acceptance(n, s);
	e = split_hear(n, p, m);
	if (e)
		return err_trace(e);
	/* stopped meanwhile: by another session, or by its own word in `seen` */
	if (!p->row.pinned || p->row.stopped)
		return session_end(n, s, PB(BYE_CODE, STOPPED), 0);
	err_clear();
	if (ledger_head_at(n, p, h->received.k, &head) ||
	    (h->received.k && !digest_eq(&head, &h->received.head))) {
		e = err_new(ERR_CHAIN, "its cursor does not lie on our chain");
		return session_fault(n, s, PB(BYE_CODE, PROTOCOL), "Hello is not acceptable");
	}
	s->hello_seen = true;
	begin_sending(n, s, m, h);
	ended = loser(n, p->live, s);
	if (ended) {
		p->live = ended == s ? p->live : NULL;
		e = session_end(n, ended, PB(BYE_CODE, OLDER_SESSION), 0);
		if (e || ended == s)
			return e ? err_trace(e) : ERR_OK;
	}
	p->live = s;
	outbox_forget(n, p); /* of a session before it */
	p->n_failures = 0;
	p->row.last_contact_us = n->port.utc_us(n->port.ctx);
	p->row.last_error[0] = '\0';
	p->waits_for_room = false;
	p->dirty = true;
	if (peer_may_log(n, p))
		log_line(LOG_INFO, "connected peer=%s session=%llu role=%s", p->row.agency.text,
			 (unsigned long long)s->number,
			 s->role == TLS_DIALLER ? "dialler" : "listener");
	e = split_asked(n, s);
	return e ? err_trace(e) : peer_test_connected(n, s);
}

/* The certificate was verified; how long it is good is for people. */
static void note_seal_until(struct peer *p, const struct pb_hello *m)
{
	int64_t until_s;

	if (m->n_seal_chain &&
	    cert_not_after(message_bytes(1, m->seal_chain[0]), &until_s) == ERR_OK && until_s > 0)
		p->seal_until_us = (uint64_t)until_s * 1000000;
}

enum err session_hello(struct node *n, struct session *s, const struct pb_hello *m)
{
	struct peer *p = s->peer;
	struct hello_expected expected = {
		.role = s->role == TLS_DIALLER ? TLS_LISTENER : TLS_DIALLER,
		.exporter = s->exporter,
		.id = &p->row.agency,
		.trust = n->trust,
		.utc_s = (int64_t)(n->port.utc_us(n->port.ctx) / 1000000),
		.pinned_key = p->row.pinned ? p->key : NULL,
		.pinned_origin = p->row.origin,
		.our_origin = &n->origin,
		.our_key = seal_key_public(n->seal_key),
	};
	struct hello h;
	bool stands;
	enum err e;

	err_clear();
	e = hello_check(m, &expected, &h);
	if (e == ERR_DENIED && peer_may_log(n, p))
		log_line(LOG_ERR,
			 "a peer shows another seal key or an earlier ledger than the pinned one: "
			 "nothing is "
			 "exchanged until the operator has compared fingerprints peer=%s",
			 p->row.agency.text);
	if (e == ERR_NOMEM || e == ERR_CRYPTO)
		return err_trace(e);
	if (e)
		return session_fault(
			n, s, e == ERR_VERSION ? PB(BYE_CODE, VERSION) : PB(BYE_CODE, IDENTITY),
			"Hello is not acceptable");
	note_seal_until(p, m);
	/* before anything that it says makes us sign */
	e = hold_judge(n, p, &h, message_bytes(m->has_your_checkpoint, m->your_checkpoint),
		       &stands);
	if (!e && !stands)
		e = session_end(n, s, PB(BYE_CODE, STOPPED), 0);
	else if (!e)
		e = h.is_new_epoch ? epoch_met(n, s, &h) : hello_accepted(n, s, m, &h);
	hello_fini(&h);
	return e;
}
