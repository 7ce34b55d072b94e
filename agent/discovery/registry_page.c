/* Pages for people: the smallest ids behind a given one, picked out of the table in one walk. */
#include <string.h>

#include "discovery/registry_internal.h"

/* ---- nodes ---- */

static void show(const struct vx6_registry *r, const struct known *k, uint64_t now_s,
		 struct vx6_known_node *out)
{
	struct vx6_service_record s;
	struct vx6_record rec;

	*out = (struct vx6_known_node){0};
	known_id(r, k, &out->id);
	out->revoked = known_is_void(r, k);
	contact_show(k->contact ? contact_at(r, k->contact) : NULL, &out->contact);
	if (k->introducer) {
		out->introduced = true;
		out->by = r->introducer[k->introducer]->id;
	}
	for (uint32_t i = k->first; i; i = entry_at(r, i)->sibling) {
		const struct entry *e = entry_at(r, i);

		if (!entry_is_valid(e, now_s) || !entry_parse(e, &rec))
			continue;
		out->change = VX6_MAX(out->change, entry_change(r, e));
		if (e->type == VX6_RTYPE_SERVICE)
			out->services += vx6_is_ok(vx6_service_read(&rec, &s)) && !s.withdrawn;
		if (e->type != VX6_RTYPE_ENDPOINT ||
		    !vx6_is_ok(vx6_endpoint_read(&rec, &out->endpoint)))
			continue;
		out->has_endpoint = true;
		out->source = e->source;
	}
}

bool vx6_registry_node(const struct vx6_registry *r, const struct vx6_node_id *node, uint64_t now_s,
		       struct vx6_known_node *out)
{
	uint32_t i = known_find(r, node);

	if (i)
		show(r, known_at(r, i), now_s, out);
	return i != 0;
}

static bool fits(const struct vx6_known_node *n, const char *filter)
{
	char text[VX6_NODE_ID_TEXT];

	if (!n->has_endpoint && !n->contact.met_s && !n->revoked)
		return false; /* a mark, a blinded key: nothing that people would call a node */
	if (!filter || !filter[0])
		return true;
	return strstr(n->endpoint.name, filter) ||
	       strncmp(vx6_node_id_format(&n->id, text), filter, strlen(filter)) == 0;
}

static const struct vx6_node_id *id_at(const struct vx6_registry *r, uint32_t node)
{
	return (const struct vx6_node_id *)entry_subject(entry_at(r, known_at(r, node)->first));
}

/* The numbers of those that the page will show, so that what is moved to keep them in order is small. */
static size_t pick(const struct vx6_registry *r, const struct vx6_node_id *after,
		   const char *filter, uint64_t now_s, uint32_t *out, size_t max)
{
	struct vx6_known_node one;
	size_t n = 0, at;

	for (uint32_t i = 1; i <= r->nodes.top; i++) {
		if (!known_at(r, i)->entries)
			continue;
		if ((after && vx6_node_id_cmp(id_at(r, i), after) <= 0) ||
		    (n == max && vx6_node_id_cmp(id_at(r, i), id_at(r, out[n - 1])) >= 0))
			continue;
		show(r, known_at(r, i), now_s, &one);
		if (!fits(&one, filter))
			continue;
		at = n < max ? n++ : n - 1;
		for (; at > 0 && vx6_node_id_cmp(id_at(r, i), id_at(r, out[at - 1])) < 0; at--)
			out[at] = out[at - 1];
		out[at] = i;
	}
	return n;
}

size_t vx6_registry_page_nodes(const struct vx6_registry *r, const struct vx6_node_id *after,
			       const char *filter, uint64_t now_s, struct vx6_known_node *out,
			       size_t max)
{
	uint32_t *picked;
	size_t n;

	max = VX6_MIN(max, (size_t)VX6_KNOWN_NODES_MAX);
	if (max == 0)
		return 0;
	picked = vx6_realloc_array(NULL, max, sizeof *picked);
	n = pick(r, after, filter, now_s, picked, max);
	for (size_t i = 0; i < n; i++)
		show(r, known_at(r, picked[i]), now_s, &out[i]);
	free(picked);
	return n;
}

/* ---- services ---- */

static int cmp_service(const struct vx6_service_record *a, const struct vx6_node_id *node,
		       const char *name)
{
	int order = vx6_node_id_cmp(&a->node, node);

	return order ? order : strcmp(a->name, name);
}

size_t vx6_registry_page_services(const struct vx6_registry *r, const struct vx6_node_id *after,
				  const char *after_name, const char *filter, uint64_t now_s,
				  struct vx6_service_record *out, size_t max)
{
	struct vx6_service_record s;
	struct vx6_record rec;
	struct vx6_node_id id;
	size_t n = 0, at;

	for (uint32_t i = 1; i <= r->entries.top && max > 0; i++) {
		const struct entry *e = entry_at(r, i);

		if (e->type != VX6_RTYPE_SERVICE || !entry_is_valid(e, now_s))
			continue;
		memcpy(id.b, entry_subject(e), sizeof id.b);
		if ((after && vx6_node_id_cmp(&id, after) < 0) ||
		    (n == max && vx6_node_id_cmp(&id, &out[n - 1].node) > 0))
			continue;
		if (!entry_parse(e, &rec) || !vx6_is_ok(vx6_service_read(&rec, &s)) ||
		    s.withdrawn ||
		    (after && cmp_service(&s, after, after_name ? after_name : "") <= 0) ||
		    (filter && filter[0] && !strstr(s.name, filter)) ||
		    (n == max && cmp_service(&s, &out[n - 1].node, out[n - 1].name) >= 0))
			continue;
		for (at = n < max ? n++ : n - 1;
		     at > 0 && cmp_service(&s, &out[at - 1].node, out[at - 1].name) < 0; at--)
			out[at] = out[at - 1];
		out[at] = s;
	}
	return n;
}
