#include "circuit/establish.h"

#include <string.h>

#include "base/util.h"
#include "crypto/kdf.h"
#include "crypto/secret.h"

static const char label[] = "VX6 est-intro v1";

/* HMAC under KH, which nobody knows but the two ends of that circuit. */
static void mac_of(const uint8_t *binding, const uint8_t *message, uint8_t out[VX6_INTRO_MAC])
{
	_Static_assert((int)VX6_INTRO_MAC == (int)VX6_KDF_PRK_BYTES, "extract is an HMAC");
	vx6_kdf_extract(binding, VX6_CB_BYTES, message, VX6_ESTABLISH_INTRO_MACED, out);
}

void vx6_establish_intro_prove(const struct vx6_sign_keypair *auth, const struct vx6_net *net,
			       const uint8_t binding[static VX6_CB_BYTES],
			       struct vx6_establish_intro *e)
{
	uint8_t message[VX6_ESTABLISH_INTRO_BYTES];
	struct vx6_sig sig;
	vx6_err err;

	memcpy(e->auth_key, auth->pk.b, sizeof e->auth_key);
	vx6_establish_intro_encode(e, message);
	mac_of(binding, message, e->mac);
	vx6_establish_intro_encode(e, message);
	err = vx6_sign(auth, label, net, message, VX6_ESTABLISH_INTRO_SIGNED, &sig);
	VX6_ASSERT(vx6_is_ok(err)); /* far below what can be signed */
	memcpy(e->sig, sig.b, sizeof e->sig);
}

/* The MAC first: it costs next to nothing, and fails for everything that was made for another circuit. */
vx6_err vx6_establish_intro_check(const struct vx6_net *net,
				  const uint8_t binding[static VX6_CB_BYTES],
				  const struct vx6_establish_intro *e)
{
	uint8_t message[VX6_ESTABLISH_INTRO_BYTES], mac[VX6_INTRO_MAC];
	struct vx6_sign_pk pk;
	struct vx6_sig sig;
	bool is_ours;

	vx6_establish_intro_encode(e, message);
	mac_of(binding, message, mac);
	is_ours = vx6_ct_eq(mac, e->mac, sizeof mac);
	vx6_wipe(mac, sizeof mac);
	if (!is_ours)
		return VX6_ERR(SIGNATURE);
	memcpy(pk.b, e->auth_key, sizeof pk.b);
	memcpy(sig.b, e->sig, sizeof sig.b);
	if (!vx6_sign_pk_is_valid(&pk))
		return VX6_ERR(KEY);
	return vx6_verify(&pk, label, net, message, VX6_ESTABLISH_INTRO_SIGNED, &sig);
}
