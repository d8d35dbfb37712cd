/**
 * @file
 * One printable line an event: level, a sentence, then key=value pairs; a peer's text only through
 * log_quote(). No personal data, ever. The pure modules do not log.
 *
 *   err     the operator must act
 *   warn    it failed and we go on (say how)
 *   notice  life cycle
 *   info    per exchange
 *   debug   developers
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/digest.h"
#include "base/err.h"

enum log_level {
	LOG_ERR,
	LOG_WARN,
	LOG_NOTICE,
	LOG_INFO,
	LOG_DEBUG,
};

#define LOG_LINE_MAX 1024 /**< bytes of a line; longer ones are cut and end in "..." */
#define LOG_QUOTE_MAX 200 /**< bytes of a quoted text, with quotes and NUL */

/**
 * Where lines go: a file descriptor, by default 2.
 *
 * @param name  of the process, borrowed; its first 32 bytes stand in each line
 */
void log_init(int fd, const char *name, enum log_level most);

/** Instead of the descriptor: a function (simulation); NULL goes back. */
void log_set_sink(void (*sink)(void *ctx, enum log_level level, const char *line), void *ctx);

/** Write one line; bytes outside printable ASCII become \\xNN whatever the arguments hold. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Log an error with its origin: "SENTENCE error=ERR_X detail="..."". Call once, where decided. */
void log_err(enum log_level level, enum err e, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/** Text of a peer in double quotes, escaped, cut: safe as a value. Returns @p ret. */
const char *log_quote(struct view text, char ret[LOG_QUOTE_MAX]);

#endif
