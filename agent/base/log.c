#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"

enum { LINE_MAX_BYTES = 1024 };

static _Atomic int current_level = VX6_LOG_INFO;
static _Atomic(vx6_log_sink *) current_sink;
static _Atomic(void *) sink_user;

static const char *const level_names[] = {"error", "warn", "info", "debug", "trace"};

void vx6_log_set_level(enum vx6_log_level level)
{
	atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

enum vx6_log_level vx6_log_get_level(void)
{
	return (enum vx6_log_level)atomic_load_explicit(&current_level, memory_order_relaxed);
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

void vx6_log_set_sink(vx6_log_sink *sink, void *user)
{
	atomic_store(&sink_user, user);
	atomic_store(&current_sink, sink);
}

/* A control byte in a message could forge a line or drive a terminal. */
static void escape_controls(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
}

void vx6_log(enum vx6_log_level level, const char *domain, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES], when[VX6_TIME_TEXT];
	vx6_log_sink *sink;
	va_list ap;
	int head, body;
	size_t len;

	if ((int)level > atomic_load_explicit(&current_level, memory_order_relaxed))
		return;
	head = snprintf(line, sizeof line - 1, "%s %s %s: ", vx6_time_format(vx6_wall_ms(), when),
			level_names[level], domain);
	if (head < 0 || (size_t)head >= sizeof line - 1)
		return;
	va_start(ap, fmt);
	body = vsnprintf(line + head, sizeof line - 1 - (size_t)head, fmt, ap);
	va_end(ap);
	if (body < 0)
		return;
	escape_controls(line);
	sink = atomic_load(&current_sink);
	if (sink)
		sink(level, domain, line + head, atomic_load(&sink_user));
	len = strlen(line);
	line[len++] = '\n';
	/* a log that cannot be written is no reason to stop */
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}

bool vx6_log_allow(struct vx6_ratelimit *rl, const char *domain, uint32_t burst, uint32_t per_ms)
{
	uint64_t now = vx6_now_ms();

	if (rl->last_ms == 0 || now - rl->last_ms >= per_ms) {
		uint32_t lost = rl->suppressed;

		rl->last_ms = now;
		rl->spent = 0;
		rl->suppressed = 0;
		if (lost > 0)
			vx6_log(VX6_LOG_INFO, domain, "%u similar lines were left out", lost);
	}
	if (rl->spent >= burst) {
		rl->suppressed++;
		return false;
	}
	rl->spent++;
	return true;
}

const char *vx6_log_addr(const struct vx6_addr *addr, struct vx6_log_addr_buf *buf)
{
	if (vx6_log_get_level() >= VX6_LOG_DEBUG || addr->family != VX6_ADDR_IP ||
	    vx6_addr_is_loopback(addr)) {
		vx6_addr_format(addr, buf->text);
	} else if (vx6_addr_is_v4(addr)) {
		snprintf(buf->text, sizeof buf->text, "%u.*.*.*:%u", addr->ip[12], addr->port);
	} else {
		snprintf(buf->text, sizeof buf->text, "[%x:*]:%u",
			 (unsigned)(addr->ip[0] << 8 | addr->ip[1]), addr->port);
	}
	return buf->text;
}
