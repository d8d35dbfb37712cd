/**
 * @file
 * What the functions of the commands share: the invocation, the connection to the node, and how
 * they fail. Each gives an exit code of sysexits.h.
 */
#ifndef CLI_CONTEXT_H
#define CLI_CONTEXT_H

#include <stdbool.h>
#include <stdio.h>

#include "api/client.h"
#include "cli/command.h"
#include "wire/message.h"

#define CLI_SOCKET_DEFAULT "/run/amparo/amparo.sock"
#define CLI_SOCKET_VARIABLE "AMPARO_SOCKET"

/** One run of the command. */
struct cli {
	const struct invocation *in;
	FILE *out;
	struct api_client *client; /**< NULL until the first cli_call() */
};

/** What was given for an option; may be nothing. */
static inline const struct option_value *cli_option(const struct cli *cli, enum option_id id)
{
	return &cli->in->option[id];
}

static inline bool cli_has(const struct cli *cli, enum option_id id)
{
	return cli->in->option[id].is_given;
}

static inline bool cli_is_json(const struct cli *cli)
{
	return cli_has(cli, OPTION_ID_JSON);
}

/** The text of an option, for a message of protobuf-c, which wants it writable; NULL: not given. */
char *cli_string(const struct cli *cli, enum option_id id);

/**
 * A peer as the node wants it: "sk.example/centre", as tables show it, becomes the agency id; all
 * else stays.
 *
 * @param text      as given; NULL: none
 * @param[out] ret  holds what is made; the caller ends it with buf_fini()
 * @return          text for a message, owned by the arguments or @p ret; NULL without memory too
 */
char *cli_peer(char *text, struct buf *ret);

/**
 * Say on standard error what went wrong, cleaned for a terminal. Quote nothing of a record's
 * content but what the user's own input is.
 *
 * @return  @p code
 */
int cli_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** The exit code that an error of ours comes to. */
int cli_code_of(enum err e);

/** Take one reply, which is without error. @return EX_OK to go on, or the exit code */
typedef int (*cli_reply_fn)(struct cli *cli, const struct pb_api_reply *reply, void *arg);

/**
 * Send a request and give each reply to @p fn. An error of the node's is said and becomes the exit
 * code.
 */
int cli_call(struct cli *cli, struct pb_api_request *request, cli_reply_fn fn, void *arg);

/** Push out what was printed. @return EX_OK, or EX_IOERR, said, when it could not be written */
int cli_flush(struct cli *cli);

#endif
