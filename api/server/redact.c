#include "api/server/redact.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/util.h"

#define HEX_DIGITS "0123456789abcdefABCDEF"

enum {
	SEEN_MAX = 4096,
	WORD_MAX = 256,
	ADDRESS_MAX = 64,
	HEX_MIN = 32,
	KEY_MIN = 8,
	TOKEN_MIN = 70
};

enum kind { KIND_NONE, KIND_ID, KIND_KEY, KIND_ADDRESS, KINDS };
static const char *const kind_names[KINDS] = {
	[KIND_ID] = "id", [KIND_KEY] = "key", [KIND_ADDRESS] = "address"};

struct api_redact {
	char *seen[SEEN_MAX]; /* owned */
	size_t n;
};

struct api_redact *api_redact_new(void)
{
	return vx6_zalloc(sizeof(struct api_redact));
}

void api_redact_free(struct api_redact *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++)
		free(r->seen[i]);
	free(r);
}

/* Those behind the last place are all the same. */
static size_t number_of(struct api_redact *r, const char *word)
{
	size_t i = 0;

	while (i < r->n && strcmp(r->seen[i], word) != 0)
		i++;
	if (i == r->n && r->n < SEEN_MAX)
		r->seen[r->n++] = vx6_strdup(word);
	return i + 1;
}

/* ---- what stands at a place ---- */

/* @param n of the letters, digits and underscores at @p p */
static enum kind word_kind(const char *p, size_t n)
{
	static const struct {
		const char *head;
		size_t min;
	} keys[] = {{"vx1", KEY_MIN},
		    {"vxh1", KEY_MIN},
		    {"vxs1", KEY_MIN},
		    {"vxc1", KEY_MIN},
		    {"vx6_", TOKEN_MIN}};
	size_t hex = strspn(p, HEX_DIGITS);

	for (size_t i = 0; i < VX6_ARRAY_N(keys); i++)
		if (n >= keys[i].min && strncmp(p, keys[i].head, strlen(keys[i].head)) == 0)
			return KIND_ID;
	return n >= HEX_MIN && hex >= n ? KIND_KEY : KIND_NONE;
}

/* Loopback and what stands for any address are no secrets. */
static bool tells_something(const struct vx6_addr *a)
{
	char text[VX6_ADDR_TEXT];

	vx6_addr_format(a, text);
	return a->family == VX6_ADDR_IP && !vx6_addr_is_loopback(a) &&
	       strncmp(text, "[::]", 4) != 0 && strncmp(text, "0.0.0.0", 7) != 0;
}

/* With a port, or without one. @param word at most ADDRESS_MAX */
static bool is_address(const char *word)
{
	bool bare = strchr(word, ':') && word[0] != '[';
	char with_port[ADDRESS_MAX + 8];
	struct vx6_addr a;

	if (vx6_is_ok(vx6_addr_parse(word, &a)))
		return tells_something(&a);
	snprintf(with_port, sizeof with_port, bare ? "[%s]:1" : "%s:1", word);
	return vx6_is_ok(vx6_addr_parse(with_port, &a)) && tells_something(&a);
}

/* @return bytes of the longest address at @p p; 0: there is none */
static size_t address_at(const char *p, char out[static ADDRESS_MAX + 1])
{
	size_t n = strspn(p, HEX_DIGITS ".:[]%");

	for (n = VX6_MIN(n, (size_t)ADDRESS_MAX); n > 2; n--) {
		memcpy(out, p, n);
		out[n] = 0;
		if (!strpbrk(out, ".:"))
			return 0;
		if (is_address(out))
			return n;
	}
	return 0;
}

static size_t word_bytes(const char *p)
{
	return strspn(p, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_");
}

/* Writes what stands at @p p, or what takes its place. @return bytes of it */
static size_t put(struct api_redact *r, FILE *out, const char *p)
{
	char word[WORD_MAX];
	size_t n = word_bytes(p);
	enum kind kind = word_kind(p, n);

	if (kind != KIND_NONE && n < sizeof word)
		snprintf(word, sizeof word, "%.*s", (int)n, p);
	else if (kind == KIND_NONE && (n = address_at(p, word)) > 0)
		kind = KIND_ADDRESS;
	if (kind != KIND_NONE && n < sizeof word) {
		fprintf(out, "[%s %zu]", kind_names[kind], number_of(r, word));
		return n;
	}
	n = VX6_MAX(word_bytes(p), (size_t)1);
	if (kind == KIND_NONE)
		fwrite(p, 1, n, out);
	else
		fputs("[long]", out);
	return n;
}

char *api_redact(struct api_redact *r, const char *text, size_t n, size_t *out_n)
{
	char *copy = vx6_zalloc(n + 1), *made = NULL;
	FILE *out = open_memstream(&made, out_n);

	memcpy(copy, text, n);
	for (size_t at = 0; out && at < n;)
		at += put(r, out, copy + at);
	if (!out || fclose(out) != 0) {
		free(made);
		made = vx6_zalloc(1);
		*out_n = 0;
	}
	free(copy);
	return made;
}
