/* The end of an identity, as its owner asks for it. */
#include <string.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "identity/identity_internal.h"
#include "identity/revocation.h"

static vx6_err read_successor(const struct vx6_revoke_ask *ask, struct vx6_sign_keypair *out)
{
	vx6_err err;
	int dirfd;

	VX6_TRY(vx6_keydir_open(ask->successor_dir, &dirfd));
	err = identity_read_master(dirfd, ask->successor_pass, out);
	close(dirfd);
	return err;
}

/* The floor for SUBKEY: above the subkey on disk, so that the owner renews first or right after. */
static uint32_t floor_of(const char *dir, const struct vx6_net *net,
			 const struct vx6_revoke_ask *ask)
{
	struct vx6_identity id = {0};
	uint32_t seq = ask->min_cert_seq;

	if (ask->reason != VX6_REVOKE_SUBKEY)
		return 0;
	if (!seq && vx6_is_ok(vx6_identity_load(dir, net, &id)) &&
	    id.subkey.cert.cert_seq < UINT32_MAX)
		seq = id.subkey.cert.cert_seq + 1;
	vx6_identity_wipe(&id);
	return seq;
}

static vx6_err sign_revocation(const char *dir, int dirfd, const struct vx6_net *net,
			       const struct vx6_revoke_ask *ask, const struct vx6_passphrase *pass,
			       uint64_t now_s, uint8_t *out, size_t *n)
{
	struct vx6_revocation r = {.seq = now_s * 1000,
				   .issued_s = now_s,
				   .reason = ask->reason,
				   .min_cert_seq = floor_of(dir, net, ask)};
	struct vx6_sign_keypair master = {0}, successor = {0};
	vx6_err err = identity_read_master(dirfd, pass, &master);

	if (vx6_is_ok(err) && ask->successor_dir)
		err = read_successor(ask, &successor);
	if (vx6_is_ok(err) && vx6_ct_eq(master.pk.b, successor.pk.b, sizeof master.pk.b))
		err = VX6_ERR(INVALID);
	if (vx6_is_ok(err))
		err = vx6_revocation_build(&r, &master, ask->successor_dir ? &successor : NULL, net,
					   out, n);
	vx6_sign_keypair_wipe(&successor);
	vx6_sign_keypair_wipe(&master);
	return err;
}

vx6_err vx6_identity_revoke(const char *dir, const struct vx6_net *net,
			    const struct vx6_revoke_ask *ask, const struct vx6_passphrase *pass,
			    uint64_t now_s, uint8_t *out, size_t *n)
{
	uint8_t signed_before[VX6_KEYFILE_PAYLOAD_MAX];
	vx6_err err;
	int dirfd;

	*n = 0;
	if (ask->reason < VX6_REVOKE_SUPERSEDED || ask->reason > VX6_REVOKE_RETIRED ||
	    (ask->reason == VX6_REVOKE_SUBKEY && ask->successor_dir))
		return VX6_ERR(INVALID);
	VX6_TRY(vx6_keydir_open(dir, &dirfd));
	err = VX6_ERR(NOT_FOUND);
	if (ask->reason == VX6_REVOKE_MASTER && !ask->successor_dir)
		err = vx6_keyfile_read(dirfd, REVOCATION_FILE, VX6_KEYFILE_REVOCATION, pass,
				       signed_before, n);
	if (vx6_is_ok(err) && *n <= VX6_REVOCATION_MAX)
		memcpy(out, signed_before, *n);
	else if (err.code == VX6_E_NOT_FOUND)
		err = sign_revocation(dir, dirfd, net, ask, pass, now_s, out, n);
	else if (vx6_is_ok(err))
		err = VX6_ERR(CORRUPT);
	close(dirfd);
	return err;
}
