#include "wire/open.h"

#include <string.h>

#include "wire/rd.h"
#include "wire/wr.h"

_Static_assert((int)VX6_OPEN_MAX >= VX6_OPEN_HEADER + VX6_LABEL_MAX + VX6_VXS_ID_BYTES,
	       "the longest OPEN is an attach");

_Static_assert((int)VX6_VXS_ATTACH_BYTES >= (int)VX6_OPEN_VIA_BYTES,
	       "the longest OPEN is an attach");

static uint8_t flags_of(uint8_t kind)
{
	return kind == VX6_OPEN_SERVICE ? VX6_OPEN_RESUMABLE : 0;
}

static bool via_is_valid(uint8_t via)
{
	return via && (via & ~(VX6_OPEN_VIA_QUIC | VX6_OPEN_VIA_TCP)) == 0;
}

vx6_err vx6_open_encode(const struct vx6_open *o, uint8_t out[static VX6_OPEN_MAX], size_t *n)
{
	size_t name_n = strnlen(o->name, sizeof o->name);
	struct vx6_wr w;

	*n = 0;
	if (o->kind == VX6_OPEN_SERVICE ? !vx6_label_is_valid(o->name, name_n) : name_n != 0)
		return VX6_ERR(INVALID);
	if (o->flags & ~flags_of(o->kind))
		return VX6_ERR(INVALID);
	if (o->kind == VX6_OPEN_DHT_VIA && (!via_is_valid(o->ask.via) || o->ask.port == 0))
		return VX6_ERR(INVALID);
	vx6_wr_init(&w, out, VX6_OPEN_MAX);
	vx6_wr_u8(&w, VX6_OPEN_VERSION);
	vx6_wr_u8(&w, o->kind);
	vx6_wr_u8(&w, o->flags);
	vx6_wr_u8(&w, (uint8_t)name_n);
	vx6_wr_bytes(&w, o->name, name_n);
	if (o->flags & VX6_OPEN_RESUMABLE)
		vx6_wr_bytes(&w, o->stream_id, sizeof o->stream_id);
	if (o->kind == VX6_OPEN_ATTACH) {
		uint8_t attach[VX6_VXS_ATTACH_BYTES];

		vx6_vxs_attach_encode(&o->attach, attach);
		vx6_wr_bytes(&w, attach, sizeof attach);
	}
	if (o->kind == VX6_OPEN_DHT_VIA) {
		vx6_wr_bytes(&w, o->ask.node, sizeof o->ask.node);
		vx6_wr_u8(&w, o->ask.via);
		vx6_wr_bytes(&w, o->ask.ip, sizeof o->ask.ip);
		vx6_wr_u16(&w, o->ask.port);
	}
	return vx6_wr_done(&w, n);
}

static vx6_err decode_name(struct vx6_rd *r, struct vx6_open *out)
{
	struct vx6_rd name = vx6_rd_sub8(r, VX6_LABEL_MAX);

	VX6_TRY(r->err);
	if (out->kind != VX6_OPEN_SERVICE)
		return name.left == 0 ? VX6_OK : VX6_ERR(FORMAT);
	vx6_rd_label(&name, out->name);
	return name.err;
}

static void decode_via(struct vx6_rd *r, struct vx6_open_via *out)
{
	vx6_rd_copy(r, out->node, sizeof out->node);
	out->via = vx6_rd_u8(r);
	if (vx6_is_ok(r->err) && !via_is_valid(out->via))
		vx6_rd_fail(r, VX6_ERR(FORMAT));
	vx6_rd_copy(r, out->ip, sizeof out->ip);
	out->port = vx6_rd_u16(r);
	if (vx6_is_ok(r->err) && out->port == 0)
		vx6_rd_fail(r, VX6_ERR(FORMAT));
}

/* Each check looks only at bytes that are there, so that a wrong first byte is refused without waiting for the rest. */
vx6_err vx6_open_decode(const uint8_t *in, size_t n, struct vx6_open *out, size_t *used)
{
	struct vx6_rd r;

	memset(out, 0, sizeof *out);
	*used = 0;
	vx6_rd_init(&r, in, n);
	if (vx6_rd_u8(&r) != VX6_OPEN_VERSION && vx6_is_ok(r.err))
		return VX6_ERR(UNSUPPORTED);
	out->kind = vx6_rd_u8(&r);
	if ((out->kind < VX6_OPEN_SERVICE || out->kind > VX6_OPEN_DHT_VIA) && vx6_is_ok(r.err))
		return VX6_ERR(UNSUPPORTED);
	out->flags = vx6_rd_u8(&r);
	if ((out->flags & ~flags_of(out->kind)) && vx6_is_ok(r.err))
		return VX6_ERR(UNSUPPORTED);
	VX6_TRY(decode_name(&r, out));
	if (out->flags & VX6_OPEN_RESUMABLE)
		vx6_rd_copy(&r, out->stream_id, sizeof out->stream_id);
	if (out->kind == VX6_OPEN_ATTACH) {
		const uint8_t *attach = vx6_rd_bytes(&r, VX6_VXS_ATTACH_BYTES);

		if (attach)
			vx6_vxs_attach_decode(attach, &out->attach);
	}
	if (out->kind == VX6_OPEN_DHT_VIA)
		decode_via(&r, &out->ask);
	*used = vx6_is_ok(r.err) ? n - r.left : 0;
	return r.err;
}

void vx6_open_reply_encode(uint16_t status, uint8_t out[static VX6_OPEN_REPLY])
{
	struct vx6_wr w;

	vx6_wr_init(&w, out, VX6_OPEN_REPLY);
	vx6_wr_u16(&w, status);
}

vx6_err vx6_open_reply_decode(const uint8_t *in, size_t n, uint16_t *status, size_t *used)
{
	struct vx6_rd r;

	vx6_rd_init(&r, in, n);
	*status = vx6_rd_u16(&r);
	*used = vx6_is_ok(r.err) ? VX6_OPEN_REPLY : 0;
	return r.err;
}
