#include "transport/guard.h"

#include "base/util.h"
#include "crypto/secret.h"

void vx6_guard_init(struct vx6_guard *g, uint32_t per_s)
{
	*g = (struct vx6_guard){.per_s = per_s};
	vx6_random_bytes(g->key.b, sizeof g->key.b);
}

bool vx6_guard_admit(struct vx6_guard *g, const struct vx6_addr *from, uint64_t now_ms)
{
	uint8_t prefix[16];
	uint64_t *full_ms, cost_ms;

	if (!g->per_s || vx6_addr_is_loopback(from))
		return true;
	vx6_addr_prefix(from, prefix);
	full_ms = &g->slot[vx6_siphash(&g->key, prefix, sizeof prefix) % VX6_GUARD_SLOTS].full_ms;
	/* a bucket of per_s tokens fills in one second, so a token is 1000 / per_s ms of its time */
	cost_ms = VX6_MAX(1000 / g->per_s, 1);
	if (*full_ms < now_ms)
		*full_ms = now_ms;
	if (*full_ms - now_ms > 1000 - VX6_MIN(cost_ms, 1000))
		return false;
	*full_ms += cost_ms;
	return true;
}
