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
#include "base/log_out.h"
#include "node/node.h"

enum {
	VX6_SETTINGS_DETAIL = 320,
	VX6_SETTINGS_LIST_MAX = 64,
	VX6_SETTINGS_FILE_MAX = 256 * 1024,
	VX6_SETTINGS_KEY = 64,
};

/* X(symbol, flag, is a list, can change while the agent runs, is a secret, what is built in: NULL where that is nothing, or is kept elsewhere) */
/* clang-format off */
#define VX6_SETTINGS_MAP(X) \
	X(STATE_DIR, "state-dir", false, false, false, NULL) \
	X(NAME, "name", false, false, false, NULL) \
	X(LISTEN, "listen", true, false, false, "[::]:4242") \
	X(TRANSPORT, "transport", false, false, false, "auto") \
	X(API_LISTEN, "api-listen", true, false, false, "127.0.0.1:4866") \
	X(API_OPERATORS, "api-operators", false, false, false, "vx6-operators") \
	X(API_OTHERS, "api-others", false, false, false, "none") \
	X(PEER, "peer", true, false, false, NULL) \
	X(DHT, "dht", false, false, false, "auto") \
	X(DIVERSITY, "diversity", false, false, false, "auto") \
	X(ASN_MAP, "asn-map", false, false, false, NULL) \
	X(LAN, "lan", false, false, false, "on") \
	X(RELAY, "relay", false, false, false, NULL) \
	X(RELAY_CIRCUITS, "relay-circuits", false, false, false, NULL) \
	X(RELAY_MEMORY, "relay-memory", false, false, false, NULL) \
	X(RELAY_RATE, "relay-rate", false, false, false, NULL) \
	X(RELAY_FAMILY, "relay-family", false, false, true, NULL) \
	X(HIDDEN_KEEP_ROLES, "hidden-keep-roles", false, false, false, "false") \
	X(LOG_LEVEL, "log-level", false, true, false, "info") \
	X(LOG_FORMAT, "log-format", false, false, false, "text") \
	X(PASSPHRASE_FILE, "passphrase-file", false, false, false, NULL) \
	X(ALLOW_NON_LOOPBACK, "allow-non-loopback", false, false, false, "false")
/* clang-format on */

enum vx6_setting {
#define X(symbol, flag, list, live, secret, builtin) VX6_SETTING_##symbol,
	VX6_SETTINGS_MAP(X)
#undef X
		VX6_SETTINGS_N,
};

struct vx6_setting_info {
	const char *flag;
	bool list, live, secret;
	const char *builtin;
};
extern const struct vx6_setting_info vx6_setting_infos[VX6_SETTINGS_N];

/** Where a setting was said. */
enum vx6_setting_source { VX6_FROM_FILE, VX6_FROM_ENVIRONMENT, VX6_FROM_FLAG };

/** The texts of one setting; owned. */
struct vx6_setting_values {
	char *text[VX6_SETTINGS_LIST_MAX];
	size_t n;
	enum vx6_setting_source from; /* of those that are there */
};

struct vx6_settings {
	enum vx6_setting_source from; /* of what is added next */
	struct vx6_setting_values of[VX6_SETTINGS_N];
};

void vx6_settings_fini(struct vx6_settings *s);

/** Drops what @p which has. */
void vx6_settings_clear(struct vx6_settings *s, enum vx6_setting which);
/** Adds a value (sets it, where only one can be). @return LIMIT: too many */
VX6_RES vx6_settings_add(struct vx6_settings *s, enum vx6_setting which, const char *value);
/** The setting of that flag name. @return VX6_SETTINGS_N: none */
enum vx6_setting vx6_setting_by_flag(const char *flag);
/** As files have it: "state_dir". @return @p out */
char *vx6_setting_name(enum vx6_setting which, char out[static VX6_SETTINGS_KEY]);

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
	enum vx6_log_format log_format;
	char state_dir[200], socket[256], token[256], operators[64];
	char *passphrase; /* owned, wiped by vx6_agent_config_fini() */
};
/** @param detail names the setting at fault @return VX6_OK | INVALID | … */
VX6_RES vx6_agent_config_make(const struct vx6_settings *s, struct vx6_agent_config *out,
			      char *detail);
/** Tells all that is wrong, each setting once. @param which VX6_SETTINGS_N: it is about none */
void vx6_agent_config_check(const struct vx6_settings *s,
			    void (*fault)(void *user, enum vx6_setting which, const char *detail),
			    void *user);
void vx6_agent_config_fini(struct vx6_agent_config *c);

#endif
