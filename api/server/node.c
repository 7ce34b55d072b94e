/* The agent itself: health, version, node, and what describes the API. */
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/server/server_internal.h"
#include "base/util.h"

/* ---- health ---- */

static void put_check(struct vx6_json *j, const char *name, bool ok)
{
	vx6_json_object(j, NULL);
	vx6_json_str(j, "name", name);
	vx6_json_str(j, "status", ok ? "ok" : "fail");
	vx6_json_end_object(j);
}

static void reply_health(struct api_request *r, bool ok, const struct vx6_node_view *node)
{
	struct vx6_json j = {0};

	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "status", ok ? "ok" : "fail");
	vx6_json_array(&j, "checks");
	put_check(&j, "agent", node != NULL);
	if (node && r->match.route->op != VX6_OP_HEALTH_LIVE) {
		put_check(&j, "database", node->ready_db);
		put_check(&j, "identity", node->ready_identity);
		put_check(&j, "transport", node->ready_transport);
	}
	vx6_json_end_array(&j);
	vx6_json_end_object(&j);
	r->reply.retry_after_s = ok ? 0 : 1;
	api_reply_json(r, ok ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, &j);
}

static void health_then(struct api_request *r, struct vx6_answer *a)
{
	const struct vx6_node_view *node = a->snapshot ? &a->snapshot->node : NULL;
	bool ready = node && node->ready_db && node->ready_identity && node->ready_transport;

	r->server->was_ready |= ready;
	if (r->match.route->op == VX6_OP_HEALTH_LIVE)
		reply_health(r, node != NULL, node);
	else if (r->match.route->op == VX6_OP_HEALTH_STARTUP)
		reply_health(r, r->server->was_ready, node);
	else
		reply_health(r, ready && !node->draining, node);
}

void api_health_late(struct api_request *r)
{
	reply_health(r, false, NULL);
}

void api_health(struct api_request *r)
{
	api_call(r, api_cmd_look(r, VX6_SELECT_NONE), API_PROBE_MS, health_then);
}

/* ---- node ---- */

static void put_status(struct vx6_json *j, const struct vx6_snapshot *s)
{
	const struct vx6_node_view *n = &s->node;

	vx6_json_object(j, "status");
	vx6_json_bool(j, "ready", n->ready_db && n->ready_identity && n->ready_transport);
	vx6_json_bool(j, "draining", n->draining);
	api_put_time(j, "started_at", n->started_ms);
	vx6_json_u64(j, "uptime_ms", s->taken_ms > n->started_ms ? s->taken_ms - n->started_ms : 0);
	vx6_json_u64(j, "pid", (uint64_t)getpid());
	api_put_pair(j, "peers", "up", n->peers_up, "total", n->peers);
	vx6_json_u64(j, "services", n->services);
	vx6_json_u64(j, "forwards", n->forwards);
	vx6_json_u64(j, "streams", n->streams_active);
	api_put_dht_summary(j, "dht", &n->dht);
	vx6_json_bool(j, "lan", n->lan);
	api_put_relaying(j, "relay", &n->relaying);
	api_put_pair(j, "known", "nodes", n->known_nodes, "records", n->known_records);
	vx6_json_end_object(j);
}

static char *encode_node(const struct vx6_snapshot *s)
{
	const struct vx6_node_view *n = &s->node;
	struct vx6_json j = {0};

	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "id", "node");
	vx6_json_str(&j, "kind", "node");
	vx6_json_u64(&j, "generation", n->generation);
	api_put_time(&j, "created_at", n->created_ms);
	api_put_time(&j, "updated_at", n->updated_ms);
	vx6_json_str(&j, "name", n->name);
	api_put_node_id(&j, "node_id", &n->node_id);
	vx6_json_array(&j, "listen");
	for (size_t i = 0; i < n->listen_n; i++) {
		vx6_json_object(&j, NULL);
		vx6_json_str(&j, "transport", n->listen_transport[i]);
		api_put_addr(&j, "address", &n->listen[i]);
		vx6_json_end_object(&j);
	}
	vx6_json_end_array(&j);
	vx6_json_str(&j, "transport", vx6_transport_choice_text(n->transport));
	vx6_json_array(&j, "addresses");
	for (size_t i = 0; i < n->addrs_n; i++)
		api_put_addr(&j, NULL, &n->addrs[i]);
	vx6_json_end_array(&j);
	api_put_budget(&j, "relay", &n->relay);
	put_status(&j, s);
	vx6_json_end_object(&j);
	return vx6_json_take(&j);
}

static void node_then(struct api_request *r, struct vx6_answer *a)
{
	if (!vx6_is_ok(a->err) || !a->snapshot)
		api_reply_failure(r, a);
	else
		api_reply_read(r, encode_node(a->snapshot), a->snapshot->node.generation);
}

void api_node_get(struct api_request *r)
{
	api_call(r, api_cmd_look(r, VX6_SELECT_NONE), API_CALL_MS, node_then);
}

static void node_update_then(struct api_request *r, struct vx6_answer *a)
{
	const struct vx6_value *name = vx6_value_get(r->json, "name"),
			       *relay = vx6_value_get(r->json, "relay");
	struct vx6_cmd *cmd;

	if (!vx6_is_ok(a->err) || !a->snapshot) {
		api_reply_failure(r, a);
		return;
	}
	if (api_if_match(r, a->snapshot->node.generation) == API_MATCH_NO) {
		api_reply_problem(r, VX6_PROBLEM_PRECONDITION_FAILED,
				  "the node is at generation %llu",
				  (unsigned long long)a->snapshot->node.generation);
		return;
	}
	if (!name && !relay) { /* nothing to change */
		node_then(r, a);
		return;
	}
	if (name && !vx6_value_string(name)) {
		vx6_fault_add(api_request_faults(r), "/name", "required",
			      "a node keeps having a name");
		api_reply_faults(r, VX6_PROBLEM_INVALID_BODY);
		return;
	}
	cmd = api_cmd_new(r, VX6_CMD_NODE_UPDATE);
	if (name)
		vx6_strlcpy(cmd->u.node.name, vx6_value_string(name), sizeof cmd->u.node.name);
	api_get_budget(relay, &cmd->u.node.relay);
	if (api_if_match(r, a->snapshot->node.generation) == API_MATCH_YES)
		cmd->if_generation = a->snapshot->node.generation;
	api_call(r, cmd, API_CALL_MS, node_then);
}

void api_node_update(struct api_request *r)
{
	api_call(r, api_cmd_look(r, VX6_SELECT_NONE), API_CALL_MS, node_update_then);
}

/* ---- what describes the API ---- */

void api_version(struct api_request *r)
{
	struct vx6_json j = {0};

	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "version", VX6_VERSION);
	vx6_json_str(&j, "contract", VX6_CONTRACT_VERSION);
	vx6_json_str(&j, "protocol", "vx6/1");
	vx6_json_array(&j, "features");
	vx6_json_str(&j, NULL, "quic");
	vx6_json_str(&j, NULL, "tcp");
	vx6_json_end_array(&j);
	vx6_json_object(&j, "libraries");
	vx6_json_str(&j, "libmicrohttpd", MHD_get_version());
	vx6_json_end_object(&j);
	vx6_json_end_object(&j);
	api_reply_json(r, MHD_HTTP_OK, &j);
}

void api_endpoints(struct api_request *r)
{
	static const char *const roles[] = {"public", "viewer", "operator", "admin"};
	struct vx6_json j = {0};

	vx6_json_object(&j, NULL);
	vx6_json_array(&j, "items");
	for (size_t i = 0; i < VX6_OP_N; i++) {
		vx6_json_object(&j, NULL);
		vx6_json_str(&j, "method", vx6_routes[i].method);
		vx6_json_str(&j, "path", vx6_routes[i].path);
		vx6_json_str(&j, "operation_id", vx6_routes[i].id);
		vx6_json_str(&j, "role", roles[vx6_routes[i].role]);
		vx6_json_end_object(&j);
	}
	vx6_json_end_array(&j);
	vx6_json_end_object(&j);
	api_reply_json(r, MHD_HTTP_OK, &j);
}

void api_schema(struct api_request *r)
{
	for (size_t i = 0; i < vx6_schema_docs_n; i++)
		if (strcmp(vx6_schema_docs[i].name, r->match.arg) == 0) {
			api_reply_static(r, "application/schema+json", vx6_schema_docs[i].bytes,
					 vx6_schema_docs[i].n);
			return;
		}
	api_reply_problem(r, VX6_PROBLEM_NOT_FOUND, "there is no such schema");
}
