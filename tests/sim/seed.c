/* One seed: what it draws, what it does, how it ends. */
#include <stdlib.h>

#include "scenario.h"

static void draw_knobs(struct run *r)
{
	static const uint32_t delay[][2] = {
		{1000, 50000}, {200, 2000}, {20000, 400000}, {100000, 2000000}};
	static const uint32_t chunk[] = {16384, 16384, 4096, 1400};
	static const uint16_t window[] = {0, 4, 1, 2}; /* full at times, else it never is */
	static const uint8_t step[] = {1, 2, 0, 1};
	struct world *w = &r->w;
	const size_t d = world_random(w, 4);

	w->knobs.delay_min_us = delay[d][0];
	w->knobs.delay_max_us = delay[d][1];
	w->knobs.chunk_max = chunk[world_random(w, 4)];
	w->knobs.reset_per_million = world_random(w, 2) ? 0 : (uint32_t)world_random(w, 20000);
	w->knobs.window_items = window[w->seed % 4];
	w->knobs.step_requests = step[w->seed / 4 % 4];
	w->knobs.turn_wait_us = world_random(w, 2) ? 0 : (uint32_t)world_random(w, 200000);
	r->faults = (uint32_t)(world_random(w, 1u << N_FAULTS) | 1u << world_random(w, N_FAULTS));
	r->fault_every = 2 + world_random(w, 12);
}

static size_t draw_agencies(uint64_t seed)
{
	static const uint8_t n[] = {2, 2, 2, 3, 3, 2, 4, 2, 3, 5, 2, 3, 4, 2, 6, 3, 2, 4, 5, 7};

	return n[seed % (sizeof(n) / sizeof(n[0]))];
}

static void add_totals(struct run *r, struct totals *t)
{
	const uint64_t *from = (const uint64_t *)&r->w.tally;
	uint64_t *to = (uint64_t *)&t->tally;

	for (size_t i = 0; i < sizeof(struct tally) / sizeof(uint64_t); i++)
		to[i] += from[i];
	for (size_t i = 0; i < r->w.n_agency; i++)
		for (size_t j = 0; j < r->w.n_agency; j++)
			t->n_referrals += r->n_sent[i][j];
	t->n_agencies += r->w.n_agency;
	t->n_decisions += r->n_decision;
}

uint64_t scenario_run(uint64_t seed, struct totals *t)
{
	struct run *r = calloc(1, sizeof(*r));
	struct world *w;
	uint64_t hash;

	ASSERT(r);
	w = &r->w;
	world_init(w, seed, draw_agencies(seed));
	scenario_attach(r);
	world_run(w, world_random(w, 5 * SECOND_US));
	draw_knobs(r);
	for (uint64_t i = 0, n = 30 + world_random(w, 60) + 10 * w->n_agency; i < n; i++) {
		/* now and then nobody does anything for a while, or several do at once */
		if (world_random(w, 3))
			world_run(w, world_random(w, world_random(w, 40) ? 3 * SECOND_US
									 : 15 * MINUTE_US));
		if (world_random(w, r->fault_every) == 0)
			fault_strike(r);
		else
			scenario_act(r);
	}
	faults_heal(r);
	rest_wait(r);
	scenario_prepare(r);
	scenario_ring(r);
	scenario_decide_all(r);
	rest_check(r);
	add_totals(r, t);
	hash = w->trace.hash;
	world_fini(w);
	free(r);
	return hash;
}
