/**
 * @file
 * What the programs of the bench share: time, CPU seconds of processes, samples, options, and how
 * they end when something is not as it should be.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PROCESSES_MAX 16

/** Say why on standard error and end with 1. */
__attribute__((format(printf, 1, 2), noreturn)) void fail(const char *format, ...);

double mono_s(void);
double own_cpu_s(void);

struct process_list {
	pid_t pid[PROCESSES_MAX];
	size_t n;
};

/** utime + stime of all of them, as /proc tells; ends the program when one is not there. */
double processes_cpu_s(const struct process_list *l);

struct samples {
	double *at;
	size_t n, cap;
};

void samples_add(struct samples *s, double value);
void samples_sort(struct samples *s);
double samples_at(const struct samples *s, double share); /**< of sorted ones; 0 without any */
void samples_fini(struct samples *s);

/* Does the word read KEY=VALUE? Then the value is taken; one that is none ends the program. */
bool option_number(const char *word, const char *key, double *ret);
bool option_size(const char *word, const char *key, size_t *ret);
bool option_processes(const char *word, const char *key, struct process_list *ret); /**< 1,2,3 */

#endif
