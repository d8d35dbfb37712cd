/**
 * @file
 * A table for people: aligned columns under a heading. The widths come from the first
 * TABLE_ROWS_FIRST rows; those after are printed as they come, however many there are.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"

#define TABLE_COLUMNS_MAX 16
#define TABLE_ROWS_FIRST 200

/** Begin with table_init(), end with table_end() and table_fini(). */
struct table {
	FILE *out;
	size_t n_columns;
	size_t width[TABLE_COLUMNS_MAX];
	struct buf held; /**< cells that wait for the widths, each with its NUL */
	size_t n_held;	 /**< rows in it, the heading counted */
	bool is_flowing; /**< the widths stand */
};

/** Begin; @p n_columns is 1..TABLE_COLUMNS_MAX. */
void table_init(struct table *t, FILE *out, size_t n_columns);
void table_fini(struct table *t);

/**
 * Add a row, the heading first.
 *
 * @param cell  n_columns texts, any bytes: they are cleaned for a terminal here; borrowed for the
 *              call only
 * @retval ERR_NOMEM
 */
enum err table_row(struct table *t, const char *const *cell) WARN_UNUSED;

/** Print what is still held. */
void table_end(struct table *t);

#endif
