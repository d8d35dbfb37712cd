/* What leaves a node, held against what it has committed and what it may disclose. */
#include <stdlib.h>
#include <string.h>

#include "exchange/disclosure.h"
#include "given.h"
#include "inspect.h"
#include "ledger/checkpoint.h"
#include "record/manifest.h"
#include "record/slice.h"
#include "watch.h"
#include "wire/frame.h"

static void check_seen(struct world *w, struct view note)
{
	struct checkpoint c;

	MUST(w, checkpoint_read(note, NULL, NULL, &c) == ERR_OK);
	for (size_t i = 0; i < w->n_agency; i++)
		if (strcmp(w->agency[i].seen->origin, c.origin.text) == 0) {
			watch_note(&w->agency[i], note);
			return;
		}
	world_broken(w, "a checkpoint passed on is of an agency that exists", __FILE__, __LINE__);
}

static void check_head(struct agency *a, struct agency *of, uint64_t k, struct view head)
{
	const struct chain_seen *chain = &of->seen->to[a->index];
	struct world *w = a->world;

	MUST(w, k <= a->seen->pair[of->index].received_k);
	if (k)
		MUST(w, view_eq(head, view_digest(&chain->head[k])));
}

static void check_hello(struct agency *a, struct agency *to, const struct pb_hello *m)
{
	trace_say(a->world, "%s -> %s: Hello, has received %llu", a->label, to->label,
		  (unsigned long long)m->received_k);
	watch_note(a, message_bytes(1, m->my_checkpoint));
	if (m->has_your_checkpoint)
		watch_note(to, message_bytes(1, m->your_checkpoint));
	check_head(a, to, m->received_k, message_bytes(m->has_received_head, m->received_head));
	for (size_t i = 0; i < m->n_seen; i++)
		check_seen(a->world, message_bytes(1, m->seen[i]));
}

/* --- items --- */

static void check_receipt(struct agency *a, struct agency *to, uint64_t k, struct view body)
{
	CLEANUP(message_freep) struct pb_receipt *r = NULL;
	const struct chain_seen *chain = &to->seen->to[a->index];
	struct pair_seen *p = &a->seen->pair[to->index];
	struct world *w = a->world;

	MUST(w, message_decode(&pb_receipt_desc, body, MESSAGE_STRICT, &r) == ERR_OK);
	MUST(w, strcmp(r->origin, to->seen->origin) == 0);
	MUST(w, r->size <= to->seen->n &&
			view_eq(message_bytes(1, r->root), view_digest(&to->seen->root[r->size])));
	MUST(w, r->from_k >= 1 && r->from_k <= r->to_k && r->to_k <= chain->n);
	MUST(w, view_eq(message_bytes(1, r->head), view_digest(&chain->head[r->to_k])));
	MUST(w, r->to_k <= p->received_k); /* it says of nothing that it is held which is not */
	MUST(w, r->n_exceptions == 0);
	if (k > p->receipt_k) { /* not one sent again */
		MUST(w, r->from_k == p->receipt_to_k + 1);
		p->receipt_k = k;
		p->receipt_to_k = r->to_k;
	}
}

static void check_openings(struct agency *a, const struct pb_item *m, const struct referral_seen *r,
			   int stage)
{
	struct world *w = a->world;

	for (size_t i = 0; i < m->n_openings; i++) {
		const struct field *unit;

		MUST(w, slice_check((enum record_type)r->type,
				    message_bytes(1, m->openings[i]->slice), &unit) == ERR_OK);
		MUST(w, given_allows((enum record_type)r->type, unit->path, r->purpose, stage,
				     r->has_consent));
	}
}

static struct referral_seen *add_referral(struct agency *a, const struct entry *entry,
					  const struct digest *leaf, const struct pb_referral *m)
{
	struct seen *s = a->seen;
	struct referral_seen *r = watch_referral(a, leaf);
	struct manifest manifest;

	if (r)
		return r;
	s->referral = realloc(s->referral, (s->n_referral + 1) * sizeof(*s->referral));
	ASSERT(s->referral);
	MUST(a->world, manifest_read(message_bytes(1, m->record->manifest), &manifest) == ERR_OK);
	r = &s->referral[s->n_referral++];
	*r = (struct referral_seen){
		.leaf = *leaf,
		.type = (int)manifest.terms.type,
		.purpose = entry->purpose,
		.has_consent = m->consent != NULL,
	};
	return r;
}

static void check_referral(struct agency *a, const struct entry *entry, const struct digest *leaf,
			   const struct pb_item *m)
{
	CLEANUP(message_freep) struct pb_referral *r = NULL;

	MUST(a->world, message_decode(&pb_referral_desc, message_bytes(1, m->body), MESSAGE_STRICT,
				      &r) == ERR_OK);
	MUST(a->world, r->record != NULL);
	check_openings(a, m, add_referral(a, entry, leaf, r), 1);
}

static void check_status(struct agency *a, struct agency *to, const struct entry *entry,
			 const struct pb_item *m)
{
	CLEANUP(message_freep) struct pb_status *s = NULL;
	struct referral_seen *r = watch_referral(to, &entry->answers);

	MUST(a->world, message_decode(&pb_status_desc, message_bytes(1, m->body), MESSAGE_STRICT,
				      &s) == ERR_OK);
	if (r && s->has_state && s->state == PB(REFERRAL_STATE, ACCEPTED))
		r->is_accepted = true;
}

static void check_supplement(struct agency *a, const struct entry *entry, const struct pb_item *m)
{
	const struct referral_seen *r = watch_referral(a, &entry->answers);

	MUST(a->world, r != NULL);
	MUST(a->world, m->n_openings == 0 || r->is_accepted);
	check_openings(a, m, r, 2);
}

static void check_item(struct agency *a, struct agency *to, const struct pb_item *m)
{
	struct view bytes = message_bytes(1, m->entry);
	const struct digest leaf = merkle_leaf(bytes);
	struct world *w = a->world;
	struct entry entry;

	MUST(w, m->index < a->seen->n && digest_eq(&leaf, &a->seen->leaf[m->index]));
	MUST(w, entry_decode(bytes, &entry) == ERR_OK);
	MUST(w, agency_id_eq(&entry.addressee, &to->id));
	MUST(w, m->has_body); /* nothing is erased here */
	if (entry.kind == PB(ENTRY_KIND, RECEIPT))
		check_receipt(a, to, entry.k, message_bytes(1, m->body));
	else if (entry.kind == PB(ENTRY_KIND, REFERRAL))
		check_referral(a, &entry, &leaf, m);
	else if (entry.kind == PB(ENTRY_KIND, STATUS))
		check_status(a, to, &entry, m);
	else if (entry.kind == PB(ENTRY_KIND, SUPPLEMENT))
		check_supplement(a, &entry, m);
	else
		MUST(w, m->n_openings == 0);
}

static void check_batch(struct agency *a, struct agency *to, const struct pb_batch *m)
{
	struct world *w = a->world;

	trace_say(w, "%s -> %s: batch of %zu, from ledger size %llu", a->label, to->label,
		  m->n_items, (unsigned long long)m->from_size);
	watch_note(a, message_bytes(1, m->checkpoint));
	for (size_t i = 0; i < m->n_items; i++)
		check_item(a, to, m->items[i]);
}

void watch_sent(struct agency *a, struct agency *to, struct view frame)
{
	CLEANUP(message_freep) struct pb_frame *m = NULL;
	struct world *w = a->world;
	bool is_early;

	if (w->is_unwatched || a->is_damaged)
		return;
	is_early = inspect_node(a->node).in_transaction;
	w->tally.n_early += is_early;
	watch_step(a);
	MUST(w, frame_decode(frame, &m) == ERR_OK);
	MUST(w, !given_is_withheld_in(frame));
	if (!to || (!is_early && !a->seen->is_current))
		return;
	if (m->hello)
		check_hello(a, to, m->hello);
	else if (m->batch)
		check_batch(a, to, m->batch);
	else if (m->resume)
		check_head(a, to, m->resume->k,
			   message_bytes(m->resume->has_head, m->resume->head));
	if (m->bye)
		trace_say(w, "%s -> %s: bye, code %d", a->label, to->label, (int)m->bye->code);
}
