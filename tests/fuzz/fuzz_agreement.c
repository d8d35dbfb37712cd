/*
 * Bytes as an agreement. What must hold for all: no fault of memory, refused with a line or read as
 * a whole, and what is read discloses no less at a later stage or with consent, and no protected
 * field by its group.
 */
#include <stdlib.h>
#include <string.h>

#include "crypto/digest.h"
#include "fuzz.h"
#include "policy/agreement.h"

static bool is_allowed(const struct agreement *a, struct policy_case c, const struct field *unit)
{
	struct policy_decision d = policy_judge(a, &c, unit);

	ASSERT((d.answer == POLICY_ALLOWED) == (d.retention_days > 0));
	ASSERT((d.rule == NULL) == (d.answer == POLICY_NO_RULE));
	return d.answer == POLICY_ALLOWED;
}

static void check_unit(const struct agreement *a, int purpose, const struct field *unit,
		       struct view file)
{
	struct policy_case c = {
		.purpose = purpose,
		.type = unit->record_type,
		.stage = POLICY_REQUEST,
		.utc_us = agreement_valid_until_us(a),
		.schema_version = FIELD_SCHEMA_VERSION,
	};
	bool at_request = is_allowed(a, c, unit), at_accepted, with_consent;

	c.has_consent = true;
	ASSERT(!at_request || is_allowed(a, c, unit));
	c.stage = POLICY_ACCEPTED;
	with_consent = is_allowed(a, c, unit);
	c.has_consent = false;
	at_accepted = is_allowed(a, c, unit);
	ASSERT(!at_request || at_accepted);
	ASSERT(!at_accepted || with_consent);
	/* a path can be written with escapes, so only a file without any is searched */
	if (with_consent && unit->sensitivity == SENSITIVITY_S5 && !memchr(file.p, '\\', file.n))
		ASSERT(memmem(file.p, file.n, unit->path, strlen(unit->path)));
	c.utc_us++;
	ASSERT(policy_judge(a, &c, unit).answer == POLICY_NOT_VALID);
}

static void check_agreement(const struct agreement *a, struct view file)
{
	static const enum record_type types[] = {RECORD_VICTIM, RECORD_CASE};
	struct digest digest = sha256(file);

	ASSERT(digest_eq(agreement_digest(a), &digest));
	ASSERT(agreement_n_parties(a) >= 2 && agreement_name(a)[0] != '\0');
	ASSERT(agreement_valid_from_us(a) < agreement_valid_until_us(a));
	for (int purpose = 0; purpose < 32; purpose++) {
		if (!agreement_has_purpose(a, purpose))
			continue;
		for (size_t t = 0; t < ARRAY_LEN(types); t++)
			for (size_t i = 0; i < field_table_n_units(types[t]); i++)
				check_unit(a, purpose, field_table_unit(types[t], i), file);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(agreement_freep) struct agreement *a = NULL;
	static bool is_ready;
	struct view file = view_of(data, size);
	enum err e;

	if (!is_ready)
		ASSERT(crypto_init() == ERR_OK);
	is_ready = true;
	err_clear();
	e = agreement_parse(file, &a);
	ASSERT((a != NULL) == (e == ERR_OK));
	if (a)
		check_agreement(a, file);
	else
		ASSERT(e == ERR_NOMEM || e == ERR_LIMIT ||
		       (e == ERR_INVALID && strncmp(err_words(), "line ", 5) == 0));
	return 0;
}
