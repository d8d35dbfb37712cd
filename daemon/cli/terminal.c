#include "cli/terminal.h"

#include <locale.h>
#include <stdbool.h>
#include <string.h>
#include <wchar.h>

static bool is_direction(wchar_t c)
{
	return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* Bytes of the character at @p p; 0: none there. */
static size_t take(const char *p, size_t n, wchar_t *ret)
{
	mbstate_t state = {0};
	size_t taken = mbrtowc(ret, p, n, &state);

	return taken > n ? 0 : taken; /* (size_t)-1 and -2: invalid, cut off */
}

/* Whether the locale's encoding is UTF-8. */
static bool is_utf8(void)
{
	static const char sample[] = "\xc3\xa9"; /* U+00E9 */
	wchar_t c = 0;

	return take(sample, strlen(sample), &c) == strlen(sample) && c == 0xe9;
}

void terminal_init(void)
{
	if (!setlocale(LC_CTYPE, "") || !is_utf8())
		(void)setlocale(LC_CTYPE, "C.UTF-8");
}

enum err terminal_clean(struct view text, struct buf *out)
{
	const char *p = (const char *)text.p;
	size_t left = text.n;

	while (left > 0) {
		wchar_t c = 0;
		size_t n = take(p, left, &c);
		enum err e;

		if (n == 0 || (c < 0x80 && wcwidth(c) < 0)) {
			n = 1;
			e = buf_printf(out, "\\x%02x", (unsigned char)*p);
		} else if (wcwidth(c) < 0 || is_direction(c)) {
			e = buf_printf(out, "\\u%04x", (unsigned int)c);
		} else {
			e = buf_put(out, p, n);
		}
		if (e)
			return err_trace(e);
		p += n;
		left -= n;
	}
	return ERR_OK;
}

size_t terminal_width(const char *text)
{
	size_t width = 0;
	size_t left = strlen(text);

	while (left > 0) {
		wchar_t c = 0;
		size_t n = take(text, left, &c);
		int columns = n > 0 ? wcwidth(c) : 1;

		width += columns > 0 ? (size_t)columns : 0;
		n = n > 0 ? n : 1;
		text += n;
		left -= n;
	}
	return width;
}
