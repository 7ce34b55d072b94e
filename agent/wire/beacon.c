#include "wire/beacon.h"

#include <string.h>

#include "wire/rd.h"
#include "wire/wr.h"

static const uint8_t magic[4] = {'V', 'X', '6', 'B'};

vx6_err vx6_beacon_encode(const struct vx6_beacon *b, uint8_t out[static VX6_BEACON_MAX], size_t *n)
{
	struct vx6_wr w;

	*n = 0;
	if (b->record_n == 0 || b->record_n > VX6_BEACON_RECORD_MAX)
		return VX6_ERR(LIMIT);
	vx6_wr_init(&w, out, VX6_BEACON_MAX);
	vx6_wr_bytes(&w, magic, sizeof magic);
	vx6_wr_u8(&w, VX6_BEACON_VERSION);
	vx6_wr_u8(&w, b->kind);
	vx6_wr_bytes(&w, b->network, sizeof b->network);
	vx6_wr_bytes(&w, b->record, b->record_n);
	return vx6_wr_done(&w, n);
}

static vx6_err decode(const uint8_t *in, size_t n, struct vx6_beacon *out)
{
	uint8_t got[sizeof magic];
	struct vx6_rd r;

	vx6_rd_init(&r, in, n);
	vx6_rd_copy(&r, got, sizeof got);
	VX6_TRY(r.err);
	if (memcmp(got, magic, sizeof magic) != 0)
		return VX6_ERR(FORMAT);
	if (vx6_rd_u8(&r) != VX6_BEACON_VERSION && vx6_is_ok(r.err))
		return VX6_ERR(UNSUPPORTED);
	out->kind = vx6_rd_u8(&r);
	VX6_TRY(r.err);
	if (out->kind != VX6_BEACON_HERE && out->kind != VX6_BEACON_HERE_TOO)
		return VX6_ERR(UNSUPPORTED);
	vx6_rd_copy(&r, out->network, sizeof out->network);
	VX6_TRY(r.err);
	if (r.left > VX6_BEACON_RECORD_MAX)
		return VX6_ERR(LIMIT);
	if (r.left == 0)
		return VX6_ERR(SHORT);
	out->record_n = r.left;
	out->record = vx6_rd_bytes(&r, r.left);
	return vx6_rd_done(&r);
}

vx6_err vx6_beacon_decode(const uint8_t *in, size_t n, struct vx6_beacon *out)
{
	vx6_err err;

	memset(out, 0, sizeof *out);
	err = decode(in, n, out);
	if (!vx6_is_ok(err))
		memset(out, 0, sizeof *out);
	return err;
}
