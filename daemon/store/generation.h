/**
 * @file
 * Generations of referrals: 1,024 that came one after the other. Their leaves are hashes; in one
 * index over all of them they would lie anywhere, so that each commit wrote as many pages as it has
 * referrals. The index is by generation first, so new ones lie in a few pages, and a complete
 * generation has a filter (Bloom 1970) that says of nearly every leaf that it is not in there: a
 * look-up reads the index of one generation, not of all.
 *
 * A filter has 16 bits for each leaf; four are set, by the first eight bytes of the leaf, two each.
 * It is written when a generation is complete and stays in memory once it was asked: 2 bytes a
 * referral.
 */
#ifndef STORE_GENERATION_H
#define STORE_GENERATION_H

#include "store/store.h"

#define GENERATION_BITS 10 /**< of a referral's num: its generation is what is above */
#define GENERATION_SQL "num >> 10"
#define GENERATION_FILTER_BYTES 2048

struct generation_filter {
	uint8_t bits[GENERATION_FILTER_BYTES];
};

/** Those in memory, by generation. All zero is none. */
struct generation_filters {
	struct generation_filter **of; /**< NULL: not read yet */
	size_t n;
};

void generation_filters_fini(struct generation_filters *f);

/** A generation is complete: write its filter. In a transaction. */
enum err generation_close(struct store *s, uint64_t generation) WARN_UNUSED;

/**
 * May a complete generation have a leaf that begins so?
 *
 * @param prefix  under 2 bytes, it always may
 */
enum err generation_may_have(struct store *s, uint64_t generation, struct view prefix,
			     bool *ret) WARN_UNUSED;

/** A row of a complete generation gets another leaf. In a transaction. */
enum err generation_add(struct store *s, uint64_t generation,
			const struct digest *leaf) WARN_UNUSED;

#endif
