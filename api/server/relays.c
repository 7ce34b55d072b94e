/* Relays: other nodes as such, and what this node does for the circuits of others. */
#include "api/server/server_internal.h"
#include "base/util.h"

/* ---- other nodes ---- */

static void put_policy(struct vx6_json *j, uint32_t policy)
{
	static const struct {
		uint32_t bit;
		const char *word;
	} known[] = {{VX6_RELAY_GUARD, "guard"},      {VX6_RELAY_MIDDLE, "middle"},
		     {VX6_RELAY_END, "end"},          {VX6_RELAY_DHT_PROXY, "dht_proxy"},
		     {VX6_RELAY_NEST, "single_pass"}, {VX6_RELAY_INTRO, "intro"},
		     {VX6_RELAY_REND, "rendezvous"},  {VX6_RELAY_DRAINING, "draining"}};

	vx6_json_array(j, "policy");
	for (size_t i = 0; i < VX6_ARRAY_N(known); i++)
		if (policy & known[i].bit)
			vx6_json_str(j, NULL, known[i].word);
	vx6_json_end_array(j);
}

static char *encode_relay(const struct vx6_page *p, size_t i)
{
	static const char *const standings[] = {[VX6_STANDING_CANDIDATE] = "candidate",
						[VX6_STANDING_YOUNG] = "young",
						[VX6_STANDING_FAILING] = "failing",
						[VX6_STANDING_DRAINING] = "draining",
						[VX6_STANDING_UNUSABLE] = "unusable"};
	const struct vx6_relay_row *v = &p->u.relays[i];
	struct vx6_json j = {0};

	vx6_json_object(&j, NULL);
	api_put_node_id(&j, "id", &v->node);
	vx6_json_str(&j, "kind", "relay");
	api_put_node_id(&j, "node_id", &v->node);
	api_put_text(&j, "name", v->name);
	api_put_addr(&j, "address", &v->address);
	put_policy(&j, v->policy);
	vx6_json_str(&j, "standing", standings[v->standing]);
	api_put_count(&j, "asn", v->asn != 0, v->asn);
	api_put_rtt(&j, v->rtt_us);
	api_put_count(&j, "capacity_bytes_per_s", v->capacity_bytes_s != 0, v->capacity_bytes_s);
	vx6_json_real(&j, "successes", VX6_MAX(v->successes, 0.0));
	vx6_json_real(&j, "failures", VX6_MAX(v->failures, 0.0));
	vx6_json_real(&j, "share", VX6_MIN(VX6_MAX(v->weight, 0.0), 1.0));
	api_put_count(&j, "guard", v->guard != 0, v->guard);
	vx6_json_str(&j, "guard_state", v->guard_state);
	api_put_time(&j, "first_seen", v->first_seen_ms);
	api_put_time(&j, "last_used", v->last_used_ms);
	vx6_json_end_object(&j);
	return vx6_json_take(&j);
}

const struct api_rows api_relays = {.path = "/v1/relays",
				    .what = "relay known",
				    .kind = VX6_PAGE_RELAYS,
				    .encode = encode_relay};

/* ---- this node ---- */

void api_put_budget(struct vx6_json *j, const char *key, const struct vx6_relaying_budget *b)
{
	vx6_json_object(j, key);
	vx6_json_str(j, "mode", vx6_relaying_text(b->mode));
	api_put_count(j, "circuits", b->circuits != 0, b->circuits);
	api_put_count(j, "memory_mb", b->memory_mb != 0, b->memory_mb);
	api_put_count(j, "rate_mbit", b->rate_mbit != 0, b->rate_mbit);
	vx6_json_end_object(j);
}

static uint32_t number(const struct vx6_value *v, const char *key)
{
	return (uint32_t)vx6_value_number(vx6_value_get(v, key));
}

void api_get_budget(const struct vx6_value *v, struct vx6_relaying_change *out)
{
	bool all = vx6_value_is(v, VX6_JT_NULL); /* back to what is built in */
	const char *mode = vx6_value_string(vx6_value_get(v, "mode"));

	*out = (struct vx6_relaying_change){.has_mode = all || vx6_value_get(v, "mode"),
					    .has_circuits = all || vx6_value_get(v, "circuits"),
					    .has_memory = all || vx6_value_get(v, "memory_mb"),
					    .has_rate = all || vx6_value_get(v, "rate_mbit"),
					    .to.circuits = number(v, "circuits"),
					    .to.memory_mb = number(v, "memory_mb"),
					    .to.rate_mbit = number(v, "rate_mbit")};
	if (mode)
		vx6_relaying_parse(mode, &out->to.mode); /* the schema lists what it takes */
}

static void put_refused(struct vx6_json *j, const struct vx6_relaying_view *v)
{
	vx6_json_object(j, "refused");
	vx6_json_u64(j, "format", v->refused_format);
	vx6_json_u64(j, "replay", v->refused_replay);
	vx6_json_u64(j, "key", v->refused_key);
	vx6_json_u64(j, "limit", v->refused_limit);
	vx6_json_u64(j, "rate", v->refused_rate);
	vx6_json_u64(j, "policy", v->refused_policy);
	vx6_json_u64(j, "unreachable", v->refused_unreachable);
	vx6_json_end_object(j);
}

static void put_hidden(struct vx6_json *j, const struct vx6_relaying_hidden *v)
{
	vx6_json_object(j, "hidden");
	vx6_json_u64(j, "owners", v->owners);
	vx6_json_u64(j, "introductions", v->introductions);
	vx6_json_u64(j, "waiting", v->waiting);
	vx6_json_u64(j, "joined", v->joined);
	vx6_json_u64(j, "owners_total", v->owners_total);
	vx6_json_u64(j, "introduced", v->introduced);
	vx6_json_u64(j, "introduced_again", v->introduced_again);
	vx6_json_u64(j, "joined_total", v->joined_total);
	vx6_json_object(j, "refused");
	vx6_json_u64(j, "policy", v->refused_policy);
	vx6_json_u64(j, "proof", v->refused_proof);
	vx6_json_u64(j, "unknown", v->refused_unknown);
	vx6_json_u64(j, "rate", v->refused_rate);
	vx6_json_u64(j, "limit", v->refused_limit);
	vx6_json_u64(j, "timeout", v->refused_timeout);
	vx6_json_u64(j, "reuse", v->refused_reuse);
	vx6_json_end_object(j);
	vx6_json_end_object(j);
}

static void put_key(struct vx6_json *j, const struct vx6_relaying_view *v)
{
	if (v->key_since_ms == 0) {
		vx6_json_str(j, "key", NULL);
		return;
	}
	vx6_json_object(j, "key");
	api_put_time(j, "since", v->key_since_ms);
	api_put_time(j, "until", v->key_until_ms ? v->key_until_ms : v->key_since_ms);
	vx6_json_end_object(j);
}

void api_put_relaying(struct vx6_json *j, const char *key, const struct vx6_relaying_view *v)
{
	vx6_json_object(j, key);
	vx6_json_str(j, "mode", vx6_relaying_text(v->wanted.mode));
	vx6_json_bool(j, "announced", v->announced);
	vx6_json_bool(j, "draining", v->draining);
	vx6_json_object(j, "limits");
	vx6_json_u64(j, "circuits", v->wanted.circuits);
	vx6_json_u64(j, "memory_mb", v->wanted.memory_mb);
	api_put_count(j, "rate_mbit", v->wanted.rate_mbit != 0, v->wanted.rate_mbit);
	vx6_json_end_object(j);
	vx6_json_u64(j, "circuits", v->circuits);
	vx6_json_u64(j, "half_built", v->half_built);
	vx6_json_u64(j, "ending", v->ending);
	vx6_json_u64(j, "circuits_total", v->circuits_total);
	vx6_json_u64(j, "cells", v->cells);
	vx6_json_u64(j, "bytes", v->bytes);
	api_put_pair(j, "memory", "bytes", v->memory_bytes, "peak", v->memory_peak);
	vx6_json_u64(j, "creates", v->creates);
	vx6_json_u64(j, "extends", v->extends);
	put_refused(j, v);
	vx6_json_u64(j, "protocol_errors", v->protocol_errors);
	vx6_json_u64(j, "closed_for_memory", v->closed_for_memory);
	vx6_json_u64(j, "cells_dropped", v->cells_dropped);
	put_hidden(j, &v->hidden);
	put_key(j, v);
	vx6_json_end_object(j);
}
