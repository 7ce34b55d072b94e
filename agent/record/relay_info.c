#include "record/relay_info.h"

#include <string.h>

#include "base/util.h"

static bool keys_are_valid(const struct vx6_relay_info *i)
{
	static const uint8_t none[VX6_ONION_KEY_BYTES];

	if (i->keys_n == 0 || i->keys_n > VX6_ONION_KEYS_MAX ||
	    i->keys[0].not_after_s <= i->issued_s)
		return false;
	for (size_t k = 0; k < i->keys_n; k++)
		if (memcmp(i->keys[k].pk, none, sizeof none) == 0)
			return false;
	return i->keys_n < 2 || memcmp(i->keys[0].pk, i->keys[1].pk, sizeof i->keys[0].pk) != 0;
}

bool vx6_relay_info_same(const struct vx6_relay_info *a, const struct vx6_relay_info *b)
{
	if (a->withdrawn != b->withdrawn || a->policy != b->policy || a->keys_n != b->keys_n ||
	    a->has_family != b->has_family ||
	    (a->has_family && memcmp(a->family, b->family, sizeof a->family) != 0))
		return false;
	for (size_t k = 0; k < VX6_MIN(a->keys_n, (size_t)VX6_ONION_KEYS_MAX); k++)
		if (memcmp(a->keys[k].pk, b->keys[k].pk, sizeof a->keys[k].pk) != 0 ||
		    a->keys[k].not_after_s != b->keys[k].not_after_s)
			return false;
	return true;
}

static void put_contents(struct vx6_record_builder *b, const struct vx6_relay_info *i)
{
	vx6_tlv_wr_begin(&b->tlv, VX6_RTLV_ONION_KEYS);
	for (size_t k = 0; k < i->keys_n; k++) {
		vx6_wr_bytes(&b->w, i->keys[k].pk, sizeof i->keys[k].pk);
		vx6_wr_u32(&b->w, i->keys[k].not_after_s);
	}
	vx6_tlv_wr_end(&b->tlv);
	vx6_tlv_wr_begin(&b->tlv, VX6_RTLV_POLICY);
	vx6_wr_u32(&b->w, i->policy);
	vx6_tlv_wr_end(&b->tlv);
	if (i->has_family)
		vx6_tlv_wr_put(&b->tlv, VX6_RTLV_FAMILY, i->family, sizeof i->family);
}

vx6_err vx6_relay_info_build(const struct vx6_relay_info *i, const struct vx6_identity *id,
			     uint8_t out[static VX6_RELAY_INFO_MAX], size_t *n)
{
	struct vx6_record_view h = {
		.type = VX6_RTYPE_RELAY,
		.flags = i->withdrawn ? VX6_RECORD_WITHDRAWN : 0,
		.seq = i->seq,
		.issued_s = i->issued_s,
		.lifetime_s = i->lifetime_s,
	};
	struct vx6_record_builder b;

	*n = 0;
	if (!i->withdrawn && !keys_are_valid(i))
		return VX6_ERR(INVALID);
	vx6_record_build_begin(&b, &h, id, out, VX6_RELAY_INFO_MAX);
	if (!i->withdrawn)
		put_contents(&b, i);
	return vx6_record_build_finish(&b, id, n);
}

static void read_keys(struct vx6_rd *r, struct vx6_relay_info *out)
{
	while (r->left > 0) {
		struct vx6_onion_key *k;

		if (out->keys_n == VX6_ONION_KEYS_MAX) {
			vx6_rd_fail(r, VX6_ERR(LIMIT));
			return;
		}
		k = &out->keys[out->keys_n++];
		vx6_rd_copy(r, k->pk, sizeof k->pk);
		k->not_after_s = vx6_rd_u32(r);
	}
}

static vx6_err read_body(const struct vx6_record_view *v, struct vx6_relay_info *out,
			 bool *has_policy)
{
	struct vx6_tlv_rd t;
	struct vx6_rd value;
	uint8_t type;

	vx6_tlv_rd_init(&t, v->body, v->body_len);
	while (vx6_tlv_rd_next(&t, &type, &value)) {
		switch (type) {
		case VX6_RTLV_ONION_KEYS:
			read_keys(&value, out);
			break;
		case VX6_RTLV_POLICY:
			*has_policy = true;
			out->policy = vx6_rd_u32(&value);
			break;
		case VX6_RTLV_FAMILY:
			out->has_family = true;
			vx6_rd_copy(&value, out->family, sizeof out->family);
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

static vx6_err read_contents(const struct vx6_record_view *v, struct vx6_relay_info *out)
{
	bool has_policy = false;

	VX6_TRY(read_body(v, out, &has_policy));
	if (out->withdrawn)
		return out->keys_n || has_policy || out->has_family ? VX6_ERR(FORMAT) : VX6_OK;
	return has_policy && keys_are_valid(out) ? VX6_OK : VX6_ERR(FORMAT);
}

vx6_err vx6_relay_info_read(const struct vx6_record *rec, struct vx6_relay_info *out)
{
	const struct vx6_record_view *v = &rec->view;
	vx6_err err;

	memset(out, 0, sizeof *out);
	if (v->type != VX6_RTYPE_RELAY)
		return VX6_ERR(MISMATCH);
	if ((v->flags & ~VX6_RECORD_WITHDRAWN) || !rec->has_cert)
		return VX6_ERR(FORMAT);
	out->node = rec->subject;
	out->seq = v->seq;
	out->issued_s = v->issued_s;
	out->lifetime_s = v->lifetime_s;
	out->withdrawn = v->flags & VX6_RECORD_WITHDRAWN;
	err = read_contents(v, out);
	if (!vx6_is_ok(err))
		memset(out, 0, sizeof *out);
	return err;
}
