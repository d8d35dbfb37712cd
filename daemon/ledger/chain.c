#include "ledger/chain.h"

#include "base/buf.h"
#include "crypto/digest.h"

/* the NUL at their end is part of what is hashed */
static const char chain_domain[] = "amparo/v1/chain";
static const char link_domain[] = "amparo/v1/link";

struct chain_head chain_start(const char *origin, const struct agency_id *addressee)
{
	size_t n_origin = strlen(origin);
	uint8_t n[2][2];
	struct chain_head start = {.k = 0};

	ASSERT(n_origin <= UINT16_MAX && addressee->n_text <= UINT16_MAX);
	n[0][0] = (uint8_t)(n_origin >> 8);
	n[0][1] = (uint8_t)(n_origin & 0xff);
	n[1][0] = (uint8_t)(addressee->n_text >> 8);
	n[1][1] = (uint8_t)(addressee->n_text & 0xff);
	start.head = sha256_parts(
		(struct view[]){
			view_of(chain_domain, sizeof(chain_domain)),
			view_of(n[0], sizeof(n[0])),
			view_of(origin, n_origin),
			view_of(n[1], sizeof(n[1])),
			view_of(addressee->text, addressee->n_text),
		},
		5);
	return start;
}

struct chain_head chain_next(const struct chain_head *at, const struct digest *leaf)
{
	uint8_t k[8];
	struct chain_head next = {.k = at->k + 1};

	put_u64be(k, next.k);
	next.head = sha256_parts(
		(struct view[]){
			view_of(link_domain, sizeof(link_domain)),
			view_digest(&at->head),
			view_of(k, sizeof(k)),
			view_digest(leaf),
		},
		4);
	return next;
}
