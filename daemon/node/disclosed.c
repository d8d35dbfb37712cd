#include "node/disclosed.h"

#include <string.h>

#include "base/secret.h"

/* Of all that is not as long as any other the length counts too. */
static enum err put_sized(struct buf *b, struct view v)
{
	enum err e = buf_put_u32(b, (uint32_t)v.n);

	return e ? err_trace(e) : buf_put_view(b, v);
}

static enum err put_openings(const struct disclosed_case *c, struct buf *b)
{
	enum err e = ERR_OK;

	for (size_t i = 0; !e && i < c->n_openings; i++) {
		const struct pb_opening *o = c->openings[i];

		e = put_sized(b, message_bytes(o->has_salt, o->salt));
		if (!e)
			e = put_sized(b, message_bytes(o->has_slice, o->slice));
	}
	return e ? err_trace(e) : ERR_OK;
}

static size_t openings_size(const struct disclosed_case *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n_openings; i++)
		n += 4 + c->openings[i]->salt.len + 4 + c->openings[i]->slice.len;
	return n;
}

enum err disclosed_print(const struct disclosed_case *c, struct fingerprinter *f,
			 struct fingerprint *ret)
{
	struct buf b = {0};
	uint8_t *room; /* all at once, since it grows by copying */
	enum err e = buf_reserve(&b, DIGEST_BYTES + 4 + 1 + 4 + openings_size(c), &room);

	if (!e)
		e = buf_put_view(&b, view_digest(&c->agreement));
	if (!e)
		e = buf_put_u32(&b, (uint32_t)c->purpose);
	if (!e)
		e = buf_put_u8(&b, c->has_consent);
	if (!e)
		e = buf_put_u32(&b, (uint32_t)c->n_openings);
	if (!e)
		e = put_openings(c, &b);
	if (!e)
		e = fingerprint_make(f, (struct view[]){buf_view(&b), c->disclosure}, 2, ret);
	if (b.n)
		wipe(buf_data(&b), b.n);
	buf_fini(&b);
	return e ? err_trace(e) : ERR_OK;
}

static size_t set_of(const struct fingerprint *print)
{
	return (size_t)(print->b[0] | print->b[1] << 8) % DISCLOSED_SETS;
}

const struct disclosed *disclosed_find(const struct disclosed_memo *m,
				       const struct fingerprint *print)
{
	const struct disclosed *set = m->of[set_of(print)];

	for (size_t i = 0; i < DISCLOSED_WAYS; i++)
		if (set[i].is_kept && fingerprint_eq(&set[i].print, print))
			return &set[i];
	return NULL;
}

void disclosed_add(struct disclosed_memo *m, const struct disclosed *d)
{
	const size_t set = set_of(&d->print);

	m->of[set][m->next[set]] = *d;
	m->of[set][m->next[set]].is_kept = true;
	m->next[set] = (uint8_t)((m->next[set] + 1) % DISCLOSED_WAYS);
}

void disclosed_forget(struct disclosed_memo *m)
{
	memset(m, 0, sizeof(*m));
}
