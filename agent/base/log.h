/**
 * @file log.h
 * Structured log lines on standard error: level, domain, message.
 *
 * Layer:   base
 * Trust:   text from peers must go through %s of a checked string (names, ids); control bytes are escaped on output.
 *          Secrets are never passed. Peer addresses go through vx6_log_addr(), which hides them above debug level.
 * Threads: any thread; one line is one write(2).
 */
#ifndef VX6_BASE_LOG_H
#define VX6_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

enum vx6_log_level {
	VX6_LOG_ERROR,
	VX6_LOG_WARN,
	VX6_LOG_INFO,
	VX6_LOG_DEBUG,
	VX6_LOG_TRACE,
};

/** Sets the level above which lines are dropped; INFO at start. */
void vx6_log_set_level(enum vx6_log_level level);
enum vx6_log_level vx6_log_get_level(void);

/** "error", "warn", "info", "debug", "trace" -> level. @return false: no such level, @p out untouched */
bool vx6_log_level_parse(const char *text, enum vx6_log_level *out);

/** A second receiver of every line that passes the level (the API's ring); called on the logging thread. NULL removes it. */
typedef void vx6_log_sink(enum vx6_log_level level, const char *domain, const char *line,
			  void *user);
void vx6_log_set_sink(vx6_log_sink *sink, void *user);

/** Writes one line: `2026-01-31T12:00:00.123Z info session: text`. @param domain static string, the layer's name */
void vx6_log(enum vx6_log_level level, const char *domain, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define VX6_ERROR(domain, ...) vx6_log(VX6_LOG_ERROR, domain, __VA_ARGS__)
#define VX6_WARN(domain, ...) vx6_log(VX6_LOG_WARN, domain, __VA_ARGS__)
#define VX6_INFO(domain, ...) vx6_log(VX6_LOG_INFO, domain, __VA_ARGS__)
#define VX6_DEBUG(domain, ...)                                                                     \
	do {                                                                                       \
		if (vx6_log_get_level() >= VX6_LOG_DEBUG)                                          \
			vx6_log(VX6_LOG_DEBUG, domain, __VA_ARGS__);                               \
	} while (0)

/** Token bucket for a line that a peer can trigger. Zero-initialise; one per call site or object; one thread. */
struct vx6_ratelimit {
	uint64_t last_ms;
	uint32_t spent;
	uint32_t suppressed;
};

/**
 * Whether one more line may be written: at most @p burst, refilled over @p per_ms.
 * When lines were dropped since the last allowed one, their number is logged first.
 */
bool vx6_log_allow(struct vx6_ratelimit *rl, const char *domain, uint32_t burst, uint32_t per_ms);

struct vx6_log_addr_buf {
	char text[VX6_ADDR_TEXT];
};
/** @p addr as text at debug level and above, else with the host part hidden ("[fd00::…]:4242"). @return points into @p buf */
const char *vx6_log_addr(const struct vx6_addr *addr, struct vx6_log_addr_buf *buf);

#endif
