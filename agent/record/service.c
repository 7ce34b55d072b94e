#include "record/service.h"

#include <string.h>

#include "wire/rd.h"

static bool alpn_is_valid(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] < 0x21 || p[i] > 0x7e)
			return false;
	return true;
}

uint64_t vx6_service_slot(const char *name)
{
	struct vx6_hash h;
	struct vx6_rd r;

	vx6_hash_personal("VX6-svc-slot", name, strlen(name), &h);
	vx6_rd_init(&r, h.b, sizeof h.b);
	return vx6_rd_u64(&r);
}

vx6_err vx6_service_build(const struct vx6_service_record *s, const struct vx6_identity *id,
			  uint8_t out[static VX6_SERVICE_MAX], size_t *n)
{
	struct vx6_record_view h = {
		.type = VX6_RTYPE_SERVICE,
		.flags = (uint8_t)((s->withdrawn ? VX6_RECORD_WITHDRAWN : 0) |
				   (s->unlisted ? VX6_RECORD_UNLISTED : 0)),
		.seq = s->seq,
		.issued_s = s->issued_s,
		.lifetime_s = s->lifetime_s,
	};
	size_t name_n = strnlen(s->name, sizeof s->name), alpn_n = strnlen(s->alpn, sizeof s->alpn);
	struct vx6_record_builder b;

	*n = 0;
	if (!vx6_label_is_valid(s->name, name_n) || s->kind != VX6_SERVICE_TCP ||
	    alpn_n > VX6_SERVICE_ALPN_MAX || !alpn_is_valid((const uint8_t *)s->alpn, alpn_n))
		return VX6_ERR(INVALID);
	vx6_record_build_begin(&b, &h, id, out, VX6_SERVICE_MAX);
	vx6_tlv_wr_begin(&b.tlv, VX6_RTLV_SERVICE);
	vx6_wr_u8(&b.w, (uint8_t)name_n);
	vx6_wr_bytes(&b.w, s->name, name_n);
	vx6_wr_u8(&b.w, s->kind);
	vx6_wr_u16(&b.w, s->port_hint);
	vx6_wr_u8(&b.w, (uint8_t)alpn_n);
	vx6_wr_bytes(&b.w, s->alpn, alpn_n);
	vx6_tlv_wr_end(&b.tlv);
	return vx6_record_build_finish(&b, id, n);
}

static void read_service(struct vx6_rd *r, struct vx6_service_record *out)
{
	struct vx6_rd name = vx6_rd_sub8(r, VX6_LABEL_MAX), alpn;

	vx6_rd_label(&name, out->name);
	out->kind = vx6_rd_u8(r);
	out->port_hint = vx6_rd_u16(r);
	alpn = vx6_rd_sub8(r, VX6_SERVICE_ALPN_MAX);
	if (vx6_is_ok(r->err) && (!vx6_is_ok(name.err) || !alpn_is_valid(alpn.p, alpn.left)))
		vx6_rd_fail(r, VX6_ERR(FORMAT));
	else if (vx6_is_ok(r->err) && out->kind != VX6_SERVICE_TCP)
		vx6_rd_fail(r, VX6_ERR(UNSUPPORTED));
	vx6_rd_copy(&alpn, (uint8_t *)out->alpn, alpn.left);
}

static vx6_err read_body(const struct vx6_record_view *v, struct vx6_service_record *out)
{
	struct vx6_tlv_rd t;
	struct vx6_rd value;
	uint8_t type;

	vx6_tlv_rd_init(&t, v->body, v->body_len);
	while (vx6_tlv_rd_next(&t, &type, &value)) {
		if (type == VX6_RTLV_SERVICE) {
			read_service(&value, out);
			vx6_tlv_rd_end(&t, &value);
		} else if (type != VX6_RTLV_SUBKEY_CERT) {
			vx6_tlv_rd_unknown(&t, type);
		}
	}
	VX6_TRY(vx6_tlv_rd_done(&t));
	return out->name[0] ? VX6_OK : VX6_ERR(FORMAT);
}

vx6_err vx6_service_read(const struct vx6_record *rec, struct vx6_service_record *out)
{
	const struct vx6_record_view *v = &rec->view;
	vx6_err err;

	memset(out, 0, sizeof *out);
	if (v->type != VX6_RTYPE_SERVICE)
		return VX6_ERR(MISMATCH);
	if (!rec->has_cert)
		return VX6_ERR(FORMAT);
	out->node = rec->subject;
	out->seq = v->seq;
	out->issued_s = v->issued_s;
	out->lifetime_s = v->lifetime_s;
	out->withdrawn = v->flags & VX6_RECORD_WITHDRAWN;
	out->unlisted = v->flags & VX6_RECORD_UNLISTED;
	err = read_body(v, out);
	if (!vx6_is_ok(err))
		memset(out, 0, sizeof *out);
	return err;
}
