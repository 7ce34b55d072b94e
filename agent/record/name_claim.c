#include "record/name_claim.h"

#include <string.h>

#include "wire/rd.h"
#include "wire/wr.h"

enum { WORK_MESSAGE_MAX = VX6_NET_BYTES + VX6_LABEL_MAX + VX6_NODE_ID_BYTES + 8 };

/* ---- work ---- */

/* NET | name | node, and room for the nonce. All but the name have a fixed size, so no two names give the same message. */
static size_t work_message(const struct vx6_net *net, const char *name,
			   const struct vx6_node_id *node, uint8_t out[static WORK_MESSAGE_MAX])
{
	struct vx6_wr w;

	vx6_wr_init(&w, out, WORK_MESSAGE_MAX);
	vx6_wr_bytes(&w, net->b, sizeof net->b);
	vx6_wr_bytes(&w, name, strnlen(name, VX6_LABEL_MAX));
	vx6_wr_bytes(&w, node->b, sizeof node->b);
	return w.len;
}

static unsigned leading_zero_bits(const struct vx6_hash *h)
{
	unsigned bits = 0;

	for (size_t i = 0; i < sizeof h->b; i++, bits += 8)
		if (h->b[i])
			return bits + (unsigned)__builtin_clz(h->b[i]) - 24;
	return bits;
}

static unsigned work_of(uint8_t *message, size_t n, uint64_t nonce)
{
	struct vx6_hash h;
	struct vx6_wr w;

	vx6_wr_init(&w, message + n, 8);
	vx6_wr_u64(&w, nonce);
	vx6_hash_personal("VX6-name-work", message, n + 8, &h);
	return leading_zero_bits(&h);
}

unsigned vx6_name_work(const struct vx6_net *net, const char *name, const struct vx6_node_id *node,
		       uint64_t nonce)
{
	uint8_t message[WORK_MESSAGE_MAX];
	size_t n = work_message(net, name, node, message);

	return work_of(message, n, nonce);
}

bool vx6_name_work_solve(const struct vx6_net *net, const char *name,
			 const struct vx6_node_id *node, unsigned bits, uint64_t first,
			 uint64_t tries, uint64_t *nonce)
{
	uint8_t message[WORK_MESSAGE_MAX];
	size_t n = work_message(net, name, node, message);

	for (uint64_t i = 0; i < tries; i++) {
		if (work_of(message, n, first + i) >= bits) {
			*nonce = first + i;
			return true;
		}
	}
	return false;
}

/* ---- record ---- */

vx6_err vx6_name_claim_build(const struct vx6_name_claim *c, const struct vx6_identity *id,
			     uint8_t out[static VX6_NAME_CLAIM_MAX], size_t *n)
{
	struct vx6_record_view h = {
		.type = VX6_RTYPE_NAME,
		.flags = c->withdrawn ? VX6_RECORD_WITHDRAWN : 0,
		.seq = c->seq,
		.issued_s = c->issued_s,
		.lifetime_s = c->lifetime_s,
	};
	size_t name_n = strnlen(c->name, sizeof c->name);
	struct vx6_record_builder b;

	*n = 0;
	if (!vx6_label_is_valid(c->name, name_n) || c->claimed_at_s > c->issued_s)
		return VX6_ERR(INVALID);
	if (vx6_name_work(&id->net, c->name, &id->id, c->nonce) < VX6_NAME_WORK_BITS)
		return VX6_ERR(REFUSED);
	vx6_record_build_begin(&b, &h, id, out, VX6_NAME_CLAIM_MAX);
	vx6_tlv_wr_put(&b.tlv, VX6_RTLV_NAME, c->name, name_n);
	vx6_tlv_wr_begin(&b.tlv, VX6_RTLV_WORK);
	vx6_wr_u64(&b.w, c->nonce);
	vx6_tlv_wr_end(&b.tlv);
	vx6_tlv_wr_begin(&b.tlv, VX6_RTLV_SINCE);
	vx6_wr_u64(&b.w, c->claimed_at_s);
	vx6_tlv_wr_end(&b.tlv);
	return vx6_record_build_finish(&b, id, n);
}

struct parts {
	bool name, work, since;
};

static vx6_err read_body(const struct vx6_record_view *v, struct vx6_name_claim *out)
{
	struct parts have = {0};
	struct vx6_tlv_rd t;
	struct vx6_rd value;
	uint8_t type;

	vx6_tlv_rd_init(&t, v->body, v->body_len);
	while (vx6_tlv_rd_next(&t, &type, &value)) {
		if (type == VX6_RTLV_NAME) {
			have.name = true;
			vx6_rd_label(&value, out->name);
			vx6_tlv_rd_end(&t, &value);
		} else if (type == VX6_RTLV_WORK) {
			have.work = true;
			out->nonce = vx6_rd_u64(&value);
			vx6_tlv_rd_end(&t, &value);
		} else if (type == VX6_RTLV_SINCE) {
			have.since = true;
			out->claimed_at_s = vx6_rd_u64(&value);
			vx6_tlv_rd_end(&t, &value);
		} else if (type != VX6_RTLV_SUBKEY_CERT) {
			vx6_tlv_rd_unknown(&t, type);
		}
	}
	VX6_TRY(vx6_tlv_rd_done(&t));
	return have.name && have.work && have.since ? VX6_OK : VX6_ERR(FORMAT);
}

static vx6_err check(const struct vx6_net *net, struct vx6_name_claim *c)
{
	if (c->claimed_at_s > c->issued_s)
		return VX6_ERR(RANGE);
	c->work_bits = vx6_name_work(net, c->name, &c->node, c->nonce);
	return c->work_bits >= VX6_NAME_WORK_BITS ? VX6_OK : VX6_ERR(REFUSED);
}

vx6_err vx6_name_claim_read(const struct vx6_record *rec, const struct vx6_net *net,
			    struct vx6_name_claim *out)
{
	const struct vx6_record_view *v = &rec->view;
	vx6_err err;

	memset(out, 0, sizeof *out);
	if (v->type != VX6_RTYPE_NAME)
		return VX6_ERR(MISMATCH);
	if (!rec->has_cert)
		return VX6_ERR(FORMAT);
	out->node = rec->subject;
	out->seq = v->seq;
	out->issued_s = v->issued_s;
	out->lifetime_s = v->lifetime_s;
	out->withdrawn = v->flags & VX6_RECORD_WITHDRAWN;
	err = read_body(v, out);
	if (vx6_is_ok(err))
		err = check(net, out);
	if (!vx6_is_ok(err))
		memset(out, 0, sizeof *out);
	return err;
}
