#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct {
	int fd;
	const char *name;
	enum log_level most;
	void (*sink)(void *ctx, enum log_level level, const char *line);
	void *ctx;
} logger = {.fd = 2, .name = "amparo", .most = LOG_INFO};

/* systemd's prefix for the level; journald takes it off, and people skip it */
static const char *const level_prefix[] = {"<3>", "<4>", "<5>", "<6>", "<7>"};
static const char *const level_name[] = {"err", "warn", "notice", "info", "debug"};

void log_init(int fd, const char *name, enum log_level most)
{
	logger.fd = fd;
	logger.name = name;
	logger.most = most;
}

void log_set_sink(void (*sink)(void *ctx, enum log_level level, const char *line), void *ctx)
{
	logger.sink = sink;
	logger.ctx = ctx;
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f;
}

/* Copy with escapes; cut with "..." when ret (n bytes with NUL) is too small. */
static void escape(const char *text, size_t n_text, const char *also, char *ret, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	size_t at = 0;

	for (size_t i = 0; i < n_text; i++) {
		unsigned char c = (unsigned char)text[i];
		bool plain = is_plain(c) && !(c && strchr(also, c));

		if (at + (plain ? 1 : 4) + 4 > n) {
			memcpy(ret + at, "...", 3);
			at += 3;
			break;
		}
		if (plain) {
			ret[at++] = (char)c;
			continue;
		}
		ret[at++] = '\\';
		ret[at++] = 'x';
		ret[at++] = digits[c >> 4];
		ret[at++] = digits[c & 15];
	}
	ret[at] = '\0';
}

static void emit(enum log_level level, const char *text)
{
	char line[LOG_LINE_MAX];
	char out[LOG_LINE_MAX + 64];
	int n;

	escape(text, strlen(text), "", line, sizeof(line));
	if (logger.sink) {
		logger.sink(logger.ctx, level, line);
		return;
	}
	n = snprintf(out, sizeof(out), "%s%.32s: %s: %s\n", level_prefix[level], logger.name,
		     level_name[level], line);
	/* A log that cannot be written must not stop the exchange. */
	if (n > 0 && write(logger.fd, out, (size_t)n) < 0)
		return;
}

void log_line(enum log_level level, const char *format, ...)
{
	char text[LOG_LINE_MAX];
	va_list args;

	if (level > logger.most)
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	emit(level, text);
}

void log_err(enum log_level level, enum err e, const char *format, ...)
{
	char text[LOG_LINE_MAX];
	char quoted[LOG_QUOTE_MAX];
	va_list args;
	int n;

	if (level > logger.most)
		return;
	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n >= 0 && (size_t)n < sizeof(text))
		(void)snprintf(text + n, sizeof(text) - (size_t)n, " error=%s detail=%s",
			       err_name(e), log_quote(view_str(err_detail()), quoted));
	emit(level, text);
}

const char *log_quote(struct view text, char ret[LOG_QUOTE_MAX])
{
	char inner[LOG_QUOTE_MAX - 2];

	escape((const char *)text.p, text.n, "\"\\", inner, sizeof(inner));
	(void)snprintf(ret, LOG_QUOTE_MAX, "\"%s\"", inner);
	return ret;
}
