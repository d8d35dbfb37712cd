/*
 * The schema as an append-only history: a released element is never changed, since databases that
 * are at its version exist. Every n-byte value is checked to be one by the database as well.
 *
 * A reference from one table to another stands only where both ends are ours: nothing that a peer
 * sends may make a commit fail. Blobs and entries have none: a body is erased, its entry stays.
 */
#include "store/internal.h"

#include <stdio.h>

#define APPLICATION_ID 1095585874 /* "AMPR": PRAGMA application_id of our files */

static const char ledger_1[] =
	"CREATE TABLE meta ("
	"  name TEXT PRIMARY KEY,"
	"  value BLOB NOT NULL"
	") STRICT, WITHOUT ROWID;"

	/* The ledger: a node that was restored from a backup starts a new one, an epoch. idx is the
	 * position in the tree. No index by leaf: hashes lie anywhere in one, so that each commit
	 * would write as many pages as it has entries. */
	"CREATE TABLE entry ("
	"  epoch INTEGER NOT NULL CHECK (epoch >= 0),"
	"  idx INTEGER NOT NULL CHECK (idx >= 0),"
	"  leaf BLOB NOT NULL CHECK (length(leaf) = 32),"
	"  peer INTEGER REFERENCES peer (id) DEFERRABLE INITIALLY DEFERRED,"
	"  k INTEGER NOT NULL CHECK ((k > 0) = (peer IS NOT NULL)),"
	"  body_blob BLOB CHECK (length(body_blob) = 16),"
	"  local_blob BLOB CHECK (length(local_blob) = 16),"
	"  bytes BLOB NOT NULL,"
	"  PRIMARY KEY (epoch, idx)"
	") STRICT, WITHOUT ROWID;"
	"CREATE UNIQUE INDEX entry_by_k ON entry (epoch, peer, k) WHERE peer IS NOT NULL;"
	"CREATE TRIGGER entry_is_not_changed BEFORE UPDATE ON entry"
	"  BEGIN SELECT raise(ABORT, 'an entry is never changed'); END;"
	"CREATE TRIGGER entry_is_not_deleted BEFORE DELETE ON entry"
	"  BEGIN SELECT raise(ABORT, 'an entry is never deleted'); END;"

	"CREATE TABLE tile ("
	"  epoch INTEGER NOT NULL CHECK (epoch >= 0),"
	"  level INTEGER NOT NULL,"
	"  n INTEGER NOT NULL CHECK (n >= 0),"
	"  node BLOB NOT NULL CHECK (length(node) = 32),"
	"  hashes BLOB NOT NULL CHECK (length(hashes) = 8192),"
	"  PRIMARY KEY (epoch, level, n)"
	") STRICT;"

	"CREATE TABLE own_checkpoint ("
	"  epoch INTEGER PRIMARY KEY CHECK (epoch >= 0),"
	"  size INTEGER NOT NULL CHECK (size >= 0),"
	"  note BLOB NOT NULL"
	") STRICT;"

	/* An id is num, big-endian, and tail: in the order in which they came, so that new ones lie
	 * beside each other, and never the same again. What stands under it, of the kind, and an
	 * entry's local part: each with its own key, NULL when there is none or it is erased. */
	"CREATE TABLE blob ("
	"  num INTEGER PRIMARY KEY CHECK (num >= 0),"
	"  tail BLOB NOT NULL CHECK (length(tail) = 8),"
	"  kind INTEGER,"
	"  wrapped_key BLOB,"
	"  cipher BLOB CHECK ((cipher IS NULL) = (wrapped_key IS NULL)),"
	"  local_key BLOB,"
	"  local_cipher BLOB CHECK ((local_cipher IS NULL) = (local_key IS NULL))"
	") STRICT;";

/* Peers. epoch: of its ledger. use_*: what it makes us hold, counted; see node/limits.h. */
static const char peers_1[] =
	"CREATE TABLE peer ("
	"  id INTEGER PRIMARY KEY CHECK (id > 0),"
	"  agency TEXT NOT NULL UNIQUE,"
	"  pinned INTEGER NOT NULL,"
	"  origin TEXT CHECK ((origin IS NOT NULL) = pinned),"
	"  seal_key BLOB CHECK ((seal_key IS NOT NULL) = pinned AND length(seal_key) = 32),"
	"  pinned_us INTEGER NOT NULL,"
	"  stopped INTEGER NOT NULL,"
	"  held_size INTEGER NOT NULL,"
	"  held_root BLOB NOT NULL CHECK (length(held_root) = 32),"
	"  held_checkpoint INTEGER"
	"    REFERENCES received_checkpoint (id) DEFERRABLE INITIALLY DEFERRED,"
	"  received_k INTEGER NOT NULL,"
	"  received_head BLOB NOT NULL CHECK (length(received_head) = 32),"
	"  receipted_k INTEGER NOT NULL CHECK (receipted_k <= received_k),"
	"  sent_k INTEGER NOT NULL,"
	"  sent_head BLOB NOT NULL CHECK (length(sent_head) = 32),"
	"  content_k INTEGER NOT NULL CHECK (content_k <= sent_k),"
	"  urgent_k INTEGER NOT NULL CHECK (urgent_k <= sent_k),"
	"  delivered_k INTEGER NOT NULL CHECK (delivered_k <= sent_k),"
	"  n_refused INTEGER NOT NULL,"
	"  last_contact_us INTEGER NOT NULL,"
	"  last_error TEXT NOT NULL,"
	"  use_day INTEGER NOT NULL DEFAULT 0,"
	"  use_entries INTEGER NOT NULL DEFAULT 0,"
	"  use_notes INTEGER NOT NULL DEFAULT 0,"
	"  held_bytes INTEGER NOT NULL DEFAULT 0,"
	"  epoch INTEGER NOT NULL DEFAULT 0,"
	"  new_origin TEXT NOT NULL DEFAULT '',"
	"  accepted_epoch INTEGER NOT NULL DEFAULT 0"
	") STRICT;"

	"CREATE TABLE peer_chain ("
	"  id INTEGER PRIMARY KEY,"
	"  peer INTEGER NOT NULL REFERENCES peer (id) DEFERRABLE INITIALLY DEFERRED,"
	"  chain_der BLOB NOT NULL,"
	"  time_us INTEGER NOT NULL"
	") STRICT;"
	"CREATE INDEX peer_chain_by_peer ON peer_chain (peer);"

	"CREATE TABLE received_checkpoint ("
	"  id INTEGER PRIMARY KEY CHECK (id > 0),"
	"  peer INTEGER NOT NULL REFERENCES peer (id) DEFERRABLE INITIALLY DEFERRED,"
	"  size INTEGER NOT NULL,"
	"  note BLOB NOT NULL"
	") STRICT;"

	"CREATE TABLE received ("
	"  peer INTEGER NOT NULL REFERENCES peer (id) DEFERRABLE INITIALLY DEFERRED,"
	"  epoch INTEGER NOT NULL CHECK (epoch >= 0),"
	"  k INTEGER NOT NULL CHECK (k > 0),"
	"  idx INTEGER NOT NULL,"
	"  leaf BLOB NOT NULL CHECK (length(leaf) = 32),"
	"  body_blob BLOB CHECK (length(body_blob) = 16),"
	"  status INTEGER NOT NULL,"
	"  reason INTEGER NOT NULL,"
	"  checkpoint INTEGER NOT NULL"
	"    REFERENCES received_checkpoint (id) DEFERRABLE INITIALLY DEFERRED,"
	"  time_us INTEGER NOT NULL,"
	"  bytes BLOB NOT NULL,"
	"  proof BLOB NOT NULL CHECK (length(proof) % 32 = 0),"
	"  PRIMARY KEY (peer, epoch, k)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX received_exceptions ON received (peer, epoch, k) WHERE status <> 0;"

	"CREATE TABLE refusal ("
	"  peer INTEGER NOT NULL REFERENCES peer (id) DEFERRABLE INITIALLY DEFERRED,"
	"  epoch INTEGER NOT NULL CHECK (epoch >= 0),"
	"  k INTEGER NOT NULL CHECK (k > 0),"
	"  status INTEGER NOT NULL,"
	"  reason INTEGER NOT NULL,"
	"  PRIMARY KEY (peer, epoch, k)"
	") STRICT, WITHOUT ROWID;"

	"CREATE TABLE incident ("
	"  id INTEGER PRIMARY KEY,"
	"  peer INTEGER REFERENCES peer (id) DEFERRABLE INITIALLY DEFERRED,"
	"  kind TEXT NOT NULL,"
	"  a BLOB NOT NULL,"
	"  b BLOB NOT NULL,"
	"  time_us INTEGER NOT NULL"
	") STRICT;"

	/* What peers say that they hold of each other's ledgers: see node/split.h. */
	"CREATE TABLE noted ("
	"  id INTEGER PRIMARY KEY,"
	"  peer INTEGER NOT NULL REFERENCES peer (id) DEFERRABLE INITIALLY DEFERRED,"
	"  epoch INTEGER NOT NULL CHECK (epoch >= 0),"
	"  size INTEGER NOT NULL CHECK (size > 0),"
	"  root BLOB NOT NULL CHECK (length(root) = 32),"
	"  teller INTEGER NOT NULL REFERENCES peer (id) DEFERRABLE INITIALLY DEFERRED,"
	"  n_asked INTEGER NOT NULL,"
	"  settled INTEGER NOT NULL,"
	"  time_us INTEGER NOT NULL,"
	"  note BLOB NOT NULL,"
	"  UNIQUE (peer, epoch, size)"
	") STRICT;"
	"CREATE INDEX noted_due ON noted (peer, epoch, n_asked, size DESC) WHERE settled = 0;"
	"CREATE INDEX noted_by_teller ON noted (teller, peer, epoch, size);";

/* epoch: ledgers that ended; peer 0 is this node. The rest: what peers gave back of ours. */
static const char epochs_1[] =
	"CREATE TABLE epoch ("
	"  peer INTEGER NOT NULL CHECK (peer >= 0),"
	"  epoch INTEGER NOT NULL CHECK (epoch >= 0),"
	"  origin TEXT NOT NULL,"
	"  size INTEGER NOT NULL,"
	"  root BLOB NOT NULL CHECK (length(root) = 32),"
	"  checkpoint INTEGER"
	"    REFERENCES received_checkpoint (id) DEFERRABLE INITIALLY DEFERRED,"
	"  k INTEGER NOT NULL,"
	"  head BLOB NOT NULL CHECK (length(head) = 32),"
	"  time_us INTEGER NOT NULL,"
	"  why TEXT NOT NULL,"
	"  PRIMARY KEY (peer, epoch)"
	") STRICT;"

	"CREATE TABLE recovered ("
	"  peer INTEGER NOT NULL REFERENCES peer (id) DEFERRABLE INITIALLY DEFERRED,"
	"  epoch INTEGER NOT NULL CHECK (epoch >= 0),"
	"  k INTEGER NOT NULL CHECK (k > 0),"
	"  idx INTEGER NOT NULL,"
	"  leaf BLOB NOT NULL CHECK (length(leaf) = 32),"
	"  seen_k INTEGER NOT NULL,"
	"  applied INTEGER NOT NULL,"
	"  body_blob BLOB CHECK (length(body_blob) = 16),"
	"  note BLOB NOT NULL,"
	"  proof BLOB NOT NULL CHECK (length(proof) % 32 = 0),"
	"  bytes BLOB NOT NULL,"
	"  PRIMARY KEY (peer, epoch, k)"
	") STRICT;"
	"CREATE INDEX recovered_by_leaf ON recovered (leaf);"
	"CREATE INDEX recovered_by_index ON recovered (epoch, idx, peer);"
	"CREATE INDEX recovered_due ON recovered (peer, epoch, k) WHERE applied = 0;"

	"CREATE TABLE recovery ("
	"  peer INTEGER PRIMARY KEY REFERENCES peer (id) DEFERRABLE INITIALLY DEFERRED,"
	"  state INTEGER NOT NULL,"
	"  from_epoch INTEGER NOT NULL,"
	"  from_k INTEGER NOT NULL,"
	"  from_head BLOB NOT NULL CHECK (length(from_head) = 32),"
	"  open_epoch INTEGER NOT NULL,"
	"  at_epoch INTEGER NOT NULL,"
	"  at_k INTEGER NOT NULL,"
	"  at_head BLOB NOT NULL CHECK (length(at_head) = 32)"
	") STRICT;";

/* Records. num is the order of first import. */
static const char records_1[] =
	"CREATE TABLE record ("
	"  num INTEGER PRIMARY KEY,"
	"  id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),"
	"  newest INTEGER NOT NULL"
	") STRICT;"
	"CREATE TABLE revision ("
	"  record INTEGER NOT NULL REFERENCES record (num) DEFERRABLE INITIALLY DEFERRED,"
	"  revision INTEGER NOT NULL CHECK (revision > 0),"
	"  type INTEGER NOT NULL,"
	"  manifest BLOB NOT NULL UNIQUE CHECK (length(manifest) = 32),"
	"  seal_index INTEGER NOT NULL,"
	"  record_blob BLOB NOT NULL CHECK (length(record_blob) = 16),"
	"  salts_blob BLOB NOT NULL CHECK (length(salts_blob) = 16),"
	"  label_blob BLOB NOT NULL CHECK (length(label_blob) = 16),"
	"  time_us INTEGER NOT NULL,"
	"  seal_epoch INTEGER NOT NULL DEFAULT 0,"
	"  PRIMARY KEY (record, revision)"
	") STRICT, WITHOUT ROWID;"

	"CREATE TABLE manifest ("
	"  num INTEGER PRIMARY KEY,"
	"  digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),"
	"  peer INTEGER REFERENCES peer (id) DEFERRABLE INITIALLY DEFERRED,"
	"  bytes BLOB NOT NULL"
	") STRICT;"

	/* As it went or came with a disclosure: another one each time that it was proven anew. */
	"CREATE TABLE seal ("
	"  num INTEGER PRIMARY KEY,"
	"  manifest INTEGER NOT NULL REFERENCES manifest (num) DEFERRABLE INITIALLY DEFERRED,"
	"  bytes BLOB NOT NULL"
	") STRICT;"
	"CREATE INDEX seal_by_manifest ON seal (manifest);"

	/* Beside each other, since they are read together. Erased: without key and cipher. */
	"CREATE TABLE opening ("
	"  manifest INTEGER NOT NULL REFERENCES manifest (num) DEFERRABLE INITIALLY DEFERRED,"
	"  commitment BLOB NOT NULL CHECK (length(commitment) = 32),"
	"  path TEXT NOT NULL,"
	"  is_singular INTEGER NOT NULL,"
	"  peer INTEGER NOT NULL REFERENCES peer (id) DEFERRABLE INITIALLY DEFERRED,"
	"  k INTEGER NOT NULL,"
	"  wrapped_key BLOB,"
	"  cipher BLOB CHECK ((cipher IS NULL) = (wrapped_key IS NULL)),"
	"  PRIMARY KEY (manifest, commitment)"
	") STRICT, WITHOUT ROWID;";

/* Referrals. num is the order of arrival at this node; awaits, in the order in which they began to,
 * marks those that await this agency's answer, 0 the others. */
static const char referrals_1[] =
	"CREATE TABLE referral ("
	"  num INTEGER PRIMARY KEY,"
	"  leaf BLOB NOT NULL CHECK (length(leaf) = 32),"
	"  is_incoming INTEGER NOT NULL,"
	"  peer INTEGER NOT NULL REFERENCES peer (id) DEFERRABLE INITIALLY DEFERRED,"
	"  k INTEGER NOT NULL,"
	"  manifest BLOB CHECK (length(manifest) = 32),"
	"  record_id BLOB NOT NULL CHECK (length(record_id) = 16),"
	"  agreement BLOB NOT NULL CHECK (length(agreement) = 32),"
	"  purpose INTEGER NOT NULL,"
	"  type INTEGER NOT NULL,"
	"  urgency INTEGER NOT NULL,"
	"  state INTEGER NOT NULL,"
	"  state_before INTEGER NOT NULL,"
	"  our_change_k INTEGER NOT NULL,"
	"  has_consent INTEGER NOT NULL,"
	"  opened INTEGER NOT NULL,"
	"  n_disclosed INTEGER NOT NULL,"
	"  time_us INTEGER NOT NULL,"
	"  reply_by_us INTEGER NOT NULL,"
	"  expires_us INTEGER NOT NULL,"
	"  release_due INTEGER NOT NULL DEFAULT 0,"
	"  awaits INTEGER NOT NULL"
	") STRICT;"
	/* See generation.h. That no leaf stands in two generations is the writer's care. */
	"CREATE UNIQUE INDEX referral_by_leaf ON referral (" GENERATION_SQL ", leaf);"
	"CREATE INDEX referral_awaiting ON referral (awaits) WHERE awaits > 0;"
	"CREATE INDEX referral_reply_by ON referral (reply_by_us) WHERE reply_by_us > 0;"
	"CREATE INDEX referral_expires ON referral (expires_us) WHERE expires_us > 0;"

	"CREATE TABLE generation ("
	"  num INTEGER PRIMARY KEY CHECK (num >= 0),"
	"  bits BLOB NOT NULL CHECK (length(bits) = 2048)"
	") STRICT;"

	"CREATE TABLE status ("
	"  num INTEGER PRIMARY KEY,"
	"  referral INTEGER NOT NULL REFERENCES referral (num) DEFERRABLE INITIALLY DEFERRED,"
	"  leaf BLOB NOT NULL CHECK (length(leaf) = 32),"
	"  is_incoming INTEGER NOT NULL,"
	"  k INTEGER NOT NULL,"
	"  time_us INTEGER NOT NULL,"
	"  state INTEGER NOT NULL,"
	"  opened INTEGER NOT NULL,"
	"  refused INTEGER NOT NULL,"
	"  reason_blob BLOB CHECK (length(reason_blob) = 16)"
	") STRICT;"
	"CREATE INDEX status_by_referral ON status (referral);"

	"CREATE TABLE agreement ("
	"  num INTEGER PRIMARY KEY,"
	"  digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),"
	"  file BLOB NOT NULL"
	") STRICT;"

	"CREATE TABLE adoption ("
	"  peer INTEGER NOT NULL REFERENCES peer (id) DEFERRABLE INITIALLY DEFERRED,"
	"  digest BLOB NOT NULL CHECK (length(digest) = 32),"
	"  our_k INTEGER NOT NULL,"
	"  their_k INTEGER NOT NULL,"
	"  our_withdraw_k INTEGER NOT NULL,"
	"  their_withdraw_k INTEGER NOT NULL,"
	"  their_name TEXT NOT NULL,"
	"  PRIMARY KEY (peer, digest)"
	") STRICT, WITHOUT ROWID;"

	/* When an adoption of ours stood that was withdrawn: what crossed the WITHDRAW is judged by
	 * it. */
	"CREATE TABLE adoption_past ("
	"  peer INTEGER NOT NULL REFERENCES peer (id) DEFERRABLE INITIALLY DEFERRED,"
	"  digest BLOB NOT NULL CHECK (length(digest) = 32),"
	"  from_k INTEGER NOT NULL CHECK (from_k > 0),"
	"  until_k INTEGER NOT NULL CHECK (until_k > from_k),"
	"  PRIMARY KEY (peer, digest, from_k)"
	") STRICT, WITHOUT ROWID;";

const struct migration schema_migrations[] = {
	{{ledger_1, peers_1, epochs_1, records_1, referrals_1}},
};
const size_t n_schema_migrations = ARRAY_LEN(schema_migrations);

static enum err set_pragma(struct store *s, const char *name, uint64_t value)
{
	char sql[64];

	(void)snprintf(sql, sizeof(sql), "PRAGMA %s = %llu", name, (unsigned long long)value);
	return store_exec(s, sql);
}

static enum err migrate_one(struct store *s, const struct migration *m, uint64_t to)
{
	enum err e = store_begin(s);

	if (e)
		return err_trace(e);
	for (size_t i = 0; i < ARRAY_LEN(m->sql) && m->sql[i] && !e; i++)
		e = store_exec(s, m->sql[i]);
	/* Our mark comes with the first tables: a file whose making was cut short has neither. */
	if (!e && to == 1)
		e = set_pragma(s, "application_id", APPLICATION_ID);
	if (!e)
		e = set_pragma(s, "user_version", to);
	if (!e)
		e = store_commit(s);
	if (e)
		store_rollback(s);
	return e ? err_trace(e) : ERR_OK;
}

enum err schema_migrate(struct store *s, const struct migration *migrations, size_t n, bool is_new)
{
	int64_t version, id;
	enum err e;

	e = store_pragma_i64(s, "PRAGMA user_version", &version);
	if (!e)
		e = store_pragma_i64(s, "PRAGMA application_id", &id);
	if (e)
		return err_trace(e);
	if (!is_new && id != APPLICATION_ID)
		return err_new(ERR_STORAGE,
			       "not a database of amparod, or its making was cut short");
	if (version < 0 || (uint64_t)version > n)
		return err_new(
			ERR_VERSION,
			"the database has version %lld, this amparod knows up to %zu: a newer "
			"one made it",
			(long long)version, n);
	for (size_t i = (size_t)version; i < n; i++) {
		e = migrate_one(s, &migrations[i], i + 1);
		if (e)
			return err_trace(e);
	}
	return ERR_OK;
}
