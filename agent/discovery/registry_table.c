/* Subjects and their entries: made, filled, faded, dropped, found. No policy. */
#include <string.h>

#include "discovery/registry_internal.h"

/* ---- one entry ---- */

void entry_facts(const struct entry *e, struct entry_facts *out)
{
	struct vx6_rd rd;
	uint32_t lifetime_s;

	*out = (struct entry_facts){0};
	if (!e->n) {
		out->slot = e->mark->slot;
		out->seq = e->mark->seq;
		out->expires_s = e->mark->expires_s;
		return;
	}
	vx6_rd_init(&rd, e->record, VX6_RECORD_HEADER);
	vx6_rd_skip(&rd, 5);
	out->flags = vx6_rd_u8(&rd);
	vx6_rd_skip(&rd, 2 + VX6_RECORD_SUBJECT);
	out->seq = vx6_rd_u64(&rd);
	out->issued_s = vx6_rd_u64(&rd);
	lifetime_s = vx6_rd_u32(&rd);
	out->expires_s = vx6_record_expires_s(
		&(struct vx6_record_view){.issued_s = out->issued_s, .lifetime_s = lifetime_s});
}

uint64_t entry_expires_s(const struct entry *e)
{
	struct entry_facts f;

	entry_facts(e, &f);
	return f.expires_s;
}

const uint8_t *entry_subject(const struct entry *e)
{
	return e->n ? e->record + 8 : e->mark->subject;
}

static uint64_t wide_type(const struct entry *e)
{
	return e->type == ENTRY_CERT ? VX6_HWM_CERT : e->type;
}

static uint64_t entry_slot(const struct entry *e)
{
	struct vx6_service_record s;
	struct vx6_record rec;

	if (!e->n)
		return e->mark->slot;
	if (e->type != VX6_RTYPE_SERVICE || !entry_parse(e, &rec) ||
	    !vx6_is_ok(vx6_service_read(&rec, &s)))
		return 0;
	return vx6_service_slot(s.name);
}

void entry_key(const struct entry *e, struct vx6_hwm_key *out)
{
	*out = (struct vx6_hwm_key){.slot = entry_slot(e), .type = wide_type(e)};
	memcpy(out->subject, entry_subject(e), sizeof out->subject);
}

bool entry_is_valid(const struct entry *e, uint64_t now_s)
{
	return e->n && entry_expires_s(e) > now_s;
}

bool entry_parse(const struct entry *e, struct vx6_record *out)
{
	return e->n && vx6_is_ok(vx6_record_reparse(e->record, e->n, out));
}

void record_label(const struct vx6_record *rec, char out[static VX6_LABEL_TEXT])
{
	struct vx6_service_record s;
	struct vx6_tlv_rd t;
	struct vx6_rd value;
	uint8_t type;

	out[0] = 0;
	if (rec->view.type == VX6_RTYPE_SERVICE) {
		if (vx6_is_ok(vx6_service_read(rec, &s)))
			vx6_strlcpy(out, s.name, VX6_LABEL_TEXT);
		return;
	}
	if (rec->view.type != VX6_RTYPE_ENDPOINT && rec->view.type != VX6_RTYPE_NAME)
		return;
	vx6_tlv_rd_init(&t, rec->view.body, rec->view.body_len);
	while (vx6_tlv_rd_next(&t, &type, &value))
		if (type == VX6_RTLV_NAME)
			vx6_rd_label(&value, out);
}

uint32_t name_hash(const char *name)
{
	return vx6_table_hash(name, strlen(name)) & 0x1ff;
}

uint64_t entry_change(const struct vx6_registry *r, const struct entry *e)
{
	return e->n ? r->changes - (uint32_t)((uint32_t)r->changes - e->change) : 0;
}

void entry_describe(const struct vx6_registry *r, const struct entry *e,
		    struct vx6_known_record *out)
{
	struct entry_facts f;

	entry_facts(e, &f);
	*out = (struct vx6_known_record){
		.seq = f.seq,
		.expires_s = f.expires_s,
		.change = entry_change(r, e),
		.source = e->source,
		.flags = f.flags,
		.bytes = e->n ? e->record : NULL,
		.n = e->n,
	};
	entry_key(e, &out->key);
	out->tag = vx6_hwm_tag(&out->key);
}

/* ---- finding ---- */

uint32_t known_find(const struct vx6_registry *r, const struct vx6_node_id *id)
{
	uint32_t at, hash = vx6_table_hash(id->b, sizeof id->b);

	for (uint32_t i = index_first(&r->by_subject, hash, &at); i;
	     i = index_next(&r->by_subject, &at)) {
		const struct known *k = known_at(r, i);

		if (memcmp(entry_subject(entry_at(r, k->first)), id->b, sizeof id->b) == 0)
			return i;
	}
	return 0;
}

void known_id(const struct vx6_registry *r, const struct known *k, struct vx6_node_id *out)
{
	memcpy(out->b, entry_subject(entry_at(r, k->first)), sizeof out->b);
}

uint32_t entry_find(const struct vx6_registry *r, uint32_t node, const struct vx6_hwm_key *key)
{
	uint32_t tag;

	if (!node)
		return 0;
	tag = (uint32_t)vx6_hwm_tag(key);
	for (uint32_t i = known_at(r, node)->first; i; i = entry_at(r, i)->sibling) {
		const struct entry *e = entry_at(r, i);

		if (e->tag == tag && wide_type(e) == key->type && entry_slot(e) == key->slot)
			return i;
	}
	return 0;
}

uint32_t entry_of_type(const struct vx6_registry *r, uint32_t node, uint64_t type)
{
	if (!node)
		return 0;
	for (uint32_t i = known_at(r, node)->first; i; i = entry_at(r, i)->sibling)
		if (wide_type(entry_at(r, i)) == type)
			return i;
	return 0;
}

bool known_is_void(const struct vx6_registry *r, const struct known *k)
{
	struct vx6_revocation rev;
	struct vx6_record rec;

	for (uint32_t i = k->first; i; i = entry_at(r, i)->sibling) {
		const struct entry *e = entry_at(r, i);

		/* a mark alone says only that there was one: the safe reading is the terminal one */
		if (e->type == VX6_RTYPE_REVOCATION)
			return !entry_parse(e, &rec) ||
			       !vx6_is_ok(vx6_revocation_read(&rec.view, r->net, &rev)) ||
			       rev.reason != VX6_REVOKE_SUBKEY;
	}
	return false;
}

/* ---- the list in order of change ---- */

static void changes_leave(struct vx6_registry *r, struct entry *e)
{
	if (e->newer)
		entry_at(r, e->newer)->older = e->older;
	else
		r->newest = e->older;
	if (e->older)
		entry_at(r, e->older)->newer = e->newer;
	e->older = e->newer = 0;
}

static void changes_enter(struct vx6_registry *r, uint32_t i)
{
	struct entry *e = entry_at(r, i);

	e->change = (uint32_t)++r->changes;
	e->older = r->newest;
	if (r->newest)
		entry_at(r, r->newest)->newer = i;
	r->newest = i;
}

/* ---- making and dropping ---- */

uint32_t entry_make(struct vx6_registry *r, uint32_t node, const struct vx6_hwm_key *key)
{
	uint32_t i = pool_take(&r->entries);
	struct entry *e = entry_at(r, i);
	struct known *k;

	e->mark = vx6_zalloc(sizeof *e->mark);
	memcpy(e->mark->subject, key->subject, sizeof e->mark->subject);
	e->mark->slot = key->slot;
	e->type = key->type == VX6_HWM_CERT ? ENTRY_CERT : key->type & 0xf;
	e->tag = (uint32_t)vx6_hwm_tag(key);
	r->marks++;
	index_add(r, &r->by_tag, i);
	if (!node) {
		node = pool_take(&r->nodes);
		k = known_at(r, node);
		k->first = i;
		index_add(r, &r->by_subject, node);
	} else {
		k = known_at(r, node);
		e->sibling = k->first;
		k->first = i;
	}
	k->entries++;
	return i;
}

static void let_go(struct vx6_registry *r, struct entry *e)
{
	if (e->n) {
		changes_leave(r, e);
		r->bytes -= e->n;
		VX6_FREE(e->record);
	} else {
		r->marks--;
		VX6_FREE(e->mark);
	}
	e->n = 0;
}

static void chain_leave(struct vx6_registry *r, struct known *k, uint32_t i)
{
	uint32_t next = entry_at(r, i)->sibling;

	if (k->first == i) {
		k->first = next;
	} else {
		for (uint32_t at = k->first; at; at = entry_at(r, at)->sibling)
			if (entry_at(r, at)->sibling == i)
				entry_at(r, at)->sibling = next;
	}
	k->entries--;
}

void entry_drop(struct vx6_registry *r, uint32_t node, uint32_t i)
{
	struct known *k = known_at(r, node);
	struct entry *e = entry_at(r, i);
	struct vx6_hwm_key key;

	if (k->entries == 1) {
		contact_drop(r, node);
		introduced_no_more(r, node);
		index_remove(r, &r->by_subject, node);
	}
	r->dirty_n -= e->dirty;
	if (e->stored) {
		entry_key(e, &key);
		dirty_removed(r, e->type, key.subject, key.slot);
	}
	chain_leave(r, k, i);
	index_remove(r, &r->by_tag, i);
	if (!k->first)
		pool_give(&r->nodes, node);
	let_go(r, e);
	pool_give(&r->entries, i);
}

void known_drop(struct vx6_registry *r, uint32_t node)
{
	for (uint32_t n = known_at(r, node)->entries; n > 0; n--)
		entry_drop(r, node, known_at(r, node)->first);
}

/* ---- filling ---- */

void entry_set_record(struct vx6_registry *r, uint32_t i, const struct vx6_record *rec,
		      enum vx6_source_kind source)
{
	struct entry *e = entry_at(r, i);
	uint8_t *bytes = vx6_realloc_array(NULL, rec->view.n, 1);
	char label[VX6_LABEL_TEXT];

	memcpy(bytes, rec->view.bytes, rec->view.n);
	let_go(r, e);
	e->record = bytes;
	e->n = rec->view.n & 0x3fff;
	e->source = source;
	record_label(rec, label);
	e->name = name_hash(label) & 0x1ff;
	r->bytes += e->n;
	changes_enter(r, i);
}

static void set_mark(struct vx6_registry *r, struct entry *e, struct mark *m)
{
	let_go(r, e);
	e->mark = m;
	r->marks++;
}

void entry_set_mark(struct vx6_registry *r, uint32_t i, const struct vx6_hwm *mark,
		    uint32_t cert_seq)
{
	struct entry *e = entry_at(r, i);
	struct mark *m = vx6_zalloc(sizeof *m);

	memcpy(m->subject, entry_subject(e), sizeof m->subject);
	m->slot = entry_slot(e);
	m->hash = mark->hash;
	m->seq = mark->seq;
	m->expires_s = mark->expires_s;
	m->cert_seq = cert_seq;
	set_mark(r, e, m);
}

void entry_fade(struct vx6_registry *r, uint32_t i)
{
	struct entry *e = entry_at(r, i);
	struct vx6_record rec;
	struct vx6_hwm mark = {0};

	if (!entry_parse(e, &rec))
		return;
	mark.seq = rec.view.seq;
	vx6_hash_personal("VX6-record", e->record, e->n, &mark.hash);
	mark.expires_s = vx6_record_expires_s(&rec.view);
	entry_set_mark(r, i, &mark, rec.has_cert ? rec.cert.cert_seq : 0);
}
