/**
 * @file common.h
 * What the tests of signed records share: the identity that the golden vectors were made with.
 */
#ifndef VX6_TESTS_UNIT_RECORD_COMMON_H
#define VX6_TESTS_UNIT_RECORD_COMMON_H

#include "tests/unit/vectors.h"

#include "crypto/secret.h"
#include "identity/identity.h"
#include "record/record.h"

enum { NOW = 1790000000 };

static inline void identity_of(const cJSON *v, struct vx6_identity *out)
{
	struct vx6_sign_keypair master;
	struct vx6_sign_seed seed;

	memset(out, 0, sizeof *out);
	out->net = vx6_net_default;
	vec_hex(v, "master_seed", seed.b, 32);
	vx6_sign_keypair_from_seed(&seed, &master);
	vx6_node_id_from_pk(&master.pk, &out->id);
	vec_hex(v, "sub_seed", seed.b, 32);
	vx6_sign_keypair_from_seed(&seed, &out->subkey.key);
	vec_hex(v, "cert", out->subkey.cert_bytes, sizeof out->subkey.cert_bytes);
	assert_ok(vx6_subkey_cert_decode(out->subkey.cert_bytes, sizeof out->subkey.cert_bytes,
					 &out->subkey.cert));
}

static inline int crypto_setup(void **state)
{
	return vx6_is_ok(vx6_crypto_init()) ? 0 : 1;
}

#endif
