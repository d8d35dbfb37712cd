#include <stdio.h>
#include <string.h>

#include "config/internal.h"

char *config_folder_of(const char *file)
{
	const char *slash = strrchr(file, '/');

	return strndup(file, slash ? (size_t)(slash - file) + 1 : 0);
}

/** Drop "./", "//" and a trailing '/': so that one path is inside another when it begins with it.
 */
static void path_tidy(char *path)
{
	char *out = path;

	for (const char *in = path; *in;) {
		bool at_part = out == path || out[-1] == '/';

		if (at_part && in[0] == '.' && in[1] == '/')
			in += 2;
		else if (at_part && out != path && in[0] == '/')
			in++;
		else
			*out++ = *in++;
	}
	if (out - path >= 2 && out[-1] == '.' && out[-2] == '/')
		out--;
	if (out - path >= 2 && out[-1] == '/')
		out--;
	if (out == path)
		*out++ = '.';
	*out = '\0';
}

enum err config_path_read(const struct config_reader *r, yaml_ref map, const char *key,
			  struct config_path *ret)
{
	yaml_ref node;
	const char *text, *folder;
	char *joined;
	size_t n;
	enum err e = yaml_map_need(r->yaml, map, key, YAML_TEXT, &node, r->problem);

	if (e)
		return err_trace(e);
	text = yaml_text(r->yaml, node);
	folder = text[0] == '/' ? "" : r->folder;
	n = strlen(folder) + strlen(text);
	if (n > CONFIG_PATH_MAX)
		return yaml_fail(r->problem, yaml_line(r->yaml, node),
				 "path of '%s' is longer than %d bytes", key, CONFIG_PATH_MAX);
	joined = malloc(n + 2);
	if (!joined)
		return config_no_memory(r->problem);
	(void)snprintf(joined, n + 1, "%s%s", folder, text);
	path_tidy(joined);
	ret->text = joined;
	ret->line = yaml_line(r->yaml, node);
	return ERR_OK;
}

bool config_path_is_inside(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	if (strcmp(folder, "/") == 0)
		return true;
	if (strcmp(folder, ".") == 0)
		return path[0] != '/' && strncmp(path, "../", 3) != 0;
	return strncmp(path, folder, n) == 0 && path[n] == '/';
}
