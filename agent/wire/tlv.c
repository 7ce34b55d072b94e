#include "wire/tlv.h"

#include "base/util.h"

void vx6_tlv_rd_init(struct vx6_tlv_rd *t, const uint8_t *in, size_t n)
{
	vx6_rd_init(&t->r, in, n);
	t->last = -1;
}

bool vx6_tlv_rd_next(struct vx6_tlv_rd *t, uint8_t *type, struct vx6_rd *value)
{
	if (t->r.left == 0)
		return false;
	*type = vx6_rd_u8(&t->r);
	*value = vx6_rd_sub16(&t->r, VX6_TLV_VALUE_MAX);
	if (!vx6_is_ok(t->r.err))
		return false;
	if (*type <= t->last) {
		vx6_rd_fail(&t->r, VX6_ERR(FORMAT));
		return false;
	}
	t->last = *type;
	return true;
}

void vx6_tlv_rd_end(struct vx6_tlv_rd *t, struct vx6_rd *value)
{
	vx6_err err = vx6_rd_done(value);

	if (!vx6_is_ok(err))
		vx6_rd_fail(&t->r, err);
}

void vx6_tlv_rd_unknown(struct vx6_tlv_rd *t, uint8_t type)
{
	if (type & VX6_TLV_CRITICAL)
		vx6_rd_fail(&t->r, VX6_ERR(UNSUPPORTED));
}

vx6_err vx6_tlv_rd_done(struct vx6_tlv_rd *t)
{
	return vx6_rd_done(&t->r);
}

void vx6_tlv_wr_init(struct vx6_tlv_wr *t, struct vx6_wr *w)
{
	t->w = w;
	t->last = -1;
	t->mark = 0;
}

void vx6_tlv_wr_begin(struct vx6_tlv_wr *t, uint8_t type)
{
	VX6_ASSERT(type > t->last);
	t->last = type;
	vx6_wr_u8(t->w, type);
	t->mark = vx6_wr_begin16(t->w);
}

void vx6_tlv_wr_end(struct vx6_tlv_wr *t)
{
	vx6_wr_end16(t->w, t->mark);
}

void vx6_tlv_wr_put(struct vx6_tlv_wr *t, uint8_t type, const void *value, size_t n)
{
	vx6_tlv_wr_begin(t, type);
	vx6_wr_bytes(t->w, value, n);
	vx6_tlv_wr_end(t);
}
