/*
 * Order of the checks: what is free first (framing, subject), then what the store knows of the subject (revocation, certificate
 * number), then signatures, and only then is a mark moved. So a record that does not verify cannot change anything.
 */
#include "record/admit.h"

#include <string.h>

#include "crypto/secret.h"
#include "identity/revocation.h"
#include "record/catalog.h"
#include "record/endpoint.h"
#include "record/hs_desc.h"
#include "record/name_claim.h"
#include "record/relay_info.h"
#include "record/service.h"

static struct vx6_hwm_key key_of(uint64_t type, const struct vx6_node_id *subject, uint64_t slot)
{
	struct vx6_hwm_key key = {.slot = slot, .type = type};

	memcpy(key.subject, subject->b, sizeof key.subject);
	return key;
}

uint64_t vx6_hwm_tag(const struct vx6_hwm_key *key)
{
	uint8_t buf[1 + 8 + VX6_NODE_ID_BYTES];
	struct vx6_hash h;
	struct vx6_wr w;
	struct vx6_rd r;

	vx6_wr_init(&w, buf, sizeof buf);
	vx6_wr_u8(&w, (uint8_t)key->type);
	vx6_wr_u64(&w, key->slot);
	vx6_wr_bytes(&w, key->subject, sizeof key->subject);
	vx6_hash_personal("VX6-have", buf, sizeof buf, &h);
	vx6_rd_init(&r, h.b, sizeof h.b);
	return vx6_rd_u64(&r);
}

static vx6_err store_get(const struct vx6_hwm_store *s, const struct vx6_hwm_key *key,
			 struct vx6_hwm *out)
{
	memset(out, 0, sizeof *out);
	return s->get(s->user, key, out);
}

/* ---- what is known of a subject's keys ---- */

struct standing {
	uint32_t min_cert_seq;
	bool revoked;
};

static vx6_err apply_revocation(const struct vx6_admit *ctx, const struct vx6_node_id *subject,
				struct standing *out)
{
	struct vx6_hwm_key key = key_of(VX6_RTYPE_REVOCATION, subject, 0);
	struct vx6_record_view view;
	struct vx6_revocation r;
	struct vx6_hwm mark;
	vx6_err err = store_get(ctx->store, &key, &mark);

	if (err.code == VX6_E_NOT_FOUND)
		return VX6_OK;
	VX6_TRY(err);
	/* a store that lost or damaged the bytes still knows that there was one: the safe reading is the terminal one */
	out->revoked = true;
	if (!mark.record || !vx6_is_ok(vx6_record_decode(mark.record, mark.n, &view)) ||
	    !vx6_is_ok(vx6_revocation_read(&view, ctx->net, &r)))
		return VX6_OK;
	out->revoked = r.reason != VX6_REVOKE_SUBKEY;
	if (r.min_cert_seq > out->min_cert_seq)
		out->min_cert_seq = r.min_cert_seq;
	return VX6_OK;
}

static vx6_err standing_of(const struct vx6_admit *ctx, const struct vx6_node_id *subject,
			   struct standing *out)
{
	struct vx6_hwm_key key = key_of(VX6_HWM_CERT, subject, 0);
	struct vx6_hwm mark;
	vx6_err err = store_get(ctx->store, &key, &mark);

	*out = (struct standing){0};
	if (vx6_is_ok(err))
		out->min_cert_seq = (uint32_t)mark.seq;
	else if (err.code != VX6_E_NOT_FOUND)
		return err;
	return apply_revocation(ctx, subject, out);
}

/* Remembers the highest cert_seq; the hash is that of the subkey. */
static vx6_err raise_cert_seq(const struct vx6_admit *ctx, const struct vx6_node_id *subject,
			      const struct vx6_subkey_cert *cert)
{
	struct vx6_hwm_key key = key_of(VX6_HWM_CERT, subject, 0);
	struct vx6_hwm mark = {.seq = cert->cert_seq, .expires_s = cert->not_after_s}, known;
	vx6_err err = store_get(ctx->store, &key, &known);

	if (vx6_is_ok(err) && known.seq >= cert->cert_seq)
		return VX6_OK;
	if (!vx6_is_ok(err) && err.code != VX6_E_NOT_FOUND)
		return err;
	memcpy(mark.hash.b, cert->subject.b, sizeof mark.hash.b);
	return ctx->store->put(ctx->store->user, &key, &mark);
}

static vx6_err put_nothing(void *user, const struct vx6_hwm_key *key, const struct vx6_hwm *mark)
{
	(void)user;
	(void)key;
	(void)mark;
	return VX6_OK;
}

struct vx6_hwm_store vx6_hwm_reading(const struct vx6_hwm_store *store)
{
	return (struct vx6_hwm_store){.get = store->get, .put = put_nothing, .user = store->user};
}

/* ---- one record ---- */

/* The contents must make sense too, or a signer could fill the store with what nobody can read. Also finds the slot. */
static vx6_err read_contents(const struct vx6_admit *ctx, const struct vx6_record *rec,
			     uint64_t *slot)
{
	union {
		struct vx6_endpoint endpoint;
		struct vx6_service_record service;
		struct vx6_revocation revocation;
		struct vx6_name_claim claim;
		struct vx6_relay_info relay;
		uint64_t period;
	} u;

	*slot = 0;
	switch (rec->view.type) {
	case VX6_RTYPE_ENDPOINT:
		return vx6_endpoint_read(rec, &u.endpoint);
	case VX6_RTYPE_SERVICE:
		VX6_TRY(vx6_service_read(rec, &u.service));
		*slot = vx6_service_slot(u.service.name);
		return VX6_OK;
	case VX6_RTYPE_REVOCATION:
		return vx6_revocation_read(&rec->view, ctx->net, &u.revocation);
	case VX6_RTYPE_NAME:
		return vx6_name_claim_read(rec, ctx->net, &u.claim);
	case VX6_RTYPE_CATALOG:
		return vx6_catalog_check(rec, &u.period);
	case VX6_RTYPE_DESCRIPTOR:
		return vx6_hs_desc_check(rec, &u.period);
	case VX6_RTYPE_RELAY:
		return vx6_relay_info_read(rec, &u.relay);
	default:
		return VX6_ERR(UNSUPPORTED);
	}
}

static vx6_err check(const struct vx6_admit *ctx, const uint8_t *in, size_t n,
		     struct vx6_admission *out)
{
	struct vx6_record_check rc = {.net = ctx->net, .now_s = ctx->now_s};
	struct standing standing;
	uint64_t slot;

	VX6_TRY(vx6_record_parse(in, n, &out->record));
	if (ctx->expect && !vx6_node_id_eq(ctx->expect, &out->record.subject))
		return VX6_ERR(MISMATCH);
	VX6_TRY(standing_of(ctx, &out->record.subject, &standing));
	rc.min_cert_seq = standing.min_cert_seq;
	rc.revoked = standing.revoked;
	VX6_TRY(vx6_record_verify(&out->record, &rc));
	VX6_TRY(read_contents(ctx, &out->record, &slot));
	out->key = key_of(out->record.view.type, &out->record.subject, slot);
	return VX6_OK;
}

static vx6_err put_new(const struct vx6_admit *ctx, struct vx6_admission *a)
{
	const struct vx6_record *rec = &a->record;
	struct vx6_hwm mark = {
		.seq = rec->view.seq,
		.hash = rec->hash,
		.expires_s = vx6_record_expires_s(&rec->view),
		.record = rec->view.bytes,
		.n = rec->view.n,
	};

	a->result = VX6_ADMIT_NEW;
	VX6_TRY(ctx->store->put(ctx->store->user, &a->key, &mark));
	/* behind the record: a store that keeps it may know the number from there */
	return rec->has_cert ? raise_cert_seq(ctx, &rec->subject, &rec->cert) : VX6_OK;
}

static vx6_err weigh(const struct vx6_admit *ctx, struct vx6_admission *a)
{
	const struct vx6_hwm_store *s = ctx->store;
	const struct vx6_record *rec = &a->record;
	struct vx6_hwm mark;
	vx6_err err = store_get(s, &a->key, &mark);

	if (err.code == VX6_E_NOT_FOUND)
		return put_new(ctx, a);
	VX6_TRY(err);
	if (rec->view.seq > mark.seq)
		return put_new(ctx, a);
	if (rec->view.seq < mark.seq) {
		a->result = VX6_ADMIT_STALE;
		a->newer = mark.record;
		a->newer_n = mark.n;
		return VX6_OK;
	}
	if (vx6_ct_eq(mark.hash.b, rec->hash.b, sizeof mark.hash.b)) {
		a->result = VX6_ADMIT_REFRESH;
		return VX6_OK;
	}
	a->result = VX6_ADMIT_EQUIVOCATION;
	a->known = mark.hash;
	if (s->equivocation)
		s->equivocation(s->user, &a->key, mark.seq, &mark.hash, &rec->hash);
	return VX6_OK;
}

vx6_err vx6_record_admit(const struct vx6_admit *ctx, const uint8_t *in, size_t n,
			 struct vx6_admission *out)
{
	vx6_err err;

	memset(out, 0, sizeof *out);
	err = check(ctx, in, n, out);
	if (vx6_is_ok(err))
		err = weigh(ctx, out);
	if (!vx6_is_ok(err))
		memset(out, 0, sizeof *out);
	return err;
}

vx6_err vx6_cert_admit(const struct vx6_admit *ctx, const struct vx6_node_id *node,
		       const uint8_t *cert, size_t n, uint16_t purpose, struct vx6_subkey_cert *out)
{
	struct vx6_subkey_check c = {.net = ctx->net, .now_s = ctx->now_s, .purpose = purpose};
	struct standing standing;
	vx6_err err;

	VX6_TRY(vx6_subkey_cert_decode(cert, n, out));
	err = ctx->expect && !vx6_node_id_eq(ctx->expect, node) ? VX6_ERR(MISMATCH)
								: standing_of(ctx, node, &standing);
	if (vx6_is_ok(err)) {
		c.min_cert_seq = standing.min_cert_seq;
		c.revoked = standing.revoked;
		err = out->kind == VX6_SUBKEY_SIGN ? vx6_subkey_cert_verify(out, node, &c)
						   : VX6_ERR(REFUSED);
	}
	if (vx6_is_ok(err))
		err = raise_cert_seq(ctx, node, out);
	if (!vx6_is_ok(err))
		memset(out, 0, sizeof *out);
	return err;
}
