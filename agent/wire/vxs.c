#include "wire/vxs.h"

#include "wire/rd.h"
#include "wire/wr.h"

void vx6_vxs_encode_data(uint8_t out[static VX6_VXS_DATA_HEADER], uint32_t n)
{
	struct vx6_wr w;

	vx6_wr_init(&w, out, VX6_VXS_DATA_HEADER);
	vx6_wr_u32(&w, n & VX6_VXS_DATA_MAX); /* the type is 0, so it is in there already */
}

size_t vx6_vxs_encode(uint8_t out[static VX6_VXS_CONTROL], enum vx6_vxs_type type, uint64_t off)
{
	struct vx6_wr w;

	vx6_wr_init(&w, out, VX6_VXS_CONTROL);
	vx6_wr_u8(&w, (uint8_t)type);
	if (type != VX6_VXS_NORESUME)
		vx6_wr_u64(&w, off);
	return w.len;
}

static uint64_t rd_u24(struct vx6_rd *r)
{
	uint64_t high = vx6_rd_u8(r);

	return high << 16 | vx6_rd_u16(r);
}

/* Looks only at bytes that are there: a wrong type is refused without waiting for the rest. */
vx6_err vx6_vxs_decode(const uint8_t *in, size_t n, struct vx6_vxs_frame *out, size_t *used)
{
	struct vx6_rd r;

	*out = (struct vx6_vxs_frame){0};
	*used = 0;
	vx6_rd_init(&r, in, n);
	out->type = vx6_rd_u8(&r);
	VX6_TRY(r.err);
	switch (out->type) {
	case VX6_VXS_DATA:
		out->n = rd_u24(&r);
		if (vx6_is_ok(r.err) && out->n == 0)
			return VX6_ERR(FORMAT);
		break;
	case VX6_VXS_ACK:
	case VX6_VXS_FIN:
		out->n = vx6_rd_u64(&r);
		break;
	case VX6_VXS_NORESUME:
		break;
	default:
		return VX6_ERR(UNSUPPORTED);
	}
	*used = vx6_is_ok(r.err) ? n - r.left : 0;
	return r.err;
}

void vx6_vxs_attach_encode(const struct vx6_vxs_attach *a, uint8_t out[static VX6_VXS_ATTACH_BYTES])
{
	struct vx6_wr w;

	vx6_wr_init(&w, out, VX6_VXS_ATTACH_BYTES);
	vx6_wr_bytes(&w, a->id, sizeof a->id);
	vx6_wr_u32(&w, a->epoch);
	vx6_wr_u64(&w, a->recv_off);
	vx6_wr_bytes(&w, a->mac, sizeof a->mac);
}

void vx6_vxs_attach_decode(const uint8_t in[static VX6_VXS_ATTACH_BYTES],
			   struct vx6_vxs_attach *out)
{
	struct vx6_rd r;

	vx6_rd_init(&r, in, VX6_VXS_ATTACH_BYTES);
	vx6_rd_copy(&r, out->id, sizeof out->id);
	out->epoch = vx6_rd_u32(&r);
	out->recv_off = vx6_rd_u64(&r);
	vx6_rd_copy(&r, out->mac, sizeof out->mac);
}

void vx6_vxs_reply_encode(const struct vx6_vxs_attach_reply *reply,
			  uint8_t out[static VX6_VXS_ATTACH_REPLY])
{
	struct vx6_wr w;

	vx6_wr_init(&w, out, VX6_VXS_ATTACH_REPLY);
	vx6_wr_u16(&w, reply->status);
	vx6_wr_u64(&w, reply->recv_off);
	vx6_wr_bytes(&w, reply->mac, sizeof reply->mac);
}

void vx6_vxs_reply_decode(const uint8_t in[static VX6_VXS_ATTACH_REPLY],
			  struct vx6_vxs_attach_reply *out)
{
	struct vx6_rd r;

	vx6_rd_init(&r, in, VX6_VXS_ATTACH_REPLY);
	out->status = vx6_rd_u16(&r);
	out->recv_off = vx6_rd_u64(&r);
	vx6_rd_copy(&r, out->mac, sizeof out->mac);
}
