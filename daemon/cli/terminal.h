/**
 * @file
 * Text for a terminal: nothing that a record, a peer or a file name holds may steer it, and columns
 * stand under each other in every script. Wants a UTF-8 locale: terminal_init().
 */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/** Set the locale by which characters are judged: the user's if it is UTF-8, else C.UTF-8. */
void terminal_init(void);

/**
 * Append @p text with what would not show as itself escaped: control characters (\x1b, line breaks
 * too), bytes that are no UTF-8, and what changes the direction of writing (\u202e).
 */
enum err terminal_clean(struct view text, struct buf *out) WARN_UNUSED;

/** Columns that clean text takes; @p text ends in NUL. */
size_t terminal_width(const char *text);

#endif
