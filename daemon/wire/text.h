/**
 * @file
 * Strict text: what a string field of any message, and any text from outside, may hold.
 *
 * Valid UTF-8 (no overlong forms, no surrogates, nothing over U+10FFFF) without
 *   U+0000-001F, U+007F-009F   control characters, tab and line break included
 *   U+2028, U+2029             line and paragraph separator
 *   U+202A-202E, U+2066-2069   bidirectional overrides, embeddings and isolates, which make text
 *                              read otherwise than it is stored (marks U+200E, U+200F, U+061C stay)
 *   U+FDD0-FDEF, U+xxFFFE, U+xxFFFF  noncharacters
 * So a text is one line that shows in its own order. Nothing is normalised: bytes stay as sent.
 *
 * Source: PROTOCOL.md 1
 */
#ifndef WIRE_TEXT_H
#define WIRE_TEXT_H

#include <stdbool.h>

#include "base/digest.h"
#include "base/err.h"

/** Whether @p text is strict text; the empty text is. Need not end in NUL. */
bool text_is_valid(struct view text);

/** The same as an error. @retval ERR_TEXT  it is not; the detail tells the byte's place only */
enum err text_check(struct view text) WARN_UNUSED;

#endif
