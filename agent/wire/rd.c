#include "wire/rd.h"

#include <string.h>

void vx6_rd_init(struct vx6_rd *r, const uint8_t *p, size_t n)
{
	r->p = p;
	r->left = n;
	r->err = VX6_OK;
}

void vx6_rd_fail(struct vx6_rd *r, vx6_err err)
{
	if (vx6_is_ok(r->err))
		r->err = err;
	r->left = 0;
}

const uint8_t *vx6_rd_bytes(struct vx6_rd *r, size_t n)
{
	const uint8_t *p = r->p;

	if (n > r->left) {
		vx6_rd_fail(r, VX6_ERR(SHORT));
		return NULL;
	}
	if (n) { /* NULL + 0 is undefined */
		r->p += n;
		r->left -= n;
	}
	return vx6_is_ok(r->err) ? p : NULL;
}

static uint64_t rd_be(struct vx6_rd *r, size_t n)
{
	const uint8_t *p = vx6_rd_bytes(r, n);
	uint64_t v = 0;

	for (size_t i = 0; p && i < n; i++)
		v = v << 8 | p[i];
	return v;
}

uint8_t vx6_rd_u8(struct vx6_rd *r)
{
	return (uint8_t)rd_be(r, 1);
}

uint16_t vx6_rd_u16(struct vx6_rd *r)
{
	return (uint16_t)rd_be(r, 2);
}

uint32_t vx6_rd_u32(struct vx6_rd *r)
{
	return (uint32_t)rd_be(r, 4);
}

uint64_t vx6_rd_u64(struct vx6_rd *r)
{
	return rd_be(r, 8);
}

void vx6_rd_copy(struct vx6_rd *r, uint8_t *out, size_t n)
{
	const uint8_t *p = vx6_rd_bytes(r, n);

	if (n == 0)
		return;
	if (p)
		memcpy(out, p, n);
	else
		memset(out, 0, n);
}

void vx6_rd_skip(struct vx6_rd *r, size_t n)
{
	(void)vx6_rd_bytes(r, n);
}

struct vx6_rd vx6_rd_sub(struct vx6_rd *r, size_t n)
{
	struct vx6_rd sub;
	const uint8_t *p = vx6_rd_bytes(r, n);

	vx6_rd_init(&sub, p, vx6_is_ok(r->err) ? n : 0);
	sub.err = r->err;
	return sub;
}

static struct vx6_rd rd_sub_capped(struct vx6_rd *r, size_t n, size_t cap)
{
	if (n > cap) {
		vx6_rd_fail(r, VX6_ERR(LIMIT));
		n = 0;
	}
	return vx6_rd_sub(r, n);
}

struct vx6_rd vx6_rd_sub8(struct vx6_rd *r, size_t cap)
{
	return rd_sub_capped(r, vx6_rd_u8(r), cap);
}

struct vx6_rd vx6_rd_sub16(struct vx6_rd *r, size_t cap)
{
	return rd_sub_capped(r, vx6_rd_u16(r), cap);
}

vx6_err vx6_rd_done(struct vx6_rd *r)
{
	if (r->left > 0)
		vx6_rd_fail(r, VX6_ERR(TRAILING));
	return r->err;
}
