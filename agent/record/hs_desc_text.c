#include "record/hs_desc_text.h"

#include <string.h>

#include "crypto/secret.h"
#include "wire/rd.h"

enum {
	TEXT_VERSION = 1,
	FLAG_FAST = 1,
	FLAG_CLOSED = 2,
	FLAG_POW = 4,
	FLAGS = FLAG_FAST | FLAG_CLOSED | FLAG_POW,
};

static bool has_auth_key_before(const struct vx6_hs_desc *d, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (memcmp(d->intro[i].auth_key, d->intro[at].auth_key,
			   sizeof d->intro[i].auth_key) == 0)
			return true;
	return false;
}

/* ---- writing ---- */

static void put_pow(struct vx6_wr *w, const struct vx6_hs_desc *d)
{
	static const uint8_t none[sizeof d->pow_seed];

	vx6_wr_bytes(w, d->pow ? d->pow_seed : none, sizeof none);
	vx6_wr_u32(w, d->pow ? d->pow_effort : 0);
	vx6_wr_u64(w, d->pow ? d->pow_expires_s : 0);
}

static void put_intro(struct vx6_wr *w, const struct vx6_hs_intro *i)
{
	vx6_wr_u8(w, i->standby);
	vx6_wr_bytes(w, i->node.b, sizeof i->node.b);
	vx6_wr_bytes(w, i->auth_key, sizeof i->auth_key);
	vx6_wr_bytes(w, i->enc_key, sizeof i->enc_key);
	vx6_wr_bytes(w, i->handle[0], sizeof i->handle[0]);
	vx6_wr_bytes(w, i->handle[1], sizeof i->handle[1]);
	vx6_wr_u32(w, i->not_after_s);
}

void vx6_hs_desc_text_encode(struct vx6_wr *w, const struct vx6_hs_desc *d)
{
	if (d->intros_n > VX6_HS_INTROS_MAX) {
		vx6_wr_fail(w, VX6_ERR(LIMIT));
		return;
	}
	vx6_wr_u8(w, TEXT_VERSION);
	vx6_wr_u8(w, (uint8_t)((d->fast ? FLAG_FAST : 0) | (d->closed ? FLAG_CLOSED : 0) |
			       (d->pow ? FLAG_POW : 0)));
	put_pow(w, d);
	vx6_wr_u8(w, (uint8_t)d->intros_n);
	for (size_t i = 0; i < d->intros_n; i++) {
		if (has_auth_key_before(d, i))
			vx6_wr_fail(w, VX6_ERR(INVALID));
		put_intro(w, &d->intro[i]);
	}
}

/* ---- reading ---- */

static void read_head(struct vx6_rd *r, struct vx6_hs_desc *d)
{
	uint8_t version = vx6_rd_u8(r), flags = vx6_rd_u8(r);

	if (version != TEXT_VERSION || (flags & ~FLAGS))
		vx6_rd_fail(r, VX6_ERR(UNSUPPORTED));
	d->fast = flags & FLAG_FAST;
	d->closed = flags & FLAG_CLOSED;
	d->pow = flags & FLAG_POW;
	vx6_rd_copy(r, d->pow_seed, sizeof d->pow_seed);
	d->pow_effort = vx6_rd_u32(r);
	d->pow_expires_s = vx6_rd_u64(r);
	if (!d->pow &&
	    (d->pow_effort || d->pow_expires_s || !vx6_ct_is_zero(d->pow_seed, sizeof d->pow_seed)))
		vx6_rd_fail(r, VX6_ERR(FORMAT));
}

static void read_intro(struct vx6_rd *r, struct vx6_hs_desc *d, size_t at)
{
	struct vx6_hs_intro *i = &d->intro[at];
	uint8_t state = vx6_rd_u8(r);

	if (state > 1)
		vx6_rd_fail(r, VX6_ERR(FORMAT));
	i->standby = state == 1;
	vx6_rd_copy(r, i->node.b, sizeof i->node.b);
	vx6_rd_copy(r, i->auth_key, sizeof i->auth_key);
	vx6_rd_copy(r, i->enc_key, sizeof i->enc_key);
	vx6_rd_copy(r, i->handle[0], sizeof i->handle[0]);
	vx6_rd_copy(r, i->handle[1], sizeof i->handle[1]);
	i->not_after_s = vx6_rd_u32(r);
	if (vx6_is_ok(r->err) && has_auth_key_before(d, at))
		vx6_rd_fail(r, VX6_ERR(FORMAT));
}

static vx6_err read_text(struct vx6_rd *r, struct vx6_hs_desc *d)
{
	read_head(r, d);
	d->intros_n = vx6_rd_u8(r);
	if (d->intros_n > VX6_HS_INTROS_MAX)
		vx6_rd_fail(r, VX6_ERR(LIMIT));
	for (size_t i = 0; i < d->intros_n && vx6_is_ok(r->err); i++)
		read_intro(r, d, i);
	VX6_TRY(r->err);
	return vx6_ct_is_zero(r->p, r->left) ? VX6_OK : VX6_ERR(FORMAT);
}

vx6_err vx6_hs_desc_text_decode(const uint8_t *in, size_t n, struct vx6_hs_desc *out)
{
	struct vx6_rd r;
	vx6_err err;

	memset(out, 0, sizeof *out);
	vx6_rd_init(&r, in, n);
	err = read_text(&r, out);
	if (!vx6_is_ok(err))
		memset(out, 0, sizeof *out);
	return err;
}
