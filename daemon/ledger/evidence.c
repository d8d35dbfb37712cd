#include "ledger/evidence.h"

#include <inttypes.h>

#include "base/own.h"
#include "crypto/base64.h"
#include "ledger/lines.h"

static const char proof_line[] = "c2sp.org/tlog-proof@v1";
static const char index_word[] = "index ";
static const char prefix_line[] = "amparo/v1/prefix-proof";
static const char size_word[] = "size ";

/* A proof's text: what it is, of which number, its hashes, and the note that they lead to. */
static enum err write_text(const char *first_line, const char *word, uint64_t number,
			   const struct proof *proof, struct view note, struct buf *out)
{
	CLEANUP(buf_fini) struct buf text = {0};
	enum err e;

	e = buf_printf(&text, "%s\n%s%" PRIu64 "\n", first_line, word, number);
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
	return e ? err_trace(e) : ERR_OK;
}

enum err evidence_proof_text(uint64_t index, const struct proof *proof, struct view note,
			     struct buf *out)
{
	return write_text(proof_line, index_word, index, proof, note, out);
}

enum err evidence_prefix_text(uint64_t size, const struct proof *proof, struct view note,
			      struct buf *out)
{
	return write_text(prefix_line, size_word, size, proof, note, out);
}

/** The first two lines. */
static enum err read_number(struct view *rest, const char *first_line, const char *word,
			    uint64_t *ret)
{
	const size_t n_word = strlen(word);
	struct view line;

	if (!line_take(rest, &line) || !view_eq(line, view_str(first_line)))
		return err_new(ERR_FORMAT, "not a proof of this kind and version");
	if (!line_take(rest, &line) || line.n < n_word || memcmp(line.p, word, n_word) != 0)
		return err_new(ERR_FORMAT, "a proof without its number");
	line = view_of(line.p + n_word, line.n - n_word);
	if (!decimal_read(line, ret))
		return err_new(ERR_FORMAT, "not a number");
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
	e = read_number(&text, proof_line, index_word, &index);
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

enum err evidence_split_check(struct view note, struct view text, const char *origin,
			      const struct verify_key *key)
{
	struct checkpoint told, c;
	struct digest root;
	struct proof proof;
	uint64_t size = 0;
	enum err e;

	ASSERT(key && origin);
	e = checkpoint_read(note, origin, key, &told);
	if (!e)
		e = read_number(&text, prefix_line, size_word, &size);
	if (!e)
		e = read_hashes(&text, &proof);
	if (!e)
		e = checkpoint_read(text, origin, key, &c);
	if (!e)
		e = merkle_prefix_root(size, c.size, &c.root, proof.hash, proof.n, &root);
	if (e)
		return err_trace(e);
	if (size != told.size || digest_eq(&root, &told.root))
		return err_new(ERR_PROOF, "the two do not contradict each other");
	return ERR_OK;
}

bool checkpoints_contradict(const struct checkpoint *a, const struct checkpoint *b)
{
	return strcmp(a->origin.text, b->origin.text) == 0 && a->size == b->size &&
	       !digest_eq(&a->root, &b->root);
}
