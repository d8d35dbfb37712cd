/* API: peers, the node's own status. */
#include "crypto/digest.h"
#include "node/internal.h"

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

/* --- status --- */

enum err request_node_status(struct asking *a)
{
	struct pb_api_reply reply = PB_API_REPLY_INIT;
	struct pb_status_row m = PB_STATUS_ROW_INIT;
	char fingerprint[HEX_LEN(DIGEST_BYTES)];
	struct digest root = tree_root(&a->n->tree), d;
	struct node *n = a->n;
	bool is_synchronous = false;
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
	m.has_n_commits = 1;
	m.n_commits = n->n_commits;
	reply.status = &m;
	e = store_is_synchronous(n->store, &is_synchronous);
	m.synchronous = message_borrow_text(is_synchronous ? "full" : "not full");
	if (!e)
		e = record_count(n->store, &m.n_records);
	if (!e)
		e = referral_count_awaiting(n->store, &m.n_awaits_us);
	return e ? err_trace(e) : reply_row(n, a->caller->id, a->id, &reply, false);
}
