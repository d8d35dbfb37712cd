/**
 * @file
 * What every simulated world is given: records of conf/demo, one agreement of all agencies, and a
 * second opinion on what that agreement lets out, which shares no code with the daemon's evaluator.
 */
#ifndef TESTS_SIM_GIVEN_H
#define TESTS_SIM_GIVEN_H

#include <stdbool.h>

#include "base/buf.h"
#include "wire/field_table.h"

#define GIVEN_RECORDS 3

struct given_record {
	enum record_type type;
	struct buf bytes; /**< canonical encoding */
};

/** Read them; ends the program when they cannot be read. @p conf is the folder conf/ */
void given_load(const char *conf);
void given_free(void);

const struct given_record *given_record(size_t i);
struct view given_agreement(void);

/** Its name. */
#define GIVEN_AGREEMENT_NAME "Simulation of seven agencies"

/**
 * May this unit leave?
 *
 * @param stage  1 request, 2 accepted, which includes the first
 */
bool given_allows(enum record_type type, const char *path, int purpose, int stage,
		  bool has_consent);

/** Do these bytes hold a value that no rule ever lets out? */
bool given_is_withheld_in(struct view bytes);

/** Does a line hold a text of a record? */
bool given_is_personal_in(struct view text);

#endif
