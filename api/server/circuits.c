/* This node's circuits, and what was decided about them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/server/server_internal.h"
#include "base/util.h"

/* ---- circuits ---- */

static void put_us(struct vx6_json *j, const char *key, uint32_t us)
{
	if (us)
		vx6_json_real(j, key, us / 1000.0);
	else
		vx6_json_str(j, key, NULL);
}

/* A node, or the key of a hidden service. */
static void put_who(struct vx6_json *j, const char *key, const struct vx6_node_id *who,
		    bool is_hidden)
{
	if (is_hidden)
		api_put_hidden_key(j, key, who);
	else
		api_put_node_id(j, key, who);
}

static void put_hop(struct vx6_json *j, const struct vx6_circuit_row *v, size_t k)
{
	const struct vx6_circuit_hop_row *h = &v->hops[k];
	static const char *const roles[VX6_HOP_ROLES_N] = {
		[VX6_HOP_RELAY] = "relay",           [VX6_HOP_GUARD] = "guard",
		[VX6_HOP_VANGUARD] = "vanguard",     [VX6_HOP_INTRODUCTION] = "introduction",
		[VX6_HOP_RENDEZVOUS] = "rendezvous", [VX6_HOP_TARGET] = "target",
		[VX6_HOP_SERVICE] = "service",       [VX6_HOP_CLIENT] = "client",
	};
	bool built = k < v->built_n;

	vx6_json_object(j, NULL);
	put_who(j, "node_id", h->role == VX6_HOP_CLIENT ? NULL : &h->node,
		h->role == VX6_HOP_SERVICE);
	api_put_text(j, "name", h->name);
	vx6_json_str(j, "role", roles[h->role]);
	vx6_json_bool(j, "built", built);
	put_us(j, "rtt_ms", h->rtt_us);
	put_us(j, "build_ms", h->built_us);
	vx6_json_str(j, "reason", h->why);
	vx6_json_end_object(j);
}

static void put_traffic(struct vx6_json *j, const struct vx6_circuit_row *v)
{
	api_put_pair(j, "bytes", "rx", v->rx_bytes, "tx", v->tx_bytes);
	api_put_pair(j, "cells", "rx", v->rx_cells, "tx", v->tx_cells);
	vx6_json_u64(j, "streams", v->streams);
}

const char *api_circuit_purpose(enum vx6_circ_purpose purpose)
{
	static const char *const text[] = {[VX6_CIRC_POOL] = "pool",
					   [VX6_CIRC_ROUTE] = "route",
					   [VX6_CIRC_SPARE] = "spare",
					   [VX6_CIRC_LOOKUP] = "lookup",
					   [VX6_CIRC_INTRO] = "introduction",
					   [VX6_CIRC_INTRODUCE] = "introduce",
					   [VX6_CIRC_RENDEZVOUS] = "rendezvous"};

	return text[purpose];
}

static char *encode_circuit(const struct vx6_page *p, size_t i)
{
	static const char *const states[] = {[VX6_CIRC_BUILDING] = "building",
					     [VX6_CIRC_OPEN] = "open",
					     [VX6_CIRC_DRAINING] = "draining",
					     [VX6_CIRC_CLOSED] = "closed"};
	const struct vx6_circuit_row *v = &p->u.circuits[i];
	struct vx6_json j = {0};

	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "id", v->id);
	vx6_json_str(&j, "kind", "circuit");
	vx6_json_str(&j, "state", states[v->state]);
	vx6_json_str(&j, "purpose", api_circuit_purpose(v->purpose));
	put_who(&j, "target", v->has_target ? &v->target : NULL, v->to_hidden);
	api_put_text(&j, "target_name", v->target_name);
	vx6_json_array(&j, "hops");
	for (size_t k = 0; k < v->hops_n; k++)
		put_hop(&j, v, k);
	vx6_json_end_array(&j);
	api_put_rtt(&j, v->rtt_us);
	put_us(&j, "build_ms", v->build_us);
	api_put_time(&j, "opened_at", v->opened_ms);
	api_put_time(&j, "closed_at", v->closed_ms);
	put_traffic(&j, v);
	vx6_json_bool(&j, "anonymous", v->anonymous);
	vx6_json_bool(&j, "hidden", v->is_hidden);
	vx6_json_bool(&j, "single_pass", v->single_pass);
	vx6_json_str(&j, "reason", v->reason);
	vx6_json_str(&j, "error",
		     vx6_is_ok(v->err) ? NULL
		     : v->to_hidden    ? api_hidden_code(v->err)
				       : api_failure_code(v->err));
	vx6_json_end_object(&j);
	return vx6_json_take(&j);
}

const struct api_rows api_circuits = {.path = "/v1/circuits",
				      .what = "circuit",
				      .kind = VX6_PAGE_CIRCUITS,
				      .encode = encode_circuit};

/* ---- decisions ---- */

static char *encode_decision(const struct vx6_page *p, size_t i)
{
	const struct vx6_decision_row *v = &p->u.decisions[i];
	char id[VX6_PAGE_KEY];
	struct vx6_json j = {0};

	vx6_page_key(p, i, id);
	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "id", id);
	vx6_json_str(&j, "kind", "circuit_decision");
	vx6_json_u64(&j, "seq", v->seq);
	api_put_time(&j, "time", v->wall_ms ? v->wall_ms : 1);
	vx6_json_str(&j, "what", v->what);
	put_who(&j, "target", v->has_target ? &v->target : NULL, v->to_hidden);
	api_put_text(&j, "target_name", v->target_name);
	api_put_text(&j, "circuit", v->circuit);
	vx6_json_str(&j, "reason", v->why);
	vx6_json_end_object(&j);
	return vx6_json_take(&j);
}

const struct api_rows api_decisions = {.path = "/v1/circuits/decisions",
				       .what = "decision",
				       .kind = VX6_PAGE_DECISIONS,
				       .encode = encode_decision};

/* ---- changes ---- */

static void under_way_then(struct api_request *r, struct vx6_answer *a)
{
	api_rows_reply(r, MHD_HTTP_ACCEPTED, &api_circuits, a);
	if (r->reply.status == MHD_HTTP_ACCEPTED)
		snprintf(r->reply.location, sizeof r->reply.location, "/v1/circuits/%s",
			 a->page->u.circuits[0].id);
}

void api_circuit_create(struct api_request *r)
{
	struct vx6_cmd *cmd = api_cmd_new(r, VX6_CMD_CIRCUIT_BUILD);
	const char *to = vx6_value_string(vx6_value_get(r->json, "to"));
	const struct vx6_value *route = vx6_value_get(r->json, "route");
	struct vx6_routing *out = &cmd->u.circuit.route;
	struct vx6_faults *faults = api_request_faults(r);

	vx6_strlcpy(cmd->u.circuit.to, to ? to : "", sizeof cmd->u.circuit.to);
	api_get_routing(route, out, VX6_ROUTE_RELAY, faults);
	out->hop_by_hop = !vx6_value_bool(vx6_value_get(r->json, "single_pass"), true);
	if (out->via != VX6_ROUTE_RELAY)
		vx6_fault_add(faults, "/route/via", "route", "a circuit leads through relays");
	if (faults->n > 0) {
		vx6_cmd_free(cmd);
		api_reply_faults(r, VX6_PROBLEM_INVALID_BODY);
		return;
	}
	api_call(r, cmd, API_CALL_MS, under_way_then);
}

/* Names the circuit of the path. @return NULL: nothing can be called so; the reply says it */
static struct vx6_cmd *aim(struct api_request *r, enum vx6_cmd_kind kind)
{
	struct vx6_cmd *cmd = api_cmd_new(r, kind);

	if (vx6_strlcpy(cmd->id, r->match.arg, sizeof cmd->id) < sizeof cmd->id)
		return cmd;
	vx6_cmd_free(cmd);
	api_reply_problem(r, VX6_PROBLEM_NOT_FOUND, "there is no such circuit");
	return NULL;
}

void api_circuit_rebuild(struct api_request *r)
{
	struct vx6_cmd *cmd = aim(r, VX6_CMD_CIRCUIT_REBUILD);

	if (cmd)
		api_call(r, cmd, API_CALL_MS, under_way_then);
}

static void closed_then(struct api_request *r, struct vx6_answer *a)
{
	if (vx6_is_ok(a->err))
		api_reply_empty(r, MHD_HTTP_NO_CONTENT);
	else
		api_reply_failure(r, a);
}

void api_circuit_delete(struct api_request *r)
{
	struct vx6_cmd *cmd = aim(r, VX6_CMD_CIRCUIT_CLOSE);

	if (cmd)
		api_call(r, cmd, API_CALL_MS, closed_then);
}
