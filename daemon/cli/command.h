/**
 * @file
 * The commands of `amparo` in one table, and the reading of its arguments.
 *
 *   amparo [COMMON OPTION]... NOUN [VERB] [OPERAND] [OPTION]...
 *
 * Options may stand anywhere, as `--name VALUE` or `--name=VALUE`, each once; `--` ends them. No
 * abbreviations: what a script says today must mean the same tomorrow.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "cli/option.h"

struct cli;

/** An option that a command takes. */
struct command_option {
	enum option_id id;
	bool is_required;
	const char *help; /**< instead of the option's own words, where it means more; or NULL */
};

struct command {
	const char *noun;
	const char *verb;    /**< NULL: the noun says all */
	const char *operand; /**< what its one operand is called; NULL: it has none */
	const char *summary; /**< one line */
	const char *more;    /**< what else to know, lines ending in newlines; or NULL */
	const char *example; /**< lines to type */
	const struct command_option *option;
	size_t n_options;
	unsigned int timeout_s;	     /**< silence of the node that is borne without --timeout */
	int (*run)(struct cli *cli); /**< gives the exit code */
};

/** What the arguments say; borrows them. */
struct invocation {
	const struct command *command; /**< NULL: help or version is asked, or an error */
	const char *noun;	       /**< as given, known; NULL when none was */
	char *operand;
	struct option_value option[N_OPTIONS];
};

/** How many commands there are. */
size_t command_count(void);

/** Command @p i, 0 .. command_count() - 1, in the order of the help. */
const struct command *command_at(size_t i);

/** How @p command takes an option; NULL: it does not. Common options are not listed. */
const struct command_option *command_option_of(const struct command *command, enum option_id id);

/**
 * Read the arguments. With --help or --version, operand and required options may lack.
 *
 * @param[out] ret      set also on failure, as far as it was read: for the help that is near
 * @retval ERR_INVALID  err_words() says what is wrong, naming the nearest that there is; may quote
 *                      the arguments
 */
enum err command_parse(int argc, char **argv, struct invocation *ret) WARN_UNUSED;

#endif
