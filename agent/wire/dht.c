#include "wire/dht.h"

#include <string.h>

#include "base/util.h"
#include "wire/record.h"

enum { ANSWER = 0x80, NODE_BYTES = 32 + 16 + 2 + 1 + 2 };

/* Which flags an op knows; the others are refused, so that they can mean something later. */
static vx6_err op_check(uint8_t op, uint8_t flags)
{
	uint8_t known = 0;

	if (op < VX6_DHT_PING || op > VX6_DHT_DIALBACK)
		return VX6_ERR(UNSUPPORTED);
	if (op == VX6_DHT_GET)
		known = VX6_DHT_NO_VALUES;
	else if (op == VX6_DHT_PUT)
		known = VX6_DHT_CACHE;
	return flags & ~known ? VX6_ERR(UNSUPPORTED) : VX6_OK;
}

void vx6_dht_req_encode(struct vx6_wr *w, const struct vx6_dht_req *r)
{
	vx6_wr_u8(w, r->op);
	vx6_wr_u8(w, r->flags);
	vx6_wr_u8(w, r->limit);
	vx6_wr_bytes(w, r->key, sizeof r->key);
	if (r->op != VX6_DHT_PUT)
		return;
	vx6_wr_bytes(w, r->token, sizeof r->token);
	if (r->record_n == 0 || r->record_n > VX6_RECORD_MAX)
		vx6_wr_fail(w, VX6_ERR(LIMIT));
	vx6_wr_bytes(w, r->record, r->record_n);
}

static vx6_err req_decode(const uint8_t *in, size_t n, struct vx6_dht_req *out)
{
	struct vx6_rd r;

	vx6_rd_init(&r, in, n);
	out->op = vx6_rd_u8(&r);
	out->flags = vx6_rd_u8(&r);
	VX6_TRY(r.err);
	VX6_TRY(op_check(out->op, out->flags));
	out->limit = vx6_rd_u8(&r);
	if (out->limit == 0 || out->limit > VX6_DHT_NODES_MAX)
		out->limit = VX6_DHT_NODES_MAX;
	vx6_rd_copy(&r, out->key, sizeof out->key);
	if (out->op == VX6_DHT_PUT) {
		vx6_rd_copy(&r, out->token, sizeof out->token);
		VX6_TRY(r.err);
		if (r.left > VX6_RECORD_MAX)
			return VX6_ERR(LIMIT);
		if (r.left == 0)
			return VX6_ERR(SHORT);
		out->record_n = r.left;
		out->record = vx6_rd_bytes(&r, r.left);
	}
	return vx6_rd_done(&r);
}

vx6_err vx6_dht_req_decode(const uint8_t *in, size_t n, struct vx6_dht_req *out)
{
	vx6_err err;

	memset(out, 0, sizeof *out);
	err = req_decode(in, n, out);
	if (!vx6_is_ok(err))
		memset(out, 0, sizeof *out);
	return err;
}

/* The values: framing and caps, so that vx6_dht_resp_value() cannot meet anything unsound. */
static void values_check(struct vx6_dht_resp *out, struct vx6_rd *r)
{
	size_t left = VX6_DHT_VALUE_BYTES_MAX;
	struct vx6_rd start = *r;

	for (unsigned i = 0; i < out->values_n && vx6_is_ok(r->err); i++) {
		struct vx6_rd record;

		vx6_rd_skip(r, 4);
		record = vx6_rd_sub16(r, left);
		if (record.left == 0)
			vx6_rd_fail(r, VX6_ERR(SHORT));
		left -= record.left;
	}
	if (vx6_is_ok(r->err))
		out->values = vx6_rd_sub(&start, start.left - r->left);
}

static vx6_err resp_decode(const uint8_t *in, size_t n, struct vx6_dht_resp *out)
{
	struct vx6_rd r;

	vx6_rd_init(&r, in, n);
	out->op = vx6_rd_u8(&r);
	VX6_TRY(r.err);
	if (!(out->op & ANSWER))
		return VX6_ERR(UNSUPPORTED);
	out->op &= (uint8_t)~ANSWER;
	VX6_TRY(op_check(out->op, 0));
	out->status = vx6_rd_u16(&r);
	vx6_rd_copy(&r, out->token, sizeof out->token);
	out->nodes_n = vx6_rd_u8(&r);
	if (out->nodes_n > VX6_DHT_NODES_MAX)
		return VX6_ERR(LIMIT);
	out->nodes = vx6_rd_sub(&r, (size_t)out->nodes_n * NODE_BYTES);
	out->values_n = vx6_rd_u8(&r);
	if (out->values_n > VX6_DHT_VALUES_MAX)
		return VX6_ERR(LIMIT);
	values_check(out, &r);
	return vx6_rd_done(&r);
}

vx6_err vx6_dht_resp_decode(const uint8_t *in, size_t n, struct vx6_dht_resp *out)
{
	vx6_err err;

	memset(out, 0, sizeof *out);
	err = resp_decode(in, n, out);
	if (!vx6_is_ok(err))
		memset(out, 0, sizeof *out);
	return err;
}

bool vx6_dht_resp_node(struct vx6_dht_resp *r, struct vx6_dht_node *out)
{
	if (r->nodes.left == 0)
		return false;
	vx6_rd_copy(&r->nodes, out->node_id, sizeof out->node_id);
	vx6_rd_copy(&r->nodes, out->ip, sizeof out->ip);
	out->port = vx6_rd_u16(&r->nodes);
	out->via = vx6_rd_u8(&r->nodes);
	out->age_days = vx6_rd_u16(&r->nodes);
	return vx6_is_ok(r->nodes.err);
}

bool vx6_dht_resp_value(struct vx6_dht_resp *r, uint32_t *age_s, const uint8_t **record, size_t *n)
{
	struct vx6_rd sub;

	if (r->values.left == 0)
		return false;
	*age_s = vx6_rd_u32(&r->values);
	sub = vx6_rd_sub16(&r->values, VX6_DHT_VALUE_BYTES_MAX);
	*record = sub.p;
	*n = sub.left;
	return vx6_is_ok(r->values.err);
}

void vx6_dht_resp_begin(struct vx6_dht_resp_wr *b, struct vx6_wr *w, uint8_t op, uint16_t status,
			const uint8_t token[static VX6_DHT_TOKEN_BYTES])
{
	memset(b, 0, sizeof *b);
	b->w = w;
	vx6_wr_u8(w, op | ANSWER);
	vx6_wr_u16(w, status);
	vx6_wr_bytes(w, token, VX6_DHT_TOKEN_BYTES);
	b->nodes_at = w->len;
	vx6_wr_u8(w, 0);
}

void vx6_dht_resp_add_node(struct vx6_dht_resp_wr *b, const struct vx6_dht_node *node)
{
	struct vx6_wr *w = b->w;

	if (b->values_at != 0)
		vx6_wr_fail(w, VX6_ERR(BUG));
	if (b->nodes_n == VX6_DHT_NODES_MAX)
		vx6_wr_fail(w, VX6_ERR(LIMIT));
	vx6_wr_bytes(w, node->node_id, sizeof node->node_id);
	vx6_wr_bytes(w, node->ip, sizeof node->ip);
	vx6_wr_u16(w, node->port);
	vx6_wr_u8(w, node->via);
	vx6_wr_u16(w, node->age_days);
	if (vx6_is_ok(w->err))
		w->p[b->nodes_at] = ++b->nodes_n;
}

static void values_begin(struct vx6_dht_resp_wr *b)
{
	if (b->values_at != 0)
		return;
	b->values_at = b->w->len;
	vx6_wr_u8(b->w, 0);
}

bool vx6_dht_resp_add_value(struct vx6_dht_resp_wr *b, uint32_t age_s, const uint8_t *record,
			    size_t n)
{
	struct vx6_wr *w = b->w;

	values_begin(b);
	if (!vx6_is_ok(w->err) || n == 0 || b->values_n == VX6_DHT_VALUES_MAX ||
	    n > VX6_DHT_VALUE_BYTES_MAX - b->value_bytes || w->cap - w->len < 4 + 2 ||
	    w->cap - w->len - (4 + 2) < n)
		return false;
	vx6_wr_u32(w, age_s);
	vx6_wr_u16(w, (uint16_t)n);
	vx6_wr_bytes(w, record, n);
	b->value_bytes += n;
	w->p[b->values_at] = ++b->values_n;
	return true;
}

void vx6_dht_resp_end(struct vx6_dht_resp_wr *b)
{
	values_begin(b);
}
