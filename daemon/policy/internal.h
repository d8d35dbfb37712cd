/**
 * @file
 * An agreement as its parser builds it and its evaluator reads it.
 */
#ifndef POLICY_INTERNAL_H
#define POLICY_INTERNAL_H

#include "config/yaml_reader.h"
#include "policy/agreement.h"

#define AGREEMENT_PURPOSES_MAX 32 /* bits of a mask; purposes are far fewer */
#define AGREEMENT_RETENTION_MAX 36500
#define AGREEMENT_NAME_BYTES (4 * AGREEMENT_NAME_MAX + 1)

struct agreement_rule {
	char name[AGREEMENT_NAME_BYTES];
	uint32_t purposes; /**< bit i: the agreement's purpose i */
	enum record_type type;
	enum policy_stage stage;
	bool needs_consent;
	uint32_t retention_days;
	enum policy_onward onward;
	bool *covers; /**< a unit of the record type: named by this rule */
};

/** The answer of the rules, apart from validity and schema version. */
struct agreement_cell {
	uint16_t rule;	/**< 1 + its place; 0: none */
	uint8_t answer; /**< enum policy_answer */
};

struct agreement {
	struct digest digest;
	char name[AGREEMENT_NAME_BYTES];
	struct agency_id *party;
	size_t n_parties;
	uint64_t from_us;
	uint64_t until_us;
	int purpose[AGREEMENT_PURPOSES_MAX];
	size_t n_purposes;
	struct agreement_rule *rule;
	size_t n_rules;
	struct agreement_cell *cell; /**< see evaluate.c */
	size_t n_row;		     /**< cells of a question: units of both record types */
	size_t case_at;		     /**< first of a CaseRecord among them */
};

static inline bool is_valid_at(const struct agreement *a, uint64_t utc_us)
{
	return a->from_us <= utc_us && utc_us <= a->until_us;
}

/** Read the list of rules into @p a, of which all else has been read. @retval ERR_INVALID */
enum err agreement_rules_read(const struct yaml_file *f, yaml_ref list, struct agreement *a,
			      struct yaml_problem *ret_problem) WARN_UNUSED;

/** Read a name of 1..AGREEMENT_NAME_MAX characters. @retval ERR_INVALID */
enum err agreement_name_read(const struct yaml_file *f, yaml_ref map, const char *key,
			     char ret[AGREEMENT_NAME_BYTES],
			     struct yaml_problem *ret_problem) WARN_UNUSED;

/** Read a list of purposes, none twice, at least one. @retval ERR_INVALID */
enum err agreement_purposes_read(const struct yaml_file *f, yaml_ref list,
				 int ret[AGREEMENT_PURPOSES_MAX], size_t *ret_n,
				 struct yaml_problem *ret_problem) WARN_UNUSED;

/** Answer every question about the rules once and for all. @retval ERR_NOMEM */
enum err agreement_evaluate(struct agreement *a) WARN_UNUSED;

#endif
