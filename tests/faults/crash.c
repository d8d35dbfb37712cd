/*
 * crash --conf DIR: the process of one agency ends at each of its operations, once; it is started
 * again from what its disk holds, and the story goes on. Its machine may lose power too: what was
 * not synced is gone, or torn in some way, and it may end a second time soon after. The ordinary
 * run takes one of these ways for each point, in turn; --long all of them.
 */
#include <stdio.h>

#include "program.h"

/* What a crash finds on the disk; again: the n-th operation after it is the last one, too. */
static const struct variant {
	const char *name;
	enum disk_power power;
	unsigned salt;
	unsigned again;
} variants[] = {
	{"process ends", POWER_KEPT, 0, 0},
	{"power lost", POWER_DROPPED, 0, 0},
	{"power lost, torn", POWER_TORN, 1, 0},
	{"process ends twice", POWER_KEPT, 4, 7},
	{"power lost, torn otherwise", POWER_TORN, 2, 0},
	{"power lost twice", POWER_DROPPED, 5, 23},
	{"power lost twice, torn", POWER_TORN, 6, 11},
	{"power lost, torn a third way", POWER_TORN, 3, 0},
	{"power lost twice, torn, later", POWER_TORN, 7, 41},
	{"process ends twice, later", POWER_KEPT, 8, 97},
	{"power lost, torn a fourth way", POWER_TORN, 9, 0},
	{"power lost, torn a fifth way", POWER_TORN, 10, 0},
	{"power lost twice, torn, much later", POWER_TORN, 11, 211},
};

static struct {
	struct explore *x;
	struct story *s;
	bool is_hurt;
	uint64_t n_until_again;
} crash;

static enum disk_fault die(const struct variant *v, const char *what)
{
	struct agency *a = program_agency(crash.x, crash.s);

	program_hurt(crash.x, crash.s, what);
	a->has_power = true;
	a->power = v->power;
	for (unsigned i = 0; i < v->salt; i++)
		(void)world_random(crash.s->w, 2);
	crash.is_hurt = true;
	crash.n_until_again = v->again;
	return DISK_CRASH;
}

static bool is_wanted(const struct explore *x, unsigned variant)
{
	const unsigned n = ARRAY_LEN(variants), turn = (unsigned)(x->n_points % n);

	return x->o.is_long || variant == turn;
}

static enum disk_fault hook(void *ctx, struct disk *d, enum disk_op op)
{
	struct explore *x = ctx;
	char what[100];

	(void)d;
	if (!program_has_points(x, crash.s))
		return DISK_OK;
	if (crash.is_hurt)
		return crash.n_until_again && --crash.n_until_again == 0 ? DISK_CRASH : DISK_OK;
	explore_point(x);
	for (unsigned i = 0; i < ARRAY_LEN(variants); i++) {
		if (!is_wanted(x, i))
			continue;
		(void)snprintf(what, sizeof(what), "%s before %s, step %s", variants[i].name,
			       disk_op_name(op), crash.s->step);
		if (explore_case(x, i, what))
			return die(&variants[i], what);
	}
	return DISK_OK;
}

static void begin(struct explore *x, struct story *s)
{
	crash.x = x;
	crash.s = s;
	disk_set_hook(program_agency(x, s)->disk, hook, x);
}

int main(int argc, char **argv)
{
	return program_main(argc, argv,
			    &(struct program){.name = "crash", .stride = 1, .begin = begin});
}
