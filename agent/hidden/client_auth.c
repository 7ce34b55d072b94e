#include "hidden/client_auth.h"

#include <string.h>

#include "base/util.h"
#include "crypto/kdf.h"
#include "crypto/kx.h"
#include "crypto/secret.h"

#define KEY_INFO "VX6 hs client auth"
#define KNOWN "VX6 hs client v1"
#define ENROLS "VX6 hs enrol v1"

vx6_err vx6_hs_auth_derive(const uint8_t sk[static 32], const uint8_t pk[static 32],
			   const uint8_t subcred[static 32], struct vx6_hs_auth_key *out)
{
	struct vx6_kx_sk own;
	struct vx6_kx_pk peer;
	struct vx6_kx_shared shared;
	uint8_t both[VX6_HS_AUTH_ID + VX6_HS_AUTH_MAC];
	vx6_err err;

	*out = (struct vx6_hs_auth_key){0};
	memcpy(own.b, sk, sizeof own.b);
	memcpy(peer.b, pk, sizeof peer.b);
	err = vx6_kx_agree(&own, &peer, &shared);
	if (vx6_is_ok(err))
		err = vx6_kdf(subcred, 32, shared.b, sizeof shared.b, KEY_INFO, sizeof KEY_INFO - 1,
			      both, sizeof both);
	if (vx6_is_ok(err)) {
		memcpy(out->id, both, sizeof out->id);
		memcpy(out->key, both + sizeof out->id, sizeof out->key);
	}
	vx6_wipe(&own, sizeof own);
	vx6_wipe(&shared, sizeof shared);
	vx6_wipe(both, sizeof both);
	return err;
}

void vx6_hs_auth_mac(const struct vx6_hs_auth_key *key, const void *over, size_t n,
		     const uint8_t *enrols, uint8_t mac[static VX6_HS_AUTH_MAC])
{
	const char *label = enrols ? ENROLS : KNOWN;
	uint8_t all[sizeof KNOWN + VX6_HS_AUTH_OVER_MAX + 32];
	size_t len = strlen(label) + 1; /* with the zero at its end */

	VX6_ASSERT(n <= VX6_HS_AUTH_OVER_MAX);
	memcpy(all, label, len);
	memcpy(all + len, over, n);
	len += n;
	if (enrols) {
		memcpy(all + len, enrols, 32);
		len += 32;
	}
	/* extracting is HMAC-SHA-256 under the salt */
	vx6_kdf_extract(key->key, sizeof key->key, all, len, mac);
	vx6_wipe(all, sizeof all);
}
