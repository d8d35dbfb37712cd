/**
 * @file
 * Help, made from the tables of commands and options.
 */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include <stdio.h>

#include "cli/command.h"

/** Print the help of a command, of all commands of a noun, or of the program: what is given. */
void help_print(FILE *out, const struct invocation *in);

/** What to type to get the help that is near: "amparo record check --help". Gives @p ret. */
const char *help_hint(const struct invocation *in, char *ret, size_t n);

#endif
