/* Byte budgets and token buckets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/quota.h"

static void a_budget_is_never_passed(void **state)
{
	struct quota q = {.limit = 100};

	(void)state;
	assert_true(quota_take(&q, 0));
	assert_true(quota_take(&q, 60));
	assert_false(quota_take(&q, 41));
	assert_false(quota_take(&q, SIZE_MAX));
	assert_int_equal(q.used, 60);
	assert_true(quota_take(&q, 40));
	assert_false(quota_take(&q, 1));
	quota_give(&q, 100);
	assert_int_equal(q.used, 0);
	assert_true(quota_take(&q, 100));
}

static void a_bucket_begins_full_and_refills_at_its_rate(void **state)
{
	struct token_bucket t;

	(void)state;
	token_bucket_init(&t, 10, 3, 5000);
	for (int i = 0; i < 3; i++)
		assert_true(token_bucket_take(&t, 5000));
	assert_false(token_bucket_take(&t, 5000));
	assert_false(token_bucket_take(&t, 5099));
	assert_true(token_bucket_take(&t, 5100));
	assert_false(token_bucket_take(&t, 5100));
	/* never more than the burst */
	for (int i = 0; i < 3; i++)
		assert_true(token_bucket_take(&t, 60000));
	assert_false(token_bucket_take(&t, 60000));
}

static void a_refused_try_costs_no_time(void **state)
{
	struct token_bucket t;

	(void)state;
	token_bucket_init(&t, 1, 1, 0);
	assert_true(token_bucket_take(&t, 0));
	for (uint64_t ms = 1; ms < 1000; ms++)
		assert_false(token_bucket_take(&t, ms));
	assert_true(token_bucket_take(&t, 1000));
}

static void odd_times_do_no_harm(void **state)
{
	struct token_bucket t;

	(void)state;
	token_bucket_init(&t, UINT32_MAX, UINT32_MAX, 1000);
	assert_true(token_bucket_take(&t, UINT64_MAX));
	assert_int_equal(t.tokens_milli, (uint64_t)UINT32_MAX * 1000 - 1000);
	/* a clock that goes back gives nothing */
	token_bucket_init(&t, 10, 1, 1000);
	assert_true(token_bucket_take(&t, 1000));
	assert_false(token_bucket_take(&t, 0));
	assert_false(token_bucket_take(&t, 1000));
	token_bucket_init(&t, 0, 0, 0);
	assert_false(token_bucket_take(&t, 1000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_budget_is_never_passed),
		cmocka_unit_test(a_bucket_begins_full_and_refills_at_its_rate),
		cmocka_unit_test(a_refused_try_costs_no_time),
		cmocka_unit_test(odd_times_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
