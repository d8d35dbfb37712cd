/* Agreements held, and which one is in force with a peer. */
#include <stdlib.h>

#include "node/internal.h"

enum err agreement_load(struct node *n, const struct digest *digest, const struct agreement **ret)
{
	CLEANUP(agreement_freep) struct agreement *parsed = NULL;
	struct cached_agreement *c;
	struct buf file = {0};
	enum err e;

	for (c = n->agreements; c; c = c->next) {
		if (digest_eq(&c->digest, digest)) {
			*ret = c->agreement;
			return ERR_OK;
		}
	}
	e = agreement_get(n->store, digest, &file);
	if (!e)
		e = agreement_parse(buf_view(&file), &parsed);
	buf_fini(&file);
	/* adopted under another version's schema: as good as not held, and no entry that names it
	 * may fail the turn */
	if (e == ERR_INVALID || e == ERR_LIMIT)
		return err_new(ERR_NOT_FOUND, "an agreement held here is not readable any more");
	if (e)
		return err_trace(e);
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_new(ERR_NOMEM, "agreement");
	c->digest = *digest;
	c->agreement = TAKE(parsed);
	c->next = n->agreements;
	n->agreements = c;
	*ret = c->agreement;
	return ERR_OK;
}

static enum err load_one(void *ctx, const struct digest *digest, struct view file)
{
	const struct agreement *a;
	enum err e = agreement_load(ctx, digest, &a);

	(void)file;
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err agreements_load(struct node *n)
{
	return agreement_walk(n->store, load_one, n);
}

void agreements_free(struct node *n)
{
	while (n->agreements) {
		struct cached_agreement *c = n->agreements;

		n->agreements = c->next;
		agreement_free(c->agreement);
		free(c);
	}
}

static struct adoption adoption_of(const struct adoption_row *row, bool by_peer)
{
	if (by_peer)
		return (struct adoption){.sender_adopt_k = row->their_k,
					 .sender_withdraw_k = row->their_withdraw_k,
					 .receiver_adopt_k = row->our_k,
					 .receiver_withdraw_k = row->our_withdraw_k};
	return (struct adoption){.sender_adopt_k = row->our_k,
				 .sender_withdraw_k = row->our_withdraw_k,
				 .receiver_adopt_k = row->their_k,
				 .receiver_withdraw_k = row->their_withdraw_k};
}

enum err agreement_judged(struct node *n, const struct peer *p, const struct digest *digest,
			  bool by_peer, uint64_t k, uint64_t seen_k, bool *ret)
{
	struct adoption_row row;
	struct adoption x;
	enum err e = adoption_get(n->store, p->row.id, digest, &row);

	*ret = false;
	if (e == ERR_NOT_FOUND)
		return ERR_OK;
	if (e)
		return err_trace(e);
	x = adoption_of(&row, by_peer);
	*ret = adoption_in_force(&x, k, seen_k);
	if (*ret || !by_peer)
		return ERR_OK;
	/* The peer's own side is its newest: its entries come in order. Of ours it may know less
	 * than there is by now: what stood then counts. */
	x.receiver_adopt_k = seen_k;
	x.receiver_withdraw_k = 0;
	if (!adoption_in_force(&x, k, seen_k))
		return ERR_OK;
	e = adoption_past_has(n->store, p->row.id, digest, seen_k, ret);
	return e ? err_trace(e) : ERR_OK;
}

/* The search for the agreement of an entry that we would write now: of those in force the one that
 * we adopted last. */
struct search {
	struct node *n;
	struct peer *p;
	int purpose; /* 0: any */
	const struct agreement *found;
	uint64_t found_k;
	bool is_awaited, has_both, has_valid;
	bool is_withdrawn_here, is_withdrawn_there;
};

static enum err consider(void *ctx, const struct adoption_row *row)
{
	struct search *s = ctx;
	struct adoption x = adoption_of(row, false);
	const struct agreement *a;
	enum err e;

	if (row->our_withdraw_k)
		s->is_withdrawn_here = true;
	else if (row->our_k && row->their_withdraw_k)
		s->is_withdrawn_there = true;
	else if (row->our_k)
		s->is_awaited = true;
	if (!adoption_in_force(&x, s->p->row.sent_k + 1, s->p->row.received_k))
		return ERR_OK;
	s->has_both = true;
	e = agreement_load(s->n, &row->digest, &a);
	if (e == ERR_NOT_FOUND)
		return ERR_OK;
	if (e)
		return err_trace(e);
	if (!agreement_is_valid_at(a, ledger_time_us(s->n)))
		return ERR_OK;
	s->has_valid = true;
	if ((s->purpose && !agreement_has_purpose(a, s->purpose)) ||
	    (s->found && row->our_k < s->found_k))
		return ERR_OK;
	s->found = a;
	s->found_k = row->our_k;
	return ERR_OK;
}

static enum err search(struct search *s)
{
	return adoption_walk(s->n->store, s->p->row.id, consider, s);
}

static const char *why_none(const struct search *s)
{
	if (s->has_valid)
		return "no agreement in force with this peer knows the purpose";
	if (s->has_both)
		return "the agreement with this peer is not valid today";
	if (s->is_awaited)
		return "the peer has not adopted the same agreement file";
	if (s->is_withdrawn_there)
		return "the peer has withdrawn the agreement";
	if (s->is_withdrawn_here)
		return "the agreement with this peer is withdrawn here";
	return "no agreement with this peer is adopted here";
}

enum err agreement_for(struct node *n, struct peer *p, int purpose, const struct agreement **ret)
{
	struct search s = {.n = n, .p = p, .purpose = purpose};
	enum err e = search(&s);

	if (e)
		return err_trace(e);
	if (!s.found)
		return err_new(ERR_NOT_FOUND, "%s", why_none(&s));
	*ret = s.found;
	return ERR_OK;
}

enum err agreement_in_force_name(struct node *n, struct peer *p, const char **ret)
{
	struct search s = {.n = n, .p = p};
	enum err e = search(&s);

	*ret = e || !s.found ? NULL : agreement_name(s.found);
	return e ? err_trace(e) : ERR_OK;
}
