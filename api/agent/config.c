/*
 * From texts to what the agent takes; every complaint names its setting.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/agent/settings.h"
#include "api/cli/state_dir.h"
#include "base/util.h"
#include "crypto/secret.h"

enum { PASSPHRASE_MAX = 1024 };

static const char *one(const struct vx6_settings *s, enum vx6_setting which)
{
	return s->of[which].n > 0 ? s->of[which].text[0] : NULL;
}

static vx6_err wrong(char *detail, const char *flag, const char *value, const char *why)
{
	snprintf(detail, VX6_SETTINGS_DETAIL, "--%s %.120s: %s", flag, value, why);
	return VX6_ERR(INVALID);
}

static vx6_err make_paths(const struct vx6_settings *s, struct vx6_agent_config *out, char *detail)
{
	const char *given = one(s, VX6_SETTING_STATE_DIR);
	size_t n = 0;

	if (given)
		n = vx6_strlcpy(out->state_dir, given, sizeof out->state_dir);
	else if (!vx6_state_dir_default(out->state_dir, sizeof out->state_dir))
		return wrong(detail, "state-dir", "(none)",
			     "no home directory; say where state belongs");
	if (n >= sizeof out->state_dir)
		return wrong(detail, "state-dir", given, "the path is too long");
	while (n > 1 && out->state_dir[n - 1] == '/')
		out->state_dir[--n] = 0;
	snprintf(out->socket, sizeof out->socket, "%s/api.sock", out->state_dir);
	snprintf(out->token, sizeof out->token, "%s/admin.token", out->state_dir);
	out->node.state_dir = out->state_dir;
	out->api.socket_path = out->socket;
	out->api.token_path = out->token;
	return VX6_OK;
}

static vx6_err make_listen(const struct vx6_settings *s, struct vx6_agent_config *out, char *detail)
{
	const struct vx6_setting_values *v = &s->of[VX6_SETTING_LISTEN];

	for (size_t i = 0; i < v->n; i++) {
		struct vx6_addr *a = &out->node.listen[out->node.listen_n];

		if (strcmp(v->text[i], "none") == 0) {
			out->node.listen_n = 0; /* takes back what stands before it */
			continue;
		}
		if (out->node.listen_n == VX6_LISTEN_MAX)
			return wrong(detail, "listen", v->text[i], "too many addresses");
		if (!vx6_is_ok(vx6_addr_parse(v->text[i], a)) || a->family != VX6_ADDR_IP)
			return wrong(detail, "listen", v->text[i],
				     "write [::]:4242, 0.0.0.0:4242 or none");
		out->node.listen_n++;
	}
	if (v->n == 0)
		return vx6_addr_parse("[::]:4242", &out->node.listen[out->node.listen_n++]);
	return VX6_OK;
}

static vx6_err make_api_access(const struct vx6_settings *s, struct vx6_agent_config *out,
			       char *detail)
{
	const char *group = one(s, VX6_SETTING_API_OPERATORS),
		   *others = one(s, VX6_SETTING_API_OTHERS);

	(void)vx6_strlcpy(out->operators, group ? group : "vx6-operators", sizeof out->operators);
	out->api.operators = out->operators;
	out->api.operators_named = group != NULL;
	if (group && !getgrnam(group))
		return wrong(detail, "api-operators", group, "there is no such group");
	if (others && strcmp(others, "none") != 0 && strcmp(others, "viewer") != 0)
		return wrong(detail, "api-others", others, "write none or viewer");
	out->api.others_view = others && strcmp(others, "viewer") == 0;
	return VX6_OK;
}

static vx6_err make_api(const struct vx6_settings *s, struct vx6_agent_config *out, char *detail)
{
	const struct vx6_setting_values *v = &s->of[VX6_SETTING_API_LISTEN];

	for (size_t i = 0; i < v->n; i++) {
		struct vx6_addr *a = &out->api.listen[out->api.listen_n];

		if (strcmp(v->text[i], "none") == 0) {
			out->api.listen_n = 0;
			continue;
		}
		if (out->api.listen_n == VX6_API_LISTEN_MAX)
			return wrong(detail, "api-listen", v->text[i], "too many addresses");
		if (!vx6_is_ok(vx6_addr_parse(v->text[i], a)) || a->family != VX6_ADDR_IP)
			return wrong(detail, "api-listen", v->text[i],
				     "write 127.0.0.1:4866, [::1]:4866 or none");
		if (!vx6_addr_is_loopback(a))
			return wrong(detail, "api-listen", v->text[i],
				     "the API listens on this host only; reach it from elsewhere "
				     "by publishing it as a service");
		out->api.listen_n++;
	}
	if (v->n == 0)
		return vx6_addr_parse("127.0.0.1:4866", &out->api.listen[out->api.listen_n++]);
	return VX6_OK;
}

static vx6_err make_peers(const struct vx6_settings *s, struct vx6_agent_config *out, char *detail)
{
	const struct vx6_setting_values *v = &s->of[VX6_SETTING_PEER];

	for (size_t i = 0; i < v->n; i++) {
		struct vx6_peer_spec *p = &out->node.peers[out->node.peers_n];
		const char *at = strchr(v->text[i], '@'), *addr = at ? at + 1 : v->text[i];
		char id[VX6_NODE_ID_TEXT];

		if (out->node.peers_n == VX6_CONFIG_PEERS_MAX)
			return wrong(detail, "peer", v->text[i], "too many peers");
		p->enabled = true;
		if (at) {
			size_t n = VX6_MIN((size_t)(at - v->text[i]), sizeof id - 1);

			memcpy(id, v->text[i], n);
			id[n] = 0;
			if (!vx6_is_ok(vx6_node_id_parse(id, &p->node_id)))
				return wrong(detail, "peer", v->text[i],
					     "what stands before @ is not a node id (vx1…)");
			p->has_node_id = true;
		}
		if (!vx6_is_ok(vx6_addr_parse(addr, &p->addrs[0])) ||
		    p->addrs[0].family != VX6_ADDR_IP || p->addrs[0].port == 0)
			return wrong(detail, "peer", v->text[i],
				     "write [fd00::1]:4242 or vx1…@[fd00::1]:4242");
		p->addrs_n = 1;
		out->node.peers_n++;
	}
	return VX6_OK;
}

static vx6_err read_passphrase(const char *path, struct vx6_agent_config *out, char *detail)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return wrong(detail, "passphrase-file", path, strerror(errno));
	if (fstat(fd, &st) < 0 || (S_ISREG(st.st_mode) && (st.st_mode & 077))) {
		close(fd);
		return wrong(detail, "passphrase-file", path,
			     "others can read it; run chmod 600 on it");
	}
	out->passphrase = vx6_zalloc(PASSPHRASE_MAX + 1);
	n = read(fd, out->passphrase, PASSPHRASE_MAX);
	close(fd);
	while (n > 0 && (out->passphrase[n - 1] == '\n' || out->passphrase[n - 1] == '\r'))
		out->passphrase[--n] = 0;
	if (n <= 0)
		return wrong(detail, "passphrase-file", path, "it is empty");
	out->node.passphrase = out->passphrase;
	return VX6_OK;
}

static vx6_err make_switch(const struct vx6_settings *s, enum vx6_setting which, const char *flag,
			   bool *out, char *detail)
{
	const char *text = one(s, which);

	if (text && strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
		return wrong(detail, flag, text, "it is true or false");
	*out = text && strcmp(text, "true") == 0;
	return VX6_OK;
}

static vx6_err make_choices(const struct vx6_settings *s, struct vx6_agent_config *out,
			    char *detail)
{
	const char *transport = one(s, VX6_SETTING_TRANSPORT),
		   *level = one(s, VX6_SETTING_LOG_LEVEL), *format = one(s, VX6_SETTING_LOG_FORMAT);

	out->log_level = VX6_LOG_INFO;
	if (transport && !vx6_transport_choice_parse(transport, &out->node.transport))
		return wrong(detail, "transport", transport, "it is auto, quic or tcp");
	if (level && !vx6_log_level_parse(level, &out->log_level))
		return wrong(detail, "log-level", level, "it is error, warn, info, debug or trace");
	if (format && !vx6_log_format_parse(format, &out->log_format))
		return wrong(detail, "log-format", format, "it is text, logfmt, json or journald");
	VX6_TRY(make_switch(s, VX6_SETTING_HIDDEN_KEEP_ROLES, "hidden-keep-roles",
			    &out->node.hidden_keep_roles, detail));
	return make_switch(s, VX6_SETTING_ALLOW_NON_LOOPBACK, "allow-non-loopback",
			   &out->node.allow_non_loopback, detail);
}

/* @return its place among the words; -1: none of them */
static int word_at(const char *const *words, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(words[i], text) == 0)
			return (int)i;
	return -1;
}

static vx6_err make_discovery(const struct vx6_settings *s, struct vx6_agent_config *out,
			      char *detail)
{
	static const char *const modes[] = {[VX6_DHT_MODE_AUTO] = "auto",
					    [VX6_DHT_MODE_SERVER] = "server",
					    [VX6_DHT_MODE_CLIENT] = "client",
					    [VX6_DHT_MODE_OFF] = "off"};
	static const char *const diversities[] = {[VX6_DIVERSITY_AUTO] = "auto",
						  [VX6_DIVERSITY_OFF] = "off",
						  [VX6_DIVERSITY_PREFIX] = "prefix",
						  [VX6_DIVERSITY_ASN] = "asn"};
	const char *dht = one(s, VX6_SETTING_DHT), *diversity = one(s, VX6_SETTING_DIVERSITY);
	const char *lan = one(s, VX6_SETTING_LAN), *map = one(s, VX6_SETTING_ASN_MAP);
	int mode = dht ? word_at(modes, VX6_ARRAY_N(modes), dht) : VX6_DHT_MODE_AUTO;
	int rule = diversity ? word_at(diversities, VX6_ARRAY_N(diversities), diversity)
			     : VX6_DIVERSITY_AUTO;

	if (mode < 0)
		return wrong(detail, "dht", dht, "it is auto, server, client or off");
	if (rule < 0)
		return wrong(detail, "diversity", diversity, "it is auto, off, prefix or asn");
	if (map && access(map, R_OK) != 0)
		return wrong(detail, "asn-map", map, strerror(errno));
	if (rule == VX6_DIVERSITY_ASN && !map)
		return wrong(detail, "diversity", "asn", "give the map too: --asn-map FILE");
	if (lan && strcmp(lan, "on") != 0 && strcmp(lan, "off") != 0 && strcmp(lan, "true") != 0 &&
	    strcmp(lan, "false") != 0)
		return wrong(detail, "lan", lan, "it is on or off");
	out->node.dht = (enum vx6_dht_mode)mode;
	out->node.diversity = (enum vx6_diversity)rule;
	out->node.asn_map = map;
	out->node.lan_off = lan && (strcmp(lan, "off") == 0 || strcmp(lan, "false") == 0);
	return VX6_OK;
}

/* @param out where the number goes @param said set when there is one */
static vx6_err make_number(const struct vx6_settings *s, enum vx6_setting which, const char *flag,
			   uint32_t min, uint32_t max, uint32_t *out, bool *said, char *detail)
{
	const char *text = one(s, which);
	unsigned long n;
	char why[48];

	if (!text)
		return VX6_OK;
	n = strlen(text) < 10 && strspn(text, "0123456789") == strlen(text) && *text
		    ? strtoul(text, NULL, 10)
		    : ULONG_MAX;
	snprintf(why, sizeof why, "it is a number from %u to %u", min, max);
	if (n < min || n > max)
		return wrong(detail, flag, text, why);
	*out = (uint32_t)n;
	*said = true;
	return VX6_OK;
}

static vx6_err make_relay(const struct vx6_settings *s, struct vx6_agent_config *out, char *detail)
{
	struct vx6_relaying_change *c = &out->node.relay;
	const char *mode = one(s, VX6_SETTING_RELAY);

	if (mode && !vx6_relaying_parse(mode, &c->to.mode))
		return wrong(detail, "relay", mode, "it is public, private or off");
	c->has_mode = mode != NULL;
	VX6_TRY(make_number(s, VX6_SETTING_RELAY_CIRCUITS, "relay-circuits", 1,
			    VX6_RELAYING_CIRCUITS_MAX, &c->to.circuits, &c->has_circuits, detail));
	VX6_TRY(make_number(s, VX6_SETTING_RELAY_MEMORY, "relay-memory", VX6_RELAYING_MEMORY_MB_MIN,
			    VX6_RELAYING_MEMORY_MB_MAX, &c->to.memory_mb, &c->has_memory, detail));
	VX6_TRY(make_number(s, VX6_SETTING_RELAY_RATE, "relay-rate", 0, VX6_RELAYING_RATE_MBIT_MAX,
			    &c->to.rate_mbit, &c->has_rate, detail));
	out->node.relay_family = one(s, VX6_SETTING_RELAY_FAMILY);
	if (out->node.relay_family && (strlen(out->node.relay_family) < 8 ||
				       strlen(out->node.relay_family) > VX6_RELAY_FAMILY_TEXT))
		return wrong(
			detail, "relay-family", "(not shown)",
			"it is a text of 8 to 128 bytes that all relays of one operator share");
	return VX6_OK;
}

static vx6_err make_passphrase(const struct vx6_settings *s, struct vx6_agent_config *out,
			       char *detail)
{
	const char *path = one(s, VX6_SETTING_PASSPHRASE_FILE);

	return path ? read_passphrase(path, out, detail) : VX6_OK;
}

static vx6_err make_name(const struct vx6_settings *s, struct vx6_agent_config *out, char *detail)
{
	out->node.name = one(s, VX6_SETTING_NAME);
	if (out->node.name && !vx6_label_is_valid(out->node.name, strlen(out->node.name)))
		return wrong(detail, "name", out->node.name,
			     "use a-z, 0-9 and inner hyphens, at most 32 of them");
	return VX6_OK;
}

static vx6_err (*const steps[])(const struct vx6_settings *, struct vx6_agent_config *,
				char *) = {make_name,      make_paths,      make_choices,
					   make_discovery, make_relay,      make_listen,
					   make_api,       make_api_access, make_peers,
					   make_passphrase};

vx6_err vx6_agent_config_make(const struct vx6_settings *s, struct vx6_agent_config *out,
			      char *detail)
{
	memset(out, 0, sizeof *out);
	for (size_t i = 0; i < VX6_ARRAY_N(steps); i++)
		VX6_TRY(steps[i](s, out, detail));
	return VX6_OK;
}

/* Which setting a text of wrong() is about. */
static enum vx6_setting setting_of(const char *detail)
{
	char flag[VX6_SETTINGS_KEY];

	if (strncmp(detail, "--", 2) != 0)
		return VX6_SETTINGS_N;
	snprintf(flag, sizeof flag, "%.*s", (int)strcspn(detail + 2, " "), detail + 2);
	return vx6_setting_by_flag(flag);
}

void vx6_agent_config_check(const struct vx6_settings *s,
			    void (*fault)(void *user, enum vx6_setting which, const char *detail),
			    void *user)
{
	struct vx6_agent_config *out = vx6_zalloc(sizeof *out);

	for (size_t i = 0; i < VX6_ARRAY_N(steps); i++) {
		char detail[VX6_SETTINGS_DETAIL] = "";

		if (!vx6_is_ok(steps[i](s, out, detail)))
			fault(user, setting_of(detail), detail);
	}
	vx6_agent_config_fini(out);
	free(out);
}

void vx6_agent_config_fini(struct vx6_agent_config *c)
{
	if (c->passphrase)
		vx6_wipe_free(c->passphrase, PASSPHRASE_MAX + 1);
	memset(c, 0, sizeof *c);
}
