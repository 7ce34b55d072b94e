/* This node as a part of others' circuits: its onion keys, what it takes on, and what it says of that in its relay info. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "node/circuits_internal.h"

/* ---- what is said of it ---- */

/* A node that others can not reach is of no use as a relay. That it serves the DHT is the proof that they can. */
static bool is_reachable(const struct vx6_node *node)
{
	return node->cfg.listen_n > 0 && (node->serving || node->cfg.dht == VX6_DHT_MODE_OFF);
}

static uint32_t policy_of(const struct vx6_node *node)
{
	uint32_t policy = VX6_RELAY_END | VX6_RELAY_NEST;

	if (!node->hidden_roles_off && node->stored.relay.mode == VX6_RELAYING_PUBLIC &&
	    is_reachable(node)) {
		policy |= VX6_RELAY_GUARD | VX6_RELAY_MIDDLE | VX6_RELAY_INTRO | VX6_RELAY_REND;
		if (node->dht_link)
			policy |= VX6_RELAY_DHT_PROXY;
	}
	if (node->draining)
		policy |= VX6_RELAY_DRAINING;
	return policy;
}

bool circuits_is_proxy(const struct vx6_node *node)
{
	return policy_of(node) & VX6_RELAY_DHT_PROXY;
}

bool circuits_is_public(const struct vx6_node *node)
{
	return policy_of(node) & VX6_RELAY_MIDDLE;
}

bool circuits_own_info(const struct vx6_node *node, struct vx6_relay_info *out)
{
	struct vx6_onion_keys_view keys;

	if (!node->onion_keys)
		return false;
	*out = (struct vx6_relay_info){.node = node->identity.id, .policy = policy_of(node)};
	memcpy(out->family, node->relay_family, sizeof out->family);
	out->has_family = !vx6_ct_is_zero(out->family, sizeof out->family);
	vx6_onion_keys_view(node->onion_keys, &keys);
	for (size_t i = 0; i < keys.n && i < VX6_ONION_KEYS_MAX; i++) {
		memcpy(out->keys[i].pk, keys.key[i].pk.b, sizeof out->keys[i].pk);
		out->keys[i].not_after_s = (uint32_t)keys.key[i].not_after_s;
	}
	out->keys_n = (uint8_t)VX6_MIN(keys.n, (size_t)VX6_ONION_KEYS_MAX);
	return true;
}

void circuits_announce(struct vx6_node *node)
{
	struct vx6_relay_info info;

	if (node->stopping || !circuits_own_info(node, &info))
		return;
	vx6_publisher_set_relay(node->publisher, &info);
}

static void on_rotated(void *user)
{
	circuits_announce(user);
}

/* ---- what the relay asks ---- */

static bool on_end(void *user, const struct vx6_relay_end *end)
{
	static const struct vx6_adopt_events nobody;
	struct vx6_node *node = user;
	const struct vx6_adopt how = {.ev = &nobody, .user = node};
	struct vx6_session *s;

	return !node->draining &&
	       vx6_is_ok(vx6_sessions_adopt(node->sessions, end->link, &how, &s));
}

/* Weighed against what is known, and not kept. */
static vx6_err on_check(void *user, const struct vx6_node_id *who, const uint8_t *record, size_t n,
			struct vx6_endpoint *out)
{
	struct vx6_node *node = user;
	const struct vx6_hwm_store marks = vx6_hwm_reading(&node->hwm);
	const struct vx6_admit admit = {.net = &node->identity.net,
					.store = &marks,
					.now_s = vx6_wall_s(),
					.expect = who};
	struct vx6_admission a;

	VX6_TRY(vx6_record_admit(&admit, record, n, &a));
	if (a.result == VX6_ADMIT_EQUIVOCATION)
		return VX6_ERR(EQUIVOCATION);
	if (a.result == VX6_ADMIT_STALE)
		return vx6_registry_endpoint(node->registry, who, admit.now_s, out)
			       ? VX6_OK
			       : VX6_ERR(STALE);
	return vx6_endpoint_read(&a.record, out);
}

static bool known_endpoint(void *user, const struct vx6_node_id *who, struct vx6_endpoint *out)
{
	const struct vx6_node *node = user;

	return vx6_registry_endpoint(node->registry, who, vx6_wall_s(), out);
}

static size_t own_addrs(void *user, struct vx6_addr *out, size_t cap)
{
	struct vx6_endpoint_addr own[VX6_ENDPOINT_ADDRS_MAX] = {0};
	size_t n = VX6_MIN(announce_own_addrs(user, own), cap);

	for (size_t i = 0; i < n; i++)
		out[i] = own[i].addr;
	return n;
}

static bool is_peer(void *user, const struct vx6_node_id *who)
{
	const struct vx6_node *node = user;

	return vx6_peers_has_node(node->peers, who);
}

static const struct vx6_relay_events relay_events = {
	.end = on_end,
	.check = on_check,
	.endpoint = known_endpoint,
	.own_addrs = own_addrs,
	.is_peer = is_peer,
};

/* ---- the budget ---- */

static size_t memory_of(const struct vx6_relaying_budget *wanted)
{
	struct vx6_relaying_budget whole = vx6_relaying_whole(wanted);

	return (size_t)whole.memory_mb * 1024 * 1024;
}

void circuits_set_budget(struct vx6_node *node, const struct vx6_relaying_budget *budget)
{
	const struct vx6_relaying_budget given = hidden_roles_budget(node, budget);
	struct vx6_relay_stats now;

	node->snapshot_dirty = true;
	vx6_hop_sched_set_memory(node->hop_sched, memory_of(&given));
	vx6_relay_stats(node->relay, &now);
	vx6_relay_set_budget(node->relay, &given);
	if (given.mode == VX6_RELAYING_OFF && now.middle > 0)
		circuits_tell_draining(node, now.middle);
	circuits_announce(node);
}

void circuits_relay_upkeep(struct vx6_node *node)
{
	struct vx6_hop_sched_stats s;

	vx6_hop_sched_stats(node->hop_sched, &s);
	if (s.oom > node->relay_oom)
		circuits_tell_budget(node, s.bytes_peak, (uint32_t)(s.oom - node->relay_oom));
	node->relay_oom = s.oom;
}

static void hidden_view(const struct vx6_relay_stats *s, struct vx6_relaying_hidden *out)
{
	*out = (struct vx6_relaying_hidden){
		.owners = s->intro,
		.introductions = s->introductions,
		.waiting = s->cookies,
		.joined = s->joined,
		.owners_total = s->intro_total,
		.introduced = s->introduced,
		.introduced_again = s->introduced_again,
		.joined_total = s->joined_total,
		.refused_policy = s->hs_refused[VX6_RELAY_HS_POLICY],
		.refused_proof = s->hs_refused[VX6_RELAY_HS_PROOF],
		.refused_unknown = s->hs_refused[VX6_RELAY_HS_UNKNOWN],
		.refused_rate = s->hs_refused[VX6_RELAY_HS_RATE],
		.refused_limit = s->hs_refused[VX6_RELAY_HS_LIMIT],
		.refused_timeout = s->hs_refused[VX6_RELAY_HS_TIMEOUT],
		.refused_reuse = s->hs_refused[VX6_RELAY_HS_REUSE],
	};
}

void circuits_relaying_view(struct vx6_node *node, struct vx6_relaying_view *out)
{
	struct vx6_onion_keys_view keys;
	struct vx6_hop_sched_stats mem;
	struct vx6_relay_stats s;

	*out = (struct vx6_relaying_view){.wanted = vx6_relaying_whole(&node->stored.relay)};
	if (!node->relay)
		return;
	vx6_relay_stats(node->relay, &s);
	vx6_hop_sched_stats(node->hop_sched, &mem);
	vx6_onion_keys_view(node->onion_keys, &keys);
	out->announced = policy_of(node) & VX6_RELAY_MIDDLE;
	out->draining = s.draining;
	out->circuits = s.circuits;
	out->half_built = s.half;
	out->ending = s.end;
	out->circuits_total = s.circuits_total;
	out->cells = s.cells_forward + s.cells_back;
	out->bytes = out->cells * VX6_CELL_BYTES;
	out->memory_bytes = mem.bytes;
	out->memory_peak = mem.bytes_peak;
	out->creates = s.creates_ok;
	out->extends = s.extends_ok;
	out->refused_format = s.creates_refused[VX6_RELAY_CREATE_FORMAT] +
			      s.extends_refused[VX6_RELAY_EXTEND_RECORD];
	out->refused_replay = s.creates_refused[VX6_RELAY_CREATE_REPLAY];
	out->refused_key = s.creates_refused[VX6_RELAY_CREATE_KEY];
	out->refused_limit = s.creates_refused[VX6_RELAY_CREATE_LIMIT] +
			     s.extends_refused[VX6_RELAY_EXTEND_LIMIT];
	out->refused_rate = s.creates_refused[VX6_RELAY_CREATE_RATE];
	out->refused_policy = s.creates_refused[VX6_RELAY_CREATE_POLICY] +
			      s.extends_refused[VX6_RELAY_EXTEND_POLICY];
	out->refused_unreachable = s.extends_refused[VX6_RELAY_EXTEND_UNREACHABLE] +
				   s.extends_refused[VX6_RELAY_EXTEND_UNKNOWN] +
				   s.extends_refused[VX6_RELAY_EXTEND_TIMEOUT];
	out->protocol_errors = s.violations;
	out->closed_for_memory = s.oom;
	out->cells_dropped = s.cells_dropped;
	hidden_view(&s, &out->hidden);
	if (keys.n > 0) {
		out->key_since_ms = keys.key[0].since_s * 1000;
		out->key_until_ms = keys.key[0].not_after_s * 1000;
	}
}

/* ---- life ---- */

/* Only those who know the text can say that they are of the family. */
static void choose_family(struct vx6_node *node)
{
	const char *text = node->cfg.relay_family;
	struct vx6_hash h;

	if (!text)
		return;
	vx6_hash_personal("VX6-family", text, strlen(text), &h);
	memcpy(node->relay_family, h.b, sizeof node->relay_family);
	node->cfg.relay_family = NULL;
}

void circuits_relay_start(struct vx6_node *node)
{
	choose_family(node);
	node->hop_sched = vx6_hop_sched_new(node->loop, memory_of(&node->stored.relay));
	node->onion_keys = vx6_onion_keys_new(&(struct vx6_onion_keys_config){
		.loop = node->loop,
		.rotated = on_rotated,
		.user = node,
	});
	node->relay = vx6_relay_new(&(struct vx6_relay_config){
		.loop = node->loop,
		.identity = &node->identity,
		.sessions = node->sessions,
		.sched = node->hop_sched,
		.keys = node->onion_keys,
		.events = &relay_events,
		.user = node,
		.budget = hidden_roles_budget(node, &node->stored.relay),
	});
}

void circuits_drain(struct vx6_node *node, uint32_t ms)
{
	if (!node->relay)
		return;
	circuits_announce(node);
	vx6_circuits_drain(node->circuits);
	vx6_relay_drain(node->relay, ms);
}

void circuits_relay_stop(struct vx6_node *node)
{
	vx6_relay_free(node->relay);
	node->relay = NULL;
}

void circuits_relay_fini(struct vx6_node *node)
{
	vx6_hop_sched_free(node->hop_sched);
	vx6_onion_keys_free(node->onion_keys);
}
