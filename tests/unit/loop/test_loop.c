/* The event loop over real descriptors, timers and signals; waits on conditions, bounded by a
 * timer. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop/loop.h"

#define GIVE_UP_MS 20000

/* A loop, a socket pair on it, and a timer that ends a test that hangs. */
struct fixture {
	struct loop *loop;
	int fd[2];
	struct loop_watch *watch; /* of fd[0] */
	struct loop_timer *guard;
	unsigned n_read;
	unsigned n_write;
	unsigned n_called;
	bool gave_up;
	struct loop_task task;
	struct loop_task other;
	char order[16];
	size_t n_order;
};

static void on_give_up(void *arg)
{
	struct fixture *f = arg;

	f->gave_up = true;
	loop_stop(f->loop);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_int_equal(loop_new(&f->loop), ERR_OK);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, f->fd),
			 0);
	assert_int_equal(loop_timer_new(f->loop, on_give_up, f, &f->guard), ERR_OK);
	assert_int_equal(loop_timer_set(f->guard, loop_mono_ms() + GIVE_UP_MS), ERR_OK);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_false(f->gave_up);
	loop_watch_free(f->watch);
	loop_timer_free(f->guard);
	loop_free(f->loop);
	close(f->fd[0]);
	if (f->fd[1] >= 0)
		close(f->fd[1]);
	free(f);
	return 0;
}

static void put(struct fixture *f, const char *text)
{
	assert_int_equal(write(f->fd[1], text, strlen(text)), (ssize_t)strlen(text));
}

static void note(struct fixture *f, char c)
{
	assert_true(f->n_order + 1 < sizeof(f->order));
	f->order[f->n_order++] = c;
}

static void on_ready_stop(void *arg, unsigned ready)
{
	struct fixture *f = arg;

	f->n_read += ready == LOOP_READ;
	f->n_write += ready == LOOP_WRITE;
	loop_stop(f->loop);
}

static void watch(struct fixture *f, loop_watch_fn fn, unsigned interest)
{
	assert_int_equal(loop_watch_new(f->loop, f->fd[0], fn, f, &f->watch), ERR_OK);
	assert_int_equal(loop_watch_set(f->watch, interest), ERR_OK);
}

static void reading(void **state)
{
	struct fixture *f = *state;

	watch(f, on_ready_stop, LOOP_READ);
	put(f, "a");
	assert_int_equal(loop_run(f->loop), ERR_OK);
	assert_int_equal(f->n_read, 1);
	/* Not read: ready again. */
	assert_int_equal(loop_run(f->loop), ERR_OK);
	assert_int_equal(f->n_read, 2);
	assert_int_equal(f->n_write, 0);
}

static void writing(void **state)
{
	struct fixture *f = *state;

	watch(f, on_ready_stop, LOOP_WRITE);
	put(f, "a");
	assert_int_equal(loop_run(f->loop), ERR_OK);
	assert_int_equal(f->n_write, 1);
	assert_int_equal(f->n_read, 0);
	assert_int_equal(loop_watch_set(f->watch, LOOP_READ | LOOP_WRITE), ERR_OK);
	assert_int_equal(loop_run(f->loop), ERR_OK);
	assert_int_equal(f->n_write, 2);
	assert_int_equal(f->n_read, 1);
}

static void closing_is_readable(void **state)
{
	struct fixture *f = *state;

	watch(f, on_ready_stop, LOOP_READ);
	close(f->fd[1]);
	f->fd[1] = -1;
	assert_int_equal(loop_run(f->loop), ERR_OK);
	assert_int_equal(f->n_read, 1);
}

static void on_timer_stop(void *arg)
{
	struct fixture *f = arg;

	f->n_called++;
	loop_stop(f->loop);
}

/* No interest, no call: not for bytes, not for a close. */
static void no_interest(void **state)
{
	struct fixture *f = *state;
	struct loop_timer *t;

	watch(f, on_ready_stop, LOOP_READ | LOOP_WRITE);
	assert_int_equal(loop_watch_set(f->watch, 0), ERR_OK);
	put(f, "a");
	close(f->fd[1]);
	f->fd[1] = -1;
	assert_int_equal(loop_timer_new(f->loop, on_timer_stop, f, &t), ERR_OK);
	assert_int_equal(loop_timer_set(t, loop_mono_ms() + 20), ERR_OK);
	assert_int_equal(loop_run(f->loop), ERR_OK);
	assert_int_equal(f->n_called, 1);
	assert_int_equal(f->n_read + f->n_write, 0);
	loop_timer_free(t);
}

static void on_ready_none(void *arg, unsigned ready)
{
	struct fixture *f = arg;

	f->n_read += ready == LOOP_READ;
	f->n_write += ready == LOOP_WRITE;
	assert_int_equal(loop_watch_set(f->watch, 0), ERR_OK);
	loop_stop(f->loop);
}

/* Interest dropped in one callback takes effect at once, also for what was ready beside it. */
static void interest_dropped_in_callback(void **state)
{
	struct fixture *f = *state;

	watch(f, on_ready_none, LOOP_READ | LOOP_WRITE);
	put(f, "a");
	assert_int_equal(loop_run(f->loop), ERR_OK);
	assert_int_equal(f->n_read + f->n_write, 1);
}

static void regular_file_is_refused(void **state)
{
	struct fixture *f = *state;
	struct loop_watch *w;
	FILE *file = tmpfile();

	assert_non_null(file);
	assert_int_equal(loop_watch_new(f->loop, fileno(file), on_ready_stop, f, &w), ERR_OK);
	assert_int_equal(loop_watch_set(w, LOOP_READ), ERR_IO);
	loop_watch_free(w);
	(void)fclose(file);
}

struct timed {
	struct fixture *f;
	struct loop_timer *timer;
	uint64_t at_ms;
	char name;
	bool is_last;
};

static void on_timed(void *arg)
{
	struct timed *t = arg;

	assert_true(loop_mono_ms() >= t->at_ms);
	note(t->f, t->name);
	if (t->is_last)
		loop_stop(t->f->loop);
}

static void timers_in_order_and_never_early(void **state)
{
	struct fixture *f = *state;
	uint64_t now = loop_mono_ms();
	struct timed all[] = {
		{.f = f, .at_ms = now + 61, .name = 'd', .is_last = true},
		{.f = f, .at_ms = now + 7, .name = 'b'},
		{.f = f, .at_ms = now - 5, .name = 'a'},
		{.f = f, .at_ms = now + 33, .name = 'c'},
		{.f = f, .at_ms = now + 20, .name = 'x'},
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		assert_int_equal(loop_timer_new(f->loop, on_timed, &all[i], &all[i].timer), ERR_OK);
		assert_int_equal(loop_timer_set(all[i].timer, all[i].at_ms), ERR_OK);
	}
	loop_timer_stop(all[4].timer);
	assert_int_equal(loop_run(f->loop), ERR_OK);
	assert_string_equal(f->order, "abcd");
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		loop_timer_free(all[i].timer);
}

/* A timer fires once; set again while armed it moves. */
static void timer_moves(void **state)
{
	struct fixture *f = *state;
	struct timed t = {.f = f, .name = 't', .is_last = true};

	assert_int_equal(loop_timer_new(f->loop, on_timed, &t, &t.timer), ERR_OK);
	assert_int_equal(loop_timer_set(t.timer, loop_mono_ms() + 5), ERR_OK);
	t.at_ms = loop_mono_ms() + 30;
	assert_int_equal(loop_timer_set(t.timer, t.at_ms), ERR_OK);
	assert_int_equal(loop_run(f->loop), ERR_OK);
	assert_string_equal(f->order, "t");
	assert_int_equal(loop_timer_set(t.timer, UINT64_MAX), ERR_OK);
	loop_timer_free(t.timer);
}

static void on_called_stop(void *arg)
{
	struct fixture *f = arg;

	f->n_called++;
	loop_stop(f->loop);
}

static void signals(void **state)
{
	struct fixture *f = *state;
	struct loop_signal *s;

	assert_int_equal(loop_signal_new(f->loop, SIGUSR1, on_called_stop, f, &s), ERR_OK);
	assert_int_equal(raise(SIGUSR1), 0);
	assert_int_equal(f->n_called, 0);
	assert_int_equal(loop_run(f->loop), ERR_OK);
	assert_int_equal(f->n_called, 1);
	loop_signal_free(s);
}

static void on_task_a(void *arg)
{
	note(arg, 'a');
}

static void on_task_b(void *arg)
{
	struct fixture *f = arg;

	note(f, 'b');
	loop_stop(f->loop);
}

static void on_ready_defer(void *arg, unsigned ready)
{
	struct fixture *f = arg;

	(void)ready;
	loop_defer(f->loop, &f->task, on_task_a, f);
	loop_defer(f->loop, &f->other, on_task_b, f);
	loop_defer(f->loop, &f->task, on_task_a, f);
	note(f, 'r');
	assert_int_equal(loop_watch_set(f->watch, 0), ERR_OK);
}

static void tasks_run_after_the_callback(void **state)
{
	struct fixture *f = *state;

	watch(f, on_ready_defer, LOOP_READ);
	put(f, "a");
	assert_int_equal(loop_run(f->loop), ERR_OK);
	assert_string_equal(f->order, "rab");
}

static void on_task_cancels(void *arg)
{
	struct fixture *f = arg;

	loop_cancel(f->loop, &f->other);
	loop_cancel(f->loop, &f->other);
	note(f, 'c');
	loop_stop(f->loop);
}

static void tasks_are_taken_back(void **state)
{
	struct fixture *f = *state;

	/* While waiting ... */
	loop_defer(f->loop, &f->task, on_task_a, f);
	loop_cancel(f->loop, &f->task);
	/* ... and while another of the same round runs. */
	loop_defer(f->loop, &f->task, on_task_cancels, f);
	loop_defer(f->loop, &f->other, on_task_b, f);
	assert_int_equal(loop_run(f->loop), ERR_OK);
	assert_string_equal(f->order, "c");
}

static void on_task_again(void *arg)
{
	struct fixture *f = arg;

	f->n_called++;
	loop_defer(f->loop, &f->task, on_task_again, f);
}

/* A task that always queues itself again leaves descriptors their turn. */
static void tasks_do_not_starve(void **state)
{
	struct fixture *f = *state;

	watch(f, on_ready_stop, LOOP_READ);
	loop_defer(f->loop, &f->task, on_task_again, f);
	put(f, "a");
	assert_int_equal(loop_run(f->loop), ERR_OK);
	assert_int_equal(f->n_read, 1);
	assert_true(f->n_called > 0);
	loop_cancel(f->loop, &f->task);
}

/* An object with a watch of its own that ends itself from its callback. */
struct mortal {
	struct fixture *f;
	struct loop_watch *watch;
	struct loop_task work;
	struct loop_task end;
};

static void on_mortal_work(void *arg)
{
	struct mortal *m = arg;

	note(m->f, 'w');
}

static void mortal_free(void *arg)
{
	struct mortal *m = arg;

	note(m->f, 'f');
	loop_cancel(m->f->loop, &m->work);
	loop_watch_free(m->watch);
	loop_stop(m->f->loop);
	free(m);
}

static void on_mortal_ready(void *arg, unsigned ready)
{
	struct mortal *m = arg;

	(void)ready;
	note(m->f, 'r');
	loop_defer_free(m->f->loop, &m->end, mortal_free, m);
	loop_defer_free(m->f->loop, &m->end, mortal_free, m);
	loop_defer(m->f->loop, &m->work, on_mortal_work, m);
}

static void object_ends_itself(void **state)
{
	struct fixture *f = *state;
	struct mortal *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->f = f;
	assert_int_equal(loop_watch_new(f->loop, f->fd[0], on_mortal_ready, m, &m->watch), ERR_OK);
	assert_int_equal(loop_watch_set(m->watch, LOOP_READ | LOOP_WRITE), ERR_OK);
	assert_int_equal(loop_run(f->loop), ERR_OK);
	assert_string_equal(f->order, "rwf");
}

/* Freed with the loop when it never ran again. */
static void deferred_free_at_the_end(void **state)
{
	struct fixture *f = *state;
	struct mortal *m = calloc(1, sizeof(*m));
	struct loop *l;

	assert_non_null(m);
	m->f = f;
	assert_int_equal(loop_new(&l), ERR_OK);
	loop_defer_free(l, &m->end, mortal_free, m);
	assert_int_equal(f->n_order, 0);
	loop_free(l);
	assert_string_equal(f->order, "f");
}

static void on_ready_free(void *arg, unsigned ready)
{
	struct fixture *f = arg;

	(void)ready;
	loop_watch_free(f->watch);
}

/* Freeing a watch in its own callback is a bug of ours, and stops the program. */
static void free_in_own_callback_aborts(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t child;

	watch(f, on_ready_free, LOOP_WRITE);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		const struct rlimit none = {0};
		const struct sigaction usual = {.sa_handler = SIG_DFL};

		(void)sigaction(SIGABRT, &usual, NULL);
		(void)setrlimit(RLIMIT_CORE, &none);
		(void)!freopen("/dev/null", "w", stderr);
		_exit(loop_run(f->loop) == ERR_OK ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void nothing_to_wait_for(void **state)
{
	struct loop *l;

	(void)state;
	assert_int_equal(loop_new(&l), ERR_OK);
	assert_int_equal(loop_run(l), ERR_STATE);
	loop_free(l);
}

static void stop_before_run(void **state)
{
	struct fixture *f = *state;

	loop_stop(f->loop);
	assert_int_equal(loop_run(f->loop), ERR_OK);
	watch(f, on_ready_stop, LOOP_WRITE);
	assert_int_equal(loop_run(f->loop), ERR_OK);
	assert_int_equal(f->n_write, 1);
}

/* A third of a second with one timer: it is what wakes the loop, and nothing else. */
static void idle_is_quiet(void **state)
{
	struct fixture *f = *state;
	struct rusage before;
	struct rusage after;
	struct loop_timer *t;

	watch(f, on_ready_stop, LOOP_READ);
	assert_int_equal(loop_timer_new(f->loop, on_timer_stop, f, &t), ERR_OK);
	assert_int_equal(loop_timer_set(t, loop_mono_ms() + 333), ERR_OK);
	assert_int_equal(getrusage(RUSAGE_SELF, &before), 0);
	assert_int_equal(loop_run(f->loop), ERR_OK);
	assert_int_equal(getrusage(RUSAGE_SELF, &after), 0);
	/* A tick of the coarse clock may pass between waking and being due, a millisecond a look.
	 */
	assert_in_range(after.ru_nvcsw - before.ru_nvcsw, 1, 16);
	loop_timer_free(t);
}

static void environment_is_ignored(void **state)
{
	struct loop *l;

	(void)state;
	assert_int_equal(setenv("EVENT_NOEPOLL", "1", 1), 0);
	assert_int_equal(setenv("EVENT_NOPOLL", "1", 1), 0);
	assert_int_equal(setenv("EVENT_NOSELECT", "1", 1), 0);
	assert_int_equal(loop_new(&l), ERR_OK);
	loop_free(l);
}

static void clocks(void **state)
{
	uint64_t mono = loop_mono_ms();
	uint64_t utc = loop_utc_us();

	(void)state;
	assert_true(loop_mono_ms() >= mono);
	/* 2024 .. 2100 */
	assert_in_range(utc / 1000000, 1704067200, 4102444800);
	loop_watch_free(NULL);
	loop_timer_free(NULL);
	loop_signal_free(NULL);
	loop_free(NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reading),
		TEST(writing),
		TEST(closing_is_readable),
		TEST(no_interest),
		TEST(interest_dropped_in_callback),
		TEST(regular_file_is_refused),
		TEST(timers_in_order_and_never_early),
		TEST(timer_moves),
		TEST(signals),
		TEST(tasks_run_after_the_callback),
		TEST(tasks_are_taken_back),
		TEST(tasks_do_not_starve),
		TEST(object_ends_itself),
		TEST(deferred_free_at_the_end),
		TEST(free_in_own_callback_aborts),
		cmocka_unit_test(nothing_to_wait_for),
		TEST(stop_before_run),
		TEST(idle_is_quiet),
		cmocka_unit_test(environment_is_ignored),
		cmocka_unit_test(clocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
