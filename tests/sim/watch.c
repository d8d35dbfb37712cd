#include "watch.h"

#include <stdlib.h>
#include <string.h>

#include "inspect.h"
#include "ledger/checkpoint.h"

/* --- what is seen of a ledger --- */

struct seen *watch_new(void)
{
	struct seen *s = calloc(1, sizeof(*s));

	ASSERT(s);
	s->root = malloc(sizeof(*s->root));
	s->note = calloc(1, sizeof(*s->note));
	ASSERT(s->root && s->note);
	s->root[0] = merkle_empty();
	return s;
}

void watch_free(struct seen *s)
{
	for (size_t i = 0; s && i < WORLD_AGENCIES_MAX; i++) {
		free(s->to[i].leaf);
		free(s->to[i].head);
	}
	if (s) {
		free(s->leaf);
		free(s->root);
		free(s->note);
		free(s->kind);
		free(s->referral);
	}
	free(s);
}

static void *grow(void *p, uint64_t n, size_t size)
{
	p = realloc(p, n * size);
	ASSERT(p);
	return p;
}

static void chain_add(struct world *w, struct chain_seen *c, const struct agency *from,
		      const struct agency *to, const struct entry *entry, const struct digest *leaf)
{
	struct chain_head at;

	if (c->n + 1 >= c->cap) {
		c->cap = c->cap ? 2 * c->cap : 32;
		c->leaf = grow(c->leaf, c->cap, sizeof(*c->leaf));
		c->head = grow(c->head, c->cap, sizeof(*c->head));
	}
	if (c->n == 0)
		c->head[0] = chain_start(from->seen->origin, &to->id).head;
	MUST(w, entry->k == c->n + 1 && digest_eq(&entry->prev_head, &c->head[c->n]));
	at = (struct chain_head){.k = c->n, .head = c->head[c->n]};
	at = chain_next(&at, leaf);
	c->leaf[c->n++] = *leaf;
	c->head[c->n] = at.head;
}

struct agency *watch_agency(struct world *w, const struct agency_id *id)
{
	for (size_t i = 0; i < w->n_agency; i++)
		if (agency_id_eq(&w->agency[i].id, id))
			return &w->agency[i];
	return NULL;
}

static void ledger_add(struct agency *a, const struct entry_row *row)
{
	struct world *w = a->world;
	struct seen *s = a->seen;
	struct digest leaf = merkle_leaf(row->entry);
	struct entry entry;

	MUST(w, digest_eq(&leaf, &row->leaf));
	MUST(w, entry_decode(row->entry, &entry) == ERR_OK);
	/* time never goes back, and is no other than that of this node's clock */
	MUST(w, entry.time_us >= s->last_time_us);
	MUST(w,
	     entry.time_us == s->last_time_us || entry.time_us <= s->turn_wall_us || s->is_opening);
	s->last_time_us = entry.time_us;
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 64;
		s->leaf = grow(s->leaf, s->cap, sizeof(*s->leaf));
		s->root = grow(s->root, s->cap + 1, sizeof(*s->root));
		s->note = grow(s->note, s->cap + 1, sizeof(*s->note));
		s->kind = grow(s->kind, s->cap, 1);
	}
	frontier_append(&s->frontier, &leaf, NULL, NULL);
	s->leaf[s->n] = leaf;
	s->kind[s->n++] = (uint8_t)entry.kind;
	s->root[s->n] = frontier_root(&s->frontier);
	s->note[s->n] = (struct digest){0};
	w->tally.n_entries++;
	if (entry_kind_is_addressed((int)entry.kind)) {
		struct agency *to = watch_agency(w, &entry.addressee);

		MUST(w, to && to != a);
		chain_add(w, &s->to[to->index], a, to, &entry, &leaf);
	}
}

bool watch_holds(const struct agency *a, const struct digest *leaf)
{
	for (uint64_t i = a->seen->n; i-- > 0;)
		if (digest_eq(&a->seen->leaf[i], leaf))
			return true;
	return false;
}

uint64_t watch_count(const struct agency *a, int kind)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < a->seen->n; i++)
		n += a->seen->kind[i] == kind;
	return n;
}

struct referral_seen *watch_referral(struct agency *a, const struct digest *leaf)
{
	for (size_t i = 0; i < a->seen->n_referral; i++)
		if (digest_eq(&a->seen->referral[i].leaf, leaf))
			return &a->seen->referral[i];
	return NULL;
}

/* --- the node against it --- */

/* The watch reads the same disk; what fails for a fault set there is the node's to find. */
static bool may_fail(const struct agency *a)
{
	return disk_has_failed(a->disk);
}

static bool read_on(struct agency *a, const struct look *look)
{
	struct seen *s = a->seen;
	const uint64_t before = s->n;

	MUST(a->world, look->size >= s->n);
	while (s->n < look->size) {
		struct entry_row row;
		enum err e = entry_get(look->store, look->epoch, s->n, &row);

		if (e && may_fail(a)) {
			err_clear();
			return false;
		}
		MUST(a->world, e == ERR_OK);
		ledger_add(a, &row);
	}
	if (s->n > before)
		trace_say(a->world, "%s: committed, ledger %llu -> %llu, newest kind %u", a->label,
			  (unsigned long long)before, (unsigned long long)s->n, s->kind[s->n - 1]);
	MUST(a->world, digest_eq(&look->root, &s->root[s->n]));
	return true;
}

void watch_note(struct agency *a, struct view note)
{
	static const struct digest none;
	const struct digest digest = merkle_leaf(note);
	struct world *w = a->world;
	struct seen *s = a->seen;
	struct checkpoint c;

	MUST(w, checkpoint_read(note, s->origin, NULL, &c) == ERR_OK);
	MUST(w, c.size <= s->n && digest_eq(&c.root, &s->root[c.size]));
	if (digest_eq(&s->note[c.size], &digest))
		return;
	MUST(w, digest_eq(&s->note[c.size], &none));
	MUST(w, checkpoint_read(note, s->origin, seal_key_public(a->seal_key), &c) == ERR_OK);
	s->note[c.size] = digest;
	w->tally.n_checkpoints++;
}

static bool check_received(struct agency *a, struct agency *from, const struct look *look,
			   const struct peer_row *row)
{
	struct pair_seen *p = &a->seen->pair[from->index];
	const struct chain_seen *chain = &from->seen->to[a->index];
	struct world *w = a->world;

	MUST(w, row->received_k >= p->received_k && row->received_k <= chain->n);
	while (p->received_k < row->received_k) {
		struct received_row item;
		enum err e =
			received_get(look->store, row->id, row->epoch, p->received_k + 1, &item);

		if (e && may_fail(a)) {
			err_clear();
			return false;
		}
		MUST(w, e == ERR_OK);
		MUST(w, digest_eq(&item.leaf, &chain->leaf[p->received_k]));
		MUST(w, item.status == 0); /* nobody here writes what is to be refused */
		p->received_k++;
	}
	if (row->received_k)
		MUST(w, digest_eq(&row->received_head, &chain->head[row->received_k]));
	return true;
}

static bool check_pair(struct agency *a, const struct look *look, const struct peer_row *row)
{
	struct world *w = a->world;
	struct agency *other = watch_agency(w, &row->agency);
	const struct chain_seen *sent;
	struct pair_seen *p;

	MUST(w, other && !row->stopped); /* everybody here is honest */
	p = &a->seen->pair[other->index];
	sent = &a->seen->to[other->index];
	MUST(w, row->sent_k == sent->n);
	MUST(w, sent->n == 0 || digest_eq(&row->sent_head, &sent->head[sent->n]));
	if (!check_received(a, other, look, row))
		return false;
	MUST(w, row->receipted_k >= p->receipted_k && row->receipted_k <= row->received_k);
	MUST(w, row->delivered_k >= p->delivered_k && row->delivered_k <= sent->n);
	/* what counts as delivered, the other side has committed */
	MUST(w, row->delivered_k <= other->seen->pair[a->index].received_k);
	MUST(w, row->held_size >= p->held_size && row->held_size <= other->seen->n);
	if (row->held_size)
		MUST(w, digest_eq(&row->held_root, &other->seen->root[row->held_size]));
	p->receipted_k = row->receipted_k;
	p->delivered_k = row->delivered_k;
	p->held_size = row->held_size;
	return true;
}

void watch_turn(struct agency *a)
{
	a->seen->is_current = false;
}

void watch_step(struct agency *a)
{
	struct world *w = a->world;
	struct look look = inspect_node(a->node);
	bool connected;

	if (w->is_unwatched || a->is_damaged || a->seen->is_current || look.in_transaction)
		return;
	MUST(w, strcmp(look.origin, a->seen->origin) == 0);
	MUST(w, (node_hold(a->node) != NULL) == a->seen->must_hold);
	if (a->seen->must_hold)
		MUST(w, look.size == (a->seen->begun_size ? a->seen->begun_size : a->seen->n));
	a->seen->begun_size = 0;
	if (!read_on(a, &look))
		return;
	MUST(w, look.signed_size == look.size);
	watch_note(a, look.note);
	for (size_t i = 0; i < look.n_peer; i++)
		if (!check_pair(a, &look, inspect_peer(a->node, i, &connected)))
			return;
	a->seen->is_current = true;
}

/* Everything that was ever committed, entry by entry. */
static void compare_all(struct agency *a, const struct look *look)
{
	struct world *w = a->world;
	struct seen *s = a->seen;
	struct digest *leaf = calloc(s->n + 1, sizeof(*leaf));
	enum err e = ERR_OK;

	ASSERT(leaf);
	MUST(w, look->size >= s->n);
	if (s->n)
		e = entry_leaves(look->store, look->epoch, 0, s->n, leaf);
	if (e && may_fail(a)) {
		err_clear();
	} else {
		MUST(w, e == ERR_OK);
		MUST(w, !s->n || memcmp(leaf, s->leaf, s->n * sizeof(*leaf)) == 0);
	}
	free(leaf);
}

void watch_confirmed(struct agency *a)
{
	struct seen *s = a->seen;

	s->must_hold = false;
	s->wall_us = s->confirmed_wall_us = agency_utc_us(a);
	s->mono_ms = agency_mono_ms(a);
	s->confirmed_time_us = s->last_time_us;
}

/* Before the newest entry, and the operator did not say that this is right. */
static bool is_behind(const struct seen *s, uint64_t wall, uint64_t newest_us)
{
	return wall + WATCH_CLOCK_SLACK_US < newest_us &&
	       (newest_us > s->confirmed_time_us ||
		wall + WATCH_CLOCK_SLACK_US < s->confirmed_wall_us);
}

void watch_opened(struct agency *a)
{
	struct look look = inspect_node(a->node);
	struct entry_row row;
	struct entry entry;

	if (a->world->is_unwatched || a->is_damaged)
		return;
	if (!a->seen->n)
		memcpy(a->seen->origin, look.origin, strlen(look.origin) + 1);
	compare_all(a, &look);
	if (entry_get(look.store, look.epoch, look.size - 1, &row) ||
	    entry_decode(row.entry, &entry)) {
		MUST(a->world, may_fail(a));
		err_clear();
		return;
	}
	/* at start the ledger is all that the clock can be held against */
	a->seen->must_hold = is_behind(a->seen, agency_utc_us(a), entry.time_us);
	a->world->tally.n_holds += a->seen->must_hold;
	/* it may have committed what nobody saw before it went down */
	a->seen->is_opening = true;
	if (!a->seen->must_hold || read_on(a, &look)) {
		watch_turn(a);
		watch_step(a);
	}
	a->seen->is_opening = false;
}

void watch_clock(struct agency *a, bool is_start)
{
	struct seen *s = a->seen;
	const uint64_t wall = agency_utc_us(a), mono = agency_mono_ms(a);
	const uint64_t expected = s->wall_us + (mono - s->mono_ms) * 1000;
	const uint64_t moved = wall > expected ? wall - expected : expected - wall;

	if (is_start || !inspect_node(a->node).is_in_turn || wall > s->turn_wall_us)
		s->turn_wall_us = wall;
	if (is_start) {
		s->must_hold = false;
		s->begun_size = 0;
	} else if (!s->must_hold &&
		   (moved > WATCH_CLOCK_SLACK_US || is_behind(s, wall, s->last_time_us))) {
		s->must_hold = true;
		if (inspect_node(a->node).in_transaction)
			s->begun_size = inspect_node(a->node).size;
		a->world->tally.n_holds++;
		trace_say(a->world, "%s: must sign nothing now: its clock moved by %llu s",
			  a->label, (unsigned long long)(moved / SECOND_US));
	}
	if (is_start || mono - s->mono_ms >= WATCH_CLOCK_WINDOW_MS) {
		s->wall_us = wall;
		s->mono_ms = mono;
	}
}
