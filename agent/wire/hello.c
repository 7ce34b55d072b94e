#include "wire/hello.h"

#include <string.h>

#include "base/util.h"
#include "wire/ctl.h"
#include "wire/record.h"
#include "wire/tlv.h"

enum hello_tlv {
	HELLO_ENDPOINT = 0x01,
	HELLO_REVOCATION = 0x02,
	HELLO_MIN_VERSION = 0x03,
	HELLO_SUBKEY_CERT = 0x81,
	HELLO_NODE_ID = 0x82,
	HELLO_PROOF = 0x83,
};

enum { NODE_ID_BYTES = 32 };

static void put_if(struct vx6_tlv_wr *t, uint8_t type, const uint8_t *p, size_t n)
{
	if (p)
		vx6_tlv_wr_put(t, type, p, n);
}

void vx6_hello_encode(struct vx6_wr *w, const struct vx6_hello *h)
{
	size_t mark = vx6_ctl_begin(w, VX6_CTL_HELLO, VX6_CTL_CRITICAL);
	bool told = h->observed.family == VX6_ADDR_IP;
	static const uint8_t nowhere[16];
	struct vx6_tlv_wr t;

	VX6_ASSERT((h->role == VX6_ROLE_ANON) == !h->node_id && !h->node_id == !h->subkey_cert &&
		   (h->node_id || !h->proof));
	vx6_wr_u16(w, h->version);
	vx6_wr_u64(w, h->features);
	vx6_wr_u8(w, h->role);
	vx6_wr_u16(w, h->max_cell);
	vx6_wr_u64(w, h->clock_ms);
	vx6_wr_bytes(w, told ? h->observed.ip : nowhere, sizeof nowhere);
	vx6_wr_u16(w, told ? h->observed.port : 0);
	vx6_tlv_wr_init(&t, w);
	put_if(&t, HELLO_ENDPOINT, h->endpoint, h->endpoint_n);
	put_if(&t, HELLO_REVOCATION, h->revocation, h->revocation_n);
	if (h->min_version > 1) {
		vx6_tlv_wr_begin(&t, HELLO_MIN_VERSION);
		vx6_wr_u16(w, h->min_version);
		vx6_tlv_wr_end(&t);
	}
	put_if(&t, HELLO_SUBKEY_CERT, h->subkey_cert, VX6_SUBKEY_CERT_BYTES);
	put_if(&t, HELLO_NODE_ID, h->node_id, NODE_ID_BYTES);
	put_if(&t, HELLO_PROOF, h->proof, VX6_HELLO_PROOF_BYTES);
	if (vx6_is_ok(w->err) && w->len - mark > VX6_HELLO_MAX)
		vx6_wr_fail(w, VX6_ERR(LIMIT));
	vx6_ctl_end(w, mark);
}

static void read_observed(struct vx6_rd *r, struct vx6_addr *out)
{
	bool zero = true;

	vx6_rd_copy(r, out->ip, sizeof out->ip);
	out->port = vx6_rd_u16(r);
	for (size_t i = 0; i < sizeof out->ip; i++)
		zero = zero && out->ip[i] == 0;
	out->family = zero ? VX6_ADDR_NONE : VX6_ADDR_IP;
	if (zero)
		out->port = 0;
}

static void read_record(struct vx6_rd *value, size_t max, const uint8_t **p, size_t *n)
{
	*n = value->left;
	if (value->left > max)
		vx6_rd_fail(value, VX6_ERR(LIMIT));
	else if (value->left < VX6_RECORD_HEADER + VX6_RECORD_SIG)
		vx6_rd_fail(value, VX6_ERR(SHORT));
	*p = vx6_rd_bytes(value, value->left);
}

static void read_tlvs(struct vx6_tlv_rd *t, struct vx6_hello *h)
{
	struct vx6_rd value;
	uint8_t type;

	while (vx6_tlv_rd_next(t, &type, &value)) {
		switch (type) {
		case HELLO_ENDPOINT:
			read_record(&value, vx6_rtype_max_bytes(VX6_RTYPE_ENDPOINT), &h->endpoint,
				    &h->endpoint_n);
			break;
		case HELLO_REVOCATION:
			read_record(&value, vx6_rtype_max_bytes(VX6_RTYPE_REVOCATION),
				    &h->revocation, &h->revocation_n);
			break;
		case HELLO_MIN_VERSION:
			h->min_version = vx6_rd_u16(&value);
			break;
		case HELLO_SUBKEY_CERT:
			h->subkey_cert = vx6_rd_bytes(&value, VX6_SUBKEY_CERT_BYTES);
			break;
		case HELLO_NODE_ID:
			h->node_id = vx6_rd_bytes(&value, NODE_ID_BYTES);
			break;
		case HELLO_PROOF:
			h->proof = vx6_rd_bytes(&value, VX6_HELLO_PROOF_BYTES);
			break;
		default:
			vx6_tlv_rd_unknown(t, type);
			continue;
		}
		vx6_tlv_rd_end(t, &value);
	}
}

/* What the fields must be to each other. */
static vx6_err check(const struct vx6_hello *h)
{
	bool anon = h->role == VX6_ROLE_ANON;

	if (h->role != VX6_ROLE_NODE && h->role != VX6_ROLE_RELAY && !anon)
		return VX6_ERR(UNSUPPORTED);
	if (h->version == 0 || h->min_version == 0 || h->min_version > h->version)
		return VX6_ERR(RANGE);
	if (anon && (h->node_id || h->subkey_cert || h->proof || h->endpoint || h->revocation ||
		     h->clock_ms))
		return VX6_ERR(FORMAT);
	if (!anon && (!h->node_id || !h->subkey_cert))
		return VX6_ERR(FORMAT);
	return VX6_OK;
}

vx6_err vx6_hello_decode(const uint8_t *in, size_t n, struct vx6_hello *out)
{
	struct vx6_tlv_rd t;
	struct vx6_rd *r = &t.r;
	vx6_err err;

	memset(out, 0, sizeof *out);
	if (n > VX6_HELLO_MAX)
		return VX6_ERR(LIMIT);
	vx6_tlv_rd_init(&t, in, n);
	out->version = vx6_rd_u16(r);
	out->min_version = 1;
	out->features = vx6_rd_u64(r);
	out->role = vx6_rd_u8(r);
	out->max_cell = vx6_rd_u16(r);
	out->clock_ms = vx6_rd_u64(r);
	read_observed(r, &out->observed);
	read_tlvs(&t, out);
	err = vx6_tlv_rd_done(&t);
	if (vx6_is_ok(err))
		err = check(out);
	if (!vx6_is_ok(err))
		memset(out, 0, sizeof *out);
	return err;
}

uint16_t vx6_hello_common_version(const struct vx6_hello *peer)
{
	if (peer->min_version > VX6_HELLO_VERSION)
		return 0;
	return VX6_MIN(peer->version, VX6_HELLO_VERSION);
}
