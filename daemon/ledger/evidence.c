#include "ledger/evidence.h"

#include <inttypes.h>

#include "base/own.h"
#include "crypto/base64.h"
#include "ledger/lines.h"

static const char proof_line[] = "c2sp.org/tlog-proof@v1";
static const char index_word[] = "index ";
#define INDEX_WORD_BYTES (sizeof(index_word) - 1)

enum err evidence_proof_text(uint64_t index, const struct proof *proof, struct view note,
			     struct buf *out)
{
	CLEANUP(buf_fini) struct buf text = {0};
	enum err e;

	e = buf_printf(&text, "%s\n%s%" PRIu64 "\n", proof_line, index_word, index);
	for (size_t i = 0; !e && i < proof->n; i++) {
		e = base64_encode(view_digest(&proof->hash[i]), &text);
		if (!e)
			e = buf_put_u8(&text, '\n');
	}
	if (!e)
		e = buf_put_u8(&text, '\n');
	if (!e)
		e = buf_put_view(&text, note);
	if (!e)
		e = buf_put_view(out, buf_view(&text));
	if (e)
		return err_trace(e);
	return ERR_OK;
}

/** The first two lines. */
static enum err read_index(struct view *rest, uint64_t *ret)
{
	struct view line;

	if (!line_take(rest, &line) || !view_eq(line, view_str(proof_line)))
		return err_new(ERR_FORMAT, "not a tlog-proof of version 1");
	if (!line_take(rest, &line) || line.n < INDEX_WORD_BYTES ||
	    memcmp(line.p, index_word, INDEX_WORD_BYTES) != 0)
		return err_new(ERR_FORMAT, "a proof without index");
	line = view_of(line.p + INDEX_WORD_BYTES, line.n - INDEX_WORD_BYTES);
	if (!decimal_read(line, ret))
		return err_new(ERR_FORMAT, "not an index");
	return ERR_OK;
}

/** The hashes, up to and with the empty line. */
static enum err read_hashes(struct view *rest, struct proof *ret)
{
	struct view line;
	enum err e;

	ret->n = 0;
	while (line_take(rest, &line)) {
		CLEANUP(buf_fini) struct buf hash = {0};

		if (line.n == 0)
			return ERR_OK;
		if (ret->n == MERKLE_PROOF_MAX)
			return err_new(ERR_FORMAT, "over %d hashes", MERKLE_PROOF_MAX);
		e = base64_decode(line, &hash);
		if (e)
			return err_trace(e);
		if (!digest_from_view(&ret->hash[ret->n], buf_view(&hash)))
			return err_new(ERR_FORMAT, "hash of %zu bytes", hash.n);
		ret->n++;
	}
	return err_new(ERR_FORMAT, "no checkpoint after the hashes");
}

enum err evidence_proof_check(struct view text, const struct digest *leaf, const char *origin,
			      const struct verify_key *key)
{
	struct checkpoint c;
	struct proof proof;
	uint64_t index = 0;
	enum err e;

	/* checkpoint_read() without a key would pass anything */
	ASSERT(key && origin);
	e = read_index(&text, &index);
	if (e)
		return err_trace(e);
	e = read_hashes(&text, &proof);
	if (e)
		return err_trace(e);
	e = checkpoint_read(text, origin, key, &c);
	if (e)
		return err_trace(e);
	return merkle_check_inclusion(leaf, index, c.size, proof.hash, proof.n, &c.root);
}

bool checkpoints_contradict(const struct checkpoint *a, const struct checkpoint *b)
{
	return strcmp(a->origin.text, b->origin.text) == 0 && a->size == b->size &&
	       !digest_eq(&a->root, &b->root);
}
