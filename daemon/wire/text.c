#include "wire/text.h"

#include <unistr.h>

#include "base/own.h"

/* First and last code point of what valid UTF-8 may still not hold; ascending. */
static const struct {
	ucs4_t first;
	ucs4_t last;
} refused[] = {
	{0x0000, 0x001f}, /* C0 controls */
	{0x007f, 0x009f}, /* DEL, C1 controls */
	{0x2028, 0x2029}, /* line and paragraph separator */
	{0x202a, 0x202e}, /* bidirectional embeddings and overrides */
	{0x2066, 0x2069}, /* bidirectional isolates */
	{0xfdd0, 0xfdef}, /* noncharacters */
};

static bool is_refused(ucs4_t c)
{
	if ((c & 0xfffe) == 0xfffe)
		return true; /* the last two of each plane are noncharacters */
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (c >= refused[i].first && c <= refused[i].last)
			return true;
	return false;
}

static size_t printable_ascii(struct view text)
{
	size_t i = 0;

	while (i < text.n && text.p[i] >= 0x20 && text.p[i] < 0x7f)
		i++;
	return i;
}

/* Whether all is strict; otherwise *ret_at is the byte that the first fault begins at. */
static bool is_strict(struct view text, size_t *ret_at)
{
	/* Most text is plain ASCII and ends here. */
	size_t at = printable_ascii(text);
	const uint8_t *bad;

	if (at == text.n)
		return true;
	bad = u8_check(text.p + at, text.n - at);
	if (bad) {
		*ret_at = (size_t)(bad - text.p);
		return false;
	}
	while (at < text.n) {
		ucs4_t c;
		int n = u8_mbtouc_unsafe(&c, text.p + at, text.n - at);

		if (is_refused(c)) {
			*ret_at = at;
			return false;
		}
		at += (size_t)n;
	}
	return true;
}

bool text_is_valid(struct view text)
{
	size_t at;

	return is_strict(text, &at);
}

enum err text_check(struct view text)
{
	size_t at;

	if (is_strict(text, &at))
		return ERR_OK;
	return err_new(ERR_TEXT, "at byte %zu of %zu of a text", at, text.n);
}
