#include "base/util.h"

#include <stdbool.h>
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

size_t vx6_utf8_length(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		return (s[1] & 0xc0) == 0x80 ? 2 : 0;
	if ((s[0] & 0xf0) == 0xe0) {
		bool ok = (s[1] & 0xc0) == 0x80 && (s[2] & 0xc0) == 0x80 &&
			  !(s[0] == 0xe0 && s[1] < 0xa0) && !(s[0] == 0xed && s[1] > 0x9f);
		return ok ? 3 : 0;
	}
	if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		bool ok = (s[1] & 0xc0) == 0x80 && (s[2] & 0xc0) == 0x80 && (s[3] & 0xc0) == 0x80 &&
			  !(s[0] == 0xf0 && s[1] < 0x90) && !(s[0] == 0xf4 && s[1] > 0x8f);
		return ok ? 4 : 0;
	}
	return 0;
}
