#include "dht/key.h"

#include <string.h>

#include "crypto/hash.h"
#include "record/catalog.h"
#include "record/hs_desc.h"
#include "record/name_claim.h"
#include "record/service.h"
#include "wire/wr.h"

static void hash_key(const char *personal, const struct vx6_net *net, const void *a, size_t a_n,
		     const void *b, size_t b_n, struct vx6_dht_key *out)
{
	struct vx6_hash_state st;
	struct vx6_hash h;

	vx6_hash_init(&st, personal);
	vx6_hash_update(&st, net->b, sizeof net->b);
	vx6_hash_update(&st, a, a_n);
	if (b_n > 0)
		vx6_hash_update(&st, b, b_n);
	vx6_hash_final(&st, &h);
	memcpy(out->b, h.b, sizeof out->b);
}

void vx6_dht_key_endpoint(const struct vx6_net *net, const struct vx6_node_id *node,
			  struct vx6_dht_key *out)
{
	hash_key("VX6-k-endpoint", net, node->b, sizeof node->b, NULL, 0, out);
}

void vx6_dht_key_service(const struct vx6_net *net, const struct vx6_node_id *node,
			 const char *service, struct vx6_dht_key *out)
{
	hash_key("VX6-k-service", net, node->b, sizeof node->b, service, strlen(service), out);
}

void vx6_dht_key_name(const struct vx6_net *net, const char *name, struct vx6_dht_key *out)
{
	hash_key("VX6-k-name", net, name, strlen(name), NULL, 0, out);
}

void vx6_dht_key_alias(const struct vx6_net *net, const char *alias, struct vx6_dht_key *out)
{
	hash_key("VX6-k-alias", net, alias, strlen(alias), NULL, 0, out);
}

void vx6_dht_key_revocation(const struct vx6_net *net, const struct vx6_node_id *node,
			    struct vx6_dht_key *out)
{
	hash_key("VX6-k-revoke", net, node->b, sizeof node->b, NULL, 0, out);
}

void vx6_dht_key_catalog(const struct vx6_net *net, const uint8_t blinded[static 32],
			 uint64_t period, struct vx6_dht_key *out)
{
	uint8_t be[8];
	struct vx6_wr w;

	vx6_wr_init(&w, be, sizeof be);
	vx6_wr_u64(&w, period);
	hash_key("VX6-k-catalog", net, blinded, 32, be, sizeof be, out);
}

void vx6_dht_key_descriptor(const struct vx6_net *net, const uint8_t blinded[static 32], unsigned i,
			    uint64_t period, struct vx6_dht_key *out)
{
	struct vx6_sign_pk pk;

	memcpy(pk.b, blinded, sizeof pk.b);
	vx6_hs_index(net, &pk, i, period, out->b);
}

vx6_err vx6_dht_key_of(const struct vx6_net *net, const struct vx6_record *rec,
		       struct vx6_dht_key *out)
{
	struct vx6_service_record service;
	struct vx6_name_claim claim;
	uint64_t period;

	memset(out, 0, sizeof *out);
	switch (rec->view.type) {
	case VX6_RTYPE_ENDPOINT:
	case VX6_RTYPE_RELAY:
		vx6_dht_key_endpoint(net, &rec->subject, out);
		return VX6_OK;
	case VX6_RTYPE_SERVICE:
		if (!vx6_is_ok(vx6_service_read(rec, &service)))
			return VX6_ERR(FORMAT);
		vx6_dht_key_service(net, &rec->subject, service.name, out);
		return VX6_OK;
	case VX6_RTYPE_CATALOG:
		if (!vx6_is_ok(vx6_catalog_check(rec, &period)))
			return VX6_ERR(FORMAT);
		vx6_dht_key_catalog(net, rec->subject.b, period, out);
		return VX6_OK;
	case VX6_RTYPE_DESCRIPTOR:
		if (!vx6_is_ok(vx6_hs_desc_check(rec, &period)))
			return VX6_ERR(FORMAT);
		vx6_dht_key_descriptor(net, rec->subject.b, 1, period, out);
		return VX6_OK;
	case VX6_RTYPE_NAME:
		if (!vx6_is_ok(vx6_name_claim_read(rec, net, &claim)))
			return VX6_ERR(FORMAT);
		vx6_dht_key_name(net, claim.name, out);
		return VX6_OK;
	case VX6_RTYPE_ALIAS:
		if (!vx6_is_ok(vx6_alias_claim_read(rec, net, &claim)))
			return VX6_ERR(FORMAT);
		vx6_dht_key_alias(net, claim.name, out);
		return VX6_OK;
	case VX6_RTYPE_REVOCATION:
		vx6_dht_key_revocation(net, &rec->subject, out);
		return VX6_OK;
	default:
		return VX6_ERR(UNSUPPORTED);
	}
}

vx6_err vx6_dht_key_check(const struct vx6_net *net, const struct vx6_record *rec,
			  const struct vx6_dht_key *key)
{
	struct vx6_dht_key own;

	VX6_TRY(vx6_dht_key_of(net, rec, &own));
	if (rec->view.type == VX6_RTYPE_DESCRIPTOR && memcmp(&own, key, sizeof own) != 0)
		vx6_dht_key_descriptor(net, rec->subject.b, 2, rec->view.aux, &own);
	return memcmp(&own, key, sizeof own) == 0 ? VX6_OK : VX6_ERR(MISMATCH);
}
