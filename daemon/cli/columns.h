/**
 * @file
 * Which columns each kind of row has, for people. The keys are those of the row's JSON; the table
 * itself is columns.c.
 */
#ifndef CLI_COLUMNS_H
#define CLI_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>

#include "wire/message.h"

#define COLUMN_HEAD_MAX 32 /**< bytes of a heading, with the NUL */
#define REPLY_ROWS_FROM 10 /**< field numbers of an ApiReply from which on its rows stand */

/** How a value is shown. */
enum cell {
	CELL_PLAIN,
	CELL_ID,     /**< in a table its beginning */
	CELL_AGENCY, /**< without "spiffe://" */
	CELL_MOMENT,
	CELL_LEVEL, /**< S0..S5 */
	CELL_BOOL,
	CELL_LIST,	  /**< texts with commas between */
	CELL_FINGERPRINT, /**< in groups of four digits, to be read aloud */
};

/** One column of a table, or line of a card. */
struct column {
	const char *head;
	const char *key;      /**< "local.person" for a key inside another */
	const char *other;    /**< key used when the first is absent; or NULL */
	const char *absent;   /**< shown in a table when there is nothing; NULL: "-" */
	const char *yes, *no; /**< of a bool; NULL: "yes", "no" */
	enum cell cell;
	bool is_detail; /**< on a card alone */
};

/** A kind of row. */
struct rows_kind {
	uint32_t number; /**< of its field in ApiReply; 0: it stands inside another */
	const struct column *column;
	size_t n_columns;
};

/** The parts of a referral that is shown: what it says, each of the changes of its state, what is
 * held of the record. */
extern const struct rows_kind rows_kind_terms;
extern const struct rows_kind rows_kind_history;
extern const struct rows_kind rows_kind_content;

/** Under a peer that is shown: its agreements in force, and what was refused. */
extern const struct rows_kind rows_kind_in_force;
extern const struct rows_kind rows_kind_refusals;

/** The kind of the row of a reply; NULL: it has none that is known. */
const struct rows_kind *rows_kind_of(const struct pb_api_reply *reply);

#endif
