/**
 * @file
 * Disclosures to us that were checked and stored lately: a record is often referred again, to the
 * same extent. Of each is kept a digest over all that its checks look at, so that the same again
 * needs none of them: neither its manifest nor its seal is read, no slice is hashed, nothing is
 * compared with what stands in the database.
 *
 * The digest covers the bytes of the disclosure as the body holds them (manifest, seal, what is
 * opened), each opening beside it, who sends it, and what the agreement was asked: its digest,
 * purpose, consent. What the checks ask besides does not take back a result: the schema is this
 * program's, what a pinned key signed stays signed, and openings are added under a manifest, never
 * exchanged. Whoever deletes a manifest, or pins another key, forgets all of this. That the
 * agreement is in force and valid is checked each time, before.
 */
#ifndef NODE_DISCLOSED_H
#define NODE_DISCLOSED_H

#include "base/digest.h"
#include "base/err.h"
#include "record/manifest.h"
#include "wire/message.h"

/* 4,096 in all. In sets, so that some thousand in turn do not push each other out. */
#define DISCLOSED_SETS 512 /**< a power of two, at most 65,536 */
#define DISCLOSED_WAYS 8

/** What a digest stands for. */
struct disclosed {
	struct digest digest; /**< all zero: nothing */
	uint8_t record_id[RECORD_ID_BYTES];
};

/** Those that are kept. All zero is none. */
struct disclosed_memo {
	struct disclosed of[DISCLOSED_SETS][DISCLOSED_WAYS];
	uint8_t next[DISCLOSED_SETS]; /**< which one of the set goes next */
};

/** What a disclosure at request is checked for and by. */
struct disclosed_case {
	struct view disclosure; /**< as the body holds it */
	struct pb_opening *const *openings;
	size_t n_openings;
	int64_t peer; /**< who brought it: row id */
	struct digest agreement;
	int purpose;
	bool has_consent;
};

/** The digest over all of it; or ERR_NOMEM. */
enum err disclosed_digest(const struct disclosed_case *c, struct digest *ret) WARN_UNUSED;

/** The one of this digest, good until another is added; NULL: it is not known. */
const struct disclosed *disclosed_find(const struct disclosed_memo *m, const struct digest *digest);

/** Keep one whose every check was passed and all of which was written in this transaction. */
void disclosed_add(struct disclosed_memo *m, const struct disclosed *d);

/** Forget all: a transaction is taken back. */
void disclosed_forget(struct disclosed_memo *m);

#endif
