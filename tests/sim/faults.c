/* What befalls a run, and its end. */
#include <string.h>

#include "scenario.h"
#include "watch.h"

#define DAY_US_SIM (24 * HOUR_US_SIM)

static struct agency *any(struct world *w)
{
	return &w->agency[world_random(w, w->n_agency)];
}

static struct agency *any_other(struct world *w, const struct agency *a)
{
	size_t i = world_random(w, w->n_agency - 1);

	return &w->agency[i < a->index ? i : i + 1];
}

/* --- the network --- */

static void partition(struct world *w)
{
	const uint64_t side = 1 + world_random(w, (UINT64_C(1) << w->n_agency) - 2);
	const bool is_silent = world_random(w, 2);

	trace_say(w, "fault: partition, agencies %#llx from the others, %s",
		  (unsigned long long)side, is_silent ? "silent" : "refused");
	for (size_t i = 0; i < w->n_agency; i++)
		for (size_t j = 0; j < w->n_agency; j++) {
			if ((side >> i & 1) == (side >> j & 1))
				continue;
			if (is_silent) {
				w->route[i][j].is_stalled = true;
				continue;
			}
			w->route[i][j].no_dial = true;
			if (i < j)
				world_cut(w, i, j);
		}
}

static void route_fault(struct world *w, enum fault fault)
{
	struct agency *a = any(w), *b = any_other(w, a);
	struct route *r = &w->route[a->index][b->index];

	if (fault == FAULT_NO_DIAL)
		r->no_dial = !r->no_dial;
	else if (fault == FAULT_STALL)
		r->is_stalled = !r->is_stalled;
	else
		r->bytes_per_s = r->bytes_per_s ? 0 : 200 + (uint32_t)world_random(w, 20000);
	trace_say(w, "fault: %s -> %s: %s, %s, %u bytes/s", a->label, b->label,
		  r->no_dial ? "no dialling" : "dialling", r->is_stalled ? "stalled" : "flowing",
		  r->bytes_per_s);
}

/* --- processes and disks --- */

static uint32_t draw_ops(struct world *w)
{
	static const uint32_t all = (1u << N_DISK_OPS) - 1;
	const uint32_t port =
		1u << PORT_SEND | 1u << PORT_CLOSE | 1u << PORT_DIAL | 1u << PORT_REPLY;

	switch (world_random(w, 4)) {
	case 0:
		return port;
	case 1:
		return 1u << DISK_SYNC | 1u << DISK_SIGNED_SYNC | 1u << DISK_SIGNED_WRITE;
	case 2:
		return 1u << DISK_WRITE;
	default:
		return all;
	}
}

static void disk_fault_at(struct world *w, struct agency *a, bool is_crash, bool is_sticky)
{
	const uint32_t port =
		1u << PORT_SEND | 1u << PORT_CLOSE | 1u << PORT_DIAL | 1u << PORT_REPLY;
	struct disk_plan plan = {.ops = draw_ops(w), .at = 1, .sticky = is_sticky};

	plan.at += world_random(w, world_random(w, 2) ? 4 : 60);
	plan.fault = is_crash ? DISK_CRASH
			      : (enum disk_fault)(DISK_EIO + world_random(w, N_DISK_FAULTS - 2));
	if (!is_crash)
		plan.ops =
			(plan.ops & ~port) ? plan.ops & ~port : 1u << DISK_READ | 1u << DISK_SIZE;
	trace_say(w, "fault: %s: %s at operation %llu of %#x%s", a->label,
		  disk_fault_name(plan.fault), (unsigned long long)plan.at, plan.ops,
		  is_sticky ? " and all after" : "");
	w->tally.n_faults++;
	disk_set_plan(a->disk, &plan);
}

static void disk_full(struct world *w, struct agency *a)
{
	const uint64_t room = world_random(w, world_random(w, 2) ? 60000 : 4 * WORLD_RESERVE_BYTES);

	trace_say(w, "fault: %s: room on the disk for %llu bytes", a->label,
		  (unsigned long long)room);
	world_set_room(a, room);
}

/* --- clocks --- */

static void clock_move(struct world *w, struct agency *a, uint64_t from_us, uint64_t to_us)
{
	int64_t by = (int64_t)(from_us + world_random(w, to_us - from_us));

	if (world_random(w, 2))
		by = -by;
	a->clock.offset_us += by;
	w->tally.n_clock_jumps++;
	trace_say(w, "fault: %s: the clock jumps by %lld ms", a->label, (long long)(by / 1000));
}

static void clock_fault(struct world *w, struct agency *a, enum fault fault)
{
	if (fault == FAULT_CLOCK_STEP) {
		clock_move(w, a, 1000, WATCH_CLOCK_SLACK_US);
	} else if (fault == FAULT_CLOCK_JUMP) {
		clock_move(w, a, WATCH_CLOCK_SLACK_US,
			   world_random(w, 2) ? HOUR_US_SIM : 2 * DAY_US_SIM);
	} else if (fault == FAULT_CLOCK_STUCK) {
		a->clock.stuck_utc_us = agency_utc_us(a);
		a->clock.is_stuck = true;
		trace_say(w, "fault: %s: the clock stands still", a->label);
	} else {
		a->clock.drift_ppm = (int32_t)world_random(w, 2001) - 1000;
		trace_say(w, "fault: %s: the clock drifts by %d ppm", a->label, a->clock.drift_ppm);
	}
}

static void client_gone(struct world *w, struct agency *a)
{
	client_leave(&a->client[1 + world_random(w, WORLD_CLIENTS_MAX - 1)]);
}

/* --- any --- */

static void strike(struct run *r, enum fault fault)
{
	struct world *w = &r->w;
	struct agency *a = any(w);

	switch (fault) {
	case FAULT_CUT:
		trace_say(w, "fault: cut");
		world_cut(w, a->index, any_other(w, a)->index);
		break;
	case FAULT_NO_DIAL:
	case FAULT_STALL:
	case FAULT_SLOW:
		route_fault(w, fault);
		break;
	case FAULT_PARTITION:
		partition(w);
		break;
	case FAULT_CRASH:
		disk_fault_at(w, a, true, false);
		break;
	case FAULT_POWER:
		world_stop(a, (enum disk_power)world_random(w, N_DISK_POWERS));
		break;
	case FAULT_STOP:
		world_stop(a, POWER_KEPT);
		break;
	case FAULT_DISK_ERROR:
	case FAULT_DISK_BROKEN:
		disk_fault_at(w, a, false, fault == FAULT_DISK_BROKEN);
		break;
	case FAULT_DISK_FULL:
		disk_full(w, a);
		break;
	case FAULT_PAUSE:
	case FAULT_SUSPEND:
		trace_say(w, "fault: %s: %s", a->label,
			  fault == FAULT_PAUSE ? "paused" : "suspended");
		world_pause(a, world_random(w, (world_random(w, 2) ? 10 : 600) * SECOND_US),
			    fault == FAULT_SUSPEND);
		break;
	case FAULT_CLOCK_STEP:
	case FAULT_CLOCK_JUMP:
	case FAULT_CLOCK_STUCK:
	case FAULT_CLOCK_DRIFT:
		clock_fault(w, a, fault);
		break;
	case FAULT_CLIENT_GONE:
		client_gone(w, a);
		break;
	case FAULT_FLIP:
		flip_strike(r);
		break;
	case N_FAULTS:
		break;
	}
}

void fault_strike(struct run *r)
{
	enum fault fault = (enum fault)world_random(&r->w, N_FAULTS);

	for (int i = 0; i < N_FAULTS && !(r->faults >> fault & 1); i++)
		fault = (fault + 1) % N_FAULTS;
	if (r->faults >> fault & 1)
		strike(r, fault);
}

/* The clock is set right. What was signed meanwhile may stand in the future: then it goes on from
 * there, as nothing is signed before. */
static void set_right(struct agency *a)
{
	const struct seen *s = a->seen;
	const uint64_t now = WORLD_START_US + a->world->now_us;
	uint64_t expected, moved, wall;

	a->clock.is_stuck = false;
	a->clock.drift_ppm = 0;
	a->clock.offset_us = s->last_time_us > now ? (int64_t)(s->last_time_us - now) : 0;
	wall = agency_utc_us(a);
	expected = s->wall_us + (agency_mono_ms(a) - s->mono_ms) * 1000;
	moved = wall > expected ? wall - expected : expected - wall;
	if (a->node && (s->must_hold || node_hold(a->node) || moved > WATCH_CLOCK_SLACK_US / 2))
		world_stop(a, POWER_KEPT); /* the operator's remedy */
}

void faults_heal(struct run *r)
{
	struct world *w = &r->w;

	trace_say(w, "all faults end");
	world_heal_routes(w);
	w->knobs.reset_per_million = 0;
	for (size_t i = 0; i < w->n_agency; i++) {
		struct agency *a = &w->agency[i];

		disk_set_plan(a->disk, NULL);
		world_set_room(a, UINT64_MAX);
		world_resume(a);
		set_right(a);
		world_start(a);
		if (a->node && node_hold(a->node)) {
			/* of what it signed last nobody had heard */
			set_right(a);
			world_start(a);
		}
		MUST(w, a->node != NULL && !node_hold(a->node));
	}
}
