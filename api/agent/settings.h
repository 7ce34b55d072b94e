/**
 * @file settings.h
 * What `vx6 agent` is told: built-in defaults, then the configuration file, then the environment, then the command line.
 *
 * Spec:    docs/reference/config.md
 * Layer:   api
 * Shape:   one name everywhere: flag --api-listen, key api_listen, variable VX6_API_LISTEN. A list given at a later place replaces the
 *          earlier one.
 * Trust:   the file is checked whole before anything of it is used; an unknown key is an error
 * Threads: none of its own
 */
#ifndef VX6_API_AGENT_SETTINGS_H
#define VX6_API_AGENT_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "api/server/server.h"
#include "base/log.h"
#include "node/node.h"

enum { VX6_SETTINGS_DETAIL = 320, VX6_SETTINGS_LIST_MAX = 64, VX6_SETTINGS_FILE_MAX = 256 * 1024 };

/* X(symbol, flag, is a list, is a yes or no) */
#define VX6_SETTINGS_MAP(X)                                                                        \
	X(STATE_DIR, "state-dir", false, false)                                                    \
	X(NAME, "name", false, false)                                                              \
	X(LISTEN, "listen", true, false)                                                           \
	X(TRANSPORT, "transport", false, false)                                                    \
	X(API_LISTEN, "api-listen", true, false)                                                   \
	X(API_OPERATORS, "api-operators", false, false)                                            \
	X(API_OTHERS, "api-others", false, false)                                                  \
	X(PEER, "peer", true, false)                                                               \
	X(DHT, "dht", false, false)                                                                \
	X(DIVERSITY, "diversity", false, false)                                                    \
	X(ASN_MAP, "asn-map", false, false)                                                        \
	X(LAN, "lan", false, false)                                                                \
	X(RELAY, "relay", false, false)                                                            \
	X(RELAY_CIRCUITS, "relay-circuits", false, false)                                          \
	X(RELAY_MEMORY, "relay-memory", false, false)                                              \
	X(RELAY_RATE, "relay-rate", false, false)                                                  \
	X(RELAY_FAMILY, "relay-family", false, false)                                              \
	X(HIDDEN_KEEP_ROLES, "hidden-keep-roles", false, true)                                     \
	X(LOG_LEVEL, "log-level", false, false)                                                    \
	X(PASSPHRASE_FILE, "passphrase-file", false, false)                                        \
	X(ALLOW_NON_LOOPBACK, "allow-non-loopback", false, true)

enum vx6_setting {
#define X(symbol, flag, list, boolean) VX6_SETTING_##symbol,
	VX6_SETTINGS_MAP(X)
#undef X
		VX6_SETTINGS_N,
};

/** The texts of one setting; owned. */
struct vx6_setting_values {
	char *text[VX6_SETTINGS_LIST_MAX];
	size_t n;
};

struct vx6_settings {
	struct vx6_setting_values of[VX6_SETTINGS_N];
};

void vx6_settings_fini(struct vx6_settings *s);

/** Drops what @p which has. */
void vx6_settings_clear(struct vx6_settings *s, enum vx6_setting which);
/** Adds a value (sets it, where only one can be). @return LIMIT: too many */
VX6_RES vx6_settings_add(struct vx6_settings *s, enum vx6_setting which, const char *value);
/** The setting of that flag name. @return VX6_SETTINGS_N: none */
enum vx6_setting vx6_setting_by_flag(const char *flag);

/** Takes a configuration file in. @param detail for people, VX6_SETTINGS_DETAIL bytes @return VX6_OK | NOT_FOUND | FORMAT | LIMIT | errno's */
VX6_RES vx6_settings_read_file(struct vx6_settings *s, const char *path, char *detail);
/** The same from text. For tests and fuzzing. */
VX6_RES vx6_settings_read_text(struct vx6_settings *s, const char *text, size_t n, char *detail);
/** Takes VX6_… variables in. */
VX6_RES vx6_settings_read_env(struct vx6_settings *s, char *detail);

/** The settings as the agent takes them. */
struct vx6_agent_config {
	struct vx6_node_config node; /* its strings borrow the settings and the buffers below */
	struct vx6_api_config api;
	enum vx6_log_level log_level;
	char state_dir[200], socket[256], token[256], operators[64];
	char *passphrase; /* owned, wiped by vx6_agent_config_fini() */
};
/** @param detail names the setting at fault @return VX6_OK | INVALID | … */
VX6_RES vx6_agent_config_make(const struct vx6_settings *s, struct vx6_agent_config *out,
			      char *detail);
void vx6_agent_config_fini(struct vx6_agent_config *c);

#endif
