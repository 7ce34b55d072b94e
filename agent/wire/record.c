#include "wire/record.h"

#include <string.h>

#include "base/util.h"

enum { BODY_LEN_AT = 6 };

static const uint8_t magic[4] = {'V', 'X', 'R', '1'};

static const struct rtype {
	uint32_t lifetime_s;
	uint16_t bytes;
	const char *name;
} rtypes[] = {
#define X(symbol, number, bytes, lifetime, name) [number] = {lifetime, bytes, name},
	VX6_RTYPE_MAP(X)
#undef X
};

static const struct rtype *rtype_find(uint8_t type)
{
	return type < VX6_ARRAY_N(rtypes) && rtypes[type].bytes ? &rtypes[type] : NULL;
}

size_t vx6_rtype_max_bytes(uint8_t type)
{
	const struct rtype *t = rtype_find(type);

	return t ? t->bytes : 0;
}

uint32_t vx6_rtype_max_lifetime_s(uint8_t type)
{
	const struct rtype *t = rtype_find(type);

	return t ? t->lifetime_s : 0;
}

const char *vx6_rtype_name(uint8_t type)
{
	const struct rtype *t = rtype_find(type);

	return t ? t->name : "unknown";
}

static bool is_magic(const uint8_t *p)
{
	return p && p[0] == magic[0] && p[1] == magic[1] && p[2] == magic[2] && p[3] == magic[3];
}

static vx6_err tlvs_check(const uint8_t *p, size_t n)
{
	struct vx6_tlv_rd t;
	struct vx6_rd value;
	uint8_t type;

	vx6_tlv_rd_init(&t, p, n);
	while (vx6_tlv_rd_next(&t, &type, &value))
		;
	return vx6_tlv_rd_done(&t);
}

static vx6_err decode(const uint8_t *in, size_t n, struct vx6_record_view *v)
{
	struct vx6_rd r;

	vx6_rd_init(&r, in, n);
	if (!is_magic(vx6_rd_bytes(&r, sizeof magic)))
		return vx6_is_ok(r.err) ? VX6_ERR(FORMAT) : r.err;
	v->type = vx6_rd_u8(&r);
	v->flags = vx6_rd_u8(&r);
	v->body_len = vx6_rd_u16(&r);
	vx6_rd_copy(&r, v->subject, sizeof v->subject);
	v->seq = vx6_rd_u64(&r);
	v->issued_s = vx6_rd_u64(&r);
	v->lifetime_s = vx6_rd_u32(&r);
	v->aux = vx6_rd_u32(&r);
	VX6_TRY(r.err);
	if (!rtype_find(v->type) || (v->flags & ~(VX6_RECORD_WITHDRAWN | VX6_RECORD_UNLISTED)))
		return VX6_ERR(UNSUPPORTED);
	if (n > vx6_rtype_max_bytes(v->type))
		return VX6_ERR(LIMIT);
	v->body = vx6_rd_bytes(&r, v->body_len);
	v->sig = vx6_rd_bytes(&r, VX6_RECORD_SIG);
	VX6_TRY(vx6_rd_done(&r));
	v->bytes = in;
	v->n = n;
	return tlvs_check(v->body, v->body_len);
}

vx6_err vx6_record_decode(const uint8_t *in, size_t n, struct vx6_record_view *out)
{
	vx6_err err;

	memset(out, 0, sizeof *out);
	err = decode(in, n, out);
	if (!vx6_is_ok(err))
		memset(out, 0, sizeof *out);
	return err;
}

void vx6_record_encode_begin(struct vx6_wr *w, const struct vx6_record_view *h)
{
	vx6_wr_bytes(w, magic, sizeof magic);
	vx6_wr_u8(w, h->type);
	vx6_wr_u8(w, h->flags);
	vx6_wr_u16(w, 0);
	vx6_wr_bytes(w, h->subject, sizeof h->subject);
	vx6_wr_u64(w, h->seq);
	vx6_wr_u64(w, h->issued_s);
	vx6_wr_u32(w, h->lifetime_s);
	vx6_wr_u32(w, h->aux);
}

void vx6_record_encode_end(struct vx6_wr *w)
{
	size_t n;

	if (!vx6_is_ok(w->err))
		return;
	n = w->len - VX6_RECORD_HEADER;
	if (n > VX6_RECORD_MAX - VX6_RECORD_HEADER - VX6_RECORD_SIG) {
		vx6_wr_fail(w, VX6_ERR(LIMIT));
		return;
	}
	w->p[BODY_LEN_AT] = (uint8_t)(n >> 8);
	w->p[BODY_LEN_AT + 1] = (uint8_t)n;
}
