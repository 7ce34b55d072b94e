/* Hidden services that this node visits: aliases, and how the ways there began. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/server/server_internal.h"
#include "base/util.h"
#include "crypto/secret.h"

/* ---- aliases ---- */

static void put_descriptor(struct vx6_json *j, const struct vx6_guest_show *v)
{
	if (!v->has_descriptor) {
		vx6_json_str(j, "descriptor", NULL);
		return;
	}
	vx6_json_object(j, "descriptor");
	vx6_json_u64(j, "sequence", v->seq);
	vx6_json_u64(j, "period", v->period);
	api_put_time(j, "fetched_at", v->fetched_ms);
	api_put_time(j, "expires_at", v->expires_s * 1000);
	vx6_json_u64(j, "sources", v->sources);
	vx6_json_u64(j, "asked", v->asked);
	vx6_json_bool(j, "confirmed", v->confirmed);
	vx6_json_end_object(j);
}

/* @param v all zero: nothing is known of it yet */
static void put_status(struct vx6_json *j, const struct vx6_guest_show *v)
{
	vx6_json_object(j, "status");
	put_descriptor(j, v);
	vx6_json_u64(j, "introduction_points", v->intros_n + v->standbys_n);
	vx6_json_bool(j, "closed", v->closed);
	vx6_json_u64(j, "effort", v->effort);
	vx6_json_u64(j, "connecting", v->waiting_n);
	vx6_json_u64(j, "joined", v->joined_n);
	if (vx6_is_ok(v->err)) {
		vx6_json_str(j, "last_error", NULL);
	} else {
		vx6_json_object(j, "last_error");
		vx6_json_str(j, "code", api_hidden_code(v->err));
		vx6_json_str(j, "detail", v->detail[0] ? v->detail : vx6_err_text(v->err));
		vx6_json_end_object(j);
	}
	vx6_json_end_object(j);
}

static char *encode_alias(const struct vx6_page *p, size_t i)
{
	static const struct vx6_guest_show nothing;
	const struct vx6_hidden_alias_row *v = &p->u.hidden_aliases[i];
	struct vx6_json j = {0};

	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "id", v->alias);
	vx6_json_str(&j, "kind", "hidden_alias");
	vx6_json_str(&j, "alias", v->alias);
	api_put_hidden_key(&j, "key", &v->service);
	vx6_json_str(&j, "profile", v->fast ? "fast" : "standard");
	vx6_json_bool(&j, "strict", v->strict);
	vx6_json_bool(&j, "enrolled", v->enrolled);
	api_put_time(&j, "expires_at", v->enrolled ? 0 : v->invite_expires_s * 1000);
	api_put_time(&j, "created_at", v->created_ms ? v->created_ms : 1);
	put_status(&j, v->known ? &v->show : &nothing);
	vx6_json_end_object(&j);
	return vx6_json_take(&j);
}

const struct api_rows api_hidden_aliases = {.path = "/v1/hidden-aliases",
					    .what = "alias; `vx6 hidden aliases` lists them",
					    .kind = VX6_PAGE_HIDDEN_ALIASES,
					    .encode = encode_alias};

static void added_then(struct api_request *r, struct vx6_answer *a)
{
	api_rows_reply(r, MHD_HTTP_CREATED, &api_hidden_aliases, a);
	if (r->reply.status == MHD_HTTP_CREATED)
		snprintf(r->reply.location, sizeof r->reply.location, "/v1/hidden-aliases/%s",
			 a->id);
}

static bool is_fast(const struct api_request *r)
{
	const char *profile = vx6_value_string(vx6_value_get(r->json, "profile"));

	return profile && strcmp(profile, "fast") == 0;
}

void api_hidden_alias_create(struct api_request *r)
{
	struct vx6_cmd *cmd = api_cmd_new(r, VX6_CMD_ALIAS_ADD);
	const char *alias = vx6_value_string(vx6_value_get(r->json, "alias"));
	const char *invite = vx6_value_string(vx6_value_get(r->json, "invite"));
	struct vx6_hidden_ask *ask = &cmd->u.hidden;

	vx6_strlcpy(ask->name, alias ? alias : "", sizeof ask->name);
	vx6_strlcpy(ask->invite, invite, sizeof ask->invite);
	ask->strict = vx6_value_bool(vx6_value_get(r->json, "strict"), false);
	ask->fast = is_fast(r);
	/* what is left of the secret goes at once */
	vx6_wipe(r->body, r->body_n);
	vx6_wipe((char *)(uintptr_t)invite, strlen(invite));
	api_call(r, cmd, API_CALL_MS, added_then);
}

static void changed_then(struct api_request *r, struct vx6_answer *a)
{
	api_rows_reply(r, MHD_HTTP_OK, &api_hidden_aliases, a);
}

static void forgotten_then(struct api_request *r, struct vx6_answer *a)
{
	if (vx6_is_ok(a->err))
		api_reply_empty(r, MHD_HTTP_NO_CONTENT);
	else
		api_reply_failure(r, a);
}

void api_hidden_alias_update(struct api_request *r)
{
	struct vx6_cmd *cmd = api_cmd_new(r, VX6_CMD_ALIAS_SET);
	const struct vx6_value *strict = vx6_value_get(r->json, "strict");
	struct vx6_hidden_ask *ask = &cmd->u.hidden;

	ask->has_strict = strict != NULL;
	ask->strict = vx6_value_bool(strict, false);
	ask->has_fast = vx6_value_get(r->json, "profile") != NULL;
	ask->fast = is_fast(r);
	vx6_strlcpy(cmd->id, r->match.arg, sizeof cmd->id);
	api_call(r, cmd, API_CALL_MS, changed_then);
}

void api_hidden_alias_delete(struct api_request *r)
{
	struct vx6_cmd *cmd = api_cmd_new(r, VX6_CMD_ALIAS_DELETE);

	vx6_strlcpy(cmd->id, r->match.arg, sizeof cmd->id);
	api_call(r, cmd, API_CALL_MS, forgotten_then);
}

/* ---- who claims an alias ---- */

static const char *outcome_of(enum vx6_verdict verdict)
{
	static const char *const text[] = {
		[VX6_VERDICT_NONE] = "none", [VX6_VERDICT_ONE] = "one",
		[VX6_VERDICT_WEAK] = "weak", [VX6_VERDICT_SEVERAL] = "several",
		[VX6_VERDICT_PIN] = "known", [VX6_VERDICT_MISMATCH] = "mismatch"};

	return text[verdict];
}

static void put_claims(struct vx6_json *j, const struct vx6_claims *claims)
{
	vx6_json_array(j, "claims");
	for (size_t i = 0; i < claims->n; i++) {
		const struct vx6_name_claim_seen *c = &claims->claim[i];

		vx6_json_object(j, NULL);
		api_put_hidden_key(j, "key", &c->node);
		vx6_json_u64(j, "median_age_s", c->median_age_s);
		vx6_json_u64(j, "holders", c->holders);
		vx6_json_u64(j, "prefixes", c->prefixes);
		vx6_json_u64(j, "work_bits", c->work_bits);
		vx6_json_str(j, "record_hash", c->record_hash);
		vx6_json_end_object(j);
	}
	vx6_json_end_array(j);
	vx6_json_u64(j, "more", claims->more);
}

static char *encode_found(const struct vx6_page *p, size_t i)
{
	const struct vx6_hidden_found_row *v = &p->u.hidden_found[i];
	bool is_one = v->verdict != VX6_VERDICT_NONE && v->verdict != VX6_VERDICT_SEVERAL;
	struct vx6_json j = {0};

	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "kind", "hidden_alias_found");
	vx6_json_str(&j, "alias", v->alias);
	vx6_json_str(&j, "outcome", outcome_of(v->verdict));
	api_put_hidden_key(&j, "key", is_one ? &v->chosen : NULL);
	api_put_hidden_key(&j, "known_as", v->is_known ? &v->known : NULL);
	put_claims(&j, &v->claims);
	vx6_json_u64(&j, "holders_asked", v->asked.holders);
	vx6_json_u64(&j, "queries", v->queries);
	vx6_json_u64(&j, "took_ms", v->ms);
	vx6_json_end_object(&j);
	return vx6_json_take(&j);
}

static void found_then(struct api_request *r, struct vx6_answer *a)
{
	static const struct api_rows rows = {.what = "alias",
					     .kind = VX6_PAGE_HIDDEN_FOUND,
					     .encode = encode_found};

	api_rows_reply(r, MHD_HTTP_OK, &rows, a);
}

void api_hidden_alias_find(struct api_request *r)
{
	struct vx6_cmd *cmd = api_cmd_new(r, VX6_CMD_ALIAS_FIND);

	vx6_strlcpy(cmd->u.hidden.name, vx6_value_string(vx6_value_get(r->json, "alias")),
		    sizeof cmd->u.hidden.name);
	api_call(r, cmd, API_CALL_MS, found_then);
}

/* ---- attempts ---- */

static char *encode_attempt(const struct vx6_page *p, size_t i)
{
	const struct vx6_hidden_attempt_row *row = &p->u.hidden_attempts[i];
	const struct vx6_guest_attempt *v = &row->attempt;
	char id[VX6_PAGE_KEY];
	struct vx6_json j = {0};

	vx6_page_key(p, i, id);
	vx6_json_object(&j, NULL);
	vx6_json_str(&j, "id", id);
	vx6_json_str(&j, "kind", "hidden_attempt");
	api_put_hidden_key(&j, "key", &v->service);
	api_put_text(&j, "alias", row->alias);
	api_put_time(&j, "began_at", v->began_ms ? v->began_ms : 1);
	vx6_json_bool(&j, "finished", v->is_over);
	vx6_json_str(&j, "error", vx6_is_ok(v->err) ? NULL : api_hidden_code(v->err));
	vx6_json_array(&j, "steps");
	for (unsigned k = 0; k < v->steps_n; k++) {
		vx6_json_object(&j, NULL);
		vx6_json_u64(&j, "at_ms", v->step[k].ms);
		vx6_json_str(&j, "step", vx6_guest_step_text(v->step[k].kind));
		vx6_json_str(&j, "detail", v->step[k].detail);
		vx6_json_end_object(&j);
	}
	vx6_json_end_array(&j);
	vx6_json_u64(&j, "steps_lost", v->steps_lost);
	vx6_json_end_object(&j);
	return vx6_json_take(&j);
}

const struct api_rows api_hidden_attempts = {.path = "/v1/hidden-connects",
					     .what = "attempt",
					     .kind = VX6_PAGE_HIDDEN_ATTEMPTS,
					     .encode = encode_attempt};
