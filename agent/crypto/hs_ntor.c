/*
 * Names as in Tor's rend-spec-v3: B, b the introduction's encryption key; X, x the client's key; Y, y the service's of this one answer.
 */
#include "crypto/hs_ntor.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "crypto/hs_ntor_internal.h"
#include "crypto/parts.h"
#include "crypto/secret.h"

enum { KEY = 32, LABEL_MAX = 96 };

const char vx6_hs_ntor_protoid[] = "vx6-hs-ntor-curve25519-sha3-256-1";

struct vx6_hs_ntor {
	const char *protoid; /* static text */
	struct vx6_kx_sk x_sk;
	struct vx6_kx_pk x, b;
	struct vx6_kx_shared bx;
	uint8_t auth_key[KEY], subcred[KEY];
	bool sealed;
};

/* A label of the protocol: its name and what it is for. */
struct label {
	char text[LABEL_MAX];
	size_t n;
};

static struct label label_of(const char *protoid, const char *purpose)
{
	struct label l;
	size_t a = strlen(protoid), b = strlen(purpose);

	VX6_ASSERT(a + b <= sizeof l.text);
	memcpy(l.text, protoid, a);
	memcpy(l.text + a, purpose, b);
	l.n = a + b;
	return l;
}

/* ---- the sealed part ---- */

struct seal_keys {
	uint8_t enc[KEY], mac[KEY];
};
_Static_assert(sizeof(struct seal_keys) == 2 * KEY, "two keys in a row");

static void seal_keys(const char *protoid, const struct vx6_kx_shared *bx, const uint8_t *auth_key,
		      const uint8_t *x, const uint8_t *b, const uint8_t *subcred,
		      struct seal_keys *out)
{
	struct label extract = label_of(protoid, ":hs_key_extract");
	struct label expand = label_of(protoid, ":hs_key_expand");
	const struct vx6_part in[] = {
		VX6_PART(bx->b, sizeof bx->b),
		VX6_PART(auth_key, KEY),
		VX6_PART(x, KEY),
		VX6_PART(b, KEY),
		VX6_PART(protoid, strlen(protoid)),
		VX6_PART(extract.text, extract.n),
		VX6_PART(expand.text, expand.n),
		VX6_PART(subcred, KEY),
	};

	vx6_parts_shake(in, VX6_ARRAY_N(in), out->enc, sizeof *out);
}

static void seal_mac(const struct seal_keys *k, const uint8_t *head, size_t head_n,
		     const uint8_t *x_and_enc, size_t n, uint8_t out[static VX6_HS_INTRO_MAC])
{
	const struct vx6_part in[] = {
		VX6_PART_SIZED(k->mac, sizeof k->mac),
		VX6_PART(head, head_n),
		VX6_PART(x_and_enc, n),
	};

	vx6_parts_sha3(in, VX6_ARRAY_N(in), out);
}

/* ---- what both end with ---- */

struct agreed {
	const char *protoid;
	struct vx6_kx_shared xy, bx;
	const uint8_t *auth_key, *b, *x, *y; /* KEY bytes each */
};

/* MAC with all that was agreed as the key. */
static void of_agreed(const struct agreed *a, const char *purpose, uint8_t out[static 32])
{
	enum { SECRET_KEYS = 6 };
	struct label l = label_of(a->protoid, purpose);
	const size_t name_n = strlen(a->protoid);
	const struct vx6_part in[] = {
		VX6_PART_LENGTH(SECRET_KEYS * KEY + name_n),
		VX6_PART(a->xy.b, sizeof a->xy.b),
		VX6_PART(a->bx.b, sizeof a->bx.b),
		VX6_PART(a->auth_key, KEY),
		VX6_PART(a->b, KEY),
		VX6_PART(a->x, KEY),
		VX6_PART(a->y, KEY),
		VX6_PART(a->protoid, name_n),
		VX6_PART(l.text, l.n),
	};

	vx6_parts_sha3(in, VX6_ARRAY_N(in), out);
}

static void authenticate(const struct agreed *a, uint8_t out[static 32])
{
	enum { INPUT_KEYS = 5 };
	static const char server[] = "Server";
	const size_t name_n = strlen(a->protoid), server_n = sizeof server - 1;
	struct label mac = label_of(a->protoid, ":hs_mac");
	uint8_t verify[32];
	const struct vx6_part in[] = {
		VX6_PART_LENGTH(INPUT_KEYS * KEY + name_n + server_n),
		VX6_PART(verify, sizeof verify),
		VX6_PART(a->auth_key, KEY),
		VX6_PART(a->b, KEY),
		VX6_PART(a->y, KEY),
		VX6_PART(a->x, KEY),
		VX6_PART(a->protoid, name_n),
		VX6_PART(server, server_n),
		VX6_PART(mac.text, mac.n),
	};

	of_agreed(a, ":hs_verify", verify);
	vx6_parts_sha3(in, VX6_ARRAY_N(in), out);
	vx6_wipe(verify, sizeof verify);
}

static void expand(const struct agreed *a, struct vx6_hs_e2e *out)
{
	struct label l = label_of(a->protoid, ":hs_key_expand");
	uint8_t seed[32];
	const struct vx6_part in[] = {VX6_PART(seed, sizeof seed), VX6_PART(l.text, l.n)};

	of_agreed(a, ":hs_key_extract", seed);
	vx6_parts_shake(in, VX6_ARRAY_N(in), out->keys, sizeof *out);
	vx6_wipe(seed, sizeof seed);
}
_Static_assert(sizeof(struct vx6_hs_e2e) == VX6_HS_E2E_KEYS + VX6_HS_KH, "the keys in a row");

/* ---- client ---- */

vx6_err hs_ntor_begin_with(const char *protoid, const struct vx6_hs_ntor_who *who,
			   const struct vx6_kx_sk *x, struct vx6_hs_ntor **out)
{
	struct vx6_hs_ntor *h = vx6_zalloc(sizeof *h);
	vx6_err err;

	*out = NULL;
	h->protoid = protoid;
	memcpy(h->b.b, who->enc_pk, sizeof h->b.b);
	memcpy(h->auth_key, who->auth_key, sizeof h->auth_key);
	memcpy(h->subcred, who->subcred, sizeof h->subcred);
	if (x) {
		h->x_sk = *x;
		vx6_kx_public(x, &h->x);
	} else {
		vx6_kx_keypair(&h->x, &h->x_sk);
	}
	err = vx6_kx_agree(&h->x_sk, &h->b, &h->bx);
	if (!vx6_is_ok(err)) {
		vx6_hs_ntor_free(h);
		return err;
	}
	*out = h;
	return VX6_OK;
}

vx6_err vx6_hs_ntor_begin(const char *protoid, const struct vx6_hs_ntor_who *who,
			  struct vx6_hs_ntor **out)
{
	return hs_ntor_begin_with(protoid, who, NULL, out);
}

void vx6_hs_ntor_free(struct vx6_hs_ntor *h)
{
	vx6_wipe_free(h, sizeof *h);
}

vx6_err vx6_hs_ntor_seal(struct vx6_hs_ntor *h, const uint8_t *head, size_t head_n,
			 const uint8_t *plain, size_t n, uint8_t *out)
{
	struct seal_keys keys;

	if (n > VX6_HS_PLAIN_MAX || head_n > VX6_HS_HEAD_MAX)
		return VX6_ERR(LIMIT);
	if (h->sealed)
		return VX6_ERR(INVALID);
	h->sealed = true;
	seal_keys(h->protoid, &h->bx, h->auth_key, h->x.b, h->b.b, h->subcred, &keys);
	memcpy(out, h->x.b, KEY);
	vx6_crypt_once(keys.enc, plain, n, out + KEY);
	seal_mac(&keys, head, head_n, out, KEY + n, out + KEY + n);
	vx6_wipe(&keys, sizeof keys);
	return VX6_OK;
}

vx6_err vx6_hs_ntor_finish(struct vx6_hs_ntor *h, const uint8_t answer[static VX6_HS_ANSWER],
			   struct vx6_hs_e2e *out)
{
	struct agreed a = {h->protoid, {{0}}, h->bx, h->auth_key, h->b.b, h->x.b, answer};
	struct vx6_kx_pk y;
	uint8_t auth[32];
	bool right;

	memset(out, 0, sizeof *out);
	memcpy(y.b, answer, sizeof y.b);
	VX6_TRY(vx6_kx_agree(&h->x_sk, &y, &a.xy));
	authenticate(&a, auth);
	right = vx6_ct_eq(auth, answer + KEY, sizeof auth);
	if (right)
		expand(&a, out);
	vx6_wipe(&a, sizeof a);
	return right ? VX6_OK : VX6_ERR(SIGNATURE);
}

/* ---- service ---- */

static vx6_err agree(const uint8_t *sk, const uint8_t *pk, struct vx6_kx_shared *out)
{
	struct vx6_kx_sk own;
	struct vx6_kx_pk peer;
	vx6_err err;

	memcpy(own.b, sk, sizeof own.b);
	memcpy(peer.b, pk, sizeof peer.b);
	err = vx6_kx_agree(&own, &peer, out);
	vx6_wipe(&own, sizeof own);
	return err;
}

/* One key agreement, however many names there are to try. */
vx6_err vx6_hs_ntor_open_as(const char *protoid, const struct vx6_hs_ntor_who *who, size_t who_n,
			    const uint8_t enc_sk[static 32], const struct vx6_hs_sealed *in,
			    uint8_t *plain, size_t *which)
{
	uint8_t mac[VX6_HS_INTRO_MAC];
	struct vx6_kx_shared bx;
	struct seal_keys keys;
	bool right = false;
	size_t n;

	if (in->n < VX6_HS_SEAL_OVERHEAD)
		return VX6_ERR(SHORT);
	n = in->n - VX6_HS_SEAL_OVERHEAD;
	if (n > VX6_HS_PLAIN_MAX || in->head_n > VX6_HS_HEAD_MAX)
		return VX6_ERR(LIMIT);
	VX6_TRY(agree(enc_sk, in->p, &bx));
	for (size_t i = 0; i < who_n && !right; i++) {
		seal_keys(protoid, &bx, who[i].auth_key, in->p, who[i].enc_pk, who[i].subcred,
			  &keys);
		seal_mac(&keys, in->head, in->head_n, in->p, KEY + n, mac);
		right = vx6_ct_eq(mac, in->p + KEY + n, sizeof mac);
		*which = i;
	}
	if (right)
		vx6_crypt_once(keys.enc, in->p + KEY, n, plain);
	vx6_wipe(&keys, sizeof keys);
	vx6_wipe(&bx, sizeof bx);
	return right ? VX6_OK : VX6_ERR(SIGNATURE);
}

vx6_err vx6_hs_ntor_open(const char *protoid, const struct vx6_hs_ntor_who *who,
			 const uint8_t enc_sk[static 32], const uint8_t *head, size_t head_n,
			 const uint8_t *in, size_t n, uint8_t *plain, uint8_t client_pk[static 32])
{
	const struct vx6_hs_sealed sealed = {.head = head, .head_n = head_n, .p = in, .n = n};
	size_t which;

	VX6_TRY(vx6_hs_ntor_open_as(protoid, who, 1, enc_sk, &sealed, plain, &which));
	memcpy(client_pk, in, KEY);
	return VX6_OK;
}

vx6_err hs_ntor_answer_with(const char *protoid, const struct vx6_hs_ntor_who *who,
			    const uint8_t enc_sk[static 32], const uint8_t client_pk[static 32],
			    const struct vx6_kx_sk *y, uint8_t answer[static VX6_HS_ANSWER],
			    struct vx6_hs_e2e *out)
{
	struct agreed a = {protoid, {{0}}, {{0}}, who->auth_key, who->enc_pk, client_pk, answer};
	struct vx6_kx_sk y_sk;
	struct vx6_kx_pk y_pk;
	vx6_err err;

	memset(out, 0, sizeof *out);
	memset(answer, 0, VX6_HS_ANSWER);
	if (y) {
		y_sk = *y;
		vx6_kx_public(y, &y_pk);
	} else {
		vx6_kx_keypair(&y_pk, &y_sk);
	}
	err = agree(y_sk.b, client_pk, &a.xy);
	if (vx6_is_ok(err))
		err = agree(enc_sk, client_pk, &a.bx);
	if (vx6_is_ok(err)) {
		memcpy(answer, y_pk.b, KEY);
		authenticate(&a, answer + KEY);
		expand(&a, out);
	}
	vx6_wipe(&a, sizeof a);
	vx6_wipe(&y_sk, sizeof y_sk);
	return err;
}

vx6_err vx6_hs_ntor_answer(const char *protoid, const struct vx6_hs_ntor_who *who,
			   const uint8_t enc_sk[static 32], const uint8_t client_pk[static 32],
			   uint8_t answer[static VX6_HS_ANSWER], struct vx6_hs_e2e *out)
{
	return hs_ntor_answer_with(protoid, who, enc_sk, client_pk, NULL, answer, out);
}
