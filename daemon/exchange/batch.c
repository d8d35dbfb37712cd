#include "exchange/batch.h"

#include <string.h>

#include "ledger/evidence.h"

/* Proofs of older sizes, with what they borrow. */
struct extra_proofs {
	struct proof proof[BATCH_PROOFS_MAX];
	struct pb_size_proof message[BATCH_PROOFS_MAX];
	struct pb_size_proof *list[BATCH_PROOFS_MAX];
	size_t n;
};

static enum err prove_sizes(const struct batch_terms *terms, const struct tree_reader *tree,
			    struct extra_proofs *x)
{
	ASSERT(terms->n_prove <= BATCH_PROOFS_MAX);
	for (size_t i = 0; i < terms->n_prove; i++) {
		struct pb_size_proof *m = &x->message[x->n];
		struct proof *proof = &x->proof[x->n];
		enum err e;

		if (terms->prove[i] == 0 || terms->prove[i] > terms->size)
			continue;
		e = merkle_prove_prefix(tree, terms->prove[i], terms->size, proof);
		if (e)
			return err_trace(e);
		*m = (struct pb_size_proof)PB_SIZE_PROOF_INIT;
		m->has_size = m->has_hashes = 1;
		m->size = terms->prove[i];
		m->hashes = message_borrow(view_of(proof->hash, proof->n * sizeof(proof->hash[0])));
		x->list[x->n++] = m;
	}
	return ERR_OK;
}

enum err batch_make(const struct batch_terms *terms, const struct tree_reader *tree,
		    struct buf *out)
{
	struct extra_proofs extra = {.n = 0};
	struct pb_frame frame = PB_FRAME_INIT;
	struct pb_batch m = PB_BATCH_INIT;
	struct proof consistency;
	struct buf nodes = {0};
	uint64_t index[BATCH_ITEMS_MAX];
	struct pb_item *item[BATCH_ITEMS_MAX];
	enum err e;

	ASSERT(terms->n_part <= BATCH_ITEMS_MAX);
	e = merkle_prove_consistency(tree, terms->from_size, terms->size, &consistency);
	if (!e)
		e = prove_sizes(terms, tree, &extra);
	if (e)
		return err_trace(e);
	for (size_t i = 0; i < terms->n_part; i++) {
		index[i] = terms->part[i].index;
		item[i] = (struct pb_item *)(void *)terms->part[i].item;
	}
	if (terms->n_part) {
		e = merkle_batch_nodes(tree, index, terms->n_part, terms->size, &nodes);
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
	m.n_extra_proofs = extra.n;
	m.extra_proofs = extra.list;
	m.n_items = terms->n_part;
	m.items = item;
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

/* Where an entry stands in its chain; one of a newer kind says it too. */
static enum err read_position(struct batch_item *item, struct digest *ret_prev)
{
	struct agency_id addressee;
	enum err e = entry_decode(item->entry, &item->decoded);

	if (e == ERR_NOMEM)
		return err_trace(e);
	item->is_decoded = e == ERR_OK;
	if (!item->is_decoded || item->decoded.addressee.n_text == 0)
		return entry_position(item->entry, &addressee, &item->k, ret_prev);
	item->k = item->decoded.k;
	*ret_prev = item->decoded.prev_head;
	return ERR_OK;
}

/* Position and chain of one item; items already held are only marked. */
static enum err read_item(const struct pb_item *m, const struct batch_expected *x,
			  struct chain_head *at, struct batch_item *ret)
{
	struct digest prev;
	enum err e;

	if (!m->has_index || !m->has_entry || m->entry.len > ENTRY_BYTES_MAX)
		return err_new(ERR_FORMAT, "item without index or entry");
	*ret = (struct batch_item){.item = m, .index = m->index};
	ret->entry = message_bytes(1, m->entry);
	ret->leaf = merkle_leaf(ret->entry);
	e = read_position(ret, &prev);
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
	ret->n_bytes = message_size(m);
	return ERR_OK;
}

static enum err read_items(const struct pb_batch *m, const struct batch_expected *x,
			   struct batch *ret)
{
	const struct view nodes = message_bytes(m->has_nodes, m->nodes);
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
	if (ret->n_item == 0)
		return nodes.n ? err_new(ERR_PROOF, "nodes without items") : ERR_OK;
	return merkle_check_batch(ret->index, ret->leaf, ret->n_item, ret->checkpoint.size, nodes,
				  &ret->checkpoint.root, ret->proof);
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

static enum batch_result failed(enum err e)
{
	return e == ERR_NOMEM ? BATCH_NOMEM : BATCH_FAULT;
}

enum batch_result batch_check(const struct pb_batch *message, const struct batch_expected *expected,
			      struct batch *ret)
{
	enum err e;

	if (!message->has_checkpoint || !message->has_from_size ||
	    message->n_extra_proofs > BATCH_PROOFS_MAX) {
		(void)err_new(ERR_FORMAT, "batch lacks a field");
		return BATCH_FAULT;
	}
	ret->note = message_bytes(1, message->checkpoint);
	e = checkpoint_read(ret->note, expected->origin, expected->key, &ret->checkpoint);
	if (e)
		return failed(e);
	if (expected->held_size && ret->checkpoint.size == expected->held_size &&
	    !digest_eq(&ret->checkpoint.root, &expected->held_root))
		return BATCH_CONTRADICTION;
	if (message->from_size != expected->held_size || leaves_gap(message, expected->received.k))
		return BATCH_RESUME;
	e = check_consistency(message, expected, &ret->checkpoint);
	if (!e)
		e = read_items(message, expected, ret);
	return e ? failed(e) : BATCH_OK;
}

enum prefix_result batch_prefix(const struct pb_batch *message, const struct checkpoint *to,
				uint64_t size, const struct digest *root, struct proof *ret)
{
	const struct pb_size_proof *m = NULL;
	struct proof proof = {.n = 0};
	struct digest proven;
	struct view v;

	for (size_t i = 0; i < message->n_extra_proofs && !m; i++)
		if (message->extra_proofs[i]->has_size && message->extra_proofs[i]->size == size)
			m = message->extra_proofs[i];
	if (!m)
		return PREFIX_ABSENT;
	v = message_bytes(m->has_hashes, m->hashes);
	if (v.n == 0 || v.n % DIGEST_BYTES || v.n > sizeof(proof.hash)) {
		(void)err_new(ERR_FORMAT, "proof of an older size is not a list of hashes");
		return PREFIX_FAULT;
	}
	memcpy(proof.hash, v.p, v.n);
	proof.n = v.n / DIGEST_BYTES;
	if (merkle_prefix_root(size, to->size, &to->root, proof.hash, proof.n, &proven))
		return PREFIX_FAULT;
	if (digest_eq(&proven, root))
		return PREFIX_PROVEN;
	*ret = proof;
	return PREFIX_SPLIT;
}
