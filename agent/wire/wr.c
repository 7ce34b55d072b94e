#include "wire/wr.h"

#include <string.h>

void vx6_wr_init(struct vx6_wr *w, uint8_t *p, size_t cap)
{
	w->p = p;
	w->cap = cap;
	w->len = 0;
	w->err = VX6_OK;
}

void vx6_wr_fail(struct vx6_wr *w, vx6_err err)
{
	if (vx6_is_ok(w->err))
		w->err = err;
}

void vx6_wr_bytes(struct vx6_wr *w, const void *p, size_t n)
{
	if (!vx6_is_ok(w->err) || n == 0)
		return;
	if (n > w->cap - w->len) {
		w->err = VX6_ERR(LIMIT);
		return;
	}
	memcpy(w->p + w->len, p, n);
	w->len += n;
}

static void wr_be(struct vx6_wr *w, uint64_t v, size_t n)
{
	uint8_t b[8];

	for (size_t i = n; i > 0; i--, v >>= 8)
		b[i - 1] = (uint8_t)v;
	vx6_wr_bytes(w, b, n);
}

void vx6_wr_u8(struct vx6_wr *w, uint8_t v)
{
	wr_be(w, v, 1);
}

void vx6_wr_u16(struct vx6_wr *w, uint16_t v)
{
	wr_be(w, v, 2);
}

void vx6_wr_u32(struct vx6_wr *w, uint32_t v)
{
	wr_be(w, v, 4);
}

void vx6_wr_u64(struct vx6_wr *w, uint64_t v)
{
	wr_be(w, v, 8);
}

size_t vx6_wr_begin16(struct vx6_wr *w)
{
	vx6_wr_u16(w, 0);
	return w->len;
}

void vx6_wr_end16(struct vx6_wr *w, size_t mark)
{
	size_t n;

	if (!vx6_is_ok(w->err))
		return;
	n = w->len - mark;
	if (n > UINT16_MAX) {
		w->err = VX6_ERR(LIMIT);
		return;
	}
	w->p[mark - 2] = (uint8_t)(n >> 8);
	w->p[mark - 1] = (uint8_t)n;
}

vx6_err vx6_wr_done(const struct vx6_wr *w, size_t *n)
{
	*n = vx6_is_ok(w->err) ? w->len : 0;
	return w->err;
}
