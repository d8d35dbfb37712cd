#include "explore.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"

#define CHILD_SECONDS_MAX 120 /* real ones: a story takes less than one */
#define FAILURES_MAX 10	      /* then the rest is not worth the time */
#define WHAT_MAX 60
#define QUICK_STRIDE 20
#define PROGRESS_EVERY 5000

struct child {
	pid_t pid;
	uint64_t point;
	unsigned variant;
	int agency;
	char what[WHAT_MAX];
};

/* --- the command line --- */

static uint64_t number(const char *text)
{
	char *end;
	uint64_t n = strtoull(text, &end, 10);

	if (*text == '\0' || *end != '\0') {
		fprintf(stderr, "%s is no number\n", text);
		exit(64);
	}
	return n;
}

struct explore_options explore_options(int argc, char **argv, uint64_t stride)
{
	static const struct option options[] = {
		{"conf", required_argument, NULL, 'c'},	   {"seed", required_argument, NULL, 's'},
		{"agency", required_argument, NULL, 'a'},  {"at", required_argument, NULL, 'n'},
		{"variant", required_argument, NULL, 'k'}, {"stride", required_argument, NULL, 'i'},
		{"part", required_argument, NULL, 'p'},	   {"parts", required_argument, NULL, 'q'},
		{"jobs", required_argument, NULL, 'j'},	   {"long", no_argument, NULL, 'l'},
		{"whole", no_argument, NULL, 'w'},	   {"state", required_argument, NULL, 'f'},
		{"verbose", no_argument, NULL, 'v'},	   {0},
	};
	struct explore_options o = {.conf = getenv("AMPARO_CONF"),
				    .seed = 1,
				    .agency = -1,
				    .stride = stride,
				    .parts = 1,
				    .jobs = 1};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			o.conf = optarg;
			break;
		case 's':
			o.seed = number(optarg);
			break;
		case 'a':
			o.agency = (int)number(optarg);
			break;
		case 'n':
			o.at = number(optarg);
			break;
		case 'k':
			o.variant = (unsigned)number(optarg);
			break;
		case 'i':
			o.stride = number(optarg);
			break;
		case 'p':
			o.part = (unsigned)number(optarg);
			break;
		case 'q':
			o.parts = (unsigned)number(optarg);
			break;
		case 'j':
			o.jobs = (unsigned)number(optarg);
			break;
		case 'l':
			o.is_long = true;
			break;
		case 'w':
			o.is_whole = true;
			break;
		case 'f':
			o.state = optarg;
			break;
		case 'v':
			o.verbose = true;
			break;
		default:
			exit(64);
		}
	}
	if (getenv("AMPARO_QUICK") && !o.at)
		o.stride *= QUICK_STRIDE;
	if (!o.conf || !o.stride || !o.parts || !o.jobs || (o.at && o.agency < 0)) {
		fprintf(stderr, "--conf is needed; with --at also --agency\n");
		exit(64);
	}
	return o;
}

/* --- state on disk: cases done, one number a line of agency --- */

static uint64_t read_state(const struct explore *x)
{
	unsigned long long n = 0;
	FILE *f = x->o.state ? fopen(x->o.state, "r") : NULL;

	if (!f)
		return 0;
	if (fscanf(f, "%llu", &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

/* Children still running are counted as not done: they are run again. */
static void write_state(const struct explore *x, uint64_t n)
{
	FILE *f = x->o.state ? fopen(x->o.state, "w") : NULL;

	if (!f)
		return;
	fprintf(f, "%" PRIu64 "\n", n);
	fclose(f);
}

void explore_init(struct explore *x, const char *name, const struct explore_options *o)
{
	*x = (struct explore){.o = *o, .name = name, .started_s = (int64_t)time(NULL)};
	x->child = calloc(o->jobs, sizeof(*x->child));
	ASSERT(x->child);
	x->n_before = read_state(x);
}

void explore_agency(struct explore *x, int agency)
{
	x->agency = agency;
	x->n_points = 0;
}

/* --- children --- */

static void report(struct explore *x, const struct child *c, int status)
{
	x->n_failed++;
	fprintf(stderr, "%s: agency %d, point %" PRIu64 ", %s: ", x->name, c->agency, c->point,
		c->what);
	if (WIFSIGNALED(status))
		fprintf(stderr, "signal %d", WTERMSIG(status));
	else
		fprintf(stderr, "exit code %d", WEXITSTATUS(status));
	fprintf(stderr,
		"\n  again: %s --conf %s --seed %" PRIu64 " --agency %d --at %" PRIu64
		" --variant %u%s%s\n",
		program_invocation_name, x->o.conf, x->o.seed, c->agency, c->point, c->variant,
		x->o.is_long ? " --long" : "", x->o.is_whole ? " --whole" : "");
}

/* The one that ends first; its place is the last one then. */
static void wait_for_one(struct explore *x)
{
	int status = 0;
	pid_t pid = waitpid(-1, &status, 0);

	for (unsigned i = 0; i < x->n_child; i++) {
		struct child *c = &x->child[i];

		if (c->pid != pid)
			continue;
		x->n_run++;
		if (status)
			report(x, c, status);
		*c = x->child[--x->n_child];
		return;
	}
	ASSERT(pid > 0);
}

static void progress(struct explore *x)
{
	write_state(x, x->n_cases > x->n_child ? x->n_cases - x->n_child : 0);
	printf("%s: agency %d: %" PRIu64 " cases, %" PRIu64 " run, %" PRIu64 " failed, %" PRId64
	       " s\n",
	       x->name, x->agency, x->n_cases, x->n_run, x->n_failed,
	       (int64_t)time(NULL) - x->started_s);
	fflush(stdout);
}

static bool is_selected(struct explore *x)
{
	if (!x->is_chosen && (x->n_cases - 1) % x->o.stride)
		return false;
	return x->n_chosen++ % x->o.parts == x->o.part && x->n_cases > x->n_before &&
	       x->n_failed < FAILURES_MAX;
}

/*
 * fork() without the C library: a lock that is held here, as by OpenSSL around an allocation, is
 * known by the number of the thread that the library remembers, and must stay this thread's.
 */
static pid_t split(void)
{
	return (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

void explore_point(struct explore *x)
{
	if (x->is_child)
		return;
	x->n_points++;
	x->is_chosen = false;
}

void explore_choose(struct explore *x)
{
	x->is_chosen = true;
}

bool explore_case(struct explore *x, unsigned variant, const char *what)
{
	struct child *c;
	pid_t pid;

	if (x->is_child)
		return false;
	x->n_cases++;
	if (x->o.at) {
		x->is_child = x->n_points == x->o.at && variant == x->o.variant;
		return x->is_child;
	}
	if (!is_selected(x))
		return false;
	while (x->n_child == x->o.jobs)
		wait_for_one(x);
	if (x->n_run % PROGRESS_EVERY == PROGRESS_EVERY - 1)
		progress(x);
	fflush(NULL);
	pid = split();
	ASSERT(pid >= 0);
	if (pid == 0) {
		x->is_child = true;
		(void)alarm(CHILD_SECONDS_MAX);
		return true;
	}
	c = &x->child[x->n_child++];
	*c = (struct child){
		.pid = pid, .point = x->n_points, .variant = variant, .agency = x->agency};
	(void)snprintf(c->what, sizeof(c->what), "%s", what);
	return false;
}

void explore_told(struct explore *x)
{
	if (!x->is_child)
		return;
	if (x->o.at)
		printf("%s: agency %d, point %" PRIu64 ", variant %u: well\n", x->name, x->agency,
		       x->o.at, x->o.variant);
	free(x->child);
	exit(0);
}

int explore_end(struct explore *x)
{
	int code;

	while (x->n_child)
		wait_for_one(x);
	if (x->o.at) {
		fprintf(stderr, "%s: there is no such point\n", x->name);
		free(x->child);
		return 2;
	}
	if (x->n_failed < FAILURES_MAX)
		write_state(x, x->n_cases);
	code = x->n_failed || !(x->n_run || x->n_before) ? 1 : 0;
	printf("%s: %" PRIu64 " cases of %" PRIu64 " run, %" PRIu64 " failed, %" PRId64 " s\n",
	       x->name, x->n_run, x->n_cases, x->n_failed, (int64_t)time(NULL) - x->started_s);
	free(x->child);
	return code;
}
