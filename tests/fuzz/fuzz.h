/**
 * @file fuzz.h
 * What fuzz targets share. A target aborts when a decoder accepts what its encoder would not have written.
 */
#ifndef VX6_TESTS_FUZZ_FUZZ_H
#define VX6_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define FUZZ_CHECK(cond)                                                                           \
	do {                                                                                       \
		if (!(cond))                                                                       \
			abort();                                                                   \
	} while (0)

static inline void fuzz_same(const uint8_t *a, size_t a_n, const uint8_t *b, size_t b_n)
{
	FUZZ_CHECK(a_n == b_n && (a_n == 0 || memcmp(a, b, a_n) == 0));
}

#endif
