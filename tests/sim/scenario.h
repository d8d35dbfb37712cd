/**
 * @file
 * What agencies do in a run: their local clients import, adopt, send, decide, read and verify, each
 * without waiting for the others, while faults.c breaks what it can. What was acknowledged is noted
 * and compared when all is quiet (rest.c).
 */
#ifndef TESTS_SIM_SCENARIO_H
#define TESTS_SIM_SCENARIO_H

#include "given.h"
#include "world.h"

#define RUN_DECISIONS_MAX 1024

/** Faults of a run; a bit each says whether it has them. */
enum fault {
	FAULT_CUT,	   /**< what connects two is cut */
	FAULT_NO_DIAL,	   /**< dials fail, one way */
	FAULT_STALL,	   /**< bytes stall, one way */
	FAULT_PARTITION,   /**< two halves, silent to each other */
	FAULT_SLOW,	   /**< bytes trickle, one way */
	FAULT_CRASH,	   /**< at the n-th operation from now */
	FAULT_POWER,	   /**< power loss between turns */
	FAULT_STOP,	   /**< clean stop */
	FAULT_DISK_ERROR,  /**< one operation fails */
	FAULT_DISK_BROKEN, /**< and all after it */
	FAULT_DISK_FULL,
	FAULT_PAUSE,
	FAULT_SUSPEND,
	FAULT_CLOCK_STEP, /**< within the 5 minutes */
	FAULT_CLOCK_JUMP, /**< beyond them */
	FAULT_CLOCK_STUCK,
	FAULT_CLOCK_DRIFT,
	FAULT_FLIP, /**< a bit on the disk */
	FAULT_CLIENT_GONE,
	N_FAULTS,
};

/** A decision that a node has acknowledged. */
struct decision {
	size_t agency;
	uint8_t referral[DIGEST_BYTES];
	int state;
};

struct run {
	struct world w;
	uint32_t faults;      /**< 1 << enum fault */
	uint64_t fault_every; /**< one step in so many is a fault */
	uint8_t record_id[WORLD_AGENCIES_MAX][GIVEN_RECORDS][16];
	bool has_record[WORLD_AGENCIES_MAX][GIVEN_RECORDS];
	bool has_adopted[WORLD_AGENCIES_MAX];
	uint64_t n_sent[WORLD_AGENCIES_MAX][WORLD_AGENCIES_MAX];    /* acknowledged */
	uint64_t n_unknown[WORLD_AGENCIES_MAX][WORLD_AGENCIES_MAX]; /* nobody knows */
	struct decision decision[RUN_DECISIONS_MAX];
	size_t n_decision;
};

/** What all seeds together did. */
struct totals {
	struct tally tally;
	uint64_t n_agencies, n_referrals, n_decisions;
};

/**
 * One seed, from nothing to quiet.
 *
 * @return  the hash of all its events
 */
uint64_t scenario_run(uint64_t seed, struct totals *t);

/** The answers of the world's clients are the run's. */
void scenario_attach(struct run *r);
/** One action of some client of some agency. */
void scenario_act(struct run *r);
/** All that an agency needs to send: its records, the agreement. */
void scenario_prepare(struct run *r);
/** Each sends to the next, whatever came before. */
void scenario_ring(struct run *r);
/** Each answers all that awaits it. */
void scenario_decide_all(struct run *r);

/** One fault of those that the run has. */
void fault_strike(struct run *r);
/** A bit of some agency's database flips: flips.c. */
void flip_strike(struct run *r);
/** No faults any more: all up, routes open, disks whole, clocks right. */
void faults_heal(struct run *r);

/** All are up, and each has what the others sent. */
bool rest_is_quiet(const struct run *r);
/** Let it come to rest. */
void rest_wait(struct run *r);
/** What must hold when all is quiet. */
void rest_check(struct run *r);

#endif
