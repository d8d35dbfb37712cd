/**
 * @file
 * All memory of the process, through one gate: malloc, calloc and realloc of this program and of
 * every library that it loads (SQLite, OpenSSL, libyaml) come here, in sanitized builds
 * too.
 */
#ifndef TESTS_FAULTS_MEMORY_H
#define TESTS_FAULTS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/** Asked for each allocation: shall it fail? Not asked again from inside. NULL: none fails. */
void memory_set_hook(bool (*hook)(void *ctx, size_t n), void *ctx);

#endif
