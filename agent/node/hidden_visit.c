/* Services that are visited: what this node's user calls them, what may be shown to them, and where their descriptors are looked for. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "crypto/secret.h"
#include "node/hidden_internal.h"

/* ---- the table ---- */

struct hidden_visit *hidden_visit_find(const struct vx6_node *node, const char *alias)
{
	VX6_LIST_EACH(at, &node->hidden->visits)
	{
		struct hidden_visit *v = VX6_CONTAINER_OF(at, struct hidden_visit, node);

		if (!v->file.remove && strcmp(v->data.alias, alias) == 0)
			return v;
	}
	return NULL;
}

bool hidden_visit_is_leaving(const struct vx6_node *node, const char *alias)
{
	VX6_LIST_EACH(at, &node->hidden->visits)
	{
		struct hidden_visit *v = VX6_CONTAINER_OF(at, struct hidden_visit, node);

		if (v->file.remove && strcmp(v->data.alias, alias) == 0)
			return true;
	}
	return false;
}

struct hidden_visit *hidden_visit_of(const struct vx6_node *node, const struct vx6_node_id *service)
{
	VX6_LIST_EACH(at, &node->hidden->visits)
	{
		struct hidden_visit *v = VX6_CONTAINER_OF(at, struct hidden_visit, node);

		if (!v->file.remove && vx6_node_id_eq(&v->data.service, service))
			return v;
	}
	return NULL;
}

static void on_written(struct hidden_file *f, vx6_err err)
{
	struct hidden_visit *v = VX6_CONTAINER_OF(f, struct hidden_visit, file);

	(void)err;
	if (f->remove)
		hidden_visit_free(v);
}

struct hidden_visit *hidden_visit_add(struct vx6_node *node, const struct vx6_hidden_visit *data)
{
	struct hidden *h = node->hidden;
	struct hidden_visit *v;

	if (h->visits_n == HIDDEN_VISITS_MAX)
		return NULL;
	v = vx6_zalloc(sizeof *v);
	v->data = *data;
	hidden_file_init(&v->file, node);
	v->file.visit = &v->data;
	v->file.written = on_written;
	vx6_list_push(&h->visits, &v->node);
	h->visits_n++;
	vx6_guests_access(h->guests, &data->service, &data->access);
	for (size_t i = 0; i < VX6_HOST_SEQS; i++)
		if (data->seen[i].seq)
			vx6_guests_remember(h->guests, &data->service, &data->seen[i]);
	return v;
}

void hidden_visit_free(struct hidden_visit *v)
{
	struct hidden *h = v->file.node->hidden;

	hidden_file_fini(&v->file);
	vx6_list_remove(&v->node);
	h->visits_n--;
	vx6_wipe_free(v, sizeof *v);
}

static void load_one(void *user, const struct vx6_hidden_visit *v)
{
	struct vx6_node *node = user;

	if (!hidden_visit_find(node, v->alias))
		(void)hidden_visit_add(node, v);
}

void hidden_visits_load(struct vx6_node *node)
{
	vx6_hidden_visits_read(node->hidden->dir, load_one, node);
}

bool hidden_alias(void *user, const char *alias, struct vx6_hidden_alias *out)
{
	const struct vx6_node *node = user;
	const struct hidden_visit *v = node->hidden ? hidden_visit_find(node, alias) : NULL;

	if (!v)
		return false;
	*out = (struct vx6_hidden_alias){.service = v->data.service, .fast = v->data.fast};
	return true;
}

const char *hidden_name(const struct vx6_node *node, const struct vx6_node_id *service,
			char out[static VX6_LABEL_TEXT])
{
	const struct hidden_visit *v = node->hidden ? hidden_visit_of(node, service) : NULL;
	struct vx6_host_info info;

	vx6_strlcpy(out, v ? v->data.alias : "", VX6_LABEL_TEXT);
	if (v || !node->hidden)
		return out;
	/* our own, as its owner calls it */
	VX6_LIST_EACH(at, &node->hidden->services)
	{
		const struct hidden_service *s = VX6_CONTAINER_OF(at, struct hidden_service, node);

		if (s->scope && vx6_is_ok(vx6_host_info(node->hidden->host, s->scope, &info)) &&
		    vx6_node_id_eq(&info.service, service))
			vx6_strlcpy(out, s->spec.alias, VX6_LABEL_TEXT);
	}
	return out;
}

bool hidden_find(const struct vx6_node *node, const char *text, struct vx6_node_id *out)
{
	const struct hidden_visit *v = node->hidden ? hidden_visit_find(node, text) : NULL;

	if (v)
		*out = v->data.service;
	return v || vx6_is_ok(vx6_hidden_key_parse(text, out));
}

/* ---- descriptors ---- */

struct fetch {
	struct vx6_list node; /* hidden.fetches */
	struct vx6_hs_fetch *f;
	vx6_guest_fetched_cb *cb;
	void *user;
};

static void tell_fetched(vx6_guest_fetched_cb *cb, void *user, const struct vx6_hs_fetched *f,
			 bool early)
{
	cb(user, &(struct vx6_guest_fetched){
			 .early = early,
			 .err = f->err,
			 .record = f->record,
			 .record_n = f->n,
			 .sources = f->sources,
			 .asked = f->asked,
			 .confirmed = f->confirmed,
			 .detail = f->detail[0] ? f->detail : NULL,
		 });
}

static void on_early(void *user, const struct vx6_hs_fetched *f)
{
	struct fetch *mine = user;

	tell_fetched(mine->cb, mine->user, f, true);
}

static void on_fetched(void *user, const struct vx6_hs_fetched *f)
{
	struct fetch *mine = user;
	vx6_guest_fetched_cb *cb = mine->cb;
	void *cb_user = mine->user;

	vx6_list_remove(&mine->node);
	free(mine);
	tell_fetched(cb, cb_user, f, false);
}

static void *fetch(void *user, const struct vx6_node_id *service, bool strict,
		   const struct vx6_guest_seen *seen, size_t seen_n, vx6_guest_fetched_cb *cb,
		   void *cb_user)
{
	struct vx6_node *node = user;
	struct vx6_hs_seen known[VX6_HS_PUBLISH_PERIODS];
	struct vx6_hs_fetch_ask ask = {.strict = strict, .seen = known, .early = on_early};
	struct fetch *mine;

	if (!node->hidden->dht)
		return NULL;
	memcpy(ask.service.b, service->b, sizeof ask.service.b);
	for (; ask.seen_n < seen_n && ask.seen_n < VX6_ARRAY_N(known); ask.seen_n++)
		known[ask.seen_n] =
			(struct vx6_hs_seen){seen[ask.seen_n].period, seen[ask.seen_n].seq};
	mine = vx6_zalloc(sizeof *mine);
	mine->cb = cb;
	mine->user = cb_user;
	mine->f = vx6_hs_fetch(node->hidden->dht, &ask, on_fetched, mine);
	if (!mine->f) {
		free(mine);
		return NULL;
	}
	vx6_list_push(&node->hidden->fetches, &mine->node);
	return mine;
}

static void fetch_cancel(void *user, void *f)
{
	struct fetch *mine = f;

	(void)user;
	vx6_hs_fetch_cancel(mine->f);
	vx6_list_remove(&mine->node);
	free(mine);
}

void hidden_fetches_stop(struct vx6_node *node)
{
	struct vx6_list *first;

	while ((first = vx6_list_pop(&node->hidden->fetches)) != NULL) {
		struct fetch *mine = VX6_CONTAINER_OF(first, struct fetch, node);

		vx6_hs_fetch_cancel(mine->f);
		free(mine);
	}
}

/* ---- what is to outlive the process ---- */

static void on_access(void *user, const struct vx6_node_id *service,
		      const struct vx6_guest_access *access)
{
	struct vx6_node *node = user;
	struct hidden_visit *v = hidden_visit_of(node, service);

	if (!v)
		return;
	if (access->enrolled && !v->data.access.enrolled)
		hidden_tell(node, "hidden.joined", "hidden", v->data.alias, v->data.alias, NULL);
	v->data.access = *access;
	hidden_file_save(&v->file, NULL);
}

static void on_seen(void *user, const struct vx6_node_id *service,
		    const struct vx6_guest_seen *seen)
{
	struct hidden_visit *v = hidden_visit_of(user, service);
	size_t at = 0;

	if (!v)
		return;
	/* in the place of that of its period, else of the older one */
	for (size_t i = 1; i < VX6_ARRAY_N(v->data.seen); i++)
		if (v->data.seen[i].period == seen->period ||
		    (v->data.seen[at].period != seen->period &&
		     v->data.seen[i].period < v->data.seen[at].period))
			at = i;
	if (v->data.seen[at].period == seen->period && v->data.seen[at].seq >= seen->seq)
		return;
	v->data.seen[at] = *seen;
	hidden_file_save(&v->file, NULL);
}

struct vx6_guests *hidden_guests_make(struct vx6_node *node)
{
	return vx6_guests_new(&(struct vx6_guests_config){
		.loop = node->loop,
		.circuits = node->circuits,
		.net = &node->identity.net,
		.fetch = fetch,
		.fetch_cancel = fetch_cancel,
		.access_changed = on_access,
		.seen = on_seen,
		.user = node,
	});
}
