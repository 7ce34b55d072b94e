/* A DHT of a few nodes in this process: real parts, with a queue in place of the network. Real time. */
#ifndef VX6_TESTS_DISCOVERY_DHT_NET_H
#define VX6_TESTS_DISCOVERY_DHT_NET_H

#include "dht/dht.h"
#include "loop/loop.h"

enum { DHT_NET_MAX = 16 };

/** @param n nodes, all of which know each other; number 0 asks only, the others serve */
void dht_net_start(struct vx6_loop *loop, unsigned n);
/** Idempotent. */
void dht_net_stop(void);
struct vx6_dht *dht_net_node(unsigned i);
/** As the parts above the DHT want the time. */
void dht_net_now(void *user, struct vx6_dht_now *out);
/** Has node @p i keep the record, until all holders have proved to have it. */
void dht_net_publish(struct vx6_loop *loop, unsigned i, const uint8_t *record, size_t n);
/** Whether node @p i answers; at first all do. */
void dht_net_silence(unsigned i, bool silent);
/** Runs loop and network until @p done says so; fails the test after five seconds. */
void dht_net_run(struct vx6_loop *loop, bool (*done)(void *user), void *user);

#endif
