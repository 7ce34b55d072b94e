/**
 * @file addr.h
 * Socket addresses: IPv4, IPv6 and unix paths as one plain value; text form both ways.
 *
 * Layer:   base
 * Shape:   IPv4 is kept as IPv4-mapped IPv6, so one comparison serves both families.
 * Trust:   parse functions accept hostile text
 * Threads: pure, any thread
 */
#ifndef VX6_BASE_ADDR_H
#define VX6_BASE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

enum {
	VX6_ADDR_TEXT = 128,      /* bytes, NUL included: "[addr%scope]:port" or "unix:" path */
	VX6_ADDR_UNIX_PATH = 108, /* sizeof sun_path */
};

enum vx6_addr_family {
	VX6_ADDR_NONE,
	VX6_ADDR_IP,   /* ip16, port, scope */
	VX6_ADDR_UNIX, /* path */
};

struct vx6_addr {
	uint8_t family; /* enum vx6_addr_family */
	uint16_t port;  /* host order */
	uint32_t scope; /* interface index of a link-local address, else 0 */
	union {
		uint8_t ip[16]; /* network order; IPv4 as ::ffff:a.b.c.d */
		char path[VX6_ADDR_UNIX_PATH];
	};
};

/**
 * Reads "1.2.3.4:80", "[fd00::1]:80", "[fe80::1%eth0]:80", "localhost:80" (127.0.0.1) or "unix:/path". Never resolves names.
 * @return VX6_OK | FORMAT | RANGE (port 0 is accepted: listeners use it) | LIMIT (path too long)
 */
VX6_RES vx6_addr_parse(const char *text, struct vx6_addr *out);

/** Writes the text form. @param out at least VX6_ADDR_TEXT bytes @return @p out */
char *vx6_addr_format(const struct vx6_addr *a, char out[VX6_ADDR_TEXT]);

bool vx6_addr_eq(const struct vx6_addr *a, const struct vx6_addr *b);
bool vx6_addr_same_ip(const struct vx6_addr *a, const struct vx6_addr *b);
bool vx6_addr_is_v4(const struct vx6_addr *a);
bool vx6_addr_is_any(const struct vx6_addr *a);
/** 127/8, ::1, or a unix path. */
bool vx6_addr_is_loopback(const struct vx6_addr *a);
bool vx6_addr_is_link_local(const struct vx6_addr *a);
/** RFC 1918, fc00::/7, link-local, CGNAT or loopback. */
bool vx6_addr_is_private(const struct vx6_addr *a);

/** Kinds of addresses; a set of them is of bits. */
enum vx6_addr_kind {
	VX6_ADDR_LOOPBACK = 1,
	VX6_ADDR_LINK_LOCAL = 2,
	VX6_ADDR_PRIVATE = 4,
	VX6_ADDR_GLOBAL = 8,
};
enum vx6_addr_kind vx6_addr_kind(const struct vx6_addr *a);
/**
 * The kinds that a node with the addresses @p own may dial for others: those where it is itself, and the public network. One that is in the
 * public network leads nobody into the private ones beside it.
 */
unsigned vx6_addr_kinds_for_others(const struct vx6_addr *own, size_t n);
bool vx6_addr_is_multicast(const struct vx6_addr *a);

/** Writes the address's diversity prefix: IPv6 /48, IPv4 /24, zero-padded. */
void vx6_addr_prefix(const struct vx6_addr *a, uint8_t out[16]);

/**
 * @param mapped  give an IPv4 address as AF_INET6 ::ffff:… (for a dual-stack socket) rather than as AF_INET
 * @return bytes used in @p ss, 0 when the address has no family
 */
socklen_t vx6_addr_to_sockaddr(const struct vx6_addr *a, bool mapped, struct sockaddr_storage *ss);
VX6_RES vx6_addr_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct vx6_addr *out);

#endif
