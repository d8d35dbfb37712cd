#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local char detail[ERR_DETAIL_MAX];
static _Thread_local size_t words_at;

const char *err_text(enum err e)
{
	switch (e) {
#define X(code, class, text)                                                                       \
	case code:                                                                                 \
		return text;
		ERR_LIST(X)
#undef X
	}
	return "unknown error";
}

const char *err_name(enum err e)
{
	switch (e) {
#define X(code, class, text)                                                                       \
	case code:                                                                                 \
		return #code;
		ERR_LIST(X)
#undef X
	}
	return "ERR_UNKNOWN";
}

enum err_class err_class(enum err e)
{
	switch (e) {
#define X(code, class, text)                                                                       \
	case code:                                                                                 \
		return ERR_CLASS_##class;
		ERR_LIST(X)
#undef X
	}
	return ERR_CLASS_BUG;
}

enum err err_new_at(enum err e, const char *file, int line, const char *format, ...)
{
	va_list args;
	const char *base = strrchr(file, '/');
	char words[ERR_DETAIL_MAX]; /* aside first: an argument may be err_words() itself */
	int n;

	va_start(args, format);
	(void)vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	n = snprintf(detail, sizeof(detail), "%s:%d: ", base ? base + 1 : file, line);
	if (n < 0 || (size_t)n >= sizeof(detail))
		n = 0;
	words_at = (size_t)n;
	(void)snprintf(detail + n, sizeof(detail) - (size_t)n, "%s", words);
	return e;
}

enum err err_trace_at(enum err e, const char *file, int line)
{
	if (detail[0] == '\0')
		return err_new_at(e, file, line, "%s", err_text(e));
	return e;
}

const char *err_detail(void)
{
	return detail;
}

const char *err_words(void)
{
	return detail + words_at;
}

void err_clear(void)
{
	detail[0] = '\0';
	words_at = 0;
}

_Noreturn void err_abort(const char *cond, const char *file, int line)
{
	(void)fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, cond);
	abort();
}
