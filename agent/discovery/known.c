#include "discovery/known.h"

#include "base/clock.h"

unsigned vx6_via_of(enum vx6_transport_choice choice)
{
	if (choice == VX6_TRANSPORT_QUIC_ONLY)
		return VX6_DIAL_QUIC;
	return choice == VX6_TRANSPORT_TCP_ONLY ? VX6_DIAL_TCP : VX6_DIAL_ANY;
}

static bool is_local_network(const struct vx6_sessions *m)
{
	struct vx6_bound bound[2 * VX6_SESSION_LISTEN_MAX];
	size_t n = vx6_sessions_bound(m, bound);

	for (size_t i = 0; i < n; i++)
		if (vx6_addr_is_loopback(&bound[i].addr))
			return true;
	return false;
}

bool vx6_known_may_dial(const struct vx6_sessions *m, const struct vx6_addr *a)
{
	return a->family == VX6_ADDR_IP && a->port != 0 && !vx6_addr_is_any(a) &&
	       !vx6_addr_is_multicast(a) && (!vx6_addr_is_loopback(a) || is_local_network(m));
}

void vx6_known_tidy(struct vx6_dial_request *req)
{
	size_t n = 0;

	for (size_t i = 0; i < req->addrs_n; i++) {
		bool seen = req->via[i] == 0;

		for (size_t j = 0; j < n && !seen; j++)
			seen = vx6_addr_eq(&req->addrs[j], &req->addrs[i]) &&
			       (req->via[i] & ~req->via[j]) == 0;
		if (seen)
			continue;
		req->addrs[n] = req->addrs[i];
		req->via[n++] = req->via[i];
	}
	req->addrs_n = n;
}

void vx6_known_addrs(const struct vx6_peers *peers, const struct vx6_registry *registry,
		     const struct vx6_node_id *node, unsigned via, struct vx6_dial_request *req)
{
	struct vx6_endpoint e;

	/* what the operator configured comes first: records are claims */
	vx6_peers_addrs(peers, node, req);
	for (size_t i = 0; i < req->addrs_n; i++)
		req->via[i] = (uint8_t)(req->via[i] & via);
	/* not the key of its record: that may have been renewed since, and HELLO proves the node with any of its keys */
	if (vx6_registry_endpoint(registry, node, vx6_wall_s(), &e)) {
		for (size_t i = 0; i < e.n_addrs && req->addrs_n < VX6_DIAL_ADDRS_MAX; i++) {
			req->addrs[req->addrs_n] = e.addrs[i].addr;
			req->via[req->addrs_n++] = (uint8_t)(e.addrs[i].via & via);
		}
	}
	vx6_known_tidy(req);
}
