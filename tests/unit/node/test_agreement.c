/* An agreement that is withdrawn by the local API: what is sent and taken after that, and what
 * crosses it on the way. */
#include "unit/node/requests.h"

#define NO_AGREEMENT PB(REFUSAL_REASON, NO_AGREEMENT)

static int withdraw_from(struct given *g, const char *agreement, const char *peer,
			 const char *reason)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_agreement_withdraw ask = PB_AGREEMENT_WITHDRAW_INIT;

	ask.agreement = message_borrow_text(agreement);
	ask.peer = message_borrow_text(peer);
	ask.reason = message_borrow_text(reason);
	m.agreement_withdraw = &ask;
	host_ask(g->h, EVERYONE, &m);
	evil_listen(&g->e);
	return host_error(g->h);
}

static int withdraw(struct given *g)
{
	return withdraw_from(g, "test of the node", NULL, "ends");
}

static void adopt(struct given *g)
{
	host_adopt(g->h);
	evil_listen(&g->e);
}

/* A referral of the peer's, which had seen so much of our chain: what becomes of it. */
static int referral_that_saw(struct given *g, uint64_t seen_k)
{
	struct evil_referral r;

	evil_referral_fill(&g->e, &r);
	r.entry.seen_k = seen_k;
	(void)evil_referral_add(&g->e, &r);
	evil_send(&g->e);
	evil_referral_fini(&r);
	return evil_outcome(&g->e, g->e.n_item);
}

static size_t n_got(const struct given *g, int kind)
{
	size_t n = 0;

	for (size_t i = 0; i < g->e.n_got; i++)
		n += (int)g->e.got[i].entry.kind == kind;
	return n;
}

static bool says(const struct given *g, const char *words)
{
	return strstr(g->h->reply[0]->error->text, words) != NULL;
}

static void what_is_meant(void **state)
{
	struct given g = given_new();
	const char *sk = g.f->agency[SK].id.text;
	char id[HEX_LEN(DIGEST_BYTES)], beginning[9];
	uint64_t size = size_of(&g);

	(void)state;
	hex_encode(view_digest(&g.f->agreement_id), id);
	memcpy(beginning, id, 8);
	beginning[8] = '\0';
	assert_int_equal(withdraw_from(&g, id, NULL, NULL), ERROR(USAGE));
	assert_int_equal(withdraw_from(&g, id, NULL, ""), ERROR(USAGE));
	assert_int_equal(withdraw_from(&g, NULL, NULL, "r"), ERROR(DATA));
	assert_int_equal(withdraw_from(&g, "", NULL, "r"), ERROR(DATA));
	assert_int_equal(withdraw_from(&g, "test of", NULL, "r"), ERROR(DATA));
	assert_int_equal(withdraw_from(&g, id, "nobody", "r"), ERROR(DATA));
	beginning[7] = '\0'; /* seven digits are too few */
	assert_int_equal(withdraw_from(&g, beginning, NULL, "r"), ERROR(DATA));
	assert_int_equal(size_of(&g), size);

	beginning[7] = id[7];
	assert_int_equal(withdraw_from(&g, beginning, g.f->agency[AT].id.text, "r"), 0);
	assert_int_equal(size_of(&g), ++size);
	assert_int_equal(n_got(&g, PB(ENTRY_KIND, WITHDRAW)), 0);
	assert_int_equal(withdraw_from(&g, "test of the node", sk, "r"), 0);
	assert_int_equal(size_of(&g), ++size);
	assert_int_equal(withdraw_from(&g, id, sk, "r"), ERROR(DATA));
	assert_true(says(&g, "withdrawn already"));
	adopt(&g);
	size = size_of(&g);
	assert_int_equal(withdraw_from(&g, id, NULL, "r"), 0); /* with both */
	assert_string_equal(g.h->reply[0]->agreement->state, "withdrawn");
	assert_int_equal(size_of(&g), size + 2);
	adopt(&g);
	assert_int_equal(withdraw_from(&g, id, NULL, "r"), 0);
	assert_int_equal(n_got(&g, PB(ENTRY_KIND, WITHDRAW)), 3);
	given_free(&g);
}

static const char another[] =
	"agreement: test of the node\n"
	"parties: [spiffe://cz.example/umpod, spiffe://sk.example/cipc]\n"
	"valid: {from: 2026-01-01, until: 2026-12-31}\n"
	"purposes: [child-protection]\n"
	"rules:\n"
	"  - {name: x, record: VictimRecord, stage: request, fields: [derived],\n"
	"     consent: not-required, retention_days: 1, onward: none}\n";
static const char long_ago[] =
	"agreement: of yesterday\n"
	"parties: [spiffe://cz.example/umpod, spiffe://sk.example/cipc]\n"
	"valid: {from: 2001-01-01, until: 2001-12-31}\n"
	"purposes: [child-protection]\n"
	"rules:\n"
	"  - {name: x, record: VictimRecord, stage: request, fields: [derived],\n"
	"     consent: not-required, retention_days: 1, onward: none}\n";

static int adopt_file(struct given *g, const char *text)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_agreement_adopt ask = PB_AGREEMENT_ADOPT_INIT;

	ask.has_file = 1;
	ask.file = message_borrow(view_str(text));
	m.agreement_adopt = &ask;
	host_ask(g->h, EVERYONE, &m);
	evil_listen(&g->e);
	return host_error(g->h);
}

static void two_of_one_name(void **state)
{
	struct given g = given_new();
	char id[HEX_LEN(DIGEST_BYTES)];

	(void)state;
	hex_encode(view_digest(&g.f->agreement_id), id);
	assert_int_equal(adopt_file(&g, another), 0);
	assert_int_equal(withdraw(&g), ERROR(DATA));
	assert_true(says(&g, "more than one"));
	assert_int_equal(withdraw_from(&g, id, NULL, "r"), 0);
	assert_int_equal(withdraw(&g), 0); /* only the other one stands */
	given_free(&g);
}

static void one_that_is_over_is_not_adopted(void **state)
{
	struct given g = given_new();
	const uint64_t size = size_of(&g), files = host_files(g.h);

	(void)state;
	assert_int_equal(adopt_file(&g, long_ago), ERROR(DATA));
	assert_true(says(&g, "2001-12-31"));
	assert_int_equal(size_of(&g), size);
	assert_true(host_files(g.h) == files);
	given_free(&g);
}

/* The peer is told which agreement, not why. */
static void the_reason_stays_here(void **state)
{
	struct given g = given_new();
	CLEANUP(message_freep) struct pb_withdraw *m = NULL;
	const struct evil_got *got;

	(void)state;
	assert_int_equal(withdraw_from(&g, "test of the node", NULL, "they leak"), 0);
	assert_int_equal(n_got(&g, PB(ENTRY_KIND, WITHDRAW)), 1);
	got = &g.e.got[g.e.n_got - 1];
	assert_true(digest_eq(&got->entry.agreement, &g.f->agreement_id));
	assert_int_equal(
		message_decode(&pb_withdraw_desc, buf_view(&got->body), MESSAGE_STRICT, &m),
		ERR_OK);
	assert_string_equal(m->name, "test of the node");
	assert_null(m->reason);
	given_free(&g);
}

static void nothing_is_sent_until_it_is_adopted_again(void **state)
{
	struct given g = given_new();

	(void)state;
	assert_int_equal(host_refer(g.h, SK, g.record, NULL), 0);
	assert_int_equal(withdraw(&g), 0);
	assert_int_equal(host_refer(g.h, SK, g.record, NULL), ERROR(DATA));
	assert_true(says(&g, "is withdrawn here"));
	adopt(&g);
	assert_string_equal(g.h->reply[0]->agreement->state, "in-force");
	assert_int_equal(host_refer(g.h, SK, g.record, NULL), 0);
	given_free(&g);
}

/* Judged by what its sender had seen, whatever we said since and however late it comes. */
static void what_crossed_it_still_counts(void **state)
{
	struct given g = given_new();
	const uint64_t *seen = &g.e.received.k;
	uint64_t first, ended, second, ended_again;

	(void)state;
	first = *seen;
	assert_int_equal(withdraw(&g), 0);
	ended = *seen;
	assert_int_equal(referral_that_saw(&g, first), 0);
	assert_int_equal(referral_that_saw(&g, ended), NO_AGREEMENT);
	adopt(&g);
	second = *seen;
	assert_int_equal(referral_that_saw(&g, first), 0);
	assert_int_equal(referral_that_saw(&g, ended - 1), 0);
	assert_int_equal(referral_that_saw(&g, ended), NO_AGREEMENT);
	assert_int_equal(referral_that_saw(&g, second), 0);
	assert_int_equal(withdraw(&g), 0);
	ended_again = *seen;
	adopt(&g);
	assert_int_equal(referral_that_saw(&g, 0), NO_AGREEMENT);
	assert_int_equal(referral_that_saw(&g, first), 0);
	assert_int_equal(referral_that_saw(&g, ended), NO_AGREEMENT);
	assert_int_equal(referral_that_saw(&g, second), 0);
	assert_int_equal(referral_that_saw(&g, ended_again), NO_AGREEMENT);
	assert_int_equal(referral_that_saw(&g, *seen), 0);
	/* and the same after a start */
	evil_close(&g.e);
	host_stop(g.h);
	host_start(g.h);
	evil_connect(&g.e, TLS_LISTENER);
	assert_int_equal(referral_that_saw(&g, first), 0);
	assert_int_equal(referral_that_saw(&g, ended_again), NO_AGREEMENT);
	given_free(&g);
}

static void accept_by_peer(struct given *g, const struct digest *referral)
{
	struct pb_status m = PB_STATUS_INIT;
	struct entry entry = evil_next(&g->e, PB(ENTRY_KIND, STATUS));

	entry.has_answers = true;
	entry.answers = *referral;
	m.has_state = 1;
	m.state = PB(REFERRAL_STATE, ACCEPTED);
	(void)evil_add_message(&g->e, &entry, &m);
	evil_send(&g->e);
	assert_int_equal(evil_outcome(&g->e, g->e.n_item), 0);
}

/* The rest of a record goes only if an agreement is in force when the peer accepts. */
static void the_second_stage_is_judged_when_it_is_due(void **state)
{
	struct given g = given_new();
	struct digest before, after;
	size_t n;

	(void)state;
	assert_int_equal(host_refer(g.h, SK, g.record, &before), 0);
	assert_int_equal(host_refer(g.h, SK, g.record, &after), 0);
	evil_listen(&g.e);
	assert_int_equal(withdraw(&g), 0);
	accept_by_peer(&g, &before);
	assert_int_equal(n_got(&g, PB(ENTRY_KIND, SUPPLEMENT)), 0);
	adopt(&g);
	n = n_got(&g, PB(ENTRY_KIND, SUPPLEMENT));
	assert_int_equal(n, 0); /* what was not released is not made up for */
	accept_by_peer(&g, &after);
	assert_int_equal(n_got(&g, PB(ENTRY_KIND, SUPPLEMENT)), 1);
	given_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_meant),
		cmocka_unit_test(two_of_one_name),
		cmocka_unit_test(one_that_is_over_is_not_adopted),
		cmocka_unit_test(the_reason_stays_here),
		cmocka_unit_test(nothing_is_sent_until_it_is_adopted_again),
		cmocka_unit_test(what_crossed_it_still_counts),
		cmocka_unit_test(the_second_stage_is_judged_when_it_is_due),
	};

	return cmocka_run_group_tests_name("node/agreement", tests, NULL, NULL);
}
