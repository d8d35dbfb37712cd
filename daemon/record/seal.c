#include <string.h>

#include "ledger/checkpoint.h"
#include "ledger/entry.h"
#include "ledger/merkle.h"
#include "record/manifest.h"

/* The SEAL entry says this manifest's digest. */
static enum err seal_entry_check(struct view bytes, const struct manifest *m)
{
	struct entry entry;
	enum err e;

	e = entry_decode(bytes, &entry);
	if (e)
		return err_trace(e);
	if (entry.kind != PB(ENTRY_KIND, SEAL))
		return err_new(ERR_INVALID, "seal: entry of another kind");
	if (!entry.has_body || !digest_eq(&entry.body_digest, &m->digest))
		return err_new(ERR_PROOF, "seal: entry names another manifest");
	return ERR_OK;
}

static enum err seal_proof_read(struct view hashes, struct proof *ret)
{
	if (hashes.n % DIGEST_BYTES != 0 || hashes.n / DIGEST_BYTES > MERKLE_PROOF_MAX)
		return err_new(ERR_INVALID, "seal: proof of %zu bytes", hashes.n);
	if (hashes.n)
		memcpy(ret->hash, hashes.p, hashes.n);
	ret->n = hashes.n / DIGEST_BYTES;
	return ERR_OK;
}

enum err seal_check(const struct pb_seal *seal, const struct manifest *m,
		    const struct agency_id *originator, const char *origin,
		    const struct verify_key *key)
{
	struct view entry = message_bytes(seal->has_entry, seal->entry);
	struct view note = message_bytes(seal->has_checkpoint, seal->checkpoint);
	struct checkpoint checkpoint;
	struct origin checked;
	struct digest leaf;
	struct proof proof;
	enum err e;

	ASSERT(key); /* without one, checkpoint_read() would only parse */
	if (!entry.n || !note.n || !seal->has_index)
		return err_new(ERR_INVALID, "seal: entry, index or checkpoint is missing");
	if (!agency_id_eq(originator, &m->terms.originator))
		return err_new(ERR_PROOF, "seal: the manifest is another originator's");
	e = seal_proof_read(message_bytes(seal->has_proof, seal->proof), &proof);
	if (e)
		return err_trace(e);
	e = seal_entry_check(entry, m);
	if (e)
		return err_trace(e);
	e = checkpoint_read(note, origin, key, &checkpoint);
	if (e)
		return err_trace(e);
	e = origin_check(view_str(checkpoint.origin.text), originator, &checked, NULL);
	if (e)
		return err_trace(e);
	if (seal->index >= checkpoint.size)
		return err_new(ERR_PROOF, "seal: index past the checkpoint");
	leaf = merkle_leaf(entry);
	return merkle_check_inclusion(&leaf, seal->index, checkpoint.size, proof.hash, proof.n,
				      &checkpoint.root);
}
