/**
 * @file alias.h
 * Claims to aliases, as hidden services make them.
 */
#ifndef VX6_TESTS_UNIT_DISCOVERY_ALIAS_H
#define VX6_TESTS_UNIT_DISCOVERY_ALIAS_H

#include "base/clock.h"
#include "base/util.h"
#include "record/name_claim.h"

struct alias_claim {
	uint8_t b[VX6_ALIAS_CLAIM_MAX];
	size_t n;
	struct vx6_node_id service;
};

/** @param who stands for the service's key */
static inline void alias_claim(struct alias_claim *out, uint8_t who, const char *alias,
			       uint64_t seq, bool withdrawn)
{
	struct vx6_name_claim c = {.seq = seq,
				   .issued_s = vx6_wall_s(),
				   .lifetime_s = VX6_ALIAS_CLAIM_LIFETIME_S,
				   .withdrawn = withdrawn};
	const struct vx6_sign_seed seed = {.b = {who}};
	struct vx6_sign_keypair key;

	vx6_sign_keypair_from_seed(&seed, &key);
	vx6_node_id_from_pk(&key.pk, &out->service);
	vx6_strlcpy(c.name, alias, sizeof c.name);
	assert_true(vx6_alias_work_solve(&vx6_net_default, alias, &out->service, VX6_NAME_WORK_BITS,
					 0, UINT64_MAX, &c.nonce));
	assert_true(vx6_is_ok(vx6_alias_claim_build(&c, &key, &vx6_net_default, out->b, &out->n)));
}

#endif
