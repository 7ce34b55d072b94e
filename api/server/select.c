#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/server/server_internal.h"
#include "base/util.h"
#include "crypto/secret.h"

enum { ETAGS_MAX = 8, MAC_BYTES = 16 };

static void hex(const uint8_t *in, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++)
		snprintf(out + 2 * i, 3, "%02x", in[i]);
}

/* ---- conditions ---- */

void api_etag(struct api_request *r, uint64_t generation, const char *body, size_t n)
{
	struct vx6_hash hash;
	char text[17];

	vx6_hash_personal("vx6 api etag", body, n, &hash);
	hex(hash.b, 8, text);
	snprintf(r->reply.etag, sizeof r->reply.etag, "\"%llu.%s\"", (unsigned long long)generation,
		 text);
}

/* Steps through a list of entity tags. @return the text between the quotes, its length in @p n; NULL at the end */
static const char *etag_next(const char **list, size_t *n, bool *weak)
{
	const char *begin;

	*list += strspn(*list, " \t,");
	*weak = strncmp(*list, "W/", 2) == 0;
	*list += *weak ? 2 : 0;
	if (**list != '"')
		return NULL;
	begin = *list + 1;
	*n = strcspn(begin, "\"");
	*list = begin + *n + (begin[*n] == '"');
	return begin[*n] == '"' ? begin : NULL;
}

bool api_none_match(const struct api_request *r)
{
	const char *list = api_request_header(r, MHD_HTTP_HEADER_IF_NONE_MATCH), *tag;
	size_t n, own = strlen(r->reply.etag);
	bool weak;

	if (!list || own < 2)
		return false;
	if (strcmp(list, "*") == 0)
		return true;
	for (int i = 0; i < ETAGS_MAX && (tag = etag_next(&list, &n, &weak)) != NULL; i++)
		if (n == own - 2 && memcmp(tag, r->reply.etag + 1, n) == 0)
			return true;
	return false;
}

enum api_match api_if_match(const struct api_request *r, uint64_t generation)
{
	const char *list = api_request_header(r, MHD_HTTP_HEADER_IF_MATCH), *tag;
	char own[24];
	size_t n, own_n;
	bool weak;

	if (!list || strcmp(list, "*") == 0)
		return API_MATCH_ANY;
	own_n = (size_t)snprintf(own, sizeof own, "%llu", (unsigned long long)generation);
	for (int i = 0; i < ETAGS_MAX && (tag = etag_next(&list, &n, &weak)) != NULL; i++)
		if (!weak && n >= own_n && memcmp(tag, own, own_n) == 0 &&
		    (n == own_n || tag[own_n] == '.'))
			return API_MATCH_YES;
	return API_MATCH_NO;
}

/* ---- cursors: the last id of a page, with a code that only this server can make ---- */

static void cursor_mac(const struct vx6_api_server *s, const char *kind, const char *id,
		       char out[2 * MAC_BYTES + 1])
{
	struct vx6_hash_state st;
	struct vx6_hash hash;

	vx6_hash_init(&st, "vx6 api cursor");
	vx6_hash_update(&st, s->key, sizeof s->key);
	vx6_hash_update(&st, kind, strlen(kind) + 1);
	vx6_hash_update(&st, id, strlen(id));
	vx6_hash_final(&st, &hash);
	hex(hash.b, MAC_BYTES, out);
}

void api_cursor_make(const struct vx6_api_server *s, const char *kind, const char *id,
		     char out[static API_CURSOR])
{
	char mac[2 * MAC_BYTES + 1];

	cursor_mac(s, kind, id, mac);
	snprintf(out, API_CURSOR, "%s.%s", id, mac);
}

bool api_cursor_read(const struct vx6_api_server *s, const char *kind, const char *cursor,
		     char id[static VX6_PAGE_KEY])
{
	const char *dot = strrchr(cursor, '.');
	char mac[2 * MAC_BYTES + 1];
	size_t n = dot ? (size_t)(dot - cursor) : 0;

	if (!dot || n >= VX6_PAGE_KEY || strlen(dot + 1) != 2 * MAC_BYTES)
		return false;
	memcpy(id, cursor, n);
	id[n] = 0;
	cursor_mac(s, kind, id, mac);
	return vx6_ct_eq(mac, dot + 1, 2 * MAC_BYTES);
}

/* ---- fields ---- */

static const char *skip_string(const char *p)
{
	for (p++; *p && *p != '"'; p++)
		if (*p == '\\' && p[1])
			p++;
	return *p ? p + 1 : p;
}

/* The end of the value at @p p; the text is ours and well formed. */
static const char *skip_value(const char *p)
{
	int depth = 0;

	for (;;) {
		if (*p == '"') {
			p = skip_string(p);
		} else if (*p == '{' || *p == '[') {
			depth++;
			p++;
		} else if (*p == '}' || *p == ']') {
			if (depth == 0)
				return p;
			depth--;
			p++;
		} else if (*p == 0 || (*p == ',' && depth == 0)) {
			return p;
		} else {
			p++;
		}
		if (depth == 0 && (*p == ',' || *p == '}' || *p == ']'))
			return p;
	}
}

/* Finds `"name":value` among the members. @return where it begins, its end in @p end; NULL: not there */
static const char *member_find(const char *object, const char *name, size_t name_n,
			       const char **end)
{
	const char *p = object + 1;

	while (*p == '"') {
		const char *begin = p, *after = skip_string(p);

		p = skip_value(after + 1); /* behind the colon */
		if ((size_t)(after - begin) == name_n + 2 && memcmp(begin + 1, name, name_n) == 0) {
			*end = p;
			return begin;
		}
		p += *p == ',';
	}
	return NULL;
}

char *api_fields_pick(const char *object, const char *fields, char unknown[static 64])
{
	size_t cap = strlen(object) + 1, n = 0;
	char *out;

	unknown[0] = 0;
	if (!fields)
		return vx6_strdup(object);
	out = vx6_zalloc(cap + 2);
	out[n++] = '{';
	while (*fields) {
		size_t name_n = strcspn(fields, ",");
		const char *end, *begin = member_find(object, fields, name_n, &end);

		if (!begin) {
			snprintf(unknown, 64, "%.*s", (int)VX6_MIN(name_n, (size_t)63), fields);
			free(out);
			return NULL;
		}
		if (n + (size_t)(end - begin) + 2 >
		    cap) /* a field named twice: what is there is enough */
			break;
		if (n > 1)
			out[n++] = ',';
		memcpy(out + n, begin, (size_t)(end - begin));
		n += (size_t)(end - begin);
		fields += name_n + (fields[name_n] == ',');
	}
	out[n] = '}';
	return out;
}
