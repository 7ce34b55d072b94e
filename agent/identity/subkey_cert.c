#include "identity/subkey_cert.h"

#include <string.h>

#include "crypto/hash.h"
#include "crypto/secret.h"
#include "wire/rd.h"
#include "wire/wr.h"

enum {
	CERT_VERSION = 1,
	CERT_SIGNED_BYTES = 72,
};
#define CERT_LABEL "VX6 subkey v1"
#define PARENT_PERSONAL "VX6-parent-fp"

static void parent_fp(const struct vx6_sign_pk *master, uint8_t out[static 16])
{
	struct vx6_hash h;

	vx6_hash_personal(PARENT_PERSONAL, master->b, sizeof master->b, &h);
	memcpy(out, h.b, 16);
}

/* The part that is signed. */
static void put_signed(struct vx6_wr *w, const struct vx6_subkey_cert *c)
{
	vx6_wr_u8(w, CERT_VERSION);
	vx6_wr_u8(w, c->kind);
	vx6_wr_u16(w, c->purposes);
	vx6_wr_u64(w, c->not_before_s);
	vx6_wr_u64(w, c->not_after_s);
	vx6_wr_u32(w, c->cert_seq);
	vx6_wr_bytes(w, c->subject.b, sizeof c->subject.b);
	vx6_wr_bytes(w, c->parent_fp, sizeof c->parent_fp);
}

vx6_err vx6_subkey_cert_sign(struct vx6_subkey_cert *cert, const struct vx6_sign_keypair *master,
			     const struct vx6_net *net, uint8_t out[static VX6_SUBKEY_CERT_BYTES])
{
	struct vx6_wr w;
	size_t n;

	parent_fp(&master->pk, cert->parent_fp);
	vx6_wr_init(&w, out, VX6_SUBKEY_CERT_BYTES);
	put_signed(&w, cert);
	VX6_TRY(vx6_sign(master, CERT_LABEL, net, out, w.len, &cert->sig));
	vx6_wr_bytes(&w, cert->sig.b, sizeof cert->sig.b);
	return vx6_wr_done(&w, &n);
}

vx6_err vx6_subkey_cert_decode(const uint8_t *in, size_t n, struct vx6_subkey_cert *out)
{
	struct vx6_rd r;
	uint8_t version;
	vx6_err err;

	memset(out, 0, sizeof *out);
	vx6_rd_init(&r, in, n);
	version = vx6_rd_u8(&r);
	out->kind = vx6_rd_u8(&r);
	out->purposes = vx6_rd_u16(&r);
	out->not_before_s = vx6_rd_u64(&r);
	out->not_after_s = vx6_rd_u64(&r);
	out->cert_seq = vx6_rd_u32(&r);
	vx6_rd_copy(&r, out->subject.b, sizeof out->subject.b);
	vx6_rd_copy(&r, out->parent_fp, sizeof out->parent_fp);
	vx6_rd_copy(&r, out->sig.b, sizeof out->sig.b);
	err = vx6_rd_done(&r);
	if (!vx6_is_ok(err))
		goto out;
	if (version != CERT_VERSION || out->kind < VX6_SUBKEY_SIGN || out->kind > VX6_SUBKEY_INTRO)
		err = VX6_ERR(UNSUPPORTED);
	else if (out->not_after_s <= out->not_before_s || out->not_before_s > INT64_MAX ||
		 out->not_after_s > INT64_MAX)
		err = VX6_ERR(RANGE);
	else if (!vx6_sign_pk_is_valid(&out->subject))
		err = VX6_ERR(KEY);
out:
	if (!vx6_is_ok(err))
		memset(out, 0, sizeof *out);
	return err;
}

vx6_err vx6_subkey_cert_verify_sig(const struct vx6_subkey_cert *cert,
				   const struct vx6_node_id *master, const struct vx6_net *net)
{
	uint8_t fp[16], bytes[CERT_SIGNED_BYTES];
	struct vx6_sign_pk pk;
	struct vx6_wr w;

	vx6_node_id_to_pk(master, &pk);
	if (!vx6_sign_pk_is_valid(&pk))
		return VX6_ERR(KEY);
	parent_fp(&pk, fp);
	if (!vx6_ct_eq(fp, cert->parent_fp, sizeof fp))
		return VX6_ERR(MISMATCH);
	/* 72 fixed bytes have one encoding only, so these are the bytes that came */
	vx6_wr_init(&w, bytes, sizeof bytes);
	put_signed(&w, cert);
	return vx6_verify(&pk, CERT_LABEL, net, bytes, w.len, &cert->sig);
}

vx6_err vx6_subkey_cert_verify(const struct vx6_subkey_cert *cert, const struct vx6_node_id *master,
			       const struct vx6_subkey_check *check)
{
	VX6_TRY(vx6_subkey_cert_verify_sig(cert, master, check->net));
	if (check->revoked)
		return VX6_ERR(REVOKED);
	if (cert->cert_seq < check->min_cert_seq)
		return VX6_ERR(STALE);
	if (check->now_s >= cert->not_after_s)
		return VX6_ERR(EXPIRED);
	if (cert->not_before_s > VX6_CLOCK_SKEW_S &&
	    check->now_s < cert->not_before_s - VX6_CLOCK_SKEW_S)
		return VX6_ERR(FUTURE);
	if ((cert->purposes & check->purpose) != check->purpose)
		return VX6_ERR(REFUSED);
	return VX6_OK;
}
