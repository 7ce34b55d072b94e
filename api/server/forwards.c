#include <stdio.h>
#include <string.h>

#include "api/server/server_internal.h"
#include "base/util.h"

enum { NAME_TRIES = 100 };

static const void *views(const struct vx6_snapshot *s, size_t *n)
{
	*n = s->forwards_n;
	return s->forwards;
}

static const char *name(const void *view)
{
	return ((const struct vx6_forward_view *)view)->spec.name;
}

static void encode_input(struct vx6_json *j, const void *view)
{
	const struct vx6_forward_spec *spec = &((const struct vx6_forward_view *)view)->spec;
	const struct vx6_target *to = &spec->to;
	bool direct = to->address.family != VX6_ADDR_NONE;
	char text[VX6_TARGET_TEXT];

	vx6_json_str(j, "name", spec->name);
	api_put_addr(j, "listen", &spec->listen);
	vx6_json_str(j, "to", direct ? NULL : vx6_target_format(to, text));
	api_put_addr(j, "address", &to->address);
	vx6_json_str(j, "service", direct ? to->service : NULL);
	/* `vx1….web` names the node already */
	api_put_node_id(j, "node_id",
			to->has_node_id && !to->is_hidden && (direct || to->node[0]) ? &to->node_id
										     : NULL);
	vx6_json_str(j, "transport", vx6_transport_choice_text(to->transport));
	api_put_routing(j, "route", &to->route);
	vx6_json_bool(j, "enabled", spec->enabled);
}

static void encode_rest(struct vx6_json *j, const void *view, const struct vx6_snapshot *s)
{
	static const char *const phases[] = {[VX6_FORWARD_DISABLED] = "disabled",
					     [VX6_FORWARD_LISTENING] = "listening",
					     [VX6_FORWARD_FAILED] = "failed"};
	const struct vx6_forward_view *v = view;

	vx6_json_object(j, "status");
	vx6_json_str(j, "phase", phases[v->phase]);
	if (v->phase == VX6_FORWARD_LISTENING)
		api_put_addr(j, "bound", &v->bound);
	else
		vx6_json_str(j, "bound", NULL);
	api_put_pair(j, "connections", "active", v->stats.active, "total", v->stats.total);
	api_put_pair(j, "bytes", "rx", v->stats.rx_bytes, "tx", v->stats.tx_bytes);
	if (v->transport[0]) {
		vx6_json_object(j, "path");
		vx6_json_str(j, "transport", v->transport);
		api_put_addr(j, "remote", &v->remote);
		api_put_rtt(j, v->rtt_us);
		api_put_text(j, "circuit", v->circuit);
		api_put_count(j, "hops", v->hops != 0, v->hops);
		vx6_json_end_object(j);
	} else {
		vx6_json_str(j, "path", NULL);
	}
	if (v->spec.to.is_hidden)
		api_put_hidden_failure(j, &v->stats.last_failure);
	else
		api_put_failure(j, &v->stats.last_failure);
	vx6_json_end_object(j);
}

static void decode_direct(const struct vx6_value *body, const char *service, struct vx6_target *to,
			  struct vx6_faults *faults)
{
	if (!api_get_addr(body, "address", &to->address, faults))
		return;
	if (to->address.port == 0)
		vx6_fault_add(faults, "/address", "range", "needs a port");
	if (service)
		vx6_strlcpy(to->service, service, sizeof to->service);
	else
		vx6_fault_add(faults, "/service", "required", "is required with address");
}

static void decode_target(const struct vx6_value *body, struct vx6_target *to,
			  struct vx6_faults *faults)
{
	const char *named = vx6_value_string(vx6_value_get(body, "to"));
	const char *address = vx6_value_string(vx6_value_get(body, "address"));
	const char *service = vx6_value_string(vx6_value_get(body, "service"));
	const char *node_id = vx6_value_string(vx6_value_get(body, "node_id"));
	vx6_err err;

	if (named && (address || service)) {
		vx6_fault_add(faults, "/to", "oneOf", "give either to, or address and service");
	} else if (named) {
		err = vx6_target_parse(named, to);
		if (!vx6_is_ok(err))
			vx6_fault_add(faults, "/to", vx6_err_name(err), "is no service name: %s",
				      vx6_err_text(err));
	} else if (address) {
		decode_direct(body, service, to, faults);
	} else {
		vx6_fault_add(faults, "/to", "required", "give either to, or address and service");
	}
	if (node_id && to->is_hidden)
		vx6_fault_add(faults, "/node_id", "oneOf", "a hidden service has a key of its own");
	else if (node_id && to->has_node_id)
		vx6_fault_add(faults, "/node_id", "oneOf", "is in to already");
	else if (node_id)
		to->has_node_id = api_get_node_id(node_id, "/node_id", &to->node_id, faults);
}

static void decode(const struct vx6_value *body, struct vx6_cmd *cmd, struct vx6_faults *faults)
{
	struct vx6_forward_spec *spec = &cmd->u.forward;
	const char *given = vx6_value_string(vx6_value_get(body, "name"));
	const char *transport = vx6_value_string(vx6_value_get(body, "transport"));

	vx6_strlcpy(spec->name, given ? given : "", sizeof spec->name);
	api_get_addr(body, "listen", &spec->listen, faults);
	decode_target(body, &spec->to, faults);
	api_get_routing(vx6_value_get(body, "route"), &spec->to.route, VX6_ROUTE_AUTO, faults);
	if (spec->to.address.family != VX6_ADDR_NONE && spec->to.route.via == VX6_ROUTE_RELAY)
		vx6_fault_add(
			faults, "/route/via", "route",
			"an address is asked directly; name the service to go through relays");
	if (transport)
		vx6_transport_choice_parse(
			transport, &spec->to.transport); /* the schema lists what it takes */
	spec->enabled = vx6_value_bool(vx6_value_get(body, "enabled"), true);
}

static bool is_taken(const struct vx6_snapshot *s, const char *text)
{
	for (size_t i = 0; i < s->forwards_n; i++)
		if (strcmp(s->forwards[i].spec.name, text) == 0)
			return true;
	return false;
}

/* A forward without a name is called after its destination: "alice.web", "alice.web-2", "friends.wiki" for an entry of a
 * catalog, or "web" in address form. */
static void complete(struct vx6_cmd *cmd, const struct vx6_snapshot *s)
{
	struct vx6_forward_spec *spec = &cmd->u.forward;
	char base[2 * VX6_LABEL_MAX + 2];
	size_t n;

	if (spec->name[0])
		return;
	if (spec->to.is_hidden)
		vx6_strlcpy(base, spec->to.node[0] ? spec->to.node : "hidden", sizeof base);
	else if (spec->to.catalog[0])
		snprintf(base, sizeof base, "%s.%s", spec->to.catalog, spec->to.service);
	else if (spec->to.node[0])
		snprintf(base, sizeof base, "%s.%s", spec->to.node, spec->to.service);
	else
		vx6_strlcpy(base, spec->to.service, sizeof base);
	n = VX6_MIN(strlen(base), (size_t)VX6_FORWARD_NAME_MAX - 4);
	while (n > 1 && (base[n - 1] == '-' || base[n - 1] == '.')) /* where it was cut */
		n--;
	snprintf(spec->name, sizeof spec->name, "%.*s", (int)n, base);
	for (int i = 2; i < NAME_TRIES && is_taken(s, spec->name); i++)
		snprintf(spec->name, sizeof spec->name, "%.*s-%d", (int)n, base, i);
}

const struct api_resource api_forwards = {
	.kind = "forward",
	.path = "/v1/forwards",
	.rows = VX6_RESOURCE_FORWARD,
	.input_schema = "ForwardInput",
	.create = VX6_CMD_FORWARD_CREATE,
	.update = VX6_CMD_FORWARD_UPDATE,
	.remove = VX6_CMD_FORWARD_DELETE,
	.size = sizeof(struct vx6_forward_view),
	.views = views,
	.name = name,
	.encode_input = encode_input,
	.encode_rest = encode_rest,
	.decode = decode,
	.complete = complete,
};
