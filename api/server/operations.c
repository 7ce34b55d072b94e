/* Work that takes a while: lookups and refreshes are begun here, read, waited for and cancelled. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/server/server_internal.h"
#include "base/util.h"

/* ---- what a lookup found ---- */

static void put_step(struct vx6_json *j, const struct vx6_lookup_step *s)
{
	static const char *const about[] = {[VX6_ABOUT_NAME] = "name",
					    [VX6_ABOUT_ENDPOINT] = "endpoint",
					    [VX6_ABOUT_SERVICE] = "service",
					    [VX6_ABOUT_REVOCATION] = "revocation",
					    [VX6_ABOUT_KEY] = "key"};
	static const char *const events[] = {[VX6_DHT_STEP_ASKED] = "asked",
					     [VX6_DHT_STEP_ANSWERED] = "answered",
					     [VX6_DHT_STEP_SLOW] = "slow",
					     [VX6_DHT_STEP_FAILED] = "failed",
					     [VX6_DHT_STEP_WIDENED] = "widened"};
	bool peer = s->t.peer.port != 0, answer = s->t.kind == VX6_DHT_STEP_ANSWERED;

	vx6_json_object(j, NULL);
	vx6_json_str(j, "about", about[s->about]);
	vx6_json_str(j, "event", events[s->t.kind]);
	vx6_json_u64(j, "at_ms", s->t.at_ms);
	vx6_json_u64(j, "path", s->t.path);
	api_put_node_id(j, "node_id", peer ? &s->t.peer.node : NULL);
	if (peer)
		api_put_contact(j, "address", &s->t.peer);
	else
		vx6_json_str(j, "address", NULL);
	vx6_json_bool(j, "warm", s->t.warm);
	vx6_json_u64(j, "bits", s->t.bits);
	api_put_count(j, "rtt_ms", answer, s->t.rtt_ms);
	vx6_json_u64(j, "nodes", s->t.nodes);
	vx6_json_u64(j, "closer", s->t.closer);
	vx6_json_u64(j, "values", s->t.values);
	vx6_json_str(j, "error",
		     s->t.kind == VX6_DHT_STEP_FAILED ? api_failure_code(s->t.err) : NULL);
	vx6_json_end_object(j);
}

static void put_values(struct vx6_json *j, const struct vx6_lookup_view *v)
{
	vx6_json_array(j, "values");
	for (size_t i = 0; i < v->values_n; i++) {
		const struct vx6_lookup_value *x = &v->values[i];

		vx6_json_object(j, NULL);
		vx6_json_str(j, "type", api_record_type(x->rtype));
		api_put_node_id(j, "node_id", x->has_node ? &x->node : NULL);
		vx6_json_u64(j, "sequence", x->seq);
		vx6_json_u64(j, "bytes", x->bytes);
		vx6_json_u64(j, "holders", x->holders);
		vx6_json_u64(j, "prefixes", x->prefixes);
		vx6_json_u64(j, "paths", x->paths);
		vx6_json_u64(j, "median_age_s", x->median_age_s);
		api_put_time(j, "expires_at", x->expires_ms);
		vx6_json_end_object(j);
	}
	vx6_json_end_array(j);
	vx6_json_array(j, "closest");
	for (size_t i = 0; i < v->closest_n; i++) {
		vx6_json_object(j, NULL);
		api_put_node_id(j, "node_id", &v->closest[i].node);
		api_put_contact(j, "address", &v->closest[i]);
		vx6_json_end_object(j);
	}
	vx6_json_end_array(j);
}

static void put_endpoint(struct vx6_json *j, const struct vx6_lookup_view *v)
{
	const struct vx6_endpoint *e = &v->endpoint;

	vx6_json_array(j, "addresses");
	for (size_t i = 0; v->has_endpoint && i < e->n_addrs; i++)
		api_put_node_addr(j, NULL, &e->addrs[i].addr, e->addrs[i].via & VX6_VIA_QUIC,
				  e->addrs[i].via & VX6_VIA_TCP);
	vx6_json_end_array(j);
	vx6_json_bool(j, "from_registry", v->from_registry);
	api_put_count(j, "age_s", v->has_endpoint, v->age_s);
	api_put_time(j, "expires_at", v->has_endpoint ? (e->issued_s + e->lifetime_s) * 1000 : 0);
}

static void put_cost(struct vx6_json *j, const struct vx6_lookup_view *v)
{
	vx6_json_u64(j, "queries", v->queries);
	vx6_json_u64(j, "answers", v->answers);
	vx6_json_u64(j, "timeouts", v->timeouts);
	api_put_pair(j, "bytes", "rx", v->rx_bytes, "tx", v->tx_bytes);
	vx6_json_u64(j, "took_ms", v->ms);
	vx6_json_array(j, "steps");
	for (size_t i = 0; i < v->steps_n; i++)
		put_step(j, &v->steps[i]);
	vx6_json_end_array(j);
}

static void put_result(struct vx6_json *j, const struct vx6_op_row *o)
{
	static const char *const ways[] = {
		[VX6_BY_ID] = "id",   [VX6_BY_PETNAME] = "petname", [VX6_BY_PEER] = "peer",
		[VX6_BY_PIN] = "pin", [VX6_BY_CLAIM] = "claim",     [VX6_BY_CATALOG] = "catalog"};
	const struct vx6_lookup_view *v = &o->lookup;

	if (o->state == VX6_OP_RUNNING) {
		vx6_json_str(j, "result", NULL);
		return;
	}
	vx6_json_object(j, "result");
	vx6_json_bool(j, "found", v->found);
	api_put_node_id(j, "node_id", v->has_node ? &v->node : NULL);
	api_put_text(j, "node_name", v->node_name);
	api_put_text(j, "service", o->ask.kind == VX6_ASK_SERVICE ? o->ask.target.service : "");
	vx6_json_str(j, "resolved_by", v->has_by ? ways[v->by] : NULL);
	put_endpoint(j, v);
	api_put_conflict(j, "conflict", v->conflict);
	api_put_node_id(j, "successor", v->has_successor ? &v->successor : NULL);
	api_put_hex(j, "key", o->ask.kind == VX6_ASK_KEY ? o->ask.key.b : NULL);
	put_values(j, v);
	put_cost(j, v);
	vx6_json_end_object(j);
}

/* ---- the operation ---- */

/* A lookup fails in words of the API's problems, so that its error means the same everywhere. */
static const char *error_code(vx6_err err)
{
	switch (err.code) {
	case VX6_E_AMBIGUOUS:
		return "ambiguous_name";
	case VX6_E_MISMATCH:
		return "pin_mismatch";
	case VX6_E_REVOKED:
		return "node_revoked";
	default:
		return api_failure_code(err);
	}
}

static void put_error(struct vx6_json *j, const struct vx6_op_row *o)
{
	if (o->state != VX6_OP_FAILED) {
		vx6_json_str(j, "error", NULL);
		return;
	}
	vx6_json_object(j, "error");
	vx6_json_str(j, "code", error_code(o->err));
	vx6_json_str(j, "detail", o->detail[0] ? o->detail : vx6_err_text(o->err));
	api_put_time(j, "at", o->finished_ms);
	vx6_json_end_object(j);
}

static char *encode_operation(const struct vx6_page *p, size_t i)
{
	static const char *const kinds[] = {
		[VX6_OP_KIND_LOOKUP] = "dht.lookup", [VX6_OP_KIND_REFRESH] = "registry.refresh"};
	static const char *const op_states[] = {[VX6_OP_RUNNING] = "running",
						[VX6_OP_DONE] = "done",
						[VX6_OP_FAILED] = "failed",
						[VX6_OP_CANCELED] = "canceled"};
	const struct vx6_op_row *o = &p->u.operations[i];
	struct vx6_json j = {0};

	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "id", o->id);
	vx6_json_str(&j, "kind", kinds[o->kind]);
	vx6_json_str(&j, "state", op_states[o->state]);
	vx6_json_str(&j, "target", o->target);
	vx6_json_object(&j, "progress");
	vx6_json_u64(&j, "done", o->done);
	vx6_json_str(&j, "total", NULL);
	vx6_json_str(&j, "unit", "query");
	vx6_json_str(&j, "message", o->message ? o->message : "");
	vx6_json_end_object(&j);
	put_error(&j, o);
	put_result(&j, o);
	api_put_time(&j, "started_at", o->started_ms);
	api_put_time(&j, "finished_at", o->finished_ms);
	vx6_json_bool(&j, "cancelable", o->state == VX6_OP_RUNNING);
	vx6_json_str(&j, "managed_by", o->managed_by);
	vx6_json_end_object(&j);
	return vx6_json_take(&j);
}

const struct api_rows api_operations = {.path = "/v1/operations",
					.what = "operation",
					.kind = VX6_PAGE_OPERATIONS,
					.encode = encode_operation};
const struct api_rows api_lookups = {.path = "/v1/dht/lookups",
				     .what = "lookup",
				     .kind = VX6_PAGE_OPERATIONS,
				     .encode = encode_operation};

/* ---- begin ---- */

/* "wait=10" among the preferences. @return ms, 0: not asked for */
static uint32_t preferred_wait(const struct api_request *r)
{
	const char *prefer = api_request_header(r, "Prefer");
	const char *at = prefer ? strstr(prefer, "wait=") : NULL;
	unsigned long s = at && at[5] >= '0' && at[5] <= '9' ? strtoul(at + 5, NULL, 10) : 0;

	return (uint32_t)VX6_MIN(s, API_WAIT_MAX_MS / 1000ul) * 1000;
}

static void started_then(struct api_request *r, struct vx6_answer *a)
{
	const struct vx6_op_row *o = a->page && a->page->n ? &a->page->u.operations[0] : NULL;
	bool running = o && o->state == VX6_OP_RUNNING;

	api_rows_reply(r, !o || running || !preferred_wait(r) ? MHD_HTTP_ACCEPTED : MHD_HTTP_OK,
		       &api_operations, a);
	if (o && r->reply.status == MHD_HTTP_ACCEPTED)
		snprintf(r->reply.location, sizeof r->reply.location, "/v1/operations/%s", o->id);
}

static void read_target(struct api_request *r, struct vx6_lookup_ask *ask, const char *name,
			const char *pointer)
{
	/* a name without a service is read as one of some service */
	char text[VX6_TARGET_TEXT];
	bool whole = strpbrk(name, ".@") != NULL;
	vx6_err err;

	snprintf(text, sizeof text, "%s%s", name, whole ? "" : ".x");
	err = vx6_target_parse(text, &ask->target);
	if (!vx6_is_ok(err))
		vx6_fault_add(api_request_faults(r), pointer, vx6_err_name(err),
			      "is no name of a node or service: %s", vx6_err_text(err));
	if (!whole)
		ask->target.service[0] = 0;
	ask->kind = whole ? VX6_ASK_SERVICE : VX6_ASK_NODE;
}

static void read_key(const char *hex, struct vx6_dht_key *out)
{
	for (size_t i = 0; i < sizeof out->b; i++) {
		char two[3] = {hex[2 * i], hex[2 * i + 1], 0};

		out->b[i] = (uint8_t)strtoul(two, NULL, 16); /* the schema has looked at it */
	}
}

/* Fills the question from the body: exactly one of its subjects. */
static void read_ask(struct api_request *r, struct vx6_lookup_ask *ask)
{
	static const char *const subjects[] = {"name", "service", "node_id", "key"};
	const char *given = NULL, *value = NULL;
	char pointer[16];
	size_t n = 0;

	for (size_t i = 0; i < VX6_ARRAY_N(subjects); i++) {
		const char *text = vx6_value_string(vx6_value_get(r->json, subjects[i]));

		if (!text)
			continue;
		n++;
		given = subjects[i];
		value = text;
	}
	if (n != 1) {
		vx6_fault_add(api_request_faults(r), "", "oneOf", "give one of %s",
			      r->match.route->op == VX6_OP_REGISTRY_REFRESH
				      ? "name and node_id"
				      : "name, service, node_id and key");
		return;
	}
	snprintf(pointer, sizeof pointer, "/%s", given);
	if (strcmp(given, "key") == 0) {
		ask->kind = VX6_ASK_KEY;
		read_key(value, &ask->key);
	} else {
		read_target(r, ask, value, pointer);
	}
}

static void begin(struct api_request *r, enum vx6_op_kind kind)
{
	struct vx6_cmd *cmd = api_cmd_new(r, VX6_CMD_LOOKUP);
	struct vx6_lookup_ask *ask = &cmd->u.lookup.ask;

	cmd->u.lookup.kind = kind;
	cmd->u.lookup.wait_ms = preferred_wait(r);
	ask->fresh = kind == VX6_OP_KIND_REFRESH ||
		     vx6_value_bool(vx6_value_get(r->json, "fresh"), false);
	ask->anonymous = vx6_value_bool(vx6_value_get(r->json, "anonymous"), false);
	ask->trace = vx6_value_bool(vx6_value_get(r->json, "trace"), false);
	read_ask(r, ask);
	if (r->faults && r->faults->n) {
		vx6_cmd_free(cmd);
		api_reply_faults(r, VX6_PROBLEM_INVALID_BODY);
		return;
	}
	api_call(r, cmd, API_CALL_MS + cmd->u.lookup.wait_ms, started_then);
}

void api_lookup_create(struct api_request *r)
{
	begin(r, VX6_OP_KIND_LOOKUP);
}

void api_registry_refresh(struct api_request *r)
{
	begin(r, VX6_OP_KIND_REFRESH);
}

static void canceled_then(struct api_request *r, struct vx6_answer *a)
{
	api_rows_reply(r, MHD_HTTP_OK, &api_operations, a);
}

void api_operation_cancel(struct api_request *r)
{
	struct vx6_cmd *cmd = api_cmd_new(r, VX6_CMD_OP_CANCEL);

	if (vx6_strlcpy(cmd->id, r->match.arg, sizeof cmd->id) >= sizeof cmd->id)
		cmd->id[0] = 0;
	api_call(r, cmd, API_CALL_MS, canceled_then);
}
