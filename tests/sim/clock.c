/* An agency's clocks against the world's time, and its standing still. */
#include "parts.h"

#define MONO_START_MS 1000000

static uint64_t not_counted_us(const struct clock *c, uint64_t now_us)
{
	const uint64_t until = now_us < c->suspend_until_us ? now_us : c->suspend_until_us;

	return c->suspended_us + (until > c->suspend_from_us ? until - c->suspend_from_us : 0);
}

uint64_t agency_mono_ms(const struct agency *a)
{
	const uint64_t now = a->world->now_us;

	return MONO_START_MS + (now - not_counted_us(&a->clock, now)) / 1000;
}

uint64_t agency_world_us(const struct agency *a, uint64_t mono_ms)
{
	return (mono_ms - MONO_START_MS) * 1000 + not_counted_us(&a->clock, UINT64_MAX);
}

uint64_t agency_utc_us(const struct agency *a)
{
	const int64_t now = (int64_t)a->world->now_us;

	if (a->clock.is_stuck)
		return a->clock.stuck_utc_us;
	return WORLD_START_US +
	       (uint64_t)(now + a->clock.offset_us + now / 1000000 * a->clock.drift_ppm);
}

void world_pause(struct agency *a, uint64_t for_us, bool suspend)
{
	const uint64_t now = a->world->now_us;

	world_resume(a);
	a->paused_until_us = now + for_us;
	if (!suspend)
		return;
	a->clock.suspend_from_us = now;
	a->clock.suspend_until_us = now + for_us;
}

void world_resume(struct agency *a)
{
	const uint64_t now = a->world->now_us;

	if (a->paused_until_us > now)
		world_pull(a, a->paused_until_us);
	a->paused_until_us = 0;
	a->clock.suspended_us = not_counted_us(&a->clock, now);
	a->clock.suspend_from_us = a->clock.suspend_until_us = 0;
}
