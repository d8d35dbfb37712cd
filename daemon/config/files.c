#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"

static enum err problem(struct config_problem *ret_problem, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static enum err problem(struct config_problem *ret_problem, int line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(ret_problem->text, sizeof(ret_problem->text), format, args);
	va_end(args);
	ret_problem->line = line;
	return err_new(ERR_CONFIG, "line %d: %s", line, ret_problem->text);
}

/** What the system says of its last failure, for people; "" when it has no words. */
static const char *reason(void)
{
	const char *text = strerrordesc_np(errno);

	return text ? text : "";
}

static enum err check_open_file(const struct config_path *path, bool is_key, const struct stat *st,
				struct config_problem *ret_problem)
{
	if (!S_ISREG(st->st_mode))
		return problem(ret_problem, path->line, "%s is no file: name the file itself",
			       path->text);
	if (st->st_size == 0)
		return problem(ret_problem, path->line, "%s is empty", path->text);
	if (is_key && st->st_uid != geteuid() && st->st_uid != 0)
		return problem(ret_problem, path->line,
			       "key %s belongs to user %u: make it belong to the user who runs the "
			       "daemon (chown %u)",
			       path->text, st->st_uid, geteuid());
	if (is_key && (st->st_mode & 077) != 0)
		return problem(
			ret_problem, path->line,
			"key %s is open to others (mode %04o): chmod 600, and replace the key "
			"if somebody may have read it",
			path->text, st->st_mode & 07777U);
	return ERR_OK;
}

enum err config_open_file(const struct config_path *path, bool is_key, int *ret_fd,
			  struct config_problem *ret_problem)
{
	/* Without O_NONBLOCK a FIFO would keep us waiting for its writer. */
	int fd = open(path->text, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	enum err e;

	if (fd < 0)
		return problem(ret_problem, path->line, "%s cannot be opened: %s", path->text,
			       reason());
	if (fstat(fd, &st) != 0)
		e = problem(ret_problem, path->line, "%s: %s", path->text, reason());
	else
		e = check_open_file(path, is_key, &st, ret_problem);
	if (e) {
		(void)close(fd);
		return err_trace(e);
	}
	*ret_fd = fd;
	return ERR_OK;
}

static enum err check_file(const struct config_path *path, bool is_key,
			   struct config_problem *ret_problem)
{
	int fd;
	enum err e = config_open_file(path, is_key, &fd, ret_problem);

	if (e)
		return err_trace(e);
	(void)close(fd);
	return ERR_OK;
}

/** A folder that we can write to; nobody else, when it is @p is_private. */
static enum err check_folder(const char *folder, int line, bool is_private,
			     struct config_problem *ret_problem)
{
	struct stat st;

	if (stat(folder, &st) != 0)
		return problem(ret_problem, line, "folder %s: %s: create it (amparod --init)",
			       folder, reason());
	if (!S_ISDIR(st.st_mode))
		return problem(ret_problem, line, "%s is no folder", folder);
	if (access(folder, W_OK | X_OK) != 0)
		return problem(ret_problem, line,
			       "folder %s cannot be written by user %u: give it to that user",
			       folder, geteuid());
	if (is_private && (st.st_mode & 022) != 0)
		return problem(ret_problem, line,
			       "others can write to folder %s (mode %04o): chmod 700", folder,
			       st.st_mode & 07777U);
	return ERR_OK;
}

/** The folder that a file is to be made in. */
static enum err check_folder_of(const struct config_path *path, struct config_problem *ret_problem)
{
	const char *slash = strrchr(path->text, '/');
	CLEANUP(freep) char *folder = NULL;

	if (slash)
		folder = slash == path->text ? strdup("/")
					     : strndup(path->text, (size_t)(slash - path->text));
	else
		folder = strdup(".");
	if (!folder)
		return err_new(ERR_NOMEM, "folder of %s", path->text);
	return check_folder(folder, path->line, false, ret_problem);
}

static enum err check_state(const struct config *c, struct config_problem *ret_problem)
{
	enum err e = check_folder(c->data.text, c->data.line, true, ret_problem);

	if (!e)
		e = check_file(&c->node_key, true, ret_problem);
	if (!e)
		e = check_folder_of(&c->last_signed, ret_problem);
	if (!e)
		e = check_folder_of(&c->socket, ret_problem);
	return e;
}

enum err config_check_files(const struct config *c, bool with_state,
			    struct config_problem *ret_problem)
{
	const struct {
		const struct config_path *path;
		bool is_key;
	} own[] = {
		{&c->tls_chain, false},
		{&c->tls_key, true},
		{&c->seal_chain, false},
		{&c->seal_key, true},
	};
	enum err e = ERR_OK;

	for (size_t i = 0; !e && i < ARRAY_LEN(own); i++)
		e = check_file(own[i].path, own[i].is_key, ret_problem);
	for (size_t i = 0; !e && i < c->n_trust; i++) {
		e = check_file(&c->trust[i].ca, false, ret_problem);
		if (!e)
			e = check_file(&c->trust[i].crl, false, ret_problem);
	}
	if (!e && with_state)
		e = check_state(c, ret_problem);
	return e;
}
