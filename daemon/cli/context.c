#include "cli/context.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/agency_id.h"
#include "cli/terminal.h"

#define CONNECT_TIMEOUT_MS 5000
#define MESSAGE_MAX 2048
#define TIMEOUT_MAX_S 86400

char *cli_string(const struct cli *cli, enum option_id id)
{
	/* The text is an argument of the process, which is writable; protobuf-c only reads it. */
	union {
		const char *in;
		char *out;
	} text = {.in = cli->in->option[id].text};

	return text.out;
}

char *cli_peer(char *text, struct buf *ret)
{
	if (!text || !strchr(text, '/') || strstr(text, "://"))
		return text;
	if (buf_put_str(ret, AGENCY_ID_PREFIX) || buf_put_str(ret, text) || buf_put_u8(ret, 0))
		return NULL;
	return (char *)buf_data(ret);
}

int cli_fail(int code, const char *format, ...)
{
	CLEANUP(buf_fini) struct buf clean = {0};
	char text[MESSAGE_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (terminal_clean(view_str(text), &clean) || buf_put_u8(&clean, 0))
		return code;
	(void)fflush(stdout);
	(void)fprintf(stderr, "amparo: %s\n", (const char *)buf_data(&clean));
	return code;
}

int cli_code_of(enum err e)
{
	switch (err_class(e)) {
	case ERR_CLASS_OK:
		return EX_OK;
	case ERR_CLASS_AGAIN:
		return EX_TEMPFAIL;
	case ERR_CLASS_PEER:
		return EX_PROTOCOL;
	case ERR_CLASS_CONFIG:
		return EX_CONFIG;
	case ERR_CLASS_LOCAL:
		return e == ERR_NOMEM ? EX_OSERR : EX_IOERR;
	case ERR_CLASS_BUG:
		return EX_SOFTWARE;
	}
	return EX_SOFTWARE;
}

static const char *socket_path(const struct cli *cli)
{
	const char *given = cli_option(cli, OPTION_ID_SOCKET)->text;
	const char *variable = getenv(CLI_SOCKET_VARIABLE);

	if (given)
		return given;
	return variable && *variable ? variable : CLI_SOCKET_DEFAULT;
}

static int open_client(struct cli *cli)
{
	const char *path = socket_path(cli);
	enum err e = api_client_open(path, CONNECT_TIMEOUT_MS, &cli->client);

	if (!e)
		return EX_OK;
	if (e == ERR_NOT_FOUND)
		return cli_fail(EX_UNAVAILABLE,
				"%s: %s: is amparod running? Start it, or name its socket with "
				"--socket",
				path, err_words());
	if (e == ERR_DENIED)
		return cli_fail(EX_NOPERM, "%s: %s: your account has no role at this node", path,
				err_words());
	if (e == ERR_INVALID)
		return cli_fail(EX_USAGE, "%s: %s", path, err_words());
	return cli_fail(cli_code_of(e), "%s: %s", path, err_words());
}

/* Losing the node is said by what the user can do. */
static int fail_exchange(enum err e, const char *during)
{
	if (e == ERR_AGAIN)
		return cli_fail(EX_TEMPFAIL,
				"no answer from the node in time while %s; the work may still be "
				"done: look before you repeat it, or wait longer with --timeout",
				during);
	if (e == ERR_CLOSED)
		return cli_fail(EX_TEMPFAIL,
				"the node closed the connection while %s; its log says why",
				during);
	if (e == ERR_LIMIT && strcmp(during, "asking") == 0)
		return cli_fail(EX_DATAERR, "the request is too large for the node");
	if (e == ERR_TEXT && strcmp(during, "asking") == 0)
		return cli_fail(EX_DATAERR, "%s", err_words());
	if (err_class(e) == ERR_CLASS_PEER)
		return cli_fail(EX_PROTOCOL,
				"the node's answer is not understood (%s): are amparo and amparod "
				"of the same version?",
				err_text(e));
	return cli_fail(cli_code_of(e), "%s: %s", during, err_words());
}

static int fail_node(const struct pb_api_error *error)
{
	int code = error->has_code ? (int)error->code : EX_SOFTWARE;

	return cli_fail(code, "%s", error->text ? error->text : "the node gave no reason");
}

static int timeout_ms(const struct cli *cli)
{
	const struct option_value *given = cli_option(cli, OPTION_ID_TIMEOUT);
	uint64_t s = given->is_given ? given->number : cli->in->command->timeout_s;

	s = s < 1 ? 1 : s;
	return (int)(s < TIMEOUT_MAX_S ? s : TIMEOUT_MAX_S) * 1000;
}

int cli_call(struct cli *cli, struct pb_api_request *request, cli_reply_fn fn, void *arg)
{
	enum err e;
	int code;

	if (!cli->client) {
		code = open_client(cli);
		if (code)
			return code;
	}
	e = api_client_ask(cli->client, request, timeout_ms(cli));
	if (e)
		return fail_exchange(e, "asking");
	while (api_client_is_waiting(cli->client)) {
		CLEANUP(message_freep) struct pb_api_reply *reply = NULL;

		e = api_client_next(cli->client, timeout_ms(cli), &reply);
		if (e)
			return fail_exchange(e, "waiting for its answer");
		if (reply->error)
			return fail_node(reply->error);
		code = fn(cli, reply, arg);
		if (code)
			return code;
	}
	return EX_OK;
}

int cli_flush(struct cli *cli)
{
	if (fflush(cli->out) == 0 && !ferror(cli->out))
		return EX_OK;
	return cli_fail(EX_IOERR, "standard output: %s", strerrordesc_np(errno));
}
