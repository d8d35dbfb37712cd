/* What a peer holds of our earlier epochs: asked for, checked, kept. All of it is signed by our own
 * key, so a peer can leave out, never make up. */
#include "node/epoch.h"

#include <string.h>

#include "base/log.h"
#include "crypto/digest.h"

static enum err ask(struct node *n, struct session *s)
{
	const struct recovery_row *r = &s->peer->recovery;
	struct pb_frame frame = PB_FRAME_INIT;
	struct pb_ask m = PB_ASK_INIT;
	struct pb_ask_entries entries = PB_ASK_ENTRIES_INIT;
	struct origin origin;

	origin_make(&origin, &n->agency, r->at_epoch);
	s->held_ask_id = ++n->next_ask_id;
	s->held_asked_ms = s->said_ms = n->port.mono_ms(n->port.ctx);
	m.has_id = 1;
	m.id = s->held_ask_id;
	m.entries = &entries;
	entries.origin = origin.text;
	entries.has_from_k = 1;
	entries.from_k = r->at_k + 1;
	frame.ask = &m;
	return output_message(n, OUTPUT_SEND, s->number, &frame);
}

enum err recover_ask(struct node *n, struct session *s)
{
	if (s->peer->recovery.state != RECOVERY_FETCHING || s->held_ask_id || n->hold)
		return ERR_OK;
	return ask(n, s);
}

bool recover_awaits(const struct session *s, const struct pb_answer *m)
{
	return s->held_ask_id != 0 && m->has_id && m->id == s->held_ask_id;
}

/* The next of our chain to this peer, signed by us: else what is it? */
static enum err check_item(struct node *n, struct peer *p, const struct pb_held_item *m,
			   struct entry *entry, struct digest *leaf)
{
	const struct recovery_row *r = &p->recovery;
	const struct view proof = message_bytes(m->has_proof, m->proof);
	const struct view body = message_bytes(m->has_body, m->body);
	struct digest hashes[MERKLE_PROOF_MAX], digest;
	struct checkpoint c;
	struct origin origin;
	enum err e;

	if (!m->has_index || !m->has_entry || !m->has_checkpoint || m->index > MERKLE_SIZE_MAX ||
	    proof.n % DIGEST_BYTES || proof.n > sizeof(hashes) ||
	    (m->has_body != 0) != (m->has_body_salt != 0) ||
	    (m->has_body_salt && m->body_salt.len != SALT_BYTES))
		return err_new(ERR_FORMAT, "an entry given back lacks a field");
	origin_make(&origin, &n->agency, r->at_epoch);
	e = entry_decode(message_bytes(1, m->entry), entry);
	if (e)
		return err_trace(e);
	if (!agency_id_eq(&entry->addressee, &p->row.agency) || entry->k != r->at_k + 1 ||
	    !digest_eq(&entry->prev_head, &r->at_head))
		return err_new(ERR_CHAIN, "an entry given back is not the next of its chain");
	if (m->has_body) {
		digest = body_digest(m->body_salt.data, body);
		if (!entry->has_body || !digest_eq(&digest, &entry->body_digest))
			return err_new(ERR_FORMAT, "a body given back is not that of its entry");
	}
	e = back_openings_check(m, (int)entry->kind);
	if (e)
		return err_trace(e);
	*leaf = merkle_leaf(message_bytes(1, m->entry));
	if (proof.n)
		memcpy(hashes, proof.p, proof.n);
	e = checkpoint_read(message_bytes(1, m->checkpoint), origin.text,
			    seal_key_public(n->seal_key), &c);
	if (!e)
		e = merkle_check_inclusion(leaf, m->index, c.size, hashes, proof.n / DIGEST_BYTES,
					   &c.root);
	return e ? err_trace(e) : ERR_OK;
}

/* The agreement of an ADOPT of ours may be lost here with it; its digest says which file it is. */
static enum err keep_agreement(struct node *n, const struct pb_held_item *m,
			       const struct entry *entry)
{
	CLEANUP(agreement_freep) struct agreement *parsed = NULL;
	const struct view file = message_bytes(m->has_agreement, m->agreement);
	struct digest digest = sha256(file);
	enum err e;

	if (entry->kind != PB(ENTRY_KIND, ADOPT) || !m->has_agreement ||
	    !digest_eq(&digest, &entry->agreement))
		return ERR_OK;
	e = agreement_parse(file, &parsed);
	if (e == ERR_NOMEM)
		return err_trace(e);
	return e ? ERR_OK : agreement_put(n->store, &digest, file);
}

static enum err keep_item(struct node *n, struct peer *p, const struct pb_held_item *m,
			  const struct entry *entry, const struct digest *leaf)
{
	struct recovery_row *r = &p->recovery;
	struct chain_head at = {.k = r->at_k, .head = r->at_head};
	struct entry_row own;
	struct recovered_row before;
	struct recovered_row row = {
		.peer = p->row.id,
		.epoch = r->at_epoch,
		.k = entry->k,
		.index = m->index,
		.entry = message_bytes(1, m->entry),
		.leaf = *leaf,
		.seen_k = entry->seen_k,
		.note = message_bytes(1, m->checkpoint),
		.proof = message_bytes(m->has_proof, m->proof),
	};
	const struct held_seal whole = {.num = 0}; /* a record that is lost has no seal here */
	enum err e = entry_get_k(n->store, r->at_epoch, p->row.id, entry->k, &own);

	if (e && e != ERR_NOT_FOUND)
		return err_trace(e);
	row.is_applied = !e && digest_eq(&own.leaf, leaf); /* it is not lost here */
	e = node_write(n);
	if (!e && m->has_body && !row.is_applied) {
		row.has_body = true;
		e = body_store(n, message_bytes(1, m->body_salt), message_bytes(1, m->body), &whole,
			       row.body_blob);
	}
	if (!e && !row.is_applied)
		e = back_openings_keep(n, p, entry, m);
	if (!e)
		e = keep_agreement(n, m, entry);
	if (e)
		return err_trace(e);
	e = recovered_get(n->store, p->row.id, r->at_epoch, entry->k, &before);
	if (e == ERR_NOT_FOUND)
		e = recovered_put(n->store, &row);
	if (e)
		return err_trace(e);
	at = chain_next(&at, leaf);
	r->at_k = at.k;
	r->at_head = at.head;
	p->recovery_dirty = true;
	return ERR_OK;
}

/* Another epoch of ours that the peer holds; false when that was the last. */
static bool go_on_with(struct node *n, struct peer *p, const char *next)
{
	struct recovery_row *r = &p->recovery;
	struct chain_head start;
	struct origin origin;
	uint64_t epoch;

	if (!next || origin_check(view_str(next), &n->agency, &origin, &epoch) ||
	    epoch <= r->at_epoch || epoch >= n->epoch)
		return false;
	start = chain_start(origin.text, &p->row.agency);
	r->at_epoch = epoch;
	r->at_k = 0;
	r->at_head = start.head;
	p->recovery_dirty = true;
	return true;
}

static enum err fetched(struct node *n, struct session *s)
{
	struct peer *p = s->peer;
	enum err e;

	log_line(LOG_NOTICE, "a peer gave back what it holds of our earlier ledger peer=%s k=%llu",
		 p->row.agency.text, (unsigned long long)p->recovery.at_k);
	p->recovery.state = RECOVERY_AWAITING;
	p->recovery_dirty = true;
	s->held_ask_id = 0;
	e = replay_due(n, p);
	if (e || !s->has_postponed)
		return e ? err_trace(e) : ERR_OK;
	s->has_postponed = false;
	return inbox_resume(n, s);
}

enum err recover_answer(struct node *n, struct session *s, const struct pb_answer *m)
{
	struct peer *p = s->peer;
	struct entry entry;
	struct digest leaf;
	enum err e;

	s->held_ask_id = 0;
	if (p->recovery.state != RECOVERY_FETCHING || n->hold)
		return ERR_OK;
	for (size_t i = 0; i < m->n_held; i++) {
		err_clear();
		e = check_item(n, p, m->held[i], &entry, &leaf);
		if (e == ERR_NOMEM || e == ERR_CRYPTO)
			return err_trace(e);
		if (e)
			return session_fault(n, s, PB(BYE_CODE, PROTOCOL),
					     "what a peer gives back is not ours");
		e = keep_item(n, p, m->held[i], &entry, &leaf);
		if (e)
			return err_trace(e);
	}
	if (m->n_held || go_on_with(n, p, m->next_origin))
		return ask(n, s);
	return fetched(n, s);
}
