#include "record/manifest.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "crypto/digest.h"
#include "wire/codelist.h"
#include "wire/text.h"
#include "wire/varint.h"

#define COMMITMENTS_NUMBER 10 /* of ledger.proto; the last field of a Manifest */
#define RESTRICTIONS_MAX 8    /* room for more than ledger.proto knows */

static const char slice_domain[] = "amparo/v1/slice"; /* hashed with their ending NUL */
static const char manifest_domain[] = "amparo/v1/manifest";

struct digest slice_commitment(const uint8_t salt[SLICE_SALT_BYTES], struct view slice)
{
	const struct view parts[] = {
		view_of(slice_domain, sizeof(slice_domain)),
		view_of(salt, SLICE_SALT_BYTES),
		slice,
	};

	return sha256_parts(parts, ARRAY_LEN(parts));
}

struct digest manifest_digest(struct view manifest)
{
	const struct view parts[] = {
		view_of(manifest_domain, sizeof(manifest_domain)),
		manifest,
	};

	return sha256_parts(parts, ARRAY_LEN(parts));
}

size_t manifest_commitment_count(size_t n_slices, size_t n_previous)
{
	size_t least = n_slices > n_previous ? n_slices : n_previous;

	for (size_t n = COMMITMENTS_MIN; n <= COMMITMENTS_MAX; n *= 2)
		if (n >= least)
			return n;
	return 0;
}

size_t manifest_random_bytes(size_t n_slices, size_t n_previous)
{
	/* A salt is as long as a decoy. */
	return manifest_commitment_count(n_slices, n_previous) * DIGEST_BYTES;
}

static bool is_ascending(const uint8_t *commitments, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (memcmp(commitments + (i - 1) * DIGEST_BYTES, commitments + i * DIGEST_BYTES,
			   DIGEST_BYTES) >= 0)
			return false;
	return true;
}

static enum err terms_check(const struct manifest_terms *t)
{
	const struct codelist *restrictions = codelist_find("restriction");
	const struct codelist *tlp = codelist_find("tlp");

	ASSERT(restrictions && tlp);
	if (t->revision == 0 || t->has_previous != (t->revision > 1))
		return err_new(ERR_INVALID, "manifest: revision %u %s a previous one", t->revision,
			       t->has_previous ? "with" : "without");
	if (!record_type_name(t->type))
		return err_new(ERR_INVALID, "manifest: unknown record type");
	if (t->schema_version == 0)
		return err_new(ERR_INVALID, "manifest: no schema version");
	if (t->sealed_at_us == 0)
		return err_new(ERR_INVALID, "manifest: no time of sealing");
	if (t->tlp != 0 && (t->tlp < 0 || !codelist_has_number(tlp, (uint64_t)t->tlp)))
		return err_new(ERR_INVALID, "manifest: unknown TLP code");
	for (unsigned int i = 0; i < 32; i++)
		if ((t->restrictions & 1u << i) && !codelist_has_number(restrictions, i))
			return err_new(ERR_INVALID, "manifest: unknown restriction");
	if (t->restriction_text.n && !(t->restrictions & 1u << PB(RESTRICTION, H3_OTHER)))
		return err_new(ERR_INVALID, "manifest: words of a restriction without it");
	if (!text_is_valid(t->restriction_text))
		return err_new(ERR_TEXT, "manifest: words of a restriction");
	return ERR_OK;
}

/* Commitments and decoys, ascending, so that nobody sees which is which nor what comes first. */
static enum err commitments_make(const struct slice_set *slices, const uint8_t *random, size_t n,
				 struct digest *ret)
{
	for (size_t i = 0; i < slices->n; i++)
		ret[i] = slice_commitment(random + i * SLICE_SALT_BYTES, slices->slice[i].bytes);
	memcpy(ret + slices->n, random + slices->n * SLICE_SALT_BYTES,
	       (n - slices->n) * sizeof(*ret));
	qsort(ret, n, sizeof(*ret), digest_order);
	if (!is_ascending(ret->b, n))
		return err_new(ERR_CRYPTO, "random bytes repeat themselves");
	return ERR_OK;
}

static size_t handling_fill(const struct manifest_terms *t, struct pb_handling *handling,
			    Amparo__V1__Restriction restrictions[RESTRICTIONS_MAX])
{
	size_t n = 0;

	for (unsigned int i = 0; i < 32; i++)
		if (t->restrictions & 1u << i) {
			ASSERT(n < RESTRICTIONS_MAX);
			restrictions[n++] = (Amparo__V1__Restriction)i;
		}
	handling->n_restrictions = n;
	handling->restrictions = restrictions;
	handling->has_tlp = t->tlp != 0;
	handling->tlp = (Amparo__V1__Tlp)t->tlp;
	return n + (t->tlp != 0);
}

static enum err terms_encode(const struct manifest_terms *t, struct view commitments,
			     struct buf *out)
{
	struct pb_manifest pb = PB_MANIFEST_INIT;
	struct pb_handling handling = PB_HANDLING_INIT;
	Amparo__V1__Restriction restrictions[RESTRICTIONS_MAX];
	struct agency_id originator = t->originator;
	CLEANUP(freep) char *text = NULL;

	pb.has_record_id = 1;
	pb.record_id = message_borrow(view_of(t->record_id, RECORD_ID_BYTES));
	pb.has_revision = 1;
	pb.revision = t->revision;
	pb.has_previous = t->has_previous;
	pb.previous = message_borrow(view_digest(&t->previous));
	pb.has_record_type = 1;
	pb.record_type = (uint32_t)t->type;
	pb.has_schema_version = 1;
	pb.schema_version = t->schema_version;
	pb.originator = originator.text;
	pb.has_sealed_at_us = 1;
	pb.sealed_at_us = t->sealed_at_us;
	pb.has_retain_until_us = t->retain_until_us != 0;
	pb.retain_until_us = t->retain_until_us;
	if (handling_fill(t, &handling, restrictions))
		pb.handling = &handling;
	if (t->restriction_text.n) {
		text = calloc(1, t->restriction_text.n + 1);
		if (!text)
			return err_new(ERR_NOMEM, "restriction");
		memcpy(text, t->restriction_text.p, t->restriction_text.n);
		handling.other = text;
	}
	pb.has_commitments = 1;
	pb.commitments = message_borrow(commitments);
	/* the words of H3 alone have no limit of their own; nobody would read more than this */
	if (message_size(&pb) > MANIFEST_BYTES_MAX)
		return err_new(ERR_LIMIT, "the words of the restriction (H3) are too long");
	return message_encode(&pb, out);
}

enum err manifest_make(const struct manifest_terms *terms, const struct slice_set *slices,
		       const uint8_t *random, size_t n_random, struct buf *out)
{
	CLEANUP(freep) struct digest *commitments = NULL;
	size_t n = manifest_commitment_count(slices->n, terms->n_previous);
	enum err e;

	if (n == 0)
		return err_new(ERR_LIMIT, "record of %zu slices, at most %d", slices->n,
			       COMMITMENTS_MAX);
	if (slices->n == 0 || slices->type != terms->type)
		return err_new(ERR_INVALID, "no slices of this record type");
	if (n_random != n * DIGEST_BYTES)
		return err_new(ERR_INVALID, "%zu random bytes, not %zu", n_random,
			       n * DIGEST_BYTES);
	e = terms_check(terms);
	if (e)
		return err_trace(e);
	commitments = reallocarray(NULL, n, sizeof(*commitments));
	if (!commitments)
		return err_new(ERR_NOMEM, "%zu commitments", n);
	e = commitments_make(slices, random, n, commitments);
	if (e)
		return err_trace(e);
	return terms_encode(terms, view_of(commitments, n * DIGEST_BYTES), out);
}

static enum err handling_read(const struct pb_handling *pb, struct manifest_terms *t)
{
	if (!pb->has_tlp && pb->n_restrictions == 0 && !pb->other)
		return err_new(ERR_INVALID, "manifest: handling is empty");
	if (pb->has_tlp && pb->tlp <= 0)
		return err_new(ERR_INVALID, "manifest: unknown TLP code");
	t->tlp = pb->has_tlp ? (int)pb->tlp : 0;
	for (size_t i = 0; i < pb->n_restrictions; i++) {
		int number = (int)pb->restrictions[i];

		if (number <= 0 || number > 31)
			return err_new(ERR_INVALID, "manifest: unknown restriction");
		if (i > 0 && pb->restrictions[i] <= pb->restrictions[i - 1])
			return err_new(ERR_INVALID, "manifest: restrictions not ascending");
		t->restrictions |= 1u << number;
	}
	if (pb->other && pb->other[0] == '\0')
		return err_new(ERR_INVALID, "manifest: empty words of a restriction");
	return ERR_OK;
}

/*
 * Where the encoding holds the words of H3: the last field of the field before the commitments.
 * The message's own copy ends with it.
 */
static struct view restriction_text(const struct pb_manifest *pb, struct view in)
{
	size_t n_behind =
		pb->has_commitments ? wire_bytes_size(COMMITMENTS_NUMBER, pb->commitments.len) : 0;
	size_t n = pb->handling && pb->handling->other ? strlen(pb->handling->other) : 0;

	return n ? view_of(in.p + in.n - n_behind - n, n) : view_of(NULL, 0);
}

static enum err terms_read(const struct pb_manifest *pb, struct view in, struct manifest_terms *ret)
{
	struct manifest_terms t = {0};
	struct view record_id = message_bytes(pb->has_record_id, pb->record_id);
	struct view previous = message_bytes(pb->has_previous, pb->previous);
	enum err e;

	if (record_id.n != RECORD_ID_BYTES)
		return err_new(ERR_INVALID, "manifest: record id of %zu bytes", record_id.n);
	memcpy(t.record_id, record_id.p, RECORD_ID_BYTES);
	t.revision = pb->has_revision ? pb->revision : 0;
	t.has_previous = pb->has_previous;
	if (t.has_previous && !digest_from_view(&t.previous, previous))
		return err_new(ERR_INVALID, "manifest: previous of %zu bytes", previous.n);
	if (!pb->has_record_type ||
	    (pb->record_type != RECORD_VICTIM && pb->record_type != RECORD_CASE))
		return err_new(ERR_INVALID, "manifest: unknown record type");
	t.type = (enum record_type)pb->record_type;
	t.schema_version = pb->has_schema_version ? pb->schema_version : 0;
	if (!pb->originator)
		return err_new(ERR_INVALID, "manifest: no originator");
	e = agency_id_parse(view_str(pb->originator), &t.originator);
	if (e)
		return err_trace(e);
	t.sealed_at_us = pb->has_sealed_at_us ? pb->sealed_at_us : 0;
	if (pb->has_retain_until_us && pb->retain_until_us == 0)
		return err_new(ERR_INVALID, "manifest: retained until 0");
	t.retain_until_us = pb->has_retain_until_us ? pb->retain_until_us : 0;
	if (pb->handling) {
		e = handling_read(pb->handling, &t);
		if (e)
			return err_trace(e);
	}
	t.restriction_text = restriction_text(pb, in);
	e = terms_check(&t);
	if (e)
		return err_trace(e);
	*ret = t;
	return ERR_OK;
}

static bool is_count(size_t n)
{
	return n >= COMMITMENTS_MIN && n <= COMMITMENTS_MAX && (n & (n - 1)) == 0;
}

enum err manifest_read(struct view in, struct manifest *ret)
{
	CLEANUP(message_freep) struct pb_manifest *pb = NULL;
	struct manifest m = {0};
	size_t n_bytes;
	enum err e;

	if (in.n > MANIFEST_BYTES_MAX)
		return err_new(ERR_LIMIT, "manifest of %zu bytes", in.n);
	e = message_decode(&pb_manifest_desc, in, MESSAGE_BORROW, &pb);
	if (e)
		return err_trace(e);
	e = terms_read(pb, in, &m.terms);
	if (e)
		return err_trace(e);
	n_bytes = pb->has_commitments ? pb->commitments.len : 0;
	m.n = n_bytes / DIGEST_BYTES;
	if (n_bytes % DIGEST_BYTES != 0 || !is_count(m.n))
		return err_new(ERR_INVALID, "manifest: %zu bytes of commitments", n_bytes);
	/* Canonical, and the last field: they are the tail of what was read. */
	m.commitments = view_of(in.p + in.n - n_bytes, n_bytes);
	if (!is_ascending(m.commitments.p, m.n))
		return err_new(ERR_INVALID, "manifest: commitments not strictly ascending");
	m.digest = manifest_digest(in);
	*ret = m;
	return ERR_OK;
}

bool manifest_has(const struct manifest *m, const struct digest *commitment)
{
	return m->n > 0 && bsearch(commitment, m->commitments.p, m->n, DIGEST_BYTES, digest_order);
}

enum err manifest_check_opening(const struct manifest *m, struct view salt, struct view slice,
				struct digest *ret_commitment, const struct field **ret_unit)
{
	const struct field *unit;
	struct digest commitment;
	enum err e;

	if (salt.n != SLICE_SALT_BYTES)
		return err_new(ERR_INVALID, "salt of %zu bytes", salt.n);
	if (slice.n > RECORD_BYTES_MAX)
		return err_new(ERR_LIMIT, "slice of %zu bytes", slice.n);
	commitment = slice_commitment(salt.p, slice);
	if (!manifest_has(m, &commitment))
		return err_new(ERR_PROOF, "opening of no commitment of the manifest");
	e = slice_check(m->terms.type, slice, &unit);
	if (e)
		return err_trace(e);
	*ret_commitment = commitment;
	*ret_unit = unit;
	return ERR_OK;
}
