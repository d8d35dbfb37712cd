#include "node/hold.h"

#include "base/log.h"

#define CLOCK_WINDOW_MS (UINT64_C(24) * 3600 * 1000) /* within which CLOCK_SLACK_US counts */
#define CONFIRMED_META "clock_confirmed" /* u64 wall clock, u64 time of the newest entry, then */
#define SHOWN_KIND "a peer holds a checkpoint of ours that our ledger does not contain"

static void choose_words(struct node *n)
{
	n->hold = n->lost ? n->lost : n->clock_doubt;
}

/* --- lost --- */

void hold_lost(struct node *n, const char *why)
{
	if (n->lost)
		return;
	n->lost = why;
	choose_words(n);
	log_line(LOG_ERR, "nothing is signed: %s", why);
}

void hold_lost_is_over(struct node *n)
{
	n->lost = NULL;
	choose_words(n);
}

/* Does the ledger contain it? Earlier ledgers of ours ended: nothing is signed in them any more. */
static enum err contains(struct node *n, uint64_t epoch, const struct checkpoint *c, bool *ret)
{
	struct digest root;
	enum err e;

	*ret = epoch < n->epoch;
	if (epoch != n->epoch || c->size > n->tree.size)
		return ERR_OK;
	e = ledger_root_at(n, c->size, &root);
	if (e)
		return err_trace(e);
	*ret = digest_eq(&root, &c->root);
	return ERR_OK;
}

static void hold_shown(struct node *n, uint64_t epoch)
{
	if (epoch > n->epoch_seen)
		n->epoch_seen = epoch;
	hold_lost(n, "a peer holds a checkpoint of ours that this ledger does not contain: it was "
		     "rolled back or forked");
}

static void note_shown(struct peer *p, uint64_t epoch, uint64_t size)
{
	p->shown_epoch = epoch;
	p->shown_size = size;
}

static bool is_news(const struct peer *p, uint64_t epoch, uint64_t size)
{
	return epoch > p->shown_epoch || (epoch == p->shown_epoch && size > p->shown_size);
}

static enum err judge_stored(void *ctx, int64_t peer, struct view note)
{
	struct node *n = ctx;
	struct peer *p = peer_by_row(n, peer);
	struct checkpoint c;
	struct origin origin;
	uint64_t epoch;
	bool stands;
	enum err e;

	if (checkpoint_read(note, NULL, seal_key_public(n->seal_key), &c) ||
	    origin_check(view_str(c.origin.text), &n->agency, &origin, &epoch))
		return err_new(ERR_STORAGE, "a damaged row: a checkpoint that a peer showed");
	if (p && is_news(p, epoch, c.size))
		note_shown(p, epoch, c.size);
	e = contains(n, epoch, &c, &stands);
	if (e)
		return err_trace(e);
	if (!stands)
		hold_shown(n, epoch);
	return ERR_OK;
}

enum err hold_load(struct node *n)
{
	return incident_walk(n->store, SHOWN_KIND, judge_stored, n);
}

/* Once each; of one peer only in ascending order, so that it cannot make this grow without end. */
static enum err keep_shown(struct node *n, struct peer *p, const struct hello *h, struct view note)
{
	enum err e;

	if (!is_news(p, h->yours_epoch, h->yours.size))
		return ERR_OK;
	note_shown(p, h->yours_epoch, h->yours.size);
	e = node_write(n);
	if (!e)
		e = incident_put(n->store, p->row.id, SHOWN_KIND, buf_view(&n->note), note,
				 ledger_time_us(n));
	return e ? err_trace(e) : ERR_OK;
}

enum err hold_judge(struct node *n, struct peer *p, const struct hello *h, struct view note,
		    bool *ret_stands)
{
	enum err e;

	*ret_stands = true;
	if (!h->has_yours)
		return ERR_OK;
	e = contains(n, h->yours_epoch, &h->yours, ret_stands);
	if (e || *ret_stands)
		return e ? err_trace(e) : ERR_OK;
	if (!n->lost)
		log_line(LOG_ERR,
			 "a peer shows a checkpoint of ours that our ledger does not contain: it "
			 "is kept as evidence peer=%s shown_size=%llu our_size=%llu",
			 p->row.agency.text, (unsigned long long)h->yours.size,
			 (unsigned long long)n->tree.size);
	hold_shown(n, h->yours_epoch);
	return keep_shown(n, p, h, note);
}

/* --- the clock --- */

static void doubt_clock(struct node *n, const char *why)
{
	n->clock_doubt = why;
	choose_words(n);
}

/* Is it before the newest entry by more than the slack, and nobody said that this is right? */
static bool is_behind(const struct node *n, uint64_t wall)
{
	if (wall + CLOCK_SLACK_US >= n->last_time_us)
		return false;
	return n->last_time_us > n->confirmed_time_us ||
	       wall + CLOCK_SLACK_US < n->confirmed_wall_us;
}

/* The wall clock is held against the monotonic one over a whole window, so that neither a clock
 * that stands still nor many small steps pass for a right one; what an oscillator drifts in that
 * time stays far below the slack. */
void clock_check(struct node *n)
{
	const uint64_t wall = n->port.utc_us(n->port.ctx);
	const uint64_t mono = n->port.mono_ms(n->port.ctx);
	const bool first = n->clock_wall_us == 0;
	const uint64_t expected = n->clock_wall_us + (mono - n->clock_mono_ms) * 1000;
	const uint64_t jump = wall > expected ? wall - expected : expected - wall;

	if (!n->clock_doubt && !first && jump > CLOCK_SLACK_US) {
		doubt_clock(n, "the clock moved by more than 5 minutes against the monotonic one: "
			       "set it right, then `amparo clock confirm`");
		log_line(LOG_ERR,
			 "nothing is signed: the wall clock moved against the monotonic one; set "
			 "it right, then `amparo clock confirm` moved_s=%llu",
			 (unsigned long long)(jump / 1000000));
	}
	if (!n->clock_doubt && is_behind(n, wall)) {
		doubt_clock(n, "the clock stands before the newest entry of the ledger: set it "
			       "right, then `amparo clock confirm`");
		log_line(LOG_ERR,
			 "nothing is signed: the clock stands behind the ledger; set it right, "
			 "then `amparo clock confirm` behind_s=%llu",
			 (unsigned long long)((n->last_time_us - wall) / 1000000));
	}
	if (first || mono - n->clock_mono_ms >= CLOCK_WINDOW_MS) {
		n->clock_wall_us = wall;
		n->clock_mono_ms = mono;
	}
}

enum err clock_load(struct node *n)
{
	struct buf b = {0};
	enum err e = store_meta_get(n->store, CONFIRMED_META, &b);

	if (!e && b.n != 2 * sizeof(uint64_t))
		e = err_new(ERR_STORAGE, "what was confirmed of the clock is damaged");
	if (!e) {
		n->confirmed_wall_us = get_u64be(buf_data(&b));
		n->confirmed_time_us = get_u64be(buf_data(&b) + sizeof(uint64_t));
	}
	buf_fini(&b);
	return e && e != ERR_NOT_FOUND ? err_trace(e) : ERR_OK;
}

/* Kept, so that a restart need not ask again; it covers this newest entry and a clock that went on
 * from here, nothing else. */
static enum err keep_confirmed(struct node *n, uint64_t wall)
{
	uint8_t b[2 * sizeof(uint64_t)];

	put_u64be(b, wall);
	put_u64be(b + sizeof(uint64_t), n->last_time_us);
	n->confirmed_wall_us = wall;
	n->confirmed_time_us = n->last_time_us;
	return store_meta_put(n->store, CONFIRMED_META, view_of(b, sizeof(b)));
}

enum err clock_confirm(struct node *n, const struct node_caller *caller, const char *reason)
{
	const uint64_t wall = n->port.utc_us(n->port.ctx);
	const uint64_t behind_us = n->last_time_us > wall ? n->last_time_us - wall : 0;
	struct append entry = {.kind = PB(ENTRY_KIND, CONFIG),
			       .caller = caller,
			       .reason = reason,
			       .detail = "the clock is confirmed as it stands"};
	struct appended done;
	enum err e;

	ASSERT(n->clock_doubt);
	e = node_write(n);
	if (!e)
		e = keep_confirmed(n, wall);
	if (e)
		return err_trace(e);
	n->clock_wall_us = wall;
	n->clock_mono_ms = n->port.mono_ms(n->port.ctx);
	doubt_clock(n, NULL);
	log_line(LOG_NOTICE, "the operator confirmed the clock uid=%u behind_ledger_s=%llu",
		 caller->uid, (unsigned long long)(behind_us / 1000000));
	/* a ledger that is lost takes no entry; the one that follows begins with who and why */
	return n->lost ? ERR_OK : ledger_append(n, &entry, &done);
}
