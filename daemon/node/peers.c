/* Peers: those configured and those of the database, when to dial them, when to stop. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "node/split.h"

struct peer *peer_by_id(struct node *n, const struct agency_id *id)
{
	for (size_t i = 0; i < n->n_peer; i++)
		if (agency_id_eq(&n->peer[i].row.agency, id))
			return &n->peer[i];
	return NULL;
}

struct peer *peer_by_row(struct node *n, int64_t row_id)
{
	for (size_t i = 0; i < n->n_peer; i++)
		if (n->peer[i].row.id == row_id)
			return &n->peer[i];
	return NULL;
}

struct peer *peer_by_name(struct node *n, const char *name)
{
	struct peer *found = NULL;

	for (size_t i = 0; i < n->n_peer; i++) {
		const struct agency_id *id = &n->peer[i].row.agency;

		if (strcmp(id->text, name) == 0 || strcmp(agency_id_bare(id), name) == 0)
			return &n->peer[i];
		if (strcmp(agency_id_name(id), name) != 0)
			continue;
		if (found)
			return NULL;
		found = &n->peer[i];
	}
	return found;
}

static enum err add_stored(void *ctx, const struct peer_row *row)
{
	struct node *n = ctx;
	struct peer *grown = realloc(n->peer, (n->n_peer + 1) * sizeof(*grown));

	if (!grown)
		return err_new(ERR_NOMEM, "peers");
	n->peer = grown;
	n->peer[n->n_peer] = (struct peer){.row = *row};
	token_bucket_init(&n->peer[n->n_peer++].log_tokens, PEER_LOG_RATE_S, PEER_LOG_BURST,
			  n->port.mono_ms(n->port.ctx));
	return ERR_OK;
}

static enum err add_configured(struct node *n, const struct node_peer *config)
{
	struct peer *p = peer_by_id(n, &config->id);
	enum err e;

	if (!p) {
		struct peer_row row = {.agency = config->id};
		struct chain_head start = chain_start(n->origin.text, &config->id);

		row.sent_head = start.head;
		e = add_stored(n, &row);
		if (e)
			return err_trace(e);
		p = &n->peer[n->n_peer - 1];
		e = node_write(n);
		if (!e)
			e = peer_put(n->store, &p->row);
		if (e)
			return err_trace(e);
	}
	p->is_configured = true;
	p->may_dial = config->may_dial;
	p->address = config->address;
	return ERR_OK;
}

static enum err load_pinned(struct node *n, struct peer *p)
{
	enum err e;

	e = recovery_get(n->store, p->row.id, &p->recovery);
	if (e || !p->row.pinned)
		return e ? err_trace(e) : ERR_OK;
	e = verify_key_new(view_of(p->row.seal_key, sizeof(p->row.seal_key)), &p->key);
	if (e == ERR_FORMAT)
		return err_new(ERR_STORAGE, "the pinned key of %s: %s", p->row.agency.text,
			       err_words());
	if (!e && p->row.held_checkpoint)
		e = received_checkpoint_get(n->store, p->row.held_checkpoint, &p->held_note);
	if (!e)
		e = split_count(n, p, NULL);
	return e ? err_trace(e) : ERR_OK;
}

enum err peers_load(struct node *n, const struct node_options *options)
{
	enum err e = peer_walk(n->store, add_stored, n);

	for (size_t i = 0; !e && i < options->n_peer; i++)
		e = add_configured(n, &options->peer[i]);
	for (size_t i = 0; !e && i < n->n_peer; i++)
		e = load_pinned(n, &n->peer[i]);
	return e ? err_trace(e) : ERR_OK;
}

void peers_free(struct node *n)
{
	for (size_t i = 0; i < n->n_peer; i++) {
		verify_key_free(n->peer[i].key);
		buf_fini(&n->peer[i].held_note);
		outbox_forget(n, &n->peer[i]);
	}
	free(n->peer);
	n->peer = NULL;
	n->n_peer = 0;
}

enum err peers_save(struct node *n)
{
	for (size_t i = 0; i < n->n_peer; i++) {
		struct peer *p = &n->peer[i];
		enum err e;

		if (!p->dirty && !p->recovery_dirty)
			continue;
		e = node_write(n);
		if (!e)
			e = peer_put(n->store, &p->row);
		if (!e && p->recovery_dirty)
			e = recovery_put(n->store, p->row.id, &p->recovery);
		if (e)
			return err_trace(e);
		p->dirty = p->recovery_dirty = false;
	}
	return ERR_OK;
}

void peers_committed(struct node *n)
{
	for (size_t i = 0; i < n->n_peer; i++)
		n->peer[i].committed_k = n->peer[i].row.sent_k;
}

void peer_error(struct peer *p, const char *words)
{
	size_t n = strnlen(words, PEER_ERROR_MAX);

	/* whole characters */
	for (; words[n] && n && ((uint8_t)words[n] & 0xc0) == 0x80; n--)
		;
	memcpy(p->row.last_error, words, n);
	p->row.last_error[n] = '\0';
}

bool peer_may_log(struct node *n, struct peer *p)
{
	if (!token_bucket_take(&p->log_tokens, n->port.mono_ms(n->port.ctx))) {
		p->n_unlogged++;
		return false;
	}
	if (p->n_unlogged)
		log_line(LOG_WARN, "lines about a peer were left out peer=%s lines=%llu",
			 p->row.agency.text, (unsigned long long)p->n_unlogged);
	p->n_unlogged = 0;
	return true;
}

/* Doubling from DIAL_FIRST_MS to DIAL_MOST_MS, then anything between half and all of it. */
void peer_failed(struct node *n, struct peer *p)
{
	uint64_t wait_ms = DIAL_FIRST_MS;
	uint32_t random = 0;

	/* a good Hello alone does not make up for what came after the last one */
	for (unsigned i = 0; (i < p->n_failures || i < p->n_faults) && wait_ms < DIAL_MOST_MS; i++)
		wait_ms *= 2;
	if (wait_ms > DIAL_MOST_MS)
		wait_ms = DIAL_MOST_MS;
	/* without a random number the wait is only less spread */
	if (n->port.random(n->port.ctx, &random, sizeof(random)))
		random = 0;
	p->dial_at_ms = n->port.mono_ms(n->port.ctx) + wait_ms / 2 + random % (wait_ms / 2 + 1);
	if (p->n_failures < 16)
		p->n_failures++;
	p->is_dialling = false;
}

void peer_dial_now(struct node *n, struct peer *p)
{
	p->n_failures = p->n_faults = 0;
	p->dial_at_ms = n->port.mono_ms(n->port.ctx);
}

void peer_pause(struct node *n, struct peer *p, uint32_t for_s, uint32_t most_s)
{
	const uint64_t until_ms =
		n->port.mono_ms(n->port.ctx) + (for_s < most_s ? for_s : most_s) * UINT64_C(1000);

	if (until_ms > p->dial_at_ms)
		p->dial_at_ms = until_ms;
}

static bool wants_session(const struct node *n, const struct peer *p)
{
	if (!p->is_configured || !p->may_dial || p->row.stopped || p->row.new_origin[0])
		return false;
	for (const struct session *s = n->session; s; s = s->next)
		if (s->peer == p && !s->closing)
			return false;
	return true;
}

void peers_dial(struct node *n, uint64_t now_ms)
{
	for (size_t i = 0; i < n->n_peer; i++) {
		struct peer *p = &n->peer[i];
		struct output *o;

		if (now_ms < p->dial_at_ms || !wants_session(n, p))
			continue;
		if (output_new(n, OUTPUT_DIAL, 0, &o))
			return; /* out of memory: the next turn tries again */
		o->peer = p;
		/* counted as failed until a Hello says otherwise */
		peer_failed(n, p);
		p->is_dialling = true;
	}
}

uint64_t peers_deadline_ms(const struct node *n)
{
	uint64_t deadline = UINT64_MAX;

	for (size_t i = 0; i < n->n_peer; i++)
		if (wants_session(n, &n->peer[i]) && n->peer[i].dial_at_ms < deadline)
			deadline = n->peer[i].dial_at_ms;
	return deadline;
}

enum err peer_stop(struct node *n, struct peer *p, const char *kind, struct view a, struct view b)
{
	struct append entry = {.kind = PB(ENTRY_KIND, INCIDENT), .detail = kind};
	struct appended done;
	enum err e;

	log_line(
		LOG_ERR,
		"two signed statements of a peer contradict each other: both are kept as evidence, "
		"the link is stopped until the operator acknowledges peer=%s incident=%s",
		p->row.agency.text, kind);
	p->row.stopped = true;
	peer_error(p, "stopped: signed statements contradict each other; see the log");
	p->dirty = true;
	e = node_write(n);
	if (!e)
		e = incident_put(n->store, p->row.id, kind, a, b, ledger_time_us(n));
	if (!e && !n->hold)
		e = ledger_append(n, &entry, &done);
	return e ? err_trace(e) : ERR_OK;
}
