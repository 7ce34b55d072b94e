/**
 * @file key.h
 * Under which key a record is stored.
 *
 * Spec:    schemas/wire/dht.md#keys
 * Layer:   dht
 * Threads: pure, any thread
 */
#ifndef VX6_DHT_KEY_H
#define VX6_DHT_KEY_H

#include "base/err.h"
#include "dht/contact.h"
#include "record/record.h"

void vx6_dht_key_endpoint(const struct vx6_net *net, const struct vx6_node_id *node,
			  struct vx6_dht_key *out);
void vx6_dht_key_service(const struct vx6_net *net, const struct vx6_node_id *node,
			 const char *service, struct vx6_dht_key *out);
/** Of all claims to one name. */
void vx6_dht_key_name(const struct vx6_net *net, const char *name, struct vx6_dht_key *out);
/** Of all claims of hidden services to one alias. */
void vx6_dht_key_alias(const struct vx6_net *net, const char *alias, struct vx6_dht_key *out);
void vx6_dht_key_revocation(const struct vx6_net *net, const struct vx6_node_id *node,
			    struct vx6_dht_key *out);
/** @param blinded the catalog's blinded key of @p period, which is the subject of its record */
void vx6_dht_key_catalog(const struct vx6_net *net, const uint8_t blinded[static 32],
			 uint64_t period, struct vx6_dht_key *out);
/** @param blinded the service's blinded key of @p period, which is the subject of its descriptor @param i 1 or 2 */
void vx6_dht_key_descriptor(const struct vx6_net *net, const uint8_t blinded[static 32], unsigned i,
			    uint64_t period, struct vx6_dht_key *out);

/**
 * The key under which @p rec is stored, from what it says itself; of a descriptor, which has two, the first.
 * @return VX6_OK | UNSUPPORTED (type) | FORMAT
 */
VX6_RES vx6_dht_key_of(const struct vx6_net *net, const struct vx6_record *rec,
		       struct vx6_dht_key *out);
/** Whether @p rec may be stored under @p key. @return VX6_OK | MISMATCH | errors of vx6_dht_key_of() */
VX6_RES vx6_dht_key_check(const struct vx6_net *net, const struct vx6_record *rec,
			  const struct vx6_dht_key *key);

#endif
