/**
 * @file
 * The `amparo` command: what people and programs say to a node.
 *
 *   arguments -> command_parse() -> a command's function -> ApiRequest -> ApiReplies -> rows
 *
 * command.h holds the table of commands, option.h that of options: parsing, help and errors walk
 * them. What the node answers becomes JSON by its descriptors (json.h), and a table for people is
 * made from that JSON (rows.h). Exit codes are those of sysexits.h.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

/** Run the command that the arguments name; gives the process's exit code. */
int cli_main(int argc, char **argv);

#endif
