/*
 * Print all that an agreement answers, one line a question, for test_document.py:
 *   purpose record stage consent unit | answer | rule | retention | onward
 */
#include <stdio.h>

#include "crypto/digest.h"
#include "policy/agreement.h"

static const char *answer_name(enum policy_answer a)
{
	static const char *const names[] = {"ALLOWED",	  "NO_RULE",   "NOT_YET",
					    "NO_CONSENT", "NOT_VALID", "NEWER_FIELD"};

	return names[a];
}

static void print_one(const struct agreement *a, int purpose, const struct field *unit, int i)
{
	static const char *const onwards[] = {"", "none", "ask", "allowed"};
	struct policy_case c = {
		.purpose = purpose,
		.type = unit->record_type,
		.stage = i & 1 ? POLICY_ACCEPTED : POLICY_REQUEST,
		.has_consent = (i & 2) != 0,
		.utc_us = agreement_valid_from_us(a),
		.schema_version = FIELD_SCHEMA_VERSION,
	};
	struct policy_decision d = policy_judge(a, &c, unit);

	(void)printf("%s %s %s %d %s|%s|%s|%u|%s\n",
		     codelist_code_of(codelist_find("purpose"), purpose), record_type_name(c.type),
		     i & 1 ? "accepted" : "request", c.has_consent, unit->path,
		     answer_name(d.answer), d.rule ? d.rule : "", d.retention_days,
		     d.answer == POLICY_ALLOWED ? onwards[d.onward] : "");
}

int main(int argc, char **argv)
{
	static const enum record_type types[] = {RECORD_VICTIM, RECORD_CASE};
	static uint8_t bytes[AGREEMENT_BYTES_MAX];
	CLEANUP(agreement_freep) struct agreement *a = NULL;
	FILE *file = argc == 2 ? fopen(argv[1], "rbe") : NULL;
	size_t n;

	if (!file)
		return 64;
	n = fread(bytes, 1, sizeof(bytes), file);
	(void)fclose(file);
	if (crypto_init() || agreement_parse(view_of(bytes, n), &a)) {
		(void)fprintf(stderr, "%s\n", err_words());
		return 1;
	}
	for (size_t p = 0; p < codelist_count(codelist_find("purpose")); p++)
		for (size_t t = 0; t < ARRAY_LEN(types); t++)
			for (size_t u = 0; u < field_table_n_units(types[t]); u++)
				for (int i = 0; i < 4; i++)
					print_one(a, (int)p + 1, field_table_unit(types[t], u), i);
	return 0;
}
