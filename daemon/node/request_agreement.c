/* API: agreements: adopted, withdrawn, listed. */
#include <string.h>
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

static bool adoption_stands(const struct adoption_row *row)
{
	return row->our_k && !row->our_withdraw_k;
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
	if (!e && adoption_stands(&row))
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

/* Before anything is written: there is somebody to tell, and each can be told now. */
static enum err may_adopt(struct node *n, const struct agreement *agreement)
{
	bool has_peer = false;

	for (size_t i = 0; i < agreement_n_parties(agreement); i++) {
		struct peer *p = peer_by_id(n, agreement_party(agreement, i));
		struct adoption_row row = {0};
		enum err e;

		if (!p || !p->is_configured)
			continue;
		has_peer = true;
		e = adoption_get(n->store, p->row.id, agreement_digest(agreement), &row);
		if (e == ERR_NOT_FOUND || (!e && !adoption_stands(&row)))
			e = ledger_may_say(n, p, PB(ENTRY_KIND, ADOPT));
		if (e)
			return err_trace(e);
	}
	return has_peer ? ERR_OK
			: err_new(ERR_INVALID,
				  "none of its other parties is a configured peer: add them to "
				  "amparod.yaml under `peers` first");
}

static enum err validity_is_over(const struct agreement *agreement)
{
	char day[16];

	day_text(agreement_valid_until_us(agreement), day);
	return err_new(
		ERR_INVALID,
		"the agreement's validity is over, it ended on %s: agree on a new file with a "
		"later `until`",
		day);
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
	if (!e && ledger_time_us(a->n) > agreement_valid_until_us(agreement))
		e = validity_is_over(agreement);
	if (!e)
		e = limits_allow(a->n, ROOM_RESERVE);
	if (!e && a->n->hold)
		e = err_new(ERR_STATE, "nothing is signed: %s", a->n->hold);
	if (!e)
		e = may_adopt(a->n, agreement);
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

/* --- withdrawn --- */

#define PREFIX_HEX_MIN 8

/* The adoptions of ours that are meant. */
struct meant {
	struct node *n;
	const char *text; /* what the operator calls the agreement */
	struct digest digest;
	struct buf rows;   /* struct adoption_row each: those that stand */
	bool is_known;	   /* some adoption here has this name, or did */
	bool is_ambiguous; /* two agreements that stand do */
};

/* By a beginning of its digest, or by its name. */
static enum err is_meant(const struct meant *m, const struct adoption_row *row, bool *ret)
{
	const size_t n = strlen(m->text);
	const struct agreement *agreement = NULL;
	char id[HEX_LEN(DIGEST_BYTES)];
	enum err e;

	hex_encode(view_digest(&row->digest), id);
	*ret = n >= PREFIX_HEX_MIN && n < sizeof(id) && strncmp(id, m->text, n) == 0;
	if (*ret)
		return ERR_OK;
	e = agreement_load(m->n, &row->digest, &agreement);
	if (e == ERR_NOT_FOUND)
		return ERR_OK; /* of a file that is not readable any more there is only the digest
				*/
	if (e)
		return err_trace(e);
	*ret = strcmp(agreement_name(agreement), m->text) == 0;
	return ERR_OK;
}

static enum err note_meant(void *ctx, const struct adoption_row *row)
{
	struct meant *m = ctx;
	bool is;
	enum err e;

	if (!row->our_k)
		return ERR_OK;
	e = is_meant(m, row, &is);
	if (e || !is)
		return e ? err_trace(e) : ERR_OK;
	m->is_known = true;
	if (!adoption_stands(row))
		return ERR_OK;
	m->is_ambiguous = m->is_ambiguous || (m->rows.n && !digest_eq(&m->digest, &row->digest));
	m->digest = row->digest;
	return buf_put(&m->rows, row, sizeof(*row));
}

static enum err find_meant(struct asking *a, struct meant *m)
{
	const struct pb_agreement_withdraw *ask = a->m->agreement_withdraw;
	const struct peer *p = NULL;
	enum err e;

	m->text = ask->agreement;
	if (!m->text || !m->text[0])
		return err_new(ERR_INVALID, "which agreement is not said");
	if (ask->peer && ask->peer[0]) {
		p = peer_by_name(a->n, ask->peer);
		if (!p)
			return err_new(ERR_INVALID, "no peer of this name, or more than one: see "
						    "`amparo peer list`");
	}
	e = adoption_walk(a->n->store, p ? p->row.id : 0, note_meant, m);
	if (e)
		return err_trace(e);
	if (m->is_ambiguous)
		return err_new(ERR_INVALID,
			       "more than one agreement is called so: give its digest, "
			       "see `amparo agreement list`");
	if (m->rows.n)
		return ERR_OK;
	return err_new(ERR_INVALID, "%s: see `amparo agreement list`",
		       m->is_known ? "this agreement is withdrawn already"
				   : "no agreement that is adopted here has this digest or name");
}

static enum err withdraw_from(struct asking *a, struct adoption_row *row)
{
	struct pb_withdraw m = PB_WITHDRAW_INIT;
	struct append entry = {
		.kind = PB(ENTRY_KIND, WITHDRAW),
		.peer = peer_by_row(a->n, row->peer),
		.agreement = &row->digest,
		.caller = a->caller,
		.reason = a->m->agreement_withdraw->reason,
	};
	const struct agreement *agreement = NULL;
	struct appended done;
	struct buf body = {0};
	enum err e = agreement_load(a->n, &row->digest, &agreement);

	if (e && e != ERR_NOT_FOUND)
		return err_trace(e);
	/* The reason is for our auditor alone: nothing of it stands in what the peer gets. */
	m.name = message_borrow_text(agreement ? agreement_name(agreement) : row->their_name);
	e = message_encode(&m, &body);
	entry.body = buf_view(&body);
	if (!e)
		e = ledger_append(a->n, &entry, &done);
	buf_fini(&body);
	if (e)
		return err_trace(e);
	row->our_withdraw_k = done.k;
	e = adoption_past_put(a->n->store, row);
	return e ? err_trace(e) : adoption_put(a->n->store, row);
}

/* With all or, when one of them cannot be told now, with none. */
static enum err withdraw_meant(struct asking *a, struct meant *m)
{
	enum err e = limits_allow(a->n, ROOM_LAST);

	for (size_t at = 0; !e && at < m->rows.n; at += sizeof(struct adoption_row)) {
		struct adoption_row row;

		memcpy(&row, buf_data(&m->rows) + at, sizeof(row));
		e = ledger_may_say(a->n, peer_by_row(a->n, row.peer), PB(ENTRY_KIND, WITHDRAW));
	}
	for (size_t at = 0; !e && at < m->rows.n; at += sizeof(struct adoption_row)) {
		struct adoption_row row;

		memcpy(&row, buf_data(&m->rows) + at, sizeof(row));
		e = withdraw_from(a, &row);
	}
	return e ? err_trace(e) : ERR_OK;
}

enum err request_agreement_withdraw(struct asking *a)
{
	const char *reason = a->m->agreement_withdraw->reason;
	struct meant m = {.n = a->n};
	struct only_this o = {.a = a};
	size_t n_peers;
	enum err e;

	if (!reason || !reason[0])
		return reply_error(a->n, a->caller->id, a->id, PB(API_ERROR_CODE, USAGE),
				   "this needs a reason, which is logged: --reason TEXT");
	e = find_meant(a, &m);
	if (!e)
		e = withdraw_meant(a, &m);
	n_peers = m.rows.n / sizeof(struct adoption_row);
	buf_fini(&m.rows);
	if (e)
		return reply_failed(a->n, a->caller->id, a->id, e);
	log_line(LOG_NOTICE, "agreement withdrawn here peers=%zu", n_peers);
	o.digest = m.digest;
	e = adoption_walk(a->n->store, 0, send_if_this, &o);
	return e ? err_trace(e) : reply_end(a->n, a->caller->id, a->id);
}
