#include "cli/cli.h"

#include <fcntl.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

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

/* A file that the caller closed gets a place holder, which can be neither read nor written: else
 * the node's socket would be standard output, and a table written to it. */
static bool open_standard(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_PATH | O_CLOEXEC) != fd)
			return false;
	}
	return true;
}

int cli_main(int argc, char **argv)
{
	struct invocation in;
	struct cli cli = {.in = &in, .out = stdout};
	char hint[HINT_MAX];
	int code;

	if (!open_standard())
		return EX_OSERR;
	terminal_init();
	if (command_parse(argc, argv, &in))
		return cli_fail(EX_USAGE, "%s (see: %s)", err_words(),
				help_hint(&in, hint, sizeof(hint)));
	code = run(&cli);
	api_client_free(cli.client);
	return code;
}
