/**
 * @file
 * What the tests of items share: a node with an agreement, a peer made by hand with a sealed
 * record, and what is to be seen after each item.
 */
#ifndef TESTS_UNIT_NODE_ITEMS_H
#define TESTS_UNIT_NODE_ITEMS_H

#include "unit/node/fixture.h"

#include <stdlib.h>
#include <string.h>

#define REASON(name) PB(REFUSAL_REASON, name)
#define ABSENT (-1)

struct given {
	struct fixture *f;
	struct evil e;
};

static inline struct given given_new(void)
{
	struct given g = {.f = fixture_new()};

	evil_init(&g.e, g.f, SK);
	evil_connect(&g.e, TLS_LISTENER);
	evil_agree(&g.e);
	evil_seal(&g.e);
	return g;
}

static inline void given_free(struct given *g)
{
	evil_fini(&g->e);
	fixture_free(g->f);
}

/* For the analyser: what was filled is there. */
static inline uint8_t *bytes_of(const struct buf *b)
{
	ASSERT(buf_data(b) != NULL);
	return buf_data(b);
}

static inline struct node *node_of(struct evil *e)
{
	return e->victim->node;
}

/* --- what is stored --- */

static inline enum err count_opening(void *ctx, const struct opening_row *row)
{
	(void)row;
	++*(size_t *)ctx;
	return ERR_OK;
}

static inline size_t n_openings(struct evil *e)
{
	size_t n = 0;

	assert_int_equal(
		opening_walk(node_of(e)->store, &e->record.manifest.digest, count_opening, &n),
		ERR_OK);
	return n;
}

static inline enum err count_referral(void *ctx, const struct referral_row *row)
{
	(void)row;
	++*(size_t *)ctx;
	return ERR_OK;
}

static inline size_t n_referrals(struct evil *e)
{
	size_t n = 0;

	assert_int_equal(referral_walk(node_of(e)->store, REFERRAL_NUM_MAX, count_referral, &n),
			 ERR_OK);
	return n;
}

static inline enum err count_status(void *ctx, const struct status_row *row)
{
	(void)row;
	++*(size_t *)ctx;
	return ERR_OK;
}

static inline size_t n_statuses(struct evil *e, const struct digest *referral)
{
	struct referral_row row;
	size_t n = 0;

	assert_int_equal(referral_get(node_of(e)->store, referral, &row), ERR_OK);
	assert_int_equal(status_walk(node_of(e)->store, row.num, count_status, &n), ERR_OK);
	return n;
}

/* Send what was added last; the receipt must say @p outcome of it. */
static inline void expect(struct evil *e, int outcome)
{
	const uint64_t k = e->n_item;
	const size_t openings = n_openings(e), referrals = n_referrals(e);
	struct received_row row;
	struct manifest_row manifest;
	bool had_manifest =
		manifest_get(node_of(e)->store, &e->record.manifest.digest, &manifest) == ERR_OK;
	int got;

	evil_batch(e, k - 1, k);
	if (e->bye)
		fail_msg("the session ended: %s", err_detail());
	got = evil_outcome(e, k);
	if (got != outcome)
		fail_msg("position %d: %s instead of %s", (int)k,
			 got > 0 ? message_enum_code(&amparo__v1__refusal_reason__descriptor, got)
				 : "taken or absent",
			 outcome > 0 ? message_enum_code(&amparo__v1__refusal_reason__descriptor,
							 outcome)
				     : "taken or absent");
	assert_int_equal(host_peer(e->victim, e->papers->who)->row.received_k, k);
	assert_int_equal(received_get(node_of(e)->store,
				      host_peer(e->victim, e->papers->who)->row.id,
				      host_peer(e->victim, e->papers->who)->row.epoch, k, &row),
			 ERR_OK);
	assert_int_equal(row.reason, outcome > 0 ? outcome : 0);
	if (outcome == 0)
		return;
	assert_false(row.has_body);
	assert_int_equal(n_openings(e), openings);
	assert_int_equal(n_referrals(e), referrals);
	assert_true(had_manifest == (manifest_get(node_of(e)->store, &e->record.manifest.digest,
						  &manifest) == ERR_OK));
}

static inline void referral_with(struct given *g,
				 void (*change)(struct given *g, struct evil_referral *r),
				 int outcome)
{
	struct evil_referral r;

	evil_referral_fill(&g->e, &r);
	if (change)
		change(g, &r);
	(void)evil_referral_add(&g->e, &r);
	expect(&g->e, outcome);
	evil_referral_fini(&r);
}

static inline int show(struct evil *e, const struct digest *leaf)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_referral_show ask = PB_REFERRAL_SHOW_INIT;
	static char why[] = "the test looks";

	ask.has_id = ask.has_content = ask.content = 1;
	ask.id = message_borrow(view_digest(leaf));
	ask.reason = why;
	m.referral_show = &ask;
	host_ask(e->victim, EVERYONE, &m);
	evil_listen(e);
	return host_error(e->victim);
}

static inline void status_of(struct evil *e, const struct digest *referral, int state,
			     uint64_t seen_k, int outcome)
{
	struct pb_status m = PB_STATUS_INIT;
	struct entry entry = evil_next(e, PB(ENTRY_KIND, STATUS));

	m.has_state = state > 0;
	if (state > 0)
		m.state = (Amparo__V1__ReferralState)state;
	m.has_opened = m.opened = state == 0;
	entry.has_answers = true;
	entry.answers = *referral;
	entry.seen_k = seen_k;
	(void)evil_add_message(e, &entry, &m);
	expect(e, outcome);
}

static inline struct digest refer_to_us(struct evil *e)
{
	struct evil_referral r;

	evil_referral_fill(e, &r);
	(void)evil_referral_add(e, &r);
	expect(e, 0);
	evil_referral_fini(&r);
	return e->item[e->n_item - 1].leaf;
}

static inline int decide(struct evil *e, const struct digest *leaf, int state)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_referral_decide ask = PB_REFERRAL_DECIDE_INIT;

	ask.has_id = ask.has_state = 1;
	ask.id = message_borrow(view_digest(leaf));
	ask.state = (Amparo__V1__ReferralState)state;
	m.referral_decide = &ask;
	host_ask(e->victim, EVERYONE, &m);
	evil_listen(e);
	return host_error(e->victim);
}

#endif
