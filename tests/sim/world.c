/* Time, randomness and the queue of events. */
#include "world.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/random.h"
#include "parts.h"

/* --- randomness: xoshiro256** by Blackman and Vigna (public domain), seeded by splitmix64 --- */

static uint64_t rotl(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

static uint64_t next64(struct world *w)
{
	uint64_t *s = w->random;
	const uint64_t result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return result;
}

static void seed_random(struct world *w)
{
	uint64_t x = w->seed;

	for (int i = 0; i < 4; i++) {
		uint64_t z = x += UINT64_C(0x9e3779b97f4a7c15);

		z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
		w->random[i] = z ^ (z >> 31);
	}
}

uint64_t world_random(struct world *w, uint64_t n)
{
	return n ? next64(w) % n : 0;
}

void fill_random(void *ctx, uint8_t *p, size_t n)
{
	while (n) {
		const uint64_t x = next64(ctx);
		const size_t now = n < sizeof(x) ? n : sizeof(x);

		memcpy(p, &x, now);
		p += now;
		n -= now;
	}
}

/* --- the queue: a binary heap --- */

static bool before(const struct event *a, const struct event *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void insert(struct world *w, struct event e)
{
	size_t i;

	if (w->n_heap == w->cap_heap) {
		w->cap_heap = w->cap_heap ? 2 * w->cap_heap : 256;
		w->heap = realloc(w->heap, w->cap_heap * sizeof(*w->heap));
		ASSERT(w->heap);
	}
	i = w->n_heap++;
	while (i && before(&e, &w->heap[(i - 1) / 2])) {
		w->heap[i] = w->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	w->heap[i] = e;
}

void world_push(struct world *w, struct event e)
{
	if (e.at_us < w->now_us)
		e.at_us = w->now_us;
	e.order = w->next_order++;
	insert(w, e);
}

static struct event pop(struct world *w)
{
	const struct event top = w->heap[0], last = w->heap[--w->n_heap];
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= w->n_heap)
			break;
		if (child + 1 < w->n_heap && before(&w->heap[child + 1], &w->heap[child]))
			child++;
		if (!before(&w->heap[child], &last))
			break;
		w->heap[i] = w->heap[child];
		i = child;
	}
	w->heap[i] = last;
	return top;
}

/* --- running --- */

/* Whose process has to run for this event; NULL: nobody's any more. */
static struct agency *event_agency(struct world *w, const struct event *e)
{
	struct connection *c = &w->connection[e->connection];

	switch (e->kind) {
	case EVENT_WAKE:
	case EVENT_CONNECT:
		return &w->agency[e->agency];
	case EVENT_BYTES:
	case EVENT_LINK_TICK:
		if (!c->is_used || c->number != e->number || c->end[e->end].is_gone)
			return NULL;
		return c->end[e->end].agency;
	}
	return NULL;
}

void world_pull(struct agency *a, uint64_t at_us)
{
	struct world *w = a->world;
	struct event *const heap = w->heap;
	const size_t n = w->n_heap;

	w->heap = NULL;
	w->n_heap = w->cap_heap = 0;
	for (size_t i = 0; i < n; i++) {
		struct event e = heap[i];

		if (e.at_us == at_us && event_agency(w, &e) == a)
			e.at_us = w->now_us;
		insert(w, e);
	}
	free(heap);
	if (a->wake_at_us == at_us)
		a->wake_at_us = w->now_us;
}

static void happen(struct world *w, struct event *e)
{
	struct agency *a = event_agency(w, e);

	if (!a) {
		free(e->data);
		return;
	}
	if (a->paused_until_us > w->now_us) {
		const bool is_wake = e->kind == EVENT_WAKE && a->wake_at_us == e->at_us;

		e->at_us = a->paused_until_us;
		if (is_wake)
			a->wake_at_us = e->at_us;
		world_push(w, *e);
		return;
	}
	w->tally.n_events++;
	switch (e->kind) {
	case EVENT_BYTES:
		network_bytes(w, e);
		break;
	case EVENT_WAKE:
		agency_woken(a, e->at_us);
		break;
	case EVENT_CONNECT:
		network_connect(w, e->agency, e->other);
		break;
	case EVENT_LINK_TICK:
		network_tick(w, e);
		break;
	}
}

void world_run(struct world *w, uint64_t for_us)
{
	const uint64_t until = w->now_us + for_us;

	while (w->n_heap && w->heap[0].at_us <= until) {
		struct event e = pop(w);

		if (e.at_us > w->now_us)
			w->now_us = e.at_us;
		happen(w, &e);
	}
	w->now_us = until;
}

/* --- beginning and end --- */

void world_init(struct world *w, uint64_t seed, size_t n)
{
	ASSERT(n <= WORLD_AGENCIES_MAX);
	*w = (struct world){.seed = seed, .n_agency = n};
	w->knobs = (struct knobs){.delay_min_us = 1000, .delay_max_us = 50000, .chunk_max = 16384};
	seed_random(w);
	random_set_source(fill_random, w);
	MUST(w, trust_new(&w->trust) == ERR_OK);
	for (size_t i = 0; i < n; i++) {
		struct agency_id id;
		char domain[TRUST_DOMAIN_MAX + 1];
		struct view v;

		MUST(w, agency_id_parse(view_str(agency_name(i)), &id) == ERR_OK);
		v = agency_id_domain(&id);
		memcpy(domain, v.p, v.n);
		domain[v.n] = '\0';
		w->ca[i] = pki_ca_new(&(struct pki_ca_options){
			.domain = domain, .utc_s = (int64_t)(WORLD_START_US / SECOND_US)});
		pki_trust_add(w->trust, w->ca[i], domain, (int64_t)(WORLD_START_US / SECOND_US));
	}
	for (size_t i = 0; i < n; i++)
		agency_init(&w->agency[i], w, i);
	for (size_t i = 0; i < n; i++)
		world_start(&w->agency[i]);
}

void world_fini(struct world *w)
{
	for (size_t i = 0; i < w->n_agency; i++)
		world_stop(&w->agency[i], POWER_KEPT);
	while (w->n_heap)
		free(pop(w).data);
	for (size_t i = 0; i < w->n_agency; i++) {
		agency_fini(&w->agency[i]);
		pki_ca_free(w->ca[i]);
	}
	trust_free(w->trust);
	free(w->heap);
	random_set_source(NULL, NULL);
}
