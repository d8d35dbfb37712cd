/**
 * @file
 * The canonical scenario: two agencies do once all that agencies do with each other, and whoever is
 * interrupted finds out whether it was done and does it again if not. What was answered is a
 * promise; at the end exactly what was asked for is there, once.
 *
 *   two databases made, adopt, seal, send, receive, receipt, accept, second stage, decline,
 * withdraw and adopt again, a WAL checkpoint between turns, an older database put back and a new
 * epoch, a node down and up again; then all comes to rest and is checked, power is cut, and it is
 * checked again
 *
 * A feature adds its step to the table in story.c; steps.h says how.
 */
#ifndef TESTS_FAULTS_STORY_H
#define TESTS_FAULTS_STORY_H

#include "scenario.h"

#define STORY_AGENCIES 2
#define STORY_RECORDS_MAX 8
#define STORY_RESTART_US (SECOND_US / 10)

struct story {
	struct run run; /**< the world, and what rest_check() compares with it */
	struct world *w;
	uint8_t record[STORY_AGENCIES][STORY_RECORDS_MAX][16]; /**< ids of own records */
	size_t n_records[STORY_AGENCIES];
	size_t n_sent[STORY_AGENCIES];	   /**< referrals to the other */
	size_t n_accepted[STORY_AGENCIES]; /**< by it, of the other's */
	size_t n_declined[STORY_AGENCIES];
	bool is_held_down[STORY_AGENCIES]; /**< nobody starts it */
	uint64_t n_unknown;		   /**< requests whose answer never came */
	uint64_t n_refused;		   /**< requests answered with an error: not done */
	uint8_t deciding[DIGEST_BYTES];	   /**< the referral being answered */
	struct disk_image *backup;	   /**< of the first one's disk */
	const char *step;		   /**< under way */
	bool is_over;			   /**< all was done: no fault begins any more */
	bool is_short;			   /**< after a fault: on to the last step */
	bool is_hurt;			   /**< there was a fault */
	uint64_t broken_until_us;	   /**< a disk is, until then */
};

/** Two agencies, made and up. given_load() first. */
struct story *story_new(uint64_t seed);
void story_free(struct story *s);

/** From the first step to the last check; stops the program when an invariant does not hold. */
void story_tell(struct story *s);

/** Let time pass; what has ended is started again, as systemd would. */
void story_run(struct story *s, uint64_t for_us);

/** Ask, and again until the node that is asked lives to the answer. For what only reads. */
struct reply_list *story_read(struct story *s, size_t who, void *request);

#endif
