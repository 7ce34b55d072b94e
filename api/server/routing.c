/* Routes: how a connection gets to its target, in bodies and in queries. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/server/server_internal.h"

void api_put_routing(struct vx6_json *j, const char *key, const struct vx6_routing *r)
{
	vx6_json_object(j, key);
	vx6_json_str(j, "via", vx6_routing_via_text(r->via));
	api_put_count(j, "hops", r->hops != 0, r->hops);
	vx6_json_array(j, "nodes");
	for (size_t i = 0; i < r->nodes_n; i++)
		api_put_node_id(j, NULL, &r->nodes[i]);
	vx6_json_end_array(j);
	vx6_json_bool(j, "anonymous", r->anonymous);
	vx6_json_end_object(j);
}

static void add_node(struct vx6_routing *out, const char *id, const char *pointer,
		     struct vx6_faults *faults)
{
	if (out->nodes_n < VX6_ROUTE_HOPS_MAX &&
	    api_get_node_id(id, pointer, &out->nodes[out->nodes_n], faults))
		out->nodes_n++;
}

static void check(const struct vx6_routing *r, const char *pointer, struct vx6_faults *faults)
{
	const char *why;

	if (!vx6_routing_is_valid(r, &why))
		vx6_fault_add(faults, pointer, "route", "%s", why);
}

void api_get_routing(const struct vx6_value *v, struct vx6_routing *out,
		     enum vx6_routing_via otherwise, struct vx6_faults *faults)
{
	const char *via = vx6_value_string(vx6_value_get(v, "via"));
	const struct vx6_value *node = vx6_value_first(vx6_value_get(v, "nodes"));
	size_t before = faults->n;

	*out = (struct vx6_routing){.via = otherwise};
	if (via)
		vx6_routing_via_parse(via, &out->via); /* the schema lists what it takes */
	out->hops = (uint8_t)vx6_value_number(vx6_value_get(v, "hops"));
	out->anonymous = vx6_value_bool(vx6_value_get(v, "anonymous"), false);
	for (size_t i = 0; node; node = vx6_value_next(node), i++) {
		char pointer[32];

		snprintf(pointer, sizeof pointer, "/route/nodes/%zu", i);
		add_node(out, vx6_value_string(node), pointer, faults);
	}
	if (faults->n == before)
		check(out, "/route", faults);
}

void api_query_routing(struct api_request *r, struct vx6_routing *out)
{
	const char *via = vx6_query_get(&r->query, "via"), *hops = vx6_query_get(&r->query, "hops");
	const char *through = vx6_query_get(&r->query, "through"),
		   *anonymous = vx6_query_get(&r->query, "anonymous");
	struct vx6_faults *faults = api_request_faults(r);
	size_t before = faults->n;

	*out = (struct vx6_routing){.via = VX6_ROUTE_AUTO};
	if (via)
		vx6_routing_via_parse(via, &out->via);
	out->hops = (uint8_t)(hops ? strtoul(hops, NULL, 10) : 0);
	out->anonymous = anonymous && strcmp(anonymous, "true") == 0;
	while (through && *through) {
		size_t n = strcspn(through, ",");
		char id[VX6_NODE_ID_TEXT];

		snprintf(id, sizeof id, "%.*s", (int)n, through);
		if (out->nodes_n == VX6_ROUTE_HOPS_MAX)
			vx6_fault_add(faults, "?through", "maxItems", "at most %d relays",
				      VX6_ROUTE_HOPS_MAX);
		add_node(out, id, "?through", faults);
		through += n;
		through += *through == ',';
	}
	if (faults->n == before)
		check(out, "?via", faults);
}
