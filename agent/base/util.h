/**
 * @file util.h
 * Allocation that cannot return NULL, checked assertions, and small arithmetic.
 *
 * Layer:   base
 * Threads: any thread
 */
#ifndef VX6_BASE_UTIL_H
#define VX6_BASE_UTIL_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define VX6_ARRAY_N(a) (sizeof(a) / sizeof *(a))
#define VX6_MIN(a, b) ((a) < (b) ? (a) : (b))
#define VX6_MAX(a, b) ((a) > (b) ? (a) : (b))
#define VX6_CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

/** States a bug, never a peer's behaviour: prints and aborts; stays on in release builds. */
#define VX6_ASSERT(cond)                                                                           \
	do {                                                                                       \
		if (__builtin_expect(!(cond), 0))                                                  \
			vx6_assert_failed(#cond, __FILE__, __LINE__);                              \
	} while (0)
_Noreturn void vx6_assert_failed(const char *cond, const char *file, int line);

/** Zeroed memory; the process ends with a clear line when there is none. For sizes the program itself chose, never for a wire length. */
void *vx6_zalloc(size_t bytes) __attribute__((returns_nonnull, warn_unused_result, malloc));
void *vx6_realloc_array(void *p, size_t n, size_t size) __attribute__((warn_unused_result));
char *vx6_strdup(const char *s) __attribute__((returns_nonnull, warn_unused_result));

/** strlcpy: copies at most @p cap - 1 bytes and always ends the string. @return strlen(src) */
size_t vx6_strlcpy(char *dst, const char *src, size_t cap);

/** Bytes of the UTF-8 sequence that the string @p text begins with; 0: it is not one. Overlong forms and surrogates are not. */
size_t vx6_utf8_length(const char *text);

/** Frees and clears a pointer variable. */
#define VX6_FREE(p)                                                                                \
	do {                                                                                       \
		free(p);                                                                           \
		(p) = NULL;                                                                        \
	} while (0)

#endif
