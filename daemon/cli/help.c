#include "cli/help.h"

#include <ctype.h>
#include <string.h>
#include <sysexits.h>

#include "cli/context.h"
#include "wire/codelist.h"

#define COLUMN 26    /* where the words of an option begin */
#define LINE_MAX_ 96 /* bytes of a line of codes */

/* "record import FILE" */
static int command_title(const struct command *c, char *ret, size_t n)
{
	return snprintf(ret, n, "%s%s%s%s%s", c->noun, c->verb ? " " : "", c->verb ? c->verb : "",
			c->operand ? " " : "", c->operand ? c->operand : "");
}

static void print_option(FILE *out, enum option_id id, const struct command_option *taken)
{
	const struct option_spec *o = option_spec_of(id);
	int n = fprintf(out, "  --%s%s%s", o->name, o->value_name ? " " : "",
			o->value_name ? o->value_name : "");

	(void)fprintf(out, "%*s%s%s\n", n < COLUMN ? COLUMN - n : 1, "",
		      taken && taken->help ? taken->help : o->help,
		      taken && taken->is_required ? " (required)" : "");
}

static void print_codes(FILE *out, const struct option_spec *o)
{
	const struct codelist *list = codelist_find(o->code_list);
	int at = fprintf(out, "  --%s:", o->name);

	ASSERT(list);
	for (size_t i = 0; i < codelist_count(list); i++) {
		const char *code = codelist_code_at(list, i);

		if (at + (int)strlen(code) + 2 > LINE_MAX_)
			at = fprintf(out, "\n     ") - 1;
		at += fprintf(out, " %s%s", code, i + 1 < codelist_count(list) ? "," : "");
	}
	(void)fputc('\n', out);
}

static void print_common(FILE *out)
{
	(void)fputs("\nWith every command:\n", out);
	for (enum option_id id = 0; option_is_common(id); id++)
		print_option(out, id, NULL);
	(void)fputs("  Without --socket: $" CLI_SOCKET_VARIABLE ", else " CLI_SOCKET_DEFAULT ".\n",
		    out);
}

static void print_command_help(FILE *out, const struct command *c)
{
	char title[64];
	bool has_codes = false;

	(void)command_title(c, title, sizeof(title));
	(void)fprintf(out, "Usage: amparo [--socket PATH] [--json] %s", title);
	for (size_t i = 0; i < c->n_options; i++) {
		const struct option_spec *o = option_spec_of(c->option[i].id);

		if (c->option[i].is_required)
			(void)fprintf(out, " --%s %s", o->name, o->value_name);
		has_codes = has_codes || o->code_list;
	}
	(void)fprintf(out, "%s\n\n%c%s.\n%s", c->n_options ? " [OPTION]..." : "",
		      toupper((unsigned char)c->summary[0]), c->summary + 1,
		      c->more ? c->more : "");
	if (c->n_options)
		(void)fputs("\nOptions:\n", out);
	for (size_t i = 0; i < c->n_options; i++)
		print_option(out, c->option[i].id, &c->option[i]);
	if (has_codes)
		(void)fputs("\nCodes:\n", out);
	for (size_t i = 0; i < c->n_options; i++) {
		if (option_spec_of(c->option[i].id)->code_list)
			print_codes(out, option_spec_of(c->option[i].id));
	}
	print_common(out);
	(void)fprintf(out, "\nExample:\n  %s\n", c->example);
}

/* The commands of a noun, or all. */
static void print_overview(FILE *out, const char *noun)
{
	(void)fprintf(out, "Usage: amparo [--socket PATH] [--json] %s ...\n\n%s\n\nCommands:\n",
		      noun ? noun : "COMMAND",
		      noun ? "These commands there are; each explains itself with --help."
			   : "Exchange records of children with peer agencies through this "
			     "agency's node (amparod).");
	for (size_t i = 0; i < command_count(); i++) {
		const struct command *c = command_at(i);
		char title[64];
		int n = command_title(c, title, sizeof(title));

		if (!noun || strcmp(noun, c->noun) == 0)
			(void)fprintf(out, "  %s%*s%s\n", title, n < COLUMN ? COLUMN - n - 2 : 1,
				      "", c->summary);
	}
	print_common(out);
	(void)fprintf(out,
		      "\nExit codes: 0 done, %d usage, %d data (what does not verify, too), %d no "
		      "such file,\n%d node not running, %d input or output, %d try again, %d not "
		      "allowed (sysexits.h).\n",
		      EX_USAGE, EX_DATAERR, EX_NOINPUT, EX_UNAVAILABLE, EX_IOERR, EX_TEMPFAIL,
		      EX_NOPERM);
	(void)fputs("\nExample:\n  amparo referral list\n  amparo referral send --help\n", out);
}

void help_print(FILE *out, const struct invocation *in)
{
	if (in->command)
		print_command_help(out, in->command);
	else
		print_overview(out, in->noun);
}

const char *help_hint(const struct invocation *in, char *ret, size_t n)
{
	const struct command *c = in->command;

	if (c)
		(void)snprintf(ret, n, "amparo %s%s%s --help", c->noun, c->verb ? " " : "",
			       c->verb ? c->verb : "");
	else
		(void)snprintf(ret, n, "amparo %s%s--help", in->noun ? in->noun : "",
			       in->noun ? " " : "");
	return ret;
}
