/**
 * @file
 * Agreements: the YAML file that two or more agencies adopt, the same bytes at each, read strictly,
 * and its evaluation. What no rule allows is withheld. The same pure evaluator runs as preview, as
 * the sender's filter and as the receiver's check. File format: docs/AGREEMENTS.md.
 *
 *   agreement: CZ-SK child protection 2026      name, 1..100 characters
 *   parties: [spiffe://.../..., spiffe://...]   2..64
 *   valid: {from: 2026-01-01, until: 2031-12-31}     UTC days, both included
 *   purposes: [child-protection, family-tracing]
 *   rules:                                       1..256
 *     - name: who the child is                   unique
 *       purposes: [child-protection]             of those above; absent: all
 *       record: VictimRecord
 *       stage: request | accepted
 *       fields: [derived, identity.given_names]  units or groups; S5 only by its full path
 *       consent: required | not-required
 *       retention_days: 1825                     1..36500
 *       onward: none | ask | allowed
 */
#ifndef POLICY_AGREEMENT_H
#define POLICY_AGREEMENT_H

#include <stdbool.h>

#include "base/agency_id.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/own.h"
#include "wire/field_table.h"
#include "wire/message.h"

#define AGREEMENT_BYTES_MAX (64 * 1024)
#define AGREEMENT_PARTIES_MAX 64
#define AGREEMENT_RULES_MAX 256
#define AGREEMENT_NAME_MAX 100

struct agreement;

/**
 * Read an agreement strictly: no anchors, aliases, tags, duplicate or unknown keys.
 *
 * @param file          the bytes, at most AGREEMENT_BYTES_MAX
 * @retval ERR_INVALID  err_words() says line and what to do
 * @retval ERR_LIMIT
 * Owner: caller frees with agreement_free(); borrows nothing from @p file.
 */
enum err agreement_parse(struct view file, struct agreement **ret) WARN_UNUSED;
void agreement_free(struct agreement *a);
DEFINE_FREEP(struct agreement, agreement_free)

/** SHA-256 of the file. */
const struct digest *agreement_digest(const struct agreement *a);

/** Its name, NUL-terminated UTF-8 without control characters. */
const char *agreement_name(const struct agreement *a);

/** Parties in the order of the file, 0 .. n - 1; each once. */
size_t agreement_n_parties(const struct agreement *a);
const struct agency_id *agreement_party(const struct agreement *a, size_t i);
bool agreement_has_party(const struct agreement *a, const struct agency_id *id);

/** Whether @p purpose, any number, is one of its purposes. */
bool agreement_has_purpose(const struct agreement *a, int purpose);

/** First and last moment, UTC microseconds, both included. */
uint64_t agreement_valid_from_us(const struct agreement *a);
uint64_t agreement_valid_until_us(const struct agreement *a);
bool agreement_is_valid_at(const struct agreement *a, uint64_t utc_us);

/** The two steps of disclosure. */
enum policy_stage {
	POLICY_REQUEST = 1,
	POLICY_ACCEPTED = 2,
};

/** What a disclosure is judged by: the same at both ends. */
struct policy_case {
	int purpose; /**< Purpose of ledger.proto */
	enum record_type type;
	enum policy_stage stage; /**< ACCEPTED includes what REQUEST allows */
	bool has_consent; /**< stated in the referral, not withdrawn (or best-interest override) */
	uint64_t utc_us;  /**< time of the entry */
	uint32_t schema_version; /**< of the receiver: newer fields are withheld */
};

/** May the receiver pass it on? */
enum policy_onward {
	POLICY_ONWARD_NONE = 1,
	POLICY_ONWARD_ASK,
	POLICY_ONWARD_ALLOWED,
};

enum policy_answer {
	POLICY_ALLOWED,
	POLICY_NO_RULE,	   /**< no rule names it for this purpose */
	POLICY_NOT_YET,	   /**< a rule allows it at the accepted stage */
	POLICY_NO_CONSENT, /**< a rule would, with consent */
	POLICY_NOT_VALID,  /**< the agreement is not valid at that time, or not for this purpose */
	POLICY_NEWER_FIELD,
};

/** The answer for one unit, and why. */
struct policy_decision {
	enum policy_answer answer;
	const char *rule; /**< name of the rule that allows or would allow; NULL; owned by the
			     agreement */
	uint32_t retention_days;   /**< with ALLOWED; otherwise 0 */
	enum policy_onward onward; /**< with ALLOWED; otherwise NONE */
};

/**
 * Judge one unit of the field table: one look-up in a table made by agreement_parse(). Total:
 * always gives an answer; what is no unit, or of another record type, is NO_RULE.
 *
 * Of several rules that allow, one counts: of the latest stage, then of the shortest retention,
 * then the strictest onward, then the first in the file. Source: docs/AGREEMENTS.md "Evaluation".
 */
struct policy_decision policy_judge(const struct agreement *a, const struct policy_case *c,
				    const struct field *unit);

/** Words for people: "no rule names it", ... static. */
const char *policy_answer_text(enum policy_answer a);

#endif
