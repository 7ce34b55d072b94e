/* What the disk does not know yet, as rows; and rows from the disk. */
#include "discovery/registry_row.h"

#include <string.h>

#include "crypto/hash.h"
#include "crypto/secret.h"
#include "discovery/registry_internal.h"

enum {
	ROW_VERSION = 1,
	ROW_RECORD = 1,
	ROW_MARK = 2,
	ROW_CONTACT = 3,
	ROW_ASKED = 4, /* a record that we looked for, and that nobody else has told of */
};

/* ---- what is to be stored ---- */

void vx6_registry_on_dirty(struct vx6_registry *r, void (*cb)(void *user, bool soon), void *user)
{
	r->on_dirty = cb;
	r->on_dirty_user = user;
}

size_t vx6_registry_dirty(const struct vx6_registry *r)
{
	return r->dirty_n + r->removed_n;
}

static void tell_dirty(struct vx6_registry *r, bool soon)
{
	if (r->on_dirty)
		r->on_dirty(r->on_dirty_user, soon);
}

bool vx6_registry_contacts_dirty(const struct vx6_registry *r)
{
	return r->contacts_dirty;
}

void dirty_entry(struct vx6_registry *r, uint32_t i, bool soon)
{
	struct entry *e = entry_at(r, i);

	if (!r->on_dirty)
		return;
	if (!e->dirty) {
		e->dirty = 1;
		r->dirty_first = r->dirty_n++ ? VX6_MIN(r->dirty_first, i) : i;
	}
	tell_dirty(r, soon);
}

void dirty_contact(struct vx6_registry *r, struct contact *c)
{
	c->dirty = true;
	r->contacts_dirty = true;
	tell_dirty(r, false);
}

static void encode_key(uint8_t type, const uint8_t *subject, uint64_t slot,
		       uint8_t out[static VX6_ROW_KEY])
{
	struct vx6_wr w;

	vx6_wr_init(&w, out, VX6_ROW_KEY);
	vx6_wr_bytes(&w, subject, VX6_NODE_ID_BYTES);
	vx6_wr_u8(&w, type);
	vx6_wr_u64(&w, slot);
}

/*
 * A row that stays although its entry is gone does no harm: it is signed, and it ends. So the list may be bounded.
 */
void dirty_removed(struct vx6_registry *r, uint8_t type, const uint8_t *subject, uint64_t slot)
{
	if (r->removed_n >= REMOVED_MAX || !r->on_dirty)
		return;
	if (r->removed_n == r->removed_cap) {
		r->removed_cap = r->removed_cap ? r->removed_cap * 2 : 16;
		r->removed = vx6_realloc_array(r->removed, r->removed_cap, sizeof *r->removed);
	}
	encode_key(type, subject, slot, r->removed[r->removed_n++]);
	tell_dirty(r, false);
}

void vx6_registry_dirty_all(struct vx6_registry *r)
{
	r->removed_n = 0;
	for (uint32_t i = 1; i <= r->entries.top; i++) {
		struct entry *e = entry_at(r, i);

		if (!e->type)
			continue;
		e->stored = 0;
		dirty_entry(r, i, true);
	}
	for (uint32_t i = 1; i <= r->nodes.top; i++) {
		const struct known *k = known_at(r, i);

		if (k->entries && k->contact) {
			contact_at(r, k->contact)->stored = false;
			dirty_contact(r, contact_at(r, k->contact));
		}
	}
}

/* ---- rows out ---- */

static void sum_of(const uint8_t *key, const uint8_t *value, size_t n,
		   uint8_t out[static VX6_ROW_SUM])
{
	struct vx6_hash_state st;
	struct vx6_hash h;

	vx6_hash_init(&st, "VX6-registry-row");
	vx6_hash_update(&st, key, VX6_ROW_KEY);
	vx6_hash_update(&st, value, n);
	vx6_hash_final(&st, &h);
	memcpy(out, h.b, VX6_ROW_SUM);
}

/* In the batch: key(41) | len u16 | value; len 0: to be deleted. */
static struct vx6_wr row_begin(struct vx6_row_batch *b, const uint8_t key[static VX6_ROW_KEY])
{
	enum { ROW_MAX = VX6_ROW_KEY + 2 + VX6_ROW_VALUE_MAX };
	struct vx6_wr w;

	if (b->cap - b->n < ROW_MAX) {
		b->cap += 2 * ROW_MAX; /* not doubled: it is a few steps to the limit */
		b->buf = vx6_realloc_array(b->buf, b->cap, 1);
	}
	vx6_wr_init(&w, b->buf + b->n, b->cap - b->n);
	vx6_wr_bytes(&w, key, VX6_ROW_KEY);
	return w;
}

static void row_end(struct vx6_row_batch *b, struct vx6_wr *w, size_t mark)
{
	const uint8_t *key = b->buf + b->n, *value = key + VX6_ROW_KEY + 2;
	uint8_t sum[VX6_ROW_SUM];

	sum_of(key, value, w->len - VX6_ROW_KEY - 2, sum);
	vx6_wr_bytes(w, sum, sizeof sum);
	vx6_wr_end16(w, mark);
	VX6_ASSERT(vx6_is_ok(w->err));
	b->n += w->len;
	b->rows++;
}

static void add_entry(struct vx6_row_batch *b, const struct entry *e)
{
	uint8_t key[VX6_ROW_KEY];
	struct vx6_hwm_key k;
	struct vx6_wr w;
	size_t mark;

	entry_key(e, &k);
	encode_key(e->type, k.subject, k.slot, key);
	w = row_begin(b, key);
	mark = vx6_wr_begin16(&w);
	vx6_wr_u8(&w, ROW_VERSION);
	vx6_wr_u8(&w, !e->n ? ROW_MARK : e->source == VX6_SOURCE_DHT ? ROW_ASKED : ROW_RECORD);
	if (e->n) {
		vx6_wr_bytes(&w, e->record, e->n);
	} else {
		vx6_wr_u64(&w, e->mark->seq);
		vx6_wr_u64(&w, e->mark->expires_s);
		vx6_wr_u32(&w, e->mark->cert_seq);
		vx6_wr_bytes(&w, e->mark->hash.b, sizeof e->mark->hash.b);
	}
	row_end(b, &w, mark);
}

static void add_contact(struct vx6_row_batch *b, const struct vx6_node_id *id,
			const struct contact *c)
{
	uint8_t key[VX6_ROW_KEY];
	struct vx6_wr w;
	size_t mark;

	encode_key(KEY_TYPE_CONTACT, id->b, 0, key);
	w = row_begin(b, key);
	mark = vx6_wr_begin16(&w);
	vx6_wr_u8(&w, ROW_VERSION);
	vx6_wr_u8(&w, ROW_CONTACT);
	vx6_wr_u32(&w, c->met_s);
	vx6_wr_u32(&w, c->tried_s);
	vx6_wr_u32(&w, c->successes);
	vx6_wr_u32(&w, c->failures);
	vx6_wr_bytes(&w, c->ip, sizeof c->ip);
	vx6_wr_u32(&w, c->scope);
	vx6_wr_u16(&w, c->port);
	vx6_wr_u8(&w, c->via);
	row_end(b, &w, mark);
}

static void add_removed(struct vx6_row_batch *b, const uint8_t key[static VX6_ROW_KEY])
{
	struct vx6_wr w = row_begin(b, key);

	vx6_wr_u16(&w, 0);
	b->n += w.len;
	b->rows++;
}

static bool batch_is_full(const struct vx6_row_batch *b)
{
	return b->rows >= VX6_ROWS_BATCH || b->n >= VX6_ROWS_BATCH_BYTES;
}

static void take_contacts(struct vx6_registry *r, struct vx6_row_batch *out)
{
	struct vx6_node_id id;

	r->contacts_dirty = false;
	for (uint32_t i = 1; i <= r->nodes.top; i++) {
		const struct known *k = known_at(r, i);
		struct contact *c = k->entries && k->contact ? contact_at(r, k->contact) : NULL;

		if (!c || !c->dirty)
			continue;
		if (batch_is_full(out)) {
			r->contacts_dirty = true;
			return;
		}
		known_id(r, k, &id);
		add_contact(out, &id, c);
		c->dirty = false;
		c->stored = true;
	}
}

static void take_entries(struct vx6_registry *r, struct vx6_row_batch *out)
{
	uint32_t i = r->dirty_first;

	for (; r->dirty_n > 0 && i <= r->entries.top && !batch_is_full(out); i++) {
		struct entry *e = entry_at(r, i);

		if (!e->type || !e->dirty)
			continue;
		e->dirty = 0;
		e->stored = 1;
		r->dirty_n--;
		add_entry(out, e);
	}
	r->dirty_first = i;
}

size_t vx6_registry_take_rows(struct vx6_registry *r, bool contacts, struct vx6_row_batch *out)
{
	out->n = out->rows = 0;
	while (r->removed_n > 0 && !batch_is_full(out))
		add_removed(out, r->removed[--r->removed_n]);
	take_entries(r, out);
	if (contacts && r->contacts_dirty)
		take_contacts(r, out);
	return out->rows;
}

bool vx6_row_next(const struct vx6_row_batch *batch, size_t *at, struct vx6_row *out)
{
	struct vx6_rd rd, value;

	if (*at >= batch->n)
		return false;
	vx6_rd_init(&rd, batch->buf + *at, batch->n - *at);
	out->key = vx6_rd_bytes(&rd, VX6_ROW_KEY);
	value = vx6_rd_sub16(&rd, VX6_ROW_VALUE_MAX);
	if (!vx6_is_ok(rd.err))
		return false;
	out->n = value.left;
	out->value = value.left ? value.p : NULL;
	*at += VX6_ROW_KEY + 2 + out->n;
	return true;
}

void vx6_row_batch_fini(struct vx6_row_batch *batch)
{
	VX6_FREE(batch->buf);
	*batch = (struct vx6_row_batch){0};
}

/* ---- a key read back ---- */

struct row_key {
	struct vx6_node_id subject;
	uint8_t type;
	uint64_t slot;
};

static bool decode_key(const uint8_t *p, size_t n, struct row_key *out)
{
	struct vx6_rd rd;

	vx6_rd_init(&rd, p, n);
	vx6_rd_copy(&rd, out->subject.b, sizeof out->subject.b);
	out->type = vx6_rd_u8(&rd);
	out->slot = vx6_rd_u64(&rd);
	return vx6_is_ok(vx6_rd_done(&rd)) &&
	       (out->type == KEY_TYPE_CONTACT || out->type == ENTRY_CERT ||
		vx6_rtype_max_bytes(out->type) > 0);
}

static void hwm_key(const struct row_key *k, struct vx6_hwm_key *out)
{
	*out = (struct vx6_hwm_key){.slot = k->slot,
				    .type = k->type == ENTRY_CERT ? VX6_HWM_CERT : k->type};
	memcpy(out->subject, k->subject.b, sizeof out->subject);
}

void vx6_registry_rows_failed(struct vx6_registry *r, const struct vx6_row_batch *batch)
{
	struct vx6_hwm_key hk;
	struct vx6_row row;
	struct row_key k;
	size_t at = 0;

	while (vx6_row_next(batch, &at, &row)) {
		uint32_t node, i;

		if (!decode_key(row.key, VX6_ROW_KEY, &k))
			continue;
		node = known_find(r, &k.subject);
		hwm_key(&k, &hk);
		i = entry_find(r, node, &hk);
		if (!row.value && !i)
			dirty_removed(r, k.type, k.subject.b, k.slot);
		else if (k.type == KEY_TYPE_CONTACT && node && known_at(r, node)->contact)
			dirty_contact(r, contact_at(r, known_at(r, node)->contact));
		else if (i)
			dirty_entry(r, i, true);
	}
}

/* ---- rows in ---- */

static vx6_err load_contact(struct vx6_registry *r, const struct row_key *k, struct vx6_rd *rd)
{
	struct contact got = {0}, *c;
	uint32_t node = known_find(r, &k->subject);

	got.met_s = vx6_rd_u32(rd);
	got.tried_s = vx6_rd_u32(rd);
	got.successes = vx6_rd_u32(rd);
	got.failures = vx6_rd_u32(rd);
	vx6_rd_copy(rd, got.ip, sizeof got.ip);
	got.scope = vx6_rd_u32(rd);
	got.port = vx6_rd_u16(rd);
	got.via = vx6_rd_u8(rd);
	VX6_TRY(vx6_rd_done(rd));
	if (k->slot || got.via > (VX6_VIA_QUIC | VX6_VIA_TCP) || (got.via && !got.port))
		return VX6_ERR(FORMAT);
	if (!node)
		return VX6_ERR(EXPIRED); /* what it belonged to is gone */
	c = contact_make(r, node);
	r->met += (got.met_s != 0) - (c->met_s != 0);
	got.stored = true;
	*c = got;
	return VX6_OK;
}

/* @return 0: what is there is newer, or there is no room */
static uint32_t place(struct vx6_registry *r, const struct row_key *k, uint64_t seq, uint32_t *node)
{
	static const struct vx6_source from = {.kind = VX6_SOURCE_DISK};
	struct entry_facts f;
	struct vx6_hwm_key hk;
	uint32_t i;

	hwm_key(k, &hk);
	*node = known_find(r, &k->subject);
	i = entry_find(r, *node, &hk);
	if (i) {
		entry_facts(entry_at(r, i), &f);
		return seq > f.seq ? i : 0;
	}
	if (!room_for(r, *node, &k->subject, &from))
		return 0;
	i = entry_make(r, *node, &hk);
	*node = known_find(r, &k->subject);
	return i;
}

static vx6_err load_mark(struct vx6_registry *r, const struct row_key *k, struct vx6_rd *rd)
{
	struct vx6_hwm mark = {0};
	uint32_t cert_seq, node, i;
	struct known *known;

	mark.seq = vx6_rd_u64(rd);
	mark.expires_s = vx6_rd_u64(rd);
	cert_seq = vx6_rd_u32(rd);
	vx6_rd_copy(rd, mark.hash.b, sizeof mark.hash.b);
	VX6_TRY(vx6_rd_done(rd));
	if (mark.expires_s && mark.expires_s < r->now_s &&
	    r->now_s - mark.expires_s > VX6_MARK_KEEP_S)
		return VX6_ERR(EXPIRED);
	i = place(r, k, mark.seq, &node);
	if (!i)
		return VX6_ERR(FULL);
	entry_set_mark(r, i, &mark, cert_seq);
	entry_at(r, i)->stored = 1;
	known = known_at(r, node);
	known->cert_seq = VX6_MAX(known->cert_seq, cert_seq);
	return VX6_OK;
}

/* The key must be that of the record inside, or a question would be answered with what was not asked for. */
static bool key_fits(const struct row_key *k, const struct vx6_record *rec)
{
	struct vx6_service_record s;
	uint64_t slot = 0;

	if (rec->view.type == VX6_RTYPE_SERVICE) {
		if (!vx6_is_ok(vx6_service_read(rec, &s)))
			return false;
		slot = vx6_service_slot(s.name);
	}
	return rec->view.type == k->type && vx6_node_id_eq(&rec->subject, &k->subject) &&
	       slot == k->slot;
}

static vx6_err load_record(struct vx6_registry *r, const struct row_key *k, struct vx6_rd *rd,
			   enum vx6_source_kind source)
{
	struct vx6_record rec;
	uint32_t node, i;
	struct known *known;

	VX6_TRY(vx6_record_reparse(rd->p, rd->left, &rec));
	if (!key_fits(k, &rec))
		return VX6_ERR(MISMATCH);
	if (vx6_record_expires_s(&rec.view) < r->now_s &&
	    r->now_s - vx6_record_expires_s(&rec.view) > VX6_MARK_KEEP_S)
		return VX6_ERR(EXPIRED);
	i = place(r, k, rec.view.seq, &node);
	if (!i)
		return VX6_ERR(FULL);
	entry_set_record(r, i, &rec, source);
	entry_at(r, i)->stored = 1;
	known = known_at(r, node);
	if (rec.has_cert)
		known->cert_seq = VX6_MAX(known->cert_seq, rec.cert.cert_seq);
	if (vx6_record_expires_s(&rec.view) <= r->now_s) {
		if (rec.view.type == VX6_RTYPE_ENDPOINT)
			contact_from_record(r, node, entry_at(r, i));
		entry_fade(r, i);
	}
	return VX6_OK;
}

vx6_err vx6_registry_load_row(struct vx6_registry *r, const uint8_t *key, size_t key_n,
			      const uint8_t *value, size_t n, uint64_t now_s)
{
	uint8_t sum[VX6_ROW_SUM], kind;
	struct row_key k;
	struct vx6_rd rd;

	r->now_s = now_s;
	if (!decode_key(key, key_n, &k) || n < VX6_ROW_SUM + 2 || n > VX6_ROW_VALUE_MAX)
		return VX6_ERR(FORMAT);
	sum_of(key, value, n - VX6_ROW_SUM, sum);
	if (!vx6_ct_eq(sum, value + n - VX6_ROW_SUM, VX6_ROW_SUM))
		return VX6_ERR(CHECKSUM);
	vx6_rd_init(&rd, value, n - VX6_ROW_SUM);
	if (vx6_rd_u8(&rd) != ROW_VERSION)
		return VX6_ERR(UNSUPPORTED);
	kind = vx6_rd_u8(&rd);
	if (k.type == KEY_TYPE_CONTACT)
		return kind == ROW_CONTACT ? load_contact(r, &k, &rd) : VX6_ERR(FORMAT);
	if (kind == ROW_MARK)
		return load_mark(r, &k, &rd);
	if ((kind != ROW_RECORD && kind != ROW_ASKED) || k.type == ENTRY_CERT)
		return VX6_ERR(FORMAT);
	return load_record(r, &k, &rd, kind == ROW_ASKED ? VX6_SOURCE_DHT : VX6_SOURCE_DISK);
}
