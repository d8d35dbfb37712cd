/*
 * io --conf DIR: each operation on the disk of one agency fails, once or from then on for a while:
 * EIO, ENOSPC, EDQUOT, half done. The node goes on, or ends and is started again; nothing that it
 * said is lost. The ordinary run takes one kind for each point, in turn; --long all.
 */
#include <stdio.h>

#include "program.h"

#define BROKEN_US (5 * SECOND_US) /* a sticky fault */

static const struct variant {
	enum disk_fault fault;
	bool is_sticky;
} variants[] = {
	{DISK_EIO, false},    {DISK_EIO, true},	   {DISK_SHORT, false}, {DISK_ENOSPC, false},
	{DISK_EDQUOT, false}, {DISK_ENOSPC, true}, {DISK_SHORT, true},	{DISK_EDQUOT, true},
};

static struct {
	struct explore *x;
	struct story *s;
	bool is_hurt;
	enum disk_fault fault; /* sticky */
} io;

/* How many of the variants differ from EIO for this operation. */
static unsigned n_variants(enum disk_op op)
{
	if (op == DISK_WRITE)
		return ARRAY_LEN(variants);
	return op == DISK_READ ? 3 : 2;
}

static enum disk_fault hurt(const struct variant *v, const char *what)
{
	struct agency *a = program_agency(io.x, io.s);

	program_hurt(io.x, io.s, what);
	a->has_power = true;
	a->power = POWER_KEPT;
	io.is_hurt = true;
	if (v->is_sticky) {
		io.fault = v->fault;
		io.s->broken_until_us = io.s->w->now_us + BROKEN_US;
	}
	return v->fault;
}

static bool is_wanted(const struct explore *x, unsigned variant, unsigned n)
{
	const unsigned turn = (unsigned)(x->n_points % n);

	return x->o.is_long || variant == turn;
}

static enum disk_fault hook(void *ctx, struct disk *d, enum disk_op op)
{
	struct explore *x = ctx;
	const unsigned n = n_variants(op);
	char what[100];

	(void)d;
	if (op >= PORT_SEND || !program_has_points(x, io.s))
		return DISK_OK;
	if (io.is_hurt)
		return io.s->w->now_us < io.s->broken_until_us ? io.fault : DISK_OK;
	explore_point(x);
	for (unsigned i = 0; i < n; i++) {
		if (!is_wanted(x, i, n))
			continue;
		(void)snprintf(what, sizeof(what), "%s%s at %s, step %s",
			       disk_fault_name(variants[i].fault),
			       variants[i].is_sticky ? " for a while" : "", disk_op_name(op),
			       io.s->step);
		if (explore_case(x, i, what))
			return hurt(&variants[i], what);
	}
	return DISK_OK;
}

static void begin(struct explore *x, struct story *s)
{
	io.x = x;
	io.s = s;
	disk_set_hook(program_agency(x, s)->disk, hook, x);
}

int main(int argc, char **argv)
{
	return program_main(argc, argv,
			    &(struct program){.name = "io", .stride = 1, .begin = begin});
}
