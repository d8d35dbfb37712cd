#include "link/link.h"

#include <stdlib.h>
#include <string.h>

#include "wire/frame.h"

#define TLS_PIECE_BYTES 16384u /* one TLS record */
/* Beyond what tls_write() lets wait, only the peer's own requests (KeyUpdate) make output. */
#define UNSENT_MAX (TLS_OUTPUT_HIGH + 65536u)
#define NEVER UINT64_MAX
#define BUFFER_KEEP 16384u /* an empty buffer larger than this is given back */

struct link {
	struct tls *tls;
	enum tls_role role;
	struct agency_id expected; /* a dialler's */
	enum link_state state;
	enum err error;
	uint8_t exporter[TLS_EXPORTER_BYTES];
	size_t n_handshake_bytes;

	struct buf in;	 /* decrypted, not taken */
	struct buf out;	 /* frames, not encrypted */
	bool has_peer;	 /* TLS stood, with whom we expect */
	bool greeted;	 /* the peer's first frame was given out */
	bool admitted;	 /* the others may follow */
	bool peer_ended; /* its close_notify came: what is in `in` is all */
	bool aborted;	 /* CLOSING only for the alert to go out */

	uint64_t state_ms; /* since when in this state */
	uint64_t taken_ms; /* when a frame was last taken, or the state began */
	uint64_t frame_ms; /* when the frame at the head of `in` began, or NEVER */
	uint64_t moved_ms; /* when output last moved, or began to wait; NEVER: none waits */
};

#define BIT(state) (1u << (state))

static const struct {
	const char *name;
	unsigned next;	     /* bits of states */
	uint32_t timeout_ms; /* since state_ms; in OPEN since taken_ms; 0 = none */
	bool reads;
} states[] = {
	[LINK_HANDSHAKE] = {"handshake", BIT(LINK_GREETING) | BIT(LINK_CLOSING) | BIT(LINK_CLOSED),
			    LINK_HANDSHAKE_MS, true},
	[LINK_GREETING] = {"greeting", BIT(LINK_OPEN) | BIT(LINK_CLOSING) | BIT(LINK_CLOSED),
			   LINK_GREETING_MS, true},
	[LINK_OPEN] = {"open", BIT(LINK_CLOSING) | BIT(LINK_CLOSED), LINK_IDLE_MS, true},
	[LINK_CLOSING] = {"closing", BIT(LINK_CLOSED), LINK_CLOSING_MS, true},
	[LINK_CLOSED] = {"closed", 0, 0, false},
};

static void link_set_state(struct link *l, enum link_state next, uint64_t mono_ms)
{
	ASSERT(states[l->state].next & BIT(next));
	l->state = next;
	l->state_ms = mono_ms;
	l->taken_ms = mono_ms;
}

static bool is_live(const struct link *l)
{
	return l->state == LINK_GREETING || l->state == LINK_OPEN;
}

static bool is_over(const struct link *l)
{
	return l->state == LINK_CLOSING || l->state == LINK_CLOSED;
}

static size_t unsent_bytes(const struct link *l)
{
	return tls_output(l->tls)->n;
}

static void trim(struct buf *b)
{
	if (b->n == 0 && b->cap > BUFFER_KEEP)
		buf_fini(b);
}

/* Note since when output waits, as any function that can make some ends. */
static void note_output(struct link *l, uint64_t mono_ms)
{
	if (l->state == LINK_CLOSED || unsent_bytes(l) == 0)
		l->moved_ms = NEVER;
	else if (l->moved_ms == NEVER)
		l->moved_ms = mono_ms;
}

/* End for cause @p e, which our caller returns. What TLS has to say still goes out. */
static enum err link_fail(struct link *l, enum err e, uint64_t mono_ms)
{
	if (!l->error)
		l->error = e;
	buf_clear(&l->in); /* storage stays: the caller may look at a frame still */
	buf_fini(&l->out);
	tls_shutdown(l->tls);
	l->aborted = true;
	if (unsent_bytes(l) == 0 && l->state != LINK_CLOSED)
		link_set_state(l, LINK_CLOSED, mono_ms);
	else if (!is_over(l))
		link_set_state(l, LINK_CLOSING, mono_ms);
	note_output(l, mono_ms);
	return err_trace(e);
}

/* Move frames into TLS once all that it made is sent: what is filled only when it is empty is small
 * and stays in one place, and frames that wait share records. */
static enum tls_result encrypt_some(struct link *l)
{
	size_t n = l->out.n < TLS_OUTPUT_HIGH ? l->out.n : TLS_OUTPUT_HIGH;
	enum tls_result r;

	if (n == 0 || unsent_bytes(l) > 0)
		return TLS_OK;
	r = tls_write(l->tls, view_of(buf_data(&l->out), n));
	if (r == TLS_OK)
		buf_consume(&l->out, n);
	trim(&l->out);
	return r;
}

/* As any function that changes something ends: output is made, and a closing link gets closed. */
static enum err settle(struct link *l, uint64_t mono_ms)
{
	bool may_write = is_live(l) || (l->state == LINK_CLOSING && !l->aborted && !l->peer_ended);

	if (may_write && encrypt_some(l) == TLS_FAILED)
		return link_fail(l, tls_error(l->tls), mono_ms);
	if (unsent_bytes(l) > UNSENT_MAX)
		return link_fail(l, err_new(ERR_LIMIT, "the peer asks for more than it reads"),
				 mono_ms);
	if (l->state == LINK_CLOSING && l->out.n == 0) {
		tls_shutdown(l->tls);
		if (unsent_bytes(l) == 0 && (l->peer_ended || l->aborted))
			link_set_state(l, LINK_CLOSED, mono_ms);
	}
	note_output(l, mono_ms);
	return ERR_OK;
}

enum err link_new(struct tls_context *context, enum tls_role role, const struct agency_id *expected,
		  uint64_t mono_ms, struct link **ret)
{
	CLEANUP(link_freep) struct link *l = calloc(1, sizeof(*l));
	enum err e;

	ASSERT((role == TLS_DIALLER) == (expected != NULL));
	if (!l)
		return err_new(ERR_NOMEM, "a link");
	l->role = role;
	if (expected)
		l->expected = *expected;
	l->state_ms = mono_ms;
	l->frame_ms = NEVER;
	l->moved_ms = NEVER;
	buf_init(&l->out, LINK_OUTPUT_MAX);
	e = tls_new(context, role, &l->tls);
	if (e)
		return err_trace(e);
	if (tls_handshake(l->tls) == TLS_FAILED)
		return err_trace(tls_error(l->tls));
	note_output(l, mono_ms);
	*ret = TAKE(l);
	return ERR_OK;
}

void link_free(struct link *l)
{
	if (!l)
		return;
	tls_free(l->tls);
	buf_fini(&l->in);
	buf_fini(&l->out);
	free(l);
}

static enum err handshake_done(struct link *l, uint64_t mono_ms)
{
	const struct agency_id *peer = tls_peer(l->tls);
	enum err e;

	if (l->role == TLS_DIALLER && !agency_id_eq(peer, &l->expected))
		return link_fail(l,
				 err_new(ERR_CERT, "dialled %s, but %s answered", l->expected.text,
					 peer->text),
				 mono_ms);
	e = tls_exporter(l->tls, l->exporter);
	if (e)
		return link_fail(l, e, mono_ms);
	l->has_peer = true;
	link_set_state(l, LINK_GREETING, mono_ms);
	return ERR_OK;
}

static size_t frame_limit(const struct link *l)
{
	return l->admitted ? FRAME_BODY_MAX : LINK_GREETING_FRAME_MAX;
}

/* Room for decrypted bytes: one largest frame. */
static size_t room(const struct link *l)
{
	size_t most = FRAME_HEAD_BYTES + frame_limit(l);

	return l->in.n < most ? most - l->in.n : 0;
}

/* The peer said goodbye: frames that came before can be taken, nothing more is sent. */
static void peer_ended(struct link *l, uint64_t mono_ms)
{
	l->peer_ended = true;
	buf_fini(&l->out);
	if (l->state != LINK_CLOSING)
		link_set_state(l, LINK_CLOSING, mono_ms);
}

/* Decrypt as much as there is room for. */
static enum err decrypt_some(struct link *l, uint64_t mono_ms)
{
	while (is_live(l) && room(l) > 0) {
		size_t n = room(l) < TLS_PIECE_BYTES ? room(l) : TLS_PIECE_BYTES;
		size_t missing = l->admitted ? frame_missing(&l->in, frame_limit(l)) : 0;
		enum tls_result r;
		size_t n_read = 0;
		uint8_t *to;
		enum err e;

		/* The next one's beginning may come with its end. */
		e = buf_reserve(&l->in, missing ? missing + LINK_INPUT_MAX : n, &to);
		if (e)
			return link_fail(l, e, mono_ms);
		r = tls_read(l->tls, to, n, &n_read);
		if (r == TLS_FAILED)
			return link_fail(l, tls_error(l->tls), mono_ms);
		if (r == TLS_CLOSED)
			peer_ended(l, mono_ms);
		if (r != TLS_OK)
			break;
		buf_advance(&l->in, n_read);
		if (l->frame_ms == NEVER)
			l->frame_ms = mono_ms;
	}
	trim(&l->in);
	return ERR_OK;
}

/* What still comes while we close. */
static void discard(struct link *l, uint64_t mono_ms)
{
	uint8_t bytes[4096];
	enum tls_result r;
	size_t n;

	do
		r = tls_read(l->tls, bytes, sizeof(bytes), &n);
	while (r == TLS_OK);
	if (r == TLS_CLOSED)
		l->peer_ended = true;
	if (r == TLS_FAILED)
		link_set_state(l, LINK_CLOSED, mono_ms);
}

static enum err take_input(struct link *l, uint64_t mono_ms)
{
	if (l->state == LINK_HANDSHAKE) {
		enum tls_result r = tls_handshake(l->tls);
		enum err e;

		if (r == TLS_FAILED)
			return link_fail(l, tls_error(l->tls), mono_ms);
		if (r == TLS_CLOSED)
			return link_fail(l, err_new(ERR_TLS, "closed in the handshake"), mono_ms);
		if (r != TLS_OK)
			return ERR_OK;
		e = handshake_done(l, mono_ms);
		if (e)
			return err_trace(e);
	}
	if (l->state == LINK_CLOSING) {
		discard(l, mono_ms);
		return ERR_OK;
	}
	return decrypt_some(l, mono_ms);
}

enum err link_input(struct link *l, struct view in, uint64_t mono_ms)
{
	enum err e;

	ASSERT(in.n <= LINK_INPUT_MAX);
	if (l->state == LINK_CLOSED)
		return err_new(ERR_STATE, "input of a closed link");
	if (l->state == LINK_CLOSING && (l->aborted || l->peer_ended))
		return ERR_OK;
	if (!(link_wants(l) & LINK_WANTS_READ))
		return err_new(ERR_FULL, "frames wait to be taken");
	if (l->state == LINK_HANDSHAKE) {
		l->n_handshake_bytes += in.n;
		if (l->n_handshake_bytes > LINK_HANDSHAKE_BYTES_MAX)
			return link_fail(l, err_new(ERR_LIMIT, "a handshake of too many bytes"),
					 mono_ms);
	}
	e = tls_input(l->tls, in);
	if (e)
		return link_fail(l, e, mono_ms);
	e = take_input(l, mono_ms);
	return e ? err_trace(e) : settle(l, mono_ms);
}

enum err link_eof(struct link *l, uint64_t mono_ms)
{
	bool was_over = is_over(l);

	if (l->state == LINK_CLOSED)
		return ERR_OK;
	if (!was_over) {
		l->error = ERR_TLS;
		buf_clear(&l->in);
	}
	buf_fini(&l->out);
	link_set_state(l, LINK_CLOSED, mono_ms);
	note_output(l, mono_ms);
	return was_over ? ERR_OK : err_new(ERR_TLS, "cut off by the peer or the network");
}

struct view link_output(const struct link *l)
{
	return l->state == LINK_CLOSED ? view_of(NULL, 0) : buf_view(tls_output(l->tls));
}

enum err link_sent(struct link *l, size_t n, uint64_t mono_ms)
{
	if (l->state == LINK_CLOSED)
		return ERR_OK;
	buf_consume(tls_output(l->tls), n);
	if (n)
		l->moved_ms = mono_ms;
	return settle(l, mono_ms);
}

/* Are the bytes at the head of `in` a whole frame, or a length that is refused as it stands? */
static bool head_is_whole(const struct link *l)
{
	uint32_t n;

	if (l->in.n < FRAME_HEAD_BYTES)
		return false;
	n = get_u32be(buf_data(&l->in));
	return n == 0 || n > frame_limit(l) || l->in.n - FRAME_HEAD_BYTES >= n;
}

enum err link_take_frame(struct link *l, uint64_t mono_ms, struct view *ret)
{
	struct view body;
	enum err e;

	if (l->greeted && !l->admitted)
		return ERR_AGAIN;
	e = frame_take(&l->in, frame_limit(l), &body);
	if (e == ERR_AGAIN && is_live(l)) {
		/* There may be more that was decrypted only as far as there was room. */
		e = decrypt_some(l, mono_ms);
		if (!e)
			e = settle(l, mono_ms);
		if (e)
			return err_trace(e);
		e = frame_take(&l->in, frame_limit(l), &body);
	}
	if (e == ERR_AGAIN)
		return ERR_AGAIN;
	if (e)
		return link_fail(l, e, mono_ms);
	l->greeted = true;
	l->taken_ms = mono_ms;
	l->frame_ms = l->in.n ? mono_ms : NEVER;
	*ret = body;
	return ERR_OK;
}

void link_admit(struct link *l, uint64_t mono_ms)
{
	if (!l->has_peer || l->admitted)
		return;
	l->admitted = true;
	if (l->frame_ms != NEVER)
		l->frame_ms = mono_ms;
	if (l->state == LINK_GREETING)
		link_set_state(l, LINK_OPEN, mono_ms);
}

enum err link_send_frame(struct link *l, struct view body, uint64_t mono_ms)
{
	enum err e;

	if (!is_live(l))
		return err_new(ERR_STATE, "no frame can be sent in state %s",
			       states[l->state].name);
	if (body.n == 0 || body.n > FRAME_BODY_MAX)
		return err_new(ERR_LIMIT, "a frame of %zu bytes", body.n);
	if (l->out.n + FRAME_HEAD_BYTES + body.n > LINK_OUTPUT_MAX)
		return err_new(ERR_FULL, "%zu bytes wait to be sent", l->out.n);
	e = frame_put(&l->out, body);
	if (e)
		return link_fail(l, e, mono_ms);
	return settle(l, mono_ms);
}

size_t link_queued_bytes(const struct link *l)
{
	return l->state == LINK_CLOSED ? 0 : l->out.n + unsent_bytes(l);
}

void link_close(struct link *l, uint64_t mono_ms)
{
	if (is_over(l))
		return;
	buf_clear(&l->in);
	link_set_state(l, l->state == LINK_HANDSHAKE ? LINK_CLOSED : LINK_CLOSING, mono_ms);
	/* A failure to say goodbye ends it as well. */
	if (settle(l, mono_ms))
		l->error = ERR_OK;
}

void link_abort(struct link *l, enum err e, uint64_t mono_ms)
{
	ASSERT(e != ERR_OK);
	if (l->state != LINK_CLOSED)
		(void)link_fail(l, e, mono_ms);
}

/* Must the frame at the head become whole by a deadline? Not one that we hold back ourselves. */
static bool frame_is_due(const struct link *l)
{
	return l->frame_ms != NEVER && is_live(l) && !(l->greeted && !l->admitted) &&
	       !head_is_whole(l);
}

uint64_t link_deadline_ms(const struct link *l)
{
	uint64_t due, other;

	if (l->state == LINK_CLOSED)
		return UINT64_MAX;
	due = (l->state == LINK_OPEN ? l->taken_ms : l->state_ms) + states[l->state].timeout_ms;
	if (frame_is_due(l)) {
		other = l->frame_ms + LINK_FRAME_MS;
		due = other < due ? other : due;
	}
	if (l->moved_ms != NEVER) {
		other = l->moved_ms + LINK_STALL_MS;
		due = other < due ? other : due;
	}
	return due;
}

enum err link_tick(struct link *l, uint64_t mono_ms)
{
	bool was_handshake = l->state == LINK_HANDSHAKE;
	bool stalls = l->moved_ms != NEVER && mono_ms >= l->moved_ms + LINK_STALL_MS;
	const char *what;
	enum err e;

	if (mono_ms < link_deadline_ms(l))
		return ERR_OK;
	if (l->state == LINK_CLOSING) {
		buf_fini(&l->out);
		link_set_state(l, LINK_CLOSED, mono_ms);
		note_output(l, mono_ms);
		return ERR_OK;
	}
	if (frame_is_due(l) && mono_ms >= l->frame_ms + LINK_FRAME_MS)
		what = "a frame took too long";
	else if (stalls)
		what = "the peer reads nothing";
	else
		what = "took too long";
	e = link_fail(l, err_new(ERR_LIMIT, "%s: %s", states[l->state].name, what), mono_ms);
	/* To whom nothing can be said, nothing is said. */
	if ((stalls || was_handshake) && l->state != LINK_CLOSED)
		link_set_state(l, LINK_CLOSED, mono_ms);
	note_output(l, mono_ms);
	return e;
}

unsigned link_wants(const struct link *l)
{
	unsigned wants = LINK_WANTS_NOTHING;

	if (states[l->state].reads && !l->aborted && !l->peer_ended && (!is_live(l) || room(l) > 0))
		wants |= LINK_WANTS_READ;
	if (l->state != LINK_CLOSED && unsent_bytes(l) > 0)
		wants |= LINK_WANTS_WRITE;
	return wants;
}

enum link_state link_state(const struct link *l)
{
	return l->state;
}

const char *link_state_name(enum link_state state)
{
	return states[state].name;
}

enum err link_error(const struct link *l)
{
	return l->error;
}

enum tls_role link_role(const struct link *l)
{
	return l->role;
}

const struct agency_id *link_peer(const struct link *l)
{
	return l->has_peer ? tls_peer(l->tls) : NULL;
}

int64_t link_peer_until(const struct link *l)
{
	int64_t until = 0;

	/* it was verified, so it has one */
	return l->has_peer && tls_peer_until(l->tls, &until) == ERR_OK ? until : 0;
}

const uint8_t *link_exporter(const struct link *l)
{
	return l->has_peer ? l->exporter : NULL;
}

enum err link_recheck(struct link *l, const struct trust *trust, int64_t utc_s, uint64_t mono_ms)
{
	enum err e;

	if (!is_live(l))
		return ERR_OK;
	e = tls_recheck(l->tls, trust, utc_s);
	return e ? link_fail(l, e, mono_ms) : ERR_OK;
}
