/**
 * @file
 * What the programs of this folder share: an agency after the other, its story, its points.
 */
#ifndef TESTS_FAULTS_PROGRAM_H
#define TESTS_FAULTS_PROGRAM_H

#include "explore.h"
#include "story.h"

struct program {
	const char *name;
	uint64_t stride; /**< of the ordinary run */
	/** A story is about to be told: set the hooks by which its points are met. */
	void (*begin)(struct explore *x, struct story *s);
	void (*end)(void); /**< it is told: take hooks back that know the story; NULL: none */
};

/** From the command line to the exit code. */
int program_main(int argc, char **argv, const struct program *p);

/** As program_main(), for what is not a story with faults in it: @p one is called for each agency.
 */
int program_run(int argc, char **argv, const char *name, uint64_t stride,
		void (*one)(struct explore *x, int agency));

/** The agency whose points are explored. */
struct agency *program_agency(const struct explore *x, const struct story *s);

/** Is it the one whose code runs, in a part of the story that has points? */
bool program_has_points(const struct explore *x, const struct story *s);

/** This process has its fault; say so with --verbose. */
void program_hurt(const struct explore *x, struct story *s, const char *what);

#endif
