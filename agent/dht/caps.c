#include <string.h>

#include "dht/dht_internal.h"

bool vx6_dht_add_prefix(uint8_t (*seen)[VX6_DHT_PREFIX_BYTES], size_t n,
			const struct vx6_dht_contact *c)
{
	vx6_dht_contact_prefix(c, seen[n]);
	for (size_t i = 0; i < n; i++)
		if (memcmp(seen[i], seen[n], VX6_DHT_PREFIX_BYTES) == 0)
			return false;
	return true;
}

static uint32_t asn_of(const struct vx6_dht *d, const struct vx6_dht_contact *c)
{
	return d->io->asn ? d->io->asn(d->user, c->ip) : 0;
}

bool vx6_dht_caps_allow(const struct dht_caps *caps, const struct vx6_dht *d,
			const struct vx6_dht_contact *c)
{
	enum vx6_diversity diversity = vx6_dht_diversity(d);
	uint8_t prefix[VX6_DHT_PREFIX_BYTES];
	uint32_t asn, same = 0;

	if (diversity == VX6_DIVERSITY_OFF)
		return true;
	vx6_dht_contact_prefix(c, prefix);
	for (size_t i = 0; i < caps->n; i++)
		if (memcmp(caps->prefix[i], prefix, sizeof prefix) == 0)
			return false;
	if (diversity != VX6_DIVERSITY_ASN)
		return true;
	asn = asn_of(d, c);
	for (size_t i = 0; i < caps->n && asn != 0; i++)
		same += caps->asn[i] == asn;
	return same < ASN_MAX;
}

bool vx6_dht_caps_take(struct dht_caps *caps, const struct vx6_dht *d,
		       const struct vx6_dht_contact *c)
{
	if (caps->n >= CAPS_MAX || !vx6_dht_caps_allow(caps, d, c))
		return false;
	vx6_dht_contact_prefix(c, caps->prefix[caps->n]);
	caps->asn[caps->n++] = vx6_dht_diversity(d) == VX6_DIVERSITY_ASN ? asn_of(d, c) : 0;
	return true;
}
