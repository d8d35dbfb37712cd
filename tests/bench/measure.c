#include "bench/measure.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

void fail(const char *format, ...)
{
	va_list args;

	(void)fputs("bench: ", stderr);
	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fputc('\n', stderr);
	exit(1);
}

double mono_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail for this clock */
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

double own_cpu_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double process_cpu_s(pid_t pid)
{
	unsigned long user = 0, system = 0;
	char path[64], line[1024];
	const char *rest;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f || !fgets(line, sizeof(line), f))
		fail("process %d is gone", (int)pid);
	(void)fclose(f);
	rest = strrchr(line, ')'); /* the name may hold anything */
	if (!rest || sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
			    &system) != 2)
		fail("%s cannot be read", path);
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

double processes_cpu_s(const struct process_list *l)
{
	double sum = 0;

	for (size_t i = 0; i < l->n; i++)
		sum += process_cpu_s(l->pid[i]);
	return sum;
}

/* --- samples ----------------------------------------------------------------------------- */

void samples_add(struct samples *s, double value)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 4096;
		s->at = realloc(s->at, s->cap * sizeof(*s->at));
		if (!s->at)
			fail("out of memory");
	}
	s->at[s->n++] = value;
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void samples_sort(struct samples *s)
{
	if (s->n)
		qsort(s->at, s->n, sizeof(*s->at), compare);
}

double samples_at(const struct samples *s, double share)
{
	size_t i = (size_t)((double)s->n * share);

	if (s->n == 0)
		return 0;
	return s->at[i < s->n ? i : s->n - 1];
}

void samples_fini(struct samples *s)
{
	free(s->at);
	*s = (struct samples){.n = 0};
}

/* --- options ----------------------------------------------------------------------------- */

static const char *value_of(const char *word, const char *key)
{
	size_t n = strlen(key);

	return strncmp(word, key, n) == 0 && word[n] == '=' ? word + n + 1 : NULL;
}

bool option_number(const char *word, const char *key, double *ret)
{
	const char *text = value_of(word, key);
	char *end;

	if (!text)
		return false;
	*ret = strtod(text, &end);
	if (end == text || *end || *ret < 0)
		fail("%s: no number", word);
	return true;
}

bool option_size(const char *word, const char *key, size_t *ret)
{
	double number;

	if (!option_number(word, key, &number))
		return false;
	*ret = (size_t)number;
	return true;
}

bool option_processes(const char *word, const char *key, struct process_list *ret)
{
	const char *text = value_of(word, key);

	if (!text)
		return false;
	for (;;) {
		char *end;
		unsigned long pid = strtoul(text, &end, 10);

		if (end == text || (*end && *end != ',') || ret->n == PROCESSES_MAX)
			fail("%s: no list of processes", word);
		ret->pid[ret->n++] = (pid_t)pid;
		if (!*end)
			return true;
		text = end + 1;
	}
}
