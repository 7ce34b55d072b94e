#include "wire/cell.h"

#include <string.h>

#include "base/util.h"
#include "wire/rd.h"
#include "wire/record.h"
#include "wire/tlv.h"

enum cm_tlv { CM_NEXT = 1, CM_WORD = 2 | VX6_TLV_CRITICAL };
enum sm_tlv { SM_INNER = 1, SM_REFUSED = 2 };

/* ---- handshake ---- */

static void put_hs(struct vx6_wr *w, const uint8_t *key_id, const uint8_t *hs, size_t n, size_t max)
{
	if (n < VX6_HS_MIN || n > max) {
		vx6_wr_fail(w, VX6_ERR(LIMIT));
		return;
	}
	vx6_wr_u8(w, VX6_CREATE_VERSION);
	vx6_wr_u16(w, (uint16_t)n);
	if (key_id)
		vx6_wr_bytes(w, key_id, VX6_CREATE_KEY_ID);
	vx6_wr_bytes(w, hs, n);
}

void vx6_create_encode(struct vx6_wr *w, const struct vx6_create *c)
{
	put_hs(w, c->key_id, c->hs, c->hs_n, VX6_CREATE_HS_MAX);
}

void vx6_created_encode(struct vx6_wr *w, const struct vx6_created *c)
{
	put_hs(w, NULL, c->hs, c->hs_n, VX6_CREATED_HS_MAX);
}

/* Version and length, the part that both have. */
static size_t rd_hs_head(struct vx6_rd *r, size_t max)
{
	uint8_t version = vx6_rd_u8(r);
	size_t n = vx6_rd_u16(r);

	if (!vx6_is_ok(r->err))
		return 0;
	if (version != VX6_CREATE_VERSION)
		vx6_rd_fail(r, VX6_ERR(UNSUPPORTED));
	else if (n < VX6_HS_MIN)
		vx6_rd_fail(r, VX6_ERR(FORMAT));
	else if (n > max)
		vx6_rd_fail(r, VX6_ERR(LIMIT));
	return n;
}

static void rd_create(struct vx6_rd *r, struct vx6_create *out)
{
	out->hs_n = rd_hs_head(r, VX6_CREATE_HS_MAX);
	out->key_id = vx6_rd_bytes(r, VX6_CREATE_KEY_ID);
	out->hs = vx6_rd_bytes(r, out->hs_n);
	if (!vx6_is_ok(r->err))
		*out = (struct vx6_create){0};
}

static void rd_created(struct vx6_rd *r, struct vx6_created *out)
{
	out->hs_n = rd_hs_head(r, VX6_CREATED_HS_MAX);
	out->hs = vx6_rd_bytes(r, out->hs_n);
	if (!vx6_is_ok(r->err))
		*out = (struct vx6_created){0};
}

vx6_err vx6_create_decode(const uint8_t *in, size_t n, struct vx6_create *out)
{
	struct vx6_rd r;
	vx6_err err;

	vx6_rd_init(&r, in, n);
	rd_create(&r, out);
	err = vx6_rd_done(&r);
	if (!vx6_is_ok(err))
		*out = (struct vx6_create){0};
	return err;
}

vx6_err vx6_created_decode(const uint8_t *in, size_t n, struct vx6_created *out)
{
	struct vx6_rd r;
	vx6_err err;

	vx6_rd_init(&r, in, n);
	rd_created(&r, out);
	err = vx6_rd_done(&r);
	if (!vx6_is_ok(err))
		*out = (struct vx6_created){0};
	return err;
}

vx6_err vx6_cell_put_create(uint8_t cell[static VX6_CELL_BYTES], const struct vx6_create *c,
			    size_t *used)
{
	struct vx6_wr w;

	vx6_wr_init(&w, cell, VX6_CELL_BYTES);
	vx6_wr_u8(&w, VX6_CELL_CREATE);
	vx6_create_encode(&w, c);
	return vx6_wr_done(&w, used);
}

vx6_err vx6_cell_put_created(uint8_t cell[static VX6_CELL_BYTES], const struct vx6_created *c,
			     size_t *used)
{
	struct vx6_wr w;

	vx6_wr_init(&w, cell, VX6_CELL_BYTES);
	vx6_wr_u8(&w, VX6_CELL_CREATED);
	vx6_created_encode(&w, c);
	return vx6_wr_done(&w, used);
}

vx6_err vx6_cell_get_create(const uint8_t cell[static VX6_CELL_BYTES], struct vx6_create *out)
{
	struct vx6_rd r;

	*out = (struct vx6_create){0};
	vx6_rd_init(&r, cell, VX6_CELL_BYTES);
	if (vx6_rd_u8(&r) != VX6_CELL_CREATE)
		return VX6_ERR(MISMATCH);
	rd_create(&r, out);
	return r.err;
}

vx6_err vx6_cell_get_created(const uint8_t cell[static VX6_CELL_BYTES], struct vx6_created *out)
{
	struct vx6_rd r;

	*out = (struct vx6_created){0};
	vx6_rd_init(&r, cell, VX6_CELL_BYTES);
	if (vx6_rd_u8(&r) != VX6_CELL_CREATED)
		return VX6_ERR(MISMATCH);
	rd_created(&r, out);
	return r.err;
}

void vx6_client_msg_encode(struct vx6_wr *w, const struct vx6_client_msg *m)
{
	size_t start = w->len;
	struct vx6_tlv_wr t;

	VX6_ASSERT(!m->has_next || !m->word.type);
	vx6_tlv_wr_init(&t, w);
	if (m->has_next) {
		vx6_tlv_wr_begin(&t, CM_NEXT);
		vx6_wr_bytes(w, m->next_node, sizeof m->next_node);
		vx6_create_encode(w, &m->next);
		vx6_tlv_wr_end(&t);
	} else if (m->word.type) {
		vx6_tlv_wr_begin(&t, CM_WORD);
		vx6_wr_u8(w, m->word.type);
		vx6_wr_bytes(w, m->word.data, m->word.n);
		vx6_tlv_wr_end(&t);
	}
	if (w->len - start > VX6_CM_MAX)
		vx6_wr_fail(w, VX6_ERR(LIMIT));
}

void vx6_server_msg_encode(struct vx6_wr *w, const struct vx6_server_msg *m)
{
	size_t start = w->len;
	struct vx6_tlv_wr t;

	VX6_ASSERT(!m->has_inner || !m->refused);
	vx6_tlv_wr_init(&t, w);
	if (m->has_inner) {
		vx6_tlv_wr_begin(&t, SM_INNER);
		vx6_created_encode(w, &m->inner);
		vx6_tlv_wr_end(&t);
	} else if (m->refused) {
		vx6_tlv_wr_begin(&t, SM_REFUSED);
		vx6_wr_u16(w, m->refused);
		vx6_tlv_wr_end(&t);
	}
	if (w->len - start > VX6_SM_MAX)
		vx6_wr_fail(w, VX6_ERR(LIMIT));
}

static void rd_word(struct vx6_rd *r, struct vx6_payload *out)
{
	out->type = vx6_rd_u8(r);
	out->n = r->left;
	out->data = vx6_rd_bytes(r, out->n);
	if (vx6_is_ok(r->err) && out->type == 0)
		vx6_rd_fail(r, VX6_ERR(FORMAT));
}

static vx6_err client_msg_decode(const uint8_t *in, size_t n, struct vx6_client_msg *out)
{
	struct vx6_tlv_rd t;
	struct vx6_rd value;
	uint8_t type;

	if (n > VX6_CM_MAX)
		return VX6_ERR(LIMIT);
	vx6_tlv_rd_init(&t, in, n);
	while (vx6_tlv_rd_next(&t, &type, &value)) {
		if (type == CM_NEXT) {
			out->has_next = true;
			vx6_rd_copy(&value, out->next_node, sizeof out->next_node);
			rd_create(&value, &out->next);
		} else if (type == CM_WORD) {
			rd_word(&value, &out->word);
		} else {
			vx6_tlv_rd_unknown(&t, type);
			continue;
		}
		vx6_tlv_rd_end(&t, &value);
	}
	VX6_TRY(vx6_tlv_rd_done(&t));
	return out->has_next && out->word.type ? VX6_ERR(FORMAT) : VX6_OK;
}

vx6_err vx6_client_msg_decode(const uint8_t *in, size_t n, struct vx6_client_msg *out)
{
	vx6_err err;

	*out = (struct vx6_client_msg){0};
	err = client_msg_decode(in, n, out);
	if (!vx6_is_ok(err))
		*out = (struct vx6_client_msg){0};
	return err;
}

/* A code that says that something went wrong: success is not among these. */
static uint16_t rd_code(struct vx6_rd *r)
{
	uint16_t code = vx6_rd_u16(r);

	if (vx6_is_ok(r->err) && code == 0)
		vx6_rd_fail(r, VX6_ERR(FORMAT));
	return code;
}

static vx6_err server_msg_decode(const uint8_t *in, size_t n, struct vx6_server_msg *out)
{
	struct vx6_tlv_rd t;
	struct vx6_rd value;
	uint8_t type;

	if (n > VX6_SM_MAX)
		return VX6_ERR(LIMIT);
	vx6_tlv_rd_init(&t, in, n);
	while (vx6_tlv_rd_next(&t, &type, &value)) {
		if (type == SM_INNER) {
			out->has_inner = true;
			rd_created(&value, &out->inner);
		} else if (type == SM_REFUSED) {
			out->refused = rd_code(&value);
		} else {
			vx6_tlv_rd_unknown(&t, type);
			continue;
		}
		vx6_tlv_rd_end(&t, &value);
	}
	VX6_TRY(vx6_tlv_rd_done(&t));
	return out->has_inner && out->refused ? VX6_ERR(FORMAT) : VX6_OK;
}

vx6_err vx6_server_msg_decode(const uint8_t *in, size_t n, struct vx6_server_msg *out)
{
	vx6_err err;

	*out = (struct vx6_server_msg){0};
	err = server_msg_decode(in, n, out);
	if (!vx6_is_ok(err))
		*out = (struct vx6_server_msg){0};
	return err;
}

/* ---- payloads ---- */

vx6_err vx6_payload_decode(const uint8_t in[static VX6_CELL_PAYLOAD], struct vx6_payload *out)
{
	struct vx6_rd r, data;
	uint8_t type;

	*out = (struct vx6_payload){0};
	vx6_rd_init(&r, in, VX6_CELL_PAYLOAD);
	type = vx6_rd_u8(&r);
	if (type < VX6_PAYLOAD_EXTEND || type > VX6_PAYLOAD_RENDEZVOUS2)
		return VX6_ERR(UNSUPPORTED);
	data = vx6_rd_sub16(&r, VX6_PAYLOAD_MAX);
	VX6_TRY(data.err);
	*out = (struct vx6_payload){.type = type, .data = data.p, .n = data.left};
	return VX6_OK;
}

size_t vx6_payload_seal(uint8_t payload[static VX6_CELL_PAYLOAD], enum vx6_payload_type type,
			size_t n)
{
	VX6_ASSERT(n <= VX6_PAYLOAD_MAX);
	payload[0] = (uint8_t)type;
	payload[1] = (uint8_t)(n >> 8);
	payload[2] = (uint8_t)n;
	return VX6_PAYLOAD_HEADER + n;
}

/* A writer over the data of a message. */
static struct vx6_wr data_writer(uint8_t payload[static VX6_CELL_PAYLOAD])
{
	struct vx6_wr w;

	vx6_wr_init(&w, payload + VX6_PAYLOAD_HEADER, VX6_PAYLOAD_MAX);
	return w;
}

static vx6_err data_end(const struct vx6_wr *w, uint8_t payload[static VX6_CELL_PAYLOAD],
			enum vx6_payload_type type, size_t *used)
{
	size_t n;

	*used = 0;
	VX6_TRY(vx6_wr_done(w, &n));
	*used = vx6_payload_seal(payload, type, n);
	return VX6_OK;
}

vx6_err vx6_payload_put_extend(uint8_t payload[static VX6_CELL_PAYLOAD], const struct vx6_extend *e,
			       size_t *used)
{
	struct vx6_wr w = data_writer(payload);
	size_t mark;

	vx6_wr_bytes(&w, e->node, sizeof e->node);
	mark = vx6_wr_begin16(&w);
	vx6_create_encode(&w, &e->create);
	vx6_wr_end16(&w, mark);
	if (e->record_n > vx6_rtype_max_bytes(VX6_RTYPE_ENDPOINT))
		vx6_wr_fail(&w, VX6_ERR(LIMIT));
	vx6_wr_u16(&w, (uint16_t)e->record_n);
	vx6_wr_bytes(&w, e->record, e->record_n);
	return data_end(&w, payload, VX6_PAYLOAD_EXTEND, used);
}

vx6_err vx6_payload_put_extended(uint8_t payload[static VX6_CELL_PAYLOAD],
				 const struct vx6_created *c, size_t *used)
{
	struct vx6_wr w = data_writer(payload);

	vx6_created_encode(&w, c);
	return data_end(&w, payload, VX6_PAYLOAD_EXTENDED, used);
}

size_t vx6_payload_put_code(uint8_t payload[static VX6_CELL_PAYLOAD], enum vx6_payload_type type,
			    uint16_t code)
{
	struct vx6_wr w = data_writer(payload);

	VX6_ASSERT(code && (type == VX6_PAYLOAD_REFUSED || type == VX6_PAYLOAD_DRAIN));
	vx6_wr_u16(&w, code);
	return vx6_payload_seal(payload, type, w.len);
}

size_t vx6_payload_put_token(uint8_t payload[static VX6_CELL_PAYLOAD], enum vx6_payload_type type,
			     uint64_t token)
{
	struct vx6_wr w = data_writer(payload);

	VX6_ASSERT(type == VX6_PAYLOAD_PING || type == VX6_PAYLOAD_PONG);
	vx6_wr_u64(&w, token);
	return vx6_payload_seal(payload, type, w.len);
}

size_t vx6_payload_put_pad(uint8_t payload[static VX6_CELL_PAYLOAD], uint8_t answers)
{
	struct vx6_wr w = data_writer(payload);

	vx6_wr_u8(&w, answers);
	return vx6_payload_seal(payload, VX6_PAYLOAD_PAD, w.len);
}

uint8_t vx6_payload_pad_answers(const struct vx6_payload *p)
{
	return p->n > 0 ? p->data[0] : 0;
}

static vx6_err extend_decode(const struct vx6_payload *p, struct vx6_extend *out)
{
	struct vx6_rd r, create, record;

	vx6_rd_init(&r, p->data, p->n);
	vx6_rd_copy(&r, out->node, sizeof out->node);
	create = vx6_rd_sub16(&r, VX6_CREATE_MAX);
	record = vx6_rd_sub16(&r, vx6_rtype_max_bytes(VX6_RTYPE_ENDPOINT));
	VX6_TRY(vx6_rd_done(&r));
	rd_create(&create, &out->create);
	VX6_TRY(vx6_rd_done(&create));
	out->record_n = record.left;
	out->record = record.left ? record.p : NULL;
	return VX6_OK;
}

vx6_err vx6_payload_get_extend(const struct vx6_payload *p, struct vx6_extend *out)
{
	vx6_err err;

	*out = (struct vx6_extend){0};
	err = p->type == VX6_PAYLOAD_EXTEND ? extend_decode(p, out) : VX6_ERR(MISMATCH);
	if (!vx6_is_ok(err))
		*out = (struct vx6_extend){0};
	return err;
}

vx6_err vx6_payload_get_extended(const struct vx6_payload *p, struct vx6_created *out)
{
	*out = (struct vx6_created){0};
	if (p->type != VX6_PAYLOAD_EXTENDED)
		return VX6_ERR(MISMATCH);
	return vx6_created_decode(p->data, p->n, out);
}

vx6_err vx6_payload_get_code(const struct vx6_payload *p, uint16_t *code)
{
	struct vx6_rd r;
	uint16_t v;

	*code = 0;
	if (p->type != VX6_PAYLOAD_REFUSED && p->type != VX6_PAYLOAD_DRAIN)
		return VX6_ERR(MISMATCH);
	vx6_rd_init(&r, p->data, p->n);
	v = rd_code(&r);
	VX6_TRY(vx6_rd_done(&r));
	*code = v;
	return VX6_OK;
}

vx6_err vx6_payload_get_token(const struct vx6_payload *p, uint64_t *token)
{
	struct vx6_rd r;
	uint64_t v;

	*token = 0;
	if (p->type != VX6_PAYLOAD_PING && p->type != VX6_PAYLOAD_PONG)
		return VX6_ERR(MISMATCH);
	vx6_rd_init(&r, p->data, p->n);
	v = vx6_rd_u64(&r);
	VX6_TRY(vx6_rd_done(&r));
	*token = v;
	return VX6_OK;
}
