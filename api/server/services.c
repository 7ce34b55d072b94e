#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/server/server_internal.h"
#include "base/util.h"

static const void *views(const struct vx6_snapshot *s, size_t *n)
{
	*n = s->services_n;
	return s->services;
}

static const char *name(const void *view)
{
	return ((const struct vx6_service_view *)view)->spec.name;
}

static const char *const visibilities[] = {[VX6_VISIBILITY_PUBLIC] = "public",
					   [VX6_VISIBILITY_PRIVATE] = "private",
					   [VX6_VISIBILITY_HIDDEN] = "hidden"};

static void encode_input(struct vx6_json *j, const void *view)
{
	const struct vx6_service_spec *spec = &((const struct vx6_service_view *)view)->spec;

	vx6_json_str(j, "name", spec->name);
	api_put_addr(j, "target", &spec->target);
	vx6_json_str(j, "protocol", "tcp");
	vx6_json_bool(j, "enabled", spec->enabled);
	vx6_json_str(j, "visibility", visibilities[spec->visibility]);
	api_put_hidden_settings(j, "hidden", spec);
	vx6_json_object(j, "access");
	vx6_json_str(j, "default", spec->access == VX6_ACCESS_ANY ? "any" : "none");
	vx6_json_array(j, "node_ids");
	for (size_t i = 0; i < spec->allow_n; i++)
		api_put_node_id(j, NULL, &spec->allow[i]);
	vx6_json_end_array(j);
	vx6_json_end_object(j);
}

static const char *phase(const struct vx6_service_view *v)
{
	if (!v->spec.enabled)
		return "disabled";
	return v->stats.failing ? "failing" : "ready";
}

static void encode_rest(struct vx6_json *j, const void *view, const struct vx6_snapshot *s)
{
	const struct vx6_service_view *v = view;
	char full[2 * VX6_LABEL_MAX + 2];

	full[0] = '\0';
	if (s->node.name[0] && v->spec.visibility != VX6_VISIBILITY_HIDDEN)
		snprintf(full, sizeof full, "%s.%s", s->node.name, v->spec.name);
	api_put_text(j, "full_name", full);
	vx6_json_object(j, "status");
	vx6_json_str(j, "phase", phase(v));
	api_put_pair(j, "sessions", "active", v->stats.active, "total", v->stats.total);
	api_put_pair(j, "bytes", "rx", v->stats.rx_bytes, "tx", v->stats.tx_bytes);
	if (v->published)
		api_put_replicas(j, "published", v->wanted, v->stored, v->proved);
	else
		vx6_json_str(j, "published", NULL);
	api_put_failure(j, &v->stats.last_failure);
	api_put_hidden_state(j, "hidden", v->hidden, &v->spec);
	vx6_json_end_object(j);
}

static void decode_access(const struct vx6_value *access, struct vx6_service_spec *spec,
			  struct vx6_faults *faults)
{
	const char *otherwise = vx6_value_string(vx6_value_get(access, "default"));
	const struct vx6_value *ids = vx6_value_get(access, "node_ids");
	size_t n = ids ? vx6_value_count(ids) : 0;

	spec->access =
		otherwise && strcmp(otherwise, "none") == 0 ? VX6_ACCESS_LIST : VX6_ACCESS_ANY;
	if (n == 0)
		return;
	spec->allow = vx6_realloc_array(NULL, n, sizeof *spec->allow); /* the schema caps n */
	for (const struct vx6_value *id = vx6_value_first(ids); id; id = vx6_value_next(id))
		if (api_get_node_id(vx6_value_string(id), "/access/node_ids",
				    &spec->allow[spec->allow_n], faults))
			spec->allow_n++;
}

static void decode_visibility(const struct vx6_value *body, struct vx6_service_spec *spec,
			      struct vx6_faults *faults)
{
	const char *text = vx6_value_string(vx6_value_get(body, "visibility"));
	const struct vx6_value *hidden = vx6_value_get(body, "hidden");

	for (size_t i = 0; text && i < VX6_ARRAY_N(visibilities); i++)
		if (strcmp(text, visibilities[i]) == 0)
			spec->visibility = (enum vx6_visibility)i;
	if (!hidden || vx6_value_is(hidden, VX6_JT_NULL))
		return;
	if (spec->visibility == VX6_VISIBILITY_HIDDEN)
		api_get_hidden_settings(hidden, &spec->hidden);
	else
		vx6_fault_add(faults, "/hidden", "visibility", "is for visibility hidden only");
}

static void decode(const struct vx6_value *body, struct vx6_cmd *cmd, struct vx6_faults *faults)
{
	struct vx6_service_spec *spec = &cmd->u.service;

	vx6_strlcpy(spec->name, vx6_value_string(vx6_value_get(body, "name")), sizeof spec->name);
	api_get_addr(body, "target", &spec->target, faults);
	if (spec->target.family == VX6_ADDR_IP && spec->target.port == 0)
		vx6_fault_add(faults, "/target", "range", "needs a port");
	spec->enabled = vx6_value_bool(vx6_value_get(body, "enabled"), true);
	decode_visibility(body, spec, faults);
	decode_access(vx6_value_get(body, "access"), spec, faults);
}

const struct api_resource api_services = {
	.kind = "service",
	.path = "/v1/services",
	.rows = VX6_RESOURCE_SERVICE,
	.input_schema = "ServiceInput",
	.create = VX6_CMD_SERVICE_CREATE,
	.update = VX6_CMD_SERVICE_UPDATE,
	.remove = VX6_CMD_SERVICE_DELETE,
	.size = sizeof(struct vx6_service_view),
	.views = views,
	.name = name,
	.encode_input = encode_input,
	.encode_rest = encode_rest,
	.decode = decode,
};
