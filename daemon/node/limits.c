#include "node/limits.h"

#include "base/log.h"

#define DAY_S UINT64_C(86400)
#define MIB (UINT64_C(1) << 20)

struct node_limits limits_or_usual(const struct node_limits *l)
{
	return (struct node_limits){
		.reserve_bytes = l->reserve_bytes ? l->reserve_bytes : NODE_RESERVE_BYTES,
		.peer_entries_a_day =
			l->peer_entries_a_day ? l->peer_entries_a_day : NODE_PEER_ENTRIES_A_DAY,
		.peer_notes_a_day =
			l->peer_notes_a_day ? l->peer_notes_a_day : NODE_PEER_NOTES_A_DAY,
		.peer_bytes_held = l->peer_bytes_held ? l->peer_bytes_held : NODE_PEER_BYTES_HELD,
		.window_items = l->window_items && l->window_items < WINDOW_ITEMS ? l->window_items
										  : WINDOW_ITEMS,
		.step_requests = l->step_requests ? l->step_requests : NODE_STEP_REQUESTS,
	};
}

/* --- the disk --- */

/* Back to enough only when a little more than the reserve is free: space that comes and goes at the
 * line would be said each time. */
static enum room room_of(const struct node *n)
{
	const uint64_t reserve = n->limits.reserve_bytes;
	const uint64_t enough = n->room == ROOM_ENOUGH ? reserve : reserve + reserve / 16;

	if (n->free_bytes < reserve / 4)
		return ROOM_LAST;
	return n->free_bytes < enough ? ROOM_RESERVE : ROOM_ENOUGH;
}

/* Peers that were told to come back later need not wait longer; we go to them at once. */
static void end_pauses(struct node *n)
{
	const uint64_t now = n->port.mono_ms(n->port.ctx);

	for (size_t i = 0; i < n->n_peer; i++)
		if (n->peer[i].waits_for_room) {
			n->peer[i].waits_for_room = false;
			n->peer[i].dial_at_ms = now;
		}
}

void limits_look(struct node *n)
{
	const enum room was = n->room;

	n->looked_ms = n->port.mono_ms(n->port.ctx);
	n->free_bytes = n->port.free_bytes ? n->port.free_bytes(n->port.ctx) : UINT64_MAX;
	n->room = room_of(n);
	if (n->room == was)
		return;
	if (n->room == ROOM_ENOUGH) {
		log_line(LOG_NOTICE,
			 "there is space on the disk again: new work is taken "
			 "free_mib=%llu reserve_mib=%llu",
			 (unsigned long long)(n->free_bytes / MIB),
			 (unsigned long long)(n->limits.reserve_bytes / MIB));
		end_pauses(n);
		return;
	}
	log_line(LOG_ERR,
		 "the disk with the database is nearly full: %s free_mib=%llu "
		 "reserve_mib=%llu",
		 n->room == ROOM_RESERVE
			 ? "no new work is taken, what was promised goes on; make space"
			 : "nothing is taken any more, also no receipts; make space at once",
		 (unsigned long long)(n->free_bytes / MIB),
		 (unsigned long long)(n->limits.reserve_bytes / MIB));
}

enum err limits_allow(const struct node *n, enum room worse)
{
	if (n->room < worse)
		return ERR_OK;
	return err_new(ERR_FULL,
		       "the disk of this node is nearly full (%llu MiB free, %llu are kept in "
		       "reserve), so it takes nothing new: ask its operator to make space, then "
		       "ask again",
		       (unsigned long long)(n->free_bytes / MIB),
		       (unsigned long long)(n->limits.reserve_bytes / MIB));
}

/* --- one peer --- */

static uint64_t utc_s(struct node *n)
{
	return n->port.utc_us(n->port.ctx) / 1000000;
}

void limits_today(struct node *n, const struct peer *p, uint64_t *ret_entries, uint64_t *ret_notes)
{
	/* a clock that was set back opens no second day */
	const bool is_today = utc_s(n) / DAY_S <= p->row.use_day;

	*ret_entries = is_today ? p->row.use_entries : 0;
	*ret_notes = is_today ? p->row.use_notes : 0;
}

void limits_count(struct node *n, struct peer *p, uint64_t n_entries, uint64_t n_notes,
		  uint64_t n_bytes)
{
	const uint64_t day = utc_s(n) / DAY_S;
	uint64_t entries, notes;

	limits_today(n, p, &entries, &notes);
	p->row.use_entries = entries + n_entries;
	p->row.use_notes = notes + n_notes;
	if (day > p->row.use_day)
		p->row.use_day = day;
	p->row.held_bytes += n_bytes;
	p->dirty = true;
}

/* What a batch would bring. */
struct load {
	uint64_t n_new;
	uint64_t n_bytes;
	bool has_content; /* something else than receipts */
	bool has_note;
};

static struct load load_of(const struct peer *p, const struct batch *b)
{
	struct load l = {.has_note =
				 !p->row.held_checkpoint || p->row.held_size != b->checkpoint.size};

	for (size_t i = 0; i < b->n_item; i++) {
		struct entry entry;

		if (b->item[i].is_known)
			continue;
		l.n_new++;
		l.n_bytes += b->item[i].n_bytes;
		l.has_content = l.has_content || entry_decode(b->item[i].entry, &entry) ||
				entry.kind != PB(ENTRY_KIND, RECEIPT);
	}
	return l;
}

static uint32_t until_tomorrow_s(struct node *n)
{
	const uint64_t s = DAY_S - utc_s(n) % DAY_S;

	return s < RETRY_AFTER_MAX_S ? (uint32_t)s : RETRY_AFTER_MAX_S;
}

static uint32_t over_s(struct node *n, struct peer *p, const struct load *l)
{
	uint64_t entries, notes, used, most;
	const char *what;
	uint32_t retry_s = until_tomorrow_s(n);

	limits_today(n, p, &entries, &notes);
	if (entries + l->n_new > n->limits.peer_entries_a_day) {
		what = "entries a day";
		used = entries;
		most = n->limits.peer_entries_a_day;
	} else if (notes + l->has_note > n->limits.peer_notes_a_day) {
		what = "checkpoints a day";
		used = notes;
		most = n->limits.peer_notes_a_day;
	} else if (l->n_new && p->row.held_bytes + l->n_bytes > n->limits.peer_bytes_held) {
		what = "bytes held";
		used = p->row.held_bytes;
		most = n->limits.peer_bytes_held;
		retry_s = RETRY_AFTER_MAX_S;
	} else {
		p->is_over = false;
		return 0;
	}
	if (!p->is_over)
		log_line(LOG_WARN,
			 "a peer is over its limit of %s: it is not read until there is room; see "
			 "`limits` in amparod.yaml peer=%s used=%llu limit=%llu",
			 what, p->row.agency.text, (unsigned long long)used,
			 (unsigned long long)most);
	p->is_over = true;
	return retry_s;
}

void limits_judge(struct node *n, struct peer *p, const struct batch *b, uint32_t *ret_retry_s)
{
	const struct load l = load_of(p, b);

	*ret_retry_s = 0;
	if (!l.n_new && !l.has_note)
		return;
	if (n->room == ROOM_LAST || (n->room == ROOM_RESERVE && l.has_content)) {
		p->waits_for_room = true;
		*ret_retry_s = ROOM_RETRY_S;
		return;
	}
	*ret_retry_s = over_s(n, p, &l);
}
