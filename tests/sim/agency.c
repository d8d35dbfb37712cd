/* An agency: its node's port, its clocks, how its process starts and ends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inspect.h"
#include "parts.h"
#include "watch.h"

static const struct {
	const char *label, *id;
} names[WORLD_AGENCIES_MAX] = {
	{"cz", "spiffe://ochrana.cz.example/central-authority"},
	{"sk", "spiffe://ochrana.sk.example/central-authority"},
	{"at", "spiffe://kinderschutz.at.example/jugendamt"},
	{"hu", "spiffe://gyermekvedelem.hu.example/hivatal"},
	{"pl", "spiffe://opieka.pl.example/centrum"},
	{"si", "spiffe://varstvo.si.example/otroci"},
	{"hr", "spiffe://zastita.hr.example/ured"},
};

const char *agency_name(size_t index)
{
	return names[index].id;
}

/* --- the port --- */

/* @return true while the process lives */
static bool lives(struct agency *a, enum disk_op op)
{
	return disk_point(a->disk, op) == DISK_OK;
}

static uint64_t port_mono_ms(void *ctx)
{
	return agency_mono_ms(ctx);
}

static uint64_t port_utc_us(void *ctx)
{
	return agency_utc_us(ctx);
}

static int64_t tls_utc_s(void *ctx)
{
	return (int64_t)(agency_utc_us(ctx) / SECOND_US);
}

static enum err port_random(void *ctx, void *p, size_t n)
{
	fill_random(((struct agency *)ctx)->world, p, n);
	return ERR_OK;
}

static void port_send(void *ctx, uint64_t session, struct view frame)
{
	struct agency *a = ctx;

	if (!lives(a, PORT_SEND))
		return;
	world_enter(a->world, NULL);
	a->world->tally.n_frames++;
	watch_sent(a, network_peer_of(a, session), frame);
	network_send(a, session, frame);
	world_leave(a->world);
}

static void port_close(void *ctx, uint64_t session)
{
	struct agency *a = ctx;

	if (!lives(a, PORT_CLOSE))
		return;
	world_enter(a->world, NULL);
	network_close(a, session);
	world_leave(a->world);
}

static void port_dial(void *ctx, const struct agency_id *peer)
{
	struct agency *a = ctx;
	struct world *w = a->world;

	if (!lives(a, PORT_DIAL))
		return;
	world_enter(w, NULL);
	w->tally.n_dials++;
	for (size_t i = 0; i < w->n_agency; i++)
		if (agency_id_eq(&w->agency[i].id, peer))
			world_push(w, (struct event){
					      .at_us = w->now_us + 2 * w->knobs.delay_min_us,
					      .kind = EVENT_CONNECT,
					      .agency = a->index,
					      .other = i,
				      });
	world_leave(w);
}

static size_t port_unsent(void *ctx, uint64_t session)
{
	return network_unsent(ctx, session);
}

static uint64_t port_free_bytes(void *ctx)
{
	const struct agency *a = ctx;
	const uint64_t used = disk_used(a->disk);

	if (!a->room_end)
		return UINT64_MAX;
	return a->room_end > used ? a->room_end - used : 0;
}

static void port_credit(void *ctx, uint64_t session, size_t n_bytes)
{
	struct agency *a = ctx;

	(void)n_bytes;
	if (disk_is_dead(a->disk))
		return;
	world_enter(a->world, NULL);
	network_credit(a, session);
	world_leave(a->world);
}

static void port_reply(void *ctx, uint64_t caller, struct view reply)
{
	struct agency *a = ctx;

	if (!lives(a, PORT_REPLY))
		return;
	world_enter(a->world, NULL);
	watch_step(a);
	client_reply(a, caller, reply);
	world_leave(a->world);
}

static enum err port_last_signed(void *ctx, struct view newest, struct view previous)
{
	return disk_signed_write(((struct agency *)ctx)->disk, newest, previous);
}

static enum err port_signed_sync(void *ctx)
{
	return disk_signed_sync(((struct agency *)ctx)->disk);
}

void world_set_room(struct agency *a, uint64_t n)
{
	a->room_end = n == UINT64_MAX ? 0 : disk_used(a->disk) + n;
	disk_set_size(a->disk, a->room_end);
}

/* --- start and stop --- */

static void fill_options(struct agency *a, struct node_options *o, struct node_peer *peer)
{
	struct world *w = a->world;
	size_t n = 0;

	for (size_t i = 0; i < w->n_agency; i++)
		if (i != a->index)
			peer[n++] = (struct node_peer){
				.id = w->agency[i].id,
				.may_dial = true,
			};
	*o = (struct node_options){
		.agency = a->id,
		.database = "/amparo.db",
		.vfs = disk_vfs_name(a->disk),
		.node_key = a->node_key,
		.seal_key = a->seal_key,
		.seal_chain = &a->seal_chain,
		.trust = w->trust,
		.peer = peer,
		.n_peer = n,
		.limits = {.reserve_bytes = WORLD_RESERVE_BYTES,
			   .window_items = w->knobs.window_items,
			   .step_requests = w->knobs.step_requests},
		.last_signed_newest = disk_signed_newest(a->disk),
		.last_signed_previous = disk_signed_previous(a->disk),
		.port = {.ctx = a,
			 .mono_ms = port_mono_ms,
			 .utc_us = port_utc_us,
			 .random = port_random,
			 .send = port_send,
			 .close = port_close,
			 .dial = port_dial,
			 .unsent = port_unsent,
			 .free_bytes = port_free_bytes,
			 .credit = port_credit,
			 .reply = port_reply,
			 .last_signed = port_last_signed,
			 .signed_sync = port_signed_sync},
	};
}

static bool is_disk_error(enum err e)
{
	return e == ERR_STORAGE || e == ERR_IO || e == ERR_NOT_FOUND || e == ERR_DECRYPT ||
	       e == ERR_CONFIG || e == ERR_NOMEM;
}

/* A call may fail for a fault of the disk, for damage to it, or for want of memory alone. */
static bool may_fail(const struct agency *a, enum err e)
{
	return disk_has_failed(a->disk) || (a->is_damaged && is_disk_error(e)) || a->may_fail;
}

static enum disk_power draw_power(struct agency *a)
{
	return a->has_power ? a->power : (enum disk_power)world_random(a->world, N_DISK_POWERS);
}

void world_start(struct agency *a)
{
	struct world *w = a->world;
	struct node_peer peer[WORLD_AGENCIES_MAX];
	struct node_options o;
	enum err e;

	if (a->node)
		return;
	fill_options(a, &o, peer);
	watch_clock(a, true);
	e = INSIDE(a, node_open(&o, &a->node));
	trace_say(w, "%s: starts: %s", a->label, e ? err_words() : "ok");
	MUST(w, !disk_is_unsigned_commit(a->disk));
	if (e || disk_is_dead(a->disk)) {
		MUST(w, may_fail(a, e));
		w->tally.n_crashes++;
		err_clear();
		world_stop(a, POWER_KEPT);
		return;
	}
	w->tally.n_starts++;
	watch_opened(a);
	agency_wake(a);
}

bool world_make(struct agency *a)
{
	struct node_peer peer[WORLD_AGENCIES_MAX];
	struct node_options o;
	bool is_made;
	enum err e;

	MUST(a->world, !a->node);
	watch_free(a->seen);
	a->seen = watch_new();
	disk_wipe(a->disk);
	fill_options(a, &o, peer);
	e = INSIDE(a, node_init(&o));
	is_made = !e && !disk_is_dead(a->disk);
	if (!is_made) {
		MUST(a->world, may_fail(a, e));
		trace_say(a->world, "%s: is not made: %s", a->label, e ? err_words() : "crash");
		err_clear();
	}
	disk_restart(a->disk, disk_is_dead(a->disk) ? draw_power(a) : POWER_KEPT);
	return is_made;
}

void world_stop(struct agency *a, enum disk_power how)
{
	struct world *w = a->world;

	if (a->node)
		trace_say(w, "%s: ends, %s", a->label,
			  how == POWER_KEPT	 ? "disk as written"
			  : how == POWER_DROPPED ? "what was not synced is lost"
						 : "what was not synced is torn");
	w->tally.n_power_losses += how != POWER_KEPT;
	world_enter(w, a);
	node_close(a->node);
	world_leave(w);
	a->node = NULL;
	a->is_doomed = false;
	a->wake_at_us = UINT64_MAX;
	/* dead: it ended earlier than it was told to */
	disk_restart(a->disk, disk_is_dead(a->disk) ? draw_power(a) : how);
	network_gone(a);
	clients_lost(a);
}

/* --- turns --- */

static void wake_at(struct agency *a, uint64_t at_us)
{
	struct world *w = a->world;

	if (at_us < w->now_us)
		at_us = w->now_us;
	if (a->wake_at_us <= at_us && a->wake_at_us >= w->now_us)
		return;
	a->wake_at_us = at_us;
	world_push(w, (struct event){.at_us = at_us, .kind = EVENT_WAKE, .agency = a->index});
}

void agency_wake(struct agency *a)
{
	struct world *w = a->world;

	wake_at(a, w->now_us + world_random(w, (uint64_t)w->knobs.turn_wait_us + 1));
}

static void failed(struct agency *a, enum err e)
{
	struct world *w = a->world;

	/* a storage error is final, and nothing but the disk makes one */
	MUST(w, may_fail(a, e));
	trace_say(w, "%s: the turn fails: %s", a->label,
		  disk_is_dead(a->disk) ? "crash" : err_detail());
	w->tally.n_crashes++;
	w->tally.n_disk_errors += !disk_is_dead(a->disk);
	err_clear();
	world_stop(a, draw_power(a));
}

void agency_told(struct agency *a, enum err e)
{
	if (!e)
		return;
	MUST(a->world, a->may_fail);
	a->is_doomed = true;
	agency_wake(a);
}

static void turn(struct agency *a)
{
	struct world *w = a->world;
	bool more, more_wal = false;
	enum err e;

	if (!a->node)
		return;
	if (a->is_doomed) {
		failed(a, ERR_NOMEM);
		return;
	}
	w->tally.n_turns++;
	watch_clock(a, false);
	watch_turn(a);
	e = INSIDE(a, node_turn(a->node, &more));
	w->tally.n_steps += inspect_node(a->node).is_in_turn;
	MUST(w, !disk_is_unsigned_commit(a->disk));
	if (!e && !disk_is_dead(a->disk))
		watch_step(a);
	if (!e && !disk_is_dead(a->disk) && world_random(w, 4) == 0)
		e = INSIDE(a, node_idle(a->node, &more_wal));
	if (e || disk_is_dead(a->disk)) {
		failed(a, e);
		return;
	}
	if (more || more_wal)
		wake_at(a, w->now_us + world_random(w, (uint64_t)w->knobs.turn_wait_us + 1));
	else if (node_deadline_ms(a->node) != UINT64_MAX)
		wake_at(a, agency_world_us(a, node_deadline_ms(a->node)));
	clients_told(a);
}

void agency_woken(struct agency *a, uint64_t at_us)
{
	if (a->wake_at_us != at_us)
		return; /* woken earlier since */
	a->wake_at_us = UINT64_MAX;
	turn(a);
}

/* --- beginning and end --- */

static uint64_t disk_random(void *ctx, uint64_t below)
{
	return world_random(ctx, below);
}

static uint64_t disk_utc_us(void *ctx)
{
	return WORLD_START_US + ((struct world *)ctx)->now_us;
}

void agency_init(struct agency *a, struct world *w, size_t index)
{
	const int64_t utc_s = (int64_t)(WORLD_START_US / SECOND_US);
	const char *id = names[index].id;
	struct pki_leaf_options tls = {.id = id, .purpose = CERT_TLS, .utc_s = utc_s};
	struct pki_leaf_options seal = {.id = id, .purpose = CERT_SEAL, .utc_s = utc_s};
	struct node_peer peer[WORLD_AGENCIES_MAX];
	struct node_options o;
	uint8_t key[32];

	*a = (struct agency){.world = w, .index = index, .label = names[index].label};
	a->wake_at_us = UINT64_MAX;
	for (size_t i = 0; i < WORLD_CLIENTS_MAX; i++)
		a->client[i] = (struct client){.agency = a, .index = i};
	MUST(w, agency_id_parse(view_str(id), &a->id) == ERR_OK);
	a->disk = disk_new(index, &(struct disk_world){
					  .ctx = w, .random = disk_random, .utc_us = disk_utc_us});
	a->seen = watch_new();
	fill_random(w, key, sizeof(key));
	MUST(w, secret_new(view_of(key, sizeof(key)), &a->node_key) == ERR_OK);
	pki_issue(w->ca[index], &tls, &a->tls_leaf);
	pki_issue(w->ca[index], &seal, &a->seal_leaf);
	MUST(w, seal_key_from_pem(buf_view(&a->seal_leaf.key_pem), &a->seal_key) == ERR_OK);
	MUST(w, cert_chain_from_pem(buf_view(&a->seal_leaf.cert_pem), &a->seal_chain) == ERR_OK);
	MUST(w, tls_context_new(buf_view(&a->tls_leaf.cert_pem), buf_view(&a->tls_leaf.key_pem),
				w->trust, tls_utc_s, a, &a->tls) == ERR_OK);
	fill_options(a, &o, peer);
	MUST(w, node_init(&o) == ERR_OK);
}

void agency_fini(struct agency *a)
{
	tls_context_free(a->tls);
	cert_chain_fini(&a->seal_chain);
	seal_key_free(a->seal_key);
	secret_free(a->node_key);
	pki_leaf_fini(&a->tls_leaf);
	pki_leaf_fini(&a->seal_leaf);
	disk_free(a->disk);
	watch_free(a->seen);
}
