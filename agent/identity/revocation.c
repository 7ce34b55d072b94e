#include "identity/revocation.h"

#include <string.h>

#include "crypto/secret.h"
#include "wire/rd.h"
#include "wire/wr.h"

#define RECORD_LABEL "VX6 record v1"
#define SUCCESSOR_LABEL "VX6 successor v1"

/* What the successor signs: both ids, so that it agrees to this succession and no other. */
static void successor_bytes(const struct vx6_node_id *from, const struct vx6_node_id *to,
			    uint8_t out[static 64])
{
	memcpy(out, from->b, 32);
	memcpy(out + 32, to->b, 32);
}

static vx6_err put_successor(struct vx6_tlv_wr *t, const struct vx6_node_id *node,
			     const struct vx6_sign_keypair *successor, const struct vx6_net *net)
{
	struct vx6_node_id id;
	struct vx6_sig sig;
	uint8_t bytes[64];

	vx6_node_id_from_pk(&successor->pk, &id);
	successor_bytes(node, &id, bytes);
	VX6_TRY(vx6_sign(successor, SUCCESSOR_LABEL, net, bytes, sizeof bytes, &sig));
	vx6_tlv_wr_begin(t, VX6_RTLV_SUCCESSOR);
	vx6_wr_bytes(t->w, id.b, sizeof id.b);
	vx6_wr_bytes(t->w, sig.b, sizeof sig.b);
	vx6_tlv_wr_end(t);
	return VX6_OK;
}

vx6_err vx6_revocation_build(const struct vx6_revocation *r, const struct vx6_sign_keypair *master,
			     const struct vx6_sign_keypair *successor, const struct vx6_net *net,
			     uint8_t out[static VX6_REVOCATION_MAX], size_t *n)
{
	bool terminal = r->reason == VX6_REVOKE_MASTER;
	struct vx6_record_view h = {
		.type = VX6_RTYPE_REVOCATION,
		.seq = terminal ? UINT64_MAX : r->seq,
		.issued_s = r->issued_s,
		.lifetime_s = VX6_RECORD_FOREVER,
	};
	struct vx6_node_id node;
	struct vx6_tlv_wr t;
	struct vx6_sig sig;
	struct vx6_wr w;

	*n = 0;
	memcpy(h.subject, master->pk.b, sizeof h.subject);
	vx6_node_id_from_pk(&master->pk, &node);
	vx6_wr_init(&w, out, VX6_REVOCATION_MAX);
	vx6_record_encode_begin(&w, &h);
	vx6_tlv_wr_init(&t, &w);
	if (successor)
		VX6_TRY(put_successor(&t, &node, successor, net));
	vx6_tlv_wr_begin(&t, VX6_RTLV_REASON);
	vx6_wr_u8(&w, r->reason);
	vx6_wr_u32(&w, terminal ? UINT32_MAX : r->min_cert_seq);
	vx6_tlv_wr_end(&t);
	vx6_record_encode_end(&w);
	VX6_TRY(w.err);
	VX6_TRY(vx6_sign(master, RECORD_LABEL, net, out, w.len, &sig));
	vx6_wr_bytes(&w, sig.b, sizeof sig.b);
	return vx6_wr_done(&w, n);
}

static vx6_err read_body(const struct vx6_record_view *view, struct vx6_revocation *out)
{
	struct vx6_tlv_rd t;
	struct vx6_rd value;
	bool has_reason = false;
	uint8_t type;

	vx6_tlv_rd_init(&t, view->body, view->body_len);
	while (vx6_tlv_rd_next(&t, &type, &value)) {
		if (type == VX6_RTLV_SUCCESSOR) {
			out->has_successor = true;
			vx6_rd_copy(&value, out->successor.b, sizeof out->successor.b);
			vx6_rd_copy(&value, out->successor_sig.b, sizeof out->successor_sig.b);
			vx6_tlv_rd_end(&t, &value);
		} else if (type == VX6_RTLV_REASON) {
			has_reason = true;
			out->reason = vx6_rd_u8(&value);
			out->min_cert_seq = vx6_rd_u32(&value);
			vx6_tlv_rd_end(&t, &value);
		} else {
			vx6_tlv_rd_unknown(&t, type);
		}
	}
	VX6_TRY(vx6_tlv_rd_done(&t));
	if (!has_reason)
		return VX6_ERR(FORMAT);
	if (out->reason < VX6_REVOKE_SUPERSEDED || out->reason > VX6_REVOKE_RETIRED)
		return VX6_ERR(UNSUPPORTED);
	return VX6_OK;
}

static vx6_err verify(const struct vx6_record_view *view, const struct vx6_net *net,
		      const struct vx6_revocation *r)
{
	struct vx6_sign_pk pk;
	struct vx6_sig sig;
	uint8_t bytes[64];

	vx6_node_id_to_pk(&r->node, &pk);
	if (!vx6_sign_pk_is_valid(&pk))
		return VX6_ERR(KEY);
	memcpy(sig.b, view->sig, sizeof sig.b);
	VX6_TRY(vx6_verify(&pk, RECORD_LABEL, net, view->bytes, view->n - VX6_RECORD_SIG, &sig));
	if (!r->has_successor)
		return VX6_OK;
	vx6_node_id_to_pk(&r->successor, &pk);
	if (!vx6_sign_pk_is_valid(&pk))
		return VX6_ERR(KEY);
	successor_bytes(&r->node, &r->successor, bytes);
	return vx6_verify(&pk, SUCCESSOR_LABEL, net, bytes, sizeof bytes, &r->successor_sig);
}

vx6_err vx6_revocation_read(const struct vx6_record_view *view, const struct vx6_net *net,
			    struct vx6_revocation *out)
{
	vx6_err err;

	memset(out, 0, sizeof *out);
	if (view->type != VX6_RTYPE_REVOCATION)
		return VX6_ERR(MISMATCH);
	memcpy(out->node.b, view->subject, sizeof out->node.b);
	out->seq = view->seq;
	out->issued_s = view->issued_s;
	err = read_body(view, out);
	if (vx6_is_ok(err))
		err = verify(view, net, out);
	if (!vx6_is_ok(err))
		memset(out, 0, sizeof *out);
	return err;
}
