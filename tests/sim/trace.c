/* What happened: the last events in words, all of them as one number. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "world.h"

/* Not for adversaries: it only has to differ when two runs of one seed do. */
static uint64_t mix(uint64_t hash, uint64_t x)
{
	hash = (hash ^ x) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ (hash >> 29);
}

static uint64_t mix_bytes(uint64_t hash, struct view v)
{
	while (v.n >= sizeof(uint64_t)) {
		uint64_t x;

		memcpy(&x, v.p, sizeof(x));
		hash = mix(hash, x);
		v.p += sizeof(x);
		v.n -= sizeof(x);
	}
	for (size_t i = 0; i < v.n; i++)
		hash = mix(hash, v.p[i]);
	return hash;
}

void trace_mix(struct world *w, uint64_t what, struct view data)
{
	w->trace.hash = mix(mix(mix(w->trace.hash, w->now_us), what), data.n);
	w->trace.hash = mix_bytes(w->trace.hash, data);
}

void trace_say(struct world *w, const char *format, ...)
{
	char *line = w->trace.line[w->trace.n++ % WORLD_TRACE_LINES];
	va_list args;
	int n = snprintf(line, WORLD_TRACE_TEXT, "%9" PRIu64 ".%03" PRIu64 " s  ",
			 w->now_us / SECOND_US, w->now_us / 1000 % 1000);

	va_start(args, format);
	(void)vsnprintf(line + n, WORLD_TRACE_TEXT - (size_t)n, format, args);
	va_end(args);
	trace_mix(w, 1, view_str(line));
}

_Noreturn void world_broken(const struct world *w, const char *cond, const char *file, int line)
{
	const uint64_t n = w->trace.n < WORLD_TRACE_LINES ? w->trace.n : WORLD_TRACE_LINES;
	const char *name = strrchr(file, '/');

	fprintf(stderr, "sim: seed %" PRIu64 ": the last %" PRIu64 " events:\n", w->seed, n);
	for (uint64_t i = w->trace.n - n; i < w->trace.n; i++)
		fprintf(stderr, "  %s\n", w->trace.line[i % WORLD_TRACE_LINES]);
	fprintf(stderr, "sim: last error of the code: %s\n", err_detail());
	fprintf(stderr,
		"sim: seed %" PRIu64 " FAILED after %" PRIu64 ".%03" PRIu64
		" s of virtual time, event hash %016" PRIx64 ": does not hold: %s (%s:%d)\n",
		w->seed, w->now_us / SECOND_US, w->now_us / 1000 % 1000, w->trace.hash, cond,
		name ? name + 1 : file, line);
	fprintf(stderr, "sim: replay: tests/sim/run --seeds 1 --seed %" PRIu64 " --verbose\n",
		w->seed);
	fflush(stderr);
	_exit(3); /* what is allocated is not at fault */
}
