/**
 * @file
 * The event loop of one process: descriptors, timers, signals and deferred work, on one thread.
 *
 * The only door to libevent (event_core; no bufferevents, no evhttp, no evdns). A process makes one
 * loop, hangs its objects on it, and stays in loop_run() until something calls loop_stop().
 * Nothing wakes an idle loop: there is no tick.
 *
 *   loop_run: wait -> callbacks of what is ready -> deferred tasks -> deferred frees -> wait ...
 *
 * Two rules. A callback is an adapter of a few lines and never blocks. And an object is never
 * freed inside its own callback: it hands itself to loop_defer_free() and is freed when no
 * callback is running. Freeing a watch, timer or signal while its callback runs stops the program.
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/own.h"

struct loop;
struct loop_watch;
struct loop_timer;
struct loop_signal;

/** What a watch waits for, as bits. */
enum loop_interest {
	LOOP_READ = 1,	/**< readable, or the other side closed, or an error is pending */
	LOOP_WRITE = 2, /**< writable, or an error is pending */
};

/** A callback; @p arg is what was given with it. */
typedef void (*loop_fn)(void *arg);

/** A watch's callback; @p ready is LOOP_READ or LOOP_WRITE, one at a time. */
typedef void (*loop_watch_fn)(void *arg, unsigned ready);

/**
 * Make a loop.
 *
 * Opens an epoll descriptor and a pipe for signals, so before a seccomp filter. The environment
 * has no say (EVENT_NOEPOLL and its like are ignored).
 *
 * @retval ERR_IO  libevent could not set itself up
 */
enum err loop_new(struct loop **ret) WARN_UNUSED;

/** Free the loop; its watches, timers and signals must be gone. Runs frees still deferred. */
void loop_free(struct loop *l);
DEFINE_FREEP(struct loop, loop_free)

/**
 * Run until loop_stop().
 *
 * @retval ERR_STATE  nothing is left to wait for: no watch, timer, signal or task
 * @retval ERR_IO     epoll failed
 */
enum err loop_run(struct loop *l) WARN_UNUSED;

/** End loop_run() once the callbacks and tasks of this round are done, or its next call at once. */
void loop_stop(struct loop *l);

/**
 * Watch a descriptor; it waits for nothing until loop_watch_set().
 *
 * Level-triggered: called again as long as the descriptor is ready. One watch a descriptor.
 *
 * @param fd  open, non-blocking; stays the caller's, who frees the watch before closing it
 * @retval ERR_NOMEM
 */
enum err loop_watch_new(struct loop *l, int fd, loop_watch_fn fn, void *arg,
			struct loop_watch **ret) WARN_UNUSED;

/**
 * Say what to wait for from now on.
 *
 * @param interest  LOOP_READ | LOOP_WRITE, one of them, or 0: nothing, not even an error
 * @retval ERR_IO   epoll refused the descriptor (a regular file, a closed one)
 */
enum err loop_watch_set(struct loop_watch *w, unsigned interest) WARN_UNUSED;

/** End the watch and free it; NULL is fine. The descriptor stays open. */
void loop_watch_free(struct loop_watch *w);
DEFINE_FREEP(struct loop_watch, loop_watch_free)

/** Make a one-shot timer, not armed. @retval ERR_NOMEM */
enum err loop_timer_new(struct loop *l, loop_fn fn, void *arg, struct loop_timer **ret) WARN_UNUSED;

/**
 * Arm the timer, or move it when it is armed.
 *
 * @param at_mono_ms  when, on the clock of loop_mono_ms(): never called earlier, and a few
 *                    milliseconds later at most while the loop is free; the past means at once
 * @retval ERR_NOMEM
 */
enum err loop_timer_set(struct loop_timer *t, uint64_t at_mono_ms) WARN_UNUSED;

/** Disarm the timer; fine when it is not armed. */
void loop_timer_stop(struct loop_timer *t);

/** Disarm and free; NULL is fine. */
void loop_timer_free(struct loop_timer *t);
DEFINE_FREEP(struct loop_timer, loop_timer_free)

/**
 * Call @p fn from the loop (not from the handler) when a signal arrived.
 *
 * Arrivals before the callback ran may come as one. @retval ERR_IO, ERR_NOMEM
 */
enum err loop_signal_new(struct loop *l, int signal_number, loop_fn fn, void *arg,
			 struct loop_signal **ret) WARN_UNUSED;

/** Give the signal its earlier handling back and free; NULL is fine. */
void loop_signal_free(struct loop_signal *s);
DEFINE_FREEP(struct loop_signal, loop_signal_free)

/** A piece of deferred work, embedded in the object that it is about; all zero is idle. */
struct loop_task {
	loop_fn fn;
	void *arg;
	struct loop_task *next;
	bool is_queued;
};

/**
 * Run a task once the callbacks of this round are done, before the loop waits again.
 *
 * Cannot fail. Nothing happens when the task is queued already. Tasks run in the order of their
 * queueing; what a running task queues (itself too) runs after the next look at the descriptors,
 * so that tasks cannot starve them.
 */
void loop_defer(struct loop *l, struct loop_task *t, loop_fn fn, void *arg);

/** Take a task of loop_defer() back that has not run; fine when it is not queued. */
void loop_cancel(struct loop *l, struct loop_task *t);

/**
 * Free an object once no callback and no task is running: the way for it to end itself.
 *
 * @param t   embedded in the object, used for nothing else; it may be gone once @p fn returns
 * @param fn  frees @p obj, and has to loop_cancel() the tasks that the object still has queued
 *
 * Nothing happens when the object is handed over already.
 */
void loop_defer_free(struct loop *l, struct loop_task *t, loop_fn fn, void *obj);

/** Monotonic time, milliseconds: for deadlines. Not comparable between machines or boots. */
uint64_t loop_mono_ms(void);

/** UTC, microseconds since 1970: for facts. May jump. */
uint64_t loop_utc_us(void);

#endif
