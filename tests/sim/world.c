#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "crypto/digest.h"
#include "crypto/random.h"
#include "wire/message.h"

enum event_kind {
	EVENT_BYTES,
	EVENT_WAKE,
	EVENT_CONNECT,
	EVENT_LINK_TICK,
};

struct event {
	uint64_t at_us;
	uint64_t order;
	enum event_kind kind;
	size_t agency, other;
	size_t connection;
	uint64_t number; /* of the connection: a slot may have been used again */
	int end;
	bool is_eof;
	uint8_t *data;
	size_t n;
};

static const char *const names[] = {
	"spiffe://ochrana.cz.example/central-authority",
	"spiffe://ochrana.sk.example/central-authority",
	"spiffe://kinderschutz.at.example/jugendamt",
	"spiffe://gyermekvedelem.hu.example/hivatal",
};

/* --- randomness: xoshiro256** by Blackman and Vigna (public domain), seeded by splitmix64 --- */

static uint64_t rotl(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

static uint64_t next64(struct world *w)
{
	uint64_t *s = w->random;
	const uint64_t result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return result;
}

static void seed_random(struct world *w)
{
	uint64_t x = w->seed;

	for (int i = 0; i < 4; i++) {
		uint64_t z = x += UINT64_C(0x9e3779b97f4a7c15);

		z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
		w->random[i] = z ^ (z >> 31);
	}
}

uint64_t world_random(struct world *w, uint64_t n)
{
	return n ? next64(w) % n : 0;
}

static void fill_random(void *ctx, uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)next64(ctx);
}

_Noreturn void world_broken(const struct world *w, const char *cond, const char *file, int line)
{
	fprintf(stderr,
		"sim: seed %" PRIu64 ": %s:%d: does not hold: %s (virtual ms %" PRIu64 ")\n",
		w->seed, file, line, cond, w->now_us / 1000);
	fprintf(stderr, "sim: last error: %s\n", err_detail());
	abort();
}

/* --- events --- */

static bool before(const struct event *a, const struct event *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void push(struct world *w, struct event e)
{
	size_t i;

	if (w->n_heap == w->cap_heap) {
		w->cap_heap = w->cap_heap ? 2 * w->cap_heap : 256;
		w->heap = realloc(w->heap, w->cap_heap * sizeof(*w->heap));
		ASSERT(w->heap);
	}
	e.order = w->next_order++;
	i = w->n_heap++;
	while (i && before(&e, &w->heap[(i - 1) / 2])) {
		w->heap[i] = w->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	w->heap[i] = e;
}

static struct event pop(struct world *w)
{
	const struct event top = w->heap[0], last = w->heap[--w->n_heap];
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= w->n_heap)
			break;
		if (child + 1 < w->n_heap && before(&w->heap[child + 1], &w->heap[child]))
			child++;
		if (!before(&w->heap[child], &last))
			break;
		w->heap[i] = w->heap[child];
		i = child;
	}
	w->heap[i] = last;
	return top;
}

static uint64_t mono_ms(const struct world *w)
{
	return 1000000 + w->now_us / 1000;
}

static void wake(struct agency *a, uint64_t at_us)
{
	struct world *w = a->world;

	if (at_us < w->now_us)
		at_us = w->now_us;
	if (a->wake_at_us <= at_us && a->wake_at_us >= w->now_us)
		return;
	a->wake_at_us = at_us;
	push(w, (struct event){.at_us = at_us, .kind = EVENT_WAKE, .agency = a->index});
}

/* --- connections --- */

static void end_run(struct world *w, struct connection *c, int which);

static void end_free(struct connection *c, int which)
{
	struct end *e = &c->end[which];

	link_free(e->link);
	e->link = NULL;
	e->is_gone = true;
	if (c->end[0].is_gone && c->end[1].is_gone)
		c->is_used = false;
}

static void send_chunk(struct world *w, struct connection *c, int to, struct view v, bool is_eof)
{
	struct end *e = &c->end[to];
	const uint64_t span = w->knobs.delay_max_us - w->knobs.delay_min_us;
	uint64_t at = w->now_us + w->knobs.delay_min_us + world_random(w, span + 1);
	struct event event = {
		.kind = EVENT_BYTES,
		.connection = (size_t)(c - w->connection),
		.number = c->number,
		.end = to,
		.is_eof = is_eof,
	};

	if (at < e->last_us)
		at = e->last_us;
	e->last_us = at;
	event.at_us = at;
	if (v.n) {
		event.data = malloc(v.n);
		ASSERT(event.data);
		memcpy(event.data, v.p, v.n);
		event.n = v.n;
	}
	push(w, event);
}

static void flush(struct world *w, struct connection *c, int which)
{
	struct end *e = &c->end[which];

	for (;;) {
		struct view out = link_output(e->link);
		size_t n = out.n < w->knobs.chunk_max ? out.n : w->knobs.chunk_max;

		if (n == 0)
			return;
		if (!c->end[!which].is_gone)
			send_chunk(w, c, !which, view_of(out.p, n), false);
		if (link_sent(e->link, n, mono_ms(w)))
			return;
	}
}

static void take_frames(struct world *w, struct end *e)
{
	struct view frame;

	while (link_take_frame(e->link, mono_ms(w), &frame) == ERR_OK) {
		if (!e->agency->node)
			continue;
		MUST(w, node_frame(e->agency->node, e->session, frame) == ERR_OK);
		wake(e->agency, w->now_us);
	}
}

static void end_run(struct world *w, struct connection *c, int which)
{
	struct end *e = &c->end[which];

	if (!e->link)
		return;
	if (!e->is_told && link_peer(e->link) && e->agency->node) {
		e->is_told = true;
		MUST(w, node_session_opened(e->agency->node, e->session, which == 0 ? 1 : 2,
					    link_peer(e->link), link_exporter(e->link)) == ERR_OK);
		wake(e->agency, w->now_us);
	}
	take_frames(w, e);
	flush(w, c, which);
	if (link_state(e->link) != LINK_CLOSED) {
		push(w, (struct event){.at_us = (link_deadline_ms(e->link) - 1000000) * 1000,
				       .kind = EVENT_LINK_TICK,
				       .connection = (size_t)(c - w->connection),
				       .number = c->number,
				       .end = which});
		return;
	}
	if (!c->end[!which].is_gone)
		send_chunk(w, c, !which, view_of(NULL, 0), true);
	if (e->is_told && e->agency->node) {
		MUST(w, node_session_closed(e->agency->node, e->session) == ERR_OK);
		wake(e->agency, w->now_us);
	}
	end_free(c, which);
}

static struct end *end_of_session(struct agency *a, uint64_t session, struct connection **ret_c,
				  int *ret_which)
{
	struct world *w = a->world;

	for (size_t i = 0; i < WORLD_CONNECTIONS_MAX; i++) {
		struct connection *c = &w->connection[i];

		for (int which = 0; c->is_used && which < 2; which++) {
			struct end *e = &c->end[which];

			if (e->is_gone || e->agency != a || e->session != session)
				continue;
			*ret_c = c;
			*ret_which = which;
			return e;
		}
	}
	return NULL;
}

static void connect_now(struct world *w, size_t from, size_t to)
{
	struct connection *c = NULL;

	if (w->cut[from][to] || !w->agency[from].node || !w->agency[to].node)
		return;
	for (size_t i = 0; i < WORLD_CONNECTIONS_MAX && !c; i++)
		if (!w->connection[i].is_used)
			c = &w->connection[i];
	MUST(w, c != NULL);
	*c = (struct connection){.is_used = true, .number = ++w->next_session};
	for (int which = 0; which < 2; which++) {
		struct end *e = &c->end[which];

		e->agency = &w->agency[which ? to : from];
		e->session = ++w->next_session;
		MUST(w, link_new(e->agency->tls, which ? TLS_LISTENER : TLS_DIALLER,
				 which ? NULL : &w->agency[to].id, mono_ms(w), &e->link) == ERR_OK);
	}
	end_run(w, c, 0);
	if (c->is_used)
		end_run(w, c, 1);
}

static void bytes_arrive(struct world *w, const struct event *event)
{
	struct connection *c = &w->connection[event->connection];
	struct end *e = &c->end[event->end];
	size_t at = 0;

	if (!c->is_used || c->number != event->number || !e->link)
		return;
	while (at < event->n && link_state(e->link) != LINK_CLOSED) {
		enum err err =
			link_input(e->link, view_of(event->data + at, event->n - at), mono_ms(w));

		if (err != ERR_FULL)
			at = event->n;
		else
			take_frames(w, e);
		if (err == ERR_FULL && !(link_wants(e->link) & LINK_WANTS_READ)) {
			/* not admitted yet: the bytes wait as they would in a socket */
			struct event again = *event;

			again.at_us = w->now_us + 1000;
			if (e->last_us < again.at_us)
				e->last_us = again.at_us;
			again.data = malloc(event->n - at);
			ASSERT(again.data);
			memcpy(again.data, event->data + at, event->n - at);
			again.n = event->n - at;
			push(w, again);
			break;
		}
	}
	if (event->is_eof && link_eof(e->link, mono_ms(w)))
		err_clear();
	end_run(w, c, event->end);
}

/* --- the port --- */

static uint64_t port_mono_ms(void *ctx)
{
	return mono_ms(((struct agency *)ctx)->world);
}

static uint64_t port_utc_us(void *ctx)
{
	return WORLD_START_US + ((struct agency *)ctx)->world->now_us;
}

static int64_t tls_utc_s(void *ctx)
{
	return (int64_t)(port_utc_us(ctx) / 1000000);
}

static enum err port_random(void *ctx, void *p, size_t n)
{
	fill_random(((struct agency *)ctx)->world, p, n);
	return ERR_OK;
}

static void port_send(void *ctx, uint64_t session, struct view frame)
{
	struct agency *a = ctx;
	struct connection *c;
	int which;
	struct end *e = end_of_session(a, session, &c, &which);

	a->n_swallowed += a->swallow;
	if (!e || a->swallow)
		return;
	if (link_send_frame(e->link, frame, mono_ms(a->world)))
		err_clear(); /* closing already, or too slow: the link says so itself */
	end_run(a->world, c, which);
}

static void port_close(void *ctx, uint64_t session)
{
	struct agency *a = ctx;
	struct connection *c;
	int which;
	struct end *e = end_of_session(a, session, &c, &which);

	if (!e || a->swallow)
		return;
	link_close(e->link, mono_ms(a->world));
	end_run(a->world, c, which);
}

static void port_dial(void *ctx, const struct agency_id *peer)
{
	struct agency *a = ctx;
	struct world *w = a->world;

	w->n_dials++;
	for (size_t i = 0; i < w->n_agency; i++)
		if (agency_id_eq(&w->agency[i].id, peer))
			push(w, (struct event){
					.at_us = w->now_us + 2 * w->knobs.delay_min_us,
					.kind = EVENT_CONNECT,
					.agency = a->index,
					.other = i,
				});
}

static void port_credit(void *ctx, uint64_t session, size_t n_bytes)
{
	struct agency *a = ctx;
	struct connection *c;
	int which;
	struct end *e = end_of_session(a, session, &c, &which);

	(void)n_bytes;
	if (!e)
		return;
	link_admit(e->link, mono_ms(a->world));
	end_run(a->world, c, which);
}

static void port_reply(void *ctx, uint64_t caller, struct view reply)
{
	struct agency *a = ctx;
	struct reply_list *l = a->replies;
	struct pb_api_reply *m;

	(void)caller;
	a->n_swallowed += a->swallow;
	if (a->swallow)
		return;
	MUST(a->world, l != NULL);
	MUST(a->world, message_decode(&pb_api_reply_desc, reply, MESSAGE_STRICT, &m) == ERR_OK);
	MUST(a->world, m->id == l->request);
	l->reply = realloc(l->reply, (l->n + 1) * sizeof(struct pb_api_reply *));
	ASSERT(l->reply);
	l->reply[l->n++] = m;
	l->is_whole = !(m->has_more && m->more);
}

static enum err port_last_signed(void *ctx, struct view newest, struct view previous)
{
	struct agency *a = ctx;

	ASSERT(newest.n <= NOTE_MAX && previous.n <= NOTE_MAX);
	memcpy(a->signed_newest, newest.p, newest.n);
	a->n_newest = newest.n;
	if (previous.n)
		memcpy(a->signed_previous, previous.p, previous.n);
	a->n_previous = previous.n;
	return a->fail_last_signed ? err_new(ERR_IO, "simulated crash before the commit") : ERR_OK;
}

/* --- agencies --- */

static void fill_options(struct agency *a, struct node_options *o, struct node_peer *peer)
{
	struct world *w = a->world;
	size_t n = 0;

	for (size_t i = 0; i < w->n_agency; i++)
		if (i != a->index)
			peer[n++] = (struct node_peer){.id = w->agency[i].id, .may_dial = true};
	*o = (struct node_options){
		.agency = a->id,
		.database = a->database,
		.node_key = a->node_key,
		.seal_key = a->seal_key,
		.seal_chain = &a->seal_chain,
		.trust = w->trust,
		.peer = peer,
		.n_peer = n,
		.last_signed_newest = view_of(a->signed_newest, a->n_newest),
		.last_signed_previous = view_of(a->signed_previous, a->n_previous),
		.port = {.ctx = a,
			 .mono_ms = port_mono_ms,
			 .utc_us = port_utc_us,
			 .random = port_random,
			 .send = port_send,
			 .close = port_close,
			 .dial = port_dial,
			 .credit = port_credit,
			 .reply = port_reply,
			 .last_signed = port_last_signed},
	};
}

void world_start(struct agency *a)
{
	struct node_peer peer[WORLD_AGENCIES_MAX];
	struct node_options o;

	a->fail_last_signed = a->swallow = false;
	fill_options(a, &o, peer);
	MUST(a->world, node_open(&o, &a->node) == ERR_OK);
	a->world->n_restarts++;
	wake(a, a->world->now_us);
}

/* The process is gone: its sockets are closed by the kernel. */
void world_stop(struct agency *a)
{
	struct world *w = a->world;

	if (!a->node)
		return;
	node_close(a->node);
	a->node = NULL;
	for (size_t i = 0; i < WORLD_CONNECTIONS_MAX; i++) {
		struct connection *c = &w->connection[i];

		for (int which = 0; c->is_used && which < 2; which++) {
			struct end *e = &c->end[which];

			if (e->is_gone || e->agency != a)
				continue;
			if (!c->end[!which].is_gone)
				send_chunk(w, c, !which, view_of(NULL, 0), true);
			end_free(c, which);
		}
	}
}

void world_crash(struct agency *a, bool before_commit)
{
	if (!a->node)
		return;
	/* what fails before the commit must release nothing by itself */
	a->fail_last_signed = before_commit;
	a->swallow = !before_commit;
	a->n_swallowed = 0;
}

void world_cut(struct world *w, size_t a, size_t b)
{
	w->n_cuts++;
	for (size_t i = 0; i < WORLD_CONNECTIONS_MAX; i++) {
		struct connection *c = &w->connection[i];

		if (!c->is_used)
			continue;
		if ((c->end[0].agency->index != a || c->end[1].agency->index != b) &&
		    (c->end[0].agency->index != b || c->end[1].agency->index != a))
			continue;
		for (int which = 0; which < 2; which++) {
			if (!c->is_used || !c->end[which].link)
				continue;
			if (link_eof(c->end[which].link, mono_ms(w)))
				err_clear();
			/* bytes on their way are lost with the connection */
			c->number = ++w->next_session;
			end_run(w, c, which);
		}
	}
}

static void agency_init(struct agency *a, struct world *w, size_t index)
{
	const int64_t utc_s = (int64_t)(WORLD_START_US / 1000000);
	struct pki_leaf_options tls = {.id = names[index], .purpose = CERT_TLS, .utc_s = utc_s};
	struct pki_leaf_options seal = {.id = names[index], .purpose = CERT_SEAL, .utc_s = utc_s};
	struct node_peer peer[WORLD_AGENCIES_MAX];
	struct node_options o;
	uint8_t key[32];

	a->world = w;
	a->index = index;
	MUST(w, agency_id_parse(view_str(names[index]), &a->id) == ERR_OK);
	MUST(w, snprintf(a->database, sizeof(a->database), "%s/%zu.db", w->folder, index) <
			(int)sizeof(a->database));
	fill_random(w, key, sizeof(key));
	MUST(w, secret_new(view_of(key, sizeof(key)), &a->node_key) == ERR_OK);
	pki_issue(w->ca[index], &tls, &a->tls_leaf);
	pki_issue(w->ca[index], &seal, &a->seal_leaf);
	MUST(w, seal_key_from_pem(buf_view(&a->seal_leaf.key_pem), &a->seal_key) == ERR_OK);
	MUST(w, cert_chain_from_pem(buf_view(&a->seal_leaf.cert_pem), &a->seal_chain) == ERR_OK);
	MUST(w, tls_context_new(buf_view(&a->tls_leaf.cert_pem), buf_view(&a->tls_leaf.key_pem),
				w->trust, tls_utc_s, a, &a->tls) == ERR_OK);
	a->wake_at_us = 0;
	fill_options(a, &o, peer);
	MUST(w, node_init(&o) == ERR_OK);
}

void world_init(struct world *w, uint64_t seed, size_t n, const char *folder)
{
	*w = (struct world){.seed = seed, .n_agency = n};
	w->knobs = (struct knobs){.delay_min_us = 1000, .delay_max_us = 50000, .chunk_max = 16384};
	seed_random(w);
	random_set_source(fill_random, w);
	ASSERT(snprintf(w->folder, sizeof(w->folder), "%s/sim-%" PRIu64, folder, seed) <
	       (int)sizeof(w->folder));
	ASSERT(mkdir(w->folder, 0700) == 0);
	MUST(w, trust_new(&w->trust) == ERR_OK);
	for (size_t i = 0; i < n; i++) {
		struct agency_id id;
		char domain[TRUST_DOMAIN_MAX + 1];
		struct view v;

		MUST(w, agency_id_parse(view_str(names[i]), &id) == ERR_OK);
		v = agency_id_domain(&id);
		memcpy(domain, v.p, v.n);
		domain[v.n] = '\0';
		w->ca[i] = pki_ca_new(&(struct pki_ca_options){
			.domain = domain, .utc_s = (int64_t)(WORLD_START_US / 1000000)});
		pki_trust_add(w->trust, w->ca[i], domain, (int64_t)(WORLD_START_US / 1000000));
	}
	for (size_t i = 0; i < n; i++)
		agency_init(&w->agency[i], w, i);
	for (size_t i = 0; i < n; i++)
		world_start(&w->agency[i]);
}

static void remove_database(const struct agency *a)
{
	static const char *const suffix[] = {"", "-wal", "-shm", "-journal"};
	char path[300];

	for (size_t i = 0; i < ARRAY_LEN(suffix); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", a->database, suffix[i]);
		(void)unlink(path);
	}
}

void world_fini(struct world *w)
{
	for (size_t i = 0; i < w->n_agency; i++)
		world_stop(&w->agency[i]);
	while (w->n_heap)
		free(pop(w).data);
	for (size_t i = 0; i < w->n_agency; i++) {
		struct agency *a = &w->agency[i];

		tls_context_free(a->tls);
		cert_chain_fini(&a->seal_chain);
		seal_key_free(a->seal_key);
		secret_free(a->node_key);
		pki_leaf_fini(&a->tls_leaf);
		pki_leaf_fini(&a->seal_leaf);
		remove_database(a);
		pki_ca_free(w->ca[i]);
	}
	trust_free(w->trust);
	free(w->heap);
	(void)rmdir(w->folder);
	random_set_source(NULL, NULL);
}

/* --- running --- */

static void turn(struct agency *a)
{
	struct world *w = a->world;
	bool more;
	enum err e;

	if (!a->node)
		return;
	e = node_turn(a->node, &more);
	if ((e == ERR_IO && a->fail_last_signed) || (a->swallow && a->n_swallowed)) {
		w->n_crashes++;
		world_stop(a);
		return;
	}
	MUST(w, e == ERR_OK);
	if (more)
		wake(a, w->now_us);
	else if (node_deadline_ms(a->node) != UINT64_MAX)
		wake(a, (node_deadline_ms(a->node) - 1000000) * 1000);
}

static void happen(struct world *w, struct event *e)
{
	struct connection *c = &w->connection[e->connection];

	switch (e->kind) {
	case EVENT_BYTES:
		bytes_arrive(w, e);
		free(e->data);
		break;
	case EVENT_WAKE:
		if (w->agency[e->agency].wake_at_us != e->at_us)
			break; /* woken earlier since */
		w->agency[e->agency].wake_at_us = 0;
		turn(&w->agency[e->agency]);
		break;
	case EVENT_CONNECT:
		connect_now(w, e->agency, e->other);
		break;
	case EVENT_LINK_TICK:
		if (!c->is_used || c->number != e->number || !c->end[e->end].link ||
		    link_deadline_ms(c->end[e->end].link) > mono_ms(w))
			break;
		if (link_tick(c->end[e->end].link, mono_ms(w)))
			err_clear();
		end_run(w, c, e->end);
		break;
	}
}

void world_run(struct world *w, uint64_t for_us)
{
	const uint64_t until = w->now_us + for_us;

	while (w->n_heap && w->heap[0].at_us <= until) {
		struct event e = pop(w);

		if (e.at_us > w->now_us)
			w->now_us = e.at_us;
		w->n_events++;
		happen(w, &e);
	}
	w->now_us = until;
}

/* --- the local client --- */

void reply_list_free(struct reply_list *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++)
		message_free(l->reply[i]);
	free(l->reply);
	free(l);
}

struct reply_list *world_ask(struct agency *a, void *request)
{
	struct world *w = a->world;
	struct pb_api_request *m = request;
	const struct node_caller caller = {
		.id = 1,
		.uid = 1000,
		.roles = NODE_ROLE_CASEWORKER | NODE_ROLE_OPERATOR | NODE_ROLE_AUDITOR,
		.person = "caseworker",
	};
	struct reply_list *l = calloc(1, sizeof(*l));
	struct buf encoded = {0};

	ASSERT(l);
	m->has_id = 1;
	m->id = l->request = ++a->next_request;
	a->replies = l;
	MUST(w, message_encode(m, &encoded) == ERR_OK);
	MUST(w, node_request(a->node, &caller, buf_view(&encoded)) == ERR_OK);
	buf_fini(&encoded);
	turn(a);
	for (int i = 0; !l->is_whole && a->node && i < 30000; i++)
		world_run(w, 1000);
	MUST(w, l->is_whole || !a->node);
	a->replies = NULL;
	return l;
}
