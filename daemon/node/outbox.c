/* Batches that go: what the peer's session has not been sent yet, within the window. */
#include <stdlib.h>
#include <string.h>

#include "node/internal.h"

/* Items of one batch with everything that they borrow. */
struct parcel {
	struct node *n;
	struct session *s;
	struct packed_item *item[BATCH_ITEMS_SENT];
	size_t n_item;
	size_t n_bytes;
	uint64_t last_k;
	uint64_t upto_k; /* none after this one */
};

/* An item of a batch, encoded. */
struct packed_item {
	struct message_encoded item; /* of bytes */
	struct buf bytes;
	uint64_t index, k;
	int kind;
};

static void packed_item_free(struct packed_item *i)
{
	if (!i)
		return;
	if (i->bytes.n)
		wipe(buf_data(&i->bytes), i->bytes.n);
	buf_fini(&i->bytes);
	free(i);
}

DEFINE_FREEP(struct packed_item, packed_item_free)

static void parcel_clear(struct parcel *p)
{
	for (size_t i = 0; i < p->n_item; i++)
		packed_item_free(p->item[i]);
	p->n_item = 0;
	p->n_bytes = 0;
}

enum err body_disclosure(int kind, struct view body, void **ret_message,
			 const struct pb_disclosure **ret)
{
	enum err e;

	*ret = NULL;
	if (kind == PB(ENTRY_KIND, REFERRAL)) {
		e = message_decode(&pb_referral_desc, body, MESSAGE_STRICT, ret_message);
		if (!e)
			*ret = ((struct pb_referral *)*ret_message)->record;
		return e;
	}
	if (kind == PB(ENTRY_KIND, SUPPLEMENT)) {
		e = message_decode(&pb_supplement_desc, body, MESSAGE_STRICT, ret_message);
		if (!e)
			*ret = ((struct pb_supplement *)*ret_message)->record;
		return e;
	}
	return ERR_OK;
}

/* Openings, and behind them the pointers to them that are @p m's list; to be freed. */
static enum err put_openings(const struct written *w, struct pb_item *m, struct pb_opening **ret)
{
	struct pb_opening *const opening =
		calloc(w->n_opened, sizeof(*opening) + sizeof(struct pb_opening *));
	struct pb_opening **const list = (void *)(opening + w->n_opened);

	if (!opening)
		return err_new(ERR_NOMEM, "openings");
	for (size_t j = 0; j < w->n_opened; j++) {
		opening[j] = (struct pb_opening)PB_OPENING_INIT;
		opening[j].has_salt = opening[j].has_slice = 1;
		opening[j].salt = message_borrow(w->opened[j].salt);
		opening[j].slice = message_borrow(w->opened[j].slice);
		list[j] = &opening[j];
	}
	m->openings = list;
	m->n_openings = w->n_opened;
	*ret = opening;
	return ERR_OK;
}

#define FIELDS_BYTES 32 /* more than tags, lengths and index of an item or an opening take */

/* At least what the item takes, so that it need not be measured. */
static size_t packed_room(const struct written *w)
{
	size_t n = FIELDS_BYTES + w->entry.n + SALT_BYTES + w->body.n;

	for (size_t j = 0; j < w->n_opened; j++)
		n += FIELDS_BYTES + w->opened[j].salt.n + w->opened[j].slice.n;
	return n;
}

static enum err pack(const struct written *w, struct packed_item **ret)
{
	CLEANUP(packed_item_freep) struct packed_item *i = calloc(1, sizeof(*i));
	CLEANUP(freep) struct pb_opening *opening = NULL;
	struct pb_item m = PB_ITEM_INIT;
	uint8_t *room;
	enum err e = i ? ERR_OK : err_new(ERR_NOMEM, "item");

	m.has_index = m.has_entry = 1;
	m.index = w->index;
	m.entry = message_borrow(w->entry);
	if (w->has_body) {
		m.has_body = m.has_body_salt = 1;
		m.body = message_borrow(w->body);
		m.body_salt = message_borrow(view_of(w->salt, SALT_BYTES));
	}
	if (!e && w->n_opened)
		e = put_openings(w, &m, &opening);
	if (!e)
		e = buf_reserve(&i->bytes, packed_room(w), &room);
	if (!e)
		e = message_encode(&m, &i->bytes);
	if (e)
		return err_trace(e);
	i->item = message_encoded(buf_view(&i->bytes));
	i->index = w->index;
	i->k = w->k;
	i->kind = w->kind;
	*ret = TAKE(i);
	return ERR_OK;
}

/* The openings of what was written before, to be freed; they borrow from the open record. */
static enum err reopen(struct node *n, struct written *w, struct opened_slice **ret)
{
	CLEANUP(message_freep) void *message = NULL;
	const struct pb_disclosure *d;
	enum err e = body_disclosure(w->kind, w->body, &message, &d);

	if (e || !d)
		return e ? err_trace(e) : ERR_OK;
	*ret = calloc((d->has_opened ? d->opened.len / DIGEST_BYTES : 0) + 1, sizeof(**ret));
	if (!*ret)
		return err_new(ERR_NOMEM, "openings");
	w->opened = *ret;
	return own_record_reopen(n, d, *ret, &w->n_opened);
}

static enum err pack_row(struct node *n, const struct entry_row *row, struct packed_item **ret)
{
	struct written w = {.index = row->index, .k = row->k, .entry = row->entry};
	CLEANUP(freep) struct opened_slice *opened = NULL;
	uint8_t salt[SALT_BYTES];
	struct buf body = {0};
	struct entry entry;
	enum err e = entry_decode(row->entry, &entry);

	if (e)
		return err_trace(e);
	w.kind = (int)entry.kind;
	if (row->has_body) {
		e = body_load(n, row->body_blob, salt, &body);
		w.has_body = !e;
		w.body = buf_view(&body);
		w.salt = salt;
		if (!e)
			e = reopen(n, &w, &opened);
		else if (e == ERR_NOT_FOUND)
			e = ERR_OK; /* erased: the entry goes without it, and is receipted as
				       ABSENT */
	}
	if (!e)
		e = pack(&w, ret);
	if (body.n)
		wipe(buf_data(&body), body.n);
	buf_fini(&body);
	return e ? err_trace(e) : ERR_OK;
}

/* --- what was just written, and need not be read back --- */

/* The one at this position, if it is kept; it stays until it is taken. */
static struct packed_item *find_fresh(const struct peer *p, uint64_t k)
{
	struct packed_item *i = p->fresh ? p->fresh[k % FRESH_ITEMS] : NULL;

	return i && i->k == k ? i : NULL;
}

/* What is allocated, which is more than what is encoded: see packed_room(). */
static size_t fresh_bytes(const struct packed_item *i)
{
	return sizeof(*i) + i->bytes.cap;
}

static void take_fresh(struct node *n, struct peer *p, const struct packed_item *i)
{
	p->fresh[i->k % FRESH_ITEMS] = NULL;
	p->n_fresh--;
	p->n_fresh_bytes -= fresh_bytes(i);
	n->n_fresh_bytes -= fresh_bytes(i);
}

void outbox_forget(struct node *n, struct peer *p)
{
	for (size_t at = 0; p->n_fresh && at < FRESH_ITEMS; at++) {
		struct packed_item *i = p->fresh[at];

		if (!i)
			continue;
		take_fresh(n, p, i);
		packed_item_free(i);
	}
	free(p->fresh);
	p->fresh = NULL;
}

uint64_t outbox_deadline_ms(const struct node *n)
{
	uint64_t deadline = UINT64_MAX;

	for (size_t i = 0; n->n_fresh_bytes && i < n->n_peer; i++)
		if (n->peer[i].n_fresh && n->peer[i].fresh_ms + FRESH_KEPT_MS < deadline)
			deadline = n->peer[i].fresh_ms + FRESH_KEPT_MS;
	return deadline;
}

void outbox_tick(struct node *n, uint64_t now_ms)
{
	for (size_t i = 0; n->n_fresh_bytes && i < n->n_peer; i++)
		if (now_ms >= n->peer[i].fresh_ms + FRESH_KEPT_MS)
			outbox_forget(n, &n->peer[i]);
}

enum err outbox_written(struct node *n, struct peer *p, const struct written *w)
{
	struct packed_item **at;
	enum err e;

	if (!p->live)
		return ERR_OK; /* nobody to send it to */
	if (!p->fresh)
		p->fresh = calloc(FRESH_ITEMS, sizeof(struct packed_item *));
	if (!p->fresh)
		return err_new(ERR_NOMEM, "what is to be sent");
	at = &p->fresh[w->k % FRESH_ITEMS];
	if (*at && (*at)->k > p->live->sent_k)
		return ERR_OK; /* what stands here goes before */
	if (*at) {
		struct packed_item *sent = *at;

		take_fresh(n, p, sent);
		packed_item_free(sent);
	}
	if (n->n_fresh_bytes >= FRESH_BYTES_MAX || p->n_fresh_bytes >= FRESH_BYTES_PEER)
		return ERR_OK;
	e = pack(w, at);
	if (e)
		return err_trace(e);
	p->fresh_ms = n->port.mono_ms(n->port.ctx);
	p->n_fresh++;
	p->n_fresh_bytes += fresh_bytes(*at);
	n->n_fresh_bytes += fresh_bytes(*at);
	return ERR_OK;
}

/* --- batches --- */

/* Receipts and recalls ignore the window, and so does what stands before one in the chain: else two
 * full windows would wait for each other's receipts. What bounds those is that the peer reads: see
 * room_for(). */
static bool window_is_open(const struct node *n, const struct session *s, uint64_t k)
{
	if (k <= s->peer->row.urgent_k)
		return true;
	return s->flight_items < n->limits.window_items && s->flight_bytes < WINDOW_BYTES;
}

static void count_in_flight(struct session *s, uint64_t k, size_t n_bytes)
{
	size_t at = (s->flight_at + s->n_flight) % WINDOW_ITEMS;

	/* beyond the window, for a receipt's sake: counted with the last one */
	if (s->n_flight == WINDOW_ITEMS) {
		at = (at + WINDOW_ITEMS - 1) % WINDOW_ITEMS;
	} else {
		s->flight[at] = (struct in_flight){0};
		s->n_flight++;
	}
	s->flight[at].k = k;
	s->flight[at].n_items++;
	s->flight[at].n_bytes += n_bytes;
	s->flight_items++;
	s->flight_bytes += n_bytes;
}

void outbox_receipted(struct session *s, uint64_t size, uint64_t k)
{
	/* What a RESUME before it asks for came through meanwhile. Sent again it would be known,
	 * and receipted by nobody: it would stand in the window for good. */
	if (s->sent_k < k) {
		s->sent_k = k;
		s->sent_size = s->sent_size > size ? s->sent_size : size;
		s->may_send_more = true;
	}
	while (s->n_flight && s->flight[s->flight_at].k <= k) {
		s->flight_items -= s->flight[s->flight_at].n_items;
		s->flight_bytes -= s->flight[s->flight_at].n_bytes;
		s->flight_at = (s->flight_at + 1) % WINDOW_ITEMS;
		s->n_flight--;
		s->may_send_more = true;
	}
}

void outbox_rewind(struct node *n, struct session *s, uint64_t size, uint64_t k)
{
	outbox_forget(n, s->peer);
	s->sent_size = size;
	s->sent_k = k;
	s->n_flight = 0;
	s->flight_items = 0;
	s->flight_bytes = 0;
	/* they went with a batch that was dropped */
	s->proofs_are_due = s->n_wanted != 0;
	for (size_t i = 0; i < s->n_wanted; i++)
		s->wanted[i].is_sent = false;
}

/* Is there room for the next one, whatever its size? */
static bool has_room(const struct parcel *p, uint64_t k)
{
	return k <= p->upto_k && p->n_item < BATCH_ITEMS_SENT && window_is_open(p->n, p->s, k);
}

static bool fits(const struct parcel *p, const struct packed_item *i)
{
	return p->n_item == 0 || p->n_bytes + i->bytes.n <= BATCH_BYTES_MAX;
}

/* The parcel owns it now. */
static void put_in_parcel(struct parcel *p, struct packed_item *i)
{
	p->s->peer->fresh_ms = p->n->port.mono_ms(p->n->port.ctx);
	p->item[p->n_item++] = i;
	p->n_bytes += i->bytes.n;
	p->last_k = i->k;
	if (i->kind != PB(ENTRY_KIND, RECEIPT))
		count_in_flight(p->s, i->k, i->bytes.n);
}

static enum err add_to_parcel(void *ctx, const struct entry_row *row)
{
	struct parcel *p = ctx;
	struct packed_item *i;
	enum err e;

	if (!has_room(p, row->k))
		return ERR_FULL;
	i = find_fresh(p->s->peer, row->k);
	if (i) {
		take_fresh(p->n, p->s->peer, i);
	} else {
		e = pack_row(p->n, row, &i);
		if (e)
			return err_trace(e);
	}
	if (!fits(p, i)) {
		packed_item_free(i);
		return ERR_FULL;
	}
	put_in_parcel(p, i);
	return ERR_OK;
}

/* As many as fit, from memory as long as they are there, then from the database. */
static enum err fill_parcel(struct node *n, struct session *s, struct parcel *p)
{
	struct peer *peer = s->peer;
	enum err e;

	p->last_k = s->sent_k;
	while (p->last_k < p->upto_k) {
		struct packed_item *i = find_fresh(peer, p->last_k + 1);

		if (!i)
			break;
		if (!has_room(p, i->k) || !fits(p, i))
			return ERR_OK;
		take_fresh(n, peer, i);
		put_in_parcel(p, i);
	}
	if (p->last_k >= p->upto_k)
		return ERR_OK;
	e = entry_walk_peer(n->store, n->epoch, peer->row.id, p->last_k, add_to_parcel, p);
	return e == ERR_FULL ? ERR_OK : e;
}

/* Sizes that the peer wants proven and that our ledger has reached; others wait for a later batch.
 */
static size_t proofs_due(const struct node *n, const struct session *s, uint64_t *ret_size)
{
	size_t count = 0;

	for (size_t i = 0; i < s->n_wanted; i++)
		if (!s->wanted[i].is_sent && s->wanted[i].size &&
		    s->wanted[i].size <= n->signed_size)
			ret_size[count++] = s->wanted[i].size;
	return count;
}

static void proofs_went(const struct node *n, struct session *s)
{
	s->proofs_are_due = false;
	for (size_t i = 0; i < s->n_wanted; i++)
		s->wanted[i].is_sent |= s->wanted[i].size <= n->signed_size;
}

static enum err send_parcel(struct node *n, struct session *s, struct parcel *p)
{
	struct tree_reader reader = tree_reader_of(&n->tree);
	struct batch_part part[BATCH_ITEMS_SENT];
	uint64_t prove[HELLO_PROVE_MAX];
	struct batch_terms terms = {
		.from_size = s->sent_size,
		.note = buf_view(&n->note),
		.size = n->signed_size,
		.part = part,
		.n_part = p->n_item,
		.prove = prove,
		.n_prove = proofs_due(n, s, prove),
	};
	struct output *o;
	enum err e;

	for (size_t i = 0; i < p->n_item; i++)
		part[i] = (struct batch_part){p->item[i]->index, &p->item[i]->item.base};
	e = output_new(n, OUTPUT_SEND, s->number, &o);
	if (!e)
		e = batch_make(&terms, &reader, &o->data);
	if (e)
		return err_trace(e);
	s->sent_size = s->shown_size = n->signed_size;
	proofs_went(n, s);
	if (p->n_item)
		s->sent_k = p->last_k;
	s->said_ms = n->port.mono_ms(n->port.ctx);
	s->sent_hour = n->port.utc_us(n->port.ctx) / HOUR_US;
	return ERR_OK;
}

/* How many bytes may be made for a session now. What waits to be read by the peer waits in memory,
 * and a chain may be long: the peer's cursor can stand anywhere, and a receipt takes along all
 * before it. */
static size_t room_for(struct node *n, struct session *s)
{
	const size_t unsent = n->port.unsent ? n->port.unsent(n->port.ctx, s->number) : 0;

	if (unsent >= UNSENT_MAX)
		return 0;
	return UNSENT_MAX - unsent < PUMP_BYTES_MAX ? UNSENT_MAX - unsent : PUMP_BYTES_MAX;
}

static enum err pump_items(struct node *n, struct session *s, struct parcel *p)
{
	const size_t room = room_for(n, s);
	size_t n_pumped = 0;
	enum err e;

	s->pump_at_ms = UINT64_MAX;
	s->may_send_more = false;
	while (s->sent_k < p->upto_k) {
		if (n_pumped >= room) {
			s->pump_at_ms = n->port.mono_ms(n->port.ctx) + (room ? 0 : PUMP_AGAIN_MS);
			return ERR_OK;
		}
		e = fill_parcel(n, s, p);
		if (e)
			return err_trace(e);
		if (p->n_item == 0)
			return ERR_OK;
		n_pumped += p->n_bytes;
		e = send_parcel(n, s, p);
		parcel_clear(p);
		if (e)
			return err_trace(e);
	}
	return ERR_OK;
}

enum err outbox_pump(struct node *n, struct session *s, uint64_t upto_k)
{
	const uint64_t hour = n->port.utc_us(n->port.ctx) / HOUR_US;
	struct parcel p = {.n = n, .s = s, .upto_k = upto_k};
	uint64_t prove[HELLO_PROVE_MAX];
	enum err e;

	if (s->closing || !s->hello_seen || s->peer->live != s || n->hold)
		return ERR_OK;
	e = pump_items(n, s, &p);
	/* proofs that were asked for, and once an hour the newest checkpoint, whether there is
	 * something to say or not */
	if (!e && ((s->proofs_are_due && proofs_due(n, s, prove)) ||
		   (hour != s->sent_hour && s->sent_size < n->signed_size)))
		e = send_parcel(n, s, &p);
	parcel_clear(&p);
	return e ? err_trace(e) : ERR_OK;
}
