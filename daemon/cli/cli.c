#include "cli/cli.h"

#include <stdio.h>
#include <sysexits.h>

#include "cli/context.h"
#include "cli/help.h"
#include "cli/terminal.h"

#define HINT_MAX 100

static int run(struct cli *cli)
{
	const struct invocation *in = cli->in;

	if (in->option[OPTION_ID_VERSION].is_given) {
		(void)fputs("amparo " AMPARO_VERSION "\n", cli->out);
		return cli_flush(cli);
	}
	if (in->option[OPTION_ID_HELP].is_given) {
		help_print(cli->out, in);
		return cli_flush(cli);
	}
	return in->command->run(cli);
}

int cli_main(int argc, char **argv)
{
	struct invocation in;
	struct cli cli = {.in = &in, .out = stdout};
	char hint[HINT_MAX];
	int code;

	terminal_init();
	if (command_parse(argc, argv, &in))
		return cli_fail(EX_USAGE, "%s (see: %s)", err_words(),
				help_hint(&in, hint, sizeof(hint)));
	code = run(&cli);
	api_client_free(cli.client);
	return code;
}
