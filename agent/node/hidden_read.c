/* Hidden services as rows: those hosted here, their clients and invites, those that are visited, and how visits went. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "node/discovery_internal.h"
#include "node/hidden_internal.h"

/* ---- services ---- */

static bool copy_rend(void *user, const struct vx6_host_rend_info *r)
{
	struct vx6_hidden_row *row = user;

	row->rend[row->rends_n++] = *r;
	return row->rends_n < VX6_HIDDEN_RENDS;
}

static void name_relay(struct vx6_node *node, const struct vx6_node_id *id,
		       struct vx6_hidden_relay *out)
{
	out->node = *id;
	vx6_registry_name(node->registry, id, out->name);
}

static void copy_vanguards(struct vx6_node *node, struct vx6_hidden_row *row)
{
	size_t n = VX6_MIN(vx6_vanguards_count(node->vanguards), (size_t)VX6_HIDDEN_GUARDS);

	for (size_t i = 0; i < n; i++)
		name_relay(node, &vx6_vanguards_at(node->vanguards, i)->node,
			   &row->vanguard[row->vanguards_n++]);
}

static void add_guard(struct vx6_node *node, const struct vx6_node_id *id,
		      struct vx6_hidden_row *row)
{
	for (size_t i = 0; i < row->guards_n; i++)
		if (vx6_node_id_eq(&row->guard[i].node, id))
			return;
	if (row->guards_n < VX6_HIDDEN_GUARDS)
		name_relay(node, id, &row->guard[row->guards_n++]);
}

/* The relays that circuits to introduction points begin with, and the names of all. */
static void copy_guards(struct vx6_node *node, struct vx6_hidden_row *row)
{
	for (size_t i = 0; i < row->info.intros_n; i++) {
		const struct vx6_host_intro_info *intro = &row->info.intro[i];

		vx6_registry_name(node->registry, &intro->node, row->intro_name[i]);
		for (size_t k = 0; k < VX6_ARRAY_N(intro->path); k++)
			if (intro->path[k].has_guard)
				add_guard(node, &intro->path[k].guard, row);
	}
	for (size_t i = 0; i < row->rends_n; i++)
		vx6_registry_name(node->registry, &row->rend[i].x, row->rend_name[i]);
}

static void copy_replicas(const struct hidden_service *s, struct vx6_hidden_row *row)
{
	struct vx6_hs_publish_info info;
	uint64_t now = vx6_loop_now_ms(s->owner->loop);

	if (!s->publisher)
		return;
	vx6_hs_publisher_info(s->publisher, &info);
	for (size_t i = 0; i < info.rows_n; i++) {
		if (info.row[i].period != row->info.period)
			continue;
		for (size_t k = 0; k < VX6_HS_INDEXES; k++) {
			row->wanted += info.row[i].index[k].wanted;
			row->stored += info.row[i].index[k].stored;
			row->proved += info.row[i].index[k].proved;
		}
		if (info.row[i].next_ms > now)
			row->next_publish_ms = vx6_wall_ms() + info.row[i].next_ms - now;
	}
}

static void copy_service(const struct hidden_service *s, struct vx6_hidden_row *row)
{
	struct vx6_node *node = s->owner;

	vx6_strlcpy(row->id, s->data.id, sizeof row->id);
	vx6_strlcpy(row->name, s->name, sizeof row->name);
	vx6_strlcpy(row->info.alias, s->spec.alias, sizeof row->info.alias);
	row->relays = hidden_relays(node);
	row->enabled = s->enabled;
	row->beside_roles = node->cfg.hidden_keep_roles;
	row->given_up_roles = node->hidden_roles_given_up;
	row->err = s->err;
	hidden_claim_show(s, &row->claim);
	copy_vanguards(node, row);
	row->has_key =
		s->scope && vx6_is_ok(vx6_host_info(node->hidden->host, s->scope, &row->info));
	if (!row->has_key)
		return;
	vx6_host_rends_each(node->hidden->host, s->scope, copy_rend, row);
	row->info.current &= s->due_n == 0;
	copy_guards(node, row);
	copy_replicas(s, row);
}

struct vx6_hidden_row *hidden_row(const struct vx6_node *node, const char *id)
{
	const struct hidden_service *s = node->hidden ? hidden_service_find(node, id) : NULL;
	struct vx6_hidden_row *row;

	if (!s)
		return NULL;
	row = vx6_zalloc(sizeof *row);
	copy_service(s, row);
	return row;
}

/* By its id, "name:" and its name, or its alias. */
static bool is_called(const struct hidden_service *s, const char *text)
{
	if (strncmp(text, "name:", 5) == 0)
		return strcmp(s->name, text + 5) == 0;
	return strcmp(s->data.id, text) == 0 || strcmp(s->spec.alias, text) == 0;
}

static struct vx6_page *services_page(struct vx6_node *node, const struct vx6_page_ask *ask)
{
	size_t max = ask->exact[0] ? 1 : VX6_HOST_SERVICES_MAX;
	struct vx6_page *p = page_new(VX6_PAGE_HIDDEN, max);

	VX6_LIST_EACH(at, &node->hidden->services)
	{
		struct hidden_service *s = VX6_CONTAINER_OF(at, struct hidden_service, node);

		if (s->leaving || p->n == max || (ask->exact[0] && !is_called(s, ask->exact)) ||
		    (ask->after[0] && strcmp(s->data.id, ask->after) <= 0))
			continue;
		copy_service(s, &p->u.hidden[p->n++]);
	}
	return p;
}

/* ---- clients ---- */

static void client_id(const struct vx6_host_client *c, char out[static VX6_RESOURCE_ID_MAX])
{
	size_t at = (size_t)snprintf(out, VX6_RESOURCE_ID_MAX, "%s",
				     c->kind == VX6_HOST_INVITE ? "inv_" : "hcl_");

	for (size_t i = 0; i < sizeof c->id; i++)
		at += (size_t)snprintf(out + at, VX6_RESOURCE_ID_MAX - at, "%02x", c->id[i]);
}

static void copy_client(const struct hidden_service *s, const struct vx6_host_client *c,
			struct vx6_hidden_client_row *row)
{
	client_id(c, row->id);
	vx6_strlcpy(row->service, s->data.id, sizeof row->service);
	vx6_strlcpy(row->alias, s->spec.alias, sizeof row->alias);
	row->client = *c;
}

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct vx6_hidden_client_row *)a)->id,
		      ((const struct vx6_hidden_client_row *)b)->id);
}

static bool wants_client(const struct vx6_page_ask *ask, const struct vx6_hidden_client_row *row)
{
	if (ask->exact[0])
		return strcmp(row->id, ask->exact) == 0;
	if (ask->has_filter && (int)row->client.kind != ask->filter)
		return false;
	return (!ask->after[0] || strcmp(row->id, ask->after) > 0) &&
	       page_matches(ask, row->client.name, NULL);
}

static void cut(struct vx6_page *p, const struct vx6_page_ask *ask)
{
	if (ask->limit && p->n > ask->limit) {
		p->n = ask->limit;
		p->more = true;
	}
}

static struct vx6_page *clients_page(struct vx6_node *node, const struct vx6_page_ask *ask)
{
	size_t services_n = vx6_host_count(node->hidden->host) + 1;
	struct vx6_page *p =
		page_new(VX6_PAGE_HIDDEN_CLIENTS, services_n * VX6_HIDDEN_HOSTED_CLIENTS);

	VX6_LIST_EACH(at, &node->hidden->services)
	{
		struct hidden_service *s = VX6_CONTAINER_OF(at, struct hidden_service, node);

		if (s->leaving || !s->scope || (ask->target[0] && !is_called(s, ask->target)))
			continue;
		hidden_service_sync(s);
		for (size_t i = 0; i < s->data.clients_n; i++) {
			copy_client(s, &s->data.client[i], &p->u.hidden_clients[p->n]);
			p->n += wants_client(ask, &p->u.hidden_clients[p->n]);
		}
	}
	qsort(p->u.rows, p->n, sizeof *p->u.hidden_clients, by_id);
	cut(p, ask);
	return p;
}

struct vx6_page *hidden_client_page(struct hidden_service *s, const struct vx6_host_client *c)
{
	struct vx6_page *p = page_new(VX6_PAGE_HIDDEN_CLIENTS, 1);

	copy_client(s, c, &p->u.hidden_clients[p->n++]);
	return p;
}

/* ---- aliases ---- */

struct showing {
	struct vx6_hidden_alias_row *row;
};

static bool copy_show(void *user, const struct vx6_guest_show *show)
{
	struct showing *to = user;

	if (!vx6_node_id_eq(&show->service, &to->row->service))
		return true;
	to->row->known = true;
	to->row->show = *show;
	return false;
}

static void copy_alias(struct vx6_node *node, const struct hidden_visit *v,
		       struct vx6_hidden_alias_row *row)
{
	struct showing to = {row};

	vx6_strlcpy(row->alias, v->data.alias, sizeof row->alias);
	row->service = v->data.service;
	row->strict = v->data.access.strict;
	row->fast = v->data.fast;
	row->enrolled = v->data.access.enrolled;
	row->has_invite = v->data.access.has_invite;
	row->created_ms = v->data.created_ms;
	row->invite_expires_s = v->data.access.invite_expires_s;
	vx6_guests_each(node->hidden->guests, copy_show, &to);
}

static int by_alias(const void *a, const void *b)
{
	return strcmp(((const struct vx6_hidden_alias_row *)a)->alias,
		      ((const struct vx6_hidden_alias_row *)b)->alias);
}

static struct vx6_page *aliases_page(struct vx6_node *node, const struct vx6_page_ask *ask)
{
	struct vx6_page *p = page_new(VX6_PAGE_HIDDEN_ALIASES, node->hidden->visits_n + 1);

	VX6_LIST_EACH(at, &node->hidden->visits)
	{
		struct hidden_visit *v = VX6_CONTAINER_OF(at, struct hidden_visit, node);

		if (v->file.remove || (ask->exact[0] && strcmp(v->data.alias, ask->exact) != 0) ||
		    (ask->after[0] && strcmp(v->data.alias, ask->after) <= 0) ||
		    !page_matches(ask, v->data.alias, NULL))
			continue;
		copy_alias(node, v, &p->u.hidden_aliases[p->n++]);
	}
	qsort(p->u.rows, p->n, sizeof *p->u.hidden_aliases, by_alias);
	cut(p, ask);
	return p;
}

struct vx6_page *hidden_alias_page(struct vx6_node *node, const struct hidden_visit *v)
{
	struct vx6_page *p = page_new(VX6_PAGE_HIDDEN_ALIASES, 1);

	copy_alias(node, v, &p->u.hidden_aliases[p->n++]);
	return p;
}

/* ---- how visits went ---- */

struct attempts {
	struct vx6_node *node;
	const struct vx6_page_ask *ask;
	struct vx6_page *page;
};

static bool copy_attempt(void *user, const struct vx6_guest_attempt *a)
{
	struct attempts *to = user;
	const struct hidden_visit *v = hidden_visit_of(to->node, &a->service);
	struct vx6_hidden_attempt_row *row = &to->page->u.hidden_attempts[to->page->n];

	if (to->ask->after[0] && a->id >= strtoull(to->ask->after, NULL, 10))
		return true;
	row->attempt = *a;
	if (v)
		vx6_strlcpy(row->alias, v->data.alias, sizeof row->alias);
	return ++to->page->n < VX6_GUESTS_ATTEMPTS;
}

static struct vx6_page *attempts_page(struct vx6_node *node, const struct vx6_page_ask *ask)
{
	struct vx6_page *p = page_new(VX6_PAGE_HIDDEN_ATTEMPTS, VX6_GUESTS_ATTEMPTS);
	const struct hidden_visit *v = ask->target[0] ? hidden_visit_find(node, ask->target) : NULL;
	struct attempts to = {node, ask, p};
	struct vx6_node_id service;

	if (v)
		service = v->data.service;
	else if (ask->target[0] && !vx6_is_ok(vx6_hidden_key_parse(ask->target, &service)))
		return p;
	vx6_guests_attempts(node->hidden->guests, ask->target[0] ? &service : NULL, copy_attempt,
			    &to);
	cut(p, ask);
	return p;
}

void hidden_read(struct request *rq)
{
	const struct vx6_page_ask *ask = &rq->cmd->u.page;

	switch (ask->kind) {
	case VX6_PAGE_HIDDEN:
		page_answer(rq, services_page(rq->owner, ask));
		break;
	case VX6_PAGE_HIDDEN_CLIENTS:
		page_answer(rq, clients_page(rq->owner, ask));
		break;
	case VX6_PAGE_HIDDEN_ALIASES:
		page_answer(rq, aliases_page(rq->owner, ask));
		break;
	default:
		page_answer(rq, attempts_page(rq->owner, ask));
	}
}
