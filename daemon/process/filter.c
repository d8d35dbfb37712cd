#include "process/filter.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/own.h"

static const struct filter_rule common[] = {
	/* the descriptors that it has */
	{.call = SYS_read},
	{.call = SYS_write},
	{.call = SYS_readv},
	{.call = SYS_writev},
	{.call = SYS_recvfrom},
	{.call = SYS_sendto},
	{.call = SYS_close},
	{.call = SYS_fcntl},
	{.call = SYS_shutdown},
	{.call = SYS_getsockopt},
	{.call = SYS_accept4},
	/* the loop */
	{.call = SYS_epoll_wait},
	{.call = SYS_epoll_pwait},
	{.call = SYS_epoll_pwait2},
	{.call = SYS_epoll_ctl},
	{.call = SYS_poll},
	{.call = SYS_clock_gettime},
	{.call = SYS_clock_getres},
	{.call = SYS_gettimeofday},
	{.call = SYS_time},
	{.call = SYS_getrandom},
	/* memory, never executable */
	{.call = SYS_brk},
	{.call = SYS_mmap, .arg = {{.index = 2, .mask = PROT_EXEC, .value = 0}}},
	{.call = SYS_mprotect, .arg = {{.index = 2, .mask = PROT_EXEC, .value = 0}}},
	{.call = SYS_munmap},
	{.call = SYS_mremap},
	{.call = SYS_madvise},
	{.call = SYS_mlock},
	{.call = SYS_munlock},
	{.call = SYS_futex},
	{.call = SYS_sysinfo}, /* glibc's qsort() asks how much memory there is */
	/* an assertion's end: abort() */
	{.call = SYS_rt_sigprocmask},
	{.call = SYS_rt_sigaction},
	{.call = SYS_rt_sigreturn},
	{.call = SYS_restart_syscall},
	{.call = SYS_getpid},
	{.call = SYS_gettid},
	{.call = SYS_tgkill},
	{.call = SYS_exit},
	{.call = SYS_exit_group},
};

#define BUILD_SECONDS_MAX 30 /* then SIGALRM ends the process; it takes some ms */

/* The sanitizers' own calls are too many to list. */
#ifdef AMPARO_SANITIZED
static const bool is_off = true;
#else
static const bool is_off = false;
#endif

static void filter_freep(scmp_filter_ctx *p)
{
	seccomp_release(*p);
}

static int add(scmp_filter_ctx filter, const struct filter_rule *r)
{
	struct scmp_arg_cmp cmp[2];
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_LEN(r->arg); i++)
		if (r->arg[i].mask)
			cmp[n++] = (struct scmp_arg_cmp){
				.arg = r->arg[i].index,
				.op = SCMP_CMP_MASKED_EQ,
				.datum_a = r->arg[i].mask,
				.datum_b = r->arg[i].value,
			};
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, r->call, n, cmp);
}

static enum err add_rules(scmp_filter_ctx filter, const struct filter_rule *rule, size_t n)
{
	int result = 0;

	if (seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) != 0)
		return err_new(ERR_IO, "seccomp filter");
	/* A balanced tree: the hot calls of the vault are not all at the head of a list. */
	if (seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) != 0)
		return err_new(ERR_IO, "seccomp filter");
	for (size_t i = 0; !result && i < ARRAY_LEN(common); i++)
		result = add(filter, &common[i]);
	for (size_t i = 0; !result && i < n; i++)
		result = add(filter, &rule[i]);
	if (result)
		return err_new(result == -ENOMEM ? ERR_NOMEM : ERR_IO, "seccomp rule: error %d",
			       -result);
	return ERR_OK;
}

static enum err read_back(int fd, struct buf *out)
{
	const off_t n = lseek(fd, 0, SEEK_END);
	uint8_t *p;
	enum err e;

	if (n <= 0 || n > BPF_MAXINSNS * (off_t)sizeof(struct sock_filter))
		return err_new(ERR_IO, "seccomp filter of %lld bytes", (long long)n);
	e = buf_reserve(out, (size_t)n, &p);
	if (e)
		return err_trace(e);
	if (pread(fd, p, (size_t)n, 0) != n)
		return err_new(ERR_IO, "seccomp filter: errno %d", errno);
	buf_advance(out, (size_t)n);
	return ERR_OK;
}

/* The filter as the kernel takes it. libseccomp gives it only to a descriptor. */
static enum err program_of(scmp_filter_ctx filter, struct buf *out)
{
	const int fd = memfd_create("filter", MFD_CLOEXEC);
	int result;
	enum err e;

	if (fd < 0)
		return err_new(ERR_IO, "memfd: errno %d", errno);
	result = seccomp_export_bpf(filter, fd);
	e = result ? err_new(result == -ENOMEM ? ERR_NOMEM : ERR_IO, "seccomp filter: error %d",
			     -result)
		   : read_back(fd, out);
	(void)close(fd);
	return e;
}

static enum err build(const struct filter_rule *rule, size_t n, struct buf *out)
{
	CLEANUP(filter_freep) scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	enum err e;

	if (!filter)
		return err_new(ERR_NOMEM, "seccomp filter");
	e = add_rules(filter, rule, n);
	return e ? err_trace(e) : program_of(filter, out);
}

static enum err install(struct view program)
{
	const struct sock_fprog prog = {
		.len = (unsigned short)(program.n / sizeof(struct sock_filter)),
		.filter = (struct sock_filter *)(uintptr_t)program.p,
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) != 0)
		return err_new(ERR_IO, "the kernel refused the seccomp filter: errno %d", errno);
	return ERR_OK;
}

/*
 * libseccomp 2.5.4 that gets no memory may go round for ever, or build another filter than it was
 * told to without a word. So there is a limit to its time, and two filters must be the same.
 */
enum err filter_install(const struct filter_rule *rule, size_t n)
{
	CLEANUP(buf_fini) struct buf program = {0}, second = {0};
	enum err e;

	if (is_off) {
		log_line(LOG_WARN, "built with sanitizers: no seccomp filter");
		return ERR_OK;
	}
	/* gmtime_r(), by which OpenSSL reads a certificate's times, opens /etc/localtime once. */
	tzset();
	(void)alarm(BUILD_SECONDS_MAX);
	e = build(rule, n, &program);
	if (!e)
		e = build(rule, n, &second);
	(void)alarm(0);
	if (e)
		return err_trace(e);
	if (!view_eq(buf_view(&program), buf_view(&second)))
		return err_new(ERR_NOMEM, "libseccomp built two different filters of one list");
	return install(buf_view(&program));
}
