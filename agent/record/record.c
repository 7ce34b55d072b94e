#include "record/record.h"

#include <string.h>

#include "base/util.h"

/* ---- reading ---- */

/* The certificate, if there is one. Types this reader does not know are left to the reader of the record's own type. */
static vx6_err find_cert(struct vx6_record *rec)
{
	struct vx6_tlv_rd t;
	struct vx6_rd value;
	uint8_t type;

	vx6_tlv_rd_init(&t, rec->view.body, rec->view.body_len);
	while (vx6_tlv_rd_next(&t, &type, &value)) {
		if (type != VX6_RTLV_SUBKEY_CERT)
			continue;
		rec->has_cert = true;
		VX6_TRY(vx6_subkey_cert_decode(value.p, value.left, &rec->cert));
	}
	return vx6_tlv_rd_done(&t);
}

vx6_err vx6_record_parse(const uint8_t *in, size_t n, struct vx6_record *out)
{
	vx6_err err;

	memset(out, 0, sizeof *out);
	VX6_TRY(vx6_record_decode(in, n, &out->view));
	memcpy(out->subject.b, out->view.subject, sizeof out->subject.b);
	err = find_cert(out);
	if (!vx6_is_ok(err)) {
		memset(out, 0, sizeof *out);
		return err;
	}
	vx6_hash_personal("VX6-record", in, n, &out->hash);
	return VX6_OK;
}

static vx6_err find_cert_seq(struct vx6_record *rec)
{
	enum { CERT_SEQ_AT = 20 };
	struct vx6_tlv_rd t;
	struct vx6_rd value;
	uint8_t type;

	vx6_tlv_rd_init(&t, rec->view.body, rec->view.body_len);
	while (vx6_tlv_rd_next(&t, &type, &value)) {
		if (type != VX6_RTLV_SUBKEY_CERT)
			continue;
		rec->has_cert = true;
		vx6_rd_skip(&value, CERT_SEQ_AT);
		rec->cert.cert_seq = vx6_rd_u32(&value);
		VX6_TRY(value.err);
	}
	return vx6_tlv_rd_done(&t);
}

vx6_err vx6_record_reparse(const uint8_t *in, size_t n, struct vx6_record *out)
{
	vx6_err err;

	memset(out, 0, sizeof *out);
	VX6_TRY(vx6_record_decode(in, n, &out->view));
	memcpy(out->subject.b, out->view.subject, sizeof out->subject.b);
	err = find_cert_seq(out);
	if (!vx6_is_ok(err))
		memset(out, 0, sizeof *out);
	return err;
}

uint64_t vx6_record_expires_s(const struct vx6_record_view *view)
{
	if (view->lifetime_s == VX6_RECORD_FOREVER ||
	    view->issued_s > UINT64_MAX - view->lifetime_s)
		return UINT64_MAX;
	return view->issued_s + view->lifetime_s;
}

/* ---- verifying ---- */

static vx6_err check_times(const struct vx6_record_view *v, uint64_t now_s)
{
	if (v->lifetime_s > vx6_rtype_max_lifetime_s(v->type))
		return VX6_ERR(RANGE);
	if (v->issued_s > now_s && v->issued_s - now_s > VX6_CLOCK_SKEW_S)
		return VX6_ERR(FUTURE);
	if (now_s >= vx6_record_expires_s(v))
		return VX6_ERR(EXPIRED);
	return VX6_OK;
}

static vx6_err check_cert(const struct vx6_record *rec, const struct vx6_record_check *check)
{
	struct vx6_subkey_check c = {
		.net = check->net,
		.now_s = check->now_s,
		.purpose = VX6_PURPOSE_RECORD,
		.min_cert_seq = check->min_cert_seq,
		.revoked = check->revoked,
	};

	if (rec->cert.kind != VX6_SUBKEY_SIGN)
		return VX6_ERR(REFUSED);
	return vx6_subkey_cert_verify(&rec->cert, &rec->subject, &c);
}

vx6_err vx6_record_verify(const struct vx6_record *rec, const struct vx6_record_check *check)
{
	const struct vx6_record_view *v = &rec->view;
	struct vx6_sign_pk signer;
	struct vx6_sig sig;

	VX6_TRY(check_times(v, check->now_s)); /* the cheap checks first */
	vx6_node_id_to_pk(&rec->subject, &signer);
	if (!vx6_sign_pk_is_valid(&signer))
		return VX6_ERR(KEY);
	if (v->type == VX6_RTYPE_REVOCATION && rec->has_cert)
		return VX6_ERR(MISMATCH); /* the master key alone may revoke */
	if (v->type != VX6_RTYPE_REVOCATION && check->revoked)
		return VX6_ERR(REVOKED);
	if (rec->has_cert) {
		VX6_TRY(check_cert(rec, check));
		signer = rec->cert.subject;
	}
	memcpy(sig.b, v->sig, sizeof sig.b);
	return vx6_verify(&signer, VX6_RECORD_LABEL, check->net, v->bytes, v->n - VX6_RECORD_SIG,
			  &sig);
}

/* ---- building ---- */

void vx6_record_build_begin(struct vx6_record_builder *b, const struct vx6_record_view *h,
			    const struct vx6_identity *id, uint8_t *out, size_t cap)
{
	struct vx6_record_view header = *h;

	memcpy(header.subject, id->id.b, sizeof header.subject);
	vx6_wr_init(&b->w, out, VX6_MIN(cap, vx6_rtype_max_bytes(h->type)));
	vx6_record_encode_begin(&b->w, &header);
	vx6_tlv_wr_init(&b->tlv, &b->w);
}

vx6_err vx6_record_build_finish(struct vx6_record_builder *b, const struct vx6_identity *id,
				size_t *n)
{
	struct vx6_sig sig;

	*n = 0;
	vx6_tlv_wr_put(&b->tlv, VX6_RTLV_SUBKEY_CERT, id->subkey.cert_bytes,
		       sizeof id->subkey.cert_bytes);
	vx6_record_encode_end(&b->w);
	VX6_TRY(b->w.err);
	VX6_TRY(vx6_sign(&id->subkey.key, VX6_RECORD_LABEL, &id->net, b->w.p, b->w.len, &sig));
	vx6_wr_bytes(&b->w, sig.b, sizeof sig.b);
	return vx6_wr_done(&b->w, n);
}
