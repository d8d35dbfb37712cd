/* The one table of commands: parsing, help and the checks of options walk it. */
#include "cli/command.h"
#include "cli/run.h"

#define QUICK_S 60
/* Reading a whole ledger, or asking a peer about it, takes its time. */
#define LONG_S 3600

#define REASON_WHY "why you look; kept for this agency's auditor"
#define REASON_TOLD "the reason; the sender is told"

#define MAY(option)                                                                                \
	{                                                                                          \
		.id = OPTION_ID_##option                                                           \
	}
#define MUST(option)                                                                               \
	{                                                                                          \
		.id = OPTION_ID_##option, .is_required = true                                      \
	}
/* With other words than the option's own. */
#define MAY_SAY(option, words)                                                                     \
	{                                                                                          \
		.id = OPTION_ID_##option, .help = (words)                                          \
	}
#define MUST_SAY(option, words)                                                                    \
	{                                                                                          \
		.id = OPTION_ID_##option, .is_required = true, .help = (words)                     \
	}

static const struct command_option import_options[] = {
	MAY(REPLACES),
	MAY(REASON),
	MAY(TLP),
	MAY(RETAIN_UNTIL),
};

static const struct command_option record_show_options[] = {
	MUST_SAY(REASON, REASON_WHY),
};

static const struct command_option send_options[] = {
	MUST(RECORD),  MUST(TO),     MUST(PURPOSE),	 MUST(BASIS),	    MAY(BASIS_NAME),
	MAY(TYPE),     MAY(URGENCY), MAY(DESK),		 MAY(FROM_DESK),    MAY(REPLY_BY),
	MAY(EXPIRES),  MAY(CONSENT), MAY(CONSENT_SCOPE), MAY(CONSENT_DATE), MAY(BEST_INTEREST),
	MAY(TRANSFER), MAY(MESSAGE), MAY(HANDLING),	 MAY(RETAIN_UNTIL), MAY(REASON),
	MAY(PREVIEW),
};

static const struct command_option referral_list_options[] = {
	MAY(IN),
	MAY(OUT),
	MAY(STATE),
	MAY(LIMIT),
};

static const struct command_option referral_show_options[] = {
	MAY(CONTENT),
	MAY_SAY(REASON, REASON_WHY),
};

static const struct command_option decide_options[] = {
	MAY_SAY(REASON, REASON_TOLD),
};

static const struct command_option audit_list_options[] = {
	MAY(FROM),
	MAY(LIMIT),
	MAY(EPOCH),
};

static const struct command_option record_list_options[] = {
	MAY(LIMIT),
};

static const struct command_option operator_options[] = {
	MUST_SAY(REASON, "why; kept for this agency's auditor"),
};

static const struct command_option withdraw_options[] = {
	MAY_SAY(PEER, "with this peer alone"),
	MUST_SAY(REASON, "why; kept for this agency's auditor, the peer is not told"),
};

static const struct command_option verify_options[] = {
	MAY(PEER),
};

#define OPTIONS(list) .option = (list), .n_options = sizeof(list) / sizeof((list)[0])

static const struct command commands[] = {
	{
		.noun = "record",
		.verb = "template",
		.operand = "TYPE",
		.summary = "print an example record with every field, to fill in",
		.more = "TYPE is VictimRecord or CaseRecord. Remove what you do not know: absent "
			"means unknown.\nWorks without a node.\n",
		.example = "amparo record template VictimRecord > child.json",
		.timeout_s = QUICK_S,
		.run = run_record_template,
	},
	{
		.noun = "record",
		.verb = "check",
		.operand = "FILE",
		.summary = "check a record's JSON; a mistake is named by its path",
		.more = "FILE is - for standard input. Works without a node.\n",
		.example = "amparo record check child.json",
		.timeout_s = QUICK_S,
		.run = run_record_check,
	},
	{
		.noun = "record",
		.verb = "import",
		.operand = "FILE",
		.summary = "seal a record and keep it at this node",
		.more = "FILE is - for standard input. Nothing is sent to anyone. With --replaces, "
			"it is the next\nrevision of a record that this agency sealed before.\n",
		.example = "amparo record import child.json --tlp amber --retain-until 2031-12-31",
		OPTIONS(import_options),
		.timeout_s = QUICK_S,
		.run = run_record_import,
	},
	{
		.noun = "record",
		.verb = "list",
		.summary = "list the records that this agency sealed: id, type and local reference",
		.example = "amparo record list",
		OPTIONS(record_list_options),
		.timeout_s = QUICK_S,
		.run = run_record_list,
	},
	{
		.noun = "record",
		.verb = "show",
		.operand = "ID",
		.summary = "show a record that this agency sealed; this is logged with your reason",
		.more = "ID may be a beginning of at least 8 digits that only one record has.\n",
		.example = "amparo record show 5f1c09ab77d2 --reason \"preparing the visit\"",
		OPTIONS(record_show_options),
		.timeout_s = QUICK_S,
		.run = run_record_show,
	},
	{
		.noun = "referral",
		.verb = "send",
		.summary = "send a peer what the agreement lets it see of a record",
		.more = "What no rule of the agreement allows is withheld; --preview shows which "
			"field is released\nwhen, and sends nothing. Without --preview it returns "
			"once the referral is durable in this\nnode's ledger; the node delivers "
			"it. WHEN is 2026-12-01 (its end, UTC) or\n2026-12-01T12:00Z. The basis "
			"consent wants --consent; treaty wants --basis-name.\n",
		.example =
			"amparo referral send --record 5f1c09ab77d2 --to sk.example/centre \\\n"
			"      --purpose child-protection --basis legal-obligation --preview\n"
			"  amparo referral send --record 5f1c09ab77d2 --to sk.example/centre \\\n"
			"      --purpose family-tracing --basis consent --consent child \\\n"
			"      --type tracing --urgency urgent --reply-by 2026-12-01",
		OPTIONS(send_options),
		.timeout_s = QUICK_S,
		.run = run_referral_send,
	},
	{
		.noun = "referral",
		.verb = "list",
		.summary = "list referrals, those that await this agency's answer first",
		.example = "amparo referral list --in --state requested",
		OPTIONS(referral_list_options),
		.timeout_s = QUICK_S,
		.run = run_referral_list,
	},
	{
		.noun = "referral",
		.verb = "show",
		.operand = "ID",
		.summary = "show a referral: its terms and history; with --content the record too",
		.more = "Looking at the content is logged with your reason; of a referral that "
			"was received, the\nsender is told that it was opened.\n",
		.example = "amparo referral show 09ab775f1cd2\n"
			   "  amparo referral show 09ab775f1cd2 --content --reason \"new case\"",
		OPTIONS(referral_show_options),
		.timeout_s = QUICK_S,
		.run = run_referral_show,
	},
	{
		.noun = "referral",
		.verb = "accept",
		.operand = "ID",
		.summary = "accept a referral; the sender's node then releases the second stage",
		.example = "amparo referral accept 09ab775f1cd2",
		OPTIONS(decide_options),
		.timeout_s = QUICK_S,
		.run = run_referral_accept,
	},
	{
		.noun = "referral",
		.verb = "decline",
		.operand = "ID",
		.summary = "decline a referral",
		.example = "amparo referral decline 09ab775f1cd2 --reason \"not resident here\"",
		OPTIONS(decide_options),
		.timeout_s = QUICK_S,
		.run = run_referral_decline,
	},
	{
		.noun = "peer",
		.verb = "list",
		.summary = "list the peers: connection, deliveries, seal key fingerprints",
		.more = "Compare a peer's fingerprint with what it reads to you by telephone.\n",
		.example = "amparo peer list",
		.timeout_s = QUICK_S,
		.run = run_peer_list,
	},
	{
		.noun = "peer",
		.verb = "show",
		.operand = "PEER",
		.summary =
			"show all about the exchange with a peer: what waits, what it refused, why",
		.more = "PEER is an agency id, or its name if only one has it. The clock is that "
			"of "
			"its newest entry\nagainst ours at its arrival: what waited on the way "
			"makes it "
			"look behind.\n",
		.example = "amparo peer show sk.example/centre",
		.timeout_s = QUICK_S,
		.run = run_peer_show,
	},
	{
		.noun = "peer",
		.verb = "test",
		.operand = "PEER",
		.summary = "try to reach a peer step by step; exit code 69 when a step fails",
		.more = "The steps: name, route, tls, certificates, seal, agreement. It is the "
			"real "
			"thing: when all go\nwell the peer is connected. Of one that is, it is "
			"told what "
			"its session shows.\n",
		.example = "amparo peer test sk.example/centre",
		.timeout_s = QUICK_S,
		.run = run_peer_test,
	},
	{
		.noun = "peer",
		.verb = "accept-epoch",
		.operand = "PEER",
		.summary = "accept the new ledger of a peer that had lost its own",
		.more = "Ask the agency first, by another way: whoever has its seal key could "
			"announce one. What\nwas received before stays as evidence, and is given "
			"back to the peer.\n",
		.example = "amparo peer accept-epoch sk.example/centre --reason \"call of 3 June\"",
		OPTIONS(operator_options),
		.timeout_s = QUICK_S,
		.run = run_peer_accept_epoch,
	},
	{
		.noun = "peer",
		.verb = "resume",
		.operand = "PEER",
		.summary = "go on with a peer whose link an incident stopped",
		.more = "The two statements that contradict each other stay in the database as "
			"evidence.\n",
		.example = "amparo peer resume sk.example/centre --reason \"explained: case 12\"",
		OPTIONS(operator_options),
		.timeout_s = QUICK_S,
		.run = run_peer_resume,
	},
	{
		.noun = "ledger",
		.verb = "new-epoch",
		.summary = "after a restored backup: close the ledger that lost entries, begin "
			   "another",
		.more = "Only while the node signs nothing for that reason (amparo status). Each "
			"peer's operator\nmust accept it; what the peers hold of the old ledger "
			"then comes back by itself.\n",
		.example = "amparo ledger new-epoch --reason \"disk lost, backup of 2 June\"",
		OPTIONS(operator_options),
		.timeout_s = LONG_S,
		.run = run_ledger_new_epoch,
	},
	{
		.noun = "clock",
		.verb = "confirm",
		.summary = "sign again: the clock is right as it stands",
		.more = "Only while the node signs nothing because it doubts the clock (amparo "
			"status). Set the clock\nright first. No entry gets a time before the "
			"newest one: when that stands in the future, the\ntime of entries stands "
			"still until the clock has come so far.\n",
		.example = "amparo clock confirm --reason \"time server was down, set by hand\"",
		OPTIONS(operator_options),
		.timeout_s = QUICK_S,
		.run = run_clock_confirm,
	},
	{
		.noun = "agreement",
		.verb = "check",
		.operand = "FILE",
		.summary = "check an agreement's file and print its digest, to compare",
		.more = "FILE is - for standard input. Both parties must hold the very same bytes. "
			"Works without\na node.\n",
		.example = "amparo agreement check cz-sk.yaml",
		.timeout_s = QUICK_S,
		.run = run_agreement_check,
	},
	{
		.noun = "agreement",
		.verb = "adopt",
		.operand = "FILE",
		.summary = "adopt an agreement; it is in force once the peer adopts the same file",
		.more = "FILE is - for standard input.\n",
		.example = "amparo agreement adopt cz-sk.yaml",
		.timeout_s = QUICK_S,
		.run = run_agreement_adopt,
	},
	{
		.noun = "agreement",
		.verb = "withdraw",
		.operand = "AGREEMENT",
		.summary = "end an agreement; nothing more is sent or taken under it",
		.more = "AGREEMENT is its digest, 8 or more digits of its beginning, or its name "
			"if only one\nstands. Ends it with all its parties unless --peer names "
			"one. "
			"What the peer sent before it\nheard of it still counts. Adopting the file "
			"again brings it back.\n",
		.example = "amparo agreement withdraw 3f9a1c52 --reason \"replaced by the one of "
			   "2027\"",
		OPTIONS(withdraw_options),
		.timeout_s = QUICK_S,
		.run = run_agreement_withdraw,
	},
	{
		.noun = "agreement",
		.verb = "list",
		.summary = "list the agreements that this agency or a peer adopted",
		.more = "Two digests for one peer, each adopted on one side only: the files "
			"differ.\n",
		.example = "amparo agreement list",
		.timeout_s = QUICK_S,
		.run = run_agreement_list,
	},
	{
		.noun = "audit",
		.verb = "list",
		.summary = "list the entries of this node's ledger",
		.more = "After `amparo ledger new-epoch` the entries of the ledgers before are "
			"shown with --epoch:\nthose held here, then those that were lost and that "
			"a peer gave back.\n",
		.example = "amparo audit list --from 100 --limit 20\n"
			   "  amparo audit list --epoch all",
		OPTIONS(audit_list_options),
		.timeout_s = QUICK_S,
		.run = run_audit_list,
	},
	{
		.noun = "audit",
		.verb = "verify",
		.summary = "verify the whole ledger; exit code 65 when it does not hold",
		.example = "amparo audit verify\n  amparo audit verify --peer sk.example/centre",
		OPTIONS(verify_options),
		.timeout_s = LONG_S,
		.run = run_audit_verify,
	},
	{
		.noun = "audit",
		.verb = "reconcile",
		.operand = "PEER",
		.summary = "compare both directions with a peer; exit code 65 when they differ",
		.more = "PEER is an agency id, or its name if only one has it. The peer must be "
			"connected.\n",
		.example = "amparo audit reconcile sk.example/centre",
		.timeout_s = LONG_S,
		.run = run_audit_reconcile,
	},
	{
		.noun = "status",
		.summary = "show how the node is",
		.example = "amparo status",
		.timeout_s = QUICK_S,
		.run = run_status,
	},
};

size_t command_count(void)
{
	return sizeof(commands) / sizeof(commands[0]);
}

const struct command *command_at(size_t i)
{
	ASSERT(i < command_count());
	return &commands[i];
}
