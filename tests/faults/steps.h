/**
 * @file
 * What the steps of the story do it with, and those that story.c does not hold. A step survives one
 * fault at any of its points: it orders until it is done, and waits for what it then relies on.
 */
#ifndef TESTS_FAULTS_STEPS_H
#define TESTS_FAULTS_STEPS_H

#include "story.h"

#define TRIES_MAX 600 /* of a thing that is interrupted again and again: 20 s of a broken disk */

enum answer {
	ANSWER_DONE,
	ANSWER_REFUSED,
	ANSWER_UNKNOWN,
};

/** An agency that is up; waits for it. */
struct agency *story_living(struct story *s, size_t who);

/** Ask once. */
enum answer story_order(struct story *s, size_t who, void *request);

/**
 * Order something until it is there.
 *
 * @param is_there  asks the node; answered with done: it must be; refused: it must not
 */
void story_ensure(struct story *s, size_t who, void *request,
		  bool (*is_there)(struct story *s, size_t who));

/** Let time pass until it is so. */
void story_wait(struct story *s, size_t who, bool (*is_so)(struct story *s, size_t who));

/** Is some agreement in this state? */
bool story_has_agreement(struct story *s, size_t who, const char *state);
bool story_is_in_force(struct story *s, size_t who);

void story_adopt(struct story *s, size_t who);
void story_send(struct story *s, size_t who, size_t record);
/** A referral that must be refused. */
void story_send_in_vain(struct story *s, size_t who);
/** Answer the newest referral that awaits an answer, once all that was sent has come. */
void story_decide(struct story *s, size_t who, int state);

/* --- steps.c --- */
void step_make(struct story *s);
void step_backup(struct story *s);
void step_withdraw(struct story *s);
void step_wal(struct story *s);
void step_new_epoch(struct story *s);

#endif
