/* API: agreements: adopted, withdrawn, listed. */
#include <time.h>

#include "base/log.h"
#include "node/internal.h"
#include "node/limits.h"

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
