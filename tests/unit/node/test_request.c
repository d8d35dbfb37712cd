/* The local API as the node answers it: who may ask what, requests that are wrong, and what
 * asking leaves in the ledger. */
#include "unit/node/requests.h"

#include <stdio.h>

#include "behind.h"

/* --- roles --- */

/* Every verb, with empty questions: enough to see whether the role is asked first. */
struct every {
	struct pb_record_import record_import;
	struct pb_record_list record_list;
	struct pb_record_show record_show;
	struct pb_referral_send referral_send;
	struct pb_referral_list referral_list;
	struct pb_referral_show referral_show;
	struct pb_referral_decide referral_decide;
	struct pb_peer_list peer_list;
	struct pb_agreement_adopt agreement_adopt;
	struct pb_agreement_list agreement_list;
	struct pb_audit_list audit_list;
	struct pb_audit_verify audit_verify;
	struct pb_audit_reconcile audit_reconcile;
	struct pb_node_status node_status;
	struct pb_agreement_withdraw agreement_withdraw;
};

#define N_VERBS 15

static uint32_t verb(struct every *every, size_t i, struct pb_api_request *m)
{
	*every = (struct every){
		PB_RECORD_IMPORT_INIT,	 PB_RECORD_LIST_INIT,	PB_RECORD_SHOW_INIT,
		PB_REFERRAL_SEND_INIT,	 PB_REFERRAL_LIST_INIT, PB_REFERRAL_SHOW_INIT,
		PB_REFERRAL_DECIDE_INIT, PB_PEER_LIST_INIT,	PB_AGREEMENT_ADOPT_INIT,
		PB_AGREEMENT_LIST_INIT,	 PB_AUDIT_LIST_INIT,	PB_AUDIT_VERIFY_INIT,
		PB_AUDIT_RECONCILE_INIT, PB_NODE_STATUS_INIT,	PB_AGREEMENT_WITHDRAW_INIT};
	*m = (struct pb_api_request)PB_API_REQUEST_INIT;
	switch (i) {
	case 0:
		m->record_import = &every->record_import;
		return CASEWORKERS;
	case 1:
		m->record_list = &every->record_list;
		return CASEWORKERS;
	case 2:
		m->record_show = &every->record_show;
		return CASEWORKERS;
	case 3:
		m->referral_send = &every->referral_send;
		return CASEWORKERS;
	case 4:
		m->referral_list = &every->referral_list;
		return CASEWORKERS;
	case 5:
		m->referral_show = &every->referral_show;
		return CASEWORKERS;
	case 6:
		m->referral_decide = &every->referral_decide;
		return CASEWORKERS;
	case 7:
		m->peer_list = &every->peer_list;
		return EVERYONE;
	case 8:
		m->agreement_adopt = &every->agreement_adopt;
		return NODE_ROLE_OPERATOR;
	case 9:
		m->agreement_list = &every->agreement_list;
		return EVERYONE;
	case 10:
		m->audit_list = &every->audit_list;
		return NODE_ROLE_AUDITOR;
	case 11:
		m->audit_verify = &every->audit_verify;
		return NODE_ROLE_AUDITOR | NODE_ROLE_OPERATOR;
	case 12:
		m->audit_reconcile = &every->audit_reconcile;
		return NODE_ROLE_AUDITOR | NODE_ROLE_OPERATOR;
	case 13:
		m->node_status = &every->node_status;
		return EVERYONE;
	case 14:
		m->agreement_withdraw = &every->agreement_withdraw;
		return NODE_ROLE_OPERATOR;
	}
	return 0;
}

/* Every set of roles with every verb; a refusal is an entry, for those who have some role. */
static void each_verb_and_each_role(void **state)
{
	struct given g = given_new();

	(void)state;
	for (size_t i = 0; i < N_VERBS; i++)
		for (uint32_t roles = 0; roles <= EVERYONE; roles++) {
			struct pb_api_request m;
			struct every every;
			const uint32_t may = verb(&every, i, &m);
			const uint64_t size = size_of(&g);

			host_ask(g.h, roles, &m);
			if (roles & may) {
				assert_int_not_equal(host_error(g.h), ERROR(NO_PERMISSION));
				continue;
			}
			if (host_error(g.h) != ERROR(NO_PERMISSION))
				fail_msg("verb %zu with roles %x", i, roles);
			assert_int_equal(size_of(&g), size + (roles != 0));
			if (roles)
				assert_int_equal(kind_at(&g, size), PB(ENTRY_KIND, REFUSED_ROLE));
		}
	given_free(&g);
}

/* --- not well-formed --- */

static void requests_that_are_none(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
	} rows[] = {
		{"", 0},
		{"\x08\x01", 2},		     /* asks nothing */
		{"\x08\x01\x5a\x00\xba\x01\x00", 7}, /* two things at once */
		{"\xba\x01\x00", 3},		     /* without id */
		{"\xba\x01\x00\x08\x01", 5},	     /* out of order */
		{"\x08\x81\x00\xba\x01\x00", 6},     /* in too many bytes */
		{"\x08\x01\xfa\x3f\x00", 5},	     /* an unknown verb */
		{"garbage", 7},
	};
	const struct node_caller caller = {.id = 9, .roles = EVERYONE};
	struct given g = given_new();
	const uint64_t files = host_files(g.h);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = g.h->n_reply;

		assert_int_equal(
			node_request(g.h->node, &caller, view_of(rows[i].bytes, rows[i].n)),
			ERR_OK);
		host_turn(g.h);
		assert_int_equal(g.h->n_reply, n + 1);
		assert_int_equal(g.h->reply[n]->error->code, ERROR(USAGE));
	}
	assert_true(host_files(g.h) == files);
	given_free(&g);
}

/* --- records --- */

static int import_with(struct given *g, void (*change)(struct given *g, struct pb_record_import *m))
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_record_import import = PB_RECORD_IMPORT_INIT;

	import.has_type = import.has_record = 1;
	import.type = RECORD_VICTIM;
	import.record = message_borrow(buf_view(&g->f->record));
	if (change)
		change(g, &import);
	m.record_import = &import;
	host_ask(g->h, EVERYONE, &m);
	return host_error(g->h);
}

static void no_type(struct given *g, struct pb_record_import *m)
{
	(void)g;
	m->has_type = 0;
}

static void another_type(struct given *g, struct pb_record_import *m)
{
	(void)g;
	m->type = RECORD_CASE;
}

static void unknown_type(struct given *g, struct pb_record_import *m)
{
	(void)g;
	m->type = 77;
}

static void no_record(struct given *g, struct pb_record_import *m)
{
	(void)g;
	m->has_record = 0;
}

static void cut_record(struct given *g, struct pb_record_import *m)
{
	(void)g;
	m->record.len--;
}

static void garbage_record(struct given *g, struct pb_record_import *m)
{
	(void)g;
	m->record = message_borrow(view_str("garbage"));
}

static void empty_record(struct given *g, struct pb_record_import *m)
{
	(void)g;
	m->record.len = 0;
}

static void replaces_nothing(struct given *g, struct pb_record_import *m)
{
	static uint8_t id[16];

	(void)g;
	m->has_replaces = 1;
	m->replaces = message_borrow(view_of(id, sizeof(id)));
}

static void replaces_half(struct given *g, struct pb_record_import *m)
{
	m->has_replaces = 1;
	m->replaces = message_borrow(view_of(g->record, 8));
}

static void retained_until_yesterday(struct given *g, struct pb_record_import *m)
{
	m->has_retain_until_us = 1;
	m->retain_until_us = g->f->utc_us;
}

static void retained_for_ever(struct given *g, struct pb_record_import *m)
{
	(void)g;
	m->has_retain_until_us = 1;
	m->retain_until_us = UINT64_MAX;
}

static void replaces(struct given *g, struct pb_record_import *m)
{
	m->has_replaces = 1;
	m->replaces = message_borrow(view_of(g->record, 16));
}

static void imports(void **state)
{
	static void (*const wrong[])(struct given *, struct pb_record_import *) = {
		no_type,       another_type,
		unknown_type,  no_record,
		cut_record,    garbage_record,
		empty_record,  replaces_nothing,
		replaces_half, retained_until_yesterday,
	};
	struct given g = given_new();
	uint64_t size = size_of(&g), files = host_files(g.h);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		if (import_with(&g, wrong[i]) != ERROR(DATA))
			fail_msg("import %zu: %d", i, host_error(g.h));
	assert_int_equal(size_of(&g), size);
	assert_true(host_files(g.h) == files);
	/* a record made is COLLECTED and SEAL, one changed ALTERED and SEAL */
	assert_int_equal(import_with(&g, NULL), 0);
	assert_int_equal(kind_at(&g, size), PB(ENTRY_KIND, COLLECTED));
	assert_int_equal(kind_at(&g, size + 1), PB(ENTRY_KIND, SEAL));
	assert_int_equal(import_with(&g, replaces), 0);
	assert_int_equal(g.h->reply[0]->record->revision, 2);
	assert_memory_equal(g.h->reply[0]->record->id.data, g.record, 16);
	assert_int_equal(kind_at(&g, size + 2), PB(ENTRY_KIND, ALTERED));
	assert_int_equal(import_with(&g, replaces), 0);
	assert_int_equal(g.h->reply[0]->record->revision, 3);
	assert_int_equal(import_with(&g, retained_for_ever), 0);
	given_free(&g);
}

static int show_record(struct given *g, size_t n_id, const char *reason)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_record_show ask = PB_RECORD_SHOW_INIT;
	uint8_t id[20] = {0};

	memcpy(id, g->record, 16);
	ask.has_record_id = n_id != 0;
	ask.record_id = message_borrow(view_of(id, n_id));
	ask.reason = message_borrow_text(reason);
	m.record_show = &ask;
	host_ask(g->h, EVERYONE, &m);
	return host_error(g->h);
}

static void reading_needs_a_reason(void **state)
{
	struct given g = given_new();
	uint64_t size = size_of(&g);

	(void)state;
	assert_int_equal(show_record(&g, 16, NULL), ERROR(USAGE));
	assert_int_equal(show_record(&g, 16, ""), ERROR(USAGE));
	assert_int_equal(show_record(&g, 0, "why"), ERROR(USAGE));
	assert_int_equal(show_record(&g, 15, "why"), ERROR(USAGE));
	assert_int_equal(show_record(&g, 17, "why"), ERROR(USAGE));
	assert_int_equal(size_of(&g), size);
	assert_int_equal(show_record(&g, 16, "why"), 0);
	assert_true(g.h->reply[0]->record_content->record.len > 0);
	assert_int_equal(kind_at(&g, size), PB(ENTRY_KIND, CONSULTED));
	g.record[0] ^= 1;
	assert_int_equal(show_record(&g, 16, "why"), ERROR(DATA));
	assert_int_equal(size_of(&g), size + 1);
	given_free(&g);
}

/* --- sending --- */

typedef void (*send_change)(struct given *g, struct pb_referral_send *ask);

static int send_with(struct given *g, send_change change)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_referral_send ask = PB_REFERRAL_SEND_INIT;
	struct pb_referral terms = PB_REFERRAL_INIT;

	terms.has_type = terms.has_urgency = terms.has_responsibility = terms.has_basis = 1;
	terms.type = PB(REFERRAL_TYPE, TRACING);
	terms.urgency = PB(URGENCY, URGENT);
	terms.responsibility = PB(RESPONSIBILITY, REFERRAL);
	terms.basis = PB(LEGAL_BASIS, PUBLIC_TASK);
	ask.has_record_id = ask.has_purpose = 1;
	ask.record_id = message_borrow(view_of(g->record, 16));
	ask.peer = g->f->agency[SK].id.text;
	ask.purpose = PB(PURPOSE, CHILD_PROTECTION);
	ask.terms = &terms;
	if (change)
		change(g, &ask);
	m.referral_send = &ask;
	host_ask(g->h, EVERYONE, &m);
	return host_error(g->h);
}

static void no_peer(struct given *g, struct pb_referral_send *ask)
{
	(void)g;
	ask->peer = NULL;
}

static void unknown_peer(struct given *g, struct pb_referral_send *ask)
{
	static char name[] = "nobody";

	(void)g;
	ask->peer = name;
}

static void to_us(struct given *g, struct pb_referral_send *ask)
{
	ask->peer = g->h->id.text;
}

static void to_one_without_agreement(struct given *g, struct pb_referral_send *ask)
{
	ask->peer = g->f->agency[AT].id.text;
}

static void no_purpose(struct given *g, struct pb_referral_send *ask)
{
	(void)g;
	ask->has_purpose = 0;
}

static void unknown_purpose(struct given *g, struct pb_referral_send *ask)
{
	(void)g;
	ask->purpose = PB(PURPOSE, FAMILY_TRACING);
}

static void no_terms(struct given *g, struct pb_referral_send *ask)
{
	(void)g;
	ask->terms = NULL;
}

static void terms_without_type(struct given *g, struct pb_referral_send *ask)
{
	(void)g;
	ask->terms->has_type = 0;
}

static void expired_terms(struct given *g, struct pb_referral_send *ask)
{
	ask->terms->has_expires_us = 1;
	ask->terms->expires_us = g->f->utc_us - 1;
}

static void terms_for_ever(struct given *g, struct pb_referral_send *ask)
{
	(void)g;
	ask->terms->has_reply_by_us = 1;
	ask->terms->reply_by_us = UINT64_MAX;
}

static void unknown_record(struct given *g, struct pb_referral_send *ask)
{
	static uint8_t id[16];

	(void)g;
	ask->record_id = message_borrow(view_of(id, 16));
}

static void half_a_record_id(struct given *g, struct pb_referral_send *ask)
{
	(void)g;
	ask->record_id.len = 8;
}

static void a_disclosure_of_the_callers(struct given *g, struct pb_referral_send *ask)
{
	static struct pb_disclosure d;

	(void)g;
	d = (struct pb_disclosure)PB_DISCLOSURE_INIT;
	ask->terms->record = &d;
}

static void a_message_too_long(struct given *g, struct pb_referral_send *ask)
{
	static char text[BODY_BYTES_MAX + 1];

	(void)g;
	memset(text, 'a', sizeof(text) - 1);
	ask->terms->message = text;
}

static void by_its_short_name(struct given *g, struct pb_referral_send *ask)
{
	static char name[] = "cipc";

	(void)g;
	ask->peer = name;
}

static void preview(struct given *g, struct pb_referral_send *ask)
{
	(void)g;
	ask->has_preview = ask->preview = 1;
	ask->terms->has_type = 0; /* a preview needs no whole terms */
}

static void sending(void **state)
{
	static const send_change wrong[] = {
		no_peer,
		unknown_peer,
		to_us,
		to_one_without_agreement,
		no_purpose,
		unknown_purpose,
		no_terms,
		terms_without_type,
		expired_terms,
		terms_for_ever,
		unknown_record,
		half_a_record_id,
		a_disclosure_of_the_callers,
		a_message_too_long,
	};
	struct given g = given_new();
	uint64_t size = size_of(&g), files = host_files(g.h);
	size_t n;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		if (send_with(&g, wrong[i]) != ERROR(DATA))
			fail_msg("send %zu: %d", i, host_error(g.h));
	assert_int_equal(size_of(&g), size);
	assert_int_equal(send_with(&g, preview), 0);
	n = g.h->n_reply;
	assert_true(n > 10);
	for (size_t i = 0; i + 1 < n; i++) {
		const struct pb_preview_row *row = g.h->reply[i]->preview;

		assert_true((row->has_released_at != 0) == (row->why == NULL));
	}
	assert_int_equal(size_of(&g), size);
	assert_true(host_files(g.h) == files);
	assert_int_equal(send_with(&g, by_its_short_name), 0);
	assert_int_equal(size_of(&g), size + 1);
	given_free(&g);
}

/* --- finding and deciding --- */

static int show_referral(struct given *g, struct view id, bool content, const char *reason)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_referral_show ask = PB_REFERRAL_SHOW_INIT;

	ask.has_id = 1;
	ask.id = message_borrow(id);
	ask.has_content = ask.content = content;
	ask.reason = message_borrow_text(reason);
	m.referral_show = &ask;
	host_ask(g->h, EVERYONE, &m);
	evil_listen(&g->e);
	return host_error(g->h);
}

static int decide(struct given *g, struct view id, int state)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_referral_decide ask = PB_REFERRAL_DECIDE_INIT;

	ask.has_id = id.n != 0;
	ask.id = message_borrow(id);
	ask.has_state = state != 0;
	if (state)
		ask.state = (Amparo__V1__ReferralState)state;
	m.referral_decide = &ask;
	host_ask(g->h, EVERYONE, &m);
	evil_listen(&g->e);
	return host_error(g->h);
}

static void found_by_a_beginning(void **state)
{
	struct given g = given_new();
	struct digest leaf[80];
	bool met_two = false;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(leaf); i++)
		leaf[i] = from_evil(&g);
	assert_int_equal(show_referral(&g, view_of("", 0), false, NULL), ERROR(DATA));
	assert_int_equal(
		show_referral(&g, view_of("0123456789012345678901234567890123", 33), false, NULL),
		ERROR(DATA));
	for (size_t i = 0; i < ARRAY_LEN(leaf); i++) {
		size_t n_same = 0;

		for (size_t j = 0; j < ARRAY_LEN(leaf); j++)
			n_same += leaf[j].b[0] == leaf[i].b[0];
		met_two = met_two || n_same > 1;
		assert_int_equal(show_referral(&g, view_of(leaf[i].b, 1), false, NULL),
				 n_same > 1 ? ERROR(DATA) : 0);
		assert_int_equal(show_referral(&g, view_of(leaf[i].b, 8), false, NULL), 0);
		assert_int_equal(show_referral(&g, view_digest(&leaf[i]), false, NULL), 0);
	}
	assert_true(met_two); /* 80 of 256: two begin alike */
	leaf[0].b[31] ^= 1;
	assert_int_equal(show_referral(&g, view_digest(&leaf[0]), false, NULL), ERROR(DATA));
	given_free(&g);
}

static void content_needs_a_reason(void **state)
{
	struct given g = given_new();
	struct digest leaf = from_evil(&g);
	uint64_t size = size_of(&g);
	struct referral_row row;

	(void)state;
	assert_int_equal(show_referral(&g, view_digest(&leaf), true, NULL), ERROR(USAGE));
	assert_int_equal(show_referral(&g, view_digest(&leaf), true, ""), ERROR(USAGE));
	assert_int_equal(show_referral(&g, view_digest(&leaf), false, NULL), 0);
	assert_int_equal(size_of(&g), size);
	assert_int_equal(show_referral(&g, view_digest(&leaf), true, "to decide"), 0);
	/* who read it is logged, and the sender learns that it was read, once */
	assert_int_equal(size_of(&g), size + 2);
	assert_int_equal(kind_at(&g, size), PB(ENTRY_KIND, CONSULTED));
	assert_int_equal(kind_at(&g, size + 1), PB(ENTRY_KIND, STATUS));
	assert_int_equal(show_referral(&g, view_digest(&leaf), true, "again"), 0);
	assert_int_equal(size_of(&g), size + 3);
	assert_int_equal(referral_get(g.h->node->store, &leaf, &row), ERR_OK);
	assert_true(row.opened);
	given_free(&g);
}

static void decided_once(void **state)
{
	struct given g = given_new();
	struct digest leaf = from_evil(&g), own;
	uint64_t size = size_of(&g);

	(void)state;
	assert_int_equal(decide(&g, view_of(NULL, 0), PB(REFERRAL_STATE, ACCEPTED)), ERROR(DATA));
	assert_int_equal(decide(&g, view_digest(&leaf), 0), ERROR(USAGE));
	assert_int_equal(decide(&g, view_digest(&leaf), PB(REFERRAL_STATE, CLOSED)), ERROR(USAGE));
	assert_int_equal(size_of(&g), size);
	assert_int_equal(decide(&g, view_digest(&leaf), PB(REFERRAL_STATE, DECLINED)), 0);
	assert_int_equal(decide(&g, view_digest(&leaf), PB(REFERRAL_STATE, DECLINED)), ERROR(DATA));
	assert_int_equal(decide(&g, view_digest(&leaf), PB(REFERRAL_STATE, ACCEPTED)), ERROR(DATA));
	assert_int_equal(size_of(&g), size + 1);
	/* not this agency's to decide */
	assert_int_equal(host_refer(g.h, SK, g.record, &own), 0);
	evil_listen(&g.e);
	assert_int_equal(decide(&g, view_digest(&own), PB(REFERRAL_STATE, ACCEPTED)), ERROR(DATA));
	given_free(&g);
}

/* Also while older revisions of it are open, and the newest was asked for before. */
static void the_newest_revision_is_sent(void **state)
{
	struct given g = given_new();

	(void)state;
	for (uint64_t revision = 1; revision <= 4; revision++) {
		for (int i = 0; i < 2; i++) {
			struct record_row newest;
			struct referral_row sent;
			struct digest leaf;

			assert_int_equal(host_refer(g.h, SK, g.record, &leaf), 0);
			evil_listen(&g.e);
			assert_int_equal(referral_get(g.h->node->store, &leaf, &sent), ERR_OK);
			assert_int_equal(record_get(g.h->node->store, g.record, &newest), ERR_OK);
			assert_int_equal(newest.revision, revision);
			assert_true(digest_eq(&sent.manifest, &newest.manifest));
		}
		host_revise(g.h, g.record);
	}
	given_free(&g);
}

/* What is listed and cannot be opened is not said to be unknown. */
static void a_record_without_its_content(void **state)
{
	struct given g = given_new();
	struct behind b;
	char sql[60];

	(void)state;
	evil_close(&g.e);
	host_stop(g.h);
	behind_open(&b, g.h->database);
	(void)snprintf(sql, sizeof(sql), "DELETE FROM blob WHERE kind = %d", BLOB_RECORD);
	assert_int_equal(sqlite3_exec(b.db, sql, NULL, NULL, NULL), SQLITE_OK);
	behind_close(&b);
	host_start(g.h);
	assert_int_equal(host_refer(g.h, SK, g.record, NULL), ERROR(DATA));
	assert_non_null(strstr(g.h->reply[0]->error->text, "not here any more"));
	memset(g.record, 1, sizeof(g.record));
	assert_int_equal(host_refer(g.h, SK, g.record, NULL), ERROR(DATA));
	assert_non_null(strstr(g.h->reply[0]->error->text, "no record has this id"));
	given_free(&g);
}

/* --- agreements --- */

static int adopt(struct given *g, const char *text)
{
	struct pb_api_request m = PB_API_REQUEST_INIT;
	struct pb_agreement_adopt ask = PB_AGREEMENT_ADOPT_INIT;

	ask.has_file = text != NULL;
	ask.file = text ? message_borrow(view_str(text)) : (ProtobufCBinaryData){0};
	m.agreement_adopt = &ask;
	host_ask(g->h, EVERYONE, &m);
	evil_listen(&g->e);
	return host_error(g->h);
}

#define RULES                                                                                      \
	"valid: {from: 2026-01-01, until: 2026-12-31}\n"                                           \
	"purposes: [child-protection]\n"                                                           \
	"rules:\n"                                                                                 \
	"  - {name: x, record: VictimRecord, stage: request, fields: [derived],\n"                 \
	"     consent: not-required, retention_days: 1, onward: none}\n"

static void adopting(void **state)
{
	static const char not_ours[] =
		"agreement: of others\n"
		"parties: [spiffe://sk.example/cipc, spiffe://at.example/jugendamt]\n" RULES;
	static const char with_strangers[] =
		"agreement: with a stranger\n"
		"parties: [spiffe://cz.example/umpod, spiffe://pl.example/urzad]\n" RULES;
	static const char good[] =
		"agreement: good\n"
		"parties: [spiffe://cz.example/umpod, spiffe://sk.example/cipc]\n" RULES;
	struct given g = given_new();
	uint64_t size = size_of(&g), files = host_files(g.h);

	(void)state;
	assert_int_equal(adopt(&g, NULL), ERROR(DATA));
	assert_int_equal(adopt(&g, "not: an agreement\n"), ERROR(DATA));
	assert_int_equal(adopt(&g, not_ours), ERROR(DATA));
	assert_int_equal(adopt(&g, with_strangers), ERROR(DATA));
	/* what was refused left nothing, not even the file */
	assert_int_equal(size_of(&g), size);
	assert_true(host_files(g.h) == files);
	assert_int_equal(adopt(&g, good), 0);
	assert_int_equal(size_of(&g), size + 1);
	assert_int_equal(adopt(&g, good), 0); /* again says nothing again */
	assert_int_equal(size_of(&g), size + 1);
	given_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_verb_and_each_role),
		cmocka_unit_test(requests_that_are_none),
		cmocka_unit_test(imports),
		cmocka_unit_test(reading_needs_a_reason),
		cmocka_unit_test(sending),
		cmocka_unit_test(found_by_a_beginning),
		cmocka_unit_test(content_needs_a_reason),
		cmocka_unit_test(decided_once),
		cmocka_unit_test(the_newest_revision_is_sent),
		cmocka_unit_test(a_record_without_its_content),
		cmocka_unit_test(adopting),
	};

	return cmocka_run_group_tests_name("node/request", tests, NULL, NULL);
}
