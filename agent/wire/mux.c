#include "wire/mux.h"

#include <stdbool.h>

#include "wire/rd.h"
#include "wire/wr.h"

/* What each type demands of its header: schemas/wire/mux.md#frames */
static const struct frame_rule {
	uint16_t len_min, len_max;
	uint8_t flags;
	bool on_link, on_stream;
} rules[] = {
	[VX6_MUX_DATA] = {0, VX6_MUX_PAYLOAD_MAX, VX6_MUX_FIN | VX6_MUX_OPEN, false, true},
	[VX6_MUX_WINDOW] = {4, 4, 0, true, true},
	[VX6_MUX_RESET] = {4, 4, 0, false, true},
	[VX6_MUX_PING] = {8, 8, 0, true, false},
	[VX6_MUX_PONG] = {8, 8, 0, true, false},
	[VX6_MUX_GOAWAY] = {4, 4, 0, true, false},
	[VX6_MUX_PAD] = {0, VX6_MUX_PAYLOAD_MAX, 0, true, false},
};

void vx6_mux_encode(uint8_t out[static VX6_MUX_HEADER], const struct vx6_mux_frame *f)
{
	struct vx6_wr w;

	vx6_wr_init(&w, out, VX6_MUX_HEADER);
	vx6_wr_u8(&w, f->type);
	vx6_wr_u8(&w, f->flags);
	vx6_wr_u16(&w, f->len);
	vx6_wr_u32(&w, f->stream);
}

vx6_err vx6_mux_decode(const uint8_t in[static VX6_MUX_HEADER], struct vx6_mux_frame *out)
{
	const struct frame_rule *rule;
	struct vx6_rd r;

	vx6_rd_init(&r, in, VX6_MUX_HEADER);
	out->type = vx6_rd_u8(&r);
	out->flags = vx6_rd_u8(&r);
	out->len = vx6_rd_u16(&r);
	out->stream = vx6_rd_u32(&r);
	if (out->type >= sizeof rules / sizeof *rules)
		return VX6_ERR(UNSUPPORTED);
	rule = &rules[out->type];
	if (out->flags & ~rule->flags)
		return VX6_ERR(UNSUPPORTED);
	if (out->len > VX6_MUX_PAYLOAD_MAX)
		return VX6_ERR(LIMIT);
	if (out->len < rule->len_min || out->len > rule->len_max)
		return VX6_ERR(FORMAT);
	if (out->stream > VX6_MUX_STREAM_MAX || !(out->stream ? rule->on_stream : rule->on_link))
		return VX6_ERR(FORMAT);
	return vx6_rd_done(&r);
}

size_t vx6_mux_encode_u32(uint8_t out[static VX6_MUX_HEADER + 4], enum vx6_mux_type type,
			  uint32_t stream, uint32_t v)
{
	struct vx6_wr w;

	vx6_mux_encode(out,
		       &(struct vx6_mux_frame){.type = (uint8_t)type, .len = 4, .stream = stream});
	vx6_wr_init(&w, out + VX6_MUX_HEADER, 4);
	vx6_wr_u32(&w, v);
	return VX6_MUX_HEADER + 4;
}

size_t vx6_mux_encode_u64(uint8_t out[static VX6_MUX_HEADER + 8], enum vx6_mux_type type,
			  uint64_t v)
{
	struct vx6_wr w;

	vx6_mux_encode(out, &(struct vx6_mux_frame){.type = (uint8_t)type, .len = 8});
	vx6_wr_init(&w, out + VX6_MUX_HEADER, 8);
	vx6_wr_u64(&w, v);
	return VX6_MUX_HEADER + 8;
}

uint32_t vx6_mux_payload_u32(const uint8_t in[static 4])
{
	struct vx6_rd r;

	vx6_rd_init(&r, in, 4);
	return vx6_rd_u32(&r);
}

uint64_t vx6_mux_payload_u64(const uint8_t in[static 8])
{
	struct vx6_rd r;

	vx6_rd_init(&r, in, 8);
	return vx6_rd_u64(&r);
}
