/*
 * Bytes as a slice, as a part of a record and as a whole one. The first byte of an input chooses
 * the record type, the others are the encoding. What must hold: no fault of memory; what is
 * accepted has one encoding, the decoder of all messages takes it too, and it comes back from JSON
 * as it was.
 */
#include <stdlib.h>

#include "fuzz.h"
#include "record/derive.h"
#include "record/json.h"
#include "record/slice.h"
#include "wire/message.h"

static bool is_refusal(enum err e)
{
	return e == ERR_FORMAT || e == ERR_CANONICAL || e == ERR_TEXT || e == ERR_INVALID ||
	       e == ERR_LIMIT;
}

/* The decoder has limits of its own, which a slice need not reach; all else it takes. */
static void check_decodes(enum record_type type, struct view in)
{
	CLEANUP(message_freep) ProtobufCMessage *m = NULL;
	enum err e = message_decode(record_type_descriptor(type), in, MESSAGE_STRICT, &m);

	ASSERT(e == ERR_OK || e == ERR_LIMIT);
}

static void check_slice(enum record_type type, struct view in)
{
	CLEANUP(buf_fini) struct buf joined = {0};
	CLEANUP(buf_fini) struct buf json = {0};
	const struct field *unit = NULL;
	enum err e = slice_check(type, in, &unit);

	if (e) {
		ASSERT(is_refusal(e) && !unit);
		/* Unchecked it must not harm either: it does not open, or is put in place. */
		e = record_join(type, &in, 1, &joined);
		ASSERT(is_refusal(e) ? joined.n == 0 : view_eq(buf_view(&joined), in));
		return;
	}
	ASSERT(unit && unit->is_unit && unit->record_type == type);
	ASSERT(record_join(type, &in, 1, &joined) == ERR_OK);
	ASSERT(view_eq(buf_view(&joined), in));
	check_decodes(type, in);
	ASSERT(record_to_json(type, in, &json) == ERR_OK);
}

/* Cut, joined, written and read: the same bytes each time. */
static void check_whole(enum record_type type, const struct slice_set *s)
{
	CLEANUP(freep) struct view *slice = reallocarray(NULL, s->n, sizeof(*slice));
	CLEANUP(buf_fini) struct buf joined = {0};
	CLEANUP(buf_fini) struct buf json = {0};
	CLEANUP(buf_fini) struct buf back = {0};
	CLEANUP(buf_fini) struct buf derived = {0};
	enum record_type back_type;
	enum err e;

	ASSERT(slice);
	for (size_t i = 0; i < s->n; i++) {
		const struct field *unit;

		slice[i] = s->slice[i].bytes;
		ASSERT(slice_check(type, slice[i], &unit) == ERR_OK && unit == s->slice[i].unit);
	}
	ASSERT(record_join(type, slice, s->n, &joined) == ERR_OK);
	check_decodes(type, buf_view(&joined));
	ASSERT(record_to_json(type, buf_view(&joined), &json) == ERR_OK);
	ASSERT(record_from_json(buf_view(&json), &back_type, &back) == ERR_OK);
	ASSERT(back_type == type && view_eq(buf_view(&back), buf_view(&joined)));
	e = record_derive(type, buf_view(&joined), 2024, &derived);
	ASSERT(e == ERR_OK || e == ERR_LIMIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(slice_set_fini) struct slice_set s = {0};
	CLEANUP(buf_fini) struct buf json = {0};
	enum record_type type;
	struct view in;
	enum err e;

	if (size == 0)
		return 0;
	type = data[0] & 1 ? RECORD_VICTIM : RECORD_CASE;
	in = view_of(data + 1, size - 1);
	check_slice(type, in);
	e = record_to_json(type, in, &json);
	ASSERT(e ? is_refusal(e) && json.n == 0 : json.n > 0);
	e = record_cut(type, in, &s);
	if (e)
		ASSERT(is_refusal(e) && s.n == 0);
	else
		check_whole(type, &s);
	return 0;
}
