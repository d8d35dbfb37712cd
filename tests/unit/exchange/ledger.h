/**
 * @file
 * A peer's ledger in memory, for the tests of exchange: entries with their tree, and the seal key
 * that signs its checkpoints.
 */
#ifndef TESTS_UNIT_EXCHANGE_LEDGER_H
#define TESTS_UNIT_EXCHANGE_LEDGER_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/own.h"
#include "common/memory_tree.h"
#include "ledger/chain.h"
#include "ledger/checkpoint.h"
#include "ledger/entry.h"

#define CZ_ID "spiffe://cz.example/umpod"
#define SK_ID "spiffe://sk.example/cipc"
#define EPOCH 1767225600
#define TIME_US UINT64_C(1767225600000000)

static inline struct agency_id id_of(const char *text)
{
	struct agency_id id;

	assert_int_equal(agency_id_parse(view_str(text), &id), ERR_OK);
	return id;
}

static inline struct digest some_digest(unsigned n)
{
	struct digest d;

	for (size_t i = 0; i < sizeof(d.b); i++)
		d.b[i] = (uint8_t)(n * 31 + i * 7 + (n >> 8));
	return d;
}

/** One entry. */
struct ledger_entry {
	uint8_t bytes[ENTRY_BYTES_MAX];
	size_t n;
	struct digest leaf;
	uint64_t index;
};

/** All entries are addressed to one peer, but for those of ledger_pad(). */
struct ledger {
	struct agency_id id, addressee;
	struct origin origin;
	struct seal_key *key;
	struct memory_tree tree;
	struct chain_head at;
	struct ledger_entry *entry; /**< of position k: entry[k - 1] */
	size_t n_entry;
	unsigned salt;
};

static inline void ledger_init(struct ledger *l, const char *id, const char *addressee,
			       uint8_t seed)
{
	uint8_t bytes[32];

	*l = (struct ledger){.id = id_of(id), .addressee = id_of(addressee), .salt = seed};
	memset(bytes, seed, sizeof(bytes));
	assert_int_equal(seal_key_from_seed(bytes, &l->key), ERR_OK);
	origin_make(&l->origin, &l->id, EPOCH);
	l->at = chain_start(l->origin.text, &l->addressee);
}

static inline void ledger_fini(struct ledger *l)
{
	seal_key_free(l->key);
	memory_tree_fini(&l->tree);
	free(l->entry);
}

/** Leaves that are not the addressee's. */
static inline void ledger_pad(struct ledger *l, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		struct digest leaf = some_digest((unsigned)(l->tree.frontier.size + l->salt));

		memory_tree_append(&l->tree, &leaf);
	}
}

/** Add bytes as they are as the next leaf and the next position, whatever they say. */
static inline void ledger_add_bytes(struct ledger *l, struct view bytes)
{
	struct ledger_entry *e;

	l->entry = realloc(l->entry, (l->n_entry + 1) * sizeof(*l->entry));
	assert_non_null(l->entry);
	e = &l->entry[l->n_entry++];
	assert_true(bytes.n <= sizeof(e->bytes));
	memcpy(e->bytes, bytes.p, bytes.n);
	e->n = bytes.n;
	e->leaf = merkle_leaf(bytes);
	e->index = l->tree.frontier.size;
	memory_tree_append(&l->tree, &e->leaf);
	l->at = chain_next(&l->at, &e->leaf);
}

/** What the next NOTICE says. */
static inline struct entry ledger_next(const struct ledger *l)
{
	struct entry e = {
		.time_us = TIME_US + l->n_entry,
		.kind = PB(ENTRY_KIND, NOTICE),
		.addressee = l->addressee,
		.k = l->at.k + 1,
		.prev_head = l->at.head,
		.has_body = true,
		.body_digest = some_digest((unsigned)l->n_entry + 7),
	};

	memset(e.nonce, (int)(l->n_entry + l->salt), sizeof(e.nonce));
	return e;
}

static inline void ledger_add_entry(struct ledger *l, const struct entry *entry)
{
	CLEANUP(buf_fini) struct buf bytes = {0};

	assert_int_equal(entry_encode(entry, &bytes), ERR_OK);
	ledger_add_bytes(l, buf_view(&bytes));
}

static inline void ledger_add(struct ledger *l)
{
	struct entry e = ledger_next(l);

	ledger_add_entry(l, &e);
}

/** Append a signed note over the tree as it stands. */
static inline struct checkpoint ledger_sign_note(struct ledger *l, struct buf *out)
{
	struct checkpoint c = {.origin = l->origin,
			       .size = l->tree.frontier.size,
			       .root = frontier_root(&l->tree.frontier)};

	assert_int_equal(checkpoint_sign(&c, l->key, out), ERR_OK);
	return c;
}

#endif
