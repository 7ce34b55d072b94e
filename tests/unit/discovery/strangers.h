/* Nodes by the thousand: records with sound framing whose signatures nobody looks at, given to a registry as if they came from a disk. */
#ifndef TESTS_UNIT_DISCOVERY_STRANGERS_H
#define TESTS_UNIT_DISCOVERY_STRANGERS_H

#include "discovery/registry.h"

struct vx6_node_id stranger_id(uint32_t nth);
/* Endpoint record with one address and a name. @return bytes */
size_t stranger_endpoint(uint32_t nth, uint64_t seq, uint64_t issued_s,
			 uint8_t out[static VX6_ENDPOINT_MAX]);
void stranger_give(struct vx6_registry *r, uint32_t nth, uint64_t seq, uint64_t now_s);

#endif
