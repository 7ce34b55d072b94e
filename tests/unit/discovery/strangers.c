#include "tests/unit/discovery/strangers.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"

struct vx6_node_id stranger_id(uint32_t nth)
{
	struct vx6_node_id id;

	/* spread over the key space */
	for (size_t i = 0; i < sizeof id.b; i++)
		id.b[i] = (uint8_t)((nth + 1) * 2654435761U >> (i % 4 * 8)) ^ (uint8_t)i;
	memcpy(id.b + 20, &nth, sizeof nth);
	return id;
}

size_t stranger_endpoint(uint32_t nth, uint64_t seq, uint64_t issued_s,
			 uint8_t out[static VX6_ENDPOINT_MAX])
{
	static struct vx6_identity id;
	static bool ready;
	struct vx6_node_id subject = stranger_id(nth);
	struct vx6_endpoint e = {.seq = seq,
				 .issued_s = issued_s,
				 .lifetime_s = VX6_ENDPOINT_LIFETIME_S,
				 .features = 3,
				 .n_addrs = 1};
	size_t n;

	if (!ready)
		VX6_ASSERT(vx6_is_ok(vx6_identity_ephemeral(&vx6_net_default, issued_s, &id)));
	ready = true;
	snprintf(e.name, sizeof e.name, "n%u", nth);
	e.addrs[0].via = VX6_VIA_QUIC | VX6_VIA_TCP;
	VX6_ASSERT(vx6_is_ok(vx6_addr_parse("[2001:db8::1]:4242", &e.addrs[0].addr)));
	memcpy(e.addrs[0].addr.ip + 4, &nth, sizeof nth);
	VX6_ASSERT(vx6_is_ok(vx6_endpoint_build(&e, &id, out, &n)));
	memcpy(out + 8, subject.b, sizeof subject.b);
	return n;
}

void stranger_give(struct vx6_registry *r, uint32_t nth, uint64_t seq, uint64_t now_s)
{
	struct vx6_node_id subject = stranger_id(nth);
	struct vx6_hwm_key key = {.type = VX6_RTYPE_ENDPOINT};
	uint8_t bytes[VX6_ENDPOINT_MAX];
	struct vx6_hwm mark = {.seq = seq, .record = bytes};

	mark.n = stranger_endpoint(nth, seq, now_s, bytes);
	memcpy(key.subject, subject.b, sizeof key.subject);
	vx6_registry_restore(r, &key, &mark, now_s);
}
