/* Catalogs, as the API asks for them. They are called by name; their files are written before a change is answered. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "node/discovery_internal.h"

/* ---- rows ---- */

/* "cat_friends" and "name:friends" are the catalog `friends`. @return its name; NULL: no catalog is called so */
static const char *name_of(const char *id)
{
	if (strncmp(id, "cat_", 4) == 0)
		return id + 4;
	return strncmp(id, "name:", 5) == 0 ? id + 5 : NULL;
}

static void copy_items(const struct vx6_catalog *list, struct vx6_catalog_row *row)
{
	vx6_strlcpy(row->title, list->title, sizeof row->title);
	row->seq = list->seq;
	row->items_n = list->entries_n;
	row->items = list->entries_n ? vx6_zalloc(list->entries_n * sizeof *row->items) : NULL;
	for (size_t i = 0; i < list->entries_n; i++) {
		const struct vx6_catalog_entry *e = &list->entries[i];

		row->items[i].node = e->node;
		vx6_strlcpy(row->items[i].service, e->service, sizeof row->items[i].service);
		vx6_strlcpy(row->items[i].alias, e->alias, sizeof row->items[i].alias);
	}
}

static bool copy_row(struct vx6_node *node, const char *name, struct vx6_catalog_row *row)
{
	struct vx6_catalog_info info;

	if (!vx6_catalogs_info(node->catalogs, name, &info))
		return false;
	snprintf(row->id, sizeof row->id, "cat_%s", info.name);
	vx6_strlcpy(row->name, info.name, sizeof row->name);
	vx6_key_format(VX6_KEY_CATALOG, info.pk.b, row->key);
	row->owner = info.owner;
	row->created_ms = info.created_ms;
	row->updated_ms = info.updated_ms;
	row->fetched_ms = info.fetched_ms;
	row->expires_ms = info.expires_s * 1000;
	row->last_err = info.last_err;
	row->last_err_ms = info.last_err_ms;
	row->published = info.published;
	row->wanted = info.kept.wanted;
	row->stored = info.kept.stored;
	row->proved = info.kept.proved;
	if (info.list)
		copy_items(info.list, row);
	return true;
}

static struct vx6_page *page_of(struct vx6_node *node, const char *name)
{
	struct vx6_page *p = page_new(VX6_PAGE_CATALOGS, 1);

	p->n = name && copy_row(node, name, &p->u.catalogs[0]);
	return p;
}

void catalogs_read(struct request *rq)
{
	const struct vx6_page_ask *ask = &rq->cmd->u.page;
	char names[VX6_CATALOGS_MAX][VX6_LABEL_TEXT];
	struct vx6_page *p;
	size_t n;

	if (ask->exact[0]) {
		page_answer(rq, page_of(rq->owner, name_of(ask->exact)));
		return;
	}
	p = page_new(VX6_PAGE_CATALOGS, VX6_CATALOGS_MAX);
	n = vx6_catalogs_page(rq->owner->catalogs, ask->after[0] ? name_of(ask->after) : NULL,
			      names, VX6_CATALOGS_MAX);
	for (size_t i = 0; i < n && !p->more; i++) {
		if (!page_matches(ask, names[i], NULL))
			continue;
		p->more = p->n == ask->limit;
		if (!p->more && copy_row(rq->owner, names[i], &p->u.catalogs[p->n]))
			p->n++;
	}
	page_answer(rq, p);
}

/* ---- entries ---- */

/* "web": a service of ours that others may know to be. @return false: there is none */
static bool own_entry(const struct vx6_node *node, const char *service,
		      struct vx6_catalog_entry *out)
{
	for (size_t i = 0; i < node->service_rows.n; i++) {
		const struct vx6_service_spec *spec = &node->service_rows.row[i]->spec.service;

		if (strcmp(spec->name, service) != 0 || spec->visibility == VX6_VISIBILITY_HIDDEN)
			continue;
		out->node = node->identity.id;
		vx6_strlcpy(out->service, service, sizeof out->service);
		return true;
	}
	return false;
}

/* "alice.web", "vx1….web": of a node that is known here. */
static bool other_entry(struct vx6_node *node, const char *text, struct vx6_catalog_entry *out)
{
	struct vx6_resolve_ask ask = {.local_only = true};
	struct vx6_resolution found;

	if (!vx6_is_ok(vx6_target_parse(text, &ask.target)) || ask.target.is_hidden)
		return false;
	vx6_strlcpy(out->service, ask.target.service, sizeof out->service);
	out->node = ask.target.node_id;
	if (ask.target.has_node_id)
		return true;
	if (!vx6_is_ok(vx6_resolve_known(node->resolver, &ask, &found)) || !found.has_node)
		return false;
	out->node = found.node;
	return true;
}

/* What the catalog has under that alias. @return NULL: nothing */
static const struct vx6_catalog_entry *entry_called(const struct vx6_catalog *list,
						    const char *alias)
{
	for (size_t i = 0; list && i < list->entries_n; i++)
		if (strcmp(list->entries[i].alias, alias) == 0)
			return &list->entries[i];
	return NULL;
}

static vx6_err add_entry(struct request *rq, const char *name, vx6_catalog_done *done,
			 struct fault *f)
{
	const char *service = rq->cmd->u.catalog.service, *alias = rq->cmd->u.catalog.alias;
	struct vx6_catalog_entry e = {.kind = VX6_SERVICE_TCP};
	const struct vx6_catalog_entry *there;
	struct vx6_catalog_info info;
	bool found = strchr(service, '.') ? other_entry(rq->owner, service, &e)
					  : own_entry(rq->owner, service, &e);

	if (!vx6_catalogs_info(rq->owner->catalogs, name, &info))
		return VX6_ERR(NOT_FOUND);
	if (!info.owner)
		return VX6_ERR(REFUSED);
	if (!found) {
		f->pointer = "/service";
		snprintf(f->detail, sizeof f->detail,
			 strchr(service, '.') ? "%.100s is not known here; look it up, or give the "
						"node id"
					      : "this node has no service %.100s",
			 service);
		return VX6_ERR(INVALID);
	}
	vx6_strlcpy(e.alias, alias[0] ? alias : e.service, sizeof e.alias);
	there = entry_called(info.list, e.alias);
	if (there &&
	    (!vx6_node_id_eq(&there->node, &e.node) || strcmp(there->service, e.service) != 0)) {
		f->pointer = "/name";
		snprintf(f->detail, sizeof f->detail, "the catalog calls another service %s",
			 e.alias);
		return VX6_ERR(EXISTS);
	}
	return vx6_catalogs_put(rq->owner->catalogs, name, &e, done, rq);
}

/* By its alias, or by the service when one entry has it. */
static vx6_err drop_entry(struct request *rq, const char *name, vx6_catalog_done *done)
{
	const char *word = rq->cmd->u.catalog.service, *alias = NULL;
	struct vx6_catalog_info info;

	if (!vx6_catalogs_info(rq->owner->catalogs, name, &info) || !info.list)
		return VX6_ERR(NOT_FOUND);
	if (entry_called(info.list, word))
		alias = word;
	for (size_t i = 0; !alias && i < info.list->entries_n; i++)
		if (strcmp(info.list->entries[i].service, word) == 0)
			alias = info.list->entries[i].alias;
	return alias ? vx6_catalogs_drop(rq->owner->catalogs, name, alias, done, rq)
		     : VX6_ERR(NOT_FOUND);
}

/* ---- changes ---- */

static const char *event_of(enum vx6_cmd_kind kind)
{
	if (kind == VX6_CMD_CATALOG_CREATE || kind == VX6_CMD_CATALOG_JOIN)
		return "catalog.created";
	return kind == VX6_CMD_CATALOG_DELETE ? "catalog.removed" : "catalog.updated";
}

static const char *subject_of(const struct request *rq)
{
	return rq->cmd->id[0] ? name_of(rq->cmd->id) : rq->cmd->u.catalog.name;
}

static void on_done(void *user, vx6_err err)
{
	struct request *rq = user;
	struct vx6_event ev;
	char id[VX6_RESOURCE_ID_MAX];

	vx6_list_remove(&rq->node);
	if (!vx6_is_ok(err)) {
		request_fail(rq, err, NULL, NULL);
		return;
	}
	snprintf(id, sizeof id, "cat_%s", subject_of(rq));
	event_init(&ev, event_of(rq->cmd->kind), "catalog", id, NULL);
	vx6_strlcpy(ev.request_id, rq->cmd->request_id, sizeof ev.request_id);
	event_emit(rq->owner, &ev);
	page_answer(rq, page_of(rq->owner, subject_of(rq)));
}

/* What is wrong with an invitation is wrong with that field, whatever it is. */
static vx6_err invite_error(vx6_err err, struct fault *f)
{
	switch (err.code) {
	case VX6_E_FORMAT:
	case VX6_E_CHECKSUM:
	case VX6_E_KEY:
	case VX6_E_MISMATCH:
	case VX6_E_UNSUPPORTED:
		f->pointer = "/invite";
		vx6_strlcpy(f->detail, "is no invitation, or was not copied whole",
			    sizeof f->detail);
		return VX6_ERR(INVALID);
	case VX6_E_EXISTS:
		vx6_strlcpy(f->detail, "the name is taken, or the catalog was joined before",
			    sizeof f->detail);
		return err;
	default:
		return err;
	}
}

static vx6_err change(struct request *rq, const char *name, struct fault *f)
{
	struct vx6_catalogs *all = rq->owner->catalogs;

	switch (rq->cmd->kind) {
	case VX6_CMD_CATALOG_CREATE:
		return vx6_catalogs_create(all, name, on_done, rq);
	case VX6_CMD_CATALOG_JOIN:
		return invite_error(vx6_catalogs_join(all, name, rq->cmd->u.catalog.invite, on_done,
						      rq),
				    f);
	case VX6_CMD_CATALOG_DELETE:
		return vx6_catalogs_remove(all, name, on_done, rq);
	case VX6_CMD_CATALOG_ADD:
		return add_entry(rq, name, on_done, f);
	default:
		return drop_entry(rq, name, on_done);
	}
}

static void invite(struct request *rq, const char *name)
{
	struct vx6_answer answer = {.err = VX6_OK, .secret_n = VX6_CATALOG_INVITE_TEXT};

	answer.secret = vx6_zalloc(VX6_CATALOG_INVITE_TEXT);
	snprintf(answer.id, sizeof answer.id, "cat_%s", name);
	if (!vx6_catalogs_invite(rq->owner->catalogs, name, (char *)answer.secret)) {
		free(answer.secret);
		request_fail(rq, VX6_ERR(NOT_FOUND), NULL, "there is no such catalog");
		return;
	}
	request_answer(rq, &answer);
}

void catalog_change(struct request *rq)
{
	const char *name = subject_of(rq);
	struct fault f = {.pointer = NULL};
	vx6_err err;

	if (!name || !vx6_label_is_valid(name, strlen(name))) {
		request_fail(rq, VX6_ERR(NOT_FOUND), NULL, "there is no such catalog");
		return;
	}
	if (rq->cmd->kind == VX6_CMD_CATALOG_INVITE) {
		invite(rq, name);
		return;
	}
	vx6_list_push(&rq->owner->reads, &rq->node);
	err = change(rq, name, &f);
	if (vx6_is_ok(err))
		return;
	vx6_list_remove(&rq->node);
	request_fail(rq, err, f.pointer, f.detail);
}
