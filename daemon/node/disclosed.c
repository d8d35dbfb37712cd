#include "node/disclosed.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "base/secret.h"
#include "crypto/digest.h"

/* Of all that is not as long as any other the length is hashed too. */
static size_t size_of(struct view v)
{
	return 4 + v.n;
}

static uint8_t *put_sized(uint8_t *to, struct view v)
{
	put_u32be(to, (uint32_t)v.n);
	if (v.n)
		memcpy(to + 4, v.p, v.n);
	return to + size_of(v);
}

static struct view salt_of(const struct pb_opening *o)
{
	return message_bytes(o->has_salt, o->salt);
}

static struct view slice_of(const struct pb_opening *o)
{
	return message_bytes(o->has_slice, o->slice);
}

/* All but the disclosure, which is what is left, large, and in one piece already. */
static size_t case_size(const struct disclosed_case *c)
{
	size_t n = DIGEST_BYTES + 8 + 4 + 4 + 4;

	for (size_t i = 0; i < c->n_openings; i++)
		n += size_of(salt_of(c->openings[i])) + size_of(slice_of(c->openings[i]));
	return n;
}

static uint8_t *put_case(uint8_t *to, const struct disclosed_case *c)
{
	memcpy(to, c->agreement.b, DIGEST_BYTES);
	to += DIGEST_BYTES;
	put_u64be(to, (uint64_t)c->peer);
	put_u32be(to + 8, (uint32_t)c->purpose);
	put_u32be(to + 12, c->has_consent);
	put_u32be(to + 16, (uint32_t)c->n_openings);
	to += 20;
	for (size_t i = 0; i < c->n_openings; i++) {
		to = put_sized(to, salt_of(c->openings[i]));
		to = put_sized(to, slice_of(c->openings[i]));
	}
	return to;
}

enum err disclosed_digest(const struct disclosed_case *c, struct digest *ret)
{
	const size_t n = case_size(c);
	CLEANUP(freep) uint8_t *bytes = malloc(n);

	if (!bytes)
		return err_new(ERR_NOMEM, "a disclosure's %zu bytes", n);
	ASSERT(put_case(bytes, c) == bytes + n);
	*ret = sha256_parts((struct view[]){view_of(bytes, n), c->disclosure}, 2);
	wipe(bytes, n);
	return ERR_OK;
}

static size_t set_of(const struct digest *digest)
{
	return (size_t)(digest->b[0] | digest->b[1] << 8) % DISCLOSED_SETS;
}

const struct disclosed *disclosed_find(const struct disclosed_memo *m, const struct digest *digest)
{
	const struct disclosed *set = m->of[set_of(digest)];

	for (size_t i = 0; i < DISCLOSED_WAYS; i++)
		if (digest_eq(&set[i].digest, digest))
			return &set[i];
	return NULL;
}

void disclosed_add(struct disclosed_memo *m, const struct disclosed *d)
{
	const size_t set = set_of(&d->digest);

	m->of[set][m->next[set]] = *d;
	m->next[set] = (uint8_t)((m->next[set] + 1) % DISCLOSED_WAYS);
}

void disclosed_forget(struct disclosed_memo *m)
{
	memset(m, 0, sizeof(*m));
}
