#include "exchange/receipt.h"

#include <string.h>

enum err receipt_make(const struct checkpoint *rests_on, const struct item_outcome *outcome,
		      size_t n, const struct digest *head, struct buf *out)
{
	struct pb_receipt m = PB_RECEIPT_INIT;
	struct pb_exception exception[BATCH_ITEMS_MAX];
	struct pb_exception *list[BATCH_ITEMS_MAX];
	struct origin origin = rests_on->origin;
	size_t n_exception = 0;

	ASSERT(n >= 1 && n <= BATCH_ITEMS_MAX);
	for (size_t i = 0; i < n; i++) {
		if (outcome[i].status == 0)
			continue;
		struct pb_exception *x = &exception[n_exception];

		*x = (struct pb_exception)PB_EXCEPTION_INIT;
		x->has_k = x->has_status = 1;
		x->k = outcome[i].k;
		x->status = (Amparo__V1__ExceptionStatus)outcome[i].status;
		x->has_reason = outcome[i].reason != 0;
		x->reason = x->has_reason ? (Amparo__V1__RefusalReason)outcome[i].reason
					  : PB(REFUSAL_REASON, UNREADABLE);
		list[n_exception++] = x;
	}
	m.origin = origin.text;
	m.has_size = m.has_root = m.has_from_k = m.has_to_k = m.has_head = 1;
	m.size = rests_on->size;
	m.root = message_borrow(view_digest(&rests_on->root));
	m.from_k = outcome[0].k;
	m.to_k = outcome[n - 1].k;
	m.head = message_borrow(view_digest(head));
	m.n_exceptions = n_exception;
	m.exceptions = list;
	return message_encode(&m, out);
}

static enum err check_exceptions(const struct pb_receipt *r)
{
	uint64_t last_k = r->from_k - 1;

	if (r->n_exceptions > r->to_k - r->from_k + 1)
		return err_new(ERR_INVALID, "receipt has more exceptions than positions");
	for (size_t i = 0; i < r->n_exceptions; i++) {
		const struct pb_exception *x = r->exceptions[i];

		if (!x->has_k || !x->has_status || x->k <= last_k || x->k > r->to_k)
			return err_new(ERR_INVALID, "receipt's exceptions are not in order");
		if ((x->status == PB(EXCEPTION_STATUS, REFUSED)) != (x->has_reason != 0) ||
		    !message_enum_code(&amparo__v1__exception_status__descriptor, (int)x->status))
			return err_new(ERR_INVALID, "receipt refuses without a reason");
		last_k = x->k;
	}
	return ERR_OK;
}

enum err receipt_check(const struct pb_receipt *r, const char *our_origin, uint64_t delivered_k,
		       uint64_t sent_k)
{
	if (!r->origin || !r->has_size || !r->has_root || !r->has_from_k || !r->has_to_k ||
	    !r->has_head || r->root.len != DIGEST_BYTES || r->head.len != DIGEST_BYTES)
		return err_new(ERR_INVALID, "receipt lacks a field");
	if (strcmp(r->origin, our_origin) != 0)
		return err_new(ERR_INVALID, "receipt is for another ledger");
	if (r->from_k != delivered_k + 1 || r->to_k < r->from_k || r->to_k > sent_k)
		return err_new(ERR_INVALID, "receipt's range does not follow what is delivered");
	return check_exceptions(r);
}
