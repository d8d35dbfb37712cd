/* Connections between agencies: bytes with delay, and what befalls them on the way. */
#include <stdlib.h>
#include <string.h>

#include "parts.h"

#define STALL_LOOK_US (SECOND_US / 2) /* how often stalled bytes are tried again */

static void end_run(struct world *w, struct connection *c, int which);

static void end_free(struct connection *c, int which)
{
	struct end *e = &c->end[which];

	world_enter(e->agency->world, e->agency);
	link_free(e->link);
	world_leave(e->agency->world);
	e->link = NULL;
	e->is_gone = true;
	if (c->end[0].is_gone && c->end[1].is_gone)
		c->is_used = false;
}

static struct route *route_to(struct world *w, const struct connection *c, int to)
{
	return &w->route[c->end[!to].agency->index][c->end[to].agency->index];
}

static struct event *event_to(struct world *w, struct connection *c, int to, struct event *e)
{
	*e = (struct event){
		.at_us = w->now_us,
		.kind = EVENT_BYTES,
		.connection = (size_t)(c - w->connection),
		.number = c->number,
		.end = to,
	};
	return e;
}

static void send_chunk(struct world *w, struct connection *c, int to, struct view v, bool is_eof)
{
	struct end *e = &c->end[to];
	const struct route *r = route_to(w, c, to);
	const uint64_t span = w->knobs.delay_max_us - w->knobs.delay_min_us;
	struct event event;
	uint64_t at = w->now_us + w->knobs.delay_min_us + world_random(w, span + 1);

	(void)event_to(w, c, to, &event);
	if (at < e->last_us)
		at = e->last_us;
	if (r->bytes_per_s)
		at += v.n * SECOND_US / r->bytes_per_s;
	e->last_us = event.at_us = at;
	event.is_eof = is_eof;
	if (v.n && world_random(w, 1000000) < w->knobs.reset_per_million) {
		/* reset: neither end gets anything more */
		struct event back;

		w->tally.n_cuts++;
		event.is_eof = true;
		event_to(w, c, !to, &back)->is_eof = true;
		back.at_us = at;
		world_push(w, back);
	} else if (v.n) {
		event.data = malloc(v.n);
		ASSERT(event.data);
		memcpy(event.data, v.p, v.n);
		event.n = v.n;
		e->n_under_way += v.n;
	}
	world_push(w, event);
}

static void flush(struct world *w, struct connection *c, int which)
{
	struct end *e = &c->end[which];

	for (;;) {
		struct view out = link_output(e->link);
		size_t n = out.n < w->knobs.chunk_max ? out.n : w->knobs.chunk_max;

		if (n == 0)
			return;
		if (!c->end[!which].is_gone)
			send_chunk(w, c, !which, view_of(out.p, n), false);
		if (INSIDE(e->agency, link_sent(e->link, n, agency_mono_ms(e->agency))))
			return;
	}
}

static bool listens(const struct agency *a)
{
	return a->node && !a->is_doomed;
}

static void take_frames(struct end *e)
{
	struct agency *a = e->agency;
	struct view frame;

	while (INSIDE(a, link_take_frame(e->link, agency_mono_ms(a), &frame)) == ERR_OK) {
		if (!listens(a))
			continue;
		agency_told(a, INSIDE(a, node_frame(a->node, e->session, frame)));
		agency_wake(a);
	}
}

static void tell_opened(struct world *w, struct connection *c, int which)
{
	struct end *e = &c->end[which];
	struct agency *a = e->agency;

	if (e->is_told || !link_peer(e->link) || !listens(a))
		return;
	e->is_told = true;
	trace_say(w, "%s: TLS session %llu with %s stands, %s", e->agency->label,
		  (unsigned long long)e->session, c->end[!which].agency->label,
		  which == 0 ? "dialled" : "accepted");
	agency_told(a, INSIDE(a, node_session_opened(a->node, e->session, which == 0 ? 1 : 2,
						     link_peer(e->link), link_exporter(e->link))));
	agency_wake(a);
}

static void end_run(struct world *w, struct connection *c, int which)
{
	struct end *e = &c->end[which];

	if (!e->link)
		return;
	tell_opened(w, c, which);
	take_frames(e);
	flush(w, c, which);
	if (link_state(e->link) != LINK_CLOSED) {
		world_push(w, (struct event){.at_us = agency_world_us(e->agency,
								      link_deadline_ms(e->link)),
					     .kind = EVENT_LINK_TICK,
					     .connection = (size_t)(c - w->connection),
					     .number = c->number,
					     .end = which});
		return;
	}
	if (!c->end[!which].is_gone)
		send_chunk(w, c, !which, view_of(NULL, 0), true);
	if (e->is_told && listens(e->agency)) {
		trace_say(w, "%s: session %llu with %s is closed", e->agency->label,
			  (unsigned long long)e->session, c->end[!which].agency->label);
		agency_told(e->agency,
			    INSIDE(e->agency, node_session_closed(e->agency->node, e->session)));
		agency_wake(e->agency);
	}
	end_free(c, which);
}

static struct end *end_of_session(struct agency *a, uint64_t session, struct connection **ret_c,
				  int *ret_which)
{
	struct world *w = a->world;

	for (size_t i = 0; i < WORLD_CONNECTIONS_MAX; i++) {
		struct connection *c = &w->connection[i];

		for (int which = 0; c->is_used && which < 2; which++) {
			struct end *e = &c->end[which];

			if (e->is_gone || e->agency != a || e->session != session)
				continue;
			*ret_c = c;
			*ret_which = which;
			return e;
		}
	}
	return NULL;
}

struct agency *network_peer_of(struct agency *a, uint64_t session)
{
	struct connection *c;
	int which;

	return end_of_session(a, session, &c, &which) ? c->end[!which].agency : NULL;
}

void network_send(struct agency *a, uint64_t session, struct view frame)
{
	struct connection *c;
	int which;
	struct end *e = end_of_session(a, session, &c, &which);

	if (!e)
		return;
	if (INSIDE(a, link_send_frame(e->link, frame, agency_mono_ms(a))))
		err_clear(); /* closing already, or too slow: the link says so itself */
	end_run(a->world, c, which);
}

void network_close(struct agency *a, uint64_t session)
{
	struct connection *c;
	int which;
	struct end *e = end_of_session(a, session, &c, &which);

	if (!e)
		return;
	world_enter(a->world, a);
	link_close(e->link, agency_mono_ms(a));
	world_leave(a->world);
	end_run(a->world, c, which);
}

void network_credit(struct agency *a, uint64_t session)
{
	struct connection *c;
	int which;
	struct end *e = end_of_session(a, session, &c, &which);

	if (!e)
		return;
	world_enter(a->world, a);
	link_admit(e->link, agency_mono_ms(a));
	world_leave(a->world);
	end_run(a->world, c, which);
}

/* Without memory there is no connection: the gate shuts the socket. */
static bool begin_link(struct end *e, int which, const struct agency_id *to)
{
	struct agency *a = e->agency;
	const enum err err = INSIDE(a, link_new(a->tls, which ? TLS_LISTENER : TLS_DIALLER,
						which ? NULL : to, agency_mono_ms(a), &e->link));

	MUST(a->world, !err || a->may_fail);
	return !err;
}

size_t network_unsent(struct agency *a, uint64_t session)
{
	struct connection *c;
	int which;
	struct end *e = end_of_session(a, session, &c, &which);

	return e ? c->end[!which].n_under_way : 0;
}

void network_connect(struct world *w, size_t from, size_t to)
{
	struct connection *c = NULL;

	/* TCP wants both directions */
	if (w->route[from][to].no_dial || w->route[from][to].is_stalled ||
	    w->route[to][from].is_stalled || !w->agency[from].node || !w->agency[to].node)
		return;
	for (size_t i = 0; i < WORLD_CONNECTIONS_MAX && !c; i++)
		if (!w->connection[i].is_used)
			c = &w->connection[i];
	MUST(w, c != NULL);
	*c = (struct connection){.is_used = true, .number = ++w->next_session};
	c->end[0].agency = &w->agency[from];
	c->end[1].agency = &w->agency[to];
	for (int which = 0; which < 2; which++) {
		struct end *e = &c->end[which];

		e->session = ++w->next_session;
		if (!begin_link(e, which, &w->agency[to].id)) {
			end_free(c, 0);
			end_free(c, 1);
			return;
		}
	}
	end_run(w, c, 0);
	if (c->is_used)
		end_run(w, c, 1);
}

/* The bytes wait as they would in a socket; none overtakes another. */
static void wait_until(struct world *w, struct end *e, const struct event *event, size_t at,
		       uint64_t until_us)
{
	struct event again = *event;

	e->not_before_us = again.at_us = until_us;
	if (e->last_us < until_us)
		e->last_us = until_us;
	again.n = event->n - at;
	again.data = NULL;
	if (again.n) {
		again.data = malloc(again.n);
		ASSERT(again.data);
		memcpy(again.data, event->data + at, again.n);
	}
	world_push(w, again);
}

/* @return true when the rest waits */
static bool take_bytes(struct world *w, struct end *e, const struct event *event)
{
	size_t at = 0;

	while (at < event->n && link_state(e->link) != LINK_CLOSED) {
		enum err err = INSIDE(e->agency,
				      link_input(e->link, view_of(event->data + at, event->n - at),
						 agency_mono_ms(e->agency)));

		if (err != ERR_FULL) {
			at = event->n;
			if (err)
				err_clear();
			continue;
		}
		take_frames(e);
		if (!(link_wants(e->link) & LINK_WANTS_READ)) {
			e->n_under_way += event->n - at;
			wait_until(w, e, event, at, w->now_us + 1000); /* not admitted yet */
			return true;
		}
	}
	return false;
}

/* The sender has room again. */
static void taken(struct world *w, struct connection *c, const struct event *event)
{
	struct end *from = &c->end[!event->end], *to = &c->end[event->end];

	MUST(w, to->n_under_way >= event->n);
	to->n_under_way -= event->n;
	if (event->n && to->n_under_way == 0 && !from->is_gone && from->agency->node)
		agency_wake(from->agency);
}

void network_bytes(struct world *w, struct event *event)
{
	struct connection *c = &w->connection[event->connection];
	struct end *e = &c->end[event->end];

	if (e->link && route_to(w, c, event->end)->is_stalled)
		wait_until(w, e, event, 0, (w->now_us / STALL_LOOK_US + 1) * STALL_LOOK_US);
	else if (e->link && w->now_us < e->not_before_us)
		wait_until(w, e, event, 0, e->not_before_us);
	else if (e->link) {
		taken(w, c, event);
		trace_mix(w, event->number, view_of(event->data, event->n));
		if (!take_bytes(w, e, event) && event->is_eof &&
		    INSIDE(e->agency, link_eof(e->link, agency_mono_ms(e->agency))))
			err_clear();
		end_run(w, c, event->end);
	}
	free(event->data);
}

void network_tick(struct world *w, const struct event *event)
{
	struct connection *c = &w->connection[event->connection];
	struct end *e = &c->end[event->end];

	if (!e->link || link_deadline_ms(e->link) > agency_mono_ms(e->agency))
		return;
	if (INSIDE(e->agency, link_tick(e->link, agency_mono_ms(e->agency))))
		err_clear();
	end_run(w, c, event->end);
}

void network_gone(struct agency *a)
{
	struct world *w = a->world;

	for (size_t i = 0; i < WORLD_CONNECTIONS_MAX; i++) {
		struct connection *c = &w->connection[i];

		for (int which = 0; c->is_used && which < 2; which++) {
			struct end *e = &c->end[which];

			if (e->is_gone || e->agency != a)
				continue;
			if (!c->end[!which].is_gone)
				send_chunk(w, c, !which, view_of(NULL, 0), true);
			end_free(c, which);
		}
	}
}

static bool joins(const struct connection *c, size_t a, size_t b)
{
	const size_t x = c->end[0].agency->index, y = c->end[1].agency->index;

	return (x == a && y == b) || (x == b && y == a);
}

void world_cut(struct world *w, size_t a, size_t b)
{
	w->tally.n_cuts++;
	for (size_t i = 0; i < WORLD_CONNECTIONS_MAX; i++) {
		struct connection *c = &w->connection[i];

		if (!c->is_used || !joins(c, a, b))
			continue;
		for (int which = 0; which < 2; which++) {
			if (!c->is_used || !c->end[which].link)
				continue;
			if (INSIDE(c->end[which].agency,
				   link_eof(c->end[which].link,
					    agency_mono_ms(c->end[which].agency))))
				err_clear();
			/* bytes on their way are lost with the connection */
			c->number = ++w->next_session;
			end_run(w, c, which);
		}
	}
}

void world_heal_routes(struct world *w)
{
	memset(w->route, 0, sizeof(w->route));
}
