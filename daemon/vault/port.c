#include "vault/disk.h"
#include "vault/internal.h"

static void port_send(void *ctx, uint64_t session, struct view frame)
{
	struct vault *v = ctx;

	vault_must(v, session_send(&v->sessions, session, frame), "the gate cannot be told");
	channel_flush(v->gate); /* now: the peer works while the turn goes on, or replies leave */
}

static void port_close(void *ctx, uint64_t session)
{
	struct vault *v = ctx;

	vault_must(v, session_close(&v->sessions, session), "the gate cannot be told");
}

static size_t port_unsent(void *ctx, uint64_t session)
{
	struct vault *v = ctx;

	return session_unsent(&v->sessions, session);
}

static void dial(struct vault *v, const struct agency_id *peer, bool is_test)
{
	struct agency_id id = *peer;
	struct pb_relay m = PB_RELAY_INIT;

	m.has_kind = 1;
	m.kind = PB(RELAY_KIND, DIAL);
	m.peer = id.text;
	m.has_test = is_test;
	m.test = is_test;
	vault_must(v, channel_send(v->gate, &m), "the gate cannot be told");
}

static void port_dial(void *ctx, const struct agency_id *peer)
{
	dial(ctx, peer, false);
}

static void port_test(void *ctx, const struct agency_id *peer)
{
	dial(ctx, peer, true);
}

static uint64_t port_free_bytes(void *ctx)
{
	return disk_free_bytes(((struct vault *)ctx)->disk_fd);
}

static void port_credit(void *ctx, uint64_t session, size_t n_bytes)
{
	struct vault *v = ctx;

	vault_must(v, session_credit(&v->sessions, session, n_bytes), "the gate cannot be told");
}

static void port_reply(void *ctx, uint64_t caller, struct view reply)
{
	struct vault *v = ctx;

	api_server_reply(v->api, caller, reply);
}

static enum err port_last_signed(void *ctx, struct view newest, struct view previous)
{
	struct vault *v = ctx;

	return last_signed_write(v->last_signed, newest, previous);
}

static enum err port_signed_sync(void *ctx)
{
	return last_signed_sync(((struct vault *)ctx)->last_signed);
}

void vault_port_fill(struct vault *v, struct port *ret)
{
	ret->ctx = v;
	ret->send = port_send;
	ret->close = port_close;
	ret->unsent = port_unsent;
	ret->dial = port_dial;
	ret->test = port_test;
	ret->free_bytes = port_free_bytes;
	ret->credit = port_credit;
	ret->reply = port_reply;
	ret->last_signed = port_last_signed;
	ret->signed_sync = port_signed_sync;
}
