/*
 * alloc --conf DIR: each allocation that one agency makes fails, once: its node's, its links',
 * those of SQLite, OpenSSL and libyaml for them, while it starts, serves and stops. A
 * request is refused, a session ends, or the process does and is started again; it never crashes,
 * leaks or forgets. The ordinary run takes every n-th of them; --long also the first of each chain
 * of callers, so that no way to ask for memory is left out because n passes it by.
 */
#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "memory.h"
#include "program.h"

#define STRIDE 41	 /* of the ordinary run, and beside the chains */
#define CALLERS_MAX 20	 /* of a chain: 16 and this program's own four */
#define CHAINS_MAX 65536 /* a power of two; of 18,586 met, half of it leaves room to grow */

static struct {
	struct explore *x;
	struct story *s;
	bool is_hurt;
	uint64_t chain[CHAINS_MAX]; /* seen: a hash table, 0 is free */
	size_t n_chain;
} alloc;

/* Whether memory is asked for by this chain of callers for the first time, in either agency. */
static bool is_new_chain(void)
{
	void *caller[CALLERS_MAX];
	const int n = backtrace(caller, CALLERS_MAX);
	uint64_t hash = 14695981039346656037U; /* FNV-1a, by words */
	size_t i;

	for (int k = 0; k < n; k++)
		hash = (hash ^ (uintptr_t)caller[k]) * 1099511628211U;
	hash ^= hash >> 29;
	hash += hash == 0;
	for (i = hash % CHAINS_MAX; alloc.chain[i]; i = (i + 1) % CHAINS_MAX)
		if (alloc.chain[i] == hash)
			return false;
	ASSERT(++alloc.n_chain <= CHAINS_MAX / 2);
	alloc.chain[i] = hash;
	return true;
}

static bool hook(void *ctx, size_t n)
{
	struct explore *x = ctx;
	char what[100];

	/* What the invariants and the disk of the simulation allocate is not the node's. */
	if (alloc.is_hurt || disk_allocates || !program_has_points(x, alloc.s))
		return false;
	explore_point(x);
	if (x->o.is_long && is_new_chain())
		explore_choose(x);
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
	void *caller[1];

	alloc.x = x;
	alloc.s = s;
	(void)backtrace(caller, 1); /* loads the unwinder, once */
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
