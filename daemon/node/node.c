/* Open, close, and the turn: input, one checkpoint, one commit, output. */
#include "node/node.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "crypto/digest.h"
#include "node/internal.h"

/* --- outputs --- */

enum err output_new(struct node *n, enum output_kind kind, uint64_t number, struct output **ret)
{
	struct output *o = calloc(1, sizeof(*o));

	if (!o)
		return err_new(ERR_NOMEM, "output");
	o->kind = kind;
	o->number = number;
	*n->output_end = o;
	n->output_end = &o->next;
	*ret = o;
	return ERR_OK;
}

enum err output_message(struct node *n, enum output_kind kind, uint64_t number, const void *message)
{
	struct output *o;
	enum err e = output_new(n, kind, number, &o);

	return e ? err_trace(e) : message_encode(message, &o->data);
}

static void release(struct node *n, struct output *o)
{
	switch (o->kind) {
	case OUTPUT_SEND:
		n->port.send(n->port.ctx, o->number, buf_view(&o->data));
		break;
	case OUTPUT_CLOSE:
		n->port.close(n->port.ctx, o->number);
		break;
	case OUTPUT_DIAL:
		n->port.dial(n->port.ctx, &o->peer->row.agency);
		break;
	case OUTPUT_CREDIT:
		n->port.credit(n->port.ctx, o->number, o->n_credit);
		break;
	case OUTPUT_REPLY:
		n->port.reply(n->port.ctx, o->number, buf_view(&o->data));
		break;
	}
}

static void outputs_end(struct node *n, bool do_release)
{
	while (n->output) {
		struct output *o = n->output;

		n->output = o->next;
		if (!n->output)
			n->output_end = &n->output;
		if (do_release)
			release(n, o);
		if (o->data.n)
			wipe(buf_data(&o->data), o->data.n);
		buf_fini(&o->data);
		free(o);
	}
}

/* --- inputs --- */

static void input_free(struct input *in)
{
	if (in->data)
		wipe(in->data, in->n);
	free(in->data);
	free(in);
}

static enum err input_new(struct node *n, enum input_kind kind, struct view data,
			  struct input **ret)
{
	struct input *in = calloc(1, sizeof(*in));

	if (!in)
		return err_new(ERR_NOMEM, "input");
	in->kind = kind;
	if (data.n) {
		in->data = malloc(data.n);
		if (!in->data) {
			free(in);
			return err_new(ERR_NOMEM, "input of %zu bytes", data.n);
		}
		memcpy(in->data, data.p, data.n);
		in->n = data.n;
	}
	*n->input_end = in;
	n->input_end = &in->next;
	n->n_input++;
	*ret = in;
	return ERR_OK;
}

static struct input *input_take(struct node *n)
{
	struct input *in = n->input;

	n->input = in->next;
	if (!n->input)
		n->input_end = &n->input;
	n->n_input--;
	return in;
}

enum err node_session_opened(struct node *n, uint64_t session, int role,
			     const struct agency_id *peer, const uint8_t exporter[32])
{
	struct input *in;
	enum err e = input_new(n, INPUT_OPENED, view_of(NULL, 0), &in);

	if (e)
		return err_trace(e);
	in->session = session;
	in->role = role;
	in->peer = *peer;
	memcpy(in->exporter, exporter, sizeof(in->exporter));
	return ERR_OK;
}

enum err node_frame(struct node *n, uint64_t session, struct view frame)
{
	struct input *in;
	enum err e = input_new(n, INPUT_FRAME, frame, &in);

	if (e)
		return err_trace(e);
	in->session = session;
	return ERR_OK;
}

enum err node_session_closed(struct node *n, uint64_t session)
{
	struct input *in;
	enum err e = input_new(n, INPUT_CLOSED, view_of(NULL, 0), &in);

	if (e)
		return err_trace(e);
	in->session = session;
	return ERR_OK;
}

enum err node_request(struct node *n, const struct node_caller *caller, struct view request)
{
	struct input *in;
	enum err e = input_new(n, INPUT_REQUEST, request, &in);

	if (e)
		return err_trace(e);
	in->caller = *caller;
	return ERR_OK;
}

void node_caller_gone(struct node *n, uint64_t caller)
{
	jobs_forget(n, caller);
}

/* --- the turn --- */

enum err node_write(struct node *n)
{
	enum err e;

	if (n->in_transaction)
		return ERR_OK;
	e = store_begin(n->store);
	if (e)
		return err_trace(e);
	n->in_transaction = true;
	return ERR_OK;
}

static enum err give_credit(struct node *n, uint64_t session, size_t n_bytes)
{
	struct output *o;
	enum err e = output_new(n, OUTPUT_CREDIT, session, &o);

	if (e)
		return err_trace(e);
	o->n_credit = n_bytes;
	return ERR_OK;
}

static enum err handle(struct node *n, const struct input *in)
{
	struct session *s;
	enum err e;

	switch (in->kind) {
	case INPUT_OPENED:
		return session_opened(n, in);
	case INPUT_FRAME:
		s = session_find(n, in->session);
		if (!s)
			return ERR_OK; /* frames of an ended session are dropped */
		e = session_frame(n, s, view_of(in->data, in->n));
		return e ? err_trace(e) : give_credit(n, in->session, in->n);
	case INPUT_CLOSED:
		e = reconcile_lost(n, in->session);
		session_closed(n, in->session);
		return e;
	case INPUT_REQUEST:
		return request_take(n, &in->caller, view_of(in->data, in->n));
	}
	return err_new(ERR_BUG, "input kind");
}

static enum err take_inputs(struct node *n)
{
	size_t n_bytes = 0;
	enum err e = ERR_OK;

	for (unsigned i = 0;
	     !e && n->input && i < NODE_TURN_INPUTS_MAX && n_bytes < NODE_TURN_BYTES_MAX; i++) {
		struct input *in = input_take(n);

		n_bytes += in->n;
		e = handle(n, in);
		input_free(in);
	}
	return e ? err_trace(e) : ERR_OK;
}

static enum err take_timers(struct node *n)
{
	const uint64_t now = n->port.mono_ms(n->port.ctx);
	enum err e = reconcile_tick(n, now);

	for (struct session *s = n->session; !e && s; s = s->next)
		e = session_tick(n, s, now);
	peers_dial(n, now);
	return e ? err_trace(e) : ERR_OK;
}

/* Build what goes out against the newest checkpoint. */
static enum err build_outputs(struct node *n)
{
	for (struct session *s = n->session; s; s = s->next) {
		enum err e = session_hello_due(n, s);

		if (!e)
			e = outbox_pump(n, s);
		if (e)
			return err_trace(e);
	}
	return ERR_OK;
}

static enum err turn(struct node *n, bool *ret_more)
{
	enum err e;

	clock_check(n);
	e = take_inputs(n);
	if (!e)
		e = take_timers(n);
	if (!e)
		e = verify_step(n, ret_more);
	if (!e && !n->hold)
		e = ledger_sign(n);
	if (!e)
		e = build_outputs(n);
	if (!e)
		e = peers_save(n);
	if (!e && n->in_transaction)
		e = store_commit(n->store);
	return e ? err_trace(e) : ERR_OK;
}

enum err node_turn(struct node *n, bool *ret_more)
{
	enum err e;

	*ret_more = false;
	e = turn(n, ret_more);
	if (e && n->in_transaction)
		store_rollback(n->store);
	n->in_transaction = false;
	outputs_end(n, e == ERR_OK);
	*ret_more = *ret_more || n->input;
	return e;
}

uint64_t node_deadline_ms(const struct node *n)
{
	uint64_t deadline = peers_deadline_ms(n);
	uint64_t at;

	for (const struct session *s = n->session; s; s = s->next) {
		if (s->closing)
			continue;
		at = s->hello_seen ? s->said_ms + PING_AFTER_MS : s->opened_ms + HELLO_WITHIN_MS;
		if (at < deadline)
			deadline = at;
	}
	for (size_t i = 0; i < NODE_JOBS_MAX; i++)
		if (n->reconcile[i].is_used && n->reconcile[i].deadline_ms < deadline)
			deadline = n->reconcile[i].deadline_ms;
	return deadline;
}

const char *node_hold(const struct node *n)
{
	return n->hold;
}

enum err node_idle(struct node *n, bool *ret_more)
{
	return store_wal_step(n->store, ret_more);
}

/* --- open --- */

static enum err meta_text(struct node *n, const char *name, char *ret, size_t n_ret)
{
	struct buf value = {0};
	enum err e = store_meta_get(n->store, name, &value);

	if (!e && (value.n >= n_ret || !buf_copy(&value, ret, value.n)))
		e = err_new(ERR_STORAGE, "meta value is empty or too long");
	if (!e)
		ret[value.n] = '\0';
	buf_fini(&value);
	return e ? err_trace(e) : ERR_OK;
}

/* The database belongs to this agency, this node key and this seal key. */
static enum err check_identity(struct node *n)
{
	char agency[AGENCY_ID_MAX + 1];
	uint8_t id[STORE_ID_BYTES];
	struct buf canary = {0}, plain = {0};
	enum err e;

	e = meta_text(n, "agency", agency, sizeof(agency));
	if (!e)
		e = meta_text(n, "origin", n->origin.text, sizeof(n->origin.text));
	if (e)
		return err_trace(e);
	if (strcmp(agency, n->agency.text) != 0)
		return err_new(ERR_CONFIG, "the database belongs to another agency");
	e = store_meta_get(n->store, "canary", &canary);
	if (!e && !buf_copy(&canary, id, sizeof(id)))
		e = err_new(ERR_STORAGE, "canary");
	if (!e) {
		e = blob_load(n, BLOB_REASON, id, &plain);
		if (e == ERR_DECRYPT)
			e = err_new(ERR_CONFIG, "the node key does not fit the database");
	}
	buf_fini(&canary);
	buf_fini(&plain);
	return e ? err_trace(e) : ERR_OK;
}

/* Entry bytes of the unfinished tile against their leaf hashes, then the root against the
 * signature. */
static enum err check_newest(struct node *n)
{
	const uint64_t first = n->tree.size / TILE_WIDTH * TILE_WIDTH;
	struct checkpoint c;
	struct digest root;
	enum err e;

	for (uint64_t i = first; i < n->tree.size; i++) {
		struct entry_row row;
		struct entry entry;
		struct digest leaf;

		e = entry_get(n->store, i, &row);
		if (e)
			return err_trace(e);
		leaf = merkle_leaf(row.entry);
		if (!digest_eq(&leaf, &row.leaf) || entry_decode(row.entry, &entry))
			return err_new(ERR_STORAGE, "entry %llu is damaged", (unsigned long long)i);
		n->last_time_us = entry.time_us;
	}
	e = own_checkpoint_get(n->store, &n->signed_size, &n->note);
	if (!e)
		e = checkpoint_read(buf_view(&n->note), n->origin.text,
				    seal_key_public(n->seal_key), &c);
	if (e == ERR_SIGNATURE)
		return err_new(ERR_CONFIG, "the seal key does not fit the ledger's checkpoint");
	if (e)
		return err_trace(e);
	root = tree_root(&n->tree);
	if (c.size != n->tree.size || !digest_eq(&c.root, &root))
		return err_new(ERR_STORAGE, "the ledger does not fit its newest checkpoint");
	return ERR_OK;
}

static enum err load_last_time(struct node *n)
{
	struct entry_row row;
	struct entry entry;
	enum err e;

	if (n->tree.size == 0)
		return ERR_OK;
	e = entry_get(n->store, n->tree.size - 1, &row);
	if (!e)
		e = entry_decode(row.entry, &entry);
	if (e)
		return err_new(ERR_STORAGE, "the newest entry is damaged");
	n->last_time_us = entry.time_us;
	return ERR_OK;
}

/* The database against the checkpoints kept outside of it. */
static void check_last_signed(struct node *n, const struct node_options *options)
{
	struct checkpoint c;
	const struct verify_key *key = seal_key_public(n->seal_key);

	if (view_eq(options->last_signed_newest, buf_view(&n->note)) ||
	    view_eq(options->last_signed_previous, buf_view(&n->note)))
		return; /* the latter: an interrupted commit, of which nothing had left */
	if (options->last_signed_newest.n == 0) {
		n->hold = "the last-signed file is missing or empty: nobody can tell whether the "
			  "database was rolled back";
	} else if (checkpoint_read(options->last_signed_newest, n->origin.text, key, &c)) {
		n->hold = "the last-signed file is damaged or of another ledger";
	} else if (c.size > n->signed_size) {
		n->hold = "the database stands behind what was signed: an old backup was restored";
	} else {
		log_line(LOG_WARN, "last-signed stands behind the database, and is written again");
		return;
	}
	log_line(LOG_ERR, "nothing is signed: %s", n->hold);
}

static enum err append_start(struct node *n)
{
	struct append entry = {.kind = PB(ENTRY_KIND, START), .detail = "amparod " AMPARO_VERSION};
	struct appended done;

	if (n->hold)
		return ERR_OK;
	return ledger_append(n, &entry, &done);
}

static enum err node_new(const struct node_options *options, struct node **ret)
{
	CLEANUP(node_closep) struct node *n = calloc(1, sizeof(*n));
	enum err e;

	if (!n)
		return err_new(ERR_NOMEM, "node");
	n->agency = options->agency;
	n->port = options->port;
	n->seal_key = options->seal_key;
	n->seal_chain = options->seal_chain;
	n->trust = options->trust;
	n->input_end = &n->input;
	n->output_end = &n->output;
	n->started_us = n->port.utc_us(n->port.ctx);
	e = box_keeper_new(options->node_key, &n->keeper);
	if (e)
		return err_trace(e);
	*ret = TAKE(n);
	return ERR_OK;
}

static enum err fill_new_database(struct node *n)
{
	uint8_t canary[STORE_ID_BYTES];
	enum err e;

	origin_make(&n->origin, &n->agency, n->started_us / 1000000);
	e = tree_load(&n->tree, n->store, 0);
	if (!e)
		e = store_meta_put(n->store, "agency", view_str(n->agency.text));
	if (!e)
		e = store_meta_put(n->store, "origin", view_str(n->origin.text));
	if (!e)
		e = blob_store(n, BLOB_REASON, view_str("amparo"), view_of(NULL, 0), canary);
	if (!e)
		e = store_meta_put(n->store, "canary", view_of(canary, sizeof(canary)));
	if (!e)
		e = append_start(n);
	return e ? err_trace(e) : ledger_sign(n);
}

enum err node_init(const struct node_options *options)
{
	struct store_options file = {
		.path = options->database, .create = true, .vfs = options->vfs};
	CLEANUP(node_closep) struct node *n = NULL;
	enum err e;

	e = node_new(options, &n);
	if (!e)
		e = store_open(&file, &n->store);
	if (!e)
		e = node_write(n);
	if (!e)
		e = fill_new_database(n);
	if (!e)
		e = store_commit(n->store);
	if (!e)
		n->in_transaction = false;
	return e ? err_trace(e) : ERR_OK;
}

static enum err commit_start(struct node *n)
{
	enum err e = append_start(n);

	if (!e && !n->hold)
		e = ledger_sign(n);
	if (!e)
		e = peers_save(n);
	if (!e && n->in_transaction)
		e = store_commit(n->store);
	n->in_transaction = false;
	return e ? err_trace(e) : ERR_OK;
}

enum err node_open(const struct node_options *options, struct node **ret)
{
	struct store_options file = {.path = options->database, .vfs = options->vfs};
	CLEANUP(node_closep) struct node *n = NULL;
	uint64_t size;
	enum err e;

	e = node_new(options, &n);
	if (!e)
		e = store_open(&file, &n->store);
	if (!e)
		e = check_identity(n);
	if (!e)
		e = entry_count(n->store, &size);
	if (!e)
		e = tree_load(&n->tree, n->store, size);
	if (!e)
		e = load_last_time(n);
	if (!e)
		e = check_newest(n);
	if (e)
		return err_trace(e);
	check_last_signed(n, options);
	clock_check(n);
	e = peers_load(n, options);
	if (!e)
		e = commit_start(n);
	if (!e)
		e = verify_start(n, NULL, 0, NULL);
	if (e)
		return err_trace(e);
	*ret = TAKE(n);
	return ERR_OK;
}

void node_close(struct node *n)
{
	if (!n)
		return;
	if (n->in_transaction)
		store_rollback(n->store);
	while (n->input)
		input_free(input_take(n));
	outputs_end(n, false);
	sessions_free(n);
	jobs_forget(n, 0);
	own_record_close(n);
	agreements_free(n);
	peers_free(n);
	buf_fini(&n->note);
	buf_fini(&n->note_before);
	store_close(n->store);
	box_keeper_free(n->keeper);
	free(n);
}
