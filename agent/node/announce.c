/*
 * What goes out: our own records, what is in them and who may see them; and what an address that came or went sets off.
 */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "node/circuits_internal.h"
#include "wire/hello.h"
#include "wire/record.h"

const char announce_seq_key[] = "record_seq";

/* ---- who may see what ---- */

static const struct vx6_service_spec *service_named(const struct vx6_node *node, const char *name)
{
	for (size_t i = 0; i < node->service_rows.n; i++) {
		const struct vx6_service_spec *spec = &node->service_rows.row[i]->spec.service;

		if (strcmp(spec->name, name) == 0)
			return spec;
	}
	return NULL;
}

bool announce_may_see(void *user, const char *service, const struct vx6_node_id *who)
{
	const struct vx6_service_spec *spec = service_named(user, service);

	if (!spec || spec->visibility != VX6_VISIBILITY_PUBLIC)
		return false;
	if (spec->access == VX6_ACCESS_ANY)
		return true;
	for (size_t k = 0; k < spec->allow_n; k++)
		if (vx6_node_id_eq(&spec->allow[k], who))
			return true;
	return false;
}

bool announce_is_public(void *user, const char *service)
{
	const struct vx6_service_spec *spec = service_named(user, service);

	return spec && spec->visibility == VX6_VISIBILITY_PUBLIC && spec->access == VX6_ACCESS_ANY;
}

void announce_seq_used(void *user, uint64_t seq)
{
	struct vx6_node *node = user;
	struct vx6_write *w = vx6_write_new();

	vx6_write_put_u64(w, announce_seq_key, seq);
	if (!vx6_is_ok(vx6_state_submit(node->state, w, NULL, NULL)))
		VX6_WARN("node", "the sequence number of our records could not be stored");
}

void announce_kept(void *user, uint8_t rtype, const char *name,
		   const struct vx6_dht_kept_info *info, bool published)
{
	struct vx6_json j = {0};

	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "type", vx6_rtype_name(rtype));
	if (name[0])
		vx6_json_str(&j, "name", name);
	vx6_json_u64(&j, "wanted", info->wanted);
	vx6_json_u64(&j, "stored", info->stored);
	vx6_json_u64(&j, "proved", info->proved);
	if (published)
		vx6_json_u64(&j, "took_ms", info->took_ms);
	vx6_json_end_object(&j);
	tell_event(user, published ? "dht.published" : "dht.degraded", "record", name,
		   vx6_json_take(&j));
}

void announce_serving(void *user, bool serving)
{
	struct vx6_node *node = user;
	struct vx6_json j = {0};

	if (node->stopping)
		return;
	node->serving = serving;
	announce_endpoint(node);
	circuits_announce(node);
	vx6_json_object(&j, NULL);
	vx6_json_bool(&j, "serving", serving);
	vx6_json_end_object(&j);
	tell_event(node, "dht.serving", "dht", "", vx6_json_take(&j));
}

/* ---- own addresses ---- */

static uint8_t via_bits(const char *transport)
{
	return strcmp(transport, "tcp") == 0 ? VX6_VIA_TCP : VX6_VIA_QUIC;
}

static void add_own(struct vx6_endpoint_addr *out, size_t *n, const struct vx6_addr *ip,
		    uint16_t port, uint8_t via)
{
	for (size_t i = 0; i < *n; i++) {
		if (vx6_addr_same_ip(&out[i].addr, ip) && out[i].addr.port == port) {
			out[i].via |= via;
			return;
		}
	}
	if (*n == VX6_ENDPOINT_ADDRS_MAX)
		return;
	out[*n] = (struct vx6_endpoint_addr){.addr = *ip, .via = via, .prio = (uint8_t)*n};
	out[(*n)++].addr.port = port;
}

size_t announce_own_addrs(struct vx6_node *node,
			  struct vx6_endpoint_addr out[static VX6_ENDPOINT_ADDRS_MAX])
{
	struct vx6_bound bound[2 * VX6_SESSION_LISTEN_MAX];
	struct vx6_addr host[VX6_HOST_ADDRS_MAX];
	size_t bound_n = vx6_sessions_bound(node->sessions, bound), host_n = vx6_host_addrs(host),
	       n = 0;

	for (size_t i = 0; i < bound_n; i++) {
		bool v4_only = vx6_addr_is_v4(&bound[i].addr);

		if (!vx6_addr_is_any(&bound[i].addr)) {
			add_own(out, &n, &bound[i].addr, bound[i].addr.port,
				via_bits(bound[i].transport));
			continue;
		}
		for (size_t k = 0; k < host_n; k++)
			if (!v4_only || vx6_addr_is_v4(&host[k]))
				add_own(out, &n, &host[k], bound[i].addr.port,
					via_bits(bound[i].transport));
	}
	return n;
}

void announce_endpoint(struct vx6_node *node)
{
	struct vx6_endpoint_addr own[VX6_ENDPOINT_ADDRS_MAX] = {0};
	size_t n = announce_own_addrs(node, own);
	uint64_t features =
		VX6_FEAT_SERVICE | VX6_FEAT_RECORDS | VX6_FEAT_EXCHANGE | VX6_FEAT_CIRCUIT;

	if (node->serving)
		features |= VX6_FEAT_DHT;
	if (node->dht_link)
		vx6_dht_link_own(node->dht_link, own, n);
	vx6_publisher_set_endpoint(node->publisher, node->name, own, n, features);
	naming_own(node);
}

/* An address that only this host reaches is nothing to tell the neighbours. */
size_t announce_beacon(void *user, uint8_t *out, size_t cap)
{
	struct vx6_endpoint_addr own[VX6_ENDPOINT_ADDRS_MAX];
	struct vx6_node *node = user;
	size_t n = announce_own_addrs(node, own);

	for (size_t i = 0; i < n; i++)
		if (!vx6_addr_is_loopback(&own[i].addr))
			return vx6_publisher_endpoint(node->publisher, out, cap);
	return 0;
}

void announce_network_changed(void *user)
{
	struct vx6_node *node = user;

	if (node->draining)
		return;
	VX6_INFO("node", "addresses of this host changed");
	vx6_sessions_rebind(node->sessions);
	vx6_reattach_moved(node->reattach);
	vx6_guards_moved(node->guards);
	vx6_circuits_moved(node->circuits);
	announce_endpoint(node);
	vx6_peers_hurry(node->peers);
	vx6_entry_hurry(node->entry);
	if (node->lan)
		vx6_lan_changed(node->lan);
	tell_event(node, "address.changed", "node", "", NULL);
}
