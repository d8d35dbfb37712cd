/* Batches: what is made is what the other side takes; every changed byte is seen; gaps, known items
 * and contradictions are told apart. */
#include "unit/exchange/ledger.h"

#include "crypto/digest.h"
#include "exchange/batch.h"
#include "wire/frame.h"

/* What one side holds of the other. */
struct holder {
	struct batch_expected expected;
	struct batch *batch;
};

static struct holder holder_of(struct ledger *l)
{
	struct holder h = {.expected = {.origin = l->origin.text,
					.key = seal_key_public(l->key),
					.received = chain_start(l->origin.text, &l->addressee)}};

	h.batch = calloc(1, sizeof(*h.batch));
	assert_non_null(h.batch);
	return h;
}

static void holder_fini(struct holder *h)
{
	free(h->batch);
}

/* A batch of the positions after_k + 1 .. after_k + n of the ledger as it stands. */
static void batch_of(struct ledger *l, uint64_t from_size, uint64_t after_k, size_t n,
		     struct buf *out)
{
	CLEANUP(buf_fini) struct buf note = {0};
	struct tree_reader reader = memory_tree_reader(&l->tree);
	struct pb_item item[BATCH_ITEMS_MAX];
	struct batch_part part[BATCH_ITEMS_MAX];
	struct batch_terms terms = {.from_size = from_size, .part = part, .n_part = n};

	assert_true(n <= BATCH_ITEMS_MAX);
	terms.size = ledger_sign_note(l, &note).size;
	terms.note = buf_view(&note);
	for (size_t i = 0; i < n; i++) {
		struct ledger_entry *e = &l->entry[after_k + i];

		item[i] = (struct pb_item)PB_ITEM_INIT;
		item[i].has_index = item[i].has_entry = 1;
		item[i].index = e->index;
		item[i].entry = message_borrow(view_of(e->bytes, e->n));
		part[i] = (struct batch_part){e->index, &item[i].base};
	}
	assert_int_equal(batch_make(&terms, &reader, out), ERR_OK);
}

static enum batch_result check_frame(struct holder *h, struct view frame)
{
	CLEANUP(message_freep) struct pb_frame *m = NULL;

	if (frame_decode(frame, &m) || !m->batch)
		return BATCH_FAULT;
	return batch_check(m->batch, &h->expected, h->batch);
}

/* Taken: the holder stands where the batch led. */
static void advance(struct holder *h)
{
	h->expected.held_size = h->batch->checkpoint.size;
	h->expected.held_root = h->batch->checkpoint.root;
	if (h->batch->n_item && !h->batch->item[h->batch->n_item - 1].is_known)
		h->expected.received = h->batch->item[h->batch->n_item - 1].after;
}

/* --- round trips --- */

static void round_trips_of_many_sizes(void **state)
{
	/* padding before each entry, entries, in one batch after the other */
	static const struct {
		uint64_t pad;
		size_t n;
	} rows[] = {{0, 1},   {1, 1},	{0, 2},	  {3, 5},   {7, 16},   {0, 64},
		    {1, 100}, {13, 17}, {0, 256}, {200, 3}, {1000, 2}, {1, 256}};
	struct ledger l;
	struct holder h;
	uint64_t k = 0;

	(void)state;
	ledger_init(&l, CZ_ID, SK_ID, 1);
	h = holder_of(&l);
	for (size_t row = 0; row < ARRAY_LEN(rows); row++) {
		CLEANUP(buf_fini) struct buf frame = {0};
		uint64_t from = h.expected.held_size;

		for (size_t i = 0; i < rows[row].n; i++) {
			ledger_pad(&l, rows[row].pad);
			ledger_add(&l);
		}
		ledger_pad(&l, row % 3);
		batch_of(&l, from, k, rows[row].n, &frame);
		assert_int_equal(check_frame(&h, buf_view(&frame)), BATCH_OK);
		assert_int_equal(h.batch->n_item, rows[row].n);
		assert_int_equal(h.batch->checkpoint.size, l.tree.frontier.size);
		for (size_t i = 0; i < rows[row].n; i++) {
			assert_int_equal(h.batch->item[i].k, k + i + 1);
			assert_false(h.batch->item[i].is_known);
			assert_true(digest_eq(&h.batch->item[i].leaf, &l.entry[k + i].leaf));
			assert_int_equal(h.batch->item[i].index, l.entry[k + i].index);
		}
		advance(&h);
		k += rows[row].n;
		assert_int_equal(h.expected.received.k, k);
	}
	assert_true(digest_eq(&h.expected.received.head, &l.at.head));
	holder_fini(&h);
	ledger_fini(&l);
}

static void every_small_tree_and_range(void **state)
{
	(void)state;
	for (uint64_t n = 1; n <= 12; n++)
		for (uint64_t after = 0; after < n; after++)
			for (uint64_t take = 0; take <= n - after; take++) {
				CLEANUP(buf_fini) struct buf first = {0}, second = {0};
				struct ledger l;
				struct holder h;

				ledger_init(&l, CZ_ID, SK_ID, 2);
				h = holder_of(&l);
				while (l.n_entry < after)
					ledger_add(&l);
				batch_of(&l, 0, 0, after, &first);
				assert_int_equal(check_frame(&h, buf_view(&first)), BATCH_OK);
				advance(&h);
				while (l.n_entry < n)
					ledger_add(&l);
				batch_of(&l, h.expected.held_size, after, take, &second);
				assert_int_equal(check_frame(&h, buf_view(&second)), BATCH_OK);
				assert_int_equal(h.batch->n_item, take);
				holder_fini(&h);
				ledger_fini(&l);
			}
}

static void a_checkpoint_alone(void **state)
{
	CLEANUP(buf_fini) struct buf first = {0}, same = {0}, later = {0};
	struct ledger l;
	struct holder h;

	(void)state;
	ledger_init(&l, CZ_ID, SK_ID, 3);
	h = holder_of(&l);
	ledger_pad(&l, 5);
	batch_of(&l, 0, 0, 0, &first);
	assert_int_equal(check_frame(&h, buf_view(&first)), BATCH_OK);
	assert_int_equal(h.batch->n_item, 0);
	advance(&h);
	batch_of(&l, 5, 0, 0, &same);
	assert_int_equal(check_frame(&h, buf_view(&same)), BATCH_OK);
	ledger_pad(&l, 6);
	batch_of(&l, 5, 0, 0, &later);
	assert_int_equal(check_frame(&h, buf_view(&later)), BATCH_OK);
	assert_int_equal(h.batch->checkpoint.size, 11);
	holder_fini(&h);
	ledger_fini(&l);
}

/* --- where it does not follow --- */

static void gaps_and_other_sizes_call_for_resume(void **state)
{
	struct ledger l;
	struct holder h;

	(void)state;
	ledger_init(&l, CZ_ID, SK_ID, 4);
	h = holder_of(&l);
	for (int i = 0; i < 4; i++)
		ledger_add(&l);
	{
		CLEANUP(buf_fini) struct buf first = {0};

		batch_of(&l, 0, 0, 2, &first);
		assert_int_equal(check_frame(&h, buf_view(&first)), BATCH_OK);
		advance(&h);
	}
	for (uint64_t from = 0; from <= 4; from++)
		for (uint64_t after = 0; after <= 3; after++) {
			CLEANUP(buf_fini) struct buf frame = {0};

			batch_of(&l, from, after, 1, &frame);
			assert_int_equal(check_frame(&h, buf_view(&frame)),
					 from != 4 || after > 2 ? BATCH_RESUME : BATCH_OK);
		}
	holder_fini(&h);
	ledger_fini(&l);
}

static void known_items_are_marked(void **state)
{
	CLEANUP(buf_fini) struct buf first = {0}, again = {0};
	struct ledger l;
	struct holder h;

	(void)state;
	ledger_init(&l, CZ_ID, SK_ID, 5);
	h = holder_of(&l);
	for (int i = 0; i < 6; i++)
		ledger_add(&l);
	batch_of(&l, 0, 0, 4, &first);
	assert_int_equal(check_frame(&h, buf_view(&first)), BATCH_OK);
	advance(&h);
	batch_of(&l, 6, 1, 5, &again);
	assert_int_equal(check_frame(&h, buf_view(&again)), BATCH_OK);
	assert_int_equal(h.batch->n_item, 5);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(h.batch->item[i].k, i + 2);
		assert_int_equal(h.batch->item[i].is_known, i < 3);
	}
	assert_int_equal(h.batch->item[4].after.k, 6);
	assert_true(digest_eq(&h.batch->item[4].after.head, &l.at.head));
	holder_fini(&h);
	ledger_fini(&l);
}

/* --- chain --- */

static enum batch_result one_odd_entry(void (*change)(struct entry *e))
{
	CLEANUP(buf_fini) struct buf frame = {0};
	struct ledger l;
	struct holder h;
	struct entry e;
	enum batch_result result;

	ledger_init(&l, CZ_ID, SK_ID, 6);
	h = holder_of(&l);
	ledger_add(&l);
	e = ledger_next(&l);
	change(&e);
	ledger_add_entry(&l, &e);
	batch_of(&l, 0, 0, 2, &frame);
	result = check_frame(&h, buf_view(&frame));
	holder_fini(&h);
	ledger_fini(&l);
	return result;
}

static void no_change(struct entry *e)
{
	(void)e;
}

static void other_prev_head(struct entry *e)
{
	e->prev_head.b[31] ^= 1;
}

static void k_again(struct entry *e)
{
	e->k = 1;
}

static void k_skips(struct entry *e)
{
	e->k = 3;
}

static void k_is_huge(struct entry *e)
{
	e->k = UINT64_MAX;
}

static void other_addressee(struct entry *e)
{
	e->addressee = id_of("spiffe://at.example/jugendamt");
}

static void positions_follow_each_other(void **state)
{
	(void)state;
	assert_int_equal(one_odd_entry(no_change), BATCH_OK);
	assert_int_equal(one_odd_entry(other_prev_head), BATCH_FAULT);
	assert_int_equal(one_odd_entry(k_again), BATCH_FAULT);
	assert_int_equal(one_odd_entry(k_skips), BATCH_FAULT);
	assert_int_equal(one_odd_entry(k_is_huge), BATCH_FAULT);
	/* judged with the item, not with the batch */
	assert_int_equal(one_odd_entry(other_addressee), BATCH_OK);
}

/* --- contradictions --- */

static void one_size_and_two_roots(void **state)
{
	CLEANUP(buf_fini) struct buf first = {0}, fork = {0}, fork_later = {0}, smaller = {0};
	struct ledger l, other;
	struct holder h;

	(void)state;
	ledger_init(&l, CZ_ID, SK_ID, 7);
	ledger_init(&other, CZ_ID, SK_ID, 7); /* the same key and origin, other entries */
	h = holder_of(&l);
	for (int i = 0; i < 5; i++) {
		ledger_add(&l);
		ledger_pad(&other, 1);
	}
	batch_of(&l, 0, 0, 5, &first);
	assert_int_equal(check_frame(&h, buf_view(&first)), BATCH_OK);
	advance(&h);
	batch_of(&other, 5, 0, 0, &fork);
	assert_int_equal(check_frame(&h, buf_view(&fork)), BATCH_CONTRADICTION);
	assert_int_equal(h.batch->checkpoint.size, 5);
	assert_true(h.batch->note.n > 0);
	/* grown on: no proof can lead there, but nothing is proven false either */
	ledger_pad(&other, 3);
	batch_of(&other, 5, 0, 0, &fork_later);
	assert_int_equal(check_frame(&h, buf_view(&fork_later)), BATCH_FAULT);
	/* a smaller tree than the one held */
	h.expected.held_size = 8;
	h.expected.held_root = frontier_root(&other.tree.frontier);
	batch_of(&l, 5, 0, 0, &smaller);
	assert_int_equal(check_frame(&h, buf_view(&smaller)), BATCH_RESUME);
	holder_fini(&h);
	ledger_fini(&l);
	ledger_fini(&other);
}

static void a_tree_does_not_shrink(void **state)
{
	CLEANUP(buf_fini) struct buf frame = {0};
	CLEANUP(message_freep) struct pb_frame *m = NULL;
	struct ledger l;
	struct holder h;

	(void)state;
	ledger_init(&l, CZ_ID, SK_ID, 8);
	h = holder_of(&l);
	for (int i = 0; i < 4; i++)
		ledger_add(&l);
	batch_of(&l, 4, 0, 1, &frame);
	assert_int_equal(frame_decode(buf_view(&frame), &m), ERR_OK);
	m->batch->from_size = 9;
	h.expected.held_size = 9;
	h.expected.held_root = some_digest(9);
	assert_int_equal(batch_check(m->batch, &h.expected, h.batch), BATCH_FAULT);
	holder_fini(&h);
	ledger_fini(&l);
}

static void another_key_or_origin(void **state)
{
	CLEANUP(buf_fini) struct buf frame = {0};
	struct ledger l, other;
	struct holder h;

	(void)state;
	ledger_init(&l, CZ_ID, SK_ID, 9);
	ledger_init(&other, CZ_ID, SK_ID, 10);
	h = holder_of(&l);
	ledger_add(&l);
	batch_of(&l, 0, 0, 1, &frame);
	assert_int_equal(check_frame(&h, buf_view(&frame)), BATCH_OK);
	h.expected.key = seal_key_public(other.key);
	assert_int_equal(check_frame(&h, buf_view(&frame)), BATCH_FAULT);
	h.expected.key = seal_key_public(l.key);
	h.expected.origin = "cz.example/umpod/1767225601";
	assert_int_equal(check_frame(&h, buf_view(&frame)), BATCH_FAULT);
	holder_fini(&h);
	ledger_fini(&l);
	ledger_fini(&other);
}

/* --- shape --- */

/* A good message, changed by hand. */
static enum batch_result changed(void (*change)(struct pb_batch *m))
{
	CLEANUP(buf_fini) struct buf first = {0}, frame = {0};
	CLEANUP(message_freep) struct pb_frame *m = NULL;
	struct ledger l;
	struct holder h;
	enum batch_result result;

	ledger_init(&l, CZ_ID, SK_ID, 11);
	h = holder_of(&l);
	for (int i = 0; i < 7; i++)
		ledger_add(&l);
	batch_of(&l, 0, 0, 3, &first);
	assert_int_equal(check_frame(&h, buf_view(&first)), BATCH_OK);
	advance(&h);
	for (int i = 0; i < 6; i++)
		ledger_add(&l);
	batch_of(&l, 7, 3, 2, &frame);
	assert_int_equal(frame_decode(buf_view(&frame), &m), ERR_OK);
	if (change)
		change(m->batch);
	result = batch_check(m->batch, &h.expected, h.batch);
	holder_fini(&h);
	ledger_fini(&l);
	return result;
}

static void no_from_size(struct pb_batch *m)
{
	m->has_from_size = 0;
}

static void no_checkpoint(struct pb_batch *m)
{
	m->has_checkpoint = 0;
}

static void no_consistency(struct pb_batch *m)
{
	m->has_consistency = 0;
}

static void short_consistency(struct pb_batch *m)
{
	m->consistency.len -= 32;
}

static void ragged_consistency(struct pb_batch *m)
{
	m->consistency.len -= 1;
}

static void long_consistency(struct pb_batch *m)
{
	static uint8_t longer[32 * 64];

	memcpy(longer, m->consistency.data, m->consistency.len);
	m->consistency = message_borrow(view_of(longer, sizeof(longer)));
}

static void no_nodes(struct pb_batch *m)
{
	m->has_nodes = 0;
}

static void too_few_nodes(struct pb_batch *m)
{
	m->nodes.len -= 32;
}

static void ragged_nodes(struct pb_batch *m)
{
	m->nodes.len -= 16;
}

static void too_many_nodes(struct pb_batch *m)
{
	static uint8_t more[32 * 64];

	assert_true(m->nodes.len + 32 <= sizeof(more));
	memcpy(more, m->nodes.data, m->nodes.len);
	m->nodes = message_borrow(view_of(more, m->nodes.len + 32));
}

static void no_index(struct pb_batch *m)
{
	m->items[1]->has_index = 0;
}

static void no_entry(struct pb_batch *m)
{
	m->items[0]->has_entry = 0;
}

static void empty_entry(struct pb_batch *m)
{
	m->items[1]->entry.len = 0;
}

static void same_index(struct pb_batch *m)
{
	m->items[1]->index = m->items[0]->index;
}

static void turned_index(struct pb_batch *m)
{
	uint64_t index = m->items[0]->index;

	m->items[0]->index = m->items[1]->index;
	m->items[1]->index = index;
}

static void index_past_the_end(struct pb_batch *m)
{
	m->items[1]->index = 13;
}

static void index_is_huge(struct pb_batch *m)
{
	m->items[1]->index = UINT64_MAX;
}

static void wrong_index(struct pb_batch *m)
{
	m->items[0]->index--;
}

static void items_turned(struct pb_batch *m)
{
	struct pb_item *item = m->items[0];

	m->items[0] = m->items[1];
	m->items[1] = item;
}

static void shape_is_checked(void **state)
{
	static void (*const changes[])(struct pb_batch * m) = {
		no_from_size,	    no_checkpoint,    no_consistency, short_consistency,
		ragged_consistency, long_consistency, no_nodes,	      too_few_nodes,
		ragged_nodes,	    too_many_nodes,   no_index,	      no_entry,
		empty_entry,	    same_index,	      turned_index,   index_past_the_end,
		index_is_huge,	    wrong_index,
	};

	(void)state;
	assert_int_equal(changed(NULL), BATCH_OK);
	for (size_t i = 0; i < ARRAY_LEN(changes); i++)
		if (changed(changes[i]) != BATCH_FAULT)
			fail_msg("change %zu is not a fault", i);
	/* the second item first leaves a gap */
	assert_int_equal(changed(items_turned), BATCH_RESUME);
}

static void five_extra_proofs(struct pb_batch *m)
{
	m->n_extra_proofs = 5;
}

static void extra_proofs_are_few(void **state)
{
	CLEANUP(buf_fini) struct buf frame = {0};
	CLEANUP(message_freep) struct pb_frame *m = NULL;
	struct ledger l;
	struct holder h;

	(void)state;
	ledger_init(&l, CZ_ID, SK_ID, 12);
	h = holder_of(&l);
	ledger_add(&l);
	batch_of(&l, 0, 0, 1, &frame);
	assert_int_equal(frame_decode(buf_view(&frame), &m), ERR_OK);
	five_extra_proofs(m->batch);
	assert_int_equal(batch_check(m->batch, &h.expected, h.batch), BATCH_FAULT);
	m->batch->n_extra_proofs = 0;
	holder_fini(&h);
	ledger_fini(&l);
}

/* What was asked for is proven beside, with items or without; what is none of it is left out. */
static void older_sizes_are_proven(void **state)
{
	static const uint64_t sizes[] = {7, 0, 8, 99};
	CLEANUP(buf_fini) struct buf note = {0}, frame = {0};
	CLEANUP(message_freep) struct pb_frame *m = NULL;
	struct tree_reader reader;
	struct digest root, other = some_digest(1);
	struct checkpoint c;
	struct proof proof;
	struct ledger l;
	struct holder h;

	(void)state;
	ledger_init(&l, CZ_ID, SK_ID, 12);
	h = holder_of(&l);
	ledger_pad(&l, 13);
	reader = memory_tree_reader(&l.tree);
	c = ledger_sign_note(&l, &note);
	{
		const struct batch_terms terms = {
			.note = buf_view(&note), .size = c.size, .prove = sizes, .n_prove = 4};

		assert_int_equal(batch_make(&terms, &reader, &frame), ERR_OK);
	}
	assert_int_equal(frame_decode(buf_view(&frame), &m), ERR_OK);
	assert_int_equal(batch_check(m->batch, &h.expected, h.batch), BATCH_OK);
	assert_int_equal(m->batch->n_extra_proofs, 2);
	for (uint64_t size = 7; size <= 8; size++) {
		struct pb_size_proof *p = m->batch->extra_proofs[size - 7];

		assert_int_equal(merkle_root(&reader, size, &root), ERR_OK);
		assert_int_equal(batch_prefix(m->batch, &c, size, &root, &proof), PREFIX_PROVEN);
		assert_int_equal(batch_prefix(m->batch, &c, size, &other, &proof), PREFIX_SPLIT);
		assert_int_equal(proof.n, p->hashes.len / DIGEST_BYTES);
		p->hashes.data[0] ^= 1;
		assert_int_equal(batch_prefix(m->batch, &c, size, &root, &proof), PREFIX_FAULT);
		p->hashes.data[0] ^= 1;
		p->hashes.len--;
		assert_int_equal(batch_prefix(m->batch, &c, size, &root, &proof), PREFIX_FAULT);
		p->hashes.len -= DIGEST_BYTES - 1;
		assert_int_equal(batch_prefix(m->batch, &c, size, &root, &proof), PREFIX_FAULT);
		p->hashes.len = 0;
		assert_int_equal(batch_prefix(m->batch, &c, size, &root, &proof), PREFIX_FAULT);
	}
	assert_int_equal(batch_prefix(m->batch, &c, 6, &root, &proof), PREFIX_ABSENT);
	assert_int_equal(batch_prefix(m->batch, &c, 99, &root, &proof), PREFIX_ABSENT);
	holder_fini(&h);
	ledger_fini(&l);
}

static void not_more_than_256_items(void **state)
{
	CLEANUP(buf_fini) struct buf frame = {0};
	CLEANUP(message_freep) struct pb_frame *m = NULL;
	struct pb_item **list, **own;
	struct ledger l;
	struct holder h;

	(void)state;
	ledger_init(&l, CZ_ID, SK_ID, 13);
	h = holder_of(&l);
	for (int i = 0; i < BATCH_ITEMS_MAX; i++)
		ledger_add(&l);
	batch_of(&l, 0, 0, BATCH_ITEMS_MAX, &frame);
	assert_int_equal(frame_decode(buf_view(&frame), &m), ERR_OK);
	assert_int_equal(batch_check(m->batch, &h.expected, h.batch), BATCH_OK);
	list = calloc(BATCH_ITEMS_MAX + 1, sizeof(struct pb_item *));
	assert_non_null(list);
	memcpy(list, m->batch->items, BATCH_ITEMS_MAX * sizeof(struct pb_item *));
	list[BATCH_ITEMS_MAX] = list[0];
	own = m->batch->items;
	m->batch->items = list;
	m->batch->n_items++;
	assert_int_equal(batch_check(m->batch, &h.expected, h.batch), BATCH_FAULT);
	m->batch->items = own;
	m->batch->n_items--;
	free(list);
	holder_fini(&h);
	ledger_fini(&l);
}

static void nodes_without_items(void **state)
{
	CLEANUP(buf_fini) struct buf frame = {0};
	CLEANUP(message_freep) struct pb_frame *m = NULL;
	struct ledger l;
	struct holder h;

	(void)state;
	ledger_init(&l, CZ_ID, SK_ID, 14);
	h = holder_of(&l);
	ledger_add(&l);
	batch_of(&l, 0, 0, 0, &frame);
	assert_int_equal(frame_decode(buf_view(&frame), &m), ERR_OK);
	m->batch->has_nodes = 1;
	m->batch->nodes = message_borrow(view_of(h.expected.received.head.b, 32));
	assert_int_equal(batch_check(m->batch, &h.expected, h.batch), BATCH_FAULT);
	m->batch->has_nodes = 0;
	m->batch->nodes = (ProtobufCBinaryData){0};
	holder_fini(&h);
	ledger_fini(&l);
}

/* --- every byte --- */

/* Is what was taken just what was sent? Bodies do not stand in this batch. */
static void must_be_the_same(const struct batch *b, const struct ledger *l)
{
	struct digest root = frontier_root(&l->tree.frontier);

	assert_int_equal(b->checkpoint.size, l->tree.frontier.size);
	assert_true(digest_eq(&b->checkpoint.root, &root));
	for (size_t i = 0; i < b->n_item; i++) {
		const struct ledger_entry *e = &l->entry[b->item[i].k - 1];

		assert_true(view_eq(b->item[i].entry, view_of(e->bytes, e->n)));
		assert_int_equal(b->item[i].index, e->index);
	}
}

static void no_changed_byte_is_taken(void **state)
{
	CLEANUP(buf_fini) struct buf first = {0}, frame = {0};
	struct ledger l;
	struct holder h;
	size_t n_same = 0;

	(void)state;
	ledger_init(&l, CZ_ID, SK_ID, 15);
	h = holder_of(&l);
	for (int i = 0; i < 5; i++)
		ledger_add(&l);
	batch_of(&l, 0, 0, 2, &first);
	assert_int_equal(check_frame(&h, buf_view(&first)), BATCH_OK);
	advance(&h);
	ledger_pad(&l, 2);
	ledger_add(&l);
	ledger_pad(&l, 4);
	batch_of(&l, 5, 2, 4, &frame);
	assert_int_equal(check_frame(&h, buf_view(&frame)), BATCH_OK);
	for (size_t at = 0; at < frame.n; at++)
		for (unsigned change = 0; change < 10; change++) {
			uint8_t *byte = buf_data(&frame) + at, was = *byte;

			*byte = change < 8 ? (uint8_t)(was ^ 1u << change)
					   : (uint8_t)(change == 8 ? was + 1 : 0);
			if (*byte != was && check_frame(&h, buf_view(&frame)) == BATCH_OK) {
				must_be_the_same(h.batch, &l);
				n_same++;
			}
			*byte = was;
		}
	/* nothing in this frame is free to change: each byte is hashed, signed or canonical */
	assert_int_equal(n_same, 0);
	holder_fini(&h);
	ledger_fini(&l);
}

static void no_shortened_frame_is_taken(void **state)
{
	CLEANUP(buf_fini) struct buf frame = {0};
	struct ledger l;
	struct holder h;

	(void)state;
	ledger_init(&l, CZ_ID, SK_ID, 16);
	h = holder_of(&l);
	for (int i = 0; i < 3; i++)
		ledger_add(&l);
	batch_of(&l, 0, 0, 3, &frame);
	for (size_t n = 0; n < frame.n; n++)
		assert_int_equal(check_frame(&h, view_of(buf_data(&frame), n)), BATCH_FAULT);
	assert_int_equal(check_frame(&h, buf_view(&frame)), BATCH_OK);
	holder_fini(&h);
	ledger_fini(&l);
}

static int setup(void **state)
{
	(void)state;
	return crypto_init() != ERR_OK;
}

static int teardown(void **state)
{
	(void)state;
	crypto_fini();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trips_of_many_sizes),
		cmocka_unit_test(every_small_tree_and_range),
		cmocka_unit_test(a_checkpoint_alone),
		cmocka_unit_test(gaps_and_other_sizes_call_for_resume),
		cmocka_unit_test(known_items_are_marked),
		cmocka_unit_test(positions_follow_each_other),
		cmocka_unit_test(one_size_and_two_roots),
		cmocka_unit_test(a_tree_does_not_shrink),
		cmocka_unit_test(another_key_or_origin),
		cmocka_unit_test(shape_is_checked),
		cmocka_unit_test(extra_proofs_are_few),
		cmocka_unit_test(older_sizes_are_proven),
		cmocka_unit_test(not_more_than_256_items),
		cmocka_unit_test(nodes_without_items),
		cmocka_unit_test(no_changed_byte_is_taken),
		cmocka_unit_test(no_shortened_frame_is_taken),
	};

	return cmocka_run_group_tests_name("exchange/batch", tests, setup, teardown);
}
