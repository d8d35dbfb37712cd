#include "parent/options.h"

#include <getopt.h>
#include <string.h>

const char options_help[] =
	"amparod --config FILE                  run the node that FILE describes\n"
	"amparod --config FILE --check-config   read FILE and all that it names, say what is "
	"wrong\n"
	"amparod --config FILE --init           make a new node's database and node key\n"
	"amparod --version\n"
	"amparod --help\n"
	"\n"
	"The node runs in the foreground and logs to standard error; SIGTERM stops it.\n"
	"Example: amparod --config /etc/amparo/amparod.yaml --check-config\n"
	"See amparod(8) and amparod.yaml(5).\n";

enum {
	CONFIG = 'c',
	CHECK = 'k',
	INIT = 'i',
	VERSION = 'v',
	HELP = 'h'
};

static const struct option known[] = {
	{"config", required_argument, NULL, CONFIG}, {"check-config", no_argument, NULL, CHECK},
	{"init", no_argument, NULL, INIT},	     {"version", no_argument, NULL, VERSION},
	{"help", no_argument, NULL, HELP},	     {NULL, 0, NULL, 0},
};

static enum err set_task(struct options *o, enum options_task task)
{
	if (o->task != OPTIONS_SERVE)
		return err_new(ERR_INVALID,
			       "only one of --check-config, --init, --version, --help");
	o->task = task;
	return ERR_OK;
}

static enum err parse_one(struct options *o, int option)
{
	switch (option) {
	case CONFIG:
		if (o->config)
			return err_new(ERR_INVALID, "--config is given twice");
		o->config = optarg;
		return ERR_OK;
	case CHECK:
		return set_task(o, OPTIONS_CHECK_CONFIG);
	case INIT:
		return set_task(o, OPTIONS_INIT);
	case VERSION:
		return set_task(o, OPTIONS_VERSION);
	case HELP:
		return set_task(o, OPTIONS_HELP);
	}
	return err_new(ERR_BUG, "an option without a branch here");
}

static enum err parse_role(struct options *o, const char *role)
{
	if (strcmp(role, "gate") == 0)
		return set_task(o, OPTIONS_GATE);
	if (strcmp(role, "vault") == 0)
		return set_task(o, OPTIONS_VAULT);
	return err_new(ERR_INVALID, "unknown word behind the options");
}

/* What getopt stumbled over, having begun at word @p at, behind words that are no options. */
static enum err unknown(char **argv, int at)
{
	return err_new(ERR_INVALID, "%.80s: no such option, or one without its value",
		       argv[argv[at][0] == '-' ? at : optind - 1]);
}

enum err options_parse(int argc, char **argv, struct options *ret)
{
	struct options o = {.task = OPTIONS_SERVE};
	enum err e = ERR_OK;
	int option;
	int at = 1;

	opterr = 0;
	optind = 0; /* begin anew, in the middle of no word */
	while (!e && (option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		e = option == '?' ? unknown(argv, at) : parse_one(&o, option);
		at = optind;
	}
	for (int i = optind; !e && i < argc; i++)
		e = parse_role(&o, argv[i]);
	if (e)
		return err_trace(e);
	if (!o.config && o.task != OPTIONS_VERSION && o.task != OPTIONS_HELP)
		return err_new(ERR_INVALID, "--config FILE is needed");
	*ret = o;
	return ERR_OK;
}
