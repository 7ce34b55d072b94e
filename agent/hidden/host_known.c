/*
 * Whom an introduction is from. The client says an id that both ends derive from its key and the one that it sealed for; what those are is derived
 * once for each key, period and client, so that an introduction costs no key agreement here.
 */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "crypto/secret.h"
#include "hidden/host_internal.h"

#define OWN_UID UINT64_MAX

static struct host_known *known_of(struct host_key *key, uint64_t period)
{
	struct host_known **oldest = &key->known[0];

	for (int k = 0; k < 2; k++) {
		if (!key->known[k])
			key->known[k] = vx6_zalloc(sizeof *key->known[k]);
		if (key->known[k]->period == period)
			return key->known[k];
		if (key->known[k]->period < (*oldest)->period)
			oldest = &key->known[k];
	}
	vx6_wipe(*oldest, sizeof **oldest);
	(*oldest)->period = period;
	return *oldest;
}

static void derive(struct host_known *known, size_t place, uint64_t uid, const uint8_t *pk,
		   const struct host_opened *o)
{
	if (known->of[place].uid == uid)
		return;
	known->of[place].uid = uid;
	/* a key of small order gives zeroes, and those are nobody's */
	if (!vx6_is_ok(vx6_hs_auth_derive(o->key->sk.b, pk, o->period->names.subcred,
					  &known->of[place].auth)))
		vx6_wipe(&known->of[place].auth, sizeof known->of[place].auth);
}

static bool says(const struct host_known *known, size_t place, const struct vx6_introduce *what)
{
	const struct vx6_hs_auth_key *auth = &known->of[place].auth;

	return !vx6_ct_is_zero(auth->key, sizeof auth->key) &&
	       memcmp(auth->id, what->client_id, sizeof auth->id) == 0;
}

/* @return its place; TABLE_CLIENTS: ourselves, one more: nobody we know */
static size_t place_of(struct host_service *s, struct host_known *known,
		       const struct host_opened *o)
{
	for (size_t k = 0; k < TABLE_CLIENTS; k++) {
		if (s->client[k].uid == 0)
			continue;
		derive(known, k, s->client[k].uid, s->client[k].c.pk, o);
		if (says(known, k, o->what))
			return k;
	}
	derive(known, TABLE_CLIENTS, OWN_UID, s->own_pk.b, o);
	return TABLE_CLIENTS + !says(known, TABLE_CLIENTS, o->what);
}

static bool has_proved(const struct vx6_hs_auth_key *auth, const struct host_opened *o)
{
	const struct vx6_introduce *what = o->what;
	uint8_t mac[VX6_HS_AUTH_MAC];
	bool right;

	vx6_hs_auth_mac(auth, o->plain, o->mac_at,
			what->client == VX6_HS_CLIENT_ENROL ? what->client_key : NULL, mac);
	right = vx6_ct_eq(mac, what->client_mac, sizeof mac);
	vx6_wipe(mac, sizeof mac);
	return right;
}

static enum vx6_host_refusal judge(struct host_service *s, struct host_client *c,
				   const struct vx6_introduce *what, struct host_client **who)
{
	enum vx6_host_refusal why = VX6_HOST_REFUSED_NONE;
	bool enrols = what->client == VX6_HS_CLIENT_ENROL;

	*who = c;
	if (enrols != (c->c.kind == VX6_HOST_INVITE))
		return VX6_HOST_REFUSED_INVITE_KEY;
	if (enrols)
		why = host_client_enrol(s, c, what->client_key, who);
	if (why != VX6_HOST_REFUSED_NONE)
		return why;
	if ((*who)->c.revoked)
		return VX6_HOST_REFUSED_REVOKED;
	return host_client_is_expired(s, *who) ? VX6_HOST_REFUSED_EXPIRED : VX6_HOST_REFUSED_NONE;
}

enum vx6_host_refusal host_known(struct host_service *s, const struct host_opened *o,
				 uint64_t *client)
{
	enum vx6_host_refusal why;
	struct host_client *who;
	struct host_known *known;
	size_t place;

	*client = 0;
	if (!s->spec.closed)
		return VX6_HOST_REFUSED_NONE;
	if (o->what->client == VX6_HS_CLIENT_NONE)
		return VX6_HOST_REFUSED_AUTH_MISSING;
	known = known_of(o->key, o->period->period);
	place = place_of(s, known, o);
	if (place > TABLE_CLIENTS || !has_proved(&known->of[place].auth, o))
		return VX6_HOST_REFUSED_AUTH_KEY;
	if (place == TABLE_CLIENTS)
		return o->what->client == VX6_HS_CLIENT_AUTH ? VX6_HOST_REFUSED_NONE
							     : VX6_HOST_REFUSED_INVITE_KEY;
	why = judge(s, &s->client[place], o->what, &who);
	if (why != VX6_HOST_REFUSED_NONE)
		return why;
	host_client_seen(s, who);
	*client = who->uid;
	return VX6_HOST_REFUSED_NONE;
}
