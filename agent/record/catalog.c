/*
 * The record is laid out first with room for the ciphertext, so that the header, lengths included, can be authenticated with it; then the
 * list is sealed in place and all of it is signed.
 */
#include "record/catalog.h"

#include <string.h>

#include "base/util.h"
#include "crypto/aead.h"
#include "crypto/kdf.h"
#include "crypto/secret.h"
#include "record/catalog_list.h"
#include "wire/rd.h"
#include "wire/wr.h"

enum {
	/* of a record around its list */
	FRAME = VX6_RECORD_HEADER + VX6_TLV_HEADER + VX6_AEAD_NONCE_BYTES + VX6_AEAD_TAG_BYTES +
		VX6_RECORD_SIG,
	SKEW_S = 2 * VX6_CATALOG_EDGE_S, /* how far from its period a record may be issued */
};

static const size_t sizes[] = {1024, 2048, VX6_CATALOG_MAX};

uint64_t vx6_catalog_period(uint64_t now_s)
{
	return now_s / VX6_CATALOG_PERIOD_S;
}

static bool period_fits(uint64_t period, uint64_t issued_s)
{
	return issued_s >= SKEW_S && issued_s <= UINT64_MAX - SKEW_S &&
	       period >= vx6_catalog_period(issued_s - SKEW_S) &&
	       period <= vx6_catalog_period(issued_s + SKEW_S);
}

/* ---- keys of a period ---- */

static void factor_of(const struct vx6_sign_pk *pk, const uint8_t *secret, uint64_t period,
		      struct vx6_blind_factor *out)
{
	vx6_blind_factor(pk, secret, period, VX6_CATALOG_PERIOD_S, out);
}

vx6_err vx6_catalog_subject(const struct vx6_catalog_key *key, uint64_t period,
			    struct vx6_sign_pk *out)
{
	struct vx6_blind_factor factor;
	vx6_err err;

	factor_of(&key->pk, key->secret, period, &factor);
	err = vx6_blind_public(&key->pk, &factor, out);
	vx6_wipe(&factor, sizeof factor);
	return err;
}

static vx6_err content_key(const uint8_t *secret, const struct vx6_net *net, uint64_t period,
			   struct vx6_aead_key *out)
{
	static const char label[] = "VX6 catalog v1";
	uint8_t info[sizeof label + 8];
	struct vx6_wr w;

	vx6_wr_init(&w, info, sizeof info);
	vx6_wr_bytes(&w, label, sizeof label); /* with its NUL */
	vx6_wr_u64(&w, period);
	return vx6_kdf(net->b, sizeof net->b, secret, VX6_CATALOG_SECRET_BYTES, info, w.len, out->b,
		       sizeof out->b);
}

/* ---- building ---- */

static vx6_err seal(uint8_t *record, size_t text_at, size_t text_n, const struct vx6_catalog *c,
		    const uint8_t *secret, const struct vx6_net *net)
{
	uint8_t *text = record + text_at;
	struct vx6_aead_nonce nonce;
	struct vx6_aead_key key;
	struct vx6_wr w;

	vx6_wr_init(&w, text, text_n);
	vx6_catalog_list_encode(&w, c);
	VX6_TRY(w.err);
	memset(text + w.len, 0, text_n - w.len);
	VX6_TRY(content_key(secret, net, c->period, &key));
	memcpy(nonce.b, text - sizeof nonce.b, sizeof nonce.b);
	vx6_aead_seal(&key, &nonce, record, VX6_RECORD_HEADER, text, text_n, text);
	vx6_wipe(&key, sizeof key);
	return VX6_OK;
}

/* The header and the one TLV, whose nonce is drawn and whose text is still zeroes. @return where the text begins */
static size_t lay_out(struct vx6_wr *w, const struct vx6_catalog *c, const struct vx6_sign_pk *pk,
		      size_t text_n)
{
	static const uint8_t zeroes[VX6_CATALOG_MAX];
	struct vx6_record_view h = {
		.type = VX6_RTYPE_CATALOG,
		.seq = c->seq,
		.issued_s = c->issued_s,
		.lifetime_s = c->lifetime_s,
		.aux = (uint32_t)c->period,
	};
	uint8_t nonce[VX6_AEAD_NONCE_BYTES];
	struct vx6_tlv_wr t;
	size_t at;

	memcpy(h.subject, pk->b, sizeof h.subject);
	vx6_record_encode_begin(w, &h);
	vx6_tlv_wr_init(&t, w);
	vx6_tlv_wr_begin(&t, VX6_RTLV_CIPHERTEXT);
	vx6_random_bytes(nonce, sizeof nonce);
	vx6_wr_bytes(w, nonce, sizeof nonce);
	at = w->len;
	vx6_wr_bytes(w, zeroes, text_n + VX6_AEAD_TAG_BYTES);
	vx6_tlv_wr_end(&t);
	vx6_record_encode_end(w);
	return at;
}

/* The smallest size whose text holds the list; 0: none does. */
static size_t size_for(const struct vx6_catalog *c, vx6_err *err)
{
	uint8_t list[VX6_CATALOG_MAX];
	struct vx6_wr w;
	size_t found = 0;

	vx6_wr_init(&w, list, sizeof list);
	vx6_catalog_list_encode(&w, c);
	*err = w.err;
	for (size_t i = 0; i < VX6_ARRAY_N(sizes) && !found && vx6_is_ok(w.err); i++)
		if (w.len <= sizes[i] - FRAME)
			found = sizes[i];
	if (vx6_is_ok(w.err) && !found)
		*err = VX6_ERR(LIMIT);
	vx6_wipe(list, sizeof list);
	return found;
}

vx6_err vx6_catalog_build(const struct vx6_catalog *c, const struct vx6_sign_keypair *owner,
			  const uint8_t *secret, const struct vx6_net *net,
			  uint8_t out[static VX6_CATALOG_MAX], size_t *n)
{
	struct vx6_blind_factor factor;
	struct vx6_blind_key key;
	struct vx6_sig sig;
	size_t size, at;
	struct vx6_wr w;
	vx6_err err;

	*n = 0;
	size = size_for(c, &err);
	VX6_TRY(err);
	if (!period_fits(c->period, c->issued_s))
		return VX6_ERR(INVALID);
	factor_of(&owner->pk, secret, c->period, &factor);
	err = vx6_blind_keypair(owner, &factor, &key);
	vx6_wipe(&factor, sizeof factor);
	VX6_TRY(err);
	vx6_wr_init(&w, out, VX6_CATALOG_MAX);
	at = lay_out(&w, c, &key.pk, size - FRAME);
	err = w.err;
	if (vx6_is_ok(err))
		err = seal(out, at, size - FRAME, c, secret, net);
	if (vx6_is_ok(err))
		err = vx6_blind_sign(&key, VX6_RECORD_LABEL, net, out, w.len, &sig);
	vx6_blind_key_wipe(&key);
	VX6_TRY(err);
	vx6_wr_bytes(&w, sig.b, sizeof sig.b);
	return vx6_wr_done(&w, n);
}

/* ---- reading ---- */

static vx6_err find_sealed(const struct vx6_record *rec, struct vx6_rd *out)
{
	bool found = false;
	struct vx6_tlv_rd t;
	struct vx6_rd value;
	uint8_t type;

	if (rec->view.type != VX6_RTYPE_CATALOG)
		return VX6_ERR(MISMATCH);
	vx6_tlv_rd_init(&t, rec->view.body, rec->view.body_len);
	while (vx6_tlv_rd_next(&t, &type, &value)) {
		if (type == VX6_RTLV_CIPHERTEXT) {
			found = true;
			*out = value;
		} else {
			/* nothing else travels in the clear, and no certificate: it would tell whose catalog it is */
			return VX6_ERR(UNSUPPORTED);
		}
	}
	VX6_TRY(vx6_tlv_rd_done(&t));
	return found ? VX6_OK : VX6_ERR(FORMAT);
}

static vx6_err check(const struct vx6_record *rec, struct vx6_rd *sealed)
{
	bool size_known = false;

	VX6_TRY(find_sealed(rec, sealed));
	for (size_t i = 0; i < VX6_ARRAY_N(sizes); i++)
		size_known |= rec->view.n == sizes[i];
	if (!size_known || rec->view.flags)
		return VX6_ERR(FORMAT);
	return period_fits(rec->view.aux, rec->view.issued_s) ? VX6_OK : VX6_ERR(RANGE);
}

vx6_err vx6_catalog_check(const struct vx6_record *rec, uint64_t *period)
{
	struct vx6_rd sealed;

	*period = 0;
	VX6_TRY(check(rec, &sealed));
	*period = rec->view.aux;
	return VX6_OK;
}

static vx6_err open_list(const struct vx6_record *rec, const struct vx6_catalog_key *key,
			 const struct vx6_net *net, struct vx6_rd *sealed, struct vx6_catalog *out)
{
	uint8_t text[VX6_CATALOG_MAX];
	struct vx6_aead_nonce nonce;
	struct vx6_aead_key content;
	size_t n;
	vx6_err err;

	vx6_rd_copy(sealed, nonce.b, sizeof nonce.b);
	VX6_TRY(sealed->err);
	n = sealed->left;
	if (n < VX6_AEAD_TAG_BYTES || n > sizeof text)
		return VX6_ERR(FORMAT);
	VX6_TRY(content_key(key->secret, net, rec->view.aux, &content));
	err = vx6_aead_open(&content, &nonce, rec->view.bytes, VX6_RECORD_HEADER,
			    vx6_rd_bytes(sealed, n), n, text);
	vx6_wipe(&content, sizeof content);
	if (vx6_is_ok(err))
		err = vx6_catalog_list_decode(text, n - VX6_AEAD_TAG_BYTES, out);
	vx6_wipe(text, sizeof text);
	return err;
}

vx6_err vx6_catalog_open(const struct vx6_record *rec, const struct vx6_catalog_key *key,
			 const struct vx6_net *net, struct vx6_catalog *out)
{
	struct vx6_sign_pk subject;
	struct vx6_rd sealed;
	vx6_err err;

	memset(out, 0, sizeof *out);
	VX6_TRY(check(rec, &sealed));
	VX6_TRY(vx6_catalog_subject(key, rec->view.aux, &subject));
	if (!vx6_ct_eq(subject.b, rec->subject.b, sizeof subject.b))
		return VX6_ERR(MISMATCH);
	err = open_list(rec, key, net, &sealed, out);
	if (!vx6_is_ok(err)) {
		memset(out, 0, sizeof *out);
		return err;
	}
	out->seq = rec->view.seq;
	out->issued_s = rec->view.issued_s;
	out->lifetime_s = rec->view.lifetime_s;
	out->period = rec->view.aux;
	return VX6_OK;
}
