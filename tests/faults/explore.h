/**
 * @file
 * Every fault point of a story, each in a process of its own: the story runs once, and at each
 * point at which something could fail the process forks. The child lets it fail, tells the story to
 * its end and checks it; the parent goes on as if nothing had happened. So a run to point n costs
 * no more than what comes after n, and a child that crashes is only one failure.
 *
 * --at N runs one point without a fork: what a failure prints to be run again.
 */
#ifndef TESTS_FAULTS_EXPLORE_H
#define TESTS_FAULTS_EXPLORE_H

#include <stdbool.h>
#include <stdint.h>

/** What the command line says. */
struct explore_options {
	const char *conf;     /**< folder of the repository's conf/ */
	uint64_t seed;	      /**< of the world */
	int agency;	      /**< whose points; -1: each in turn */
	uint64_t at;	      /**< this point alone, in this process; 0: all */
	unsigned variant;     /**< with at */
	uint64_t stride;      /**< every n-th of the points and their variants */
	unsigned part, parts; /**< this part of them, from 0, for several processes */
	unsigned jobs;	      /**< children at a time */
	bool is_long;	      /**< all variants */
	bool is_whole;	   /**< all steps after the fault, not only those needed for the checks */
	const char *state; /**< file that remembers how far it got; NULL: none */
	bool verbose;
};

/** Also reads AMPARO_CONF, and AMPARO_QUICK, which multiplies the stride by 20. */
struct explore_options explore_options(int argc, char **argv, uint64_t stride);

/** What is being explored, and how far it has got. */
struct explore {
	struct explore_options o;
	const char *name; /**< of the program */
	int agency;	  /**< whose points now */
	uint64_t n_points;
	uint64_t n_cases;  /**< points times their variants */
	bool is_chosen;	   /**< this point: whatever the stride */
	uint64_t n_chosen; /**< cases that were, or that the stride meets */
	uint64_t n_run;	   /**< children told to the end */
	uint64_t n_failed; /**< of them, badly */
	uint64_t n_before; /**< cases that an earlier run has done */
	struct child *child;
	unsigned n_child;
	bool is_child; /**< or --at: this process has its fault */
	int64_t started_s;
};

void explore_init(struct explore *x, const char *name, const struct explore_options *o);

/** The points of another agency begin. */
void explore_agency(struct explore *x, int agency);

/** A point begins: explore_case() follows, once for each of its variants, numbered from 0. */
void explore_point(struct explore *x);

/** The cases of this point are run whatever the stride. */
void explore_choose(struct explore *x);

/**
 * A variant of this point.
 *
 * @param what  in words, for a failure
 * @return true in the process that is to let it fail; never twice
 */
bool explore_case(struct explore *x, unsigned variant, const char *what);

/** The story is at its end: in a child this does not return. */
void explore_told(struct explore *x);

/** Wait for the children, print the line of results. @return exit code */
int explore_end(struct explore *x);

#endif
