#include "discovery/netwatch.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"

enum { SETTLE_MS = 30, BURST_MESSAGES = 64 };

/* ---- addresses ---- */

static bool take_addr(struct vx6_addr *out, size_t *n, const struct ifaddrs *ifa, bool loopback)
{
	socklen_t len = ifa->ifa_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
							     : sizeof(struct sockaddr_in);
	struct vx6_addr a;

	if (*n == VX6_HOST_ADDRS_MAX || !vx6_is_ok(vx6_addr_from_sockaddr(ifa->ifa_addr, len, &a)))
		return false;
	a.port = 0;
	if (vx6_addr_is_loopback(&a) != loopback || vx6_addr_is_link_local(&a) ||
	    vx6_addr_is_any(&a))
		return false;
	for (size_t i = 0; i < *n; i++)
		if (vx6_addr_same_ip(&out[i], &a))
			return false;
	out[(*n)++] = a;
	return true;
}

static void collect(const struct ifaddrs *list, struct vx6_addr *out, size_t *n, bool loopback)
{
	for (const struct ifaddrs *ifa = list; ifa; ifa = ifa->ifa_next)
		if (ifa->ifa_addr && (ifa->ifa_flags & IFF_UP) &&
		    (ifa->ifa_addr->sa_family == AF_INET6 || ifa->ifa_addr->sa_family == AF_INET))
			take_addr(out, n, ifa, loopback);
}

/* IPv6 before IPv4, public before private; a stable order otherwise. */
static int rank(const struct vx6_addr *a)
{
	return (vx6_addr_is_v4(a) ? 1 : 0) + (vx6_addr_is_private(a) ? 2 : 0);
}

size_t vx6_host_addrs(struct vx6_addr out[static VX6_HOST_ADDRS_MAX])
{
	struct ifaddrs *list;
	size_t n = 0;

	if (getifaddrs(&list) < 0)
		return 0;
	collect(list, out, &n, false);
	if (n == 0)
		collect(list, out, &n, true);
	freeifaddrs(list);
	for (size_t i = 1; i < n; i++) {
		struct vx6_addr a = out[i];
		size_t j = i;

		for (; j > 0 && rank(&out[j - 1]) > rank(&a); j--)
			out[j] = out[j - 1];
		out[j] = a;
	}
	return n;
}

/* ---- changes ---- */

struct vx6_netwatch {
	int fd;
	struct vx6_io io;
	struct vx6_timer settle;
	void (*changed)(void *user);
	void *user;
};

static void on_netlink(struct vx6_io *io, int events)
{
	struct vx6_netwatch *w = io->user;
	char buf[8192];

	(void)events;
	/* what changed does not matter: the addresses are read anew. An overrun (ENOBUFS) says so too. */
	for (int i = 0; i < BURST_MESSAGES; i++)
		if (recv(w->fd, buf, sizeof buf, MSG_DONTWAIT) < 0 && errno != ENOBUFS)
			break;
	vx6_timer_in_ms(&w->settle, SETTLE_MS);
}

static void on_settled(struct vx6_timer *timer)
{
	struct vx6_netwatch *w = timer->user;

	w->changed(w->user);
}

vx6_err vx6_netwatch_new(struct vx6_loop *loop, void (*changed)(void *user), void *user,
			 struct vx6_netwatch **out)
{
	struct sockaddr_nl nl = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_LINK,
	};
	struct vx6_netwatch *w = vx6_zalloc(sizeof *w);
	vx6_err err;

	w->changed = changed;
	w->user = user;
	vx6_timer_init(loop, &w->settle, on_settled, w);
	w->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (w->fd < 0 || bind(w->fd, (struct sockaddr *)&nl, sizeof nl) < 0)
		err = vx6_err_from_errno(errno);
	else
		err = vx6_io_start(loop, &w->io, w->fd, VX6_IO_READ, on_netlink, w);
	if (!vx6_is_ok(err)) {
		vx6_netwatch_free(w);
		return err;
	}
	*out = w;
	return VX6_OK;
}

void vx6_netwatch_free(struct vx6_netwatch *w)
{
	if (!w)
		return;
	vx6_timer_stop(&w->settle);
	vx6_io_stop(&w->io);
	if (w->fd >= 0)
		close(w->fd);
	free(w);
}
