/*
 * The rules never change once read, and there are few questions: purpose, record type, stage,
 * consent, unit. So each is answered once, when the agreement is read, and judging is a look-up:
 * it runs for every field of every exchange, at both ends.
 */
#include <stdlib.h>

#include "policy/internal.h"

#define N_STAGES 2
#define N_CONSENTS 2

static const enum record_type types[] = {RECORD_VICTIM, RECORD_CASE};

/** A question, without its unit. */
struct question {
	size_t purpose; /**< place among the agreement's */
	enum record_type type;
	enum policy_stage stage;
	bool has_consent;
};

/** The question's row, which has one cell a unit of its record type. */
static inline struct agreement_cell *row_of(const struct agreement *a, struct question q)
{
	size_t row = (q.purpose * N_STAGES + (q.stage == POLICY_ACCEPTED)) * N_CONSENTS +
		     (q.has_consent ? 1 : 0);

	return a->cell + row * a->n_row + (q.type == RECORD_CASE ? a->case_at : 0);
}

/** How near a rule that names the unit comes to allowing it: 0 it does, then as people should hear.
 */
static unsigned distance(const struct agreement_rule *r, const struct question *q)
{
	unsigned too_early = r->stage == POLICY_ACCEPTED && q->stage == POLICY_REQUEST;
	unsigned no_consent = r->needs_consent && !q->has_consent;

	if (too_early)
		return no_consent ? 3 : 2;
	return no_consent;
}

static enum policy_answer answer_of(unsigned distance_of_best)
{
	static const enum policy_answer answers[] = {POLICY_ALLOWED, POLICY_NO_CONSENT,
						     POLICY_NOT_YET, POLICY_NO_CONSENT};

	return answers[distance_of_best];
}

/** Of two rules that allow, does @p b, which stands later in the file, count before @p a? */
static bool allows_before(const struct agreement_rule *b, const struct agreement_rule *a)
{
	if (a->stage != b->stage)
		return b->stage > a->stage;
	if (a->retention_days != b->retention_days)
		return b->retention_days < a->retention_days;
	return b->onward < a->onward;
}

static struct agreement_cell cell_of(const struct agreement *a, const struct question *q,
				     size_t unit)
{
	const struct agreement_rule *best = NULL;
	unsigned best_distance = 0;

	for (size_t i = 0; i < a->n_rules; i++) {
		const struct agreement_rule *r = &a->rule[i];
		unsigned d;

		if (r->type != q->type || !(r->purposes >> q->purpose & 1) || !r->covers[unit])
			continue;
		d = distance(r, q);
		if (!best || d < best_distance ||
		    (d == 0 && best_distance == 0 && allows_before(r, best))) {
			best = r;
			best_distance = d;
		}
	}
	if (!best)
		return (struct agreement_cell){.answer = POLICY_NO_RULE};
	return (struct agreement_cell){
		.rule = (uint16_t)(best - a->rule + 1),
		.answer = (uint8_t)answer_of(best_distance),
	};
}

static void row_fill(struct agreement *a, const struct question *q)
{
	struct agreement_cell *row = row_of(a, *q);

	for (size_t unit = 0; unit < field_table_n_units(q->type); unit++)
		row[unit] = cell_of(a, q, unit);
}

enum err agreement_evaluate(struct agreement *a)
{
	struct question q;

	a->case_at = field_table_n_units(RECORD_VICTIM);
	a->n_row = a->case_at + field_table_n_units(RECORD_CASE);
	a->cell = calloc(a->n_purposes * N_STAGES * N_CONSENTS * a->n_row, sizeof(*a->cell));
	if (!a->cell)
		return err_new(ERR_NOMEM, "table of an agreement");
	for (q.purpose = 0; q.purpose < a->n_purposes; q.purpose++)
		for (size_t t = 0; t < ARRAY_LEN(types); t++)
			for (int i = 0; i < N_STAGES * N_CONSENTS; i++) {
				q.type = types[t];
				q.stage = i & 1 ? POLICY_ACCEPTED : POLICY_REQUEST;
				q.has_consent = (i & 2) != 0;
				row_fill(a, &q);
			}
	return ERR_OK;
}

static struct policy_decision withheld(enum policy_answer answer, const char *rule)
{
	return (struct policy_decision){
		.answer = answer, .rule = rule, .onward = POLICY_ONWARD_NONE};
}

static bool is_unit_of(const struct field *unit, enum record_type type)
{
	return unit && unit->is_unit && unit->record_type == type &&
	       (type == RECORD_VICTIM || type == RECORD_CASE);
}

static struct policy_decision decision_of(const struct agreement *a,
					  const struct agreement_cell *cell)
{
	const enum policy_answer answer = (enum policy_answer)cell->answer;
	const struct agreement_rule *rule;

	if (cell->rule == 0)
		return withheld(answer, NULL);
	rule = &a->rule[cell->rule - 1];
	if (answer != POLICY_ALLOWED)
		return withheld(answer, rule->name);
	return (struct policy_decision){
		.answer = answer,
		.rule = rule->name,
		.retention_days = rule->retention_days,
		.onward = rule->onward,
	};
}

struct policy_decision policy_judge(const struct agreement *a, const struct policy_case *c,
				    const struct field *unit)
{
	struct question q = {.type = c->type, .stage = c->stage, .has_consent = c->has_consent};

	while (q.purpose < a->n_purposes && a->purpose[q.purpose] != c->purpose)
		q.purpose++;
	if (q.purpose == a->n_purposes || !is_valid_at(a, c->utc_us))
		return withheld(POLICY_NOT_VALID, NULL);
	if (!is_unit_of(unit, c->type))
		return withheld(POLICY_NO_RULE, NULL);
	if (unit->since > c->schema_version)
		return withheld(POLICY_NEWER_FIELD, NULL);
	return decision_of(a, &row_of(a, q)[unit->unit_index]);
}

const char *policy_answer_text(enum policy_answer a)
{
	switch (a) {
	case POLICY_ALLOWED:
		return "allowed";
	case POLICY_NO_RULE:
		return "no rule names it";
	case POLICY_NOT_YET:
		return "only once the referral is accepted";
	case POLICY_NO_CONSENT:
		return "needs consent";
	case POLICY_NOT_VALID:
		return "the agreement is not valid now, or not for this purpose";
	case POLICY_NEWER_FIELD:
		return "the other side does not know this field yet";
	}
	return "withheld";
}
