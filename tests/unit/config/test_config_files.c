#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"

static const char text[] = "agency: spiffe://a.example/b\n" /* 1 */
			   "data: data\n"
			   "socket: run/amparo.sock\n"
			   "node_key: node.key\n"
			   "last_signed: state/last-signed\n" /* 5 */
			   "tls: {chain: tls.pem, key: tls.key}\n"
			   "seal: {chain: seal.pem, key: seal.key}\n"
			   "trust:\n"
			   "- domain: a.example\n"
			   "  ca: ca.pem\n" /* 10 */
			   "  crl: crl.pem\n";

static const char *const files[] = {"node.key", "tls.pem", "tls.key", "seal.pem",
				    "seal.key", "ca.pem",  "crl.pem"};

/** A folder of a node, whole; the test stands in it. */
struct place {
	char folder[64];
	struct config *config;
};

static void write_file(const char *name, const char *content, mode_t mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(close(fd), 0);
}

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	struct config_problem problem;

	assert_non_null(p);
	(void)snprintf(p->folder, sizeof(p->folder), "/tmp/config-test-XXXXXX");
	assert_non_null(mkdtemp(p->folder));
	assert_int_equal(chdir(p->folder), 0);
	assert_int_equal(mkdir("data", 0700), 0);
	assert_int_equal(mkdir("run", 0755), 0);
	assert_int_equal(mkdir("state", 0755), 0);
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		write_file(files[i], "x\n", 0600);
	write_file("node.yaml", text, 0644);
	assert_int_equal(config_load("node.yaml", &p->config, &problem), ERR_OK);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;

	config_free(p->config);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		(void)unlink(files[i]);
		(void)rmdir(files[i]);
	}
	(void)unlink("node.yaml");
	(void)unlink("data");
	(void)rmdir("data");
	(void)rmdir("run");
	(void)rmdir("state");
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(p->folder), 0);
	free(p);
	return 0;
}

static void refused(const struct place *p, bool with_state, int line, const char *words)
{
	struct config_problem problem = {.line = -1};
	enum err e = config_check_files(p->config, with_state, &problem);

	if (e != ERR_CONFIG || problem.line != line || !strstr(problem.text, words))
		print_error("expected %d: %s; %s, %d: %s\n", line, words, err_name(e), problem.line,
			    problem.text);
	assert_int_equal(e, ERR_CONFIG);
	assert_int_equal(problem.line, line);
	assert_non_null(strstr(problem.text, words));
}

static void a_whole_node_is_good(void **state)
{
	const struct place *p = *state;
	struct config_problem problem;

	assert_int_equal(config_check_files(p->config, true, &problem), ERR_OK);
	/* before --init there is no state */
	assert_int_equal(unlink("node.key"), 0);
	assert_int_equal(rmdir("data"), 0);
	assert_int_equal(rmdir("run"), 0);
	assert_int_equal(rmdir("state"), 0);
	assert_int_equal(config_check_files(p->config, false, &problem), ERR_OK);
}

static void each_file_is_needed(void **state)
{
	static const int lines[] = {4, 6, 6, 7, 7, 10, 11};

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		assert_int_equal(unlink(files[i]), 0);
		refused(*state, true, lines[i], "No such file");
		write_file(files[i], "", 0600);
		refused(*state, true, lines[i], "is empty");
		assert_int_equal(unlink(files[i]), 0);
		assert_int_equal(mkdir(files[i], 0700), 0);
		refused(*state, true, lines[i], "is no file");
		assert_int_equal(rmdir(files[i]), 0);
		assert_int_equal(mkfifo(files[i], 0600), 0);
		refused(*state, true, lines[i], "is no file");
		assert_int_equal(unlink(files[i]), 0);
		write_file(files[i], "x\n", 0600);
	}
}

static void keys_are_for_us_alone(void **state)
{
	static const struct {
		const char *name;
		int line;
		bool is_key;
	} cases[] = {
		{"node.key", 4, true}, {"tls.key", 6, true},  {"seal.key", 7, true},
		{"tls.pem", 6, false}, {"ca.pem", 10, false},
	};
	static const mode_t modes[] = {0640, 0604, 0610, 0601, 0620, 0602, 0644, 0666};
	const struct place *p = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct config_problem problem;

		for (size_t j = 0; j < ARRAY_LEN(modes); j++) {
			assert_int_equal(chmod(cases[i].name, modes[j]), 0);
			if (cases[i].is_key)
				refused(p, true, cases[i].line, "is open to others");
			else
				assert_int_equal(config_check_files(p->config, true, &problem),
						 ERR_OK);
		}
		assert_int_equal(chmod(cases[i].name, 0400), 0);
		assert_int_equal(config_check_files(p->config, true, &problem), ERR_OK);
		if (geteuid() == 0 && cases[i].is_key) {
			assert_int_equal(chown(cases[i].name, 12345, (gid_t)-1), 0);
			refused(p, true, cases[i].line, "belongs to user 12345");
			assert_int_equal(chown(cases[i].name, 0, (gid_t)-1), 0);
		}
	}
}

static void folders_are_needed(void **state)
{
	assert_int_equal(chmod("data", 0770), 0);
	refused(*state, true, 2, "others can write");
	assert_int_equal(rmdir("data"), 0);
	refused(*state, true, 2, "No such file");
	write_file("data", "x", 0600);
	refused(*state, true, 2, "is no folder");
	assert_int_equal(unlink("data"), 0);
	assert_int_equal(mkdir("data", 0700), 0);
	assert_int_equal(rmdir("state"), 0);
	refused(*state, true, 5, "folder state");
	assert_int_equal(mkdir("state", 0700), 0);
	assert_int_equal(rmdir("run"), 0);
	refused(*state, true, 3, "folder run");
}

static void the_file_itself(void **state)
{
	struct config *c = NULL;
	struct config_problem problem = {.line = -1};

	(void)state;
	assert_int_equal(config_load("absent.yaml", &c, &problem), ERR_CONFIG);
	assert_int_equal(problem.line, 0);
	assert_non_null(strstr(problem.text, "No such file"));
	assert_int_equal(config_load("data", &c, &problem), ERR_CONFIG);
	write_file("node.yaml", "agency: 1\n", 0644);
	assert_int_equal(config_load("node.yaml", &c, &problem), ERR_CONFIG);
	assert_int_equal(problem.line, 1);
	assert_int_equal(truncate("node.yaml", 4L * CONFIG_BYTES_MAX), 0);
	assert_int_equal(config_load("node.yaml", &c, &problem), ERR_CONFIG);
	assert_non_null(strstr(problem.text, "longer than"));
	assert_null(c);
}

static void an_open_file_is_what_was_checked(void **state)
{
	const struct place *p = *state;
	struct config_problem problem;
	char byte;
	int fd = -1;

	assert_int_equal(config_open_file(&p->config->node_key, true, &fd, &problem), ERR_OK);
	assert_int_equal(read(fd, &byte, 1), 1);
	assert_int_equal(byte, 'x');
	assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	assert_int_equal(close(fd), 0);
}

int main(void)
{
#define PLACED(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		PLACED(a_whole_node_is_good),  PLACED(each_file_is_needed),
		PLACED(keys_are_for_us_alone), PLACED(folders_are_needed),
		PLACED(the_file_itself),       PLACED(an_open_file_is_what_was_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
