/**
 * @file
 * The options of the `amparo` command and their values. An option means the same wherever it is
 * taken; which command takes which stands in command.h.
 */
#ifndef CLI_OPTION_H
#define CLI_OPTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/** What the value of an option is. */
enum option_kind {
	OPTION_FLAG,   /**< none */
	OPTION_TEXT,   /**< strict text, not empty */
	OPTION_CODE,   /**< a code of an enum's code list */
	OPTION_SINCE,  /**< a moment; of a day, its beginning */
	OPTION_UNTIL,  /**< a moment; of a day, its end */
	OPTION_NUMBER, /**< decimal */
	OPTION_WHICH,  /**< decimal, or "all": OPTION_ALL */
};

/* id, name without "--", what its value is called, kind, code list, what it says */
#define OPTION_LIST(X)                                                                             \
	X(SOCKET, "socket", "PATH", TEXT, NULL, "the node's socket")                               \
	X(JSON, "json", NULL, FLAG, NULL, "JSON for programs: one object a line")                  \
	X(TIMEOUT, "timeout", "SECONDS", NUMBER, NULL, "how long the node may be silent")          \
	X(HELP, "help", NULL, FLAG, NULL, "say what there is, with an example, and end")           \
	X(VERSION, "version", NULL, FLAG, NULL, "say which version this is, and end")              \
	X(REASON, "reason", "TEXT", TEXT, NULL, "why; kept for this agency's auditor")             \
	X(REPLACES, "replaces", "ID", TEXT, NULL, "the record of which this is a new revision")    \
	X(TLP, "tlp", "CODE", CODE, "tlp", "handling of the record: Traffic Light Protocol 2.0")   \
	X(RETAIN_UNTIL, "retain-until", "WHEN", UNTIL, NULL, "how long it may be kept")            \
	X(RECORD, "record", "ID", TEXT, NULL, "the record that it is about")                       \
	X(TO, "to", "PEER", TEXT, NULL, "the peer: its agency id, or its name if only one has it") \
	X(PURPOSE, "purpose", "CODE", CODE, "purpose", "what the exchange is for")                 \
	X(BASIS, "basis", "CODE", CODE, "legal_basis", "the legal basis of the exchange")          \
	X(BASIS_NAME, "basis-name", "TEXT", TEXT, NULL, "the treaty, law or order by its name")    \
	X(TYPE, "type", "CODE", CODE, "referral_type",                                             \
	  "what is asked (default: information-on-child)")                                         \
	X(DESK, "desk", "TEXT", TEXT, NULL, "the unit of the peer that it is addressed to")        \
	X(FROM_DESK, "from-desk", "TEXT", TEXT, NULL, "the unit of this agency that it is from")   \
	X(URGENCY, "urgency", "CODE", CODE, "urgency", "how fast it must go (default: routine)")   \
	X(REPLY_BY, "reply-by", "WHEN", UNTIL, NULL, "when an answer is due")                      \
	X(EXPIRES, "expires", "WHEN", UNTIL, NULL, "when it no longer counts")                     \
	X(CONSENT, "consent", "GIVER", CODE, "consent_giver", "who consented to the exchange")     \
	X(CONSENT_SCOPE, "consent-scope", "TEXT", TEXT, NULL, "what was consented to")             \
	X(CONSENT_DATE, "consent-date", "WHEN", SINCE, NULL, "when it was consented to")           \
	X(BEST_INTEREST, "best-interest", "TEXT", TEXT, NULL,                                      \
	  "instead of consent: why the child's best interest needs the exchange")                  \
	X(TRANSFER, "transfer", NULL, FLAG, NULL,                                                  \
	  "hand the responsibility over; without it, it stays with this agency")                   \
	X(MESSAGE, "message", "TEXT", TEXT, NULL, "to the caseworker who receives it")             \
	X(HANDLING, "handling", "CODE", CODE, "tlp",                                               \
	  "handling of the referral: Traffic Light Protocol 2.0")                                  \
	X(PREVIEW, "preview", NULL, FLAG, NULL,                                                    \
	  "send nothing; show what the peer would see, when")                                      \
	X(IN, "in", NULL, FLAG, NULL, "only those that peers sent to this agency")                 \
	X(OUT, "out", NULL, FLAG, NULL, "only those that this agency sent")                        \
	X(STATE, "state", "CODE", CODE, "referral_state", "only those in this state")              \
	X(CONTENT, "content", NULL, FLAG, NULL, "also what is held of the record; wants --reason") \
	X(PEER, "peer", "PEER", TEXT, NULL, "what is held of this peer's ledger, not the own")     \
	X(FROM, "from", "INDEX", NUMBER, NULL, "the first entry shown (default: 0)")               \
	X(LIMIT, "limit", "N", NUMBER, NULL, "show N rows at most (default: all)")                 \
	X(EPOCH, "epoch", "N", WHICH, NULL,                                                        \
	  "the ledger of this epoch, or all ledgers (default: the present one)")

#define OPTION_ALL UINT64_MAX

/** Every option. */
enum option_id {
#define X(id, ...) OPTION_ID_##id,
	OPTION_LIST(X)
#undef X
	N_OPTIONS
};

/** One option as it is for all commands. */
struct option_spec {
	const char *name;	/**< without "--" */
	const char *value_name; /**< NULL for a flag */
	enum option_kind kind;
	const char *code_list; /**< of a code; otherwise NULL */
	const char *help;
};

/** What was given; all zero: nothing. */
struct option_value {
	bool is_given;
	const char *text; /**< as given; NULL for a flag; borrowed from the arguments */
	int code;	  /**< of a code: its number */
	uint64_t number;  /**< of a number; of a moment UTC microseconds; OPTION_ALL */
};

/** What an option is. */
const struct option_spec *option_spec_of(enum option_id id);

/** Does every command take it (--socket, --json, --timeout, --help, --version)? */
bool option_is_common(enum option_id id);

/**
 * Read an option's value.
 *
 * @param text         as given; NULL for a flag, and only for it
 * @param[out] ret     set on ERR_OK only
 * @retval ERR_INVALID  err_words() says what is wrong and what would do; may quote @p text
 */
enum err option_read(enum option_id id, const char *text, struct option_value *ret) WARN_UNUSED;

#endif
