/* Lists in pieces: however many rows there are, and while others come and change. */
#include "node/page.h"
#include "unit/node/requests.h"

#define MANY 2600 /* three pieces */

/* --- making many --- */

static void begin(struct given *g)
{
	assert_int_equal(node_write(g->h->node), ERR_OK);
}

static void add_entry(struct given *g, const char *reason)
{
	const struct node_caller caller = {.id = 1, .uid = 7};
	struct append a = {.kind = PB(ENTRY_KIND, CONSULTED), .caller = &caller, .reason = reason};
	struct appended done;

	assert_int_equal(ledger_append(g->h->node, &a, &done), ERR_OK);
}

static void add_record(struct given *g, uint32_t i)
{
	struct record_row row = {.revision = 1, .type = 1, .manifest = {.b = {1}}};

	put_u32be(row.id, i);
	put_u32be(row.manifest.b + 4, i);
	assert_int_equal(blob_store(g->h->node, BLOB_LABEL, view_str("R"), row.label_blob), ERR_OK);
	assert_int_equal(record_put(g->h->node->store, &row), ERR_OK);
}

static struct referral_row referral_of(struct given *g, uint32_t i, int state)
{
	struct referral_row row = {
		.is_incoming = true,
		.peer = host_peer(g->h, SK)->row.id,
		.k = i + 1,
		.purpose = 1,
		.type = 1,
		.urgency = 1,
		.state = state,
	};

	put_u32be(row.leaf.b, i);
	return row;
}

/* New, or with another state. */
static void put_referral(struct given *g, uint32_t i, int state)
{
	struct referral_row row = referral_of(g, i, state), held;

	if (referral_get(g->h->node->store, &row.leaf, &held) == ERR_OK)
		row.num = held.num;
	assert_int_equal(referral_save(g->h->node, &row), ERR_OK);
}

/* --- asking --- */

/* What a caller does: one piece, then another from where it said that the list goes on. */
struct asker {
	struct pb_api_request m;
	struct pb_record_list records;
	struct pb_referral_list referrals;
	struct pb_audit_list audit;
	struct pb_list_page page;
	struct pb_list_next next;
	size_t n_pieces;
};

static void asker_init(struct asker *a)
{
	*a = (struct asker){
		.m = PB_API_REQUEST_INIT,
		.records = PB_RECORD_LIST_INIT,
		.referrals = PB_REFERRAL_LIST_INIT,
		.audit = PB_AUDIT_LIST_INIT,
		.page = PB_LIST_PAGE_INIT,
		.next = PB_LIST_NEXT_INIT,
	};
	a->records.page = a->referrals.page = a->audit.page = &a->page;
}

/* The rows stand in g->h->reply. Gives their number; *ret_more: the list goes on. */
static size_t ask_piece(struct given *g, struct asker *a, bool *ret_more)
{
	const struct pb_api_reply *last;
	size_t n_bytes = 0;

	host_ask(g->h, EVERYONE, &a->m);
	assert_int_equal(host_error(g->h), 0);
	assert_true(g->h->n_reply >= 1 && g->h->n_reply <= PAGE_ROWS + 1);
	for (size_t i = 0; i < g->h->n_reply; i++)
		n_bytes += protobuf_c_message_get_packed_size(&g->h->reply[i]->base);
	assert_true(n_bytes < PAGE_BYTES + FRAME_BODY_MAX);
	last = g->h->reply[g->h->n_reply - 1];
	*ret_more = last->next != NULL;
	if (last->next)
		a->next = *last->next;
	a->page.after = &a->next;
	a->n_pieces++;
	return g->h->n_reply - 1;
}

/* --- records --- */

static uint32_t number_of(ProtobufCBinaryData id)
{
	return get_u32be(id.data);
}

static void all_records_come_once_while_others_are_added(void **state)
{
	struct given g = given_new();
	struct asker a;
	uint32_t next = 0, added = MANY;
	bool more = true;

	(void)state;
	asker_init(&a);
	a.m.record_list = &a.records;
	begin(&g);
	for (uint32_t i = 0; i < MANY; i++)
		add_record(&g, i);
	while (more) {
		size_t n = ask_piece(&g, &a, &more);

		/* the first one is of given_new() */
		for (size_t i = a.n_pieces == 1; i < n; i++)
			assert_int_equal(number_of(g.h->reply[i]->record->id), next++);
		if (more) {
			begin(&g);
			add_record(&g, added++);
		}
	}
	assert_int_equal(next, added);
	assert_int_equal(a.n_pieces, MANY / PAGE_ROWS + 1);
	given_free(&g);
}

static void a_record_is_found_by_the_beginning_of_its_id(void **state)
{
	struct given g = given_new();
	struct asker a;
	uint8_t begins[17] = {0};
	bool more;

	(void)state;
	asker_init(&a);
	a.m.record_list = &a.records;
	begin(&g);
	for (uint32_t i = 0; i < 300; i++)
		add_record(&g, i);
	a.records.page = NULL;
	a.records.has_id_begins = 1;
	begins[3] = 7;
	a.records.id_begins = message_borrow(view_of(begins, 4));
	assert_int_equal(ask_piece(&g, &a, &more), 1);
	assert_int_equal(number_of(g.h->reply[0]->record->id), 7);
	a.records.id_begins = message_borrow(view_of(begins, 3)); /* of 256 */
	assert_int_equal(ask_piece(&g, &a, &more), 2);
	assert_false(more);
	for (size_t n = 0; n <= sizeof(begins); n += sizeof(begins)) {
		a.records.id_begins = message_borrow(view_of(begins, n));
		host_ask(g.h, EVERYONE, &a.m);
		assert_int_equal(host_error(g.h), ERROR(USAGE));
	}
	given_free(&g);
}

/* --- referrals --- */

/* Of each a state; the odd ones await an answer. */
static void many_referrals(struct given *g)
{
	begin(g);
	for (uint32_t i = 0; i < MANY; i++)
		put_referral(g, i,
			     i % 2 ? PB(REFERRAL_STATE, REQUESTED) : PB(REFERRAL_STATE, ACCEPTED));
}

static void referrals_that_await_an_answer_come_first(void **state)
{
	struct given g = given_new();
	struct asker a;
	uint32_t last = MANY;
	size_t n_rows = 0;
	bool more = true, is_rest = false;

	(void)state;
	asker_init(&a);
	a.m.referral_list = &a.referrals;
	many_referrals(&g);
	while (more) {
		size_t n = ask_piece(&g, &a, &more);

		for (size_t i = 0; i < n; i++) {
			const struct pb_referral_row *row = g.h->reply[i]->referral;
			uint32_t number = number_of(row->id);

			if (!is_rest && !row->awaits_us) {
				is_rest = true;
				last = MANY;
			}
			assert_true(number < last && row->awaits_us == (int)(number % 2));
			assert_int_equal(row->awaits_us, !is_rest);
			last = number;
			n_rows++;
		}
	}
	assert_int_equal(n_rows, MANY);
	/* a filter that leaves out nearly all does not make a piece longer */
	asker_init(&a);
	a.m.referral_list = &a.referrals;
	a.referrals.has_state = 1;
	a.referrals.state = PB(REFERRAL_STATE, DECLINED);
	for (more = true; more;)
		assert_int_equal(ask_piece(&g, &a, &more), 0);
	assert_true(a.n_pieces >= MANY / PAGE_ROWS + 1);
	given_free(&g);
}

/* Between two pieces some are answered, some come to await an answer, and new ones arrive. */
static void no_referral_is_missed_when_states_change(void **state)
{
	struct given g = given_new();
	struct asker a;
	unsigned seen[MANY] = {0};
	uint32_t step = 0;
	bool more = true;

	(void)state;
	asker_init(&a);
	a.m.referral_list = &a.referrals;
	many_referrals(&g);
	while (more) {
		size_t n = ask_piece(&g, &a, &more);

		for (size_t i = 0; i < n; i++) {
			uint32_t number = number_of(g.h->reply[i]->referral->id);

			if (number < MANY)
				seen[number]++;
		}
		begin(&g);
		for (uint32_t i = step; i < MANY; i += 10) {
			put_referral(&g, i,
				     i % 2 ? PB(REFERRAL_STATE, ACCEPTED)
					   : PB(REFERRAL_STATE, REQUESTED));
			put_referral(&g, MANY + step * MANY + i, PB(REFERRAL_STATE, REQUESTED));
		}
		step++;
	}
	assert_true(a.n_pieces >= 3);
	for (uint32_t i = 0; i < MANY; i++) {
		/* twice only what was answered after it had come; what did not change once */
		assert_true(seen[i] >= 1 && seen[i] <= 2);
		assert_true(seen[i] == 1 || (i % 2 == 1 && i % 10 < step));
	}
	given_free(&g);
}

static uint64_t status_awaiting(struct given *g)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_node_status ask = PB_NODE_STATUS_INIT;

	m.node_status = &ask;
	host_ask(g->h, EVERYONE, &m);
	return g->h->reply[0]->status->n_awaits_us;
}

static void status_counts_what_is_listed_as_due(void **state)
{
	struct given g = given_new();
	struct referral_row row;

	(void)state;
	assert_int_equal(status_awaiting(&g), 0);
	begin(&g);
	put_referral(&g, 1, PB(REFERRAL_STATE, REQUESTED));
	put_referral(&g, 2, PB(REFERRAL_STATE, NEEDS_INFO)); /* the sender's turn */
	row = referral_of(&g, 3, PB(REFERRAL_STATE, NEEDS_INFO));
	row.is_incoming = false;
	assert_int_equal(referral_save(g.h->node, &row), ERR_OK);
	assert_int_equal(status_awaiting(&g), 2);
	begin(&g);
	put_referral(&g, 1, PB(REFERRAL_STATE, DECLINED));
	assert_int_equal(status_awaiting(&g), 1);
	host_stop(g.h);
	host_start(g.h);
	assert_int_equal(status_awaiting(&g), 1);
	given_free(&g);
}

/* --- the audit log --- */

static void all_entries_come_once_while_others_are_written(void **state)
{
	struct given g = given_new();
	struct asker a;
	uint64_t next = 0;
	bool more = true;

	(void)state;
	asker_init(&a);
	a.m.audit_list = &a.audit;
	begin(&g);
	for (unsigned i = 0; i < MANY; i++)
		add_entry(&g, "why");
	while (more) {
		size_t n = ask_piece(&g, &a, &more);

		for (size_t i = 0; i < n; i++)
			assert_int_equal(g.h->reply[i]->audit->id, next++);
		if (more) {
			begin(&g);
			add_entry(&g, "meanwhile");
		}
	}
	assert_int_equal(next, size_of(&g));
	/* so many as are asked for; it says that there are more */
	asker_init(&a);
	a.m.audit_list = &a.audit;
	a.page.has_limit = 1;
	a.page.limit = 3;
	assert_int_equal(ask_piece(&g, &a, &more), 3);
	assert_true(more);
	assert_int_equal(ask_piece(&g, &a, &more), 3);
	assert_int_equal(g.h->reply[0]->audit->id, 3);
	given_free(&g);
}

static void long_rows_make_short_pieces(void **state)
{
	CLEANUP(freep) char *reason = malloc(20001);
	struct given g = given_new();
	struct asker a;
	uint64_t next = 0;
	bool more = true;

	(void)state;
	memset(reason, 'x', 20000);
	reason[20000] = '\0';
	asker_init(&a);
	a.m.audit_list = &a.audit;
	begin(&g);
	for (unsigned i = 0; i < 40; i++)
		add_entry(&g, reason);
	while (more)
		next += ask_piece(&g, &a, &more);
	assert_int_equal(next, size_of(&g));
	assert_true(a.n_pieces >= 3);
	given_free(&g);
}

/* --- earlier ledgers --- */

#define PAST 5

/* A ledger that ended: its first 3 entries are here; a peer gave back 2, 3 and 7, of which 2 as it
 * stands here and 3 where another stands. */
static void add_past(struct given *g)
{
	struct store *s = g->h->node->store;
	struct epoch_row end = {.epoch = PAST, .origin = "cz.example/a/5", .why = "lost"};
	struct entry_row row;

	begin(g);
	assert_int_equal(epoch_put(s, &end), ERR_OK);
	for (uint64_t i = 0; i < 4; i++) {
		assert_int_equal(entry_get(s, g->h->node->epoch, i, &row), ERR_OK);
		row.epoch = PAST;
		row.peer = 0;
		row.k = 0;
		assert_int_equal(entry_put(s, &row), ERR_OK);
	}
	for (uint64_t k = 1; k <= 3; k++) {
		struct recovered_row back = {
			.peer = host_peer(g->h, SK)->row.id, .epoch = PAST, .k = k};
		const uint64_t at[] = {2, 3, 7};

		assert_int_equal(entry_get(s, g->h->node->epoch, k == 1 ? 2 : 1, &row), ERR_OK);
		back.index = at[k - 1];
		back.leaf = row.leaf;
		back.entry = row.entry;
		assert_int_equal(recovered_put(s, &back), ERR_OK);
	}
}

static void assert_past(struct given *g)
{
	const uint64_t at[] = {0, 1, 2, 3, 3, 7};

	for (size_t i = 0; i < 6; i++) {
		const struct pb_audit_row *row = g->h->reply[i]->audit;

		assert_true(row->epoch == PAST && row->id == at[i]);
		assert_int_equal(row->has_given_back && row->given_back, i >= 4);
	}
}

static void earlier_ledgers_are_shown_with_what_was_given_back(void **state)
{
	struct given g = given_new();
	struct asker a;
	bool more;

	(void)state;
	asker_init(&a);
	a.m.audit_list = &a.audit;
	add_past(&g);
	a.audit.has_epoch = 1;
	a.audit.epoch = PAST;
	assert_int_equal(ask_piece(&g, &a, &more), 6);
	assert_past(&g);
	for (uint64_t epoch = 4; epoch != 3; epoch = epoch == 4 ? UINT64_MAX : 3) {
		a.audit.epoch = epoch;
		a.page.after = NULL;
		host_ask(g.h, EVERYONE, &a.m);
		assert_int_equal(host_error(g.h), ERROR(DATA));
	}
	/* all, in one piece and row by row */
	a.audit.has_epoch = 0;
	a.audit.has_all_epochs = a.audit.all_epochs = 1;
	assert_int_equal(ask_piece(&g, &a, &more), 6 + size_of(&g));
	assert_past(&g);
	assert_int_equal(g.h->reply[6]->audit->epoch, g.h->node->epoch);
	assert_int_equal(g.h->reply[6]->audit->id, 0);
	a.page.after = NULL;
	a.page.has_limit = 1;
	a.page.limit = 1;
	for (size_t i = 0; i < 6 + size_of(&g); i++) {
		const uint64_t at[] = {0, 1, 2, 3, 3, 7};

		assert_int_equal(ask_piece(&g, &a, &more), 1);
		assert_int_equal(g.h->reply[0]->audit->id, i < 6 ? at[i] : i - 6);
		assert_int_equal(more, i + 1 < 6 + size_of(&g));
	}
	/* of each from an index on */
	a.page.after = NULL;
	a.page.limit = 0;
	a.audit.has_from_index = 1;
	a.audit.from_index = 3;
	assert_int_equal(ask_piece(&g, &a, &more), 3 + size_of(&g) - 3);
	given_free(&g);
}

/* --- what a caller makes of it --- */

static void a_list_that_goes_on_nowhere(void **state)
{
	struct given g = given_new();
	struct asker a;

	(void)state;
	for (int verb = 0; verb < 3; verb++)
		for (int i = 0; i < 4; i++) {
			asker_init(&a);
			a.m.record_list = verb == 0 ? &a.records : NULL;
			a.m.referral_list = verb == 1 ? &a.referrals : NULL;
			a.m.audit_list = verb == 2 ? &a.audit : NULL;
			a.page.after = &a.next;
			a.next.has_part = a.next.has_at = a.next.has_beside = a.next.has_epoch = 1;
			a.next.part = i ? 2 : 0; /* 0: no part of it */
			a.next.at = i == 1 ? UINT64_MAX : 0;
			a.next.beside = i == 2 ? UINT64_MAX : 0;
			a.next.epoch = i == 3 ? UINT64_MAX : 0;
			host_ask(g.h, EVERYONE, &a.m);
			assert_int_equal(host_error(g.h), ERROR(USAGE));
		}
	given_free(&g);
}

/* However many lists are asked for at once, a turn looks at so many rows and no more. */
static void many_lists_do_not_make_a_long_turn(void **state)
{
	const struct node_caller caller = {.id = 1, .roles = EVERYONE};
	struct given g = given_new();
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_audit_list ask = PB_AUDIT_LIST_INIT;
	CLEANUP(buf_fini) struct buf bytes = {0};
	size_t n_turns = 0, n_before;
	bool more = true;

	(void)state;
	begin(&g);
	for (unsigned i = 0; i < PAGE_ROWS; i++)
		add_entry(&g, "why");
	host_turn(g.h);
	m.has_id = 1;
	m.audit_list = &ask;
	assert_int_equal(message_encode(&m, &bytes), ERR_OK);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(node_request(g.h->node, &caller, buf_view(&bytes)), ERR_OK);
	while (more) {
		n_before = g.h->n_reply;
		assert_int_equal(node_turn(g.h->node, &more), ERR_OK);
		assert_true(g.h->n_reply - n_before <= NODE_TURN_ROWS_MAX + PAGE_ROWS);
		n_turns++;
	}
	assert_true(n_turns >= 20 * PAGE_ROWS / (NODE_TURN_ROWS_MAX + PAGE_ROWS));
	given_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_records_come_once_while_others_are_added),
		cmocka_unit_test(a_record_is_found_by_the_beginning_of_its_id),
		cmocka_unit_test(referrals_that_await_an_answer_come_first),
		cmocka_unit_test(no_referral_is_missed_when_states_change),
		cmocka_unit_test(status_counts_what_is_listed_as_due),
		cmocka_unit_test(all_entries_come_once_while_others_are_written),
		cmocka_unit_test(long_rows_make_short_pieces),
		cmocka_unit_test(earlier_ledgers_are_shown_with_what_was_given_back),
		cmocka_unit_test(a_list_that_goes_on_nowhere),
		cmocka_unit_test(many_lists_do_not_make_a_long_turn),
	};

	return cmocka_run_group_tests_name("node/request_list", tests, NULL, NULL);
}
