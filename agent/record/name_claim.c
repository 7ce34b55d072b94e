#include "record/name_claim.h"

#include <string.h>

#include "wire/rd.h"
#include "wire/wr.h"

enum { WORK_MESSAGE_MAX = VX6_NET_BYTES + VX6_LABEL_MAX + VX6_NODE_ID_BYTES + 8 };

/* What tells the two types apart. */
struct kind {
	uint8_t type;
	bool is_node;         /* it is signed under a certificate, and says since when */
	const char *personal; /* of the work */
};

static const struct kind name_kind = {VX6_RTYPE_NAME, true, "VX6-name-work"};
static const struct kind alias_kind = {VX6_RTYPE_ALIAS, false, "VX6-alias-work"};

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

static unsigned work_of(const struct kind *k, uint8_t *message, size_t n, uint64_t nonce)
{
	struct vx6_hash h;
	struct vx6_wr w;

	vx6_wr_init(&w, message + n, 8);
	vx6_wr_u64(&w, nonce);
	vx6_hash_personal(k->personal, message, n + 8, &h);
	return leading_zero_bits(&h);
}

static unsigned work(const struct kind *k, const struct vx6_net *net, const char *name,
		     const struct vx6_node_id *node, uint64_t nonce)
{
	uint8_t message[WORK_MESSAGE_MAX];
	size_t n = work_message(net, name, node, message);

	return work_of(k, message, n, nonce);
}

static bool solve(const struct kind *k, const struct vx6_net *net, const char *name,
		  const struct vx6_node_id *node, unsigned bits, uint64_t first, uint64_t tries,
		  uint64_t *nonce)
{
	uint8_t message[WORK_MESSAGE_MAX];
	size_t n = work_message(net, name, node, message);

	for (uint64_t i = 0; i < tries; i++) {
		if (work_of(k, message, n, first + i) >= bits) {
			*nonce = first + i;
			return true;
		}
	}
	return false;
}

/* ---- record ---- */

static vx6_err check_input(const struct kind *k, const struct vx6_net *net,
			   const struct vx6_name_claim *c, const struct vx6_node_id *subject)
{
	if (!vx6_label_is_valid(c->name, strnlen(c->name, sizeof c->name)))
		return VX6_ERR(INVALID);
	return work(k, net, c->name, subject, c->nonce) < VX6_NAME_WORK_BITS ? VX6_ERR(REFUSED)
									     : VX6_OK;
}

static struct vx6_record_view header_of(const struct kind *k, const struct vx6_name_claim *c)
{
	return (struct vx6_record_view){
		.type = k->type,
		.flags = c->withdrawn ? VX6_RECORD_WITHDRAWN : 0,
		.seq = c->seq,
		.issued_s = c->issued_s,
		.lifetime_s = c->lifetime_s,
	};
}

static void put_name_and_work(struct vx6_tlv_wr *tlv, const struct vx6_name_claim *c)
{
	vx6_tlv_wr_put(tlv, VX6_RTLV_NAME, c->name, strnlen(c->name, sizeof c->name));
	vx6_tlv_wr_begin(tlv, VX6_RTLV_WORK);
	vx6_wr_u64(tlv->w, c->nonce);
	vx6_tlv_wr_end(tlv);
}

struct parts {
	bool name, work, since;
};

static vx6_err read_body(const struct kind *k, const struct vx6_record_view *v,
			 struct vx6_name_claim *out)
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
	return have.name && have.work && have.since == k->is_node ? VX6_OK : VX6_ERR(FORMAT);
}

static vx6_err check(const struct kind *k, const struct vx6_net *net, struct vx6_name_claim *c)
{
	if (c->claimed_at_s > c->issued_s)
		return VX6_ERR(RANGE);
	c->work_bits = work(k, net, c->name, &c->node, c->nonce);
	return c->work_bits >= VX6_NAME_WORK_BITS ? VX6_OK : VX6_ERR(REFUSED);
}

static vx6_err read_claim(const struct kind *k, const struct vx6_record *rec,
			  const struct vx6_net *net, struct vx6_name_claim *out)
{
	const struct vx6_record_view *v = &rec->view;
	vx6_err err;

	memset(out, 0, sizeof *out);
	if (v->type != k->type)
		return VX6_ERR(MISMATCH);
	if (rec->has_cert != k->is_node)
		return VX6_ERR(FORMAT);
	out->node = rec->subject;
	out->seq = v->seq;
	out->issued_s = v->issued_s;
	out->lifetime_s = v->lifetime_s;
	out->withdrawn = v->flags & VX6_RECORD_WITHDRAWN;
	err = read_body(k, v, out);
	if (vx6_is_ok(err))
		err = check(k, net, out);
	if (!vx6_is_ok(err))
		memset(out, 0, sizeof *out);
	return err;
}

/* ---- of nodes ---- */

unsigned vx6_name_work(const struct vx6_net *net, const char *name, const struct vx6_node_id *node,
		       uint64_t nonce)
{
	return work(&name_kind, net, name, node, nonce);
}

bool vx6_name_work_solve(const struct vx6_net *net, const char *name,
			 const struct vx6_node_id *node, unsigned bits, uint64_t first,
			 uint64_t tries, uint64_t *nonce)
{
	return solve(&name_kind, net, name, node, bits, first, tries, nonce);
}

vx6_err vx6_name_claim_build(const struct vx6_name_claim *c, const struct vx6_identity *id,
			     uint8_t out[static VX6_NAME_CLAIM_MAX], size_t *n)
{
	struct vx6_record_view h = header_of(&name_kind, c);
	struct vx6_record_builder b;

	*n = 0;
	VX6_TRY(check_input(&name_kind, &id->net, c, &id->id));
	if (c->claimed_at_s > c->issued_s)
		return VX6_ERR(INVALID);
	vx6_record_build_begin(&b, &h, id, out, VX6_NAME_CLAIM_MAX);
	put_name_and_work(&b.tlv, c);
	vx6_tlv_wr_begin(&b.tlv, VX6_RTLV_SINCE);
	vx6_wr_u64(&b.w, c->claimed_at_s);
	vx6_tlv_wr_end(&b.tlv);
	return vx6_record_build_finish(&b, id, n);
}

vx6_err vx6_name_claim_read(const struct vx6_record *rec, const struct vx6_net *net,
			    struct vx6_name_claim *out)
{
	return read_claim(&name_kind, rec, net, out);
}

/* ---- of hidden services ---- */

unsigned vx6_alias_work(const struct vx6_net *net, const char *alias,
			const struct vx6_node_id *service, uint64_t nonce)
{
	return work(&alias_kind, net, alias, service, nonce);
}

bool vx6_alias_work_solve(const struct vx6_net *net, const char *alias,
			  const struct vx6_node_id *service, unsigned bits, uint64_t first,
			  uint64_t tries, uint64_t *nonce)
{
	return solve(&alias_kind, net, alias, service, bits, first, tries, nonce);
}

vx6_err vx6_alias_claim_build(const struct vx6_name_claim *c,
			      const struct vx6_sign_keypair *service, const struct vx6_net *net,
			      uint8_t out[static VX6_ALIAS_CLAIM_MAX], size_t *n)
{
	struct vx6_record_view h = header_of(&alias_kind, c);
	struct vx6_node_id subject;
	struct vx6_tlv_wr tlv;
	struct vx6_sig sig;
	struct vx6_wr w;

	*n = 0;
	vx6_node_id_from_pk(&service->pk, &subject);
	VX6_TRY(check_input(&alias_kind, net, c, &subject));
	memcpy(h.subject, subject.b, sizeof h.subject);
	vx6_wr_init(&w, out, VX6_ALIAS_CLAIM_MAX);
	vx6_record_encode_begin(&w, &h);
	vx6_tlv_wr_init(&tlv, &w);
	put_name_and_work(&tlv, c);
	vx6_record_encode_end(&w);
	VX6_TRY(w.err);
	VX6_TRY(vx6_sign(service, VX6_RECORD_LABEL, net, w.p, w.len, &sig));
	vx6_wr_bytes(&w, sig.b, sizeof sig.b);
	return vx6_wr_done(&w, n);
}

vx6_err vx6_alias_claim_read(const struct vx6_record *rec, const struct vx6_net *net,
			     struct vx6_name_claim *out)
{
	return read_claim(&alias_kind, rec, net, out);
}
