#include "node/disclosed.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

struct disclosed {
	struct disclosed *next;		 /* in its bucket */
	struct disclosed *newer, *older; /* in the order in which they came */
	struct disclosed_record record;
	struct digest manifest, agreement;
	int64_t peer;
	int purpose;
	bool has_consent;
	size_t n_openings;
	size_t n;	 /* of the bytes */
	uint8_t bytes[]; /* the disclosure, salt and slice of each opening: length, then bytes */
};

/* --- what is compared --- */

#define LENGTH_BYTES 4

/* The i-th thing of what is kept byte for byte. */
static struct view part(const struct disclosed_case *c, size_t i)
{
	const struct pb_opening *o;

	if (i == 0)
		return c->disclosure;
	o = c->openings[(i - 1) / 2];
	return i % 2 ? message_bytes(o->has_salt, o->salt) : message_bytes(o->has_slice, o->slice);
}

static size_t n_parts(const struct disclosed_case *c)
{
	return 1 + 2 * c->n_openings;
}

static size_t case_size(const struct disclosed_case *c)
{
	size_t n = 0;

	for (size_t i = 0; i < n_parts(c); i++)
		n += LENGTH_BYTES + part(c, i).n;
	return n;
}

static void put_case(uint8_t *to, const struct disclosed_case *c)
{
	for (size_t i = 0; i < n_parts(c); i++) {
		const struct view v = part(c, i);

		put_u32be(to, (uint32_t)v.n);
		if (v.n)
			memcpy(to + LENGTH_BYTES, v.p, v.n);
		to += LENGTH_BYTES + v.n;
	}
}

/* Of as many parts, each is looked at when all before it are the same: within the bytes. */
static bool is_same(const struct disclosed *d, const struct disclosed_case *c)
{
	const uint8_t *p = d->bytes;

	if (!digest_eq(&d->manifest, &c->manifest) || d->n_openings != c->n_openings ||
	    d->peer != c->peer || d->purpose != c->purpose || d->has_consent != c->has_consent ||
	    !digest_eq(&d->agreement, &c->agreement))
		return false;
	for (size_t i = 0; i < n_parts(c); i++) {
		const struct view v = part(c, i);

		if (get_u32be(p) != v.n || (v.n && memcmp(p + LENGTH_BYTES, v.p, v.n) != 0))
			return false;
		p += LENGTH_BYTES + v.n;
	}
	return true;
}

/* --- those that are kept --- */

/* Of two bytes of a hash. Who makes manifests until they are the same fills one bucket. */
static size_t bucket_of(const struct digest *manifest)
{
	return (size_t)(manifest->b[0] | manifest->b[1] << 8) % DISCLOSED_BUCKETS;
}

static void forget_one(struct disclosed_memo *m, struct disclosed *d)
{
	struct disclosed **at = &m->bucket[bucket_of(&d->manifest)];

	while (*at != d)
		at = &(*at)->next;
	*at = d->next;
	*(d->newer ? &d->newer->older : &m->newest) = d->older;
	*(d->older ? &d->older->newer : &m->oldest) = d->newer;
	m->n--;
	m->n_bytes -= sizeof(*d) + d->n;
	wipe(d, sizeof(*d) + d->n);
	free(d);
}

const struct disclosed_record *disclosed_find(struct disclosed_memo *m,
					      const struct disclosed_case *c)
{
	const struct disclosed *d = m->bucket[bucket_of(&c->manifest)];

	m->is_used = true;
	while (d && !is_same(d, c))
		d = d->next;
	return d ? &d->record : NULL;
}

/* Room for so many more bytes, and in the bucket. */
static void make_room(struct disclosed_memo *m, size_t bucket, size_t n_bytes)
{
	struct disclosed *d = m->bucket[bucket];

	for (size_t i = 1; d && i < DISCLOSED_WAYS; i++)
		d = d->next;
	if (d)
		forget_one(m, d);
	while (m->n_bytes + n_bytes > DISCLOSED_BYTES_MAX)
		forget_one(m, m->oldest);
}

void disclosed_add(struct disclosed_memo *m, const struct disclosed_case *c,
		   const struct disclosed_record *record)
{
	const size_t bucket = bucket_of(&c->manifest), n = case_size(c);
	struct disclosed *d;

	if (n > DISCLOSED_BYTES_MAX - sizeof(*d))
		return;
	d = malloc(sizeof(*d) + n);
	if (!d)
		return;
	make_room(m, bucket, sizeof(*d) + n);
	*d = (struct disclosed){
		.next = m->bucket[bucket],
		.older = m->newest,
		.record = *record,
		.manifest = c->manifest,
		.agreement = c->agreement,
		.peer = c->peer,
		.purpose = c->purpose,
		.has_consent = c->has_consent,
		.n_openings = c->n_openings,
		.n = n,
	};
	put_case(d->bytes, c);
	m->bucket[bucket] = d;
	*(d->older ? &d->older->newer : &m->oldest) = d;
	m->newest = d;
	m->n++;
	m->n_bytes += sizeof(*d) + n;
}

void disclosed_forget(struct disclosed_memo *m)
{
	while (m->oldest)
		forget_one(m, m->oldest);
}

uint64_t disclosed_deadline_ms(const struct disclosed_memo *m)
{
	return m->oldest ? m->used_ms + DISCLOSED_KEPT_MS : UINT64_MAX;
}

void disclosed_tick(struct disclosed_memo *m, uint64_t now_ms)
{
	if (m->is_used)
		m->used_ms = now_ms;
	m->is_used = false;
	if (now_ms >= disclosed_deadline_ms(m))
		disclosed_forget(m);
}
