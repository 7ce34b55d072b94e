#include "api/json/base64.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *vx6_base64_encode(const uint8_t *p, size_t n)
{
	char *out = vx6_zalloc(n / 3 * 4 + 5), *to = out;

	for (size_t i = 0; i < n; i += 3) {
		size_t left = n - i;
		uint32_t v = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
			     (left > 2 ? p[i + 2] : 0);

		*to++ = digits[v >> 18];
		*to++ = digits[v >> 12 & 63];
		*to++ = left > 1 ? digits[v >> 6 & 63] : '=';
		*to++ = left > 2 ? digits[v & 63] : '=';
	}
	return out;
}

static int value_of(char c)
{
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

uint8_t *vx6_base64_decode(const char *text, size_t *n)
{
	size_t len = strlen(text), pad = 0, bits = 0, at = 0;
	uint32_t v = 0;
	uint8_t *out;

	while (pad < 2 && pad < len && text[len - 1 - pad] == '=')
		pad++;
	if (len % 4 != 0)
		return NULL;
	out = vx6_zalloc(len / 4 * 3 + 1);
	for (size_t i = 0; i < len - pad; i++) {
		int d = value_of(text[i]);

		if (d < 0) {
			free(out);
			return NULL;
		}
		v = v << 6 | (uint32_t)d;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[at++] = (uint8_t)(v >> bits);
			v &= (1u << bits) - 1;
		}
	}
	if (v != 0) { /* bits that no encoder sets */
		free(out);
		return NULL;
	}
	*n = at;
	return out;
}
