/**
 * @file netmask.h
 * Where a caller must come from: a network, an address, or the unix socket.
 *
 * Spec:    schemas/api/Token.json (allow_from)
 * Layer:   api
 * Trust:   the text is hostile
 * Threads: pure
 */
#ifndef VX6_API_SERVER_NETMASK_H
#define VX6_API_SERVER_NETMASK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

struct vx6_netmask {
	bool is_unix;
	uint8_t ip[16]; /* as struct vx6_addr */
	uint8_t bits;   /* of it that count */
};

/** Reads "192.0.2.0/24", "fd00::/8", an address, or "unix". @return false: it is none of these */
bool vx6_netmask_parse(const char *text, struct vx6_netmask *out);

/** @param from NULL: the unix socket */
bool vx6_netmask_has(const struct vx6_netmask *m, const struct vx6_addr *from);

#endif
