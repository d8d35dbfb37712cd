/* API: peers, agreements, the node's own status. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "crypto/digest.h"
#include "node/internal.h"
#include "node/limits.h"

/* --- peers --- */

const char *peer_state(const struct peer *p)
{
	if (p->row.stopped)
		return "stopped";
	if (p->row.new_origin[0])
		return "new-epoch"; /* it waits for `peer accept-epoch` */
	if (p->recovery.state != RECOVERY_NONE)
		return "recovering"; /* our own new epoch is not settled with it */
	if (p->live)
		return "connected";
	if (!p->is_configured)
		return "removed";
	if (p->is_dialling)
		return "connecting";
	return p->may_dial ? "waiting" : "awaited";
}

/* Receipts alone are never receipted. */
uint64_t peer_n_waiting(const struct peer *p)
{
	return p->row.content_k > p->row.delivered_k ? p->row.content_k - p->row.delivered_k : 0;
}

enum err reply_peer(struct asking *a, struct peer *p, bool more)
{
	struct pb_api_reply reply = PB_API_REPLY_INIT;
	struct pb_peer_row m = PB_PEER_ROW_INIT;
	char fingerprint[HEX_LEN(DIGEST_BYTES)];
	const char *in_force;
	enum err e = agreement_in_force_name(a->n, p, &in_force);

	if (e)
		return err_trace(e);
	m.id = p->row.agency.text;
	m.name = message_borrow_text(agency_id_name(&p->row.agency));
	m.state = message_borrow_text(peer_state(p));
	if (p->key) {
		struct digest d = verify_key_fingerprint(p->key);

		hex_encode(view_digest(&d), fingerprint);
		m.fingerprint = fingerprint;
	}
	m.has_sent_k = m.has_delivered_k = m.has_received_k = m.has_n_refused = 1;
	m.sent_k = p->row.sent_k;
	m.delivered_k = p->row.delivered_k;
	m.received_k = p->row.received_k;
	m.n_refused = p->row.n_refused;
	m.has_n_waiting = 1;
	m.n_waiting = peer_n_waiting(p);
	m.has_last_contact_us = p->row.last_contact_us != 0;
	m.last_contact_us = p->row.last_contact_us;
	m.last_error = p->row.last_error[0] ? p->row.last_error : NULL;
	m.in_force = message_borrow_text(in_force);
	m.address = message_borrow_text(p->address);
	m.origin = p->row.pinned ? p->row.origin : NULL;
	m.new_origin = p->row.new_origin[0] ? p->row.new_origin : NULL;
	reply.peer = &m;
	return reply_row(a->n, a->caller->id, a->id, &reply, more);
}

enum err request_peer_list(struct asking *a)
{
	for (size_t i = 0; i < a->n->n_peer; i++) {
		enum err e = reply_peer(a, &a->n->peer[i], true);

		if (e)
			return err_trace(e);
	}
	return reply_end(a->n, a->caller->id, a->id);
}

/* --- agreements --- */

void day_text(uint64_t utc_us, char ret[16])
{
	const time_t s = (time_t)(utc_us / 1000000);
	struct tm tm;

	ret[0] = '\0';
	if (gmtime_r(&s, &tm))
		(void)strftime(ret, 16, "%Y-%m-%d", &tm);
}

static const char *adoption_state(struct node *n, const struct peer *p,
				  const struct adoption_row *row, const struct agreement *agreement)
{
	struct adoption x = {.sender_adopt_k = row->our_k,
			     .sender_withdraw_k = row->our_withdraw_k,
			     .receiver_adopt_k = row->their_k,
			     .receiver_withdraw_k = row->their_withdraw_k};

	if (agreement && ledger_time_us(n) > agreement_valid_until_us(agreement))
		return "expired";
	if (row->our_withdraw_k || row->their_withdraw_k)
		return "withdrawn";
	if (agreement && adoption_in_force(&x, p->row.sent_k + 1, p->row.received_k))
		return "in-force";
	return row->our_k ? "adopted-here" : "adopted-there";
}

static enum err send_adoption(void *ctx, const struct adoption_row *row)
{
	struct asking *a = ctx;
	struct pb_api_reply reply = PB_API_REPLY_INIT;
	struct pb_agreement_row m = PB_AGREEMENT_ROW_INIT;
	const struct agreement *agreement = NULL;
	const struct peer *p = peer_by_row(a->n, row->peer);
	char id[HEX_LEN(DIGEST_BYTES)], from[16], until[16];
	enum err e = agreement_load(a->n, &row->digest, &agreement);

	if ((e && e != ERR_NOT_FOUND) || !p)
		return e ? err_trace(e) : err_new(ERR_STORAGE, "adoption of an unknown peer");
	hex_encode(view_digest(&row->digest), id);
	m.id = id;
	m.name = message_borrow_text(agreement ? agreement_name(agreement) : row->their_name);
	m.peer = message_borrow_text(p->row.agency.text);
	m.state = message_borrow_text(adoption_state(a->n, p, row, agreement));
	m.has_file_held = 1;
	m.file_held = agreement != NULL;
	if (agreement) {
		day_text(agreement_valid_from_us(agreement), from);
		day_text(agreement_valid_until_us(agreement), until);
		m.valid_from = from;
		m.valid_until = until;
	}
	reply.agreement = &m;
	return reply_row(a->n, a->caller->id, a->id, &reply, true);
}

enum err request_agreement_list(struct asking *a)
{
	enum err e = adoption_walk(a->n->store, 0, send_adoption, a);

	return e ? err_trace(e) : reply_end(a->n, a->caller->id, a->id);
}

static enum err adopt_with(struct asking *a, struct peer *p, const struct agreement *agreement)
{
	struct pb_adopt m = PB_ADOPT_INIT;
	struct append entry = {
		.kind = PB(ENTRY_KIND, ADOPT),
		.peer = p,
		.agreement = agreement_digest(agreement),
		.caller = a->caller,
	};
	struct adoption_row row = {0};
	struct appended done;
	struct buf body = {0};
	enum err e;

	e = adoption_get(a->n->store, p->row.id, agreement_digest(agreement), &row);
	if (e && e != ERR_NOT_FOUND)
		return err_trace(e);
	if (!e && row.our_k && !row.our_withdraw_k)
		return ERR_OK; /* adopted before: nothing to say again */
	m.name = message_borrow_text(agreement_name(agreement));
	e = message_encode(&m, &body);
	entry.body = buf_view(&body);
	if (!e)
		e = ledger_append(a->n, &entry, &done);
	buf_fini(&body);
	if (e)
		return err_trace(e);
	row.peer = p->row.id;
	row.digest = *agreement_digest(agreement);
	row.our_k = done.k;
	row.our_withdraw_k = 0;
	return adoption_put(a->n->store, &row);
}

struct only_this {
	struct asking *a;
	struct digest digest;
};

static enum err send_if_this(void *ctx, const struct adoption_row *row)
{
	struct only_this *o = ctx;

	return digest_eq(&row->digest, &o->digest) ? send_adoption(o->a, row) : ERR_OK;
}

static enum err adopt_all(struct asking *a, const struct agreement *agreement, size_t *ret_n)
{
	for (size_t i = 0; i < agreement_n_parties(agreement); i++) {
		struct peer *p = peer_by_id(a->n, agreement_party(agreement, i));
		enum err e;

		if (!p || !p->is_configured)
			continue;
		e = adopt_with(a, p, agreement);
		if (e)
			return err_trace(e);
		(*ret_n)++;
	}
	return ERR_OK;
}

static bool has_peer(struct node *n, const struct agreement *agreement)
{
	for (size_t i = 0; i < agreement_n_parties(agreement); i++) {
		const struct peer *p = peer_by_id(n, agreement_party(agreement, i));

		if (p && p->is_configured)
			return true;
	}
	return false;
}

enum err request_agreement_adopt(struct asking *a)
{
	const struct view file =
		message_bytes(a->m->agreement_adopt->has_file, a->m->agreement_adopt->file);
	CLEANUP(agreement_freep) struct agreement *agreement = NULL;
	struct only_this o = {.a = a};
	size_t n_peers = 0;
	enum err e;

	e = agreement_parse(file, &agreement);
	if (!e && !agreement_has_party(agreement, &a->n->agency))
		e = err_new(ERR_INVALID, "this agency (%s) is not a party of the agreement",
			    agency_id_bare(&a->n->agency));
	if (!e)
		e = limits_allow(a->n, ROOM_RESERVE);
	if (!e && a->n->hold)
		e = err_new(ERR_STATE, "nothing is signed: %s", a->n->hold);
	if (!e && !has_peer(a->n, agreement))
		e = err_new(ERR_INVALID,
			    "none of its other parties is a configured peer: add them to "
			    "amparod.yaml under `peers` first");
	if (!e)
		e = node_write(a->n);
	if (!e)
		e = agreement_put(a->n->store, agreement_digest(agreement), file);
	if (!e)
		e = adopt_all(a, agreement, &n_peers);
	if (e)
		return reply_failed(a->n, a->caller->id, a->id, e);
	log_line(LOG_NOTICE, "agreement adopted here peers=%zu", n_peers);
	o.digest = *agreement_digest(agreement);
	e = adoption_walk(a->n->store, 0, send_if_this, &o);
	return e ? err_trace(e) : reply_end(a->n, a->caller->id, a->id);
}

/* --- status --- */

static enum err count_awaiting(void *ctx, const struct referral_row *r)
{
	uint64_t *count = ctx;

	*count += r->is_incoming && r->state == PB(REFERRAL_STATE, REQUESTED);
	return ERR_OK;
}

enum err request_node_status(struct asking *a)
{
	struct pb_api_reply reply = PB_API_REPLY_INIT;
	struct pb_status_row m = PB_STATUS_ROW_INIT;
	char fingerprint[HEX_LEN(DIGEST_BYTES)];
	struct digest root = tree_root(&a->n->tree), d;
	struct node *n = a->n;
	enum err e;

	m.id = n->agency.text;
	m.origin = n->origin.text;
	m.version = message_borrow_text(AMPARO_VERSION);
	m.has_size = m.has_root = m.has_started_us = m.has_n_peers = m.has_n_connected = 1;
	m.has_n_waiting = m.has_n_records = m.has_n_awaits_us = 1;
	m.size = n->tree.size;
	m.root = message_borrow(view_digest(&root));
	m.started_us = n->started_us;
	m.n_peers = (uint32_t)n->n_peer;
	for (size_t i = 0; i < n->n_peer; i++) {
		m.n_connected += n->peer[i].live != NULL;
		m.n_waiting += peer_n_waiting(&n->peer[i]);
	}
	m.state = message_borrow_text(
		n->hold ? n->hold
		: n->room != ROOM_ENOUGH
			? "serving, but the disk is nearly full: nothing new is taken"
			: "serving");
	m.has_reserve_bytes = 1;
	m.reserve_bytes = n->limits.reserve_bytes;
	m.has_free_bytes = n->free_bytes != UINT64_MAX;
	m.free_bytes = n->free_bytes;
	d = verify_key_fingerprint(seal_key_public(n->seal_key));
	hex_encode(view_digest(&d), fingerprint);
	m.fingerprint = fingerprint;
	reply.status = &m;
	e = record_count(n->store, &m.n_records);
	if (!e)
		e = referral_walk(n->store, count_awaiting, &m.n_awaits_us);
	return e ? err_trace(e) : reply_row(n, a->caller->id, a->id, &reply, false);
}
