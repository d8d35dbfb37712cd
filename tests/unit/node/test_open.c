/* Making and opening: whose database, which keys, whether it is whole, and whether it stands where
 * it was signed last; what a node that holds back still does. */
#include "unit/node/fixture.h"

#include <stdio.h>
#include <string.h>

#include "behind.h"
#include "ledger/evidence.h"

/* Change the file behind the node's back. */
static void with_sql(const struct host *h, const char *sql)
{
	struct behind b;
	char *words = NULL;

	assert_null(h->node);
	behind_open(&b, h->database);
	if (sqlite3_exec(b.db, sql, NULL, NULL, &words) != SQLITE_OK)
		fail_msg("%s: %s", sql, words);
	behind_close(&b);
}

static struct pb_status_row *status(struct host *h)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_node_status ask = PB_NODE_STATUS_INIT;

	m.node_status = &ask;
	host_ask(h, EVERYONE, &m);
	assert_int_equal(host_error(h), 0);
	return h->reply[0]->status;
}

/* --- init, open --- */

static void made_once_and_opened_often(void **state)
{
	CLEANUP(fixture_freep) struct fixture *f = fixture_new();
	struct host *h = &f->agency[CZ];
	char origin[ORIGIN_MAX + 1];
	uint64_t size = status(h)->size;

	(void)state;
	assert_int_equal(size, 2); /* START of --init, START */
	assert_string_equal(status(h)->state, "serving");
	assert_string_equal(status(h)->id, h->id.text);
	(void)snprintf(origin, sizeof(origin), "%s", status(h)->origin);
	for (int i = 0; i < 4; i++) {
		host_stop(h);
		fixture_pass(f, 1000);
		host_start(h);
		assert_int_equal(status(h)->size, ++size);
		assert_string_equal(status(h)->origin, origin);
		assert_null(node_hold(h->node));
	}
}

static void a_second_init_is_refused(void **state)
{
	CLEANUP(fixture_freep) struct fixture *f = fixture_new();
	struct host *h = &f->agency[CZ];
	struct node_options o = {.agency = h->id,
				 .database = h->database,
				 .node_key = h->node_key,
				 .seal_key = h->seal_key,
				 .seal_chain = &h->chain,
				 .trust = f->trust,
				 .port = h->node->port};

	(void)state;
	host_stop(h);
	assert_int_equal(node_init(&o), ERR_EXISTS);
	host_start(h);
	assert_int_equal(status(h)->size, 3);
}

static void without_a_database(void **state)
{
	CLEANUP(fixture_freep) struct fixture *f = fixture_new();

	(void)state;
	assert_int_equal(host_try(&f->agency[SK]), ERR_NOT_FOUND);
}

static void the_right_keys_and_agency(void **state)
{
	CLEANUP(fixture_freep) struct fixture *f = fixture_new();
	struct host *cz = &f->agency[CZ], *sk = &f->agency[SK];
	struct secret *node_key = cz->node_key;
	struct seal_key *seal_key = cz->seal_key;
	struct agency_id id = cz->id;
	uint64_t files;

	(void)state;
	host_stop(cz);
	files = host_files(cz);
	cz->node_key = sk->node_key;
	assert_int_equal(host_try(cz), ERR_CONFIG);
	cz->node_key = node_key;
	cz->seal_key = sk->seal_key;
	assert_int_equal(host_try(cz), ERR_CONFIG);
	cz->seal_key = seal_key;
	cz->id = sk->id;
	assert_int_equal(host_try(cz), ERR_CONFIG);
	cz->id = id;
	assert_true(host_files(cz) == files);
	host_start(cz);
	assert_int_equal(status(cz)->size, 3);
}

static void a_failed_open_signs_nothing(void **state)
{
	CLEANUP(fixture_freep) struct fixture *f = fixture_new();
	struct host *h = &f->agency[CZ];
	size_t n_signed;

	(void)state;
	host_stop(h);
	n_signed = h->n_last_signed;
	with_sql(h, "UPDATE own_checkpoint SET note = x'00'");
	assert_int_equal(host_try(h), ERR_STORAGE);
	assert_int_equal(h->n_last_signed, n_signed);
}

/* Anything that the file says of the newest entries is looked at before it is served. */
static void damage_at_the_end_is_seen(void **state)
{
	static const char *const damages[] = {
		"DROP TRIGGER entry_is_not_changed;"
		"UPDATE entry SET bytes = zeroblob(length(bytes)) WHERE idx = 1",
		"DROP TRIGGER entry_is_not_changed;"
		"UPDATE entry SET bytes = substr(bytes, 1, length(bytes) - 1) WHERE idx = 0",
		"DROP TRIGGER entry_is_not_changed;"
		"UPDATE entry SET leaf = zeroblob(32) WHERE idx = 1",
		"DROP TRIGGER entry_is_not_deleted; DELETE FROM entry WHERE idx = 1",
		"DROP TRIGGER entry_is_not_deleted; DELETE FROM entry WHERE idx = 0",
		"UPDATE own_checkpoint SET size = 1",
		"DELETE FROM own_checkpoint",
		"INSERT INTO tile (epoch, level, n, node, hashes) SELECT epoch, 0, 0, "
		"zeroblob(32), zeroblob(8192) FROM own_checkpoint",
		"DELETE FROM meta WHERE name = 'origin'",
		"DELETE FROM meta WHERE name = 'canary'",
		"UPDATE meta SET value = x'' WHERE name = 'agency'",
		"UPDATE blob SET cipher = zeroblob(length(cipher)) WHERE cipher IS NOT NULL",
		"UPDATE blob SET wrapped_key = x'01' WHERE cipher IS NOT NULL",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
		CLEANUP(fixture_freep) struct fixture *f = fixture_new();
		struct host *h = &f->agency[CZ];
		size_t n_signed;
		enum err e;

		host_stop(h);
		n_signed = h->n_last_signed;
		with_sql(h, damages[i]);
		e = host_try(h);
		if (e == ERR_OK)
			fail_msg("opened: %s", damages[i]);
		assert_null(h->node);
		assert_int_equal(h->n_last_signed, n_signed);
	}
}

/* Damage further back is found by the verification in the background. */
static void damage_further_back_is_found(void **state)
{
	CLEANUP(fixture_freep) struct fixture *f = fixture_new();
	struct host *h = &f->agency[CZ];
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_audit_verify ask = PB_AUDIT_VERIFY_INIT;
	struct pb_node_status nothing = PB_NODE_STATUS_INIT;
	struct pb_api_request refused = PB_API_REQUEST_INIT;

	(void)state;
	/* a full tile: a refused request is an entry */
	refused.node_status = &nothing;
	for (int i = 0; i < 300; i++) {
		struct pb_record_list list = PB_RECORD_LIST_INIT;

		refused = (struct pb_api_request)PB_API_REQUEST_INIT;
		refused.record_list = &list;
		host_ask(h, NODE_ROLE_AUDITOR, &refused);
		assert_int_equal(host_error(h), PB(API_ERROR_CODE, NO_PERMISSION));
	}
	m.audit_verify = &ask;
	host_ask(h, EVERYONE, &m);
	assert_true(h->reply[0]->verify->ok);
	assert_int_equal(h->reply[0]->verify->n_entries, 302);
	host_stop(h);
	with_sql(h, "DROP TRIGGER entry_is_not_changed;"
		    "UPDATE entry SET bytes = zeroblob(length(bytes)) WHERE idx = 100");
	f->n_log[LOG_ERR] = 0;
	host_start(h);
	host_turn(h);
	assert_int_equal(f->n_log[LOG_ERR], 1);
	assert_non_null(strstr(f->log_err, "verification failed"));
	host_ask(h, EVERYONE, &m);
	assert_false(h->reply[0]->verify->ok);
	assert_int_equal(h->reply[0]->verify->bad_index, 100);
}

/* --- last-signed --- */

/* What stands in the file, and what the node makes of it. */
static void held(struct host *h, const char *words)
{
	host_start(h);
	if (!words) {
		if (node_hold(h->node))
			fail_msg("holds: %s", node_hold(h->node));
	} else if (!node_hold(h->node) || !strstr(node_hold(h->node), words)) {
		fail_msg("not held for '%s': %s", words,
			 node_hold(h->node) ? node_hold(h->node) : "serving");
	}
}

static void keep(const struct host *h, uint8_t newest[NOTE_MAX], size_t *n)
{
	memcpy(newest, h->newest, h->n_newest);
	*n = h->n_newest;
}

static void last_signed_equal_or_one_ahead(void **state)
{
	CLEANUP(fixture_freep) struct fixture *f = fixture_new();
	struct host *h = &f->agency[CZ];
	bool more;
	uint64_t size;

	(void)state;
	host_stop(h);
	held(h, NULL);
	/* the commit that was interrupted: signed, written outside, never committed */
	size = status(h)->size;
	host_stop(h);
	h->fail_last_signed = true;
	assert_int_equal(host_try(h), ERR_IO);
	assert_null(h->node);
	h->fail_last_signed = false;
	held(h, NULL);
	assert_int_equal(status(h)->size, size + 1);
	assert_int_equal(node_turn(h->node, &more), ERR_OK);
}

static void last_signed_missing_or_garbage(void **state)
{
	CLEANUP(fixture_freep) struct fixture *f = fixture_new();
	struct host *h = &f->agency[CZ];
	uint8_t newest[NOTE_MAX];
	size_t n;

	(void)state;
	host_stop(h);
	keep(h, newest, &n);
	h->n_newest = h->n_previous = 0;
	held(h, "missing");
	host_stop(h);
	memcpy(h->newest, "garbage", 7);
	h->n_newest = 7;
	held(h, "damaged");
	host_stop(h);
	memcpy(h->newest, newest, n);
	h->n_newest = n;
	h->newest[n - 8] ^= 1; /* its signature */
	held(h, "damaged");
	host_stop(h);
	memcpy(h->newest, newest, n);
	held(h, NULL);
}

static void copy_file(const char *from, const char *to)
{
	static uint8_t bytes[1 << 20];
	FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
	size_t n;

	assert_non_null(in);
	assert_non_null(out);
	n = fread(bytes, 1, sizeof(bytes), in);
	assert_true(n < sizeof(bytes));
	assert_int_equal(fwrite(bytes, 1, n, out), n);
	assert_int_equal(fclose(out), 0);
	(void)fclose(in);
}

static void an_old_backup_signs_nothing(void **state)
{
	CLEANUP(fixture_freep) struct fixture *f = fixture_new();
	struct host *h = &f->agency[CZ];
	char backup[400], wal[400];
	uint64_t files;
	size_t n_signed;

	(void)state;
	(void)snprintf(backup, sizeof(backup), "%s/backup", f->folder);
	(void)snprintf(wal, sizeof(wal), "%s-wal", h->database);
	host_stop(h);
	copy_file(h->database, backup);
	for (int i = 0; i < 3; i++) {
		host_start(h);
		host_stop(h);
	}
	copy_file(backup, h->database);
	(void)remove(wal);
	n_signed = h->n_last_signed;
	held(h, "old backup");
	host_turn(h);
	files = host_files(h);
	assert_int_equal(h->n_last_signed, n_signed);
	host_turn(h);
	assert_true(host_files(h) == files);
	assert_non_null(strstr(status(h)->state, "old backup"));
}

static void last_signed_behind_is_written_again(void **state)
{
	CLEANUP(fixture_freep) struct fixture *f = fixture_new();
	struct host *h = &f->agency[CZ];
	uint8_t newest[NOTE_MAX];
	size_t n;

	(void)state;
	host_stop(h);
	keep(h, newest, &n);
	for (int i = 0; i < 3; i++) {
		host_start(h);
		host_stop(h);
	}
	memcpy(h->newest, newest, n);
	h->n_newest = n;
	h->n_previous = 0;
	f->n_log[LOG_WARN] = 0;
	held(h, NULL);
	assert_true(f->n_log[LOG_WARN] >= 1);
	assert_true(h->n_newest > 0);
}

/* The file and the database are of one size, or the file is of a smaller one, but of another ledger
 * under the same origin and key: a fork. */
static void last_signed_of_a_fork(void **state)
{
	CLEANUP(fixture_freep) struct fixture *f = fixture_new();
	struct host *h = &f->agency[CZ];
	uint64_t size = status(h)->size;

	(void)state;
	for (uint64_t at = size - 1; at <= size; at++) {
		CLEANUP(buf_fini) struct buf note = {0};
		struct checkpoint c = {.origin = h->node ? h->node->origin : (struct origin){{0}},
				       .size = at};

		if (!h->node)
			host_start(h);
		c.origin = h->node->origin;
		host_stop(h);
		memset(c.root.b, 7, sizeof(c.root.b));
		assert_int_equal(checkpoint_sign(&c, h->seal_key, &note), ERR_OK);
		memcpy(h->newest, note.data, note.n);
		h->n_newest = note.n;
		h->n_previous = 0;
		held(h, "forked");
		host_stop(h);
	}
}

static void last_signed_of_another_agency(void **state)
{
	CLEANUP(fixture_freep) struct fixture *f = fixture_new();
	struct host *h = &f->agency[CZ];
	CLEANUP(buf_fini) struct buf note = {0};
	struct checkpoint c = {.size = 2};

	(void)state;
	origin_make(&c.origin, &f->agency[SK].id, 5);
	assert_int_equal(checkpoint_sign(&c, h->seal_key, &note), ERR_OK);
	host_stop(h);
	memcpy(h->newest, note.data, note.n);
	h->n_newest = note.n;
	h->n_previous = 0;
	held(h, "of another ledger");
}

/* --- clock --- */

static void a_clock_that_jumps(void **state)
{
	static const int64_t jumps_s[] = {301, -301, 86400 * 365, -86400 * 365};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(jumps_s); i++) {
		CLEANUP(fixture_freep) struct fixture *f = fixture_new();
		struct host *h = &f->agency[CZ];
		size_t n_signed;

		fixture_pass(f, 3600 * 1000);
		host_turn(h);
		assert_null(node_hold(h->node));
		n_signed = h->n_last_signed;
		f->utc_us += (uint64_t)(jumps_s[i] * 1000000);
		host_turn(h);
		assert_non_null(strstr(node_hold(h->node), "clock moved"));
		assert_int_equal(h->n_last_signed, n_signed);
		/* not lifted by going back: the operator looks first */
		f->utc_us -= (uint64_t)(jumps_s[i] * 1000000);
		host_turn(h);
		assert_non_null(node_hold(h->node));
		host_stop(h);
		host_start(h);
		assert_null(node_hold(h->node));
	}
}

/* Many small steps are no better than one large one; what an oscillator drifts is fine. */
static void a_clock_that_drifts(void **state)
{
	CLEANUP(fixture_freep) struct fixture *f = fixture_new();
	struct host *h = &f->agency[CZ];

	(void)state;
	for (int hour = 0; hour < 24 * 60; hour++) {
		fixture_pass(f, 3600 * 1000);
		f->utc_us += 360000; /* 100 ppm, for two months */
		host_turn(h);
		if (node_hold(h->node))
			fail_msg("after %d hours: %s", hour, node_hold(h->node));
	}
	for (int minute = 0; minute < 20; minute++) {
		fixture_pass(f, 60000);
		f->utc_us += 20 * UINT64_C(1000000);
		host_turn(h);
	}
	assert_non_null(node_hold(h->node));
}

static void a_clock_behind_the_ledger(void **state)
{
	CLEANUP(fixture_freep) struct fixture *f = fixture_new();
	struct host *h = &f->agency[CZ];
	size_t n_signed = h->n_last_signed;

	(void)state;
	host_stop(h);
	f->utc_us -= 200 * UINT64_C(1000000);
	host_start(h);
	assert_null(node_hold(h->node)); /* within the slack: the time just does not go back */
	n_signed = h->n_last_signed;
	host_stop(h);
	f->utc_us -= 3600 * UINT64_C(1000000);
	host_start(h);
	assert_non_null(strstr(node_hold(h->node), "before the newest entry"));
	assert_int_equal(h->n_last_signed, n_signed);
}

/* --- what a node that holds back does --- */

static int ask_import(struct host *h)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_record_import import = PB_RECORD_IMPORT_INIT;

	import.has_type = import.has_record = 1;
	import.type = RECORD_VICTIM;
	import.record = message_borrow(buf_view(&h->f->record));
	m.record_import = &import;
	host_ask(h, EVERYONE, &m);
	return host_error(h);
}

static void a_holding_node_signs_nothing(void **state)
{
	CLEANUP(fixture_freep) struct fixture *f = fixture_new();
	struct host *h = &f->agency[CZ];
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_agreement_adopt adopt = PB_AGREEMENT_ADOPT_INIT;
	struct pb_record_list list = PB_RECORD_LIST_INIT;
	struct pb_record_show show = PB_RECORD_SHOW_INIT;
	static char why[] = "to see";
	uint8_t id[16];
	size_t n_signed;
	uint64_t size;

	(void)state;
	host_import(h, id);
	size = status(h)->size;
	f->utc_us += 3600 * UINT64_C(1000000);
	host_turn(h);
	assert_non_null(node_hold(h->node));
	n_signed = h->n_last_signed;
	assert_int_equal(ask_import(h), PB(API_ERROR_CODE, TEMPORARY));
	adopt.has_file = 1;
	adopt.file = message_borrow(buf_view(&f->agreement));
	m.agreement_adopt = &adopt;
	host_ask(h, EVERYONE, &m);
	assert_int_equal(host_error(h), PB(API_ERROR_CODE, TEMPORARY));
	/* reading is logged, and what cannot be logged is not read */
	m = (struct pb_api_request)PB_API_REQUEST_INIT;
	show.has_record_id = 1;
	show.record_id = message_borrow(view_of(id, 16));
	show.reason = why;
	m.record_show = &show;
	host_ask(h, EVERYONE, &m);
	assert_int_equal(host_error(h), PB(API_ERROR_CODE, TEMPORARY));
	/* a refused role too, without its entry */
	m = (struct pb_api_request)PB_API_REQUEST_INIT;
	m.record_list = &list;
	host_ask(h, NODE_ROLE_AUDITOR, &m);
	assert_int_equal(host_error(h), PB(API_ERROR_CODE, NO_PERMISSION));
	host_ask(h, EVERYONE, &m);
	assert_int_equal(host_error(h), 0);
	assert_int_equal(status(h)->size, size);
	assert_int_equal(h->n_last_signed, n_signed);
}

static void a_holding_node_still_answers(void **state)
{
	CLEANUP(fixture_freep) struct fixture *f = fixture_new();
	struct host *h = &f->agency[CZ];
	struct pb_frame frame = PB_FRAME_INIT;
	struct pb_ask ask = PB_ASK_INIT;
	struct pb_ask_consistency sizes = PB_ASK_CONSISTENCY_INIT;
	struct pb_ask_heads heads = PB_ASK_HEADS_INIT;
	uint64_t asked[] = {1, 2, 99}, k[] = {0, 1};
	struct proof proof = {.n = 0};
	struct digest root1;
	struct evil e;
	size_t n_signed;

	(void)state;
	evil_init(&e, f, SK);
	evil_connect(&e, TLS_LISTENER);
	evil_agree(&e);
	evil_close(&e);
	f->utc_us += 3600 * UINT64_C(1000000);
	host_turn(h);
	assert_non_null(node_hold(h->node));
	n_signed = h->n_last_signed;
	/* its Hello, with the old checkpoint, and the session stands */
	evil_connect(&e, TLS_LISTENER);
	ask.has_id = 1;
	ask.id = 77;
	sizes.sizes = asked;
	sizes.n_sizes = ARRAY_LEN(asked);
	ask.consistency = &sizes;
	frame.ask = &ask;
	evil_frame(&e, &frame);
	assert_non_null(e.answer);
	assert_int_equal(e.answer->id, 77);
	assert_int_equal(e.answer->n_proofs, 2);
	proof.n = e.answer->proofs[0]->hashes.len / 32;
	memcpy(proof.hash, e.answer->proofs[0]->hashes.data, proof.n * 32);
	assert_int_equal(ledger_root_at(h->node, 1, &root1), ERR_OK);
	assert_int_equal(
		merkle_check_consistency(1, &root1, e.held.size, &e.held.root, proof.hash, proof.n),
		ERR_OK);
	ask.consistency = NULL;
	ask.heads = &heads;
	heads.has_side = 1;
	heads.side = PB(CHAIN_SIDE, YOURS);
	heads.k = k;
	heads.n_k = ARRAY_LEN(k);
	evil_frame(&e, &frame);
	assert_int_equal(e.answer->n_heads, 2);
	assert_int_equal(e.answer->newest_k, e.received.k);
	assert_memory_equal(e.answer->heads[0]->head.data, e.received.head.b, 32);
	/* a batch it does not take: busy, and it does not dial for a while either */
	{
		struct entry entry = evil_next(&e, PB(ENTRY_KIND, NOTICE));

		(void)evil_add(&e, &entry, view_str(""));
		evil_batch(&e, e.n_item - 1, e.n_item);
	}
	assert_int_equal(e.bye, PB(BYE_CODE, BUSY));
	assert_true(host_has_closed(h, e.session));
	evil_close(&e);
	host_forget(h);
	for (int i = 0; i < 59; i++) {
		fixture_pass(f, 1000);
		host_turn(h);
	}
	assert_int_equal(h->n_dials[SK], 0);
	assert_true(h->n_dials[AT] > 0);
	fixture_pass(f, 2000);
	host_turn(h);
	assert_int_equal(h->n_dials[SK], 1);
	assert_int_equal(host_peer(h, SK)->row.received_k, e.n_item - 1);
	assert_int_equal(h->n_last_signed, n_signed);
	evil_fini(&e);
}

/* First contact waits until the node signs: a pin is an entry. */
static void a_holding_node_pins_nobody(void **state)
{
	CLEANUP(fixture_freep) struct fixture *f = fixture_new();
	struct host *h = &f->agency[CZ];
	struct hello_terms terms;
	struct evil e;

	(void)state;
	f->utc_us += 3600 * UINT64_C(1000000);
	host_turn(h);
	evil_init(&e, f, SK);
	evil_open(&e, TLS_LISTENER);
	terms = evil_terms(&e);
	evil_say(&e, &terms);
	assert_int_equal(e.bye, PB(BYE_CODE, STOPPED));
	assert_false(host_peer(h, SK)->row.pinned);
	evil_fini(&e);
}

/* A Hello in the middle of a turn stops the signing: what the turn appended before is whole. */
static void a_hold_in_the_middle_of_a_turn(void **state)
{
	CLEANUP(fixture_freep) struct fixture *f = fixture_new();
	struct host *h = &f->agency[CZ];
	CLEANUP(buf_fini) struct buf hello = {0}, forged = {0}, note = {0};
	CLEANUP(buf_fini) struct buf first = {0}, new_note = {0};
	struct checkpoint c = {.size = 1000};
	struct hello_terms terms;
	struct evil e, new_peer;
	uint64_t size;

	(void)state;
	evil_init(&e, f, SK);
	evil_connect(&e, TLS_LISTENER);
	evil_close(&e);
	size = h->node->tree.size;
	/* ours, validly signed, of a ledger that we do not have: a restored backup looks like this
	 */
	c.origin = h->node->origin;
	memset(c.root.b, 9, sizeof(c.root.b));
	assert_int_equal(checkpoint_sign(&c, h->seal_key, &forged), ERR_OK);
	evil_open(&e, TLS_LISTENER);
	terms = evil_terms(&e);
	terms.your_checkpoint = buf_view(&forged);
	evil_note(&e, &note);
	terms.my_checkpoint = buf_view(&note);
	assert_int_equal(hello_make(&terms, e.papers->seal_key, &hello), ERR_OK);
	/* appended before: the pin of another peer at first contact */
	evil_init(&new_peer, f, AT);
	evil_open(&new_peer, TLS_LISTENER);
	terms = evil_terms(&new_peer);
	evil_note(&new_peer, &new_note);
	terms.my_checkpoint = buf_view(&new_note);
	assert_int_equal(hello_make(&terms, new_peer.papers->seal_key, &first), ERR_OK);
	assert_int_equal(node_frame(h->node, new_peer.session, buf_view(&first)), ERR_OK);
	assert_int_equal(node_frame(h->node, e.session, buf_view(&hello)), ERR_OK);
	host_turn(h);
	evil_listen(&e);
	assert_non_null(strstr(node_hold(h->node), "rolled back or forked"));
	assert_int_equal(e.bye, PB(BYE_CODE, STOPPED));
	assert_int_equal(h->node->tree.size, size + 1);
	host_stop(h);
	host_start(h); /* it opens, and holds for the same reason */
	assert_non_null(strstr(node_hold(h->node), "rolled back or forked"));
	assert_int_equal(h->node->tree.size, size + 1);
	evil_fini(&new_peer);
	evil_fini(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made_once_and_opened_often),
		cmocka_unit_test(a_second_init_is_refused),
		cmocka_unit_test(without_a_database),
		cmocka_unit_test(the_right_keys_and_agency),
		cmocka_unit_test(a_failed_open_signs_nothing),
		cmocka_unit_test(damage_at_the_end_is_seen),
		cmocka_unit_test(damage_further_back_is_found),
		cmocka_unit_test(last_signed_equal_or_one_ahead),
		cmocka_unit_test(last_signed_missing_or_garbage),
		cmocka_unit_test(an_old_backup_signs_nothing),
		cmocka_unit_test(last_signed_behind_is_written_again),
		cmocka_unit_test(last_signed_of_a_fork),
		cmocka_unit_test(last_signed_of_another_agency),
		cmocka_unit_test(a_clock_that_jumps),
		cmocka_unit_test(a_clock_that_drifts),
		cmocka_unit_test(a_clock_behind_the_ledger),
		cmocka_unit_test(a_holding_node_signs_nothing),
		cmocka_unit_test(a_holding_node_still_answers),
		cmocka_unit_test(a_holding_node_pins_nobody),
		cmocka_unit_test(a_hold_in_the_middle_of_a_turn),
	};

	return cmocka_run_group_tests_name("node/open", tests, NULL, NULL);
}
