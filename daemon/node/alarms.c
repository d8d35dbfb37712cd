#include "node/alarms.h"

#include "base/log.h"
#include "referral/state.h"

#define LOOK_AGAIN_MAX 1000	  /* rows that may be looked at again after a restart */
#define ALARMED_META "alarmed_us" /* u64: deadlines up to here were looked at */

enum err alarms_load(struct node *n)
{
	struct buf b = {0};
	enum err e = store_meta_get(n->store, ALARMED_META, &b);

	if (!e && b.n == sizeof(uint64_t))
		n->alarmed_us = get_u64be(buf_data(&b));
	buf_fini(&b);
	return e && e != ERR_NOT_FOUND ? err_trace(e) : ERR_OK;
}

static bool is_delivered(struct node *n, const struct referral_row *r)
{
	const struct peer *p = peer_by_row(n, r->peer);

	return r->is_incoming || (p && r->k <= p->row.delivered_k);
}

bool referral_is_expired(struct node *n, const struct referral_row *r)
{
	return !is_delivered(n, r) && r->expires_us && r->expires_us < ledger_time_us(n);
}

bool referral_is_overdue(struct node *n, const struct referral_row *r)
{
	return r->reply_by_us && r->reply_by_us < ledger_time_us(n) &&
	       referral_awaits((Amparo__V1__ReferralState)r->state, REFERRAL_RECEIVER);
}

struct look {
	struct node *n;
	uint64_t n_seen, n_said, n_more;
};

static void say(struct look *l, const struct referral_row *r, const char *what)
{
	const struct peer *p = peer_by_row(l->n, r->peer);
	char id[HEX_LEN(6)];

	if (l->n_said == ALARM_LINES_MAX) {
		l->n_more++;
		return;
	}
	l->n_said++;
	hex_encode(view_of(r->leaf.b, 6), id);
	log_line(LOG_WARN, "%s id=%s peer=%s", what, id, p ? p->row.agency.text : "-");
}

static enum err look_expired(void *ctx, const struct referral_row *r)
{
	struct look *l = ctx;

	l->n_seen++;
	if (!is_delivered(l->n, r))
		say(l, r, "a referral expired before it was delivered");
	return ERR_OK;
}

static enum err look_overdue(void *ctx, const struct referral_row *r)
{
	struct look *l = ctx;

	l->n_seen++;
	if (referral_awaits((Amparo__V1__ReferralState)r->state, REFERRAL_RECEIVER))
		say(l, r,
		    r->is_incoming ? "this agency did not answer a referral in time"
				   : "a peer did not answer a referral in time");
	return ERR_OK;
}

/* What was said is kept, so that it is not said again after a restart. */
static enum err keep(struct node *n)
{
	uint8_t b[sizeof(uint64_t)];
	enum err e = node_write(n);

	put_u64be(b, n->alarmed_us);
	if (!e)
		e = store_meta_put(n->store, ALARMED_META, view_of(b, sizeof(b)));
	return e ? err_trace(e) : ERR_OK;
}

enum err alarms_tick(struct node *n, uint64_t now_ms)
{
	const uint64_t utc_us = time_storable(n->port.utc_us(n->port.ctx));
	struct look l = {.n = n};
	enum err e;

	if (now_ms < n->alarm_at_ms)
		return ERR_OK;
	n->alarm_at_ms = now_ms + ALARM_EVERY_MS;
	/* a clock that is not believed tells of no deadline */
	if (n->hold || n->room == ROOM_LAST || utc_us <= n->alarmed_us)
		return ERR_OK;
	e = referral_walk_deadline(n->store, REFERRAL_EXPIRES, n->alarmed_us, utc_us, look_expired,
				   &l);
	if (!e)
		e = referral_walk_deadline(n->store, REFERRAL_REPLY_BY, n->alarmed_us, utc_us,
					   look_overdue, &l);
	if (e)
		return err_trace(e);
	if (l.n_more)
		log_line(LOG_WARN,
			 "more referrals are past a deadline: see `amparo referral list` "
			 "more=%llu",
			 (unsigned long long)l.n_more);
	n->alarmed_us = utc_us;
	return l.n_said || l.n_seen > LOOK_AGAIN_MAX ? keep(n) : ERR_OK;
}
