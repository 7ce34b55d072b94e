/* What the agent knows of others: nodes and services by their records, names and what they stand for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/server/server_internal.h"
#include "base/util.h"

static const char *const states[] = {[VX6_KNOWN_VALID] = "valid",
				     [VX6_KNOWN_EXPIRED] = "expired",
				     [VX6_KNOWN_REVOKED] = "revoked"};
static const char *const sources[] = {[VX6_HEARD_SESSION] = "session",
				      [VX6_HEARD_EXCHANGE] = "exchange",
				      [VX6_HEARD_DHT] = "dht",
				      [VX6_HEARD_LAN] = "lan",
				      [VX6_HEARD_DISK] = "disk"};

/* ---- nodes ---- */

static void put_features(struct vx6_json *j, uint64_t features)
{
	static const struct {
		uint64_t bit;
		const char *name;
	} known[] = {{VX6_FEAT_SERVICE, "service"}, {VX6_FEAT_RECORDS, "records"},
		     {VX6_FEAT_DHT, "dht"},         {VX6_FEAT_EXCHANGE, "exchange"},
		     {VX6_FEAT_RESUME, "resume"},   {VX6_FEAT_CIRCUIT, "circuit"}};

	vx6_json_array(j, "features");
	for (size_t i = 0; i < VX6_ARRAY_N(known); i++)
		if (features & known[i].bit)
			vx6_json_str(j, NULL, known[i].name);
	vx6_json_end_array(j);
}

static void put_revocation(struct vx6_json *j, const struct vx6_node_row *v)
{
	static const char *const reasons[] = {"superseded", "superseded", "subkey_compromised",
					      "master_compromised", "retired"};

	if (v->state != VX6_KNOWN_REVOKED) {
		vx6_json_str(j, "revocation", NULL);
		return;
	}
	vx6_json_object(j, "revocation");
	vx6_json_str(j, "reason", reasons[v->reason < VX6_ARRAY_N(reasons) ? v->reason : 0]);
	api_put_node_id(j, "successor", v->has_successor ? &v->successor : NULL);
	vx6_json_end_object(j);
}

static void put_record(struct vx6_json *j, uint64_t seq, uint64_t issued_ms, uint64_t expires_ms)
{
	api_put_count(j, "sequence", issued_ms != 0, seq);
	api_put_time(j, "issued_at", issued_ms);
	api_put_time(j, "expires_at", expires_ms);
}

static char *encode_node(const struct vx6_page *p, size_t i)
{
	const struct vx6_node_row *v = &p->u.nodes[i];
	struct vx6_json j = {0};

	vx6_json_object(&j, NULL);
	api_put_node_id(&j, "id", &v->node);
	vx6_json_str(&j, "kind", "registry_node");
	api_put_text(&j, "name", v->name);
	api_put_node_id(&j, "node_id", &v->node);
	vx6_json_str(&j, "state", states[v->state]);
	vx6_json_str(&j, "source", sources[v->source]);
	api_put_node_id(&j, "introduced_by", v->introduced ? &v->by : NULL);
	put_record(&j, v->seq, v->issued_ms, v->expires_ms);
	api_put_time(&j, "last_met", v->met_ms);
	vx6_json_bool(&j, "connected", v->connected);
	vx6_json_array(&j, "addresses");
	for (size_t k = 0; k < v->addrs_n; k++)
		api_put_node_addr(&j, NULL, &v->addrs[k].addr, v->addrs[k].via & VX6_VIA_QUIC,
				  v->addrs[k].via & VX6_VIA_TCP);
	vx6_json_end_array(&j);
	put_features(&j, v->features);
	vx6_json_array(&j, "services");
	for (size_t k = 0; k < v->services_n; k++)
		vx6_json_str(&j, NULL, v->services[k]);
	vx6_json_end_array(&j);
	vx6_json_bool(&j, "conflict", v->conflict);
	put_revocation(&j, v);
	vx6_json_end_object(&j);
	return vx6_json_take(&j);
}

const struct api_rows api_known_nodes = {.path = "/v1/registry/nodes",
					 .what = "node in the registry",
					 .kind = VX6_PAGE_NODES,
					 .encode = encode_node};

/* ---- services ---- */

static char *encode_service(const struct vx6_page *p, size_t i)
{
	const struct vx6_service_row *v = &p->u.services[i];
	char id[VX6_PAGE_KEY], full[2 * VX6_LABEL_TEXT];
	struct vx6_json j = {0};

	vx6_page_key(p, i, id);
	snprintf(full, sizeof full, "%s.%s", v->node_name, v->name);
	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "id", id);
	vx6_json_str(&j, "kind", "registry_service");
	vx6_json_str(&j, "name", v->name);
	vx6_json_str(&j, "full_name", v->node_name[0] ? full : id);
	api_put_node_id(&j, "node_id", &v->node);
	api_put_text(&j, "node_name", v->node_name);
	vx6_json_str(&j, "state", states[v->state]);
	vx6_json_str(&j, "source", sources[v->source]);
	vx6_json_u64(&j, "sequence", v->seq);
	api_put_time(&j, "issued_at", v->issued_ms);
	api_put_time(&j, "expires_at", v->expires_ms);
	vx6_json_bool(&j, "conflict", v->conflict);
	vx6_json_end_object(&j);
	return vx6_json_take(&j);
}

const struct api_rows api_known_services = {.path = "/v1/registry/services",
					    .what = "service in the registry",
					    .kind = VX6_PAGE_SERVICES,
					    .encode = encode_service};

/* ---- names ---- */

static char *encode_binding(const struct vx6_page *p, size_t i)
{
	const struct vx6_name_binding *b = &p->u.bindings[i];
	char id[VX6_PAGE_KEY];
	struct vx6_json j = {0};

	vx6_page_key(p, i, id);
	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "id", id);
	vx6_json_str(&j, "kind", b->kind == VX6_BINDING_PIN ? "pin" : "petname");
	vx6_json_str(&j, "name", b->name);
	api_put_node_id(&j, "node_id", &b->node);
	api_put_time(&j, "since", b->since_ms ? b->since_ms : 1);
	vx6_json_end_object(&j);
	return vx6_json_take(&j);
}

const struct api_rows api_bindings = {.path = "/v1/names",
				      .what = "petname or pin",
				      .kind = VX6_PAGE_BINDINGS,
				      .encode = encode_binding};

static void put_claim(struct vx6_json *j, const struct vx6_name_claim_seen *c)
{
	vx6_json_object(j, NULL);
	api_put_node_id(j, "node_id", &c->node);
	api_put_time(j, "claimed_at", c->claimed_at_s * 1000);
	vx6_json_u64(j, "median_age_s", c->median_age_s);
	vx6_json_u64(j, "holders", c->holders);
	vx6_json_u64(j, "prefixes", c->prefixes);
	vx6_json_u64(j, "work_bits", c->work_bits);
	vx6_json_bool(j, "direct", c->direct);
	vx6_json_bool(j, "configured", c->configured);
	api_put_node_id(j, "introduced_by", c->introduced ? &c->by : NULL);
	api_put_text(j, "record_hash", c->record_hash);
	vx6_json_end_object(j);
}

void api_put_conflict(struct vx6_json *j, const char *key, const struct vx6_name_conflict *c)
{
	if (!c) {
		vx6_json_str(j, key, NULL);
		return;
	}
	vx6_json_object(j, key);
	vx6_json_str(j, "id", c->name);
	vx6_json_str(j, "kind", "name_conflict");
	vx6_json_str(j, "name", c->name);
	vx6_json_bool(j, "ours", c->ours);
	api_put_node_id(j, "pinned_to", c->pinned ? &c->pin : NULL);
	api_put_time(j, "first_seen", c->first_ms ? c->first_ms : 1);
	api_put_time(j, "last_seen", c->last_ms ? c->last_ms : 1);
	vx6_json_array(j, "claims");
	for (size_t i = 0; i < c->claims_n; i++)
		put_claim(j, &c->claim[i]);
	vx6_json_end_array(j);
	vx6_json_u64(j, "more", c->more);
	vx6_json_end_object(j);
}

static char *encode_conflict(const struct vx6_page *p, size_t i)
{
	struct vx6_json j = {0};

	api_put_conflict(&j, NULL, &p->u.conflicts[i]);
	return vx6_json_take(&j);
}

const struct api_rows api_conflicts = {.path = "/v1/names/conflicts",
				       .what = "conflict",
				       .kind = VX6_PAGE_CONFLICTS,
				       .encode = encode_conflict};

/* "pin:alice", "petname:alice". @return false: neither; the reply says so */
static bool read_binding(struct api_request *r, struct vx6_cmd *cmd)
{
	const char *arg = r->match.arg, *name = strchr(arg, ':');
	bool pin = strncmp(arg, "pin:", 4) == 0;

	if (name && (pin || strncmp(arg, "petname:", 8) == 0) &&
	    vx6_label_is_valid(name + 1, strlen(name + 1))) {
		cmd->u.binding.kind = pin ? VX6_BINDING_PIN : VX6_BINDING_PETNAME;
		vx6_strlcpy(cmd->u.binding.name, name + 1, sizeof cmd->u.binding.name);
		return true;
	}
	api_reply_problem(r, VX6_PROBLEM_NOT_FOUND, "write pin:NAME or petname:NAME");
	return false;
}

static void put_then(struct api_request *r, struct vx6_answer *a)
{
	bool created = a->page && a->page->created;

	api_rows_reply(r, created ? MHD_HTTP_CREATED : MHD_HTTP_OK, &api_bindings, a);
	if (created)
		snprintf(r->reply.location, sizeof r->reply.location, "/v1/names/%.45s",
			 r->match.arg);
}

void api_name_put(struct api_request *r)
{
	struct vx6_cmd *cmd = api_cmd_new(r, VX6_CMD_BINDING_PUT);
	const char *id = vx6_value_string(vx6_value_get(r->json, "node_id"));

	if (read_binding(r, cmd) &&
	    !api_get_node_id(id, "/node_id", &cmd->u.binding.node, api_request_faults(r)))
		api_reply_faults(r, VX6_PROBLEM_INVALID_BODY);
	if (r->reply.status)
		vx6_cmd_free(cmd);
	else
		api_call(r, cmd, API_CALL_MS, put_then);
}

static void deleted_then(struct api_request *r, struct vx6_answer *a)
{
	if (vx6_is_ok(a->err))
		api_reply_empty(r, MHD_HTTP_NO_CONTENT);
	else
		api_reply_failure(r, a);
}

void api_name_delete(struct api_request *r)
{
	struct vx6_cmd *cmd = api_cmd_new(r, VX6_CMD_BINDING_DELETE);

	if (read_binding(r, cmd))
		api_call(r, cmd, API_CALL_MS, deleted_then);
	else
		vx6_cmd_free(cmd);
}
