/* Receipts: what is made is what the other side takes, and nothing else is taken. */
#include "unit/exchange/ledger.h"

#include "crypto/digest.h"
#include "exchange/receipt.h"

#define FROM 11
#define TO 20

static struct checkpoint rests_on(void)
{
	struct agency_id id = id_of(CZ_ID);
	struct checkpoint c = {.size = 42, .root = some_digest(3)};

	origin_make(&c.origin, &id, EPOCH);
	return c;
}

static struct pb_receipt *make(const struct item_outcome *outcome, size_t n)
{
	CLEANUP(buf_fini) struct buf body = {0};
	const struct checkpoint c = rests_on();
	const struct digest head = some_digest(5);
	struct pb_receipt *r = NULL;

	assert_int_equal(receipt_make(&c, outcome, n, &head, &body), ERR_OK);
	assert_int_equal(message_decode(&pb_receipt_desc, buf_view(&body), MESSAGE_STRICT, &r),
			 ERR_OK);
	return r;
}

/* positions FROM..TO, of which 12 is refused, 13 absent and TO refused */
static struct pb_receipt *sample(void)
{
	struct item_outcome o[TO - FROM + 1];

	for (size_t i = 0; i < ARRAY_LEN(o); i++)
		o[i] = (struct item_outcome){.k = FROM + i};
	o[1].status = PB(EXCEPTION_STATUS, REFUSED);
	o[1].reason = PB(REFUSAL_REASON, STATE);
	o[2].status = PB(EXCEPTION_STATUS, ABSENT);
	o[9].status = PB(EXCEPTION_STATUS, REFUSED);
	o[9].reason = PB(REFUSAL_REASON, BAD_SEAL);
	return make(o, ARRAY_LEN(o));
}

static enum err check(const struct pb_receipt *r)
{
	return receipt_check(r, rests_on().origin.text, FROM - 1, TO);
}

static void what_is_made_is_taken(void **state)
{
	CLEANUP(message_freep) struct pb_receipt *r = sample();
	const struct digest root = some_digest(3), head = some_digest(5);

	(void)state;
	assert_int_equal(check(r), ERR_OK);
	assert_string_equal(r->origin, "cz.example/umpod/1767225600");
	assert_int_equal(r->size, 42);
	assert_int_equal(r->from_k, FROM);
	assert_int_equal(r->to_k, TO);
	assert_memory_equal(r->root.data, root.b, 32);
	assert_memory_equal(r->head.data, head.b, 32);
	assert_int_equal(r->n_exceptions, 3);
	assert_int_equal(r->exceptions[0]->k, 12);
	assert_int_equal(r->exceptions[0]->status, PB(EXCEPTION_STATUS, REFUSED));
	assert_int_equal(r->exceptions[0]->reason, PB(REFUSAL_REASON, STATE));
	assert_int_equal(r->exceptions[1]->k, 13);
	assert_int_equal(r->exceptions[1]->status, PB(EXCEPTION_STATUS, ABSENT));
	assert_false(r->exceptions[1]->has_reason);
	assert_int_equal(r->exceptions[2]->k, TO);
}

static void one_position_and_the_most(void **state)
{
	struct item_outcome o[BATCH_ITEMS_MAX];
	CLEANUP(message_freep) struct pb_receipt *one = NULL;
	CLEANUP(message_freep) struct pb_receipt *all = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(o); i++)
		o[i] = (struct item_outcome){.k = FROM + i,
					     .status = PB(EXCEPTION_STATUS, REFUSED),
					     .reason = PB(REFUSAL_REASON, CONSENT)};
	one = make(o, 1);
	assert_int_equal(one->from_k, FROM);
	assert_int_equal(one->to_k, FROM);
	assert_int_equal(check(one), ERR_OK);
	all = make(o, ARRAY_LEN(o));
	assert_int_equal(all->n_exceptions, BATCH_ITEMS_MAX);
	assert_int_equal(receipt_check(all, rests_on().origin.text, FROM - 1, FROM + 255), ERR_OK);
	assert_int_equal(receipt_check(all, rests_on().origin.text, FROM - 1, FROM + 254),
			 ERR_INVALID);
}

static void every_field_is_needed(void **state)
{
	(void)state;
	for (int field = 0; field < 9; field++) {
		CLEANUP(message_freep) struct pb_receipt *r = sample();

		switch (field) {
		case 0:
			r->origin = NULL;
			break;
		case 1:
			r->has_size = 0;
			break;
		case 2:
			r->has_root = 0;
			break;
		case 3:
			r->has_from_k = 0;
			break;
		case 4:
			r->has_to_k = 0;
			break;
		case 5:
			r->has_head = 0;
			break;
		case 6:
			r->root.len = 31;
			break;
		case 7:
			r->head.len = 0;
			break;
		case 8:
			r->origin[0] = 'x';
			break;
		}
		assert_int_equal(check(r), ERR_INVALID);
	}
}

static void the_range_follows_what_is_delivered(void **state)
{
	CLEANUP(message_freep) struct pb_receipt *r = sample();
	const char *origin = rests_on().origin.text;

	(void)state;
	assert_int_equal(receipt_check(r, origin, FROM - 2, TO), ERR_INVALID); /* a gap */
	assert_int_equal(receipt_check(r, origin, FROM, TO), ERR_INVALID);     /* again */
	assert_int_equal(receipt_check(r, origin, 0, TO), ERR_INVALID);
	assert_int_equal(receipt_check(r, origin, UINT64_MAX, TO), ERR_INVALID);
	assert_int_equal(receipt_check(r, origin, FROM - 1, TO - 1), ERR_INVALID); /* never sent */
	assert_int_equal(receipt_check(r, origin, FROM - 1, TO + 1), ERR_OK);
	r->to_k = FROM - 1;
	assert_int_equal(check(r), ERR_INVALID);
	r->to_k = UINT64_MAX;
	assert_int_equal(check(r), ERR_INVALID);
	r->to_k = TO;
	r->from_k = 0;
	assert_int_equal(receipt_check(r, origin, UINT64_MAX, TO), ERR_INVALID);
}

static void exceptions_are_ascending_within_the_range(void **state)
{
	static const struct {
		uint64_t k0, k1, k2;
		enum err e;
	} rows[] = {
		{12, 13, 20, ERR_OK},	   {11, 12, 13, ERR_OK},
		{10, 13, 20, ERR_INVALID}, {0, 13, 20, ERR_INVALID},
		{12, 12, 20, ERR_INVALID}, {13, 12, 20, ERR_INVALID},
		{12, 13, 21, ERR_INVALID}, {12, 13, 13, ERR_INVALID},
		{12, 20, 13, ERR_INVALID}, {12, 13, UINT64_MAX, ERR_INVALID},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(message_freep) struct pb_receipt *r = sample();

		r->exceptions[0]->k = rows[i].k0;
		r->exceptions[1]->k = rows[i].k1;
		r->exceptions[2]->k = rows[i].k2;
		assert_int_equal(check(r), rows[i].e);
	}
}

static void refused_has_a_reason_and_absent_none(void **state)
{
	CLEANUP(message_freep) struct pb_receipt *r = sample();
	struct pb_exception *x = r->exceptions[0];

	(void)state;
	x->has_reason = 0;
	assert_int_equal(check(r), ERR_INVALID);
	x->status = PB(EXCEPTION_STATUS, ABSENT);
	assert_int_equal(check(r), ERR_OK);
	x->has_reason = 1;
	assert_int_equal(check(r), ERR_INVALID);
	x->status = PB(EXCEPTION_STATUS, REFUSED);
	assert_int_equal(check(r), ERR_OK);
	x->has_status = 0;
	assert_int_equal(check(r), ERR_INVALID);
	x->has_status = 1;
	x->has_k = 0;
	assert_int_equal(check(r), ERR_INVALID);
	x->has_k = 1;
	x->has_reason = 0;
	x->status = (Amparo__V1__ExceptionStatus)3;
	assert_int_equal(check(r), ERR_INVALID);
}

static void more_exceptions_than_positions(void **state)
{
	CLEANUP(message_freep) struct pb_receipt *r = sample();

	(void)state;
	r->to_k = FROM + 1; /* two positions, three exceptions */
	assert_int_equal(check(r), ERR_INVALID);
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
		cmocka_unit_test(what_is_made_is_taken),
		cmocka_unit_test(one_position_and_the_most),
		cmocka_unit_test(every_field_is_needed),
		cmocka_unit_test(the_range_follows_what_is_delivered),
		cmocka_unit_test(exceptions_are_ascending_within_the_range),
		cmocka_unit_test(refused_has_a_reason_and_absent_none),
		cmocka_unit_test(more_exceptions_than_positions),
	};

	return cmocka_run_group_tests_name("exchange/receipt", tests, setup, teardown);
}
