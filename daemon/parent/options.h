/**
 * @file
 * The command line of amparod.
 */
#ifndef PARENT_OPTIONS_H
#define PARENT_OPTIONS_H

#include "base/err.h"

enum options_task {
	OPTIONS_SERVE,
	OPTIONS_CHECK_CONFIG,
	OPTIONS_INIT,
	OPTIONS_VERSION,
	OPTIONS_HELP,
	OPTIONS_GATE,  /**< a child, started by amparod itself */
	OPTIONS_VAULT, /**< likewise */
};

struct options {
	enum options_task task;
	const char *config; /**< borrowed from argv; NULL for VERSION and HELP */
};

/** Text of --help. */
extern const char options_help[];

/** @retval ERR_INVALID  wrong usage: err_words() says which */
enum err options_parse(int argc, char **argv, struct options *ret) WARN_UNUSED;

#endif
