/**
 * @file net_look.h
 * Lookups in a net of a test: what they ended with, and records for them to find.
 */
#ifndef VX6_TESTS_UNIT_DHT_NET_LOOK_H
#define VX6_TESTS_UNIT_DHT_NET_LOOK_H

#include "identity/identity.h"
#include "record/service.h"
#include "tests/unit/dht/net.h"

enum { NOW = 1790000000 };

/* What a lookup ended with, and what it said on the way. */
struct outcome {
	bool done;
	struct vx6_dht_result r;
	struct vx6_dht_contact closest[VX6_DHT_K];
	struct vx6_dht_value value[4];
	uint64_t seq[4];
	unsigned asked[NET_MAX]; /* by trace: how often each */
	unsigned kinds[VX6_DHT_STEP_WIDENED + 1];
	struct net *net;
};

struct someone {
	struct vx6_identity id;
	struct vx6_dht_key key;
	uint8_t record[VX6_SERVICE_MAX];
	size_t n;
};

/** vx6_dht_done_cb of a struct outcome. */
void on_done(void *user, const struct vx6_dht_result *r);
/** Node 0 looks for @p key. @return freed by the caller */
struct outcome *look(struct net *net, const struct vx6_dht_key *key, enum vx6_dht_want want);
/** The same one each time, by number; with a record of seq 1. */
void someone(struct someone *s, uint8_t number);
/** Its next record. */
void sign(struct someone *s, uint64_t seq);
/** Puts the record at a node that needs no asking: the test is its owner. */
void put(struct net *net, struct net_node *at, const struct someone *s);
size_t rank_of(const struct net *net, const struct vx6_dht_key *key, const struct net_node *n);
struct net_node *nth_nearest(struct net *net, const struct vx6_dht_key *key, size_t rank);
/** At the @p n nearest that are no liars, node 0 excepted. */
void put_near(struct net *net, const struct someone *s, size_t n);

#endif
