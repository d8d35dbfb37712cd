#include "loop/loop.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"

/* Tasks in the order of their queueing. */
struct task_list {
	struct loop_task *first;
	struct loop_task *last;
};

struct loop {
	struct event_base *base;
	struct task_list tasks; /* to run at the end of this round */
	struct task_list now;	/* those of them that this end of a round runs */
	struct task_list frees; /* to run after them */
	bool is_stopping;
	const void *running; /* the watch, timer or signal whose callback runs; NULL when none */
};

/*
 * One event a direction, so that turning one of them on or off is a single epoll_ctl; libevent
 * joins the two on the descriptor.
 */
struct loop_watch {
	struct loop *loop;
	struct event read;
	struct event write;
	unsigned interest;
	loop_watch_fn fn;
	void *arg;
};

struct loop_timer {
	struct loop *loop;
	struct event event;
	loop_fn fn;
	void *arg;
};

struct loop_signal {
	struct loop *loop;
	struct event event;
	loop_fn fn;
	void *arg;
};

/* libevent's own words, beside the error that the call in question returns. */
static void on_libevent_log(int severity, const char *text)
{
	log_line(severity >= EVENT_LOG_ERR ? LOG_ERR : LOG_DEBUG, "libevent: %s", text);
}

enum err loop_new(struct loop **ret)
{
	CLEANUP(loop_freep) struct loop *l = calloc(1, sizeof(*l));
	struct event_config *config;

	if (!l)
		return err_new(ERR_NOMEM, "loop");
	event_set_log_callback(on_libevent_log);
	config = event_config_new();
	if (!config)
		return err_new(ERR_NOMEM, "loop");
	/*
	 * No environment, no locks. No changelist: it delays epoll_ctl, so that a descriptor closed
	 * and opened again in one round is lost. No time cache: a timer set late in a long round
	 * counts from now. No precise timer: it costs a timerfd call each round for 4 ms.
	 */
	if (event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV | EVENT_BASE_FLAG_NOLOCK |
						  EVENT_BASE_FLAG_NO_CACHE_TIME) == 0)
		l->base = event_base_new_with_config(config);
	event_config_free(config);
	if (!l->base)
		return err_new(ERR_IO, "libevent cannot begin");
	*ret = TAKE(l);
	return ERR_OK;
}

static struct loop_task *list_take(struct task_list *list)
{
	struct loop_task *t = list->first;

	if (!t)
		return NULL;
	list->first = t->next;
	if (!list->first)
		list->last = NULL;
	t->next = NULL;
	t->is_queued = false;
	return t;
}

static void list_put(struct task_list *list, struct loop_task *t)
{
	if (list->last)
		list->last->next = t;
	else
		list->first = t;
	list->last = t;
	t->next = NULL;
	t->is_queued = true;
}

static bool list_remove(struct task_list *list, struct loop_task *t)
{
	struct loop_task *before = NULL;

	for (struct loop_task *at = list->first; at; before = at, at = at->next) {
		if (at != t)
			continue;
		if (before)
			before->next = t->next;
		else
			list->first = t->next;
		if (list->last == t)
			list->last = before;
		t->next = NULL;
		t->is_queued = false;
		return true;
	}
	return false;
}

static void run_frees(struct loop *l)
{
	struct loop_task *t;

	/* To the end: freeing one object may hand over another, but none comes twice. */
	while ((t = list_take(&l->frees)))
		t->fn(t->arg);
}

static void run_tasks(struct loop *l)
{
	struct loop_task *t;

	/* What they queue waits for the next round, so that descriptors get their turn. */
	l->now = l->tasks;
	l->tasks = (struct task_list){0};
	while ((t = list_take(&l->now)))
		t->fn(t->arg);
	run_frees(l);
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	ASSERT(!l->running);
	run_frees(l);
	if (l->base)
		event_base_free(l->base);
	free(l);
}

enum err loop_run(struct loop *l)
{
	ASSERT(!l->running);
	while (!l->is_stopping) {
		bool is_pending = l->tasks.first || l->frees.first;
		int r = event_base_loop(l->base,
					is_pending ? EVLOOP_ONCE | EVLOOP_NONBLOCK : EVLOOP_ONCE);

		if (r < 0)
			return err_new(ERR_IO, "epoll failed");
		if (r > 0 && !is_pending && !l->tasks.first && !l->frees.first)
			return err_new(ERR_STATE, "the loop has nothing to wait for");
		run_tasks(l);
	}
	l->is_stopping = false;
	return ERR_OK;
}

void loop_stop(struct loop *l)
{
	l->is_stopping = true;
}

void loop_defer(struct loop *l, struct loop_task *t, loop_fn fn, void *arg)
{
	if (t->is_queued)
		return;
	t->fn = fn;
	t->arg = arg;
	list_put(&l->tasks, t);
}

void loop_cancel(struct loop *l, struct loop_task *t)
{
	if (t->is_queued && !list_remove(&l->now, t))
		ASSERT(list_remove(&l->tasks, t));
}

void loop_defer_free(struct loop *l, struct loop_task *t, loop_fn fn, void *obj)
{
	if (t->is_queued)
		return;
	t->fn = fn;
	t->arg = obj;
	list_put(&l->frees, t);
}

static void on_watch(evutil_socket_t fd, short what, void *arg)
{
	struct loop_watch *w = arg;
	struct loop *l = w->loop;

	(void)fd;
	l->running = w;
	w->fn(w->arg, what & EV_READ ? LOOP_READ : LOOP_WRITE);
	l->running = NULL;
}

enum err loop_watch_new(struct loop *l, int fd, loop_watch_fn fn, void *arg,
			struct loop_watch **ret)
{
	struct loop_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return err_new(ERR_NOMEM, "watch");
	w->loop = l;
	w->fn = fn;
	w->arg = arg;
	event_assign(&w->read, l->base, fd, EV_READ | EV_PERSIST, on_watch, w);
	event_assign(&w->write, l->base, fd, EV_WRITE | EV_PERSIST, on_watch, w);
	*ret = w;
	return ERR_OK;
}

static enum err set_one(struct loop_watch *w, struct event *event, unsigned bit, unsigned interest)
{
	int r;

	if ((w->interest & bit) == (interest & bit))
		return ERR_OK;
	r = interest & bit ? event_add(event, NULL) : event_del(event);
	if (r < 0)
		return err_new(ERR_IO, "descriptor %d cannot be watched", (int)event_get_fd(event));
	w->interest ^= bit;
	return ERR_OK;
}

enum err loop_watch_set(struct loop_watch *w, unsigned interest)
{
	enum err e;

	ASSERT((interest & ~(unsigned)(LOOP_READ | LOOP_WRITE)) == 0);
	e = set_one(w, &w->read, LOOP_READ, interest);
	if (e)
		return err_trace(e);
	return set_one(w, &w->write, LOOP_WRITE, interest);
}

void loop_watch_free(struct loop_watch *w)
{
	if (!w)
		return;
	ASSERT(w->loop->running != w);
	(void)event_del(&w->read);
	(void)event_del(&w->write);
	free(w);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct loop_timer *t = arg;
	struct loop *l = t->loop;

	(void)fd;
	(void)what;
	l->running = t;
	t->fn(t->arg);
	l->running = NULL;
}

enum err loop_timer_new(struct loop *l, loop_fn fn, void *arg, struct loop_timer **ret)
{
	struct loop_timer *t = calloc(1, sizeof(*t));

	if (!t)
		return err_new(ERR_NOMEM, "timer");
	t->loop = l;
	t->fn = fn;
	t->arg = arg;
	evtimer_assign(&t->event, l->base, on_timer, t);
	*ret = t;
	return ERR_OK;
}

static uint64_t clock_us(clockid_t clock)
{
	struct timespec now;

	ASSERT(clock_gettime(clock, &now) == 0);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

enum err loop_timer_set(struct loop_timer *t, uint64_t at_mono_ms)
{
	/*
	 * libevent counts on the coarse clock, which is up to a tick behind the one that we tell
	 * time by. Taking the delay on the coarse one too, the timer is never early.
	 */
	uint64_t now_us = clock_us(CLOCK_MONOTONIC_COARSE);
	uint64_t at_us = at_mono_ms > UINT64_MAX / 1000 ? UINT64_MAX : at_mono_ms * 1000;
	uint64_t delay_us = at_us > now_us ? at_us - now_us : 0;
	struct timeval delay;

	/* A deadline of "never" still has to be added to the clock without overflow. */
	if (delay_us > (uint64_t)INT32_MAX * 1000000)
		delay_us = (uint64_t)INT32_MAX * 1000000;
	delay.tv_sec = (time_t)(delay_us / 1000000);
	delay.tv_usec = (suseconds_t)(delay_us % 1000000);
	if (event_add(&t->event, &delay) < 0)
		return err_new(ERR_NOMEM, "timer");
	return ERR_OK;
}

void loop_timer_stop(struct loop_timer *t)
{
	(void)event_del(&t->event);
}

void loop_timer_free(struct loop_timer *t)
{
	if (!t)
		return;
	ASSERT(t->loop->running != t);
	(void)event_del(&t->event);
	free(t);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	struct loop_signal *s = arg;
	struct loop *l = s->loop;

	(void)number;
	(void)what;
	l->running = s;
	s->fn(s->arg);
	l->running = NULL;
}

enum err loop_signal_new(struct loop *l, int signal_number, loop_fn fn, void *arg,
			 struct loop_signal **ret)
{
	CLEANUP(freep) struct loop_signal *s = calloc(1, sizeof(*s));

	if (!s)
		return err_new(ERR_NOMEM, "signal");
	s->loop = l;
	s->fn = fn;
	s->arg = arg;
	evsignal_assign(&s->event, l->base, signal_number, on_signal, s);
	if (event_add(&s->event, NULL) < 0)
		return err_new(ERR_IO, "signal %d cannot be caught", signal_number);
	*ret = TAKE(s);
	return ERR_OK;
}

void loop_signal_free(struct loop_signal *s)
{
	if (!s)
		return;
	ASSERT(s->loop->running != s);
	(void)event_del(&s->event);
	free(s);
}

uint64_t loop_mono_ms(void)
{
	return clock_us(CLOCK_MONOTONIC) / 1000;
}

uint64_t loop_utc_us(void)
{
	return clock_us(CLOCK_REALTIME);
}
