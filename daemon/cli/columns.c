#include "cli/columns.h"

#include "base/own.h"

static const struct column record_columns[] = {
	{.head = "id", .key = "id", .cell = CELL_ID},
	{.head = "revision", .key = "revision"},
	{.head = "type", .key = "type"},
	{.head = "reference", .key = "local_reference"},
};

static const struct column content_columns[] = {
	{.head = "id", .key = "id", .cell = CELL_ID},
	{.head = "revision", .key = "revision"},
	{.head = "type", .key = "type"},
	{.head = "originator", .key = "originator", .cell = CELL_AGENCY},
	{.head = "sealed", .key = "sealed_at", .cell = CELL_MOMENT},
	{.head = "manifest", .key = "manifest_digest", .cell = CELL_ID},
	{.head = "disclosed", .key = "n_disclosed"},
	{.head = "commitments", .key = "n_commitments"},
};

static const struct column referral_columns[] = {
	{.head = "id", .key = "id", .cell = CELL_ID},
	{.head = "side", .key = "side"},
	{.head = "peer", .key = "peer", .cell = CELL_AGENCY},
	{.head = "type", .key = "type"},
	{.head = "urgency", .key = "urgency"},
	{.head = "purpose", .key = "purpose", .is_detail = true},
	{.head = "state", .key = "state"},
	{.head = "answer", .key = "answer"},
	{.head = "delivery", .key = "delivery"},
	{.head = "refused", .key = "refused", .is_detail = true},
	{.head = "reply by", .key = "reply_by", .cell = CELL_MOMENT},
	{.head = "time", .key = "time", .cell = CELL_MOMENT},
	{.head = "disclosed", .key = "n_disclosed", .is_detail = true},
	{.head = "record", .key = "record_id", .cell = CELL_ID, .is_detail = true},
};

static const struct column preview_columns[] = {
	{.head = "what", .key = "label"},
	{.head = "field", .key = "name"},
	{.head = "level", .key = "sensitivity", .cell = CELL_LEVEL},
	{.head = "n", .key = "n"},
	{.head = "released at", .key = "released_at", .absent = "withheld"},
	{.head = "rule, or why not", .key = "why", .other = "rule"},
};

static const struct column peer_columns[] = {
	{.head = "peer", .key = "id", .cell = CELL_AGENCY},
	{.head = "state", .key = "state"},
	{.head = "agreement", .key = "in_force"},
	{.head = "sent", .key = "sent_k"},
	{.head = "to deliver", .key = "n_waiting"},
	{.head = "received", .key = "received_k"},
	{.head = "refused", .key = "n_refused"},
	{.head = "last contact", .key = "last_contact", .cell = CELL_MOMENT},
	{.head = "last error", .key = "last_error"},
	{.head = "new ledger", .key = "new_origin", .is_detail = true},
};

static const struct column detail_columns[] = {
	{.head = "peer", .key = "id", .cell = CELL_AGENCY},
	{.head = "state", .key = "state"},
	{.head = "address", .key = "address"},
	{.head = "our role", .key = "role"},
	{.head = "connected with", .key = "remote"},
	{.head = "since", .key = "since", .cell = CELL_MOMENT},
	{.head = "next attempt", .key = "next_dial", .cell = CELL_MOMENT},
	{.head = "last contact", .key = "last_contact", .cell = CELL_MOMENT},
	{.head = "last error", .key = "last_error"},
	{.head = "its clock, s", .key = "clock_skew_s"},
	{.head = "for it", .key = "n_offered"},
	{.head = "sent in this session", .key = "n_sent"},
	{.head = "receipted by it", .key = "n_delivered"},
	{.head = "waiting", .key = "n_waiting"},
	{.head = "oldest waiting", .key = "oldest_waiting", .cell = CELL_MOMENT},
	{.head = "refused by it", .key = "n_refused"},
	{.head = "from it", .key = "received_k"},
	{.head = "receipted to it", .key = "receipted_k"},
	{.head = "refused here", .key = "n_refused_here"},
	{.head = "our ledger there", .key = "our_size_held"},
	{.head = "its ledger here", .key = "held_size"},
	{.head = "unproven", .key = "n_unproven"},
	{.head = "of that alarmed", .key = "n_unproven_alarmed"},
	{.head = "entries today", .key = "n_entries_today"},
	{.head = "of at most", .key = "n_entries_limit"},
	{.head = "checkpoints today", .key = "n_notes_today"},
	{.head = "of at most", .key = "n_notes_limit"},
	{.head = "bytes held", .key = "n_bytes_held"},
	{.head = "of at most", .key = "n_bytes_limit"},
	{.head = "ledger", .key = "origin"},
	{.head = "seal key", .key = "fingerprint", .cell = CELL_FINGERPRINT},
	{.head = "pinned", .key = "pinned", .cell = CELL_MOMENT},
	{.head = "seal certificate until", .key = "seal_until", .cell = CELL_MOMENT},
	{.head = "TLS certificate until", .key = "tls_until", .cell = CELL_MOMENT},
};

static const struct column in_force_columns[] = {
	{.head = "agreement in force", .key = "name"},
	{.head = "digest", .key = "id", .cell = CELL_ID},
	{.head = "from", .key = "valid_from"},
	{.head = "until", .key = "valid_until"},
};

static const struct column refusal_columns[] = {
	{.head = "refused by", .key = "name"},
	{.head = "what", .key = "status"},
	{.head = "why", .key = "reason"},
	{.head = "entries", .key = "n"},
};

static const struct column test_columns[] = {
	{.head = "step", .key = "name"},
	{.head = "ok", .key = "ok", .cell = CELL_BOOL, .no = "NO"},
	{.head = "what was found", .key = "text"},
};

static const struct column agreement_columns[] = {
	{.head = "id", .key = "id", .cell = CELL_ID},
	{.head = "name", .key = "name"},
	{.head = "peer", .key = "peer", .cell = CELL_AGENCY},
	{.head = "state", .key = "state"},
	{.head = "valid from", .key = "valid_from"},
	{.head = "until", .key = "valid_until"},
	{.head = "file", .key = "file_held", .cell = CELL_BOOL, .yes = "held", .no = "not held"},
};

static const struct column audit_columns[] = {
	{.head = "index", .key = "id"},
	{.head = "time", .key = "time", .cell = CELL_MOMENT},
	{.head = "kind", .key = "kind"},
	{.head = "peer", .key = "peer", .cell = CELL_AGENCY},
	{.head = "k", .key = "k"},
	{.head = "purpose", .key = "purpose"},
	{.head = "leaf", .key = "leaf", .cell = CELL_ID},
	{.head = "answers", .key = "answers", .cell = CELL_ID},
	{.head = "epoch", .key = "epoch"},
	{.head = "given back", .key = "given_back", .cell = CELL_BOOL},
	{.head = "record", .key = "local.record_id", .cell = CELL_ID},
	{.head = "person", .key = "local.person"},
	{.head = "reason", .key = "local.reason", .other = "local.detail"},
};

static const struct column verify_columns[] = {
	{.head = "ledger", .key = "name"},
	{.head = "verified", .key = "ok", .cell = CELL_BOOL, .no = "NO"},
	{.head = "problem", .key = "problem"},
	{.head = "bad index", .key = "bad_index"},
	{.head = "entries", .key = "n_entries"},
	{.head = "chains", .key = "n_chains"},
	{.head = "bodies", .key = "n_bodies"},
	{.head = "receipts", .key = "n_receipts"},
	{.head = "given back", .key = "n_recovered"},
	{.head = "size", .key = "size"},
	{.head = "root", .key = "root"},
};

static const struct column reconcile_columns[] = {
	{.head = "peer", .key = "name", .cell = CELL_AGENCY},
	{.head = "agrees", .key = "ok", .cell = CELL_BOOL, .no = "NO"},
	{.head = "problem", .key = "problem"},
	{.head = "differs from", .key = "differs_from_k"},
	{.head = "we sent", .key = "sent_k"},
	{.head = "they hold", .key = "sent_held"},
	{.head = "they sent", .key = "received_written"},
	{.head = "we hold", .key = "received_k"},
	{.head = "head of ours", .key = "sent_head.head"},
	{.head = "head of theirs", .key = "received_head.head"},
};

static const struct column status_columns[] = {
	{.head = "agency", .key = "id"},
	{.head = "state", .key = "state"},
	{.head = "answers due", .key = "n_awaits_us"},
	{.head = "to deliver", .key = "n_waiting"},
	{.head = "peers", .key = "n_peers"},
	{.head = "connected", .key = "n_connected"},
	{.head = "records", .key = "n_records"},
	{.head = "ledger", .key = "origin"},
	{.head = "entries", .key = "size"},
	{.head = "root", .key = "root"},
	{.head = "seal key", .key = "fingerprint", .cell = CELL_FINGERPRINT},
	{.head = "version", .key = "version"},
	{.head = "started", .key = "started", .cell = CELL_MOMENT},
	{.head = "disk free, bytes", .key = "free_bytes"},
	{.head = "kept in reserve", .key = "reserve_bytes"},
	{.head = "commits", .key = "n_commits"},
	{.head = "synchronous", .key = "synchronous"},
};

static const struct column terms_columns[] = {
	{.head = "from desk", .key = "from_desk"},
	{.head = "to desk", .key = "to_desk"},
	{.head = "responsibility", .key = "responsibility"},
	{.head = "expires", .key = "expires", .cell = CELL_MOMENT},
	{.head = "legal basis", .key = "basis"},
	{.head = "by name", .key = "basis_name"},
	{.head = "consent by", .key = "consent.given_by"},
	{.head = "consent to", .key = "consent.scope"},
	{.head = "consent of", .key = "consent.given_at", .cell = CELL_MOMENT},
	{.head = "withdrawn", .key = "consent.withdrawn_at", .cell = CELL_MOMENT},
	{.head = "best interest", .key = "best_interest.reason"},
	{.head = "handling", .key = "handling.tlp"},
	{.head = "restrictions", .key = "handling.restrictions", .cell = CELL_LIST},
	{.head = "other", .key = "handling.other"},
	{.head = "retain until", .key = "retain_until", .cell = CELL_MOMENT},
	{.head = "message", .key = "message"},
};

static const struct column history_columns[] = {
	{.head = "time", .key = "time", .cell = CELL_MOMENT},
	{.head = "by", .key = "by", .cell = CELL_AGENCY},
	{.head = "state", .key = "state"},
	{.head = "opened", .key = "opened", .cell = CELL_BOOL, .no = ""},
	{.head = "refused", .key = "refused"},
	{.head = "reason", .key = "reason"},
};

#define KIND(field_number, columns)                                                                \
	{                                                                                          \
		.number = (field_number), .column = (columns), .n_columns = ARRAY_LEN(columns)     \
	}

const struct rows_kind rows_kind_terms = KIND(0, terms_columns);
const struct rows_kind rows_kind_history = KIND(0, history_columns);
const struct rows_kind rows_kind_in_force = KIND(0, in_force_columns);
const struct rows_kind rows_kind_refusals = KIND(0, refusal_columns);

const struct rows_kind rows_kind_content = KIND(11, content_columns);
static const struct rows_kind kind_referral = KIND(12, referral_columns);
static const struct rows_kind kind_record = KIND(10, record_columns);
static const struct rows_kind kind_preview = KIND(14, preview_columns);
static const struct rows_kind kind_peer = KIND(15, peer_columns);
static const struct rows_kind kind_agreement = KIND(16, agreement_columns);
static const struct rows_kind kind_audit = KIND(17, audit_columns);
static const struct rows_kind kind_verify = KIND(18, verify_columns);
static const struct rows_kind kind_reconcile = KIND(19, reconcile_columns);
static const struct rows_kind kind_status = KIND(20, status_columns);
static const struct rows_kind kind_detail = KIND(21, detail_columns);
static const struct rows_kind kind_test = KIND(22, test_columns);

static const struct rows_kind *const kinds[] = {
	&kind_record,	 &rows_kind_content, &kind_referral, &kind_preview,
	&kind_peer,	 &kind_agreement,    &kind_audit,    &kind_verify,
	&kind_reconcile, &kind_status,	     &kind_detail,   &kind_test,
};

const struct rows_kind *rows_kind_of(const struct pb_api_reply *reply)
{
	uint32_t number = message_which(reply, REPLY_ROWS_FROM);

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (kinds[i]->number == number)
			return kinds[i];
	}
	return NULL;
}
