/* Hidden services of this node: what is set of them, what they are doing, and their introduction points and keys replaced. */
#include <stdio.h>
#include <string.h>

#include "api/server/server_internal.h"
#include "base/util.h"
#include "identity/hidden_key.h"

/* ---- what their owner sets ---- */

void api_put_hidden_settings(struct vx6_json *j, const char *key,
			     const struct vx6_service_spec *spec)
{
	const struct vx6_hidden_settings *h = &spec->hidden;

	if (spec->visibility != VX6_VISIBILITY_HIDDEN) {
		vx6_json_str(j, key, NULL);
		return;
	}
	vx6_json_object(j, key);
	vx6_json_str(j, "alias", h->alias[0] ? h->alias : spec->name);
	vx6_json_str(j, "profile", h->fast ? "fast" : "standard");
	vx6_json_bool(j, "open", h->open);
	vx6_json_u64(j, "rate", h->rate ? h->rate : VX6_HOST_RATE);
	vx6_json_u64(j, "burst", h->burst ? h->burst : VX6_HOST_BURST);
	vx6_json_str(j, "proof_of_work", h->no_pow ? "off" : "auto");
	vx6_json_bool(j, "force", h->force);
	vx6_json_bool(j, "publish_alias", h->publish_alias);
	vx6_json_end_object(j);
}

static bool is_word(const struct vx6_value *v, const char *key, const char *word)
{
	const char *text = vx6_value_string(vx6_value_get(v, key));

	return text && strcmp(text, word) == 0;
}

void api_get_hidden_settings(const struct vx6_value *v, struct vx6_hidden_settings *out)
{
	const char *alias = vx6_value_string(vx6_value_get(v, "alias"));

	vx6_strlcpy(out->alias, alias ? alias : "", sizeof out->alias);
	out->fast = is_word(v, "profile", "fast");
	out->open = vx6_value_bool(vx6_value_get(v, "open"), false);
	out->no_pow = is_word(v, "proof_of_work", "off");
	out->force = vx6_value_bool(vx6_value_get(v, "force"), false);
	out->publish_alias = vx6_value_bool(vx6_value_get(v, "publish_alias"), false);
	out->rate = (uint32_t)vx6_value_number(vx6_value_get(v, "rate"));
	out->burst = (uint32_t)vx6_value_number(vx6_value_get(v, "burst"));
}

/* ---- in short ---- */

void api_put_hidden_key(struct vx6_json *j, const char *key, const struct vx6_node_id *service)
{
	char text[VX6_NODE_ID_TEXT];

	vx6_json_str(j, key, service ? vx6_hidden_key_format(service, text) : NULL);
}

const char *api_hidden_state(const struct vx6_hidden_row *row)
{
	if (!row->has_key)
		return row->enabled && row->err.code == VX6_E_AGAIN ? "starting" : "off";
	switch (row->info.state) {
	case VX6_HOST_CUT_OFF:
		return "degraded";
	case VX6_HOST_DRAINING:
		return "off";
	default:
		return vx6_host_state_text(row->info.state);
	}
}

static void warn_of(struct vx6_json *j, size_t n, const char *what)
{
	char text[160];

	snprintf(text, sizeof text, "%zu %s", n, what);
	vx6_json_str(j, NULL, text);
}

static void put_warnings(struct vx6_json *j, const struct vx6_hidden_row *row)
{
	vx6_json_array(j, "warnings");
	if (row->relays < VX6_HIDDEN_FEW_RELAYS)
		warn_of(j, row->relays,
			"relays are known: with fewer than 30 there is little to hide among");
	if (row->has_key && row->info.active_want < VX6_HOST_INTROS)
		warn_of(j, row->info.active_want,
			"introduction points in the place of three, as too few relays are known");
	if (row->beside_roles)
		vx6_json_str(j, NULL,
			     "this node serves strangers besides: who compares when both are away "
			     "has found it");
	if (row->claim.rivals_n > 0)
		warn_of(j, row->claim.rivals_n,
			"other services claim its alias: whoever looks it up has to choose");
	if (row->given_up_roles)
		vx6_json_str(
			j, NULL,
			"this node was a public relay until it began to host: that it is none any "
			"more can be seen, and about since when. Be none for days before: "
			"vx6 relay set --mode off");
	if (row->has_key && row->info.detail[0])
		vx6_json_str(j, NULL, row->info.detail);
	if (!row->has_key && !vx6_is_ok(row->err) && row->err.code != VX6_E_AGAIN)
		vx6_json_str(j, NULL, "its key cannot be read: see the agent's log");
	vx6_json_end_array(j);
}

void api_put_hidden_state(struct vx6_json *j, const char *key, const struct vx6_hidden_row *row,
			  const struct vx6_service_spec *spec)
{
	static const struct vx6_hidden_row none = {.enabled = true,
						   .err = {VX6_E_AGAIN},
						   .relays = VX6_HIDDEN_FEW_RELAYS};

	if (spec->visibility != VX6_VISIBILITY_HIDDEN) {
		vx6_json_str(j, key, NULL);
		return;
	}
	row = row ? row : &none;
	vx6_json_object(j, key);
	api_put_hidden_key(j, "key", row->has_key ? &row->info.service : NULL);
	vx6_json_str(j, "state", api_hidden_state(row));
	api_put_time(j, "ready_at", row->info.ready_wall_ms);
	put_warnings(j, row);
	vx6_json_end_object(j);
}

/* ---- as a whole ---- */

static void put_paths(struct vx6_json *j, const struct vx6_host_intro_info *v)
{
	vx6_json_array(j, "circuits");
	for (size_t i = 0; i < VX6_ARRAY_N(v->path); i++)
		if (v->path[i].circuit[0])
			vx6_json_str(j, NULL, v->path[i].circuit);
	vx6_json_end_array(j);
}

static void put_intros(struct vx6_json *j, const struct vx6_hidden_row *row)
{
	vx6_json_array(j, "introduction_points");
	for (size_t i = 0; i < row->info.intros_n; i++) {
		const struct vx6_host_intro_info *v = &row->info.intro[i];

		vx6_json_object(j, NULL);
		api_put_node_id(j, "node_id", &v->node);
		api_put_text(j, "name", row->intro_name[i]);
		vx6_json_str(j, "state", vx6_host_intro_state_text(v->state));
		vx6_json_bool(j, "published", v->published);
		api_put_time(j, "since", v->since_wall_ms);
		api_put_time(j, "last_introduction_at", v->last_wall_ms);
		vx6_json_u64(j, "introductions", v->introductions);
		api_put_time(j, "replace_at", v->rotate_wall_s * 1000);
		put_paths(j, v);
		vx6_json_end_object(j);
	}
	vx6_json_end_array(j);
}

static void put_relays(struct vx6_json *j, const char *key, const struct vx6_hidden_relay *v,
		       size_t n)
{
	vx6_json_array(j, key);
	for (size_t i = 0; i < n; i++) {
		vx6_json_object(j, NULL);
		api_put_node_id(j, "node_id", &v[i].node);
		api_put_text(j, "name", v[i].name);
		vx6_json_end_object(j);
	}
	vx6_json_end_array(j);
}

static void put_rend(struct vx6_json *j, const struct vx6_host_rend_info *v, const char *name)
{
	static const struct vx6_node_id none;
	bool met = !vx6_node_id_eq(&v->x, &none);

	vx6_json_object(j, NULL);
	api_put_time(j, "at", v->wall_ms ? v->wall_ms : 1);
	api_put_node_id(j, "node_id", met ? &v->x : NULL);
	api_put_text(j, "name", met ? name : "");
	vx6_json_str(j, "state", v->state);
	api_put_text(j, "client", v->client);
	api_put_text(j, "circuit", v->circuit);
	vx6_json_u64(j, "effort", v->effort);
	vx6_json_u64(j, "waited_ms", v->waited_ms);
	api_put_count(j, "took_ms", v->took_ms != 0, v->took_ms);
	vx6_json_u64(j, "tried", v->tried);
	api_put_time(j, "ended_at", v->ended_wall_ms);
	vx6_json_str(j, "error", vx6_is_ok(v->err) ? NULL : api_failure_code(v->err));
	vx6_json_end_object(j);
}

static void put_rends(struct vx6_json *j, const struct vx6_hidden_row *row)
{
	vx6_json_array(j, "rendezvous");
	for (size_t i = 0; i < row->rends_n; i++)
		put_rend(j, &row->rend[i], row->rend_name[i]);
	vx6_json_end_array(j);
}

static void put_descriptor(struct vx6_json *j, const struct vx6_hidden_row *row)
{
	const struct vx6_host_info *v = &row->info;

	if (!v->published_wall_s) {
		vx6_json_str(j, "descriptor", NULL);
		return;
	}
	vx6_json_object(j, "descriptor");
	vx6_json_u64(j, "sequence", v->seq);
	vx6_json_u64(j, "period", v->period);
	api_put_time(j, "published_at", v->published_wall_s * 1000);
	api_put_time(j, "next_at", row->next_publish_ms);
	vx6_json_bool(j, "current", v->current);
	vx6_json_u64(j, "bytes", VX6_HS_DESC_BYTES);
	api_put_replicas(j, "replicas", row->wanted, row->stored, row->proved);
	vx6_json_end_object(j);
}

static void put_claim(struct vx6_json *j, const struct vx6_hidden_claim_row *v)
{
	static const char *const states[] = {[VX6_HIDDEN_CLAIM_WAITING] = "waiting",
					     [VX6_HIDDEN_CLAIM_WORKING] = "working",
					     [VX6_HIDDEN_CLAIM_PUBLISHING] = "publishing",
					     [VX6_HIDDEN_CLAIM_PUBLISHED] = "published"};

	if (!v->wanted) {
		vx6_json_str(j, "alias_claim", NULL);
		return;
	}
	vx6_json_object(j, "alias_claim");
	vx6_json_str(j, "state", states[v->state]);
	api_put_time(j, "published_at", v->proved_ms);
	api_put_replicas(j, "replicas", v->holders_wanted, v->stored, v->proved);
	vx6_json_array(j, "others");
	for (size_t i = 0; i < v->rivals_n; i++) {
		vx6_json_object(j, NULL);
		api_put_hidden_key(j, "key", &v->rival[i].key);
		api_put_time(j, "heard_at", v->rival[i].heard_ms);
		vx6_json_end_object(j);
	}
	vx6_json_end_array(j);
	vx6_json_end_object(j);
}

static void put_load(struct vx6_json *j, const struct vx6_host_info *v)
{
	vx6_json_object(j, "effort");
	vx6_json_u64(j, "suggested", v->effort);
	vx6_json_u64(j, "queue", v->queue);
	vx6_json_u64(j, "highest", v->queue_top);
	vx6_json_u64(j, "building", v->building);
	vx6_json_end_object(j);
	vx6_json_object(j, "introductions");
	vx6_json_u64(j, "opened", v->introductions);
	vx6_json_u64(j, "accepted", v->accepted);
	vx6_json_u64(j, "rendezvous_failed", v->rendezvous_failed);
	api_put_count(j, "typical_ms", v->rend_p50_ms != 0, v->rend_p50_ms);
	vx6_json_end_object(j);
	vx6_json_object(j, "refused");
	for (int i = VX6_HOST_REFUSED_NONE + 1; i < VX6_HOST_REFUSALS; i++)
		vx6_json_u64(j, vx6_host_refusal_name((enum vx6_host_refusal)i), v->refused[i]);
	vx6_json_end_object(j);
	api_put_pair(j, "sessions", "active", v->sessions, "total", v->rendezvous_up);
	vx6_json_u64(j, "sessions_max", v->sessions_max);
	vx6_json_u64(j, "clients", v->clients);
	vx6_json_u64(j, "invites", v->invites);
	vx6_json_u64(j, "revoked", v->revoked);
}

static char *encode(const struct vx6_page *p, size_t i)
{
	const struct vx6_hidden_row *row = &p->u.hidden[i];
	const struct vx6_host_info *v = &row->info;
	struct vx6_json j = {0};

	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "service", row->id);
	vx6_json_str(&j, "kind", "hidden_service");
	vx6_json_str(&j, "name", row->name);
	vx6_json_str(&j, "alias", v->alias);
	api_put_hidden_key(&j, "key", row->has_key ? &v->service : NULL);
	vx6_json_str(&j, "profile", v->fast ? "fast" : "standard");
	vx6_json_bool(&j, "open", !v->closed);
	vx6_json_str(&j, "state", api_hidden_state(row));
	api_put_time(&j, "ready_at", v->ready_wall_ms);
	vx6_json_u64(&j, "relays_known", row->relays);
	put_warnings(&j, row);
	put_intros(&j, row);
	put_relays(&j, "guards", row->guard, row->guards_n);
	put_relays(&j, "vanguards", row->vanguard, row->vanguards_n);
	put_rends(&j, row);
	put_descriptor(&j, row);
	put_claim(&j, &row->claim);
	put_load(&j, v);
	vx6_json_end_object(&j);
	return vx6_json_take(&j);
}

const struct api_rows api_hidden = {.path = "/v1/services/{id}/hidden",
				    .what = "hidden service here; `vx6 hidden status` lists them",
				    .kind = VX6_PAGE_HIDDEN,
				    .encode = encode};

/* ---- rotate ---- */

static void rotated_then(struct api_request *r, struct vx6_answer *a)
{
	if (vx6_is_ok(a->err))
		api_reply_empty(r, MHD_HTTP_NO_CONTENT);
	else
		api_reply_failure(r, a);
}

static void rotate(struct api_request *r, bool new_key)
{
	struct vx6_cmd *cmd = api_cmd_new(r, VX6_CMD_HIDDEN_ROTATE);

	cmd->u.hidden.new_key = new_key;
	vx6_strlcpy(cmd->id, r->match.arg, sizeof cmd->id);
	api_call(r, cmd, API_CALL_MS, rotated_then);
}

/* Another key is a thing to be sure of: its alias says that this service is meant. */
static void confirm_then(struct api_request *r, struct vx6_answer *a)
{
	const char *said = vx6_value_string(vx6_value_get(r->json, "confirm"));

	if (!vx6_is_ok(a->err)) {
		api_reply_failure(r, a);
	} else if (!a->page || a->page->n == 0) {
		api_reply_problem(r, VX6_PROBLEM_NOT_FOUND,
				  "no hidden service of this node is called so; `vx6 hidden "
				  "status` lists them");
	} else if (!said || strcmp(said, a->page->u.hidden[0].info.alias) != 0) {
		vx6_fault_add(api_request_faults(r), "/confirm", "invalid",
			      "must be the service's alias: all its clients and invites end");
		api_reply_faults(r, VX6_PROBLEM_INVALID_BODY);
	} else {
		rotate(r, true);
	}
}

void api_hidden_rotate(struct api_request *r)
{
	struct vx6_cmd *cmd;

	if (!is_word(r->json, "what", "key")) {
		rotate(r, false);
		return;
	}
	cmd = api_cmd_new(r, VX6_CMD_READ);
	cmd->u.page.kind = VX6_PAGE_HIDDEN;
	cmd->u.page.limit = 1;
	vx6_strlcpy(cmd->u.page.exact, r->match.arg, sizeof cmd->u.page.exact);
	api_call(r, cmd, API_CALL_MS, confirm_then);
}
