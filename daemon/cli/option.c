#include "cli/option.h"

#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "cli/moment.h"
#include "base/nearest.h"
#include "wire/codelist.h"
#include "wire/text.h"

#define QUOTE_MAX 60 /* bytes of a wrong value that an error repeats */

static const struct option_spec options[N_OPTIONS] = {
#define X(id, option_name, option_value_name, option_kind, list, text)                             \
	[OPTION_ID_##id] = {.name = (option_name),                                                 \
			    .value_name = (option_value_name),                                     \
			    .kind = OPTION_##option_kind,                                          \
			    .code_list = (list),                                                   \
			    .help = (text)},
	OPTION_LIST(X)
#undef X
};

const struct option_spec *option_spec_of(enum option_id id)
{
	ASSERT(id < N_OPTIONS);
	return &options[id];
}

bool option_is_common(enum option_id id)
{
	return id <= OPTION_ID_VERSION;
}

/* A code that there is not: say the nearest, or all. */
static enum err code_fault(const struct codelist *list, const char *name, const char *text)
{
	struct nearest near_by = nearest_begin(text);
	char all[160];
	size_t n = 0;

	for (size_t i = 0; i < codelist_count(list); i++) {
		const char *code = codelist_code_at(list, i);

		nearest_see(&near_by, code);
		if (n < sizeof(all))
			n += (size_t)snprintf(all + n, sizeof(all) - n, "%s%s", i ? ", " : "",
					      code);
	}
	if (near_by.name || n >= sizeof(all))
		return err_new(ERR_INVALID, "--%s: '%.*s' is not one of its codes%s%s%s", name,
			       QUOTE_MAX, text,
			       near_by.name ? "; did you mean '" : "; --help says which are",
			       near_by.name ? near_by.name : "", near_by.name ? "'?" : "");
	return err_new(ERR_INVALID, "--%s: '%.*s' is none of %s", name, QUOTE_MAX, text, all);
}

static enum err code_read(const struct option_spec *o, const char *text, int *ret)
{
	const struct codelist *list = codelist_find(o->code_list);

	ASSERT(list);
	if (!codelist_number_of(list, text, ret))
		return code_fault(list, o->name, text);
	return ERR_OK;
}

static enum err number_read(const struct option_spec *o, const char *text, uint64_t *ret)
{
	uint64_t value = 0;

	for (const char *p = text; *p; p++) {
		if (*p < '0' || *p > '9' || p - text >= 18)
			return err_new(ERR_INVALID, "--%s: '%.*s' is no number", o->name, QUOTE_MAX,
				       text);
		value = value * 10 + (uint64_t)(*p - '0');
	}
	*ret = value;
	return ERR_OK;
}

static enum err moment_value(const struct option_spec *o, const char *text, uint64_t *ret)
{
	enum err e = moment_read(text, o->kind == OPTION_UNTIL, ret);

	if (e)
		return err_new(ERR_INVALID,
			       "--%s: '%.*s' is no time; write 2026-11-22, or 2026-11-22T14:03Z "
			       "(or +01:00 for Z)",
			       o->name, QUOTE_MAX, text);
	return ERR_OK;
}

enum err option_read(enum option_id id, const char *text, struct option_value *ret)
{
	const struct option_spec *o = option_spec_of(id);
	struct option_value value = {.is_given = true, .text = text};
	enum err e = ERR_OK;

	if (o->kind == OPTION_FLAG && text)
		return err_new(ERR_INVALID, "--%s takes no value", o->name);
	if (o->kind != OPTION_FLAG && (!text || !*text))
		return err_new(ERR_INVALID, "--%s wants %s", o->name, o->value_name);
	if (text && !text_is_valid(view_str(text)))
		return err_new(ERR_INVALID,
			       "--%s: must be one line of UTF-8 without control characters",
			       o->name);
	switch (o->kind) {
	case OPTION_FLAG:
	case OPTION_TEXT:
		break;
	case OPTION_CODE:
		e = code_read(o, text, &value.code);
		break;
	case OPTION_NUMBER:
		e = number_read(o, text, &value.number);
		break;
	case OPTION_WHICH:
		if (strcmp(text, "all") == 0)
			value.number = OPTION_ALL;
		else
			e = number_read(o, text, &value.number);
		break;
	case OPTION_SINCE:
	case OPTION_UNTIL:
		e = moment_value(o, text, &value.number);
		break;
	}
	if (e)
		return err_trace(e);
	*ret = value;
	return ERR_OK;
}
