/* The seccomp filter in a process of its own: what it lets pass, and what ends it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "process/filter.h"
#include "base/own.h"

#define STREAM_MASK 0xf

static const struct filter_rule stream_of_inet[] = {
	{.call = SYS_socket, .arg = {{0, FILTER_INT, AF_INET}, {1, STREAM_MASK, SOCK_STREAM}}},
};

/* How a process under the filter ends that does @p act; its act's result is its exit code. */
static int end_of(int (*act)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (filter_install(stream_of_inet, ARRAY_LEN(stream_of_inet)))
			_exit(99);
		_exit(act());
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void passes(int (*act)(void))
{
	int status = end_of(act);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void is_killed(int (*act)(void))
{
	int status = end_of(act);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

static int act_nothing(void)
{
	return 0;
}

static int act_memory(void)
{
	void *p = malloc(1 << 22);

	free(p);
	return p ? 0 : 1;
}

static int act_time(void)
{
	time_t now = time(NULL);
	struct tm tm;

	return gmtime_r(&now, &tm) ? 0 : 1;
}

static int act_stream(void)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) >= 0 ? 0 : 1;
}

static int act_datagram(void)
{
	return socket(AF_INET, SOCK_DGRAM, 0) >= 0 ? 0 : 1;
}

static int act_unix(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) >= 0 ? 0 : 1;
}

static int act_open(void)
{
	return open("/dev/null", O_RDONLY) >= 0 ? 0 : 1;
}

static int act_fork(void)
{
	return fork() >= 0 ? 0 : 1;
}

static int act_kill(void)
{
	return kill(getppid(), 0);
}

static int act_ptrace(void)
{
	return (int)syscall(SYS_ptrace, 0, 0, 0, 0);
}

static int act_exec(void)
{
	return (int)syscall(SYS_execve, "/bin/true", NULL, NULL);
}

static int act_executable_memory(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p != MAP_FAILED ? 0 : 1;
}

static int act_make_executable(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

static int act_abort(void)
{
	abort();
}

static void skip_with_sanitizers(void)
{
#ifdef AMPARO_SANITIZED
	print_message("SKIPPED: built with sanitizers, which takes the filter away\n");
	skip();
#endif
}

static void test_allowed(void **state)
{
	(void)state;
	passes(act_nothing);
	passes(act_memory);
	passes(act_time);
	passes(act_stream);
}

static void test_refused(void **state)
{
	(void)state;
	skip_with_sanitizers();
	is_killed(act_open);
	is_killed(act_datagram);
	is_killed(act_unix);
	is_killed(act_fork);
	is_killed(act_kill);
	is_killed(act_ptrace);
	is_killed(act_exec);
	is_killed(act_executable_memory);
	is_killed(act_make_executable);
}

static void test_abort_is_an_abort(void **state)
{
	int status;

	(void)state;
	status = end_of(act_abort);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_allowed),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_abort_is_an_abort),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
