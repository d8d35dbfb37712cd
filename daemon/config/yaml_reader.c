#include "config/yaml_reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <yaml.h>

#include "base/nearest.h"
#include "config/yaml_scan.h"

struct yaml_file {
	yaml_document_t doc;
};

enum err yaml_fail(struct yaml_problem *ret_problem, int line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(ret_problem->text, sizeof(ret_problem->text), format, args);
	va_end(args);
	ret_problem->line = line;
	return err_new(ERR_INVALID, "line %d: %s", line, ret_problem->text);
}

const char *yaml_quote(const char *text, char ret[YAML_QUOTE_MAX])
{
	size_t n = strlen(text), most = YAML_QUOTE_MAX - sizeof("\"...\"");
	bool is_cut = n > most;

	if (is_cut) {
		/* not within a character */
		for (n = most; n > 0 && ((uint8_t)text[n] & 0xc0) == 0x80; n--)
			;
	}
	(void)snprintf(ret, YAML_QUOTE_MAX, "\"%.*s%s\"", (int)n, text, is_cut ? "..." : "");
	return ret;
}

static size_t n_nodes(const struct yaml_file *f)
{
	return (size_t)(f->doc.nodes.top - f->doc.nodes.start);
}

static const yaml_node_t *node_at(const struct yaml_file *f, yaml_ref node)
{
	if (node < 1 || (size_t)node > n_nodes(f))
		return NULL;
	return &f->doc.nodes.start[node - 1];
}

static const yaml_node_pair_t *pair_at(const struct yaml_file *f, yaml_ref map, size_t i)
{
	const yaml_node_t *n = node_at(f, map);

	ASSERT(n && n->type == YAML_MAPPING_NODE && i < yaml_count(f, map));
	return &n->data.mapping.pairs.start[i];
}

yaml_ref yaml_root(const struct yaml_file *f)
{
	(void)f;
	return 1;
}

enum yaml_kind yaml_kind_of(const struct yaml_file *f, yaml_ref node)
{
	const yaml_node_t *n = node_at(f, node);

	ASSERT(n);
	if (n->type == YAML_SEQUENCE_NODE)
		return YAML_LIST;
	return n->type == YAML_MAPPING_NODE ? YAML_MAP : YAML_TEXT;
}

int yaml_line(const struct yaml_file *f, yaml_ref node)
{
	const yaml_node_t *n = node_at(f, node);

	return n ? (int)n->start_mark.line + 1 : 0;
}

const char *yaml_text(const struct yaml_file *f, yaml_ref node)
{
	const yaml_node_t *n = node_at(f, node);

	return n && n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : NULL;
}

size_t yaml_count(const struct yaml_file *f, yaml_ref node)
{
	const yaml_node_t *n = node_at(f, node);

	if (n && n->type == YAML_SEQUENCE_NODE)
		return (size_t)(n->data.sequence.items.top - n->data.sequence.items.start);
	if (n && n->type == YAML_MAPPING_NODE)
		return (size_t)(n->data.mapping.pairs.top - n->data.mapping.pairs.start);
	return 0;
}

yaml_ref yaml_list_at(const struct yaml_file *f, yaml_ref list, size_t i)
{
	const yaml_node_t *n = node_at(f, list);

	ASSERT(n && n->type == YAML_SEQUENCE_NODE && i < yaml_count(f, list));
	return n->data.sequence.items.start[i];
}

void yaml_map_at(const struct yaml_file *f, yaml_ref map, size_t i, const char **ret_key,
		 int *ret_key_line, yaml_ref *ret_value)
{
	const yaml_node_pair_t *pair = pair_at(f, map, i);

	if (ret_key)
		*ret_key = yaml_text(f, pair->key);
	if (ret_key_line)
		*ret_key_line = yaml_line(f, pair->key);
	if (ret_value)
		*ret_value = pair->value;
}

yaml_ref yaml_map_get(const struct yaml_file *f, yaml_ref map, const char *key)
{
	const yaml_node_t *n = node_at(f, map);

	if (!n || n->type != YAML_MAPPING_NODE)
		return 0;
	for (size_t i = 0; i < yaml_count(f, map); i++)
		if (strcmp(yaml_text(f, pair_at(f, map, i)->key), key) == 0)
			return pair_at(f, map, i)->value;
	return 0;
}

enum err yaml_check_kind(const struct yaml_file *f, yaml_ref node, enum yaml_kind kind,
			 const char *what, struct yaml_problem *ret_problem)
{
	static const char *const names[] = {
		[YAML_TEXT] = "text (in quotes if it holds '[', '{', ': ' or '#')",
		[YAML_LIST] = "a list",
		[YAML_MAP] = "a map of keys and values",
	};
	const yaml_node_t *n = node_at(f, node);

	if (yaml_kind_of(f, node) != kind)
		return yaml_fail(ret_problem, yaml_line(f, node), "%s must be %s", what,
				 names[kind]);
	if (n && kind == YAML_TEXT && n->data.scalar.length == 0)
		return yaml_fail(ret_problem, yaml_line(f, node), "%s has no value", what);
	return ERR_OK;
}

enum err yaml_map_need(const struct yaml_file *f, yaml_ref map, const char *key,
		       enum yaml_kind kind, yaml_ref *ret, struct yaml_problem *ret_problem)
{
	yaml_ref value = yaml_map_get(f, map, key);
	enum err e;

	if (!value)
		return yaml_fail(ret_problem, yaml_line(f, map), "'%s' is missing here", key);
	e = yaml_check_kind(f, value, kind, key, ret_problem);
	if (e)
		return err_trace(e);
	*ret = value;
	return ERR_OK;
}

static bool is_known(const char *key, const char *const *known)
{
	for (; *known; known++)
		if (strcmp(key, *known) == 0)
			return true;
	return false;
}

enum err yaml_map_check_keys(const struct yaml_file *f, yaml_ref map, const char *const *known,
			     struct yaml_problem *ret_problem)
{
	enum err e = yaml_check_kind(f, map, YAML_MAP, "this", ret_problem);

	if (e)
		return err_trace(e);
	for (size_t i = 0; i < yaml_count(f, map); i++) {
		char quoted[YAML_QUOTE_MAX];
		struct nearest meant;
		const char *key;
		int line;

		yaml_map_at(f, map, i, &key, &line, NULL);
		if (is_known(key, known))
			continue;
		meant = nearest_begin(key);
		for (const char *const *name = known; *name; name++)
			nearest_see(&meant, *name);
		if (meant.name)
			return yaml_fail(ret_problem, line,
					 "there is no key %s here: is '%s' meant?",
					 yaml_quote(key, quoted), meant.name);
		return yaml_fail(ret_problem, line, "there is no key %s here: remove it",
				 yaml_quote(key, quoted));
	}
	return ERR_OK;
}

enum err yaml_uint(const struct yaml_file *f, yaml_ref node, const char *what, uint64_t min,
		   uint64_t max, uint64_t *ret, struct yaml_problem *ret_problem)
{
	const char *text = yaml_text(f, node);
	uint64_t value = 0;
	bool is_number = text && text[0] != '\0' && !(text[0] == '0' && text[1] != '\0');

	for (size_t i = 0; is_number && text[i] != '\0'; i++) {
		uint64_t digit = (uint64_t)(uint8_t)text[i] - '0';

		is_number = digit <= 9 && value <= (UINT64_MAX - digit) / 10;
		value = value * 10 + digit;
	}
	if (!is_number || value < min || value > max)
		return yaml_fail(ret_problem, yaml_line(f, node),
				 "%s must be a whole number, %llu to %llu", what,
				 (unsigned long long)min, (unsigned long long)max);
	*ret = value;
	return ERR_OK;
}

static enum err check_text(const struct yaml_file *f, yaml_ref node,
			   struct yaml_problem *ret_problem)
{
	const yaml_node_t *n = node_at(f, node);
	size_t at;

	ASSERT(n);
	if (yaml_has_invisible(view_of(n->data.scalar.value, n->data.scalar.length), false, &at))
		return yaml_fail(ret_problem, yaml_line(f, node),
				 "a text holds a line break or a character that cannot be seen: "
				 "write it on one line");
	return ERR_OK;
}

/** Keys are texts, none twice, not too many. */
static enum err check_keys(const struct yaml_file *f, yaml_ref map,
			   struct yaml_problem *ret_problem)
{
	size_t n = yaml_count(f, map);

	if (n > YAML_KEYS_MAX)
		return yaml_fail(ret_problem, yaml_line(f, map), "a map with more than %d keys",
				 YAML_KEYS_MAX);
	for (size_t i = 0; i < n; i++) {
		yaml_ref node = pair_at(f, map, i)->key;
		const char *key = yaml_text(f, node);
		char quoted[YAML_QUOTE_MAX];

		if (!key)
			return yaml_fail(ret_problem, yaml_line(f, node), "a key must be text");
		for (size_t j = 0; j < i; j++) {
			yaml_ref other = pair_at(f, map, j)->key;

			if (strcmp(yaml_text(f, other), key) == 0)
				return yaml_fail(ret_problem, yaml_line(f, node),
						 "key %s is here twice, first on line %d",
						 yaml_quote(key, quoted), yaml_line(f, other));
		}
	}
	return ERR_OK;
}

/** Note the depth of what is directly in a node: in a document, children follow their parent. */
static void mark_children(const struct yaml_file *f, yaml_ref node, uint8_t *depth)
{
	uint8_t below = (uint8_t)(depth[node] + 1);

	if (yaml_kind_of(f, node) == YAML_TEXT)
		return;
	for (size_t i = 0; i < yaml_count(f, node); i++) {
		if (yaml_kind_of(f, node) == YAML_LIST) {
			depth[yaml_list_at(f, node, i)] = below;
		} else {
			depth[pair_at(f, node, i)->key] = below;
			depth[pair_at(f, node, i)->value] = below;
		}
	}
}

static enum err check_nodes(const struct yaml_file *f, struct yaml_problem *ret_problem)
{
	size_t n = n_nodes(f);
	CLEANUP(freep) uint8_t *depth = NULL;

	if (n > YAML_NODES_MAX)
		return yaml_fail(ret_problem, 0, "the file has more than %d values",
				 YAML_NODES_MAX);
	depth = calloc(n + 1, 1);
	if (!depth) {
		(void)yaml_fail(ret_problem, 0, "out of memory");
		return err_new(ERR_NOMEM, "yaml depths");
	}
	depth[yaml_root(f)] = 1;
	for (yaml_ref node = 1; (size_t)node <= n; node++) {
		enum yaml_kind kind = yaml_kind_of(f, node);
		enum err e = ERR_OK;

		if (kind != YAML_TEXT && depth[node] > YAML_DEPTH_MAX)
			return yaml_fail(ret_problem, yaml_line(f, node),
					 "maps and lists are more than %d deep", YAML_DEPTH_MAX);
		mark_children(f, node, depth);
		if (kind == YAML_TEXT)
			e = check_text(f, node, ret_problem);
		else if (kind == YAML_MAP)
			e = check_keys(f, node, ret_problem);
		if (e)
			return err_trace(e);
	}
	return ERR_OK;
}

/** The one document of the stream, into @p doc, which is the caller's to delete when this is OK. */
static enum err load_only(yaml_parser_t *parser, struct view in, yaml_document_t *doc,
			  struct yaml_problem *ret_problem)
{
	yaml_document_t more;
	enum err e = ERR_OK;

	if (!yaml_parser_load(parser, doc))
		return yaml_explain(parser, in, ret_problem);
	if (!yaml_document_get_root_node(doc)) {
		yaml_document_delete(doc);
		return yaml_fail(ret_problem, 1, "the file is empty");
	}
	if (!yaml_parser_load(parser, &more)) {
		yaml_document_delete(doc);
		return yaml_explain(parser, in, ret_problem);
	}
	if (yaml_document_get_root_node(&more))
		e = yaml_fail(ret_problem, (int)more.start_mark.line + 1,
			      "a second document begins here: there can be one only");
	yaml_document_delete(&more);
	if (e)
		yaml_document_delete(doc);
	return e;
}

enum err yaml_file_parse(struct view in, struct yaml_file **ret, struct yaml_problem *ret_problem)
{
	CLEANUP(freep) struct yaml_file *shell = calloc(1, sizeof(*shell));
	CLEANUP(yaml_file_freep) struct yaml_file *f = NULL;
	yaml_parser_t parser;
	enum err e;

	if (!shell) {
		(void)yaml_fail(ret_problem, 0, "out of memory");
		return err_new(ERR_NOMEM, "yaml file");
	}
	e = yaml_scan(in, ret_problem);
	if (e)
		return err_trace(e);
	e = yaml_begin(&parser, in, ret_problem);
	if (e)
		return err_trace(e);
	e = load_only(&parser, in, &shell->doc, ret_problem);
	yaml_parser_delete(&parser);
	if (e)
		return err_trace(e);
	f = TAKE(shell);
	e = check_nodes(f, ret_problem);
	if (e)
		return err_trace(e);
	*ret = TAKE(f);
	return ERR_OK;
}

void yaml_file_free(struct yaml_file *f)
{
	if (!f)
		return;
	yaml_document_delete(&f->doc);
	free(f);
}
