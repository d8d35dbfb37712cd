#include "parent/serve.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "loop/loop.h"
#include "parent/child.h"
#include "parent/listen.h"
#include "parent/resolve.h"
#include "process/channel.h"

#define START_MS 120000u   /* a large ledger's newest part is verified in it */
#define LAST_WORDS_MS 500u /* for a child that lost the other to end by itself, with its code */
#define STOP_MS 10000u	   /* then the children are killed */

enum parent_state {
	PARENT_STARTING,
	PARENT_SERVING,
	PARENT_STOPPING,
};

enum {
	GATE,
	VAULT,
	N_CHILDREN
};

struct parent;

struct child {
	const char *name;
	struct parent *parent;
	pid_t pid; /* 0: not running */
	struct channel *channel;
	bool is_ready;
};

struct parent {
	const struct config *config;
	enum parent_state state;
	uint64_t started_ms;
	struct child child[N_CHILDREN];
	struct listeners listeners;
	struct loop *loop;
	struct loop_signal *term, *interrupt, *hangup, *child_ended;
	struct loop_timer *timer; /* of the state */
	struct resolver *resolver;
	int exit_code;
	bool is_ending; /* one child ended for cause, the other has LAST_WORDS_MS */
};

/* --- the end ----------------------------------------------------------------------------- */

static void kill_children(struct parent *p)
{
	for (int i = 0; i < N_CHILDREN; i++)
		if (p->child[i].pid)
			(void)kill(p->child[i].pid, SIGKILL);
}

/* Crash-only: what is committed is safe, and whoever started us starts us again. */
static void fail(struct parent *p, int exit_code)
{
	kill_children(p);
	if (p->exit_code == EX_OK)
		p->exit_code = exit_code;
	loop_stop(p->loop);
}

static void set_state(struct parent *p, enum parent_state state)
{
	static const struct {
		const char *name;
		uint64_t timeout_ms;
	} of[] = {
		[PARENT_STARTING] = {"starting", START_MS},
		[PARENT_SERVING] = {"serving", 0},
		[PARENT_STOPPING] = {"stopping", STOP_MS},
	};
	enum err e = ERR_OK;

	p->state = state;
	log_line(LOG_DEBUG, "state=%s", of[state].name);
	if (of[state].timeout_ms == 0)
		loop_timer_stop(p->timer);
	else
		e = loop_timer_set(p->timer, loop_mono_ms() + of[state].timeout_ms);
	if (e)
		fail(p, EX_OSERR);
}

static void on_timeout(void *arg)
{
	struct parent *p = arg;

	if (p->is_ending) {
		fail(p, p->exit_code);
		return;
	}
	log_line(LOG_ERR, "%s takes too long, the children are ended",
		 p->state == PARENT_STARTING ? "the start" : "the stop");
	fail(p, EX_SOFTWARE);
}

static void tell_stop(struct parent *p, int which)
{
	if (p->child[which].pid && channel_send_kind(p->child[which].channel, PB(RELAY_KIND, STOP)))
		fail(p, EX_OSERR);
}

/* The vault first: what it has said still leaves through the gate. */
static void on_stop(void *arg)
{
	struct parent *p = arg;

	if (p->state == PARENT_STOPPING)
		return;
	log_line(LOG_NOTICE, "stopping");
	set_state(p, PARENT_STOPPING);
	tell_stop(p, VAULT);
}

static void on_hangup(void *arg)
{
	(void)arg;
	log_line(LOG_NOTICE, "SIGHUP has no effect: restart to read the configuration again");
}

static void log_end(const struct child *c, int status, enum log_level level)
{
	if (WIFSIGNALED(status))
		log_line(level, "the %s was ended by signal %d%s", c->name, WTERMSIG(status),
			 WTERMSIG(status) == SIGSYS
				 ? ": a system call that its filter does not allow"
				 : "");
	else
		log_line(level, "the %s ended code=%d", c->name, WEXITSTATUS(status));
}

/* A child that lost the other ends by itself, and may be seen to end first: the other's own code
 * counts, so it has a moment before both are killed. */
static void end_both(struct parent *p, int exit_code)
{
	const bool is_alone = !p->child[GATE].pid && !p->child[VAULT].pid;

	if (p->exit_code == EX_OK || exit_code == EX_CONFIG)
		p->exit_code = exit_code;
	if (is_alone || p->is_ending || loop_timer_set(p->timer, loop_mono_ms() + LAST_WORDS_MS))
		fail(p, p->exit_code);
	p->is_ending = true;
}

static void ended(struct parent *p, struct child *c, int status)
{
	const bool is_good = WIFEXITED(status) && WEXITSTATUS(status) == EX_OK;
	const bool is_config = WIFEXITED(status) && WEXITSTATUS(status) == EX_CONFIG;

	c->pid = 0;
	if (p->state != PARENT_STOPPING || !is_good) {
		log_end(c, status, LOG_ERR);
		end_both(p, is_config && p->state == PARENT_STARTING ? EX_CONFIG : 1);
		return;
	}
	log_end(c, status, LOG_DEBUG);
	if (c == &p->child[VAULT])
		tell_stop(p, GATE);
	if (!p->child[GATE].pid && !p->child[VAULT].pid)
		loop_stop(p->loop);
}

static void on_child(void *arg)
{
	struct parent *p = arg;
	int status;
	pid_t pid;

	/* A pid that is neither is one of the resolver's, whose pipe says all. */
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (int i = 0; i < N_CHILDREN; i++)
			if (p->child[i].pid == pid)
				ended(p, &p->child[i], status);
}

/* --- what the children say ----------------------------------------------------------------- */

static void ready(struct child *c)
{
	struct parent *p = c->parent;

	c->is_ready = true;
	if (p->state != PARENT_STARTING || !p->child[GATE].is_ready || !p->child[VAULT].is_ready)
		return;
	set_state(p, PARENT_SERVING);
	log_line(LOG_NOTICE, "ready version=%s agency=%s start_ms=%llu", AMPARO_VERSION,
		 p->config->agency.text, (unsigned long long)(loop_mono_ms() - p->started_ms));
}

static void resolved(void *ctx, const struct agency_id *peer, ProtobufCBinaryData *address,
		     size_t n_address)
{
	struct parent *p = ctx;
	struct agency_id id = *peer;
	struct pb_relay m = PB_RELAY_INIT;

	m.has_kind = 1;
	m.kind = PB(RELAY_KIND, RESOLVED);
	m.peer = id.text;
	m.n_addresses = n_address;
	m.addresses = address;
	if (channel_send(p->child[GATE].channel, &m))
		fail(p, EX_OSERR);
}

static void resolve(struct parent *p, const char *peer)
{
	for (size_t i = 0; i < p->config->n_peer; i++)
		if (p->config->peer[i].has_address && strcmp(p->config->peer[i].id.text, peer) == 0)
			resolve_begin(p->resolver, &p->config->peer[i]);
}

static void from_child(void *ctx, const struct pb_relay *m)
{
	struct child *c = ctx;

	if (m->kind == PB(RELAY_KIND, READY))
		ready(c);
	else if (m->kind == PB(RELAY_KIND, RESOLVE) && c == &c->parent->child[GATE] && m->peer)
		resolve(c->parent, m->peer);
}

/* How it ended is what SIGCHLD tells; unless it lives on and talks nonsense. */
static void channel_ended(void *ctx, enum err e)
{
	struct child *c = ctx;

	if (e == ERR_CLOSED)
		return;
	log_err(LOG_ERR, e, "the %s is not understood", c->name);
	fail(c->parent, EX_SOFTWARE);
}

static const struct channel_calls child_calls = {
	.message = from_child,
	.ended = channel_ended,
};

/* --- the start ----------------------------------------------------------------------------- */

/** Start both children, each with its ends; @p fd are ours. */
static enum err start_children(struct parent *p, const char *file, int fd[N_CHILDREN])
{
	int with[N_CHILDREN][2], between[2];
	enum err e = child_pair(between);

	for (int i = 0; !e && i < N_CHILDREN; i++) {
		e = child_pair(with[i]);
		if (e)
			break;
		fd[i] = with[i][0];
		e = child_start(p->child[i].name, file, with[i][1], between[i], &p->child[i].pid);
		(void)close(with[i][1]);
		(void)close(between[i]);
	}
	return e;
}

static enum err open_loop(struct parent *p, const int fd[N_CHILDREN])
{
	enum err e = loop_new(&p->loop);

	if (!e)
		e = loop_timer_new(p->loop, on_timeout, p, &p->timer);
	if (!e)
		e = loop_signal_new(p->loop, SIGTERM, on_stop, p, &p->term);
	if (!e)
		e = loop_signal_new(p->loop, SIGINT, on_stop, p, &p->interrupt);
	if (!e)
		e = loop_signal_new(p->loop, SIGHUP, on_hangup, p, &p->hangup);
	if (!e)
		e = loop_signal_new(p->loop, SIGCHLD, on_child, p, &p->child_ended);
	if (!e)
		e = resolver_new(p->loop, resolved, p, &p->resolver);
	for (int i = 0; !e && i < N_CHILDREN; i++)
		e = channel_new(p->loop, fd[i], &child_calls, &p->child[i], &p->child[i].channel);
	return e;
}

static enum err begin(struct parent *p, const char *file, struct material *m)
{
	int fd[N_CHILDREN];
	enum err e = start_children(p, file, fd);

	if (!e)
		e = child_setup_vault(fd[VAULT], p->config, m, false);
	if (!e)
		e = child_setup_gate(fd[GATE], p->config, m, &p->listeners);
	/* It takes nothing since it fell: how it ended says why, in a moment. */
	if (e == ERR_IO && p->child[VAULT].pid)
		e = ERR_OK;
	material_fini(m);
	listeners_close(&p->listeners);
	if (!e)
		e = open_loop(p, fd);
	return e;
}

static void fini(struct parent *p)
{
	for (int i = 0; i < N_CHILDREN; i++)
		channel_free(p->child[i].channel);
	resolver_free(p->resolver);
	loop_signal_free(p->term);
	loop_signal_free(p->interrupt);
	loop_signal_free(p->hangup);
	loop_signal_free(p->child_ended);
	loop_timer_free(p->timer);
	loop_free(p->loop);
}

static enum err run(struct parent *p)
{
	(void)malloc_trim(0);
	set_state(p, PARENT_STARTING);
	/* A child may have ended before the signal had a handler. */
	on_child(p);
	return loop_run(p->loop);
}

int serve(const char *file, const struct config *c, struct material *material)
{
	struct config_problem problem = {0};
	struct parent p = {.config = c, .started_ms = loop_mono_ms()};
	enum err e;

	p.child[GATE] = (struct child){.name = "gate", .parent = &p};
	p.child[VAULT] = (struct child){.name = "vault", .parent = &p};
	if (c->has_default_roles)
		log_line(LOG_WARN, "no 'roles' in the configuration: this user and root may do all "
				   "on the local socket");
	e = listeners_open(c, &p.listeners, &problem);
	if (e) {
		log_line(LOG_ERR, "%s:%d: %s", c->file, problem.line, problem.text);
		listeners_close(&p.listeners);
		return EX_CONFIG;
	}
	e = begin(&p, file, material);
	if (!e)
		e = run(&p);
	if (e) {
		log_err(LOG_ERR, e, "cannot go on");
		kill_children(&p);
		return EX_OSERR;
	}
	if (p.exit_code == EX_OK)
		log_line(LOG_NOTICE, "stopped");
	fini(&p);
	return p.exit_code;
}
