/* Items that a hostile peer sends, proven and in order: each is refused for its reason, its
 * position is consumed, the receipt says so, nothing of it is kept, and the node goes on. Here:
 * references, states and receipts. */
#include "unit/node/items.h"

/* --- references and states --- */

static void what_is_answered_is_held_here(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e, at;
	struct digest nothing = {.b = {3}}, own;

	(void)state;
	status_of(e, &nothing, PB(REFERRAL_STATE, ACCEPTED), 0, REASON(UNKNOWN_REFERENCE));
	own = refer_to_us(e);
	/* a referral between us and another is none between us two */
	evil_init(&at, g.f, AT);
	evil_connect(&at, TLS_LISTENER);
	status_of(&at, &own, 0, 0, REASON(UNKNOWN_REFERENCE));
	/* an entry of ours that is no referral */
	status_of(e, &e->got[0].leaf, 0, 0, REASON(UNKNOWN_REFERENCE));
	evil_fini(&at);
	given_free(&g);
}

static void who_may_change_what(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	struct digest leaf = refer_to_us(e);
	size_t before;

	(void)state;
	/* the sender accepts its own referral, and more that is not its to make */
	for (int s = PB(REFERRAL_STATE, REQUESTED); s <= (int)PB(REFERRAL_STATE, DISPUTED); s++) {
		if (s == (int)PB(REFERRAL_STATE, RECALLED))
			continue;
		before = n_statuses(e, &leaf);
		status_of(e, &leaf, s, e->received.k, REASON(STATE));
		assert_int_equal(n_statuses(e, &leaf), before);
	}
	status_of(e, &leaf, PB(REFERRAL_STATE, RECALLED), e->received.k, 0);
	status_of(e, &leaf, PB(REFERRAL_STATE, RECALLED), e->received.k, REASON(STATE));
	assert_int_equal(decide(e, &leaf, PB(REFERRAL_STATE, ACCEPTED)), PB(API_ERROR_CODE, DATA));
	given_free(&g);
}

static void a_status_says_one_thing(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	uint8_t id[16];
	struct digest leaf;
	struct referral_row row;

	(void)state;
	host_import(e->victim, id);
	assert_int_equal(host_refer(e->victim, SK, id, &leaf), 0);
	evil_listen(e);
	for (int i = 0; i < 3; i++) {
		struct pb_status m = PB_STATUS_INIT;
		struct entry entry = evil_next(e, PB(ENTRY_KIND, STATUS));

		/* nothing; opened false; both at once, with a state that is not possible */
		m.has_opened = i > 0;
		m.opened = i == 2;
		m.has_state = i == 2;
		m.state = PB(REFERRAL_STATE, CLOSED);
		entry.has_answers = true;
		entry.answers = leaf;
		(void)evil_add_message(e, &entry, &m);
		expect(e, REASON(INCOMPLETE));
		assert_int_equal(referral_get(node_of(e)->store, &leaf, &row), ERR_OK);
		assert_false(row.opened);
	}
	status_of(e, &leaf, 0, 0, 0);
	assert_int_equal(referral_get(node_of(e)->store, &leaf, &row), ERR_OK);
	assert_true(row.opened);
	assert_int_equal(n_statuses(e, &leaf), 1);
	given_free(&g);
}

/* A time that no column holds must not end the node: it came in a signed ledger, and comes again.
 */
static void a_status_from_the_end_of_time(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	struct digest leaf = refer_to_us(e);

	(void)state;
	e->time_us = UINT64_MAX - 10;
	status_of(e, &leaf, 0, 0, 0);
	assert_int_equal(n_statuses(e, &leaf), 1);
	assert_int_equal(show(e, &leaf), 0);
	given_free(&g);
}

static void changes_that_crossed(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	uint8_t id[16];
	struct digest leaf;
	struct referral_row row;
	uint64_t seen;

	(void)state;
	host_import(e->victim, id);
	assert_int_equal(host_refer(e->victim, SK, id, &leaf), 0);
	evil_listen(e);
	seen = e->received.k;
	/* we take it back; evil, which has not seen that, accepts */
	assert_int_equal(referral_get(node_of(e)->store, &leaf, &row), ERR_OK);
	assert_int_equal(
		referral_change(node_of(e), NULL, &row, PB(REFERRAL_STATE, RECALLED), false, NULL),
		ERR_OK);
	host_turn(e->victim);
	evil_listen(e);
	status_of(e, &leaf, PB(REFERRAL_STATE, ACCEPTED), seen, REASON(SUPERSEDED));
	assert_int_equal(referral_get(node_of(e)->store, &leaf, &row), ERR_OK);
	assert_int_equal(row.state, PB(REFERRAL_STATE, RECALLED));
	/* both stand in the history, ours and the one without effect */
	assert_int_equal(n_statuses(e, &leaf), 2);
	/* having seen it, accepting is just wrong */
	status_of(e, &leaf, PB(REFERRAL_STATE, ACCEPTED), e->received.k, REASON(STATE));
	given_free(&g);
}

/* --- receipts --- */

struct receipt_change {
	const char *name;
	void (*change)(struct checkpoint *c, struct item_outcome o[2], struct digest *head);
};

static void other_root(struct checkpoint *c, struct item_outcome o[2], struct digest *head)
{
	(void)o;
	(void)head;
	c->root.b[0] ^= 1;
}

static void other_size(struct checkpoint *c, struct item_outcome o[2], struct digest *head)
{
	(void)o;
	(void)head;
	c->size--;
}

static void size_0(struct checkpoint *c, struct item_outcome o[2], struct digest *head)
{
	(void)o;
	(void)head;
	c->size = 0;
	c->root = merkle_empty();
}

static void size_beyond(struct checkpoint *c, struct item_outcome o[2], struct digest *head)
{
	(void)o;
	(void)head;
	c->size = UINT64_MAX;
}

static void other_origin(struct checkpoint *c, struct item_outcome o[2], struct digest *head)
{
	(void)o;
	(void)head;
	c->origin.text[0] = 'x';
}

static void other_head(struct checkpoint *c, struct item_outcome o[2], struct digest *head)
{
	(void)c;
	(void)o;
	head->b[31] ^= 1;
}

static void from_0(struct checkpoint *c, struct item_outcome o[2], struct digest *head)
{
	(void)c;
	(void)head;
	o[0].k = 0;
}

static void skipping(struct checkpoint *c, struct item_outcome o[2], struct digest *head)
{
	(void)c;
	(void)head;
	o[0].k++;
}

static void to_beyond(struct checkpoint *c, struct item_outcome o[2], struct digest *head)
{
	(void)c;
	(void)head;
	o[1].k += 100;
}

static void to_the_end_of_numbers(struct checkpoint *c, struct item_outcome o[2],
				  struct digest *head)
{
	(void)c;
	(void)head;
	o[1].k = UINT64_MAX;
}

static void receipts_that_are_not_true(void **state)
{
	static const struct receipt_change rows[] = {
		{"root", other_root},	  {"size", other_size},
		{"size 0", size_0},	  {"size beyond", size_beyond},
		{"origin", other_origin}, {"head", other_head},
		{"from 0", from_0},	  {"skips", skipping},
		{"to beyond", to_beyond}, {"to the end", to_the_end_of_numbers},
	};
	struct given g = given_new();
	struct evil *e = &g.e;
	struct peer *p = host_peer(e->victim, SK);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf body = {0};
		struct item_outcome o[2] = {{.k = 1}, {.k = e->received.k}};
		struct entry entry = evil_next(e, PB(ENTRY_KIND, RECEIPT));
		struct checkpoint c = e->held;
		struct digest head = e->received.head;
		const size_t n_got = e->n_got;

		rows[i].change(&c, o, &head);
		assert_int_equal(receipt_make(&c, o, 2, &head, &body), ERR_OK);
		(void)evil_add(e, &entry, buf_view(&body));
		g.f->n_log[LOG_ERR] = 0;
		evil_batch(e, e->n_item - 1, e->n_item);
		assert_int_equal(e->bye, 0);
		/* a batch of receipts alone calls for none: the refusal is told with the next */
		assert_int_equal(e->n_got, n_got);
		assert_int_equal(p->row.delivered_k, 0);
		assert_int_equal(g.f->n_log[LOG_ERR], 1);
	}
	referral_with(&g, NULL, 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(evil_outcome(e, e->n_item - 1 - i), REASON(FALSE_STATEMENT));
	/* and the true one is taken all the same */
	evil_receipt(e);
	evil_batch(e, e->n_item - 1, e->n_item);
	assert_int_equal(p->row.delivered_k, e->receipted_k);
	given_free(&g);
}

static void refusals_of_ours_are_remembered(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	CLEANUP(buf_fini) struct buf body = {0};
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_referral_list list = PB_REFERRAL_LIST_INIT;
	uint8_t id[16];
	struct digest leaf;
	struct entry entry;
	struct item_outcome o[2];

	(void)state;
	host_import(e->victim, id);
	assert_int_equal(host_refer(e->victim, SK, id, &leaf), 0);
	evil_listen(e);
	o[0] = (struct item_outcome){.k = 1};
	o[1] = (struct item_outcome){.k = e->received.k,
				     .status = PB(EXCEPTION_STATUS, REFUSED),
				     .reason = REASON(SURPLUS_FIELD)};
	entry = evil_next(e, PB(ENTRY_KIND, RECEIPT));
	assert_int_equal(receipt_make(&e->held, o, 2, &e->received.head, &body), ERR_OK);
	(void)evil_add(e, &entry, buf_view(&body));
	evil_batch(e, e->n_item - 1, e->n_item);
	assert_int_equal(host_peer(e->victim, SK)->row.n_refused, 1);
	m.referral_list = &list;
	host_ask(e->victim, EVERYONE, &m);
	assert_string_equal(e->victim->reply[0]->referral->delivery, "refused");
	assert_int_equal(e->victim->reply[0]->referral->refused, REASON(SURPLUS_FIELD));
	given_free(&g);
}

static void a_receipt_that_is_none(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	struct entry entry = evil_next(e, PB(ENTRY_KIND, RECEIPT));
	struct received_row row;

	(void)state;
	(void)evil_add(e, &entry, view_str("x"));
	evil_batch(e, e->n_item - 1, e->n_item);
	assert_int_equal(e->bye, 0);
	assert_int_equal(received_get(node_of(e)->store, host_peer(e->victim, SK)->row.id,
				      host_peer(e->victim, SK)->row.epoch, e->n_item, &row),
			 ERR_OK);
	assert_int_equal(row.reason, REASON(UNREADABLE));
	referral_with(&g, NULL, 0);
	assert_int_equal(evil_outcome(e, e->n_item - 1), REASON(UNREADABLE));
	given_free(&g);
}

/* --- the log and the reply stay bounded --- */

static void a_flood_of_refusals(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	size_t n_lines;

	(void)state;
	for (int i = 0; i < 600; i++) {
		struct entry entry = evil_next(e, PB(ENTRY_KIND, NOTICE));

		(void)evil_add(e, &entry, view_str(""));
	}
	memset(g.f->n_log, 0, sizeof(g.f->n_log));
	evil_send(e);
	n_lines = g.f->n_log[LOG_WARN] + g.f->n_log[LOG_ERR] + g.f->n_log[LOG_NOTICE];
	assert_true(n_lines <= 70);
	for (uint64_t k = e->n_item - 599; k <= e->n_item; k++)
		assert_int_equal(evil_outcome(e, k), REASON(UNSUPPORTED));
	given_free(&g);
}

static void a_flood_of_reasons(void **state)
{
	struct given g = given_new();
	struct evil *e = &g.e;
	struct digest leaf = refer_to_us(e);
	char *reason = malloc(200001);

	(void)state;
	assert_non_null(reason);
	for (size_t i = 0; i < 200000; i += 2)
		memcpy(reason + i, "\xc3\xa9", 2);
	reason[200000] = '\0';
	for (int i = 0; i < 220; i++) {
		struct pb_status m = PB_STATUS_INIT;
		struct entry entry = evil_next(e, PB(ENTRY_KIND, STATUS));

		m.has_opened = m.opened = 1;
		m.reason = i % 20 ? NULL : reason;
		entry.has_answers = true;
		entry.answers = leaf;
		(void)evil_add_message(e, &entry, &m);
		evil_batch(e, e->n_item - 1, e->n_item);
	}
	assert_int_equal(show(e, &leaf), 0); /* fits a frame: the port checks */
	assert_int_equal(e->victim->reply[1]->referral_content->n_history, 200);
	free(reason);
	given_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_answered_is_held_here),
		cmocka_unit_test(who_may_change_what),
		cmocka_unit_test(a_status_says_one_thing),
		cmocka_unit_test(a_status_from_the_end_of_time),
		cmocka_unit_test(changes_that_crossed),
		cmocka_unit_test(receipts_that_are_not_true),
		cmocka_unit_test(refusals_of_ours_are_remembered),
		cmocka_unit_test(a_receipt_that_is_none),
		cmocka_unit_test(a_flood_of_refusals),
		cmocka_unit_test(a_flood_of_reasons),
	};

	return cmocka_run_group_tests_name("node/items_state", tests, NULL, NULL);
}
