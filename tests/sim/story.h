/**
 * @file
 * What people do in a world that is about ledgers which go back or fork: three agencies with one
 * agreement and a record each.
 */
#ifndef TESTS_SIM_STORY_H
#define TESTS_SIM_STORY_H

#include "world.h"

#define CZ 0
#define SK 1
#define AT 2
#define N 3

struct story {
	struct world w;
	uint8_t record_id[N][16];
};

/** A world whose steps are not watched; all have adopted the agreement and imported a record. */
void story_begin(struct story *s, uint64_t seed);

/** Time for all that is under way. */
void story_rest(struct world *w);

/** Ask; it must be answered, and not with an error. Freed by reply_list_free(). */
struct reply_list *story_ask(struct agency *a, struct pb_api_request *m);

/** A new record; referrals are of the newest. */
void story_import(struct story *s, size_t i);

/** A referral of its record. */
void story_refer(struct story *s, size_t from, size_t to);

/** Does @p a say that @p of is in this state? */
bool story_peer_is(struct agency *a, const struct agency *of, const char *state);

#endif
