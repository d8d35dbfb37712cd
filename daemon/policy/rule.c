#include <stdlib.h>
#include <string.h>

#include "policy/internal.h"

/** A choice among few words; @p words ends in NULL. */
static enum err word_read(const struct yaml_file *f, yaml_ref map, const char *key,
			  const char *const *words, int *ret_place,
			  struct yaml_problem *ret_problem)
{
	yaml_ref node;
	enum err e = yaml_map_need(f, map, key, YAML_TEXT, &node, ret_problem);

	if (e)
		return err_trace(e);
	for (int i = 0; words[i]; i++)
		if (strcmp(yaml_text(f, node), words[i]) == 0) {
			*ret_place = i;
			return ERR_OK;
		}
	return yaml_fail(ret_problem, yaml_line(f, node), "%s must be %s%s%s%s%s", key, words[0],
			 words[2] ? ", " : " or ", words[1], words[2] ? " or " : "",
			 words[2] ? words[2] : "");
}

/** Why a path stands for no unit. */
static enum err path_refuse(const char *path, enum record_type type, int line,
			    struct yaml_problem *ret_problem)
{
	const struct field *field = field_table_find(type, path);
	char quoted[YAML_QUOTE_MAX];

	if (field && field->unit)
		return yaml_fail(ret_problem, line,
				 "%s is part of %s, which is disclosed whole or not at all: name "
				 "that",
				 path, field->unit->path);
	return yaml_fail(ret_problem, line, "there is no field %s in %s (schema version %u)",
			 yaml_quote(path, quoted), record_type_name(type), FIELD_SCHEMA_VERSION);
}

/** Mark what one path covers: a unit by its full path, or a group's units but those of S5. */
static enum err path_read(const struct yaml_file *f, yaml_ref node, struct agreement_rule *rule,
			  struct yaml_problem *ret_problem)
{
	const char *path = yaml_text(f, node);
	int line = yaml_line(f, node);
	size_t first, n, n_named = 0, n_new = 0;

	if (!field_table_find_prefix(rule->type, path, &first, &n))
		return path_refuse(path, rule->type, line, ret_problem);
	for (size_t i = first; i < first + n; i++) {
		const struct field *unit = field_table_unit(rule->type, i);

		if (unit->sensitivity == SENSITIVITY_S5 && strcmp(unit->path, path) != 0)
			continue;
		n_named++;
		n_new += !rule->covers[i];
		rule->covers[i] = true;
	}
	if (n_named == 0)
		return yaml_fail(ret_problem, line,
				 "all of %s is protected (S5): name each field by its full path",
				 path);
	if (n_new == 0)
		return yaml_fail(ret_problem, line, "%s is named by this rule already: remove it",
				 path);
	return ERR_OK;
}

static enum err fields_read(const struct yaml_file *f, yaml_ref map, struct agreement_rule *rule,
			    struct yaml_problem *ret_problem)
{
	yaml_ref list;
	enum err e = yaml_map_need(f, map, "fields", YAML_LIST, &list, ret_problem);

	if (e)
		return err_trace(e);
	if (yaml_count(f, list) == 0)
		return yaml_fail(ret_problem, yaml_line(f, list), "the rule names no field");
	rule->covers = calloc(field_table_n_units(rule->type), sizeof(*rule->covers));
	if (!rule->covers)
		return err_new(ERR_NOMEM, "fields of a rule");
	for (size_t i = 0; !e && i < yaml_count(f, list); i++) {
		yaml_ref node = yaml_list_at(f, list, i);

		e = yaml_check_kind(f, node, YAML_TEXT, "a field", ret_problem);
		if (!e)
			e = path_read(f, node, rule, ret_problem);
	}
	return e;
}

/** Purposes of a rule: some of the agreement's; absent: all. */
static enum err rule_purposes_read(const struct yaml_file *f, yaml_ref map,
				   const struct agreement *a, struct agreement_rule *rule,
				   struct yaml_problem *ret_problem)
{
	yaml_ref list = yaml_map_get(f, map, "purposes");
	int purpose[AGREEMENT_PURPOSES_MAX];
	size_t n;
	enum err e;

	if (!list) {
		rule->purposes = UINT32_MAX;
		return ERR_OK;
	}
	e = yaml_check_kind(f, list, YAML_LIST, "purposes", ret_problem);
	if (!e)
		e = agreement_purposes_read(f, list, purpose, &n, ret_problem);
	if (e)
		return err_trace(e);
	for (size_t i = 0; i < n; i++) {
		if (!agreement_has_purpose(a, purpose[i]))
			return yaml_fail(ret_problem, yaml_line(f, yaml_list_at(f, list, i)),
					 "purpose '%s' is none of the agreement's: add it there",
					 yaml_text(f, yaml_list_at(f, list, i)));
		for (size_t j = 0; j < a->n_purposes; j++)
			if (a->purpose[j] == purpose[i])
				rule->purposes |= UINT32_C(1) << j;
	}
	return ERR_OK;
}

static enum err record_read(const struct yaml_file *f, yaml_ref map, struct agreement_rule *rule,
			    struct yaml_problem *ret_problem)
{
	yaml_ref node;
	enum err e = yaml_map_need(f, map, "record", YAML_TEXT, &node, ret_problem);

	if (e)
		return err_trace(e);
	if (!record_type_from_name(yaml_text(f, node), &rule->type))
		return yaml_fail(ret_problem, yaml_line(f, node),
				 "record must be VictimRecord or CaseRecord");
	return ERR_OK;
}

/** What a rule says besides name, purposes, record and fields. */
static enum err terms_read(const struct yaml_file *f, yaml_ref map, struct agreement_rule *rule,
			   struct yaml_problem *ret_problem)
{
	static const char *const stages[] = {"request", "accepted", NULL};
	static const char *const consents[] = {"not-required", "required", NULL};
	static const char *const onwards[] = {"none", "ask", "allowed", NULL};
	int stage = 0, consent = 0, onward = 0;
	uint64_t days = 0;
	yaml_ref node;
	enum err e = word_read(f, map, "stage", stages, &stage, ret_problem);

	if (!e)
		e = word_read(f, map, "consent", consents, &consent, ret_problem);
	if (!e)
		e = word_read(f, map, "onward", onwards, &onward, ret_problem);
	if (!e)
		e = yaml_map_need(f, map, "retention_days", YAML_TEXT, &node, ret_problem);
	if (!e)
		e = yaml_uint(f, node, "retention_days", 1, AGREEMENT_RETENTION_MAX, &days,
			      ret_problem);
	if (e)
		return err_trace(e);
	rule->stage = (enum policy_stage)(POLICY_REQUEST + stage);
	rule->needs_consent = consent == 1;
	rule->onward = (enum policy_onward)(POLICY_ONWARD_NONE + onward);
	rule->retention_days = (uint32_t)days;
	return ERR_OK;
}

static enum err rule_read(const struct yaml_file *f, yaml_ref map, struct agreement *a,
			  struct yaml_problem *ret_problem)
{
	static const char *const known[] = {"name",	      "purposes", "record",
					    "stage",	      "fields",	  "consent",
					    "retention_days", "onward",	  NULL};
	struct agreement_rule *rule = &a->rule[a->n_rules++];
	enum err e = yaml_map_check_keys(f, map, known, ret_problem);

	if (!e)
		e = agreement_name_read(f, map, "name", rule->name, ret_problem);
	if (e)
		return err_trace(e);
	for (size_t i = 0; i + 1 < a->n_rules; i++)
		if (strcmp(a->rule[i].name, rule->name) == 0)
			return yaml_fail(ret_problem, yaml_line(f, map),
					 "another rule has this name: rules are told apart by it");
	e = rule_purposes_read(f, map, a, rule, ret_problem);
	if (!e)
		e = record_read(f, map, rule, ret_problem);
	if (!e)
		e = terms_read(f, map, rule, ret_problem);
	if (!e)
		e = fields_read(f, map, rule, ret_problem);
	return e;
}

enum err agreement_rules_read(const struct yaml_file *f, yaml_ref list, struct agreement *a,
			      struct yaml_problem *ret_problem)
{
	size_t n = yaml_count(f, list);
	enum err e = ERR_OK;

	if (n == 0 || n > AGREEMENT_RULES_MAX)
		return yaml_fail(ret_problem, yaml_line(f, list), "there must be 1 to %d rules",
				 AGREEMENT_RULES_MAX);
	a->rule = calloc(n, sizeof(*a->rule));
	if (!a->rule)
		return err_new(ERR_NOMEM, "rules");
	for (size_t i = 0; !e && i < n; i++)
		e = rule_read(f, yaml_list_at(f, list, i), a, ret_problem);
	return e;
}
