/**
 * @file
 * What a fuzz target has: libFuzzer calls it, and so does replay.c with each file of its corpus.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/** Run one input; 0. Stops the program when something does not hold. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
