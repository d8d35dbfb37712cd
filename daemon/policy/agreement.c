#include "policy/agreement.h"

#include <stdlib.h>
#include <string.h>

#include "base/civil.h"
#include "crypto/digest.h"
#include "policy/internal.h"
#include "wire/codelist.h"
#include "wire/text.h"

#define DAY_US UINT64_C(86400000000)
#define YEAR_MIN 1970
#define YEAR_MAX 2999

const struct digest *agreement_digest(const struct agreement *a)
{
	return &a->digest;
}

const char *agreement_name(const struct agreement *a)
{
	return a->name;
}

size_t agreement_n_parties(const struct agreement *a)
{
	return a->n_parties;
}

const struct agency_id *agreement_party(const struct agreement *a, size_t i)
{
	ASSERT(i < a->n_parties);
	return &a->party[i];
}

bool agreement_has_party(const struct agreement *a, const struct agency_id *id)
{
	for (size_t i = 0; i < a->n_parties; i++)
		if (agency_id_eq(&a->party[i], id))
			return true;
	return false;
}

bool agreement_has_purpose(const struct agreement *a, int purpose)
{
	for (size_t i = 0; i < a->n_purposes; i++)
		if (a->purpose[i] == purpose)
			return true;
	return false;
}

uint64_t agreement_valid_from_us(const struct agreement *a)
{
	return a->from_us;
}

uint64_t agreement_valid_until_us(const struct agreement *a)
{
	return a->until_us;
}

bool agreement_is_valid_at(const struct agreement *a, uint64_t utc_us)
{
	return is_valid_at(a, utc_us);
}

static size_t n_characters(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((uint8_t)*text & 0xc0) != 0x80;
	return n;
}

enum err agreement_name_read(const struct yaml_file *f, yaml_ref map, const char *key,
			     char ret[AGREEMENT_NAME_BYTES], struct yaml_problem *ret_problem)
{
	yaml_ref node;
	const char *text;
	enum err e = yaml_map_need(f, map, key, YAML_TEXT, &node, ret_problem);

	if (e)
		return err_trace(e);
	text = yaml_text(f, node);
	/* it travels in ADOPT, whose reader takes strict text alone */
	if (!text_is_valid(view_str(text)))
		return yaml_fail(ret_problem, yaml_line(f, node),
				 "'%s' holds a code point that is no character: remove it", key);
	if (n_characters(text) > AGREEMENT_NAME_MAX)
		return yaml_fail(ret_problem, yaml_line(f, node),
				 "'%s' is longer than %d characters", key, AGREEMENT_NAME_MAX);
	memcpy(ret, text, strlen(text) + 1);
	return ERR_OK;
}

enum err agreement_purposes_read(const struct yaml_file *f, yaml_ref list,
				 int ret[AGREEMENT_PURPOSES_MAX], size_t *ret_n,
				 struct yaml_problem *ret_problem)
{
	const struct codelist *codes = codelist_find("purpose");
	size_t n = yaml_count(f, list);

	ASSERT(codes);
	if (n == 0 || n > AGREEMENT_PURPOSES_MAX)
		return yaml_fail(ret_problem, yaml_line(f, list), "1 to %zu purposes must be named",
				 codelist_count(codes));
	for (size_t i = 0; i < n; i++) {
		yaml_ref node = yaml_list_at(f, list, i);
		char quoted[YAML_QUOTE_MAX];
		enum err e = yaml_check_kind(f, node, YAML_TEXT, "a purpose", ret_problem);

		if (e)
			return err_trace(e);
		if (!codelist_number_of(codes, yaml_text(f, node), &ret[i]))
			return yaml_fail(ret_problem, yaml_line(f, node), "%s is no purpose",
					 yaml_quote(yaml_text(f, node), quoted));
		for (size_t j = 0; j < i; j++)
			if (ret[j] == ret[i])
				return yaml_fail(ret_problem, yaml_line(f, node),
						 "purpose '%s' is named twice", yaml_text(f, node));
	}
	*ret_n = n;
	return ERR_OK;
}

static bool digits(const char *text, size_t n, unsigned *ret)
{
	unsigned value = 0;

	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (unsigned)(text[i] - '0');
	}
	*ret = value;
	return true;
}

/** "YYYY-MM-DD" as days since 1970-01-01. */
static bool date_parse(const char *text, uint64_t *ret_day)
{
	unsigned year, month, day;
	uint64_t n = 0;

	if (strlen(text) != 10 || text[4] != '-' || text[7] != '-' || !digits(text, 4, &year) ||
	    !digits(text + 5, 2, &month) || !digits(text + 8, 2, &day))
		return false;
	if (year < YEAR_MIN || year > YEAR_MAX || month < 1 || month > 12 || day < 1 ||
	    day > civil_days_of_month(year, month))
		return false;
	for (unsigned y = YEAR_MIN; y < year; y++)
		n += 337 + civil_days_of_month(y, 2);
	for (unsigned m = 1; m < month; m++)
		n += civil_days_of_month(year, m);
	*ret_day = n + day - 1;
	return true;
}

static enum err day_read(const struct yaml_file *f, yaml_ref map, const char *key,
			 uint64_t *ret_day, struct yaml_problem *ret_problem)
{
	yaml_ref node;
	char quoted[YAML_QUOTE_MAX];
	enum err e = yaml_map_need(f, map, key, YAML_TEXT, &node, ret_problem);

	if (e)
		return err_trace(e);
	if (!date_parse(yaml_text(f, node), ret_day))
		return yaml_fail(ret_problem, yaml_line(f, node),
				 "%s is no day: write YYYY-MM-DD, %d to %d",
				 yaml_quote(yaml_text(f, node), quoted), YEAR_MIN, YEAR_MAX);
	return ERR_OK;
}

static enum err valid_read(const struct yaml_file *f, struct agreement *a,
			   struct yaml_problem *ret_problem)
{
	static const char *const known[] = {"from", "until", NULL};
	yaml_ref map;
	uint64_t from, until;
	enum err e = yaml_map_need(f, yaml_root(f), "valid", YAML_MAP, &map, ret_problem);

	if (!e)
		e = yaml_map_check_keys(f, map, known, ret_problem);
	if (!e)
		e = day_read(f, map, "from", &from, ret_problem);
	if (!e)
		e = day_read(f, map, "until", &until, ret_problem);
	if (e)
		return err_trace(e);
	if (from > until)
		return yaml_fail(ret_problem, yaml_line(f, map), "'until' is before 'from'");
	a->from_us = from * DAY_US;
	a->until_us = (until + 1) * DAY_US - 1;
	return ERR_OK;
}

static enum err parties_read(const struct yaml_file *f, struct agreement *a,
			     struct yaml_problem *ret_problem)
{
	yaml_ref list;
	size_t n;
	enum err e = yaml_map_need(f, yaml_root(f), "parties", YAML_LIST, &list, ret_problem);

	if (e)
		return err_trace(e);
	n = yaml_count(f, list);
	if (n < 2 || n > AGREEMENT_PARTIES_MAX)
		return yaml_fail(ret_problem, yaml_line(f, list), "there must be 2 to %d parties",
				 AGREEMENT_PARTIES_MAX);
	a->party = calloc(n, sizeof(*a->party));
	if (!a->party)
		return err_new(ERR_NOMEM, "parties");
	for (size_t i = 0; i < n; i++) {
		yaml_ref node = yaml_list_at(f, list, i);
		char quoted[YAML_QUOTE_MAX];

		e = yaml_check_kind(f, node, YAML_TEXT, "a party", ret_problem);
		if (e)
			return err_trace(e);
		if (agency_id_parse(view_str(yaml_text(f, node)), &a->party[i]))
			return yaml_fail(ret_problem, yaml_line(f, node),
					 "%s is no agency id: write spiffe://TRUST-DOMAIN/AGENCY",
					 yaml_quote(yaml_text(f, node), quoted));
		if (agreement_has_party(a, &a->party[i]))
			return yaml_fail(ret_problem, yaml_line(f, node), "party %s is named twice",
					 yaml_quote(yaml_text(f, node), quoted));
		a->n_parties++;
	}
	return ERR_OK;
}

static enum err agreement_read(const struct yaml_file *f, struct agreement *a,
			       struct yaml_problem *ret_problem)
{
	static const char *const known[] = {"agreement", "parties", "valid",
					    "purposes",	 "rules",   NULL};
	yaml_ref root = yaml_root(f), purposes, rules;
	enum err e = yaml_map_check_keys(f, root, known, ret_problem);

	if (!e)
		e = agreement_name_read(f, root, "agreement", a->name, ret_problem);
	if (!e)
		e = parties_read(f, a, ret_problem);
	if (!e)
		e = valid_read(f, a, ret_problem);
	if (!e)
		e = yaml_map_need(f, root, "purposes", YAML_LIST, &purposes, ret_problem);
	if (!e)
		e = agreement_purposes_read(f, purposes, a->purpose, &a->n_purposes, ret_problem);
	if (!e)
		e = yaml_map_need(f, root, "rules", YAML_LIST, &rules, ret_problem);
	if (!e)
		e = agreement_rules_read(f, rules, a, ret_problem);
	if (!e)
		e = agreement_evaluate(a);
	return e;
}

enum err agreement_parse(struct view file, struct agreement **ret)
{
	CLEANUP(yaml_file_freep) struct yaml_file *f = NULL;
	CLEANUP(agreement_freep) struct agreement *a = NULL;
	struct yaml_problem problem;
	enum err e;

	if (file.n > AGREEMENT_BYTES_MAX)
		return err_new(ERR_LIMIT, "an agreement has at most %d bytes", AGREEMENT_BYTES_MAX);
	a = calloc(1, sizeof(*a));
	if (!a)
		return err_new(ERR_NOMEM, "agreement");
	e = yaml_file_parse(file, &f, &problem);
	if (!e)
		e = agreement_read(f, a, &problem);
	if (e)
		return err_trace(e);
	a->digest = sha256(file);
	*ret = TAKE(a);
	return ERR_OK;
}

void agreement_free(struct agreement *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->n_rules; i++)
		free(a->rule[i].covers);
	free(a->rule);
	free(a->party);
	free(a->cell);
	free(a);
}
