#include "vault/vault.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/quota.h"
#include "crypto/digest.h"
#include "process/channel.h"
#include "process/filter.h"
#include "process/harden.h"
#include "vault/disk.h"
#include "vault/internal.h"

#define IDLE_AFTER_MS 20 /* a turn; the WAL moves between bursts, not within */
#define STOP_MS 500	 /* to answer what is queued when told to stop */
#define EXIT_STORAGE 1

/*
 * SQLite's files, and nothing else that the common list does not hold. No call makes a socket: the
 * local one is there, and its callers come by accept4.
 */
static const struct filter_rule vault_calls[] = {
	{.call = SYS_openat},	       {.call = SYS_newfstatat},
	{.call = SYS_fstat},	       {.call = SYS_stat},
	{.call = SYS_lstat},	       {.call = SYS_access},
	{.call = SYS_faccessat},       {.call = SYS_faccessat2},
	{.call = SYS_statx},	       {.call = SYS_lseek},
	{.call = SYS_pread64},	       {.call = SYS_pwrite64},
	{.call = SYS_fsync},	       {.call = SYS_fdatasync},
	{.call = SYS_ftruncate},       {.call = SYS_fallocate},
	{.call = SYS_unlink},	       {.call = SYS_unlinkat},
	{.call = SYS_readlink},	       {.call = SYS_getcwd},
	{.call = SYS_geteuid},	       {.call = SYS_fstatfs},
	{.call = SYS_fchmod},	       {.call = SYS_fchown},
	{.call = SYS_clock_nanosleep}, {.call = SYS_fadvise64},
	{.call = SYS_sync_file_range},
};

static void vault_end(struct vault *v, int exit_code)
{
	v->exit_code = exit_code;
	loop_stop(v->loop);
}

void vault_must(struct vault *v, enum err e, const char *what)
{
	if (!e)
		return;
	if (v->exit_code == EX_OK) /* the first says why */
		log_err(LOG_ERR, e, "%s", what);
	vault_end(v, EX_SOFTWARE);
}

/* --- turns ------------------------------------------------------------------------------- */

static void on_turn(void *arg);

static void want_turn(struct vault *v)
{
	loop_defer(v->loop, &v->turn_task, on_turn, v);
}

/* Later than asked for before, when there is work meanwhile. */
static void want_idle(struct vault *v, uint64_t after_ms)
{
	vault_must(v, loop_timer_set(v->idle_timer, loop_mono_ms() + after_ms), "timer");
}

static void on_turn(void *arg)
{
	struct vault *v = arg;
	bool more;
	uint64_t deadline;
	enum err e = node_turn(v->node, &more);

	if (e) {
		log_err(LOG_ERR, e, "the ledger cannot be written: this node ends");
		vault_end(v, EXIT_STORAGE);
		return;
	}
	if (more)
		want_turn(v);
	want_idle(v, node_wal_is_long(v->node) ? 0 : IDLE_AFTER_MS);
	deadline = node_deadline_ms(v->node);
	if (deadline == UINT64_MAX)
		loop_timer_stop(v->deadline_timer);
	else
		vault_must(v, loop_timer_set(v->deadline_timer, deadline), "timer");
}

static void on_idle(void *arg)
{
	struct vault *v = arg;
	bool more;
	enum err e = node_idle(v->node, &more);

	if (e) {
		log_err(LOG_ERR, e, "the ledger cannot be written: this node ends");
		vault_end(v, EXIT_STORAGE);
		return;
	}
	if (more)
		want_idle(v, 0);
}

/* --- callers ----------------------------------------------------------------------------- */

static enum err on_request(void *ctx, const struct node_caller *caller, struct view request)
{
	struct vault *v = ctx;
	enum err e = node_request(v->node, caller, request);

	want_turn(v);
	return e;
}

static void on_gone(void *ctx, uint64_t caller)
{
	struct vault *v = ctx;

	node_caller_gone(v->node, caller);
}

static const struct api_calls api_calls = {.request = on_request, .gone = on_gone};

/* --- the gate ---------------------------------------------------------------------------- */

/* Costs the message, not the node: the gate is not believed, but is not obeyed either. */
static void gate_is_wrong(struct vault *v, const char *what)
{
	if (token_bucket_take(&v->log_tokens, loop_mono_ms()))
		log_line(LOG_WARN, "dropped what the gate said: %s", what);
}

/* Only to show: what is too large to be a time is none. */
static uint64_t facts_until_us(const struct pb_relay *m)
{
	return m->has_until_s && m->until_s <= INT64_MAX / 1000000 ? m->until_s * 1000000 : 0;
}

static void opened(struct vault *v, const struct pb_relay *m)
{
	struct view exporter = message_bytes(m->has_exporter, m->exporter);
	struct agency_id peer;
	enum err e;

	if (m->session <= v->newest_session || !m->peer ||
	    agency_id_parse(view_str(m->peer), &peer) || exporter.n != TLS_EXPORTER_BYTES ||
	    (m->role != TLS_DIALLER && m->role != TLS_LISTENER)) {
		gate_is_wrong(v, "a session that is none");
		return;
	}
	v->newest_session = m->session;
	e = session_table_add(&v->sessions, m->session);
	if (!e)
		e = node_session_opened(v->node, m->session, (int)m->role, &peer, exporter.p);
	if (!e)
		e = node_session_facts(v->node, m->session, facts_until_us(m),
				       m->text ? m->text : "");
	vault_must(v, e, "a session cannot begin");
}

/* No gate of ours sends more than it has credit for: its peers are not to fill this memory. */
static void framed(struct vault *v, const struct pb_relay *m)
{
	struct view frame = message_bytes(m->has_frame, m->frame);
	enum err e = session_take(&v->sessions, m->session, frame.n);

	if (e == ERR_NOT_FOUND)
		return;
	if (e) {
		gate_is_wrong(v, "more frames than it has credit for");
		vault_must(v, session_close(&v->sessions, m->session), "the gate cannot be told");
		return;
	}
	vault_must(v, node_frame(v->node, m->session, frame), "a frame cannot be taken");
}

static enum node_step step_of(const struct pb_relay *m)
{
	switch (m->step) {
	case PB(RELAY_STEP, NAME):
		return NODE_STEP_NAME;
	case PB(RELAY_STEP, ROUTE):
		return NODE_STEP_ROUTE;
	case PB(RELAY_STEP, TLS):
		return NODE_STEP_TLS;
	case PB(RELAY_STEP, CERTIFICATES):
	case _AMPARO__V1__RELAY_STEP_IS_INT_SIZE:
		break;
	}
	return NODE_STEP_CERTIFICATES;
}

static void staged(struct vault *v, const struct pb_relay *m)
{
	struct agency_id peer;

	if (!m->peer || agency_id_parse(view_str(m->peer), &peer) || !m->has_step || !m->text)
		gate_is_wrong(v, "a stage that is none");
	else
		vault_must(v,
			   node_dial_stage(v->node, &peer, step_of(m), m->has_ok && m->ok, m->text),
			   "a stage cannot be taken");
}

static void closed(struct vault *v, const struct pb_relay *m)
{
	if (!session_table_remove(&v->sessions, m->session))
		gate_is_wrong(v, "the end of a session that is none");
	else
		vault_must(v, node_session_closed(v->node, m->session), "a session cannot end");
}

static void from_gate(void *ctx, const struct pb_relay *m)
{
	struct vault *v = ctx;

	switch (m->kind) {
	case PB(RELAY_KIND, OPENED):
		opened(v, m);
		break;
	case PB(RELAY_KIND, FRAME):
		framed(v, m);
		break;
	case PB(RELAY_KIND, CLOSED):
		closed(v, m);
		break;
	case PB(RELAY_KIND, STAGE):
		staged(v, m);
		break;
	case PB(RELAY_KIND, SENT):
		vault_must(v, session_sent(&v->sessions, m->session, m->n_bytes),
			   "the gate cannot be told");
		return;
	case PB(RELAY_KIND, CLOSE):
	case PB(RELAY_KIND, DIAL):
	case PB(RELAY_KIND, CREDIT):
	case PB(RELAY_KIND, READY):
	case PB(RELAY_KIND, RESOLVE):
	case PB(RELAY_KIND, RESOLVED):
	case PB(RELAY_KIND, STOP):
	case _AMPARO__V1__RELAY_KIND_IS_INT_SIZE:
		gate_is_wrong(v, "a message of a kind that is not its to send");
		return;
	}
	want_turn(v);
}

static void gate_drained(void *ctx)
{
	struct vault *v = ctx;

	vault_must(v, session_table_resume(&v->sessions), "the gate cannot be told");
}

/* The parent sees it too, and ends us. */
static void gate_ended(void *ctx, enum err e)
{
	struct vault *v = ctx;

	if (v->is_stopping)
		return;
	log_err(LOG_ERR, e, "the gate is gone");
	vault_end(v, EX_SOFTWARE);
}

static const struct channel_calls gate_calls = {
	.message = from_gate,
	.drained = gate_drained,
	.ended = gate_ended,
};

/* --- the parent -------------------------------------------------------------------------- */

static void on_stop_timer(void *arg)
{
	struct vault *v = arg;

	loop_stop(v->loop);
}

/** Answer what is queued, take nothing new; then end. */
static void stop(struct vault *v)
{
	bool more = true;
	const uint64_t until_ms = loop_mono_ms() + STOP_MS;

	if (v->is_stopping)
		return;
	v->is_stopping = true;
	while (more && (loop_mono_ms() < until_ms || node_is_in_turn(v->node)))
		if (node_turn(v->node, &more)) {
			vault_end(v, EXIT_STORAGE);
			return;
		}
	api_server_stop(v->api);
	channel_flush(v->gate);
	loop_cancel(v->loop, &v->turn_task);
	/* One more round, in which what was said leaves. */
	vault_must(v, loop_timer_set(v->stop_timer, loop_mono_ms()), "timer");
}

static void from_parent(void *ctx, const struct pb_relay *m)
{
	if (m->kind == PB(RELAY_KIND, STOP))
		stop(ctx);
}

static void parent_ended(void *ctx, enum err e)
{
	struct vault *v = ctx;

	log_err(LOG_ERR, e, "the parent is gone");
	vault_end(v, EX_SOFTWARE);
}

static const struct channel_calls parent_calls = {
	.message = from_parent,
	.ended = parent_ended,
};

/* --- start ------------------------------------------------------------------------------- */

static enum err open_node(struct vault *v)
{
	struct node_options options = vault_keys_options(&v->keys);
	enum err e = last_signed_open(v->keys.setup->last_signed_path, &v->last_signed);

	if (!e)
		e = disk_open(v->keys.setup->data_dir, &v->disk_fd);
	if (e)
		return err_trace(e);
	options.last_signed_newest = last_signed_newest(v->last_signed);
	options.last_signed_previous = last_signed_previous(v->last_signed);
	vault_port_fill(v, &options.port);
	return node_open(&options, &v->node);
}

static enum err open_loop(struct vault *v)
{
	const struct pb_vault_setup *s = v->keys.setup;
	enum err e = loop_new(&v->loop);

	if (!e)
		e = loop_timer_new(v->loop, on_turn, v, &v->deadline_timer);
	if (!e)
		e = loop_timer_new(v->loop, on_idle, v, &v->idle_timer);
	if (!e)
		e = loop_timer_new(v->loop, on_stop_timer, v, &v->stop_timer);
	if (!e)
		e = channel_new(v->loop, PROCESS_FD_PARENT, &parent_calls, v, &v->parent);
	if (!e)
		e = channel_new(v->loop, PROCESS_FD_SIBLING, &gate_calls, v, &v->gate);
	if (!e)
		e = api_server_new(v->loop, s->socket_path, s->roles, s->n_roles, &api_calls, v,
				   &v->api);
	v->sessions.gate = v->gate;
	token_bucket_init(&v->log_tokens, 1, 10, loop_mono_ms());
	return e;
}

static enum err vault_start(struct vault *v)
{
	enum err e = crypto_init();

	if (!e)
		e = vault_keys_receive(&v->keys);
	if (e)
		return err_trace(e);
	if (v->keys.setup->init)
		return vault_init(&v->keys);
	e = open_node(v);
	if (!e)
		e = open_loop(v);
	return e;
}

static enum err vault_serve(struct vault *v)
{
	enum err e;

	(void)malloc_trim(0);
	e = filter_install(vault_calls, ARRAY_LEN(vault_calls));
	if (!e)
		e = channel_send_kind(v->parent, PB(RELAY_KIND, READY));
	want_turn(v);
	return e ? err_trace(e) : loop_run(v->loop);
}

/* Also half-built. */
static void vault_fini(struct vault *v)
{
	api_server_free(v->api);
	if (v->gate)
		channel_flush(v->gate);
	channel_free(v->gate);
	channel_free(v->parent);
	node_close(v->node);
	last_signed_close(v->last_signed);
	if (v->disk_fd >= 0)
		(void)close(v->disk_fd);
	session_table_fini(&v->sessions);
	loop_timer_free(v->deadline_timer);
	loop_timer_free(v->idle_timer);
	loop_timer_free(v->stop_timer);
	loop_free(v->loop);
	vault_keys_fini(&v->keys);
	crypto_fini();
}

/** @return the exit code: an operator's to mend, or not. */
static int failed(enum err e)
{
	if (err_class(e) == ERR_CLASS_CONFIG || e == ERR_EXISTS || e == ERR_NOT_FOUND ||
	    e == ERR_DENIED) {
		log_line(LOG_ERR, "%s", err_words());
		return EX_CONFIG;
	}
	log_err(LOG_ERR, e, "the vault cannot go on");
	return EXIT_STORAGE;
}

int vault_main(void)
{
	struct vault v = {.exit_code = EX_OK, .disk_fd = -1};
	enum err e = vault_start(&v);

	if (!e && !v.keys.setup->init)
		e = vault_serve(&v);
	if (e)
		v.exit_code = failed(e);
	vault_fini(&v);
	return v.exit_code;
}
