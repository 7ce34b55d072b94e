#include "record/catalog_list.h"

#include <string.h>

#include "crypto/secret.h"
#include "wire/rd.h"
#include "wire/wr.h"

enum { LIST_VERSION = 1 };

static bool alpn_is_valid(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] < 0x21 || s[i] > 0x7e)
			return false;
	return n <= VX6_SERVICE_ALPN_MAX;
}

static bool has_alias_before(const struct vx6_catalog *c, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (strcmp(c->entries[i].alias, c->entries[at].alias) == 0)
			return true;
	return false;
}

static void put_text(struct vx6_wr *w, const char *s, size_t cap)
{
	size_t n = strnlen(s, cap);

	vx6_wr_u8(w, (uint8_t)n);
	vx6_wr_bytes(w, s, n);
}

static bool entry_is_valid(const struct vx6_catalog_entry *e)
{
	return vx6_label_is_valid(e->service, strnlen(e->service, sizeof e->service)) &&
	       vx6_label_is_valid(e->alias, strnlen(e->alias, sizeof e->alias)) &&
	       e->kind == VX6_SERVICE_TCP &&
	       alpn_is_valid(e->alpn, strnlen(e->alpn, sizeof e->alpn));
}

void vx6_catalog_list_encode(struct vx6_wr *w, const struct vx6_catalog *c)
{
	if (c->entries_n > VX6_CATALOG_ENTRIES_MAX) {
		vx6_wr_fail(w, VX6_ERR(LIMIT));
		return;
	}
	if (c->title[0] && !vx6_label_is_valid(c->title, strnlen(c->title, sizeof c->title)))
		vx6_wr_fail(w, VX6_ERR(INVALID));
	vx6_wr_u8(w, LIST_VERSION);
	put_text(w, c->title, VX6_LABEL_MAX);
	vx6_wr_u8(w, (uint8_t)c->entries_n);
	for (size_t i = 0; i < c->entries_n; i++) {
		const struct vx6_catalog_entry *e = &c->entries[i];

		if (!entry_is_valid(e) || has_alias_before(c, i))
			vx6_wr_fail(w, VX6_ERR(INVALID));
		vx6_wr_bytes(w, e->node.b, sizeof e->node.b);
		put_text(w, e->service, VX6_LABEL_MAX);
		put_text(w, e->alias, VX6_LABEL_MAX);
		vx6_wr_u8(w, e->kind);
		put_text(w, e->alpn, VX6_SERVICE_ALPN_MAX);
	}
}

static void read_label(struct vx6_rd *r, char out[VX6_LABEL_TEXT])
{
	struct vx6_rd label = vx6_rd_sub8(r, VX6_LABEL_MAX);

	vx6_rd_label(&label, out);
	if (vx6_is_ok(r->err) && !vx6_is_ok(label.err))
		vx6_rd_fail(r, label.err);
}

static void read_title(struct vx6_rd *r, char out[VX6_LABEL_TEXT])
{
	struct vx6_rd title = vx6_rd_sub8(r, VX6_LABEL_MAX);

	if (!title.left)
		return;
	vx6_rd_label(&title, out);
	if (!vx6_is_ok(title.err))
		vx6_rd_fail(r, title.err);
}

static void read_entry(struct vx6_rd *r, struct vx6_catalog_entry *e)
{
	struct vx6_sign_pk pk;
	struct vx6_rd alpn;

	vx6_rd_copy(r, e->node.b, sizeof e->node.b);
	read_label(r, e->service);
	read_label(r, e->alias);
	e->kind = vx6_rd_u8(r);
	alpn = vx6_rd_sub8(r, VX6_SERVICE_ALPN_MAX);
	vx6_node_id_to_pk(&e->node, &pk);
	if (vx6_is_ok(r->err) && e->kind != VX6_SERVICE_TCP)
		vx6_rd_fail(r, VX6_ERR(UNSUPPORTED));
	if (vx6_is_ok(r->err) && !vx6_sign_pk_is_valid(&pk))
		vx6_rd_fail(r, VX6_ERR(KEY));
	if (vx6_is_ok(r->err) && !alpn_is_valid((const char *)alpn.p, alpn.left))
		vx6_rd_fail(r, VX6_ERR(FORMAT));
	vx6_rd_copy(&alpn, (uint8_t *)e->alpn, alpn.left);
}

vx6_err vx6_catalog_list_decode(const uint8_t *in, size_t n, struct vx6_catalog *out)
{
	struct vx6_rd r;
	size_t count, pad_n;
	const uint8_t *pad;

	memset(out, 0, sizeof *out);
	vx6_rd_init(&r, in, n);
	if (vx6_rd_u8(&r) != LIST_VERSION)
		vx6_rd_fail(&r, VX6_ERR(UNSUPPORTED));
	read_title(&r, out->title);
	count = vx6_rd_u8(&r);
	if (count > VX6_CATALOG_ENTRIES_MAX)
		vx6_rd_fail(&r, VX6_ERR(LIMIT));
	for (size_t i = 0; i < count && vx6_is_ok(r.err); i++) {
		read_entry(&r, &out->entries[i]);
		if (vx6_is_ok(r.err) && has_alias_before(out, i))
			vx6_rd_fail(&r, VX6_ERR(FORMAT));
	}
	pad_n = r.left;
	pad = vx6_rd_bytes(&r, pad_n);
	VX6_TRY(r.err);
	if (pad_n && !vx6_ct_is_zero(pad, pad_n))
		return VX6_ERR(FORMAT);
	out->entries_n = count;
	return VX6_OK;
}
