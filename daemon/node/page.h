/**
 * @file
 * Lists of the local API, a piece at a time, so that neither a turn nor the replies that wait grow
 * with the ledger. A piece ends after PAGE_ROWS rows looked at (those left out count), PAGE_BYTES
 * of replies, or as many rows as the caller asked for; its last reply then says where the list goes
 * on (ListNext), by the key of the row looked at last. Nothing is kept here between two pieces.
 */
#ifndef NODE_PAGE_H
#define NODE_PAGE_H

#include "node/internal.h"

#define PAGE_ROWS 1000
#define PAGE_BYTES (256u * 1024)

/** A piece being made. */
struct page {
	struct asking *a;
	uint64_t left; /**< rows that may still be sent */
	size_t n_looked;
	size_t bytes_before;	  /**< replies of this turn, made for others */
	struct pb_list_next next; /**< where it goes on; kept by the caller, from row to row */
};

/**
 * Begin.
 *
 * @param ask       NULL: the first piece
 * @param[out] ret  its `next` is the `after` of the caller's, all zero in the first piece
 * @return false: `after` is none of this node's, which the caller has to be told
 */
bool page_begin(struct page *ret, struct asking *a, const struct pb_list_page *ask);

/** Before each row: may it be looked at? False: the piece ends before it, with page_end(). */
bool page_look(struct page *p);

/** Send a row. */
enum err page_row(struct page *p, struct pb_api_reply *reply) WARN_UNUSED;

/** End the piece. @p walked ERR_FULL: the list goes on at next; ERR_OK: it ends here */
enum err page_end(struct page *p, enum err walked) WARN_UNUSED;

#endif
