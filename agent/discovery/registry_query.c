/* Questions: records are found, read, and answered as values. */
#include <string.h>

#include "discovery/registry_internal.h"

/* ---- one node ---- */

/* The valid record of @p type, parsed. For types that have one a subject. */
static const struct entry *record_of(const struct vx6_registry *r, const struct vx6_node_id *node,
				     uint8_t type, uint64_t now_s, struct vx6_record *out)
{
	uint32_t i = entry_of_type(r, known_find(r, node), type);

	if (!i || !entry_is_valid(entry_at(r, i), now_s) || !entry_parse(entry_at(r, i), out))
		return NULL;
	return entry_at(r, i);
}

bool vx6_registry_endpoint(const struct vx6_registry *r, const struct vx6_node_id *node,
			   uint64_t now_s, struct vx6_endpoint *out)
{
	struct vx6_record rec;

	return record_of(r, node, VX6_RTYPE_ENDPOINT, now_s, &rec) &&
	       vx6_is_ok(vx6_endpoint_read(&rec, out));
}

static bool read_service(const struct entry *e, uint64_t now_s, struct vx6_service_record *out)
{
	struct vx6_record rec;

	return e->type == VX6_RTYPE_SERVICE && entry_is_valid(e, now_s) && entry_parse(e, &rec) &&
	       vx6_is_ok(vx6_service_read(&rec, out)) && !out->withdrawn;
}

bool vx6_registry_service(const struct vx6_registry *r, const struct vx6_node_id *node,
			  const char *name, uint64_t now_s, struct vx6_service_record *out)
{
	struct vx6_hwm_key key = {.slot = vx6_service_slot(name), .type = VX6_RTYPE_SERVICE};
	uint32_t i;

	memcpy(key.subject, node->b, sizeof key.subject);
	i = entry_find(r, known_find(r, node), &key);
	return i && read_service(entry_at(r, i), now_s, out) && strcmp(out->name, name) == 0;
}

bool vx6_registry_revocation(const struct vx6_registry *r, const struct vx6_node_id *node,
			     struct vx6_revocation *out)
{
	struct vx6_record rec;

	return record_of(r, node, VX6_RTYPE_REVOCATION, 0, &rec) &&
	       vx6_is_ok(vx6_revocation_read(&rec.view, r->net, out));
}

static bool read_relay(const struct vx6_record *rec, struct vx6_relay_info *out)
{
	return vx6_is_ok(vx6_relay_info_read(rec, out)) && !out->withdrawn;
}

bool vx6_registry_relay(const struct vx6_registry *r, const struct vx6_node_id *node,
			uint64_t now_s, struct vx6_relay_info *out)
{
	struct vx6_record rec;

	return record_of(r, node, VX6_RTYPE_RELAY, now_s, &rec) && read_relay(&rec, out);
}

void vx6_registry_each_relay(const struct vx6_registry *r, uint64_t now_s,
			     void (*fn)(void *user, const struct vx6_relay_info *info), void *user)
{
	struct vx6_relay_info info;
	struct vx6_record rec;

	for (uint32_t i = 1; i <= r->entries.top; i++) {
		const struct entry *e = entry_at(r, i);

		if (e->type == VX6_RTYPE_RELAY && entry_is_valid(e, now_s) &&
		    entry_parse(e, &rec) && read_relay(&rec, &info))
			fn(user, &info);
	}
}

bool vx6_registry_endpoint_record(const struct vx6_registry *r, const struct vx6_node_id *node,
				  uint64_t now_s, const uint8_t **record, size_t *n)
{
	struct vx6_record rec;
	const struct entry *e = record_of(r, node, VX6_RTYPE_ENDPOINT, now_s, &rec);

	*record = e ? e->record : NULL;
	*n = e ? e->n : 0;
	return e != NULL;
}

char *vx6_registry_name(const struct vx6_registry *r, const struct vx6_node_id *node,
			char out[static VX6_LABEL_TEXT])
{
	struct vx6_record rec;

	out[0] = 0;
	if (record_of(r, node, VX6_RTYPE_ENDPOINT, 0, &rec))
		record_label(&rec, out);
	return out;
}

size_t vx6_registry_services(const struct vx6_registry *r, const struct vx6_node_id *node,
			     uint64_t now_s, char (*out)[VX6_LABEL_TEXT], size_t max)
{
	uint32_t k = known_find(r, node);
	struct vx6_service_record s;
	size_t n = 0;

	for (uint32_t i = k ? known_at(r, k)->first : 0; i && n < max; i = entry_at(r, i)->sibling)
		if (read_service(entry_at(r, i), now_s, &s))
			vx6_strlcpy(out[n++], s.name, VX6_LABEL_TEXT);
	return n;
}

size_t vx6_registry_records(const struct vx6_registry *r, const struct vx6_node_id *subject,
			    uint64_t now_s, struct vx6_known_record *out, size_t max)
{
	uint32_t k = known_find(r, subject);
	size_t n = 0;

	for (uint32_t i = k ? known_at(r, k)->first : 0; i && n < max; i = entry_at(r, i)->sibling)
		if (entry_is_valid(entry_at(r, i), now_s))
			entry_describe(r, entry_at(r, i), &out[n++]);
	return n;
}

/* ---- single records ---- */

static void describe(const struct vx6_registry *r, const struct entry *e, uint64_t now_s,
		     struct vx6_known_record *out)
{
	entry_describe(r, e, out);
	if (out->expires_s <= now_s) {
		out->bytes = NULL;
		out->n = 0;
	}
}

bool vx6_registry_find(const struct vx6_registry *r, const struct vx6_hwm_key *key, uint64_t now_s,
		       struct vx6_known_record *out)
{
	struct vx6_node_id id;
	uint32_t i;

	memcpy(id.b, key->subject, sizeof id.b);
	i = entry_find(r, known_find(r, &id), key);
	if (i)
		describe(r, entry_at(r, i), now_s, out);
	return i != 0;
}

bool vx6_registry_find_tag(const struct vx6_registry *r, uint64_t tag, uint64_t now_s,
			   struct vx6_known_record *out)
{
	uint32_t at;

	for (uint32_t i = index_first(&r->by_tag, (uint32_t)tag, &at); i;
	     i = index_next(&r->by_tag, &at)) {
		if (entry_at(r, i)->tag != (uint32_t)tag)
			continue;
		describe(r, entry_at(r, i), now_s, out);
		if (out->tag == tag)
			return true;
	}
	return false;
}

bool entry_is_about(const struct entry *e, uint32_t hash, const char *name, uint64_t now_s)
{
	char label[VX6_LABEL_TEXT];
	struct vx6_record rec;

	if ((e->type != VX6_RTYPE_NAME && e->type != VX6_RTYPE_ENDPOINT) || e->name != hash ||
	    !entry_is_valid(e, now_s) || !entry_parse(e, &rec) ||
	    (rec.view.flags & VX6_RECORD_WITHDRAWN))
		return false;
	record_label(&rec, label);
	return strcmp(label, name) == 0;
}

void vx6_registry_each_claim(const struct vx6_registry *r, const char *name, uint64_t now_s,
			     void (*fn)(void *user, const struct vx6_known_record *rec), void *user)
{
	uint32_t hash = name_hash(name);
	struct vx6_known_record rec;

	for (uint32_t i = 1; i <= r->entries.top; i++) {
		if (!entry_is_about(entry_at(r, i), hash, name, now_s))
			continue;
		entry_describe(r, entry_at(r, i), &rec);
		fn(user, &rec);
	}
}

/* ---- in order of change ---- */

uint64_t vx6_registry_changes(const struct vx6_registry *r)
{
	return r->changes;
}

size_t vx6_registry_since(const struct vx6_registry *r, uint64_t after, uint64_t now_s,
			  struct vx6_known_record *out, size_t max)
{
	uint32_t i = r->newest, first = 0;
	size_t n = 0;

	for (; i && entry_change(r, entry_at(r, i)) > after; i = entry_at(r, i)->older)
		first = i;
	for (i = first; i && n < max; i = entry_at(r, i)->newer)
		if (entry_is_valid(entry_at(r, i), now_s))
			entry_describe(r, entry_at(r, i), &out[n++]);
	return n;
}

size_t vx6_registry_latest(const struct vx6_registry *r, uint64_t now_s,
			   struct vx6_known_record *out, size_t max)
{
	size_t n = 0;

	for (uint32_t i = r->newest; i && n < max; i = entry_at(r, i)->older)
		if (entry_is_valid(entry_at(r, i), now_s))
			entry_describe(r, entry_at(r, i), &out[n++]);
	return n;
}

void vx6_registry_info(const struct vx6_registry *r, struct vx6_registry_info *out)
{
	*out = (struct vx6_registry_info){
		.nodes = r->nodes.live,
		.records = r->entries.live - r->marks,
		.marks = r->marks,
		.bytes = r->bytes,
		.met = r->met,
		.evicted = r->evicted,
		.refused = r->refused,
	};
}
