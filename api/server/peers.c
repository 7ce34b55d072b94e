#include <string.h>

#include "api/server/server_internal.h"
#include "base/util.h"

static const void *views(const struct vx6_snapshot *s, size_t *n)
{
	*n = s->peers_n;
	return s->peers;
}

/* The petname, else the name that the peer has proved to be its own choice. */
static const char *name(const void *view)
{
	const struct vx6_peer_view *v = view;

	return v->spec.name[0] ? v->spec.name : v->node_name;
}

static void encode_input(struct vx6_json *j, const void *view)
{
	const struct vx6_peer_spec *spec = &((const struct vx6_peer_view *)view)->spec;

	api_put_text(j, "name", spec->name);
	vx6_json_array(j, "addresses");
	for (size_t i = 0; i < spec->addrs_n; i++)
		api_put_addr(j, NULL, &spec->addrs[i]);
	vx6_json_end_array(j);
	api_put_node_id(j, "node_id", spec->has_node_id ? &spec->node_id : NULL);
	vx6_json_bool(j, "enabled", spec->enabled);
}

static void put_link(struct vx6_json *j, const struct vx6_peer_view *v)
{
	bool up = v->state == VX6_PEER_UP;

	api_put_text(j, "transport", up ? v->transport : "");
	if (up)
		api_put_addr(j, "remote", &v->remote);
	else
		vx6_json_str(j, "remote", NULL);
	if (up)
		vx6_json_bool(j, "inbound", v->inbound);
	else
		vx6_json_str(j, "inbound", NULL);
	api_put_rtt(j, up ? v->rtt_us : 0);
	if (up && v->tx_packets > 0)
		vx6_json_real(j, "loss_pct",
			      VX6_MIN(100.0,
				      100.0 * (double)v->lost_packets / (double)v->tx_packets));
	else
		vx6_json_str(j, "loss_pct", NULL);
	vx6_json_u64(j, "streams", v->streams);
	api_put_pair(j, "bytes", "rx", v->rx_bytes, "tx", v->tx_bytes);
}

static void encode_rest(struct vx6_json *j, const void *view, const struct vx6_snapshot *s)
{
	static const char *const states[] = {[VX6_PEER_IDLE] = "idle",
					     [VX6_PEER_DIALING] = "dialing",
					     [VX6_PEER_UP] = "up",
					     [VX6_PEER_BACKOFF] = "backoff"};
	const struct vx6_peer_view *v = view;

	vx6_json_object(j, "status");
	vx6_json_str(j, "state", states[v->state]);
	api_put_node_id(j, "node_id", v->known ? &v->node_id : NULL);
	api_put_text(j, "node_name", v->known ? v->node_name : "");
	put_link(j, v);
	api_put_time(j, "since", v->since_ms);
	api_put_text(j, "race", v->race);
	vx6_json_array(j, "services");
	for (size_t i = 0; i < v->services_n; i++)
		vx6_json_str(j, NULL, v->services[i]);
	vx6_json_end_array(j);
	api_put_failure(j, &v->last_failure);
	vx6_json_end_object(j);
}

static void decode_addresses(const struct vx6_value *list, struct vx6_peer_spec *spec,
			     struct vx6_faults *faults)
{
	for (const struct vx6_value *a = vx6_value_first(list);
	     a && spec->addrs_n < VX6_PEER_ADDRS_MAX; a = vx6_value_next(a)) {
		struct vx6_addr *addr = &spec->addrs[spec->addrs_n];
		vx6_err err = vx6_addr_parse(vx6_value_string(a), addr);

		if (!vx6_is_ok(err))
			vx6_fault_add(faults, "/addresses", vx6_err_name(err),
				      "%s is no address: %s", vx6_value_string(a),
				      vx6_err_text(err));
		else if (addr->port == 0)
			vx6_fault_add(faults, "/addresses", "range", "%s needs a port",
				      vx6_value_string(a));
		else
			spec->addrs_n++;
	}
}

static void decode(const struct vx6_value *body, struct vx6_cmd *cmd, struct vx6_faults *faults)
{
	struct vx6_peer_spec *spec = &cmd->u.peer;
	const char *petname = vx6_value_string(vx6_value_get(body, "name"));
	const char *node_id = vx6_value_string(vx6_value_get(body, "node_id"));

	vx6_strlcpy(spec->name, petname ? petname : "", sizeof spec->name);
	decode_addresses(vx6_value_get(body, "addresses"), spec, faults);
	spec->has_node_id = node_id && api_get_node_id(node_id, "/node_id", &spec->node_id, faults);
	spec->enabled = vx6_value_bool(vx6_value_get(body, "enabled"), true);
	if (spec->addrs_n == 0 && !node_id && faults->n == 0)
		vx6_fault_add(faults, "/addresses", "minItems",
			      "needs an address, or a node_id to resolve");
}

const struct api_resource api_peers = {
	.kind = "peer",
	.path = "/v1/peers",
	.rows = VX6_RESOURCE_PEER,
	.input_schema = "PeerInput",
	.create = VX6_CMD_PEER_CREATE,
	.update = VX6_CMD_PEER_UPDATE,
	.remove = VX6_CMD_PEER_DELETE,
	.size = sizeof(struct vx6_peer_view),
	.views = views,
	.name = name,
	.encode_input = encode_input,
	.encode_rest = encode_rest,
	.decode = decode,
};
