/*
 * Levels, and a line's way: printed, cleaned, handed to the sink, written out. What a message says of a peer's address is in it twice,
 * between three control bytes that no other text keeps: 1 full 2 hidden 3.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log_out.h"
#include "base/util.h"

enum { MARK_FULL = 1, MARK_HIDDEN = 2, MARK_END = 3 };

static _Atomic int levels[VX6_LOG_LAYERS_N + 1] = {/* the last one: of what is no layer */
						   [0 ... VX6_LOG_LAYERS_N] = VX6_LOG_INFO};
static _Atomic int most = VX6_LOG_INFO; /* of all levels: what is above it needs no second look */
static _Atomic(vx6_log_sink *) current_sink;
static _Atomic(void *) sink_user;

static const char *const level_names[] = {"error", "warn", "info", "debug", "trace"};
static const char *const layer_names[] = {
#define X(layer) #layer,
	VX6_LOG_LAYERS(X)
#undef X
};

/* ---- levels ---- */

const char *vx6_log_layer_name(size_t i)
{
	return i < VX6_LOG_LAYERS_N ? layer_names[i] : NULL;
}

size_t vx6_log_layer_find(const char *layer)
{
	size_t i = 0;

	while (i < VX6_LOG_LAYERS_N && strcmp(layer_names[i], layer) != 0)
		i++;
	return i;
}

static int level_at(size_t i)
{
	return atomic_load_explicit(&levels[i], memory_order_relaxed);
}

static void find_most(void)
{
	int found = VX6_LOG_ERROR;

	for (size_t i = 0; i <= VX6_LOG_LAYERS_N; i++)
		found = VX6_MAX(found, level_at(i));
	atomic_store_explicit(&most, found, memory_order_relaxed);
}

void vx6_log_set_level(enum vx6_log_level level)
{
	for (size_t i = 0; i <= VX6_LOG_LAYERS_N; i++)
		atomic_store_explicit(&levels[i], (int)level, memory_order_relaxed);
	find_most();
}

enum vx6_log_level vx6_log_get_level(void)
{
	return (enum vx6_log_level)level_at(VX6_LOG_LAYERS_N);
}

void vx6_log_set_layer_level(size_t i, enum vx6_log_level level)
{
	VX6_ASSERT(i < VX6_LOG_LAYERS_N);
	atomic_store_explicit(&levels[i], (int)level, memory_order_relaxed);
	find_most();
}

enum vx6_log_level vx6_log_layer_level(size_t i)
{
	VX6_ASSERT(i < VX6_LOG_LAYERS_N);
	return (enum vx6_log_level)level_at(i);
}

bool vx6_log_is_on(enum vx6_log_level level, const char *layer)
{
	return (int)level <= atomic_load_explicit(&most, memory_order_relaxed) &&
	       (int)level <= level_at(vx6_log_layer_find(layer));
}

bool vx6_log_level_parse(const char *text, enum vx6_log_level *out)
{
	for (size_t i = 0; i < VX6_ARRAY_N(level_names); i++) {
		if (strcmp(text, level_names[i]) == 0) {
			*out = (enum vx6_log_level)i;
			return true;
		}
	}
	return false;
}

const char *vx6_log_level_name(enum vx6_log_level level)
{
	return level_names[level];
}

/* ---- addresses ---- */

/* The length of `1 full 2 hidden 3` at @p s. @return 0: that is not what is there */
static size_t marked(const char *s, size_t *full_n)
{
	size_t hidden_n;

	*full_n = 0;
	if (*s != MARK_FULL)
		return 0;
	while ((unsigned char)s[1 + *full_n] >= 0x20)
		++*full_n;
	if (s[1 + *full_n] != MARK_HIDDEN)
		return 0;
	for (hidden_n = 0; (unsigned char)s[2 + *full_n + hidden_n] >= 0x20;)
		hidden_n++;
	return s[2 + *full_n + hidden_n] == MARK_END ? *full_n + hidden_n + 3 : 0;
}

char *vx6_log_show(const char *text, bool addresses, char out[static VX6_LOG_TEXT])
{
	size_t n = 0;

	while (*text && n < VX6_LOG_TEXT - 1) {
		size_t full_n, all = marked(text, &full_n);
		size_t from = addresses ? 1 : full_n + 2,
		       take = addresses ? full_n : all - full_n - 3;

		if (all == 0) {
			out[n++] = *text++;
			continue;
		}
		take = VX6_MIN(take, VX6_LOG_TEXT - 1 - n);
		memcpy(out + n, text + from, take);
		n += take;
		text += all;
	}
	out[n] = 0;
	return out;
}

static void hide_host(const struct vx6_addr *addr, char out[VX6_ADDR_TEXT])
{
	if (vx6_addr_is_v4(addr))
		snprintf(out, VX6_ADDR_TEXT, "%u.*.*.*:%u", addr->ip[12], addr->port);
	else
		snprintf(out, VX6_ADDR_TEXT, "[%x:*]:%u",
			 (unsigned)(addr->ip[0] << 8 | addr->ip[1]), addr->port);
}

const char *vx6_log_addr(const struct vx6_addr *addr, struct vx6_log_addr_buf *buf)
{
	char full[VX6_ADDR_TEXT], hidden[VX6_ADDR_TEXT];

	vx6_addr_format(addr, full);
	if (addr->family != VX6_ADDR_IP || vx6_addr_is_loopback(addr)) {
		vx6_strlcpy(buf->text, full, sizeof buf->text);
		return buf->text;
	}
	hide_host(addr, hidden);
	snprintf(buf->text, sizeof buf->text, VX6_LOG_EITHER, full, hidden);
	return buf->text;
}

/* ---- a line ---- */

void vx6_log_set_sink(vx6_log_sink *sink, void *user)
{
	atomic_store(&sink_user, user);
	atomic_store(&current_sink, sink);
}

/* What could forge a line, drive a terminal, or turn the direction of its text: C0, DEL, C1, U+200E-F, U+202A-E, U+2066-9. */
static bool is_steering(const unsigned char *s, size_t n)
{
	if (n == 1)
		return *s < 0x20 || *s == 0x7f;
	if (n == 2)
		return s[0] == 0xc2 && s[1] < 0xa0;
	return n == 3 && s[0] == 0xe2 &&
	       ((s[1] == 0x80 &&
		 (s[2] == 0x8e || s[2] == 0x8f || (s[2] >= 0xaa && s[2] <= 0xae))) ||
		(s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9));
}

/* @return bytes of the character, which is a question mark each if it must not stay */
static size_t clean_one(char *s)
{
	size_t n = vx6_utf8_length(s);

	if (n == 0 || is_steering((const unsigned char *)s, n))
		memset(s, '?', n = VX6_MAX(n, (size_t)1));
	return n;
}

static void clean_part(char *s, size_t n)
{
	for (char *end = s + n; s < end;)
		s += clean_one(s);
}

/* Makes the text what a record holds, in place. */
static void clean(char *s)
{
	while (*s) {
		size_t full_n, n = marked(s, &full_n);

		if (n == 0) {
			s += clean_one(s);
			continue;
		}
		clean_part(s + 1, full_n);
		clean_part(s + 2 + full_n, n - 3 - full_n);
		s += n;
	}
}

/* A message that was cut may end inside of an address, of which half must not be told. */
static void drop_half_address(char *s)
{
	char *at = strrchr(s, MARK_FULL);

	if (at && !strchr(at, MARK_END))
		*at = 0;
}

void vx6_log(enum vx6_log_level level, const char *layer, const char *fmt, ...)
{
	struct vx6_log_record r = {.level = level, .layer = layer};
	char text[VX6_LOG_TEXT], hidden[VX6_LOG_TEXT];
	bool addresses = vx6_log_is_on(VX6_LOG_DEBUG, layer);
	vx6_log_sink *sink;
	va_list ap;
	int n;

	if (!vx6_log_is_on(level, layer))
		return;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof text)
		drop_half_address(text);
	clean(text);
	r.wall_ms = vx6_wall_ms();
	/* what nobody wanted to see is not kept either */
	r.text = addresses ? text : vx6_log_show(text, false, hidden);
	sink = atomic_load(&current_sink);
	if (sink)
		sink(&r, atomic_load(&sink_user));
	vx6_log_out(&r, addresses);
}

bool vx6_log_allow(struct vx6_ratelimit *rl, const char *layer, uint32_t burst, uint32_t per_ms)
{
	uint64_t now = vx6_now_ms();

	if (rl->last_ms == 0 || now - rl->last_ms >= per_ms) {
		uint32_t lost = rl->suppressed;

		rl->last_ms = now;
		rl->spent = 0;
		rl->suppressed = 0;
		if (lost > 0)
			vx6_log(VX6_LOG_INFO, layer, "%u similar lines were left out", lost);
	}
	if (rl->spent >= burst) {
		rl->suppressed++;
		return false;
	}
	rl->spent++;
	return true;
}
