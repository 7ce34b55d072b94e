/**
 * @file proxy_net.h
 * Nodes with sessions, proxies and the real DHT, for tests of what goes over circuits: sessions without an identity stand for these.
 */
#ifndef VX6_TESTS_UNIT_DISCOVERY_PROXY_NET_H
#define VX6_TESTS_UNIT_DISCOVERY_PROXY_NET_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "discovery/dht_circuit.h"
#include "discovery/dht_link_internal.h"
#include "tests/unit/session/fixture.h"

enum { HOSTS = 10 };

struct host {
	struct test_node node; /* first */
	struct link_pool pool;
	struct link_dialbacks dialbacks;
	struct link_server server;
	struct link_proxy proxy;
	struct vx6_dht *dht;
	struct vx6_dht_contact at;
	/* how it sends on */
	bool lies, refuses, dies;
	unsigned vias, leaves;
	struct vx6_session *from_us; /* our way to it */
	struct vx6_circuits_wait *wait;
	/* what it answers as a holder, instead of what its DHT says; 0: that. Optional */
	size_t (*serve)(struct host *h, const uint8_t *req, size_t n,
			uint8_t out[static VX6_DHT_RESPONSE_MAX]);
	unsigned puts; /* that reached it as a holder */
};

extern struct host host[HOSTS];
#define us (&host[0])

/* How many of those after us are proxies. */
extern unsigned only;
/* Whose contacts hidden DHTs begin with. */
extern struct vx6_dht *ordinary;
/* A DHT that only knows. */
extern const struct vx6_dht_io no_io;
extern const struct vx6_dht_circuit_ways proxy_ways;

/** Everybody knows everybody. */
void proxy_net_start(void);
void proxy_net_end(void);
struct host *host_of(const struct vx6_node_id *node);
struct vx6_dht_now now_is(void);

/* as hidden DHTs want them */
bool proxy_pick(void *user, const struct vx6_node_id *but, size_t n, struct vx6_node_id *out);
const struct vx6_dht *proxy_other(void *user);

#endif
