/*
 * alloc --conf DIR: each allocation that one agency makes fails, once: its node's, its links',
 * those of SQLite, OpenSSL, libyaml and protobuf-c for them, while it starts, serves and stops. A
 * request is refused, a session ends, or the process does and is started again; it never crashes,
 * leaks or forgets. The ordinary run takes every n-th of them; --long all.
 */
#include <stdio.h>
#include <stdlib.h>

#include "memory.h"
#include "program.h"

#define STRIDE 61 /* of the ordinary run */

static struct {
	struct explore *x;
	struct story *s;
	bool is_hurt;
} alloc;

static bool hook(void *ctx, size_t n)
{
	struct explore *x = ctx;
	char what[100];

	/* What the invariants and the disk of the simulation allocate is not the node's. */
	if (alloc.is_hurt || disk_allocates || !program_has_points(x, alloc.s))
		return false;
	explore_point(x);
	(void)snprintf(what, sizeof(what), "no %zu bytes, step %s", n, alloc.s->step);
	if (!explore_case(x, 0, what))
		return false;
	alloc.is_hurt = true;
	program_hurt(x, alloc.s, what);
	program_agency(x, alloc.s)->may_fail = true;
	program_agency(x, alloc.s)->has_power = true;
	program_agency(x, alloc.s)->power = POWER_KEPT;
	if (getenv("AMPARO_TRAP"))
		__builtin_trap(); /* who asks: run --at in a debugger */
	return true;
}

static void begin(struct explore *x, struct story *s)
{
	alloc.x = x;
	alloc.s = s;
	memory_set_hook(hook, x);
}

static void end(void)
{
	memory_set_hook(NULL, NULL);
}

int main(int argc, char **argv)
{
	return program_main(
		argc, argv,
		&(struct program){.name = "alloc", .stride = STRIDE, .begin = begin, .end = end});
}
