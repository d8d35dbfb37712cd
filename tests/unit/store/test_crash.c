/* kill -9 at any moment: what was committed is there, what was not is not there at all. */
#include "fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

/* One turn: entry n, a blob beside it and the count of both, together. */
static enum err turn(struct store *s, uint64_t n)
{
	uint8_t id[STORE_ID_BYTES] = {0}, cipher[3000];
	struct entry_row row = {
		.epoch = EPOCH, .index = n, .entry = view_str("entry"), .has_body = true};
	enum err e;

	put_u64be(id, n);
	memset(cipher, (int)n, sizeof(cipher));
	row.leaf = digest_of((unsigned)n);
	memcpy(row.body_blob, id, sizeof(id));
	e = store_begin(s);
	if (!e)
		e = put_blob(s, id, BLOB_BODY, view_str("key"), view_of(cipher, sizeof(cipher)));
	if (!e)
		e = entry_put(s, &row);
	if (!e)
		e = own_checkpoint_put(s, EPOCH, n + 1, view_str("note"));
	return e;
}

/* Until killed; tells each commit after it. */
static _Noreturn void work(struct fixture *f, int told)
{
	uint64_t n = 0;
	bool more;

	if (fixture_open(f, false) || entry_count(f->s, EPOCH, &n))
		_exit(1);
	for (;; n++) {
		if (turn(f->s, n) || store_commit(f->s))
			_exit(2);
		if (write(told, &n, sizeof(n)) != sizeof(n))
			_exit(3);
		if (store_wal_step(f->s, &more))
			_exit(4);
	}
}

static enum err count_one(void *ctx, const struct entry_row *row)
{
	uint64_t *n = ctx;

	assert_int_equal(row->index, *n);
	(*n)++;
	return ERR_OK;
}

static void assert_whole(struct fixture *f, uint64_t at_least)
{
	CLEANUP(buf_fini) struct buf out = {0};
	uint64_t size = 0, n = 0;

	assert_int_equal(store_check(f->s), ERR_OK);
	assert_int_equal(entry_walk(f->s, EPOCH, 0, count_one, &n), ERR_OK);
	assert_true(n >= at_least);
	assert_int_equal(own_checkpoint_get(f->s, EPOCH, &size, &out), ERR_OK);
	assert_int_equal(size, n);
	for (uint64_t i = 0; i <= n; i++) {
		uint8_t id[STORE_ID_BYTES] = {0};

		put_u64be(id, i);
		assert_int_equal(blob_get(f->s, id, BLOB_BODY, &out, &out),
				 i < n ? ERR_OK : ERR_NOT_FOUND);
		buf_clear(&out);
	}
}

static void killed_at_work(void **state)
{
	struct fixture *f = *state;
	uint64_t told = 0;

	assert_int_equal(fixture_open(f, true), ERR_OK);
	assert_int_equal(turn(f->s, 0), ERR_OK);
	assert_int_equal(store_commit(f->s), ERR_OK);
	fixture_close(f);
	for (int round = 0; round < 10; round++) {
		const struct timespec wait = {.tv_nsec = 3000000 + 1700000 * round};
		int tell[2], status;
		uint64_t n;
		pid_t child;

		assert_int_equal(pipe(tell), 0);
		child = fork();
		assert_true(child >= 0);
		if (child == 0)
			work(f, tell[1]);
		(void)close(tell[1]);
		assert_int_equal(read(tell[0], &n, sizeof(n)), sizeof(n));
		told = n + 1;
		(void)nanosleep(&wait, NULL);
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		while (read(tell[0], &n, sizeof(n)) == sizeof(n))
			told = n + 1;
		(void)close(tell[0]);
		assert_int_equal(fixture_open(f, false), ERR_OK);
		assert_whole(f, told);
		fixture_close(f);
	}
}

static void killed_inside_a_transaction(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t child;

	assert_int_equal(fixture_open(f, true), ERR_OK);
	assert_int_equal(turn(f->s, 0), ERR_OK);
	assert_int_equal(store_commit(f->s), ERR_OK);
	fixture_close(f);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		/* pages of an open transaction spill to the WAL, and are not valid there */
		if (fixture_open(f, false) || store_exec(f->s, "PRAGMA cache_size = 10"))
			_exit(1);
		if (turn(f->s, 1))
			_exit(2);
		for (uint64_t n = 0; n < 100; n++) {
			static uint8_t big[50000];
			uint8_t id[STORE_ID_BYTES] = {1};

			put_u64be(id, 1000 + n);
			if (put_blob(f->s, id, BLOB_BODY, view_str("key"),
				     view_of(big, sizeof(big))))
				_exit(3);
		}
		(void)kill(getpid(), SIGKILL);
		_exit(4);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(fixture_open(f, false), ERR_OK);
	assert_whole(f, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup_empty, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(killed_at_work),
		TEST(killed_inside_a_transaction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
