#include "store/generation.h"

#include <stdlib.h>

#include "store/internal.h"

#define PROBES 4
#define PROBE_BYTES 2
#define PROBE_SHIFT 2 /* of 16 bits the 14 that number a bit of the filter */

_Static_assert(GENERATION_FILTER_BYTES * 8 == 1 << (8 * PROBE_BYTES - PROBE_SHIFT),
	       "a probe numbers a bit of the filter");

static unsigned bit_of(struct view leaf, size_t probe)
{
	const uint8_t *p = leaf.p + probe * PROBE_BYTES;

	return (unsigned)(p[0] << 8 | p[1]) >> PROBE_SHIFT;
}

static void filter_add(struct generation_filter *f, struct view leaf)
{
	for (size_t i = 0; i < PROBES; i++)
		f->bits[bit_of(leaf, i) / 8] |= (uint8_t)(1u << bit_of(leaf, i) % 8);
}

static bool filter_may_have(const struct generation_filter *f, struct view prefix)
{
	for (size_t i = 0; i < PROBES && (i + 1) * PROBE_BYTES <= prefix.n; i++)
		if (!(f->bits[bit_of(prefix, i) / 8] >> bit_of(prefix, i) % 8 & 1))
			return false;
	return true;
}

void generation_filters_fini(struct generation_filters *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->of[i]);
	free(f->of);
	*f = (struct generation_filters){.n = 0};
}

/* Room for the filter of a generation: in steps of doubling, as they come. */
static enum err make_room(struct generation_filters *f, uint64_t generation)
{
	struct generation_filter **more;
	size_t n = f->n ? f->n : 64;

	while (n <= generation)
		n *= 2;
	if (n == f->n)
		return ERR_OK;
	more = realloc(f->of, n * sizeof(struct generation_filter *));
	if (!more)
		return err_new(ERR_NOMEM, "filters of referrals");
	for (size_t i = f->n; i < n; i++)
		more[i] = NULL;
	f->of = more;
	f->n = n;
	return ERR_OK;
}

static enum err filter_read(struct store *s, uint64_t generation, struct generation_filter *ret)
{
	CLEANUP(query_end) struct query q = {0};
	enum err e;

	query_begin(s, ST_GENERATION_GET, "SELECT bits FROM generation WHERE num = ?", &q);
	query_bind_u64(&q, generation);
	e = query_get(&q);
	if (e == ERR_NOT_FOUND)
		return err_new(ERR_STORAGE, "generation %llu of the referrals has no filter",
			       (unsigned long long)generation);
	if (e)
		return err_trace(e);
	query_bytes(&q, ret->bits, sizeof(ret->bits));
	return query_error(&q);
}

/* The filter in memory, read when it is not there. */
static enum err filter_of(struct store *s, uint64_t generation, struct generation_filter **ret)
{
	CLEANUP(freep) struct generation_filter *read = NULL;
	enum err e = make_room(&s->generations, generation);

	if (e)
		return err_trace(e);
	if (!s->generations.of[generation]) {
		read = calloc(1, sizeof(*read));
		if (!read)
			return err_new(ERR_NOMEM, "a filter of referrals");
		e = filter_read(s, generation, read);
		if (e)
			return err_trace(e);
		s->generations.of[generation] = TAKE(read);
	}
	*ret = s->generations.of[generation];
	return ERR_OK;
}

static enum err filter_write(struct store *s, uint64_t generation,
			     const struct generation_filter *f)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_GENERATION_PUT,
		    "INSERT INTO generation (num, bits) VALUES (?, ?)"
		    " ON CONFLICT (num) DO UPDATE SET bits = excluded.bits",
		    &q);
	query_bind_u64(&q, generation);
	query_bind_bytes(&q, f->bits, sizeof(f->bits));
	return query_run(&q, NULL);
}

static enum err fill(struct store *s, uint64_t generation, struct generation_filter *f)
{
	CLEANUP(query_end) struct query q = {0};

	query_begin(s, ST_GENERATION_LEAVES,
		    "SELECT leaf FROM referral INDEXED BY referral_by_leaf WHERE " GENERATION_SQL
		    " = ?",
		    &q);
	query_bind_u64(&q, generation);
	while (query_step(&q)) {
		struct digest leaf;

		query_digest(&q, &leaf);
		filter_add(f, view_digest(&leaf));
	}
	return query_error(&q);
}

enum err generation_close(struct store *s, uint64_t generation)
{
	struct generation_filter f = {{0}};
	enum err e = fill(s, generation, &f);

	return e ? err_trace(e) : filter_write(s, generation, &f);
}

enum err generation_may_have(struct store *s, uint64_t generation, struct view prefix, bool *ret)
{
	struct generation_filter *f;
	enum err e = filter_of(s, generation, &f);

	if (e)
		return err_trace(e);
	*ret = filter_may_have(f, prefix);
	return ERR_OK;
}

enum err generation_add(struct store *s, uint64_t generation, const struct digest *leaf)
{
	struct generation_filter *f;
	enum err e = filter_of(s, generation, &f);

	if (e)
		return err_trace(e);
	if (filter_may_have(f, view_digest(leaf)))
		return ERR_OK;
	filter_add(f, view_digest(leaf));
	return filter_write(s, generation, f);
}
