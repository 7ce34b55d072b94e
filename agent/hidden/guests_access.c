/*
 * Which client we say we are. A key of our own opens the door once the owner knows it; until then the key of an invite does, and each introduction
 * asks that ours be taken in its place. Ours is made when it is first needed, and told before it is used: it would be lost with the process.
 */
#include "hidden/guests_internal.h"

#include <string.h>

#include "crypto/kx.h"
#include "crypto/secret.h"

static void changed(struct service *s)
{
	if (s->g->cfg.access_changed)
		s->g->cfg.access_changed(s->g->cfg.user, &s->id, &s->access);
}

void access_enrolled(struct service *s)
{
	s->forgotten = false;
	if (s->access.enrolled)
		return;
	s->access.enrolled = true;
	changed(s);
}

static void make_key(struct service *s)
{
	struct vx6_kx_pk pk;
	struct vx6_kx_sk sk;

	vx6_kx_keypair(&pk, &sk);
	memcpy(s->access.key, sk.b, sizeof s->access.key);
	s->access.has_key = true;
	vx6_wipe(&sk, sizeof sk);
	changed(s);
}

static void public_of(const uint8_t *secret, uint8_t out[static 32])
{
	struct vx6_kx_pk pk;
	struct vx6_kx_sk sk;

	memcpy(sk.b, secret, sizeof sk.b);
	vx6_kx_public(&sk, &pk);
	memcpy(out, pk.b, sizeof pk.b);
	vx6_wipe(&sk, sizeof sk);
}

vx6_err access_show(struct service *s, const uint8_t enc_key[static 32], struct vx6_introduce *i,
		    struct vx6_hs_auth_key *key)
{
	struct vx6_guest_access *a = &s->access;
	const uint8_t *secret = s->opened_by == OPENED_BY_OWN ? s->own : a->key;

	i->client = VX6_HS_CLIENT_NONE;
	if (s->opened_by == OPENED_BY_NONE)
		return VX6_OK;
	i->client = VX6_HS_CLIENT_AUTH;
	if (s->opened_by == OPENED_BY_INVITE && (!a->enrolled || s->forgotten)) {
		i->client = VX6_HS_CLIENT_ENROL;
		if (!a->has_key)
			make_key(s);
		public_of(a->key, i->client_key);
		secret = a->invite;
	}
	VX6_TRY(vx6_hs_auth_derive(secret, enc_key, s->names.subcred, key));
	memcpy(i->client_id, key->id, sizeof i->client_id);
	return VX6_OK;
}
