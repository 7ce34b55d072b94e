#include "wire/hs.h"

#include <string.h>

#include "base/util.h"
#include "wire/rd.h"
#include "wire/wr.h"

enum ext { EXT_AUTH = 2, EXT_ENROL = 3 };

static const uint8_t no_pow[VX6_HS_POW];

bool vx6_hs_is_answer(uint8_t type)
{
	return type == VX6_PAYLOAD_INTRO_ESTABLISHED || type == VX6_PAYLOAD_INTRODUCE2 ||
	       type == VX6_PAYLOAD_INTRODUCE_ACK || type == VX6_PAYLOAD_REND_ESTABLISHED ||
	       type == VX6_PAYLOAD_RENDEZVOUS2;
}

/* ---- owner and introduction point ---- */

void vx6_establish_intro_encode(const struct vx6_establish_intro *e,
				uint8_t out[static VX6_ESTABLISH_INTRO_BYTES])
{
	struct vx6_wr w;

	vx6_wr_init(&w, out, VX6_ESTABLISH_INTRO_BYTES);
	vx6_wr_bytes(&w, e->auth_key, sizeof e->auth_key);
	vx6_wr_bytes(&w, e->handle, sizeof e->handle);
	vx6_wr_u32(&w, e->rate);
	vx6_wr_u32(&w, e->burst);
	vx6_wr_bytes(&w, e->mac, sizeof e->mac);
	vx6_wr_bytes(&w, e->sig, sizeof e->sig);
}

vx6_err vx6_establish_intro_decode(const uint8_t *in, size_t n, struct vx6_establish_intro *out)
{
	struct vx6_rd r;
	vx6_err err;

	vx6_rd_init(&r, in, n);
	vx6_rd_copy(&r, out->auth_key, sizeof out->auth_key);
	vx6_rd_copy(&r, out->handle, sizeof out->handle);
	out->rate = vx6_rd_u32(&r);
	out->burst = vx6_rd_u32(&r);
	vx6_rd_copy(&r, out->mac, sizeof out->mac);
	vx6_rd_copy(&r, out->sig, sizeof out->sig);
	err = vx6_rd_done(&r);
	if (!vx6_is_ok(err))
		*out = (struct vx6_establish_intro){0};
	return err;
}

void vx6_introduce2_encode(const struct vx6_introduce2 *i, uint8_t out[static VX6_INTRODUCE2_BYTES])
{
	struct vx6_wr w;

	vx6_wr_init(&w, out, VX6_INTRODUCE2_BYTES);
	vx6_wr_u32(&w, i->serial);
	vx6_wr_bytes(&w, i->auth_key, VX6_INTRO_KEY);
	vx6_wr_bytes(&w, i->pow ? i->pow : no_pow, VX6_HS_POW);
	vx6_wr_bytes(&w, i->sealed, VX6_HS_SEALED);
}

vx6_err vx6_introduce2_decode(const uint8_t *in, size_t n, struct vx6_introduce2 *out)
{
	struct vx6_rd r;
	vx6_err err;

	vx6_rd_init(&r, in, n);
	out->serial = vx6_rd_u32(&r);
	out->auth_key = vx6_rd_bytes(&r, VX6_INTRO_KEY);
	out->pow = vx6_rd_bytes(&r, VX6_HS_POW);
	out->sealed = vx6_rd_bytes(&r, VX6_HS_SEALED);
	err = vx6_rd_done(&r);
	if (!vx6_is_ok(err))
		*out = (struct vx6_introduce2){0};
	return err;
}

void vx6_introduced_encode(uint32_t serial, uint8_t out[static VX6_INTRODUCED_BYTES])
{
	struct vx6_wr w;

	vx6_wr_init(&w, out, VX6_INTRODUCED_BYTES);
	vx6_wr_u32(&w, serial);
}

vx6_err vx6_introduced_decode(const uint8_t *in, size_t n, uint32_t *serial)
{
	struct vx6_rd r;
	uint32_t v;

	*serial = 0;
	vx6_rd_init(&r, in, n);
	v = vx6_rd_u32(&r);
	VX6_TRY(vx6_rd_done(&r));
	*serial = v;
	return VX6_OK;
}

/* ---- client and introduction point ---- */

void vx6_introduce1_encode(const struct vx6_introduce1 *i, uint8_t out[static VX6_HS_INTRODUCE])
{
	struct vx6_wr w;

	vx6_wr_init(&w, out, VX6_HS_INTRODUCE);
	vx6_wr_bytes(&w, i->auth_key, VX6_INTRO_KEY);
	vx6_wr_bytes(&w, i->handle, VX6_INTRO_HANDLE);
	vx6_wr_bytes(&w, i->pow ? i->pow : no_pow, VX6_HS_POW);
	vx6_wr_bytes(&w, i->sealed, VX6_HS_SEALED);
}

void vx6_introduce_head(const uint8_t auth_key[static VX6_INTRO_KEY], const uint8_t *pow,
			uint8_t out[static VX6_HS_HEAD])
{
	memcpy(out, auth_key, VX6_INTRO_KEY);
	memcpy(out + VX6_INTRO_KEY, pow ? pow : no_pow, VX6_HS_POW);
}

vx6_err vx6_introduce1_decode(const uint8_t *in, size_t n, struct vx6_introduce1 *out)
{
	struct vx6_rd r;
	vx6_err err;

	vx6_rd_init(&r, in, n);
	out->auth_key = vx6_rd_bytes(&r, VX6_INTRO_KEY);
	out->handle = vx6_rd_bytes(&r, VX6_INTRO_HANDLE);
	out->pow = vx6_rd_bytes(&r, VX6_HS_POW);
	out->sealed = vx6_rd_bytes(&r, VX6_HS_SEALED);
	err = vx6_rd_done(&r);
	if (!vx6_is_ok(err))
		*out = (struct vx6_introduce1){0};
	return err;
}

void vx6_hs_code_encode(uint16_t code, uint8_t out[static VX6_HS_CODE_BYTES])
{
	struct vx6_wr w;

	vx6_wr_init(&w, out, VX6_HS_CODE_BYTES);
	vx6_wr_u16(&w, code);
}

vx6_err vx6_hs_code_decode(const uint8_t *in, size_t n, uint16_t *code)
{
	struct vx6_rd r;
	uint16_t v;

	*code = 0;
	vx6_rd_init(&r, in, n);
	v = vx6_rd_u16(&r);
	VX6_TRY(vx6_rd_done(&r));
	*code = v;
	return VX6_OK;
}

/* ---- rendezvous ---- */

void vx6_rendezvous1_encode(const struct vx6_rendezvous1 *rend,
			    uint8_t out[static VX6_RENDEZVOUS1_BYTES])
{
	struct vx6_wr w;

	vx6_wr_init(&w, out, VX6_RENDEZVOUS1_BYTES);
	vx6_wr_bytes(&w, rend->cookie, VX6_REND_COOKIE);
	vx6_wr_bytes(&w, rend->answer, VX6_REND_ANSWER);
}

vx6_err vx6_rendezvous1_decode(const uint8_t *in, size_t n, struct vx6_rendezvous1 *out)
{
	struct vx6_rd r;
	vx6_err err;

	vx6_rd_init(&r, in, n);
	out->cookie = vx6_rd_bytes(&r, VX6_REND_COOKIE);
	out->answer = vx6_rd_bytes(&r, VX6_REND_ANSWER);
	err = vx6_rd_done(&r);
	if (!vx6_is_ok(err))
		*out = (struct vx6_rendezvous1){0};
	return err;
}

/* ---- client and owner ---- */

static void wr_ext(struct vx6_wr *w, enum ext type, size_t n)
{
	vx6_wr_u8(w, (uint8_t)type);
	vx6_wr_u8(w, (uint8_t)n);
}

/* @return where the MAC stands */
static size_t wr_client(struct vx6_wr *w, const struct vx6_introduce *i)
{
	bool enrols = i->client == VX6_HS_CLIENT_ENROL;
	size_t at;

	wr_ext(w, enrols ? EXT_ENROL : EXT_AUTH,
	       VX6_HS_CLIENT_ID + VX6_HS_CLIENT_MAC + (enrols ? VX6_HS_CLIENT_KEY : 0));
	vx6_wr_bytes(w, i->client_id, sizeof i->client_id);
	at = w->len;
	vx6_wr_bytes(w, i->client_mac, sizeof i->client_mac);
	if (enrols)
		vx6_wr_bytes(w, i->client_key, sizeof i->client_key);
	return at;
}

vx6_err vx6_introduce_encode(const struct vx6_introduce *i, uint8_t out[static VX6_HS_PLAIN],
			     size_t *mac_at)
{
	bool has_client = i->client != VX6_HS_CLIENT_NONE;
	struct vx6_wr w;
	size_t at = 0;

	if (i->rends_n == 0 || i->rends_n > VX6_HS_RENDS_MAX)
		return VX6_ERR(LIMIT);
	memset(out, 0, VX6_HS_PLAIN);
	vx6_wr_init(&w, out, VX6_HS_PLAIN);
	vx6_wr_u32(&w, i->key_epoch);
	vx6_wr_u8(&w, i->rends_n);
	for (int k = 0; k < i->rends_n; k++) {
		vx6_wr_bytes(&w, i->rend[k].cookie, sizeof i->rend[k].cookie);
		vx6_wr_bytes(&w, i->rend[k].node, sizeof i->rend[k].node);
	}
	vx6_wr_u8(&w, has_client);
	if (has_client)
		at = wr_client(&w, i);
	if (mac_at)
		*mac_at = at;
	return w.err;
}

/* @param in the whole, which @p r reads */
static void rd_client(struct vx6_rd *r, const uint8_t *in, enum ext type, struct vx6_introduce *out,
		      size_t *mac_at)
{
	out->client = type == EXT_ENROL ? VX6_HS_CLIENT_ENROL : VX6_HS_CLIENT_AUTH;
	vx6_rd_copy(r, out->client_id, sizeof out->client_id);
	*mac_at = vx6_is_ok(r->err) ? (size_t)(r->p - in) : 0;
	vx6_rd_copy(r, out->client_mac, sizeof out->client_mac);
	if (type == EXT_ENROL)
		vx6_rd_copy(r, out->client_key, sizeof out->client_key);
}

/* Types rise, so none is there twice. */
static vx6_err rd_exts(struct vx6_rd *r, const uint8_t *in, struct vx6_introduce *out,
		       size_t *mac_at)
{
	uint8_t left = vx6_rd_u8(r), last = 0;

	for (; left > 0 && vx6_is_ok(r->err); left--) {
		uint8_t type = vx6_rd_u8(r);
		struct vx6_rd value = vx6_rd_sub(r, vx6_rd_u8(r));

		VX6_TRY(value.err);
		if (type <= last)
			return VX6_ERR(FORMAT);
		last = type;
		if (type != EXT_AUTH && type != EXT_ENROL)
			return VX6_ERR(UNSUPPORTED);
		if (out->client != VX6_HS_CLIENT_NONE)
			return VX6_ERR(FORMAT);
		rd_client(&value, in, (enum ext)type, out, mac_at);
		VX6_TRY(vx6_rd_done(&value));
	}
	return r->err;
}

static vx6_err introduce_decode(const uint8_t *in, struct vx6_introduce *out, size_t *mac_at)
{
	struct vx6_rd r;

	vx6_rd_init(&r, in, VX6_HS_PLAIN);
	out->key_epoch = vx6_rd_u32(&r);
	out->rends_n = vx6_rd_u8(&r);
	if (out->rends_n == 0 || out->rends_n > VX6_HS_RENDS_MAX)
		return VX6_ERR(LIMIT);
	for (int k = 0; k < out->rends_n; k++) {
		vx6_rd_copy(&r, out->rend[k].cookie, sizeof out->rend[k].cookie);
		vx6_rd_copy(&r, out->rend[k].node, sizeof out->rend[k].node);
	}
	VX6_TRY(rd_exts(&r, in, out, mac_at));
	for (; r.left > 0; r.left--)
		if (*r.p++ != 0)
			return VX6_ERR(FORMAT);
	return VX6_OK;
}

vx6_err vx6_introduce_decode(const uint8_t in[static VX6_HS_PLAIN], struct vx6_introduce *out,
			     size_t *mac_at)
{
	size_t at = 0;
	vx6_err err;

	*out = (struct vx6_introduce){0};
	err = introduce_decode(in, out, &at);
	if (!vx6_is_ok(err)) {
		*out = (struct vx6_introduce){0};
		at = 0;
	}
	if (mac_at)
		*mac_at = at;
	return err;
}
