#include "crypto/sign.h"

#include <sodium.h>
#include <string.h>

#include "base/util.h"
#include "crypto/internal.h"
#include "crypto/secret.h"

const struct vx6_net vx6_net_default = {"VX6 main net v1"};

/* libsodium's secret key is seed | public key: built for the call only, so that one form of the secret is kept. */
static void expand(const struct vx6_sign_keypair *kp, uint8_t sk[static crypto_sign_SECRETKEYBYTES])
{
	memcpy(sk, kp->seed.b, sizeof kp->seed.b);
	memcpy(sk + sizeof kp->seed.b, kp->pk.b, sizeof kp->pk.b);
}

void vx6_sign_keypair_from_seed(const struct vx6_sign_seed *seed, struct vx6_sign_keypair *out)
{
	uint8_t sk[crypto_sign_SECRETKEYBYTES];

	out->seed = *seed;
	crypto_sign_seed_keypair(out->pk.b, sk, out->seed.b);
	vx6_wipe(sk, sizeof sk);
}

void vx6_sign_keypair_random(struct vx6_sign_keypair *out)
{
	struct vx6_sign_seed seed;

	vx6_random_bytes(seed.b, sizeof seed.b);
	vx6_sign_keypair_from_seed(&seed, out);
	vx6_wipe(&seed, sizeof seed);
}

void vx6_sign_keypair_wipe(struct vx6_sign_keypair *kp)
{
	vx6_wipe(kp, sizeof *kp);
}

bool vx6_sign_pk_is_valid(const struct vx6_sign_pk *pk)
{
	return crypto_core_ed25519_is_valid_point(pk->b) == 1;
}

void vx6_sign_raw(const struct vx6_sign_keypair *kp, const void *msg, size_t n, struct vx6_sig *out)
{
	uint8_t sk[crypto_sign_SECRETKEYBYTES];

	expand(kp, sk);
	crypto_sign_detached(out->b, NULL, msg, n, sk);
	vx6_wipe(sk, sizeof sk);
}

vx6_err vx6_verify_raw(const struct vx6_sign_pk *pk, const void *msg, size_t n,
		       const struct vx6_sig *sig)
{
	if (crypto_sign_verify_detached(sig->b, msg, n, pk->b) != 0)
		return VX6_ERR(SIGNATURE);
	return VX6_OK;
}

vx6_err vx6_sign_message_join(struct vx6_sign_message *m, const char *label,
			      const struct vx6_net *net, const void *msg, size_t n)
{
	size_t label_n = strlen(label);

	VX6_ASSERT(label_n <= VX6_SIGN_LABEL_MAX);
	if (n > VX6_SIGN_MSG_MAX)
		return VX6_ERR(LIMIT);
	memcpy(m->b, label, label_n + 1);
	memcpy(m->b + label_n + 1, net->b, sizeof net->b);
	if (n)
		memcpy(m->b + label_n + 1 + sizeof net->b, msg, n);
	m->n = label_n + 1 + sizeof net->b + n;
	return VX6_OK;
}

vx6_err vx6_sign(const struct vx6_sign_keypair *kp, const char *label, const struct vx6_net *net,
		 const void *msg, size_t n, struct vx6_sig *out)
{
	struct vx6_sign_message m;

	VX6_TRY(vx6_sign_message_join(&m, label, net, msg, n));
	vx6_sign_raw(kp, m.b, m.n, out);
	return VX6_OK;
}

vx6_err vx6_verify(const struct vx6_sign_pk *pk, const char *label, const struct vx6_net *net,
		   const void *msg, size_t n, const struct vx6_sig *sig)
{
	struct vx6_sign_message m;

	VX6_TRY(vx6_sign_message_join(&m, label, net, msg, n));
	return vx6_verify_raw(pk, m.b, m.n, sig);
}
