#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"

static void put(struct vx6_json *j, const char *p, size_t n)
{
	if (j->full || n >= VX6_JSON_MAX - j->n) {
		j->full = true;
		return;
	}
	if (j->n + n + 1 > j->cap) {
		j->cap = VX6_MAX(j->cap * 2, j->n + n + 64);
		j->text = vx6_realloc_array(j->text, j->cap, 1);
	}
	memcpy(j->text + j->n, p, n);
	j->n += n;
	j->text[j->n] = 0;
}

static void put_text(struct vx6_json *j, const char *s)
{
	put(j, s, strlen(s));
}

static void put_string(struct vx6_json *j, const char *value)
{
	const unsigned char *s = (const unsigned char *)value;

	put(j, "\"", 1);
	while (*s) {
		size_t n = vx6_utf8_length((const char *)s);
		char esc[8];

		if (*s == '"' || *s == '\\') {
			snprintf(esc, sizeof esc, "\\%c", *s);
			put_text(j, esc);
		} else if (*s < 0x20) {
			snprintf(esc, sizeof esc, "\\u%04x", *s);
			put_text(j, esc);
		} else if (n == 0) {
			put_text(j, "\\ufffd");
			n = 1;
		} else {
			put(j, (const char *)s, n);
		}
		s += n ? n : 1;
	}
	put(j, "\"", 1);
}

static void begin_item(struct vx6_json *j, const char *key)
{
	if (j->has_item[j->depth])
		put(j, ",", 1);
	j->has_item[j->depth] = true;
	if (key) {
		put_string(j, key);
		put(j, ":", 1);
	}
}

static void open_level(struct vx6_json *j, const char *key, const char *bracket)
{
	begin_item(j, key);
	put_text(j, bracket);
	VX6_ASSERT(j->depth + 1 < VX6_JSON_DEPTH);
	j->has_item[++j->depth] = false;
}

static void close_level(struct vx6_json *j, const char *bracket)
{
	VX6_ASSERT(j->depth > 0);
	j->depth--;
	put_text(j, bracket);
}

void vx6_json_object(struct vx6_json *j, const char *key)
{
	open_level(j, key, "{");
}

void vx6_json_array(struct vx6_json *j, const char *key)
{
	open_level(j, key, "[");
}

void vx6_json_end_object(struct vx6_json *j)
{
	close_level(j, "}");
}

void vx6_json_end_array(struct vx6_json *j)
{
	close_level(j, "]");
}

void vx6_json_raw(struct vx6_json *j, const char *key, const char *raw)
{
	begin_item(j, key);
	put_text(j, raw);
}

void vx6_json_str(struct vx6_json *j, const char *key, const char *value)
{
	begin_item(j, key);
	if (value)
		put_string(j, value);
	else
		put_text(j, "null");
}

void vx6_json_u64(struct vx6_json *j, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRIu64, value);
	vx6_json_raw(j, key, text);
}

void vx6_json_i64(struct vx6_json *j, const char *key, int64_t value)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRId64, value);
	vx6_json_raw(j, key, text);
}

void vx6_json_real(struct vx6_json *j, const char *key, double value)
{
	char text[40];

	/* JSON has no word for these */
	snprintf(text, sizeof text, "%.6g", isfinite(value) ? value : 0.0);
	vx6_json_raw(j, key, text);
}

void vx6_json_bool(struct vx6_json *j, const char *key, bool value)
{
	vx6_json_raw(j, key, value ? "true" : "false");
}

char *vx6_json_take(struct vx6_json *j)
{
	char *text = j->text;

	if (!text || j->full) {
		free(text);
		text = vx6_strdup("{}");
	}
	*j = (struct vx6_json){0};
	return text;
}

void vx6_json_fini(struct vx6_json *j)
{
	free(j->text);
	*j = (struct vx6_json){0};
}
