/**
 * @file
 * What the YAML reader refuses before a document is built: libyaml's document API resolves aliases
 * and forgets anchors and directives, so they are looked for among the tokens.
 */
#ifndef CONFIG_YAML_SCAN_H
#define CONFIG_YAML_SCAN_H

#include <stdbool.h>

#include <yaml.h>

#include "config/yaml_reader.h"

/**
 * Look through the tokens of a file.
 *
 * @retval ERR_INVALID  anchor, alias, tag, directive, byte-order mark, a character that people
 *                      cannot see, too deep or too long, or no YAML
 * @retval ERR_NOMEM
 */
enum err yaml_scan(struct view in, struct yaml_problem *ret_problem) WARN_UNUSED;

/**
 * Control characters, line and paragraph separators, byte-order marks, and what changes the
 * direction of writing.
 *
 * @param in         UTF-8 or anything; looked at bytewise
 * @param in_layout  let tab, line feed and carriage return pass
 * @param[out] ret_at  place of the first one
 */
bool yaml_has_invisible(struct view in, bool in_layout, size_t *ret_at) WARN_UNUSED;

/** Begin to parse @p in as UTF-8, whatever its first bytes say. @retval ERR_NOMEM */
enum err yaml_begin(yaml_parser_t *parser, struct view in,
		    struct yaml_problem *ret_problem) WARN_UNUSED;

/** Say what libyaml found wrong. @return ERR_INVALID or ERR_NOMEM */
enum err yaml_explain(const yaml_parser_t *parser, struct view in,
		      struct yaml_problem *ret_problem);

#endif
