/* GET /v1/connect: the connection of the request becomes the stream. */
#include <string.h>
#include <strings.h>

#include "api/server/server_internal.h"
#include "base/util.h"

static bool has_token(const char *list, const char *token)
{
	size_t n = strlen(token);

	while (list && *list) {
		size_t part;

		list += strspn(list, " \t,");
		part = strcspn(list, " \t,");
		if (part == n && strncasecmp(list, token, n) == 0)
			return true;
		list += part;
	}
	return false;
}

static void fault_param(struct api_request *r, const char *name, vx6_err err)
{
	vx6_fault_add(api_request_faults(r), name, vx6_err_name(err), "%s", vx6_err_text(err));
}

static void target_direct(struct api_request *r, const char *address, const char *service,
			  struct vx6_target *to)
{
	vx6_err err = vx6_addr_parse(address, &to->address);

	if (!vx6_is_ok(err))
		fault_param(r, "?address", err);
	else if (to->address.port == 0)
		fault_param(r, "?address", VX6_ERR(RANGE));
	if (service)
		vx6_strlcpy(to->service, service, sizeof to->service);
	else
		vx6_fault_add(api_request_faults(r), "?service", "required",
			      "is required with address");
}

/* Reads where to from the parameters, which match their schemas. @return false: the reply is a problem */
static bool read_target(struct api_request *r, struct vx6_target *to)
{
	const char *named = vx6_query_get(&r->query, "to"),
		   *address = vx6_query_get(&r->query, "address");
	const char *service = vx6_query_get(&r->query, "service"),
		   *node_id = vx6_query_get(&r->query, "node_id");
	const char *transport = vx6_query_get(&r->query, "transport");
	vx6_err err;

	if ((named != NULL) == (address != NULL) || (named && service)) {
		vx6_fault_add(api_request_faults(r), "?to", "oneOf",
			      "give either to, or address and service");
	} else if (named) {
		err = vx6_target_parse(named, to);
		if (!vx6_is_ok(err))
			fault_param(r, "?to", err);
	} else {
		target_direct(r, address, service, to);
	}
	if (node_id && to->is_hidden) {
		vx6_fault_add(api_request_faults(r), "?node_id", "oneOf",
			      "a hidden service has a key of its own");
	} else if (node_id) {
		to->has_node_id = true;
		err = vx6_node_id_parse(node_id, &to->node_id);
		if (!vx6_is_ok(err))
			fault_param(r, "?node_id", err);
	}
	if (transport)
		vx6_transport_choice_parse(transport,
					   &to->transport); /* the schema lists what it takes */
	api_query_routing(r, &to->route);
	if (to->address.family != VX6_ADDR_NONE && to->route.via == VX6_ROUTE_RELAY)
		vx6_fault_add(
			api_request_faults(r), "?via", "route",
			"an address is asked directly; name the service to go through relays");
	if (!r->faults || r->faults->n == 0)
		return true;
	api_reply_faults(r, VX6_PROBLEM_INVALID_PARAMETER);
	return false;
}

void api_connect(struct api_request *r)
{
	struct vx6_target to = {0};
	struct vx6_cmd *cmd;

	if (r->head || !has_token(api_request_header(r, "Connection"), "upgrade") ||
	    !has_token(api_request_header(r, "Upgrade"), "vx6-stream")) {
		api_reply_problem(r, VX6_PROBLEM_UPGRADE_REQUIRED,
				  "send Connection: Upgrade and Upgrade: vx6-stream");
		return;
	}
	if (!read_target(r, &to))
		return;
	cmd = api_cmd_new(r, VX6_CMD_ATTACH);
	cmd->u.attach.to = to;
	api_call_attach(r, cmd);
}
