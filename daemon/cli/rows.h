/**
 * @file
 * What the node answers, printed: one JSON object a line for programs; for people a table, or a
 * card (a line a fact) of what stands alone. Which columns a kind of row has stands in one table in
 * rows.c.
 */
#ifndef CLI_ROWS_H
#define CLI_ROWS_H

#include <jansson.h>

#include "cli/columns.h"
#include "cli/context.h"
#include "cli/table.h"

#define ROWS_FINGERPRINT_MAX 81 /**< bytes: 64 digits, each four with a gap, the NUL */

/** How rows are shown to people. */
enum rows_form {
	ROWS_TABLE,
	ROWS_CARD,
};

/** Begin with rows_init(), give each reply to rows_add(), end with rows_end() and rows_fini(). */
struct rows {
	enum rows_form form;
	const struct rows_kind *kind; /**< of the first row; all are of one kind */
	struct table table;
	size_t n;
};

void rows_init(struct rows *r, enum rows_form form); /**< nothing printed yet */
void rows_fini(struct rows *r);

/**
 * The row of a reply as JSON.
 *
 * @return a new reference; NULL: the reply has none, or no memory: look at @p ret_is_empty
 */
json_t *rows_json(const struct pb_api_reply *reply, bool *ret_is_empty);

/** Print the row of a reply, if it has one. A cli_reply_fn of @p arg struct rows. */
int rows_add(struct cli *cli, const struct pb_api_reply *reply, void *arg);

/**
 * Print a row that was made into JSON.
 *
 * @param kind  as rows_kind_of() gives it; NULL is the node's mistake, and said
 * @return exit code
 */
int rows_add_json(struct cli *cli, struct rows *r, const struct rows_kind *kind, const json_t *row);

/**
 * Print what is held back, and flush. A table without rows is "none", a card that did not come the
 * node's mistake. @return exit code
 */
int rows_end(struct cli *cli, struct rows *r);

/** Ask, print all rows, flush: what most commands are. @return exit code */
int rows_call(struct cli *cli, struct pb_api_request *request, enum rows_form form);

/**
 * The same for a list that comes in pieces: ask for piece after piece.
 *
 * @param page     of the request, which holds it; set here
 * @param limit    rows at most; 0: all
 */
int rows_list(struct cli *cli, struct pb_api_request *request, struct pb_list_page *page,
	      uint64_t limit);

/** Hex in groups of four digits, as certs/fingerprint prints it; cut if too long. Returns @p ret.
 */
const char *rows_fingerprint(const char *hex, char ret[ROWS_FINGERPRINT_MAX]);

/** Print one line of JSON. @return exit code */
int rows_print_json(struct cli *cli, const json_t *object);

#endif
