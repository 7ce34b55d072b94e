#include "record/endpoint.h"

#include <string.h>

#include "base/util.h"

static bool addr_is_valid(const struct vx6_endpoint_addr *a)
{
	return a->addr.family == VX6_ADDR_IP && a->addr.port != 0 && a->via != 0 &&
	       (a->via & ~(VX6_VIA_QUIC | VX6_VIA_TCP)) == 0 && !vx6_addr_is_any(&a->addr) &&
	       !vx6_addr_is_multicast(&a->addr);
}

static void put_addrs(struct vx6_record_builder *b, const struct vx6_endpoint *e)
{
	vx6_tlv_wr_begin(&b->tlv, VX6_RTLV_ADDR);
	for (size_t i = 0; i < e->n_addrs; i++) {
		const struct vx6_endpoint_addr *a = &e->addrs[i];

		vx6_wr_u8(&b->w, a->via);
		vx6_wr_bytes(&b->w, a->addr.ip, sizeof a->addr.ip);
		vx6_wr_u16(&b->w, a->addr.port);
		vx6_wr_u8(&b->w, a->prio);
	}
	vx6_tlv_wr_end(&b->tlv);
}

vx6_err vx6_endpoint_build(const struct vx6_endpoint *e, const struct vx6_identity *id,
			   uint8_t out[static VX6_ENDPOINT_MAX], size_t *n)
{
	struct vx6_record_view h = {.type = VX6_RTYPE_ENDPOINT,
				    .seq = e->seq,
				    .issued_s = e->issued_s,
				    .lifetime_s = e->lifetime_s};
	size_t name_n = strnlen(e->name, sizeof e->name);
	struct vx6_record_builder b;

	*n = 0;
	if (e->n_addrs > VX6_ENDPOINT_ADDRS_MAX)
		return VX6_ERR(LIMIT);
	if (name_n && !vx6_label_is_valid(e->name, name_n))
		return VX6_ERR(INVALID);
	for (size_t i = 0; i < e->n_addrs; i++)
		if (!addr_is_valid(&e->addrs[i]))
			return VX6_ERR(INVALID);
	vx6_record_build_begin(&b, &h, id, out, VX6_ENDPOINT_MAX);
	if (e->n_addrs)
		put_addrs(&b, e);
	vx6_tlv_wr_begin(&b.tlv, VX6_RTLV_FEATURES);
	vx6_wr_u64(&b.w, e->features);
	vx6_tlv_wr_end(&b.tlv);
	if (name_n)
		vx6_tlv_wr_put(&b.tlv, VX6_RTLV_NAME, e->name, name_n);
	return vx6_record_build_finish(&b, id, n);
}

static void read_addrs(struct vx6_rd *r, struct vx6_endpoint *out)
{
	if (r->left == 0)
		vx6_rd_fail(
			r,
			VX6_ERR(SHORT)); /* no addresses: no entry, so that there is one form only */
	while (r->left > 0) {
		struct vx6_endpoint_addr *a;

		if (out->n_addrs == VX6_ENDPOINT_ADDRS_MAX) {
			vx6_rd_fail(r, VX6_ERR(LIMIT));
			return;
		}
		a = &out->addrs[out->n_addrs++];
		a->addr.family = VX6_ADDR_IP;
		a->via = vx6_rd_u8(r);
		vx6_rd_copy(r, a->addr.ip, sizeof a->addr.ip);
		a->addr.port = vx6_rd_u16(r);
		a->prio = vx6_rd_u8(r);
		if (vx6_is_ok(r->err) && !addr_is_valid(a))
			vx6_rd_fail(r, VX6_ERR(FORMAT));
	}
}

static vx6_err read_body(const struct vx6_record_view *v, struct vx6_endpoint *out)
{
	struct vx6_tlv_rd t;
	struct vx6_rd value;
	uint8_t type;

	vx6_tlv_rd_init(&t, v->body, v->body_len);
	while (vx6_tlv_rd_next(&t, &type, &value)) {
		switch (type) {
		case VX6_RTLV_ADDR:
			read_addrs(&value, out);
			break;
		case VX6_RTLV_FEATURES:
			out->features = vx6_rd_u64(&value);
			break;
		case VX6_RTLV_NAME:
			vx6_rd_label(&value, out->name);
			break;
		case VX6_RTLV_SUBKEY_CERT: /* read by vx6_record_parse() */
			continue;
		default:
			vx6_tlv_rd_unknown(&t, type);
			continue;
		}
		vx6_tlv_rd_end(&t, &value);
	}
	return vx6_tlv_rd_done(&t);
}

vx6_err vx6_endpoint_read(const struct vx6_record *rec, struct vx6_endpoint *out)
{
	const struct vx6_record_view *v = &rec->view;
	vx6_err err;

	memset(out, 0, sizeof *out);
	if (v->type != VX6_RTYPE_ENDPOINT)
		return VX6_ERR(MISMATCH);
	if (v->flags || !rec->has_cert)
		return VX6_ERR(FORMAT);
	out->node = rec->subject;
	out->seq = v->seq;
	out->issued_s = v->issued_s;
	out->lifetime_s = v->lifetime_s;
	err = read_body(v, out);
	if (!vx6_is_ok(err))
		memset(out, 0, sizeof *out);
	return err;
}
