/* A UDP relay on the loop, between one client and one server, which loses, damages, reorders and rewrites as told. Its chances come
 * from a fixed seed. */
#ifndef VX6_TESTS_TRANSPORT_UDP_PROXY_H
#define VX6_TESTS_TRANSPORT_UDP_PROXY_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop/loop.h"
#include "transport/transport.h"

enum { PROXY_KEPT = 16, PROXY_PACKET = 2048 };

struct proxy_packet {
	uint8_t p[PROXY_PACKET];
	size_t n;
};

struct udp_proxy {
	struct vx6_loop *loop;
	struct vx6_io front, back;
	int front_fd, back_fd;
	struct sockaddr_in6 server, client;
	struct vx6_addr at; /* where clients come to */
	uint64_t seed;
	int loss_pct, swap_pct; /* swapped: sent after the packet that follows it */
	size_t mtu;             /* longer datagrams vanish; 0: none do */
	bool blocked;           /* nothing passes */
	bool flip_client;       /* one bit of each datagram of the client is flipped */
	struct proxy_packet late[2];
	int passed, dropped, retries;
	struct proxy_packet kept[PROXY_KEPT]; /* the client's first datagrams that fit */
	int kept_n;
};

void proxy_start(struct udp_proxy *x, struct vx6_loop *loop, const struct vx6_addr *server,
		 uint64_t seed);
/** The server sees another source port from now on, as when an address translator forgot us. */
void proxy_rebind(struct udp_proxy *x);
/** Nobody listens any more where clients come to; then somebody does again. */
void proxy_close_front(struct udp_proxy *x);
void proxy_open_front(struct udp_proxy *x);
void proxy_stop(struct udp_proxy *x);
/** Sends @p n bytes straight to the server from the proxy's second socket. */
void proxy_inject(struct udp_proxy *x, const void *p, size_t n);
uint32_t proxy_random(struct udp_proxy *x);

#endif
