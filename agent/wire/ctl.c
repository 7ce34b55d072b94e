#include "wire/ctl.h"

#include <string.h>

#include "wire/record.h"

vx6_err vx6_ctl_decode(const uint8_t *in, size_t n, struct vx6_ctl *out, size_t *used)
{
	struct vx6_rd r, body;

	memset(out, 0, sizeof *out);
	*used = 0;
	vx6_rd_init(&r, in, n);
	out->type = vx6_rd_u8(&r);
	out->flags = vx6_rd_u8(&r);
	if (out->flags & ~VX6_CTL_CRITICAL)
		return VX6_ERR(UNSUPPORTED);
	body = vx6_rd_sub16(&r, VX6_CTL_BODY_MAX);
	VX6_TRY(r.err);
	out->body = body.p;
	out->body_len = (uint16_t)body.left;
	*used = n - r.left;
	return VX6_OK;
}

size_t vx6_ctl_begin(struct vx6_wr *w, enum vx6_ctl_type type, uint8_t flags)
{
	vx6_wr_u8(w, (uint8_t)type);
	vx6_wr_u8(w, flags);
	return vx6_wr_begin16(w);
}

void vx6_ctl_end(struct vx6_wr *w, size_t mark)
{
	if (vx6_is_ok(w->err) && w->len - mark > VX6_CTL_BODY_MAX)
		vx6_wr_fail(w, VX6_ERR(LIMIT));
	vx6_wr_end16(w, mark);
}

/* ---- RECORDS_WANT, PING, PONG ---- */

void vx6_ctl_encode_records_want(struct vx6_wr *w, const uint8_t node_id[static 32])
{
	size_t mark = vx6_ctl_begin(w, VX6_CTL_RECORDS_WANT, 0);

	vx6_wr_bytes(w, node_id, 32);
	vx6_ctl_end(w, mark);
}

vx6_err vx6_ctl_decode_records_want(const struct vx6_ctl *m, uint8_t node_id[static 32])
{
	struct vx6_rd r;

	vx6_rd_init(&r, m->body, m->body_len);
	vx6_rd_copy(&r, node_id, 32);
	return vx6_rd_done(&r);
}

void vx6_ctl_encode_ping(struct vx6_wr *w, bool pong, uint64_t token)
{
	size_t mark = vx6_ctl_begin(w, pong ? VX6_CTL_PONG : VX6_CTL_PING, 0);

	vx6_wr_u64(w, token);
	vx6_ctl_end(w, mark);
}

vx6_err vx6_ctl_decode_ping(const struct vx6_ctl *m, uint64_t *token)
{
	struct vx6_rd r;

	vx6_rd_init(&r, m->body, m->body_len);
	*token = vx6_rd_u64(&r);
	return vx6_rd_done(&r);
}

/* ---- GOAWAY ---- */

static bool is_printable(uint8_t c)
{
	return c >= 0x20 && c <= 0x7e;
}

void vx6_ctl_encode_goaway(struct vx6_wr *w, uint16_t code, const char *reason)
{
	size_t mark = vx6_ctl_begin(w, VX6_CTL_GOAWAY, 0);
	size_t n = reason ? strnlen(reason, VX6_CTL_REASON_MAX) : 0;

	vx6_wr_u16(w, code);
	for (size_t i = 0; i < n; i++)
		vx6_wr_u8(w, is_printable((uint8_t)reason[i]) ? (uint8_t)reason[i] : '?');
	vx6_ctl_end(w, mark);
}

vx6_err vx6_ctl_decode_goaway(const struct vx6_ctl *m, struct vx6_goaway *out)
{
	struct vx6_rd r;
	size_t n;

	memset(out, 0, sizeof *out);
	vx6_rd_init(&r, m->body, m->body_len);
	out->code = vx6_rd_u16(&r);
	n = r.left;
	if (n > VX6_CTL_REASON_MAX) {
		n = 0;
		vx6_rd_fail(&r, VX6_ERR(LIMIT));
	}
	vx6_rd_copy(&r, (uint8_t *)out->reason, n);
	for (size_t i = 0; i < n; i++)
		if (!is_printable((uint8_t)out->reason[i]))
			vx6_rd_fail(&r, VX6_ERR(FORMAT));
	if (!vx6_is_ok(r.err))
		memset(out, 0, sizeof *out);
	return vx6_rd_done(&r);
}

/* ---- HAVE, GET ---- */

enum { HAVE_BYTES = 16, TAG_BYTES = 8 };

void vx6_ctl_encode_have(struct vx6_wr *w, const struct vx6_have *e, size_t n)
{
	size_t mark = vx6_ctl_begin(w, VX6_CTL_HAVE, 0);

	for (size_t i = 0; i < n; i++) {
		vx6_wr_u64(w, e[i].tag);
		vx6_wr_u64(w, e[i].seq);
	}
	vx6_ctl_end(w, mark);
}

void vx6_ctl_encode_get(struct vx6_wr *w, const uint64_t *tags, size_t n)
{
	size_t mark = vx6_ctl_begin(w, VX6_CTL_GET, 0);

	for (size_t i = 0; i < n; i++)
		vx6_wr_u64(w, tags[i]);
	vx6_ctl_end(w, mark);
}

static vx6_err whole_entries(const struct vx6_ctl *m, size_t each, struct vx6_rd *out)
{
	bool whole = m->body_len % each == 0;

	vx6_rd_init(out, m->body, whole ? m->body_len : 0);
	return whole ? VX6_OK : VX6_ERR(SHORT);
}

vx6_err vx6_ctl_decode_have(const struct vx6_ctl *m, struct vx6_rd *out)
{
	return whole_entries(m, HAVE_BYTES, out);
}

vx6_err vx6_ctl_decode_get(const struct vx6_ctl *m, struct vx6_rd *out)
{
	return whole_entries(m, TAG_BYTES, out);
}

bool vx6_ctl_have_next(struct vx6_rd *r, struct vx6_have *out)
{
	if (r->left < HAVE_BYTES)
		return false;
	out->tag = vx6_rd_u64(r);
	out->seq = vx6_rd_u64(r);
	return true;
}

bool vx6_ctl_get_next(struct vx6_rd *r, uint64_t *tag)
{
	if (r->left < TAG_BYTES)
		return false;
	*tag = vx6_rd_u64(r);
	return true;
}

/* ---- VXS_ACK, VXS_ADRIFT ---- */

enum { NOTE_BYTES = VX6_VXS_ID_BYTES + 4 };

static void note_read(struct vx6_rd *r, struct vx6_vxs_note *out)
{
	memset(out, 0, sizeof *out);
	vx6_rd_copy(r, out->id, sizeof out->id);
	out->epoch = vx6_rd_u32(r);
}

void vx6_ctl_encode_vxs_ack(struct vx6_wr *w, const struct vx6_vxs_note *note)
{
	size_t mark = vx6_ctl_begin(w, VX6_CTL_VXS_ACK, 0);

	vx6_wr_bytes(w, note->id, sizeof note->id);
	vx6_wr_u32(w, note->epoch);
	vx6_wr_u64(w, note->off);
	vx6_ctl_end(w, mark);
}

vx6_err vx6_ctl_decode_vxs_ack(const struct vx6_ctl *m, struct vx6_vxs_note *out)
{
	struct vx6_rd r;

	vx6_rd_init(&r, m->body, m->body_len);
	note_read(&r, out);
	out->off = vx6_rd_u64(&r);
	return vx6_rd_done(&r);
}

void vx6_ctl_encode_vxs_adrift(struct vx6_wr *w, const struct vx6_vxs_note *notes, size_t n)
{
	size_t mark = vx6_ctl_begin(w, VX6_CTL_VXS_ADRIFT, 0);

	for (size_t i = 0; i < n; i++) {
		vx6_wr_bytes(w, notes[i].id, sizeof notes[i].id);
		vx6_wr_u32(w, notes[i].epoch);
	}
	vx6_ctl_end(w, mark);
}

vx6_err vx6_ctl_decode_vxs_adrift(const struct vx6_ctl *m, struct vx6_rd *out)
{
	vx6_rd_init(out, NULL, 0);
	if (m->body_len == 0 || m->body_len % NOTE_BYTES != 0)
		return VX6_ERR(FORMAT);
	vx6_rd_init(out, m->body, m->body_len);
	return VX6_OK;
}

bool vx6_ctl_vxs_adrift_next(struct vx6_rd *r, struct vx6_vxs_note *out)
{
	if (r->left < NOTE_BYTES)
		return false;
	note_read(r, out);
	return true;
}

/* ---- RECORDS ---- */

bool vx6_ctl_records_add(struct vx6_wr *w, size_t mark, const uint8_t *record, size_t n)
{
	size_t inner;

	if (!vx6_is_ok(w->err) || n > VX6_RECORD_MAX || w->cap - w->len < n + 2 ||
	    w->len - mark + n + 2 > VX6_CTL_BODY_MAX)
		return false;
	inner = vx6_wr_begin16(w);
	vx6_wr_bytes(w, record, n);
	vx6_wr_end16(w, inner);
	return true;
}

vx6_err vx6_ctl_decode_records(const struct vx6_ctl *m, struct vx6_rd *out)
{
	struct vx6_rd r;

	vx6_rd_init(out, NULL, 0);
	vx6_rd_init(&r, m->body, m->body_len);
	while (r.left > 0) {
		struct vx6_rd one = vx6_rd_sub16(&r, VX6_RECORD_MAX);

		if (vx6_is_ok(r.err) && one.left < VX6_RECORD_HEADER + VX6_RECORD_SIG)
			vx6_rd_fail(&r, VX6_ERR(SHORT));
	}
	VX6_TRY(r.err);
	vx6_rd_init(out, m->body, m->body_len);
	return VX6_OK;
}

bool vx6_ctl_records_next(struct vx6_rd *r, const uint8_t **record, size_t *n)
{
	struct vx6_rd one;

	if (r->left == 0)
		return false;
	one = vx6_rd_sub16(r, VX6_RECORD_MAX);
	*record = one.p;
	*n = one.left;
	return vx6_is_ok(r->err);
}
