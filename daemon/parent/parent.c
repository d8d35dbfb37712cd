#include "parent/parent.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "crypto/memory.h"
#include "gate/gate.h"
#include "parent/child.h"
#include "parent/options.h"
#include "parent/serve.h"
#include "process/harden.h"
#include "store/store.h"
#include "vault/vault.h"

static int refused(const struct config *c, const char *file, const struct config_problem *problem)
{
	const char *path = c ? c->file : file;

	/* Without a line it is about the file itself, which the words then may name already. */
	if (problem->line > 0)
		log_line(LOG_ERR, "%s:%d: %s", path, problem->line, problem->text);
	else if (strncmp(problem->text, path, strlen(path)) == 0)
		log_line(LOG_ERR, "%s", problem->text);
	else
		log_line(LOG_ERR, "%s: %s", path, problem->text);
	return EX_CONFIG;
}

static int failed(enum err e, const char *what)
{
	log_err(LOG_ERR, e, "%s", what);
	return e == ERR_CONFIG ? EX_CONFIG : EX_OSERR;
}

/* --- checks ------------------------------------------------------------------------------ */

/**
 * Run material_check() in a process of its own, which takes OpenSSL's memory with it.
 *
 * @return EX_OK, or the code to exit with; the reason is logged
 */
static int check_apart(const struct config *c, const struct material *m)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct config_problem problem = {0};
		enum err e = crypto_end_without_memory();

		if (!e)
			e = material_check(c, m, &problem);
		if (e == ERR_CONFIG)
			_exit(refused(c, NULL, &problem));
		_exit(e ? failed(e, "the check cannot be made") : EX_OK);
	}
	if (pid < 0)
		return failed(err_new(ERR_IO, "fork: errno %d", errno), "the check cannot be made");
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return EX_OSERR;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
}

static bool is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/** What --init makes: all there, or none. */
static int check_state(const struct config *c)
{
	char database[CONFIG_PATH_MAX + sizeof(STORE_FILE_NAME) + 1];
	const char *const path[] = {c->node_key.text, c->last_signed.text, database};
	const char *missing = NULL, *found = NULL;

	(void)snprintf(database, sizeof(database), "%s/%s", c->data.text, STORE_FILE_NAME);
	for (size_t i = 0; i < ARRAY_LEN(path); i++)
		if (is_there(path[i]))
			found = path[i];
		else
			missing = path[i];
	if (!missing)
		return EX_OK;
	if (!found)
		log_line(LOG_ERR,
			 "%s: this node has not been made yet (no %s): check the paths, then run "
			 "amparod --config %s --init",
			 c->file, missing, c->file);
	else
		log_line(
			LOG_ERR,
			"%s: %s is missing, though %s is there: put it back from where it is kept. "
			"Do not make a new node in its place, it would start a second ledger",
			c->file, missing, found);
	return EX_CONFIG;
}

/* --- tasks ------------------------------------------------------------------------------- */

/** Read everything; @return EX_OK or the code to exit with. */
static int read_all(const struct options *o, bool is_init, struct config **ret_config,
		    struct material *ret_material)
{
	struct config_problem problem = {0};
	int code;
	enum err e = config_load(o->config, ret_config, &problem);

	if (e == ERR_CONFIG)
		return refused(NULL, o->config, &problem);
	if (e)
		return failed(e, "the configuration cannot be read");
	if (!is_init) {
		code = check_state(*ret_config);
		if (code)
			return code;
	}
	e = config_check_files(*ret_config, !is_init, &problem);
	if (!e)
		e = material_read(*ret_config, !is_init, ret_material, &problem);
	if (e == ERR_CONFIG)
		return refused(*ret_config, NULL, &problem);
	if (e)
		return failed(e, "cannot begin");
	return check_apart(*ret_config, ret_material);
}

static int init(const struct options *o, const struct config *c, const struct material *m)
{
	int with_us[2], unused[2];
	pid_t pid;
	int status;
	enum err e = child_pair(with_us);

	if (!e)
		e = child_pair(unused);
	if (!e)
		e = child_start("vault", o->config, with_us[1], unused[1], &pid);
	if (e)
		return failed(e, "cannot begin");
	(void)close(with_us[1]);
	/* When the child fell, how it ended says more than that it took nothing. */
	if (child_setup_vault(with_us[0], c, m, true))
		log_line(LOG_DEBUG, "the vault took not all");
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return EX_OSERR;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != EX_OK)
		return WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
	(void)printf("A new node of %s.\n"
		     "  database     %s/%s\n"
		     "  node key     %s\n"
		     "  last signed  %s\n"
		     "Keep a copy of the node key in a safe place, never beside the backups: "
		     "without it\n"
		     "every content in the database is lost.\n",
		     c->agency.text, c->data.text, STORE_FILE_NAME, c->node_key.text,
		     c->last_signed.text);
	return EX_OK;
}

static int run_task(const struct options *o)
{
	CLEANUP(config_freep) struct config *c = NULL;
	CLEANUP(material_fini) struct material m = {0};
	const bool is_init = o->task == OPTIONS_INIT;
	int code = read_all(o, is_init || o->task == OPTIONS_CHECK_CONFIG, &c, &m);

	if (code)
		return code;
	switch (o->task) {
	case OPTIONS_CHECK_CONFIG:
		(void)printf("%s: ok\n", o->config);
		return EX_OK;
	case OPTIONS_INIT:
		return init(o, c, &m);
	case OPTIONS_SERVE:
	case OPTIONS_VERSION:
	case OPTIONS_HELP:
	case OPTIONS_GATE:
	case OPTIONS_VAULT:
		break;
	}
	log_init(STDERR_FILENO, "amparod", c->log_level);
	return serve(o->config, c, &m);
}

/* --- main -------------------------------------------------------------------------------- */

/* Standard descriptors that are not there would be taken by the next file or socket. */
static bool open_standard(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	return fd > STDERR_FILENO && close(fd) == 0;
}

static int child_main(enum options_task task)
{
	const bool is_gate = task == OPTIONS_GATE;
	enum err e;

	if (!harden_is_socketpair(PROCESS_FD_PARENT) || !harden_is_socketpair(PROCESS_FD_SIBLING)) {
		log_line(LOG_ERR, "gate and vault are started by amparod itself");
		return EX_USAGE;
	}
	e = harden(is_gate ? "amparod-gate" : "amparod-vault", PROCESS_FD_SIBLING, true);
	if (!e)
		e = crypto_end_without_memory();
	if (e)
		return failed(e, "cannot begin");
	return is_gate ? gate_main() : vault_main();
}

int amparod(int argc, char **argv)
{
	struct options o;
	enum err e;

	log_init(STDERR_FILENO, "amparod", LOG_INFO);
	if (!open_standard())
		return EX_OSERR;
	if (options_parse(argc, argv, &o)) {
		(void)fprintf(stderr, "amparod: %s\n\n%s", err_words(), options_help);
		return EX_USAGE;
	}
	switch (o.task) {
	case OPTIONS_VERSION:
		(void)printf("amparod %s\n", AMPARO_VERSION);
		return EX_OK;
	case OPTIONS_HELP:
		(void)fputs(options_help, stdout);
		return EX_OK;
	case OPTIONS_GATE:
	case OPTIONS_VAULT:
		return child_main(o.task);
	case OPTIONS_SERVE:
	case OPTIONS_CHECK_CONFIG:
	case OPTIONS_INIT:
		break;
	}
	e = harden("amparod", STDERR_FILENO, false);
	if (e)
		return failed(e, "cannot begin");
	return run_task(&o);
}
