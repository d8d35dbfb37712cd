#include "gate/gate.h"

#include <malloc.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "crypto/cert.h"
#include "crypto/digest.h"
#include "gate/internal.h"
#include "process/filter.h"
#include "process/harden.h"
#include "process/setup.h"

#define DESCRIPTORS_ELSEWHERE 64 /* of the loop, the channels, the listeners, with room */

/* One gate a process; most of it is the table, of which only used slots are ever touched. */
static struct gate the_gate;

static const struct filter_rule gate_calls[] = {
	{.call = SYS_socket, .arg = {{0, FILTER_INT, AF_INET}, {1, 0xf, SOCK_STREAM}}},
	{.call = SYS_socket, .arg = {{0, FILTER_INT, AF_INET6}, {1, 0xf, SOCK_STREAM}}},
	{.call = SYS_connect},
	{.call = SYS_setsockopt},
};

struct peer *gate_peer(struct gate *g, struct view id)
{
	for (size_t i = 0; i < g->n_peer; i++)
		if (view_eq(view_of(g->peer[i].id.text, g->peer[i].id.n_text), id))
			return &g->peer[i];
	return NULL;
}

void gate_end(struct gate *g, int exit_code)
{
	g->exit_code = exit_code;
	loop_stop(g->loop);
}

void gate_tell(struct gate *g, const struct pb_relay *m)
{
	enum err e = channel_send(g->vault, m);

	if (e) {
		if (g->exit_code == EX_OK) /* the first says why */
			log_err(LOG_ERR, e, "the vault cannot be told");
		gate_end(g, EX_SOFTWARE);
	}
}

void gate_stop(struct gate *g)
{
	if (g->is_stopping)
		return;
	g->is_stopping = true;
	gate_listen_close(g);
	for (size_t i = 0; i < g->n_slots; i++)
		if (g->conn[i].state != CONN_FREE)
			conn_close(&g->conn[i]);
	if (g->n_conns == 0 || loop_timer_set(g->stop_timer, loop_mono_ms() + GATE_STOP_MS))
		loop_stop(g->loop);
}

/* --- timers ------------------------------------------------------------------------------ */

static void on_stop_timer(void *arg)
{
	struct gate *g = arg;

	loop_stop(g->loop);
}

static void on_recheck(void *arg)
{
	struct gate *g = arg;

	for (size_t i = 0; i < g->n_slots; i++)
		conn_recheck(&g->conn[i]);
	if (loop_timer_set(g->recheck_timer, loop_mono_ms() + GATE_RECHECK_MS))
		gate_end(g, EX_SOFTWARE);
}

/* --- the other two processes -------------------------------------------------------------- */

static void from_vault(void *ctx, const struct pb_relay *m)
{
	struct gate *g = ctx;
	struct conn *c = m->has_session ? conn_find(g, m->session) : NULL;
	struct peer *p;

	switch (m->kind) {
	case PB(RELAY_KIND, FRAME):
		if (c)
			conn_send(c, message_bytes(m->has_frame, m->frame));
		break;
	case PB(RELAY_KIND, CREDIT):
		if (c)
			conn_credit(c, m->n_bytes);
		break;
	case PB(RELAY_KIND, CLOSE):
		if (c)
			conn_close(c);
		break;
	case PB(RELAY_KIND, DIAL):
		p = m->peer ? gate_peer(g, view_str(m->peer)) : NULL;
		if (p)
			dial_begin(g, p, m->has_test && m->test);
		break;
	case PB(RELAY_KIND, OPENED):
	case PB(RELAY_KIND, CLOSED):
	case PB(RELAY_KIND, SENT):
	case PB(RELAY_KIND, READY):
	case PB(RELAY_KIND, RESOLVE):
	case PB(RELAY_KIND, RESOLVED):
	case PB(RELAY_KIND, STOP):
	case PB(RELAY_KIND, STAGE):
	case _AMPARO__V1__RELAY_KIND_IS_INT_SIZE:
		break;
	}
}

static void vault_drained(void *ctx)
{
	struct gate *g = ctx;

	for (size_t i = 0; i < g->n_slots; i++)
		conn_resume(&g->conn[i]);
}

/* It stopped, or fell: the parent knows which, and says what comes next. */
static void vault_ended(void *ctx, enum err e)
{
	(void)e;
	gate_stop(ctx);
}

static void from_parent(void *ctx, const struct pb_relay *m)
{
	if (m->kind == PB(RELAY_KIND, STOP))
		gate_stop(ctx);
	else if (m->kind == PB(RELAY_KIND, RESOLVED))
		dial_resolved(ctx, m);
}

static void parent_ended(void *ctx, enum err e)
{
	struct gate *g = ctx;

	log_err(LOG_ERR, e, "the parent is gone");
	gate_end(g, EX_SOFTWARE);
}

static const struct channel_calls parent_calls = {
	.message = from_parent,
	.ended = parent_ended,
};

static const struct channel_calls vault_calls = {
	.message = from_vault,
	.drained = vault_drained,
	.ended = vault_ended,
};

/* --- start ------------------------------------------------------------------------------- */

static void gate_setup_freep(struct pb_gate_setup **p)
{
	if (*p)
		setup_wipe(&(*p)->tls_key_pem);
	message_free(*p);
}

static enum err take_trust(struct gate *g, uint32_t n)
{
	enum err e = trust_new(&g->trust);

	for (uint32_t i = 0; !e && i < n; i++) {
		CLEANUP(message_freep) struct pb_trust_setup *t = NULL;

		e = setup_receive(PROCESS_FD_PARENT, &pb_trust_setup_desc, &t);
		if (!e)
			e = trust_add(g->trust, view_str(t->domain),
				      message_bytes(t->has_ca_pem, t->ca_pem),
				      message_bytes(t->has_crl_pem, t->crl_pem));
	}
	return e;
}

static enum err take_peers(struct gate *g, uint32_t n)
{
	enum err e = ERR_OK;

	g->peer = calloc(n ? n : 1, sizeof(*g->peer));
	if (!g->peer)
		return err_new(ERR_NOMEM, "peers");
	for (uint32_t i = 0; !e && i < n; i++) {
		CLEANUP(message_freep) struct pb_peer_setup *p = NULL;

		e = setup_receive(PROCESS_FD_PARENT, &pb_peer_setup_desc, &p);
		if (!e)
			e = agency_id_parse(view_str(p->id), &g->peer[i].id);
		if (e)
			break;
		g->peer[i].may_dial = p->may_dial;
		token_bucket_init(&g->peer[i].log_tokens, 1, 5, loop_mono_ms());
		g->n_peer++;
	}
	return e;
}

static enum err take_listeners(struct gate *g, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		int fd;
		enum err e = setup_receive_fd(PROCESS_FD_PARENT, &fd);

		if (!e)
			e = gate_listen(g, fd);
		if (e)
			return err_trace(e);
	}
	return ERR_OK;
}

/** As many descriptors as the system lets us have, and no more connections than that. */
static void set_slots(struct gate *g)
{
	struct rlimit limit = {.rlim_cur = 256, .rlim_max = 256};
	const rlim_t wanted = GATE_CONNECTIONS_MAX + DESCRIPTORS_ELSEWHERE;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < wanted) {
		limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	g->n_slots_max = limit.rlim_cur < wanted ? (size_t)limit.rlim_cur - DESCRIPTORS_ELSEWHERE
						 : GATE_CONNECTIONS_MAX;
}

static enum err make_timers(struct gate *g)
{
	enum err e = loop_timer_new(g->loop, gate_listen_resume, g, &g->accept_timer);

	if (!e)
		e = loop_timer_new(g->loop, on_recheck, g, &g->recheck_timer);
	if (!e)
		e = loop_timer_new(g->loop, on_stop_timer, g, &g->stop_timer);
	if (!e)
		e = loop_timer_set(g->recheck_timer, loop_mono_ms() + GATE_RECHECK_MS);
	token_bucket_init(&g->accept_tokens, GATE_ACCEPTS_PER_S, GATE_ACCEPTS_BURST,
			  loop_mono_ms());
	token_bucket_init(&g->log_tokens, 2, 20, loop_mono_ms());
	return e;
}

static enum err gate_start(struct gate *g)
{
	CLEANUP(gate_setup_freep) struct pb_gate_setup *s = NULL;
	enum err e = setup_receive(PROCESS_FD_PARENT, &pb_gate_setup_desc, &s);

	if (e)
		return err_trace(e);
	log_init(STDERR_FILENO, "amparod-gate", (enum log_level)s->log_level);
	if (s->n_trust > GATE_TRUST_MAX || s->n_peers > GATE_PEERS_MAX ||
	    s->n_listen > GATE_LISTEN_MAX)
		return err_new(ERR_LIMIT, "set-up of the gate");
	set_slots(g);
	e = crypto_init();
	if (!e)
		e = take_trust(g, s->n_trust);
	if (!e)
		e = take_peers(g, s->n_peers);
	if (!e)
		e = tls_context_new(message_bytes(s->has_tls_chain_pem, s->tls_chain_pem),
				    message_bytes(s->has_tls_key_pem, s->tls_key_pem), g->trust,
				    NULL, NULL, &g->tls);
	if (!e)
		e = loop_new(&g->loop);
	if (!e)
		e = make_timers(g);
	if (!e)
		e = take_listeners(g, s->n_listen);
	if (!e)
		e = channel_new(g->loop, PROCESS_FD_PARENT, &parent_calls, g, &g->parent);
	if (!e)
		e = channel_new(g->loop, PROCESS_FD_SIBLING, &vault_calls, g, &g->vault);
	return e;
}

/* Also half-built. */
static void gate_fini(struct gate *g)
{
	gate_listen_close(g);
	for (size_t i = 0; i < g->n_slots; i++)
		if (g->conn[i].state != CONN_FREE)
			conn_end(&g->conn[i]);
	if (g->vault)
		channel_flush(g->vault);
	channel_free(g->vault);
	channel_free(g->parent);
	loop_timer_free(g->accept_timer);
	loop_timer_free(g->recheck_timer);
	loop_timer_free(g->stop_timer);
	loop_free(g->loop);
	tls_context_free(g->tls);
	trust_free(g->trust);
	free(g->peer);
	crypto_fini();
}

int gate_main(void)
{
	struct gate *g = &the_gate;
	enum err e = gate_start(g);

	if (!e) {
		(void)malloc_trim(0);
		e = filter_install(gate_calls, ARRAY_LEN(gate_calls));
	}
	if (!e)
		e = channel_send_kind(g->parent, PB(RELAY_KIND, READY));
	if (!e)
		e = loop_run(g->loop);
	if (e) {
		log_err(LOG_ERR, e, "the gate cannot go on");
		g->exit_code = e == ERR_CONFIG ? EX_CONFIG : EX_SOFTWARE;
	}
	gate_fini(g);
	return g->exit_code;
}
