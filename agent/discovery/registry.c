/*
 * Admission: verified by record/admit.h, which asks for marks and sets them through the slots below; so an entry is made or replaced in
 * store_put() and nowhere else, and only for what has passed.
 */
#include "discovery/registry.h"

#include <string.h>

#include "discovery/registry_internal.h"

enum { SWEEP = 1024 }; /* entries a tick looks at */

/* ---- life ---- */

static uint32_t hash_of_tag(const struct vx6_registry *r, uint32_t i)
{
	return entry_at(r, i)->tag;
}

static uint32_t hash_of_subject(const struct vx6_registry *r, uint32_t i)
{
	return vx6_table_hash(entry_subject(entry_at(r, known_at(r, i)->first)), VX6_NODE_ID_BYTES);
}

struct vx6_registry *vx6_registry_new(const struct vx6_net *net,
				      const struct vx6_registry_events *ev, void *user)
{
	struct vx6_registry *r = vx6_zalloc(sizeof *r);

	r->net = net;
	r->ev = ev;
	r->user = user;
	r->entries.size = sizeof(struct entry);
	r->nodes.size = sizeof(struct known);
	r->contacts.size = sizeof(struct contact);
	r->by_tag.hash = hash_of_tag;
	r->by_subject.hash = hash_of_subject;
	return r;
}

void vx6_registry_free(struct vx6_registry *r)
{
	if (!r)
		return;
	for (uint32_t i = 1; i <= r->nodes.top; i++)
		if (known_at(r, i)->entries)
			known_drop(r, i);
	free(r->by_tag.slot);
	free(r->by_subject.slot);
	free(r->removed);
	pool_fini(&r->entries);
	pool_fini(&r->nodes);
	pool_fini(&r->contacts);
	free(r);
}

/* ---- the store that admission asks ---- */

static vx6_err get_cert(const struct vx6_registry *r, uint32_t node, struct vx6_hwm *out)
{
	if (!node || !known_at(r, node)->cert_seq)
		return VX6_ERR(NOT_FOUND);
	*out = (struct vx6_hwm){.seq = known_at(r, node)->cert_seq};
	return VX6_OK;
}

static vx6_err store_get(void *user, const struct vx6_hwm_key *key, struct vx6_hwm *out)
{
	struct vx6_registry *r = user;
	struct vx6_node_id id;
	struct entry_facts f;
	const struct entry *e;
	uint32_t node, i;

	memcpy(id.b, key->subject, sizeof id.b);
	node = known_find(r, &id);
	if (key->type == VX6_HWM_CERT)
		return get_cert(r, node, out);
	i = entry_find(r, node, key);
	if (!i)
		return VX6_ERR(NOT_FOUND);
	e = entry_at(r, i);
	entry_facts(e, &f);
	*out = (struct vx6_hwm){.seq = f.seq, .expires_s = f.expires_s};
	if (e->n) {
		out->record = e->record;
		out->n = e->n;
		vx6_hash_personal("VX6-record", e->record, e->n, &out->hash);
	} else {
		out->hash = e->mark->hash;
	}
	return VX6_OK;
}

/* A node's services are counted: beyond the limit a faded one gives way, or nothing does. */
static bool room_among_services(struct vx6_registry *r, uint32_t node)
{
	uint32_t n = 0, faded = 0;

	for (uint32_t i = known_at(r, node)->first; i; i = entry_at(r, i)->sibling) {
		const struct entry *e = entry_at(r, i);

		n += e->type == VX6_RTYPE_SERVICE;
		if (e->type == VX6_RTYPE_SERVICE && !e->n)
			faded = i;
	}
	if (n < VX6_KNOWN_SERVICES_MAX)
		return true;
	if (faded)
		entry_drop(r, node, faded);
	return faded != 0;
}

/* @return 0: no room. @p node is set to its node */
static uint32_t place_for(struct vx6_registry *r, const struct vx6_hwm_key *key, uint32_t *node)
{
	struct vx6_node_id id;
	uint32_t i;

	memcpy(id.b, key->subject, sizeof id.b);
	*node = known_find(r, &id);
	i = entry_find(r, *node, key);
	if (i)
		return i;
	if (*node && key->type == VX6_RTYPE_SERVICE && !room_among_services(r, *node))
		return 0;
	if (!room_for(r, *node, &id, r->from))
		return 0;
	r->new_node = *node == 0;
	i = entry_make(r, *node, key);
	if (!*node) {
		*node = known_find(r, &id);
		introduced(r, *node, r->from);
	}
	return i;
}

/* The number of a certificate that came without a record. A record with it will do away with the entry. */
static void put_cert(struct vx6_registry *r, const struct vx6_hwm_key *key,
		     const struct vx6_hwm *mark)
{
	uint32_t node, i = place_for(r, key, &node);

	if (!i)
		return; /* the next one is taken as the first; nobody is kept out by a full table */
	known_at(r, node)->cert_seq = VX6_MAX(known_at(r, node)->cert_seq, (uint32_t)mark->seq);
	entry_set_mark(r, i, mark, (uint32_t)mark->seq);
	dirty_entry(r, i, true);
}

static bool endpoint_moved(const struct entry *e, const struct vx6_record *rec)
{
	struct vx6_endpoint was, is;
	struct vx6_record old;

	if (!entry_parse(e, &old) || !vx6_is_ok(vx6_endpoint_read(&old, &was)) ||
	    !vx6_is_ok(vx6_endpoint_read(rec, &is)) || was.n_addrs != is.n_addrs ||
	    was.features != is.features || strcmp(was.name, is.name) != 0)
		return true;
	for (size_t i = 0; i < is.n_addrs; i++)
		if (!vx6_addr_eq(&was.addrs[i].addr, &is.addrs[i].addr) ||
		    was.addrs[i].via != is.addrs[i].via || was.addrs[i].prio != is.addrs[i].prio)
			return true;
	return false;
}

static void drop_cert_entry(struct vx6_registry *r, uint32_t node)
{
	uint32_t i = entry_of_type(r, node, VX6_HWM_CERT);

	if (i)
		entry_drop(r, node, i);
}

static vx6_err put_record(struct vx6_registry *r, const struct vx6_hwm_key *key,
			  const struct vx6_hwm *mark)
{
	struct vx6_record rec;
	struct known *k;
	uint32_t node, i;
	bool known_before;

	VX6_TRY(vx6_record_reparse(mark->record, mark->n,
				   &rec)); /* parsed in full by who admitted it */
	i = place_for(r, key, &node);
	if (!i)
		return VX6_ERR(FULL);
	known_before = entry_at(r, i)->n > 0;
	if (key->type == VX6_RTYPE_ENDPOINT)
		r->moved = endpoint_moved(entry_at(r, i), &rec);
	entry_set_record(r, i, &rec, r->from ? r->from->kind : VX6_SOURCE_SUBJECT);
	k = known_at(r, node);
	if (r->from && r->from->kind == VX6_SOURCE_SUBJECT)
		introduced_no_more(r, node);
	if (rec.has_cert && rec.cert.cert_seq >= k->cert_seq) {
		k->cert_seq = rec.cert.cert_seq;
		drop_cert_entry(r, node);
	}
	dirty_entry(r, i, !known_before || !k->introducer || r->moved);
	return VX6_OK;
}

static vx6_err store_put(void *user, const struct vx6_hwm_key *key, const struct vx6_hwm *mark)
{
	struct vx6_registry *r = user;
	uint32_t node, i;

	if (key->type == VX6_HWM_CERT) {
		put_cert(r, key, mark);
		return VX6_OK;
	}
	if (mark->record)
		return put_record(r, key, mark);
	i = place_for(r, key, &node);
	if (!i)
		return VX6_ERR(FULL);
	entry_set_mark(r, i, mark, 0);
	dirty_entry(r, i, true);
	return VX6_OK;
}

static void store_equivocation(void *user, const struct vx6_hwm_key *key, uint64_t seq,
			       const struct vx6_hash *first, const struct vx6_hash *second)
{
	struct vx6_registry *r = user;
	struct vx6_node_id id;

	memcpy(id.b, key->subject, sizeof id.b);
	if (r->ev && r->ev->equivocation)
		r->ev->equivocation(r->user, &id, (uint8_t)key->type, seq, first, second);
}

struct vx6_hwm_store vx6_registry_hwm(struct vx6_registry *r)
{
	return (struct vx6_hwm_store){
		.get = store_get,
		.put = store_put,
		.equivocation = store_equivocation,
		.user = r,
	};
}

/* ---- admission ---- */

/* What a revoked key has signed is void: of a node altogether, or by its older subkeys. */
static void drop_revoked(struct vx6_registry *r, const struct vx6_node_id *id,
			 const struct vx6_revocation *rev)
{
	uint32_t node = known_find(r, id), next;

	for (uint32_t i = node ? known_at(r, node)->first : 0; i; i = next) {
		struct entry *e = entry_at(r, i);
		struct vx6_record rec;

		next = e->sibling;
		if (e->type == VX6_RTYPE_REVOCATION)
			continue;
		if (rev->reason != VX6_REVOKE_SUBKEY) {
			entry_drop(r, node, i);
		} else if (entry_parse(e, &rec) && rec.has_cert &&
			   rec.cert.cert_seq < rev->min_cert_seq) {
			entry_fade(r, i);
			dirty_entry(r, i, true);
		}
	}
}

static void tell(struct vx6_registry *r, const struct vx6_admission *a,
		 const struct vx6_source *from)
{
	uint32_t node = known_find(r, &a->record.subject), i = entry_find(r, node, &a->key);
	struct vx6_revocation rev;
	struct vx6_known_record rec;
	struct vx6_registry_change c = {
		.record = &rec,
		.source = from,
		.subject = a->record.subject,
		.new_node = r->new_node,
		.moved = r->moved,
	};

	if (!i)
		return;
	entry_describe(r, entry_at(r, i), &rec);
	if (rec.key.type == VX6_RTYPE_REVOCATION &&
	    vx6_is_ok(vx6_revocation_read(&a->record.view, r->net, &rev))) {
		drop_revoked(r, &a->record.subject, &rev);
		if (r->ev && r->ev->revoked)
			r->ev->revoked(r->user, &a->record.subject, &rev, &c);
	}
	if (r->ev && r->ev->changed)
		r->ev->changed(r->user, &c);
}

/* It was confidential, and now comes from where everybody may have it. */
static bool becomes_common(const struct vx6_registry *r, const struct entry *e)
{
	struct vx6_known_record was, is;

	entry_describe(r, e, &was);
	is = was;
	is.source = r->from->kind;
	return r->from->kind != VX6_SOURCE_DISK && vx6_known_is_confidential(&was) &&
	       !vx6_known_is_confidential(&is);
}

/* A record whose mark alone was left: its bytes again. @param common it is to be told as if it were new */
static vx6_err restore(struct vx6_registry *r, const struct vx6_admission *a, bool *common)
{
	uint32_t node = known_find(r, &a->record.subject), i = entry_find(r, node, &a->key);
	const struct vx6_record_view *v = &a->record.view;

	*common = i && entry_at(r, i)->n && becomes_common(r, entry_at(r, i));
	if (!i || (entry_at(r, i)->n && !*common))
		return VX6_OK;
	return put_record(r, &a->key, &(struct vx6_hwm){.record = v->bytes, .n = v->n});
}

/* What hidden services publish is asked for where it is needed, and told to nobody: what came by itself is not wanted. */
static bool is_hidden(const uint8_t *record, size_t n)
{
	struct vx6_record_view v;

	return vx6_is_ok(vx6_record_decode(record, n, &v)) &&
	       (v.type == VX6_RTYPE_DESCRIPTOR || v.type == VX6_RTYPE_ALIAS);
}

static vx6_err admit(struct vx6_registry *r, const uint8_t *record, size_t n,
		     struct vx6_admission *a, bool *common)
{
	struct vx6_hwm_store store = vx6_registry_hwm(r);
	struct vx6_admit ctx = {.net = r->net, .store = &store, .now_s = r->now_s};

	if (is_hidden(record, n))
		return VX6_ERR(UNSUPPORTED);
	VX6_TRY(vx6_record_admit(&ctx, record, n, a));
	switch (a->result) {
	case VX6_ADMIT_STALE:
		return VX6_ERR(STALE);
	case VX6_ADMIT_EQUIVOCATION:
		return VX6_ERR(EQUIVOCATION);
	case VX6_ADMIT_REFRESH:
		return restore(r, a, common);
	default:
		return VX6_OK;
	}
}

vx6_err vx6_registry_admit(struct vx6_registry *r, const uint8_t *record, size_t n,
			   const struct vx6_source *from, uint64_t now_s, struct vx6_admitted *out)
{
	struct vx6_admission a;
	bool common = false;
	vx6_err err;

	r->now_s = now_s;
	r->from = from;
	r->new_node = r->moved = false;
	err = admit(r, record, n, &a, &common);
	r->from = NULL;
	if (out)
		*out = (struct vx6_admitted){a.result, a.newer, a.newer_n};
	if (vx6_is_ok(err) && (a.result == VX6_ADMIT_NEW || common) &&
	    from->kind != VX6_SOURCE_DISK)
		tell(r, &a, from);
	return err;
}

void vx6_registry_restore(struct vx6_registry *r, const struct vx6_hwm_key *key,
			  const struct vx6_hwm *mark, uint64_t now_s)
{
	static const struct vx6_source disk = {.kind = VX6_SOURCE_DISK};
	struct vx6_hwm known;
	struct vx6_revocation rev;
	struct vx6_node_id id;

	r->now_s = now_s;
	if (key->type != VX6_HWM_CERT &&
	    (key->type > UINT8_MAX || !vx6_rtype_max_bytes((uint8_t)key->type)))
		return;
	if (vx6_is_ok(store_get(r, key, &known)) && known.seq >= mark->seq)
		return;
	r->from = &disk;
	(void)vx6_is_ok(
		store_put(r, key, mark)); /* no room, or unreadable: as if it had not been there */
	r->from = NULL;
	memcpy(id.b, key->subject, sizeof id.b);
	if (key->type == VX6_RTYPE_REVOCATION && vx6_registry_revocation(r, &id, &rev))
		drop_revoked(r, &id, &rev);
}

/* ---- time passes ---- */

static void sweep_one(struct vx6_registry *r, uint32_t i)
{
	const struct entry *e = entry_at(r, i);
	uint64_t expires = entry_expires_s(e);
	struct vx6_node_id id;
	uint32_t node;

	if (expires == 0 || expires > r->now_s)
		return;
	memcpy(id.b, entry_subject(e), sizeof id.b);
	node = known_find(r, &id);
	if (e->n) {
		if (e->type == VX6_RTYPE_ENDPOINT)
			contact_from_record(r, node, e);
		entry_fade(r, i);
		dirty_entry(r, i, false);
	} else if (r->now_s - expires > VX6_MARK_KEEP_S) {
		entry_drop(r, node, i);
	}
}

void vx6_registry_tick(struct vx6_registry *r, uint64_t now_s)
{
	r->now_s = now_s;
	for (uint32_t n = VX6_MIN(r->entries.top, (uint32_t)SWEEP); n > 0; n--) {
		r->swept = r->swept < r->entries.top ? r->swept + 1 : 1;
		if (entry_at(r, r->swept)->type)
			sweep_one(r, r->swept);
	}
}
