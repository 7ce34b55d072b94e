#include "base/util.h"

#include <stdio.h>
#include <string.h>

_Noreturn void vx6_assert_failed(const char *cond, const char *file, int line)
{
	fprintf(stderr, "vx6: bug: %s does not hold (%s:%d)\n", cond, file, line);
	abort();
}

static _Noreturn void out_of_memory(size_t bytes)
{
	fprintf(stderr, "vx6: out of memory (%zu bytes)\n", bytes);
	abort();
}

void *vx6_zalloc(size_t bytes)
{
	void *p = calloc(1, bytes ? bytes : 1);

	if (!p)
		out_of_memory(bytes);
	return p;
}

void *vx6_realloc_array(void *p, size_t n, size_t size)
{
	void *q = reallocarray(p, n ? n : 1, size ? size : 1);

	if (!q)
		out_of_memory(n * size);
	return q;
}

char *vx6_strdup(const char *s)
{
	size_t n = strlen(s) + 1;
	char *copy = vx6_zalloc(n);

	memcpy(copy, s, n);
	return copy;
}

size_t vx6_strlcpy(char *dst, const char *src, size_t cap)
{
	size_t n = strlen(src);

	if (cap > 0) {
		size_t take = n < cap ? n : cap - 1;

		memcpy(dst, src, take);
		dst[take] = 0;
	}
	return n;
}
