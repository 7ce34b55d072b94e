#include "dht/contact.h"

#include <string.h>

#include "base/util.h"
#include "crypto/hash.h"

enum { PLACES = 8, BOUND_BYTES = 4 };

void vx6_dht_contact_addr(const struct vx6_dht_contact *c, struct vx6_addr *out)
{
	memset(out, 0, sizeof *out);
	out->family = VX6_ADDR_IP;
	memcpy(out->ip, c->ip, sizeof c->ip);
	out->port = c->port;
}

bool vx6_dht_contact_is_private(const struct vx6_dht_contact *c)
{
	struct vx6_addr a;

	vx6_dht_contact_addr(c, &a);
	return vx6_addr_is_private(&a);
}

bool vx6_dht_contact_is_bogon(const struct vx6_dht_contact *c)
{
	struct vx6_addr a;

	vx6_dht_contact_addr(c, &a);
	if (vx6_addr_is_v4(&a))
		return c->ip[12] == 0 || c->ip[12] >= 240;
	return (c->ip[0] & 0xe0) != 0x20;
}

bool vx6_dht_contact_is_sane(const struct vx6_dht_contact *c)
{
	struct vx6_addr a;

	vx6_dht_contact_addr(c, &a);
	return c->port != 0 && (c->via & (VX6_DHT_VIA_QUIC | VX6_DHT_VIA_TCP)) != 0 &&
	       !vx6_addr_is_any(&a) && !vx6_addr_is_multicast(&a);
}

void vx6_dht_contact_prefix(const struct vx6_dht_contact *c,
			    uint8_t out[static VX6_DHT_PREFIX_BYTES])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	memset(out, 0, VX6_DHT_PREFIX_BYTES);
	if (memcmp(c->ip, mapped, sizeof mapped) == 0) {
		/* multicast, so no IPv6 /48 of a contact begins like this */
		out[0] = out[1] = 0xff;
		memcpy(out + 3, c->ip + 12, 3);
	} else {
		memcpy(out, c->ip, VX6_DHT_PREFIX_BYTES);
	}
}

void vx6_dht_contact_pos(const struct vx6_net *net, const struct vx6_dht_contact *c,
			 struct vx6_dht_key *out)
{
	uint8_t prefix[VX6_DHT_PREFIX_BYTES], place;
	struct vx6_hash_state st;
	struct vx6_hash h;

	vx6_hash_init(&st, "VX6-pos-id");
	vx6_hash_update(&st, net->b, sizeof net->b);
	vx6_hash_update(&st, c->node.b, sizeof c->node.b);
	vx6_hash_final(&st, &h);
	memcpy(out->b, h.b, sizeof out->b);
	if (vx6_dht_contact_is_private(c))
		return;
	place = h.b[VX6_HASH_BYTES - 1] % PLACES;
	vx6_dht_contact_prefix(c, prefix);
	vx6_hash_init(&st, "VX6-pos");
	vx6_hash_update(&st, net->b, sizeof net->b);
	vx6_hash_update(&st, prefix, sizeof prefix);
	vx6_hash_update(&st, &place, 1);
	vx6_hash_final(&st, &h);
	memcpy(out->b, h.b, BOUND_BYTES);
}

int vx6_dht_closer(const struct vx6_dht_key *key, const struct vx6_dht_key *a,
		   const struct vx6_dht_key *b)
{
	for (size_t i = 0; i < sizeof key->b; i++) {
		int d = (key->b[i] ^ a->b[i]) - (key->b[i] ^ b->b[i]);

		if (d != 0)
			return d;
	}
	return 0;
}

unsigned vx6_dht_common_bits(const struct vx6_dht_key *a, const struct vx6_dht_key *b)
{
	for (unsigned i = 0; i < sizeof a->b; i++)
		if (a->b[i] != b->b[i])
			return i * 8 + (unsigned)__builtin_clz((unsigned)(a->b[i] ^ b->b[i])) - 24;
	return VX6_DHT_KEY_BYTES * 8;
}
