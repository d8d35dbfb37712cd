#include "exchange/batch.h"

#include <string.h>

#include "ledger/entry.h"
#include "ledger/evidence.h"

enum err batch_make(const struct batch_terms *terms, const struct tree_reader *tree,
		    struct buf *out)
{
	struct pb_frame frame = PB_FRAME_INIT;
	struct pb_batch m = PB_BATCH_INIT;
	struct proof consistency;
	struct buf nodes = {0};
	uint64_t index[BATCH_ITEMS_MAX];
	enum err e;

	ASSERT(terms->n_item <= BATCH_ITEMS_MAX);
	e = merkle_prove_consistency(tree, terms->from_size, terms->size, &consistency);
	if (e)
		return err_trace(e);
	for (size_t i = 0; i < terms->n_item; i++)
		index[i] = terms->item[i]->index;
	if (terms->n_item) {
		e = merkle_batch_nodes(tree, index, terms->n_item, terms->size, &nodes);
		if (e)
			goto done;
	}
	m.has_from_size = 1;
	m.from_size = terms->from_size;
	m.has_checkpoint = 1;
	m.checkpoint = message_borrow(terms->note);
	if (consistency.n) {
		m.has_consistency = 1;
		m.consistency = message_borrow(
			view_of(consistency.hash, consistency.n * sizeof(consistency.hash[0])));
	}
	if (nodes.n) {
		m.has_nodes = 1;
		m.nodes = message_borrow(buf_view(&nodes));
	}
	m.n_items = terms->n_item;
	m.items = terms->item;
	frame.batch = &m;
	e = message_encode(&frame, out);
done:
	buf_fini(&nodes);
	return e ? err_trace(e) : ERR_OK;
}

static enum err check_consistency(const struct pb_batch *m, const struct batch_expected *x,
				  const struct checkpoint *c)
{
	struct digest hashes[MERKLE_PROOF_MAX], held_root;
	struct view v = message_bytes(m->has_consistency, m->consistency);

	if (v.n % DIGEST_BYTES || v.n > sizeof(hashes))
		return err_new(ERR_FORMAT, "consistency proof is not a list of hashes");
	if (v.n)
		memcpy(hashes, v.p, v.n);
	/* nothing is held: as good as the empty tree */
	held_root = x->held_size ? x->held_root : merkle_empty();
	return merkle_check_consistency(x->held_size, &held_root, c->size, &c->root, hashes,
					v.n / DIGEST_BYTES);
}

/* Position and chain of one item; items already held are only marked. */
static enum err read_item(const struct pb_item *m, const struct batch_expected *x,
			  struct chain_head *at, struct batch_item *ret)
{
	struct agency_id addressee;
	struct digest prev;
	enum err e;

	if (!m->has_index || !m->has_entry || m->entry.len > ENTRY_BYTES_MAX)
		return err_new(ERR_FORMAT, "item without index or entry");
	*ret = (struct batch_item){.item = m, .index = m->index};
	ret->entry = message_bytes(1, m->entry);
	ret->leaf = merkle_leaf(ret->entry);
	e = entry_position(ret->entry, &addressee, &ret->k, &prev);
	if (e)
		return err_trace(e);
	if (ret->k <= x->received.k) {
		ret->is_known = true;
		return ERR_OK;
	}
	if (ret->k != at->k + 1 || !digest_eq(&prev, &at->head))
		return err_new(ERR_CHAIN, "item does not follow position %llu",
			       (unsigned long long)at->k);
	*at = chain_next(at, &ret->leaf);
	ret->after = *at;
	return ERR_OK;
}

static enum err read_items(const struct pb_batch *m, const struct batch_expected *x,
			   struct batch *ret)
{
	struct chain_head at = x->received;
	enum err e;

	if (m->n_items > BATCH_ITEMS_MAX)
		return err_new(ERR_LIMIT, "batch has %zu items", m->n_items);
	for (size_t i = 0; i < m->n_items; i++) {
		e = read_item(m->items[i], x, &at, &ret->item[i]);
		if (e)
			return err_trace(e);
		if (i && ret->item[i].k != ret->item[i - 1].k + 1)
			return err_new(ERR_CHAIN, "items are not contiguous");
		ret->index[i] = ret->item[i].index;
		ret->leaf[i] = ret->item[i].leaf;
	}
	ret->n_item = m->n_items;
	ret->nodes = message_bytes(m->has_nodes, m->nodes);
	if (ret->n_item == 0)
		return ret->nodes.n ? err_new(ERR_PROOF, "nodes without items") : ERR_OK;
	return merkle_check_batch(ret->index, ret->leaf, ret->n_item, ret->checkpoint.size,
				  ret->nodes, &ret->checkpoint.root);
}

/* Does the first item leave a gap after what we hold? Then the sender must go back. */
static bool leaves_gap(const struct pb_batch *m, uint64_t received_k)
{
	struct agency_id addressee;
	struct digest prev;
	uint64_t k;

	if (m->n_items == 0 || !m->items[0]->has_entry)
		return false;
	if (entry_position(message_bytes(1, m->items[0]->entry), &addressee, &k, &prev))
		return false;
	return k > received_k + 1;
}

enum batch_result batch_check(const struct pb_batch *message, const struct batch_expected *expected,
			      struct batch *ret)
{
	enum err e;

	if (!message->has_checkpoint || !message->has_from_size || message->n_extra_proofs > 4) {
		(void)err_new(ERR_FORMAT, "batch lacks a field");
		return BATCH_FAULT;
	}
	ret->note = message_bytes(1, message->checkpoint);
	e = checkpoint_read(ret->note, expected->origin, expected->key, &ret->checkpoint);
	if (e)
		return BATCH_FAULT;
	if (expected->held_size && ret->checkpoint.size == expected->held_size &&
	    !digest_eq(&ret->checkpoint.root, &expected->held_root))
		return BATCH_CONTRADICTION;
	if (message->from_size != expected->held_size || leaves_gap(message, expected->received.k))
		return BATCH_RESUME;
	e = check_consistency(message, expected, &ret->checkpoint);
	if (!e)
		e = read_items(message, expected, ret);
	return e ? BATCH_FAULT : BATCH_OK;
}
