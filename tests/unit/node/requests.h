/**
 * @file
 * What the tests of the local API share: a node with a record, an agreement and a connected peer.
 */
#ifndef TESTS_UNIT_NODE_REQUESTS_H
#define TESTS_UNIT_NODE_REQUESTS_H

#include "unit/node/fixture.h"

#include <stdlib.h>
#include <string.h>

#define CASEWORKERS (NODE_ROLE_CASEWORKER | NODE_ROLE_SUPERVISOR)
#define ERROR(name) PB(API_ERROR_CODE, name)

struct given {
	struct fixture *f;
	struct host *h;
	struct evil e;
	uint8_t record[16];
};

static inline struct given given_new(void)
{
	struct given g = {.f = fixture_new()};

	g.h = &g.f->agency[CZ];
	evil_init(&g.e, g.f, SK);
	evil_connect(&g.e, TLS_LISTENER);
	evil_agree(&g.e);
	host_import(g.h, g.record);
	return g;
}

static inline void given_free(struct given *g)
{
	evil_fini(&g->e);
	fixture_free(g->f);
}

static inline uint64_t size_of(struct given *g)
{
	return g->h->node->tree.size;
}

/* What kind the entry at this index is. */
static inline int kind_at(struct given *g, uint64_t index)
{
	struct entry_row row;
	struct entry entry;

	assert_int_equal(entry_get(g->h->node->store, g->h->node->epoch, index, &row), ERR_OK);
	assert_int_equal(entry_decode(row.entry, &entry), ERR_OK);
	return (int)entry.kind;
}

static inline struct digest from_evil(struct given *g)
{
	struct evil_referral r;

	evil_referral_fill(&g->e, &r);
	(void)evil_referral_add(&g->e, &r);
	evil_send(&g->e);
	assert_int_equal(evil_outcome(&g->e, g->e.n_item), 0);
	evil_referral_fini(&r);
	return g->e.item[g->e.n_item - 1].leaf;
}

#endif
