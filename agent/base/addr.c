#include "base/addr.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/util.h"

static const uint8_t v4_mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static vx6_err parse_port(const char *text, uint16_t *out)
{
	unsigned value = 0;
	size_t n = strlen(text);

	if (n == 0 || n > 5)
		return VX6_ERR(FORMAT);
	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return VX6_ERR(FORMAT);
		value = value * 10 + (unsigned)(text[i] - '0');
	}
	if (value > 65535)
		return VX6_ERR(RANGE);
	*out = (uint16_t)value;
	return VX6_OK;
}

static vx6_err parse_unix(const char *path, struct vx6_addr *out)
{
	if (path[0] == 0)
		return VX6_ERR(FORMAT);
	out->family = VX6_ADDR_UNIX;
	if (vx6_strlcpy(out->path, path, sizeof out->path) >= sizeof out->path)
		return VX6_ERR(LIMIT);
	return VX6_OK;
}

static vx6_err parse_host(char *host, bool bracketed, struct vx6_addr *out)
{
	char *zone;

	out->family = VX6_ADDR_IP;
	if (!bracketed) {
		if (strcmp(host, "localhost") == 0)
			host = (char *)"127.0.0.1";
		memcpy(out->ip, v4_mapped, sizeof v4_mapped);
		return inet_pton(AF_INET, host, out->ip + 12) == 1 ? VX6_OK : VX6_ERR(FORMAT);
	}
	zone = strchr(host, '%');
	if (zone) {
		*zone++ = 0;
		out->scope = if_nametoindex(zone);
		if (out->scope == 0)
			return VX6_ERR(FORMAT);
	}
	return inet_pton(AF_INET6, host, out->ip) == 1 ? VX6_OK : VX6_ERR(FORMAT);
}

static vx6_err parse_ip(const char *text, struct vx6_addr *out)
{
	char copy[VX6_ADDR_TEXT], *host = copy, *colon, *close;
	bool bracketed = text[0] == '[';

	if (vx6_strlcpy(copy, text, sizeof copy) >= sizeof copy)
		return VX6_ERR(LIMIT);
	colon = strrchr(copy, ':');
	if (!colon)
		return VX6_ERR(FORMAT);
	*colon = 0;
	if (bracketed) {
		close = strrchr(copy, ']');
		if (!close || close[1] != 0)
			return VX6_ERR(FORMAT);
		*close = 0;
		host = copy + 1;
	}
	VX6_TRY(parse_port(colon + 1, &out->port));
	return parse_host(host, bracketed, out);
}

vx6_err vx6_addr_parse(const char *text, struct vx6_addr *out)
{
	struct vx6_addr a = {0};

	VX6_TRY(strncmp(text, "unix:", 5) == 0 ? parse_unix(text + 5, &a) : parse_ip(text, &a));
	*out = a;
	return VX6_OK;
}

char *vx6_addr_format(const struct vx6_addr *a, char out[VX6_ADDR_TEXT])
{
	char ip[INET6_ADDRSTRLEN], zone[IF_NAMESIZE + 12] = "";

	if (a->family == VX6_ADDR_UNIX) {
		snprintf(out, VX6_ADDR_TEXT, "unix:%s", a->path);
	} else if (a->family != VX6_ADDR_IP) {
		vx6_strlcpy(out, "none", VX6_ADDR_TEXT);
	} else if (vx6_addr_is_v4(a)) {
		inet_ntop(AF_INET, a->ip + 12, ip, sizeof ip);
		snprintf(out, VX6_ADDR_TEXT, "%s:%u", ip, a->port);
	} else {
		inet_ntop(AF_INET6, a->ip, ip, sizeof ip);
		if (a->scope) {
			char name[IF_NAMESIZE];

			if (if_indextoname(a->scope, name))
				snprintf(zone, sizeof zone, "%%%s", name);
			else
				snprintf(zone, sizeof zone, "%%%u", a->scope);
		}
		snprintf(out, VX6_ADDR_TEXT, "[%s%s]:%u", ip, zone, a->port);
	}
	return out;
}

bool vx6_addr_same_ip(const struct vx6_addr *a, const struct vx6_addr *b)
{
	return a->family == VX6_ADDR_IP && b->family == VX6_ADDR_IP && a->scope == b->scope &&
	       memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

bool vx6_addr_eq(const struct vx6_addr *a, const struct vx6_addr *b)
{
	if (a->family != b->family)
		return false;
	if (a->family == VX6_ADDR_UNIX)
		return strncmp(a->path, b->path, sizeof a->path) == 0;
	return a->family == VX6_ADDR_NONE || (a->port == b->port && vx6_addr_same_ip(a, b));
}

bool vx6_addr_is_v4(const struct vx6_addr *a)
{
	return a->family == VX6_ADDR_IP && memcmp(a->ip, v4_mapped, sizeof v4_mapped) == 0;
}

bool vx6_addr_is_any(const struct vx6_addr *a)
{
	static const uint8_t zero[16];

	if (a->family != VX6_ADDR_IP)
		return false;
	return memcmp(a->ip, zero, 16) == 0 ||
	       (vx6_addr_is_v4(a) && memcmp(a->ip + 12, zero, 4) == 0);
}

bool vx6_addr_is_loopback(const struct vx6_addr *a)
{
	static const uint8_t one[16] = {[15] = 1};

	if (a->family == VX6_ADDR_UNIX)
		return true;
	if (a->family != VX6_ADDR_IP)
		return false;
	return vx6_addr_is_v4(a) ? a->ip[12] == 127 : memcmp(a->ip, one, 16) == 0;
}

bool vx6_addr_is_link_local(const struct vx6_addr *a)
{
	if (a->family != VX6_ADDR_IP)
		return false;
	if (vx6_addr_is_v4(a))
		return a->ip[12] == 169 && a->ip[13] == 254;
	return a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0x80;
}

static bool is_private_v4(const uint8_t ip[4])
{
	return ip[0] == 10 || (ip[0] == 172 && (ip[1] & 0xf0) == 16) ||
	       (ip[0] == 192 && ip[1] == 168) || (ip[0] == 100 && (ip[1] & 0xc0) == 64);
}

bool vx6_addr_is_private(const struct vx6_addr *a)
{
	if (vx6_addr_is_loopback(a) || vx6_addr_is_link_local(a))
		return true;
	if (a->family != VX6_ADDR_IP)
		return false;
	return vx6_addr_is_v4(a) ? is_private_v4(a->ip + 12) : (a->ip[0] & 0xfe) == 0xfc;
}

enum vx6_addr_kind vx6_addr_kind(const struct vx6_addr *a)
{
	if (vx6_addr_is_loopback(a))
		return VX6_ADDR_LOOPBACK;
	if (vx6_addr_is_link_local(a))
		return VX6_ADDR_LINK_LOCAL;
	return vx6_addr_is_private(a) ? VX6_ADDR_PRIVATE : VX6_ADDR_GLOBAL;
}

unsigned vx6_addr_kinds_for_others(const struct vx6_addr *own, size_t n)
{
	unsigned kinds = 0;

	for (size_t i = 0; i < n; i++)
		if (own[i].family == VX6_ADDR_IP && !vx6_addr_is_any(&own[i]))
			kinds |= vx6_addr_kind(&own[i]);
	return kinds & VX6_ADDR_GLOBAL ? VX6_ADDR_GLOBAL : kinds | VX6_ADDR_GLOBAL;
}

bool vx6_addr_is_multicast(const struct vx6_addr *a)
{
	if (a->family != VX6_ADDR_IP)
		return false;
	return vx6_addr_is_v4(a) ? (a->ip[12] & 0xf0) == 0xe0 : a->ip[0] == 0xff;
}

void vx6_addr_prefix(const struct vx6_addr *a, uint8_t out[16])
{
	memset(out, 0, 16);
	if (a->family == VX6_ADDR_IP)
		memcpy(out, a->ip, vx6_addr_is_v4(a) ? 15 : 6);
}

socklen_t vx6_addr_to_sockaddr(const struct vx6_addr *a, bool mapped, struct sockaddr_storage *ss)
{
	struct sockaddr_un *un = (struct sockaddr_un *)(void *)ss;
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)ss;

	memset(ss, 0, sizeof *ss);
	if (a->family == VX6_ADDR_UNIX) {
		un->sun_family = AF_UNIX;
		vx6_strlcpy(un->sun_path, a->path, sizeof un->sun_path);
		return sizeof *un;
	}
	if (a->family != VX6_ADDR_IP)
		return 0;
	if (vx6_addr_is_v4(a) && !mapped) {
		in->sin_family = AF_INET;
		in->sin_port = htons(a->port);
		memcpy(&in->sin_addr, a->ip + 12, 4);
		return sizeof *in;
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(a->port);
	in6->sin6_scope_id = a->scope;
	memcpy(&in6->sin6_addr, a->ip, 16);
	return sizeof *in6;
}

vx6_err vx6_addr_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct vx6_addr *out)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)sa;
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)sa;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)sa;

	memset(out, 0, sizeof *out);
	if (sa->sa_family == AF_INET6 && len >= (socklen_t)sizeof *in6) {
		out->family = VX6_ADDR_IP;
		out->port = ntohs(in6->sin6_port);
		memcpy(out->ip, &in6->sin6_addr, 16);
		/* the kernel gives a scope for every received packet's address; it only names a host for link-local ones */
		if (vx6_addr_is_link_local(out))
			out->scope = in6->sin6_scope_id;
		return VX6_OK;
	}
	if (sa->sa_family == AF_INET && len >= (socklen_t)sizeof *in) {
		out->family = VX6_ADDR_IP;
		out->port = ntohs(in->sin_port);
		memcpy(out->ip, v4_mapped, sizeof v4_mapped);
		memcpy(out->ip + 12, &in->sin_addr, 4);
		return VX6_OK;
	}
	if (sa->sa_family == AF_UNIX && len >= (socklen_t)offsetof(struct sockaddr_un, sun_path)) {
		size_t n = (size_t)len - offsetof(struct sockaddr_un, sun_path);

		/* the kernel may give a path that fills the array without a NUL */
		out->family = VX6_ADDR_UNIX;
		memcpy(out->path, un->sun_path, VX6_MIN(n, sizeof out->path - 1));
		return VX6_OK;
	}
	return VX6_ERR(UNSUPPORTED);
}
