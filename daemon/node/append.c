/* Writing to the ledger: entries with what stands beside them, and the checkpoint over them. */
#include <string.h>

#include "base/log.h"
#include "crypto/digest.h"
#include "node/internal.h"

uint64_t ledger_time_us(struct node *n)
{
	uint64_t now = n->port.utc_us(n->port.ctx);

	return now > n->last_time_us ? now : n->last_time_us;
}

uint64_t time_storable(uint64_t us)
{
	return us <= INT64_MAX ? us : INT64_MAX;
}

static enum err seal_body(struct node *n, const struct append *a, struct entry *entry,
			  struct blob *b, uint8_t salt[SALT_BYTES])
{
	struct held_seal held = {.num = 0};
	enum err e;

	if (a->manifest) {
		entry->has_body = true;
		entry->body_digest = *a->manifest;
		return ERR_OK;
	}
	if (!a->peer)
		return ERR_OK;
	if (a->body.n > BODY_BYTES_MAX)
		return err_new(ERR_LIMIT, "body of %zu bytes, at most %d", a->body.n,
			       BODY_BYTES_MAX);
	e = n->port.random(n->port.ctx, salt, SALT_BYTES);
	if (!e && a->record)
		e = own_record_hold_seal(n, a->record, &held);
	if (e)
		return err_trace(e);
	entry->has_body = true;
	entry->body_digest = body_digest(salt, a->body);
	return body_seal(n, b, view_of(salt, SALT_BYTES), a->body, &held);
}

static void fill_local_part(const struct append *a, struct pb_local_part *m)
{
	m->person = message_borrow_text(a->caller ? a->caller->person : NULL);
	m->reason = message_borrow_text(a->reason);
	m->detail = message_borrow_text(a->detail);
	if (a->caller) {
		m->has_uid = 1;
		m->uid = a->caller->uid;
	}
	if (a->record_id) {
		m->has_record_id = 1;
		m->record_id = message_borrow(view_of(a->record_id, RECORD_ID_BYTES));
	}
	m->has_revision = a->revision != 0;
	m->revision = a->revision;
}

/* Who and why, for this node's auditor; without them 32 random bytes stand in the entry. */
static enum err seal_local(struct node *n, const struct append *a, struct entry *entry,
			   struct blob *b)
{
	struct pb_local_part m = PB_LOCAL_PART_INIT;
	struct buf plain = {0};
	struct view all;
	uint8_t salt[SALT_BYTES];
	enum err e;

	e = n->port.random(n->port.ctx, salt, sizeof(salt));
	if (e)
		return err_trace(e);
	if (!a->caller && !a->detail) {
		memcpy(entry->local_digest.b, salt, sizeof(salt));
		return ERR_OK;
	}
	fill_local_part(a, &m);
	e = buf_put(&plain, salt, sizeof(salt));
	if (!e)
		e = message_encode(&m, &plain);
	if (!e) {
		all = buf_view(&plain);
		entry->local_digest =
			local_digest(salt, view_of(all.p + sizeof(salt), all.n - sizeof(salt)));
		e = blob_seal(n, b, BLOB_LOCAL, all);
	}
	if (plain.n)
		wipe(buf_data(&plain), plain.n);
	buf_fini(&plain);
	return e ? err_trace(e) : ERR_OK;
}

/* Body and local part, each under its own key, are one blob. */
static enum err store_blob(struct node *n, const struct append *a, struct entry *entry,
			   struct entry_row *row, uint8_t salt[SALT_BYTES])
{
	struct blob b = {.n = 0};
	enum err e = seal_body(n, a, entry, &b, salt);

	row->has_body = b.n > 0;
	if (!e)
		e = seal_local(n, a, entry, &b);
	row->has_local = b.n > row->has_body;
	if (!e && b.n)
		e = blob_write(n, &b);
	memcpy(row->body_blob, b.id, sizeof(b.id));
	memcpy(row->local_blob, b.id, sizeof(b.id));
	blob_fini(&b);
	return e ? err_trace(e) : ERR_OK;
}

static enum err fill_entry(struct node *n, const struct append *a, struct entry *entry)
{
	enum err e = n->port.random(n->port.ctx, entry->nonce, sizeof(entry->nonce));

	if (e)
		return err_trace(e);
	entry->time_us = ledger_time_us(n);
	entry->kind = a->kind;
	if (a->peer) {
		entry->addressee = a->peer->row.agency;
		entry->k = a->peer->row.sent_k + 1;
		entry->prev_head = a->peer->row.sent_head;
		entry->seen_k = a->peer->row.received_k;
	}
	if (a->agreement) {
		entry->has_agreement = true;
		entry->agreement = *a->agreement;
	}
	entry->purpose = a->purpose;
	if (a->answers) {
		entry->has_answers = true;
		entry->answers = *a->answers;
	}
	return ERR_OK;
}

static void advance_chain(struct peer *p, const struct append *a, const struct digest *leaf)
{
	struct chain_head at = {.k = p->row.sent_k, .head = p->row.sent_head};

	at = chain_next(&at, leaf);
	p->row.sent_k = at.k;
	p->row.sent_head = at.head;
	p->dirty = true;
	if (a->kind == PB(ENTRY_KIND, RECEIPT) || a->kind == PB(ENTRY_KIND, RECALL) ||
	    a->kind == PB(ENTRY_KIND, RECALL_ANSWER))
		p->row.urgent_k = at.k;
	if (a->kind != PB(ENTRY_KIND, RECEIPT))
		p->row.content_k = at.k;
}

/* Until a peer has accepted our new epoch and given back what it holds of the old one, only what
 * brings that about is written to it. */
static bool is_locked(const struct append *a)
{
	return a->peer && a->peer->recovery.state != RECOVERY_NONE && !a->is_recovery &&
	       a->kind != PB(ENTRY_KIND, RECEIPT);
}

static enum err may_append(const struct node *n, const struct append *a)
{
	if (n->hold)
		return err_new(ERR_STATE, "nothing is signed: %s", n->hold);
	if (is_locked(a))
		return err_new(
			ERR_STATE,
			"what this peer holds of the ledger before this one is not back yet: "
			"its operator accepts the new one by `amparo peer accept-epoch`");
	return ERR_OK;
}

enum err ledger_may_say(const struct node *n, struct peer *p, Amparo__V1__EntryKind kind)
{
	const struct append a = {.kind = kind, .peer = p};

	return may_append(n, &a);
}

static enum err keep_written(struct node *n, const struct append *a, const struct entry_row *row,
			     const uint8_t salt[SALT_BYTES])
{
	const struct written w = {
		.index = row->index,
		.k = row->k,
		.kind = (int)a->kind,
		.entry = row->entry,
		.has_body = row->has_body,
		.body = a->body,
		.salt = salt,
		.opened = a->opened,
		.n_opened = a->n_opened,
	};

	/* one written again is read back with its openings */
	if (!a->opened &&
	    (a->kind == PB(ENTRY_KIND, REFERRAL) || a->kind == PB(ENTRY_KIND, SUPPLEMENT)))
		return ERR_OK;
	return outbox_written(n, a->peer, &w);
}

enum err ledger_append(struct node *n, const struct append *a, struct appended *ret)
{
	struct entry entry = {0};
	struct entry_row row = {.epoch = n->epoch, .index = n->tree.size};
	uint8_t salt[SALT_BYTES];
	struct buf encoded = {0};
	enum err e;

	ASSERT(entry_kind_is_addressed((int)a->kind) == (a->peer != NULL));
	e = may_append(n, a);
	if (!e)
		e = node_write(n);
	if (!e)
		e = fill_entry(n, a, &entry);
	if (!e)
		e = store_blob(n, a, &entry, &row, salt);
	if (!e)
		e = entry_encode(&entry, &encoded);
	if (e)
		goto done;
	row.entry = buf_view(&encoded);
	row.leaf = merkle_leaf(row.entry);
	row.peer = a->peer ? a->peer->row.id : 0;
	row.k = entry.k;
	e = entry_put(n->store, &row);
	if (!e)
		e = tree_append(&n->tree, &row.leaf);
	if (e)
		goto done;
	n->last_time_us = entry.time_us;
	if (a->peer) {
		advance_chain(a->peer, a, &row.leaf);
		e = keep_written(n, a, &row, salt);
	}
	*ret = (struct appended){
		.index = row.index, .k = entry.k, .leaf = row.leaf, .time_us = entry.time_us};
done:
	buf_fini(&encoded);
	return e ? err_trace(e) : ERR_OK;
}

/* Is it on the disk, what was signed last and written outside the database? Now it is. */
static enum err signed_sync(void *ctx)
{
	struct node *n = ctx;
	enum err e = n->waits_for_signed ? n->port.signed_sync(n->port.ctx) : ERR_OK;

	n->waits_for_signed = n->waits_for_signed && e;
	return e ? err_trace(e) : ERR_OK;
}

enum err ledger_commit(struct node *n)
{
	return n->waits_for_signed ? store_commit_after(n->store, signed_sync, n)
				   : store_commit(n->store);
}

enum err ledger_sign(struct node *n)
{
	struct checkpoint c = {.origin = n->origin, .size = n->tree.size};
	struct buf note = {0};
	enum err e;

	if (n->tree.size == n->signed_size && n->note.n)
		return ERR_OK;
	c.root = tree_root(&n->tree);
	e = checkpoint_sign(&c, n->seal_key, &note);
	if (!e)
		e = node_write(n);
	if (!e)
		e = own_checkpoint_put(n->store, n->epoch, c.size, buf_view(&note));
	if (!e)
		e = signed_sync(n); /* twice in this turn: never both slots at a time */
	if (!e)
		e = n->port.last_signed(n->port.ctx, buf_view(&note), buf_view(&n->note));
	if (e) {
		buf_fini(&note);
		return err_trace(e);
	}
	n->waits_for_signed = true;
	buf_fini(&n->note_before);
	n->note_before = n->note;
	n->note = note;
	n->signed_size = c.size;
	n->roots[c.size % ROOT_CACHE].size = c.size;
	n->roots[c.size % ROOT_CACHE].root = c.root;
	return ERR_OK;
}

enum err ledger_root_at(struct node *n, uint64_t size, struct digest *ret)
{
	struct tree_reader reader = tree_reader_of(&n->tree);

	if (size && n->roots[size % ROOT_CACHE].size == size) {
		*ret = n->roots[size % ROOT_CACHE].root;
		return ERR_OK;
	}
	return merkle_root(&reader, size, ret);
}

enum err ledger_head_at(struct node *n, const struct peer *p, uint64_t k, struct digest *ret)
{
	struct entry_row row;
	struct entry entry;
	enum err e;

	if (k > p->row.sent_k)
		return err_new(ERR_NOT_FOUND, "no position %llu in this chain",
			       (unsigned long long)k);
	if (k == p->row.sent_k) {
		*ret = p->row.sent_head;
		return ERR_OK;
	}
	e = entry_get_k(n->store, n->epoch, p->row.id, k + 1, &row);
	if (!e)
		e = entry_decode(row.entry, &entry);
	if (e)
		return err_trace(e);
	*ret = entry.prev_head;
	return ERR_OK;
}
