#include "cli/command.h"

#include <string.h>

#include "base/nearest.h"

#define WORDS_MAX 3 /* noun, verb, operand */
#define QUOTE_MAX 60

/* The arguments, sorted but not yet judged against a command. */
struct words {
	char *word[WORDS_MAX];
	size_t n;
	const char *surplus; /* the first that is too many */
};

const struct command_option *command_option_of(const struct command *command, enum option_id id)
{
	for (size_t i = 0; i < command->n_options; i++) {
		if (command->option[i].id == id)
			return &command->option[i];
	}
	return NULL;
}

static enum err unknown_option(const char *name, size_t n)
{
	char wrong[QUOTE_MAX + 1];
	struct nearest near_by;

	n = n < QUOTE_MAX ? n : QUOTE_MAX;
	memcpy(wrong, name, n);
	wrong[n] = '\0';
	near_by = nearest_begin(wrong);
	for (enum option_id id = 0; id < N_OPTIONS; id++)
		nearest_see(&near_by, option_spec_of(id)->name);
	if (near_by.name)
		return err_new(ERR_INVALID, "unknown option '--%s'; did you mean '--%s'?", wrong,
			       near_by.name);
	return err_new(ERR_INVALID, "unknown option '--%s'", wrong);
}

static bool find_option(const char *name, size_t n, enum option_id *ret)
{
	for (enum option_id id = 0; id < N_OPTIONS; id++) {
		const struct option_spec *o = option_spec_of(id);

		if (strlen(o->name) == n && memcmp(o->name, name, n) == 0) {
			*ret = id;
			return true;
		}
	}
	return false;
}

/* Take the option at argv[*i], and the argument behind it when that is its value. */
static enum err take_option(int argc, char **argv, int *i, struct invocation *in)
{
	const char *name = argv[*i] + 2;
	const char *text = NULL;
	enum option_id id;
	size_t n = strcspn(name, "=");

	if (strcmp(argv[*i], "-h") == 0)
		return option_read(OPTION_ID_HELP, NULL, &in->option[OPTION_ID_HELP]);
	if (argv[*i][1] != '-')
		return err_new(ERR_INVALID, "unknown option '%.*s'", QUOTE_MAX, argv[*i]);
	if (!find_option(name, n, &id))
		return unknown_option(name, n);
	if (in->option[id].is_given)
		return err_new(ERR_INVALID, "--%s is given twice", option_spec_of(id)->name);
	if (name[n] == '=')
		text = name + n + 1;
	else if (option_spec_of(id)->kind != OPTION_FLAG && *i + 1 < argc)
		text = argv[++*i];
	return option_read(id, text, &in->option[id]);
}

static enum err sort_arguments(int argc, char **argv, struct invocation *in, struct words *ret)
{
	bool is_past_options = false;

	for (int i = 1; i < argc; i++) {
		if (!is_past_options && strcmp(argv[i], "--") == 0) {
			is_past_options = true;
		} else if (!is_past_options && argv[i][0] == '-' && argv[i][1]) {
			enum err e = take_option(argc, argv, &i, in);

			if (e)
				return err_trace(e);
		} else if (ret->n < WORDS_MAX) {
			ret->word[ret->n++] = argv[i];
		} else if (!ret->surplus) {
			ret->surplus = argv[i];
		}
	}
	return ERR_OK;
}

/* The nearest noun, or of a noun the nearest verb. */
static enum err unknown_word(const char *noun, const char *wrong)
{
	struct nearest near_by = nearest_begin(wrong);

	for (size_t i = 0; i < command_count(); i++) {
		const struct command *c = command_at(i);

		if (!noun)
			nearest_see(&near_by, c->noun);
		else if (strcmp(noun, c->noun) == 0 && c->verb)
			nearest_see(&near_by, c->verb);
	}
	return err_new(ERR_INVALID, "unknown command '%s%s%.*s'%s%s%s", noun ? noun : "",
		       noun ? " " : "", QUOTE_MAX, wrong, near_by.name ? "; did you mean '" : "",
		       near_by.name ? near_by.name : "", near_by.name ? "'?" : "");
}

/* Set noun and command, as far as the words name any. */
static void look_up(const struct words *words, struct invocation *in)
{
	const char *verb = words->n > 1 ? words->word[1] : NULL;

	for (size_t i = 0; words->n > 0 && i < command_count(); i++) {
		const struct command *c = command_at(i);

		if (strcmp(words->word[0], c->noun) != 0)
			continue;
		in->noun = c->noun;
		if (!c->verb || (verb && strcmp(verb, c->verb) == 0))
			in->command = c;
	}
}

/* Of a call for help, the noun may be all there is, or nothing. */
static enum err check_words(const struct words *words, const struct invocation *in)
{
	bool is_help = in->option[OPTION_ID_HELP].is_given;

	if (in->command)
		return ERR_OK;
	if (words->n == 0)
		return is_help ? ERR_OK : err_new(ERR_INVALID, "no command");
	if (!in->noun)
		return unknown_word(NULL, words->word[0]);
	if (words->n > 1)
		return unknown_word(in->noun, words->word[1]);
	return is_help ? ERR_OK : err_new(ERR_INVALID, "'%s' is not the whole command", in->noun);
}

static enum err take_operand(const struct words *words, struct invocation *in)
{
	const struct command *c = in->command;
	size_t at = c->verb ? 2 : 1;
	size_t end = at + (c->operand ? 1 : 0);
	const char *surplus = words->n > end ? words->word[end] : words->surplus;

	if (surplus)
		return err_new(ERR_INVALID, "'%.*s' is one argument too many", QUOTE_MAX, surplus);
	if (c->operand && words->n > at)
		in->operand = words->word[at];
	return ERR_OK;
}

static enum err check_options(const struct invocation *in)
{
	const struct command *c = in->command;

	for (enum option_id id = 0; id < N_OPTIONS; id++) {
		if (in->option[id].is_given && !option_is_common(id) && !command_option_of(c, id))
			return err_new(ERR_INVALID, "%s%s%s takes no --%s", c->noun,
				       c->verb ? " " : "", c->verb ? c->verb : "",
				       option_spec_of(id)->name);
	}
	if (in->option[OPTION_ID_HELP].is_given)
		return ERR_OK;
	if (c->operand && (!in->operand || !*in->operand))
		return err_new(ERR_INVALID, "%s %s wants %s", c->noun, c->verb, c->operand);
	for (size_t i = 0; i < c->n_options; i++) {
		const struct option_spec *o = option_spec_of(c->option[i].id);

		if (c->option[i].is_required && !in->option[c->option[i].id].is_given)
			return err_new(ERR_INVALID, "%s %s wants --%s %s (%s)", c->noun, c->verb,
				       o->name, o->value_name,
				       c->option[i].help ? c->option[i].help : o->help);
	}
	return ERR_OK;
}

enum err command_parse(int argc, char **argv, struct invocation *ret)
{
	struct words words = {.n = 0};
	enum err e;

	*ret = (struct invocation){.command = NULL};
	e = sort_arguments(argc, argv, ret, &words);
	look_up(&words, ret);
	if (e || ret->option[OPTION_ID_VERSION].is_given)
		return e;
	e = check_words(&words, ret);
	if (e || !ret->command)
		return e;
	e = take_operand(&words, ret);
	if (e)
		return err_trace(e);
	return check_options(ret);
}
