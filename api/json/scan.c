/*
 * A recursive descent over the text that builds nothing. The members of every open object are remembered as places in
 * the text in one stack, so that a second use of a key is found; a hash of the unescaped key keeps comparing cheap.
 */
#include "api/json/scan.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

struct member {
	uint64_t hash;
	size_t at; /* offset behind the opening quote */
};

struct scan {
	const unsigned char *p;
	size_t n, at;
	unsigned depth;
	struct member *members; /* of all open objects, outermost first */
	size_t members_n, members_cap;
	vx6_err err;
	struct vx6_scan_fault fault;
};

static bool value(struct scan *s);

static bool fail(struct scan *s, vx6_err err, const char *text)
{
	if (vx6_is_ok(s->err)) {
		s->err = err;
		s->fault = (struct vx6_scan_fault){s->at, text};
	}
	return false;
}

static bool malformed(struct scan *s, const char *text)
{
	return fail(s, VX6_ERR(FORMAT), text);
}

/* The next byte, or -1 at the end. */
static int peek(const struct scan *s)
{
	return s->at < s->n ? s->p[s->at] : -1;
}

static void space(struct scan *s)
{
	while (s->at < s->n && (s->p[s->at] == ' ' || s->p[s->at] == '\t' || s->p[s->at] == '\n' ||
				s->p[s->at] == '\r'))
		s->at++;
}

static bool is_tail(const struct scan *s, size_t ahead, unsigned low, unsigned high)
{
	return ahead < s->n - s->at && s->p[s->at + ahead] >= low && s->p[s->at + ahead] <= high;
}

/* Steps over one UTF-8 sequence of two bytes or more; overlong forms and surrogates are none. */
static bool utf8(struct scan *s)
{
	unsigned c = s->p[s->at], low = 0x80, high = 0xbf;
	size_t tails;

	if (c >= 0xc2 && c <= 0xdf)
		tails = 1;
	else if (c >= 0xe0 && c <= 0xef)
		tails = 2;
	else if (c >= 0xf0 && c <= 0xf4)
		tails = 3;
	else
		return malformed(s, "not UTF-8");
	if (c == 0xe0)
		low = 0xa0;
	else if (c == 0xed)
		high = 0x9f;
	else if (c == 0xf0)
		low = 0x90;
	else if (c == 0xf4)
		high = 0x8f;
	if (!is_tail(s, 1, low, high))
		return malformed(s, "not UTF-8");
	for (size_t i = 2; i <= tails; i++)
		if (!is_tail(s, i, 0x80, 0xbf))
			return malformed(s, "not UTF-8");
	s->at += tails + 1;
	return true;
}

/* Four hex digits at @p at, which must be there; -1 when they are not hex. */
static int hex4(const struct scan *s, size_t at)
{
	int v = 0;

	if (at > s->n || s->n - at < 4)
		return -1;
	for (size_t i = 0; i < 4; i++) {
		unsigned c = s->p[at + i], lower = c | 0x20;

		if (c >= '0' && c <= '9')
			v = v * 16 + (int)(c - '0');
		else if (lower >= 'a' && lower <= 'f')
			v = v * 16 + (int)(lower - 'a' + 10);
		else
			return -1;
	}
	return v;
}

/* At "\u". */
static bool unicode_escape(struct scan *s)
{
	int v = hex4(s, s->at + 2), w;

	if (v < 0)
		return malformed(s, "\\u needs four hexadecimal digits");
	if (v == 0)
		return malformed(s, "NUL character in a string");
	if (v >= 0xdc00 && v <= 0xdfff)
		return malformed(s, "lone surrogate");
	s->at += 6;
	if (v < 0xd800 || v > 0xdbff)
		return true;
	if (s->n - s->at < 6 || s->p[s->at] != '\\' || s->p[s->at + 1] != 'u')
		return malformed(s, "lone surrogate");
	w = hex4(s, s->at + 2);
	if (w < 0xdc00 || w > 0xdfff)
		return malformed(s, "lone surrogate");
	s->at += 6;
	return true;
}

static bool string(struct scan *s)
{
	if (peek(s) != '"')
		return malformed(s, "string expected");
	s->at++;
	for (;;) {
		int c = peek(s);

		if (c < 0)
			return malformed(s, "string without end");
		if (c == '"') {
			s->at++;
			return true;
		}
		if (c < 0x20)
			return malformed(s, "control character in a string");
		if (c == '\\') {
			int e = s->n - s->at > 1 ? s->p[s->at + 1] : -1;

			if (e == 'u') {
				if (!unicode_escape(s))
					return false;
			} else if (e > 0 && strchr("\"\\/bfnrt", e)) {
				s->at += 2;
			} else {
				return malformed(s, "unknown escape");
			}
		} else if (c >= 0x80) {
			if (!utf8(s))
				return false;
		} else {
			s->at++;
		}
	}
}

/* One unescaped code point of a checked string; 0 at its end. */
static uint32_t key_next(const struct scan *s, size_t *at)
{
	unsigned char c = s->p[*at];
	static const char escapes[] = "bfnrt", meant[] = "\b\f\n\r\t";

	if (c == '"')
		return 0;
	if (c != '\\') {
		unsigned tails = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
		uint32_t v = tails == 0 ? c : c & (0x3fu >> tails);

		for (unsigned i = 1; i <= tails; i++)
			v = v << 6 | (s->p[*at + i] & 0x3fu);
		*at += tails + 1;
		return v;
	}
	if (s->p[*at + 1] == 'u') {
		uint32_t v = (uint32_t)hex4(s, *at + 2);

		*at += 6;
		if (v >= 0xd800 && v <= 0xdbff) {
			v = 0x10000 + ((v - 0xd800) << 10) + ((uint32_t)hex4(s, *at + 2) - 0xdc00);
			*at += 6;
		}
		return v;
	}
	c = s->p[*at + 1];
	*at += 2;
	for (size_t i = 0; escapes[i]; i++)
		if (c == (unsigned char)escapes[i])
			return (uint32_t)meant[i];
	return c;
}

static uint64_t key_hash(const struct scan *s, size_t at)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (uint32_t c; (c = key_next(s, &at)) != 0;)
		h = (h ^ c) * UINT64_C(0x100000001b3);
	return h;
}

static bool key_equal(const struct scan *s, size_t a, size_t b)
{
	uint32_t c, d;

	do {
		c = key_next(s, &a);
		d = key_next(s, &b);
	} while (c == d && c != 0);
	return c == d;
}

/* Remembers the key that begins at @p at; @p first is where its object's members begin. */
static bool remember(struct scan *s, size_t first, size_t at)
{
	struct member m = {key_hash(s, at), at};

	if (s->members_n - first >= VX6_SCAN_MEMBERS)
		return fail(s, VX6_ERR(LIMIT), "too many members in one object");
	for (size_t i = first; i < s->members_n; i++)
		if (s->members[i].hash == m.hash && key_equal(s, s->members[i].at, at))
			return malformed(s, "duplicate key");
	if (s->members_n == s->members_cap) {
		s->members_cap = s->members_cap ? s->members_cap * 2 : 64;
		s->members = vx6_realloc_array(s->members, s->members_cap, sizeof *s->members);
	}
	s->members[s->members_n++] = m;
	return true;
}

static bool member(struct scan *s, size_t first)
{
	size_t key = s->at + 1;

	if (!string(s) || !remember(s, first, key))
		return false;
	space(s);
	if (peek(s) != ':')
		return malformed(s, "colon expected");
	s->at++;
	return value(s);
}

/* An object or array: @p close is its last byte. */
static bool container(struct scan *s, int close)
{
	size_t first = s->members_n;

	if (s->depth == VX6_SCAN_DEPTH)
		return fail(s, VX6_ERR(LIMIT), "too deep");
	s->depth++;
	s->at++;
	space(s);
	if (peek(s) != close) {
		for (;;) {
			space(s);
			if (!(close == '}' ? member(s, first) : value(s)))
				return false;
			space(s);
			if (peek(s) != ',')
				break;
			s->at++;
		}
	}
	if (peek(s) != close)
		return malformed(s, close == '}' ? "comma or } expected" : "comma or ] expected");
	s->at++;
	s->depth--;
	s->members_n = first;
	return true;
}

static size_t digits(struct scan *s)
{
	size_t begin = s->at;

	while (peek(s) >= '0' && peek(s) <= '9')
		s->at++;
	return s->at - begin;
}

static bool number_shape(struct scan *s, bool *whole)
{
	*whole = true;
	if (peek(s) == '-')
		s->at++;
	if (peek(s) == '0')
		s->at++;
	else if (digits(s) == 0)
		return malformed(s, "value expected");
	if (peek(s) == '.') {
		*whole = false;
		s->at++;
		if (digits(s) == 0)
			return malformed(s, "digit expected");
	}
	if (peek(s) == 'e' || peek(s) == 'E') {
		*whole = false;
		s->at++;
		if (peek(s) == '+' || peek(s) == '-')
			s->at++;
		if (digits(s) == 0)
			return malformed(s, "digit expected");
	}
	return true;
}

static bool number(struct scan *s)
{
	size_t begin = s->at, n;
	char text[VX6_SCAN_NUMBER + 1];
	bool whole;
	double v;

	if (!number_shape(s, &whole))
		return false;
	n = s->at - begin;
	if (n > VX6_SCAN_NUMBER)
		return fail(s, VX6_ERR(LIMIT), "number is too long");
	memcpy(text, s->p + begin, n);
	text[n] = 0;
	v = strtod(text, NULL);
	if (!isfinite(v))
		return malformed(s, "number is too large");
	if (whole && fabs(v) > 9007199254740991.0)
		return malformed(s, "whole numbers beyond 2^53 are not exact");
	return true;
}

static bool literal(struct scan *s, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i < n; i++)
		if (i >= s->n - s->at || s->p[s->at + i] != (unsigned char)word[i])
			return malformed(s, "value expected");
	s->at += n;
	return true;
}

static bool value(struct scan *s)
{
	space(s);
	switch (peek(s)) {
	case '{':
		return container(s, '}');
	case '[':
		return container(s, ']');
	case '"':
		return string(s);
	case 't':
		return literal(s, "true");
	case 'f':
		return literal(s, "false");
	case 'n':
		return literal(s, "null");
	default:
		return number(s);
	}
}

vx6_err vx6_json_scan(const char *p, size_t n, struct vx6_scan_fault *fault)
{
	struct scan s = {.p = (const unsigned char *)p, .n = n};

	if (n > VX6_SCAN_BYTES) {
		fail(&s, VX6_ERR(LIMIT), "too long");
	} else if (value(&s)) {
		space(&s);
		if (s.at != n)
			malformed(&s, "bytes after the end");
	}
	free(s.members);
	if (!vx6_is_ok(s.err))
		*fault = s.fault;
	return s.err;
}
