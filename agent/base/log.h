/**
 * @file log.h
 * Structured log lines: level, layer, message; to standard error or the journal, and to one more receiver.
 *
 * Layer:   base
 * Trust:   text from peers must go through %s of a checked string (names, ids); control bytes are escaped on output.
 *          Secrets are never passed. Peer addresses go through vx6_log_addr(), or VX6_LOG_EITHER: at debug level of the line's layer
 *          both forms travel in the line, and whoever shows it chooses; above it nothing but the hidden one leaves this file.
 * Threads: any thread; one line is one write(2)
 */
#ifndef VX6_BASE_LOG_H
#define VX6_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

enum vx6_log_level {
	VX6_LOG_ERROR,
	VX6_LOG_WARN,
	VX6_LOG_INFO,
	VX6_LOG_DEBUG,
	VX6_LOG_TRACE,
};

/* Who writes lines: layers of agent/LAYERS, and parts of them that deserve a level of their own. */
#define VX6_LOG_LAYERS(X)                                                                          \
	X(agent)                                                                                   \
	X(api)                                                                                     \
	X(catalogs)                                                                                \
	X(circuit)                                                                                 \
	X(discovery)                                                                               \
	X(forward)                                                                                 \
	X(hidden)                                                                                  \
	X(identity)                                                                                \
	X(lan)                                                                                     \
	X(loop)                                                                                    \
	X(node)                                                                                    \
	X(quic)                                                                                    \
	X(service)                                                                                 \
	X(session)                                                                                 \
	X(state)                                                                                   \
	X(transport)

enum {
#define X(layer) VX6_LOG_LAYER_##layer,
	VX6_LOG_LAYERS(X)
#undef X
		VX6_LOG_LAYERS_N,
};

/** @return the name of layer @p i; NULL: there are fewer */
const char *vx6_log_layer_name(size_t i);
/** @return its number; VX6_LOG_LAYERS_N: there is no such layer */
size_t vx6_log_layer_find(const char *layer);

/** Sets the level above which lines are dropped, of every layer and of what is none; INFO at start. */
void vx6_log_set_level(enum vx6_log_level level);
/** What vx6_log_set_level() has said. */
enum vx6_log_level vx6_log_get_level(void);
/** Of one layer. @param i below VX6_LOG_LAYERS_N */
void vx6_log_set_layer_level(size_t i, enum vx6_log_level level);
enum vx6_log_level vx6_log_layer_level(size_t i);
/** Whether a line of that level and layer would be written. */
bool vx6_log_is_on(enum vx6_log_level level, const char *layer);

/** "error", "warn", "info", "debug", "trace" -> level. @return false: no such level, @p out untouched */
bool vx6_log_level_parse(const char *text, enum vx6_log_level *out);
const char *vx6_log_level_name(enum vx6_log_level level);

enum {
	VX6_LOG_TEXT = 1024, /* bytes of a message, NUL included; a longer one is cut */
};

/* One line. */
struct vx6_log_record {
	uint64_t wall_ms;
	enum vx6_log_level level;
	const char *layer; /* static */
	const char *
		text; /* UTF-8 without control characters, but for addresses in both forms: vx6_log_show() */
};

/** A second receiver of every line that passes its level (the API's ring); called on the logging thread. NULL removes it. */
typedef void vx6_log_sink(const struct vx6_log_record *record, void *user);
void vx6_log_set_sink(vx6_log_sink *sink, void *user);

/** Writes one line. @param layer static string, of VX6_LOG_LAYERS */
void vx6_log(enum vx6_log_level level, const char *layer, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define VX6_ERROR(layer, ...) vx6_log(VX6_LOG_ERROR, layer, __VA_ARGS__)
#define VX6_WARN(layer, ...) vx6_log(VX6_LOG_WARN, layer, __VA_ARGS__)
#define VX6_INFO(layer, ...) vx6_log(VX6_LOG_INFO, layer, __VA_ARGS__)
#define VX6_DEBUG(layer, ...)                                                                      \
	do {                                                                                       \
		if (vx6_log_is_on(VX6_LOG_DEBUG, layer))                                           \
			vx6_log(VX6_LOG_DEBUG, layer, __VA_ARGS__);                                \
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
bool vx6_log_allow(struct vx6_ratelimit *rl, const char *layer, uint32_t burst, uint32_t per_ms);

/** For two %s: what those read who may see addresses, and what everybody else reads. Neither holds control characters. */
#define VX6_LOG_EITHER "\001%s\002%s\003"

struct vx6_log_addr_buf {
	char text[2 * VX6_ADDR_TEXT + 4];
};
/** @p addr for a line: in full and with the host part hidden ("[fd00:*]:4242"). @return points into @p buf */
const char *vx6_log_addr(const struct vx6_addr *addr, struct vx6_log_addr_buf *buf);

/** The text of a record as one may read it. @param addresses whether addresses are shown @return @p out */
char *vx6_log_show(const char *text, bool addresses, char out[static VX6_LOG_TEXT]);

#endif
