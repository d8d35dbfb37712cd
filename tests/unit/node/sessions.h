/**
 * @file
 * What the tests of sessions share: a node, and a peer made by hand that may speak to it.
 */
#ifndef TESTS_UNIT_NODE_SESSIONS_H
#define TESTS_UNIT_NODE_SESSIONS_H

#include "unit/node/fixture.h"

#include <stdlib.h>
#include <string.h>

struct given {
	struct fixture *f;
	struct evil e;
};

static inline struct given given_new(void)
{
	struct given g = {.f = fixture_new()};

	evil_init(&g.e, g.f, SK);
	return g;
}

static inline void given_free(struct given *g)
{
	evil_fini(&g->e);
	fixture_free(g->f);
}

static inline struct peer *sk(struct given *g)
{
	return host_peer(g->e.victim, SK);
}

static inline void connected_and_agreed(struct given *g)
{
	evil_connect(&g->e, TLS_LISTENER);
	evil_agree(&g->e);
	evil_receipt(&g->e);
	evil_send(&g->e);
}

static inline void add_notice(struct evil *e)
{
	struct entry entry = evil_next(e, PB(ENTRY_KIND, NOTICE));

	(void)evil_add(e, &entry, view_str(""));
}

#endif
