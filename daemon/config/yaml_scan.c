#include "config/yaml_scan.h"

#include <stdio.h>
#include <string.h>

#define CONTEXT_MAX 120 /* libyaml's words with a line number */

/* A node takes at most about four tokens (entry or key, value, start, end). */
#define TOKENS_MAX (4 * YAML_NODES_MAX)

static int line_at(struct view in, size_t at)
{
	int line = 1;

	for (size_t i = 0; i < at && i < in.n; i++)
		line += in.p[i] == '\n';
	return line;
}

/** Is the character at p[0..n) one that people cannot see? It is in UTF-8, or not text at all. */
static bool is_invisible(const uint8_t *p, size_t n)
{
	if (p[0] < 0x20 || p[0] == 0x7f)
		return true;
	if (n >= 2 && p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
		return true; /* U+0080..9F: the second set of control characters */
	if (n < 3)
		return false;
	if (p[0] == 0xe2 && p[1] == 0x80 && p[2] >= 0xa8 && p[2] <= 0xae)
		return true; /* U+2028..2E: separators, embeddings and overrides of direction */
	if (p[0] == 0xe2 && p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9)
		return true;				     /* U+2066..69: isolates of direction */
	return p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf; /* U+FEFF */
}

bool yaml_has_invisible(struct view in, bool in_layout, size_t *ret_at)
{
	for (size_t i = 0; i < in.n; i++) {
		if (in_layout && (in.p[i] == '\n' || in.p[i] == '\r' || in.p[i] == '\t'))
			continue;
		if (is_invisible(in.p + i, in.n - i)) {
			*ret_at = i;
			return true;
		}
	}
	return false;
}

enum err yaml_begin(yaml_parser_t *parser, struct view in, struct yaml_problem *ret_problem)
{
	if (!yaml_parser_initialize(parser)) {
		(void)yaml_fail(ret_problem, 0, "out of memory");
		return err_new(ERR_NOMEM, "yaml_parser_initialize");
	}
	/* Named, or a byte-order mark would turn it into UTF-16. */
	yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
	/* libyaml asserts that there is an address, even of nothing */
	yaml_parser_set_input_string(parser, in.n > 0 ? in.p : (const uint8_t *)"", in.n);
	return ERR_OK;
}

enum err yaml_explain(const yaml_parser_t *parser, struct view in, struct yaml_problem *ret_problem)
{
	const char *why = parser->problem ? parser->problem : "cannot be read";
	const char *hint =
		strstr(why, "cannot start any token") ? " (indent with spaces, not tabs)" : "";
	char context[CONTEXT_MAX] = "";

	/* It does not always say that it was memory, but of everything else it says what. */
	if (parser->error == YAML_MEMORY_ERROR || parser->error == YAML_NO_ERROR) {
		(void)yaml_fail(ret_problem, 0, "out of memory");
		return err_new(ERR_NOMEM, "libyaml");
	}
	if (parser->error == YAML_READER_ERROR)
		return yaml_fail(ret_problem, line_at(in, parser->problem_offset),
				 "not UTF-8 text (%s): save the file as UTF-8", why);
	/* A forgotten ':' or '"' is noticed late: say where it began, too. */
	if (parser->context && parser->context_mark.line < parser->problem_mark.line)
		(void)snprintf(context, sizeof(context), " %s that begins on line %zu",
			       parser->context, parser->context_mark.line + 1);
	else if (parser->context)
		(void)snprintf(context, sizeof(context), " %s", parser->context);
	return yaml_fail(ret_problem, (int)parser->problem_mark.line + 1, "not YAML: %s%s%s", why,
			 context, hint);
}

/** What a token that we do not take is called; NULL for all others. */
static const char *forbidden_name(yaml_token_type_t type)
{
	if (type == YAML_ANCHOR_TOKEN)
		return "an anchor ('&')";
	if (type == YAML_ALIAS_TOKEN)
		return "an alias ('*')";
	if (type == YAML_TAG_TOKEN)
		return "a tag ('!')";
	if (type == YAML_VERSION_DIRECTIVE_TOKEN || type == YAML_TAG_DIRECTIVE_TOKEN)
		return "a directive ('%')";
	return NULL;
}

static int depth_change(yaml_token_type_t type)
{
	if (type == YAML_BLOCK_SEQUENCE_START_TOKEN || type == YAML_BLOCK_MAPPING_START_TOKEN ||
	    type == YAML_FLOW_SEQUENCE_START_TOKEN || type == YAML_FLOW_MAPPING_START_TOKEN)
		return 1;
	if (type == YAML_BLOCK_END_TOKEN || type == YAML_FLOW_SEQUENCE_END_TOKEN ||
	    type == YAML_FLOW_MAPPING_END_TOKEN)
		return -1;
	return 0;
}

/** Judge one token; @p depth is that of the maps and lists open. */
static enum err take_token(const yaml_token_t *token, int *depth, struct yaml_problem *ret_problem)
{
	const char *name = forbidden_name(token->type);
	int line = (int)token->start_mark.line + 1;

	if (name)
		return yaml_fail(ret_problem, line,
				 "%s is not allowed here: write the value itself, in quotes if it "
				 "begins with that character",
				 name);
	*depth += depth_change(token->type);
	if (*depth > YAML_DEPTH_MAX)
		return yaml_fail(ret_problem, line, "maps and lists are more than %d deep",
				 YAML_DEPTH_MAX);
	return ERR_OK;
}

static enum err scan_tokens(yaml_parser_t *parser, struct view in, struct yaml_problem *ret_problem)
{
	int depth = 0;

	for (size_t n = 0; n < TOKENS_MAX; n++) {
		yaml_token_t token;
		bool is_end;
		enum err e;

		if (!yaml_parser_scan(parser, &token))
			return yaml_explain(parser, in, ret_problem);
		is_end = token.type == YAML_STREAM_END_TOKEN;
		e = take_token(&token, &depth, ret_problem);
		yaml_token_delete(&token);
		if (e)
			return err_trace(e);
		if (is_end)
			return ERR_OK;
	}
	return yaml_fail(ret_problem, (int)parser->mark.line + 1, "the file is too long");
}

enum err yaml_scan(struct view in, struct yaml_problem *ret_problem)
{
	yaml_parser_t parser;
	size_t at;
	enum err e;

	if (in.n >= 3 && memcmp(in.p, "\xef\xbb\xbf", 3) == 0)
		return yaml_fail(ret_problem, 1,
				 "begins with a byte-order mark: save it as UTF-8 without one");
	if (yaml_has_invisible(in, true, &at))
		return yaml_fail(ret_problem, line_at(in, at),
				 "holds a character that cannot be seen (byte %zu): remove it", at);
	e = yaml_begin(&parser, in, ret_problem);
	if (e)
		return err_trace(e);
	e = scan_tokens(&parser, in, ret_problem);
	yaml_parser_delete(&parser);
	return e;
}
