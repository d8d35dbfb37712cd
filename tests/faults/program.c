#include "program.h"

#include <stdio.h>

#include "base/log.h"
#include "crypto/digest.h"
#include "given.h"

struct agency *program_agency(const struct explore *x, const struct story *s)
{
	return &s->w->agency[x->agency];
}

/* What the invariants of the simulation read is no operation of the node. */
bool program_has_points(const struct explore *x, const struct story *s)
{
	return !s->is_over && s->w->inside == program_agency(x, s);
}

void program_hurt(const struct explore *x, struct story *s, const char *what)
{
	s->is_hurt = true;
	if (x->o.verbose)
		fprintf(stderr, "%s: %s\n", x->name, what);
}

/* The program whose story is being told. */
static const struct program *program;

static void explore_story(struct explore *x, int agency)
{
	struct story *s = story_new(x->o.seed);

	s->is_short = !x->o.is_whole;
	explore_agency(x, agency);
	program->begin(x, s);
	story_tell(s);
	if (program->end)
		program->end();
	story_free(s);
}

static void to_stderr(void *ctx, enum log_level level, const char *line)
{
	const struct explore_options *o = ctx;

	(void)level;
	if (o->verbose)
		fprintf(stderr, "log: %s\n", line);
}

int program_run(int argc, char **argv, const char *name, uint64_t stride,
		void (*one)(struct explore *x, int agency))
{
	struct explore_options o = explore_options(argc, argv, stride);
	struct explore x;

	log_set_sink(to_stderr, &o);
	if (crypto_init())
		return 2;
	given_load(o.conf);
	explore_init(&x, name, &o);
	for (int i = 0; i < STORY_AGENCIES && !x.is_child; i++)
		if (o.agency < 0 || o.agency == i)
			one(&x, i);
	given_free();
	crypto_fini();
	explore_told(&x);
	return explore_end(&x);
}

int program_main(int argc, char **argv, const struct program *p)
{
	program = p;
	return program_run(argc, argv, p->name, p->stride, explore_story);
}
