/* Who may have how much: counts for each neighbour that said who it is, and for the anonymous ones of each network; and rates. */
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "circuit/relay_internal.h"
#include "crypto/secret.h"

enum { IDENTIFIED = 4 }; /* times as much for a neighbour that said who it is */

void limits_init(struct vx6_relay *r)
{
	vx6_random_bytes(&r->hash, sizeof r->hash);
	r->creates.per_s = VX6_RELAY_CREATES_S;
	r->node_creates.per_s = VX6_RELAY_CREATES_S * IDENTIFIED;
	r->networks.per_s = VX6_RELAY_CREATES_S * IDENTIFIED;
	r->dial_rate.per_s = VX6_RELAY_DIALS_S * IDENTIFIED;
}

/* Takes @p n tokens of the bucket of @p key, which holds those of one second. @return false: there are not so many */
static bool bucket_take(struct vx6_relay *r, struct buckets *b, const uint8_t *key, size_t key_n,
			uint32_t n)
{
	uint64_t now_us = vx6_loop_now_ns(r->cfg.loop) / 1000;
	uint64_t *full_us = &b->full_us[vx6_siphash(&r->hash, key, key_n) % BUCKETS];
	uint64_t at_us = VX6_MAX(*full_us, now_us) + UINT64_C(1000000) * n / b->per_s;

	if (at_us > now_us + 1000000)
		return false;
	*full_us = at_us;
	return true;
}

static void prefix_of(struct vx6_session *s, uint8_t out[16])
{
	struct vx6_link_info info;

	vx6_session_info(s, &info);
	vx6_addr_prefix(&info.remote, out);
}

struct source *limits_source(struct vx6_relay *r, struct vx6_session *s)
{
	const struct vx6_node_id *node = vx6_session_node(s);
	uint8_t key[33] = {0};
	struct source *src;

	key[0] = node ? 'n' : 'p';
	if (node)
		memcpy(key + 1, node->b, sizeof node->b);
	else
		prefix_of(s, key + 1);
	HASH_FIND(hh, r->sources, key, sizeof key, src);
	if (src)
		return src;
	src = vx6_zalloc(sizeof *src);
	memcpy(src->key, key, sizeof key);
	src->identified = node != NULL;
	HASH_ADD(hh, r->sources, key, sizeof src->key, src);
	return src;
}

void limits_put(struct vx6_relay *r, struct source *src)
{
	if (src->circuits > 0)
		return;
	HASH_DEL(r->sources, src);
	free(src);
}

bool limits_admit_create(struct vx6_relay *r, const struct source *src, struct vx6_session *s)
{
	uint8_t prefix[16];

	prefix_of(s, prefix);
	/* so many for each that said who it is, but ids cost nothing: a network has its share, too */
	if (!bucket_take(r, src->identified ? &r->node_creates : &r->creates, src->key,
			 sizeof src->key, 1))
		return false;
	return bucket_take(r, &r->networks, prefix, sizeof prefix, 1);
}

bool limits_admit_dial(struct vx6_relay *r, const struct source *src)
{
	return bucket_take(r, &r->dial_rate, src->key, sizeof src->key,
			   src->identified ? 1 : IDENTIFIED);
}

uint32_t limits_circuits(const struct vx6_relay *r, const struct source *src)
{
	uint32_t most = VX6_RELAY_NETWORK_MAX * (src->identified ? IDENTIFIED : 1);

	return VX6_MIN(most, VX6_MAX(r->cfg.budget.circuits / 2, 1u));
}

uint32_t limits_half(const struct source *src)
{
	return VX6_RELAY_HALF_NETWORK * (src->identified ? IDENTIFIED : 1);
}

uint32_t limits_dials(const struct source *src)
{
	return limits_share(src, VX6_RELAY_DIALS_MAX);
}

uint32_t limits_share(const struct source *src, uint32_t all)
{
	return src->identified ? all / 2 : all / 8;
}

bool limits_is_served(const struct relay_circ *c)
{
	struct vx6_relay *r = c->r;

	if (r->cfg.budget.mode == VX6_RELAYING_PRIVATE)
		return c->prev_known && r->cfg.events->is_peer(r->cfg.user, &c->prev_node);
	return r->cfg.budget.mode != VX6_RELAYING_OFF;
}
