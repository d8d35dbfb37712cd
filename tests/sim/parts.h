/**
 * @file
 * What the files of the world share with each other; world.h is for those who use it.
 */
#ifndef TESTS_SIM_PARTS_H
#define TESTS_SIM_PARTS_H

#include "world.h"

enum event_kind {
	EVENT_BYTES,
	EVENT_WAKE,
	EVENT_CONNECT,
	EVENT_LINK_TICK,
};

struct event {
	uint64_t at_us;
	uint64_t order;
	enum event_kind kind;
	size_t agency, other;
	size_t connection;
	uint64_t number; /* of the connection: a slot may have been used again */
	int end;
	bool is_eof;
	uint8_t *data;
	size_t n;
};

/* --- world.c --- */
void world_push(struct world *w, struct event e);
/* What waits for an agency until at_us happens now, in its order: it stood still for less long. */
void world_pull(struct agency *a, uint64_t at_us);
void fill_random(void *ctx, uint8_t *p, size_t n);

/** What runs from now on, and allocates, is an agency's; @p a NULL: the world's. */
static inline void world_enter(struct world *w, struct agency *a)
{
	ASSERT(w->n_outside < WORLD_DEPTH_MAX);
	w->outside[w->n_outside++] = w->inside;
	w->inside = a;
}

static inline enum err world_left(struct world *w, enum err e)
{
	w->inside = w->outside[--w->n_outside];
	return e;
}

static inline void world_leave(struct world *w)
{
	w->inside = w->outside[--w->n_outside];
}

/** A call that answers enum err, into the node or a link of @p a. */
#define INSIDE(a, call) (world_enter((a)->world, (a)), world_left((a)->world, (call)))

/* --- agency.c --- */
/** What a call into a node outside of its turns answered: without memory its process ends. */
void agency_told(struct agency *a, enum err e);
void agency_init(struct agency *a, struct world *w, size_t index);
void agency_fini(struct agency *a);
/** Its id, before it is made. */
const char *agency_name(size_t index);
/** It has something to do, after at most knobs.turn_wait_us. */
void agency_wake(struct agency *a);
/** A wake event came. */
void agency_woken(struct agency *a, uint64_t at_us);
/** World time of a monotonic time of the agency. */
uint64_t agency_world_us(const struct agency *a, uint64_t mono_ms);

/* --- network.c --- */
void network_send(struct agency *a, uint64_t session, struct view frame);
void network_close(struct agency *a, uint64_t session);
void network_credit(struct agency *a, uint64_t session);
/** Bytes that the other end has not taken yet. */
size_t network_unsent(struct agency *a, uint64_t session);
/** Its sockets are closed by the kernel. */
void network_gone(struct agency *a);
void network_connect(struct world *w, size_t from, size_t to);
void network_bytes(struct world *w, struct event *e);
void network_tick(struct world *w, const struct event *e);
/** Who is at the other end; NULL: the connection is gone. */
struct agency *network_peer_of(struct agency *a, uint64_t session);

/* --- client.c --- */
void client_reply(struct agency *a, uint64_t caller, struct view reply);
/** After a turn: those whose answers are whole are told. */
void clients_told(struct agency *a);
/** The node is down: nobody gets an answer. */
void clients_lost(struct agency *a);

#endif
