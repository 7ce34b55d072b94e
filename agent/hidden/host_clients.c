/*
 * Who may come in: clients by their keys, and invites that are exchanged for clients. Whoever is in the table and may not come in any more is kept
 * for a while, so that the owner is told why somebody was refused; the oldest of those make room.
 */
#include <string.h>

#include "base/util.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "hidden/host_internal.h"

enum { HOUR_S = 3600 };

static void id_of(const uint8_t *pk, uint8_t out[static VX6_HOST_ID])
{
	struct vx6_hash h;

	vx6_hash_personal("VX6-hs-client", pk, VX6_HOST_KEY, &h);
	memcpy(out, h.b, VX6_HOST_ID);
}

/* ---- the table ---- */

bool host_client_is_expired(const struct host_service *s, const struct host_client *c)
{
	return c->c.expires_s != 0 && host_wall_s(s->h) >= c->c.expires_s;
}

static bool is_used_up(const struct host_client *c)
{
	return c->c.kind == VX6_HOST_INVITE && c->c.uses_max != 0 && c->c.uses >= c->c.uses_max;
}

/* Named by descriptors. */
static bool is_good(const struct host_service *s, const struct host_client *c)
{
	return c->uid != 0 && !c->c.revoked && !host_client_is_expired(s, c) && !is_used_up(c);
}

struct host_client *host_client_by_uid(struct host_service *s, uint64_t uid)
{
	for (size_t k = 0; uid != 0 && k < TABLE_CLIENTS; k++)
		if (s->client[k].uid == uid)
			return &s->client[k];
	return NULL;
}

static struct host_client *by_pk(struct host_service *s, const uint8_t *pk)
{
	for (size_t k = 0; k < TABLE_CLIENTS; k++)
		if (s->client[k].uid != 0 && memcmp(s->client[k].c.pk, pk, VX6_HOST_KEY) == 0)
			return &s->client[k];
	return NULL;
}

static struct host_client *by_id(struct host_service *s, const uint8_t *id)
{
	for (size_t k = 0; k < TABLE_CLIENTS; k++)
		if (s->client[k].uid != 0 && memcmp(s->client[k].c.id, id, VX6_HOST_ID) == 0)
			return &s->client[k];
	return NULL;
}

static size_t count_good(const struct host_service *s)
{
	size_t n = 0;

	for (size_t k = 0; k < TABLE_CLIENTS; k++)
		n += is_good(s, &s->client[k]);
	return n;
}

static void tell(const struct host_service *s, const struct host_client *c, bool removed)
{
	const struct vx6_host_change what = {.scope = s->spec.scope,
					     .client = &c->c,
					     .removed = removed};

	if (s->h->cfg.changed)
		s->h->cfg.changed(s->h->cfg.user, &what);
}

/* The oldest of those that are not good any more goes. @return its place; NULL: all are good */
static struct host_client *make_room(struct host_service *s)
{
	struct host_client *oldest = NULL;

	for (size_t k = 0; k < TABLE_CLIENTS; k++) {
		struct host_client *c = &s->client[k];

		if (!is_good(s, c) && (!oldest || c->uid < oldest->uid))
			oldest = c;
	}
	if (oldest)
		tell(s, oldest, true);
	return oldest;
}

static struct host_client *empty_place(struct host_service *s)
{
	for (size_t k = 0; k < TABLE_CLIENTS; k++)
		if (s->client[k].uid == 0)
			return &s->client[k];
	return make_room(s);
}

/* @param c its id is set here @param out its place */
static vx6_err insert(struct host_service *s, const struct vx6_host_client *c,
		      struct host_client **out)
{
	struct host_client new = {.c = *c};
	struct host_client *place;

	if (vx6_ct_is_zero(c->pk, sizeof c->pk) ||
	    (c->name[0] != '\0' && !vx6_label_is_valid(c->name, strnlen(c->name, sizeof c->name))))
		return VX6_ERR(INVALID);
	if (by_pk(s, c->pk))
		return VX6_ERR(EXISTS);
	id_of(c->pk, new.c.id);
	new.uid = s->next_uid + 1;
	new.is_good = is_good(s, &new);
	if (new.is_good && count_good(s) >= VX6_HOST_CLIENTS_MAX)
		return VX6_ERR(FULL);
	place = empty_place(s);
	if (!place)
		return VX6_ERR(FULL);
	*place = new;
	s->next_uid++;
	*out = place;
	return VX6_OK;
}

static vx6_err insert_new(struct host_service *s, const struct vx6_host_client *c,
			  struct host_client **out)
{
	VX6_TRY(insert(s, c, out));
	tell(s, *out, false);
	if (s->spec.closed)
		host_admits(s);
	return VX6_OK;
}

size_t host_clients_keys(const struct host_service *s,
			 uint8_t out[static VX6_HS_CLIENTS_MAX][VX6_HOST_KEY])
{
	size_t n = 0;

	memcpy(out[n++], s->own_pk.b, VX6_HOST_KEY);
	for (size_t k = 0; k < TABLE_CLIENTS && n < VX6_HS_CLIENTS_MAX; k++)
		if (is_good(s, &s->client[k]))
			memcpy(out[n++], s->client[k].c.pk, VX6_HOST_KEY);
	return n;
}

/* It waits no more, and its sessions end. */
static void show_out(struct host_service *s, uint64_t uid, enum vx6_host_refusal why)
{
	host_queue_leave(s, uid, why);
	host_meets_end(s, uid, vx6_host_refusal_text(why));
}

void host_clients_close(struct host_service *s)
{
	show_out(s, 0, VX6_HOST_REFUSED_AUTH_MISSING);
}

void host_clients_run(struct host_service *s, uint64_t now, uint64_t *due)
{
	uint64_t wall = host_wall_s(s->h);

	for (size_t k = 0; k < TABLE_CLIENTS; k++) {
		struct host_client *c = &s->client[k];

		if (c->is_good && !is_good(s, c)) {
			c->is_good = false;
			if (s->spec.closed)
				s->dirty = s->admits_else = true;
			show_out(s, c->uid, VX6_HOST_REFUSED_EXPIRED);
		}
		if (c->is_good && c->c.expires_s > wall)
			host_sooner(due, now + (c->c.expires_s - wall) * 1000);
	}
}

/* ---- an invite is exchanged ---- */

static enum vx6_host_refusal enrol(struct host_service *s, struct host_client *invite,
				   const uint8_t *pk, struct host_client **out)
{
	struct vx6_host_client c = {.kind = VX6_HOST_CLIENT, .created_s = host_wall_s(s->h)};
	bool last = invite->c.uses_max != 0 && invite->c.uses + 1 >= invite->c.uses_max;
	uint64_t uid = invite->uid;
	vx6_err err;

	memcpy(c.pk, pk, sizeof c.pk);
	memcpy(c.name, invite->c.name, sizeof c.name);
	memcpy(c.invited_by, invite->c.id, sizeof c.invited_by);
	invite->c.uses++;
	if (last) /* the new client takes its place */
		invite->is_good = false;
	err = insert_new(s, &c, out);
	if (!vx6_is_ok(err)) {
		invite->c.uses--;
		invite->is_good = true;
		return err.code == VX6_E_FULL ? VX6_HOST_REFUSED_CLIENTS_FULL
					      : VX6_HOST_REFUSED_FORMAT;
	}
	invite = host_client_by_uid(s, uid); /* it may have made room itself */
	if (invite)
		tell(s, invite, false);
	host_event(s, VX6_HOST_ENROLLED, "an invite was exchanged for a client%s%s",
		   c.name[0] != '\0' ? ": " : "", c.name);
	return VX6_HOST_REFUSED_NONE;
}

enum vx6_host_refusal host_client_enrol(struct host_service *s, struct host_client *invite,
					const uint8_t pk[static VX6_HOST_KEY],
					struct host_client **out)
{
	struct host_client *known = by_pk(s, pk);

	if (known) { /* it asks once more, as it was not answered, or over another circuit */
		if (known->c.kind != VX6_HOST_CLIENT)
			return VX6_HOST_REFUSED_INVITE_KEY;
		*out = known;
		return VX6_HOST_REFUSED_NONE;
	}
	if (invite->c.revoked)
		return VX6_HOST_REFUSED_INVITE_REVOKED;
	if (host_client_is_expired(s, invite))
		return VX6_HOST_REFUSED_INVITE_EXPIRED;
	if (is_used_up(invite))
		return VX6_HOST_REFUSED_INVITE_USED;
	return enrol(s, invite, pk, out);
}

/* What is stored of it is not finer than an hour. */
void host_client_seen(struct host_service *s, struct host_client *c)
{
	uint64_t hour_s = host_wall_s(s->h) / HOUR_S * HOUR_S;

	c->c.uses++;
	if (c->c.seen_s == hour_s)
		return;
	c->c.seen_s = hour_s;
	tell(s, c, false);
}

/* ---- by the owner ---- */

vx6_err vx6_host_client_load(struct vx6_host *h, uint64_t scope, const struct vx6_host_client *c)
{
	struct host_service *s = host_find(h, scope);
	struct host_client *place;

	return s ? insert(s, c, &place) : VX6_ERR(NOT_FOUND);
}

static vx6_err add(struct vx6_host *h, uint64_t scope, struct vx6_host_client *c, const char *name,
		   struct vx6_host_client *out)
{
	struct host_service *s = host_find(h, scope);
	struct host_client *place;

	if (!s)
		return VX6_ERR(NOT_FOUND);
	c->created_s = host_wall_s(h);
	if (vx6_strlcpy(c->name, name, sizeof c->name) >= sizeof c->name ||
	    (c->expires_s != 0 && c->expires_s <= c->created_s))
		return VX6_ERR(INVALID);
	VX6_TRY(insert_new(s, c, &place));
	if (out)
		*out = place->c;
	return VX6_OK;
}

vx6_err vx6_host_client_add(struct vx6_host *h, uint64_t scope, const char *name,
			    const uint8_t pk[static VX6_HOST_KEY], uint64_t expires_s,
			    struct vx6_host_client *out)
{
	struct vx6_host_client c = {.kind = VX6_HOST_CLIENT, .expires_s = expires_s};

	memcpy(c.pk, pk, sizeof c.pk);
	return add(h, scope, &c, name, out);
}

vx6_err vx6_host_invite(struct vx6_host *h, uint64_t scope, const char *name, uint64_t expires_s,
			uint32_t uses, uint8_t secret[static VX6_HOST_KEY],
			struct vx6_host_client *out)
{
	struct vx6_host_client c = {.kind = VX6_HOST_INVITE,
				    .expires_s = expires_s,
				    .uses_max = uses};
	struct vx6_kx_pk pk;
	struct vx6_kx_sk sk;
	vx6_err err;

	vx6_kx_keypair(&pk, &sk);
	memcpy(c.pk, pk.b, sizeof c.pk);
	err = add(h, scope, &c, name, out);
	memset(secret, 0, VX6_HOST_KEY);
	if (vx6_is_ok(err))
		memcpy(secret, sk.b, sizeof sk.b);
	vx6_wipe(&sk, sizeof sk);
	return err;
}

vx6_err vx6_host_revoke(struct vx6_host *h, uint64_t scope, const uint8_t id[static VX6_HOST_ID])
{
	struct host_service *s = host_find(h, scope);
	struct host_client *c = s ? by_id(s, id) : NULL;

	if (!c)
		return VX6_ERR(NOT_FOUND);
	if (c->c.revoked)
		return VX6_OK;
	c->c.revoked = true;
	c->is_good = false;
	tell(s, c, false);
	show_out(s, c->uid, VX6_HOST_REFUSED_REVOKED);
	if (s->spec.closed)
		host_admits(s);
	return VX6_OK;
}

void vx6_host_clients_each(const struct vx6_host *h, uint64_t scope,
			   bool (*fn)(void *user, const struct vx6_host_client *c), void *user)
{
	const struct host_service *s = host_find(h, scope);
	uint64_t last = 0;

	while (s) {
		const struct host_client *next = NULL;

		for (size_t k = 0; k < TABLE_CLIENTS; k++)
			if (s->client[k].uid > last && (!next || s->client[k].uid < next->uid))
				next = &s->client[k];
		if (!next || !fn(user, &next->c))
			return;
		last = next->uid;
	}
}
