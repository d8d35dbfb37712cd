/**
 * @file
 * Messages of any descriptor filled at random, and encodings made wrong in every way that they can
 * be: what test_message_canonical.c feeds to the decoder. Seeded, the same everywhere.
 */
#ifndef TESTS_UNIT_WIRE_MUTATE_H
#define TESTS_UNIT_WIRE_MUTATE_H

#include "base/buf.h"
#include "wire/message.h"

/** The generator's state: splitmix64. */
struct chance {
	uint64_t state;
};

/** A number below @p n, which is not 0. */
uint64_t chance_below(struct chance *c, uint64_t n);

/**
 * Append the encoding of a message filled at random: any field present or not, at the edges of its
 * type, zero and empty ones too, messages in it nested 10 deep where its descriptor allows it.
 */
void mutate_fill(struct chance *c, const ProtobufCMessageDescriptor *desc, struct buf *out);

/**
 * Append @p in, the encoding of a message, with one thing wrong at some level: fields swapped,
 * doubled, dropped, added, unknown, of another wire type, packed; varints longer than need be or
 * out of range; lengths that lie; other text. Some results are canonical again.
 */
void mutate_fields(struct chance *c, const ProtobufCMessageDescriptor *desc, struct view in,
		   struct buf *out);

/** Change bytes of @p b without looking: bits, bytes more or fewer, the end cut off, noise. */
void mutate_bytes(struct chance *c, struct buf *b);

#endif
