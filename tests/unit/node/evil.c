#include "unit/node/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/digest.h"
#include "record/slice.h"

void evil_init(struct evil *e, struct fixture *f, enum who who)
{
	*e = (struct evil){.f = f, .papers = &f->agency[who], .victim = &f->agency[CZ]};
	e->time_us = f->utc_us;
	origin_make(&e->origin, &e->papers->id, START_US / 1000000 - 1000);
	e->at = chain_start(e->origin.text, &e->victim->id);
	evil_pad(e, 1);
}

void evil_fini(struct evil *e)
{
	for (size_t i = 0; i < e->n_item; i++) {
		buf_fini(&e->item[i].entry);
		buf_fini(&e->item[i].body);
		buf_fini(&e->item[i].openings);
	}
	for (size_t i = 0; i < e->n_got; i++)
		buf_fini(&e->got[i].body);
	free(e->item);
	free(e->got);
	buf_fini(&e->held_note);
	memory_tree_fini(&e->tree);
	evil_record_fini(&e->record);
	message_free(e->last_frame);
}

/* --- session --- */

void evil_arrive(struct evil *e, int role)
{
	e->session = ++e->f->next_session;
	e->role = role;
	e->bye = 0;
	memset(e->exporter, (int)e->session, sizeof(e->exporter));
	host_forget(e->victim);
	assert_int_equal(
		node_session_opened(e->victim->node, e->session, role, &e->papers->id, e->exporter),
		ERR_OK);
}

void evil_open(struct evil *e, int role)
{
	evil_arrive(e, role);
	host_turn(e->victim);
	evil_listen(e);
}

void evil_note(struct evil *e, struct buf *out)
{
	struct checkpoint c = {.origin = e->origin,
			       .size = e->tree.frontier.size,
			       .root = frontier_root(&e->tree.frontier)};

	assert_int_equal(checkpoint_sign(&c, e->papers->seal_key, out), ERR_OK);
}

struct hello_terms evil_terms(struct evil *e)
{
	return (struct hello_terms){
		.role = e->role == TLS_DIALLER ? TLS_LISTENER : TLS_DIALLER,
		.exporter = e->exporter,
		.id = &e->papers->id,
		.origin = &e->origin,
		.seal_chain = &e->papers->chain,
		.your_checkpoint = buf_view(&e->held_note),
		.received = e->received,
		.schema_version = FIELD_SCHEMA_VERSION,
	};
}

void evil_say(struct evil *e, const struct hello_terms *terms)
{
	CLEANUP(buf_fini) struct buf frame = {0}, note = {0};
	struct hello_terms t = *terms;

	if (!t.my_checkpoint.n) {
		evil_note(e, &note);
		t.my_checkpoint = buf_view(&note);
	}
	assert_int_equal(hello_make(&t, e->papers->seal_key, &frame), ERR_OK);
	evil_bytes(e, buf_view(&frame));
}

void evil_connect(struct evil *e, int role)
{
	struct hello_terms terms;

	evil_open(e, role);
	terms = evil_terms(e);
	e->sent_size = host_peer(e->victim, e->papers->who)->row.held_size;
	evil_say(e, &terms);
	if (e->bye || !host_peer(e->victim, e->papers->who)->live)
		fail_msg("not taken: bye %d %s", e->bye, err_detail());
}

void evil_close(struct evil *e)
{
	assert_int_equal(node_session_closed(e->victim->node, e->session), ERR_OK);
	host_turn(e->victim);
}

void evil_bytes(struct evil *e, struct view bytes)
{
	assert_int_equal(node_frame(e->victim->node, e->session, bytes), ERR_OK);
	host_turn(e->victim);
	evil_listen(e);
}

void evil_frame(struct evil *e, struct pb_frame *m)
{
	CLEANUP(buf_fini) struct buf frame = {0};

	assert_int_equal(message_encode(m, &frame), ERR_OK);
	evil_bytes(e, buf_view(&frame));
}

/* --- what the node says --- */

static void keep_item(struct evil *e, const struct batch_item *item)
{
	struct evil_got *got;

	e->got = realloc(e->got, (e->n_got + 1) * sizeof(*e->got));
	assert_non_null(e->got);
	got = &e->got[e->n_got++];
	*got = (struct evil_got){.k = item->k, .leaf = item->leaf};
	assert_int_equal(entry_decode(item->entry, &got->entry), ERR_OK);
	got->n_openings = item->item->n_openings;
	if (item->item->has_body) {
		struct digest digest;
		struct view body = message_bytes(1, item->item->body);

		assert_int_equal(item->item->body_salt.len, SALT_BYTES);
		digest = body_digest(item->item->body_salt.data, body);
		assert_true(digest_eq(&digest, &got->entry.body_digest));
		assert_int_equal(buf_put_view(&got->body, body), ERR_OK);
	}
	e->received = item->after;
}

static void listen_batch(struct evil *e, const struct pb_batch *m)
{
	struct batch_expected x = {
		.origin = e->node_origin.text,
		.key = seal_key_public(e->victim->seal_key),
		.held_size = e->held.size,
		.held_root = e->held.root,
		.received = e->received,
	};
	CLEANUP(freep) struct batch *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	e->n_batches++;
	if (batch_check(m, &x, b) != BATCH_OK)
		fail_msg("the node's batch is not as it should be: %s", err_detail());
	e->held = b->checkpoint;
	buf_clear(&e->held_note);
	assert_int_equal(buf_put_view(&e->held_note, b->note), ERR_OK);
	for (size_t i = 0; i < b->n_item; i++)
		if (!b->item[i].is_known)
			keep_item(e, &b->item[i]);
}

static void listen_hello(struct evil *e, const struct pb_hello *m)
{
	struct hello_expected x = {
		.role = e->role,
		.exporter = e->exporter,
		.id = &e->victim->id,
		.trust = e->f->trust,
		.utc_s = (int64_t)(e->f->utc_us / 1000000),
		.our_origin = &e->origin,
		.our_key = seal_key_public(e->papers->seal_key),
	};
	struct hello h;

	if (hello_check(m, &x, &h))
		fail_msg("the node's Hello is not as it should be: %s", err_detail());
	if (!e->received.k)
		e->received = chain_start(h.origin.text, &e->papers->id);
	e->node_origin = h.origin;
	hello_fini(&h);
}

void evil_listen(struct evil *e)
{
	struct host *h = e->victim;

	for (size_t i = 0; i < h->n_sent; i++) {
		struct pb_frame *m = h->sent[i].frame;

		if (h->sent[i].session != e->session || !m)
			continue;
		if (m->hello)
			listen_hello(e, m->hello);
		if (m->batch)
			listen_batch(e, m->batch);
		if (m->bye) {
			e->bye = (int)m->bye->code;
			e->bye_retry_s = m->bye->retry_after_s;
		}
		if (m->resume) {
			e->n_resume++;
			e->resume = *m->resume;
			if (m->resume->has_head)
				memcpy(e->resume_head, m->resume->head.data, DIGEST_BYTES);
		}
		if (m->answer) {
			message_free(e->last_frame);
			e->last_frame = TAKE(h->sent[i].frame);
			e->answer = e->last_frame->answer;
		}
	}
	for (size_t i = 0; i < h->n_sent; i++)
		if (h->sent[i].session == e->session)
			h->sent[i].session = 0;
}

/* --- its ledger --- */

void evil_pad(struct evil *e, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct digest leaf = {.b = {0xee}};

		put_u64be(leaf.b + 8, e->tree.frontier.size);
		memory_tree_append(&e->tree, &leaf);
	}
}

struct evil_item *evil_add_bytes(struct evil *e, struct view bytes)
{
	struct evil_item *item;

	e->item = realloc(e->item, (e->n_item + 1) * sizeof(*e->item));
	assert_non_null(e->item);
	item = &e->item[e->n_item++];
	memset(item, 0, sizeof(*item));
	assert_int_equal(buf_put_view(&item->entry, bytes), ERR_OK);
	item->leaf = merkle_leaf(bytes);
	item->index = e->tree.frontier.size;
	memory_tree_append(&e->tree, &item->leaf);
	e->at = chain_next(&e->at, &item->leaf);
	return item;
}

struct entry evil_next(struct evil *e, int kind)
{
	struct entry entry = {
		.time_us = ++e->time_us,
		.kind = (Amparo__V1__EntryKind)kind,
		.addressee = e->victim->id,
		.k = e->at.k + 1,
		.prev_head = e->at.head,
		.seen_k = e->received.k,
	};

	put_u64be(entry.nonce, e->time_us);
	return entry;
}

struct evil_item *evil_add(struct evil *e, struct entry *entry, struct view body)
{
	CLEANUP(buf_fini) struct buf bytes = {0};
	struct evil_item *item;
	uint8_t salt[SALT_BYTES];

	memset(salt, (int)e->n_item + 1, sizeof(salt));
	if (!entry->has_body) {
		entry->has_body = true;
		entry->body_digest = body_digest(salt, body);
	}
	assert_int_equal(entry_encode(entry, &bytes), ERR_OK);
	item = evil_add_bytes(e, buf_view(&bytes));
	assert_int_equal(buf_put_view(&item->body, body), ERR_OK);
	item->has_body = true;
	memcpy(item->salt, salt, sizeof(salt));
	item->n_salt = sizeof(salt);
	return item;
}

struct evil_item *evil_add_message(struct evil *e, struct entry *entry, const void *body)
{
	CLEANUP(buf_fini) struct buf encoded = {0};

	assert_int_equal(message_encode(body, &encoded), ERR_OK);
	return evil_add(e, entry, buf_view(&encoded));
}

void evil_open_slice(struct evil_item *item, struct view salt, struct view slice)
{
	assert_int_equal(buf_put_view(&item->openings, salt), ERR_OK);
	assert_int_equal(buf_put_view(&item->openings, slice), ERR_OK);
	assert_int_equal(salt.n, SLICE_SALT_BYTES);
	item->n_slice[item->n_opening++] = slice.n;
}

struct packed {
	struct pb_item item[BATCH_ITEMS_MAX];
	struct batch_part part[BATCH_ITEMS_MAX];
	struct pb_opening *opening[BATCH_ITEMS_MAX];
	struct pb_opening **opening_list[BATCH_ITEMS_MAX];
};

static void pack(struct evil_item *from, struct packed *p, size_t i)
{
	struct pb_item *m = &p->item[i];
	size_t at = 0;

	*m = (struct pb_item)PB_ITEM_INIT;
	m->has_index = m->has_entry = 1;
	m->index = from->index;
	m->entry = message_borrow(buf_view(&from->entry));
	m->has_body = from->has_body;
	m->body = message_borrow(buf_view(&from->body));
	m->has_body_salt = from->n_salt != 0;
	m->body_salt = message_borrow(view_of(from->salt, from->n_salt));
	p->opening[i] = calloc(from->n_opening + 1, sizeof(*p->opening[i]));
	p->opening_list[i] = calloc(from->n_opening + 1, sizeof(struct pb_opening *));
	assert_non_null(p->opening[i]);
	assert_non_null(p->opening_list[i]);
	for (size_t j = 0; j < from->n_opening; j++) {
		struct pb_opening *o = &p->opening[i][j];
		uint8_t *bytes = buf_data(&from->openings) + at;

		*o = (struct pb_opening)PB_OPENING_INIT;
		o->has_salt = o->has_slice = 1;
		o->salt = message_borrow(view_of(bytes, SLICE_SALT_BYTES));
		o->slice = message_borrow(view_of(bytes + SLICE_SALT_BYTES, from->n_slice[j]));
		at += SLICE_SALT_BYTES + from->n_slice[j];
		p->opening_list[i][j] = o;
	}
	m->openings = p->opening_list[i];
	m->n_openings = from->n_opening;
	p->part[i] = (struct batch_part){m->index, &m->base};
}

void evil_hand_over(struct evil *e, uint64_t after_k, uint64_t to_k)
{
	CLEANUP(buf_fini) struct buf frame = {0}, note = {0};
	CLEANUP(freep) struct packed *p = calloc(1, sizeof(*p));
	struct tree_reader reader = memory_tree_reader(&e->tree);
	struct batch_terms terms = {
		.from_size = e->sent_size, .size = e->tree.frontier.size, .n_part = to_k - after_k};

	assert_non_null(p);
	assert_true(to_k <= e->n_item && terms.n_part <= BATCH_ITEMS_MAX);
	evil_note(e, &note);
	for (size_t i = 0; i < terms.n_part; i++)
		pack(&e->item[after_k + i], p, i);
	terms.note = buf_view(&note);
	terms.part = p->part;
	assert_int_equal(batch_make(&terms, &reader, &frame), ERR_OK);
	for (size_t i = 0; i < terms.n_part; i++) {
		free(p->opening[i]);
		free(p->opening_list[i]);
	}
	e->sent_size = terms.size;
	assert_int_equal(node_frame(e->victim->node, e->session, buf_view(&frame)), ERR_OK);
}

void evil_batch(struct evil *e, uint64_t after_k, uint64_t to_k)
{
	evil_hand_over(e, after_k, to_k);
	host_turn(e->victim);
	evil_listen(e);
}

void evil_send(struct evil *e)
{
	for (;;) {
		uint64_t k = host_peer(e->victim, e->papers->who)->row.received_k;
		uint64_t to = k + 200 < e->n_item ? k + 200 : e->n_item;

		if (k == e->n_item)
			return;
		evil_batch(e, k, to);
		assert_int_equal(e->bye, 0);
		assert_int_equal(host_peer(e->victim, e->papers->who)->row.received_k, to);
	}
}

int evil_outcome(struct evil *e, uint64_t k)
{
	for (size_t i = e->n_got; i-- > 0;) {
		CLEANUP(message_freep) struct pb_receipt *r = NULL;

		if (e->got[i].entry.kind != PB(ENTRY_KIND, RECEIPT))
			continue;
		assert_int_equal(message_decode(&pb_receipt_desc, buf_view(&e->got[i].body),
						MESSAGE_STRICT, &r),
				 ERR_OK);
		if (k < r->from_k || k > r->to_k)
			continue;
		for (size_t j = 0; j < r->n_exceptions; j++)
			if (r->exceptions[j]->k == k)
				return r->exceptions[j]->has_reason ? (int)r->exceptions[j]->reason
								    : -1;
		return 0;
	}
	fail_msg("no receipt says anything of position %d", (int)k);
	return -2;
}

void evil_receipt(struct evil *e)
{
	CLEANUP(buf_fini) struct buf body = {0};
	struct item_outcome range[2] = {{.k = e->receipted_k + 1}, {.k = e->received.k}};
	struct entry entry = evil_next(e, PB(ENTRY_KIND, RECEIPT));

	assert_true(e->received.k > e->receipted_k);
	assert_int_equal(receipt_make(&e->held, range, range[0].k == range[1].k ? 1 : 2,
				      &e->received.head, &body),
			 ERR_OK);
	(void)evil_add(e, &entry, buf_view(&body));
	e->receipted_k = e->received.k;
}

/* --- a record and its agreement --- */

void evil_record_fini(struct evil_record *r)
{
	slice_set_fini(&r->slices);
	free(r->salts);
	buf_fini(&r->manifest_bytes);
	buf_fini(&r->seal_entry);
	memset(r, 0, sizeof(*r));
}

struct manifest_terms evil_manifest_terms(struct evil *e)
{
	struct manifest_terms terms = {
		.revision = 1,
		.type = RECORD_VICTIM,
		.schema_version = FIELD_SCHEMA_VERSION,
		.originator = e->papers->id,
		.sealed_at_us = e->time_us,
	};

	put_u64be(terms.record_id, e->time_us);
	return terms;
}

void evil_set_add(struct slice_set *set, const struct pb_victim_record *record)
{
	CLEANUP(buf_fini) struct buf encoded = {0};
	struct slice_set more = {0};
	uint8_t *room;

	assert_int_equal(message_encode(record, &encoded), ERR_OK);
	assert_int_equal(record_cut(RECORD_VICTIM, buf_view(&encoded), &more), ERR_OK);
	if (!set->slice) {
		set->type = RECORD_VICTIM;
		set->slice = calloc(SLICES_MAX, sizeof(*set->slice));
		assert_non_null(set->slice);
		/* all at once, so that no slice moves */
		assert_int_equal(buf_reserve(&set->storage, 1 << 16, &room), ERR_OK);
	}
	for (size_t i = 0; i < more.n; i++) {
		size_t at = set->storage.n, n = more.slice[i].bytes.n;

		assert_true(at + n <= 1 << 16);
		assert_int_equal(buf_put_view(&set->storage, more.slice[i].bytes), ERR_OK);
		set->slice[set->n++] = (struct slice){
			.unit = more.slice[i].unit,
			.bytes = view_of(buf_data(&set->storage) + at, n),
		};
	}
	slice_set_fini(&more);
}

void evil_seal_set(struct evil *e, struct slice_set *set, const struct manifest_terms *terms)
{
	struct evil_record *r = &e->record;
	struct entry seal = {
		.time_us = ++e->time_us, .kind = PB(ENTRY_KIND, SEAL), .has_body = true};
	struct digest leaf;
	size_t n;

	evil_record_fini(r);
	r->slices = *set;
	*set = (struct slice_set){0};
	n = manifest_random_bytes(r->slices.n, 0);
	r->salts = malloc(n);
	assert_non_null(r->salts);
	for (size_t i = 0; i < n; i++) {
		e->f->random ^= e->f->random << 13;
		e->f->random ^= e->f->random >> 7;
		e->f->random ^= e->f->random << 17;
		r->salts[i] = (uint8_t)(e->f->random >> 16);
	}
	assert_int_equal(manifest_make(terms, &r->slices, r->salts, n, &r->manifest_bytes), ERR_OK);
	assert_int_equal(manifest_read(buf_view(&r->manifest_bytes), &r->manifest), ERR_OK);
	seal.body_digest = r->manifest.digest;
	assert_int_equal(entry_encode(&seal, &r->seal_entry), ERR_OK);
	leaf = merkle_leaf(buf_view(&r->seal_entry));
	r->seal_index = e->tree.frontier.size;
	memory_tree_append(&e->tree, &leaf);
}

void evil_seal(struct evil *e)
{
	struct manifest_terms terms = evil_manifest_terms(e);
	struct slice_set set = {0};

	assert_int_equal(record_cut(RECORD_VICTIM, buf_view(&e->f->record), &set), ERR_OK);
	evil_seal_set(e, &set, &terms);
}

void evil_agree(struct evil *e)
{
	static char name[] = "test of the node";
	struct pb_adopt adopt = PB_ADOPT_INIT;
	struct entry entry;

	host_adopt(e->victim);
	evil_listen(e);
	entry = evil_next(e, PB(ENTRY_KIND, ADOPT));
	entry.has_agreement = true;
	entry.agreement = e->f->agreement_id;
	adopt.name = name;
	(void)evil_add_message(e, &entry, &adopt);
	evil_send(e);
	assert_int_equal(evil_outcome(e, e->n_item), 0);
}

size_t evil_slice_of(struct evil *e, const char *path)
{
	for (size_t i = 0; i < e->record.slices.n; i++)
		if (strcmp(e->record.slices.slice[i].unit->path, path) == 0)
			return i;
	fail_msg("the demo record has no %s", path);
	return 0;
}

static struct opened_slice slice_number(struct evil *e, size_t i)
{
	const uint8_t *salt = e->record.salts + i * SLICE_SALT_BYTES;

	return (struct opened_slice){
		.commitment = slice_commitment(salt, e->record.slices.slice[i].bytes),
		.salt = view_of(salt, SLICE_SALT_BYTES),
		.slice = e->record.slices.slice[i].bytes,
	};
}

static int by_commitment(const void *a, const void *b)
{
	const struct opened_slice *x = a, *y = b;

	return digest_cmp(&x->commitment, &y->commitment);
}

void evil_referral_fill(struct evil *e, struct evil_referral *r)
{
	struct tree_reader reader = memory_tree_reader(&e->tree);
	struct pb_referral terms = PB_REFERRAL_INIT;

	memset(r, 0, sizeof(*r));
	if (!e->record.salts)
		evil_seal(e);
	r->entry = evil_next(e, PB(ENTRY_KIND, REFERRAL));
	r->entry.has_agreement = true;
	r->entry.agreement = e->f->agreement_id;
	r->entry.purpose = PB(PURPOSE, CHILD_PROTECTION);
	terms.has_type = terms.has_urgency = terms.has_responsibility = terms.has_basis = 1;
	terms.type = PB(REFERRAL_TYPE, TRACING);
	terms.urgency = PB(URGENCY, URGENT);
	terms.responsibility = PB(RESPONSIBILITY, REFERRAL);
	terms.basis = PB(LEGAL_BASIS, PUBLIC_TASK);
	r->terms = terms;
	r->seal = (struct pb_seal)PB_SEAL_INIT;
	r->d = (struct pb_disclosure)PB_DISCLOSURE_INIT;
	evil_note(e, &r->note);
	assert_int_equal(merkle_prove_inclusion(&reader, e->record.seal_index,
						e->tree.frontier.size, &r->proof),
			 ERR_OK);
	r->seal.has_entry = r->seal.has_index = r->seal.has_checkpoint = 1;
	r->seal.entry = message_borrow(buf_view(&e->record.seal_entry));
	r->seal.index = e->record.seal_index;
	r->seal.has_proof = r->proof.n != 0;
	r->seal.proof = message_borrow(view_of(r->proof.hash, r->proof.n * DIGEST_BYTES));
	r->seal.checkpoint = message_borrow(buf_view(&r->note));
	r->d.has_manifest_digest = r->d.has_manifest = 1;
	r->d.manifest_digest = message_borrow(view_digest(&e->record.manifest.digest));
	r->d.manifest = message_borrow(buf_view(&e->record.manifest_bytes));
	r->d.seal = &r->seal;
	r->terms.record = &r->d;
	for (size_t i = 0; i < e->record.slices.n && r->n_slice == 0; i++)
		if (strcmp(e->record.slices.slice[i].unit->path, "origin.preferred_language") == 0)
			r->slice[r->n_slice++] = i;
}

struct evil_item *evil_referral_add(struct evil *e, struct evil_referral *r)
{
	CLEANUP(freep) struct opened_slice *opened = calloc(r->n_slice + 1, sizeof(*opened));
	struct evil_item *item;

	assert_non_null(opened);
	for (size_t i = 0; i < r->n_slice; i++)
		opened[i] = slice_number(e, r->slice[i]);
	qsort(opened, r->n_slice, sizeof(*opened), by_commitment);
	for (size_t i = 0; i < r->n_slice; i++)
		assert_int_equal(buf_put_view(&r->named, view_digest(&opened[i].commitment)),
				 ERR_OK);
	r->d.has_opened = r->n_slice != 0;
	r->d.opened = message_borrow(buf_view(&r->named));
	item = evil_add_message(e, &r->entry, &r->terms);
	for (size_t i = 0; i < r->n_slice; i++)
		evil_open_slice(item, opened[i].salt, opened[i].slice);
	return item;
}

void evil_referral_fini(struct evil_referral *r)
{
	buf_fini(&r->note);
	buf_fini(&r->named);
}
