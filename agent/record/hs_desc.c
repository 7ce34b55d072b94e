/*
 * Built from the outside in and sealed from the inside out: the record is laid out with room for both layers, so that its header, lengths
 * included, can be authenticated with each; then the inner text is sealed in place, then the outer, and all of it is signed.
 */
#include "record/hs_desc.h"

#include <string.h>

#include "base/util.h"
#include "crypto/aead.h"
#include "crypto/blind.h"
#include "crypto/hash.h"
#include "crypto/kdf.h"
#include "crypto/kx.h"
#include "crypto/secret.h"
#include "record/hs_desc_internal.h"
#include "record/hs_desc_text.h"
#include "wire/rd.h"
#include "wire/wr.h"

enum {
	SALT = 16,
	LAYER_HEAD = SALT + VX6_AEAD_NONCE_BYTES,
	LAYER = LAYER_HEAD + VX6_AEAD_TAG_BYTES, /* of a layer, beside its text */
	OUTER_AT = VX6_RECORD_HEADER + VX6_TLV_HEADER,
	OUTER_TEXT = HS_DESC_OUTER_TEXT,
	OUTER_HEAD = VX6_KX_BYTES + 1,
	COOKIE = 32,
	ENTRY_ID = 8,
	ENTRY = ENTRY_ID + COOKIE + VX6_AEAD_TAG_BYTES,
	ENTRIES_STEP = 16,
	SUBCRED = 32,
	/* A', subcred, seq; and for the inner layer the cookie */
	OUTER_SECRET = VX6_SIGN_PK_BYTES + SUBCRED + 8,
	INNER_SECRET = OUTER_SECRET + COOKIE,
	SKEW_S = 2 * VX6_HS_EDGE_S, /* how far from its period a descriptor may be issued */
	HOUR_S = 3600,
};
_Static_assert((int)OUTER_AT + LAYER + OUTER_TEXT + VX6_RECORD_SIG == VX6_HS_DESC_BYTES,
	       "the parts are the whole");
_Static_assert(OUTER_HEAD + VX6_HS_CLIENTS_MAX * ENTRY + LAYER + VX6_HS_DESC_TEXT_MAX <= OUTER_TEXT,
	       "the most that a descriptor says has room in it");
_Static_assert(VX6_HS_CLIENTS_MAX % ENTRIES_STEP == 0, "the last step is a whole one");

/* ---- names ---- */

uint64_t vx6_hs_period(uint64_t now_s)
{
	return now_s / VX6_HS_PERIOD_S;
}

static void subcred_of(const struct vx6_sign_pk *service, const struct vx6_sign_pk *blinded,
		       uint8_t out[static SUBCRED])
{
	struct vx6_hash_state st;
	struct vx6_hash h;

	vx6_hash_personal("VX6-hs-cred", service->b, sizeof service->b, &h);
	vx6_hash_init(&st, "VX6-hs-subcred");
	vx6_hash_update(&st, h.b, sizeof h.b);
	vx6_hash_update(&st, blinded->b, sizeof blinded->b);
	vx6_hash_final(&st, &h);
	memcpy(out, h.b, SUBCRED);
}

vx6_err vx6_hs_names(const struct vx6_sign_pk *service, uint64_t period, struct vx6_hs_names *out)
{
	struct vx6_blind_factor factor;

	memset(out, 0, sizeof *out);
	vx6_blind_factor(service, NULL, period, VX6_HS_PERIOD_S, &factor);
	VX6_TRY(vx6_blind_public(service, &factor, &out->blinded));
	subcred_of(service, &out->blinded, out->subcred);
	return VX6_OK;
}

void vx6_hs_index(const struct vx6_net *net, const struct vx6_sign_pk *blinded, unsigned i,
		  uint64_t period, uint8_t out[static 32])
{
	uint8_t buf[VX6_NET_BYTES + VX6_SIGN_PK_BYTES + 1 + 8];
	struct vx6_hash h;
	struct vx6_wr w;

	vx6_wr_init(&w, buf, sizeof buf);
	vx6_wr_bytes(&w, net->b, sizeof net->b);
	vx6_wr_bytes(&w, blinded->b, sizeof blinded->b);
	vx6_wr_u8(&w, (uint8_t)i);
	vx6_wr_u64(&w, period);
	vx6_hash_personal("VX6-hs-index", buf, sizeof buf, &h);
	memcpy(out, h.b, 32);
}

static bool period_fits(uint64_t period, uint64_t issued_s)
{
	return period <= UINT32_MAX && issued_s >= SKEW_S && issued_s <= UINT64_MAX - SKEW_S &&
	       period >= vx6_hs_period(issued_s - SKEW_S) &&
	       period <= vx6_hs_period(issued_s + SKEW_S);
}

/* ---- layers ---- */

/** What the keys of both layers follow from. Secret. */
struct layer_secret {
	uint8_t b[INNER_SECRET];
};

static void secret_of(const struct vx6_hs_names *names, uint64_t seq, const uint8_t *cookie,
		      struct layer_secret *out)
{
	struct vx6_wr w;

	vx6_wr_init(&w, out->b, sizeof out->b);
	vx6_wr_bytes(&w, names->blinded.b, sizeof names->blinded.b);
	vx6_wr_bytes(&w, names->subcred, sizeof names->subcred);
	vx6_wr_u64(&w, seq);
	vx6_wr_bytes(&w, cookie, COOKIE);
}

static vx6_err layer_key(const uint8_t *layer, bool inner, const struct layer_secret *secret,
			 struct vx6_aead_key *out)
{
	const char *info = inner ? "VX6 hsdesc L2" : "VX6 hsdesc L1";

	return vx6_kdf(layer, SALT, secret->b, inner ? INNER_SECRET : OUTER_SECRET, info,
		       strlen(info), out->b, sizeof out->b);
}

/* Seals the text that stands in a layer, in place; salt and nonce are drawn. */
static vx6_err layer_seal(const uint8_t *record, uint8_t *layer, size_t n, bool inner,
			  const struct layer_secret *secret)
{
	uint8_t *text = layer + LAYER_HEAD;
	struct vx6_aead_nonce nonce;
	struct vx6_aead_key key;

	vx6_random_bytes(layer, LAYER_HEAD);
	VX6_TRY(layer_key(layer, inner, secret, &key));
	memcpy(nonce.b, layer + SALT, sizeof nonce.b);
	vx6_aead_seal(&key, &nonce, record, VX6_RECORD_HEADER, text, n - LAYER, text);
	vx6_wipe(&key, sizeof key);
	return VX6_OK;
}

/* @param out n - LAYER bytes; may be where the text stands, at layer + LAYER_HEAD */
static vx6_err layer_open(const uint8_t *record, const uint8_t *layer, size_t n, bool inner,
			  const struct layer_secret *secret, uint8_t *out)
{
	struct vx6_aead_nonce nonce;
	struct vx6_aead_key key;
	vx6_err err;

	VX6_TRY(layer_key(layer, inner, secret, &key));
	memcpy(nonce.b, layer + SALT, sizeof nonce.b);
	err = vx6_aead_open(&key, &nonce, record, VX6_RECORD_HEADER, layer + LAYER_HEAD,
			    n - LAYER_HEAD, out);
	vx6_wipe(&key, sizeof key);
	return err;
}

/* ---- clients ---- */

struct entry_keys {
	uint8_t id[ENTRY_ID];
	struct vx6_aead_key key;
};
_Static_assert(sizeof(struct entry_keys) == ENTRY_ID + VX6_AEAD_KEY_BYTES, "in a row");

/* One side has the descriptor's ephemeral key, the other the client's. @return VX6_OK | KEY */
static vx6_err entry_keys(const uint8_t *subcred, const struct vx6_kx_sk *own, const uint8_t *peer,
			  struct entry_keys *out)
{
	static const char info[] = "VX6 hsdesc auth";
	struct vx6_kx_shared shared;
	struct vx6_kx_pk pk;
	vx6_err err;

	memcpy(pk.b, peer, sizeof pk.b);
	VX6_TRY(vx6_kx_agree(own, &pk, &shared));
	err = vx6_kdf(subcred, SUBCRED, shared.b, sizeof shared.b, info, sizeof info - 1, out->id,
		      sizeof *out);
	vx6_wipe(&shared, sizeof shared);
	return err;
}

static const struct vx6_aead_nonce nonce_zero; /* each key is used once */

static vx6_err entry_write(const uint8_t *subcred, const struct vx6_kx_sk *eph,
			   const uint8_t *client, const uint8_t *cookie, uint8_t out[static ENTRY])
{
	struct entry_keys k;

	VX6_TRY(entry_keys(subcred, eph, client, &k));
	memcpy(out, k.id, ENTRY_ID);
	vx6_aead_seal(&k.key, &nonce_zero, NULL, 0, cookie, COOKIE, out + ENTRY_ID);
	vx6_wipe(&k, sizeof k);
	return VX6_OK;
}

static size_t slots_for(size_t clients_n)
{
	size_t steps = (clients_n + ENTRIES_STEP - 1) / ENTRIES_STEP;

	return VX6_MAX(steps, 1) * ENTRIES_STEP;
}

/* True entries at places drawn at random, the others are random bytes. */
static vx6_err entries_write(const uint8_t *subcred, const struct vx6_kx_sk *eph,
			     const uint8_t (*clients)[32], size_t clients_n, const uint8_t *cookie,
			     uint8_t *out, size_t slots)
{
	uint8_t place[VX6_HS_CLIENTS_MAX];

	vx6_random_bytes(out, slots * ENTRY);
	for (size_t i = 0; i < slots; i++)
		place[i] = (uint8_t)i;
	for (size_t i = 0; i < clients_n; i++) {
		size_t j = i + vx6_random_below((uint32_t)(slots - i));
		uint8_t kept = place[j];

		place[j] = place[i];
		VX6_TRY(entry_write(subcred, eph, clients[i], cookie, out + kept * ENTRY));
	}
	return VX6_OK;
}

/* @return whether @p client_sk has an entry that opens */
static bool entries_find(const uint8_t *subcred, const uint8_t *client_sk, const uint8_t *eph,
			 const uint8_t *entries, size_t slots, uint8_t cookie[static COOKIE])
{
	struct vx6_kx_sk own;
	struct entry_keys k;
	bool found = false;
	vx6_err err;

	memcpy(own.b, client_sk, sizeof own.b);
	err = entry_keys(subcred, &own, eph, &k);
	vx6_wipe(&own, sizeof own);
	if (!vx6_is_ok(err))
		return false;
	for (size_t i = 0; i < slots && !found; i++) {
		const uint8_t *e = entries + i * ENTRY;

		found = vx6_ct_eq(e, k.id, ENTRY_ID) &&
			vx6_is_ok(vx6_aead_open(&k.key, &nonce_zero, NULL, 0, e + ENTRY_ID,
						ENTRY - ENTRY_ID, cookie));
	}
	vx6_wipe(&k, sizeof k);
	return found;
}

/* ---- building ---- */

/** What is built: the parts that all steps need. Secret. */
struct build {
	const struct vx6_hs_desc *d;
	const uint8_t (*clients)[32];
	size_t clients_n, slots;
	struct vx6_hs_names names;
	struct layer_secret secret;
	uint8_t cookie[COOKIE];
	uint8_t *out;
};

static vx6_err check_input(const struct vx6_hs_desc *d, size_t clients_n, uint64_t issued_s)
{
	if (d->intros_n > VX6_HS_INTROS_MAX || clients_n > VX6_HS_CLIENTS_MAX)
		return VX6_ERR(LIMIT);
	if (d->seq == 0 || !period_fits(d->period, issued_s) || (!d->closed && clients_n))
		return VX6_ERR(INVALID);
	return VX6_OK;
}

/* The header, and zeroes up to the signature. */
static vx6_err lay_out(struct build *b, uint64_t issued_s)
{
	struct vx6_record_view h = {
		.type = VX6_RTYPE_DESCRIPTOR,
		.seq = b->d->seq,
		.issued_s = issued_s,
		.lifetime_s = VX6_HS_DESC_LIFETIME_S,
		.aux = (uint32_t)b->d->period,
	};
	struct vx6_tlv_wr t;
	struct vx6_wr w;

	memset(b->out, 0, VX6_HS_DESC_BYTES);
	memcpy(h.subject, b->names.blinded.b, sizeof h.subject);
	vx6_wr_init(&w, b->out, VX6_HS_DESC_BYTES);
	vx6_record_encode_begin(&w, &h);
	vx6_tlv_wr_init(&t, &w);
	vx6_tlv_wr_begin(&t, VX6_RTLV_CIPHERTEXT);
	w.len += LAYER + OUTER_TEXT; /* zeroes are there */
	vx6_tlv_wr_end(&t);
	vx6_record_encode_end(&w);
	return w.err;
}

/* @param inner where its layer begins */
static vx6_err write_inner(const struct build *b, uint8_t *inner, size_t n)
{
	struct vx6_wr w;

	vx6_wr_init(&w, inner + LAYER_HEAD, n - LAYER);
	vx6_hs_desc_text_encode(&w, b->d);
	VX6_TRY(w.err);
	return layer_seal(b->out, inner, n, true, &b->secret);
}

static vx6_err write_layers(const struct build *b)
{
	uint8_t *outer = b->out + OUTER_AT, *text = outer + LAYER_HEAD;
	uint8_t *entries = text + OUTER_HEAD, *inner = entries + b->slots * ENTRY;
	struct vx6_kx_sk eph;
	struct vx6_kx_pk pk;
	vx6_err err;

	vx6_kx_keypair(&pk, &eph);
	memcpy(text, pk.b, sizeof pk.b);
	text[VX6_KX_BYTES] = (uint8_t)b->slots;
	err = entries_write(b->names.subcred, &eph, b->clients, b->clients_n, b->cookie, entries,
			    b->slots);
	vx6_wipe(&eph, sizeof eph);
	VX6_TRY(err);
	VX6_TRY(write_inner(b, inner, (size_t)(text + OUTER_TEXT - inner)));
	return layer_seal(b->out, outer, LAYER + OUTER_TEXT, false, &b->secret);
}

static vx6_err sign(const struct build *b, const struct vx6_sign_keypair *service,
		    const struct vx6_net *net)
{
	enum { SIGNED = VX6_HS_DESC_BYTES - VX6_RECORD_SIG };
	struct vx6_blind_factor factor;
	struct vx6_blind_key key;
	struct vx6_sig sig;
	vx6_err err;

	vx6_blind_factor(&service->pk, NULL, b->d->period, VX6_HS_PERIOD_S, &factor);
	VX6_TRY(vx6_blind_keypair(service, &factor, &key));
	err = vx6_blind_sign(&key, VX6_RECORD_LABEL, net, b->out, SIGNED, &sig);
	vx6_blind_key_wipe(&key);
	VX6_TRY(err);
	memcpy(b->out + SIGNED, sig.b, sizeof sig.b);
	return VX6_OK;
}

vx6_err vx6_hs_desc_build(const struct vx6_hs_desc *d, const struct vx6_sign_keypair *service,
			  const uint8_t (*clients)[32], size_t clients_n, const struct vx6_net *net,
			  uint64_t now_s, uint8_t out[static VX6_HS_DESC_BYTES], size_t *n)
{
	struct build b = {.d = d,
			  .clients = clients,
			  .clients_n = clients_n,
			  .slots = slots_for(clients_n),
			  .out = out};
	uint64_t issued_s = now_s - now_s % HOUR_S;
	vx6_err err;

	*n = 0;
	VX6_TRY(check_input(d, clients_n, issued_s));
	VX6_TRY(vx6_hs_names(&service->pk, d->period, &b.names));
	if (d->closed)
		vx6_random_bytes(b.cookie, sizeof b.cookie);
	secret_of(&b.names, d->seq, b.cookie, &b.secret);
	err = lay_out(&b, issued_s);
	if (vx6_is_ok(err))
		err = write_layers(&b);
	if (vx6_is_ok(err))
		err = sign(&b, service, net);
	if (vx6_is_ok(err))
		*n = VX6_HS_DESC_BYTES;
	else
		vx6_wipe(out, VX6_HS_DESC_BYTES); /* what is not sealed yet */
	vx6_wipe(&b, sizeof b);
	return err;
}

/* ---- reading ---- */

/* The one TLV: with it and the size fixed nothing else can be told from a descriptor. */
static vx6_err find_sealed(const struct vx6_record *rec)
{
	struct vx6_tlv_rd t;
	struct vx6_rd value;
	uint8_t type;

	vx6_tlv_rd_init(&t, rec->view.body, rec->view.body_len);
	if (!vx6_tlv_rd_next(&t, &type, &value))
		return VX6_ERR(FORMAT);
	if (type != VX6_RTLV_CIPHERTEXT)
		return VX6_ERR(UNSUPPORTED);
	return value.left == LAYER + OUTER_TEXT ? VX6_OK : VX6_ERR(FORMAT);
}

vx6_err vx6_hs_desc_check(const struct vx6_record *rec, uint64_t *period)
{
	const struct vx6_record_view *v = &rec->view;

	*period = 0;
	if (v->type != VX6_RTYPE_DESCRIPTOR)
		return VX6_ERR(MISMATCH);
	if (v->n != VX6_HS_DESC_BYTES || v->flags || v->seq == 0)
		return VX6_ERR(FORMAT);
	VX6_TRY(find_sealed(rec));
	if (v->issued_s % HOUR_S || v->lifetime_s != VX6_HS_DESC_LIFETIME_S ||
	    !period_fits(v->aux, v->issued_s))
		return VX6_ERR(RANGE);
	*period = v->aux;
	return VX6_OK;
}

vx6_err hs_desc_open_inner(const struct vx6_record *rec, const struct vx6_hs_names *names,
			   const uint8_t *client_sk, uint8_t text[static OUTER_TEXT],
			   struct vx6_hs_desc *out)
{
	const size_t slots = text[VX6_KX_BYTES];
	uint8_t *entries = text + OUTER_HEAD, *inner = entries + slots * ENTRY;
	uint8_t cookie[COOKIE] = {0};
	struct layer_secret secret;
	size_t n;
	bool ours;
	vx6_err err;

	if (slots == 0 || slots % ENTRIES_STEP || slots > VX6_HS_CLIENTS_MAX)
		return VX6_ERR(FORMAT);
	n = (size_t)(text + OUTER_TEXT - inner);
	ours = client_sk && entries_find(names->subcred, client_sk, text, entries, slots, cookie);
	secret_of(names, rec->view.seq, cookie, &secret);
	err = layer_open(rec->view.bytes, inner, n, true, &secret, inner + LAYER_HEAD);
	vx6_wipe(&secret, sizeof secret);
	vx6_wipe(cookie, sizeof cookie);
	if (err.code == VX6_E_SIGNATURE)
		return ours ? err : VX6_ERR(ACCESS_REFUSED);
	VX6_TRY(err);
	VX6_TRY(vx6_hs_desc_text_decode(inner + LAYER_HEAD, n - LAYER, out));
	/* what it says of itself is how it was opened */
	return out->closed == ours ? VX6_OK : VX6_ERR(FORMAT);
}

static vx6_err open_layers(const struct vx6_record *rec, const struct vx6_hs_names *names,
			   const uint8_t *client_sk, struct vx6_hs_desc *out)
{
	static const uint8_t none[COOKIE];
	struct layer_secret secret;
	uint8_t text[OUTER_TEXT];
	vx6_err err;

	secret_of(names, rec->view.seq, none, &secret);
	err = layer_open(rec->view.bytes, rec->view.bytes + OUTER_AT, LAYER + OUTER_TEXT, false,
			 &secret, text);
	vx6_wipe(&secret, sizeof secret);
	if (vx6_is_ok(err))
		err = hs_desc_open_inner(rec, names, client_sk, text, out);
	vx6_wipe(text, sizeof text);
	return err;
}

vx6_err vx6_hs_desc_open(const struct vx6_record *rec, const struct vx6_sign_pk *service,
			 const uint8_t *client_sk, struct vx6_hs_desc *out)
{
	struct vx6_hs_names names;
	uint64_t period;
	vx6_err err;

	memset(out, 0, sizeof *out);
	VX6_TRY(vx6_hs_desc_check(rec, &period));
	VX6_TRY(vx6_hs_names(service, period, &names));
	if (!vx6_ct_eq(names.blinded.b, rec->subject.b, sizeof names.blinded.b))
		return VX6_ERR(MISMATCH);
	err = open_layers(rec, &names, client_sk, out);
	vx6_wipe(&names, sizeof names);
	if (!vx6_is_ok(err)) {
		memset(out, 0, sizeof *out);
		return err;
	}
	out->seq = rec->view.seq;
	out->period = period;
	out->expires_s = vx6_record_expires_s(&rec->view);
	return VX6_OK;
}
