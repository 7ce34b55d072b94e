#include "udp_proxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { PASS_MAX = 64 }; /* datagrams a wake-up */

uint32_t proxy_random(struct udp_proxy *x)
{
	/* xorshift: the same sequence for the same seed on every machine */
	x->seed ^= x->seed << 13;
	x->seed ^= x->seed >> 7;
	x->seed ^= x->seed << 17;
	return (uint32_t)(x->seed >> 32);
}

static bool chance(struct udp_proxy *x, int pct)
{
	return pct > 0 && proxy_random(x) % 100 < (uint32_t)pct;
}

static void deliver(struct udp_proxy *x, bool to_server, const uint8_t *p, size_t n)
{
	int fd = to_server ? x->back_fd : x->front_fd;
	const struct sockaddr_in6 *to = to_server ? &x->server : &x->client;

	x->passed++;
	(void)!sendto(fd, p, n, 0, (const struct sockaddr *)to, sizeof *to);
}

static void pass(struct udp_proxy *x, bool to_server, uint8_t *p, size_t n)
{
	struct proxy_packet *late = &x->late[to_server];

	if ((p[0] & 0xf0) == 0xf0 && !to_server)
		x->retries++;
	if (to_server && n <= PROXY_PACKET && x->kept_n < PROXY_KEPT) {
		memcpy(x->kept[x->kept_n].p, p, n);
		x->kept[x->kept_n++].n = n;
	}
	if (x->blocked || (x->mtu && n > x->mtu) || chance(x, x->loss_pct)) {
		x->dropped++;
		return;
	}
	if (to_server && x->flip_client)
		p[proxy_random(x) % n] ^= (uint8_t)(1u << (proxy_random(x) % 8));
	if (late->n == 0 && n <= PROXY_PACKET && chance(x, x->swap_pct)) {
		memcpy(late->p, p, n);
		late->n = n;
		return;
	}
	deliver(x, to_server, p, n);
	if (late->n) {
		deliver(x, to_server, late->p, late->n);
		late->n = 0;
	}
}

static void on_readable(struct vx6_io *io, int events)
{
	struct udp_proxy *x = io->user;
	bool to_server = io == &x->front;
	static uint8_t buf[65536];

	(void)events;
	for (int i = 0; i < PASS_MAX; i++) {
		struct sockaddr_in6 from;
		socklen_t len = sizeof from;
		ssize_t n = recvfrom(io->fd, buf, sizeof buf, 0, (struct sockaddr *)&from, &len);

		if (n <= 0)
			return;
		if (to_server)
			x->client = from;
		pass(x, to_server, buf, (size_t)n);
	}
}

static int udp_socket(uint16_t port, struct sockaddr_in6 *bound)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6,
				   .sin6_port = htons(port),
				   .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), size = 4 << 20;
	socklen_t len = sizeof *bound;

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
	assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof any), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)bound, &len), 0);
	return fd;
}

void proxy_start(struct udp_proxy *x, struct vx6_loop *loop, const struct vx6_addr *server,
		 uint64_t seed)
{
	struct sockaddr_storage ss;
	struct sockaddr_in6 bound;

	memset(x, 0, sizeof *x);
	x->loop = loop;
	x->seed = seed;
	assert_int_equal(vx6_addr_to_sockaddr(server, true, &ss), sizeof x->server);
	memcpy(&x->server, &ss, sizeof x->server);
	x->back_fd = udp_socket(0, &bound);
	x->front_fd = udp_socket(0, &bound);
	assert_true(
		vx6_is_ok(vx6_addr_from_sockaddr((struct sockaddr *)&bound, sizeof bound, &x->at)));
	assert_true(
		vx6_is_ok(vx6_io_start(loop, &x->front, x->front_fd, VX6_IO_READ, on_readable, x)));
	assert_true(
		vx6_is_ok(vx6_io_start(loop, &x->back, x->back_fd, VX6_IO_READ, on_readable, x)));
}

void proxy_rebind(struct udp_proxy *x)
{
	struct sockaddr_in6 bound;

	vx6_io_stop(&x->back);
	close(x->back_fd);
	x->back_fd = udp_socket(0, &bound);
	assert_true(vx6_is_ok(
		vx6_io_start(x->loop, &x->back, x->back_fd, VX6_IO_READ, on_readable, x)));
}

void proxy_close_front(struct udp_proxy *x)
{
	vx6_io_stop(&x->front);
	close(x->front_fd);
	x->front_fd = -1;
}

void proxy_open_front(struct udp_proxy *x)
{
	struct sockaddr_in6 bound;

	x->front_fd = udp_socket(x->at.port, &bound);
	assert_true(vx6_is_ok(
		vx6_io_start(x->loop, &x->front, x->front_fd, VX6_IO_READ, on_readable, x)));
}

void proxy_inject(struct udp_proxy *x, const void *p, size_t n)
{
	(void)!sendto(x->back_fd, p, n, 0, (const struct sockaddr *)&x->server, sizeof x->server);
}

void proxy_stop(struct udp_proxy *x)
{
	vx6_io_stop(&x->front);
	vx6_io_stop(&x->back);
	close(x->front_fd);
	close(x->back_fd);
}
