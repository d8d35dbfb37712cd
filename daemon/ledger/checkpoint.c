#include "ledger/checkpoint.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/own.h"
#include "crypto/base64.h"
#include "ledger/lines.h"

void origin_make(struct origin *ret, const struct agency_id *id, uint64_t epoch_s)
{
	int n = snprintf(ret->text, sizeof(ret->text), "%s/%" PRIu64, agency_id_bare(id), epoch_s);

	ASSERT(n > 0 && (size_t)n < sizeof(ret->text));
}

enum err origin_check(struct view text, const struct agency_id *id, struct origin *ret,
		      uint64_t *ret_epoch_s)
{
	const char *bare = agency_id_bare(id);
	size_t n_bare = strlen(bare);
	uint64_t epoch_s;

	if (text.n > ORIGIN_MAX || text.n <= n_bare || memcmp(text.p, bare, n_bare) != 0 ||
	    text.p[n_bare] != '/')
		return err_new(ERR_FORMAT, "not an origin of this agency");
	if (!decimal_read(view_of(text.p + n_bare + 1, text.n - n_bare - 1), &epoch_s))
		return err_new(ERR_FORMAT, "an origin without epoch");
	memcpy(ret->text, text.p, text.n);
	ret->text[text.n] = '\0';
	if (ret_epoch_s)
		*ret_epoch_s = epoch_s;
	return ERR_OK;
}

enum err checkpoint_text(const struct checkpoint *c, struct buf *out)
{
	CLEANUP(buf_fini) struct buf text = {0};
	enum err e;

	e = buf_printf(&text, "%s\n%" PRIu64 "\n", c->origin.text, c->size);
	if (!e)
		e = base64_encode(view_digest(&c->root), &text);
	if (!e)
		e = buf_put_u8(&text, '\n');
	if (!e)
		e = buf_put_view(out, buf_view(&text));
	if (e)
		return err_trace(e);
	return ERR_OK;
}

enum err checkpoint_sign(const struct checkpoint *c, const struct seal_key *key, struct buf *out)
{
	CLEANUP(buf_fini) struct buf text = {0};
	enum err e;

	e = checkpoint_text(c, &text);
	if (e)
		return err_trace(e);
	return note_sign(buf_view(&text), c->origin.text, key, out);
}

static enum err read_root(struct view line, struct digest *ret)
{
	CLEANUP(buf_fini) struct buf bytes = {0};
	enum err e;

	e = base64_decode(line, &bytes);
	if (e)
		return err_trace(e);
	if (!digest_from_view(ret, buf_view(&bytes)))
		return err_new(ERR_FORMAT, "root of %zu bytes", bytes.n);
	return ERR_OK;
}

/** The three lines, and nothing after them. */
static enum err read_text(struct view text, struct checkpoint *ret)
{
	struct checkpoint c = {0};
	struct view origin, size, root;
	struct digest empty;
	enum err e;

	if (!line_take(&text, &origin) || !line_take(&text, &size) || !line_take(&text, &root) ||
	    text.n != 0)
		return err_new(ERR_FORMAT, "not a checkpoint of exactly three lines");
	if (origin.n > ORIGIN_MAX || !note_name_is_valid(origin))
		return err_new(ERR_FORMAT, "an origin that is no key name");
	memcpy(c.origin.text, origin.p, origin.n);
	if (!decimal_read(size, &c.size) || c.size > MERKLE_SIZE_MAX)
		return err_new(ERR_FORMAT, "not the size of a tree");
	e = read_root(root, &c.root);
	if (e)
		return err_trace(e);
	empty = merkle_empty();
	if (c.size == 0 && !digest_eq(&c.root, &empty))
		return err_new(ERR_FORMAT, "size 0 without the root of the empty tree");
	*ret = c;
	return ERR_OK;
}

enum err checkpoint_read(struct view in, const char *origin, const struct verify_key *key,
			 struct checkpoint *ret)
{
	struct note note;
	struct checkpoint c;
	size_t n_verified;
	enum err e;

	e = note_parse(in, &note);
	if (e)
		return err_trace(e);
	e = read_text(note.text, &c);
	if (e)
		return err_trace(e);
	if (origin && strcmp(c.origin.text, origin) != 0)
		return err_new(ERR_FORMAT, "a checkpoint of another origin");
	if (key) {
		struct note_verifier known = {.name = c.origin.text, .key = key};

		e = note_verify(&note, &known, 1, &n_verified);
		if (e)
			return err_trace(e);
		if (n_verified == 0)
			return err_new(ERR_SIGNATURE, "not signed by its origin's key");
	}
	*ret = c;
	return ERR_OK;
}
