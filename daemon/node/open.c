/* Making, opening and closing a node: whose database it is, whether it is whole, and whether it
 * stands where it was signed last. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "node/alarms.h"
#include "node/epoch.h"
#include "node/hold.h"
#include "node/internal.h"
#include "node/limits.h"

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
	struct origin origin;
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
	if (origin_check(view_str(n->origin.text), &n->agency, &origin, &n->epoch))
		return err_new(ERR_STORAGE, "the ledger's origin is damaged");
	e = store_meta_get(n->store, "canary", &canary);
	if (!e && !buf_copy(&canary, id, sizeof(id)))
		e = err_new(ERR_STORAGE, "canary");
	if (!e) {
		e = blob_load(n, BLOB_REASON, id, &plain);
		if (e == ERR_DECRYPT)
			e = err_new(ERR_CONFIG,
				    "the node key does not fit the database: put back the one "
				    "that was made with it");
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

		e = entry_get(n->store, n->epoch, i, &row);
		if (e)
			return err_trace(e);
		leaf = merkle_leaf(row.entry);
		e = entry_decode(row.entry, &entry);
		if (e == ERR_NOMEM)
			return err_trace(e);
		if (e || !digest_eq(&leaf, &row.leaf))
			return err_new(ERR_STORAGE, "entry %llu is damaged", (unsigned long long)i);
		n->last_time_us = entry.time_us;
	}
	e = own_checkpoint_get(n->store, n->epoch, &n->signed_size, &n->note);
	if (!e)
		e = checkpoint_read(buf_view(&n->note), n->origin.text,
				    seal_key_public(n->seal_key), &c);
	if (e == ERR_SIGNATURE)
		return err_new(ERR_CONFIG, "the seal key does not fit the ledger's checkpoint");
	if (e && (err_class(e) == ERR_CLASS_PEER || e == ERR_NOT_FOUND))
		return err_new(ERR_STORAGE, "the ledger has no readable checkpoint");
	if (e)
		return err_trace(e);
	root = tree_root(&n->tree);
	if (c.size != n->signed_size || c.size != n->tree.size || !digest_eq(&c.root, &root))
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
	e = entry_get(n->store, n->epoch, n->tree.size - 1, &row);
	if (!e)
		e = entry_decode(row.entry, &entry);
	if (e == ERR_NOMEM)
		return err_trace(e);
	if (e)
		return err_new(ERR_STORAGE, "the newest entry is damaged");
	n->last_time_us = entry.time_us;
	return ERR_OK;
}

/* The database against the checkpoints kept outside of it. */
static void check_last_signed(struct node *n, const struct node_options *options)
{
	const struct verify_key *key = seal_key_public(n->seal_key);
	struct checkpoint c;
	struct origin origin;
	struct digest root;

	if (view_eq(options->last_signed_newest, buf_view(&n->note)) ||
	    view_eq(options->last_signed_previous, buf_view(&n->note)))
		return; /* the latter: an interrupted commit, of which nothing had left */
	if (options->last_signed_newest.n == 0)
		hold_lost(n,
			  "the last-signed file is missing or empty: nobody can tell whether the "
			  "database was rolled back");
	else if (checkpoint_read(options->last_signed_newest, NULL, key, &c) ||
		 origin_check(view_str(c.origin.text), &n->agency, &origin, &n->epoch_seen))
		hold_lost(n, "the last-signed file is damaged or of another ledger");
	else if (n->epoch_seen > n->epoch)
		hold_lost(n, "the database is of an epoch before the one that was signed: an old "
			     "backup was restored, or a new epoch was not finished");
	else if (n->epoch_seen < n->epoch)
		hold_lost(n, "the last-signed file is of an epoch before the database: nobody can "
			     "tell whether the database was rolled back");
	else if (c.size > n->signed_size)
		hold_lost(n, "the database stands behind what was signed: an old backup was "
			     "restored");
	else if (ledger_root_at(n, c.size, &root) || !digest_eq(&root, &c.root))
		hold_lost(n, "the database contradicts what was signed: it was forked");
	else
		log_line(LOG_WARN, "last-signed stands behind the database, and is written again");
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
	n->sessions_say.end = &n->sessions_say.first;
	n->callers_ask.end = &n->callers_ask.first;
	n->output.end = &n->output.first;
	n->limits = limits_or_usual(&options->limits);
	n->started_us = n->port.utc_us(n->port.ctx);
	e = box_keeper_new(options->node_key,
			   &(struct box_source){.random = n->port.random, .ctx = n->port.ctx},
			   &n->keeper);
	if (e)
		return err_trace(e);
	*ret = TAKE(n);
	return ERR_OK;
}

static enum err fill_new_database(struct node *n)
{
	uint8_t canary[STORE_ID_BYTES];
	enum err e;

	n->epoch = n->started_us / 1000000;
	origin_make(&n->origin, &n->agency, n->epoch);
	e = tree_load(&n->tree, n->store, n->epoch, 0);
	if (!e)
		e = store_meta_put(n->store, "agency", view_str(n->agency.text));
	if (!e)
		e = store_meta_put(n->store, "origin", view_str(n->origin.text));
	if (!e)
		e = blob_store(n, BLOB_REASON, view_str("amparo"), canary);
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
		e = ledger_commit(n);
	if (!e)
		n->in_transaction = false;
	return e ? err_trace(e) : ERR_OK;
}

/* Are there ledgers of ours before this one? */
static enum err look_back(struct node *n)
{
	struct epoch_row first;
	enum err e = epoch_next(n->store, 0, 0, &first);

	n->has_past = e == ERR_OK;
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err commit_start(struct node *n)
{
	enum err e = append_start(n);

	if (!e)
		e = epoch_introduce(n);
	if (!e && !n->hold)
		e = ledger_sign(n);
	if (!e)
		e = peers_save(n);
	if (!e && n->in_transaction)
		e = ledger_commit(n);
	n->in_transaction = false;
	if (!e)
		peers_committed(n);
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
		e = entry_count(n->store, n->epoch, &size);
	if (!e)
		e = tree_load(&n->tree, n->store, n->epoch, size);
	if (!e)
		e = load_last_time(n);
	if (!e)
		e = check_newest(n);
	if (e)
		return err_trace(e);
	check_last_signed(n, options);
	limits_look(n);
	e = clock_load(n);
	if (!e)
		e = look_back(n);
	if (!e)
		e = peers_load(n, options);
	if (!e)
		e = hold_load(n);
	if (!e)
		e = alarms_load(n);
	if (!e)
		e = agreements_load(n);
	if (e)
		return err_trace(e);
	clock_check(n);
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
	node_queues_free(n);
	sessions_free(n);
	jobs_forget(n, 0);
	own_records_close(n);
	disclosed_forget(&n->disclosed);
	agreements_free(n);
	peers_free(n);
	buf_fini(&n->note);
	buf_fini(&n->note_before);
	store_close(n->store);
	box_keeper_free(n->keeper);
	free(n);
}
