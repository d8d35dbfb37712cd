/**
 * @file
 * Tables of own records and their revisions. Nothing personal stands in a column: contents are
 * blobs. Rules: store/store.h.
 */
#ifndef STORE_RECORD_TABLE_H
#define STORE_RECORD_TABLE_H

#include "store/ledger_table.h"
#include "store/store.h"

#define STORE_RECORD_ID_BYTES 16

/** One revision of an own record. */
struct record_row {
	uint8_t id[STORE_RECORD_ID_BYTES];
	uint32_t revision;
	int type;
	struct digest manifest;
	uint64_t seal_index; /**< of the SEAL entry in this node's ledger */
	uint64_t seal_epoch; /**< in which of its epochs */
	uint8_t record_blob[STORE_ID_BYTES];
	uint8_t salts_blob[STORE_ID_BYTES];
	uint8_t label_blob[STORE_ID_BYTES];
	uint64_t time_us;
	uint64_t num; /**< of the record, in the order of first import, 1..; not written */
};

/** @retval ERR_EXISTS  a revision as new is there, or the manifest */
enum err record_put(struct store *s, const struct record_row *row) WARN_UNUSED;
/** The newest revision. @retval ERR_NOT_FOUND */
enum err record_get(struct store *s, const uint8_t id[STORE_RECORD_ID_BYTES],
		    struct record_row *ret) WARN_UNUSED;
enum err record_get_manifest(struct store *s, const struct digest *manifest,
			     struct record_row *ret) WARN_UNUSED;
/** Newest revisions of the own records with num > @p after, oldest record first. */
enum err record_walk(struct store *s, uint64_t after,
		     enum err (*row)(void *ctx, const struct record_row *row),
		     void *ctx) WARN_UNUSED;
/** Newest revisions of those whose id begins with @p prefix, 1..16 bytes; by id. */
enum err record_walk_id(struct store *s, struct view prefix,
			enum err (*row)(void *ctx, const struct record_row *row),
			void *ctx) WARN_UNUSED;
enum err record_count(struct store *s, uint64_t *ret) WARN_UNUSED;

#endif
