/**
 * @file
 * Disclosures to us that were checked and stored lately: a record is often referred again, to the
 * same extent. Of each are kept the bytes that its checks look at, so that the very same again
 * needs none of them: neither its manifest nor its seal is read, no slice is hashed, nothing is
 * compared with what stands in the database.
 *
 * The bytes are those of the disclosure as the body holds it (manifest, seal, what is opened), of
 * each opening beside it, and with them who sends it and what the agreement was asked: its digest,
 * purpose, consent. What the checks ask besides does not take back a result: the schema is this
 * program's, what a pinned key signed stays signed, and openings are added under a manifest, never
 * exchanged. Whoever deletes a manifest, or pins another key, forgets all of this. That the
 * agreement is in force and valid is checked each time, before.
 *
 * They are personal data, as a record that is kept open: wiped when they are forgotten, and all of
 * them when nothing was looked for for a while.
 */
#ifndef NODE_DISCLOSED_H
#define NODE_DISCLOSED_H

#include "base/digest.h"
#include "node/bodies.h"
#include "record/manifest.h"
#include "wire/message.h"

#define DISCLOSED_BYTES_MAX (8u << 20) /**< of those kept, together; the oldest goes first */
#define DISCLOSED_KEPT_MS 5000	       /**< after one was looked for last */
#define DISCLOSED_BUCKETS 2048	       /**< a power of two, at most 65,536 */
#define DISCLOSED_WAYS 8 /**< in a bucket: a look costs no more, whatever digests a peer picks */

struct disclosed;

/** Those that are kept. All zero is none; no memory is held for none. */
struct disclosed_memo {
	struct disclosed *bucket[DISCLOSED_BUCKETS]; /**< by the manifest's digest, newest first */
	struct disclosed *newest, *oldest;
	size_t n, n_bytes;
	bool is_used;	  /**< since the last tick */
	uint64_t used_ms; /**< by the tick, monotonic */
};

/** What a disclosure at request is checked for and by. Borrows all of it. */
struct disclosed_case {
	struct view disclosure; /**< as the body holds it */
	struct digest manifest; /**< that it names */
	struct pb_opening *const *openings;
	size_t n_openings;
	int64_t peer; /**< who brought it: row id */
	struct digest agreement;
	int purpose;
	bool has_consent;
};

/** What was learnt of one. */
struct disclosed_record {
	uint8_t id[RECORD_ID_BYTES];
	struct held_seal seal; /**< that it carries */
};

/** Was the very same kept? Good until another is added; NULL: it is not known. */
const struct disclosed_record *disclosed_find(struct disclosed_memo *m,
					      const struct disclosed_case *c);

/** Keep one whose every check was passed and all of which was written in this transaction. One for
 * which there is no room or no memory is not kept: it will be checked again. */
void disclosed_add(struct disclosed_memo *m, const struct disclosed_case *c,
		   const struct disclosed_record *record);

/** Forget all, wiping them: a transaction is taken back, the node is closed. */
void disclosed_forget(struct disclosed_memo *m);

/** Forget them when nothing was looked for for DISCLOSED_KEPT_MS. At the end of each turn. */
void disclosed_tick(struct disclosed_memo *m, uint64_t now_ms);
/** When that is, as of the last tick; UINT64_MAX: never. */
uint64_t disclosed_deadline_ms(const struct disclosed_memo *m);

#endif
