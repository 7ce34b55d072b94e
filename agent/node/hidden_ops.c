/* Changes of hidden services that the API asks for: invites, clients, introduction points, aliases. Answered when they are on the disk. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "node/discovery_internal.h"
#include "node/hidden_internal.h"

/* By id, "name:" and name, or alias. */
static struct hidden_service *service_called(struct vx6_node *node, const char *text)
{
	VX6_LIST_EACH(at, &node->hidden->services)
	{
		struct hidden_service *s = VX6_CONTAINER_OF(at, struct hidden_service, node);
		bool by_name = strncmp(text, "name:", 5) == 0;

		if (s->leaving)
			continue;
		if (by_name ? strcmp(s->name, text + 5) == 0
			    : strcmp(s->data.id, text) == 0 || strcmp(s->spec.alias, text) == 0)
			return s;
	}
	return NULL;
}

static struct hidden_service *hosted(struct request *rq)
{
	struct hidden_service *s = service_called(rq->owner, rq->cmd->id);

	if (s && s->scope)
		return s;
	request_fail(
		rq, s ? VX6_ERR(AGAIN) : VX6_ERR(NOT_FOUND), NULL,
		s ? "the service is not hosted now"
		  : "no hidden service of this node is called so; `vx6 hidden status` lists them");
	return NULL;
}

/* ---- invites and clients ---- */

static void undo_invite(struct hidden_wait *w)
{
	const struct vx6_hidden_client_row *row = w->answer.page->u.hidden_clients;
	struct hidden_service *s = hidden_service_find(w->owner, row->service);

	if (s && s->scope)
		(void)vx6_is_ok(vx6_host_revoke(w->owner->hidden->host, s->scope, row->client.id));
}

static void invite(struct request *rq)
{
	const struct vx6_hidden_ask *ask = &rq->cmd->u.hidden;
	struct hidden_service *s = hosted(rq);
	struct vx6_hidden_invite made = {.has_secret = true};
	struct vx6_answer answer = {.err = VX6_OK};
	struct vx6_host_client client;
	struct vx6_host_info info;
	struct hidden_wait *w;
	vx6_err err;

	if (!s)
		return;
	err = vx6_host_invite(rq->owner->hidden->host, s->scope, ask->name, ask->expires_s,
			      ask->uses, made.secret, &client);
	if (vx6_is_ok(err))
		err = vx6_host_info(rq->owner->hidden->host, s->scope, &info);
	if (!vx6_is_ok(err)) {
		request_fail(rq, err, err.code == VX6_E_INVALID ? "/expires_at" : NULL,
			     err.code == VX6_E_FULL ? "a service has room for so many clients and "
						      "invites; revoke one that is not used"
						    : NULL);
		return;
	}
	made.service = info.service;
	made.expires_s = ask->expires_s;
	vx6_strlcpy(made.alias, s->spec.alias, sizeof made.alias);
	answer.page = hidden_client_page(s, &client);
	answer.secret = vx6_zalloc(VX6_HIDDEN_INVITE_TEXT);
	answer.secret_n = VX6_HIDDEN_INVITE_TEXT;
	vx6_hidden_invite_format_uri(&made, (char *)answer.secret);
	vx6_hidden_invite_wipe(&made);
	vx6_strlcpy(answer.id, answer.page->u.hidden_clients->id, sizeof answer.id);
	hidden_tell(rq->owner, "hidden.invited", "service", s->data.id, s->spec.alias, NULL);
	hidden_service_sync(s);
	w = hidden_wait_new(rq, &answer);
	w->undo = undo_invite;
	hidden_file_save(&s->file, w);
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "inv_0123456789abcdef" @return false: no id of either kind */
static bool client_id(const char *text, uint8_t out[static VX6_HOST_ID])
{
	if ((strncmp(text, "inv_", 4) != 0 && strncmp(text, "hcl_", 4) != 0) ||
	    strlen(text) != 4 + 2 * (size_t)VX6_HOST_ID)
		return false;
	for (size_t i = 0; i < VX6_HOST_ID; i++) {
		int high = nibble(text[4 + 2 * i]), low = nibble(text[5 + 2 * i]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static void revoke(struct request *rq)
{
	struct vx6_answer answer = {.err = VX6_OK};
	uint8_t id[VX6_HOST_ID];

	VX6_LIST_EACH(at, &rq->owner->hidden->services)
	{
		struct hidden_service *s = VX6_CONTAINER_OF(at, struct hidden_service, node);

		if (!client_id(rq->cmd->id, id) || !s->scope ||
		    !vx6_is_ok(vx6_host_revoke(rq->owner->hidden->host, s->scope, id)))
			continue;
		hidden_tell(rq->owner, "hidden.revoked", "service", s->data.id, s->spec.alias,
			    rq->cmd->id);
		hidden_service_sync(s);
		hidden_file_save(&s->file, hidden_wait_new(rq, &answer));
		return;
	}
	request_fail(rq, VX6_ERR(NOT_FOUND), NULL,
		     "there is no such client or invite; `vx6 hidden clients` and `vx6 hidden "
		     "invites` list them");
}

static void rotate(struct request *rq)
{
	struct hidden_service *s = hosted(rq);
	struct vx6_answer answer = {.err = VX6_OK};
	vx6_err err;

	if (!s)
		return;
	vx6_strlcpy(answer.id, s->data.id, sizeof answer.id);
	if (rq->cmd->u.hidden.new_key) {
		hidden_service_rekey(s);
		hidden_file_save(&s->file, hidden_wait_new(rq, &answer));
		return;
	}
	err = vx6_host_rotate(rq->owner->hidden->host, s->scope);
	if (vx6_is_ok(err))
		request_answer(rq, &answer);
	else
		request_fail(rq, err, NULL, NULL);
}

/* ---- aliases ---- */

static void undo_alias(struct hidden_wait *w)
{
	struct hidden_visit *v = hidden_visit_find(w->owner, w->id);

	if (!v)
		return;
	vx6_guests_access(w->owner->hidden->guests, &v->data.service, NULL);
	hidden_file_remove(&v->file, NULL);
}

static vx6_err read_invite(const struct vx6_hidden_ask *ask, struct vx6_hidden_visit *out,
			   struct fault *f)
{
	struct vx6_hidden_invite in;
	vx6_err err = vx6_hidden_invite_parse(ask->invite, &in);

	if (!vx6_is_ok(err)) {
		f->pointer = "/invite";
		vx6_strlcpy(f->detail, "is no invite, or was not copied whole", sizeof f->detail);
		return VX6_ERR(INVALID);
	}
	vx6_strlcpy(out->alias, ask->name[0] ? ask->name : in.alias, sizeof out->alias);
	out->service = in.service;
	out->created_ms = vx6_wall_ms();
	out->access.strict = ask->strict;
	out->fast = ask->fast;
	if (in.has_secret) {
		out->access.has_invite = out->access.has_key = true;
		memcpy(out->access.invite, in.secret, sizeof in.secret);
		vx6_random_bytes(out->access.key, sizeof out->access.key);
		out->access.invite_expires_s = in.expires_s;
	}
	err = in.expires_s && in.expires_s <= vx6_wall_s() ? VX6_ERR(EXPIRED) : VX6_OK;
	vx6_hidden_invite_wipe(&in);
	return err;
}

static vx6_err check_alias(struct vx6_node *node, const struct vx6_hidden_visit *v, struct fault *f)
{
	const struct hidden_visit *same = hidden_visit_of(node, &v->service);

	f->pointer = "/invite";
	if (same) {
		snprintf(
			f->detail, sizeof f->detail,
			"the service is known here, as %s; forget that first to use another invite",
			same->data.alias);
		return VX6_ERR(EXISTS);
	}
	f->pointer = "/alias";
	if (!v->alias[0]) {
		vx6_strlcpy(f->detail, "the invite suggests none: give one", sizeof f->detail);
		return VX6_ERR(INVALID);
	}
	if (hidden_visit_find(node, v->alias)) {
		snprintf(f->detail, sizeof f->detail, "%s is the alias of another service",
			 v->alias);
		return VX6_ERR(EXISTS);
	}
	if (hidden_visit_is_leaving(node, v->alias)) {
		snprintf(f->detail, sizeof f->detail, "%s is being forgotten; try again", v->alias);
		return VX6_ERR(AGAIN);
	}
	return VX6_OK;
}

static void alias_add(struct request *rq)
{
	struct vx6_hidden_visit data = {0};
	struct vx6_answer answer = {.err = VX6_OK};
	struct fault f = {.pointer = NULL};
	struct hidden_visit *v = NULL;
	struct hidden_wait *w;
	vx6_err err = read_invite(&rq->cmd->u.hidden, &data, &f);

	if (vx6_is_ok(err))
		err = check_alias(rq->owner, &data, &f);
	if (vx6_is_ok(err) && (v = hidden_visit_add(rq->owner, &data)) == NULL)
		err = VX6_ERR(FULL);
	vx6_wipe(&data, sizeof data);
	if (!v) {
		request_fail(rq, err, f.pointer, f.detail);
		return;
	}
	hidden_tell(rq->owner, "hidden.alias_added", "hidden", v->data.alias, v->data.alias, NULL);
	answer.page = hidden_alias_page(rq->owner, v);
	vx6_strlcpy(answer.id, v->data.alias, sizeof answer.id);
	w = hidden_wait_new(rq, &answer);
	w->undo = undo_alias;
	vx6_strlcpy(w->id, v->data.alias, sizeof w->id);
	hidden_file_save(&v->file, w);
}

static void alias_set(struct request *rq, struct hidden_visit *v)
{
	const struct vx6_hidden_ask *ask = &rq->cmd->u.hidden;
	struct vx6_answer answer = {.err = VX6_OK};

	if (ask->has_strict) {
		v->data.access.strict = ask->strict;
		vx6_guests_access(rq->owner->hidden->guests, &v->data.service, &v->data.access);
	}
	if (ask->has_fast)
		v->data.fast = ask->fast;
	answer.page = hidden_alias_page(rq->owner, v);
	hidden_file_save(&v->file, hidden_wait_new(rq, &answer));
}

/* Nothing of it is to go on that its user cannot name any more. */
static void alias_forget(struct request *rq, struct hidden_visit *v)
{
	struct vx6_node *node = rq->owner;
	struct vx6_answer answer = {.err = VX6_OK};
	char detail[VX6_CIRCUIT_WHY];

	snprintf(detail, sizeof detail,
		 "the alias %s was forgotten here: accept an invite again, or remove the forward",
		 v->data.alias);
	hidden_tell(node, "hidden.alias_removed", "hidden", v->data.alias, v->data.alias, NULL);
	vx6_circuits_abandon(node->circuits, &v->data.service, VX6_ERR(CONFLICT), detail);
	vx6_guests_access(node->hidden->guests, &v->data.service, NULL);
	vx6_forwards_alias_gone(node->forwards, v->data.alias, detail);
	hidden_file_remove(&v->file, hidden_wait_new(rq, &answer));
}

static void alias_change(struct request *rq)
{
	struct hidden_visit *v = hidden_visit_find(rq->owner, rq->cmd->id);

	if (!v)
		request_fail(rq, VX6_ERR(NOT_FOUND), NULL,
			     "there is no such alias; `vx6 hidden aliases` lists them");
	else if (rq->cmd->kind == VX6_CMD_ALIAS_SET)
		alias_set(rq, v);
	else
		alias_forget(rq, v);
}

void hidden_change(struct request *rq)
{
	switch (rq->cmd->kind) {
	case VX6_CMD_HIDDEN_INVITE:
		invite(rq);
		break;
	case VX6_CMD_HIDDEN_REVOKE:
		revoke(rq);
		break;
	case VX6_CMD_HIDDEN_ROTATE:
		rotate(rq);
		break;
	case VX6_CMD_ALIAS_ADD:
		alias_add(rq);
		break;
	case VX6_CMD_ALIAS_FIND:
		hidden_find_alias(rq);
		break;
	default:
		alias_change(rq);
	}
}
